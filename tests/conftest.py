"""What the tests share: every test of a client's behaviour runs on both clients."""

import asyncio
import os
import ssl
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Generator, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest
import trustme
from hypothesis import is_hypothesis_test, settings

from facade import AsyncSpeechClient, SpeechAudio, SpeechClient, Voice

# As a key looks; no test may find it anywhere but in the Authorization header.
KEY = "tgp_v1_sE3cReT-kEy-0123456789abcdef"

_T = TypeVar("_T")

# Nothing of the emulator is among what coverage is measured of.
_EMULATOR = Path(__file__).parent / "emulator"

# At a desk every run tries other examples; a run of CI says the same of the same code each time.
settings.register_profile("desk", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure no coverage in tests of many examples, nor of the emulator, nor where it is marked.

    Measuring takes as long again as the tests. What they cover is covered without them too, and by
    the same examples each time: so this can make 100 % harder to have, and never easier.
    """
    is_measured = not (
        item.get_closest_marker("unmeasured")
        or is_hypothesis_test(getattr(item, "function", None))
        or item.path.is_relative_to(_EMULATOR)
    )
    if is_measured:
        return (yield)
    tracer, in_threads = sys.gettrace(), threading.gettrace()
    with pytest.MonkeyPatch.context() as patch:
        # By this coverage measures programs that a test starts.
        patch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        sys.settrace(None)
        threading.settrace(None)
        try:
            return (yield)
        finally:
            sys.settrace(tracer)
            threading.settrace(in_threads)


class Speaker(ABC):
    """One of the two clients, called as the synchronous one is."""

    client: SpeechClient | AsyncSpeechClient

    @abstractmethod
    def synthesize(self, text: str = "Hello.", **options: Any) -> SpeechAudio:
        """Call `synthesize`, by default with the least that there is."""

    @abstractmethod
    def list_voices(self, model: str | None = None) -> list[Voice]:
        """Call `list_voices`."""

    @abstractmethod
    def enter(self) -> object:
        """Begin a `with` or `async with` block."""

    @abstractmethod
    def leave(self) -> None:
        """End that block."""

    @abstractmethod
    def close(self) -> None:
        """Call `close` or `aclose`."""


class _SyncSpeaker(Speaker):
    def __init__(self, **settings: Any) -> None:
        self.client: SpeechClient = SpeechClient(**settings)

    def synthesize(self, text: str = "Hello.", **options: Any) -> SpeechAudio:
        return self.client.synthesize(text, **{"voice": "af_heart", **options})

    def list_voices(self, model: str | None = None) -> list[Voice]:
        return self.client.list_voices(model)

    def enter(self) -> object:
        return self.client.__enter__()

    def leave(self) -> None:
        self.client.__exit__(None, None, None)

    def close(self) -> None:
        self.client.close()


class _AsyncSpeaker(Speaker):
    """Runs its client on an event loop that goes on between calls, as an application's does."""

    def __init__(self, runner: asyncio.Runner, **settings: Any) -> None:
        self._runner = runner
        self.client: AsyncSpeechClient = AsyncSpeechClient(**settings)

    def synthesize(self, text: str = "Hello.", **options: Any) -> SpeechAudio:
        return self._run(self.client.synthesize(text, **{"voice": "af_heart", **options}))

    def list_voices(self, model: str | None = None) -> list[Voice]:
        return self._run(self.client.list_voices(model))

    def enter(self) -> object:
        return self._run(self.client.__aenter__())

    def leave(self) -> None:
        self._run(self.client.__aexit__(None, None, None))

    def close(self) -> None:
        self._run(self.client.aclose())

    def _run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        return self._runner.run(coroutine)


class Connect(Protocol):
    """Builds a client for an address; it is closed when the test is over."""

    def __call__(self, url: str, **settings: Any) -> Speaker: ...


@pytest.fixture(params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which of the two clients a test is run with."""
    kind: str = request.param
    return kind


@pytest.fixture
def connect(kind: str) -> Iterator[Connect]:
    """Build clients of one kind, then of the other."""
    built: list[Speaker] = []
    with asyncio.Runner() as runner:
        build: Callable[..., Speaker] = _SyncSpeaker
        if kind == "async":

            def build(**settings: Any) -> Speaker:
                return _AsyncSpeaker(runner, **settings)

        def connect(url: str, **settings: Any) -> Speaker:
            speaker = build(**{"api_key": KEY, "base_url": url, **settings})
            built.append(speaker)
            return speaker

        yield connect
        for speaker in built:
            speaker.close()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Who signs the servers' certificates."""
    return trustme.CA()


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """A server's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("speech.invalid", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="session")
def trust(authority: trustme.CA) -> ssl.SSLContext:
    """A client's side of it."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once, and as often as the client's policy says."""
    monkeypatch.setenv("TOGETHER_SPEECH_RETRIES", "at once")
