"""Laws of the comparison, and an oracle: a validator that knows nothing of how it is made.

The validator takes schemas at their word, but for `oneOf`, which is `anyOf` to it. What the old one
*provides for* is narrower than what it accepts: an object that says nothing of further properties
accepts any, but it provides for those that it declares. Nothing that was provided for may be lost
without a finding.
"""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING, Any

from hypothesis import assume, example, given, reject, settings
from hypothesis import strategies as st

from contract.document import ContractError
from contract.report import Verdict, verdict
from tests.contract.documents import Json, findings, operation, speech

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from contract.report import Finding

SCALARS: list[Any] = [None, True, False, -1, 0, 0.5, 1, 2, 3, "", "a", "b", "abc"]
FEW: list[Any] = [None, True, 0, 0.5, 2, "", "a", "abc"]
FLAT: list[Any] = [
    *SCALARS,
    *([item] for item in FEW),
    *([item, other] for item, other in itertools.combinations(FEW[2:6], 2)),
    *({"a": item} for item in FEW),
    *({"b": item} for item in FEW),
    *({"a": item, "b": other} for item in FEW[1:6] for other in FEW[1:6]),
    {"c": 1},
    [],
    {},
]
INSTANCES: list[Any] = [
    *FLAT,
    *({"a": value} for value in FLAT if isinstance(value, dict)),
    *([value] for value in FLAT if isinstance(value, dict)),
]

scalars = st.sampled_from(SCALARS)
limits = st.integers(0, 3)
type_names = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
NAMES = ("A", "B")
references = st.sampled_from([{"$ref": f"#/components/schemas/{name}"} for name in NAMES])


