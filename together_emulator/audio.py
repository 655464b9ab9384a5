"""From the engine's PCM to the bytes of an answer: sample rate, encoding, container."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import soxr  # type: ignore[import-untyped]
from numpy.typing import NDArray

Encoding = Literal["pcm_s16le", "pcm_f32le", "pcm_mulaw", "pcm_alaw"]


@dataclass(frozen=True)
class AudioFormat:
    """The format of an answer; always one channel.

    Attributes:
        container: ``"wav"``, or ``"raw"`` for samples alone.
        encoding: How a sample is written.
        sample_rate: In Hz.
    """

    container: Literal["wav", "raw"]
    encoding: Encoding
    sample_rate: int

    @property
    def frame_size(self) -> int:
        """The size of a sample in bytes."""
        return {"pcm_s16le": 2, "pcm_f32le": 4, "pcm_mulaw": 1, "pcm_alaw": 1}[self.encoding]

    @property
    def media_type(self) -> str:
        """The content type of an answer in this format."""
        return "audio/wav" if self.container == "wav" else "application/octet-stream"


class Encoder:
    """Encodes mono samples as they come, without the container."""

    def __init__(self, sample_rate: int, audio_format: AudioFormat) -> None:
        """Begin an answer.

        Args:
            sample_rate: The sample rate of the samples that will come, in Hz.
            audio_format: The sample rate and encoding to give.
        """
        self._encode = _ENCODERS[audio_format.encoding]
        self._resampler = (
            None
            if audio_format.sample_rate == sample_rate
            else soxr.ResampleStream(sample_rate, audio_format.sample_rate, 1, dtype="float32")
        )

    def encode(self, samples: NDArray[np.int16], *, last: bool = False) -> bytes:
        """Encode the next samples.

        Args:
            samples: Any number of them.
            last: Whether none will come after these; gives what the resampler held back too.
        """
        block = samples.astype(np.float32)
        if self._resampler is not None:
            block = self._resampler.resample_chunk(block, last=last)
        return self._encode(block)


def wav_header(data_size: int, sample_rate: int) -> bytes:
    """The header of a WAV file of mono 16-bit samples.

    Args:
        data_size: The size of the samples in bytes.
        sample_rate: In Hz.
    """
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + data_size,
        b"WAVE",
        b"fmt ",
        16,
        1,
        1,
        sample_rate,
        2 * sample_rate,
        2,
        16,
        b"data",
        data_size,
    )


def _as_integers(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    return np.clip(np.rint(samples), -32768, 32767).astype(np.int16)


def _pcm_s16le(samples: NDArray[np.float32]) -> bytes:
    return _as_integers(samples).astype("<i2").tobytes()


def _pcm_f32le(samples: NDArray[np.float32]) -> bytes:
    return (samples / np.float32(32768)).astype("<f4").tobytes()


def _pcm_mulaw(samples: NDArray[np.float32]) -> bytes:
    return _mulaw_table()[_as_integers(samples).view(np.uint16)].tobytes()


def _pcm_alaw(samples: NDArray[np.float32]) -> bytes:
    return _alaw_table()[_as_integers(samples).view(np.uint16)].tobytes()


_ENCODERS: dict[Encoding, Callable[[NDArray[np.float32]], bytes]] = {
    "pcm_s16le": _pcm_s16le,
    "pcm_f32le": _pcm_f32le,
    "pcm_mulaw": _pcm_mulaw,
    "pcm_alaw": _pcm_alaw,
}


@cache
def _mulaw_table() -> NDArray[np.uint8]:
    """The G.711 µ-law octet of every 16-bit sample, indexed by the sample's bits."""
    sample = np.arange(65536).astype(np.uint16).view(np.int16).astype(np.int32)
    sign = np.where(sample < 0, 0x80, 0)
    # 13 bits of magnitude, biased so that each segment is twice as long as the one below.
    magnitude = np.minimum(np.abs(sample) >> 2, 8158) + 33
    segment = np.floor(np.log2(magnitude)).astype(np.int32) - 5
    step = magnitude >> (segment + 1) & 0x0F
    octets: NDArray[np.uint8] = (~(sign | segment << 4 | step) & 0xFF).astype(np.uint8)
    return octets


@cache
def _alaw_table() -> NDArray[np.uint8]:
    """The G.711 A-law octet of every 16-bit sample, indexed by the sample's bits."""
    sample = np.arange(65536).astype(np.uint16).view(np.int16).astype(np.int32)
    sign = np.where(sample < 0, 0, 0x80)
    # 11 bits of magnitude; the two lowest segments have the same step.
    magnitude = np.minimum(np.abs(sample) >> 4, 2047)
    segment = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 3, 0)
    step = magnitude >> (np.maximum(segment, 1) - 1) & 0x0F
    octets: NDArray[np.uint8] = ((sign | segment << 4 | step) ^ 0x55).astype(np.uint8)
    return octets
