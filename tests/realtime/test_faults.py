"""What can go wrong with a session, as the emulator does it, and what it must come to."""

import time
from collections.abc import Iterator

import pytest

from facade import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    InternalServerError,
    MalformedStreamError,
    NotFoundError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitError,
    RetryPolicy,
    SpeechError,
    StreamInterruptedError,
    Timeouts,
)
from tests.emulator.conftest import emulator_process
from tests.realtime.conftest import QUICK, Converse

ONCE = RetryPolicy(attempts=1)
SHORT = Timeouts(connect_s=10, first_audio_s=10, read_s=1, total_s=20)
TEXT = "The first sentence is here. The second one follows it."


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with emulator_process() as (url, _):
        yield url


def fault(what: str) -> dict[str, str]:
    return {"x-emulate-fault": what}


@pytest.fixture(scope="module")
def whole(url: str) -> bytes:
    """What the text is when nothing goes wrong."""
    from facade import SpeechClient

    with SpeechClient("any", base_url=url) as client, client.realtime(voice="af_heart") as session:
        return session.speak(TEXT).read().content


REFUSED: dict[str, type[SpeechError]] = {
    "status=401": AuthenticationError,
    "status=402": PaymentRequiredError,
    "status=403": PermissionDeniedError,
    "status=404": NotFoundError,
    "status=429": RateLimitError,
    "status=500": InternalServerError,
    "status=503": InternalServerError,
    "status=200": APIConnectionError,
    "redirect=http://127.0.0.1:1/": APIStatusError,
    "delay-headers=5": APITimeoutError,
    "error-event=typed; at=0": APIError,
    "close=1008; at=0": APIConnectionError,
    "close=1006; at=0": APIConnectionError,
    "silence; at=0": APITimeoutError,
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_session_that_does_not_begin(converse: Converse, url: str, what: str) -> None:
    timeouts = Timeouts(connect_s=0.5, read_s=0.5)
    with (
        pytest.raises(SpeechError) as caught,
        converse(url, retry=ONCE, timeouts=timeouts, headers=fault(what)),
    ):
        pass
    assert type(caught.value) is REFUSED[what], repr(caught.value)


FAILS: dict[str, type[SpeechError]] = {
    "error-event=failed": APIError,
    "error-event=typed": APIError,
    "error-event=nested": APIError,
    "error-event=object": APIError,
    "error-event=string": APIError,
    "error-event=named": APIError,
    "error-event=typed; unnamed": APIError,
    "malformed-event": MalformedStreamError,
    "bad-base64": MalformedStreamError,
    "frame=huge": MalformedStreamError,
    "frame=list": MalformedStreamError,
    "frame=no-audio": MalformedStreamError,
    "cut=20000": StreamInterruptedError,
    "abort=20000": StreamInterruptedError,
    "close=1000": StreamInterruptedError,
    "close=1001": StreamInterruptedError,
    "close=1006": StreamInterruptedError,
    "close=1008": StreamInterruptedError,
    "close=1011": StreamInterruptedError,
    "close=1013": StreamInterruptedError,
    "close=4503": StreamInterruptedError,
    "silence": APITimeoutError,
    "stall": APITimeoutError,
}


@pytest.mark.parametrize("what", FAILS)
def test_a_turn_that_fails_in_its_middle(
    converse: Converse, url: str, whole: bytes, what: str
) -> None:
    timeouts = SHORT if FAILS[what] is APITimeoutError else QUICK
    pieces: list[bytes] = []
    with converse(url, retry=ONCE, timeouts=timeouts, headers=fault(what)) as talk:
        turn = talk.speak(TEXT)
        with turn.block():
            with pytest.raises(SpeechError) as caught:
                pieces.extend(iter(turn.hear, None))
            assert turn.speech.ending == "failed"
            told = turn.heard()
    assert type(caught.value) is FAILS[what], repr(caught.value)
    heard = b"".join(pieces)
    assert heard
    assert whole.startswith(heard)
    assert getattr(caught.value, "bytes_received", len(heard)) == len(heard)
    assert told.heard + told.unheard == TEXT


HEALED = [
    "done=none",
    "done=early",
    "done=many",
    "no-ack=conversation.item.input_text.received",
    "no-ack=all",
    "frame=stray",
    "frame=unknown",
    "delay-audio=0.2",
    "delay-chunks=0.05",
]


@pytest.mark.parametrize("what", HEALED)
def test_no_audio_is_lost(converse: Converse, url: str, whole: bytes, what: str) -> None:
    with converse(url, headers=fault(what)) as talk:
        turn = talk.speak(TEXT)
        assert turn.hear_all() == whole
        assert turn.speech.ending == "words"
        assert turn.heard().unheard == ""


@pytest.mark.parametrize("what", ["done=none", "done=early", "done=many"])
def test_without_word_timings_too(converse: Converse, url: str, whole: bytes, what: str) -> None:
    with converse(url, headers=fault(what), alignment="none") as talk:
        turn = talk.speak(TEXT)
        assert turn.hear_all() == whole
        assert turn.speech.ending in ("done", "quiet")
        assert turn.heard(1.0).by == "share"


def test_odd_pieces(converse: Converse, url: str, whole: bytes) -> None:
    with converse(url, headers={"x-emulate-pieces": "odd"}) as talk:
        assert talk.speak(TEXT).hear_all() == whole


@pytest.mark.parametrize("what", ["out-of-order", "late-audio=0.3", "no-ack=context.cancelled"])
def test_what_was_cancelled_reaches_nobody(
    converse: Converse, url: str, whole: bytes, what: str
) -> None:
    with converse(url, headers=fault(what)) as talk:
        for _ in range(5):
            turn = talk.speak("Somebody else says something quite different here, at length.")
            with turn.block():
                turn.hear()
                turn.interrupt()
            assert talk.speak(TEXT).hear_all() == whole


@pytest.mark.parametrize("what", ["close=1001; idle=0.2", "stall; idle=0.2"])
def test_a_session_that_has_idled(
    converse: Converse, url: str, whole: bytes, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facade._transport.websocket.PING_S", 0.1)
    monkeypatch.setattr("facade._transport.websocket.PONG_S", 0.2)
    with converse(url, retry=ONCE, headers=fault(what)) as talk:
        assert talk.speak(TEXT).hear_all() == whole
        time.sleep(0.5)
        assert talk.speak(TEXT).hear_all() == whole
