"""Which failure is worth another attempt, and how long to wait for it."""

from collections.abc import Collection
from dataclasses import dataclass

from facade.errors import (
    APIConnectionError,
    APIStatusError,
    InvalidRequestError,
    StreamInterruptedError,
)

# What the service and the edge in front of it answer for troubles that pass.
_TRANSIENT = (429, 500, 502, 503, 504, *range(520, 531))

# The n-th wait is BACK_OFF_S * 2 ** (n - 1) and up to JITTER_S more, MAX_BACK_OFF_S at most.
BACK_OFF_S = 0.5
JITTER_S = 0.5
MAX_BACK_OFF_S = 8.0

# A connection that was being closed as a request set out has ended by then; one that ends later may
# have ended on the request's account.
RACE_S = 1.0

# The longest time that may be given.
LONGEST_S = 1_000_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """What is sent again, how often, and for how long.

    A request is sent again

    - where it cannot have reached the service: no connection was made to it (refused, not found,
      not in time; but not where TLS failed), or a proxy answered `CONNECT` with 502, 503 or 504;
    - where the service says that it has not begun with it: status 429 or 503, or HTTP/2's
      REFUSED_STREAM;
    - where the service, or the edge in front of it, says that it has failed: status 500, 502, 504,
      and 520 to 530. Most such troubles pass, and Together's and OpenAI's SDKs repeat them too. But
      some of the work may have been done, so the call may be billed twice; `statuses` leaves them
      out.

    It is not sent again where it may have been processed and nobody said otherwise: the answer came
    late, or the connection was lost, unless `resend_after_timeout` is set. Nor is it after a
    stream's first audio, for another status, or where an answer came that is no audio.

    Besides, and whatever the policy says, a request goes out once more on a new connection where
    the service closes a kept connection just as the request sets out: within a second, and without
    a byte of an answer. A service that has begun to speak answers, or takes longer; Chrome does the
    same. This is no further attempt. It is so over HTTP/1.1, and not in a transport of your own.

    A wait that the service names is kept to exactly; else the waits are 0.5 s, 1 s, 2 s, ... 8 s,
    each with up to 0.5 s more at random. A wait that does not fit into the budget is not begun: the
    failure is raised at once.

    For tests the environment variable `TOGETHER_SPEECH_RETRIES` overrules every policy: with `off`
    no call is tried again, with `at once` none waits before it is.

    Attributes:
        attempts: How often a request is sent at most, 1 for no repetition.
        budget_s: Seconds from the beginning of a call in which another attempt may begin, at most
            1,000,000.
        resend_after_timeout: Whether to send a request again that may have reached the service,
            when its answer came late or the connection was lost. Such a request may be processed,
            and billed, twice.
        statuses: The HTTP statuses, from 400 to 599, on which a request is sent again. With
            `(429, 503)` none is that the service may have begun with.
    """

    attempts: int = 3
    budget_s: float = 60.0
    resend_after_timeout: bool = False
    statuses: Collection[int] = _TRANSIENT

    def __post_init__(self) -> None:
        if type(self.attempts) is not int or self.attempts < 1:
            raise InvalidRequestError(
                f"must be a whole number from 1, not {self.attempts!r}", param="retry.attempts"
            )
        if not is_time(self.budget_s):
            raise InvalidRequestError(
                f"must be from 0 to {LONGEST_S:,.0f} seconds, not {self.budget_s!r}",
                param="retry.budget_s",
            )
        statuses = self.statuses
        if not isinstance(statuses, Collection) or not all(
            type(status) is int and 400 <= status <= 599 for status in statuses
        ):
            raise InvalidRequestError(
                f"must be a collection of numbers from 400 to 599, not {statuses!r}",
                param="retry.statuses",
            )
        object.__setattr__(self, "statuses", tuple(sorted(set(statuses))))

    def decide(self, error: BaseException, *, attempt: int, left_s: float) -> bool | float:
        """Say what to do about `error`.

        Args:
            error: What the attempt ended with.
            attempt: Which attempt it was, counted from 1.
            left_s: Seconds left of the budget and of the call's total time, whichever ends first.

        Returns:
            `False` to give up, `True` to back off, or the seconds to wait.
        """
        if attempt >= self.attempts or not self._may_pass(error):
            return False
        asked = error.retry_after_s if isinstance(error, APIStatusError) else None
        if asked is not None:
            return asked if asked <= left_s else False
        return back_off_s(attempt, 1.0) <= left_s

    def _may_pass(self, error: BaseException) -> bool:
        if isinstance(error, APIStatusError):
            return error.status_code in self.statuses
        if isinstance(error, APIConnectionError):
            return error.transient and (not error.request_sent or self.resend_after_timeout)
        if isinstance(error, StreamInterruptedError):
            return self.resend_after_timeout and not error.bytes_received
        return False


def is_time(value: object) -> bool:
    """Whether this is a number of seconds from 0 to `LONGEST_S`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    # A comparison with NaN is false, so NaN is refused too.
    return 0 <= value <= LONGEST_S


def back_off_s(attempt: int, chance: float) -> float:
    """Return the seconds to wait after a failed attempt where the service names none.

    Args:
        attempt: Which attempt it was, counted from 1.
        chance: Which share of the random part to take, from 0 to 1.
    """
    # The limit on the exponent is far beyond MAX_BACK_OFF_S, and short of an OverflowError.
    wait: float = BACK_OFF_S * 2 ** min(attempt - 1, 10) + JITTER_S * chance
    return min(wait, MAX_BACK_OFF_S)
