"""Text out of language models into text that can be read aloud, however it is cut.

Language models write Markdown. What a voice should not read goes: the marks of emphasis, headings,
quotes, lists and tables, the addresses of links and images, HTML tags, code in fences, and emoji
where asked. The words stay, and so does what is not known to be a mark: `2 * 3`, `snake_case`,
`C#`, `#1`, `a < b`, `list[0]`.

The text is read from left to right. What a sign means is decided by what stands before it and by
what follows, never by where a piece of the text happens to end. While that is open, the text is
held back from the sign on: a mark until the letter after it, a link or a tag until it is closed or
cannot be one. Nothing else is held back.
"""

import re
from functools import cache
from typing import TypeAlias

# A link or a tag that is longer is none.
_LONGEST = 2000
_DEEPEST = 3


class SpeakableText:
    """Makes one text speakable. Feed it the pieces as they come."""

    def __init__(self, *, emoji: bool = True, code: bool = False) -> None:
        """Begin a text; the arguments are those of `speakable`."""
        self._keeps_emoji = emoji
        self._keeps_code = code
        self._held = ""
        self._is_whole = False
        # What was read last, and what was given last.
        self._before = "\n"
        self._last = "\n"
        # Where in the text this is.
        self._begins_line = True
        self._is_heading = False
        self._is_row = False
        self._fence = ""
        self._code = ""
        self._emphasis: list[str] = []
        self._skips_space = False

    def feed(self, token: str) -> str:
        """Take in a piece of the text; return what can be read aloud of what has come."""
        self._held += token
        return self._read()

    def finish(self) -> str:
        """Return what was held back, now that no more comes."""
        self._is_whole = True
        return self._read()

    def _read(self) -> str:
        text, at = self._held, 0
        said = []
        while at < len(text):
            step = self._step(text, at)
            if step is None:
                break
            end, words = step
            if words:
                said.append(words)
                self._last = words[-1]
            self._before = text[end - 1]
            at = end
        self._held = text[at:]
        return "".join(said)

    # Each step returns where it has read to and what is said of that; `None` where what follows has
    # to decide. Where a line begins, `_NO` says that there is no mark.

    def _step(self, text: str, at: int) -> "_Step | None":
        if self._fence:
            return self._in_fence(text, at)
        if self._begins_line:
            step = self._line_begin(text, at)
            if step is not _NO:
                return step
            self._begins_line = False
        sign = text[at]
        if sign == "\n":
            return self._line_end(at)
        if self._skips_space:
            self._skips_space = False
            if sign == " ":
                return at + 1, ""
        if sign == "`":
            return self._backticks(text, at)
        if self._code:
            end = _end(_CODE, text, at)
            return end, text[at:end]
        if sign in "*_~":
            return self._emphasis_mark(text, at)
        if sign == "\\":
            return self._escape(text, at)
        if sign == "[" or (sign == "!" and not self._before.isalnum()):
            return self._link(text, at)
        if sign == "<":
            return self._tag(text, at)
        if self._is_row and sign in "| \t":
            return self._bars(text, at)
        if self._is_heading and sign in " \t":
            return self._heading_end(text, at)
        if not self._keeps_emoji and _EMOJI.match(sign):
            self._skips_space = self._last.isspace()
            return at + 1, ""
        end = _end(_plain(self._is_row or self._is_heading, self._keeps_emoji), text, at + 1)
        return end, text[at:end]

    # --- lines -----------------------------------------------------------------------------------

    def _line_begin(self, text: str, at: int) -> "_Step | None":
        """Read a mark that only means something where a line begins."""
        start = _end(_BLANKS, text, at)
        if start == len(text):
            return _NO if self._is_whole else None
        line_end = text.find("\n", start)
        is_whole = line_end >= 0 or self._is_whole
        line = text[start : line_end if line_end >= 0 else len(text)]
        if not is_whole and _MARKS_SO_FAR.fullmatch(line):
            return None
        if _RULE.fullmatch(line):
            return start + len(line), ""
        if line[:1] in ("`", "~"):
            return self._fence_begin(line, start, is_whole, line_end)
        if mark := _LINE_MARKS.match(line):
            self._is_heading = line.startswith("#")
            return start + mark.end(), ""
        if line.startswith("|"):
            self._is_row = True
            self._begins_line = False
            return start + _end(_BARS, line, 0), ""
        if _DEFINITION.fullmatch(line):
            return (start + len(line), "") if is_whole else None
        return _NO

    def _line_end(self, at: int) -> "_Step":
        if self._before == "\n":
            self._emphasis.clear()
        self._begins_line = True
        self._is_heading = self._is_row = self._skips_space = False
        self._code = ""
        return at + 1, "\n"

    def _fence_begin(self, line: str, start: int, is_whole: bool, line_end: int) -> "_Step | None":
        run = line[: _end(_RUNS[line[0]], line, 0)]
        about = line[len(run) :]
        if len(run) < 3 or "`" in about or len(about) > _LONGEST_ABOUT:
            return _NO
        if not is_whole:
            return None
        self._fence = run
        # The end of this line is none of the code.
        return (line_end + 1, "") if line_end >= 0 else (start + len(line), "")

    def _in_fence(self, text: str, at: int) -> "_Step | None":
        """Read a line of code, or a part of one, or the fence behind the last."""
        line_end = text.find("\n", at)
        line = text[at : line_end if line_end >= 0 else len(text)]
        if self._before == "\n" and (fence := _FENCE_END.fullmatch(line)):
            if line_end < 0 and not self._is_whole:
                return None
            if fence[1].startswith(self._fence):
                self._fence = ""
                self._begins_line = False
                return at + len(line), ""
        end = line_end + 1 if line_end >= 0 else len(text)
        return end, text[at:end] if self._keeps_code else ""

    def _bars(self, text: str, at: int) -> "_Step | None":
        """Read what is between two cells of a table, or behind the last."""
        end = _end(_BARS, text, at)
        if end == len(text) and not self._is_whole:
            return None
        if "|" not in text[at:end]:
            return end, text[at:end]
        return end, "" if text[end : end + 1] in ("", "\n", "\r") else ", "

    def _heading_end(self, text: str, at: int) -> "_Step | None":
        """Read a space in a heading, which may have marks at its end too."""
        hashes = _end(_BLANKS, text, at)
        end = _end(_HASHES, text, hashes)
        if end == len(text) and not self._is_whole:
            return None
        if text[end : end + 1] in ("", "\n", "\r"):
            return end, ""
        return hashes, text[at:hashes]

    # --- in a line -------------------------------------------------------------------------------

    def _backticks(self, text: str, at: int) -> "_Step | None":
        end = _end(_RUNS["`"], text, at)
        if end == len(text) and not self._is_whole:
            return None
        run = text[at:end]
        if self._code and self._code != run:
            return end, run
        self._code = "" if self._code else run
        return end, ""

    def _emphasis_mark(self, text: str, at: int) -> "_Step | None":
        """Read asterisks, underscores or tildes, which mark emphasis next to a word.

        Between two words, or between spaces, they are themselves: `snake_case`, `2 * 3`, `2**3`.
        """
        sign = text[at]
        end = _end(_RUNS[sign], text, at)
        if end == len(text) and not self._is_whole:
            return None
        run = text[at:end]
        before, after = self._before, text[end : end + 1] or "\n"
        plain = (end, run)
        if (before.isspace() and after.isspace()) or run == "~":
            return plain
        if sign == "_" and before.isalnum() and after.isalnum():
            return plain
        if run in self._emphasis and not before.isspace():
            del self._emphasis[self._emphasis.index(run) :]
            return end, ""
        if before.isalnum() and after.isalnum() and (before + after).isascii():
            return plain
        if after.isspace() or (before.isalnum() and not after.isalnum()):
            # It can only end what has not begun, or several at once.
            return plain if len(run) == 1 else (end, "")
        self._emphasis.append(run)
        return end, ""

    def _escape(self, text: str, at: int) -> "_Step | None":
        after = text[at + 1 : at + 2]
        if not after and not self._is_whole:
            return None
        return (at + 2, after) if after and after in _ESCAPABLE else (at + 1, "\\")

    def _link(self, text: str, at: int) -> "_Step | None":
        """Read a link or an image, of which the words stay, or a note's number."""
        plain = (at + 1, text[at])
        start = at + (text[at] == "!")
        if text[start : start + 1] != "[":
            return plain if self._is_whole or start < len(text) else None
        close = _closing_bracket(text, start)
        if close is None:
            is_open = not self._is_whole and len(text) - start <= _LONGEST
            return None if is_open and _may_close(text, start) else plain
        label, after = text[start + 1 : close], text[close + 1 : close + 2]
        if _NOTE.fullmatch(label):
            return close + 1, ""
        if not after and not self._is_whole:
            return None
        is_index = self._before.isalnum() and self._before.isascii()
        if after not in ("(", "[") or is_index:
            return plain
        whole, so_far = _TARGETS[after]
        limit = close + _LONGEST
        if target := whole.match(text, close + 1, limit):
            return target.end(), self._words_of(label)
        is_open = not self._is_whole and len(text) < limit
        return None if is_open and so_far.fullmatch(text, close + 1) else plain

    def _words_of(self, label: str) -> str:
        reader = SpeakableText(emoji=self._keeps_emoji)
        reader._begins_line = False
        reader._before = "["
        return reader.feed(label) + reader.finish()

    def _tag(self, text: str, at: int) -> "_Step | None":
        """Read an HTML tag or comment, or an address in angle brackets."""
        plain = (at + 1, "<")
        limit = at + _LONGEST
        if text.startswith("<!--", at):
            end = text.find("-->", at + 4, limit)
            is_open = not self._is_whole and len(text) < limit
            return (end + 3, "") if end >= 0 else None if is_open else plain
        if address := _AUTOLINK.match(text, at, limit):
            return address.end(), address[1]
        if tag := _TAG.match(text, at, limit):
            parts_words = _PARTING_TAGS.fullmatch(tag[1]) and not self._last.isspace()
            return tag.end(), " " if parts_words else ""
        is_open = not self._is_whole and len(text) < limit
        return None if is_open and _TAG_SO_FAR.fullmatch(text, at) else plain


