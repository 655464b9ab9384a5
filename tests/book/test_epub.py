"""EPUB books: their parts in order, and strangers' archives that mean no good."""

import random
import shutil
import struct
import subprocess
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from facade import Book, Chapter, Cover, Omission, Paragraph, UnreadableBookError, read_book
from facade._book import epub

from .epubs import CONTAINER, Parts, document, epub2, epub3, package, write_epub


def read(folder: Path, parts: Parts) -> Book:
    return read_book(write_epub(folder / "book.epub", parts))


def titles(book: Book) -> list[str | None]:
    return [chapter.title for chapter in book.chapters]


# --- sound books ---------------------------------------------------------------------------------


def test_an_epub_3_is_read_in_the_order_of_its_spine(tmp_path: Path) -> None:
    assert read(tmp_path, epub3()) == Book(
        (
            Chapter(
                (
                    Paragraph("1", "heading"),
                    Paragraph("It was wide."),
                    Paragraph("Tide", "heading"),
                    Paragraph("It came."),
                ),
                title="The Sea",
            ),
            Chapter(
                (Paragraph("2", "heading"), Paragraph("Elle était là.", language="fr")),
                title="The Land",
            ),
        ),
        title="The Sea",
        author="Jane Doe, John Roe",
        language="en-GB",
        cover=Cover(b"\xff\xd8 a cover", "image/jpeg"),
        omissions=(
            Omission("navigation", "OEBPS/nav.xhtml", None),
            Omission("note number", "1", 0),
            Omission("supplement", "A note.", 1),
        ),
    )


def test_an_epub_2_may_have_its_chapters_in_one_file(tmp_path: Path) -> None:
    book = read(tmp_path, epub2())
    assert [
        (chapter.title, [paragraph.text for paragraph in chapter.paragraphs])
        for chapter in book.chapters
    ] == [
        ("The Sea", ["The Sea", "by Jane Doe"]),
        ("One", ["First.", "A", "More."]),
        ("Two", ["Before it."]),
    ]
    assert book.cover == Cover(b"\x89PNG a cover", "image/png")
    assert book.omissions == (
        Omission("cover", "front.html", None),
        Omission("navigation", "One, two.", None),
        Omission("document", "cover.png", 2),
    )


def test_alternative_texts_are_read_by_choice(tmp_path: Path) -> None:
    parts = epub2() | {"title.html": document("<p><img src='a.png' alt='A wave'/></p>")}
    book = read_book(write_epub(tmp_path / "a.epub", parts), alt_texts=True)
    assert book.chapters[0].paragraphs == (Paragraph("A wave", "image"),)


@pytest.mark.parametrize(
    "toc",
    [
        "",
        '<nav type="toc"><ol><li><a href="text/c2.xhtml">Start</a></li></ol></nav>',
        '<nav type="toc"><ol><li><a>Start</a></li></ol></nav>',
    ],
)
def test_headings_make_chapters_where_the_contents_do_not(tmp_path: Path, toc: str) -> None:
    book = read(tmp_path, epub3() | {"OEBPS/nav.xhtml": f"<html>{toc}</html>"})
    assert titles(book) == ["1", "2"]


def test_a_book_may_have_no_table_of_contents_and_no_cover(tmp_path: Path) -> None:
    parts = epub2()
    opf = str(parts["book.opf"])
    for gone in (' toc="ncx"', '<meta name="cover" content="pic"/>', 'id="ncx"'):
        opf = opf.replace(gone, "")
    book = read(tmp_path, parts | {"book.opf": opf})
    assert titles(book) == ["The Sea"]
    assert book.cover is None


def test_what_is_not_said_of_a_book_is_not_known(tmp_path: Path) -> None:
    parts = epub3()
    opf = str(parts["OEBPS/content.opf"])
    start, end = opf.index("<dc:title>"), opf.index("</metadata>")
    empty = "<dc:title/><dc:creator/><dc:creator opf:role='aut'> </dc:creator>"
    book = read(tmp_path, parts | {"OEBPS/content.opf": opf[:start] + empty + opf[end:]})
    assert (book.title, book.author, book.language) == (None, None, None)
    assert book.chapters[0].paragraphs[0].language == "en-GB"


