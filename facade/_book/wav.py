"""WAV files of any length."""

import struct
from typing import BinaryIO

from facade.formats import wav_header

# What a size in a RIFF file can hold; all bits set stand for a size that is not known.
_LARGEST_SIZE = 0xFFFFFFFE


class WavWriter:
    """Writes mono samples, 16 bits, into a WAV file whose length is known when it begins.

    Nothing is sought, so a pipe does as well as a file. Beyond 4 GB the file is RF64 (EBU
    Tech 3306), which every current player and editor reads.

    Args:
        file: Where to. It stays open.
        sample_rate: In Hz.
        samples: How many there will be.
    """

    def __init__(self, file: BinaryIO, sample_rate: int, samples: int) -> None:
        self._file = file
        self._samples = samples
        self._written = 0
        file.write(_header(sample_rate, samples))

    def write(self, pcm: bytes) -> None:
        """Write samples.

        Raises:
            OSError: The file cannot be written.
        """
        self._file.write(pcm)
        self._written += len(pcm) // 2

    def close(self) -> None:
        """End the file.

        Raises:
            ValueError: More or fewer samples came than were said at the beginning.
        """
        if self._written != self._samples:
            raise ValueError(
                f"{self._written} samples came for a WAV file begun for {self._samples}"
            )


def _header(sample_rate: int, samples: int) -> bytes:
    size = 2 * samples
    header = wav_header("pcm_s16le", sample_rate, 1, size)
    riff_size = len(header) - 8 + size
    if riff_size <= _LARGEST_SIZE:
        return header
    ds64 = struct.pack("<4sIQQQI", b"ds64", 28, riff_size + 36, size, samples, 0)
    beginning = struct.pack("<4sI4s", b"RF64", 0xFFFFFFFF, b"WAVE")
    # What follows in the header says 0xFFFFFFFF for the size of the samples, as RF64 asks.
    return beginning + ds64 + header[12:-4] + struct.pack("<I", 0xFFFFFFFF)
