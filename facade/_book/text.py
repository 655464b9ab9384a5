"""What every reader does to the text it finds."""

import re
from unicodedata import normalize

# Where a line that matters ends. A line feed is a space like any other.
LINE_BREAK = "\v"

# Characters of Chinese and Japanese, which are written without spaces.
WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


def tidy(text: str) -> str:
    """Return what is to be read of a text, its space normalised.

    Args:
        text: Text that is free of markup; each `LINE_BREAK` becomes a line feed.
    """
    text = _INVISIBLE.sub("", normalize("NFC", text))
    lines = (" ".join(_WRAP.sub("", line).split()) for line in text.split(LINE_BREAK))
    return "\n".join(filter(None, lines))


def is_speakable(text: str) -> bool:
    """Whether a text has a letter or a digit, without which there is nothing to say."""
    return any(map(str.isalnum, text))


# Soft hyphens, spaces of no width, byte order marks and control characters.
_INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
_NO_SPACE = "[\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uff60\U00020000-\U0003ffff]"
_WRAP = re.compile(f"(?<={_NO_SPACE})[ \t\r]*\n[ \t\r\n]*(?={_NO_SPACE})")
