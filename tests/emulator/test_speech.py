"""Text to sentences, and sentences to sound."""

import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from together_emulator.script import Script
from together_emulator.speech import speak, split_sentences
from together_emulator.voice import Voice

VOICE = Voice("en-us", 120, 100, 0)


def pieces_of(text: str) -> list[str]:
    return [sentence.text for sentence in split_sentences(Script.of(text))]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Hello.", ["Hello."]),
        ("Hello there. How are you? Fine!", ["Hello there.", "How are you?", "Fine!"]),
        ('He said "no." Then he left.', ['He said "no."', "Then he left."]),
        ("Dr. Smith met J. Brown and Mrs. Green.", ["Dr. Smith met J. Brown and Mrs. Green."]),
        ("It costs 3.14 dollars, i.e. much.", ["It costs 3.14 dollars, i.e. much."]),
        ("今日は。元気ですか？はい", ["今日は。", "元気ですか？", "はい"]),
        ("नमस्ते। आप कैसे हैं।", ["नमस्ते।", "आप कैसे हैं।"]),
        ("one\ntwo\x01three", ["one two three"]),
        ("a\u2800b", ["a b"]),
        (" \n ", []),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert pieces_of(text) == sentences


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=900))
def test_nothing_is_lost_and_every_piece_is_safe(text: str) -> None:
    pieces = pieces_of(text)
    unsafe = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2800-\u28ff]")
    assert unsafe.sub("", "".join(pieces)) == unsafe.sub("", text)
    for piece in pieces:
        assert 0 < len(piece) <= 300
        assert max(map(len, piece.split())) <= 40
        assert not re.search(r"[\x00-\x1f\x7f-\x9f]", piece)


def test_words_are_cut_only_when_they_must_be() -> None:
    text = "word " * 200
    assert pieces_of(text) == ["word " * 59 + "word"] * 3 + ["word " * 19 + "word"]
    assert pieces_of("x" * 100) == ["x" * 40 + " " + "x" * 40 + " " + "x" * 20]


def test_one_step_for_each_sentence() -> None:
    steps = list(speak(Script.of("One. Two. Three."), VOICE, threading.Event()))
    assert len(steps) == 3
    assert all(len(step.samples) > 2000 for step in steps)
    assert [step.is_last for step in steps] == [False, False, True]


def test_stop_ends_it_before_the_next_sentence() -> None:
    stop = threading.Event()
    steps = speak(Script.of("One. Two. Three."), VOICE, stop)
    next(steps)
    stop.set()
    assert list(steps) == []


def test_duration_grows_with_the_text() -> None:
    def duration(words: int) -> int:
        steps = speak(Script.of("banana " * words), VOICE, threading.Event())
        return sum(len(step.samples) for step in steps)

    assert duration(1) * 1.5 < duration(3) < duration(9) / 2 < duration(27) / 4
