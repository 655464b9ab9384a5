"""What is measured of a piece of speech: the silence around and in it, its peak, its loudness.

Samples are mono, 16 bits, little-endian.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy import bool_, float32, float64, int16
    from numpy.typing import NDArray

FULL_SCALE = 32768


@dataclass(frozen=True, slots=True)
class Levels:
    """What is measured of a piece. It is small, and msgspec writes and reads it as JSON.

    Attributes:
        samples: Samples of the whole piece.
        lead_samples: Silence before its speech, in samples; all of them where there is no speech.
        tail_samples: Silence after its speech, in samples.
        peak: The largest sample, 0 to 1, where 1 is full scale.
        silences: Where its speech pauses for 50 ms or more: the first sample of each pause, and
            the first one after it.
        loudness: How many blocks of 400 ms are how loud: tenths of LUFS, and the number of blocks.
            Blocks overlap by 75 %; those below -70 LUFS are left out (ITU-R BS.1770-4).
    """

    samples: int
    lead_samples: int
    tail_samples: int
    peak: float
    silences: tuple[tuple[int, int], ...]
    loudness: tuple[tuple[int, int], ...]

    @property
    def speech_samples(self) -> int:
        """Samples from the beginning of the speech to its end; 0 where there is none."""
        return self.samples - self.lead_samples - self.tail_samples


def measure(pcm: bytes, sample_rate: int) -> Levels:
    """Measure a piece.

    Args:
        pcm: Its samples.
        sample_rate: Their rate in Hz, from 8,000 to 48,000.
    """
    import numpy as np

    samples = np.frombuffer(pcm, "<i2")
    if not len(samples):
        return Levels(0, 0, 0, 0.0, (), ())
    # To tell silence and loudness, some 12,000 samples a second suffice.
    step = max(round(sample_rate / 12000), 1)
    part = samples[::step]
    window = round(_WINDOW_S * sample_rate / step)
    frame = window * _WINDOWS_IN_FRAME
    # Whole frames, with zeros at the end.
    signal = np.empty(-(-len(part) // frame) * frame, np.float32)
    signal[: len(part)] = part
    signal[len(part) :] = 0
    windows = signal.reshape(-1, window)
    energy = np.einsum("ij,ij->i", windows, windows)
    peak = max(int(samples.max()), -int(samples.min())) / FULL_SCALE
    speech, silences = _speech(samples, energy / window, window * step, peak)
    return Levels(
        samples=len(samples),
        lead_samples=speech.start,
        tail_samples=len(samples) - speech.stop,
        peak=peak,
        silences=tuple((start * window * step, end * window * step) for start, end in silences),
        loudness=_loudness(windows, energy, sample_rate / step),
    )


def integrated_loudness(levels: Iterable[Levels]) -> float | None:
    """Return the loudness of all pieces together, in LUFS, by the gates of ITU-R BS.1770-4.

    Returns:
        The loudness, or `None` where no block is louder than -70 LUFS.
    """
    blocks: Counter[int] = Counter()
    for piece in levels:
        blocks.update(dict(piece.loudness))
    if not blocks:
        return None
    gate = _mean_loudness(blocks) - _RELATIVE_GATE_LU
    return _mean_loudness({tenths: n for tenths, n in blocks.items() if tenths / 10 > gate})


def gain_for(
    levels: Iterable[Levels], *, target_lufs: float = -18.0, peak_limit_dbfs: float = -3.0
) -> float:
    """Return the one gain that a book's pieces get.

    Args:
        levels: Of each piece. It is gone through once.
        target_lufs: How loud the book is to be. AES TD1008 recommends -18 LUFS for speech; that
            is also about the upper end of what ACX asks of audio books (-23 to -18 dB RMS).
        peak_limit_dbfs: No sample gets louder than this, and where it would, the book stays
            below `target_lufs`. ACX asks for -3 dB, which also leaves room for what an encoder
            adds.

    Returns:
        What to multiply samples by; 1 where there is nothing to hear.
    """
    loudest = 0.0

    def watched() -> Iterator[Levels]:
        nonlocal loudest
        for piece in levels:
            loudest = max(loudest, piece.peak)
            yield piece

    loudness = integrated_loudness(watched())
    if loudness is None:
        return 1.0
    return min(_amplitude(target_lufs - loudness), _amplitude(peak_limit_dbfs) / loudest)


# --- silence ---------------------------------------------------------------------------------

_WINDOW_S = 0.005
# Speech is louder than the first. At its ends it is followed down to the second, so that a soft
# "f" or "s" is not cut, for as long as such a sound lasts at most.
_SPEECH_BELOW_PEAK_DB = 40
_SOFT_BELOW_PEAK_DB = 52
_FLOOR_DBFS = -66
_LONGEST_SOFT_S = 0.15
_SHORTEST_SILENCE_S = 0.05


def _speech(
    samples: "NDArray[int16]", power: "NDArray[float32]", window: int, peak: float
) -> tuple[range, list[tuple[int, int]]]:
    """Return the samples from the first of speech to the last, and the silent windows between."""
    import numpy as np

    loud = np.flatnonzero(power > _threshold(peak, _SPEECH_BELOW_PEAK_DB) ** 2)
    if not len(loud):
        return range(len(samples), len(samples)), []
    threshold = _threshold(peak, _SOFT_BELOW_PEAK_DB)
    is_soft = power > threshold**2
    longest = round(_LONGEST_SOFT_S / _WINDOW_S)
    first, after = int(loud[0]), int(loud[-1]) + 1
    first -= _leading(is_soft[max(first - longest, 0) : first][::-1])
    after += _leading(is_soft[after : after + longest])
    # To the sample: the windows beside them may hold a little of it.
    begin, end = max(first - 1, 0) * window, (after - 1) * window
    head = samples[begin : (first + 1) * window].astype(np.float32)
    tail = samples[end : (after + 1) * window].astype(np.float32)
    begin += int(np.flatnonzero(np.abs(head) > threshold)[0])
    end += int(np.flatnonzero(np.abs(tail) > threshold)[-1]) + 1
    (pauses,) = np.nonzero(np.diff(loud) > round(_SHORTEST_SILENCE_S / _WINDOW_S))
    starts, ends = loud[pauses] + 1, loud[pauses + 1]
    return range(begin, end), list(zip(starts.tolist(), ends.tolist(), strict=True))


def _threshold(peak: float, below_peak_db: int) -> float:
    return FULL_SCALE * max(peak * _amplitude(-below_peak_db), _amplitude(_FLOOR_DBFS))


# --- loudness --------------------------------------------------------------------------------

_WINDOWS_IN_FRAME = 20
_FRAMES_IN_BLOCK = 4
_ABSOLUTE_GATE_LUFS = -70
_RELATIVE_GATE_LU = 10


def _loudness(
    windows: "NDArray[float32]", energy: "NDArray[float32]", rate: float
) -> tuple[tuple[int, int], ...]:
    """Count the blocks of each loudness.

    The energy of a frame after the standard's filters is found without running them: as the sum
    of four energies that cost little, and whose responses add up to about that of the filters.
    """
    import numpy as np

    everything, lagged, lagged_twice, low = _weights(windows.shape[1], rate)
    sums = windows @ np.ones(windows.shape[1], np.float32)
    frames = windows.reshape(-1, windows.shape[1] * _WINDOWS_IN_FRAME)
    weighted = (everything * energy + low * np.square(sums)).reshape(-1, _WINDOWS_IN_FRAME).sum(1)
    weighted += lagged * _products(frames[:, 1:], frames[:, :-1])
    weighted += lagged_twice * _products(frames[:, 2:], frames[:, :-2])
    # In the book a pause lies around the piece, so there are blocks that it fills in part.
    blocks = np.convolve(weighted, np.full(_FRAMES_IN_BLOCK, 1 / _FRAMES_IN_BLOCK))
    blocks = blocks[blocks > _power(_ABSOLUTE_GATE_LUFS + 0.691)]
    tenths = np.rint(100 * np.log10(blocks) - 6.91).astype(int)
    return tuple(sorted(Counter(tenths.tolist()).items()))


def _products(rows: "NDArray[float32]", others: "NDArray[float32]") -> "NDArray[float32]":
    """Return the inner product of each row with the other of its number."""
    import numpy as np

    return np.asarray(np.matmul(rows[:, None, :], others[:, :, None])).ravel()


@lru_cache(maxsize=4)
def _weights(window: int, rate: float) -> tuple[float, float, float, float]:
    """Return by what the four energies of a frame are multiplied before they are added.

    They are fitted to the filters' response from 80 Hz, where the deepest voices begin. Each
    octave counts as much as the next. The fit is within 0.3 dB up to 8 kHz.
    """
    import numpy as np

    # What is above half of the rate is there too: no filter took it away.
    hertz = np.arange(80.0, 0.95 * rate, 5.0)
    omega = 2 * np.pi * hertz / rate
    responses = (
        np.ones_like(omega),
        np.cos(omega),
        np.cos(2 * omega),
        (np.sin(window * omega / 2) / np.sin(omega / 2)) ** 2 / window,
    )
    target = _k_weighting(hertz)
    importance = 1 / (hertz * target)
    equations = np.array(responses).T * importance[:, None]
    fit = np.linalg.lstsq(equations, target * importance, rcond=None)[0]
    # From the energy of a frame to its mean square, where 1 is full scale.
    fit /= window * _WINDOWS_IN_FRAME * FULL_SCALE**2
    # The last response is that of the sum over a window, squared, for each of its samples.
    return float(fit[0]), float(fit[1]), float(fit[2]), float(fit[3]) / window


def _k_weighting(hertz: "NDArray[float64]") -> "NDArray[float64]":
    """Return by how much the two filters of ITU-R BS.1770-4, annex 1, raise power."""
    import numpy as np

    # The standard gives the filters for 48 kHz; their response there holds at any rate.
    z = np.exp(-2j * np.pi * hertz / 48000)
    shelf = (1.53512485958697 - 2.69169618940638 * z + 1.19839281085285 * z**2) / (
        1 - 1.69065929318241 * z + 0.73248077421585 * z**2
    )
    high_pass = (1 - 2 * z + z**2) / (1 - 1.99004745483398 * z + 0.99007225036621 * z**2)
    return np.asarray(np.abs(shelf * high_pass) ** 2, np.float64)


def _mean_loudness(blocks: Mapping[int, int]) -> float:
    """Return the loudness of the mean energy of blocks, in LUFS."""
    energy = sum(n * 10 ** (tenths / 100) for tenths, n in blocks.items())
    return 10 * math.log10(energy / sum(blocks.values()))


def _leading(flags: "NDArray[bool_]") -> int:
    """Count how many flags are set before the first that is not."""
    return len(flags) if flags.all() else int(flags.argmin())


def _power(decibels: float) -> float:
    return float(10 ** (decibels / 10))


def _amplitude(decibels: float) -> float:
    return float(10 ** (decibels / 20))
