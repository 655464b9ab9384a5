"""Talking to a realtime session, by a client that is nobody's product."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn
from urllib.parse import urlencode

from websockets.sync.client import ClientConnection, connect

PATH = "/audio/speech/websocket"
CREATED = "session.created"
UPDATED = "session.updated"
RECEIVED = "conversation.item.input_text.received"
DELTA = "conversation.item.audio_output.delta"
DONE = "conversation.item.audio_output.done"
WORDS = "conversation.item.word_timestamps"
FAILED = "conversation.item.tts.failed"
CANCELLED = "context.cancelled"

Event = dict[str, Any]


class Talk:
    """A session, and what has come of it.

    Attributes:
        events: What has come.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.events: list[Event] = []

    def send(self, kind: str, context: str | None = None, **fields: object) -> None:
        """Send an event."""
        named = {} if context is None else {"context_id": context}
        self.connection.send(json.dumps({"type": kind, **named, **fields}))

    def append(self, text: str, context: str | None = None) -> None:
        self.send("input_text_buffer.append", context, text=text)

    def commit(self, context: str | None = None) -> None:
        self.send("input_text_buffer.commit", context)

    def say(self, text: str, context: str | None = None) -> None:
        """Append and commit."""
        self.append(text, context)
        self.commit(context)

    def update(self, context: str | None = None, **session: object) -> None:
        self.send("tts_session.updated", context, session=session)

    def next(self, timeout: float = 20) -> Event:
        """The next event."""
        event: Event = json.loads(self.connection.recv(timeout=timeout))
        self.events.append(event)
        return event

    def until(self, is_last: Callable[[Event], bool]) -> list[Event]:
        """The events up to one that is the last, which is among them."""
        found = [self.next()]
        while not is_last(found[-1]):
            found.append(self.next())
        return found

    def until_nothing(self, timeout: float = 20) -> NoReturn:
        """Take events until none comes for so many seconds, or the connection is closed."""
        while True:
            self.next(timeout)

    def until_done(self, times: int = 1) -> list[Event]:
        """The events up to the end of so many items."""
        return [event for _ in range(times) for event in self.until(is_a(DONE))]

    def settle(self) -> list[Event]:
        """The events up to the answer to an event that is sent now, which is not among them."""
        self.send("tts_session.updated", "settled", session={})
        return self.until(lambda event: event.get("context_id") == "settled")[:-1]


@contextmanager
def talk(
    url: str, fault: str = "", headers: dict[str, str] | None = None, **query: object
) -> Iterator[Talk]:
    """A session that ends with the block; its first event has not been read.

    Args:
        url: The base URL of the emulator.
        fault: What is to go wrong.
        headers: More of them.
        **query: The options; Kokoro's af_heart speaks unless they say otherwise.
    """
    address = url.replace("http", "ws", 1) + PATH
    options = urlencode({"voice": "af_heart", **query})
    given = {"Authorization": "Bearer any", "x-emulate-fault": fault, **(headers or {})}
    with connect(
        f"{address}?{options}", additional_headers=given, close_timeout=0.2, max_size=1 << 27
    ) as connection:
        yield Talk(connection)


def is_a(kind: str) -> Callable[[Event], bool]:
    return lambda event: event.get("type") == kind


def of(events: list[Event], kind: str) -> list[Event]:
    """The events of a type."""
    return [event for event in events if event.get("type") == kind]


def audio_of(events: list[Event], context: str | None = None) -> bytes:
    """What was spoken, in one context or in all."""
    return b"".join(
        base64.b64decode(event["delta"], validate=True)
        for event in of(events, DELTA)
        if context in (None, event["context_id"])
    )


def words_of(events: list[Event]) -> list[tuple[str, float, float]]:
    """Each word with its start and end in seconds."""
    return [
        word
        for event in of(events, WORDS)
        for lists in [event.get("timestamps", event)]
        for word in zip(lists["words"], lists["start_seconds"], lists["end_seconds"], strict=True)
    ]