def test_a_book_may_have_many_parts(tmp_path: Path) -> None:
    parts = epub3()
    items = "".join(ITEM.format(f"{n}.xhtml").replace('"a"', f'"i{n}"') for n in range(200))
    opf = str(parts["OEBPS/content.opf"]).replace("</manifest>", f"{items}</manifest>")
    assert len(read(tmp_path, parts | {"OEBPS/content.opf": opf}).chapters) == 2


def test_a_chapter_whose_place_is_not_there_begins_with_its_file(tmp_path: Path) -> None:
    parts = epub2()
    parts["toc.ncx"] = str(parts["toc.ncx"]).replace("#one", "#gone")
    assert titles(read(tmp_path, parts)) == ["The Sea", "One", "Two"]


def test_a_chapter_may_lie_in_several_files(tmp_path: Path) -> None:
    parts = epub3()
    nav = str(parts["OEBPS/nav.xhtml"])
    parts["OEBPS/nav.xhtml"] = nav.replace("text/c2.xhtml", "text/notes.xhtml")
    parts["OEBPS/content.opf"] = str(parts["OEBPS/content.opf"]).replace(' linear="no"', "")
    book = read(tmp_path, parts)
    assert titles(book) == ["The Sea", "The Land"]
    assert [len(chapter.paragraphs) for chapter in book.chapters] == [6, 1]


def test_the_licence_of_project_gutenberg_is_left_out(tmp_path: Path) -> None:
    header = "<pre>The EBook of The Sea\n\n*** START OF THIS PROJECT GUTENBERG EBOOK ***</pre>"
    parts = epub3() | {"OEBPS/text/c2.xhtml": document(f"{header}<p>It was far.</p>")}
    book = read(tmp_path, parts)
    assert [chapter.paragraphs for chapter in book.chapters] == [(Paragraph("It was far."),)]
    assert book.omissions[-1].kind == "supplement"


def test_a_script_may_be_a_book(tmp_path: Path) -> None:
    parts = epub3() | {"OEBPS/text/c2.xhtml": document("<p>[am_adam] Land!</p>")}
    path = write_epub(tmp_path / "a.epub", parts)
    assert read_book(path, script=True).chapters[1].paragraphs == (
        Paragraph("Land!", voice="am_adam"),
    )
    write_epub(path, epub3() | {"OEBPS/text/c2.xhtml": document("<p>[He waves.] Land!</p>")})
    with pytest.raises(UnreadableBookError, match=r"c2\.xhtml: '\[He waves\.\]' begins a line"):
        read_book(path, script=True)


def test_fonts_may_be_scrambled(tmp_path: Path) -> None:
    algorithm = "http://www.idpf.org/2008/embedding"
    assert len(read(tmp_path, epub3() | encrypted("OEBPS/text/c2.xhtml", algorithm)).chapters) == 2


def test_a_cover_that_cannot_be_read_is_listed(tmp_path: Path) -> None:
    parts = epub3()
    del parts["OEBPS/images/cover.jpg"]
    book = read(tmp_path, parts)
    assert book.cover is None
    assert book.omissions[0] == Omission("cover", "OEBPS/images/cover.jpg is missing")


@pytest.mark.skipif(shutil.which("pandoc") is None, reason="needs pandoc: apt-get install pandoc")
@pytest.mark.parametrize("version", ["epub2", "epub3"])
def test_what_pandoc_makes_of_markdown_is_read(tmp_path: Path, version: str) -> None:
    source = """---
title: The Sea
author: Jane Doe
lang: en-GB
---

# The Tide

It came.[^1] *Slowly.*

[^1]: At noon.

## Foam

1. white
2. wide

```c
int x;
```

# The Land

> It was far.
"""
    path = tmp_path / "sea.epub"
    subprocess.run(
        ["pandoc", "--from", "markdown", "--to", version, "--toc", "--output", path],
        input=source,
        text=True,
        check=True,
    )
    book = read_book(path)
    assert (book.title, book.author, book.language) == ("The Sea", "Jane Doe", "en-GB")
    assert [
        (chapter.title, [paragraph.text for paragraph in chapter.paragraphs])
        for chapter in book.chapters
    ] == [
        ("The Sea", ["The Sea", "Jane Doe"]),
        ("The Tide", ["The Tide", "It came. Slowly.", "Foam", "1. white", "2. wide"]),
        ("The Land", ["The Land", "It was far."]),
    ]
    assert {"note number", "code", "footnote"} <= {left.kind for left in book.omissions}


