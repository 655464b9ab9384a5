"""The key goes into the Authorization header, and shows up nowhere else."""

import copy
import gzip
import json
import logging
import pickle
import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from facade import (
    APIError,
    APIStatusError,
    AsyncSpeechClient,
    InvalidRequestError,
    RetryPolicy,
    SpeechClient,
    SpeechError,
    Timeouts,
)
from tests.conftest import KEY, Connect
from tests.faults.events import a_stream, event
from tests.faults.server import SPEECH, FaultServer, Peer, Step, answer, chunked, then
from tests.key_search import assert_no_frames_of_httpx, assert_no_key, shown

ECHO = KEY.encode()
ECHOED = {"x-request-id": KEY, "cf-ray": KEY, "Location": f"/?{KEY}", "x-echo": f"Bearer {KEY}"}
ERROR = json.dumps({"error": {"message": f"bad key {KEY}", "type": KEY, "code": KEY}}).encode()


def failing(name: str) -> Step:
    """A way to fail that shows the key wherever there is room for it."""
    steps: dict[str, Step] = {
        "refused": answer(401, ERROR, ECHOED),
        "text": answer(403, ECHO, ECHOED),
        "compressed": answer(401, gzip.compress(ERROR), {**ECHOED, "Content-Encoding": "gzip"}),
        "redirect": answer(307, ECHO, ECHOED),
        "huge": answer(500, ECHO * 10_000, ECHOED),
        "success with an error": answer(200, ERROR, ECHOED),
        "success with a page": answer(200, b"<p>" + ECHO, ECHOED),
        "empty": answer(200, b"", ECHOED),
        "cut": then(answer(200, ECHO, ECHOED, length=1000), Peer.close),
        "reset": then(answer(200, ECHO, ECHOED, length=1000), Peer.reset),
        "stall": then(answer(200, ECHO, ECHOED, length=1000), Peer.wait_for_close),
        "no answer": Peer.wait_for_close,
        "status line": ECHO + b"\r\n\r\n",
        "header line": b"HTTP/1.1 200 OK\r\n" + ECHO + b"\r\n\r\n",
        "reason": b"HTTP/1.1 400 " + ECHO + b"\r\nContent-Length: 0\r\n\r\n",
        "encoding": answer(200, SPEECH, {**ECHOED, "Content-Encoding": KEY}),
        "length": b"HTTP/1.1 200 OK\r\nContent-Length: " + ECHO + b"\r\n\r\n",
        "chunk": then(chunked(end=False, headers=ECHOED), ECHO + b"\r\n", Peer.close),
    }
    return steps[name]


WAYS = [
    "refused",
    "text",
    "compressed",
    "redirect",
    "huge",
    "success with an error",
    "success with a page",
    "empty",
    "cut",
    "reset",
    "stall",
    "no answer",
    "status line",
    "header line",
    "reason",
    "encoding",
    "length",
    "chunk",
]


