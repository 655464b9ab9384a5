"""What may be asked, and how a request that may not is refused."""

import pickle
import re
from types import MappingProxyType
from typing import Any

import pytest

from facade import Voice, VoiceMix
from facade._rules.catalogue import models
from facade._rules.options import DEFAULT_MODEL
from facade._rules.request import SpeechRequest
from facade.errors import InvalidRequestError, InvalidVoiceMixError, UnknownVoiceError
from facade.formats import AudioFormat

KOKORO = "hexgrad/Kokoro-82M"
ORPHEUS = "canopylabs/orpheus-3b-0.1-ft"
SONIC = "cartesia/sonic-3"
RIME = "rime-labs/rime-mist-v2"
MINIMAX = "minimax/speech-2.8-turbo"
AURA = "deepgram/deepgram-aura-2"
NOBODY_KNOWS = "me/my-endpoint-1a2b"


def option(request: SpeechRequest, name: str) -> Any:
    """Return an option of a request; `None` where it was left out."""
    return request.options.get(name)


def build(text: Any = "Hello.", **given: Any) -> SpeechRequest:
    """Build a request with what is given, by default with a voice that the model has."""
    model = given.get("model", KOKORO)
    known = models().get(model) if isinstance(model, str) else None
    voice = next(iter(known.voices), "thalia") if known else "anything"
    voice = given.pop("voice", voice)
    kind: dict[str, bool] = {
        "validate_voices": given.pop("validate_voices", True),
        "is_stream": given.pop("is_stream", False),
    }
    return SpeechRequest.build(text, {"model": KOKORO, **given}, voice=voice, **kind)


def refusal(text: Any = "Hello.", **given: Any) -> InvalidRequestError:
    with pytest.raises(InvalidRequestError) as caught:
        build(text, **given)
    assert type(caught.value) is InvalidRequestError
    return caught.value


def test_what_is_left_out_stays_out() -> None:
    request = build()
    assert (request.options, request.extra_body, request.stream) == ({}, {}, False)
    assert (request.text, request.voice, request.model) == ("Hello.", "af_heart", KOKORO)
    assert request.known_model is models()[KOKORO]


def test_what_is_given_is_kept() -> None:
    given = {
        "model": SONIC,
        "voice": "maria",
        "response_format": "raw",
        "response_encoding": "pcm_alaw",
        "sample_rate": 8000,
        "language": "zh-hk",
        "pronunciation_dict": ("omg/oh my god",),
        "segment": "never",
        "extra_body": {"speed": 1.5, "extra_params": {"x": [1]}},
    }
    request = build("Hi.", **given)
    assert (request.model, request.voice) == (given.pop("model"), given.pop("voice"))
    assert request.extra_body == given.pop("extra_body")
    assert request.options == given


# --- text, model -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["a", " a ", "日本語 🎉", "line\r\nline\t", "a" * 10**6, "\ufeffa"]
)
def test_text_of_any_language_and_length_is_taken_as_it_is(text: str) -> None:
    assert build(text).text == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "must be a string, not NoneType"),
        (b"Hello.", "must be a string, not bytes"),
        (["Hello."], "must be a string, not list"),
        ("", "has nothing in it to speak"),
        (" \n\t\u3000", "has nothing in it to speak"),
        ("ab\0c", "has a NUL character at index 2; take it out"),
        ("ab\ud83dc", "has half a surrogate pair at index 2"),
        ("\udc80", "has half a surrogate pair at index 0"),
    ],
)
def test_text_that_cannot_be_spoken_is_refused(text: object, reason: str) -> None:
    error = refusal(text)
    assert error.param == "text"
    assert str(error).startswith(f"text: {reason}")


@pytest.mark.parametrize("model", [None, "", " ", 7, b"x", ["m"]])
def test_a_model_must_have_a_name(model: object) -> None:
    error = refusal(model=model)
    assert str(error) == f"model: must be the name of a model, not {model!r}"


