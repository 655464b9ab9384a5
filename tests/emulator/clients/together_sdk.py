"""What Together's own SDK makes of the emulator; prints it as JSON.

Runs in the environment of `requirements.txt`. Arguments: the URL without ``/v1``, and a folder.
"""

import asyncio
import base64
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import together  # type: ignore[import-not-found]

SPEECH: dict[str, Any] = {
    "model": "hexgrad/Kokoro-82M",
    "input": "We were away a year ago. Nobody knew.",
    "voice": "af_heart",
}
RAW = {**SPEECH, "response_format": "raw"}
SHAPE_A = {"x-emulate-stream-shape": "a"}


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def failure(error: Any) -> dict[str, Any]:
    return {"type": type(error).__name__, "status": error.status_code, "text": str(error)}


def synchronous(url: str, folder: Path) -> dict[str, Any]:
    said: dict[str, Any] = {}
    with together.Together(api_key="any", base_url=url, max_retries=0) as client:
        speech = client.audio.speech
        said["create"] = digest(speech.create(**SPEECH).read())
        speech.create(**RAW).write_to_file(folder / "whole.raw")
        with speech.with_streaming_response.create(**RAW) as response:
            response.stream_to_file(folder / "piecewise.raw")
        stream = speech.create(**RAW, stream=True, extra_headers=SHAPE_A)
        said["stream"] = digest(b"".join(base64.b64decode(chunk.b64) for chunk in stream))
        said["voices"] = {
            entry.model: len(entry.voices) for entry in client.audio.voices.list().data
        }
        for status in (400, 401, 403, 404, 422, 429, 503):
            try:
                speech.create(**SPEECH, extra_headers={"x-emulate-fault": f"status={status}"})
            except together.APIStatusError as error:
                said[str(status)] = failure(error)
        try:
            speech.create(**{**SPEECH, "voice": "nobody"})
        except together.APIStatusError as error:
            said["voice"] = failure(error)
        try:
            client.with_options(base_url=f"{url}/v1").audio.speech.create(**SPEECH)
        except together.NotFoundError as error:
            said["versioned"] = failure(error)
    for name in ("whole", "piecewise"):
        said[name] = digest(folder.joinpath(f"{name}.raw").read_bytes())
    return said


async def asynchronous(url: str, folder: Path) -> dict[str, Any]:
    said: dict[str, Any] = {}
    async with together.AsyncTogether(api_key="any", base_url=url, max_retries=0) as client:
        speech = client.audio.speech
        said["create"] = digest(await (await speech.create(**SPEECH)).read())
        said["whole"] = digest(await (await speech.create(**RAW)).read())
        async with speech.with_streaming_response.create(**RAW) as response:
            await response.stream_to_file(folder / "async.raw")
        stream = await speech.create(**RAW, stream=True, extra_headers=SHAPE_A)
        said["stream"] = digest(b"".join([base64.b64decode(chunk.b64) async for chunk in stream]))
        voices = await client.audio.voices.list()
        said["voices"] = {entry.model: len(entry.voices) for entry in voices.data}
        try:
            await speech.create(**SPEECH, extra_headers={"x-emulate-fault": "status=429"})
        except together.APIStatusError as error:
            said["429"] = failure(error)
    said["piecewise"] = digest(folder.joinpath("async.raw").read_bytes())
    return said


if __name__ == "__main__":
    address, target = sys.argv[1], Path(sys.argv[2])
    json.dump(
        {
            "version": together.__version__,
            "sync": synchronous(address, target),
            "async": asyncio.run(asynchronous(address, target)),
        },
        sys.stdout,
    )
