"""HTML, and what is XHTML in EPUB books."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from html.parser import HTMLParser
from types import MappingProxyType

from facade._book.flow import Block, ChapterStart, Document, Found
from facade._book.text import LINE_BREAK, is_speakable, tidy
from facade.books import Omission, Paragraph, ParagraphKind


def read_html(
    markup: str,
    *,
    alt_texts: bool = False,
    is_xhtml: bool = False,
    chapters: Mapping[str, str] = MappingProxyType({}),
) -> Document:
    """Read an HTML document, however broken.

    Args:
        markup: The document.
        alt_texts: Whether the alternative texts of images are read.
        is_xhtml: Whether it is XHTML, in which every element may be closed by its own tag.
        chapters: The titles of the chapters that begin in it, by the ids that they begin at.
    """
    if is_xhtml:
        markup = _CDATA.sub(_cdata_text, markup)
    markup = _ENDLESS_NUMBER.sub("\ufffd", markup)
    reader = _Reader(alt_texts, is_xhtml, chapters)
    # Other sections with marks are comments to a browser, and an error to the parser.
    reader.feed(markup.replace("<![", "<! ["))
    reader.close()
    return Document(
        reader.found, tidy(reader.title) or None, reader.author or None, reader.language
    )


# A section without an end takes the rest, so that no other looks for one.
_CDATA = re.compile(r"<!\[CDATA\[(?:(.*?)\]\]>|.*)", re.DOTALL)
# A character's number that is too large is this one; Python refuses to read the longest.
_ENDLESS_NUMBER = re.compile("&#[0-9]{100,};?")


def _cdata_text(section: re.Match[str]) -> str:
    return section[0] if section[1] is None else escape(section[1])


_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param"}
    | {"source", "track", "wbr"}
)
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_BLOCKS = _HEADINGS | frozenset(
    {"address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details"}
    | {"dialog", "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form"}
    | {"header", "hgroup", "hr", "html", "li", "main", "menu", "nav", "ol", "p", "pre", "search"}
    | {"section", "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul"}
)
_KINDS: Mapping[str, ParagraphKind] = {
    **dict.fromkeys(_HEADINGS, "heading"),
    **dict.fromkeys(("li", "dt", "dd"), "item"),
    "blockquote": "quote",
    "pre": "verse",
}
_VERSE = frozenset({"line-block", "poem", "poetry", "stanza", "verse"})

# What is left out, and by which name it is listed; what has none is no text.
_OMITTED_TAGS = {
    **dict.fromkeys(("rp", "script", "style", "template", "title"), ""),
    **dict.fromkeys(("audio", "canvas", "iframe", "object", "video"), "media"),
    **dict.fromkeys(("button", "datalist", "select", "textarea"), "form"),
    **dict.fromkeys(("rt", "rtc"), "ruby"),
    "del": "deletion",
    "math": "formula",
    "nav": "navigation",
    "noscript": "hidden",
    "svg": "image",
    "table": "table",
}
# By the `role` of DPUB-ARIA, without its "doc-", and by the `epub:type` of the same name.
_OMITTED_ROLES = {
    **dict.fromkeys(("backlink", "noteref"), "note number"),
    **dict.fromkeys(
        ("endnote", "endnotes", "footnote", "footnotes", "rearnote", "rearnotes"), "footnote"
    ),
    **dict.fromkeys(
        ("landmarks", "loi", "lot", "navigation", "page-list", "pagelist", "toc"), "navigation"
    ),
    "copyright-page": "copyright",
    "cover": "cover",
    "index": "index",
    "pagebreak": "page number",
}
# Of Project Gutenberg and pandoc, which have no roles.
_OMITTED_CLASSES = {
    **dict.fromkeys(("footnote", "footnotes"), "footnote"),
    **dict.fromkeys(
        ("fnanchor", "footnote-ref", "footnote-back", "footnote-backref"), "note number"
    ),
    **dict.fromkeys(("pagenum", "pageno"), "page number"),
    "pg-boilerplate": "licence",
}
# Of Pygments and pandoc, for a `pre` or what is around it; elsewhere they may mean anything.
_CODE = frozenset({"highlight", "sourcecode"})
_HIDING = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)

# A note's number, in a link to the note and in raised letters.
_NOTE_MARK = re.compile(
    r"\s*(?:[\[(]\s*(?:[0-9]{1,4}|[A-Za-z]|[ivxlc]{1,6}|[*†‡§¶#]{1,4})\s*[\])]|[*†‡§¶]{1,4})\s*"
)
_NOTE_NUMBER = re.compile(r"\s*[0-9]{1,4}\s*")
# Behind a word, a year in brackets or a mark; behind a unit, such as "cm", it is a power.
_BEFORE_NOTE = re.compile(r"(?:[^\W\d_]{4}|\w{4}\)|[^\w\s)]\)?)\s*\Z")
# The power of a number or of a formula, which would else become a part of the number.
_POWER = re.compile(r"\s*[-\u2212+]?[0-9]{1,4}\s*")
_BEFORE_POWER = re.compile(r"[0-9)]\Z")
_LONGEST_NOTE_NUMBER = 12
_PARAGRAPH_BREAK = re.compile(r"\v[ \t\r\n\f]*\v\s*")

_Attributes = Mapping[str, str]


@dataclass(slots=True)
class _Element:
    tag: str
    kind: ParagraphKind
    level: int
    language: str | None
    # How much of the paragraph's text lies before it.
    start: int
    # Whether it is a link to a place in the book.
    is_link: bool
    # Whether it says that it has code in it.
    is_code: bool
    # The number of the next item, in a list that counts them.
    number: int | None


class _Reader(HTMLParser):
    def __init__(self, alt_texts: bool, is_xhtml: bool, chapters: Mapping[str, str]) -> None:
        super().__init__()
        self.found: list[Found] = []
        self.title = ""
        self.author = ""
        self.language: str | None = None
        self._alt_texts = alt_texts
        self._is_xhtml = is_xhtml
        self._chapters = dict(chapters)
        self._stack = [_Element("", "paragraph", 0, None, 0, False, False, None)]
        self._open: Counter[str] = Counter()
        self._links = 0
        # The paragraph that is being read, and what is left out of it.
        self._text: list[str] = []
        self._number = ""
        self._has_only_images = True
        self._has_only_links = True
        self._behind: list[Omission] = []
        # What is being left out: how deep it lies, its name and its text.
        self._omitted_depth = 0
        self._omitted_kind = ""
        self._omitted: list[str] = []

    # --- what the parser finds -------------------------------------------------------------------

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag in _BLOCKS:
            self._close_implied(tag)
            if self._omitted_depth:
                self._omitted.append(" ")
            else:
                self._end_paragraph()
        self._begin_chapter(attributes)
        if tag in _VOID:
            self._read_void(tag, attributes)
            return
        if tag == "li" and not self._omitted_depth:
            self._number_item(self._stack[-1], attributes)
        element = self._element(tag, attributes)
        self._stack.append(element)
        self._open[tag] += 1
        self._links += element.is_link
        if not self._omitted_depth and (kind := self._omission(tag, attributes)) is not None:
            self._omitted_depth = len(self._stack)
            self._omitted_kind = kind

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if self._is_xhtml:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        # An end without a beginning is nothing.
        while self._open[tag]:
            element = self._stack[-1]
            if not self._omitted_depth:
                self._leave(element)
            self._stack.pop()
            self._open[element.tag] -= 1
            self._links -= element.is_link
            if len(self._stack) < self._omitted_depth:
                self._end_omission(element.tag)
            if element.tag == tag:
                break

    def handle_data(self, data: str) -> None:
        if self._omitted_depth:
            self._omitted.append(data)
            return
        if not data.isspace():
            self._has_only_images = False
            self._has_only_links = self._has_only_links and self._links > 0
        self._text.append(data.replace("\n", LINE_BREAK) if self._open["pre"] else data)

    def close(self) -> None:
        if self.rawdata.startswith("<") and len(self.rawdata) > 1:
            # A tag or comment without an end; the parser would look for one from each "<" in it.
            self._omit_rest(self.rawdata)
            self.rawdata = ""
        super().close()
        while len(self._stack) > 1:
            self.handle_endtag(self._stack[-1].tag)
        self._end_paragraph()

    # --- elements --------------------------------------------------------------------------------

    def _close_implied(self, tag: str) -> None:
        """Close what a block ends without a tag: a paragraph, or the item before."""
        closed, scope = _IMPLIED_ENDS.get(tag, _PARAGRAPH_END)
        for element in reversed(self._stack[-_NEAR:]):
            if element.tag in closed:
                self.handle_endtag(element.tag)
                return
            if element.tag in scope:
                return

    def _number_item(self, parent: _Element, attributes: _Attributes) -> None:
        if parent.number is not None:
            number = _integer(attributes.get("value", ""), parent.number)
            self._number = f"{number}. "
            parent.number = number + 1

    def _element(self, tag: str, attributes: _Attributes) -> _Element:
        parent = self._stack[-1]
        kind, language = parent.kind, parent.language
        if tag in _BLOCKS:
            kind = _KINDS.get(tag, kind)
            language = attributes.get("xml:lang") or attributes.get("lang") or language
            if not _VERSE.isdisjoint(_words(attributes, "class")):
                kind = "verse"
        if tag == "html":
            self.language = language
        return _Element(
            tag,
            kind,
            level=int(tag[1]) if tag in _HEADINGS else parent.level,
            language=language,
            start=len(self._text),
            is_link=tag == "a" and self._is_internal(attributes.get("href", "")),
            is_code=not _CODE.isdisjoint(_words(attributes, "class")),
            number=_integer(attributes.get("start", ""), 1) if tag == "ol" else None,
        )

    def _begin_chapter(self, attributes: _Attributes) -> None:
        for name in ("id", "name"):
            if attributes.get(name) in self._chapters:
                self.found.append(ChapterStart(self._chapters.pop(attributes[name])))

    def _read_void(self, tag: str, attributes: _Attributes) -> None:
        if tag == "meta" and attributes.get("name", "").lower() == "author":
            self.author = tidy(attributes.get("content", ""))
        if self._omitted_depth:
            return
        if tag == "br":
            self._text.append(LINE_BREAK)
        elif tag == "img":
            self._read_image(attributes)

    def _read_image(self, attributes: _Attributes) -> None:
        text = tidy(attributes.get("alt", ""))
        if len(text) == 1 and text.isalpha():
            # The first letter of a chapter, painted.
            self.handle_data(text)
        elif text and self._alt_texts:
            self._text.append(f" {text} ")
            self._has_only_links = False
        elif name := text or attributes.get("src", "").partition("data:")[0]:
            self._behind.append(Omission("image", name))

    def _omission(self, tag: str, attributes: _Attributes) -> str | None:
        """Return how an element that is left out is listed, or `None`."""
        roles = _words(attributes, "role") + _words(attributes, "epub:type")
        if tag == "table" and not {"presentation", "none"}.isdisjoint(roles):
            return None
        if tag == "pre" and any(element.is_code for element in self._stack[-2:]):
            return "code"
        if tag == "code" and self._stack[-2].tag == "pre" and self._has_only_images:
            return "code"
        if tag in _OMITTED_TAGS:
            return _OMITTED_TAGS[tag]
        for role in roles:
            if kind := _OMITTED_ROLES.get(role.removeprefix("doc-")):
                return kind
        for name in _words(attributes, "class"):
            if kind := _OMITTED_CLASSES.get(name):
                return kind
        is_hidden = (
            "hidden" in attributes
            or attributes.get("aria-hidden") == "true"
            or _HIDING.search(attributes.get("style", ""))
        )
        return "hidden" if is_hidden else None

    def _leave(self, element: _Element) -> None:
        if element.tag in _BLOCKS:
            self._end_paragraph()
            if element.tag == "li":
                self._number = ""
        elif element.is_link or element.tag == "sup":
            self._drop_note_number(element)

    def _drop_note_number(self, element: _Element) -> None:
        """Leave an element out that has nothing but the number of a note."""
        # What is longer has more in it.
        if len(self._text) > element.start + _LONGEST_NOTE_NUMBER:
            return
        text = "".join(self._text[element.start :])
        before = "".join(self._text[max(element.start - 2, 0) : element.start])
        if text and self._is_note_number(element, text, before):
            self._text[max(element.start - 2, 0) :] = [before.rstrip(" \t\r\n")]
            self._behind.append(Omission("note number", tidy(text)))
        elif element.tag == "sup" and _POWER.fullmatch(text) and _BEFORE_POWER.search(before):
            # Kokoro reads ⁶ as it reads 6.
            self._text.insert(element.start, "^")

    def _is_note_number(self, element: _Element, text: str, before: str) -> bool:
        if self._links and self._open["sup"]:
            return len(text) <= _LONGEST_NOTE_NUMBER
        if _NOTE_MARK.fullmatch(text):
            return True
        return bool(
            element.tag == "sup"
            and _NOTE_NUMBER.fullmatch(text)
            and _BEFORE_NOTE.search(before[-9:])
        )

    def _is_internal(self, href: str) -> bool:
        path, mark, _ = href.partition("#")
        return ":" not in path and (mark != "" or (self._is_xhtml and path != ""))

    # --- what is read and what is not ------------------------------------------------------------

    def _omit_rest(self, markup: str) -> None:
        if self._omitted_depth:
            self._omitted.append(markup)
        else:
            self._behind.append(Omission("broken markup", tidy(markup)))

    def _end_omission(self, tag: str) -> None:
        text = "".join(self._omitted)
        self._omitted_depth = 0
        self._omitted = []
        if tag == "title":
            self.title = self.title or text
        elif self._omitted_kind and (text := tidy(text)):
            self._behind.append(Omission(self._omitted_kind, text))
        if tag in _BLOCKS:
            self._end_paragraph()

    def _end_paragraph(self) -> None:
        for part in _PARAGRAPH_BREAK.split("".join(self._text)):
            if text := tidy(part):
                self.found.append(self._found(text, self._stack[-1]))
        self.found += self._behind
        self._text = []
        self._behind = []
        self._has_only_images = True
        self._has_only_links = True

    def _found(self, text: str, element: _Element) -> Found:
        if not is_speakable(text):
            return Omission("separator", text)
        if self._has_only_images:
            return Block(Paragraph(text, "image", element.language))
        if self._has_only_links and not element.level:
            return Omission("navigation", text)
        text = self._number + text
        self._number = ""
        return Block(Paragraph(text, element.kind, element.language), element.level)


def _words(attributes: _Attributes, name: str) -> list[str]:
    return attributes.get(name, "").lower().split()


def _integer(text: str, default: int) -> int:
    return int(text) if _INTEGER.fullmatch(text) else default


_INTEGER = re.compile("-?[0-9]{1,9}")
_IMPLIED_ENDS = {
    "li": ({"li"}, {"ul", "ol", "menu", "dir"}),
    **dict.fromkeys(("dt", "dd"), ({"dt", "dd"}, {"dl"})),
}
_PARAGRAPH_END = ({"p"}, _BLOCKS)
# No paragraph has as many elements in it; a search that goes further would take long.
_NEAR = 50
