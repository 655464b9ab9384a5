"""The request headers that choose between the shapes an answer is known to have."""

from typing import TypeVar

from starlette.datastructures import Headers

from together_emulator import voice_list
from together_emulator.errors import ApiError, quoted
from together_emulator.events import SHAPES, Shape
from together_emulator.session import WORD_TIMES_FROM, SessionOptions, WordTimes
from together_emulator.stream import StreamOptions

STREAM_SHAPE = "x-emulate-stream-shape"
WORDS = "x-emulate-words"
WORD_TIMES = "x-emulate-word-times"
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
        nested_words=_nested_words(headers),
        odd_pieces=_odd_pieces(headers),
    )


def session_options(headers: Headers) -> SessionOptions:
    """How the events of a realtime session are to look.

    Raises:
        ApiError: A header has a value that it cannot have.
    """
    times: dict[str, WordTimes] = {times: times for times in WORD_TIMES_FROM}
    return SessionOptions(
        nested_words=_nested_words(headers),
        odd_pieces=_odd_pieces(headers),
        word_times=_choice(headers, WORD_TIMES, times, "item"),
    )


def voices_shape(headers: Headers) -> str:
    """How the list of voices is to look.

    Raises:
        ApiError: The header has a value that it cannot have.
    """
    return _choice(headers, VOICES, {shape: shape for shape in voice_list.SHAPES}, "data")


def _nested_words(headers: Headers) -> bool:
    return _choice(headers, WORDS, {"flat": False, "nested": True}, "flat")


def _odd_pieces(headers: Headers) -> bool:
    return _choice(headers, PIECES, {"even": False, "odd": True}, "even")


_T = TypeVar("_T")


def _choice(headers: Headers, name: str, choices: dict[str, _T], default: str) -> _T:
    value = headers.get(name, default).lower()
    if value not in choices:
        raise ApiError(400, f"{name} {quoted(value)} is none of {', '.join(choices)}")
    return choices[value]
