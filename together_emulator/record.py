"""The record of one request."""

import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from together_emulator.catalogue import models

MAX_BODY_BYTES = 1 << 16
"""The largest body that is kept."""

MAX_BODY_DEPTH = 50
"""How deep the body of a request may be nested to be kept."""


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
        fault: The fault that was asked for.
        warnings: What is ignored of the body: fields that the contract does not know, and options
            that the model does not honour.
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
    body: Any = None
    fault: str | None = None
    warnings: list[str] = field(default_factory=list)
    status: int | None = None
    model: str | None = None
    characters: int = 0
    usd: float | None = None
    spoken_s: float = 0.0
    state: Literal["open", "complete", "broken"] = "open"

    def note_body(self, body: bytes) -> None:
        """Keep the body if it is JSON of a reasonable size."""
        if len(body) <= MAX_BODY_BYTES:
            with suppress(ValueError, RecursionError):
                value = json.loads(body, parse_constant=str)
                if _depth(value) <= MAX_BODY_DEPTH:
                    self.body = value

    def accept(self, model: str, characters: int) -> None:
        """Note that the request is answered with audio."""
        self.model = model
        self.characters = characters
        price = models()[model].usd_per_million_characters
        self.usd = None if price is None else characters * price / 1_000_000


def _depth(value: object) -> int:
    depth = 0
    level = [value]
    while level and depth <= MAX_BODY_DEPTH:
        depth += 1
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return depth
