"""The text of a realtime context that waits to be spoken."""

import re
from typing import Literal, get_args

from together_emulator.speech import SENTENCE_END

Segment = Literal["sentence", "immediate", "never"]
SEGMENTS: tuple[Segment, ...] = get_args(Segment)


class TextBuffer:
    """Gathers text and says how much of it is to be spoken now."""

    def __init__(self) -> None:
        self._text = ""

    def __len__(self) -> int:
        return len(self._text)

    def append(self, text: str, segment: Segment, max_partial_length: int) -> list[str]:
        """Add text, and take out what is complete.

        Args:
            text: It may end anywhere, in a word as well.
            segment: ``"sentence"`` takes whole sentences, and breaks one that is too long;
                ``"immediate"`` takes all; ``"never"`` nothing.
            max_partial_length: The characters that may wait for the end of their sentence.

        Returns:
            The pieces to speak; none is only white space. White space stays with the text before
            it.
        """
        self._text += text
        if segment == "never":
            return []
        if segment == "immediate":
            return self.commit() if self._text.strip() else []
        pieces = []
        while end := self._end(max_partial_length):
            pieces.append(self._text[:end])
            self._text = self._text[end:]
        return pieces

    def commit(self) -> list[str]:
        """Take out all of the text; no piece if there is nothing to say."""
        text, self._text = self._text, ""
        return [text] if text.strip() else []

    def clear(self) -> None:
        """Forget the text."""
        self._text = ""

    def _end(self, limit: int) -> int:
        """Where the first piece ends that is to be spoken; 0 if all of it has to wait."""
        text = self._text
        start = len(text) - len(text.lstrip())
        for end in SENTENCE_END.finditer(text, start):
            if start < end.end() < len(text) and end.end() <= limit:
                return end.end()
        if len(text) - start > limit:
            space = text.rfind(" ", start + 1, start + limit)
            return space + 1 if space > 0 else start + limit
        return len(text) if _is_complete(text) else 0


def _is_complete(text: str) -> bool:
    """Whether a text ends with a sentence, as far as can be known before the next one begins."""
    bare = text.rstrip()
    if not bare or _NUMBER.search(bare):
        return False
    return any(end.start() == len(bare) for end in SENTENCE_END.finditer(bare + " A"))


# The rest of it may still come: 3.14.
_NUMBER = re.compile(r"[0-9]\.$")
