"""Which entries CHANGELOG.md has gained."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from contract.changelog import Entry, new_entries
from contract.document import ContractError

if TYPE_CHECKING:
    from pathlib import Path

OLD = """\
# Changelog

What changes.

## Unreleased

- `one` is
  `two` now.
- `three` goes.
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository whose changelog is committed."""
    (tmp_path / "CHANGELOG.md").write_text(OLD, encoding="utf-8")
    for command in (
        ["git", "init", "--quiet"],
        ["git", "add", "."],
        ["git", "-c", "user.name=N", "-c", "user.email=e@example", "commit", "--quiet", "-m", "m"],
    ):
        subprocess.run(command, cwd=tmp_path, check=True)
    return tmp_path


def gained(root: Path, text: str) -> list[str]:
    (root / "CHANGELOG.md").write_text(text, encoding="utf-8")
    return [entry.text for entry in new_entries("HEAD", root)]


def test_an_entry_is_a_point_or_a_paragraph_with_what_belongs_to_it(root: Path) -> None:
    """Its new lines alone."""
    assert gained(root, OLD) == []
    assert gained(root, OLD + "- four\n  - five\n\n  six\n* seven\n\neight\nnine\n## ten\n") == [
        "- four - five six", "* seven", "eight nine", "## ten",
    ]  # fmt: skip
    assert gained(root, OLD.replace("  `two` now", "  `four` now")) == ["`four` now."]
    assert gained(root, OLD.replace("## Unreleased", "## 1.0")) == ["## 1.0"]


def test_a_line_that_stood_there_before_may_come_again(root: Path) -> None:
    """What goes twice is named twice; the newer entry stands further up."""
    again = OLD.replace("- `one` is", "- `three` goes.\n- `one` is")
    assert gained(root, again) == ["- `three` goes."]


def test_without_a_changelog_there_is_no_entry(root: Path) -> None:
    """On either side; a revision that is not there is an error."""
    (root / "CHANGELOG.md").unlink()
    assert new_entries("HEAD", root) == []
    subprocess.run(["git", "rm", "--quiet", "CHANGELOG.md"], cwd=root, check=True)
    (root / "README.md").touch()
    for command in (
        ["git", "add", "."],
        ["git", "-c", "user.name=N", "-c", "user.email=e@example", "commit", "--quiet", "-m", "m"],
    ):
        subprocess.run(command, cwd=root, check=True)
    assert gained(root, "- one\n") == ["- one"]
    with pytest.raises(ContractError, match="none: cannot be read from git"):
        new_entries("none", root)


def test_an_entry_names_what_it_has_whole_in_backticks() -> None:
    """However its lines are broken."""
    entry = Entry("- `A.b(c)` and `POST /x  body` but not d, and `e.f`")
    assert entry.names == {"A.b(c)", "POST /x body", "e.f"}
