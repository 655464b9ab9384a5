"""What the documents show is run, so that it stays true."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
import soundfile  # type: ignore[import-untyped]
from typer.testing import CliRunner

from facade._cli.shared import DEFAULT_MODEL
from facade.cli import app
from tests.documents import DOCUMENTS, ROOT, Block, blocks
from tests.emulator.conftest import emulator_process
from tests.test_cli_realtime import Player
from together_emulator import SpeechEmulator

README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

BLOCKS = blocks()
PYTHON = [block for block in BLOCKS if block.language == "python"]
# What a program prints stands behind it.
SHOWN = {program: shown for program, shown in pairwise(BLOCKS) if shown.language == "text"}
TESTS = [block for block in PYTHON if "def test_" in block.text]
# Those that need other people's engines, which have an environment of their own.
ENGINE = re.compile(r"^(?:from|import) (dask|ray)\b", re.MULTILINE)
ENGINES = [block for block in PYTHON if ENGINE.search(block.text)]
HERE = [block for block in PYTHON if block not in TESTS + ENGINES]
COMMANDS = [
    pytest.param(shlex.split(line, comments=True), id=f"{block}: {line}")
    for block in BLOCKS
    if block.language == "sh"
    for line in block.text.replace("\\\n", " ").splitlines()
]


@pytest.fixture
def speech_retries() -> str:
    """As in an application, but without waiting."""
    return "at once"


@pytest.fixture
def emulator(
    together_environment: SpeechEmulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> SpeechEmulator:
    """Stands for the service, and the folder is empty but for a letter."""
    monkeypatch.chdir(tmp_path)
    # Where batches share their pace.
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    Path("letter.txt").write_text("Dear all.", encoding="utf-8")
    return together_environment


def hear_files() -> set[str]:
    """The names of the audio files that were written, each of which can be read."""
    names = {path.name for path in Path().iterdir() if path.suffix in (".wav", ".mp3")}
    for name in names:
        assert soundfile.info(name).duration > 0.3
    return names


def test_every_block_is_of_a_kind_that_is_tried() -> None:
    """A fence that is spelled in another way would be run by nobody."""
    assert {block.language for block in BLOCKS} == {"python", "sh", "text"}
    assert {block.language for block in SHOWN} == {"python"}
    fences = sum(path.read_text(encoding="utf-8").count("```") for path in DOCUMENTS)
    assert fences == 2 * len(BLOCKS)


@pytest.mark.parametrize("block", HERE, ids=str)
def test_a_program_runs_as_it_stands(
    block: Block, emulator: SpeechEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    names = block.run()
    if block in SHOWN:
        assert capsys.readouterr().out == SHOWN[block].text
    # An application waits to be asked (`test_web.py`), and one block has an emulator of its own.
    assert emulator.requests or names.keys() & {"app", "emulator"}
    assert hear_files() == set(re.findall(r'"([a-z-]+\.(?:wav|mp3))"', block.text))


@pytest.mark.parametrize("block", ENGINES, ids=str)
def test_a_program_on_an_engine_runs_as_it_stands(block: Block, emulator: SpeechEmulator) -> None:
    (engine,) = set(ENGINE.findall(block.text))
    python = Path(sys.prefix, "engines", "bin", "python")
    if not python.is_file():
        pytest.skip("needs other people's engines: run `make engines`")
    # Not the variables by which coverage and this environment would get into that one. Ray's
    # sockets lie below the temporary folder, and their paths may not be long.
    environment = {
        name: value
        for name, value in os.environ.items()
        if "PYTHON" not in name and "COVERAGE" not in name
    }
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        environment["TMPDIR"] = folder
        Path("program.py").write_text(block.text, encoding="utf-8")
        found = subprocess.run([python, "-c", f"import {engine}"], check=False, capture_output=True)
        if engine == "ray" and found.returncode:
            pytest.skip("Ray has no wheel for this Python on this system")
        done = subprocess.run(
            [python, "program.py"], capture_output=True, text=True, env=environment, timeout=120
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout == SHOWN[block].text, done.stderr
    assert len(emulator.requests) == 10


def test_tests_run_as_they_stand(tmp_path: Path) -> None:
    for number, block in enumerate(TESTS):
        (tmp_path / f"test_{number}.py").write_text(block.text, encoding="utf-8")
    pytest_run = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(pytest_run, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert f"\n{len(TESTS)} passed in" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_runs_as_it_stands(
    words: list[str], emulator: SpeechEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    match words:
        case ["llm", prompt, "|", "together-speech", "realtime", *arguments]:
            monkeypatch.setitem(sys.modules, "sounddevice", Player)
            result = CliRunner().invoke(app, ["realtime", *arguments], input=prompt)
            assert (result.exit_code, result.stderr) == (0, "")
            assert emulator.characters == {DEFAULT_MODEL: len(prompt)}
        case ["together-speech", *arguments]:
            result = CliRunner().invoke(app, arguments)
            assert result.exit_code == 0, result.stderr
            assert result.stdout
            assert hear_files() == {word for word in words if word.endswith((".wav", ".mp3"))}
        case ["make", target, *_]:
            assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)
        case ["pip", "install", what]:
            # The package need be on no index.
            found = re.fullmatch(r"\.(\[([a-z,]+)\])?", what)
            assert found
            assert set((found[2] or "test").split(",")) <= PROJECT["optional-dependencies"].keys()
        case ["python", "-m", "together_emulator", "--port", "8080"]:
            with emulator_process("--port", "0"):
                pass
        case ["curl", *arguments]:
            if shutil.which("curl") is None:
                pytest.skip("there is no curl here")
            here = [word.replace("http://127.0.0.1:8080", emulator.sdk_url) for word in arguments]
            subprocess.run(["curl", "--silent", "--fail", *here], check=True, env=os.environ)
            assert hear_files() == {"hello.wav"}
        case _:
            pytest.fail("nobody knows how to try this")


def test_every_extra_for_users_is_in_the_readme() -> None:
    table = README.partition("| extra | for |")[2].partition("\n\n")[0]
    named = set(re.findall(r"^\| `([a-z]+)` \|", table, re.MULTILINE))
    assert named == PROJECT["optional-dependencies"].keys() - {"test", "dev"}


def test_every_command_is_in_the_readme() -> None:
    for command in app.registered_commands:
        assert command.callback is not None
        assert f"together-speech {command.callback.__name__}" in README


def test_every_target_of_make_has_a_line_of_help() -> None:
    targets = re.findall(r"^([a-z-]+):.*$", MAKEFILE, re.MULTILINE)
    assert targets == re.findall(r"^([a-z-]+):.* ## .+$", MAKEFILE, re.MULTILINE)
