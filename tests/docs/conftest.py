"""The built site, served on this machine."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from filelock import FileLock

from docs_tools.blocks import ROOT
from docs_tools.run import Outcome, from_json


@dataclass(frozen=True)
class Build:
    """What `make docs` made.

    Attributes:
        site: The folder of the site.
        outcomes: What became of each block, by where it stands.
        said: What the build printed.
        status: Its exit status.
    """

    site: Path
    outcomes: dict[str, Outcome]
    said: str
    status: int


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Build:
    """Build it, once for all workers."""
    folder = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        folder = folder.parent
    place, log = folder / "docs", folder / "docs.log"
    with FileLock(folder / "docs.lock"):
        if not log.is_file():
            command: list[str | Path] = [sys.executable, "-m", "docs_tools.build", place]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            log.write_text(f"{done.returncode}\n{done.stdout}{done.stderr}", encoding="utf-8")
    status, _, said = log.read_text(encoding="utf-8").partition("\n")
    outcomes = from_json((place / "blocks.json").read_text(encoding="utf-8"))
    by_place = {one.where: one for some in outcomes.values() for one in some}
    return Build(place / "site", by_place, said, int(status))


@pytest.fixture(scope="session")
def site_url(build: Build) -> Iterator[str]:
    """The address of the site."""
    handler = partial(_Quiet, directory=str(build.site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Print nothing."""
