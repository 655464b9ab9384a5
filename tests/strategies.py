"""What hypothesis makes the tests' examples from."""

import json
from decimal import Decimal
from fractions import Fraction

from hypothesis import strategies as st

from facade import VoiceMix
from facade.voices import Weight

# --- JSON --------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=4,
)


def objects_with(*names: str) -> st.SearchStrategy[dict[str, object]]:
    """Objects that have some of these fields, each with any value."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, json_values))


# --- voices and mixes --------------------------------------------------------------------------

# Everything that the grammar of mixes leaves to names.
names = st.text(st.characters(exclude_characters="+()"), min_size=1, max_size=12).filter(
    lambda name: not any(character.isspace() for character in name)
)

weights: st.SearchStrategy[Weight] = st.one_of(
    st.integers(1, 10**200),
    st.integers(1, 9),
    st.floats(min_value=0, exclude_min=True, allow_infinity=False),
    st.builds(
        lambda digits, exponent: Decimal(digits).scaleb(exponent),
        st.integers(1, 10**20),
        st.integers(-100, 100),
    ),
    st.fractions(min_value=0, max_denominator=10**50).filter(bool),
)

# Far beyond what can be written out, and what is no weight at all.
wild_weights: st.SearchStrategy[Weight] = st.one_of(
    weights,
    st.integers(),
    st.integers(-6000, 6000).map(lambda power: 10**power if power > 0 else -(10**-power)),
    st.integers(1, 6000).map(lambda power: Fraction(1, 3**power)),
    st.floats(),
    st.decimals(),
    st.integers(-10_000, 10_000).map(lambda exponent: Decimal(f"1E{exponent}")),
)


def parts_with(
    of: st.SearchStrategy[Weight], at_least: int = 2
) -> st.SearchStrategy[dict[str, Weight]]:
    """Voices with weights."""
    return st.dictionaries(names, of, min_size=at_least, max_size=4)


mixes = parts_with(weights).map(VoiceMix)

# Text that is nearly a mix.
mix_like = st.text(st.sampled_from("ab_(+)0123456789.-eE \n٣"), max_size=24) | st.text(max_size=12)

# --- answers -----------------------------------------------------------------------------------

header_values = st.one_of(
    st.text(max_size=30),
    st.floats().map(str),
    st.integers().map(str),
    # Parts of dates, in any order and number.
    st.lists(
        st.sampled_from(
            ["Wed,", "21", "Oct", "2026", "07:28:00", "GMT", "+9999999", "-0000", "99", ":", "1."]
        ),
        max_size=8,
    ).map(" ".join),
)
headers = st.dictionaries(
    st.sampled_from(
        [
            "cf-ray",
            "content-type",
            "date",
            "location",
            "retry-after",
            "x-anything-else",
            "x-ratelimit-reset",
            "x-request-id",
        ]
    ),
    header_values,
    max_size=4,
)

# Cheaper than any JSON, for there are many answers to make.
_field_values = st.text(max_size=30) | st.sampled_from(
    [None, True, 5, 1.5, 10**400, "", "\ud800", [], {}, ["a"], {"message": "a"}]
)
_error_fields = st.dictionaries(
    st.sampled_from(["message", "type", "param", "code", "detail", "error_type", "error"]),
    _field_values,
    max_size=3,
)
error_documents = (
    _field_values
    | _error_fields
    | st.builds(lambda inner, outer: {**outer, "error": inner}, _error_fields, _error_fields)
)
_pieces = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=100).map(lambda text: text.encode(errors="surrogatepass")),
    error_documents.map(lambda document: json.dumps(document).encode()),
    st.sampled_from(
        [b"<!DOCTYPE html><title>522</title>", b"<", b"[", b'{"error":', b"data: {}\n\n", b"\0"]
    ),
)
# A piece over and over is long without being long to make.
bodies = _pieces | st.builds(
    lambda start, piece, times: start + (piece * times)[:70_000],
    st.sampled_from([b"", b"{", b"\xef\xbb\xbf", b"<html>", b"data: "]),
    _pieces,
    st.sampled_from([1, 2, 1000, 70_000]),
)
