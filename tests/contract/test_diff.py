"""What the comparison of two documents finds, and how it is told."""

from __future__ import annotations

import io
import json
import runpy
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from contract.compose import ROOT
from contract.diff import main
from contract.document import ContractError
from contract.report import Finding, Verdict, verdict
from tests.contract.documents import WHERE, Json, findings, operation, speech

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NONE, DOCS, ADDITIVE, BREAKING = Verdict.NONE, Verdict.DOCS, Verdict.ADDITIVE, Verdict.BREAKING


def told(found: list[Finding]) -> list[tuple[str, str, str]]:
    """The verdict, the direction and the place of each finding, without the operation's name."""
    return [
        (finding.verdict.name, finding.direction, finding.where.removeprefix(f"{WHERE} "))
        for finding in found
    ]


def of_request(old: Any, new: Any, **options: Any) -> list[Finding]:
    return findings(speech(old, **options), speech(new, **options))


def of_response(old: Any, new: Any, **options: Any) -> list[Finding]:
    return findings(speech(True, old, **options), speech(True, new, **options))


STRING: Json = {"type": "string"}
NODE: Json = {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Node"}}}
SCHEMAS: Json = {
    "Name": {"type": "string", "maxLength": 5},
    "Node": NODE,
    "Loop": {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Loop"}}},
}


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def obj(required: tuple[str, ...] = (), /, **properties: Any) -> Json:
    return {"type": "object", "properties": properties, "required": [*required]}


SAME: list[tuple[Any, Any]] = [
    ({"anyOf": [{"type": "string", "enum": ["a", "b"]}, STRING]}, STRING),
    ({"anyOf": [STRING, {"enum": ["a", "b"]}]}, {"anyOf": [{"const": "c"}, STRING]}),
    ({"type": "string", "enum": ["x"]}, {"const": "x"}),
    ({"enum": ["x"]}, {"type": "string", "const": "x"}),
    ({"enum": [1, 2.0]}, {"type": "number", "enum": [1.0, 2]}),
    ({"enum": ["a", 1, None, True]}, {"anyOf": [{"enum": [True, "a"]}, {"enum": [None, 1]}]}),
    ({"enum": ["a", "b", 3]}, {"oneOf": [{"const": "a"}, {"const": "b"}, {"const": 3}]}),
    ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
    ({"type": ["null", "string"]}, {"oneOf": [{"type": "null"}, STRING]}),
    ({"nullable": True, "allOf": [STRING]}, {"type": ["string", "null"]}),
    ({"type": "string", "nullable": False}, STRING),
    (ref("Name"), {"type": "string", "maxLength": 5}),
    ({"allOf": [ref("Name")]}, ref("Name")),
    ({"allOf": [STRING, {"maxLength": 5}]}, ref("Name")),
    ({"allOf": [{"maxLength": 9}, {"maxLength": 5}, STRING]}, ref("Name")),
    ({"$ref": "#/components/schemas/Name", "minLength": 2}, {**SCHEMAS["Name"], "minLength": 2}),
    (ref("Node"), ref("Loop")),
    (ref("Node"), obj(next=obj(next=ref("Loop")))),
    ({"oneOf": [STRING, {"type": "integer"}]}, {"anyOf": [{"type": "integer"}, STRING]}),
    ({"type": ["integer", "number"]}, {"type": "number"}),
    ({"anyOf": [{"type": "integer"}, {"type": "number"}]}, {"type": "number"}),
    ({"type": "integer", "exclusiveMinimum": 0}, {"type": "integer", "minimum": 1}),
    ({"type": "integer", "exclusiveMaximum": 0.5}, {"type": "integer", "maximum": 0}),
    ({"type": "integer", "multipleOf": 1}, {"type": "integer"}),
    ({"type": "object"}, {"type": "object", "additionalProperties": True}),
    ({"type": "object", "additionalProperties": {}}, {"type": "object", "properties": {}}),
    ({"allOf": [obj(a=STRING), obj(("a",), b=STRING)]}, obj(("a",), a=STRING, b=STRING)),
    ({"type": "array"}, {"type": "array", "items": {}}),
    ({"type": "array", "items": STRING}, {"type": "array", "items": {"allOf": [STRING]}}),
    ({"type": "boolean"}, {"enum": [True, False]}),
    (True, {}),
    (False, {"enum": []}),
    (obj(a=False), obj()),
    ({"anyOf": [STRING, STRING, {"type": "null"}]}, {"type": ["string", "null"], "nullable": True}),
    ({"allOf": [{"title": "t", **STRING}, {"title": "t"}]}, {"title": "t", **STRING}),
    ({"not": {}}, {"not": True}),
    ({"type": "string", "format": "byte"}, {"type": "string", "contentEncoding": "base64"}),
    (
        {"if": STRING, "then": {"minLength": 1}},
        {"then": {"minLength": 1, "description": "d"}, "if": STRING},
    ),
    (
        {"oneOf": [obj(("kind",), kind={"const": "a"}), obj(("kind",), kind={"const": "b"})]},
        {"anyOf": [obj(("kind",), kind={"enum": ["b"]}), obj(("kind",), kind={"enum": ["a"]})]},
    ),
    (
        {"type": "array", "prefixItems": [STRING], "items": False},
        {"type": "array", "prefixItems": [{"allOf": [STRING]}], "items": False},
    ),
]


@pytest.mark.parametrize(("one", "other"), SAME, ids=json.dumps)
def test_what_accepts_the_same_is_the_same_however_it_is_written(one: Any, other: Any) -> None:
    """In both directions, on both sides, at the top and within."""
    for old, new in ((one, other), (other, one), (one, one)):
        for compared in (of_request, of_response):
            assert [f for f in compared(old, new, schemas=SCHEMAS) if f.verdict > DOCS] == []
            inner = obj(p={"type": "array", "items": old}), obj(p={"type": "array", "items": new})
            assert verdict(compared(*inner, schemas=SCHEMAS)) <= DOCS


def test_known_values_beside_any_string_are_not_even_documentation() -> None:
    """The spelling alone differs."""
    open_list = {"anyOf": [{"type": "string", "enum": ["a", "b"]}, STRING]}
    assert of_request(open_list, STRING) == of_request(STRING, open_list) == []
    assert of_request({"type": "string", "enum": ["x"]}, {"const": "x"}) == []


# The first of each accepts all that the second does, and more.
NARROWER: list[tuple[Any, Any]] = [
    ({"type": ["string", "integer"]}, STRING),
    ({"type": ["string", "null"]}, STRING),
    ({"type": "string", "nullable": True}, STRING),
    ({"type": "number"}, {"type": "integer"}),
    (True, STRING),
    (STRING, False),
    (STRING, {"enum": ["a"]}),
    ({"anyOf": [{"enum": ["a"]}, STRING]}, {"enum": ["a"]}),
    (STRING, {"type": "string", "minLength": 1}),
    ({"type": "string", "maxLength": 9}, ref("Name")),
    (STRING, {"type": "string", "pattern": "^a"}),
    (STRING, {"type": "string", "format": "date"}),
    ({"enum": ["a", "bc"]}, {"enum": ["a", "bc"], "pattern": "^a"}),
    ({"type": ["string", "null"]}, {"type": ["string", "null"], "format": "date"}),
    ({"enum": ["a", "bc", 5]}, {"enum": ["a", "bc", 5], "format": "date"}),
    ({"type": "integer", "format": "int64"}, {"type": "integer", "format": "int32"}),
    ({"type": "number"}, {"type": "number", "minimum": 0}),
    ({"type": "number", "minimum": 0}, {"type": "number", "exclusiveMinimum": 0}),
    ({"type": "number", "maximum": 9}, {"type": "number", "maximum": 8.5}),
    ({"type": "number", "maximum": 9}, {"type": "number", "maximum": 9, "exclusiveMaximum": True}),
    ({"type": "number", "maximum": 9}, {"type": "number", "maximum": 9, "exclusiveMaximum": 7}),
    ({"type": "number", "multipleOf": 0.5}, {"type": "number", "multipleOf": 1.5}),
    ({"type": "array"}, {"type": "array", "items": STRING}),
    ({"type": "array"}, {"type": "array", "minItems": 1}),
    ({"type": "array"}, {"type": "array", "maxItems": 1}),
    ({"type": "array"}, {"type": "array", "uniqueItems": True}),
    ({"type": "array"}, {"type": "array", "prefixItems": [STRING]}),
    ({"type": "array"}, {"type": "array", "contains": STRING}),
    ({"type": "array"}, {"enum": [[1], [2]]}),
    ({"enum": [[1], {"a": 2}]}, {"enum": [[1.0]]}),
    ({"type": "array", "prefixItems": [STRING]}, {"type": "array", "prefixItems": [ref("Name")]}),
    ({"type": "object"}, {"type": "object", "minProperties": 1}),
    ({"type": "object"}, {"type": "object", "propertyNames": {"maxLength": 3}}),
    ({"type": "object"}, {"type": "object", "patternProperties": {"^x": STRING}}),
    ({"type": "object"}, {"type": "object", "dependentRequired": {"a": ["b"]}}),
    ({"type": "object"}, {"type": "object", "additionalProperties": STRING}),
    (obj(a=STRING), obj(("a",), a=STRING)),
    (obj(a=STRING), {"type": "object", "properties": {"a": STRING}, "required": ["a"]}),
    (obj(a={"type": ["string", "null"]}), obj(a=STRING)),
    (obj(a=obj(b=STRING)), obj(a=obj(("b",), b=STRING))),
    ({"anyOf": [STRING, obj(("a",), a=STRING)]}, STRING),
    ({"anyOf": [obj(("a",), a=STRING), obj(("b",), b=STRING)]}, obj(("a",), a=STRING)),
    (
        {"anyOf": [{"type": "string", "pattern": "a"}, {"type": "string", "pattern": "b"}]},
        {"type": "string", "pattern": "a"},
    ),
    ({"type": "object"}, {"type": "object", "not": {"required": ["a"]}}),
    ({"anyOf": [ref("Name"), {"type": "integer"}]}, ref("Name")),
    (obj(next=ref("Loop")), obj(next=obj(("next",), next=ref("Loop")))),
    (
        {"type": "object", "additionalProperties": {"type": ["string", "null"]}},
        {"type": "object", "additionalProperties": STRING},
    ),
    (STRING, {"if": {"minLength": 3}, "then": {"maxLength": 5}, "type": "string"}),
    (
        {"type": "object", "additionalProperties": STRING},
        {"type": "object", "additionalProperties": STRING, "properties": {"a": ref("Name")}},
    ),
]
# Here the answer does not break who reads it, though more may come.
HARMLESS: list[tuple[Any, Any]] = [
    ({"enum": ["a", "b"]}, {"enum": ["a"]}),
    ({"type": "boolean"}, {"const": True}),
    ({"type": "object"}, {"type": "object", "additionalProperties": False}),
]
# Here an answer has less than an application may have read.
GONE: list[tuple[Any, Any]] = [
    (obj(a=STRING, b=STRING), obj(a=STRING)),
    (obj(a=STRING), obj(a=False)),
    (obj(a={}), obj()),
    (
        {"type": "object", "additionalProperties": STRING},
        {"type": "object", "additionalProperties": STRING, "properties": {"a": False}},
    ),
    (
        {"type": "object", "additionalProperties": STRING},
        {"type": "object", "additionalProperties": False},
    ),
]


@pytest.mark.parametrize(("wide", "narrow"), [*NARROWER, *HARMLESS, *GONE], ids=json.dumps)
def test_on_the_way_to_the_service_a_narrowing_breaks_and_a_widening_adds(
    wide: Any, narrow: Any
) -> None:
    """At the top and within."""
    for wrap in (lambda schema: schema, lambda schema: obj(p={"type": "array", "items": schema})):
        found = of_request(wrap(wide), wrap(narrow), schemas=SCHEMAS)
        assert verdict(found) is BREAKING
        assert "narrowing" in {finding.direction for finding in found}
        if narrow != NARROWER[-1][1]:  # a declared property is a widening as well
            assert {finding.direction for finding in found} == {"narrowing"}
        assert verdict(of_request(wrap(narrow), wrap(wide), schemas=SCHEMAS)) is (
            BREAKING if narrow == NARROWER[-1][1] else ADDITIVE
        )


@pytest.mark.parametrize(("wide", "narrow"), NARROWER, ids=json.dumps)
def test_on_the_way_back_a_widening_breaks_and_a_narrowing_adds(wide: Any, narrow: Any) -> None:
    """The other way round."""
    assert verdict(of_response(narrow, wide, schemas=SCHEMAS)) is BREAKING
    assert verdict(of_response(wide, narrow, schemas=SCHEMAS)) is ADDITIVE


@pytest.mark.parametrize(("wide", "narrow"), HARMLESS, ids=json.dumps)
def test_what_a_client_passes_over_breaks_nothing(wide: Any, narrow: Any) -> None:
    """A list of values that grows, a new property."""
    assert verdict(of_response(narrow, wide)) is ADDITIVE
    assert verdict(of_response(wide, narrow)) is ADDITIVE


@pytest.mark.parametrize(("wide", "narrow"), GONE, ids=json.dumps)
def test_what_an_application_reads_and_is_gone_breaks(wide: Any, narrow: Any) -> None:
    """Required or not, at the top and within; that it comes in addition does not."""
    for wrap in (lambda schema: schema, lambda schema: obj(p={"type": "array", "items": schema})):
        assert verdict(of_response(wrap(wide), wrap(narrow))) is BREAKING
        assert verdict(of_response(wrap(narrow), wrap(wide))) is ADDITIVE


def test_a_list_that_grew_in_an_answer_comes_with_a_note() -> None:
    """But a list that lost a value, or is no list any more, is another matter."""
    (grown,) = of_response({"enum": ["a"]}, {"enum": ["a", "b"]})
    assert (grown.verdict, grown.old, grown.new) == (ADDITIVE, ["a"], ["a", "b"])
    assert grown.why == 'allowed now: "b"; who tells all values apart must learn of it'
    assert verdict(of_response({"const": "a"}, {"const": "b"})) is BREAKING
    assert verdict(of_response({"enum": ["a", "b"]}, {"enum": ["b", "c"]})) is BREAKING
    assert verdict(of_response({"enum": ["a"]}, STRING)) is BREAKING


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (obj(), obj(a=STRING), [("ADDITIVE", "widening", "request body.a")]),
        (obj(a=STRING), obj(), [("BREAKING", "narrowing", "request body.a")]),
        (
            obj(),
            obj(("a",), a=STRING),
            [
                ("BREAKING", "narrowing", "request body.a"),
                ("ADDITIVE", "widening", "request body.a"),
            ],
        ),
        (obj(a=STRING), obj(("a",), a=STRING), [("BREAKING", "narrowing", "request body.a")]),
        (obj(("a",), a=STRING), obj(a=STRING), [("ADDITIVE", "widening", "request body.a")]),
        (
            obj(a={"type": "array", "items": obj(b={"enum": ["x", "y"]})}),
            obj(a={"type": "array", "items": obj(b={"enum": ["x"]})}),
            [("BREAKING", "narrowing", "request body.a[].b")],
        ),
        (
            obj(a={"type": "array", "prefixItems": [STRING]}),
            obj(a={"type": "array", "prefixItems": [{"type": "integer"}]}),
            [
                ("BREAKING", "narrowing", "request body.a[0]"),
                ("ADDITIVE", "widening", "request body.a[0]"),
            ],
        ),
        (
            obj(a={"type": "object", "additionalProperties": {"type": "number"}}),
            obj(a={"type": "object", "additionalProperties": {"type": "integer"}}),
            [("BREAKING", "narrowing", "request body.a.*")],
        ),
        (obj(a={"default": 1}), obj(a={"default": 2}), [("BREAKING", "change", "request body.a")]),
        (obj(a={"default": 1}), obj(a={}), [("BREAKING", "change", "request body.a")]),
        (obj(a={}), obj(a={"default": 2}), [("ADDITIVE", "change", "request body.a")]),
        (obj(a={"default": 1}), obj(a={"default": 1.0}), []),
        (obj(a={"title": "T"}), obj(a={"title": "U"}), [("DOCS", "wording", "request body.a")]),
        (obj(a=STRING, b=STRING), obj(b=STRING, a=STRING), [("DOCS", "wording", "request body")]),
        ({"enum": ["a", "b"]}, {"enum": ["b", "a"]}, [("DOCS", "wording", "request body")]),
        (
            {"anyOf": [{"enum": ["a"]}, STRING]},
            {"anyOf": [{"enum": ["a", "b"]}, STRING]},
            [("DOCS", "wording", "request body")],
        ),
        (obj(a=True), obj(a={"description": "d"}), [("DOCS", "wording", "request body.a")]),
    ],
)
def test_each_finding_is_told_where_it_is(old: Any, new: Any, expected: list[Any]) -> None:
    """Once, and with nothing beside it."""
    assert told(of_request(old, new)) == expected


