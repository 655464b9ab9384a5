"""Whether an answer can be what its text sounds like.

The bounds are wide: a voice that hurries or drawls is within them. An English answer of which half
is missing is not, nor one in any of these languages of which two thirds are, nor one that says
something again and again. Measured of the emulator's voices in Kokoro's nine languages, a letter
takes 0.054 s (French) to 0.08 s (Hindi), a Han character or kana 0.17 s to 0.30 s, a digit up to
0.53 s, a letter of an abbreviation 0.15 s. People speak at about the same pace: 5 to 8 syllables a
second in seventeen languages (Coupé and others, Science Advances 5, 2019).
"""

import re
from unicodedata import category, east_asian_width

SILENT_PEAK = 0.005
"""Below this peak, of a full scale of 1, nobody hears anything (-46 dBFS)."""

# The least and the most seconds that a character takes.
_LETTER_S = (0.04, 0.25)
_CAPITAL_S = (0.04, 0.6)
_WIDE_S = (0.09, 1.2)
_DIGIT_S = (0.04, 1.2)
# Marks are silent, or spoken as in an address of the web.
_MARK_S = (0.0, 0.6)
# What a short text may take besides.
_SLACK_S = 3.0
# Hardly a word has a letter three times in a row; a cry, such as "Aaaargh!", may be as short as one
# that has it once.
_CRY = re.compile(r"([^\W\d_])\1{2,}", re.IGNORECASE)


def likely_s(text: str) -> tuple[float, float]:
    """Return the least and the most seconds that a text takes to say."""
    least = sum(shortest for shortest, _ in map(_seconds_of, _CRY.sub(r"\1", text)))
    most = sum(longest for _, longest in map(_seconds_of, text))
    return least, most + _SLACK_S


def flaw_of(text: str, *, speech_s: float, peak: float) -> str | None:
    """Say why audio cannot be a text's.

    Args:
        text: What was to be said.
        speech_s: Seconds of audio between the silence at its ends.
        peak: Its largest sample, from 0 to 1.

    Returns:
        What is wrong, in words, or `None`.
    """
    if peak < SILENT_PEAK:
        return "the audio is silent"
    least_s, most_s = likely_s(text)
    if speech_s < least_s:
        return f"{speech_s:.2f} s of speech are too short for it; {least_s:.2f} s is the least"
    if speech_s > most_s:
        return f"{speech_s:.2f} s of speech are too long for it; {most_s:.2f} s is the most"
    return None


def _seconds_of(character: str) -> tuple[float, float]:
    if character.isspace():
        return 0.0, 0.0
    # Vowel signs, as Hindi writes them, are spoken too.
    if category(character)[0] == "M":
        return _LETTER_S
    if not character.isalnum():
        return _MARK_S
    if not character.isalpha():
        return _DIGIT_S
    if east_asian_width(character) in "WF":
        return _WIDE_S
    return _CAPITAL_S if character.isupper() else _LETTER_S
