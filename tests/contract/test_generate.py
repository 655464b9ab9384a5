"""Building `generated/` and telling when it is not what its sources give."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import runpy
import shutil
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from openapi_python_client.config import ClassOverride, ConfigFile

from contract import generate
from contract.compose import ROOT
from contract.document import ContractError, load_yaml
from tests.contract.frozen import FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MODEL = "frozen_openapi/models/error_data.py"


def change_a_byte(generated: Path) -> None:
    content = bytearray((generated / MODEL).read_bytes())
    content[-2] ^= 1
    (generated / MODEL).write_bytes(content)


def change_many_lines(generated: Path) -> None:
    (generated / MODEL).write_text("changed\n" * 100, encoding="utf-8")


def make_it_binary(generated: Path) -> None:
    (generated / MODEL).write_bytes(b"\xff\x00")


def add_a_file(generated: Path) -> None:
    (generated / "frozen_openapi" / "mine.py").touch()


def remove_a_file(generated: Path) -> None:
    (generated / MODEL).unlink()


def remove_all(generated: Path) -> None:
    shutil.rmtree(generated)


def copied(built: Path, root: Path, target: Path, *, verbose: bool) -> None:
    """Stands for `generate.build` where the sources are those that `built` was made from."""
    shutil.copytree(built, target)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (change_a_byte, [f"changed: {MODEL}", "    --- found", "    +++ fresh"]),
        (change_many_lines, [f"changed: {MODEL}", "    -changed", "    …"]),
        (make_it_binary, [f"changed: {MODEL}", "    -\\xff\x00"]),
        (add_a_file, ["added: frozen_openapi/mine.py"]),
        (remove_a_file, [f"removed: {MODEL}"]),
        (remove_all, ["removed: contract.yaml", "removed: provenance.json", f"removed: {MODEL}"]),
    ],
)
def test_any_drift_fails_and_is_named_and_a_rebuild_mends_it(
    tree: Path,
    frozen_tree: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Path], None],
    told: list[str],
) -> None:
    """Changed, added and removed files alike; `--check` itself changes nothing."""
    if spoil not in (change_a_byte, remove_all):
        # Those two are built. For the others a build has nothing else to read than for the first.
        monkeypatch.setattr(generate, "build", partial(copied, frozen_tree / "generated"))
    generated = tree / "generated"
    spoil(generated)
    spoilt = generate.read_tree(generated)
    assert generate.main(["--check"], root=tree) == 1
    lines = capsys.readouterr().out.split("\n")
    assert set(told) <= set(lines)
    assert (
        sum(line.startswith(("changed:", "added:", "removed:")) for line in lines)
        == len([line for line in told if not line.startswith(" ")])
        or spoil is remove_all
    )
    assert "what is generated is not what its sources give; run `make generate`" in lines
    assert generate.read_tree(generated) == spoilt

    assert generate.main([], root=tree) == 0
    assert generate.read_tree(generated) == generate.read_tree(frozen_tree / "generated")


def test_an_interpreter_s_caches_are_no_drift(tree: Path) -> None:
    """Importing the package writes them."""
    cache = tree / "generated" / "frozen_openapi" / "__pycache__"
    cache.mkdir(exist_ok=True)
    (cache / "any.pyc").touch()
    assert generate.main(["--check"], root=tree) == 0


def test_a_changed_source_is_drift(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Down to a comment: the record holds its hash."""
    with (tree / "openapi.yaml").open("a", encoding="utf-8") as spec:
        spec.write("# a comment\n")
    assert generate.main(["--check"], root=tree) == 1
    assert "changed: provenance.json" in capsys.readouterr().out


def test_the_record_says_what_with_and_from_what(frozen_tree: Path) -> None:
    """Versions of the tools, hashes of the sources, and nothing that differs between machines."""
    record = json.loads((frozen_tree / "generated" / "provenance.json").read_bytes())
    assert record == {
        "tools": {
            "openapi-python-client": importlib.metadata.version("openapi-python-client"),
            "ruff": importlib.metadata.version("ruff"),
        },
        "sha256": {
            name: hashlib.sha256((frozen_tree / name).read_bytes()).hexdigest()
            for name in ("openapi.yaml", "contract/overlay.yaml", "generator-config.yaml")
        },
    }


