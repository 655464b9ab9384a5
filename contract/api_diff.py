"""What breaks for applications in the public face of `facade`, and whether CHANGELOG names it.

    python -m contract.api_diff BASE

BASE is a revision of git; what is compared with it is the working tree. Only names in
`facade.__all__`, and what is below them, count. Exit status 0; 1 when something breaks and the
lines that CHANGELOG.md has gained since BASE do not name it, in backticks and by the name that is
printed; 2 with the reason on standard error.
"""

from __future__ import annotations

import argparse
import io
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from contract.changelog import NAME, new_entries
from contract.compose import ROOT
from contract.document import ContractError
from contract.face import PACKAGE, breakages
from contract.sources import git

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contract.face import Breakage


def main(argv: Sequence[str] | None = None, *, root: Path = ROOT) -> int:
    """Run the command in the repository at `root`; the return value is its exit status."""
    parser = argparse.ArgumentParser(prog="python -m contract.api_diff", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("base", metavar="BASE")
    options = parser.parse_args(argv)
    try:
        found = _compare(options.base, root)
        entries = new_entries(options.base, root)
    except ContractError as error:
        print(f"contract.api_diff: {error}", file=sys.stderr)  # noqa: T201
        return 2
    if found is None:
        print(f"{options.base} has no {PACKAGE}, so nothing can break")  # noqa: T201
        return 0
    named = frozenset(name for entry in entries for name in entry.names)
    unnamed = [breakage for breakage in found if named.isdisjoint(breakage.names)]
    for breakage in found:
        note = f" ({NAME} does not name it)" if breakage in unnamed else ""
        print(f"{breakage}{note}")  # noqa: T201
    if not found:
        print("nothing breaks")  # noqa: T201
    return int(bool(unnamed))


def _compare(base: str, root: Path) -> list[Breakage] | None:
    """What breaks since a revision; nothing at all where that one has no such package."""
    listed = git("ls-tree", "--name-only", "--full-tree", base, cwd=root).splitlines()
    if PACKAGE.encode() not in listed:
        return None
    prefix = f"--prefix={PACKAGE}/"
    archive = git("archive", "--format=tar", prefix, f"{base}:{PACKAGE}", cwd=root)
    with tempfile.TemporaryDirectory() as scratch:
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(scratch, filter="data")
        return breakages(Path(scratch), root)


if __name__ == "__main__":
    sys.exit(main())
