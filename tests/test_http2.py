"""HTTP/2, which is an option: one connection carries all calls."""

import asyncio
import gc
import ssl
import threading
from typing import Any

import pytest
import trustme

from facade import (
    APIConnectionError,
    APITimeoutError,
    AsyncSpeechClient,
    NotFoundError,
    StreamInterruptedError,
    Timeouts,
)
from tests.conftest import KEY, Connect
from tests.faults.at_once import synthesize_at_once
from tests.faults.events import DONE, event
from tests.faults.http2 import Exchange, Http2, Step
from tests.faults.listener import Listener
from tests.faults.server import SPEECH, FaultServer
from tests.key_search import failure

pytestmark = pytest.mark.usefixtures("no_waits")

STREAM = {"content-type": "text/event-stream"}


@pytest.fixture(scope="module")
def tls(authority: trustme.CA, trust: ssl.SSLContext) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's side of TLS, and a client's."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.set_alpn_protocols(["h2"])
    authority.issue_cert("127.0.0.1").configure_cert(server)
    return server, trust


class Http2Server(FaultServer):
    """A server that speaks HTTP/2."""

    def __init__(self, tls: tuple[ssl.SSLContext, ssl.SSLContext], *steps: Step) -> None:
        server_tls, self._trust = tls
        super().__init__(on_connect=Http2(server_tls, *steps))

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/v1"

    @property
    def arguments(self) -> dict[str, Any]:
        """What httpx has to be told."""
        return {"http2": True, "verify": self._trust}


TLS = tuple[ssl.SSLContext, ssl.SSLContext]


def speak(exchange: Exchange) -> None:
    exchange.answer(SPEECH)


def begin_stream(exchange: Exchange) -> None:
    exchange.begin(STREAM)
    exchange.send(event(b"ab"))


class Later:
    """Steps that answer one request when another has come."""

    def __init__(self) -> None:
        self._waiting: list[Exchange] = []

    def hold(self, exchange: Exchange) -> None:
        self._waiting.append(exchange)

    def begin_stream(self, exchange: Exchange) -> None:
        begin_stream(exchange)
        self.hold(exchange)

    def answer_all(self, exchange: Exchange) -> None:
        for waiting in (exchange, *self._waiting):
            waiting.answer(SPEECH)

    def answer_and_end_stream(self, exchange: Exchange) -> None:
        exchange.answer(SPEECH)
        self._waiting[-1].send(event(b"cd") + DONE)
        self._waiting[-1].end()


def test_calls_and_streams_share_a_connection(connect: Connect, tls: TLS) -> None:
    with Http2Server(
        tls, speak, lambda exchange: exchange.answer(event(b"ab") + DONE, STREAM), speak
    ) as server:
        speaker = connect(server.url, httpx_args=server.arguments)
        assert speaker.synthesize().content == SPEECH
        assert Listener(speaker).hear_all() == b"ab"
        assert speaker.synthesize().content == SPEECH
        assert server.connections == 1


def test_two_calls_at_once_share_a_connection(connect: Connect, tls: TLS) -> None:
    later = Later()
    with Http2Server(tls, speak, later.hold, later.answer_all) as server:
        speaker = connect(server.url, httpx_args=server.arguments)
        speaker.synthesize()
        synthesize_at_once(speaker, 2)
        assert server.connections == 1


def test_failure_is_told(connect: Connect, tls: TLS) -> None:
    def refuse(exchange: Exchange) -> None:
        exchange.begin(status=404)
        exchange.send(b'{"error": {"message": "Not here."}}')
        exchange.end()

    with Http2Server(tls, refuse, speak) as server:
        speaker = connect(server.url, httpx_args=server.arguments)
        assert "Not here." in str(failure(speaker, NotFoundError))
        assert speaker.synthesize().content == SPEECH
        assert server.connections == 1


def test_time_limit_between_arrivals(connect: Connect, tls: TLS) -> None:
    with Http2Server(tls, begin_stream, speak) as server:
        speaker = connect(server.url, timeouts=Timeouts(read_s=0.2), httpx_args=server.arguments)
        stream = Listener(speaker).enter()
        assert stream.hear() == b"ab"
        with pytest.raises(APITimeoutError, match=r"read_s=0\.2 s"):
            stream.hear()
        assert speaker.synthesize().content == SPEECH


def test_time_limit_of_a_call(connect: Connect, tls: TLS) -> None:
    with Http2Server(tls, lambda _: None, speak) as server:
        speaker = connect(server.url, timeouts=Timeouts(total_s=0.2), httpx_args=server.arguments)
        error = failure(speaker, APITimeoutError)
        assert "total_s=0.2 s" in str(error)
        assert error.request_sent
        assert speaker.synthesize().content == SPEECH


def test_stream_that_the_server_breaks_off(connect: Connect, tls: TLS) -> None:
    def begin_and_reset(exchange: Exchange) -> None:
        begin_stream(exchange)
        exchange.reset()

    with Http2Server(tls, begin_and_reset, speak) as server:
        speaker = connect(server.url, httpx_args=server.arguments)
        stream = Listener(speaker).enter()
        assert stream.hear() == b"ab"
        with pytest.raises(StreamInterruptedError) as caught:
            stream.hear()
        assert caught.value.bytes_received == 2
        assert speaker.synthesize().content == SPEECH
        assert server.connections == 1


def test_call_that_the_server_breaks_off(connect: Connect, tls: TLS) -> None:
    with Http2Server(tls, Exchange.reset, speak) as server:
        speaker = connect(server.url, httpx_args=server.arguments)
        assert failure(speaker, APIConnectionError).request_sent
        assert speaker.synthesize().content == SPEECH
        assert server.connections == 1


