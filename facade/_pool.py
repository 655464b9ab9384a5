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

_CLOSED = "the client has been closed"


class _Stack(Generic[_Transport]):
    """What the two kinds of stack share: everything but waiting."""

    def __init__(self, build: Callable[[], _Transport], limits: httpx.Limits) -> None:
        self._build = build
        # With the time since when; the one used last is at the end.
        self._idle: deque[tuple[_Transport, float]] = deque()
        self._most_idle = _or(math.inf, limits.max_keepalive_connections)
        self._longest_idle_s = _or(math.inf, limits.keepalive_expiry)
        self._is_closed = False
        # One is built at once, so that what it cannot be built from is found now.
        first = build()
        self._all = {first}
        self._put_on_top(first)

    def _put_on_top(self, transport: _Transport) -> None:
        self._idle.append((transport, time.monotonic()))

    def _take(self) -> _Transport:
        if self._is_closed:
            raise RuntimeError(_CLOSED)
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
        try:
            transport = self._take()
        except BaseException:
            self._free.release()
            raise
        try:
            response = transport.handle_request(request)
            if self._is_closed:
                # If it was being connected then, only this finds its connection.
                response.close()
                raise RuntimeError(_CLOSED)
        except BaseException:
            self.discard(transport)
            raise
        response.stream = _SyncBody(response, self, transport)
        return response

    def put_back(self, transport: httpx.BaseTransport) -> None:
        self._put_on_top(transport)
        try:
            for overdue in self._take_overdue():
                overdue.close()
        finally:
            self._free.release()

    def discard(self, transport: httpx.BaseTransport) -> None:
        """Close one that failed: it may take its connection to be in use for ever."""
        self._all.discard(transport)
        try:
            transport.close()
        finally:
            self._free.release()

    def close(self) -> None:
        """Close all connections, also those in use."""
        self._is_closed = True
        # Who waits for a connection learns of it, and wakes the next.
        self._free.release()
        for transport in self._all.copy():
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
        except BaseException:
            self._stack.discard(self._transport)
            raise
        self._stack.put_back(self._transport)


class AsyncStack(_Stack[httpx.AsyncBaseTransport], httpx.AsyncBaseTransport):
    """A stack of connections for one event loop; see `SyncStack`."""

    def __init__(self, build: Callable[[], httpx.AsyncBaseTransport], limits: httpx.Limits) -> None:
        super().__init__(build, limits)
        self._free = anyio.Semaphore(_or(sys.maxsize, limits.max_connections), fast_acquire=True)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self._free.acquire()
        try:
            transport = self._take()
        except BaseException:
            self._free.release()
            raise
        try:
            response = await transport.handle_async_request(request)
            if self._is_closed:
                await response.aclose()
                raise RuntimeError(_CLOSED)
        except BaseException:
            await self.discard(transport)
            raise
        response.stream = _AsyncBody(response, self, transport)
        return response

    async def put_back(self, transport: httpx.AsyncBaseTransport) -> None:
        self._put_on_top(transport)
        try:
            for overdue in self._take_overdue():
                await overdue.aclose()
        finally:
            self._free.release()

    async def discard(self, transport: httpx.AsyncBaseTransport) -> None:
        self._all.discard(transport)
        try:
            await transport.aclose()
        finally:
            self._free.release()

    async def aclose(self) -> None:
        """Close all connections, also those in use."""
        self._is_closed = True
        self._free.release()
        for transport in self._all.copy():
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
        except BaseException:
            await self._stack.discard(self._transport)
            raise
        await self._stack.put_back(self._transport)


def _or(default: _Number, given: _Number | None) -> _Number:
    return default if given is None else given