@pytest.mark.parametrize("model", [NOBODY_KNOWS, "/my/endpoint", "hexgrad/Kokoro-82M-7f3a"])
def test_a_model_nobody_knows_goes_out_unchecked(model: str) -> None:
    request = build(
        model=model,
        voice="a voice of its own",
        response_format="raw",
        response_encoding="pcm_mulaw",
        sample_rate=8000,
    )
    assert (request.model, request.voice) == (model, "a voice of its own")
    assert request.known_model is None
    assert not request.needs_live_voices
    assert build(model=model, voice=VoiceMix.equal("a", "b")).voice == "a+b"
    assert option(build(model=model, response_format="mp3", bit_rate=64000), "bit_rate") == 64000


def test_the_default_model_is_kokoro() -> None:
    assert DEFAULT_MODEL == KOKORO


@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("model", "m\ud800"),
        ("model", "m\0"),
        ("voice", "v\ud800"),
        ("voice", Voice("v\0", "v", "m")),
        ("voice", VoiceMix.equal("a", "\udfff")),
        ("pronunciation_dict", ["a/\ud800"]),
        ("pronunciation_dict", {"a\0": "b"}),
    ],
)
def test_what_cannot_be_sent_is_refused_wherever_it_stands(param: str, value: object) -> None:
    error = refusal(**{"model": NOBODY_KNOWS, "voice": "v"} | {param: value})
    assert error.param == param
    assert re.search("NUL|surrogate", str(error))


# --- options, by the model ---------------------------------------------------------------------

# What each model is documented to ignore; of Rime's and Deepgram's nothing is known.
OPTIONS = {
    "response_encoding": ("raw", "pcm_alaw"),
    "sample_rate": ("raw", 16000),
    "bit_rate": ("mp3", 96000),
}
IGNORED = {
    KOKORO: {"response_encoding", "sample_rate", "bit_rate"},
    ORPHEUS: {"response_encoding", "sample_rate", "bit_rate"},
    "minimax/speech-2.6-turbo": {"response_encoding", "bit_rate"},
    "minimax/speech-2.8-turbo": {"response_encoding", "bit_rate"},
}


@pytest.mark.parametrize("model", models())
@pytest.mark.parametrize("param", OPTIONS)
def test_an_option_is_refused_exactly_where_the_model_ignores_it(model: str, param: str) -> None:
    response_format, value = OPTIONS[param]
    given = {"model": model, "response_format": response_format, param: value}
    if param in IGNORED.get(model, ()):
        error = refusal(**given)
        assert error.param == param
        assert f"{model} ignores it" in error.message
        assert f"leave it out ({value!r} was given)" in error.message
    else:
        assert option(build(**given), param) == value


@pytest.mark.parametrize(
    ("model", "param", "value", "always"),
    [
        (KOKORO, "sample_rate", 44100, "and always gives 24000;"),
        (ORPHEUS, "response_encoding", "pcm_f32le", "and always gives pcm_s16le;"),
        (KOKORO, "bit_rate", 128000, "ignores it;"),
    ],
)
def test_the_refusal_says_what_comes_instead(
    model: str, param: str, value: object, always: str
) -> None:
    response_format = "mp3" if param == "bit_rate" else "raw"
    error = refusal(model=model, response_format=response_format, **{param: value})
    assert always in error.message


@pytest.mark.parametrize("model", [KOKORO, ORPHEUS])
def test_asking_for_what_comes_anyway_is_no_mistake(model: str) -> None:
    request = build(
        model=model, response_format="raw", response_encoding="pcm_s16le", sample_rate=24000
    )
    assert (option(request, "response_encoding"), option(request, "sample_rate")) == (
        "pcm_s16le",
        24000,
    )


