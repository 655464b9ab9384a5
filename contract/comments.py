"""Comments stay with what they stand above.

ruamel.yaml keeps the lines between two siblings with the last scalar inside the upper one. So when
the upper one goes, they would go as well, though they speak of the lower one. The functions here
remove and append children and leave each comment above its own.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark
from ruamel.yaml.scalarstring import FoldedScalarString, LiteralScalarString
from ruamel.yaml.tokens import CommentToken

if TYPE_CHECKING:
    from collections.abc import Mapping

Collection = CommentedMap | CommentedSeq


def keep_only(parent: CommentedMap, name: str, kept: set[Any]) -> None:
    """Remove each key of the mapping `parent[name]`, or index of the sequence, not in `kept`."""
    collection = parent[name]
    keys = _keys(collection)
    gaps = [_lines_after(collection, key) for key in keys]
    above = dict(zip(keys[1:], gaps, strict=False))
    left = [key for key in keys if key in kept]
    if left[0] != keys[0]:
        _set_lines_before_first(parent, name, left[0], above[left[0]])
    for upper, lower in pairwise(left):
        _set_lines_after(collection, upper, above[lower])
    _set_lines_after(collection, left[-1], gaps[-1])
    for key in reversed(keys):
        if key not in kept:
            del collection[key]


def rename(collection: CommentedMap, names: Mapping[str, str]) -> None:
    """Give keys of a mapping other names, each in its place."""
    comments = dict(collection.ca.items)
    items = [(names.get(key, key), value) for key, value in collection.items()]
    collection.clear()
    for key, value in items:
        collection[key] = value
    collection.ca.items.clear()
    collection.ca.items.update({names.get(key, key): kept for key, kept in comments.items()})


def append(collection: Collection, key: Any, value: Any) -> None:
    """Put `value` at the end: under a new key of a mapping, or as the next item of a sequence."""
    last = _keys(collection)[-1:]
    below = _lines_after(collection, last[0]) if last else ""
    if last:
        _set_lines_after(collection, last[0], "")
    if isinstance(collection, CommentedMap):
        collection[key] = value
    else:
        collection.append(value)
    _set_lines_after(collection, key, below)


def in_blocks(node: Any) -> None:
    """Write every collection below `node` in blocks, as one of a JSON document is not."""
    if isinstance(node, Collection) and node.fa.flow_style() is not False:
        node.fa.set_block_style()
        for child in node.values() if isinstance(node, CommentedMap) else node:
            in_blocks(child)


def without_comments(node: Any) -> Any:
    """A copy of a tree without the comments of the file it comes from."""
    if isinstance(node, CommentedMap):
        bare: Any = CommentedMap((key, without_comments(value)) for key, value in node.items())
    elif isinstance(node, CommentedSeq):
        bare = CommentedSeq(without_comments(item) for item in node)
    else:
        return node
    if node.fa.flow_style():
        bare.fa.set_flow_style()
    return bare


def _keys(collection: Collection) -> list[Any]:
    if isinstance(collection, CommentedMap):
        return list(collection)
    return list(range(len(collection)))


def _last_scalar(collection: Collection, key: Any) -> tuple[Collection, Any]:
    """Where the last scalar below `collection[key]` stands; a flow collection counts as one."""
    value = collection[key]
    while isinstance(value, Collection) and value and not value.fa.flow_style():
        collection, key = value, _keys(value)[-1]
        value = collection[key]
    return collection, key


def _slot(collection: Collection) -> int:
    """The place in `ca.items[key]` for the comment that follows the value."""
    return 2 if isinstance(collection, CommentedMap) else 0


def _is_block_scalar(value: Any) -> bool:
    return isinstance(value, LiteralScalarString | FoldedScalarString)


def _lines_after(collection: Collection, key: Any) -> str:
    """The lines between the end of `collection[key]` and what comes next, in full."""
    collection, key = _last_scalar(collection, key)
    token = collection.ca.items.get(key, [None] * 4)[_slot(collection)]
    if token is None:
        return ""
    text: str = token.value
    if not _is_block_scalar(collection[key]):  # then the first line is the rest of the scalar's own
        return text.partition("\n")[2]
    return text if text.startswith("\n") else " " * token.start_mark.column + text


def _set_lines_after(collection: Collection, key: Any, lines: str) -> None:
    collection, key = _last_scalar(collection, key)
    entry = collection.ca.items.setdefault(key, [None] * 4)
    token = entry[_slot(collection)]
    if _is_block_scalar(collection[key]):
        column = len(lines) - len(lines.lstrip(" "))
        text = lines[column:]
    else:
        column = token.start_mark.column if token else 0
        text = (token.value.partition("\n")[0] if token else "") + "\n" + lines
    kept = text not in ("", "\n")
    entry[_slot(collection)] = CommentToken(text, CommentMark(column)) if kept else None


def _set_lines_before_first(parent: CommentedMap, name: str, first: Any, lines: str) -> None:
    collection = parent[name]
    header = parent.ca.items.get(name, [None] * 4)
    header[3] = None
    if header[2]:  # the rest of the key's own line comes first in it
        header[2].value = header[2].value.partition("\n")[0] + "\n"
    if collection.ca.comment:
        collection.ca.comment[1] = None
    entry = collection.ca.items.setdefault(first, [None] * 4)
    entry[1] = [
        CommentToken(line.lstrip(" ") + "\n", CommentMark(len(line) - len(line.lstrip(" "))))
        for line in lines.splitlines()
    ] + (entry[1] or [])
