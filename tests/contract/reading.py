"""A contract read by its operations, whatever upstream calls the components they are made of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from contract.document import Reference, mapping, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ruamel.yaml.comments import CommentedMap

OPERATIONS = {"speech": ("/audio/speech", "post"), "voices": ("/voices", "get")}


class Contract:
    """What a contract says of the operations in use."""

    def __init__(self, document: CommentedMap) -> None:
        self.document = document

    def operation(self, name: str) -> CommentedMap:
        """One of `OPERATIONS`."""
        return mapping(self.document, "paths", *OPERATIONS[name])

    def request(self) -> dict[str, list[Any]]:
        """The schemas of each property of the request for speech, nested ones by their path."""
        content = self.resolved(self.operation("speech")["requestBody"])["content"]
        found: dict[str, list[Any]] = {}
        for name, schemas in self.properties(content["application/json"]["schema"]).items():
            below = [self.properties(schema) for schema in schemas]
            if any(below):
                for inner, nested in ((i, n) for names in below for i, n in names.items()):
                    found.setdefault(f"{name}.{inner}", []).extend(nested)
            else:
                found[name] = schemas
        return found

    def answers(self) -> Iterator[tuple[str, str, str | None]]:
        """Operation, status and content type of each answer; `None` where it has no content."""
        for name in OPERATIONS:
            for status, response in self.operation(name)["responses"].items():
                for media_type in self.resolved(response).get("content") or [None]:
                    yield name, str(status), media_type

    def events(self) -> list[str]:
        """What tells each event of a stream: the constant in it, or else what it holds."""
        response = self.resolved(self.operation("speech")["responses"]["200"])
        schema = response["content"].get("text/event-stream", {}).get("schema", {})
        return [self._sign(event) for event in self._alternatives(schema)]

    def properties(self, schema: Any) -> dict[str, list[Any]]:
        """The schemas of each property of an object, however it is put together."""
        found: dict[str, list[Any]] = {}
        for part in self._parts(schema):
            for name, inner in part.get("properties", {}).items():
                found.setdefault(name, []).append(inner)
        return found

    def values(self, schemas: list[Any]) -> list[Any]:
        """The values that schemas list, as plain texts and numbers."""
        found = [
            value
            for schema in schemas
            for part in self._parts(schema)
            for value in (*part.get("enum", ()), *([part["const"]] if "const" in part else ()))
        ]
        return list(dict.fromkeys(json.loads(json.dumps(found))))

    def resolved(self, node: Any) -> Any:
        """The node itself, or what it refers to."""
        while "$ref" in node:
            location = resolve(self.document, Reference((), node["$ref"]))
            node = self.document
            for key in location:
                node = node[key]
        return node

    def _parts(self, schema: Any) -> Iterator[Any]:
        schema = self.resolved(schema)
        yield schema
        for keyword in ("allOf", "anyOf", "oneOf"):
            for member in schema.get(keyword, ()):
                yield from self._parts(member)

    def _alternatives(self, schema: Any) -> Iterator[Any]:
        schema = self.resolved(schema)
        members = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
        for member in members:
            yield from self._alternatives(member)
        if not members:
            yield schema

    def _sign(self, event: Any) -> str:
        data = self.properties(event).get("data", [event])
        inner = {name: of for schema in data for name, of in self.properties(schema).items()}
        constants = [value for of in inner.values() for value in self.values(of)]
        return ", ".join(map(str, constants or self.values(data) or inner))
