"""What changed between two OpenAPI documents, over the operations in use.

    python -m contract.diff OLD NEW [--format text|markdown|json|github]
                                    [--fail-on breaking|additive|docs]

OLD and NEW are files, `REV:path` of git, or - for standard input. The verdict is the worst of what
was found: NONE, DOCS, ADDITIVE or BREAKING. Exit status 0; 1 when --fail-on is given and the
verdict reaches it; 2 with the reason on standard error when either document is unsound.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from contract.document import ContractError, parse_openapi
from contract.operations import compare
from contract.report import FORMATS, Verdict, render, verdict
from contract.sources import read

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the return value is its exit status."""
    parser = argparse.ArgumentParser(prog="python -m contract.diff", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("old", metavar="OLD")
    parser.add_argument("new", metavar="NEW")
    parser.add_argument("--format", choices=FORMATS, default="text")
    parser.add_argument("--fail-on", choices=("breaking", "additive", "docs"))
    options = parser.parse_args(argv)
    try:
        old, new = (parse_openapi(read(name), name) for name in (options.old, options.new))
        findings = compare(old, new)
    except ContractError as error:
        print(f"contract.diff: {error}", file=sys.stderr)  # noqa: T201
        return 2
    except RecursionError:
        print("contract.diff: schemas within schemas, too deep to follow", file=sys.stderr)  # noqa: T201
        return 2
    file = options.new if Path(options.new).is_file() else None
    sys.stdout.write(render(findings, options.format, file=file))
    limit = options.fail_on and Verdict[options.fail_on.upper()]
    return int(bool(limit) and verdict(findings) >= limit)


if __name__ == "__main__":
    sys.exit(main())
