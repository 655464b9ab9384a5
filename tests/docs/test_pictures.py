"""Pictures and tables that are made from the package say what the package does."""

import re
from dataclasses import fields

import pytest

from docs_tools.blocks import DOCS
from docs_tools.pictures import formats, time_limits
from docs_tools.voices import voices
from facade import InvalidRequestError, RetryPolicy, SpeechClient, Timeouts, errors
from facade._rules.catalogue import models


def test_the_table_has_each_voice_of_kokoro_once_with_its_player() -> None:
    rows = voices().splitlines()[2:]
    known = models()["hexgrad/Kokoro-82M"].voices
    assert sorted(re.findall(r"^\| `(\w+)` \|", "\n".join(rows), re.MULTILINE)) == sorted(known)
    for row in rows:
        _, name, _, gender, grade, player, _ = (cell.strip(" `") for cell in row.split("|"))
        assert (known[name].gender, known[name].grade) == (
            gender,
            None if grade == "none" else grade,
        )
        assert f"/{name}.mp3" in player


def test_the_best_voices_of_a_language_come_first() -> None:
    grades = re.findall(r"English \(US\) \| \w+ \| (\S+) \|", voices())
    order = ["A", "A-", "B-", "C+", "C", "C-", "D+", "D", "D-", "F+"]
    assert grades == sorted(grades, key=order.index)


def test_what_the_picture_shows_as_always_the_same_is_refused() -> None:
    assert "24000 Hz" in formats()
    with (
        SpeechClient("a-key", base_url="http://127.0.0.1:9") as client,
        pytest.raises(InvalidRequestError) as refused,
    ):
        client.synthesize("Hello.", voice="af_heart", sample_rate=8000)
    assert refused.value.param == "sample_rate"


def test_the_picture_names_each_model_and_each_limit() -> None:
    picture = formats()
    assert all(f">{model}<" in picture for model in models())
    limits = time_limits()
    assert all(f">{field.name}<" in limits for field in fields(Timeouts))
    assert f">{RetryPolicy().budget_s:g} s<" in limits


def test_the_tree_of_exceptions_is_that_of_the_package() -> None:
    tree = (errors.__doc__ or "").split("\n\n")[1]
    page = (DOCS / "guides" / "errors.md").read_text(encoding="utf-8")
    shown = re.findall(r"```text\n(SpeechError.*?)\n```", page, re.DOTALL)
    assert shown == [re.sub(r"^    ", "", tree, flags=re.MULTILINE)]
