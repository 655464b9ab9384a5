"""What goes wrong after a request is out: no answer, half an answer, a wrong answer."""

import gzip
import json
import zlib
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from facade import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    EmptyAudioError,
    InternalServerError,
    NotFoundError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitError,
    RequestTooLargeError,
    RetryPolicy,
    SpeechError,
    Timeouts,
    UnprocessableEntityError,
)
from tests.conftest import Connect
from tests.faults.server import SPEECH, FaultServer, Peer, Step, answer, chunked, then
from tests.key_search import failure

pytestmark = pytest.mark.usefixtures("no_waits")

IDS = {"x-request-id": "req-1", "cf-ray": "ray-1"}
HALF = len(SPEECH) // 2
RESEND = RetryPolicy(resend_after_timeout=True)

# Without the time, since its bytes are in the names of tests.
SQUEEZED = gzip.compress(SPEECH, mtime=0)
BOMB = gzip.compress(bytes(50_000_000))


# --- no answer -----------------------------------------------------------------------------------


def test_no_answer_is_not_sent_again(connect: Connect) -> None:
    with FaultServer(Peer.wait_for_close) as server:
        error = failure(connect(server.url, timeouts=Timeouts(read_s=0.1)), APITimeoutError)
        assert f"nothing came from 127.0.0.1:{server.port} for read_s=0.1 s" in str(error)
        assert "may have been processed, and billed" in str(error)
        assert error.request_sent
        assert error.bytes_received == 0
        assert error.__cause__ is not None
        assert server.saw_close()
        assert len(server.requests) == 1


def test_no_answer_is_sent_again_where_that_is_asked_for(connect: Connect) -> None:
    with FaultServer(Peer.wait_for_close, answer(200, SPEECH)) as server:
        speaker = connect(server.url, timeouts=Timeouts(read_s=0.1), retry=RESEND)
        assert speaker.synthesize().content == SPEECH
        assert len(server.requests) == 2


@pytest.mark.parametrize("end", [Peer.close, Peer.reset])
def test_connection_lost_without_an_answer(connect: Connect, end: Step) -> None:
    with FaultServer(end) as server:
        error = failure(connect(server.url), APIConnectionError)
        assert f"the exchange with 127.0.0.1:{server.port} failed" in str(error)
        assert error.request_sent
        assert error.transient
        assert len(server.requests) == 1
    with FaultServer(end, answer(200, SPEECH)) as server:
        assert connect(server.url, retry=RESEND).synthesize().content == SPEECH
        assert len(server.requests) == 2


def test_client_that_cannot_get_its_request_out_gives_up(connect: Connect) -> None:
    """A server that reads nothing fills the buffers between the two."""
    with FaultServer(on_connect=Peer.pause) as server:
        speaker = connect(server.url, timeouts=Timeouts(read_s=0.2))
        error = failure(speaker, APITimeoutError, "Word. " * 4_000_000)
        assert error.request_sent
        assert server.requests == []


# --- half an answer ------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [Peer.close, Peer.reset, Peer.wait_for_close])
@pytest.mark.parametrize(
    "start",
    [
        pytest.param(answer(200, SPEECH[:HALF], IDS, length=len(SPEECH)), id="length"),
        pytest.param(chunked(SPEECH[:HALF], headers=IDS, end=False), id="chunks"),
    ],
)
def test_answer_that_breaks_off_says_how_much_had_come(
    connect: Connect, start: bytes, end: Any
) -> None:
    stalls = end is Peer.wait_for_close
    with FaultServer(then(start, end)) as server:
        speaker = connect(server.url, timeouts=Timeouts(read_s=0.3))
        error = failure(speaker, APITimeoutError if stalls else APIConnectionError)
        assert error.bytes_received == HALF
        assert f"after {HALF} bytes of the answer" in str(error)
        assert (error.request_id, error.cf_ray) == ("req-1", "ray-1")
        assert "req-1" in str(error)
        assert error.request_sent
        assert len(server.requests) == 1


# --- a status ------------------------------------------------------------------------------------