def test_a_changed_alternative_is_told_within_it() -> None:
    """And one that is gone or new as a whole."""
    cat = obj(("kind",), kind={"const": "cat"}, name=STRING)
    dog = obj(("kind",), kind={"const": "dog"}, name=STRING)
    bird = obj(("kind",), kind={"const": "bird"}, name=STRING)
    tamed = obj(("kind", "name"), kind={"const": "dog"}, name=STRING)
    one = {"oneOf": [cat, dog]}
    assert told(of_request(one, {"oneOf": [cat, tamed]})) == [
        ("BREAKING", "narrowing", "request body.name")
    ]
    (gone,) = of_request({"oneOf": [cat, dog, bird]}, {"oneOf": [bird, cat]})
    assert (gone.why, gone.old, gone.new) == (
        "an alternative for an object is gone",
        {"type": "object", "properties": ["kind", "name"]},
        None,
    )
    assert told(of_response(one, {"oneOf": [cat, dog, bird]})) == [
        ("BREAKING", "widening", "response 200 body")
    ]
    assert told(of_request(one, {"oneOf": [cat, dog, bird]})) == [
        ("ADDITIVE", "widening", "request body")
    ]


def test_listed_values_are_held_against_limits() -> None:
    """Those that do not fit are lost, and no other."""
    found = of_request({"enum": ["a", "abc"]}, {"type": "string", "maxLength": 2})
    assert [finding.why for finding in found] == [
        'no longer allowed: "abc"',
        "any value is allowed now, not only those that are listed",
    ]
    long, few = {"type": "array", "minItems": 5}, {"type": "array", "uniqueItems": True}
    (gone,) = of_request({"anyOf": [{"enum": [[1, 1]]}, long, few]}, {"anyOf": [long, few]})
    assert (gone.why, gone.old) == ("an alternative for an array is gone", [[1, 1]])


