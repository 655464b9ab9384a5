"""What the documents show is run, so that it stays true."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile  # type: ignore[import-untyped]
from typer.testing import CliRunner

from facade.cli import app
from tests.emulator.conftest import emulator_process

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def snippets(language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert found
    return found


PROGRAMS = [program for program in snippets("python") if "def test_" not in program]
COMMANDS = [
    line
    for shell in snippets("sh")
    for line in shell.splitlines()
    if line.startswith("together-speech ")
]
WAV = "wav pcm_s16le 24000 Hz mono"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with emulator_process() as (url, _):
        yield url


@pytest.fixture(autouse=True)
def _service(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TOGETHER_API_KEY", "any")
    monkeypatch.setenv("TOGETHER_BASE_URL", url)
    monkeypatch.chdir(tmp_path)


def files() -> list[str]:
    """The names of what was written, each of which is audio that can be read."""
    names = sorted(path.name for path in Path().iterdir())
    for name in names:
        assert soundfile.info(name).duration > 0.3
    return names


@pytest.mark.parametrize(
    ("program", "written", "printed"),
    [
        *zip(
            PROGRAMS,
            [["hello.wav"], [], []],
            ["", rf"{WAV} \d+\.\d+ seconds\n", r"\d+\.\d+ seconds\n"],
            strict=True,
        )
    ],
)
def test_the_readmes_programs_run(
    program: str, written: list[str], printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    exec(compile(program, "README.md", "exec"), {"__name__": "readme"})  # noqa: S102 - our own
    assert files() == written
    assert re.fullmatch(printed, capsys.readouterr().out)


@pytest.mark.parametrize(
    ("line", "written", "printed"),
    [
        *zip(
            COMMANDS,
            [["morning.mp3"], ["letter.wav"], ["letter.wav"], [], []],
            [
                r"morning\.mp3: \d\.\d\d s, mp3 .*\n",
                rf"letter\.wav: \d\.\d\d s, {WAV}, .*\n",
                rf"letter\.wav: \d\.\d\d s, {WAV}, .*\n",
                r"(b[fm]_.*\ten-gb\t.*\n)+",
                r"af_bella\(2\)\+af_heart\(1\)\n",
            ],
            strict=True,
        )
    ],
)
def test_the_readmes_commands_run(line: str, written: list[str], printed: str) -> None:
    letter = Path("letter.txt")
    letter.write_text("Dear all.", encoding="utf-8")
    result = CliRunner().invoke(app, shlex.split(line)[1:])
    assert result.exit_code == 0, result.stderr
    letter.unlink()
    assert files() == written
    assert re.fullmatch(printed, result.stdout)


def test_every_command_is_in_the_readme() -> None:
    for command in app.registered_commands:
        assert command.callback is not None
        assert f"together-speech {command.callback.__name__}" in README


def test_every_target_of_make_has_a_line_of_help() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):.*$", makefile, re.MULTILINE)
    assert targets == re.findall(r"^([a-z-]+):.* ## .+$", makefile, re.MULTILINE)
