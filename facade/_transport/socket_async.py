"""A socket that a task of an event loop waits for, be it asyncio's or trio's.

It is read and written at once, and only what would block waits in the loop, with a time limit.
anyio's own streams wait for every piece, and leave and enter the loop's list of sockets around it,
which takes twice as long for a stream of audio.
"""

import math
import os
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from itertools import chain, zip_longest
from typing import Any

import anyio
import httpcore
from anyio.abc import ByteStream, SocketAttribute
from anyio.lowlevel import checkpoint

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
        self._is_awaited = False

    @property
    def is_readable(self) -> bool:
        """Whether something has come, or the other side has closed."""
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
        if not self._has_waited:
            # Here nothing is lost by being cancelled, and others get their turn.
            await checkpoint()
        self._has_waited = False
        while True:
            try:
                data = self._socket.recv(max_bytes)
            except BlockingIOError:
                self._has_waited = self._is_awaited = True
                try:
                    await _wait(
                        anyio.wait_readable, self._socket, self.receive_until, httpcore.ReadTimeout
                    )
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
                await _wait(
                    anyio.wait_writable, self._socket, self.send_until, httpcore.WriteTimeout
                )
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
        anyio.notify_closing(self._socket)
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


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
    ready: Callable[[socket.socket], Awaitable[None]],
    connection: socket.socket,
    until: float,
    too_late: type[httpcore.TimeoutException],
) -> None:
    if until == math.inf:
        # A limit that is none takes as long as the waiting.
        await ready(connection)
        return
    with anyio.move_on_after(until - time.monotonic()):
        await ready(connection)
        return
    raise too_late
