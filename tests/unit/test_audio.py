"""Audio that has come: as a WAV file, and on the disk."""

import errno
import io
import os
import pickle
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]

from facade import audio as audio_module
from facade import check_save_path
from facade.audio import SpeechAudio, atomic_file
from facade.errors import InvalidRequestError
from facade.formats import AudioFormat, Encoding, wav_header

WAV_BYTES = wav_header("pcm_s16le", 24000, 1, 4) + b"\1\2\3\4"
WAV = SpeechAudio(WAV_BYTES, AudioFormat("wav", "pcm_s16le", 24000, 1))
RAW = SpeechAudio(b"\1\2\3\4", AudioFormat("raw", "pcm_s16le", 24000, 1), "req-1")
MULAW = SpeechAudio(b"\1\2\3\4", AudioFormat("raw", "pcm_mulaw", 8000, 1))
OPUS = SpeechAudio(b"OggS", AudioFormat("opus"))
MP3 = SpeechAudio(b"\xff\xfb\x90\xc4", AudioFormat("mp3", None, 44100, 1))
OTHER = SpeechAudio(b"?", AudioFormat("unknown"))


def unmeasured() -> dict[str, str]:
    """The environment of a process that cannot write down at its end what it has run."""
    return {name: value for name, value in os.environ.items() if "COVERAGE" not in name}


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
        (MP3.format, "only raw samples get a WAV header, and the audio is mp3 44100 Hz mono; ask"),
        (OTHER.format, "and the audio is unknown; ask"),
        (
            AudioFormat("raw", None, 24000, 1),
            "only 'raw 24000 Hz mono' is known; pass response_encoding, or ask",
        ),
        (
            AudioFormat("raw", "pcm_s16le", None, 1),
            "only 'raw pcm_s16le mono' is known; pass sample_rate, or ask",
        ),
        (AudioFormat("raw", "pcm_s16le", 24000), "only 'raw pcm_s16le 24000 Hz' is known; ask"),
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
        (RAW, "a.wave", WAV_BYTES),
        (RAW, "a.raw", RAW.content),
        (RAW, "a.pcm", RAW.content),
        (RAW, "a", RAW.content),
        (MULAW, "a.mulaw", MULAW.content),
        (MULAW, "a.ulaw", MULAW.content),
        (MULAW, "a.pcm", MULAW.content),
        (raw(b"\1", "pcm_alaw"), "a.alaw", b"\1"),
        (RAW, "a.s16", RAW.content),
        (RAW, "a.SLN", RAW.content),
        # Nobody could say what these samples are, so the name may be right.
        (SpeechAudio(b"\1", AudioFormat("raw")), "a.mulaw", b"\1"),
        (SpeechAudio(b"\1", AudioFormat("raw")), "a.sln", b"\1"),
        (WAV, "a.audio", WAV_BYTES),
        (MP3, "a.mp3", MP3.content),
        (OPUS, "a.opus", OPUS.content),
        (OPUS, "a.ogg", OPUS.content),
        (OPUS, "a.OGA", OPUS.content),
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
    ("audio", "name", "instead"),
    [
        (WAV, "a.mp3", "end the name in '.wav', or ask synthesize() for response_format='mp3'"),
        (RAW, "a.mp3", "end the name in '.wav' or '.raw', or ask synthesize() for"),
        (RAW, "a.flac", "response_format='flac'"),
        (MP3, "a.wav", "end the name in '.mp3', or ask synthesize() for response_format='wav'"),
        (MP3, "a.WAV", "response_format='wav'"),
        (MP3, "a.aac", "response_format='aac'"),
        (MP3, "a.opus", "response_format='opus'"),
        (MP3, "a.ogg", "response_format='opus'"),
        (WAV, "a.ogg", "response_format='opus'"),
        (WAV, "a.raw", "response_format='raw'"),
        (WAV, "a.pcm", "response_format='raw'"),
        (RAW, "a.mulaw", "response_format='mulaw'"),
        (WAV, "a.ulaw", "response_format='mulaw'"),
        (MULAW, "a.alaw", "response_format='raw' and response_encoding='pcm_alaw'"),
        (OTHER, "a.wav", "end the name in '.bin'"),
        (WAV, "a.m4a", "no model gives that kind of file, so end the name in '.wav'"),
        (MP3, "a.mp4", "so end the name in '.mp3'"),
        (OPUS, "a.webm", "so end the name in '.opus'"),
        (RAW, "a.aiff", "so end the name in '.wav' or '.raw'"),
        *(
            (audio, f"a.{suffix}", f"gives that kind of file, so end the name in {instead}")
            for suffix in ("3gp", "aifc", "l16", "mp2", "weba", "wma")
            for audio, instead in ((WAV, "'.wav'"), (MP3, "'.mp3'"), (RAW, "'.wav' or '.raw'"))
        ),
        *(
            (
                audio,
                f"a.{suffix}",
                "ask synthesize() for response_format='raw' and response_encoding='pcm_s16le'",
            )
            for suffix in ("s16", "sln")
            for audio in (WAV, MP3, MULAW)
        ),
    ],
)
def test_a_name_that_says_something_else_is_refused(
    audio: SpeechAudio, name: str, instead: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidRequestError, match=f"a file named '{name}' must not hold") as caught:
        audio.save(tmp_path / name)
    assert caught.value.param == "path"
    assert instead in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_raw_audio_of_an_unknown_encoding_gets_no_header(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="needs encoding and sample rate"):
        SpeechAudio(b"\1\2", AudioFormat("raw")).save(tmp_path / "a.wav")
    assert not list(tmp_path.iterdir())


