"""Things that happen at the same moment, or in an order that nobody planned."""

import asyncio
import gc
import json
import socket
import ssl
import struct
import subprocess
import sys
import textwrap
import threading
import time
import traceback
import warnings
from collections.abc import AsyncIterator, Iterator
from types import ModuleType
from typing import Any

import anyio
import anyio.lowlevel
import httpcore
import pytest
from websockets.frames import Frame, Opcode
from websockets.utils import accept_key

import facade._async.connections
import facade._sync.connections
from facade import (
    APIConnectionError,
    APITimeoutError,
    AsyncSpeechClient,
    InternalServerError,
    InvalidRequestError,
    RetryPolicy,
    SpeechClient,
    SpeechError,
    StreamInterruptedError,
    Timeouts,
)
from facade._transport import websocket
from facade._transport.duplex_sync import Duplex
from tests.conftest import KEY
from tests.realtime.conftest import Converse, Talk, Turn, contexts
from tests.realtime.server import (
    AUDIO,
    CANCEL,
    RECEIVED,
    SECOND,
    WAIT_S,
    WORDS,
    Peer,
    RealtimeServer,
    good,
    spoken,
)

ONCE = RetryPolicy(attempts=1)
RESEND = RetryPolicy(resend_after_timeout=True)


@pytest.fixture
def connections(loop: str) -> ModuleType:
    """The module that has the connections of this kind of client."""
    return facade._sync.connections if loop == "sync" else facade._async.connections


def reset(peer: Peer) -> None:
    """Take a text, and reset the connection."""
    peer.greet()
    context, text = peer.text()
    peer.say(RECEIVED, text=text, context_id=context)
    end = peer.connection.socket
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # What reads for this server must let go of it, and not end it in its own way.
    with peer.connection.protocol_mutex:
        end.shutdown(socket.SHUT_RD)
        time.sleep(0.1)
        end.close()


def narrow(talk: Talk) -> Any:
    """Let the only connection of a session hold little of what is not received; return it."""
    (connection,) = talk.session._connections._all
    answer: Any = connection.exchange._answer
    end = answer.connection.get_extra_info("socket")
    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return connection


