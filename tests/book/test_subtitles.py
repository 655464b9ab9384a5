"""Subtitles, by sentence and by word."""

import io
import re
from collections.abc import Sequence
from itertools import chain, pairwise
from unicodedata import east_asian_width

import av
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from facade import WordTiming
from facade._book.joining import Span, place
from facade._book.levels import Levels, measure
from facade._book.subtitles import Cue, sentence_cues, srt, webvtt
from facade.books import Pauses
from tests.book.speech import SAMPLE_RATE, speech_of
from together_emulator.process import SpeechEmulator

SECOND = 24000


def levels(seconds: float, silences: Sequence[tuple[float, float]] = ()) -> Levels:
    """Levels of a piece that is speech from its first to its last sample, but for silences."""
    in_samples = tuple((round(start * SECOND), round(end * SECOND)) for start, end in silences)
    return Levels(round(seconds * SECOND), 0, 0, 0.5, in_samples, ())


def cues_of(
    sentences: Sequence[str],
    seconds: float,
    silences: Sequence[tuple[float, float]] = (),
    words: Sequence[WordTiming] = (),
    start: int = 0,
) -> list[Cue]:
    span = Span(start, 0, round(seconds * SECOND), SECOND)
    return sentence_cues(sentences, levels(seconds, silences), span, SECOND, words)


def seconds_of(cues: Sequence[Cue]) -> list[tuple[float, float]]:
    return [
        (round(cue.start_sample / SECOND, 2), round(cue.end_sample / SECOND, 2)) for cue in cues
    ]


def lines_of(text: str) -> list[str]:
    """Return the lines in which a text is shown that fits into one cue."""
    (shown,) = srt([Cue(0, SECOND, text)], SECOND)
    return shown.splitlines()[2:-1]


def columns(text: str) -> int:
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in text)


# --- when ----------------------------------------------------------------------------------------


def test_a_piece_of_one_sentence_is_one_cue() -> None:
    span = Span(48000, 1000, 60000, 9000)
    (cue,) = sentence_cues(
        ["Call me \n Ishmael. "], Levels(62120, 1120, 1120, 0.5, (), ()), span, SECOND
    )
    assert cue == Cue(48000 + 120, 48000 + 60000, "Call me Ishmael.")


def test_a_sentence_has_the_share_of_the_time_that_it_has_of_the_text() -> None:
    cues = cues_of(["Four words say it. ", "Four more words do."], 10)
    assert seconds_of(cues) == [(0, 4.86), (4.86, 10)]


def test_a_sentence_ends_where_a_silence_is_near() -> None:
    silences = [(1, 1.1), (4.3, 4.7), (5.0, 5.1), (9, 9.9)]
    cues = cues_of(["Four words say it. ", "Four more words do."], 10, silences)
    assert seconds_of(cues) == [(0, 4.3), (4.7, 10)]


def test_words_say_when_a_sentence_begins_and_ends() -> None:
    words = [
        WordTiming("“Did", 0.1, 0.3),
        WordTiming("you", 0.3, 0.6),
        WordTiming("He", 2.5, 2.6),
        WordTiming("did", 2.6, 2.9),
    ]
    cues = cues_of(["“Did you?” ", "“He did.”"], 3, [(1, 1.5)], words)
    # The first begins where the sound does.
    assert seconds_of(cues) == [(0, 0.83), (2.5, 3.33)]
    assert [cue.text for cue in cues] == ["“Did you?”", "“He did.”"]
    assert cues[0].words == ((0, 0), (5, round(0.3 * SECOND)))
    assert cues[1].words == ((0, round(2.5 * SECOND)), (4, round(2.6 * SECOND)))


def test_words_that_are_written_otherwise_are_left_out() -> None:
    words = [
        WordTiming("In", 0, 0.2),
        WordTiming("nineteen", 0.2, 0.6),
        WordTiming("—", 0.6, 0.6),
        WordTiming("he", 1.5, 1.7),
        WordTiming("LEFT", 1.7, 2),
    ]
    (cue,) = cues_of(["In 1984 (the year) he left."], 2, words=words)
    said = [cue.text[offset:].partition(" ")[0] for offset, _ in cue.words]
    assert said == ["In", "he", "left."]


