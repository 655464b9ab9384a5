"""What breaks in the public face of `facade`, on small packages in repositories of their own."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from contract import api_diff
from contract.compose import ROOT
from contract.face import breakages

if TYPE_CHECKING:
    from pathlib import Path

INIT = """\
from facade._client import Client
from facade.errors import SpeechError

__all__ = ["Client", "SpeechError"]
"""
CLIENT = """\
class _Shell:
    def close(self) -> None: ...


class Client(_Shell):
    def speak(self, text: str, *, language: str | None = None) -> bytes: ...

    def _send(self, text: str) -> bytes: ...


class Hidden:
    def speak(self) -> None: ...
"""
ERRORS = """\
class SpeechError(Exception):
    message: str = ""


def helper(text: str) -> str: ...
"""


def write(root: Path, **modules: str) -> None:
    for name, text in {"__init__": INIT, "_client": CLIENT, "errors": ERRORS, **modules}.items():
        (root / "facade").mkdir(exist_ok=True)
        (root / "facade" / f"{name}.py").write_text(text, encoding="utf-8")


def commit(root: Path) -> None:
    for command in (
        ["git", "init", "--quiet"],
        ["git", "add", "."],
        ["git", "-c", "user.name=N", "-c", "user.email=e@example", "commit", "--quiet", "-m", "m"],
    ):
        subprocess.run(command, cwd=root, check=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A package and a changelog, committed."""
    write(tmp_path)
    log = "# Changelog\n\n- First: `Client.speak` and its `language`.\n"
    (tmp_path / "CHANGELOG.md").write_text(log, encoding="utf-8")
    commit(tmp_path)
    return tmp_path


def run(root: Path, capsys: pytest.CaptureFixture[str], base: str = "HEAD") -> tuple[int, str]:
    status = api_diff.main([base], root=root)
    said = capsys.readouterr()
    return status, said.out + said.err


