"""What was asked of the emulator, and what it would have cost."""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

from starlette.datastructures import Headers, QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from together_emulator.catalogue import models

MAX_RECORDS = 1000
"""How many requests the log keeps; the counts go on."""

CONTROL = "/emulator"
"""The path below which the emulator itself is controlled; nothing there is logged."""

# Whatever may carry a key.
_SECRET = frozenset(
    {"authorization", "proxy-authorization", "cookie", "x-api-key", "api-key", "api_key"}
)


@dataclass
class Record:
    """One request.

    Attributes:
        number: Its place among all requests, from 1.
        method: As in HTTP.
        path: Without the query.
        query: The query, without a key.
        headers: The headers by their names in lower case, without those that may carry a key.
        body: The body where it is JSON.
        warnings: What the contract does not know in the body.
        status: The HTTP status code of the answer, as soon as it begins.
        model: The model of a request that was accepted.
        characters: The length of its input, which is what the service bills.
        usd: What that costs by the published price; None where none is published.
        spoken_s: Seconds of audio that were spoken so far.
        state: ``"open"``, then ``"complete"`` or ``"broken"`` (the client went away, the answer was
            cut, or the emulator failed).
    """

    number: int
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: object = None
    warnings: list[str] = field(default_factory=list)
    status: int | None = None
    model: str | None = None
    characters: int = 0
    usd: float | None = None
    spoken_s: float = 0.0
    state: Literal["open", "complete", "broken"] = "open"

    def accept(self, model: str, characters: int) -> None:
        """Note that the request is answered with audio."""
        self.model = model
        self.characters = characters
        price = models()[model].usd_per_million_characters
        self.usd = None if price is None else characters * price / 1_000_000


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

    def report(self) -> dict[str, object]:
        """Everything as JSON knows it."""
        prices = {name: models()[name].usd_per_million_characters for name in self._characters}
        return {
            "requests": [asdict(record) for record in self._records],
            "count": self._count,
            "characters": dict(self._characters),
            "usd": {
                name: None if price is None else self._characters[name] * price / 1_000_000
                for name, price in prices.items()
            },
        }


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