OVERLAP = "members of a `oneOf` match the same values, so it is read as `anyOf`"


def test_alternatives_that_overlap_are_read_as_any_of_them() -> None:
    """One more or one less is told as such, and that they overlap once."""
    one, other, third = obj(a=STRING), obj(b=STRING), obj(c=STRING)
    few, many = {"oneOf": [one, other]}, {"oneOf": [one, third, other]}
    alternative = {"type": "object", "properties": ["c"]}
    for compared, directions in (
        (of_request, {"widening": ADDITIVE, "narrowing": BREAKING}),
        (of_response, {"widening": BREAKING, "narrowing": ADDITIVE}),
    ):
        assert compared(few, few) == []
        new, overlap = compared(few, many)
        assert (new.verdict, new.direction) == (directions["widening"], "widening")
        assert (new.why, new.old, new.new) == (
            "a new alternative for an object", None, alternative,
        )  # fmt: skip
        assert (overlap.verdict, overlap.direction, overlap.why) == (DOCS, "wording", OVERLAP)
        gone, overlap = compared(many, few)
        assert (gone.verdict, gone.direction) == (directions["narrowing"], "narrowing")
        assert (gone.why, gone.old, gone.new) == (
            "an alternative for an object is gone", alternative, None,
        )  # fmt: skip
        assert (overlap.verdict, overlap.why) == (DOCS, OVERLAP)


