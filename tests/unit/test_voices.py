"""Mixes of voices: building, reading and printing them exactly."""

import copy
import pickle
import re
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given

from facade import Voice, VoiceMix, WeightedVoice
from facade.errors import InvalidVoiceMixError
from facade.voices import Weight
from tests.strategies import mix_like, mixes, parts_with, weights, wild_weights

BELLA = Voice("af_bella", "Bella", "hexgrad/Kokoro-82M")
# What a printed mix may be: no exponent, no trailing zero, no sign, no space.
PRINTED = re.compile(
    r"[^\s+()]+(\+[^\s+()]+)+"
    r"|[^\s+()]+\((0|[1-9][0-9]*)(\.[0-9]*[1-9])?\)(\+[^\s+()]+\((0|[1-9][0-9]*)(\.[0-9]*[1-9])?\))+"
)


# --- building ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "built",
    [
        VoiceMix({"af_bella": 2, "af_heart": 1}),
        VoiceMix([("af_bella", 2), ("af_heart", 1)]),
        VoiceMix([(BELLA, 2), ("af_heart", Decimal(1))]),
        VoiceMix((WeightedVoice("af_bella", Decimal(2)), ("af_heart", 1.0))),
        VoiceMix((voice, Fraction(weight)) for voice, weight in [("af_bella", 2), ("af_heart", 1)]),
        VoiceMix(VoiceMix.parse("af_bella(2)+af_heart(1)").voices),
    ],
)
def test_a_mix_is_built_from_a_mapping_or_pairs(built: VoiceMix) -> None:
    assert str(built) == "af_bella(2)+af_heart(1)"
    assert built.voices == (
        WeightedVoice("af_bella", Decimal(2)),
        WeightedVoice("af_heart", Decimal(1)),
    )
    assert built.shares == {"af_bella": Fraction(2, 3), "af_heart": Fraction(1, 3)}
    assert repr(built) == "VoiceMix.parse('af_bella(2)+af_heart(1)')"


@pytest.mark.parametrize(
    ("given_weights", "printed"),
    [
        ((2, 1), ("2", "1")),
        ((0.1, 0.2), ("0.1", "0.2")),
        ((1.0, 0.5), ("1", "0.5")),
        ((Decimal("2.50"), Decimal("1E+3")), ("2.5", "1000")),
        ((Decimal("1E-12"), 1), ("0.000000000001", "1")),
        ((Decimal("1E-13"), 1), ("1", "10000000000000")),
        ((1e-7, 1e22), ("0.0000001", "10000000000000000000000")),
        ((Fraction(1, 3), Fraction(2, 3)), ("1", "2")),
        ((Fraction(1, 8), 1), ("0.125", "1")),
        ((Fraction(1, 3), 0.5), ("2", "3")),
        ((Fraction(10, 3), Fraction(20, 3)), ("1", "2")),
        ((4, 2), ("4", "2")),
        ((100, 10), ("100", "10")),
        ((10**999, 1), ("1" + "0" * 999, "1")),
    ],
)
def test_weights_print_as_plain_exact_decimals(
    given_weights: tuple[Weight, Weight], printed: tuple[str, str]
) -> None:
    mix = VoiceMix(dict(zip("ab", given_weights, strict=True)))
    assert str(mix) == f"a({printed[0]})+b({printed[1]})"


@pytest.mark.parametrize(
    ("voices", "text"),
    [
        ({}, "two voices or more"),
        ({"af_bella": 1}, "two voices or more"),
        ([("af_bella", 1), (BELLA, 2)], "af_bella stands in the mix twice"),
        ("af_bella(2)+af_heart(1)", "VoiceMix.parse"),
        (None, "None is neither a mapping nor pairs"),
        (["af_bella", "af_heart"], "'af_bella' is not a pair"),
        ([("af_bella", 1, 2)], "not a pair"),
        ([(7, 1)], "(7, 1) is not a pair"),
        ({"af bella": 1, "b": 1}, "'af bella' cannot stand in a mix"),
        ({"": 1, "b": 1}, "'' cannot stand in a mix"),
        ({"a+c": 1, "b": 1}, "'a+c' cannot stand in a mix"),
        ({"a(2)": 1, "b": 1}, "'a(2)' cannot stand in a mix"),
        *(
            ({"af_bella": 1, "af_heart": weight}, f"the weight of af_heart must be .* not {shown}")
            for weight, shown in [
                (0, "0"),
                (-1, "-1"),
                (-0.5, "-0.5"),
                (float("nan"), "nan"),
                (float("inf"), "inf"),
                (Decimal("NaN"), r"Decimal\('NaN'\)"),
                (Decimal("sNaN"), r"Decimal\('sNaN'\)"),
                (Decimal("-Infinity"), r"Decimal\('-Infinity'\)"),
                (Decimal("0E+99999"), r"Decimal\('0E\+99999'\)"),
                (Fraction(-1, 2), r"Fraction\(-1, 2\)"),
                (True, "True"),
                ("2", "'2'"),
                (None, "None"),
                (1j, "1j"),
            ]
        ),
        *(
            ({"af_bella": 1, "af_heart": weight}, "1000 digits")
            for weight in [
                10**1000,
                10**5000,
                -(10**5000),
                Fraction(1, 3**9000),
                Decimal("1E+999999"),
                Decimal("-1E-999999"),
                Decimal("0." + "1" * 1500),
            ]
        ),
    ],
)
def test_what_is_no_mix_is_refused_with_the_reason(voices: object, text: str) -> None:
    with pytest.raises(InvalidVoiceMixError) as caught:
        VoiceMix(voices)  # type: ignore[call-overload]
    assert re.search(text if ".*" in text else re.escape(text), str(caught.value))
    assert caught.value.param == "voice"


