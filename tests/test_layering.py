"""Imports of `facade` point one way, and input and output stay below a line."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import facade
import together_emulator

# From the ground up: a module imports only those before it.
PURE = (
    "_version",
    "_extras",
    "errors",
    "formats",
    "voices",
    "books",
    "_rules.__init__",
    "_rules.catalogue",
    "_rules.options",
    "_rules.request",
    "_rules.error_mapping",
    "_rules.origin",
    "_rules.retry",
    "_rules.words",
    "_rules.frames",
    "_rules.audio_events",
    "_rules.sse",
    "_rules.http1",
    "_rules.stream_decoder",
    "_rules.markdown",
    "_rules.speakable",
    "_rules.heard",
    "_rules.text_gathering",
    "_rules.realtime_settings",
    "_rules.utterance",
    "_rules.realtime",
    "_rules.pacing",
    "_rules.pricing",
    "_book.__init__",
    "_book.text",
    "_book.flow",
    "_book.script",
    "_book.plain_text",
    "_book.html",
    "_book.markdown",
    "_book.encoding",
    "_book.splitting",
    "_book.levels",
    "_book.proof",
    "_book.joining",
    "_book.subtitles",
    "_book.chapter_files",
    "_book.wav",
    "_cli.__init__",
    "_cli.output_names",
    "_cli.rows",
    "_cli.results",
)
# What the command line has for itself. It uses what every application may use ...
COMMAND_LINE = (
    "_cli.__init__",
    "_cli.output_names",
    "_cli.rows",
    "_cli.results",
    "_cli.output_folder",
    "_cli.plan",
    "_cli.shared",
    "_cli.progress",
    "_cli.batch_run",
    "_cli.batch",
    "_cli.narrate",
    "cli",
    "__main__",
)
# ... but for these, which check every row of a batch before anything is sent.
CHECKS_ROWS = COMMAND_LINE[:6]
# And all of it says in the library's words what is to be installed.
SAYS_WHAT_TO_INSTALL = "_extras"
ORDER = (
    *PURE,
    "_book.epub",
    "_book.reading",
    "audio",
    "_lock",
    "narration",
    "batch",
    "_jobs",
    "_book.m4b",
    "_book.containers",
    "_book.store",
    "_book.plan",
    "_book.assembly",
    "_cli.output_folder",
    "_cli.plan",
    "_transport.__init__",
    "_transport.config",
    "_transport.call",
    "_transport.shared_pace",
    "_transport.exceptions",
    "_transport.body",
    "_transport.route",
    "_transport.logs",
    "_transport.waiting_async",
    "_transport.waiting_sync",
    "_transport.socket_async",
    "_transport.websocket",
    "_transport.duplex_async",
    "_transport.duplex_sync",
    "_transport.network_async",
    "_transport.network_sync",
    *(
        f"_transport.{half}.{name}"
        for half in ("_async", "_sync")
        for name in ("__init__", "pool", "exchange")
    ),
    "_generated_client",
    *(
        f"{half}.{name}"
        for half in ("_async", "_sync")
        for name in (
            "__init__",
            "reader",
            "stream",
            "connections",
            "realtime",
            "batch",
            "narration",
            "client",
        )
    ),
    "__init__",
    "worker",
    *(f"_cli.{name}" for name in ("shared", "progress", "batch_run", "batch", "narrate")),
    "cli",
    "__main__",
)
# Who else may know of httpx and its connections, so that the day it is replaced touches one folder.
KNOWS_HTTPX = {"httpx", "httpcore", "h11", "h2"}

# Of the standard library, what a pure module may not use: clocks, chance, files, networks,
# processes, the environment. Of other packages it may use what is as pure as itself.
IMPURE = {
    "asyncio",
    "io",
    "logging",
    "multiprocessing",
    "os",
    "pathlib",
    "random",
    "secrets",
    "select",
    "shutil",
    "signal",
    "socket",
    "ssl",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "urllib",
    "uuid",
}
# ... but for the part of one that reads and writes text alone.
PURE_PARTS = ("urllib.parse.",)
PURE_PACKAGES = {"markdown_it", "mdit_py_plugins", "msgspec", "numpy", "pybase64", "sentencex"}


def imported(source: str) -> Iterator[str]:
    """Give the full name of everything that `source` imports, anywhere in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield from (f"{base}.{alias.name}" for alias in node.names)


def breaches(module: str, source: str) -> list[str]:
    """Say which imports in the `source` of a module of `facade` its place does not allow."""
    return [name for name in imported(source) if not _may_import(module, name)]


def _may_import(module: str, name: str) -> bool:
    top, *rest = name.split(".")
    if top == "facade":
        return _may_import_ours(module, rest)
    if top == "together_openapi":
        return module == "_generated_client"
    if top in ("", "together_emulator"):
        return False
    if top in KNOWS_HTTPX:
        return module.startswith("_transport.")
    if module in PURE:
        if top in PURE_PACKAGES or name.startswith(PURE_PARTS):
            return True
        return top in sys.stdlib_module_names and top not in IMPURE
    return True