FINAL = {
    400: BadRequestError,
    401: AuthenticationError,
    402: PaymentRequiredError,
    403: PermissionDeniedError,
    404: NotFoundError,
    413: RequestTooLargeError,
    422: UnprocessableEntityError,
    409: APIStatusError,
    418: APIStatusError,
    501: InternalServerError,
    505: InternalServerError,
    599: InternalServerError,
    203: APIStatusError,
    999: APIStatusError,
}
PASSING = {
    429: RateLimitError,
    **dict.fromkeys((500, 502, 503, 504, *range(520, 531)), InternalServerError),
}
ERROR = json.dumps(
    {"error": {"message": "Not so.", "type": "bad", "param": "voice", "code": "c1"}}
).encode()


@pytest.mark.parametrize(("status", "expected"), FINAL.items())
def test_status_is_typed_and_not_retried(
    connect: Connect, status: int, expected: type[APIStatusError]
) -> None:
    with FaultServer(answer(status, ERROR, IDS), answer(200, SPEECH)) as server:
        speaker = connect(server.url)
        error = failure(speaker, expected)
        assert error.status_code == status
        assert (error.message, error.type, error.param, error.code) == (
            "Not so.",
            "bad",
            "voice",
            "c1",
        )
        assert error.body == ERROR.decode()
        assert error.headers["x-request-id"] == "req-1"
        assert (error.request_id, error.cf_ray) == ("req-1", "ray-1")
        assert f"HTTP {status}: Not so." in str(error)
        assert len(server.requests) == 1
        # Its body was read to the end, so the connection serves the next call.
        assert speaker.synthesize().content == SPEECH
        assert server.connections == 1


@pytest.mark.parametrize(("status", "expected"), PASSING.items())
def test_passing_status_is_retried_within_bounds(
    connect: Connect, status: int, expected: type[APIStatusError]
) -> None:
    with FaultServer(answer(status, ERROR), answer(status, ERROR), answer(200, SPEECH)) as server:
        assert connect(server.url).synthesize().content == SPEECH
        assert len(server.requests) == 3
        assert server.requests[0].body == server.requests[2].body
    with FaultServer(answer(status, ERROR)) as server:
        error = failure(connect(server.url, retry=RetryPolicy(attempts=2)), expected)
        assert error.status_code == status
        assert len(server.requests) == 2
        assert server.connections == 1


@pytest.mark.parametrize(
    ("timeouts", "retry"),
    [
        (Timeouts(total_s=0.3), RetryPolicy()),
        (Timeouts(), RetryPolicy(budget_s=0.3)),
        (Timeouts(), RetryPolicy(attempts=1)),
    ],
    ids=["total_s", "budget_s", "attempts"],
)
def test_no_attempt_begins_without_time_for_its_wait(
    connect: Connect, timeouts: Timeouts, retry: RetryPolicy
) -> None:
    with FaultServer(answer(503, ERROR)) as server:
        failure(connect(server.url, timeouts=timeouts, retry=retry), InternalServerError)
        assert len(server.requests) == 1


DATE = {"Date": "Sun, 06 Nov 1994 08:49:37 GMT"}


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0.25"}, 0.25),
        ({"Retry-After": "Sun, 06 Nov 1994 08:49:40 GMT", **DATE}, 3.0),
        ({"x-ratelimit-reset": "0.075"}, 0.075),
        ({"Retry-After": "2", "x-ratelimit-reset": "0.075"}, 2.0),
        ({"Retry-After": "3600"}, 3600.0),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_wait_that_the_service_names_is_told_and_bounds_the_retries(
    connect: Connect, status: int, headers: Mapping[str, str], wait_s: float
) -> None:
    """With exactly that much time the call is tried again, and with less it is not."""
    with FaultServer(answer(status, ERROR, headers), answer(200, SPEECH)) as server:
        too_little = RetryPolicy(budget_s=wait_s * 0.99)
        error = failure(connect(server.url, retry=too_little), PASSING[status])
        assert error.retry_after_s == wait_s
        assert len(server.requests) == 1
    with FaultServer(answer(status, ERROR, headers), answer(200, SPEECH)) as server:
        enough = RetryPolicy(budget_s=wait_s + 10)
        speaker = connect(server.url, retry=enough, timeouts=Timeouts(total_s=10_000))
        assert speaker.synthesize().content == SPEECH
        assert len(server.requests) == 2


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "soon", "", "1e9999", "9" * 400, "\xff"])
def test_wait_that_cannot_be_read_is_backed_off_from(connect: Connect, value: str) -> None:
    headers = {"Retry-After": value}
    with FaultServer(answer(429, ERROR, headers), answer(200, SPEECH)) as server:
        assert connect(server.url).synthesize().content == SPEECH
    with FaultServer(answer(429, ERROR, headers)) as server:
        error = failure(connect(server.url), RateLimitError)
        assert error.retry_after_s is None
        assert len(server.requests) == 3


