"""Where something of a known contract stands in a new document, for the words of an error."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ruamel.yaml.comments import CommentedMap

from contract.document import (
    ContractError,
    DanglingReferenceError,
    OperationMissingError,
    find_operation,
    load_openapi,
    references,
)
from contract.overlay import JSONPATH, OverlayConflictError, TargetMissingError, jsonpath

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from contract.document import Location
    from contract.overlay import Action

_SCHEMAS = "#/components/schemas/"
_COMPONENT = re.compile(r"\.?components\b\W+schemas\b\W+(?P<name>[\w.-]+?)(?=[.'\"\]]|$)")


def explained(
    error: ContractError, document: CommentedMap, name: str, known: Path | None
) -> ContractError:
    """The error with what a person needs to mend it.

    Args:
        error: What came of composing.
        document: The new document.
        name: What the document is called.
        known: The effective contract before it, if there is one.
    """
    if isinstance(error, OverlayConflictError):  # which says all by itself
        return error
    hints: Iterator[str] = iter(())
    if known is not None and known.exists():
        hints = _hints(error, document, load_openapi(known))
    return ContractError(f"{name}: {error}" + "".join(hints))


def _hints(error: ContractError, document: CommentedMap, old: CommentedMap) -> Iterator[str]:
    if isinstance(error, OperationMissingError):
        yield _operation_hint(error.operation_id, document, old)
    elif isinstance(error, TargetMissingError):
        found = _COMPONENT.search(error.action.target_text)
        if found:
            yield _part_hint(error.action, found["name"], document)
            yield _component_hint(found["name"], document, old)
    elif isinstance(error, DanglingReferenceError) and error.reference.ref.startswith(_SCHEMAS):
        yield _component_hint(error.reference.ref.removeprefix(_SCHEMAS), document, old)


def _operation_hint(operation_id: str, document: CommentedMap, old: CommentedMap) -> str:
    try:
        path, method = find_operation(old, operation_id)
    except OperationMissingError:
        return ""
    place = f"{method.upper()} {path}"
    operation = _at(document, ("paths", path, method))
    if not isinstance(operation, CommentedMap):
        return f"; nothing stands at {place}, where it was"
    return (
        f"; {place} has the operationId {operation.get('operationId')!r} now: put that into"
        " OPERATIONS of contract/compose.py"
    )


def _component_hint(name: str, document: CommentedMap, old: CommentedMap) -> str:
    """By the places that referred to the schema, and what stands there now."""
    ref = _SCHEMAS + name
    for reference in references(old):
        if reference.ref != ref:
            continue
        at = reference.at[:-1]
        found = _at(document, at)
        if isinstance(found, CommentedMap) and found.get("$ref") != ref:
            if "$ref" in found:
                return f"; {ref} is {found['$ref']} now: name that in contract/overlay.yaml"
            return f"; {ref} stands at {jsonpath(at)} now: name that in contract/overlay.yaml"
    return ""


def _part_hint(action: Action, name: str, document: CommentedMap) -> str:
    """By the parts that the schema is put together of."""
    component = _at(document, ("components", "schemas", name))
    if not isinstance(component, CommentedMap):
        return ""
    for reference in references(component):
        part = reference.ref.removeprefix(_SCHEMAS)
        text = action.target_text.replace(name, part, 1)
        if next(iter(JSONPATH.finditer(text, document)), None):
            return f"; {reference.ref} has it now: name that in this action"
    return ""


def _at(document: CommentedMap, location: Location) -> Any:
    node: Any = document
    for key in location:
        try:
            node = node[key]
        except (KeyError, IndexError, TypeError):
            return None
    return node
