"""`together-speech narrate`, with the emulator as the service."""

import os
import random
import re
import signal
import subprocess
import sys
import time
import wave
from decimal import Decimal
from pathlib import Path

import pytest

from facade import NarrationProgress
from facade._cli import progress
from facade._cli.narrate import _Line
from tests.book.epubs import epub3, write_epub
from tests.faults.server import FaultServer, Peer, answer
from tests.test_cli import on_a_terminal, run
from together_emulator import SpeechEmulator

BOOK = """\
# One

It was a bright cold day in April.

* * *

The clocks were striking thirteen.

# Two

He went in, and up.

![A poster with an enormous face](face.jpg)
"""
# Kills in one run of the test; more of them, by hand: KILLS=20 python -m pytest <this file>
KILLS = int(os.environ.get("KILLS", "3"))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TOGETHER_API_KEY", raising=False)
    monkeypatch.delenv("TOGETHER_BASE_URL", raising=False)
    Path("book.md").write_text(BOOK, encoding="utf-8")


@pytest.fixture
def speech_retries() -> str:
    """As in an application, but without waiting."""
    return "at once"


def narrate(*arguments: str, text: str | None = None) -> tuple[int, str, str]:
    """Run the command; return its status and what it wrote."""
    result = run("narrate", *arguments, text=text)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


def asked(emulator: SpeechEmulator) -> set[str]:
    return {str(record.body["input"]) for record in emulator.requests}


def voices_of(emulator: SpeechEmulator) -> dict[str, str]:
    bodies = [record.body for record in emulator.requests]
    return {str(body["input"]): str(body["voice"]) for body in bodies}


def length_s(name: str) -> float:
    with wave.open(name) as file:
        return float(file.getnframes() / file.getframerate())


