"""A real emulator process, shared by the tests of this folder."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.emulator.contract import check_answer


@contextmanager
def emulator_process(
    *arguments: str, **environment: str
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The base URL and the process of an emulator that ends with the block.

    It has to end by itself.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "together_emulator", "--exit-with-stdin", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    ) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("together_emulator listening on http://"), line
            yield line.split()[-1], process
            process.stdin.close()
            assert process.wait(20) == 0
        finally:
            process.kill()


@pytest.fixture(scope="session")
def emulator_url() -> Iterator[str]:
    """The base URL of an emulator that lives as long as the tests."""
    with emulator_process() as (url, _):
        yield url


@pytest.fixture(scope="session")
def api(emulator_url: str) -> Iterator[httpx.Client]:
    """A client of that emulator, with a key; every answer is checked against the contract."""
    with httpx.Client(
        base_url=emulator_url,
        headers={"Authorization": "Bearer any"},
        timeout=60,
        event_hooks={"response": [check_answer]},
    ) as client:
        yield client