def _may_import_ours(module: str, rest: list[str]) -> bool:
    theirs = next((name for name in _places(rest) if name in ORDER), "__init__")
    if ORDER.index(theirs) >= ORDER.index(module) or {_half(theirs), _half(module)} == HALVES:
        return False
    if module in COMMAND_LINE:
        is_public = theirs == "__init__" and set(rest) <= set(facade.__all__)
        is_for_all = theirs in (*COMMAND_LINE, SAYS_WHAT_TO_INSTALL)
        return is_public or is_for_all or module in CHECKS_ROWS
    return theirs not in COMMAND_LINE


HALVES = {"async", "sync"}


def _half(module: str) -> str | None:
    """Say which of the two clients a module belongs to, if it is one's alone."""
    found = re.search(r"(?:^|[._])_?(async|sync)(?:\.|$)", module)
    return found[1] if found else None


def _places(rest: list[str]) -> Iterator[str]:
    """Give the modules that a dotted name may mean, the longest first."""
    for end in range(len(rest), 0, -1):
        yield ".".join(rest[:end])
        yield ".".join([*rest[:end], "__init__"])


def sources(package: object) -> dict[str, str]:
    """Return the source of each module of a package, by its dotted name below the package."""
    path = Path(str(getattr(package, "__file__", None))).parent
    return {
        ".".join(file.relative_to(path).with_suffix("").parts): file.read_text(encoding="utf-8")
        for file in path.glob("**/*.py")
    }


def test_every_module_has_its_place() -> None:
    assert set(sources(facade)) <= set(ORDER)


@pytest.mark.parametrize("module", sources(facade))
def test_imports_point_upward_only(module: str) -> None:
    assert breaches(module, sources(facade)[module]) == []


def test_one_module_uses_the_generated_client() -> None:
    users = {
        module
        for module, source in sources(facade).items()
        if any(name.startswith("together_openapi.") for name in imported(source))
    }
    assert users == {"_generated_client"}


def test_one_module_says_how_an_extra_is_installed() -> None:
    users = {module for module, source in sources(facade).items() if "together-speech[" in source}
    assert users == {SAYS_WHAT_TO_INSTALL}


def test_only_a_fixture_of_the_emulator_reaches_for_the_client() -> None:
    """By name and when it is asked for: `speech_client` is for those who have both."""
    users = {
        module: source.count("import_module(")
        for module, source in sources(together_emulator).items()
        if "import_module(" in source
    }
    assert users == {"pytest_plugin": 1}


@pytest.mark.parametrize("module", sources(together_emulator))
def test_the_emulator_knows_nothing_of_the_client(module: str) -> None:
    tops = {name.partition(".")[0] for name in imported(sources(together_emulator)[module])}
    assert not tops & {"facade", "together_openapi", ""}


@pytest.mark.parametrize(
    ("module", "source", "found"),
    [
        ("errors", "import httpx", ["httpx"]),
        ("errors", "import re, os.path as p", ["os.path"]),
        ("errors", "def now():\n    from time import time\n    return time()", ["time.time"]),
        ("errors", "from facade.formats import AudioFormat", ["facade.formats.AudioFormat"]),
        ("errors", "from facade import formats", ["facade.formats"]),
        ("errors", "from . import formats", ["..formats"]),
        ("errors", "from .formats import AudioFormat", [".formats.AudioFormat"]),
        ("voices", "import facade", ["facade"]),
        ("_rules.retry", "import random", ["random"]),
        ("_rules.retry", "from anyio import sleep", ["anyio.sleep"]),
        ("_rules.retry", "from urllib.request import urlopen", ["urllib.request.urlopen"]),
        ("_rules.error_mapping", "from os import environ", ["os.environ"]),
        (
            "_rules.error_mapping",
            "import facade._transport.call",
            ["facade._transport.call"],
        ),
        ("_rules.sse", "import msgspec, attrs", ["attrs"]),
        (
            "_async.client",
            "from together_openapi import AuthenticatedClient",
            ["together_openapi.AuthenticatedClient"],
        ),
        ("_async.client", "import httpx", ["httpx"]),
        ("_async.client", "from facade import SpeechClient", ["facade.SpeechClient"]),
        ("_sync.client", "import facade._async.client", ["facade._async.client"]),
        (
            "_sync.client",
            "from facade._transport.waiting_async import sleep",
            ["facade._transport.waiting_async.sleep"],
        ),
        ("_transport.body", "import facade._async.client", ["facade._async.client"]),
        ("_transport.body", "import together_emulator.server", ["together_emulator.server"]),
        (
            "cli",
            "from facade._sync.client import SpeechClient",
            ["facade._sync.client.SpeechClient"],
        ),
        ("cli", "from facade import Service", ["facade.Service"]),
        ("cli", "from facade import errors", ["facade.errors"]),
        (
            "_cli.batch",
            "from facade._rules.pricing import usd",
            ["facade._rules.pricing.usd"],
        ),
        ("_cli.rows", "from pathlib import Path", ["pathlib.Path"]),
        ("_cli.rows", "from facade.cli import app", ["facade.cli.app"]),
        (
            "_transport.call",
            "from facade._cli.output_names import same_file",
            ["facade._cli.output_names.same_file"],
        ),
        ("__init__", "from facade.cli import app", ["facade.cli.app"]),
        # ... and what is allowed.
        ("voices", "import re\nfrom facade.errors import SpeechError", []),
        ("_rules.request", "from facade import voices", []),
        ("_rules.stream_decoder", "import msgspec", []),
        ("_rules.realtime_settings", "from urllib.parse import urlencode", []),
        ("_transport.body", "import httpx", []),
        ("_generated_client", "from together_openapi.types import UNSET", []),
        ("_sync.client", "from facade._transport.waiting_sync import sleep", []),
        ("cli", "import typer\nfrom facade import SpeechClient", []),
        ("_cli.plan", "from facade._rules.pricing import usd", []),
        ("cli", "from facade._cli.batch import batch", []),
        ("cli", "from facade._extras import needs", []),
        ("__main__", "from facade.cli import app", []),
    ],
)
def test_an_import_out_of_place_is_found(module: str, source: str, found: list[str]) -> None:
    assert breaches(module, source) == found


