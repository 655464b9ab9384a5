# Made from facade/_transport/_async/pool.py by `make generate`; edit that one.
"""Many connections at once: the one used last is used next.

httpcore's own pool looks through all of its connections for each request, and of idle ones httpx
closes all beyond 20: of 50 calls at once most then open a connection of their own. Here they are a
stack: a call takes the topmost, and what is not needed sinks to the bottom, where it is closed.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeVar, cast

import httpcore
import httpx

from facade._rules.retry import RACE_S
from facade._transport.call import Call, logger
from facade._transport.duplex_sync import Duplex
from facade._transport.exceptions import ClosedError
from facade._transport.network_sync import Backend, Stream, our_end, upgraded
from facade._transport.route import Route
from facade._transport.waiting_sync import Slots, limit, shielded

_CLOSED = "the client has been closed"

_T = TypeVar("_T")


class Answer:
    """An answer whose body is still to come.

    Attributes:
        status: Its status.
        headers: Its headers, as they came.
        body: Its body, piece by piece.
        connection: Our end of its connection, where there is one of ours.
        duplex: The connection, where another protocol begins on it.
    """

    __slots__ = ("_close", "body", "connection", "duplex", "headers", "status")

    def __init__(
        self,
        status: int,
        headers: Sequence[tuple[bytes, bytes]],
        body: Iterator[bytes],
        connection: Stream | None,
        close: Callable[[], Any],
        duplex: Duplex | None = None,
    ) -> None:
        self.duplex = duplex
        self.status = status
        self.headers = headers
        self.body = body
        self.connection = connection
        self._close = close

    def close(self) -> None:
        """Give the connection back where the body was read to its end; else close it."""
        self._close()


class Pool:
    """Our own way to the service: connections on a stack."""

    def __init__(self, route: Route, origin: httpcore.Origin) -> None:
        limits = route.limits
        self._origin = origin
        self._factory = _factory(route, is_shared=False)
        # With the time since when; the one used last is at the end.
        self._idle: deque[tuple[httpcore.ConnectionInterface, Stream, float]] = deque()
        self._all: set[httpcore.ConnectionInterface] = set()
        self._most_idle = _or(math.inf, limits.max_keepalive_connections)
        self._longest_idle_s = _or(math.inf, limits.keepalive_expiry)
        self._slots = Slots(_or(2**31, limits.max_connections))
        self.is_closed = False

    def send(self, call: Call, request: httpcore.Request) -> Answer:
        """Send a request; return its answer, the body of it still to come.

        A connection that was kept may be closed by the service just as a request sets out. Where
        not a byte comes back from one, and it ends at once, the request is sent once more on a new
        connection: a service that has begun to work on a request takes its time and answers, and
        one that closes an idle connection has not read it. Browsers do the same.
        """
        self._slots.acquire(call)
        try:
            kept = self._take()
            if kept is not None:
                race_until = time.monotonic() + RACE_S
                try:
                    return self._send(kept, call, request)
                except (httpcore.NetworkError, httpcore.RemoteProtocolError):
                    if call.has_answer or self.is_closed or time.monotonic() > race_until:
                        raise
                    call.request_sent = False
                    logger.info("the service closed the connection just then; using a new one")
            return self._send(self._connect(), call, request)
        except BaseException:
            self._slots.release()
            raise

    def upgrade(self, call: Call, request: httpcore.Request) -> Answer:
        """Ask for another protocol on a new connection, which is used for nothing else."""
        self._slots.acquire(call)
        try:
            return self._send(self._connect(), call, request)
        except BaseException:
            self._slots.release()
            raise

    def close(self) -> None:
        """Close all connections, also those in use."""
        self.is_closed = True
        # Who waits for a connection learns of it, and wakes the next.
        self._slots.release()
        for connection in self._all.copy():
            _close(connection)

    def _send(
        self, connection: httpcore.ConnectionInterface, call: Call, request: httpcore.Request
    ) -> Answer:
        try:
            response = connection.handle_request(request)
            if self.is_closed:
                # If it was being connected then, only this finds its connection.
                response.close()
                raise ClosedError(_CLOSED)
            duplex = upgraded(response) if response.status == 101 else None
        except BaseException:
            self._discard(connection)
            raise
        stream = our_end(response)
        body = iter(cast("Iterator[bytes]", response.stream))

        def close() -> None:
            try:
                with shielded():
                    response.close()
                    _finish(body)
                    self._put_back(connection, stream)
            finally:
                self._slots.release()

        return Answer(response.status, response.headers, body, stream, close, duplex)

    def _connect(self) -> httpcore.ConnectionInterface:
        connection = self._factory.create_connection(self._origin)
        self._all.add(connection)
        return connection

    def _take(self) -> httpcore.ConnectionInterface | None:
        """Take the topmost connection that can still be used."""
        if self.is_closed:
            raise ClosedError(_CLOSED)
        while True:
            try:
                connection, stream, _ = self._idle.pop()
            except IndexError:
                return None
            is_usable = False
            try:
                is_usable = not connection.has_expired() and stream.is_quiet()
            finally:
                if not is_usable:
                    self._discard(connection)
            if is_usable:
                return connection

    def _put_back(self, connection: httpcore.ConnectionInterface, stream: Stream) -> None:
        if not connection.is_idle() or self.is_closed:
            self._discard(connection)
            return
        self._idle.append((connection, stream, time.monotonic()))
        with suppress(IndexError):  # there is no other, or another thread was quicker
            while (
                len(self._idle) > self._most_idle
                or self._idle[0][2] + self._longest_idle_s < time.monotonic()
            ):
                self._discard(self._idle.popleft()[0])

    def _discard(self, connection: httpcore.ConnectionInterface) -> None:
        self._all.discard(connection)
        _close(connection)


class SharedConnection:
    """Our own way to the service over HTTP/2, where one connection carries all calls."""

    def __init__(self, route: Route) -> None:
        self._pool = _factory(route, is_shared=True)
        self.is_closed = False

    def send(self, call: Call, request: httpcore.Request) -> Answer:
        """Send a request; return its answer, the body of it still to come."""
        if self.is_closed:
            raise ClosedError(_CLOSED)
        # Of all calls one reads for all, so that no wait of another's is its own.
        with limit(call):
            response = self._pool.handle_request(request)
        body = _limited(cast("Iterator[bytes]", response.stream), call)
        return Answer(response.status, response.headers, body, our_end(response), response.close)

    def close(self) -> None:
        """Close all connections, also those in use."""
        self.is_closed = True
        self._pool.close()


class ForeignTransport:
    """The application's own way to the service, which need not keep time."""

    def __init__(self, transport: httpx.BaseTransport) -> None:
        self._transport = transport
        self.is_closed = False

    def send(self, call: Call, request: httpx.Request) -> Answer:
        """Send a request; return its answer, the body of it still to come."""
        if self.is_closed:
            raise ClosedError(_CLOSED)
        # It need not say when it sends.
        call.request_sent = True
        with limit(call):
            response = self._transport.handle_request(request)
        body = _limited(cast("Iterator[bytes]", response.stream), call)
        return Answer(response.status_code, response.headers.raw, body, None, response.close)

    def close(self) -> None:
        """Close it."""
        self.is_closed = True
        self._transport.close()