def test_an_overlap_is_told_where_its_members_are_others() -> None:
    """Not where they only have another order, other words, or a component to stand in."""
    named = {"A": {**obj(a=STRING), "description": "d"}}
    members = [obj(a=STRING), obj(b=STRING)]
    (order,) = of_request({"oneOf": members}, {"oneOf": members[::-1]})
    assert order.why == "the properties stand in another order"
    (words,) = of_request({"oneOf": members}, {"oneOf": [ref("A"), members[1]]}, schemas=named)
    assert words.why == "`description` reads differently"
    (overlap,) = of_request({"anyOf": members}, {"oneOf": members})
    assert overlap.why == OVERLAP
    assert of_request({"oneOf": members}, {"anyOf": members}) == [overlap]
    inner = obj(p={"anyOf": members}), obj(p={"allOf": [{"oneOf": members}]})
    (overlap,) = of_request(*inner)
    assert (overlap.where, overlap.why) == (f"{WHERE} request body.p", OVERLAP)


def test_what_not_names_is_refused() -> None:
    """More of it narrows, less of it widens."""
    wide, narrow = {"not": STRING}, {"not": {"type": ["string", "null"]}}
    assert verdict(of_request(wide, narrow)) is BREAKING
    assert verdict(of_request(narrow, wide)) is ADDITIVE
    wide, narrow = obj(), {**obj(), "not": {"required": ["a"]}}
    (found,) = of_request(wide, narrow)
    assert found.why == "what `not` names is no longer allowed"
    (found,) = of_request(narrow, wide)
    assert found.why == "what `not` named is allowed now"
    assert of_request({"type": "integer", "not": STRING}, {"type": "integer"}) == []
    assert of_request({"type": "integer"}, {"type": "integer", "not": STRING}) == []


NUMBER, ARRAY = {"type": "number"}, {"type": "array"}


@pytest.mark.parametrize(
    ("one", "other", "are_apart"),
    [
        ({"maximum": 1, **NUMBER}, {"minimum": 2, **NUMBER}, True),
        ({"exclusiveMaximum": 2, **NUMBER}, {"minimum": 2, **NUMBER}, True),
        ({"maximum": 2, **NUMBER}, {"minimum": 2, **NUMBER}, False),
        ({"maxLength": 2, **STRING}, {"minLength": 3, **STRING}, True),
        ({"enum": ["a"]}, {"enum": ["b"]}, True),
        ({"enum": ["abc"]}, {"maxLength": 2, **STRING}, True),
        ({"enum": [1.5]}, {"type": "integer"}, True),
        ({"enum": [5]}, {"multipleOf": 2, **NUMBER}, True),
        ({"enum": [5]}, {"minimum": 6, **NUMBER}, True),
        ({"enum": [5]}, {"exclusiveMaximum": 5, **NUMBER}, True),
        ({"enum": [4]}, {"multipleOf": 2, **NUMBER}, False),
        ({"items": STRING, "minItems": 1, **ARRAY}, {"items": {"type": "null"}, **ARRAY}, True),
        ({"items": STRING, **ARRAY}, {"items": {"type": "null"}, **ARRAY}, False),
        (
            {"prefixItems": [STRING], "minItems": 1, **ARRAY},
            {"prefixItems": [{"type": "null"}], "items": False, **ARRAY},
            True,
        ),
        (obj(("a",), a=STRING), obj(a={"type": "null"}), True),
        (obj(("a",), a=STRING), {"type": "object", "additionalProperties": False}, True),
        (obj(a=STRING), obj(a={"type": "null"}), False),
        (obj(("next",), next=ref("Chain")), ref("Chain"), False),
    ],
)
def test_alternatives_that_are_surely_apart_do_not_overlap(
    one: Json, other: Json, are_apart: bool
) -> None:
    """So `oneOf` and `anyOf` of them are wholly the same."""
    both = [one, other]
    schemas = {"Chain": obj(("next",), next=ref("Chain"))}
    found = of_request({"anyOf": both}, {"oneOf": both}, schemas=schemas)
    assert [finding.why for finding in found] == ([] if are_apart else [OVERLAP])


def test_properties_for_the_other_side_only_do_not_count() -> None:
    """`readOnly` is not sent to the service, `writeOnly` not back; references are followed."""
    hidden = {
        "Id": {"type": "string", "readOnly": True},
        "Key": {"$ref": "#/components/schemas/Secret"},
        "Secret": {"type": "string", "writeOnly": True},
        "Self": {"$ref": "#/components/schemas/Self"},
    }
    old, new = obj(("id", "a"), id=ref("Id"), a=STRING), obj(("a",), a=STRING)
    assert of_request(old, new, schemas=hidden) == of_request(new, old, schemas=hidden) == []
    assert verdict(of_response(old, new, schemas=hidden)) is BREAKING
    old = obj(("k",), k=ref("Key"))
    assert of_response(old, obj(), schemas=hidden) == []
    assert verdict(of_request(old, obj(), schemas=hidden)) is BREAKING
    with pytest.raises(ContractError, match="refers to nothing but itself"):
        of_request(obj(a=ref("Self")), obj(), schemas=hidden)


def test_a_change_within_a_circle_is_told_once() -> None:
    """However often the circle is gone round; one without a change has none."""

    def tree(leaf: Json) -> Json:
        children = {"type": "array", "items": {"anyOf": [ref("Tree"), {"type": "null"}]}}
        return {
            "Tree": obj(leaf=leaf, children=children, twin=ref("Twin")),
            "Twin": obj(t=ref("Tree")),
        }

    old = speech(ref("Tree"), schemas=tree(STRING))
    assert findings(old, old) == []
    new = speech(ref("Tree"), schemas=tree({"type": "string", "maxLength": 3}))
    assert told(findings(old, new)) == [("BREAKING", "narrowing", "request body.leaf")]
    assert told(findings(new, old)) == [("ADDITIVE", "widening", "request body.leaf")]
    renamed = json.loads(json.dumps(new).replace("Tree", "Wood"))
    assert findings(new, renamed) == []


def test_conditions_are_told_apart_by_all_that_they_say() -> None:
    """References in them are followed, and circles closed."""
    schemas = {"Loop": obj(a=ref("Loop"), b={"enum": ["x", "y"]}, c=True)}
    other = {"Hoop": obj(a=ref("Hoop"), c=True, b={"enum": ["y", "x"], "title": "t"})}
    old = speech({"contains": ref("Loop")}, schemas=schemas)
    assert findings(old, speech({"contains": ref("Hoop")}, schemas=other)) == []
    other["Hoop"]["properties"]["b"]["enum"] = ["y"]
    assert verdict(findings(old, speech({"contains": ref("Hoop")}, schemas=other))) is BREAKING
    beside = {"contains": {"$ref": "#/components/schemas/Loop", "minProperties": 1}}
    assert verdict(findings(old, speech(beside, schemas=schemas))) is BREAKING
    groups = {"contains": {"allOf": [STRING], "patternProperties": {"a": STRING}}}
    assert of_request(groups, groups) == []


