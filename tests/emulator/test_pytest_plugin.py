"""The fixtures, in a project of somebody else's."""

import subprocess
import sys
from pathlib import Path

import pytest

THREE_LINES = """
def test_it_speaks(speech_client, together_emulator):
    speech_client.synthesize("Hello there.", voice="af_heart").save("hello.wav")
    assert together_emulator.usd == {"hexgrad/Kokoro-82M": 12 * 4 / 1e6}
"""

MORE = """
import asyncio
import wave

import facade
import pytest


def test_each_test_begins_with_an_empty_log(together_emulator, speech_client):
    assert together_emulator.requests == []
    together_emulator.fail_next(status=400)
    with pytest.raises(facade.BadRequestError):
        speech_client.synthesize("Hello.", voice="af_heart")
    together_emulator.fail_next(status=400)


def test_no_fault_is_left_over(together_emulator, speech_client):
    assert together_emulator.requests == []
    assert speech_client.list_voices()


urls = set()


@pytest.mark.parametrize("number", range(2))
def test_there_is_one_server(together_emulator, number):
    urls.add(together_emulator.url)
    assert len(urls) == 1


def test_the_other_client(async_speech_client):
    async def speak():
        async with async_speech_client.stream("Hello.", voice="af_heart") as stream:
            return [piece async for piece in stream]

    assert asyncio.run(speak())


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch, request):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert request.getfixturevalue("speech_client").list_voices()
"""


def run(folder: Path, test: str, *options: str) -> str:
    folder.joinpath("test_application.py").write_text(test)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error", "-v", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr


def test_three_lines_of_a_fresh_project_pass(tmp_path: Path) -> None:
    said = run(tmp_path, THREE_LINES)
    assert "1 passed" in said, said
    assert tmp_path.joinpath("hello.wav").stat().st_size > 10_000


def test_every_fixture(tmp_path: Path) -> None:
    said = run(tmp_path, MORE)
    assert "6 passed" in said, said


def test_without_the_client_its_fixtures_are_skipped_in_words(tmp_path: Path) -> None:
    tmp_path.joinpath("conftest.py").write_text("import sys\nsys.modules['facade'] = None\n")
    said = run(tmp_path, THREE_LINES, "-rs")
    assert "1 skipped" in said, said
    assert "needs the client of together-speech" in said


@pytest.mark.parametrize("package", ["numpy", "starlette", "uvicorn", "httpx", "facade", "soxr"])
def test_it_costs_nothing_until_it_is_used(tmp_path: Path, package: str) -> None:
    test = f"""
import sys

def test_nothing_is_imported():
    assert "together_emulator.pytest_plugin" in sys.modules
    assert "together_emulator.process" not in sys.modules
    assert {package!r} not in sys.modules
"""
    said = run(
        tmp_path, test, "-p", "no:schemathesis", "-p", "no:anyio", "-p", "no:hypothesispytest"
    )
    assert "1 passed" in said, said