_Step: TypeAlias = tuple[int, str]
_NO: _Step = (-1, "")


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    """Return where what matches at `at` ends."""
    match = pattern.match(text, at)
    return match.end() if match else at


def _closing_bracket(text: str, start: int) -> int | None:
    """Return where the bracket at `start` is closed, if it is, and not too far away."""
    depth = 0
    for bracket in _BRACKETS.finditer(text, start, start + _LONGEST):
        if bracket[0] == "[":
            depth += 1
        elif bracket[0] == "]":
            depth -= 1
        if bracket[0] == "\n" or depth > _DEEPEST:
            return None
        if not depth:
            return bracket.start()
    return None


def _may_close(text: str, start: int) -> bool:
    """Whether a bracket that is not closed may be."""
    depth = 0
    for bracket in _BRACKETS.finditer(text, start):
        depth += {"[": 1, "]": -1}.get(bracket[0], 0)
        if bracket[0] == "\n" or depth > _DEEPEST:
            return False
    return True


# --- signs ---------------------------------------------------------------------------------------

_BLANKS = re.compile(r"[ \t]+")
_BARS = re.compile(r"[| \t]+")
_HASHES = re.compile(r"#+[ \t]*")
_BRACKETS = re.compile(r"\\.|[\[\]\n]")
_CODE = re.compile(r"[^`\n]+")
_RUNS = {sign: re.compile(f"\\{sign}+") for sign in "*_~`"}
_ESCAPABLE = frozenset(r"\`*_{}[]()#+-.!|~<>")