def test_a_sentence_of_which_no_word_is_known_lies_between_its_neighbours() -> None:
    words = [WordTiming("One", 0, 1), WordTiming("nineteen", 1.2, 3), WordTiming("Two", 3, 4)]
    cues = cues_of(["One. ", "1984. ", "Two."], 4, words=words)
    assert [cue.text for cue in cues] == ["One.", "1984.", "Two."]
    assert 1 <= cues[1].start_sample / SECOND < 1.5
    assert 2.5 < cues[1].end_sample / SECOND <= 3


def test_without_any_word_of_the_text_the_silences_are_asked() -> None:
    words = [WordTiming("zzz", 0, 1)]
    cues = cues_of(["Four words say it. ", "Four more words do."], 10, [(4.3, 4.7)], words)
    assert seconds_of(cues) == [(0, 4.3), (4.7, 10)]


def test_a_word_far_ahead_is_another_of_its_name() -> None:
    text = "One " + "and another " * 5 + "nineteen."
    (first, *_) = cues_of([text], 4, words=[WordTiming("One", 0, 1), WordTiming("nineteen", 1, 2)])
    assert [offset for offset, _ in first.words] == [0]


def test_words_out_of_order_never_let_a_cue_end_before_it_begins() -> None:
    words = [WordTiming("a", 2, 1), WordTiming("b", 0.5, 9), WordTiming("c", 0, 0)]
    cues = cues_of(["A. ", "B. ", "C."], 3, words=words)
    assert all(cue.start_sample <= cue.end_sample for cue in cues)
    assert cues[-1].end_sample >= 3 * SECOND


def test_a_short_cue_stays_for_five_sixths_of_a_second() -> None:
    cues = cues_of(["No. ", "Never, ever. "], 1, [(0.3, 0.5)])
    # Until the next one comes, and into the pause.
    assert seconds_of(cues) == [(0, 0.5), (0.5, 1.33)]


def test_a_short_cue_ends_with_the_pause() -> None:
    (cue,) = sentence_cues(["No."], levels(0.3), Span(0, 0, 7200, 2400), SECOND)
    assert cue.end_sample == 9600


@pytest.mark.parametrize("sentences", [[], [" \n"]])
def test_no_text_is_no_cue(sentences: list[str]) -> None:
    assert cues_of(sentences, 1) == []


def test_what_has_nothing_to_be_said_goes_with_what_is_before_it() -> None:
    cues = cues_of(["… ", "He left. ", "* * *"], 2)
    assert [cue.text for cue in cues] == ["…", "He left. * * *"]


def test_speech_of_the_emulator_has_its_cues_where_its_words_are(
    together_emulator_session: SpeechEmulator,
) -> None:
    """By the words to the sample; by the silences within a fifth of a second."""
    start = 0
    for piece in speech_of(together_emulator_session):
        measured = measure(piece.pcm, SAMPLE_RATE)
        (span,) = place([measured], ["paragraph"], Pauses(), SAMPLE_RATE)
        span = Span(start, span.first_sample, span.speech_samples, span.pause_samples)
        by_word = sentence_cues(piece.sentences, measured, span, SAMPLE_RATE, piece.words)
        by_silence = sentence_cues(piece.sentences, measured, span, SAMPLE_RATE)
        assert [cue.text for cue in by_word] == [cue.text for cue in by_silence]
        assert " ".join(cue.text for cue in by_word) in " ".join(
            sentence.strip() for sentence in piece.sentences
        )
        for exact, guess in zip(by_word, by_silence, strict=True):
            assert guess.start_sample == pytest.approx(exact.start_sample, abs=0.2 * SAMPLE_RATE)
            assert guess.end_sample == pytest.approx(exact.end_sample, abs=0.2 * SAMPLE_RATE)
        end = start + measured.samples - measured.tail_samples - span.first_sample
        assert by_silence[-1].end_sample == by_word[-1].end_sample == end
        assert sum(len(cue.words) for cue in by_word) == len(piece.words)
        start = span.next_sample