def test_openapi_3_0_means_what_it_says() -> None:
    """Exclusive bounds are flags, and what stands beside a reference counts for nothing."""
    old = speech({"type": "integer", "minimum": 0, "exclusiveMinimum": True}, openapi="3.0.3")
    assert findings(old, speech({"type": "integer", "minimum": 1})) == []
    assert findings(old, speech({"type": "integer", "exclusiveMinimum": 0})) == []
    old = speech({"type": "integer", "minimum": 0, "exclusiveMinimum": False}, openapi="3.0.3")
    assert findings(old, speech({"type": "integer", "minimum": 0})) == []
    beside = {"$ref": "#/components/schemas/Name", "minLength": 3}
    old = speech(beside, openapi="3.0.3", schemas=SCHEMAS)
    assert findings(old, speech(ref("Name"), schemas=SCHEMAS)) == []
    assert verdict(findings(old, speech(beside, schemas=SCHEMAS))) is BREAKING
    old = speech({"type": "string", "format": "binary"}, openapi="3.0.3")
    octets = {"type": "string", "contentMediaType": "application/octet-stream"}
    assert findings(old, speech(octets)) == []


def test_a_date_or_a_number_without_quotes_is_a_value_like_any_other(tmp_path: Path) -> None:
    """YAML has more kinds of them than JSON."""
    old = json.dumps(speech({"enum": ["X"]}))
    for word in ("2024-01-31", ".inf", "&a true", "1e3", "!!binary aGk="):
        (tmp_path / "old.yaml").write_text(old.replace('"X"', word))
        (tmp_path / "new.yaml").write_text(old.replace('"X"', f"{word}, 5"))
        assert main([str(tmp_path / "old.yaml"), str(tmp_path / "new.yaml")]) == 0


# --- operations --------------------------------------------------------------------------------


def changed(change: Callable[[Json, Json], None]) -> tuple[Json, Json]:
    """A document, and the same after a change to it and its operation."""
    old = speech(obj(a=STRING), obj(a=STRING))
    new: Json = json.loads(json.dumps(old))
    change(new, operation(new))
    return old, new


def add_parameter(**facts: Any) -> Callable[[Json, Json], None]:
    def change(_: Json, op: Json) -> None:
        op["parameters"] = [{"name": "model", "in": "query", "schema": STRING, **facts}]

    return change


def move_server(document: Json, _: Json) -> None:
    document["servers"] = [{"url": "https://api.example/v2"}]


def add_server(document: Json, _: Json) -> None:
    document["servers"].append({"url": "https://other.example/v1"})


def add_server_first(document: Json, _: Json) -> None:
    document["servers"].insert(0, {"url": "https://other.example/v1"})


def override_server(_: Json, op: Json) -> None:
    op["servers"] = [{"url": "https://api.example/v2"}]


def override_server_of_the_path(document: Json, _: Json) -> None:
    document["paths"]["/audio/speech"]["servers"] = [{"url": "https://api.example/v2"}]


def describe_server(document: Json, op: Json) -> None:
    op["servers"] = [{**document["servers"][0], "description": "d", "x-a": 1}]


def remove_servers(document: Json, _: Json) -> None:
    del document["servers"]


def change_scheme(document: Json, _: Json) -> None:
    document["components"]["securitySchemes"]["bearer"]["scheme"] = "basic"


def rename_scheme(document: Json, _: Json) -> None:
    schemes = document["components"]["securitySchemes"]
    schemes["other"] = {**schemes.pop("bearer"), "x-b": 1}
    document["security"] = [{"other": []}]


def describe_scheme(document: Json, _: Json) -> None:
    document["components"]["securitySchemes"]["bearer"]["description"] = "d"


def let_anybody_in(_: Json, op: Json) -> None:
    op["security"] = [{}, {"bearer": []}]


def demand_nothing(document: Json, _: Json) -> None:
    del document["security"]
    del document["components"]


def demand_a_scope(document: Json, _: Json) -> None:
    document["security"] = [{"bearer": ["speak"]}]


def remove_body(_: Json, op: Json) -> None:
    del op["requestBody"]


def require_body(_: Json, op: Json) -> None:
    op["requestBody"]["required"] = True


def add_request_type(_: Json, op: Json) -> None:
    op["requestBody"]["content"]["text/plain"] = {"schema": STRING}


def move_request_type(_: Json, op: Json) -> None:
    content = op["requestBody"]["content"]
    content["text/json"] = content.pop("application/json")


def spell_request_type(_: Json, op: Json) -> None:
    content = op["requestBody"]["content"]
    content["Application/JSON; charset=utf-8"] = content.pop("application/json")


def widen_request_type(_: Json, op: Json) -> None:
    content = op["requestBody"]["content"]
    content["application/*"] = content.pop("application/json")


def encode_body(_: Json, op: Json) -> None:
    media_type = op["requestBody"]["content"]["application/json"]
    media_type["encoding"] = {"a": {"contentType": "text/plain"}}


def remove_response(_: Json, op: Json) -> None:
    op["responses"] = {"204": {"description": "d"}}


def remove_responses(_: Json, op: Json) -> None:
    del op["responses"]


def add_failure(_: Json, op: Json) -> None:
    op["responses"]["401"] = {"description": "d"}
    op["responses"]["default"] = {"description": "d"}
    op["responses"]["x-note"] = "n"


def add_success(_: Json, op: Json) -> None:
    op["responses"]["202"] = {"description": "d"}


def widen_status(_: Json, op: Json) -> None:
    op["responses"]["2XX"] = op["responses"].pop("200")


def remove_response_type(_: Json, op: Json) -> None:
    op["responses"]["200"]["content"] = {}


def add_response_type(_: Json, op: Json) -> None:
    op["responses"]["200"]["content"]["audio/wav"] = {}


def add_header(_: Json, op: Json) -> None:
    op["responses"]["200"]["headers"] = {"X-A": {"schema": STRING}}


def add_required_header(_: Json, op: Json) -> None:
    op["responses"]["200"]["headers"] = {"X-A": {"schema": STRING, "required": True}}


def move(document: Json, _: Json) -> None:
    document["paths"]["/speech"] = document["paths"].pop("/audio/speech")


def use_another_method(document: Json, _: Json) -> None:
    item = document["paths"]["/audio/speech"]
    item["put"] = item.pop("post")


def rename(_: Json, op: Json) -> None:
    op["operationId"] = "audioSpeech"


def forget_its_name(_: Json, op: Json) -> None:
    del op["operationId"]


def remove_operation(document: Json, _: Json) -> None:
    document["paths"] = {"/other": {"get": {"operationId": "other"}}}


def add_operation(document: Json, _: Json) -> None:
    document["paths"]["/voices"] = {"get": {"operationId": "fetchVoices", "responses": {}}}


def add_something_else(document: Json, _: Json) -> None:
    document["paths"]["/x"] = {"get": {"operationId": "x", "responses": {}}}
    document["components"]["schemas"]["X"] = STRING