# --- hostile and broken ones ---------------------------------------------------------------------


def encrypted(uri: str, algorithm: str) -> Parts:
    xml = f"""<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container"
        xmlns:enc="http://www.w3.org/2001/04/xmlenc#"><enc:EncryptedData>
        <enc:EncryptionMethod Algorithm="{algorithm}"/><enc:CipherData>
        <enc:CipherReference URI="{uri}"/></enc:CipherData></enc:EncryptedData></encryption>"""
    return {"META-INF/encryption.xml": xml}


def opf(items: str, spine: str = '<itemref idref="a"/>') -> Parts:
    return {"OEBPS/content.opf": package(items, spine)}


BOMB = """<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;">
    ]><package>&b;</package>"""
OUTSIDE = """<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>
    <package>&x;</package>"""
ITEM = '<item id="a" href="{}" media-type="application/xhtml+xml"/>'


@pytest.mark.parametrize(
    ("changes", "part", "message"),
    [
        ({"OEBPS/content.opf": BOMB}, "OEBPS/content.opf", "declares entities, as attacks do"),
        ({"OEBPS/content.opf": OUTSIDE}, "OEBPS/content.opf", "declares entities"),
        ({"META-INF/container.xml": BOMB}, "META-INF/container.xml", "declares entities"),
        ({"OEBPS/nav.xhtml": BOMB}, "OEBPS/nav.xhtml", "declares entities"),
        ({"META-INF/encryption.xml": BOMB}, "META-INF/encryption.xml", "declares entities"),
        ({"OEBPS/content.opf": "<a>" * 200}, "OEBPS/content.opf", "more than 100 elements deep"),
        ({"OEBPS/content.opf": "<package"}, "OEBPS/content.opf", "is no XML (unclosed token"),
        ({"OEBPS/content.opf": ""}, "OEBPS/content.opf", "is no XML (no element found"),
        (
            {"OEBPS/content.opf": b"<?xml version='1.0' encoding='klingon'?><package/>"},
            "OEBPS/content.opf",
            "is no XML (unknown encoding",
        ),
        (
            {"OEBPS/content.opf": b"<?xml version='1.0' encoding='utf-7'?><package/>"},
            "OEBPS/content.opf",
            "is no XML (",
        ),
        ({"OEBPS/content.opf": b" " * 2**22 + b"<a/>"}, "OEBPS/content.opf", "larger than 4 MiB"),
        ({"OEBPS/text/c2.xhtml": b"a" * (2**24 + 1)}, "OEBPS/text/c2.xhtml", "larger than 16 MiB"),
        ({"OEBPS/text/c2.xhtml": b"\xff"}, "OEBPS/text/c2.xhtml", "is not in utf-8"),
        ({"../../a.txt": "x"}, "../../a.txt", "has a name that leads out of the book"),
        ({"/etc/passwd": "x"}, "/etc/passwd", "has a name that leads out of the book"),
        ({"a\\..\\b": "x"}, "a\\..\\b", "has a name that leads out of the book"),
        (
            opf(ITEM.format("../../a.xhtml")),
            "OEBPS/content.opf",
            "'../../a.xhtml', which leads out",
        ),
        (opf(ITEM.format("%2e%2e/%2E%2e/a")), "OEBPS/content.opf", "which leads out of the book"),
        (opf(ITEM.format("/etc/passwd")), "OEBPS/content.opf", "'/etc/passwd', which leads out"),
        (opf(ITEM.format("file:///etc/passwd")), "OEBPS/content.opf", "which leads out"),
        (opf(ITEM.format("http://[x")), "OEBPS/content.opf", "which leads out"),
        (opf(ITEM.format("//host/a.xhtml")), "OEBPS/content.opf", "which leads out"),
        (
            {"META-INF/container.xml": CONTAINER.replace("OEBPS", "..")},
            None,
            "refers to '../content.opf', which leads out",
        ),
        (opf(ITEM.format("gone.xhtml")), "OEBPS/gone.xhtml", "is missing"),
        (opf("", '<itemref idref="x"/>'), "OEBPS/content.opf", "has no item 'x', which its spine"),
        (opf(ITEM.format("a.xhtml"), ""), "OEBPS/content.opf", "has no spine"),
        ({"META-INF/container.xml": "<a/>"}, "META-INF/container.xml", "names no package document"),
        (
            {"META-INF/container.xml": CONTAINER.replace("content.opf", "gone.opf")},
            "OEBPS/gone.opf",
            "is missing",
        ),
        (
            encrypted("OEBPS/text/c2.xhtml", "http://www.w3.org/2001/04/xmlenc#aes128-cbc"),
            "OEBPS/text/c2.xhtml",
            "is encrypted: the book is protected (DRM)",
        ),
    ],
)
def test_what_is_hostile_or_broken_ends_in_one_line(
    tmp_path: Path, changes: Parts, part: str | None, message: str
) -> None:
    with pytest.raises(UnreadableBookError) as raised:
        read(tmp_path, epub3() | changes)
    error = raised.value
    assert error.part == part
    assert error.path == str(tmp_path / "book.epub")
    assert message in str(error)
    assert "\n" not in str(error)


