"""OpenAPI Overlay 1.0: reading an overlay and applying its actions to a document."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from jsonpath import JSONPathEnvironment, JSONPathError
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from contract.comments import append, without_comments
from contract.document import NAMING, ContractError, Location, load_yaml, pointer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from jsonpath import CompoundJSONPath, JSONPath


@dataclass(frozen=True)
class Action:
    """One action of an overlay; `where` names it for people."""

    where: str
    target: JSONPath | CompoundJSONPath
    target_text: str
    update: Any
    remove: bool


@dataclass(frozen=True)
class Overlay:
    """An overlay that has been read and is sound."""

    actions: tuple[Action, ...]
    digest: str
    """SHA-256 of what the actions do, whatever their spelling."""


class Conflict(NamedTuple):
    """A place where the document and an update say different things."""

    at: Location
    upstream: Any
    overlay: Any
    within: Location | None
    """What a removal has to select, so that the action says all of it; `None` where none can."""


@dataclass(frozen=True)
class Effect:
    """What an action found to do. One that added, replaced and removed nothing is redundant."""

    action: Action
    added: tuple[Location, ...]
    conflicts: tuple[Conflict, ...]
    removed: tuple[Location, ...]

    @property
    def replaced(self) -> tuple[Location, ...]:
        """The places of the conflicts: what stood there is gone."""
        return tuple(conflict.at for conflict in self.conflicts)


class TargetMissingError(ContractError):
    """The target of an action matches nothing."""

    def __init__(self, action: Action) -> None:
        super().__init__(f"{action.where}: the target matches nothing")
        self.action = action


class OverlayConflictError(ContractError):
    """An overlay and the document that it is for say different things."""

    status: ClassVar[int] = 3

    def __init__(self, effects: Sequence[Effect]) -> None:
        self._lines = [
            line for effect in effects for line in _told(effect.action, effect.conflicts)
        ]
        super().__init__("the overlay contradicts the document")

    def __str__(self) -> str:
        """A line for each place, and under those of an action what settles them."""
        return "\n".join([super().__str__(), *self._lines])


def load_overlay(path: Path) -> Overlay:
    """Read an overlay.

    Raises:
        ContractError: it cannot be read or breaks the Overlay Specification 1.0.
    """
    data = load_yaml(path)
    _check_plain(data, path)
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
            _action(action, f"{path}:{actions.lc.item(index)[0] + 1}: action {index + 1}")
            for index, action in enumerate(actions)
        ),
        hashlib.sha256(json.dumps(actions).encode()).hexdigest(),
    )


def apply(document: CommentedMap, overlay: Overlay) -> list[Effect]:
    """Carry out every action on the document, in order and in place.

    An update is merged into each mapping that the target selects: mappings recursively, lists by
    appending, anything else by replacing, which is a conflict. For a selected list it is one item
    to append. An item that the list has already is not appended again, so that an enum keeps its
    values distinct once upstream has the value too; a parameter is the same one by its name and
    its place, and merged. Where upstream has words of its own (`description`), they stay.

    What says in another way what a value is, a `$ref` beside an inline schema above all, would
    hold together with it. So it is not merged but replaces it, and is a conflict as well.

    Raises:
        ContractError: a target matches nothing, or something that the action does not suit.
    """
    return [_apply(document, action) for action in overlay.actions]


def jsonpath(location: Location) -> str:
    """A location as a JSONPath that selects it."""
    return "$" + "".join(f"[{part!r}]" for part in location)


JSONPATH = JSONPathEnvironment(strict=True)  # RFC 9535 and no more
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
        target = JSONPATH.compile(data["target"])
    except JSONPathError as error:
        raise ContractError(
            f"{where}: {data['target']!r} is no JSONPath: {error.args[0]}"
        ) from error
    return Action(f"{where} ({data['target']})", target, data["target"], data.get("update"), remove)


def _check_plain(node: Any, path: Path) -> None:
    """Refuse what JSON has no kind for: it would be written into the contract as something else."""
    if isinstance(node, CommentedMap):
        for key, value in node.items():
            if not isinstance(key, str):
                line = node.lc.key(key)[0] + 1
                raise ContractError(f"{path}:{line}: the key {key} is no text; quote it")
            _check_plain(value, path)
            if isinstance(value, date):
                line = node.lc.value(key)[0] + 1
                raise ContractError(f"{path}:{line}: {value} is a date for YAML; quote it")
    elif isinstance(node, CommentedSeq):
        for index, item in enumerate(node):
            _check_plain(item, path)
            if isinstance(item, date):
                line = node.lc.item(index)[0] + 1
                raise ContractError(f"{path}:{line}: {item} is a date for YAML; quote it")


def _apply(document: CommentedMap, action: Action) -> Effect:
    matches = {match.parts: match for match in action.target.finditer(document)}
    if not matches:
        raise TargetMissingError(action)
    merge = _Merge()
    removed = []
    # From the end, so that what is removed moves nothing that is still to come.
    for at in sorted(matches, key=_in_order, reverse=True):
        match = matches[at]
        if not isinstance(match.obj, CommentedMap | CommentedSeq):
            raise ContractError(
                f"{action.where}: selects {pointer(at)}, neither a mapping nor a list;"
                " select what holds it"
            )
        if not action.remove:
            merge.into(match.obj, action.update, at, action.where)
        elif match.parent is None:
            raise ContractError(f"{action.where}: would remove the whole document")
        else:
            holder: Any = match.parent.obj
            del holder[at[-1]]
            removed.append(at)
    return Effect(action, tuple(merge.added), tuple(merge.conflicts), tuple(removed))


def _in_order(at: Location) -> list[tuple[int, str]]:
    """By which places are sorted: what holds another comes first, and items as they stand."""
    return [(part, "") if isinstance(part, int) else (-1, str(part)) for part in at]


class _Merge:
    def __init__(self) -> None:
        self.added: list[Location] = []
        self.conflicts: list[Conflict] = []
        self._depth = 0

    def into(self, target: Any, update: Any, at: Location, where: str) -> None:
        self._depth = len(at)
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
                if _are_two_kinds(old, value, here):
                    self._replace(target, key, value, here)
                else:
                    self._merge(old, value, here)
            elif isinstance(old, CommentedSeq) and isinstance(value, CommentedSeq):
                self._append(old, value, here)
            elif old != value and not _are_words(key, old, value):
                self._replace(target, key, value, here)

    def _append(self, target: CommentedSeq, items: Iterable[Any], at: Location) -> None:
        for item in items:
            same = _same_parameter(target, item)
            if same is not None:
                self._merge(target[same], item, (*at, same))
            elif item not in target:
                append(target, len(target), without_comments(item))
                self.added.append((*at, len(target) - 1))

    def _replace(self, target: CommentedMap, key: Any, value: Any, at: Location) -> None:
        self.conflicts.append(Conflict(at, target[key], value, self._within(at, target[key])))
        target[key] = without_comments(value)

    def _within(self, at: Location, value: Any) -> Location | None:
        """The nearest named thing around a place that the update says all of."""
        for end in range(len(at), max(self._depth, 1), -1):
            is_holder = end < len(at) or isinstance(value, CommentedMap | CommentedSeq)
            if is_holder and at[end - 2] in NAMING:
                return at[:end]
        return None


_WORDS = frozenset({"description", "summary", "title"})
_COMPOSED = frozenset({"$ref", "allOf", "anyOf", "const", "not", "oneOf"})


def _are_words(key: Any, old: Any, new: Any) -> bool:
    return key in _WORDS and isinstance(old, str) and isinstance(new, str)


def _are_two_kinds(old: CommentedMap, new: CommentedMap, at: Location) -> bool:
    """Whether both say what a value is, and one of them by parts of it or by the one that it is."""
    mine, yours = set(old) - _WORDS, set(new) - _WORDS
    if at[-1] in NAMING or mine & _COMPOSED == yours & _COMPOSED:  # names, or the same kind
        return False
    lists_more = "const" in mine and "enum" in yours and old.get("enum") != new["enum"]
    return bool(mine) and (lists_more or not yours <= mine)


def _same_parameter(target: CommentedSeq, item: Any) -> int | None:
    """Where the list has the parameter that `item` is too."""

    def key(node: Any) -> tuple[Any, Any] | None:
        has_both = isinstance(node, CommentedMap) and {"name", "in"} <= set(node)
        return (node["in"], node["name"]) if has_both else None

    if key(item) is None:
        return None
    return next((index for index, old in enumerate(target) if key(old) == key(item)), None)


def _told(action: Action, conflicts: Sequence[Conflict]) -> Iterator[str]:
    for conflict in conflicts:
        yield (
            f"  {action.where} conflicts at {pointer(conflict.at)}: upstream says"
            f" {_short(conflict.upstream)}, the overlay {_short(conflict.overlay)}"
        )
    if conflicts:
        yield "    Where upstream is right, take out of the action what conflicts."
    within = dict.fromkeys(conflict.within for conflict in conflicts if conflict.within)
    if within:
        yield "    Where the documentation that the action names is, put above the action:"
    for place in within:  # as far from the margin as the overlay's own actions
        yield f"  - target: {json.dumps(jsonpath(place))}"
        yield "    description: Upstream says otherwise; the next action names its source."
        yield "    remove: true"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 120 else text[:119] + "…"
