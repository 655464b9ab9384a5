"""The events of a streamed answer into audio and word timings.

Four shapes of events have been seen. The contract's holds audio in `b64`, that of the live service
in `delta` (with word timings in events of their own), an older one in `audio`; a stream ends with
the event `[DONE]`, or in the older shape with one of type `done`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from pybase64 import b64decode

from facade._rules.error_mapping import empty_audio, failure_in_event
from facade._rules.sse import Event, OversizedEventError, SSEDecoder
from facade._rules.words import WordTiming
from facade.errors import MalformedStreamError, StreamInterruptedError
from facade.formats import AudioFormat

_AUDIO = "conversation.item.audio_output.delta"
_WORDS = "conversation.item.word_timestamps"
_CHUNK = "audio.tts.chunk"
_FAILED = "conversation.item.tts.failed"


class StreamDecoder:
    """Decodes one streamed answer. Feed it the pieces as they come.

    Attributes:
        audio_bytes: Bytes of audio given so far.
        words: Word timings so far.
        has_ended: Whether the end mark has come.
    """

    def __init__(self, form: AudioFormat, headers: Mapping[str, str]) -> None:
        """Begin a stream.

        Args:
            form: The format of its audio.
            headers: The answer's headers, names in lower case, for the ids that errors carry.
        """
        self.audio_bytes = 0
        self.words: list[WordTiming] = []
        self.has_ended = False
        self._frame_bytes = form.frame_bytes or 1
        self._part_of_frame = b""
        self._events = SSEDecoder()
        self._begun = b""
        self._event_number = 0
        self._headers = headers
        self._ids = {"request_id": headers.get("x-request-id"), "cf_ray": headers.get("cf-ray")}

    def audio_of(self, piece: bytes) -> bytes | None:
        """Give the audio, in whole samples, of the one event that `piece` is or ends.

        Returns:
            The audio, which may be empty; or `None` where `piece` is anything else, and must be fed
            to `feed`.
        """
        data = self._events.data_of(self._begun + piece if self._begun else piece)
        if data is None or self.has_ended:
            # What is read at once from a socket ends in the middle of an event.
            if not self._begun and self._events.is_beginning(piece):
                self._begun = piece
                return b""
            return None
        try:
            _, text = _read(data)
            if not isinstance(text, _TEXT):
                return None
            # By position, which costs half of what names do.
            audio = b64decode(text, None, True)
        except (ValueError, RecursionError):
            return None
        self._begun = b""
        self._event_number += 1
        if self._part_of_frame or len(audio) % self._frame_bytes:
            return self._whole_samples(audio)
        self.audio_bytes += len(audio)
        return audio

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Give the audio that `piece` completes, in whole samples.

        Raises:
            APIError: The service says in the stream that something is wrong.
            MalformedStreamError: An event cannot be read.
            EmptyAudioError: The stream has ended without audio.
        """
        events = self._events.feed(self._begun + piece)
        self._begun = b""
        while not self.has_ended:
            try:
                event = next(events, None)
            except OversizedEventError as error:
                self._event_number += 1
                raise self._malformed(str(error)) from error
            if event is None:
                return
            audio = self._take(event)
            if audio:
                yield audio

    def finish(self) -> Iterator[bytes]:
        """Give the audio that the end of the bytes completes.

        Raises:
            StreamInterruptedError: The end mark has not come. An event that cannot be read is then
                taken for one that was cut off.
        """
        if self.has_ended:
            return
        yield from self.feed(b"")
        event = self._events.finish()
        if event is not None:
            try:
                audio = self._take(event)
            except MalformedStreamError:
                audio = b""
            if audio:
                yield audio
        if not self.has_ended:
            raise StreamInterruptedError(
                "the stream ended before its end mark, so its audio is not whole",
                bytes_received=self.audio_bytes,
                **self._ids,
            )

    def _take(self, event: Event) -> bytes:
        """Take in an event; return the audio in it as far as it is whole samples."""
        self._event_number += 1
        if event.data == b"[DONE]":
            return self._end()
        if event.type == b"error":
            raise failure_in_event(event.data, self._headers)
        try:
            # Base64 with escapes is still base64: its slashes may be written as "\/".
            read = _read_whole if b"\\" in event.data else _read
            fields, audio = read(event.data)
        except (msgspec.DecodeError, RecursionError) as error:
            raise self._malformed(f"it is no JSON object: {error}") from error
        if fields.error is not None or fields.type in ("error", _FAILED):
            raise failure_in_event(event.data, self._headers)
        if fields.type == "done":
            return self._end()
        if fields.type == _WORDS:
            self._take_words(event)
            return b""
        if audio is msgspec.UNSET:
            # The service may come to say more than is known today.
            return b""
        if not isinstance(audio, _TEXT):
            raise self._malformed("it has no audio")
        try:
            return self._whole_samples(b64decode(audio, None, True))
        except ValueError as error:
            raise self._malformed(f"its audio is not base64: {error}") from error

    def _take_words(self, event: Event) -> None:
        try:
            said = _WORD_LISTS.decode(event.data)
            said = said.timestamps or said
            timings = zip(said.words, said.start_seconds, said.end_seconds, strict=True)
            self.words += [WordTiming(*timing) for timing in timings]
        except ValueError as error:
            raise self._malformed(f"its word timings cannot be read: {error}") from error

    def _whole_samples(self, audio: bytes) -> bytes:
        if self._part_of_frame:
            audio = self._part_of_frame + audio
            self._part_of_frame = b""
        rest = len(audio) % self._frame_bytes
        if rest:
            self._part_of_frame = audio[-rest:]
            audio = audio[:-rest]
        self.audio_bytes += len(audio)
        return audio

    def _end(self) -> bytes:
        self.has_ended = True
        if self._part_of_frame:
            raise self._malformed("the stream ends inside a sample")
        if not self.audio_bytes:
            raise empty_audio(self._headers)
        return b""

    def _malformed(self, how: str) -> MalformedStreamError:
        return MalformedStreamError(
            f"event {self._event_number} of the stream cannot be read: {how}",
            event_number=self._event_number,
            bytes_received=self.audio_bytes,
            **self._ids,
        )


