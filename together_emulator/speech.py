"""Text to PCM, sentence by sentence."""

import re
import threading
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from together_emulator.engine import engine
from together_emulator.voice import Voice

# In characters. The first bounds how long one request keeps the engine from the others; the second
# keeps clear of a buffer of the engine, which a word of 160 bytes overruns.
_LONGEST_SENTENCE = 300
_LONGEST_WORD = 40


def speak(text: str, voice: Voice, stop: threading.Event) -> Iterator[NDArray[np.int16]]:
    """Speak a text, one sentence at each step.

    The engine is free between two steps, so that texts spoken at the same time take turns, and a
    reader that is slow or goes away holds nobody up.

    Args:
        text: Any text.
        voice: How it sounds.
        stop: When it is set the rest is not spoken.

    Yields:
        Mono samples at the engine's sample rate.
    """
    sentences = split_sentences(text)
    for number, sentence in enumerate(sentences, 1):
        if stop.is_set():
            return
        yield engine().speak(sentence, voice, stop, pause=number < len(sentences))


def split_sentences(text: str) -> list[str]:
    """The sentences of a text, each of at most 300 characters, as the engine can take them.

    Control characters and Braille become spaces, and words longer than 40 characters are broken.
    """
    safe = _LONG_WORD.sub(r"\g<0> ", _UNSAFE.sub(" ", text))
    return [
        piece for sentence in _SENTENCE_END.split(safe) for piece in _cut(sentence.strip()) if piece
    ]


# The engine reads control characters as commands to itself (change of pitch, sound files), and
# Braille crashes it in some languages.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2800-\u28ff]")

_LONG_WORD = re.compile(rf"\S{{{_LONGEST_WORD}}}(?=\S)")

# After a Latin full stop a space and no lower-case letter must follow, and an initial or a common
# title before it ends no sentence; the full stops of Chinese, Japanese and Hindi stand for
# themselves.
_SENTENCE_END = re.compile(
    r"""(?<=[.!?\u2026]) (?<!\b[A-Za-z]\.) (?<!\b[DMS][rst]\.) (?<!\bMrs\.) \s+ (?![a-z])
      | (?<=[.!?\u2026]["')\]\u201d\u2019]) \s+ (?![a-z])
      | (?<=[\u3002\uff01\uff1f\u0964])""",
    re.VERBOSE,
)


def _cut(sentence: str) -> Iterator[str]:
    while len(sentence) > _LONGEST_SENTENCE:
        end = sentence.rfind(" ", 1, _LONGEST_SENTENCE + 1)
        if end < 0:
            end = _LONGEST_SENTENCE
        yield sentence[:end]
        sentence = sentence[end:].lstrip()
    yield sentence
