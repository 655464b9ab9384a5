"""The contract in use, its overlay and the client made of them: what holds between these files.

It says nothing of what Together's document has in it. A failure names the file, and what to do.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from contract import generate, uses, vendor
from contract.compose import BASE_URL, OPERATIONS, ROOT, rebase
from contract.document import ContractError, find_operation, load_openapi, load_yaml
from contract.overlay import apply, load_overlay
from docs_tools.blocks import blocks
from tests.contract.test_facade_coverage import REACHED

if TYPE_CHECKING:
    from pathlib import Path

OVERLAY = ROOT / "contract" / "overlay.yaml"
SAMPLES = ROOT / "docs" / "coming-from" / "together-sdk.md"


def fail_with(lines: list[str]) -> None:
    """Fail where there are any, with nothing but these."""
    if lines:
        pytest.fail("\n".join(lines), pytrace=False)


def test_what_is_committed_is_what_the_sources_give(capsys: pytest.CaptureFixture[str]) -> None:
    """The drift check, on the real tree."""
    status = generate.main(["--check"])
    said = capsys.readouterr()
    fail_with([said.out + said.err] if status else [])


def test_the_overlay_fits_and_each_action_is_needed() -> None:
    """What upstream says by now needs no action, and nothing that it says is overwritten."""
    document = load_openapi(ROOT / "openapi.yaml")
    rebase(document)
    try:
        effects = apply(document, load_overlay(OVERLAY))
    except ContractError as error:
        pytest.fail(f"{error}: see step 4 of docs/maintaining/regenerating.md", pytrace=False)
    lines = [
        f"{effect.action.where} is redundant: upstream says the same now; remove it, then run"
        " `make generate`"
        for effect in effects
        if not effect.added and not effect.removed
    ]
    lines += [
        f"{effect.action.where} conflicts: run `make generate`, which says where and what to do"
        for effect in effects
        if effect.conflicts
    ]
    fail_with(lines)


def test_the_overlay_says_where_each_addition_is_documented() -> None:
    """A maintainer has to be able to look it up."""
    actions = load_yaml(OVERLAY)["actions"]
    fail_with(
        [
            f"{OVERLAY.relative_to(ROOT)}: action {number} has no address in its `description`:"
            " add the page that documents what it adds"
            for number, action in enumerate(actions, 1)
            if "update" in action and "https://" not in action.get("description", "")
        ]
    )


def test_all_that_our_code_uses_is_generated() -> None:
    """Modules, functions, arguments, and the fields of a request."""
    gone = uses.lacks(ROOT, ROOT / "generated")
    fail_with([f"{lack}: see step 3 of docs/maintaining/regenerating.md" for lack in gone])


def test_no_field_that_our_code_sets_goes_unseen(tmp_path: Path) -> None:
    """Were it gone, it would be told with its line."""
    shutil.copytree(ROOT / "generated", tmp_path / "generated")
    for path in tmp_path.glob("generated/together_openapi/models/*.py"):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace('d.pop("', 'd.pop("another_'), encoding="utf-8")
    wire, options = vendor.FILES["wire"], vendor.FILES["options"]
    lacks = uses.lacks(ROOT, tmp_path / "generated")
    told = [lack.what for lack in lacks if lack.file in (wire, options)]
    fail_with(
        [
            f"contract/uses.py does not see that {name!r} is set: list it in {options}, or name it"
            f" as a key in {wire}, in the function that calls from_dict of the body's class"
            for name in (path.rpartition(".")[2] for path in REACHED)
            if not any(f"has no field {name!r}" in what for what in told)
        ]
    )


def test_the_paths_stand_below_the_server() -> None:
    """So that the overlay's paths lead to the same server as upstream's."""
    server = load_openapi(ROOT / "generated" / "contract.yaml")["servers"][0]["url"]
    if server != BASE_URL:
        pytest.fail(
            f"the contract's server is {server} and BASE_URL in contract/compose.py is {BASE_URL}:"
            " the service has moved; set BASE_URL, and the default in"
            f" {vendor.FILES['config']}",
            pytrace=False,
        )


def test_the_page_of_samples_has_each_as_it_stands() -> None:
    """Readers look for the one that they know, and find the same with this client below it."""
    document = load_openapi(ROOT / "openapi.yaml")
    path, method = find_operation(document, OPERATIONS[0])
    samples = document["paths"][path][method].get("x-codeSamples", ())
    shown = {block.text.strip() for block in blocks(SAMPLES)}
    fail_with(
        [
            f"the contract's sample {sample['label']!r} is not in {SAMPLES.relative_to(ROOT)}: put"
            " it there in place of the old one, and see that the example below it does the same"
            for sample in samples
            if sample["source"].strip() not in shown
        ]
    )


def test_the_generated_package_imports_without_a_warning() -> None:
    """Every module of it."""
    code = (
        "import pkgutil, importlib, together_openapi as t\n"
        "for m in pkgutil.walk_packages(t.__path__, 'together_openapi.'):\n"
        "    importlib.import_module(m.name)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={"PYTHONPATH": str(ROOT / "generated")},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "text",
    [
        *vendor.FILES.values(),
        (ROOT / "docs" / "maintaining" / "regenerating.md").read_text(encoding="utf-8"),
    ],
    ids=[*vendor.FILES, "docs/maintaining/regenerating.md"],
)
def test_each_file_of_the_facade_that_is_named_is_there(text: str) -> None:
    """In the tools' and the tests' table, and in the documentation."""
    fail_with(
        [
            f"{name} is no file: it has moved; name its new place in FILES of contract/vendor.py,"
            " or in docs/maintaining/regenerating.md"
            for name in re.findall(r"\bfacade/[\w/]+\.py", text)
            if not (ROOT / name).is_file()
        ]
    )


def test_each_test_that_the_documentation_names_is_there() -> None:
    """So that what it promises is what a maintainer sees."""
    text = (ROOT / "docs" / "maintaining" / "regenerating.md").read_text(encoding="utf-8")
    sources = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")
    )
    fail_with(
        [
            f"docs/maintaining/regenerating.md names {name}, no test: name the one that it was"
            for name in re.findall(r"`(test_\w+)`", text)
            if f"def {name}(" not in sources
        ]
    )
