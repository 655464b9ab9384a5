"""The two clients are one: the same names, the same signatures.

The synchronous one is made from the other (`make generate`), which `make check` holds. Here is what
only the two together show.
"""

import functools
import inspect
import operator
import typing
from collections.abc import AsyncIterable, Callable
from types import UnionType
from typing import Any, Union

import pytest

from facade import (
    AsyncSpeechClient,
    SpeechClient,
    SpeechOptions,
    StreamOptions,
    SynthesizeOptions,
)

# What differs, because Python's own names for it differ.
ASYNC_NAMES = {"aclose": "close", "__aenter__": "__enter__", "__aexit__": "__exit__"}


def public(kind: type) -> dict[str, typing.Any]:
    """A client's public methods, and what makes it a context manager."""
    return {
        ASYNC_NAMES.get(name, name): value
        for name, value in inspect.getmembers(kind, callable)
        if not name.startswith("_") or name in ("__init__", "__enter__", "__exit__", *ASYNC_NAMES)
    }


SYNC, ASYNC = public(SpeechClient), public(AsyncSpeechClient)


def test_names_are_equal() -> None:
    assert SYNC.keys() == ASYNC.keys()
    assert {"synthesize", "list_voices", "close", "__init__"} <= SYNC.keys()


@pytest.mark.parametrize("name", SYNC)
def test_parameters_are_equal(name: str) -> None:
    ours = inspect.signature(SYNC[name]).parameters
    theirs = [
        parameter.replace(annotation=at_hand(parameter.annotation))
        for parameter in inspect.signature(ASYNC[name]).parameters.values()
    ]
    assert list(ours.values()) == theirs


def at_hand(annotation: Any) -> Any:
    """A type without what comes asynchronously, which only one client takes."""
    kept = [
        part for part in typing.get_args(annotation) if typing.get_origin(part) is not AsyncIterable
    ]
    is_union = typing.get_origin(annotation) in (Union, UnionType)
    return functools.reduce(operator.or_, kept) if is_union else annotation


@pytest.mark.parametrize("name", ["synthesize", "list_voices", "close"])
def test_answers_are_equal(name: str) -> None:
    assert inspect.iscoroutinefunction(ASYNC[name])
    assert not inspect.iscoroutinefunction(SYNC[name])
    ours = typing.get_type_hints(SYNC[name])
    assert ours == typing.get_type_hints(ASYNC[name])
    assert "return" in ours


@pytest.mark.parametrize("name", ["__init__", "list_voices"])
def test_docstring_names_every_parameter(name: str) -> None:
    # `inspect` takes the indentation away, so that a parameter stands four spaces in.
    doc = inspect.getdoc(SpeechClient if name == "__init__" else SYNC[name]) or ""
    for parameter in list(inspect.signature(SYNC[name]).parameters)[1:]:
        assert f"\n    {parameter}: " in doc


@pytest.mark.parametrize(
    ("method", "kind"), [("synthesize", SynthesizeOptions), ("stream", StreamOptions)]
)
def test_every_option_is_shown_and_documented(method: str, kind: Any) -> None:
    """`help()` and editors show the options one by one; each is explained where it is listed."""
    shown = list(inspect.signature(SYNC[method]).parameters)[3:]
    assert sorted(shown) == sorted(kind.__optional_keys__)
    docs = f"{inspect.getdoc(SpeechOptions)}\n{inspect.getdoc(kind)}"
    for option in shown:
        assert f"\n    {option}: " in docs
    assert f"`{kind.__name__}`" in (SYNC[method].__doc__ or "")


CALLS: dict[str, Callable[..., object]] = {
    "synthesize": lambda client, **more: client.synthesize("Hi.", voice="af_heart", **more),
    "synthesize_to_file": lambda client, **more: client.synthesize_to_file(
        "Hi.", "never.wav", voice="af_heart", **more
    ),
    "stream": lambda client, **more: client.stream("Hi.", voice="af_heart", **more),
    "synthesize_many": lambda client, **more: client.synthesize_many(
        ["Hi."], voice="af_heart", **more
    ),
    "narrate": lambda client, **more: client.narrate("Hi.", voice="af_heart", **more),
    "realtime": lambda client, **more: client.realtime(voice="af_heart", **more),
    "speak": lambda client, **more: client.realtime(voice="af_heart").speak("Hi.", **more),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("option", ["qqqqqq", "validate_voices", "is_stream", "options"])
def test_what_is_not_shown_is_not_taken(call: Callable[..., object], option: str) -> None:
    """Names that only our own functions have are no options, nor does a message name those."""
    with (
        SpeechClient("key", base_url="http://127.0.0.1:9/v1") as client,
        pytest.raises(TypeError, match=rf"\(\) got an unexpected keyword argument '{option}'"),
    ):
        call(client, **{option: True})