# --- other packages ------------------------------------------------------------------------------


def private_uses(source: str) -> list[str]:
    """Say which private names of other packages a source uses, overrides or sets.

    An attribute counts as another's unless it is of `self` or `cls`, or of a name of our own.
    """
    tree = ast.parse(source)
    found = []
    for name in imported(source):
        top, *rest = name.split(".")
        if top not in ("facade", "") and any(_is_private(part) for part in (top, *rest)):
            found.append(name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            if node.attr == "__class__" and isinstance(node.ctx, ast.Store):
                found.append("__class__ = ")
            elif _is_private(node.attr) and not _is_ours(node, tree):
                found.append(ast.unparse(node))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "setattr"):
            owner, attribute = node.args[:2]
            if isinstance(attribute, ast.Constant) and _is_private(str(attribute.value)):
                found += [] if ast.unparse(owner) == "self" else [ast.unparse(node)]
        elif isinstance(node, ast.ClassDef) and any(map(_is_foreign, node.bases)):
            found += [
                f"{node.name}.{member.name}"
                for member in node.body
                if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef)
                and _is_private(member.name)
                and not _is_called_here(member.name, node)
            ]
    return found


def _is_private(name: str) -> bool:
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


def _is_ours(node: ast.Attribute, tree: ast.Module) -> bool:
    """Whether a private attribute is of this module's own making."""
    if isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"):
        return True
    # Or of another object of a class that this module defines.
    made = {
        target.attr
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef) and function.name == "__init__"
        for target in ast.walk(function)
        if isinstance(target, ast.Attribute) and isinstance(target.ctx, ast.Store)
    }
    for at in ast.walk(tree):
        if isinstance(at, ast.FunctionDef | ast.AsyncFunctionDef):
            made.add(at.name)
        elif isinstance(at, ast.AnnAssign) and isinstance(at.target, ast.Name):
            made.add(at.target.id)
    return node.attr in made


def _is_foreign(base: ast.expr) -> bool:
    return ast.unparse(base).partition(".")[0] in KNOWS_HTTPX | {"anyio", "threading", "logging"}


def _is_called_here(method: str, kind: ast.ClassDef) -> bool:
    """A helper of our own is called by our own methods; what only others call is an override."""
    return any(
        isinstance(node, ast.Attribute) and node.attr == method and isinstance(node.ctx, ast.Load)
        for node in ast.walk(kind)
    )


@pytest.mark.parametrize("module", sources(facade))
def test_other_packages_are_used_by_their_public_names(module: str) -> None:
    assert private_uses(sources(facade)[module]) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from httpx._urls import URL", ["httpx._urls.URL"]),
        ("import httpcore._sync", ["httpcore._sync"]),
        ("import x\nx.api._get_kwargs()", ["x.api._get_kwargs"]),
        ("def f(c):\n    c._pool.close()", ["c._pool"]),
        ("def f(c):\n    c.__class__ = int", ["__class__ = "]),
        ("def f(c):\n    setattr(c, '_x', 1)", ["setattr(c, '_x', 1)"]),
        (
            "import httpx\nclass C(httpx.Client):\n    def _init_transport(self): pass",
            ["C._init_transport"],
        ),
        # ... and what is allowed.
        ("from facade._rules import sse", []),
        ("class C:\n    def f(self):\n        return self._x", []),
        ("class C:\n    def f(self, other):\n        return other.__class__", []),
        (
            "import httpx\nclass C(httpx.BaseTransport):\n"
            "    def handle_request(self, r): return self._send(r)\n"
            "    def _send(self, r): pass",
            [],
        ),
    ],
)
def test_a_private_name_is_found(source: str, found: list[str]) -> None:
    assert private_uses(source) == found
