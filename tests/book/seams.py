"""What joined pieces, told by the samples alone: the silences in a file, and the steps beside them.

    python -m tests.book.seams book.wav 0.35 0.7 1.5

says which of the pauses asked for are not there, and how large the steps are.
"""

import sys
import wave
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int32]

TOLERANCE_S = 0.02
# A silence is softer than this below the loudest sample, for so long.
BELOW_PEAK_DB = 50
SHORTEST_S = 0.03
# How far from a silence a step is one of the seam.
NEAR_S = 0.005


@dataclass(frozen=True)
class Report:
    """What was found.

    Attributes:
        silences: The first sample of each silence between sounds, and the first one after it.
        missing: The pauses asked for that are not there, in seconds, by their numbers from 0.
        seam_step: The largest difference of two samples that follow each other near a silence of
            a pause asked for.
        speech_step: The largest difference elsewhere.
    """

    silences: list[tuple[int, int]]
    missing: dict[int, float]
    seam_step: int
    speech_step: int

    @property
    def is_seamless(self) -> bool:
        return not self.missing and self.seam_step <= self.speech_step


def read(path: Path) -> tuple[Samples, int]:
    """Return the samples of a WAV file, and how many there are a second."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        pcm = file.readframes(file.getnframes())
        return np.frombuffer(pcm, "<i2").astype(np.int32), file.getframerate()


def silences(samples: Samples, sample_rate: int) -> list[tuple[int, int]]:
    """Return where sounds have silence between them."""
    loud = np.flatnonzero(np.abs(samples) > np.abs(samples).max() * 10 ** (-BELOW_PEAK_DB / 20))
    gaps = np.flatnonzero(np.diff(loud) > SHORTEST_S * sample_rate)
    return [(int(loud[gap]) + 1, int(loud[gap + 1])) for gap in gaps]


def report(samples: Samples, sample_rate: int, asked_s: Sequence[float]) -> Report:
    """Look for pauses in their order; a model's own, inside a piece, may lie between them.

    Args:
        samples: Of the whole file.
        sample_rate: In Hz.
        asked_s: The pauses between pieces in seconds, in order.
    """
    found = silences(samples, sample_rate)
    seams = []
    missing = {}
    at = 0
    for number, asked in enumerate(asked_s):
        lengths = enumerate(((end - start) / sample_rate for start, end in found[at:]), at)
        match = next((n for n, length in lengths if abs(length - asked) <= TOLERANCE_S), None)
        if match is None:
            missing[number] = asked
        else:
            seams.append(found[match])
            at = match + 1
    near = round(NEAR_S * sample_rate)
    is_seam = np.zeros(len(samples) - 1, bool)
    for edge in (edge for seam in seams for edge in seam):
        is_seam[max(edge - near, 0) : edge + near] = True
    steps = np.abs(np.diff(samples))
    return Report(
        found,
        missing,
        int(steps[is_seam].max(initial=0)),
        int(steps[~is_seam].max(initial=0)),
    )


def main(path: str, asked_s: Iterable[str]) -> int:
    found = report(*read(Path(path)), [float(seconds) for seconds in asked_s])
    for number, seconds in found.missing.items():
        sys.stdout.write(f"pause {number} of {seconds:g} s is not there\n")
    sys.stdout.write(f"steps: {found.seam_step} at seams, {found.speech_step} in speech\n")
    return not found.is_seamless


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