def ours() -> list[threading.Thread]:
    """The threads of sessions."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("facade")]


# --- beginning and ending a session --------------------------------------------------------------


def test_a_session_may_be_closed_twice() -> None:
    with (
        RealtimeServer() as server,
        SpeechClient(KEY, base_url=server.url) as client,
        client.realtime(voice="af_heart") as session,
    ):
        session.speak("Hello.").read()
        session.close()
        session.close()


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_an_asynchronous_session_may_be_closed_twice(loop: str) -> None:
    async def main(url: str) -> None:
        async with (
            AsyncSpeechClient(KEY, base_url=url) as client,
            client.realtime(voice="af_heart") as session,
        ):
            await session.speak("Hello.").read()
            await session.aclose()
            await session.aclose()

    with RealtimeServer() as server:
        anyio.run(main, server.url, backend=loop)


def test_a_session_whose_block_is_not_entered_says_so(converse: Converse) -> None:
    with RealtimeServer() as server, converse(server.url) as talk:
        other = talk.client.realtime(voice="af_heart")
        with pytest.raises(SpeechError, match="has not begun: use it in a `with` block"):
            talk.run(other.speak("Hello.").read)


def test_a_service_that_greets_and_goes_has_not_begun_a_session(converse: Converse) -> None:
    """It must not be called again and again."""

    def script(peer: Peer) -> None:
        peer.connection.socket.sendall(
            Frame(Opcode.TEXT, b'{"type":"session.created"}').serialize(mask=False)
            + Frame(Opcode.CLOSE, b"\x03\xf5busy").serialize(mask=False)
        )
        peer.stay()

    with RealtimeServer(script) as server:
        with pytest.raises(APIConnectionError, match=r"1013 \(try again later, busy\)"):
            converse(server.url).__enter__()
        assert len(server.peers) == 3


def test_a_service_that_is_stuck_does_not_hold_up_the_end(
    converse: Converse, connections: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_GOODBYE_S", 0.05)
    over = threading.Event()

    def stuck(peer: Peer) -> None:
        peer.greet()
        with peer.connection.protocol_mutex:
            peer.connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            over.wait(WAIT_S)

    with RealtimeServer(stuck) as server:
        try:
            with converse(server.url) as talk:
                connection = narrow(talk)
                turn = talk.speak("word " * 100_000)
                with turn.block():
                    while connection.core.unsent:
                        time.sleep(0.01)
            assert ours() == []
        finally:
            over.set()


def test_a_session_that_is_left_while_it_speaks_says_goodbye(converse: Converse) -> None:
    """What it says is heard out, though audio still comes."""

    def script(peer: Peer) -> None:
        peer.greet()
        context, _ = peer.text()
        peer.audio(context, bytes(SECOND))
        peer.expect(CANCEL)
        peer.audio(context, bytes(SECOND))
        peer.stay()

    with RealtimeServer(script) as server:
        with converse(server.url) as talk, talk.speak("Hello.").block() as turn:
            assert turn.hear() == bytes(SECOND)
        assert server.peer.close_code() == 1001


def opened() -> websocket.WebSocket:
    """A connection that was made at 0."""
    connection = websocket.WebSocket()
    agreed = accept_key(connection.headers["Sec-WebSocket-Key"])
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": agreed}
    connection.accept(headers.items(), 0.0)
    return connection


def test_every_sign_of_the_service_keeps_a_connection_alive() -> None:
    connection = opened()
    assert connection.next_tick() == 10.0
    assert connection.tick(10.0)
    assert connection.next_tick() == 20.0
    assert connection.data_to_send()
    assert connection.receive(Frame(Opcode.PONG, b"").serialize(mask=False), 19.0) == []
    assert connection.next_tick() == 29.0
    assert connection.tick(29.0)
    assert connection.is_fresh(38.9)
    assert not connection.tick(39.0)
    assert not connection.is_fresh(39.0)


def test_audio_behind_our_goodbye_does_not_end_the_connection() -> None:
    connection = opened()
    connection.close()
    assert connection.receive(Frame(Opcode.TEXT, b"{}").serialize(mask=False), 0.0) == [b"{}"]
    assert not connection.is_over
    assert connection.receive(Frame(Opcode.CLOSE, b"\x03\xe9").serialize(mask=False), 0.0) == []
    assert connection.is_over
    assert connection.end == (1001, "")


def test_a_session_that_is_dropped_is_not_called_closed() -> None:
    with RealtimeServer() as server, SpeechClient(KEY, base_url=server.url) as client:
        holder = [client.realtime(voice="af_heart").__enter__()]
        with pytest.warns(ResourceWarning, match="mono>$"):
            holder.clear()


def test_an_event_loop_that_ends_before_its_session_begins_nothing_new(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "facade")

    holder: list[Any] = []

    async def main(url: str) -> None:
        client = AsyncSpeechClient(KEY, base_url=url)
        session = await client.realtime(voice="af_heart").__aenter__()
        await session.speak("Hello.").read()
        holder.append(await session.speak().__aenter__())

    with RealtimeServer() as server:
        asyncio.run(main(server.url))
        assert caplog.messages == []
        assert holder[0].ending == "failed"
        with warnings.catch_warnings(record=True, action="always") as told:
            holder.clear()
            gc.collect()
    assert any("unclosed <AsyncRealtimeSession" in str(one.message) for one in told)
    assert {one.category for one in told} == {ResourceWarning}


def test_a_ping_of_the_service_is_answered_at_once(converse: Converse) -> None:
    """Also while there is nothing else to send."""
    answered = []

    def script(peer: Peer) -> None:
        peer.greet()
        asked = peer.text()
        answered.append(peer.connection.ping().wait(5))
        peer.speak(*asked)
        peer.stay()

    with RealtimeServer(script) as server, converse(server.url) as talk:
        assert talk.speak("Hello.").hear_all() == spoken("Hello.")
    assert answered == [True]


# --- turns that have no connection ---------------------------------------------------------------


def test_a_turn_that_waits_for_room_can_be_interrupted(converse: Converse) -> None:
    def script(peer: Peer) -> None:
        peer.greet()
        peer.stay()

    with (
        RealtimeServer(script) as server,
        converse(server.url) as talk,
        contexts([talk.speak() for _ in range(100)]),
    ):
        further = talk.speak("One more.")
        heard: list[bytes] = []
        waiting = threading.Thread(target=lambda: heard.append(further.hear_all()))
        waiting.start()
        # That it waits shows nowhere; if it does not yet, it finds itself interrupted.
        time.sleep(0.1)
        further.interrupt()
        waiting.join(5)
        assert heard == [b""]


def test_turns_that_were_dropped_take_no_room(converse: Converse) -> None:
    with RealtimeServer() as server, converse(server.url) as talk:
        holder = [talk.speak() for _ in range(100)]
        for turn in holder:
            talk.run(getattr(turn.speech, "__enter__", getattr(turn.speech, "__aenter__", None)))
        del turn
        with pytest.warns(ResourceWarning, match="unclosed <"):
            holder.clear()
        assert talk.speak("Next.").hear_all() == spoken("Next.")


def test_who_listens_to_a_turn_without_a_connection_learns_of_the_end_of_its_session(
    connections: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, whatever the connection that is being made comes to."""
    begun, goes_on = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        peer.greet()
        assert begun.wait(WAIT_S)
        peer.cut()

    def silent(peer: Peer) -> None:
        assert goes_on.wait(WAIT_S)

    found: list[BaseException] = []

    def listen() -> None:
        with pytest.raises(SpeechError) as caught:
            next(speech, None)
        found.append(caught.value)

    with (
        RealtimeServer(script, silent) as server,
        SpeechClient(KEY, base_url=server.url) as client,
        client.realtime(voice="af_heart") as session,
        session.speak() as speech,
    ):
        listening = threading.Thread(target=listen)
        listening.start()
        begun.set()
        while len(server.peers) < 2:
            time.sleep(0.01)
        # What is being connected holds this up, and must not hold up the news.
        with monkeypatch.context() as patch:
            patch.setattr(session._connections, "_go_on", None)
            session.shut()
            listening.join(5)
            goes_on.set()
        assert [str(error) for error in found] == ["the session was closed"]


