"""What a text costs, by the prices that Together publishes.

`catalogue.json` has the prices and says of which month they are. They are Together's list prices:
what an organisation has agreed on besides, and taxes, are unknown here.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import NamedTuple


class Price(NamedTuple):
    """The published price of a model.

    Attributes:
        model: The model's name on the wire.
        usd_per_million: Dollars for a million characters of input.
        as_of: The month that the price is of, as `2026-08`.
    """

    model: str
    usd_per_million: Decimal
    as_of: str

    def usd(self, characters: int) -> Decimal:
        """Return what `characters` cost, in dollars, exact and not rounded.

        Raises:
            ValueError: `characters` is below 0.
        """
        if characters < 0:
            raise ValueError(f"characters must be 0 or more, not {characters!r}")
        return self.usd_per_million * characters / 1_000_000


def price_of(model: str) -> Price | None:
    """Return the published price of a model, or `None` where none is known."""
    return _prices().get(model)


def usd(model: str, characters: int) -> Decimal | None:
    """Return what `characters` of input cost, in dollars, or `None` where no price is known.

    Raises:
        ValueError: `characters` is below 0.
    """
    price = price_of(model)
    return None if price is None else price.usd(characters)


def billed_characters(text: str) -> int:
    """Return how many characters of a text are billed.

    Together bills by the character of the input and does not define one. Assumed are Unicode code
    points of the text as it is sent, with spaces, line ends and marks, which is also how the
    documented limits on the input's length count.
    """
    return len(text)


@cache
def _prices() -> Mapping[str, Price]:
    import pkgutil

    data = pkgutil.get_data("facade._rules", "catalogue.json")
    assert data is not None  # noqa: S101 - the file is part of the package
    # As they are written: 0.1 is no binary fraction.
    catalogue = json.loads(data, parse_float=Decimal)
    return {
        model: Price(model, Decimal(price), catalogue["as_of"])
        for model, price in catalogue["usd_per_million_characters"].items()
    }
