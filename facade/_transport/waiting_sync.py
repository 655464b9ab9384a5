"""Waiting, for the synchronous client; `waiting_async` is its asynchronous twin.

This is written twice because it differs: a thread waits in the system, a task in its event loop.
"""

import os
import threading
import time
from contextlib import AbstractContextManager, nullcontext

import httpx

from facade._transport.call import Call
from facade._transport.config import Config
from facade.errors import SpeechError

Lock = threading.Lock
sleep = time.sleep


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
