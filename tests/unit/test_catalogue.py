"""The known models and voices, and reading live lists of them."""

import json
import pkgutil
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facade import Voice
from facade._rules.catalogue import closest, models, read_voices
from tests.strategies import json_values, objects_with

KOKORO = "hexgrad/Kokoro-82M"
ORPHEUS = "canopylabs/orpheus-3b-0.1-ft"


def test_the_data_say_of_when_and_from_where_they_are() -> None:
    data = json.loads(pkgutil.get_data("facade._rules", "catalogue.json") or b"")
    assert re.fullmatch(r"20[0-9]{2}-[01][0-9]", data["as_of"])
    assert "documentation" in data["source"]


def test_kokoro_has_its_54_voices_in_languages_and_sexes() -> None:
    languages = {
        "a": "en-us",
        "b": "en-gb",
        "e": "es",
        "f": "fr",
        "h": "hi",
        "i": "it",
        "j": "ja",
        "p": "pt-br",
        "z": "zh",
    }
    voices = models()[KOKORO].voices
    assert Counter(name[:2] for name in voices) == {
        "af": 11, "am": 9, "bf": 4, "bm": 4, "ef": 1, "em": 2, "ff": 1, "hf": 2, "hm": 2,
        "if": 1, "im": 1, "jf": 4, "jm": 1, "pf": 1, "pm": 2, "zf": 4, "zm": 4,
    }  # fmt: skip
    assert len(voices) == 54
    for name, voice in voices.items():
        assert (voice.id, voice.name, voice.model) == (name, name, KOKORO)
        assert voice.language == languages[name[0]]
        assert voice.gender == {"f": "female", "m": "male"}[name[1]]
        assert voice.grade is None or re.fullmatch("[A-DF][+-]?", voice.grade)
    assert voices["af_heart"].grade == "A"
    assert voices["ef_dora"].grade is None


@pytest.mark.parametrize(
    ("model", "voices", "is_complete", "mixes", "rate", "encoding", "honours"),
    [
        (KOKORO, 54, True, True, 24000, "pcm_s16le", set()),
        (ORPHEUS, 8, False, False, 24000, "pcm_s16le", set()),
        *(
            (model, 133, False, False, None, None, {"response_encoding", "sample_rate", "bit_rate"})
            for model in ("cartesia/sonic", "cartesia/sonic-2", "cartesia/sonic-3")
        ),
        *((f"rime-labs/rime-mist-{v}", 11, False, False, None, None, None) for v in ("v2", "v3")),
        *(
            (f"rime-labs/rime-arcana-{version}", 26, False, False, None, None, None)
            for version in ("v2", "v3", "v3-turbo")
        ),
        *(
            (f"minimax/speech-{v}-turbo", 6, False, False, None, "pcm_s16le", {"sample_rate"})
            for v in ("2.6", "2.8")
        ),
        ("deepgram/deepgram-aura-2", 0, False, False, None, None, None),
    ],
)
def test_what_is_known_of_a_model(
    model: str,
    voices: int,
    is_complete: bool,
    mixes: bool,
    rate: int | None,
    encoding: str | None,
    honours: set[str] | None,
) -> None:
    known = models()[model]
    assert known.id == model
    assert len(known.voices) == voices
    assert {voice.model for voice in known.voices.values()} <= {model}
    assert (known.has_all_voices, known.mixes) == (is_complete, mixes)
    assert (known.sample_rate_hz, known.encoding, known.honours) == (rate, encoding, honours)
    extra = ("opus", "aac", "flac") if model.startswith("minimax/") else ()
    assert known.formats == ("wav", "mp3", "raw", "mulaw", *extra)


def test_every_known_model_is_in_the_table_above() -> None:
    assert len(models()) == 13


@pytest.mark.parametrize(
    ("name", "model", "first"),
    [
        ("af_bela", KOKORO, "af_bella"),
        ("AF_Bella", KOKORO, "af_bella"),
        ("bella", KOKORO, "af_bella"),
        ("Bella", KOKORO, "af_bella"),
        ("af-bella", KOKORO, "af_bella"),
        (" af_bella ", KOKORO, "af_bella"),
        ("heart", KOKORO, "af_heart"),
        ("isabela", KOKORO, "bf_isabella"),
        ("Tara", ORPHEUS, "tara"),
        ("Zoë", ORPHEUS, "zoe"),
    ],
)
def test_the_closest_name_comes_first(name: str, model: str, first: str) -> None:
    assert closest(name, models()[model].voices)[0] == first


@given(st.text(), st.sets(st.text(max_size=5), max_size=5))
def test_there_are_three_suggestions_at_most_and_always_the_same(
    name: str, candidates: set[str]
) -> None:
    found = closest(name, candidates)
    assert len(found) == min(3, len(candidates))
    assert set(found) <= candidates
    assert found == closest(name, sorted(candidates, reverse=True))


