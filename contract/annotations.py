"""What a schema says besides what it accepts: defaults, discriminators, and documentation.

Two schemas are walked side by side, each as if all that it is combined from stood in one place, so
that it does not matter how they are cut into components.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from contract.report import Finding, Verdict
from contract.shapes import KEYWORDS, Node, canonical, meaning

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from contract.document import Location
    from contract.shapes import Schema, Shapes, Side

LISTED = "the listed values are others, though no other values are allowed"


class Annotations:
    """Compares what schemas say besides what they accept.

    With `as_text`, of values that are written as text, as in a URL, where a default of 1 is one of
    "1" too, or of the one item "1".
    """

    def __init__(self, shapes: Shapes, side: Side, *, as_text: bool = False) -> None:
        self._shapes = shapes
        self._side = side
        self._as_text = as_text
        self._seen: set[tuple[Schema, Schema]] = set()

    def between(self, old: Schema, new: Schema, where: str) -> Iterator[Finding]:
        """The differences; those of a pair of schemas once, however often it is met."""
        if (old, new) in self._seen:
            return
        self._seen.add((old, new))
        before, after = self._view(old), self._view(new)
        at = new[0].at if new else ()
        yield from self._defaults(before.defaults, after.defaults, where, at)
        yield from _discriminators(before.discriminators, after.discriminators, where, at)
        yield from wording(before.texts, after.texts, where, at)
        yield from _listed(before.listed, after.listed, where, at)
        if before.members != after.members and any(
            self._shapes.is_overlapping(node) for node in (*before.unions, *after.unions)
        ):
            why = "members of a `oneOf` match the same values, so it is read as `anyOf`"
            yield Finding(Verdict.DOCS, "wording", where, why, None, None, (*at, "oneOf"))
        yield from order(before.children, after.children, where, "the properties", at)
        for name in before.children:
            if name in after.children:
                here = where + name
                yield from self.between(before.children[name], after.children[name], here)

    def _view(self, schema: Schema) -> _View:
        view = _View([], [], {}, [], {}, [], set())
        for node in _parts(schema):
            keywords = node.keywords()
            for keyword in keywords.keys() - KEYWORDS - {"default", "discriminator"}:
                _add(view.texts.setdefault(str(keyword), []), canonical(keywords[keyword]))
            if "default" in keywords:
                _add(view.defaults, canonical(keywords["default"]))
            if "discriminator" in keywords:
                _add(view.discriminators, canonical(keywords["discriminator"]))
            for value in (*node.values("enum"), *node.values("const")):
                _add(view.listed, canonical(value))
            if members := node.members("oneOf"):
                view.unions.append(node)
                view.members.update(meaning(member) for member in members)
            for name, child in self._children(node):
                view.children[name] = tuple(dict.fromkeys((*view.children.get(name, ()), child)))
        return view

    def _defaults(
        self, old: list[str], new: list[str], where: str, at: Location
    ) -> Iterator[Finding]:
        read = _written if self._as_text else str
        if set(map(read, old)) == set(map(read, new)):
            return
        why = "the default is another" if old and new else "the default is no longer given"
        verdict = Verdict.BREAKING
        if not old:
            why, verdict = "a default is given now", Verdict.ADDITIVE
        if self._side == "response":  # the service sends what it sends
            verdict = Verdict.DOCS
        yield Finding(verdict, "change", where, why, _said(old), _said(new), (*at, "default"))

    def _children(self, node: Node) -> Iterator[tuple[str, Node]]:
        for name, child in self._shapes.properties(node).items():
            yield f".{name}", child
        for index, child in enumerate(node.members("prefixItems")):
            yield f"[{index}]", child
        for keyword, name in (("items", "[]"), ("additionalProperties", ".*")):
            if keyword in node.keywords():
                yield name, node.child(keyword)


class _View(NamedTuple):
    """A schema with all that it is combined from; each list in the order of the document."""

    defaults: list[str]
    discriminators: list[str]
    texts: dict[str, list[str]]
    listed: list[str]
    children: dict[str, Schema]
    unions: list[Node]
    """The schemas that have a `oneOf`."""
    members: set[str]
    """What the members of each `oneOf` accept."""


def texts(said: Mapping[str, Any], *, without: Collection[str]) -> dict[str, list[str]]:
    """What an object says under its other keys, as `wording` takes it."""
    return {str(key): [canonical(said[key])] for key in said if key not in without}


def wording(
    old: Mapping[str, list[str]], new: Mapping[str, list[str]], where: str, at: Location
) -> Iterator[Finding]:
    """The keys whose texts differ, each text as `canonical` writes it; deprecation by itself."""
    yield from _deprecation(old, new, where, at)
    for key in sorted({*old, *new}):
        before, after = old.get(key, []), new.get(key, [])
        if set(before) != set(after) and key != "deprecated" and not _SUNSET.fullmatch(key):
            why = f"`{key}` reads differently"
            said = _said(before), _said(after)
            yield Finding(Verdict.DOCS, "wording", where, why, *said, (*at, key))


def order(
    old: Collection[str], new: Collection[str], where: str, what: str, at: Location
) -> Iterator[Finding]:
    """Whether the same names stand in another order."""
    if set(old) == set(new) and list(old) != list(new):
        why = f"{what} stand in another order"
        yield Finding(Verdict.DOCS, "wording", where, why, list(old), list(new), at)


# OpenAPI has no word for the day on which a deprecated thing ends; these are in use for it.
_SUNSET = re.compile(r"x-(?:[a-z-]+-)?sunset(?:-?(?:at|date|on))?", re.IGNORECASE)


def _deprecation(
    old: Mapping[str, list[str]], new: Mapping[str, list[str]], where: str, at: Location
) -> Iterator[Finding]:
    before, after = _phase_out(old), _phase_out(new)
    if before == after:
        return
    if after is None:
        why = "is no longer deprecated"
    elif before is None:
        why = "is deprecated"
    else:
        why = "is deprecated, with another sunset"
    if after:
        why += f"; its sunset is {', '.join(after)}"
    first, second = (True if said == [] else said and ", ".join(said) for said in (before, after))
    yield Finding(Verdict.DOCS, "deprecation", where, why, first, second, (*at, "deprecated"))


def _phase_out(said: Mapping[str, list[str]]) -> list[str] | None:
    """The days on which a deprecated thing ends, as far as it says; nothing where it is not one."""
    days = [
        str(json.loads(text))
        for key in sorted(said)
        if _SUNSET.fullmatch(key)
        for text in said[key]
    ]
    return days if days or "true" in said.get("deprecated", ()) else None


def _written(said: str) -> str:
    """What a value and others that are written as the same text have in common."""
    value = json.loads(said)
    items = value if isinstance(value, list) else [value]
    return canonical([item if isinstance(item, str) else canonical(item) for item in items])


def _discriminators(old: list[str], new: list[str], where: str, at: Location) -> Iterator[Finding]:
    if set(old) == set(new):
        return
    has_grown = not old or (
        len(old) == len(new) == 1 and _has_grown(json.loads(old[0]), json.loads(new[0]))
    )
    verdict = Verdict.ADDITIVE if has_grown else Verdict.BREAKING
    why = "the discriminator is another, or has other values"
    yield Finding(verdict, "change", where, why, _said(old), _said(new), (*at, "discriminator"))


def _has_grown(old: Any, new: Any) -> bool:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return False
    before, after = old.get("mapping", {}), new.get("mapping", {})
    return old.get("propertyName") == new.get("propertyName") and before == {
        value: after.get(value) for value in before
    }


def _listed(old: list[str], new: list[str], where: str, at: Location) -> Iterator[Finding]:
    if set(old) == set(new):
        values = [json.loads(value) for value in old], [json.loads(value) for value in new]
        if values[0] != values[1]:
            why = "the listed values stand in another order"
            yield Finding(Verdict.DOCS, "wording", where, why, *values, (*at, "enum"))
    elif old and new:
        said = _said(old), _said(new)
        yield Finding(Verdict.DOCS, "wording", where, LISTED, *said, (*at, "enum"))


def _parts(schema: Schema) -> list[Node]:
    """The schema and all that it is combined from, in the order in which it would be read."""
    found: list[Node] = []
    todo = [*reversed(schema)]
    while todo:
        node = todo.pop()
        if not isinstance(node.raw, bool) and node not in found:
            found.append(node)
            todo += reversed([*_members(node)])
    return found


def _members(node: Node) -> Iterator[Node]:
    for keyword in ("allOf", "anyOf", "oneOf"):
        yield from node.members(keyword)
    if "$ref" in node.raw:
        yield node.target()


def _add(texts: list[str], text: str) -> None:
    if text not in texts:
        texts.append(text)


def _said(values: list[str]) -> Any:
    """What stood in the document: one value, or several where a schema has several parts."""
    said = [json.loads(value) for value in values]
    return said[0] if len(said) == 1 else said or None