# --- how much ------------------------------------------------------------------------------------

LONG = (
    "Some years ago, never mind how long precisely, having little or no money in my purse, "
    "I thought I would sail about a little and see the watery part of the world."
)


def test_a_long_sentence_is_broken_where_it_reads_well() -> None:
    assert [cue.text for cue in cues_of([LONG], 12)] == [
        "Some years ago, never mind how long precisely,",
        "having little or no money in my purse,",
        "I thought I would sail about a little and see the watery part of the world.",
    ]


def test_a_long_sentence_is_broken_at_silences() -> None:
    cues = cues_of([LONG], 12, [(3.5, 3.8), (6.2, 6.5)])
    assert seconds_of(cues) == [(0, 3.5), (3.8, 6.2), (6.5, 12)]


def test_a_cue_stays_for_seven_seconds_at_most() -> None:
    cues = cues_of(["Words that are said slowly, as slowly as nobody would ever say them."], 20)
    assert max(end - start for start, end in seconds_of(cues)) <= 7
    # But for a line that is drawn out beyond all measure.
    assert len(cues_of(["Oh, well, well."], 60)) == 1


def test_two_lines_are_about_as_long_as_each_other() -> None:
    assert lines_of("It was the best of times.") == ["It was the best of times."]
    assert lines_of("I thought I would sail about a little and see the watery part.") == [
        "I thought I would sail about a",
        "little and see the watery part.",
    ]
    assert lines_of("Nobody knew in 1984 what he had meant, off his cuff.") == [
        "Nobody knew in 1984 what he had meant,",
        "off his cuff.",
    ]


@pytest.mark.parametrize(
    ("text", "capacity"),
    [
        ("吾輩は猫である、名前はまだ無い。" * 8, 26),
        ("我是一只猫,还没有名字。" * 8, 32),
        (LONG * 2, 42),
    ],
)
def test_each_script_has_lines_of_its_own_length(text: str, capacity: int) -> None:
    lines = [line for cue in cues_of([text], 30) for line in lines_of(cue.text)]
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert 0.6 * capacity < max(map(columns, lines)) <= capacity
    assert not any(line[0] in "、。,，」" for line in lines)


def test_korean_is_broken_between_words() -> None:
    text = "나는 고양이로소이다 이름은 아직 없다 " * 5
    words = set(text.split())
    assert {word for cue in cues_of([text], 20) for word in cue.text.split()} == words


def test_spaces_that_do_not_break_hold() -> None:
    text = "Il fait beau aujourd’hui, n’est-ce pas, dit-il encore une fois\u00a0!"
    assert lines_of(text)[-1].endswith("fois\u00a0!")


@given(
    text=st.text(st.sampled_from("ab ,.é\u0301—猫。」「ーか한"), min_size=1, max_size=300),
    seconds=st.floats(0.1, 60),
)
@example("x" * 200, 10)
@example("aaaaaaaaaaaa \u0301。。", 8)
@example("x\u0301" * 100, 10)
@settings(max_examples=100)
def test_no_character_is_lost_and_no_line_is_too_long(text: str, seconds: float) -> None:
    cues = cues_of([text], seconds)
    shown = [line for cue in cues for line in lines_of(cue.text)]
    assert "".join(shown).replace(" ", "") == text.replace(" ", "")
    assert all(line and len(lines_of(cue.text)) <= 2 for cue in cues for line in lines_of(cue.text))
    assert all(columns(line.replace("\u0301", "")) <= 42 for line in shown)
    assert not any(line.startswith("\u0301") for line in shown[1:] if "\u0301" not in text[:1])
    assert all(one.end_sample <= other.start_sample for one, other in pairwise(cues))
    if cues:
        assert cues[0].start_sample == 0
        assert cues[-1].end_sample >= round(seconds * SECOND)


