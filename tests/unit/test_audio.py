"""Audio that has come: as a WAV file, and on the disk."""

import errno
import io
import os
import pickle
import stat
import struct
import subprocess
import sys
import threading
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]

from facade.audio import SpeechAudio
from facade.errors import InvalidRequestError
from facade.formats import AudioFormat, Encoding, wav_header

WAV_BYTES = wav_header("pcm_s16le", 24000, 1, 4) + b"\1\2\3\4"
WAV = SpeechAudio(WAV_BYTES, AudioFormat("wav", "pcm_s16le", 24000, 1))
RAW = SpeechAudio(b"\1\2\3\4", AudioFormat("raw", "pcm_s16le", 24000, 1), "req-1")
MP3 = SpeechAudio(b"\xff\xfb\x90\xc4", AudioFormat("mp3", None, 44100, 1))
OTHER = SpeechAudio(b"?", AudioFormat("unknown"))


def raw(content: bytes, encoding: Encoding, rate: int = 24000) -> SpeechAudio:
    return SpeechAudio(content, AudioFormat("raw", encoding, rate, 1))


def test_audio_does_not_print_its_bytes() -> None:
    assert repr(RAW) == f"SpeechAudio(format={RAW.format!r}, request_id='req-1')"


def test_audio_travels() -> None:
    assert pickle.loads(pickle.dumps(RAW)) == RAW  # noqa: S301


@pytest.mark.parametrize(
    ("audio", "seconds"), [(RAW, 2 / 24000), (WAV, 2 / 24000), (MP3, None), (OTHER, None)]
)
def test_audio_knows_how_long_it_lasts(audio: SpeechAudio, seconds: float | None) -> None:
    assert audio.duration_s == seconds


# --- as a WAV file -----------------------------------------------------------------------------


def mulaw_decoded(code: int) -> int:
    """G.711 µ-law, as the standard has it."""
    code ^= 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84 << (code >> 4 & 7)) - 0x84
    return -magnitude if code & 0x80 else magnitude


def alaw_decoded(code: int) -> int:
    """G.711 A-law, as the standard has it."""
    code ^= 0x55
    segment = code >> 4 & 7
    magnitude = ((code & 0x0F) << 4) + 8
    if segment:
        magnitude = magnitude + 0x100 << segment - 1
    return magnitude if code & 0x80 else -magnitude


EVERY_S16 = np.arange(-32768, 32768).astype("<i2")
EVERY_BYTE = bytes(range(256))


@pytest.mark.parametrize("rate", [8000, 24000, 44100])
@pytest.mark.parametrize(
    ("encoding", "content", "samples"),
    [
        ("pcm_s16le", EVERY_S16.tobytes(), EVERY_S16),
        ("pcm_mulaw", EVERY_BYTE, np.array([mulaw_decoded(code) for code in EVERY_BYTE], "<i2")),
        ("pcm_alaw", EVERY_BYTE, np.array([alaw_decoded(code) for code in EVERY_BYTE], "<i2")),
        # An odd number of bytes, so that the file ends with padding.
        ("pcm_mulaw", EVERY_BYTE[:-1], np.array([mulaw_decoded(c) for c in range(255)], "<i2")),
        (
            "pcm_f32le",
            np.linspace(-1.5, 1.5, 999).astype("<f4").tobytes(),
            np.linspace(-1.5, 1.5, 999).astype("<f4"),
        ),
    ],
)
def test_other_programs_read_the_same_samples(
    encoding: Encoding, content: bytes, samples: np.ndarray[Any, Any], rate: int
) -> None:
    audio = raw(content, encoding, rate).to_wav()
    assert audio.format == AudioFormat("wav", encoding, rate, 1)
    assert audio.duration_s == len(samples) / rate
    assert len(audio.content) % 2 == 0
    assert struct.unpack_from("<I", audio.content, 4) == (len(audio.content) - 8,)
    heard, heard_rate = soundfile.read(io.BytesIO(audio.content), dtype=samples.dtype.name)
    assert heard_rate == rate
    assert np.array_equal(heard, samples)


def test_python_s_wave_reads_the_same_samples() -> None:
    with wave.open(io.BytesIO(raw(EVERY_S16.tobytes(), "pcm_s16le").to_wav().content)) as file:
        assert file.getparams()[:4] == (1, 2, 24000, len(EVERY_S16))
        assert file.readframes(100_000) == EVERY_S16.tobytes()


def test_a_wav_file_stays_as_it_is_and_ids_are_kept() -> None:
    assert WAV.to_wav() is WAV
    assert RAW.to_wav().request_id == "req-1"


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        (MP3.format, "mp3 44100 Hz mono audio is compressed"),
        (OTHER.format, "unknown audio is compressed"),
        (AudioFormat("raw", None, 24000, 1), "only 'raw 24000 Hz mono' is known"),
        (AudioFormat("raw", "pcm_s16le", None, 1), "only 'raw pcm_s16le mono' is known"),
        (AudioFormat("raw", "pcm_s16le", 24000), "only 'raw pcm_s16le 24000 Hz' is known"),
    ],
)
def test_no_header_is_made_up(form: AudioFormat, reason: str) -> None:
    with pytest.raises(InvalidRequestError, match=reason) as caught:
        SpeechAudio(b"\1\2", form).to_wav()
    assert caught.value.param == "format"
    assert "response_format='wav'" in str(caught.value)


