"""Plain text, as Project Gutenberg has it and as people type it.

An empty line parts paragraphs. A chapter begins at a line that names one: `CHAPTER I.`,
`Chapter 12: The Chase`, `第三章`, numbers that count up, or words in capitals with room above them.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from facade._book.flow import PART, Block, Document, Found, within_licence
from facade._book.text import LINE_BREAK, is_speakable, tidy
from facade.books import Omission, Paragraph, ParagraphKind


def read_plain_text(source: str, *, alt_texts: bool = False, keeps_lines: bool = False) -> Document:
    """Read a plain text.

    Args:
        source: The text.
        alt_texts: Whether the captions of illustrations are read.
        keeps_lines: Whether each line of the source stays one.
    """
    text = _LINE_END.sub("\n", source).replace("\f", "\n\n").expandtabs()
    lines = text.split("\n")
    start, end = within_licence(lines)
    header, footer = "\n".join(lines[:start]), "\n".join(lines[end:])
    reader = _Reader(_stanzas(lines[start:end]), alt_texts=alt_texts, keeps_lines=keeps_lines)
    found = [*_licence(header), *reader.found(), *_licence(footer)]
    fields = {name: tidy(value) for name, value in _FIELD.findall(header)}
    language = _LANGUAGES.get(fields.get("Language", "").lower())
    return Document(found, fields.get("Title"), fields.get("Author"), language)


_LINE_END = re.compile("\r\n?")

# --- the licence of Project Gutenberg ------------------------------------------------------------


def _licence(text: str) -> Iterator[Omission]:
    if text := tidy(text):
        yield Omission("licence", text)


# A value goes on in lines that are indented.
_FIELD = re.compile(r"^(Title|Author|Language): *(\S.*(?:\n +\S.*)*)", re.MULTILINE)
_LANGUAGES = {
    "chinese": "zh",
    "english": "en",
    "french": "fr",
    "german": "de",
    "hindi": "hi",
    "italian": "it",
    "japanese": "ja",
    "portuguese": "pt",
    "spanish": "es",
}

# --- lines and what they are ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Stanza:
    """Lines without an empty one between them."""

    lines: list[str]
    text: str
    # How many lines above it are empty.
    room: int


def _stanzas(source: Sequence[str]) -> list[_Stanza]:
    stanzas: list[_Stanza] = []
    # The text's beginning is as good as room.
    room = _WIDE_ROOM
    lines: list[str] = []
    for line in [*source, ""]:
        if line.strip():
            lines.append(line.rstrip())
        elif lines:
            stanzas.append(_Stanza(lines, tidy("\n".join(lines)), room))
            lines, room = [], 1
        else:
            room += 1
    return stanzas


_WIDE_ROOM = 2


class _Reader:
    def __init__(self, stanzas: Sequence[_Stanza], *, alt_texts: bool, keeps_lines: bool) -> None:
        self._stanzas = stanzas
        self._alt_texts = alt_texts
        self._keeps_lines = keeps_lines
        self._levels = _heading_levels(stanzas)
        # In a script, a line may begin with a voice of one letter.
        self._note = _FOOTNOTE if keeps_lines else _NOTE
        before = r"(?<=\S) *" if keeps_lines else r"(?<![ \n])[ \n]*"
        notes = {note[1] for stanza in stanzas if (note := self._note.match(stanza.lines[0]))}
        labels = "|".join(map(re.escape, notes))
        self._reference = re.compile(rf"{before}\[(?:{labels})\]") if notes else None

    def found(self) -> Iterator[Found]:
        index = 0
        while index < len(self._stanzas):
            stanza = self._stanzas[index]
            if _CONTENTS.fullmatch(stanza.lines[0].strip()):
                end = _contents_end(self._stanzas, index)
                text = tidy("\n".join(part.text for part in self._stanzas[index:end]))
                yield Omission("navigation", text)
                index = end
                continue
            if self._levels[index] and self._is_titled(index):
                title = self._stanzas[index + 1]
                yield from self._block([*stanza.lines, *title.lines], self._levels[index])
                index += 1
            elif self._levels[index]:
                yield from self._block(stanza.lines, self._levels[index])
            else:
                yield from self._other(stanza)
            index += 1

    def _is_titled(self, index: int) -> bool:
        """Whether a chapter's number has its title below it."""
        following = self._stanzas[index + 1 : index + 3]
        return (
            len(following) == 2
            and _BARE_NUMBER.fullmatch(self._stanzas[index].text) is not None
            and not self._levels[index + 1]
            and len(following[0].lines) == 1
            and _TITLE.fullmatch(following[0].text) is not None
        )

    def _block(
        self, lines: Sequence[str], level: int = 0, kind: ParagraphKind = "paragraph"
    ) -> Iterator[Found]:
        keeps_lines = self._keeps_lines or level or kind == "verse"
        text = _DASH.sub("—", "\n".join(line.strip() for line in lines))
        text = _EMPHASIS.sub(r"\1", text)
        numbers = self._reference.findall(text) if self._reference else []
        if self._reference:
            text = self._reference.sub("", text)
        if keeps_lines:
            text = text.replace("\n", LINE_BREAK)
        else:
            text = _WRAPPED_DASH.sub("", _HYPHEN.sub("-", text))
        text = tidy(text)
        if is_speakable(text):
            yield Block(Paragraph(text, "heading" if level else kind), level)
        else:
            yield Omission("separator", text)
        yield from (Omission("note number", number.strip()) for number in numbers)

    def _other(self, stanza: _Stanza) -> Iterator[Found]:
        if picture := _PICTURE.fullmatch(stanza.text):
            if self._alt_texts and is_speakable(picture[1]):
                yield Block(Paragraph(picture[1], "image"))
            else:
                yield Omission("image", picture[1])
        elif self._note.match(stanza.lines[0]):
            yield Omission("footnote", stanza.text)
        else:
            for kind, lines in _paragraphs(stanza.lines):
                yield from self._block(lines, kind=kind)


