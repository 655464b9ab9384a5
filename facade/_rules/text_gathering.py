"""Tokens of a language model into pieces worth a message each.

A token is a few letters, and a message for each would cost more than it carries. A piece goes out
as soon as a word in it is complete, or when its first letter has been held for as long as allowed,
whichever comes first. No letter is lost, added or moved.
"""

from collections.abc import Iterator

# A longer text goes in several messages: no limit of the service's is known, and none is tried.
LONGEST_PIECE = 8192


class TextGatherer:
    """Gathers the tokens of one utterance.

    Attributes:
        due_at: When what is held must go out, in the caller's seconds; `None` where nothing that
            can be spoken is held.
    """

    def __init__(self, hold_s: float) -> None:
        """Begin an utterance.

        Args:
            hold_s: The longest time that a letter is held.
        """
        self.due_at: float | None = None
        self._hold_s = hold_s
        self._held = ""

    def feed(self, token: str, now: float) -> Iterator[str]:
        """Take in a token; give what can go out."""
        self._held += token
        if not self._held or self._held.isspace():
            return
        # A word is complete when something that parts words follows it.
        end = len(self._held)
        if not self._held[-1].isspace():
            end -= len(self._held.rsplit(maxsplit=1)[-1])
        complete, rest = self._held[:end], self._held[end:]
        if complete and not complete.isspace():
            self._held = rest
            self.due_at = None
            yield from _pieces(complete)
        if self._held and self.due_at is None:
            self.due_at = now + self._hold_s

    def due(self, now: float) -> Iterator[str]:
        """Give what has been held for long enough."""
        if self.due_at is not None and now >= self.due_at:
            yield from self.finish()

    def finish(self) -> Iterator[str]:
        """Give all that is held."""
        held, self._held, self.due_at = self._held, "", None
        yield from _pieces(held)


def _pieces(text: str) -> Iterator[str]:
    """Cut what is too long for one message, between words where that is possible."""
    start = 0
    while len(text) - start > LONGEST_PIECE:
        end = text.rfind(" ", start, start + LONGEST_PIECE) + 1
        if end <= start:
            end = start + LONGEST_PIECE
        yield text[start:end]
        start = end
    if start < len(text):
        yield text[start:]
