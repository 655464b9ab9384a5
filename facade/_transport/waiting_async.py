"""Waiting, for the asynchronous client; `waiting_sync` is its synchronous twin.

This is written twice because it differs: a task waits in its event loop, a thread in the system.
"""

import math
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
)
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any, TypeAlias, TypeVar

import anyio
import httpx
from anyio import to_thread
from anyio.lowlevel import checkpoint as checkpoint
from anyio.lowlevel import current_token

from facade._transport.call import Call
from facade._transport.config import Config
from facade.errors import SpeechError

_T = TypeVar("_T")

# What guards a step that waits for nothing: tasks take turns by themselves.
Mutex = nullcontext

Many: TypeAlias = Iterable[_T] | AsyncIterable[_T]
"""Things that come one after the other."""
Tokens: TypeAlias = Many[str]
"""A text in pieces, as they come."""
ITERABLE = (Iterable, AsyncIterable)

# After so long others get their turn.
TURN_S = 0.001


# By functions: a synchronous application need not wait until anyio has loaded what it names.
def new_lock() -> "anyio.Lock":
    """Return a lock."""
    return anyio.Lock()


async def sleep(seconds: float) -> None:
    """Wait for so long."""
    await anyio.sleep(seconds)


def first_place() -> object:
    """Return where a client belongs that has not been used yet: nowhere."""
    return None


def place() -> object:
    """Return where connections made now belong: to the event loop that runs."""
    return current_token()


def moved(config: Config, *, is_over: bool) -> Config:
    """Refuse a client that finds itself in another event loop than the one it was first used in.

    Args:
        config: What it was built with.
        is_over: Whether it is only to be closed.

    Raises:
        SpeechError: Always.
    """
    raise SpeechError(
        "this AsyncSpeechClient belongs to another event loop, the one it was first used in; build "
        "one for each loop"
    )


class Slots:
    """So many calls may go on at once; the others wait."""

    def __init__(self, count: int) -> None:
        self._semaphore = anyio.Semaphore(count, fast_acquire=True)

    async def acquire(self, call: Call) -> None:
        """Wait until one more may go on.

        Raises:
            httpx.PoolTimeout: The call's time is over.
        """
        try:
            self._semaphore.acquire_nowait()
        except anyio.WouldBlock:
            with anyio.move_on_after(call.left_s()):
                await self._semaphore.acquire()
                return
            raise httpx.PoolTimeout("all connections are in use") from None

    def release(self) -> None:
        """Let one more go on."""
        self._semaphore.release()


@contextmanager
def limit(call: Call) -> Iterator[None]:
    """End at the call's time what waits in somebody else's transport.

    Raises:
        httpx.ReadTimeout: The call's time is over.
    """
    with anyio.move_on_after(call.left_s()) as scope:
        yield
    if scope.cancelled_caught:
        raise httpx.ReadTimeout("the call's time is over")


def shielded() -> AbstractContextManager[object]:
    """Do what must be done even where the task is cancelled."""
    return anyio.CancelScope(shield=True)


class Signal:
    """Wakes who waits for something to change."""

    def __init__(self, mutex: object) -> None:
        """Make one.

        Args:
            mutex: What is held by who waits and who notifies.
        """
        self._event: anyio.Event | None = None

    def notify(self) -> None:
        """Wake all."""
        event, self._event = self._event, None
        if event is not None:
            event.set()

    async def wait(self, until: float = math.inf) -> None:
        """Wait to be woken, or until a time, as `time.monotonic()` tells time."""
        if self._event is None:
            self._event = anyio.Event()
        event = self._event
        if until == math.inf:
            await event.wait()
        else:
            with anyio.move_on_after(until - time.monotonic()):
                await event.wait()


