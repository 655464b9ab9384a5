"""Connections of many calls at once: kept, used again, given back, and closed."""

import asyncio
import gc
import logging
import ssl
import sys
import threading
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

import anyio
import httpx
import pytest

from facade import (
    APIConnectionError,
    APITimeoutError,
    AsyncSpeechClient,
    BadRequestError,
    SpeechClient,
    SpeechError,
    StreamInterruptedError,
    Timeouts,
)
from tests.conftest import KEY, Connect, Speaker
from tests.faults.at_once import read_at_once, synthesize_at_once
from tests.faults.events import DONE, a_stream, event
from tests.faults.listener import Listener
from tests.faults.server import SPEECH, FaultServer, Peer, Step, answer, then
from tests.key_search import failure

GOOD_STREAM = a_stream(event(bytes(2)), DONE)
BEGUN_STREAM = a_stream(event(bytes(2)), end=False)

GOOD = answer(200, SPEECH)


def only(connections: int) -> dict[str, Any]:
    """Arguments for httpx."""
    return {"limits": httpx.Limits(max_connections=connections)}


def together(count: int, what: bytes = GOOD) -> Step:
    """Answer only when so many requests have arrived."""
    barrier = threading.Barrier(count)

    def wait(_: Peer) -> None:
        barrier.wait(10)

    return then(wait, what)


# --- used again ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at_once", "what"),
    [(synthesize_at_once, GOOD), (read_at_once, GOOD_STREAM)],
    ids=["answers", "streams"],
)
def test_many_calls_at_once_keep_their_connections(
    connect: Connect, at_once: Callable[[Speaker, int], None], what: bytes
) -> None:
    with FaultServer(together(30, what)) as server:
        speaker = connect(server.url)
        at_once(speaker, 30)
        at_once(speaker, 30)
        assert (len(server.requests), server.connections) == (60, 30)


def test_connection_used_last_is_used_next(connect: Connect) -> None:
    """So that what is not needed any more can sink to the bottom."""
    used: list[Peer] = []

    def note(peer: Peer) -> None:
        used.append(peer)
        peer.send(GOOD)

    with FaultServer(together(3)) as server:
        speaker = connect(server.url)
        synthesize_at_once(speaker, 3)
        server.answer_from_now_on(note)
        for _ in range(3):
            speaker.synthesize()
        assert len(used) == 3
        assert len(set(used)) == 1
        assert server.connections == 3


@pytest.mark.parametrize("end", [Peer.close, Peer.reset])
def test_connections_closed_by_the_server_are_replaced(connect: Connect, end: Step) -> None:
    assert not isinstance(end, bytes)
    with FaultServer(then(together(3), end)) as server:
        speaker = connect(server.url)
        synthesize_at_once(speaker, 3)
        for _ in range(3):
            server.wait_until_ended()
        server.answer_from_now_on(together(3))
        synthesize_at_once(speaker, 3)
        assert (len(server.requests), server.connections) == (6, 6)


def test_surplus_connections_are_closed(connect: Connect) -> None:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=1)
    with FaultServer(together(3)) as server:
        speaker = connect(server.url, httpx_args={"limits": limits})
        synthesize_at_once(speaker, 3)
        assert server.saw_close()
        assert server.saw_close()
        server.answer_from_now_on(GOOD)
        speaker.synthesize()
        assert server.connections == 3


def test_connections_idle_for_too_long_are_closed(connect: Connect) -> None:
    """Those at the bottom too, when another call is over."""
    limits = httpx.Limits(keepalive_expiry=0.1)
    with FaultServer(together(3)) as server:
        speaker = connect(server.url, httpx_args={"limits": limits})
        synthesize_at_once(speaker, 3)
        threading.Event().wait(0.2)
        server.answer_from_now_on(GOOD)
        speaker.synthesize()
        for _ in range(3):
            assert server.saw_close()
        assert server.connections == 4


# --- no more than allowed ------------------------------------------------------------------------


def test_no_more_connections_than_allowed(connect: Connect) -> None:
    with FaultServer(together(2)) as server:
        speaker = connect(server.url, httpx_args=only(2))
        synthesize_at_once(speaker, 12)
        assert (len(server.requests), server.connections) == (12, 2)


def test_waiting_for_a_connection_ends_with_the_call_s_time(connect: Connect) -> None:
    with FaultServer(then(BEGUN_STREAM, Peer.wait_for_close), GOOD) as server:
        speaker = connect(server.url, timeouts=Timeouts(total_s=0.2), httpx_args=only(1))
        stream = Listener(speaker).enter()
        error = failure(speaker, APITimeoutError)
        assert "within total_s=0.2 s" in str(error)
        assert not error.request_sent
        assert not error.transient
        stream.leave()
        assert speaker.synthesize().content == SPEECH
        assert len(server.requests) == 2


