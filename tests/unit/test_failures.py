"""From an answer that is not audio to the exception that says so."""

import json
import math
import time
from collections.abc import Mapping
from itertools import cycle, product
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facade._rules.error_mapping import (
    BODY_LIMIT,
    failure_from_status,
    failure_in_event,
    failure_in_place_of_stream,
    failure_in_success,
    failure_in_voices,
    speaks_of_error,
)
from facade.errors import (
    APIConnectionError,
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
    SpeechError,
    UnprocessableEntityError,
)
from facade.formats import AudioFormat, Container, wav_header
from tests import strategies

NOW = 1_445_412_420.0  # Wed, 21 Oct 2015 07:27:00 GMT
IDS = {"x-request-id": "req-1", "cf-ray": "8f-FRA"}


def failure(
    status: int, body: bytes = b"", headers: Mapping[str, str] = IDS, now: float = NOW
) -> APIStatusError:
    found = failure_from_status(status, headers, body, now=now)
    assert isinstance(found, APIStatusError)
    return found


RAW = AudioFormat("raw", "pcm_s16le", 24000, 1)
WAV = AudioFormat("wav")
MP3 = AudioFormat("mp3")
CONTAINERS: list[Container] = ["wav", "mp3", "opus", "aac", "flac"]


def in_success(
    body: bytes, headers: Mapping[str, str] = IDS, expected: AudioFormat = WAV
) -> SpeechError | None:
    return failure_in_success(headers, body[:BODY_LIMIT], len(body), expected)


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


@pytest.mark.parametrize("status", [204, 205])
def test_a_list_of_voices_that_did_not_come_is_not_said_to_be_unspeakable(status: int) -> None:
    error = failure_from_status(status, IDS, b"", now=NOW, is_speech=False)
    assert isinstance(error, APIStatusError)
    assert "only status 200 means that the whole answer is there" in error.message