def test_without_its_libraries_it_says_what_to_install(
    together_environment: SpeechEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sentencex", None)
    assert narrate("book.md", "-o", "book.wav") == (
        1,
        "",
        "error: a narration needs the package 'sentencex'; pip install "
        "'together-speech[book]', or pip install '.[book]' in the checkout\n",
    )
    assert together_environment.requests == []


def test_a_book_becomes_a_file(together_environment: SpeechEmulator) -> None:
    status, told, error = narrate("book.md", "-o", "book.wav", "--subtitles", "book.vtt")
    assert status == 0, error
    assert asked(together_environment) == {
        "One",
        "It was a bright cold day in April.",
        "The clocks were striking thirteen.",
        "Two",
        "He went in, and up.",
    }
    assert re.fullmatch(
        r"book\.wav: 0:\d\d, [\d,]+ bytes; book\.vtt; book\.chapters\.json; "
        r"93 characters, \$0\.0004\n",
        told,
    )
    assert error == "No title: 2 chapters, 93 characters, $0.0004\n"
    assert length_s("book.wav") > 5
    assert Path("book.vtt").read_text("utf-8").startswith("WEBVTT")
    # What was kept while it was at work is gone.
    names = {path.name for path in Path().iterdir()}
    assert names == {"book.md", "book.wav", "book.vtt", "book.chapters.json"}


def test_a_dry_run_says_what_there_is_and_needs_no_key() -> None:
    status, told, error = narrate("book.md", "-o", "book.m4b", "--dry-run")
    assert (status, error) == (0, "")
    assert told == (
        "No title: 2 chapters, 93 characters, $0.0004\n"
        "  1. One: 71 characters\n"
        "  2. Two: 22 characters\n"
        "left out, image: A poster with an enormous face\n"
    )
    assert {path.name for path in Path().iterdir()} == {"book.md"}


def test_what_is_left_out_is_said_in_a_line() -> None:
    text = f"Hello.\n\n![{'so long ' * 20}](a.jpg)\n"
    status, told, _ = narrate(
        *("-", "-o", "a.wav", "--dry-run", "--input-format", "markdown"), text=text
    )
    assert status == 0
    assert told.splitlines()[2] == f"left out, image: {'so long ' * 7}so l…"


def test_what_is_kept_is_said_and_not_asked_for(together_environment: SpeechEmulator) -> None:
    status, _, error = narrate("book.md", "-o", "a.wav", "--work", "work", "--chapters", "1")
    assert status == 0, error
    assert Path("work").is_dir()
    done = len(together_environment.requests)
    status, told, _ = narrate("book.md", "-o", "b.wav", "--work", "work", "--dry-run")
    assert status == 0
    assert "\n3 of 5 pieces are there; to ask for: 22 characters, $0.0001\n" in told
    status, told, error = narrate("book.md", "-o", "b.wav", "--work", "work")
    assert status == 0
    assert "3 of 5 pieces are there" in error
    assert told.endswith("; 22 characters, $0.0001\n")
    assert len(together_environment.requests) == done + 2


def test_options(together_environment: SpeechEmulator) -> None:
    Path("play.txt").write_text("[ANN] Hello.\n\n[am_adam] Good day.\n\nThey go.\n", "utf-8")
    arguments = (
        "play.txt",
        "--script",
        "-v",
        "af_bella(2)+af_heart(1)",
        "--voice-of",
        "ANN=af_sky",
    )
    status, _, error = narrate(
        *arguments,
        *("-o", "play.bin", "--format", "wav", "--words", "--subtitles", "play.vtt"),
        *("--language", "en", "--pronounce", "omg=oh my god"),
        *(
            "--pause",
            "paragraph=1.5",
            "--pause",
            "chapter=0.5",
            "--pause",
            "edge=0.02",
            "--per-minute",
            "6000",
        ),
    )
    assert status == 0, error
    voices = {
        record.body["input"]: record.body["voice"] for record in together_environment.requests
    }
    assert voices == {
        "Hello.": "af_sky",
        "Good day.": "am_adam",
        "They go.": "af_bella(2)+af_heart(1)",
    }
    for record in together_environment.requests:
        assert record.body["stream"]
        assert record.body["alignment"] == "word"
        assert record.body["language"] == "en"
    assert 3.5 < length_s("play.bin") < 6
    assert "<00:00:" in Path("play.vtt").read_text("utf-8")


def test_a_cover_that_cannot_be_read_can_be_left_out(
    together_environment: SpeechEmulator,
) -> None:
    write_epub(Path("book.epub"), epub3())
    status, _, error = narrate("book.epub", "-o", "book.m4b")
    assert status == 1
    assert "is no picture that can be read" in error
    assert together_environment.requests == []
    status, told, error = narrate("book.epub", "-o", "book.m4b", "--no-cover")
    assert status == 0, error
    assert told.startswith("book.m4b: ")
    assert error.startswith("The Sea: 2 chapters, ")


def test_a_chapter_has_its_own_voice(together_environment: SpeechEmulator) -> None:
    status, _, error = narrate("book.md", "-o", "book.wav", "--voice-of", "2=bm_george")
    assert status == 0, error
    voices = {
        record.body["input"]: record.body["voice"] for record in together_environment.requests
    }
    assert (voices["One"], voices["Two"]) == ("af_heart", "bm_george")


def test_standard_input(together_environment: SpeechEmulator) -> None:
    status, _, error = narrate("-", "-o", "book.wav", text="Hello there.\n")
    assert status == 0, error
    assert asked(together_environment) == {"Hello there."}


def test_standard_input_may_be_typed(together_environment: SpeechEmulator) -> None:
    status, shown = on_a_terminal("narrate", "-", "-o", "book.wav", typed="Hello there.\n\x04")
    assert status == 0, shown
    assert "Ctrl-D" in shown
    assert asked(together_environment) == {"Hello there."}


def test_standard_input_may_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "facade", "narrate", "-", "-o", "book.wav", "--dry-run"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: os.close(0),
    )
    assert done.returncode == 1
    assert "standard input is closed" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["book.md", "-o", "book.aac"], "error: path: 'book.aac' does not say"),
        (["book.md", "-o", "", "--format", "wav"], "error: .: is a folder; name a file in it"),
        (["book.md", "-o", "book.m4b", "--bit-rate", "4294967296"], "error: --bit-rate: must be"),
        (["book.md", "-o", "no/book.wav"], "/no: there is no such folder"),
        (["no.md", "-o", "book.wav"], "error: no.md: No such file"),
        (
            ["book.md", "-o", "book.wav", "--chapters", "3"],
            "error: --chapters: the book has chapters 1 to 2, and no 3",
        ),
        (["book.md", "-o", "book.wav", "-v", "af_hart"], "error: voice: 'af_hart'"),
        (["book.md", "-o", "book.wav", "--max-usd", "0.0001"], "more than max_usd=0.0001"),
        (["book.md", "-o", "book.wav", "--subtitles", "a.txt"], "error: --subtitles: 'a.txt'"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    together_environment: SpeechEmulator, arguments: list[str], said: str
) -> None:
    status, told, error = narrate(*arguments)
    assert (status, told) == (1, "")
    assert said in error
    assert together_environment.requests == []
    # Nothing is kept, and nothing is said of it.
    assert "goes on" not in error
    assert [path.name for path in Path().iterdir()] == ["book.md"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--chapters", "x"],
        ["--chapters", "5-3"],
        ["--chapters", "1-99999999999"],
        ["--pause", "word=1"],
        ["--pause", "sentence=long"],
        ["--pause", "sentence"],
        ["--voice-of", "ANN"],
        ["--model", "someone/new"],
    ],
)
def test_a_misused_option_is_told(arguments: list[str]) -> None:
    status, _, error = narrate("book.md", "-o", "book.wav", "--dry-run", *arguments)
    assert status == 2
    assert arguments[-1] in error or "together-speech voices" in error


