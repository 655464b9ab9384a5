"""The contenders, each as its own documentation would have it used.

Nothing is imported before it is needed, so that a process holds one contender and no other.
"""

import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

KEY = "key"
MODEL = "hexgrad/Kokoro-82M"
VOICE = "af_heart"
TEXT = "Hello there, this is a sentence."
BODY = {"model": MODEL, "input": TEXT, "voice": VOICE}
STREAM_BODY = {**BODY, "response_format": "raw", "stream": True}
HEADERS = {"Authorization": f"Bearer {KEY}"}


class Contender(Protocol):
    """A synchronous client. Not every one can do everything."""

    def call(self) -> bytes:
        """Return a whole answer."""

    def stream(self) -> Iterator[bytes]:
        """Give the audio of a stream as it comes."""

    def save(self, path: Path) -> None:
        """Write the audio of a stream to a file as it comes."""

    def save_whole(self, path: Path) -> None:
        """Write a whole answer to a file as it comes."""


class AsyncContender(Protocol):
    """An asynchronous client."""

    async def call(self) -> bytes: ...

    def stream(self) -> AsyncIterator[bytes]: ...

    async def save_whole(self, path: Path) -> None: ...

    async def close(self) -> None: ...


class Httpx:
    def __init__(self, url: str, tls: ssl.SSLContext | None) -> None:
        import httpx

        self._client = httpx.Client(base_url=url, headers=HEADERS, timeout=60, verify=tls or True)

    def close(self) -> None:
        self._client.close()

    def call(self) -> bytes:
        return self._client.post("/audio/speech", json=BODY).raise_for_status().content

    def stream(self) -> Iterator[bytes]:
        import json
        from base64 import b64decode

        with self._client.stream("POST", "/audio/speech", json=STREAM_BODY) as response:
            response.raise_for_status()
            for line in response.iter_lines():
                # The end mark is read past, so that the connection can be used again.
                if line.startswith("data: ") and line != "data: [DONE]":
                    yield b64decode(json.loads(line[6:])["b64"])

    def save(self, path: Path) -> None:
        with path.open("wb") as file:
            for audio in self.stream():
                file.write(audio)

    def save_whole(self, path: Path) -> None:
        with (
            path.open("wb") as file,
            self._client.stream("POST", "/audio/speech", json=BODY) as response,
        ):
            response.raise_for_status()
            for chunk in response.iter_raw():
                file.write(chunk)


class HttpxAbsolute(Httpx):
    """Is given the whole address with each call, which spares it joining two."""

    def __init__(self, url: str, tls: ssl.SSLContext | None) -> None:
        import httpx

        self._url = f"{url}/audio/speech"
        self._client = httpx.Client(headers=HEADERS, timeout=60, verify=tls or True)

    def call(self) -> bytes:
        return self._client.post(self._url, json=BODY).raise_for_status().content


class HttpxDiscarding(Httpx):
    """Reads a stream and throws it away: what is left of the time when nothing is decoded."""

    def stream(self) -> Iterator[bytes]:
        with self._client.stream("POST", "/audio/speech", json=STREAM_BODY) as response:
            yield from response.iter_raw()


class Generated:
    def __init__(self, url: str, tls: ssl.SSLContext | None) -> None:
        from together_openapi import AuthenticatedClient
        from together_openapi.api.audio import audio_speech
        from together_openapi.models import AudioSpeechRequest

        self._request = AudioSpeechRequest(model=MODEL, input_=TEXT, voice=VOICE)
        self._send = audio_speech.sync
        self._client = AuthenticatedClient(base_url=url, token=KEY, verify_ssl=tls or True)

    def call(self) -> bytes:
        answer: Any = self._send(client=self._client, body=self._request)
        content: bytes = answer.payload.read()
        return content


class Together:
    def __init__(self, url: str, tls: ssl.SSLContext | None) -> None:
        from together import DefaultHttpxClient
        from together import Together as Client

        http = DefaultHttpxClient(verify=tls) if tls else None
        self._client = Client(api_key=KEY, base_url=url, http_client=http)

    def call(self) -> bytes:
        return self._client.audio.speech.create(model=MODEL, input=TEXT, voice=VOICE).read()

    def stream(self) -> Iterator[bytes]:
        from base64 import b64decode

        stream = self._client.audio.speech.create(
            model=MODEL, input=TEXT, voice=VOICE, response_format="raw", stream=True
        )
        for chunk in stream:
            yield b64decode(chunk.b64)

    def save(self, path: Path) -> None:
        with path.open("wb") as file:
            for audio in self.stream():
                file.write(audio)


class OpenAI:
    def __init__(self, url: str, tls: ssl.SSLContext | None) -> None:
        from openai import DefaultHttpxClient
        from openai import OpenAI as Client

        http = DefaultHttpxClient(verify=tls) if tls else None
        self._client = Client(api_key=KEY, base_url=url, http_client=http)

    def call(self) -> bytes:
        return self._client.audio.speech.create(
            model=MODEL, input=TEXT, voice=VOICE, response_format="wav"
        ).read()


class Facade:
    def __init__(self, url: str, tls: ssl.SSLContext | None) -> None:
        from facade import SpeechClient

        self._client = SpeechClient(KEY, base_url=url, httpx_args={"verify": tls} if tls else None)

    def close(self) -> None:
        self._client.close()

    def call(self) -> bytes:
        return self._client.synthesize(TEXT, voice=VOICE).content

    def stream(self) -> Iterator[bytes]:
        with self._client.stream(TEXT, voice=VOICE) as stream:
            yield from stream

    def save(self, path: Path) -> None:
        with self._client.stream(TEXT, voice=VOICE) as stream:
            stream.save(path)

    def save_whole(self, path: Path) -> None:
        self._client.synthesize_to_file(TEXT, path, voice=VOICE)


