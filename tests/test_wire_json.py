"""What goes over the wire is what the caller wrote, and nothing besides."""

import inspect
import json
import platform
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from facade import SpeechClient, Voice, VoiceMix
from tests.conftest import KEY, Connect, Speaker
from tests.faults.server import SPEECH, FaultServer, Request, answer

LEAST = {"input": "Hello.", "model": "hexgrad/Kokoro-82M", "voice": "af_heart"}
SONIC = {"model": "cartesia/sonic", "voice": "a0e99841-438c-4a64-b679-ae501e7d6091"}


PARAMETERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"text": "Grüße, 世界 🌍"}, {"input": "Grüße, 世界 🌍"}),
    ({"voice": "bf_emma"}, {"voice": "bf_emma"}),
    ({"voice": Voice("bf_emma", "Emma", "hexgrad/Kokoro-82M")}, {"voice": "bf_emma"}),
    (
        {"voice": VoiceMix({"af_bella": 0.5, "af_heart": 1})},
        {"voice": "af_bella(0.5)+af_heart(1)"},
    ),
    ({"voice": "af_bella+af_heart"}, {"voice": "af_bella+af_heart"}),
    ({"model": "somebody/new"}, {"model": "somebody/new"}),
    ({"response_format": "mp3"}, {"response_format": "mp3"}),
    ({"response_format": "wav"}, {"response_format": "wav"}),
    (
        {**SONIC, "response_format": "raw", "response_encoding": "pcm_s16le"},
        {**SONIC, "response_format": "raw", "response_encoding": "pcm_s16le"},
    ),
    ({**SONIC, "sample_rate": 44100}, {**SONIC, "sample_rate": 44100}),
    (
        {**SONIC, "response_format": "mp3", "bit_rate": 128000},
        {**SONIC, "response_format": "mp3", "bit_rate": 128000},
    ),
    ({"language": "zh-hk"}, {"language": "zh-hk"}),
    (
        {"pronunciation_dict": {"omg": "oh my god"}},
        {"extra_params": {"pronunciation_dict": ["omg/oh my god"]}},
    ),
    (
        {"pronunciation_dict": ["a/b", "c/d"]},
        {"extra_params": {"pronunciation_dict": ["a/b", "c/d"]}},
    ),
    ({"segment": "never"}, {"segment": "never"}),
    (
        {"extra_body": {"speed": 1.5, "deep": {"x": [None, True]}}},
        {"speed": 1.5, "deep": {"x": [None, True]}},
    ),
    ({"extra_body": {"extra_params": {"x": 1}}}, {"extra_params": {"x": 1}}),
    (
        {"extra_body": {"extra_params": {"x": 1}}, "pronunciation_dict": ["a/b"]},
        {"extra_params": {"x": 1, "pronunciation_dict": ["a/b"]}},
    ),
    ({"extra_body": {}}, {}),
]


def sent(connect: Connect, **options: Any) -> Request:
    """The request that a call comes to."""
    with FaultServer(answer(200, SPEECH)) as server:
        connect(server.url).synthesize(**options)
        (request,) = server.requests
        return request


def test_minimal_call_sends_three_fields(connect: Connect) -> None:
    request = sent(connect)
    assert (request.method, request.target) == ("POST", "/v1/audio/speech")
    assert json.loads(request.body) == LEAST


@pytest.mark.parametrize(("options", "fields"), PARAMETERS)
def test_each_parameter_is_sent_as_it_was_given(
    connect: Connect, options: dict[str, Any], fields: dict[str, Any]
) -> None:
    assert json.loads(sent(connect, **options).body) == {**LEAST, **fields}


def test_every_parameter_has_a_row_above() -> None:
    tried = {name for options, _ in PARAMETERS for name in options}
    parameters = set(inspect.signature(SpeechClient.synthesize).parameters)
    assert tried == parameters - {"self"}


def test_headers_of_a_request(connect: Connect) -> None:
    with FaultServer(answer(200, SPEECH)) as server:
        connect(server.url, headers={"X-Team": "speech"}).synthesize()
        headers = server.requests[0].headers
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["content-type"] == "application/json"
    assert headers["accept-encoding"] == "identity"
    assert headers["x-team"] == "speech"
    assert headers["user-agent"].startswith("together-speech/")
    assert f"python/{platform.python_version()} httpx/{httpx.__version__}" in headers["user-agent"]


@pytest.mark.parametrize(
    ("model", "target"),
    [
        (None, "/v1/voices"),
        ("cartesia/sonic", "/v1/voices?model=cartesia%2Fsonic"),
        ("a b&c", "/v1/voices?model=a+b%26c"),
    ],
)
def test_list_of_voices_is_asked_for(connect: Connect, model: str | None, target: str) -> None:
    with FaultServer(answer(200, b'{"data": []}')) as server:
        assert connect(server.url).list_voices(model) == []
        (request,) = server.requests
    assert (request.method, request.target, request.body) == ("GET", target, b"")
    assert request.headers["authorization"] == f"Bearer {KEY}"


def speak(speaker: Speaker) -> Mapping[str, object]:
    """What a user sees of an answer."""
    audio = speaker.synthesize(response_format="raw")
    return {"content": audio.content, "format": str(audio.format), "id": audio.request_id}


def test_answer_is_returned_as_it_came(connect: Connect) -> None:
    """Samples come through untouched, with the model's format and the id for support."""
    samples = bytes(range(256)) * 1000
    with FaultServer(answer(200, samples, {"x-request-id": "req-7"})) as server:
        assert speak(connect(server.url)) == {
            "content": samples,
            "format": "raw pcm_s16le 24000 Hz mono",
            "id": "req-7",
        }