# --- on the disk -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("audio", "name", "written"),
    [
        (WAV, "a.wav", WAV_BYTES),
        (WAV, "a.WAV", WAV_BYTES),
        (RAW, "a.wav", WAV_BYTES),
        (RAW, "a.Wav", WAV_BYTES),
        (RAW, "a.raw", RAW.content),
        (RAW, "a.pcm", RAW.content),
        (RAW, "a", RAW.content),
        (WAV, "a.audio", WAV_BYTES),
        (MP3, "a.mp3", MP3.content),
        (OTHER, "a.bin", OTHER.content),
        (RAW, "日本語 " + "é" * 80 + ".raw", RAW.content),
    ],
)
def test_audio_is_saved_in_the_kind_of_file_that_its_name_says(
    audio: SpeechAudio, name: str, written: bytes, tmp_path: Path
) -> None:
    for path in (tmp_path / name, str(tmp_path / name)):
        assert audio.save(path) == Path(path)
        assert Path(path).read_bytes() == written
        assert os.listdir(tmp_path) == [name]  # noqa: PTH208 - nothing else is there


@pytest.mark.parametrize(
    ("audio", "name"),
    [
        (WAV, "a.mp3"),
        (RAW, "a.mp3"),
        (RAW, "a.flac"),
        (MP3, "a.wav"),
        (MP3, "a.WAV"),
        (MP3, "a.aac"),
        (MP3, "a.opus"),
        (OTHER, "a.wav"),
    ],
)
def test_a_name_that_says_something_else_is_refused(
    audio: SpeechAudio, name: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidRequestError, match=f"a file named '{name}' must not hold") as caught:
        audio.save(tmp_path / name)
    assert caught.value.param == "path"
    assert not list(tmp_path.iterdir())


def test_raw_audio_of_an_unknown_encoding_gets_no_header(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="needs encoding and sample rate"):
        SpeechAudio(b"\1\2", AudioFormat("raw")).save(tmp_path / "a.wav")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("failure", [KeyboardInterrupt, OSError(errno.EIO, "the disk is gone")])
@pytest.mark.parametrize("there_before", [b"older", None])
def test_an_interrupted_save_leaves_what_was_there_and_nothing_else(
    failure: BaseException | type[BaseException],
    there_before: bytes | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "a.raw"
    if there_before is not None:
        path.write_bytes(there_before)

    def interrupted(_file: int) -> None:
        raise failure

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises((KeyboardInterrupt, OSError)):
        RAW.save(path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == (
        {} if there_before is None else {"a.raw": there_before}
    )


def test_a_folder_that_may_not_be_written_to_is_the_reason_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(path: Path, mode: str) -> None:
        raise PermissionError(errno.EACCES, "not yours", str(path))

    monkeypatch.setattr(Path, "open", forbidden)
    with pytest.raises(PermissionError) as caught:
        RAW.save(tmp_path / "a.raw")
    assert caught.value.__context__ is None


def test_a_full_disk_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    path.write_bytes(b"older")
    # A limit on the size of files fails a write half-way, as a full disk does.
    script = (
        "import resource, signal, sys\n"
        "from facade.audio import SpeechAudio\n"
        "from facade.formats import AudioFormat\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n"
        "    SpeechAudio(bytes(100_000), AudioFormat('raw')).save(sys.argv[1])\n"
        "except OSError as error:\n"
        "    print(error.errno)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, path], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{errno.EFBIG}\n"
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"a.raw": b"older"}


def test_the_file_is_on_the_disk_before_it_takes_the_old_one_s_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.raw"
    path.write_bytes(b"older")
    seen: list[tuple[bytes, list[bytes]]] = []

    def watched(_file: int) -> None:
        beside = [file.read_bytes() for file in tmp_path.iterdir() if file != path]
        seen.append((path.read_bytes(), beside))

    monkeypatch.setattr(os, "fsync", watched)
    RAW.save(path)
    assert seen == [(b"older", [RAW.content])]
    assert path.read_bytes() == RAW.content


@pytest.fixture
def umask_027() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask_027")
def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    assert stat.S_IMODE(RAW.save(tmp_path / "a.raw").stat().st_mode) == 0o640


@pytest.mark.parametrize("mode", [0o600, 0o666, 0o444])
def test_a_file_keeps_its_permissions_and_is_never_more_open(
    mode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.raw"
    path.touch()
    path.chmod(mode)
    modes: set[int] = set()

    def watched(_file: int) -> None:
        modes.update(stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir())

    monkeypatch.setattr(os, "fsync", watched)
    RAW.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert modes == {mode}
    assert path.read_bytes() == RAW.content


@pytest.mark.parametrize("is_dangling", [False, True])
def test_a_link_goes_on_pointing_to_the_file(is_dangling: bool, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "target.raw"
    if not is_dangling:
        target.write_bytes(b"older")
    link = tmp_path / "link.raw"
    link.symlink_to(target)
    assert RAW.save(link) == link
    assert link.is_symlink()
    assert target.read_bytes() == RAW.content
    assert list(target.parent.iterdir()) == [target]


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    RAW.save(pipe)
    reader.join()
    assert read == [WAV_BYTES]
    assert pipe.is_fifo()


def test_a_device_is_written_to() -> None:
    RAW.save("/dev/null")
    assert Path("/dev/null").is_char_device()
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the number says more than the text
        RAW.save("/dev/full")
    assert caught.value.errno == errno.ENOSPC


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no such folder") as caught:
        RAW.save(tmp_path / "missing" / "a.raw")
    assert caught.value.filename == str(tmp_path / "missing")


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        RAW.save(tmp_path)
    assert tmp_path.is_dir()