# --- given back ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (Peer.close, APIConnectionError),
        (then(answer(200, b"R", length=9), Peer.close), APIConnectionError),
        (answer(400), BadRequestError),
        (then(answer(400, b"R", length=9), Peer.close), BadRequestError),
        (Peer.wait_for_close, APITimeoutError),
    ],
    ids=["no answer", "half an answer", "a failure", "half a failure", "silence"],
)
def test_failed_call_gives_its_connection_back(
    connect: Connect, step: Step, expected: type[SpeechError]
) -> None:
    timeouts = Timeouts(read_s=0.2, total_s=5)
    with FaultServer(step, step, GOOD) as server:
        speaker = connect(server.url, timeouts=timeouts, httpx_args=only(1))
        failure(speaker, expected)
        failure(speaker, expected)
        assert speaker.synthesize().content == SPEECH


def test_stream_left_early_gives_its_connection_back(connect: Connect) -> None:
    left = then(BEGUN_STREAM, Peer.wait_for_close)
    with FaultServer(left, left, GOOD) as server:
        speaker = connect(server.url, timeouts=Timeouts(total_s=5), httpx_args=only(1))
        for _ in range(2):
            stream = Listener(speaker).enter()
            stream.hear()
            stream.leave()
            assert server.saw_close()
        assert speaker.synthesize().content == SPEECH


def test_lost_stream_gives_its_connection_back(connect: Connect) -> None:
    with FaultServer(then(BEGUN_STREAM, Peer.wait_for_close), GOOD) as server:
        speaker = connect(server.url, timeouts=Timeouts(total_s=5), httpx_args=only(1))
        stream: Listener | None = Listener(speaker)
        assert stream is not None
        stream.hear()
        with pytest.warns(ResourceWarning, match="unclosed"):
            stream = None
        assert speaker.synthesize().content == SPEECH
        assert server.saw_close()


class _Interrupt(logging.Handler):
    """Presses Ctrl-C when httpcore says a certain thing."""

    def __init__(self, said: str) -> None:
        super().__init__()
        self._said = said
        self.is_over = False

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith(self._said) and not self.is_over:
            self.is_over = True
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    "said",
    [
        "connect_tcp.started",
        "send_request_headers.started",
        "receive_response_headers.complete",
        "receive_response_body.started",
        "response_closed.started",
    ],
)
def test_interrupted_call_gives_its_connection_back(
    said: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "httpcore")
    interrupt = _Interrupt(said)
    logger = logging.getLogger("httpcore")
    logger.addHandler(interrupt)
    with (
        FaultServer(GOOD) as server,
        SpeechClient(
            KEY, base_url=server.url, timeouts=Timeouts(total_s=2), httpx_args=only(1)
        ) as client,
    ):
        try:
            with pytest.raises(KeyboardInterrupt):
                client.synthesize("Hello.", voice="af_heart")
        finally:
            logger.removeHandler(interrupt)
        assert client.synthesize("Hello.", voice="af_heart").content == SPEECH
        assert interrupt.is_over


# --- cancelled -----------------------------------------------------------------------------------


class _Cancelled:
    """Awaits a coroutine, and cancels it while it waits for the n-th time."""

    def __init__(
        self, coroutine: Coroutine[Any, Any, object], n: int, cancel: Callable[[], object]
    ) -> None:
        self._coroutine = coroutine
        self._n = n
        self._cancel = cancel
        self.waits = 0

    def __await__(self) -> Generator[Any, Any, None]:
        steps = self._coroutine.__await__()
        go_on: Callable[[], Any] = partial(steps.send, None)
        while True:
            try:
                awaited = go_on()
            except StopIteration:
                return
            self.waits += 1
            if self.waits == self._n:
                self._cancel()
            try:
                go_on = partial(steps.send, (yield awaited))
            except BaseException as error:  # noqa: BLE001 - passed on
                go_on = partial(steps.throw, error)


async def _call(client: AsyncSpeechClient) -> None:
    await client.synthesize("Hello.", voice="af_heart")


async def _stream(client: AsyncSpeechClient) -> None:
    async with client.stream("Hello.", voice="af_heart") as stream:
        async for _ in stream:
            pass


