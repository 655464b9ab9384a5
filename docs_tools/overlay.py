"""What `contract/overlay.yaml` adds to the published contract, and where that is documented."""

import re
from typing import Any

from ruamel.yaml import YAML

from docs_tools.blocks import ROOT


def overlay() -> str:
    """Write a table of the overlay's actions."""
    document: Any = YAML(typ="safe").load(ROOT / "contract" / "overlay.yaml")
    rows = ["| added | below | where it is documented |", "|---|---|---|"]
    for action in document["actions"]:
        added = ", ".join(f"`{name}`" for name in _names(action["update"]))
        words = " ".join(action["description"].split())
        text = re.sub(r"(https://[^\s,]*[^\s,.:])", r"<\1>", words)
        rows.append(f"| {added} | `{action['target']}` | {text} |")
    return "\n".join(rows)


def _names(update: Any) -> list[str]:
    """The names that an update brings: of components, those of the schemas."""
    if isinstance(update, str):
        return [update]
    return [name for top in update for name in _below(top, update[top])]


def _below(name: str, value: Any) -> list[str]:
    if name == "components":
        return [schema for schemas in value.values() for schema in schemas]
    return [name]
