"""Batches whose texts are spoken by workers of somebody else's engine."""

import json
import multiprocessing
import os
import pickle
import shutil
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from facade import (
    AsyncSpeechClient,
    BadRequestError,
    BatchRequest,
    InvalidRequestError,
    RetryPolicy,
    SpeechClient,
    SpeechError,
    SpeechFile,
    Timeouts,
    VoiceMix,
    worker,
)
from facade._async.batch import MAX_OPEN
from facade._extras import needs
from facade._jobs import WorkerSettings, speak_elsewhere
from facade._rules.pacing import Pace
from facade.formats import AudioFormat, duration_s
from tests.batch.conftest import Batches
from tests.batch.test_batches import Halves, refuse_to_begin
from tests.conftest import KEY
from tests.faults.server import SPEECH, FaultServer, Peer, answer

GOOD = answer(200, SPEECH)
WAIT_S = 20.0

Engines = Callable[..., Any]


@pytest.fixture(autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The key that workers have, and a folder for paces that no other test has."""
    monkeypatch.setenv("TOGETHER_API_KEY", KEY)
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield
    worker.end()


def processes(count: int, how: str = "spawn") -> ProcessPoolExecutor:
    return ProcessPoolExecutor(count, mp_context=multiprocessing.get_context(how))


def asked(peer: Peer) -> str:
    text: str = json.loads(peer.last_request.body)["input"]
    return text


def refuse_bad(peer: Peer) -> None:
    said = b'{"error": {"message": "no", "type": "invalid_request_error"}}'
    peer.send(answer(400, said, {"x-request-id": "r1"}) if "Bad" in asked(peer) else GOOD)


class Inline(Executor):
    """Speaks at once, in the caller's thread; everything goes through pickles."""

    def __init__(self) -> None:
        self.pickles: list[bytes] = []

    def submit(self, act: Any, /, *arguments: Any, **more: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        given = pickle.dumps((act, arguments))
        act, arguments = pickle.loads(given)  # noqa: S301 - our own
        try:
            result = act(*arguments)
        except BaseException as error:  # noqa: BLE001 - as executors do
            future.set_exception(error)
            self.pickles += [given, pickle.dumps(error)]
        else:
            pickled = pickle.dumps(result)
            self.pickles += [given, pickled]
            future.set_result(pickle.loads(pickled))  # noqa: S301 - our own
        return future


class Idle(Executor):
    """Begins nothing by itself."""

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []
        self.has_some = threading.Event()

    def submit(self, act: Any, /, *arguments: Any, **more: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        self.futures.append(future)
        self.has_some.set()
        return future


# --- what comes of each --------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["threads", "spawn", "fork"])
def test_all_are_spoken(batches: Batches, engine: str, tmp_path: Path) -> None:
    mix = VoiceMix({"af_bella": 2, "af_heart": 1})
    requests = [
        *(f"Text {number}." for number in range(20)),
        BatchRequest(text="Mixed.", voice=mix, id="mixed", options={"language": "en"}),
        BatchRequest(text="Written.", path=tmp_path / "written.wav"),
        BatchRequest(text="Bad."),
        BatchRequest(text=""),
    ]
    pool = ThreadPoolExecutor(4) if engine == "threads" else processes(2, engine)
    with (
        # From Python 3.12 on, of a fork beside threads.
        warnings.catch_warnings(action="ignore", category=DeprecationWarning),
        FaultServer(refuse_bad) as server,
        pool,
        batches(server.url, requests, executor=pool, segment="never") as batch,
    ):
        results = {result.index: result for result in batch.all()}
        assert (batch.batch.done, batch.batch.failed) == (22, 2)
        assert batch.batch.usd == Decimal("0.000004") * batch.batch.characters
    assert sorted(results) == list(range(24))
    for index in range(21):
        assert results[index].error is None
        assert results[index].audio.content == SPEECH
        assert results[index].attempts == 1
    assert results[0].request == BatchRequest(text="Text 0.")
    assert results[20].request is requests[20]
    written = results[21].audio
    assert isinstance(written, SpeechFile)
    assert (tmp_path / "written.wav").read_bytes() == SPEECH
    refused = results[22].error
    assert isinstance(refused, BadRequestError)
    assert (refused.message, refused.request_id, refused.status_code) == ("no", "r1", 400)
    assert isinstance(results[23].error, InvalidRequestError)
    sent = {body["input"]: body for body in map(json.loads, (r.body for r in server.requests))}
    assert len(server.requests) == 23
    assert sent["Mixed."]["voice"] == str(mix)
    assert sent["Mixed."]["language"] == "en"
    assert sent["Text 1."]["voice"] == "af_heart"
    assert {body["segment"] for body in sent.values()} == {"never"}


class Elsewhere(Executor):
    """Speaks at once, on a machine whose files nobody sees here."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def submit(self, act: Any, /, *arguments: Any, **more: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        self._folder.mkdir()
        try:
            future.set_result(act(*arguments))
        finally:
            shutil.rmtree(self._folder)
        return future


def test_files_may_be_elsewhere(batches: Batches, tmp_path: Path) -> None:
    folder = tmp_path / "of the worker"
    requests = [
        BatchRequest(text="Written.", path=folder / "written.wav"),
        BatchRequest(text="Misnamed.", path=folder / "misnamed.mp3"),
    ]
    with (
        FaultServer(GOOD) as server,
        batches(server.url, requests, executor=Elsewhere(folder)) as batch,
    ):
        written, misnamed = sorted(batch.all(), key=lambda result: result.index)
        assert batch.batch.duration_s == duration_s(SPEECH, AudioFormat("wav"))
    assert written.error is None
    assert written.audio.path == folder / "written.wav"
    assert written.request is requests[0]
    assert isinstance(misnamed.error, InvalidRequestError)
    assert len(server.requests) == 1


def test_a_request_does_not_travel_back(batches: Batches) -> None:
    pool, text = Inline(), "Long. " * 1000
    with FaultServer(GOOD) as server, batches(server.url, [text], executor=pool) as batch:
        (result,) = batch.all()
    assert result.request == BatchRequest(text=text)
    given, returned = pool.pickles
    assert text.encode() in given
    assert text.encode() not in returned


def test_in_order(batches: Batches) -> None:
    def step(peer: Peer) -> None:
        if asked(peer) == "Text 0.":
            peer.pause()
        elif asked(peer) == "Text 5.":
            peer.server.released.set()
        peer.send(GOOD)

    texts = [f"Text {number}." for number in range(10)]
    with (
        FaultServer(step) as server,
        ThreadPoolExecutor(2) as pool,
        batches(server.url, texts, executor=pool, in_order=True) as batch,
    ):
        assert [result.index for result in batch.all()] == list(range(10))


def test_a_budget_is_kept(batches: Batches) -> None:
    texts = ["x" * 1000] * 5
    with (
        FaultServer(GOOD) as server,
        ThreadPoolExecutor(2) as pool,
        batches(server.url, texts, executor=pool, max_usd=0.012) as batch,
    ):
        assert len([batch.next() for _ in range(3)]) == 3
        with pytest.raises(SpeechError, match="request 3 would cost more"):
            batch.next()
    assert len(server.requests) == 3


def test_the_window_is_bounded(batches: Batches) -> None:
    taken = []

    def source() -> Iterator[str]:
        for number in range(10**6):
            taken.append(number)
            yield "One."

    pool = Idle()
    with batches("http://127.0.0.1:9", source(), executor=pool) as batch:
        assert pool.has_some.wait(WAIT_S)
        first = pool.futures[0]
        first.set_exception(ZeroDivisionError("no"))
        assert batch.next().index == 0
    assert len(pool.futures) <= MAX_OPEN + 1
    assert len(taken) <= MAX_OPEN + 2


def test_too_many_requests_are_sent_again(batches: Batches) -> None:
    left = iter([True] * 3)

    def step(peer: Peer) -> None:
        peer.send(answer(429, b"{}") if next(left, False) else GOOD)

    with (
        FaultServer(step) as server,
        ThreadPoolExecutor(2) as pool,
        batches(server.url, ["One."], executor=pool) as batch,
    ):
        (result,) = batch.all()
    assert (result.error, result.attempts) == (None, 4)


# --- workers -------------------------------------------------------------------------------------


def test_a_worker_keeps_its_client(batches: Batches) -> None:
    texts = ["One."] * 40
    with FaultServer(GOOD) as server, ThreadPoolExecutor(4) as pool:
        for voice in ("af_heart", "am_adam"):
            with batches(server.url, texts, executor=pool, voice=voice) as batch:
                assert all(result.error is None for result in batch.all())
        assert len(worker._clients) == 1
        with batches(
            server.url, texts, executor=pool, client={"timeouts": Timeouts(total_s=60)}
        ) as batch:
            assert all(result.error is None for result in batch.all())
    assert len(worker._clients) == 2
    assert server.connections <= 8


def test_a_client_is_built_as_the_batch_s_was(batches: Batches) -> None:
    client = {
        "timeouts": Timeouts(read_s=7),
        "retry": RetryPolicy(attempts=2),
        "max_audio_bytes": 12345,
        "validate_voices": False,
        "headers": {"x-mine": "yes", "user-agent": "mine"},
        "httpx_args": {"trust_env": False},
    }
    with (
        FaultServer(GOOD) as server,
        batches(server.url, ["One."], executor=Inline(), client=client, voice="any") as batch,
    ):
        (result,) = batch.all()
    assert result.error is None
    (built,) = worker._clients.values()
    config = built._config
    assert (config.timeouts, config.retry) == (client["timeouts"], client["retry"])
    assert (config.max_audio_bytes, config.validate_voices) == (12345, False)
    assert config.httpx_args == {"trust_env": False}
    assert server.requests[0].headers["x-mine"] == "yes"
    assert server.requests[0].headers["user-agent"] == "mine"
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_workers_take_turns_as_one_limit_says(batches: Batches) -> None:
    under_way, most, mutex = [0], [0], threading.Lock()

    def step(peer: Peer) -> None:
        with mutex:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        peer.server.released.wait(0.02)
        with mutex:
            under_way[0] -= 1
        peer.send(GOOD)

    with (
        FaultServer(step) as server,
        processes(4) as pool,
        batches(server.url, ["One."] * 30, executor=pool, at_once=2) as batch,
    ):
        assert all(result.error is None for result in batch.all())
    assert len(server.requests) == 30
    assert most[0] <= 2
    (folder,) = Path(os.environ["TMPDIR"]).glob("together-speech-*")
    (file,) = folder.glob("*.json")
    assert json.loads(file.read_bytes())["calls"] == []


def test_each_model_has_a_pace_of_its_own(batches: Batches) -> None:
    requests = ["One.", "Two.", BatchRequest(text="Three.", options={"model": "other"})]
    with (
        FaultServer(GOOD) as server,
        batches(server.url, requests, executor=Inline(), model="one", voice="any") as batch,
    ):
        assert all(result.error is None for result in batch.all())
    assert [json.loads(request.body)["model"] for request in server.requests].count("other") == 1
    (folder,) = Path(os.environ["TMPDIR"]).glob("together-speech-*")
    paces = [json.loads(path.read_bytes())["pace"] for path in folder.glob("*.json")]
    assert sorted(pace["_count"] for pace in paces) == [1, 2]


def test_a_turn_that_another_process_took_is_waited_for_again(
    batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Crowded(Pace):
        refusals = 3

        def begin(self, now: float) -> int:
            self.refusals -= 1
            return super().begin(now) if self.refusals < 0 else None  # type: ignore[return-value]

    pace = Crowded()
    for kind in (SpeechClient, AsyncSpeechClient):
        monkeypatch.setattr(kind, "_pace", lambda *limits: pace)
    with FaultServer(GOOD) as server, batches(server.url, ["One."]) as batch:
        (result,) = batch.all()
        assert batch.batch.rate == pace.rate
    assert result.error is None
    assert pace.refusals == -1


def test_what_a_worker_was_refused_is_not_spent(batches: Batches) -> None:
    texts = Halves(["Bad."] * 8, ["Good."] * 4)
    options = {"executor": Inline(), "max_usd": 0.000168}
    with FaultServer(refuse_bad) as server, batches(server.url, texts, **options) as batch:
        assert {type(batch.next().error) for _ in range(8)} == {BadRequestError}
        texts.go_on.set()
        assert [batch.next().error for _ in range(4)] == [None] * 4
        assert batch.next() is None


def test_a_worker_that_dies_is_one_result_for_each(batches: Batches) -> None:
    begun = threading.Semaphore(0)

    def step(peer: Peer) -> None:
        begun.release()
        peer.pause()
        peer.send(GOOD)

    texts = [f"Text {number}." for number in range(200)]
    with (
        FaultServer(step) as server,
        processes(2) as pool,
        batches(server.url, iter(texts), executor=pool) as batch,
    ):
        assert begun.acquire(timeout=WAIT_S)
        next(iter(pool._processes.values())).kill()
        results = batch.all()
        assert batch.batch.failed == 200
        assert batch.batch.under_way == 0
    assert sorted(result.index for result in results) == list(range(200))
    assert {type(result.error) for result in results} == {BrokenProcessPool}
    assert {result.request.text for result in results} == set(texts)


def test_a_worker_that_ends_itself_ends_nobody_else(batches: Batches) -> None:
    pool = Idle()
    with batches("http://127.0.0.1:9", ["One.", "Two."], executor=pool) as batch:
        assert pool.has_some.wait(WAIT_S)
        pool.futures[0].set_exception(SystemExit(3))
        error = batch.next().error
        assert isinstance(error, SpeechError)
        assert "SystemExit(3)" in str(error)
        assert isinstance(error.__cause__, SystemExit)
        while len(pool.futures) < 2:
            threading.Event().wait(0.01)
        pool.futures[1].cancel()
        error = batch.next().error
        assert "cancelled request 1" in str(error)
        assert batch.next() is None


def test_what_cannot_be_pickled_is_one_result(batches: Batches) -> None:
    class Here(str):
        """Nobody elsewhere knows it."""

    with (
        FaultServer(GOOD) as server,
        processes(1) as pool,
        batches(server.url, [Here("One."), "Two."], executor=pool) as batch,
    ):
        errors = {result.index: result.error for result in batch.all()}
    assert "pickle" in str(errors[0])
    assert errors[1] is None


def test_a_worker_without_a_key_is_told(batches: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOGETHER_API_KEY")
    with (
        FaultServer(GOOD) as server,
        processes(1) as pool,
        batches(server.url, ["One.", "Two."], executor=pool) as batch,
    ):
        results = batch.all()
    assert server.requests == []
    for result in results:
        assert isinstance(result.error, InvalidRequestError)
        assert result.error.param == "api_key"
        assert "set TOGETHER_API_KEY where they run" in str(result.error)


def test_a_worker_s_environment_may_be_wrong_in_other_ways(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = pickle.dumps({"base_url": "ftp://example.com"})
    with pytest.raises(InvalidRequestError) as caught:
        worker.speak(
            WorkerSettings(client=settings, options={}, at_once=None, per_minute=None),
            BatchRequest(text="One."),
            0,
        )
    assert caught.value.param == "base_url"


def test_no_key_is_in_a_pickle(batches: Batches) -> None:
    said = json.dumps({"error": {"message": f"bad key {KEY}", "type": KEY}}).encode()
    steps = [answer(429, said, {"x-request-id": KEY}), answer(401, said), GOOD]
    pool = Inline()
    with (
        FaultServer(*steps) as server,
        batches(server.url, ["One.", "Two."], executor=pool) as batch,
    ):
        results = batch.all()
    assert len(server.requests) == 3
    assert sorted(result.error is None for result in results) == [False, True]
    assert len(pool.pickles) == 4
    for pickled in pool.pickles:
        assert KEY.encode() not in pickled


class OddError(Exception):
    """It cannot be built from what it holds."""

    def __init__(self, one: str, *, other: str) -> None:
        super().__init__(one)


class ClearError(Exception):
    """It can."""


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (OddError("one", other="two"), SpeechError, "OddError: one"),
        (ClearError("one"), ClearError, "one"),
        (PermissionError(13, "no", "a.wav"), PermissionError, "a.wav"),
    ],
)
def test_an_error_can_be_read_elsewhere(
    error: Exception, kind: type, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(plan: object, given: object) -> object:
        raise error

    with SpeechClient(KEY) as client:
        settings = WorkerSettings(
            client=client._config.for_workers(),
            options={"voice": "af_heart"},
            at_once=None,
            per_minute=None,
        )

    async def attempt(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(SpeechClient, "_attempt", lambda *arguments: fail(*arguments[:2]))
    result, _ = speak_elsewhere(settings, BatchRequest(text="One."), 7)
    assert result.index == 7
    assert type(pickle.loads(pickle.dumps(result)).error) is kind  # noqa: S301
    assert text in str(result.error)


def test_a_forked_worker_waits_for_no_thread_of_its_parent() -> None:
    if not hasattr(os, "fork"):
        pytest.skip("there is no fork here")
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with worker._lock():
            held.set()
            done.wait(WAIT_S)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert held.wait(WAIT_S)
        with (
            warnings.catch_warnings(action="ignore", category=DeprecationWarning),
            FaultServer(GOOD) as server,
            SpeechClient(KEY, base_url=server.url) as client,
            processes(1, "fork") as pool,
            client.synthesize_many(["One."], voice="af_heart", executor=pool) as batch,
        ):
            (result,) = batch
    finally:
        done.set()
        thread.join()
    assert result.error is None


# --- its end -------------------------------------------------------------------------------------


def test_leaving_the_block_cancels_what_has_not_begun(
    batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, answered = threading.Semaphore(0), []

    def step(peer: Peer) -> None:
        begun.release()
        peer.pause()
        answered.append(peer)
        peer.send(GOOD)

    for half in ("_async", "_sync"):
        monkeypatch.setattr(f"facade.{half}.batch._GOODBYE_S", 1e6)
    with FaultServer(step) as server:
        with ThreadPoolExecutor(2) as pool:
            with batches(server.url, ["One."] * 50, executor=pool):
                assert begun.acquire(timeout=WAIT_S)
                assert begun.acquire(timeout=WAIT_S)
            # What is under way nobody can end, nor waits for.
            assert answered == []
            server.released.set()
        assert len(server.requests) == 2


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_worker_that_is_silent_keeps_no_thread(
    backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Silent(Idle):
        def submit(self, act: Any, /, *arguments: Any, **more: Any) -> "Future[Any]":
            future = super().submit(act)
            assert future.set_running_or_notify_cancel()
            return future

    async def main() -> set[threading.Thread]:
        async with (
            AsyncSpeechClient(KEY) as client,
            client.synthesize_many(["One."] * 3, voice="af_heart", executor=pool) as batch,
        ):
            while batch.under_way < 3:
                await checkpoint()
            await anyio.sleep(0.1)
            return set(threading.enumerate())

    pool = Silent()
    before = set(threading.enumerate())
    assert anyio.run(main, backend=backend) <= before
    for future in pool.futures:
        # Nobody is there any more to hear of it.
        future.set_exception(ZeroDivisionError())
    assert caplog.records == []


def test_nothing_is_begun_in_a_batch_that_has_ended() -> None:
    class Late(Idle):
        def submit(self, act: Any, /, *arguments: Any, **more: Any) -> "Future[Any]":
            future = super().submit(act)
            assert closed.wait(WAIT_S)
            return future

    closed = threading.Event()
    pool = Late()
    with FaultServer(GOOD) as server, SpeechClient(KEY, base_url=server.url) as client:
        with client.synthesize_many(["One."], voice="af_heart", executor=pool):
            assert pool.has_some.wait(WAIT_S)
            threading.Timer(0.2, closed.set).start()
        assert closed.wait(WAIT_S)
        (future,) = pool.futures
        until = time.monotonic() + WAIT_S
        while not future.cancelled() and time.monotonic() < until:
            time.sleep(0.01)
        assert future.cancelled()


def test_a_system_that_gives_no_thread_is_told(
    batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_to_begin(monkeypatch, "_follow")
    pool = Idle()
    with batches("http://127.0.0.1:9", ["One.", "Two.", "Three."], executor=pool) as batch:
        while len(pool.futures) < 2:
            time.sleep(0.01)
        pool.futures[0].set_exception(ZeroDivisionError())
        assert isinstance(batch.next().error, ZeroDivisionError)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            batch.next()
        assert batch.batch.under_way == 0
    assert len(pool.futures) == 2
    assert pool.futures[1].cancelled()


def test_an_executor_that_was_shut_down_is_one_result_for_each(batches: Batches) -> None:
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with batches("http://127.0.0.1:9", ["One."] * 3, executor=pool) as batch:
        errors = [str(result.error) for result in batch.all()]
    assert errors == ["cannot schedule new futures after shutdown"] * 3


# --- what is refused -----------------------------------------------------------------------------


def test_an_executor_is_one() -> None:
    with (
        SpeechClient(KEY) as client,
        pytest.raises(InvalidRequestError, match=r"must be a concurrent\.futures\.Executor"),
    ):
        client.synthesize_many([], voice="af_heart", executor=object())  # type: ignore[arg-type]


def test_an_executor_needs_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facade._jobs.find_spec", lambda name: None)
    with (
        SpeechClient(KEY) as client,
        pytest.raises(ImportError) as raised,
    ):
        client.synthesize_many([], voice="af_heart", executor=Idle())
    what = "an executor, here and where its workers run,"
    assert str(raised.value) == needs(what, "filelock", "batch")


def test_what_a_client_is_built_with_must_be_plain() -> None:
    with (
        SpeechClient(KEY, httpx_args={"default_encoding": lambda content: "utf-8"}) as client,
        pytest.raises(InvalidRequestError, match="cannot be sent to another process") as caught,
    ):
        client.synthesize_many([], voice="af_heart", executor=Idle())
    assert caught.value.param == "httpx_args"
