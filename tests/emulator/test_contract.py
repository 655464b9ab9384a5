"""The emulator and the contract know the same."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.emulator.contract import contract, validator
from tests.emulator.streaming import read_stream
from together_emulator.errors import ApiError
from together_emulator.request import KNOWN_FIELDS, parse_request

SPEECH = {"model": "hexgrad/Kokoro-82M", "input": "Hello.", "voice": "af_heart"}
FIELDS = contract()["components"]["schemas"]["AudioSpeechRequest"]["properties"]

SCHEMATHESIS = Path(sys.prefix, "clients", "bin", "st")


def test_the_same_fields_are_known() -> None:
    assert FIELDS.keys() == KNOWN_FIELDS


@pytest.mark.parametrize("field", FIELDS)
def test_a_value_of_another_type_is_refused(api: httpx.Client, field: str) -> None:
    values: list[object] = [[], 0.5, None, {"a": 1}]
    bodies = [{**SPEECH, field: value} for value in values]
    wrong = [body for body in bodies if not validator("AudioSpeechRequest").is_valid(body)]
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

    assert validator("AudioSpeechRequest").is_valid(body) or not is_taken()


@pytest.mark.parametrize(
    ("field", "value"),
    [(field, value) for field, schema in FIELDS.items() for value in schema.get("enum", ())],
)
def test_every_value_that_is_listed_is_taken(
    api: httpx.Client, field: str, value: str | int
) -> None:
    assert api.post("/audio/speech", json={**SPEECH, field: value}).status_code == 200


def test_the_events_of_its_shape_are_the_contracts(api: httpx.Client) -> None:
    body = {**SPEECH, "stream": True, "response_format": "raw"}
    headers = {"x-emulate-stream-shape": "a"}
    streamed = read_stream(api.post("/audio/speech", json=body, headers=headers))
    assert len(streamed.events) > 3
    for event in streamed.events:
        validator("AudioSpeechStreamEvent").validate({"data": event})
    validator("StreamSentinel").validate({"data": streamed.end})


@pytest.mark.skipif(
    not SCHEMATHESIS.is_file(), reason="needs other people's clients: run `make clients`"
)
@pytest.mark.parametrize("is_known", [False, True], ids=["any values", "known values"])
def test_schemathesis_finds_nothing(emulator_url: str, tmp_path: Path, is_known: bool) -> None:
    """With values of all kinds, and with models and voices that get as far as the voice."""
    document = json.loads(json.dumps(contract()))
    error = document["paths"]["/audio/speech"]["post"]["responses"]["400"]
    for path in document["paths"].values():
        for operation in path.values():
            # The guide has these; the contract lacks them.
            operation["responses"] |= {"401": error, "404": error, "413": error}
    if is_known:
        fields = document["components"]["schemas"]["AudioSpeechRequest"]["properties"]
        fields["model"] = {"enum": ["hexgrad/Kokoro-82M", "canopylabs/orpheus-3b-0.1-ft"]}
        # The contract's schema of an event has no words.
        fields["alignment"] = {"enum": ["none"]}
        fields["voice"] = {"enum": ["af_heart", "am_adam+bf_emma(2)", "tara"]}
        fields["input"] = {"enum": ["Hello.", "He went. She came.", "\u4eca\u65e5"]}
    path = tmp_path / "contract.json"
    path.write_text(json.dumps(document))
    done = subprocess.run(
        [
            *(SCHEMATHESIS, "--no-color", "run", path, "--url", emulator_url, "--seed", "1"),
            *("--header", "Authorization: Bearer any", "--header", "x-emulate-stream-shape: a"),
            *("--max-examples", "30"),
            # Any key is good here, and what is valid by the contract may still name no voice.
            "--exclude-checks",
            "ignored_auth,positive_data_acceptance" + ",negative_data_rejection" * is_known,
            "--continue-on-failure",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
