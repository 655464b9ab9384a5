"""Books read aloud: what is asked for, what is written, and what becomes of every fault."""

import asyncio
import json
import os
import sys
import threading
import wave
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, Self, cast

import anyio
import numpy as np
import pytest

from facade import (
    AsyncSpeechClient,
    AuthenticationError,
    BatchRequest,
    BatchResult,
    Book,
    Chapter,
    InvalidRequestError,
    NarrationError,
    NarrationProgress,
    Paragraph,
    Pauses,
    RetryPolicy,
    SpeechClient,
    SpeechError,
    UnknownVoiceError,
    VoiceMix,
)
from facade._async.batch import MAX_OPEN
from facade._book.joining import join_piece
from facade._book.plan import NarrationPlan
from facade._extras import needs
from tests.book.conftest import Narrate
from together_emulator import SpeechEmulator

RATE = 24_000
KOKORO = "hexgrad/Kokoro-82M"


def chapter(*texts: str, title: str | None = None, voice: Any = None) -> Chapter:
    return Chapter(tuple(map(Paragraph, texts)), title, voice)


BOOK = Book(
    chapters=(
        chapter("The first chapter.", "It is short.", title="One"),
        chapter("The second chapter.", "* * *", "It is short.", title="Two"),
        chapter("The third chapter."),
    ),
    title="A Book",
    author="Some One",
    language="en",
)
# What is said twice is asked for once.
ASKED = ["The first chapter.", "It is short.", "The second chapter.", "The third chapter."]


@pytest.fixture
def speech_retries() -> str:
    """As in an application, but without waiting."""
    return "at once"


def asked(emulator: SpeechEmulator) -> list[str]:
    """What the service was asked to say."""
    return [str(record.body["input"]) for record in emulator.requests]


def samples(path: Path) -> Any:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def test_before_anything_is_sent_it_says_what_there_is(
    narrate: Narrate, together_emulator: SpeechEmulator, tmp_path: Path
) -> None:
    narration, _ = narrate(together_emulator.url, BOOK)
    characters = sum(map(len, ASKED))
    assert (narration.pieces, narration.characters) == (4, characters)
    assert narration.usd == Decimal("0.000004") * characters
    assert narration.chapters == BOOK.chapters
    assert (narration.book, narration.numbers) == (BOOK, (1, 2, 3))
    assert [(one.kind, one.text, one.chapter) for one in narration.omissions] == [
        ("unspoken", "* * *", 1)
    ]
    assert repr(narration).endswith(f"Narration 4 pieces, {characters} characters>")
    left = narration.remaining(tmp_path / "no")
    assert (left.pieces, left.characters, left.usd) == (4, characters, narration.usd)
    assert together_emulator.requests == []
    assert not (tmp_path / "no").exists()


