"""What a listener has heard of a text, from when each word is spoken.

The service writes words in its own way: without punctuation, in small letters, numbers spelled out,
several words as one or one as several. So words are found by their letters and digits alone, in
order; one that is not found stands for the text between its neighbours. A word counts as heard
once it has been spoken to its end.

Where there are no timings, the share of the audio stands in for them, and the result says so.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal, TypeAlias

from facade._rules.words import WordTiming

HeardBy: TypeAlias = Literal["words", "share"]
Ending: TypeAlias = Literal["words", "done", "quiet", "no text", "interrupted", "failed"]
"""How the end of an utterance was known.

- `"words"`: the timings come to the last word of the text, and the audio with them.
- `"done"`: all text was acknowledged, and every item of audio was reported done.
- `"quiet"`: nothing more came, the last resort. There may have been more.
- `"no text"`: there was nothing to speak.
- `"interrupted"`: it was interrupted.
- `"failed"`: its `error` says why.
"""

# Speech that is not all there yet is taken to be as fast as Kokoro speaks English, in characters a
# second with spaces.
CHARACTERS_PER_S = 15.0
# Beyond the last timing, so much may be silence.
_PAUSE_S = 0.5
# Times are written with a few digits.
_TOLERANCE_S = 0.001
# How far a word is looked for, past words of the service's that are in no text, and past letters of
# the text that no word stands for: further for two words together than for one.
_SKIPPED_WORDS = 4
_SKIPPED_LETTERS = 120
_SKIPPED_FOR_ONE = 30


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard of an utterance: `heard + unheard` is its text.

    Attributes:
        heard: The text up to the end of the last word that was spoken whole, with the punctuation
            behind it.
        unheard: The rest.
        by: How it is known: `"words"`, from the timing of each word; `"share"`, an estimate from
            the seconds that were played.
        played_s: Seconds of audio that were played.
    """

    heard: str
    unheard: str
    by: HeardBy
    played_s: float


def heard_of(
    text: str,
    words: Sequence[WordTiming],
    *,
    played_s: float,
    audio_s: float,
    is_whole: bool,
) -> Heard:
    """Say what was heard of `text`.

    Args:
        text: The text.
        words: When each word is spoken, as far as that has come.
        played_s: Seconds of audio that were played.
        audio_s: Seconds of audio that have come.
        is_whole: Whether all audio of the text has come.
    """
    played_s = min(max(played_s, 0.0), audio_s)
    if is_whole and played_s >= audio_s - _TOLERANCE_S and audio_s:
        return Heard(text, "", "words" if words else "share", played_s)
    ends = _ends_of(text, words)
    spoken = takewhile(lambda word: word.end_s <= played_s + _TOLERANCE_S, words)
    count = sum(1 for _ in spoken)
    end = max(ends[:count], default=0)
    by: HeardBy = "words" if words else "share"
    timed_s = words[-1].end_s if words else 0.0
    if count == len(words) and played_s > timed_s + (_PAUSE_S if words else 0.0):
        left = text[end:]
        if any(map(str.isalnum, left)):
            # Of this audio nobody has told the words, or not yet.
            by = "share"
            left_s = audio_s - timed_s
            if not is_whole:
                left_s = max(left_s, len(left) / CHARACTERS_PER_S)
            end += _whole_words(left, (played_s - timed_s) / left_s)
    if end:
        end = _through_punctuation(text, end)
    return Heard(text[:end], text[end:], by, played_s)


