"""The command line, with the emulator as the service."""

import errno
import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
import wave
from base64 import b64encode
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any, ClassVar, Self, get_args

import pytest
import typer
from typer.testing import CliRunner, Result

from facade import VoiceMix
from facade._cli.shared import DEFAULT_MODEL, DEFAULT_VOICE, Encoding, Format
from facade._rules.options import ResponseEncoding, ResponseFormat
from facade.cli import app
from tests.emulator.conftest import emulator_process
from tests.faults.server import SPEECH, FaultServer, answer, chunked, then

MIX = "af_bella(2)+af_heart(1)"


def run(*arguments: str, text: str | bytes | None = None) -> Result:
    return CliRunner().invoke(app, arguments, input=text)


def unboxed(shown: str) -> str:
    """What is shown in a box, in one line."""
    return " ".join(shown.replace("│", "").split())


def on_a_terminal(*arguments: str, typed: str = "", piped: str | None = None) -> tuple[int, str]:
    """Run the command line with its streams on a terminal of their own, or input from a pipe."""
    ours, theirs = pty.openpty()
    os.write(ours, typed.encode())
    stdin = theirs
    if piped is not None:
        stdin, end = os.pipe()
        os.write(end, piped.encode())
        os.close(end)
    process = subprocess.Popen(
        [sys.executable, "-m", "facade", *arguments], stdin=stdin, stdout=theirs, stderr=theirs
    )
    for file in {stdin, theirs}:
        os.close(file)
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


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    """A service that speaks, and the environment that names it."""
    with FaultServer(answer(body=SPEECH)) as server:
        monkeypatch.setenv("TOGETHER_BASE_URL", server.url)
        monkeypatch.setenv("TOGETHER_API_KEY", "any")
        yield server


@pytest.fixture(scope="module")
def emulator_url() -> Iterator[str]:
    """The emulator as the service: `--local`, which starts one each time, takes long."""
    with emulator_process() as (url, _):
        yield url