@pytest.fixture(params=["files without a name", "none in this system", "none without /proc"])
def _new_file(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The ways in which a new file begins: Linux has files without a name, others have not."""
    if request.param == "none in this system":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    elif request.param == "none without /proc":
        monkeypatch.setattr(audio_module, "_descriptor", lambda _file: tmp_path / "no" / "proc")


@pytest.mark.usefixtures("_new_file")
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


@contextmanager
def beginning_to_save(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process, which has written half of a file when the block begins."""
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from facade.audio import atomic_file\n"
        "with atomic_file(Path(sys.argv[1])) as file:\n"
        "    file.write(bytes(1_000_000))\n"
        "    print('half', flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, path],
        stdout=subprocess.PIPE,
        text=True,
        env=unmeasured(),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        yield process


@pytest.mark.skipif(
    not hasattr(os, "O_TMPFILE"), reason="this system has no files without a name, only Linux has"
)
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_process_that_is_ended_leaves_nothing_behind(end: signal.Signals, tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    path.write_bytes(b"older")
    with beginning_to_save(path) as process:
        process.send_signal(end)
    assert process.returncode == -end
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"a.raw": b"older"}


@pytest.mark.usefixtures("_new_file")
def test_a_folder_that_is_gone_meanwhile_is_told_by_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(FileNotFoundError) as caught, atomic_file(folder / "a.raw"):
        shutil.rmtree(folder)
    assert caught.value.filename == str(folder / "a.raw")
    assert caught.value.filename2 is None


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
        [sys.executable, "-c", script, path],
        capture_output=True,
        text=True,
        check=True,
        env=unmeasured(),
    )
    assert done.stdout == f"{errno.EFBIG}\n"
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"a.raw": b"older"}


@pytest.mark.usefixtures("_new_file")
def test_the_file_is_on_the_disk_before_it_takes_the_old_one_s_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.raw"
    path.write_bytes(b"older")
    seen: list[tuple[bytes, int]] = []

    def watched(file: int) -> None:
        seen.append((path.read_bytes(), os.fstat(file).st_size))

    monkeypatch.setattr(os, "fsync", watched)
    RAW.save(path)
    assert seen == [(b"older", len(RAW.content))]
    assert path.read_bytes() == RAW.content
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def umask_027() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask_027", "_new_file")
def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    assert stat.S_IMODE(RAW.save(tmp_path / "a.raw").stat().st_mode) == 0o640


