"""Stand-in."""

import math


class Pace:
    def __init__(self, *, at_once: int | None = None, per_minute: float | None = None) -> None:
        self._most = at_once or 8
        self._under = 0
        self.rate = 0.0

    def next_at(self, now: float) -> float:
        return now if self._under < self._most else math.inf

    def begin(self, now: float) -> int:
        self._under += 1
        return 0

    def end(self, ticket: int, now: float, error: BaseException | None) -> None:
        self._under -= 1