def test_a_book_is_read(
    narrate: Narrate, together_emulator: SpeechEmulator, tmp_path: Path
) -> None:
    narration, save = narrate(together_emulator.url, BOOK)
    told: list[NarrationProgress] = []
    written = save(tmp_path / "book.wav", on_progress=told.append)
    assert sorted(asked(together_emulator)) == sorted(ASKED)
    audio = samples(written.path)
    assert written.duration_s == len(audio) / RATE
    assert written.size == written.path.stat().st_size
    assert (written.characters, written.usd) == (narration.characters, narration.usd)
    assert written.subtitles is None
    # WAV has no chapters of its own.
    assert written.chapters_file == tmp_path / "book.chapters.json"
    marks = json.loads(written.chapters_file.read_text("utf-8"))["chapters"]
    assert [mark["title"] for mark in marks] == ["One", "Two", "Chapter 3"]
    assert marks[0]["startTime"] == 0
    for mark in marks[1:]:
        # A chapter begins after its pause.
        start = round(mark["startTime"] * RATE)
        assert not audio[start - RATE : start - 240].any()
        assert audio[start : start + RATE // 4].any()
    speaking = [news for news in told if news.stage == "speaking"]
    joining = [news for news in told if news.stage == "joining"]
    assert told == speaking + joining
    assert [(news.done, news.pieces) for news in speaking] == [(n, 4) for n in range(1, 5)]
    assert [(news.done, news.pieces) for news in joining] == [(n, 5) for n in range(1, 6)]
    assert joining[-1].duration_s == written.duration_s
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book.chapters.json", "book.wav"]


def test_a_line_of_marks_is_a_pause(
    narrate: Narrate, together_emulator: SpeechEmulator, tmp_path: Path
) -> None:
    """It is not sent, and the pause is that of a paragraph, or of a chapter where it ends one."""
    pauses = Pauses(paragraph_s=0.5, chapter_s=2.0)
    ends = Book((chapter("First.", "***", " "), chapter("—", "Second.", "...", "Third.")))
    _, save = narrate(together_emulator.url, ends, pauses=pauses)
    audio = samples(save(tmp_path / "book.wav").path)
    assert sorted(asked(together_emulator)) == ["First.", "Second.", "Third."]
    loud = np.flatnonzero(np.abs(audio) > 100)
    gaps = np.diff(loud)[np.diff(loud) > 0.2 * RATE] / RATE
    assert [round(gap, 1) for gap in gaps] == [2.0, 0.5]


def test_only_some_chapters(
    narrate: Narrate, together_emulator: SpeechEmulator, tmp_path: Path
) -> None:
    narration, save = narrate(together_emulator.url, BOOK, chapters=range(3, 4))
    assert narration.numbers == (3,)
    assert narration.omissions == ()
    written = save(tmp_path / "book.wav")
    assert asked(together_emulator) == ["The third chapter."]
    # One chapter needs no list.
    assert written.chapters_file is None


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("Hello there.", ["Hello there."]),
        ([chapter("One."), chapter("Two.")], ["One.", "Two."]),
    ],
)
def test_sources(
    narrate: Narrate,
    together_emulator: SpeechEmulator,
    tmp_path: Path,
    source: Any,
    said: list[str],
) -> None:
    _, save = narrate(together_emulator.url, source)
    save(tmp_path / "book.wav")
    assert sorted(asked(together_emulator)) == said


def test_a_file_is_a_source(
    narrate: Narrate, together_emulator: SpeechEmulator, tmp_path: Path
) -> None:
    path = tmp_path / "book.txt"
    path.write_text("From a file.", encoding="utf-8")
    _, save = narrate(together_emulator.url, path)
    save(tmp_path / "book.wav")
    assert asked(together_emulator) == ["From a file."]


def test_voices_by_rule(
    narrate: Narrate, together_emulator: SpeechEmulator, tmp_path: Path
) -> None:
    mix = VoiceMix({"af_bella": 2, "af_heart": 1})
    lines = Chapter(
        (Paragraph("Said by Ann.", voice="ANN"), Paragraph("By Adam.", voice="am_adam"))
    )
    book = Book((chapter("Told."), chapter("By Emma.", voice="bf_emma"), chapter("Mixed."), lines))
    _, save = narrate(together_emulator.url, book, voices={3: mix, "ANN": "af_sky"})
    save(tmp_path / "book.wav")
    assert {
        record.body["input"]: record.body["voice"] for record in together_emulator.requests
    } == {
        "Told.": "af_heart",
        "By Emma.": "bf_emma",
        "Mixed.": "af_bella(2)+af_heart(1)",
        "Said by Ann.": "af_sky",
        "By Adam.": "am_adam",
    }


@pytest.mark.parametrize("loop", ["sync"])
def test_the_narrator_is_who_was_named(
    narrate: Narrate, together_emulator: SpeechEmulator, tmp_path: Path
) -> None:
    """A rule is for the lines that a name marks, also where the narrator has that name."""
    lines = Chapter((Paragraph("Told."), Paragraph("Said.", voice="af_bella")))
    _, save = narrate(
        together_emulator.url, Book((lines,)), voice="af_bella", voices={"af_bella": "am_adam"}
    )
    save(tmp_path / "book.wav")
    voices = {record.body["input"]: record.body["voice"] for record in together_emulator.requests}
    assert voices == {"Told.": "af_bella", "Said.": "am_adam"}


