"""What a recording sounds like, in numbers."""

import io
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import parselmouth  # type: ignore[import-not-found]
import soundfile  # type: ignore[import-untyped]
from numpy.typing import NDArray


@dataclass(frozen=True)
class Heard:
    """A recording of mono samples of full scale 1, and its measures, each taken when asked for."""

    samples: NDArray[np.float64]
    sample_rate: int

    @property
    def duration(self) -> float:
        """In seconds."""
        return len(self.samples) / self.sample_rate

    @property
    def level(self) -> float:
        """The root mean square in dB of full scale."""
        return float(10 * np.log10(np.mean(self.samples**2)))

    @property
    def peak(self) -> float:
        """The largest magnitude; 1 is full scale."""
        return float(np.abs(self.samples).max())

    @cached_property
    def pitch(self) -> float:
        """The median fundamental frequency of the voiced parts in Hz."""
        voiced = self._frames[self._frames > 0]
        return float(np.median(voiced)) if len(voiced) else 0.0

    @property
    def voiced(self) -> float:
        """The share of voiced frames, from 0 to 1."""
        return float(np.mean(self._frames > 0))

    @property
    def low_share(self) -> float:
        """The share of the energy below 4 kHz, where speech has nearly all of its own."""
        frequencies, power = self._spectrum
        return float(power[frequencies < 4000].sum() / power.sum())

    @property
    def centroid(self) -> float:
        """The mean frequency of the energy below 4 kHz, in Hz."""
        frequencies, power = self._spectrum
        low = frequencies < 4000
        return float((power * frequencies)[low].sum() / power[low].sum())

    @cached_property
    def _frames(self) -> NDArray[np.float64]:
        sound = parselmouth.Sound(self.samples, self.sample_rate)
        pitch = sound.to_pitch_ac(pitch_floor=60, pitch_ceiling=400)
        frequencies: NDArray[np.float64] = pitch.selected_array["frequency"]
        return frequencies

    @cached_property
    def _spectrum(self) -> tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]:
        power = np.abs(np.fft.rfft(self.samples)) ** 2
        return np.fft.rfftfreq(len(self.samples), 1 / self.sample_rate), power


def read_raw(content: bytes, sample_rate: int, subtype: str) -> NDArray[np.float64]:
    """Decode mono samples without a header with libsndfile."""
    samples: NDArray[np.float64]
    samples, _ = soundfile.read(
        io.BytesIO(content),
        format="RAW",
        samplerate=sample_rate,
        channels=1,
        subtype=subtype,
        endian="LITTLE",
    )
    return samples


def read_file(content: bytes) -> tuple[NDArray[np.float64], int]:
    """Decode a WAV or MP3 file with libsndfile: samples and sample rate in Hz."""
    samples: NDArray[np.float64]
    samples, sample_rate = soundfile.read(io.BytesIO(content))
    return samples, int(sample_rate)