def _limited(body: Iterator[bytes], call: Call) -> Iterator[bytes]:
    """Give a body piece by piece, each within the call's time."""
    pieces = iter(body)
    while True:
        call.go_on()
        with limit(call):
            piece = next(pieces, None)
        if piece is None:
            return
        yield piece


def _finish(body: Iterator[bytes]) -> None:
    """Bring httpcore's generators to their end, which trio and asyncio want to see.

    Their connection is closed, or its answer is over, so that none of this waits.
    """
    with suppress(Exception):
        for _ in body:
            pass


def _close(connection: httpcore.ConnectionInterface) -> None:
    with shielded(), suppress(Exception):  # it is over, whatever it says
        connection.close()


def _factory(route: Route, *, is_shared: bool) -> httpcore.ConnectionPool:
    """Return what makes connections; for HTTP/2 it also keeps them."""
    settings: dict[str, Any] = {
        "ssl_context": route.ssl_context,
        "max_connections": route.limits.max_connections,
        "max_keepalive_connections": route.limits.max_keepalive_connections,
        "keepalive_expiry": route.limits.keepalive_expiry,
        "http1": route.http1,
        "http2": route.http2,
        "network_backend": Backend(tls_layers=route.tls_layers, is_shared=is_shared),
    }
    proxy = route.proxy
    if proxy is None:
        return httpcore.ConnectionPool(**settings)
    url = httpcore.URL(
        scheme=proxy.url.raw_scheme,
        host=proxy.url.raw_host,
        port=proxy.url.port,
        target=proxy.url.raw_path,
    )
    if proxy.url.scheme.startswith("socks"):
        return httpcore.SOCKSProxy(url, proxy_auth=proxy.raw_auth, **settings)
    return httpcore.HTTPProxy(
        url,
        proxy_auth=proxy.raw_auth,
        proxy_headers=proxy.headers.raw,
        proxy_ssl_context=proxy.ssl_context,
        **settings,
    )


def _or(default: _T, given: _T | None) -> _T:
    return default if given is None else given
