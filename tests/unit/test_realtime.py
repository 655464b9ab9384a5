"""The realtime protocol, frame by frame."""

import json
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from facade import (
    APIError,
    APITimeoutError,
    EmptyAudioError,
    InvalidRequestError,
    MalformedStreamError,
    SpeechError,
    StreamInterruptedError,
    VoiceMix,
)
from facade._rules.realtime import Session, close_reason
from facade._rules.realtime_settings import RealtimeLimits, RealtimeSettings
from facade._rules.text_gathering import LONGEST_PIECE, TextGatherer
from facade._rules.utterance import Utterance
from tests.strategies import json_values, objects_with

AUDIO = "conversation.item.audio_output.delta"
DONE = "conversation.item.audio_output.done"
WORDS = "conversation.item.word_timestamps"
RECEIVED = "conversation.item.input_text.received"
FAILED = "conversation.item.tts.failed"
CANCELLED = "context.cancelled"
SECOND = 48_000
HEADERS = {"x-request-id": "req-1", "cf-ray": "ray-1"}


def settings_of(**options: Any) -> RealtimeSettings:
    voice = options.pop("voice", "af_heart")
    return RealtimeSettings.build(options, voice=voice, validate_voices=True)


class Wire:
    """A session and the service at its other end, with a clock between them."""

    def __init__(
        self, *, limits: RealtimeLimits | None = None, is_ready: bool = True, **options: Any
    ) -> None:
        self.now = 100.0
        self.session = Session(settings_of(**options), limits=limits, headers=HEADERS)
        if is_ready:
            self.says("session.created")

    def open(self, text: str | None = None, **turn: Any) -> Utterance:
        """Open an utterance; with a text, say it whole and send it."""
        voice = turn.pop("voice", None)
        utterance = self.session.open(self.now, self.session.settings.for_turn(turn, voice=voice))
        if text is not None:
            self.session.append(utterance, text, self.now)
            self.session.end_text(utterance, self.now)
        return utterance

    def sent(self) -> list[dict[str, Any]]:
        return [json.loads(frame) for frame in self.session.frames_to_send(self.now)]

    def speak(self, text: str, **turn: Any) -> tuple[Utterance, str]:
        """Say a text, have the service acknowledge it, and return the id of its context."""
        utterance = self.open(text, **turn)
        context = self.sent()[-1]["context_id"]
        self.says(RECEIVED, context, text=text)
        return utterance, context

    def says(self, kind: str, context: str | None = None, **fields: Any) -> list[Utterance]:
        named = {} if context is None else {"context_id": context}
        return self.frame(json.dumps({"type": kind, **named, **fields}))

    def frame(self, frame: str | bytes) -> list[Utterance]:
        return self.session.receive(frame, self.now)

    def audio(self, context: str | None, audio: bytes, item: Any = "tts_1") -> list[Utterance]:
        return self.says(AUDIO, context, item_id=item, delta=b64encode(audio).decode())

    def words(self, context: str, *words: str, start_s: float = 0.0, **fields: Any) -> None:
        starts = [start_s + 0.5 * n for n in range(len(words))]
        lists = {"words": words, "start_seconds": starts, "end_seconds": [s + 0.5 for s in starts]}
        self.says(WORDS, context, **lists, **fields)

    def wait(self, seconds: float) -> list[Utterance]:
        self.now += seconds
        return self.session.tick(self.now)


def taken(utterance: Utterance) -> bytes:
    pieces = []
    while (piece := utterance.take()) is not None:
        pieces.append(piece)
    return b"".join(pieces)


def kinds(frames: Sequence[dict[str, Any]]) -> list[str]:
    return [frame["type"].removeprefix("input_text_buffer.") for frame in frames]


# --- a turn --------------------------------------------------------------------------------------


def test_a_turn_from_text_to_audio() -> None:
    wire = Wire()
    utterance = wire.open()
    wire.session.append(utterance, "Hello there.", wire.now)
    (first,) = wire.sent()
    wire.session.end_text(utterance, wire.now)
    second, commit = wire.sent()
    assert [first["text"], second["text"]] == ["Hello ", "there."]
    assert kinds([first, second, commit]) == ["append", "append", "commit"]
    context = commit["context_id"]
    assert {first["context_id"], second["context_id"]} == {context}
    wire.says(RECEIVED, context, text="Hello ")
    wire.says(RECEIVED, context, text="there.")
    assert wire.audio(context, b"ab" * 24_000) == [utterance]
    assert utterance.take() == b"ab" * 24_000
    assert utterance.take() is None
    wire.words(context, "Hello", "there")
    assert not utterance.is_over
    assert wire.says(DONE, context, item_id="tts_1") == [utterance]
    assert utterance.is_over
    assert (utterance.ending, utterance.error) == ("words", None)
    assert [word.word for word in utterance.words] == ["Hello", "there"]
    assert utterance.format.sample_rate_hz == 24000


def test_words_that_wait_to_be_sent_go_together() -> None:
    wire = Wire()
    one, other = wire.open(), wire.open()
    for token in ("Hello ", "there, ", "you."):
        wire.session.append(one, token, wire.now)
    wire.session.append(other, "And you. ", wire.now)
    wire.session.append(one, " " + "a" * LONGEST_PIECE + " ", wire.now)
    wire.session.append(one, "b ", wire.now)
    texts = [frame["text"] for frame in wire.sent()]
    assert texts[:2] == ["Hello there, ", "And you. "]
    assert "".join(texts[2:]) == "you. " + "a" * LONGEST_PIECE + " b "
    assert max(map(len, texts)) <= LONGEST_PIECE
    wire.session.append(one, "And more ", wire.now)
    assert [frame["text"] for frame in wire.sent()] == ["And more "]


def test_nothing_goes_out_before_the_session_is_there() -> None:
    wire = Wire(is_ready=False)
    wire.open("Hello")
    assert wire.sent() == []
    wire.says("session.created")
    assert kinds(wire.sent()) == ["append", "commit"]


def test_without_text_nothing_is_sent() -> None:
    wire = Wire()
    utterance = wire.open(" \n")
    assert (utterance.ending, utterance.error) == ("no text", None)
    assert wire.sent() == []
    assert wire.session.next_tick() is None


def test_spaces_behind_the_last_word_are_not_sent() -> None:
    wire = Wire()
    utterance = wire.open()
    for token in ("One ", " \n"):
        wire.session.append(utterance, token, wire.now)
    wire.session.end_text(utterance, wire.now)
    assert kinds(wire.sent()) == ["append", "commit"]
    assert utterance.text == "One  \n"