def test_options_go_with_every_request(
    narrate: Narrate, together_emulator: SpeechEmulator, tmp_path: Path
) -> None:
    _, save = narrate(
        together_emulator.url,
        "Hello.",
        language="en",
        pronunciation_dict={"omg": "oh my god"},
        segment="never",
        alignment="none",
    )
    save(tmp_path / "book.wav")
    (record,) = together_emulator.requests
    body = record.body
    assert body["response_format"] == "raw"
    assert body["response_encoding"] == "pcm_s16le"
    assert (body["language"], body["segment"]) == ("en", "never")
    assert not body.get("stream")


@pytest.mark.parametrize(("of_book", "option"), [(None, "es"), ("es", "en"), ("es", None)])
def test_a_text_is_divided_as_its_language_has_it(
    narrate: Narrate,
    together_emulator: SpeechEmulator,
    tmp_path: Path,
    of_book: str | None,
    option: str | None,
) -> None:
    spanish = "La Sra. López vive en la Av. Central. No conoce a nadie."
    book = Book((chapter(spanish),), language=of_book)
    _, save = narrate(together_emulator.url, book, language=option)
    save(tmp_path / "book.wav", subtitles=tmp_path / "book.srt")
    cues = (tmp_path / "book.srt").read_text(encoding="utf-8").split("\n\n")
    assert [cue.splitlines()[2:] for cue in cues if cue] == [
        ["La Sra. López vive en la Av. Central."],
        ["No conoce a nadie."],
    ]


def test_subtitles_have_words_where_they_are_asked_for(
    narrate: Narrate, together_emulator: SpeechEmulator, tmp_path: Path
) -> None:
    _, save = narrate(together_emulator.url, BOOK, alignment="word")
    written = save(tmp_path / "book.wav", subtitles=tmp_path / "book.vtt")
    assert all(record.body["stream"] for record in together_emulator.requests)
    assert written.subtitles == tmp_path / "book.vtt"
    text = written.subtitles.read_text("utf-8")
    assert text.startswith("WEBVTT\n")
    assert "<00:00:" in text
    _, save = narrate(together_emulator.url, BOOK)
    save(tmp_path / "book.wav", subtitles=tmp_path / "book.srt")
    assert "The first chapter." in (tmp_path / "book.srt").read_text("utf-8")


@pytest.mark.parametrize("suffix", [".m4b", ".mp3", ".flac", ".opus", ".wav"])
@pytest.mark.parametrize("loop", ["sync"])
def test_formats(
    narrate: Narrate,
    together_emulator: SpeechEmulator,
    tmp_path: Path,
    suffix: str,
) -> None:
    import av

    _, save = narrate(together_emulator.url, BOOK)
    written = save(tmp_path / f"book{suffix}")
    with av.open(str(written.path)) as file:
        assert file.duration is not None
        assert file.duration / 1e6 == pytest.approx(written.duration_s, abs=0.1)
        tags = {**file.metadata, **file.streams.audio[0].metadata}
        assert tags.get("title", tags.get("TITLE")) == "A Book"
        titles = [mark["metadata"]["title"] for mark in file.chapters()]
    if suffix in (".flac", ".wav"):
        assert written.chapters_file is not None
        assert written.chapters_file.exists()
    else:
        assert titles == ["One", "Two", "Chapter 3"]


# --- the folder ----------------------------------------------------------------------------------


