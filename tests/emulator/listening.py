"""What a recording sounds like, in numbers."""

import io
from dataclasses import dataclass

import numpy as np
import parselmouth  # type: ignore[import-not-found]
import soundfile  # type: ignore[import-untyped]
from numpy.typing import NDArray


@dataclass(frozen=True)
class Heard:
    """The measures of a recording.

    Attributes:
        pitch: The median fundamental frequency of the voiced parts in Hz.
        voiced: The share of voiced frames, from 0 to 1.
        level: The root mean square in dB of full scale.
        peak: The largest magnitude; 1 is full scale.
        duration: In seconds.
        low_share: The share of the energy below 4 kHz, where speech has nearly all of its own.
        centroid: The mean frequency of the energy below 4 kHz, in Hz.
    """

    pitch: float
    voiced: float
    level: float
    peak: float
    duration: float
    low_share: float
    centroid: float


def listen(samples: NDArray[np.float64], sample_rate: int) -> Heard:
    """Measure mono samples of full scale 1."""
    sound = parselmouth.Sound(samples, sample_rate)
    frames = sound.to_pitch_ac(pitch_floor=60, pitch_ceiling=400).selected_array["frequency"]
    voiced = frames[frames > 0]
    power = np.abs(np.fft.rfft(samples)) ** 2
    frequencies = np.fft.rfftfreq(len(samples), 1 / sample_rate)
    low = frequencies < 4000
    return Heard(
        pitch=float(np.median(voiced)) if len(voiced) else 0.0,
        voiced=len(voiced) / len(frames),
        level=float(10 * np.log10(np.mean(samples**2))),
        peak=float(np.abs(samples).max()),
        duration=len(samples) / sample_rate,
        low_share=float(power[low].sum() / power.sum()),
        centroid=float((power * frequencies)[low].sum() / power[low].sum()),
    )


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