# What may still become a mark, when more of the line comes: a line under a heading or between
# paragraphs, a table's second row, a bullet with or without a box, a quote, a heading, a fence, the
# address that a link refers to, a note.
_ADDRESS = r"<?(?:https?://|ftp://|mailto:|www\.)\S"
_MARKS_SO_FAR = re.compile(
    r"[-:| \t\r]+|\*[* \t\r]*|_[_ \t\r]*|=+[ \t\r]*"
    r"|[-*+](?:[ \t]+(?:\[(?:[ xX](?:\][ \t]*)?)?)?)?"
    r"|>[ \t]*|#{1,6}[ \t]*|`{1,2}|~{1,2}"
    rf"|\[[^\[\]]{{0,200}}(?:\](?::[ \t]*(?:\S*|{_ADDRESS}.*))?)?"
)
_RULE = re.compile(
    r"(?:-[ \t\r]*){3,}|(?:\*[ \t\r]*){3,}|(?:_[ \t\r]*){3,}|={3,}[ \t\r]*"
    r"|(?=[^|]*\|)(?=[^-]*-)[-:| \t\r]+"
)
_LINE_MARKS = re.compile(
    r"[-*+](?:[ \t]+\[[ xX]\](?=[ \t]|\r?$))?(?:[ \t]+|\r?$)"
    r"|>(?:[ \t]+|(?=>)|\r?$)"
    r"|#{1,6}(?:[ \t]+|\r?$)"
    r"|\[\^[^\[\]\s]{1,50}\]:[ \t]*"
)
_DEFINITION = re.compile(rf"\[[^\[\]]{{1,200}}\]:[ \t]*{_ADDRESS}.*")
_LONGEST_ABOUT = 100
_FENCE_END = re.compile(r"[ \t]*(`*|~*)[ \t\r]*")