@pytest.mark.parametrize("status", [201, 203, 206, 500])
@pytest.mark.parametrize(
    "audio",
    [
        wav_header("pcm_s16le", 24000, 1, 4000) + b"Quite loud.." * 300,
        b"ID3\x04\0\0\0\0\0\x0a" + b"TIT2 a song"[:10] + b"\xff\xfb\x90\xc4" + bytes(413),
        bytes(range(256)) * 8,
        b"\xff" * 1000,
        np.random.default_rng(1).bytes(5000),
    ],
    ids=["wav", "mp3", "samples", "silence", "noise"],
)
def test_audio_under_another_status_is_not_in_the_message(status: int, audio: bytes) -> None:
    message = failure(status, audio).message
    phrases = {201: "Created", 203: "Non-Authoritative Information", 206: "Partial Content"}
    assert message.startswith(phrases.get(status, "Internal Server Error"))
    assert ("only status 200" in message) == (status < 300)
    assert len(message) < 100


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
        ({"retry-after": "0", "x-ratelimit-reset": "30"}, 30),
        ({"retry-after": DATE, "x-ratelimit-reset": "0.5"}, 60),
        ({"retry-after": DATE, "x-ratelimit-reset": "90"}, 90),
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


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="this system's time zone cannot be changed")
def test_a_date_without_a_zone_is_in_gmt_wherever_the_client_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "JST-9")
        time.tzset()
        error = failure(429, headers={"retry-after": "Wed, 21 Oct 2015 07:28:00"})
    time.tzset()
    assert isinstance(error, RateLimitError)
    assert error.retry_after_s == 60


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
            b"<Error>no</Error>",
            "audio/wav",
            "status 200 with a page in place of audio: no",
            id="XML without its declaration",
        ),
        pytest.param(
            b"<html>\xfc\xfc\xfc\xfc</html>",
            "audio/wav",
            "status 200 with a page in place of audio: ",
            id="short page in Latin-1",
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
    error = in_success(body, IDS | {"content-type": content_type})
    assert type(error) is APIError
    assert error.message.startswith(message)
    assert (error.request_id, error.cf_ray) == ("req-1", "8f-FRA")
    assert error.body == body[:BODY_LIMIT].decode("utf-8-sig", errors="replace")


UTF_16 = '{"error": {"message": "no such voice"}}'
TEXTS = [
    pytest.param(b"Internal Server Error", "text in place of audio: Internal Ser", id="text"),
    pytest.param(b"Bad Gateway", "text in place of audio: Bad Gateway", id="short text"),
    pytest.param(
        b"upstream connect error or disconnect/reset before headers. reset reason: overflow",
        "text in place of audio: upstream connect error",
        id="Envoy",
    ),
    pytest.param(b"no healthy upstream", "text in place of audio: no healthy", id="Envoy, short"),
    pytest.param(UTF_16.encode("utf-16"), "no such voice", id="UTF-16"),
    pytest.param(UTF_16.encode("utf-16-le"), "no such voice", id="UTF-16-LE"),
    pytest.param(UTF_16.encode("utf-16-be"), "no such voice", id="UTF-16-BE"),
    pytest.param(b'\r\n{"error": "no"}', "no", id="JSON after a line"),
    pytest.param(b'{"error": "M\xfcller"}', "M\ufffdller", id="JSON in Latin-1"),
    pytest.param(b'["no such voice"]', 'JSON in place of audio: ["no such voice"]', id="list"),
    pytest.param(
        b'{"error": "' + b"x" * BODY_LIMIT, 'JSON in place of audio: {"error": "xxx', id="long JSON"
    ),
    pytest.param(
        "<html><p>Der Dienst ist überlastet, bitte später</p></html>".encode("latin-1"),
        "a page in place of audio: Der Dienst ist",
        id="page in Latin-1",
    ),
    pytest.param(UTF_16.encode("utf-32"), "no such voice", id="UTF-32"),
    pytest.param(UTF_16.encode("utf-32-le"), "no such voice", id="UTF-32-LE"),
    pytest.param(UTF_16.encode("utf-32-be"), "no such voice", id="UTF-32-BE"),
    pytest.param('{"error": "dépassé"}'.encode("latin-1"), "d\ufffdpass\ufffd", id="short JSON"),
    pytest.param("Слишком долго".encode(), "text in place of audio: Слишком", id="Russian"),
    pytest.param("内部错误，请稍后".encode(), "text in place of audio: 内部错误", id="Chinese"),
    pytest.param(b"error code: 1015", "text in place of audio: error code", id="Cloudflare"),
    pytest.param(b"<h1>Not found</h1>", "a page in place of audio: Not found", id="bare page"),
    pytest.param(
        b'data: {"type":"x","delta":"AAAA\xff"}\n\n' * 40,
        "an event stream in place of audio: data:",
        id="event stream with bad bytes",
    ),
]


@pytest.mark.parametrize("content_type", ["", "audio/wav", "application/octet-stream"])
@pytest.mark.parametrize("container", [*CONTAINERS, "raw"])
@pytest.mark.parametrize(("body", "message"), TEXTS)
def test_text_is_no_audio_whatever_was_asked_for(
    body: bytes, message: str, container: Container, content_type: str
) -> None:
    expected = AudioFormat(container, "pcm_s16le" if container == "raw" else None, 24000, 1)
    error = in_success(body, IDS | {"content-type": content_type}, expected)
    assert type(error) is APIError
    assert message in error.message
    assert (error.request_id, error.cf_ray) == ("req-1", "8f-FRA")


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("body", [bytes(48_000), b"\x1f\x8b" + bytes(range(256)), b"\xff\xfb"])
def test_what_does_not_begin_as_any_file_is_told_by_its_size(
    body: bytes, container: Container
) -> None:
    error = in_success(body, expected=AudioFormat(container))
    assert type(error) is APIError
    assert error.message == (
        f"status 200 with {len(body)} bytes that do not begin as {container} does"
    )


def test_what_is_called_a_page_is_one_in_any_encoding() -> None:
    page = "<p>Dépassé</p>".encode("latin-1")
    assert isinstance(
        in_success(page, {"content-type": "text/html; charset=latin1"}, RAW), APIError
    )
    assert in_success(page, {"content-type": "audio/pcm"}, RAW) is None


@pytest.mark.parametrize(
    "body", [b"busy", b'"quite busy"', b"\xfcberlastet", b"a" * 10, b"null", b"[1] or something"]
)
def test_what_is_called_text_need_not_be_long(body: bytes) -> None:
    for content_type in ("text/plain", "application/json", "application/problem+json"):
        assert isinstance(in_success(body, {"content-type": content_type}, RAW), APIError)


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("text/plain", "text"),
        ("Application/JSON", "JSON"),
        ("text/event-stream; charset=utf-8", "an event stream"),
    ],
)
def test_the_content_type_helps_to_name_a_text(content_type: str, kind: str) -> None:
    error = in_success(b"not now", {"content-type": content_type})
    assert str(error) == f"status 200 with {kind} in place of audio: not now"


