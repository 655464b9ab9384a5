"""What one schema accepts and another does not.

A loss from old to new narrows; a loss from new to old is what the new one accepts in addition. So
there is one comparison, made in both directions, and no change can be seen in one only.

Each condition of the second schema must follow from one of the first, or there is a loss: what is
not seen to be contained counts as lost.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from contract.shapes import ANYTHING, TYPES, Schema, Shape, Shapes, canonical

if TYPE_CHECKING:
    from contract.document import Location
    from contract.shapes import Bound

Pair: TypeAlias = tuple[Schema, Schema, bool]


@dataclass(frozen=True)
class Loss:
    """Something that the first of two schemas accepts and the second does not."""

    where: str
    """Below the schemas: `.name` a property, `[]` the items, `.*` the other properties."""
    kind: str
    lost: str
    """What happened, when the first is the old one."""
    gained: str
    """What happened, when the second is the old one."""
    first: Any
    """What the first says, as JSON."""
    second: Any
    is_growth: bool = False
    """Whether the second has a list of values and the first the same and more."""
    source: tuple[Schema, Schema] | None = None
    """The schemas that it comes from, which may be met in many places."""
    at: tuple[Location | None, Location | None] = (None, None)
    """Where the first and the second say it; by default where the schemas stand."""

    @property
    def places(self) -> tuple[Location | None, Location | None]:
        """Where the first and the second say it, as far as they do."""
        first, second = self.source or (ANYTHING, ANYTHING)
        return self.at[0] or _location(first), self.at[1] or _location(second)


class Losses:
    """Compares schemas of what is sent to the service or comes from it."""

    def __init__(self, shapes: Shapes) -> None:
        self._shapes = shapes
        self._known: dict[Pair, tuple[Loss, ...]] = {}
        self._open: set[Pair] = set()
        self._assumed: set[Pair] = set()
        self._lossy: set[Pair] = set()

    def between(self, first: Schema, second: Schema) -> tuple[Loss, ...]:
        """What `first` accepts and `second` does not; nothing where none is.

        A property that only one of them declares is a loss from that one to the other, though an
        object may have any further property: nobody would know what to do with it. What comes from
        one place in the documents is told once, in the first place that it is met.

        Schemas may refer to themselves. A pair that is met again while it is being compared is
        taken to lose nothing, and where that proves wrong, all is compared once more.
        """
        settled = self._known.copy()
        while True:
            lossy = len(self._lossy)
            found = self._between(first, second, strict=False)
            if len(self._lossy) == lossy:
                return _each_once(found)
            self._known = settled.copy()

    def between_texts(
        self, first: Schema, second: Schema, *, is_exploded: bool
    ) -> tuple[Loss, ...]:
        """The same of values that are written as text, as in a URL or a header.

        There `5` is a string as well as an integer, by itself and among the items of an array,
        and, where the second's arrays are exploded, one item as well as a lone value.
        """
        losses = self.between(first, second)
        if losses and all(
            self._are_items_written(one, second) or self._is_written(one, second, is_exploded)
            for one in self._shapes.of(first)
        ):
            return ()
        return losses

    def _are_items_written(self, one: Shape, second: Schema) -> bool:
        """Whether a shape is of arrays whose items `_is_written` says the same of, one by one."""
        return one.type == "array" and any(
            not self._of_shape(_without_items(one), _without_items(other), strict=True)
            and all(
                self._is_written(item, other.item(index), is_exploded=False)
                for index in range(max(len(one.prefix), len(other.prefix)) + 1)
                for item in self._shapes.of(one.item(index))
            )
            for other in self._shapes.of(second)
            if other.type == "array"
        )

    def _is_written(self, one: Shape, second: Schema, is_exploded: bool) -> bool:
        """Whether the text of every value of a shape surely is the text of one of the second's."""
        if one.type in ("array", "object"):
            return False
        others = self._shapes.of(second)
        return any(
            not self._of_shape(reading, other, strict=True)
            for reading in (one, *_as_string(one))
            for other in others
            if other.type == reading.type
        ) or (
            is_exploded
            and any(
                self._is_written(one, other.item(0), is_exploded=False)
                for other in others
                if other.type == "array" and other.takes_one_item
            )
        )

    def _between(self, first: Schema, second: Schema, *, strict: bool) -> tuple[Loss, ...]:
        """The same in the middle of it; `strict` takes the schemas at their very word."""
        pair = (first, second, strict)
        if pair in self._known:
            return self._known[pair]
        if pair in self._open:
            self._assumed.add(pair)
            return (_AS_ABOVE,) if pair in self._lossy else ()
        self._open.add(pair)
        found = tuple(
            loss if loss.source else replace(loss, source=(first, second))
            for loss in self._compare(first, second, strict=strict)
        )
        self._open.remove(pair)
        if found and pair in self._assumed:
            self._lossy.add(pair)
        self._known[pair] = found
        return found

    def _compare(self, first: Schema, second: Schema, *, strict: bool) -> Iterator[Loss]:
        ones = _by_type(self._shapes.of(first))
        others = _by_type(self._shapes.of(second))
        if ones.keys() - others.keys():
            lost = {name: shapes for name, shapes in ones.items() if name not in others}
            words = ", ".join(_type_names(lost))
            yield Loss(
                "",
                "type",
                f"no longer allowed: {words}",
                f"allowed now: {words}",
                _type_names(ones),
                _type_names(others),
            )
        for name in ones:
            if name in others:
                yield from self._of_type(ones[name], others[name], strict=strict)

    def _of_type(
        self, ones: Sequence[Shape], others: Sequence[Shape], *, strict: bool
    ) -> Iterator[Loss]:
        listed = [shape for shape in ones if shape.is_listed]
        yield from self._of_values(listed, others, strict=strict)
        left = [
            shape
            for shape in ones
            if not shape.is_listed
            if all(self._of_shape(shape, other, strict=strict) for other in others)
        ]
        matched = [
            other
            for other in others
            if any(
                not self._of_shape(shape, other, strict=strict)
                for shape in ones
                if not shape.is_listed
            )
        ]
        free = [other for other in others if not any(other is taken for taken in matched)]
        yield from self._of_alternatives(left, free, strict=strict)

    def _of_values(
        self, listed: Sequence[Shape], others: Sequence[Shape], *, strict: bool
    ) -> Iterator[Loss]:
        for shape in listed:
            lost: set[str] = set()
            terms: list[Loss] = []
            for value in sorted(shape.values or ()):
                alone = replace(shape, values=frozenset({value}))
                losses = [self._of_shape(alone, other, strict=strict) for other in others]
                if all(losses):
                    marks = (each for each in losses if all(loss.kind == "mark" for loss in each))
                    said = next(marks, None)
                    terms += [loss for loss in said or () if loss not in terms]
                    lost |= {value} if said is None else set()
            yield from terms
            if lost:
                known = frozenset(value for other in others for value in other.values or ())
                are_listed = all(other.is_listed for other in others)
                words = ", ".join(sorted(lost))
                yield Loss(
                    "",
                    "values",
                    f"no longer allowed: {words}",
                    f"allowed now: {words}",
                    _values(shape.values or frozenset()),
                    _values(known) if are_listed else None,
                    is_growth=are_listed and known == (shape.values or frozenset()) - lost,
                )

    def _of_alternatives(
        self, left: Sequence[Shape], free: Sequence[Shape], *, strict: bool
    ) -> Iterator[Loss]:
        """Set each shape that is left against the one it has most in common with."""
        scored = sorted(
            (
                (self._of_shape(one, other, strict=strict), one, other)
                for one in left
                for other in free
            ),
            key=lambda scored: (len(scored[0]), scored[2].is_listed),
        )
        done: list[Shape] = []
        for losses, one, other in scored:
            if not any(shape is one or shape is other for shape in done):
                done += [one, other]
                yield from losses
        for one in left:
            if not any(shape is one for shape in done):
                yield Loss(
                    "",
                    "alternative",
                    f"an alternative for {_article(one.type)} is gone",
                    f"a new alternative for {_article(one.type)}",
                    _summary(one),
                    None,
                )

    def _of_shape(self, one: Shape, other: Shape, *, strict: bool) -> list[Loss]:
        return [
            *_of_lists(one, other),
            *(() if one.is_listed else _of_limits(one, other)),
            *_of_marks(one, other),
            *_of_contains(one, other),
            *self._of_excluded(one, other),
            *self._of_items(one, other, strict=strict),
            *self._of_properties(one, other, strict=strict),
        ]

    def _of_excluded(self, one: Shape, other: Shape) -> Iterator[Loss]:
        for excluded in other.excluded:
            if any(not self._between(excluded, known, strict=True) for known in one.excluded):
                continue
            if all(self._shapes.are_apart(one, shape) for shape in self._shapes.of(excluded)):
                continue
            yield Loss(
                "",
                "excluded",
                "what `not` names is no longer allowed",
                "what `not` named is allowed now",
                None,
                None,
            )

    def _of_items(self, one: Shape, other: Shape, *, strict: bool) -> Iterator[Loss]:
        length = max(len(one.prefix), len(other.prefix))
        for index in range(length):
            losses = self._between(one.item(index), other.item(index), strict=strict)
            yield from _below(f"[{index}]", losses)
        yield from _below("[]", self._between(one.items, other.items, strict=strict))

    def _of_properties(self, one: Shape, other: Shape, *, strict: bool) -> Iterator[Loss]:
        for name in sorted(other.required - one.required):
            yield Loss(
                f".{name}",
                "required",
                "is required now",
                "is no longer required",
                False,
                True,
                source=(one.property(name), other.property(name)),
            )
        names = [
            *one.properties,
            *(name for name in other.properties if name not in one.properties),
        ]
        for name in names:
            mine, yours = one.property(name), other.property(name)
            is_left = name in other.properties and not self._shapes.is_nothing(yours)
            if strict or (is_left and mine != ANYTHING):
                yield from _below(f".{name}", self._between(mine, yours, strict=strict))
            elif not is_left and mine != ANYTHING and not self._shapes.is_nothing(mine):
                types = _type_names(_by_type(self._shapes.of(mine)))
                yield Loss(
                    f".{name}",
                    "property",
                    "the property is gone",
                    "a new property",
                    types,
                    None,
                    source=(mine, ANYTHING),
                )
        yield from self._of_additional(one.additional, other.additional, strict=strict)

    def _of_additional(self, one: Schema, other: Schema, *, strict: bool) -> Iterator[Loss]:
        if self._shapes.is_nothing(other) and not self._shapes.is_nothing(one):
            yield Loss(
                ".*",
                "additional" if one == ANYTHING else "property",
                "further properties are no longer allowed",
                "further properties are allowed now",
                True,
                False,
            )
        else:
            yield from _below(".*", self._between(one, other, strict=strict))


