"""The effective contract: the published document, cut to what is called, and the overlay.

    python -m contract.compose [--spec FILE] [--overlay FILE] [--output FILE]

Exit status 0; with the reason on standard error, 2 when nothing sound can be composed, and 3 when
the overlay contradicts the document.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml.comments import CommentedMap

from contract.comments import in_blocks, keep_only, rename
from contract.document import (
    METHODS,
    ContractError,
    OperationMissingError,
    dump,
    find_operation,
    listed,
    load_openapi,
    mapping,
    pointer,
    references,
    resolve,
    tell,
)
from contract.moves import explained
from contract.overlay import Overlay, OverlayConflictError, apply, load_overlay

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from contract.document import Location, Operation
    from contract.overlay import Effect

OPERATIONS = ("audio-speech", "fetchVoices")
"""The operationIds in use. One more here, and `make generate`, is one more in the client."""

BASE_URL = "https://api.together.ai/v1"
"""What the paths of the overlay, and those of the operations in use, stand below."""

ROOT = Path(__file__).resolve().parent.parent

KNOWN = ROOT / "generated" / "contract.yaml"
"""The effective contract that is in use."""

APPLIED = "x-overlay-applied"
"""Where a composed document says which overlay it has, so that it is not applied twice."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the return value is its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m contract.compose", description=__doc__.partition("\n")[0]
    )
    parser.add_argument(
        "--spec", type=Path, default=ROOT / "openapi.yaml", help="the published document"
    )
    parser.add_argument("--overlay", type=Path, default=ROOT / "contract" / "overlay.yaml")
    parser.add_argument("--output", type=Path, help="the file to write (default: standard output)")
    options = parser.parse_args(argv)
    try:
        text = compose_files(options.spec, options.overlay, known=KNOWN)
        if options.output is None:
            sys.stdout.write(text)
        else:
            options.output.write_text(text, encoding="utf-8", newline="\n")
    except (ContractError, OSError) as error:
        return tell("contract.compose", error)
    return 0


def compose_files(spec: Path, overlay: Path, *, known: Path | None = None) -> str:
    """The effective contract of two files, as text.

    Args:
        spec: The published document.
        overlay: What is added to it.
        known: An effective contract from before, to tell where something has moved to.

    Raises:
        ContractError: either is unsound, or they do not fit each other.
    """
    document = load_openapi(spec)
    effective(document, load_overlay(overlay), str(spec), known=known)
    return dump(document)


def effective(
    document: CommentedMap, overlay: Overlay, name: str, *, known: Path | None = None
) -> list[Effect]:
    """Make a published document the effective contract, in place.

    Returns:
        What each action of the overlay did.

    Raises:
        ContractError: see `compose`; or the document is one that no client can be made of.
    """
    rebase(document)
    try:
        effects = compose(document, overlay, OPERATIONS)
    except ContractError as error:
        raise explained(error, document, name, known) from error
    _check_readable(document, name)
    if document.fa.flow_style():
        in_blocks(document)
    return effects


def rebase(document: CommentedMap) -> None:
    """Have the paths stand below `BASE_URL` where servers and paths divide the same URLs elsewhere.

    Nothing changes for those who call them. Where none of the operations in use is there, as they
    have other names, all paths stand for them.
    """
    operations = []
    for operation_id in OPERATIONS:
        with contextlib.suppress(OperationMissingError):
            operations.append(find_operation(document, operation_id))
    servers = [str(server.get("url")) for server in listed(document, "servers", of=CommentedMap)]
    first = servers[0].rstrip("/") if servers else ""
    holders = [document["paths"][at.path] for at in operations]
    holders += [document["paths"][at.path][at.method] for at in operations]
    if any("servers" in holder for holder in holders):
        return
    if BASE_URL.startswith(first + "/"):  # the paths have what the servers lack
        extra = BASE_URL.removeprefix(first)
        below = {path for path in document["paths"] if path.startswith(extra + "/")}
        if below and all(at.path in below for at in operations):
            keep_only(document, "paths", below)
            names = {path: path.removeprefix(extra) for path in below}
            _move(document, names, [server.rstrip("/") + extra for server in servers])
    elif first.startswith(BASE_URL + "/"):  # and the other way round
        extra = first.removeprefix(BASE_URL)
        if all(server.rstrip("/").endswith(extra) for server in servers):
            names = {path: extra + path for path in document["paths"]}
            _move(document, names, [server.rstrip("/").removesuffix(extra) for server in servers])