class _Fields(msgspec.Struct):
    """What an event may hold."""

    type: Any = None
    object: Any = None
    delta: Any = None
    b64: Any = None
    audio: Any = None
    error: Any = None


def _read(data: bytes) -> tuple[_Fields, Any]:
    """Return what an event holds, and what stands where one of audio has it, or else `UNSET`.

    Raises:
        msgspec.DecodeError: It is no JSON object.
        RecursionError: It is nested too deeply.
    """
    # The audio is nearly always the last string of its event, and is had twice as fast when JSON is
    # read without it: base64 has no quotes. What stands in for it is in no JSON without escapes.
    if data[-2:] == b'"}':
        start = data.rfind(b'"', 0, -2)
        head = data[:start]
        if b"\\" not in head:
            fields = _FIELDS.decode(head + b'"\\u0000"}')
            if _audio_in(fields) == "\0":
                return fields, data[start + 1 : -2]
    return _read_whole(data)


def _read_whole(data: bytes) -> tuple[_Fields, Any]:
    fields = _FIELDS.decode(data)
    return fields, _audio_in(fields)


def _audio_in(fields: _Fields) -> Any:
    """Return what stands where an event of audio has it; `UNSET` for any other event."""
    if fields.error is not None:
        return msgspec.UNSET
    if fields.type == _AUDIO:
        return fields.delta
    if fields.type == "delta":
        return fields.audio
    if fields.object == _CHUNK and fields.type not in ("error", _FAILED, "done", _WORDS):
        return fields.b64
    return msgspec.UNSET


class _WordLists(msgspec.Struct):
    """Both places where the lists have been seen."""

    words: list[str] = []
    start_seconds: list[float] = []
    end_seconds: list[float] = []
    timestamps: "_WordLists | None" = None


_TEXT = (bytes, str)
_FIELDS = msgspec.json.Decoder(_Fields)
_WORD_LISTS = msgspec.json.Decoder(_WordLists)
