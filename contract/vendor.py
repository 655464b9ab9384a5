"""Take a new contract in: say what it means, rebuild everything from it, and say what is left.

    python -m contract.vendor SPEC

SPEC is a file or an https URL of the published document, or of a documentation page that has it in
a fenced block. Exit status 0; 1 when the contract's tests fail with it, which is then for a person
to mend; 2 with the reason on standard error when nothing sound can be made of it, and then nothing
has changed on disk.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from contract.compose import APPLIED, OPERATIONS, ROOT, compose
from contract.document import ContractError, load_openapi, parse_openapi, pointer
from contract.generate import SOURCES, build
from contract.operations import compare
from contract.overlay import load_overlay
from contract.report import Verdict, render
from contract.sources import fetch, published, read

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from contract.overlay import Effect
    from contract.report import Finding

PLACES = (
    (" servers", "facade/_config.py (the default base URL), README.md"),
    (" security", "facade/_config.py and facade/_wire.py (the key)"),
    (" request body", "facade/_request.py, the signatures and docstrings of both clients"),
    (" query parameter", "list_voices of both clients, facade/_wire.py"),
    (" response 200 body (text/event-stream)", "facade/_stream.py"),
    ("GET /voices response 200", "read_voices in facade/_catalogue.py"),
    (" response 200", "facade/_failures.py and facade/audio.py"),
    (" response ", "facade/_failures.py and facade/errors.py (statuses, shape of errors)"),
    ("", "facade/_wire.py, the only module that calls the operations"),
)
"""What of the facade a finding touches: the first whose words are in its place."""


def main(argv: Sequence[str] | None = None, *, root: Path = ROOT) -> int:
    """Run the command in the repository at `root`; the return value is its exit status."""
    parser = argparse.ArgumentParser(prog="python -m contract.vendor", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("spec", metavar="SPEC")
    options = parser.parse_args(argv)
    try:
        content = published(
            fetch(options.spec) if "://" in options.spec else read(options.spec), options.spec
        )
        findings, effects = _weigh(content, options.spec, root)
        sys.stdout.write(render(findings, "text"))
        sys.stdout.flush()
        _install(content, root)
    except (ContractError, OSError) as error:
        print(f"contract.vendor: {error}", file=sys.stderr)  # noqa: T201
        return 2
    tests = _run_tests(root)
    print("\nLeft for a person:")  # noqa: T201
    print(*(f"- {line}" for line in _left(findings, effects, tests)), sep="\n")  # noqa: T201
    return int(tests != 0)


def _weigh(content: bytes, name: str, root: Path) -> tuple[list[Finding], list[Effect]]:
    """What the new contract changes, and what the overlay does to it."""
    new = parse_openapi(content, name)
    if APPLIED in new:
        raise ContractError(f"{name}: not a published document but one that is composed already")
    effects = compose(new, load_overlay(root / "contract" / "overlay.yaml"), OPERATIONS)
    old = load_openapi(root / "openapi.yaml")
    return compare(old, parse_openapi(content, name)), effects


def _install(content: bytes, root: Path) -> None:
    """Replace the contract and what is made from it, once all of it could be made."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch)
        for name in SOURCES:
            (copy / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(root / name, copy / name)
        (copy / "openapi.yaml").write_bytes(content)
        build(copy, copy / "generated")
        shutil.copyfile(copy / "openapi.yaml", root / "openapi.yaml")
        shutil.rmtree(root / "generated", ignore_errors=True)
        shutil.copytree(copy / "generated", root / "generated")


def _run_tests(root: Path) -> int:
    """The exit status of the contract's tests, which say on the terminal what they find."""
    path = os.pathsep.join([str(root), str(root / "generated")])
    command = [sys.executable, "-m", "pytest", "--quiet", "tests/contract"]
    return subprocess.run(command, cwd=root, env={**os.environ, "PYTHONPATH": path}).returncode  # noqa: S603


def _left(findings: Sequence[Finding], effects: Sequence[Effect], tests: int) -> Iterator[str]:
    if tests:
        yield "the contract's tests fail: what they say above comes first"
    for finding in findings:
        if finding.verdict > Verdict.DOCS:
            place = next(place for words, place in PLACES if words in finding.where)
            yield f"{finding.verdict.name}: {finding.where}: {finding.why}; see {place}"
    if any(finding.verdict is Verdict.DOCS for finding in findings):
        yield "DOCS: read what is worded differently; facts may have moved with the words"
    for effect in effects:
        if effect.replaced:
            places = ", ".join(pointer(at) for at in effect.replaced)
            yield f"{effect.action.where} conflicts: upstream says something else at {places}"
        elif not effect.added and not effect.removed:
            yield f"{effect.action.where} is redundant: upstream says the same now; remove it"
    yield "CHANGELOG.md: what changes for applications; mark what breaks them **contract**"


if __name__ == "__main__":
    sys.exit(main())
