"""Servers that run as long as a block."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# An environment of its own: httpx takes longer to import where click is, which uvicorn needs. Where
# there is none, in an environment for development, the emulator is in this one.
_OWN = Path(sys.prefix, "emulator", "bin", "python")
EMULATOR_PYTHON = _OWN if _OWN.exists() else Path(sys.executable)


@contextmanager
def serving(module: str, *arguments: str, python: Path = Path(sys.executable)) -> Iterator[int]:
    """Run a module that prints its port and ends with its standard input; gives the port.

    The port is the last number of its first line.
    """
    with subprocess.Popen(  # noqa: S603
        [python, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin  # noqa: S101
        assert server.stdout  # noqa: S101
        try:
            yield int(re.findall(r"\d{2,}", server.stdout.readline())[-1])
        finally:
            server.stdin.close()
            server.wait(timeout=10)
