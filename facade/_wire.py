"""The way to the service and back: the only module that knows the generated client.

The generated `audio_speech` call is used as it is. What it lacks is put around it through httpx's
event hooks: a failure is raised before the generated parser sees it (which would stumble over what
real servers send), and the body of an answer is counted and timed while it comes in.
"""

import functools
import json
import ssl
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextvars import ContextVar
from os import environ
from typing import Any, NamedTuple, NoReturn, Protocol, TypeAlias, TypeVar, cast

import anyio
import httpx
from together_openapi import AuthenticatedClient
from together_openapi.api.audio import audio_speech
from together_openapi.api.voices import fetch_voices
from together_openapi.models import AudioSpeechRequest, AudioSpeechRequestExtraParams
from together_openapi.types import UNSET

from facade._call import Call, logger
from facade._catalogue import read_voices
from facade._config import Config, Secret
from facade._failures import BODY_LIMIT, failure_from_status, failure_in_success
from facade._request import SpeechRequest
from facade.errors import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    InvalidRequestError,
    SpeechError,
)
from facade.voices import Voice

# Seconds that the body of a failure is waited for: the status alone says most of it.
_FAILURE_BODY_S = 5.0

_LEAST_S = 0.001

_T = TypeVar("_T")
_Hooks: TypeAlias = dict[str, list[Callable[..., Any]]]

# The generated functions take no argument of ours, so the hooks find the call they belong to here.
_current: ContextVar[Call] = ContextVar("together_speech_call")


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
        # Built now, because the generated client builds it lazily and not safely among threads.
        self._generated = _generated_client(config, hooks)
        self._http = _built(self._generated.get_httpx_client)

    def speech(self, call: Call, request: SpeechRequest) -> Answer:
        """Send `request` once and return the audio."""
        body = _body(request)
        answer = self._exchange(
            call, lambda: audio_speech.sync_detailed(client=self._generated, body=body)
        )
        return _audio(self._config, answer)

    def voices(self, call: Call, model: str | None) -> list[Voice]:
        """Ask once for the list of voices."""
        query = fetch_voices._get_kwargs(model=UNSET if model is None else model)
        return _voices(self._exchange(call, lambda: self._http.request(**query)), model)

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def _exchange(self, call: Call, send: Callable[[], _Response]) -> Answer:
        token = _current.set(call)
        try:
            return Answer(send().content, call.headers)
        except Exception as error:  # noqa: BLE001 - whatever httpx or a transport raises becomes ours
            _raise(error, call, self._config)
        finally:
            _current.reset(token)
            _log(call)

    def _on_request(self, request: httpx.Request) -> None:
        call = _current.get()
        call.method, call.path = request.method, request.url.path
        timeout = request.extensions["timeout"]
        request.extensions = {
            **request.extensions,
            "timeout": {phase: _in_time(limit) for phase, limit in timeout.items()},
            "trace": _watch_connections,
        }

    def _on_response(self, response: httpx.Response) -> None:
        call = _current.get()
        meter = _begin(response, call, self._config)
        response.stream = _SyncBody(cast("httpx.SyncByteStream", response.stream), meter)
        if response.status_code == 200:
            return
        body = bytearray()
        deadline, call.deadline = (
            call.deadline,
            min(call.deadline, time.monotonic() + _FAILURE_BODY_S),
        )
        try:
            for chunk in response.iter_raw():
                body += chunk
                if len(body) >= BODY_LIMIT:
                    break
        except (httpx.HTTPError, APIConnectionError):
            # The status says what happened; a body that breaks off only says less.
            pass
        finally:
            call.deadline = deadline
        _raise_failure(call, self._config, body)


