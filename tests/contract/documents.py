"""Small OpenAPI documents with the operations in use, for the tests of the comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from contract.operations import compare
from tests.contract import frozen

if TYPE_CHECKING:
    from contract.report import Finding

WHERE = "POST /audio/speech"

Json = dict[str, Any]


def speech(
    body: Any = True,
    answer: Any = True,
    *,
    openapi: str = "3.1.0",
    schemas: Json | None = None,
) -> Json:
    """A document whose one operation takes and gives what the two schemas say."""
    return {
        "openapi": openapi,
        "info": {"title": "T", "version": "1"},
        "servers": [{"url": "https://api.example/v1"}],
        "security": [{"bearer": []}],
        "paths": {
            "/audio/speech": {
                "post": {
                    "operationId": "audio-speech",
                    "requestBody": {"content": {"application/json": {"schema": body}}},
                    "responses": {
                        "200": {
                            "description": "OK",
                            "content": {"application/json": {"schema": answer}},
                        }
                    },
                }
            }
        },
        "components": {
            "schemas": schemas or {},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def operation(document: Json) -> Json:
    """The one operation of a document, to be changed."""
    found: Json = document["paths"]["/audio/speech"]["post"]
    return found


def parsed(value: Any) -> Any:
    """The value as it is read from a file, every part of it an object of its own."""
    if isinstance(value, dict):
        return CommentedMap((key, parsed(item)) for key, item in value.items())
    if isinstance(value, list):
        return CommentedSeq(parsed(item) for item in value)
    return value


def findings(old: Json, new: Json) -> list[Finding]:
    """What the comparison of the two finds."""
    return compare(parsed(old), parsed(new), frozen.OPERATIONS)
