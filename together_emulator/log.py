"""What was asked of the emulator, and what it would have cost."""

import asyncio
import json
import time
from collections import Counter, deque
from collections.abc import Mapping

from starlette.datastructures import Headers, QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from together_emulator.catalogue import models
from together_emulator.record import Record

MAX_RECORDS = 1000
"""How many requests the log keeps; the counts go on."""

MAX_MOMENTS = 100_000
"""Of how many requests it keeps when they came and how they were answered."""

CONTROL = "/emulator"
"""The path below which the emulator itself is controlled."""

HEALTH = ("/health", "/v1/health")
DOCUMENT = ("/openapi.json", "/v1/openapi.json")

# Of the event loop: a closed connection takes three or four to reach who waits for its end.
_TURNS = 10

# Whatever may carry a key.
_SECRET = frozenset(
    {"authorization", "proxy-authorization", "cookie", "x-api-key", "api-key", "api_key"}
)


def is_own(path: str) -> bool:
    """Whether an address is the emulator's own: it needs no key there, and nothing is logged."""
    return path.startswith(CONTROL + "/") or path in HEALTH or path in DOCUMENT


class RequestLog:
    """The requests since the start, or since it was cleared."""

    def __init__(self) -> None:
        self._start_s = time.monotonic()
        self.clear()

    def now_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start_s

    def clear(self) -> None:
        """Forget everything."""
        self._records: deque[Record] = deque(maxlen=MAX_RECORDS)
        # A record only while its request is open, then its moment as JSON, which takes little room.
        self._moments: deque[bytes | Record] = deque(maxlen=MAX_MOMENTS)
        self._count = 0
        self._characters: Counter[str] = Counter()

    def add(self, scope: Scope) -> Record:
        """Begin the record of a request."""
        self._count += 1
        record = Record(
            number=self._count,
            method=scope.get("method", "GET"),
            path=scope["path"],
            query=_public(QueryParams(scope.get("query_string", b""))),
            headers=_public(Headers(scope=scope)),
            at_s=self.now_s(),
        )
        self._records.append(record)
        self._moments.append(record)
        return record

    def begin(self, record: Record, status: int) -> None:
        """Note that an answer begins."""
        record.status = status
        record.answered_s = self.now_s()

    def close(self, record: Record) -> None:
        """Note that a request is over."""
        place = record.number - self._count - 1
        # Not if it was forgotten, nor if its number is another's since the log was cleared.
        if -len(self._moments) <= place < 0 and self._moments[place] is record:
            self._moments[place] = _json(record.moment())

    def bill(self, record: Record, model: str, characters: int) -> None:
        """Count the characters of a text that is answered with audio."""
        record.accept(model, characters)
        self._characters[model] += characters

    async def catch_up(self) -> None:
        """Let requests be settled whose clients have gone away before now."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    def moments(self) -> bytes:
        """The moments of the requests, as a JSON list of lists."""
        known = (
            each if isinstance(each, bytes) else _json(each.moment()) for each in self._moments
        )
        return b"[" + b",".join(known) + b"]"

    def report(self) -> bytes:
        """Everything, as JSON."""
        prices = {name: models()[name].usd_per_million_characters for name in self._characters}
        report = {
            "requests": [vars(record) for record in self._records],
            "count": self._count,
            "characters": self._characters,
            "usd": {
                name: None if price is None else self._characters[name] * price / 1_000_000
                for name, price in prices.items()
            },
        }
        return _json(report)


class LogRequests:
    """Puts every request into the log, and its `Record` into the scope as ``record``."""

    def __init__(self, app: ASGIApp, log: RequestLog) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if is_own(scope["path"]):
            await self._app(scope, receive, send)
            return
        record = self._log.add(scope)
        client = _Client(receive, record)

        async def receive_and_note() -> Message:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                # Only a closing handshake says why.
                record.settle("complete" if message.get("reason") is not None else "broken")
            return message

        async def send_and_note(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                self._log.begin(record, message["status"])
            elif message["type"] == "websocket.accept":
                self._log.begin(record, 101)
            await send(message)
            if message.get("more_body") or message["type"] == "websocket.send":
                # Else what is at hand would all be written before it is seen that nobody is there,
                # and asyncio complains of each piece.
                await asyncio.sleep(0)
            elif message["type"] in ("http.response.body", "websocket.http.response.body"):
                record.settle("complete")

        is_session = scope["type"] == "websocket"
        try:
            await self._app(
                {**scope, "record": record},
                receive_and_note if is_session else client.receive,
                send_and_note,
            )
        finally:
            client.forget()
            record.settle("broken")
            self._log.close(record)


class _Client:
    """Passes on what a client sends, and notes as soon as it goes away."""

    def __init__(self, receive: Receive, record: Record) -> None:
        self._receive = receive
        self._record = record
        self._end: asyncio.Task[None] | None = None

    async def receive(self) -> Message:
        """The next message, as in ASGI."""
        if self._end is not None:
            await asyncio.wait({self._end})
            return {"type": "http.disconnect"}
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._record.settle("broken")
        elif not message.get("more_body"):
            self._end = asyncio.create_task(self._await_end())
        return message

    def forget(self) -> None:
        """Note nothing any more."""
        if self._end is not None:
            self._end.cancel()

    async def _await_end(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._record.settle("broken")


def _json(value: object) -> bytes:
    """Write JSON, in ASCII only: a body may hold a lone surrogate, which UTF-8 cannot carry."""
    return json.dumps(value).encode("ascii")


def _public(pairs: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in pairs.items() if name.lower() not in _SECRET}