class AsyncWire:
    """The way to the service for `AsyncSpeechClient`; see `SyncWire`."""

    def __init__(self, config: Config) -> None:
        self._config = config
        hooks: _Hooks = {"request": [self._on_request], "response": [self._on_response]}
        self._generated = _generated_client(config, hooks)
        self._http = _built(self._generated.get_async_httpx_client)

    async def speech(self, call: Call, request: SpeechRequest) -> Answer:
        """Send `request` once and return the audio."""
        body = _body(request)
        answer = await self._exchange(
            call, lambda: audio_speech.asyncio_detailed(client=self._generated, body=body)
        )
        return _audio(self._config, answer)

    async def voices(self, call: Call, model: str | None) -> list[Voice]:
        """Ask once for the list of voices."""
        query = fetch_voices._get_kwargs(model=UNSET if model is None else model)
        return _voices(await self._exchange(call, lambda: self._http.request(**query)), model)

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def _exchange(self, call: Call, send: Callable[[], Awaitable[_Response]]) -> Answer:
        token = _current.set(call)
        try:
            with anyio.move_on_after(call.left_s()):
                return Answer((await send()).content, call.headers)
            raise _out_of_time(call, self._config)
        except Exception as error:  # noqa: BLE001 - whatever httpx or a transport raises becomes ours
            _raise(error, call, self._config)
        finally:
            _current.reset(token)
            _log(call)

    async def _on_request(self, request: httpx.Request) -> None:
        call = _current.get()
        call.method, call.path = request.method, request.url.path

    async def _on_response(self, response: httpx.Response) -> None:
        call = _current.get()
        meter = _begin(response, call, self._config)
        response.stream = _AsyncBody(cast("httpx.AsyncByteStream", response.stream), meter)
        if response.status_code == 200:
            return
        body = bytearray()
        try:
            with anyio.move_on_after(_FAILURE_BODY_S):
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) >= BODY_LIMIT:
                        break
        except (httpx.HTTPError, APIConnectionError):
            # The status says what happened; a body that breaks off only says less.
            pass
        _raise_failure(call, self._config, body)


# --- building ----------------------------------------------------------------------------------


def _generated_client(config: Config, hooks: _Hooks) -> AuthenticatedClient:
    args = dict(config.httpx_args)
    limits = config.timeouts
    verify = args.pop("verify", None)
    return AuthenticatedClient(
        base_url=str(config.base_url),
        # Without a prefix the header's value stays a Secret, wherever this client's repr shows it.
        prefix="",
        token=Secret(f"Bearer {config.key}"),
        headers=dict(config.headers),
        # Waiting for a free connection is not the service's fault, so only total_s limits it.
        timeout=httpx.Timeout(limits.read_s, connect=limits.connect_s, pool=None),
        verify_ssl=_ssl_context(config) if verify is None else verify,
        httpx_args={**args, "event_hooks": hooks},
    )


def _built(build: Callable[[], _T]) -> _T:
    try:
        return build()
    except (TypeError, ValueError, ImportError, OSError, httpx.InvalidURL) as error:
        raise InvalidRequestError(
            f"httpx cannot be set up so: {error}", param="httpx_args"
        ) from error


def _ssl_context(config: Config) -> ssl.SSLContext:
    # httpx sets the protocols of HTTP/2 on the context itself, so only its absence can be shared.
    if config.httpx_args.get("http2"):
        return httpx.create_ssl_context()
    return _shared_ssl_context(environ.get("SSL_CERT_FILE"), environ.get("SSL_CERT_DIR"))


@functools.cache
def _shared_ssl_context(*_trusted: str | None) -> ssl.SSLContext:
    """Return what all clients that trust the same certificates share: it takes 20 ms to build."""
    return httpx.create_ssl_context()


def _body(request: SpeechRequest) -> AudioSpeechRequest:
    """Return the generated body, with nothing in it that the caller left out."""

    def given(value: object) -> Any:
        return UNSET if value is None else value

    extra = dict(request.extra_body)
    extra_params: Any = extra.pop("extra_params", None)
    if request.pronunciation_dict is not None:
        pronunciations = list(request.pronunciation_dict)
        extra_params = {**(extra_params or {}), "pronunciation_dict": pronunciations}
    if extra_params is not None:
        extra_params = AudioSpeechRequestExtraParams.from_dict(extra_params)
    body = AudioSpeechRequest(
        model=request.model,
        input_=request.text,
        voice=request.voice,
        response_format=given(request.response_format),
        language=given(request.language),
        response_encoding=given(request.response_encoding),
        sample_rate=given(request.sample_rate),
        bit_rate=given(request.bit_rate),
        stream=UNSET,
        alignment=UNSET,
        segment=given(request.segment),
        extra_params=given(extra_params),
    )
    body.additional_properties.update(extra)
    return body


