"""The speech request: everything that is checked before anything is spoken."""

import json
import re
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
    values = _object(body)
    unknown = sorted(values.keys() - KNOWN_FIELDS)
    warnings += [f"the field {quoted(name)} is not known" for name in unknown]
    fields = _Fields(values)
    model = _model(fields.required_text("model"))
    ignored = sorted(values.keys() & {"response_encoding", "sample_rate", "bit_rate"})
    warnings += [f"{model.name} ignores {name}" for name in ignored if name not in model.honours]
    text = _text(fields.required_text("input"))
    script = _pronounce(text, fields.pronunciation_rules())
    # The rules may lengthen the text and bring in anything.
    _text(script.spoken)
    voice = _voice(fields, model)
    if voice.language == "ja" and has_kanji(script.spoken) and not can_read():
        _refuse(
            "input",
            "this emulator reads kana only, and kanji with pip install "
            "'together-speech[japanese]', or '.[japanese]' in the checkout",
        )
    audio_format = _audio_format(fields, model)
    is_streamed = fields.flag("stream")
    if is_streamed and audio_format.container != "raw":
        _refuse("response_format", 'with stream, response_format must be "raw"')
    with_words = fields.one_of("alignment", ("none", "word")) == "word"
    # It changes how text that comes in pieces is cut; here all of it is there.
    fields.one_of("segment", ("sentence", "immediate", "never"))
    return SpeechRequest(model.name, script, voice, audio_format, is_streamed, with_words)


def _refuse(param: str | None, message: str, *, code: str | None = None) -> NoReturn:
    raise ApiError(400, message, param=param, code=code)


class _Fields:
    """The fields of a request, each checked when it is asked for; None is an absent one."""

    def __init__(self, values: dict[str, object]) -> None:
        self._values = values

    def required_text(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            _refuse(name, f"{name} is missing")
        return value

    def text(self, name: str) -> str | None:
        value = self._values.get(name, _ABSENT)
        if value is _ABSENT:
            return None
        if not isinstance(value, str):
            _refuse(name, f"{name} must be a string")
        return value

    def one_of(self, name: str, choices: tuple[str, ...]) -> str | None:
        value = self.text(name)
        if value is not None and value not in choices:
            _refuse(name, f"{name} {quoted(value)} is none of {', '.join(choices)}")
        return value

    def integer(self, name: str) -> int | None:
        value = self._values.get(name, _ABSENT)
        if value is _ABSENT:
            return None
        # JSON has one type of number: 24000.0 is an integer, and true is none.
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            _refuse(name, f"{name} must be an integer")
        return value

    def flag(self, name: str) -> bool:
        value = self._values.get(name, False)
        if not isinstance(value, bool):
            _refuse(name, f"{name} must be true or false")
        return value

    def pronunciation_rules(self) -> dict[str, str]:
        params = self._values.get("extra_params", {})
        if not isinstance(params, dict):
            _refuse("extra_params", "extra_params must be an object")
        rules = params.get("pronunciation_dict", [])
        if not isinstance(rules, list) or len(rules) > MAX_PRONUNCIATION_RULES:
            _refuse(
                "extra_params",
                f"pronunciation_dict must be a list of at most {MAX_PRONUNCIATION_RULES} rules",
            )
        pronunciations = {}
        for rule in rules:
            source, slash, replacement = rule.partition("/") if isinstance(rule, str) else ("",) * 3
            if not source or not slash or len(rule) > MAX_PRONUNCIATION_CHARACTERS:
                _refuse(
                    "extra_params",
                    "a rule of pronunciation_dict must be a string of the form source/replacement "
                    f"with at most {MAX_PRONUNCIATION_CHARACTERS} characters",
                )
            pronunciations[source] = replacement
        return pronunciations


_ABSENT = object()


def _object(body: bytes) -> dict[str, object]:
    try:
        value = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        _refuse(None, "the body is not JSON", code="invalid_json")
    if not isinstance(value, dict):
        _refuse(None, "the body is not a JSON object", code="invalid_json")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _model(name: str) -> Model:
    model = models().get(name)
    if model is None:
        raise ApiError(
            404, f"there is no model {quoted(name)}", param="model", code="model_not_available"
        )
    return model


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


def _text(text: str) -> str:
    if not text.strip():
        _refuse("input", "input is empty")
    if len(text) > MAX_INPUT_CHARACTERS:
        _refuse(
            "input",
            f"input has {len(text)} characters, more than {MAX_INPUT_CHARACTERS}",
            code="input_too_long",
        )
    if _UNSPEAKABLE.search(text):
        _refuse("input", "input contains NUL or half of a surrogate pair")
    return text


_UNSPEAKABLE = re.compile("[\x00\ud800-\udfff]")


def _voice(fields: _Fields, model: Model) -> Voice:
    name = fields.required_text("voice")
    language = fields.text("language")
    # The names of Kokoro's voices say the language, which nothing else can change.
    language = "en" if language is None or model.mixing else _language(language)
    voice = find_voice(model, name, language)
    if voice is not None:
        return voice
    if not model.mixing:
        if "+" in name:
            _refuse("voice", f"{model.name} does not mix voices", code="invalid_voice")
        _unknown_voice(name, model)
    try:
        parts = parse_mix(name)
    except ValueError as error:
        _refuse("voice", f"voice {quoted(name)}: {error}", code="invalid_voice")
    return mix_voices(
        [
            (find_voice(model, part, language) or _unknown_voice(part, model), share)
            for part, share in parts
        ]
    )


def _unknown_voice(name: str, model: Model) -> NoReturn:
    _refuse("voice", f"{model.name} has no voice {quoted(name)}", code="invalid_voice")


def _language(code: str) -> str:
    """The engine's language for a code; a region that it does not know falls back to the base."""
    base = code.split("-")[0]
    if code != code.lower() or base not in LANGUAGES:
        _refuse("language", f"language {quoted(code)} is not supported")
    return code if code in LANGUAGES else base


def _audio_format(fields: _Fields, model: Model) -> AudioFormat:
    # The documentation of response_encoding speaks of "raw or pcm": OpenAI's clients say pcm.
    container = fields.one_of("response_format", (*model.response_formats, "pcm")) or "wav"
    encoding = fields.one_of(
        "response_encoding", ("pcm_f32le", "pcm_s16le", "pcm_mulaw", "pcm_alaw")
    )
    rate = fields.integer("sample_rate")
    bit_rate = fields.integer("bit_rate")
    if bit_rate not in (None, 32000, 64000, 96000, 128000, 192000):
        _refuse("bit_rate", f"bit_rate {bit_rate} is none of 32000, 64000, 96000, 128000, 192000")
    if bit_rate is None or "bit_rate" not in model.honours:
        bit_rate = 128_000

    if rate is None or "sample_rate" not in model.honours:
        rate = model.sample_rate
    if rate not in SAMPLE_RATES:
        _refuse("sample_rate", f"sample_rate {rate} is not from 8000 to 48000")
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
            _refuse("response_format", f"this emulator does not make {container}")
