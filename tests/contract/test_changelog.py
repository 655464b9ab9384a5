"""Which entries CHANGELOG.md has gained."""

from __future__ import annotations

import os
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


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True)


def commit(root: Path) -> None:
    git(root, "add", ".")
    git(root, "-c", "user.name=N", "-c", "user.email=e@example", "commit", "--quiet", "-m", "m")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository whose changelog is committed."""
    (tmp_path / "CHANGELOG.md").write_text(OLD, encoding="utf-8")
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
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
    git(root, "rm", "--quiet", "CHANGELOG.md")
    (root / "README.md").touch()
    commit(root)
    assert gained(root, "- one\n") == ["- one"]
    with pytest.raises(ContractError, match="none: cannot be read from git"):
        new_entries("none", root)


def test_a_changelog_that_is_no_text_is_refused(root: Path) -> None:
    """On either side, and so is one that is no file."""
    path = root / "CHANGELOG.md"
    path.write_bytes(OLD.encode("utf-16"))
    with pytest.raises(ContractError, match=r"^/.*/CHANGELOG\.md: not UTF-8: .* byte 0xff"):
        new_entries("HEAD", root)
    commit(root)
    path.unlink()
    with pytest.raises(ContractError, match=r"^HEAD:CHANGELOG\.md: not UTF-8: .* byte 0xff"):
        new_entries("HEAD", root)
    path.mkdir()
    with pytest.raises(ContractError, match=r"CHANGELOG\.md: cannot be read: Is a directory"):
        new_entries("HEAD^", root)


def test_a_name_that_is_no_text_is_no_changelog(root: Path) -> None:
    """Git gives names as they are where it is told to."""
    git(root, "config", "core.quotePath", "false")
    (root / os.fsdecode(b"\xff")).touch()
    commit(root)
    assert gained(root, OLD + "- four\n") == ["- four"]


def test_an_entry_names_what_it_has_whole_in_backticks() -> None:
    """However its lines are broken."""
    entry = Entry("- `A.b(c)` and `POST /x  body` but not d, and `e.f`")
    assert entry.names == {"A.b(c)", "POST /x body", "e.f"}
