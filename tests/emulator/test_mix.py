"""The grammar of voice mixes."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from together_emulator.mix import parse_mix

weights = st.floats(min_value=1e-6, max_value=1e6)
names = st.from_regex(r"[a-z]{2}_[a-z]{1,8}", fullmatch=True)


@pytest.mark.parametrize(
    ("mix", "shares"),
    [
        ("a+b", [("a", 0.5), ("b", 0.5)]),
        ("a(3)+b", [("a", 0.75), ("b", 0.25)]),
        ("b(1)+a(1)+c(0.5)", [("b", 0.4), ("a", 0.4), ("c", 0.2)]),
        ("a(.5)+b(0.5)", [("a", 0.5), ("b", 0.5)]),
        ("a(1.)+b(1)", [("a", 0.5), ("b", 0.5)]),
        # What servers of this family take although nobody documents it:
        ("a", [("a", 1.0)]),
        ("a(7)", [("a", 1.0)]),
        ("a+a", [("a", 0.5), ("a", 0.5)]),
        (" a ( 1 ) + b ", [("a", 0.5), ("b", 0.5)]),
        ("a(1e-3)+b(1E-3)", [("a", 0.5), ("b", 0.5)]),
        # Finite weights whose sum is not:
        ("a(1e308)+b(1e308)", [("a", 0.5), ("b", 0.5)]),
    ],
)
def test_mixes_that_are_taken(mix: str, shares: list[tuple[str, float]]) -> None:
    assert parse_mix(mix) == shares


@pytest.mark.parametrize(
    "mix",
    [
        *("", "+", "a+", "+a", "a++b", "a+ +b"),
        *("a()", "a((1))", "a(b(1))", "a(1", "a1)", "(1)", "(1)a", "a(1)b", "a(1)(2)", "a b"),
        *("a(0)", "a(0.0)", "a(-1)", "a(1e-999)", "a(1e999)", "a(inf)", "a(nan)", "a(1_0)"),
        *("a(0x1)", "a(1,5)", "a(٣)", "a(.)", "a(1e)", "a(1)+b(0)"),
    ],
)
def test_mixes_that_are_refused(mix: str) -> None:
    with pytest.raises(ValueError, match="voice mix"):
        parse_mix(mix)


@given(st.lists(st.tuples(names, weights), min_size=1, max_size=8))
def test_shares_keep_order_and_proportion_and_add_up(parts: list[tuple[str, float]]) -> None:
    shares = parse_mix("+".join(f"{name}({weight:.12f})" for name, weight in parts))
    assert [name for name, _ in shares] == [name for name, _ in parts]
    assert math.fsum(share for _, share in shares) == pytest.approx(1)
    total = math.fsum(weight for _, weight in parts)
    for (_, share), (_, weight) in zip(shares, parts, strict=True):
        assert share == pytest.approx(weight / total, rel=1e-4, abs=1e-10)


@given(st.text(alphabet="ab_+()0123456789.eE- \n\ud800é", max_size=30))
def test_anything_else_is_a_value_error(text: str) -> None:
    try:
        shares = parse_mix(text)
    except ValueError:
        return
    assert math.fsum(share for _, share in shares) == pytest.approx(1)
    assert all(name and 0 < share <= 1 for name, share in shares)
