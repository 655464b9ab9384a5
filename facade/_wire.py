"""The way to the service and back: the only module that knows the generated client.

The generated `audio_speech` call is used as it is. What it lacks is put around it through httpx's
event hooks: a failure is raised before the generated parser sees it (which would stumble over what
real servers send), and the body of an answer is counted and timed while it comes in.
"""

import functools
import json
import ssl
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from os import environ
from typing import Any, NamedTuple, NoReturn, Protocol, TypeAlias, TypeVar, cast

import anyio
import httpx
from together_openapi import AuthenticatedClient
from together_openapi.api.audio import audio_speech
from together_openapi.api.voices import fetch_voices
from together_openapi.models import AudioSpeechRequest
from together_openapi.types import UNSET

from facade._body import AsyncBody, AsyncChunks, SyncBody, SyncChunks, begin_body
from facade._call import Call, current
from facade._catalogue import read_voices
from facade._config import Config, Secret
from facade._connection import begin_request, in_time, watch_connection
from facade._failures import BODY_LIMIT, failure_from_status, failure_in_success
from facade._http import AsyncHttp, SyncHttp
from facade._lost import out_of_time, raise_ours, redact_bytes
from facade._request import SpeechRequest
from facade.errors import APIError, InvalidRequestError
from facade.voices import Voice

# Seconds that the body of a failure is waited for: the status alone says most of it.
_FAILURE_BODY_S = 5.0

# As httpx's own, but that a connection which was needed once is kept for as long as the others.
_LIMITS = httpx.Limits(max_connections=100, keepalive_expiry=5.0)

_T = TypeVar("_T")
_Hooks: TypeAlias = dict[str, list[Callable[..., Any]]]


class Answer(NamedTuple):
    """An answer with status 200: its body, and its headers with names in lower case."""

    content: bytes
    headers: Mapping[str, str]


class _Response(Protocol):
    """What httpx's and the generated client's responses have in common."""

    @property
    def content(self) -> bytes: ...