class AsyncHttpx:
    def __init__(self, url: str) -> None:
        import httpx

        self._client = httpx.AsyncClient(
            base_url=url, headers=HEADERS, timeout=60, transport=self._transport()
        )

    def _transport(self) -> Any:
        return None

    async def close(self) -> None:
        await self._client.aclose()

    async def call(self) -> bytes:
        response = await self._client.post("/audio/speech", json=BODY)
        return response.raise_for_status().content

    async def stream(self) -> AsyncIterator[bytes]:
        import json
        from base64 import b64decode

        async with self._client.stream("POST", "/audio/speech", json=STREAM_BODY) as response:
            response.raise_for_status()
            async for line in response.aiter_lines():
                if line.startswith("data: ") and line != "data: [DONE]":
                    yield b64decode(json.loads(line[6:])["b64"])

    async def save_whole(self, path: Path) -> None:
        # As applications write files in a coroutine who do not hand each piece to a thread.
        with path.open("wb") as file:
            async with self._client.stream("POST", "/audio/speech", json=BODY) as response:
                response.raise_for_status()
                async for chunk in response.aiter_raw():
                    file.write(chunk)


class AsyncHttpxDiscarding(AsyncHttpx):
    async def stream(self) -> AsyncIterator[bytes]:
        async with self._client.stream("POST", "/audio/speech", json=STREAM_BODY) as response:
            async for chunk in response.aiter_raw():
                yield chunk


class AsyncHttpxAiohttp(AsyncHttpx):
    def _transport(self) -> Any:
        from httpx_aiohttp import AiohttpTransport

        return AiohttpTransport()


class AsyncGenerated:
    def __init__(self, url: str) -> None:
        from together_openapi import AuthenticatedClient
        from together_openapi.api.audio import audio_speech
        from together_openapi.models import AudioSpeechRequest

        self._request = AudioSpeechRequest(model=MODEL, input_=TEXT, voice=VOICE)
        self._send = audio_speech.asyncio
        self._client = AuthenticatedClient(base_url=url, token=KEY)

    async def close(self) -> None:
        await self._client.get_async_httpx_client().aclose()

    async def call(self) -> bytes:
        answer: Any = await self._send(client=self._client, body=self._request)
        content: bytes = answer.payload.read()
        return content


class AsyncTogether:
    def __init__(self, url: str) -> None:
        from together import AsyncTogether as Client

        self._client = Client(api_key=KEY, base_url=url)

    async def close(self) -> None:
        await self._client.close()

    async def call(self) -> bytes:
        answer = await self._client.audio.speech.create(model=MODEL, input=TEXT, voice=VOICE)
        return await answer.read()

    async def stream(self) -> AsyncIterator[bytes]:
        from base64 import b64decode

        stream = await self._client.audio.speech.create(
            model=MODEL, input=TEXT, voice=VOICE, response_format="raw", stream=True
        )
        async for chunk in stream:
            yield b64decode(chunk.b64)


class AsyncOpenAI:
    def __init__(self, url: str) -> None:
        from openai import AsyncOpenAI as Client

        self._client = Client(api_key=KEY, base_url=url)

    async def close(self) -> None:
        await self._client.close()

    async def call(self) -> bytes:
        answer = await self._client.audio.speech.create(
            model=MODEL, input=TEXT, voice=VOICE, response_format="wav"
        )
        return answer.read()


class AsyncFacade:
    def __init__(self, url: str) -> None:
        from facade import AsyncSpeechClient

        self._client = AsyncSpeechClient(KEY, base_url=url, httpx_args=self._httpx_args())

    def _httpx_args(self) -> dict[str, Any]:
        return {}

    async def close(self) -> None:
        await self._client.aclose()

    async def call(self) -> bytes:
        return (await self._client.synthesize(TEXT, voice=VOICE)).content

    async def stream(self) -> AsyncIterator[bytes]:
        async with self._client.stream(TEXT, voice=VOICE) as stream:
            async for samples in stream:
                yield samples

    async def save_whole(self, path: Path) -> None:
        await self._client.synthesize_to_file(TEXT, path, voice=VOICE)


class AsyncFacadeAiohttp(AsyncFacade):
    def _httpx_args(self) -> dict[str, Any]:
        from httpx_aiohttp import AiohttpTransport

        return {"transport": AiohttpTransport()}


class AsyncFacadeHttp2(AsyncFacade):
    def _httpx_args(self) -> dict[str, Any]:
        # Without TLS nobody can ask what the other side speaks.
        return {"http1": False, "http2": True}


CONTENDERS: dict[str, Callable[[str, ssl.SSLContext | None], Any]] = {
    "httpx": Httpx,
    "httpx-absolute": HttpxAbsolute,
    "iter_raw": HttpxDiscarding,
    "generated": Generated,
    "together": Together,
    "openai": OpenAI,
    "facade": Facade,
}
ASYNC_CONTENDERS: dict[str, Callable[[str], Any]] = {
    "httpx": AsyncHttpx,
    "iter_raw": AsyncHttpxDiscarding,
    "httpx+aiohttp": AsyncHttpxAiohttp,
    "generated": AsyncGenerated,
    "together": AsyncTogether,
    "openai": AsyncOpenAI,
    "facade": AsyncFacade,
    "facade+aiohttp": AsyncFacadeAiohttp,
    "facade+http2": AsyncFacadeHttp2,
}