def test_the_facts_of_an_error_in_a_200_are_kept() -> None:
    body = b'{"error": {"message": "no", "type": "t", "param": "p", "code": "c"}}'
    error = in_success(body)
    assert isinstance(error, APIError)
    assert (error.type, error.param, error.code) == ("t", "p", "c")


@pytest.mark.parametrize("container", [*CONTAINERS, "raw"])
def test_a_200_with_nothing_is_empty_audio(container: Container) -> None:
    error = in_success(b"", expected=AudioFormat(container))
    assert isinstance(error, EmptyAudioError)
    assert (error.request_id, error.cf_ray) == ("req-1", "8f-FRA")


SAMPLES = 2400
HEADER = wav_header("pcm_s16le", 24000, 1, 2 * SAMPLES)
SPEECH = HEADER + bytes(2 * SAMPLES)


def sizes(riff: int, data: int) -> bytes:
    """The WAV file with other sizes in its header."""
    return b"".join(
        (SPEECH[:4], riff.to_bytes(4, "little"), SPEECH[8:40], data.to_bytes(4, "little"))
    ) + bytes(2 * SAMPLES)


@pytest.mark.parametrize("expected", [WAV, RAW, AudioFormat("mp3")])
def test_a_whole_wav_is_audio_whatever_was_asked_for(expected: AudioFormat) -> None:
    assert in_success(SPEECH, expected=expected) is None


@pytest.mark.parametrize("size", [*range(12, 50), 2000, len(SPEECH) - 1])
@pytest.mark.parametrize("expected", [WAV, RAW])
def test_a_wav_that_was_cut_says_how_much_came(size: int, expected: AudioFormat) -> None:
    error = in_success(SPEECH[:size], expected=expected)
    assert type(error) is APIConnectionError
    assert str(error).startswith(f"the audio was cut short: {size} of 4844 bytes came")
    assert error.bytes_received == size
    assert error.request_sent
    assert error.transient
    assert (error.request_id, error.cf_ray) == ("req-1", "8f-FRA")


@pytest.mark.parametrize("size", range(4, 12))
def test_a_wav_that_was_cut_in_its_first_bytes_is_one_all_the_same(size: int) -> None:
    assert type(in_success(SPEECH[:size])) is APIConnectionError


@pytest.mark.parametrize(
    ("content", "promised"),
    [
        pytest.param(sizes(4836, 0), 4844, id="the data unknown"),
        pytest.param(sizes(4836, 0xFFFFFFFF), 4844, id="the data all ones"),
        pytest.param(sizes(0, 4800), 4844, id="the file unknown"),
        pytest.param(sizes(0xFFFFFFFF, 4800), 4844, id="the file all ones"),
        pytest.param(sizes(36, 4800), 4844, id="the file without its samples"),
        pytest.param(sizes(4836, 5000), 5044, id="more samples than the file"),
        pytest.param(sizes(4836, 0xFFFFFFFE), 44 + 0xFFFFFFFE, id="nearly all ones"),
    ],
)
def test_one_size_that_is_told_is_kept(content: bytes, promised: int) -> None:
    error = in_success(content[:2000])
    assert type(error) is APIConnectionError
    assert f"2000 of {promised} bytes" in str(error)
    assert (in_success(content) is None) == (promised <= len(content))


