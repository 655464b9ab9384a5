"""What a batch shows while it runs: a bar on a terminal, else a line every few seconds."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, TypeAlias

import typer
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

EVERY_S = 5.0
"""How often a line is written where there is no terminal."""

# How far back the speed is measured: that of now, and that which says how long the rest will take.
_NOW_S = 5.0
_MEMORY_S = 30.0

Tell: TypeAlias = Callable[[str], None]
"""Writes a line among what is shown."""


class Numbers(Protocol):
    """How far a batch is, as `SpeechBatch` says."""

    @property
    def done(self) -> int: ...
    @property
    def failed(self) -> int: ...
    @property
    def under_way(self) -> int: ...
    @property
    def usd(self) -> Decimal | None: ...
    @property
    def duration_s(self) -> float: ...


class Speed:
    """How fast rows come to their end."""

    def __init__(self, now: float) -> None:
        self._seen: deque[tuple[float, int]] = deque([(now, 0)])

    def per_s(self) -> float:
        """Return how many a second have come to their end lately."""
        now, finished = self._seen[-1]
        since, before = self._seen[0]
        for seen in self._seen:
            # Not the first within that time: where lines come as seldom, that is the last itself.
            if seen[0] <= now - _NOW_S:
                since, before = seen
        return (finished - before) / (now - since) if now > since else 0.0

    def left_s(self, now: float, finished: int, total: int) -> float:
        """Take in how many are finished, and return the seconds that the rest will take."""
        self._seen.append((now, finished))
        # One that is older than the memory stays: the others alone may reach back a moment only.
        while self._seen[1][0] <= now - _MEMORY_S:
            self._seen.popleft()
        since, before = self._seen[0]
        if finished >= total:
            return 0.0
        if finished == before:
            return math.inf
        return (total - finished) * (now - since) / (finished - before)


def line(batch: Numbers, total: int, per_s: float, left_s: float) -> str:
    """Say how far a batch is."""
    parts = [
        f"{batch.done:,} of {total:,} done",
        f"{batch.failed:,} failed",
        f"{batch.under_way} under way",
        f"{per_s:.1f} rows/s",
        f"{batch.duration_s:,.0f} s of audio",
        dollars(batch.usd),
    ]
    if math.isfinite(left_s):
        parts.append(f"{clock(left_s)} left")
    return ", ".join(parts)


def dollars(usd: Decimal | None, *, limit: Decimal = Decimal(0)) -> str:
    """Write a price: in cents, or to the hundredth of a cent where it is less than ten dollars.

    What is more than `limit` is written as exactly as it takes to see that.
    """
    if usd is None:
        return "price unknown"
    digits = 2 if usd >= 10 or not usd else 4
    while usd > limit and round(usd, digits) <= limit:
        digits += 1
    return f"${usd:,.{digits}f}"


def clock(seconds: float) -> str:
    """Write a length of time as `h:mm:ss` or `m:ss`."""
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown: so much of it all is finished, and a line that says more."""

    finished: int
    total: int
    text: str


@contextmanager
def shown(batch: Numbers, total: int) -> Iterator[Tell]:
    """Show how far a batch is, until the block ends."""
    speed = Speed(time.monotonic())

    def now() -> Shown:
        finished = batch.done + batch.failed
        left_s = speed.left_s(time.monotonic(), finished, total)
        return Shown(finished, total, line(batch, total, speed.per_s(), left_s))

    with live(now) as tell:
        yield tell


@contextmanager
def live(now: Callable[[], Shown]) -> Iterator[Tell]:
    """Show again and again what `now` returns, until the block ends."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        with _lines(lambda: now().text) as tell:
            yield tell
        return

    def screen() -> Table:
        # A bar ends no line by itself.
        table = Table.grid(expand=True)
        shown = now()
        table.add_row(ProgressBar(shown.total, shown.finished))
        table.add_row(shown.text)
        return table

    with Live(
        get_renderable=screen,
        console=console,
        refresh_per_second=4,
        redirect_stdout=False,
        redirect_stderr=False,
    ):
        yield lambda message: console.print(Text(message))


@contextmanager
def _lines(now: Callable[[], str]) -> Iterator[Tell]:
    """Write a line every few seconds, also while nothing comes."""
    is_over = threading.Event()

    def write() -> None:
        while not is_over.wait(EVERY_S):
            typer.echo(now(), err=True)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        yield lambda message: typer.echo(message, err=True)
    finally:
        is_over.set()
        thread.join()