def add_callback(_: Json, op: Json) -> None:
    op["callbacks"] = {"done": {"{$url}": {"post": {"responses": {}}}}}


def reword(document: Json, op: Json) -> None:
    document["info"]["description"] = "d"
    document["x-note"] = "n"
    document["paths"]["/audio/speech"]["summary"] = "s"
    op["summary"] = "s"
    op["tags"] = ["T"]
    op["x-codeSamples"] = []
    op["requestBody"]["description"] = "d"
    op["requestBody"]["content"]["application/json"]["example"] = {}
    op["responses"]["200"]["description"] = "Fine"


CHANGES: list[tuple[Callable[[Json, Json], None], Verdict, Verdict, str]] = [
    # change, verdict there, verdict back, where
    (add_parameter(), ADDITIVE, BREAKING, "query parameter model"),
    (add_parameter(required=True), BREAKING, BREAKING, "query parameter model"),
    (move_server, BREAKING, BREAKING, "servers"),
    (add_server, ADDITIVE, BREAKING, "servers"),
    (add_server_first, ADDITIVE, BREAKING, "servers"),
    (override_server, BREAKING, BREAKING, "servers"),
    (override_server_of_the_path, BREAKING, BREAKING, "servers"),
    (remove_servers, BREAKING, BREAKING, "servers"),
    (change_scheme, BREAKING, BREAKING, "security"),
    (rename_scheme, NONE, NONE, ""),
    (let_anybody_in, ADDITIVE, BREAKING, "security"),
    (demand_nothing, ADDITIVE, BREAKING, "security"),
    (demand_a_scope, BREAKING, ADDITIVE, "security"),
    (remove_body, BREAKING, ADDITIVE, "request body"),
    (require_body, BREAKING, ADDITIVE, "request body"),
    (add_request_type, ADDITIVE, BREAKING, "request body (text/plain)"),
    (move_request_type, BREAKING, BREAKING, "request body (application/json)"),
    (spell_request_type, NONE, NONE, ""),
    (widen_request_type, ADDITIVE, BREAKING, "request body (application/*)"),
    (encode_body, BREAKING, BREAKING, "request body"),
    (remove_response, BREAKING, BREAKING, "response 200"),
    (remove_responses, BREAKING, BREAKING, "response 200"),
    (add_failure, ADDITIVE, BREAKING, "response 401"),
    (add_success, BREAKING, BREAKING, "response 202"),
    (widen_status, BREAKING, BREAKING, "response 2XX"),
    (remove_response_type, BREAKING, ADDITIVE, "response 200 body"),
    (add_response_type, ADDITIVE, BREAKING, "response 200 body (audio/wav)"),
    (add_header, ADDITIVE, BREAKING, "response 200 header x-a"),
    (add_required_header, ADDITIVE, BREAKING, "response 200 header x-a"),
    (add_callback, BREAKING, BREAKING, "callbacks"),
    (move, BREAKING, BREAKING, WHERE),
    (use_another_method, BREAKING, BREAKING, WHERE),
    (add_operation, ADDITIVE, BREAKING, "GET /voices"),
    (add_something_else, NONE, NONE, ""),
]


@pytest.mark.parametrize(("change", "there", "back", "where"), CHANGES)
def test_operations_are_compared_in_all_that_callers_rely_on(
    change: Callable[[Json, Json], None], there: Verdict, back: Verdict, where: str
) -> None:
    """Each change, and its undoing."""
    old, new = changed(change)
    found = findings(old, new)
    assert verdict(found) is there
    assert not where or where in [place for _, _, place in told(found)]
    assert verdict(findings(new, old)) is back
    assert findings(new, new) == []


@pytest.mark.parametrize("change", [reword, describe_server, describe_scheme])
def test_words_alone_are_documentation(change: Callable[[Json, Json], None]) -> None:
    """Wherever they stand; those about servers are not even looked at."""
    old, new = changed(change)
    expected = NONE if change is describe_server else DOCS
    assert verdict(findings(old, new)) is verdict(findings(new, old)) is expected


def test_rewording_is_told_for_each_place() -> None:
    """With the old text and the new one."""
    found = findings(*changed(reword))
    assert [finding.where.removeprefix(WHERE).strip() for finding in found] == [
        "", "", "", "path /audio/speech", "request body", "request body", "response 200",
        "document", "document",
    ]  # fmt: skip
    assert [f.why for f in found if f.where.endswith("200")] == ["`description` reads differently"]
    assert [(f.old, f.new) for f in found if f.where.endswith("200")] == [("OK", "Fine")]


def test_an_operation_that_is_gone_breaks() -> None:
    """And one that lost its name is still compared."""
    (gone,) = findings(*changed(remove_operation))
    assert (gone.verdict, gone.direction, gone.where) == (BREAKING, "narrowing", WHERE)
    assert gone.why == "the operation 'audio-speech' is gone"
    for change, name in ((rename, "audioSpeech"), (forget_its_name, None)):
        old, new = changed(change)
        operation(new)["requestBody"]["required"] = True
        renamed, required = findings(old, new)
        assert (renamed.verdict, renamed.direction, renamed.new) == (BREAKING, "change", name)
        assert required.where == f"{WHERE} request body"


def with_parameters(*parameters: Json, path: str = "/audio/speech") -> Json:
    document = speech()
    document["paths"] = {path: document["paths"]["/audio/speech"]}
    document["paths"][path]["post"]["parameters"] = [*parameters]
    return document


QUERY = {"name": "q", "in": "query", "schema": {"type": "array"}}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (QUERY, {**QUERY, "explode": False}, BREAKING),
        (QUERY, {**QUERY, "style": "form", "explode": True}, NONE),
        (QUERY, {**QUERY, "style": "spaceDelimited"}, BREAKING),
        (QUERY, {**QUERY, "allowReserved": True}, ADDITIVE),
        ({**QUERY, "allowReserved": True}, QUERY, BREAKING),
        (QUERY, {**QUERY, "required": True}, BREAKING),
        ({**QUERY, "required": True}, QUERY, ADDITIVE),
        (QUERY, {**QUERY, "description": "d", "example": [], "deprecated": True}, DOCS),
        (QUERY, {**QUERY, "schema": {"type": "array", "default": []}}, ADDITIVE),
        (QUERY, {**QUERY, "schema": {"type": ["array", "null"]}}, ADDITIVE),
        ({**QUERY, "schema": {}}, {"name": "q", "in": "query"}, NONE),
        (QUERY, {"name": "q", "in": "query", "content": {"application/json": {}}}, BREAKING),
        (QUERY, {**QUERY, "name": "r"}, BREAKING),
        ({**QUERY, "in": "header"}, {**QUERY, "in": "header", "name": "Q"}, NONE),
        (QUERY, {**QUERY, "in": "header"}, BREAKING),
        (
            {"name": "Accept", "in": "header"},
            {"name": "authorization", "in": "header", "required": True},
            NONE,
        ),
    ],
)
def test_parameters(old: Json, new: Json, expected: Verdict) -> None:
    """Names of headers know no case, and some mean nothing."""
    assert verdict(findings(with_parameters(old), with_parameters(new))) is expected