@pytest.fixture
def emulator(emulator_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names the emulator."""
    monkeypatch.setenv("TOGETHER_BASE_URL", emulator_url)
    monkeypatch.setenv("TOGETHER_API_KEY", "any")


def asked(server: FaultServer) -> dict[str, object]:
    """What the last request asked for."""
    body: dict[str, object] = json.loads(server.requests[-1].body)
    return body


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


def test_local_goes_through_no_proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with FaultServer(answer(502)) as server:
        for proxy in ("http_proxy", "HTTPS_PROXY", "all_proxy"):
            monkeypatch.setenv(proxy, server.url.removesuffix("/v1"))
        result = run("synthesize", "A secret.", "--local", "-o", str(tmp_path / "out.wav"))
    assert result.exit_code == 0, result.stderr
    assert server.requests == []


def test_the_default_voice_belongs_to_the_default_model(
    service: FaultServer, tmp_path: Path
) -> None:
    path = str(tmp_path / "out.wav")
    assert run("synthesize", "Hi.", "-o", path).exit_code == 0
    assert asked(service)["voice"] == DEFAULT_VOICE
    result = run("synthesize", "Hi.", "-o", path, "--model", "some/model")
    assert result.exit_code == 2
    assert "'together-speech voices --model some/model' lists them" in unboxed(result.stderr)
    assert len(service.requests) == 1


@pytest.mark.parametrize("source", [("-t", "Good morning."), ("-f", "letter.txt")])
def test_the_short_options_are_those_that_people_know(
    source: tuple[str, str],
    service: FaultServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("letter.txt").write_text("Good morning.", encoding="utf-8")
    result = run("synthesize", "-v", "am_adam", *source, "-o", "out.wav")
    assert result.exit_code == 0, result.stderr
    assert (asked(service)["input"], asked(service)["voice"]) == ("Good morning.", "am_adam")


COMMANDS = [(), ("synthesize",), ("stream",), ("realtime",), ("batch",), ("voices",), ("mix",)]


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_there_is(command: tuple[str, ...], flag: str) -> None:
    result = run(*command, flag)
    assert result.exit_code == 0
    if command != ("mix",):
        assert "TOGETHER_API_KEY" in result.stdout
        assert "TOGETHER_BASE_URL" in result.stdout
    if command and command[0] in ("synthesize", "stream", "realtime", "batch"):
        assert f"default {DEFAULT_VOICE}" in unboxed(result.stdout)


@pytest.mark.parametrize("command", COMMANDS)
def test_what_takes_no_value_does_not_look_as_if_it_did(command: tuple[str, ...]) -> None:
    """From 0.29 on, typer would write `<bool>` after it."""
    found: Any = typer.main.get_command(app)
    context = found.make_context("together-speech", [*command] or ["mix"], resilient_parsing=True)
    for name in command:
        found = found.commands[name]
    flags = [param for param in found.get_params(context) if getattr(param, "is_flag", False)]
    assert "--help" in {name for flag in flags for name in flag.opts}
    assert {flag.metavar for flag in flags} == {""}
    assert "<bool>" not in run(*command, "-h").stdout


def test_the_formats_are_those_of_the_client() -> None:
    assert get_args(Format) == get_args(ResponseFormat)
    assert set(get_args(Encoding)) == set(get_args(ResponseEncoding))


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("together-speech syn", ["synthesize"]),
        ("together-speech stream --pl", ["--play"]),
        ("together-speech voices --gender f", ["female"]),
    ],
)
def test_the_shell_completes(words: str, completed: list[str]) -> None:
    script = "import sys; sys.argv = ['together-speech']; from facade.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "_TOGETHER_SPEECH_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(words.count(" ")),
        },
    )
    assert done.stdout.split() == completed, done.stderr


# --- the output ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("emulator")
def test_the_files_name_says_which_format_to_ask_for(tmp_path: Path) -> None:
    path = tmp_path / "out.raw"
    result = run("synthesize", "Hello.", "--voice", "af_heart", "-o", str(path))
    assert "raw pcm_s16le 24000 Hz mono" in result.stdout
    assert not path.read_bytes().startswith(b"RIFF")


@pytest.mark.usefixtures("emulator")
def test_every_option_reaches_the_service(tmp_path: Path) -> None:
    path = tmp_path / "out.pcm"
    result = run(
        *("synthesize", "Say omg.", "--model", "cartesia/sonic-2"),
        *("--voice", "friendly sidekick", "--format", "raw", "--encoding", "pcm_mulaw"),
        *("--sample-rate", "8000", "--language", "en", "--pronounce", "omg=oh my god"),
        *("--output", str(path)),
    )
    assert "raw pcm_mulaw 8000 Hz mono" in result.stdout, result.stderr


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("arguments", [("-",), ()], ids=["dash", "nothing"])
def test_text_comes_from_standard_input(arguments: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    result = run(
        *("synthesize", *arguments, "--voice", "af_heart", "-o", str(path)),
        text="Grüße an alle.",
    )
    assert result.exit_code == 0, result.stderr
    assert path.exists()


@pytest.mark.usefixtures("emulator")
def test_text_is_typed_on_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    status, shown = on_a_terminal(
        *("synthesize", "--voice", "af_heart", "-o", str(path)),
        typed="Hello.\n\x04",
    )
    assert status == 0, shown
    assert "Ctrl-D" in shown
    assert path.exists()


LETTER = "Grüße an alle.\nBis bald."


@pytest.mark.parametrize(
    "content",
    [
        LETTER.encode(),
        LETTER.encode("utf-8-sig"),
        LETTER.replace("\n", "\r\n").encode("utf-8-sig"),
        LETTER.replace("\n", "\r").encode(),
    ],
    ids=["plain", "byte-order mark", "and CRLF", "CR"],
)
@pytest.mark.parametrize("source", ["letter.txt", "-", None])
def test_a_text_is_the_same_from_wherever_it_comes(
    source: str | None,
    content: bytes,
    service: FaultServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("letter.txt").write_bytes(content)
    arguments = ("--file", source) if source else ()
    result = run("synthesize", *arguments, "-o", "out.wav", text=content)
    assert result.exit_code == 0, result.stderr
    assert asked(service)["input"] == LETTER


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "An\nGrüße".encode("latin-1"),
            "is not in UTF-8: line 2 has the byte 0xFC; if it is in Latin-1, save it as UTF-8, or "
            "convert it with 'iconv -f ISO-8859-1 -t UTF-8'",
        ),
        (LETTER.encode("utf-16"), "is in UTF-16, not in UTF-8; save it as UTF-8, or convert it"),
        (b"\xfe\xff" + LETTER.encode("utf-16-be"), "with 'iconv -f UTF-16 -t UTF-8'"),
        (LETTER.encode("utf-32"), "is in UTF-32, not in UTF-8; save it as UTF-8, or convert it"),
        (b"\0\0\xfe\xff" + LETTER.encode("utf-32-be"), "with 'iconv -f UTF-32 -t UTF-8'"),
        (LETTER.encode("utf-16-le"), "with 'iconv -f UTF-16LE -t UTF-8'"),
        (LETTER.encode("utf-16-be"), "with 'iconv -f UTF-16BE -t UTF-8'"),
    ],
)
@pytest.mark.parametrize("source", ["letter.txt", "-"])
def test_a_text_that_is_not_utf8_is_named_with_what_to_do(
    source: str, content: bytes, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOGETHER_API_KEY", "any")
    Path("letter.txt").write_bytes(content)
    result = run("synthesize", "--file", source, text=content)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {source.replace('-', 'standard input')} ")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("closed", "arguments", "said"),
    [
        ("<&-", "synthesize", "standard input is closed; give the text"),
        (">&-", "synthesize Hi. -o -", "standard output is closed"),
        (">&-", "stream Hi. -o -", "standard output is closed"),
        ("<&-", "batch - -o out", "standard input is closed; pipe the rows in"),
        ("<&-", "realtime -o out.wav", "standard input is closed; pipe the text in"),
        (">&-", "realtime -o -", "standard output is closed"),
        (">&-", "voices", "standard output is closed"),
        (">&-", "mix af_bella af_heart", "standard output is closed"),
    ],
)
def test_a_closed_stream_is_one_line(
    closed: str, arguments: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOGETHER_API_KEY", "any")
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -m facade {arguments} {closed}', sys.executable],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {said}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize(
    "arguments",
    ["mix af_bella af_heart", "--version", "-h", "synthesize -h", "", "--show-completion bash"],
)
def test_output_that_there_is_no_room_for_is_one_line(
    arguments: str, unbuffered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    # Or else typer looks for the shell that it was started from.
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -m facade {arguments} > /dev/full', sys.executable],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.stderr == f"error: {os.strerror(errno.ENOSPC)}\n"
    assert done.returncode == 1


def test_a_file_is_written_where_nobody_listens(service: FaultServer, tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    done = subprocess.run(
        [
            *("sh", "-c", 'exec "$0" -m facade synthesize Hi. -o "$1" <&- >&- 2>&-'),
            *(sys.executable, path),
        ],
        check=False,
    )
    assert done.returncode == 0
    assert path.read_bytes() == SPEECH
    assert len(service.requests) == 1


@pytest.mark.usefixtures("emulator")
def test_a_dash_writes_audio_to_standard_output_and_nothing_else() -> None:
    result = run("synthesize", "Hello.", "--voice", "af_heart", "--output", "-")
    with wave.open(io.BytesIO(result.stdout_bytes)) as file:
        assert file.getnframes() > 0
    assert result.stderr == ""


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ("synthesize", "Hi.", "--voice", "af_bela"),
            "error: voice: 'af_bela' is not a voice of hexgrad/Kokoro-82M; "
            "the closest names are af_bella, hf_beta, af_heart\n",
        ),
        (("synthesize", " ", "--voice", "af_heart"), "error: text: "),
        (
            ("synthesize", "Hi.", "--voice", "af_heart", "-o", "/no/such/folder/x.wav"),
            "error: /no/such/folder: there is no such folder\n",
        ),
        (
            ("synthesize", "Hi.", "-o", "x.wav", "--encoding", "pcm_s16le"),
            "error: --encoding: only --format 'raw' has one; this request asks for 'wav'\n",
        ),
        (
            ("synthesize", "--file", "/no/such/file", "--voice", "af_heart"),
            "error: /no/such/file: No such file or directory\n",
        ),
        (
            ("synthesize", "Hi.", "--model", "no/model", "--voice", "x"),
            "error: HTTP 404",
        ),
        (("mix", "af_bella=2"), "a mix needs two voices"),
        (
            ("mix", "af_bela", "af_heart"),
            "error: voice: 'af_bela' is not a voice of hexgrad/Kokoro-82M; the closest names are "
            "af_bella, hf_beta, af_heart\n",
        ),
        (("mix", "af_bella=2", "hart=1"), "'hart' is not a voice of"),
        (
            ("voices", "--model", DEFAULT_MODEL, "--language", "de"),
            "error: there is no such voice among the 54 that the service lists; there are voices "
            "of en-gb, en-us, es, fr, hi, it, ja, pt-br, zh\n",
        ),
    ],
)
def test_a_failure_is_one_line_and_status_1(arguments: tuple[str, ...], line: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 1
    assert line in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_a_missing_key_is_one_line_and_status_1() -> None:
    result = run("synthesize", "Hi.")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert "TOGETHER_API_KEY" in result.stderr
    assert result.stderr.count("\n") == 1


NEEDS_SOUND = (
    "error: playing needs the package 'sounddevice'; pip install 'together-speech[play]', or "
    "pip install '.[play]' in the checkout\n"
)
OUTPUTS = [
    (("synthesize", "-o", "missing/x.wav"), "missing: there is no such folder"),
    (("synthesize", "-o", "."), ".: is a folder; name a file in it"),
    (
        ("synthesize", "-o", "x.wav", "--format", "mp3"),
        "path: the audio is mp3, which a file named 'x.wav' must not hold; end the name in '.mp3', "
        "or ask synthesize() for --format 'wav'",
    ),
    (("synthesize", "-o", "x.m4a"), "no model gives that kind of file, so end the name in '.wav'"),
    (("synthesize", "-o", "x.ogg", "--format", "mp3"), "must not hold"),
    (
        ("synthesize", "-o", "x.ogg"),
        "error: path: 'x.ogg' asks for opus, which hexgrad/Kokoro-82M does not give; end the name "
        "in '.wav', '.wave', '.mp3', '.raw', '.pcm', '.mulaw' or '.ulaw'\n",
    ),
    (
        ("synthesize", "-o", "x.ogg", "--format", "opus"),
        "error: --format: must be one of 'wav', 'mp3', 'raw', 'mulaw', not 'opus'\n",
    ),
    (("synthesize", "-o", "x.wav", "--format", "raw"), "pass --encoding and --sample-rate, or"),
    (("synthesize", "-o", "x.wav", "--format", "mulaw"), "pass --sample-rate, or"),
    (("stream", "-o", "missing/x.wav"), "missing: there is no such folder"),
    (("stream", "-o", "x.mp3"), "'x.mp3' must not hold; end the name in '.wav' or '.raw', or ask"),
    (("stream", "-o", "x.wav", "--model", "some/model", "-v", "tiger"), "a WAV header needs"),
    (("stream", "--play"), NEEDS_SOUND),
    (("realtime", "-o", "missing/x.wav"), "missing: there is no such folder"),
    (
        ("realtime", "-o", "x.mp3"),
        "'x.mp3' must not hold; end the name in '.wav' or '.raw', or ask",
    ),
    (("realtime", "--play"), NEEDS_SOUND),
]


@pytest.mark.parametrize(("arguments", "said"), OUTPUTS)
def test_nothing_is_paid_for_that_cannot_be_had(
    arguments: tuple[str, ...],
    said: str,
    service: FaultServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    result = run(*arguments, text="Hello.")
    assert result.exit_code == 1
    assert said in result.stderr.replace(f"{tmp_path}/", "")
    assert result.stderr.count("\n") == 1
    assert service.requests == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "message", "code", "leads_on"),
    [
        (413, "Payload Too Large", None, True),
        (403, "context length exceeded", None, True),
        (400, "Input is too long", None, True),
        (422, "input exceeds the maximum of 10,000 characters", None, True),
        (400, "input has 10011 characters, more than 10000", None, True),
        (400, "the input is refused", "input_too_long", True),
        (400, "the input is refused", "input too long", True),
        (403, "the input is refused", "context_length_exceeded", True),
        (429, "Rate limit exceeded", "rate_limit_exceeded", False),
        (402, "spend limit exceeded", None, False),
        (400, "no such voice", "invalid_voice", False),
    ],
)
def test_a_text_refused_for_its_length_leads_on(
    status: int,
    message: str,
    code: str | None,
    leads_on: bool,
    service: FaultServer,
    tmp_path: Path,
) -> None:
    error = {"message": message, "type": "invalid_request_error", "code": code}
    body = json.dumps({"error": error}).encode()
    service.answer_from_now_on(answer(status, body, {"Retry-After": "3600"}))
    result = run("synthesize", "Hi.", "-o", str(tmp_path / "out.wav"))
    assert result.exit_code == 1
    assert message in result.stderr
    assert ("'together-speech narrate' reads a long text" in result.stderr) is leads_on
    assert result.stderr.count("\n") == 1


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("command", ["synthesize", "stream"])
@pytest.mark.parametrize("source", ["long.txt", "-"])
def test_a_long_text_is_told_who_reads_it(
    command: str, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = "hello one " * 1001
    Path("long.txt").write_text(text, encoding="utf-8")
    result = run(command, "--file", source, "-o", "out.wav", text=text)
    assert result.exit_code == 1
    assert "10010 characters" in result.stderr
    assert "; 'together-speech narrate' reads a long text" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("synthesize", "Hi.", "--voice", "af_heart", "--nonsense"),
        ("synthesize", "Hi.", "--format", "mp4"),
        ("synthesize", "Hi.", "--voice", "af_heart", "--pronounce", "omg"),
        ("synthesize", "Hi.", "--file", "x", "--voice", "af_heart"),
        ("synthesize", "Hi.", "--text", "Hi."),
        ("stream", "Hi.", "--voice", "af_heart"),
        ("stream", "Hi.", "--voice", "af_heart", "--play", "--output", "x.wav"),
        ("realtime",),
        ("realtime", "--play", "-o", "x.wav"),
        ("realtime", "-o", "x.wav", "--model", "some/model"),
        ("realtime", "Hi.", "-o", "x.wav"),
        ("mix", "af_bella=much", "af_heart=1"),
        ("mix", "af_bella=", "af_heart=1"),
        ("mix", "af_bella=1/0", "af_heart=1"),
    ],
)
def test_misuse_is_status_2(arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOGETHER_API_KEY", "any")
    result = run(*arguments)
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("mix", "af_bella=0", "af_heart=1"), "the weight of af_bella must be above 0, not 0"),
        (
            ("mix", "af_bella=1", "af_heart=-0.5"),
            "the weight of af_heart must be above 0, not -0.5",
        ),
        (("mix", "af_bella=much", "af_heart"), "the weight 'much' of af_bella is not a number"),
        (("voices", "--gender", "woman"), "'woman' is not one of 'female', 'male'"),
    ],
)
def test_misuse_is_told_in_the_users_words(arguments: tuple[str, ...], said: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in unboxed(result.stderr)


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
    assert result.stdout == f"{path}: 1.00 s, wav pcm_s16le 24000 Hz mono, 48,044 bytes\n"
    assert path.stat().st_size == 48_044
    with wave.open(str(path)) as file:
        assert file.readframes(24000) == SAMPLES


def test_stream_says_that_bare_samples_are_such(streaming: FaultServer, tmp_path: Path) -> None:
    path = tmp_path / "out.pcm"
    result = run("stream", "Hello.", "--output", str(path))
    assert result.stdout == f"{path}: 1.00 s, raw pcm_s16le 24000 Hz mono, 48,000 bytes\n"
    assert asked(streaming)["voice"] == DEFAULT_VOICE


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

        latency = 0.05

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None: ...

        def write(self, samples: bytes) -> None:
            _Player.played += samples


def test_stream_plays(streaming: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", _Player)
    arguments = ("stream", "Hello.", "--voice", "af_heart", "--play")
    assert run(*arguments).exit_code == 0
    assert _Player.played == SAMPLES
    assert _Player.opened_with == {"samplerate": 24000, "channels": 1, "dtype": "int16"}
    assert len(streaming.requests) == 1
    result = run(*arguments)
    assert result.exit_code == 1
    assert result.stderr == "error: there is no device to play on: no default output device\n"
    cartesia = ("--voice", "tiger", "--model", "some/model", "--encoding", "pcm_alaw")
    assert "cannot be played" in run("stream", "Hello.", "--play", *cartesia).stderr
    assert len(streaming.requests) == 1, "what cannot be played is not paid for"


def test_playing_without_portaudio_says_what_to_install_where(
    service: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    result = run("stream", "Hello.", "--play")
    assert result.exit_code == 1
    assert "PortAudio library not found" in result.stderr
    for system in ("libportaudio2' on Debian and Ubuntu", "on Fedora", "on Arch", "on macOS"):
        assert system in result.stderr
    assert service.requests == []


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


@pytest.mark.usefixtures("emulator")
def test_voices_as_lines_for_programs() -> None:
    result = run("voices", "--model", "hexgrad/Kokoro-82M", "--language", "en-GB")
    lines = result.stdout.splitlines()
    assert len(lines) == 8
    assert "bf_emma\tbf_emma\thexgrad/Kokoro-82M\ten-gb\tfemale\tB-" in lines


@pytest.mark.usefixtures("emulator")
def test_voices_as_json() -> None:
    result = run("voices", "--language", "en", "--gender", "male", "--json")
    found = json.loads(result.stdout)
    assert {"am_adam", "bm_george"} < {voice["id"] for voice in found}
    assert {voice["language"] for voice in found} == {"en-us", "en-gb"}
    assert {voice["gender"] for voice in found} == {"male"}


@pytest.mark.usefixtures("emulator")
def test_no_voice_is_an_empty_list_for_programs() -> None:
    result = run("voices", "--language", "tlh", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, [])


def test_a_model_without_voices_is_no_empty_table(service: FaultServer) -> None:
    service.answer_from_now_on(answer(body=b'{"data":[]}'))
    result = run("voices", "--gender", "FEMALE")
    assert result.exit_code == 1
    assert result.stderr == ("error: there is no such voice among the 0 that the service lists\n")


@pytest.mark.usefixtures("emulator")
def test_voices_as_a_table_on_a_terminal() -> None:
    status, shown = on_a_terminal("voices", "--model", "hexgrad/Kokoro-82M")
    assert status == 0
    assert "grade" in shown
    assert "bm_george" in shown
    assert "hexgrad/Kokoro-82M" not in shown, "a column that is the same all the way down"


def test_waiting_is_shown_on_a_terminal(service: FaultServer, tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    status, shown = on_a_terminal("synthesize", "Hi.", "-o", str(path))
    assert status == 0, shown
    assert "waiting for the audio, 0 s" in shown
    assert path.read_bytes() == SPEECH
    assert len(service.requests) == 1


def test_a_program_that_is_ended_tidies_up(streaming: FaultServer, tmp_path: Path) -> None:
    half = STREAMED[: len(STREAMED) * 2 // 3]
    streaming.answer_from_now_on(then(half, lambda peer: peer.pause()))
    # Other systems than Linux have only files with a name.
    script = "import os; vars(os).pop('O_TMPFILE', None); import facade.__main__ as m; m.main()"
    with subprocess.Popen(
        [sys.executable, "-c", script, "stream", "Hello.", "-o", tmp_path / "out.wav"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        while not list(tmp_path.iterdir()):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert process.communicate() == (b"", b"")
    assert process.returncode == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def _sigterm_as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("_sigterm_as_before")
def test_who_ignores_sigterm_goes_on_doing_so(monkeypatch: pytest.MonkeyPatch) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    monkeypatch.setattr(sys, "argv", ["together-speech", "--version"])
    with pytest.raises(SystemExit):
        installed_command()()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


@pytest.mark.usefixtures("emulator")
def test_no_audio_goes_to_a_terminal() -> None:
    status, shown = on_a_terminal("synthesize", "Hi.", "--voice", "af_heart", "-o", "-")
    assert status == 2
    assert "terminal" in shown


@pytest.mark.usefixtures("emulator")
def test_a_reader_that_goes_away_is_no_traceback() -> None:
    # More audio than the buffer of a pipe holds, so that the writing fails.
    arguments = ["synthesize", "A rather long sentence. " * 9, "--voice", "af_heart"]
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


def test_an_emulator_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    result = run("synthesize", "Hi.", "--local", "--voice", "af_heart")
    assert result.exit_code == 1
    assert "the emulator did not start" in result.stderr


def installed_command() -> Callable[[], None]:
    (command,) = entry_points(group="console_scripts", name="together-speech")
    main: Callable[[], None] = command.load()
    return main


@pytest.mark.parametrize("missing", ["typer", "rich", "filelock"])
def test_without_its_libraries_it_says_what_to_install(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    ours = ("facade.cli", "facade._cli", "facade._lock")
    for module in [name for name in sys.modules if name.startswith(ours)]:
        monkeypatch.delitem(sys.modules, module)
    with pytest.raises(SystemExit) as ended:
        installed_command()()
    assert ended.value.code == (
        f"error: the command line needs the package {missing!r}; pip install "
        "'together-speech[cli]', or pip install '.[cli]' in the checkout"
    )


@pytest.mark.usefixtures("_sigterm_as_before")
def test_the_installed_command_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["together-speech", "--version"])
    with pytest.raises(SystemExit):
        installed_command()()
    assert capsys.readouterr().out == f"together-speech {version('together-speech')}\n"