@pytest.mark.parametrize("unknown", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000])
def test_a_wav_without_sizes_promises_nothing(unknown: int) -> None:
    content = sizes(unknown, unknown)
    assert in_success(content[:2000]) is None
    assert isinstance(in_success(content[:44]), EmptyAudioError)
    # Half a sample is none.
    assert isinstance(in_success(content[:45]), EmptyAudioError)
    assert "20 of 44 bytes" in str(in_success(content[:20]))
    assert "36 of 44 bytes" in str(in_success(content[:36]))


def test_a_wav_of_which_only_the_end_of_a_later_chunk_is_missing_is_whole() -> None:
    assert in_success(sizes(5000, 4800)) is None


def test_an_odd_number_of_bytes_may_lack_its_padding() -> None:
    header = wav_header("pcm_mulaw", 8000, 1, 3)
    assert in_success(header + b"abc") is None
    assert type(in_success(header + b"ab")) is APIConnectionError


@pytest.mark.parametrize("expected", [WAV, RAW])
def test_a_wav_without_samples_is_empty(expected: AudioFormat) -> None:
    empty = wav_header("pcm_s16le", 24000, 1, 0)
    assert isinstance(in_success(empty, expected=expected), EmptyAudioError)
    # A file that ends, as it says, before any samples.
    no_data = b"RIFF" + (28).to_bytes(4, "little") + empty[8:36]
    assert isinstance(in_success(no_data, expected=expected), EmptyAudioError)


def test_the_samples_of_a_wav_may_begin_beyond_what_is_looked_at() -> None:
    junk = b"JUNK" + (70_000).to_bytes(4, "little") + bytes(70_000)
    content = SPEECH[:36] + junk + SPEECH[36:]
    content = content[:4] + (len(content) - 8).to_bytes(4, "little") + content[8:]
    assert in_success(content) is None
    assert f"60000 of {len(content)} bytes" in str(in_success(content[:60_000]))


@pytest.mark.parametrize(("size", "is_empty"), [(1, True), (2, False), (3, False)])
def test_raw_audio_without_a_whole_sample_is_empty(size: int, is_empty: bool) -> None:
    assert isinstance(in_success(b"\1" * size, expected=RAW), EmptyAudioError) is is_empty
    assert in_success(b"\1" * size, expected=AudioFormat("raw")) is None


MP3_FRAME = b"\xff\xfb\x90\xc4" + bytes(413)
TAG = b"ID3\4\0\0\0\0\1\0" + bytes(128)


@pytest.mark.parametrize(
    ("content", "promised"),
    [
        (MP3_FRAME[:4], 417),
        (MP3_FRAME[:-1], 417),
        (TAG + MP3_FRAME[:-1], 555),
        (TAG[:-1], 138),
        (TAG[:5], 10),
    ],
)
def test_an_mp3_that_was_cut_in_its_first_frame_says_how_much_came(
    content: bytes, promised: int
) -> None:
    error = in_success(content, expected=MP3)
    assert type(error) is APIConnectionError
    assert f"{len(content)} of {promised} bytes" in str(error)


def test_an_mp3_that_is_nothing_but_facts_is_empty() -> None:
    facts = MP3_FRAME[:21] + b"Info" + MP3_FRAME[25:]
    for content in (TAG, TAG + b"\0", facts, TAG + facts):
        assert isinstance(in_success(content, expected=MP3), EmptyAudioError)
    assert in_success(TAG + facts + MP3_FRAME, expected=MP3) is None
    assert in_success(TAG + MP3_FRAME, expected=WAV) is None


