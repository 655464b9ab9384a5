"""Finding the limits of an account, by simulation and by property."""

import heapq
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facade._rules.pacing import Outcome, Pace
from facade.errors import InvalidRequestError

# --- a service with limits, and its time ---------------------------------------------------------

Phases = list[tuple[float, float]]
"""Calls a second, and for how many seconds."""

DURATION_S = (0.005, 3.0)
MEAN_DURATION_S = (3.0 - 0.005) / math.log(3.0 / 0.005)


class Bucket:
    """A token bucket whose rate moves; what is refused is answered within 0.15 s."""

    def __init__(self, phases: Phases, size: float, seed: int = 1) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - seeded, and no secret
        self._phases = phases
        self._size = self._tokens = size
        self._at = 0.0

    def ask(self, now: float) -> Outcome:
        end = 0.0
        for rate, seconds in self._phases:
            end += seconds
            step = max(0.0, min(now, end) - self._at)
            self._tokens = min(self._size, self._tokens + rate * step)
            self._at += step
        if self._tokens < 1 - 1e-9:
            return "throttled"
        self._tokens -= 1
        return "succeeded"

    def done(self) -> None:
        """A call has ended."""


class Seats:
    """As many calls at a time as there are seats."""

    def __init__(self, seats: int) -> None:
        self.chance = random.Random(1)  # noqa: S311 - seeded, and no secret
        self._free = seats

    def ask(self, now: float) -> Outcome:
        if not self._free:
            return "throttled"
        self._free -= 1
        return "succeeded"

    def done(self) -> None:
        self._free += 1


class Asked(NamedTuple):
    at: float
    who: int
    outcome: Outcome
    rate: float


@dataclass(order=True)
class _Event:
    at: float
    number: int
    who: int
    ticket: int
    outcome: Outcome | None
    """What it ends with, or `None` where it arrives at the service."""


def simulate(
    service: Bucket | Seats,
    paces: list[Pace],
    until: float,
    *,
    jitter_s: float = 0.0,
    joins: list[float] | None = None,
) -> list[Asked]:
    """Let everybody call for as long as there is time; say what was asked when."""
    begin_at = joins or [0.0] * len(paces)
    now, number = 0.0, 0
    events: list[_Event] = []
    asked: list[Asked] = []
    outcome: Outcome | None
    while True:
        at, who = min(
            (pace.next_at(max(now, begin_at[who])), who) for who, pace in enumerate(paces)
        )
        if events and events[0].at <= at:
            event = heapq.heappop(events)
            now, who, ticket = event.at, event.who, event.ticket
            if now >= until:
                return asked
            if event.outcome is not None:
                if event.outcome == "succeeded":
                    service.done()
                paces[who].end(ticket, now, event.outcome)
                continue
            outcome = answer = service.ask(now)
            asked.append(Asked(now, who, answer, paces[who].rate))
            low, high = DURATION_S if outcome == "succeeded" else (0.005, 0.15)
            takes = math.exp(service.chance.uniform(math.log(low), math.log(high)))
        else:
            now, ticket, outcome = at, paces[who].begin(at), None
            takes = service.chance.uniform(0, jitter_s)
        number += 1
        heapq.heappush(events, _Event(now + takes, number, who, ticket, outcome))


def goodput(asked: list[Asked], phases: Phases, begin: float = 0.0) -> float:
    """The share of what the limit allows that went through."""
    end = begin + sum(seconds for _, seconds in phases)
    well = sum(begin <= each.at < end and each.outcome == "succeeded" for each in asked)
    return well / sum(rate * seconds for rate, seconds in phases)


def refused(asked: list[Asked]) -> float:
    return sum(each.outcome == "throttled" for each in asked) / len(asked)


def reached_after(asked: list[Asked], begin: float, rate: float) -> float:
    return next(
        each.at - begin
        for each in asked
        if each.at >= begin and 0.9 * rate <= each.rate <= 1.1 * rate
    )


MOVING = [(20.0, 60.0), (60.0, 60.0), (10.0, 60.0)]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("size", "whole", "each_phase"),
    # Nothing that a bucket of one leaves unused comes back: not the halves, nor the rests.
    # In seed 0 of size 5 a rate is taken for a limit of calls under way, which costs 12 s.
    [(1, 0.84, 0.8), (5, 0.83, 0.75), (20, 0.9, 0.88), (60, 0.9, 0.88)],
)
def test_a_limit_that_moves_is_followed(
    size: float, whole: float, each_phase: float, seed: int
) -> None:
    asked = simulate(Bucket(MOVING, size, seed), [Pace()], 180)
    assert goodput(asked, MOVING) >= whole
    assert refused(asked) <= 0.02
    for number, phase in enumerate(MOVING):
        assert goodput(asked, [phase], begin=60.0 * number) >= each_phase
        assert reached_after(asked, 60.0 * number, phase[0]) <= 12


