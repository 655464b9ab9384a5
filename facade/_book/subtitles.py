"""Subtitles: what is said when, as SubRip (SRT) and WebVTT.

Times are counted in samples of the book and become milliseconds only when they are written, so
nothing drifts. The limits are those of Netflix's Timed Text Style Guides.
"""

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from unicodedata import combining, east_asian_width

from facade._book.joining import Span
from facade._book.levels import Levels
from facade._rules.words import WordTiming


@dataclass(frozen=True, slots=True)
class Cue:
    """What is shown for a while: a sentence, or as much of one as two lines hold.

    Attributes:
        start_sample: When it appears, as a sample of the book.
        end_sample: When it goes.
        text: What is shown, in one line.
        words: Where its words begin in `text`, and at which sample of the book each is said; empty
            where that is not known.
    """

    start_sample: int
    end_sample: int
    text: str
    words: tuple[tuple[int, int], ...] = ()


def sentence_cues(
    sentences: Sequence[str],
    levels: Levels,
    span: Span,
    sample_rate: int,
    words: Sequence[WordTiming] = (),
) -> list[Cue]:
    """Return the cues of a piece, in order.

    Where `words` are given, they say when a cue begins and ends. Otherwise each gets the share of
    the time that it has of the text, moved to a silence nearby. The first begins and the last ends
    with the speech; one of less than 5/6 s stays for so long, as far as the next one or the pause
    allows.

    Args:
        sentences: Of the piece; joined, they are its text.
        levels: Of its audio.
        span: Where it lies in the book.
        sample_rate: In Hz.
        words: When its words are said.
    """
    text, ranges = _lay_out(sentences)
    if not ranges:
        return []
    speech = range(levels.lead_samples, levels.samples - levels.tail_samples)
    longest = _LONGEST_CUE_S * sample_rate / max(len(speech), 1) * _columns(text)
    cues = [_break_up(text, sentence, longest) for sentence in ranges]
    located = _locate(text, words, sample_rate)
    clock = _Clock(range(ranges[0].start, ranges[-1].stop), speech)
    if located:
        for word in located:
            clock.set(word.start, word.start_sample, word.end, word.end_sample)
    else:
        # Between sentences first: the longer silences are theirs.
        for parts in (ranges, *cues):
            clock.set_between(text, parts, levels.silences)

    def in_book(sample: int) -> int:
        return span.start_sample + min(max(sample - span.first_sample, 0), span.speech_samples)

    timed = [
        Cue(
            in_book(clock.start(part.start)),
            in_book(clock.end(part.stop)),
            text[part.start : part.stop],
            tuple(
                (word.start - part.start, in_book(clock.start(word.start)))
                for word in located
                if word.start in part
            ),
        )
        for parts in cues
        for part in parts
    ]
    return list(_long_enough(timed, span.next_sample, round(_SHORTEST_CUE_S * sample_rate)))


def srt(cues: Iterable[Cue], sample_rate: int) -> Iterator[str]:
    """Give a SubRip file, cue by cue.

    Args:
        cues: Of the whole book, in order.
        sample_rate: In Hz.
    """
    for number, cue in enumerate(cues, 1):
        lines = "\n".join(cue.text[line.start : line.stop] for line in _lines(cue.text))
        times = f"{_time(cue.start_sample, sample_rate)} --> {_time(cue.end_sample, sample_rate)}"
        yield f"{number}\n{times.replace('.', ',')}\n{lines}\n\n"


def webvtt(cues: Iterable[Cue], sample_rate: int) -> Iterator[str]:
    """Give a WebVTT file, cue by cue, with the time of each word where it is known.

    Args:
        cues: Of the whole book, in order.
        sample_rate: In Hz.
    """
    yield "WEBVTT\n"
    for cue in cues:
        start, end = _time(cue.start_sample, sample_rate), _time(cue.end_sample, sample_rate)
        lines = "\n".join(_webvtt_line(cue, line, sample_rate) for line in _lines(cue.text))
        yield f"\n{start} --> {end}\n{lines}\n"


# --- when ------------------------------------------------------------------------------------

_SHORTEST_CUE_S = 5 / 6
_LONGEST_CUE_S = 7