def test_what_is_kept_is_not_asked_for_again(
    narrate: Narrate, together_emulator: SpeechEmulator, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    _, save = narrate(together_emulator.url, BOOK)
    first = save(tmp_path / "one.wav", work=work)
    narration, save = narrate(together_emulator.url, BOOK)
    assert narration.remaining(work).pieces == 0
    second = save(tmp_path / "two.wav", work=work)
    assert len(together_emulator.requests) == len(ASKED)
    assert second.characters == second.usd == 0
    assert first.path.read_bytes() == second.path.read_bytes()
    # A changed paragraph costs its own sentences only.
    changed = replace(BOOK, chapters=(chapter("It begins.", "It is short."), *BOOK.chapters[1:]))
    narration, save = narrate(together_emulator.url, changed)
    assert narration.remaining(work).characters == len("It begins.")
    save(tmp_path / "two.wav", work=work)
    assert asked(together_emulator)[len(ASKED) :] == ["It begins."]
    narration.discard(work)
    assert not work.exists()


@pytest.mark.parametrize(
    "other",
    [
        {"voice": "am_adam"},
        {"voice": "af_heart(1)+am_adam(1)"},
        {"language": "en"},
        {"pronunciation_dict": {"short": "long"}},
        {"alignment": "word"},
        {"extra_body": {"seed": 7}},
    ],
)
@pytest.mark.parametrize("loop", ["sync"])
def test_what_is_asked_for_in_another_way_is_another_piece(
    narrate: Narrate,
    together_emulator: SpeechEmulator,
    tmp_path: Path,
    other: dict[str, Any],
) -> None:
    _, save = narrate(together_emulator.url, "It is short.")
    save(tmp_path / "one.wav", work=tmp_path)
    narration, _ = narrate(together_emulator.url, "It is short.", **other)
    assert narration.remaining(tmp_path).pieces == 1


@pytest.mark.parametrize("loop", ["sync"])
def test_what_an_emulator_has_said_is_not_taken_for_the_services(
    narrate: Narrate, together_emulator: SpeechEmulator, tmp_path: Path
) -> None:
    _, save = narrate(together_emulator.url, "Hello.")
    save(tmp_path / "one.wav", work=tmp_path)
    narration, _ = narrate("https://api.together.ai/v1", "Hello.")
    assert narration.remaining(tmp_path).pieces == 1


# --- faults --------------------------------------------------------------------------------------

FAULTS = [
    pytest.param({"short": 0}, id="empty"),
    pytest.param({"short": 10_000}, id="truncated"),
    pytest.param({"mute": True}, id="silent"),
    pytest.param({"cut": 10_000}, id="cut"),
    pytest.param({"abort": 10_000}, id="reset"),
    pytest.param({"status": 500}, id="500"),
]


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_not_there_is_asked_for_once_more(
    narrate: Narrate, together_emulator: SpeechEmulator, tmp_path: Path, fault: dict[str, Any]
) -> None:
    whole = {"client": {"retry": RetryPolicy(attempts=1)}}
    _, save = narrate(together_emulator.url, BOOK, **whole)
    perfect = save(tmp_path / "perfect.wav").path.read_bytes()
    together_emulator.reset()
    together_emulator.fail_next(**fault)
    _, save = narrate(together_emulator.url, BOOK, **whole)
    assert save(tmp_path / "book.wav").path.read_bytes() == perfect
    assert len(together_emulator.requests) == len(ASKED) + 1


@pytest.mark.parametrize("fault", FAULTS)
def test_and_then_it_is_told(
    narrate: Narrate, together_emulator: SpeechEmulator, tmp_path: Path, fault: dict[str, Any]
) -> None:
    for _ in range(2):
        together_emulator.fail_next(**fault)
    book = Book((chapter("It is there."), chapter("It is long enough to be missed.", title="Lost")))
    _, save = narrate(
        together_emulator.url, book, chapters=[2], client={"retry": RetryPolicy(attempts=1)}
    )
    with pytest.raises(NarrationError) as caught:
        save(tmp_path / "book.wav", work=tmp_path / "work")
    (piece,) = caught.value.missing
    assert (piece.chapter, piece.title) == (2, "Lost")
    assert piece.text == "It is long enough to be missed."
    assert caught.value.kept == 0
    assert str(caught.value).startswith(
        "1 of 1 pieces could not be had: chapter 2 (Lost), 'It is long enough to be missed.': "
    )
    assert not (tmp_path / "book.wav").exists()
    assert len(together_emulator.requests) == 2


def test_a_stream_that_breaks_off_is_asked_for_once_more(
    narrate: Narrate, together_emulator: SpeechEmulator, tmp_path: Path
) -> None:
    together_emulator.fail_next(no_end_mark=True)
    _, save = narrate(together_emulator.url, "Hello there.", alignment="word")
    assert save(tmp_path / "book.wav").duration_s > 0.5
    assert len(together_emulator.requests) == 2


def test_too_many_requests_only_slow_it_down(
    narrate: Narrate, together_emulator: SpeechEmulator, tmp_path: Path
) -> None:
    for _ in range(3):
        together_emulator.fail_next(status=429)
    _, save = narrate(together_emulator.url, BOOK)
    save(tmp_path / "book.wav")
    assert len(together_emulator.requests) == len(ASKED) + 3


def test_what_failed_can_be_had_later(
    narrate: Narrate, together_emulator: SpeechEmulator, tmp_path: Path
) -> None:
    for _ in range(8):
        together_emulator.fail_next(status=400)
    texts = [f"This is number {number}." for number in range(10)]
    book = Book((chapter(*texts),))
    _, save = narrate(together_emulator.url, book)
    with pytest.raises(NarrationError, match=r"^8 of 10 pieces .*; and 5 more$") as caught:
        save(tmp_path / "book.wav", work=tmp_path / "work")
    # What the service refuses for what it is would be refused again.
    assert len(together_emulator.requests) == 10
    missing = [piece.text for piece in caught.value.missing]
    assert missing == sorted(missing)
    assert caught.value.kept == 2
    narration, save = narrate(together_emulator.url, book)
    assert narration.remaining(tmp_path / "work").pieces == 8
    save(tmp_path / "book.wav", work=tmp_path / "work")
    assert sorted(asked(together_emulator)[10:]) == missing


def test_where_nothing_is_spoken_it_gives_up(
    narrate: Narrate, together_emulator: SpeechEmulator, tmp_path: Path
) -> None:
    together_emulator.fail_next(status=500, times=150)
    book = Book((chapter(*(f"This is number {number}." for number in range(200))),))
    _, save = narrate(together_emulator.url, book, client={"retry": RetryPolicy(attempts=1)})
    with pytest.raises(NarrationError, match="20 failed one after the other"):
        save(tmp_path / "book.wav")
    assert 20 <= len(together_emulator.requests) <= 20 + MAX_OPEN
    together_emulator.reset()


class Rounds:
    """Stands for the batches of a narration: what comes of each request is said beforehand."""

    def __init__(self, *rounds: Callable[[int], bool], while_closing: int = 0) -> None:
        self._rounds = iter(rounds)
        self._while_closing = while_closing
        self.asked: list[int] = []

    def begin(self, requests: Iterator[BatchRequest], *_: Any) -> Self:
        asked = list(requests)
        self.asked.append(len(asked))
        comes = next(self._rounds)
        self._results = iter(
            [
                BatchResult(
                    request=one,
                    index=index,
                    error=None if comes(index) else SpeechError("overloaded"),
                    characters=len(one.text),
                )
                for index, one in enumerate(asked)
            ]
        )
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # What was under way comes, or fails.
        self._results = islice(self._results, self._while_closing)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> BatchResult:
        return next(self._results)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        self.__exit__()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> BatchResult:
        for result in self._results:
            return result
        raise StopAsyncIteration


@pytest.mark.parametrize(
    ("rounds", "asked", "missing", "kept", "said"),
    [
        # Every second one fails, and then all: those that were not asked for again are missing too.
        ([lambda n: n % 2, lambda _: False], [60, 30], 30, 30, "30 of 60 pieces could not be had"),
        # Of the second round, two come before it gives up.
        ([lambda n: n % 2, lambda n: n < 2], [60, 30], 28, 32, "28 of 60 pieces could not be had"),
        # What comes while the first one is being ended is counted, and what fails then is not.
        (
            [lambda n: n == 21],
            [60],
            20,
            1,
            "20 of 60 pieces could not be had, and 39 more were given up, as 20 failed one after "
            "the other",
        ),
    ],
)
def test_where_it_gives_up_all_that_is_missing_is_told(
    narrate: Narrate,
    tmp_path: Path,
    rounds: list[Callable[[int], bool]],
    asked: list[int],
    missing: int,
    kept: int,
    said: str,
) -> None:
    book = Book((chapter(*(f"This is number {number}." for number in range(60))),))
    narration, save = narrate("http://127.0.0.1:1/v1", book)
    batches = Rounds(*rounds, while_closing=3)
    cast("Any", narration)._begin = batches.begin
    with pytest.raises(NarrationError) as caught:
        save(tmp_path / "book.wav")
    assert batches.asked == asked
    assert caught.value.message == said
    assert (len(caught.value.missing), caught.value.kept) == (missing, kept)


def test_without_a_key_the_rest_is_not_asked_for(
    narrate: Narrate, together_emulator: SpeechEmulator, tmp_path: Path
) -> None:
    together_emulator.fail_next(status=401)
    _, save = narrate(together_emulator.url, BOOK, at_once=1)
    with pytest.raises(AuthenticationError):
        save(tmp_path / "book.wav")
    assert len(together_emulator.requests) <= 2


# --- money ---------------------------------------------------------------------------------------


def test_what_costs_too_much_is_not_begun(
    narrate: Narrate, together_emulator: SpeechEmulator, tmp_path: Path
) -> None:
    narration, save = narrate(together_emulator.url, BOOK, max_usd=0.0002)
    with pytest.raises(SpeechError, match=r"more than max_usd=0\.0002 allows; nothing was sent"):
        save(tmp_path / "book.wav")
    assert together_emulator.requests == []
    assert narration.usd is not None
    _, save = narrate(together_emulator.url, BOOK, max_usd=narration.usd)
    save(tmp_path / "book.wav", work=tmp_path / "work")
    # What is there costs nothing.
    _, save = narrate(together_emulator.url, BOOK, max_usd=0)
    save(tmp_path / "book.wav", work=tmp_path / "work")


def test_to_ask_once_more_must_be_paid_for_too(
    narrate: Narrate, together_emulator: SpeechEmulator, tmp_path: Path
) -> None:
    together_emulator.fail_next(mute=True)
    usd = Decimal("0.000004") * len("Hello there.")
    _, save = narrate(together_emulator.url, "Hello there.", max_usd=usd)
    with pytest.raises(NarrationError, match="silent"):
        save(tmp_path / "book.wav")
    assert len(together_emulator.requests) == 1


def test_a_budget_needs_a_price(
    narrate: Narrate, together_emulator: SpeechEmulator, tmp_path: Path
) -> None:
    options = {"model": "someone/new", "voice": "any", "sample_rate": 24_000}
    narration, save = narrate(together_emulator.url, "Hello.", max_usd=1, **options)
    assert narration.usd is None
    with pytest.raises(SpeechError, match="price of 'someone/new' is not known"):
        save(tmp_path / "book.wav")


# --- mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"voice": "af_hart"}, "voice"),
        ({"voice": None}, "voice"),
        ({"voices": {1: "af_hart"}}, "voice"),
        ({"voices": {4: "af_heart"}}, "voices"),
        ({"chapters": [0]}, "chapters"),
        ({"chapters": [4]}, "chapters"),
        ({"chapters": [True]}, "chapters"),
        ({"source": []}, "source"),
        ({"source": [chapter("***")]}, "source"),
        ({"source": [chapter("a\0b")]}, "source"),
        ({"source": replace(BOOK, title="\ud800")}, "source.title"),
        ({"source": replace(BOOK, author="a\0b")}, "source.author"),
        ({"source": replace(BOOK, language="\udcff")}, "source.language"),
        ({"source": [*BOOK.chapters, chapter("a", title="\ud800")]}, "source.chapters[3].title"),
        ({"source": ["Hello."]}, "source"),
        ({"source": b"Hello."}, "source"),
        ({"source": None}, "source"),
        ({"source": 123}, "source"),
        ({"source": chapter("Hello.")}, "source"),
        ({"source": [chapter("Hello.", voice="af_hart")]}, "voice"),
        ({"max_usd": -1}, "max_usd"),
        ({"at_once": 0}, "at_once"),
        ({"model": "someone/new", "voice": "any"}, "sample_rate"),
        ({"model": "cartesia/sonic", "voice": "any", "sample_rate": 96_000}, "sample_rate"),
        ({"sample_rate": 44_100}, "sample_rate"),
        ({"language": "English"}, "language"),
    ],
)
@pytest.mark.parametrize("loop", ["sync"])
def test_a_mistake_is_told_before_anything_is_sent(
    narrate: Narrate, options: dict[str, Any], param: str
) -> None:
    source = options.pop("source", BOOK)
    with pytest.raises(InvalidRequestError) as caught:
        narrate("http://127.0.0.1:1/v1", source, **options)
    assert caught.value.param == param
    if "af_hart" in str(options.values()):
        assert isinstance(caught.value, UnknownVoiceError)


