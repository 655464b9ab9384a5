"""What may be said of a request besides its text and voice: each option in one place."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypedDict, TypeVar, get_type_hints

ResponseFormat: TypeAlias = Literal["wav", "mp3", "raw", "mulaw", "opus", "aac", "flac"]
ResponseEncoding: TypeAlias = Literal["pcm_f32le", "pcm_s16le", "pcm_mulaw", "pcm_alaw"]
BitRate: TypeAlias = Literal[32000, 64000, 96000, 128000, 192000]
Alignment: TypeAlias = Literal["none", "word"]
Segment: TypeAlias = Literal["sentence", "immediate", "never"]
Pronunciations: TypeAlias = Mapping[str, str] | Sequence[str]

DEFAULT_MODEL = "hexgrad/Kokoro-82M"

_Method = TypeVar("_Method", bound=Callable[..., Any])


class SpeechOptions(TypedDict, total=False):
    """The options that every way of speaking takes. `None` is as good as leaving one out, but for
    the model.

    What is left out is not sent, so the service's own default holds.

    Attributes:
        model: The model, by default Kokoro (`"hexgrad/Kokoro-82M"`). A name that is not known is
            passed on as it is.
        response_encoding: How samples of raw audio are written. Cartesia honours it (its default is
            `"pcm_f32le"`); Kokoro, Orpheus and MiniMax always give `"pcm_s16le"` (contract).
        sample_rate: In Hz, from 1 to 1,000,000. Cartesia and MiniMax honour it (default 44100);
            Kokoro and Orpheus always give 24000 (contract).
        language: Of the text: ISO 639-1 such as `"en"`, or a locale in lower case such as `"zh-hk"`
            (contract).
        pronunciation_dict: What to say in place of what: a mapping, or strings of the form
            `"omg/oh my god"` (contract).
        segment: How the service cuts the text before it speaks: `"sentence"` (its default),
            `"immediate"` or `"never"` (text-to-speech guide).
        extra_body: Fields of the request that have no option here, as they go on the wire.
    """

    model: str
    response_encoding: ResponseEncoding | None
    sample_rate: int | None
    language: str | None
    pronunciation_dict: Pronunciations | None
    segment: Segment | None
    extra_body: Mapping[str, object] | None


class SynthesizeOptions(SpeechOptions, total=False):
    """The options of `synthesize`: those of `SpeechOptions`, and these.

    Attributes:
        response_format: `"wav"` (the service's default), `"mp3"`, `"raw"` (samples without a
            header) or `"mulaw"`; MiniMax also gives `"opus"`, `"aac"` and `"flac"` (contract; for
            the last four the text-to-speech guide).
        bit_rate: Of MP3, in bit/s. Cartesia honours it (default 128000; contract).
    """

    response_format: ResponseFormat | None
    bit_rate: BitRate | None


class StreamOptions(SpeechOptions, total=False):
    """The options of `stream`: those of `SpeechOptions`, and this.

    Attributes:
        alignment: `"word"` to have the timing of each word too, in the stream's `words`; `"none"`
            is the service's default (text-to-speech guide).
    """

    alignment: Alignment | None


class RealtimeOptions(StreamOptions, total=False):
    """The options of a realtime session, or of one turn of it: those of `StreamOptions`, and this.

    `alignment` is `"word"` unless another is given, since what was heard of a turn is known by it.
    `response_encoding` is always `"pcm_s16le"` (text-to-speech guide).

    Attributes:
        max_partial_length: How many characters of a text without an end the service gathers before
            it speaks them, from 1; its default is 250 (API reference of the WebSocket).
    """

    max_partial_length: int | None


class NarrationOptions(TypedDict, total=False):
    """The options of `narrate`. `None` is as good as leaving one out, but for the model.

    Attributes:
        model: As in `SpeechOptions`.
        sample_rate: In Hz, from 8,000 to 48,000, of the pieces and of the file. Cartesia and
            MiniMax honour it (default 44100); Kokoro and Orpheus always give 24000 (contract). It
            is needed for a model that is not known.
        language: As in `SpeechOptions`. A book that does not say its own is divided as one in this.
        pronunciation_dict, segment, extra_body: As in `SpeechOptions`.
        alignment: `"word"` to have subtitles with the time of each word. The pieces are streamed
            then, and one is kept only together with its words.
    """

    model: str
    sample_rate: int | None
    language: str | None
    pronunciation_dict: Pronunciations | None
    segment: Segment | None
    alignment: Alignment | None
    extra_body: Mapping[str, object] | None


class AnyOptions(SynthesizeOptions, StreamOptions, total=False):
    """All options of a request."""


def takes(options: type) -> Callable[[_Method], _Method]:
    """Let a method that takes `**options` show each of them to `help()` and to editors at run time.

    Args:
        options: The class of `TypedDict` that they are listed in.
    """

    def show(method: _Method) -> _Method:
        shown = inspect.signature(method)
        positional = [p for p in shown.parameters.values() if p.kind is not p.VAR_KEYWORD]
        named = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=DEFAULT_MODEL if name == "model" else None,
                annotation=kind,
            )
            for name, kind in get_type_hints(options).items()
        ]
        signature = shown.replace(parameters=[*positional, *named])
        method.__signature__ = signature  # type: ignore[attr-defined]
        return method

    return show
