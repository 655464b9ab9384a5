"""A WebSocket, without input or output: bytes and times in, messages and bytes out.

The protocol is that of the `websockets` package, which has a half without input and output too.
Here are put together the pieces of messages, and a connection is kept alive: after `PING_S` without
a sign of the service, it is asked for one, and where none comes for `PONG_S`, it is gone.
"""

import logging
from collections.abc import Iterable
from math import inf

from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from facade._rules.sse import MAX_EVENT_BYTES

PING_S = 10.0
PONG_S = 10.0

_MESSAGES = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)
_GOING_AWAY = 1001
# What passes through a connection is in no log.
_SILENT = logging.Logger(__name__, logging.CRITICAL + 1)


class WebSocket:
    """One connection, from the handshake to its end.

    Attributes:
        headers: What the request for it must have.
        is_over: Whether nothing more will come.
        is_arriving: Whether what came last was a part of a message, and not its end.
        failure: What the other side has sent that nobody can read, if that is why it is over.
    """

    def __init__(self) -> None:
        # The address only goes into what is sent elsewhere.
        address = parse_uri("wss://service/")
        self._protocol = ClientProtocol(address, max_size=MAX_EVENT_BYTES, logger=_SILENT)
        request = self._protocol.connect()
        self._protocol.send_request(request)
        self._protocol.data_to_send()
        self.headers = {
            name: value for name, value in request.headers.raw_items() if name != "Host"
        }
        self.is_over = self.is_arriving = False
        self.failure: str | None = None
        self._pieces: list[bytes] = []
        self._heard_at = inf
        self._asked_at = inf

    def accept(self, headers: Iterable[tuple[str, str]], now: float) -> None:
        """Take in the answer to the handshake, whose status is 101.

        Raises:
            ValueError: It is no WebSocket that it agrees to.
        """
        answer = Response(101, "Switching Protocols", Headers(headers))
        self._protocol.receive_data(answer.serialize())
        self._protocol.events_received()
        if self._protocol.handshake_exc is not None:
            raise ValueError(str(self._protocol.handshake_exc))
        self._heard_at = now

    def send(self, message: str) -> None:
        """Send a message, unless the connection is over."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_text(message.encode())

    def close(self) -> None:
        """Say that nobody listens any more."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(_GOING_AWAY)

    @property
    def is_unsent(self) -> bool:
        """Whether there are bytes to send, such as the answer to a ping."""
        return bool(self._protocol.writes)

    def data_to_send(self) -> bytes:
        """Give the bytes that are to be sent now."""
        return b"".join(self._protocol.data_to_send())

    def receive(self, data: bytes, now: float) -> list[bytes]:
        """Take in bytes, none at the end of the connection; give the messages that are whole."""
        self._heard_at, self._asked_at = now, inf
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        messages = []
        frames = self._protocol.events_received()
        for frame in frames:
            # Whatever else comes is a `Frame` too: nothing is shaken hands about any more.
            if isinstance(frame, Frame) and frame.opcode in _MESSAGES:
                self._pieces.append(bytes(frame.data))
                if frame.fin:
                    messages.append(b"".join(self._pieces))
                    self._pieces.clear()
        self.is_arriving = bool(self._pieces or (data and not frames))
        # Where this side has closed, the other one may have things to say until it agrees.
        failure = self._protocol.parser_exc
        if failure is not None and not isinstance(failure, EOFError):
            self.failure = str(failure)
        if not data or self.failure is not None or self._protocol.close_rcvd is not None:
            self.is_over = True
        return messages

    @property
    def end(self) -> tuple[int, str]:
        """The code and the reason with which the service has closed; 1006 where it has not."""
        close = self._protocol.close_rcvd
        return (1006, "") if close is None else (close.code, close.reason)

    # --- keeping it alive ------------------------------------------------------------------------

    def is_fresh(self, now: float) -> bool:
        """Whether the service has been heard lately enough to trust that it is still there."""
        return now < self._heard_at + PING_S + PONG_S

    def next_tick(self) -> float:
        """Return when `tick` is due."""
        asked = self._asked_at < inf
        return self._asked_at + PONG_S if asked else self._heard_at + PING_S

    def tick(self, now: float) -> bool:
        """Ask for a sign where that is due.

        Returns:
            Whether the service is still there, as far as that is known.
        """
        if self._asked_at == inf and now >= self._heard_at + PING_S:
            self._protocol.send_ping(b"")
            self._asked_at = now
        return now < self._asked_at + PONG_S

    def pause(self, now: float) -> None:
        """Owe no sign, since nobody reads what comes; it is owed again `PING_S` after `now`."""
        self._heard_at, self._asked_at = now, inf