_PICTURE = re.compile(r"\[Illustration:? ?(.*)\]", re.DOTALL)
_NOTE = re.compile(r" *\[(?:Footnote )?([0-9]{1,4}|[A-Z*†])(?:\]|:)(?= *\S)")
_FOOTNOTE = re.compile(r" *\[Footnote ([0-9]{1,4}|[A-Z*†])(?:\]|:)(?= *\S)")
_EMPHASIS = re.compile(r"(?<!\w)_(?=\S)([^_]+)_(?!\w)")
_HYPHEN = re.compile(r"(?<=[^\W\d_])-\n(?=[^\W\d_])")
_DASH = re.compile("(?<!-)--(?!-)")
_WRAPPED_DASH = re.compile(r"(?<=\S)\n(?=—\S)|(?<=\S—)\n")


def _paragraphs(lines: Sequence[str]) -> Iterator[tuple[ParagraphKind, Sequence[str]]]:
    """Give the paragraphs of lines that stand together."""
    if max(map(len, lines)) > _LONGEST_WRAPPED:
        yield from (("paragraph", [line]) for line in lines)
        return
    if _BULLET.match(lines[0]):
        starts = [at for at, line in enumerate(lines) if _BULLET.match(line)]
        for start, end in pairwise([*starts, len(lines)]):
            yield "item", [_BULLET.sub("", lines[start], count=1), *lines[start + 1 : end]]
        return
    indented = [line.startswith("  ") for line in lines]
    is_short = len(lines) > 1 and fmean(len(line.strip()) for line in lines[:-1]) < _VERSE_LENGTH
    if is_short and any(indented[1:]):
        yield "verse", lines
    elif all(indented):
        yield ("quote" if len(lines) > 1 else "paragraph"), lines
    else:
        starts = [0, *(at for at in range(1, len(lines)) if indented[at]), len(lines)]
        for start, end in pairwise(starts):
            yield "paragraph", lines[start:end]


_BULLET = re.compile(r" *[-*•–] +(?=[\"'“‘«(]?[^\W_])")
_LONGEST_WRAPPED = 120
_VERSE_LENGTH = 50

# --- headings ------------------------------------------------------------------------------------


def _heading_levels(stanzas: Sequence[_Stanza]) -> list[int]:
    """Return for each stanza 1 for a part's heading, 2 for a chapter's, 3 for a number within."""
    levels = [_named_level(stanza) for stanza in stanzas]
    is_named = any(levels)
    capitals = [
        index
        for index, stanza in enumerate(stanzas)
        if not levels[index] and _is_in_capitals(stanza)
    ]
    # One alone may be anything that somebody shouts.
    if is_named or len(capitals) > 1:
        for index in capitals:
            levels[index] = 2
    numbers = [
        (index, _value(number[1]))
        for index, stanza in enumerate(stanzas)
        if not levels[index] and (number := _NUMBER_ALONE.fullmatch(stanza.text))
    ]
    values = [0, *(value for _, value in numbers)]
    if len(numbers) > 1 and all(value in (before + 1, 1) for before, value in pairwise(values)):
        for index, _ in numbers:
            levels[index] = 3 if is_named else 2
    return levels


def _named_level(stanza: _Stanza) -> int:
    if len(stanza.lines) > 3 or len(stanza.text) > _LONGEST_HEADING:
        return 0
    line = stanza.lines[0].strip()
    if _WORD_ALONE.fullmatch(line):
        return 2 if len(stanza.lines) == 1 else 0
    if _NAMED_IN_HAN.fullmatch(line):
        return 1 if PART.match(line) else 2
    named = _NAMED.fullmatch(line)
    if not named or not line[0].isupper():
        return 0
    title = named["title"].strip()
    if title and title[0] not in ".:—–-)" and (not title[0].isupper() or title[-1] in ".,;!?"):
        return 0
    return 1 if PART.match(line) else 2