def test_tokens_go_out_by_the_word_or_when_their_time_is_up() -> None:
    wire = Wire(limits=RealtimeLimits(hold_s=0.03))
    utterance = wire.open()
    for token in ("Hel", "lo", " wor"):
        wire.session.append(utterance, token, wire.now)
    assert [frame["text"] for frame in wire.sent()] == ["Hello "]
    assert wire.session.next_tick() == pytest.approx(wire.now + 0.03)
    wire.wait(0.02)
    assert wire.sent() == []
    wire.wait(0.011)
    assert [frame["text"] for frame in wire.sent()] == ["wor"]
    assert wire.session.next_tick() is None


@pytest.mark.parametrize("token", [b"bytes", None, 3])
def test_a_token_that_is_no_string_is_refused(token: Any) -> None:
    wire = Wire()
    with pytest.raises(InvalidRequestError, match="text: must be a string"):
        wire.session.append(wire.open(), token, wire.now)


def test_a_token_that_cannot_be_sent_is_refused() -> None:
    wire = Wire()
    with pytest.raises(InvalidRequestError, match="surrogate"):
        wire.session.append(wire.open(), "\ud800", wire.now)


def test_a_turn_may_have_settings_of_its_own() -> None:
    wire = Wire(voice="af_heart", language="en")
    wire.open("Hi", voice="am_adam")
    update, *_ = wire.sent()
    assert update == {
        "type": "tts_session.updated",
        "session": {"voice": "am_adam"},
        "context_id": "context-1",
    }


def test_a_context_with_settings_of_its_own_is_cancelled_before_it_is_used_again() -> None:
    wire = Wire(limits=RealtimeLimits(contexts=1))
    _, context = wire.speak("Hi", voice="am_adam")
    wire.audio(context, b"ab" * 12_000)
    wire.words(context, "Hi")
    wire.says(DONE, context, item_id="tts_1")
    assert kinds(wire.sent()) == ["context.cancel"]
    free_at = wire.session.free_at(wire.now)
    assert free_at is not None
    assert free_at > wire.now
    with pytest.raises(SpeechError, match="no other utterance now"):
        wire.open()
    wire.says(CANCELLED, context)
    assert wire.session.free_at(wire.now) == wire.now


def test_while_nothing_is_read_no_id_gets_free() -> None:
    wire = Wire(limits=RealtimeLimits(contexts=1, rest_s=5))
    utterance, _ = wire.speak("Hi")
    wire.session.interrupt(utterance, wire.now)
    wire.session.pause(wire.now)
    wire.now += 10
    assert wire.session.free_at(wire.now) is None
    wire.session.resume(wire.now)
    assert wire.session.free_at(wire.now) == wire.now + 5


def test_signs_without_the_name_of_an_item_are_those_of_the_new_utterance() -> None:
    wire = Wire(limits=RealtimeLimits(contexts=1, rest_s=5))
    first, context = wire.speak("One.")
    wire.audio(context, b"11" * 12_000, None)
    wire.session.interrupt(first, wire.now)
    wire.now += 5
    second, again = wire.speak("Two.")
    assert again == context
    wire.audio(context, b"22" * 12_000, None)
    wire.words(context, "Two")
    wire.says(DONE, context)
    assert taken(second) == b"22" * 12_000
    assert second.ending == "words"


# --- the end -------------------------------------------------------------------------------------


def test_several_done_for_one_commit_lose_no_audio() -> None:
    wire = Wire()
    utterance, context = wire.speak("One. Two.")
    wire.audio(context, b"11" * 12_000, "tts_1")
    wire.words(context, "One")
    wire.says(DONE, context, item_id="tts_1")
    assert not utterance.is_over
    wire.wait(3)
    wire.audio(context, b"22" * 12_000, "tts_2")
    wire.words(context, "Two", start_s=0.5)
    wire.says(DONE, context, item_id="tts_2")
    assert utterance.ending == "words"
    assert taken(utterance) == b"11" * 12_000 + b"22" * 12_000


def test_timings_that_begin_again_with_each_item_are_put_behind_each_other() -> None:
    wire = Wire()
    utterance, context = wire.speak("One. Two three. Four.")
    wire.audio(context, b"11" * 24_000, "tts_1")
    wire.words(context, "One", item_id="tts_1")
    wire.audio(context, b"22" * 30_000, "tts_2")
    wire.words(context, "Two", item_id="tts_2")
    wire.words(context, "three", start_s=0.5, item_id="tts_2")
    wire.words(context, "Four")
    wire.words(context, "Five", item_id="tts_3")
    wire.audio(context, b"33" * 60_000, "tts_4")
    wire.words(context, "Six", item_id="tts_4")
    assert [(word.word, word.start_s) for word in utterance.words] == [
        ("One", 0.0),
        ("Two", 1.0),
        ("three", 1.5),
        # Of no known item: behind the audio, or where that is too far off, behind the word before.
        ("Four", 2.25),
        ("Five", 2.75),
        ("Six", 3.25),
    ]


def test_a_session_without_timings_ends_by_done() -> None:
    wire = Wire()
    utterance, context = wire.speak("One.")
    wire.audio(context, b"11" * 24_000)
    wire.says(DONE, context, item_id="tts_1")
    assert not utterance.is_over
    wake = wire.session.next_tick()
    assert wake == pytest.approx(wire.now + 1.0)
    assert wire.wait(0.5) == []
    assert wire.wait(0.5) == [utterance]
    assert utterance.ending == "done"


def test_less_audio_than_speech_can_have_is_not_all_of_it() -> None:
    wire = Wire()
    utterance, context = wire.speak("One sentence is here. And another is still to come.")
    wire.audio(context, b"11" * 24_000)
    wire.says(DONE, context, item_id="tts_1")
    wire.wait(2)
    assert not utterance.is_over
    wire.audio(context, b"22" * 60_000, "tts_2")
    wire.says(DONE, context, item_id="tts_2")
    wire.wait(1)
    assert utterance.ending == "done"


def test_done_before_its_audio_loses_nothing() -> None:
    wire = Wire()
    utterance, context = wire.speak("One")
    wire.words(context, "One")
    wire.says(DONE, context, item_id="tts_1")
    wire.audio(context, b"11" * 12_000)
    wire.audio(context, b"22" * 3_000)
    assert not utterance.is_over
    wire.wait(1)
    assert utterance.ending == "words"
    assert taken(utterance) == b"11" * 12_000 + b"22" * 3_000


