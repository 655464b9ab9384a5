"""Imports of `facade` point one way, and input and output stay below a line."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import facade
import together_emulator

# From the ground up: a module imports only those before it.
PURE = (
    "_version",
    "errors",
    "formats",
    "voices",
    "_rules.__init__",
    "_rules.catalogue",
    "_rules.request",
    "_rules.error_mapping",
    "_rules.retry",
    "_rules.sse",
    "_rules.stream_decoder",
)
ORDER = (
    *PURE,
    "audio",
    "_config",
    "_call",
    "_lost",
    "_body",
    "_connection",
    "_pool",
    "_http",
    "_wire",
    "_source",
    "streaming",
    "_shell",
    "_client",
    "_async_client",
    "__init__",
    "cli",
    "__main__",
)

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
PURE_PACKAGES = {"msgspec", "pybase64"}


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
        return module == "_wire"
    if top in ("", "together_emulator"):
        return False
    if module in PURE:
        return top in PURE_PACKAGES or (top in sys.stdlib_module_names and top not in IMPURE)
    return True


def _may_import_ours(module: str, rest: list[str]) -> bool:
    theirs = next((name for name in _places(rest) if name in ORDER), "__init__")
    if ORDER.index(theirs) >= ORDER.index(module):
        return False
    if module in ("cli", "__main__"):
        # These use what every application may use.
        return theirs == "cli" or (theirs == "__init__" and set(rest) <= set(facade.__all__))
    return True


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


def test_only_the_wire_uses_the_generated_client() -> None:
    users = {
        module
        for module, source in sources(facade).items()
        if any(name.startswith("together_openapi.") for name in imported(source))
    }
    assert users == {"_wire"}


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
        ("_rules.error_mapping", "from os import environ", ["os.environ"]),
        ("_rules.error_mapping", "import facade._wire", ["facade._wire"]),
        ("_rules.sse", "import msgspec, attrs", ["attrs"]),
        (
            "_client",
            "from together_openapi import AuthenticatedClient",
            ["together_openapi.AuthenticatedClient"],
        ),
        ("_client", "from facade import SpeechClient", ["facade.SpeechClient"]),
        ("_client", "import facade._async_client", ["facade._async_client"]),
        ("_wire", "import together_emulator.server", ["together_emulator.server"]),
        ("cli", "from facade._client import SpeechClient", ["facade._client.SpeechClient"]),
        ("cli", "from facade import Shell", ["facade.Shell"]),
        ("cli", "from facade import errors", ["facade.errors"]),
        ("__init__", "from facade.cli import app", ["facade.cli.app"]),
        # ... and what is allowed.
        ("voices", "import re\nfrom facade.errors import SpeechError", []),
        ("_rules.request", "from facade import voices", []),
        ("_rules.stream_decoder", "import msgspec", []),
        ("_wire", "import httpx\nfrom together_openapi.types import UNSET", []),
        ("cli", "import typer\nfrom facade import SpeechClient", []),
        ("__main__", "from facade.cli import app", []),
    ],
)
def test_an_import_out_of_place_is_found(module: str, source: str, found: list[str]) -> None:
    assert breaches(module, source) == found
