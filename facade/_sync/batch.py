# Made from facade/_async/batch.py by `make generate`; edit that one.
"""Many texts, as fast as the account allows.

One task takes the requests, one after the other, and begins each when the pace allows it; each call
then goes on by itself. How fast that is, `facade._rules.pacing` finds out from what the service
answers, and all calls keep to it, the repeated ones too.
"""

import math
import random
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from decimal import Decimal
from functools import partial
from types import TracebackType
from typing import Self, TypeAlias

from facade._jobs import BatchPlan, Job, Spoken, result_of, seconds_of, unspent
from facade._rules.pacing import AnyPace, Outcome
from facade._rules.pricing import billed_characters
from facade._rules.retry import RetryPolicy, back_off_s
from facade._transport.call import Call, switched, waits
from facade._transport.waiting_sync import (
    Background,
    Many,
    Mutex,
    Signal,
    end,
    in_thread,
    iterate,
    pass_on,
    place,
    shielded,
    wait_for,
)
from facade.audio import SpeechAudio, SpeechFile
from facade.batch import BatchRequest, BatchResult
from facade.errors import APIStatusError, RateLimitError, SpeechError

Attempt: TypeAlias = Callable[[Call, Job], SpeechAudio | SpeechFile]
"""What makes one attempt at a request."""

# Requests that have begun, and whose results were not taken; with more, none is begun.
MAX_OPEN = 128
# How often a request is sent again because there were too many.
_MAX_THROTTLED = 20
# Where the service names a longer wait, and one beyond the policy's budget, the request fails, so
# that somebody hears of it. By default a call takes no longer either.
_LONGEST_WAIT_S = 600.0
# How long calls that were ended are waited for.
_GOODBYE_S = 5.0
_NOTHING = Decimal(0)


