"""Reading documents strictly and following their references."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from contract.document import (
    LIMIT,
    ContractError,
    Reference,
    dump,
    find_operation,
    load_openapi,
    load_yaml,
    read_file,
    references,
    resolve,
)
from contract.sources import read

if TYPE_CHECKING:
    from pathlib import Path

    from ruamel.yaml.comments import CommentedMap

HEAD = "openapi: 3.1.0\npaths: {}\n"


def load(text: str, tmp_path: Path) -> CommentedMap:
    path = tmp_path / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    return load_openapi(path)


@pytest.mark.parametrize(
    "line",
    [
        "enum: [no, yes, on, off, 'true', true, ~x]",
        "number: 1e3",
        "string: '1e3'",
        "octal-looking: 012",
        "underscored: 1_000",
        "hexadecimal: 0xFF",
        "trailing-zero: 1.10",
        'quoted: "a\\tb"',
        "date: 2024-01-02",
        "nothing: null",
        "long: " + "word " * 60 + "end",
        "long-quoted: '" + "word " * 60 + "end'",
        "flow: {a: [1, {c: 2}], b: {}}",
        "anchored: &here {a: 1}\nalias: *here",
        "folded: >-\n  one line\n  another line",
        "folded-keep: >+\n  one line\n\n  another line\n\nnext: 1",
        "literal: |\n  # text\n    indented",
        "# a comment\n\n# another\nkey: 1 # beside",
        "list:\n  - a: 1\n    b: 2",
        "unicode: ä 漢字 😀",
    ],
)
def test_what_is_read_is_written_as_it_was(tmp_path: Path, line: str) -> None:
    """Order, comments, quotes, folds and the spelling of scalars survive."""
    text = HEAD + line + "\n"
    assert dump(load(text, tmp_path)) == text


def test_words_are_words_in_yaml_1_2(tmp_path: Path) -> None:
    """`no` is a string, not false."""
    assert load(HEAD + "x: [no, off]\n", tmp_path)["x"] == ["no", "off"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: 1\nb: 2\na: 3\n", r'spec\.yaml:3: invalid YAML: found duplicate key "a"'),
        ("a: {b: 1, b: 1}\n", r'spec\.yaml:1: invalid YAML: found duplicate key "b"'),
        ("a: [1\n", r"spec\.yaml:2: invalid YAML: .*expected"),
        ("a: *nowhere\n", r"invalid YAML: found undefined alias"),
        ("a: 1\n---\nb: 2\n", r"invalid YAML: but found another document"),
        ("a: 2024-02-31\n", r"invalid YAML: day is out of range for month"),
        ("a: \x07\n", r"invalid YAML: .*special characters are not allowed"),
        ("[" * 1000, r"invalid YAML: .*recursion"),
        ("", "not an OpenAPI 3 document"),
        ("- openapi: 3.1.0\n", "not an OpenAPI 3 document"),
        ("swagger: '2.0'\npaths: {}\n", "not an OpenAPI 3 document"),
        ("openapi: 4.0.0\npaths: {}\n", "not an OpenAPI 3 document"),
        ("openapi: 3.1.0\n", "#/paths is missing, not a mapping"),
        ("openapi: 3.1.0\npaths: []\n", r"#/paths is \[\], not a mapping"),
    ],
)
def test_what_is_no_sound_document_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    """With the file, the line where there is one, and what is wrong, in one line."""
    with pytest.raises(ContractError, match=reason) as caught:
        load(text, tmp_path)
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    """Without a traceback of the file system's or the codec's."""
    with pytest.raises(ContractError, match=r"none\.yaml: cannot be read: No such file"):
        load_yaml(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes("a: ä\n".encode("latin-1"))
    with pytest.raises(ContractError, match=r"latin\.yaml: invalid YAML: "):
        load_yaml(tmp_path / "latin.yaml")


def refs(node: Any) -> list[str]:
    return [reference.ref for reference in references(node)]


def test_references_are_found_wherever_they_may_stand() -> None:
    """In mappings and lists, below keywords and below names."""
    node = {
        "parameters": [{"$ref": "#/0"}],
        "schema": {"$ref": "#/1"},
        "allOf": [{"$ref": "#/2"}, {"items": {"$ref": "#/3"}}],
        "properties": {"example": {"$ref": "#/4"}, "x-y": {"$ref": "#/5"}, "$ref": {"type": "a"}},
        "examples": {"one": {"$ref": "#/6"}, "two": {"value": {"$ref": "data"}}},
        "$ref": "#/7",
    }
    assert refs(node) == [f"#/{number}" for number in range(8)]


@pytest.mark.parametrize("keyword", ["const", "default", "enum", "example", "value", "x-any"])
def test_data_that_looks_like_a_reference_is_none(keyword: str) -> None:
    """An example may show a `$ref`."""
    assert refs({keyword: {"$ref": "nowhere"}}) == []
    assert refs({keyword: [{"$ref": "nowhere"}]}) == []


@pytest.mark.parametrize(
    "keyword",
    [
        "$defs",
        "callbacks",
        "content",
        "definitions",
        "dependentSchemas",
        "encoding",
        "examples",
        "headers",
        "links",
        "parameters",
        "pathItems",
        "paths",
        "patternProperties",
        "properties",
        "requestBodies",
        "responses",
        "schemas",
        "securitySchemes",
        "variables",
        "webhooks",
    ],
)
def test_a_name_may_look_like_a_keyword(keyword: str) -> None:
    """What stands below the name is an object with keywords all the same."""
    assert refs({keyword: {"default": {"$ref": "#/a"}, "x-b": {"$ref": "#/b"}}}) == ["#/a", "#/b"]


def test_examples_of_a_schema_are_data() -> None:
    """There they are a list, and in a media type a mapping of names."""
    assert refs({"examples": [{"$ref": "nowhere"}]}) == []


def test_a_discriminator_refers_by_reference_or_by_name() -> None:
    """OpenAPI allows both in a mapping."""
    mapping = {"a": "#/components/schemas/A", "b": "B", "c": "other.yaml#/C"}
    node = {"discriminator": {"propertyName": "kind", "mapping": mapping}}
    assert list(references(node, ("x",))) == [
        Reference(("x", "discriminator", "mapping", "a"), "#/components/schemas/A"),
        Reference(("x", "discriminator", "mapping", "b"), "#/components/schemas/B"),
        Reference(("x", "discriminator", "mapping", "c"), "other.yaml#/C"),
    ]
    assert refs({"discriminator": {"propertyName": "kind"}}) == []
    assert refs({"properties": {"discriminator": {"$ref": "#/a"}}}) == ["#/a"]


def test_an_alias_of_its_own_holder_ends(tmp_path: Path) -> None:
    """YAML can write a mapping that holds itself."""
    path = tmp_path / "circle.yaml"
    path.write_text("&a\nb: *a\nc: {$ref: '#/c'}\n", encoding="utf-8")
    assert refs(load_yaml(path)) == ["#/c"]


def test_a_reference_leads_through_mappings_and_lists(tmp_path: Path) -> None:
    """With the escapes of JSON pointers and of URIs."""
    document = load(HEAD + "a/b~c d:\n  - x\n  - {'0': y}\n", tmp_path)
    location = ("a/b~c d", 1, "0")
    assert resolve(document, Reference((), "#/a~1b~0c%20d/1/0")) == location


@pytest.mark.parametrize(
    ("ref", "reason"),
    [
        ("other.yaml#/a", r"^#/at~1x/\$ref: 'other.yaml#/a' is not a local reference"),
        ("https://example.com/a.yaml", "is not a local reference"),
        ("#", "is not a local reference"),
        ("#anchor", "is not a local reference"),
        ("#/nope", r"^#/at~1x/\$ref: dangling reference: there is no '#/nope'"),
        ("#/list/2", "dangling"),
        ("#/list/x", "dangling"),
        ("#/openapi/x", "dangling"),
    ],
)
def test_a_reference_to_elsewhere_or_to_nothing_is_refused(
    tmp_path: Path, ref: str, reason: str
) -> None:
    """Saying where it stands and what it says."""
    with pytest.raises(ContractError, match=reason):
        resolve(load(HEAD + "list: [1, 2]\n", tmp_path), Reference(("at/x", "$ref"), ref))


def test_an_operation_is_found_by_its_id(tmp_path: Path) -> None:
    """Other keys of a path item are no operations."""
    text = "openapi: 3.0.3\npaths:\n  /a:\n    x-get: {operationId: b}\n    put: {operationId: b}\n"
    assert find_operation(load(text, tmp_path), "b") == ("/a", "put")


@pytest.mark.parametrize(
    ("paths", "reason"),
    [
        ("{}", "operation 'b' is missing"),
        ("{/a: {get: {operationId: c}}}", "operation 'b' is missing"),
        (
            "{/a: {get: {operationId: b}}, /c: {put: {operationId: b}}}",
            "operation 'b' is there more than once: GET /a and PUT /c",
        ),
        ("{/a: null}", "not an OpenAPI document: #/paths/~1a is missing, not a mapping"),
        ("{/a: {get: text}}", "#/paths/~1a/get is 'text', not a mapping"),
        ("{5: {get: {operationId: b}}}", "the path 5 is no text"),
        ("{/a: {get: {operationId: [b]}}}", r"#/paths/~1a/get/operationId is \['b'\], no text"),
        ("{/a: {get: {operationId: 5}}}", "operationId is 5, no text"),
        ("{/a: {get: {operationId: }}}", "operationId is None, no text"),
    ],
)
def test_no_operation_or_two_are_refused(tmp_path: Path, paths: str, reason: str) -> None:
    """Anything else would be a guess."""
    with pytest.raises(ContractError, match=reason):
        find_operation(load(f"openapi: 3.1.0\npaths: {paths}\n", tmp_path), "b")


def test_an_error_is_a_line_that_a_person_can_read() -> None:
    """However long what it tells of is, and whatever is in it."""
    error = ContractError("a\n b \x1b[31m " + "c" * 10_000)
    assert str(error).startswith("a b \\x1b[31m ccc")
    assert str(error).endswith("ccc…")
    assert len(str(error)) == 500


def test_a_repeated_key_is_told_without_its_values(tmp_path: Path) -> None:
    """Which may be the whole document."""
    with pytest.raises(ContractError) as caught:
        load(f"paths: {'x' * 300_000}\npaths: {{}}\n", tmp_path)
    assert str(caught.value).endswith(':2: invalid YAML: found duplicate key "paths"')


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.getcwd []", "!mine {a: 1}", "!mine a"])
def test_a_tag_that_is_none_of_yaml_s_is_refused(tmp_path: Path, tag: str) -> None:
    """Nothing is built of it, and nothing of it is handed on."""
    with pytest.raises(ContractError, match=r"spec\.yaml:3: invalid YAML: unknown tag "):
        load(f"{HEAD}x: {tag}\n", tmp_path)


def test_yaml_s_own_tags_are_read(tmp_path: Path) -> None:
    """And written."""
    text = HEAD + "x: !!str 2026-01-02\n"
    assert dump(load(text, tmp_path)) == text


def test_a_file_has_a_limit(tmp_path: Path) -> None:
    """As what is fetched has."""
    path = tmp_path / "spec.yaml"
    path.write_bytes(b"12345")
    assert read_file(path, limit=5) == b"12345"
    with pytest.raises(ContractError, match=r"spec\.yaml: more than 4 bytes"):
        read_file(path, limit=4)
    with path.open("wb") as file:
        file.truncate(LIMIT + 1)
    with pytest.raises(ContractError, match=r"spec\.yaml: more than 16,777,216 bytes"):
        read(str(path))
