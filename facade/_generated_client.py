"""The only module that knows the generated client.

Its functions are called as they are, with a client whose `get_httpx_client()` is the exchange of
one call: they put the request together, and the exchange sends it and keeps the answer. Of what is
generated, nothing is named but the operations and the class of a request's body.
"""

from collections.abc import Mapping
from typing import Any

from together_openapi import AuthenticatedClient
from together_openapi.api.audio import audio_speech
from together_openapi.api.voices import fetch_voices
from together_openapi.models import AudioSpeechRequest
from together_openapi.types import UNSET


def speech(sender: Any, fields: Mapping[str, object]) -> None:
    """Have `sender` send a request for speech.

    Args:
        sender: Its `request` takes what that of an `httpx.Client` does.
        fields: The request's fields, by their names on the wire.
    """
    audio_speech.sync_detailed(
        client=_client().set_httpx_client(sender), body=AudioSpeechRequest.from_dict(fields)
    )


async def speech_async(sender: Any, fields: Mapping[str, object]) -> None:
    """Have `sender` send a request for speech; see `speech`."""
    await audio_speech.asyncio_detailed(
        client=_client().set_async_httpx_client(sender), body=AudioSpeechRequest.from_dict(fields)
    )


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