def test_nothing_breaks_when_nothing_changed(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Or when something came in addition."""
    assert run(repository, capsys) == (0, "nothing breaks\n")
    more = CLIENT.replace("    def _send", "    def more(self) -> None: ...\n\n    def _send")
    write(repository, _client=more.replace("text: str, *,", "text: str, *, speed: float = 1,"))
    assert run(repository, capsys) == (0, "nothing breaks\n")


@pytest.mark.parametrize(
    ("module", "old", "new", "told"),
    [
        (
            "_client",
            ", *, language: str | None = None",
            "",
            "Client.speak(language): Parameter was ",
        ),
        (
            "_client",
            "str | None = None",
            "str",
            "Client.speak(language): Parameter is now required",
        ),
        (
            "_client",
            "text: str, *,",
            "text: str, *, a: int,",
            "Client.speak(a): Parameter was added",
        ),
        (
            "_client",
            "def speak(self, text",
            "def say(self, text",
            "Client.speak: Public object was ",
        ),
        ("errors", "message", "text", "SpeechError.message: Public object was removed"),
        ("__init__", ', "SpeechError"]', "]", "SpeechError: Public object was removed"),
        ("_client", "class Client(_Shell)", "class Client", "Client: Base class was removed"),
    ],
)
def test_what_breaks_must_stand_in_the_changelog(
    repository: Path,
    capsys: pytest.CaptureFixture[str],
    module: str,
    old: str,
    new: str,
    told: str,
) -> None:
    """By its name and that of the parameter, in lines that are new since then."""
    text = {"__init__": INIT, "_client": CLIENT, "errors": ERRORS}[module]
    assert old in text
    write(repository, **{module: text.replace(old, new, 1)})
    status, said = run(repository, capsys)
    assert status == 1
    assert said.startswith(f"facade.{told}")
    assert "(CHANGELOG.md does not name it)" in said
    name = told.partition(":")[0]
    with (repository / "CHANGELOG.md").open("a", encoding="utf-8") as log:
        log.write(f"- {name} breaks, and Client.close\n")
    assert run(repository, capsys) == (1, said)
    with (repository / "CHANGELOG.md").open("a", encoding="utf-8") as log:
        log.write(f"- `{name}` breaks, and `Client.close`\n")
    status, said = run(repository, capsys)
    assert status == 0
    assert "CHANGELOG" not in said


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("Client(key)", 0),
        ("facade.Client(key)", 0),
        ("Client.__init__(key)", 0),
        ("facade.Client.__init__(key)", 0),
        ("Client", 1),
        ("Client.key", 1),
        ("key", 1),
    ],
)
def test_a_parameter_of_a_constructor_may_be_named_as_it_is_written(
    repository: Path, capsys: pytest.CaptureFixture[str], name: str, status: int
) -> None:
    """Or as Python has it, with the package or without; nothing less."""
    constructor = "    def __init__(self, key: str) -> None: ...\n\n    def speak"
    write(repository, _client=CLIENT.replace("    def speak", constructor, 1))
    told = "facade.Client(key): Parameter was added as required"
    assert run(repository, capsys) == (1, f"{told} (CHANGELOG.md does not name it)\n")
    with (repository / "CHANGELOG.md").open("a", encoding="utf-8") as log:
        log.write(f"- `{name}` must be given\n")
    assert run(repository, capsys)[0] == status


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("_client", "def _send(self, text: str)", "def _send(self)"),
        ("_client", "class Hidden", "class Gone"),
        ("errors", "def helper(text: str)", "def helper()"),
    ],
)
def test_what_is_not_public_may_change(
    repository: Path, capsys: pytest.CaptureFixture[str], module: str, old: str, new: str
) -> None:
    """Whatever module it is in."""
    text = {"_client": CLIENT, "errors": ERRORS}[module]
    assert old in text
    write(repository, **{module: text.replace(old, new)})
    assert run(repository, capsys) == (0, "nothing breaks\n")


def test_a_base_without_the_package_has_nothing_to_break(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the first version's; and one without a changelog has no line of it."""
    (tmp_path / "README.md").touch()
    commit(tmp_path)
    write(tmp_path)
    assert run(tmp_path, capsys) == (0, "HEAD has no facade, so nothing can break\n")
    commit(tmp_path)
    write(tmp_path, _client=CLIENT.replace("def speak(self, text", "def say(self, text"))
    (tmp_path / "CHANGELOG.md").write_text("`Client.speak` is `say`", encoding="utf-8")
    assert run(tmp_path, capsys)[0] == 0


def test_a_name_that_is_no_text_is_no_package(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Git gives names as they are where it is told to."""
    subprocess.run(["git", "config", "core.quotePath", "false"], cwd=repository, check=True)
    (repository / os.fsdecode(b"\xff")).touch()
    commit(repository)
    assert run(repository, capsys) == (0, "nothing breaks\n")


def test_a_changelog_that_is_no_text_is_told(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With status 2."""
    (repository / "CHANGELOG.md").write_bytes(b"\xff")
    status, said = run(repository, capsys)
    assert status == 2
    assert said.startswith(f"contract.api_diff: {repository}/CHANGELOG.md: not UTF-8: ")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("module", "text", "told"),
    [
        ("__init__.py", f"{INIT}def (\n".encode(), "facade/__init__.py:5: invalid syntax"),
        ("_client.py", f"{CLIENT}\n\ndef (".encode(), "facade/_client.py:15: invalid syntax"),
        ("_client.pyi", b"def (", "facade/_client.pyi:1: invalid syntax"),
        ("_a/b.py", b"x = 1\ny = '", "facade/_a/b.py:2: unterminated string literal"),
        ("errors.py", b"\xff", "facade/errors.py: cannot be parsed: UnicodeDecodeError: 'utf-8'"),
        ("errors.py", b"x = " + b"-" * 100_000 + b"1", "facade/errors.py: cannot be parsed: "),
    ],
)
def test_a_module_that_cannot_be_read_is_told(
    repository: Path, capsys: pytest.CaptureFixture[str], module: str, text: bytes, told: str
) -> None:
    """By its file and line, whichever it is and on either side; nothing is taken to be gone."""
    path = repository / "facade" / module
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text)
    status, said = run(repository, capsys)
    assert status == 2
    assert said.startswith(f"contract.api_diff: the new package: {told}")
    assert len(said.splitlines()) == 1
    commit(repository)
    path.unlink()
    status, said = run(repository, capsys)
    assert status == 2
    assert said.startswith(f"contract.api_diff: the old package: {told}")
    assert len(said.splitlines()) == 1


def test_a_package_that_is_gone_or_names_what_is_not_there_is_told(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With status 2."""
    write(repository, __init__=INIT.replace('"SpeechError"]', '"SpeechError", "gone"]'))
    told = "contract.api_diff: the new package: `__all__` names 'gone', which is not there\n"
    assert run(repository, capsys) == (2, told)
    shutil.rmtree(repository / "facade")
    told = "contract.api_diff: the new package cannot be loaded: facade\n"
    assert run(repository, capsys) == (2, told)


def test_a_base_that_is_not_there_is_told(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With status 2."""
    status, said = run(repository, capsys, "origin/none")
    assert status == 2
    assert said.startswith("contract.api_diff: origin/none: cannot be read from git: fatal:")


def test_the_facade_against_itself() -> None:
    """The real one can be read, and its public names are found."""
    assert breakages(ROOT, ROOT) == []


def test_a_method_less_of_the_facade_is_seen(tmp_path: Path) -> None:
    """Of the real one, by its public name."""
    shutil.copytree(ROOT / "facade", tmp_path / "facade")
    path = tmp_path / "facade" / "_sync" / "client.py"
    text = path.read_text(encoding="utf-8")
    assert "    def list_voices(" in text
    path.write_text(text.replace("    def list_voices(", "    def voices("), encoding="utf-8")
    (found,) = breakages(ROOT, tmp_path)
    assert str(found) == "facade.SpeechClient.list_voices: Public object was removed"


def test_the_exit_status_is_the_command_s(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`python -m contract.api_diff` ends with what `main` returns."""
    monkeypatch.setattr(sys, "argv", ["contract.api_diff", "no-such-revision"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "contract" / "api_diff.py"), run_name="__main__")
    assert ended.value.code == 2
    assert "no-such-revision" in capsys.readouterr().err
