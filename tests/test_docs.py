"""What the documents show is run, so that it stays true."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from facade.cli import app
from tests.emulator.conftest import emulator_process

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def snippets(language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert found
    return found


@pytest.fixture
def _service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> object:
    with emulator_process() as (url, _):
        monkeypatch.setenv("TOGETHER_API_KEY", "any")
        monkeypatch.setenv("TOGETHER_BASE_URL", url)
        monkeypatch.chdir(tmp_path)
        yield


@pytest.mark.usefixtures("_service")
@pytest.mark.parametrize(
    "snippet", [snippet for snippet in snippets("python") if "def test_" not in snippet]
)
def test_the_readmes_programs_run(snippet: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(snippet, "README.md", "exec"), {"__name__": "readme"})  # noqa: S102 - our own
    assert Path("hello.wav").exists() or "seconds" in capsys.readouterr().out


@pytest.mark.usefixtures("_service")
@pytest.mark.parametrize(
    "line",
    [
        line
        for snippet in snippets("sh")
        for line in snippet.splitlines()
        if line.startswith("together-speech ")
    ],
)
def test_the_readmes_commands_run(line: str) -> None:
    Path("letter.txt").write_text("Dear all.", encoding="utf-8")
    result = CliRunner().invoke(app, shlex.split(line)[1:])
    assert result.exit_code == 0, result.stderr


def test_every_command_is_in_the_readme() -> None:
    for command in app.registered_commands:
        assert command.callback is not None
        assert f"together-speech {command.callback.__name__}" in README


def test_every_target_of_make_has_a_line_of_help() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):.*$", makefile, re.MULTILINE)
    assert targets == re.findall(r"^([a-z-]+):.* ## .+$", makefile, re.MULTILINE)
