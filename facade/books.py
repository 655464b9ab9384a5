"""A book: what is to be read aloud, in chapters and paragraphs."""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from facade.errors import InvalidRequestError
from facade.voices import VoiceMix

ParagraphKind: TypeAlias = Literal["heading", "paragraph", "item", "quote", "verse", "image"]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of a chapter.

    Attributes:
        text: What is to be read, without markup. Lines that matter, as in verse, end with `"\\n"`.
        kind: What it is; an `"item"` is one of a list, an `"image"` an image's alternative text.
        language: Its language as a BCP 47 tag, such as `"fr"`, where it differs from the book's.
        voice: The voice that reads it, a mix among them; by default the chapter's.
    """

    text: str
    kind: ParagraphKind = "paragraph"
    language: str | None = None
    voice: str | VoiceMix | None = None


@dataclass(frozen=True, slots=True)
class Chapter:
    """A chapter of a book.

    Attributes:
        paragraphs: What is to be read. A title that is to be read is a paragraph too, a heading.
        title: Its name in a list of chapters.
        voice: The voice that reads it; by default the narrator's.
    """

    paragraphs: tuple[Paragraph, ...]
    title: str | None = None
    voice: str | VoiceMix | None = None


class Omission(NamedTuple):
    """What a source has and a book leaves out.

    Attributes:
        kind: What it is, such as `"footnote"`, `"navigation"`, `"image"`, `"code"` or `"table"`.
        text: Its text, or the name of what has none.
        chapter: The chapter it stood in, as an index from 0; `None` where it stood in none.
    """

    kind: str
    text: str
    chapter: int | None = None


class Cover(NamedTuple):
    """The picture on a book's cover.

    Attributes:
        content: The bytes of the picture.
        media_type: Such as `"image/jpeg"`.
    """

    content: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Book:
    """What is to be read aloud.

    Attributes:
        chapters: The chapters, in order.
        title: The book's title.
        author: Its author, or authors.
        language: Its language as a BCP 47 tag, such as `"en"`.
        cover: Its cover.
        omissions: What was left out of it, in order.
    """

    chapters: tuple[Chapter, ...]
    title: str | None = None
    author: str | None = None
    language: str | None = None
    cover: Cover | None = None
    omissions: tuple[Omission, ...] = ()

    @property
    def characters(self) -> int:
        """How many characters are to be read."""
        return sum(
            len(paragraph.text) for chapter in self.chapters for paragraph in chapter.paragraphs
        )


@dataclass(frozen=True, slots=True)
class Pauses:
    """How long the pauses of a narration are, in seconds, from the end of speech to its beginning.

    Attributes:
        clause_s: Within a sentence that is too long to be spoken at once.
        sentence_s: Between sentences that are spoken apart. Where several short ones are spoken at
            once, the model makes the pauses between them.
        paragraph_s: Between paragraphs.
        chapter_s: After each chapter.
        edge_s: How long speech takes to fade in after a pause, and out before it, so that nothing
            clicks. It is a part of the pause, which so lasts for two edges at least.

    Raises:
        InvalidRequestError: A length is negative, infinite or not a number.
    """

    clause_s: float = 0.15
    sentence_s: float = 0.35
    paragraph_s: float = 0.7
    chapter_s: float = 1.5
    edge_s: float = 0.005

    def __post_init__(self) -> None:
        for name in ("clause_s", "sentence_s", "paragraph_s", "chapter_s", "edge_s"):
            seconds = getattr(self, name)
            if not 0 <= seconds < math.inf:
                raise InvalidRequestError(
                    f"{name} is {seconds!r}; a pause lasts 0 seconds or more", param="pauses"
                )
