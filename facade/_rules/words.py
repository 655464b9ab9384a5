"""When each word is spoken."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WordTiming:
    """When a word is spoken.

    Attributes:
        word: The word, as the service writes it.
        start_s: Seconds from the beginning of the utterance to its beginning.
        end_s: Seconds from the beginning of the utterance to its end.
    """

    word: str
    start_s: float
    end_s: float
