"""The client for asynchronous programs, on asyncio or trio."""

from collections import deque
from collections.abc import Collection, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Self

import anyio
from anyio.lowlevel import current_token

from facade._call import Call, repeat_async
from facade._config import DEFAULT_MAX_AUDIO_BYTES, Timeouts, secret
from facade._rules.request import (
    DEFAULT_MODEL,
    Alignment,
    BitRate,
    Pronunciations,
    ResponseEncoding,
    ResponseFormat,
    Segment,
    SpeechRequest,
)
from facade._rules.retry import RetryPolicy
from facade._shell import Shell, check_model, speech_audio
from facade._source import AsyncSource
from facade._wire import Answer, AsyncWire
from facade.audio import SpeechAudio
from facade.errors import SpeechError
from facade.streaming import AsyncSpeechStream
from facade.voices import Voice, VoiceMix


class AsyncSpeechClient(Shell):
    """A client for Together AI's text-to-speech API.

    Build one and share it: it keeps connections open between calls. `SpeechClient` may be used from
    any number of threads; an `AsyncSpeechClient` belongs to one event loop. Close it when done, or
    use it in a `with` (`async with`) block.

    A call is tried again when no connection could be made, and on the statuses 429, 500, 502, 503,
    504 and 520 to 530: 3 attempts within 60 seconds by default, after the wait that the service
    names or else after 0.5 to 1 s, 1 to 1.5 s, and so on. What may have been processed, and so
    billed, is not sent again. `RetryPolicy` changes this; its defaults may change in a minor
    version.

    Args:
        api_key: The key. By default the environment variable `TOGETHER_API_KEY`.
        base_url: The address of the service, version included. By default the environment variable
            `TOGETHER_BASE_URL`, or else `https://api.together.ai/v1`.
        timeouts: How long to wait for what, in seconds.
        retry: How often and how long to try again.
        max_audio_bytes: The largest answer to accept, in bytes after decompression, 256 MiB by
            default.
        validate_voices: Whether to refuse voices that the model does not have. Kokoro's are known;
            a name that is not in the list of another known model is looked up in the service's list
            once in five minutes; where that cannot be had, and for unknown models, the service
            decides.
        headers: Headers to send with every request.
        httpx_args: Further arguments for `httpx.Client` (`httpx.AsyncClient`), such as `proxy`,
            `verify`, `transport`, `http2`, `limits`.
        insecure_hosts: Hosts, besides this machine, that may be spoken to without TLS.

    Raises:
        InvalidRequestError: One of these is wrong; `param` says which.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        max_audio_bytes: int = DEFAULT_MAX_AUDIO_BYTES,
        validate_voices: bool = True,
        headers: Mapping[str, str] | None = None,
        httpx_args: Mapping[str, Any] | None = None,
        insecure_hosts: Collection[str] = (),
    ) -> None:
        key = secret(api_key)
        del api_key
        super().__init__(
            key,
            base_url=base_url,
            timeouts=timeouts,
            retry=retry,
            max_audio_bytes=max_audio_bytes,
            validate_voices=validate_voices,
            headers=headers,
            httpx_args=httpx_args,
            insecure_hosts=insecure_hosts,
        )
        self._wire = AsyncWire(self._config)
        self._look_up_lock = anyio.Lock()
        self._lost_streams: deque[AsyncSource] = deque()
        self._loop: object = None

    async def synthesize(
        self,
        text: str,
        *,
        voice: str | Voice | VoiceMix,
        model: str = DEFAULT_MODEL,
        response_format: ResponseFormat | None = None,
        response_encoding: ResponseEncoding | None = None,
        sample_rate: int | None = None,
        bit_rate: BitRate | None = None,
        language: str | None = None,
        pronunciation_dict: Pronunciations | None = None,
        segment: Segment | None = None,
        extra_body: Mapping[str, object] | None = None,
    ) -> SpeechAudio:
        """Turn text into speech and return the whole of it.

        What is left out is not sent, so the service's own default holds.

        Args:
            text: What to say. No limit is published; a very long text is better streamed or cut.
            voice: A voice of the model, by its id, or for Kokoro also a mix: a `VoiceMix`, or its
                string such as `"af_bella(2)+af_heart(1)"`.
            model: The model, by default Kokoro. A name that is not known is passed on as it is.
            response_format: `"wav"` (the service's default), `"mp3"`, `"raw"` (samples without a
                header) or `"mulaw"`; MiniMax also gives `"opus"`, `"aac"` and `"flac"`.
            response_encoding: How samples of raw audio are written. Cartesia honours it (its
                default is `"pcm_f32le"`); Kokoro, Orpheus and MiniMax always give `"pcm_s16le"`.
            sample_rate: In Hz. Cartesia and MiniMax honour it (default 44100); Kokoro and Orpheus
                always give 24000.
            bit_rate: Of MP3, in bit/s. Cartesia honours it (default 128000).
            language: Of the text: ISO 639-1 such as `"en"`, or a locale in lower case such as
                `"zh-hk"`.
            pronunciation_dict: What to say in place of what: a mapping, or strings of the form
                `"omg/oh my god"`.
            segment: How the service cuts the text before it speaks: `"sentence"` (its default),
                `"immediate"` or `"never"`.
            extra_body: Fields of the request that have no argument here, as they go on the wire.

        Returns:
            The audio.

        Raises:
            InvalidRequestError: An argument is wrong, or the model would ignore it; nothing was
                sent.
            APIStatusError: The service refused or failed; there is a class for each status.
            APIConnectionError: No whole answer came; `APITimeoutError` where it came late.
            APIError: The service answered with an error in place of audio.
            EmptyAudioError: The service answered with nothing.
        """
        self._check_open()
        request = SpeechRequest.build(
            text,
            voice=voice,
            model=model,
            response_format=response_format,
            response_encoding=response_encoding,
            sample_rate=sample_rate,
            bit_rate=bit_rate,
            language=language,
            pronunciation_dict=pronunciation_dict,
            segment=segment,
            extra_body=extra_body,
            validate_voices=self._config.validate_voices,
        )
        call = self._call()
        await self._check_voice(request)
        return speech_audio(request, await repeat_async(call, partial(self._send, call, request)))

    def stream(
        self,
        text: str,
        *,
        voice: str | Voice | VoiceMix,
        model: str = DEFAULT_MODEL,
        response_encoding: ResponseEncoding | None = None,
        sample_rate: int | None = None,
        language: str | None = None,
        pronunciation_dict: Pronunciations | None = None,
        segment: Segment | None = None,
        alignment: Alignment | None = None,
        extra_body: Mapping[str, object] | None = None,
    ) -> AsyncSpeechStream:
        """Turn text into speech and take it while it is being spoken.

        The audio comes as raw samples, the only format that the service streams. The request is
        sent when the stream's `with` (`async with`) block is entered, or else when the first
        samples are asked for; until the first audio it is tried again as `synthesize` is.

        Args:
            text: What to say.
            voice: As for `synthesize`.
            model: As for `synthesize`.
            response_encoding: As for `synthesize`.
            sample_rate: As for `synthesize`.
            language: As for `synthesize`.
            pronunciation_dict: As for `synthesize`.
            segment: As for `synthesize`.
            alignment: `"word"` to have the timing of each word too, in the stream's `words`;
                `"none"` is the service's default.
            extra_body: As for `synthesize`.

        Returns:
            The stream. Iterating over it, or entering it, raises what `synthesize` raises, and
            `StreamInterruptedError` where the stream ends too early, `MalformedStreamError` where
            it cannot be read. The audio before that has been handed over.

        Raises:
            InvalidRequestError: An argument is wrong, or the model would ignore it; nothing was
                sent.
        """
        self._check_open()
        request = SpeechRequest.build(
            text,
            voice=voice,
            model=model,
            response_format="raw",
            response_encoding=response_encoding,
            sample_rate=sample_rate,
            bit_rate=None,
            language=language,
            pronunciation_dict=pronunciation_dict,
            segment=segment,
            alignment=alignment,
            extra_body=extra_body,
            validate_voices=self._config.validate_voices,
            stream=True,
        )
        return AsyncSpeechStream(
            partial(self._begin_stream, request),
            request.expected_format,
            self._config.max_audio_bytes,
            self._lost_streams,
        )

    async def list_voices(self, model: str | None = None) -> list[Voice]:
        """Ask the service for its voices.

        Args:
            model: The model whose voices to list; by default those of all models.

        Returns:
            The voices. Language, gender and grade are filled in for Kokoro.

        Raises:
            InvalidRequestError: `model` is no name; nothing was sent.
            APIStatusError: The service refused or failed; there is a class for each status.
            APIConnectionError: No whole answer came; `APITimeoutError` where it came late.
            APIError: The answer cannot be read.
        """
        self._check_open()
        check_model(model)
        call = self._call()
        return await repeat_async(call, partial(self._list, call, model))

    async def aclose(self) -> None:
        """Close all connections. A closed client cannot be used again."""
        self._is_closed = True
        await (await self._wire_here()).close()

    async def __aenter__(self) -> Self:
        self._check_open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _send(self, call: Call, request: SpeechRequest) -> Answer:
        call.begin()
        return await (await self._wire_here()).speech(call, request)

    async def _begin_stream(self, request: SpeechRequest) -> AsyncSource:
        self._check_open()
        await self._check_voice(request)
        call = self._call(is_stream=True)
        return await repeat_async(call, partial(self._open_stream, call, request))

    async def _open_stream(self, call: Call, request: SpeechRequest) -> AsyncSource:
        call.begin()
        call.wait_for("first_audio_s", call.timeouts.first_audio_s)
        chunks = await (await self._wire_here()).open(call, request)
        return await AsyncSource(chunks, request.expected_format).begin()

    async def _list(self, call: Call, model: str | None) -> list[Voice]:
        call.begin()
        return await (await self._wire_here()).voices(call, model)

    async def _check_voice(self, request: SpeechRequest) -> None:
        if self._config.validate_voices and request.needs_live_voices:
            request.check_live_voices(await self._voices_of(request.model))

    async def _voices_of(self, model: str) -> list[Voice]:
        # The lock belongs to an event loop too.
        await self._wire_here()
        # One task asks, and the others wait for its answer.
        async with self._look_up_lock:
            kept = self._kept_voices(model)
            if kept is not None:
                return kept
            try:
                return self._keep_voices(model, await self._list(self._look_up(), model))
            except SpeechError as error:
                return self._keep_voices(model, error)

    async def _wire_here(self) -> AsyncWire:
        """Return the wire, in the event loop that its connections belong to."""
        loop = current_token()
        if self._loop is None:
            self._loop = loop
        elif self._loop != loop:
            raise SpeechError(
                "this AsyncSpeechClient belongs to another event loop, the one it was first used "
                "in; build one for each loop"
            )
        # What streams left behind that were never closed.
        while self._lost_streams:
            await self._lost_streams.popleft().close()
        return self._wire
