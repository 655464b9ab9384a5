"""Text to PCM, sentence by sentence."""

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from together_emulator.engine import engine
from together_emulator.kanji import read_kanji
from together_emulator.script import Script, Sentence
from together_emulator.voice import Voice
from together_emulator.words import Word, align

# In characters. The first bounds how long one request keeps the engine from the others; the second
# keeps clear of a buffer of the engine, which a word of 160 bytes overruns.
_LONGEST_SENTENCE = 300
_LONGEST_WORD = 40


@dataclass(frozen=True)
class SpokenSentence:
    """A sentence with its sound.

    Attributes:
        samples: Mono samples at the engine's sample rate.
        words: Its words and their times in samples, from the beginning of the sentence; none unless
            they are asked for.
        is_last: Whether it is the last of its text.
    """

    samples: NDArray[np.int16]
    words: list[Word]
    is_last: bool


def speak(
    script: Script, voice: Voice, stop: threading.Event, *, with_words: bool = True
) -> Iterator[SpokenSentence]:
    """Speak a text, one sentence at each step.

    The engine is free between two steps, so that texts spoken at the same time take turns, and a
    reader that is slow or goes away holds nobody up.

    Args:
        script: Any text.
        voice: How it sounds.
        stop: When it is set the rest is not spoken.
        with_words: Whether to say when each word is spoken.
    """
    if voice.language == "ja":
        script = read_kanji(script)
    sentences = split_sentences(script)
    for number, sentence in enumerate(sentences, 1):
        if stop.is_set():
            return
        is_last = number == len(sentences)
        spoken = engine().speak(sentence.text, voice, stop, pause=not is_last)
        words = align(script, sentence, spoken.marks, spoken.samples) if with_words else []
        yield SpokenSentence(spoken.samples, words, is_last)


def split_sentences(script: Script) -> list[Sentence]:
    """The sentences of a text, each of at most 300 characters, as the engine can take them.

    Control characters and Braille become spaces, and words longer than 40 characters are broken.
    """
    pieces = list(_PIECE.finditer(_UNSAFE.sub(" ", script.spoken)))
    text = ""
    origins: list[int] = []
    for piece, before in zip(pieces, [None, *pieces], strict=False):
        if before and not piece[0].isspace() and not before[0].isspace():
            text += " "
            origins.append(script.origins[piece.start()])
        text += piece[0]
        origins += script.origins[piece.start() : piece.end()]

    places = [place for whole in _sentence_places(text) for place in _cut(text, *whole)]
    starts = [origins[start] for start, _ in places] + [len(script.written)]
    return [
        Sentence(text[start:end], origins[start:end], (starts[number], starts[number + 1]))
        for number, (start, end) in enumerate(places)
    ]


# The engine reads control characters as commands to itself (change of pitch, sound files), and
# Braille crashes it in some languages.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2800-\u28ff]")

_PIECE = re.compile(rf"\S{{1,{_LONGEST_WORD}}}|\s+")

# After a Latin full stop a space and no lower-case letter must follow, and an initial or a common
# title before it ends no sentence; the full stops of Chinese, Japanese and Hindi stand for
# themselves.
SENTENCE_END = re.compile(
    r"""(?<=[.!?\u2026]) (?<!\b[A-Za-z]\.) (?<!\b[DMS][rst]\.) (?<!\bMrs\.) \s+ (?![a-z])
      | (?<=[.!?\u2026]["')\]\u201d\u2019]) \s+ (?![a-z])
      | (?<=[\u3002\uff01\uff1f\u0964])""",
    re.VERBOSE,
)


def _sentence_places(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for end in SENTENCE_END.finditer(text):
        yield start, end.start()
        start = end.end()
    yield start, len(text)


def _cut(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut a sentence where it is too long, between words if that can be."""
    start, end = _strip(text, start, end)
    while end - start > _LONGEST_SENTENCE:
        cut = text.rfind(" ", start + 1, start + _LONGEST_SENTENCE + 1)
        if cut < 0:
            cut = start + _LONGEST_SENTENCE
        yield start, cut
        start, end = _strip(text, cut, end)
    if start < end:
        yield start, end


def _strip(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end