@pytest.fixture
def logs(caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """All that any logger says, at DEBUG."""
    for name in ("", "facade", "httpx", "httpcore", "asyncio"):
        caplog.set_level(logging.DEBUG, name)
    return lambda: "\n".join(
        f"{record.name}: {record.getMessage()} {vars(record)}" for record in caplog.records
    )


@pytest.mark.usefixtures("no_waits")
@pytest.mark.parametrize("way", WAYS)
def test_no_failure_shows_the_key(connect: Connect, way: str, logs: Callable[[], str]) -> None:
    with FaultServer(failing(way)) as server:
        speaker = connect(server.url, timeouts=Timeouts(read_s=0.1))
        with pytest.raises(SpeechError) as caught:
            speaker.synthesize("A secret text.")
        assert_no_key(caught.value)
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    told = logs()
    assert "httpcore.http11" in told
    assert "POST /v1/audio/speech" in told
    assert KEY not in told
    assert "A secret text." not in told


@pytest.fixture
def _ctrl_c() -> Iterator[None]:
    """Ctrl-C raises, even where SIGINT is ignored, as it is in a shell's background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs a signal to one thread")
@pytest.mark.usefixtures("_ctrl_c")
@pytest.mark.parametrize("is_stream", [False, True], ids=["call", "stream"])
def test_an_interruption_does_not_show_it_either(is_stream: bool) -> None:
    def interrupt(peer: Peer) -> None:
        main = threading.main_thread().ident
        assert main is not None
        assert waits.wait(10)
        # So that it is in the middle of waiting.
        threading.Event().wait(0.05)
        signal.pthread_kill(main, signal.SIGINT)
        peer.wait_for_close()

    waits = threading.Event()
    begun = a_stream(event(b"ab"), end=False)
    with (
        FaultServer(then(begun, interrupt) if is_stream else interrupt) as server,
        SpeechClient(KEY, base_url=server.url) as client,
    ):
        call = partial(client.synthesize, "Hello.", voice="af_heart")
        if is_stream:
            stream = client.stream("Hello.", voice="af_heart")
            assert next(stream) == b"ab"
        waits.set()
        with pytest.raises(KeyboardInterrupt) as caught:
            next(stream) if is_stream else call()
        assert server.saw_close()
    assert_no_key(caught.value)
    assert_no_frames_of_httpx(caught.value)


@pytest.mark.parametrize("shift", range(0, len(KEY), 5))
def test_excerpt_that_ends_inside_the_key_shows_no_part_of_it(connect: Connect, shift: int) -> None:
    with FaultServer(answer(500, b"x" * (200 - shift) + ECHO * 2)) as server:
        with pytest.raises(SpeechError) as caught:
            connect(server.url, retry=RetryPolicy(attempts=1)).synthesize()
        assert KEY[:6] not in str(caught.value)


def test_echoed_key_is_replaced_and_the_rest_is_kept(connect: Connect) -> None:
    with FaultServer(answer(401, ERROR, ECHOED), answer(200, ERROR)) as server:
        speaker = connect(server.url)
        with pytest.raises(APIStatusError) as caught:
            speaker.synthesize()
        assert caught.value.message == "bad key [secret]"
        assert caught.value.headers["x-echo"] == "Bearer [secret]"
        assert '"message": "bad key [secret]"' in caught.value.body
        with pytest.raises(APIError, match=r"^bad key \[secret\]"):
            speaker.synthesize()


@pytest.mark.parametrize("document", ['{"data":["%"]}', '{"data":[{"voices":["%"', "% is no JSON"])
def test_unreadable_list_of_voices_does_not_show_the_key(connect: Connect, document: str) -> None:
    with FaultServer(answer(200, document.replace("%", KEY).encode(), ECHOED)) as server:
        speaker = connect(server.url)
        with pytest.raises(APIError) as caught:
            speaker.list_voices()
        assert_no_key(caught.value)


def test_calls_that_work_show_no_key(connect: Connect, logs: Callable[[], str]) -> None:
    with FaultServer(answer(200, SPEECH, ECHOED), answer(200, b'{"data":[]}', ECHOED)) as server:
        speaker = connect(server.url)
        audio = speaker.synthesize()
        speaker.list_voices()
    assert KEY not in repr(audio)
    assert ECHO not in pickle.dumps(audio)
    assert KEY not in logs()


def everything_of(thing: object, depth: int = 6) -> str:
    """The `repr` of an object, of its attributes, of theirs, and so on."""
    parts = [repr(thing)]
    if depth and type(thing).__module__.partition(".")[0] in ("facade", "together_openapi"):
        names = [*getattr(thing, "__dict__", ()), *getattr(type(thing), "__slots__", ())]
        parts += [everything_of(getattr(thing, name, None), depth - 1) for name in names]
    return "\n".join(parts)


def test_nothing_of_a_client_shows_the_key(connect: Connect) -> None:
    with FaultServer(answer(200, SPEECH)) as server:
        speaker = connect(server.url)
        speaker.synthesize()
        told = everything_of(speaker.client)
        assert "Service" in told
        assert KEY not in told
        assert repr(speaker.client) == f"<{type(speaker.client).__name__} {server.url}>"
        speaker.close()
        assert repr(speaker.client) == f"<{type(speaker.client).__name__} {server.url} closed>"


@pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy])
def test_client_cannot_be_pickled_or_copied(
    connect: Connect, take: Callable[[object], object]
) -> None:
    speaker = connect("http://127.0.0.1:9/v1")
    with pytest.raises(TypeError, match="holds a key and connections, and cannot be pickled"):
        take(speaker.client)


# By name, so that no test's name shows one.
BAD_KEYS = {
    "empty": "",
    "spaces": "   ",
    "line end": f"{KEY}\n",
    "space inside": f"{KEY[:9]} {KEY}",
    "not ASCII": f"{KEY}é",
    "control": f"{KEY}\x07",
    "NUL": f"{KEY}\0",
}


@pytest.mark.parametrize(
    ("bad", "from_environment"),
    # The environment cannot hold a NUL.
    [*((bad, False) for bad in BAD_KEYS), *((bad, True) for bad in BAD_KEYS if bad != "NUL")],
)
def test_bad_key_is_refused_and_not_repeated(
    kind: str, bad: str, from_environment: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = SpeechClient if kind == "sync" else AsyncSpeechClient
    if from_environment:
        monkeypatch.setenv("TOGETHER_API_KEY", BAD_KEYS[bad])
    with pytest.raises(InvalidRequestError, match=r"^api_key: ") as caught:
        build(None if from_environment else BAD_KEYS[bad])
    assert caught.value.param == "api_key"
    assert_no_key(caught.value)


def test_missing_key_says_where_one_is_looked_for(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOGETHER_API_KEY", raising=False)
    build = SpeechClient if kind == "sync" else AsyncSpeechClient
    with pytest.raises(InvalidRequestError, match="TOGETHER_API_KEY"):
        build()


def test_key_comes_from_the_environment(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOGETHER_API_KEY", "another-key")
    with FaultServer(answer(200, SPEECH)) as server:
        connect(server.url, api_key=None).synthesize()
        assert server.requests[0].headers["authorization"] == "Bearer another-key"


@pytest.mark.parametrize(
    "arguments",
    [
        {"nonsense": 1},
        {"limits": 3},
    ],
)
def test_arguments_that_httpx_refuses_are_named(
    connect: Connect, arguments: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequestError, match=r"^httpx_args: httpx cannot be set up") as caught:
        connect("https://127.0.0.1:9/v1", httpx_args=arguments)
    assert caught.value.__cause__ is not None
    assert_no_key(caught.value)


def test_loggers_of_others_are_left_alone(connect: Connect, logs: Callable[[], str]) -> None:
    """What httpx and httpcore log is searched for the keys of clients that there are."""
    logging.getLogger("httpx").info("somebody else's %s", "tgp_v1_of_somebody_else")
    logging.getLogger("root").info("an application's %s", KEY)
    assert "somebody else's tgp_v1_of_somebody_else" in logs()
    assert f"an application's {KEY}" in logs()


def test_search_would_find_the_key() -> None:
    """The tests above find nothing because there is nothing, and not because they are blind."""
    with pytest.raises(ValueError, match="Expecting value") as caught:
        json.loads(KEY)
    assert f"s = '{KEY}'" in shown(caught.value)
    for error in (ValueError(KEY), caught.value):
        outer = SpeechError("no key here")
        outer.__context__ = error
        with pytest.raises(AssertionError):
            assert_no_key(outer)
