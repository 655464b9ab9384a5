"""How fast to begin calls: find the account's limit, and stay just below it.

The service's limits are per organisation and model, move, and are published nowhere (see its
documentation of rate limits). So the pace goes by what the service answers:

- Calls are spaced evenly. The rate begins at two calls a second and grows with every answer until
  the first 429.
- A 429 halves the rate. Calls that were already under way then do not halve it again: they tell
  nothing new.
- Half the limit is far too slow for long. As soon as half the rate has been let through, the rate
  returns to just below the place of the last cut, and stays there for a while.
- Then it probes beyond: slowly at first, and ever faster while nothing is refused, as the
  congestion control CUBIC does (RFC 9438). So a limit that has not moved costs few 429s, and one
  that has risen is reached soon.
- Where the limit is follows from two numbers. It is no higher than the rate that was refused. It is
  no lower than what the service let through since the last time its budget was used up.
- The growth is the same number of calls a second for everybody, and a cut takes a share. So those
  who share a limit drift towards equal parts. Who alone meets the same limit again and again probes
  less often, and in proportion.
- A service may also limit how many calls are under way. A 429 that came with more under way than
  any call that went well lately is taken for such a limit, which is remembered in the same way.
- Besides, at most four times as many calls are under way as the rate and their usual duration
  explain. So they do not pile up where the service stalls.
- A 503 under one's own limit is the service's trouble. Everybody waits, longer each time, and then
  goes on at the same rate.
- A wait that the service names is kept by all calls.

Nothing here waits or knows the time. Times are seconds of one monotonic clock.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Protocol, Self, TypeAlias

from facade.errors import InvalidRequestError

Outcome: TypeAlias = Literal["succeeded", "throttled", "unavailable", "failed"]

# Calls a second.
START = 2.0
GROWTH_PER_SUCCESS = 1.5
SLOWEST = 0.1
FASTEST = 10_000.0
MOST_UNDER_WAY = 1000

# A caller that wakes this late may make up for it; one that is later may not.
_LATE_S = 0.01
# How long to stay below the last cut, by rate: seconds, and for who is alone calls.
_REST_S = (3.0, 20.0)
_REST_CALLS = 100.0
_SHORT_REST_S = 1.0
# A wait that the service names costs as much as it lasts, so that it must not come often.
_REST_PER_WAIT = 8.0
# Of the rate of the last cut: where to return to, and where it is when refused even there.
_BELOW = 0.96
_LOWER = 0.95
# What was let through, and this much more, since bursts and halves leave some of a limit unused.
_UNUSED = 1.07
# How many calls make a measurement.
_ENOUGH = 12
# Of the waits after 503.
_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 8.0


class AnyPace(Protocol):
    """What says when the next call may begin: a `Pace`, or one that is shared."""

    @property
    def rate(self) -> float: ...

    def next_at(self, now: float) -> float: ...

    def begin(self, now: float) -> int | None: ...

    def end(
        self, ticket: int, now: float, outcome: Outcome, *, retry_after_s: float | None = None
    ) -> None: ...


class _Call(NamedTuple):
    number: int
    began_at: float
    rate: float
    under_way: int
    on_time: bool


# What each has of its own.
_OWN = ("_fastest", "_start", "_at_once")
_RATES = ("_rate", "_spacing_rate", "_limit", "_returns_to")


class Pace:
    """Says when the next call may begin.

    Ask `next_at`, wait until then, `begin`, and `end` the call with what came of it. `next_at`
    answers anew after each of these.

    Attributes:
        waiting_until: Until when nobody begins a call, because the service said so or fails; `-inf`
            or past where nobody waits.
    """

    def __init__(self, *, at_once: int | None = None, per_minute: float | None = None) -> None:
        """Begin modestly, or at `per_minute`.

        Args:
            at_once: How many calls are under way at most, from 1; by default 1000.
            per_minute: How many calls begin in any minute at most, above 0 and up to 600,000.
                A fraction is rounded up for a single minute, and right on average.

        Raises:
            InvalidRequestError: An argument is out of its range.
        """
        if at_once is not None and (type(at_once) is not int or at_once < 1):
            raise InvalidRequestError(
                f"must be a whole number from 1, not {at_once!r}", param="at_once"
            )
        # A comparison with NaN is false, so NaN is refused too.
        if per_minute is not None and (
            isinstance(per_minute, bool)
            or not isinstance(per_minute, int | float)
            or not 1e-6 <= per_minute <= FASTEST * 60
        ):
            raise InvalidRequestError(
                f"must be above 0 and up to 600,000, not {per_minute!r}", param="per_minute"
            )
        self.waiting_until = -math.inf
        # A minute begins with a call that may have been late, and the last of it may not be.
        self._fastest = FASTEST if per_minute is None else per_minute / (60 + _LATE_S) * (1 - 1e-9)
        self._start = START if per_minute is None else self._fastest
        self._at_once = MOST_UNDER_WAY if at_once is None else at_once
        self._now = -math.inf
        self._calls: dict[int, _Call] = {}
        self._count = 0
        # The rate that was found, whatever the caller's own limit is.
        self._rate = START
        # When the last call was to begin, and the rate that lies between it and the next.
        self._last_at = -math.inf
        self._spacing_rate = self._rate
        # The rate of the last cut, and the way from half of it back and beyond.
        self._limit: float | None = None
        self._returns_to: float | None = None
        self._returns_at = -math.inf
        self._passed = 0.0
        self._rest_s = _SHORT_REST_S
        self._rested_s = 0.0
        self._probe = 0.0
        # How often in a row the limit was met in the same place, as a power of two.
        self._patience = 1
        self._last_through = 0.0
        self._last_cut = 0
        # The call that met the service's budget used up, and how many later ones were refused.
        self._empty: _Call | None = None
        self._refused = 0
        # The limit of calls under way, and the way beyond it.
        self._room = math.inf
        self._room_used = 0
        self._room_rest = int(_REST_CALLS)
        self._room_step = 1.0
        self._most_well = 0.0
        # The usual duration of a call and of a refusal.
        self._duration_s: float | None = None
        self._refusal_s = 0.1
        self._faults = 0
        self._last_fault = 0

    @property
    def rate(self) -> float:
        """Calls a second that are begun at present."""
        return self._allowed(self._rate)

    def next_at(self, now: float) -> float:
        """Return when the next call may begin.

        Returns:
            `now`, a later time, or `inf` while as many calls are under way as may be: then ask
            again when one has ended. It is finite where none is under way.
        """
        if self._calls and len(self._calls) + 1 > self._most_under_way():
            return math.inf
        return max(now, self._now, self._due_at, self.waiting_until)

    def begin(self, now: float) -> int:
        """Note that a call begins.

        Returns:
            The call's number, for `end`.

        Raises:
            ValueError: It is too early by `next_at`.
        """
        if now < self._now:
            now = self._now  # another thread has looked at the clock later and come first
        if self.next_at(now) > now:
            raise ValueError(f"no call may begin before {self.next_at(now)}, and it is {now}")
        self._now = now
        spacing_rate, due_at = self._allowed(self._spacing_rate), self._due_at
        on_time = now - due_at <= max(_LATE_S, 1 / self.rate)
        if self._returns_to is not None:
            if now >= self._returns_at:
                self._rate = self._returns_to
                self._returns_to = None
                self._rested_s = self._probe = 0.0
        # Who does not use the rate learns nothing of a higher one.
        elif on_time and self._limit is not None:
            self._grow(self._limit)
        self._last_at = due_at if now - due_at <= _LATE_S else now
        self._spacing_rate = self._rate
        self._count += 1
        self._calls[self._count] = _Call(
            self._count, now, spacing_rate, len(self._calls) + 1, on_time
        )
        return self._count

    def end(
        self,
        ticket: int,
        now: float,
        outcome: Outcome,
        *,
        retry_after_s: float | None = None,
    ) -> None:
        """Note what came of a call.

        Args:
            ticket: What `begin` has returned.
            now: The time.
            outcome: `throttled` for status 429; `unavailable` for 503 and what else says that the
                service is in trouble; `failed` for everything else that is no success.
            retry_after_s: The wait that the service names, in seconds. What is no positive finite
                number counts as not said.

        Raises:
            ValueError: No such call is under way.
        """
        call = self._calls.pop(ticket, None)
        if call is None:
            raise ValueError(f"no call {ticket!r} is under way")
        self._now = now = max(now, self._now)
        wait_s = _seconds(retry_after_s)
        if outcome == "succeeded":
            self._succeed(call, now)
        elif outcome == "throttled":
            self.waiting_until = max(self.waiting_until, now + wait_s)
            self._refusal_s += (now - call.began_at - self._refusal_s) / 4
            if self._empty is not None and call.number > self._empty.number:
                self._refused += 1
            if call.number > self._last_cut:
                self._cut(call, wait_s)
        elif outcome == "unavailable":
            # As with 429, what was under way before the last wait tells nothing new.
            if call.number > self._last_fault:
                self._faults += 1
                self._last_fault = self._count
            back_off_s = _FIRST_WAIT_S * 2.0 ** min(self._faults - 1, 10)
            self.waiting_until = max(
                self.waiting_until, now + (wait_s or min(back_off_s, _LONGEST_WAIT_S))
            )

    def state(self) -> dict[str, Any]:
        """Return what is known, but for the caller's own limits, in what JSON has."""
        known = {name: value for name, value in vars(self).items() if name not in _OWN}
        calls = [list(call) for call in self._calls.values()]
        empty = None if self._empty is None else list(self._empty)
        return {**known, "_calls": calls, "_empty": empty}

    @classmethod
    def from_state(
        cls, state: Mapping[str, Any], *, at_once: int | None, per_minute: float | None
    ) -> Self:
        """Return a pace that knows what `state` has returned, with limits of its own.

        Raises:
            OverflowError, TypeError, ValueError: That is not what `state` returns.
        """
        pace = cls(at_once=at_once, per_minute=per_minute)
        known = dict(state)
        if known.keys() != pace.state().keys():
            raise ValueError(f"{sorted(known)} are not what a pace knows")
        calls = [_call(call) for call in known.pop("_calls")]
        empty = known.pop("_empty")
        for name, value in known.items():
            # What is not known yet may come to be.
            is_unknown = (value, vars(pace)[name]) == (None, None)
            if not is_unknown and not (_is_rate if name in _RATES else _is_number)(value):
                raise ValueError(f"{name} cannot be {value!r}")
        vars(pace).update(known)
        pace._calls = {call.number: call for call in calls}
        pace._empty = None if empty is None else _call(empty)
        return pace

    def _allowed(self, rate: float) -> float:
        """Return what the caller's own limit makes of a rate."""
        if self._limit is None:
            rate = max(rate, self._start)
        return min(rate, self._fastest)

    @property
    def _due_at(self) -> float:
        """When the next call is to begin."""
        return self._last_at + 1 / self._allowed(self._spacing_rate)

    def _most_under_way(self) -> float:
        usual = 0.0 if self._duration_s is None else self.rate * self._duration_s
        return min(self._at_once, self._room, 4 + 4 * usual)

    def _grow(self, limit: float) -> None:
        """Rest below the last cut, then go beyond it."""
        step = 1 / self.rate
        self._rested_s += step
        if self._rested_s <= self._rest_s or self._rate >= self._fastest:
            return
        alone = self._patience > 1
        # Where calls are rare, a second says little.
        self._probe += min(step, 0.1 * (1 + self._probe) if alone else 0.5)
        share = (0.02 * self._probe + 0.012 * self._probe**3) * (20 / limit) ** (
            0.3 if alone else 1.0
        )
        self._rate = min(self._fastest, max(self._rate, limit * (_BELOW + share)))

    def _succeed(self, call: _Call, now: float) -> None:
        took_s = now - call.began_at
        if self._duration_s is None:
            self._duration_s = took_s
        self._duration_s += (took_s - self._duration_s) / 16
        # Lately: what was long ago fades.
        self._most_well += (call.under_way - self._most_well) / 200
        self._most_well = max(self._most_well, call.under_way)
        if call.number > self._last_fault:
            self._faults = 0
        if self._limit is None and call.on_time:
            # One that others have found stays, where this caller's limit is lower.
            self._rate = max(self._rate, min(self._fastest, self._rate + GROWTH_PER_SUCCESS))
        if call.under_way + 1 > self._room:
            self._room_used += 1
            if self._room_used >= self._room_rest:
                self._room += self._room_step
                self._room_used = 0
                self._room_rest = max(10, self._room_rest // 2)
                self._room_step *= 2

    def _cut(self, call: _Call, wait_s: float) -> None:
        """Halve the rate, and note where it is to return to."""
        self._last_cut = self._count
        if self._limit is None:
            # What the caller began with has been tried.
            self._rate = max(self._rate, self._start)
            self._spacing_rate = max(self._spacing_rate, self._start)
        if call.under_way > max(1, self._most_well):
            self._room = min(self._room, call.under_way - 1)
            self._room_used = 0
            self._room_rest = int(_REST_CALLS)
            self._room_step = 1.0
            back = self._rate if self._returns_to is None else self._returns_to
            if self._limit is None:
                self._limit = call.rate
                back = _BELOW * call.rate
        else:
            # It came with no more under way than went well before.
            self._room = math.inf
            self._limit = max(self._estimate(call, self._limit, wait_s), SLOWEST)
            back = _BELOW * self._limit
        self._rate = max(self.rate / 2, SLOWEST)
        self._spacing_rate = min(self._spacing_rate, self._rate)
        self._passed = self.rate
        self._returns_to = back
        # Until the first calls at this rate are refused, if they are.
        self._returns_at = (
            max(self._now, self.waiting_until) + 2 / self.rate + min(self._refusal_s, 1)
        )

    def _estimate(self, call: _Call, limit: float | None, wait_s: float) -> float:
        """Say where the limit is, and for how long to stay below it."""
        refused = call.rate
        if self._empty is None:
            self._empty = call
        # Between two times when the budget is used up, as much went through as was granted.
        seconds = call.began_at - self._empty.began_at
        count = max(0, call.number - self._empty.number - self._refused)
        through = count / seconds if seconds > 0 else 0.0
        rest_s = min(max(_REST_S[0], 18 / math.sqrt(refused)), _REST_S[1])
        self._rest_s = rest_s
        if count >= _ENOUGH:
            is_same = abs(through - self._last_through) * seconds <= 2 + 0.03 * count
            self._patience = min(8, 2 * self._patience) if is_same else 1
            self._last_through = through
            self._empty = call
            self._refused = 0
        found = refused
        if limit is None:
            pass
        elif refused > limit:
            if refused > 1.25 * limit and through > 1.1 * limit:
                self._patience = 1  # the limit has risen
            elif self._patience > 1 and count >= _ENOUGH:
                found = min(refused, through * _UNUSED)
            elif refused <= 1.25 * limit:
                found = math.sqrt(refused * max(limit, min(through, refused)))
        elif count < _ENOUGH and seconds < _REST_S[0]:
            # Soon after another cut: the limit has fallen, and nobody knows how far.
            passed = self._passed if self._returns_to is None else 0.0
            at_most = max((count + 1) / seconds if seconds > 0 else refused, passed)
            found = float(min(refused, max(at_most, refused / 4)) ** (1 / 3) * refused ** (2 / 3))
            self._rest_s = _SHORT_REST_S
        else:
            found = refused * _LOWER
        if self._rest_s == rest_s:
            calls_s = _REST_CALLS / max(found, 1)
            self._rest_s = max(rest_s, min(rest_s * self._patience, calls_s))
        self._rest_s = max(self._rest_s, _REST_PER_WAIT * wait_s)
        return found


def _seconds(wait_s: float | None) -> float:
    """Return a wait that can be kept, or 0."""
    return wait_s if wait_s is not None and 0 < wait_s < math.inf else 0.0


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and not math.isnan(value)


def _is_rate(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value <= FASTEST


def _call(known: list[Any]) -> _Call:
    number, began_at, rate, under_way, on_time = known
    if not all(map(_is_number, (number, began_at, under_way))) or not _is_rate(rate):
        raise ValueError(f"{known} is no call")
    return _Call(number, began_at, rate, under_way, bool(on_time))
