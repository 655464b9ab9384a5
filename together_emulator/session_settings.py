"""What a realtime session, or one context of it, speaks with."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Self, cast

from starlette.datastructures import QueryParams

from together_emulator.audio import AudioFormat, Encoding
from together_emulator.catalogue import Model
from together_emulator.errors import quoted
from together_emulator.request import (
    MAX_INPUT_CHARACTERS,
    SAMPLE_RATES,
    Fields,
    SpeechRequest,
    check_readable,
    choose_voice,
    find_model,
    find_script,
    ignored_options,
    refuse,
)
from together_emulator.text_buffer import SEGMENTS, Segment

SPEEDS = (0.25, 4.0)
"""The slowest and the fastest speech that may be asked for; 1 is normal."""

_DEFAULTS = {"model": "hexgrad/Kokoro-82M", "voice": "tara", "max_partial_length": 250}
_OPTIONS = frozenset(
    {
        *("model", "voice", "max_partial_length", "response_format", "response_encoding"),
        *("sample_rate", "language", "speed", "alignment", "segment", "extra_params"),
    }
)


@dataclass(frozen=True)
class SessionSettings:
    """The options of a session, as they were given; what was not has its default.

    Attributes:
        values: By name.
    """

    values: Mapping[str, object] = field(default_factory=lambda: _DEFAULTS)

    def updated(self, values: Mapping[str, object], warnings: list[str]) -> Self:
        """The same with other values for some options.

        Args:
            values: By name, as in JSON.
            warnings: Is added to where something is ignored.

        Raises:
            ApiError: One of them is refused.
        """
        known = {name: values[name] for name in values if name in _OPTIONS}
        warnings += [
            f"the field {quoted(name)} is not known" for name in sorted(values.keys() - _OPTIONS)
        ]
        settings = replace(self, values={**self.values, **known})
        model = settings._check(voice="voice" in known)
        warnings += ignored_options(known, model)
        return settings

    @property
    def segment(self) -> Segment:
        """When text is spoken that is not committed."""
        return cast("Segment", self.values.get("segment", "sentence"))

    @property
    def max_partial_length(self) -> int:
        """How many characters may wait for the end of their sentence."""
        return Fields(self.values).integer("max_partial_length") or 1

    def request(self, text: str) -> SpeechRequest:
        """What to speak for a text.

        Raises:
            ApiError: It cannot be spoken with these settings.
        """
        fields = Fields(self.values)
        model = self._check(voice=True)
        script = find_script(fields, "text", text)
        voice = replace(choose_voice(fields, model), speed=fields.number("speed") or 1.0)
        check_readable("text", script, voice)
        return SpeechRequest(
            model.name,
            script,
            voice,
            _audio_format(fields, model),
            is_streamed=True,
            with_words=self.values.get("alignment") == "word",
        )

    def _check(self, *, voice: bool) -> Model:
        """Check every option.

        Args:
            voice: Whether the voice too. Where the model changes it may still be that of the other.
        """
        fields = Fields(self.values)
        model = find_model(fields.required_text("model"))
        if voice:
            choose_voice(fields, model)
        length = fields.integer("max_partial_length")
        if length is not None and not 1 <= length <= MAX_INPUT_CHARACTERS:
            refuse(
                "max_partial_length",
                f"max_partial_length {length} is not from 1 to {MAX_INPUT_CHARACTERS}",
            )
        speed = fields.number("speed")
        if speed is not None and not SPEEDS[0] <= speed <= SPEEDS[1]:
            refuse("speed", f"speed {speed:g} is not from {SPEEDS[0]:g} to {SPEEDS[1]:g}")
        fields.one_of("alignment", ("none", "word"))
        fields.one_of("segment", SEGMENTS)
        fields.pronunciation_rules()
        _audio_format(fields, model)
        return model


def query_values(query: QueryParams) -> dict[str, object]:
    """The options in the query of a URL, with the types that they have in JSON.

    A value that has not its type is left as it is, for the check to refuse.
    """
    values: dict[str, object] = {}
    for name, text in query.items():
        values[name] = text
        if name in ("max_partial_length", "sample_rate", "speed", "extra_params"):
            with suppress(ValueError, RecursionError):
                values[name] = json.loads(text, parse_constant=str)
    values.pop("api_key", None)
    return values


def _audio_format(fields: Fields, model: Model) -> AudioFormat:
    container = fields.one_of(
        "response_format", ("pcm", "raw", "wav", "mulaw", "mp3", "opus", "aac", "flac")
    )
    if container in ("mp3", "opus", "aac", "flac"):
        refuse("response_format", f"this emulator's WebSocket does not make {container}, but pcm")
    encoding = fields.one_of(
        "response_encoding", ("pcm_f32le", "pcm_s16le", "pcm_mulaw", "pcm_alaw")
    )
    rate = fields.integer("sample_rate")
    # Unlike a request's: mono 16-bit samples at 24000 Hz, whatever the model has else.
    if encoding is None or "response_encoding" not in model.honours:
        encoding = "pcm_mulaw" if container == "mulaw" else "pcm_s16le"
    if rate is None or "sample_rate" not in model.honours:
        rate = 24000
    if rate not in SAMPLE_RATES:
        refuse("sample_rate", f"sample_rate {rate} is not from 8000 to 48000")
    return AudioFormat("raw", cast("Encoding", encoding), rate)
