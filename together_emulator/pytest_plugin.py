"""Fixtures for applications: ``def test_it(together_emulator, speech_client): ...``.

pytest finds this module by itself. It costs nothing until a test asks for a fixture.
"""

import os
from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from together_emulator.process import SpeechEmulator


@pytest.fixture(scope="session")
def together_emulator_session() -> "Iterator[SpeechEmulator]":
    """An emulator of Together AI's text-to-speech API that runs as long as the tests."""
    from together_emulator.process import SpeechEmulator

    with SpeechEmulator() as emulator:
        yield emulator


@pytest.fixture
def speech_retries() -> str:
    """How the client tries again in tests that use `together_emulator`; override it to choose.

    ``"off"`` (the default): never, so that a fault reaches the application. ``"at once"``: as often
    as its policy says, without waiting. ``"real"``: as in production.
    """
    return "off"


@pytest.fixture
def together_emulator(
    together_emulator_session: "SpeechEmulator",
    speech_retries: str,
    monkeypatch: pytest.MonkeyPatch,
) -> "Iterator[SpeechEmulator]":
    """That emulator, with nothing in its log and no fault waiting.

    `url` and `api_key` are for the client, `requests`, `characters` and `usd` say what it was
    asked, and `fail_next(status=429)` lets the next request fail. A fault that has not happened
    when the test ends is an error.
    """
    together_emulator_session.reset()
    if speech_retries not in ("off", "at once", "real"):
        pytest.fail(f'speech_retries must be "off", "at once" or "real", not {speech_retries!r}')
    monkeypatch.setenv("TOGETHER_SPEECH_RETRIES", speech_retries)
    yield together_emulator_session
    unused = [repr(fault) for fault in together_emulator_session.unused_faults]
    if unused:
        pytest.fail(
            f"of what fail_next() asked for, this has not happened: {', '.join(unused)}. No "
            "request came for it, or one on which it has no effect, such as a stream's fault on "
            "an answer that is no stream. If that is meant, end the test with reset().",
            pytrace=False,
        )


@pytest.fixture
def together_environment(
    together_emulator: "SpeechEmulator", monkeypatch: pytest.MonkeyPatch
) -> "SpeechEmulator":
    """That emulator, for clients that the application builds by itself.

    ``TOGETHER_API_KEY`` and ``TOGETHER_BASE_URL`` lead there while the test runs, and no proxy of
    the environment is asked for it. The URL is the one without ``/v1``, which Together's SDK and
    this package's client both take.
    """
    monkeypatch.setenv("TOGETHER_API_KEY", together_emulator.api_key)
    monkeypatch.setenv("TOGETHER_BASE_URL", together_emulator.sdk_url)
    direct = os.environ.get("no_proxy", os.environ.get("NO_PROXY", ""))
    host = urlsplit(together_emulator.url).hostname
    monkeypatch.setenv("no_proxy", f"{direct},{host}".lstrip(","))
    return together_emulator


@pytest.fixture
def speech_client(together_emulator: "SpeechEmulator") -> Iterator[object]:
    """A `facade.SpeechClient` of the emulator."""
    with _client("SpeechClient", together_emulator) as client:
        yield client


@pytest.fixture
def async_speech_client(together_emulator: "SpeechEmulator") -> object:
    """A `facade.AsyncSpeechClient` of the emulator."""
    import httpx

    # A connection that waits for a second request would outlive the test's event loop.
    return _client(
        "AsyncSpeechClient", together_emulator, limits=httpx.Limits(max_keepalive_connections=0)
    )


def _client(
    name: str, emulator: "SpeechEmulator", **httpx_args: object
) -> "AbstractContextManager[object]":
    # By its name: the emulator itself shares no code with the client, and serves those who do not
    # have it.
    try:
        facade = import_module("facade")
    except ImportError as error:
        pytest.skip(f"needs the client of together-speech, which cannot be imported: {error}")
    # A proxy of the environment has no way to this machine.
    client: AbstractContextManager[object] = getattr(facade, name)(
        emulator.api_key, base_url=emulator.url, httpx_args={"trust_env": False, **httpx_args}
    )
    return client
