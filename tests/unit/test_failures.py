"""From an answer that is not audio to the exception that says so."""

import json
import math
from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facade._rules.error_mapping import (
    BODY_LIMIT,
    failure_from_status,
    failure_in_event,
    failure_in_place_of_stream,
    failure_in_success,
    is_event_stream,
)
from facade.errors import (
    APIError,
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    EmptyAudioError,
    InternalServerError,
    NotFoundError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitError,
    RequestTooLargeError,
    UnprocessableEntityError,
)
from tests import strategies

NOW = 1_445_412_420.0  # Wed, 21 Oct 2015 07:27:00 GMT
IDS = {"x-request-id": "req-1", "cf-ray": "8f-FRA"}


def failure(
    status: int, body: bytes = b"", headers: Mapping[str, str] = IDS, now: float = NOW
) -> APIStatusError:
    found = failure_from_status(status, headers, body, now=now)
    assert isinstance(found, APIStatusError)
    return found


# --- by the status -----------------------------------------------------------------------------

CLASSES = {
    400: BadRequestError,
    401: AuthenticationError,
    402: PaymentRequiredError,
    403: PermissionDeniedError,
    404: NotFoundError,
    413: RequestTooLargeError,
    422: UnprocessableEntityError,
    429: RateLimitError,
    **dict.fromkeys(range(500, 600), InternalServerError),
}


@pytest.mark.parametrize("status", [s for s in range(201, 600) if s not in (204, 205)])
def test_every_status_has_its_class(status: int) -> None:
    error = failure(status, b'{"error": {"message": "no"}}')
    assert type(error) is CLASSES.get(status, APIStatusError)
    assert error.status_code == status
    assert str(error) == f"HTTP {status}: no [request id req-1, cf-ray 8f-FRA]"


def test_a_status_beyond_http_has_no_class_of_its_own() -> None:
    assert type(failure(600)) is APIStatusError


@pytest.mark.parametrize(
    ("status", "is_redirect"), [(201, False), (299, False), (300, True), (399, True), (400, False)]
)
def test_only_a_redirect_points_elsewhere(status: int, is_redirect: bool) -> None:
    error = failure(status, b"no", {"location": "/elsewhere"})
    assert ("redirected to '/elsewhere'" in error.message) is is_redirect


def test_status_200_is_no_failure() -> None:
    assert failure_from_status(200, IDS, b"{}", now=NOW) is None


@pytest.mark.parametrize("status", [204, 205])
def test_a_success_that_promises_no_content_is_empty_audio(status: int) -> None:
    error = failure_from_status(status, IDS, b"", now=NOW)
    assert isinstance(error, EmptyAudioError)
    assert (error.request_id, error.cf_ray) == ("req-1", "8f-FRA")


@pytest.mark.parametrize(
    ("status", "phrase"),
    [
        (401, "Unauthorized"),
        (304, "Not Modified"),
        (429, "Too Many Requests"),
        (503, "Service Unavailable"),
        *((status, "the edge in front of the service failed") for status in (520, 522, 530, 599)),
        *((status, "no reason given") for status in (499, 519, 600, 999)),
    ],
)
def test_without_a_body_the_status_speaks(status: int, phrase: str) -> None:
    assert failure(status).message == phrase


def test_a_redirect_names_the_host_it_points_to() -> None:
    error = failure(307, b"<html>moved</html>", {"location": "https://evil.example/v1"})
    assert type(error) is APIStatusError
    assert "redirected to 'https://evil.example/v1', which was not followed" in error.message
    assert len(str(failure(307, headers={"location": "https://e.example/" + "x" * 9999}))) < 600


# --- by the body -------------------------------------------------------------------------------

DEEP = b"[" * 60_000


