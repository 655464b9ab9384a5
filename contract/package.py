"""A package of Python as griffe reads it, with its names followed to what they stand for.

Names are followed through imports, re-exports and type aliases, so that it does not matter in which
module a thing is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import griffe

from contract.annotated_types import Atom, Type, full_name, literal, outside

if TYPE_CHECKING:
    from collections.abc import Iterator

Annotation: TypeAlias = griffe.Expr | str

_Kind = griffe.ParameterKind


@dataclass(frozen=True)
class Parameter:
    """A parameter as a caller sees it."""

    name: str
    kind: griffe.ParameterKind
    annotation: Annotation | None
    default: Annotation | None
    is_required: bool

    @property
    def is_variadic(self) -> bool:
        """Whether it takes what has no parameter of its own."""
        return self.kind in (_Kind.var_positional, _Kind.var_keyword)

    @property
    def is_positional(self) -> bool:
        """Whether it may be given by its place."""
        return self.kind in (_Kind.positional_only, _Kind.positional_or_keyword)

    @property
    def is_keyword(self) -> bool:
        """Whether it may be given by its name."""
        return self.kind in (_Kind.keyword_only, _Kind.positional_or_keyword)

    @property
    def key(self) -> str:
        """What makes it the same as another: its name, if callers may know it."""
        return self.kind.value if self.is_variadic else self.name


class Package:
    """A package that griffe has loaded."""

    def __init__(self, root: griffe.Object | griffe.Alias) -> None:
        self.root = root
        self.exports = sorted(map(str, root.exports or ()))
        targets = {name: self.followed(root.members[name]) for name in self.exports}
        self._public = {target.path: name for name, target in targets.items() if target}

    def followed(self, found: griffe.Object | griffe.Alias | None) -> griffe.Object | None:
        """The object itself; nothing where it is in another package."""
        try:
            return found.final_target if isinstance(found, griffe.Alias) else found
        except (griffe.AliasResolutionError, griffe.CyclicAliasError):
            return None

    def home(self, member: griffe.Object | griffe.Alias) -> str | None:
        """What applications call the class that a member is written in, if it is theirs to call."""
        found = self.followed(member)
        return self._public.get(found.parent.path) if found and found.parent else None

    def ancestors(self, cls: griffe.Class) -> frozenset[str]:
        """The names of all classes that a class derives from."""
        bases = [atom for base in cls.bases for atom in self.type_of(base)]
        return frozenset(name for base in bases for name in (base.name, *base.ancestors))

    def parameters(self, function: griffe.Object | None) -> list[Parameter]:
        """What a caller may give to a function; to none, nothing."""
        if not isinstance(function, griffe.Function):
            return []
        is_bound = isinstance(function.parent, griffe.Class)
        listed = [*function.parameters]
        if is_bound and "staticmethod" not in function.labels:
            listed = listed[1:]
        return [parameter for given in listed for parameter in self._expanded(given)]

    def is_type(self, attribute: griffe.Attribute) -> bool:
        """Whether the attribute of a module is a name for a type."""
        if attribute.annotation is not None:
            return str(attribute.annotation).rpartition(".")[2] == "TypeAlias"
        return isinstance(attribute.value, griffe.ExprSubscript | griffe.ExprBinOp) and (
            not isinstance(attribute.value, griffe.ExprBinOp) or attribute.value.operator == "|"
        )

    def defaults(self) -> dict[str, list[Annotation]]:
        """The values of the constants that are called `DEFAULT_…`, in whatever module."""
        found: dict[str, list[Annotation]] = {}
        todo = [self.root]
        for module in todo:  # grows while it is walked
            for name, member in module.members.items():
                if isinstance(member, griffe.Module):
                    todo.append(member)
                elif isinstance(member, griffe.Attribute) and name.startswith("DEFAULT_"):
                    found.setdefault(name, []).append(member.value or "")
        return found

    def spelled_out(self, said: Annotation) -> str:
        """An expression with the constants of the package put in."""
        if isinstance(said, griffe.ExprName | griffe.ExprAttribute):
            found = self._find(said.canonical_path)
            if isinstance(found, griffe.Attribute) and found.value is not None:
                return f"({self.spelled_out(found.value)})"
            return str(said).rpartition(".")[2]
        if isinstance(said, griffe.Expr):
            return "".join(
                piece if isinstance(piece, str) else self.spelled_out(piece)
                for piece in said.iterate(flat=False)
            )
        return said

    def type_of(self, said: Annotation, owner: griffe.Class | None = None) -> Type:
        """The type that an annotation says; `owner` is what `Self` is in it."""
        if isinstance(said, griffe.ExprName | griffe.ExprAttribute):
            return self._named(said.canonical_path, (), owner)
        if isinstance(said, griffe.ExprBinOp):
            return self.type_of(said.left, owner) | self.type_of(said.right, owner)
        if isinstance(said, griffe.ExprList):
            args = tuple(self.type_of(element, owner) for element in said.elements)
            return frozenset({Atom("", args)})
        if isinstance(said, griffe.ExprSubscript):
            return self._subscript(said, owner)
        return frozenset({Atom(str(said))})

    def _find(self, path: str) -> griffe.Object | None:
        """What stands at a path in the package."""
        try:
            return self.followed(self.root.modules_collection.get_member(path))
        except KeyError:
            return None

    def _expanded(self, given: griffe.Parameter) -> Iterator[Parameter]:
        """A parameter, or those that `**options: Unpack[...]` stands for."""
        said = given.annotation
        if isinstance(said, griffe.ExprSubscript) and _last(said.canonical_path) == "Unpack":
            options = self._find(str(getattr(said.slice, "canonical_path", "")))
            if given.kind is _Kind.var_keyword and isinstance(options, griffe.Class):
                yield from self._options(options)
                return
        kind = given.kind or _Kind.positional_or_keyword
        is_required = given.required and kind not in (_Kind.var_positional, _Kind.var_keyword)
        yield Parameter(given.name, kind, said, given.default, is_required)

    def _options(self, cls: griffe.Class) -> Iterator[Parameter]:
        """The keys of a `TypedDict`, as parameters whose defaults nobody can see."""
        for base in cls.bases:
            found = self._find(str(getattr(base, "canonical_path", "")))
            if isinstance(found, griffe.Class):
                yield from self._options(found)
        is_total = str(cls.keywords.get("total")) != "False"
        for name, member in cls.members.items():
            if isinstance(member, griffe.Attribute):
                said = member.annotation
                wrapper = _last(said.canonical_path) if isinstance(said, griffe.Expr) else ""
                is_required = wrapper == "Required" or (is_total and wrapper != "NotRequired")
                yield Parameter(name, _Kind.keyword_only, said, None, is_required)

    def _subscript(self, said: griffe.ExprSubscript, owner: griffe.Class | None) -> Type:
        inner = said.slice
        elements = inner.elements if isinstance(inner, griffe.ExprTuple) else [inner]
        name = _last(said.canonical_path)
        if name == "Literal":
            return frozenset(literal(str(element)) for element in elements)
        types = tuple(self.type_of(element, owner) for element in elements)
        if name in ("Optional", "Union"):
            none = {Atom("None")} if name == "Optional" else ()
            return frozenset().union(*types, none)
        if name in _WRAPPERS:
            return types[0]
        return self._named(said.canonical_path, types, owner)

    def _named(self, path: str, args: tuple[Type, ...], owner: griffe.Class | None) -> Type:
        found = owner if _last(path) == "Self" and owner else self._find(path)
        if isinstance(found, griffe.Class):
            name = self._public.get(found.path, found.name)
            return frozenset({Atom(name, args, ancestors=self.ancestors(found))})
        value = found.value if isinstance(found, griffe.Attribute) else None
        if value is not None and not isinstance(value, griffe.ExprCall):
            return self.type_of(value, owner)
        if (cls := outside(path)) is not None:
            ancestors = frozenset(map(full_name, cls.__mro__[1:]))
            return frozenset({Atom(full_name(cls), args, ancestors=ancestors)})
        return frozenset({Atom(_last(path) if found else path, args)})


# What says something besides the type, which comes first in it.
_WRAPPERS = frozenset({"Annotated", "ClassVar", "Final", "NotRequired", "ReadOnly", "Required"})


def _last(path: str) -> str:
    return path.rpartition(".")[2]