class SyncWire:
    """The way to the service for `SpeechClient`.

    Raises nothing but `SpeechError`s, each without the frames of the libraries underneath: their
    local variables hold the key.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        hooks: _Hooks = {"request": [self._on_request], "response": [self._on_response]}
        self._http = _http_client(SyncHttp, config, hooks)
        self._generated = _generated_client(config).set_httpx_client(self._http)

    def speech(self, call: Call, request: SpeechRequest) -> Answer:
        """Send `request` once and return the audio."""
        body = _body(request)
        return self._exchange(
            call, lambda: audio_speech.sync_detailed(client=self._generated, body=body), _audio
        )

    def open(self, call: Call, request: SpeechRequest) -> SyncChunks:
        """Send `request` for a stream once; return its answer, the body of it still to come."""
        query = audio_speech._get_kwargs(body=_body(request))
        token = current.set(call)
        outer = sys.exception()
        try:
            response = self._http.send(self._http.prepare(**query), stream=True)
        except BaseException as error:  # noqa: BLE001 - see raise_ours
            call.log()
            raise_ours(error, call, self._config, outer)
        finally:
            current.reset(token)
        return SyncChunks(response, call, self._config)

    def voices(self, call: Call, model: str | None) -> list[Voice]:
        """Ask once for the list of voices."""
        query = fetch_voices._get_kwargs(model=UNSET if model is None else model)
        read = functools.partial(_voices, model)
        return self._exchange(call, lambda: self._http.request(**query), read)

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def _exchange(
        self, call: Call, send: Callable[[], _Response], read: Callable[[Answer, Config], _T]
    ) -> _T:
        token = current.set(call)
        outer = sys.exception()
        try:
            return read(Answer(send().content, call.headers), self._config)
        except BaseException as error:  # noqa: BLE001 - see raise_ours
            raise_ours(error, call, self._config, outer)
        finally:
            current.reset(token)
            call.log()

    def _on_request(self, request: httpx.Request) -> None:
        call = current.get()
        begin_request(request, call, self._config)
        timeout = request.extensions["timeout"]
        request.extensions = {
            **request.extensions,
            "timeout": {phase: in_time(limit, call) for phase, limit in timeout.items()}
            # httpcore keeps to it for the whole body, where the limit is another one.
            | ({"read": timeout["read"]} if call.is_stream else {}),
            "trace": functools.partial(watch_connection, call),
        }

    def _on_response(self, response: httpx.Response) -> None:
        call = current.get()
        meter = begin_body(response, call, self._config)
        if meter is None:
            return
        response.stream = SyncBody(cast("httpx.SyncByteStream", response.stream), meter)
        if response.status_code == 200:
            return
        if response.is_stream_consumed:
            # A transport of the application's own may give its answers whole.
            _raise_failure(call, self._config, response.content)
        body = bytearray()
        call.wait_for("read_s", _FAILURE_BODY_S)
        try:
            for chunk in response.iter_raw():
                body += chunk
                if len(body) >= BODY_LIMIT:
                    break
        except Exception:  # noqa: BLE001, S110 - see below
            # The status says what happened; a body that breaks off only says less.
            pass
        _raise_failure(call, self._config, body)


class AsyncWire:
    """The way to the service for `AsyncSpeechClient`; see `SyncWire`."""

    def __init__(self, config: Config) -> None:
        self._config = config
        hooks: _Hooks = {"request": [self._on_request], "response": [self._on_response]}
        self._http = _http_client(AsyncHttp, config, hooks)
        self._generated = _generated_client(config).set_async_httpx_client(self._http)

    async def speech(self, call: Call, request: SpeechRequest) -> Answer:
        """Send `request` once and return the audio."""
        body = _body(request)
        return await self._exchange(
            call, lambda: audio_speech.asyncio_detailed(client=self._generated, body=body), _audio
        )

    async def open(self, call: Call, request: SpeechRequest) -> AsyncChunks:
        """Send `request` for a stream once; return its answer, the body of it still to come."""
        query = audio_speech._get_kwargs(body=_body(request))
        token = current.set(call)
        outer = sys.exception()
        try:
            with anyio.move_on_after(call.left_s()):
                response = await self._http.send(self._http.prepare(**query), stream=True)
                return AsyncChunks(response, call, self._config)
            raise out_of_time(call, self._config)
        except BaseException as error:  # noqa: BLE001 - see raise_ours
            call.log()
            raise_ours(error, call, self._config, outer)
        finally:
            current.reset(token)

    async def voices(self, call: Call, model: str | None) -> list[Voice]:
        """Ask once for the list of voices."""
        query = fetch_voices._get_kwargs(model=UNSET if model is None else model)
        read = functools.partial(_voices, model)
        return await self._exchange(call, lambda: self._http.request(**query), read)

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def _exchange(
        self,
        call: Call,
        send: Callable[[], Awaitable[_Response]],
        read: Callable[[Answer, Config], _T],
    ) -> _T:
        token = current.set(call)
        outer = sys.exception()
        try:
            with anyio.move_on_after(call.left_s()):
                return read(Answer((await send()).content, call.headers), self._config)
            raise out_of_time(call, self._config)
        except BaseException as error:  # noqa: BLE001 - see raise_ours
            raise_ours(error, call, self._config, outer)
        finally:
            current.reset(token)
            call.log()

    async def _on_request(self, request: httpx.Request) -> None:
        call = current.get()
        begin_request(request, call, self._config)

        opened: Any = None

        async def watch(event: str, info: Mapping[str, Any]) -> None:
            nonlocal opened
            watch_connection(call, event, info)
            if event.endswith((".connect_tcp.complete", ".connect_unix_socket.complete")):
                opened = info["return_value"]
            elif event.endswith(".start_tls.failed"):
                # httpcore leaves it open where a handshake is cancelled.
                with anyio.CancelScope(shield=True):
                    await opened.aclose()

        request.extensions = {**request.extensions, "trace": watch}

    async def _on_response(self, response: httpx.Response) -> None:
        call = current.get()
        meter = begin_body(response, call, self._config)
        if meter is None:
            return
        response.stream = AsyncBody(cast("httpx.AsyncByteStream", response.stream), meter)
        if response.status_code == 200:
            return
        if response.is_stream_consumed:
            # A transport of the application's own may give its answers whole.
            _raise_failure(call, self._config, response.content)
        body = bytearray()
        try:
            with anyio.move_on_after(_FAILURE_BODY_S):
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) >= BODY_LIMIT:
                        break
        except Exception:  # noqa: BLE001, S110 - see below
            # The status says what happened; a body that breaks off only says less.
            pass
        _raise_failure(call, self._config, body)


# --- building ----------------------------------------------------------------------------------


def _http_client(kind: Callable[..., _T], config: Config, hooks: _Hooks) -> _T:
    args = dict(config.httpx_args)
    verify = args.pop("verify", None)
    limits = config.timeouts
    try:
        return kind(
            base_url=config.base_url,
            headers={**config.headers, "authorization": Secret(f"Bearer {config.key}")},
            # Waiting for a free connection is not the service's fault, so only total_s limits it.
            timeout=httpx.Timeout(limits.read_s, connect=limits.connect_s, pool=None),
            verify=_ssl_context(config) if verify is None else verify,
            event_hooks=hooks,
            **{"limits": _LIMITS, **args},
        )
    except Exception as error:
        raise InvalidRequestError(
            f"httpx cannot be set up so: {error}", param="httpx_args"
        ) from error


def _generated_client(config: Config) -> AuthenticatedClient:
    """Return what the generated functions have their client from, which is then set in it."""
    return AuthenticatedClient(base_url=str(config.base_url), token=config.key)


def _ssl_context(config: Config) -> ssl.SSLContext | bool:
    """Return what httpx takes for `verify`; `True` lets it build a context of its own."""
    # httpx writes protocols and client certificates into the context, which then cannot be shared.
    if {"http2", "cert", "trust_env"} & config.httpx_args.keys():
        return True
    return _shared_ssl_context(environ.get("SSL_CERT_FILE"), environ.get("SSL_CERT_DIR"))


@functools.cache
def _shared_ssl_context(*_trusted: str | None) -> ssl.SSLContext:
    """Return what all clients that trust the same certificates share: it takes 20 ms to build."""
    return httpx.create_ssl_context()


def _body(request: SpeechRequest) -> AudioSpeechRequest:
    """Return the generated body, with nothing in it that the caller left out.

    What may be left out goes in by its wire name. The generated class would add every default of
    the contract, refuse values that a newer service takes, and have a class for what is nested.
    """
    body = AudioSpeechRequest.from_dict(
        {"model": request.model, "input": request.text, "voice": request.voice}
    )
    options = {
        "response_format": request.response_format,
        "language": request.language,
        "response_encoding": request.response_encoding,
        "sample_rate": request.sample_rate,
        "bit_rate": request.bit_rate,
        "stream": request.stream or None,
        "alignment": request.alignment,
        "segment": request.segment,
    }
    body.additional_properties.update(request.extra_body)
    for name, value in options.items():
        if value is not None:
            body[name] = value
    if request.pronunciation_dict is not None:
        given = cast("Mapping[str, object]", request.extra_body.get("extra_params", {}))
        pronunciations = list(request.pronunciation_dict)
        body["extra_params"] = {**given, "pronunciation_dict": pronunciations}
    return body


# --- the answer --------------------------------------------------------------------------------


def _raise_failure(call: Call, config: Config, body: bytes | bytearray) -> NoReturn:
    assert call.status is not None  # noqa: S101 - there is a response
    body = redact_bytes(bytes(body), config.key)
    failure = failure_from_status(call.status, call.headers, body, now=time.time())
    assert failure is not None  # noqa: S101 - the status is not 200
    raise failure


def _audio(answer: Answer, config: Config) -> Answer:
    head = redact_bytes(answer.content[: BODY_LIMIT + 1], config.key)
    failure = failure_in_success(answer.headers, head)
    if failure is not None:
        raise failure
    return answer


def _voices(model: str | None, answer: Answer, config: Config) -> list[Voice]:
    content = redact_bytes(answer.content, config.key)
    try:
        return read_voices(json.loads(content), model)
    except (ValueError, RecursionError) as error:
        raise APIError(
            f"the list of voices cannot be read: {error}",
            body=content[:BODY_LIMIT].decode(errors="replace"),
            request_id=answer.headers.get("x-request-id"),
            cf_ray=answer.headers.get("cf-ray"),
        ) from error