def test_nothing_generated_is_ignored_by_git(tree: Path) -> None:
    """Neither the tree's ignore file nor the one that the generator writes hides a file."""
    shutil.copyfile(ROOT / ".gitignore", tree / ".gitignore")
    subprocess.run(["git", "init", "--quiet"], cwd=tree, check=True)
    shown = subprocess.run(
        ["git", "ls-files", "--others", "--exclude-standard", "generated"],
        cwd=tree,
        capture_output=True,
        text=True,
        check=True,
    )
    generated = generate.read_tree(tree / "generated")
    assert {f"generated/{name}" for name in generated} == set(shown.stdout.splitlines())


@pytest.mark.parametrize("tool", ["openapi-python-client", "ruff"])
def test_another_version_of_a_tool_is_refused(
    frozen_tree: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tool: str,
) -> None:
    """It would write other files."""
    monkeypatch.setattr(generate, {"ruff": "RUFF"}.get(tool, "GENERATOR"), "0.0.1")
    assert generate.main(["--check"], root=frozen_tree) == 2
    installed = importlib.metadata.version(tool)
    assert f"{tool} 0.0.1 is needed, but found {installed}" in capsys.readouterr().err


def test_missing_tools_are_told(
    frozen_tree: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As a version that is not there."""
    with monkeypatch.context() as patch:
        patch.setattr("sysconfig.get_path", lambda _: str(tmp_path))
        assert generate.main(["--check"], root=frozen_tree) == 2
        assert "ruff 0.17.5 is needed, but found none" in capsys.readouterr().err

    def nothing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", nothing)
    assert generate.main(["--check"], root=frozen_tree) == 2
    assert "openapi-python-client 0.29.1 is needed, but found none" in capsys.readouterr().err


def test_a_warning_of_the_generator_s_is_a_failure_that_changes_nothing(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what it said."""
    spec = tree / "openapi.yaml"
    spec.write_text(
        spec.read_text(encoding="utf-8").replace("wav\n          enum", "flac\n          enum")
    )
    before = generate.read_tree(tree / "generated")
    assert generate.main([], root=tree) == 2
    told = capsys.readouterr().err
    assert "contract.generate: openapi-python-client failed" in told
    assert "flac" in told
    assert generate.read_tree(tree / "generated") == before


def test_an_unsound_contract_is_a_failure(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the reason that composing gives."""
    (tree / "openapi.yaml").write_text("a: 1\n", encoding="utf-8")
    assert generate.main(["--check"], root=tree) == 2
    assert "not an OpenAPI 3 document" in capsys.readouterr().err
    with pytest.raises(ContractError):
        generate.build(tree, tree / "elsewhere")


def test_the_exit_status_is_the_command_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m contract.generate` ends with what `main` returns."""

    def fail(*_: object, **__: object) -> str:
        raise ContractError("no")

    monkeypatch.setattr("contract.compose.compose_files", fail)
    monkeypatch.setattr(sys, "argv", ["contract.generate", "--check"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "contract" / "generate.py"), run_name="__main__")
    assert ended.value.code == 2


def unknown_options(config: dict[str, Any]) -> set[str]:
    """The options that the generator would ignore in silence."""
    unknown = set(config) - set(ConfigFile.model_fields)
    for override in config.get("class_overrides", {}).values():
        unknown |= set(override) - set(ClassOverride.model_fields)
    return unknown


def test_the_generator_knows_each_option() -> None:
    """By its own model of its configuration, and each value is what that model takes."""
    config = load_yaml(ROOT / "generator-config.yaml")
    assert unknown_options(config) == set()
    ConfigFile.model_validate(config, strict=True)


def test_a_misspelt_option_is_seen() -> None:
    """At the top and in an override."""
    config = load_yaml(FOLDER / "generator-config.yaml")
    config["literal_enum"] = True
    config["class_overrides"]["AudioSpeechRequestModelType0"]["classname"] = "Model"
    assert unknown_options(config) == {"literal_enum", "classname"}


def test_what_the_emulator_serves_is_made_of_it(tmp_path: Path) -> None:
    """As JSON, where there is an emulator."""
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    (fresh / "contract.yaml").write_text("openapi: 3.1.0\nx-on: 2026-11-21\n", encoding="utf-8")
    served = tmp_path / generate.SERVED
    generate.install(tmp_path, fresh)
    assert not served.exists()
    served.parent.mkdir()
    served.write_text("{}", encoding="utf-8")
    generate.install(tmp_path, fresh)
    assert json.loads(served.read_bytes()) == {"openapi": "3.1.0", "x-on": "2026-11-21"}
