"""The token bucket alone, on a clock of the test's own."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from together_emulator.limit import MAX_KEYS, Bucket, Buckets, Demand, Limit

LIMITS = st.builds(
    lambda rate, unit, burst: Limit.parse(f"{rate}/{unit}{burst}"),
    st.integers(1, 200),
    st.sampled_from("sm"),
    st.sampled_from(["", ":1", ":2", ":5", ":50"]),
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.001, 0.1, 1.0]) | st.floats(0, 5),
        st.integers(1, 20) | LIMITS,
    ),
    max_size=80,
)


def come(limits: list[tuple[float, Limit]], start_s: float, end_s: float) -> float:
    """How much comes back between two moments, while limits hold from their moments on."""
    ends = [at_s for at_s, _ in limits[1:]] + [math.inf]
    return sum(
        max(0.0, min(end_s, until_s) - max(start_s, from_s)) * limit.per_s
        for (from_s, limit), until_s in zip(limits, ends, strict=True)
    )


@given(LIMITS, STEPS)
def test_no_window_has_more_than_its_burst_and_what_came_in_it(
    first: Limit, steps: list[tuple[float, int | Limit]]
) -> None:
    now_s = 0.0
    limits = [(now_s, first)]
    bucket = Bucket(first, now_s)
    taken: list[tuple[float, int, float]] = []
    for pause_s, step in steps:
        now_s += pause_s
        if isinstance(step, Limit):
            bucket.move(step, now_s)
            limits.append((now_s, step))
        elif bucket.take(step, now_s):
            taken.append((now_s, step, limits[-1][1].burst))
    for first_taken, (start_s, _, burst) in enumerate(taken):
        total = 0
        for end_s, amount, last_burst in taken[first_taken:]:
            total += amount
            # What is more than the burst is lent, and only to a bucket that is full.
            lent = max(0.0, amount - last_burst)
            assert total <= burst + come(limits, start_s, end_s) + lent + 1e-6


@given(LIMITS, STEPS)
def test_who_waits_as_long_as_it_says_is_let_in(
    first: Limit, steps: list[tuple[float, int | Limit]]
) -> None:
    now_s = 0.0
    bucket = Bucket(first, now_s)
    for pause_s, step in steps:
        now_s += pause_s
        if isinstance(step, Limit):
            bucket.move(step, now_s)
            continue
        wait_s = bucket.wait_s(step, now_s)
        before = bucket.level(now_s)
        assert bucket.take(step, now_s) == (wait_s == 0)
        if wait_s:
            # What is refused costs nothing, and a little earlier is too early.
            assert bucket.level(now_s) == before
            assert bucket.wait_s(step, now_s + wait_s * 0.9) > 0
            now_s += wait_s
            assert bucket.take(step, now_s)


@pytest.mark.parametrize(
    ("text", "per_s", "burst"),
    [
        ("20/s", 20, 20),
        ("20/s:5", 20, 5),
        ("90/m", 1.5, 1.5),
        ("6/m", 0.1, 1),
        ("0.5/s", 0.5, 1),
        ("6/m:3", 0.1, 3),
        ("1000000/s", 1e6, 1e6),
    ],
)
def test_a_limit_is_read(text: str, per_s: float, burst: float) -> None:
    limit = Limit.parse(text)
    assert (limit.text, limit.burst) == (text, burst)
    assert limit.per_s == pytest.approx(per_s)


@pytest.mark.parametrize(
    "text",
    [
        *("", "20", "20/h", "/s", "-1/s", "0/s", "0.0/m", "20/s:", "20/s:0", "20/s:0.5", " 20/s"),
        *("1000001/s", "20/s:1000001", "inf/s", "nan/s", "1e3/s", "٢٠/s", "20/s\n", "9" * 5000),
    ],
)
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="such as 20/s or 90/m"):
        Limit.parse(text)


def test_a_bucket_is_filled_by_a_pause_and_no_further() -> None:
    bucket = Bucket(Limit.parse("10/s:3"), 100.0)
    assert [bucket.take(1, 100.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.wait_s(1, 100.0) == pytest.approx(0.1)
    assert bucket.level(1e9) == 3


def test_a_higher_limit_fills_nothing_at_once_and_a_lower_one_takes_away() -> None:
    bucket = Bucket(Limit.parse("1/s:10"), 0.0)
    assert bucket.take(10, 0.0)
    bucket.move(Limit.parse("100/s:100"), 2.0)
    assert bucket.level(2.0) == pytest.approx(2)
    assert bucket.level(2.5) == pytest.approx(52)
    bucket.move(Limit.parse("1/s:5"), 2.5)
    assert bucket.level(2.5) == 5


def test_more_than_the_burst_waits_for_a_full_bucket_and_is_made_up_for() -> None:
    bucket = Bucket(Limit.parse("10/s:5"), 0.0)
    assert bucket.take(1, 0.0)
    assert not bucket.take(25, 0.0)
    assert bucket.take(25, 0.1)
    assert bucket.level(0.1) == pytest.approx(-20)
    assert bucket.wait_s(1, 0.1) == pytest.approx(2.1)


def test_each_key_has_a_bucket_and_those_that_are_idle_make_room() -> None:
    buckets = Buckets(Limit.parse("1/m:1"))

    def take(key: str) -> bool:
        bucket = buckets.of(key, 0.0)
        assert bucket is not None
        return bucket.take(1, 0.0)

    assert (take("a"), take("b"), take("a")) == (True, True, False)
    for number in range(MAX_KEYS - 2):
        take(str(number))
    assert (take("a"), take("new")) == (False, True)
    assert (take("a"), take("b")) == (False, True)
    assert len(buckets._buckets) == MAX_KEYS


def test_a_limit_that_moves_holds_for_all_keys_those_to_come_too() -> None:
    buckets = Buckets(Limit.parse("1/s:1"))
    old = buckets.of("old", 0.0)
    assert old is not None
    assert old.take(1, 0.0)
    buckets.move(Limit.parse("10/s:2"), 0.0)
    new = buckets.of("new", 0.0)
    assert new is not None
    assert [old.wait_s(1, 0.0), new.level(0.0)] == [pytest.approx(0.1), 2]
    buckets.move(None, 0.0)
    assert buckets.of("old", 0.0) is None


def test_what_holds_is_changed_by_its_names() -> None:
    demand = Demand().with_({"limit": "20/s", "unavailable": 0.5})
    assert demand.options() == {"limit": "20/s", "limit_characters": None, "unavailable": 0.5}
    assert demand.with_({"limit": None, "unavailable": 0}) == Demand()
    assert all(a != b for a, b in pairwise([Demand(), demand, Demand(None, demand.limit)]))
