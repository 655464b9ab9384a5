"""A realtime service that does what a test tells it, over real sockets."""

import base64
import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable
from http import HTTPStatus
from queue import Empty, Queue
from types import TracebackType
from typing import Any, Self, TypeAlias
from urllib.parse import parse_qs, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

AUDIO = "conversation.item.audio_output.delta"
DONE = "conversation.item.audio_output.done"
WORDS = "conversation.item.word_timestamps"
RECEIVED = "conversation.item.input_text.received"
FAILED = "conversation.item.tts.failed"
APPEND = "input_text_buffer.append"
COMMIT = "input_text_buffer.commit"
CLEAR = "input_text_buffer.clear"
CANCEL = "context.cancel"
UPDATED = "tts_session.updated"

SECOND = 48_000
WAIT_S = 20.0

Event: TypeAlias = dict[str, Any]
Refusals: TypeAlias = tuple[tuple[int, str, dict[str, str]], ...]
"""Answers to handshakes: status, body, headers."""


class Peer:
    """One connection, as the service has it.

    Attributes:
        connection: The connection.
        query: What the URL asks for.
        events: What has come.
    """

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection
        assert connection.request is not None
        self.path = connection.request.path
        self.query = {
            name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()
        }
        self.headers = connection.request.headers
        self.events: list[Event] = []

    def greet(self) -> None:
        """Say `session.created`."""
        self.say("session.created")

    def say(self, kind: str, **fields: object) -> None:
        """Send an event."""
        self.connection.send(json.dumps({"type": kind, **fields}))

    def next(self, timeout: float = WAIT_S) -> Event:
        """Wait for an event."""
        event: Event = json.loads(self.connection.recv(timeout=timeout))
        self.events.append(event)
        return event

    def expect(self, kind: str) -> Event:
        """Wait for an event of a kind, past those of other kinds."""
        while (event := self.next())["type"] != kind:
            pass
        return event

    def text(self) -> tuple[str, str]:
        """Wait for a committed text that was not cancelled; give its context and the text."""
        texts: dict[str, str] = {}
        while True:
            event = self.next()
            context = event["context_id"]
            if event["type"] == APPEND:
                texts[context] = texts.get(context, "") + event["text"]
            elif event["type"] == COMMIT and texts.get(context):
                return context, texts[context]
            elif event["type"] == CANCEL:
                texts.pop(context, None)

    def audio(self, context: str | None, pcm: bytes, item: str = "item-1") -> None:
        """Send audio of a context."""
        named = {} if context is None else {"context_id": context}
        self.say(AUDIO, delta=base64.b64encode(pcm).decode(), item_id=item, **named)

    def speak(self, context: str, text: str, pcm: bytes = b"", item: str = "") -> None:
        """Say a text whole: acknowledged, timed, spoken, and done."""
        pcm = pcm or spoken(text)
        item = item or f"item-{context}-{len(self.events)}"
        words = text.split()
        each = len(pcm) / SECOND / len(words)
        self.say(RECEIVED, text=text, context_id=context)
        self.say(
            WORDS,
            words=words,
            start_seconds=[each * place for place in range(len(words))],
            end_seconds=[each * (place + 1) for place in range(len(words))],
            item_id=item,
            context_id=context,
        )
        for start in range(0, len(pcm), 9600):
            self.audio(context, pcm[start : start + 9600], item)
        self.say(DONE, item_id=item, context_id=context)

    def serve(self) -> None:
        """Say every text whole, until the client goes."""
        while True:
            self.speak(*self.text())

    def close_code(self) -> int | None:
        """Wait for the client to close, and give the code that it sends."""
        self.connection.recv_events_thread.join(WAIT_S)
        return self.connection.close_code

    def cut(self) -> None:
        """End the connection without a word."""
        self.connection.socket.shutdown(socket.SHUT_RDWR)

    def stay(self) -> None:
        """Do nothing until the client goes."""
        while True:
            self.next(60)


Script: TypeAlias = Callable[[Peer], None]


def spoken(text: str) -> bytes:
    """What `Peer.speak` gives for a text: 0.2 s a word, each text another sound."""
    return text.encode("utf-16-le")[:2] * (len(text.split()) * SECOND // 10)


def good(peer: Peer) -> None:
    """Greet, and say every text."""
    peer.greet()
    peer.serve()


class RealtimeServer:
    """Runs one script for each connection, the last one for all that follow.

    Attributes:
        url: The base URL.
        peers: The connections so far.
        refusals: Answers to the next handshakes, in place of a connection.
        gate: What handshakes wait for.
    """

    def __init__(
        self,
        *scripts: Script,
        tls: ssl.SSLContext | None = None,
        refusals: Refusals = (),
        greetings: dict[str, str] | None = None,
    ) -> None:
        self.peers: list[Peer] = []
        self.requests: list[Request] = []
        self._scripts = scripts or (good,)
        self.refusals = list(refusals)
        self.gate = threading.Event()
        self.gate.set()
        self._failures: Queue[BaseException] = Queue()
        self._greetings = greetings or {}
        self._server = serve(
            self._run,
            "127.0.0.1",
            0,
            ssl=tls,
            process_request=self._answer,
            process_response=self._greet,
            close_timeout=0.5,
        )
        port = self._server.socket.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def peer(self) -> Peer:
        """The only connection."""
        (peer,) = self.peers
        return peer

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join(WAIT_S)
        with contextlib.suppress(Empty):
            raise self._failures.get_nowait()

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        self.gate.wait(3 * WAIT_S)
        if not self.refusals:
            return None
        status, body, headers = self.refusals.pop(0)
        response = connection.respond(HTTPStatus(status), body)
        for name, value in headers.items():
            response.headers.pop(name, None)
            response.headers[name] = value
        return response

    def _greet(self, connection: ServerConnection, request: Request, response: Response) -> None:
        response.headers.update(self._greetings)

    def _run(self, connection: ServerConnection) -> None:
        peer = Peer(connection)
        script = self._scripts[min(len(self.peers), len(self._scripts) - 1)]
        self.peers.append(peer)
        try:
            script(peer)
        except (ConnectionClosed, OSError):
            pass
        except BaseException as error:
            self._failures.put(error)
            raise