def some(**options: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries({}, optional=options)


def within(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    members = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        st.builds(
            lambda facts: {"type": "object", **facts},
            some(
                properties=st.dictionaries(st.sampled_from("ab"), inner | references, max_size=2),
                required=st.lists(st.sampled_from("ab"), unique=True, max_size=2),
                additionalProperties=st.booleans() | inner,
                maxProperties=limits,
            ),
        ),
        st.builds(
            lambda facts: {"type": "array", **facts},
            some(
                items=inner | references,
                prefixItems=members,
                minItems=limits,
                maxItems=limits,
                contains=inner,
                minContains=limits,
                maxContains=limits,
            ),
        ),
        st.builds(lambda each: {"anyOf": each}, members),
        st.builds(lambda each: {"oneOf": each}, members),
        st.builds(lambda each: {"allOf": each}, members),
        st.builds(lambda each, name: {"type": name, "anyOf": each}, members, type_names),
        st.builds(lambda each: {"not": each}, inner),
        st.builds(lambda each: {"allOf": [each], "nullable": True}, inner),
    )


leaves: st.SearchStrategy[Any] = st.one_of(
    st.just({}),
    st.booleans(),
    references,
    st.builds(lambda values: {"enum": values}, st.lists(scalars, max_size=3)),
    st.builds(lambda value: {"const": value}, scalars | st.sampled_from([[0], {"a": 0}])),
    st.builds(
        lambda name, facts: {"type": name, **facts},
        st.sampled_from(["integer", "number"]),
        some(
            minimum=limits,
            maximum=limits,
            exclusiveMinimum=limits,
            exclusiveMaximum=limits,
            multipleOf=st.sampled_from([0.5, 1, 2]),
        ),
    ),
    st.builds(
        lambda facts, nullable: {"type": "string", "nullable": nullable, **facts},
        some(minLength=limits, maxLength=limits, enum=st.lists(st.sampled_from(["a", "abc"]))),
        st.booleans(),
    ),
    st.builds(
        lambda types: {"type": types},
        st.lists(type_names, min_size=1, unique=True),
    ),
)
schemas: st.SearchStrategy[Any] = st.recursive(leaves, within, max_leaves=6).map(
    lambda s: s if s != {"enum": []} else False
)
components = st.fixed_dictionaries(dict.fromkeys(NAMES, schemas))


ANY_TYPE = "any"
EDITS: dict[str, dict[str, list[Any]]] = {
    "object": {
        "required": [["a"], ["b"], ["a", "b"]],
        "additionalProperties": [False, True, {"type": "string"}],
        "properties": [{}, {"a": True}, {"a": {"type": "string"}}, {"b": False}],
        "maxProperties": [0, 1, 2],
    },
    "array": {
        "items": [True, {"type": "integer"}, {"enum": ["a", 0]}],
        "minItems": [1, 2],
        "maxItems": [0, 1],
        "contains": [{"type": "string"}, {"const": 0}],
        "minContains": [0, 1, 2],
        "maxContains": [0, 1, 2],
    },
    "string": {
        "minLength": [1, 2, 3],
        "maxLength": [0, 1, 2],
        "enum": [["a"], ["a", "abc"]],
        "pattern": ["", ".*", "^.*$", "^a", "c"],
    },
    "number": {
        "minimum": [0, 1, 2],
        "maximum": [0, 1, 2],
        "exclusiveMinimum": [0, 1, 2],
        "exclusiveMaximum": [0, 1, 2],
        "multipleOf": [0.5, 1, 2],
        "type": ["integer", "number"],
    },
    ANY_TYPE: {
        "type": ["object", "array", "string", "integer", "number", ["string", "null"]],
        "enum": [["a"], ["a", "abc"], [0, 1, "a"], [None, True]],
        "oneOf": [[{"type": "string"}, {"minLength": 1}], [{"const": "a"}]],
        "not": [{"type": "integer"}, {"required": ["a"]}, {"const": "a"}],
    },
}
EDITS["integer"] = EDITS["number"]


def within_schema(schema: Any) -> Iterator[Json]:
    """Every object schema in a schema, itself first; what is named is not entered by its name."""
    if not isinstance(schema, dict):
        return
    yield schema
    for keyword, value in schema.items():
        if keyword in ("items", "additionalProperties", "not", "contains"):
            yield from within_schema(value)
        elif keyword in ("anyOf", "oneOf", "allOf", "prefixItems", "properties"):
            for member in value.values() if isinstance(value, dict) else value:
                yield from within_schema(member)


def edited(draw: st.DrawFn, schema: Any) -> Any:
    """The schema with one keyword more, less, or other than it was."""
    copied = json.loads(json.dumps(schema))
    nodes = list(within_schema(copied))
    if not nodes:
        return draw(schemas)
    node = draw(st.sampled_from(nodes))
    is_for_less = draw(st.booleans())
    edits = EDITS[ANY_TYPE]
    if isinstance(node.get("type"), str):
        edits = EDITS.get(node["type"], edits)
    keyword = draw(st.sampled_from(sorted(edits)))
    if node and is_for_less:
        del node[draw(st.sampled_from(sorted(node)))]
    else:
        node[keyword] = draw(st.sampled_from(edits[keyword]))
    return copied


def plain(draw: st.DrawFn) -> Json:
    """A schema of one type with a few conditions, near enough to its edits to tell them apart."""
    name = draw(st.sampled_from(["object", "array", "string", "number"]))
    keywords = draw(st.sets(st.sampled_from(sorted(EDITS[name])), max_size=2))
    facts = {keyword: draw(st.sampled_from(EDITS[name][keyword])) for keyword in sorted(keywords)}
    return {"type": name, **facts}


@st.composite
def versions(draw: st.DrawFn) -> tuple[Json, Json]:
    """A schema with its components, and what became of it: another one, or the same with a change.

    Two that were drawn apart have hardly anything in common, and nothing to be told wrongly.
    """
    parts = draw(components)
    kind = draw(st.sampled_from(["plain", "plain", "plain", "edited", "combined", "unrelated"]))
    old = plain(draw) if kind == "plain" else draw(schemas)
    if kind in ("plain", "edited"):
        return speech(old, schemas=parts), speech(edited(draw, old), schemas=parts)
    if kind == "unrelated":
        return speech(old, schemas=parts), speech(draw(schemas), schemas=draw(components))
    new: Json = draw(
        st.sampled_from(
            [
                {"anyOf": [old, draw(schemas)]},
                {"anyOf": [draw(schemas), old]},
                {"oneOf": [draw(schemas), old]},
                {"allOf": [old, draw(schemas)]},
                {"anyOf": [{"allOf": [draw(schemas), old]}, draw(leaves)]},
                {"type": "object", "properties": {"a": old, "b": draw(schemas)}},
            ]
        )
    )
    if "properties" in new:
        old = {
            "type": "object",
            "properties": {"a": old},
            "required": draw(st.sampled_from([[], ["a"]])),
        }
    pair = speech(old, schemas=parts), speech(new, schemas=parts)
    return pair if draw(st.booleans()) else (pair[1], pair[0])


def body(document: Json) -> Any:
    return operation(document)["requestBody"]["content"]["application/json"]["schema"]


class Validator:
    """JSON Schema as far as the schemas here go, each keyword by its definition."""

    def __init__(self, document: Json) -> None:
        self._schemas = document["components"]["schemas"]
        self._root = body(document)

    def accepts(self, value: Any) -> bool:
        return self._accepts(self._root, value)

    def provides_for(self, value: Any) -> bool:
        return self._provides([self._root], value)

    def _accepts(self, schema: Any, value: Any) -> bool:
        if isinstance(schema, bool):
            return schema
        if "$ref" in schema:
            return self._accepts(self._target(schema), value)
        if schema.get("nullable") and value is None:
            if "type" not in schema:
                return True
            schema = {**schema, "type": [*type_list(schema), "null"]}
        return self._matches(schema, value) and self._combines(schema, value)

    def _combines(self, schema: Json, value: Any) -> bool:
        matching = {
            keyword: sum(self._accepts(member, value) for member in schema.get(keyword, ()))
            for keyword in ("allOf", "anyOf", "oneOf")
        }
        return (
            matching["allOf"] == len(schema.get("allOf", ()))
            and (matching["anyOf"] > 0 or "anyOf" not in schema)
            and (matching["oneOf"] > 0 or "oneOf" not in schema)
        )

    def _matches(self, schema: Json, value: Any) -> bool:
        if "not" in schema and self._accepts(schema["not"], value):
            return False
        types = schema.get("type", kinds(value))
        if not set(kinds(value)) & set([types] if isinstance(types, str) else types):
            return False
        for keyword in ("enum", "const"):
            values = (
                schema.get(keyword, [value]) if keyword == "enum" else [schema.get(keyword, value)]
            )
            if not any(same(value, known) for known in values):
                return False
        if isinstance(value, str):
            length = range(schema.get("minLength", 0), schema.get("maxLength", 99) + 1)
            return len(value) in length and bool(re.search(schema.get("pattern", ""), value))
        if isinstance(value, list):
            return self._list_matches(schema, value)
        if isinstance(value, dict):
            return self._object_matches(schema, value)
        return isinstance(value, bool) or value is None or number_matches(schema, value)

    def _list_matches(self, schema: Json, value: list[Any]) -> bool:
        prefix = schema.get("prefixItems", [])
        each = [*prefix, *([schema.get("items", True)] * len(value))]
        return (
            schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 99)
            and all(self._accepts(each[index], item) for index, item in enumerate(value))
            and self._contains(schema, value)
        )

    def _contains(self, schema: Json, value: list[Any]) -> bool:
        if "contains" not in schema:
            return True
        matching = sum(self._accepts(schema["contains"], item) for item in value)
        return matching in range(schema.get("minContains", 1), schema.get("maxContains", 99) + 1)

    def _object_matches(self, schema: Json, value: Json) -> bool:
        declared, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        return (
            set(schema.get("required", [])) <= set(value)
            and len(value) <= schema.get("maxProperties", 99)
            and all(self._accepts(declared.get(name, others), value[name]) for name in value)
        )

    def _provides(self, schemas: list[Any], value: Any) -> bool:
        return all(self._accepts(schema, value) for schema in schemas) and any(
            all(self._accepts(leaf, value) for leaf in choice) and self._is_declared(choice, value)
            for choice in self._choices(schemas)
        )

    def _is_declared(self, choice: list[Json], value: Any) -> bool:
        if isinstance(value, list):
            return all(
                self._provides([item for leaf in choice for item in items_of(leaf, index)], each)
                for index, each in enumerate(value)
            )
        if not isinstance(value, dict):
            return True
        for name, each in value.items():
            said = [found for leaf in choice for found in said_of(leaf, name)]
            if not said or not self._provides(said, each):
                return any(same(value, leaf.get("const")) for leaf in choice if "const" in leaf)
        return True

    def _choices(self, schemas: list[Any]) -> Iterator[list[Json]]:
        """Each way to pick one alternative wherever there are several."""
        if not schemas:
            yield []
            return
        first, *rest = schemas
        if isinstance(first, bool):
            first = {} if first else {"not": {}}
        if "$ref" in first:
            yield from self._choices([self._target(first), *rest])
            return
        first = dict(first)
        if first.pop("nullable", False) and "type" not in first:
            yield from self._choices([{"type": "null"}, *rest])
        elif "type" in first and schemas[0].get("nullable"):
            first["type"] = [*type_list(first), "null"]
        for keyword in ("anyOf", "oneOf"):
            if keyword in first:
                members = first.pop(keyword)
                for member in members:
                    yield from self._choices([first, member, *rest])
                return
        members = first.pop("allOf", [])
        for choice in self._choices([*members, *rest]):
            yield [first, *choice]

    def _target(self, schema: Json) -> Any:
        return self._schemas[schema["$ref"].rpartition("/")[2]]