@pytest.mark.usefixtures("_new_file")
@pytest.mark.parametrize("mode", [0o600, 0o666, 0o444])
def test_a_file_keeps_its_permissions_and_is_never_more_open(
    mode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.raw"
    path.touch()
    path.chmod(mode)
    modes: set[int] = set()

    def watched(file: int) -> None:
        modes.add(stat.S_IMODE(os.fstat(file).st_mode))

    monkeypatch.setattr(os, "fsync", watched)
    RAW.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert modes == {mode}
    assert path.read_bytes() == RAW.content


@pytest.mark.usefixtures("_new_file")
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


@pytest.mark.usefixtures("_new_file")
def test_another_name_of_the_file_keeps_the_old_audio(tmp_path: Path) -> None:
    path, other = tmp_path / "a.raw", tmp_path / "other.raw"
    path.write_bytes(b"older")
    other.hardlink_to(path)
    RAW.save(path)
    assert (path.read_bytes(), other.read_bytes()) == (RAW.content, b"older")


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


# --- before anything is asked for -------------------------------------------------------------


@pytest.mark.parametrize("name", ["new.raw", "old.raw", "link.raw"])
def test_what_can_be_saved_passes_and_nothing_is_written(name: str, tmp_path: Path) -> None:
    (tmp_path / "old.raw").write_bytes(b"older")
    (tmp_path / "link.raw").symlink_to(tmp_path / "not there")
    before = sorted(tmp_path.iterdir())
    assert check_save_path(str(tmp_path / name), RAW.format) == tmp_path / name
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "old.raw").read_bytes() == b"older"


def test_a_name_alone_is_one_in_this_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    check_save_path("a.mp3", MP3.format)
    assert MP3.save("a.mp3").read_bytes() == MP3.content


@pytest.mark.parametrize("path", ["a\0b.raw", "\ud800.raw"])
def test_a_character_that_no_name_may_have_is_refused(path: str) -> None:
    message = "path: .* has a character that no file name may have"
    with pytest.raises(InvalidRequestError, match=message):
        RAW.save(path)
    with pytest.raises(InvalidRequestError, match=message):
        check_save_path(path, RAW.format)


def test_a_name_that_says_something_else_is_refused_before(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="must not hold"):
        check_save_path(tmp_path / "a.wav", AudioFormat("mp3"))


@pytest.mark.parametrize("folder", ["missing", "file"])
def test_a_missing_folder_is_named(folder: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileNotFoundError, match="there is no such folder") as caught:
        RAW.save(tmp_path / folder / "a.raw")
    assert caught.value.filename == str(tmp_path / folder)


@pytest.mark.parametrize("name", ["", "new/"])
def test_a_folder_is_not_replaced(name: str, tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="name a file in it"):
        RAW.save(f"{tmp_path}/{name}")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_too_long_is_told_before(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the number says more than the text
        check_save_path(tmp_path / ("a" * 300), RAW.format)
    assert caught.value.errno == errno.ENAMETOOLONG


@pytest.mark.parametrize("call", ["check_save_path(path, audio.format)", "audio.save(path)"])
@pytest.mark.parametrize("name", ["a.raw", "fifo"])
def test_what_may_not_be_written_to_is_named(call: str, name: str) -> None:
    """As somebody else, since root may write everywhere."""
    script = (
        "import os, sys\n"
        "from facade import AudioFormat, SpeechAudio, check_save_path\n"
        "path, audio = sys.argv[1], SpeechAudio(b'', AudioFormat('raw'))\n"
        "if os.geteuid() == 0:\n"
        "    os.setuid(65534)\n"
        "try:\n"
        f"    {call}\n"
        "except PermissionError as error:\n"
        "    print(error.filename, error.strerror)\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        os.mkfifo(Path(folder) / "fifo", 0o444)
        Path(folder).chmod(0o555)
        done = subprocess.run(
            [sys.executable, "-c", script, path],
            capture_output=True,
            text=True,
            check=True,
            env=unmeasured(),
        )
        Path(folder).chmod(0o755)
    named = folder if name == "a.raw" else str(path)
    assert done.stdout == f"{named} cannot be written to\n"


def test_a_folder_that_may_not_be_written_to_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: (path, mode) != (tmp_path, os.W_OK))
    with pytest.raises(PermissionError, match="cannot be written to") as caught:
        check_save_path(tmp_path / "a.raw", RAW.format)
    assert caught.value.filename == str(tmp_path)


@pytest.mark.usefixtures("_new_file")
def test_a_new_file_that_cannot_be_is_told_by_its_folder(tmp_path: Path) -> None:
    """Where the check could not know, or the folder went away after it."""
    path = tmp_path / "missing" / "a.raw"
    with pytest.raises(FileNotFoundError) as caught, atomic_file(path):
        pass
    assert caught.value.filename == str(path.parent)