class SpeechBatch:
    """Many texts, spoken side by side: an iterator of `BatchResult`.

    Use it in a `with` block, whose end also ends what is under way. Requests are taken as
    they are needed, so that a source of any length takes a constant amount of memory.

    Behind the last result, iterating raises what ended the batch before its source was at its end,
    once: what the source raised; a `SpeechError` where `max_usd` is used up, or must be kept and a
    price is not known; an `InvalidRequestError` where the source gave what is neither a string nor
    a `BatchRequest`; a `RuntimeError` where the system gives no more threads; a `SpeechError` where
    the client was closed. It raises a `SpeechError` outside of the block, and so does entering a
    batch a second time.
    """

    def __init__(
        self,
        requests: Many[str | BatchRequest],
        plan: BatchPlan,
        pace: AnyPace,
        retry: RetryPolicy,
        new_call: Callable[[], Call],
        attempt: Attempt,
        *,
        in_order: bool,
        submit: Callable[[Job], "Future[Spoken]"] | None = None,
    ) -> None:
        self._requests = requests
        self._plan = plan
        self._pace = pace
        self._retry = retry
        self._longest_wait_s = max(retry.budget_s, _LONGEST_WAIT_S)
        self._new_call = new_call
        self._attempt = attempt
        self._in_order = in_order
        self._submit = submit
        self._mutex = Mutex()
        # Wake who waits for a result, for room for another, for the pace, and for the end.
        self._news, self._room = Signal(self._mutex), Signal(self._mutex)
        self._turn, self._over = Signal(self._mutex), Signal(self._mutex)
        self._background = Background()
        self._place: object = None
        self._is_closed = False
        # Nothing more is to begin.
        self._is_shut = False
        self._has_all = False
        self._failure: BaseException | None = None
        self._results: dict[int, BatchResult] = {}
        self._ready: deque[int] = deque()
        self._calls: set[Call] = set()
        self._futures: set[Future[Spoken]] = set()
        self._begun = self._running = self._taken = 0
        self._done = self._failed = self._characters = 0
        self._usd: Decimal | None = Decimal(0)
        self._given_back = _NOTHING
        self._duration_s = 0.0

    # --- how far it is ---------------------------------------------------------------------------

    @property
    def done(self) -> int:
        """How many texts have been spoken."""
        return self._done

    @property
    def failed(self) -> int:
        """How many texts have failed for good."""
        return self._failed

    @property
    def under_way(self) -> int:
        """How many requests are with the service, and not those that wait to be sent again.

        With an executor, how many it was given and has not done yet.
        """
        return len(self._calls) + len(self._futures)

    @property
    def rate(self) -> float:
        """How many requests a second may begin, as far as that is known now.

        With an executor its workers know, and this stays at what a batch begins with.
        """
        return self._pace.rate

    @property
    def characters(self) -> int:
        """Characters that have been spoken."""
        return self._characters

    @property
    def usd(self) -> Decimal | None:
        """Their price in dollars; `None` where that of a model is not known."""
        return self._usd

    @property
    def duration_s(self) -> float:
        """Seconds of audio, of those formats whose length is known."""
        return self._duration_s

    # --- taking results --------------------------------------------------------------------------

    def __enter__(self) -> Self:
        if self._place is not None or self._is_closed:
            raise SpeechError("this batch was begun already; call synthesize_many() again")
        self._place = place()
        self._background.begin()
        # A source that is stuck is not waited for at the end.
        self._background.start(self._dispatch, is_awaited=False)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> BatchResult:
        if self._place is None:
            raise SpeechError("this batch has not begun: use it in a `with` block")
        with self._mutex:
            while (result := self._take()) is None:
                if self._is_closed or (self._has_all and not self._running):
                    failure, self._failure = self._failure, None
                    if failure is not None:
                        raise failure
                    raise StopIteration
                self._news.wait()
            self._room.notify()
        return result

    def close(self) -> None:
        """End what is under way; what the service has begun may be billed.

        The end of that is waited for, for up to 5 seconds. What an executor's workers have begun
        goes on, and is not waited for.
        """
        with self._mutex:
            self._is_closed = self._is_shut = True
            for call in self._calls:
                call.abort()
            self._cancel_futures()
            for signal in (self._news, self._room, self._turn):
                signal.notify()
        if self._place is not None and self._place == place():
            with shielded(), self._mutex:
                until = time.monotonic() + _GOODBYE_S
                # What is with somebody else's workers goes on, and nobody can end it.
                while self._running > len(self._futures) and time.monotonic() < until:
                    self._over.wait(until)
            self._background.close()

    def shut(self) -> None:
        """Begin nothing more; what is under way ends by itself. The client's end does this."""
        # A forked child's client has its parent's batches, whose mutex a thread there may hold.
        if self._place not in (None, place()):
            return
        with self._mutex:
            # Else it has ended, or nobody wants more of it.
            if not (self._has_all or self._is_shut):
                self._failure = SpeechError(
                    "the client was closed before all requests of this batch had begun; the others "
                    "were not sent"
                )
            self._is_shut = self._has_all = True
            for signal in (self._news, self._room, self._turn):
                signal.notify()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._done} done, {self._failed} failed>"

    def _take(self) -> BatchResult | None:
        if self._in_order:
            index = self._taken
        elif self._ready:
            index = self._ready.popleft()
        else:
            return None
        result = self._results.pop(index, None)
        self._taken += result is not None
        return result

    # --- beside the application ------------------------------------------------------------------

    def _dispatch(self) -> None:
        """Take the requests, and begin each as soon as it may."""
        try:
            requests = iterate(self._requests)
            try:
                for asked in requests:
                    job = self._plan.job(asked, self._given_back)
                    if not self._has_room():
                        break
                    if isinstance(job, BatchResult):
                        self._finish(job)
                        continue
                    if self._submit is not None:
                        self._hand_over(job, self._submit)
                        continue
                    ticket = self._next_turn()
                    if ticket is None:
                        break
                    self._begin(partial(self._give_back, ticket), self._run, job, ticket)
            finally:
                end(requests)
        except BaseException as error:  # noqa: BLE001 - who takes results is told
            pass_on(error)
            self._failure = error
        finally:
            with self._mutex:
                self._has_all = True
                self._news.notify()

    def _begin(
        self, undo: Callable[[], None], act: Callable[..., None], *arguments: object
    ) -> None:
        with self._mutex:
            self._running += 1
        try:
            self._background.start_short(act, *arguments)
        except BaseException:
            # The system may give no more threads.
            with self._mutex:
                undo()
                self._end()
            raise

    def _give_back(self, ticket: int) -> None:
        self._pace.end(ticket, time.monotonic(), "failed")

    def _give_up(self, future: "Future[Spoken]") -> None:
        self._futures.discard(future)
        future.cancel()

    def _hand_over(self, job: Job, submit: "Callable[[Job], Future[Spoken]]") -> None:
        """Have somebody else's worker speak."""
        try:
            future = submit(job)
        except Exception as error:  # noqa: BLE001 - who takes the result is told
            # The executor is broken, or was shut down: what becomes of the others is up to it.
            self._finish(BatchResult(request=job.asked, index=job.number, error=error))
            return
        with self._mutex:
            self._futures.add(future)
            self._cancel_futures()
        self._begin(partial(self._give_up, future), self._follow, job, future)

    def _cancel_futures(self) -> None:
        """End what has not begun, where it is not wanted any more."""
        if self._is_closed:
            for future in self._futures:
                future.cancel()

    def _follow(self, job: Job, future: "Future[Spoken]") -> None:
        """Wait for a request that somebody else's worker speaks."""
        try:
            wait_for(future)
            result, duration_s = result_of(job, future)
            self._finish(result, duration_s, unspent(job, result))
        finally:
            self._end(future)

    def _has_room(self) -> bool:
        """Wait until the result of one more can be kept; return whether it is still wanted."""
        with self._mutex:
            while self._begun - self._taken >= MAX_OPEN and not self._is_shut:
                self._room.wait()
            self._begun += 1
            return not self._is_shut

    def _next_turn(self, not_before: float = -math.inf) -> int | None:
        """Wait until a call may begin; return `None` where none is wanted any more."""
        with self._mutex:
            while not self._is_shut:
                now = time.monotonic()
                at = max(self._pace.next_at(now), not_before)
                if at > now:
                    self._turn.wait(at)
                elif (ticket := self._pace.begin(now)) is not None:
                    return ticket
            return None

    def _run(self, job: Job, first: int) -> None:
        """Make attempts at a request until it is spoken, or has failed for good."""
        ticket: int | None = first
        started = time.monotonic()
        attempts = throttled = 0
        audio: SpeechAudio | SpeechFile | None = None
        error: Exception | None = None
        try:
            while ticket is not None:
                attempts += 1
                audio, error = self._tried(job, ticket)
                if error is None:
                    break
                throttled += isinstance(error, RateLimitError)
                left_s = started + self._retry.budget_s - time.monotonic()
                wait_s = self._wait_s(error, attempts, throttled, left_s)
                if wait_s is None:
                    break
                ticket = self._next_turn(time.monotonic() + wait_s)
            characters = billed_characters(job.asked.text) if audio else 0
            result = BatchResult(
                request=job.asked,
                index=job.number,
                audio=audio,
                error=error,
                attempts=attempts,
                seconds=time.monotonic() - started,
                characters=characters,
                usd=job.usd if audio else Decimal(0),
            )
            # MP3 is read to its end for that, which neither the mutex nor the loop waits for.
            is_long = audio is not None and audio.format.container == "mp3"
            duration_s = in_thread(seconds_of, audio) if is_long else seconds_of(audio)
            self._finish(result, duration_s, unspent(job, result))
        finally:
            self._end()

    def _end(self, future: "Future[Spoken] | None" = None) -> None:
        with self._mutex:
            if future is not None:
                self._futures.discard(future)
            self._running -= 1
            self._news.notify()
            self._over.notify()

    def _tried(
        self, job: Job, ticket: int
    ) -> tuple[SpeechAudio | SpeechFile | None, Exception | None]:
        """Make one attempt, and tell the pace what came of it."""
        call = self._new_call()
        # What is neither is a cancellation, which tells nothing of the service.
        error: Exception | None = SpeechError("it was cancelled")
        with self._mutex:
            self._calls.add(call)
            if self._is_closed:
                call.abort()
        try:
            audio = self._attempt(call, job)
            error = None
            return audio, None
        except Exception as failure:  # noqa: BLE001 - who takes the result is told
            error = failure
            return None, failure
        finally:
            with self._mutex:
                self._calls.discard(call)
                wait_s = _named_s(error)
                kept_s = wait_s if wait_s <= self._longest_wait_s else None
                outcome = _outcome(error) if waits() else "succeeded"
                self._pace.end(ticket, time.monotonic(), outcome, retry_after_s=kept_s)
                self._turn.notify()

    def _wait_s(
        self, error: Exception, attempts: int, throttled: int, left_s: float
    ) -> float | None:
        """Return the seconds to wait before another attempt; `None` where there is to be none."""
        if isinstance(error, RateLimitError):
            if throttled > _MAX_THROTTLED or _named_s(error) > self._longest_wait_s:
                return None
            # The pace has all of them wait.
            return switched(0.0)
        attempt = attempts - throttled
        decision = self._retry.decide(error, attempt=attempt, left_s=left_s)
        if decision is False:
            return None
        chance = random.random()  # noqa: S311 - only spreads load
        return switched(back_off_s(attempt, chance) if decision is True else decision)

    def _finish(
        self, result: BatchResult, duration_s: float = 0.0, given_back: Decimal = _NOTHING
    ) -> None:
        with self._mutex:
            self._results[result.index] = result
            if not self._in_order:
                self._ready.append(result.index)
            self._failed += result.error is not None
            self._done += result.audio is not None
            self._characters += result.characters
            self._duration_s += duration_s
            self._given_back += given_back
            if self._usd is not None:
                self._usd = None if result.usd is None else self._usd + result.usd
            self._news.notify()


def _named_s(error: Exception | None) -> float:
    """Return the wait that the service names, be it `Retry-After` or `x-ratelimit-reset`, or 0."""
    return (error.retry_after_s or 0.0) if isinstance(error, APIStatusError) else 0.0


def _outcome(error: Exception | None) -> Outcome:
    """Say what an attempt tells of the account's limit."""
    if error is None:
        return "succeeded"
    if isinstance(error, RateLimitError):
        return "throttled"
    # Another 5xx may be of one text, for which the others need not wait.
    is_trouble = isinstance(error, APIStatusError) and error.status_code == 503
    return "unavailable" if is_trouble else "failed"
