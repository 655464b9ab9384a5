"""Voices, and mixes of them.

Only Kokoro mixes voices. On the wire a mix is a string such as `af_bella(2)+af_heart(1)`: names
joined by `+`, each with an optional weight, the first voice setting the language (Together's
documentation). `VoiceMix` builds, reads and prints such strings exactly.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import gcd, isfinite, lcm
from typing import Literal, Self, TypeAlias, overload

from facade.errors import InvalidVoiceMixError

Weight: TypeAlias = int | float | Decimal | Fraction
Gender: TypeAlias = Literal["female", "male"]


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice of a model.

    Attributes:
        id: What `synthesize(voice=...)` takes.
        name: The name for people; for most models the same as `id`.
        model: The model that speaks with it.
        language: The language it was made for, such as `"en-us"`; known for Kokoro only.
        gender: `"female"` or `"male"`; known for Kokoro only.
        grade: The overall quality that Kokoro's authors give it, from `"A"` to `"F"`.
    """

    id: str
    name: str
    model: str
    language: str | None = None
    gender: Gender | None = None
    grade: str | None = None


@dataclass(frozen=True, slots=True)
class WeightedVoice:
    """One voice of a mix.

    Attributes:
        voice: The voice's id.
        weight: Its weight, relative to the other voices of the mix.
    """

    voice: str
    weight: Decimal


class VoiceMix:
    """Several Kokoro voices as one.

    The order is kept: the first voice sets the language. Weights are relative, exact, and print as
    plain decimals. Two mixes are equal when they have the same voices in the same order with the
    same shares, so `af_bella(2)+af_heart(1)` equals `af_bella(4)+af_heart(2)`.
    """

    __slots__ = ("_is_bare", "_voices")

    _is_bare: bool
    _voices: tuple[WeightedVoice, ...]

    # Two, because mypy reads a literal of mixed numbers as one of objects where it may be either.
    @overload
    def __init__(self, voices: Mapping[str, Weight]) -> None: ...

    @overload
    def __init__(self, voices: Iterable[tuple[str | Voice, Weight] | WeightedVoice]) -> None: ...

    def __init__(
        self, voices: Mapping[str, Weight] | Iterable[tuple[str | Voice, Weight] | WeightedVoice]
    ) -> None:
        """Build a mix.

        Args:
            voices: Voices with their weights: a mapping, or pairs. A weight is any finite number
                above 0. A `float` counts as the decimal number it prints as, so 0.1 is a tenth.
                Where a weight has more than 12 decimal places, as a third has, all are scaled to
                whole numbers in lowest terms.

        Raises:
            InvalidVoiceMixError: A lone voice, a repeated one, a name that cannot stand in a mix,
                or a weight that is not finite and positive.
        """
        pairs: list[tuple[str, Fraction]] = []
        for name, weight in _pairs(voices):
            _check_name(name)
            if any(name == earlier for earlier, _ in pairs):
                raise InvalidVoiceMixError(f"{name} stands in the mix twice; add up its weights")
            pairs.append((name, _exact(name, weight)))
        if len(pairs) < 2:
            raise InvalidVoiceMixError(_LONE)
        self._set(pairs, is_bare=False)

    @classmethod
    def equal(cls, *voices: str | Voice) -> Self:
        """Build a mix of equal parts, which prints without weights: `af_bella+af_heart`.

        Args:
            voices: Two or more voices.

        Raises:
            InvalidVoiceMixError: A lone voice, a repeated one, or a name that cannot stand in a
                mix.
        """
        mix = cls((voice, 1) for voice in voices)
        mix._is_bare = True
        return mix

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a mix as it stands on the wire.

        Args:
            text: Such as `"af_bella(2)+af_heart(1)"`. A voice without a weight counts as 1.

        Raises:
            InvalidVoiceMixError: It is no mix; `position` says where.
        """
        if not isinstance(text, str):
            raise InvalidVoiceMixError(f"a mix is read from a string, not from {text!r}")
        mix = cls.__new__(cls)
        mix._set(_parse(text), is_bare="(" not in text)
        return mix

    @property
    def voices(self) -> tuple[WeightedVoice, ...]:
        """The voices with their weights, in order."""
        return self._voices

    @property
    def shares(self) -> dict[str, Fraction]:
        """Each voice's part of the whole, as a fraction of 1, in order."""
        weights = {part.voice: Fraction(part.weight) for part in self.voices}
        total = sum(weights.values())
        return {voice: weight / total for voice, weight in weights.items()}

    def __str__(self) -> str:
        """The mix as it stands on the wire."""
        if self._is_bare:
            return "+".join(part.voice for part in self.voices)
        return "+".join(f"{part.voice}({part.weight:f})" for part in self.voices)

    def __repr__(self) -> str:
        return f"VoiceMix.parse({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, VoiceMix):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[tuple[str, Fraction], ...]:
        return tuple(self.shares.items())

    def _set(self, pairs: list[tuple[str, Fraction]], *, is_bare: bool) -> None:
        weights = _decimals([weight for _, weight in pairs])
        self._is_bare = is_bare
        self._voices = tuple(
            WeightedVoice(name, weight) for (name, _), weight in zip(pairs, weights, strict=True)
        )


