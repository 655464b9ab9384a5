"""Many texts: what comes of each, whatever becomes of the others."""

import asyncio
import itertools
import json
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import to_thread

from facade import (
    AsyncSpeechClient,
    BadRequestError,
    BatchRequest,
    InternalServerError,
    InvalidRequestError,
    RateLimitError,
    RetryPolicy,
    SpeechAudio,
    SpeechClient,
    SpeechError,
    SpeechFile,
)
from facade._async.batch import MAX_OPEN
from facade._rules.pacing import Outcome, Pace
from facade._transport import waiting_async, waiting_sync
from tests.batch.conftest import Batches
from tests.conftest import KEY
from tests.faults.server import SPEECH, FaultServer, Peer, answer

GOOD = answer(200, SPEECH)
WAIT_S = 20.0


def refuse(marked: str, status: int, times: int = 10**6) -> Any:
    """A step that answers texts with a mark in them with a status, so many times."""
    left = itertools.count(times, -1)

    def step(peer: Peer) -> None:
        text = json.loads(peer.last_request.body)["input"]
        refused = marked in text and next(left) > 0
        peer.send(answer(status, b'{"error": {"message": "no"}}') if refused else GOOD)

    return step


def test_all_are_spoken(batches: Batches) -> None:
    texts = [f"Text {number}." for number in range(50)]
    with FaultServer(GOOD) as server, batches(server.url, iter(texts)) as batch:
        results = batch.all()
        assert batch.next() is None
        assert (batch.batch.done, batch.batch.failed, batch.batch.under_way) == (50, 0, 0)
        assert batch.batch.characters == sum(map(len, texts))
        assert batch.batch.usd == Decimal("0.000004") * batch.batch.characters
        assert batch.batch.duration_s == pytest.approx(50 * results[0].audio.duration_s)
        assert "50 done" in repr(batch.batch)
    assert sorted(result.index for result in results) == list(range(50))
    assert len(server.requests) == 50
    for result in results:
        assert result.request == BatchRequest(text=texts[result.index])
        assert isinstance(result.audio, SpeechAudio)
        assert result.audio.content == SPEECH
        assert (result.error, result.attempts) == (None, 1)
        assert result.seconds > 0
        assert result.usd == Decimal("0.000004") * result.characters
    assert {json.loads(request.body)["input"] for request in server.requests} == set(texts)


def test_in_order(batches: Batches) -> None:
    texts = [f"Text {number}." for number in range(30)]
    first = threading.Event()

    def step(peer: Peer) -> None:
        if json.loads(peer.last_request.body)["input"] == "Text 0.":
            assert first.wait(WAIT_S)
        peer.send(GOOD)

    with FaultServer(step) as server, batches(server.url, texts, in_order=True) as batch:
        threading.Timer(0.2, first.set).start()
        assert [result.index for result in batch.all()] == list(range(30))
        assert not batch.batch._ready


def test_one_that_fails_is_one_result(batches: Batches) -> None:
    texts = ["Good.", "Bad.", "Good too."]
    with FaultServer(refuse("Bad", 400)) as server, batches(server.url, texts) as batch:
        results = sorted(batch.all(), key=lambda result: result.index)
        assert (batch.batch.done, batch.batch.failed) == (2, 1)
    assert [type(result.error) for result in results] == [type(None), BadRequestError, type(None)]
    assert results[1].audio is None
    assert (results[1].characters, results[1].usd, results[1].attempts) == (0, 0, 1)


def test_too_many_requests_are_sent_again(batches: Batches) -> None:
    step = refuse("Text", 429, times=5)
    with FaultServer(step) as server, batches(server.url, ["Text."]) as batch:
        (result,) = batch.all()
    assert (result.error, result.attempts) == (None, 6)


def test_but_not_for_ever(batches: Batches) -> None:
    with FaultServer(refuse("Text", 429)) as server, batches(server.url, ["Text."]) as batch:
        (result,) = batch.all()
    assert type(result.error) is RateLimitError
    assert result.attempts == len(server.requests) == 21


