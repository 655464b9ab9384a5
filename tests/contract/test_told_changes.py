"""What the checks of `test_facade_coverage.py` find, on a contract of the tests' own."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from contract.document import load_openapi
from contract.vendor import FILES
from tests.contract.reading import Contract
from tests.contract.test_facade_coverage import unoffered, unreached, unread

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def add_property(contract: Contract) -> None:
    request_schema(contract)["properties"]["a_new_one"] = {"type": "number"}


def add_nested_property(contract: Contract) -> None:
    extra = request_schema(contract)["properties"]["extra_params"]
    extra["properties"]["a_new_one"] = {"type": "number"}


def remove_property(contract: Contract) -> None:
    del request_schema(contract)["properties"]["language"]


def add_value(contract: Contract) -> None:
    request_schema(contract)["properties"]["bit_rate"]["enum"].append(1)


def remove_value(contract: Contract) -> None:
    request_schema(contract)["properties"]["response_format"]["enum"].remove("mp3")


def add_status(contract: Contract) -> None:
    responses = contract.operation("speech")["responses"]
    responses["418"] = copy.deepcopy(responses["429"])


def add_content(contract: Contract) -> None:
    responses = contract.operation("speech")["responses"]
    responses["200"]["content"]["audio/x-new"] = {"schema": {"type": "string"}}


def change_content(contract: Contract) -> None:
    content = contract.operation("speech")["responses"]["429"]["content"]
    content["text/plain"] = content.pop("application/json")


def add_event(contract: Contract) -> None:
    events = contract.document["components"]["schemas"]["AudioSpeechStreamResponse"]["oneOf"]
    inner = {"type": "object", "properties": {"new_words": {"type": "array"}}}
    events.append({"type": "object", "properties": {"data": inner}})


def request_schema(contract: Contract) -> Any:
    return contract.document["components"]["schemas"]["AudioSpeechRequest"]


@pytest.mark.parametrize(
    ("change", "check", "words"),
    [
        (add_property, unreached, ["'a_new_one' is new", "REACHED", "options", "request"]),
        (add_nested_property, unreached, ["'extra_params.a_new_one' is new", "request"]),
        (remove_property, unreached, ["'language' is gone", "overlay.yaml", "REACHED"]),
        (add_value, unoffered, ["'bit_rate' may be 1", "options"]),
        (remove_value, unoffered, ["'response_format' may be 'mp3' in the facade", "options"]),
        (add_status, unread, ["POST /audio/speech answers 418 now", "errors", "failures"]),
        (add_content, unread, ["POST /audio/speech answers 200 with audio/x-new", "wire"]),
        (change_content, unread, ["POST /audio/speech answers 429 with text/plain", "failures"]),
        (add_event, unread, ["a new event (new_words)", "stream", "EVENTS"]),
    ],
)
def test_a_change_of_a_contract_is_told_with_what_to_do(
    frozen_tree: Path,
    change: Callable[[Contract], None],
    check: Callable[[Contract], list[str]],
    words: list[str],
) -> None:
    """By one of the checks above, and not before the change."""
    contract = Contract(load_openapi(frozen_tree / "generated" / "contract.yaml"))
    said = {*check(contract)}
    change(contract)
    (line,) = {*check(contract)} - said
    assert all(FILES.get(word, word) in line for word in words)
