"""Faults on demand in a realtime session, as a client meets them."""

import base64
import json
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.emulator.talking import (
    CANCELLED,
    CREATED,
    DELTA,
    DONE,
    FAILED,
    PATH,
    RECEIVED,
    UPDATED,
    WORDS,
    Talk,
    audio_of,
    is_a,
    of,
    talk,
)
from together_emulator.fault import ERROR_BODIES, FRAME_FAULTS, SESSION_ERRORS, Fault

TEXT = "We were away a year ago."


def handshake(url: str, fault: str) -> httpx.Response:
    """The answer to a handshake that is refused, by a client that follows nothing."""
    headers = {
        "Authorization": "Bearer any",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
        "X-Emulate-Fault": fault,
    }
    return httpx.get(url + PATH, headers=headers, timeout=20)


def begin(session: Talk) -> None:
    assert session.next()["type"] == CREATED


def until_closed(session: Talk) -> ConnectionClosed:
    """How the session is closed, after whatever still comes.

    Nothing more can be sent to it: it may be closed already.
    """
    with pytest.raises(ConnectionClosed) as caught:
        session.until_nothing()
    return caught.value


def until_silent(session: Talk) -> None:
    """Take what still comes, until nothing does."""
    with pytest.raises(TimeoutError):
        session.until_nothing(timeout=0.5)


def spoken(url: str, text: str = TEXT) -> bytes:
    """The speech of a session in which nothing goes wrong."""
    with talk(url) as session:
        begin(session)
        session.say(text)
        return audio_of(session.until_done())


@pytest.mark.parametrize(
    "status", [200, 204, 205, 304, 400, 401, 402, 403, 404, 429, 500, 503, 504, 529]
)
def test_a_handshake_may_be_refused_with_any_status(emulator_url: str, status: int) -> None:
    has_words = status not in (204, 205, 304, 529)
    fault = f"status={status}" + ("; message=too warm" if has_words else "")
    response = handshake(emulator_url, fault)
    assert response.status_code == status
    assert response.headers["x-request-id"]
    if has_words:
        assert response.json()["error"]["message"] == "too warm"
    else:
        assert (response.content == b"") == (status != 529)


@pytest.mark.parametrize("body", ERROR_BODIES)
def test_a_refusal_has_each_of_the_bodies(emulator_url: str, body: str) -> None:
    fault = f"status=503; body={body}; retry-after=7; reset=0.5"
    response = handshake(emulator_url, fault)
    plain = {"Authorization": "Bearer any", "x-emulate-fault": fault}
    assert response.content == httpx.get(emulator_url + "/voices", headers=plain).content
    assert response.headers["retry-after"] == "7"
    assert response.headers["x-ratelimit-reset"] == "0.5"


def test_a_handshake_may_be_led_elsewhere(emulator_url: str) -> None:
    response = handshake(emulator_url, "redirect=wss://elsewhere.invalid/")
    assert response.status_code == 307
    assert response.headers["location"] == "wss://elsewhere.invalid/"


def test_a_handshake_may_take_longer_than_anybody_waits(emulator_url: str) -> None:
    address = emulator_url.replace("http", "ws") + PATH
    headers = {"Authorization": "Bearer any", "x-emulate-fault": "delay-headers=30"}
    with (
        pytest.raises(TimeoutError),
        connect(address, additional_headers=headers, open_timeout=0.3),
    ):
        pass


def test_a_fault_or_a_switch_that_does_not_exist_is_refused(emulator_url: str) -> None:
    for headers in ({"x-emulate-fault": "close=999"}, {"x-emulate-word-times": "noon"}):
        with (
            pytest.raises(InvalidStatus, match="HTTP 400") as caught,
            talk(emulator_url, headers=headers),
        ):
            pass
        assert next(iter(headers)).encode() in caught.value.response.body


@pytest.mark.parametrize("size", [0, 1, 5000, 48_000])
def test_a_cut_leaves_exactly_that_much_audio_and_no_word(emulator_url: str, size: int) -> None:
    with talk(emulator_url, f"cut={size}") as session:
        begin(session)
        session.append(TEXT)
        closed = until_closed(session)
    assert closed.rcvd is None
    assert audio_of(session.events) == spoken(emulator_url)[:size]
    assert len(audio_of(session.events)) == size


def test_a_cut_may_come_with_a_close_code(emulator_url: str) -> None:
    with talk(emulator_url, "cut=5001; close=1013; message=later") as session:
        begin(session)
        session.append(TEXT)
        closed = until_closed(session)
    assert len(audio_of(session.events)) == 5001
    assert closed.rcvd is not None
    assert (closed.rcvd.code, closed.rcvd.reason) == (1013, "later")


