"""The folder of a batch, its `results.jsonl`, and what is to be done for its rows."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import facade
from facade import (
    AudioFormat,
    BadRequestError,
    EmptyAudioError,
    InvalidRequestError,
    InvalidVoiceMixError,
    NotFoundError,
    RequestTooLargeError,
    SpeechError,
    UnknownVoiceError,
    UnprocessableEntityError,
    UnreadableBookError,
)
from facade._cli.output_folder import OutputFolder, sha256_of
from facade._cli.plan import Plan, Task, new_plan
from facade._cli.results import (
    Outcome,
    moment,
    read_line,
    status_of,
    ticket,
    write_line,
)
from facade._cli.rows import BadRow, Row
from facade._rules.request import SpeechRequest

AUDIO = b"RIFF and so on"


def outcome(**facts: Any) -> Outcome:
    usual: dict[str, Any] = {
        "status": "ok",
        "path": "a.wav",
        "row": 1,
        "id": None,
        "model": "hexgrad/Kokoro-82M",
        "voice": "af_heart",
        "characters": 3,
        "usd": 0.1,
        "fingerprint": "f",
        "at": "now",
    }
    return Outcome(**{**usual, **facts})


# --- lines ----------------------------------------------------------------------------------------


@given(
    st.text(),
    st.text(st.characters(exclude_categories=[])),
    st.none() | st.integers(min_value=0, max_value=(1 << 63) - 1),
    st.none() | st.text(),
)
def test_a_line_comes_back(path: str, message: str, size: int | None, digest: str | None) -> None:
    line = write_line(
        outcome(path=path, bytes=size, sha256=digest, error={"type": "E", "message": message})
    )
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    earlier = read_line(line)
    assert (earlier.path, earlier.bytes, earlier.sha256) == (path, size, digest)
    assert earlier.error == message.encode("utf-8", "backslashreplace").decode()
    for end in range(1, len(line) - 1):
        with pytest.raises(ValueError, match=r"."):
            read_line(line[:end])


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"{}",
        b'{"status": "ok"}',
        b'{"status": "ok", "path": 1, "fingerprint": "f"}',
        b'{"status": "ok", "path": "a", "fingerprint": "f", "bytes": "1"}',
        b'{"status": "ok", "path": "a", "fingerprint": "f", "bytes": -1}',
        b'{"status": "ok", "path": "a", "fingerprint": "f", "bytes": 9223372036854775808}',
        b"\xff",
    ],
)
def test_what_is_no_line_is_told(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_line(line)


def request(text: str = "Hi.", voice: str = "af_heart", **options: Any) -> SpeechRequest:
    return SpeechRequest.build(text, options, voice=voice, validate_voices=True)


def test_what_asks_for_something_else_has_another_fingerprint() -> None:
    asked = [
        request(),
        request("Ho."),
        request(voice="af_bella"),
        request(model="some/model"),
        request(response_format="mp3"),
        request(extra_body={"seed": 1}),
        request(pronunciation_dict={"a": "b"}),
    ]
    assert len({one.fingerprint for one in asked}) == len(asked)
    assert request().fingerprint == request(language=None, extra_body={}).fingerprint
    # Those that are written are compared with those of the next release.
    expected = "921d0e3af42614a1591ac9f66eb5866c7dbcc5740d77a37ec4311654e0e82b07"
    assert request("Hello there.").fingerprint == expected


def test_a_ticket_is_of_one_file_and_one_request() -> None:
    assert ticket("a.wav", "f") == ticket("A.wav", "f")
    assert len({ticket("a.wav", "f"), ticket("b.wav", "f"), ticket("a.wav", "g")}) == 3


def test_what_would_fail_again_is_refused() -> None:
    for_good = {
        *(BadRequestError, EmptyAudioError, InvalidRequestError, InvalidVoiceMixError),
        *(NotFoundError, RequestTooLargeError, UnknownVoiceError, UnprocessableEntityError),
        UnreadableBookError,
    }
    exported = [getattr(facade, name) for name in facade.__all__]
    errors: list[Any] = [
        kind for kind in exported if isinstance(kind, type) and issubclass(kind, Exception)
    ]
    refused = {kind for kind in (*errors, OSError) if status_of(kind.__new__(kind)) == "refused"}
    assert refused == for_good


def test_what_no_database_takes_is_written_out() -> None:
    line = b'{"status": "ok", "path": "a\\ud800", "fingerprint": "f"}'
    assert read_line(line).path == "a\\ud800"


def test_a_line_is_for_people_too() -> None:
    assert "Grüße.wav".encode() in write_line(outcome(path="Grüße.wav"))


def test_a_moment_is_in_utc() -> None:
    assert moment(datetime(2026, 8, 1, 12, tzinfo=UTC)) == "2026-08-01T12:00:00.000Z"


# --- the folder -----------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[OutputFolder]:
    folder = OutputFolder(tmp_path / "out")
    with folder.locked():
        yield folder


def add(folder: OutputFolder, *outcomes: Outcome) -> None:
    with folder.writing() as results:
        for one in outcomes:
            results.add(one)


def test_one_run_at_a_time(folder: OutputFolder) -> None:
    with (
        pytest.raises(SpeechError, match=f"another run is writing into {folder.path}; wait"),
        OutputFolder(folder.path).locked(),
    ):
        pass


def test_a_lock_is_gone_with_its_run(tmp_path: Path) -> None:
    folder = OutputFolder(tmp_path)
    for _ in range(2):
        with folder.locked():
            pass


def test_our_folder_is_no_link_to_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".together-speech").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SpeechError, match="is a link"), OutputFolder(tmp_path / "out").locked():
        pass
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_folder_without_results_has_none(folder: OutputFolder) -> None:
    assert (list(folder.earlier()), folder.mend()) == ([], 0)


def test_a_torn_line_is_cut_off(folder: OutputFolder) -> None:
    """At each of its places."""
    first, last = outcome(), outcome(path="b.wav")
    add(folder, first, last)
    whole = folder.results.read_bytes()
    start = len(write_line(first))
    for end in range(start, len(whole)):
        folder.results.write_bytes(whole[:end])
        # Reading leaves it as it is: a dry run writes nothing.
        assert [one.path for one in folder.earlier()] == ["a.wav"]
        assert folder.mend() == end - start
        assert folder.results.read_bytes() == whole[:start]
    folder.results.write_bytes(whole)
    assert folder.mend() == 0
    assert [one.path for one in folder.earlier()] == ["a.wav", "b.wav"]


@pytest.mark.parametrize("size", [1, 65535, 65536, 65537, 200_000])
def test_a_torn_line_of_any_length_is_cut_off(size: int, folder: OutputFolder) -> None:
    folder.results.write_bytes(b"x" * size)
    assert folder.mend() == size
    assert folder.results.read_bytes() == b""
    folder.results.write_bytes(b"{}\n" + b"x" * size)
    assert folder.mend() == size
    assert folder.results.read_bytes() == b"{}\n"


def test_a_line_that_is_none_is_not_guessed(folder: OutputFolder) -> None:
    add(folder, outcome())
    with folder.results.open("ab") as file:
        file.write(b"notes of mine\n")
    with pytest.raises(SpeechError, match=r"results\.jsonl, line 2 is no result \(Expecting"):
        list(folder.earlier())


def test_a_line_is_written_whole_or_not_at_all(
    folder: OutputFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(folder, outcome())
    before = folder.results.read_bytes()

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    with folder.writing() as results, monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="No space left"):
            results.add(outcome())
        # What failed may be asked for again after a power cut, so nobody waits for the disk.
        results.add(outcome(status="failed"))
    assert folder.results.read_bytes() == before + write_line(outcome(status="failed"))


def test_a_file_is_whole_where_its_line_says_so(folder: OutputFolder) -> None:
    path = folder.path / "a.wav"
    path.write_bytes(AUDIO)
    earlier = read_line(write_line(outcome(bytes=len(AUDIO), sha256=sha256_of(path))))
    assert folder.has(earlier)
    path.write_bytes(AUDIO[::-1])
    assert not folder.has(earlier)
    path.write_bytes(AUDIO + b"!")
    assert not folder.has(earlier)
    path.unlink()
    assert not folder.has(earlier)
    path.mkdir()
    assert not folder.has(earlier)


def test_links_and_folders_in_the_way(folder: OutputFolder, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (folder.path / "within").mkdir()
    (folder.path / "out").symlink_to(tmp_path / "elsewhere")
    (folder.path / "in").symlink_to("within")
    (folder.path / "link.wav").symlink_to("x.wav")
    (folder.path / "folder.wav").mkdir()
    (folder.path / "file").write_bytes(b"")
    os.mkfifo(folder.path / "pipe.wav")
    assert folder.check_target("a/b/x.wav") == "a/b/x.wav"
    assert folder.check_target("x.wav") == "x.wav"
    assert folder.check_target("in/x.wav") == "within/x.wav"
    for name, said in [
        ("out/x.wav", "'out' leads out of the folder by a link"),
        ("out/a/x.wav", "'out/a' leads out of the folder by a link"),
        ("link.wav", "'link.wav' is a link; take it away"),
        ("file/a/x.wav", "'file' is no folder"),
        ("folder.wav", "'folder.wav' is there and is no file"),
        ("pipe.wav", "'pipe.wav' is there and is no file"),
    ]:
        with pytest.raises(InvalidRequestError, match=f"^path: {said}"):
            folder.check_target(name)


def test_a_folder_that_is_a_link_is_a_folder(folder: OutputFolder, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder.path)
    assert OutputFolder(tmp_path / "link").check_target("a/x.wav") == "a/x.wav"


# --- the plan -------------------------------------------------------------------------------------


@pytest.fixture
def plan(folder: OutputFolder) -> Iterator[Plan]:
    with new_plan(folder) as plan:
        yield plan


def take(plan: Plan, *rows: Row | BadRow, retry: bool = False, **options: Any) -> list[BadRow]:
    return list(
        plan.add(rows, voice=None, default_voice="af_heart", options=options, retry_refused=retry)
    )


def take_texts(plan: Plan, **how: Any) -> None:
    assert take(plan, Row(1, "Hi.", "a"), Row(2, "Ho.", "b/c"), **how) == []


def test_all_rows_are_to_be_asked_for_at_first(plan: Plan) -> None:
    take_texts(plan, response_format="mp3")
    assert (plan.rows, plan.bad, plan.fates) == (2, 0, {"ask": 2})
    assert plan.characters == {"hexgrad/Kokoro-82M": 6}
    first, second = plan.tasks("ask")
    assert (first.number, first.line, first.id, first.name) == (1, 1, "a", "a.mp3")
    assert second.name == "b/c.mp3"
    assert (first.text, first.voice, first.model) == ("Hi.", "af_heart", "hexgrad/Kokoro-82M")
    assert first.unnamed.endswith(".mp3")
    assert first.expected_format() == AudioFormat("mp3", None, 24000, 1)
    assert plan.usd == Decimal(str(first.usd)) + Decimal(str(second.usd)) != 0


def test_a_price_that_is_not_known_is_not_guessed(plan: Plan) -> None:
    assert (
        take(plan, Row(1, "Hi.", voice="x", options={"model": "some/model"}), Row(2, "Ho.")) == []
    )
    assert plan.usd is None
    assert [(model, price is None) for model, _, price in plan.prices()] == [
        ("hexgrad/Kokoro-82M", False),
        ("some/model", True),
    ]


def test_options_come_back_as_they_were_given(plan: Plan) -> None:
    options = {"pronunciation_dict": {"a": "b"}, "extra_body": {"seed": 1}, "language": "en"}
    assert take(plan, Row(1, "Hi.", voice="af_bella+af_heart", options=options)) == []
    (task,) = plan.tasks("ask")
    again = SpeechRequest.build(task.text, task.options, voice=task.voice, validate_voices=True)
    assert again.fingerprint == task.fingerprint


@pytest.mark.parametrize(
    ("rows", "bad"),
    [
        ([BadRow(3, "is bad")], BadRow(3, "is bad")),
        ([Row(1, "Hi.", "a"), Row(9, "Ho.", "A")], "path: 'A.wav' is that of line 1 already"),
        ([Row(1, "Hi.", "ü"), Row(9, "Ho.", "u\u0308")], "is that of line 1 already"),
        ([Row(1, "Hi."), Row(9, "Ho.", path="000001.wav")], "is that of line 1 already"),
        (
            [Row(1, "Hi.", path="x.wav/y"), Row(9, "Ho.", "X")],
            "is that of another row, as a folder",
        ),
        (
            [Row(1, "Hi.", "x"), Row(9, "Ho.", path="X.wav/y")],
            "path: 'X.wav/y.wav' is in 'X.wav', which is the file of line 1",
        ),
        ([Row(9, "Ho.", "../x")], "id: '../x' has '..' in it"),
        ([Row(9, " ", "x")], "text: has nothing in it to speak"),
        ([Row(9, "Ho.", path="x.m4a")], "no model gives that kind of file"),
        (
            [Row(9, "Ho.", path="x.wav", options={"response_format": "mp3"})],
            "must not hold",
        ),
        (
            [
                Row(
                    9,
                    "Ho.",
                    path="x.wav",
                    voice="x",
                    options={"response_format": "raw", "model": "some/model"},
                )
            ],
            "a WAV header needs encoding and sample rate",
        ),
    ],
)
def test_rows_that_cannot_be_are_told(
    rows: list[Row | BadRow], bad: BadRow | str, plan: Plan
) -> None:
    (found,) = take(plan, *rows)
    assert plan.bad == 1
    if isinstance(bad, BadRow):
        assert found == bad
    else:
        assert found.line == 9
        assert bad in found.why


def test_two_links_to_one_folder_are_one_folder(plan: Plan, folder: OutputFolder) -> None:
    (folder.path / "within").mkdir()
    (folder.path / "link").symlink_to("within")
    (bad,) = take(plan, Row(1, "Hi.", "within/a"), Row(2, "Ho.", "link/a"))
    assert "'within/a.wav' is that of line 1 already" in bad.why


def tasks_of(folder: OutputFolder) -> list[Task]:
    with new_plan(folder) as plan:
        take_texts(plan)
        return list(plan.tasks("ask"))


def fates(folder: OutputFolder, *, retry: bool = False) -> dict[str, int]:
    with new_plan(folder) as plan:
        take_texts(plan, retry=retry)
        return {str(fate): count for fate, count in plan.fates.items()}


def line_of(task: Task, **facts: Any) -> Outcome:
    return outcome(path=task.name, fingerprint=task.fingerprint, **facts)


def come(folder: OutputFolder, task: Task) -> dict[str, Any]:
    """Have the audio of a row come; return what its line will say of it."""
    path = folder.unnamed(task.unnamed)
    path.write_bytes(AUDIO)
    return {"bytes": len(AUDIO), "sha256": sha256_of(path)}


def test_a_run_that_is_killed_is_taken_up_wherever_it_was(folder: OutputFolder) -> None:
    _, task = tasks_of(folder)
    facts = come(folder, task)
    assert fates(folder) == {"ask": 1, "found": 1}
    add(folder, line_of(task, **facts))
    assert fates(folder) == {"ask": 1, "unnamed": 1}
    folder.name(task.unnamed, task.name)
    assert (folder.path / "b" / "c.wav").read_bytes() == AUDIO
    assert fates(folder) == {"ask": 1, "there": 1}


def test_what_is_not_as_its_line_says_is_asked_for_again(folder: OutputFolder) -> None:
    task, _ = tasks_of(folder)
    add(folder, line_of(task, **come(folder, task)))
    folder.name(task.unnamed, task.name)
    (folder.path / task.name).write_bytes(b"cut")
    assert fates(folder) == {"ask": 2}


def test_another_text_is_asked_for(folder: OutputFolder) -> None:
    task, _ = tasks_of(folder)
    add(folder, line_of(task, **come(folder, task)))
    folder.name(task.unnamed, task.name)
    with new_plan(folder) as plan:
        assert take(plan, Row(1, "Something else.", "a")) == []
        assert plan.fates == {"ask": 1}


def test_audio_of_another_request_is_not_taken_for_this_one(folder: OutputFolder) -> None:
    task, _ = tasks_of(folder)
    come(folder, task)
    with new_plan(folder) as plan:
        assert take(plan, Row(1, "Something else.", "a"), Row(2, "Hi.", "z")) == []
        assert plan.fates == {"ask": 2}


def test_the_last_line_of_a_row_counts(folder: OutputFolder) -> None:
    task, _ = tasks_of(folder)
    facts = come(folder, task)
    failed = line_of(task, status="failed", error={"type": "E", "message": "too many"})
    add(folder, failed, line_of(task, **facts))
    folder.name(task.unnamed, task.name)
    assert fates(folder) == {"there": 1, "ask": 1}
    add(folder, failed)
    assert fates(folder) == {"ask": 2}


def test_what_was_refused_is_asked_for_when_told_to(folder: OutputFolder) -> None:
    task, _ = tasks_of(folder)
    add(folder, line_of(task, status="refused", error={"type": "E", "message": "no \ud800"}))
    assert fates(folder) == {"refused": 1, "ask": 1}
    assert fates(folder, retry=True) == {"ask": 2}
    with new_plan(folder) as plan:
        take_texts(plan)
        (refused,) = plan.tasks("refused")
        assert refused.earlier == "no \\ud800"


def test_only_whole_audio_is_kept_of_what_was_left_behind(folder: OutputFolder) -> None:
    task, _ = tasks_of(folder)
    come(folder, task)
    folder.unnamed(".half.0123").write_bytes(b"RI")
    with new_plan(folder) as plan:
        take_texts(plan)
        folder.clear(plan.unnamed())
    assert {path.name for path in folder.unnamed("x").parent.iterdir()} == {"lock", task.unnamed}
