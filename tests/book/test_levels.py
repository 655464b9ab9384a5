"""What is measured of a piece of speech."""

import math
from collections.abc import Iterator
from fractions import Fraction

import av
import msgspec
import numpy as np
import pytest
from av.filter import Graph
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facade._book.joining import edge_samples, join_piece, place
from facade._book.levels import Levels, gain_for, integrated_loudness, measure
from facade.books import Pauses
from tests.book.speech import SAMPLE_RATE, speech_of
from together_emulator.process import SpeechEmulator

RATES = [8000, 16000, 22050, 24000, 44100, 48000]
Signal = NDArray[np.float64]


def pcm_of(*signals: Signal) -> bytes:
    return np.rint(np.concatenate(signals) * 32767).astype("<i2").tobytes()


def tone(seconds: float, amplitude: float, sample_rate: int = SAMPLE_RATE) -> Signal:
    at = np.arange(round(seconds * sample_rate))
    return np.asarray(amplitude * np.cos(2 * math.pi * 997 / sample_rate * at))


def noise(seconds: float, amplitude: float) -> Signal:
    return amplitude * np.random.default_rng(1).uniform(-1, 1, round(seconds * SAMPLE_RATE))


def silence(seconds: float) -> Signal:
    return np.zeros(round(seconds * SAMPLE_RATE))


def by_ffmpeg(pcm: bytes, sample_rate: int = SAMPLE_RATE) -> float:
    """Return the integrated loudness that FFmpeg's filter `ebur128` measures, in LUFS."""
    graph = Graph()
    source = graph.add_abuffer(
        sample_rate=sample_rate, format="s16", layout="mono", time_base=Fraction(1, sample_rate)
    )
    graph.link_nodes(source, graph.add("ebur128", "metadata=1"), graph.add("abuffersink"))
    graph.configure()
    frame = av.AudioFrame.from_ndarray(
        np.frombuffer(pcm, np.int16).reshape(1, -1), format="s16", layout="mono"
    )
    frame.sample_rate, frame.pts = sample_rate, 0
    graph.push(frame)
    graph.push(None)
    loudness = math.nan
    while True:
        try:
            # A last frame of less than 100 ms says nothing.
            loudness = float(graph.pull().metadata.get("lavfi.r128.I", loudness))
        except EOFError:
            return loudness


# --- silence -------------------------------------------------------------------------------------


@given(
    lead=st.integers(0, 3000),
    tail=st.integers(0, 3000),
    amplitude=st.sampled_from([0.01, 0.1, 0.9]),
    sample_rate=st.sampled_from(RATES),
)
@settings(max_examples=40)
def test_silence_is_measured_and_never_speech(
    lead: int, tail: int, amplitude: float, sample_rate: int
) -> None:
    levels = measure(
        pcm_of(np.zeros(lead), tone(0.2, amplitude, sample_rate), np.zeros(tail)), sample_rate
    )
    assert levels.lead_samples == lead
    # It may end on its way through zero.
    assert tail <= levels.tail_samples <= tail + 1
    assert levels.samples == levels.lead_samples + levels.speech_samples + levels.tail_samples


def test_a_soft_sound_at_an_end_is_speech() -> None:
    """An "f" lies 40 dB and more below a vowel."""
    soft = noise(0.1, 0.004)
    levels = measure(pcm_of(silence(0.3), soft, tone(0.3, 0.5), soft, silence(0.3)), SAMPLE_RATE)
    assert levels.lead_samples == pytest.approx(0.3 * SAMPLE_RATE, abs=3)
    assert levels.tail_samples == pytest.approx(0.3 * SAMPLE_RATE, abs=3)


def test_noise_that_goes_on_is_silence() -> None:
    hiss = noise(1, 0.004)
    levels = measure(pcm_of(hiss, tone(0.3, 0.5), hiss), SAMPLE_RATE)
    assert 0.84 * SAMPLE_RATE < levels.lead_samples <= 0.85 * SAMPLE_RATE
    assert 0.84 * SAMPLE_RATE < levels.tail_samples <= 0.85 * SAMPLE_RATE


def test_a_soft_sound_on_its_own_is_silence() -> None:
    levels = measure(
        pcm_of(tone(0.3, 0.5), silence(0.1), noise(0.05, 0.004), silence(0.1)), SAMPLE_RATE
    )
    assert levels.tail_samples == round(0.25 * SAMPLE_RATE)


def test_pauses_within_speech_are_told_unless_they_are_short() -> None:
    word = tone(0.2, 0.5)
    levels = measure(pcm_of(word, silence(0.03), word, silence(0.3), word), SAMPLE_RATE)
    assert levels.silences == ((round(0.43 * SAMPLE_RATE), round(0.73 * SAMPLE_RATE)),)
    assert (levels.lead_samples, levels.tail_samples) == (0, 0)


