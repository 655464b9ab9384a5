"""Take a new contract in: say what it means, rebuild everything from it, and say what is left.

    python -m contract.vendor SPEC [--verbose]

SPEC is a file or an https URL of the published document, or of a documentation page that has it in
a fenced block. Exit status 0; 1 when our own code or the contract's tests fail with it, which is
then for a person to mend; with the reason on standard error, 2 when nothing sound can be made of
it, and 3 when the overlay contradicts it. With 2 and 3 nothing has changed on disk.
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

from contract.compose import APPLIED, OPERATIONS, ROOT, effective, rebase
from contract.document import (
    ContractError,
    OperationMissingError,
    find_operation,
    load_openapi,
    parse_openapi,
    tell,
)
from contract.generate import SOURCES, build, install
from contract.operations import compare
from contract.overlay import load_overlay
from contract.report import Verdict, render
from contract.sources import fetch, published, read
from contract.uses import lacks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ruamel.yaml.comments import CommentedMap

    from contract.overlay import Effect
    from contract.report import Finding
    from contract.uses import Lack

FILES = {
    "audio": "facade/audio.py",
    "catalogue": "facade/_rules/catalogue.py",
    "clients": "facade/_async/client.py",
    "config": "facade/_transport/config.py",
    "errors": "facade/errors.py",
    "failures": "facade/_rules/error_mapping.py",
    "options": "facade/_rules/options.py",
    "request": "facade/_rules/request.py",
    "stream": "facade/_rules/stream_decoder.py",
    "wire": "facade/_generated_client.py",
}
"""Where in the facade things are: every mention of its files, here and in the tests, is from here.
"""

TESTS = (
    "tests/contract/test_our_contract.py",
    "tests/contract/test_facade_coverage.py",
    "tests/emulator/test_contract.py",
)
"""The tests that read the contract in use; all others have documents of their own."""

_PLACES = (
    (" servers", "{config} (the default base URL), README.md"),
    (" security", "{config} and {wire} (the key)"),
    (" request body", "{options} and {request}"),
    (" query parameter", "list_voices of {clients}, {wire}"),
    (" response 200 body (text/event-stream)", "{stream}"),
    ("GET /voices response 200", "read_voices in {catalogue}"),
    (" response 200", "{failures} and {audio}"),
    (" response ", "{failures} and {errors} (statuses, shape of errors)"),
    ("", "{wire}, the only module that calls the operations"),
)
PLACES = tuple((words, place.format(**FILES)) for words, place in _PLACES)
"""What of the facade a finding touches: the first whose words are in its place."""

USAGE = (
    "no SPEC. Call it as make vendor SPEC=https://raw.githubusercontent.com/togethercomputer/"
    "openapi/main/openapi.yaml, or with a file"
)


def main(argv: Sequence[str] | None = None, *, root: Path = ROOT) -> int:
    """Run the command in the repository at `root`; the return value is its exit status."""
    parser = argparse.ArgumentParser(prog="python -m contract.vendor", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("spec", metavar="SPEC", nargs="?")
    parser.add_argument("--verbose", action="store_true", help="show the generator's own lines")
    options = parser.parse_args(argv)
    try:
        if not options.spec:
            raise ContractError(USAGE)
        content = published(
            fetch(options.spec) if "://" in options.spec else read(options.spec), options.spec
        )
        findings = _compare(content, options.spec, root)
        sys.stdout.write(render(findings, "text"))
        sys.stdout.flush()
        effects = _install(content, options.spec, root, verbose=options.verbose)
    except (ContractError, OSError) as error:
        return tell("contract.vendor", error)
    except RecursionError:
        return tell("contract.vendor", ContractError("schemas within schemas, too deep to follow"))
    gone = lacks(root, root / "generated")
    if gone:
        print("\nOur own code uses what the new client lacks:")  # noqa: T201
        print(*(f"  {lack}" for lack in gone), sep="\n", flush=True)  # noqa: T201
    tests = 1 if any(lack.stops for lack in gone) else _run_tests(root)
    print("\nLeft for a person:")  # noqa: T201
    steps = _left(findings, effects, gone, tests)
    print(*(f"- {line}" for line in steps), sep="\n")  # noqa: T201
    return int(tests != 0 or bool(gone))


def _compare(content: bytes, name: str, root: Path) -> list[Finding]:
    """What the new contract changes."""
    new, old = parse_openapi(content, name), load_openapi(root / "openapi.yaml")
    if APPLIED in new:
        raise ContractError(f"{name}: not a published document but one that is composed already")
    rebase(old)
    rebase(new)
    _rename(old, new)
    return compare(old, new, OPERATIONS)


def _rename(old: CommentedMap, new: CommentedMap) -> None:
    """Call operations of the old document as the new one does where `OPERATIONS` already has that.

    They have been renamed, a first run has said so, and this one is the second.
    """
    for operation_id in OPERATIONS:
        try:
            at = find_operation(new, operation_id)
            old["paths"][at.path][at.method]["operationId"] = operation_id
        except (OperationMissingError, KeyError):
            continue


def _install(content: bytes, name: str, root: Path, *, verbose: bool) -> list[Effect]:
    """Replace the contract and what is made from it, once all of it could be made.

    Returns:
        What each action of the overlay did to the new contract.
    """
    effects = effective(
        parse_openapi(content, name),
        load_overlay(root / "contract" / "overlay.yaml"),
        name,
        known=root / "generated" / "contract.yaml",
    )
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch)
        for source in SOURCES:
            (copy / source).parent.mkdir(exist_ok=True)
            shutil.copyfile(root / source, copy / source)
        (copy / "openapi.yaml").write_bytes(content)
        build(copy, copy / "generated", verbose=verbose)
        shutil.copyfile(copy / "openapi.yaml", root / "openapi.yaml")
        install(root, copy / "generated")
    return effects


def _run_tests(root: Path) -> int:
    """The exit status of the contract's tests, which say on the terminal what they find."""
    path = os.pathsep.join([str(root), str(root / "generated")])
    tests = [test for test in TESTS if (root / test).exists()]
    command = [sys.executable, "-m", "pytest", "--quiet", "--no-header", "--tb=short", *tests]
    command += ["--deselect", f"{TESTS[0]}::test_what_is_committed_is_what_the_sources_give"]
    return subprocess.run(command, cwd=root, env={**os.environ, "PYTHONPATH": path}).returncode  # noqa: S603


def _left(
    findings: Iterable[Finding], effects: Iterable[Effect], gone: Sequence[Lack], tests: int
) -> Iterator[str]:
    for lack in gone:
        yield f"{lack}: mend it"
    if any(lack.stops for lack in gone):
        yield "then `make vendor SPEC=openapi.yaml`: no test was run, as none could pass"
    elif tests:
        yield "the contract's tests fail: what they say above comes first"
    for finding in findings:
        if finding.verdict > Verdict.DOCS:
            place = next(place for words, place in PLACES if words in finding.where)
            yield f"{finding.verdict.name}: {finding.where}: {finding.why}; see {place}"
    if any(finding.verdict is Verdict.DOCS for finding in findings):
        yield "DOCS: read what is worded differently; facts may have moved with the words"
    redundant = [effect for effect in effects if not effect.added and not effect.removed]
    for effect in redundant:
        yield f"{effect.action.where} is redundant: upstream says the same now; remove it"
    if redundant:
        yield "then `make generate`, as the overlay has changed"
    yield "CHANGELOG.md: what changes for applications; mark what breaks them **contract**"


if __name__ == "__main__":
    sys.exit(main())
