"""What CHANGELOG.md of a working tree has gained since a revision, entry by entry."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from contract.document import ContractError, read_file
from contract.sources import git

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "CHANGELOG.md"
CONTRACT = "**contract**"
"""Marks an entry about a change of the contract that breaks applications."""


class Entry(NamedTuple):
    """A point of a list or a paragraph, as far as its lines are new."""

    text: str

    @property
    def names(self) -> frozenset[str]:
        """What stands in backticks."""
        return frozenset(" ".join(said.split()) for said in _CODE.findall(self.text))


def new_entries(base: str, root: Path) -> list[Entry]:
    """The entries with lines that a revision does not have yet, those lines alone.

    Raises:
        ContractError: git does not know the revision, or either changelog is no text.
    """
    listed = git("ls-tree", "--name-only", "--full-tree", base, cwd=root).splitlines()
    name, path = f"{base}:{NAME}", root / NAME
    old = _lines(git("cat-file", "blob", name, cwd=root), name) if NAME.encode() in listed else []
    new = _lines(read_file(path), str(path)) if path.exists() else []
    return [Entry(text) for text in _entries(old, new)]


_CODE = re.compile(r"`([^`]+)`")


def _lines(content: bytes, name: str) -> list[str]:
    try:
        return content.decode().splitlines()
    except UnicodeDecodeError as error:
        raise ContractError(f"{name}: not UTF-8: {error}") from error


def _entries(old: list[str], new: list[str]) -> Iterator[str]:
    # A line that was there already may stand once more, further up: the newest come first.
    more = Counter(new) - Counter(old)
    added: list[str] = []
    is_after_gap = True
    for line in [*new, "#"]:
        if line.startswith(("- ", "* ", "#")) or (is_after_gap and not line.startswith(" ")):
            if added:
                yield " ".join(added)
            added = []
        is_after_gap = not line.strip()
        if more[line] and not is_after_gap:
            more[line] -= 1
            added.append(line.strip())
