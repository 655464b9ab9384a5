"""WAV files of any length."""

import io
import json
import os
import shutil
import struct
import subprocess
import wave
from collections.abc import Sequence
from pathlib import Path

import av
import pytest
import soundfile  # type: ignore[import-untyped]

from facade._book.wav import WavWriter

# The most samples that RIFF can hold beside its header of 44 bytes.
LARGEST = (0xFFFFFFFE - 36) // 2


def sparse(path: Path, samples: int, texts: Sequence[tuple[str, str]] = ()) -> Path:
    """Write a file of which all but the header takes no place on the disk."""
    with path.open("wb") as file:
        WavWriter(file, 24000, samples, texts)
        file.seek(2 * samples - 2, os.SEEK_CUR)
        file.write(b"\x01\x02")
    return path


def test_the_file_is_what_other_readers_take_it_for() -> None:
    file = io.BytesIO()
    writer = WavWriter(file, 24000, 3)
    writer.write(b"\x01\x00\x02\x00")
    writer.write(b"\x03\x00")
    writer.close()
    file.seek(0)
    with wave.open(file) as read:
        assert read.getparams()[:4] == (1, 2, 24000, 3)
        assert read.readframes(9) == b"\x01\x00\x02\x00\x03\x00"


@pytest.mark.parametrize("samples", [3, LARGEST - 21, LARGEST])
def test_it_says_what_it_is(tmp_path: Path, samples: int) -> None:
    """Also beyond 4 GB, and where it is what it says that takes the file there."""
    texts = [("INAM", "Il était"), ("IART", "Some One"), ("ILNG", "fr")]
    path = sparse(tmp_path / "book.wav", samples, texts)
    with av.open(str(path)) as read:
        assert {name: read.metadata[name] for name in ("title", "artist", "language")} == {
            "title": "Il était",
            "artist": "Some One",
            "language": "fr",
        }
    with soundfile.SoundFile(path) as read:
        assert (read.frames, read.title, read.artist) == (samples, "Il était", "Some One")
        read.seek(samples - 1)
        assert read.read(2, "int16").tolist() == [0x0201]
    with path.open("rb") as file:
        riff, size = struct.unpack("<4sI", file.read(8))
    assert (riff, size) == (
        (b"RIFF", path.stat().st_size - 8) if samples == 3 else (b"RF64", 0xFFFFFFFF)
    )


def test_nothing_is_sought_so_a_pipe_will_do() -> None:
    reading, writing = os.pipe()
    with open(reading, "rb") as read, open(writing, "wb") as pipe:  # noqa: PTH123 - descriptors
        writer = WavWriter(pipe, 24000, 1)
        writer.write(b"\x01\x00")
        writer.close()
        pipe.close()
        assert len(read.read()) == 46


@pytest.mark.parametrize(
    ("samples", "kind"), [(LARGEST, b"RIFF"), (LARGEST + 1, b"RF64"), (2**33, b"RF64")]
)
def test_beyond_4_gb_it_is_rf64(tmp_path: Path, samples: int, kind: bytes) -> None:
    path = sparse(tmp_path / "long.wav", samples)
    with path.open("rb") as file:
        assert file.read(4) == kind
    with soundfile.SoundFile(path) as read:
        assert (read.frames, read.samplerate, read.subtype) == (samples, 24000, "PCM_16")
        read.seek(samples - 1)
        assert read.read(2, "int16").tolist() == [0x0201]


@pytest.mark.skipif(not shutil.which("ffprobe"), reason="there is no ffprobe; install ffmpeg")
def test_ffprobe_knows_how_long_rf64_is(tmp_path: Path) -> None:
    path = sparse(tmp_path / "long.wav", 2**33)
    shown = subprocess.run(
        ["ffprobe", "-v", "error", "-of", "json", "-show_streams", path],
        check=True,
        capture_output=True,
    )
    (stream,) = json.loads(shown.stdout)["streams"]
    assert float(stream["duration"]) == pytest.approx(2**33 / 24000, abs=0.001)


@pytest.mark.parametrize("pcm", [b"", b"\0\0", bytes(6)])
def test_a_file_that_is_not_what_its_header_says_is_told(pcm: bytes) -> None:
    writer = WavWriter(io.BytesIO(), 24000, 2)
    writer.write(pcm)
    with pytest.raises(ValueError, match=f"{len(pcm) // 2} samples came .* begun for 2"):
        writer.close()