@pytest.mark.parametrize(
    ("body", "message", "facts"),
    [
        pytest.param(
            b'{"error": {"message": "no such voice", "type": "invalid_request_error",'
            b' "param": "voice", "code": "x1"}}',
            "no such voice",
            ("invalid_request_error", "voice", "x1"),
            id="the contract's",
        ),
        pytest.param(
            b'{"error": {"message": "no", "type": null, "param": null, "code": null}}',
            "no",
            (None, None, None),
            id="nulls",
        ),
        pytest.param(b'{"error": {"message": "no"}}', "no", (None, None, None), id="no type"),
        pytest.param(
            b'{"error": {"message": "slow"}, "error_type": "dynamic_request_limited"}',
            "slow",
            ("dynamic_request_limited", None, None),
            id="error_type beside error",
        ),
        pytest.param(
            b'{"error": "slow down", "error_type": "dynamic_token_limited"}',
            "slow down",
            ("dynamic_token_limited", None, None),
            id="error_type beside a string",
        ),
        pytest.param(b'{"error": "text"}', "text", (None, None, None), id="error as a string"),
        pytest.param(
            b'{"message": "no", "type": "t", "code": 17}', "no", ("t", None, "17"), id="flat"
        ),
        pytest.param(b'{"detail": "no"}', "no", (None, None, None), id="detail"),
        pytest.param(
            b'{"detail": [{"loc": ["voice"]}]}',
            '{"detail": [{"loc": ["voice"]}]}',
            (None, None, None),
            id="detail as a list",
        ),
        pytest.param(
            b'{"error": {"message": "no", "type": ["t"], "param": {}, "code": true}}',
            "no",
            (None, None, None),
            id="facts of other kinds",
        ),
        pytest.param(
            b'{"error": {"message": "a\\nb\\u001b[0m\\u2028c", "type": "t\\nu\\u0000",'
            b' "code": ""}}',
            "a b [0m c",
            ("t u", None, None),
            id="line ends and control characters",
        ),
        pytest.param(
            b'{"error": {"message": "must be < 5 and > 1"}}',
            "must be < 5 and > 1",
            (None, None, None),
            id="less than",
        ),
        pytest.param(
            b'{"error": {"message": "\\ud800 alone"}}', "alone", (None, None, None), id="surrogate"
        ),
        pytest.param(
            b'\xef\xbb\xbf{"error": {"message": "no"}}', "no", (None, None, None), id="BOM"
        ),
        pytest.param(
            b'{"error": {"message": ""}}',
            '{"error": {"message": ""}}',
            (None, None, None),
            id="empty message",
        ),
        pytest.param(b'{"error": ""}', '{"error": ""}', (None, None, None), id="error empty"),
        pytest.param(
            b'{"error": {"message": "\\u0000 "}}',
            '{"error": {"message": "\\u0000 "}}',
            (None, None, None),
            id="nothing readable in the message",
        ),
        pytest.param(b'{"error": 5}', '{"error": 5}', (None, None, None), id="error as a number"),
        pytest.param(b"{}", "{}", (None, None, None), id="empty object"),
        pytest.param(b"null", "null", (None, None, None), id="null"),
        pytest.param(b'["no"]', '["no"]', (None, None, None), id="list"),
        pytest.param(b"17", "17", (None, None, None), id="number"),
        pytest.param(b'{"error": {"mess', '{"error": {"mess', (None, None, None), id="cut JSON"),
        pytest.param(
            b'{"n": ' + b"1" * 5000 + b"}",
            '{"n": ' + "1" * 194 + " …",
            (None, None, None),
            id="a number too long to read",
        ),
        pytest.param(DEEP, "[" * 200 + " …", (None, None, None), id="deep JSON"),
        pytest.param(
            b"  upstream connect\r\n\terror ", "upstream connect error", (None,) * 3, id="text"
        ),
        pytest.param(
            b"<!DOCTYPE html>\n<html><head><title>522: timed out</title></head>"
            b"<body><h1>Error\n522</h1></body></html>",
            "522: timed out Error 522",
            (None, None, None),
            id="HTML",
        ),
        pytest.param(b"", "Bad Request", (None, None, None), id="empty"),
        pytest.param(b" \n ", "Bad Request", (None, None, None), id="blank"),
        pytest.param(b"<html></html>", "Bad Request", (None, None, None), id="blank page"),
        pytest.param(b"b\xfcse\xff", "b�se�", (None, None, None), id="bad UTF-8"),
        pytest.param(b"x" * 200, "x" * 200, (None, None, None), id="just short enough"),
        pytest.param(b"x" * 70_000, "x" * 200 + " …", (None, None, None), id="huge"),
        pytest.param(b"\0" * 70_000, "Bad Request", (None, None, None), id="zeros"),
    ],
)
def test_a_body_of_any_shape_gives_the_service_s_words_or_an_excerpt(
    body: bytes, message: str, facts: tuple[str | None, ...]
) -> None:
    error = failure(400, body)
    assert type(error) is BadRequestError
    assert error.message == message
    assert (error.type, error.param, error.code) == facts
    assert error.body == body[:BODY_LIMIT].decode("utf-8-sig", errors="replace")
    assert (error.request_id, error.cf_ray) == ("req-1", "8f-FRA")


