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
from tests.contract.frozen import SPEC_FILE

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
    (STRING, {"type": "string", "pattern": ""}),
    (STRING, {"type": "string", "pattern": ".*"}),
    ({"type": "string", "pattern": "^.*$"}, {"type": "string", "pattern": "[\\s\\S]*"}),
    ({"enum": ["a", "b"]}, {"enum": ["a", "b"], "pattern": ".*"}),
    ({"enum": ["mp3", "wav", 5]}, {"enum": ["mp3", "wav", 5], "pattern": "^[a-z0-9]+$"}),
    ({"const": "mp3"}, {"allOf": [{"enum": ["mp3", "wav"]}, {"pattern": "p"}]}),
    ({"type": "array"}, {"type": "array", "minContains": 2, "maxContains": 3}),
    ({"type": "array"}, {"type": "array", "contains": STRING, "minContains": 0}),
    (
        {"type": "array", "contains": STRING},
        {"type": "array", "contains": STRING, "minContains": 1},
    ),
    (
        {"type": "array", "contains": STRING, "minContains": 2},
        {"allOf": [{"type": "array", "contains": STRING}, {"contains": STRING, "minContains": 2}]},
    ),
    ({"enum": [1, 2]}, {"enum": [1, 2], "maximum": 2}),
    ({"enum": [1, 2]}, {"type": "integer", "enum": [1, 2], "exclusiveMinimum": 0}),
    ({"enum": ["a", "bc"]}, {"enum": ["a", "bc"], "minLength": 1, "maxLength": 2}),
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
    ({"type": ["string", "null"]}, {"type": ["string", "null"], "format": "date"}),
    ({"enum": ["a", "bc", 5]}, {"enum": ["a", "bc", 5], "format": "date"}),
    ({"type": "integer", "format": "int64"}, {"type": "integer", "format": "int32"}),
    ({"type": "number", "format": "double"}, {"type": "number", "format": "float"}),
    ({"type": ["number", "string"]}, {"type": ["number", "string"], "format": "int64"}),
    ({"type": ["number", "string"]}, {"type": ["number", "string"], "format": "float"}),
    ({"type": ["number", "string"]}, {"type": ["number", "string"], "format": "double"}),
    (STRING, {"type": "string", "contentEncoding": "base64"}),
    (STRING, {"type": "string", "contentMediaType": "image/png"}),
    ({"type": "object"}, {"type": "object", "maxProperties": 1}),
    ({"type": "object"}, {"type": "object", "dependentSchemas": {"a": {"required": ["b"]}}}),
    ({"type": "object"}, {"type": "object", "unevaluatedProperties": False}),
    ({"type": "number", "maximum": 9}, {"type": "number", "maximum": 9, "minimum": 9}),
    ({"type": "number"}, {"type": "number", "multipleOf": 0.1}),
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
    ({"type": "array"}, {"type": "array", "unevaluatedItems": False}),
    (
        {"type": "array", "contains": STRING},
        {"type": "array", "contains": STRING, "minContains": 2},
    ),
    (
        {"type": "array", "contains": STRING, "maxContains": 3},
        {"type": "array", "contains": STRING, "maxContains": 2},
    ),
    (
        {"type": "array", "contains": STRING, "minContains": 0},
        {"type": "array", "contains": STRING, "minContains": 0, "maxContains": 2},
    ),
    (
        {"type": "array", "contains": STRING, "minContains": 0, "maxContains": 2},
        {"type": "array", "contains": STRING, "maxContains": 2},
    ),
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
    ({"enum": ["a", "bc"]}, {"enum": ["a", "bc"], "pattern": "^a"}),
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


def test_an_alternative_that_is_gone_is_told_beside_one_that_changed() -> None:
    """The one that changed is set against what it became, and the others against nothing."""
    cat, dog, bird = (obj(("kind",), kind={"const": kind}) for kind in ("cat", "dog", "bird"))
    tamed = obj(("kind", "name"), kind={"const": "dog"}, name=STRING)
    found = of_request({"oneOf": [cat, dog, bird]}, {"oneOf": [tamed]})
    assert [(finding.where.removeprefix(WHERE), finding.why) for finding in found] == [
        (" request body", "an alternative for an object is gone"),
        (" request body.name", "is required now"),
        (" request body.name", "a new property"),
    ]


def test_words_are_compared_in_every_schema_below() -> None:
    """Of properties, of items by their place or not, of further properties."""
    one, other = ({"type": "string", "description": said} for said in ("d", "e"))
    for where, wrap in (
        (".p", lambda schema: obj(p=schema)),
        ("[]", lambda schema: {"type": "array", "items": schema}),
        ("[0]", lambda schema: {"type": "array", "prefixItems": [schema]}),
        (".*", lambda schema: {"type": "object", "additionalProperties": schema}),
        ("", lambda schema: {"anyOf": [schema, INTEGER]}),
    ):
        (found,) = of_request(wrap(one), wrap(other))
        assert found.where == f"{WHERE} request body{where}"
        assert (found.why, found.old, found.new) == ("`description` reads differently", "d", "e")


@pytest.mark.parametrize("key", [5, 0.5, None, True])
def test_a_keyword_that_is_no_text_is_documentation(key: Any) -> None:
    """YAML takes any scalar for a key; here it is known by its text."""
    (found,) = of_request({**STRING, "x": 1, key: 1}, {**STRING, "x": 1, key: 2})
    assert (found.verdict, found.why) == (DOCS, f"`{key}` reads differently")
    (found,) = of_request({**STRING, "x": 1}, {**STRING, "x": 1, key: 2})
    assert (found.verdict, found.old, found.new) == (DOCS, None, 2)


