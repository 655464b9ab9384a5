"""From whatever a transport raises to an exception of ours, with no trace of the key in it."""

import errno
import os
import re
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import httpcore
import httpx

from facade._transport.call import LEAST_S, Call
from facade._transport.config import Config
from facade.errors import APIConnectionError, APITimeoutError, SpeechError

_TIMEOUTS = (httpx.TimeoutException, httpcore.TimeoutException)
_CONNECT_ERRORS = (httpx.ConnectError, httpcore.ConnectError)
_PROXY_ERRORS = (httpx.ProxyError, httpcore.ProxyError)
_NETWORK_ERRORS = (httpx.NetworkError, httpcore.NetworkError)
_NOTHING_SENT = (
    *_CONNECT_ERRORS,
    *_PROXY_ERRORS,
    httpx.ConnectTimeout,
    httpcore.ConnectTimeout,
    httpx.PoolTimeout,
    httpcore.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpcore.UnsupportedProtocol,
)
# Neither library has a class of its own for a connection that was closed too early.
_CLOSED_EARLY = ("Server disconnected", "peer closed connection without")
# What a proxy answers to CONNECT for troubles that pass.
_PASSING_AT_A_PROXY = ("502", "503", "504")
# So much of a key may stand anywhere by chance.
_LEAST_BEGUN = 4
# RFC 9113, section 7: the stream was refused before anything was done for it.
_REFUSED_STREAM = 7


class ClosedError(Exception):
    """The client was closed while it was in use."""


def ours(
    error: BaseException, call: Call, config: Config, outer: BaseException | None
) -> BaseException:
    """Return `error` as one of ours, to be raised without the frames it came through.

    Those frames, and those of what it came from, hold requests and answers, and so the key. What
    is no `Exception`, such as an interruption, stays as it is, but for its frames. `outer` is what
    the application was handling before, which is none of our affair.
    """
    found = error
    if isinstance(error, Exception) and not isinstance(error, SpeechError):
        found = translate(error, call, config, outer)
        found.__cause__ = error
    for seen in _chain(found, outer):
        seen.__traceback__ = None
        _redact(seen, config.key)
        if isinstance(seen, httpx.HTTPError):
            # The one it holds has the key in its headers.
            seen.request = httpx.Request(call.method, config.base_url)
        if isinstance(seen, httpx.HTTPStatusError):
            seen.response.request = seen.request
    return found.with_traceback(None)


def translate(
    error: Exception, call: Call, config: Config, outer: BaseException | None = None
) -> APIConnectionError:
    """Return the exception of ours for one of a transport's."""
    where = config.address
    reason = redact(reason_of(error), config.key)
    sent = call.request_sent and not isinstance(error, _NOTHING_SENT)
    refused = _is_refused_stream(error)
    facts = facts_of(call) | {"request_sent": sent and not refused}
    if isinstance(error, _TIMEOUTS):
        if call.left_s() <= LEAST_S:
            return out_of_time(call, config)
        if sent:
            message = f"nothing came from {where} for read_s={call.timeouts.read_s:g} s"
        else:
            message = f"no connection to {where} within connect_s={call.timeouts.connect_s:g} s"
            message += _through(call, where)
            if call.is_in_handshake:
                message += "; it does not answer the TLS handshake"
        return APITimeoutError(message + _so_far(call, sent=sent), transient=True, **facts)
    if _is_tls(error, call, outer):
        return APIConnectionError(f"TLS with {where} failed: {reason}", **facts)
    if isinstance(error, _CONNECT_ERRORS):
        message = f"could not connect to {where}{_through(call, where)}: {reason}"
    elif isinstance(error, _PROXY_ERRORS):
        message = f"the proxy {call.peer} makes no connection to {where}: {reason}"
        facts["transient"] = reason.startswith(_PASSING_AT_A_PROXY)
    elif refused:
        message = f"{where} refused the request before doing anything for it"
    else:
        message = f"the exchange with {where} failed: {reason}" + _so_far(call, sent=sent)
    lost = isinstance(error, _NETWORK_ERRORS) or reason.startswith(_CLOSED_EARLY) or refused
    return APIConnectionError(message, **{"transient": lost, **facts})


