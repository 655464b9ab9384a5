"""EPUB 2 and 3 books.

A book is a ZIP archive of strangers: nothing of it is written anywhere, nothing that it refers to
is fetched, and all that is read has bounds.
"""

import posixpath
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html.entities import html5
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from facade._book.encoding import decode
from facade._book.flow import (
    Block,
    ChapterStart,
    Document,
    Found,
    chapters_of,
    start_at_headings,
    without_licence,
)
from facade._book.html import read_html
from facade._book.script import assign_voices
from facade._book.text import tidy
from facade.books import Book, Cover, Omission
from facade.errors import UnreadableBookError

_MOST_MEMBERS = 20_000
_MIB = 2**20
# Of one part of the book, of one that is only XML, and of all that is read of it.
_LARGEST_PART = 16 * _MIB
_LARGEST_XML = 4 * _MIB
_LARGEST_BOOK = 64 * _MIB
_DEEPEST_XML = 100


def read_epub(path: Path, *, alt_texts: bool = False, script: bool = False) -> Book:
    """Read an EPUB book.

    Args:
        path: Its file.
        alt_texts: Whether the alternative texts of images are read.
        script: Whether lines may begin with the voice that reads them.

    Raises:
        UnreadableBookError: It is no EPUB, or a damaged, encrypted or hostile one.
        OSError: The file cannot be read.
    """
    with path.open("rb") as file, _damage(), zipfile.ZipFile(file) as archive:
        return _Reader(_Parts(archive), alt_texts, script).book()


@contextmanager
def _damage() -> Iterator[None]:
    """Say in our words what zipfile raises, of many kinds, for an archive that is damaged."""
    try:
        yield
    except UnreadableBookError:
        raise
    except (
        zipfile.BadZipFile,
        EOFError,
        NotImplementedError,
        OSError,
        RuntimeError,
        ValueError,
        struct.error,
        zlib.error,
    ) as error:
        raise UnreadableBookError(f"is no ZIP archive, or a damaged one ({error})") from error


