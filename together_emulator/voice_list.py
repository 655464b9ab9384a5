"""The answer of ``GET /voices``, in each shape that has been seen."""

from collections.abc import Callable, Iterable

from together_emulator.catalogue import Model

SHAPES = ("data", "top-level", "strings", "no-id", "extra")
"""``data`` is what the service says, ``top-level`` what a sample of its documentation reads."""


def voice_list(models: Iterable[Model], shape: str) -> dict[str, object]:
    """The list of the voices of some models.

    Args:
        models: The models.
        shape: One of `SHAPES`.
    """
    listed = _VOICES.get(shape, _VOICES["data"])
    lists: list[dict[str, object]] = [
        {"model": model.name, "voices": [listed(name) for name in model.voices]} for model in models
    ]
    if shape == "top-level" and len(lists) == 1:
        return {"voices": lists[0]["voices"]}
    return {"data": lists}


_VOICES: dict[str, Callable[[str], object]] = {
    "data": lambda name: {"id": name, "name": name},
    "strings": lambda name: name,
    "no-id": lambda name: {"name": name},
    "extra": lambda name: {"id": name, "name": name, "language": "en", "preview": None},
}
