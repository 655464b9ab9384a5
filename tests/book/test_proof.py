"""Whether audio can be what its text sounds like."""

import pytest

from facade import SpeechClient
from facade._book.levels import measure
from facade._book.proof import flaw_of, likely_s

RATE = 24_000
# One voice of each of Kokoro's nine languages, with what is short, long, or read in an odd way.
SAID = [
    ("af_heart", "Hello there, my friend; how have you been since we met?"),
    ("af_heart", "A."),
    ("af_heart", "On 31 December 1999, 1,234,567 people paid $99.99."),
    ("af_heart", "See www.example.com/a-b_c?x=1, FBI, CIA and NASA."),
    ("bm_george", "CHAPTER XLVIII. THE FIRST LOWERING."),
    ("ef_dora", "El ingenioso hidalgo don Quijote de la Mancha salió en 1605."),
    ("ff_siwis", "Longtemps, je me suis couché de bonne heure. Oui."),
    ("hf_alpha", "यह एक छोटी कहानी है जो बहुत समय पहले शुरू हुई थी।"),
    ("if_sara", "Nel mezzo del cammin di nostra vita mi ritrovai per una selva."),
    ("jf_alpha", "吾輩は猫である。名前はまだ無い。"),
    ("pf_dora", "Algum tempo hesitei se devia abrir estas memórias."),
    ("zf_xiaobei", "话说天下大势，分久必合，合久必分。"),
]


@pytest.mark.parametrize(("voice", "text"), SAID)
def test_what_is_whole_is_likely_and_a_part_or_a_loop_is_not(
    voice: str, text: str, speech_client: SpeechClient
) -> None:
    audio = speech_client.synthesize(text, voice=voice, response_format="raw").content
    levels = measure(audio, RATE)
    speech_s = levels.speech_samples / RATE
    assert flaw_of(text, speech_s=speech_s, peak=levels.peak) is None
    least_s, most_s = likely_s(text)
    # Neither bound is near: other voices are slower, or quicker.
    assert 1.2 * least_s < speech_s < most_s / 1.2
    if len(text) > 40 and not any(map(str.isdigit, text)) and "www" not in text:
        part = 0.5 if voice.startswith("a") else 0.33
        assert "too short" in str(flaw_of(text, speech_s=speech_s * part, peak=levels.peak))
        assert "too long" in str(flaw_of(text, speech_s=speech_s * 8, peak=levels.peak))


def test_silence_is_told() -> None:
    assert flaw_of("Hello.", speech_s=0.6, peak=0.004) == "the audio is silent"
    assert flaw_of("Hello.", speech_s=0.6, peak=0.006) is None


@pytest.mark.parametrize("text", ["Hello there, my dear friend.", "1 2 3", "こんにちは", "é à ü"])
def test_a_longer_text_takes_longer(text: str) -> None:
    assert likely_s(text)[0] < likely_s(text * 2)[0]
    assert likely_s(text)[1] < likely_s(text * 2)[1]


@pytest.mark.parametrize("text", ["A" + "a" * 200 + "rgh!", "うわ" + "あ" * 100])
def test_a_cry_may_be_short_or_long(text: str) -> None:
    for speech_s in (0.8, 5.0, 50.0):
        assert flaw_of(text, speech_s=speech_s, peak=0.5) is None


def test_spaces_take_no_time() -> None:
    assert likely_s("a\n\t b") == likely_s("ab")
