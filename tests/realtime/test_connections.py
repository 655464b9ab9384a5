"""Connections of realtime sessions: how they begin, what becomes of their turns when they end."""

import base64
import json
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from websockets.frames import Frame, Opcode
from websockets.utils import accept_key

import facade._transport.websocket as websocket
from facade import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AuthenticationError,
    InternalServerError,
    InvalidRequestError,
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
from facade._extras import needs
from tests.conftest import KEY
from tests.faults.server import FaultServer, answer
from tests.faults.server import Peer as PlainPeer
from tests.realtime.conftest import Converse, contexts
from tests.realtime.server import (
    APPEND,
    AUDIO,
    CANCEL,
    RECEIVED,
    SECOND,
    WAIT_S,
    Peer,
    RealtimeServer,
    Refusals,
    good,
    spoken,
)

ONCE = RetryPolicy(attempts=1)
RESEND = RetryPolicy(resend_after_timeout=True)


def entering(session: Any) -> Any:
    """What enters a session's block."""
    return getattr(session, "__enter__", getattr(session, "__aenter__", None))


def begin(converse: Converse, url: str, **settings: Any) -> None:
    """Begin a session, and end it."""
    with converse(url, **settings):
        pass


def quick(**limits: float) -> Timeouts:
    return Timeouts(**{"connect_s": 10, "first_audio_s": 10, "read_s": 10, "total_s": 20, **limits})


# --- the handshake -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, AuthenticationError),
        (402, PaymentRequiredError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (429, RateLimitError),
        (500, InternalServerError),
        (503, InternalServerError),
    ],
)
def test_a_refused_handshake_is_told_in_the_words_of_the_service(
    converse: Converse, status: int, kind: type[APIError]
) -> None:
    refusal = (status, f'{{"error": {{"message": "no, since {KEY}"}}}}', {"x-request-id": "r-1"})
    with (
        RealtimeServer(refusals=(refusal,) * 3) as server,
        pytest.raises(kind, match=r"no, since \[secret\]") as caught,
    ):
        begin(converse, server.url, retry=ONCE)
    assert caught.value.request_id == "r-1"


def test_a_handshake_is_tried_again(converse: Converse) -> None:
    refusals: Refusals = ((503, "busy", {}), (429, "later", {"Retry-After": "0"}))
    with RealtimeServer(refusals=refusals) as server, converse(server.url) as talk:
        assert talk.speak("Hello.").hear_all() == spoken("Hello.")
    assert len(server.requests) == 3


def test_an_answer_that_begins_no_websocket(converse: Converse) -> None:
    with (
        FaultServer(answer(200, b"hello")) as server,
        pytest.raises(APIConnectionError, match="200 and begins no WebSocket"),
    ):
        begin(converse, server.url, retry=ONCE)


def test_an_answer_that_agrees_to_something_else(converse: Converse) -> None:
    def agree(peer: PlainPeer) -> None:
        peer.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"
        )

    with (
        FaultServer(agree) as server,
        pytest.raises(APIConnectionError, match="101 and begins no WebSocket"),
    ):
        begin(converse, server.url, retry=ONCE)


def test_what_comes_with_the_handshake_is_not_lost(converse: Converse) -> None:
    """A service may greet in the same packet."""
    greeting = json.dumps({"type": "session.created"}).encode()

    def agree(peer: PlainPeer) -> None:
        key = peer.last_request.headers["sec-websocket-key"]
        head = (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept_key(key)}\r\n\r\n"
        )
        peer.send(head.encode() + bytes([0x81, len(greeting)]) + greeting)
        peer.wait_for_close()

    with FaultServer(agree) as server:
        begin(converse, server.url)


def test_a_service_that_never_answers_a_handshake(converse: Converse) -> None:
    """Nothing was spoken, so it may be tried again."""
    with (
        FaultServer(PlainPeer.wait_for_close) as server,
        pytest.raises(APITimeoutError, match=r"no answer from .* within connect_s=0\.3") as caught,
    ):
        begin(converse, server.url, retry=ONCE, timeouts=quick(connect_s=0.3))
    assert not caught.value.request_sent


