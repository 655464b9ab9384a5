"""The wheel, installed as a user would install it."""

import os
import re
import subprocess
import sys
import venv
import wave
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# `make test` fills it, so that installing needs no network here.
WHEELHOUSE = Path(sys.prefix) / "wheelhouse"

pytestmark = pytest.mark.skipif(
    not WHEELHOUSE.is_dir(), reason="needs the wheels of the dependencies: run `make test`"
)

Python = Callable[..., str]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT)
    (found,) = folder.glob("*.whl")
    return found


def clean_environment() -> dict[str, str]:
    """What a user's shell would have, and nothing that measures coverage."""
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


def pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*command, *arguments], check=True, env=clean_environment(), cwd="/")


def installed(wheel: Path, folder: Path, extras: str, *others: str) -> Python:
    """Install the wheel into a fresh environment; return what runs Python there, elsewhere."""
    # The pip that is here installs there: one of its own takes longer than all the rest.
    venv.create(folder)
    python = folder / "bin" / "python"
    options: list[str | Path] = ["--no-compile", "--no-index", "--find-links", WHEELHOUSE]
    pip("--python", python, "install", *options, f"{wheel}{extras}", *others)

    def run(*arguments: str | Path, status: int = 0) -> str:
        result = subprocess.run(
            [python, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            env=clean_environment(),
        )
        assert result.returncode == status, result.stderr
        return result.stdout + result.stderr

    return run


@pytest.fixture(scope="module")
def everything(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Python:
    return installed(wheel, tmp_path_factory.mktemp("everything"), "[cli,emulator]", "pytest")


@pytest.fixture(scope="module")
def core(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Python:
    return installed(wheel, tmp_path_factory.mktemp("core"), "")


def test_the_wheels_top_level_is_three_packages_each_typed(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    packages = {"facade", "together_emulator", "together_openapi"}
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == packages
    assert {f"{package}/py.typed" for package in packages} <= set(names)
    assert "together_emulator/openapi.json" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_an_installed_program_speaks_without_a_key(everything: Python, tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    mix = "af_bella(2)+af_heart(1)"
    arguments = ["synthesize", "Hello there.", "--local", "--voice", mix, "--output", path]
    assert str(path) in everything("-m", "facade", *arguments)
    with wave.open(str(path)) as file:
        assert file.getnframes() > 0


def test_three_lines_of_pytest_in_a_fresh_project_pass(everything: Python, tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"^```python\n(def test_.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    (tmp_path / "test_it.py").write_text(snippet, encoding="utf-8")
    assert "1 passed" in everything("-W", "error", "-m", "pytest", "-q", tmp_path)


def test_the_core_dependencies_are_enough_for_the_client(core: Python) -> None:
    program = """
        from facade import SpeechClient, SpeechError, VoiceMix
        client = SpeechClient("a-key")
        print(VoiceMix({"af_bella": 2, "af_heart": 1}))
        try:
            client.synthesize("Hello.", voice="nobody")
        except SpeechError as error:
            print(error.suggestions[0])
    """
    lines = core("-W", "error", "-c", "if True:" + program).splitlines()
    assert lines[0] == "af_bella(2)+af_heart(1)"
    listed = "import importlib.metadata as m; print(*(found.name for found in m.distributions()))"
    names = set(core("-c", listed).lower().replace("_", "-").split())
    assert {"httpx", "together-speech"} <= names
    assert not {"typer", "numpy", "starlette", "espeakng-loader", "pytest"} & names


@pytest.mark.parametrize(
    ("module", "extra"), [("facade", "cli"), ("together_emulator", "emulator")]
)
def test_the_core_alone_says_what_the_other_parts_need(
    core: Python, module: str, extra: str
) -> None:
    said = core("-m", module, status=1)
    assert f"pip install 'together-speech[{extra}]'" in said