def test_the_sound_of_an_mp3_may_begin_beyond_what_is_looked_at() -> None:
    picture = b"ID3\4\0\0\0\4\x7f\x7f" + bytes(81919)
    assert in_success(picture + MP3_FRAME, expected=MP3) is None
    assert isinstance(in_success(picture[:70_000], expected=MP3), APIConnectionError)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"fLaC\0\0\0\x22", id="flac"),
        pytest.param(TAG + b"fLaC\0\0\0\x22", id="flac after a tag"),
        pytest.param(b"OggS\0\2", id="opus"),
        pytest.param(b"\xff\xf1\x50\x80", id="aac"),
        pytest.param(TAG + b"\xff\xf1\x50\x80", id="aac after a tag"),
        pytest.param(b"\0\0\0\x20ftypM4A ", id="mp4"),
        pytest.param(b"\x1a\x45\xdf\xa3\x01", id="webm"),
    ],
)
def test_a_file_of_another_kind_than_was_asked_for_is_audio(body: bytes) -> None:
    for container in CONTAINERS:
        assert in_success(body, expected=AudioFormat(container)) is None


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(bytes(48_000), id="silence"),
        pytest.param(bytes(100_000), id="long silence"),
        pytest.param(b"<\0\x01\0", id="a sample that is a sign"),
        pytest.param(b"{\0}\0", id="samples like JSON"),
        pytest.param(b"{}", id="a sample like JSON"),
        pytest.param(b"null", id="samples like null"),
        pytest.param(b"data:", id="samples like an event"),
        pytest.param(b"1234567890", id="samples like a long number"),
        pytest.param(b"<a", id="a sample like a page"),
        pytest.param(b"12", id="samples like a number"),
        pytest.param(b'"abc"', id="samples like a string"),
        pytest.param(b"\x7f" * 100_000, id="µ-law silence"),
        pytest.param(b"\xd5" * 100_000, id="A-law silence"),
        pytest.param(b"\x55" * 100_000, id="A-law silence of the other sign"),
        pytest.param(b"UTWVQPSRQVWTU" * 500, id="quiet A-law"),
        pytest.param(b"UTWVQPSRQVWT\xd5" * 500, id="quiet A-law of both signs"),
        pytest.param(bytes([*range(97, 123), *range(122, 96, -1)]), id="µ-law of one sign"),
        pytest.param(b"[" * 100_000, id="a constant"),
        pytest.param(b"fLaC and more", id="like a file"),
        pytest.param(b"RIFFjkl;WAV", id="not quite a header"),
    ],
)
@pytest.mark.parametrize("content_type", ["", "application/octet-stream", "audio/wav"])
def test_what_may_be_samples_is_left_alone(body: bytes, content_type: str) -> None:
    for encoding in (RAW, AudioFormat("raw", "pcm_mulaw", 8000, 1), AudioFormat("raw")):
        assert in_success(body, {"content-type": content_type}, encoding) is None


@pytest.mark.parametrize("content_type", ["application/json", "text/html", "text/event-stream"])
def test_samples_are_samples_whatever_they_are_called(content_type: str) -> None:
    assert in_success(bytes(48_000), {"content-type": content_type}, RAW) is None


def mu_law(samples: np.ndarray) -> bytes:
    """ITU-T G.711: eight logarithmic segments, all bits inverted."""
    magnitude = np.minimum(np.abs(samples * 32635).astype(int), 32635) + 132
    exponent = np.log2(magnitude).astype(int) - 7
    mantissa = magnitude >> (exponent + 3) & 15
    sign = np.where(samples < 0, 0x80, 0)
    return bytes((~(sign | exponent << 4 | mantissa) & 0xFF).astype(np.uint8))


