"""The fixtures, in a project of somebody else's."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

GUIDES = Path(__file__).parents[2] / "docs" / "guides"

MORE = """
import asyncio
import os
import wave

import facade
import httpx
import pytest


def test_a_fault_reaches_the_application(together_emulator, speech_client):
    together_emulator.fail_next(status=500)
    with pytest.raises(facade.InternalServerError):
        speech_client.synthesize("Hello.", voice="af_heart")
    assert [request.status for request in together_emulator.requests] == [500]


@pytest.mark.parametrize("speech_retries", ["at once"])
def test_a_fault_is_healed_without_waiting(together_emulator, speech_client):
    together_emulator.fail_next(2, status=503, retry_after=30)
    assert speech_client.synthesize("Hello.", voice="af_heart").content
    assert [request.status for request in together_emulator.requests] == [503, 503, 200]


@pytest.mark.parametrize("speech_retries", ["real"])
def test_the_clients_policy_holds(together_emulator):
    assert os.environ["TOGETHER_SPEECH_RETRIES"] == "real"


def test_each_test_begins_with_an_empty_log(together_emulator):
    assert together_emulator.requests == []


def test_a_fault_may_be_taken_back(together_emulator):
    together_emulator.fail_next(status=503)
    together_emulator.reset()


def test_a_limit_holds(together_emulator, speech_client):
    together_emulator.limit = "1/m:1"
    speech_client.synthesize("Hello.", voice="af_heart")
    with pytest.raises(facade.RateLimitError):
        speech_client.synthesize("Hello.", voice="af_heart")


def test_and_ends_with_its_test(together_emulator, speech_client):
    assert together_emulator.limit is None
    assert speech_client.synthesize("Hello.", voice="af_heart").content


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


def test_an_application_builds_its_own_client(monkeypatch, request):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "elsewhere.invalid")
    monkeypatch.setenv("TOGETHER_API_KEY", "genuine")
    emulator = request.getfixturevalue("together_environment")
    with facade.SpeechClient() as client:
        assert client.synthesize("Hello.", voice="af_heart").content
    headers = {"Authorization": "Bearer " + os.environ["TOGETHER_API_KEY"]}
    httpx.get(os.environ["TOGETHER_BASE_URL"] + "/v1/voices", headers=headers).raise_for_status()
    assert [request.path for request in emulator.requests] == ["/audio/speech", "/v1/voices"]
    assert os.environ["TOGETHER_API_KEY"] == emulator.api_key
    assert os.environ["no_proxy"] == "elsewhere.invalid,127.0.0.1"


def test_no_switch_is_left_behind():
    assert "TOGETHER_SPEECH_RETRIES" not in os.environ
    assert "TOGETHER_BASE_URL" not in os.environ
"""

WRONG = """
import pytest


def test_it_asks_for_too_much(together_emulator, speech_client):
    together_emulator.fail_next(2, status=503)
    with pytest.raises(Exception, match="503"):
        speech_client.list_voices()


def test_it_asks_for_what_cannot_happen_there(together_emulator, speech_client):
    together_emulator.fail_next(error_event="failed")
    speech_client.synthesize("Hello.", voice="af_heart")


def test_the_next_one_is_not_disturbed(together_emulator, speech_client):
    assert speech_client.list_voices()


@pytest.mark.parametrize("speech_retries", ["no"])
def test_there_is_no_such_switch(together_emulator):
    pass
"""


NOTHING = """
import sys


def test_nothing_is_imported():
    assert "together_emulator.pytest_plugin" in sys.modules
    ours = {"together_emulator.process", "facade", "together_openapi", "httpx"}
    theirs = {"numpy", "starlette", "uvicorn", "soxr", "http.client"}
    assert not sys.modules.keys() & (ours | theirs)
"""


def run(folder: Path, *options: str, **tests: str) -> str:
    """Run tests, given by the names of their modules, in a folder; return what pytest says."""
    for name, source in tests.items():
        folder.joinpath(f"{name}.py").write_text(source, encoding="utf-8")
    # Of the plugins that are installed here, a fresh project has ours.
    others = ("cacheprovider", "schemathesis", "anyio", "hypothesispytest", "socket")
    switches = [f"-pno:{name}" for name in others]
    # Where there is CI, pytest says in its summary again what it has said.
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *switches, "-W", "error", "-v", *options],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A project of somebody else's, and what pytest says of its tests."""
    folder = tmp_path_factory.mktemp("project")
    pages = [GUIDES / "testing.md", GUIDES.parent / "reference" / "emulator.md"]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    snippets = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(snippets) == 7
    # What is no test in them runs when the module is imported.
    documented = "\n".join(snippets)
    return folder, run(folder, test_documented=documented, test_more=MORE, test_wrong=WRONG)


def test_what_the_documentation_shows_runs(project: tuple[Path, str]) -> None:
    folder, said = project
    assert len(re.findall(r"^test_documented\.py::\w+.* PASSED", said, re.MULTILINE)) == 6, said
    assert folder.joinpath("hello.wav").stat().st_size > 10_000


def test_every_fixture(project: tuple[Path, str]) -> None:
    _, said = project
    assert len(re.findall(r"^test_more\.py::\w+.* PASSED", said, re.MULTILINE)) == 13, said


def test_a_fault_that_has_not_happened_is_an_error(project: tuple[Path, str]) -> None:
    _, said = project
    errors = ("too_much", "what_cannot_happen_there", "no_such_switch[no]")
    found = re.findall(
        r"^test_wrong\.py::test_(?:it_asks_for|there_is)_(\S+) ERROR", said, re.MULTILINE
    )
    assert found == list(errors), said
    assert "test_the_next_one_is_not_disturbed PASSED" in said
    assert said.splitlines()[-1].count("22 passed, 3 errors") == 1, said
    left = "of what fail_next() asked for, this has not happened: "
    assert said.count(left) == 2
    assert f"{left}Fault(status=503). No request came for it, " in said
    assert f"{left}Fault(error_event='failed'). No request came for it, " in said
    assert 'speech_retries must be "off", "at once" or "real", not \'no\'' in said


def test_without_the_client_its_fixtures_are_skipped_in_words(tmp_path: Path) -> None:
    said = run(
        tmp_path,
        "-rs",
        conftest="import sys\nsys.modules['facade'] = None\n",
        test_application="def test_it_speaks(speech_client): pass",
    )
    assert "1 skipped" in said, said
    assert "needs the client of together-speech" in said


def test_it_costs_nothing_until_it_is_used(tmp_path: Path) -> None:
    said = run(tmp_path, test_application=NOTHING)
    assert "1 passed" in said, said
