"""Which word of a text is spoken when."""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from together_emulator.script import Script, Sentence


@dataclass(frozen=True)
class Word:
    """A word and the time at which it is spoken.

    Attributes:
        text: The word as written, without the punctuation around it.
        start: Where it begins, in samples of the engine from the beginning of the sentence.
        end: Where it ends, in the same unit.
    """

    text: str
    start: int
    end: int


def align(
    script: Script,
    sentence: Sentence,
    marks: Iterable[tuple[int, int]],
    samples: NDArray[np.int16],
) -> list[Word]:
    """The words of a sentence, in order and without overlap.

    A word that the engine marks several times is one word. Words that the engine speaks as one,
    such as "in the", share the time of its mark in proportion to their letters.

    Args:
        script: The whole text.
        sentence: The sentence that was spoken.
        marks: The place in `sentence.text` and the sample at which the engine begins a word.
        samples: The sentence's sound.
    """
    begun = [
        (sentence.origins[min(max(place, 0), len(sentence.origins) - 1)], sample)
        for place, sample in marks
    ]
    spans = _spans(script.written, sentence.span, [origin for origin, _ in begun])
    starts: dict[int, int] = {}
    for origin, sample in begun:
        number = max(bisect_right(spans, (origin, len(script.written))) - 1, 0)
        if spans and number > max(starts, default=-1):
            starts[number] = sample

    words: list[Word] = []
    marked = sorted(starts)
    for index, number in enumerate(marked):
        first = 0 if index == 0 else number
        after = marked[index + 1] if index + 1 < len(marked) else len(spans)
        end = starts[after] if after < len(spans) else len(samples)
        texts = [script.written[slice(*span)] for span in spans[first:after]]
        # A dash or the like is a word only where it is all that was spoken.
        texts = list(filter(None, map(_bare, texts))) or [texts[-1]]
        words += _share(texts, starts[number], _last_sound(samples, starts[number], end))
    return words


def _spans(written: str, span: tuple[int, int], begun: list[int]) -> list[tuple[int, int]]:
    """The places of the words of a sentence.

    White space and wide punctuation separate words. In a script that is written without spaces, a
    word begins where the engine begins one.
    """
    cuts = {place for place in begun if _UNSPACED.match(written, place)}
    return [piece for match in _RUN.finditer(written, *span) for piece in _cut(*match.span(), cuts)]


def _cut(start: int, end: int, cuts: set[int]) -> Iterator[tuple[int, int]]:
    for place in sorted(cut for cut in cuts if start < cut < end):
        yield start, place
        start = place
    yield start, end


_RUN = re.compile(r"[^\s。、，．！？：；]+")  # noqa: RUF001

# Thai, Lao, Burmese, Khmer, kana and Han.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)


def _bare(text: str) -> str:
    """A word without the punctuation around it."""
    start, end = 0, len(text)
    while start < end and _is_punctuation(text[start]):
        start += 1
    while start < end and _is_punctuation(text[end - 1]):
        end -= 1
    return text[start:end]


def _is_punctuation(character: str) -> bool:
    # Of the other punctuation, %, &, @, # and the like are spoken.
    return (
        unicodedata.category(character) in ("Ps", "Pe", "Pi", "Pf", "Pd")
        or character in ".,:;!?\"'…¿¡·।。、，．！？：；"  # noqa: RUF001
    )


def _share(texts: list[str], start: int, end: int) -> Iterator[Word]:
    letters = sum(map(len, texts))
    before = 0
    for text in texts:
        begin = start + (end - start) * before // letters
        before += len(text)
        yield Word(text, begin, start + (end - start) * before // letters)


# Of 32768; the pauses of the engine are below it and every sound above.
_SILENCE = 100


def _last_sound(samples: NDArray[np.int16], start: int, end: int) -> int:
    """Where the sound between two samples ends, so that a pause belongs to no word."""
    heard = np.flatnonzero(np.abs(samples[start:end]) > _SILENCE)
    return start + int(heard[-1]) + 1 if len(heard) else end