class Background:
    """What goes on beside the application: tasks."""

    _is_over = False

    async def begin(self) -> None:
        """Begin, in the task that will close this."""
        self._tasks = anyio.create_task_group()
        self._scopes: set[anyio.CancelScope] = set()
        # Tasks that have nothing to do, by where they are given something: to wake one takes a
        # third of the time that it takes to start one.
        self._idle: list[_Task] = []
        await self._tasks.__aenter__()

    def start(
        self, act: Callable[..., Awaitable[None]], *arguments: Any, is_awaited: bool = True
    ) -> Callable[[], None]:
        """Let `act` go on, which raises nothing.

        Args:
            act: What to do.
            arguments: Those of `act`.
            is_awaited: Whether its end is waited for where it cannot be ended: a task can.

        Returns:
            What ends it.
        """
        # What ends a session has things to say to the service, also where that is a cancellation.
        scope = anyio.CancelScope(shield=True)
        # Also what has not run by then is ended at the end.
        self._scopes.add(scope)

        async def run() -> None:
            with scope:
                await act(*arguments)
            self._scopes.discard(scope)

        self._tasks.start_soon(run)
        return scope.cancel

    def start_short(self, act: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        """Let one of many short things go on, which are not ended one by one.

        Args:
            act: What to do; it raises nothing.
            arguments: Those of `act`.
        """
        if self._idle:
            self._idle.pop().give(act, arguments)
        else:
            self.start(self._work, act, arguments)

    async def _work(self, act: Callable[..., Awaitable[None]], arguments: tuple[Any, ...]) -> None:
        """Do one thing, and then others that are given."""
        await act(*arguments)
        while True:
            task = _Task()
            self._idle.append(task)
            act, arguments = await task.take()
            await act(*arguments)

    async def aclose(self) -> None:
        """End all that still goes on."""
        if self._is_over:
            return
        self._is_over = True
        for scope in self._scopes:
            scope.cancel()
        await self._tasks.__aexit__(None, None, None)


class _Task:
    """Where a task that has nothing to do is given something."""

    def __init__(self) -> None:
        self._is_given = anyio.Event()

    def give(self, act: Callable[..., Awaitable[None]], arguments: tuple[Any, ...]) -> None:
        """Give it something to do."""
        self._given = act, arguments
        self._is_given.set()

    async def take(self) -> tuple[Callable[..., Awaitable[None]], tuple[Any, ...]]:
        """Wait for something to do."""
        await self._is_given.wait()
        return self._given


def iterate(many: Many[_T]) -> AsyncIterator[_T]:
    """Give one after the other, whatever kind of iterable they come from."""
    return aiter(many) if isinstance(many, AsyncIterable) else _each(many)


async def _each(many: Iterable[_T]) -> AsyncIterator[_T]:
    until = time.monotonic() + TURN_S
    try:
        for one in many:
            yield one
            # What is at hand goes out together.
            if time.monotonic() >= until:
                await checkpoint()
                until = time.monotonic() + TURN_S
    finally:
        if isinstance(many, Generator):
            many.close()


async def end(iterator: AsyncIterator[Any]) -> None:
    """Let what `iterate` gave know that nobody wants more of it."""
    if isinstance(iterator, AsyncGenerator):
        await iterator.aclose()


async def in_thread(act: Callable[..., _T], *arguments: Any) -> _T:
    """Return what `act` returns, which keeps a thread busy, or waits for a disk.

    It has ended when this ends, be that by a cancellation.
    """
    future: Future[_T] = Future()

    def run() -> None:
        try:
            future.set_result(act(*arguments))
        except BaseException as error:  # noqa: BLE001 - who waits is told
            future.set_exception(error)

    # No shield holds off the `cancel` of an asyncio task, but a group waits for its tasks all the
    # same.
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(to_thread.run_sync, run)
    return future.result()


async def wait_for(future: "Future[Any]") -> None:
    """Wait until somebody else's worker has ended, or will not begin."""
    # No thread waits: it would keep the process for as long as the worker is silent.
    loop: Any = current_token().native_token
    # That of asyncio, or that of trio.
    soon = getattr(loop, "call_soon_threadsafe", None) or loop.run_sync_soon
    has_ended = anyio.Event()

    def wake(_: "Future[Any]") -> None:
        # The loop may have ended before.
        with suppress(RuntimeError):
            soon(has_ended.set)

    future.add_done_callback(wake)
    await has_ended.wait()


def pass_on(error: BaseException) -> None:
    """Let a task end that is cancelled; what else ended it is told to who listens.

    Of a cancellation that is nobody's wish, as where a source waits for what others have cancelled,
    they are told too.
    """
    try:
        is_cancelled = anyio.current_effective_deadline() == -math.inf
        is_wanted = is_cancelled and isinstance(error, anyio.get_cancelled_exc_class())
        if is_wanted or isinstance(error, KeyboardInterrupt):
            raise error
    finally:
        # A frame that names what it raises keeps all frames below it, and a source stays open.
        del error