def test_listed_values_are_held_against_limits() -> None:
    """Those that do not fit are lost, and no other."""
    found = of_request({"enum": ["a", "abc"]}, {"type": "string", "maxLength": 2})
    assert [finding.why for finding in found] == [
        'no longer allowed: "abc"',
        "any value is allowed now, not only those that are listed",
    ]
    (free,) = of_request({"enum": ["a", "ab"]}, {"type": "string", "pattern": "^a"})
    assert free.why == "any value is allowed now, not only those that are listed"
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


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"allOf": [{"minLength": 1}]}, {"allOf": [{"minLength": 2}]}),
        ({"anyOf": [{"minLength": 1}, {}]}, {"anyOf": [{"minLength": 2}, {}]}),
        ({"oneOf": [{"minLength": 1}]}, {"oneOf": [{"minLength": 2}]}),
        ({"prefixItems": [{"minLength": 1}]}, {"prefixItems": [{"minLength": 2}]}),
        ({"properties": {"a": {"minLength": 1}}}, {"properties": {"a": {"minLength": 2}}}),
        ({"patternProperties": {"a": STRING}}, {"patternProperties": {"a": {}}}),
        ({"dependentSchemas": {"a": STRING}}, {"dependentSchemas": {"a": {}}}),
        ({"items": {"minLength": 1}}, {"items": {"minLength": 2}}),
        ({"not": {"minLength": 1}}, {"not": {"minLength": 2}}),
        ({"not": True}, {"not": False}),
        ({"enum": ["a", 1]}, {"enum": ["a", 2]}),
        ({"enum": ["a", 1, None, True, [1], {"b": 2}]}, {"enum": ["a", 1, None, True, [1]]}),
        ({"const": 1}, {"const": True}),
        ({"type": ["string", "null"]}, {"type": ["string"]}),
        ({"required": ["a", "b"]}, {"required": ["a"]}),
        (ref("Name"), ref("Node")),
        ({"allOf": [ref("Name")]}, {"allOf": [ref("Node")]}),
        ({"$ref": "#/components/schemas/Name", "minLength": 2}, ref("Name")),
    ],
    ids=json.dumps,
)
@pytest.mark.parametrize(
    ("type_name", "keyword"),
    [
        ("array", "contains"),
        ("array", "unevaluatedItems"),
        ("object", "propertyNames"),
        ("object", "unevaluatedProperties"),
        ("string", "if"),
    ],
)
def test_a_change_in_a_schema_that_is_only_told_apart_is_seen(
    type_name: str, keyword: str, old: Any, new: Any
) -> None:
    """Whatever keyword it is behind; it may refuse what was sent, so it breaks either way."""
    schemas = [{"type": type_name, keyword: {"title": "t", **inner}} for inner in (old, new)]
    found = of_request(*schemas, schemas=SCHEMAS)
    assert told(found) == [
        ("BREAKING", "narrowing", "request body"),
        ("ADDITIVE", "widening", "request body"),
    ]
    assert {finding.why for finding in found} == {f"`{keyword}` is another"}
    for inner in (old, new):
        same = [{"type": type_name, keyword: {**inner, "description": said}} for said in ("d", "e")]
        assert of_request(*same, schemas=SCHEMAS) == []


@pytest.mark.parametrize(
    "keyword",
    [
        "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not",
        "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties",
        "allOf", "anyOf", "oneOf", "prefixItems",
        "dependentSchemas", "patternProperties", "properties",
    ],
)  # fmt: skip
def test_every_keyword_is_followed_to_the_component_behind_it(keyword: str) -> None:
    """In a schema that is only told apart: what it is called there means nothing."""
    inner: Any = ref("Inner")
    if keyword in ("allOf", "anyOf", "oneOf", "prefixItems"):
        inner = [inner]
    elif keyword in ("dependentSchemas", "patternProperties", "properties"):
        inner = {"a": inner}
    body = {"type": "array", "contains": {keyword: inner}}
    old = speech(body, schemas={"Inner": {"type": "string", "maxLength": 1}})
    new = speech(body, schemas={"Inner": {"type": "string", "maxLength": 2}})
    assert told(findings(old, new)) == [
        ("BREAKING", "narrowing", "request body"),
        ("ADDITIVE", "widening", "request body"),
    ]
    assert findings(old, json.loads(json.dumps(old).replace("Inner", "Other"))) == []


@pytest.mark.parametrize("keyword", ["then", "else"])
def test_both_ways_of_an_if_are_compared(keyword: str) -> None:
    """Each says what holds."""
    condition = {"type": "string", "if": {"minLength": 3}}
    old, new = ({**condition, keyword: {"maxLength": most}} for most in (5, 6))
    assert [(f.why, f.old, f.new) for f in of_request(old, new)] == [
        (
            "`if` is another",
            {"if": {"minLength": 3}, keyword: {"maxLength": 5}},
            {"if": {"minLength": 3}, keyword: {"maxLength": 6}},
        )
    ] * 2


def test_lists_that_are_sets_have_no_order_in_them() -> None:
    """Of mixed types too."""
    old = {"type": ["string", "null"], "enum": ["a", 1, None], "required": ["a", "b"]}
    new = {"type": ["null", "string"], "enum": [None, "a", 1], "required": ["b", "a"]}
    assert of_request({"contains": old}, {"contains": new}) == []
    ordered = {"prefixItems": [STRING, {}]}, {"prefixItems": [{}, STRING]}
    assert verdict(of_request(*({"contains": each} for each in ordered))) is BREAKING


