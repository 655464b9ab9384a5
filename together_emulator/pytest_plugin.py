"""Fixtures for applications: ``def test_it(together_emulator, speech_client): ...``.

pytest finds this module by itself. It costs nothing until a test asks for a fixture.
"""

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from together_emulator.process import SpeechEmulator


@pytest.fixture(scope="session")
def together_emulator_session() -> "Iterator[SpeechEmulator]":
    """An emulator of Together AI's text-to-speech API that runs as long as the tests."""
    from together_emulator.process import SpeechEmulator

    with SpeechEmulator() as emulator:
        yield emulator


@pytest.fixture
def together_emulator(together_emulator_session: "SpeechEmulator") -> "SpeechEmulator":
    """That emulator, with nothing in its log and no fault waiting.

    `url` and `api_key` are for the client, `requests`, `characters` and `usd` say what it was
    asked, and `fail_next(status=429)` lets the next request fail.
    """
    together_emulator_session.reset()
    return together_emulator_session


@pytest.fixture
def speech_client(together_emulator: "SpeechEmulator") -> Iterator[Any]:
    """A `facade.SpeechClient` of the emulator."""
    client = _client("SpeechClient", together_emulator)
    with client:
        yield client


@pytest.fixture
def async_speech_client(together_emulator: "SpeechEmulator") -> Any:
    """A `facade.AsyncSpeechClient` of the emulator."""
    import httpx

    # A connection that waits for a second request would outlive the test's event loop.
    return _client(
        "AsyncSpeechClient", together_emulator, limits=httpx.Limits(max_keepalive_connections=0)
    )


def _client(name: str, emulator: "SpeechEmulator", **httpx_args: object) -> Any:
    # By its name: the emulator itself shares no code with the client, and serves those who do not
    # have it.
    try:
        facade = import_module("facade")
    except ImportError as error:
        pytest.skip(f"needs the client of together-speech, which cannot be imported: {error}")
    # A proxy of the environment has no way to this machine.
    return getattr(facade, name)(
        emulator.api_key, base_url=emulator.url, httpx_args={"trust_env": False, **httpx_args}
    )