LONG = b'{"error":{"message":"' + b"x" * 3_000_000 + b'"}}'


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<html><title>Bad gateway</title></html>", id="HTML"),
        pytest.param(b"no", id="text"),
        pytest.param(b"", id="empty"),
        pytest.param(LONG, id="huge"),
        pytest.param(b"\xff\xfe\x00", id="bad UTF-8"),
        pytest.param(b"[" * 60_000, id="deep"),
        pytest.param(b'{"error":"text"}', id="error as text"),
        pytest.param(b'{"error":{"message":"no type"}}', id="no type"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="list"),
        pytest.param(b'{"error":null}', id="null error"),
        pytest.param(b'{"error":{"message":5,"type":[],"param":{},"code":7}}', id="wrong types"),
    ],
)
def test_any_body_of_a_failure_is_typed_by_its_status(connect: Connect, body: bytes) -> None:
    with FaultServer(answer(400, body, IDS)) as server:
        error = failure(connect(server.url), BadRequestError)
        assert error.request_id == "req-1"
        assert 0 < len(error.message) < 300
        assert len(error.body) <= 65536
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("encoding", "body", "message"),
    [
        pytest.param("gzip", gzip.compress(ERROR), "Not so.", id="gzip"),
        pytest.param("deflate", zlib.compress(ERROR), "Not so.", id="deflate"),
        pytest.param("br", ERROR, "Unauthorized", id="unknown"),
        pytest.param("gzip", b"no gzip", "Unauthorized", id="not gzip"),
        pytest.param("gzip", BOMB, "Unauthorized", id="bomb"),
    ],
)
def test_compressed_body_of_a_failure_is_typed_by_its_status(
    connect: Connect, encoding: str, body: bytes, message: str
) -> None:
    with FaultServer(answer(401, body, {"Content-Encoding": encoding})) as server:
        error = failure(connect(server.url), AuthenticationError)
        assert error.message == message
        assert len(error.body) <= 65536


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param(Peer.close, id="cut"),
        pytest.param(Peer.reset, id="reset"),
        pytest.param(Peer.wait_for_close, id="stall"),
        pytest.param(lambda peer: peer.drip(b"x"), id="drip"),
        pytest.param(lambda peer: peer.flood(b"x" * 65536), id="flood"),
    ],
)
def test_body_of_a_failure_that_does_not_end_keeps_its_status(
    connect: Connect, rest: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("_sync", "_async"):
        monkeypatch.setattr(f"facade._transport.{kind}.exchange.FAILURE_BODY_S", 0.2)
    begin = answer(401, b"Who are you?", length=10**9)
    with FaultServer(then(begin, rest)) as server:
        error = failure(connect(server.url), AuthenticationError)
        assert error.body.startswith("Who are you?")
        assert len(server.requests) == 1
        assert rest in (Peer.close, Peer.reset) or server.saw_close()


def test_no_more_of_a_failure_is_waited_for_than_is_kept(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("_sync", "_async"):
        monkeypatch.setattr(f"facade._transport.{kind}.exchange.FAILURE_BODY_S", 60)
    begin = answer(401, b"x" * 100_000, length=10**6)
    with FaultServer(then(begin, Peer.wait_for_close)) as server:
        assert len(failure(connect(server.url), AuthenticationError).body) == 65536
        assert server.saw_close()


@pytest.mark.parametrize("cookie", ["session=1", "bad=\xff"])
def test_cookies_are_not_kept(connect: Connect, cookie: str) -> None:
    """One that httpx takes and cannot send would spoil every later call."""
    spoilt = answer(400, ERROR, {"Set-Cookie": cookie})
    with FaultServer(spoilt, answer(200, SPEECH)) as server:
        speaker = connect(server.url)
        failure(speaker, BadRequestError)
        assert speaker.synthesize().content == SPEECH
        assert "cookie" not in server.requests[1].headers


# --- success that is none ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "headers", "message"),
    [
        (ERROR, {"Content-Type": "audio/wav"}, "Not so."),
        (b'{"error":"text"}', {}, "text"),
        (b"{}", {}, "status 200 with JSON in place of audio"),
        (b"<!DOCTYPE html><p>Please log in</p>", {}, "a page in place of audio: Please log in"),
        (b"data: x\n\n", {"Content-Type": "text/event-stream"}, "an event stream in place of"),
    ],
)
def test_error_with_status_200_is_never_audio(
    connect: Connect, body: bytes, headers: dict[str, str], message: str
) -> None:
    with FaultServer(answer(200, body, {**headers, **IDS})) as server:
        error = failure(connect(server.url), APIError)
        assert message in str(error)
        assert (error.request_id, error.cf_ray) == ("req-1", "ray-1")
        assert error.body == body.decode()
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "nothing",
    [
        answer(200, b"", IDS),
        chunked(headers=IDS),
        answer(200, b"", {**IDS, "Content-Encoding": "gzip"}),
        answer(200, b"", {**IDS, "Content-Encoding": "br"}),
        answer(204, b"", IDS),
        answer(205, b"", IDS),
    ],
)
def test_success_without_audio_is_an_error(connect: Connect, nothing: bytes) -> None:
    with FaultServer(nothing) as server:
        error = failure(connect(server.url), EmptyAudioError)
        assert (error.request_id, error.cf_ray) == ("req-1", "ray-1")
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("is_other_host", [False, True])
def test_redirect_is_refused_and_nothing_follows_it(
    connect: Connect, status: int, is_other_host: bool
) -> None:
    with FaultServer(answer(200, SPEECH)) as other:
        to = f"{other.url}/audio/speech" if is_other_host else "/elsewhere"
        with FaultServer(answer(status, b"", {"Location": to})) as server:
            error = failure(connect(server.url), APIStatusError)
            assert error.status_code == status
            assert to in str(error)
            assert len(server.requests) == 1
        assert other.connections == 0


