"""A book into pieces that are spoken one by one.

The pieces of a paragraph, joined, are its text. Sentences are found by sentencex; short ones go
together, long ones are cut where a reader would breathe.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from math import ceil, inf
from typing import Literal, NamedTuple, TypeAlias
from unicodedata import category

from facade._book.text import WIDE, is_speakable
from facade._extras import needs
from facade.books import Book
from facade.errors import InvalidRequestError
from facade.voices import VoiceMix

PauseKind: TypeAlias = Literal["clause", "sentence", "paragraph", "chapter"]


@dataclass(frozen=True, slots=True)
class Piece:
    """What is spoken at once.

    Attributes:
        chapter: Which chapter it is of, as an index from 0.
        paragraph: Which paragraph of the chapter, as an index from 0.
        text: Its text with the space behind it, verbatim.
        sentences: Its sentences, or the part of one that it is; joined, they are `text`.
        voice: The paragraph's voice or else the chapter's; `None` for the narrator's.
        pause: What ends with it.
    """

    chapter: int
    paragraph: int
    text: str
    sentences: tuple[str, ...]
    voice: str | VoiceMix | None
    pause: PauseKind


def split_book(book: Book, *, target: int = 200, limit: int = 400) -> Iterator[Piece]:
    """Split a book into pieces, none of which crosses a paragraph.

    Kokoro reads 100 to 200 tokens best and 510 at most, and a token is about a letter. A Chinese
    or Japanese character stands for several sounds, so it counts as three.

    Args:
        book: What to split.
        target: Sentences go together up to this length in characters, 1 or more.
        limit: The greatest length of a piece, the space at its end aside; `target` or more. Only a
            single word may be longer.

    Raises:
        InvalidRequestError: `target` and `limit` are not such numbers.
        ImportError: The extra `book` is not installed.
    """
    if not 1 <= target <= limit:
        raise InvalidRequestError(
            f"must be at least 1 and at most the limit of {limit}, not {target}", param="target"
        )
    for chapter_index, chapter in enumerate(book.chapters):
        # Nothing is spoken of an empty paragraph, so no pause can follow it.
        last = max((i for i, part in enumerate(chapter.paragraphs) if part.text), default=0)
        for index, paragraph in enumerate(chapter.paragraphs):
            language = paragraph.language or book.language or "en"
            voice = paragraph.voice or chapter.voice
            pieces = list(_pieces(paragraph.text, language, target, limit))
            for number, (sentences, ends_sentence) in enumerate(pieces, 1):
                pause: PauseKind = "sentence" if ends_sentence else "clause"
                if number == len(pieces):
                    pause = "chapter" if index == last else "paragraph"
                text = "".join(sentences)
                yield Piece(chapter_index, index, text, sentences, voice, pause)


def _pieces(
    text: str, language: str, target: int, limit: int
) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Give the sentences of each piece, and whether a sentence ends with it."""
    # A few words alone are read badly: they go with what is longer.
    short = target // 4
    held: list[str] = []
    held_size = 0
    sentences = [
        part
        for sentence in split_sentences(text, language)
        for part in _within_quotation(sentence, language, target)
    ]
    for index, sentence in enumerate(sentences):
        size = _size(sentence.rstrip())
        is_short_end = index == len(sentences) - 1 and size < short
        if held and held_size + size <= (limit if held_size < short or is_short_end else target):
            held.append(sentence)
            held_size += _size(sentence)
            continue
        if held:
            yield tuple(held), True
        *parts, rest = _cut(sentence, limit)
        for part in parts:
            yield (part,), False
        held, held_size = [rest], _size(rest)
    if held:
        yield tuple(held), True


# --- sentences -----------------------------------------------------------------------------------


def split_sentences(text: str, language: str) -> list[str]:
    """Split a text into its sentences, each with the space behind it.

    Args:
        text: Any text.
        language: Its language as a BCP 47 tag.

    Returns:
        The sentences; joined, they are `text`.
    """
    return _split(text, text, language)


def _within_quotation(sentence: str, language: str, target: int) -> list[str]:
    """Split a long sentence that is only one to sentencex because all of it is quoted."""
    quotation = _OPENING_QUOTE.search(sentence)
    if quotation is None or _size(sentence) <= target:
        return [sentence]
    at = quotation.start()
    return _split(sentence, f"{sentence[:at]} {sentence[at + 1 :]}", language)


def _split(text: str, shown: str, language: str) -> list[str]:
    """Split a text where sentences end in what is shown to sentencex, which is as long."""
    try:
        from sentencex import segment
    except ImportError as error:
        raise ImportError(needs("splitting", "sentencex", "book")) from error

    primary = re.split("[-_]", language.lower(), maxsplit=1)[0]
    ends = accumulate(map(len, segment(primary, _SURROGATE.sub("\ufffd", shown))))
    speakable_end = next((at for at in range(len(text), 0, -1) if text[at - 1].isalnum()), 0)
    sentences: list[str] = []
    start = 0
    for end in ends:
        if closing := _CLOSING_MARKS.match(text, end):
            end = closing.end()
        if start < end < speakable_end and _ends_sentence(text, start, end, primary):
            sentences.append(text[start:end])
            start = end
    if start < len(text):
        sentences.append(text[start:])
    return sentences


