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
    assert again(again(pace, per_minute=6)).rate < 0.1


@pytest.mark.parametrize(
    "change",
    [
        {"more": 1},
        {"rate": None},
        {"rate": "1"},
        {"rate": True},
        {"_limit": [1]},
        {"_empty": [1]},
        {"_empty": 7},
        {"_calls": None},
        {"_calls": [[1, "then", 2.0, 1, True]]},
        {"_calls": [[1, 0.0, 0.0, 1, True]]},
    ],
)
def test_what_it_is_not_is_refused(change: dict[str, Any]) -> None:
    state = busy().state()
    assert state["_limit"] is not None
    assert state["_empty"] is not None
    with pytest.raises((TypeError, ValueError)):
        Pace.from_state({**state, **change}, at_once=None, per_minute=None)
    with pytest.raises(ValueError, match="not what a pace knows"):
        Pace.from_state({}, at_once=None, per_minute=None)
