"""The way to the service and back: the only module that knows the generated client.

The generated `audio_speech` call is used as it is. What it lacks is put around it through httpx's
event hooks: a failure is raised before the generated parser sees it (which would stumble over what
real servers send), and the body of an answer is counted and timed while it comes in.
"""

import functools
import json
import logging
import socket
import ssl
import sys
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from contextvars import ContextVar
from http.cookiejar import DefaultCookiePolicy
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

# What httpcore does before it sends a request, in the words of its traces.
_BEFORE_SENDING = ("start", "connect_tcp", "connect_unix_socket", "start_tls", "retry")

_T = TypeVar("_T")
_Hooks: TypeAlias = dict[str, list[Callable[..., Any]]]

# The generated functions take no argument of ours, so the hooks find the call they belong to here.
_current: ContextVar[Call] = ContextVar("together_speech_call")


class _KeyFilter(logging.Filter):
    """Takes the key out of what httpx and httpcore log: a service may send it back in a header."""

    def filter(self, record: logging.LogRecord) -> bool:
        call = _current.get(None)
        if call is not None and call.key in (text := record.getMessage()):
            record.msg, record.args = _redact(text, call.key), ()
        return True


for _name in ("connection", "http11", "http2", "proxy", "socks"):
    logging.getLogger(f"httpcore.{_name}").addFilter(_KeyFilter())
for _name in ("httpx", "hpack.hpack", "hpack.table"):
    logging.getLogger(_name).addFilter(_KeyFilter())


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
        _refuse_cookies(self._http.cookies)

    def speech(self, call: Call, request: SpeechRequest) -> Answer:
        """Send `request` once and return the audio."""
        body = _body(request)
        return self._exchange(
            call, lambda: audio_speech.sync_detailed(client=self._generated, body=body), _audio
        )

    def open(self, call: Call, request: SpeechRequest) -> "SyncChunks":
        """Send `request` for a stream once; return its answer, the body of it still to come."""
        query = audio_speech._get_kwargs(body=_body(request))
        token = _current.set(call)
        try:
            response = self._http.send(self._http.build_request(**query), stream=True)
        except Exception as error:  # noqa: BLE001 - see _exchange
            _log(call)
            _raise(error, call, self._config)
        finally:
            _current.reset(token)
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
        token = _current.set(call)
        try:
            return read(Answer(send().content, call.headers), self._config)
        except Exception as error:  # noqa: BLE001 - whatever httpx or a transport raises becomes ours
            _raise(error, call, self._config)
        finally:
            _current.reset(token)
            _log(call)

    def _on_request(self, request: httpx.Request) -> None:
        call = _current.get()
        _begin_request(request, call, self._config)
        timeout = request.extensions["timeout"]
        request.extensions = {
            **request.extensions,
            "timeout": {phase: _in_time(limit) for phase, limit in timeout.items()},
            "trace": functools.partial(_watch, call),
        }

    def _on_response(self, response: httpx.Response) -> None:
        call = _current.get()
        meter = _begin(response, call, self._config)
        response.stream = _SyncBody(cast("httpx.SyncByteStream", response.stream), meter)
        if response.status_code == 200:
            return
        if response.is_stream_consumed:
            # A transport of the application's own may give its answers whole.
            _raise_failure(call, self._config, response.content)
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
        except Exception:  # noqa: BLE001, S110 - see below
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
        _refuse_cookies(self._http.cookies)

    async def speech(self, call: Call, request: SpeechRequest) -> Answer:
        """Send `request` once and return the audio."""
        body = _body(request)
        return await self._exchange(
            call, lambda: audio_speech.asyncio_detailed(client=self._generated, body=body), _audio
        )

    async def open(self, call: Call, request: SpeechRequest) -> "AsyncChunks":
        """Send `request` for a stream once; return its answer, the body of it still to come."""
        query = audio_speech._get_kwargs(body=_body(request))
        token = _current.set(call)
        try:
            with anyio.move_on_after(call.left_s()):
                response = await self._http.send(self._http.build_request(**query), stream=True)
                return AsyncChunks(response, call, self._config)
            raise _out_of_time(call, self._config)
        except Exception as error:  # noqa: BLE001 - see _exchange
            _log(call)
            _raise(error, call, self._config)
        finally:
            _current.reset(token)

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
        token = _current.set(call)
        try:
            with anyio.move_on_after(call.left_s()):
                return read(Answer((await send()).content, call.headers), self._config)
            raise _out_of_time(call, self._config)
        except Exception as error:  # noqa: BLE001 - whatever httpx or a transport raises becomes ours
            _raise(error, call, self._config)
        finally:
            _current.reset(token)
            _log(call)

    async def _on_request(self, request: httpx.Request) -> None:
        call = _current.get()
        _begin_request(request, call, self._config)

        opened: Any = None

        async def watch(event: str, info: Mapping[str, Any]) -> None:
            nonlocal opened
            _note_step(call, event)
            if event.endswith((".connect_tcp.complete", ".connect_unix_socket.complete")):
                opened = info["return_value"]
            elif event.endswith(".start_tls.failed"):
                # httpcore leaves it open where a handshake is cancelled.
                with anyio.CancelScope(shield=True):
                    await opened.aclose()

        request.extensions = {**request.extensions, "trace": watch}

    async def _on_response(self, response: httpx.Response) -> None:
        call = _current.get()
        meter = _begin(response, call, self._config)
        response.stream = _AsyncBody(cast("httpx.AsyncByteStream", response.stream), meter)
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


