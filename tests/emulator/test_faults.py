"""Faults on demand, as a client meets them: each comes to the exception that it should."""

import asyncio
import json
import re
import socket
from dataclasses import fields
from http.client import HTTPConnection
from typing import Any, get_args

import httpx
import pytest

from facade import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AsyncSpeechClient,
    AuthenticationError,
    BadRequestError,
    EmptyAudioError,
    InternalServerError,
    MalformedStreamError,
    NotFoundError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitError,
    RequestTooLargeError,
    RetryPolicy,
    SpeechClient,
    StreamInterruptedError,
    Timeouts,
    UnprocessableEntityError,
)
from tests.emulator.streaming import data_of, read_stream
from together_emulator.fault import (
    ERROR_BODIES,
    ERROR_EVENTS,
    EVENT_STYLES,
    ErrorBody,
    ErrorEvent,
    EventStyle,
    Fault,
    FaultOptions,
)

TEXT = "We were away a year ago."
STREAM = {
    "model": "hexgrad/Kokoro-82M",
    "input": TEXT,
    "voice": "af_heart",
    "response_format": "raw",
    "stream": True,
}


def say(
    kind: str, url: str, fault: str, *, is_streamed: bool = False, timeouts: Timeouts | None = None
) -> bytes:
    """Let a client of this repository meet a fault, once."""
    settings: dict[str, Any] = {
        "base_url": url,
        "headers": {"x-emulate-fault": fault},
        "retry": RetryPolicy(attempts=1),
        "timeouts": timeouts or Timeouts(total_s=30),
    }
    if kind == "sync":
        with SpeechClient("any", **settings) as client:
            if not is_streamed:
                return client.synthesize(TEXT, voice="af_heart").content
            with client.stream(TEXT, voice="af_heart") as stream:
                return b"".join(stream)

    async def say_async() -> bytes:
        async with AsyncSpeechClient("any", **settings) as client:
            if not is_streamed:
                return (await client.synthesize(TEXT, voice="af_heart")).content
            async with client.stream(TEXT, voice="af_heart") as stream:
                return b"".join([piece async for piece in stream])

    return asyncio.run(say_async())


STATUSES: dict[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    402: PaymentRequiredError,
    403: PermissionDeniedError,
    404: NotFoundError,
    413: RequestTooLargeError,
    422: UnprocessableEntityError,
    429: RateLimitError,
    **dict.fromkeys((500, 502, 503, 504, *range(520, 531)), InternalServerError),
}


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("status", STATUSES)
def test_each_status_is_its_own_error(
    kind: str, emulator_url: str, status: int, is_streamed: bool
) -> None:
    with pytest.raises(STATUSES[status]) as caught:
        say(kind, emulator_url, f"status={status}", is_streamed=is_streamed)
    assert caught.value.status_code == status
    assert caught.value.request_id


@pytest.mark.parametrize("body", ERROR_BODIES)
@pytest.mark.parametrize("status", [400, 429, 503])
def test_each_body_of_an_error_is_typed_by_its_status(
    kind: str, emulator_url: str, status: int, body: str
) -> None:
    is_told = body in ("contract", "error-type", "string", "message", "text", "list")
    fault = f"status={status}; body={body}" + ("; message=too warm" if is_told else "")
    with pytest.raises(STATUSES[status]) as caught:
        say(kind, emulator_url, fault)
    assert ("too warm" in str(caught.value)) == is_told


@pytest.mark.parametrize(
    ("fault", "header", "seconds"),
    [
        ("status=429", "x-ratelimit-reset", "0.075"),
        ("status=429; reset=7.5", "x-ratelimit-reset", "7.5"),
        ("status=429; retry-after=12", "retry-after", "12"),
        ("status=503; retry-after=3", "retry-after", "3"),
    ],
)
def test_the_wait_that_a_limit_names(
    kind: str, emulator_url: str, fault: str, header: str, seconds: str
) -> None:
    with pytest.raises(APIStatusError) as caught:
        say(kind, emulator_url, fault)
    assert caught.value.headers[header] == seconds
    assert caught.value.retry_after_s == float(seconds)


