"""What our own code uses of the generated client, and what of it a fresh one lacks.

Sources are read, not run: where an import is gone, nothing could be run.
"""

from __future__ import annotations

import ast
from contextlib import suppress
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PACKAGE = "together_openapi"

USERS = ("facade", "benchmarks")
"""The folders whose modules import the generated package."""

OPTIONS = "facade/_rules/options.py"
"""Where the fields that may be left out of a request's body are listed."""

ALL_OPTIONS = "AnyOptions"
"""The class there that has all of them, of its own or by its bases; others need no body."""

NO_FIELDS = {"extra_body"}
"""The options that are no fields."""

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Lack(NamedTuple):
    """Something that is used and not there."""

    file: str
    line: int
    what: str
    stops: bool = False
    """Whether without it nothing can be imported, or no request can be made."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}"


def lacks(root: Path, generated: Path) -> list[Lack]:
    """What the code in the repository at `root` uses and the package below `generated` lacks.

    That is: modules, names in them, arguments of functions, and fields of a request's body. In a
    function that calls `from_dict` of a class, the keys of dictionaries and of assignments are
    taken for fields, which may stand in any schema below it as well, and so are the options.
    """
    package = _Package(generated)
    options = _options(root / OPTIONS)
    return [
        lack
        for folder in USERS
        for path in sorted((root / folder).rglob("*.py"))
        for lack in _File(path, path.relative_to(root).as_posix(), package, options).lacks()
    ]


class _Package:
    """The generated package, by its sources."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.tree = cache(self._tree)

    def names(self, module: str) -> list[str]:
        """What a module defines and what it has below it; nothing where there is no module."""
        tree = self.tree(module)
        return [*_bound(tree.body), *self.below(module)] if tree else []

    def below(self, module: str) -> list[str]:
        """The modules of a package."""
        folder = self._folder.joinpath(*module.split("."))
        return sorted(path.stem for path in folder.glob("*") if not path.name.startswith("_"))

    def definition(self, module: str, name: str) -> tuple[str, _Definition] | None:
        """The function or class of a module, and the module that defines it."""
        tree = self.tree(module)
        for node in tree.body if tree else ():
            if isinstance(node, _Definition) and node.name == name:
                return module, node
            if isinstance(node, ast.ImportFrom) and any(a.name == name for a in node.names):
                return self.definition(self._absolute(node, module), name)
        return None

    def fields(self, module: str, seen: set[str] | None = None) -> Iterator[tuple[str, bool]]:
        """Each field that `from_dict` takes of the classes of a module, and of those that it uses.

        With it whether the class of this module cannot do without it.
        """
        seen = {module} if seen is None else seen
        tree = self.tree(module)
        is_first = seen == {module}
        for node in ast.walk(tree) if tree else ():
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name("d"), attr="pop"),
                    args=[ast.Constant(str(name)), *default],
                ):
                    yield name, is_first and not default
        for node in ast.walk(tree) if tree else ():
            if isinstance(node, ast.ImportFrom) and node.level:
                below = self._absolute(node, module)
                if below not in seen:
                    seen.add(below)
                    yield from self.fields(below, seen)

    def _tree(self, module: str) -> ast.Module | None:
        path = self._folder.joinpath(*module.split("."))
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                return ast.parse(file.read_text(encoding="utf-8"))
        return None

    def _absolute(self, node: ast.ImportFrom, module: str) -> str:
        """The module that a relative import in `module` names."""
        is_package = (self._folder.joinpath(*module.split(".")) / "__init__.py").is_file()
        parts = module.split(".")
        parts = parts[: len(parts) - node.level + is_package]
        return ".".join([*parts, *([node.module] if node.module else [])])