def test_without_done_the_timings_are_enough() -> None:
    wire = Wire()
    utterance, context = wire.speak("One")
    wire.audio(context, b"11" * 12_000)
    wire.words(context, "One")
    assert not utterance.is_over
    wire.wait(1)
    assert utterance.ending == "words"


@pytest.mark.parametrize(
    "limits", [RealtimeLimits(settle_s=0.25), RealtimeLimits(read_s=0.25, settle_s=2)]
)
def test_nothing_is_due_sooner_after_audio_than_the_shortest_wait(limits: RealtimeLimits) -> None:
    wire = Wire(limits=limits)
    _, context = wire.speak("Hello.")
    wire.words(context, "Hello")
    wire.audio(context, bytes(SECOND))
    due_at = wire.session.next_tick()
    assert due_at is not None
    assert due_at - wire.now == pytest.approx(0.25) == limits.soonest_s


def test_without_any_sign_quiet_is_the_end() -> None:
    wire = Wire(limits=RealtimeLimits(quiet_s=5))
    utterance = wire.open("One")
    context = wire.sent()[-1]["context_id"]
    wire.audio(context, b"11" * 12_000)
    wire.wait(4.9)
    wire.audio(context, b"11" * 12_000)
    wire.wait(4.9)
    assert not utterance.is_over
    wire.wait(0.1)
    assert utterance.ending == "quiet"


def test_words_without_a_time_are_given_up_in_the_end() -> None:
    wire = Wire()
    utterance, context = wire.speak("One. Two.")
    wire.audio(context, b"11" * 12_000)
    wire.words(context, "One")
    wire.says(DONE, context, item_id="tts_1")
    wire.wait(9.9)
    assert not utterance.is_over
    wire.wait(0.1)
    assert utterance.ending == "quiet"


def test_a_short_limit_ends_what_may_be_whole_and_fails_only_what_is_not() -> None:
    wire = Wire(limits=RealtimeLimits(read_s=0.5))
    utterance, context = wire.speak("One")
    wire.audio(context, b"11" * 12_000)
    wire.says(DONE, context, item_id="tts_1")
    wire.wait(0.5)
    assert (utterance.ending, utterance.error) == ("done", None)


def test_audio_before_the_commit_is_no_end() -> None:
    wire = Wire()
    utterance = wire.open()
    wire.session.append(utterance, "One ", wire.now)
    (frame,) = wire.sent()
    wire.audio(frame["context_id"], b"11" * 12_000)
    wire.words(frame["context_id"], "One")
    wire.says(DONE, frame["context_id"], item_id="tts_1")
    assert wire.wait(1000) == []
    wire.session.end_text(utterance, wire.now)
    wire.sent()
    assert wire.session.next_tick() == wire.now
    assert wire.wait(0) == [utterance]
    assert utterance.ending == "words"


@pytest.mark.parametrize(
    ("seen", "waited_for"),
    [
        ([], "the service's acknowledgement of the text did not come within first_audio_s=60 s"),
        (["ack"], "the first audio did not come within first_audio_s=60 s"),
        (["ack", "words", "audio"], "the audio of the word 'there' did not come within read_s=7 s"),
        (["ack", "audio", "other item"], "the end of the item 'tts_1' did not come within read_s"),
        (["audio", "other ack"], "the end of the item 'tts_1' did not come within read_s"),
        (["audio", "done", "other ack"], "the rest of the audio did not come within read_s=7 s"),
    ],
)
def test_what_never_comes_is_told_at_its_deadline(seen: list[str], waited_for: str) -> None:
    wire = Wire(limits=RealtimeLimits(read_s=7))
    other, other_context = wire.speak("Another")
    wire.session.interrupt(other, wire.now)
    utterance = wire.open("Hello there")
    context = wire.sent()[-1]["context_id"]
    third = wire.open("Third")
    third_context = wire.sent()[-1]["context_id"]
    if not seen:
        wire.session.interrupt(third, wire.now)
    for sign in seen:
        match sign:
            case "ack":
                wire.says(RECEIVED, context, text="Hello there")
            case "words":
                wire.words(context, "Hello", "there")
            case "audio":
                wire.audio(context, b"11" * 6_000)
            case "done":
                wire.says(DONE, context, item_id="tts_1")
            case "other ack":
                wire.says(RECEIVED, third_context, text="Third")
            case _:
                wire.audio(third_context, b"33" * 6_000, "tts_9")
                wire.says(DONE, third_context, item_id="tts_9")
    wire.wait(1000)
    assert utterance.ending == "failed"
    assert isinstance(utterance.error, APITimeoutError)
    assert waited_for in str(utterance.error)
    assert "req-1" in str(utterance.error)
    assert other_context != context


def test_the_whole_has_a_deadline_too() -> None:
    wire = Wire(limits=RealtimeLimits(total_s=10))
    utterance, context = wire.speak("One")
    for _ in range(9):
        wire.wait(1)
        wire.audio(context, b"1111")
    assert not utterance.is_over
    wire.wait(1)
    assert "total_s=10" in str(utterance.error)


def test_time_in_which_nobody_reads_the_socket_does_not_count() -> None:
    wire = Wire()
    utterance, context = wire.speak("One")
    wire.audio(context, b"11" * 24_000)
    wire.says(DONE, context, item_id="tts_1")
    wire.session.pause(wire.now)
    wire.session.pause(wire.now)
    assert wire.session.next_tick() is None
    assert wire.wait(1000) == []
    wire.session.resume(wire.now)
    wire.session.resume(wire.now)
    assert wire.session.next_tick() == pytest.approx(wire.now + 1)
    assert wire.wait(0.5) == []
    wire.audio(context, b"22" * 24_000, "tts_2")
    wire.says(DONE, context, item_id="tts_2")
    wire.wait(1)
    assert utterance.ending == "done"
    assert taken(utterance) == b"11" * 24_000 + b"22" * 24_000


def test_an_item_without_audio_delays_the_end_and_no_more() -> None:
    wire = Wire()
    utterance, context = wire.speak("One. ...")
    wire.audio(context, b"11" * 24_000, "tts_1")
    wire.says(DONE, context, item_id="tts_1")
    wire.says(DONE, context, item_id="tts_2")
    wire.wait(2.9)
    assert not utterance.is_over
    wire.wait(0.1)
    assert (utterance.ending, utterance.error) == ("done", None)


