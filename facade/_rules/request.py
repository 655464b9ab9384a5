"""A request for speech: every rule about what may be asked, in one place.

A rule comes from the contract (`openapi.yaml`), from Together's text-to-speech guide where it says
so, or from the catalogue's facts about the model.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast, get_args

from facade._rules.catalogue import Model, closest, models
from facade._rules.options import (
    DEFAULT_MODEL,
    Alignment,
    AnyOptions,
    BitRate,
    Pronunciations,
    ResponseEncoding,
    ResponseFormat,
    Segment,
    StreamOptions,
    SynthesizeOptions,
)
from facade.errors import InvalidRequestError, InvalidVoiceMixError, UnknownVoiceError
from facade.formats import AudioFormat, Container, Encoding
from facade.voices import Voice, VoiceMix

# ISO 639-1, or a locale in lower case such as `zh-hk` (contract).
_LANGUAGE = re.compile(r"[a-z]{2}(-[a-z0-9]{2,8})*")
# No rule of the service's, but above any rate in use, and well within what a WAV header can hold.
_HIGHEST_RATE_HZ = 1_000_000
_SYNTHESIZE_OPTIONS = SynthesizeOptions.__optional_keys__
_STREAM_OPTIONS = StreamOptions.__optional_keys__
_CHOICES = {
    "response_encoding": get_args(ResponseEncoding),
    "bit_rate": get_args(BitRate),
    "segment": get_args(Segment),
    "alignment": get_args(Alignment),
}
_ON_THE_WIRE = AnyOptions.__optional_keys__ - {"extra_body", "pronunciation_dict"}
# Fields of the wire that are arguments of another name, or of another method.
_ELSEWHERE = {
    "input": "text",
    "voice": "voice",
    "stream": "SpeechClient.stream",
    "alignment": "SpeechClient.stream(alignment=...)",
}
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class SpeechRequest(NamedTuple):
    """A valid request.

    Attributes:
        text: What to say.
        voice: The voice, in the wire's spelling.
        model: The model.
        options: The options that were given, but for `model` and `extra_body`, by their names.
        extra_body: Further fields, as they go on the wire.
        known_model: What is known of the model, or `None`.
        stream: Whether the answer is to be a stream.
    """

    text: str
    voice: str
    model: str
    options: Mapping[str, Any]
    extra_body: Mapping[str, object]
    known_model: Model | None
    stream: bool = False

    @classmethod
    def build(
        cls,
        text: str,
        options: Mapping[str, object],
        *,
        voice: str | Voice | VoiceMix,
        validate_voices: bool,
        is_stream: bool = False,
    ) -> "SpeechRequest":
        """Check everything that can be checked without a network.

        Args:
            text: What to say.
            options: Those of `SynthesizeOptions`, or of `StreamOptions` for a stream.
            voice: The voice.
            validate_voices: Whether to refuse voices that the model does not have.
            is_stream: Whether the answer is to be a stream.

        Raises:
            InvalidRequestError: An argument is wrong, or the model would ignore it.
            UnknownVoiceError: The model's list of voices is complete and has no such voice.
            InvalidVoiceMixError: A mix that cannot be read, or on a model that takes none.
            TypeError: There is no such option.
        """
        _check_text(text)
        check_names(options, is_stream=is_stream)
        model = check_model(options.get("model", DEFAULT_MODEL))
        given: dict[str, Any] = {
            name: value for name, value in options.items() if value is not None and name != "model"
        }
        if is_stream:
            given["response_format"] = "raw"
        known = models().get(model)
        extra_body = _extra_body(given.pop("extra_body", None))
        if "pronunciation_dict" in given:
            given["pronunciation_dict"] = _pronunciations(given["pronunciation_dict"])
        request = cls(
            text=text,
            voice=_voice(voice, model, known, validate=validate_voices),
            model=model,
            options=given,
            extra_body=extra_body,
            known_model=known,
            stream=is_stream,
        )
        if given:
            request._check_options()
        return request

    def with_text(self, text: str) -> "SpeechRequest":
        """Return the same request for another text, which is not checked."""
        return SpeechRequest(text, *self[1:])

    @property
    def expected_format(self) -> AudioFormat:
        """The format that the request and the model's rules promise.

        Defaults are the contract's: WAV; raw audio in `pcm_f32le` at 44100 Hz from a model that
        honours those options. All models answer in mono.
        """
        asked = self.options.get("response_format", "wav")
        rate = self._sample_rate_hz()
        if asked == "mulaw":
            return AudioFormat("raw", "pcm_mulaw", rate, 1)
        if asked != "raw":
            return AudioFormat(cast("Container", asked), None, rate, 1)
        return AudioFormat("raw", self._encoding(), rate, 1)

    @property
    def fingerprint(self) -> str:
        """What two requests have in common only where they ask for the same."""
        asked = {
            "text": self.text,
            "voice": self.voice,
            "model": self.model,
            "options": self.options,
            "extra_body": self.extra_body,
        }
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()

    @property
    def needs_live_voices(self) -> bool:
        """Whether only the live list of voices can say if there is such a voice.

        Ids of the form of a UUID are not looked up: Cartesia's guide asks for them, and an account
        may have voices of its own that no list shows.
        """
        return (
            self.known_model is not None
            and not self.known_model.has_all_voices
            and self.voice not in self.known_model.voices
            and not _UUID.fullmatch(self.voice)
        )

    def check_live_voices(self, voices: Sequence[Voice]) -> None:
        """Check the voice against the live list of the model's voices.

        Raises:
            UnknownVoiceError: The list has voices of the model, and not this one.
        """
        names = {
            name for voice in voices if voice.model == self.model for name in (voice.id, voice.name)
        }
        if names and self.voice not in names:
            raise UnknownVoiceError(
                self.voice, model=self.model, suggestions=closest(self.voice, names)
            )

    def _check_options(self) -> None:
        known = self.known_model
        formats = known.formats if known else get_args(ResponseFormat)
        for param, choices in {"response_format": formats, **_CHOICES}.items():
            if param in self.options:
                _check_choice(param, self.options[param], choices)
        rate = self.options.get("sample_rate", 1)
        if type(rate) is not int or not 0 < rate <= _HIGHEST_RATE_HZ:
            raise InvalidRequestError(
                f"must be a whole number of Hz from 1 to {_HIGHEST_RATE_HZ:,}, not {rate!r}",
                param="sample_rate",
            )
        self._check_format_has("response_encoding", "raw")
        self._check_format_has("bit_rate", "mp3")
        self._check_honoured("response_encoding", known.encoding if known else None)
        self._check_honoured("sample_rate", known.sample_rate_hz if known else None)
        self._check_honoured("bit_rate", None)
        language = self.options.get("language", "en")
        if not (isinstance(language, str) and _LANGUAGE.fullmatch(language)):
            raise InvalidRequestError(
                f"{language!r} is neither an ISO 639-1 code such as 'en' nor a locale in "
                "lower case such as 'zh-hk'",
                param="language",
            )

    def _check_format_has(self, param: str, response_format: ResponseFormat) -> None:
        """Refuse an option that has no meaning in the format that was asked for."""
        asked = self.options.get("response_format", "wav")
        if param in self.options and asked != response_format:
            raise InvalidRequestError(
                f"only response_format={response_format!r} has one; "
                f"this request asks for {asked!r}",
                param=param,
            )

    def _check_honoured(self, param: str, fixed: object) -> None:
        """Refuse an option that the model would ignore, unless it asks for what comes anyway."""
        asked = self.options.get(param)
        known = self.known_model
        if asked is None or asked == fixed or known is None or known.honours is None:
            return
        if param not in known.honours:
            instead = f" and always gives {fixed}" if fixed else ""
            raise InvalidRequestError(
                f"{known.id} ignores it{instead}; leave it out ({asked!r} was given)", param=param
            )

    def _sample_rate_hz(self) -> int | None:
        fixed = self.known_model.sample_rate_hz if self.known_model else None
        asked: int | None = self.options.get("sample_rate")
        return fixed or asked or (44100 if self._honours("sample_rate") else None)

    def _encoding(self) -> Encoding | None:
        fixed = self.known_model.encoding if self.known_model else None
        default: Encoding | None = "pcm_f32le" if self._honours("response_encoding") else None
        return fixed or self.options.get("response_encoding") or default

    def _honours(self, param: str) -> bool:
        """Whether the model is known to honour `param`, and so to follow its default too."""
        honours = self.known_model.honours if self.known_model else None
        return honours is not None and param in honours


def _check_text(text: object) -> None:
    if not isinstance(text, str):
        raise InvalidRequestError(f"must be a string, not {type(text).__name__}", param="text")
    if not text.strip():
        raise InvalidRequestError("has nothing in it to speak", param="text")
    check_characters("text", text)


def check_model(model: object) -> str:
    """Return the name of a model.

    Raises:
        InvalidRequestError: It is none.
    """
    if not isinstance(model, str) or not model.strip():
        raise InvalidRequestError(f"must be the name of a model, not {model!r}", param="model")
    check_characters("model", model)
    return model


def check_characters(param: str, text: str) -> None:
    """Refuse what cannot be sent as JSON in UTF-8, and NUL, which cuts the text in some engines."""
    if "\0" in text:
        raise InvalidRequestError(
            f"has a NUL character at index {text.index(chr(0))}; take it out", param=param
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequestError(
            f"has half a surrogate pair at index {error.start}, which is no character; the text "
            "was decoded wrongly on its way here",
            param=param,
        ) from error


def check_token(token: object) -> None:
    """Check a token of a text.

    Raises:
        InvalidRequestError: It is no string, or has what cannot be sent.
    """
    if not isinstance(token, str):
        raise InvalidRequestError(
            f"must be a string, or strings, not {type(token).__name__}", param="text"
        )
    check_characters("text", token)


def _voice(
    voice: str | Voice | VoiceMix, model: str, known: Model | None, *, validate: bool
) -> str:
    """Return the voice as it goes on the wire, checked as far as the catalogue reaches."""
    if isinstance(voice, Voice):
        voice = voice.id
    if not isinstance(voice, str | VoiceMix) or not str(voice).strip():
        raise InvalidRequestError(
            f"must be the name of a voice or a VoiceMix, not {voice!r}", param="voice"
        )
    check_characters("voice", str(voice))
    if known is None:
        return str(voice)
    if isinstance(voice, VoiceMix) and not known.mixes:
        raise InvalidVoiceMixError(f"{model} takes no mixes, only Kokoro does", mix=str(voice))
    if validate and isinstance(voice, str) and known.mixes and any(sign in voice for sign in "+()"):
        voice = VoiceMix.parse(voice)
    if validate and known.has_all_voices:
        names = [part.voice for part in voice.voices] if isinstance(voice, VoiceMix) else [voice]
        for name in names:
            if name not in known.voices:
                raise UnknownVoiceError(name, model=model, suggestions=closest(name, known.voices))
    return str(voice)


def _check_choice(param: str, value: object, choices: Sequence[object]) -> None:
    # `True == 1`, so membership alone would let a bool pass for a number.
    if not any(value == choice and type(value) is type(choice) for choice in choices):
        listed = ", ".join(repr(choice) for choice in choices)
        raise InvalidRequestError(f"must be one of {listed}, not {value!r}", param=param)


def _pronunciations(given: Pronunciations) -> tuple[str, ...]:
    """Return the wire's entries, `"source/replacement"` each (contract)."""
    param = "pronunciation_dict"
    if isinstance(given, Mapping):
        for source, said in given.items():
            if not isinstance(source, str) or "/" in source:
                raise InvalidRequestError(
                    f"the wire separates source and replacement by '/', so {source!r} cannot be "
                    "a source",
                    param=param,
                )
            if not isinstance(said, str):
                raise InvalidRequestError(
                    f"the replacement of {source!r} must be a string, not {said!r}", param=param
                )
        entries: Sequence[object] = [f"{source}/{said}" for source, said in given.items()]
    elif isinstance(given, Sequence) and not isinstance(given, str | bytes):
        entries = given
    else:
        raise InvalidRequestError(
            f"must be a mapping or a list of 'source/replacement', not {given!r}", param=param
        )
    for entry in entries:
        source, slash, said = entry.partition("/") if isinstance(entry, str) else ("", "", "")
        if not (slash and source.strip() and said.strip()):
            raise InvalidRequestError(
                f"{entry!r} is not of the form 'source/replacement'", param=param
            )
        check_characters(param, f"{source}/{said}")
    return tuple(cast("Sequence[str]", entries))


