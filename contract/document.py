"""OpenAPI documents as YAML trees: reading them strictly, following their references, writing them.

A document is read and written with ruamel.yaml's round trip (YAML 1.2), so that order, comments
and the spelling of scalars survive. Whatever is wrong with a document is a `ContractError`.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar, cast
from urllib.parse import unquote

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.constructor import ConstructorError, DuplicateKeyError, RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.representer import RoundTripRepresenter

if TYPE_CHECKING:
    from pathlib import Path

METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})

LIMIT = 16 * 2**20
"""Bytes of a document: some thirty times what Together's takes."""

Location = tuple[str | int, ...]
"""The keys and indexes that lead to a node from the root of its document."""


Item = TypeVar("Item", CommentedMap, str)


class ContractError(Exception):
    """A document, an overlay or a tool that nothing sound can be made of.

    Its text says why, in one line that is no longer than a person reads, whatever a document has
    in it.
    """

    status: ClassVar[int] = 2
    """The exit status of a tool that ends with it."""

    def __str__(self) -> str:
        text = " ".join(super().__str__().split())
        text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[: 2 * _LINE])
        return text if len(text) <= _LINE else text[: _LINE - 1] + "…"


class OperationMissingError(ContractError):
    """No operation of a document has the operationId that was asked for."""

    def __init__(self, operation_id: str) -> None:
        super().__init__(f"operation {operation_id!r} is missing")
        self.operation_id = operation_id


class DanglingReferenceError(ContractError):
    """A reference leads to nothing."""

    def __init__(self, reference: Reference) -> None:
        super().__init__(
            f"{pointer(reference.at)}: dangling reference: there is no {reference.ref!r}"
        )
        self.reference = reference


class Reference(NamedTuple):
    """A `$ref`, or what stands for one in a discriminator's mapping: where it is, what it says."""

    at: Location
    ref: str


class Operation(NamedTuple):
    """Where an operation stands: `document["paths"][path][method]`."""

    path: str
    method: str


def load_openapi(path: Path) -> CommentedMap:
    """Read an OpenAPI 3 document.

    Raises:
        ContractError: it cannot be read, is no YAML 1.2, repeats a key, or is no OpenAPI 3.
    """
    return parse_openapi(read_file(path), str(path))


def parse_openapi(content: bytes, name: str) -> CommentedMap:
    """Read an OpenAPI 3 document from its bytes; `name` is what errors call it."""
    document = _parse(content, name)
    if not isinstance(document, CommentedMap) or not str(document.get("openapi")).startswith("3."):
        raise ContractError(f"{name}: not an OpenAPI 3 document: no `openapi: 3.…` at its top")
    mapping(document, "paths")
    return document


def load_yaml(path: Path) -> Any:
    """Read any YAML 1.2 file for a round trip; a repeated key is an error."""
    return _parse(read_file(path), str(path))


def read_file(path: Path, *, limit: int = LIMIT) -> bytes:
    """The bytes of a file.

    Raises:
        ContractError: it cannot be read, or has more than `limit` bytes.
    """
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise ContractError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > limit:
        raise ContractError(f"{path}: more than {limit:,} bytes")
    return content


def tell(tool: str, error: Exception) -> int:
    """Print why a tool ends, on standard error; the return value is its exit status."""
    print(f"{tool}: {error}", file=sys.stderr)  # noqa: T201
    return error.status if isinstance(error, ContractError) else ContractError.status


def dump(document: CommentedMap) -> str:
    """The document as text; the same tree always gives the same text."""
    stream = io.StringIO()
    _yaml().dump(document, stream)
    return stream.getvalue()


def every_operation(document: CommentedMap) -> Iterator[tuple[Operation, CommentedMap]]:
    """Each operation of a document, and where it stands.

    Raises:
        ContractError: something else stands where one should, or its path or its operationId is
            no text.
    """
    for path in mapping(document, "paths"):
        if not isinstance(path, str):
            raise ContractError(f"not an OpenAPI document: the path {path!r:.60} is no text")
        for method in mapping(document, "paths", path):
            if method not in METHODS:
                continue
            operation = mapping(document, "paths", path, method)
            name = operation.get("operationId", "")
            if not isinstance(name, str):
                at = pointer(("paths", path, method, "operationId"))
                raise ContractError(f"not an OpenAPI document: {at} is {name!r:.60}, no text")
            yield Operation(path, method), operation


def find_operation(document: CommentedMap, operation_id: str) -> Operation:
    """Where the operation with this operationId stands.

    Raises:
        OperationMissingError: none has it.
        ContractError: more than one has it.
    """
    found = [
        at
        for at, operation in every_operation(document)
        if operation.get("operationId") == operation_id
    ]
    if not found:
        raise OperationMissingError(operation_id)
    if len(found) > 1:
        places = " and ".join(f"{method.upper()} {path}" for path, method in found)
        raise ContractError(f"operation {operation_id!r} is there more than once: {places}")
    return found[0]


def references(node: Any, at: Location = ()) -> Iterator[Reference]:
    """Each reference in `node`, which stands at `at`; what it refers to is not entered.

    Keywords are told from names: a property may be called `$ref`, and an example may hold one.
    """
    yield from _references(node, at, named=False, above=frozenset())


