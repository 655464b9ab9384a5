"""The picture of the parts says what the imports say."""

import re
from itertools import product
from pathlib import Path

import pytest

from docs_tools.architecture import PARTS, architecture, part_imports, part_of, reduced
from docs_tools.blocks import ROOT
from tests.test_layering import imported


def drawn() -> set[tuple[str, str]]:
    return set(re.findall(r'data-from="([^"]+)" data-to="([^"]+)"', architecture()))


def test_every_module_is_in_one_part() -> None:
    for package in ("facade", "together_emulator"):
        for path in (ROOT / package).rglob("*.py"):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            owners = [
                part.name
                for part in PARTS
                if any(f"{module}.".startswith(f"{known}.") for known in part.modules)
            ]
            assert owners == [part_of(module)], module


def test_who_imports_what_is_what_can_be_reached_in_the_picture() -> None:
    names = [part.name for part in PARTS]
    reach = drawn()
    for middle, start, end in product(names, repeat=3):
        if (start, middle) in reach and (middle, end) in reach:
            reach.add((start, end))
    found = set()
    for path in (ROOT / "facade").rglob("*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for name in imported(path.read_text(encoding="utf-8")):
            top = "facade" if name.count(".") == 1 and name.startswith("facade.") else None
            found.add((part_of(module), part_of(name) or top))
    found = {(start, end) for start, end in found if end is not None and start != end}
    assert found <= reach
    # Nothing is drawn that no module does.
    assert drawn() <= part_imports() == found | {("together_emulator", "HTTP libraries")}


def test_every_arrow_leads_down_or_to_the_side() -> None:
    row = {part.name: part.row for part in PARTS}
    inside = {(start, end) for start, end in drawn() if start != "together_emulator"}
    assert all(row[start] <= row[end] for start, end in inside)


def test_what_follows_from_others_is_left_out() -> None:
    assert reduced({("a", "b"), ("b", "c"), ("a", "c")}) == {("a", "b"), ("b", "c")}
    with pytest.raises(ValueError, match="a, b"):
        reduced({("a", "b"), ("b", "a")})


def test_a_module_without_a_part_is_told(tmp_path: Path) -> None:
    (tmp_path / "facade").mkdir()
    (tmp_path / "facade" / "new.py").write_text("import httpx\n", encoding="utf-8")
    (tmp_path / "together_emulator").mkdir()
    with pytest.raises(LookupError, match=r"facade\.new belongs to no part"):
        part_imports(tmp_path)
