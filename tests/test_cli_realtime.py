"""The command `realtime`: text that comes while it is being written, with the emulator."""

import json
import os
import select
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, Self

import pytest
from typer.testing import CliRunner, Result

from facade import RealtimeSession, SpeechClient, cli
from facade.cli import app
from tests.test_cli import on_a_terminal
from together_emulator import SpeechEmulator

FOX = "Once upon a time there was a fox. It was quick."


def run(*arguments: str, text: str | bytes = FOX) -> Result:
    return CliRunner().invoke(app, ["realtime", *arguments], input=text)


# Whatever runs the tests in the background has their processes ignore Ctrl-C.
MAIN = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
import facade.__main__
facade.__main__.main()
"""


@contextmanager
def running(*arguments: str, **popen: object) -> Iterator[subprocess.Popen[bytes]]:
    """The command as a process of its own, in a group of its own, with its text to be written."""
    with subprocess.Popen(
        [sys.executable, "-c", MAIN, "realtime", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        **popen,  # type: ignore[call-overload]
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def write(process: subprocess.Popen[bytes], text: str | bytes) -> None:
    """Write as a language model does: at once, and without an end."""
    assert process.stdin is not None
    process.stdin.write(text.encode() if isinstance(text, str) else text)
    process.stdin.flush()


def read(process: subprocess.Popen[bytes], size: int) -> None:
    """Wait until as much has come of the audio."""
    assert process.stdout is not None
    while size > 0:
        piece = os.read(process.stdout.fileno(), size)
        assert piece, process.communicate()
        size -= len(piece)


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def sent(emulator: SpeechEmulator) -> list[str]:
    """The pieces of text that the service was given."""
    (record,) = emulator.requests
    return [str(event["text"]) for event in record.events if "text" in event]


class Player:
    """Stands for a sound card, of which a machine may have none."""

    class PortAudioError(Exception):
        pass

    calls: ClassVar[list[str]] = []
    interrupted_at: ClassVar[int | None] = None

    class RawOutputStream:
        latency = 0.2

        def __init__(self, *, samplerate: int, channels: int, dtype: str) -> None:
            assert (samplerate, channels, dtype) == (24000, 1, "int16")

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            Player.calls.append("exit")

        def abort(self) -> None:
            Player.calls.append("abort")

        def write(self, samples: bytes) -> None:
            # So that Ctrl-C is never far away.
            assert 0 < len(samples) <= 4800
            Player.calls.append("write")
            if len(Player.calls) == Player.interrupted_at:
                raise KeyboardInterrupt


@pytest.fixture
def player(monkeypatch: pytest.MonkeyPatch) -> type[Player]:
    monkeypatch.setitem(sys.modules, "sounddevice", Player)
    monkeypatch.setattr(Player, "calls", [])
    monkeypatch.setattr(Player, "interrupted_at", None)
    return Player


# --- text in, speech out -------------------------------------------------------------------------


def test_it_speaks_before_the_text_is_whole(together_environment: SpeechEmulator) -> None:
    with running("-o", "-") as process:
        write(process, "Once upon a time there was a fox. It ")
        read(process, 4800)
        assert together_environment.requests[0].characters < len(FOX)
        write(process, "was quick.")
        samples, shown = process.communicate()
    assert (process.returncode, shown) == (0, b"")
    assert len(samples) > 48000
    assert "".join(sent(together_environment)) == FOX


def test_it_saves_and_says_what_it_wrote(
    together_environment: SpeechEmulator, tmp_path: Path
) -> None:
    path = tmp_path / "fox.wav"
    result = run("-v", "am_adam", "--pronounce", "fox=cat", "-o", str(path))
    assert result.exit_code == 0, result.stderr
    with wave.open(str(path)) as file:
        length_s = file.getnframes() / file.getframerate()
    size = path.stat().st_size
    assert (
        result.stdout == f"{path}: {length_s:.2f} s, wav pcm_s16le 24000 Hz mono, {size:,} bytes\n"
    )
    assert result.stderr == ""
    (record,) = together_environment.requests
    assert record.query["voice"] == "am_adam"
    assert json.loads(record.query["extra_params"]) == {"pronunciation_dict": ["fox/cat"]}


def test_the_emulator_on_this_machine_speaks_too(tmp_path: Path) -> None:
    result = run("--local", "-o", str(tmp_path / "fox.wav"))
    assert result.exit_code == 0, result.stderr
    with wave.open(str(tmp_path / "fox.wav")) as file:
        assert file.getnframes() > 24000


def test_it_plays_to_the_end(together_environment: SpeechEmulator, player: type[Player]) -> None:
    result = run("--play")
    assert (result.exit_code, result.output) == (0, "")
    assert len(player.calls) > 20
    assert player.calls[-1] == "exit"
    assert "abort" not in player.calls
    assert together_environment.requests[0].characters == len(FOX)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [((), "A fox\n\nIt is quick, see here.\n"), (("--keep-markdown",), None)],
)
def test_marks_are_not_read_aloud(
    arguments: tuple[str, ...],
    said: str | None,
    together_environment: SpeechEmulator,
    tmp_path: Path,
) -> None:
    text = "# A fox\n\nIt is **quick**, see [here](https://x.y).\n"
    result = run(*arguments, "-o", str(tmp_path / "fox.wav"), text=text)
    assert result.exit_code == 0, result.stderr
    assert "".join(sent(together_environment)).strip() == (said or text).strip()


@pytest.mark.parametrize("is_blocking", [True, False])
def test_no_cut_of_the_text_changes_it(
    is_blocking: bool, together_environment: SpeechEmulator
) -> None:
    """It comes as the pipe has it: in the midst of a letter, of a line's end, of the BOM."""
    content = "\ufeffGrüße an alle.\r\nBis\rbald, 😀!".encode()
    ours, theirs = os.pipe()
    os.set_blocking(ours, is_blocking)
    with subprocess.Popen(
        [sys.executable, "-m", "facade", "realtime", "-o", "-"],
        stdin=ours,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        os.close(ours)
        wait_until(lambda: bool(together_environment.requests))
        for at in range(len(content)):
            os.write(theirs, content[at : at + 1])
            time.sleep(0.002)
        os.close(theirs)
        _, shown = process.communicate()
    assert (process.returncode, shown) == (0, b"")
    assert "".join(sent(together_environment)) == "Grüße an alle.\nBis\nbald, 😀!"


def test_a_pipe_that_does_not_wait_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    wait = select.select

    def arrive(*files: Any) -> object:
        os.write(theirs, b"Hello.")
        os.close(theirs)
        return wait(*files)

    monkeypatch.setattr(select, "select", arrive)
    with os.fdopen(ours, "rb", buffering=0) as source:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=source))
        assert list(cli._arrivals()) == [b"Hello."]