@pytest.mark.parametrize(
    ("rate", "seconds", "size", "least", "most_refused"),
    [
        # A single 429 is one in fifty calls already where there is a call a second.
        (1.0, 600.0, 1, 0.7, 0.05),
        (1.0, 600.0, 60, 0.95, 0.05),
        (5.0, 300.0, 1, 0.8, 0.02),
        (5.0, 300.0, 60, 0.95, 0.03),
        # Of these 60 s, the beginning takes seven.
        (200.0, 60.0, 1, 0.85, 0.02),
        (200.0, 60.0, 60, 0.9, 0.02),
    ],
)
def test_limits_of_every_size_are_found(
    rate: float, seconds: float, size: float, least: float, most_refused: float
) -> None:
    asked = simulate(Bucket([(rate, seconds)], size), [Pace()], seconds)
    assert goodput(asked, [(rate, seconds)]) >= least
    assert refused(asked) <= most_refused


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("later", [0.0, 20.0])
@pytest.mark.parametrize(("paces", "fair"), [(2, 0.9), (5, 0.6)])
def test_those_who_share_an_account_settle(
    paces: int, fair: float, later: float, seed: int
) -> None:
    """Whether they begin together, or one after the other."""
    asked = simulate(
        Bucket([(20.0, 400.0)], 20, seed),
        [Pace() for _ in range(paces)],
        400,
        jitter_s=0.02,
        joins=[later * number for number in range(paces)],
    )
    settled = [each for each in asked if each.at >= 150]
    assert goodput(settled, [(20.0, 250.0)], begin=150) >= 0.85
    shares = [
        sum(each.who == who and each.outcome == "succeeded" for each in settled)
        for who in range(paces)
    ]
    # Jain's index: 1 where all have the same, 1 / paces where one has everything.
    assert sum(shares) ** 2 / paces / sum(share**2 for share in shares) >= fair


@pytest.mark.parametrize("seats", [3, 8, 32])
def test_a_limit_of_calls_under_way_is_found(seats: int) -> None:
    asked = simulate(Seats(seats), [Pace()], 120)
    assert goodput(asked, [(seats / MEAN_DURATION_S, 120.0)]) >= 0.85
    assert refused(asked) <= 0.02


# --- single rules --------------------------------------------------------------------------------


def begun(pace: Pace, now: float) -> tuple[int, float]:
    """Begin a call as soon as may be."""
    now = pace.next_at(now)
    return pace.begin(now), now


def warm(calls: int = 12) -> tuple[Pace, float]:
    """A pace that has had as many successes, one after the other, and the time."""
    pace, now = Pace(), 0.0
    for _ in range(calls):
        ticket, now = begun(pace, now)
        pace.end(ticket, now + 0.01, "succeeded")
    return pace, now + 0.01


def test_it_begins_modestly() -> None:
    pace = Pace()
    at = [begun(pace, 0.0)[1] for _ in range(4)]
    assert at == [0.0, 0.5, 1.0, 1.5]
    assert pace.next_at(100.0) == math.inf
    pace.end(2, 2.0, "succeeded")
    assert math.isfinite(pace.next_at(2.0))
    assert pace.rate == 3.5


def test_a_429_halves_the_rate_once_for_all_that_was_under_way() -> None:
    pace, now = warm()
    before = pace.rate
    tickets = []
    for _ in range(3):
        ticket, now = begun(pace, now)
        tickets.append(ticket)
    for ticket in tickets:
        pace.end(ticket, now, "throttled")
        assert pace.rate == before / 2
    assert pace.next_at(now) >= now + 1.9 / before
    # ... and a call that began since halves it again.
    ticket, now = begun(pace, now)
    pace.end(ticket, now, "throttled")
    assert pace.rate == before / 4


def test_the_rate_returns_to_just_below_the_last_cut() -> None:
    pace, now = warm()
    before = pace.rate
    ticket, now = begun(pace, now)
    pace.end(ticket, now, "throttled")
    for _ in range(6):
        ticket, now = begun(pace, now)
        pace.end(ticket, now, "succeeded")
    assert 0.85 * before < pace.rate < before


