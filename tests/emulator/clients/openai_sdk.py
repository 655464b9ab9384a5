"""What OpenAI's SDK makes of the emulator; prints it as JSON.

Runs in the environment of `requirements.txt`. Arguments: the base URL, and a folder.
"""

import asyncio
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import openai  # type: ignore[import-not-found]

SPEECH: dict[str, Any] = {
    "model": "hexgrad/Kokoro-82M",
    "input": "We were away a year ago. Nobody knew.",
    "voice": "af_heart",
}


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def failure(error: Any) -> dict[str, Any]:
    return {
        "type": type(error).__name__,
        "status": error.status_code,
        "code": error.code,
        "param": error.param,
        "text": str(error),
    }


def synchronous(url: str, folder: Path) -> dict[str, Any]:
    said: dict[str, Any] = {}
    with openai.OpenAI(api_key="any", base_url=url, max_retries=0) as client:
        speech = client.audio.speech
        for name in ("wav", "mp3", "pcm"):
            said[name] = digest(speech.create(**SPEECH, response_format=name).content)
        speech.create(**SPEECH, response_format="pcm").write_to_file(folder / "whole.pcm")
        with speech.with_streaming_response.create(**SPEECH, response_format="pcm") as response:
            response.stream_to_file(folder / "piecewise.pcm")
        for status in (400, 401, 403, 404, 422, 429, 503):
            try:
                speech.create(**SPEECH, extra_headers={"x-emulate-fault": f"status={status}"})
            except openai.APIStatusError as error:
                said[str(status)] = failure(error)
        try:
            speech.create(**{**SPEECH, "voice": "nobody"})
        except openai.APIStatusError as error:
            said["voice"] = failure(error)
    for name in ("whole", "piecewise"):
        said[name] = digest(folder.joinpath(f"{name}.pcm").read_bytes())
    return said


async def asynchronous(url: str, folder: Path) -> dict[str, Any]:
    said: dict[str, Any] = {}
    async with openai.AsyncOpenAI(api_key="any", base_url=url, max_retries=0) as client:
        speech = client.audio.speech
        said["wav"] = digest((await speech.create(**SPEECH, response_format="wav")).content)
        async with speech.with_streaming_response.create(
            **SPEECH, response_format="pcm"
        ) as response:
            await response.stream_to_file(folder / "async.pcm")
    said["piecewise"] = digest(folder.joinpath("async.pcm").read_bytes())
    return said


if __name__ == "__main__":
    address, target = sys.argv[1], Path(sys.argv[2])
    json.dump(
        {
            "version": openai.__version__,
            "sync": synchronous(address, target),
            "async": asyncio.run(asynchronous(address, target)),
        },
        sys.stdout,
    )