@settings(max_examples=500)
@given(
    seed=st.integers(0, 2**32),
    size=st.integers(1, 3000),
    kind=st.sampled_from(["noise", "quiet noise", "tone", "chord", "silence", "bytes"]),
    loud=st.floats(0.0005, 1),
    hertz=st.floats(1, 4000),
    written=st.sampled_from(["s16", "f32", "µ-law"]),
)
def test_no_sound_is_taken_for_text(
    seed: int, size: int, kind: str, loud: float, hertz: float, written: str
) -> None:
    chance = np.random.default_rng(seed)
    at = (np.arange(size) + chance.integers(1000)) / 24000
    match kind:
        case "bytes":
            samples = np.zeros(0)
        case "noise":
            samples = chance.uniform(-loud, loud, size)
        case "quiet noise":
            samples = chance.normal(0, 0.002, size)
        case "tone":
            samples = loud * np.sin(at * hertz * 6.283)
        case "chord":
            samples = loud * (np.sin(at * hertz * 6.283) + np.sin(at * hertz * 9.5)) / 2
        case _:
            samples = np.full(size, loud * chance.integers(-1, 2) / 100)
    samples = samples.clip(-1, 1)
    match written:
        case _ if kind == "bytes":
            body = chance.bytes(size)
        case "s16":
            body = (samples * 32767).astype("<i2").tobytes()
        case "f32":
            body = samples.astype("<f4").tobytes()
        case _:
            body = mu_law(samples)
    cut = body[: max(1, size)]
    for whole in (body, cut):
        assert in_success(whole, {"content-type": "audio/pcm"}, AudioFormat("raw")) is None


# --- in place of a stream, or inside it --------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "head", "message"),
    [
        ({}, b'{"error": {"message": "busy"}}', "busy"),
        ({}, b'\xef\xbb\xbf{"error": {"message": "busy"}}', "busy"),
        ({"content-type": "text/plain"}, b'\n\n{"error": "busy"}', "busy"),
        (
            {"content-type": "text/plain"},
            b'{"message": "busy"}',
            "status 200 with JSON (text/plain) in place of an event stream: busy",
        ),
        (
            {"content-type": "application/octet-stream"},
            b"Internal Server Error",
            "status 200 with text (application/octet-stream) in place of an event stream: Internal",
        ),
        (
            {"content-type": "audio/wav"},
            SPEECH,
            "status 200 with wav audio (audio/wav) in place of an event stream",
        ),
        (
            {"content-type": "audio/pcm"},
            b"\0\1\0\1" * 100,
            "status 200 with what may be raw audio (audio/pcm) in place of an event stream",
        ),
        ({}, b"<html>", "status 200 with a page (no content type) in place of an event stream"),
        ({}, b"\x1a\x45\xdf\xa3\x01", "status 200 with audio (no content type) in place of"),
    ],
)
def test_an_answer_in_place_of_a_stream_is_an_error(
    headers: dict[str, str], head: bytes, message: str
) -> None:
    error = failure_in_place_of_stream(IDS | headers, head)
    assert type(error) is APIError
    assert error.message.startswith(message)
    assert (error.request_id, error.cf_ray) == ("req-1", "8f-FRA")


