"""What breaks for applications between two versions of `facade`.

Only what `__all__` names, and what is below it, counts. It is compared by what an application
writes and gets: parameters that came into a `TypedDict` behind `**options: Unpack[...]` are the
same parameters, a name that came into another module is the same name, and a type is what it takes,
however it is spelled. That more values of a `Literal` come back breaks nothing, as more values in
an answer of the service do not.
"""

from __future__ import annotations

import ast
import operator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import griffe

from contract.annotated_types import literal_growth, not_taken, shown
from contract.document import ContractError, read_file
from contract.package import Package

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from contract.package import Annotation, Parameter

PACKAGE = "facade"

_Kind = griffe.ParameterKind
_What = griffe.BreakageKind


class Breakage(NamedTuple):
    """Something that an application may rely on and that is no longer as it was."""

    name: str
    """As an application writes it: `SpeechClient.synthesize`."""
    parameter: str | None
    what: str

    @property
    def qualified(self) -> str:
        """The name, with the parameter where there is one."""
        return f"{self.name}({self.parameter})" if self.parameter else self.name

    @property
    def names(self) -> frozenset[str]:
        """What it may be called: by the name, as it is printed, or with `__init__` in it."""
        names = {self.qualified, self.qualified.replace("(", ".__init__(")}
        return frozenset({*names, *(f"{PACKAGE}.{name}" for name in names)})

    def __str__(self) -> str:
        return f"{PACKAGE}.{self.qualified}: {self.what}"


def breakages(old: Path, new: Path) -> list[Breakage]:
    """What breaks between the package in one folder and the one in another.

    Raises:
        ContractError: either is not there, or cannot be read.
    """
    return list(dict.fromkeys(_Comparison(_load(old, "old"), _load(new, "new")).breakages()))


def _load(folder: Path, name: str) -> Package:
    """The package in a folder, which errors call the old one or the new one."""
    for path in sorted((folder / PACKAGE).rglob("*")):
        if path.suffix in (".py", ".pyi"):
            _check(path, f"the {name} package: {path.relative_to(folder)}")
    try:
        root = griffe.load(
            PACKAGE,
            search_paths=[folder],
            resolve_aliases=True,
            # Otherwise griffe takes the package of the working directory, or one that is imported.
            try_relative_path=False,
            allow_inspection=False,
        )
    except (griffe.LoadingError, ImportError) as error:
        raise ContractError(f"the {name} package cannot be loaded: {error}") from error
    for public in map(str, root.exports or ()):
        if public not in root.members:
            why = f"`__all__` names {public!r}, which is not there"
            raise ContractError(f"the {name} package: {why}")
    return Package(root)


def _check(path: Path, name: str) -> None:
    """Refuse a module that griffe would leave out, as if all that is in it had gone."""
    try:
        ast.parse(read_file(path).decode("utf-8-sig"))
    except SyntaxError as error:
        raise ContractError(f"{name}:{error.lineno or 1}: {error.msg}") from error
    except (ValueError, MemoryError, RecursionError) as error:
        why = f"{type(error).__name__}: {error}"
        raise ContractError(f"{name}: cannot be parsed: {why}") from error


_Found: TypeAlias = griffe.Object | griffe.Alias
_Owners: TypeAlias = tuple[griffe.Class | None, griffe.Class | None]
"""The classes, old and new, of which something is a member."""


