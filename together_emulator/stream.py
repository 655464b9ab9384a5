"""The streamed answer: events leave while the rest is still being spoken."""

from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from together_emulator.answer import Part, Stage, answer
from together_emulator.engine import EngineError
from together_emulator.errors import ApiError
from together_emulator.events import (
    PIECE_MS,
    Shape,
    audio_event,
    end_mark,
    pieces,
    words_event,
)
from together_emulator.fault import ERROR_EVENTS
from together_emulator.record import Record
from together_emulator.request import SpeechRequest


@dataclass(frozen=True)
class StreamOptions:
    """How a stream looks; the request does not say it.

    Attributes:
        shape: The shape of its events.
        nested_words: Whether word timings stand under ``timestamps``.
        odd_pieces: Whether the audio of an event has an odd number of bytes.
    """

    shape: Shape = "b"
    nested_words: bool = False
    odd_pieces: bool = False


class SpeechStream(Response):
    """Streams a request; each event is one message of the application's protocol.

    A sentence is spoken when the client has taken nearly all of what came before it, so that
    memory does not grow with the text.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        speech: SpeechRequest,
        options: StreamOptions,
        stage: Stage,
        record: Record,
    ) -> None:
        super().__init__(headers={"cache-control": "no-cache"})
        del self.headers["content-length"]
        self._speech = speech
        self._options = options
        self._stage = stage
        self._record = record

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Answer.

        Raises:
            EngineError: The first sentence failed; nothing has been sent.
            ClientDisconnect: The client went away before anything was sent.
        """
        async with aclosing(answer(self._speech, receive, self._stage, self._record)) as parts:
            part = await anext(parts, None)
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            end = end_mark(self._options.shape)
            try:
                while part is not None:
                    for event in self._events(part):
                        await send({"type": "http.response.body", "body": event, "more_body": True})
                    part = await anext(parts, None)
            except ClientDisconnect:
                return
            except EngineError as error:
                end = ERROR_EVENTS["failed"](ApiError(500, str(error)))
            await send({"type": "http.response.body", "body": end})

    def _events(self, part: Part) -> Iterator[bytes]:
        speech, options = self._speech, self._options
        if part.words:
            yield words_event(part.words, nested=options.nested_words)
        audio_format = speech.audio_format
        size = audio_format.sample_rate * PIECE_MS // 1000 * audio_format.frame_size
        for piece in pieces(part.audio, size - 1 + size % 2 if options.odd_pieces else size):
            yield audio_event(options.shape, speech.model, piece)
