"""A new contract taken in, on a small tree of the tests' own with a git repository."""

from __future__ import annotations

import contextlib
import os
import re
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

from contract import uses, vendor
from contract.compose import ROOT
from contract.document import ContractError
from contract.generate import read_tree
from contract.report import Finding, Verdict
from contract.sources import fetch, published
from tests.contract import frozen
from tests.contract.frozen import SPEC

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

USER = """\
from frozen_openapi.api.audio import audio_speech
from frozen_openapi.models import AudioSpeechRequest


def speak(client, text):
    body = AudioSpeechRequest.from_dict({"model": "m", "input": text, "voice": "v"})
    body["language"] = "en"
    return audio_speech.sync_detailed(client=client, body=body)
"""

CHECK = """\
from pathlib import Path


def test_our_contract():
    contract = Path("generated/contract.yaml").read_text(encoding="utf-8")
    assert "speed:" not in contract, "'speed' is new in the contract"
    assert "192000" in contract, "192000 is gone from the contract"
    assert "url: https://api.together.ai/v1" in contract, "the server has moved"
"""


@pytest.fixture
def repository(tree: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tools, the frozen contract, a module that uses the client, and a test: committed."""
    frozen.copy_tools(tree)
    for name in ("Makefile", ".gitignore"):
        shutil.copyfile(ROOT / name, tree / name)
    for name, text in {"facade/wire.py": USER, vendor.TESTS[0]: CHECK}.items():
        (tree / name).parent.mkdir(parents=True)
        (tree / name).write_text(text, encoding="utf-8")
    for command in (
        ["git", "init", "--quiet"],
        ["git", "add", "."],
        ["git", "-c", "user.name=N", "-c", "user.email=e@example", "commit", "--quiet", "-m", "m"],
    ):
        subprocess.run(command, cwd=tree, check=True)
    monkeypatch.setattr(uses, "PACKAGE", "frozen_openapi")
    # The test in it needs none, and to load them takes most of the time of a run.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return tree


def make(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`make` in the copy, with the environment that runs this test."""
    environment = root / ".venv"
    if not environment.exists():
        # make takes no path with spaces for a target, and this one may have some.
        environment.symlink_to(sys.prefix)
    command = ["make", "--no-print-directory", "--old-file", ".venv/.dev", *arguments]
    # What the make that runs the tests was told is for its own tree.
    told = {**os.environ, "MAKEFLAGS": ""}
    return subprocess.run(command, cwd=root, env=told, capture_output=True, text=True)


def contract_diff(root: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """`make contract-diff` in the copy."""
    settings = [f"{name}={value}" for name, value in variables.items()]
    return make(root, *settings, "contract-diff", "BASE=HEAD")


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
            ["::error .*title=BREAKING POST /audio/speech request body.speed::is required now",
             "::warning .*title=ADDITIVE POST /audio/speech request body.speed::a new property"],
            ["facade/wire.py:6: AudioSpeechRequest needs the field 'speed' now"],
            ["facade/wire.py:6: AudioSpeechRequest needs the field 'speed' now: mend it",
             "then `make vendor SPEC=openapi.yaml`: no test was run",
             "BREAKING: POST /audio/speech request body.speed: is required now; see facade/"],
        ),
        (
            removed_value,
            "BREAKING",
            ["::error .*title=BREAKING POST /audio/speech request body.bit_rate::no longer allow"],
            ["192000 is gone from the contract"],
            ["BREAKING: POST /audio/speech request body.bit_rate: no longer allowed: 192000"],
        ),
        (
            optional_field,
            "ADDITIVE",
            ["::warning .*title=ADDITIVE POST /audio/speech request body.speed::a new property"],
            ["'speed' is new in the contract"],
            ["ADDITIVE: POST /audio/speech request body.speed: a new property; see facade/"],
        ),
        (
            reworded,
            "DOCS",
            ["::notice .*title=DOCS POST /audio/speech::`description` reads differently"],
            [],
            ["DOCS: read what is worded differently"],
        ),
        (
            moved_server,
            "BREAKING",
            ["::error .*title=BREAKING POST /audio/speech servers::a server is gone",
             "::warning .*title=ADDITIVE POST /audio/speech servers::a new server"],
            ["the server has moved"],
            ["BREAKING: POST /audio/speech servers: a server is gone; see facade/_transport/"],
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
    assert ("tests fail" in person or "no test was run" in person) is bool(failures)
    assert person.splitlines()[-1].startswith("- CHANGELOG.md")
    assert (repository / "openapi.yaml").read_bytes() == spec.read_bytes()
    assert read_tree(repository / "generated") != before

    done = contract_diff(repository, FORMAT="github")
    assert (done.returncode != 0) is (verdict == "BREAKING")
    assert all(re.search(f"^{words}", done.stdout, re.MULTILINE) for words in annotations)
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
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert line.startswith("contract.compose: ")


DEEP = "".join(
    f"    Deep{n}: {{properties: {{p: {{$ref: '#/components/schemas/Deep{n + 1}'}}}}}}\n"
    for n in range(500)
)
DEEP += "    Deep500: {type: string}\n"

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
    "composed already": (SPEC + "x-overlay-applied: '1'\n", "composed already"),
    "more than one": (f"```yaml\n{SPEC}```\n```yaml\n{SPEC}```\n", "2 fenced blocks"),
    "refused by the generator": (
        SPEC.replace("default: wav", "default: flac"),
        "openapi-python-client failed",
    ),
    "another version of OpenAPI": (
        SPEC.replace("openapi: 3.1.0", "openapi: 3.2.0"),
        "openapi is 3.2.0; clients are made of 3.0.x and 3.1.x",
    ),
    "a number for a version of OpenAPI": (
        SPEC.replace("openapi: 3.1.0", "openapi: 3.1"),
        "openapi is 3.1; clients are made of 3.0.x and 3.1.x",
    ),
    "a date for a version": (
        SPEC.replace("version: 2.0.0", "version: 2026-01-02"),
        "#/info/version is 2026-01-02, which is no text for YAML; it must be a quoted text",
    ),
    "no version": (SPEC.replace("  version: 2.0.0\n", ""), "#/info/version is missing"),
    "an object of Python's": (
        SPEC.replace("version: 2.0.0", "version: !!python/object/apply:os.getcwd []"),
        "unknown tag tag:yaml.org,2002:python/object/apply:os.getcwd",
    ),
    "a long value under a repeated key": (
        SPEC.replace("paths:\n", "paths:\n", 1) + f"paths: {{{'x' * 900}: {'y' * 400_000}}}\n",
        'found duplicate key "paths"',
    ),
    "too large": ("openapi: 3.1.0\n" + "#" * 2**24, "more than 16,777,216 bytes"),
    "too deep": (
        SPEC.replace("type: boolean", "$ref: '#/components/schemas/Deep0'").replace(
            "  schemas:\n", f"  schemas:\n{DEEP}"
        ),
        "too deep",
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
    assert len(said.err.splitlines()) == 1
    assert len(said.err) < 700
    assert "Left for a person" not in said.out
    assert read_tree(repository) == before


def test_what_the_generator_says_is_shown_when_asked_for(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All its lines, above our one."""
    spec = repository.parent / "new.yaml"
    spec.write_text(SPEC.replace("default: wav", "default: flac"), encoding="utf-8")
    assert vendor.main([str(spec), "--verbose"], root=repository) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) > 10
    assert lines[-1].startswith("contract.vendor: openapi-python-client failed: ")
    assert "(all that it says: --verbose, or VERBOSE=1 of make)" in lines[-1]


def test_what_the_overlay_has_and_upstream_now_too_is_told(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the line of the action, and what has to follow."""
    spec = repository.parent / "new.yaml"
    mulaw = SPEC.replace("            - raw\n", "            - raw\n            - mulaw\n", 1)
    spec.write_text(mulaw, encoding="utf-8")
    assert vendor.main([str(spec)], root=repository) == 0
    said = capsys.readouterr().out.splitlines()
    (told,) = [n for n, line in enumerate(said) if "redundant" in line]
    line = int(re.findall(r"overlay\.yaml:(\d+): action 5 ", said[told])[0])
    overlay = (repository / "contract" / "overlay.yaml").read_text(encoding="utf-8")
    assert "response_format.enum" in overlay.splitlines()[line - 1]
    assert said[told].endswith("is redundant: upstream says the same now; remove it")
    assert said[told + 1] == "- then `make generate`, as the overlay has changed"


def test_what_the_overlay_contradicts_stops_and_changes_nothing(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The verdict first, then the place, both sides, and the lines that settle it."""
    spec = repository.parent / "new.yaml"
    segment = "        segment:\n          type: integer\n        input:\n"
    spec.write_text(SPEC.replace("        input:\n", segment, 1), encoding="utf-8")
    before = read_tree(repository)
    assert vendor.main([str(spec)], root=repository) == 3
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == "ADDITIVE"
    assert (
        "conflicts at #/components/schemas/AudioSpeechRequest/properties/segment/type" in said.err
    )
    assert 'upstream says "integer", the overlay "string"' in said.err
    settled = said.err[said.err.index("  - target:") :]
    assert read_tree(repository) == before

    overlay = repository / "contract" / "overlay.yaml"
    text = overlay.read_text(encoding="utf-8")
    place = text.index("  - target: $.components.schemas.AudioSpeechRequest.properties\n")
    overlay.write_text(text[:place] + settled + text[place:], encoding="utf-8")
    assert vendor.main([str(spec)], root=repository) == 0
    contract = (repository / "generated" / "contract.yaml").read_text(encoding="utf-8")
    assert "          - immediate\n" in contract
    assert "redundant" not in capsys.readouterr().out


def base_path_moved(spec: str) -> str:
    spec = spec.replace("  - url: https://api.together.ai/v1", "  - url: https://api.together.ai")
    return spec.replace("\n  /audio/speech:", "\n  /v1/audio/speech:")


@pytest.mark.parametrize(
    ("before", "after"), [(str, str), (str, base_path_moved), (base_path_moved, str)]
)
def test_what_our_code_uses_and_is_gone_is_told_before_any_test(
    repository: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    before: Callable[[str], str],
    after: Callable[[str], str],
) -> None:
    """A function that has another name, with file and line, and no test is run."""
    (repository / "openapi.yaml").write_text(before(SPEC), encoding="utf-8")
    monkeypatch.setattr(vendor, "OPERATIONS", ("createSpeech", "fetchVoices"))
    monkeypatch.setattr("contract.compose.OPERATIONS", ("createSpeech", "fetchVoices"))
    spec = repository.parent / "new.yaml"
    text = after(SPEC).replace("operationId: audio-speech", "operationId: createSpeech")
    spec.write_text(text, encoding="utf-8")
    assert vendor.main([str(spec)], root=repository) == 1
    said = capfd.readouterr().out
    assert said.splitlines()[0] == "NONE"
    line = (
        "facade/wire.py:1: frozen_openapi.api.audio.audio_speech is gone;"
        " frozen_openapi.api.audio has create_speech"
    )
    assert f"\n  {line}\n" in said
    assert f"\n- {line}: mend it\n- then `make vendor SPEC=openapi.yaml`: no test was run" in said
    assert "passed" not in said


def test_a_call_without_a_document_is_told_how(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And a name with signs that a shell or make would read is taken as it is."""
    assert vendor.main([], root=repository) == 2
    assert capsys.readouterr().err == f"contract.vendor: {vendor.USAGE}\n"
    done = make(repository, "vendor")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == f"contract.vendor: {vendor.USAGE}"
    done = make(repository, "vendor", "SPEC=it's a $NAME.yaml")
    assert done.stderr.splitlines()[0] == (
        "contract.vendor: it's a $NAME.yaml: cannot be read: No such file or directory"
    )


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("contract-diff", "contract.diff: it's a $NAME:generated/contract.yaml: cannot be read"),
        ("api-diff", "contract.api_diff: it's a $NAME: cannot be read"),
    ],
)
def test_a_revision_is_taken_as_it_is(repository: Path, target: str, said: str) -> None:
    """With signs that a shell or make would read."""
    done = make(repository, target, "BASE=it's a $NAME")
    assert done.stderr.splitlines()[0].startswith(f"{said} from git: fatal: ")


@pytest.mark.parametrize(
    ("where", "place"),
    [
        ("POST /audio/speech servers", "config"),
        ("POST /audio/speech security", "wire"),
        ("POST /audio/speech request body.voice", "request"),
        ("GET /voices query parameter model", "clients"),
        ("POST /audio/speech response 200 body (text/event-stream).data", "stream"),
        ("POST /audio/speech response 200 body (audio/wav)", "audio"),
        ("GET /voices response 200 body.data", "catalogue"),
        ("GET /voices response 429", "failures"),
        ("POST /audio/speech", "wire"),
    ],
)
def test_each_finding_comes_with_the_place_in_the_facade(where: str, place: str) -> None:
    """`test_our_contract.py` holds that each is there."""
    finding = Finding(Verdict.BREAKING, "change", where, "why", None, None)
    line, _ = vendor._left([finding], [], [], 0)
    assert vendor.FILES[place] in line.partition("; see ")[2]


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
        ("http://127.0.0.1/spec", "http://127.0.0.1/spec: only https is spoken"),
        ("{site}/to/http://127.0.0.1/spec", "http://127.0.0.1/spec: only https is spoken"),
        ("https://127.0.0.1:1/spec", "cannot be had"),
        ("https://[/spec", "cannot be had"),
        ("file:///etc/hostname", "file:///etc/hostname: only https is spoken"),
        ("https://", "https://: names no host"),
        ("HTTPS:///spec", "HTTPS:///spec: names no host"),
    ],
)
def test_what_cannot_be_fetched_is_told(site: str, path: str, reason: str) -> None:
    """A size without bound, another scheme, a server that is not there."""
    with pytest.raises(ContractError, match=rf"(^|: ){re.escape(reason)}"):
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


@pytest.mark.parametrize(
    "unclosed", ["```yaml\n" * 300_000, "~" * 1_000_000 + "`\n"], ids=["many", "long"]
)
def test_fences_that_do_not_close_keep_nothing_from_being_found(unclosed: str) -> None:
    """Nor hold it up: were each looked for to the end of the page, this would take hours."""
    page = f"{unclosed}~~~\n{SPEC}~~~\n{unclosed}"
    assert published(page.encode(), "page").decode() == SPEC


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
