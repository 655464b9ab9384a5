"""WAV files of any length."""

import struct
from collections.abc import Sequence
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
        texts: What the file says about itself, each with the name of its chunk, such as `"INAM"`.
    """

    def __init__(
        self,
        file: BinaryIO,
        sample_rate: int,
        samples: int,
        texts: Sequence[tuple[str, str]] = (),
    ) -> None:
        self._file = file
        self._samples = samples
        self._written = 0
        file.write(_header(sample_rate, samples, _info(texts)))

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


def _header(sample_rate: int, samples: int, info: bytes) -> bytes:
    size = 2 * samples
    header = wav_header("pcm_s16le", sample_rate, 1, size)
    riff_size = len(header) - 8 + len(info) + size
    # The chunk of the samples comes last.
    fmt, data = header[12:-8] + info, header[-8:-4]
    if riff_size <= _LARGEST_SIZE:
        return struct.pack("<4sI4s", b"RIFF", riff_size, b"WAVE") + fmt + data + header[-4:]
    ds64 = struct.pack("<4sIQQQI", b"ds64", 28, riff_size + 36, size, samples, 0)
    beginning = struct.pack("<4sI4s", b"RF64", 0xFFFFFFFF, b"WAVE")
    # RF64 asks for 0xFFFFFFFF for the size of the samples.
    return beginning + ds64 + fmt + data + struct.pack("<I", 0xFFFFFFFF)


def _info(texts: Sequence[tuple[str, str]]) -> bytes:
    """Return the chunk that tells of a file, or nothing where there is nothing to tell."""
    # It is UTF-8, as FFmpeg writes and reads it; RIFF does not say.
    chunks = b"".join(_chunk(name.encode(), text.encode() + b"\0") for name, text in texts)
    return chunks and _chunk(b"LIST", b"INFO" + chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack("<4sI", name, len(content)) + content + b"\0" * (len(content) % 2)