def test_a_done_that_names_no_item_is_of_all() -> None:
    wire = Wire()
    utterance, context = wire.speak("One")
    wire.audio(context, b"11" * 12_000, "tts_1")
    wire.words(context, "One")
    wire.says(DONE, context)
    assert utterance.ending == "words"


def test_done_without_audio_is_a_failure() -> None:
    wire = Wire()
    utterance, context = wire.speak("...")
    wire.says(DONE, context, item_id="tts_1")
    wire.wait(3)
    assert isinstance(utterance.error, EmptyAudioError)


def test_samples_may_be_cut_anywhere_but_not_at_the_end() -> None:
    wire = Wire()
    utterance, context = wire.speak("One")
    wire.audio(context, b"1")
    wire.audio(context, b"12" + b"33" * 12_000 + b"4")
    assert taken(utterance) == b"11" + b"2" + b"33" * 12_000 + b"4"
    wire.audio(context, b"5")
    wire.words(context, "One")
    wire.says(DONE, context, item_id="tts_1")
    assert isinstance(utterance.error, MalformedStreamError)
    assert "inside a sample" in str(utterance.error)


# --- interruption --------------------------------------------------------------------------------


def test_an_interruption_ends_it_here_and_there() -> None:
    wire = Wire()
    utterance, context = wire.speak("Hello there, my friend.")
    wire.audio(context, b"11" * 60_000)
    wire.words(context, "Hello", "there", "my", "friend")
    cut = wire.session.interrupt(utterance, wire.now, played_s=1.2)
    assert (cut.heard, cut.unheard, cut.by) == ("Hello there,", " my friend.", "words")
    assert [(frame["type"], frame["context_id"]) for frame in wire.sent()] == [
        ("input_text_buffer.clear", context),
        ("context.cancel", context),
    ]
    assert utterance.take() is None
    assert utterance.waiting_bytes == 0
    assert wire.audio(context, b"22") == []
    assert wire.says(CANCELLED, context) == []
    assert wire.audio(context, b"33") == []
    assert utterance.take() is None
    assert (utterance.ending, utterance.error) == ("interrupted", None)


def test_what_was_taken_counts_as_heard_where_nobody_says() -> None:
    wire = Wire()
    utterance, context = wire.speak("Hello there")
    wire.audio(context, b"11" * 12_000)
    wire.audio(context, b"11" * 12_000)
    wire.words(context, "Hello", "there")
    assert utterance.waiting_bytes == 48_000
    utterance.take()
    assert utterance.waiting_bytes == 24_000
    assert wire.session.interrupt(utterance, wire.now).heard == "Hello"


def test_text_that_was_not_sent_never_is() -> None:
    wire = Wire()
    utterance = wire.open("Hello there")
    other = wire.open("Other")
    cut = wire.session.interrupt(utterance, wire.now)
    assert (cut.heard, cut.unheard) == ("", "Hello there")
    wire.session.append(utterance, " more", wire.now)
    wire.session.end_text(utterance, wire.now)
    assert [frame["context_id"] for frame in wire.sent()] == ["context-2", "context-2"]
    assert utterance.text == "Hello there"
    assert not utterance.was_sent
    assert other.was_sent


def test_an_utterance_at_its_end_can_still_be_interrupted() -> None:
    wire = Wire()
    utterance, context = wire.speak("Hello there")
    wire.audio(context, b"11" * 24_000)
    wire.words(context, "Hello", "there")
    wire.says(DONE, context, item_id="tts_1")
    cut = wire.session.interrupt(utterance, wire.now, played_s=0.6)
    assert (cut.heard, utterance.ending, utterance.take()) == ("Hello", "interrupted", None)
    assert wire.sent() == []


def test_what_is_all_taken_keeps_its_end() -> None:
    wire = Wire()
    utterance, context = wire.speak("Hello")
    wire.audio(context, b"11" * 12_000)
    wire.words(context, "Hello")
    wire.says(DONE, context, item_id="tts_1")
    taken(utterance)
    assert wire.session.interrupt(utterance, wire.now).heard == "Hello"
    assert utterance.ending == "words"


# --- ids that are used again ---------------------------------------------------------------------

ONE = RealtimeLimits(contexts=1, rest_s=60)


def finish(wire: Wire, context: str, item: str = "tts_1") -> None:
    wire.audio(context, b"11" * 12_000, item)
    wire.words(context, "One")
    wire.says(DONE, context, item_id=item)


def test_ids_are_used_again_the_oldest_first() -> None:
    wire = Wire(limits=RealtimeLimits(contexts=3))
    used = []
    for _ in range(7):
        _, context = wire.speak("One")
        used.append(context)
        finish(wire, context)
    assert used == [f"context-{n}" for n in (1, 2, 3, 1, 2, 3, 1)]


def test_a_connection_takes_no_more_contexts_than_the_service() -> None:
    wire = Wire()
    for _ in range(100):
        assert wire.session.free_at(wire.now) == wire.now
        _, context = wire.speak("One")
    assert wire.session.free_at(wire.now) is None
    with pytest.raises(SpeechError, match="100 utterances are open"):
        wire.open()
    finish(wire, context)
    assert wire.session.free_at(wire.now) == wire.now


def test_a_late_sign_of_what_is_whole_says_nothing_but_audio_does() -> None:
    wire = Wire(limits=ONE)
    _, context = wire.speak("One")
    finish(wire, context)
    wire.says(DONE, context, item_id="tts_1")
    assert wire.session.free_at(wire.now) == wire.now
    assert wire.audio(context, b"11", "tts_2") == []
    assert wire.session.free_at(wire.now) == wire.now + 60


def test_an_id_that_may_still_be_spoken_for_rests() -> None:
    wire = Wire(limits=RealtimeLimits(contexts=1, rest_s=60))
    utterance, context = wire.speak("One")
    wire.audio(context, b"11")
    wire.session.interrupt(utterance, wire.now)
    assert wire.session.free_at(wire.now) == wire.now + 60
    wire.now += 30
    wire.says(CANCELLED, context)
    assert wire.session.free_at(wire.now) == wire.now + 60
    wire.now += 30
    wire.audio(context, b"22", "tts_2")
    assert wire.session.free_at(wire.now) == wire.now + 60
    wire.now += 60
    assert wire.session.free_at(wire.now) == wire.now