def test_equal_parts_print_without_weights() -> None:
    mix = VoiceMix.equal("af_bella", Voice("af_heart", "Heart", "m"), "am_adam")
    assert str(mix) == "af_bella+af_heart+am_adam"
    assert repr(mix) == "VoiceMix.parse('af_bella+af_heart+am_adam')"
    assert set(mix.shares.values()) == {Fraction(1, 3)}
    assert mix == VoiceMix({"af_bella": 3, "af_heart": 3, "am_adam": 3})


@pytest.mark.parametrize("voices", [(), ("a",), ("a", "a"), ("a", "b c"), ("a", 3)])
def test_equal_parts_refuse_what_a_mix_refuses(voices: tuple[str, ...]) -> None:
    with pytest.raises(InvalidVoiceMixError):
        VoiceMix.equal(*voices)


# --- reading -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "af_bella+af_heart",
        "af_bella(2)+af_heart(1)",
        "af_bella(1)+af_heart(1)+am_adam(0.5)",
    ],
)
def test_the_examples_of_the_documentation_print_unchanged(text: str) -> None:
    assert str(VoiceMix.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("a(02)+b(1.50)", "a(2)+b(1.5)"),
        ("a(2.0)+b", "a(2)+b(1)"),
        ("a(" + "0" * 1999 + "2)+b", "a(2)+b(1)"),
        ("a+b(1)", "a(1)+b(1)"),
        (f"a(0.{'3' * 20})+b(0.{'6' * 20})", "a(1)+b(2)"),
    ],
)
def test_other_spellings_print_in_ours(text: str, printed: str) -> None:
    assert str(VoiceMix.parse(text)) == printed


@pytest.mark.parametrize(
    ("text", "position", "reason"),
    [
        ("af_bella(2)+", 12, "a voice's name is missing"),
        ("af_bella((2))+b", 9, "plain decimal number"),
        ("af_bella((2))", 9, "plain decimal number"),
        ("af_bella(-1)+b", 9, "plain decimal number"),
        ("af_bella(+1)+b", 9, "plain decimal number"),
        ("af_bella(1e3)+b", 10, "plain decimal number"),
        ("af_bella(.5)+b", 9, "plain decimal number"),
        ("af_bella(1.)+b", 10, "plain decimal number"),
        ("af_bella(٣)+b", 9, "plain decimal number"),
        ("af_bella()+b", 9, "plain decimal number"),
        ("af_bella(nan)+b", 9, "plain decimal number"),
        ("af_bella(2", 10, "plain decimal number"),
        ("af_bella(0)+b", 9, "above 0"),
        ("af_bella(0.00)+b", 9, "above 0"),
        ("a(1)+b(" + "1" * 2001 + ")", 7, "too many digits"),
        ("af_bella (2)", 8, "not ' '"),
        ("af_bella(2) +b", 11, "not ' '"),
        ("af_bella(2)b", 11, "not 'b'"),
        ("a)+b", 1, "not ')'"),
        ("+", 0, "a voice's name is missing"),
        ("", 0, "a voice's name is missing"),
        ("a++b", 2, "a voice's name is missing"),
        ("(2)+b", 0, "a voice's name is missing"),
        ("a+b+a", 4, "a stands in the mix twice"),
        ("af_bella", None, "two voices or more"),
        ("af_bella(2)", None, "two voices or more"),
    ],
)
def test_an_unreadable_mix_is_refused_at_its_place(
    text: str, position: int | None, reason: str
) -> None:
    with pytest.raises(InvalidVoiceMixError, match=re.escape(reason)) as caught:
        VoiceMix.parse(text)
    assert caught.value.mix == text
    assert caught.value.position == position
    if position is None:
        assert str(caught.value).endswith(f", in {text!r}")
    else:
        assert str(caught.value).endswith(f", at character {position + 1} of {text!r}")


