"""What a book is read from."""

import os
import sys
from pathlib import Path

import pytest

from facade import (
    Book,
    Chapter,
    InvalidRequestError,
    Paragraph,
    SpeechError,
    UnreadableBookError,
    read_book,
)
from facade._extras import needs


def only_paragraph(book: Book) -> Paragraph:
    ((paragraph,),) = (chapter.paragraphs for chapter in book.chapters)
    return paragraph


def test_a_string_is_a_text() -> None:
    assert read_book("Hello *there*.") == Book((Chapter((Paragraph("Hello *there*."),)),))
    assert read_book("Hello *there*.", format="markdown").characters == len("Hello there.")


@pytest.mark.parametrize("name", ["moby-dick.epub", "moby dick.TXT", "a/b.md", "x.html"])
def test_a_files_name_is_no_text(name: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"source: .* is a text here; .* Path\("):
        read_book(name)


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.txt", "*a*", "*a*"),
        ("a.TEXT", "*a*", "*a*"),
        ("a.md", "*a*", "a"),
        ("a.markdown", "*a*", "a"),
        ("a.html", "<p>*a*", "*a*"),
        ("a.htm", "<p>*a*", "*a*"),
        ("a.xhtml", "<p>*a*</p>", "*a*"),
    ],
)
def test_a_files_name_says_what_it_is(tmp_path: Path, name: str, content: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    assert only_paragraph(read_book(path)).text == text
    assert only_paragraph(read_book(path, format="text")).text == content


class PathOfAnotherKind(os.PathLike[str]):
    def __init__(self, path: Path) -> None:
        self._path = path

    def __fspath__(self) -> str:
        return str(self._path)


def test_any_path_will_do(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("*a*", encoding="utf-8")
    assert only_paragraph(read_book(PathOfAnotherKind(path))).text == "a"


def test_what_is_of_no_known_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match=r"format: 'a\.pdf' does not say its format"):
        read_book(tmp_path / "a.pdf")
    with pytest.raises(InvalidRequestError, match=r"format: must be one of text, .* not 'pdf'"):
        read_book("Text.", format="pdf")  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match="source: an EPUB is read from a Path"):
        read_book("Text.", format="epub")


def test_a_file_that_is_not_there_is_told_as_usual(tmp_path: Path) -> None:
    for name in ("a.txt", "a.epub"):
        with pytest.raises(FileNotFoundError):
            read_book(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "Ünï".encode()),
        ("a.txt", b"\xef\xbb\xbf" + "Ünï".encode()),
        ("a.txt", "Ünï".encode("utf-16")),
        ("a.txt", b"\xfe\xff" + "Ünï".encode("utf-16-be")),
        ("a.txt", b"\0\0\xfe\xff" + "Ünï".encode("utf-32-be")),
        ("a.html", b"<meta charset='latin-1'>" + "Ünï".encode("latin-1")),
        ("a.html", b"<meta http-equiv=x content='a; charset=cp1252'>" + "Ünï".encode("cp1252")),
        ("a.html", b"<?xml version='1.0' encoding='latin-1'?>" + "Ünï".encode("latin-1")),
    ],
)
def test_a_file_may_say_its_encoding(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert only_paragraph(read_book(path)).text == "Ünï"


def test_utf_32_is_not_taken_for_utf_16(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("Ünï, 😀.".encode("utf-32"))
    assert only_paragraph(read_book(path)).text == "Ünï, 😀."


def test_an_encoding_may_be_told(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"One\nT\xfcr")
    assert only_paragraph(read_book(path, encoding="cp1252")).text == "One Tür"
    with pytest.raises(UnreadableBookError) as raised:
        read_book(path)
    assert (raised.value.path, raised.value.part) == (str(path), "line 2")
    assert "is not in utf-8; read_book(..., encoding='cp1252') reads what is" in str(raised.value)
    with pytest.raises(InvalidRequestError, match="encoding: 'klingon' is not known to Python"):
        read_book(path, encoding="klingon")


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (b"klingon", "is in 'klingon', an encoding that is unknown"),
        (b"idna", "is not in idna"),
        (b"hex", "is in 'hex', an encoding that is unknown"),
    ],
)
def test_a_file_may_say_what_is_not_so(tmp_path: Path, declared: bytes, message: str) -> None:
    path = tmp_path / "a.html"
    path.write_bytes(b"<meta charset=" + declared + b">" + "a..ü".encode())
    with pytest.raises(UnreadableBookError) as raised:
        read_book(path)
    assert message in str(raised.value)


def test_an_error_has_one_line_whatever_the_files_are_called() -> None:
    error = UnreadableBookError("is missing", part="a\nb\x1b[31m" + "c" * 200, path="d\r.epub")
    assert str(error) == f"source: d?.epub: a?b?[31m{'c' * 92}: is missing"
    assert isinstance(error, SpeechError)


@pytest.mark.parametrize("package", ["markdown_it", "sentencex"])
def test_an_extra_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    from facade._book.splitting import split_book

    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError) as raised:
        list(split_book(read_book("Hello.", format="markdown")))
    what = {"markdown_it": "Markdown", "sentencex": "splitting"}[package]
    assert str(raised.value) == needs(what, package, "book")
