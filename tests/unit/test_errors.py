"""The exceptions: their tree, their texts, and that they travel."""

import copy
import inspect
import pickle
import re
from collections.abc import Callable

import pytest

from facade import errors
from facade.errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    EmptyAudioError,
    InvalidRequestError,
    InvalidVoiceMixError,
    MalformedStreamError,
    MissingPiece,
    NarrationError,
    SpeechError,
    StreamError,
    StreamInterruptedError,
    UnknownVoiceError,
    UnreadableBookError,
)

CLASSES = {
    name: found
    for name, found in inspect.getmembers(errors, inspect.isclass)
    if found.__module__ == errors.__name__ and issubclass(found, Exception)
}
STATUS_CLASSES = [found for found in CLASSES.values() if issubclass(found, APIStatusError)]
HEADERS = {"x-request-id": "req-1", "cf-ray": "8f-FRA", "retry-after": "2"}

MISSING = MissingPiece(3, "The Chase", "There she blows!", "lost")
SAID = "chapter 3 (The Chase), 'There she blows!': lost"

EXAMPLES = [
    SpeechError("this client is closed"),
    InvalidRequestError("has nothing in it to speak", param="text"),
    UnknownVoiceError("af_bela", model="hexgrad/Kokoro-82M", suggestions=["af_bella"]),
    InvalidVoiceMixError("a weight must be above 0", mix="a(0)+b", position=2),
    UnreadableBookError("is missing", part="content.opf", path="moby-dick.epub"),
    *(
        kind(
            "lost",
            request_sent=False,
            transient=True,
            bytes_received=7,
            request_id="req-1",
            cf_ray="8f-FRA",
        )
        for kind in (APIConnectionError, APITimeoutError)
    ),
    APIError(
        "no",
        type="server_error",
        param="voice",
        code="x1",
        body="{}",
        request_id="req-1",
        cf_ray="8f-FRA",
    ),
    *(
        kind(
            "no",
            status_code=418,
            headers=HEADERS,
            retry_after_s=2.0,
            type="server_error",
            param="voice",
            code="x1",
            body="{}",
        )
        for kind in STATUS_CLASSES
    ),
    *(
        kind("cut off", bytes_received=9, request_id="req-1", cf_ray="8f-FRA")
        for kind in (StreamError, StreamInterruptedError)
    ),
    MalformedStreamError(
        "no JSON", event_number=3, bytes_received=9, request_id="req-1", cf_ray="8f-FRA"
    ),
    EmptyAudioError("nothing", request_id="req-1", cf_ray="8f-FRA"),
    NarrationError(
        "1 of 2 pieces is missing",
        missing=[MISSING],
        kept=1,
    ),
]


def drawn_tree() -> dict[str, str | None]:
    """Read the tree out of the module's docstring: each name with its parent's."""
    tree: dict[str, str | None] = {}
    path: list[str] = []
    for line in inspect.cleandoc(errors.__doc__ or "").splitlines():
        drawn = re.match(r"    ([ │├└─]*)([A-Z]\w+Error)\b", line)
        if drawn:
            depth = len(drawn[1]) // 4
            path[depth:] = [drawn[2]]
            tree[drawn[2]] = path[depth - 1] if depth else None
    return tree


def test_the_drawn_tree_is_the_real_one() -> None:
    real = {
        name: None if found is SpeechError else found.__bases__[0].__name__
        for name, found in CLASSES.items()
    }
    assert drawn_tree() == real


def test_an_invalid_request_is_a_value_error() -> None:
    assert [found for found in CLASSES.values() if issubclass(found, ValueError)] == [
        InvalidRequestError,
        InvalidVoiceMixError,
        UnknownVoiceError,
        UnreadableBookError,
    ]


def test_there_is_an_example_of_every_class() -> None:
    assert {type(example) for example in EXAMPLES} == set(CLASSES.values())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: type(example).__name__)
