"""OpenAPI Overlay 1.0: reading an overlay and applying its actions to a document."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jsonpath import JSONPathEnvironment, JSONPathError
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from contract.comments import append, without_comments
from contract.document import ContractError, Location, load_yaml, pointer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from jsonpath import CompoundJSONPath, JSONPath


@dataclass(frozen=True)
class Action:
    """One action of an overlay; `where` names it for people."""

    where: str
    target: JSONPath | CompoundJSONPath
    update: Any
    remove: bool


@dataclass(frozen=True)
class Overlay:
    """An overlay that has been read and is sound."""

    actions: tuple[Action, ...]
    digest: str
    """SHA-256 of what the actions do, whatever their spelling."""


@dataclass(frozen=True)
class Effect:
    """What an action found to do. One that added, replaced and removed nothing is redundant."""

    action: Action
    added: tuple[Location, ...]
    replaced: tuple[Location, ...]
    removed: tuple[Location, ...]


def load_overlay(path: Path) -> Overlay:
    """Read an overlay.

    Raises:
        ContractError: it cannot be read or breaks the Overlay Specification 1.0.
    """
    data = load_yaml(path)
    if not isinstance(data, CommentedMap) or not str(data.get("overlay")).startswith("1.0."):
        raise ContractError(f"{path}: not an Overlay 1.0 document: no `overlay: 1.0.…` at its top")
    info = data.get("info")
    if not isinstance(info, CommentedMap) or not {"title", "version"} <= set(info):
        raise ContractError(f"{path}: `info` needs a title and a version")
    actions = data.get("actions")
    if not isinstance(actions, CommentedSeq) or not actions:
        raise ContractError(f"{path}: `actions` must be a list with at least one action")
    return Overlay(
        tuple(
            _action(action, f"{path}: action {number}") for number, action in enumerate(actions, 1)
        ),
        hashlib.sha256(json.dumps(actions, default=str).encode()).hexdigest(),
    )


def apply(document: CommentedMap, overlay: Overlay) -> list[Effect]:
    """Carry out every action on the document, in order and in place.

    An update is merged into each mapping that the target selects: mappings recursively, lists by
    appending, anything else by replacing. For a selected list it is one item to append. An item
    that the list has already is not appended again, so that an enum keeps its values distinct once
    upstream has the value too.

    Raises:
        ContractError: a target matches nothing, or something that the action does not suit.
    """
    return [_apply(document, action) for action in overlay.actions]


_JSONPATH = JSONPathEnvironment(strict=True)  # RFC 9535 and no more
_FIELDS = frozenset({"target", "description", "update", "remove"})


def _action(data: Any, where: str) -> Action:
    if not isinstance(data, CommentedMap) or not isinstance(data.get("target"), str):
        raise ContractError(f"{where}: needs a `target`, a JSONPath in a string")
    unknown = [key for key in data if key not in _FIELDS and not str(key).startswith("x-")]
    if unknown:
        raise ContractError(
            f"{where}: unknown field {unknown[0]!r}; known are {', '.join(sorted(_FIELDS))}"
        )
    remove = data.get("remove", False)
    if not isinstance(remove, bool) or remove == ("update" in data):
        raise ContractError(f"{where}: needs either an `update` or `remove: true`")
    try:
        target = _JSONPATH.compile(data["target"])
    except JSONPathError as error:
        raise ContractError(
            f"{where}: {data['target']!r} is no JSONPath: {error.args[0]}"
        ) from error
    return Action(f"{where} ({data['target']})", target, data.get("update"), remove)


def _apply(document: CommentedMap, action: Action) -> Effect:
    matches = list(action.target.finditer(document))
    if not matches:
        raise ContractError(f"{action.where}: the target matches nothing")
    merge = _Merge()
    removed = []
    for match in reversed(matches):  # so that what is removed moves nothing that is still to come
        if not isinstance(match.obj, CommentedMap | CommentedSeq):
            raise ContractError(
                f"{action.where}: selects {pointer(match.parts)}, neither a mapping nor a list;"
                " select what holds it"
            )
        if not action.remove:
            merge.into(match.obj, action.update, match.parts, action.where)
        elif match.parent is None:
            raise ContractError(f"{action.where}: would remove the whole document")
        else:
            holder: Any = match.parent.obj
            del holder[match.parts[-1]]
            removed.append(match.parts)
    return Effect(action, tuple(merge.added), tuple(merge.replaced), tuple(removed))


class _Merge:
    def __init__(self) -> None:
        self.added: list[Location] = []
        self.replaced: list[Location] = []

    def into(self, target: Any, update: Any, at: Location, where: str) -> None:
        if isinstance(target, CommentedSeq):
            self._append(target, [update], at)
        elif isinstance(update, CommentedMap):
            self._merge(target, update, at)
        else:
            raise ContractError(
                f"{where}: selects the mapping {pointer(at)}, so `update` must be one too"
            )

    def _merge(self, target: CommentedMap, update: CommentedMap, at: Location) -> None:
        for key, value in update.items():
            here = (*at, key)
            old = target.get(key)
            if key not in target:
                append(target, key, without_comments(value))
                self.added.append(here)
            elif isinstance(old, CommentedMap) and isinstance(value, CommentedMap):
                self._merge(old, value, here)
            elif isinstance(old, CommentedSeq) and isinstance(value, CommentedSeq):
                self._append(old, value, here)
            elif old != value:
                target[key] = without_comments(value)
                self.replaced.append(here)

    def _append(self, target: CommentedSeq, items: Iterable[Any], at: Location) -> None:
        for item in items:
            if item not in target:
                append(target, len(target), without_comments(item))
                self.added.append((*at, len(target) - 1))