@pytest.mark.parametrize(
    ("given", "param", "message"),
    [
        (
            {"response_format": "ogg"},
            "response_format",
            "must be one of 'wav', 'mp3', 'raw', 'mulaw', not 'ogg'",
        ),
        (
            {"response_format": "opus"},
            "response_format",
            "must be one of 'wav', 'mp3', 'raw', 'mulaw', not 'opus'",
        ),
        (
            {"response_format": "ogg", "model": NOBODY_KNOWS},
            "response_format",
            "must be one of 'wav', 'mp3', 'raw', 'mulaw', 'opus', 'aac', 'flac', not 'ogg'",
        ),
        ({"response_format": "WAV"}, "response_format", "not 'WAV'"),
        ({"response_format": ["wav"]}, "response_format", "not ['wav']"),
        ({"response_encoding": "pcm_s24le"}, "response_encoding", "'pcm_alaw', not 'pcm_s24le'"),
        ({"bit_rate": 100}, "bit_rate", "must be one of 32000, 64000, 96000, 128000, 192000"),
        ({"bit_rate": 128000.0}, "bit_rate", "not 128000.0"),
        ({"segment": "word"}, "segment", "must be one of 'sentence', 'immediate', 'never'"),
        ({"segment": True}, "segment", "not True"),
        (
            {"alignment": "words", "is_stream": True},
            "alignment",
            "must be one of 'none', 'word', not 'words'",
        ),
        *(
            (
                {"model": SONIC, "sample_rate": rate},
                "sample_rate",
                f"must be a whole number of Hz from 1 to 1,000,000, not {rate!r}",
            )
            for rate in (0, -1, 44100.0, "44100", True, 10**10)
        ),
        (
            {"model": SONIC, "response_encoding": "pcm_s16le"},
            "response_encoding",
            "only response_format='raw' has one; this request asks for 'wav'",
        ),
        (
            {"model": SONIC, "response_encoding": "pcm_s16le", "response_format": "mp3"},
            "response_encoding",
            "this request asks for 'mp3'",
        ),
        (
            {"model": SONIC, "bit_rate": 128000},
            "bit_rate",
            "only response_format='mp3' has one; this request asks for 'wav'",
        ),
        *(
            ({"language": language}, "language", f"{language!r} is neither an ISO 639-1 code")
            for language in ("", "EN", "zh-HK", "eng", "e", "en_us", "en-", "en\n", 7, b"en")
        ),
    ],
)
def test_an_option_out_of_range_is_named_with_the_way_out(
    given: dict[str, object], param: str, message: str
) -> None:
    error = refusal(**given)
    assert error.param == param
    assert message in error.message


@pytest.mark.parametrize("response_format", ["opus", "aac", "flac", "wav", "mp3", "raw", "mulaw"])
def test_minimax_and_unknown_models_take_every_format(response_format: str) -> None:
    for model in (MINIMAX, NOBODY_KNOWS):
        request = build(model=model, response_format=response_format)
        assert option(request, "response_format") == response_format
        container = "raw" if response_format == "mulaw" else response_format
        assert request.expected_format.container == container


@pytest.mark.parametrize("language", ["en", "zh-hk", "pt-br", "zh-hant-tw", "es-419"])
def test_a_language_is_a_code_or_a_locale(language: str) -> None:
    assert option(build(language=language), "language") == language


@pytest.mark.parametrize("segment", ["sentence", "immediate", "never"])
def test_a_segment_is_passed_on(segment: str) -> None:
    assert option(build(segment=segment), "segment") == segment


@pytest.mark.parametrize("alignment", ["none", "word"])
def test_an_alignment_is_passed_on(alignment: str) -> None:
    request = build(alignment=alignment, is_stream=True)
    assert (option(request, "alignment"), request.stream) == (alignment, True)


@pytest.mark.parametrize("rate", [1, 8000, 44100, 192000, 1_000_000])
def test_any_rate_in_use_is_taken(rate: int) -> None:
    assert option(build(model=SONIC, sample_rate=rate), "sample_rate") == rate


