"""The events that carry audio: what they hold, and their base64.

A stream of server-sent events and a realtime connection carry the same events, so both decoders
read them here.
"""

import re
from typing import Any, TypeVar

import msgspec
from pybase64 import b64decode

from facade._rules.error_mapping import is_name_of_error
from facade._rules.words import WordTiming

AUDIO = "conversation.item.audio_output.delta"
WORDS = "conversation.item.word_timestamps"
_CHUNK = "audio.tts.chunk"

# What may be wrong with JSON: msgspec's errors are no ValueError in every version.
UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)


class EventFields(msgspec.Struct):
    """What an event may hold."""

    type: Any = None
    object: Any = None
    delta: Any = None
    b64: Any = None
    audio: Any = None
    error: Any = None


_Fields = TypeVar("_Fields", bound=EventFields)


def read_event(data: bytes, decoder: msgspec.json.Decoder[_Fields]) -> tuple[_Fields, Any]:
    """Return what an event holds, and what stands where one of audio has it, or else `UNSET`.

    Base64 that has escapes in it, as `"\\/"`, must be read by `read_whole_event`.

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
            fields = decoder.decode(head + b'"\\u0000"}')
            if _audio_in(fields) == "\0":
                # Large audio is not copied once more: fresh memory costs more than decoding it.
                return fields, memoryview(data)[start + 1 : -2]
    return read_whole_event(data, decoder)


def read_whole_event(data: bytes, decoder: msgspec.json.Decoder[_Fields]) -> tuple[_Fields, Any]:
    """Return what `read_event` does, whatever escapes the event has."""
    fields = decoder.decode(data)
    return fields, _audio_in(fields)


def _audio_in(fields: EventFields) -> Any:
    """Return what stands where an event of audio has it; `UNSET` for any other event."""
    if fields.error:
        return msgspec.UNSET
    if fields.type == AUDIO:
        return fields.delta
    if fields.type == "delta":
        return fields.audio
    if fields.object == _CHUNK:
        other = fields.type in ("done", WORDS) or is_name_of_error(fields.type)
        return msgspec.UNSET if other else fields.b64
    if fields.b64 is not None and fields.object is None and fields.type is None:
        return fields.b64
    return msgspec.UNSET


def decode_base64(audio: memoryview | str) -> bytes:
    """Return the bytes of base64, which may be broken into lines.

    Raises:
        ValueError: It is none.
    """
    try:
        return b64decode(audio, None, True)
    except ValueError:
        # Some encoders break their lines.
        text = audio.encode() if isinstance(audio, str) else bytes(audio)
        return b64decode(text.translate(None, b"\r\n"), None, True)


def read_words(data: bytes) -> list[WordTiming]:
    """Return what an event says of words.

    Raises:
        msgspec.DecodeError: It has no lists of words, beginnings and ends.
        ValueError: Their lengths differ.
    """
    said = _WORD_LISTS.decode(data)
    said = said.timestamps or said
    timings = zip(said.words, said.start_seconds, said.end_seconds, strict=True)
    return [WordTiming(*timing) for timing in timings]


class _WordLists(msgspec.Struct):
    """Both places where the lists have been seen."""

    words: list[str] = []
    start_seconds: list[float] = []
    end_seconds: list[float] = []
    timestamps: "_WordLists | None" = None


_OBJECT = msgspec.json.Decoder(dict[str, Any])
_WORD_LISTS = msgspec.json.Decoder(_WordLists)


def read_object(data: bytes) -> dict[str, Any]:
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
# No id, key or digest is so long, whatever its name and its alphabet: 48 ms of audio are.
_LONG = re.compile(r"(data:[^,]*,)?[A-Za-z0-9+/_=-]{2048,}")


def place_of_audio(document: dict[str, Any]) -> str | None:
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
    if _LONG.fullmatch(text):
        return True
    if not text or not _BASE64.fullmatch(text) or _NAME_OF_OTHER.fullmatch(name):
        return False
    if _WORD.fullmatch(text) or _DIGEST.fullmatch(text):
        return False
    return _NAME_OF_AUDIO.fullmatch(name) is not None or text.endswith("=") or len(text) >= 32
