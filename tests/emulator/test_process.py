"""The emulator as a context manager: it is always taken down."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from facade import InternalServerError, RetryPolicy, SpeechClient
from together_emulator import SpeechEmulator

KOKORO = "hexgrad/Kokoro-82M"


@pytest.fixture(scope="module")
def running() -> Iterator[SpeechEmulator]:
    with SpeechEmulator() as emulator:
        yield emulator


@pytest.fixture
def emulator(running: SpeechEmulator) -> SpeechEmulator:
    running.reset()
    return running


def is_up(url: str) -> bool:
    try:
        return httpx.get(url + "/voices").status_code == 401
    except httpx.TransportError:
        return False


def test_it_runs_as_long_as_the_block_and_may_run_again() -> None:
    emulator = SpeechEmulator()
    for _ in range(2):
        with emulator:
            url = emulator.url
            assert is_up(url)
            with pytest.raises(RuntimeError, match="running already"):
                emulator.start()
        assert not is_up(url)
    emulator.stop()
    with pytest.raises(RuntimeError, match="not running"):
        _ = emulator.url


def test_it_says_what_was_asked_and_what_it_costs(emulator: SpeechEmulator) -> None:
    with SpeechClient(emulator.api_key, base_url=emulator.url) as client:
        client.synthesize("Hello there.", voice="af_heart")
    (request,) = emulator.requests
    assert request.body == {"model": KOKORO, "input": "Hello there.", "voice": "af_heart"}
    assert (request.status, request.characters) == (200, 12)
    assert emulator.characters == {KOKORO: 12}
    assert emulator.usd == {KOKORO: pytest.approx(12 * 4 / 1e6)}
    emulator.reset()
    assert emulator.requests == []
    assert emulator.usd == {}


def test_it_fails_as_often_as_it_is_told(emulator: SpeechEmulator) -> None:
    emulator.fail_next(2, status=503, retry_after=0)
    settings = {"base_url": emulator.url, "retry": RetryPolicy(attempts=3)}
    with SpeechClient("any", **settings) as client:  # type: ignore[arg-type]
        assert client.synthesize("Hello.", voice="af_heart").content
    assert [request.status for request in emulator.requests] == [503, 503, 200]
    emulator.fail_next(status=500, body="html")
    with (
        SpeechClient("any", base_url=emulator.url, retry=RetryPolicy(attempts=1)) as client,
        pytest.raises(InternalServerError),
    ):
        client.synthesize("Hello.", voice="af_heart")


def test_a_fault_that_waits_is_forgotten_by_reset(emulator: SpeechEmulator) -> None:
    emulator.fail_next(status=500)
    emulator.reset()
    headers = {"Authorization": "Bearer any"}
    assert httpx.get(emulator.url + "/voices", headers=headers).status_code == 200


def test_a_fault_that_does_not_exist_is_refused(emulator: SpeechEmulator) -> None:
    with pytest.raises(ValueError, match="status must be an integer from 200 to 599"):
        emulator.fail_next(status=42)
    with pytest.raises(ValueError, match="there is no fault"):
        emulator.fail_next(weather="bad")


def test_a_start_that_fails_says_why(emulator: SpeechEmulator) -> None:
    port = httpx.URL(emulator.url).port
    assert port is not None
    second = SpeechEmulator(port=port)
    with pytest.raises(RuntimeError, match="Address already in use"):
        second.start()
    second.stop()


def test_a_start_that_takes_too_long_is_given_up() -> None:
    with pytest.raises(RuntimeError, match="took too long"):
        SpeechEmulator(start_timeout_s=0.0).start()


PROGRAM = """
import signal, sys
from together_emulator import SpeechEmulator
signal.signal(signal.SIGINT, signal.default_int_handler)
with SpeechEmulator() as emulator:
    print(emulator.url, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_the_program_however_that_ends(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        try:
            assert is_up(url)
            # As a terminal does: to every process of the group.
            os.killpg(process.pid, number)
            assert process.wait(20) != 0
            while is_up(url):
                pass
        finally:
            process.kill()