def test_nothing_in_place_of_a_stream_is_empty_audio() -> None:
    error = failure_in_place_of_stream(IDS, b"")
    assert isinstance(error, EmptyAudioError)
    assert error.request_id == "req-1"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error": {"message": "busy", "code": "c"}}', "busy"),
        (b'{"error": "busy"}', "busy"),
        (b"", "the list of voices cannot be read: the answer is empty"),
        (b"<html>Welcome", "the list of voices cannot be read: the reason: Welcome"),
        (b'{"detail": "busy"}', "the list of voices cannot be read: the reason: busy"),
    ],
)
def test_what_is_no_list_of_voices_keeps_its_words(body: bytes, message: str) -> None:
    error = failure_in_voices(IDS, body, ValueError("the reason"))
    assert type(error) is APIError
    assert error.message == message
    assert error.body == body.decode()
    assert (error.request_id, error.cf_ray) == ("req-1", "8f-FRA")


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"error": "no"}, ""),
        ({"error": {}}, ""),
        ({"error": ""}, ""),
        ({"error": 500}, ""),
        ({"errors": ["no"]}, ""),
        ({"error_message": "no", "type": "x"}, ""),
        ({"Exception": "no"}, ""),
        ({"type": "Error"}, ""),
        ({"type": "conversation.item.tts.failed"}, ""),
        ({"object": "error", "type": "x"}, ""),
        ({"event": "failure"}, ""),
        ({"type": "rate_limit_exceeded"}, ""),
        ({"type": "x", "code": -1}, ""),
        ({"type": "x", "response": {"error": {"message": "no"}}}, ""),
        ({"type": "x", "base_resp": {"status_code": 1004, "status_msg": "no"}}, ""),
        ({"type": "x", "fault": {"faultstring": "no"}}, ""),
        ({"status": "fail"}, ""),
        ({"status": 503}, ""),
        ({"code": "500", "type": "x"}, ""),
        ({"statusCode": 400}, ""),
        ({"success": False}, ""),
        ({"ok": False}, ""),
        ({"detail": "no"}, ""),
        ({"detail": [{"loc": ["voice"]}]}, "message"),
        ({"message": "no", "type": None}, ""),
        ({}, "Error"),
        ({}, "response.failed"),
    ],
)
def test_what_speaks_of_an_error(fields: dict[str, object], name: str) -> None:
    assert speaks_of_error(fields, name)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, ""),
        ({"error": None}, ""),
        ({"error": False}, ""),
        ({"errors": 0, "error_rate": 0.5, "type": "usage"}, ""),
        ({"failover": "eu"}, ""),
        ({"type": "session.created", "message": "welcome"}, ""),
        ({"object": "notice", "detail": "welcome"}, ""),
        ({"message": "alive"}, "ping"),
        ({"message": ""}, ""),
        ({"code": 200, "status": "ok", "success": True, "ok": True}, ""),
        ({"code": 399}, ""),
        ({"code": 1000, "status": 0}, ""),
        ({"type": "x", "errors": [], "error": ""}, ""),
        ({"object": "x", "error": {}}, ""),
        ({"error": ""}, "x"),
        ({"status": "ok", "message": "starting"}, ""),
        ({"type": "default", "timeout": "30s"}, ""),
        ({"type": "x", "usage": {"status_code": 1}}, ""),
        ({"type": "x", "base_resp": {"status_code": 0, "status_msg": "success"}}, ""),
        ({"text": "error"}, ""),
    ],
)
def test_what_does_not_speak_of_an_error(fields: dict[str, object], name: str) -> None:
    assert not speaks_of_error(fields, name)


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

_T = TypeVar("_T")


def five(strategy: st.SearchStrategy[_T]) -> st.SearchStrategy[list[_T]]:
    return st.lists(strategy, min_size=5, max_size=5)


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(five(st.integers(200, 599)), five(strategies.headers), five(strategies.bodies))
def test_no_answer_at_all_raises_anything(
    statuses: list[int], headers: list[dict[str, str]], bodies: list[bytes]
) -> None:
    """10,000 answers: each head with each body, since drawing is what takes the time."""
    formats = cycle([WAV, MP3, RAW])
    for (status, head), body in product(zip(statuses, headers, strict=True), bodies):
        says_what_it_is(status, head, body, next(formats))


def says_what_it_is(
    status: int, headers: dict[str, str], body: bytes, expected: AudioFormat
) -> None:
    """An answer is audio, or a failure that can be shown in a line."""
    error: SpeechError | None = failure_from_status(status, headers, body, now=NOW)
    if error is None:
        assert status == 200
        error = in_success(body, headers, expected)
        if error is None:
            return
    text = str(error)
    assert text.splitlines() == [text]
    assert text.encode()
    assert len(text) < 1600
    request_id = headers.get("x-request-id", "")
    if request_id.isprintable():
        assert request_id in text
    assert vars(error)["request_id"] == headers.get("x-request-id")
    if isinstance(error, APIStatusError):
        assert error.headers == headers
        assert error.retry_after_s is None or 0 <= error.retry_after_s < math.inf


@given(strategies.error_documents)
def test_a_message_in_the_contract_s_place_is_found(document: object) -> None:
    body = json.dumps({"error": {"message": "here it is", "more": document}}).encode()
    assert failure(400, body).message == "here it is"
