"""What is put around httpx's connections: a call's time, how far it is, no key in the logs."""

import functools
import logging
import socket
from collections.abc import Mapping
from contextlib import suppress
from inspect import iscoroutinefunction
from typing import Any, cast

import httpx

from facade._call import LEAST_S, Call, current
from facade._config import Config
from facade._lost import redact

# Bytes of a request that are handed on before the time is looked at again.
_PIECE = 64 * 1024


def in_time(limit: float | None, call: Call) -> float | None:
    """Cut a time limit to what `call` has left; 0 would mean "do not wait"."""
    left = max(call.left_s(), LEAST_S)
    return left if limit is None else min(limit, left)


def begin_request(request: httpx.Request, call: Call, config: Config) -> None:
    call.method, call.path = request.method, request.url.path
    if config.has_own_transport:
        # It need not say when it sends.
        call.step = ""


def watch_connection(call: Call, event: str, info: Mapping[str, Any]) -> None:
    """Note how far a call is, and make a new connection keep to the time of the call that uses it.

    httpcore reads a request's time limits once, and waits as long for every piece of the answer: a
    server that sends one byte of a header now and then could hold a call for ever.
    """
    _, call_step, state = event.split(".")
    if state == "started" and call_step != "response_closed":
        request = info.get("request")
        if request is not None and request.method == b"CONNECT":
            # To be connected by a proxy is a part of connecting, and keeps to its limit.
            call_step = "connect_tcp"
            timeout = request.extensions["timeout"]
            request.extensions = {
                **request.extensions,
                "timeout": {**timeout, "read": timeout["connect"]},
            }
        call.step = call_step
    elif state == "complete" and call_step in ("connect_tcp", "connect_unix_socket", "start_tls"):
        stream = info["return_value"]
        stream.__class__ = _timed(stream.__class__)


@functools.cache
def _timed(kind: type[Any]) -> type[Any]:
    """Return `kind`, a class of httpcore's connections, with its waits cut to the call's time."""
    if iscoroutinefunction(kind.read):

        class AsyncTimedStream(kind):  # type: ignore[misc]
            async def read(
                self,
                max_bytes: int,
                timeout: float | None = None,  # noqa: ASYNC109 - httpcore's
            ) -> bytes:
                data = await super().read(max_bytes, _wait_at_most(timeout, httpx.ReadTimeout))
                _note_arrival()
                return cast("bytes", data)

        return AsyncTimedStream

    class TimedStream(kind):  # type: ignore[misc]
        def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            data = super().read(max_bytes, _wait_at_most(timeout, httpx.ReadTimeout))
            _note_arrival()
            return cast("bytes", data)

        def write(self, buffer: bytes, timeout: float | None = None) -> None:
            # httpcore waits anew for each part that goes out, however many of them there are.
            for start in range(0, len(buffer), _PIECE):
                limit = _wait_at_most(timeout, httpx.WriteTimeout)
                super().write(buffer[start : start + _PIECE], limit)

        def close(self) -> None:
            # A thread that waits for something to come would go on waiting, and hold it open.
            with suppress(OSError):
                socket.socket.shutdown(self.get_extra_info("socket"), socket.SHUT_RDWR)
            super().close()

    return TimedStream


def _wait_at_most(limit: float | None, error: type[httpx.TimeoutException]) -> float | None:
    """Cut `limit` to what the current call has left, or raise `error` where that is nothing.

    A steady trickle never times out by itself.
    """
    call = current.get(None)
    if call is None:
        # A transport of the application's own may carry requests of its own.
        return limit
    call.go_on()
    if call.left_s() <= 0:
        raise error("the call's time is over")
    return in_time(limit, call)


def _note_arrival() -> None:
    call = current.get(None)
    if call is not None:
        call.note_arrival()


class _KeyFilter(logging.Filter):
    """Takes the key out of what httpx and httpcore log: a service may send it back in a header."""

    def filter(self, record: logging.LogRecord) -> bool:
        call = current.get(None)
        if call is not None and call.key in (text := record.getMessage()):
            record.msg, record.args = redact(text, call.key), ()
        return True


for _name in ("connection", "http11", "http2", "proxy", "socks"):
    logging.getLogger(f"httpcore.{_name}").addFilter(_KeyFilter())
for _name in ("httpx", "hpack.hpack", "hpack.table"):
    logging.getLogger(_name).addFilter(_KeyFilter())
