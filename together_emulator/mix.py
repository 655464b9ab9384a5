"""Voice mixes such as ``af_bella(2)+af_heart(1)``."""

import math
import re

# Repeated names, a lone weighted voice, spaces and exponents are not documented; servers of this
# family take them.
_PART = re.compile(
    r"\s*(?P<name>[^\s()]+)\s*"
    r"(?:\(\s*(?P<weight>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE]-?[0-9]+)?)\s*\)\s*)?"
)


def parse_mix(mix: str) -> list[tuple[str, float]]:
    """The names of a mix with their shares, which add up to 1, in the order given.

    A part without a weight weighs 1.

    Raises:
        ValueError: The mix is malformed, or a weight is not a finite number above zero.
    """
    weighted = [_part(part) for part in mix.split("+")]
    # Dividing by the largest first keeps the sum of huge weights finite.
    largest = max(weight for _, weight in weighted)
    total = math.fsum(weight / largest for _, weight in weighted)
    return [(name, weight / largest / total) for name, weight in weighted]


def _part(part: str) -> tuple[str, float]:
    match = _PART.fullmatch(part)
    if match is None:
        raise ValueError(
            "a voice mix has the form name(weight)+name(weight), with decimal weights above zero"
        )
    weight = float(match["weight"] or 1)
    if not 0 < weight < math.inf:
        raise ValueError("the weights of a voice mix must be finite and above zero")
    return match["name"], weight