# --- the time a call has -----------------------------------------------------------------------


def _in_time(limit: float | None) -> float | None:
    """Cut a time limit to what the current call has left; 0 would mean "do not wait"."""
    call = _current.get(None)
    if call is None:
        # A transport of the application's own may carry requests of its own.
        return limit
    left = max(call.left_s(), _LEAST_S)
    return left if limit is None else min(limit, left)


def _watch_connections(event: str, info: Mapping[str, Any]) -> None:
    """Make a new connection keep to the time of the call that uses it.

    httpcore reads a request's time limits once, and waits as long for every piece of the answer: a
    server that sends one byte of a header now and then could hold a call for ever.
    """
    if event.endswith(
        ("connect_tcp.complete", "connect_unix_socket.complete", "start_tls.complete")
    ):
        stream = info["return_value"]
        stream.__class__ = _timed(stream.__class__)


@functools.cache
def _timed(kind: type[Any]) -> type[Any]:
    class TimedStream(kind):  # type: ignore[misc]
        def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            return cast("bytes", super().read(max_bytes, _in_time(timeout)))

        def write(self, buffer: bytes, timeout: float | None = None) -> None:
            super().write(buffer, _in_time(timeout))

    return TimedStream


# --- the answer --------------------------------------------------------------------------------


class _Meter:
    """Counts a body while it comes in, and decompresses it within bounds.

    Compression is not asked for, and some servers use it all the same; httpx would inflate 64 KB to
    64 MB before anybody could object.
    """

    def __init__(self, call: Call, config: Config, encoding: str, limit: int) -> None:
        self._call = call
        self._config = config
        self._limit = self._room = limit
        self._inflater: Any = None
        if encoding in ("gzip", "x-gzip", "deflate"):
            self._inflater = zlib.decompressobj(15 if encoding == "deflate" else 31)
        elif encoding not in ("", "identity"):
            raise self._broken(
                f"is encoded as {encoding!r}, though nothing of the kind was asked for"
            )

    def take(self, chunk: bytes) -> bytes:
        self._call.bytes_received += len(chunk)
        if self._inflater is not None:
            try:
                chunk = self._inflater.decompress(chunk, self._room + 1)
            except zlib.error as error:
                raise self._broken(f"cannot be decompressed: {error}") from error
        self._room -= len(chunk)
        if self._room < 0:
            raise self._broken(f"is larger than max_audio_bytes={self._limit}")
        if self._call.left_s() <= 0:
            raise _out_of_time(self._call, self._config)
        return chunk

    def finish(self) -> None:
        if self._inflater is not None and not self._inflater.eof:
            raise self._broken("ends inside its compressed data")

    def _broken(self, how: str) -> APIConnectionError:
        return APIConnectionError(
            f"the answer of {self._config.address} {how}", **_facts(self._call)
        )


class _SyncBody(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream, meter: _Meter) -> None:
        self._stream = stream
        self._meter = meter

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            yield self._meter.take(chunk)
        self._meter.finish()

    def close(self) -> None:
        self._stream.close()


class _AsyncBody(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, meter: _Meter) -> None:
        self._stream = stream
        self._meter = meter

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield self._meter.take(chunk)
        self._meter.finish()

    async def aclose(self) -> None:
        await self._stream.aclose()


def _begin(response: httpx.Response, call: Call, config: Config) -> _Meter:
    """Note the head of an answer, and return the meter for its body."""
    call.status = response.status_code
    call.headers = {
        name.lower(): _redact(value, config.key) for name, value in response.headers.items()
    }
    encoding = response.headers.pop("content-encoding", "").strip().lower()
    limit = config.max_audio_bytes if call.status == 200 else 16 * BODY_LIMIT
    return _Meter(call, config, encoding, limit)


