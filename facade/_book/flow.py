"""What a reader finds in a source, one after the other, and the chapters that it makes."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from facade.books import Chapter, Omission, Paragraph


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph; `level` is 1 to 6 where it is a heading, else 0."""

    paragraph: Paragraph
    level: int = 0


@dataclass(frozen=True, slots=True)
class ChapterStart:
    """The place where a chapter begins."""

    title: str | None


Found: TypeAlias = Block | Omission | ChapterStart


@dataclass(frozen=True, slots=True)
class Document:
    """What is in a document, in order, and what it says of itself."""

    found: list[Found]
    title: str | None
    author: str | None
    language: str | None


def without_licence(found: Sequence[Found]) -> Iterator[Found]:
    """Leave out what Project Gutenberg puts around a book."""
    texts = [item.paragraph.text if isinstance(item, Block) else "" for item in found]
    start, end = within_licence(texts)
    credits_end = 0
    for index, item in enumerate(found):
        if isinstance(item, Block) and not start <= index < end:
            item = Omission("licence", texts[index])
        elif index < credits_end and _CREDITS.match(texts[index]):
            item = Omission("credits", texts[index])
        if isinstance(item, Omission) and item.kind == "licence":
            credits_end = index + 1 + _CREDITS_WITHIN
        yield item


def within_licence(texts: Sequence[str]) -> tuple[int, int]:
    """Return where the book begins and ends in what Project Gutenberg has put around it.

    Args:
        texts: Lines or paragraphs.
    """
    starts = [index for index, text in enumerate(texts, 1) if _LICENCE_START.search(text)]
    ends = (index for index, text in enumerate(texts) if _LICENCE_END.search(text))
    end = next((index for index in ends if not starts or index >= starts[0]), len(texts))
    # Another book may follow, with a start of its own.
    return max((start for start in starts if start <= end), default=0), end


_LICENCE_START = re.compile(
    r"^\*{3} ?START OF (?:THE|THIS) PROJECT GUTENBERG.*$|^\*END\*? ?THE SMALL PRINT!.*$",
    re.MULTILINE,
)
_LICENCE_END = re.compile(
    r"^\*{3} ?END OF (?:THE|THIS) PROJECT GUTENBERG.*$|^End of (?:the |this )?Project Gutenberg\b",
    re.MULTILINE,
)
# The first paragraphs behind the start of its text may say who made it.
_CREDITS = re.compile(r"(?:Produced|E-text prepared|Transcribed|Credits:?) ", re.IGNORECASE)
_CREDITS_WITHIN = 3


def start_at_headings(found: Sequence[Found]) -> Iterator[Found]:
    """Begin a chapter at each heading that is high enough."""
    lowest = _chapter_level(item for item in found if isinstance(item, Block))
    for item in found:
        if isinstance(item, Block) and 0 < item.level <= lowest:
            yield ChapterStart(_line(item))
        yield item


def single_title(found: Iterable[Found]) -> str | None:
    """Return the text of the only heading of the first level."""
    titles = [_line(item) for item in found if isinstance(item, Block) and item.level == 1]
    return titles[0] if len(titles) == 1 else None


def _chapter_level(blocks: Iterable[Block]) -> int:
    """Return the level of the headings that begin chapters, or 0.

    It is the highest that appears more than once and does not name parts, or else the highest.
    """
    levels: dict[int, list[str]] = {}
    before = 0
    for block in blocks:
        # A title in two headings is one.
        if block.level and block.level != before:
            levels.setdefault(block.level, []).append(block.paragraph.text)
        before = block.level
    often = (level for level in sorted(levels) if len(levels[level]) > 1)
    chapters = (level for level in often if not all(map(PART.match, levels[level])))
    return next(chapters, min(levels, default=0))


PART = re.compile(
    r"(?:part|book|volume|partie|livre|parte|libro|livro|teil|buch|band)\b|第.{1,6}[部卷巻編]",
    re.IGNORECASE,
)


def chapters_of(found: Iterable[Found]) -> tuple[tuple[Chapter, ...], tuple[Omission, ...]]:
    """Return the chapters of what was found, and what is left out of them.

    A chapter of headings alone, as the title page of a part is, goes to the chapter behind it.
    """
    chapters: list[Chapter] = []
    omissions: list[Omission] = []
    title: str | None = None
    blocks: list[Block] = []
    for item in found:
        match item:
            case ChapterStart():
                if not all(block.level for block in blocks):
                    chapters.append(_chapter(title, blocks))
                    blocks = []
                title = item.title
            case Block():
                blocks.append(item)
            case _:
                place = len(chapters) if chapters or blocks else None
                omissions.append(Omission(item.kind, item.text, place))
    if blocks:
        chapters.append(_chapter(title, blocks))
    last = len(chapters) - 1
    return tuple(chapters), tuple(
        Omission(omission.kind, omission.text, last)
        if (omission.chapter or 0) > last >= 0
        else omission
        for omission in omissions
    )


def _chapter(title: str | None, blocks: Sequence[Block]) -> Chapter:
    headings = (_line(block) for block in blocks if block.level)
    return Chapter(tuple(block.paragraph for block in blocks), title or next(headings, None))


def _line(block: Block) -> str:
    return block.paragraph.text.replace("\n", " ")
