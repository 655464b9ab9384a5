"""The synchronous half of the facade is what its asynchronous half gives."""

import runpy
import sys
from pathlib import Path

import pytest

from contract import unasync
from contract.compose import ROOT

SOURCE = '''"""Reads."""

from collections.abc import AsyncIterator, Awaitable, Callable

from facade._transport.waiting_async import sleep


class AsyncReader:
    """Use it in an `async with` block, or close it."""

    async def __aenter__(self) -> "AsyncReader":
        return self

    async def read(self, source: AsyncIterator[bytes]) -> bytes:
        async with self:
            async for piece in source:
                await sleep(0)
                return piece
        return await anext(source)

    async def aclose(self, then: Callable[[], Awaitable[None]]) -> None:
        await then()
'''

MADE = '''# Made from facade/_async/reader.py by `make generate`; edit that one.
"""Reads."""

from collections.abc import Callable, Iterator

from facade._transport.waiting_sync import sleep


class Reader:
    """Use it in a `with` block, or close it."""

    def __enter__(self) -> "Reader":
        return self

    def read(self, source: Iterator[bytes]) -> bytes:
        with self:
            for piece in source:
                sleep(0)
                return piece
        return next(source)

    def close(self, then: Callable[[], None]) -> None:
        then()
'''


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with one asynchronous module."""
    folder = tmp_path / "facade" / "_async"
    folder.mkdir(parents=True)
    (folder / "reader.py").write_text(SOURCE, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\nline-length = 100\n", encoding="utf-8")
    return tmp_path


def test_what_is_made(checkout: Path) -> None:
    assert unasync.main([], root=checkout) == 0
    made = checkout / "facade" / "_sync" / "reader.py"
    assert made.read_text(encoding="utf-8") == MADE
    assert unasync.main(["--check"], root=checkout) == 0


def test_an_edit_of_what_is_made_is_drift(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unasync.main([], root=checkout)
    made = checkout / "facade" / "_sync" / "reader.py"
    made.write_text(MADE + "# mine\n", encoding="utf-8")
    (made.parent / "old.py").write_text("", encoding="utf-8")
    assert unasync.main(["--check"], root=checkout) == 1
    told = capsys.readouterr().out
    assert "facade/_sync: changed: reader.py" in told
    assert "facade/_sync: added: old.py" in told
    assert "run `make generate`" in told
    assert made.read_text(encoding="utf-8").endswith("# mine\n")
    assert unasync.main([], root=checkout) == 0
    assert [file.name for file in made.parent.iterdir()] == ["reader.py"]


def test_what_cannot_be_read_ends_in_a_line(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / "facade" / "_async" / "reader.py").write_text("async def (", encoding="utf-8")
    assert unasync.main([], root=checkout) == 2
    assert "contract.unasync: ruff failed" in capsys.readouterr().err


def test_it_is_a_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["contract.unasync", "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "contract" / "unasync.py"), run_name="__main__")
    assert ended.value.code == 0
    assert "--check" in capsys.readouterr().out


def test_our_own_is_up_to_date() -> None:
    assert unasync.main(["--check"]) == 0
