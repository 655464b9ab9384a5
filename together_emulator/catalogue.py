"""The models that are emulated: their voices, and which options each of them honours.

The data is a dated snapshot of Together AI's documentation, in ``catalogue.json``.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal


@dataclass(frozen=True)
class Model:
    """One model and its rules.

    Attributes:
        name: The name of the model in a request.
        mixing: Whether a voice may be a mix of several.
        honours: The audio options that change what comes out. The others are ignored.
        response_encoding: The encoding of raw audio unless a request chooses and is heard.
        sample_rate: The sample rate in Hz unless a request chooses and is heard.
        response_formats: The values of ``response_format`` that the model takes.
        voice_ids: ``"listed"`` if the model knows the names in ``voices`` and no other,
            ``"uuid"`` if it also takes any UUID, ``"any"`` if no list is published.
        usd_per_million_characters: The published price, or None where there is none.
        voices: The names of the voices, in the published order.
    """

    name: str
    mixing: bool
    honours: frozenset[str]
    response_encoding: str
    sample_rate: int
    response_formats: tuple[str, ...]
    voice_ids: Literal["listed", "uuid", "any"]
    usd_per_million_characters: float | None
    voices: tuple[str, ...]


@cache
def models() -> dict[str, Model]:
    """Every model by its name, in the published order."""
    snapshot = json.loads(files(__package__).joinpath("catalogue.json").read_text("utf-8"))
    return {
        name: Model(
            name=name,
            mixing=entry["mixing"],
            honours=frozenset(entry["honours"]),
            response_encoding=entry["response_encoding"],
            sample_rate=entry["sample_rate"],
            response_formats=tuple(entry["response_formats"]),
            voice_ids=entry["voice_ids"],
            usd_per_million_characters=snapshot["usd_per_million_characters"].get(name),
            voices=tuple(entry["voices"]),
        )
        for entry in snapshot["models"]
        for name in entry["names"]
    }