@pytest.mark.parametrize(
    ("old", "new", "why_lost", "why_gained", "said"),
    [
        (
            {"type": ["string", "integer"]}, STRING,
            "no longer allowed: integer", "allowed now: integer",
            (["integer", "string"], ["string"]),
        ),
        (
            {}, {"type": "object"},
            "no longer allowed: null, boolean, number, string, array",
            "allowed now: null, boolean, number, string, array",
            (["any"], ["object"]),
        ),
        (
            {"type": "number"}, {"type": "integer"},
            "only whole numbers are allowed now", "numbers that are not whole are allowed now",
            ("number", "integer"),
        ),
        (
            {"enum": ["b", "a", "c"]}, {"enum": ["c"]},
            'no longer allowed: "a", "b"', 'allowed now: "a", "b"',
            (["a", "b", "c"], ["c"]),
        ),
        (
            {"oneOf": [{"const": "a"}, {"const": "b"}, {"enum": ["c"]}]}, {"const": "c"},
            'no longer allowed: "a", "b"', 'allowed now: "a", "b"',
            (["a", "b", "c"], ["c"]),
        ),
        (
            STRING, {"enum": ["a"]},
            "only listed values are allowed now",
            "any value is allowed now, not only those that are listed",
            (None, ["a"]),
        ),
        (
            {"type": "number"}, {"type": "number", "minimum": 0.5},
            "`minimum` is higher", "`minimum` is lower", (None, 0.5),
        ),
        (
            {"type": "number", "maximum": 9}, {"type": "number", "exclusiveMaximum": 9},
            "`maximum` is lower", "`maximum` is higher", (9, "9, exclusive"),
        ),
        (
            {"type": "number", "multipleOf": 0.5}, {"type": "number", "multipleOf": 1.5},
            "`multipleOf` is stricter", "`multipleOf` is less strict", ([0.5], 1.5),
        ),
        (
            {"type": "string", "maxLength": 9}, {"type": "string", "maxLength": 5},
            "`maxLength` is lower", "`maxLength` is higher", (9, 5),
        ),
        (
            {"type": "array", "minItems": 1}, {"type": "array", "minItems": 2},
            "`minItems` is higher", "`minItems` is lower", (1, 2),
        ),
        (
            {"type": "object"}, {"type": "object", "maxProperties": 2},
            "`maxProperties` is lower", "`maxProperties` is higher", (None, 2),
        ),
        (
            STRING, {"type": "string", "pattern": "^a"},
            "`pattern` is a new condition", "`pattern` is no longer a condition", (None, "^a"),
        ),
        (
            {"type": "string", "pattern": ""}, {"type": "string", "pattern": "^a"},
            "`pattern` is a new condition", "`pattern` is no longer a condition", ("", "^a"),
        ),
        (
            {"enum": ["a", "b"]}, {"enum": ["a", "b"], "pattern": "b"},
            'no longer allowed: "a"', 'allowed now: "a"', (["a", "b"], ["b"]),
        ),
        (
            {"enum": ["a", "b"]}, {"enum": ["a", "b"], "format": "date"},
            "`format` is a new condition", "`format` is no longer a condition", (None, "date"),
        ),
        (
            {"enum": ["a", "b"], "format": "date", "pattern": "a|b"},
            {"enum": ["a"], "format": "date"},
            'no longer allowed: "b"', 'allowed now: "b"', (["a", "b"], ["a"]),
        ),
        *(
            (
                {"enum": ["a", "b", value]}, {"enum": ["a", "b", value], "pattern": pattern},
                "`pattern` is a new condition", "`pattern` is no longer a condition",
                (None, pattern),
            )
            for value, pattern in (
                ("é", "\\w"), ("c\n", "[a-c]$"),  # which JavaScript reads otherwise, as these:
                ("c", "\\p{L}"), ("c", "\\Ac"), ("c", "(?i)C"), ("c", "[[c]"), ("c", "[]c]"),
                ("c", "(" * 2_000 + "c" + ")" * 2_000), ("c", "c{99999999999999}"),
                ("c" * 50, "(c+)+d"),
            )
        ),
        (
            {"type": "array"}, {"type": "array", "uniqueItems": True},
            "`uniqueItems` is a new condition", "`uniqueItems` is no longer a condition",
            (None, True),
        ),
        (
            {"type": "array"}, {"type": "array", "contains": STRING},
            "`contains` is a new condition", "`contains` is no longer a condition",
            (None, STRING),
        ),
        (
            {"type": "array", "contains": {}}, {"type": "array", "contains": {}, "minContains": 2},
            "`minContains` is higher", "`minContains` is lower", (1, 2),
        ),
        (
            {"type": "array", "contains": {}, "maxContains": 3},
            {"type": "array", "contains": {}, "maxContains": 2},
            "`maxContains` is lower", "`maxContains` is higher", (3, 2),
        ),
        (
            obj(a=STRING), obj(("a",), a=STRING),
            "is required now", "is no longer required", (False, True),
        ),
        (
            obj(a={"type": ["string", "null"]}), obj(),
            "the property is gone", "a new property", (["null", "string"], None),
        ),
        (
            {"type": "object"}, {"type": "object", "additionalProperties": False},
            "further properties are no longer allowed", "further properties are allowed now",
            (True, False),
        ),
    ],
)  # fmt: skip
def test_a_finding_says_what_was_and_what_is(
    old: Any, new: Any, why_lost: str, why_gained: str, said: tuple[Any, Any]
) -> None:
    """Once, with nothing beside it; there and back."""
    (lost,) = of_request(old, new)
    assert (lost.verdict, lost.direction, lost.why) == (BREAKING, "narrowing", why_lost)
    assert (lost.old, lost.new) == said
    (gained,) = of_request(new, old)
    assert (gained.verdict, gained.direction, gained.why) == (ADDITIVE, "widening", why_gained)
    assert (gained.new, gained.old) == said


def test_a_condition_that_is_another_says_both() -> None:
    """A narrowing and a widening, each with the old one before the new one."""
    for keyword, old, new in (
        ("pattern", "^a", "^b"),
        ("format", "date", "time"),
        ("contentEncoding", "base64", "base32"),
    ):
        found = of_request({"type": "string", keyword: old}, {"type": "string", keyword: new})
        assert [finding.why for finding in found] == [f"`{keyword}` is another"] * 2
        assert [(finding.old, finding.new) for finding in found] == [(old, new)] * 2
    found = of_request({"type": "array", "contains": STRING}, {"type": "array", "contains": {}})
    assert [(f.why, f.old, f.new) for f in found] == [("`contains` is another", STRING, {})] * 2


def test_a_default_is_the_client_s_business_only_on_the_way_to_the_service() -> None:
    """The service sends what it sends."""
    one, two, none = obj(a={"default": 1}), obj(a={"default": 2}), obj(a={})
    for old, new, there, why in (
        (one, two, BREAKING, "the default is another"),
        (one, none, BREAKING, "the default is no longer given"),
        (none, two, ADDITIVE, "a default is given now"),
    ):
        (sent,), (received,) = of_request(old, new), of_response(old, new)
        assert (sent.verdict, sent.direction, sent.why) == (there, "change", why)
        assert (received.verdict, received.direction, received.why) == (DOCS, "change", why)


def test_listed_values_of_another_format_are_told_beside_those_that_are_gone() -> None:
    """Each once."""
    old = {"enum": ["a", "b", "c"], "format": "date"}
    found = of_request(old, {"enum": ["a", "b"], "format": "time"})
    assert [(f.verdict, f.why) for f in found if f.direction == "narrowing"] == [
        (BREAKING, "`format` is another"),
        (BREAKING, 'no longer allowed: "c"'),
    ]


def test_a_pattern_that_every_text_matches_is_none() -> None:
    """So to come to it is to widen, whichever way the text goes."""
    for everything in (".*", "", "^.*$", "^.*", "(.*)", "[\\s\\S]*"):
        wide, narrow = ({"type": "string", "pattern": said} for said in (everything, "^a$"))
        assert verdict(of_request(narrow, wide)) is ADDITIVE
        assert verdict(of_request(wide, narrow)) is BREAKING
        assert verdict(of_response(wide, narrow)) is ADDITIVE
        assert verdict(of_response(narrow, wide)) is BREAKING
    for something in ("^$", ".+", "^a*$", "\\.*"):
        wide, narrow = STRING, {"type": "string", "pattern": something}
        assert verdict(of_request(wide, narrow)) is BREAKING


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