def again(wire: Wire) -> tuple[Utterance, str]:
    """Interrupt an utterance, and open the next one with its id."""
    utterance, context = wire.speak("One")
    wire.audio(context, b"old old ", "tts_1")
    wire.session.interrupt(utterance, wire.now)
    wire.sent()
    wire.now += 60
    return wire.open("One"), context


def test_audio_before_the_text_was_sent_is_of_the_one_before() -> None:
    wire = Wire(limits=ONE)
    utterance, context = again(wire)
    assert wire.audio(context, b"old?", "tts_2") == []
    wire.sent()
    wire.audio(context, b"new!", "tts_3")
    assert taken(utterance) == b"new!"


def test_an_item_of_the_one_before_reaches_nobody() -> None:
    wire = Wire(limits=ONE)
    utterance, context = again(wire)
    wire.sent()
    assert wire.audio(context, b"old!", "tts_1") == []
    assert wire.says(DONE, context, item_id="tts_1") == []
    wire.words(context, "One", item_id="tts_1")
    wire.audio(context, b"new!", "tts_2")
    wire.session.interrupt(utterance, wire.now)
    wire.now += 60
    third = wire.open("One")
    wire.sent()
    wire.audio(context, b"old!", "tts_1")
    wire.audio(context, b"old!", "tts_2")
    wire.audio(context, b"new!", "tts_3")
    assert taken(third) == b"new!"


def test_where_ids_of_items_repeat_they_prove_nothing() -> None:
    wire = Wire(limits=RealtimeLimits(contexts=2))
    for text in ("One", "Two"):
        utterance, context = wire.speak(text)
        wire.audio(context, b"old!", "tts_1")
        wire.session.interrupt(utterance, wire.now)
    wire.now += 60
    utterance, context = wire.speak("Three")
    wire.audio(context, b"new!", "tts_1")
    assert taken(utterance) == b"new!"


def test_an_item_of_an_utterance_that_ended_well_may_repeat() -> None:
    wire = Wire(limits=ONE)
    for _ in range(3):
        utterance, context = wire.speak("One")
        finish(wire, context)
        assert len(taken(utterance)) == 24_000


def test_a_late_confirmation_does_not_end_the_next_utterance() -> None:
    wire = Wire(limits=ONE)
    utterance, context = again(wire)
    assert wire.says(CANCELLED, context) == []
    assert not utterance.is_over


@pytest.mark.parametrize("context", ["nobody", 7, {"a": 1}])
def test_a_context_that_nobody_opened_reaches_nobody(context: Any) -> None:
    wire = Wire()
    utterance, _ = wire.speak("One")
    assert wire.audio(context, b"11") == []
    assert wire.says(DONE, context, item_id="tts_1") == []
    assert wire.says(FAILED, context, error={"message": "no"}) == []
    assert wire.says("error", context, error={"message": "no"}) == []
    assert not utterance.is_over
    assert utterance.take() is None


# --- a service that names no contexts ------------------------------------------------------------


def test_audio_without_a_context_is_of_the_only_one() -> None:
    wire = Wire()
    for _ in range(3):
        utterance, _ = wire.speak("One")
        wire.audio(None, b"11" * 12_000)
        assert wire.session.free_at(wire.now) is None
        lists: dict[str, Any] = {"words": ["One"], "start_seconds": [0], "end_seconds": [0.5]}
        wire.says(WORDS, **lists)
        wire.says(DONE, item_id="tts_1")
        assert len(taken(utterance)) == 24_000
        assert utterance.ending == "words"


def test_after_an_interruption_such_a_connection_takes_no_more() -> None:
    wire = Wire()
    utterance, _ = wire.speak("One")
    wire.audio(None, b"11")
    wire.session.interrupt(utterance, wire.now)
    assert wire.audio(None, b"22", "tts_2") == []
    wire.now += 1000
    assert wire.session.free_at(wire.now) is None
    assert wire.session.utterances == []


def test_audio_without_a_context_goes_by_its_item() -> None:
    wire = Wire()
    one, first = wire.speak("One")
    two, second = wire.speak("Two")
    wire.audio(first, b"11", "tts_1")
    wire.audio(second, b"22", "tts_2")
    wire.audio(None, b"33", "tts_1")
    wire.session.interrupt(two, wire.now)
    wire.audio(None, b"44", "tts_2")
    assert (taken(one), taken(two)) == (b"1133", b"")


def test_audio_that_may_be_anybody_s_fails_them_all() -> None:
    wire = Wire()
    utterances = [wire.speak("One")[0], wire.speak("Two")[0]]
    assert wire.audio(None, b"11", None) == utterances
    for utterance in utterances:
        assert "names no context, and several are open" in str(utterance.error)


def test_a_sign_without_a_context_is_nobody_s_where_there_are_several() -> None:
    wire = Wire()
    utterances = [wire.speak("One")[0], wire.speak("Two")[0]]
    assert wire.says(DONE, item_id="tts_1") == []
    assert not any(utterance.is_over for utterance in utterances)


# --- failures ------------------------------------------------------------------------------------

SAID = {"message": "no capacity", "type": "server_error", "code": "busy", "param": None}


@pytest.mark.parametrize("kind", [FAILED, "error"])
def test_a_failure_is_of_the_one_that_it_names(kind: str) -> None:
    wire = Wire()
    one, first = wire.speak("One")
    two, _ = wire.speak("Two")
    wire.audio(first, b"11")
    assert wire.says(kind, first, error=SAID) == [one]
    assert taken(one) == b"11"
    assert isinstance(one.error, APIError)
    assert (one.error.message, one.error.code, one.error.request_id) == (
        "no capacity",
        "busy",
        "req-1",
    )
    assert not two.is_over
    assert kinds(wire.sent()) == ["clear", "context.cancel"]


@pytest.mark.parametrize("kind", [FAILED, "error"])
def test_a_failure_without_a_name_is_everybody_s(kind: str) -> None:
    wire = Wire()
    one, _ = wire.speak("One")
    two, _ = wire.speak("Two")
    assert wire.says(kind, error=SAID) == [one, two]
    assert one.error is not two.error
    assert str(one.error) == str(two.error)