def test_nobody_listens(converse: Converse) -> None:
    with pytest.raises(APIConnectionError, match=r"could not connect to 127\.0\.0\.1:1") as caught:
        begin(converse, "http://127.0.0.1:1/v1", retry=ONCE)
    assert not caught.value.request_sent


def test_a_service_that_does_not_greet(converse: Converse) -> None:
    with (
        RealtimeServer(Peer.stay) as server,
        pytest.raises(APITimeoutError, match=r"'session\.created' within connect_s=0\.3"),
    ):
        begin(converse, server.url, retry=ONCE, timeouts=quick(connect_s=0.3))


def test_an_error_in_place_of_the_greeting(converse: Converse) -> None:
    def refuse(peer: Peer) -> None:
        peer.say("error", error={"message": "no such model", "code": "model_not_available"})
        peer.connection.close(1008, "no")

    with RealtimeServer(refuse) as server, pytest.raises(APIError, match="no such model") as caught:
        begin(converse, server.url)
    assert caught.value.code == "model_not_available"
    assert len(server.peers) == 1


def test_an_end_in_place_of_the_greeting_is_tried_again(converse: Converse) -> None:
    def go(peer: Peer) -> None:
        peer.connection.close(1013, "busy")

    with RealtimeServer(go, good) as server, converse(server.url) as talk:
        assert talk.speak("Hello.").hear_all() == spoken("Hello.")
    with RealtimeServer(go) as server:
        with pytest.raises(APIConnectionError, match=r"1013 \(try again later, busy\)"):
            begin(converse, server.url)
        assert len(server.peers) == 3


def test_tls(converse: Converse, server_tls: ssl.SSLContext, trust: ssl.SSLContext) -> None:
    with RealtimeServer(tls=server_tls) as server:
        with converse(server.url, httpx_args={"verify": trust}) as talk:
            text = "word " * 400
            assert talk.speak(text).hear_all() == spoken(text)
            assert talk.speak("Again.").hear_all() == spoken("Again.")
        with pytest.raises(APIConnectionError, match=r"TLS with 127\.0\.0\.1"):
            begin(converse, server.url, retry=ONCE)


def test_a_client_of_http2_speaks_http1_here(
    converse: Converse, server_tls: ssl.SSLContext, trust: ssl.SSLContext
) -> None:
    settings = {"verify": trust, "http2": True}
    with (
        RealtimeServer(tls=server_tls) as server,
        converse(server.url, httpx_args=settings) as talk,
        talk.another() as other,
    ):
        assert talk.speak("Hello.").hear_all() == spoken("Hello.")
        assert other.speak("Hello.").hear_all() == spoken("Hello.")
    assert len(server.peers) == 2


def test_a_transport_of_the_application_carries_no_session(converse: Converse, loop: str) -> None:
    import httpx

    transport: Any = httpx.HTTPTransport() if loop == "sync" else httpx.AsyncHTTPTransport()
    with pytest.raises(InvalidRequestError, match="transport of its own") as caught:
        begin(converse, "http://127.0.0.1:1/v1", httpx_args={"transport": transport})
    assert caught.value.param == "httpx_args"


# --- a connection that is lost -------------------------------------------------------------------


def lose_by_code(code: int) -> Callable[[Peer], None]:
    return lambda peer: peer.connection.close(code, "so it is")


LOSSES = {
    "1000": (lose_by_code(1000), r"1000 \(normal closure, so it is\)"),
    "1001": (lose_by_code(1001), r"1001 \(going away, so it is\)"),
    "1008": (lose_by_code(1008), "1008"),
    "1011": (lose_by_code(1011), "1011"),
    "1013": (lose_by_code(1013), "1013"),
    "4503": (lose_by_code(4503), r"4503 \(no healthy workers, so it is\)"),
    "cut": (Peer.cut, r"1006 \(no close frame came\)"),
}
losses = pytest.mark.parametrize("loss", LOSSES)