class _File:
    """A module of ours."""

    def __init__(
        self, path: Path, name: str, package: _Package, options: Mapping[str, int]
    ) -> None:
        self._options = options
        self._tree = ast.parse(path.read_text(encoding="utf-8"))
        self._name = name
        self._package = package
        self._modules: dict[str, str] = {}
        self._defined: dict[str, tuple[str, _Definition]] = {}

    def lacks(self) -> Iterator[Lack]:
        nodes = [node for tree in (self._tree, *_quoted(self._tree)) for node in ast.walk(tree)]
        for node in nodes:
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
                yield from self._import_lacks(node)
        for node in nodes:
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                yield from self._attribute_lacks(node, node.value.id)
            if isinstance(node, ast.Call):
                yield from self._argument_lacks(node)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from self._field_lacks(node)

    def _import_lacks(self, node: ast.ImportFrom) -> Iterator[Lack]:
        module = str(node.module)
        known = self._package.names(module)
        for alias in node.names:
            name = alias.asname or alias.name
            if self._package.tree(f"{module}.{alias.name}"):
                self._modules[name] = f"{module}.{alias.name}"
            elif alias.name not in known:
                what = f"{module}.{alias.name} is gone{self._instead(module, alias.name)}"
                yield Lack(self._name, alias.lineno, what, stops=True)
            elif found := self._package.definition(module, alias.name):
                self._defined[name] = found

    def _instead(self, module: str, name: str) -> str:
        """What may have come in the place of a name."""
        while "." in module and not self._package.tree(module):
            module = module.rpartition(".")[0]
        bodies = sorted(
            {body for module in self._modules.values() for body in self._bodies(module)}
        )
        if module.endswith(".models") and bodies:
            return f"; the operation takes {' or '.join(bodies)}"
        near = get_close_matches(name, self._package.names(module)) or self._package.below(module)
        return f"; {module} has {', '.join(near[:5])}" if near else ""

    def _bodies(self, operation: str) -> Iterator[str]:
        """The classes that the body of an operation may be of."""
        found = self._package.definition(operation, "sync_detailed")
        for node in ast.walk(found[1]) if found else ():
            if isinstance(node, ast.arg) and node.arg == "body" and node.annotation:
                names = [
                    part.id for part in ast.walk(node.annotation) if isinstance(part, ast.Name)
                ]
                yield from (name for name in names if name != "Unset")

    def _attribute_lacks(self, node: ast.Attribute, name: str) -> Iterator[Lack]:
        if module := self._modules.get(name):
            if node.attr not in self._package.names(module):
                yield Lack(self._name, node.lineno, f"{module}.{node.attr} is gone")
        elif found := self._defined.get(name):
            definition = found[1]
            if isinstance(definition, ast.ClassDef) and node.attr not in _bound(definition.body):
                yield Lack(self._name, node.lineno, f"{name}.{node.attr} is gone")

    def _argument_lacks(self, node: ast.Call) -> Iterator[Lack]:
        match node.func:
            case ast.Name(name) if name in self._defined:
                yield from self._construction_lacks(node, name)
                return
            case ast.Attribute(value=ast.Name(name), attr=function) if name in self._modules:
                found = self._package.definition(self._modules[name], function)
            case _:
                return
        if found is None or isinstance(found[1], ast.ClassDef):
            return
        arguments = found[1].args
        taken = dict(zip((a.arg for a in arguments.kwonlyargs), arguments.kw_defaults, strict=True))
        given = {keyword.arg for keyword in node.keywords}
        for argument in sorted(filter(None, given - taken.keys())):
            what = f"{name}.{function} takes no {argument!r} any more"
            yield Lack(self._name, node.lineno, what)
        for argument, default in taken.items():
            if default is None and argument not in given and None not in given:
                what = f"{name}.{function} needs {argument!r} now"
                yield Lack(self._name, node.lineno, what)

    def _construction_lacks(self, node: ast.Call, name: str) -> Iterator[Lack]:
        definition = self._defined[name][1]
        fields = {field.lstrip("_") for field in _bound(definition.body)}
        for keyword in node.keywords:
            if keyword.arg and keyword.arg not in fields:
                yield Lack(self._name, node.lineno, f"{name} takes no {keyword.arg!r} any more")

    def _field_lacks(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Lack]:
        for call in ast.walk(node):
            match call:
                case ast.Call(func=ast.Attribute(value=ast.Name(name), attr="from_dict")):
                    if name in self._defined:
                        yield from self._fields_beside(call, name, node)

    def _fields_beside(
        self, call: ast.Call, name: str, function: ast.FunctionDef | ast.AsyncFunctionDef
    ) -> Iterator[Lack]:
        module, _ = self._defined[name]
        known = dict(reversed(list(self._package.fields(module))))
        written = {key.value: key.lineno for key in _keys(function)}
        for field, line in written.items():
            if field not in known:
                what = f"{name} has no field {field!r} any more"
                yield Lack(self._name, line, what)
        for field, line in self._options.items():
            if field not in known:
                yield Lack(OPTIONS, line, f"{name} has no field {field!r} any more")
        for field, is_required in known.items():
            if is_required and field not in written:
                what = f"{name} needs the field {field!r} now"
                yield Lack(self._name, call.lineno, what, stops=True)


def _quoted(tree: ast.Module) -> Iterator[ast.Module]:
    """The programs that import the package from within a string, as `python -c` is given them."""
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if f"from {PACKAGE}" in text:
                with suppress(SyntaxError):  # prose
                    yield ast.increment_lineno(ast.parse(text), node.lineno - 1)


def _options(path: Path) -> dict[str, int]:
    """The fields that a module lists as options of a body, each with its line; or none."""
    tree = ast.parse(path.read_text(encoding="utf-8") if path.exists() else "")
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    names = [ALL_OPTIONS]
    for name in names:
        if name in classes:
            names += [base.id for base in classes[name].bases if isinstance(base, ast.Name)]
    return {
        field.target.id: field.lineno
        for name in names
        if name in classes
        for field in classes[name].body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if field.target.id not in NO_FIELDS
    }


def _keys(function: ast.AST) -> Iterator[ast.Constant]:
    """The strings that are keys in a function: of dictionaries, and of what is assigned to."""
    for node in ast.walk(function):
        if isinstance(node, ast.Dict):
            found = [key for key in node.keys if key is not None]
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            found = [node.slice]
        else:
            continue
        yield from (
            key for key in found if isinstance(key, ast.Constant) and isinstance(key.value, str)
        )


def _bound(body: list[ast.stmt]) -> list[str]:
    """The names that the statements of a module or a class bind."""
    names = []
    for node in body:
        match node:
            case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
                names.append(name)
            case ast.ImportFrom():
                names += [alias.asname or alias.name for alias in node.names]
            case ast.Assign(targets=[ast.Name(name)]) | ast.AnnAssign(target=ast.Name(name)):
                names.append(name)
    return names