def test_no_container_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnreadableBookError, match=r"META-INF/container\.xml: is missing"):
        read(tmp_path, {})


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7", b"PK\x03\x04" + b"\0" * 100])
def test_what_is_no_archive_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.epub"
    path.write_bytes(content)
    with pytest.raises(UnreadableBookError, match="is no ZIP archive, or a damaged one"):
        read_book(path)


def test_all_of_a_book_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epub, "_LARGEST_BOOK", 2**21)
    items = "".join(ITEM.format(f"{n}.xhtml").replace('"a"', f'"i{n}"') for n in range(3))
    spine = "".join(f'<itemref idref="i{n}"/>' for n in range(3))
    parts: Parts = {f"OEBPS/{n}.xhtml": b"\n" * 2**20 for n in range(3)}
    with pytest.raises(UnreadableBookError, match=r"OEBPS/1\.xhtml: .* larger than 2 MiB"):
        read(tmp_path, epub3() | opf(items, spine) | parts)


def test_the_number_of_parts_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epub, "_MOST_MEMBERS", 8)
    with pytest.raises(UnreadableBookError, match="has more than 8 parts"):
        read(tmp_path, epub3() | {"a": "x"})


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_no_other_compression_is_undone(tmp_path: Path, method: int) -> None:
    path = write_epub(tmp_path / "a.epub", epub3())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("OEBPS/x.xhtml", "<p>a</p>", method)
    parts = epub3() | opf(ITEM.format("x.xhtml"))
    write_epub(path, parts)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("OEBPS/x.xhtml", "<p>a</p>", method)
    with pytest.raises(UnreadableBookError, match=r"x\.xhtml: is compressed as no EPUB may be"):
        read_book(path)


def test_an_encrypted_archive_is_told(tmp_path: Path) -> None:
    path = write_epub(tmp_path / "a.epub", epub3())
    content = bytearray(path.read_bytes())
    at = content.find(b"PK\x01\x02")
    while at >= 0:
        (flags,) = struct.unpack_from("<H", content, at + 8)
        struct.pack_into("<H", content, at + 8, flags | 1)
        at = content.find(b"PK\x01\x02", at + 1)
    path.write_bytes(content)
    with pytest.raises(UnreadableBookError, match="is encrypted"):
        read_book(path)


def test_a_size_that_lies_is_no_way_around_the_bound(tmp_path: Path) -> None:
    parts = epub3() | {"OEBPS/text/c2.xhtml": b"a" * (2**24 + 1)}
    path = write_epub(tmp_path / "a.epub", parts)
    content = path.read_bytes().replace(struct.pack("<I", 2**24 + 1), struct.pack("<I", 9))
    path.write_bytes(content)
    with pytest.raises(UnreadableBookError):
        read_book(path)


def test_no_damage_leads_to_another_exception(tmp_path: Path) -> None:
    path = write_epub(tmp_path / "a.epub", epub3())
    sound = path.read_bytes()
    chance = random.Random(16)  # noqa: S311 - damage need not be secret
    for _ in range(150):
        content = bytearray(sound)
        for _ in range(chance.randint(1, 8)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        path.write_bytes(content[: chance.choice((len(content), chance.randrange(len(content))))])
        with suppress(UnreadableBookError):
            read_book(path)