@pytest.mark.parametrize("loop", ["sync"])
@pytest.mark.parametrize("package", ["filelock", "numpy", "sentencex"])
def test_the_extra_is_named_where_it_is_missing(
    narrate: Narrate, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError) as raised:
        narrate("http://127.0.0.1:1/v1", "Hello.")
    assert str(raised.value) == needs("a narration", package, "book")


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"path": "book.aac"}, InvalidRequestError, "does not say what it is to be"),
        ({"path": "book"}, InvalidRequestError, "does not say what it is to be"),
        ({"path": "book.wav", "format": "aac"}, InvalidRequestError, "must be one of 'wav'"),
        ({"path": "a\0.wav"}, InvalidRequestError, "character"),
        ({"path": "", "format": "wav"}, IsADirectoryError, "is a folder"),
        ({"path": "book.m4b", "bit_rate": 2**32}, InvalidRequestError, "^bit_rate: must be"),
        ({"path": "book.mp3", "bit_rate": "64k"}, InvalidRequestError, "^bit_rate: must be"),
        ({"path": "book.mp3", "bit_rate": True}, InvalidRequestError, "^bit_rate: must be"),
        ({"path": "book.wav", "bit_rate": 0}, InvalidRequestError, "^bit_rate: must be"),
        (
            {"path": "a.vtt", "format": "wav", "subtitles": "./a.vtt"},
            InvalidRequestError,
            "^subtitles: a.vtt is the name of two files",
        ),
        (
            {"path": "a.wav", "subtitles": "a.srt", "chapters_file": "link"},
            InvalidRequestError,
            "^chapters_file: link is the name of two files",
        ),
        ({"path": "book.wav", "subtitles": "a.txt"}, InvalidRequestError, "'a.txt' does not say"),
        ({"path": "no/book.wav"}, FileNotFoundError, "no such folder"),
        ({"path": "book.wav", "subtitles": "no/a.srt"}, FileNotFoundError, "no such folder"),
        ({"path": "book.wav", "chapters_file": "no/a.json"}, FileNotFoundError, "no such folder"),
    ],
)
def test_where_it_cannot_be_written_nothing_is_sent(
    narrate: Narrate,
    together_emulator: SpeechEmulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: dict[str, Any],
    error: type[Exception],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("link").symlink_to("a.srt")
    _, save = narrate(together_emulator.url, BOOK)
    with pytest.raises(error, match=said):
        save(**arguments)
    assert together_emulator.requests == []


@pytest.mark.parametrize("loop", ["sync"])
def test_what_is_sought_in_is_not_written_to_a_pipe(
    narrate: Narrate, together_emulator: SpeechEmulator, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    reading = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    _, save = narrate(together_emulator.url, "Hello.")
    try:
        with pytest.raises(InvalidRequestError, match=r"^path: .* to a pipe"):
            save(tmp_path / "pipe", format="m4b")
        assert together_emulator.requests == []
        # The others need not seek.
        assert save(tmp_path / "pipe", format="opus").duration_s > 0.5
    finally:
        os.close(reading)


def test_a_name_may_say_something_else_than_its_format(
    narrate: Narrate, together_emulator: SpeechEmulator, tmp_path: Path
) -> None:
    _, save = narrate(together_emulator.url, "Hello.")
    written = save(tmp_path / "book.bin", format="wav", chapters_file=tmp_path / "c.json")
    assert samples(written.path).any()
    assert written.chapters_file == tmp_path / "c.json"


# --- its end -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "done", "error", "said"),
    [
        ("speaking", len(ASKED), SpeechError, "is not any more"),
        ("joining", 1, FileNotFoundError, "No such file"),
    ],
)
def test_a_piece_that_vanishes_is_told_and_no_file_is_written(
    narrate: Narrate,
    together_emulator: SpeechEmulator,
    tmp_path: Path,
    stage: str,
    done: int,
    error: type[Exception],
    said: str,
) -> None:
    work = tmp_path / "work"

    def vanish(news: NarrationProgress) -> None:
        if (news.stage, news.done) == (stage, done):
            for path in work.glob("*.wav"):
                path.unlink()

    _, save = narrate(together_emulator.url, BOOK)
    with pytest.raises(error, match=said):
        save(tmp_path / "book.wav", work=work, on_progress=vanish)
    assert [path.name for path in tmp_path.iterdir()] == ["work"]


@pytest.mark.parametrize("stage", ["speaking", "joining"])
def test_what_is_interrupted_leaves_no_file_and_goes_on(
    narrate: Narrate, together_emulator: SpeechEmulator, tmp_path: Path, stage: str
) -> None:
    class StoppedError(Exception):
        pass

    def stop(news: NarrationProgress) -> None:
        if (news.stage, news.done) == (stage, 2):
            raise StoppedError

    (tmp_path / "book.m4b").write_bytes(b"older")
    _, save = narrate(together_emulator.url, BOOK, at_once=1)
    with pytest.raises(StoppedError):
        save(tmp_path / "book.m4b", work=tmp_path / "work", on_progress=stop)
    assert (tmp_path / "book.m4b").read_bytes() == b"older"
    assert {path.name for path in tmp_path.iterdir()} == {"book.m4b", "work"}
    _, save = narrate(together_emulator.url, BOOK, at_once=1)
    save(tmp_path / "book.m4b", work=tmp_path / "work")
    # At most what was under way was asked for again.
    assert len(together_emulator.requests) <= len(ASKED) + 1


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_cancelled_narration_leaves_nothing(
    loop: str, together_emulator: SpeechEmulator, tmp_path: Path
) -> None:
    together_emulator.fail_next(delay_headers=30)

    async def main() -> None:
        async with AsyncSpeechClient("any", base_url=together_emulator.url) as client:
            narration = client.narrate(BOOK, voice="af_heart", at_once=1)
            with anyio.move_on_after(0.3) as scope:
                await narration.save(tmp_path / "book.wav")
            assert scope.cancelled_caught

    anyio.run(main, backend=loop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stage", ["looking", "joining"])
def test_a_task_that_asyncio_cancels_holds_the_folder_until_its_thread_has_ended(
    together_emulator: SpeechEmulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def held(act: Any) -> Any:
        def wait(*arguments: Any, **options: Any) -> Any:
            begun.set()
            assert go_on.wait(10)
            return act(*arguments, **options)

        return wait

    if stage == "looking":
        monkeypatch.setattr(NarrationPlan, "missing", held(NarrationPlan.missing))
    else:
        monkeypatch.setattr("facade._book.assembly.join_piece", held(join_piece))

    async def main() -> None:
        async with AsyncSpeechClient("any", base_url=together_emulator.url) as client:
            narration = client.narrate(BOOK, voice="af_heart")
            task = asyncio.create_task(narration.save(tmp_path / "a.wav", work=tmp_path / "work"))
            await asyncio.to_thread(begun.wait, 10)
            task.cancel()
            await asyncio.sleep(0.05)
            with pytest.raises(SpeechError, match="another run is writing"):
                narration.discard(tmp_path / "work")
            go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await task
            narration.discard(tmp_path / "work")

    asyncio.run(main())
    assert list(tmp_path.iterdir()) == []


def test_a_narration_ends_with_its_client(
    together_emulator: SpeechEmulator, tmp_path: Path
) -> None:
    def close(_: NarrationProgress) -> None:
        client.close()

    chapters = [chapter(f"Chapter number {number}.") for number in range(200)]
    with SpeechClient("any", base_url=together_emulator.url) as client:
        narration = client.narrate(chapters, voice="af_heart", at_once=1)
        with pytest.raises(SpeechError, match=r"^the client was closed before all requests"):
            narration.save(tmp_path / "book.wav", on_progress=close)
    assert list(tmp_path.iterdir()) == []


def test_a_closed_client_narrates_nothing(loop: str, together_emulator: SpeechEmulator) -> None:
    client = AsyncSpeechClient("any", base_url=together_emulator.url)

    async def main() -> None:
        await client.aclose()

    anyio.run(main)
    with pytest.raises(SpeechError, match="is closed"):
        client.narrate("Hello.", voice="af_heart")