def test_what_is_missing_is_named_and_the_same_command_goes_on(
    together_environment: SpeechEmulator,
) -> None:
    together_environment.fail_next(status=400, message="no such luck")
    Path("book.md").write_text("# One\n\nHello there.\n", encoding="utf-8")
    status, told, error = narrate("book.md", "-o", "book.wav", "--at-once", "1")
    assert (status, told) == (1, "")
    assert "\nchapter 1: HTTP 400: no such luck" in error
    assert error.endswith(
        "error: 1 of 2 pieces could not be had; what has come is kept in book.wav.parts, and the "
        "same command goes on from there\n"
    )
    assert not Path("book.wav").exists()
    status, _, error = narrate("book.md", "-o", "book.wav")
    assert status == 0, error
    assert len(together_environment.requests) == 3
    assert not Path("book.wav.parts").exists()


@pytest.mark.parametrize("work", [(), ("--work", "mine")])
def test_what_was_paid_for_is_not_removed_by_a_run_that_is_refused(
    together_environment: SpeechEmulator, work: tuple[str, ...]
) -> None:
    together_environment.fail_next(status=400)
    assert narrate("book.md", "-o", "book.wav", "--at-once", "1", *work)[0] == 1
    (folder,) = (path for path in Path().iterdir() if path.is_dir())
    kept = {path.name for path in folder.iterdir()}
    assert len(kept) == 1 + 2 * 4
    status, _, error = narrate(
        *("book.md", "-o", "book.wav", "--voice", "am_adam", "--max-usd", "0.0001", *work)
    )
    assert status == 1
    assert "goes on" not in error
    assert {path.name for path in folder.iterdir()} == kept
    status, _, error = narrate("book.md", "-o", "book.wav", *work)
    assert status == 0, error
    assert len(together_environment.requests) == 6


def test_where_nothing_came_nothing_is_kept(together_environment: SpeechEmulator) -> None:
    together_environment.fail_next(status=400, times=5)
    status, _, error = narrate("book.md", "-o", "book.wav")
    assert status == 1
    assert error.endswith("error: 5 of 5 pieces could not be had\n")
    assert [path.name for path in Path().iterdir()] == ["book.md"]


def test_not_all_that_is_missing_is_named(together_environment: SpeechEmulator) -> None:
    lines = "".join(f"This is number {number}.\n\n" for number in range(24))
    Path("book.txt").write_text(lines, encoding="utf-8")
    together_environment.fail_next(status=400, times=21)
    status, _, error = narrate("book.txt", "-o", "book.wav", "--at-once", "1")
    assert status == 1
    assert error.count("\nchapter 1: ") <= 20
    together_environment.reset()


# --- how far it is -------------------------------------------------------------------------------