# Stands for the losses of a pair that is being compared further up.
_AS_ABOVE = Loss("", "above", "", "", None, None, source=(ANYTHING, ANYTHING))
# The numbers of the first are numbers of the second.
_WIDER_FORMATS = {'"int32"': '"int64"', '"float"': '"double"'}
_LEAST = {"string": "minLength", "array": "minItems", "object": "minProperties"}
_MOST = {"string": "maxLength", "array": "maxItems", "object": "maxProperties"}


def _of_lists(one: Shape, other: Shape) -> Iterator[Loss]:
    if other.values is not None and (one.values is None or not one.values <= other.values):
        yield Loss(
            "",
            "list",
            "only listed values are allowed now",
            "any value is allowed now, not only those that are listed",
            None if one.values is None else _values(one.values),
            _values(other.values),
        )
    elif one.is_listed and not all(other.fits(value) for value in one.values or ()):
        yield Loss("", "values", "", "", None, None)  # which of them, the caller says


def _of_limits(one: Shape, other: Shape) -> Iterator[Loss]:
    if other.whole and not one.whole:
        yield Loss(
            "",
            "type",
            "only whole numbers are allowed now",
            "numbers that are not whole are allowed now",
            "number",
            "integer",
        )
    if other.low and (one.low is None or one.low.as_low < other.low.as_low):
        yield _limit("minimum", "higher", "lower", _bound(one.low), _bound(other.low))
    if other.high and (one.high is None or one.high.as_high > other.high.as_high):
        yield _limit("maximum", "lower", "higher", _bound(one.high), _bound(other.high))
    for step in sorted(other.multiples):
        if all((known / step).denominator != 1 for known in one.multiples):
            steps = [float(known) for known in sorted(one.multiples)]
            yield _limit("multipleOf", "stricter", "less strict", steps, float(step))
    if other.least > one.least:
        yield _limit(_LEAST[one.type], "higher", "lower", one.least, other.least)
    if other.most is not None and (one.most is None or one.most > other.most):
        yield _limit(_MOST[one.type], "lower", "higher", one.most, other.most)