# --- how long to wait --------------------------------------------------------------------------

DATE = "Wed, 21 Oct 2015 07:28:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "120"}, 120),
        ({"retry-after": " 0 "}, 0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "3."}, 3),
        ({"retry-after": "86400000"}, 86_400_000),
        ({"retry-after": "9" * 20}, 1e20),
        ({"retry-after": DATE}, 60),
        ({"retry-after": DATE, "date": "Wed, 21 Oct 2015 07:26:00 GMT"}, 120),
        ({"retry-after": DATE, "date": DATE}, 0),
        ({"retry-after": DATE, "date": "yesterday"}, 60),
        ({"retry-after": "Wed, 21 Oct 2015 09:28:00 +0200"}, 60),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00"}, 60),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 -0000"}, 60),
        ({"retry-after": "Wednesday, 21-Oct-15 07:28:00 GMT"}, 60),
        ({"retry-after": "Wed Oct 21 07:28:00 2015"}, 60),
        ({"retry-after": "Wed, 21 Oct 2015 07:00:00 GMT"}, None),
        ({"retry-after": DATE, "date": "Wed, 21 Oct 2015 07:29:00 GMT"}, None),
        ({"x-ratelimit-reset": "0.075"}, 0.075),
        ({"x-ratelimit-reset": "7.5e-05"}, 7.5e-05),
        ({"x-ratelimit-reset": DATE}, None),
        ({"retry-after": "2", "x-ratelimit-reset": "0.5"}, 2),
        ({"retry-after": "soon", "x-ratelimit-reset": "0.5"}, 0.5),
        ({"retry-after": "-1", "x-ratelimit-reset": "0.5"}, 0.5),
        *(
            ({"retry-after": garbage, "x-ratelimit-reset": garbage}, None)
            for garbage in [
                "",
                "-1",
                "+1",
                "nan",
                "inf",
                "Infinity",
                "1e3",
                "1_000",
                "0x10",
                "٣",
                "1,5",
                "5, 5",
                "1 s",
                "9" * 400,
                "Wed, 99 Oct 2015 07:28:00 GMT",
                "Wed, 21 Oct 99999 07:28:00 GMT",
                "Wed, 21 Oct 2015 07:28:00 +999999",
                "Mon, 01 Jan 0001 00:00:00 +2359",
                "Wed,",
                "\0",
            ]
        ),
    ],
)
def test_the_wait_is_what_the_service_asks_or_nothing(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert failure(429, headers=headers).retry_after_s == seconds


# --- status 200 --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        pytest.param(
            b'{"error": {"message": "no such voice"}}', "audio/wav", "no such voice", id="error"
        ),
        pytest.param(b'{"error": "busy"}', "audio/wav", "busy", id="error as a string"),
        pytest.param(b'\xef\xbb\xbf{"error": "busy"}', "audio/wav", "busy", id="error after a BOM"),
        pytest.param(
            b'{"message": "busy"}',
            "audio/wav",
            "status 200 with JSON in place of audio: busy",
            id="message",
        ),
        pytest.param(
            b"null", "audio/wav", "status 200 with JSON in place of audio: null", id="null"
        ),
        pytest.param(b"[]", "", "status 200 with JSON in place of audio: []", id="list"),
        pytest.param(
            b'"busy"',
            "application/json",
            'status 200 with JSON in place of audio: "busy"',
            id="a string that is called JSON",
        ),
        pytest.param(
            b'{"error": "' + b"x" * BODY_LIMIT,
            "audio/wav",
            'status 200 with JSON in place of audio: {"error": "' + "x" * 189 + " …",
            id="long JSON",
        ),
        pytest.param(
            b"<!DOCTYPE html><title>Welcome</title>",
            "audio/wav",
            "status 200 with a page in place of audio: Welcome",
            id="page",
        ),
        pytest.param(
            b"\r\n<HTML><body>" + b"x" * BODY_LIMIT,
            "audio/wav",
            "status 200 with a page in place of audio: " + "x" * 200 + " …",
            id="long page",
        ),
        pytest.param(
            b"<html><body>sch\xf6n</body>",
            "audio/wav",
            "status 200 with a page in place of audio: sch�n",
            id="page in Latin-1",
        ),
        pytest.param(
            b'<?xml version="1.0"?><Error>no</Error>',
            "audio/wav",
            "status 200 with a page in place of audio: no",
            id="XML",
        ),
        pytest.param(
            b"data: [DONE]\n\n",
            "text/event-stream; charset=utf-8",
            "status 200 with an event stream in place of audio: data: [DONE]",
            id="event stream",
        ),
        pytest.param(
            b"data: " + b"QUJD" * BODY_LIMIT,
            "Text/Event-Stream",
            "status 200 with an event stream in place of audio: data: QUJD",
            id="long event stream",
        ),
        pytest.param(
            b"busy",
            "text/plain",
            "status 200 with text in place of audio: busy",
            id="text that is called text",
        ),
    ],
)
def test_a_200_that_is_no_audio_is_an_error(body: bytes, content_type: str, message: str) -> None:
    error = failure_in_success(IDS | {"content-type": content_type}, body)
    assert type(error) is APIError
    assert error.message.startswith(message)
    assert (error.request_id, error.cf_ray) == ("req-1", "8f-FRA")
    assert error.body == body[:BODY_LIMIT].decode("utf-8-sig", errors="replace")


