"""A connection on which both sides speak whenever they want to, for the synchronous client.

`duplex_async` is its asynchronous twin. This is written twice because it differs: two threads use a
socket at once, and must not use what encrypts it at once.
"""

import selectors
import socket
import threading
from contextlib import suppress
from ssl import SSLObject, SSLWantReadError, SSLWantWriteError

import httpcore

_PIECE = 64 * 1024
# What waits for nothing; 0 would be taken for an error.
_AT_ONCE_S = 0.001
# One that needs nothing of the system's, so that it lives as long as the connection. And a thread
# that waits by epoll or kqueue is not woken where another closes the socket.
_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)
_NOT_YET = (BlockingIOError, SSLWantReadError, SSLWantWriteError, httpcore.ReadTimeout)


class Duplex:
    """Such a connection. One thread receives, and one sends."""

    def __init__(self, stream: httpcore.NetworkStream, early: bytes) -> None:
        """Take over a connection.

        Args:
            stream: What to read from and write to.
            early: What has come already.
        """
        self._stream = stream
        self._early = early
        self._socket: socket.socket = stream.get_extra_info("socket")
        tls = stream.get_extra_info("ssl_object")
        # TLS inside TLS only goes through httpcore's own end.
        self._is_nested = isinstance(tls, SSLObject)
        self._may_have_more = tls is not None
        self._is_tls = tls is not None
        self._lock = threading.Lock()
        self._socket.settimeout(0)
        # Each for one thread: `_news` and `_writable` for the one that sends.
        self._readable = self._waiting_for(selectors.EVENT_READ)
        self._news = self._waiting_for(selectors.EVENT_READ)
        self._writable = self._waiting_for(selectors.EVENT_WRITE)

    @property
    def has_news(self) -> bool:
        """Whether something has come that was not received."""
        return bool(self._early) or self._wait(self._news, 0)

    def receive(self) -> bytes:
        """Wait for what comes; nothing at the end of the connection.

        Raises:
            Exception: Whatever says that the connection is lost.
        """
        early, self._early = self._early, b""
        if early:
            return early
        while True:
            # What came in one piece over TLS may have been read in part.
            if not self._may_have_more:
                self._wait(self._readable, None)
            try:
                with self._lock:
                    data = self._receive_now()
            except _NOT_YET:
                self._may_have_more = False
            else:
                self._may_have_more = self._is_tls
                return data

    def send(self, data: bytes, seconds: float) -> None:
        """Send all of `data`, each piece of it within `seconds`.

        Raises:
            httpcore.WriteTimeout: The other side takes nothing.
            Exception: Whatever says that the connection is lost.
        """
        rest = memoryview(data)
        while rest:
            with suppress(*_NOT_YET), self._lock:
                rest = rest[self._send_now(rest[:_PIECE], seconds) :]
            if rest and not self._wait(self._writable, seconds):
                raise httpcore.WriteTimeout("it takes nothing more")

    def _receive_now(self) -> bytes:
        if self._is_nested:
            return self._stream.read(_PIECE, _AT_ONCE_S)
        return self._socket.recv(_PIECE)

    def _send_now(self, piece: memoryview, seconds: float) -> int:
        if self._is_nested:
            self._stream.write(bytes(piece), seconds)
            return len(piece)
        return self._socket.send(piece)

    def _waiting_for(self, event: int) -> selectors.BaseSelector:
        selector: selectors.BaseSelector = _Selector()
        selector.register(self._socket, event)
        return selector

    def _wait(self, selector: selectors.BaseSelector, seconds: float | None) -> bool:
        if self._socket.fileno() < 0:
            raise ValueError("the connection is closed")
        return bool(selector.select(seconds))
