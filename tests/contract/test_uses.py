"""What our own code uses of a generated client, and what of it a fresh one lacks."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from contract import uses

if TYPE_CHECKING:
    from pathlib import Path

OURS = """\
import json
from os import environ

from frozen_openapi import AuthenticatedClient as Client
from frozen_openapi import types
from frozen_openapi.api.audio import audio_speech
from frozen_openapi.api.voices import fetch_voices
from frozen_openapi.models import AudioSpeechRequest
from frozen_openapi.types import UNSET


class Wire:
    def __init__(self, key):
        self.client = Client(base_url="u", token=key, **json.loads(environ["ARGS"]))

    async def voices(self, model):
        return await fetch_voices.asyncio_detailed(client=self.client, model=model or UNSET)

    def speak(self, request):
        arguments = {"client": self.client}
        return audio_speech.sync_detailed(body=body(request), **arguments)


def body(request):
    given = {"model": request.model, "input": request.text, "voice": request.voice}
    found = AudioSpeechRequest.from_dict(given)
    found["extra_params"] = {**request.extra, "pronunciation_dict": []}
    found["language"], found[types.UNSET] = "en", None
    return found
"""

AUDIO = "frozen_openapi/api/audio/audio_speech.py"
BODY = "frozen_openapi/models/audio_speech_request.py"
VOICES = "frozen_openapi/api/voices/fetch_voices.py"


@pytest.fixture
def root(frozen_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module of ours beside the client that it uses."""
    shutil.copytree(frozen_tree / "generated", tmp_path / "generated")
    (tmp_path / "facade" / "_below").mkdir(parents=True)
    (tmp_path / "facade" / "_below" / "wire.py").write_text(OURS, encoding="utf-8")
    monkeypatch.setattr(uses, "PACKAGE", "frozen_openapi")
    return tmp_path


def told(root: Path) -> list[str]:
    return [str(lack) for lack in uses.lacks(root, root / "generated")]


def test_nothing_lacks_as_long_as_all_is_there(root: Path) -> None:
    """Whatever else a module of ours imports and calls."""
    assert told(root) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "lines"),
    [
        (BODY, "class AudioSpeechRequest:", "class SpeakRequest:", []),  # `models` says so
        (
            "frozen_openapi/models/__init__.py",
            "AudioSpeechRequest",
            "SpeakRequest",
            [
                "8: frozen_openapi.models.AudioSpeechRequest is gone; the operation takes"
                " AudioSpeechRequest"
            ],
        ),
        (
            "frozen_openapi/types.py",
            "UNSET",
            "UNSETTLED",
            [
                "9: frozen_openapi.types.UNSET is gone; frozen_openapi.types has UNSETTLED",
                "28: frozen_openapi.types.UNSET is gone",
            ],
        ),
        (
            AUDIO,
            "def sync_detailed",
            "def sync_in_detail",
            ["21: frozen_openapi.api.audio.audio_speech.sync_detailed is gone"],
        ),
        (
            AUDIO,
            "    body: AudioSpeechRequest | Unset = UNSET,\n",
            "    text: AudioSpeechRequest | Unset = UNSET,\n",
            ["21: audio_speech.sync_detailed takes no 'body' any more"],
        ),
        (
            VOICES,
            "    model: str | Unset = UNSET,\n",
            "    model: str | Unset = UNSET,\n    region: str,\n",
            ["17: fetch_voices.asyncio_detailed needs 'region' now"],
        ),
        (
            "frozen_openapi/client.py",
            "    token: str\n",
            "    key: str\n",
            ["14: Client takes no 'token' any more"],
        ),
        (
            BODY,
            'd.pop("language", UNSET)',
            'd.pop("tongue", UNSET)',
            ["28: AudioSpeechRequest has no field 'language' any more"],
        ),
        (
            "frozen_openapi/models/audio_speech_request_extra_params.py",
            '"pronunciation_dict"',
            '"pronunciations"',
            ["27: AudioSpeechRequest has no field 'pronunciation_dict' any more"],
        ),
        (
            BODY,
            'd.pop("language", UNSET)',
            'd.pop("language", UNSET)\n        d.pop("speed")',
            ["26: AudioSpeechRequest needs the field 'speed' now"],
        ),
        (
            BODY,
            "def from_dict(",
            "def from_mapping(",
            ["26: AudioSpeechRequest.from_dict is gone"],
        ),
    ],
)
def test_what_is_gone_is_told_with_its_line(
    root: Path, file: str, old: str, new: str, lines: list[str]
) -> None:
    """Names, functions, arguments, fields, and what must be said from now on."""
    path = root / "generated" / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    assert told(root) == [f"facade/_below/wire.py:{line}" for line in lines]


def test_a_program_in_a_string_is_read_too(root: Path) -> None:
    """`python -c` runs some; words about an import are none."""
    text = (
        '"""What comes from frozen_openapi is read."""\n'
        "CODE = (\n"
        '    "from frozen_openapi.api.audio import audio_speech, spoken; "\n'
        "    \"audio_speech.later('{url}')\"\n"
        ")\n"
    )
    (root / "benchmarks").mkdir()
    (root / "benchmarks" / "cases.py").write_text(text, encoding="utf-8")
    assert told(root) == [
        "benchmarks/cases.py:3: frozen_openapi.api.audio.spoken is gone;"
        " frozen_openapi.api.audio has audio_speech",
        "benchmarks/cases.py:3: frozen_openapi.api.audio.audio_speech.later is gone",
    ]


def test_an_option_that_is_no_field_any_more_is_told_with_its_line(root: Path) -> None:
    """Of a request; those of a realtime session alone are in no body."""
    options = root / uses.OPTIONS
    options.parent.mkdir(parents=True)
    options.write_text(
        "class SpeechOptions(TypedDict):\n"
        "    language: str\n"
        "    pronunciation_dict: dict\n"
        "    speed: float\n"
        "    extra_body: dict\n\n"
        "class SessionOptions(SpeechOptions):\n"
        "    gathered: int\n\n"
        "class AnyOptions(SpeechOptions):\n"
        "    pitch: float\n\n"
        "NAMES = []\n",
        encoding="utf-8",
    )
    assert told(root) == [
        f"{uses.OPTIONS}:{line}: AudioSpeechRequest has no field {field!r} any more"
        for line, field in ((11, "pitch"), (4, "speed"))
    ]


@pytest.mark.parametrize(
    ("gone", "line"),
    [
        (
            "frozen_openapi/api/audio/audio_speech.py",
            "6: frozen_openapi.api.audio.audio_speech is gone",
        ),
        (
            "frozen_openapi/api/audio",
            "6: frozen_openapi.api.audio.audio_speech is gone; frozen_openapi.api has voices",
        ),
    ],
)
def test_a_module_that_is_gone_stops_everything(root: Path, gone: str, line: str) -> None:
    """Nothing can be imported then, so no test is worth running."""
    path = root / "generated" / gone
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    (lack,) = uses.lacks(root, root / "generated")
    assert str(lack) == f"facade/_below/wire.py:{line}"
    assert lack.stops
