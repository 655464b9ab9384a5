"""The events of a streamed answer into audio and word timings.

Four shapes of events have been seen. The contract's holds audio in `b64`, that of the live service
in `delta` (with word timings in events of their own), an older one in `audio`; a stream ends with
the event `[DONE]`, or in the older shape with one of type `done`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from pybase64 import b64decode

from facade._rules.audio_events import (
    UNREADABLE,
    WORDS,
    EventFields,
    decode_base64,
    place_of_audio,
    read_event,
    read_object,
    read_whole_event,
    read_words,
)
from facade._rules.error_mapping import (
    BODY_LIMIT,
    empty_audio,
    excerpt,
    failure_in_event,
    failure_in_place_of_stream,
    is_name_of_error,
    speaks_of_error,
)
from facade._rules.frames import whole_frames
from facade._rules.sse import Event, OversizedEventError, SSEDecoder, begins_stream
from facade._rules.words import WordTiming
from facade.errors import MalformedStreamError, SpeechError, StreamInterruptedError
from facade.formats import AudioFormat

_TEXT = (memoryview, str)
_FIELDS = msgspec.json.Decoder(EventFields)
_HEARTBEATS = (b"ping", b"heartbeat", b"keepalive", b"keep-alive", b"keep_alive")


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
        self._head = bytearray()
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
            _, text = read_event(data, _FIELDS)
            if not isinstance(text, _TEXT):
                return None
            # By position, which costs half of what names do.
            audio = b64decode(text, None, True)
        except UNREADABLE:
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
            APIError: The service says in the stream that something is wrong, or what comes is no
                stream.
            MalformedStreamError: An event cannot be read.
            EmptyAudioError: The stream has ended without audio.
        """
        try:
            yield from self._feed(piece)
        except SpeechError as error:
            piece = b""
            raise _without_data(error)  # noqa: B904 - it has its cause

    def finish(self) -> Iterator[bytes]:
        """Give the audio that the end of the bytes completes.

        Raises:
            APIError: What came is no stream.
            EmptyAudioError: Nothing came.
            StreamInterruptedError: The end mark has not come. An event that cannot be read is then
                taken for one that was cut off.
        """
        try:
            yield from self._finish()
        except SpeechError as error:
            raise _without_data(error)  # noqa: B904 - it has its cause

    def _feed(self, piece: bytes) -> Iterator[bytes]:
        piece = self._begun + piece
        self._begun = b""
        if not self._event_number:
            self._head += piece[: BODY_LIMIT - len(self._head)]
        events = self._events.feed(piece)
        while not self.has_ended:
            try:
                event = next(events, None)
            except OversizedEventError as error:
                self._event_number += 1
                raise self._malformed(str(error)) from error
            if event is None:
                if not self._event_number and len(self._head) >= BODY_LIMIT:
                    self._check_head()
                return
            try:
                audio = self._take(event)
            except MalformedStreamError:
                # What is no stream may have something like an event in it.
                if self._event_number == 1:
                    self._check_head()
                raise
            self._head.clear()
            if audio:
                yield audio

    def _finish(self) -> Iterator[bytes]:
        if self.has_ended:
            return
        yield from self._feed(b"")
        if not self._event_number:
            self._check_head()
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

    def _check_head(self) -> None:
        """Refuse what came in place of a stream.

        Where nothing came, only HTTP can say that this is the whole answer.
        """
        is_whole = bool({"content-length", "transfer-encoding"} & self._headers.keys())
        if not begins_stream(self._head) or (is_whole and not self._head):
            head = bytes(self._head)
            raise failure_in_place_of_stream(self._headers, head)

    def _take(self, event: Event) -> bytes:
        """Take in an event; return the audio in it as far as it is whole samples."""
        self._event_number += 1
        data = event.data
        if data.strip() == b"[DONE]":
            return self._end()
        if event.type and is_name_of_error(event.type.decode(errors="replace")):
            raise failure_in_event(data, self._headers)
        try:
            # Base64 with escapes is still base64: its slashes may be written as "\/".
            fields, audio = (
                read_whole_event(data, _FIELDS) if b"\\" in data else read_event(data, _FIELDS)
            )
        except UNREADABLE as error:
            if event.type.lower() in _HEARTBEATS or not data.strip():
                return b""
            data, fields, audio = self._mended(event, error)
        if isinstance(audio, _TEXT):
            try:
                return self._whole_samples(decode_base64(audio))
            except ValueError as error:
                raise self._malformed(f"its audio is not base64: {error}") from error
        if audio is not msgspec.UNSET:
            raise self._malformed("it has no audio")
        is_words = fields.type == WORDS and not fields.error
        if not is_words or any((fields.delta, fields.b64, fields.audio)):
            self._pass_over(data, event.type)
        if is_words:
            self._take_words(data)
        return self._end() if fields.type == "done" else b""

    def _mended(self, event: Event, error: Exception) -> tuple[bytes, EventFields, Any]:
        """Read an event again, without what means nothing and should not be there.

        Between the lines of an event there may be base64, and before them a byte-order mark. Where
        bytes are no UTF-8, only the service's own words are worth more than the failure to read it.
        """
        text = event.data.decode(errors="replace").lstrip("\ufeff").replace("\n", "")
        data = text.encode()
        try:
            fields, audio = read_whole_event(data, _FIELDS)
            document = read_object(data)
        except UNREADABLE:
            document = None
        if document is not None and not isinstance(error, UnicodeDecodeError):
            return data, fields, audio
        if document is not None and speaks_of_error(document, event.type.decode(errors="replace")):
            raise failure_in_event(data, self._headers) from error
        said = excerpt(data.decode())
        raise self._malformed(f"it is no JSON object: {error}: {said!r}") from error

    def _pass_over(self, data: bytes, name: bytes) -> None:
        """Let an event of an unknown kind pass, unless that would lose an error or audio."""
        try:
            document = read_object(data)
            if speaks_of_error(document, name.decode(errors="replace")):
                raise failure_in_event(data, self._headers)
            data.decode()
        except UNREADABLE as error:
            raise self._malformed(f"it cannot be read: {error}") from error
        place = place_of_audio(document)
        if place is not None:
            raise self._malformed(f"it holds what may be audio in {place!r}, where none is known")

    def _take_words(self, data: bytes) -> None:
        try:
            self.words += read_words(data)
        except UNREADABLE as error:
            raise self._malformed(f"its word timings cannot be read: {error}") from error

    def _whole_samples(self, audio: bytes) -> bytes:
        audio, self._part_of_frame = whole_frames(audio, self._part_of_frame, self._frame_bytes)
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


def _without_data(error: SpeechError) -> SpeechError:
    """Take what the service sent out of an exception's tracebacks and causes.

    It may repeat the key, and no traceback's local variables may show that.
    """
    cause = error.__cause__
    if isinstance(cause, UnicodeDecodeError):
        cause = ValueError(str(cause))
    if cause is not None:
        cause.__traceback__ = cause.__context__ = None
    error.__cause__ = error.__context__ = cause
    return error.with_traceback(None)