class Reach:
    """How far the timings of a text come, while more of them come: each is looked at once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._letters, self._places = _letters(text)
        self._starts = _word_starts(text, self._places)
        # The words that more to come may have found elsewhere, and the letter where they begin.
        self._open: list[str] = []
        self._at = 0
        self._last = (0, 0)
        self._known = (0, False)

    def is_whole(self, words: Sequence[WordTiming]) -> bool:
        """Whether the timings, all that have come, come to the last word of the text."""
        count = self._known[0]
        if count != len(words):
            self._open += [_letters(word.word)[0] for word in words[count:]]
            self._known = (len(words), self._match())
        return self._known[1]

    def _match(self) -> bool:
        spans, self._at = self._spans(ahead=_SKIPPED_WORDS)
        self._last = _last_found(spans, *self._last)
        del self._open[: len(spans)]
        end, missing = _last_found(self._spans()[0], *self._last)
        left = self._text[self._places[end - 1] + 1 if end else 0 :]
        # Each word that was not found stands for one.
        return not any(map(str.isalnum, "".join(left.split(None, missing)[missing:])))

    def _spans(self, *, ahead: int = 0) -> tuple[list[tuple[int, int] | None], int]:
        return _found(self._open, self._letters, self._starts, self._at, ahead=ahead)


def _whole_words(text: str, share: float) -> int:
    """Return where the last word ends that is whole within this share of `text`."""
    limit = int(min(share, 1.0) * len(text))
    while 0 < limit < len(text) and not text[limit].isspace():
        limit -= 1
    while limit and text[limit - 1].isspace():
        limit -= 1
    return limit


def _through_punctuation(text: str, end: int) -> int:
    """Go on to the end of the signs that belong to the word before, and of the text behind them."""
    while end < len(text) and not text[end].isalnum() and not text[end].isspace():
        end += 1
    return end if text[end:].strip() else len(text)


# --- words in a text -----------------------------------------------------------------------------


def _ends_of(text: str, words: Sequence[WordTiming]) -> list[int]:
    """Return for each word where it ends in `text`, never before the one before it."""
    letters, places = _letters(text)
    starts = _word_starts(text, places)
    spans, _ = _found([_letters(word.word)[0] for word in words], letters, starts)
    ends: list[int] = []
    missing: list[int] = []
    at = 0
    for number, span in enumerate(spans):
        if span is None:
            missing.append(number)
            ends.append(at)
            continue
        start, end = span
        _share_out(ends, missing, text, at, places[start])
        missing.clear()
        at = places[end - 1] + 1 if end else at
        ends.append(at)
    if missing:
        _share_out(ends, missing, text, at, None)
    return ends


def _letters(text: str) -> tuple[str, list[int]]:
    """Return the letters and digits of `text`, folded, and where each of them stands in it."""
    if text.isascii():
        at = [place for place, character in enumerate(text) if character.isalnum()]
        return "".join(filter(str.isalnum, text)).lower(), at
    letters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        if character.isascii():
            folded = character.lower()
        else:
            folded = unicodedata.normalize("NFKD", character).casefold()
        for letter in folded:
            if letter.isalnum():
                letters.append(letter)
                places.append(place)
    return "".join(letters), places


def _word_starts(text: str, places: Sequence[int]) -> set[int]:
    """Return the indices of letters that begin a word."""
    starts = set()
    before = -1
    for index, place in enumerate(places):
        # Where words are not parted, as in Chinese, each sign may begin one.
        follows = place > 0 and text[place - 1].isalnum()
        if place != before and (not follows or unicodedata.category(text[place]) == "Lo"):
            starts.add(index)
        before = place
    return starts


def _found(
    words: Sequence[str], letters: str, starts: set[int], at: int = 0, *, ahead: int = 0
) -> tuple[list[tuple[int, int] | None], int]:
    """Say for each word which letters it is, in order, or `None` where it is not found.

    Args:
        words: The letters of the words.
        letters: Those of the text.
        starts: Which of them begin a word.
        at: From which of them to look.
        ahead: Stop where no more words than these are left, which more to come may change.

    Returns:
        The letters of each word, and at which to go on.
    """
    spans: list[tuple[int, int] | None] = []
    while len(spans) + ahead < len(words):
        word = words[len(spans)]
        if letters.startswith(word, at):
            spans.append((at, at + len(word)) if word else None)
            at += len(word)
            continue
        skipped, at = _next_match(words, len(spans), letters, at, starts)
        spans += [None] * skipped
    return spans, at


def _last_found(spans: Sequence[tuple[int, int] | None], end: int, missing: int) -> tuple[int, int]:
    """Return where the last word ends that was found, and how many behind it were not."""
    for span in spans:
        end, missing = (end, missing + 1) if span is None else (span[1], 0)
    return end, missing


def _next_match(
    words: Sequence[str], number: int, letters: str, at: int, starts: set[int]
) -> tuple[int, int]:
    """Return how many words to skip, and to which letter, so that both agree again."""
    best = (0, 1, at)
    for skipped in range(min(_SKIPPED_WORDS, len(words) - number)):
        word = words[number + skipped]
        next_word = "".join(words[number + skipped + 1 : number + skipped + 2])
        reaches = {word + next_word: _SKIPPED_LETTERS, word: _SKIPPED_FOR_ONE}
        for phrase, reach in reaches.items():
            # A short word by itself is found anywhere.
            if len(phrase) < 3:
                continue
            place = letters.find(phrase, at, at + reach + len(phrase))
            while place >= 0 and place not in starts:
                place = letters.find(phrase, place + 1, at + reach + len(phrase))
            cost = place - at + 6 * skipped + 1
            if place >= 0 and (not best[0] or cost < best[0]):
                best = (cost, skipped, place)
    return best[1:]


def _share_out(
    ends: list[int], missing: Sequence[int], text: str, start: int, stop: int | None
) -> None:
    """Let words that were not found stand for the words of the text from `start` to `stop`.

    Without `stop`, each stands for one.
    """
    if not missing:
        return
    found = _word_ends(text, start, len(text) if stop is None else stop)
    for index, number in enumerate(missing, 1):
        share = index if stop is None else -(-index * len(found) // len(missing))
        ends[number] = found[min(share, len(found)) - 1] if found else start


def _word_ends(text: str, start: int, stop: int) -> list[int]:
    ends = []
    for place in range(start, stop):
        is_last = place + 1 == len(text) or text[place + 1].isspace()
        if is_last and not text[place].isspace():
            ends.append(place + 1)
    return ends
