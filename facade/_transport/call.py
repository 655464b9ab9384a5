"""A call by an application: the time it has, how far it is, its attempts.

The call itself is what httpcore is handed in place of numbers of seconds, and what our end of a
socket is handed by httpcore with each wait: so each wait is cut to what the call has left when it
begins, and whatever comes is counted where it comes.
"""

import logging
import math
import os
import time
from collections.abc import Mapping
from typing import Any

import httpx

from facade._rules.retry import RetryPolicy, back_off_s
from facade._transport.config import Secret, Timeouts
from facade.errors import APIStatusError

logger = logging.getLogger("facade")

# A time limit of 0 would mean "do not wait", and less is no limit at all.
LEAST_S = 0.001

# For tests: `off` has no call tried again, `at once` has none wait before it is, nor for the pace
# of a batch. It is read when a call fails, so that it holds for clients that were built before.
RETRIES_SWITCH = "TOGETHER_SPEECH_RETRIES"


class Call:
    """One call.

    Attributes:
        timeouts: The limits of the call.
        retry: How often and how long to try again.
        key: What must be in no log and no exception.
        is_stream: Whether its answer is taken piece by piece.
        deadline: When the call must end, as `time.monotonic()` tells time.
        method, path: What the current attempt asks for.
        peer: What the current attempt is connecting to, or last connected to: the service or a
            proxy.
        connection: Our end of the connection that is being made for the current attempt.
        stream: Our end of the connection that carries the current attempt, where there is one.
        is_in_handshake: Whether the current attempt is in a TLS handshake.
        request_sent: Whether a part of the current attempt's request may have left.
        has_answer: Whether a byte has come back since.
        status: The status of the current attempt's answer, or `None` before it.
        headers: The headers of that answer, names in lower case.
        bytes_received: Bytes of its body so far.
        is_paused: Whether it has been the application's turn since something last came, which does
            not count.
    """

    __slots__ = (
        "_attempt",
        "_attempt_started",
        "_connect_until",
        "_failed_at",
        "_failure",
        "_started",
        "_until",
        "_waited_for",
        "_waited_until",
        "bytes_received",
        "connection",
        "deadline",
        "has_answer",
        "headers",
        "is_in_handshake",
        "is_paused",
        "is_stream",
        "key",
        "method",
        "path",
        "peer",
        "request_sent",
        "retry",
        "status",
        "stream",
        "timeouts",
    )

    def __init__(
        self, timeouts: Timeouts, retry: RetryPolicy, key: Secret, *, is_stream: bool = False
    ) -> None:
        self.timeouts = timeouts
        self.retry = retry
        self.key = key
        self.is_stream = is_stream
        self.is_paused = False
        self._started = self._waited_until = self._failed_at = time.monotonic()
        self.deadline = self._started + timeouts.total_s
        self._failure: BaseException | None = None
        self._attempt = 0
        self._forget()

    def _forget(self) -> None:
        self._attempt_started = time.monotonic()
        self.method = self.path = self.peer = ""
        self.connection: Any = None
        self.stream: Any = None
        self.is_in_handshake = self.request_sent = self.has_answer = False
        self.status: int | None = None
        self.headers: Mapping[str, str] = {}
        self.bytes_received = 0
        self._waited_for, self._until, self._connect_until = "total_s", math.inf, math.inf

    # --- attempts --------------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin an attempt, and forget an earlier one."""
        self._forget()
        self._attempt += 1
        if self._failure is not None:
            logger.info(
                "attempt %d of %d after waiting %.2f s: %s",
                self._attempt,
                self.retry.attempts,
                time.monotonic() - self._failed_at,
                _reason(self._failure),
            )
            self._failure = None
        if self.is_stream:
            self.wait_for("first_audio_s", self.timeouts.first_audio_s)

    def decide(self, error: Exception, chance: float) -> float | None:
        """Return the seconds to wait before another attempt; `None` where there is to be none.

        Args:
            error: What the attempt ended with.
            chance: From 0 to 1, at random, so that not all who failed at once come back at once.
        """
        self._failed_at = time.monotonic()
        left_s = min(self.deadline, self._started + self.retry.budget_s) - self._failed_at
        decision = self.retry.decide(error, attempt=self._attempt, left_s=left_s)
        if decision is False or switched(0.0) is None:
            return None
        # What is raised refers to this call by its traceback, and must not be referred to.
        self._failure = error.with_traceback(None)
        return switched(back_off_s(self._attempt, chance) if decision is True else decision)

    def abort(self) -> None:
        """End the call, from another thread: whoever waits for something of it stops waiting."""
        self.deadline = -math.inf
        for stream in (self.connection, self.stream):
            if stream is not None:
                stream.hang_up()

    def log(self) -> None:
        """Say in one line what the current attempt was and what came of it."""
        logger.debug(
            "%s %s: status %s, request id %s, %d bytes, %.3f s",
            self.method,
            self.path,
            self.status,
            self.shown("x-request-id"),
            self.bytes_received,
            time.monotonic() - self._attempt_started,
        )

    def shown(self, header: str) -> str | None:
        """Return a header of the answer as it may be shown: without the key."""
        value = self.headers.get(header)
        return None if value is None else value.replace(self.key, "[secret]")

    # --- time ------------------------------------------------------------------------------------

    @property
    def limit(self) -> str:
        """The name of the time limit that ends first."""
        return "total_s" if self.deadline <= self._until else self._waited_for

    def left_s(self) -> float:
        """Seconds left of the call's total time, or of what is being waited for."""
        return min(self.deadline, self._until) - time.monotonic()

    def wait_for(self, limit: str, seconds: float) -> None:
        """Let the time limit named `limit` run from now."""
        now = time.monotonic()
        if self.is_paused:
            self.is_paused = False
            self.deadline += now - self._waited_until
        self._waited_for, self._until = limit, now + seconds

    def go_on(self) -> None:
        """Let the application's turn end, if it had one, and let `read_s` run from now."""
        if self.is_paused:
            self.wait_for("read_s", self.timeouts.read_s)

    def check(self) -> None:
        """Raise `httpx.ReadTimeout` where the time is over."""
        if self.left_s() <= 0:
            raise httpx.ReadTimeout("the call's time is over")

    def connecting_s(self) -> float:
        """Seconds that a step of connecting may take; all of them together take `connect_s`."""
        if self._connect_until == math.inf:
            self._connect_until = time.monotonic() + self.timeouts.connect_s
        left = min(self.left_s(), self._connect_until - time.monotonic())
        if left <= 0:
            raise httpx.ConnectTimeout("the time to connect is over")
        return max(left, LEAST_S)

    def writing_s(self) -> float:
        """Seconds that something may take to be sent."""
        left = self.left_s()
        if left <= 0:
            raise httpx.WriteTimeout("the call's time is over")
        return max(min(left, self.timeouts.read_s), LEAST_S)

    def reading_s(self) -> float:
        """Seconds that something may be waited for.

        A steady trickle never times out by itself: so each wait is cut to what is left.
        """
        if self.is_paused:
            self.go_on()
        left = self.left_s()
        if left <= 0:
            raise httpx.ReadTimeout("the call's time is over")
        return max(min(left, self.timeouts.read_s), LEAST_S)

    def note_arrival(self) -> None:
        """Note that something has come, after which it may be the application's turn."""
        self._waited_until = time.monotonic()

    def httpcore_timeouts(self) -> dict[str, Any]:
        """Return what stands for this call's time limits where a request has room for them."""
        return {"connect": self, "read": self, "write": self}

    def httpx_timeouts(self) -> dict[str, float | None]:
        """Return the time limits as plain numbers, for a transport that is not ours."""
        left = max(self.left_s(), LEAST_S)
        connect, read = min(self.timeouts.connect_s, left), min(self.timeouts.read_s, left)
        # Such a transport keeps to it for the whole body, where a stream has another limit.
        body = self.timeouts.read_s if self.is_stream else read
        return {"connect": connect, "write": read, "read": body, "pool": left}


def switched(wait_s: float) -> float | None:
    """Return the seconds to wait before another attempt, as the switch for tests has it."""
    switch = os.environ.get(RETRIES_SWITCH)
    if switch == "off":
        return None
    return 0.0 if switch == "at once" else wait_s


def waits() -> bool:
    """Whether anything waits for its turn, which the switch for tests may take away."""
    return os.environ.get(RETRIES_SWITCH) != "at once"


def _reason(failure: BaseException) -> str:
    # The service's own words may repeat the text, which no log may hold.
    if isinstance(failure, APIStatusError):
        return f"HTTP {failure.status_code}, request id {failure.request_id}"
    return str(failure)