def test_a_text_is_one_wherever_its_64_kib_end() -> None:
    body = b'{"a": "' + "ü".encode() * BODY_LIMIT
    for shift in (b"", b" "):
        assert isinstance(failure_in_success({}, shift + body[: BODY_LIMIT + 1]), APIError)


def test_64_kib_are_enough_to_call_a_text_json() -> None:
    assert BODY_LIMIT == 65_536
    # All of it is there, and it is no JSON; there is more of it, and it may be.
    assert failure_in_success({}, b"[" * BODY_LIMIT) is None
    assert isinstance(failure_in_success({}, b"[" * (BODY_LIMIT + 1)), APIError)


def test_the_facts_of_an_error_in_a_200_are_kept() -> None:
    body = b'{"error": {"message": "no", "type": "t", "param": "p", "code": "c"}}'
    error = failure_in_success({}, body)
    assert isinstance(error, APIError)
    assert (error.type, error.param, error.code) == ("t", "p", "c")


def test_a_200_with_nothing_is_empty_audio() -> None:
    error = failure_in_success(IDS, b"")
    assert isinstance(error, EmptyAudioError)
    assert (error.request_id, error.cf_ray) == ("req-1", "8f-FRA")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0", id="wav"),
        pytest.param(b"\xff\xfb\x90\xc4" + bytes(400), id="mp3"),
        pytest.param(bytes(48_000), id="silence"),
        pytest.param(bytes(100_000), id="long silence"),
        pytest.param(b"<\0\x01\0", id="a sample that is a sign"),
        pytest.param(b"{\0}\0", id="samples like JSON"),
        pytest.param(b"12", id="samples like a number"),
        pytest.param(b'"abc"', id="samples like a string"),
        pytest.param(b"\x7f" * 100_000, id="µ-law silence"),
        pytest.param(b"\xd5" * 100_000, id="A-law silence"),
    ],
)
@pytest.mark.parametrize("content_type", ["", "application/octet-stream", "audio/wav"])
def test_what_may_be_audio_is_left_alone(body: bytes, content_type: str) -> None:
    assert failure_in_success({"content-type": content_type}, body) is None


