"""What a pace knows can be written down, and another goes on with it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facade._rules.pacing import Outcome, Pace

STEPS = st.lists(
    st.tuples(
        st.floats(0, 3),
        st.sampled_from(["begin", "succeeded", "throttled", "unavailable", "failed"]),
        st.none() | st.floats(0, 5),
    ),
    max_size=60,
)


def again(pace: Pace, **limits: Any) -> Pace:
    """Return a pace that knows what another one knows."""
    limits = {"at_once": None, "per_minute": None, **limits}
    return Pace.from_state(json.loads(json.dumps(pace.state())), **limits)


@given(STEPS, st.none() | st.integers(1, 5), st.none() | st.floats(1, 1000))
def test_it_goes_on_as_the_other(
    steps: list[tuple[float, Any, float | None]], at_once: int | None, per_minute: float | None
) -> None:
    one = other = Pace(at_once=at_once, per_minute=per_minute)
    now, tickets = 0.0, []
    for after, what, wait_s in steps:
        now += after
        other = again(other, at_once=at_once, per_minute=per_minute)
        assert one.next_at(now) == other.next_at(now)
        if what == "begin" and one.next_at(now) <= now:
            tickets.append(one.begin(now))
            assert other.begin(now) == tickets[-1]
        elif what != "begin" and tickets:
            ticket, outcome = tickets.pop(0), what
            one.end(ticket, now, outcome, retry_after_s=wait_s)
            other.end(ticket, now, outcome, retry_after_s=wait_s)
        assert vars(one) == vars(other)


def busy() -> Pace:
    outcomes: list[Outcome] = ["succeeded", "throttled"]
    pace = Pace()
    for number, outcome in enumerate(outcomes):
        pace.end(pace.begin(number), number + 0.1, outcome)
    pace.begin(10.0)
    return pace


def test_limits_are_the_reader_s() -> None:
    pace = Pace(at_once=1, per_minute=600)
    pace.begin(1.0)
    assert again(pace).next_at(2.0) == 2.0
    assert again(pace, at_once=1).next_at(2.0) == float("inf")
    assert again(pace, per_minute=6).rate < 0.1


@pytest.mark.parametrize(
    ("per_minute", "outcome"), [(4, "succeeded"), (4, "failed"), (600_000, "failed")]
)
def test_what_follows_from_them_is_not_known(per_minute: float, outcome: Outcome) -> None:
    pace, now = Pace(), 0.0
    for _ in range(20):
        pace.end(pace.begin(now), now, "succeeded")
        now = pace.next_at(now)
    limited = again(pace, per_minute=per_minute)
    assert limited.rate == pytest.approx(per_minute / 60, rel=0.001)
    now = limited.next_at(now)
    limited.end(limited.begin(now), now, outcome)
    assert limited.next_at(now) == pytest.approx(now + 60 / per_minute, rel=0.001)
    assert again(limited).rate == pace.rate
    assert again(limited).next_at(now) == now + 1 / pace.rate


def test_a_limit_says_where_to_begin() -> None:
    pace = Pace(per_minute=600)
    now = pace.next_at(0.0)
    pace.begin(now)
    assert pace.next_at(now) == pytest.approx(0.1, rel=0.001)
    assert again(pace).rate == 2.0
    assert again(pace).next_at(now) == 0.5
    # Others have been refused since.
    pace.end(1, 0.2, "throttled")
    assert pace.rate == pytest.approx(5, rel=0.001)
    assert again(pace).rate == again(pace, per_minute=60_000).rate == pace.rate
    assert again(pace, per_minute=4).rate < 0.1


@pytest.mark.parametrize(
    "change",
    [
        {"more": 1},
        {"_rate": None},
        {"_rate": "1"},
        {"_rate": True},
        {"_rate": 0},
        {"_limit": -1.0},
        {"_spacing_rate": float("nan")},
        {"_returns_to": 1e9},
        {"_now": float("nan")},
        {"_now": 10**400},
        {"_limit": [1]},
        {"_empty": [1]},
        {"_empty": 7},
        {"_calls": None},
        {"_calls": [[1, "then", 2.0, 1, True]]},
        {"_calls": [[1, 0.0, 0.0, 1, True]]},
        {"_calls": [[float("nan"), 0.0, 1.0, 1, True]]},
    ],
)
def test_what_it_is_not_is_refused(change: dict[str, Any]) -> None:
    state = busy().state()
    assert state["_limit"] is not None
    assert state["_empty"] is not None
    with pytest.raises((OverflowError, TypeError, ValueError)):
        Pace.from_state({**state, **change}, at_once=None, per_minute=None)
    with pytest.raises(ValueError, match="not what a pace knows"):
        Pace.from_state({}, at_once=None, per_minute=None)
