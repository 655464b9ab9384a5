"""Sockets for the synchronous client; `network_async` is its asynchronous twin.

This is written twice because it differs: a thread waits in the system, a task in its event loop.
What is built upon it is written once.
"""

import os
import selectors
import socket
import threading
from collections.abc import Iterable
from contextlib import suppress
from queue import Empty, SimpleQueue
from ssl import (
    SSLContext,
    SSLEOFError,
    SSLObject,
    SSLSocket,
    SSLWantReadError,
    SSLWantWriteError,
)
from typing import Any, cast

import httpcore

from facade._rules.http1 import AnswerEnd
from facade._transport.call import Call
from facade._transport.duplex_sync import Duplex

# The name by which our end of a connection is found beneath what httpcore puts on it.
_OUR_END = "together_speech.our_end"
# In place of a call: give what has come already, and wait for nothing.
_NO_WAIT: Any = object()

# What is sent at once; of more than this, an answer may come before the end.
_PIECE = 64 * 1024


class Backend(httpcore.NetworkBackend):
    """Connects, each step within the time of the call that is connected for."""

    def __init__(self, *, tls_layers: int, is_shared: bool) -> None:
        """Make a backend.

        Args:
            tls_layers: How often a connection is wrapped in TLS before a request may be sent.
            is_shared: Whether a connection carries several calls at once.
        """
        self._tls_layers = tls_layers
        self._is_shared = is_shared

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: Any = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        call: Call = timeout
        call.peer = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        addresses = _resolve(host, port, call)
        failure: Exception = httpcore.ConnectError("the host has no address")
        for tried, address in enumerate(addresses):
            # A silent address leaves time for those behind it.
            share = call.connecting_s() / (len(addresses) - tried)
            try:
                stream = httpcore.SyncBackend().connect_tcp(address, port, timeout=share)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return Stream(stream, call, self._tls_layers, is_shared=self._is_shared)
        try:
            raise failure
        finally:
            del failure


def _resolve(host: str, port: int, call: Call) -> list[str]:
    """Return the addresses of a host.

    A system that looks a name up cannot be told to stop, so it is asked in a thread that nobody
    waits for beyond the call's time.
    """
    answers: SimpleQueue[list[str] | OSError] = SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put(list(dict.fromkeys(str(address[4][0]) for address in found)))
        except OSError as error:
            answers.put(error)

    if _is_address(host):
        return [host]
    threading.Thread(target=ask, name=f"look up {host}", daemon=True).start()
    try:
        answer = answers.get(timeout=call.connecting_s())
    except Empty:
        raise httpcore.ConnectTimeout(f"nobody says which address {host} has") from None
    if isinstance(answer, OSError):
        raise httpcore.ConnectError(str(answer)) from answer
    return answer


def _is_address(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):
            socket.inet_pton(family, host)
            return True
    return False


