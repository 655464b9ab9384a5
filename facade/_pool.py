"""Many connections at once: the one used last is used next.

httpx looks through all of its connections for each request, and closes idle ones as soon as it
holds more than 20: of 50 calls at once most then open a connection of their own. Here each one has
a pool to itself, and the pools are a stack: a call takes the topmost, and what is not needed sinks
to the bottom, where it is closed.
"""

import math
import sys
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Generic, TypeVar, cast

import anyio
import httpx

_Transport = TypeVar("_Transport")
_Number = TypeVar("_Number", int, float)


class _Stack(Generic[_Transport]):
    """What the two kinds of stack share: everything but waiting."""

    def __init__(self, build: Callable[[], _Transport], limits: httpx.Limits) -> None:
        self._build = build
        # With the time since when; the one used last is at the end.
        self._idle: deque[tuple[_Transport, float]] = deque()
        self._most_idle = _or(math.inf, limits.max_keepalive_connections)
        self._longest_idle_s = _or(math.inf, limits.keepalive_expiry)
        # One is built at once, so that what it cannot be built from is found now.
        first = build()
        self._all = {first}
        self.put_back(first)

    def put_back(self, transport: _Transport) -> None:
        self._idle.append((transport, time.monotonic()))

    def _take(self) -> _Transport:
        with suppress(IndexError):
            return self._idle.pop()[0]
        transport = self._build()
        self._all.add(transport)
        return transport

    def _take_overdue(self) -> Iterator[_Transport]:
        """Take out what has been idle for too long, or is too much."""
        with suppress(IndexError):  # there is no other, or another thread was quicker
            while (
                len(self._idle) > self._most_idle
                or self._idle[0][1] + self._longest_idle_s < time.monotonic()
            ):
                transport, _ = self._idle.popleft()
                self._all.discard(transport)
                yield transport


class SyncStack(_Stack[httpx.BaseTransport], httpx.BaseTransport):
    """A stack of connections for any number of threads."""

    def __init__(self, build: Callable[[], httpx.BaseTransport], limits: httpx.Limits) -> None:
        """Make a stack.

        Args:
            build: Makes a transport that holds one connection.
            limits: As for `httpx.Client`.
        """
        super().__init__(build, limits)
        self._free = threading.Semaphore(_or(sys.maxsize, limits.max_connections))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if not self._free.acquire(timeout=request.extensions["timeout"]["pool"]):
            raise httpx.PoolTimeout("all connections are in use")
        transport = self._take()
        try:
            response = transport.handle_request(request)
        except BaseException:
            self.release(transport)
            raise
        response.stream = _SyncBody(response, self, transport)
        return response

    def release(self, transport: httpx.BaseTransport) -> None:
        self.put_back(transport)
        self._free.release()
        for overdue in self._take_overdue():
            overdue.close()

    def close(self) -> None:
        """Close all connections, also those in use."""
        for transport in tuple(self._all):
            transport.close()


class _SyncBody(httpx.SyncByteStream):
    """The body of an answer, which gives its connection back."""

    def __init__(
        self, response: httpx.Response, stack: SyncStack, transport: httpx.BaseTransport
    ) -> None:
        self._stream = cast("httpx.SyncByteStream", response.stream)
        self._stack = stack
        self._transport = transport

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stream)

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            self._stack.release(self._transport)


class AsyncStack(_Stack[httpx.AsyncBaseTransport], httpx.AsyncBaseTransport):
    """A stack of connections for one event loop; see `SyncStack`."""

    def __init__(self, build: Callable[[], httpx.AsyncBaseTransport], limits: httpx.Limits) -> None:
        super().__init__(build, limits)
        self._free = anyio.Semaphore(_or(sys.maxsize, limits.max_connections), fast_acquire=True)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self._free.acquire()
        transport = self._take()
        try:
            response = await transport.handle_async_request(request)
        except BaseException:
            await self.release(transport)
            raise
        response.stream = _AsyncBody(response, self, transport)
        return response

    async def release(self, transport: httpx.AsyncBaseTransport) -> None:
        self.put_back(transport)
        self._free.release()
        for overdue in self._take_overdue():
            await overdue.aclose()

    async def aclose(self) -> None:
        """Close all connections, also those in use."""
        for transport in tuple(self._all):
            await transport.aclose()


class _AsyncBody(httpx.AsyncByteStream):
    """The body of an answer, which gives its connection back."""

    def __init__(
        self, response: httpx.Response, stack: AsyncStack, transport: httpx.AsyncBaseTransport
    ) -> None:
        self._stream = cast("httpx.AsyncByteStream", response.stream)
        self._stack = stack
        self._transport = transport

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._stream)

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            await self._stack.release(self._transport)


def _or(default: _Number, given: _Number | None) -> _Number:
    return default if given is None else given
