"""What goes on beside the application: threads that are used again, tokens that are at hand."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from queue import SimpleQueue

import anyio
import httpcore
import pytest

from facade._transport import waiting_async, waiting_sync
from facade._transport.duplex_sync import Duplex
from facade._transport.waiting_sync import Background


def ended(threads: set[threading.Thread]) -> bool:
    for thread in threads:
        thread.join(10)
    return not any(thread.is_alive() for thread in threads)


def those_of(background: Background, count: int) -> list[threading.Thread]:
    """Have something done several times, one after the other, and return who did it."""
    did: SimpleQueue[threading.Thread] = SimpleQueue()
    found = []
    for _ in range(count):
        background.start(lambda: did.put(threading.current_thread()), is_awaited=False)
        found.append(did.get(timeout=10))
        until = time.monotonic() + 10
        while not background._idle and time.monotonic() < until:
            time.sleep(0.001)
    return found


def test_a_thread_that_has_nothing_to_do_is_used_again() -> None:
    background = Background()
    background.begin()
    threads = set(those_of(background, 3))
    assert len(threads) == 1
    background.close()
    assert ended(threads)


def test_a_thread_that_has_something_to_do_is_left_alone() -> None:
    background = Background()
    background.begin()
    go_on = threading.Event()

    def wait() -> None:
        go_on.wait(10)

    background.start(wait, is_awaited=False)
    (other,) = those_of(background, 1)
    go_on.set()
    background.close()
    assert ended({other})


def test_a_thread_ends_that_is_not_needed_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_sync, "_IDLE_S", 0.2)
    background = Background()
    background.begin()
    assert ended(set(those_of(background, 1)))
    assert background._idle == []
    background.close()


@pytest.mark.parametrize("until", [1e300, float("inf")])
def test_a_wait_may_be_of_any_length(until: float) -> None:
    mutex = threading.RLock()
    signal = waiting_sync.Signal(mutex)

    def wake() -> None:
        with mutex:
            signal.notify()

    with mutex:
        thread = threading.Thread(target=wake)
        thread.start()
        signal.wait(until)
    thread.join()


class TakenLate(list["SimpleQueue[Callable[[], None]]"]):
    """Idle threads of which one is taken just when it gives up."""

    def __init__(self, *jobs: Callable[[], None]) -> None:
        super().__init__()
        self._jobs = iter(jobs)

    def remove(self, jobs: SimpleQueue[Callable[[], None]]) -> None:
        jobs.put(next(self._jobs))
        raise ValueError


def test_a_thread_that_is_found_idle_at_the_last_moment_does_what_it_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting_sync, "_IDLE_S", 0.001)
    done: list[int] = []
    background = Background()
    background.begin()
    background._idle = TakenLate(lambda: done.append(2), waiting_sync._nothing)
    background._work(lambda: done.append(1))
    assert done == [1, 2]


def test_a_thread_that_has_done_its_last_job_ends() -> None:
    background = Background()
    background.begin()
    go_on = threading.Event()

    def last() -> None:
        go_on.wait(10)

    background.start(last, is_awaited=False)
    busy = {thread for thread in threading.enumerate() if thread.name == "facade last"}
    background.close()
    go_on.set()
    assert len(busy) == 1
    assert ended(busy)


def test_a_connection_that_was_closed_here_is_not_waited_for() -> None:
    one, other = socket.socketpair()
    with one, other:
        stream = httpcore.MockStream([])
        stream.get_extra_info = {"socket": one}.get  # type: ignore[assignment]
        duplex = Duplex(stream, b"")
        assert not duplex.has_news
        other.send(b"news")
        assert duplex.has_news
        assert duplex.receive() == b"news"
        one.close()
        with pytest.raises(ValueError, match="closed"):
            duplex.receive()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize(("pause_s", "turns"), [(0.0, 0), (0.005, 2)])
def test_others_get_their_turn_while_slow_tokens_come(
    backend: str, pause_s: float, turns: int
) -> None:
    def tokens() -> Iterator[str]:
        for token in "abc":
            time.sleep(pause_s)
            yield token

    async def main() -> int:
        had = 0

        async def other() -> None:
            nonlocal had
            while True:
                had += 1
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(other)
            given = [token async for token in waiting_async.iterate(tokens())]
            found = had
            tasks.cancel_scope.cancel()
        assert given == ["a", "b", "c"]
        return found

    assert anyio.run(main, backend=backend) >= turns


# --- threads that tasks wait for -----------------------------------------------------------------


def test_a_cancelled_task_waits_for_its_thread() -> None:
    """No shield of anyio's holds off the `cancel` of an asyncio task."""
    begun, go_on = threading.Event(), threading.Event()
    ended: list[bool] = []

    def act() -> None:
        begun.set()
        ended.append(go_on.wait(10))

    async def main() -> None:
        task = asyncio.create_task(waiting_async.in_thread(act))
        await asyncio.to_thread(begun.wait, 10)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0.01)
            assert not task.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == [True]

    asyncio.run(main())


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_what_fails_in_a_thread_is_raised_as_it_is(backend: str) -> None:
    async def main() -> None:
        assert await waiting_async.in_thread(int, "7") == 7
        with pytest.raises(ValueError, match="'seven'"):
            await waiting_async.in_thread(int, "seven")

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_task_that_has_not_begun_when_all_is_over_is_ended(backend: str) -> None:
    async def nothing() -> None:
        """Do nothing."""

    async def main() -> None:
        background = waiting_async.Background()
        await background.begin()
        background.start_short(nothing)
        # It would wait for ever for a task that nobody ends.
        await background.aclose()

    anyio.run(main, backend=backend)