def _of_marks(one: Shape, other: Shape) -> Iterator[Loss]:
    for mark in sorted(other.marks - one.marks):
        if one.is_listed and None not in map(mark.admits, one.values or ()):
            continue  # `fits` says it
        known = [known for known in sorted(one.marks) if known.keyword == mark.keyword]
        if mark.binds and all(_WIDER_FORMATS.get(k.said) != mark.said for k in known):
            is_changed = any(k.binds for k in known)
            first = json.loads(known[0].said) if known else None
            yield _condition(mark.keyword, first, json.loads(mark.said), is_changed=is_changed)


def _of_contains(one: Shape, other: Shape) -> Iterator[Loss]:
    for wanted in sorted(other.contains, key=str):
        same = [known for known in one.contains if known.said == wanted.said]
        if not same:
            known = [json.loads(known.said) for known in sorted(one.contains, key=str)]
            first = known[0] if known else None
            said = json.loads(wanted.said)
            yield _condition("contains", first, said, is_changed=bool(known))
            continue
        least = max(known.least for known in same)
        most = min((known.most for known in same if known.most is not None), default=None)
        if wanted.least > least:
            yield _limit("minContains", "higher", "lower", least, wanted.least)
        if wanted.most is not None and (most is None or most > wanted.most):
            yield _limit("maxContains", "lower", "higher", most, wanted.most)