class _Clock:
    """Knows when the characters of a piece are said, as samples of its audio.

    A few are known; between them each character takes the same time. Two may be known of one
    place in the text: when what is before it ends, and when what follows begins.
    """

    def __init__(self, text: range, speech: range) -> None:
        self._offsets = [text.start, text.stop]
        self._samples = [speech.start, speech.stop]

    def start(self, offset: int) -> int:
        """Return when what begins at `offset` begins."""
        after = bisect_right(self._offsets, offset)
        return self._interpolated(offset, after - 1, after)

    def end(self, offset: int) -> int:
        """Return when what ends before `offset` ends."""
        at = bisect_left(self._offsets, offset)
        return self._interpolated(offset, at, at - 1)

    def set(self, start: int, start_sample: int, end: int, end_sample: int) -> None:
        """Take in when two places are said, the first of which comes first."""
        for offset, sample in ((start, start_sample), (end, end_sample)):
            after = bisect_right(self._offsets, offset)
            # The whole speech is known better by its sound.
            if self._offsets[0] < offset < self._offsets[-1]:
                low, high = self._samples[after - 1], self._samples[after]
                self._offsets.insert(after, offset)
                self._samples.insert(after, min(max(sample, low), high))

    def set_between(
        self, text: str, parts: Sequence[range], silences: Sequence[tuple[int, int]]
    ) -> None:
        """Find when parts of the text that follow each other end and begin."""
        start, end = self.start(parts[0].start), self.end(parts[-1].stop)
        columns = [_columns(text[part.start : part.stop]) for part in parts]
        for number, (part, following) in enumerate(pairwise(parts)):
            share = columns[number] / sum(columns[number:])
            expected = start + round(share * (end - start))
            silence = _nearest(silences, start, expected, end)
            self.set(part.stop, silence[0], following.start, silence[1])
            start = silence[1]

    def _interpolated(self, offset: int, known: int, other: int) -> int:
        distance = offset - self._offsets[known]
        if not distance:
            return self._samples[known]
        length = self._offsets[other] - self._offsets[known]
        return self._samples[known] + round(
            distance / length * (self._samples[other] - self._samples[known])
        )


def _nearest(
    silences: Sequence[tuple[int, int]], start: int, expected: int, end: int
) -> tuple[int, int]:
    """Return the silence that most likely is at `expected`, or an empty one just there."""

    def likelihood(silence: tuple[int, int]) -> float:
        return silence[1] - silence[0] - abs(sum(silence) / 2 - expected) / 4

    within = [silence for silence in silences if start < silence[0] and silence[1] < end]
    best = max(within, key=likelihood, default=None)
    return best if best and likelihood(best) > 0 else (expected, expected)


@dataclass(frozen=True, slots=True)
class _Word:
    """A word in the text of a piece, with the punctuation around it."""

    start: int
    end: int
    start_sample: int
    end_sample: int


def _locate(text: str, words: Iterable[WordTiming], sample_rate: int) -> list[_Word]:
    """Find words in the text; those that the service writes otherwise are left out."""
    located = []
    at = 0
    for timing in words:
        word = re.search(r"\w.*\w|\w", timing.word)
        if word is None:
            continue
        # A space or the end of a word is before it, unless the script has no spaces.
        begin = "" if _columns(word[0][0]) == 2 else r"(?<!\w)"
        pattern = re.compile(rf"[^\w\s]*{begin}{re.escape(word[0])}[^\w\s]*", re.IGNORECASE)
        # Not far, or one that is written otherwise is taken for one of its name further on.
        found = pattern.search(text, at, at + len(word[0]) + _SEARCHED_CHARACTERS)
        if found:
            at = found.end()
            located.append(
                _Word(
                    found.start(),
                    at,
                    round(timing.start_s * sample_rate),
                    round(timing.end_s * sample_rate),
                )
            )
    return located


_SEARCHED_CHARACTERS = 40


def _long_enough(cues: Sequence[Cue], limit: int, shortest: int) -> Iterator[Cue]:
    for cue, following in zip(cues, [*(cue.start_sample for cue in cues[1:]), limit], strict=True):
        end = max(cue.end_sample, min(cue.start_sample + shortest, following))
        yield Cue(cue.start_sample, end, cue.text, cue.words)


def _milliseconds(sample: int, sample_rate: int) -> int:
    return (2000 * sample + sample_rate) // (2 * sample_rate)


def _time(sample: int, sample_rate: int) -> str:
    seconds, milliseconds = divmod(_milliseconds(sample, sample_rate), 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}.{milliseconds:03}"


def _webvtt_line(cue: Cue, line: range, sample_rate: int) -> str:
    parts = []
    at = line.start
    for offset, tag in _webvtt_times(cue, sample_rate):
        if offset in line:
            parts += [cue.text[at:offset].translate(_WEBVTT_ESCAPES), tag]
            at = offset
    return "".join([*parts, cue.text[at : line.stop].translate(_WEBVTT_ESCAPES)])


def _webvtt_times(cue: Cue, sample_rate: int) -> Iterator[tuple[int, str]]:
    """Give the offsets of words, and their times: each after the one before, within the cue's."""
    last, end = (_milliseconds(at, sample_rate) for at in (cue.start_sample, cue.end_sample))
    for offset, sample in cue.words:
        if last < _milliseconds(sample, sample_rate) < end:
            yield offset, f"<{_time(sample, sample_rate)}>"
            last = _milliseconds(sample, sample_rate)


