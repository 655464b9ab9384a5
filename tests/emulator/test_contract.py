"""The emulator and the contract know the same."""

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.emulator.contract import (
    EVENT,
    REQUEST,
    fields,
    required_fields,
    validator,
)
from tests.emulator.streaming import read_stream
from together_emulator.errors import ApiError
from together_emulator.request import KNOWN_FIELDS, parse_request

SPEECH = {"model": "hexgrad/Kokoro-82M", "input": "Hello.", "voice": "af_heart"}
# What only one of the two knows is told by the first test, and by no other.
FIELDS = {name: schema for name, schema in fields().items() if name in KNOWN_FIELDS}
NEW = required_fields() - KNOWN_FIELDS

WHERE = "together_emulator/request.py"


def test_the_same_fields_are_known() -> None:
    lines = [
        f"the emulator does not know {name!r}, which is new in the contract: add it to KNOWN_FIELDS"
        f" in {WHERE}, and check its value there"
        for name in sorted(fields().keys() - KNOWN_FIELDS)
    ]
    lines += [
        f"the emulator knows {name!r}, which is gone from the contract: take it out of"
        f" KNOWN_FIELDS in {WHERE}, or add it to contract/overlay.yaml where it is documented"
        for name in sorted(KNOWN_FIELDS - fields().keys())
    ]
    if lines:
        pytest.fail("\n".join(lines), pytrace=False)


def is_valid(body: object) -> bool:
    """Whether the contract takes the body, were it complete with what the emulator lacks."""
    schema = validator(*REQUEST)
    if not NEW or not isinstance(body, dict):
        return bool(schema.is_valid(body))
    told = [error.kind.as_dict().get("property") for error in schema.iter_errors(body)]
    return all(name in NEW for name in told)


@pytest.mark.parametrize("field", FIELDS)
def test_a_value_of_another_type_is_refused(api: httpx.Client, field: str) -> None:
    values: list[object] = [[], 0.5, None, {"a": 1}]
    wrong = [body for value in values if not is_valid(body := {**SPEECH, field: value})]
    assert wrong
    for body in wrong:
        response = api.post("/audio/speech", json=body)
        assert response.status_code == 400, body
        assert response.json()["error"]["param"] == field


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.lists(st.text(), max_size=2),
    st.dictionaries(st.sampled_from(["pronunciation_dict", "x"]), st.lists(st.integers())),
)
OTHERS = {
    field: VALUES | st.sampled_from(schema["enum"]) if "enum" in schema else VALUES
    for field, schema in FIELDS.items()
}


@given(
    st.one_of(
        VALUES,
        st.fixed_dictionaries({}, optional=OTHERS).map(lambda others: {**SPEECH, **others}),
        st.sampled_from([{name: SPEECH[name] for name in SPEECH if name != out} for out in SPEECH]),
    )
)
def test_what_the_contract_refuses_is_refused(body: object) -> None:
    def is_taken() -> bool:
        try:
            parse_request(json.dumps(body).encode(), [])
        except ApiError as error:
            return error.status >= 500
        return True

    assert is_valid(body) or not is_taken()


@pytest.mark.parametrize(
    ("field", "value"),
    [(field, value) for field, schema in FIELDS.items() for value in schema.get("enum", ())],
)
def test_every_value_that_is_listed_is_taken(
    api: httpx.Client, field: str, value: str | int
) -> None:
    answer = api.post("/audio/speech", json={**SPEECH, field: value})
    if answer.status_code != 200:
        pytest.fail(
            f"{field!r} may be {value!r} in the contract and the emulator refuses it: take it in"
            f" {WHERE} ({answer.json()['error']['message']})",
            pytrace=False,
        )


def test_the_events_of_its_shape_are_the_contracts(api: httpx.Client) -> None:
    body = {**SPEECH, "stream": True, "response_format": "raw"}
    headers = {"x-emulate-stream-shape": "a"}
    streamed = read_stream(api.post("/audio/speech", json=body, headers=headers))
    assert len(streamed.events) > 3
    for event in streamed.events:
        validator(*EVENT).validate({"data": event})
    validator(*EVENT).validate({"data": streamed.end})