def test_a_failure_may_name_an_item() -> None:
    wire = Wire()
    one, first = wire.speak("One")
    two, _ = wire.speak("Two")
    wire.audio(first, b"11", "tts_1")
    assert wire.says(FAILED, item_id="tts_1", error=SAID) == [one]
    assert not two.is_over


def test_a_failure_of_a_cancelled_context_reaches_nobody() -> None:
    wire = Wire()
    one, first = wire.speak("One")
    two, _ = wire.speak("Two")
    wire.session.interrupt(one, wire.now)
    assert wire.says(FAILED, first, error=SAID) == []
    assert (one.error, two.is_over) == (None, False)


def test_an_error_in_place_of_the_session_is_its_failure() -> None:
    wire = Wire(is_ready=False)
    utterance = wire.open("One")
    said = {"message": "bad key", "code": "invalid_api_key"}
    assert wire.says("error", error=said) == [utterance]
    assert isinstance(wire.session.failure, APIError)
    assert wire.session.failure.code == "invalid_api_key"
    assert utterance.error is not wire.session.failure
    assert wire.session.free_at(wire.now) is None
    assert wire.sent() == []


def test_a_context_that_the_service_cancels_by_itself_has_failed() -> None:
    wire = Wire()
    utterance, context = wire.speak("One")
    wire.audio(context, b"11")
    wire.says(CANCELLED, context)
    assert isinstance(utterance.error, StreamInterruptedError)
    assert "cancelled" in str(utterance.error)
    assert utterance.error.bytes_received == 2


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        ("{", "no JSON object"),
        ("[1]", "no JSON object"),
        (b"\xff\x00\x01", "no JSON object"),
        ("\ud800", "no JSON object"),
        ("", "no JSON object"),
        ("[" * 100_000, "no JSON object"),
        (b"{" + b" " * (32 * 1024 * 1024) + b"}", "larger than 33554432 bytes"),
        (b'{"type":"x","a":"\xff"}', "cannot be read"),
        ('{"type":"x","pcm":"MTExMTEx"}', "may be audio in 'pcm'"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_cannot_be_read_fails_everybody(frame: str | bytes, why: str) -> None:
    wire = Wire()
    utterances = [wire.speak("One")[0], wire.speak("Two")[0]]
    assert wire.frame(frame) == utterances
    for utterance in utterances:
        assert isinstance(utterance.error, MalformedStreamError)
        assert why in str(utterance.error)
        assert utterance.error.event_number == 4
    assert wire.session.free_at(wire.now) == wire.now


@pytest.mark.parametrize(
    ("kind", "fields", "why"),
    [
        (AUDIO, {"delta": "?"}, "no base64"),
        (AUDIO, {"delta": "MTE"}, "no base64"),
        (AUDIO, {"delta": None}, "no base64: there is none"),
        (WORDS, {"words": ["a"], "start_seconds": [], "end_seconds": [1]}, "word timings"),
        (WORDS, {"words": "a"}, "word timings"),
        ("news", {"audio": "MTExMTEx"}, "may be audio in 'audio'"),
        ("news", {"status": "failed", "message": "no"}, "no"),
    ],
)
def test_what_is_wrong_in_one_context_is_only_its_own(
    kind: str, fields: dict[str, Any], why: str
) -> None:
    wire = Wire()
    one, first = wire.speak("One")
    two, _ = wire.speak("Two")
    assert wire.says(kind, first, **fields) == [one]
    assert why in str(one.error)
    assert not two.is_over


@pytest.mark.parametrize(
    "event",
    [
        {"type": "session.updated", "session": {}},
        {"type": "rate_limits", "context_id": "context-1", "left": 3},
        {"type": WORDS, "context_id": "context-1", "words": []},
        {"type": RECEIVED, "context_id": "context-1", "text": None},
        {"type": AUDIO, "context_id": "context-1", "item_id": ["a"], "delta": ""},
    ],
)
def test_what_means_nothing_passes(event: dict[str, Any]) -> None:
    wire = Wire()
    utterance, _ = wire.speak("One")
    wire.frame(json.dumps(event))
    assert not utterance.is_over
    assert utterance.take() is None


def test_base64_with_escapes_and_timings_in_a_nest_are_read() -> None:
    wire = Wire()
    utterance, context = wire.speak("One")
    wire.frame(
        json.dumps({"type": AUDIO, "context_id": context, "delta": "////"}).replace("/", "\\/")
    )
    lists = {"words": ["One"], "start_seconds": [0], "end_seconds": [0.5]}
    wire.says(WORDS, context, timestamps=lists)
    assert utterance.take() == b"\xff\xff"
    assert [word.word for word in utterance.words] == ["One"]


events = st.builds(
    lambda named, fields: {**fields, **named},
    st.fixed_dictionaries(
        {"type": st.sampled_from([AUDIO, DONE, WORDS, RECEIVED, FAILED, CANCELLED, "error", "x"])},
        optional={
            "context_id": st.sampled_from(["context-1", "context-2", "context-9"]),
            "item_id": st.sampled_from(["tts_1", "tts_2", 3]),
            "delta": st.sampled_from(["", "MTE=", "MTEx", "!"]),
        },
    ),
    objects_with("context_id", "item_id", "delta", "text", "words", "start_seconds", "end_seconds"),
)


@given(st.lists(events.map(json.dumps) | st.binary() | json_values.map(json.dumps), max_size=12))
def test_whatever_the_service_says_is_no_exception(frames: list[str | bytes]) -> None:
    wire = Wire(limits=RealtimeLimits(contexts=2))
    utterances = [wire.speak("One two")[0], wire.speak("Three")[0]]
    for frame in frames:
        wire.frame(frame)
        wire.wait(0.3)
    wire.wait(1000)
    for utterance in utterances:
        assert utterance.is_over
        assert len(taken(utterance)) == utterance.audio_bytes
        assert (utterance.ending == "failed") == (utterance.error is not None)
    assert wire.session.next_tick() is None


def test_who_writes_the_text_may_fail_it() -> None:
    wire = Wire()
    utterance, context = wire.speak("One")
    wire.audio(context, b"11")
    wire.session.fail(utterance, None, wire.now)
    assert (utterance.ending, utterance.error, taken(utterance)) == ("failed", None, b"11")
    assert kinds(wire.sent()) == ["clear", "context.cancel"]
    wire.session.fail(utterance, SpeechError("late"), wire.now)
    assert utterance.error is None


# --- a lost connection ---------------------------------------------------------------------------


def test_a_lost_connection_fails_what_was_heard_and_gives_back_the_rest() -> None:
    wire = Wire()
    heard, first = wire.speak("One two three")
    unheard, _ = wire.speak("Two")
    waiting = wire.open("Three")
    wire.audio(first, b"11" * 24_000)
    wire.words(first, "One", "two")
    cause = OSError("reset")
    lost = wire.session.connection_lost(close_reason(1011, "oops"), wire.now, cause=cause)
    assert lost.failed == [heard]
    assert lost.unspoken == [unheard, waiting]
    assert isinstance(heard.error, StreamInterruptedError)
    assert heard.error.__cause__ is cause
    assert "1011 (internal error, oops)" in str(heard.error)
    assert heard.heard(0.6).heard == "One"
    assert (unheard.was_sent, waiting.was_sent) == (True, False)
    assert not unheard.is_over
    assert wire.session.free_at(wire.now) is None
    assert wire.sent() == []


def test_what_nobody_heard_is_spoken_on_another_connection() -> None:
    wire = Wire()
    whole, first = wire.speak("One two", voice="am_adam")
    wire.words(first, "One")
    partial = wire.open()
    wire.session.append(partial, "Three fo", wire.now)
    assert wire.session.connection_lost("gone", wire.now).unspoken == [whole, partial]
    wire.session.append(partial, "ur", wire.now)
    other = Wire()
    other.session.adopt(whole, other.now)
    other.session.adopt(partial, other.now)
    other.wait(1)
    sent = other.sent()
    assert kinds(sent) == ["tts_session.updated", "append", "commit", "append"]
    assert "".join(frame.get("text", "") for frame in sent) == "One twoThree four"
    other.session.append(partial, " five", other.now)
    other.session.end_text(partial, other.now)
    assert kinds(other.sent()) == ["append", "commit"]
    assert partial.text == "Three four five"
    other.audio("context-1", b"22" * 24_000)
    other.words("context-1", "One", "two")
    other.says(DONE, "context-1", item_id="tts_1")
    assert (whole.ending, len(whole.words)) == ("words", 2)


def test_what_nobody_takes_over_can_be_interrupted_or_failed() -> None:
    wire = Wire()
    one, two = wire.open("One"), wire.open("Two")
    wire.session.connection_lost("gone", wire.now)
    assert wire.session.interrupt(one, wire.now).unheard == "One"
    assert one.ending == "interrupted"
    wire.session.fail(two, SpeechError("gone"), wire.now)
    assert str(two.error) == "gone"


def test_the_first_failure_of_a_session_stays() -> None:
    wire = Wire()
    wire.session.connection_lost("first", wire.now)
    wire.session.connection_lost("second", wire.now)
    assert "first" in str(wire.session.failure)


@pytest.mark.parametrize(
    ("code", "reason", "said"),
    [
        (1006, "", "1006 (no close frame came)"),
        (4503, "", "4503 (no healthy workers)"),
        (1013, "later\x00", "1013 (try again later, later)"),
        (4999, "", "4999"),
    ],
)
def test_close_codes_in_words(code: int, reason: str, said: str) -> None:
    assert close_reason(code, reason) == f"the service closed the connection: {said}"


# --- settings ------------------------------------------------------------------------------------


def test_the_query_says_what_was_asked_for() -> None:
    mix = VoiceMix({"af_bella": 2, "af_heart": 1})
    query = settings_of(
        voice=mix,
        language="en",
        segment="immediate",
        pronunciation_dict={"omg": "oh my god"},
        extra_body={"speed": 1.5, "max_partial_length": 100, "flag": True},
    ).query
    assert set(query.split("&")) == {
        "model=hexgrad%2FKokoro-82M",
        "voice=af_bella%282%29%2Baf_heart%281%29",
        "language=en",
        "segment=immediate",
        "alignment=word",
        "speed=1.5",
        "max_partial_length=100",
        "flag=true",
        "extra_params=%7B%22pronunciation_dict%22%3A%5B%22omg%2Foh%20my%20god%22%5D%7D",
    }


def test_alignment_can_be_turned_off() -> None:
    assert settings_of(alignment="none").fields["alignment"] == "none"


@pytest.mark.parametrize(
    ("options", "rate_hz"),
    [
        ({}, 24000),
        ({"sample_rate": 24000, "response_encoding": "pcm_s16le"}, 24000),
        ({"model": "cartesia/sonic-2", "voice": "nova"}, 24000),
        ({"model": "cartesia/sonic-2", "voice": "nova", "sample_rate": 44100}, 44100),
    ],
)
def test_the_audio_is_always_s16le(options: dict[str, Any], rate_hz: int) -> None:
    form = settings_of(**options).format
    assert (form.container, form.encoding, form.sample_rate_hz, form.channels) == (
        "raw",
        "pcm_s16le",
        rate_hz,
        1,
    )


def test_what_the_connection_would_ignore_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="always gives pcm_s16le"):
        settings_of(model="cartesia/sonic-2", voice="x", response_encoding="pcm_f32le")
    with pytest.raises(InvalidRequestError, match="af_hart"):
        settings_of(voice="af_hart")
    with pytest.raises(TypeError, match="bit_rate"):
        settings_of(bit_rate=32000)


