"""What the tests of the tools share: a contract that stays as it is, and the client made of it."""

from __future__ import annotations

import importlib
import shutil
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from contract import compose, diff, generate, vendor
from tests.contract import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _frozen_operations(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests of the tools use the operations of the frozen contract, the others those in use."""
    if f"tests/contract/{request.path.name}" not in vendor.TESTS:
        freeze(monkeypatch)


@pytest.fixture(autouse=True)
def _unmeasured_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the tools are covered by calls them here; as programs they take twice as long for it."""
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)


def freeze(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the tools in this process use the operations of the frozen contract."""
    for module in (compose, diff, vendor):
        monkeypatch.setattr(module, "OPERATIONS", frozen.OPERATIONS)
    monkeypatch.setattr(compose, "BASE_URL", frozen.BASE_URL)


@pytest.fixture(scope="session")
def frozen_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The frozen sources, and `generated/` made from them; not to be changed."""
    root = tmp_path_factory.mktemp("frozen")
    for name in generate.SOURCES:
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(frozen.FOLDER / (root / name).name, root / name)
    with pytest.MonkeyPatch.context() as patch:
        freeze(patch)
        generate.build(root, root / "generated")
    return root


@pytest.fixture
def tree(frozen_tree: Path, tmp_path: Path) -> Path:
    """A copy of it to be changed, below a folder with a space."""
    return shutil.copytree(frozen_tree, tmp_path / "a repository")


@pytest.fixture(scope="session")
def api(frozen_tree: Path) -> Iterator[SimpleNamespace]:
    """What the frozen client has, by the names that the tests use."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(frozen_tree / "generated"))
        types = importlib.import_module("frozen_openapi.types")
        models = importlib.import_module("frozen_openapi.models")
        yield SimpleNamespace(
            audio_speech=importlib.import_module("frozen_openapi.api.audio.audio_speech"),
            fetch_voices=importlib.import_module("frozen_openapi.api.voices.fetch_voices"),
            UNSET=types.UNSET,
            File=types.File,
            **{name: getattr(models, name) for name in models.__all__},
            AuthenticatedClient=importlib.import_module("frozen_openapi").AuthenticatedClient,
        )
