# Made from facade/_transport/_async/exchange.py by `make generate`; edit that one.
"""The service, and one exchange with it."""

import json as json_format
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import httpcore
import httpx

from facade._rules.error_mapping import BODY_LIMIT, failure_from_status
from facade._transport._sync.pool import (
    Answer,
    ForeignTransport,
    Pool,
    SharedConnection,
)
from facade._transport.body import Body
from facade._transport.call import Call
from facade._transport.config import Config
from facade._transport.duplex_sync import Duplex
from facade._transport.exceptions import ClosedError, facts_of, ours, reason_of
from facade._transport.logs import forget, keep_out_of_logs
from facade._transport.route import route
from facade._transport.waiting_sync import checkpoint, shielded
from facade.errors import APIConnectionError, InvalidRequestError

# Seconds that the body of a failure is waited for: the status alone says most of it.
FAILURE_BODY_S = 5.0
# After the end mark of a stream the rest of its body is read, so that its connection can be used
# again: no more than so many bytes, and for no more than so many seconds.
_REST_BYTES = 64 * 1024
_REST_S = 0.25

# For a success the generated functions would parse the body, and stumble over what real servers
# send. For this they parse nothing: the exchange keeps the answer.
_UNPARSED = httpx.Response(204)


class _Transport(Protocol):
    @property
    def is_closed(self) -> bool: ...

    def send(self, call: Call, request: Any) -> Answer: ...

    def close(self) -> None: ...


class Service:
    """The service as one client knows it: the way to it, and what every request to it has.

    Attributes:
        config: What the client was built with.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        keep_out_of_logs(config)
        self._route = route(config)
        url = config.base_url
        self._headers = [
            ("Host", url.netloc.decode()),
            ("Accept", "*/*"),
            ("Connection", "keep-alive"),
            *config.headers.items(),
        ]
        self._core_headers = [(name.encode(), value.encode()) for name, value in self._headers]
        self._upgrades: Pool | None = None
        self._urls: dict[str, httpcore.URL] = {}
        self._transport: _Transport
        if self._route.transport is not None:
            self._transport = ForeignTransport(self._route.transport)
        elif self._route.http2:
            self._transport = SharedConnection(self._route)
        else:
            self._transport = Pool(self._route, self._url("").origin)

    @property
    def is_closed(self) -> bool:
        """Whether its connections have been closed for good."""
        return self._transport.is_closed

    def exchange(self, call: Call, *, is_whole: bool) -> "Exchange":
        """Return what sends the one request of an attempt at a call.

        Args:
            call: The call.
            is_whole: Whether the answer is taken whole, and not piece by piece.
        """
        return Exchange(self, call, is_whole=is_whole)

    def send(
        self,
        call: Call,
        method: str,
        path: str,
        params: Mapping[str, Any],
        headers: Mapping[str, str],
        content: bytes,
    ) -> Answer:
        """Send a request; return its answer, the body of it still to come."""
        key = self.config.key
        if self._route.transport is not None:
            url = self.config.base_url.join(self._target(path, params))
            own = [*self._headers, ("Authorization", f"Bearer {key}"), *headers.items()]
            request: Any = httpx.Request(
                method,
                url,
                headers=own,
                content=content,
                extensions={"timeout": call.httpx_timeouts()},
            )
        else:
            own_core = [
                *self._core_headers,
                (b"Authorization", b"Bearer " + key.encode()),
                *((name.encode(), value.encode()) for name, value in headers.items()),
            ]
            if content:
                own_core.append((b"Content-Length", b"%d" % len(content)))
            request = httpcore.Request(
                method,
                self._url(self._target(path, params)),
                headers=own_core,
                content=_Content(content),
                extensions={"timeout": call.httpcore_timeouts()},
            )
        return self._finished(call, partial(self._transport.send, call, request))

    def upgrade(self, call: Call, path: str, query: str, headers: Mapping[str, str]) -> Answer:
        """Ask for another protocol, and return the answer.

        Args:
            call: The call.
            path: What is asked for, below the base URL.
            query: The query, encoded.
            headers: Those that are of the other protocol.

        Raises:
            InvalidRequestError: The client has a transport of its own.
        """
        own = [header for header in self._headers if header[0] != "Connection"]
        own += [("Authorization", f"Bearer {self.config.key}"), *headers.items()]
        target = self._target(path, {})
        request = httpcore.Request(
            "GET",
            self._url(f"{target}{'&' if '?' in target else '?'}{query}"),
            headers=own,
            content=_Content(b""),
            extensions={"timeout": call.httpcore_timeouts()},
        )
        return self._finished(call, partial(self._pool().upgrade, call, request))

    def close(self) -> None:
        """Close all connections."""
        forget(self.config)
        self._transport.close()
        if self._upgrades is not None:
            self._upgrades.close()

    def _finished(self, call: Call, send: Callable[[], Answer]) -> Answer:
        """Return what `send` returns, and leave nothing half made behind."""
        try:
            return send()
        finally:
            # httpcore leaves open what a proxy refuses, and what is cancelled, while it is made.
            unfinished, call.connection = call.connection, None
            if unfinished is not None:
                with shielded():
                    unfinished.close()

    def _pool(self) -> Pool:
        """Return what makes connections of HTTP/1.1, which alone may be upgraded."""
        if isinstance(self._transport, Pool):
            return self._transport
        if self._route.transport is not None:
            raise InvalidRequestError(
                "has a transport of its own, which carries no realtime session; build a client "
                "without `transport` and `mounts` for it",
                param="httpx_args",
            )
        if self._upgrades is None:
            # TLS has settings of its own for HTTP/2, which are not to be shared.
            others = {
                name: value for name, value in self.config.httpx_args.items() if name != "http2"
            }
            way = route(replace(self.config, httpx_args={**others, "http1": True}))
            self._upgrades = Pool(way, self._url("").origin)
        return self._upgrades

    def _target(self, path: str, params: Mapping[str, Any]) -> str:
        target = self.config.base_url.raw_path.decode().rstrip("/") + path
        query = self._route.params.merge(params)
        return f"{target}?{query}" if query else target

    def _url(self, target: str) -> httpcore.URL:
        url = self._urls.get(target)
        if url is None:
            base = self.config.base_url
            url = httpcore.URL(
                scheme=base.raw_scheme, host=base.raw_host, port=base.port, target=target
            )
            if "?" not in target:
                self._urls[target] = url
        return url


class _Content:
    """The body of a request. httpcore's own leaves a generator open where its task is cancelled."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._pieces: Iterator[bytes] = iter(())

    def __iter__(self) -> Iterator[bytes]:
        self._pieces = iter((self._content,))
        return self

    def __next__(self) -> bytes:
        for piece in self._pieces:
            return piece
        raise StopIteration