def _move(document: CommentedMap, names: Mapping[str, str], servers: Sequence[str]) -> None:
    rename(document["paths"], names)
    for server, url in zip(document["servers"], servers, strict=True):
        server["url"] = url


def _check_readable(document: CommentedMap, name: str) -> None:
    """Refuse what the generator does not read, in better words than its own."""
    version = document["openapi"]
    if not isinstance(version, str) or not version.startswith(("3.0.", "3.1.")):
        raise ContractError(f"{name}: openapi is {version}; clients are made of 3.0.x and 3.1.x")
    info = mapping(document, "info")
    for key in ("title", "version"):
        if not isinstance(info.get(key), str):
            said = "missing" if key not in info else f"{info[key]}, which is no text for YAML"
            raise ContractError(f"{name}: #/info/{key} is {said}; it must be a quoted text")


def compose(document: CommentedMap, overlay: Overlay, operations: Iterable[str]) -> list[Effect]:
    """Apply the overlay to the document and cut it to the operations, in place.

    What stays is the operations, what they refer to, directly or not, and what speaks of the whole
    document. Composing the result again with the same overlay changes nothing.

    Returns:
        What each action did; nothing when the document has this overlay already.

    Raises:
        OverlayConflictError: the overlay contradicts the document.
        ContractError: a target matches nothing, an operation is missing, or a reference leads out
            of the document or to nothing.
    """
    effects = []
    if document.get(APPLIED) != overlay.digest:
        effects = apply(document, overlay)
        if any(effect.conflicts for effect in effects):
            raise OverlayConflictError(effects)
        document[APPLIED] = overlay.digest
    _cut(document, [find_operation(document, operation_id) for operation_id in operations])
    return effects


def _cut(document: CommentedMap, operations: Sequence[Operation]) -> None:
    paths = {path for path, _ in operations}
    for path in paths:
        unused = METHODS - {method for at, method in operations if at == path}
        keep_only(document["paths"], path, set(document["paths"][path]) - unused)
    keep_only(document, "paths", paths)
    called: list[Location] = [("paths", *operation) for operation in operations]
    tags = [tag for at in called for tag in listed(document, *at, "tags", of=str)]
    dropped = {"webhooks"}  # what the service calls is nothing that anybody here calls
    if not _cut_components(document, called):
        dropped.add("components")
    if not _cut_tags(document, tags):
        dropped.add("tags")
    keep_only(CommentedMap(document=document), "document", set(document) - dropped)


def _cut_components(document: CommentedMap, called: Iterable[Location]) -> bool:
    """Whether any component is left."""
    used: dict[str, set[str]] = {}
    for section, name in _components_in_use(document, called):
        used.setdefault(section, set()).add(name)
    if used:
        keep_only(document, "components", set(used))
    for section, names in used.items():
        keep_only(document["components"], section, names)
    return bool(used)


def _cut_tags(document: CommentedMap, used: Sequence[str]) -> bool:
    """Whether any tag is left in the document's list of them."""
    tags = listed(document, "tags", of=CommentedMap)
    kept = {index for index, tag in enumerate(tags) if tag.get("name") in used}
    if kept:
        keep_only(document, "tags", kept)
    return bool(kept)


def _components_in_use(document: CommentedMap, called: Iterable[Location]) -> set[tuple[str, str]]:
    """The components, each as (section, name), that the paths left need, directly or not."""
    found: set[tuple[str, str]] = {
        ("securitySchemes", name)
        for at in ((), *called)
        for requirement in listed(document, *at, "security", of=CommentedMap)
        for name in requirement
    }
    for _, name in found:
        if name not in mapping(document, "components", "securitySchemes"):
            raise ContractError(
                f"security scheme {name!r} is missing in #/components/securitySchemes"
            )
    todo: list[Location] = [("paths",), *(("components", *component) for component in found)]
    while todo:
        at = todo.pop()
        node: Any = document
        for key in at:
            node = node[key]
        for reference in references(node, at):
            target = resolve(document, reference)
            if target[0] == "components" and len(target) > 2:
                component = (str(target[1]), str(target[2]))
                if component not in found:
                    found.add(component)
                    todo.append(("components", *component))
            elif target[0] != "paths":
                raise ContractError(f"{pointer(reference.at)}: {reference.ref!r} is no component")
    return found


if __name__ == "__main__":
    sys.exit(main())
