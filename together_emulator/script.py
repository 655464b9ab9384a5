"""The text that is spoken, and where each of its characters comes from in the text as written.

What is spoken differs from what was written where a rule of pronunciation or a reading applies.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Script:
    """A text to speak.

    Attributes:
        written: The text as the request has it.
        spoken: The text for the engine.
        origins: For each character of `spoken` its place in `written`; these never descend.
    """

    written: str
    spoken: str
    origins: tuple[int, ...]

    @classmethod
    def of(cls, text: str) -> "Script":
        """A text that is spoken as it is written."""
        return cls(text, text, tuple(range(len(text))))

    def replace(self, replacements: Iterable[tuple[int, int, str]]) -> "Script":
        """Speak something else in some places.

        Args:
            replacements: The start and end of each place in `spoken`, in order, and what to say
                there.
        """
        spoken = []
        origins: list[int] = []
        end = 0
        for start, stop, replacement in replacements:
            spoken += [self.spoken[end:start], replacement]
            origins += self.origins[end:start]
            origins += [self.origins[start]] * len(replacement)
            end = stop
        origins += self.origins[end:]
        return Script(self.written, "".join(spoken) + self.spoken[end:], tuple(origins))


@dataclass(frozen=True)
class Sentence:
    """A piece of a script that the engine takes at once.

    Attributes:
        text: What to say.
        origins: For each character of `text` its place in the text as written.
        span: The start and end of the text as written that belongs to this sentence.
    """

    text: str
    origins: list[int]
    span: tuple[int, int]
