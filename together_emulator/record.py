"""The record of one request."""

import json
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import Literal, NamedTuple, TypeAlias

from together_emulator.catalogue import models

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
State = Literal["open", "complete", "broken"]

MAX_BODY_BYTES = 1 << 16
"""The largest body that is kept."""

MAX_BODY_DEPTH = 50
"""How deep the body of a request may be nested to be kept."""

MAX_EVENTS = 1000
"""How many events of a realtime session are kept, the last ones."""


MAX_MOMENT_CHARACTERS = 40
"""How much of a text a `Moment` has."""


class Moment(NamedTuple):
    """What is kept of a request when thousands have come after it.

    The attributes are those of `Record`, and `text` is the beginning of the input, at most 40
    characters, or empty.
    """

    number: int
    at_s: float
    answered_s: float | None
    status: int | None
    error_type: str | None
    characters: int
    state: State
    text: str


@dataclass(repr=False)
class Record:
    """One request, or one realtime session.

    Attributes:
        number: Its place among all requests, from 1.
        method: As in HTTP.
        path: Without the query.
        query: The query, without a key.
        headers: The headers by their names in lower case, without those that may carry a key.
        body: The body where it is a JSON object of at most 64 KiB; else empty.
        events: What the client of a realtime session has sent, the last 1000 events; one of more
            than 64 KiB is empty.
        fault: The fault that was asked for.
        warnings: What is ignored of the body: fields that the contract does not know, and options
            that the model does not honour.
        status: The HTTP status code of the answer, as soon as it begins; 101 for a session.
        error_type: The limit that it was refused by, ``"dynamic_request_limited"`` or
            ``"dynamic_token_limited"``.
        model: The model of a request that was accepted, and the last that a session spoke with.
        characters: The length of its input, which is what the service bills. Of a session, that of
            all text that went to the model.
        usd: What that costs by the published price; None where none is published.
        spoken_s: Seconds of audio that were spoken so far.
        state: ``"open"``, then ``"complete"`` (all of the answer was handed to the network) or
            ``"broken"`` (the client went away before, the answer was cut, or the emulator failed).
            A session is complete when its client has closed it in order.
        at_s: When it came, in seconds since the emulator's start.
        answered_s: When its answer began, on the same clock.
    """

    number: int
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: dict[str, JsonValue] = field(default_factory=dict)
    events: list[dict[str, JsonValue]] = field(default_factory=list)
    fault: str | None = None
    warnings: list[str] = field(default_factory=list)
    status: int | None = None
    error_type: str | None = None
    model: str | None = None
    characters: int = 0
    usd: float | None = None
    spoken_s: float = 0.0
    state: State = "open"
    at_s: float = 0.0
    answered_s: float | None = None

    def __repr__(self) -> str:
        """What there is to say, without moments, nor headers, which nearly all have alike."""
        said = {
            each.name: getattr(self, each.name)
            for each in fields(self)
            if each.name not in ("headers", "at_s", "answered_s")
        }
        blank = {each.name: each.default for each in fields(self)}
        shown = (
            f"{name}={value!r}"
            for name, value in said.items()
            if value not in (blank[name], {}, [])
        )
        return f"Record({', '.join(shown)})"

    def note_body(self, body: bytes) -> None:
        """Keep the body if it is a JSON object of a reasonable size."""
        self.body = _kept(body)

    def moment(self) -> Moment:
        """What is kept of it for longer."""
        text = self.body.get("input")
        return Moment(
            number=self.number,
            at_s=self.at_s,
            answered_s=self.answered_s,
            status=self.status,
            error_type=self.error_type,
            characters=self.characters,
            state=self.state,
            text=text[:MAX_MOMENT_CHARACTERS] if isinstance(text, str) else "",
        )

    def note_event(self, text: str) -> None:
        """Keep an event of a session as a body is kept."""
        self.events.append(_kept(text))
        del self.events[:-MAX_EVENTS]

    def settle(self, state: State) -> None:
        """Say how it ended, unless that is known already."""
        if self.state == "open":
            self.state = state

    def accept(self, model: str, characters: int) -> None:
        """Note that text is answered with audio."""
        price = models()[model].usd_per_million_characters
        before = 0.0 if self.model is None else self.usd
        self.usd = (
            None if price is None or before is None else before + characters * price / 1_000_000
        )
        self.model = model
        self.characters += characters


def _kept(text: bytes | str) -> dict[str, JsonValue]:
    """The JSON object in a text, or an empty one if it is none of a reasonable size."""
    if len(text) <= MAX_BODY_BYTES:
        with suppress(ValueError, RecursionError):
            value = json.loads(text, parse_constant=str)
            if isinstance(value, dict) and _depth(value) <= MAX_BODY_DEPTH:
                return value
    return {}


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
