"""The same server over HTTP/2, for whole answers. It is not much cheaper than a client."""

import asyncio
from collections.abc import Callable

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded

Answer = Callable[[str], tuple[float, bytes]]


class Http2Connection(asyncio.Protocol):
    """A connection that begins with HTTP/2, as a client does that knows what it speaks to.

    `answer` gives for a path the seconds to wait and the audio.
    """

    def __init__(self, transport: asyncio.Transport, answer: Answer) -> None:
        self._transport = transport
        self._answer = answer
        self._paths: dict[int, str] = {}
        self._h2 = H2Connection(H2Configuration(client_side=False))
        self._h2.initiate_connection()
        self._send()

    def data_received(self, data: bytes) -> None:
        for event in self._h2.receive_data(data):
            if isinstance(event, RequestReceived):
                headers = dict(event.headers or ())
                self._paths[event.stream_id] = headers[b":path"].decode()
            elif isinstance(event, DataReceived):
                size = event.flow_controlled_length
                self._h2.acknowledge_received_data(size, event.stream_id)
            elif isinstance(event, StreamEnded):
                wait_s, audio = self._answer(self._paths.pop(event.stream_id))
                loop = asyncio.get_running_loop()
                loop.call_later(wait_s, self._respond, event.stream_id, audio)
        self._send()

    def _respond(self, stream: int, audio: bytes) -> None:
        self._h2.send_headers(stream, [(":status", "200"), ("content-type", "audio/wav")])
        self._h2.send_data(stream, audio, end_stream=True)
        self._send()

    def _send(self) -> None:
        self._transport.write(self._h2.data_to_send())
