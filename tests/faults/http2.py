"""HTTP/2 for `FaultServer`: give it an `Http2` as `on_connect`.

As in `server`, a script is a list of steps, one for each request in the order of arrival; the last
one is repeated. A step is given the `Exchange` and must not wait: one thread serves all streams of
a connection.
"""

import ssl
from collections.abc import Callable, Mapping
from typing import TypeAlias

from h2.config import H2Configuration
from h2.connection import ConnectionState, H2Connection
from h2.events import StreamEnded

from tests.faults.server import Peer


class Exchange:
    """The server's end of one stream."""

    def __init__(self, connection: H2Connection, stream: int) -> None:
        self._connection = connection
        self._stream = stream

    def begin(self, headers: Mapping[str, str] | None = None, *, status: int = 200) -> None:
        """Send the head of an answer."""
        head = [(":status", str(status)), *(headers or {}).items()]
        self._connection.send_headers(self._stream, head)

    def send(self, content: bytes) -> None:
        """Send a part of the body."""
        self._connection.send_data(self._stream, content)

    def end(self) -> None:
        """End the body."""
        self._connection.end_stream(self._stream)

    def answer(self, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send a whole answer."""
        self.begin(headers)
        self.send(body)
        self.end()

    def reset(self, code: int = 2) -> None:
        """Break the stream off."""
        self._connection.reset_stream(self._stream, error_code=code)

    def go_away(self, *, last: int) -> None:
        """Say which request is the last that will be answered on this connection."""
        self._connection.close_connection(last_stream_id=last)


Step: TypeAlias = Callable[[Exchange], None]


class Http2:
    """What a server does on each connection."""

    def __init__(self, tls: ssl.SSLContext, *steps: Step) -> None:
        self._tls = tls
        self._steps = list(steps)

    def __call__(self, peer: Peer) -> None:
        peer.start_tls(self._tls)
        connection = H2Connection(H2Configuration(client_side=False))
        connection.initiate_connection()
        peer.send(connection.data_to_send())
        while connection.state_machine.state is not ConnectionState.CLOSED and (
            received := peer.receive()
        ):
            for event in connection.receive_data(received):
                if isinstance(event, StreamEnded):
                    step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
                    step(Exchange(connection, event.stream_id or 0))
            peer.send(connection.data_to_send())
        peer.wait_for_close()