def test_turns_that_wait_for_a_connection_share_what_comes_of_it(converse: Converse) -> None:
    """Else the last of many waits for the failures of all others."""
    waiting, down = threading.Barrier(21), threading.Event()

    def script(peer: Peer) -> None:
        peer.greet()
        peer.speak(*peer.text())
        peer.cut()

    def silent(peer: Peer) -> None:
        if down.wait(WAIT_S):
            server.refusals.extend([(503, "down", {})] * 100)
            peer.cut()

    found: list[SpeechError] = []

    def speak() -> None:
        waiting.wait(WAIT_S)
        with pytest.raises(SpeechError) as caught:
            talk.speak("Hello.").hear_all()
        found.append(caught.value)

    with RealtimeServer(script, silent) as server, converse(server.url) as talk:
        talk.speak("First.").hear_all()
        threads = [threading.Thread(target=speak) for _ in range(20)]
        for thread in threads:
            thread.start()
        waiting.wait(WAIT_S)
        time.sleep(0.2)
        down.set()
        for thread in threads:
            thread.join(WAIT_S)
    assert {type(error) for error in found} == {InternalServerError}
    assert len(set(map(id, found))) == 20
    assert len(server.requests) < 15


def test_late_audio_of_a_lost_connection_is_not_that_of_the_new_one(
    converse: Converse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "PING_S", 0.2)
    monkeypatch.setattr(websocket, "PONG_S", 0.2)
    moved, came = threading.Event(), threading.Event()

    def stalled(peer: Peer) -> None:
        peer.greet()
        context, _ = peer.text()
        with peer.connection.protocol_mutex:
            assert moved.wait(WAIT_S)
            fields = {"type": AUDIO, "context_id": context, "item_id": "old", "delta": "AAAA"}
            frame = Frame(Opcode.TEXT, json.dumps(fields).encode())
            peer.connection.socket.sendall(frame.serialize(mask=False))
            peer.connection.socket.shutdown(socket.SHUT_WR)
            assert came.wait(WAIT_S)

    def healthy(peer: Peer) -> None:
        peer.greet()
        asked = peer.text()
        moved.set()
        old = talk.session._connections._served - set(talk.session._connections._all)
        while not all(connection.websocket.is_over for connection in old):
            time.sleep(0.01)
        came.set()
        peer.speak(*asked)
        peer.serve()

    with RealtimeServer(stalled, healthy) as server, converse(server.url, retry=RESEND) as talk:
        assert talk.speak("Hello.").hear_all() == spoken("Hello.")
        while talk.session._connections._moved:
            time.sleep(0.01)


