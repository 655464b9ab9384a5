"""The contract's word on an answer.

Schemas are found by the operations that use them: upstream may rename, inline or split a component.
"""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
from ruamel.yaml import YAML

PATH = Path(__file__).parents[2] / "generated" / "contract.yaml"


@cache
def contract() -> dict[str, Any]:
    """The effective contract."""
    document: dict[str, Any] = json.loads(json.dumps(YAML(typ="safe").load(PATH)))
    return document


SPEECH = ("paths", "/audio/speech", "post")
VOICES = ("paths", "/voices", "get")
REQUEST = (*SPEECH, "requestBody", "content", "application/json", "schema")
EVENT = (*SPEECH, "responses", "200", "content", "text/event-stream", "schema")
ERROR = (*SPEECH, "responses", "400", "content", "application/json", "schema")
LIST_OF_VOICES = (*VOICES, "responses", "200", "content", "application/json", "schema")


def find(*location: str) -> Any:
    """What stands at a location of the contract, references followed."""
    node: Any = contract()
    for key in location:
        node = _resolved(node[key])
    return node


def fields() -> dict[str, Any]:
    """The schema of each field of the request for speech."""
    return dict(_fields(find(*REQUEST)))


def required_fields() -> set[str]:
    """The fields that a request for speech must have."""
    schema = find(*REQUEST)
    parts = [schema, *map(_resolved, schema.get("allOf", ()))]
    return {name for part in parts for name in part.get("required", ())}


@cache
def validator(*location: str) -> Any:
    """What checks against the schema at a location of the contract."""
    document = _null_allowed(contract())
    schema = _null_allowed(find(*location))
    return jsonschema_rs.Draft202012Validator({**schema, "components": document["components"]})


def _resolved(node: Any) -> Any:
    while isinstance(node, dict) and isinstance(node.get("$ref"), str):
        target: Any = contract()
        for key in node["$ref"].removeprefix("#/").split("/"):
            target = target[key.replace("~1", "/").replace("~0", "~")]
        node = target
    return node


def _fields(schema: Any) -> Iterator[tuple[str, Any]]:
    for name, field in schema.get("properties", {}).items():
        yield name, _resolved(field)
    for member in schema.get("allOf", ()):
        yield from _fields(_resolved(member))


def _null_allowed(value: Any) -> Any:
    """The contract says "nullable", a word of OpenAPI 3.0 that 3.1 no longer knows."""
    if isinstance(value, list):
        return list(map(_null_allowed, value))
    if not isinstance(value, dict):
        return value
    schema = {name: _null_allowed(inner) for name, inner in value.items()}
    if schema.get("nullable") is True:
        schema["type"] = [schema["type"], "null"]
    return schema


def check_answer(response: httpx.Response) -> None:
    """Check an answer that no fault has spoiled."""
    if "x-emulate-fault" in response.request.headers:
        return
    kind = response.headers["content-type"].partition(";")[0]
    if response.is_error:
        assert kind == "application/json"
        response.read()
        validator(*ERROR).validate(response.json())
    elif response.request.url.path.endswith("/voices"):
        assert kind == "application/json"
        response.read()
        validator(*LIST_OF_VOICES).validate(response.json())
    else:
        assert kind in find(*SPEECH, "responses", "200", "content")
