"""Break a module in one place after the other, and list the breaks that no test notices.

`make mutants MODULE=facade/_rules/sse.py` tries a sample; the same seed takes the same one. Not
every break that stays unnoticed is a hole in the tests: some change nothing that anybody sees.
"""

import argparse
import ast
import contextlib
import io
import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

# Imported anew for each break; what else the tests import stays as it is.
_OURS = ("facade", "tests")


@dataclass(frozen=True)
class Change:
    """One thing in another's place in a syntax tree."""

    holder: Any
    field: str
    index: int | None
    new: Any

    @property
    def place(self) -> str:
        """The line, and how it reads."""
        return f"{getattr(self.holder, 'lineno', '?')}: {ast.unparse(self.holder)[:150]!r}"

    def swap(self) -> "Change":
        """Make the change, and return what takes it back."""
        values = getattr(self.holder, self.field)
        if self.index is None:
            setattr(self.holder, self.field, self.new)
            return Change(self.holder, self.field, None, values)
        new = [] if self.new is None else [self.new]
        changed = [*values[: self.index], *new, *values[self.index + 1 :]]
        setattr(self.holder, self.field, changed)
        return Change(self.holder, self.field, None, values)


def main() -> int:
    """Run the program and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("module", type=Path)
    parser.add_argument("--tests", nargs="+", default=["tests/unit"])
    parser.add_argument("--sample", type=int, default=100, help="how many breaks to try")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    # The tests' own examples are the same each time too.
    os.environ["CI"] = "1"
    tree = ast.parse(options.module.read_text(encoding="utf-8"))
    _preload(options.tests)
    began = time.monotonic()
    if not _passes(options.module, ast.unparse(tree), options.tests, 0):
        return _say("the tests fail as it is", 1)
    limit_s = 10 + int(5 * (time.monotonic() - began))
    found = list(changes(tree))
    tried = random.Random(options.seed).sample(found, min(options.sample, len(found)))  # noqa: S311
    survivors = 0
    for change in tried:
        before = change.place
        undo = change.swap()
        source, after = ast.unparse(tree), change.place
        undo.swap()
        if _passes(options.module, source, options.tests, limit_s):
            survivors += 1
            _say(f"{options.module}:{before}\n    became {after}")
    return _say(f"{len(tried) - survivors} of {len(tried)} were noticed, of {len(found)} there are")


def changes(tree: ast.AST) -> Iterator[Change]:
    """Find what can be changed, below a node; types are for mypy."""
    if isinstance(tree, ast.Subscript) and ast.unparse(tree.value) == "Literal":
        return
    yield from _changes_in(tree)
    for field, value in ast.iter_fields(tree):
        if field in ("annotation", "returns", "decorator_list"):
            continue
        children = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
        for index, child in children:
            for new in _instead_of(child, tree):
                yield Change(tree, field, index, new)
            if isinstance(child, ast.AST):
                yield from changes(child)


_OPPOSITES: dict[type, type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.Continue: ast.Break,
    ast.Break: ast.Continue,
}


def _instead_of(child: object, holder: ast.AST) -> Iterator[ast.AST]:
    """Give what may stand in a node's place."""
    if type(child) in _OPPOSITES:
        yield _OPPOSITES[type(child)]()
    match child:
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield ast.Constant(value + 1)
            yield ast.Constant(value - 1)
        case ast.Constant(value=str(value)) if not isinstance(holder, ast.JoinedStr | ast.Expr):
            yield ast.Constant(f"{value}~")
        case ast.Constant(value=bytes(value)):
            yield ast.Constant(value + b"~")
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.BoolOp(values=values):
            yield from values
        case ast.IfExp(body=body, orelse=orelse):
            yield body
            yield orelse
        case ast.Expr(value=ast.Call()) | ast.Raise() | ast.AugAssign() | ast.Delete():
            yield ast.Pass()
        case ast.Assign() if isinstance(holder, ast.FunctionDef | ast.If | ast.For | ast.While):
            yield ast.Pass()
        case ast.Return(value=ast.Constant(value=None)):
            pass
        case ast.Return(value=ast.expr()):
            yield ast.Return(ast.Constant(None))


def _changes_in(holder: ast.AST) -> Iterator[Change]:
    """Find what can be left out of a node, or turned round."""
    match holder:
        case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
            if len(elements) > 1 and not isinstance(getattr(holder, "ctx", None), ast.Store):
                yield from (Change(holder, "elts", at, None) for at in range(len(elements)))
        case ast.Dict(keys=keys):
            for at, key in enumerate(keys):
                if key is not None:
                    yield Change(holder, "keys", at, ast.Constant(f"no {at}"))
        case ast.Call(keywords=keywords):
            yield from (Change(holder, "keywords", at, None) for at in range(len(keywords)))
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            yield Change(holder, "test", None, ast.UnaryOp(ast.Not(), test))
        case ast.comprehension(ifs=tests):
            yield from (Change(holder, "ifs", at, None) for at in range(len(tests)))


def _preload(tests: Sequence[str]) -> None:
    """Import what the tests need, so that the children do not have to."""
    with contextlib.redirect_stdout(io.StringIO()):
        pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", *tests])
    for name in [name for name in sys.modules if name.partition(".")[0] in _OURS]:
        if name != __name__:
            del sys.modules[name]


def _passes(path: Path, source: str, tests: Sequence[str], limit_s: int) -> bool:
    """Run the tests with another source of a module, in a child that is ended when it hangs."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    signal.alarm(limit_s)
    status = 1
    try:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
        sys.meta_path.insert(0, _Finder(path, source))
        status = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests]))
    finally:
        os._exit(status)


@dataclass
class _Finder(MetaPathFinder, Loader):
    """Gives one module another source."""

    path: Path
    source: str

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        if fullname != ".".join(self.path.with_suffix("").parts):
            return None
        return spec_from_file_location(fullname, self.path.absolute(), loader=self)

    def create_module(self, _: ModuleSpec) -> None:
        """Let the import system make it."""

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self.source, self.path, "exec"), vars(module))  # noqa: S102 - our own


def _say(words: str, status: int = 0) -> int:
    print(words, flush=True)  # noqa: T201
    return status


if __name__ == "__main__":
    sys.exit(main())