@pytest.mark.parametrize("size", [0, 5000])
def test_an_abort_resets_the_connection(emulator_url: str, size: int) -> None:
    with talk(emulator_url, f"abort={size}") as session:
        begin(session)
        session.append(TEXT)
        closed = until_closed(session)
    assert isinstance(closed.__cause__, ConnectionResetError)
    assert len(audio_of(session.events)) <= size


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1008, 1011, 1013, 4503])
@pytest.mark.parametrize("at", [0, 1, 3])
def test_the_connection_closes_with_a_code(emulator_url: str, code: int, at: int) -> None:
    reason = "" if code == 1006 else "; message=too warm"
    with talk(emulator_url, f"close={code}; at={at}{reason}") as session:
        if at:
            begin(session)
            session.append(TEXT)
        closed = until_closed(session)
    assert len(of(session.events, DELTA)) == max(at - 1, 0)
    if code == 1006:
        assert closed.rcvd is None
    else:
        assert closed.rcvd is not None
        assert (closed.rcvd.code, closed.rcvd.reason) == (code, "too warm")


@pytest.mark.parametrize("name", SESSION_ERRORS)
@pytest.mark.parametrize("close", [None, 4503])
def test_an_error_may_come_in_place_of_the_first_event(
    emulator_url: str, name: str, close: int | None
) -> None:
    fault = f"error-event={name}; at=0; message=too warm" + (f"; close={close}" if close else "")
    with talk(emulator_url, fault) as session:
        event = session.next()
        closed = until_closed(session)
    assert event.get("type") != CREATED
    assert "too warm" in json.dumps(event)
    assert "context_id" not in event
    assert closed.rcvd is not None
    assert closed.rcvd.code == (close or 1008)


@pytest.mark.parametrize("name", SESSION_ERRORS)
def test_one_context_may_fail_while_the_others_go_on(emulator_url: str, name: str) -> None:
    with talk(emulator_url, f"error-event={name}; delay-chunks=0.02") as session:
        begin(session)
        session.say(f"{TEXT} Nobody knew.", "a")
        session.until(is_a(DELTA))
        session.say(TEXT, "b")
        events = session.until_done()
        (failed,) = (event for event in events if "a fault that was asked for" in str(event))
        assert failed["context_id"] == "a"
        assert {event["context_id"] for event in of(events, DELTA)} == {"b"}
        assert audio_of(events) == spoken(emulator_url)
        # It may speak again.
        session.say("Hello", "a")
        assert audio_of(session.until_done(), "a") == spoken(emulator_url, "Hello")


def test_an_error_that_names_no_context_ends_them_all(emulator_url: str) -> None:
    # Both have begun by then.
    with talk(emulator_url, "error-event=failed; unnamed; at=1; delay-audio=1") as session:
        begin(session)
        for context in "ab":
            session.say(TEXT, context)
        session.until(is_a(FAILED))
        assert "context_id" not in session.events[-1]
        assert session.settle() == []
        session.say("Hello", "c")
        assert {event["context_id"] for event in session.until_done()} == {"c"}


def test_the_connection_may_close_after_an_error(emulator_url: str) -> None:
    with talk(emulator_url, "error-event=nested; close=1011") as session:
        begin(session)
        session.append(TEXT)
        closed = until_closed(session)
    assert session.events[-1]["type"] == "error"
    assert session.events[-1]["context_id"] == "default"
    assert closed.rcvd is not None
    assert closed.rcvd.code == 1011


@pytest.mark.parametrize("at", [0, 1, 3])
def test_silence_answers_pings_and_nothing_else(emulator_url: str, at: int) -> None:
    with talk(emulator_url, f"silence; at={at}") as session:
        if at:
            begin(session)
        session.say(TEXT)
        until_silent(session)
        assert len(of(session.events, DELTA)) == max(at - 1, 0)
        assert session.connection.ping().wait(5)


def test_a_stalled_connection_answers_no_ping(emulator_url: str) -> None:
    with talk(emulator_url, "stall") as session:
        begin(session)
        session.say(TEXT)
        until_silent(session)
        assert len(of(session.events, DELTA)) == 1
        assert not session.connection.ping().wait(0.5)
        session.append("read by nobody")
        assert not session.connection.ping().wait(0.3)


def test_an_idle_session_may_end(emulator_url: str) -> None:
    with talk(emulator_url, "close=1001; idle=0.3") as session:
        begin(session)
        session.say(TEXT)
        session.until_done()
        closed = until_closed(session)
    assert closed.rcvd is not None
    assert closed.rcvd.code == 1001
    with talk(emulator_url, "stall; idle=0.3") as session:
        begin(session)
        session.say(TEXT)
        assert audio_of(session.until_done()) == spoken(emulator_url)
        with pytest.raises(TimeoutError):
            session.next(timeout=0.6)
        assert not session.connection.ping().wait(0.3)