def check_names(options: Mapping[str, object], *, is_stream: bool = False) -> None:
    """Check the names of options.

    Raises:
        TypeError: There is no such option.
    """
    known = _STREAM_OPTIONS if is_stream else _SYNTHESIZE_OPTIONS
    if options.keys() <= known:
        return
    name = min(options.keys() - known)
    near = ", ".join(closest(name, known))
    raise TypeError(
        f"{'stream' if is_stream else 'synthesize'}() got an unexpected keyword argument {name!r}"
        + (f"; the closest are {near}" if near else "")
        + "; extra_body takes fields that have no argument"
    )


def _extra_body(given: Mapping[str, object] | None) -> Mapping[str, object]:
    param = "extra_body"
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise InvalidRequestError(f"must be a mapping of field names, not {given!r}", param=param)
    for name in given:
        if name in _ELSEWHERE or name in _ON_THE_WIRE:
            raise InvalidRequestError(
                f"{name!r} has an argument of its own: {_ELSEWHERE.get(name, name)}", param=param
            )
    extra_params = given.get("extra_params", {})
    if not isinstance(extra_params, Mapping):
        raise InvalidRequestError(
            f"'extra_params' must be a mapping, not {extra_params!r}", param=param
        )
    if "pronunciation_dict" in extra_params:
        raise InvalidRequestError(
            "'pronunciation_dict' has an argument of its own: pronunciation_dict", param=param
        )
    try:
        json.dumps(dict(given), allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequestError(f"cannot be written as JSON: {error}", param=param) from error
    return dict(given)
