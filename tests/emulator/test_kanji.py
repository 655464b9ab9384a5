"""Japanese: kanji are spoken by their readings, where there is a dictionary."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.emulator.test_words import words_of
from together_emulator.kanji import has_kanji, read_kanji
from together_emulator.script import Script


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("東京へ行きましょう。", "とうきょう へ いき ましょう 。"),
        ("きょうは いいてんきです。", "きょうは いいてんきです。"),
        ("123円、OK", "123えん 、OK"),
        ("髙い", "髙い"),
    ],
)
def test_readings(written: str, spoken: str) -> None:
    assert read_kanji(Script.of(written)).spoken == spoken


def test_kana_sounds_like_its_kanji_and_is_shorter_than_their_names() -> None:
    kanji = words_of("東京へ行きましょう。", "ja")
    kana = words_of("とうきょう へ いき ましょう。", "ja")
    assert [word.text for word in kanji] == ["東京", "へ", "行き", "ましょう"]
    assert kanji[-1].end == pytest.approx(kana[-1].end, rel=0.05)


@given(st.text("今日は良い天気です。、髙﨑𠮷々㈱ｱ A\n", max_size=60))
def test_any_text_is_read(text: str) -> None:
    script = read_kanji(Script.of(text))
    assert script.written == text
    assert len(script.origins) == len(script.spoken)
    assert list(script.origins) == sorted(script.origins)


@pytest.mark.parametrize(("text", "expected"), [("かな", False), ("漢字", True), ("𠮷", True)])
def test_what_is_kanji(text: str, expected: bool) -> None:
    assert has_kanji(text) is expected


def test_without_the_dictionary_kanji_are_refused_and_kana_are_not() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            """
import importlib.util, json
genuine = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name == "pykakasi" else genuine(name)
from together_emulator.errors import ApiError
from together_emulator.request import parse_request
def parse(text, voice):
    body = {"model": "hexgrad/Kokoro-82M", "input": text, "voice": voice}
    parse_request(json.dumps(body).encode(), [])
parse("きょう", "jf_alpha")
parse("今天", "zf_xiaoni")
try:
    parse("今日", "jf_alpha")
except ApiError as error:
    print(error.status, error.param, error)
""",
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("400 input ")
    assert "together-speech[japanese]" in done.stdout