def items_of(leaf: Json, index: int) -> list[Any]:
    prefix = leaf.get("prefixItems", [])
    if index < len(prefix):
        return [prefix[index]]
    return [leaf["items"]] if "items" in leaf else []


def said_of(leaf: Json, name: str) -> list[Any]:
    if name in leaf.get("properties", {}):
        return [leaf["properties"][name]]
    others = leaf.get("additionalProperties", True)
    return [] if others in (True, {}) else [others]


def type_list(schema: Json) -> list[str]:
    found = schema["type"]
    return [found] if isinstance(found, str) else found


def kinds(value: Any) -> list[str]:
    if isinstance(value, bool):
        return ["boolean"]
    if isinstance(value, int | float):
        return ["number", "integer"] if float(value).is_integer() else ["number"]
    names = {type(None): "null", str: "string", list: "array", dict: "object"}
    return [names[type(value)]]


def same(one: Any, other: Any) -> bool:
    """Equal in JSON, where `True` is no number."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def number_matches(schema: Json, value: float) -> bool:
    step = schema.get("multipleOf")
    return (
        value >= float(schema.get("minimum", value))
        and value <= float(schema.get("maximum", value))
        and value > float(schema.get("exclusiveMinimum", value - 1))
        and value < float(schema.get("exclusiveMaximum", value + 1))
        and (step is None or (value / float(step)).is_integer())
    )


def compared(old: Json, new: Json) -> list[Finding]:
    """The findings; documents are passed over that define a schema by itself or by its opposite."""
    try:
        return findings(old, new)
    except ContractError as error:
        assume("nothing but itself" not in str(error))
        raise


def provided_and_refused(first: Json, second: Json) -> list[Any]:
    """What the first provides for and the second refuses.

    Documents are passed over that define a schema by itself in a place that the comparison need not
    look at: the validator, which looks everywhere, comes to no end there.
    """
    one, other = Validator(first), Validator(second)
    try:
        return [v for v in INSTANCES if one.provides_for(v) and not other.accepts(v)]
    except RecursionError:
        reject()


@settings(max_examples=400, deadline=None)
@given(pair=versions())
@example(pair=(speech({"anyOf": [{"type": "integer"}, {"type": "number"}]}),
               speech({"oneOf": [{"type": "integer"}]})))  # fmt: skip
def test_nothing_that_was_provided_for_is_lost_without_a_finding(pair: tuple[Json, Json]) -> None:
    """In both directions."""
    old, new = pair
    found = compared(old, new)
    for direction, first, second in (("narrowing", old, new), ("widening", new, old)):
        if not any(finding.direction == direction for finding in found):
            lost = provided_and_refused(first, second)
            assert not lost, (direction, body(first), body(second))


WRAPS: list[Callable[[Json], Any]] = [
    lambda schema: schema,
    lambda schema: {"type": "array", "items": schema},
    lambda schema: {"allOf": [{"required": ["b"]}, schema]},
    lambda schema: {"anyOf": [schema, {"type": "null"}]},
    lambda schema: {"type": "object", "properties": {"a": schema}, "required": ["a"]},
]


@settings(max_examples=100, deadline=None)
@given(
    inner=schemas,
    parts=components,
    wrap=st.sampled_from(WRAPS),
    required=st.sampled_from([[], ["a"]]),
)
def test_a_property_that_goes_from_an_answer_breaks(
    inner: Any, parts: Json, wrap: Callable[[Json], Any], required: list[str]
) -> None:
    """Unless it could have no value; that it comes never does."""
    kept: Json = {"type": "object", "properties": {"b": {"type": "string"}}}
    more = {**kept, "properties": {**kept["properties"], "a": inner}, "required": required}
    with_it = speech(True, wrap(more), schemas=parts)
    without = speech(True, wrap(kept), schemas=parts)
    came = compared(without, with_it)
    validator = Validator(speech(inner, schemas=parts))
    try:
        assume(any(validator.accepts(value) for value in INSTANCES))
    except RecursionError:
        reject()
    assert verdict(findings(with_it, without)) is Verdict.BREAKING
    assert verdict(came) is Verdict.ADDITIVE


TEXTS = ["", "a", "abc", "0", "1", "2", "0.5", "-1", "true", "false"]
texts = st.one_of(
    st.builds(
        lambda name, facts: {"type": name, **facts},
        st.sampled_from(["integer", "number"]),
        some(minimum=limits, maximum=limits, multipleOf=st.sampled_from([0.5, 1, 2])),
    ),
    st.builds(
        lambda facts: {"type": "string", **facts},
        some(minLength=limits, maxLength=limits, pattern=st.sampled_from(["", "^.*$", "^a"])),
    ),
    st.builds(lambda values: {"enum": values}, st.lists(st.sampled_from(TEXTS), min_size=1)),
    st.builds(lambda values: {"enum": values}, st.lists(st.sampled_from([0, 1, 2, 0.5, True]))),
    st.just({"type": "boolean"}),
    st.just({"type": ["integer", "string"]}),
)
lists = st.builds(
    lambda items, facts: {"type": "array", "items": items, **facts},
    texts,
    some(minItems=limits, maxItems=limits, contains=texts, uniqueItems=st.booleans()),
)


@settings(max_examples=300, deadline=None)
@given(old=texts | lists, new=texts | lists, explode=st.booleans())
def test_what_could_be_written_as_text_is_not_lost_without_a_finding(
    old: Json, new: Json, explode: bool
) -> None:
    """In a query, where `1` is a number and a string, and one item of an exploded array."""
    documents = []
    for schema in (old, new):
        documents.append(speech())
        operation(documents[-1])["parameters"] = [
            {"name": "q", "in": "query", "schema": schema, "explode": explode}
        ]
    directions = {finding.direction for finding in findings(*documents)}
    for direction, first, second in (("narrowing", old, new), ("widening", new, old)):
        if direction not in directions:
            assert written(first, explode=explode) <= written(second, explode=explode)


def written(schema: Json, *, explode: bool) -> set[str]:
    """The texts of one value that a parameter with this schema takes."""
    accepts = Validator(speech(schema)).accepts
    found = set()
    for text in TEXTS:
        values: list[Any] = [text]
        if text not in ("", "a", "abc"):
            values.append(json.loads(text))
        if any(accepts(value) or (explode and accepts([value])) for value in values):
            found.add(text)
    return found


def test_the_validator_knows_what_is_provided_for() -> None:
    """Accepted is one thing, provided for another."""
    one = {"type": "object", "properties": {"a": {"type": "string"}}}
    both = {"allOf": [one, {"type": "object", "properties": {"b": {"const": 1}}}]}
    either = {"anyOf": [one, {"type": "object", "additionalProperties": {"type": "integer"}}]}
    cases: list[tuple[Json, list[Any], list[Any]]] = [
        (one, [{}, {"a": "x"}], [{"b": 1}]),
        (both, [{}, {"a": "x", "b": 1}], [{"c": 1}]),
        (either, [{"a": "x"}, {"a": 1, "b": 2}], [{"a": "x", "b": 1}]),
        ({"oneOf": [one, {"type": "string"}]}, ["x", {"a": ""}], [{"b": []}]),
        ({"items": one}, [[{"a": "x"}], 1], [[{"b": 1}]]),
    ]
    for schema, provided, accepted in cases:
        validator = Validator(speech(schema))
        assert all(validator.provides_for(value) for value in provided)
        assert all(validator.accepts(value) for value in [*provided, *accepted])
        assert not any(validator.provides_for(value) for value in accepted)


@settings(max_examples=60, deadline=None)
@given(pair=versions())
def test_a_document_against_itself_is_nothing(pair: tuple[Json, Json]) -> None:
    """Whatever it says, on both sides."""
    compared(*pair)
    for document in pair:
        operation(document)["responses"]["200"]["content"]["application/json"]["schema"] = body(
            document
        )
        assert compared(document, document) == []


@settings(max_examples=100, deadline=None)
@given(pair=versions())
def test_to_swap_the_sides_is_to_swap_narrowing_and_widening(pair: tuple[Json, Json]) -> None:
    """Finding by finding, with old and new changing places."""
    turned = {"narrowing": "widening", "widening": "narrowing"}
    there = [
        (turned[f.direction], f.where, json.dumps(f.new), json.dumps(f.old))
        for f in compared(*pair)
        if f.direction in turned
    ]
    back = [
        (f.direction, f.where, json.dumps(f.old), json.dumps(f.new))
        for f in findings(pair[1], pair[0])
        if f.direction in turned
    ]
    assert sorted(there) == sorted(back)


@settings(max_examples=50, deadline=None)
@given(pair=versions(), more=schemas)
def test_an_addition_elsewhere_makes_no_verdict_smaller(pair: tuple[Json, Json], more: Any) -> None:
    """Another path and component change nothing; another property, parameter or status may add."""
    before = verdict(compared(*pair))
    for documents in ((1,), (0, 1), (0,)):
        grown: list[Json] = json.loads(json.dumps(pair))
        for index in documents:
            grown[index]["paths"]["/else"] = {"post": {"operationId": "else", "responses": {}}}
            grown[index]["components"]["schemas"]["Else"] = more
            grown[index]["tags"] = []
        assert verdict(findings(grown[0], grown[1])) >= before
    for documents in ((1,), (0, 1)):
        grown = json.loads(json.dumps(pair))
        for index in documents:
            operation(grown[index])["parameters"] = [{"name": "else", "in": "query"}]
            operation(grown[index])["responses"]["401"] = {"description": "d"}
        assert verdict(findings(grown[0], grown[1])) >= before
