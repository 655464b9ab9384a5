"""The asynchronous client on trio, which httpx and anyio know too."""

import gc
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import anyio.to_thread
import httpx
import pytest

from facade import (
    APITimeoutError,
    AsyncSpeechClient,
    InternalServerError,
    RetryPolicy,
    SpeechError,
    Timeouts,
)
from tests.conftest import KEY
from tests.faults.events import DONE, a_stream, event
from tests.faults.server import SPEECH, FaultServer, Peer, answer, then

_T = TypeVar("_T")

GOOD = answer(200, SPEECH)
GOOD_STREAM = a_stream(event(bytes(2)), event(bytes(2)), DONE)
BEGUN_STREAM = a_stream(event(bytes(2)), end=False)


def on_trio(main: Callable[[], Awaitable[_T]]) -> _T:
    return anyio.run(main, backend="trio")


def one_connection(server: FaultServer, *, total_s: float) -> AsyncSpeechClient:
    """A client whose calls must wait where another has kept the connection."""
    return AsyncSpeechClient(
        KEY,
        base_url=server.url,
        timeouts=Timeouts(total_s=total_s),
        httpx_args={"limits": httpx.Limits(max_connections=1)},
    )


async def call(client: AsyncSpeechClient) -> bytes:
    return (await client.synthesize("Hello.", voice="af_heart")).content


def test_calls_and_streams() -> None:
    async def main() -> None:
        async with AsyncSpeechClient(KEY, base_url=server.url) as client:
            assert await call(client) == SPEECH
            async with client.stream("Hello.", voice="af_heart") as stream:
                assert b"".join([piece async for piece in stream]) == bytes(4)
            assert await call(client) == SPEECH

    with FaultServer(GOOD, GOOD_STREAM, GOOD) as server:
        on_trio(main)
        assert server.connections == 1


def test_client_built_outside_trio() -> None:
    async def main() -> None:
        async with client:
            assert await call(client) == SPEECH

    with FaultServer(GOOD) as server:
        client = AsyncSpeechClient(KEY, base_url=server.url)
        on_trio(main)


def test_many_calls_at_once_keep_their_connections() -> None:
    barrier = threading.Barrier(10)

    def respond(peer: Peer) -> None:
        barrier.wait(10)
        peer.send(GOOD)

    async def main() -> None:
        async with AsyncSpeechClient(KEY, base_url=server.url) as client:
            for _ in range(2):
                async with anyio.create_task_group() as tasks:
                    for _ in range(10):
                        tasks.start_soon(call, client)

    with FaultServer(respond) as server:
        on_trio(main)
        assert (len(server.requests), server.connections) == (20, 10)


def test_failed_call_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with AsyncSpeechClient(
            KEY, base_url=server.url, retry=RetryPolicy(attempts=2)
        ) as client:
            assert await call(client) == SPEECH
            with pytest.raises(InternalServerError):
                await call(client)

    again = answer(503, headers={"Retry-After": "0"})
    with FaultServer(again, GOOD, again) as server:
        on_trio(main)
        assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("timeouts", "named"),
    [(Timeouts(total_s=0.2), r"total_s=0\.2 s"), (Timeouts(read_s=0.2), r"read_s=0\.2 s")],
    ids=["total_s", "read_s"],
)
def test_time_limits_hold(timeouts: Timeouts, named: str) -> None:
    async def main() -> None:
        async with AsyncSpeechClient(KEY, base_url=server.url, timeouts=timeouts) as client:
            with pytest.raises(APITimeoutError, match=named):
                await call(client)
            async with client.stream("Hello.", voice="af_heart") as stream:
                await anext(stream)
                with pytest.raises(APITimeoutError, match=named):
                    await anext(stream)

    with FaultServer(Peer.wait_for_close, then(BEGUN_STREAM, Peer.wait_for_close)) as server:
        on_trio(main)
        assert server.saw_close()
        assert server.saw_close()


@pytest.mark.parametrize(
    "begin",
    [b"", answer(200, b"R", length=9), answer(400, b"R", length=9)],
    ids=["before the answer", "in the body", "in a failure"],
)
def test_cancelled_call_gives_its_connection_back(begin: bytes) -> None:
    arrived = threading.Event()

    def hold(peer: Peer) -> None:
        peer.send(begin)
        arrived.set()
        peer.wait_for_close()

    async def main() -> None:
        async with one_connection(server, total_s=5) as client:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call, client)
                assert await anyio.to_thread.run_sync(arrived.wait, 10)
                tasks.cancel_scope.cancel()
            assert await anyio.to_thread.run_sync(server.saw_close)
            assert await call(client) == SPEECH

    with FaultServer(hold, GOOD) as server:
        on_trio(main)
    gc.collect()


def test_waiting_for_a_connection_ends_with_the_call_s_time() -> None:
    async def main() -> None:
        async with one_connection(server, total_s=0.2) as client:
            stream = client.stream("Hello.", voice="af_heart")
            await anext(stream)
            with pytest.raises(APITimeoutError, match=r"total_s=0\.2 s"):
                await call(client)
            await stream.aclose()
            assert await call(client) == SPEECH

    with FaultServer(then(BEGUN_STREAM, Peer.wait_for_close), GOOD) as server:
        on_trio(main)


def test_client_belongs_to_one_run_of_trio() -> None:
    async def main() -> None:
        await call(client)

    with FaultServer(GOOD) as server:
        client = AsyncSpeechClient(KEY, base_url=server.url)

        async def first() -> None:
            await call(client)
            await client._service.aclose()

        on_trio(first)
        with pytest.raises(SpeechError, match="another event loop"):
            on_trio(main)


def test_stream_left_early_gives_its_connection_back() -> None:
    async def main() -> None:
        async with one_connection(server, total_s=5) as client:
            async with client.stream("Hello.", voice="af_heart") as stream:
                await anext(stream)
            gc.collect()
            assert await call(client) == SPEECH

    with FaultServer(then(BEGUN_STREAM, Peer.wait_for_close), GOOD) as server:
        on_trio(main)
        assert server.saw_close()
    gc.collect()


def test_lost_stream_gives_its_connection_back() -> None:
    async def lose(client: AsyncSpeechClient) -> None:
        await anext(client.stream("Hello.", voice="af_heart"))

    async def main() -> None:
        async with one_connection(server, total_s=5) as client:
            with pytest.warns(ResourceWarning, match="unclosed"):
                await lose(client)
            assert await call(client) == SPEECH

    with FaultServer(then(BEGUN_STREAM, Peer.wait_for_close), GOOD) as server:
        on_trio(main)
        assert server.saw_close()
    gc.collect()
