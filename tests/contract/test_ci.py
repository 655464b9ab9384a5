"""What CI makes of a contract that changed: annotations, a summary, and a way through."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from ruamel.yaml import YAML

from contract.compose import ROOT
from tests.contract import frozen
from tests.contract.documents import WHERE, speech

if TYPE_CHECKING:
    from pathlib import Path

OVERLAY = {
    "overlay": "1.0.0",
    "info": {"title": "T", "version": "1"},
    "actions": [{"target": "$.info", "update": {"description": "ours"}}],
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with the tools and a small contract of its own, composed and committed."""
    frozen.copy_tools(tmp_path)
    shutil.copyfile(ROOT / "Makefile", tmp_path / "Makefile")
    (tmp_path / ".venv").symlink_to(sys.prefix)  # the environment that runs this test
    (tmp_path / ".gitignore").write_text(".venv\n__pycache__\n", encoding="utf-8")
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n", encoding="utf-8")
    overlay = json.dumps(OVERLAY)
    (tmp_path / "contract" / "overlay.yaml").write_text(overlay, encoding="utf-8")
    write(tmp_path, {"a": {"type": "string"}, "b": {"type": "string"}})
    (tmp_path / "generated").mkdir()
    compose = [sys.executable, "-m", "contract.compose", "--output", "generated/contract.yaml"]
    for command in (
        compose,
        ["git", "init", "--quiet"],
        ["git", "add", "."],
        ["git", "-c", "user.name=N", "-c", "user.email=e@example", "commit", "--quiet", "-m", "m"],
    ):
        subprocess.run(command, cwd=tmp_path, check=True)
    return tmp_path


def write(root: Path, properties: dict[str, object]) -> None:
    document = speech({"type": "object", "properties": properties})
    document["paths"]["/voices"] = {"get": {"operationId": "fetchVoices", "responses": {}}}
    (root / "openapi.yaml").write_text(json.dumps(document, indent=2), encoding="utf-8")


def contract_diff(root: Path) -> subprocess.CompletedProcess[str]:
    """What the job of that name runs."""
    workflow = YAML(typ="safe").load(ROOT / ".github" / "workflows" / "ci.yml")
    steps = workflow["jobs"]["contract-diff"]["steps"]
    (line,) = (step["run"] for step in steps if "run" in step)
    command = [*line.split(), "--no-print-directory", "--old-file", ".venv/.dev"]
    # What the make that runs the tests was told is for its own tree.
    told = {"BASE": "HEAD", "GITHUB_STEP_SUMMARY": "summary.md", "MAKEFLAGS": ""}
    environment = os.environ | told
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)


def test_a_breaking_contract_is_annotated_summed_up_and_red_until_it_is_named(root: Path) -> None:
    """By the line that is printed for it."""
    assert contract_diff(root).stdout.splitlines()[-1] == "NONE"
    assert (root / "summary.md").read_text(encoding="utf-8") == "**NONE**\n"
    write(root, {"a": {"type": "string", "deprecated": True, "x-sunset": "2027-01-31"}})
    done = contract_diff(root)
    assert done.returncode != 0
    lines = (root / "openapi.yaml").read_text(encoding="utf-8").splitlines()
    sunset = 1 + lines.index('                    "deprecated": true,')
    holder = 1 + lines.index('                "properties": {')
    annotations = [line for line in done.stdout.splitlines() if line.startswith("::")]
    assert [line.partition(" (")[0] for line in annotations] == [
        f"::warning file=openapi.yaml,line={sunset},title=DOCS {WHERE} request body.a::"
        "is deprecated; its sunset is 2027-01-31",
        f"::error file=openapi.yaml,line={holder},title=BREAKING {WHERE} request body.b::"
        "the property is gone",
    ]
    assert done.stdout.splitlines()[-1] == "BREAKING"
    summary = (root / "summary.md").read_text(encoding="utf-8")
    assert f"| BREAKING | {WHERE} request body.b | the property is gone |" in summary
    (entry,) = (line for line in done.stderr.splitlines() if line.startswith("- "))
    with (root / "CHANGELOG.md").open("a", encoding="utf-8") as log:
        log.write(f"\n## Unreleased\n\n{entry}\n")
    done = contract_diff(root)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "BREAKING"


def test_a_push_to_main_does_not_end_the_run_of_the_one_before() -> None:
    """Every commit of main has its own result; a pull request only the last."""
    workflow = YAML(typ="safe").load(ROOT / ".github" / "workflows" / "ci.yml")
    cancels = workflow["concurrency"]["cancel-in-progress"]
    assert cancels == "${{ github.ref != 'refs/heads/main' }}"