def test_parameters_of_a_path_are_known_by_their_place() -> None:
    """Their names are nobody's business; those of the path item hold for its operations."""
    one = {"name": "a", "in": "path", "required": True, "schema": STRING}
    old = with_parameters(one, path="/x/{a}")
    new = with_parameters({**one, "name": "b"}, path="/x/{b}")
    assert findings(old, new) == []
    shared = with_parameters(path="/x/{a}")
    shared["paths"]["/x/{a}"]["parameters"] = [{**one, "schema": {"type": "null"}}]
    assert verdict(findings(old, shared)) is BREAKING
    shared["paths"]["/x/{a}"]["post"]["parameters"] = [one]
    assert findings(old, shared) == []
    stray = with_parameters({**one, "name": "z"}, path="/x/{a}")
    assert verdict(findings(old, stray)) is BREAKING


def test_order_is_documentation() -> None:
    """Of parameters, of statuses, of content types, of operations."""
    other = {**QUERY, "name": "r"}
    assert told(findings(with_parameters(QUERY, other), with_parameters(other, QUERY))) == [
        ("DOCS", "wording", WHERE)
    ]
    old = speech()
    add_failure(old, operation(old))
    add_response_type(old, operation(old))
    add_operation(old, operation(old))
    new: Json = json.loads(json.dumps(old))
    for holder, key in (
        (operation(new), "responses"),
        (operation(new)["responses"]["200"], "content"),
        (new, "paths"),
    ):
        holder[key] = dict(reversed(holder[key].items()))
    found = findings(old, new)
    assert [finding.why for finding in found] == [
        "the statuses stand in another order",
        "the content types stand in another order",
        "the paths stand in another order",
    ]
    assert verdict(found) is DOCS


def test_components_of_every_kind_are_followed() -> None:
    """A reference in place of a parameter, a body, a response, a header."""
    plain = with_parameters(QUERY)
    add_header(plain, operation(plain))
    referred: Json = json.loads(json.dumps(plain))
    op = operation(referred)
    components = referred["components"]
    components["parameters"] = {"Q": op["parameters"][0]}
    components["requestBodies"] = {"B": op["requestBody"]}
    components["headers"] = {"H": op["responses"]["200"]["headers"]["X-A"]}
    op["responses"]["200"]["headers"]["X-A"] = {"$ref": "#/components/headers/H"}
    components["responses"] = {
        "R": op["responses"]["200"],
        "S": {"$ref": "#/components/responses/R"},
    }
    op["parameters"] = [{"$ref": "#/components/parameters/Q"}]
    op["requestBody"] = {"$ref": "#/components/requestBodies/B"}
    op["responses"] = {"200": {"$ref": "#/components/responses/S"}}
    assert findings(plain, referred) == findings(referred, plain) == []
    components["headers"]["H"] = {"schema": {"type": "string", "description": "d"}}
    assert told(findings(plain, referred)) == [("DOCS", "wording", "response 200 header x-a")]
    components["headers"]["H"] = {"schema": {"type": ["string", "null"]}}
    assert told(findings(plain, referred)) == [("BREAKING", "widening", "response 200 header x-a")]


def test_variables_of_a_server_count() -> None:
    """Their description does not."""

    def document(**variable: Any) -> Json:
        found = speech()
        found["servers"] = [{"url": "https://{r}.example", "variables": {"r": variable}}]
        return found

    old = document(default="eu")
    assert findings(old, document(default="eu", description="d")) == []
    assert verdict(findings(old, document(default="us"))) is BREAKING


def test_discriminators_count() -> None:
    """A value more adds; anything else breaks."""

    def tagged(discriminator: Any) -> Json:
        schemas = {"A": obj(("k",), k={"const": "a"}), "B": obj(("k",), k={"const": "b"})}
        body: Json = {"oneOf": [ref("A"), ref("B")]}
        if discriminator:
            body["discriminator"] = discriminator
        return speech(body, schemas=schemas)

    bare, named = tagged(None), tagged({"propertyName": "k"})
    mapped = tagged({"propertyName": "k", "mapping": {"a": "A"}})
    more = tagged({"propertyName": "k", "mapping": {"b": "B", "a": "A"}})
    other = tagged({"propertyName": "k", "mapping": {"a": "B"}})
    assert [verdict(findings(bare, new)) for new in (bare, named, mapped)] == [
        NONE, ADDITIVE, ADDITIVE,
    ]  # fmt: skip
    assert verdict(findings(named, mapped)) is verdict(findings(mapped, more)) is ADDITIVE
    assert {
        verdict(findings(*pair))
        for pair in ((named, bare), (more, mapped), (mapped, other), (named, tagged("k")))
    } == {BREAKING}


# --- documents that are broken -----------------------------------------------------------------


def unsound(body: Any, **schemas: Any) -> Json:
    return speech(body, schemas=schemas)


UNSOUND: list[tuple[Json, str]] = [
    (unsound(ref("None")), "dangling reference: there is no '#/components/schemas/None'"),
    (unsound({"$ref": "other.yaml"}), "is not a local reference"),
    (unsound(5), "schema is 5, not a schema"),
    (unsound(ref("A"), A=ref("A")), "#/components/schemas/A: the schema refers to nothing but"),
    (unsound(ref("A"), A={"allOf": [STRING, ref("A")]}), "refers to nothing but itself"),
    (unsound({"type": "text"}), "schema/type: 'text' is no type"),
    (unsound({"enum": "a"}), "schema/enum is no list of values"),
    (unsound({"minimum": "a"}), "schema/minimum is 'a', not a number"),
    (unsound({"minLength": True}), "schema/minLength is True, not a number"),
    (unsound({"multipleOf": 0}), "schema/multipleOf is 0, not above 0"),
    (unsound({"required": "a"}), "schema/required is no list of names"),
    (unsound({"properties": []}), "schema/properties is no mapping of schemas"),
    (unsound({"anyOf": []}), "schema/anyOf is no list of schemas"),
    (unsound({"anyOf": STRING}), "schema/anyOf is no list of schemas"),
    (unsound({"$ref": 5}), "the `\\$ref` is no string"),
    (speech() | {"servers": [5]}, "the servers are no list of URLs"),
    (speech() | {"security": [{"other": []}]}, "security scheme 'other' is missing"),
    (speech() | {"components": {"securitySchemes": {"bearer": 5}}}, "bearer is 5, not a mapping"),
    (with_parameters({"$ref": "#/components/parameters/P"}), "dangling"),
]
_twice = speech()
_twice["paths"]["/again"] = {"post": operation(_twice)}
_circle = speech()
_circle["components"]["responses"] = {"R": {"$ref": "#/components/responses/R"}}
operation(_circle)["responses"]["200"] = {"$ref": "#/components/responses/R"}
_odd = with_parameters()
operation(_odd)["parameters"] = {"name": "q"}
_body = speech()
operation(_body)["requestBody"]["content"] = []
UNSOUND += [
    (_twice, "more than once"),
    (_circle, "responses/R refers to nothing but itself"),
    (_odd, "parameters is no list"),
    (_body, "content is \\[\\], not a mapping"),
]