@pytest.mark.parametrize(
    ("fault", "is_streamed", "error"),
    [
        ("status=200; body=html", False, APIError),
        ("status=200; body=html", True, APIError),
        ("status=200", False, APIError),
        ("status=200", True, APIError),
        ("status=200; body=empty", False, EmptyAudioError),
        ("status=204", False, EmptyAudioError),
        ("status=205", False, EmptyAudioError),
        ("redirect=http://elsewhere.invalid/", False, APIStatusError),
        ("redirect=http://elsewhere.invalid/; status=302", True, APIStatusError),
        ("cut=0", False, APIConnectionError),
        ("cut=1000", False, APIConnectionError),
        ("cut=1000", True, StreamInterruptedError),
        ("cut=20000", True, StreamInterruptedError),
        ("abort=0", False, APIConnectionError),
        ("abort=1000", False, APIConnectionError),
        ("abort=1000", True, StreamInterruptedError),
        ("abort=20000", True, StreamInterruptedError),
        ("no-end-mark", True, StreamInterruptedError),
        ("malformed-event", True, MalformedStreamError),
        ("malformed-event; at=1", True, MalformedStreamError),
        ("bad-base64", True, MalformedStreamError),
        *((f"error-event={name}", True, APIError) for name in ERROR_EVENTS),
    ],
)
def test_what_is_no_answer_is_an_error(
    kind: str, emulator_url: str, fault: str, is_streamed: bool, error: type[Exception]
) -> None:
    with pytest.raises(error):
        say(kind, emulator_url, fault, is_streamed=is_streamed)


@pytest.mark.parametrize(
    ("fault", "is_streamed"),
    [
        ("delay-headers=30", False),
        ("delay-audio=30", False),
        ("delay-chunks=30", False),
        ("delay-headers=30", True),
        ("delay-audio=30", True),
        ("delay-chunks=30", True),
        ("only-comments", True),
    ],
)
def test_a_delay_beyond_the_time_given_is_a_timeout(
    kind: str, emulator_url: str, fault: str, is_streamed: bool
) -> None:
    timeouts = Timeouts(read_s=0.3, first_audio_s=0.3, total_s=5)
    with pytest.raises(APITimeoutError):
        say(kind, emulator_url, fault, is_streamed=is_streamed, timeouts=timeouts)


def test_short_delays_change_nothing(kind: str, emulator_url: str) -> None:
    fault = "delay-headers=0.02; delay-audio=0.02; delay-chunks=0.002"
    for is_streamed in (False, True):
        expected = say(kind, emulator_url, "", is_streamed=is_streamed)
        assert say(kind, emulator_url, fault, is_streamed=is_streamed) == expected


@pytest.mark.parametrize("style", EVENT_STYLES)
def test_the_same_events_may_be_written_otherwise(
    kind: str, api: httpx.Client, emulator_url: str, style: str
) -> None:
    expected = say(kind, emulator_url, "", is_streamed=True)
    assert say(kind, emulator_url, f"sse={style}", is_streamed=True) == expected
    written = [
        api.post("/audio/speech", json=STREAM, headers={"x-emulate-fault": fault}).content
        for fault in ("", f"sse={style}")
    ]
    assert written[0] != written[1]


def test_audio_may_be_cut_inside_a_sample(api: httpx.Client) -> None:
    expected = read_stream(api.post("/audio/speech", json=STREAM)).content
    headers = {"x-emulate-pieces": "odd"}
    streamed = read_stream(api.post("/audio/speech", json=STREAM, headers=headers))
    assert len(streamed.audio[0]) % 2 == 1
    assert streamed.content == expected


@pytest.mark.parametrize("number", [1, 2, 5])
def test_an_event_is_spoiled_at_its_place(api: httpx.Client, number: int) -> None:
    good = data_of(api.post("/audio/speech", json=STREAM))
    headers = {"x-emulate-fault": f"malformed-event; at={number}"}
    bad = data_of(api.post("/audio/speech", json=STREAM, headers=headers))
    assert [n for n, pair in enumerate(zip(good, bad, strict=True), 1) if pair[0] != pair[1]] == [
        number
    ]