def test_a_turn_keeps_what_it_does_not_change() -> None:
    session = settings_of(language="en", extra_body={"speed": 2})
    turn = session.for_turn({"language": None}, voice="am_adam")
    assert session.changes_to(turn) == {"voice": "am_adam"}
    assert turn.fields["speed"] == 2
    assert session.for_turn({}, voice=None) is session


# --- gathering -----------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.text(max_size=8), st.floats(0, 0.05))))
def test_gathering_changes_nothing_and_holds_nothing_for_long(
    tokens: list[tuple[str, float]],
) -> None:
    gatherer = TextGatherer(0.03)
    now, out = 0.0, ""
    arrivals: list[float] = []
    for token, pause_s in tokens:
        # The caller wakes up in time, and then takes what is due.
        if gatherer.due_at is not None and gatherer.due_at <= now + pause_s:
            out += "".join(gatherer.due(gatherer.due_at))
        now += pause_s
        arrivals += [now] * len(token)
        out += "".join(gatherer.feed(token, now))
        held = "".join(token for token, _ in tokens)[len(out) : len(arrivals)]
        first = len(out) + len(held) - len(held.lstrip())
        if held.strip():
            assert now - arrivals[first] <= 0.03 + 1e-9
    out += "".join(gatherer.finish())
    assert out == "".join(token for token, _ in tokens)
    assert gatherer.due_at is None