class _Comparison:
    def __init__(self, old: Package, new: Package) -> None:
        self._old = old
        self._new = new
        self._told: set[str] = set()
        """The constants whose change is told where they are a default."""

    def breakages(self) -> Iterator[Breakage]:
        for name in self._old.exports:
            if name in self._new.exports:
                old, new = (package.root.members[name] for package in (self._old, self._new))
                yield from self._objects(name, old, new, (None, None))
            else:
                yield Breakage(name, None, _What.OBJECT_REMOVED.value)
        yield from self._constants()

    def _objects(self, name: str, old: _Found, new: _Found, owners: _Owners) -> Iterator[Breakage]:
        before, after = self._old.followed(old), self._new.followed(new)
        if before is None:  # another package's, and that one's business
            return
        if isinstance(before, griffe.Class) and isinstance(after, griffe.Class):
            yield from self._classes(name, before, after)
        elif isinstance(before, griffe.Function) and isinstance(after, griffe.Function):
            yield from self._functions(name, before, after, owners)
        elif isinstance(before, griffe.Attribute) and isinstance(after, griffe.Attribute):
            yield from self._attributes(name, before, after, owners)
        else:
            yield Breakage(name, None, _What.OBJECT_CHANGED_KIND.value)

    def _classes(self, name: str, old: griffe.Class, new: griffe.Class) -> Iterator[Breakage]:
        olds, news = self._old.ancestors(old), self._new.ancestors(new)
        lost = olds - news
        if any("." in base or base in self._old.exports for base in lost) or (
            lost and len(news) < len(olds)  # a private one may have another name
        ):
            yield Breakage(name, None, _What.CLASS_REMOVED_BASE.value)
        first = self._old.followed(old.all_members.get("__init__"))
        second = self._new.followed(new.all_members.get("__init__"))
        yield from self._makers(name, first, second, (old, new))
        members = new.all_members
        for member, before in old.all_members.items():
            after = members.get(member)
            if not _is_relied_on(member) or self._is_told_elsewhere(name, before, after):
                continue
            if after is None:
                yield Breakage(f"{name}.{member}", None, _What.OBJECT_REMOVED.value)
            else:
                yield from self._objects(f"{name}.{member}", before, after, (old, new))

    def _makers(
        self, name: str, old: griffe.Object | None, new: griffe.Object | None, owners: _Owners
    ) -> Iterator[Breakage]:
        """What is given to a class to make one of it."""
        first, second = self._old.parameters(old), self._new.parameters(new)
        yield from self._parameters(name, first, second, owners)
        if isinstance(old, griffe.Function) and isinstance(new, griffe.Function):
            yield from self._overloads(name, old.overloads or [], new, owners)

    def _is_told_elsewhere(self, name: str, old: _Found, new: _Found | None) -> bool:
        """Whether a member is inherited from another public class, before and now."""
        home = self._old.home(old)
        return home not in (None, name) and (new is None or self._new.home(new) == home)

    def _functions(
        self, name: str, old: griffe.Function, new: griffe.Function, owners: _Owners
    ) -> Iterator[Breakage]:
        if old.labels & _BINDING != new.labels & _BINDING:
            yield Breakage(name, None, _What.OBJECT_CHANGED_KIND.value)
        if _is_awaited(old) != _is_awaited(new):
            yield Breakage(name, None, f"{_kind(old)} was made {_kind(new)}")
        first, second = self._old.parameters(old), self._new.parameters(new)
        yield from self._parameters(name, first, second, owners)
        if old.overloads:
            yield from self._overloads(name, old.overloads, new, owners)
        else:
            yield from self._returns(name, old, new, owners)

    def _overloads(
        self, name: str, olds: Sequence[griffe.Function], new: griffe.Function, owners: _Owners
    ) -> Iterator[Breakage]:
        """For each old one there has to be a new one that does for its callers."""
        news = new.overloads or [new]
        for old in olds:
            first = self._old.parameters(old)
            taking = [each for each in news if self._takes_all(name, first, each, owners)]
            returns = [list(self._returns(name, old, each, owners)) for each in taking]
            if not taking:
                given = ", ".join(_shown(parameter) for parameter in first)
                yield Breakage(name, None, f"Overload was removed: ({given})")
            elif all(returns):
                yield from returns[0]

    def _takes_all(
        self, name: str, olds: Sequence[Parameter], new: griffe.Function, owners: _Owners
    ) -> bool:
        """Whether who was called with the old parameters may be called so; whatever the defaults.

        The defaults that count are those of the function that is behind the overloads.
        """
        told = self._told.copy()  # nothing of what is found here is told
        found = [*self._parameters(name, olds, self._new.parameters(new), owners)]
        self._told = told
        return all(each.what.startswith(_What.PARAMETER_CHANGED_DEFAULT.value) for each in found)

    def _returns(
        self, name: str, old: griffe.Function, new: griffe.Function, owners: _Owners
    ) -> Iterator[Breakage]:
        what = _What.RETURN_CHANGED_TYPE.value
        yield from self._results(name, what, old.returns, new.returns, owners)

    def _attributes(
        self, name: str, old: griffe.Attribute, new: griffe.Attribute, owners: _Owners
    ) -> Iterator[Breakage]:
        if owners[0] is None and old.value is not None and new.value is not None:
            if self._old.is_type(old):
                types = self._old.type_of(old.value), self._new.type_of(new.value)
                for lost in not_taken(*types):
                    yield Breakage(name, None, f"{_GONE}: {lost}")
            else:
                values = _value(self._old, old.value), _value(self._new, new.value)
                if values[0] != values[1]:
                    yield Breakage(name, None, f"{_VALUE}: {values[0]} → {values[1]}")
        else:
            what = _What.ATTRIBUTE_CHANGED_TYPE.value
            if new.annotation is not None:
                yield from self._results(name, what, old.annotation, new.annotation, owners)

    def _results(
        self,
        name: str,
        what: str,
        old: Annotation | None,
        new: Annotation | None,
        owners: _Owners,
    ) -> Iterator[Breakage]:
        """What comes back has to be of a type that came back before."""
        if old is None or old == "None":  # whoever relied on nothing has nothing to lose
            return
        before = self._old.type_of(old, owners[0])
        after = frozenset() if new is None else self._new.type_of(new, owners[1])
        if new is None or not_taken(after - literal_growth(before, after), before):
            yield Breakage(name, None, f"{what}: {shown(before)} → {shown(after) or 'anything'}")

    # --- parameters ----------------------------------------------------------------------------

    def _parameters(
        self, name: str, olds: Sequence[Parameter], news: Sequence[Parameter], owners: _Owners
    ) -> Iterator[Breakage]:
        kinds = {parameter.kind for parameter in news}
        by_key = {parameter.key: parameter for parameter in news}
        for old in olds:
            if (new := by_key.get(old.key)) is not None:
                yield from self._parameter(name, old, new, owners)
            elif (
                old.is_variadic
                or (old.is_positional and _Kind.var_positional not in kinds)
                or (old.is_keyword and _Kind.var_keyword not in kinds)
            ):
                yield Breakage(name, old.name, _What.PARAMETER_REMOVED.value)
        first, second = ([p.key for p in each if p.is_positional] for each in (olds, news))
        for index, key in enumerate(first):
            if key in second and second.index(key) != index:
                yield Breakage(name, key, _What.PARAMETER_MOVED.value)
        known = {parameter.key for parameter in olds}
        for new in news:
            if new.is_required and new.key not in known:
                yield Breakage(name, new.name, _What.PARAMETER_ADDED_REQUIRED.value)

    def _parameter(
        self, name: str, old: Parameter, new: Parameter, owners: _Owners
    ) -> Iterator[Breakage]:
        if new.is_required and not old.is_required:
            yield Breakage(name, old.name, _What.PARAMETER_CHANGED_REQUIRED.value)
        if (old.is_positional and not new.is_positional) or (old.is_keyword and not new.is_keyword):
            yield Breakage(name, old.name, _What.PARAMETER_CHANGED_KIND.value)
        if old.default is not None and new.default is not None:
            values = _value(self._old, old.default), _value(self._new, new.default)
            if values[0] != values[1]:
                self._told |= {str(old.default), str(new.default)}
                what = f"{_What.PARAMETER_CHANGED_DEFAULT.value}: {values[0]} → {values[1]}"
                yield Breakage(name, old.name, what)
        if old.annotation is not None and new.annotation is not None:
            types = (
                self._old.type_of(old.annotation, owners[0]),
                self._new.type_of(new.annotation, owners[1]),
            )
            if lost := not_taken(*types):
                yield Breakage(name, old.name, f"{_GONE}: {', '.join(map(str, lost))}")

    def _constants(self) -> Iterator[Breakage]:
        """The package's own defaults: applications have them without naming them."""
        before, after = self._old.defaults(), self._new.defaults()
        for name in sorted(before.keys() & after.keys() - self._told - {*self._old.exports}):
            olds = sorted({_value(self._old, value) for value in before[name]})
            news = sorted({_value(self._new, value) for value in after[name]})
            if olds != news:
                yield Breakage(name, None, f"{_VALUE}: {', '.join(olds)} → {', '.join(news)}")