def test_only_the_beginning_of_a_long_name_is_compared() -> None:
    beginning = "af_bella" + "x" * 92
    assert closest(beginning + "af_heart" * 10**6, models()[KOKORO].voices) == closest(
        beginning, models()[KOKORO].voices
    )


# --- live lists --------------------------------------------------------------------------------

TARA = Voice("tara", "tara", ORPHEUS)


@pytest.mark.parametrize(
    ("document", "asked", "voices"),
    [
        pytest.param(
            {"data": [{"model": ORPHEUS, "voices": [{"id": "tara", "name": "Tara"}]}]},
            None,
            [Voice("tara", "Tara", ORPHEUS)],
            id="as published",
        ),
        pytest.param({"voices": [{"id": "tara"}]}, ORPHEUS, [TARA], id="voices at the top"),
        pytest.param(
            {"voices": ["tara"]}, None, [Voice("tara", "tara", "")], id="of a model not named"
        ),
        pytest.param(
            {"model": ORPHEUS, "voices": ["tara"]}, ORPHEUS, [TARA], id="model at the top"
        ),
        pytest.param({"model": None, "voices": ["tara"]}, ORPHEUS, [TARA], id="model null"),
        pytest.param({"voices": [{"name": "tara"}]}, ORPHEUS, [TARA], id="no id"),
        pytest.param({"voices": [{"id": None, "name": "tara"}]}, ORPHEUS, [TARA], id="id null"),
        pytest.param({"voices": ["tara"]}, ORPHEUS, [TARA], id="a bare string"),
        pytest.param(
            {"voices": [{"id": "tara", "language": "en", "mood": 7}]},
            ORPHEUS,
            [Voice("tara", "tara", ORPHEUS, "en")],
            id="further fields",
        ),
        pytest.param(
            {"voices": [{"id": "tara", "language": ["en"]}]}, ORPHEUS, [TARA], id="odd language"
        ),
        pytest.param(
            {"voices": [{"id": "af_heart", "name": "Heart", "language": "english"}]},
            KOKORO,
            [Voice("af_heart", "Heart", KOKORO, "en-us", "female", "A")],
            id="what is known is filled in",
        ),
        pytest.param({"voices": ["af_new"]}, KOKORO, [Voice("af_new", "af_new", KOKORO)], id="new"),
        pytest.param(
            {"data": [{"model": "a", "voices": ["x"]}, {"model": "b", "voices": ["y"]}]},
            "b",
            [Voice("y", "y", "b")],
            id="other models are left out",
        ),
        pytest.param(
            {"data": [{"model": "a", "voices": ["x"]}, {"model": "b", "voices": ["y"]}]},
            None,
            [Voice("x", "x", "a"), Voice("y", "y", "b")],
            id="all models",
        ),
        pytest.param({"data": [], "error": None}, None, [], id="none"),
        pytest.param({"data": None, "voices": []}, None, [], id="data null"),
    ],
)
def test_every_shape_of_a_list_is_read(
    document: object, asked: str | None, voices: list[Voice]
) -> None:
    assert read_voices(document, asked) == voices


DEEP: list[object] = []
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (None, "neither a list 'data' nor a list 'voices'"),
        ([], "neither"),
        ({"data": {}}, "neither"),
        ({"voices": "tara"}, "neither"),
        ({"data": ["tara"]}, "'tara' has no list 'voices'"),
        ({"data": [{"model": "m"}]}, "{'model': 'm'} has no list 'voices'"),
        ({"voices": [7]}, "7 has neither an 'id' nor a 'name'"),
        ({"voices": [""]}, "'' has neither"),
        ({"voices": [{"id": 7}]}, "{'id': 7} has neither"),
        ({"error": {"message": "no"}, "data": []}, "the answer is an error"),
        ({"voices": [DEEP]}, "has neither"),
        ({"data": [DEEP]}, "has no list"),
    ],
)
def test_what_is_no_list_of_voices_is_refused(document: object, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)) as caught:
        read_voices(document, "m")
    assert len(str(caught.value)) < 200


voice_lists = st.lists(st.text() | objects_with("id", "name", "language") | json_values, max_size=3)
groups = st.fixed_dictionaries(
    {}, optional={"model": st.sampled_from([KOKORO, "m", None]), "voices": voice_lists}
)


@given(
    json_values
    | groups
    | st.fixed_dictionaries({"data": st.lists(groups | json_values, max_size=3)}),
    st.sampled_from([None, KOKORO, "m"]),
)
def test_any_json_is_a_list_of_voices_or_a_value_error(document: object, asked: str | None) -> None:
    try:
        voices = read_voices(document, asked)
    except ValueError:
        return
    assert all(voice.id and voice.name for voice in voices)
    assert asked is None or {voice.model for voice in voices} <= {asked}