def say_what_the_bearer_bears(document: Json, _: Json) -> None:
    document["components"]["securitySchemes"]["bearer"]["bearerFormat"] = "JWT"


def describe_scheme(document: Json, _: Json) -> None:
    document["components"]["securitySchemes"]["bearer"]["description"] = "d"


def let_anybody_in(_: Json, op: Json) -> None:
    op["security"] = [{}, {"bearer": []}]


def demand_nothing(document: Json, _: Json) -> None:
    del document["security"]
    del document["components"]


def demand_a_scope(document: Json, _: Json) -> None:
    document["security"] = [{"bearer": ["speak"]}]


def move_the_version_into_the_path(document: Json, _: Json) -> None:
    document["servers"] = [{"url": "https://api.example"}]
    document["paths"]["/v1/audio/speech"] = document["paths"].pop("/audio/speech")


def move_the_version_and_lose_it(document: Json, _: Json) -> None:
    document["servers"] = [{"url": "https://api.example"}, {"url": "https://api.example/v2"}]
    document["paths"]["/v1/audio/speech"] = document["paths"].pop("/audio/speech")


def end_server_with_a_slash(document: Json, _: Json) -> None:
    document["servers"] = [{"url": "https://api.example/v1/"}]


def say_bearer_in_capitals(document: Json, _: Json) -> None:
    document["components"]["securitySchemes"]["bearer"]["scheme"] = "Bearer"


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


def leave_a_failure_to_the_default(_: Json, op: Json) -> None:
    op["responses"]["default"] = {"description": "d"}
    op["responses"].pop("401", None)


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
    (move_the_version_into_the_path, NONE, NONE, ""),
    (move_the_version_and_lose_it, ADDITIVE, BREAKING, "servers"),
    (end_server_with_a_slash, NONE, NONE, ""),
    (say_bearer_in_capitals, NONE, NONE, ""),
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


@pytest.mark.parametrize(
    "change", [reword, describe_server, describe_scheme, say_what_the_bearer_bears]
)
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


def test_a_status_may_be_covered_by_a_wider_one() -> None:
    """By its class or by the default; then nothing is gone."""
    old, new = changed(leave_a_failure_to_the_default)
    operation(old)["responses"]["401"] = {"description": "d"}
    assert [(f.verdict, f.why, f.new) for f in findings(old, new)] == [
        (ADDITIVE, "a new status", "DEFAULT")
    ]
    operation(new)["responses"]["4XX"] = operation(new)["responses"].pop("default")
    assert [(f.verdict, f.why, f.new) for f in findings(old, new)] == [
        (ADDITIVE, "a new status", "4XX")
    ]


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


@pytest.mark.parametrize(
    ("change", "there", "back"),
    [
        (remove_body, ("the request body is gone", True, None),
         ("a request body is new", None, True)),
        (require_body, ("is required now", False, True), ("is no longer required", True, False)),
        (add_parameter(), ("a new parameter", None, True), ("the parameter is gone", True, None)),
        (add_request_type, ("a new content type", None, "text/plain"),
         ("the content type is gone", "text/plain", None)),
        (add_failure, ("a new status", None, "401"), ("the status is gone", "401", None)),
        (add_header, ("a new header", None, True), ("the header is gone", True, None)),
        (encode_body,
         ("the parts are encoded differently", {}, {"a": {"contentType": "text/plain"}}),
         ("the parts are encoded differently", {"a": {"contentType": "text/plain"}}, {})),
        (add_server, ("a new server", ["https://api.example/v1"],
                      ["https://api.example/v1", "https://other.example/v1"]),
         ("a server is gone", ["https://api.example/v1", "https://other.example/v1"],
          ["https://api.example/v1"])),
        (add_operation, ("a new operation 'fetchVoices'", None, "fetchVoices"),
         ("the operation 'fetchVoices' is gone", "fetchVoices", None)),
        (move, ("the operation has moved", WHERE, "POST /speech"),
         ("the operation has moved", "POST /speech", WHERE)),
        (use_another_method, ("the operation has moved", WHERE, "PUT /audio/speech"),
         ("the operation has moved", "PUT /audio/speech", WHERE)),
        (demand_a_scope, ("a way to be let in is no longer enough",
                          ['{"scheme": "bearer", "type": "http"}'],
                          [['{"scheme": "bearer", "type": "http"}',
                            '{"scheme": "bearer", "type": "http"} scope speak']]),
         ("another way to be let in",
          [['{"scheme": "bearer", "type": "http"}',
            '{"scheme": "bearer", "type": "http"} scope speak']],
          ['{"scheme": "bearer", "type": "http"}'])),
    ],
)  # fmt: skip
def test_each_change_of_an_operation_says_what_was_and_what_is(
    change: Callable[[Json, Json], None], there: tuple[str, Any, Any], back: tuple[str, Any, Any]
) -> None:
    """The old one first, whichever of the two documents has the thing."""
    old, new = changed(change)
    for pair, expected in (((old, new), there), ((new, old), back)):
        found = [(finding.why, finding.old, finding.new) for finding in findings(*pair)]
        assert expected in found


def test_each_finding_knows_where_it_stands() -> None:
    """In the new document; what is gone from it, in the old one."""
    media = ("requestBody", "content", "application/json")
    post, schema = ("paths", "/audio/speech", "post"), (*media, "schema")
    old, new = speech(obj(a=STRING, b=STRING, c={})), speech(obj(a=INTEGER, c={"title": "t"}))
    places = {finding.where: finding.at for finding in findings(old, new)}
    assert places == {
        f"{WHERE} request body.a": (*post, *schema, "properties", "a"),
        f"{WHERE} request body.b": (*post, *schema, "properties", "b"),
        f"{WHERE} request body.c": (*post, *schema, "properties", "c", "title"),
    }
    for change, at in (
        (add_parameter(), (*post, "parameters", 0)),
        (add_failure, (*post, "responses", "401")),
        (add_header, (*post, "responses", "200", "headers", "X-A")),
        (add_request_type, (*post, "requestBody", "content", "text/plain")),
        (move_server, ("servers",)),
        (override_server, (*post, "servers")),
        (demand_a_scope, ("security",)),
        (let_anybody_in, (*post, "security")),
        (require_body, (*post, "requestBody")),
        (remove_body, (*post, "requestBody")),
        (add_callback, (*post, "callbacks")),
        (encode_body, (*post, *media)),
        (rename, (*post, "operationId")),
        (remove_operation, post),
        (add_operation, ("paths", "/voices", "get")),
        (move, ("paths", "/speech", "post")),
        (say_what_the_bearer_bears, ("components", "securitySchemes", "bearer", "bearerFormat")),
    ):  # type: Callable[[Json, Json], None], tuple[str | int, ...]
        assert at in {finding.at for finding in findings(*changed(change))}, change


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


