"""Findings of a comparison, the verdict on them, and the formats they are told in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal, TypeAlias

Direction: TypeAlias = Literal["narrowing", "widening", "change", "wording"]


class Verdict(IntEnum):
    """What a change means to those who call the service; the worst is the greatest."""

    NONE = 0
    DOCS = 1
    ADDITIVE = 2
    BREAKING = 3


@dataclass(frozen=True)
class Finding:
    """One difference between two documents."""

    verdict: Verdict
    direction: Direction
    """`narrowing` and `widening` of what is accepted or sent; a `change` is neither, as of a
    default; `wording` changes nothing but the text."""
    where: str
    """For people: `POST /audio/speech request body.sample_rate`."""
    why: str
    old: Any
    new: Any


def verdict(findings: Iterable[Finding]) -> Verdict:
    """The worst of the findings."""
    return max((finding.verdict for finding in findings), default=Verdict.NONE)


def render(findings: Sequence[Finding], form: str, *, file: str | None = None) -> str:
    """The findings in one of `FORMATS`, the worst first.

    Args:
        findings: What was found.
        form: The name of the format.
        file: Where annotations go to; by default to no file.
    """
    worst_first = sorted(findings, key=lambda finding: -finding.verdict)
    return FORMATS[form](worst_first, file)


def _text(findings: Sequence[Finding], _: str | None) -> str:
    lines = [verdict(findings).name]
    for finding in findings:
        lines.append(f"  {finding.verdict.name}: {finding.where}: {finding.why}")
        if finding.old is not None or finding.new is not None:
            lines.append(f"      {_short(finding.old)} → {_short(finding.new)}")
    return "\n".join(lines) + "\n"


def _markdown(findings: Sequence[Finding], _: str | None) -> str:
    lines = [f"**{verdict(findings).name}**"]
    if findings:
        lines += ["", "| verdict | where | why | old | new |", "|---|---|---|---|---|"]
    for finding in findings:
        cells = [finding.verdict.name, finding.where, finding.why]
        cells += [f"`{_short(value)}`" for value in (finding.old, finding.new)]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _json(findings: Sequence[Finding], _: str | None) -> str:
    listed = [{**vars(finding), "verdict": finding.verdict.name} for finding in findings]
    answer = {"verdict": verdict(findings).name, "findings": listed}
    return json.dumps(answer, ensure_ascii=False, indent=2) + "\n"


def _github(findings: Sequence[Finding], file: str | None) -> str:
    """Workflow commands, which GitHub shows as annotations."""
    place = f"file={_escaped(file, ':,')}," if file else ""
    return "".join(
        f"::{_LEVELS[finding.verdict]} {place}"
        f"title={_escaped(f'{finding.verdict.name} {finding.where}', ':,')}::"
        f"{_escaped(f'{finding.why} ({_short(finding.old)} → {_short(finding.new)})')}\n"
        for finding in findings
    )


FORMATS: dict[str, Callable[[Sequence[Finding], str | None], str]] = {
    "text": _text,
    "markdown": _markdown,
    "json": _json,
    "github": _github,
}

_LEVELS = {Verdict.BREAKING: "error", Verdict.ADDITIVE: "warning", Verdict.DOCS: "notice"}


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else text[:119] + "…"


def _escaped(text: str, special: str = "") -> str:
    return "".join(f"%{ord(c):02X}" if c in "%\r\n" + special else c for c in text)
