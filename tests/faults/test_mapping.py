"""Every exception of httpx and httpcore reaches one of ours, whoever raises it and when."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from types import ModuleType
from typing import NamedTuple

import httpcore
import httpx
import pytest

from facade import (
    APIConnectionError,
    APITimeoutError,
    BadRequestError,
    InternalServerError,
    RetryPolicy,
    SpeechError,
    Timeouts,
)
from facade._transport.call import Call
from facade._transport.config import Config, Secret
from facade._transport.exceptions import translate
from tests.conftest import KEY, Connect
from tests.faults.server import FaultServer, Peer, answer
from tests.key_search import failure

BASE_URL = "http://127.0.0.1:9/v1"


class Ours(NamedTuple):
    """What an exception comes to."""

    kind: type[SpeechError]
    request_sent: bool
    transient: bool


TIMEOUT = Ours(APITimeoutError, True, True)
TIMEOUT_BEFORE = Ours(APITimeoutError, False, True)
LOST = Ours(APIConnectionError, True, True)
UNREACHED = Ours(APIConnectionError, False, True)
REFUSED = Ours(APIConnectionError, False, False)
BROKEN = Ours(APIConnectionError, True, False)

HTTPX = {
    "CloseError": LOST,
    "ConnectError": UNREACHED,
    "ConnectTimeout": TIMEOUT_BEFORE,
    "CookieConflict": BROKEN,
    "DecodingError": BROKEN,
    "HTTPError": BROKEN,
    "HTTPStatusError": BROKEN,
    "InvalidURL": BROKEN,
    "LocalProtocolError": BROKEN,
    "NetworkError": LOST,
    "PoolTimeout": TIMEOUT_BEFORE,
    "ProtocolError": BROKEN,
    "ProxyError": REFUSED,
    "ReadError": LOST,
    "ReadTimeout": TIMEOUT,
    "RemoteProtocolError": BROKEN,
    "RequestError": BROKEN,
    "RequestNotRead": BROKEN,
    "ResponseNotRead": BROKEN,
    "StreamClosed": BROKEN,
    "StreamConsumed": BROKEN,
    "StreamError": BROKEN,
    "TimeoutException": TIMEOUT,
    "TooManyRedirects": BROKEN,
    "TransportError": BROKEN,
    "UnsupportedProtocol": REFUSED,
    "WriteError": LOST,
    "WriteTimeout": TIMEOUT,
}
# What httpx has too comes to the same.
HTTPCORE = {
    "ConnectionNotAvailable": BROKEN,
    **{
        name: HTTPX[name]
        for name in (
            "ConnectError",
            "ConnectTimeout",
            "LocalProtocolError",
            "NetworkError",
            "PoolTimeout",
            "ProtocolError",
            "ProxyError",
            "ReadError",
            "ReadTimeout",
            "RemoteProtocolError",
            "TimeoutException",
            "UnsupportedProtocol",
            "WriteError",
            "WriteTimeout",
        )
    },
}
OTHERS: list[tuple[Exception, Ours]] = [
    (ValueError("odd"), BROKEN),
    (TimeoutError(), BROKEN),
    (OSError(5, "Input/output error"), BROKEN),
    (ssl.SSLError("bad record"), BROKEN),
    (ExceptionGroup("several", [OSError("one"), ValueError(f"about {KEY}")]), BROKEN),
    (httpx.RemoteProtocolError("Server disconnected without sending a response."), LOST),
    (httpx.RemoteProtocolError("peer closed connection without sending complete body"), LOST),
]


def exceptions_of(module: ModuleType) -> dict[str, type[Exception]]:
    """The exception classes that a library makes public."""
    return {
        name: found
        for name, found in vars(module).items()
        if isinstance(found, type) and issubclass(found, Exception)
    }


def instance(kind: type[Exception]) -> Exception:
    """An exception as its library raises it: with its request, which holds the key."""
    request = httpx.Request("POST", BASE_URL, headers={"Authorization": f"Bearer {KEY}"})
    if issubclass(kind, httpx.HTTPStatusError):
        return kind("words", request=request, response=httpx.Response(500, request=request))
    try:
        error = kind(f"words about {KEY}")
    except TypeError:
        error = kind()
    if isinstance(error, httpx.HTTPError):
        error.request = request
    return error


CASES = [
    pytest.param(instance(found), table[name], id=f"{library.__name__}.{name}")
    for library, table in ((httpx, HTTPX), (httpcore, HTTPCORE))
    for name, found in exceptions_of(library).items()
    if name in table
] + [
    pytest.param(error, ours, id=f"{type(error).__name__} {number}")
    for number, (error, ours) in enumerate(OTHERS)
]


@pytest.mark.parametrize(("library", "table"), [(httpx, HTTPX), (httpcore, HTTPCORE)])
def test_every_exception_class_is_in_the_table(library: ModuleType, table: dict[str, Ours]) -> None:
    """A class that a new version brings fails here, to be thought about."""
    assert set(exceptions_of(library)) == set(table)


@pytest.mark.parametrize(("error", "ours"), CASES)
def test_translation(error: Exception, ours: Ours) -> None:
    config = Config.read(
        key=Secret(KEY),
        base_url=BASE_URL,
        timeouts=Timeouts(),
        retry=RetryPolicy(),
        max_audio_bytes=1,
        validate_voices=True,
        headers=None,
        httpx_args=None,
        insecure_hosts=(),
    )
    call = Call(Timeouts(), RetryPolicy(), Secret(KEY))
    call.request_sent = True
    found = translate(error, call, config)
    assert Ours(type(found), found.request_sent, found.transient) == ours
    assert "127.0.0.1:9" in str(found)


class FailingTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Raises an exception in place of an answer, or in the middle of one."""

    def __init__(self, error: Exception, status: int | None) -> None:
        self.error = error
        self.status = status
        self.requests = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        if self.status is None:
            raise self.error
        return httpx.Response(self.status, stream=FailingBody(self.error))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)


