"""Types as annotations say them, and whether one takes all that another does.

A type is a union of atoms, each a class with its arguments or one value of a `Literal`.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import sys
import typing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Atom:
    """A class with its arguments, or one value of a `Literal`."""

    name: str
    """With its module, if it is another package's; a literal value as `repr` writes it."""
    args: tuple[Type, ...] = ()
    is_literal: bool = False
    ancestors: frozenset[str] = field(default=frozenset(), compare=False)
    """The names of the classes that it derives from."""

    def __str__(self) -> str:
        args = f"[{', '.join(map(shown, self.args))}]" if self.args else ""
        return self.name.removeprefix("builtins.").removeprefix("collections.abc.") + args


Type: TypeAlias = frozenset[Atom]


def shown(of: Type) -> str:
    """A type for people."""
    return " | ".join(sorted(map(str, of)))


def literal(text: str) -> Atom:
    """The atom of one value of a `Literal`."""
    return Atom("None") if text == "None" else Atom(repr(ast.literal_eval(text)), is_literal=True)


def outside(path: str) -> type | None:
    """A class of the standard library; nothing where there is no such class."""
    module, _, name = path.rpartition(".")
    if module and module.partition(".")[0] not in sys.stdlib_module_names:
        return None
    try:
        found = getattr(importlib.import_module(module or "builtins"), name, None)
    except ImportError:
        return None
    found = typing.get_origin(found) or found  # `typing.List` is `list`
    return found if isinstance(found, type) else None


def full_name(cls: type) -> str:
    """The name of a class of the standard library, as atoms have it."""
    return f"{cls.__module__}.{cls.__qualname__}"


def not_taken(given: Type, taking: Type) -> list[Atom]:
    """The atoms of the first type with values that the second does not take."""
    lost = [atom for atom in given if not any(_takes(other, atom) for other in taking)]
    return sorted(lost, key=str)


def literal_growth(old: Type, new: Type) -> Type:
    """The values of `Literal` that are new beside values of the same type."""
    known = {_class_of(atom) for atom in old if atom.is_literal}
    return frozenset(atom for atom in new - old if atom.is_literal and _class_of(atom) in known)


_ANYTHING = frozenset({"typing.Any", "builtins.object"})
# An annotation with a later one takes the earlier ones too.
_NUMBERS = ("builtins.int", "builtins.float", "builtins.complex")
# Who is given one may put in what its arguments say, so those have to be the same.
_CHANGEABLE = frozenset({"builtins.dict", "builtins.list", "builtins.set", "collections.deque"})
_ELLIPSIS: Type = frozenset({Atom("...")})


def _takes(taking: Atom, given: Atom) -> bool:
    if taking.name in _ANYTHING or taking == given:
        return True
    name = _class_of(given)
    if name in _NUMBERS and taking.name in _NUMBERS[_NUMBERS.index(name) :]:
        return True
    if taking.name in (name, *given.ancestors) or _is_subclass(name, taking.name):
        return _take_arguments(taking, given)
    return False


def _class_of(atom: Atom) -> str:
    return full_name(type(ast.literal_eval(atom.name))) if atom.is_literal else atom.name


def _is_subclass(name: str, of: str) -> bool:
    one, other = outside(name), outside(of)
    with contextlib.suppress(TypeError):  # of some protocols nothing can be told
        return one is not None and other is not None and issubclass(one, other)
    return False


def _take_arguments(taking: Atom, given: Atom) -> bool:
    wanted, args = taking.args, given.args
    if not wanted:
        return bool(taking.name) or not args  # a nameless one is the list of a callable's arguments
    if taking.name == "builtins.tuple" and wanted[1:] == (_ELLIPSIS,):
        args = args[:1] if args[1:] == (_ELLIPSIS,) else args
        wanted = wanted[:1] * len(args)
    if len(wanted) != len(args):
        return False
    if taking.name == "collections.abc.Callable":
        is_called_alike = wanted[0] == _ELLIPSIS or _take_each(args[:1], wanted[:1])
        return is_called_alike and _take_each(wanted[1:], args[1:])
    if taking.name in _CHANGEABLE and not _take_each(args, wanted):
        return False
    return _take_each(wanted, args)


def _take_each(wanted: Sequence[Type], given: Sequence[Type]) -> bool:
    return not any(not_taken(one, other) for one, other in zip(given, wanted, strict=True))
