"""From whatever a transport raises to an exception of ours, with no trace of the key in it."""

import ssl
from collections.abc import Iterator
from typing import Any, NoReturn

import httpx

from facade._call import LEAST_S, Call
from facade._config import Config
from facade.errors import APIConnectionError, APITimeoutError, SpeechError

# What httpcore does before it sends a request, in the words of its traces.
_BEFORE_SENDING = ("start", "connect_tcp", "connect_unix_socket", "start_tls", "retry")

_NOTHING_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
_CLOSED_EARLY = ("Server disconnected without", "peer closed connection without")


def raise_ours(
    error: BaseException, call: Call, config: Config, outer: BaseException | None
) -> NoReturn:
    """Raise `error` as one of ours, without the frames it came through and what they hold.

    What is no `Exception`, such as an interruption, is raised as it is, and without those too.
    `outer` is what the application was handling before, which is none of our affair.
    """
    ours = error
    if isinstance(error, Exception) and not isinstance(error, SpeechError):
        ours = translate(error, call, config, outer)
    cause = ours.__cause__ if ours is error else error
    for seen in _chain(error, outer):
        seen.__traceback__ = None
        seen.args = tuple(
            redact(fact, config.key) if isinstance(fact, str) else fact for fact in seen.args
        )
        if isinstance(seen, httpx.HTTPError):
            # The one it holds has the key in its headers.
            seen.request = httpx.Request(call.method, config.base_url)
        if isinstance(seen, httpx.HTTPStatusError):
            seen.response.request = seen.request
    try:
        raise ours.with_traceback(None) from cause
    finally:
        # This frame is in the traceback, and must not hold what holds the traceback.
        del error, ours, cause, seen, outer


def translate(
    error: Exception, call: Call, config: Config, outer: BaseException | None = None
) -> APIConnectionError:
    where = config.address
    reason = redact(str(error), config.key) or type(error).__name__
    sent = _is_sent(call) and not isinstance(error, _NOTHING_SENT)
    facts = facts_of(call) | {"request_sent": sent}
    if isinstance(error, httpx.TimeoutException):
        if call.left_s() <= LEAST_S:
            return out_of_time(call, config)
        if not sent:
            message = f"no connection to {where} within connect_s={call.timeouts.connect_s:g} s"
        else:
            message = f"nothing came from {where} for read_s={call.timeouts.read_s:g} s"
        return APITimeoutError(message + _so_far(call, sent=sent), transient=True, **facts)
    if _is_tls(error, call, outer):
        return APIConnectionError(f"TLS with {where} failed: {reason}", **facts)
    if isinstance(error, httpx.ConnectError):
        message = f"could not connect to {where}: {reason}"
    else:
        message = f"the exchange with {where} failed: {reason}" + _so_far(call, sent=sent)
    # httpx has no class of its own for a connection that was closed too early.
    lost = isinstance(error, httpx.NetworkError) or reason.startswith(_CLOSED_EARLY)
    return APIConnectionError(message, transient=lost, **facts)


def out_of_time(call: Call, config: Config) -> APITimeoutError:
    sent = _is_sent(call)
    limit = call.limit
    awaited = {"total_s": "whole answer", "first_audio_s": "audio"}.get(limit, "further audio")
    return APITimeoutError(
        f"no {awaited} from {config.address} within {limit}={getattr(call.timeouts, limit):g} s"
        + _so_far(call, sent=sent),
        transient=limit != "total_s",
        **facts_of(call) | {"request_sent": sent},
    )


def _is_sent(call: Call) -> bool:
    return call.step not in _BEFORE_SENDING


def _so_far(call: Call, *, sent: bool) -> str:
    if call.status is not None:
        return f", after {call.bytes_received} bytes of the answer"
    return "; the request may have been processed, and billed" if sent else ""


def facts_of(call: Call) -> dict[str, Any]:
    return {
        "bytes_received": call.bytes_received,
        "request_id": call.headers.get("x-request-id"),
        "cf_ray": call.headers.get("cf-ray"),
    }


def _is_tls(error: BaseException, call: Call, outer: BaseException | None) -> bool:
    # A connection that is closed in the handshake is no SSLError everywhere.
    in_handshake = call.step == "start_tls" and isinstance(error, httpx.ConnectError)
    return in_handshake or any(isinstance(seen, ssl.SSLError) for seen in _chain(error, outer))


def _chain(error: BaseException, outer: BaseException | None) -> Iterator[BaseException]:
    """Give `error` and every exception that it came from since `outer`, each once."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        at = waiting.pop()
        if at is None or at is outer or any(at is other for other in seen):
            continue
        seen.append(at)
        yield at
        waiting += [at.__cause__, at.__context__]
        if isinstance(at, BaseExceptionGroup):
            waiting += at.exceptions


def redact(text: str, key: str) -> str:
    return text.replace(key, "[secret]")


def redact_bytes(content: bytes, key: str) -> bytes:
    return content.replace(key.encode(), b"[secret]")
