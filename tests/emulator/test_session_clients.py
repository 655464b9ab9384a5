"""Realtime clients that are written as other people's are, against the emulator."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from tests.emulator.talking import PATH

CLIENTS = Path(__file__).parent / "clients"


def run(script: str, url: str) -> dict[str, Any]:
    """What a client says of the emulator. Unlike the SDKs these need nothing but websockets."""
    done = subprocess.run(
        [sys.executable, CLIENTS / script, url.replace("http", "ws") + PATH],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def asked(api: httpx.Client, text: str, voice: str) -> bytes:
    """The same speech by a plain request."""
    body = {"model": "hexgrad/Kokoro-82M", "voice": voice, "response_format": "raw", "input": text}
    return api.post("/audio/speech", json=body).content


def test_the_guides_client_hears_all_it_sent(emulator_url: str, api: httpx.Client) -> None:
    said = run("together_realtime.py", emulator_url)
    texts = ["Hello, this is a test.", "This is the second sentence.", "And this is the final one"]
    assert said["received"] == texts
    spoken = b"".join(asked(api, text, "af_alloy") for text in texts)
    assert said["audio"] == hashlib.sha256(spoken).hexdigest()
    assert said["words"] == [word.strip(",.") for text in texts for word in text.split()]
    requests = httpx.get(api.base_url.join("/emulator/requests")).json()["requests"]
    sessions = [each for each in requests if each["path"].endswith(PATH)]
    assert sessions[-1]["warnings"] == ["hexgrad/Kokoro-82M ignores sample_rate"]


def test_a_voice_agent_hears_its_last_turn_in_the_next(
    emulator_url: str, api: httpx.Client
) -> None:
    """It clears what is on its way already, and cannot tell one context's audio from another's."""
    said = run("voice_agent.py", emulator_url)
    assert said["errors"] == []
    assert said["kinds"] == [
        "conversation.item.audio_output.delta",
        "conversation.item.audio_output.done",
        "conversation.item.input_text.received",
        "session.created",
        "session.updated",
    ]
    first = [
        "Let me tell you a long story. ",
        "It begins in a town by the sea. ",
        "It never ends. ",
    ]
    second = ["All right. ", "What else?"]
    whole = [sum(len(asked(api, text, "am_adam")) for text in texts) for texts in (first, second)]
    assert sum(said["audio_bytes"]) == sum(whole)
    assert 0 < said["audio_bytes"][0] < whole[0]
    assert said["audio_bytes"][1] > whole[1]
