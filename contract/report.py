"""Findings of a comparison, the verdict on them, and the formats they are told in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from ruamel.yaml.comments import CommentedMap

    from contract.document import Location

Direction: TypeAlias = Literal["narrowing", "widening", "change", "wording", "deprecation"]


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
    default; `wording` changes nothing but the text; a `deprecation` says what is going to go."""
    where: str
    """For people: `POST /audio/speech request body.sample_rate`."""
    why: str
    old: Any
    new: Any
    at: Location = field(default=(), compare=False)
    """Where it stands in the new document, or stood in the old one."""


class Source(NamedTuple):
    """A file that annotations point into, and what is in it."""

    file: str
    document: CommentedMap

    def line(self, at: Location) -> int:
        """The line, from 1, of a place in the document, or else of the nearest thing around it."""
        node: Any = self.document
        line = 0
        for key in at:
            try:
                line, _ = node.lc.item(key) if isinstance(key, int) else node.lc.key(key)
                node = node[key]
            except (AttributeError, IndexError, KeyError, TypeError):
                break
        return line + 1


def verdict(findings: Iterable[Finding]) -> Verdict:
    """The worst of the findings."""
    return max((finding.verdict for finding in findings), default=Verdict.NONE)


def render(findings: Sequence[Finding], form: str, *, source: Source | None = None) -> str:
    """The findings in one of `FORMATS`: what is deprecated first, then the worst first.

    All but JSON ends with a line that names the verdict.

    Args:
        findings: What was found.
        form: The name of the format.
        source: What annotations point into; by default nothing.
    """
    in_order = sorted(findings, key=lambda f: (f.direction != "deprecation", -f.verdict))
    return FORMATS[form](in_order, source)


def _text(findings: Sequence[Finding], _: Source | None) -> str:
    name = verdict(findings).name
    lines = [name] if findings else []
    for finding in findings:
        lines.append(f"  {finding.verdict.name}: {finding.where}: {finding.why}")
        if finding.old is not None or finding.new is not None:
            lines.append(f"      {_short(finding.old)} → {_short(finding.new)}")
    return "\n".join([*lines, name]) + "\n"


def _markdown(findings: Sequence[Finding], _: Source | None) -> str:
    name = f"**{verdict(findings).name}**"
    lines = [name, "", "| verdict | where | why | old | new |", "|---|---|---|---|---|"]
    for finding in findings:
        cells = [finding.verdict.name, _prose(finding.where), _prose(finding.why)]
        cells += [_code(_short(value)) for value in (finding.old, finding.new)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", name] if findings else [name]) + "\n"


def _json(findings: Sequence[Finding], _: Source | None) -> str:
    listed = [
        {
            "verdict": finding.verdict.name,
            "direction": finding.direction,
            "where": finding.where,
            "why": finding.why,
            "old": finding.old,
            "new": finding.new,
        }
        for finding in findings
    ]
    answer = {"verdict": verdict(findings).name, "findings": listed}
    return json.dumps(answer, ensure_ascii=False, indent=2) + "\n"


def _github(findings: Sequence[Finding], source: Source | None) -> str:
    """Workflow commands, which GitHub shows as annotations."""
    lines = []
    for finding in findings:
        place = ""
        if source is not None:
            place = f"file={_escaped(source.file, ':,')},line={source.line(finding.at)},"
        level = "warning" if finding.direction == "deprecation" else _LEVELS[finding.verdict]
        title = _escaped(f"{finding.verdict.name} {finding.where}", ":,")
        said = f"{finding.why} ({_short(finding.old)} → {_short(finding.new)})"
        lines.append(f"::{level} {place}title={title}::{_escaped(said)}")
    return "\n".join([*lines, verdict(findings).name]) + "\n"


FORMATS: dict[str, Callable[[Sequence[Finding], Source | None], str]] = {
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


def _prose(text: str) -> str:
    """A text in a cell of a table, in which nothing but code spans of ours is markup."""
    return re.sub(r"([\\|<*\[])", r"\\\1", " ".join(text.splitlines()))


def _code(text: str) -> str:
    """A text as code in a cell of a table; its fence is longer than any run of ` within."""
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    padding = " " if "`" in text else ""
    return f"{fence}{padding}{text}{padding}{fence}".replace("|", "\\|")
