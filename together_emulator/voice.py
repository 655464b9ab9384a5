"""From the name of a voice to how it sounds.

Every voice of the catalogue has a sound of its own. For Kokoro the first letter of the name gives
the language, the second the sex, and the rank among the voices of that language and sex a place
on a fixed grid of pitch, formants and breath.
"""

import hashlib
import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache

from together_emulator.catalogue import Model

KOKORO_LANGUAGES = {
    "a": "en-us",
    "b": "en-gb",
    "e": "es",
    "f": "fr",
    "h": "hi",
    "i": "it",
    "j": "ja",
    "p": "pt-br",
    "z": "zh",
}


@dataclass(frozen=True)
class Voice:
    """The sound of a voice.

    Attributes:
        language: A key of `together_emulator.engine.LANGUAGES`.
        pitch: The median fundamental frequency of an English statement, in Hz.
        formants: The frequencies of the formants, in percent of the engine's own.
        breath: The strength of the breath noise, from 0 (none) to 15.
        speed: How fast it speaks; 1 is normal, and the engine goes no faster than about 2.4.
    """

    language: str
    pitch: float
    formants: float
    breath: float
    speed: float = 1.0


def find_voice(model: Model, name: str, language: str) -> Voice | None:
    """The voice of a name, or None if the model has no such voice.

    Args:
        model: The model that speaks.
        name: A single voice, not a mix.
        language: The language of the text, for a voice whose name does not say it.
    """
    if model.mixing:
        return _kokoro_voices(model).get(name)
    if name in model.voices:
        return _scattered(model.voices.index(name), language)
    if model.voice_ids == "any" or (model.voice_ids == "uuid" and _UUID.fullmatch(name)):
        digest = hashlib.sha256(name.lower().encode("utf-8", "surrogatepass")).digest()
        return _scattered(int.from_bytes(digest[:4], "big"), language)
    return None


def mix_voices(parts: list[tuple[Voice, float]]) -> Voice:
    """The weighted mean of some voices, in the language of the first.

    Pitch is averaged on a logarithmic scale, as it is heard.

    Args:
        parts: The voices and their shares, which add up to 1.
    """
    return Voice(
        language=parts[0][0].language,
        pitch=math.exp(math.fsum(share * math.log(voice.pitch) for voice, share in parts)),
        formants=math.fsum(share * voice.formants for voice, share in parts),
        breath=math.fsum(share * voice.breath for voice, share in parts),
    )


_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

# Eleven places, as many as the largest group has voices. Neighbouring pitches are 4 % apart: twice
# what a listener or a pitch tracker needs to tell two voices from each other.
_PLACES = 11
_PITCH_STEP = 1.04
_LOWEST_PITCH = {"f": 165.0, "m": 84.0}
_LOWEST_FORMANTS = {"f": 103.0, "m": 93.0}


@cache
def _kokoro_voices(model: Model) -> dict[str, Voice]:
    voices = {}
    ranks: Counter[str] = Counter()
    for name in model.voices:
        group = name[:2]
        voices[name] = _on_grid(KOKORO_LANGUAGES[group[0]], group[1], ranks[group])
        ranks[group] += 1
    return voices


def _on_grid(language: str, sex: str, rank: int) -> Voice:
    # Multiples that are prime to the number of places keep the voices of a small group far apart
    # and the three parameters independent of each other.
    return Voice(
        language=language,
        pitch=_LOWEST_PITCH[sex] * _PITCH_STEP ** ((5 * rank + 5) % _PLACES),
        formants=_LOWEST_FORMANTS[sex] + (3 * rank + 5) % _PLACES,
        breath=(7 * rank) % _PLACES * 1.5,
    )


def _scattered(number: int, language: str) -> Voice:
    """A voice for a number, unlike those of the numbers near it.

    The names of other models do not say the sex, so that pitch covers both bands.
    """
    # Fractional parts of multiples of these constants fill the unit square evenly.
    across, up = number * 0.7548776662 % 1, number * 0.5698402910 % 1
    lowest, highest = _LOWEST_PITCH["m"], _LOWEST_PITCH["f"] * _PITCH_STEP ** (_PLACES - 1)
    return Voice(
        language=language,
        pitch=lowest * (highest / lowest) ** across,
        formants=_LOWEST_FORMANTS["m"] + 20 * up,
        breath=number % 6 * 3,
    )
