"""The samples of `docs/coming-from/`, which are other people's: what they do when things go wrong.

That they run is tested with the pages' other blocks, and `tests/contract` holds them against the
contract.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from docs_tools.blocks import DOCS, blocks
from together_emulator import SpeechEmulator

CLIENTS = Path(sys.prefix, "clients")
PYTHON = "bin/python"
SDK_1, SDK_2, JAVASCRIPT, CURL, GENERATED = "SDK 1", "SDK 2", "JavaScript", "cURL", "AudioApi"
# Their pages, languages and environments.
SAMPLES = {
    SDK_2: ("together-sdk.md", "python", "clients"),
    SDK_1: ("together-sdk.md", "python", "clients/together1"),
    JAVASCRIPT: ("together-sdk.md", "js", None),
    CURL: ("together-sdk.md", "sh", None),
    GENERATED: ("generated-client.md", "python", "clients/generated"),
}

OLD = b"what was there before"
CUT = {"cut": 20_000}
PAGE = {"status": 200, "body": "html"}
LIMIT = {"status": 429, "retry_after": "0.1"}


@dataclass
class Seen:
    """What a sample did: its exit status, what it said, its requests' statuses, and its file."""

    status: int
    said: str
    answers: list[int | None]
    file: bytes


Run = Callable[..., Seen]


@pytest.fixture
def run(together_emulator: SpeechEmulator, tmp_path: Path) -> Run:
    """Run a sample against a fault, with another voice where one is named."""

    def run(name: str, voice: str = "laidback woman", **fault: Any) -> Seen:
        text = _sample(name).replace("laidback woman", voice)
        command = _command(name, text, tmp_path, together_emulator)
        if fault:
            together_emulator.fail_next(10, **fault)
        (tmp_path / "audio.wav").write_bytes(OLD)
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "TOGETHER_API_KEY": together_emulator.api_key,
                "TOGETHER_BASE_URL": together_emulator.sdk_url,
            },
            capture_output=True,
            text=True,
            timeout=60,
        )
        answers = [request.status for request in together_emulator.requests]
        together_emulator.reset()  # faults that are left were no mistake
        return Seen(done.returncode, done.stderr, answers, (tmp_path / "audio.wav").read_bytes())

    return run


def _sample(name: str) -> str:
    """The first one of its kind that runs."""
    page, language, environment = SAMPLES[name]
    return next(
        block.text
        for block in blocks(DOCS / "coming-from" / page)
        if block.language == language
        and block.said.get("environment") == environment
        and "fails" not in block.said
    )


def _command(name: str, text: str, folder: Path, emulator: SpeechEmulator) -> list[str | Path]:
    if name == CURL:
        program: list[str | Path] = ["bash", "-c"]
        return [*program, text.replace("https://api.together.ai", emulator.sdk_url)]
    if name == JAVASCRIPT:
        packages = CLIENTS / "node_modules"
        node = shutil.which("node")
        if node is None or not packages.is_dir():
            pytest.skip("needs Node and other people's clients of it: run `make clients`")
        (folder / "node_modules").symlink_to(packages)
        (folder / "sample.mjs").write_text(text, encoding="utf-8")
        return [node, "sample.mjs"]
    python = Path(sys.prefix, str(SAMPLES[name][2]), PYTHON)
    if not python.is_file():
        pytest.skip("needs other people's clients: run `make clients`")
    return [python, "-c", text]


@pytest.mark.parametrize("name", [SDK_2, JAVASCRIPT, CURL])
def test_a_cut_answer_takes_the_place_of_the_old_file(run: Run, name: str) -> None:
    seen = run(name, **CUT)
    assert seen.status != 0
    assert seen.answers == [200]
    assert len(seen.file) == CUT["cut"]


def test_the_generated_client_raises_what_its_transport_raised(run: Run) -> None:
    seen = run(GENERATED, **CUT)
    assert seen.said.splitlines()[-1].startswith("aiohttp.")
    assert seen.file == OLD


@pytest.mark.parametrize(
    ("name", "requests", "error"),
    [
        (SDK_2, 3, "RateLimitError"),
        (JAVASCRIPT, 3, "RateLimitError"),
        (GENERATED, 1, "ApiException: (429)"),
    ],
)
def test_a_limit_is_told_after_some_requests(
    run: Run, name: str, requests: int, error: str
) -> None:
    seen = run(name, **LIMIT)
    assert seen.answers == [429] * requests
    assert error in seen.said
    assert seen.file == OLD


@pytest.mark.parametrize("fault", [LIMIT, PAGE, {"status": 400}], ids=str)
def test_curl_takes_whatever_comes_for_audio(run: Run, fault: dict[str, Any]) -> None:
    seen = run(CURL, **fault)
    assert seen.status == 0
    assert seen.file.startswith((b"{", b"<"))


@pytest.mark.parametrize("name", [SDK_2, JAVASCRIPT, GENERATED])
def test_a_page_is_taken_for_audio(run: Run, name: str) -> None:
    seen = run(name, **PAGE)
    assert seen.status == 0
    assert seen.file.startswith(b"<!DOCTYPE")


def test_sdk_1_takes_a_page_for_an_error_of_json(run: Run) -> None:
    assert "JSONDecodeError" in run(SDK_1, **PAGE).said


@pytest.mark.parametrize(
    ("name", "error"),
    [
        (SDK_2, "together.BadRequestError"),
        (SDK_1, "together.error.InvalidRequestError"),
        (JAVASCRIPT, "BadRequestError"),
        (GENERATED, "BadRequestException"),
    ],
)
def test_a_wrong_voice_is_sent(run: Run, name: str, error: str) -> None:
    seen = run(name, voice="laidback womn")
    assert seen.answers == [400]
    assert error in seen.said
