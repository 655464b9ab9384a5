"""Pictures of what a model honours, and of which time limit runs when."""

from collections.abc import Iterator
from dataclasses import fields
from html import escape

from facade import RetryPolicy, Timeouts
from facade._rules.catalogue import FORMATS, Model, models

_NAME_WIDTH = 200
_CELL_WIDTH = 150
_ROW_HEIGHT = 66


def formats() -> str:
    """Draw which options each model honours, by the catalogue."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for model in models().values():
        groups.setdefault(tuple(_cells(model)), []).append(model.id)
    columns = ("response_format", "response_encoding", "sample_rate", "bit_rate")
    lines = [
        f'<text class="name" x="{_center(column)}" y="18">{name}</text>'
        for column, name in enumerate(columns)
    ]
    y = 32
    for cells, names in groups.items():
        height = max(_ROW_HEIGHT, 16 * len(names) + 16)
        lines += _lines(names, _NAME_WIDTH // 2, y + height // 2)
        for column, cell in enumerate(cells):
            kind, _, text = cell.partition(":")
            lines += [
                f'<g class="{kind}"><rect x="{_NAME_WIDTH + column * _CELL_WIDTH}" y="{y}" '
                f'width="{_CELL_WIDTH - 6}" height="{height - 6}" rx="6"/>',
                *_lines(text.split("\n"), _center(column), y + height // 2 - 3),
                "</g>",
            ]
        y += height
    width = _NAME_WIDTH + len(columns) * _CELL_WIDTH
    return _picture("Which options each model honours", lines, width, y)


def _center(column: int) -> int:
    return _NAME_WIDTH + column * _CELL_WIDTH + _CELL_WIDTH // 2 - 3


def _cells(model: Model) -> Iterator[str]:
    """What a model makes of each option: `part` where it is honoured, `other` where it is not."""
    extra = [name for name in model.formats if name not in FORMATS]
    yield (
        "part:"
        + ", ".join(FORMATS[:2])
        + ",\n"
        + ", ".join(FORMATS[2:])
        + (",\n" + ", ".join(extra) if extra else "")
    )
    fixed = {
        "response_encoding": model.encoding,
        "sample_rate": f"{model.sample_rate_hz} Hz" if model.sample_rate_hz else None,
        "bit_rate": None,
    }
    for option, only in fixed.items():
        if model.honours is None:
            yield "other:not documented,\npassed on"
        elif option in model.honours:
            yield "part:honoured"
        else:
            yield f"other:always\n{only}" if only else "other:ignored"


def time_limits() -> str:
    """Draw a stream whose first attempt fails, and what each limit counts of it."""
    defaults = {field.name: getattr(Timeouts(), field.name) for field in fields(Timeouts)}
    budget_s = RetryPolicy().budget_s
    phases = (
        ("connect", 0, 70),
        ("wait", 70, 170),
        ("503", 170, 210),
        ("back-off", 210, 300),
        ("wait", 300, 420),
        ("audio", 420, 470),
        ("wait", 470, 540),
        ("audio", 540, 590),
    )
    spans = {
        "connect_s": [(0, 70)],
        "read_s": [(70, 170), (300, 420), (470, 540)],
        "first_audio_s": [(70, 170), (300, 420)],
        "total_s": [(0, 420), (470, 540)],
    }
    lines = []
    for name, start, end in phases:
        x, width = 130 + start, end - start
        kind = "part" if name == "audio" else "other"
        lines.append(
            f'<g class="{kind}"><rect x="{x}" y="0" width="{width - 2}" height="34" rx="4"/>'
            f'<text x="{x + width // 2 - 1}" y="21">{name}</text></g>'
        )
    y = 66
    for name, parts in (*spans.items(), ("budget_s", [(0, 300)])):
        limit = defaults.get(name, budget_s)
        lines.append(f'<text class="name" x="62" y="{y + 5}">{name}</text>')
        lines += [
            f'<path class="limit" d="M{130 + start},{y} H{130 + end - 3}"/>' for start, end in parts
        ]
        lines.append(f'<text x="765" y="{y + 5}">{limit:g} s</text>')
        y += 34
    return _picture("Which time limit runs when", lines, 800, y - 10)


def _lines(texts: list[str], x: int, middle: int) -> list[str]:
    top = middle - 8 * (len(texts) - 1) + 4
    return [
        f'<text x="{x}" y="{top + 16 * number}">{escape(text)}</text>'
        for number, text in enumerate(texts)
    ]


def _picture(title: str, lines: list[str], width: int, height: int) -> str:
    return "\n".join(
        [
            f'<div class="diagram" tabindex="0" role="region" aria-label="{title}">',
            f'<svg viewBox="-1 -1 {width + 2} {height + 2}" role="img" '
            'xmlns="http://www.w3.org/2000/svg">',
            f"<title>{title}</title>",
            *lines,
            "</svg></div>",
        ]
    )
