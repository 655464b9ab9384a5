"""Comments stay with what they stand above when siblings come and go."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest
from ruamel.yaml.comments import CommentedMap

from contract.comments import append, in_blocks, keep_only, rename, without_comments
from contract.document import dump, load_yaml

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """\
# top
p: # beside p
  # about a
  a: {x: 1} # beside a

  # about b
  b:
    # inside b
    s: |
      text
      # text as well
  # about c

  # more about c
  c:
    - 1 # beside 1
    # about 2
    - 2
  # about d
  d: >-
    x
    y

  # about e
  e: [] # beside e
  # about f
  f: null
# about q
q: 1
# end
"""


def load(text: str, tmp_path: Path) -> CommentedMap:
    path = tmp_path / "text.yaml"
    path.write_text(text, encoding="utf-8")
    document = load_yaml(path)
    assert isinstance(document, CommentedMap)
    return document


def without(*lines: str) -> str:
    """TEXT less the lines, which are given by what they hold."""
    left = TEXT
    for line in lines:
        assert line in left
        left = left.replace(line, "", 1)
    return left


A = "  # about a\n  a: {x: 1} # beside a\n"
B = "\n  # about b\n  b:\n    # inside b\n    s: |\n      text\n      # text as well\n"
C = "  # about c\n\n  # more about c\n  c:\n    - 1 # beside 1\n    # about 2\n    - 2\n"
D = "  # about d\n  d: >-\n    x\n    y\n"
E = "\n  # about e\n  e: [] # beside e\n"
F = "  # about f\n  f: null\n"


@pytest.mark.parametrize(
    ("kept", "cut"),
    [
        ("abcdef", []),
        ("bcdef", [A]),
        ("cdef", [A, B]),
        ("b", [A, C, D, E, F]),
        ("d", [A, B, C, E, F]),
        ("f", [A, B, C, D, E]),
        ("ace", [B, D, F]),
        ("bd", [A, C, E, F]),
        ("af", [B, C, D, E]),
    ],
)
def test_each_child_takes_its_comments_along(tmp_path: Path, kept: str, cut: list[str]) -> None:
    """What is kept stands exactly as it stood, and nothing of the rest is left."""
    document = load(TEXT, tmp_path)
    keep_only(document, "p", set(kept))
    assert dump(document) == without(*cut)


def test_an_item_of_a_list_takes_its_comments_along(tmp_path: Path) -> None:
    """Indexes are of the list as it was."""
    text = "a:\n  # one\n  - 1\n  # two\n  - 2\n  # three\n  - 3\n  # four\n  - 4\nb: 1\n"
    document = load(text, tmp_path)
    keep_only(document, "a", {1, 3})
    assert dump(document) == "a:\n  # two\n  - 2\n  # four\n  - 4\nb: 1\n"


def test_appending_goes_above_what_comes_next(tmp_path: Path) -> None:
    """The comment on the next key stays above that key."""
    document = load(TEXT, tmp_path)
    append(document["p"], "g", CommentedMap(x=1))
    append(document["p"]["c"], 2, 3)
    expected = TEXT.replace("    - 2\n", "    - 2\n    - 3\n")
    assert dump(document) == expected.replace("# about q", "  g:\n    x: 1\n# about q")


def test_a_copy_without_comments_keeps_the_style(tmp_path: Path) -> None:
    """Flow stays flow, blocks stay blocks, quotes stay."""
    text = dedent(
        """\
        a: {x: [1, '2']} # beside
        # about b
        b:
          - >-
            folded
            text
          # about 2
          - |
            literal
        """
    )
    bare = without_comments(load(text, tmp_path))
    assert dump(bare) == "".join(
        line.replace(" # beside", "")
        for line in text.splitlines(keepends=True)
        if not line.lstrip().startswith("#")
    )


def test_a_renamed_key_keeps_its_place_and_its_comments(tmp_path: Path) -> None:
    """And so do its neighbours."""
    document = load(TEXT, tmp_path)
    rename(document["p"], {"b": "bee", "e": "eel", "other": "one"})
    assert dump(document) == TEXT.replace("  b:\n", "  bee:\n").replace("  e: []", "  eel: []")


def test_json_is_written_in_blocks(tmp_path: Path) -> None:
    """So that a change of it is a change of a line; what is empty stays as it is."""
    document = load('{"a": [1, {"b": "x", "c": []}], "d": {"e": {}}}\n', tmp_path)
    in_blocks(document)
    expected = '"a":\n  - 1\n  - "b": "x"\n    "c": []\n"d":\n  "e": {}\n'
    assert dump(document) == expected