@pytest.mark.parametrize(("document", "reason"), UNSOUND)
def test_a_broken_document_is_refused_on_either_side(document: Json, reason: str) -> None:
    """With the place, and which of the two it is."""
    with pytest.raises(ContractError, match=f"the old document: .*{reason}"):
        findings(document, speech(STRING))
    with pytest.raises(ContractError, match=f"the new document: .*{reason}"):
        findings(speech(STRING), document)


def test_what_is_broken_is_found_though_the_other_document_has_no_such_place() -> None:
    """So that no verdict rests on half a document."""
    deep = speech(obj(a={"type": "array", "items": obj(b={"type": "text"})}))
    for pair in ((deep, speech(obj())), (speech(obj()), deep), (deep, speech() | {"paths": {}})):
        with pytest.raises(ContractError, match="'text' is no type"):
            findings(*pair)


def test_an_old_document_without_the_operations_is_refused() -> None:
    """It cannot be what was meant; as the new one it is sound, and breaks."""
    empty = speech() | {"paths": {}}
    with pytest.raises(ContractError, match="has none of the operations audio-speech, fetchVoices"):
        findings(empty, speech())
    assert verdict(findings(speech(), empty)) is BREAKING


# --- the command -------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """Two documents of which the second adds, rewords and breaks."""
    old = obj(a=STRING, b={"enum": ["x", "y|z"]})
    new = obj(a={"type": "string", "title": "50%\n"}, b={"enum": ["x"]}, c=STRING)
    paths = tmp_path / "old.yaml", tmp_path / "new.json"
    for path, body in zip(paths, (old, new), strict=True):
        path.write_text(json.dumps(speech(body)), encoding="utf-8")
    return str(paths[0]), str(paths[1])


@pytest.mark.parametrize(
    ("body", "statuses"),
    [
        (obj(a=STRING), (0, 0, 0)),
        (obj(a={"type": "string", "title": "t"}), (0, 0, 1)),
        (obj(a=STRING, b=STRING), (0, 1, 1)),
        (obj(), (1, 1, 1)),
    ],
)
def test_the_exit_status_follows_the_verdict(
    tmp_path: Path, body: Json, statuses: tuple[int, int, int]
) -> None:
    """When it is asked to."""
    paths = [str(tmp_path / name) for name in ("old.yaml", "new.yaml")]
    (tmp_path / "old.yaml").write_text(json.dumps(speech(obj(a=STRING))), encoding="utf-8")
    (tmp_path / "new.yaml").write_text(json.dumps(speech(body)), encoding="utf-8")
    limits = ("breaking", "additive", "docs")
    assert tuple(main([*paths, "--fail-on", limit]) for limit in limits) == statuses
    assert main(paths) == 0


def test_documents_come_from_git_and_from_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file with a colon in its name is a file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spec.yaml").write_text(json.dumps(speech(obj(a=STRING))), encoding="utf-8")
    for command in (
        ["git", "init", "--quiet"],
        ["git", "add", "spec.yaml"],
        ["git", "-c", "user.name=N", "-c", "user.email=e@example", "commit", "--quiet", "-m", "m"],
    ):
        subprocess.run(command, check=True)
    new = json.dumps(speech(obj()))
    (tmp_path / "a:b").write_text(new, encoding="utf-8")
    assert main(["HEAD:spec.yaml", "a:b", "--fail-on", "breaking"]) == 1
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(new.encode())))
    assert main(["HEAD:spec.yaml", "-", "--format", "github"]) == 0
    assert f"::error title=BREAKING {WHERE} request body.a::" in capsys.readouterr().out
    for source, reason in (
        ("HEAD:none.yaml", "HEAD:none.yaml: cannot be read from git: fatal: path 'none.yaml'"),
        ("none:spec.yaml", "none:spec.yaml: cannot be read from git: fatal:"),
        ("none.yaml", "none.yaml: cannot be read: No such file"),
    ):
        assert main([source, "spec.yaml"]) == 2
        assert capsys.readouterr().err.startswith(f"contract.diff: {reason}")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["HEAD:spec.yaml", "spec.yaml"]) == 2
    assert (
        capsys.readouterr().err == "contract.diff: git cannot be run: No such file or directory\n"
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not an OpenAPI 3 document"),
        ("swagger: '2.0'\npaths: {}\n", "not an OpenAPI 3 document"),
        ("a: [\n", "invalid YAML"),
        ("openapi: 3.1.0\nopenapi: 3.1.0\npaths: {}\n", 'found duplicate key "openapi"'),
        ("openapi: 3.1.0\npaths: []\n", "#/paths is []"),
        (json.dumps(unsound(ref("None"))), "dangling reference"),
    ],
)
def test_a_broken_document_is_one_line_and_status_2(
    files: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    text: str,
    reason: str,
) -> None:
    """On either side, whatever --fail-on says; never a verdict."""
    path = tmp_path / "broken.yaml"
    path.write_text(text, encoding="utf-8")
    for sides in ([str(path), files[1]], [files[0], str(path)]):
        assert main([*sides, "--fail-on", "breaking"]) == 2
        said = capsys.readouterr()
        assert reason in said.err
        assert len(said.err.splitlines()) == 1
        assert said.out == ""


def test_schemas_too_deep_to_follow_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rather than end in a traceback."""
    schemas = {f"S{n}": obj(p=ref(f"S{n + 1}")) for n in range(500)} | {"S500": STRING}
    paths = [tmp_path / "old.json", tmp_path / "new.json"]
    for path in paths:
        path.write_text(json.dumps(speech(ref("S0"), schemas=schemas)), encoding="utf-8")
    assert main([str(path) for path in paths]) == 2
    assert "too deep to follow" in capsys.readouterr().err


def test_a_dash_is_no_revision() -> None:
    """Git would take it for an option."""
    with pytest.raises(SystemExit) as ended:
        main(["--upload-pack=x:y", "-"])
    assert ended.value.code == 2
    assert main(["--", "-x:y", "-"]) == 2


def test_the_exit_status_is_the_command_s(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`python -m contract.diff` ends with what `main` returns."""
    spec = str(ROOT / "openapi.yaml")
    monkeypatch.setattr(sys, "argv", ["contract.diff", spec, spec, "--fail-on", "docs"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "contract" / "diff.py"), run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out == "NONE\n"