def resolve(document: CommentedMap, reference: Reference) -> Location:
    """Where a reference leads to.

    Raises:
        ContractError: it leads out of the document, or to nothing.
    """
    if not reference.ref.startswith("#/"):
        raise ContractError(
            f"{pointer(reference.at)}: {reference.ref!r} is not a local reference (`#/…`)"
        )
    node: Any = document
    location: Location = ()
    for part in reference.ref[2:].split("/"):
        key: str | int = unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(node, list) and str(key).isdecimal():
            key = int(key)
        try:
            node = node[key]
        except (KeyError, IndexError, TypeError) as error:
            raise DanglingReferenceError(reference) from error
        location = (*location, key)
    return location


def mapping(document: CommentedMap, *location: str | int) -> CommentedMap:
    """The mapping at a location.

    Raises:
        ContractError: something else stands there, or nothing.
    """
    node: Any = document
    for done, key in enumerate(location, start=1):
        node = node.get(key)
        if not isinstance(node, CommentedMap):
            kind = "missing" if node is None else f"{node!r:.60}"
            raise ContractError(
                f"not an OpenAPI document: {pointer(location[:done])} is {kind}, not a mapping"
            )
    return cast("CommentedMap", node)


def listed(document: CommentedMap, *location: str | int, of: type[Item]) -> list[Item]:
    """The items of the list at a location; none when there is no list.

    Raises:
        ContractError: something else stands there, or an item is of another type.
    """
    *holder, key = location
    items = mapping(document, *holder).get(key, [])
    if not isinstance(items, list) or not all(isinstance(item, of) for item in items):
        kind = "strings" if of is str else "mappings"
        raise ContractError(f"not an OpenAPI document: {pointer(location)} is no list of {kind}")
    return items


def pointer(location: Location) -> str:
    """A location as a JSON pointer (RFC 6901) in a URI fragment's spelling, for people."""
    return "#" + "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in location)


_LINE = 500
"""Characters of an error's text."""

# Below these keywords stand names of the author's choice, and below each name an object with
# keywords again.
NAMING = frozenset(
    {
        "$defs", "callbacks", "content", "definitions", "dependentSchemas", "encoding", "examples",
        "headers", "links", "parameters", "pathItems", "paths", "patternProperties", "properties",
        "requestBodies", "responses", "schemas", "securitySchemes", "variables", "webhooks",
    }
)  # fmt: skip
# Below these stands data, which means nothing to the document however it looks.
_DATA = frozenset({"const", "default", "enum", "example", "value"})


def _parse(content: bytes, name: str) -> Any:
    try:
        return _yaml().load(content)
    except MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f":{error.problem_mark.line + 1}"
        problem = error.problem
        if isinstance(error, DuplicateKeyError):  # which goes on with both values
            problem = problem.partition(" with value ")[0]
        raise ContractError(f"{name}{line}: invalid YAML: {problem}") from error
    except (YAMLError, ValueError, RecursionError) as error:  # such as the date 2024-02-31
        raise ContractError(f"{name}: invalid YAML: {error}") from error


def _references(
    node: Any, at: Location, *, named: bool, above: frozenset[int]
) -> Iterator[Reference]:
    if id(node) in above:  # an alias of a node that holds it
        return
    above |= {id(node)}
    if isinstance(node, Mapping):
        for key, value in node.items():
            here = (*at, key)
            if named:
                yield from _references(value, here, named=False, above=above)
            elif key == "$ref" and isinstance(value, str):
                yield Reference(here, value)
            elif key == "discriminator" and isinstance(value, Mapping):
                yield from _mapped(value, here)
            elif not _is_data(key, value):
                yield from _references(value, here, named=key in NAMING, above=above)
    elif isinstance(node, Sequence) and not isinstance(node, str):
        for index, item in enumerate(node):
            yield from _references(item, (*at, index), named=False, above=above)


def _is_data(key: Any, value: Any) -> bool:
    # A schema's examples are a list of data; anywhere else they are named.
    return (
        key in _DATA or str(key).startswith("x-") or (key == "examples" and isinstance(value, list))
    )


def _mapped(discriminator: Mapping[str, Any], at: Location) -> Iterator[Reference]:
    """A mapping's value is a reference or, in short, the name of a schema."""
    targets = discriminator.get("mapping", {})
    here = (*at, "mapping")
    if not isinstance(targets, Mapping) or not all(isinstance(t, str) for t in targets.values()):
        raise ContractError(f"not an OpenAPI document: {pointer(here)} does not map to strings")
    for value, target in targets.items():
        is_name = not set("#/.") & set(target)
        ref = f"#/components/schemas/{target}" if is_name else target
        yield Reference((*here, value), ref)


class _Constructor(RoundTripConstructor):
    """Refuses what is tagged as no kind of YAML's own, such as an object of Python's."""

    def refuse(self, node: Any) -> Any:
        raise ConstructorError(None, None, f"unknown tag {node.tag}", node.start_mark)


_Constructor.add_constructor(None, _Constructor.refuse)


class _Representer(RoundTripRepresenter):
    """Writes `null` as `null`; the round trip's own would leave the value out."""

    def represent_none(self, data: None) -> Any:
        return self.represent_scalar("tag:yaml.org,2002:null", "null")


_Representer.add_representer(type(None), _Representer.represent_none)


def _yaml() -> YAML:
    yaml = YAML()
    yaml.Constructor = _Constructor
    yaml.Representer = _Representer
    yaml.preserve_quotes = True
    yaml.brace_single_entry_mapping_in_flow_sequence = True
    yaml.width = 1 << 30  # a line is as long as its author made it
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml
