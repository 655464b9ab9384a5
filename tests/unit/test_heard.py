"""What was heard of a text, from the timing of its words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facade._rules.heard import Heard, Reach, heard_of
from facade._rules.realtime_settings import RealtimeSettings
from facade._rules.utterance import Utterance
from facade._rules.words import WordTiming


def timed(*words: str, word_s: float = 0.5) -> list[WordTiming]:
    return [WordTiming(w, n * word_s, (n + 1) * word_s) for n, w in enumerate(words)]


def reaches_end(text: str, words: list[WordTiming]) -> bool:
    return Reach(text).is_whole(words)


def after(text: str, words: list[WordTiming], played_s: float, *, is_whole: bool = True) -> str:
    """Return what was heard, and check that the rest is the rest."""
    audio_s = words[-1].end_s + 0.2
    cut = heard_of(text, words, played_s=played_s, audio_s=audio_s, is_whole=is_whole)
    assert cut.heard + cut.unheard == text
    assert cut.by == "words"
    return cut.heard


HELLO = "Hello, world! How are you?"
HELLO_WORDS = ("Hello", "world", "How", "are", "you")


@pytest.mark.parametrize(
    ("played_s", "heard"),
    [
        (0, ""),
        (0.49, ""),
        (0.5, "Hello,"),
        (0.99, "Hello,"),
        (1.0, "Hello, world!"),
        (2.0, "Hello, world! How are"),
        (2.5, HELLO),
        (2.7, HELLO),
        (99, HELLO),
        (-1, ""),
    ],
)
def test_a_word_is_heard_once_it_is_spoken_to_its_end(played_s: float, heard: str) -> None:
    assert after(HELLO, timed(*HELLO_WORDS), played_s) == heard


def test_signs_behind_the_last_word_are_no_words_that_nobody_has_told() -> None:
    assert after("Hello (...)", timed("Hello"), 0.7) == "Hello (...)"
    cut = heard_of("Hello (!", timed("Hello"), played_s=2.0, audio_s=3.0, is_whole=False)
    assert (cut.heard + cut.unheard, cut.by) == ("Hello (!", "words")


@pytest.mark.parametrize(
    ("text", "words", "spoken", "heard"),
    [
        ("It costs 5 dollars now.", ("it", "costs", "five", "dollars", "now"), 3, "It costs 5"),
        ("In 1984 it was so.", ("in", "nineteen", "eighty", "four", "it", "was"), 3, "In 1984"),
        ("In 1984 it was so.", ("in", "nineteen", "eighty", "four", "it", "was"), 5, "In 1984 it"),
        (
            "That\u2019s what I don't know",
            ("thats", "what", "i", "dont", "know"),
            4,
            "That\u2019s what I don't",
        ),
        ("I don't know", ("i", "do", "n't", "know"), 3, "I don't"),
        ("ice cream is cold", ("ice cream", "is", "cold"), 1, "ice cream"),
        ("a well-known man", ("a", "well", "known", "man"), 2, "a well-"),
        ("今天天气好", ("今天", "天气", "好"), 2, "今天天气"),
        ("今天下雨了", ("今天", "xx", "了"), 3, "今天下雨了"),
        ("Straße und Ärger", ("strasse", "und", "ärger"), 1, "Straße"),
        ("the cat and the dog", ("the", "cat", "and", "the", "dog"), 4, "the cat and the"),
        ("one two three four", ("one", "three", "four"), 2, "one two three"),
        ("one two", ("uh", "one", "two"), 2, "one"),
        ("one two", ("one", ",", "two"), 2, "one"),
        ("one (two) three", ("one", "two", "three"), 1, "one"),
        ("one (two) three", ("one", "two", "three"), 2, "one (two)"),
        ("abc def ghi", ("xyz", "uvw", "rst"), 2, "abc def"),
        ("... and so on", ("and", "so", "on"), 1, "... and"),
        ("5 a", ("five", "a"), 1, "5"),
        ("5 a", ("five", "b"), 2, "5 a"),
        ("5 seaside side", ("five", "side"), 1, "5 seaside"),
        ("5 5 5", ("five", "five", "five"), 2, "5 5"),
    ],
)
def test_words_that_the_service_writes_in_its_own_way(
    text: str, words: tuple[str, ...], spoken: int, heard: str
) -> None:
    assert after(text, timed(*words), spoken * 0.5) == heard


def test_a_word_that_comes_again_later_is_not_taken_for_its_namesake() -> None:
    text = "It takes 5 days, and " + "then some " * 4 + "five"
    assert (
        after(text, timed("it", "takes", "five", "days"), 2.0, is_whole=False) == "It takes 5 days,"
    )
    assert not reaches_end(text, timed("it", "takes", "five"))


def test_all_is_heard_when_all_of_it_was_played() -> None:
    words = timed("Hello")
    cut = heard_of("Hello ... 42\n", words, played_s=0.7, audio_s=0.7, is_whole=True)
    assert cut == Heard("Hello ... 42\n", "", "words", 0.7)


@pytest.mark.parametrize(
    ("played_s", "audio_s", "is_whole", "heard"),
    [
        (0, 2, True, ""),
        (1, 2, True, "one two"),
        (2, 2, True, "one two three four"),
        (0.1, 2, False, ""),
        (0.7, 2, False, "one"),
        # What has come is not all that there will be.
        (0.5, 0.5, False, "one two"),
    ],
)
def test_without_timings_the_share_of_audio_counts(
    played_s: float, audio_s: float, is_whole: bool, heard: str
) -> None:
    text = "one two three four"
    cut = heard_of(text, (), played_s=played_s, audio_s=audio_s, is_whole=is_whole)
    assert (cut.heard, cut.by) == (heard, "share")
    assert cut.heard + cut.unheard == text


def test_audio_that_nobody_timed_counts_by_its_share() -> None:
    text = "one two three four five six"
    cut = heard_of(text, timed("one", "two"), played_s=2.2, audio_s=3.0, is_whole=True)
    assert (cut.heard, cut.by) == ("one two three four", "share")


def test_no_part_of_a_gap_is_heard_by_its_share() -> None:
    text = "one   two"
    cut = heard_of(text, (), played_s=1.0, audio_s=2.0, is_whole=True)
    assert (cut.heard, cut.unheard) == ("one", "   two")


def test_a_pause_is_no_word() -> None:
    cut = heard_of("one two three", timed("one", "two"), played_s=1.4, audio_s=3, is_whole=False)
    assert (cut.heard, cut.by) == ("one two", "words")


def test_nothing_came_and_nothing_was_heard() -> None:
    assert heard_of("one", (), played_s=9, audio_s=0, is_whole=False) == Heard(
        "", "one", "share", 0.0
    )


@pytest.mark.parametrize(
    ("text", "words", "reached"),
    [
        ("Hello there! 🙂\n", ("hello", "there"), True),
        ("Hello there", ("hello",), False),
        ("I have 2", ("i", "have", "two"), True),
        ("Hello", (), False),
    ],
)
def test_whether_timings_come_to_the_end(text: str, words: tuple[str, ...], reached: bool) -> None:
    assert reaches_end(text, timed(*words)) is reached


texts = st.text(st.sampled_from("abcäß 12.,-(今天\n"), max_size=60) | st.text(max_size=40)
timings = st.lists(
    st.builds(
        WordTiming,
        st.text(st.sampled_from("abcäß12今天'"), max_size=4) | st.text(max_size=4),
        st.floats(0, 10),
        st.floats(0, 10),
    ),
    max_size=12,
)


@given(texts, timings, st.floats(-1, 20), st.floats(0, 20), st.booleans())
def test_the_two_parts_are_the_text(
    text: str, words: list[WordTiming], played_s: float, audio_s: float, is_whole: bool
) -> None:
    cut = heard_of(text, words, played_s=played_s, audio_s=audio_s, is_whole=is_whole)
    assert cut.heard + cut.unheard == text


@given(texts, timings, st.floats(0, 20), st.floats(0, 20))
def test_more_played_is_never_less_heard(
    text: str, words: list[WordTiming], one_s: float, other_s: float
) -> None:
    words = sorted(words, key=lambda word: word.end_s)
    first, second = (
        heard_of(text, words, played_s=at, audio_s=20, is_whole=True).heard
        for at in sorted((one_s, other_s))
    )
    assert second.startswith(first)


@given(st.lists(st.text(st.sampled_from("abcd"), min_size=1, max_size=5), min_size=1), st.data())
def test_words_written_as_in_the_text_are_found_exactly(
    words: list[str], data: st.DataObject
) -> None:
    count = data.draw(st.integers(0, len(words)))
    heard = after(" ".join(words), timed(*words), count * 0.5)
    assert heard == " ".join(words[:count])


@given(
    st.lists(
        st.sampled_from(["the", "cat", "and", "a", "5", "don't", "今天", "abc", "(", "abcabc"])
    ),
    st.data(),
)
def test_words_that_come_bit_by_bit_reach_as_far_as_all_at_once(
    said: list[str], data: st.DataObject
) -> None:
    text = "".join(word + data.draw(st.sampled_from(["", " ", ". "])) for word in said)
    others = [[word] for word in said] + [[], ["zz"], ["five"], ["the"], ["do", "nt"], [""]]
    spoken = [data.draw(st.sampled_from([[word], *others])) for word in said]
    words = timed(*(part for parts in spoken for part in parts))
    reach = Reach(text)
    for count in sorted(data.draw(st.sets(st.integers(1, len(words)))) if words else ()):
        so_far = words[:count]
        cut = heard_of(
            text, so_far, played_s=so_far[-1].end_s, audio_s=words[-1].end_s + 1, is_whole=False
        )
        assert reach.is_whole(so_far) is not any(map(str.isalnum, cut.unheard))
        assert reach.is_whole(so_far) is reaches_end(text, so_far)


def test_each_word_is_matched_once_while_more_of_them_come() -> None:
    looks = 0

    class Watched(WordTiming):
        def __getattribute__(self, name: str) -> object:
            nonlocal looks
            looks += name == "word"
            return super().__getattribute__(name)

    said = [f"word{number}" for number in range(100)]
    utterance = Utterance(RealtimeSettings.build({}, voice="af_heart", validate_voices=False))
    utterance.add_text(" ".join(said))
    for number, word in enumerate(said):
        assert not utterance.is_timed_to_last_word
        utterance.add_words("item-1", [Watched(word, number, number + 1)])
    assert utterance.is_timed_to_last_word
    assert looks == len(said)
    utterance.add_text(" more")
    assert not utterance.is_timed_to_last_word