@pytest.mark.parametrize("text", ["word " * 5000, "x" * 20_000 + " ", "今" * 20_000])
def test_a_long_text_goes_in_several_messages(text: str) -> None:
    gatherer = TextGatherer(0.03)
    pieces = [*gatherer.feed(text, 0), *gatherer.finish()]
    assert "".join(pieces) == text
    assert max(map(len, pieces)) <= LONGEST_PIECE
    if "word" in text:
        assert all(piece.endswith(" ") for piece in pieces)


def test_what_is_not_due_is_held() -> None:
    gatherer = TextGatherer(0.03)
    assert list(gatherer.feed("wo", 0)) == []
    assert list(gatherer.due(0.02)) == []
    assert list(gatherer.due(0.03)) == ["wo"]
    assert list(gatherer.due(9)) == []


# --- any order of everything ---------------------------------------------------------------------


class AnyOrder(RuleBasedStateMachine):
    """A service that speaks as it likes, and a listener who interrupts when they like.

    The letters of an utterance, and the samples of its audio, all tell whose they are.
    """

    def __init__(self) -> None:
        super().__init__()
        self.wire = Wire(limits=RealtimeLimits(contexts=3, rest_s=60))
        self.gives_words = False
        self.items = 0
        self.number: dict[Utterance, int] = {}
        self.by_letter: dict[str, Utterance] = {}
        self.texts: dict[Utterance, str] = {}
        self.made_bytes: dict[Utterance, int] = {}
        self.taken_bytes: dict[Utterance, int] = {}
        self.interrupted: set[Utterance] = set()
        # What the service has yet to say, by context.
        self.plans: dict[str, list[dict[str, Any]]] = {}

    @initialize(gives_words=st.booleans())
    def begin(self, gives_words: bool) -> None:
        self.gives_words = gives_words

    @property
    def open(self) -> list[Utterance]:
        return self.wire.session.utterances

    def carry(self) -> None:
        """Carry frames to the service, which plans what to say."""
        for frame in self.wire.sent():
            plan = self.plans.setdefault(frame["context_id"], [])
            if frame["type"] == "context.cancel":
                plan.append({"type": CANCELLED})
            elif frame["type"] == "input_text_buffer.append":
                plan += self.spoken(frame["text"])

    def spoken(self, text: str) -> list[dict[str, Any]]:
        utterance = self.by_letter[text.strip()[0]]
        self.items += 1
        item = f"tts_{self.items}"
        audio = self.sample_of(utterance) * 12_000
        start_s = self.made_bytes[utterance] / SECOND
        self.made_bytes[utterance] += len(audio)
        words = {"words": text.split(), "start_seconds": [start_s], "end_seconds": [start_s + 0.5]}
        deltas = [b64encode(piece).decode() for piece in (audio[:11_001], audio[11_001:])]
        return [
            {"type": RECEIVED, "text": text},
            *({"type": AUDIO, "item_id": item, "delta": delta} for delta in deltas),
            *([{"type": WORDS, "item_id": item, **words}] if self.gives_words else []),
            {"type": DONE, "item_id": item},
        ]

    def sample_of(self, utterance: Utterance) -> bytes:
        return self.number[utterance].to_bytes(2, "little")

    def say(self, context: str) -> None:
        self.wire.frame(json.dumps({**self.plans[context].pop(0), "context_id": context}))

    @precondition(lambda self: self.wire.session.free_at(self.wire.now) == self.wire.now)
    @rule()
    def speak(self) -> None:
        utterance = self.wire.open()
        self.number[utterance] = len(self.number) + 1
        self.by_letter[chr(0x4E00 + self.number[utterance])] = utterance
        self.made_bytes[utterance] = self.taken_bytes[utterance] = 0
        self.texts[utterance] = ""

    @precondition(lambda self: self.open)
    @rule(data=st.data(), token=st.sampled_from(["x", "x ", " x", " ", "xx", ""]))
    def write(self, data: st.DataObject, token: str) -> None:
        utterance = data.draw(st.sampled_from(self.open))
        if not utterance.has_all_text:
            token = token.replace("x", chr(0x4E00 + self.number[utterance]))
            self.wire.session.append(utterance, token, self.wire.now)
            self.texts[utterance] += token
            self.carry()

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def end_text(self, data: st.DataObject) -> None:
        utterance = data.draw(st.sampled_from(self.open))
        if not utterance.has_all_text:
            self.wire.session.end_text(utterance, self.wire.now)
            self.carry()

    @precondition(lambda self: any(self.plans.values()))
    @rule(data=st.data(), count=st.integers(1, 6))
    def serve(self, data: st.DataObject, count: int) -> None:
        context = data.draw(st.sampled_from([key for key, plan in self.plans.items() if plan]))
        for _ in range(min(count, len(self.plans[context]))):
            self.say(context)

    @precondition(lambda self: self.number)
    @rule(data=st.data(), played_s=st.none() | st.floats(0, 5))
    def interrupt(self, data: st.DataObject, played_s: float | None) -> None:
        """Interrupt any utterance, also one at its end, or a second time."""
        utterance = data.draw(st.sampled_from(list(self.number)))
        cut = self.wire.session.interrupt(utterance, self.wire.now, played_s)
        assert cut.heard + cut.unheard == self.texts[utterance] == utterance.text
        self.interrupted.add(utterance)
        assert utterance.take() is None
        self.carry()

    @rule(seconds=st.sampled_from([0.01, 0.4, 20, 61]))
    def wait(self, seconds: float) -> None:
        # The service is quick: within a second it says all that it has to say.
        for context in self.plans if seconds > 1 else ():
            while self.plans[context]:
                self.say(context)
        self.wire.wait(seconds)
        self.carry()

    @invariant()
    def everybody_gets_exactly_their_own_audio(self) -> None:
        for utterance in self.number:
            while (piece := utterance.take()) is not None:
                assert utterance not in self.interrupted
                assert piece == self.sample_of(utterance) * (len(piece) // 2)
                self.taken_bytes[utterance] += len(piece)
            assert utterance.error is None
            if utterance.ending in ("words", "done", "quiet"):
                assert self.taken_bytes[utterance] == self.made_bytes[utterance]


AnyOrder.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
test_any_order = AnyOrder.TestCase