# --- too much, too slow --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", SQUEEZED),
        ("x-gzip", SQUEEZED),
        ("GZIP", SQUEEZED),
        ("deflate", zlib.compress(SPEECH)),
        ("identity", SPEECH),
    ],
)
def test_compression_that_was_not_asked_for_is_undone(
    connect: Connect, encoding: str, body: bytes
) -> None:
    with FaultServer(answer(200, body, {"Content-Encoding": encoding})) as server:
        assert connect(server.url).synthesize().content == SPEECH
        assert server.requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("encoding", "body", "message"),
    [
        ("gzip", b"this is no gzip", "cannot be decompressed"),
        ("gzip", SQUEEZED[:-4], "ends inside its compressed data"),
        ("gzip", SQUEEZED + b"more", "goes on after its compressed data"),
        ("br", SPEECH, "is encoded as 'br'"),
        ("gzip, gzip", SPEECH, "is encoded as 'gzip, gzip'"),
    ],
)
def test_compression_that_cannot_be_undone(
    connect: Connect, encoding: str, body: bytes, message: str
) -> None:
    with FaultServer(answer(200, body, {"Content-Encoding": encoding, **IDS})) as server:
        error = failure(connect(server.url), APIConnectionError)
        assert f"127.0.0.1:{server.port} {message}" in str(error)
        assert error.bytes_received == len(body)
        assert error.request_id == "req-1"
        assert not error.transient
        assert len(server.requests) == 1
        # The body may have come whole, and then the connection could go on.
        speaker = connect(server.url)
        failure(speaker, APIConnectionError)
        failure(speaker, APIConnectionError)


LIMIT = 100_000


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(answer(200, BOMB, {"Content-Encoding": "gzip"}), id="bomb"),
        pytest.param(answer(200, length=LIMIT + 1), id="length"),
        pytest.param(answer(200, bytes(LIMIT + 1)), id="one byte too many"),
        pytest.param(chunked(*[bytes(1000)] * 101), id="chunks"),
        pytest.param(
            then(b"HTTP/1.1 200 OK\r\n\r\n", lambda peer: peer.flood(bytes(65536))), id="endless"
        ),
    ],
)
def test_answer_has_a_largest_size(connect: Connect, step: Step) -> None:
    with FaultServer(step) as server:
        speaker = connect(server.url, max_audio_bytes=LIMIT)
        error = failure(speaker, APIConnectionError)
        assert f"is larger than max_audio_bytes={LIMIT}" in str(error)
        assert not error.transient
        assert server.saw_close()
        assert len(server.requests) == 1


