"""Many texts at once: against a limit that moves, and what a row costs.

`python -m benchmarks.batch WHAT CONTENDER ...` prints the figures as JSON.
"""

import asyncio
import json
import os
import random
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice, pairwise, repeat
from typing import Any, TypeAlias
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import httpx

from benchmarks.contenders import KEY, TEXT, VOICE
from benchmarks.measure import Time, settled
from facade import AsyncSpeechClient, RateLimitError, SpeechClient

PHASES = ((20, 15.0), (60, 15.0), (10, 15.0))
"""The limits in calls a second, and for how many seconds each holds."""

# What the service takes to speak, so that a semaphore does not mean thousands of calls a second.
_ANSWER_S = 0.25
_AT_ONCE = 50
# A limit counts as reached after so many seconds of the rate, within this share of it.
_STRETCH_S, _WITHIN = 3.0, 0.1
# As OpenAI's SDK waits, without the header.
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 8.0

_Speak: TypeAlias = Callable[[], Awaitable[object]]


# --- a limit that moves --------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """What the emulator saw of a call: the second that it came in, and its answer's status."""

    at_s: float
    status: int


def judged(calls: list[Seen], moved_s: list[float]) -> dict[str, float]:
    """Return what has come of calls under a limit that moved.

    Args:
        calls: The calls in their order.
        moved_s: When each of the `PHASES` began, and when the last of them ended.
    """
    good = [call.at_s for call in calls if call.status == httpx.codes.OK]
    # At first the emulator's bucket is full, which is a second's worth more.
    allowed = [rate * (end - start) for (rate, _), (start, end) in _phases(moved_s)]
    allowed[0] += PHASES[0][0]
    let_through = [
        sum(start <= at_s < end for at_s in good) for _, (start, end) in _phases(moved_s)
    ]
    figures = {
        "goodput": sum(let_through) / sum(allowed),
        "429": sum(call.status == httpx.codes.TOO_MANY_REQUESTS for call in calls) / len(calls),
    }
    for (rate, _), count, most in zip(PHASES, let_through, allowed, strict=True):
        figures[f"goodput at {rate}/s"] = count / most
    for (rate, _), (start, end) in _phases(moved_s)[1:]:
        figures[f"s to {rate}/s"] = _reached_s(calls, rate, start, end)
    return figures


def _phases(moved_s: list[float]) -> list[tuple[tuple[int, float], tuple[float, float]]]:
    return list(zip(PHASES, pairwise(moved_s), strict=True))


def _reached_s(calls: list[Seen], rate: int, start: float, end: float) -> float:
    """Return after how many seconds calls are let through at a new limit, and no more are asked.

    What never comes so far is given the whole phase.
    """
    least, most = (rate * _STRETCH_S * share for share in (1 - _WITHIN, 1 + _WITHIN))
    for until in (call.at_s for call in calls if start + _STRETCH_S <= call.at_s < end):
        asked = [call for call in calls if until - _STRETCH_S < call.at_s <= until]
        if len(asked) <= most and sum(call.status == httpx.codes.OK for call in asked) >= least:
            return until - start
    return end - start


def _emulator(url: str, method: str, path: str, **changes: str | None) -> Any:
    parts = urlsplit(url)
    request = Request(  # noqa: S310 - an emulator on this machine
        f"{parts.scheme}://{parts.netloc}/emulator/{path}",
        json.dumps(changes).encode() if changes else None,
        method=method,
    )
    with urlopen(request) as answer:  # noqa: S310
        return json.loads(answer.read() or "null")