@losses
def test_a_turn_that_was_being_spoken_says_what_was_heard(converse: Converse, loss: str) -> None:
    end, said = LOSSES[loss]

    def script(peer: Peer) -> None:
        peer.greet()
        context, _ = peer.text()
        peer.audio(context, bytes(SECOND))
        assert listening.wait(WAIT_S)
        end(peer)

    listening = threading.Event()
    with RealtimeServer(script, good) as server, converse(server.url, retry=RESEND) as talk:
        turn = talk.speak("Hello there, how are you?")
        with turn.block():
            assert turn.hear() == bytes(SECOND)
            listening.set()
            with pytest.raises(StreamInterruptedError, match=said) as caught:
                turn.hear()
        assert caught.value.bytes_received == SECOND
        assert turn.heard().by == "share"
        assert turn.heard().heard
        # The session goes on.
        assert talk.speak("Next.").hear_all() == spoken("Next.")
    assert len(server.peers) == 2


@losses
def test_a_turn_that_may_be_billed_is_not_spoken_again_unasked(
    converse: Converse, loss: str
) -> None:
    def script(peer: Peer) -> None:
        peer.greet()
        context, text = peer.text()
        peer.say(RECEIVED, text=text, context_id=context)
        LOSSES[loss][0](peer)

    with RealtimeServer(script, good) as server, converse(server.url) as talk:
        turn = talk.speak("Hello.")
        with pytest.raises(StreamInterruptedError) as caught:
            turn.hear_all()
        assert caught.value.bytes_received == 0
    with RealtimeServer(script, good) as server, converse(server.url, retry=RESEND) as talk:
        assert talk.speak("Hello.").hear_all() == spoken("Hello.")


def test_it_is_not_spoken_again_for_ever(converse: Converse) -> None:
    def script(peer: Peer) -> None:
        peer.greet()
        peer.text()
        peer.cut()

    with (
        RealtimeServer(script) as server,
        converse(server.url, retry=RESEND) as talk,
        pytest.raises(StreamInterruptedError),
    ):
        talk.speak("Hello.").hear_all()
    assert len([peer for peer in server.peers if peer.events]) == 3


def test_a_turn_without_text_yet_goes_on_elsewhere(converse: Converse) -> None:
    begun, lost = threading.Event(), threading.Event()

    def tokens() -> Iterator[str]:
        begun.set()
        assert lost.wait(WAIT_S)
        yield "Hello there."

    def script(peer: Peer) -> None:
        peer.greet()
        assert begun.wait(WAIT_S)
        peer.cut()
        lost.set()

    with RealtimeServer(script, good) as server, converse(server.url, retry=ONCE) as talk:
        assert talk.speak(tokens()).hear_all() == spoken("Hello there.")
    assert len(server.peers) == 2


def test_other_turns_go_on_elsewhere_or_fail_alike(converse: Converse) -> None:
    def script(peer: Peer) -> None:
        peer.greet()
        first, second = peer.text()[0], peer.text()[0]
        peer.audio(first, bytes(SECOND))
        peer.audio(second, bytes(SECOND))
        peer.cut()

    with RealtimeServer(script, good) as server, converse(server.url) as talk:
        turns = [talk.speak("One."), talk.speak("Two.")]
        silent = talk.speak()
        with turns[0].block(), turns[1].block(), silent.block():
            for turn in turns:
                assert turn.hear() == bytes(SECOND)
                with pytest.raises(StreamInterruptedError):
                    turn.hear()
            silent.append("Three.")
            silent.commit()
            assert b"".join(iter(silent.hear, None)) == spoken("Three.")


@losses
def test_an_idle_session_is_replaced_before_it_is_needed(converse: Converse, loss: str) -> None:
    spoke = threading.Event()

    def script(peer: Peer) -> None:
        peer.greet()
        peer.speak(*peer.text())
        assert spoke.wait(WAIT_S)
        LOSSES[loss][0](peer)

    def later(peer: Peer) -> None:
        replaced.set()
        good(peer)

    replaced = threading.Event()
    with RealtimeServer(script, later) as server, converse(server.url, retry=ONCE) as talk:
        assert talk.speak("First.").hear_all() == spoken("First.")
        spoke.set()
        assert replaced.wait(WAIT_S)
        assert talk.speak("Second.").hear_all() == spoken("Second.")
    assert len(server.peers) == 2


def test_a_turn_that_meets_the_end_of_an_idle_connection_does_not_notice(
    converse: Converse,
) -> None:
    """The service closes it just as the text sets out, and says nothing else."""

    def script(peer: Peer) -> None:
        peer.greet()
        peer.expect(APPEND)
        peer.connection.close(1001)

    with RealtimeServer(script, good) as server, converse(server.url, retry=ONCE) as talk:
        assert talk.speak("Hello.").hear_all() == spoken("Hello.")
    assert len(server.peers) == 2


