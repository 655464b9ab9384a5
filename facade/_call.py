"""A call by an application: the time it has, its attempts, what has been seen of the answer."""

import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any, TypeVar

from facade._config import Secret, Timeouts
from facade._rules.retry import BACK_OFF_S, JITTER_S, MAX_BACK_OFF_S, RetryPolicy
from facade.errors import APIStatusError, SpeechError

_T = TypeVar("_T")

logger = logging.getLogger("facade")

# A time limit of 0 would mean "do not wait", and less is no limit at all.
LEAST_S = 0.001


class Call:
    """One call.

    Attributes:
        timeouts: The limits of the call.
        retry: How often and how long to try again.
        is_stream: Whether its answer is taken piece by piece.
        key: What must be in no log and no exception.
        deadline: When the call must end, as `time.monotonic()` tells time.
        limit: Which of the time limits ends first.
        method, path: What the current attempt asks for.
        step: What is being done for it, in httpcore's words, `"start"` before that, or `""` where
            nobody says.
        status: The status of the current attempt's answer, or `None` before it.
        headers: The headers of that answer, names in lower case.
        bytes_received: Bytes of its body so far.
        is_paused: Whether it has been the application's turn since something last came, which does
            not count.
    """

    def __init__(
        self, timeouts: Timeouts, retry: RetryPolicy, key: Secret, *, is_stream: bool = False
    ) -> None:
        self.timeouts = timeouts
        self.is_stream = is_stream
        self.key = key
        self.retry = retry
        self._started = time.monotonic()
        self._failed_at = self._started
        self._failure: BaseException | None = None
        self._attempt = 0
        self.deadline = self._started + timeouts.total_s
        self._waited_until = self._started
        self.is_paused = False
        self.reset()

    def reset(self) -> None:
        """Forget an earlier attempt."""
        self._attempt_started = time.monotonic()
        self.method = self.path = ""
        self.step = "start"
        self.status: int | None = None
        self.headers: Mapping[str, str] = {}
        self.bytes_received = 0
        self._waited_for, self._until = "total_s", math.inf

    @property
    def limit(self) -> str:
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

    def note_arrival(self) -> None:
        """Note that something has come, after which it may be the application's turn."""
        self._waited_until = time.monotonic()

    def begin(self) -> None:
        """Note that an attempt begins."""
        self.reset()
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

    def log(self) -> None:
        """Say in one line what the current attempt was and what came of it."""
        logger.debug(
            "%s %s: status %s, request id %s, %d bytes, %.3f s",
            self.method,
            self.path,
            self.status,
            self.headers.get("x-request-id"),
            self.bytes_received,
            time.monotonic() - self._attempt_started,
        )

    def decide(self, error: Exception) -> bool | float:
        """Say what to do about a failed attempt: the answer is as stamina wants it."""
        self._failed_at = time.monotonic()
        left_s = min(self.deadline, self._started + self.retry.budget_s) - self._failed_at
        decision = self.retry.decide(error, attempt=self._attempt, left_s=left_s)
        # What is raised refers to this call by its traceback, and must not be referred to.
        self._failure = None if decision is False else error
        return decision


# The generated functions take no argument of ours, so httpx's hooks find their call here.
current: ContextVar[Call] = ContextVar("together_speech_call")


def _reason(failure: BaseException) -> str:
    # The service's own words may repeat the text, which no log may hold.
    if isinstance(failure, APIStatusError):
        return f"HTTP {failure.status_code}, request id {failure.request_id}"
    return str(failure)


# --- attempts ------------------------------------------------------------------------------------

# stamina is set to work, and loaded, by the first failure alone: it would cost a twentieth of a
# small call, and leave as much behind for the garbage collector as the whole call does without it.


def repeat(call: Call, send: Callable[[], _T]) -> _T:
    """Return what `send` returns, which is called again as `call.decide` says."""
    try:
        return send()
    except SpeechError as error:
        if call.decide(error) is False:
            raise
        failures = [error]

    def send_again() -> _T:
        if failures:
            raise failures.pop()
        return send()

    from stamina import RetryingCaller

    return RetryingCaller(**_settings(call))(call.decide, send_again)


async def repeat_async(call: Call, send: Callable[[], Awaitable[_T]]) -> _T:
    """Return what `send` returns, which is called again as `call.decide` says."""
    try:
        return await send()
    except SpeechError as error:
        if call.decide(error) is False:
            raise
        failures = [error]

    async def send_again() -> _T:
        if failures:
            raise failures.pop()
        return await send()

    from stamina import AsyncRetryingCaller

    return await AsyncRetryingCaller(**_settings(call))(call.decide, send_again)


def _settings(call: Call) -> dict[str, Any]:
    return {
        "attempts": call.retry.attempts,
        "timeout": None,
        "wait_initial": BACK_OFF_S,
        "wait_jitter": JITTER_S,
        "wait_max": MAX_BACK_OFF_S,
    }