class Stream(httpcore.NetworkStream):
    """Our end of a connection. Every wait is cut to the time of the call that waits.

    Attributes:
        end: Finds the end of the answer that is coming in; `None` where a connection carries
            several calls at once, or is being made.
    """

    def __init__(
        self, stream: httpcore.NetworkStream, call: Call, tls_layers: int, *, is_shared: bool
    ) -> None:
        self._stream = stream
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
        self.end: AnswerEnd | None = None

    def read(self, max_bytes: int, timeout: Any = None) -> bytes:
        if timeout is _NO_WAIT:
            return b""
        call = cast("Call", timeout or self._connecting)
        if not self._is_ready or timeout is None:
            return self._stream.read(max_bytes, call.connecting_s())
        self._is_asking = False
        if self._early is None:
            data = self._receive(max_bytes, call)
        else:
            data, self._early = self._early, None
        if data:
            call.has_answer = True
            if self.end is not None:
                self.end.feed(data)
        call.note_arrival()
        return data

    def _receive(self, max_bytes: int, call: Call) -> bytes:
        try:
            return self._stream.read(max_bytes, call.reading_s())
        except httpcore.ReadError as error:
            # Most servers close without a word of TLS. One that is lost has no such reason.
            ended = error.__cause__
            if isinstance(ended, SSLEOFError) and ended.reason == "UNEXPECTED_EOF_WHILE_READING":
                return b""
            raise

    def write(self, buffer: bytes, timeout: Any = None) -> None:
        call = cast("Call", timeout or self._connecting)
        if not self._is_ready or timeout is None:
            self._stream.write(buffer, call.connecting_s())
            return
        # It is made.
        self._connecting = call.connection = None
        if self._is_shared or self._is_asking:
            self._flush(buffer, call)
        else:
            self._is_asking, self._head = True, buffer
            self.end = AnswerEnd()

    def _flush(self, buffer: bytes, call: Call) -> None:
        """Send a part of a request, together with its head where that is still here."""
        if self._head is not None:
            buffer, self._head = self._head + buffer, None
        if not buffer:
            return
        call.request_sent, call.stream = True, self
        if len(buffer) <= _PIECE:
            self._stream.write(buffer, call.writing_s())
            return
        if isinstance(self.get_extra_info("ssl_object"), SSLObject):
            # TLS inside TLS, which only goes through httpcore's own end.
            for start in range(0, len(buffer), _PIECE):
                self._stream.write(buffer[start : start + _PIECE], call.writing_s())
            return
        try:
            self._write_large(self.get_extra_info("socket"), memoryview(buffer), call)
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    def _write_large(self, connection: socket.socket, rest: memoryview, call: Call) -> None:
        """Send what takes a while, and stop where an answer comes first: it is a refusal."""
        with selectors.DefaultSelector() as selector:
            selector.register(connection, selectors.EVENT_READ | selectors.EVENT_WRITE)
            connection.settimeout(0)
            while rest:
                if not selector.select(call.writing_s()):
                    raise httpcore.WriteTimeout("nothing more is taken")
                # What was ready over TLS may turn out to be nothing yet.
                with suppress(BlockingIOError, SSLWantReadError):
                    self._early = connection.recv(_PIECE)
                    raise httpcore.WriteError("the answer came before the request was sent")
                with suppress(BlockingIOError, SSLWantWriteError):
                    rest = rest[connection.send(rest[:_PIECE]) :]

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: Any = None
    ) -> httpcore.NetworkStream:
        call: Call = timeout
        call.is_in_handshake = True
        inner = self._stream.start_tls(ssl_context, server_hostname, call.connecting_s())
        call.is_in_handshake = False
        # Or else a connection that is lost looks as if it had ended, and audio as if it were whole.
        _tell_ends(inner, are_errors=True)
        return Stream(inner, call, self._tls_layers - 1, is_shared=self._is_shared)

    def is_quiet(self) -> bool:
        """Whether nothing has come that nobody asked for, as far as only this end can see it."""
        if self.end is not None and self.end.has_surplus:
            return False
        tls = self.get_extra_info("ssl_object")
        return tls is None or not tls.pending()

    def hang_up(self) -> None:
        """Tell the other side that nobody listens any more, without a lock and without waiting.

        Does nothing where a connection carries other calls too, and in a child of the process that
        made the connection: it would end the parent's calls.
        """
        if not self._is_shared and self._process == os.getpid():
            # A thread that waits here for something to come goes on with nothing.
            with suppress(OSError):
                socket.socket.shutdown(self.get_extra_info("socket"), socket.SHUT_RDWR)

    def close(self) -> None:
        if self._process == os.getpid():
            with suppress(OSError):
                socket.socket.shutdown(self.get_extra_info("socket"), socket.SHUT_RDWR)
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self if info == _OUR_END else self._stream.get_extra_info(info)

    def duplex(self, early: bytes) -> Duplex:
        """Let both sides speak whenever they want to; `early` is what has come already."""
        # Here an end has a message of its own.
        _tell_ends(self._stream, are_errors=False)
        return Duplex(self._stream, early)


def _tell_ends(stream: httpcore.NetworkStream, *, are_errors: bool) -> None:
    connection = stream.get_extra_info("socket")
    if isinstance(connection, SSLSocket):
        # Types know it as a parameter only.
        connection.suppress_ragged_eofs = not are_errors  # type: ignore[attr-defined]


def our_end(response: httpcore.Response) -> Stream:
    """Return our end of the connection that an answer comes over."""
    return cast("Stream", response.extensions["network_stream"].get_extra_info(_OUR_END))


def upgraded(response: httpcore.Response) -> Duplex:
    """Return the connection of an answer with which another protocol begins."""
    early = response.extensions["network_stream"].read(_PIECE, _NO_WAIT)
    return our_end(response).duplex(early)