# --- pronunciations, further fields ------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "entries"),
    [
        ({"omg": "oh my god", "SQL": "sequel"}, ("omg/oh my god", "SQL/sequel")),
        (["omg/oh my god", "a/b/c"], ("omg/oh my god", "a/b/c")),
        (("km/h/kilometres per hour",), ("km/h/kilometres per hour",)),
        (MappingProxyType({"a": "b/c"}), ("a/b/c",)),
        ([], ()),
        ({}, ()),
    ],
)
def test_pronunciations_are_a_mapping_or_the_strings_of_the_wire(
    given: object, entries: tuple[str, ...]
) -> None:
    assert option(build(pronunciation_dict=given), "pronunciation_dict") == entries


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"km/h": "kilometres"}, "so 'km/h' cannot be a source"),
        ({7: "seven"}, "so 7 cannot be a source"),
        ({"seven": 7}, "the replacement of 'seven' must be a string, not 7"),
        ({"": "a"}, "'/a' is not of the form 'source/replacement'"),
        ({"a": " "}, "'a/ ' is not of the form 'source/replacement'"),
        (["omg"], "'omg' is not of the form 'source/replacement'"),
        (["/a"], "'/a' is not of the form"),
        (["a/"], "'a/' is not of the form"),
        ([("a", "b")], "('a', 'b') is not of the form"),
        ("omg/oh my god", "must be a mapping or a list of 'source/replacement'"),
        (b"omg/oh my god", "must be a mapping or a list"),
        ({"a/b"}, "must be a mapping or a list"),
        (7, "must be a mapping or a list of 'source/replacement', not 7"),
    ],
)
def test_pronunciations_of_another_form_are_refused(given: object, message: str) -> None:
    error = refusal(pronunciation_dict=given)
    assert error.param == "pronunciation_dict"
    assert message in error.message


@pytest.mark.parametrize(
    "given",
    [
        {"speed": 1.5},
        {"x-speed": [{"at": 1}]},
        {"extra_params": {"emphasis": ["a"]}, "seed": None},
        MappingProxyType({"speed": 1.5}),
        {},
    ],
)
def test_further_fields_are_passed_on_as_they_are(given: dict[str, object]) -> None:
    assert build(extra_body=given).extra_body == given


def test_further_fields_are_a_copy() -> None:
    given = {"speed": 1.5}
    request = build(extra_body=given)
    given["voice"] = 2
    assert request.extra_body == {"speed": 1.5}


CIRCLE: dict[str, object] = {}
CIRCLE["self"] = CIRCLE


@pytest.mark.parametrize(
    ("given", "message"),
    [
        *(
            ({"speed": 1, name: "x"}, f"{name!r} has an argument of its own: {instead}")
            for name, instead in [
                ("input", "text"),
                ("stream", "SpeechClient.stream"),
                ("model", "model"),
                ("voice", "voice"),
                ("response_format", "response_format"),
                ("response_encoding", "response_encoding"),
                ("sample_rate", "sample_rate"),
                ("bit_rate", "bit_rate"),
                ("language", "language"),
                ("segment", "segment"),
                ("alignment", "SpeechClient.stream(alignment=...)"),
            ]
        ),
        (
            {"extra_params": {"pronunciation_dict": []}},
            "'pronunciation_dict' has an argument of its own",
        ),
        ({"extra_params": []}, "'extra_params' must be a mapping, not []"),
        ([("speed", 1)], "must be a mapping of field names, not [('speed', 1)]"),
        ({1: 2}, "must be a mapping of field names, not {1: 2}"),
        ({"speed": float("nan")}, "cannot be written as JSON"),
        ({"speed": {1, 2}}, "cannot be written as JSON"),
        ({"speed": b"fast"}, "cannot be written as JSON"),
        ({"name": "\ud800"}, "cannot be written as JSON"),
        (CIRCLE, "cannot be written as JSON"),
    ],
)
def test_further_fields_can_neither_overwrite_nor_break_the_request(
    given: object, message: str
) -> None:
    error = refusal(extra_body=given)
    assert error.param == "extra_body"
    assert message in error.message


# --- voices ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", models()[KOKORO].voices)
def test_every_voice_of_kokoro_is_taken(name: str) -> None:
    request = build(voice=name)
    assert request.voice == name
    assert not request.needs_live_voices


