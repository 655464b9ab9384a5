"""The public face is typed through and through: no `Any` in it but for httpx's own arguments."""

import inspect
import typing
from collections.abc import Iterator
from typing import Any

import pytest

import facade

# Its values are whatever httpx takes.
HTTPX_ARGS = "httpx_args"


def public_functions() -> Iterator[tuple[str, Any]]:
    """Every function that an application may call or meet."""
    for name in facade.__all__:
        kind = getattr(facade, name)
        yield name, kind
        for part, member in inspect.getmembers(kind):
            if part.startswith("_") and part not in ("__init__", "__enter__", "__aenter__"):
                continue
            member = member.fget if isinstance(member, property) else member
            member = getattr(member, "__func__", member)
            if inspect.isfunction(member) and member.__module__.startswith("facade"):
                yield f"{name}.{part}", member


FUNCTIONS = dict(public_functions())


def has_any(hint: object) -> bool:
    """Whether there is an `Any` anywhere in a type."""
    return hint is Any or any(has_any(part) for part in typing.get_args(hint))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_any(name: str) -> None:
    hints = typing.get_type_hints(FUNCTIONS[name])
    assert {part for part, hint in hints.items() if has_any(hint)} <= {HTTPX_ARGS}


@pytest.mark.parametrize(
    "name", [name for name, found in FUNCTIONS.items() if inspect.isfunction(found)]
)
def test_everything_is_annotated(name: str) -> None:
    signature = inspect.signature(FUNCTIONS[name])
    bare = [
        parameter.name
        for parameter in list(signature.parameters.values())
        if parameter.annotation is parameter.empty and parameter.name not in ("self", "cls")
    ]
    assert bare == []
    assert signature.return_annotation is not signature.empty


def test_search_would_find_an_any() -> None:
    assert has_any(dict[str, list[Any] | None])
    assert not has_any(dict[str, list[int] | None])
    assert {"SpeechClient.synthesize", "AsyncSpeechClient.list_voices"} <= FUNCTIONS.keys()
    assert {"SpeechAudio.duration_s", "VoiceMix.parse", "Voice"} <= FUNCTIONS.keys()
