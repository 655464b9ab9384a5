"""What changed between two OpenAPI documents, over the operations in use.

    python -m contract.diff OLD NEW [--operations ID,... | --all]
                                    [--format text|markdown|json|github] [--file FILE]
                                    [--summary FILE]
                                    [--fail-on breaking|additive|docs [--changelog BASE]]

OLD and NEW are files, `REV:path` of git, or - for standard input. The verdict is the worst of what
was found: NONE, DOCS, ADDITIVE or BREAKING; the last line names it (of JSON, on standard error).
Exit status 0; 1 when --fail-on is given and the verdict reaches it; 2 with the reason on standard
error when either document is unsound.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from contract.changelog import CONTRACT, NAME, new_entries
from contract.compose import OPERATIONS, ROOT
from contract.document import ContractError, every_operation, parse_openapi
from contract.operations import compare, name_all
from contract.report import FORMATS, Source, Verdict, render, verdict
from contract.sources import read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contract.report import Finding


def main(argv: Sequence[str] | None = None, *, root: Path = ROOT) -> int:
    """Run the command; the return value is its exit status. CHANGELOG.md is the one at `root`."""
    options = _options(argv)
    try:
        findings = _findings(options)
        unnamed = findings
        if options.changelog is not None:
            entries = [e for e in new_entries(options.changelog, root) if CONTRACT in e.text]
            unnamed = [f for f in findings if all(f.where not in e.names for e in entries)]
        source = None
        if options.file is not None:
            source = Source(options.file, parse_openapi(read(options.file), options.file))
        sys.stdout.write(render(findings, options.format, source=source))
        if options.summary is not None:
            with options.summary.open("a", encoding="utf-8") as summary:
                summary.write(render(findings, "markdown"))
    except (ContractError, OSError) as error:
        print(f"contract.diff: {error}", file=sys.stderr)  # noqa: T201
        return 2
    except RecursionError:
        print("contract.diff: schemas within schemas, too deep to follow", file=sys.stderr)  # noqa: T201
        return 2
    limit = Verdict[options.fail_on.upper()] if options.fail_on else None
    failing = [finding for finding in unnamed if limit is not None and finding.verdict >= limit]
    if failing and options.changelog is not None:
        print(f"contract.diff: new lines of {NAME} must name:", file=sys.stderr)  # noqa: T201
        for finding in failing:
            print(f"- {CONTRACT} `{finding.where}`: {finding.why}", file=sys.stderr)  # noqa: T201
    if options.format == "json":
        print(verdict(findings).name, file=sys.stderr)  # noqa: T201
    return int(bool(failing))


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m contract.diff", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("old", metavar="OLD")
    parser.add_argument("new", metavar="NEW")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--operations",
        metavar="ID,...",
        type=lambda text: [name.strip() for name in text.split(",")],
        help=f"the operationIds to compare (default: {','.join(OPERATIONS)})",
    )
    which.add_argument("--all", action="store_true", help="compare every operation")
    parser.add_argument("--format", choices=FORMATS, default="text")
    parser.add_argument(
        "--file",
        help="what the annotations of --format github point into (default: NEW, if it is a file)",
    )
    parser.add_argument(
        "--summary", type=Path, metavar="FILE", help="append the findings as a table in Markdown"
    )
    parser.add_argument("--fail-on", choices=("breaking", "additive", "docs"))
    parser.add_argument(
        "--changelog",
        metavar="BASE",
        help=f"pass over a finding whose place stands in backticks in an entry marked {CONTRACT},"
        f" in lines that {NAME} has gained since this revision",
    )
    options = parser.parse_args(argv)
    if options.changelog is not None and options.fail_on is None:
        parser.error("--changelog is about what --fail-on finds, so it needs it")
    if options.file is None and Path(options.new).is_file():
        options.file = options.new
    return options


def _findings(options: argparse.Namespace) -> list[Finding]:
    old, new = (parse_openapi(read(name), name) for name in (options.old, options.new))
    if options.all:
        return compare(old, new, name_all(old, new))
    if options.operations is None:
        return compare(old, new, OPERATIONS)
    known = [operation for document in (old, new) for _, operation in every_operation(document)]
    for name in options.operations:
        if all(operation.get("operationId") != name for operation in known):
            raise ContractError(f"neither document has the operation {name!r}")
    return compare(old, new, options.operations)


if __name__ == "__main__":
    sys.exit(main())
