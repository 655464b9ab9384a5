"""Pictures of the tables in `docs/guides/performance.md`.

`python -m benchmarks.plots` redraws them. They are drawn from the tables themselves, so that no
picture says something else.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

PAGE = Path("docs", "guides", "performance.md")
FOLDER = "plots"

PLOTTED = {
    "Import and build a client, fresh process": "import",
    "A call of 4 KB, sync, CPU": "small-call",
    "50 calls of 4 KB under way, async, answers at once": "many-calls",
    "First byte of the answer on the wire to first audio at the caller": "first-audio",
    "A stream with events of 4 KB: audio per CPU second": "stream",
    "100 MB of audio: peak memory above an idle client": "memory",
    "A second of realtime audio, in events of 100 ms that come at once: CPU": "realtime",
    "Goodput under a limit that moves from 20 to 60 to 10 calls a second, each for 15 s": "goodput",
}
"""The tables that have a picture, by their headings, each with its picture's name."""

_NAME_WIDTH = 190
_BAR_WIDTH = 330
_ROW_HEIGHT = 28
_TOP = 44

_FIGURE = re.compile(r"([\d.,]+) \(([\d.,]+) … ([\d.,]+)\)")

# By the reader's own choice of light and dark, since a page cannot style what is in a picture.
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; }
.page { fill: #ffffff; stroke: #d0d7de; }
.peer { fill: #a8b3bf; }
.ours { fill: #0b7285; }
.spread { stroke: #1f2328; stroke-width: 1.5; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .page { fill: #161b22; stroke: #30363d; }
  .peer { fill: #57606a; }
  .ours { fill: #3bc9db; }
  .spread { stroke: #e6edf3; }
}
"""


@dataclass(frozen=True)
class Row:
    """A contender: its median, and the quartiles around it."""

    name: str
    median: float
    low: float
    high: float


def plots(page: str) -> dict[str, str]:
    """Draw the pictures of a page.

    Args:
        page: Its Markdown.

    Returns:
        The SVG of each picture, by its file's name.
    """
    sections = re.findall(r"^### (.+)\n\n((?:\|.*\n)+)", page, re.MULTILINE)
    return {
        f"{PLOTTED[title]}.svg": _draw(title, *_read(table))
        for title, table in sections
        if title in PLOTTED
    }


def write_plots(page: Path) -> None:
    """Draw the pictures of `page` into the folder beside it."""
    folder = page.parent / FOLDER
    folder.mkdir(exist_ok=True)
    for name, picture in plots(page.read_text(encoding="utf-8")).items():
        (folder / name).write_text(picture, encoding="utf-8")


def _read(table: str) -> tuple[str, list[Row]]:
    """Return a table's unit and rows."""
    head, _, *lines = (
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()
    )
    rows = []
    for name, figure, *_ in lines:
        found = _FIGURE.fullmatch(figure)
        # What the server alone does is no contender.
        if found and not name.startswith("("):
            rows.append(Row(name, *(float(number.replace(",", "")) for number in found.groups())))
    return head[1], rows


def _draw(title: str, unit: str, rows: Sequence[Row]) -> str:
    longest = max(row.high for row in rows)
    width = _NAME_WIDTH + _BAR_WIDTH + 90
    height = _TOP + _ROW_HEIGHT * len(rows) + 12
    better = "more is better" if unit.endswith("/s") or unit == "share" else "less is better"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<rect class="page" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>',
        f'<text class="title" x="14" y="27">{escape(unit)}; {better}</text>',
    ]
    for number, row in enumerate(rows):
        y = _TOP + _ROW_HEIGHT * number
        low, bar, high = (
            _NAME_WIDTH + _BAR_WIDTH * figure / longest
            for figure in (row.low, row.median, row.high)
        )
        kind = "ours" if row.name.startswith("facade") else "peer"
        lines += [
            f'<text x="{_NAME_WIDTH - 10}" y="{y + 15}" text-anchor="end">{escape(row.name)}'
            "</text>",
            f'<rect class="{kind}" x="{_NAME_WIDTH}" y="{y}" height="20" rx="2" '
            f'width="{max(bar - _NAME_WIDTH, 1):.1f}"/>',
            f'<path class="spread" d="M{low:.1f},{y + 10} H{high:.1f}"/>',
            f'<text x="{high + 8:.1f}" y="{y + 15}">{row.median:,g}</text>',
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"


if __name__ == "__main__":
    write_plots(PAGE)