class EndlessBody(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Gives a little now and then, for ever, and knows of no time limit."""

    def __iter__(self) -> Iterator[bytes]:
        while True:
            time.sleep(0.02)
            yield b"RIFF"

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0.02)
            yield b"RIFF"


class EndlessTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Answers without an end."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=EndlessBody())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)


class FailingBody(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Gives a little, then raises."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __iter__(self) -> Iterator[bytes]:
        yield b"RIFF"
        raise self.error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"RIFF"
        raise self.error


@pytest.mark.usefixtures("no_waits")
@pytest.mark.parametrize("status", [None, 200], ids=["head", "body"])
@pytest.mark.parametrize(("error", "ours"), CASES)
def test_transport_may_raise_anything(
    connect: Connect, error: Exception, ours: Ours, status: int | None
) -> None:
    transport = FailingTransport(error, status)
    speaker = connect(BASE_URL, httpx_args={"transport": transport})
    found = failure(speaker, ours.kind)
    assert (found.request_sent, found.transient) == (ours.request_sent, ours.transient)
    assert found.__cause__ is error
    assert found.bytes_received == (0 if status is None else 4)
    assert transport.requests == (3 if ours.transient and not ours.request_sent else 1)


@pytest.mark.usefixtures("no_waits")
@pytest.mark.parametrize(("error", "ours"), CASES)
def test_failure_keeps_its_status_whatever_its_body_raises(
    connect: Connect, error: Exception, ours: Ours
) -> None:
    speaker = connect(BASE_URL, httpx_args={"transport": FailingTransport(error, 501)})
    assert failure(speaker, InternalServerError).body == "RIFF"


def test_total_time_holds_over_a_transport_without_time_limits(connect: Connect) -> None:
    speaker = connect(
        BASE_URL, httpx_args={"transport": EndlessTransport()}, timeouts=Timeouts(total_s=0.2)
    )
    error = failure(speaker, APITimeoutError)
    assert "within total_s=0.2 s" in str(error)
    assert error.request_sent
    assert error.bytes_received > 0


def test_exceptions_that_came_from_one_another_do_not_trap_us(connect: Connect) -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    speaker = connect(BASE_URL, httpx_args={"transport": FailingTransport(one, None)})
    # Formatting such a circle is more than `failure` can do.
    with pytest.raises(APIConnectionError, match="one"):
        speaker.synthesize()


def test_transport_may_give_its_answers_whole(connect: Connect) -> None:
    """As `httpx.MockTransport` does, with which applications test."""

    def respond(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/voices"):
            return httpx.Response(200, json={"data": []})
        return httpx.Response(501, json={"error": {"message": "Not here."}})

    speaker = connect(BASE_URL, httpx_args={"transport": httpx.MockTransport(respond)})
    assert failure(speaker, InternalServerError).message == "Not here."
    assert speaker.list_voices() == []


# --- exceptions of the application's own ----------------------------------------------------------


def test_what_the_application_is_handling_is_left_alone(connect: Connect) -> None:
    request = httpx.Request("GET", f"http://127.0.0.1:9/{KEY}")
    with FaultServer(answer(400)) as server:
        speaker = connect(server.url)
        theirs = httpx.ConnectError(f"theirs {KEY}", request=request)
        try:
            raise theirs
        except httpx.ConnectError:
            with pytest.raises(BadRequestError):
                speaker.synthesize()
        assert theirs.__traceback__ is not None
        assert theirs.args == (f"theirs {KEY}",)
        assert theirs.request is request


def test_what_the_application_is_handling_does_not_explain_a_failure(connect: Connect) -> None:
    with FaultServer(Peer.close) as server:
        speaker = connect(server.url)
        try:
            raise ssl.SSLError("theirs")
        except ssl.SSLError:
            with pytest.raises(APIConnectionError) as caught:
                speaker.synthesize()
        assert caught.value.transient
        assert "TLS" not in str(caught.value)
