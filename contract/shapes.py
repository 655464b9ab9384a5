"""What a schema accepts, whatever its spelling: a union of shapes, each of values of one JSON type.

`$ref`, `allOf`, `anyOf`, `oneOf`, `nullable`, lists of types, `enum` and `const` are worked out at
one level at a time; the schemas of items and properties stay as they are until they are asked for,
so that a schema may refer to itself. `oneOf` is read as `anyOf`: where its members overlap, the
author hardly means to refuse what matches two of them.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Literal, NamedTuple, TypeAlias

from ruamel.yaml.comments import CommentedMap

from contract.document import ContractError, Location, Reference, pointer, resolve

Side: TypeAlias = Literal["request", "response"]

TYPES = ("null", "boolean", "number", "string", "array", "object")


class Document:
    """A document whose references are followed as its version of OpenAPI wants it."""

    def __init__(self, root: CommentedMap, name: str) -> None:
        self.root = root
        self.name = name
        # OpenAPI 3.0 ignores whatever stands beside a `$ref`.
        self.siblings_count = not str(root["openapi"]).startswith("3.0")


class Node:
    """A schema as it is written, and where. Equal to another if it is the very same one."""

    def __init__(self, document: Document, at: Location, raw: Any) -> None:
        self.document = document
        self.at = at
        self.raw = raw

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and self.raw is other.raw

    def __hash__(self) -> int:
        return id(self.raw)

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return f"the {self.document.name} document: {pointer(self.at)}"

    def below(self, keyword: str) -> str:
        """Where a keyword of it is, for people."""
        return f"the {self.document.name} document: {pointer((*self.at, keyword))}"

    def child(self, *keys: str | int) -> Node:
        """What stands below these keys."""
        raw = self.raw
        for key in keys:
            raw = raw[key]
        return Node(self.document, (*self.at, *keys), raw)

    def target(self) -> Node:
        """What the `$ref` of this node leads to."""
        location = resolve(self.document.root, Reference((*self.at, "$ref"), self.raw["$ref"]))
        return Node(self.document, (), self.document.root).child(*location)._at(location)

    def keywords(self) -> Mapping[str, Any]:
        """What the node says itself, without its `$ref`.

        Raises:
            ContractError: it is no schema.
        """
        if not isinstance(self.raw, CommentedMap):
            raise ContractError(f"{self.place} is {self.raw!r:.60}, not a schema")
        if "$ref" not in self.raw:
            return self.raw
        if not isinstance(self.raw["$ref"], str):
            raise ContractError(f"{self.place}: the `$ref` is no string")
        if not self.document.siblings_count:
            return {}
        return {key: value for key, value in self.raw.items() if key != "$ref"}

    def members(self, keyword: str) -> list[Node]:
        """The schemas in the list below a keyword, none where there is no such keyword."""
        if keyword not in self.keywords():
            return []
        listed = self.raw[keyword]
        if not isinstance(listed, list) or not listed:
            raise ContractError(f"{self.below(keyword)} is no list of schemas")
        return [self.child(keyword, index) for index in range(len(listed))]

    def values(self, keyword: str) -> list[Any]:
        """The values that `enum` or `const` allows, none where there is no such keyword."""
        if keyword not in self.keywords():
            return []
        values = [self.raw[keyword]] if keyword == "const" else self.raw[keyword]
        if not isinstance(values, list):
            raise ContractError(f"{self.below(keyword)} is no list of values")
        return values

    def named(self, keyword: str) -> dict[str, Node]:
        """The schemas by name in the mapping below a keyword, none where there is none."""
        if keyword not in self.keywords():
            return {}
        if not isinstance(self.raw[keyword], CommentedMap):
            raise ContractError(f"{self.below(keyword)} is no mapping of schemas")
        return {str(name): self.child(keyword, name) for name in self.raw[keyword]}

    def _at(self, location: Location) -> Node:
        return Node(self.document, location, self.raw)


Schema: TypeAlias = tuple[Node, ...]
"""All of these hold; with none, anything goes."""

ANYTHING: Schema = ()


class Bound(NamedTuple):
    """A limit of numbers. `inside` says whether the limit itself is accepted."""

    value: Fraction
    inside: bool

    @property
    def as_low(self) -> tuple[Fraction, bool]:
        """Sorts lower limits, the one that accepts least last."""
        return self.value, not self.inside

    @property
    def as_high(self) -> tuple[Fraction, bool]:
        """Sorts upper limits, the one that accepts least first."""
        return self.value, self.inside


class Mark(NamedTuple):
    """A condition that is only told apart from others by what it says."""

    keyword: str
    said: str
    """What stands below the keyword, as `canonical` writes it."""

    @property
    def binds(self) -> bool:
        """Whether it refuses anything: a pattern that every text matches does not."""
        return self.keyword != "pattern" or not _ANY_TEXT.fullmatch(json.loads(self.said))

    def admits(self, value: str) -> bool | None:
        """Whether a value that `canonical` wrote keeps to it; nothing where that cannot be told.

        Only patterns are tried, where Python reads them, and the text, as JSON Schema does.
        """
        pattern = _tried(json.loads(self.said)) if self.keyword == "pattern" else None
        text = json.loads(value)
        if pattern is None or not (text.isascii() and text.isprintable()):
            return None
        return pattern.search(text) is not None


class Contains(NamedTuple):
    """How many items of an array match a schema, which is only told apart from others."""

    said: str
    least: int
    most: int | None


@dataclass(frozen=True)
class Shape:
    """Values of one JSON type. Each field is a condition of its own, and all of them hold."""

    type: str
    values: frozenset[str] | None = None
    """The only values, each as `canonical` writes it."""
    whole: bool = False
    """Whether a number must be an integer."""
    low: Bound | None = None
    high: Bound | None = None
    multiples: frozenset[Fraction] = frozenset()
    least: int = 0
    most: int | None = None
    """How many characters, items or properties there may be."""
    marks: frozenset[Mark] = frozenset()
    excluded: tuple[Schema, ...] = ()
    """What the values must not match."""
    prefix: tuple[Schema, ...] = ()
    items: Schema = ANYTHING
    properties: Mapping[str, Schema] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    additional: Schema = ANYTHING
    contains: frozenset[Contains] = frozenset()

    @property
    def is_listed(self) -> bool:
        """Whether the values are few and simple enough to be looked at one by one."""
        return self.values is not None and self.type not in ("array", "object")

    @property
    def takes_one_item(self) -> bool:
        """Whether an array of one item keeps to its length and to what it has to contain."""
        free = self.values is None and not self.contains and not self.excluded
        is_plain = all(mark.keyword == "uniqueItems" for mark in self.marks)
        return free and is_plain and self.least <= 1 and self.most != 0

    def item(self, index: int) -> Schema:
        """The schema of the item at an index."""
        return self.prefix[index] if index < len(self.prefix) else self.items

    def property(self, name: str) -> Schema:
        """The schema of the property of a name, declared or not."""
        return self.properties.get(name, self.additional)

    def fits(self, value: str) -> bool:
        """Whether a value that `canonical` wrote keeps to the limits, and to marks that tell."""
        plain = json.loads(value, parse_float=Fraction)
        if self.type == "number":
            number = Fraction(plain)
            return (
                not (self.whole and number.denominator != 1)
                and not (self.low and Bound(number, inside=True).as_low < self.low.as_low)
                and not (self.high and Bound(number, inside=True).as_high > self.high.as_high)
                and all((number / step).denominator == 1 for step in self.multiples)
            )
        if self.type == "string":
            is_long_enough = self.least <= len(plain)
            is_short_enough = self.most is None or len(plain) <= self.most
            is_refused = any(mark.admits(value) is False for mark in self.marks)
            return is_long_enough and is_short_enough and not is_refused
        return True


class Shapes:
    """Works out what schemas accept, in what is sent to the service or comes from it."""

    def __init__(self, side: Side) -> None:
        self._hidden = "readOnly" if side == "request" else "writeOnly"
        self._known: dict[Schema, tuple[Shape, ...]] = {}
        self._open: list[Node] = []
        self._apart: list[tuple[Schema, Schema]] = []

    def of(self, schema: Schema) -> tuple[Shape, ...]:
        """The shapes that make up a schema; none where nothing is accepted.

        Raises:
            ContractError: something in it is no schema, or refers to nothing but itself.
        """
        if schema not in self._known:
            shapes = _EVERYTHING
            for node in schema:
                shapes = _both(shapes, self._of_node(node))
            self._known[schema] = shapes
        return self._known[schema]

    def properties(self, node: Node) -> dict[str, Node]:
        """The properties that a schema itself declares for this side."""
        return {
            name: child
            for name, child in node.named("properties").items()
            if not self._is_hidden(child)
        }

    def is_nothing(self, schema: Schema) -> bool:
        """Whether a schema plainly accepts no value at all."""
        return not self.of(schema)

    def is_overlapping(self, node: Node) -> bool:
        """Whether a value may match two members of the schema's own `oneOf`."""
        members = node.members("oneOf")
        return any(
            not self.are_disjoint((one,), (other,))
            for one, other in itertools.combinations(members, 2)
        )

    def are_disjoint(self, one: Schema, other: Schema) -> bool:
        """Whether no value surely matches both."""
        if (one, other) in self._apart:
            return False
        self._apart.append((one, other))
        try:
            return all(
                self.are_apart(shape, against)
                for shape in self.of(one)
                for against in self.of(other)
            )
        finally:
            self._apart.pop()

    def are_apart(self, one: Shape, other: Shape) -> bool:
        """Whether no value surely has both shapes."""
        shape = _meet(one, other)
        if shape is None:
            return True
        if shape.type == "array":
            return any(
                self.are_disjoint(one.item(index), other.item(index))
                for index in range(min(shape.least, len(shape.prefix) + 1))
            )
        return shape.type == "object" and any(
            self.are_disjoint(one.property(name), other.property(name)) for name in shape.required
        )

    def _of_node(self, node: Node) -> tuple[Shape, ...]:
        if isinstance(node.raw, bool):
            return _EVERYTHING if node.raw else ()
        if node in self._open:
            raise ContractError(f"{node.place}: the schema refers to nothing but itself")
        self._open.append(node)
        try:
            return self._worked_out(node)
        finally:
            self._open.pop()

    def _worked_out(self, node: Node) -> tuple[Shape, ...]:
        keywords = node.keywords()
        shapes = self._own(node)
        if "$ref" in node.raw:
            shapes = _both(shapes, self._of_node(node.target()))
        for member in node.members("allOf"):
            shapes = _both(shapes, self._of_node(member))
        for keyword in ("anyOf", "oneOf"):
            if members := node.members(keyword):
                shapes = _both(shapes, _either(self._of_node(member) for member in members))
        if keywords.get("nullable") is True and "type" not in keywords:
            shapes = _either([shapes, (Shape("null"),)])
        return shapes

    def _own(self, node: Node) -> tuple[Shape, ...]:
        """What the node's own keywords accept, without those that combine schemas."""
        types = _types(node)
        shapes = [self._of_type(node, name, whole=types[name]) for name in types]
        keywords = node.keywords()
        for keyword in ("enum", "const"):
            if keyword in keywords:
                shapes = list(_both(tuple(shapes), _listed(node, keyword)))
        if "not" in keywords:
            self._of_node(node.child("not"))  # which may lead back here, and mean nothing then
            shapes = [replace(shape, excluded=((node.child("not"),),)) for shape in shapes]
        return tuple(shapes)

    def _of_type(self, node: Node, name: str, *, whole: bool) -> Shape:
        shape = replace(_ANY[name], marks=frozenset(_marks(node, name)))
        if name == "number":
            low, high = _bounds(node)
            steps = frozenset(_number(node, key) for key in ("multipleOf",) if _has(node, key))
            return _tidy(replace(shape, whole=whole, low=low, high=high, multiples=steps))
        if name not in _COUNTS:
            return shape
        least, most = _COUNTS[name]
        shape = replace(
            shape,
            least=int(_number(node, least)) if _has(node, least) else 0,
            most=int(_number(node, most)) if _has(node, most) else None,
        )
        if name == "array":
            return replace(
                shape,
                prefix=tuple((member,) for member in node.members("prefixItems")),
                items=_below(node, "items"),
                contains=frozenset(_contains(node)),
            )
        return self._with_properties(node, shape) if name == "object" else shape

    def _with_properties(self, node: Node, shape: Shape) -> Shape:
        names = node.keywords().get("required", [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ContractError(f"{node.below('required')} is no list of names")
        shown = self.properties(node)
        hidden = node.named("properties").keys() - shown.keys()
        return replace(
            shape,
            properties={name: (child,) for name, child in shown.items()},
            required=frozenset(str(name) for name in names) - hidden,
            additional=_below(node, "additionalProperties"),
        )

    def _is_hidden(self, node: Node) -> bool:
        """Whether the property is only for the other side."""
        followed: list[Node] = []
        while isinstance(node.raw, CommentedMap) and node not in followed:
            if node.keywords().get(self._hidden) is True:
                return True
            if "$ref" not in node.raw:
                break
            followed.append(node)
            node = node.target()
        return False


def canonical(value: Any) -> str:
    """A value as JSON text, the same for values that are equal in JSON: `1` for 1.0."""
    return json.dumps(plain(value), ensure_ascii=False, sort_keys=True)


def plain(value: Any) -> Any:
    """A YAML value as one of JSON's; a date or the like becomes its text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if type(value).__name__ == "ScalarBoolean":  # ruamel.yaml's own, where there is an anchor
        return bool(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float) and math.isfinite(value):  # JSON has no infinity
        return int(value) if value.is_integer() else float(value)
    return str(value)


def meaning(node: Node) -> str:
    """What a schema says of the values that it accepts, the same in whatever component it is."""
    return canonical(_said(node, ()))


SCHEMAS = frozenset(
    {
        "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not",
        "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties",
    }
)  # fmt: skip
"""The keywords of a schema that hold one."""
LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
NAMED = frozenset({"dependentSchemas", "patternProperties", "properties"})
KEYWORDS = frozenset({*SCHEMAS, *LISTS, *NAMED}) | {
    "$ref", "const", "contentEncoding", "contentMediaType", "dependentRequired", "enum",
    "exclusiveMaximum", "exclusiveMinimum", "format", "maxContains", "maxItems", "maxLength",
    "maxProperties", "maximum", "minContains", "minItems", "minLength", "minProperties", "minimum",
    "multipleOf", "nullable", "pattern", "readOnly", "required", "type", "uniqueItems", "writeOnly",
}  # fmt: skip
"""The keywords that say what a schema accepts; any other is documentation, or `default`, or
`discriminator`."""

_ANY = {
    name: Shape(name, frozenset({"true", "false"}) if name == "boolean" else None) for name in TYPES
}
_EVERYTHING = tuple(_ANY.values())
_COUNTS = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}
_NUMBER_FORMATS = frozenset(
    Mark("format", canonical(name)) for name in ("int32", "int64", "float", "double")
)
# The migration guide from OpenAPI 3.0 to 3.1 gives the second for the first.
_RENAMED = {
    Mark("format", '"binary"'): Mark("contentMediaType", '"application/octet-stream"'),
    Mark("format", '"byte"'): Mark("contentEncoding", '"base64"'),
}
# Patterns that every text matches, in their usual spellings.
_ANY_TEXT = re.compile(r"\^?|\$|\^?(?:\.\*|\(\.\*\)|\[\\s\\S\]\*|\[\\S\\s\]\*)\$?")
# What Python's patterns have and JavaScript's, which JSON Schema has, read otherwise or not at all;
# and groups that are repeated, which may take more time than there is.
_ODD = re.compile(r"\\[AZazNU]|\[\^?\]|\(\?[^:=!<]|\(\?<[^=!]|[*+?}][+]|\{,|\)[*+{]")
# Keywords that are only compared by what they say.
_OPAQUE = {
    "array": ("unevaluatedItems",),
    "object": (
        "patternProperties", "propertyNames", "dependentRequired", "dependentSchemas",
        "unevaluatedProperties",
    ),
}  # fmt: skip


@functools.cache
def _tried(pattern: str) -> re.Pattern[str] | None:
    """A pattern that Python surely reads as JSON Schema does, and that it is done with soon."""
    if _ODD.search(pattern):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return re.compile(pattern, re.ASCII)
    except (re.error, OverflowError, RecursionError, Warning):
        return None


def _types(node: Node) -> dict[str, bool]:
    """The JSON types that the node names, each with whether only whole numbers are meant."""
    keywords = node.keywords()
    said = keywords.get("type", list(TYPES))
    names = list(said) if isinstance(said, list) else [said]
    if keywords.get("nullable") is True and "type" in keywords:
        names.append("null")
    for name in names:
        if name not in (*TYPES, "integer"):
            raise ContractError(f"{node.below('type')}: {name!r} is no type")
    types = {str(name): False for name in names if name != "integer"}
    if "integer" in names:
        types.setdefault("number", True)
    return types


def _listed(node: Node, keyword: str) -> tuple[Shape, ...]:
    by_type: dict[str, set[str]] = {}
    for value in node.values(keyword):
        by_type.setdefault(_type_of(plain(value)), set()).add(canonical(value))
    return tuple(
        Shape(name) if name == "null" else Shape(name, frozenset(texts))
        for name, texts in by_type.items()
    )


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _has(node: Node, keyword: str) -> bool:
    return keyword in node.keywords()


def _number(node: Node, keyword: str) -> Fraction:
    value = plain(node.raw[keyword])
    positive = keyword == "multipleOf"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ContractError(f"{node.below(keyword)} is {value!r:.60}, not a number")
    if positive and value <= 0:
        raise ContractError(f"{node.below(keyword)} is {value!r}, not above 0")
    return Fraction(repr(value))


def _bounds(node: Node) -> tuple[Bound | None, Bound | None]:
    low, high = (
        _ends(node, "minimum", "exclusiveMinimum"),
        _ends(node, "maximum", "exclusiveMaximum"),
    )
    return (
        max(low, key=lambda bound: bound.as_low, default=None),
        min(high, key=lambda bound: bound.as_high, default=None),
    )


def _ends(node: Node, inclusive: str, exclusive: str) -> list[Bound]:
    # In OpenAPI 3.0 the exclusive one is a flag that says how the other is meant.
    flag = plain(node.keywords().get(exclusive))
    found = []
    if _has(node, inclusive):
        found.append(Bound(_number(node, inclusive), flag is not True))
    if _has(node, exclusive) and not isinstance(flag, bool):
        found.append(Bound(_number(node, exclusive), inside=False))
    return found


def _marks(node: Node, name: str) -> Iterator[Mark]:
    keywords = node.keywords()
    if "format" in keywords:
        mark = Mark("format", canonical(str(keywords["format"])))
        if name == ("number" if mark in _NUMBER_FORMATS else "string"):
            yield _RENAMED.get(mark, mark)
    if name == "string":
        for keyword in ("pattern", "contentEncoding", "contentMediaType"):
            if keyword in keywords:
                yield Mark(keyword, canonical(str(keywords[keyword])))
    if name == "array" and keywords.get("uniqueItems") is True:
        yield Mark("uniqueItems", "true")
    for keyword in _OPAQUE.get(name, ()):
        if keyword in keywords:
            yield Mark(keyword, canonical(_part(node, keyword, ())))
    if "if" in keywords:
        parts = {key: _part(node, key, ()) for key in ("if", "then", "else") if key in keywords}
        yield Mark("if", canonical(parts))


def _contains(node: Node) -> Iterator[Contains]:
    if _has(node, "contains"):  # without it the two others mean nothing
        least = int(_number(node, "minContains")) if _has(node, "minContains") else 1
        most = int(_number(node, "maxContains")) if _has(node, "maxContains") else None
        if least > 0 or most is not None:
            yield Contains(canonical(_part(node, "contains", ())), least, most)


def _below(node: Node, keyword: str) -> Schema:
    if not _has(node, keyword):
        return ANYTHING
    child = node.child(keyword)
    return ANYTHING if child.raw is True or child.raw == {} else (child,)


def _both(one: Iterable[Shape], other: tuple[Shape, ...]) -> tuple[Shape, ...]:
    """What has a shape of the one and a shape of the other."""
    met = (_meet(first, second) for first in one for second in other)
    return _either([[shape for shape in met if shape is not None]])


def _either(alternatives: Iterable[Iterable[Shape]]) -> tuple[Shape, ...]:
    """The union; values that are listed on the same terms come together in one shape."""
    found: list[Shape] = []
    for shape in (shape for shapes in alternatives for shape in shapes):
        twin = next((other for other in found if _are_alike(shape, other)), None)
        if twin is None:
            found.append(shape)
        elif twin.values is not None and shape.values is not None:
            found[found.index(twin)] = replace(twin, values=twin.values | shape.values)
    return tuple(found)


def _are_alike(one: Shape, other: Shape) -> bool:
    if one.type == other.type == "null" or (one.is_listed and other.is_listed):
        return replace(one, values=None) == replace(other, values=None)
    return one == other


def _meet(one: Shape, other: Shape) -> Shape | None:
    """What has both shapes; nothing where there plainly is no such value."""
    if one.type != other.type:
        return None
    values = one.values if other.values is None else other.values
    if one.values is not None and other.values is not None:
        values = one.values & other.values
    names = [*one.properties, *(name for name in other.properties if name not in one.properties)]
    met = _tidy(
        Shape(
            one.type,
            values,
            one.whole or other.whole,
            max(filter(None, (one.low, other.low)), key=lambda low: low.as_low, default=None),
            min(filter(None, (one.high, other.high)), key=lambda high: high.as_high, default=None),
            one.multiples | other.multiples,
            max(one.least, other.least),
            min((most for most in (one.most, other.most) if most is not None), default=None),
            one.marks | other.marks,
            _distinct(one.excluded + other.excluded),
            tuple(
                _distinct(one.item(index) + other.item(index))
                for index in range(max(len(one.prefix), len(other.prefix)))
            ),
            _distinct(one.items + other.items),
            {name: _distinct(one.property(name) + other.property(name)) for name in names},
            one.required | other.required,
            _distinct(one.additional + other.additional),
            one.contains | other.contains,
        )
    )
    return None if _is_empty(met) else met


def _is_empty(shape: Shape) -> bool:
    if shape.values is not None:
        return not shape.values
    if shape.low and shape.high and _crossed(shape.low, shape.high):
        return True
    return shape.most is not None and shape.least > shape.most


def _crossed(low: Bound, high: Bound) -> bool:
    return low.value > high.value or (low.value == high.value and not (low.inside and high.inside))


def _tidy(shape: Shape) -> Shape:
    """The same shape in fewer words."""
    if shape.is_listed and shape.values is not None:
        fitting = frozenset(value for value in shape.values if shape.fits(value))
        marks = frozenset(mark for mark in shape.marks if None in map(mark.admits, fitting))
        return Shape(shape.type, fitting, marks=marks, excluded=shape.excluded)
    if not shape.whole:
        return shape
    low, high = shape.low, shape.high
    if low is not None:
        up = math.ceil(low.value)
        low = Bound(Fraction(up + (up == low.value and not low.inside)), inside=True)
    if high is not None:
        down = math.floor(high.value)
        high = Bound(Fraction(down - (down == high.value and not high.inside)), inside=True)
    return replace(shape, low=low, high=high, multiples=shape.multiples - {Fraction(1)})


def _distinct(items: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(items))


def _said(node: Node, above: tuple[Node, ...]) -> Any:
    if isinstance(node.raw, bool):
        return node.raw
    if node in above:
        return f"the schema {len(above) - above.index(node)} above"
    keywords = node.keywords()
    above = (*above, node)
    said = {key: _part(node, key, above) for key in keywords if key in KEYWORDS}
    if "$ref" in node.raw:
        target = _said(node.target(), above)
        return {"$ref": target, **said} if said else target
    return said


def _part(node: Node, keyword: str, above: tuple[Node, ...]) -> Any:
    """What a keyword says; lists that are sets are put in order."""
    if keyword in SCHEMAS:
        return _said(node.child(keyword), above)
    if keyword in LISTS:
        return [_said(member, above) for member in node.members(keyword)]
    if keyword in NAMED:
        return {name: _said(child, above) for name, child in node.named(keyword).items()}
    value = plain(node.raw[keyword])
    is_set = keyword in ("enum", "required", "type") and isinstance(value, list)
    return sorted(value, key=canonical) if is_set else value
