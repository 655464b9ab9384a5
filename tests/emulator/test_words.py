"""Which word is spoken when: the engine's marks and the words as they are written."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from together_emulator.engine import engine
from together_emulator.script import Script
from together_emulator.speech import speak
from together_emulator.voice import Voice
from together_emulator.words import Word


def words_of(text: str, language: str = "en-us", script: Script | None = None) -> list[Word]:
    """The words of a text on the timeline of the whole of it."""
    words = []
    before = 0
    for sentence in speak(script or Script.of(text), Voice(language, 120, 100, 0), NEVER):
        words += [
            Word(word.text, before + word.start, before + word.end) for word in sentence.words
        ]
        before += len(sentence.samples)
    return words


NEVER = threading.Event()


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        ("en-us", "It costs 1,234.50 dollars.", ["It", "costs", "1,234.50", "dollars"]),
        ("en-us", "$5.99 & 50% off!", ["$5.99", "&", "50%", "off"]),
        ("en-us", "in the house of the man", ["in", "the", "house", "of", "the", "man"]),
        ("en-us", "(\u201cquoted\u201d) \u2014 'single'\u2026", ["quoted", "single"]),
        ("en-us", "don't Mr. Smith's e-mail", ["don't", "Mr", "Smith's", "e-mail"]),
        ("en-us", "mail me@example.com now", ["mail", "me@example.com", "now"]),
        ("en-us", "- item\n- other", ["item", "other"]),
        ("en-us", "smile 🎉🎉 done", ["smile", "🎉🎉", "done"]),
        ("en-us", "x" * 53 + " yes", ["x" * 53, "yes"]),
        ("en-us", "3/4/2024 15200 555-1234", ["3/4/2024", "15200", "555-1234"]),
        ("fr", "L'homme a vu, est-ce l'ami ?", ["L'homme", "a", "vu", "est-ce", "l'ami"]),
        ("ja", "きょうは いいてんきです。さようなら", ["きょうは", "いいてんきです", "さようなら"]),
        ("zh", "我们去，OK", ["我", "们", "去", "OK"]),
        ("hi", "आज का मौसम। हाँ", ["आज", "का", "मौसम", "हाँ"]),
        ("en-us", "...", []),
    ],
)
def test_words_are_as_written(language: str, text: str, words: list[str]) -> None:
    assert [word.text for word in words_of(text, language)] == words


def test_a_number_that_the_engine_marks_in_parts_is_one_word() -> None:
    """It marks each digit group and each digit after the point."""
    marks = engine().speak("1,234.50", Voice("en-us", 120, 100, 0), NEVER, pause=False).marks
    assert len(marks) > 3
    (word,) = words_of("1,234.50")
    assert word.start == 0
    assert word.end > 22050


def test_words_that_the_engine_speaks_as_one_share_its_time() -> None:
    marks = engine().speak("in the house", Voice("en-us", 120, 100, 0), NEVER, pause=False).marks
    assert len(marks) == 2
    first, second, third = words_of("in the house")
    assert first.end == second.start
    assert (second.end - second.start) / (first.end - first.start) == pytest.approx(3 / 2, rel=0.01)
    assert third.start == marks[1][1]


def test_a_replacement_is_timed_as_what_was_written() -> None:
    script = Script.of("say omg now").replace([(4, 7, "oh my god")])
    assert script.spoken == "say oh my god now"
    say, omg, now = words_of("", script=script)
    assert [say.text, omg.text, now.text] == ["say", "omg", "now"]
    assert omg.end - omg.start > 1.5 * (now.end - now.start)


@given(
    st.lists(
        st.sampled_from(
            [
                *("a", "the", "in", "of", "house", "1,000", "5%", "e-mail", "—", '"so"', "don't"),
                *("I.", "Who?", "x@y.z", "2024", "$3", "&", "(b)", "\n", "天", "ÿ", "...", "well,"),
            ]
        ),
        max_size=25,
    ).map(" ".join)
)
def test_words_are_in_order_and_do_not_overlap(text: str) -> None:
    written = 0
    before = 0
    for word in words_of(text):
        assert before <= word.start < word.end
        before = word.end
        written = text.index(word.text, written) + len(word.text)