def query(schema: Any, **facts: Any) -> Json:
    return {"name": "q", "in": "query", "schema": schema, **facts}


def as_json(schema: Any) -> Json:
    return {"name": "q", "in": "query", "content": {"application/json": {"schema": schema}}}


def array(items: Any, **facts: Any) -> Json:
    return {"type": "array", "items": items, **facts}


INTEGER = {"type": "integer"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (query(STRING), query(array(STRING))),
        (query(INTEGER), query(array(INTEGER, uniqueItems=True, minItems=1, maxItems=1))),
        (query(INTEGER), query(array(STRING))),
        (query(STRING, explode=False), query(array(STRING))),
        (query(STRING), query({"anyOf": [INTEGER, array(STRING)]})),
        (query({"enum": ["a"]}), query({"type": "array", "prefixItems": [STRING]})),
        (query(INTEGER), query(STRING)),
        (query({"type": "number"}), query({"type": "string", "minLength": 1})),
        (query({"type": "boolean"}), query({"enum": ["true", "false", "maybe"]})),
        (query({"enum": [1, 2]}), query({"enum": ["1", "2", "3"]})),
        (query({"type": ["integer", "boolean"]}), query(STRING)),
        (query(INTEGER, **{"in": "header"}), query(STRING, **{"in": "header"})),
        (query(INTEGER, **{"in": "cookie"}), query(array(INTEGER), **{"in": "cookie"})),
        (query(array(INTEGER)), query(array(STRING))),
        (query(array(INTEGER), explode=False), query(array(STRING), explode=False)),
        (query(array(INTEGER, minItems=2)), query(array(STRING, minItems=1, uniqueItems=False))),
        (query({"type": ["array", "integer"], "items": INTEGER}), query(array(STRING))),
        (query(array(False, prefixItems=[INTEGER, STRING])), query(array(STRING))),
        (query({**STRING, "default": "a"}), query(array(STRING, default=["a"]))),
        (query({**INTEGER, "default": 1}), query({**STRING, "default": "1"})),
        (query({"type": "boolean", "default": True}), query({**STRING, "default": "true"})),
        (query(array(INTEGER, default=[1, 2])), query(array(STRING, default=["1", "2"]))),
        (query(array({**INTEGER, "default": 1})), query(array({**STRING, "default": "1"}))),
    ],
)
def test_a_parameter_is_compared_as_the_text_that_it_is(old: Json, new: Json) -> None:
    """A number is a string too, and a lone value the one item of an exploded array."""
    there = findings(with_parameters(old), with_parameters(new))
    assert {(finding.verdict, finding.direction) for finding in there} == {(ADDITIVE, "widening")}
    assert verdict(findings(with_parameters(new), with_parameters(old))) is BREAKING


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (query(STRING), query(array(INTEGER))),
        (query(STRING), query(array(STRING), explode=False)),
        (query(STRING), query(array(STRING), style="pipeDelimited")),
        (query(STRING, **{"in": "header"}), query(array(STRING), **{"in": "header"})),
        (query(STRING), query(array(STRING, minItems=2))),
        (query(STRING), query(array(STRING, maxItems=0))),
        (query(STRING), query(array(STRING, contains={"const": "a"}))),
        (query(STRING), query(array(STRING, unevaluatedItems=False))),
        (query(STRING), query({"enum": [["a"]]})),
        (query(STRING), query(array(STRING) | {"not": {"maxItems": 1}})),
        (query(STRING), query(array({"type": "string", "maxLength": 3}))),
        (query(STRING), query(array(array(STRING)))),
        (query(array(INTEGER)), query(array(STRING, minItems=1))),
        (query(array(INTEGER)), query(array({"type": "string", "maxLength": 3}))),
        (query(array(INTEGER)), query(array(STRING, prefixItems=[{"enum": ["1"]}]))),
        (query(array({"type": ["integer", "null"]})), query(array(STRING))),
        (query(array(array(INTEGER))), query(array(array(STRING)))),
        (query(array(INTEGER), explode=False), query(array(STRING))),
        (query(array(INTEGER)), query(STRING)),
        (query({**INTEGER, "default": 1}), query({**STRING, "default": "2"})),
        (query({**STRING, "default": "a,b"}), query(array(STRING, default=["a", "b"]))),
        (query({**STRING, "default": "[]"}), query(array(STRING, default=[]))),
        (query(obj(a=INTEGER)), query(STRING)),
        (query(INTEGER), query({"type": "string", "maxLength": 3})),
        (query(INTEGER), query({"type": "string", "minLength": 2})),
        (query(INTEGER), query({"type": "string", "format": "date"})),
        (query({"enum": [1, 2]}), query({"enum": ["1"]})),
        (query({"type": ["integer", "null"]}), query(STRING)),
        (as_json(INTEGER), as_json(STRING)),
        (as_json({"enum": [1, "1"], "default": 1}), as_json({"enum": [1, "1"], "default": "1"})),
    ],
)
def test_a_parameter_that_is_another_text_breaks(old: Json, new: Json) -> None:
    """What the service takes no longer, or takes for something else."""
    assert verdict(findings(with_parameters(old), with_parameters(new))) is BREAKING


def test_the_default_of_a_schema_is_told_where_it_is_no_text() -> None:
    """Though a parameter has the same schema, and comes first."""
    old, new = with_parameters(query(ref("S"))), with_parameters(query(ref("S")))
    for document, default in ((old, 1), (new, "1")):
        schema = obj(a={"type": ["integer", "string"], "default": default})
        document["components"]["schemas"]["S"] = schema
    assert findings(old, new) == []
    for document in (old, new):
        operation(document)["requestBody"]["content"]["application/json"]["schema"] = ref("S")
    (found,) = findings(old, new)
    assert found.where == f"{WHERE} request body.a"
    assert (found.verdict, found.why) == (BREAKING, "the default is another")


