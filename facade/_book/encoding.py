"""Bytes into text."""

import codecs
import re

from facade.errors import InvalidRequestError, UnreadableBookError


def decode(content: bytes, *, encoding: str | None = None, is_markup: bool = False) -> str:
    """Decode a text.

    Args:
        content: The bytes.
        encoding: Their encoding; by default what they say themselves, or else UTF-8.
        is_markup: Whether an encoding may be declared in them, as XML and HTML do.

    Raises:
        UnreadableBookError: They are not in this encoding, or declare one that Python lacks.
        InvalidRequestError: Python does not know `encoding`.
    """
    marked = next((name for mark, name in _MARKS.items() if content.startswith(mark)), None)
    declared = _DECLARED.search(content[:1024]) if is_markup else None
    name = encoding or marked
    if name is None:
        name = next(filter(None, declared.groups())).decode("ascii") if declared else "utf-8"
    try:
        return content.decode(name).removeprefix("\ufeff")
    except LookupError:
        if encoding:
            raise InvalidRequestError(
                f"{name!r} is not known to Python", param="encoding"
            ) from None
        raise UnreadableBookError(f"is in {name!r}, an encoding that is unknown") from None
    except UnicodeError as error:
        line = content.count(b"\n", 0, getattr(error, "start", 0)) + 1
        raise UnreadableBookError(
            f"is not in {name}; read_book(..., encoding='cp1252') reads what is in another",
            part=f"line {line}",
        ) from None


# That of UTF-32 begins with that of UTF-16, and is looked for first.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_DECLARED = re.compile(
    rb"""\A\s*<\?xml[^>]{1,200}encoding\s*=\s*["']([A-Za-z0-9_.:-]+)"""
    rb"""|<meta[^>]{1,200}charset\s*=\s*["']?([A-Za-z0-9_.:-]+)""",
    re.IGNORECASE,
)