@pytest.mark.parametrize("code", [1008, 1011])
def test_a_text_that_is_refused_by_closing_is_not_sent_again(converse: Converse, code: int) -> None:
    def script(peer: Peer) -> None:
        peer.greet()
        peer.text()
        peer.connection.close(code, "not this text")

    with (
        RealtimeServer(script) as server,
        converse(server.url, retry=ONCE) as talk,
        pytest.raises(StreamInterruptedError, match="not this text"),
    ):
        talk.speak("Hello.").hear_all()
    assert [event["type"] for peer in server.peers for event in peer.events].count(APPEND) == 1


def test_a_session_is_closed_while_a_handshake_is_not_answered(converse: Converse) -> None:
    """A turn that waits for it does not wait on."""

    def script(peer: Peer) -> None:
        peer.greet()
        peer.speak(*peer.text())
        assert gone.wait(WAIT_S)
        peer.cut()

    def speak() -> None:
        with pytest.raises(SpeechError, match="the session was closed"):
            talk.speak("Second.").hear_all()
        ended.set()

    gone, ended = threading.Event(), threading.Event()
    limits = quick(connect_s=60, read_s=60, total_s=60)
    with RealtimeServer(script) as server, converse(server.url, timeouts=limits) as talk:
        talk.speak("First.").hear_all()
        server.gate.clear()
        gone.set()
        thread = threading.Thread(target=speak)
        thread.start()
        while len(server.requests) < 2:
            time.sleep(0.01)
        # The turn waits for the handshake by now.
        time.sleep(0.3)
        talk.close_session()
        thread.join(WAIT_S)
        server.gate.set()
        assert ended.is_set()


def test_a_service_that_stays_away(converse: Converse) -> None:
    lost = threading.Event()

    def script(peer: Peer) -> None:
        peer.greet()
        peer.speak(*peer.text())
        server.refusals.extend([(503, "down", {})] * 9)
        peer.cut()
        lost.set()

    with RealtimeServer(script, good) as server, converse(server.url, retry=ONCE) as talk:
        talk.speak("First.").hear_all()
        assert lost.wait(WAIT_S)
        with pytest.raises(InternalServerError, match="down"):
            talk.speak("Second.").hear_all()
        server.refusals.clear()
        assert talk.speak("Third.").hear_all() == spoken("Third.")


def test_a_service_that_answers_no_ping(
    converse: Converse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "PING_S", 0.2)
    monkeypatch.setattr(websocket, "PONG_S", 0.2)
    over = threading.Event()

    def stalled(peer: Peer) -> None:
        peer.greet()
        context, text = peer.text()
        peer.say(RECEIVED, text=text, context_id=context)
        # What reads for this server, and answers pings, stands still.
        with peer.connection.protocol_mutex:
            over.wait(WAIT_S)

    with RealtimeServer(stalled, good) as server, converse(server.url, retry=ONCE) as talk:
        try:
            with pytest.raises(StreamInterruptedError, match="no longer answers a ping"):
                talk.speak("Hello.").hear_all()
            assert talk.speak("Next.").hear_all() == spoken("Next.")
        finally:
            over.set()


def test_a_quiet_service_is_alive(converse: Converse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "PING_S", 0.05)
    quiet = threading.Event()

    def script(peer: Peer) -> None:
        peer.greet()
        asked = peer.text()
        quiet.wait(0.5)
        peer.speak(*asked)
        peer.serve()

    with RealtimeServer(script) as server, converse(server.url) as talk:
        assert talk.speak("Hello.").hear_all() == spoken("Hello.")
    assert len(server.peers) == 1