@pytest.mark.parametrize("content_type", ["application/json", "text/html", "text/event-stream"])
def test_audio_is_audio_whatever_it_is_called(content_type: str) -> None:
    assert failure_in_success({"content-type": content_type}, bytes(48_000)) is None


# --- in place of a stream, or inside it --------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "head", "may_be"),
    [
        ("text/event-stream", b"data: {}\n\n", True),
        ("Text/Event-Stream; charset=utf-8", b"\r\n: hello\n", True),
        ("application/json", b"data: {}\n\n", True),
        ("", b"\xef\xbb\xbfdata: {}\n\n", True),
        ("", b"", True),
        ("text/event-stream", b'{"error": "busy"}', False),
        ("text/event-stream", b" \n[]", False),
        ("text/event-stream", b"<!doctype html>", False),
        ("text/event-stream", b"RIFF\x24\0\0\0WAVE", False),
        ("audio/wav", b"\0\1", False),
        ("Audio/MPEG", b"data: {}\n\n", False),
    ],
)
def test_what_is_no_stream_is_known_by_its_first_bytes(
    content_type: str, head: bytes, may_be: bool
) -> None:
    assert is_event_stream({"content-type": content_type}, head) is may_be


@pytest.mark.parametrize(
    ("headers", "head", "message"),
    [
        ({}, b'{"error": {"message": "busy"}}', "busy"),
        ({"content-type": "audio/wav"}, b"RIFF", "status 200 with audio/wav in place of an event"),
        ({}, b"<html>", "status 200 with no content type in place of an event stream"),
    ],
)
def test_an_answer_in_place_of_a_stream_is_an_error(
    headers: dict[str, str], head: bytes, message: str
) -> None:
    error = failure_in_place_of_stream(IDS | headers, head)
    assert type(error) is APIError
    assert error.message.startswith(message)
    assert (error.request_id, error.cf_ray) == ("req-1", "8f-FRA")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"error": {"message": "busy", "type": "t", "param": "p", "code": "c"}}', "busy"),
        (b'{"message": "busy", "type": "t", "param": "p", "code": "c"}', "busy"),
        (b"the engine fell over", "the engine fell over"),
        (b" ", "the service reported an error in the stream and did not say which"),
    ],
)
def test_an_error_inside_a_stream_keeps_its_words_and_facts(data: bytes, message: str) -> None:
    error = failure_in_event(data, IDS)
    assert type(error) is APIError
    assert error.message == message
    facts = ("t", "p", "c") if data.startswith(b"{") else (None, None, None)
    assert (error.type, error.param, error.code) == facts
    assert (error.request_id, error.cf_ray) == ("req-1", "8f-FRA")


# --- whatever comes ----------------------------------------------------------------------------


@settings(max_examples=10_000, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(200, 599), strategies.headers, strategies.bodies)
def test_no_answer_at_all_raises_anything(
    status: int, headers: dict[str, str], body: bytes
) -> None:
    error: APIError | EmptyAudioError | None = failure_from_status(status, headers, body, now=NOW)
    if error is None:
        assert status == 200
        error = failure_in_success(headers, body[: BODY_LIMIT + 1])
        if error is None:
            return
    text = str(error)
    assert text.splitlines() == [text]
    assert text.encode()
    assert len(text) < 1600
    request_id = headers.get("x-request-id", "")
    if request_id.isprintable():
        assert request_id in text
    assert error.request_id == headers.get("x-request-id")
    if isinstance(error, APIStatusError):
        assert error.headers == headers
        assert error.retry_after_s is None or 0 <= error.retry_after_s < math.inf


@given(strategies.error_documents)
def test_a_message_in_the_contract_s_place_is_found(document: object) -> None:
    body = json.dumps({"error": {"message": "here it is", "more": document}}).encode()
    assert failure(400, body).message == "here it is"