@pytest.mark.parametrize(
    ("voice", "sent"),
    [
        (Voice("af_heart", "Heart", KOKORO), "af_heart"),
        (VoiceMix({"af_bella": 2, "af_heart": 1}), "af_bella(2)+af_heart(1)"),
        ("af_bella(2)+af_heart(1)", "af_bella(2)+af_heart(1)"),
        ("af_bella+af_heart", "af_bella+af_heart"),
        ("af_bella(02.50)+af_heart", "af_bella(2.5)+af_heart(1)"),
    ],
)
def test_a_voice_is_sent_in_the_spelling_of_the_wire(voice: object, sent: str) -> None:
    request = build(voice=voice)
    assert request.voice == sent
    assert not request.needs_live_voices


@pytest.mark.parametrize("voice", [None, "", " ", 7, b"af_heart", Voice("", "x", KOKORO)])
@pytest.mark.parametrize("model", [KOKORO, NOBODY_KNOWS])
def test_a_voice_must_have_a_name(voice: object, model: str) -> None:
    error = refusal(voice=voice, model=model)
    assert str(error).startswith("voice: must be the name of a voice or a VoiceMix, not ")


@pytest.mark.parametrize(
    ("voice", "unknown"),
    [
        ("af_bela", "af_bela"),
        ("AF_Bella", "AF_Bella"),
        ("bella", "bella"),
        (VoiceMix.equal("af_heart", "af_bela"), "af_bela"),
        ("af_heart(2)+af_bela(1)", "af_bela"),
        (Voice("tara", "Tara", ORPHEUS), "tara"),
    ],
)
def test_a_voice_that_kokoro_lacks_is_refused_with_suggestions(voice: object, unknown: str) -> None:
    with pytest.raises(UnknownVoiceError) as caught:
        build(voice=voice)
    assert (caught.value.voice, caught.value.model) == (unknown, KOKORO)
    assert len(caught.value.suggestions) == 3
    if unknown != "tara":
        assert caught.value.suggestions[0] == "af_bella"


@pytest.mark.parametrize(
    ("voice", "position"),
    [("af_bella(2)+", 12), ("af_bella (2)", 8), ("af_bella(2)", None), ("+", 0)],
)
def test_a_mix_that_cannot_be_read_is_refused(voice: str, position: int | None) -> None:
    with pytest.raises(InvalidVoiceMixError) as caught:
        build(voice=voice)
    assert (caught.value.mix, caught.value.position) == (voice, position)


@pytest.mark.parametrize("model", sorted(models().keys() - {KOKORO}))
@pytest.mark.parametrize("validate_voices", [True, False])
def test_only_kokoro_takes_mixes(model: str, validate_voices: bool) -> None:
    with pytest.raises(InvalidVoiceMixError, match="takes no mixes, only Kokoro does"):
        build(model=model, voice=VoiceMix.equal("a", "b"), validate_voices=validate_voices)


@pytest.mark.parametrize("voice", ["af_bela", "af_bella(2", VoiceMix.equal("a", "b")])
def test_voices_are_not_checked_when_that_is_turned_off(voice: object) -> None:
    assert build(voice=voice, validate_voices=False).voice == str(voice)


@pytest.mark.parametrize(
    ("model", "voice", "needs"),
    [
        (ORPHEUS, "tara", False),
        (ORPHEUS, "new voice", True),
        (SONIC, "maria", False),
        (SONIC, "someone (new)", True),
        (SONIC, "a0e99841-438c-4a64-b679-ae501e7d6091", False),
        (SONIC, "A0E99841-438C-4A64-B679-AE501E7D6091", False),
        (SONIC, "a0e99841-438c", True),
        (AURA, "thalia", True),
        (RIME, "cove", False),
        (NOBODY_KNOWS, "x", False),
    ],
)
def test_only_an_incomplete_list_is_looked_up(model: str, voice: str, needs: bool) -> None:
    assert build(model=model, voice=voice).needs_live_voices is needs


TARA = Voice("tara", "tara", ORPHEUS)


