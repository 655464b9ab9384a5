"""What CHANGELOG.md of a working tree has gained since a revision, entry by entry."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

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
        ContractError: git does not know the revision.
    """
    listed = git("ls-tree", "--name-only", "--full-tree", base, cwd=root).decode().splitlines()
    old = git("cat-file", "blob", f"{base}:{NAME}", cwd=root).decode() if NAME in listed else ""
    path = root / NAME
    new = path.read_text(encoding="utf-8") if path.exists() else ""
    return [Entry(text) for text in _entries(old.splitlines(), new.splitlines())]


_CODE = re.compile(r"`([^`]+)`")


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
