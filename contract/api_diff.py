"""What breaks for applications in the public face of `facade`, and whether CHANGELOG names it.

    python -m contract.api_diff BASE

BASE is a revision of git; what is compared with it is the working tree. Only names in
`facade.__all__`, and what is below them, count. Exit status 0; 1 when something breaks and the
lines that CHANGELOG.md has gained since BASE do not name it; 2 with the reason on standard error.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import griffe

from contract.compose import ROOT
from contract.document import ContractError
from contract.sources import git

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None, *, root: Path = ROOT) -> int:
    """Run the command in the repository at `root`; the return value is its exit status."""
    parser = argparse.ArgumentParser(prog="python -m contract.api_diff", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("base", metavar="BASE")
    options = parser.parse_args(argv)
    try:
        found = _compare(options.base, root)
    except ContractError as error:
        print(f"contract.api_diff: {error}", file=sys.stderr)  # noqa: T201
        return 2
    if found is None:
        print(f"{options.base} has no facade, so nothing can break")  # noqa: T201
        return 0
    told = _added_to_changelog(options.base, root)
    for breakage in found:
        note = "" if breakage.is_named_in(told) else " (CHANGELOG.md does not name it)"
        print(f"{breakage}{note}")  # noqa: T201
    if not found:
        print("nothing breaks")  # noqa: T201
    return int(not all(breakage.is_named_in(told) for breakage in found))


class Breakage(NamedTuple):
    """Something that an application may rely on and that is no longer as it was."""

    name: str
    """As an application writes it: `SpeechClient.synthesize`."""
    parameter: str | None
    what: str

    def __str__(self) -> str:
        where = f"{self.name}({self.parameter})" if self.parameter else self.name
        return f"facade.{where}: {self.what}"

    def is_named_in(self, text: str) -> bool:
        """Whether a text has the last part of the name and, where there is one, the parameter."""
        words = [self.name.rpartition(".")[2], *([self.parameter] if self.parameter else [])]
        return all(re.search(rf"\b{re.escape(word)}\b", text) for word in words)


def breakages(old: Path, new: Path) -> list[Breakage]:
    """What breaks between the `facade` in one folder and the one in another."""
    before, after = _load(old), _load(new)
    gone = sorted(set(before.exports or ()) - set(after.exports or ()), key=str)
    found = [Breakage(str(name), None, "Public object was removed") for name in gone]
    public = {before[str(name)].canonical_path: str(name) for name in before.exports or ()}
    for breakage in griffe.find_breaking_changes(before, after):
        path = breakage.obj.path
        for origin, name in public.items():
            if name not in gone and f"{path}.".startswith(f"{origin}."):
                parameter = next(
                    (
                        value.name
                        for value in (breakage.old_value, breakage.new_value)
                        if isinstance(value, griffe.Parameter)
                    ),
                    None,
                )
                where = name + path.removeprefix(origin)
                found.append(Breakage(where, parameter, breakage.kind.value))
    return list(dict.fromkeys(found))


def _compare(base: str, root: Path) -> list[Breakage] | None:
    """What breaks since a revision; nothing at all where that one has no facade."""
    if "facade" not in _names(base, root):
        return None
    archive = git("archive", "--format=tar", "--prefix=facade/", f"{base}:facade", cwd=root)
    with tempfile.TemporaryDirectory() as scratch:
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(scratch, filter="data")
        return breakages(Path(scratch), root)


def _names(base: str, root: Path) -> list[str]:
    return git("ls-tree", "--name-only", "--full-tree", base, cwd=root).decode().splitlines()


def _added_to_changelog(base: str, root: Path) -> str:
    old: list[str] = []
    if "CHANGELOG.md" in _names(base, root):
        old = git("cat-file", "blob", f"{base}:CHANGELOG.md", cwd=root).decode().splitlines()
    new = (root / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in new if line not in old)


def _load(folder: Path) -> griffe.Object | griffe.Alias:
    # Without the last option griffe would take the `facade` of the working directory.
    return griffe.load(
        "facade", search_paths=[folder], resolve_aliases=True, try_relative_path=False
    )


if __name__ == "__main__":
    sys.exit(main())