def test_the_live_list_decides() -> None:
    request = build(model=ORPHEUS, voice="Nova")
    others = [Voice("Nova", "Nova", SONIC), Voice("x", "x", "")]
    request.check_live_voices([])
    request.check_live_voices(others)  # a list without this model's voices says nothing of them
    request.check_live_voices([Voice("nova", "Nova", ORPHEUS)])
    request.check_live_voices([Voice("Nova", "Nova the kind", ORPHEUS)])
    with pytest.raises(UnknownVoiceError) as caught:
        request.check_live_voices([*others, Voice("nova", "n", ORPHEUS), TARA])
    assert caught.value.suggestions[0] == "nova"


# --- what will come ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "form"),
    [
        ({}, AudioFormat("wav", None, 24000, 1)),
        ({"response_format": "raw"}, AudioFormat("raw", "pcm_s16le", 24000, 1)),
        (
            {"response_format": "raw", "response_encoding": "pcm_s16le", "sample_rate": 24000},
            AudioFormat("raw", "pcm_s16le", 24000, 1),
        ),
        ({"model": ORPHEUS, "response_format": "raw"}, AudioFormat("raw", "pcm_s16le", 24000, 1)),
        ({"model": SONIC}, AudioFormat("wav", None, 44100, 1)),
        ({"model": SONIC, "response_format": "raw"}, AudioFormat("raw", "pcm_f32le", 44100, 1)),
        (
            {
                "model": SONIC,
                "response_format": "raw",
                "response_encoding": "pcm_alaw",
                "sample_rate": 8000,
            },
            AudioFormat("raw", "pcm_alaw", 8000, 1),
        ),
        (
            {"model": SONIC, "response_format": "mulaw", "sample_rate": 8000},
            AudioFormat("raw", "pcm_mulaw", 8000, 1),
        ),
        ({"response_format": "mulaw"}, AudioFormat("raw", "pcm_mulaw", 24000, 1)),
        ({"model": MINIMAX, "response_format": "raw"}, AudioFormat("raw", "pcm_s16le", 44100, 1)),
        ({"model": MINIMAX, "response_format": "flac"}, AudioFormat("flac", None, 44100, 1)),
        ({"model": SONIC, "response_format": "mp3"}, AudioFormat("mp3", None, 44100, 1)),
        ({"model": RIME, "response_format": "raw"}, AudioFormat("raw", None, None, 1)),
        ({"model": NOBODY_KNOWS, "response_format": "raw"}, AudioFormat("raw", None, None, 1)),
        (
            {
                "model": NOBODY_KNOWS,
                "response_format": "raw",
                "response_encoding": "pcm_s16le",
                "sample_rate": 8000,
            },
            AudioFormat("raw", "pcm_s16le", 8000, 1),
        ),
    ],
)
def test_the_format_of_the_answer_follows_from_request_and_model(
    given: dict[str, object], form: AudioFormat
) -> None:
    assert build(**given).expected_format == form


def test_requests_are_values_and_travel() -> None:
    given: dict[str, Any] = {
        "voice": VoiceMix({"af_bella": 2, "af_heart": 1}),
        "pronunciation_dict": {"omg": "oh my god"},
        "extra_body": {"speed": 2},
    }
    request = build(**given)
    arrived = pickle.loads(pickle.dumps(request))  # noqa: S301
    assert arrived == request == build(**given)
    assert arrived.expected_format == request.expected_format
    with pytest.raises(AttributeError):
        request.text = "Bye."  # type: ignore[misc]


@pytest.mark.parametrize(
    ("stream", "option", "method", "near"),
    [
        (False, "sample_rat", "synthesize", "; the closest are sample_rate"),
        (False, "alignment", "synthesize", ""),
        (False, "stream", "synthesize", ""),
        (True, "response_format", "stream", ""),
        (True, "bit_rate", "stream", ""),
        (False, "qqqqqq", "synthesize", ""),
    ],
)
def test_an_option_that_there_is_not_is_a_mistake_of_the_program(
    stream: bool,
    option: str,
    method: str,
    near: str,
) -> None:
    with pytest.raises(TypeError) as caught:
        build(is_stream=stream, **{option: 1})
    said = str(caught.value)
    assert said.startswith(f"{method}() got an unexpected keyword argument {option!r}{near}")
    assert "extra_body takes fields that have no argument" in said
