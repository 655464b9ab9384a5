"""The server-sent events of a streamed answer, in each shape that has been seen."""

import base64
import json
from collections.abc import Iterator
from typing import Literal, get_args

from together_emulator.answer import TimedWord

Shape = Literal["a", "b", "c"]
SHAPES: tuple[Shape, ...] = get_args(Shape)

PIECE_MS = 100
"""The duration of the audio in one event; the last of a sentence may be shorter."""


def audio_event(shape: Shape, model: str, audio: bytes) -> bytes:
    """The event that carries a piece of audio.

    Args:
        shape: ``"b"`` is what the live service sends, ``"a"`` what the contract says, and ``"c"``
            an older one.
        model: The model of the request.
        audio: Whole samples.
    """
    encoded = base64.b64encode(audio).decode("ascii")
    if shape == "a":
        return _event({"object": "audio.tts.chunk", "model": model, "b64": encoded})
    if shape == "b":
        return _event(
            {
                "type": "conversation.item.audio_output.delta",
                "item_id": "tts_1",
                "delta": encoded,
            }
        )
    return _event({"type": "delta", "audio": encoded})


def words_event(words: list[TimedWord], *, nested: bool) -> bytes:
    """The event that carries word timings, which is the same in every shape.

    Args:
        words: One or more words.
        nested: Whether the lists stand under ``timestamps``.
    """
    return _event(
        {
            "type": "conversation.item.word_timestamps",
            "item_id": "tts_1",
            **word_lists(words, nested=nested),
        }
    )


def word_lists(words: list[TimedWord], *, nested: bool) -> dict[str, object]:
    """The fields of an event that say when each word is spoken.

    Args:
        words: One or more words.
        nested: Whether the lists stand under ``timestamps``.
    """
    lists: dict[str, object] = {
        "words": [word.text for word in words],
        "start_seconds": [round(word.start_s, 4) for word in words],
        "end_seconds": [round(word.end_s, 4) for word in words],
    }
    return {"timestamps": lists} if nested else lists


def is_audio(event: bytes) -> bool:
    """Whether an event that is not the end mark carries audio."""
    return event.endswith(b'"}\n\n')


def malformed(event: bytes) -> bytes:
    """An audio event whose JSON breaks off."""
    return event.removesuffix(b'"}\n\n') + b"\n\n"


def spoiled(event: bytes) -> bytes:
    """An audio event whose audio is no base64."""
    return event.removesuffix(b'"}\n\n') + b'*"}\n\n'


def end_mark(shape: Shape) -> bytes:
    """The last event."""
    return _event({"type": "done"}) if shape == "c" else b"data: [DONE]\n\n"


def pieces(audio: bytes, size: int) -> Iterator[bytes]:
    """Cut audio into pieces of `size` bytes and a rest."""
    return (audio[start : start + size] for start in range(0, len(audio), size))


def _event(fields: dict[str, object]) -> bytes:
    return b"data: " + json.dumps(fields, separators=(",", ":")).encode("ascii") + b"\n\n"
