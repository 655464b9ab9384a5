"""A socket that a task of an event loop waits for, be it asyncio's or trio's.

It is read and written at once, and only what would block waits in the loop, with a time limit.
anyio's own streams wait for every piece, and leave and enter the loop's list of sockets around it,
which takes twice as long for a stream of audio.
"""

import asyncio
import math
import os
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from itertools import chain, zip_longest
from typing import Any

import anyio
import httpcore
from anyio.abc import ByteStream, SocketAttribute
from anyio.lowlevel import checkpoint

from facade._transport.waiting_async import TURN_S

# What is read at once.
_PIECE = 64 * 1024
# RFC 8305, section 8: how long an address is tried before the next one is tried too.
_HEAD_START_S = 0.25


class Socket(ByteStream):
    """A connected socket.

    Attributes:
        receive_until: When to stop waiting for something to come, as `time.monotonic()` tells time.
        send_until: When to stop waiting for something to be taken.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.receive_until = self.send_until = math.inf
        self._socket = connection
        self._has_waited = True
        self._turn_until = 0.0
        self._is_awaited = False
        self._watch: _Watch | None = None

    @property
    def is_readable(self) -> bool:
        """Whether something has come, or the other side has closed."""
        if self._watch is not None and self._watch.data is not None:
            return True
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        return {SocketAttribute.raw_socket: lambda: self._socket}

    async def receive(self, max_bytes: int = _PIECE) -> bytes:
        """Give what has come.

        Raises:
            httpcore.ReadTimeout: Nothing has come in time.
            anyio.EndOfStream: Nothing more will come.
        """
        if not self._has_waited and time.monotonic() >= self._turn_until:
            # Here nothing is lost by being cancelled, and others get their turn.
            await checkpoint()
            self._turn_until = time.monotonic() + TURN_S
        self._has_waited = False
        while True:
            try:
                data = self._received(max_bytes)
            except BlockingIOError:
                self._has_waited = self._is_awaited = True
                try:
                    readable = partial(self._readable, max_bytes)
                    await _wait(readable, self.receive_until, httpcore.ReadTimeout)
                finally:
                    self._is_awaited = False
            except OSError as error:
                raise anyio.BrokenResourceError from error
            else:
                if not data:
                    raise anyio.EndOfStream
                return data

    async def send(self, item: bytes) -> None:
        """Send the whole of something. That nobody takes it any more is for `receive` to tell.

        Raises:
            httpcore.WriteTimeout: It was not taken in time.
        """
        rest = memoryview(item)
        while rest:
            # What has come is read first: a write that fails would throw it away.
            while self._is_awaited and self.is_readable:
                await checkpoint()
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                writable = partial(anyio.wait_writable, self._socket)
                await _wait(writable, self.send_until, httpcore.WriteTimeout)
            except OSError:
                # The other side has gone. It may have said why, which is still to be read.
                return

    async def send_eof(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    async def aclose(self) -> None:
        if self._socket.fileno() < 0:
            return
        # Who waits for it learns that it is closed.
        if self._watch is not None:
            self._watch.close()
        anyio.notify_closing(self._socket)
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _received(self, max_bytes: int) -> bytes:
        if self._watch is not None and self._watch.data is not None:
            data, self._watch.data = self._watch.data, None
            if isinstance(data, OSError):
                raise data
            return data
        return self._socket.recv(max_bytes)

    async def _readable(self, max_bytes: int) -> None:
        if self._watch is None:
            try:
                self._watch = _Watch(asyncio.get_running_loop(), self._socket)
            except (RuntimeError, NotImplementedError):
                # On trio, or where asyncio knows no sockets.
                await anyio.wait_readable(self._socket)
                return
        await self._watch.wait(max_bytes)


class _Watch:
    """Waits for one socket on asyncio, which is told of it once, and not for every wait.

    What comes is read as soon as it has come: else asyncio would tell of it once more, before the
    task that waits has its turn.

    Attributes:
        data: What has come and was not taken, be it a failure, which a socket tells only once;
            `None` where nothing has.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, connection: socket.socket) -> None:
        self.data: bytes | OSError | None = None
        self._loop = loop
        self._socket = connection
        self._waiter: asyncio.Future[None] | None = None
        self._max_bytes = 0
        self._is_on = False
        self._start()

    async def wait(self, max_bytes: int) -> None:
        """Wait until `data` has come.

        Raises:
            anyio.ClosedResourceError: It was closed here.
        """
        self._max_bytes = max_bytes
        self._waiter = self._loop.create_future()
        if not self._is_on:
            self._start()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def close(self) -> None:
        """Let who waits see that the socket is closed."""
        self._stop()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(anyio.ClosedResourceError())

    def _start(self) -> None:
        self._loop.add_reader(self._socket, self._ready)
        self._is_on = True

    def _stop(self) -> None:
        if self._is_on:
            self._is_on = False
            self._loop.remove_reader(self._socket)

    def _ready(self) -> None:
        if self._waiter is None or self._waiter.done():
            # What nobody waits for would be told again and again.
            self._stop()
            return
        try:
            self.data = self._socket.recv(self._max_bytes)
        except OSError as error:
            # Where nothing has come after all, who waits goes on waiting.
            self.data = error
        self._waiter.set_result(None)


async def connect(host: str, port: int) -> Socket:
    """Connect to the first address of a host that answers.

    Raises:
        OSError: The host has no address, or none of them answers.
    """
    connected: list[socket.socket] = []
    failures: list[OSError] = []

    async def attempt(family: int, address: Any, is_over: anyio.Event) -> None:
        try:
            connection = await _connect(family, address)
        except OSError as error:
            failures.append(error)
        else:
            connected.append(connection)
            tasks.cancel_scope.cancel()
        finally:
            is_over.set()

    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    try:
        async with anyio.create_task_group() as tasks:
            for family, address in families_in_turn([(at[0], at[4]) for at in found]):
                is_over = anyio.Event()
                tasks.start_soon(attempt, family, address, is_over)
                with anyio.move_on_after(_HEAD_START_S):
                    await is_over.wait()
    except BaseException:
        for connection in connected:
            connection.close()
        raise
    if not connected:
        raise failures[-1]
    for late in connected[1:]:
        late.close()
    return Socket(connected[0])


def families_in_turn(addresses: list[tuple[int, Any]]) -> list[tuple[int, Any]]:
    """Return addresses in such an order that a family that is out of order costs one head start."""
    first = [address for address in addresses if address[0] == addresses[0][0]]
    others = [address for address in addresses if address[0] != addresses[0][0]]
    return [address for address in chain(*zip_longest(first, others)) if address is not None]


async def _connect(family: int, address: Any) -> socket.socket:
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            connection.connect(address)
        except BlockingIOError:
            await anyio.wait_writable(connection)
            failure = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if failure:
                raise OSError(failure, os.strerror(failure)) from None
    except BaseException:
        connection.close()
        raise
    return connection


async def _wait(
    ready: Callable[[], Awaitable[None]], until: float, too_late: type[httpcore.TimeoutException]
) -> None:
    if until == math.inf:
        # A limit that is none takes as long as the waiting.
        await ready()
        return
    with anyio.move_on_after(until - time.monotonic()):
        await ready()
        return
    raise too_late
