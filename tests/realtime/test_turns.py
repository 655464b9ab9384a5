"""Turns of realtime sessions: text in while it is written, speech out while it is spoken."""

import threading
import time
import wave
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from facade import AsyncSpeechClient, InvalidRequestError, SpeechClient, SpeechError, VoiceMix
from tests.conftest import KEY
from tests.realtime.conftest import Converse, contexts
from tests.realtime.server import (
    APPEND,
    CANCEL,
    CLEAR,
    COMMIT,
    SECOND,
    UPDATED,
    WAIT_S,
    WORDS,
    Peer,
    RealtimeServer,
    spoken,
)


def test_a_turn(converse: Converse) -> None:
    with RealtimeServer() as server, converse(server.url) as talk:
        turn = talk.speak("Hello there, you.")
        assert turn.hear_all() == spoken("Hello there, you.")
        assert [word.word for word in turn.speech.words] == ["Hello", "there,", "you."]
        assert turn.speech.words[2].start_s == pytest.approx(0.4)
        assert turn.speech.duration_s == pytest.approx(0.6)
        assert turn.speech.ending == "words"
        assert turn.speech.text == "Hello there, you."
        assert turn.heard().unheard == ""
    assert server.peer.query["voice"] == "af_heart"
    assert server.peer.query["alignment"] == "word"
    assert server.peer.path.startswith("/v1/audio/speech/websocket?")