def _is_in_capitals(stanza: _Stanza) -> bool:
    text = stanza.text
    return (
        stanza.room >= _WIDE_ROOM
        and len(stanza.lines) <= 2
        and len(text) <= _LONGEST_CAPITALS
        and text.isupper()
        and sum(map(str.isalpha, text)) > 2
        and text[-1] not in ",;:"
        and not _THE_END.fullmatch(text)
    )


def _value(number: str) -> int:
    if number.isdecimal():
        return int(number)
    digits = [_ROMAN[digit] for digit in number.upper()]
    pairs = zip(digits, [*digits[1:], 0], strict=True)
    return sum(-digit if digit < following else digit for digit, following in pairs)


_ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}
_LONGEST_HEADING = 120
_LONGEST_CAPITALS = 60
_CHAPTERS = (
    "chapter|letter|canto|stave|section|act|scene|story|lesson|chapitre|cap[ií]tulo|capitolo"
    "|kapitel|अध्याय"
)
_NUMERAL = (
    r"(?:[0-9]{1,4}|[IVXLCDM]{1,8}|(?:the )?(?:(?:twen|thir|for|fif|six|seven|eigh|nine)ty[ -])?"
    "(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven"
    "|eigh|nine)teen|(?:twen|thir|for|fif|six|seven|eigh|nine)ty|first|second|third|fourth|fifth"
    "|sixth|seventh|eighth|ninth|tenth|last|premi(?:er|ère)|primer[oa]|prim[oa]|primeir[oa]))"
)
_NAMED = re.compile(
    rf"(?:{PART.pattern}|{_CHAPTERS}) +{_NUMERAL}(?!\w)(?P<title>.*)", re.IGNORECASE
)
_NAMED_IN_HAN = re.compile(
    r"第 ?[0-9\uff10-\uff19一二三四五六七八九十百\u3007零]{1,6} ?"
    "[部卷巻編章回話话節节幕](?:[ \u3000].{1,40})?"
)
_WORD_ALONE = re.compile(
    r"(?:the )?(?:prologue|epilogue|preface|introduction|foreword|afterword|conclusion|dedication"
    r"|appendix|interlude|pr[óo]logo|ep[íi]logo|prefacio|prefácio|prefazione|pr[ée]face|épilogue"
    r"|introduc(?:ción|ão)|introduzione|はじめに|序章|終章|序|序言|前言|后记|प्रस्तावना)[.:]?",
    re.IGNORECASE,
)
_NUMBER_ALONE = re.compile(r"([0-9]{1,3}|[IVXLC]{1,8})\.?")
_THE_END = re.compile(r"(?:THE END|FINIS|FIN|FINE|FIM|END)[.!]?")
_BARE_NUMBER = re.compile(rf"(?:(?:{PART.pattern}|{_CHAPTERS}) +)?{_NUMERAL}[.:]?", re.IGNORECASE)
_TITLE = re.compile(r"[^\W\d_a-z].{0,58}[^.!?…,;:\"”'’]|[^a-z]{2,60}")

# --- the table of contents -----------------------------------------------------------------------


def _contents_end(stanzas: Sequence[_Stanza], start: int) -> int:
    """Return the index of the stanza behind a table of contents."""
    counts = Counter(
        _entry(line) for stanza in stanzas for line in stanza.lines if len(line) <= _LONGEST_HEADING
    )

    def is_entry(line: str) -> bool:
        return bool(
            _NAMED.fullmatch(line.strip())
            or _NAMED_IN_HAN.fullmatch(line.strip())
            or _PAGE_NUMBER.search(line)
            or counts[_entry(line)] > 1
        )

    entries = [_entry(line) for line in stanzas[start].lines[1:]]
    for index in range(start + 1, len(stanzas)):
        lines = stanzas[index].lines
        # The text begins where the first entry comes again, or with what is none.
        if entries and _entry(lines[0]) == entries[0]:
            return index
        if not all(map(is_entry, lines)):
            # A line alone above text is its heading, if there is no other.
            last = stanzas[index - 1].lines
            is_below_heading = index - 1 > start and len(last) == 1
            behind = (_entry(line) for stanza in stanzas[index:] for line in stanza.lines)
            return index - 1 if is_below_heading and _entry(last[0]) not in behind else index
        entries += map(_entry, lines)
    return len(stanzas)


def _entry(line: str) -> str:
    """Return what an entry and its chapter's heading have in common."""
    line = line.strip()
    if named := _NAMED.fullmatch(line):
        line = line[: named.start("title")]
    return "".join(filter(str.isalnum, _PAGE_NUMBER.sub("", line).casefold()))


_CONTENTS = re.compile(
    r"(?:table of )?contents[.:]?|table des matières|[íi]ndice|inhalt|目次|目录|目錄", re.IGNORECASE
)
_PAGE_NUMBER = re.compile(r"(?:\s{2,}|[\s.]*\.{2,}\s*)[0-9ivxlc]{1,4}$")
