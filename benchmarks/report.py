"""Tables of what was measured, for the terminal and for `docs/guides/performance.md`."""

import os
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from typing import TypeAlias

from benchmarks.cases import Bound, Case

# For each contender what every round has given.
Results: TypeAlias = dict[str, list[dict[str, float]]]

_BEGIN = "<!-- From here on `make bench` writes this page. -->\n"
_BUSY = "server busy"
_SCALES = {"µs": 1e6, "ms": 1e3, "share": 1, "KB": 1 / 1024, "MB": 1 / 1024 / 1024}
_PACKAGES = (
    "httpx",
    "httpcore",
    "h11",
    "msgspec",
    "together",
    "openai",
    "httpx-aiohttp",
    "aiohttp",
    "websockets",
)


@dataclass(frozen=True)
class Spread:
    """The median of some figures and the quartiles around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> "Spread":
        if len(figures) == 1:
            return cls(figures[0], figures[0], figures[0])
        low, _, high = quantiles(figures, n=4, method="inclusive")
        return cls(median(figures), low, high)

    def __str__(self) -> str:
        return f"{_figure(self.median)} ({_figure(self.low)} … {_figure(self.high)})"


@dataclass(frozen=True)
class Outcome:
    """What has come of a bound."""

    measured: Spread
    is_met: bool


def bound_of(case: Case, bound: Bound, results: Results) -> Outcome:
    """Hold `bound` against the median of its figure, taken round by round."""
    figure = bound.figure or case.figure
    subject = [_shown(case, figure, figures[figure]) for figures in results[bound.subject]]
    if bound.reference:
        reference = [_shown(case, figure, figures[figure]) for figures in results[bound.reference]]
        # Of one round, so that a busy moment of the machine weighs on both.
        subject = [ours / theirs for ours, theirs in zip(subject, reference, strict=True)]
    measured = Spread.of(subject)
    decisive = subject if bound.is_of_each else [measured.median]
    return Outcome(measured, all(map(bound.is_met_by, decisive)))


def as_text(case: Case, results: Results) -> str:
    """Return a table for the terminal."""
    rows = _rows(case, results)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"{case.title}  [{case.name}]"]
    lines += [
        "  "
        + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    for bound in case.bounds:
        outcome = bound_of(case, bound, results)
        verdict = "met   " if outcome.is_met else "MISSED"
        lines.append(f"  {verdict} {bound.subject}: {bound.text}: {outcome.measured}")
    return "\n".join(lines) + "\n"


def setting() -> str:
    """Return what a run was made with: the day, the machine, the versions."""
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {_machine()}.\n"
        + ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
        + "."
    )


def as_markdown(done: Sequence[tuple[Case, Results]], setting: str) -> str:
    """Return the part of the page that a run makes."""
    parts = [
        "## The last run\n",
        f"{setting}\n",
        "Medians of as many rounds as a table says, with the quartiles. In a round every "
        "contender is measured once, in a process of its own, and a ratio is one of two figures "
        f"of the same round. The server was busy for at most {_busiest(done):.0%} of the time of "
        "any row.\n",
        "### Bounds\n",
        _table(
            [("what", "who", "bound", "measured", "")]
            + [
                (case.title, bound.subject, bound.text, str(outcome.measured), verdict)
                for case, results in done
                for bound in case.bounds
                for outcome in (bound_of(case, bound, results),)
                for verdict in ("met" if outcome.is_met else "**missed**",)
            ]
        ),
    ]
    for case, results in done:
        parts += [f"### {case.title}\n", _table(_rows(case, results))]
    return "\n".join(parts)


def write_page(page: Path, measured: str) -> None:
    """Put `measured` in place of what the last run wrote; what people wrote stays."""
    text = page.read_text(encoding="utf-8")
    by_hand = text.partition(_BEGIN)[0]
    page.write_text(by_hand + _BEGIN + "\n" + measured, encoding="utf-8")


def _busiest(done: Iterable[tuple[Case, Results]]) -> float:
    rows = (rounds for _, results in done for rounds in results.values())
    return max((median(busy) for rounds in rows if (busy := _figures(rounds, _BUSY))), default=0)


def _figures(rounds: Sequence[Mapping[str, float]], figure: str) -> list[float]:
    return [figures[figure] for figures in rounds if figure in figures]


def _rows(case: Case, results: Results) -> list[tuple[str, ...]]:
    reference = next(iter(results))
    extra = sorted(
        {bound.figure for bound in case.bounds if bound.figure and bound.figure != "wall_s"}
    )
    extra += case.beside
    count = len(results[reference])
    head = f"{count} rounds" if count > 1 else "1 round"
    if any(_figures(rounds, _BUSY) for rounds in results.values()):
        extra.append(_BUSY)
    rows = [(head, case.unit, *([f"ratio to {reference}"] if len(results) > 1 else []), *extra)]
    for name, rounds in results.items():
        if case.figure == "cpu_s" and name.startswith("("):
            continue
        spread = Spread.of([_shown(case, case.figure, figures[case.figure]) for figures in rounds])
        row = [name, str(spread)]
        if len(results) > 1:
            ratio = bound_of(case, Bound(name, 0, reference), results).measured
            row.append(str(ratio))
        row += [_cell(_figures(rounds, figure), figure) for figure in extra]
        rows.append(tuple(row))
    return rows


def _cell(figures: Sequence[float], figure: str) -> str:
    if not figures:
        return ""
    return f"{median(figures):.0%}" if figure == _BUSY else _figure(median(figures))


def _shown(case: Case, figure: str, value: float) -> float:
    """Return a figure in the unit that its case is shown in."""
    if figure not in (case.figure, "wall_s", "cpu_s"):
        return value
    return 1 / value if case.unit.endswith("/s") else value * _SCALES[case.unit]


def _figure(value: float) -> str:
    if value and abs(value) < 10:
        return f"{value:.2f}"
    return f"{value:,.1f}" if abs(value) < 100 else f"{value:,.0f}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = ("| " + " | ".join(row) + " |" for row in rows)
    return "\n".join((head, "|---" * len(rows[0]) + "|", *body)) + "\n"


def _machine() -> str:
    name = platform.processor() or platform.machine()
    cpus = Path("/proc/cpuinfo")
    if cpus.exists():
        names = [line for line in cpus.read_text().splitlines() if line.startswith("model name")]
        name = names[0].partition(":")[2].strip() if names else name
    return (
        f"{name}, {os.cpu_count()} cores, {platform.system()}, "
        f"{sys.implementation.name} {platform.python_version()}"
    )