def has_own_transport(config: Config) -> bool:
    """Whether the application sends the requests by means of its own."""
    return not config.httpx_args.keys().isdisjoint(("transport", "mounts"))


def _built(build: Callable[[], _T]) -> _T:
    try:
        return build()
    except Exception as error:
        raise InvalidRequestError(
            f"httpx cannot be set up so: {error}", param="httpx_args"
        ) from error


def _refuse_cookies(cookies: httpx.Cookies) -> None:
    """Keep no cookies: nothing needs them, and httpx cannot send every one that it takes."""
    cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))


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
        stream=given(request.stream or None),
        alignment=given(request.alignment),
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


def _begin_request(request: httpx.Request, call: Call, config: Config) -> None:
    call.method, call.path = request.method, request.url.path
    if has_own_transport(config):
        # It need not say when it sends.
        call.step = ""


def _note_step(call: Call, event: str) -> None:
    _, step, state = event.split(".")
    if state == "started":
        call.step = step


def _watch(call: Call, event: str, info: Mapping[str, Any]) -> None:
    """Note how far a call is, and make a new connection keep to the time of the call that uses it.

    httpcore reads a request's time limits once, and waits as long for every piece of the answer: a
    server that sends one byte of a header now and then could hold a call for ever.
    """
    _note_step(call, event)
    if event.endswith(
        (".connect_tcp.complete", ".connect_unix_socket.complete", ".start_tls.complete")
    ):
        stream = info["return_value"]
        stream.__class__ = _timed(stream.__class__)


@functools.cache
def _timed(kind: type[Any]) -> type[Any]:
    class TimedStream(kind):  # type: ignore[misc]
        def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            _check_time(httpx.ReadTimeout)
            return cast("bytes", super().read(max_bytes, _in_time(timeout)))

        def write(self, buffer: bytes, timeout: float | None = None) -> None:
            _check_time(httpx.WriteTimeout)
            super().write(buffer, _in_time(timeout))

    return TimedStream


def _check_time(error: type[httpx.TimeoutException]) -> None:
    """Raise `error` when the current call is over: a steady trickle never times out by itself."""
    call = _current.get(None)
    if call is not None and call.left_s() <= 0:
        raise error("the call's time is over")


# --- the answer --------------------------------------------------------------------------------