_BINDING = frozenset({"classmethod", "staticmethod"})
_GONE = "Type no longer takes"
_VALUE = _What.ATTRIBUTE_CHANGED_VALUE.value
# Python calls these; that a class has none of its own is no loss to those who use it.
_HOOKS = frozenset({"__del__", "__post_init__", "__setstate__", "__slots__"})


def _is_awaited(function: griffe.Function) -> bool:
    return "async" in function.labels and not _is_generator(function)


def _kind(function: griffe.Function) -> str:
    if "async" not in function.labels:
        return "`def`"
    return "an asynchronous generator" if _is_generator(function) else "`async def`"


def _is_generator(function: griffe.Function) -> bool:
    """Whether its body, and not that of a function within, is seen to have a `yield`."""
    text = "\n".join(function.lines)
    try:
        todo: list[ast.AST] = [ast.parse(f"if True:\n{text}" if text[:1].isspace() else text)]
    except SyntaxError:  # griffe counts a form feed in a text as the end of a line
        return False
    depth = 0
    for node in todo:  # grows while it is walked
        if isinstance(node, ast.Yield):
            return True
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        depth += is_function
        if not is_function or depth == 1:  # the function itself is met before all within it
            todo += ast.iter_child_nodes(node)
    return False


def _shown(parameter: Parameter) -> str:
    stars = {_Kind.var_positional: "*", _Kind.var_keyword: "**"}.get(parameter.kind, "")
    said = "" if parameter.annotation is None else f": {parameter.annotation}"
    return f"{stars}{parameter.name}{said}"


def _is_relied_on(member: str) -> bool:
    """Whether applications use a member of this name: `close`, or by `with` and the like."""
    if member.startswith("__") and member.endswith("__"):
        return member not in _HOOKS and not hasattr(object, member)
    return not member.startswith("_")


_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.LShift: operator.lshift,
    ast.Mult: operator.mul,
    ast.Pow: operator.pow,
    ast.Sub: operator.sub,
}


def _value(package: Package, said: Annotation) -> str:
    """A value as an expression gives it, constants and arithmetic worked out."""
    text = package.spelled_out(said)
    try:
        return repr(_worked_out(ast.parse(text, mode="eval").body))
    except (ArithmeticError, SyntaxError, TypeError, ValueError):
        return text


def _worked_out(node: ast.expr) -> Any:
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_worked_out(node.left), _worked_out(node.right))
    return ast.literal_eval(node)