def _raise_failure(call: Call, config: Config, body: bytearray) -> NoReturn:
    assert call.status is not None  # noqa: S101 - there is a response
    text = bytes(body).replace(config.key.encode(), b"[secret]")
    failure = failure_from_status(call.status, call.headers, text, now=time.time())
    assert failure is not None  # noqa: S101 - the status is not 200
    raise failure


def _audio(config: Config, answer: Answer) -> Answer:
    head = answer.content[: BODY_LIMIT + 1]
    failure = failure_in_success(answer.headers, head.replace(config.key.encode(), b"[secret]"))
    if failure is not None:
        raise failure
    return answer


def _voices(answer: Answer, model: str | None) -> list[Voice]:
    try:
        return read_voices(json.loads(answer.content), model)
    except (ValueError, RecursionError) as error:
        raise APIError(
            f"the list of voices cannot be read: {error}",
            body=answer.content[:BODY_LIMIT].decode(errors="replace"),
            request_id=answer.headers.get("x-request-id"),
            cf_ray=answer.headers.get("cf-ray"),
        ) from error


# --- failures on the way -----------------------------------------------------------------------

_NOTHING_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


def _raise(error: Exception, call: Call, config: Config) -> NoReturn:
    """Raise `error` as one of ours, without the frames it came through."""
    ours = error if isinstance(error, SpeechError) else _translate(error, call, config)
    cause = ours.__cause__ if ours is error else error
    seen: BaseException | None = cause
    while seen is not None:
        seen.__traceback__ = None
        seen = seen.__cause__ or seen.__context__
    raise ours.with_traceback(None) from cause


def _translate(error: Exception, call: Call, config: Config) -> APIConnectionError:
    where = config.address
    reason = _redact(str(error), config.key) or type(error).__name__
    sent = not isinstance(error, _NOTHING_SENT)
    facts = _facts(call) | {"request_sent": sent}
    if isinstance(error, httpx.TimeoutException):
        if call.left_s() <= _LEAST_S:
            return _out_of_time(call, config, request_sent=sent)
        if not sent:
            message = f"no connection to {where} within connect_s={call.timeouts.connect_s:g} s"
        else:
            message = f"nothing came from {where} for read_s={call.timeouts.read_s:g} s"
        return APITimeoutError(message + _so_far(call, sent=sent), transient=True, **facts)
    if _is_tls(error):
        return APIConnectionError(f"TLS with {where} failed: {reason}", **facts)
    if isinstance(error, httpx.ConnectError):
        message = f"could not connect to {where}: {reason}"
    else:
        message = f"the exchange with {where} failed: {reason}" + _so_far(call, sent=sent)
    return APIConnectionError(message, transient=isinstance(error, httpx.NetworkError), **facts)


def _out_of_time(call: Call, config: Config, *, request_sent: bool = True) -> APITimeoutError:
    return APITimeoutError(
        f"no whole answer from {config.address} within total_s={call.timeouts.total_s:g} s"
        + _so_far(call, sent=request_sent),
        **_facts(call) | {"request_sent": request_sent},
    )


def _so_far(call: Call, *, sent: bool) -> str:
    if call.status is not None:
        return f", after {call.bytes_received} bytes of the answer"
    return "; the request may have been processed, and billed" if sent else ""


def _facts(call: Call) -> dict[str, Any]:
    return {
        "bytes_received": call.bytes_received,
        "request_id": call.headers.get("x-request-id"),
        "cf_ray": call.headers.get("cf-ray"),
    }


def _is_tls(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _redact(text: str, key: str) -> str:
    return text.replace(key, "[secret]")


def _log(call: Call) -> None:
    logger.debug(
        "%s %s: status %s, request id %s, %d bytes, %.3f s",
        call.method,
        call.path,
        call.status,
        call.headers.get("x-request-id"),
        call.bytes_received,
        call.attempt_s(),
    )
