"""Books out of texts and files."""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from facade.books import Book, Chapter
from facade.errors import InvalidRequestError, UnreadableBookError

if TYPE_CHECKING:
    from facade._book.flow import Document

BookFormat: TypeAlias = Literal["text", "markdown", "html", "epub"]


def read_book(
    source: str | os.PathLike[str],
    *,
    format: BookFormat | None = None,  # noqa: A002 - the field's word
    alt_texts: bool = False,
    script: bool = False,
    encoding: str | None = None,
) -> Book:
    """Read a book.

    Chapters begin where a table of contents (EPUB) or headings say so. What is not to be read
    aloud is left out and listed: notes and their numbers, navigation, tables, code, page numbers,
    what is hidden, Project Gutenberg's licence.

    Args:
        source: The text itself, or a `Path` of a file.
        format: What it is. By default a file's name says it, by `.txt`, `.md`, `.html`, `.xhtml`,
            `.epub` and the like, and a text is plain.
        alt_texts: Whether the alternative texts of images are read.
        script: Whether a line such as `[am_adam] Hello.` is read by the voice that it begins with,
            as is what follows it in the same paragraph. A mix is a voice too.
        encoding: The encoding of a file of text, as Python names it. By default it is what the
            file itself says, or else UTF-8.

    Returns:
        The book. One without anything to read has no chapters.

    Raises:
        UnreadableBookError: The book is damaged, encrypted or hostile, its characters are not in
            the encoding, or a line of a script begins with something that is not a voice.
        InvalidRequestError: The format or the encoding is unknown, or the name of a file is passed
            as a text.
        ImportError: It is Markdown, and the extra `book` is not installed.
        OSError: The file cannot be read.
    """
    if isinstance(source, str):
        _check_is_text(source)
        path = None
    else:
        path = Path(source)
    format = format or _guessed_format(path)  # noqa: A001
    if format not in _FORMATS:
        raise InvalidRequestError(
            f"must be one of {', '.join(_FORMATS)}, not {format!r}", param="format"
        )
    try:
        if format == "epub":
            if path is None:
                raise InvalidRequestError("an EPUB is read from a Path", param="source")
            from facade._book.epub import read_epub

            book = read_epub(path, alt_texts=alt_texts, script=script)
        else:
            text = source if isinstance(source, str) else _text_of(Path(source), format, encoding)
            book = _read_text(text, format, alt_texts=alt_texts, script=script)
    except UnreadableBookError as error:
        if path is None:
            raise
        raise UnreadableBookError(error.message, part=error.part, path=str(path)) from None
    return replace(book, chapters=tuple(_with_own_languages(book.chapters, book.language)))


_FORMATS = ("text", "markdown", "html", "epub")
_SUFFIXES: dict[str, BookFormat] = {
    **dict.fromkeys((".txt", ".text"), "text"),
    **dict.fromkeys((".md", ".markdown"), "markdown"),
    **dict.fromkeys((".htm", ".html", ".xhtml", ".xht"), "html"),
    ".epub": "epub",
}


def _check_is_text(source: str) -> None:
    """Whoever passes a file's name as a string does not want to hear it."""
    if "\n" not in source and source.lower().endswith(tuple(_SUFFIXES)):
        raise InvalidRequestError(
            f"{source!r} is a text here; a file is passed as Path({source!r})", param="source"
        )


def _guessed_format(path: Path | None) -> BookFormat:
    if path is None:
        return "text"
    if found := _SUFFIXES.get(path.suffix.lower()):
        return found
    raise InvalidRequestError(
        f"{path.name!r} does not say its format; pass one of {', '.join(_FORMATS)}", param="format"
    )


def _text_of(path: Path, format: BookFormat, encoding: str | None) -> str:  # noqa: A002
    from facade._book.encoding import decode

    return decode(path.read_bytes(), encoding=encoding, is_markup=format == "html")


def _read_text(text: str, format: BookFormat, *, alt_texts: bool, script: bool) -> Book:  # noqa: A002
    from facade._book.flow import chapters_of, single_title, start_at_headings, without_licence
    from facade._book.script import assign_voices

    document = _document(text, format, alt_texts=alt_texts, keeps_lines=script)
    found = list(without_licence(document.found))
    if script:
        found = list(assign_voices(found, text))
    chapters, omissions = chapters_of(start_at_headings(found))
    return Book(
        chapters,
        title=document.title or single_title(found),
        author=document.author,
        language=document.language,
        omissions=omissions,
    )


def _document(
    text: str,
    format: BookFormat,  # noqa: A002
    *,
    alt_texts: bool,
    keeps_lines: bool,
) -> "Document":
    if format == "html":
        from facade._book.html import read_html

        return read_html(text, alt_texts=alt_texts)
    if format == "markdown":
        from facade._book.markdown import read_markdown

        return read_markdown(text, alt_texts=alt_texts, keeps_lines=keeps_lines)
    from facade._book.plain_text import read_plain_text

    return read_plain_text(text, alt_texts=alt_texts, keeps_lines=keeps_lines)


def _with_own_languages(chapters: Iterable[Chapter], language: str | None) -> Iterable[Chapter]:
    """Leave a paragraph's language to the book where they are the same."""
    for chapter in chapters:
        yield replace(
            chapter,
            paragraphs=tuple(
                replace(paragraph, language=None)
                if paragraph.language and paragraph.language == language
                else paragraph
                for paragraph in chapter.paragraphs
            ),
        )
