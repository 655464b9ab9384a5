"""What a text costs by the published prices."""

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facade._rules.catalogue import models
from facade._rules.pricing import Price, billed_characters, price_of, usd

KOKORO = "hexgrad/Kokoro-82M"
PUBLISHED = {
    KOKORO: 4,
    "canopylabs/orpheus-3b-0.1-ft": 15,
    "cartesia/sonic-2": 65,
    "cartesia/sonic-3": 65,
}


@pytest.mark.parametrize("model", models())
def test_the_price_is_the_published_one_or_unknown(model: str) -> None:
    price = price_of(model)
    if model in PUBLISHED:
        assert price == Price(model, Decimal(PUBLISHED[model]), "2026-08")
        assert re.fullmatch(r"20[0-9]{2}-[01][0-9]", price.as_of)
        assert usd(model, 1_000_000) == PUBLISHED[model]
    else:
        assert price is None
        assert usd(model, 1_000_000) is None


@pytest.mark.parametrize("model", ["", "nobody/knows", KOKORO.lower()])
def test_a_model_that_is_not_in_the_catalogue_has_no_price(model: str) -> None:
    assert price_of(model) is None
    assert usd(model, 0) is None


@given(st.lists(st.integers(0, 10_000_000), min_size=1, max_size=50))
def test_sums_are_exact(counts: list[int]) -> None:
    parts = [usd(KOKORO, count) for count in counts]
    assert sum(part for part in parts if part is not None) == usd(KOKORO, sum(counts))


def test_one_character_costs_something_and_none_costs_nothing() -> None:
    assert usd(KOKORO, 1) == Decimal("0.000004")
    assert usd(KOKORO, 0) == 0


def test_no_count_is_below_0() -> None:
    with pytest.raises(ValueError, match="characters must be 0 or more, not -1"):
        usd(KOKORO, -1)


@pytest.mark.parametrize(
    ("text", "count"), [("", 0), ("Hello.", 6), (" a\n", 3), ("né", 2), ("👋🏽", 2), ("日本", 2)]
)
def test_code_points_are_billed(text: str, count: int) -> None:
    assert billed_characters(text) == count
