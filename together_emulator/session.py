"""A realtime session: text comes in pieces, speech goes out, in several contexts at once."""

import asyncio
import threading
import uuid
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal, get_args

from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from together_emulator.answer import Part, Stage, TimedWord
from together_emulator.engine import EngineError
from together_emulator.errors import ApiError, ToldError, quoted
from together_emulator.events import PIECE_MS, pieces
from together_emulator.log import RequestLog
from together_emulator.record import Record
from together_emulator.request import (
    Fields,
    SpeechRequest,
    check_length,
    check_speakable,
    read_object,
    refuse,
)
from together_emulator.session_events import (
    SessionEvent,
    cancelled_event,
    created_event,
    delta_event,
    done_event,
    dump,
    error_event,
    failed_event,
    received_event,
    timestamps_event,
    updated_event,
)
from together_emulator.session_settings import SessionSettings, query_values
from together_emulator.text_buffer import TextBuffer

MAX_CONTEXTS = 100
"""How many contexts a session may have at a time."""

LATE_PIECES = 2
"""How many pieces of audio still come of a context that is cancelled while it speaks."""

WordTimes = Literal["item", "context"]
WORD_TIMES_FROM: tuple[WordTimes, ...] = get_args(WordTimes)

_DEFAULT_CONTEXT = "default"
_MAX_ID_CHARACTERS = 256


@dataclass(frozen=True)
class SessionOptions:
    """How the events of a session look; it does not say it itself.

    Attributes:
        nested_words: Whether word timings stand under ``timestamps``.
        odd_pieces: Whether the audio of an event has an odd number of bytes.
        word_times: Whether word timings count from the beginning of their item, or of all that the
            context has spoken.
    """

    nested_words: bool = False
    odd_pieces: bool = False
    word_times: WordTimes = "item"


class Session:
    """One connection, from its handshake to its end."""

    def __init__(
        self, websocket: WebSocket, options: SessionOptions, stage: Stage, log: RequestLog
    ) -> None:
        self.options = options
        self.stage = stage
        self._websocket = websocket
        self._log = log
        self._record: Record = websocket.scope["record"]
        self._id = str(uuid.uuid4())
        self._settings = SessionSettings()
        self._contexts: dict[str, _Context] = {}
        self._speaking: set[asyncio.Task[None]] = set()
        self._items = 0

    async def run(self) -> None:
        """Serve until the client has gone."""
        await self._websocket.accept()
        values = query_values(self._websocket.query_params)
        try:
            self._update(None, values)
        except ApiError as error:
            if error.param == "voice" and " " in str(values["voice"]):
                error.message += "; in a URL a + is written %2B"
            await self.send(failed_event(error))
            await self._websocket.close(1008, "the session cannot begin")
            return
        async with asyncio.TaskGroup() as self._tasks:
            try:
                await self.send(created_event(self._id, self._settings.values))
                while True:
                    await self._take(await self._websocket.receive())
            except WebSocketDisconnect:
                for task in self._speaking:
                    task.cancel()

    async def send(self, event: SessionEvent) -> None:
        """Send an event.

        Raises:
            WebSocketDisconnect: The client has gone away.
        """
        if self._websocket.application_state is WebSocketState.DISCONNECTED:
            raise WebSocketDisconnect(1006)
        await self._websocket.send_text(dump(event))

    def bill(self, speech: SpeechRequest) -> None:
        """Count the characters of a text that is going to be spoken."""
        self._log.bill(self._record, speech.model, len(speech.script.written))

    def note_spoken(self, seconds: float) -> None:
        """Count audio that has been spoken."""
        self._record.spoken_s += seconds

    def next_item(self) -> str:
        """The id of the next item."""
        self._items += 1
        return f"tts_{self._items}"

    def start(self, context: "_Context") -> None:
        """Let a context speak what waits in it."""
        task = self._tasks.create_task(context.run())
        self._speaking.add(task)
        task.add_done_callback(self._speaking.discard)

    async def _take(self, message: Message) -> None:
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        context_id = None
        try:
            if message.get("text") is None:
                refuse(None, "an event is a text frame, not a binary one", code="invalid_json")
            self._record.note_event(message["text"])
            event = read_object(message["text"], "the event")
            fields = Fields(event)
            context_id = None if event.get("context_id") is None else _context_id(fields)
            await self._handle(fields, event, context_id)
        except ApiError as error:
            await self.send(error_event(error, context_id))

    async def _handle(
        self, fields: Fields, event: dict[str, object], context_id: str | None
    ) -> None:
        named = context_id or _DEFAULT_CONTEXT
        context = self._contexts.get(named)
        match fields.required_text("type"):
            case "input_text_buffer.append":
                text = fields.required_text("text")
                check_speakable("text", text)
                context = context or self._open(named)
                await context.append(text)
            case "input_text_buffer.commit":
                if context is not None:
                    await context.commit()
            case "input_text_buffer.clear":
                if context is not None:
                    context.clear()
            case "tts_session.updated":
                settings = event.get("session")
                if not isinstance(settings, dict):
                    refuse("session", "session must be an object")
                values = self._update(context_id, settings)
                await self.send(updated_event(self._id, values, context_id))
            case "context.cancel":
                self._contexts.pop(named, None)
                if context is not None:
                    context.cancel()
                await self.send(cancelled_event(named))
            case kind:
                refuse("type", f"there is no event {quoted(kind)}", code="unknown_event")

    def _open(self, context_id: str) -> "_Context":
        if len(self._contexts) >= MAX_CONTEXTS:
            refuse(
                "context_id",
                f"this connection has {MAX_CONTEXTS} contexts already: cancel one of them",
                code="context_limit_exceeded",
            )
        self._contexts[context_id] = _Context(self, context_id, self._settings)
        return self._contexts[context_id]

    def _update(self, context_id: str | None, values: Mapping[str, object]) -> Mapping[str, object]:
        """Change the settings of one context or of all, now and to come, or of none on an error."""
        warnings: list[str] = []
        if context_id is not None:
            context = self._contexts.get(context_id)
            settings = (context.settings if context else self._settings).updated(values, warnings)
            (context or self._open(context_id)).settings = settings
        else:
            settings = self._settings.updated(values, warnings)
            changed = {each: each.settings.updated(values, []) for each in self._contexts.values()}
            self._settings = settings
            for each, its_own in changed.items():
                each.settings = its_own
        self._record.warnings += [each for each in warnings if each not in self._record.warnings]
        return settings.values


