"""Sockets for the asynchronous client; `network_sync` is its synchronous twin.

This is written twice because it differs: a thread waits in the system, a task in its event loop.
What is built upon it is written once.
"""

import math
import os
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from ssl import SSLContext, SSLError
from typing import Any, cast

import anyio
import httpcore
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSAttribute, TLSStream

from facade._rules.http1 import AnswerEnd
from facade._transport.call import Call
from facade._transport.duplex_async import Duplex
from facade._transport.socket_async import Socket, connect

# The name by which our end of a connection is found beneath what httpcore puts on it.
_OUR_END = "together_speech.our_end"
# In place of a call: give what has come already, and wait for nothing.
_NO_WAIT: Any = object()

# What is sent at once; of more than this, an answer may come before the end.
_PIECE = 64 * 1024


class Backend(httpcore.AsyncNetworkBackend):
    """Connects, each step within the time of the call that is connected for."""

    def __init__(self, *, tls_layers: int, is_shared: bool) -> None:
        """Make a backend.

        Args:
            tls_layers: How often a connection is wrapped in TLS before a request may be sent.
            is_shared: Whether a connection carries several calls at once.
        """
        self._tls_layers = tls_layers
        self._is_shared = is_shared

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: Any = None,  # noqa: ASYNC109 - httpcore's
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        call: Call = timeout
        call.peer = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            with anyio.fail_after(call.connecting_s()):
                connection = await connect(host, port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout from error
        except OSError as error:
            raise httpcore.ConnectError from error
        return Stream(connection, connection, call, self._tls_layers, is_shared=self._is_shared)


class Stream(httpcore.AsyncNetworkStream):
    """Our end of a connection. Every wait is cut to the time of the call that waits.

    Attributes:
        end: Finds the end of the answer that is coming in; `None` where a connection carries
            several calls at once, or is being made.
    """

    def __init__(
        self,
        stream: ByteStream,
        connection: Socket,
        call: Call,
        tls_layers: int,
        *,
        is_shared: bool,
    ) -> None:
        self._stream = stream
        # Which is beneath the stream, and keeps the time.
        self._socket = connection
        # Whose time it is until a request may be sent. To a SOCKS proxy httpcore speaks without.
        self._connecting: Call | None = call
        call.connection = self
        self._tls_layers = tls_layers
        self._is_shared = is_shared
        self._is_ready = tls_layers == 0
        self._process = os.getpid()
        self._early: bytes | None = None
        # The head of a request, until it goes out together with what follows it.
        self._head: bytes | None = None
        self._is_asking = False
        # Whether a request was given up half-way, so that no other may follow it.
        self._is_cut = False
        self.end: AnswerEnd | None = None

    async def read(self, max_bytes: int, timeout: Any = None) -> bytes:  # noqa: ASYNC109
        if timeout is _NO_WAIT:
            return b""
        call = cast("Call", timeout or self._connecting)
        if not self._is_ready or timeout is None:
            return await self._receive(max_bytes, call.connecting_s())
        self._is_asking = False
        if self._early is None:
            data = await self._receive(max_bytes, call.reading_s())
        else:
            data, self._early = self._early, None
        if data:
            call.has_answer = True
            if self.end is not None:
                self.end.feed(data)
        call.note_arrival()
        return data

    async def _receive(self, max_bytes: int, seconds: float) -> bytes:
        self._socket.receive_until = time.monotonic() + seconds
        try:
            return await self._stream.receive(max_bytes)
        except anyio.EndOfStream:
            return b""
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, SSLError) as error:
            raise httpcore.ReadError from error

    async def write(self, buffer: bytes, timeout: Any = None) -> None:  # noqa: ASYNC109
        call = cast("Call", timeout or self._connecting)
        if not self._is_ready or timeout is None:
            await self._send(buffer, call.connecting_s())
            return
        # It is made.
        self._connecting = call.connection = None
        if self._is_shared or self._is_asking:
            await self._flush(buffer, call)
        else:
            self._is_asking, self._head = True, buffer
            self.end = AnswerEnd()

    async def _flush(self, buffer: bytes, call: Call) -> None:
        """Send a part of a request, together with its head where that is still here."""
        if self._head is not None:
            buffer, self._head = self._head + buffer, None
        if not buffer:
            return
        call.request_sent, call.stream = True, self
        if len(buffer) <= _PIECE or self._is_shared:
            await self._send(buffer, call.writing_s())
        else:
            await self._write_large(buffer, call)

    async def _send(self, buffer: bytes, seconds: float) -> None:
        self._socket.send_until = time.monotonic() + seconds
        try:
            await self._stream.send(buffer)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, SSLError) as error:
            raise httpcore.WriteError from error

    async def _write_large(self, buffer: bytes, call: Call) -> None:
        """Send what takes a while, and stop where an answer comes first: it is a refusal.

        Whatever stops it, `read` tells why.
        """

        async def send() -> None:
            with suppress(httpcore.WriteError, httpcore.WriteTimeout):
                for start in range(0, len(buffer), _PIECE):
                    await self._send(buffer[start : start + _PIECE], call.writing_s())
                self._is_cut = False
            tasks.cancel_scope.cancel()

        self._is_cut = True
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            self._socket.receive_until = math.inf
            try:
                self._early = await self._stream.receive()
            except anyio.EndOfStream:
                self._early = b""
            except (anyio.BrokenResourceError, anyio.ClosedResourceError, SSLError):
                pass
            tasks.cancel_scope.cancel()

    async def start_tls(
        self,
        ssl_context: SSLContext,
        server_hostname: str | None = None,
        timeout: Any = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        call: Call = timeout
        call.is_in_handshake = True
        self._socket.receive_until = self._socket.send_until = math.inf
        try:
            with anyio.fail_after(call.connecting_s()):
                inner = await TLSStream.wrap(
                    self._stream,
                    server_side=False,
                    hostname=server_hostname,
                    ssl_context=ssl_context,
                    standard_compatible=False,
                )
        except BaseException as error:
            with anyio.CancelScope(shield=True):
                await self._stream.aclose()
            if isinstance(error, TimeoutError):
                raise httpcore.ConnectTimeout from error
            if isinstance(error, anyio.EndOfStream | anyio.BrokenResourceError | OSError):
                raise httpcore.ConnectError from error
            raise
        call.is_in_handshake = False
        return Stream(inner, self._socket, call, self._tls_layers - 1, is_shared=self._is_shared)

    async def is_quiet(self) -> bool:
        """Whether nothing has come that nobody asked for, as far as only this end can see it."""
        if self._is_cut or (self.end is not None and self.end.has_surplus):
            return False
        if self.get_extra_info("ssl_object") is None:
            return True
        # What has come and is not decrypted yet shows by being read, which here never waits.
        self._socket.receive_until = math.inf
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            with anyio.move_on_after(0):
                self._early = await self._stream.receive()
            return self._early is None
        return False

    def hang_up(self) -> None:
        """Tell the other side that nobody listens any more, without a lock and without waiting.

        Does nothing where a connection carries other calls too, and in a child of the process that
        made the connection: it would end the parent's calls.
        """
        if not self._is_shared and self._process == os.getpid():
            with suppress(Exception):  # its loop has ended
                self.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    async def aclose(self) -> None:
        # A child of the process that made the connection has no part in that process's loop.
        if self._process == os.getpid():
            await self._stream.aclose()

    def duplex(self, early: bytes) -> Duplex:
        """Let both sides speak whenever they want to; `early` is what has come already."""
        return Duplex(self._stream, self._socket, early)

    def get_extra_info(self, info: str) -> Any:
        if info == _OUR_END:
            return self
        if info == "is_readable":
            return self._socket.is_readable
        wanted = TLSAttribute.ssl_object if info == "ssl_object" else SocketAttribute.raw_socket
        return self._stream.extra(wanted, None)  # noqa: S610 - no Django


def our_end(response: httpcore.Response) -> Stream:
    """Return our end of the connection that an answer comes over."""
    return cast("Stream", response.extensions["network_stream"].get_extra_info(_OUR_END))


async def upgraded(response: httpcore.Response) -> Duplex:
    """Return the connection of an answer with which another protocol begins."""
    early = await response.extensions["network_stream"].read(_PIECE, _NO_WAIT)
    return our_end(response).duplex(early)
