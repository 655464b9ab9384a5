"""The speech request: everything that is checked before anything is spoken."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn, cast

from together_emulator.audio import MP3_SAMPLE_RATES, AudioFormat, Encoding
from together_emulator.catalogue import Model, models
from together_emulator.engine import LANGUAGES
from together_emulator.errors import ApiError, quoted
from together_emulator.kanji import can_read, has_kanji
from together_emulator.mix import parse_mix
from together_emulator.script import Script
from together_emulator.voice import Voice, find_voice, mix_voices

MAX_INPUT_CHARACTERS = 10_000
"""The longest text of one request; the real service publishes no limit."""

MAX_PRONUNCIATION_RULES = 100
MAX_PRONUNCIATION_CHARACTERS = 200

SAMPLE_RATES = range(8000, 48001)
"""The sample rates in Hz that a model takes if it honours the option at all."""


@dataclass(frozen=True)
class SpeechRequest:
    """A request that can be answered.

    Attributes:
        model: The name of the model.
        script: What to say, with the pronunciation rules of the request applied.
        voice: How it sounds.
        audio_format: What to answer with.
        is_streamed: Whether the audio is to come as events.
        with_words: Whether word timings are to come with it.
    """

    model: str
    script: Script
    voice: Voice
    audio_format: AudioFormat
    is_streamed: bool
    with_words: bool


KNOWN_FIELDS = frozenset(
    {
        *("model", "input", "voice", "response_format", "response_encoding", "sample_rate"),
        *("bit_rate", "language", "stream", "extra_params", "alignment", "segment"),
    }
)
"""The fields of a request that the API knows."""


def parse_request(body: bytes, warnings: list[str]) -> SpeechRequest:
    """Check the JSON body of ``POST /audio/speech``.

    Args:
        body: The body.
        warnings: Is added to where the request has something that is ignored: a field that nobody
            knows, or an option that the model does not honour.

    Raises:
        ApiError: The request is refused.
    """
    values = read_object(body, "the body")
    unknown = sorted(values.keys() - KNOWN_FIELDS)
    warnings += [f"the field {quoted(name)} is not known" for name in unknown]
    fields = Fields(values)
    model = find_model(fields.required_text("model"))
    warnings += ignored_options(values, model)
    script = find_script(fields, "input", fields.required_text("input"))
    voice = choose_voice(fields, model)
    check_readable("input", script, voice)
    audio_format = _audio_format(fields, model)
    is_streamed = fields.flag("stream")
    if is_streamed and audio_format.container != "raw":
        refuse("response_format", 'with stream, response_format must be "raw"')
    with_words = fields.one_of("alignment", ("none", "word")) == "word"
    # It changes how text that comes in pieces is cut; here all of it is there.
    fields.one_of("segment", ("sentence", "immediate", "never"))
    return SpeechRequest(model.name, script, voice, audio_format, is_streamed, with_words)


def refuse(param: str | None, message: str, *, code: str | None = None) -> NoReturn:
    """Refuse a request for one of its fields, or as a whole."""
    raise ApiError(400, message, param=param, code=code)


class Fields:
    """The fields of a request, each checked when it is asked for; None is an absent one.

    What is no such value is refused with an `ApiError`.
    """

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def required_text(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            refuse(name, f"{name} is missing")
        return value

    def text(self, name: str) -> str | None:
        value = self._values.get(name, _ABSENT)
        if value is _ABSENT:
            return None
        if not isinstance(value, str):
            refuse(name, f"{name} must be a string")
        return value

    def one_of(self, name: str, choices: tuple[str, ...]) -> str | None:
        value = self.text(name)
        if value is not None and value not in choices:
            refuse(name, f"{name} {quoted(value)} is none of {', '.join(choices)}")
        return value

    def integer(self, name: str) -> int | None:
        value = self._values.get(name, _ABSENT)
        if value is _ABSENT:
            return None
        # JSON has one type of number: 24000.0 is an integer, and true is none.
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            refuse(name, f"{name} must be an integer")
        return value

    def number(self, name: str) -> float | None:
        value = self._values.get(name, _ABSENT)
        if value is _ABSENT:
            return None
        if not isinstance(value, int | float) or isinstance(value, bool):
            refuse(name, f"{name} must be a number")
        return value

    def flag(self, name: str) -> bool:
        value = self._values.get(name, False)
        if not isinstance(value, bool):
            refuse(name, f"{name} must be true or false")
        return value

    def pronunciation_rules(self) -> dict[str, str]:
        params = self._values.get("extra_params", {})
        if not isinstance(params, dict):
            refuse("extra_params", "extra_params must be an object")
        rules = params.get("pronunciation_dict", [])
        if not isinstance(rules, list) or len(rules) > MAX_PRONUNCIATION_RULES:
            refuse(
                "extra_params",
                f"pronunciation_dict must be a list of at most {MAX_PRONUNCIATION_RULES} rules",
            )
        pronunciations = {}
        for rule in rules:
            source, slash, replacement = rule.partition("/") if isinstance(rule, str) else ("",) * 3
            if not source or not slash or len(rule) > MAX_PRONUNCIATION_CHARACTERS:
                refuse(
                    "extra_params",
                    "a rule of pronunciation_dict must be a string of the form source/replacement "
                    f"with at most {MAX_PRONUNCIATION_CHARACTERS} characters",
                )
            pronunciations[source] = replacement
        return pronunciations


_ABSENT = object()


def read_object(text: bytes | str, what: str) -> dict[str, object]:
    """The JSON object in a text.

    Raises:
        ApiError: There is none; it says so of `what`.
    """
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        refuse(None, f"{what} is not JSON", code="invalid_json")
    if not isinstance(value, dict):
        refuse(None, f"{what} is not a JSON object", code="invalid_json")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def find_model(name: str) -> Model:
    """The model of a name.

    Raises:
        ApiError: There is none.
    """
    model = models().get(name)
    if model is None:
        raise ApiError(
            404, f"there is no model {quoted(name)}", param="model", code="model_not_available"
        )
    return model


def ignored_options(values: Mapping[str, object], model: Model) -> list[str]:
    """A warning for each audio option that is given and that the model does not honour."""
    given = sorted(values.keys() & {"response_encoding", "sample_rate", "bit_rate"})
    return [f"{model.name} ignores {name}" for name in given if name not in model.honours]


def find_script(fields: Fields, name: str, text: str) -> Script:
    """What to say for a text, with the pronunciation rules of the request.

    Args:
        fields: The request.
        name: The field that holds the text.
        text: The text.

    Raises:
        ApiError: It cannot be spoken.
    """
    script = _pronounce(_text(name, text), fields.pronunciation_rules())
    # The rules may lengthen the text and bring in anything.
    _text(name, script.spoken)
    return script


def check_readable(name: str, script: Script, voice: Voice) -> None:
    """Check that a text can be read in the language of its voice.

    Raises:
        ApiError: It cannot, here.
    """
    if voice.language == "ja" and has_kanji(script.spoken) and not can_read():
        refuse(
            name,
            "this emulator reads kana only, and kanji with pip install "
            "'together-speech[japanese]', or '.[japanese]' in the checkout",
        )


def _pronounce(text: str, rules: dict[str, str]) -> Script:
    """Apply pronunciation rules to whole words, or to symbols wherever they stand."""
    script = Script.of(text)
    if not rules:
        return script
    sources = "|".join(
        (r"\b" if source[0].isalnum() else "")
        + re.escape(source)
        + (r"\b" if source[-1].isalnum() else "")
        for source in sorted(rules, key=len, reverse=True)
    )
    return script.replace((*match.span(), rules[match[0]]) for match in re.finditer(sources, text))


def _text(name: str, text: str) -> str:
    if not text.strip():
        refuse(name, f"{name} is empty")
    check_length(name, len(text))
    check_speakable(name, text)
    return text


def check_length(name: str, length: int) -> None:
    """Check that a text is not too long, by its length in characters.

    Raises:
        ApiError: It is.
    """
    if length > MAX_INPUT_CHARACTERS:
        refuse(
            name,
            f"{name} has {length} characters, more than {MAX_INPUT_CHARACTERS}",
            code="input_too_long",
        )


def check_speakable(name: str, text: str) -> None:
    """Check that a text has no character that no engine can take.

    Raises:
        ApiError: It has.
    """
    if _UNSPEAKABLE.search(text):
        refuse(name, f"{name} contains NUL or half of a surrogate pair")


_UNSPEAKABLE = re.compile("[\x00\ud800-\udfff]")


def choose_voice(fields: Fields, model: Model) -> Voice:
    """The voice that a request asks for, one of the model or a mix.

    Raises:
        ApiError: There is none.
    """
    name = fields.required_text("voice")
    language = fields.text("language")
    # The names of Kokoro's voices say the language, which nothing else can change.
    language = "en" if language is None or model.mixing else _language(language)
    voice = find_voice(model, name, language)
    if voice is not None:
        return voice
    if not model.mixing:
        if "+" in name:
            refuse("voice", f"{model.name} does not mix voices", code="invalid_voice")
        _unknown_voice(name, model)
    try:
        parts = parse_mix(name)
    except ValueError as error:
        refuse("voice", f"voice {quoted(name)}: {error}", code="invalid_voice")
    return mix_voices(
        [
            (find_voice(model, part, language) or _unknown_voice(part, model), share)
            for part, share in parts
        ]
    )


def _unknown_voice(name: str, model: Model) -> NoReturn:
    refuse("voice", f"{model.name} has no voice {quoted(name)}", code="invalid_voice")


def _language(code: str) -> str:
    """The engine's language for a code; a region that it does not know falls back to the base."""
    base = code.split("-")[0]
    if code != code.lower() or base not in LANGUAGES:
        refuse("language", f"language {quoted(code)} is not supported")
    return code if code in LANGUAGES else base


