"""Somebody else's test of an API against its contract, on the emulator."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.emulator.contract import REQUEST, contract, fields, find

SCHEMATHESIS = Path(sys.prefix, "clients", "bin", "st")


@pytest.mark.skipif(
    not SCHEMATHESIS.is_file(), reason="needs other people's clients: run `make clients`"
)
@pytest.mark.parametrize("is_known", [False, True], ids=["any values", "known values"])
def test_schemathesis_finds_nothing(emulator_url: str, tmp_path: Path, is_known: bool) -> None:
    """With values of all kinds, and with models and voices that get as far as the voice."""
    document = json.loads(json.dumps(contract()))
    error = document["paths"]["/audio/speech"]["post"]["responses"]["400"]
    for path in document["paths"].values():
        for operation in path.values():
            # The guide has these; the contract lacks them.
            operation["responses"] |= {"401": error, "404": error, "413": error}
    if is_known:
        known = {
            **fields(),
            "model": {"enum": ["hexgrad/Kokoro-82M", "canopylabs/orpheus-3b-0.1-ft"]},
            # The contract's schema of an event has no words.
            "alignment": {"enum": ["none"]},
            "voice": {"enum": ["af_heart", "am_adam+bf_emma(2)", "tara"]},
            "input": {"enum": ["Hello.", "He went. She came.", "\u4eca\u65e5"]},
        }
        body = document["paths"]["/audio/speech"]["post"]["requestBody"]
        body["content"]["application/json"]["schema"] = {**find(*REQUEST), "properties": known}
    path = tmp_path / "contract.json"
    path.write_text(json.dumps(document))
    done = subprocess.run(
        [
            *(SCHEMATHESIS, "--no-color", "run", path, "--url", emulator_url, "--seed", "1"),
            *("--header", "Authorization: Bearer any", "--header", "x-emulate-stream-shape: a"),
            *("--max-examples", "30"),
            # Any key is good here, and what is valid by the contract may still name no voice.
            "--exclude-checks",
            "ignored_auth,positive_data_acceptance" + ",negative_data_rejection" * is_known,
            "--continue-on-failure",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