class Moving(threading.Thread):
    """Moves the limit of an emulator, from the time that it is started."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._is_over = threading.Event()
        self.moved_s: list[float] = []

    @property
    def is_over(self) -> bool:
        return self._is_over.is_set()

    def run(self) -> None:
        try:
            for rate, seconds in PHASES:
                limits = _emulator(self._url, "POST", "limits", limit=f"{rate}/s")
                self.moved_s.append(limits["now_s"])
                time.sleep(seconds)
            self.moved_s.append(_emulator(self._url, "GET", "limits")["now_s"])
        finally:
            self._is_over.set()

    def texts(self) -> Iterator[str]:
        """Give texts as long as it goes on."""
        while not self.is_over:
            yield TEXT


def moving(contender: str, url: str) -> dict[str, float]:
    """Goodput, refusals and delays under a limit that moves."""
    _emulator(url, "DELETE", "limits")
    _emulator(url, "DELETE", "requests")
    # No key but this one's has a bucket, and no other has taken of it.
    arguments: dict[str, Any] = {
        "api_key": str(time.time_ns()),
        "base_url": url,
        "headers": {"x-emulate-fault": f"delay-headers={_ANSWER_S}"},
    }
    mover = Moving(url)
    start = time.perf_counter()
    if contender == "facade":
        with SpeechClient(**arguments) as client:
            mover.start()
            with client.synthesize_many(mover.texts(), voice=VOICE) as batch:
                for _ in batch:
                    pass
    else:
        asyncio.run(_ASYNC[contender](arguments, mover))
    mover.join()
    wall_s = time.perf_counter() - start
    end = mover.moved_s[-1]
    moments = _emulator(url, "GET", "moments")
    _emulator(url, "DELETE", "limits")
    # Fields of `together_emulator.Moment`: number, at_s, answered_s, status.
    calls = [Seen(at_s, status) for _, at_s, _, status, *_ in moments if at_s < end]
    return {"wall_s": wall_s, **judged(calls, mover.moved_s)}


async def _facade(arguments: dict[str, Any], mover: Moving) -> None:
    async with AsyncSpeechClient(**arguments) as client:
        mover.start()
        async with client.synthesize_many(mover.texts(), voice=VOICE) as batch:
            async for _ in batch:
                pass


async def _semaphore(arguments: dict[str, Any], mover: Moving) -> None:
    """So many calls at once, each of which is repeated by itself."""
    async with _speaking(arguments) as speak:
        mover.start()
        semaphore = asyncio.Semaphore(_AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            while not mover.is_over:
                await semaphore.acquire()
                tasks.create_task(_repeated(speak, mover)).add_done_callback(
                    lambda _: semaphore.release()
                )


async def _bucket(arguments: dict[str, Any], mover: Moving) -> None:
    """So many calls a second, each of which is repeated by itself; a pause allows no burst."""
    async with _speaking(arguments) as speak:
        mover.start()
        due_s = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            while not mover.is_over:
                tasks.create_task(_repeated(speak, mover))
                due_s = max(due_s + 1 / PHASES[0][0], time.monotonic() - 0.1)
                await asyncio.sleep(due_s - time.monotonic())


async def _repeated(speak: _Speak, mover: Moving) -> None:
    wait_s = _FIRST_WAIT_S
    while not mover.is_over:
        try:
            await speak()
        except RateLimitError:
            await asyncio.sleep(wait_s * random.uniform(0.75, 1))  # noqa: S311
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
        else:
            return


@asynccontextmanager
async def _speaking(arguments: dict[str, Any]) -> AsyncIterator[_Speak]:
    from facade import RetryPolicy

    async with AsyncSpeechClient(**arguments, retry=RetryPolicy(attempts=1)) as client:
        yield partial(client.synthesize, TEXT, voice=VOICE)


_ASYNC = {"facade, async": _facade, "semaphore of 50": _semaphore, "20 a second": _bucket}


# --- what a row costs ----------------------------------------------------------------------------


class Stub(httpx.AsyncBaseTransport):
    """Answers at once, with a twentieth of a second of silence."""

    _AUDIO = (
        b"RIFF\x84\x09\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\xc0\x5d\x00\x00\x80\xbb\x00"
        b"\x00\x02\x00\x10\x00data\x60\x09\x00\x00"
    ) + bytes(2400)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        return httpx.Response(200, headers={"content-type": "audio/wav"}, content=self._AUDIO)


async def _gathered(client: AsyncSpeechClient, count: int) -> AsyncIterator[object]:
    rows = repeat(TEXT, count)
    while chunk := list(islice(rows, _AT_ONCE)):
        calls = (client.synthesize(text, voice=VOICE) for text in chunk)
        for result in await asyncio.gather(*calls, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
            yield result


async def _batched(client: AsyncSpeechClient, count: int) -> AsyncIterator[object]:
    rows = repeat(TEXT, count)
    async with client.synthesize_many(rows, voice=VOICE, at_once=_AT_ONCE) as batch:
        async for result in batch:
            if result.error is not None:
                raise result.error
            yield result


def rows(contender: str, first: int, count: int) -> dict[str, float]:
    """Seconds of a row, and bytes by which the process grows, after the first rows."""
    # The pace would wait for a service.
    os.environ["TOGETHER_SPEECH_RETRIES"] = "at once"
    speak = _gathered if contender == "gather" else _batched

    async def work() -> dict[str, float]:
        taken = 0
        async with AsyncSpeechClient(KEY, httpx_args={"transport": Stub()}) as client:
            async for _ in speak(client, count):
                taken += 1
                if taken == first:
                    before = settled()
                    start = Time()
                elif taken == count:
                    # Before anything is closed.
                    spent = start.spent(count - first)
                    grown = settled() - before
            return spent | {"bytes": grown}

    return asyncio.run(work())


if __name__ == "__main__":
    what, contender, *given = sys.argv[1:]
    measured = moving(contender, *given) if what == "moving" else rows(contender, *map(int, given))
    json.dump(measured, sys.stdout)