class _Meter:
    """Counts a body while it comes in, and decompresses it within bounds.

    Compression is not asked for, and some servers use it all the same; httpx would inflate 64 KB to
    64 MB before anybody could object.
    """

    def __init__(self, call: Call, config: Config, encoding: str, limit: int) -> None:
        self._call = call
        self._config = config
        self._encoding = encoding
        self._limit = self._room = limit
        self._inflater: Any = None
        if encoding in ("gzip", "x-gzip", "deflate"):
            self._inflater = zlib.decompressobj(15 if encoding == "deflate" else 31)

    def expect(self, length: str) -> None:
        """Refuse a body by what its head says of its length, before any of it is read."""
        if length.isdecimal() and len(length) < 20 and int(length) > self._limit:
            raise self._too_large()

    def take(self, chunk: bytes) -> bytes:
        self._call.bytes_received += len(chunk)
        if self._inflater is not None:
            chunk = self._inflate(chunk)
        elif self._encoding not in ("", "identity"):
            raise self._broken(
                f"is encoded as {self._encoding!r}, though nothing of the kind was asked for"
            )
        self._room -= len(chunk)
        if self._room < 0:
            raise self._too_large()
        if self._call.left_s() <= 0:
            raise _out_of_time(self._call, self._config)
        return chunk

    def finish(self) -> None:
        if self._inflater is not None and self._call.bytes_received and not self._inflater.eof:
            raise self._broken("ends inside its compressed data")

    def _inflate(self, chunk: bytes) -> bytes:
        try:
            inflated: bytes = self._inflater.decompress(chunk, self._room + 1)
        except zlib.error as error:
            raise self._broken(f"cannot be decompressed: {error}") from error
        if self._inflater.unused_data:
            # It would be kept, however much of it there is.
            raise self._broken("goes on after its compressed data")
        return inflated

    def _too_large(self) -> APIConnectionError:
        return self._broken(f"is larger than max_audio_bytes={self._limit}")

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
    # The rest of httpx must not decompress it once more.
    response.headers.pop("content-encoding", None)
    encoding = call.headers.get("content-encoding", "").strip().lower()
    if call.status != 200:
        return _Meter(call, config, encoding, 16 * BODY_LIMIT)
    if call.is_stream:
        # It is never held whole; each of its events has a limit.
        return _Meter(call, config, encoding, sys.maxsize - 1)
    meter = _Meter(call, config, encoding, config.max_audio_bytes)
    meter.expect(call.headers.get("content-length", ""))
    return meter


def _raise_failure(call: Call, config: Config, body: bytes | bytearray) -> NoReturn:
    assert call.status is not None  # noqa: S101 - there is a response
    body = _redact_bytes(bytes(body), config.key)
    failure = failure_from_status(call.status, call.headers, body, now=time.time())
    assert failure is not None  # noqa: S101 - the status is not 200
    raise failure


def _audio(answer: Answer, config: Config) -> Answer:
    head = _redact_bytes(answer.content[: BODY_LIMIT + 1], config.key)
    failure = failure_in_success(answer.headers, head)
    if failure is not None:
        raise failure
    return answer


def _voices(model: str | None, answer: Answer, config: Config) -> list[Voice]:
    content = _redact_bytes(answer.content, config.key)
    try:
        return read_voices(json.loads(content), model)
    except (ValueError, RecursionError) as error:
        raise APIError(
            f"the list of voices cannot be read: {error}",
            body=content[:BODY_LIMIT].decode(errors="replace"),
            request_id=answer.headers.get("x-request-id"),
            cf_ray=answer.headers.get("cf-ray"),
        ) from error


# --- the answer, piece by piece ----------------------------------------------------------------


class Chunks:
    """The body of a streamed answer, piece by piece.

    Attributes:
        call: The call that it answers.
    """

    def __init__(self, response: httpx.Response, call: Call, config: Config) -> None:
        self.call = call
        self._config = config
        self._response = response
        self._is_open = True

    def redact(self, said: bytes) -> bytes:
        """Take the key out of what the service says."""
        return _redact_bytes(said, self._config.key)

    def hang_up(self) -> None:
        """Tell the service that nobody listens any more, without a lock and without waiting."""
        extensions = self._response.extensions
        # Over HTTP/2 the connection has other streams too.
        if extensions.get("http_version") == b"HTTP/1.1" and "network_stream" in extensions:
            with suppress(Exception):  # a loop that has ended, or a transport without sockets
                extensions["network_stream"].get_extra_info("socket").shutdown(socket.SHUT_RDWR)


class SyncChunks(Chunks):
    """The body of a streamed answer, for `SpeechStream`."""

    def __init__(self, response: httpx.Response, call: Call, config: Config) -> None:
        super().__init__(response, call, config)
        self._chunks = response.iter_raw()

    def next(self) -> bytes | None:
        """Wait for the next piece; return `None` at the end."""
        token = _current.set(self.call)
        try:
            return next(self._chunks, None)
        except Exception as error:  # noqa: BLE001 - whatever httpx or a transport raises becomes ours
            _raise(error, self.call, self._config)
        finally:
            _current.reset(token)

    def close(self) -> None:
        """Give the connection back where the body was read to its end; else close it."""
        if self._is_open:
            self._is_open = False
            self._response.close()
            _log(self.call)