def test_the_key_goes_in_a_header_and_nowhere_else(
    converse: Converse, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    with RealtimeServer() as server, converse(server.url) as talk:
        talk.speak("Hello.").hear_all()
        shown = repr(talk.session)
    assert server.peer.headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in server.peer.path
    ours = [record for record in caplog.records if not record.name.startswith("websockets")]
    assert KEY not in shown + "".join(record.getMessage() for record in ours)
    assert not any("Hello." in record.getMessage() for record in ours)


def test_a_mix_keeps_its_plus(converse: Converse) -> None:
    mix = VoiceMix({"af_bella": 2, "af_heart": 1})
    with RealtimeServer() as server, converse(server.url, voice=mix, max_partial_length=80) as talk:
        talk.speak("Hello.").hear_all()
    assert server.peer.query["voice"] == "af_bella(2)+af_heart(1)"
    assert server.peer.query["max_partial_length"] == "80"
    assert "+" not in server.peer.path


def test_many_turns_take_one_connection(converse: Converse) -> None:
    texts = [f"Turn number {number} of many." for number in range(20)]
    with RealtimeServer() as server, converse(server.url) as talk:
        assert [talk.speak(text).hear_all() for text in texts] == list(map(spoken, texts))
    assert len(server.peers) == 1
    commits = [event for event in server.peer.events if event["type"] == COMMIT]
    assert len(commits) == 20


def test_tokens_go_out_as_they_come(converse: Converse) -> None:
    """A word at a time, and a letter that no space follows within moments."""
    arrived = threading.Event()

    def tokens() -> Iterator[str]:
        yield from ("Hel", "lo ", "the")
        assert arrived.wait(WAIT_S)
        yield from ("re.", "")

    def script(peer: Peer) -> None:
        peer.greet()
        texts = [peer.expect(APPEND)["text"]]
        while "".join(texts) != "Hello the":
            texts.append(peer.expect(APPEND)["text"])
        arrived.set()
        assert texts[0] == "Hello "
        context = peer.expect(COMMIT)["context_id"]
        peer.speak(context, "Hello there.")
        peer.stay()

    with RealtimeServer(script) as server, converse(server.url) as talk:
        assert talk.speak(tokens()).hear_all() == spoken("Hello there.")
    appended = [event["text"] for event in server.peer.events if event["type"] == APPEND]
    assert "".join(appended) == "Hello there."


def test_text_that_is_still_being_written_does_not_hold_up_its_audio(converse: Converse) -> None:
    heard = threading.Event()

    def tokens() -> Iterator[str]:
        yield "First. "
        assert heard.wait(WAIT_S)
        yield "Second."

    def script(peer: Peer) -> None:
        peer.greet()
        context = peer.expect(APPEND)["context_id"]
        peer.audio(context, bytes(SECOND))
        peer.expect(COMMIT)
        peer.speak(context, "First. Second.", bytes(SECOND))
        peer.stay()

    with RealtimeServer(script) as server, converse(server.url) as talk:
        turn = talk.speak(tokens())
        with turn.block():
            assert turn.hear() == bytes(SECOND)
            heard.set()
            assert b"".join(iter(turn.hear, None)) == bytes(SECOND)


def test_text_by_hand(converse: Converse) -> None:
    with RealtimeServer() as server, converse(server.url) as talk:
        turn = talk.speak()
        turn.append("Before it begins, ")
        with turn.block():
            turn.append("and after.")
            turn.commit()
            turn.commit()
            with pytest.raises(SpeechError, match="the text of this turn is whole"):
                turn.append("More.")
            audio = b"".join(iter(turn.hear, None))
        assert audio == spoken("Before it begins, and after.")


@pytest.mark.parametrize("text", ["", " \n", []])
def test_nothing_to_speak(converse: Converse, text: Any) -> None:
    with RealtimeServer() as server, converse(server.url) as talk:
        turn = talk.speak(text)
        assert turn.hear_all() == b""
        assert turn.speech.ending == "no text"
        assert talk.speak("Hello.").hear_all() == spoken("Hello.")


def test_a_turn_may_have_a_voice_of_its_own(converse: Converse) -> None:
    with RealtimeServer() as server, converse(server.url) as talk:
        talk.speak("Hello.", voice="am_adam", language="en").hear_all()
        with pytest.raises(InvalidRequestError, match="af_hart"):
            talk.speak("Hello.", voice="af_hart")
        with pytest.raises(InvalidRequestError, match="max_partial_length"):
            talk.speak("Hello.", max_partial_length=0)
    (changed,) = [event for event in server.peer.events if event["type"] == UPDATED]
    assert changed["session"] == {"voice": "am_adam", "language": "en"}


def test_several_turns_at_once(converse: Converse) -> None:
    texts = [f"Voice {number} speaks now." for number in range(10)]

    def script(peer: Peer) -> None:
        peer.greet()
        asked = [peer.text() for _ in texts]
        sounds = {context: spoken(text) for context, text in asked}
        for start in range(0, 2 * SECOND, 4800):
            for context, sound in sounds.items():
                if sound[start : start + 4800]:
                    peer.audio(context, sound[start : start + 4800], f"item-{context}")
        for context, text in asked:
            peer.speak(context, text, bytes(2), f"end-{context}")
        peer.stay()

    with RealtimeServer(script) as server, converse(server.url) as talk:
        turns = [talk.speak(text) for text in texts]
        with contexts(turns):
            # The last one is heard first: none waits for another's listener.
            heard = [b"".join(iter(turn.hear, None)) for turn in reversed(turns)]
        assert heard[::-1] == [spoken(text) + bytes(2) for text in texts]
    assert len(server.peers) == 1


def test_one_more_than_the_service_takes_waits(converse: Converse) -> None:
    go_on = threading.Event()

    def script(peer: Peer) -> None:
        peer.greet()
        asked = [peer.text() for _ in range(100)]
        assert go_on.wait(WAIT_S)
        for context, text in asked:
            peer.speak(context, text)
        peer.serve()

    with RealtimeServer(script) as server, converse(server.url) as talk:
        turns = [talk.speak(f"Turn {number}.") for number in range(100)]
        with contexts(turns):
            further = talk.speak("One more.")
            threading.Timer(0.1, go_on.set).start()
            assert further.hear_all() == spoken("One more.")
            assert turns[7].hear() is not None
    assert {len(server.peers)} <= {1, 2}


def test_save_and_read(converse: Converse, tmp_path: Path) -> None:
    with RealtimeServer() as server, converse(server.url) as talk:
        audio = talk.speak("Read me.").read()
        assert audio.content == spoken("Read me.")
        taken = talk.speak("Read me.")
        taken.read()
        with pytest.raises(SpeechError, match=r"has been read.*call speak\(\) again"):
            taken.read()
        assert str(audio.format) == "raw pcm_s16le 24000 Hz mono" == str(talk.session.format)
        turn = talk.speak("Save me.")
        talk.run(turn.speech.save, tmp_path / "turn.wav")
    with wave.open(str(tmp_path / "turn.wav")) as file:
        assert file.readframes(file.getnframes()) == spoken("Save me.")


# --- interruption --------------------------------------------------------------------------------


def test_an_interruption_is_exact(converse: Converse) -> None:
    late = bytes([7, 7]) * 4800

    def script(peer: Peer) -> None:
        peer.greet()
        context, _ = peer.text()
        words = ["One", "two", "three", "four."]
        starts, ends = [0.0, 0.5, 1.0, 1.5], [0.5, 1.0, 1.5, 2.0]
        timed = {"words": words, "start_seconds": starts, "end_seconds": ends}
        peer.say(WORDS, item_id="item", context_id=context, **timed)
        for _ in range(8):
            peer.audio(context, bytes(9600))
        peer.expect(CANCEL)
        peer.audio(context, late, "late")
        peer.say("context.cancelled", context_id=context)
        peer.audio(context, late, "late")
        asked = peer.text()
        peer.audio(context, late, "late")
        peer.speak(*asked)
        peer.stay()

    with RealtimeServer(script) as server, converse(server.url) as talk:
        turn = talk.speak("One two three four.")
        with turn.block():
            assert turn.hear() == bytes(9600)
            while turn.speech.duration_s != 1.6:
                turn.hear()
            heard = turn.interrupt(played_s=1.1)
            assert (heard.heard, heard.unheard) == ("One two", " three four.")
            assert (heard.by, heard.played_s) == ("words", 1.1)
            assert turn.hear() is None
            assert turn.speech.ending == "interrupted"
        assert talk.speak("Next.").hear_all() == spoken("Next.")
    kinds = [event["type"] for event in server.peer.events]
    assert kinds.index(CLEAR) < kinds.index(CANCEL) < len(kinds) - 2


def test_leaving_the_block_interrupts(converse: Converse) -> None:
    def script(peer: Peer) -> None:
        peer.greet()
        context = peer.expect(APPEND)["context_id"]
        peer.audio(context, bytes(SECOND))
        peer.expect(CANCEL)
        peer.audio(context, bytes(SECOND), "late")
        peer.serve()

    with RealtimeServer(script) as server, converse(server.url) as talk:
        turn = talk.speak("Hello there.")
        with turn.block():
            turn.hear()
        assert turn.speech.ending == "interrupted"
        assert talk.speak("Next.").hear_all() == spoken("Next.")


def test_the_source_of_an_interrupted_text_is_left_alone(converse: Converse, loop: str) -> None:
    """It may be stuck, and then nobody waits for it."""
    released = threading.Event()
    ended = threading.Event()

    def tokens() -> Iterator[str]:
        try:
            yield "Hello there. "
            released.wait(WAIT_S)
            yield "Nobody wants this."
            yield "Nor this."
        finally:
            ended.set()

    with RealtimeServer() as server, converse(server.url) as talk:
        turn = talk.speak(tokens())
        with turn.block():
            heard = turn.interrupt()
            assert turn.hear() is None
        assert heard.heard == ""
        released.set()
        assert talk.speak("Next.").hear_all() == spoken("Next.")
        # What a task waits for in a thread of its own is not ours to end.
        assert loop != "sync" or ended.wait(WAIT_S)
    appended = [event["text"] for event in server.peer.events if event["type"] == APPEND]
    assert not any("Nor this" in text for text in appended)


def test_a_turn_that_has_not_begun_can_be_interrupted(converse: Converse) -> None:
    with RealtimeServer() as server, converse(server.url) as talk:
        turn = talk.speak("Hello there.")
        assert turn.interrupt().unheard == "Hello there."
        assert turn.hear_all() == b""
        assert talk.speak("Next.").hear_all() == spoken("Next.")
    assert not any(event.get("text") == "Hello there." for event in server.peer.events)


def test_after_its_end_a_turn_says_what_was_heard(converse: Converse) -> None:
    with RealtimeServer() as server, converse(server.url) as talk:
        turn = talk.speak("One two three four.")
        turn.hear_all()
        assert turn.heard(0.5).heard == "One two"
        assert turn.interrupt(0.5).unheard == " three four."
        assert turn.speech.ending == "words"


@pytest.mark.parametrize("played_s", [-1, float("nan"), True, "1"])
def test_seconds_played_are_a_number(converse: Converse, played_s: Any) -> None:
    with RealtimeServer() as server, converse(server.url) as talk:
        turn = talk.speak("Hello.")
        with pytest.raises(InvalidRequestError, match="must be seconds from 0") as caught:
            turn.interrupt(played_s)
        assert caught.value.param == "played_s"
        assert turn.hear_all() == spoken("Hello.")


def test_three_threads_share_a_turn(converse: Converse) -> None:
    """One writes text, another reads audio, a third interrupts."""
    heard: list[bytes] = []
    has_heard = threading.Event()

    def script(peer: Peer) -> None:
        peer.greet()
        while True:
            event = peer.next()
            if event["type"] == APPEND:
                peer.audio(event["context_id"], bytes(4800))

    with RealtimeServer(script) as server, converse(server.url) as talk:
        turn = talk.speak()
        with turn.block():

            def write() -> None:
                while turn.speech.ending is None:
                    turn.append("word ")

            def listen() -> None:
                while (piece := turn.hear()) is not None:
                    heard.append(piece)
                    has_heard.set()

            threads = [threading.Thread(target=act) for act in (write, listen)]
            for thread in threads:
                thread.start()
            assert has_heard.wait(WAIT_S)
            told = turn.interrupt()
            count = len(heard)
            for thread in threads:
                thread.join(WAIT_S)
                assert not thread.is_alive()
        assert len(heard) - count <= 1
        assert told.heard + told.unheard == told.heard + told.unheard
        assert turn.speech.ending == "interrupted"


# --- the source of a text ------------------------------------------------------------------------


def test_a_source_that_fails_is_told_as_it_is(converse: Converse) -> None:
    class ModelError(Exception):
        pass

    def tokens() -> Iterator[str]:
        yield "Hello there. "
        assert spoke.wait(WAIT_S)
        raise ModelError("out of tokens")

    spoke = threading.Event()

    def script(peer: Peer) -> None:
        peer.greet()
        context = peer.expect(APPEND)["context_id"]
        peer.audio(context, bytes(SECOND))
        peer.expect(CANCEL)
        peer.serve()

    with RealtimeServer(script) as server, converse(server.url) as talk:
        turn = talk.speak(tokens())
        with turn.block():
            assert turn.hear() == bytes(SECOND)
            spoke.set()
            with pytest.raises(ModelError, match="out of tokens"):
                turn.hear()
        assert turn.speech.ending == "failed"
        assert talk.speak("Next.").hear_all() == spoken("Next.")


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@pytest.mark.parametrize("kind", [list, iter, lambda words: (word for word in words)])
def test_an_asynchronous_session_takes_what_is_at_hand(loop: str, kind: Any) -> None:
    tokens = kind(["Hello ", "there."])

    async def main(url: str) -> bytes:
        async with (
            AsyncSpeechClient(KEY, base_url=url) as client,
            client.realtime(voice="af_heart") as session,
        ):
            return (await session.speak(tokens).read()).content

    with RealtimeServer() as server:
        assert anyio.run(main, server.url, backend=loop) == spoken("Hello there.")


def test_a_source_that_fails_as_it_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody listens any more, and nothing is swallowed."""
    caplog.set_level("INFO", "facade")
    released = threading.Event()

    def tokens() -> Iterator[str]:
        try:
            yield "Hello. "
            released.wait(WAIT_S)
            yield "More."
        finally:
            raise ZeroDivisionError

    with (
        RealtimeServer() as server,
        SpeechClient(KEY, base_url=server.url) as client,
        client.realtime(voice="af_heart") as session,
    ):
        with session.speak(tokens()) as speech:
            speech.interrupt()
        released.set()
        assert session.speak("Next.").read().content == spoken("Next.")
        while "ZeroDivisionError" not in caplog.text:
            time.sleep(0.01)


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_an_asynchronous_source_that_fails_as_it_is_closed(
    loop: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "facade")

    async def tokens() -> AsyncIterator[str]:
        try:
            yield "Hello. "
            await anyio.sleep(WAIT_S)
            yield "More."
        finally:
            raise ZeroDivisionError

    async def main(url: str) -> bytes:
        async with (
            AsyncSpeechClient(KEY, base_url=url) as client,
            client.realtime(voice="af_heart") as session,
        ):
            async with session.speak(tokens()) as speech:
                while speech.text != "Hello. ":
                    await anyio.lowlevel.checkpoint()
                speech.interrupt()
            return (await session.speak("Next.").read()).content

    with RealtimeServer() as server:
        assert anyio.run(main, server.url, backend=loop) == spoken("Next.")
    assert "ZeroDivisionError" in caplog.text


def test_a_source_that_ends_its_thread_ends_its_turn() -> None:
    def tokens() -> Iterator[str]:
        yield "Hello. "
        raise SystemExit(3)

    with (
        RealtimeServer() as server,
        SpeechClient(KEY, base_url=server.url) as client,
        client.realtime(voice="af_heart") as session,
        pytest.raises(SystemExit),
    ):
        session.speak(tokens()).read()


class Counting:
    """An asynchronous iterator that is no generator."""

    def __init__(self) -> None:
        self._words = iter(["Hello ", "there."])

    def __aiter__(self) -> "Counting":
        return self

    async def __anext__(self) -> str:
        for word in self._words:
            return word
        raise StopAsyncIteration


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_any_asynchronous_iterator_will_do(loop: str) -> None:
    async def main(url: str) -> bytes:
        async with (
            AsyncSpeechClient(KEY, base_url=url) as client,
            client.realtime(voice="af_heart") as session,
        ):
            return (await session.speak(Counting()).read()).content

    with RealtimeServer() as server:
        assert anyio.run(main, server.url, backend=loop) == spoken("Hello there.")


@pytest.mark.parametrize(
    ("text", "said"), [(7, "int"), (["Hello ", b"you"], "bytes"), (["\ud800"], "surrogate")]
)
def test_text_that_is_none(converse: Converse, text: Any, said: str) -> None:
    with RealtimeServer() as server, converse(server.url) as talk:
        with pytest.raises(InvalidRequestError, match=said) as caught:
            talk.speak(text).hear_all()
        assert caught.value.param == "text"
        assert talk.speak("Next.").hear_all() == spoken("Next.")