@pytest.mark.parametrize(
    ("use", "what"), [(_call, GOOD), (_stream, GOOD_STREAM)], ids=["call", "stream"]
)
@pytest.mark.parametrize("is_second", [False, True], ids=["new", "kept"])
@pytest.mark.parametrize("is_scope", [False, True], ids=["task", "scope"])
def test_call_may_be_cancelled_at_any_moment(
    use: Callable[[AsyncSpeechClient], Coroutine[Any, Any, None]],
    what: bytes,
    *,
    is_second: bool,
    is_scope: bool,
) -> None:
    """Nothing is lost: the next call, which has to have the same slot, is answered."""

    async def cancel(server: FaultServer, n: int) -> bool:
        async with AsyncSpeechClient(
            KEY, base_url=server.url, timeouts=Timeouts(total_s=2), httpx_args=only(1)
        ) as client:
            if is_second:
                await use(client)
            task = asyncio.current_task()
            assert task is not None
            with suppress(asyncio.CancelledError), anyio.CancelScope() as scope:
                cancelled = _Cancelled(use(client), n, scope.cancel if is_scope else task.cancel)
                await cancelled
            await use(client)
            return cancelled.waits >= n

    with FaultServer(what) as server:
        n = 1
        while asyncio.run(cancel(server, n)):
            n += 1
        assert n > 3
    # What was left open would say so now.
    gc.collect()


def test_cancelled_waiters_leave_the_connection_to_others() -> None:
    async def main() -> None:
        async with AsyncSpeechClient(
            KEY, base_url=server.url, timeouts=Timeouts(total_s=2), httpx_args=only(1)
        ) as client:
            async with client.stream("Hello.", voice="af_heart") as stream:
                waiters = [asyncio.create_task(_call(client)) for _ in range(3)]
                await anyio.wait_all_tasks_blocked()
                waiters[0].cancel()
                await anyio.wait_all_tasks_blocked()
                assert waiters[0].cancelled()
                await stream.aclose()
                # It is the turn of this one, which does not know yet.
                waiters[1].cancel()
            await waiters[2]
            await _call(client)
            assert waiters[1].cancelled()

    with FaultServer(then(BEGUN_STREAM, Peer.wait_for_close), GOOD) as server:
        asyncio.run(main())
        assert len(server.requests) == 3


# --- closed --------------------------------------------------------------------------------------


def test_close_closes_idle_connections_and_those_in_use(connect: Connect) -> None:
    with FaultServer(together(3)) as server:
        speaker = connect(server.url)
        synthesize_at_once(speaker, 3)
        server.answer_from_now_on(then(BEGUN_STREAM, Peer.wait_for_close))
        stream = Listener(speaker).enter()
        stream.hear()
        speaker.close()
        for _ in range(3):
            assert server.saw_close()
        with pytest.raises(StreamInterruptedError):
            stream.hear()
        stream.leave()
    gc.collect()


def test_close_wakes_tasks() -> None:
    """Those that wait for an answer, for more of a stream, or for a connection."""

    async def main() -> None:
        client = AsyncSpeechClient(KEY, base_url=server.url, httpx_args=only(2))
        stream = client.stream("Hello.", voice="af_heart")
        await anext(stream)
        hearing = asyncio.ensure_future(anext(stream))
        calls = [asyncio.create_task(_call(client)) for _ in range(3)]
        await asyncio.to_thread(arrived.acquire, timeout=10)
        await anyio.wait_all_tasks_blocked()
        await client.aclose()
        with pytest.raises(StreamInterruptedError):
            await hearing
        for failed in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(failed, APIConnectionError)
            assert not isinstance(failed, APITimeoutError)
        await stream.aclose()

    def hold(peer: Peer) -> None:
        arrived.release()
        peer.wait_for_close()

    arrived = threading.Semaphore(0)
    with FaultServer(then(BEGUN_STREAM, Peer.wait_for_close), hold) as server:
        asyncio.run(main())
        assert server.saw_close()
        assert server.saw_close()
        assert server.connections == 2
    gc.collect()


def test_close_wakes_tasks_that_wait_for_a_connection() -> None:
    async def main() -> None:
        client = AsyncSpeechClient(KEY, base_url=server.url, httpx_args=only(1))
        async with client.stream("Hello.", voice="af_heart"):
            waiting = [asyncio.create_task(_call(client)) for _ in range(3)]
            await anyio.wait_all_tasks_blocked()
            await client.aclose()
            for call in waiting:
                with pytest.raises(APIConnectionError, match="client has been closed") as caught:
                    await call
                assert not caught.value.request_sent

    with FaultServer(then(BEGUN_STREAM, Peer.wait_for_close)) as server:
        asyncio.run(main())
        assert len(server.requests) == 1


