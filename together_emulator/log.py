"""What was asked of the emulator, and what it would have cost."""

import json
from collections import Counter, deque
from collections.abc import Mapping

from starlette.datastructures import Headers, QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from together_emulator.catalogue import models
from together_emulator.record import Record

MAX_RECORDS = 1000
"""How many requests the log keeps; the counts go on."""

CONTROL = "/emulator"
"""The path below which the emulator itself is controlled; nothing there is logged."""

# Whatever may carry a key.
_SECRET = frozenset(
    {"authorization", "proxy-authorization", "cookie", "x-api-key", "api-key", "api_key"}
)


class RequestLog:
    """The requests since the start, or since it was cleared."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._records: deque[Record] = deque(maxlen=MAX_RECORDS)
        self._count = 0
        self._characters: Counter[str] = Counter()

    def add(self, scope: Scope) -> Record:
        """Begin the record of a request."""
        self._count += 1
        record = Record(
            number=self._count,
            method=scope["method"],
            path=scope["path"],
            query=_public(QueryParams(scope.get("query_string", b""))),
            headers=_public(Headers(scope=scope)),
        )
        self._records.append(record)
        return record

    def count(self, record: Record) -> None:
        """Add the characters of an accepted request to its model's."""
        if record.model is not None:
            self._characters[record.model] += record.characters

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
        # ASCII only: a body may hold a lone surrogate, which UTF-8 cannot carry.
        return json.dumps(report).encode("ascii")


class LogRequests:
    """Puts every request into the log, and its `Record` into the scope as ``record``."""

    def __init__(self, app: ASGIApp, log: RequestLog) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(CONTROL + "/"):
            await self._app(scope, receive, send)
            return
        record = self._log.add(scope)

        async def send_and_note(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                record.state = "complete"

        try:
            await self._app({**scope, "record": record}, receive, send_and_note)
        finally:
            if record.state == "open" or record.status == 499:
                record.state = "broken"
            self._log.count(record)


def _public(pairs: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in pairs.items() if name.lower() not in _SECRET}
