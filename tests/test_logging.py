"""What the logger `facade` says, and what it never says."""

import logging
import re

import pytest

from facade import (
    APIConnectionError,
    APIError,
    BadRequestError,
    InternalServerError,
    RetryPolicy,
    SpeechError,
)
from tests.conftest import KEY, Connect
from tests.faults.server import SPEECH, FaultServer, Peer, Step, answer, then
from tests.key_search import failure

TEXT = "The quick brown fox."


@pytest.fixture(autouse=True)
def debug(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "facade")


def lines(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    """What was said at a level, with the times cut out."""
    return [
        re.sub(r"[0-9]+\.[0-9]+ s", "… s", record.getMessage())
        for record in caplog.records
        if record.name == "facade" and record.levelno == level
    ]


@pytest.mark.parametrize(
    ("step", "expected", "line"),
    [
        (answer(200, SPEECH, {"x-request-id": "r1"}), None, f"200, request id r1, {len(SPEECH)}"),
        (answer(200, SPEECH), None, f"200, request id None, {len(SPEECH)}"),
        (answer(400, b"no", {"x-request-id": "r2"}), BadRequestError, "400, request id r2, 2"),
        (answer(200, b'{"error": "no"}'), APIError, "200, request id None, 15"),
        (
            then(answer(200, b"R", length=9), Peer.close),
            APIConnectionError,
            "200, request id None, 1",
        ),
        (Peer.close, APIConnectionError, "None, request id None, 0"),
    ],
)
def test_each_request_has_one_line_at_debug(
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    step: Step,
    expected: type[SpeechError] | None,
    line: str,
) -> None:
    with FaultServer(step) as server:
        speaker = connect(server.url)
        if expected is None:
            speaker.synthesize(TEXT)
        else:
            failure(speaker, expected, TEXT)
    assert lines(caplog, logging.DEBUG) == [f"POST /v1/audio/speech: status {line} bytes, … s"]
    assert lines(caplog, logging.INFO) == []


@pytest.mark.usefixtures("no_waits")
def test_each_retry_has_one_line_at_info(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    # The service's words may repeat the text, so the log does without them.
    refusal = answer(503, f"cannot say {TEXT}".encode(), {"x-request-id": "r1"})
    retry = RetryPolicy(resend_after_timeout=True)
    with FaultServer(Peer.reset, refusal, answer(200, SPEECH)) as server:
        connect(server.url, retry=retry).synthesize(TEXT)
        port = server.port
    first, second = lines(caplog, logging.INFO)
    assert first.startswith(
        f"attempt 2 of 3 after waiting … s: the exchange with 127.0.0.1:{port} failed: "
    )
    assert second == "attempt 3 of 3 after waiting … s: HTTP 503, request id r1"
    assert len(lines(caplog, logging.DEBUG)) == 3


@pytest.mark.usefixtures("no_waits")
def test_text_is_never_logged(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with FaultServer(answer(503, f"cannot say {TEXT}".encode())) as server:
        failure(connect(server.url), InternalServerError, TEXT)
        connect(server.url)
    told = "\n".join(str(vars(record)) for record in caplog.records)
    assert TEXT not in told
    assert KEY not in told


def test_look_up_that_fails_is_told(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    with FaultServer(answer(404, b"no list"), answer(200, SPEECH)) as server:
        connect(server.url).synthesize(model="cartesia/sonic", voice="somebody")
    assert lines(caplog, logging.INFO) == [
        "the voices of cartesia/sonic cannot be checked: HTTP 404: no list"
    ]
    assert [line.partition(":")[0] for line in lines(caplog, logging.DEBUG)] == [
        "GET /v1/voices",
        "POST /v1/audio/speech",
    ]


@pytest.mark.parametrize("switch", ["off", "at once"])
def test_retries_may_be_switched_off_or_spared_their_waits_in_tests(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, switch: str
) -> None:
    """Also for a client that is built already."""
    busy = answer(503, headers={"Retry-After": "30"})
    with FaultServer(busy, answer(200, SPEECH)) as server:
        speaker = connect(server.url)
        monkeypatch.setenv("TOGETHER_SPEECH_RETRIES", switch)
        if switch == "off":
            failure(speaker, InternalServerError)
        else:
            assert speaker.synthesize().content == SPEECH
        assert len(server.requests) == (1 if switch == "off" else 2)


def test_nobody_else_speaks_of_retries(
    connect: Connect, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with FaultServer(answer(503, headers={"Retry-After": "0"}), answer(200, SPEECH)) as server:
        connect(server.url).synthesize(TEXT)
    assert {record.name.partition(".")[0] for record in caplog.records} <= {
        "facade",
        "httpcore",
        "asyncio",
    }
    assert capfd.readouterr() == ("", "")