_NOTE = re.compile(r"\^[^\[\]\s]{1,50}")
_PARENTHESES = r"[^\s()<>]*(?:\([^\s()]*\)[^\s()]*)*"
# What follows a link's words in brackets: an address, or the name of one. Whole, and so far.
_TARGETS = {
    "(": (
        re.compile(
            rf"\([ \t]*(?:<[^<>\n]*>|{_PARENTHESES})"
            r"""(?:[ \t]+(?:"[^"\n]*"|'[^'\n]*'))?[ \t]*\)"""
        ),
        re.compile(
            rf"\([ \t]*(?:<[^<>\n]*|(?:<[^<>\n]*>|{_PARENTHESES}(?:\([^\s()]*)?)"
            r"""(?:[ \t]+(?:"[^"\n]*(?:"[ \t]*)?|'[^'\n]*(?:'[ \t]*)?)?)?)"""
        ),
    ),
    "[": (re.compile(r"\[[^\[\]\n]{0,200}\]"), re.compile(r"\[[^\[\]\n]{0,200}")),
}

_TAGS = (
    "a|abbr|article|audio|b|big|blockquote|br|center|cite|code|dd|del|details|dfn|div|dl|dt|em"
    "|figcaption|figure|font|footer|h[1-6]|header|hr|i|iframe|img|ins|kbd|li|mark|ol|p|pre|q|s"
    "|samp|section|small|source|span|strike|strong|sub|summary|sup|table|tbody|td|tfoot|th|thead"
    "|tr|tt|u|ul|var|video|wbr"
)
_PARTING_TAGS = re.compile(
    "br|d[dlt]|div|h[1-6]|hr|li|ol|p|pre|section|table|t[dhr]|ul", re.IGNORECASE
)
_VALUE = r"""(?:"[^"]*"|'[^']*'|[^\s"'=<>`]+)"""
_ATTRIBUTES = rf"(?:\s+(?:[\w:@.-]+\s*=\s*{_VALUE}|checked|controls|disabled|hidden|open))*"
_TAG = re.compile(rf"</?({_TAGS}){_ATTRIBUTES}\s*/?>", re.IGNORECASE)
_AUTOLINK = re.compile(r"<((?:https?://|mailto:)[^\s<>]+|[A-Za-z][\w.+-]*@[\w.-]+)>")
_TAG_SO_FAR = re.compile(
    rf"</?(?:{_TAGS}){_ATTRIBUTES}"
    r"""(?:\s+(?:[\w:@.-]+\s*(?:=\s*(?:"[^"]*|'[^']*|[^\s"'=<>`]*))?)?)?\s*/?"""
    r"|</?[A-Za-z]?[^\s<>]*|<!-?",
    re.IGNORECASE,
)

# Pictographs with what joins and colours them; arrows, letters in circles and the like are text.
_PICTOGRAPHS = (
    "\u231a\u231b\u23e9-\u23f3\u23f8-\u23fa\u2600-\u27bf\u2b1b\u2b1c\u2b50\u2b55\ufe0f\u20e3"
    "\u200d\U0001f000-\U0001faff\U000e0020-\U000e007f"
)
_EMOJI = re.compile(f"[{_PICTOGRAPHS}]")


@cache
def _plain(is_parted: bool, keeps_emoji: bool) -> re.Pattern[str]:
    """What means nothing else; a heading or a row of a table also has parts."""
    signs = r"\n*_~`\\\[!<"
    return re.compile(
        f"[^{signs}{'| ' + chr(9) if is_parted else ''}{'' if keeps_emoji else _PICTOGRAPHS}]+"
    )