def test_an_error_does_not_end_an_idle_session_sooner(emulator_url: str) -> None:
    with talk(emulator_url, "error-event=failed; close=1001; idle=0.3") as session:
        begin(session)
        session.say(TEXT)
        session.until(is_a(FAILED))
        assert session.settle() == []
        assert until_closed(session).rcvd is not None


@pytest.mark.parametrize("at", [0, 1, 3])
def test_the_json_of_an_event_may_break_off(emulator_url: str, at: int) -> None:
    with talk(emulator_url, f"malformed-event; at={at}") as session:
        session.say(TEXT)
        with pytest.raises(json.JSONDecodeError):
            session.until_done()
        assert len(of(session.events, DELTA)) == max(at - 1, 0)
        if at:
            session.until_done()


def test_audio_may_be_no_base64(emulator_url: str) -> None:
    with talk(emulator_url, "bad-base64; at=2") as session:
        begin(session)
        session.say(TEXT)
        deltas = of(session.until_done(), DELTA)
    audio_of([deltas[0], *deltas[2:]])
    with pytest.raises(ValueError, match="base64"):
        audio_of(deltas)


def test_an_audio_event_may_be_a_binary_frame(emulator_url: str) -> None:
    with talk(emulator_url, "frame=binary; at=1") as session:
        begin(session)
        session.say(TEXT)
        assert session.next()["type"] == RECEIVED
        frame = session.connection.recv(timeout=20)
        assert isinstance(frame, bytes)
        assert frame + audio_of(session.until_done()) == spoken(emulator_url)
    with talk(emulator_url, "frame=binary; at=0") as session:
        assert isinstance(session.connection.recv(timeout=20), bytes)


def test_an_event_may_be_huge_or_no_object(emulator_url: str) -> None:
    with talk(emulator_url, "frame=huge; at=1") as session:
        begin(session)
        session.say(TEXT)
        assert len(session.until(is_a(DELTA))[-1]["delta"]) == 64 << 20
    with talk(emulator_url, "frame=list; at=0") as session:
        assert json.loads(session.connection.recv(timeout=20)) == [1]


def test_an_audio_event_may_have_no_audio_or_a_byte_too_few(emulator_url: str) -> None:
    for name in ("no-audio", "odd"):
        with talk(emulator_url, f"frame={name}; at=2") as session:
            begin(session)
            session.say(TEXT)
            deltas = of(session.until_done(), DELTA)
        if name == "odd":
            assert len(base64.b64decode(deltas[1]["delta"])) % 2 == 1
            assert len(audio_of(deltas)) == len(spoken(emulator_url)) - 1
        else:
            assert "delta" not in deltas[1]


def test_audio_that_nobody_asked_for_and_events_that_nobody_knows(emulator_url: str) -> None:
    with talk(emulator_url, "frame=stray; at=2") as session:
        begin(session)
        session.say(TEXT)
        events = session.until_done()
    assert len(audio_of(events, "nobody")) == 4800
    assert audio_of(events, "default") == spoken(emulator_url)
    for at in (0, 2):
        with talk(emulator_url, f"frame=unknown; at={at}") as session:
            session.say(TEXT)
            events = session.until_done()
        assert [event["type"] for event in events].count("conversation.item.emulated") == 1
        assert (events[0]["type"] == "conversation.item.emulated") == (at == 0)
        assert audio_of(events) == spoken(emulator_url)


def test_the_ends_of_items_may_be_wrong(emulator_url: str) -> None:
    text = f"{TEXT} Nobody knew."
    with talk(emulator_url, alignment="word") as session:
        session.say(text)
        right = session.until_done(2)
    heard: dict[str, list[dict[str, Any]]] = {}
    for name, times in (("none", 0), ("early", 2), ("many", len(of(right, DELTA)) + 2)):
        with talk(emulator_url, f"done={name}", alignment="word") as session:
            session.say(text)
            while len(audio_of(session.events)) < len(audio_of(right)):
                session.next()
            session.settle()
            heard[name] = session.events
        assert len(of(heard[name], DONE)) == times
        assert audio_of(heard[name]) == audio_of(right)
    for item in ("tts_1", "tts_2"):
        kinds = [event["type"] for event in heard["early"] if event.get("item_id") == item]
        assert kinds[:3] == [DONE, WORDS, DELTA]
    assert of(heard["early"], DONE) == of(right, DONE)


@pytest.mark.parametrize("kind", ["all", UPDATED, RECEIVED, CANCELLED])
def test_an_acknowledgement_may_never_come(emulator_url: str, kind: str) -> None:
    with talk(emulator_url, f"no-ack={kind}") as session:
        begin(session)
        session.update("b")
        session.append("Hello", "b")
        session.send("context.cancel", "b")
        session.say(TEXT)
        kinds = {event["type"] for event in session.until_done()}
    expected = {UPDATED, RECEIVED, CANCELLED, DELTA, DONE}
    missing = {UPDATED, RECEIVED, CANCELLED} if kind == "all" else {kind}
    assert kinds == expected - missing


