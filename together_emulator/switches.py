"""The request headers that choose between the shapes an answer is known to have."""

from typing import TypeVar

from starlette.datastructures import Headers

from together_emulator import voice_list
from together_emulator.errors import ApiError, quoted
from together_emulator.events import SHAPES, Shape
from together_emulator.stream import StreamOptions

STREAM_SHAPE = "x-emulate-stream-shape"
WORDS = "x-emulate-words"
PIECES = "x-emulate-pieces"
VOICES = "x-emulate-voices"


def stream_options(headers: Headers) -> StreamOptions:
    """How a stream is to look.

    Raises:
        ApiError: A header has a value that it cannot have.
    """
    shapes: dict[str, Shape] = {shape: shape for shape in SHAPES}
    return StreamOptions(
        shape=_choice(headers, STREAM_SHAPE, shapes, "b"),
        nested_words=_choice(headers, WORDS, {"flat": False, "nested": True}, "flat"),
        odd_pieces=_choice(headers, PIECES, {"even": False, "odd": True}, "even"),
    )


def voices_shape(headers: Headers) -> str:
    """How the list of voices is to look.

    Raises:
        ApiError: The header has a value that it cannot have.
    """
    return _choice(headers, VOICES, {shape: shape for shape in voice_list.SHAPES}, "data")


_T = TypeVar("_T")


def _choice(headers: Headers, name: str, choices: dict[str, _T], default: str) -> _T:
    value = headers.get(name, default).lower()
    if value not in choices:
        raise ApiError(400, f"{name} {quoted(value)} is none of {', '.join(choices)}")
    return choices[value]
