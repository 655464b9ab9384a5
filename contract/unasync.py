"""The synchronous half of the facade, made from the asynchronous one.

Each module of a folder `_async` becomes a module of the folder `_sync` beside it: `async` and
`await` go, and a name that has an asynchronous and a synchronous form takes the other one. What
really differs (sockets, waiting) is not made but written twice, in `facade/_transport/`:
`network_async.py` and `network_sync.py`, and so `duplex_*` and `waiting_*`.

    python -m contract.unasync           write the modules
    python -m contract.unasync --check   make them elsewhere and compare

Exit status 0; 1 when `--check` finds a difference, each named on standard output; 2 with the reason
on standard error when ruff, which tidies them, fails.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from contract.compose import ROOT
from contract.generate import differences, read_tree

if TYPE_CHECKING:
    from collections.abc import Sequence

PACKAGE = "facade"
SOURCE, TARGET = "_async", "_sync"

MARK = "# Made from {source} by `make generate`; edit that one.\n"

NAMES = {
    "AsyncByteStream": "SyncByteStream",
    "AsyncIterator": "Iterator",
    "AsyncIterable": "Iterable",
    "StopAsyncIteration": "StopIteration",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
    "aclose": "close",
    "aiter": "iter",
    "anext": "next",
    "asyncio_detailed": "sync_detailed",
    "handle_async_request": "handle_request",
    "duplex_async": "duplex_sync",
    "network_async": "network_sync",
    "waiting_async": "waiting_sync",
    "set_async_httpx_client": "set_httpx_client",
    SOURCE: TARGET,
}
"""What does not follow the rule that `AsyncThing` is `Thing` without `Async`."""

_KEYWORD = re.compile(r"\b(?:async|await)\s+")
_AWAITABLE = re.compile(r"\b(?:Awaitable|Coroutine)\[((?:[^][]|\[[^][]*\])*)\]")
_WORD = re.compile(r"\b[A-Za-z_]\w*\b")


def main(argv: Sequence[str] | None = None, *, root: Path = ROOT) -> int:
    """Run the command in the repository at `root`; the return value is its exit status."""
    parser = argparse.ArgumentParser(prog="python -m contract.unasync", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--check", action="store_true", help="compare, and change nothing")
    options = parser.parse_args(argv)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            target = Path(scratch) if options.check else root
            folders = build(root, target)
            drift = [
                f"{folder.as_posix()}: {line}"
                for folder in folders
                for line in differences(read_tree(root / folder), read_tree(target / folder))
            ]
    except subprocess.CalledProcessError as error:
        print(f"contract.unasync: ruff failed\n{error.stdout}{error.stderr}", file=sys.stderr)  # noqa: T201
        return 2
    if drift:
        print(*drift, sep="\n")  # noqa: T201
        print("the synchronous modules are not what their sources give; run `make generate`")  # noqa: T201
    return int(bool(drift))


def build(root: Path, target: Path) -> list[Path]:
    """Write the synchronous modules of the checkout at `root` below the folder `target`.

    Returns:
        The folders written, relative to both.

    Raises:
        CalledProcessError: ruff failed.
    """
    folders = []
    for source in sorted((root / PACKAGE).rglob(SOURCE)):
        folder = source.relative_to(root).parent / TARGET
        folders.append(folder)
        (target / folder).mkdir(parents=True, exist_ok=True)
        for path in (target / folder).glob("*.py"):
            path.unlink()
        for path in source.glob("*.py"):
            text = synchronous(path.read_text("utf-8"))
            mark = MARK.format(source=path.relative_to(root).as_posix())
            (target / folder / path.name).write_text(mark + text, encoding="utf-8", newline="\n")
    made = [str(target / folder) for folder in folders]
    config = ["--config", str(root / "pyproject.toml"), "--no-cache"]
    _run_ruff("check", "--fix", "--select", "I,UP034,F401", *config, *made)
    _run_ruff("format", *config, *made)
    return folders


def synchronous(source: str) -> str:
    """Return the synchronous form of an asynchronous module's source."""
    text = _KEYWORD.sub("", _AWAITABLE.sub(r"\1", source.replace("an `async ", "a `")))
    return _WORD.sub(lambda word: _name(word[0]), text)


def _run_ruff(*arguments: str) -> None:
    command = [sys.executable, "-m", "ruff", *arguments]
    subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603


def _name(word: str) -> str:
    if word in NAMES:
        return NAMES[word]
    return re.sub(r"^(_*)Async(?=[A-Z])", r"\1", word).removesuffix("_async")


if __name__ == "__main__":
    sys.exit(main())
