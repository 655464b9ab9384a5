"""Waiting, for the synchronous client; `waiting_async` is its asynchronous twin.

This is written twice because it differs: a thread waits in the system, a task in its event loop.
"""

import math
import os
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import AbstractContextManager, nullcontext, suppress
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import httpx

from facade._transport.call import Call
from facade._transport.config import Config
from facade.errors import SpeechError

if TYPE_CHECKING:
    from queue import SimpleQueue

new_lock = threading.Lock
sleep = time.sleep

_T = TypeVar("_T")

# What guards a step that waits for nothing.
Mutex = threading.RLock

Many: TypeAlias = Iterable[_T]
"""Things that come one after the other."""
Tokens: TypeAlias = Many[str]
"""A text in pieces, as they come."""
ITERABLE = (Iterable,)

# What a thread of ours takes at most to see that it is over.
_JOIN_S = 5.0
# How long a thread waits for something more to do.
_IDLE_S = 5.0

_Jobs: TypeAlias = "SimpleQueue[Callable[[], None]]"


def first_place() -> object:
    """Return where a client belongs that has not been used yet."""
    return place()


def place() -> object:
    """Return where connections made now belong: to this process."""
    return os.getpid()


def moved(config: Config, *, is_over: bool) -> Config:
    """Return what to build with anew where a client finds itself in a child of its process.

    Args:
        config: What it was built with.
        is_over: Whether it is only to be closed.

    Raises:
        SpeechError: It has a transport of its own, which cannot be built anew.
    """
    if config.has_own_transport and not is_over:
        raise SpeechError(
            "this client has a transport of its own and was built before this process was forked; "
            "build one here"
        )
    return config


class Slots:
    """So many calls may go on at once; the others wait."""

    def __init__(self, count: int) -> None:
        self._semaphore = threading.Semaphore(count)

    def acquire(self, call: Call) -> None:
        """Wait until one more may go on.

        Raises:
            httpx.PoolTimeout: The call's time is over.
        """
        if not self._semaphore.acquire(timeout=max(call.left_s(), 0)):
            raise httpx.PoolTimeout("all connections are in use")

    def release(self) -> None:
        """Let one more go on."""
        self._semaphore.release()


def limit(call: Call) -> AbstractContextManager[object]:
    """Give nothing: nobody can end what a thread waits for in somebody else's transport."""
    return nullcontext()


def checkpoint() -> None:
    """Let others go on, which threads do by themselves."""


def shielded() -> AbstractContextManager[object]:
    """Give nothing: threads are not cancelled."""
    return nullcontext()


class Signal:
    """Wakes who waits for something to change."""

    def __init__(self, mutex: Any) -> None:
        """Make one.

        Args:
            mutex: What is held by who waits and who notifies.
        """
        self._condition = threading.Condition(mutex)

    def notify(self) -> None:
        """Wake all."""
        self._condition.notify_all()

    def wait(self, until: float = math.inf) -> None:
        """Wait to be woken, or until a time, as `time.monotonic()` tells time."""
        # The system has no number for longer waits; who waits looks again at what it waits for.
        self._condition.wait(max(0.0, min(until - time.monotonic(), threading.TIMEOUT_MAX)))


class Background:
    """What goes on beside the application: threads."""

    _is_over = False

    def begin(self) -> None:
        """Begin."""
        self._threads: list[threading.Thread] = []
        # Threads that have nothing to do, by where they are given something: to wake one takes a
        # third of the time that it takes to start one.
        self._idle: list[_Jobs] = []

    def start(
        self, act: Callable[..., None], *arguments: Any, is_awaited: bool = True
    ) -> Callable[[], None]:
        """Let `act` go on, which raises nothing.

        Args:
            act: What to do.
            arguments: Those of `act`.
            is_awaited: Whether `close` waits for its end.

        Returns:
            What would end it. A thread cannot be ended: it sees by itself that it is over.
        """
        if is_awaited:
            job = partial(copy_context().run, act, *arguments)
            thread = threading.Thread(target=job, name=f"facade {act.__name__}", daemon=True)
            thread.start()
            others = [other for other in self._threads if other.is_alive()]
            self._threads = [*others, thread]
        else:
            self.start_short(act, *arguments)
        return _nothing

    def start_short(self, act: Callable[..., None], *arguments: Any) -> None:
        """Let one of many short things go on, whose end `close` does not wait for.

        Args:
            act: What to do; it raises nothing.
            arguments: Those of `act`.
        """
        job = partial(copy_context().run, act, *arguments)
        try:
            self._idle.pop().put(job)
        except IndexError:
            name = f"facade {act.__name__}"
            threading.Thread(target=self._work, args=(job,), name=name, daemon=True).start()

    def close(self) -> None:
        """Wait for what still goes on."""
        self._is_over = True
        with suppress(IndexError):
            while True:
                self._idle.pop().put(_nothing)
        until = time.monotonic() + _JOIN_S
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _work(self, job: Callable[[], None]) -> None:
        """Do a job, and then others that are given, until there are none for a while."""
        from queue import Empty, SimpleQueue

        jobs: _Jobs = SimpleQueue()
        while True:
            job()
            del job
            self._idle.append(jobs)
            if self._is_over:
                return
            try:
                job = jobs.get(timeout=_IDLE_S)
            except Empty:
                try:
                    self._idle.remove(jobs)
                except ValueError:
                    # Somebody has just found it idle.
                    job = jobs.get()
                else:
                    return
            if job is _nothing:
                return


def _nothing() -> None:
    """Do nothing."""


def iterate(many: Many[_T]) -> Iterator[_T]:
    """Give one after the other."""
    return iter(many)


def end(iterator: Iterator[Any]) -> None:
    """Let what `iterate` gave know that nobody wants more of it."""
    if isinstance(iterator, Generator):
        iterator.close()


def in_thread(act: Callable[..., _T], *arguments: Any) -> _T:
    """Return what `act` returns."""
    return act(*arguments)


def wait_for(future: "Future[Any]") -> None:
    """Wait until somebody else's worker has ended, or will not begin."""
    with suppress(CancelledError):
        future.exception()


def pass_on(error: BaseException) -> None:
    """Do nothing: a thread is not cancelled, and who listens to it is told."""
