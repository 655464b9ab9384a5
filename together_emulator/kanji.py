"""Japanese as it is read: kanji to kana, which is all that the engine knows."""

import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from typing import Any

from together_emulator.script import Script


def has_kanji(text: str) -> bool:
    """Whether a Japanese text has characters that the engine cannot read."""
    return _KANJI.search(text) is not None


def can_read() -> bool:
    """Whether the dictionary is installed: pykakasi, the extra ``japanese``."""
    return find_spec("pykakasi") is not None


def read_kanji(script: Script) -> Script:
    """Speak each word of a Japanese text that has kanji by its reading.

    A character that the dictionary does not know stays, and the engine names it.
    """
    return script.replace(
        replacement
        for run in _JAPANESE.finditer(script.spoken)
        if has_kanji(run[0])
        for replacement in _readings(run[0], run.start())
    )


def _readings(text: str, offset: int) -> Iterator[tuple[int, int, str]]:
    end = 0
    for item in _dictionary().convert(text):
        # It leaves out characters that it does not know.
        start = text.find(item["orig"], end)
        if start >= 0 and item["hira"]:
            end = start + len(item["orig"])
            # The engine marks a word where white space ends the one before.
            yield offset + start, offset + end, item["hira"] + " "


@cache
def _dictionary() -> Any:
    import pykakasi

    kakasi: Any = pykakasi.kakasi
    return kakasi()


_KANJI = re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_JAPANESE = re.compile("[\u3005\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
