"""Every voice is its own sound, measured with a pitch tracker."""

import threading
from itertools import groupby, pairwise

import numpy as np
import pytest

from tests.emulator.listening import Heard, read_file
from together_emulator.audio import AudioFormat, Encoder
from together_emulator.catalogue import Model, models
from together_emulator.engine import LANGUAGES, engine
from together_emulator.mix import parse_mix
from together_emulator.voice import Voice, find_voice, mix_voices

KOKORO = models()["hexgrad/Kokoro-82M"]
CARTESIA = models()["cartesia/sonic-2"]
# Sentences with few voiceless sounds, which carry no pitch.
SENTENCES = {
    "en-us": "We were away a year ago, and nobody knew where we were going.",
    "en-gb": "We were away a year ago, and nobody knew where we were going.",
    "es": "El agua del río bajaba muy lenta aquella mañana de verano.",
    "fr": "Nous allons demain au marché avec ma voisine et son ami.",
    "hi": "आज का मौसम बहुत अच्छा है और हम बाहर जा रहे हैं।",
    "it": "Domani andiamo al mare con la nonna e il suo amico.",
    "ja": "きょうはとてもいいてんきですからこうえんへいきましょう。",
    "pt-br": "Amanhã vamos ao mercado com a minha amiga.",
    "zh": "今天天气很好，我们一起去公园玩吧。",
}


def kokoro(name: str) -> Voice:
    voice = find_voice(KOKORO, name, "en")
    assert voice is not None
    return voice


def hear(voice: Voice, *, in_mp3: bool = False) -> Heard:
    text = SENTENCES[voice.language]
    samples = engine().speak(text, voice, threading.Event(), pause=False).samples
    if in_mp3:
        encoder = Encoder(engine().sample_rate, AudioFormat("mp3", "pcm_s16le", 24000))
        return Heard(*read_file(encoder.encode(samples, last=True)))
    return Heard(samples.astype(np.float64) / 32768, engine().sample_rate)


@pytest.fixture(scope="module")
def heard() -> dict[str, Heard]:
    return {name: hear(kokoro(name)) for name in KOKORO.voices}


def assert_two_percent_apart(heard: dict[str, Heard]) -> None:
    """Of any two voices of a language and sex."""
    for group, names in groupby(sorted(heard), key=lambda name: name[:2]):
        pitches = sorted((heard[name].pitch, name) for name in names)
        for (lower, lower_name), (higher, higher_name) in pairwise(pitches):
            assert higher / lower > 1.02, (group, lower_name, higher_name)


def test_any_two_voices_of_a_language_and_sex_differ_by_two_percent(
    heard: dict[str, Heard],
) -> None:
    assert len(heard) == 54
    assert_two_percent_apart(heard)


def test_the_voices_of_the_largest_group_differ_as_much_in_mp3() -> None:
    names = [name for name in KOKORO.voices if name.startswith("af_")]
    assert len(names) == 11
    assert_two_percent_apart({name: hear(kokoro(name), in_mp3=True) for name in names})


def test_women_speak_higher_than_men(heard: dict[str, Heard]) -> None:
    women = [measure.pitch for name, measure in heard.items() if name[1] == "f"]
    men = [measure.pitch for name, measure in heard.items() if name[1] == "m"]
    assert 80 < min(men) < max(men) < 140 < 150 < min(women) < max(women) < 260


def test_every_voice_is_audible_and_does_not_clip(heard: dict[str, Heard]) -> None:
    for name, measure in heard.items():
        assert -26 < measure.level < -14, name
        assert measure.peak < 0.95, name
        assert measure.voiced > 0.6, name
        assert measure.low_share > 0.9, name


@pytest.mark.parametrize(
    ("woman", "man"),
    [("af_bella", "am_adam"), ("bf_emma", "bm_george"), ("zf_xiaoni", "zm_yunxi")],
)
def test_mixes_lie_in_order_between_their_parents(
    heard: dict[str, Heard], woman: str, man: str
) -> None:
    def mixed(parts: str) -> float:
        return hear(mix_voices([(kokoro(n), share) for n, share in parse_mix(parts)])).pitch

    pitches = [
        heard[man].pitch,
        mixed(f"{woman}(1)+{man}(2)"),
        mixed(f"{woman}+{man}"),
        mixed(f"{woman}(2)+{man}(1)"),
        heard[woman].pitch,
    ]
    for lower, higher in pairwise(pitches):
        assert higher / lower > 1.05
    assert pitches[2] == pytest.approx((pitches[0] * pitches[4]) ** 0.5, rel=0.02)


def test_formants_and_breath_change_the_sound_and_not_the_pitch() -> None:
    plain, bright, breathy = (
        hear(Voice("en-us", 150, formants, breath))
        for formants, breath in ((95, 0), (112, 0), (95, 15))
    )
    assert bright.centroid > plain.centroid * 1.05
    assert 1 - breathy.low_share > 4 * (1 - plain.low_share)
    for measure in (bright, breathy):
        assert measure.pitch == pytest.approx(plain.pitch, rel=0.01)


def test_a_mix_is_the_mean_and_speaks_the_language_of_the_first() -> None:
    parts = [(Voice("fr", 100, 90, 0), 0.25), (Voice("ja", 200, 110, 4), 0.75)]
    mixed = mix_voices(parts)
    assert mixed.language == "fr"
    assert mixed.pitch == pytest.approx(100 * 2**0.75)
    assert (mixed.formants, mixed.breath) == (105, 3)
    assert mix_voices(parts[::-1]).language == "ja"


def test_kokoro_voices_speak_the_language_of_their_first_letter() -> None:
    languages = {name[0]: kokoro(name).language for name in KOKORO.voices}
    assert languages == {
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


@pytest.mark.parametrize("model", models().values(), ids=models())
def test_no_two_voices_of_a_model_are_alike(model: Model) -> None:
    voices = [find_voice(model, name, "en") for name in model.voices]
    assert None not in voices
    assert len(set(voices)) == len(voices)


def test_voices_that_are_not_listed() -> None:
    voice_id = "a0e99841-438c-4a64-b679-ae501e7d6091"
    known = find_voice(CARTESIA, voice_id, "en")
    assert known is not None
    assert find_voice(CARTESIA, voice_id.upper(), "en") == known
    assert find_voice(CARTESIA, voice_id.replace("a", "b"), "en") != known
    assert find_voice(CARTESIA, "nobody", "en") is None
    assert find_voice(KOKORO, voice_id, "en") is None
    assert find_voice(KOKORO, "AF_HEART", "en") is None
    assert find_voice(models()["deepgram/deepgram-aura-2"], "anybody", "en") is not None


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_speaks(language: str) -> None:
    spoken = engine().speak("1 2 3", Voice(language, 120, 100, 0), threading.Event(), pause=False)
    measure = Heard(spoken.samples.astype(np.float64) / 32768, engine().sample_rate)
    assert measure.level > -35
    assert 0.2 < measure.duration < 10
