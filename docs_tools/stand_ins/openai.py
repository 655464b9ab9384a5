"""Stands for a language model of OpenAI's package: it has one answer, and gives it by the word."""

import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

_ANSWER = (
    "Sunlight holds **all colours**. Air scatters the blue ones most, so blue light reaches you "
    "from everywhere in the sky."
)


class OpenAI:
    """The client, as far as the pages use it."""

    def __init__(self, *, base_url: str) -> None:
        self.chat = SimpleNamespace(completions=SimpleNamespace(create=self._create))
        self.base_url = base_url

    def _create(self, *, stream: bool, **_: Any) -> Iterator[SimpleNamespace]:
        if not stream:
            raise ValueError("the stand-in only streams")
        for token in re.findall(r"\S+\s*", _ANSWER):
            yield SimpleNamespace(choices=[SimpleNamespace(delta=SimpleNamespace(content=token))])
