"""A connection on which both sides speak whenever they want to, for the asynchronous client.

`duplex_sync` is its synchronous twin. This is written twice because it differs: tasks of one event
loop take turns by themselves.
"""

import math
import time

import anyio
from anyio.abc import ByteStream

from facade._transport.socket_async import Socket

_PIECE = 64 * 1024


class Duplex:
    """Such a connection. One task receives, and one sends."""

    def __init__(self, stream: ByteStream, connection: Socket, early: bytes) -> None:
        """Take over a connection.

        Args:
            stream: What to read from and write to.
            connection: The socket beneath it.
            early: What has come already.
        """
        self._stream = stream
        self._socket = connection
        self._early = early

    @property
    def has_news(self) -> bool:
        """Whether something has come that was not received."""
        return self._socket.is_readable

    async def receive(self) -> bytes:
        """Wait for what comes; nothing at the end of the connection.

        Raises:
            Exception: Whatever says that the connection is lost.
        """
        early, self._early = self._early, b""
        if early:
            return early
        self._socket.receive_until = math.inf
        try:
            return await self._stream.receive(_PIECE)
        except anyio.EndOfStream:
            return b""

    async def send(self, data: bytes, seconds: float) -> None:
        """Send all of `data`, each piece of it within `seconds`.

        Raises:
            httpcore.WriteTimeout: The other side takes nothing.
            Exception: Whatever says that the connection is lost.
        """
        for start in range(0, len(data), _PIECE):
            self._socket.send_until = time.monotonic() + seconds
            await self._stream.send(data[start : start + _PIECE])