@pytest.mark.parametrize("begin", [b"", answer(200, b"R", length=9)], ids=["head", "body"])
def test_close_wakes_threads_that_wait_for_an_answer(begin: bytes) -> None:
    def hold(peer: Peer) -> None:
        peer.send(begin)
        arrived.set()
        peer.wait_for_close()

    arrived = threading.Event()
    with FaultServer(hold) as server:
        client = SpeechClient(KEY, base_url=server.url, timeouts=Timeouts(read_s=15))
        with ThreadPoolExecutor(1) as threads:
            call = threads.submit(client.synthesize, "Hello.", voice="af_heart")
            assert arrived.wait(10)
            client.close()
            assert server.saw_close()
            with pytest.raises(APIConnectionError) as caught:
                call.result(10)
            assert not isinstance(caught.value, APITimeoutError)


def _is_waiting(thread: threading.Thread) -> bool:
    frame = sys._current_frames().get(thread.ident or 0)
    return frame is not None and frame.f_code.co_filename == threading.__file__


def test_close_wakes_threads_that_wait_for_a_connection() -> None:
    def call() -> None:
        try:
            client.synthesize("Hello.", voice="af_heart")
        except SpeechError as error:
            failed.append(error)

    failed: list[SpeechError] = []
    with FaultServer(then(BEGUN_STREAM, Peer.wait_for_close)) as server:
        client = SpeechClient(KEY, base_url=server.url, httpx_args=only(1))
        with client.stream("Hello.", voice="af_heart"):
            waiting = [threading.Thread(target=call) for _ in range(3)]
            for thread in waiting:
                thread.start()
            while not all(map(_is_waiting, waiting)):
                threading.Event().wait(0.001)
            client.close()
            for thread in waiting:
                thread.join(10)
        assert [str(error) for error in failed] == [
            f"the exchange with 127.0.0.1:{server.port} failed: the client has been closed"
        ] * 3
        assert {error.request_sent for error in failed} == {False}  # type: ignore[attr-defined]
        assert len(server.requests) == 1


def test_call_that_outlives_its_client_leaves_no_connection(
    server_tls: ssl.SSLContext, trust: ssl.SSLContext
) -> None:
    """It is in the handshake, where httpx finds nothing to close."""
    arrived = threading.Event()

    def hold(peer: Peer) -> None:
        arrived.set()
        peer.pause()

    with FaultServer(GOOD, on_connect=hold, tls=server_tls) as server:
        client = SpeechClient(KEY, base_url=server.url, httpx_args={"verify": trust})
        with ThreadPoolExecutor(1) as threads:
            call = threads.submit(client.synthesize, "Hello.", voice="af_heart")
            assert arrived.wait(10)
            client.close()
            server.released.set()
            with pytest.raises(APIConnectionError, match="client has been closed"):
                call.result(10)
        assert server.saw_close()
    gc.collect()


def test_task_that_outlives_its_client_leaves_no_connection(
    server_tls: ssl.SSLContext, trust: ssl.SSLContext
) -> None:
    arrived = threading.Event()

    def hold(peer: Peer) -> None:
        arrived.set()
        peer.pause()

    async def main() -> None:
        client = AsyncSpeechClient(KEY, base_url=server.url, httpx_args={"verify": trust})
        call = asyncio.create_task(_call(client))
        assert await asyncio.to_thread(arrived.wait, 10)
        await client.aclose()
        server.released.set()
        with pytest.raises(APIConnectionError, match="client has been closed"):
            await call
        assert await asyncio.to_thread(server.saw_close)

    with FaultServer(GOOD, on_connect=hold, tls=server_tls) as server:
        asyncio.run(main())
    gc.collect()


@pytest.mark.parametrize("length", [1, 3_000_000], ids=["small", "large"])
def test_close_wakes_tasks_that_send(length: int) -> None:
    """What they send is taken by nobody."""
    connected = threading.Event()

    def hold(peer: Peer) -> None:
        connected.set()
        peer.pause()

    async def main() -> None:
        client = AsyncSpeechClient(KEY, base_url=server.url)
        call = asyncio.create_task(client.synthesize("Word. " * length, voice="af_heart"))
        assert await asyncio.to_thread(connected.wait, 10)
        await asyncio.sleep(0.1)
        await client.aclose()
        with pytest.raises(APIConnectionError, match="client has been closed"):
            await call

    with FaultServer(GOOD, on_connect=hold) as server:
        asyncio.run(main())
    gc.collect()
