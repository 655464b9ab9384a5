"""What a release says of itself is true, and the workflows can run.

`make dist TAG=v0.1.0` runs this before it builds.
"""

import datetime
import os
import re
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from ruamel.yaml import YAML

from facade._version import __version__

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def read(path: Path) -> Any:
    return YAML(typ="safe").load(path)


def steps(workflow: Any) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def released() -> tuple[str, datetime.date]:
    """The newest version in the changelog, and its day."""
    log = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\d+\.\d+\.\d+) \((.+)\)$", log, re.MULTILINE)
    assert newest, "CHANGELOG.md has no released version"
    return newest[1], datetime.date.fromisoformat(newest[2])


def test_changelog_and_citation_name_this_version_and_its_day() -> None:
    version, day = released()
    citation = read(ROOT / "CITATION.cff")
    assert version == citation["version"] == __version__
    assert day == datetime.date.fromisoformat(citation["date-released"])
    assert citation["license"] == PROJECT["project"]["license"]


def test_the_tag_is_this_version() -> None:
    tag = os.environ.get("RELEASE_TAG")
    if not tag:
        pytest.skip("nothing is being released: `make dist TAG=...` names the tag")
    assert tag == f"v{__version__}"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_names_targets_of_make_that_there_are(path: Path) -> None:
    lines = [step["run"] for step in steps(read(path)) if "run" in step]
    for target in re.findall(r"\bmake ([\w./-]+)", "\n".join(lines)):
        written = target.replace(".venv", "$(VENV)")
        assert re.search(rf"^{re.escape(written)}:", MAKEFILE, re.MULTILINE), target


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_pins_what_it_uses_and_takes_no_more_rights_than_it_needs(path: Path) -> None:
    """A tag of an action can be moved by whoever has its repository."""
    workflow = read(path)
    used = re.findall(r"uses: (\S+)(.*)", path.read_text(encoding="utf-8"))
    assert len(used) == sum("uses" in step for step in steps(workflow))
    for name, comment in used:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", name), name
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), name
    assert workflow["permissions"] == {"contents": "read"}
    for step in steps(workflow):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_only_what_has_been_tested_and_checked_is_published_without_a_token() -> None:
    workflow = read(ROOT / ".github" / "workflows" / "release.yml")
    build, publish = workflow["jobs"]["build"], workflow["jobs"]["publish"]
    run = [step["run"].split()[:2] for step in build["steps"] if "run" in step]
    assert run == [["make", "test"], ["make", "check"], ["make", "dist"]]
    assert publish["needs"] == "build"
    assert publish["environment"] == "pypi"
    assert publish["permissions"] == {"id-token": "write"}
    assert "permissions" not in build
    (action,) = (step for step in publish["steps"] if step["uses"].startswith("pypa/"))
    assert action["with"] == {"attestations": True}
    assert "secrets." not in (ROOT / ".github" / "workflows" / "release.yml").read_text()


@pytest.mark.parametrize(
    "path", [form for form in FORMS if form.stem != "config"], ids=lambda path: path.stem
)
def test_a_form_for_issues_can_be_shown(path: Path) -> None:
    """By the rules of GitHub, which shows no form that breaks them."""
    form = read(path)
    assert form.keys() == {"name", "description", "labels", "body"}
    kinds = {"markdown", "textarea", "input", "dropdown", "checkboxes"}
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert {field["type"] for field in form["body"]} <= kinds
    assert len({field["id"] for field in fields}) == len(fields) > 0
    for field in fields:
        assert field["attributes"]["label"]
        assert field["type"] != "dropdown" or field["attributes"]["options"]


def test_the_badges_are_true() -> None:
    """They say what CI runs and what the tools are told."""
    badges = re.findall(r"^!\[(.+?)\]\((.+?)\)$", README, re.MULTILINE)
    matrix = read(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["test"]["strategy"]["matrix"]
    python = f"Python {matrix['python'][0]} to {matrix['python'][-1]}"
    assert [said for said, _ in badges] == [
        python,
        "types: mypy strict",
        "coverage of the client: 100 % of branches",
        "licence: MIT",
    ]
    for said, address in badges:
        shown = unquote(address).removeprefix("https://img.shields.io/badge/")
        assert re.sub(r"[^a-z0-9]", "", said.lower()) + "blue" == re.sub(
            r"[^a-z0-9]", "", shown.lower()
        )
    tools = PROJECT["tool"]
    assert tools["mypy"]["strict"]
    assert tools["coverage"]["run"]["branch"]
    assert tools["coverage"]["report"]["fail_under"] == 100
    assert PROJECT["project"]["license"] == "MIT"


def test_each_package_has_one_lower_bound() -> None:
    """Of two, the lowest versions could not be installed together."""
    extras = PROJECT["project"]["optional-dependencies"].values()
    bounds: dict[str, set[str]] = {}
    for needed in (*PROJECT["project"]["dependencies"], *chain.from_iterable(extras)):
        if found := re.match(r"([\w.-]+)>=([\d.]+)", needed):
            bounds.setdefault(found[1], set()).add(found[2])
    assert bounds
    assert [name for name, lowest in bounds.items() if len(lowest) > 1] == []


def test_the_readme_leads_nowhere_that_is_not_there() -> None:
    for target in re.findall(r"\]\((?!https:)(.+?)\)", README):
        assert (ROOT / target).is_file(), target
