"""The only module that knows the generated client.

Its functions are called as they are, with a client whose `get_httpx_client()` is the exchange of
one call: they put the request together, and the exchange sends it and keeps the answer. Of what is
generated, nothing is named but the operations and the class of a request's body.
"""

from collections.abc import Mapping
from typing import Any, cast

from together_openapi import AuthenticatedClient
from together_openapi.api.audio import audio_speech
from together_openapi.api.voices import fetch_voices
from together_openapi.models import AudioSpeechRequest
from together_openapi.types import UNSET

from facade._rules.request import SpeechRequest


def speech(sender: Any, request: SpeechRequest) -> None:
    """Have `sender` send a request for speech.

    Args:
        sender: Its `request` takes what that of an `httpx.Client` does.
        request: What to ask for.
    """
    client = _client().set_httpx_client(sender)
    audio_speech.sync_detailed(client=client, body=_body(request))


async def speech_async(sender: Any, request: SpeechRequest) -> None:
    """Have `sender` send a request for speech; see `speech`."""
    client = _client().set_async_httpx_client(sender)
    await audio_speech.asyncio_detailed(client=client, body=_body(request))


def voices(sender: Any, model: str | None) -> None:
    """Have `sender` ask for the voices of a model, or of all."""
    client = _client().set_httpx_client(sender)
    fetch_voices.sync_detailed(client=client, model=UNSET if model is None else model)


async def voices_async(sender: Any, model: str | None) -> None:
    """Have `sender` ask for the voices of a model, or of all; see `voices`."""
    client = _client().set_async_httpx_client(sender)
    await fetch_voices.asyncio_detailed(client=client, model=UNSET if model is None else model)


def _client() -> AuthenticatedClient:
    # Address and key are the exchange's affair: it sends what this only passes on.
    return AuthenticatedClient(base_url="", token="")


def _body(request: SpeechRequest) -> AudioSpeechRequest:
    """Return the generated body, with nothing in it that the caller left out.

    What may be left out goes in by its wire name. The generated class would add every default of
    the contract, refuse values that a newer service takes, and have a class for what is nested.
    """
    body = AudioSpeechRequest.from_dict(
        {"model": request.model, "input": request.text, "voice": request.voice}
    )
    body.additional_properties.update(request.extra_body)
    body.additional_properties.update(request.options)
    pronunciations = body.additional_properties.pop("pronunciation_dict", None)
    if pronunciations is not None:
        given = cast("Mapping[str, object]", request.extra_body.get("extra_params", {}))
        body["extra_params"] = {**given, "pronunciation_dict": [*pronunciations]}
    if request.stream:
        body["stream"] = True
    return body
