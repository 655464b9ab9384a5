"""Does to an answer what its fault says."""

import asyncio
import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from together_emulator.body import read_body
from together_emulator.errors import ApiError
from together_emulator.events import is_audio, malformed, spoiled
from together_emulator.fault import (
    ERROR_BODIES,
    ERROR_EVENTS,
    EVENT_STYLES,
    STATUSES_WITH_PAGE,
    STATUSES_WITHOUT_BODY,
    Fault,
)
from together_emulator.record import Record
from together_emulator.session_faults import FaultySession

HEADER = "x-emulate-fault"
"""The request header that asks for a fault."""

_PIECE_BYTES = 16384
# Of a WAV file.
_HEADER_BYTES = 44
_COMMENTS_EVERY_S = 0.05


class Faults:
    """The faults of the next requests, and those that have come to nothing."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget them all."""
        self._waiting: list[Fault] = []
        self._taken: list[Fault] = []

    def add(self, faults: Iterable[Fault]) -> None:
        """Let these wait for a request each."""
        self._waiting += faults

    def take(self) -> Fault | None:
        """The fault of the next request, if there is one."""
        if not self._waiting:
            return None
        fault = self._waiting.pop(0)
        self._taken.append(fault)
        return fault

    def happened(self, fault: Fault) -> None:
        """Say that a fault has changed its answer."""
        self._taken = [taken for taken in self._taken if taken is not fault]

    def unused(self) -> list[Fault]:
        """Those that have not happened: their answer had no place for them, or they still wait."""
        return self._taken + self._waiting


class InjectFaults:
    """Gives each request its fault: that of its header, or else the next one that waits."""

    def __init__(
        self,
        app: ASGIApp,
        faults: Faults,
        reset: Callable[[Scope], None],
        stall: Callable[[Scope], None],
    ) -> None:
        self._app = app
        self._faults = faults
        self._reset = reset
        self._stall = stall

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = self._fault(Headers(scope=scope))
        if fault is None:
            await self._app(scope, receive, send)
            return
        record: Record = scope["record"]
        record.fault = str(fault)
        happened = partial(self._faults.happened, fault)
        if scope["type"] == "websocket":
            session = FaultySession(
                fault,
                receive,
                send,
                record=record,
                happened=happened,
                reset=partial(self._reset, scope),
                stall=partial(self._stall, scope),
            )
            answer = _answer(fault)
            if answer is not None:
                happened()
            try:
                await (answer or self._app)(scope, session.receive, session.send)
            finally:
                session.end()
            return
        faulty = _FaultySend(fault, receive, send, happened)
        answer = _answer(fault)
        if answer is not None:
            happened()
            record.note_body(await read_body(Request(scope, receive)))
        try:
            await (answer or self._app)(scope, receive, faulty)
        except _Cut:
            # The server closes the connection of an answer that is not complete.
            if fault.abort is not None:
                self._reset(scope)

    def _fault(self, headers: Headers) -> Fault | None:
        text = headers.get(HEADER)
        if text is None:
            return self._faults.take()
        try:
            return Fault.parse(text)
        except ValueError as error:
            raise ApiError(400, f"{HEADER}: {error}") from error


class _Cut(Exception):  # noqa: N818
    """The answer ends here."""


def _answer(fault: Fault) -> Response | None:
    """The answer in place of the true one, if there is to be one."""
    if fault.status is None and fault.redirect is None:
        return None
    status = fault.status or 307
    error = ApiError(status, fault.message)
    at_the_edge = status in STATUSES_WITH_PAGE
    body = fault.body or ("html" if at_the_edge else "contract")
    headers = {
        **({"cf-ray": "0123456789abcdef-EMU"} if at_the_edge else {}),
        **(
            {"x-ratelimit-limit": "10", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "0.075"}
            if status == 429
            else {}
        ),
        **({"retry-after": fault.retry_after} if fault.retry_after is not None else {}),
        **({"x-ratelimit-reset": fault.reset} if fault.reset is not None else {}),
        **({"location": fault.redirect} if fault.redirect is not None else {}),
    }
    if status in STATUSES_WITHOUT_BODY:
        return Response(status_code=status, headers=headers)
    media_type = {"html": "text/html", "text": "text/plain"}.get(body, "application/json")
    return Response(ERROR_BODIES[body](error), status, headers, media_type)


