"""Waiting, for the asynchronous client; `waiting_sync` is its synchronous twin.

This is written twice because it differs: a task waits in its event loop, a thread in the system.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import anyio
import httpx
from anyio.lowlevel import checkpoint as checkpoint
from anyio.lowlevel import current_token

from facade._transport.call import Call
from facade._transport.config import Config
from facade.errors import SpeechError

Lock = anyio.Lock
sleep = anyio.sleep


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