def test_in_a_body_a_number_is_no_string() -> None:
    """There it is JSON."""
    assert verdict(of_request(INTEGER, STRING)) is BREAKING
    assert verdict(of_request(STRING, array(STRING))) is BREAKING


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


def test_the_server_that_comes_first_is_told() -> None:
    """It is the one that is called."""
    old, new = speech(), speech()
    one, other = "https://api.example/v1", "https://other.example/v1"
    old["servers"] = [{"url": one}, {"url": other}]
    new["servers"] = [{"url": other}, {"url": one}]
    (found,) = findings(old, new)
    assert (found.verdict, found.direction) == (ADDITIVE, "change")
    assert (found.where, found.why) == (f"{WHERE} servers", "another server comes first")
    assert (found.old, found.new) == ([one, other], [other, one])
    assert found.at == ("servers",)
    assert findings(old, old) == []


def test_whole_urls_are_compared_with_the_variables_of_a_server() -> None:
    """And by all of the path."""

    def document(url: str, path: str) -> Json:
        found = with_parameters(path=path)
        found["servers"] = [{"url": url, "variables": {"r": {"default": "eu"}}}]
        return found

    old = document("https://{r}.example/v1", "/speech")
    assert findings(old, document("https://{r}.example", "/v1/speech")) == []
    moved = findings(old, document("https://{r}.example", "/v2/speech"))
    assert [(finding.where, finding.why) for finding in moved] == [
        ("POST /speech", "the operation has moved"),
        ("POST /speech servers", "a server is gone"),
        ("POST /speech servers", "a new server"),
    ]
    assert (moved[0].old, moved[0].new) == ("POST /speech", "POST /v2/speech")


def oauth(**flows: Any) -> Json:
    document = speech()
    document["components"]["securitySchemes"]["bearer"] = {"type": "oauth2", "flows": flows}
    document["security"] = [{"bearer": ["read"]}]
    return document


def flow(url: str = "https://api.example/token", **scopes: str) -> Json:
    return {"tokenUrl": url, "scopes": {"read": "To read", **scopes}}


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (oauth(implicit=flow()), []),
        (
            oauth(implicit=flow(write="To write")),
            [("ADDITIVE", "widening", "security scheme bearer implicit")],
        ),
        (
            oauth(implicit=flow(read="To look")),
            [("DOCS", "wording", "security scheme bearer implicit")],
        ),
        (
            oauth(implicit=flow(), clientCredentials=flow(write="To write")),
            [("ADDITIVE", "widening", "security")],
        ),
        (
            oauth(clientCredentials=flow()),
            [("BREAKING", "narrowing", "security"), ("ADDITIVE", "widening", "security")],
        ),
        (
            oauth(implicit=flow("https://api.example/oauth")),
            [("BREAKING", "narrowing", "security"), ("ADDITIVE", "widening", "security")],
        ),
    ],
)
def test_scopes_to_choose_from_are_apart_from_what_is_demanded(
    new: Json, expected: list[Any]
) -> None:
    """One more is an addition, other words are words, and each flow is a way of its own."""
    assert told(findings(oauth(implicit=flow()), new)) == expected


def test_a_scope_that_is_gone_breaks() -> None:
    """Whatever its scheme is called now, and whether an operation demands it or not."""
    old, new = oauth(implicit=flow(write="To write")), oauth(implicit=flow())
    schemes = new["components"]["securitySchemes"]
    for _ in range(2):
        (gone,) = findings(old, new)
        assert (gone.verdict, gone.direction) == (BREAKING, "narrowing")
        assert gone.where == "security scheme bearer implicit"
        assert (gone.why, gone.old, gone.new) == (
            "no longer to be had: write", ["read", "write"], ["read"],
        )  # fmt: skip
        schemes["other"] = schemes.pop("bearer", None) or schemes["other"]
        new["security"] = [{"other": ["read"]}]
    (more,) = findings(new, old)
    assert (more.verdict, more.why) == (ADDITIVE, "to be had now: write")
    assert (more.old, more.new) == (["read"], ["read", "write"])


def test_a_scheme_without_a_list_of_scopes_has_none() -> None:
    """As where the line ends behind its colon."""
    assert findings(speech(), speech() | {"security": [{"bearer": None}]}) == []


def test_odd_flows_are_compared_as_they_are() -> None:
    """Nobody checks other people's documents before they come here."""
    odd = oauth(implicit="x")
    assert findings(odd, odd) == findings(oauth(), oauth()) == []
    assert verdict(findings(odd, oauth(implicit=flow()))) is BREAKING
    assert verdict(findings(oauth(), oauth(implicit=flow()))) is BREAKING
    nothing: Json = oauth(implicit={**flow(), "scopes": None})
    assert findings(nothing, oauth(implicit=flow())) == []


def deprecate_operation(_: Json, op: Json, facts: Json) -> None:
    op.update(facts)


def deprecate_property(_: Json, op: Json, facts: Json) -> None:
    schema = op["requestBody"]["content"]["application/json"]["schema"]
    schema["properties"]["a"] = {**STRING, **facts}


def deprecate_answer(_: Json, op: Json, facts: Json) -> None:
    schema = op["responses"]["200"]["content"]["application/json"]["schema"]
    schema["properties"]["a"] = {"allOf": [STRING, facts]}


def deprecate_parameter(_: Json, op: Json, facts: Json) -> None:
    op["parameters"] = [{"name": "m", "in": "query", "schema": STRING, **facts}]


def deprecate_header(_: Json, op: Json, facts: Json) -> None:
    op["responses"]["200"]["headers"] = {"X-A": {"schema": STRING, **facts}}