@pytest.mark.parametrize(("short", "left"), [(0, 0), (1000, 1000), (10**9, None)])
def test_audio_may_be_truncated_in_good_order(
    api: httpx.Client, short: int, left: int | None
) -> None:
    body = {**STREAM, "stream": False}
    whole = api.post("/audio/speech", json=body).content
    headers = {"x-emulate-fault": f"short={short}"}
    answer = api.post("/audio/speech", json=body, headers=headers)
    assert answer.content == (whole if left is None else whole[:left])
    assert int(answer.headers["content-length"]) == len(answer.content)


def test_audio_may_be_silent(api: httpx.Client) -> None:
    body = {**STREAM, "stream": False}
    whole = api.post("/audio/speech", json=body).content
    headers = {"x-emulate-fault": "mute; delay-chunks=0.001"}
    silent = api.post("/audio/speech", json=body, headers=headers).content
    assert silent == whole[:44] + bytes(len(whole) - 44)


@pytest.mark.parametrize("cut", [0, 1, 5000])
def test_a_cut_leaves_exactly_that_much(api: httpx.Client, cut: int) -> None:
    headers = {"x-emulate-fault": f"cut={cut}"}
    for body in (STREAM, {**STREAM, "stream": False}):
        received: list[bytes] = []
        with (
            pytest.raises(httpx.RemoteProtocolError),
            api.stream("POST", "/audio/speech", json=body, headers=headers) as response,
        ):
            received.extend(response.iter_raw())
        assert sum(map(len, received)) == cut


def body_until_the_end(url: str, fault: str, body: object) -> bytes:
    """What comes of an answer until its connection is closed, through a bare socket.

    Raises:
        ConnectionResetError: It was reset.
    """
    target = httpx.URL(url)
    content = json.dumps(body).encode()
    head = (
        "POST /v1/audio/speech HTTP/1.1\r\nHost: emulator\r\nAuthorization: Bearer any\r\n"
        f"X-Emulate-Fault: {fault}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    with socket.create_connection((target.host, target.port or 0), timeout=20) as connection:
        connection.sendall(head.encode() + content)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    return received.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("size", [0, 1, 5000])
@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "stream"])
def test_a_cut_closes_the_connection_in_order_and_an_abort_resets_it(
    emulator_url: str, size: int, is_streamed: bool
) -> None:
    body = {**STREAM, "stream": is_streamed}
    assert len(body_until_the_end(emulator_url, f"cut={size}", body)) >= size
    with pytest.raises(ConnectionResetError):
        body_until_the_end(emulator_url, f"abort={size}", body)


def test_an_abort_touches_no_other_connection_and_is_logged_as_broken(emulator_url: str) -> None:
    target = httpx.URL(emulator_url)
    # Unlike a client with a pool, this one does not connect anew by itself.
    other = HTTPConnection(target.host, target.port, timeout=20)

    def ask(path: str) -> Any:
        other.request("GET", path, headers={"Authorization": "Bearer any"})
        return json.load(other.getresponse())

    assert ask("/v1/voices")["data"]
    headers = {
        "Authorization": "Bearer any",
        "X-Forwarded-For": "10.0.0.1",
        "X-Emulate-Fault": "abort=10",
    }
    with pytest.raises(httpx.ReadError):
        httpx.get(emulator_url + "/voices", headers=headers)
    assert ask("/v1/voices")["data"]
    states = [record["state"] for record in ask("/emulator/requests")["requests"]]
    other.close()
    assert states[-3:] == ["complete", "broken", "complete"]


