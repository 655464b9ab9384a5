"""What is said in the file, and at each seam of it, is what was written.

The emulator says when each word is spoken. So each piece is looked for in the file as the emulator
says it by itself, with all its words, and what is left of the file must be silence.
"""

from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from facade import SpeechClient
from tests.book.seams import read, report

Samples: TypeAlias = NDArray[np.float64]
RATE = 24_000
EDGE = 240
PIECES = [
    "Call me Ishmael, if you please.",
    "Some years ago, having little or no money in my purse, I thought I would sail about a "
    "little and see the watery part of the world; it is a way I have of driving off the spleen.",
    "Whenever I find myself growing grim about the mouth, whenever it is a damp, drizzly "
    "November in my soul, I account it high time to get to sea as soon as I can.",
    "Yes, as every one knows, meditation and water are wedded for ever.",
]
SEAMS_S = [0.7, 0.35, 0.7]
TEXT = f"{PIECES[0]}\n\n{PIECES[1]} {PIECES[2]}\n\n{PIECES[3]}"


def place_of(part: Samples, whole: Samples) -> int:
    """Where a part lies in the whole."""
    size = 1 << (len(whole) + len(part)).bit_length()
    spectrum = np.fft.rfft(whole, size) * np.conj(np.fft.rfft(part, size))
    return int(np.fft.irfft(spectrum, size)[: len(whole)].argmax())


@pytest.mark.parametrize("voice", ["af_heart", "bm_george"])
def test_every_piece_is_there_with_all_its_words_and_nothing_else(
    voice: str, speech_client: SpeechClient, tmp_path: Path
) -> None:
    narration = speech_client.narrate(TEXT, voice=voice, alignment="word")
    path = narration.save(tmp_path / "book.wav").path
    samples, rate = read(path)
    assert rate == RATE
    assert report(samples, rate, SEAMS_S).is_seamless
    whole = samples.astype(np.float64)
    rest = whole.copy()
    gains = []
    ends = [0]
    for text in PIECES:
        with speech_client.stream(text, voice=voice, alignment="word") as stream:
            alone = np.frombuffer(b"".join(stream), "<i2").astype(np.float64)
        first, last = stream.words[0], stream.words[-1]
        assert text.startswith(first.word.strip(",."))
        assert last.word.strip(".") in text[-10:]
        # The silence at its ends may be cut, but not a word.
        loud = np.flatnonzero(np.abs(alone) > 0.02 * np.abs(alone).max())
        words = range(round(first.start_s * RATE), round(last.end_s * RATE))
        inside = slice(max(words.start, loud[0]) + EDGE, min(words.stop, loud[-1]) - EDGE)
        assert inside.stop - inside.start > RATE
        start = place_of(alone[inside], whole) - inside.start
        heard = whole[start + inside.start : start + inside.stop]
        gains.append(float(heard @ alone[inside] / (alone[inside] @ alone[inside])))
        assert np.abs(heard - gains[-1] * alone[inside]).max() <= 1
        kept = slice(max(0, -start), len(whole) - start)
        rest[max(0, start) : start + len(alone)] -= gains[-1] * alone[kept]
        # Speech that begins or ends at once is faded.
        for edge in (start + loud[0], start + loud[-1]):
            rest[max(0, edge - EDGE) : edge + EDGE] = 0
        assert ends[-1] < start + inside.start
        ends.append(start + inside.stop)
    # One gain for all.
    assert gains == pytest.approx([gains[0]] * len(gains), rel=1e-3)
    # What is left is what was cut from the silence at their ends, which nobody hears.
    assert np.abs(rest).max() <= 0.02 * np.abs(whole).max()