def _condition(keyword: str, first: Any, second: Any, *, is_changed: bool) -> Loss:
    another = f"`{keyword}` is another" if is_changed else ""
    return Loss(
        "",
        "mark",
        another or f"`{keyword}` is a new condition",
        another or f"`{keyword}` is no longer a condition",
        first,
        second,
    )


def _limit(keyword: str, tighter: str, wider: str, first: Any, second: Any) -> Loss:
    return Loss("", "limit", f"`{keyword}` is {tighter}", f"`{keyword}` is {wider}", first, second)


def _bound(bound: Bound | None) -> Any:
    if bound is None:
        return None
    value = bound.value.numerator if bound.value.denominator == 1 else float(bound.value)
    return value if bound.inside else f"{value}, exclusive"


def _each_once(losses: Iterable[Loss]) -> tuple[Loss, ...]:
    found: dict[Any, Loss] = {}
    for loss in sorted(losses, key=lambda loss: loss.where.count(".") + loss.where.count("[")):
        if loss.kind != _AS_ABOVE.kind:
            name = loss.where.rpartition(".")[2]
            found.setdefault((loss.source, loss.kind, loss.lost, name), loss)
    return tuple(found.values())


def _as_string(one: Shape) -> Iterator[Shape]:
    """The shape of the texts of numbers or of truth values."""
    if one.type in ("boolean", "number"):
        texts = one.values and frozenset(canonical(value) for value in one.values)
        yield Shape("string", texts, least=1)


def _without_items(array: Shape) -> Shape:
    return replace(array, prefix=(), items=ANYTHING)


def _location(schema: Schema) -> Location | None:
    return schema[0].at if schema else None


def _below(where: str, losses: Iterable[Loss]) -> Iterator[Loss]:
    return (replace(loss, where=where + loss.where) for loss in losses)


def _by_type(shapes: Iterable[Shape]) -> dict[str, list[Shape]]:
    found: dict[str, list[Shape]] = {}
    for shape in shapes:
        found.setdefault(shape.type, []).append(shape)
    return found


def _type_names(shapes: dict[str, list[Shape]]) -> list[str]:
    """The types as JSON Schema calls them, `any` for all."""
    if shapes.keys() == set(TYPES) and not all(shape.whole for shape in shapes["number"]):
        return ["any"]
    return [
        "integer" if name == "number" and all(shape.whole for shape in shapes[name]) else name
        for name in TYPES
        if name in shapes
    ]


def _values(values: Iterable[str]) -> list[Any]:
    return [json.loads(value) for value in sorted(values)]


def _article(type_name: str) -> str:
    return f"an {type_name}" if type_name[0] in "aeiou" else f"a {type_name}"


def _summary(shape: Shape) -> Any:
    if shape.values is not None:
        return _values(shape.values)
    return {
        "type": shape.type,
        **({"properties": list(shape.properties)} if shape.properties else {}),
    }