def _ends_sentence(text: str, start: int, end: int, language: str) -> bool:
    """Whether a sentence ends where sentencex says so, with speakable text behind it."""
    sentence = text[start:end]
    if not is_speakable(sentence) or _is_joined(text, end) or _NUMBERING.fullmatch(sentence):
        return False
    if language == "fr":
        return not _FRENCH_TITLE.search(sentence)
    if language == "ja":
        # A quotation is a part of the sentence around it: 「…？」と彼は言った。
        return not (sentence.rstrip()[-1] in "」』" and _QUOTATIVE.match(text, end))
    return True


# Quotation marks right behind a mark close what is quoted.
_CLOSING_MARKS = re.compile("(?<=\\S)[\"'”’»)\\]」』）】》〉]+\\s*|\\s+")
_OPENING_QUOTE = re.compile('["“„«「『]')
_SURROGATE = re.compile("[\ud800-\udfff]")
_NUMBERING = re.compile(r"\s*[(\[]?(?:[0-9]{1,3}|[IVXLC]{1,7}|[A-Za-z])[.)]\s+")
_FRENCH_TITLE = re.compile(r"\b(?:M|MM|Mme|Mmes|Mlle|Mlles|Mgr|Me|Dr|Pr|St|Ste)\.\s+\Z")
_QUOTATIVE = re.compile("と|って|なんて|など|を|の|、")


# --- parts of a sentence -------------------------------------------------------------------------


def _cut(sentence: str, limit: int) -> Iterator[str]:
    """Cut a sentence that is too long into parts of about one length."""
    spoken = sentence.rstrip()
    if _size(spoken) <= limit:
        yield sentence
        return
    # The size of all before each character, to subtract from.
    sizes = [0, *accumulate(map(_size, sentence))]
    breaks = list(_breaks(sentence))
    start = first = 0
    while (rest := sizes[len(spoken)] - sizes[start]) > limit and first < len(breaks):
        ideal = sizes[start] + rest / ceil(rest / limit)
        best = first
        lowest = inf
        for index in range(first, len(breaks)):
            place = breaks[index]
            if sizes[place.stop] - sizes[start] > limit:
                break
            # A cut is best where it is heard little and parts become equal.
            cost = place.cost + abs(sizes[place.at] - ideal) / (ideal - sizes[start])
            if cost < lowest:
                best, lowest = index, cost
        # Where all are too far away, a word is too long, and stays whole.
        yield sentence[start : breaks[best].at]
        start = breaks[best].at
        first = best + 1
    yield sentence[start:]


class _Break(NamedTuple):
    at: int
    # Where the space before it begins.
    stop: int
    # How badly a cut is heard there, in parts of the length of what is cut off.
    cost: float


def _breaks(text: str) -> Iterator[_Break]:
    """Give the places in a text where it may be cut."""
    stop = 0
    for at in range(1, len(text)):
        before, after = text[at - 1], text[at]
        if not before.isspace():
            stop = at
        if not stop or after.isspace() or after in _CLOSING or _is_joined(text, at):
            continue
        if text[stop - 1] in _OPENING:
            continue
        # The mark that ends a clause may have quotation marks behind it, and not many.
        mark = stop - 1
        while mark > max(stop - 5, 0) and text[mark] in _QUOTES:
            mark -= 1
        is_end = "\n" in text[stop:at] or text[mark - 1 : mark + 1] == ".."
        cost = 0.0 if is_end else _COSTS.get(text[mark], _WORD_COST)
        if stop < at or before == "—" or text[mark] in _WIDE_MARKS:
            yield _Break(at, stop, cost)
        elif _is_wide_letter(after):
            yield _Break(at, stop, _LETTER_COST)


def _size(text: str) -> int:
    """Return the length of a text in characters, of which a wide one counts as three."""
    return len(text) + (0 if text.isascii() else 2 * len(WIDE.findall(text)))


def _is_joined(text: str, at: int) -> bool:
    """Whether the character at `at` is one sign with that before it."""
    return category(text[at]).startswith("M") or "\u200d" in text[at - 1 : at + 1]


def _is_wide_letter(sign: str) -> bool:
    """Whether a character belongs to a writing that puts no spaces between words."""
    return WIDE.match(sign) is not None and category(sign) == "Lo"


_WIDE_MARKS = "、，；：。！？"
_QUOTES = "\"'”’»)]」』）】》〉"
_OPENING = "([{«“‘„¿¡「『（【《〈"
# What never begins a line, and small letters of Japanese that belong to the one before.
_CLOSING = ".,;:!?…%»)]}”、，；：。！？」』）】》〉ー々ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ"
_COSTS = dict.fromkeys(";:—–…!?；：。！？", 0.0) | dict.fromkeys(",)،、，", 0.15)
_WORD_COST = 0.6
_LETTER_COST = 1.2