def test_call_that_the_server_refused_is_sent_again(connect: Connect, tls: TLS) -> None:
    """It says that it has done nothing for it."""

    def refuse(exchange: Exchange) -> None:
        exchange.reset(7)

    with Http2Server(tls, refuse, speak) as server:
        speaker = connect(server.url, httpx_args=server.arguments)
        assert speaker.synthesize().content == SPEECH
        assert server.connections == 1
    with Http2Server(tls, refuse) as server:
        speaker = connect(server.url, httpx_args=server.arguments)
        error = failure(speaker, APIConnectionError)
        assert not error.request_sent
        assert "refused the request before doing anything for it" in str(error)


def test_connection_that_the_server_ends_between_calls_is_replaced(
    connect: Connect, tls: TLS
) -> None:
    def answer_and_go(exchange: Exchange) -> None:
        exchange.answer(SPEECH)
        exchange.go_away(last=1)

    with Http2Server(tls, answer_and_go, speak) as server:
        speaker = connect(server.url, httpx_args=server.arguments)
        assert speaker.synthesize().content == SPEECH
        assert speaker.synthesize().content == SPEECH
        assert server.connections == 2


def test_request_that_came_too_late_is_sent_on_another_connection(
    connect: Connect, tls: TLS
) -> None:
    with Http2Server(tls, speak, lambda exchange: exchange.go_away(last=1), speak) as server:
        speaker = connect(server.url, httpx_args=server.arguments)
        assert speaker.synthesize().content == SPEECH
        assert speaker.synthesize().content == SPEECH
        assert server.connections == 2


def test_connection_that_ends_in_a_stream(connect: Connect, tls: TLS) -> None:
    def begin_and_go(exchange: Exchange) -> None:
        begin_stream(exchange)
        exchange.go_away(last=1)

    with Http2Server(tls, begin_and_go, speak) as server:
        speaker = connect(server.url, httpx_args=server.arguments)
        stream = Listener(speaker).enter()
        assert stream.hear() == b"ab"
        with pytest.raises(StreamInterruptedError):
            stream.hear()
        assert speaker.synthesize().content == SPEECH


def test_stream_left_early_does_no_harm_to_another(connect: Connect, tls: TLS) -> None:
    later = Later()
    with Http2Server(
        tls, begin_stream, later.begin_stream, later.answer_and_end_stream, speak
    ) as server:
        speaker = connect(server.url, httpx_args=server.arguments)
        left, other = Listener(speaker).enter(), Listener(speaker).enter()
        assert (left.hear(), other.hear()) == (b"ab", b"ab")
        left.leave()
        assert speaker.synthesize().content == SPEECH
        assert (other.hear(), other.hear()) == (b"cd", None)
        assert speaker.synthesize().content == SPEECH
        assert server.connections == 1


def test_lost_stream_does_no_harm_to_another(connect: Connect, tls: TLS) -> None:
    later = Later()
    with Http2Server(tls, begin_stream, later.begin_stream, later.answer_and_end_stream) as server:
        speaker = connect(server.url, httpx_args=server.arguments)
        lost: Listener | None = Listener(speaker).enter()
        other = Listener(speaker).enter()
        assert other.hear() == b"ab"
        with pytest.warns(ResourceWarning, match="unclosed"):
            lost = None
        assert lost is None
        assert speaker.synthesize().content == SPEECH
        assert (other.hear(), other.hear()) == (b"cd", None)
        assert server.connections == 1


def test_cancelled_call_does_no_harm_to_another(tls: TLS) -> None:
    async def main() -> None:
        async with AsyncSpeechClient(
            KEY, base_url=server.url, httpx_args=server.arguments
        ) as client:
            await client.synthesize("Hello.", voice="af_heart")
            stream = client.stream("Hello.", voice="af_heart")
            assert await anext(stream) == b"ab"
            call = asyncio.create_task(client.synthesize("Hello.", voice="af_heart"))
            assert await asyncio.to_thread(arrived.wait, 10)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await client.synthesize("Hello.", voice="af_heart")
            assert [piece async for piece in stream] == [b"cd"]

    arrived = threading.Event()
    later = Later()
    with Http2Server(
        tls, speak, later.begin_stream, lambda _: arrived.set(), later.answer_and_end_stream
    ) as server:
        asyncio.run(main())
        assert server.connections == 1
    gc.collect()


def test_close_closes_the_connection(connect: Connect, tls: TLS) -> None:
    with Http2Server(tls, begin_stream) as server:
        speaker = connect(server.url, httpx_args=server.arguments)
        stream = Listener(speaker).enter()
        assert stream.hear() == b"ab"
        speaker.close()
        assert server.saw_close()
        with pytest.raises(StreamInterruptedError):
            stream.hear()
    gc.collect()


def test_a_stream_keeps_its_time_behind_a_call_that_reads(tls: TLS) -> None:
    """Of all calls on a connection only one reads it, here one that is never answered."""

    async def listen(server: Http2Server) -> None:
        async with AsyncSpeechClient(
            KEY,
            base_url=server.url,
            timeouts=Timeouts(first_audio_s=0.2),
            httpx_args=server.arguments,
        ) as client:
            await client.synthesize("Hello.", voice="af_heart")
            call = asyncio.create_task(client.synthesize("Hello.", voice="af_heart"))
            assert await asyncio.to_thread(arrived.wait, 10)
            async with asyncio.timeout(10):
                with pytest.raises(APITimeoutError, match=r"first_audio_s=0\.2"):
                    await client.stream("Hello.", voice="af_heart").read()
            call.cancel()

    def hold(exchange: Exchange) -> None:
        arrived.set()

    def begin_only(exchange: Exchange) -> None:
        exchange.begin(STREAM)

    arrived = threading.Event()
    with Http2Server(tls, speak, hold, begin_only) as server:
        asyncio.run(listen(server))