def out_of_time(call: Call, config: Config) -> APITimeoutError:
    """Return the exception for a call whose time is over."""
    limit = call.limit
    answers = {"total_s": "whole answer", "first_audio_s": "audio", "connect_s": "answer"}
    awaited = answers.get(limit, "further audio")
    return APITimeoutError(
        f"no {awaited} from {config.address} within {limit}={getattr(call.timeouts, limit):g} s"
        + _so_far(call, sent=call.request_sent),
        transient=limit != "total_s",
        **facts_of(call) | {"request_sent": call.request_sent},
    )


def facts_of(call: Call) -> dict[str, Any]:
    """Return what is known of an answer, as exceptions of ours carry it."""
    return {
        "bytes_received": call.bytes_received,
        "request_id": call.headers.get("x-request-id"),
        "cf_ray": call.headers.get("cf-ray"),
    }


def redact(text: str, key: str) -> str:
    """Take the key out of what is to be shown, also where it is written with JSON's escapes."""
    if key in text:
        text = text.replace(key, "[secret]")
    if "\\" in text:
        text = re.sub("".join(map(_spellings, key)), "[secret]", text)
    # An excerpt may end inside of it.
    rest = text.rstrip(" …")
    for size in range(len(key) - 1, _LEAST_BEGUN, -1):
        if rest.endswith(key[:size]):
            return rest[:-size] + "[secret]" + text[len(rest) :]
    return text


def _spellings(character: str) -> str:
    """Return a pattern for the ways in which JSON may write a character."""
    return rf"(?:{re.escape(character)}|\\{re.escape(character)}|\\u(?i:{ord(character):04x}))"


def _redact(error: BaseException, key: str) -> None:
    """Take the key out of everything that an exception shows."""
    error.args = tuple(_redacted(fact, key) for fact in error.args)
    for name, value in vars(error).items():
        setattr(error, name, _redacted(value, key))
    if isinstance(error, UnicodeDecodeError):
        error.object = _redacted(error.object, key)


def _redacted(fact: Any, key: str) -> Any:
    if isinstance(fact, str):
        return redact(fact, key)
    if isinstance(fact, bytes):
        return fact.replace(key.encode(), b"[secret]")
    if isinstance(fact, dict):
        return {name: _redacted(value, key) for name, value in fact.items()}
    return fact


def reason_of(error: BaseException) -> str:
    """Return what an exception says: that of the system underneath, where it says more."""
    for seen in _chain(error, None):
        if isinstance(seen, ClosedError):
            return str(seen)
        if isinstance(seen, ssl.SSLEOFError):
            return f"[Errno {errno.ECONNRESET}] {os.strerror(errno.ECONNRESET)}"
        if isinstance(seen, OSError) and not isinstance(seen, ssl.SSLError) and seen.errno:
            # The event loop has other words for the same.
            is_lookup = isinstance(seen, socket.gaierror)
            words = seen.strerror if is_lookup else os.strerror(seen.errno)
            return f"[Errno {seen.errno}] {words}"
    return next((str(seen) for seen in _chain(error, None) if str(seen)), type(error).__name__)


def _through(call: Call, where: str) -> str:
    return "" if call.peer in ("", where) else f" through the proxy {call.peer}"


def _so_far(call: Call, *, sent: bool) -> str:
    if call.status is not None:
        return f", after {call.bytes_received} bytes of the answer"
    return "; the request may have been processed, and billed" if sent else ""


def _is_tls(error: BaseException, call: Call, outer: BaseException | None) -> bool:
    # A connection that is closed in the handshake is no SSLError everywhere.
    return call.is_in_handshake or any(
        isinstance(seen, ssl.SSLError)
        # The first two only say that more bytes are needed, and stay in the chain of whatever
        # follows. The last says that the connection beneath was lost.
        and not isinstance(seen, ssl.SSLWantReadError | ssl.SSLWantWriteError | ssl.SSLEOFError)
        for seen in _chain(error, outer)
    )


def _is_refused_stream(error: BaseException) -> bool:
    # httpcore hands on the event that the HTTP/2 library gave it.
    event = error.args[0] if error.args else None
    return getattr(event, "error_code", None) == _REFUSED_STREAM


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
        waiting += [at.__context__, at.__cause__]
        if isinstance(at, BaseExceptionGroup):
            waiting += at.exceptions