def _audio_format(fields: Fields, model: Model) -> AudioFormat:
    # The documentation of response_encoding speaks of "raw or pcm": OpenAI's clients say pcm.
    container = fields.one_of("response_format", (*model.response_formats, "pcm")) or "wav"
    encoding = fields.one_of(
        "response_encoding", ("pcm_f32le", "pcm_s16le", "pcm_mulaw", "pcm_alaw")
    )
    rate = fields.integer("sample_rate")
    bit_rate = fields.integer("bit_rate")
    if bit_rate not in (None, 32000, 64000, 96000, 128000, 192000):
        refuse("bit_rate", f"bit_rate {bit_rate} is none of 32000, 64000, 96000, 128000, 192000")
    if bit_rate is None or "bit_rate" not in model.honours:
        bit_rate = 128_000

    if rate is None or "sample_rate" not in model.honours:
        rate = model.sample_rate
    if rate not in SAMPLE_RATES:
        refuse("sample_rate", f"sample_rate {rate} is not from 8000 to 48000")
    if encoding is None or "response_encoding" not in model.honours:
        encoding = model.response_encoding

    match container:
        case "wav":
            # The encoding is only for raw audio; every player reads 16-bit PCM.
            return AudioFormat("wav", "pcm_s16le", rate)
        case "raw" | "pcm":
            return AudioFormat("raw", cast("Encoding", encoding), rate)
        case "mp3":
            # A rate that MP3 does not have becomes the next one, so that nothing of the sound is
            # lost.
            rate = min(known for known in MP3_SAMPLE_RATES if known >= rate)
            return AudioFormat("mp3", "pcm_s16le", rate, bit_rate)
        case "mulaw":
            return AudioFormat("raw", "pcm_mulaw", rate)
        case _:
            refuse("response_format", f"this emulator does not make {container}")
