"""A picture and a table of the parts of the project, made from what their modules import."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from itertools import product
from pathlib import Path

from docs_tools.blocks import ROOT


@dataclass(frozen=True)
class Part:
    """A box of the picture.

    Attributes:
        name: Its heading.
        modules: Modules, or packages with all that is below them.
        purpose: What it does, in some words.
        column: Where it stands, from the left, counted from 0.
        row: Where it stands, from the top, counted from 0.
        columns: How many columns it takes.
    """

    name: str
    modules: tuple[str, ...]
    purpose: str
    column: int
    row: int
    columns: int = 1


PARTS = (
    Part(
        "command line",
        ("facade.cli", "facade._cli", "facade.__main__"),
        "together-speech",
        *(1, 0),
    ),
    Part("worker", ("facade.worker",), "speaks for an executor", 2, 0),
    Part("facade", ("facade.__init__",), "what applications import", 1, 1, 2),
    Part(
        "_async/ and _sync/",
        ("facade._async", "facade._sync"),
        "the two clients; one is made from the other",
        *(1, 2, 2),
    ),
    Part("_book/", ("facade._book",), "reads, splits and joins long texts", 3, 2),
    Part("_transport/", ("facade._transport",), "connections and time", 1, 3),
    Part(
        "audio, batch, books",
        (
            "facade.audio",
            "facade.batch",
            "facade.books",
            "facade.narration",
            "facade._jobs",
            "facade._lock",
        ),
        "results and requests",
        *(2, 3),
    ),
    Part("_generated_client", ("facade._generated_client",), "one door to it", 3, 3),
    Part("_rules/", ("facade._rules",), "all that needs no input or output", 1, 4, 2),
    Part(
        "errors, formats, voices",
        (
            "facade.errors",
            "facade.formats",
            "facade.voices",
            "facade._extras",
            "facade._version",
        ),
        "the values that everybody knows",
        *(1, 5, 2),
    ),
    Part(
        "HTTP libraries",
        ("httpx", "httpcore", "anyio", "websockets"),
        "of other people",
        *(0, 3),
    ),
    Part("together_openapi", ("together_openapi",), "made from the contract", 3, 4),
    Part("together_emulator", ("together_emulator",), "imports nothing of the rest", 0, 5),
)

_WIDTH, _HEIGHT, _GAP, _RISE = 190, 56, 22, 44


def architecture() -> str:
    """Write the picture, and below it a table with the same."""
    arrows = reduced(part_imports())
    # The Markdown of the page has the table alone.
    return f"````{{only}} html\n{_picture(arrows)}\n````\n\n{_table(arrows)}"


def part_imports(root: Path = ROOT) -> set[tuple[str, str]]:
    """Return which part imports which other one, by their names.

    Raises:
        LookupError: A module belongs to no part.
    """
    found = set()
    for package in ("facade", "together_emulator"):
        for path in sorted((root / package).rglob("*.py")):
            module = ".".join(path.relative_to(root).with_suffix("").parts)
            part = part_of(module)
            if part is None:
                raise LookupError(f"{module} belongs to no part of docs_tools/architecture.py")
            for name in imported(path.read_text(encoding="utf-8")):
                other = part_of(name)
                if other not in (None, part):
                    found.add((part, other))
    return found


def part_of(module: str) -> str | None:
    """Return the name of the part that a module belongs to."""
    for part in PARTS:
        if any(f"{module}.".startswith(f"{known}.") for known in part.modules):
            return part.name
    return None


def reduced(arrows: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Leave out the arrows that follow from others.

    Raises:
        ValueError: The arrows go round.
    """
    names = {name for arrow in arrows for name in arrow}
    reach = set(arrows)
    for middle, start, end in product(names, names, names):
        if (start, middle) in reach and (middle, end) in reach:
            reach.add((start, end))
    if around := {start for start, end in reach if start == end}:
        raise ValueError(f"imports go round: {', '.join(sorted(around))}")
    return {
        (start, end)
        for start, end in arrows
        if not any((start, middle) in reach and (middle, end) in reach for middle in names)
    }


def imported(source: str) -> Iterator[str]:
    """Give the modules that a source imports, or names in them."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # The package's own names are where applications find them.
            base = "facade.__init__" if node.module == "facade" else node.module
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _picture(arrows: set[tuple[str, str]]) -> str:
    width = 4 * _WIDTH + 3 * _GAP + 2
    height = 6 * _HEIGHT + 5 * _RISE + 2
    lines = [_arrow(start, end) for start, end in sorted(arrows)]
    boxes = [_box(part) for part in PARTS]
    return "\n".join(
        [
            '<div class="diagram" tabindex="0" role="region" aria-label="Parts of the project">',
            f'<svg viewBox="-1 -1 {width} {height}" role="img" xmlns="http://www.w3.org/2000/svg">',
            "<title>The parts of the project; an arrow says what imports what</title>",
            '<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
            'markerHeight="7" orient="auto"><path d="M0,0 L8,4 L0,8 z"/></marker></defs>',
            *lines,
            *boxes,
            "</svg></div>",
        ]
    )


def _place(part: Part) -> tuple[int, int, int]:
    """The left edge, the upper edge and the width of a box."""
    x = part.column * (_WIDTH + _GAP)
    y = part.row * (_HEIGHT + _RISE)
    return x, y, part.columns * _WIDTH + (part.columns - 1) * _GAP


def _box(part: Part) -> str:
    x, y, width = _place(part)
    kind = "part" if part.modules[0].startswith("facade") else "other"
    middle = x + width // 2
    return (
        f'<g class="{kind}" data-part="{escape(part.name)}">'
        f'<rect x="{x}" y="{y}" width="{width}" height="{_HEIGHT}" rx="6"/>'
        f'<text class="name" x="{middle}" y="{y + 23}">{escape(part.name)}</text>'
        f'<text x="{middle}" y="{y + 42}">{escape(part.purpose)}</text></g>'
    )


def _arrow(start: str, end: str) -> str:
    above, below = (next(part for part in PARTS if part.name == name) for name in (start, end))
    (x, y, width), (to_x, to_y, to_width) = _place(above), _place(below)
    if y == to_y:
        x, to_x = (x, to_x + to_width) if to_x < x else (x + width, to_x)
        line = f"M{x},{y + _HEIGHT // 2} H{to_x}"
    else:
        # Straight down where one stands above the other, else from its middle to the nearest end.
        left, right = max(x, to_x), min(x + width, to_x + to_width)
        start_x = (left + right) // 2 if left < right else x + width // 2
        end_x = start_x if left < right else min(max(start_x, to_x + 20), to_x + to_width - 20)
        line = f"M{start_x},{y + _HEIGHT} L{end_x},{to_y}"
    return (
        f'<path class="arrow" d="{line}" marker-end="url(#head)" '
        f'data-from="{escape(start)}" data-to="{escape(end)}"/>'
    )


def _table(arrows: set[tuple[str, str]]) -> str:
    rows = ["| part | what it is | uses |", "|---|---|---|"]
    for part in PARTS:
        uses = ", ".join(sorted(end for start, end in arrows if start == part.name))
        rows.append(f"| **{part.name}** | {part.purpose} | {uses} |")
    return "\n".join(rows)