def test_a_weight_that_only_just_can_be_written_out_is_taken() -> None:
    largest = 10**1000 - 1
    assert str(VoiceMix({"a": largest, "b": 1})) == f"a({largest})+b(1)"
    assert str(VoiceMix.parse(f"a({largest})+b")) == f"a({largest})+b(1)"


def test_a_weight_that_only_just_cannot_be_written_out_is_refused() -> None:
    with pytest.raises(InvalidVoiceMixError, match="more than 1000 digits"):
        VoiceMix.parse(f"a(0.{'0' * 1200}1)+b")


@pytest.mark.parametrize("given_value", [None, 7, b"a+b", VoiceMix.equal("a", "b")])
def test_only_a_string_is_read(given_value: object) -> None:
    with pytest.raises(InvalidVoiceMixError, match="from a string"):
        VoiceMix.parse(given_value)  # type: ignore[arg-type]


# --- being a value -----------------------------------------------------------------------------


def test_mixes_are_equal_when_they_sound_alike() -> None:
    mix = VoiceMix({"a": 2, "b": 1})
    for same in (VoiceMix({"a": 4, "b": 2}), VoiceMix({"a": Fraction(2, 3), "b": Fraction(1, 3)})):
        assert mix == same
        assert hash(mix) == hash(same)
    for other in (VoiceMix({"b": 1, "a": 2}), VoiceMix({"a": 1, "b": 2}), VoiceMix.equal("a", "b")):
        assert mix != other
    assert mix != "a(2)+b(1)"
    assert len({BELLA, Voice("af_bella", "Bella", "hexgrad/Kokoro-82M")}) == 1


def test_a_mix_cannot_be_changed_by_accident() -> None:
    mix = VoiceMix.equal("a", "b")
    with pytest.raises(AttributeError):
        mix.voices = ()  # type: ignore[misc]
    with pytest.raises(AttributeError):
        mix.weights = {}  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        mix.voices[0].weight = Decimal(2)  # type: ignore[misc]
    mix.shares.clear()
    assert str(mix) == "a+b"
    assert len(mix.shares) == 2


# --- whatever the numbers ----------------------------------------------------------------------


def meant(weight: Weight) -> Fraction:
    """The exact number that a weight stands for."""
    return Fraction(repr(weight)) if isinstance(weight, float) else Fraction(weight)


@given(parts_with(weights))
@example({"a": 5e-324, "b": 1.7976931348623157e308})
@example({"a": 0.1, "b": Fraction(1, 3), "c": Decimal("1E-30")})
def test_shares_are_exact_and_the_printed_mix_reads_back(parts: dict[str, Weight]) -> None:
    mix = VoiceMix(parts)
    total = sum(map(meant, parts.values()))
    assert mix.shares == {voice: meant(weight) / total for voice, weight in parts.items()}
    assert list(mix.shares) == list(parts)
    assert sum(mix.shares.values()) == 1
    assert PRINTED.fullmatch(str(mix))
    read = VoiceMix.parse(str(mix))
    assert read == mix
    assert hash(read) == hash(mix)
    assert read.voices == mix.voices
    assert str(read) == str(mix)


@given(parts_with(wild_weights, at_least=0))
def test_any_weights_give_a_mix_or_a_refusal(parts: dict[str, Weight]) -> None:
    try:
        mix = VoiceMix(parts)
    except InvalidVoiceMixError as error:
        assert str(error)  # noqa: PT017 - whether it is raised depends on the example
    else:
        assert VoiceMix.parse(str(mix)) == mix


@given(mix_like)
@example("a(0.1)+b(00.30)")
@example("a+b")
def test_any_text_gives_a_mix_that_prints_and_reads_again_or_a_refusal(text: str) -> None:
    try:
        mix = VoiceMix.parse(text)
    except InvalidVoiceMixError as error:
        assert error.position is None or 0 <= error.position <= len(text)  # noqa: PT017 - as above
    else:
        assert PRINTED.fullmatch(str(mix))
        assert VoiceMix.parse(str(mix)) == mix


@given(mixes)
def test_mixes_travel(mix: VoiceMix) -> None:
    for arrived in (pickle.loads(pickle.dumps(mix)), copy.copy(mix), copy.deepcopy(mix)):  # noqa: S301
        assert arrived == mix
        assert arrived.voices == mix.voices
        assert str(arrived) == str(mix)
