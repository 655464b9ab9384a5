"""A new contract taken in, on a copy of the tree with a git repository of its own."""

from __future__ import annotations

import contextlib
import runpy
import shutil
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest
import trustme

from contract import vendor
from contract.compose import ROOT
from contract.document import ContractError
from contract.generate import read_tree
from contract.report import Finding, Verdict
from contract.sources import fetch, published

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SPEC = (ROOT / "openapi.yaml").read_text(encoding="utf-8")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """What vendoring reads and writes, committed, with the tests that hold the facade to it."""
    root = tmp_path / "a repository"
    for name in ("contract", "facade", "generated"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, root / name, ignore=ignored)
    (root / "tests" / "contract").mkdir(parents=True)
    for name in (
        "openapi.yaml", "generator-config.yaml", "pyproject.toml", "Makefile", ".gitignore",
        "tests/__init__.py", "tests/contract/__init__.py", "tests/contract/test_facade_coverage.py",
    ):  # fmt: skip
        shutil.copyfile(ROOT / name, root / name)
    for command in (
        ["git", "init", "--quiet"],
        ["git", "add", "."],
        ["git", "-c", "user.name=N", "-c", "user.email=e@example", "commit", "--quiet", "-m", "m"],
    ):
        subprocess.run(command, cwd=root, check=True)
    return root


def contract_diff(root: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """`make contract-diff` in the copy, with the environment that runs this test."""
    settings = [f"{name}={value}" for name, value in variables.items()]
    environment = root / ".venv"
    if not environment.exists():
        # make takes no path with spaces for a target, and this one may have some.
        environment.symlink_to(sys.prefix)
    command = ["make", "--no-print-directory", "--old-file", ".venv/.dev", *settings]
    return subprocess.run(
        [*command, "contract-diff", "BASE=HEAD"], cwd=root, capture_output=True, text=True
    )


def optional_field(spec: str) -> str:
    return spec.replace(
        "        input:\n", "        speed:\n          type: number\n        input:\n", 1
    )


def required_field(spec: str) -> str:
    return optional_field(spec).replace(
        "        - voice\n", "        - voice\n        - speed\n", 1
    )


def removed_value(spec: str) -> str:
    return spec.replace("            - 192000\n", "")


def reworded(spec: str) -> str:
    return spec.replace("description: Generate audio from input text", "description: Speak")


def moved_server(spec: str) -> str:
    return spec.replace(
        "  - url: https://api.together.ai/v1", "  - url: https://api.example.com/v1"
    )


@pytest.mark.parametrize(
    ("change", "verdict", "annotations", "failures", "left"),
    [
        (
            required_field,
            "BREAKING",
            ["::error title=BREAKING POST /audio/speech request body.speed::is required now",
             "::warning title=ADDITIVE POST /audio/speech request body.speed::a new property"],
            ["'speed' is new in the contract and the facade cannot set it"],
            ["BREAKING: POST /audio/speech request body.speed: is required now; see facade/"],
        ),
        (
            removed_value,
            "BREAKING",
            ["::error title=BREAKING POST /audio/speech request body.bit_rate::no longer allow"],
            ["'bit_rate' may be 192000 in the facade but no longer in the contract"],
            ["BREAKING: POST /audio/speech request body.bit_rate: no longer allowed: 192000"],
        ),
        (
            optional_field,
            "ADDITIVE",
            ["::warning title=ADDITIVE POST /audio/speech request body.speed::a new property"],
            ["'speed' is new in the contract and the facade cannot set it"],
            ["ADDITIVE: POST /audio/speech request body.speed: a new property; see facade/"],
        ),
        (
            reworded,
            "DOCS",
            ["::notice title=DOCS POST /audio/speech::`description` reads differently"],
            [],
            ["DOCS: read what is worded differently"],
        ),
        (
            moved_server,
            "BREAKING",
            ["::error title=BREAKING POST /audio/speech servers::a server is gone",
             "::warning title=ADDITIVE POST /audio/speech servers::a new server"],
            ["test_the_default_server_is_the_contract_s"],
            ["BREAKING: POST /audio/speech servers: a server is gone; see facade/_config.py"],
        ),
    ],
)  # fmt: skip
def test_each_kind_of_change_is_taken_in_and_told(
    repository: Path,
    capfd: pytest.CaptureFixture[str],
    change: Callable[[str], str],
    verdict: str,
    annotations: list[str],
    failures: list[str],
    left: list[str],
) -> None:
    """The verdict, the rebuilt client, what the tests say, what is left, and CI's annotations."""
    assert change(SPEC) != SPEC
    spec = repository.parent / "new.yaml"
    spec.write_text(change(SPEC), encoding="utf-8")
    before = read_tree(repository / "generated")

    assert vendor.main([str(spec)], root=repository) == int(bool(failures))
    out = capfd.readouterr().out
    assert out.splitlines()[0] == verdict
    assert all(words in out for words in failures)
    person = out.partition("Left for a person:\n")[2]
    assert all(f"- {words}" in person for words in left)
    assert ("tests fail" in person) is bool(failures)
    assert person.splitlines()[-1].startswith("- CHANGELOG.md")
    assert (repository / "openapi.yaml").read_bytes() == spec.read_bytes()
    assert read_tree(repository / "generated") != before

    done = contract_diff(repository, FORMAT="github")
    assert (done.returncode != 0) is (verdict == "BREAKING")
    assert all(any(line.startswith(a) for line in done.stdout.splitlines()) for a in annotations)
    levels = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("::")]
    assert set(levels) == {a.split()[0] for a in annotations}


