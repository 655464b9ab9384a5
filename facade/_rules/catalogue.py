"""The models that were known when `catalogue.json` was written, and what each of them honours.

A dated snapshot of Together's documentation: `as_of` and `source` in the file say of when and from
where. What is not known of a model is left open, and a model that is not in it is unknown, not
wrong.
"""

import json
import reprlib
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple

from facade.formats import Encoding
from facade.voices import Voice

# Where the model's rules are not known, the formats that the contract and the guide name.
FORMATS = ("wav", "mp3", "raw", "mulaw")


class Model(NamedTuple):
    """What is known of a model.

    Attributes:
        id: Its name on the wire.
        voices: Its voices by id.
        has_all_voices: Whether `voices` is the whole list.
        mixes: Whether it takes voice mixes.
        sample_rate_hz: The only rate it gives, or `None` where it has several or nobody says.
        encoding: The only encoding of its raw audio, or `None` likewise.
        honours: Which of `response_encoding`, `sample_rate` and `bit_rate` it honours, or `None`
            where nobody says.
        formats: The values of `response_format` that it takes.
    """

    id: str
    voices: Mapping[str, Voice]
    has_all_voices: bool
    mixes: bool
    sample_rate_hz: int | None
    encoding: Encoding | None
    honours: frozenset[str] | None
    formats: tuple[str, ...]


@cache
def models() -> Mapping[str, Model]:
    """Return the known models by name."""
    import pkgutil

    data = pkgutil.get_data("facade._rules", "catalogue.json")
    assert data is not None  # noqa: S101 - the file is part of the package
    entries = json.loads(data)["models"]
    return {name: _model(name, entry, entries) for name, entry in entries.items()}


def closest(name: str, candidates: Iterable[str]) -> list[str]:
    """Return the three of `candidates` that look most like `name`, best first.

    Case does not count, and a name counts both whole and without the part before its first `_`, so
    that `bella` finds `af_bella`.
    """
    from difflib import SequenceMatcher  # only a mistake needs it

    matcher = SequenceMatcher(autojunk=False)
    # Matching takes time that grows with the square of the length, and no name is this long.
    matcher.set_seq2(name[:100].casefold())

    def likeness(candidate: str) -> float:
        folded = candidate.casefold()
        ratios = []
        for part in (folded, folded.partition("_")[2]):
            matcher.set_seq1(part)
            ratios.append(matcher.ratio())
        return max(ratios)

    # `sorted` keeps the order of equals, so that the answer does not depend on a set's order.
    return sorted(sorted(candidates), key=likeness, reverse=True)[:3]


def _model(name: str, entry: dict[str, Any], entries: dict[str, dict[str, Any]]) -> Model:
    voices = entries[entry.get("voices_of", name)]["voices"]
    honours = entry.get("honours")
    return Model(
        id=name,
        voices={voice.id: voice for voice in (_voice(name, row) for row in voices)},
        has_all_voices=entry["complete"],
        mixes=entry.get("mixing", False),
        sample_rate_hz=entry.get("sample_rate_hz"),
        encoding=entry.get("response_encoding"),
        honours=None if honours is None else frozenset(honours),
        formats=(*FORMATS, *entry.get("extra_formats", ())),
    )


def _voice(model: str, row: str | list[Any]) -> Voice:
    if isinstance(row, str):
        return Voice(row, row, model)
    voice, language, gender, grade = row
    return Voice(voice, voice, model, language, gender, grade)


def read_voices(document: object, asked: str | None) -> list[Voice]:
    """Read an answer of `GET /voices`, in any of the shapes that have been seen.

    Args:
        document: The answer's JSON: `{"data": [{"model", "voices"}]}`, or with `?model=` also
            `{"voices": [...]}`. A voice is `{"id", "name"}`, lacks one of the two, or is a bare
            string.
        asked: The model that was asked for; other models' voices are left out.

    Raises:
        ValueError: It has none of these shapes, or speaks of an error.
    """
    if isinstance(document, Mapping) and document.get("error"):
        raise ValueError("the answer is an error")
    if isinstance(document, Mapping) and isinstance(document.get("data"), list):
        groups = document["data"]
    elif isinstance(document, Mapping) and isinstance(document.get("voices"), list):
        groups = [document]
    else:
        raise ValueError("the answer has neither a list 'data' nor a list 'voices'")
    voices = []
    for group in groups:
        if not isinstance(group, Mapping) or not isinstance(group.get("voices"), list):
            raise ValueError(f"{reprlib.repr(group)} has no list 'voices'")
        model = group.get("model")
        if not isinstance(model, str):
            model = asked or ""
        if asked is None or model == asked:
            voices += [_listed_voice(model, entry) for entry in group["voices"]]
    return voices


def _listed_voice(model: str, entry: object) -> Voice:
    fields: Mapping[str, object] = entry if isinstance(entry, Mapping) else {"id": entry}
    names = [
        name for name in (fields.get("id"), fields.get("name")) if isinstance(name, str) and name
    ]
    if not names:
        raise ValueError(f"{reprlib.repr(entry)} has neither an 'id' nor a 'name'")
    known = models()[model].voices.get(names[0]) if model in models() else None
    language = fields.get("language")
    return Voice(
        id=names[0],
        name=names[-1],
        model=model,
        language=(known and known.language) or (language if isinstance(language, str) else None),
        gender=known.gender if known else None,
        grade=known.grade if known else None,
    )