def test_other_failures_are_tried_again_as_the_policy_says(batches: Batches) -> None:
    with FaultServer(refuse("Bad", 500)) as server, batches(server.url, ["Bad."]) as batch:
        (result,) = batch.all()
    assert type(result.error) is InternalServerError
    assert result.attempts == len(server.requests) == 3


def test_each_may_have_a_voice_options_and_a_file(batches: Batches, tmp_path: Path) -> None:
    requests = [
        BatchRequest(text="One.", voice="am_adam", id="a", options={"language": "en"}),
        BatchRequest(text="Two.", path=tmp_path / "two.wav"),
    ]
    with FaultServer(GOOD) as server, batches(server.url, requests, segment="never") as batch:
        results = {result.request.id: result for result in batch.all()}
    written = results[None].audio
    assert isinstance(written, SpeechFile)
    assert (tmp_path / "two.wav").read_bytes() == SPEECH
    asked = {body["input"]: body for body in map(json.loads, (r.body for r in server.requests))}
    assert asked["One."]["voice"] == "am_adam"
    assert asked["One."]["language"] == "en"
    assert asked["Two."]["voice"] == "af_heart"
    assert "language" not in asked["Two."]
    assert asked["Two."]["segment"] == asked["One."]["segment"] == "never"


def test_a_file_may_be_taken_away_at_once(
    batches: Batches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(self: Pace, *arguments: Any, **more: Any) -> None:
        (tmp_path / "one.wav").unlink()
        as_it_is(self, *arguments, **more)

    as_it_is = Pace.end
    monkeypatch.setattr(Pace, "end", end)
    requests = [BatchRequest(text="One.", path=tmp_path / "one.wav")]
    with FaultServer(GOOD) as server, batches(server.url, requests) as batch:
        (result,) = batch.all()
        assert (batch.batch.done, batch.batch.duration_s) == (1, 0)
    assert isinstance(result.audio, SpeechFile)


def test_nobody_waits_while_audio_is_measured(
    batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MP3 is read to its end for it."""
    turns, others_came, waited = itertools.count(), threading.Event(), []

    def measure(audio: SpeechAudio) -> float:
        if next(turns) == 0:
            waited.append(others_came.wait(WAIT_S / 4))
        return 1.0

    monkeypatch.setattr(SpeechAudio, "duration_s", property(measure))
    mp3 = answer(200, (b"\xff\xfb\x90\x00" + bytes(413)) * 3)
    texts, options = ["One.", "Two."], {"response_format": "mp3"}
    with FaultServer(mp3) as server, batches(server.url, texts, **options) as batch:
        assert batch.next().error is None
        others_came.set()
        assert batch.next().error is None
        assert batch.batch.duration_s == 2
    assert waited == [True]


def test_what_cannot_be_sent_is_not(batches: Batches, tmp_path: Path) -> None:
    requests = [
        BatchRequest(text=""),
        BatchRequest(text="One.", voice="af_hart"),
        BatchRequest(text="One.", options={"lang": "en"}),
        BatchRequest(text="One.", path=tmp_path / "no" / "one.wav"),
        BatchRequest(text="One.", path=tmp_path / "one.mp3"),
        BatchRequest(text="One.", path=5),  # type: ignore[arg-type]
        BatchRequest(text="One.", path=b"one.wav"),  # type: ignore[arg-type]
        BatchRequest(text="One.", options=None),  # type: ignore[arg-type]
        BatchRequest(text="One.", options=[1]),  # type: ignore[arg-type]
        BatchRequest(text="One.", options={1: 2}),  # type: ignore[dict-item]
        BatchRequest(text="One.", options={"stream": True}),
        BatchRequest(text="One.", options={"validate_voices": False}),
        BatchRequest(text="One.", options={"voice": "am_adam"}),
    ]
    said = [
        "text",
        "af_heart",
        "lang",
        "no",
        "one.mp3",
        "path: ",
        "path: ",
        "None",
        "[1]",
        "{1: 2}",
    ]
    said += ["'stream'", "'validate_voices'", "'voice'"]
    with FaultServer(GOOD) as server, batches(server.url, requests) as batch:
        results = batch.all()
    assert server.requests == []
    for result, words in zip(results, said, strict=True):
        assert words in str(result.error)
    assert all(isinstance(result.error, InvalidRequestError) for result in results[4:])


@pytest.mark.parametrize("options", [{"lang": "en"}, {"text": "Two."}, {"is_stream": True}])
def test_an_option_that_there_is_not_is_told_at_once(
    batches: Batches, options: dict[str, Any]
) -> None:
    with (
        FaultServer(GOOD) as server,
        pytest.raises(TypeError, match=f"keyword argument '{next(iter(options))}'"),
        batches(server.url, ["One."], **options),
    ):
        pass
    assert server.requests == []


def test_a_voice_is_needed(batches: Batches) -> None:
    with FaultServer(GOOD) as server, batches(server.url, ["One."], voice=None) as batch:
        (result,) = batch.all()
    assert isinstance(result.error, InvalidRequestError)
    assert result.error.param == "voice"


def test_the_source_is_taken_as_needed(batches: Batches) -> None:
    taken, closed = itertools.count(), threading.Event()
    count = [0]

    def source() -> Iterator[str]:
        try:
            for number in taken:
                count[0] = number
                yield f"Text {number}."
        finally:
            closed.set()

    with FaultServer(GOOD) as server:
        with batches(server.url, source()) as batch:
            for _ in range(10):
                batch.next()
        assert closed.wait(WAIT_S)
    assert count[0] <= 10 + MAX_OPEN + 1


def test_a_source_that_fails_is_told_behind_the_results(batches: Batches) -> None:
    def source() -> Iterator[str]:
        yield "One."
        yield "Two."
        raise ZeroDivisionError("no more")

    with FaultServer(GOOD) as server, batches(server.url, source()) as batch:
        assert {batch.next().index, batch.next().index} == {0, 1}
        with pytest.raises(ZeroDivisionError, match="no more"):
            batch.next()
        assert batch.next() is None


@pytest.mark.parametrize("given", [7, b"One.", None])
def test_a_request_is_a_text_or_a_request(batches: Batches, given: Any) -> None:
    with FaultServer(GOOD) as server, batches(server.url, ["One.", given]) as batch:
        assert batch.next().index == 0
        with pytest.raises(InvalidRequestError, match="request 1 must be a string"):
            batch.next()


def test_a_budget_is_kept(batches: Batches) -> None:
    texts = ["x" * 1000] * 5
    with FaultServer(GOOD) as server, batches(server.url, texts, max_usd=0.012) as batch:
        assert len([batch.next() for _ in range(3)]) == 3
        with pytest.raises(SpeechError, match=r"request 3 would cost more than max_usd=0\.012"):
            batch.next()
        assert batch.batch.usd == Decimal("0.012")
    assert len(server.requests) == 3


class Halves:
    """A source whose second half comes once what became of the first has been taken."""

    def __init__(self, first: list[Any], second: list[Any]) -> None:
        self._first, self._second = first, second
        self.go_on = threading.Event()

    def __iter__(self) -> Iterator[Any]:
        yield from self._first
        assert self.go_on.wait(WAIT_S)
        yield from self._second

    async def __aiter__(self) -> AsyncIterator[Any]:
        for request in self._first:
            yield request
        assert await to_thread.run_sync(self.go_on.wait, WAIT_S, abandon_on_cancel=True)
        for request in self._second:
            yield request


def test_what_was_refused_is_not_spent(batches: Batches) -> None:
    texts = Halves(["Bad."] * 8, ["Good."] * 4)
    options = {"max_usd": 0.000168}
    with FaultServer(refuse("Bad", 400)) as server, batches(server.url, texts, **options) as batch:
        assert {type(batch.next().error) for _ in range(8)} == {BadRequestError}
        texts.go_on.set()
        assert [batch.next().error for _ in range(4)] == [None] * 4
        assert batch.next() is None
        assert batch.batch.usd == Decimal("0.00008")


ONCE = {"retry": RetryPolicy(attempts=1)}
SONIC = {"model": "cartesia/sonic-2", "voice": "nobody"}
NO_SUCH_VOICE = json.dumps(
    {"data": [{"model": "cartesia/sonic-2", "voices": [{"id": "id-1", "name": "one"}]}]}
).encode()


@pytest.mark.parametrize(
    ("step", "client", "options", "is_spent"),
    [
        pytest.param(answer(422), {}, {}, False, id="refused"),
        pytest.param(answer(503), ONCE, {}, False, id="not begun"),
        pytest.param(GOOD, ONCE | {"base_url": "http://127.0.0.1:9"}, {}, False, id="unsent"),
        pytest.param(answer(200, NO_SUCH_VOICE), {}, SONIC, False, id="no such voice"),
        pytest.param(answer(500), ONCE, {}, True, id="has failed"),
        pytest.param(answer(503), {}, {}, True, id="of several attempts"),
        pytest.param(answer(200), {}, {}, True, id="no audio"),
        pytest.param(answer(200, b"fLaC" + bytes(99)), {}, {}, True, id="another format"),
        pytest.param(Peer.close, {}, {}, True, id="lost"),
    ],
)
def test_what_may_be_billed_stays_spent(
    batches: Batches,
    tmp_path: Path,
    step: Any,
    client: dict[str, Any],
    options: dict[str, Any],
    is_spent: bool,
) -> None:
    request = BatchRequest(text="One.", path=tmp_path / "one.wav")
    requests = Halves([request], [request])
    price = 65 if options else 4
    options = {**options, "client": client, "max_usd": price * Decimal("0.000004")}
    with FaultServer(step) as server, batches(server.url, requests, **options) as batch:
        first = batch.next()
        assert first.error is not None
        requests.go_on.set()
        if is_spent:
            said = rf"costs {options['max_usd']} dollars, and \S+ are spent, or set"
            with pytest.raises(SpeechError, match=said):
                batch.next()
        else:
            assert type(batch.next().error) is type(first.error)
        assert batch.next() is None


def test_a_budget_needs_a_price(batches: Batches) -> None:
    options = {"max_usd": 1, "model": "someone/new", "voice": "any"}
    with (
        FaultServer(GOOD) as server,
        batches(server.url, ["One."], **options) as batch,
        pytest.raises(SpeechError, match="price of 'someone/new' is not known"),
    ):
        batch.next()


class Unopened:
    """A source that cannot be opened."""

    def __iter__(self) -> Iterator[str]:
        raise ZeroDivisionError("no such rows")


def test_a_source_that_cannot_be_opened_is_told(batches: Batches) -> None:
    with (
        batches("http://127.0.0.1:9", Unopened()) as batch,
        pytest.raises(ZeroDivisionError, match="no such rows"),
    ):
        batch.next()


def test_a_source_that_ends_its_thread_is_told_behind_the_results() -> None:
    def source() -> Iterator[str]:
        yield "One."
        sys.exit(3)

    with (
        FaultServer(GOOD) as server,
        SpeechClient(KEY, base_url=server.url) as client,
        client.synthesize_many(source(), voice="af_heart") as batch,
    ):
        assert next(batch).error is None
        with pytest.raises(SystemExit):
            next(batch)
        assert list(batch) == []


class Stop(BaseException):
    """What is no `Exception`."""


async def stopped() -> AsyncIterator[str]:
    yield "One."
    raise Stop


async def cancelled() -> AsyncIterator[str]:
    """Wait for what others have cancelled."""
    yield "One."
    awaited = asyncio.get_running_loop().create_future()
    awaited.cancel()
    await awaited


@pytest.mark.parametrize(
    ("source", "end", "backend"),
    [
        (stopped, Stop, "asyncio"),
        (stopped, Stop, "trio"),
        (cancelled, asyncio.CancelledError, "asyncio"),
    ],
)
def test_what_ends_a_source_is_told_behind_the_results_to_tasks_too(
    source: Callable[[], AsyncIterator[str]], end: type[BaseException], backend: str
) -> None:
    async def main(url: str) -> None:
        async with (
            AsyncSpeechClient(KEY, base_url=url) as client,
            client.synthesize_many(source(), voice="af_heart") as batch,
        ):
            assert (await anext(batch)).error is None
            with pytest.raises(end):
                await anext(batch)

    with FaultServer(GOOD) as server:
        anyio.run(main, server.url, backend=backend)


def refuse_to_begin(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Give no thread, or task, for what has this name but for the first time."""
    times = itertools.count()
    for background in (waiting_async.Background, waiting_sync.Background):

        def start_short(
            self: Any, act: Any, *arguments: Any, as_it_is: Any = background.start_short
        ) -> None:
            if act.__name__ == name and next(times):
                raise RuntimeError("can't start new thread")
            as_it_is(self, act, *arguments)

        monkeypatch.setattr(background, "start_short", start_short)


def test_a_system_that_gives_no_thread_is_told(
    batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(self: Pace, ticket: int, *arguments: Any, **more: Any) -> None:
        ended.append(ticket)
        as_it_is(self, ticket, *arguments, **more)

    ended: list[int] = []
    as_it_is = Pace.end
    monkeypatch.setattr(Pace, "end", end)
    refuse_to_begin(monkeypatch, "_run")
    with FaultServer(GOOD) as server, batches(server.url, ["One.", "Two.", "Three."]) as batch:
        assert batch.next().error is None
        with pytest.raises(RuntimeError, match="can't start new thread"):
            batch.next()
        assert batch.next() is None
    assert len(ended) == 2
    assert len(server.requests) == 1


def test_what_is_not_known_is_not_said(batches: Batches) -> None:
    options = {"model": "someone/new", "voice": "any"}
    with FaultServer(GOOD) as server, batches(server.url, ["One."] * 2, **options) as batch:
        for result in batch.all():
            assert (result.error, result.usd, batch.batch.usd) == (None, None, None)


def test_the_pace_learns_from_every_answer(
    batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here nothing is switched off: all wait, and the rate is halved."""
    monkeypatch.delenv("TOGETHER_SPEECH_RETRIES")
    texts = ["Good.", "Bad.", "Good too."]
    with FaultServer(refuse("Bad", 429, times=1)) as server, batches(server.url, texts) as batch:
        results = batch.all()
        assert 0 < batch.batch.rate < 10
    assert sorted(result.attempts for result in results) == [1, 1, 2]
    assert not any(result.error for result in results)


@pytest.mark.parametrize(("status", "outcome"), [(500, "failed"), (503, "unavailable")])
def test_only_the_service_s_own_trouble_has_the_others_wait(
    batches: Batches, monkeypatch: pytest.MonkeyPatch, status: int, outcome: str
) -> None:
    def end(self: Pace, ticket: int, now: float, outcome: Outcome, **more: Any) -> None:
        outcomes.append(outcome)
        as_it_is(self, ticket, now, outcome, **more)

    outcomes: list[Outcome] = []
    as_it_is = Pace.end
    monkeypatch.setattr(Pace, "end", end)
    monkeypatch.delenv("TOGETHER_SPEECH_RETRIES")
    client = {"retry": RetryPolicy(attempts=1)}
    with (
        FaultServer(refuse("Bad", status)) as server,
        batches(server.url, ["Bad."], client=client) as batch,
    ):
        assert batch.next().error.status_code == status
    assert outcomes == [outcome]


@pytest.mark.parametrize("budget_s", [1, 60])
@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("wait", ["86400", "9999999999"])
def test_a_wait_of_a_day_is_not_kept(
    batches: Batches, monkeypatch: pytest.MonkeyPatch, wait: str, status: int, budget_s: float
) -> None:
    monkeypatch.delenv("TOGETHER_SPEECH_RETRIES")
    steps = [answer(status, b"{}", {"Retry-After": wait}), GOOD]
    client = {"retry": RetryPolicy(budget_s=budget_s)}
    options = {"client": client, "at_once": 1}
    with FaultServer(*steps) as server, batches(server.url, ["1.", "2."], **options) as batch:
        first, second = sorted(batch.all(), key=lambda result: result.index)
    assert first.error.status_code == status
    assert (first.attempts, second.error) == (1, None)


def test_but_one_that_the_budget_has_room_for_is(
    batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOGETHER_SPEECH_RETRIES")
    step = answer(503, b"{}", {"Retry-After": "86400"})
    client = {"retry": RetryPolicy(budget_s=1e5)}
    with FaultServer(step) as server:
        with batches(server.url, ["One."], client=client) as batch:
            later, until = time.monotonic() + 80_000, time.monotonic() + WAIT_S
            while batch.batch._pace.waiting_until < later:
                assert time.monotonic() < until
                time.sleep(0.01)
        assert len(server.requests) == 1


def test_who_waits_to_try_again_is_ended_too(
    batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOGETHER_SPEECH_RETRIES")
    asked = threading.Event()

    def step(peer: Peer) -> None:
        asked.set()
        peer.send(answer(503, b"{}", {"Retry-After": "50"}))

    with FaultServer(step) as server:
        with batches(server.url, ["One."]) as batch:
            assert asked.wait(WAIT_S)
            while batch.batch.under_way:
                time.sleep(0.01)
        assert len(server.requests) == 1


@pytest.mark.parametrize("max_usd", [-1, float("nan"), True, "1", 1e12])
def test_a_budget_is_an_amount(max_usd: Any) -> None:
    with (
        SpeechClient(KEY) as client,
        pytest.raises(InvalidRequestError, match="must be dollars from 0") as caught,
    ):
        client.synthesize_many([], voice="af_heart", max_usd=max_usd)
    assert caught.value.param == "max_usd"


@pytest.mark.parametrize(
    "limit",
    [
        {"at_once": 0},
        {"at_once": 129},
        {"at_once": True},
        {"per_minute": -1},
        {"per_minute": float("nan")},
    ],
)
def test_a_limit_is_a_number(limit: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOGETHER_SPEECH_RETRIES", "at once")
    for client in (SpeechClient(KEY), AsyncSpeechClient(KEY)):
        with pytest.raises(InvalidRequestError) as caught:
            client.synthesize_many([], voice="af_heart", **limit)
        assert caught.value.param in limit


@pytest.mark.parametrize("requests", ["Hi ho", b"Hi ho", None, 5, BatchRequest(text="Hi ho")])
def test_requests_come_one_after_the_other(requests: Any) -> None:
    for client in (SpeechClient(KEY), AsyncSpeechClient(KEY)):
        with pytest.raises(InvalidRequestError, match="must be an iterable of texts") as caught:
            client.synthesize_many(requests, voice="af_heart")
        assert caught.value.param == "requests"


def test_the_synchronous_client_takes_no_asynchronous_source() -> None:
    async def source() -> AsyncIterator[str]:
        yield "One."

    with SpeechClient(KEY) as client, pytest.raises(InvalidRequestError, match="async_generator"):
        client.synthesize_many(source(), voice="af_heart")  # type: ignore[arg-type]


# --- its end -------------------------------------------------------------------------------------


def test_leaving_the_block_ends_what_is_under_way(batches: Batches) -> None:
    begun = threading.Event()

    def step(peer: Peer) -> None:
        begun.set()
        peer.wait_for_close()

    with FaultServer(step) as server:
        with batches(server.url, ["One."] * 5):
            assert begun.wait(WAIT_S)
        assert server.saw_close()
        for thread in threading.enumerate():
            if thread.name.startswith("facade"):
                thread.join(WAIT_S)
                assert not thread.is_alive()


def test_a_call_that_begins_as_its_batch_ends_is_ended(
    batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Any] = []

    def begin(self: Pace, now: float) -> int:
        begun[0].batch._is_closed = True
        return as_it_is(self, now)

    as_it_is = Pace.begin
    has_batch = threading.Event()

    def requests() -> Iterator[str]:
        has_batch.wait(WAIT_S)
        yield "One."

    monkeypatch.setattr(Pace, "begin", begin)
    with FaultServer(Peer.pause) as server:
        with batches(server.url, requests()) as batch:
            begun.append(batch)
            has_batch.set()
            result = batch.next()
        assert result is None or result.error is not None
        assert server.requests == []


def test_a_batch_that_is_closed_has_no_more_results(loop: str) -> None:
    async def main(url: str) -> None:
        async with (
            AsyncSpeechClient(KEY, base_url=url) as client,
            client.synthesize_many(["One."] * 5, voice="af_heart") as batch,
        ):
            await batch.aclose()
            assert [result async for result in batch] == []

    with FaultServer(Peer.pause) as server:
        if loop != "sync":
            anyio.run(main, server.url, backend=loop)
            return
        with (
            SpeechClient(KEY, base_url=server.url) as client,
            client.synthesize_many(["One."] * 5, voice="af_heart") as batch,
        ):
            batch.close()
            assert all(result.error is not None for result in batch)


CLOSED = "the client was closed before all requests of this batch had begun"


@pytest.mark.parametrize("in_order", [True, False])
def test_a_batch_ends_with_its_client(batches: Batches, in_order: bool) -> None:
    """What is under way ends, and what waits for its turn is not sent."""
    begun = threading.Event()

    def step(peer: Peer) -> None:
        begun.set()
        peer.wait_for_close()

    texts = ["One."] * 500
    options = {"at_once": 1, "in_order": in_order}
    with FaultServer(step) as server, batches(server.url, texts, **options) as batch:
        assert begun.wait(WAIT_S)
        until = time.monotonic() + WAIT_S
        while batch.batch._begun < 2:
            assert time.monotonic() < until
            time.sleep(0.01)
        batch.close_client()
        result = batch.next()
        assert result.index == 0
        assert isinstance(result.error, SpeechError)
        with pytest.raises(SpeechError, match=CLOSED):
            batch.next()
        assert batch.next() is None
    assert len(server.requests) == 1


def test_a_batch_that_waits_for_room_ends_with_its_client(batches: Batches) -> None:
    with FaultServer(GOOD) as server, batches(server.url, ["One."] * 500) as batch:
        until = time.monotonic() + WAIT_S
        while batch.batch.done < MAX_OPEN:
            assert time.monotonic() < until
            time.sleep(0.01)
        batch.close_client()
        assert [batch.next().error for _ in range(MAX_OPEN)] == [None] * MAX_OPEN
        with pytest.raises(SpeechError, match=CLOSED):
            batch.next()
        assert batch.next() is None


def test_a_batch_whose_source_is_silent_ends_with_its_client(batches: Batches) -> None:
    texts = Halves(["One."], ["Two."])
    with FaultServer(GOOD) as server, batches(server.url, texts) as batch:
        assert batch.next().error is None
        batch.close_client()
        # A client may be closed twice.
        batch.close_client()
        with pytest.raises(SpeechError, match=CLOSED):
            batch.next()
        assert batch.next() is None
        texts.go_on.set()
    assert len(server.requests) == 1


def test_a_batch_of_which_all_has_begun_ends_by_itself(batches: Batches) -> None:
    begun = threading.Event()

    def step(peer: Peer) -> None:
        begun.set()
        peer.wait_for_close()

    with FaultServer(step) as server, batches(server.url, ["One."]) as batch:
        assert begun.wait(WAIT_S)
        until = time.monotonic() + WAIT_S
        while not batch.batch._has_all:
            assert time.monotonic() < until
            time.sleep(0.01)
        batch.close_client()
        assert isinstance(batch.next().error, SpeechError)
        assert batch.next() is None


def test_a_batch_that_was_closed_says_nothing_of_its_client(loop: str) -> None:
    texts = Halves([], ["One."])
    url = "http://127.0.0.1:9"

    async def main() -> None:
        async with (
            AsyncSpeechClient(KEY, base_url=url) as client,
            client.synthesize_many(texts, voice="af_heart") as batch,
        ):
            pass
        assert [result async for result in batch] == []

    if loop == "sync":
        with (
            SpeechClient(KEY, base_url=url) as client,
            client.synthesize_many(texts, voice="af_heart") as batch,
        ):
            pass
        assert list(batch) == []
    else:
        anyio.run(main, backend=loop)
    texts.go_on.set()


def test_a_batch_of_another_place_is_let_be(
    batches: Batches, loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a forked child closes the client that it has from its parent."""

    async def shut() -> None:
        batch.batch.shut()

    texts = Halves(["One."], ["Two."])
    with FaultServer(GOOD) as server, batches(server.url, texts) as batch:
        assert batch.next().error is None
        if loop == "sync":
            with monkeypatch.context() as patch:
                patch.setattr(os, "getpid", lambda: -1)
                batch.batch.shut()
        else:
            anyio.run(shut, backend=loop)
        texts.go_on.set()
        assert batch.next().error is None
        assert batch.next() is None


def test_a_batch_begins_nothing_after_its_client_has_ended(loop: str) -> None:
    async def main(url: str) -> None:
        client = AsyncSpeechClient(KEY, base_url=url)
        batch = client.synthesize_many(["One."] * 99, voice="af_heart")
        await client.aclose()
        async with batch:
            with pytest.raises(SpeechError, match=CLOSED):
                await anext(batch)

    with FaultServer(GOOD) as server:
        if loop != "sync":
            anyio.run(main, server.url, backend=loop)
            return
        client = SpeechClient(KEY, base_url=server.url)
        batch = client.synthesize_many(["One."] * 99, voice="af_heart")
        client.close()
        with batch, pytest.raises(SpeechError, match=CLOSED):
            next(batch)


def test_a_batch_is_used_in_its_block(loop: str) -> None:
    async def main() -> None:
        async with AsyncSpeechClient(KEY) as client:
            batch = client.synthesize_many([], voice="af_heart")
            with pytest.raises(SpeechError, match=r"use it in an `async with` block$"):
                await anext(batch)
            async with batch:
                with pytest.raises(SpeechError, match="begun already"):
                    await batch.__aenter__()
            await client.synthesize_many([], voice="af_heart").aclose()

    if loop != "sync":
        anyio.run(main, backend=loop)
        return
    with SpeechClient(KEY) as client:
        batch = client.synthesize_many([], voice="af_heart")
        with pytest.raises(SpeechError, match=r"use it in a `with` block$"):
            next(batch)
        with batch, pytest.raises(SpeechError, match="begun already"):
            batch.__enter__()
        client.synthesize_many([], voice="af_heart").close()


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_cancelled_batch_leaves_nothing_open(loop: str) -> None:
    async def main(url: str) -> None:
        async with AsyncSpeechClient(KEY, base_url=url) as client:
            with anyio.move_on_after(0.3) as scope:
                async with client.synthesize_many(["One."] * 5, voice="af_heart") as batch:
                    await anext(batch)
            assert scope.cancelled_caught

    with FaultServer(Peer.wait_for_close) as server:
        anyio.run(main, server.url, backend=loop)
        assert server.saw_close()
