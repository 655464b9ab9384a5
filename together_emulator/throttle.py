"""Refuses what is above the limit, and some of what is not."""

import math
import random
from collections.abc import Callable, Iterator, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from together_emulator.body import read_body
from together_emulator.errors import ApiError
from together_emulator.limit import Buckets, Demand
from together_emulator.record import Record

HEADERS = (
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-tokenlimit-limit",
    "x-tokenlimit-remaining",
)

_SEED = 15


class Throttle:
    """What holds for requests now, and what each key has left."""

    def __init__(self, now_s: Callable[[], float], demand: Demand) -> None:
        """Begin with full buckets.

        Args:
            now_s: The clock of the log, in seconds.
            demand: What holds at first, and again after each `reset`.
        """
        self.now_s = now_s
        self._first = demand
        self.reset()

    def reset(self) -> None:
        """Begin anew, with what held at first."""
        self.demand = self._first
        self.requests = Buckets(self._first.limit)
        self.characters = Buckets(self._first.limit_characters)
        # Not secret, and the same in each run.
        self._random = random.Random(_SEED)  # noqa: S311

    def change(self, values: Mapping[str, object]) -> None:
        """Let something else hold from now on; what is not named stays.

        Raises:
            ValueError: One is unknown or out of range.
        """
        self.demand = self.demand.with_(values)
        now_s = self.now_s()
        self.requests.move(self.demand.limit, now_s)
        self.characters.move(self.demand.limit_characters, now_s)

    @property
    def is_on(self) -> bool:
        """Whether anything can be refused."""
        return self.demand != Demand()

    def fails(self) -> bool:
        """Whether the next request that is within the limits is answered with 503."""
        return self._random.random() < self.demand.unavailable


class Turn:
    """One request, and the limits of its key."""

    def __init__(self, throttle: Throttle, key: str, record: Record) -> None:
        self._throttle = throttle
        self._key = key
        self._record = record
        self._characters = 1

    def refusal(self) -> ApiError | None:
        """Count the request; gives the error that answers it, if it is one too many or unlucky."""
        throttle = self._throttle
        # The moment of the log, so that the log shows exactly what the limit let through.
        now_s = self._record.at_s
        bucket = throttle.requests.of(self._key, now_s)
        if bucket is not None and not bucket.take(1, now_s):
            return self._limited("dynamic_request_limited", "requests")
        if throttle.fails():
            return ApiError(503, "overloaded, which is not the caller's doing")
        return None

    def count(self, characters: int) -> None:
        """Count the characters of a request that is good.

        Raises:
            ApiError: They are too many for now.
        """
        now_s = self._throttle.now_s()
        bucket = self._throttle.characters.of(self._key, now_s)
        if bucket is not None and not bucket.take(characters, now_s):
            self._characters = characters
            raise self._limited("dynamic_token_limited", "characters")

    def _limited(self, error_type: str, what: str) -> ApiError:
        self._record.error_type = error_type
        return ApiError(429, f"too many {what}: see x-ratelimit-reset", error_type=error_type)

    def headers(self) -> Iterator[tuple[str, str]]:
        """What an answer says of the limits."""
        throttle = self._throttle
        now_s = throttle.now_s()
        waits_s = []
        for name, buckets, amount in (
            ("x-ratelimit", throttle.requests, 1),
            ("x-tokenlimit", throttle.characters, self._characters),
        ):
            bucket = buckets.of(self._key, now_s)
            if bucket is not None and buckets.limit is not None:
                yield f"{name}-limit", f"{buckets.limit.per_s:g}"
                yield f"{name}-remaining", str(max(0, math.floor(bucket.level(now_s))))
                waits_s.append(bucket.wait_s(amount, now_s))
        if waits_s:
            # Rounded up: who waits so long is not too early.
            yield "x-ratelimit-reset", f"{math.ceil(max(waits_s) * 1000) / 1000:.3f}"


class LimitRequests:
    """Puts the `Turn` of a request into the scope as ``turn``, or answers in its place."""

    def __init__(self, app: ASGIApp, throttle: Throttle) -> None:
        self._app = app
        self._throttle = throttle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._throttle.is_on:
            await self._app(scope, receive, send)
            return
        record: Record = scope["record"]
        turn = Turn(self._throttle, scope["key"], record)
        refusal = turn.refusal()

        async def send_with_limits(message: Message) -> None:
            if message["type"] == "http.response.start":
                # A fault may have said something else.
                there = {name for name, _ in message["headers"]}
                message["headers"] += [
                    (name.encode("ascii"), value.encode("ascii"))
                    for name, value in turn.headers()
                    if name.encode("ascii") not in there
                ]
            await send(message)

        app = self._app
        if refusal is not None:
            record.note_body(await read_body(Request(scope, receive)))
            app = Response(refusal.body(), refusal.status, media_type="application/json")
        await app({**scope, "turn": turn}, receive, send_with_limits)