class _FaultySend:
    """Sends the messages of an answer as its fault wants them."""

    def __init__(
        self, fault: Fault, receive: Receive, send: Send, happened: Callable[[], None]
    ) -> None:
        self._fault = fault
        self._receive = receive
        self._send = send
        self._happened = happened
        self._is_stream = False
        self._is_over = False
        self._has_failed = False
        self._sent = 0
        self._audio_events = 0

    async def __call__(self, message: Message) -> None:
        if self._is_over:
            return
        if message["type"] == "http.response.start":
            await self._start(message)
        else:
            await self._body(message.get("body", b""), bool(message.get("more_body")))

    async def _start(self, message: Message) -> None:
        headers = MutableHeaders(scope=message)
        self._is_stream = headers.get("content-type", "").startswith("text/event-stream")
        if self._fault.short is not None and not self._is_stream:
            length = min(self._fault.short, int(headers.get("content-length", 0)))
            headers["content-length"] = str(length)
        await self._pause(self._fault.delay_headers)
        if not self._is_over:
            await self._send(message)
            await self._pause(self._fault.delay_audio)
        while self._is_stream and self._fault.only_comments and not self._is_over:
            await self._write(b": still alive\n\n")
            await self._pause(_COMMENTS_EVERY_S)

    async def _body(self, body: bytes, more: bool) -> None:
        if self._is_stream:
            pieces = list(self._events(body, more))
        else:
            body = self._spoilt(body)
            pieces = [body]
        if self._fault.delay_chunks and not self._is_stream:
            pieces = [
                body[start : start + _PIECE_BYTES] for start in range(0, len(body), _PIECE_BYTES)
            ]
        for piece in pieces:
            if self._sent:
                await self._pause(self._fault.delay_chunks)
            if self._is_over:
                return
            await self._write(piece)
        if not more or self._has_failed:
            self._is_over = True
            await self._send({"type": "http.response.body"})

    def _spoilt(self, body: bytes) -> bytes:
        """What is sent in place of a body that is no stream; it comes in one piece."""
        if self._fault.mute:
            self._happened()
            body = body[:_HEADER_BYTES].ljust(len(body), b"\0")
        if self._fault.short is not None:
            self._happened()
            body = body[: self._fault.short]
        return body

    def _events(self, event: bytes, more: bool) -> Iterator[bytes]:
        """What is sent in place of an event, or of the end mark after which no more comes."""
        fault = self._fault
        if not more and fault.no_end_mark:
            self._happened()
            return
        if more and is_audio(event):
            self._audio_events += 1
            if self._audio_events == fault.at:
                if fault.error_event is not None:
                    error = ApiError(500, fault.message)
                    self._happened()
                    yield ERROR_EVENTS[fault.error_event](error)
                    self._has_failed = True
                elif fault.malformed_event:
                    self._happened()
                    event = malformed(event)
                elif fault.bad_base64:
                    self._happened()
                    event = spoiled(event)
        if self._has_failed:
            return
        if fault.sse is not None:
            self._happened()
            event = EVENT_STYLES[fault.sse](event)
        yield event

    async def _write(self, piece: bytes) -> None:
        limits = [limit for limit in (self._fault.cut, self._fault.abort) if limit is not None]
        left = min(limits, default=math.inf) - self._sent
        self._sent += len(piece)
        if left > len(piece):
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
            return
        self._happened()
        piece = piece[: int(left)]
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        raise _Cut

    async def _pause(self, seconds: float) -> None:
        """Wait, unless the client goes away."""
        if seconds and not self._is_over:
            self._happened()
            gone = asyncio.create_task(_disconnect(self._receive))
            await asyncio.wait({gone}, timeout=seconds)
            self._is_over = gone.done()
            gone.cancel()


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
