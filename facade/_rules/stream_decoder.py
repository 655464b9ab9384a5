"""The events of a streamed answer into audio and word timings.

Four shapes of events have been seen. The contract's holds audio in `b64`, that of the live service
in `delta` (with word timings in events of their own), an older one in `audio`; a stream ends with
the event `[DONE]`, or in the older shape with one of type `done`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from pybase64 import b64decode

from facade._rules.error_mapping import (
    BODY_LIMIT,
    empty_audio,
    excerpt,
    failure_in_event,
    failure_in_place_of_stream,
    is_name_of_error,
    speaks_of_error,
)
from facade._rules.sse import Event, OversizedEventError, SSEDecoder, begins_stream
from facade._rules.words import WordTiming
from facade.errors import MalformedStreamError, SpeechError, StreamInterruptedError
from facade.formats import AudioFormat

_AUDIO = "conversation.item.audio_output.delta"
_WORDS = "conversation.item.word_timestamps"
_CHUNK = "audio.tts.chunk"

# What may be wrong with JSON: msgspec's errors are no ValueError in every version.
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
_HEARTBEATS = (b"ping", b"heartbeat", b"keepalive", b"keep-alive")


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
            _, text = _read(data)
            if not isinstance(text, _TEXT):
                return None
            # By position, which costs half of what names do.
            audio = b64decode(text, None, True)
        except _UNREADABLE:
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
            self._head.clear()
            audio = self._take(event)
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
            fields, audio = _read_whole(data) if b"\\" in data else _read(data)
        except _UNREADABLE as error:
            if event.type.lower() in _HEARTBEATS or not data.strip():
                return b""
            data, fields, audio = self._mended(event, error)
        if isinstance(audio, _TEXT):
            try:
                return self._whole_samples(_decoded(audio))
            except ValueError as error:
                raise self._malformed(f"its audio is not base64: {error}") from error
        if audio is not msgspec.UNSET:
            raise self._malformed("it has no audio")
        if not fields.error and fields.type == "done":
            return self._end()
        if not fields.error and fields.type == _WORDS:
            self._take_words(data)
        else:
            self._pass_over(data, event.type)
        return b""

    def _mended(self, event: Event, error: Exception) -> tuple[bytes, "_Fields", Any]:
        """Read an event again, without what means nothing and should not be there.

        Between the lines of an event there may be base64, and before them a byte-order mark. Where
        bytes are no UTF-8, only the service's own words are worth more than the failure to read it.
        """
        text = event.data.decode(errors="replace").lstrip("\ufeff").replace("\n", "")
        data = text.encode()
        try:
            fields, audio = _read_whole(data)
            document = _document(data)
        except _UNREADABLE:
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
            document = _document(data)
            if speaks_of_error(document, name.decode(errors="replace")):
                raise failure_in_event(data, self._headers)
            data.decode()
        except _UNREADABLE as error:
            raise self._malformed(f"it cannot be read: {error}") from error
        place = _place_of_audio(document)
        if place is not None:
            raise self._malformed(f"it holds what may be audio in {place!r}, where none is known")

    def _take_words(self, data: bytes) -> None:
        try:
            said = _WORD_LISTS.decode(data)
            said = said.timestamps or said
            timings = zip(said.words, said.start_seconds, said.end_seconds, strict=True)
            self.words += [WordTiming(*timing) for timing in timings]
        except _UNREADABLE as error:
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
                # Large audio is not copied once more: fresh memory costs more than decoding it.
                return fields, memoryview(data)[start + 1 : -2]
    return _read_whole(data)


def _read_whole(data: bytes) -> tuple[_Fields, Any]:
    fields = _FIELDS.decode(data)
    return fields, _audio_in(fields)


def _audio_in(fields: _Fields) -> Any:
    """Return what stands where an event of audio has it; `UNSET` for any other event."""
    if fields.error:
        return msgspec.UNSET
    if fields.type == _AUDIO:
        return fields.delta
    if fields.type == "delta":
        return fields.audio
    if fields.object == _CHUNK:
        other = fields.type in ("done", _WORDS) or is_name_of_error(fields.type)
        return msgspec.UNSET if other else fields.b64
    if fields.b64 is not None and fields.object is None and fields.type is None:
        return fields.b64
    return msgspec.UNSET


def _decoded(audio: memoryview | str) -> bytes:
    try:
        return b64decode(audio, None, True)
    except ValueError:
        # Some encoders break their lines.
        text = audio.encode() if isinstance(audio, str) else bytes(audio)
        return b64decode(text.translate(None, b"\r\n"), None, True)


def _document(data: bytes) -> dict[str, Any]:
    """Return the whole of an event, as far as it can be read."""
    return _OBJECT.decode(data.decode(errors="replace"))


# --- audio where none is known -------------------------------------------------------------------

_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_NAME_OF_AUDIO = re.compile(r"delta|audio|pcm|.*(b64|base64).*|audio_data", re.IGNORECASE)
_NAME_OF_OTHER = re.compile(
    r".*(id|key|hash|token|cursor|nonce|signature|model|voice|text)", re.IGNORECASE
)
_WORD = re.compile(r"[A-Z]?[a-z]*([A-Z][a-z]+)*")
_DIGEST = re.compile(r"(?=.*[0-9])([0-9a-f]+|[0-9A-F]+)")


def _place_of_audio(document: dict[str, Any]) -> str | None:
    """Return the name in an event of an unknown kind under which it holds base64, if it does."""
    waiting: list[tuple[str, Any]] = list(document.items())
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.items()
        elif isinstance(value, list):
            waiting += ((name, inner) for inner in value)
        elif isinstance(value, str) and _may_be_audio(name, value):
            return name
    return None


def _may_be_audio(name: str, value: str) -> bool:
    """Whether this is base64, which words, names and digests can be by chance."""
    text = value.replace("\r", "").replace("\n", "")
    if not text or not _BASE64.fullmatch(text) or _NAME_OF_OTHER.fullmatch(name):
        return False
    if _WORD.fullmatch(text) or _DIGEST.fullmatch(text):
        return False
    return _NAME_OF_AUDIO.fullmatch(name) is not None or text.endswith("=") or len(text) >= 32


# --- reading JSON --------------------------------------------------------------------------------


class _WordLists(msgspec.Struct):
    """Both places where the lists have been seen."""

    words: list[str] = []
    start_seconds: list[float] = []
    end_seconds: list[float] = []
    timestamps: "_WordLists | None" = None


_TEXT = (memoryview, str)
_FIELDS = msgspec.json.Decoder(_Fields)
_OBJECT = msgspec.json.Decoder(dict[str, Any])
_WORD_LISTS = msgspec.json.Decoder(_WordLists)