class _Parts:
    """The parts of a book, by name."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._left = _LARGEST_BOOK
        self._encrypted: frozenset[str] = frozenset()
        names = archive.namelist()
        if len(names) > _MOST_MEMBERS:
            raise UnreadableBookError(f"has more than {_MOST_MEMBERS:,} parts")
        for name in names:
            if name.startswith("/") or "\\" in name or ".." in name.split("/"):
                raise UnreadableBookError("has a name that leads out of the book", part=name)
        if _ENCRYPTION in names:
            self._encrypted = frozenset(_encrypted(self.xml(_ENCRYPTION)))

    def read(self, name: str, *, most: int = _LARGEST_PART) -> bytes:
        try:
            info = self._archive.getinfo(name)
        except KeyError:
            raise UnreadableBookError("is missing", part=name) from None
        if name in self._encrypted or info.flag_bits & 1:
            raise UnreadableBookError("is encrypted: the book is protected (DRM)", part=name)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UnreadableBookError("is compressed as no EPUB may be", part=name)
        # What the archive says of a part's size may be a lie.
        with self._archive.open(info) as file:
            content = file.read(most + 1)
        if len(content) > most:
            raise UnreadableBookError(f"is larger than {most // _MIB} MiB", part=name)
        self._left -= len(content)
        if self._left < 0:
            raise UnreadableBookError(
                f"is too much: with it, the book's text is larger than {_LARGEST_BOOK // _MIB} MiB",
                part=name,
            )
        return content

    def xml(self, name: str) -> Element:
        return _parse(self.read(name, most=_LARGEST_XML), name)

    def document(self, item: "_Item", *, alt_texts: bool, chapters: Mapping[str, str]) -> Document:
        try:
            markup = decode(self.read(item.path), is_markup=True)
        except UnreadableBookError as error:
            raise UnreadableBookError(error.message, part=item.path) from None
        return read_html(markup, alt_texts=alt_texts, is_xhtml=item.is_xhtml, chapters=chapters)


_ENCRYPTION = "META-INF/encryption.xml"
# These only scramble fonts.
_FONT_ALGORITHMS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")


def _encrypted(root: Element) -> Iterator[str]:
    for data in root.iter("EncryptedData"):
        methods = {method.get("Algorithm") for method in data.findall("EncryptionMethod")}
        if methods.isdisjoint(_FONT_ALGORITHMS):
            for reference in data.iter("CipherReference"):
                yield _resolve("", reference.get("URI", ""))[0]


def _resolve(base: str, reference: str) -> tuple[str, str]:
    """Return the name of the part that a reference means, and the id in it."""
    outside = UnreadableBookError(
        f"refers to {reference[:100]!r}, which leads out of the book", part=base or None
    )
    try:
        address = urlsplit(reference)
    except ValueError:
        raise outside from None
    path = unquote(address.path)
    name = posixpath.normpath(posixpath.join(posixpath.dirname(base), path)) if path else base
    if address.scheme or address.netloc or path.startswith("/") or name.split("/")[0] == "..":
        raise outside
    return name, unquote(address.fragment)


def _parse(content: bytes, name: str) -> Element:
    """Parse XML by its local names; no entity may be declared in it, and none is fetched."""
    builder = TreeBuilder()
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST_XML:
            raise UnreadableBookError(f"is more than {_DEEPEST_XML} elements deep", part=name)
        builder.start(_local(tag), {_local(key): value for key, value in attributes.items()})

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_local(tag))

    def refuse(*_: object) -> None:
        raise UnreadableBookError("declares entities, as attacks do", part=name)

    def read_nothing(context: str, *_: object) -> int:
        parser.ExternalEntityParserCreate(context).Parse(b"", True)
        return 1

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = refuse
    # HTML's entities, which a navigation document has without declaring them.
    parser.UseForeignDTD(True)
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_ALWAYS)
    parser.ExternalEntityRefHandler = read_nothing
    parser.SkippedEntityHandler = lambda entity, _: builder.data(html5.get(f"{entity};", ""))
    try:
        parser.Parse(content, True)
        return builder.close()
    except (expat.ExpatError, LookupError, ValueError) as error:
        if isinstance(error, UnreadableBookError):
            raise
        raise UnreadableBookError(f"is no XML ({error})", part=name) from None


def _local(name: str) -> str:
    return name.rpartition(" ")[2]


# --- what a package document says ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Item:
    package_path: str
    reference: str
    media_type: str
    properties: frozenset[str]

    @property
    def path(self) -> str:
        # Not before it is needed: sounds and films may lie elsewhere.
        return _resolve(self.package_path, self.reference)[0]

    @property
    def is_xhtml(self) -> bool:
        return self.media_type != "text/html"


_DOCUMENTS = ("application/xhtml+xml", "text/html", "text/x-oeb1-document")


@dataclass(frozen=True, slots=True)
class _TocEntry:
    path: str
    id: str
    title: str
    depth: int


class _Reader:
    def __init__(self, parts: _Parts, alt_texts: bool, script: bool) -> None:
        self._parts = parts
        self._alt_texts = alt_texts
        self._script = script
        container = parts.xml("META-INF/container.xml")
        reference = next((file.get("full-path", "") for file in container.iter("rootfile")), "")
        if not reference:
            raise UnreadableBookError("names no package document", part="META-INF/container.xml")
        self._package_path = _resolve("", reference)[0]
        self._package = parts.xml(self._package_path)
        self._items = {
            item.get("id", ""): _Item(
                self._package_path,
                item.get("href", ""),
                item.get("media-type", ""),
                frozenset(item.get("properties", "").split()),
            )
            for item in self._package.iterfind("manifest/item[@id]")
        }

    def book(self) -> Book:
        starts = self._chapter_starts()
        found = list(
            without_licence([item for part in self._spine() for item in self._found(*part, starts)])
        )
        if not starts:
            found = list(start_at_headings(found))
        chapters, omissions = chapters_of(found)
        cover, missing = self._cover()
        return Book(
            chapters,
            title=self._field("title"),
            author=", ".join(self._authors()) or None,
            language=self._field("language"),
            cover=cover,
            omissions=(*missing, *omissions),
        )

    # --- the metadata ----------------------------------------------------------------------------

    def _metadata(self, name: str) -> Iterator[Element]:
        for metadata in self._package.iterfind("metadata"):
            # EPUB 2 may have its Dublin Core in an element of its own.
            yield from metadata.iter(name)

    def _field(self, name: str) -> str | None:
        texts = (tidy(element.text or "") for element in self._metadata(name))
        return next(filter(None, texts), None)

    def _authors(self) -> Iterator[str]:
        roles = {
            meta.get("refines"): meta.text
            for meta in self._metadata("meta")
            if meta.get("property") == "role"
        }
        for creator in self._metadata("creator"):
            role = creator.get("role") or roles.get(f"#{creator.get('id')}") or "aut"
            if role == "aut" and (name := tidy(creator.text or "")):
                yield name

    def _cover(self) -> tuple[Cover | None, Sequence[Omission]]:
        named = {
            meta.get("content") for meta in self._metadata("meta") if meta.get("name") == "cover"
        }
        for id, item in self._items.items():  # noqa: A001
            is_cover = "cover-image" in item.properties or id in named
            if is_cover and item.media_type.startswith("image/"):
                try:
                    return Cover(self._parts.read(item.path), item.media_type), ()
                except UnreadableBookError as error:
                    return None, (Omission("cover", f"{error.part} {error.message}"),)
        return None, ()

    # --- the documents ---------------------------------------------------------------------------

    def _spine(self) -> Iterator[tuple[_Item, str | None]]:
        """Give the documents in order, each with how it is listed where it is left out."""
        guide = {
            _resolve(self._package_path, reference.get("href", ""))[0]: kind
            for kind in ("cover", "toc")
            for reference in self._package.iterfind(f"guide/reference[@type='{kind}']")
        }
        references = list(self._package.iterfind("spine/itemref"))
        if not references:
            raise UnreadableBookError(
                "has no spine, which is what to read", part=self._package_path
            )
        for reference in references:
            item = self._items.get(reference.get("idref", ""))
            if item is None:
                raise UnreadableBookError(
                    f"has no item {reference.get('idref', '')[:100]!r}, which its spine names",
                    part=self._package_path,
                )
            if item.media_type not in _DOCUMENTS:
                yield item, "document"
            elif "nav" in item.properties or guide.get(item.path) == "toc":
                yield item, "navigation"
            elif guide.get(item.path) == "cover":
                yield item, "cover"
            else:
                yield item, "supplement" if reference.get("linear") == "no" else None

    def _found(
        self, item: _Item, omitted: str | None, starts: Mapping[str, Mapping[str, str]]
    ) -> Iterator[Found]:
        if omitted == "document":
            yield Omission(omitted, item.path)
            return
        titles = starts.get(item.path, {})
        document = self._parts.document(item, alt_texts=self._alt_texts, chapters=titles)
        if omitted:
            text = " ".join(
                found.paragraph.text for found in document.found if isinstance(found, Block)
            )
            yield Omission(omitted, text or item.path)
            return
        found: Iterable[Found] = document.found
        if self._script:
            found = _voiced(found, item.path)
        # A chapter whose id is not in the document, or is all of it, begins with it.
        begun = {part.title for part in document.found if isinstance(part, ChapterStart)}
        yield from (ChapterStart(title) for title in titles.values() if title not in begun)
        yield from found

    # --- the table of contents -------------------------------------------------------------------

    def _chapter_starts(self) -> dict[str, dict[str, str]]:
        """Return the titles of the chapters by the path and the id that they begin at.

        Of what is nested, only what begins a document begins a chapter: the rest are sections.
        """
        starts: dict[str, dict[str, str]] = {}
        for entry in self._toc():
            if entry.depth == 0 or entry.path not in starts:
                starts.setdefault(entry.path, {}).setdefault(entry.id, entry.title)
        # One entry for a whole book is what converters make that know nothing of its chapters.
        return starts if sum(map(len, starts.values())) > 1 else {}

    def _toc(self) -> Iterator[_TocEntry]:
        nav = next((item.path for item in self._items.values() if "nav" in item.properties), None)
        if nav is not None:
            for element in self._parts.xml(nav).iter("nav"):
                if "toc" in element.get("type", "").split():
                    yield from _nav_entries(element, nav, 0)
            return
        spine = self._package.find("spine")
        ncx = self._items.get(spine.get("toc", "") if spine is not None else "")
        if ncx is not None:
            for point in self._parts.xml(ncx.path).iterfind("navMap"):
                yield from _ncx_entries(point, ncx.path, 0)


def _nav_entries(parent: Element, base: str, depth: int) -> Iterator[_TocEntry]:
    for item in parent.iterfind("ol/li"):
        link = item.find("a")
        if link is not None and link.get("href"):
            yield _TocEntry(
                *_resolve(base, link.get("href", "")), tidy("".join(link.itertext())), depth
            )
        yield from _nav_entries(item, base, depth + 1)


def _ncx_entries(parent: Element, base: str, depth: int) -> Iterator[_TocEntry]:
    for point in parent.iterfind("navPoint"):
        content = point.find("content")
        if content is not None and content.get("src"):
            title = tidy(point.findtext("navLabel/text", ""))
            yield _TocEntry(*_resolve(base, content.get("src", "")), title, depth)
        yield from _ncx_entries(point, base, depth + 1)


def _voiced(found: Iterable[Found], name: str) -> Iterator[Found]:
    try:
        yield from assign_voices(found)
    except UnreadableBookError as error:
        raise UnreadableBookError(error.message, part=name) from None
