"""The contract's word on an answer; run as a program, the copy of it that the emulator serves."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
PATH = ROOT / "generated" / "contract.yaml"
# A wheel has no YAML reader, and nothing of `generated/` but the package in it.
SERVED = ROOT / "together_emulator" / "openapi.json"


@cache
def contract() -> dict[str, Any]:
    """The effective contract."""
    document: dict[str, Any] = json.loads(json.dumps(YAML(typ="safe").load(PATH)))
    return document


@cache
def validator(name: str) -> Any:
    """What checks against one of the contract's schemas."""
    return jsonschema_rs.Draft202012Validator(
        {
            "$ref": f"#/components/schemas/{name}",
            "components": _null_allowed(contract())["components"],
        }
    )


def _null_allowed(value: Any) -> Any:
    """The contract says "nullable", a word of OpenAPI 3.0 that 3.1 no longer knows."""
    if isinstance(value, list):
        return list(map(_null_allowed, value))
    if not isinstance(value, dict):
        return value
    schema = {name: _null_allowed(inner) for name, inner in value.items()}
    if schema.get("nullable") is True:
        schema["type"] = [schema["type"], "null"]
    return schema


def check_answer(response: httpx.Response) -> None:
    """Check an answer that no fault has spoiled."""
    if "x-emulate-fault" in response.request.headers:
        return
    kind = response.headers["content-type"].partition(";")[0]
    if response.is_error:
        assert kind == "application/json"
        response.read()
        validator("ErrorData").validate(response.json())
    elif response.request.url.path.endswith("/voices"):
        assert kind == "application/json"
        response.read()
        validator("VoicesResponse").validate(response.json())
    else:
        operation = contract()["paths"]["/audio/speech"]["post"]
        assert kind in operation["responses"]["200"]["content"]


if __name__ == "__main__":
    SERVED.write_text(json.dumps(contract(), indent=1, ensure_ascii=False) + "\n", "utf-8")