# Which characters a name may have is not documented; these are the ones that the grammar leaves.
_NAME = re.compile(r"[^\s+()]+")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_PLACES = 12
# Python reads no integer of more than 4,300 digits, so a longer one would print and not parse.
_DIGITS = 1000
_SCALE = 10**_PLACES
_TOO_LARGE = 10**_DIGITS
_LONE = "a mix needs two voices or more; a single voice is passed by its name"


def _pairs(
    voices: Mapping[str, Weight] | Iterable[tuple[str | Voice, Weight] | WeightedVoice],
) -> Iterator[tuple[str, Weight]]:
    if isinstance(voices, str) or not isinstance(voices, Iterable):
        raise InvalidVoiceMixError(
            f"{voices!r} is neither a mapping nor pairs of a voice and a weight; a mix in one "
            "string is read by VoiceMix.parse"
        )
    for item in voices.items() if isinstance(voices, Mapping) else voices:
        match item:
            case WeightedVoice(voice, weight) | (Voice(id=voice), weight) | (str(voice), weight):
                yield voice, weight
            case _:
                raise InvalidVoiceMixError(f"{item!r} is not a pair of a voice and a weight")


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidVoiceMixError(
            f"{name!r} cannot stand in a mix: names there have no spaces, '+' or parentheses"
        )


def _exact(name: str, weight: object) -> Fraction:
    exact = Fraction(0)
    match weight:
        case bool():
            pass
        case float() if isfinite(weight):
            # The shortest decimal that reads back as this float is what its writer meant.
            exact = Fraction(float.__repr__(weight))
        case Decimal() if weight.is_finite() and weight:
            # Before it is written out: an exponent can name more digits than memory holds.
            _check_digits(name, abs(weight.adjusted()))
            exact = Fraction(weight)
        case int() | Fraction():
            exact = Fraction(weight)
            bits = max(exact.numerator.bit_length(), exact.denominator.bit_length())
            _check_digits(name, bits * 3 // 10)
    if exact <= 0:
        raise InvalidVoiceMixError(
            f"the weight of {name} must be a finite number above 0, not {weight!r}"
        )
    return exact


def _check_digits(name: str, digits: int) -> None:
    if digits > _DIGITS:
        raise InvalidVoiceMixError(
            f"the weight of {name} takes more than {_DIGITS} digits to write out"
        )


def _decimals(weights: list[Fraction]) -> list[Decimal]:
    """Write `weights` as decimals: as they are where all are short, else as whole numbers."""
    if any(_SCALE % weight.denominator for weight in weights):
        common = lcm(*(weight.denominator for weight in weights))
        weights = [weight * common for weight in weights]
        divisor = gcd(*(weight.numerator for weight in weights))
        weights = [weight / divisor for weight in weights]
    # Whole numbers are compared, which is far cheaper than fractions.
    if any(weight.numerator >= _TOO_LARGE * weight.denominator for weight in weights):
        raise InvalidVoiceMixError(f"written out, a weight has more than {_DIGITS} digits")
    return [_decimal(weight) for weight in weights]


def _decimal(weight: Fraction) -> Decimal:
    if weight.denominator == 1:
        return Decimal(weight.numerator)
    digits = f"{weight.numerator * 10**_PLACES // weight.denominator:0{_PLACES + 1}d}"
    return Decimal(f"{digits[:-_PLACES]}.{digits[-_PLACES:]}".rstrip("0").rstrip("."))


def _parse(text: str) -> list[tuple[str, Fraction]]:
    """Read `text` from left to right, in time proportional to its length."""
    pairs: dict[str, Fraction] = {}
    at = 0
    while True:
        name = _NAME.match(text, at)
        if name is None:
            raise InvalidVoiceMixError("a voice's name is missing", mix=text, position=at)
        if name[0] in pairs:
            raise InvalidVoiceMixError(f"{name[0]} stands in the mix twice", mix=text, position=at)
        at = name.end()
        pairs[name[0]] = Fraction(1)
        if text.startswith("(", at):
            pairs[name[0]], at = _parse_weight(text, at + 1)
        if at == len(text):
            break
        if text[at] != "+":
            raise InvalidVoiceMixError(
                f"'+' and another voice, or the end, must follow, not {text[at]!r}",
                mix=text,
                position=at,
            )
        at += 1
    if len(pairs) < 2:
        raise InvalidVoiceMixError(_LONE, mix=text)
    return list(pairs.items())


def _parse_weight(text: str, at: int) -> tuple[Fraction, int]:
    number = _NUMBER.match(text, at)
    end = number.end() if number else at
    if number is None or not text.startswith(")", end):
        raise InvalidVoiceMixError(
            "a weight is a plain decimal number in parentheses, such as (2) or (0.5)",
            mix=text,
            position=end,
        )
    if len(number[0]) > 2 * _DIGITS:
        raise InvalidVoiceMixError("a weight has too many digits", mix=text, position=at)
    # A fraction is read from text at five times the cost of a whole number.
    weight = Fraction(number[0] if "." in number[0] else int(number[0]))
    if not weight:
        raise InvalidVoiceMixError("a weight must be above 0", mix=text, position=at)
    return weight, end + 1
