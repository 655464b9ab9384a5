"""The emulator as a context manager: it is always taken down."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import httpx
import pytest

from facade import (
    InternalServerError,
    RateLimitError,
    RetryPolicy,
    SpeechClient,
    SpeechError,
    Timeouts,
)
from together_emulator import Fault, SpeechEmulator

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
            assert repr(emulator) == f"<SpeechEmulator at {url}>"
            with pytest.raises(RuntimeError, match="running already"):
                emulator.start()
        assert not is_up(url)
    assert repr(emulator) == "<SpeechEmulator not running>"
    emulator.stop()
    with pytest.raises(RuntimeError, match="not running: use it in a with block"):
        _ = emulator.url


def test_it_has_a_url_for_clients_that_add_the_version(emulator: SpeechEmulator) -> None:
    assert emulator.sdk_url + "/v1" == emulator.url
    for url in (emulator.url, emulator.sdk_url):
        with SpeechClient(emulator.api_key, base_url=url) as client:
            assert client.list_voices()
    assert [request.path for request in emulator.requests] == ["/v1/voices", "/voices"]


def test_pages_of_its_origins_may_use_it() -> None:
    with SpeechEmulator(cors=["http://localhost:3000"]) as emulator:
        for origin, allowed in (
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://x", None),
        ):
            response = httpx.get(emulator.url + "/voices", headers={"Origin": origin})
            assert response.headers.get("access-control-allow-origin") == allowed


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


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({}, "fail_next(): say what is to go wrong, such as status=503"),
        (
            {"status": 42},
            "fail_next(status=42): status must be an integer from 200 to 599, not 42",
        ),
        (
            {"retry_afer": 3},
            'fail_next(retry_afer=3): there is no fault "retry_afer"; did you mean retry_after?',
        ),
        (
            {"weather": "bad"},
            "fail_next(weather='bad'): there is no fault \"weather\"; only status, body, message, "
            "retry_after, reset, redirect, delay_headers, delay_audio, delay_chunks, cut, abort, "
            "short, mute, no_end_mark, malformed_event, bad_base64, error_event, at, sse, "
            "only_comments, close, silence, stall, idle, frame, unnamed, done, no_ack, "
            "out_of_order, late_audio",
        ),
        (
            {"at": 3},
            "fail_next(at=3): at does nothing alone: give error_event or malformed_event or "
            "bad_base64 or frame or close or silence or stall with it",
        ),
        (
            {"body": "html"},
            "fail_next(body='html'): body does nothing alone: give status or redirect with it",
        ),
        (
            {"sse": "lf"},
            'fail_next(sse=\'lf\'): sse must be one of "crlf", "cr", "comments", '
            '"fields", not "lf"',
        ),
        (
            {"no_end_mark": 1},
            "fail_next(no_end_mark=1): no_end_mark is a switch: give it True, or leave it out; "
            "not 1",
        ),
        (
            {"status": 500, "no_end_mark": True},
            "fail_next(status=500, no_end_mark=True): status and no_end_mark cannot both happen to "
            "one answer: leave one out",
        ),
        (
            {"bad_base64": True, "error_event": "failed"},
            "fail_next(bad_base64=True, error_event='failed'): error_event and bad_base64 cannot "
            "both happen to one answer: leave one out",
        ),
        (
            {"status": 204, "body": "html"},
            "fail_next(status=204, body='html'): body does nothing with status=204: leave one out",
        ),
        (
            {"only_comments": True, "no_end_mark": True},
            "fail_next(only_comments=True, no_end_mark=True): only_comments and no_end_mark cannot "
            "both happen to one answer: leave one out",
        ),
        (
            {"redirect": " "},
            "fail_next(redirect=' '): redirect must be printable ASCII text that leads somewhere, "
            'not " "',
        ),
        *(
            (
                {"times": times, "status": 500},
                f"fail_next(times={times!r}, status=500): times must be an integer from 1 to 1000; "
                "to take back what waits, call reset()",
            )
            for times in (0, -1, 1001, True, 2.0)
        ),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_a_fault_that_cannot_happen_is_refused_in_words(
    emulator: SpeechEmulator, fault: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        emulator.fail_next(**fault)
    assert emulator.unused_faults == []


def test_faults_of_any_text_wait_unless_they_are_too_long(emulator: SpeechEmulator) -> None:
    emulator.fail_next(status=500, message="half a surrogate: \ud800")
    assert emulator.unused_faults == [Fault(status=500, message="half a surrogate: \ud800")]
    emulator.reset()
    with pytest.raises(ValueError, match="the body is larger than 1048576 bytes"):
        emulator.fail_next(1000, status=500, message="x" * 2000)
    assert emulator.unused_faults == []


def test_a_fault_is_unused_until_it_has_happened(emulator: SpeechEmulator) -> None:
    emulator.fail_next(status=HTTPStatus.TOO_MANY_REQUESTS, retry_after=2)
    emulator.fail_next(2, error_event="failed", at=9)
    late = Fault(error_event="failed", at=9)
    assert emulator.unused_faults == [Fault(status=429, retry_after="2"), late, late]
    policy = RetryPolicy(attempts=1)
    with SpeechClient("any", base_url=emulator.url, retry=policy) as client:
        with pytest.raises(RateLimitError):
            client.synthesize("Hello.", voice="af_heart")
        assert emulator.unused_faults == [late, late]
        # Neither in an answer that is no stream, nor in one of fewer events.
        client.synthesize("Hello.", voice="af_heart")
        client.stream("No.", voice="af_heart").read()
    assert emulator.unused_faults == [late, late]
    assert [request.fault for request in emulator.requests[1:]] == [str(late)] * 2
    emulator.reset()
    assert emulator.unused_faults == []


@pytest.mark.parametrize(
    "fault",
    [
        *({"redirect": "/"}, {"cut": 10}, {"abort": 10}, {"no_end_mark": True}, {"sse": "cr"}),
        *({"malformed_event": True}, {"bad_base64": True}, {"error_event": "named"}),
        *({"delay_headers": 0.01}, {"delay_audio": 0.01}, {"delay_chunks": 0.001}),
        {"only_comments": True},
    ],
    ids=str,
)
def test_a_fault_that_happens_is_used(emulator: SpeechEmulator, fault: dict[str, Any]) -> None:
    emulator.fail_next(**fault)
    policy = RetryPolicy(attempts=1)
    timeouts = Timeouts(first_audio_s=1)
    with (
        SpeechClient("any", base_url=emulator.url, retry=policy, timeouts=timeouts) as client,
        contextlib.suppress(SpeechError),
    ):
        client.stream("Hello there.", voice="af_heart").read()
    assert emulator.unused_faults == []
    (request,) = emulator.requests
    assert request.fault == str(Fault(**fault))


LONG = "We were away a year ago and nobody knew where we were going. " * 95


def test_a_stream_that_was_left_is_settled_and_counted(emulator: SpeechEmulator) -> None:
    with SpeechClient("any", base_url=emulator.url) as client:
        for _ in range(20):
            with client.stream(LONG, voice="af_heart") as stream:
                next(iter(stream))
                assert emulator.requests[-1].state == "open"
                assert emulator.characters == {KOKORO: len(LONG)}
            (request,) = emulator.requests
            assert request.state == "broken"
            emulator.reset()


def test_a_request_is_printed_with_what_there_is_to_say(emulator: SpeechEmulator) -> None:
    emulator.fail_next(status=503)
    headers = {"Authorization": "Bearer any"}
    httpx.get(emulator.url + "/voices", params={"model": "x"}, headers=headers)
    assert repr(emulator.requests) == (
        "[Record(number=1, method='GET', path='/v1/voices', query={'model': 'x'}, "
        "fault='status=503', status=503, state='complete')]"
    )


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