class Exchange:
    """One request and its answer: what the generated functions take for their httpx client.

    Attributes:
        content: The body of the answer, where it is taken whole.
    """

    def __init__(self, service: Service, call: Call, *, is_whole: bool) -> None:
        self.call = call
        self._is_whole = is_whole
        self.content = b""
        self._service = service
        self._config = service.config
        self._answer: Answer | None = None
        self._pieces: Iterator[bytes] | None = None
        self._is_counted = False
        self._is_logged = False

    def request(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send the request, and take in the answer: the whole of it, or only its head.

        Raises:
            APIStatusError: The status is not 200.
            APIConnectionError: The answer is too large, or cannot be decompressed.
            Exception: Whatever the transport raises.
        """
        call = self.call
        content = b"" if json is None else _json(json)
        call.method, call.path = method.upper(), self._config.base_url.path.rstrip("/") + url
        answer = self._service.send(call, call.method, url, params or {}, headers or {}, content)
        self._take_head(answer)
        if call.status != 200:
            raise self._failure()
        # A stream is never held whole, and each of its events has a limit.
        body = Body(call, self._config, None if call.is_stream else self._config.max_audio_bytes)
        body.expect(call.headers.get("content-length", ""))
        if self._is_whole:
            self.content = self._read(body)
            self.close()
        elif call.is_stream and body.is_plain and answer.connection is not None:
            # Our end of the connection keeps the time. To take it as it is costs half as much.
            self._pieces = answer.body
        else:
            self._is_counted = True
            self._pieces = self._counted(body)
        return _UNPARSED

    def upgrade(self, url: str, query: str, headers: Mapping[str, str]) -> Duplex:
        """Ask for another protocol; return the connection on which it begins.

        Args:
            url: What is asked for, below the base URL.
            query: The query, encoded.
            headers: Those that are of the other protocol.

        Raises:
            APIStatusError: The service refuses.
            APIConnectionError: It answers with a success of another kind.
            Exception: Whatever the transport raises.
        """
        call = self.call
        call.method, call.path = "GET", self._config.base_url.path.rstrip("/") + url
        call.wait_for("connect_s", call.timeouts.connect_s)
        try:
            self._take_head(self._service.upgrade(call, url, query, headers))
        finally:
            # Nothing to speak was in it, and so nothing is billed.
            call.request_sent = False
        assert self._answer is not None  # noqa: S101 - it has come
        if self._answer.duplex is not None:
            return self._answer.duplex
        if call.status == 200:
            raise APIConnectionError(
                f"{self._config.address} answered with 200 and begins no WebSocket; is the base "
                "URL right, and is there a proxy that knows none?",
                **facts_of(call),
            )
        raise self._failure()

    def next(self) -> bytes | None:
        """Wait for the next piece of the answer; return `None` at its end.

        Raises:
            APIConnectionError: It is too large, or cannot be decompressed.
            Exception: Whatever the transport raises.
        """
        assert self._pieces is not None  # noqa: S101 - the answer has come
        try:
            piece = next(self._pieces)
        except StopIteration:
            return None
        if not self._is_counted:
            self.call.bytes_received += len(piece)
        return piece

    def read_rest(self) -> None:
        """Read what is left of a stream behind its end mark, within bounds, and close it."""
        self.call.wait_for("read_s", _REST_S)
        size = 0
        try:
            while size < _REST_BYTES and (piece := self.next()) is not None:
                size += len(piece)
        except Exception:  # noqa: BLE001, S110
            # The audio is whole; the connection is closed with what is wrong with it.
            pass
        self.close()

    def close(self) -> None:
        """Give the connection back where the answer was read to its end; else close it."""
        answer, self._answer = self._answer, None
        # From now on the connection may be another call's.
        self.call.stream = None
        if answer is not None:
            answer.close()
            self._log()

    def hang_up(self) -> None:
        """Tell the service that nobody listens any more, without a lock and without waiting."""
        if self._answer is not None and self._answer.connection is not None:
            self._answer.connection.hang_up()

    def failed(self, error: BaseException, outer: BaseException | None) -> BaseException:
        """Close the exchange that `error` has ended; return what to raise in its place."""
        self.close()
        self._log()
        return self.told(error, outer)

    def loss(self, error: Exception) -> tuple[str, BaseException]:
        """Say why a connection with another protocol is lost: in words, and by which exception."""
        cause = self.told(error, None)
        is_stuck = isinstance(error, httpcore.WriteTimeout)
        reason = "it takes nothing that is sent" if is_stuck else reason_of(cause)
        return f"the connection to {self._config.address} was lost: {reason}", cause

    def told(self, error: BaseException, outer: BaseException | None) -> BaseException:
        """Return what to raise in place of `error`."""
        if self._service.is_closed and isinstance(error, httpcore.NetworkError):
            closed = ClosedError("the client has been closed")
            closed.__cause__ = error
            error = closed
        return ours(error, self.call, self._config, outer)

    def _take_head(self, answer: Answer) -> None:
        self._answer = answer
        self.call.status = answer.status
        self.call.headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in answer.headers
        }

    def _log(self) -> None:
        if not self._is_logged:
            self._is_logged = True
            self.call.log()

    def _read(self, body: Body) -> bytes:
        pieces = []
        assert self._answer is not None  # noqa: S101 - it has come
        for chunk in self._answer.body:
            for piece in body.take(chunk):
                pieces.append(piece)
                if not body.is_plain:
                    checkpoint()
        body.finish()
        return b"".join(pieces)

    def _counted(self, body: Body) -> Iterator[bytes]:
        """Give the body piece by piece, within bounds, as it was before it was compressed."""
        assert self._answer is not None  # noqa: S101 - it has come
        for chunk in self._answer.body:
            for piece in body.take(chunk):
                yield piece
                if not body.is_plain:
                    self.call.go_on()
                    checkpoint()
        body.finish()

    def _failure(self) -> BaseException:
        """Read the body of a failure, as far as it is worth, and return the exception for it."""
        assert self._answer is not None  # noqa: S101 - it has come
        call, said = self.call, bytearray()
        call.wait_for("read_s", min(FAILURE_BODY_S, max(call.left_s(), 0)))
        try:
            body = Body(call, self._config, 16 * BODY_LIMIT)
            for chunk in self._answer.body:
                for piece in body.take(chunk):
                    said += piece
                if len(said) >= BODY_LIMIT:
                    break
        except Exception:  # noqa: BLE001, S110
            # The status says what happened; a body that breaks off only says less.
            pass
        status = call.status or 0
        failure = failure_from_status(
            status,
            call.headers,
            bytes(said),
            now=time.time(),
            is_speech=not call.path.endswith("/voices"),
        )
        assert failure is not None  # noqa: S101 - the status is not 200
        return failure


def _json(document: Any) -> bytes:
    return json_format.dumps(
        document, ensure_ascii=False, separators=(",", ":"), allow_nan=False
    ).encode()