# --- the files -----------------------------------------------------------------------------------

CUES = [
    Cue(0, 24000, "One & two <3>."),
    Cue(30011, 54012, "A --> B", ((0, 30011), (2, 36000), (6, 48000))),
    Cue(359999 * 24000, 360000 * 24000 + 11, "鯨"),
]


def test_srt_is_as_players_want_it() -> None:
    assert "".join(srt(CUES, 24000)) == (
        "1\n00:00:00,000 --> 00:00:01,000\nOne & two <3>.\n\n"
        "2\n00:00:01,250 --> 00:00:02,251\nA --> B\n\n"
        "3\n99:59:59,000 --> 100:00:00,000\n鯨\n\n"
    )


def test_webvtt_is_as_the_standard_wants_it() -> None:
    assert "".join(webvtt(CUES, 24000)) == (
        "WEBVTT\n"
        "\n00:00:00.000 --> 00:00:01.000\nOne &amp; two &lt;3&gt;.\n"
        "\n00:00:01.250 --> 00:00:02.251\nA <00:00:01.500>--&gt; <00:00:02.000>B\n"
        "\n99:59:59.000 --> 100:00:00.000\n鯨\n"
    )


def test_the_time_of_a_word_lies_within_its_cue_and_after_the_one_before() -> None:
    words = ((0, 0), (2, 12000), (4, 12005), (6, 6000), (8, 24000))
    (_, cue) = webvtt([Cue(0, 24000, "a b c d e", words)], 24000)
    assert cue.splitlines()[-1] == "a <00:00:00.500>b c d e"


def test_the_words_of_both_lines_have_their_times() -> None:
    text = "I thought I would sail about a little & see the watery part."
    words = ((30, 12000), (38, 14400), (40, 16800))
    (_, cue) = webvtt([Cue(0, 24000, text, words)], 24000)
    assert (
        cue.splitlines()[2:]
        == [
            "I thought I would sail about a",
            "little <00:00:00.600>&amp; <00:00:00.700>see the watery part.",
        ]
        or cue.splitlines()[2:] == []
    )


def test_times_are_rounded_once_from_samples() -> None:
    """Half a millisecond at most, at any rate and after any time."""
    for sample_rate in (22050, 24000, 44100):
        cues = [Cue(at * 977, at * 977 + 500, "x") for at in range(0, 3_000_000, 99_991)]
        for cue, shown in zip(cues, srt(cues, sample_rate), strict=True):
            hours, minutes, seconds = re.findall(r"(\d+):(\d+):(\d+,\d+)", shown)[0]
            told = int(hours) * 3600 + int(minutes) * 60 + float(seconds.replace(",", "."))
            assert told == pytest.approx(cue.start_sample / sample_rate, abs=0.00051)


@pytest.mark.parametrize(("form", "write"), [("srt", srt), ("webvtt", webvtt)])
def test_ffmpeg_reads_every_cue(form: str, write: object) -> None:
    cues = cues_of([LONG, " So he said & left."], 14)
    assert callable(write)
    file = io.BytesIO("".join(write(cues, SECOND)).encode())
    with av.open(file, "r", format=form) as read:
        packets = [packet for packet in read.demux() if packet.size]
        found = [(packet.pts, packet.duration, bytes(packet).decode()) for packet in packets]
    for cue, (start, duration, text) in zip(cues, found, strict=True):
        assert start == pytest.approx(cue.start_sample / 24, abs=0.51)
        assert duration == pytest.approx((cue.end_sample - cue.start_sample) / 24, abs=1)
        assert text.replace("\n", " ").replace("&amp;", "&") == cue.text


def test_files_come_cue_by_cue() -> None:
    endless = chain(CUES, iter(lambda: CUES[0], None))
    assert next(srt(endless, 24000)).startswith("1\n")
    assert next(webvtt(endless, 24000)) == "WEBVTT\n"