@pytest.mark.parametrize(
    "travel",
    [
        *(
            pytest.param(
                lambda error, protocol=protocol: pickle.loads(pickle.dumps(error, protocol)),  # noqa: S301
                id=f"pickle {protocol}",
            )
            for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
        ),
        copy.copy,
        copy.deepcopy,
    ],
)
def test_an_exception_travels_with_all_it_knows(
    example: SpeechError, travel: Callable[[SpeechError], SpeechError]
) -> None:
    arrived = travel(example)
    assert type(arrived) is type(example)
    assert vars(arrived) == vars(example)
    assert arrived.args == example.args
    assert str(arrived) == str(example)
    assert repr(arrived) == repr(example)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (SpeechError("closed"), "closed"),
        (InvalidRequestError("is empty", param="text"), "text: is empty"),
        (
            UnknownVoiceError("bela", model="m", suggestions=["af_bella", "hf_beta"]),
            "voice: 'bela' is not a voice of m; the closest names are af_bella, hf_beta",
        ),
        (UnknownVoiceError("x", model="m", suggestions=[]), "voice: 'x' is not a voice of m"),
        (InvalidVoiceMixError("no"), "voice: no"),
        (InvalidVoiceMixError("no", mix="a"), "voice: no, in 'a'"),
        (InvalidVoiceMixError("no", mix="a+", position=2), "voice: no, at character 3 of 'a+'"),
        (APIConnectionError("lost"), "lost"),
        (APITimeoutError("late", request_id="r", cf_ray="c"), "late [request id r, cf-ray c]"),
        (APIError("no"), "no"),
        (
            APIError("no", type="t", param="p", code="c", request_id="r"),
            "no (type t, param p, code c) [request id r]",
        ),
        (
            APIStatusError("no", status_code=418, headers={"cf-ray": "c"}, type="t"),
            "HTTP 418: no (type t) [cf-ray c]",
        ),
        (
            StreamInterruptedError("cut off", bytes_received=9, request_id="r"),
            "cut off; 9 bytes of audio had come [request id r]",
        ),
        (EmptyAudioError("nothing", cf_ray="c"), "nothing [cf-ray c]"),
        (
            NarrationError("2 pieces are missing", missing=[MISSING, MISSING], kept=0),
            f"2 pieces are missing: {SAID}; {SAID}",
        ),
        (
            NarrationError("4 pieces are missing", missing=[MISSING] * 4, kept=0),
            f"4 pieces are missing: {SAID}; {SAID}; {SAID}; and 1 more",
        ),
        (
            NarrationError(
                "1 is missing", missing=[MissingPiece(1, None, "so " * 30, "lost")], kept=0
            ),
            f"1 is missing: chapter 1, '{'so ' * 20}…': lost",
        ),
    ],
)
def test_the_text_holds_the_facts(error: SpeechError, text: str) -> None:
    assert str(error) == text
    assert repr(error) == f"{type(error).__name__}({text!r})"


def test_the_facts_are_attributes() -> None:
    error = APIStatusError("no", status_code=418, headers=HEADERS, retry_after_s=2.0)
    assert (error.request_id, error.cf_ray, error.retry_after_s) == ("req-1", "8f-FRA", 2.0)
    assert error.headers == HEADERS
    assert UnknownVoiceError("x", model="m", suggestions=["a"]).suggestions == ("a",)


def test_a_lost_connection_may_have_carried_the_request_unless_known_otherwise() -> None:
    error = APIConnectionError("lost")
    assert (error.request_sent, error.transient, error.bytes_received) == (True, False, 0)


def test_an_id_can_neither_break_the_line_nor_fill_the_screen() -> None:
    text = str(EmptyAudioError("nothing", request_id="a\x85b\x1b[2J", cf_ray="c" * 10_000))
    assert text.startswith("nothing [request id a?b?[2J, cf-ray ccc")
    assert len(text) < 200
