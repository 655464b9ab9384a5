"""Scripts, whose lines say by whom they are spoken: `[am_adam] Hello.`"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from facade._book.flow import Block, Found
from facade._book.text import LINE_BREAK, is_speakable, tidy
from facade.errors import InvalidVoiceMixError, UnreadableBookError
from facade.voices import VoiceMix


def assign_voices(found: Iterable[Found], source: str = "") -> Iterator[Found]:
    """Give each line that begins with a voice's name to that voice, and take the name out.

    The lines behind it have the same voice, to the end of the paragraph.

    Args:
        found: What was found, lines kept as lines.
        source: The text that it was found in, to count lines in.

    Raises:
        UnreadableBookError: The brackets at the beginning of a line do not name a voice, or no text
            follows them.
    """
    for item in found:
        if isinstance(item, Block):
            yield from _spoken(item, source)
        else:
            yield item


def _spoken(block: Block, source: str) -> Iterator[Block]:
    paragraph = block.paragraph
    line_end = LINE_BREAK if paragraph.kind == "verse" else "\n"
    for part in _MARKED_LINE.split(paragraph.text):
        voice = None
        text = part
        if part.startswith("["):
            mark, closing, text = part.partition("]")
            if not closing or not _is_voice(mark[1:]) or not is_speakable(text):
                raise _error(mark + closing, source)
            voice = mark[1:]
        text = tidy(text.replace("\n", line_end))
        yield replace(block, paragraph=replace(paragraph, text=text, voice=voice))


def _is_voice(name: str) -> bool:
    if not any(sign in name for sign in "+()"):
        return _NAME.fullmatch(name) is not None
    try:
        VoiceMix.parse(name)
    except InvalidVoiceMixError:
        return False
    return True


def _error(mark: str, source: str) -> UnreadableBookError:
    mark = mark.partition("\n")[0]
    lines = enumerate(source.splitlines(), 1)
    number = next((number for number, line in lines if line.strip().startswith(mark)), None)
    shown = mark if len(mark) <= 40 else f"{mark[:40]}…"
    return UnreadableBookError(
        f"{shown!r} begins a line, and must be a voice or a mix in brackets, such as [af_heart] or "
        "[af_bella(2)+af_heart(1)], with what it says behind it",
        part=f"line {number}" if number else None,
    )


_MARKED_LINE = re.compile(r"\n(?=\[)")
# As the services name them: "af_bella", "british narration lady", "1920's radioman", UUIDs.
_NAME = re.compile(r"\w(?:[\w .'&-]{0,98}\w)?")
