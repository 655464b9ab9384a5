"""The command line, with the emulator as the service."""

import io
import json
import os
import pty
import subprocess
import sys
import wave
from base64 import b64encode
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import ClassVar, Self

import pytest
from typer.testing import CliRunner, Result

from facade import VoiceMix
from facade.cli import app
from tests.emulator.conftest import emulator_process
from tests.faults.server import FaultServer, chunked

MIX = "af_bella(2)+af_heart(1)"


def run(*arguments: str, text: str | bytes | None = None) -> Result:
    return CliRunner().invoke(app, arguments, input=text)


def on_a_terminal(*arguments: str, typed: str = "") -> tuple[int, str]:
    """Run the command line with its three streams on a terminal of their own."""
    ours, theirs = pty.openpty()
    os.write(ours, typed.encode())
    process = subprocess.Popen(
        [sys.executable, "-m", "facade", *arguments], stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 4096):
            shown += piece
    except OSError:
        pass  # Linux reports the end of a terminal as an error
    os.close(ours)
    return process.wait(), shown.decode()


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOGETHER_API_KEY", raising=False)
    monkeypatch.delenv("TOGETHER_BASE_URL", raising=False)


def test_speaks_into_a_file_and_says_what_it_wrote(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    result = run("synthesize", "Hello there.", "--local", "--voice", MIX, "--output", str(path))
    assert result.exit_code == 0, result.stderr
    with wave.open(str(path)) as file:
        length_s = file.getnframes() / file.getframerate()
    size = path.stat().st_size
    assert (
        result.stdout == f"{path}: {length_s:.2f} s, wav pcm_s16le 24000 Hz mono, {size:,} bytes\n"
    )
    assert result.stderr == ""


def test_the_files_name_says_which_format_to_ask_for(tmp_path: Path) -> None:
    path = tmp_path / "out.raw"
    result = run("synthesize", "Hello.", "--local", "--voice", "af_heart", "-o", str(path))
    assert "raw pcm_s16le 24000 Hz mono" in result.stdout
    assert not path.read_bytes().startswith(b"RIFF")


def test_every_option_reaches_the_service(tmp_path: Path) -> None:
    path = tmp_path / "out.pcm"
    result = run(
        *("synthesize", "Say omg.", "--local", "--model", "cartesia/sonic-2"),
        *("--voice", "friendly sidekick", "--format", "raw", "--encoding", "pcm_mulaw"),
        *("--sample-rate", "8000", "--language", "en", "--pronounce", "omg=oh my god"),
        *("--output", str(path)),
    )
    assert "raw pcm_mulaw 8000 Hz mono" in result.stdout, result.stderr


@pytest.mark.parametrize("arguments", [("-",), ()], ids=["dash", "nothing"])
def test_text_comes_from_standard_input(arguments: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    result = run(
        *("synthesize", *arguments, "--local", "--voice", "af_heart", "-o", str(path)),
        text="Grüße an alle.",
    )
    assert result.exit_code == 0, result.stderr
    assert path.exists()


def test_text_is_typed_on_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    status, shown = on_a_terminal(
        *("synthesize", "--local", "--voice", "af_heart", "-o", str(path)),
        typed="Hello.\n\x04",
    )
    assert status == 0, shown
    assert "Ctrl-D" in shown
    assert path.exists()


def test_text_comes_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear all.", encoding="utf-8")
    result = run(
        *("synthesize", "--file", str(tmp_path / "letter.txt"), "--local"),
        *("--voice", "af_heart", "-o", str(tmp_path / "out.wav")),
    )
    assert result.exit_code == 0, result.stderr


def test_a_dash_writes_audio_to_standard_output_and_nothing_else() -> None:
    result = run("synthesize", "Hello.", "--local", "--voice", "af_heart", "--output", "-")
    with wave.open(io.BytesIO(result.stdout_bytes)) as file:
        assert file.getnframes() > 0
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ("synthesize", "Hi.", "--local", "--voice", "af_bela"),
            "error: voice: 'af_bela' is not a voice of hexgrad/Kokoro-82M; "
            "the closest names are af_bella, hf_beta, af_heart\n",
        ),
        (("synthesize", "Hi.", "--voice", "af_heart"), "TOGETHER_API_KEY"),
        (("synthesize", " ", "--local", "--voice", "af_heart"), "error: text: "),
        (
            ("synthesize", "Hi.", "--local", "--voice", "af_heart", "-o", "/no/such/folder/x.wav"),
            "error: /no/such/folder: there is no such folder\n",
        ),
        (
            ("synthesize", "--file", "/no/such/file", "--local", "--voice", "af_heart"),
            "error: /no/such/file: No such file or directory\n",
        ),
        (
            ("synthesize", "Hi.", "--local", "--model", "no/model", "--voice", "x"),
            "error: HTTP 404",
        ),
        (("mix", "af_bella=2"), "a mix needs two voices"),
    ],
)
def test_a_failure_is_one_line_and_status_1(arguments: tuple[str, ...], line: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 1
    assert line in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_text_that_is_not_utf8_is_a_failure_in_one_line() -> None:
    result = run("synthesize", "--local", "--voice", "af_heart", text=b"\xff\xfe")
    assert result.exit_code == 1
    assert "utf-8" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("synthesize", "Hi."),
        ("synthesize", "Hi.", "--voice", "af_heart", "--nonsense"),
        ("synthesize", "Hi.", "--local", "--voice", "af_heart", "--pronounce", "omg"),
        ("synthesize", "Hi.", "--file", "x", "--local", "--voice", "af_heart"),
        ("stream", "Hi.", "--voice", "af_heart"),
        ("stream", "Hi.", "--voice", "af_heart", "--play", "--output", "x.wav"),
        ("mix", "af_bella=much", "af_heart=1"),
        ("mix", "af_bella=", "af_heart=1"),
        ("mix", "af_bella=1/0", "af_heart=1"),
    ],
)
def test_misuse_is_status_2(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


SAMPLES = b"\1\2" * 24000
STREAMED = chunked(
    *[b'data: {"type":"delta","audio":"%b"}\n\n' % b64encode(SAMPLES[:24000])] * 2,
    b'data: {"type":"done"}\n\n',
    headers={"Content-Type": "text/event-stream"},
)


@pytest.fixture
def streaming(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    """A service that streams a second of samples."""
    with FaultServer(STREAMED) as server:
        monkeypatch.setenv("TOGETHER_BASE_URL", server.url)
        monkeypatch.setenv("TOGETHER_API_KEY", "any")
        yield server


def test_stream_saves_as_it_comes(streaming: FaultServer, tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    result = run("stream", "Hello.", "--voice", "af_heart", "--output", str(path))
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{path}: 1.00 s, 48,000 bytes of raw pcm_s16le 24000 Hz mono\n"
    with wave.open(str(path)) as file:
        assert file.readframes(24000) == SAMPLES


@pytest.mark.usefixtures("streaming")
def test_stream_writes_samples_to_standard_output_and_nothing_else() -> None:
    result = run("stream", "Hello.", "--voice", "af_heart", "--output", "-")
    assert result.stdout_bytes == SAMPLES
    assert result.stderr == ""


@pytest.mark.usefixtures("streaming")
def test_stream_says_on_a_terminal_what_has_come(tmp_path: Path) -> None:
    arguments = ("stream", "Hello.", "--voice", "af_heart", "-o", str(tmp_path / "out.raw"))
    status, shown = on_a_terminal(*arguments)
    assert status == 0, shown
    assert "1.0 s of audio, first after" in shown
    assert "48,000 bytes" in shown


class _Player:
    """Stands for a sound card, of which a machine may have none."""

    class PortAudioError(Exception):
        pass

    played = b""
    opened_with: ClassVar[dict[str, object]] = {}

    class RawOutputStream:
        def __init__(self, **options: object) -> None:
            if _Player.opened_with:
                raise _Player.PortAudioError("no default output device")
            _Player.opened_with = options

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None: ...

        def write(self, samples: bytes) -> None:
            _Player.played += samples


@pytest.mark.usefixtures("streaming")
def test_stream_plays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", _Player)
    arguments = ("stream", "Hello.", "--voice", "af_heart", "--play")
    assert run(*arguments).exit_code == 0
    assert _Player.played == SAMPLES
    assert _Player.opened_with == {"samplerate": 24000, "channels": 1, "dtype": "int16"}
    result = run(*arguments)
    assert result.exit_code == 1
    assert result.stderr == "error: there is no device to play on: no default output device\n"


@pytest.mark.usefixtures("streaming")
def test_playing_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    arguments = ("stream", "Hello.", "--play", "--voice")
    assert "together-speech[play]" in run(*arguments, "af_heart").stderr
    cartesia = ("tiger", "--model", "some/model", "--encoding", "pcm_alaw")
    assert "cannot be played" in run(*arguments, *cartesia).stderr


@pytest.mark.parametrize(
    ("parts", "printed"),
    [
        (("af_bella=2", "af_heart=1"), "af_bella(2)+af_heart(1)"),
        (("af_bella=0.5", "af_heart"), "af_bella(0.5)+af_heart(1)"),
        (("af_bella=1/3", "af_heart=2/3"), "af_bella(1)+af_heart(2)"),
        (("af_bella", "af_heart"), "af_bella+af_heart"),
    ],
)
def test_mix_prints_the_string_for_the_wire(parts: tuple[str, ...], printed: str) -> None:
    result = run("mix", *parts)
    assert result.stdout == f"{printed}\n"
    assert str(VoiceMix.parse(printed)) == printed


def test_voices_as_lines_for_programs() -> None:
    result = run("voices", "--local", "--model", "hexgrad/Kokoro-82M", "--language", "en-GB")
    lines = result.stdout.splitlines()
    assert len(lines) == 8
    assert "bf_emma\tbf_emma\thexgrad/Kokoro-82M\ten-gb\tfemale\tB-" in lines


def test_voices_as_json() -> None:
    result = run("voices", "--local", "--language", "en", "--gender", "male", "--json")
    found = json.loads(result.stdout)
    assert {"am_adam", "bm_george"} < {voice["id"] for voice in found}
    assert {voice["language"] for voice in found} == {"en-us", "en-gb"}
    assert {voice["gender"] for voice in found} == {"male"}


def test_voices_as_a_table_on_a_terminal() -> None:
    status, shown = on_a_terminal("voices", "--local", "--model", "hexgrad/Kokoro-82M")
    assert status == 0
    assert "grade" in shown
    assert "bm_george" in shown
    assert "hexgrad/Kokoro-82M" not in shown, "a column that is the same all the way down"


def test_no_audio_goes_to_a_terminal() -> None:
    status, shown = on_a_terminal("synthesize", "Hi.", "--local", "--voice", "af_heart", "-o", "-")
    assert status == 2
    assert "terminal" in shown


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    # More audio than the buffer of a pipe holds, so that the writing fails.
    arguments = ["synthesize", "A rather long sentence. " * 9, "--local", "--voice", "af_heart"]
    with subprocess.Popen(
        [sys.executable, "-m", "facade", *arguments, "-o", "-"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(4) == b"RIFF"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_without_local_it_speaks_with_the_service_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with emulator_process() as (url, _):
        monkeypatch.setenv("TOGETHER_BASE_URL", url)
        monkeypatch.setenv("TOGETHER_API_KEY", "any")
        path = tmp_path / "out.wav"
        result = run("synthesize", "Hello.", "--voice", "af_heart", "-o", str(path))
    assert result.exit_code == 0, result.stderr
    assert path.exists()


def test_an_emulator_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    result = run("synthesize", "Hi.", "--local", "--voice", "af_heart")
    assert result.exit_code == 1
    assert "the emulator did not start" in result.stderr


def installed_command() -> Callable[[], None]:
    (command,) = entry_points(group="console_scripts", name="together-speech")
    main: Callable[[], None] = command.load()
    return main


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_its_libraries_it_says_what_to_install(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, "facade.cli")
    with pytest.raises(SystemExit, match=rf"{missing}: pip install 'together-speech\[cli\]'"):
        installed_command()()


def test_the_installed_command_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["together-speech", "--version"])
    with pytest.raises(SystemExit):
        installed_command()()
    assert capsys.readouterr().out == f"together-speech {version('together-speech')}\n"