def deprecate_scheme(document: Json, _: Json, facts: Json) -> None:
    document["components"]["securitySchemes"]["bearer"].update(facts)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (deprecate_operation, WHERE),
        (deprecate_property, f"{WHERE} request body.a"),
        (deprecate_answer, f"{WHERE} response 200 body.a"),
        (deprecate_parameter, f"{WHERE} query parameter m"),
        (deprecate_header, f"{WHERE} response 200 header x-a"),
        (deprecate_scheme, "security scheme bearer"),
    ],
)
def test_what_is_deprecated_is_told_by_itself_with_its_sunset(
    change: Callable[[Json, Json, Json], None], where: str
) -> None:
    """It breaks nothing today; wherever it stands."""

    def document(facts: Json) -> Json:
        return changed(lambda document, op: change(document, op, facts))[1]

    def words(old: Json, new: Json) -> list[tuple[str, Any, Any]]:
        found = findings(document(old), document(new))
        assert {(f.verdict, f.direction, f.where) for f in found} <= {(DOCS, "deprecation", where)}
        return [(finding.why, finding.old, finding.new) for finding in found]

    plain, off, on = {}, {"deprecated": False}, {"deprecated": True}  # type: Json, Json, Json
    dated = {**on, "x-sunset": "2027-01-31"}
    later = {**on, "x-sunset-date": "2028-01-31"}
    assert words(plain, off) == words(off, plain) == words(on, on) == []
    assert words(plain, on) == words(off, on) == [("is deprecated", None, True)]
    assert words(on, plain) == [("is no longer deprecated", True, None)]
    assert words(plain, dated) == [("is deprecated; its sunset is 2027-01-31", None, "2027-01-31")]
    assert words(plain, {"x-sunset": "2027-01-31"}) == words(plain, dated)
    assert words(dated, later) == [
        (
            "is deprecated, with another sunset; its sunset is 2028-01-31",
            "2027-01-31",
            "2028-01-31",
        )
    ]
    assert words(dated, on) == [("is deprecated, with another sunset", "2027-01-31", True)]


def test_a_name_with_a_sunset_in_it_is_no_date() -> None:
    """Only the extensions that are in use for one are read as such."""
    (found,) = of_request({"x-sunset-colour": 1}, {"x-sunset-colour": 2})
    assert (found.direction, found.why) == ("wording", "`x-sunset-colour` reads differently")


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
    (unsound({**STRING, "properties": {"a": {"enum": 5}}}), "a/enum is no list of values"),
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
    *(
        (speech() | {"security": [{"bearer": scopes}]}, "#/security is no list of schemes")
        for scopes in (5, "read", {"read": 1}, [5])
    ),
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
_lax = [speech() for _ in range(3)]  # OpenAPI knows no security of a path, but it is read
_lax[0]["paths"]["/audio/speech"]["security"] = 5
_lax[1]["paths"]["/audio/speech"]["security"] = [5]
_lax[2]["paths"]["/audio/speech"]["security"] = [{"other": []}]
_body = speech()
operation(_body)["requestBody"]["content"] = []
UNSOUND += [
    (_twice, "more than once"),
    (_circle, "responses/R refers to nothing but itself"),
    (_odd, "parameters is no list"),
    *((lax, "speech/security is no list of schemes") for lax in _lax),
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


def other_people_s() -> tuple[Json, Json]:
    """Two documents with operations that nobody here calls, one of them without a name."""
    old: Json = {
        "openapi": "3.0.3",
        "info": {"title": "T", "version": "1"},
        "paths": {
            "/pets": {
                "get": {"operationId": "listPets", "responses": {"200": {"description": "OK"}}},
                "post": {"responses": {"201": {"description": "OK"}}},
            },
            "/gone": {"summary": "s", "get": {"responses": {}}},
            "/named": {"get": {"operationId": "old", "responses": {}}},
        },
    }
    new: Json = json.loads(json.dumps(old))
    new["paths"]["/pets"]["get"]["parameters"] = [query(INTEGER)]
    new["paths"]["/pets"]["post"] |= {"operationId": "addPet", "description": "d"}
    new["paths"]["/named"]["get"]["operationId"] = "new"
    del new["paths"]["/gone"]
    new["paths"]["/more"] = {"delete": {"responses": {}}}
    return old, new


def test_other_people_s_operations_are_compared_where_they_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By their operationIds; without the option, or with a wrong one, that is an error."""
    paths = [str(tmp_path / name) for name in ("old.json", "new.json")]
    for path, document in zip(paths, other_people_s(), strict=True):
        (tmp_path / path).write_text(json.dumps(document), encoding="utf-8")
    assert main([*paths, "--operations", "listPets, none"]) == 2
    said = capsys.readouterr()
    assert said.err == "contract.diff: neither document has the operation 'none'\n"
    assert said.out == ""
    assert main(paths) == 2
    assert "none of the operations audio-speech, fetchVoices" in capsys.readouterr().err
    assert main([*paths, "--operations", "listPets,old", "--fail-on", "breaking"]) == 1
    assert [line for line in capsys.readouterr().out.splitlines() if ": " in line] == [
        "  BREAKING: GET /named: the operationId is another, by which the contract is cut and calls"
        " are named",
        "  ADDITIVE: GET /pets query parameter q: a new parameter",
    ]
    assert main([*paths, "--operations", "addPet"]) == 2
    assert "the old document has none of the operations addPet" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*paths, "--operations", "listPets", "--all"])


def test_all_operations_are_compared_named_or_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One without a name is known by its place."""
    paths = [str(tmp_path / name) for name in ("old.json", "new.json")]
    for path, document in zip(paths, other_people_s(), strict=True):
        (tmp_path / path).write_text(json.dumps(document), encoding="utf-8")
    assert main([*paths, "--all"]) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if ": " in line] == [
        "  BREAKING: GET /named: the operationId is another, by which the contract is cut and calls"
        " are named",
        "  BREAKING: GET /gone: the operation 'GET /gone' is gone",
        "  ADDITIVE: GET /pets query parameter q: a new parameter",
        "  ADDITIVE: DELETE /more: a new operation 'DELETE /more'",
        "  DOCS: POST /pets: `description` reads differently",
    ]
    assert main([paths[0], paths[0], "--all"]) == 0
    assert capsys.readouterr().out == "NONE\n"


@pytest.mark.parametrize(
    ("url", "path", "others"),
    [
        ("https://api.example/v1", "/audio/speech", {}),
        ("https://api.example/v1", "/audio/speech", {"/speech": "https://api.example/v1/audio"}),
        ("https://api.example", "/v1/audio/speech", {}),
        ("https://api.example", "/v1/audio/speech", {"/speech": "https://other.example"}),
        ("https://api.example/v1/audio", "/speech", {}),
    ],
)
def test_another_name_is_told_by_the_url(url: str, path: str, others: dict[str, str]) -> None:
    """However server and path divide it, and whatever else there is."""
    old, new = speech(obj(a=STRING, b=STRING)), speech(obj(a=STRING))
    moved = new["paths"].pop("/audio/speech")
    moved["post"]["operationId"] = "createSpeech"
    for place, server in others.items():
        post = {"operationId": "other", "servers": [{"url": server}], "responses": {}}
        new["paths"][place] = {"post": post}
    new["paths"][path] = moved
    new["servers"] = [{"url": url}]
    renamed, changed = findings(old, new)
    assert (renamed.verdict, renamed.where) == (BREAKING, WHERE)
    assert renamed.why.startswith("the operationId is another")
    assert (renamed.old, renamed.new) == ("audio-speech", "createSpeech")
    assert renamed.at == ("paths", path, "post", "operationId")
    assert changed.where == f"{WHERE} request body.b"