def test_a_connection_that_was_not_heard_for_long_is_not_trusted(
    converse: Converse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after the machine has slept."""
    with RealtimeServer() as server, converse(server.url) as talk:
        talk.speak("First.").hear_all()
        old = talk.session._connections._all[0].websocket
        monkeypatch.setattr(websocket.WebSocket, "is_fresh", lambda self, now: self is not old)
        assert talk.speak("Second.").hear_all() == spoken("Second.")
    assert len(server.peers) == 2


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"first_audio_s": 0.3}, "the first audio did not come within first_audio_s=0.3 s"),
        ({"total_s": 0.3}, "the first audio did not come within total_s=0.3 s"),
    ],
)
def test_audio_that_does_not_come(converse: Converse, limits: dict[str, float], said: str) -> None:
    def script(peer: Peer) -> None:
        peer.greet()
        context, text = peer.text()
        peer.say(RECEIVED, text=text, context_id=context)
        peer.expect(CANCEL)
        peer.serve()

    with RealtimeServer(script) as server, converse(server.url, timeouts=quick(**limits)) as talk:
        with pytest.raises(APITimeoutError, match=said):
            talk.speak("Hello.").hear_all()
        assert talk.speak("Next.").hear_all() == spoken("Next.")


def test_a_message_that_is_too_large(converse: Converse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "MAX_EVENT_BYTES", 100_000)

    def script(peer: Peer) -> None:
        peer.greet()
        peer.text()
        peer.connection.send("x" * 100_001)
        peer.stay()

    with RealtimeServer(script, good) as server, converse(server.url) as talk:
        with pytest.raises(MalformedStreamError, match="cannot be read"):
            talk.speak("Hello.").hear_all()
        assert talk.speak("Next.").hear_all() == spoken("Next.")


def test_a_message_in_pieces(converse: Converse) -> None:
    def script(peer: Peer) -> None:
        peer.greet()
        context, text = peer.text()
        peer.connection.send(iter([b'{"type":"note",', b'"text":"', b'all is well"}']))
        peer.speak(context, text)
        peer.stay()

    with RealtimeServer(script) as server, converse(server.url) as talk:
        assert talk.speak("Hello.").hear_all() == spoken("Hello.")


def test_a_connection_that_names_no_context_takes_a_turn_at_a_time(converse: Converse) -> None:
    """The second one gets a connection of its own."""

    def script(peer: Peer) -> None:
        peer.greet()
        while True:
            _, text = peer.text()
            sound = spoken(text)
            peer.audio(None, sound[:4800], f"item-{text}")
            assert go_on.wait(WAIT_S)
            peer.audio(None, sound[4800:], f"item-{text}")
            peer.say(RECEIVED, text=text)
            peer.say("conversation.item.audio_output.done", item_id=f"item-{text}")

    go_on = threading.Event()
    with RealtimeServer(script) as server, converse(server.url) as talk:
        first, second = talk.speak("One of two."), talk.speak("Two of two.")
        with first.block():
            heard = [first.hear()]
            with second.block():
                other = [second.hear()]
                go_on.set()
                heard += iter(first.hear, None)
                other += iter(second.hear, None)
        assert b"".join(filter(None, heard)) == spoken("One of two.")
        assert b"".join(filter(None, other)) == spoken("Two of two.")
    assert len(server.peers) == 2


def test_a_turn_that_was_moved_fails_where_no_connection_can_be_made(converse: Converse) -> None:
    begun = threading.Event()

    def script(peer: Peer) -> None:
        peer.greet()
        assert begun.wait(WAIT_S)
        server.refusals.append((401, "no more", {}))
        peer.cut()

    with RealtimeServer(script, good) as server, converse(server.url, retry=ONCE) as talk:
        turn = talk.speak()
        with turn.block():
            begun.set()
            with pytest.raises(AuthenticationError, match="no more"):
                turn.hear()
            # It is over, and more of its text means nothing.
            turn.append("Hello.")
            turn.commit()
        assert talk.speak("Next.").hear_all() == spoken("Next.")


def test_a_service_that_takes_nothing(converse: Converse) -> None:
    """The text waits, and does not fill the memory; then the connection is given up."""
    over = threading.Event()
    given = []

    def tokens() -> Iterator[str]:
        while True:
            given.append(1)
            yield "word " * 2000

    def stalled(peer: Peer) -> None:
        peer.greet()
        context = peer.expect(APPEND)["context_id"]
        peer.say(RECEIVED, context_id=context)
        with peer.connection.protocol_mutex:
            over.wait(WAIT_S)

    limits = quick(read_s=0.2)
    with RealtimeServer(stalled) as server, converse(server.url, timeouts=limits) as talk:
        try:
            with pytest.raises(StreamInterruptedError, match="it takes nothing that is sent"):
                talk.speak(tokens()).hear_all()
        finally:
            over.set()
    # What the sockets of both sides hold, and 64 messages.
    assert len(given) < 3000


def test_no_room_for_long(converse: Converse) -> None:
    def script(peer: Peer) -> None:
        peer.greet()
        peer.stay()

    limits = quick(total_s=0.4)
    with RealtimeServer(script) as server, converse(server.url, timeouts=limits) as talk:
        turns = [talk.speak() for _ in range(100)]
        with (
            contexts(turns),
            pytest.raises(APITimeoutError, match=r"100 turns are being spoken.*total_s=0\.4"),
        ):
            talk.speak("One more.").hear_all()


# --- a slow listener -----------------------------------------------------------------------------


def test_a_slow_listener_bounds_memory_and_others_go_on(
    converse: Converse, loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = f"facade._{'sync' if loop == 'sync' else 'async'}.connections"
    monkeypatch.setattr(sys.modules[module], "MAX_WAITING_BYTES", 4 * SECOND)
    sent = []

    def script(peer: Peer) -> None:
        peer.greet()
        slow, quick = peer.text()[0], peer.text()[0]
        for _ in range(3):
            peer.audio(slow, bytes(SECOND), "slow")
        for _ in range(3):
            peer.audio(quick, bytes(SECOND), "quick")
        for number in range(200):
            peer.audio(slow, bytes(SECOND), "slow")
            sent.append(number)
        peer.speak(slow, "Slow.", bytes(2), "slow")
        peer.speak(quick, "Quick.", bytes(2), "quick")
        peer.stay()

    with RealtimeServer(script) as server, converse(server.url) as talk:
        slow, quick = talk.speak("Slow."), talk.speak("Quick.")
        with slow.block(), quick.block():
            for _ in range(3):
                assert quick.hear() == bytes(SECOND)
            connection = talk.session._connections._all[0]
            while not connection.is_paused:
                slow.speech.duration_s  # noqa: B018
            assert connection.waiting_bytes < 8 * SECOND
            assert len(b"".join(iter(slow.hear, None))) == 203 * SECOND + 2
            assert b"".join(iter(quick.hear, None)) == bytes(2)
            assert len(sent) == 200


@pytest.fixture
def _little_room(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a session receive no more where a second of audio waits to be taken."""
    module = f"facade._{'sync' if loop == 'sync' else 'async'}.connections"
    monkeypatch.setattr(sys.modules[module], "MAX_WAITING_BYTES", SECOND)


@pytest.mark.usefixtures("_little_room")
def test_who_waits_for_what_another_keeps_away_is_told(converse: Converse) -> None:
    def script(peer: Peer) -> None:
        peer.greet()
        slow, quick = peer.text()[0], peer.text()[0]
        for _ in range(3):
            peer.audio(slow, bytes(SECOND), "slow")
        peer.speak(quick, "Quick.")
        peer.stay()

    limits = quick(read_s=0.3)
    with RealtimeServer(script) as server, converse(server.url, timeouts=limits) as talk:
        slow, other = talk.speak("Slow."), talk.speak("Quick.")
        with (
            slow.block(),
            other.block(),
            pytest.raises(SpeechError, match="other turns of this session wait"),
        ):
            other.hear()


@pytest.mark.usefixtures("_little_room")
def test_a_dropped_turn_makes_room_for_the_others(converse: Converse) -> None:
    def script(peer: Peer) -> None:
        peer.greet()
        dropped, kept = peer.text()[0], peer.text()[0]
        for _ in range(3):
            peer.audio(dropped, bytes(SECOND), "dropped")
        peer.speak(kept, "Kept.")
        peer.stay()

    with RealtimeServer(script) as server, converse(server.url) as talk:
        dropped, kept = talk.speak("Dropped."), talk.speak("Kept.")
        with dropped.block(), kept.block():
            connection = talk.session._connections._all[0]
            while not connection.is_paused:
                dropped.speech.duration_s  # noqa: B018
            # As its end does, where nobody holds it any more.
            talk.session._connections.lost.append(dropped.speech._turn)
            assert b"".join(iter(kept.hear, None)) == spoken("Kept.")


def test_audio_that_comes_slowly_in_one_event_is_whole(converse: Converse) -> None:
    """As long as it comes, nobody takes the silence for the end."""
    frame = Frame(
        Opcode.TEXT,
        json.dumps(
            {
                "type": AUDIO,
                "context_id": "context-1",
                "item_id": "item",
                "delta": base64.b64encode(bytes(SECOND)).decode(),
            }
        ).encode(),
    ).serialize(mask=False)

    def script(peer: Peer) -> None:
        peer.greet()
        context, _ = peer.text()
        peer.audio(context, bytes(SECOND), "item")
        size = len(frame) // 8 + 1
        for start in range(0, len(frame), size):
            peer.connection.socket.sendall(frame[start : start + size])
            time.sleep(0.25)
        peer.stay()

    limits = quick(read_s=1)
    with RealtimeServer(script) as server, converse(server.url, timeouts=limits) as talk:
        assert talk.speak("Slow.").hear_all() == bytes(2 * SECOND)


STOPPED = """
import sys
import anyio
from facade import AsyncSpeechClient, SpeechClient, Timeouts

kind, url = sys.argv[1:]
settings = {"base_url": url, "timeouts": Timeouts(read_s=1)}

def speak():
    with SpeechClient("key", **settings) as client, client.realtime(voice="af_heart") as session:
        with session.speak("Long.") as long, session.speak("Short.") as short:
            print(len(next(long)) + len(next(short)), flush=True)
            print(sum(map(len, short)), flush=True)
            print(sum(map(len, long)), flush=True)

async def speak_async():
    client = AsyncSpeechClient("key", **settings)
    async with client, client.realtime(voice="af_heart") as session:
        async with session.speak("Long.") as long, session.speak("Short.") as short:
            print(len(await anext(long)) + len(await anext(short)), flush=True)
            print(sum([len(piece) async for piece in short]), flush=True)
            print(sum([len(piece) async for piece in long]), flush=True)

speak() if kind == "sync" else anyio.run(speak_async, backend=kind)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGSTOP")
def test_what_came_while_the_process_stood_still_is_not_late(loop: str) -> None:
    """As where a laptop sleeps, or an event loop is held up."""

    def script(peer: Peer) -> None:
        peer.greet()
        long, short = peer.text()[0], peer.text()[0]
        for context in (long, short):
            peer.audio(context, bytes(SECOND), context)
        assert stopped.wait(WAIT_S)
        for _ in range(60):
            peer.audio(long, bytes(SECOND), long)
        peer.audio(short, bytes(SECOND), short)
        peer.stay()

    stopped = threading.Event()
    with RealtimeServer(script) as server:
        command = [sys.executable, "-c", STOPPED, loop, server.url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == f"{2 * SECOND}\n"
            child.send_signal(signal.SIGSTOP)
            stopped.set()
            # Longer than `read_s`.
            time.sleep(2)
            child.send_signal(signal.SIGCONT)
            assert child.stdout.read() == f"{SECOND}\n{60 * SECOND}\n"


# --- the end of a session ------------------------------------------------------------------------


def test_a_session_says_goodbye(converse: Converse) -> None:
    with RealtimeServer() as server:
        with converse(server.url) as talk:
            talk.speak("Hello.").hear_all()
        assert server.peer.close_code() == 1001
        with pytest.raises(SpeechError, match="session is closed"):
            talk.speak("Hello.")
        assert "closed" in repr(talk.session)


def test_a_session_that_ends_while_it_connects_anew(converse: Converse) -> None:
    begun = threading.Event()

    def silent(peer: Peer) -> None:
        begun.set()
        peer.stay()

    def script(peer: Peer) -> None:
        peer.greet()
        peer.speak(*peer.text())

    with RealtimeServer(script, silent) as server:
        with converse(server.url) as talk:
            talk.speak("Hello.").hear_all()
            assert begun.wait(WAIT_S)
        assert not any(thread.name.startswith("facade") for thread in threading.enumerate())
        assert server.peers[1].close_code() is not None


def test_a_turn_that_is_being_moved_ends_with_its_session(converse: Converse) -> None:
    begun, moved = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        peer.greet()
        assert begun.wait(WAIT_S)
        peer.cut()

    def silent(peer: Peer) -> None:
        moved.set()
        peer.stay()

    with RealtimeServer(script, silent) as server, converse(server.url) as talk:
        turn, other = talk.speak(), talk.speak()
        with turn.block(), other.block():
            begun.set()
            assert moved.wait(WAIT_S)
            other.interrupt()
            talk.close_session()
            assert other.speech.ending == "interrupted"
            with pytest.raises(SpeechError, match="was closed"):
                turn.hear()


def test_a_session_needs_websockets(
    converse: Converse, loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = "sync" if loop == "sync" else "async"
    monkeypatch.setattr(f"facade._{half}.client.find_spec", lambda name: None)
    with pytest.raises(ImportError) as raised:
        begin(converse, "http://127.0.0.1:1/v1")
    assert str(raised.value) == needs("realtime", "websockets", "realtime")


def test_a_session_found_elsewhere_is_left_alone(
    converse: Converse, loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a child of the process, or in another event loop."""
    half = "sync" if loop == "sync" else "async"
    with RealtimeServer() as server, converse(server.url) as talk:
        turn = talk.speak()
        with turn.block():
            with monkeypatch.context() as patch:
                patch.setattr(f"facade._{half}.connections.place", object)
                close = getattr(turn.speech, "close", getattr(turn.speech, "aclose", None))
                talk.run(close)
                with pytest.raises(SpeechError, match="another process, or event loop"):
                    talk.speak("Elsewhere.").hear_all()
            turn.append("Here.")
            turn.commit()
            assert b"".join(iter(turn.hear, None)) == spoken("Here.")


def test_closing_the_client_ends_its_turns(converse: Converse) -> None:
    def script(peer: Peer) -> None:
        peer.greet()
        context, _ = peer.text()
        peer.audio(context, bytes(SECOND))
        peer.stay()

    with RealtimeServer(script) as server, converse(server.url) as talk:
        turn, unopened = talk.speak("Hello there, you."), talk.speak("Hello.")
        with turn.block():
            assert turn.hear() == bytes(SECOND)
            talk.close_session()
            with pytest.raises(SpeechError, match="the session was closed"):
                turn.hear()
        with pytest.raises(SpeechError, match="the session was closed"):
            unopened.hear_all()


def test_a_session_is_entered_once(converse: Converse) -> None:
    with (
        RealtimeServer() as server,
        converse(server.url) as talk,
        pytest.raises(SpeechError, match="begun already"),
    ):
        talk.run(entering(talk.session))


def test_a_session_that_never_begins_can_be_closed(converse: Converse) -> None:
    with RealtimeServer() as server, converse(server.url) as talk:
        other = talk.client.realtime(voice="af_heart")
        talk.run(getattr(other, "close", getattr(other, "aclose", None)))
        with pytest.raises(SpeechError, match="session is closed"):
            other.speak("Hello.")
        with pytest.raises(SpeechError, match="the session was closed"):
            talk.run(entering(other))


def test_the_id_of_a_session(converse: Converse) -> None:
    """It is what the service's support asks for."""
    with RealtimeServer(greetings={"x-request-id": "r-9"}) as server, converse(server.url) as talk:
        turn = talk.speak("Hello.")
        assert turn.speech.request_id is None
        turn.hear_all()
        assert turn.speech.request_id == "r-9" == talk.session.request_id


def test_a_dropped_turn_is_ended(converse: Converse) -> None:
    def script(peer: Peer) -> None:
        peer.greet()
        context = peer.expect(APPEND)["context_id"]
        peer.audio(context, bytes(SECOND))
        assert dropped.wait(WAIT_S)
        peer.audio(context, bytes(SECOND))
        peer.expect(CANCEL)
        cancelled.set()
        peer.serve()

    dropped, cancelled = threading.Event(), threading.Event()
    with RealtimeServer(script) as server, converse(server.url) as talk:
        turn = talk.speak("Hello there.")
        assert turn.hear() == bytes(SECOND)
        holder = [turn]
        del turn
        with pytest.warns(ResourceWarning, match="unclosed <"):
            holder.clear()
        dropped.set()
        assert cancelled.wait(WAIT_S)
        assert talk.speak("Next.").hear_all() == spoken("Next.")
