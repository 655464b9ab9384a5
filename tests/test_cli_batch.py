"""`together-speech batch`, with the emulator as the service."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from io import BytesIO
from math import inf
from pathlib import Path
from typing import Any

import pytest

from facade._cli import plan, progress
from facade._cli.output_folder import OutputFolder, ResultsFile, sha256_of
from facade._cli.progress import Speed, clock, dollars, line
from tests.faults.server import SPEECH, FaultServer, Peer, answer
from tests.test_cli import on_a_terminal, run, unboxed
from together_emulator import SpeechEmulator

KOKORO = "hexgrad/Kokoro-82M"
OUT = Path("out")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TOGETHER_API_KEY", raising=False)
    monkeypatch.delenv("TOGETHER_BASE_URL", raising=False)


@pytest.fixture
def speech_retries() -> str:
    """As in an application, but without waiting."""
    return "at once"


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    """A service that speaks, and the environment that names it."""
    with FaultServer(answer(body=SPEECH)) as server:
        monkeypatch.setenv("TOGETHER_BASE_URL", server.url)
        monkeypatch.setenv("TOGETHER_API_KEY", "any")
        monkeypatch.setenv("TOGETHER_SPEECH_RETRIES", "at once")
        yield server


def write(name: str, *lines: str) -> str:
    Path(name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return name


def batch(*arguments: str, text: str | None = None) -> tuple[int, str, str]:
    """Run the command into the folder `out`; return its status and what it wrote."""
    result = run("batch", *arguments, "-o", "out", text=text)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


def results() -> dict[str, Any]:
    """The last line of each file."""
    lines = (OUT / "results.jsonl").read_text(encoding="utf-8").splitlines()
    return {found["path"]: found for found in map(json.loads, lines)}


def files() -> set[str]:
    """The files of audio."""
    return {
        path.relative_to(OUT).as_posix()
        for path in OUT.glob("**/*.*")
        if path.is_file() and path.name != "results.jsonl" and path.parent.name[:1] != "."
    }


def length_s(path: Path) -> float:
    with wave.open(BytesIO(path.read_bytes())) as file:
        return float(file.getnframes() / file.getframerate())


ROWS = (
    "id,text,voice,format",
    "hello,Hello there.,,",
    "menu/1,Press one.,af_bella(2)+af_heart(1),",
    "bye,Good bye.,am_adam,mp3",
)


def test_rows_become_files(together_environment: SpeechEmulator) -> None:
    status, told, progress = batch(write("rows.csv", *ROWS))
    assert status == 0, progress
    assert told.startswith("3 of 3 rows are there, 3 spoken now, 0 failed, 0 refused, ")
    assert "31 characters, $0.0001, 0:0" in told
    assert progress.startswith("3 rows: 3 to ask for, 31 characters, $0.0001\n")
    assert f"  {KOKORO}: 31 characters, $4" in progress
    assert files() == {"hello.wav", "menu/1.wav", "bye.mp3"}
    lines = results()
    for name, found in lines.items():
        path = OUT / name
        assert (found["status"], found["bytes"]) == ("ok", path.stat().st_size)
        assert found["sha256"] == sha256_of(path)
        assert (found["attempts"], found["error"]) == (1, None)
        assert found["request_id"]
    hello = lines["hello.wav"]
    assert hello["duration_s"] == pytest.approx(length_s(OUT / "hello.wav"), abs=0.001)
    assert (hello["id"], hello["row"], hello["characters"]) == ("hello", 1, 12)
    assert (hello["model"], hello["voice"], hello["usd"]) == (KOKORO, "af_heart", 4.8e-05)
    assert {record.body["voice"] for record in together_environment.requests} == {
        "af_heart",
        "af_bella(2)+af_heart(1)",
        "am_adam",
    }


def test_running_it_again_asks_for_nothing(together_environment: SpeechEmulator) -> None:
    rows = write("rows.csv", *ROWS)
    assert batch(rows)[0] == 0
    together_environment.reset()
    before = {name: (OUT / name).stat().st_mtime_ns for name in files()}
    status, told, progress = batch(rows)
    assert status == 0
    assert told.startswith("3 of 3 rows are there, 0 spoken now, ")
    assert progress == "3 rows: 3 are there; 0 to ask for, 0 characters, $0.00\n"
    assert together_environment.requests == []
    assert {name: (OUT / name).stat().st_mtime_ns for name in files()} == before


def test_what_has_changed_is_asked_for(together_environment: SpeechEmulator) -> None:
    assert batch(write("rows.csv", *ROWS))[0] == 0
    together_environment.reset()
    (OUT / "menu" / "1.wav").unlink()
    write("rows.csv", *ROWS[:1], "hello,Hello you.,,", *ROWS[2:])
    assert batch("rows.csv")[0] == 0
    asked = {record.body["input"] for record in together_environment.requests}
    assert asked == {"Hello you.", "Press one."}
    assert results()["hello.wav"]["characters"] == 10


def test_a_dry_run_says_what_there_is_to_do(together_environment: SpeechEmulator) -> None:
    rows = write("rows.csv", *ROWS[:2])
    status, told, progress = batch(rows, "--dry-run")
    assert (status, progress) == (0, "")
    assert told.startswith("1 rows: 1 to ask for, 12 characters, $0.00005\n")
    assert not OUT.exists()
    assert batch(rows)[0] == 0
    together_environment.reset()
    with (OUT / "results.jsonl").open("ab") as file:
        file.write(b"torn")
    before = {path: path.stat().st_mtime_ns for path in OUT.glob("**/*")}
    write("rows.csv", *ROWS)
    status, told, progress = batch(rows, "--dry-run", "--max-usd", "1")
    assert (status, progress) == (0, "")
    assert told.startswith("3 rows: 1 are there; 2 to ask for, 19 characters, $0.0001\n")
    assert {path: path.stat().st_mtime_ns for path in OUT.glob("**/*")} == before
    assert together_environment.requests == []


def test_a_dry_run_needs_no_key() -> None:
    assert batch(write("rows.txt", "Hello."), "--dry-run")[0] == 0
    status, _, said = batch("rows.txt")
    assert status == 1
    assert "TOGETHER_API_KEY" in said


@pytest.mark.parametrize(
    ("name", "content", "arguments"),
    [
        ("rows.csv", "text\nHello.\n", ()),
        ("rows.tsv", "text\tid\nHello.\t\n", ()),
        ("rows.jsonl", '{"text": "Hello."}\n', ()),
        ("rows.NDJSON", '{"text": "Hello."}\n', ()),
        ("rows.txt", "\ufeffHello.\r\n", ()),
        ("rows", "text\nHello.\n", ("--input-format", "csv")),
        ("-", "Hello.", ()),
        ("-", '{"text": "Hello."}', ("--input-format", "jsonl")),
    ],
)
def test_rows_are_read_as_their_name_says(
    name: str, content: str, arguments: tuple[str, ...], together_environment: SpeechEmulator
) -> None:
    if name != "-":
        Path(name).write_text(content, encoding="utf-8")
    status, _, said = batch(name, *arguments, text=content)
    assert status == 0, said
    (record,) = together_environment.requests
    assert record.body["input"] == "Hello."
    assert files() == {"000001.wav"}


@pytest.mark.parametrize(
    ("name", "content", "status", "said"),
    [
        ("rows", "Hello.", 2, "does not say how its rows are written; say --input-format csv"),
        ("rows.txt", "", 1, "error: rows.txt has no rows\n"),
        ("none.txt", None, 1, "error: none.txt: No such file or directory\n"),
        (
            "rows.txt",
            '{"text": "Hello."}\n',
            1,
            "rows.txt, line 1: is JSON and not a text to read aloud; say --input-format jsonl\n",
        ),
        ("rows.txt", "\xfc", 1, "error: rows.txt is not in UTF-8: line 1 has the byte 0xFC"),
        (
            "rows.csv",
            "text,voce\n",
            1,
            "rows.csv, line 1: has 'voce', which nobody knows here; the closest are 'voice'",
        ),
    ],
)
def test_what_cannot_be_read_is_told(
    name: str, content: str | None, status: int, said: str, service: FaultServer
) -> None:
    if content is not None:
        Path(name).write_bytes(content.encode("latin-1"))
    found, told, error = batch(name)
    assert (found, told) == (status, "")
    assert said in (unboxed(error) if status == 2 else error)
    assert service.requests == []


def test_rows_that_cannot_be_are_told_before_anything_is_sent(service: FaultServer) -> None:
    rows = write(
        "rows.jsonl", '{"text": "Hello."}', "{", '{"text": "Hi.", "voice": "af_bela"}', "{}"
    )
    status, told, error = batch(rows)
    assert (status, told) == (1, "")
    assert error.splitlines() == [
        "rows.jsonl, line 2: is not JSON: Expecting property name enclosed in double quotes at "
        "character 2",
        "rows.jsonl, line 3: voice: 'af_bela' is not a voice of hexgrad/Kokoro-82M; the closest "
        "names are af_bella, hf_beta, af_heart",
        "rows.jsonl, line 4: has no 'text'",
        "error: 3 of 4 rows cannot be; nothing was sent",
    ]
    assert service.requests == []
    _, _, error = batch(write("rows.jsonl", *["{}"] * 30))
    assert error.count("has no 'text'") == 20
    assert error.endswith(
        "error: 30 of 30 rows cannot be, of which 20 are shown; nothing was sent\n"
    )
    status, _, error = batch(rows, "--dry-run")
    assert status == 1


def test_a_price_beyond_the_limit_is_not_begun(together_environment: SpeechEmulator) -> None:
    rows = write("rows.csv", *ROWS)
    status, told, error = batch(rows, "--max-usd", "0.0001")
    assert (status, told) == (1, "")
    assert error.endswith(
        "error: this costs $0.00012, more than --max-usd 0.0001; nothing was sent\n"
    )
    unknown = write("others.csv", "text,model,voice", "Hi.,some/model,tiger")
    status, _, error = batch(unknown, "--max-usd", "1")
    assert status == 1
    assert "some/model: 3 characters, price unknown" in error
    assert error.endswith("so --max-usd cannot be kept; leave it out\n")
    assert together_environment.requests == []
    assert batch(rows, "--max-usd", "0.001")[0] == 0


@pytest.mark.parametrize("dry_run", [("--dry-run",), ()])
@pytest.mark.parametrize(
    ("limit", "value"),
    [("--max-usd", "nan"), ("--max-usd", "-1"), ("--at-once", "0"), ("--per-minute", "0")],
)
def test_a_limit_that_cannot_be_is_told(
    limit: str, value: str, dry_run: tuple[str, ...], service: FaultServer
) -> None:
    status, told, error = batch(write("rows.csv", *ROWS), limit, value, *dry_run)
    assert (status, told) == (1, "")
    assert error.startswith(f"error: {limit}: must be ")
    assert service.requests == []


def test_a_price_that_is_not_known_is_called_so(service: FaultServer) -> None:
    rows = write("rows.csv", "text,model,voice", *["Hi.,some/model,tiger"] * 2)
    status, told, _ = batch(rows)
    assert status == 0
    assert "6 characters, price unknown, " in told
    assert {found["usd"] for found in results().values()} == {None}
    assert len(service.requests) == 2


@pytest.mark.usefixtures("together_environment")
def test_every_option_is_the_rows_default(together_environment: SpeechEmulator) -> None:
    rows = write("rows.jsonl", '{"text": "Say omg."}', '{"text": "Hi.", "sample_rate": 16000}')
    status, _, said = batch(
        *(rows, "--model", "cartesia/sonic-2", "--voice", "friendly sidekick"),
        *("--format", "raw", "--encoding", "pcm_mulaw", "--sample-rate", "8000"),
        *("--language", "en", "--pronounce", "omg=oh my god", "--at-once", "2"),
        *("--per-minute", "6000"),
    )
    assert status == 0, said
    bodies = {
        str(record.body["input"]): record.body
        for record in together_environment.requests
        if record.method == "POST"
    }
    first = bodies["Say omg."]
    assert (first["response_format"], first["response_encoding"]) == ("raw", "pcm_mulaw")
    assert (first["sample_rate"], first["language"]) == (8000, "en")
    assert "omg/oh my god" in json.dumps(first)
    assert bodies["Hi."]["sample_rate"] == 16000
    assert files() == {"000001.raw", "000002.raw"}


def test_local_needs_no_key() -> None:
    status, _, said = batch(write("rows.txt", "Hello."), "--local")
    assert status == 0, said


@pytest.mark.parametrize("text", ["", "https://api.example.com/v1", "http://["])
def test_what_an_emulator_has_spoken_is_not_the_services(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = write("rows.txt", "Hello.")
    assert batch(rows, "--local")[0] == 0
    assert results()["000001.wav"]["fingerprint"].startswith("local ")
    monkeypatch.setenv("TOGETHER_BASE_URL", text)
    assert batch(rows, "--dry-run")[1].startswith("1 rows: 1 to ask for, ")
    assert batch(rows, "--dry-run", "--local")[1].startswith("1 rows: 1 are there; 0 to ask for, ")
    monkeypatch.setenv("TOGETHER_BASE_URL", "http://localhost:1/v1")
    assert batch(rows, "--dry-run")[1].startswith("1 rows: 1 are there; 0 to ask for, ")


# --- what fails ----------------------------------------------------------------------------------


def refusal(status: int, message: str) -> bytes:
    body = {"error": {"message": message, "type": "x", "code": None, "param": None}}
    return answer(status, json.dumps(body).encode(), {"Content-Type": "application/json"})


def by_text(steps: dict[str, bytes]) -> Callable[[Peer], None]:
    """Answer each text in its own way, and all others with speech."""

    def step(peer: Peer) -> None:
        said = json.loads(peer.last_request.body)["input"]
        peer.send(steps.get(said, answer(body=SPEECH)))

    return step


def test_what_is_refused_is_not_asked_for_again_unless_told_to(service: FaultServer) -> None:
    rows = write("rows.txt", "Good.", "Bad.")
    service.answer_from_now_on(by_text({"Bad.": refusal(422, "no\x1b such words")}))
    status, told, error = batch(rows)
    assert status == 1
    assert told.startswith("1 of 2 rows are there, 1 spoken now, 0 failed, 1 refused, ")
    assert "line 2 (000002.wav): HTTP 422" in error
    assert "\x1b" not in error
    assert error.endswith(
        "1 rows are missing: 1 were refused, and are asked for again with --retry-failed\n"
    )
    bad = results()["000002.wav"]
    assert (bad["status"], bad["bytes"], bad["characters"]) == ("refused", None, 0)
    assert bad["error"]["type"] == "UnprocessableEntityError"
    asked = len(service.requests)
    status, told, error = batch(rows)
    assert status == 1
    assert told.startswith("1 of 2 rows are there, 0 spoken now, 0 failed, 1 refused, ")
    assert "line 2 (000002.wav): was refused before: HTTP 422" in error
    assert "1 are there; 1 were refused before; 0 to ask for" in error
    assert len(service.requests) == asked
    service.answer_from_now_on(answer(body=SPEECH))
    status, told, _ = batch(rows, "--retry-failed")
    assert status == 0
    assert len(service.requests) == asked + 1


def test_what_failed_is_asked_for_again(service: FaultServer) -> None:
    rows = write("rows.txt", "Good.", "Bad.")
    service.answer_from_now_on(by_text({"Bad.": refusal(500, "trouble")}))
    status, told, error = batch(rows)
    assert status == 1
    assert told.startswith("1 of 2 rows are there, 1 spoken now, 1 failed, 0 refused, ")
    assert error.endswith("1 rows are missing: the same command goes on with 1\n")
    assert results()["000002.wav"]["status"] == "failed"
    assert results()["000002.wav"]["attempts"] > 1
    service.answer_from_now_on(answer(body=SPEECH))
    assert batch(rows)[0] == 0
    assert results()["000002.wav"]["status"] == "ok"


def test_not_every_failure_is_shown(service: FaultServer) -> None:
    service.answer_from_now_on(refusal(400, "no"))
    status, _, error = batch("-", text="".join(f"Row {row}.\n" for row in range(30)))
    assert status == 1
    assert error.count("HTTP 400") == 20
    assert error.count("... and more, which are in out/results.jsonl") == 1
    assert len(results()) == 30


def test_without_a_right_to_speak_nothing_more_is_asked_for(service: FaultServer) -> None:
    service.answer_from_now_on(refusal(401, "no such key"))
    rows = "".join(f"Row {row}.\n" for row in range(200))
    status, told, error = batch("-", "--at-once", "2", text=rows)
    assert status == 1
    assert told.startswith("0 of 200 rows are there, 0 spoken now, 1 failed, ")
    assert "200 rows are missing: the same command with the same rows goes on with 200\n" in error
    assert error.splitlines()[-1].startswith("error: HTTP 401")
    assert len(service.requests) < 100


def test_without_room_for_files_nothing_more_is_asked_for(service: FaultServer) -> None:
    def lose_the_folder(peer: Peer) -> None:
        shutil.rmtree(OUT / ".together-speech", ignore_errors=True)
        peer.send(answer(body=SPEECH))

    service.answer_from_now_on(lose_the_folder)
    rows = "".join(f"Row {row}.\n" for row in range(200))
    status, told, error = batch("-", "--at-once", "1", text=rows)
    assert status == 1
    assert told.startswith("0 of 200 rows are there")
    assert error.splitlines()[-1].startswith("error: ")
    assert len(service.requests) < 100


def test_without_room_for_the_plan_nothing_is_sent(
    service: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "_TABLES", f"PRAGMA max_page_count = 20; {plan._TABLES}")
    status, told, error = batch(write("rows.txt", *["Hello. " * 100] * 100))
    assert (status, told) == (1, "")
    assert error == (
        "error: the folder for temporary files, which TMPDIR names, cannot be used: database or "
        "disk is full\n"
    )
    assert service.requests == []


# --- going on ------------------------------------------------------------------------------------


def test_a_torn_line_is_told(together_environment: SpeechEmulator) -> None:
    rows = write("rows.txt", "Hello.")
    assert batch(rows)[0] == 0
    with (OUT / "results.jsonl").open("ab") as file:
        file.write(b'{"status": "o')
    together_environment.reset()
    status, _, error = batch(rows)
    assert status == 0
    assert error.startswith(
        "out/results.jsonl: the last line was not finished; its 13 bytes were cut off\n"
    )
    assert together_environment.requests == []


@pytest.mark.parametrize(
    ("kind", "method", "lines"), [(ResultsFile, "add", 0), (OutputFolder, "name", 1)]
)
@pytest.mark.parametrize("path", ["a.wav", "a.raw", "a.mp3", "raw/a.wav"])
def test_audio_that_has_come_is_not_asked_for_again(
    kind: type, method: str, lines: int, path: str, together_environment: SpeechEmulator
) -> None:
    """Whether the run ends before its line is written, or before it has its name."""
    row = {"text": "Hello.", "path": path}
    rows = write("rows.jsonl", json.dumps(row | ({"format": "raw"} if "raw/" in path else {})))

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, method, end)
        status, told, error = batch(rows)
    assert status == 130
    assert told.startswith("0 of 1 rows are there")
    assert error.endswith("1 rows are missing: the same command goes on with 1\n")
    assert files() == set()
    assert (OUT / "results.jsonl").read_bytes().count(b"\n") == lines
    together_environment.reset()
    status, told, error = batch(rows)
    assert status == 0, error
    assert told.startswith("1 of 1 rows are there, 0 spoken now")
    assert "1 rows: 1 are there; 0 to ask for" in error
    assert together_environment.requests == []
    assert files() == {path}
    found = results()[path]
    assert (found["status"], found["characters"]) == ("ok", 6)
    assert found["duration_s"] == pytest.approx(0.5, abs=0.3)
    # And what is known of it is as good as any other line.
    assert batch(rows, "--dry-run")[1].startswith("1 rows: 1 are there; 0 to ask for")


# --- as a program --------------------------------------------------------------------------------


def paced() -> dict[str, str]:
    """The environment, without the switch that has nothing wait, and so no pace either."""
    return {name: os.environ[name] for name in os.environ if name != "TOGETHER_SPEECH_RETRIES"}


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command into the folder `out`."""
    # A shell that starts a program in the background has it ignore Ctrl-C.
    script = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from facade.__main__ import main; main()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, "batch", *arguments, "-o", "out"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=paced(),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("ended_by", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_a_run_that_is_ended_says_how_to_go_on(
    ended_by: int, status: int, together_environment: SpeechEmulator
) -> None:
    texts = [f"This is row number {row:03}." for row in range(100)]
    rows = write("rows.txt", *texts)
    with running(rows, "--per-minute", "1200", "--at-once", "4") as process:
        wait_until(lambda: len(files()) > 3)
        begun_at = time.monotonic()
        process.send_signal(ended_by)
        told, error = process.communicate()
        assert time.monotonic() - begun_at < 8
    assert process.returncode == status, error
    assert "Traceback" not in error
    there = len(files())
    assert 3 < there < 100
    assert told.startswith(f"{there} of 100 rows are there, {there} spoken now, 0 failed, ")
    assert error.endswith(
        f"{100 - there} rows are missing: the same command goes on with {100 - there}\n"
    )
    assert batch(rows)[0] == 0
    assert len(files()) == 100
    billed = together_environment.characters[KOKORO] / len(texts[0])
    assert 100 <= billed <= 104


@pytest.mark.usefixtures("together_environment")
def test_a_second_run_in_one_folder_is_refused() -> None:
    rows = write("rows.txt", *[f"Row {row}." for row in range(200)])
    with running(rows, "--per-minute", "600") as process:
        wait_until(files)
        status, told, error = batch(write("others.txt", "Hello."))
        assert (status, told) == (1, "")
        assert (
            error == "error: another run is writing into out; wait for its end, or name another "
            "folder\n"
        )
        process.kill()
        process.communicate()
    # The lock of one that was killed is nobody's.
    assert batch("others.txt")[0] == 0


@pytest.mark.usefixtures("together_environment")
def test_a_terminal_shows_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOGETHER_SPEECH_RETRIES", raising=False)
    rows = write("rows.txt", *[f"This is row number {row:03}." for row in range(30)])
    status, shown = on_a_terminal("batch", rows, "-o", "out", "--per-minute", "1200")
    assert status == 0, shown
    text = " ".join(shown.split())
    assert "━" in shown
    assert re.search(
        r"30 of 30 done, 0 failed, 0 under way, [0-9.]+ rows/s, \d\d s of audio, \$0\.0028, "
        r"0:00 left",
        text,
    )
    assert "30 of 30 rows are there" in text


def test_a_terminal_shows_what_fails(service: FaultServer) -> None:
    service.answer_from_now_on(refusal(422, "no such words"))
    status, shown = on_a_terminal("batch", write("rows.txt", "Bad."), "-o", "out")
    assert status == 1
    assert "line 1 (000001.wav): HTTP 422" in shown


@pytest.mark.usefixtures("together_environment")
def test_rows_are_typed_on_a_terminal() -> None:
    status, shown = on_a_terminal("batch", "-", "-o", "out", typed="Hello.\n\x04")
    assert status == 0, shown
    assert "Ctrl-D" in shown
    assert files() == {"000001.wav"}


# --- how far it is -------------------------------------------------------------------------------


def test_without_a_terminal_lines_come_also_while_nothing_does(
    service: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "EVERY_S", 0.05)
    is_enough = threading.Event()

    def late(peer: Peer) -> None:
        is_enough.wait(0.5)
        peer.send(answer(body=SPEECH))

    service.answer_from_now_on(late)
    status, _, error = batch(write("rows.txt", "Hello."))
    assert status == 0
    assert error.count("0 of 1 done, 0 failed, 1 under way, ") > 2


class Numbers:
    done, failed, under_way = 1200, 3, 8
    usd: Decimal | None = Decimal("0.12345")
    duration_s = 4321.0


def test_a_line_says_how_far_it_is() -> None:
    assert line(Numbers(), 10_000, 19.96, 65.0) == (
        "1,200 of 10,000 done, 3 failed, 8 under way, 20.0 rows/s, 4,321 s of audio, $0.1235, "
        "1:05 left"
    ).replace("$0.1235", dollars(Decimal("0.12345")))
    assert line(Numbers(), 10_000, 19.96, inf).endswith(dollars(Decimal("0.12345")))


def test_prices_are_short() -> None:
    assert [dollars(Decimal(usd)) for usd in ("0", "0.0016", "9.99", "1234.5")] == [
        "$0.00",
        "$0.0016",
        "$9.9900",
        "$1,234.50",
    ]
    assert dollars(None) == "price unknown"


@pytest.mark.parametrize(
    ("usd", "limit", "said"),
    [
        ("0.000004", "0", "$0.000004"),
        ("0.00005", "0", "$0.00005"),
        ("0.000104", "0.0001", "$0.000104"),
        ("0.00014", "0.00012", "$0.00014"),
        ("0.2", "0.1", "$0.2000"),
        ("10.004", "10", "$10.004"),
        ("10.004", "9.99", "$10.00"),
        ("1", "2", "$1.0000"),
    ],
)
def test_what_is_more_is_seen_to_be(usd: str, limit: str, said: str) -> None:
    assert dollars(Decimal(usd), limit=Decimal(limit)) == said


def test_times_are_short() -> None:
    assert [clock(seconds) for seconds in (0, 59.5, 61, 3600)] == [
        "0:00",
        "1:00",
        "1:01",
        "1:00:00",
    ]


def test_the_time_left_follows_the_speed_of_now() -> None:
    speed = Speed(0.0)
    assert speed.per_s() == 0.0
    assert speed.left_s(1.0, 0, 100) == inf
    assert speed.left_s(10.0, 10, 100) == 90.0
    # A minute later it is ten times as fast.
    for second in range(11, 71):
        left = speed.left_s(float(second), 10 + (second - 10) * 10, 1000)
    assert left == (1000 - 610) / 10
    assert speed.per_s() == 10.0
    assert speed.left_s(71.0, 1000, 1000) == 0.0


def test_the_speed_of_now_is_known_where_lines_come_as_seldom() -> None:
    """A line comes a hair later than the time over which the speed is measured."""
    speed = Speed(0.0)
    for number in range(1, 20):
        speed.left_s(number * 5.0003, number * 250, 5000)
        assert speed.per_s() == pytest.approx(50, rel=0.001)
    # What comes sooner is measured from the newest that is old enough.
    speed.left_s(19 * 5.0003 + 1, 19 * 250 + 350, 5100)
    assert speed.per_s() == pytest.approx(600 / 6.0003)