def test_a_turn_whose_connection_is_lost_while_its_session_ends_is_told(
    converse: Converse,
) -> None:
    begun = threading.Event()

    def script(peer: Peer) -> None:
        peer.greet()
        assert begun.wait(WAIT_S)
        peer.cut()

    with RealtimeServer(script) as server, converse(server.url) as talk:
        turn = talk.speak()
        with turn.block():
            # As when another thread is about to end its turns.
            talk.session._connections.is_closed = True
            begun.set()
            with pytest.raises(StreamInterruptedError, match="1006") as caught:
                turn.hear()
            assert caught.value.bytes_received == 0


def test_a_turn_that_a_reset_ends_says_what_is_underneath(converse: Converse) -> None:
    with RealtimeServer(reset) as server, converse(server.url) as talk:
        with pytest.raises(StreamInterruptedError, match="reset") as caught:
            talk.speak("Hello.").hear_all()
        assert caught.value.__cause__ is not None


def test_the_source_of_a_turn_that_is_over_waits_for_no_other(
    converse: Converse, connections: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_MAX_UNSENT", 4)
    over, ended = threading.Event(), threading.Event()

    def stuck(peer: Peer) -> None:
        peer.greet()
        with peer.connection.protocol_mutex:
            peer.connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            over.wait(WAIT_S)

    def tokens() -> Iterator[str]:
        try:
            while True:
                yield "Hello. "
        finally:
            ended.set()

    with RealtimeServer(stuck) as server, converse(server.url) as talk:
        try:
            connection = narrow(talk)
            first, second = talk.speak(), talk.speak(tokens())
            with first.block():
                first.append("word " * 60_000)
                # What is being sent now is stuck, and this waits behind it.
                while connection.core.unsent:
                    time.sleep(0.01)
                first.append("word " * 10_000)
                with second.block():
                    while not second.speech.text:
                        time.sleep(0.01)
                    assert second.interrupt().heard == ""
                    assert ended.wait(WAIT_S)
                assert connection.core.unsent > 4
        finally:
            over.set()


def test_a_connection_that_was_reset_is_not_waited_for(
    converse: Converse, connections: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_GOODBYE_S", 60.0)
    with RealtimeServer(reset, good) as server, converse(server.url) as talk:
        (old,) = talk.session._connections._all
        with pytest.raises(StreamInterruptedError):
            talk.speak("Hello.").hear_all()
        until = time.monotonic() + 5
        while old in talk.session._connections._served:
            assert time.monotonic() < until
            time.sleep(0.01)


# --- what is told --------------------------------------------------------------------------------


def test_the_key_and_the_text_are_told_to_nobody(
    converse: Converse, caplog: pytest.LogCaptureFixture
) -> None:
    """Though the service repeats them."""
    caplog.set_level("DEBUG", "facade")

    def script(peer: Peer) -> None:
        peer.greet()
        context, text = peer.text()
        peer.say("error", context_id=context, error={"message": f"{text} is not for {KEY}"})
        context, text = peer.text()
        peer.audio(context, bytes(SECOND))
        peer.connection.close(1008, f"{text} is not for {KEY}")

    with RealtimeServer(script, good) as server, converse(server.url) as talk:
        for _ in range(2):
            with pytest.raises(SpeechError, match=r"Hello\. is not for \[secret\]") as caught:
                talk.speak("Hello.").hear_all()
            assert KEY not in "".join(traceback.format_exception(caught.value))
            assert KEY not in str(vars(caught.value))
        assert talk.speak("Next.").hear_all() == spoken("Next.")
    assert "a realtime connection ended (1008), and another takes its place" in caplog.messages
    assert KEY not in caplog.text
    assert "Hello." not in caplog.text


def test_an_error_that_is_raised_again_does_not_grow(converse: Converse) -> None:
    def script(peer: Peer) -> None:
        peer.greet()
        context, _ = peer.text()
        peer.say("error", context_id=context, error={"message": "no"})
        peer.serve()

    with RealtimeServer(script) as server, converse(server.url) as talk:
        turn = talk.speak("Hello.")
        lengths = set()
        with turn.block():
            for _ in range(3):
                with pytest.raises(SpeechError, match="no") as caught:
                    turn.hear()
                lengths.add(len(traceback.extract_tb(caught.value.__traceback__)))
        assert len(lengths) == 1


def test_a_turn_that_was_moved_says_what_is_underneath(converse: Converse) -> None:
    """Each turn has an exception of its own."""
    begun = threading.Event()

    def script(peer: Peer) -> None:
        peer.greet()
        assert begun.wait(WAIT_S)
        server._server.socket.close()
        peer.cut()

    with RealtimeServer(script) as server, converse(server.url, retry=ONCE) as talk:
        turns = [talk.speak(), talk.speak()]
        found = []
        with contexts(turns):
            begun.set()
            for turn in turns:
                with pytest.raises(APIConnectionError, match="could not connect") as caught:
                    turn.hear()
                assert caught.value.__cause__ is not None
                found.append(caught.value)
        assert found[0] is not found[1]


# --- waiting that is given up --------------------------------------------------------------------


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_waiting_for_samples_may_be_given_up(loop: str) -> None:
    given_up = threading.Event()

    def script(peer: Peer) -> None:
        peer.greet()
        asked = peer.text()
        assert given_up.wait(WAIT_S)
        peer.speak(*asked)
        peer.serve()

    async def main(url: str) -> bytes:
        async with (
            AsyncSpeechClient(KEY, base_url=url) as client,
            client.realtime(voice="af_heart") as session,
            session.speak("Hello.") as speech,
        ):
            for _ in range(3):
                with pytest.raises(TimeoutError), anyio.fail_after(0.02):
                    await anext(speech)
                if loop == "asyncio":
                    with pytest.raises(TimeoutError):
                        await asyncio.wait_for(anext(speech), 0.02)
            given_up.set()
            return b"".join([piece async for piece in speech])

    with RealtimeServer(script) as server:
        assert anyio.run(main, server.url, backend=loop) == spoken("Hello.")


def test_a_source_goes_on_when_its_text_has_left(
    converse: Converse, connections: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_MAX_UNSENT", 0)
    with RealtimeServer() as server, converse(server.url) as talk:
        words = ["word "] * 50
        assert Turn(talk.session.speak(words), talk).hear_all() == spoken("".join(words))


def test_time_limits_hold_again_when_audio_has_been_taken(
    converse: Converse, connections: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_WAITING_BYTES", 4 * SECOND)

    def script(peer: Peer) -> None:
        peer.greet()
        context, text = peer.text()
        peer.say(RECEIVED, text=text, context_id=context)
        peer.say(WORDS, context_id=context, words=["x"], start_seconds=[0], end_seconds=[9])
        for _ in range(5):
            peer.audio(context, bytes(SECOND))
        peer.stay()

    limits = Timeouts(connect_s=10, first_audio_s=10, read_s=0.3, total_s=20)
    with RealtimeServer(script) as server, converse(server.url, timeouts=limits) as talk:
        turn = talk.speak("Hello.")
        with turn.block():
            (connection,) = talk.session._connections._all
            while not connection.is_paused:
                time.sleep(0.01)
            with pytest.raises(APITimeoutError, match=r"read_s=0\.3"):
                b"".join(iter(turn.hear, None))


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_many_turns_leave_nothing_behind(loop: str) -> None:
    async def main(url: str) -> None:
        async with (
            AsyncSpeechClient(KEY, base_url=url) as client,
            client.realtime(voice="af_heart") as session,
        ):
            for _ in range(20):
                await session.speak(["Hello."]).read()
            await anyio.wait_all_tasks_blocked()
            connections = session._connections
            assert len(connections.background._scopes) == 2
            assert connections._all[0].turns == {}
            assert connections._all[0].waiting_bytes == 0

    with RealtimeServer() as server:
        anyio.run(main, server.url, backend=loop)


def test_a_source_that_cannot_be_begun_is_told_as_it_is(converse: Converse) -> None:
    class Tokens:
        def __iter__(self) -> Iterator[str]:
            raise ZeroDivisionError

    with RealtimeServer() as server, converse(server.url) as talk:
        turn = Turn(talk.session.speak(Tokens()), talk)
        with pytest.raises(ZeroDivisionError):
            turn.hear_all()
        assert talk.speak("Next.").hear_all() == spoken("Next.")


def test_a_session_ends_though_its_audio_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facade._sync.connections, "MAX_WAITING_BYTES", SECOND)
    monkeypatch.setattr(facade._sync.connections, "_GOODBYE_S", 0.05)

    def script(peer: Peer) -> None:
        peer.greet()
        context, _ = peer.text()
        for _ in range(3):
            peer.audio(context, bytes(SECOND))
        peer.stay()

    with RealtimeServer(script) as server, SpeechClient(KEY, base_url=server.url) as client:
        session = client.realtime(voice="af_heart").__enter__()
        with session.speak("Hello.") as speech:
            (connection,) = session._connections._all
            while not connection.is_paused:
                time.sleep(0.01)
            session.close()
            assert ours() == []
            # What had come stays.
            assert next(speech) == bytes(SECOND)


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_iterators_that_the_session_makes_are_ended(loop: str) -> None:
    ended = []

    class Tokens:
        async def __aiter__(self) -> AsyncIterator[Any]:
            try:
                yield "Hello "
                yield b"you"
            finally:
                await anyio.lowlevel.checkpoint()
                ended.append("Tokens")

    def tokens() -> Iterator[Any]:
        try:
            yield "Hello "
            yield b"you"
        finally:
            ended.append("tokens")

    async def main(url: str) -> None:
        async with (
            AsyncSpeechClient(KEY, base_url=url) as client,
            client.realtime(voice="af_heart") as session,
        ):
            for source in (Tokens(), tokens(), ["Hello ", b"you"]):
                with pytest.raises(InvalidRequestError, match="bytes"):
                    await session.speak(source).read()  # type: ignore[arg-type]

    with RealtimeServer() as server:
        anyio.run(main, server.url, backend=loop)
    assert ended == ["Tokens", "tokens"]


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_source_that_nobody_wants_any_more_is_ended(loop: str) -> None:
    async def main(url: str) -> None:
        async with (
            AsyncSpeechClient(KEY, base_url=url) as client,
            client.realtime(voice="af_heart") as session,
        ):
            begun, ended = anyio.Event(), anyio.Event()

            async def tokens() -> AsyncIterator[str]:
                try:
                    yield "Hello. "
                    begun.set()
                    await anyio.sleep_forever()
                finally:
                    ended.set()

            async with session.speak(tokens()) as speech:
                await begun.wait()
                speech.interrupt()
                with anyio.fail_after(5):
                    await ended.wait()

    with RealtimeServer() as server:
        anyio.run(main, server.url, backend=loop)


# --- processes, sockets --------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="this system has no fork")
def test_a_child_waits_for_no_lock_of_its_parent() -> None:
    program = textwrap.dedent("""
        import os, sys, threading, traceback, warnings
        import pytest
        from facade import SpeechClient, SpeechError

        def hold():
            with session._connections.mutex:
                held.set()
                release.wait(20)

        held, release = threading.Event(), threading.Event()
        client = SpeechClient("any", base_url=sys.argv[1])
        with client.realtime(voice="af_heart") as session, session.speak() as speech:
            threading.Thread(target=hold).start()
            held.wait()
            with warnings.catch_warnings(action="ignore"):
                child = os.fork()
            if not child:
                try:
                    for one in speech, session.speak("Child."):
                        with pytest.raises(SpeechError, match="another process"):
                            next(one)
                    speech.close()
                    session.close()
                    client.close()
                    os._exit(7)
                except BaseException:
                    traceback.print_exc()
                    os._exit(1)
            status = os.waitpid(child, 0)[1]
            release.set()
            assert os.waitstatus_to_exitcode(status) == 7
        client.close()
    """)
    with RealtimeServer() as server:
        subprocess.run([sys.executable, "-c", program, server.url], check=True, timeout=20)


class Nested(httpcore.NetworkStream):
    """TLS inside of TLS, which has read already, and takes nothing."""

    def __init__(self, connection: socket.socket) -> None:
        self.written: list[bytes] = []
        inner = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO())
        self._facts = {"socket": connection, "ssl_object": inner}

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return b"Hello."

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.written.append(buffer)
        raise httpcore.WriteTimeout

    def get_extra_info(self, info: str) -> Any:
        return self._facts[info]


def test_what_was_sent_in_part_inside_of_two_tls_layers_is_not_sent_again() -> None:
    """The part that has left cannot be taken back."""
    here, there = socket.socketpair()
    with here, there:
        stream = Nested(here)
        with pytest.raises(httpcore.WriteTimeout):
            Duplex(stream, b"").send(b"Hello.", 0.1)
        assert stream.written == [b"Hello."]


def test_what_tls_has_read_already_is_not_waited_for() -> None:
    here, there = socket.socketpair()
    with here, there:
        # Where it is waited for, the end of the test comes first.
        timer = threading.Timer(5, there.shutdown, [socket.SHUT_RDWR])
        timer.start()
        duplex = Duplex(Nested(here), b"")
        assert duplex.receive() == duplex.receive() == b"Hello."
        assert timer.is_alive()
        timer.cancel()
        timer.join()
