"""What a realtime session is asked for, and how that goes on the wire.

The rules are those of a streamed request. What the service documents for its WebSocket differs in
three points: the audio is always `pcm_s16le` without a header, at 24000 Hz unless the model honours
`sample_rate`; there is no format to choose; and all of it goes in the query of the URL, or later in
a `tts_session.updated` (guide). That `extra_params` stand in the query as JSON is assumed.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from facade._rules.request import SpeechRequest
from facade.errors import InvalidRequestError
from facade.formats import AudioFormat, Encoding
from facade.voices import Voice, VoiceMix

_RATE_HZ = 24000
_ENCODING: Encoding = "pcm_s16le"
# Fields of a streamed request that a realtime connection does not have.
_ELSEWHERE = ("input", "stream", "response_format", "response_encoding")


class RealtimeLimits(NamedTuple):
    """How long a session waits, in seconds.

    Attributes:
        first_audio_s: From the end of an utterance's text to its first audio.
        read_s: Between two events of it, after the end of its text.
        total_s: From the end of its text to the end of its audio.
        hold_s: How long a letter is held so that a word goes out whole.
        settle_s: How long nothing more comes after all that an end has, before it is one.
        quiet_s: How long nothing more comes before an utterance is at its end as a last resort.
        untimed_s: The same where timings come, and the last words have none.
        rest_s: How long an id that may still be spoken for is not used again.
        contexts: How many contexts a connection may have (guide: 100).
    """

    first_audio_s: float = 60.0
    read_s: float = 120.0
    total_s: float = 600.0
    hold_s: float = 0.03
    settle_s: float = 1.0
    quiet_s: float = 3.0
    untimed_s: float = 10.0
    rest_s: float = 60.0
    contexts: int = 100

    @property
    def soonest_s(self) -> float:
        """After an event, nothing that it has not done at once is due sooner than this."""
        return min(self.settle_s, self.read_s)


class RealtimeSettings(NamedTuple):
    """What a session, or one turn of it, is asked for, checked.

    Attributes:
        fields: What goes on the wire.
        format: The format of the audio.
        request: A streamed request for the same, without a text, for the rules that need a look at
            the live list of voices.
        voice, validate_voices, options: What it was built with.
    """

    fields: Mapping[str, object]
    format: AudioFormat
    request: SpeechRequest
    voice: str | Voice | VoiceMix
    validate_voices: bool
    options: Mapping[str, object]

    @classmethod
    def build(
        cls,
        options: Mapping[str, object],
        *,
        voice: str | Voice | VoiceMix,
        validate_voices: bool,
    ) -> "RealtimeSettings":
        """Check everything that can be checked without a network.

        `alignment` is `"word"` unless another is given: what was heard of a turn is known by it.

        Args:
            options: Those of `RealtimeOptions`.
            voice: The voice.
            validate_voices: Whether to refuse voices that the model does not have.

        Raises:
            InvalidRequestError: An argument is wrong, or the model or the connection would ignore
                it.
            TypeError: There is no such option.
        """
        asked = dict(options)
        if asked.get("alignment") is None:
            asked["alignment"] = "word"
        if options.get("response_encoding") not in (None, _ENCODING):
            raise InvalidRequestError(
                f"a realtime connection always gives {_ENCODING}; leave it out "
                f"({options['response_encoding']!r} was given)",
                param="response_encoding",
            )
        partial_length = asked.pop("max_partial_length", None)
        if partial_length is not None and (type(partial_length) is not int or partial_length < 1):
            raise InvalidRequestError(
                f"must be a number of characters from 1, not {partial_length!r}",
                param="max_partial_length",
            )
        request = SpeechRequest.build(
            "-", asked, voice=voice, validate_voices=validate_voices, is_stream=True
        )
        fields: dict[str, Any] = {
            "model": request.model,
            "voice": request.voice,
            **request.extra_body,
            **request.options,
        }
        pronunciations = fields.pop("pronunciation_dict", None)
        if pronunciations is not None:
            extra_params = fields.get("extra_params", {})
            fields["extra_params"] = {**extra_params, "pronunciation_dict": [*pronunciations]}
        fields = {name: value for name, value in fields.items() if name not in _ELSEWHERE}
        if partial_length is not None:
            fields["max_partial_length"] = partial_length
        known = request.known_model.sample_rate_hz if request.known_model else None
        rate_hz = known or request.options.get("sample_rate") or _RATE_HZ
        return cls(
            fields=fields,
            format=AudioFormat("raw", _ENCODING, rate_hz, 1),
            request=request,
            voice=voice,
            validate_voices=validate_voices,
            options=options,
        )

    def for_turn(
        self, options: Mapping[str, object], *, voice: str | Voice | VoiceMix | None
    ) -> "RealtimeSettings":
        """Return the settings of a turn: these, but for what is given and not `None`.

        Raises:
            InvalidRequestError: As by `build`.
            TypeError: There is no such option.
        """
        changed = {name: value for name, value in options.items() if value is not None}
        if voice is None and not changed:
            return self
        return self.build(
            {**self.options, **changed},
            voice=self.voice if voice is None else voice,
            validate_voices=self.validate_voices,
        )

    def changes_to(self, turn: "RealtimeSettings") -> dict[str, object]:
        """Return what a context has to be told so that it speaks as `turn` asks."""
        return {
            name: value for name, value in turn.fields.items() if self.fields.get(name) != value
        }

    @property
    def query(self) -> str:
        """The query of the URL, without a `?`.

        A space is `%20` and a `+` is `%2B`: the service reads a bare `+` as a space, and then
        knows no voice mix (seen).
        """
        texts = {name: _text(value) for name, value in self.fields.items()}
        return urlencode(texts, safe="", quote_via=quote)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