@pytest.mark.parametrize("outcome", ["unavailable", "failed"])
def test_other_failures_leave_the_rate(outcome: Outcome) -> None:
    pace, now = warm()
    before = pace.rate
    for _ in range(20):
        ticket, now = begun(pace, now)
        pace.end(ticket, now, outcome)
        assert pace.rate == before
    assert (pace.next_at(now) > now + 7) == (outcome == "unavailable")


def test_503s_back_off_ever_longer_until_a_call_goes_well() -> None:
    pace, now = warm()
    waits = []
    for _ in range(9):
        ticket, now = begun(pace, now)
        other = pace.begin(pace.next_at(now))
        now = pace.next_at(now)
        pace.end(ticket, now, "unavailable")
        waits.append(round(pace.waiting_until - now, 6))
        # It began before the wait, and makes it no longer.
        pace.end(other, now, "unavailable")
        assert round(pace.waiting_until - now, 6) == waits[-1]
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 8.0, 8.0]
    ticket, now = begun(pace, now)
    pace.end(ticket, now, "succeeded")
    ticket, now = begun(pace, now)
    pace.end(ticket, now, "unavailable")
    assert pace.waiting_until - now == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("outcome", "retry_after_s", "wait_s"),
    [
        ("throttled", 7.0, 7.0),
        ("throttled", None, 0.0),
        ("throttled", math.nan, 0.0),
        ("throttled", math.inf, 0.0),
        ("throttled", -5.0, 0.0),
        ("unavailable", 7.0, 7.0),
        ("unavailable", math.inf, 0.1),
    ],
)
def test_a_wait_that_the_service_names_is_kept_by_all(
    outcome: Outcome, retry_after_s: float | None, wait_s: float
) -> None:
    pace, now = warm()
    ticket, now = begun(pace, now)
    other, now = begun(pace, now)
    pace.end(ticket, now, outcome, retry_after_s=retry_after_s)
    assert pace.waiting_until == pytest.approx(now + wait_s)
    assert pace.next_at(now) >= now + wait_s
    # A shorter one of another call does not end it, nor does a success.
    pace.end(other, now, "throttled", retry_after_s=0.01)
    assert pace.next_at(now) >= now + wait_s


def test_a_success_from_before_a_503_ends_no_back_off() -> None:
    pace, now = warm()
    earlier, now = begun(pace, now)
    for wait_s in (0.1, 0.2):
        ticket, now = begun(pace, now)
        pace.end(ticket, now, "unavailable")
        assert pace.waiting_until - now == pytest.approx(wait_s)
        if wait_s == 0.1:
            pace.end(earlier, now, "succeeded")


def test_a_long_wait_is_not_made_up_for() -> None:
    pace, now = warm()
    at = [begun(pace, now + 3600)[1] for _ in range(5)]
    assert all(b - a > 0.9 / pace.rate for a, b in pairwise(at))


def test_a_caller_that_wakes_a_little_late_loses_nothing() -> None:
    pace = Pace(per_minute=60 * 50)
    now = 0.0
    for number in range(500):
        now = pace.next_at(now) + 0.009 * (number % 2)
        pace.end(pace.begin(now), now, "succeeded")
    assert now == pytest.approx(10, rel=0.01)


def test_calls_that_hang_do_not_pile_up() -> None:
    pace, now = warm(40)
    hanging = 0
    while (at := pace.next_at(now)) < math.inf:
        now = at
        pace.begin(now)
        hanging += 1
    assert 4 <= hanging < 10
    pace.end(41, now + 100, "failed")
    assert math.isfinite(pace.next_at(now + 100))


@pytest.mark.parametrize("has_been_cut", [False, True])
def test_the_rate_stops_growing_where_it_is_not_used(has_been_cut: bool) -> None:
    pace, now = warm()
    for number in range(6 * has_been_cut):
        ticket, now = begun(pace, now)
        pace.end(ticket, now, "succeeded" if number else "throttled")
    before = pace.rate
    for _ in range(100):
        ticket, now = begun(pace, now + 10)
        pace.end(ticket, now, "succeeded")
    assert pace.rate == before


def test_a_clock_that_another_thread_read_before_is_brought_forward() -> None:
    pace = Pace()
    pace.end(pace.begin(10.0), 11.0, "succeeded")
    assert pace.next_at(10.5) == 11.0
    pace.end(pace.begin(10.5), 10.0, "unavailable")
    assert pace.waiting_until == 11.1


