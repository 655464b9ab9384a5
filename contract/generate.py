"""Build `generated/`: the effective contract, the low-level client made from it, and a record.

    python -m contract.generate             rebuild it
    python -m contract.generate --check     build it elsewhere and compare
    python -m contract.generate --verbose   show all that the generator says when it fails

Exit status 0; 1 when `--check` finds a difference, each named on standard output; with the reason
on standard error, 2 when nothing can be built, and 3 when the overlay contradicts the contract.
Needs no network.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from ruamel.yaml import YAML

from contract.compose import ROOT, compose_files
from contract.document import ContractError, tell

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

GENERATOR = "0.29.1"
"""The only openapi-python-client that is run; another one writes other files."""

RUFF = "0.17.5"
"""The only ruff that formats what the generator wrote."""

SERVED = "together_emulator/openapi.json"
"""The copy of the effective contract that the emulator serves: a wheel has no YAML reader."""

SOURCES = ("openapi.yaml", "contract/overlay.yaml", "generator-config.yaml")
"""What `generated/` is made from, relative to the repository."""


def main(argv: Sequence[str] | None = None, *, root: Path = ROOT) -> int:
    """Run the command in the repository at `root`; the return value is its exit status."""
    parser = argparse.ArgumentParser(prog="python -m contract.generate", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--check", action="store_true", help="compare, and change nothing")
    parser.add_argument("--verbose", action="store_true", help="show the generator's own lines")
    options = parser.parse_args(argv)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            fresh = Path(scratch) / "generated"
            build(root, fresh, verbose=options.verbose)
            if options.check:
                return _report(_drift(root, fresh))
            install(root, fresh)
    except (ContractError, OSError) as error:
        return tell("contract.generate", error)
    return 0


def build(root: Path, target: Path, *, verbose: bool = False) -> None:
    """Write the whole of `generated/` into `target`, which must not exist yet.

    Args:
        root: Where the sources are.
        target: The folder to write.
        verbose: Print what the generator says when it fails.

    Raises:
        ContractError: another generator or ruff is installed, the contract cannot be composed, or
            the generator failed or warned.
    """
    require("openapi-python-client", GENERATOR, _generator_version())
    require("ruff", RUFF, _ruff_version())
    contract = compose_files(
        root / "openapi.yaml",
        root / "contract" / "overlay.yaml",
        known=root / "generated" / "contract.yaml",
    )
    with tempfile.TemporaryDirectory() as scratch:
        document = Path(scratch) / "contract.yaml"
        document.write_text(contract, encoding="utf-8", newline="\n")
        _run_generator(document, root / "generator-config.yaml", target, verbose=verbose)
        shutil.copyfile(document, target / "contract.yaml")
    record = json.dumps(provenance(root), indent=2) + "\n"
    (target / "provenance.json").write_text(record, encoding="utf-8", newline="\n")


def install(root: Path, fresh: Path) -> None:
    """Put a fresh build, and what is served of it, in the place of the old ones."""
    shutil.rmtree(root / "generated", ignore_errors=True)
    shutil.copytree(fresh, root / "generated")
    if (root / SERVED).exists():
        (root / SERVED).write_bytes(_served(fresh))


def _served(generated: Path) -> bytes:
    document = YAML(typ="safe").load(generated / "contract.yaml")
    # Dates and the like become what JSON has.
    return (json.dumps(document, indent=1, ensure_ascii=False, default=str) + "\n").encode()


def _drift(root: Path, fresh: Path) -> Iterator[str]:
    yield from differences(read_tree(root / "generated"), read_tree(fresh))
    path = root / SERVED
    if path.exists():
        yield from differences({SERVED: path.read_bytes()}, {SERVED: _served(fresh)})


def require(tool: str, wanted: str, found: str) -> None:
    """Refuse any version of a tool but one.

    Raises:
        ContractError: `found` is another.
    """
    if found != wanted:
        raise ContractError(
            f"{tool} {wanted} is needed, but found {found}: another version writes other files;"
            " install the `dev` extra, or move the pin in contract/generate.py and regenerate"
        )


def provenance(root: Path) -> dict[str, dict[str, str]]:
    """What `generated/` was made with and from: versions, and the SHA-256 of each source."""
    return {
        "tools": {"openapi-python-client": GENERATOR, "ruff": RUFF},
        "sha256": {
            name: hashlib.sha256((root / name).read_bytes()).hexdigest() for name in SOURCES
        },
    }


def read_tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder by its relative path, but for Python's caches."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.parent.name != "__pycache__"
    }


def differences(found: Mapping[str, bytes], fresh: Mapping[str, bytes]) -> Iterator[str]:
    """A line for each file that differs from what a fresh build has, and what changed in it."""
    for name in sorted({*found, *fresh}):
        if name not in fresh:
            yield f"added: {name}"
        elif name not in found:
            yield f"removed: {name}"
        elif found[name] != fresh[name]:
            yield f"changed: {name}"
            yield from _excerpt(found[name], fresh[name])


def _report(lines: Iterator[str]) -> int:
    drift = list(lines)
    if not drift:
        return 0
    print(*drift, sep="\n")  # noqa: T201
    print("what is generated is not what its sources give; run `make generate`")  # noqa: T201
    return 1


def _excerpt(found: bytes, fresh: bytes, limit: int = 20) -> Iterator[str]:
    lines = difflib.unified_diff(
        found.decode(errors="backslashreplace").splitlines(),
        fresh.decode(errors="backslashreplace").splitlines(),
        "found",
        "fresh",
        lineterm="",
        n=1,
    )
    yield from ("    " + line for line in islice(lines, limit))
    if next(lines, None) is not None:
        yield "    …"


def _generator_version() -> str:
    try:
        return importlib.metadata.version("openapi-python-client")
    except importlib.metadata.PackageNotFoundError:
        return "none"


def _scripts() -> str:
    return sysconfig.get_path("scripts")


def _ruff_version() -> str:
    """That of the program which the generator's hooks will find, whatever else is installed."""
    program = shutil.which("ruff", path=_scripts())
    if program is None:
        return "none"
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)  # noqa: S603
    return answer.stdout.split()[1]


def _run_generator(document: Path, config: Path, target: Path, *, verbose: bool) -> None:
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning"]
    command += ["--meta", "uv", "--path", str(document), "--config", str(config)]
    command += ["--output-path", str(target)]
    path = os.pathsep.join([_scripts(), os.environ.get("PATH", os.defpath)])
    done = subprocess.run(  # noqa: S603
        command,
        env={**os.environ, "PATH": path},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode:
        said = f"{done.stdout}{done.stderr}".strip()
        if verbose:
            print(said, file=sys.stderr)  # noqa: T201
        raise ContractError(
            f"openapi-python-client failed: {_gist(said):.300} (all that it says: --verbose, or"
            " VERBOSE=1 of make)"
        )


def _gist(said: str) -> str:
    lines = (" ".join(line.split()) for line in said.splitlines())
    return " ".join(line for line in lines if line and not line.startswith(_FRAME))


# What the generator puts around every reason.
_FRAME = (
    "Generating ", "Error(s) encountered", "Warning(s) encountered", "Failed to parse",
    "For further information", "If you believe",
)  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