@pytest.mark.parametrize(
    "fault",
    [
        *("nonsense", "status", "status=199", "status=6e2", "body=prose", "cut=-1", "cut=all"),
        *("abort", "abort=-1"),
        *("delay-audio=601", "delay-audio=nan", "delay-audio", "no-end-mark=1", "at=0", "sse=x"),
        *("error-event", "retry-after", "status=500; extra=1"),
        *("at=3", "body=html", "message=x", "retry-after=1", "reset=1", "delay-audio=0"),
        *("status=500; no-end-mark", "redirect=/; sse=cr", "error-event=named; bad-base64"),
        *("status=204; body=html", "redirect=", "only-comments; sse=cr"),
    ],
)
def test_a_fault_that_does_not_exist_is_refused(api: httpx.Client, fault: str) -> None:
    response = api.get("/voices", headers={"x-emulate-fault": fault})
    assert response.status_code == 400
    message = response.json()["error"]["message"]
    assert message.startswith("x-emulate-fault: ")
    assert len(message) < 400


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        *(
            (f"status={status}; {name}{value}", f"{name} does nothing with status={status}: leave")
            for status in (204, 205, 304)
            for name, value in (
                *(("body", "=html"), ("message", "=x"), ("delay-chunks", "=1")),
                *(("short", "=0"), ("mute", "")),
            )
        ),
        ("redirect=/; status=304; body=text", "body does nothing with status=304"),
        ("status=520; message=x", "message does nothing with status=520"),
        ("status=530; message=x", "message does nothing with status=530"),
        *(
            (f"redirect=/; body={body}; message=x", f"message does nothing with body={body}")
            for body in ("html", "empty", "null", "bad-utf8", "deep", "huge")
        ),
        *(
            (f"status=500; body={body}; {fault}", f"{fault.split('=')[0]} does nothing with body=")
            for body, faults in (
                ("html", ["delay-chunks=1"]),
                ("null", ["delay-chunks=1", "mute"]),
                ("bad-utf8", ["delay-chunks=1", "mute"]),
                ("empty", ["delay-chunks=1", "mute", "short=1"]),
            )
            for fault in faults
        ),
        ("close=1006; message=x", "message does nothing with close=1006"),
        ("status=500; delay-chunks=1", "status and delay-chunks cannot both happen"),
        ("redirect=/; delay-chunks=1", "redirect and delay-chunks cannot both happen"),
        ("cut=1; abort=2", "cut and abort cannot both happen to one answer"),
        ("only-comments; no-end-mark", "only-comments and no-end-mark cannot both happen"),
        ("only-comments; sse=cr", "only-comments and sse cannot both happen"),
        ("error-event=failed; unnamed; at=0", "unnamed cannot happen at 0"),
        ("redirect=", 'redirect must be printable ASCII text that leads somewhere, not ""'),
    ],
)
def test_a_fault_of_which_a_part_would_do_nothing_is_refused(fault: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        Fault.parse(fault)


@pytest.mark.parametrize(
    "fault",
    [
        *("status=204; retry-after=1", "status=205; delay-headers=1", "status=304; redirect=/"),
        *("status=529; body=text; message=x", "status=519; message=x", "status=531; message=x"),
        *("status=500; body=list; message=x", "status=500; body=huge; delay-chunks=1"),
        *("status=500; message=long; delay-chunks=1", "status=500; body=html; mute"),
        *("status=500; body=null; short=1", "error-event=failed; close=1006; message=x"),
        *("close=1011; message=x", "only-comments; cut=9", "only-comments; delay-audio=1"),
        *("error-event=failed; unnamed; at=1", "cut=9; no-end-mark"),
    ],
)
def test_a_fault_of_which_each_part_may_do_something_is_not(fault: str) -> None:
    assert Fault.parse(str(Fault.parse(fault))) == Fault.parse(fault)


def test_a_fault_is_printed_as_it_is_asked_for() -> None:
    text = "status=429; retry-after=Wed, 21 Oct 2015 07:28:00 GMT; delay-audio=0.5"
    fault = Fault.parse(text)
    assert fault.retry_after == "Wed, 21 Oct 2015 07:28:00 GMT"
    assert str(fault) == text
    assert str(Fault.parse(" no-end-mark;at = 3 ; bad-base64;")) == "no-end-mark; bad-base64; at=3"
    assert str(Fault.parse("")) == ""
    assert repr(Fault.parse("bad-base64; at=3")) == "Fault(bad_base64=True, at=3)"


def test_the_names_that_type_checkers_know_are_those_that_there_are() -> None:
    assert FaultOptions.__annotations__.keys() == {field.name for field in fields(Fault)}
    assert set(get_args(ErrorBody)) == ERROR_BODIES.keys()
    assert set(get_args(ErrorEvent)) == ERROR_EVENTS.keys()
    assert set(get_args(EventStyle)) == EVENT_STYLES.keys()


def test_faults_may_wait_for_the_next_requests(emulator_url: str) -> None:
    url = emulator_url
    headers = {"Authorization": "Bearer any"}
    with httpx.Client(base_url=url, headers=headers) as api:
        control = httpx.URL(url).join("/emulator/faults")
        asked = [{"status": 429, "retry_after": 2}, {"status": 503}]
        assert httpx.post(control, json=asked).status_code == 204
        # Neither the emulator's own addresses nor a request without a key takes one.
        assert httpx.get(httpx.URL(url).join("/emulator/requests")).status_code == 200
        assert httpx.get(url + "/voices").status_code == 401
        assert [api.get("/voices").status_code for _ in range(3)] == [429, 503, 200]
        assert httpx.post(control, json=asked).status_code == 204
        assert httpx.delete(control).status_code == 204
        assert api.get("/voices").status_code == 200
        no_list = "a JSON list of faults is expected"
        for body, message in (
            *((body, no_list) for body in (b"", b"{}x", b"1", b"{}", b"[1]", b"[[]]", b"[" * 9999)),
            (b"[{}]", "say what is to go wrong"),
            (b'[{"status": "x"}]', "status must be an integer from 200 to 599"),
            (b'[{"status": 500}, {"at": 3}]', "at does nothing alone"),
        ):
            refused = httpx.post(control, content=body)
            assert refused.status_code == 400
            assert refused.json()["error"]["message"].startswith(message)
        assert httpx.get(control).json() == []


@pytest.mark.parametrize(
    ("shape", "first"),
    [
        ("data", {"id": "af_heart", "name": "af_heart"}),
        ("strings", "af_heart"),
        ("no-id", {"name": "af_heart"}),
        ("extra", {"id": "af_heart", "name": "af_heart", "language": "en", "preview": None}),
    ],
)
def test_voices_in_each_shape(
    api: httpx.Client, emulator_url: str, shape: str, first: object
) -> None:
    params = {"model": "hexgrad/Kokoro-82M"}
    headers = {"x-emulate-voices": shape}
    (entry,) = api.get("/voices", params=params, headers=headers).json()["data"]
    assert entry["voices"][0] == first
    with SpeechClient("any", base_url=emulator_url, headers=headers) as client:
        assert len(client.list_voices("hexgrad/Kokoro-82M")) == 54


def test_voices_of_one_model_may_stand_at_the_top(api: httpx.Client, emulator_url: str) -> None:
    headers = {"x-emulate-voices": "top-level"}
    body = api.get("/voices", params={"model": "hexgrad/Kokoro-82M"}, headers=headers).json()
    assert body.keys() == {"voices"}
    assert api.get("/voices", headers=headers).json().keys() == {"data"}
    with SpeechClient("any", base_url=emulator_url, headers=headers) as client:
        assert len(client.list_voices("hexgrad/Kokoro-82M")) == 54


@pytest.mark.parametrize(
    "header", ["x-emulate-voices", "x-emulate-words", "x-emulate-pieces", "x-emulate-stream-shape"]
)
def test_a_switch_refuses_what_it_does_not_know(api: httpx.Client, header: str) -> None:
    headers = {header: "sideways"}
    if header == "x-emulate-voices":
        response = api.get("/voices", headers=headers)
    else:
        response = api.post("/audio/speech", json=STREAM, headers=headers)
    assert response.status_code == 400
    assert header in response.json()["error"]["message"]