def test_a_terminal_shows_a_bar(together_environment: SpeechEmulator) -> None:
    status, shown = on_a_terminal("narrate", "book.md", "-o", "book.wav")
    assert status == 0, shown
    assert "━" in shown
    assert "pieces, " in shown


def test_without_a_terminal_lines_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "EVERY_S", 0.05)
    monkeypatch.setenv("TOGETHER_API_KEY", "any")

    def late(peer: Peer) -> None:
        time.sleep(0.3)
        peer.send(answer(400, b"{}"))

    with FaultServer(late) as server:
        monkeypatch.setenv("TOGETHER_BASE_URL", server.url)
        _, _, error = narrate("book.md", "-o", "book.wav")
    assert error.count("waiting for the first piece\n") > 2


def news(stage: str, done: int) -> NarrationProgress:
    return NarrationProgress(
        stage="speaking" if stage == "speaking" else "joining",
        done=done,
        pieces=2000,
        characters=1_000,
        duration_s=61.5,
        usd=Decimal("0.0040"),
    )


def test_a_line_says_how_far_it_is_and_how_long_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    line = _Line()
    assert line.now().text == "waiting for the first piece"
    # What was there before says nothing of the speed.
    line.take(news("speaking", 1001))
    now += 10.0
    line.take(news("speaking", 1010))
    shown = line.now()
    assert (shown.finished, shown.total) == (1010, 2000)
    assert shown.text == ("speaking, 1,010 of 2,000 pieces, 1:02 of audio, $0.0040, 18:20 left")
    line.take(news("joining", 1))
    assert line.now().text == "joining, 1 of 2,000 pieces, 1:02 of audio, $0.0040"


# --- its end -------------------------------------------------------------------------------------


def long_book(pieces: int) -> str:
    """A book whose pieces are known by their numbers."""
    return "".join(f"This is the paragraph with number {n:03}.\n\n" for n in range(pieces))


def begun(pieces: int) -> "subprocess.Popen[bytes]":
    """Begin to read a book, at a pace that leaves time to end it."""
    Path("long.txt").write_text(long_book(pieces), encoding="utf-8")
    environment = {k: v for k, v in os.environ.items() if k != "TOGETHER_SPEECH_RETRIES"}
    command = [sys.executable, "-m", "facade", "narrate", "long.txt", "-o", "long.wav"]
    limits = ["--at-once", "4", "--per-minute", "3000"]
    pipe = subprocess.PIPE
    return subprocess.Popen([*command, *limits], stdout=pipe, stderr=pipe, env=environment)


def pieces_there() -> int:
    return len(list(Path("long.wav.parts").glob("*.wav")))


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, (1, 130)), (signal.SIGTERM, (143,))]
)
def test_a_signal_ends_it_and_the_same_command_goes_on(
    together_environment: SpeechEmulator, number: signal.Signals, status: tuple[int, ...]
) -> None:
    with begun(200) as process:
        while pieces_there() < 3 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(number)
        _, error = process.communicate()
    assert process.returncode in status
    assert b"kept in long.wav.parts, and the same command goes on" in error
    assert b"Traceback" not in error
    assert not Path("long.wav").exists()
    before = len(together_environment.requests)
    assert before < 200
    there = pieces_there()
    status_of, _, said = narrate("long.txt", "-o", "long.wav")
    assert status_of == 0, said
    assert len(together_environment.requests) == before + 200 - there
    assert not Path("long.wav.parts").exists()


@pytest.mark.unmeasured
def test_kills_cost_what_was_under_way(together_environment: SpeechEmulator) -> None:
    pieces = 60
    chance = random.Random(16)  # noqa: S311 - it only chooses moments
    for _ in range(KILLS):
        with begun(pieces) as process:
            until = pieces_there() + chance.randrange(1, max(2, pieces // KILLS))
            while pieces_there() < until and process.poll() is None:
                time.sleep(0.001)
            time.sleep(chance.random() * 0.05)
            process.kill()
            process.communicate()
    status, _, error = narrate("long.txt", "-o", "long.wav")
    assert status == 0, error
    bodies = [record.body["input"] for record in together_environment.requests]
    assert len(set(map(str, bodies))) == pieces
    # At most what was under way when each was killed.
    assert len(bodies) <= pieces + 4 * KILLS