def test_a_name_that_went_to_another_operation_is_gone_where_it_was() -> None:
    """The other one is compared with what had its name before."""
    old, new = with_parameters(), with_parameters(path="/voices")
    old["paths"]["/voices"] = {"post": {"operationId": "fetchVoices", "responses": {}}}
    new["paths"]["/audio/speech"] = {"post": {"operationId": "fetchVoices", "responses": {}}}
    del new["paths"]["/voices"]
    whys = [finding.why for finding in findings(old, new)]
    assert whys == ["the operation 'audio-speech' is gone", "the operation has moved"]


def test_annotations_point_into_the_file_that_is_given(
    files: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where the new document was composed from it and comes in on standard input."""
    old, new = files
    spec = tmp_path / "spec.yaml"
    text = "openapi: 3.1.0\npaths:\n  /audio/speech:\n\n    post: {}\n"
    spec.write_text(text, encoding="utf-8")
    stdin = io.TextIOWrapper(io.BytesIO((tmp_path / "new.json").read_bytes()))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert main([old, "-", "--format", "github", "--file", str(spec)]) == 0
    *annotations, last = capsys.readouterr().out.splitlines()
    assert len(annotations) == 3
    assert all(f" file={spec},line=5,title=" in line for line in annotations)
    assert last == "BREAKING"
    assert main([old, new, "--file", str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml: cannot be read" in capsys.readouterr().err


def test_the_summary_is_appended_as_a_table(
    files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside the output, whatever its format."""
    summary = tmp_path / "summary.md"
    summary.write_text("# Before\n\n", encoding="utf-8")
    assert main([*files, "--format", "markdown", "--summary", str(summary)]) == 0
    table = capsys.readouterr().out
    assert "| BREAKING | POST /audio/speech request body.b |" in table
    assert summary.read_text(encoding="utf-8") == f"# Before\n\n{table}"
    assert main([*files, "--format", "github", "--summary", str(tmp_path)]) == 2
    assert "Is a directory" in capsys.readouterr().err


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A changelog, committed."""
    root = tmp_path / "repository"
    root.mkdir()
    log = f"# Changelog\n\n- **contract** `{WHERE} request body.c`: long ago.\n"
    (root / "CHANGELOG.md").write_text(log, encoding="utf-8")
    for command in (
        ["git", "init", "--quiet"],
        ["git", "add", "."],
        ["git", "-c", "user.name=N", "-c", "user.email=e@example", "commit", "--quiet", "-m", "m"],
    ):
        subprocess.run(command, cwd=root, check=True)
    return root


def test_a_breaking_contract_passes_once_the_changelog_names_what_breaks(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each finding, in new lines, by its place in backticks, in an entry that is marked."""
    paths = [str(tmp_path / name) for name in ("old.json", "new.json")]
    bodies = obj(a=STRING, c=STRING), obj(b=STRING)
    for path, body in zip(paths, bodies, strict=True):
        (tmp_path / path).write_text(json.dumps(speech(body)), encoding="utf-8")
    log = repository / "CHANGELOG.md"
    head, entry = log.read_text(encoding="utf-8").split("\n\n")
    a, c = (f"- **contract** `{WHERE} request body.{name}`: the property is gone" for name in "ac")

    def run(*entries: str) -> tuple[int, list[str]]:
        log.write_text("\n\n".join([head, *entries, entry]), encoding="utf-8")
        gate = ["--fail-on", "breaking", "--changelog", "HEAD"]
        status = main([*paths, *gate], root=repository)
        said = capsys.readouterr()
        assert said.out.splitlines()[-1] == "BREAKING"
        return status, said.err.splitlines()

    hint = "contract.diff: new lines of CHANGELOG.md must name:"
    assert run() == (1, [hint, a, c])
    assert run(a) == (1, [hint, c])
    assert run(a, c) == (0, [])
    assert run(f"{a}\n{c}") == (0, [])
    assert run(a.replace("audio/speech ", "audio/speech\n  "), c) == (0, [])
    assert run(a, f"- **contract**\n  - `{WHERE}\n    request body.c`, really") == (0, [])
    assert run(a, c.replace("**contract**", "contract")) == (1, [hint, c])
    assert run(a, c.replace("`", "")) == (1, [hint, c])
    assert run(a, c.replace("body.c", "body.cc")) == (1, [hint, c])
    assert run(a, f"- **contract** all is other\n- `{WHERE} request body.c`") == (1, [hint, c])


def test_the_changelog_is_asked_only_about_what_fails(
    files: tuple[str, str], repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A revision that is not there is an error, and so is the option by itself."""
    gate = ["--fail-on", "additive", "--changelog"]
    assert main([*files, *gate, "HEAD"], root=repository) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[1:] == [
        f'- **contract** `{WHERE} request body.b`: no longer allowed: "y|z"',
        f"- **contract** `{WHERE} request body.c`: a new property",
    ]
    assert main([files[0], files[0], *gate, "HEAD"], root=repository) == 0
    assert capsys.readouterr().err == ""
    assert main([*files, *gate, "none"], root=repository) == 2
    assert capsys.readouterr().err.startswith("contract.diff: none: cannot be read from git")
    with pytest.raises(SystemExit):
        main([*files, "--changelog", "HEAD"], root=repository)
    assert "--fail-on" in capsys.readouterr().err


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
        ("openapi: 3.1.0\npaths: {/a: {get: {operationId: [x]}}}\n", "['x'], no text"),
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
    sides = [str(path), files[1]], [files[0], str(path)]
    for arguments in (*sides, *([*each, "--all"] for each in sides)):
        assert main([*arguments, "--fail-on", "breaking"]) == 2
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
    spec = str(SPEC_FILE)
    monkeypatch.setattr(sys, "argv", ["contract.diff", spec, spec, "--fail-on", "docs"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "contract" / "diff.py"), run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out == "NONE\n"