def test_contexts_may_come_out_of_order(emulator_url: str) -> None:
    with talk(emulator_url, "out-of-order") as session:
        begin(session)
        for context in "abc":
            session.append(TEXT, context)
        events = session.until_done(3)
    assert [event["context_id"] for event in of(events, DONE)] == ["c", "b", "a"]
    for context in "abc":
        assert audio_of(events, context) == spoken(emulator_url)


def test_audio_of_a_cancelled_context_may_come_when_its_name_is_used_again(
    emulator_url: str,
) -> None:
    # Nor is it told that the name is free.
    fault = f"late-audio=0.3; delay-chunks=0.05; no-ack={CANCELLED}"
    with talk(emulator_url, fault) as session:
        begin(session)
        session.append(TEXT, "a")
        old = session.until(is_a(DELTA))[-1]["item_id"]
        session.send("context.cancel", "a")
        session.say("Hello, hello, and hello again, whoever you are.", "a")
        events = session.until_done()
    mine = [event for event in of(events, DELTA) if event["item_id"] == old]
    assert mine
    assert {event["context_id"] for event in mine} == {"a"}
    assert events.index(mine[0]) > events.index(
        next(event for event in of(events, DELTA) if event["item_id"] != old)
    )


def test_short_delays_change_nothing(emulator_url: str) -> None:
    fault = "delay-headers=0.02; delay-audio=0.02; delay-chunks=0.002"
    with talk(emulator_url, fault) as session:
        begin(session)
        session.say(TEXT)
        assert audio_of(session.until_done()) == spoken(emulator_url)


def test_a_fault_may_wait_for_the_next_session(emulator_url: str) -> None:
    control = httpx.URL(emulator_url).join("/emulator/faults")
    httpx.delete(control)
    closing = {"close": 1011, "at": 1, "message": "é" * 200}
    asked: list[dict[str, Any]] = [closing, {"status": 503}, {"sse": "cr"}]
    assert httpx.post(control, json=asked).status_code == 204
    with talk(emulator_url, headers={"x-emulate-fault": "frame=unknown"}) as session:
        # The header goes first.
        begin(session)
    plain = {"Authorization": "Bearer any"}
    address = emulator_url.replace("http", "ws") + PATH + "?voice=af_heart"
    with connect(address, additional_headers=plain) as connection:
        session = Talk(connection)
        begin(session)
        session.append(TEXT)
        closed = until_closed(session)
    assert closed.rcvd is not None
    # As much as a frame holds, and not half a letter.
    assert closed.rcvd.reason == "é" * 61
    with pytest.raises(InvalidStatus, match="HTTP 503"), connect(address, additional_headers=plain):
        pass
    with connect(address, additional_headers=plain) as connection:
        session = Talk(connection)
        begin(session)
        session.say(TEXT)
        session.until_done()
    # What can only happen to a stream has not happened.
    assert httpx.get(control).json() == [{"sse": "cr"}]
    httpx.delete(control)


def test_every_fault_of_a_frame_is_tried_here() -> None:
    assert set(FRAME_FAULTS) == {"binary", "huge", "list", "no-audio", "odd", "stray", "unknown"}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("close=1005", "close must be a close code"),
        ("close=2999", "close must be a close code"),
        ("close", "close must be a close code"),
        ("idle=1", "idle does nothing alone: give close or silence or stall with it"),
        ("unnamed", "unnamed does nothing alone: give error-event with it"),
        ("close=1000; stall", "close and stall cannot both happen"),
        ("close=1000; abort=1", "close and abort cannot both happen"),
        ("frame=odd; bad-base64", "bad-base64 and frame cannot both happen"),
        ("stall; at=3; idle=1", "at and idle cannot both happen"),
        ("status=500; stall", "status and stall cannot both happen"),
        ("frame=odd; at=0", "frame cannot happen at 0"),
        ("bad-base64; at=0", "bad-base64 cannot happen at 0"),
        ("frame=round", "frame must be one of"),
        ("no-ack=done", "no-ack must be one of"),
        ("late-audio=0", "late-audio must be seconds above 0"),
    ],
)
def test_what_could_never_happen_to_a_session_is_refused(fault: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Fault.parse(fault)


def test_a_session_whose_connection_was_cut_is_broken(emulator_url: str) -> None:
    with talk(emulator_url, "close=1000; at=1") as session:
        begin(session)
        session.append(TEXT)
        until_closed(session)
    requests = httpx.get(httpx.URL(emulator_url).join("/emulator/requests")).json()["requests"]
    assert (requests[-1]["fault"], requests[-1]["state"]) == ("at=1; close=1000", "broken")
