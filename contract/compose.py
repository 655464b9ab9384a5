"""The effective contract: the published document, cut to what is called, and the overlay.

    python -m contract.compose [--spec FILE] [--overlay FILE] [--output FILE]

Exit status 0, or 2 with the reason on standard error when nothing sound can be composed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml.comments import CommentedMap

from contract.comments import keep_only
from contract.document import (
    METHODS,
    ContractError,
    dump,
    find_operation,
    listed,
    load_openapi,
    mapping,
    pointer,
    references,
    resolve,
)
from contract.overlay import Overlay, apply, load_overlay

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from contract.document import Location, Operation
    from contract.overlay import Effect

OPERATIONS = ("audio-speech", "fetchVoices")
"""The operationIds in use. One more here, and `make generate`, is one more in the client."""

ROOT = Path(__file__).resolve().parent.parent

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
        text = compose_files(options.spec, options.overlay)
        if options.output is None:
            sys.stdout.write(text)
        else:
            options.output.write_text(text, encoding="utf-8", newline="\n")
    except (ContractError, OSError) as error:
        print(f"contract.compose: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


def compose_files(spec: Path, overlay: Path) -> str:
    """The effective contract of two files, as text.

    Raises:
        ContractError: either is unsound, or they do not fit each other.
    """
    document = load_openapi(spec)
    compose(document, load_overlay(overlay), OPERATIONS)
    return dump(document)


def compose(document: CommentedMap, overlay: Overlay, operations: Iterable[str]) -> list[Effect]:
    """Apply the overlay to the document and cut it to the operations, in place.

    What stays is the operations, what they refer to, directly or not, and what speaks of the whole
    document. Composing the result again with the same overlay changes nothing.

    Returns:
        What each action did; nothing when the document has this overlay already.

    Raises:
        ContractError: a target matches nothing, an operation is missing, or a reference leads out
            of the document or to nothing.
    """
    effects = []
    if document.get(APPLIED) != overlay.digest:
        effects = apply(document, overlay)
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