def test_the_diff_of_the_contract_sees_what_was_not_rebuilt_yet(repository: Path) -> None:
    """A changed overlay or contract alone; a broken one is a failure, not a verdict."""
    assert contract_diff(repository).stdout.splitlines()[-1] == "NONE"
    spec = repository / "openapi.yaml"
    spec.write_text(moved_server(SPEC), encoding="utf-8")
    done = contract_diff(repository)
    assert done.returncode != 0
    assert "BREAKING\n" in done.stdout
    spec.write_text("openapi: 3.1.0\npaths: {}\n", encoding="utf-8")
    done = contract_diff(repository)
    assert done.returncode != 0
    assert "contract.compose: " in done.stderr
    assert "contract.diff: -: not an OpenAPI 3 document" in done.stderr


BROKEN = {
    "missing": ("none.yaml", "cannot be read"),
    "not YAML": ("a: [\n", "invalid YAML"),
    "not OpenAPI": ("a: 1\n", "not an OpenAPI 3 document"),
    "not text": ("openapi: \xff", "not UTF-8"),
    "repeated key": (SPEC + "servers: []\n", "duplicate key"),
    "dangling": (SPEC.replace("  ErrorData:", "  Error:"), "dangling reference"),
    "without the operation": (
        SPEC.replace("operationId: audio-speech", "operationId: speech"),
        "'audio-speech' is missing",
    ),
    "without the overlay's place": (
        SPEC.replace("response_format:", "format:"),
        "the target matches nothing",
    ),
    "composed already": (
        (ROOT / "generated" / "contract.yaml").read_text(encoding="utf-8"),
        "composed already",
    ),
    "more than one": (f"```yaml\n{SPEC}```\n```yaml\n{SPEC}```\n", "2 fenced blocks"),
    "refused by the generator": (
        SPEC.replace("default: wav", "default: flac"),
        "openapi-python-client failed",
    ),
    "odd schema": (SPEC.replace("type: boolean", "type: bool"), "'bool' is no type"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_contract_changes_nothing_on_disk(
    repository: Path, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    """And is told, with status 2."""
    text, reason = BROKEN[fault]
    path = repository.parent / "none.yaml"
    if text != path.name:
        path.write_text(text, encoding="latin-1" if "\xff" in text else "utf-8")
    before = read_tree(repository)
    assert vendor.main([str(path)], root=repository) == 2
    said = capsys.readouterr()
    assert said.err.startswith("contract.vendor: ")
    assert reason in said.err
    assert "Left for a person" not in said.out
    assert read_tree(repository) == before


def left(spec: str, root: Path) -> list[str]:
    findings, effects = vendor._weigh(spec.encode(), "new.yaml", root)
    return list(vendor._left(findings, effects, 0))


def test_what_the_overlay_has_and_upstream_now_too_is_told() -> None:
    """An action is redundant when it does nothing, and conflicts where upstream says otherwise."""
    mulaw = SPEC.replace("            - raw\n", "            - raw\n            - mulaw\n", 1)
    assert mulaw != SPEC
    (redundant,) = [line for line in left(mulaw, ROOT) if "redundant" in line]
    assert "AudioSpeechRequest.properties.response_format.enum) is redundant" in redundant
    assert not [line for line in left(mulaw, ROOT) if "conflicts" in line]
    segment = "        segment:\n          type: integer\n        input:\n"
    other = SPEC.replace("        input:\n", segment, 1)
    (conflict,) = [line for line in left(other, ROOT) if "conflicts" in line]
    assert conflict.endswith("/AudioSpeechRequest/properties/segment/type")
    assert len(left(SPEC, ROOT)) == 1


def test_an_overlay_that_removes_is_not_redundant(repository: Path) -> None:
    """As long as there is something to remove."""
    overlay = repository / "contract" / "overlay.yaml"
    removal = "  - target: $.paths['/audio/speech'].post.x-codeSamples\n    remove: true\n"
    overlay.write_text(overlay.read_text(encoding="utf-8") + removal, encoding="utf-8")
    assert len(left(SPEC, repository)) == 1


@pytest.mark.parametrize(
    ("where", "place"),
    [
        ("POST /audio/speech servers", "_config.py"),
        ("POST /audio/speech security", "_wire.py"),
        ("POST /audio/speech request body.voice", "_request.py"),
        ("GET /voices query parameter model", "list_voices"),
        ("POST /audio/speech response 200 body (text/event-stream).data", "_stream.py"),
        ("POST /audio/speech response 200 body (audio/wav)", "audio.py"),
        ("GET /voices response 200 body.data", "_catalogue.py"),
        ("GET /voices response 429", "_failures.py"),
        ("POST /audio/speech", "_wire.py"),
    ],
)
def test_each_finding_comes_with_the_place_in_the_facade(where: str, place: str) -> None:
    """Which is really there."""
    finding = Finding(Verdict.BREAKING, "change", where, "why", None, None)
    line, _ = vendor._left([finding], [], 0)
    assert place in line.partition("; see ")[2]
    words = line.replace(",", " ").split()
    assert all((ROOT / word).is_file() for word in words if word.startswith("facade/"))


def test_the_exit_status_is_the_command_s(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`python -m contract.vendor` ends with what `main` returns."""
    monkeypatch.setattr(sys, "argv", ["contract.vendor", "none.yaml"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "contract" / "vendor.py"), run_name="__main__")
    assert ended.value.code == 2
    assert "none.yaml: cannot be read" in capsys.readouterr().err


# --- from the web, and from documentation pages ------------------------------------------------


class Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/large":
            self._answer(200, b"a" * 100_000)
        elif self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("location", self.path.removeprefix("/to/"))
            self.send_header("content-length", "0")
            self.end_headers()
        else:
            self._answer(200 if self.path == "/spec" else 404, SPEC.encode())

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        with contextlib.suppress(OSError):  # who has had enough hangs up
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An https server on this machine whose certificate is trusted."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    bundle = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    with HTTPServer(("127.0.0.1", 0), Site) as server, pytest.MonkeyPatch.context() as patch:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        patch.setenv("SSL_CERT_FILE", str(bundle))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_document_is_fetched_over_https(site: str) -> None:
    """Redirects are followed."""
    assert fetch(f"{site}/spec").decode() == SPEC
    assert fetch(f"{site}/to/{site}/spec").decode() == SPEC


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("{site}/none", "the answer is HTTP 404"),
        ("{site}/large", "more than 50,000 bytes"),
        ("http://127.0.0.1/spec", "only https is spoken"),
        ("{site}/to/http://127.0.0.1/spec", "http://127.0.0.1/spec: only https is spoken"),
        ("https://127.0.0.1:1/spec", "cannot be had"),
        ("https://[/spec", "cannot be had"),
        ("file:///etc/hostname", "only https is spoken"),
    ],
)
def test_what_cannot_be_fetched_is_told(site: str, path: str, reason: str) -> None:
    """A size without bound, another scheme, a server that is not there."""
    with pytest.raises(ContractError, match=reason.replace("(", r"\(")):
        fetch(path.format(site=site), limit=50_000)


def test_a_url_is_taken_in_as_a_file_is(
    repository: Path, site: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the reason when it cannot be had."""
    assert vendor.main([f"{site}/none"], root=repository) == 2
    assert "the answer is HTTP 404" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# Speech\n\n````yaml POST /audio/speech\n", "````\n\nMore.\n```sh\nls\n```\n"),
        ("~~~yaml\n", "~~~"),
        ("```sh\ncurl\n```\n\n```\n", "```\n"),
        ("\ufeff```yaml\n", "```\n"),
    ],
)
def test_a_documentation_page_gives_the_document_in_it(before: str, after: str) -> None:
    """To the byte."""
    assert published((before + SPEC + after).encode(), "page").decode() == SPEC


def test_an_indented_block_loses_its_indentation() -> None:
    """As in a list or a component of a page."""
    indented = "".join(f"  {line}\n" if line else "\n" for line in SPEC.splitlines())
    page = f"<Page>\n  ```yaml\n{indented}  ```\n</Page>\n"
    assert published(page.encode(), "page").decode() == SPEC


@pytest.mark.parametrize(
    "text",
    [
        SPEC,
        SPEC + "x-note: |\n  ```yaml\n  openapi: 3.0.0\n  ```\n",
        '{\n"openapi": "3.1.0",\n"paths": {}}',
        "no document\n```sh\nls\n```\n",
    ],
)
def test_a_document_is_left_as_it_is(text: str) -> None:
    """Whatever is fenced in its descriptions."""
    assert published(text.encode(), "spec") == text.encode()