# --- what goes wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("An\nGrüße".encode("latin-1"), "is not in UTF-8: line 2 has the byte 0xFC; if it is in"),
        ("An\nGrü".encode()[:-1], "is not in UTF-8: line 2 has the byte 0xC3; if it is in"),
        (FOX.encode("utf-16"), "is in UTF-16, not in UTF-8; save it as UTF-8, or convert it with"),
        (FOX.encode("utf-16-le"), "convert it with 'iconv -f UTF-16LE -t UTF-8'"),
        (FOX.encode("utf-16-be"), "convert it with 'iconv -f UTF-16BE -t UTF-8'"),
        (b"", "has nothing to speak"),
        (b"\n \n", "has nothing to speak"),
        (b"```\nx = 1\n```\n", "has nothing to speak"),
    ],
)
@pytest.mark.usefixtures("together_environment")
def test_a_text_that_cannot_be_spoken_is_named(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "fox.wav"
    result = run("-o", str(path), text=content)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: standard input ")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("encoding", ["UTF-16", "UTF-32"])
def test_a_wrong_encoding_is_known_however_it_comes(
    encoding: str, together_environment: SpeechEmulator
) -> None:
    with running("-o", "-") as process:
        wait_until(lambda: bool(together_environment.requests))
        for at in range(10):
            write(process, FOX.encode(encoding)[at : at + 1])
            time.sleep(0.01)
        _, shown = process.communicate()
    assert process.returncode == 1
    assert shown.decode().startswith(
        f"error: standard input is in {encoding}, not in UTF-8; save it as UTF-8"
    )
    assert shown.count(b"\n") == 1


def test_without_its_library_it_says_what_to_install(
    together_environment: SpeechEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "websockets", None)
    result = run("-o", "x.wav")
    assert result.exit_code == 1
    assert result.stderr == (
        "error: realtime needs the package 'websockets'; pip install "
        "'together-speech[realtime]', or pip install '.[realtime]' in the checkout\n"
    )
    assert together_environment.requests == []


def test_what_cannot_be_played_is_not_paid_for(
    together_environment: SpeechEmulator, player: type[Player], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(**_: object) -> None:
        raise Player.PortAudioError("no default output device")

    monkeypatch.setattr(player, "RawOutputStream", missing)
    result = run("--play")
    assert result.exit_code == 1
    assert result.stderr == "error: there is no device to play on: no default output device\n"
    assert together_environment.requests == []


@pytest.mark.usefixtures("together_environment")
def test_a_refused_session_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    result = run("--model", "no/model", "-v", "x", "-o", str(tmp_path / "fox.wav"))
    assert result.exit_code == 1
    assert "model_not_available" in result.stderr
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("together_environment")
def test_a_reader_that_goes_away_is_no_traceback() -> None:
    with running("-o", "-") as process:
        write(process, FOX * 9)
        assert process.stdout is not None
        assert process.stderr is not None
        read(process, 1)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1


# --- Ctrl-C --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("together_environment")
def test_ctrl_c_says_what_the_listener_heard(player: type[Player]) -> None:
    # 1.4 s were written by then, of which the last 0.2 s are still to be played.
    player.interrupted_at = 15
    result = run("--play")
    assert result.exit_code == 130
    assert result.stderr == ("heard: Once upon a time there\nnot heard: was a fox. It was quick.\n")
    assert player.calls[14:] == ["write", "abort", "exit"]


@pytest.mark.usefixtures("together_environment")
def test_an_estimate_is_called_so(player: type[Player], monkeypatch: pytest.MonkeyPatch) -> None:
    realtime = SpeechClient.realtime

    def untimed(client: SpeechClient, **_: object) -> RealtimeSession:
        return realtime(client, voice="af_heart", alignment="none")

    monkeypatch.setattr(SpeechClient, "realtime", untimed)
    player.interrupted_at = 15
    result = run("--play")
    assert result.exit_code == 130
    assert result.stderr.startswith("heard (estimated): Once upon ")


@pytest.mark.usefixtures("together_environment")
def test_what_commands_a_terminal_is_not_repeated(player: type[Player]) -> None:
    player.interrupted_at = 15
    result = run("--play", text="Once \x1b[2Jupon a\r\n\ttime there was a fox.\7")
    assert "Once [2Jupon a time" in result.stderr.replace("\nnot heard:", "")
    assert not any(character in result.stderr for character in "\x1b\7\r\t")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", "spoken: (nothing)\nnot spoken: (nothing)\n"),
        ("Once upon", "spoken: (nothing)\nnot spoken: Once upon\n"),
        (f"{FOX} And", f"spoken: {FOX}\nnot spoken: And\n"),
    ],
)
def test_ctrl_c_ends_all_with_the_status_of_other_programs(
    text: str, shown: str, together_environment: SpeechEmulator, tmp_path: Path
) -> None:
    path = tmp_path / "fox.wav"
    with running("-o", str(path)) as process:
        write(process, text)
        # Until all that has come is with the service, and what is a sentence has been spoken.
        wait_until(lambda: bool(together_environment.requests))
        wait_until(lambda: "".join(sent(together_environment)) == text)
        time.sleep(1)
        begun_at = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert process.stderr.read().decode() == shown
        assert process.wait() == 130
        # The pipe is still open, and nobody waits for its end.
        assert time.monotonic() - begun_at < 5
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_on_a_terminal_spares_the_emulator(tmp_path: Path) -> None:
    with running("--local", "-o", "-") as process:
        write(process, FOX)
        read(process, 48000)
        os.killpg(process.pid, signal.SIGINT)
        _, shown = process.communicate()
    assert process.returncode == 130
    assert shown.startswith(b"spoken: Once")
    assert shown.count(b"\n") == 2


# --- on a terminal -------------------------------------------------------------------------------


@pytest.mark.usefixtures("together_environment")
def test_text_is_typed_on_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "fox.wav"
    status, shown = on_a_terminal("realtime", "-o", str(path), typed="Hello.\n\x04")
    assert status == 0, shown
    assert "Ctrl-D" in shown
    # Nothing is drawn over what is being typed.
    assert "characters" not in shown
    assert path.exists()


@pytest.mark.usefixtures("together_environment")
def test_a_terminal_shows_what_has_come(tmp_path: Path) -> None:
    path = tmp_path / "fox.wav"
    status, shown = on_a_terminal("realtime", "-o", str(path), piped=FOX)
    assert status == 0, shown
    assert f"{len(FOX)} characters, 2." in shown
    assert " s of audio" in shown
    assert "Ctrl-D" not in shown
