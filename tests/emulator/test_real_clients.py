"""Other people's clients, as they are published, against the emulator."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from facade import SpeechClient

CLIENTS = Path(__file__).parent / "clients"
# They have dependencies of their own, and so an environment of their own.
PYTHON = Path(sys.prefix, "clients", "bin", "python")

pytestmark = pytest.mark.skipif(
    not PYTHON.is_file(), reason="needs other people's clients: run `make clients`"
)

SPEECH = {
    "model": "hexgrad/Kokoro-82M",
    "input": "We were away a year ago. Nobody knew.",
    "voice": "af_heart",
}


def run(script: str, url: str, folder: Path) -> dict[str, Any]:
    environment = {name: value for name, value in os.environ.items() if "PYTHON" not in name}
    done = subprocess.run(
        [PYTHON, CLIENTS / script, url, folder],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.fixture(scope="module")
def together_sdk(emulator_url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = emulator_url.removesuffix("/v1")
    return run("together_sdk.py", root, tmp_path_factory.mktemp("together"))


@pytest.fixture(scope="module")
def openai_sdk(emulator_url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run("openai_sdk.py", emulator_url, tmp_path_factory.mktemp("openai"))


@pytest.fixture(scope="module")
def expected(api: httpx.Client) -> dict[str, str]:
    """The digests of the same speech without any SDK between."""
    return {
        name: hashlib.sha256(
            api.post("/audio/speech", json={**SPEECH, "response_format": name}).content
        ).hexdigest()
        for name in ("wav", "mp3", "raw")
    }


# Not all of them are told apart; these are the names in its own documentation.
ERRORS = {
    "400": "BadRequestError",
    "401": "AuthenticationError",
    "403": "PermissionDeniedError",
    "404": "NotFoundError",
    "422": "UnprocessableEntityError",
    "429": "RateLimitError",
    "503": "InternalServerError",
}


def test_togethers_sdk_is_the_one_that_was_looked_at(together_sdk: dict[str, Any]) -> None:
    assert together_sdk["version"] == "3.1.1"


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_togethers_sdk_gets_the_same_bytes(
    together_sdk: dict[str, Any], expected: dict[str, str], mode: str
) -> None:
    said = together_sdk[mode]
    assert said["create"] == expected["wav"]
    assert said["stream"] == said["piecewise"] == said["whole"] == expected["raw"]


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_togethers_sdk_gets_the_same_stream_as_ours(
    together_sdk: dict[str, Any], emulator_url: str, mode: str
) -> None:
    shape_a = {"x-emulate-stream-shape": "a"}
    with SpeechClient("any", base_url=emulator_url, headers=shape_a) as client:
        ours = client.stream(SPEECH["input"], voice=SPEECH["voice"]).read()
    assert hashlib.sha256(ours.content).hexdigest() == together_sdk[mode]["stream"]


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_togethers_sdk_lists_the_voices(together_sdk: dict[str, Any], mode: str) -> None:
    assert together_sdk[mode]["voices"]["hexgrad/Kokoro-82M"] == 54


@pytest.mark.parametrize("status", ERRORS)
def test_togethers_sdk_types_the_errors(together_sdk: dict[str, Any], status: str) -> None:
    failure = together_sdk["sync"][status]
    assert (failure["type"], failure["status"]) == (ERRORS[status], int(status))
    assert "a fault that was asked for" in failure["text"]


def test_togethers_sdk_says_what_is_wrong(together_sdk: dict[str, Any]) -> None:
    assert "nobody" in together_sdk["sync"]["voice"]["text"]
    assert together_sdk["async"]["429"]["type"] == "RateLimitError"


def test_togethers_sdk_is_told_which_url_it_takes(together_sdk: dict[str, Any]) -> None:
    """It adds the version to whatever it is given."""
    told = together_sdk["sync"]["versioned"]
    assert told["status"] == 404
    assert "/v1/v1/audio/speech has /v1 twice: " in told["text"]


@pytest.mark.parametrize("name", ["wav", "mp3", "pcm"])
def test_openais_sdk_gets_the_same_bytes(
    openai_sdk: dict[str, Any], expected: dict[str, str], name: str
) -> None:
    assert openai_sdk["sync"][name] == expected["raw" if name == "pcm" else name]


def test_openais_sdk_writes_files(openai_sdk: dict[str, Any], expected: dict[str, str]) -> None:
    said = openai_sdk["sync"]
    assert said["whole"] == said["piecewise"] == expected["raw"]
    assert openai_sdk["async"] == {"wav": expected["wav"], "piecewise": expected["raw"]}


@pytest.mark.parametrize("status", ERRORS)
def test_openais_sdk_types_the_errors(openai_sdk: dict[str, Any], status: str) -> None:
    failure = openai_sdk["sync"][status]
    assert (failure["type"], failure["status"]) == (ERRORS[status], int(status))


def test_openais_sdk_reads_the_field_at_fault(openai_sdk: dict[str, Any]) -> None:
    failure = openai_sdk["sync"]["voice"]
    assert (failure["param"], failure["code"]) == ("voice", "invalid_voice")
    assert "nobody" in failure["text"]