def test_misuse_is_told() -> None:
    pace = Pace()
    with pytest.raises(ValueError, match="no call 1 is under way"):
        pace.end(1, 0.0, "succeeded")
    ticket = pace.begin(0.0)
    with pytest.raises(ValueError, match=r"no call may begin before 0\.5, and it is 0\.4"):
        pace.begin(0.4)
    pace.end(ticket, 0.4, "failed")
    with pytest.raises(ValueError, match="no call 1 is under way"):
        pace.end(ticket, 0.5, "failed")


@pytest.mark.parametrize("at_once", [0, -1, 1.5, True, math.nan, "3"])
def test_at_once_is_a_whole_number(at_once: int) -> None:
    with pytest.raises(InvalidRequestError, match="whole number") as caught:
        Pace(at_once=at_once)
    assert caught.value.param == "at_once"


@pytest.mark.parametrize("per_minute", [0, -1, math.nan, math.inf, 600_001, True, "3"])
def test_per_minute_is_a_rate(per_minute: float) -> None:
    with pytest.raises(InvalidRequestError, match="above 0") as caught:
        Pace(per_minute=per_minute)
    assert caught.value.param == "per_minute"


# --- properties ----------------------------------------------------------------------------------

WAITS = st.none() | st.floats(0, 20) | st.sampled_from([math.nan, math.inf, -1.0])
LIMITS = st.none() | st.floats(0.5, 3000)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["begin", "begin", "begin", "end"]),
        st.floats(0, 1) | st.sampled_from([0.0, 60.0, 1e6]),
        st.integers(0, 100),
        st.sampled_from(["succeeded"] * 4 + ["throttled", "throttled", "unavailable", "failed"]),
        WAITS,
    ),
    max_size=300,
)


class Step(NamedTuple):
    now: float
    did: str
    before: float
    waited_until: float
    wait_s: float
    under_way: int


def play(pace: Pace, steps: list[tuple[str, float, int, Outcome, float | None]]) -> Iterator[Step]:
    """Do what callers may do, in any order and at any time."""
    now, under_way = 0.0, []
    for did, passes, which, outcome, retry_after_s in steps:
        now += passes
        before, waited_until, wait_s = pace.rate, pace.waiting_until, 0.0
        if did == "begin":
            at = pace.next_at(now)
            if at == math.inf:
                continue
            now = at
            under_way.append(pace.begin(now))
        elif under_way:
            did = outcome
            ticket = under_way.pop(which % len(under_way))
            pace.end(ticket, now, outcome, retry_after_s=retry_after_s)
            if outcome in ("throttled", "unavailable"):
                wait_s = retry_after_s if retry_after_s and 0 < retry_after_s < math.inf else 0.0
        yield Step(now, did, before, waited_until, wait_s, len(under_way))


@settings(max_examples=150)
@given(st.none() | st.integers(1, 20), LIMITS, STEPS)
def test_whatever_happens(at_once: int | None, per_minute: float | None, steps: list) -> None:  # type: ignore[type-arg]
    pace = Pace(at_once=at_once, per_minute=per_minute)
    begins = []
    for step in play(pace, steps):
        assert 0 < pace.rate < math.inf
        assert step.under_way <= (at_once or 1000)
        at = pace.next_at(step.now)
        assert at >= step.now
        if not step.under_way:
            assert math.isfinite(at)
        assert pace.waiting_until >= step.waited_until
        assert at >= step.now + step.wait_s
        if step.did == "begin":
            assert step.now >= step.waited_until
            begins.append(step.now)
        if step.did in ("unavailable", "failed"):
            assert pace.rate == step.before
        if step.did == "throttled":
            assert pace.rate <= max(step.before, 0.1)
    if per_minute is not None:
        most = math.ceil(per_minute)
        assert all(later - at >= 60 for at, later in zip(begins, begins[most:], strict=False))


@given(st.floats(0.5, 100), st.lists(st.floats(0, 0.05), min_size=200, max_size=200))
def test_no_minute_has_more_calls_than_it_may(per_minute: float, late: list[float]) -> None:
    pace, now, begins = Pace(per_minute=per_minute), 0.0, []
    for each in late:
        now = pace.next_at(now) + each
        pace.end(pace.begin(now), now, "succeeded")
        begins.append(now)
    most = math.ceil(per_minute)
    assert all(later - at >= 60 for at, later in zip(begins, begins[most:], strict=False))