def test_answer_may_be_as_large_as_the_limit(connect: Connect) -> None:
    whole = bytes(LIMIT)
    squeezed = answer(200, gzip.compress(whole), {"Content-Encoding": "gzip"})
    with FaultServer(answer(200, whole), squeezed) as server:
        speaker = connect(server.url, max_audio_bytes=LIMIT)
        assert speaker.synthesize(response_format="raw").content == whole
        assert speaker.synthesize(response_format="raw").content == whole


def test_compressed_data_followed_by_an_endless_rest_is_not_kept(connect: Connect) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + SQUEEZED
    with FaultServer(then(head, lambda peer: peer.flood(bytes(65536)))) as server:
        error = failure(connect(server.url), APIConnectionError)
        assert "goes on after its compressed data" in str(error)
        assert server.saw_close()


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(
            then(answer(200, b"R", IDS, length=10**6), lambda peer: peer.drip(b"x")), id="body"
        ),
        pytest.param(lambda peer: peer.drip(b"H"), id="status line"),
        pytest.param(then(b"HTTP/1.1 200 OK\r\nx: ", lambda peer: peer.drip(b"x")), id="header"),
        pytest.param(lambda peer: peer.flood(b"HTTP/1.1 100 Continue\r\n\r\n"), id="1xx"),
    ],
)
def test_steady_trickle_ends_with_the_total_time(
    connect: Connect, step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that no wait for the next piece is too short by chance.
    monkeypatch.setattr("facade._transport.call.LEAST_S", 0.2)
    with FaultServer(step) as server:
        speaker = connect(server.url, timeouts=Timeouts(total_s=0.3))
        error = failure(speaker, APITimeoutError)
        assert f"no whole answer from 127.0.0.1:{server.port} within total_s=0.3 s" in str(error)
        assert error.request_sent
        assert not error.transient
        assert error.bytes_received == 0 or error.request_id == "req-1"
        assert server.saw_close()
        assert len(server.requests) == 1


def test_server_that_takes_the_request_slowly_has_no_more_than_the_total_time(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facade._transport.call.LEAST_S", 0.2)
    text = "Word. " * 4_000_000
    with FaultServer(on_connect=Peer.sip) as server:
        speaker = connect(server.url, timeouts=Timeouts(total_s=3))
        error = failure(speaker, APITimeoutError, text)
        assert "within total_s=3 s" in str(error)
        assert error.request_sent
        assert server.saw_close()
        assert 0 < server.sipped < len(text)


def test_wait_for_a_free_connection_ends_with_the_total_time(connect: Connect) -> None:
    with FaultServer(Peer.wait_for_close) as server:
        speaker = connect(
            server.url,
            timeouts=Timeouts(total_s=0.2),
            httpx_args={"limits": httpx.Limits(max_connections=0)},
        )
        error = failure(speaker, APITimeoutError)
        assert "within total_s=0.2 s" in str(error)
        assert not error.request_sent
        assert server.connections == 0


# --- not HTTP ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(b"220 mail.example ESMTP\r\n\r\n", id="another protocol"),
        pytest.param(b"\x00\x01\x02\x03\r\n\r\n", id="binary"),
        pytest.param(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", id="bad header"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", id="bad length"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", id="two lengths"
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", id="9s"),
        pytest.param(b"HTTP/1.1 200 OK\r\nx: " + b"x" * 2_000_000 + b"\r\n\r\n", id="2 MB header"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", id="bad chunk"
        ),
    ],
)
def test_what_is_not_http_is_not_retried(connect: Connect, step: bytes) -> None:
    with FaultServer(then(step, Peer.wait_for_close)) as server:
        error = failure(connect(server.url, retry=RESEND), APIConnectionError)
        assert f"the exchange with 127.0.0.1:{server.port} failed" in str(error)
        assert error.__cause__ is not None
        assert error.request_sent
        assert not error.transient
        assert server.saw_close()
        assert len(server.requests) == 1


def test_root_catches_every_failure_of_a_call() -> None:
    """`except SpeechError` is what the documentation tells applications to write."""
    for expected in (*FINAL.values(), *PASSING.values(), APITimeoutError, EmptyAudioError):
        assert issubclass(expected, SpeechError)
