"""How much may be asked in a second: token buckets, without a clock of their own."""

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace

MAX_RATE = 1_000_000.0
"""The highest limit, and the highest burst."""

MAX_KEYS = 1000
"""How many keys have a bucket; the one that was asked for the longest ago makes room."""

# What a sum of fractions may lack.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Limit:
    """A limit on demand.

    Attributes:
        text: How it was written, such as ``"20/s"``.
        per_s: How much comes back in a second.
        burst: How much may be taken at once after a pause.
    """

    text: str
    per_s: float
    burst: float

    @classmethod
    def parse(cls, text: str) -> "Limit":
        """A limit from ``"20/s"`` or ``"90/m"``, with a burst in ``"20/s:5"``.

        The burst is otherwise what comes back in one second, and at least 1.

        Raises:
            ValueError: It is none, or out of range.
        """
        found = _LIMIT.fullmatch(text)
        if found is not None:
            per_s = float(found["rate"]) / (60 if found["unit"] == "m" else 1)
            burst = float(found["burst"] or max(per_s, 1.0))
            if 0 < per_s <= MAX_RATE and 1 <= burst <= MAX_RATE:
                return cls(text, per_s, burst)
        raise ValueError(
            "a number above 0 for each second or minute, such as 20/s or 90/m, and if wanted a "
            f"burst of at least 1, such as 20/s:5, none of them above {MAX_RATE:,.0f} (a second)"
        )


_LIMIT = re.compile(
    r"(?P<rate>[0-9]{1,9}(\.[0-9]{1,9})?)/(?P<unit>[sm])(:(?P<burst>[0-9]{1,9}))?", re.ASCII
)


class Bucket:
    """A token bucket: full at first, then never more is taken than its burst and what comes back.

    All moments are seconds on one clock that does not go back.
    """

    def __init__(self, limit: Limit, now_s: float) -> None:
        self._limit = limit
        self._level = limit.burst
        self._at_s = now_s

    def level(self, now_s: float) -> float:
        """How much is left; below 0 where more was taken than there ever is."""
        come = (now_s - self._at_s) * self._limit.per_s
        return min(self._limit.burst, self._level + come)

    def wait_s(self, amount: float, now_s: float) -> float:
        """After how many seconds that much can be taken, if nobody else comes before.

        More than the burst can be taken when the bucket is full.
        """
        missing = min(amount, self._limit.burst) - self.level(now_s)
        return missing / self._limit.per_s if missing > _ROUNDING else 0.0

    def take(self, amount: float, now_s: float) -> bool:
        """Take that much, or nothing if it is not there yet; says which."""
        if self.wait_s(amount, now_s):
            return False
        self._level = self.level(now_s) - amount
        self._at_s = now_s
        return True

    def move(self, limit: Limit, now_s: float) -> None:
        """Let another limit hold from now on. A higher one fills nothing at once."""
        self._level = self.level(now_s)
        self._at_s = now_s
        self._limit = limit


class Buckets:
    """A bucket of the same limit for each key."""

    def __init__(self, limit: Limit | None) -> None:
        self.limit = limit
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def of(self, key: str, now_s: float) -> Bucket | None:
        """The bucket of a key, or None without a limit."""
        if self.limit is None:
            return None
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(self.limit, now_s)
            if len(self._buckets) > MAX_KEYS:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return bucket

    def move(self, limit: Limit | None, now_s: float) -> None:
        """Let another limit hold from now on, or none."""
        self.limit = limit
        if limit is None:
            self._buckets.clear()
        else:
            for bucket in self._buckets.values():
                bucket.move(limit, now_s)


@dataclass(frozen=True)
class Demand:
    """What holds for every request for speech.

    Attributes:
        limit: How many requests.
        limit_characters: How many characters.
        unavailable: The share of the requests within the limits that are answered with 503, from 0
            to 1.
    """

    limit: Limit | None = None
    limit_characters: Limit | None = None
    unavailable: float = 0.0

    def with_(self, values: Mapping[str, object]) -> "Demand":
        """The same but for these, as they are written: ``{"limit": "60/s"}``; None is no limit.

        Raises:
            ValueError: One is unknown or out of range.
        """
        read: dict[str, Limit | float | None] = {}
        for name, value in values.items():
            if name not in _READERS:
                raise ValueError(f"there is no {name!r:.80}; only {', '.join(_READERS)}")
            try:
                read[name] = _READERS[name](value)
            except ValueError as error:
                raise ValueError(f"{name} must be {error}, not {value!r:.80}") from None
        return replace(self, **read)  # type: ignore[arg-type]

    def options(self) -> dict[str, str | float | None]:
        """As `with_` reads it."""
        return {
            "limit": None if self.limit is None else self.limit.text,
            "limit_characters": (
                None if self.limit_characters is None else self.limit_characters.text
            ),
            "unavailable": self.unavailable,
        }


def read_limit(value: object) -> Limit | None:
    """A limit as it is written, or None.

    Raises:
        ValueError: It is none.
    """
    return None if value is None else Limit.parse(value if isinstance(value, str) else "")


def read_share(value: object) -> float:
    """A share.

    Raises:
        ValueError: It is not from 0 to 1.
    """
    try:
        share = float(str(value))
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ValueError("from 0 to 1")
    return share


_READERS = {"limit": read_limit, "limit_characters": read_limit, "unavailable": read_share}