class _Context:
    """One of the voices of a session, which speaks one piece of text after the other."""

    def __init__(self, session: Session, context_id: str, settings: SessionSettings) -> None:
        self.settings = settings
        self._session = session
        self._id = context_id
        self._buffer = TextBuffer()
        self._waiting: deque[SpeechRequest] = deque()
        self._is_speaking = False
        self._is_cancelled = False
        self._stop = threading.Event()
        self._spoken_s = 0.0

    async def append(self, text: str) -> None:
        check_length("text", len(self._buffer) + len(text))
        settings = self.settings
        complete = self._buffer.append(text, settings.segment, settings.max_partial_length)
        await self._session.send(received_event(self._id, text))
        await self._speak_soon(complete)

    async def commit(self) -> None:
        await self._speak_soon(self._buffer.commit())

    def clear(self) -> None:
        """Forget the text that is not on its way to be spoken."""
        self._buffer.clear()

    def cancel(self) -> None:
        """Say nothing more, except for what cannot be held back."""
        self._is_cancelled = True
        self._waiting.clear()
        self._stop.set()

    async def run(self) -> None:
        """Speak until nothing waits."""
        try:
            while self._waiting:
                await self._speak(self._waiting.popleft())
        except EngineError as error:
            await self._fail(ApiError(500, str(error)))
        except ToldError:
            self._forget()
        except WebSocketDisconnect:
            # Whoever receives finds out by itself.
            pass
        finally:
            self._is_speaking = False

    async def _speak_soon(self, texts: list[str]) -> None:
        for text in texts:
            try:
                speech = self.settings.request(text)
            except ApiError as error:
                await self._fail(error)
                return
            self._session.bill(speech)
            self._waiting.append(speech)
        if self._waiting and not self._is_speaking:
            self._is_speaking = True
            self._session.start(self)

    async def _fail(self, error: ApiError) -> None:
        self._forget()
        await self._session.send(failed_event(error, self._id))

    def _forget(self) -> None:
        self._buffer.clear()
        self._waiting.clear()

    async def _speak(self, speech: SpeechRequest) -> None:
        item = self._session.next_item()
        before = self._spoken_s
        late = 0
        self._stop = threading.Event()
        async with aclosing(self._session.stage.speak(speech, self._stop)) as parts:
            async for part in parts:
                self._session.note_spoken(before + part.end_s - self._spoken_s)
                self._spoken_s = before + part.end_s
                for event in self._events(speech, item, part, before):
                    late += self._is_cancelled
                    if late > LATE_PIECES:
                        return
                    await self._session.send(event)
        if not self._is_cancelled:
            await self._session.send(done_event(self._id, item))

    def _events(
        self, speech: SpeechRequest, item: str, part: Part, before: float
    ) -> Iterator[SessionEvent]:
        options = self._session.options
        if part.words:
            offset = before if options.word_times == "context" else 0.0
            words = [
                TimedWord(word.text, offset + word.start_s, offset + word.end_s)
                for word in part.words
            ]
            yield timestamps_event(self._id, item, words, nested=options.nested_words)
        audio_format = speech.audio_format
        size = audio_format.sample_rate * PIECE_MS // 1000 * audio_format.frame_size
        for piece in pieces(part.audio, size - 1 + size % 2 if options.odd_pieces else size):
            yield delta_event(self._id, item, piece)


def _context_id(fields: Fields) -> str:
    """The context that an event names."""
    name = fields.required_text("context_id")
    if not 1 <= len(name) <= _MAX_ID_CHARACTERS:
        refuse("context_id", f"context_id must have 1 to {_MAX_ID_CHARACTERS} characters")
    return name