class AsyncChunks(Chunks):
    """The body of a streamed answer, for `AsyncSpeechStream`."""

    def __init__(self, response: httpx.Response, call: Call, config: Config) -> None:
        super().__init__(response, call, config)
        self._chunks = response.aiter_raw()

    async def next(self) -> bytes | None:
        """Wait for the next piece; return `None` at the end."""
        token = _current.set(self.call)
        try:
            with anyio.move_on_after(self.call.left_s()):
                return await anext(self._chunks, None)
            raise _out_of_time(self.call, self._config)
        except Exception as error:  # noqa: BLE001 - whatever httpx or a transport raises becomes ours
            _raise(error, self.call, self._config)
        finally:
            _current.reset(token)

    async def close(self) -> None:
        """Give the connection back where the body was read to its end; else close it."""
        if self._is_open:
            self._is_open = False
            await self._response.aclose()
            _log(self.call)


# --- failures on the way -----------------------------------------------------------------------

_NOTHING_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
_CLOSED_EARLY = ("Server disconnected without", "peer closed connection without")


def _raise(error: Exception, call: Call, config: Config) -> NoReturn:
    """Raise `error` as one of ours, without the frames it came through and what they hold."""
    ours = error if isinstance(error, SpeechError) else _translate(error, call, config)
    cause = ours.__cause__ if ours is error else error
    for seen in _chain(error):
        seen.__traceback__ = None
        seen.args = tuple(
            _redact(fact, config.key) if isinstance(fact, str) else fact for fact in seen.args
        )
        if isinstance(seen, httpx.HTTPError):
            # The one it holds has the key in its headers.
            seen.request = httpx.Request(call.method, config.base_url)
        if isinstance(seen, httpx.HTTPStatusError):
            seen.response.request = seen.request
    raise ours.with_traceback(None) from cause


def _translate(error: Exception, call: Call, config: Config) -> APIConnectionError:
    where = config.address
    reason = _redact(str(error), config.key) or type(error).__name__
    sent = _is_sent(call) and not isinstance(error, _NOTHING_SENT)
    facts = _facts(call) | {"request_sent": sent}
    if isinstance(error, httpx.TimeoutException):
        if call.left_s() <= _LEAST_S:
            return _out_of_time(call, config)
        if not sent:
            message = f"no connection to {where} within connect_s={call.timeouts.connect_s:g} s"
        else:
            message = f"nothing came from {where} for read_s={call.timeouts.read_s:g} s"
        return APITimeoutError(message + _so_far(call, sent=sent), transient=True, **facts)
    if _is_tls(error, call):
        return APIConnectionError(f"TLS with {where} failed: {reason}", **facts)
    if isinstance(error, httpx.ConnectError):
        message = f"could not connect to {where}: {reason}"
    else:
        message = f"the exchange with {where} failed: {reason}" + _so_far(call, sent=sent)
    # httpx has no class of its own for a connection that was closed too early.
    lost = isinstance(error, httpx.NetworkError) or reason.startswith(_CLOSED_EARLY)
    return APIConnectionError(message, transient=lost, **facts)


def _out_of_time(call: Call, config: Config) -> APITimeoutError:
    sent = _is_sent(call)
    limit = call.limit
    awaited = {"total_s": "whole answer", "first_audio_s": "audio"}.get(limit, "further audio")
    return APITimeoutError(
        f"no {awaited} from {config.address} within {limit}={getattr(call.timeouts, limit):g} s"
        + _so_far(call, sent=sent),
        transient=limit != "total_s",
        **_facts(call) | {"request_sent": sent},
    )


def _is_sent(call: Call) -> bool:
    return call.step not in _BEFORE_SENDING


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


def _is_tls(error: BaseException, call: Call) -> bool:
    # A connection that is closed in the handshake is no SSLError everywhere.
    in_handshake = call.step == "start_tls" and isinstance(error, httpx.ConnectError)
    return in_handshake or any(isinstance(seen, ssl.SSLError) for seen in _chain(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Give `error` and every exception that it came from, each once."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        at = waiting.pop()
        if at is None or any(at is other for other in seen):
            continue
        seen.append(at)
        yield at
        waiting += [at.__cause__, at.__context__]
        if isinstance(at, BaseExceptionGroup):
            waiting += at.exceptions


def _redact(text: str, key: str) -> str:
    return text.replace(key, "[secret]")


def _redact_bytes(content: bytes, key: str) -> bytes:
    return content.replace(key.encode(), b"[secret]")


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