_WEBVTT_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


# --- how much --------------------------------------------------------------------------------

# Wide characters count twice. Netflix asks for 42 characters a line, of Chinese and Korean 16, of
# Japanese 13.
_LINE_COLUMNS = 42
_WIDE_LINE_COLUMNS = 32
_KANA_LINE_COLUMNS = 26


def _lay_out(sentences: Iterable[str]) -> tuple[str, list[range]]:
    """Return the text of a piece in one line, and where its sentences are in it.

    What has nothing to be said, such as three dots, goes with what is before it.
    """
    text = ""
    ranges: list[range] = []
    for sentence in sentences:
        # Spaces that do not break stay.
        words = re.sub(r"[^\S\u00a0\u202f]+", " ", sentence)
        stripped = words.strip()
        start = len(text) + len(words) - len(words.lstrip())
        text += words
        if ranges and not re.search(r"\w", stripped):
            start = ranges.pop().start
        if stripped:
            ranges.append(range(start, len(text.rstrip())))
    return text, ranges


def _break_up(text: str, sentence: range, longest: float) -> list[range]:
    """Return the parts of a sentence that are shown at once, each in two lines.

    Args:
        text: Of the piece.
        sentence: Where it is in it.
        longest: Columns that take as long as a cue may stay.
    """
    shown = text[sentence.start : sentence.stop]
    columns = _columns(shown)
    capacity = _line_columns(shown)
    lines = _lines(shown)
    longest = max(longest, capacity / 2)
    if columns <= longest and all(
        _columns(shown[line.start : line.stop]) <= capacity for line in lines
    ):
        return [sentence]
    # Lines are seldom filled to the last column.
    count = max(math.ceil(columns / min(longest, 1.9 * capacity)), 2)
    end, start = _best_break(shown, columns * (count // 2) / count, _breaks(shown))
    return [
        *_break_up(text, range(sentence.start, sentence.start + end), longest),
        *_break_up(text, range(sentence.start + start, sentence.stop), longest),
    ]


def _lines(text: str) -> list[range]:
    """Return the one or two lines of a cue; where two do not suffice, one that is too long."""
    columns = _columns(text)
    capacity = _line_columns(text)
    if columns <= capacity:
        return [range(len(text))]
    fitting = [
        (end, start)
        for end, start in _breaks(text)
        if _columns(text[:end]) <= capacity and _columns(text[start:]) <= capacity
    ]
    if not fitting:
        return [range(len(text))]
    end, start = _best_break(text, columns / 2, fitting)
    return [range(end), range(start, len(text))]


def _best_break(text: str, target: float, breaks: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Return the break that is best for its place, `target` columns from the left, and its text."""

    def cost(at: tuple[int, int]) -> float:
        end, _ = at
        bonus = next((bonus for marks, bonus in _GOOD_ENDS if text[end - 1] in marks), 0.0)
        return abs(_columns(text[:end]) - target) / _columns(text) - bonus

    return min(breaks, key=cost)


# What lines and cues end with best, and what part of the text's length that is worth.
_GOOD_ENDS = ((".!?…;:。！？；：—–", 0.3), (",，、)）”»」』", 0.25))


def _breaks(text: str) -> list[tuple[int, int]]:
    """Return where a text may be broken: where the left part ends, and the right one begins."""
    spaces = [
        (at, at + 1)
        for at in range(1, len(text) - 1)
        if text[at] == " " and not combining(text[at + 1])
    ]
    if not text.isascii():
        spaces += [(at, at) for at in range(1, len(text)) if _breaks_between(text[at - 1 : at + 1])]
    return spaces or [(at, at) for at in range(1, len(text)) if not combining(text[at])]


def _breaks_between(pair: str) -> bool:
    """Whether a line may be broken between two characters, one of a script without spaces."""
    return (
        any(east_asian_width(c) in "WF" and not "\uac00" <= c <= "\ud7a3" for c in pair)
        and pair[0] not in _NEVER_LAST
        and pair[1] not in _NEVER_FIRST
        and " " not in pair
        and not combining(pair[1])
    )


_NEVER_FIRST = (
    "、。，．・：；？！）］｝〉》」』】〕’”ー…‥゛゜々"  # noqa: RUF001 - they are meant
    "ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ.,:;?!)]}"
)
_NEVER_LAST = "（［｛〈《「『【〔‘“([{"  # noqa: RUF001


def _line_columns(text: str) -> int:
    if text.isascii():
        return _LINE_COLUMNS
    if re.search("[\u3041-\u30ff]", text):
        return _KANA_LINE_COLUMNS
    return _LINE_COLUMNS if _columns(text) <= len(text) else _WIDE_LINE_COLUMNS


def _columns(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(2 if east_asian_width(c) in "WF" else not combining(c) for c in text)