@pytest.mark.parametrize("pcm", [b"", bytes(2), bytes(4800), pcm_of(noise(1, 0.0001))])
def test_nothing_to_hear_is_silence(pcm: bytes) -> None:
    levels = measure(pcm, SAMPLE_RATE)
    assert (levels.samples, levels.lead_samples) == (len(pcm) // 2, len(pcm) // 2)
    assert (levels.speech_samples, levels.silences, levels.loudness) == (0, (), ())
    assert integrated_loudness([levels]) is None
    assert gain_for([levels]) == 1


def test_the_peak_is_that_of_either_sign() -> None:
    samples = np.array([100, -32768, 20000], "<i2")
    assert measure(samples.tobytes(), SAMPLE_RATE).peak == 1
    assert measure(samples[::2].tobytes(), SAMPLE_RATE).peak == 20000 / 32768


def test_speech_of_the_emulator_ends_where_its_words_do(
    together_emulator_session: SpeechEmulator,
) -> None:
    for piece in speech_of(together_emulator_session):
        levels = measure(piece.pcm, SAMPLE_RATE)
        speech_end_s = (levels.samples - levels.tail_samples) / SAMPLE_RATE
        assert piece.words[-1].end_s == pytest.approx(speech_end_s, abs=0.05)


# --- loudness ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample_rate", [*RATES, 11025, 32000])
def test_a_tone_is_as_loud_as_the_standard_says(sample_rate: int) -> None:
    """EBU Tech 3341: 0.1 LU; a tenth more for how the filters are approximated here."""
    levels = measure(pcm_of(tone(40, 0.1, sample_rate)), sample_rate)
    assert integrated_loudness([levels]) == pytest.approx(-20 - 3.01, abs=0.35)


def test_speech_is_as_loud_as_ffmpeg_says(together_emulator_session: SpeechEmulator) -> None:
    """Of four voices together, joined as they are in a book."""
    pieces = speech_of(together_emulator_session)
    levels = [measure(piece.pcm, SAMPLE_RATE) for piece in pieces]
    for together in (levels, *([each] for each in levels)):
        loudness = integrated_loudness(together)
        book = b"".join(joined([pieces[levels.index(each)].pcm for each in together], 1))
        assert loudness == pytest.approx(by_ffmpeg(book), abs=0.3)


def joined(pieces: list[bytes], gain: float) -> Iterator[bytes]:
    levels = [measure(pcm, SAMPLE_RATE) for pcm in pieces]
    pauses = Pauses()
    spans = place(levels, ["paragraph"] * len(pieces), pauses, SAMPLE_RATE)
    for pcm, span in zip(pieces, spans, strict=True):
        yield from join_piece(pcm, span, gain, edge_samples(pauses, SAMPLE_RATE))


def test_soft_passages_do_not_count() -> None:
    """The relative gate leaves out what is 10 LU below the rest, the absolute one silence."""
    loud = measure(pcm_of(tone(20, 0.1)), SAMPLE_RATE)
    soft = measure(pcm_of(tone(20, 0.005)), SAMPLE_RATE)
    assert integrated_loudness([loud, soft]) == pytest.approx(-23, abs=0.3)
    assert integrated_loudness([soft]) == pytest.approx(-49, abs=0.3)
    # 9.5 LU below what is in the mean of both, and so not left out.
    softer = measure(pcm_of(tone(60, 0.1 * 10 ** (-12 / 20))), SAMPLE_RATE)
    assert integrated_loudness([loud, softer]) == pytest.approx(-28, abs=0.5)


def test_a_book_gets_as_loud_as_it_is_meant_to_be(
    together_emulator_session: SpeechEmulator,
) -> None:
    pieces = [piece.pcm for piece in speech_of(together_emulator_session)]
    levels = [measure(pcm, SAMPLE_RATE) for pcm in pieces]
    gain = gain_for(iter(levels), target_lufs=-30)
    assert by_ffmpeg(b"".join(joined(pieces, gain))) == pytest.approx(-30, abs=0.3)


def test_speech_is_meant_to_be_at_18_lufs() -> None:
    """By AES TD1008, within what ACX asks for."""
    assert gain_for([measure(pcm_of(tone(20, 0.05)), SAMPLE_RATE)]) == pytest.approx(3.56, abs=0.15)


def test_no_sample_gets_louder_than_the_limit() -> None:
    levels = [measure(pcm_of(tone(1, 0.001), np.array([0.5])), SAMPLE_RATE)]
    assert gain_for(levels) * 0.5 == pytest.approx(10 ** (-3 / 20), rel=1e-4)
    assert gain_for(levels, peak_limit_dbfs=-20) * 0.5 == pytest.approx(0.1, rel=1e-4)


def test_levels_are_kept_as_json() -> None:
    word = tone(0.2, 0.5)
    levels = measure(pcm_of(silence(0.1), word, silence(0.2), word), SAMPLE_RATE)
    assert levels.silences
    assert levels.loudness
    assert msgspec.json.decode(msgspec.json.encode(levels), type=Levels) == levels
