"""The folder of pieces: what is there, what is whole, and who may use it."""

import json
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from facade import SpeechError, WordTiming, _lock
from facade._book.store import KeptPiece, PieceStore, piece_store, remove_pieces

RATE = 24_000
KEY = "0123456789abcdef" * 2
TEXT = "Hello there."
WORDS = (WordTiming("Hello", 0.1, 0.5), WordTiming("there.", 0.5, 1.0))


def tone(seconds: float, *, loud: float = 0.3) -> bytes:
    """A sound that a proof takes for speech."""
    at = np.arange(int(seconds * RATE)) / RATE
    return (loud * 32767 * np.sin(2 * np.pi * 300 * at)).astype("<i2").tobytes()


def write(path: Path, pcm: bytes, *, rate: int = RATE, channels: int = 1) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm)


@pytest.fixture
def store(tmp_path: Path) -> PieceStore:
    return PieceStore(tmp_path, RATE, with_words=False)


def test_a_piece_that_was_accepted_is_found(store: PieceStore) -> None:
    pcm = tone(1.0)
    assert store.find(KEY, TEXT) is None
    write(store.path(KEY), pcm)
    assert store.accept(KEY, TEXT, WORDS) is None
    kept = store.find(KEY, TEXT)
    assert kept is not None
    assert kept.levels.samples == RATE
    assert kept.words == WORDS
    assert kept.size == store.path(KEY).stat().st_size
    assert store.samples(KEY) == pcm


@pytest.mark.parametrize(
    ("pcm", "said"),
    [
        (tone(0.1), "too short"),
        (tone(20), "too long"),
        (bytes(2 * RATE), "silent"),
        (tone(1.0, loud=0.002), "silent"),
        (b"", "empty"),
    ],
)
def test_what_cannot_be_its_text_is_not_kept(store: PieceStore, pcm: bytes, said: str) -> None:
    write(store.path(KEY), pcm)
    assert said in str(store.accept(KEY, TEXT, ()))
    assert store.find(KEY, TEXT) is None
    assert not store.path(KEY).exists()


@pytest.mark.parametrize("other", [{"rate": 44_100}, {"channels": 2}])
def test_other_audio_than_was_asked_for_is_not_kept(
    store: PieceStore, other: dict[str, int]
) -> None:
    write(store.path(KEY), tone(1.0), **other)
    assert "and not 1, 2 and 24000" in str(store.accept(KEY, TEXT, ()))
    assert store.find(KEY, TEXT) is None


def test_what_came_just_before_a_kill_is_not_asked_for_again(store: PieceStore) -> None:
    write(store.path(KEY), tone(1.0))
    assert store.find(KEY, TEXT) is not None


def test_but_where_its_words_are_missing(tmp_path: Path) -> None:
    with_words = PieceStore(tmp_path, RATE, with_words=True)
    write(with_words.path(KEY), tone(1.0))
    assert with_words.find(KEY, TEXT) is None
    assert with_words.accept(KEY, TEXT, WORDS) is None
    assert with_words.find(KEY, TEXT) is not None


@pytest.mark.parametrize("notes", [b"", b"{", b'{"size": 7}', b'{"size": "x"}'])
def test_notes_that_cannot_be_read_are_made_again(store: PieceStore, notes: bytes) -> None:
    write(store.path(KEY), tone(1.0))
    store.path(KEY).with_suffix(".json").write_bytes(notes)
    kept = store.find(KEY, TEXT)
    assert isinstance(kept, KeptPiece)
    assert json.loads(store.path(KEY).with_suffix(".json").read_bytes())["size"] == kept.size


@pytest.mark.parametrize("size", [0, 10, 3000])
def test_a_file_that_was_cut_is_asked_for_again(store: PieceStore, size: int) -> None:
    write(store.path(KEY), tone(1.0))
    assert store.accept(KEY, TEXT, ()) is None
    content = store.path(KEY).read_bytes()
    store.path(KEY).write_bytes(content[:size])
    assert store.find(KEY, TEXT) is None


def test_one_run_at_a_time(tmp_path: Path) -> None:
    other = (
        "import sys; from pathlib import Path; from facade._book.store import piece_store\n"
        "with piece_store(Path(sys.argv[1]), 24000, with_words=False): pass"
    )
    command = [sys.executable, "-c", other, str(tmp_path / "work")]
    with piece_store(tmp_path / "work", RATE, with_words=False):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "another run is writing into" in done.stderr
        with pytest.raises(SpeechError, match="another run is writing into"):
            remove_pieces(tmp_path / "work")
    assert subprocess.run(command, check=False).returncode == 0


@pytest.mark.parametrize("is_made_again", [False, True])
def test_a_lock_that_is_removed_while_it_is_opened_keeps_nobody_out_and_lets_nobody_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_made_again: bool
) -> None:
    """Another run may remove it after this one has opened it, and a third may make it again."""

    class OpenedTooEarly(FileLock):
        def acquire(self, *arguments: Any, **options: Any) -> Any:
            held = super().acquire(*arguments, **options)
            Path(self.lock_file).unlink()
            if is_made_again:
                Path(self.lock_file).touch()
            return held

    monkeypatch.setattr(_lock, "FileLock", OpenedTooEarly)
    with (
        pytest.raises(SpeechError, match="another run is writing into"),
        piece_store(tmp_path, RATE, with_words=False),
    ):
        pytest.fail("two runs would be at work")


def test_while_the_folder_is_removed_no_other_run_is_let_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    is_gone = []

    class Watched(FileLock):
        def release(self, *arguments: Any, **options: Any) -> None:
            is_gone.append(not Path(self.lock_file).exists())
            super().release(*arguments, **options)

    monkeypatch.setattr(_lock, "FileLock", Watched)
    remove_pieces(work)
    assert is_gone[0]


def test_what_a_kill_left_behind_is_removed_and_nothing_else(tmp_path: Path) -> None:
    left = tmp_path / f".{KEY}.wav.0123456789abcdef"
    for path in (left, tmp_path / f"{KEY}.wav", tmp_path / ".notes", tmp_path / "mine.wav"):
        path.write_bytes(b"")
    with piece_store(tmp_path, RATE, with_words=False):
        names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"{KEY}.wav", ".notes", "mine.wav", "lock"}


def test_pieces_can_be_removed(tmp_path: Path) -> None:
    work = tmp_path / "a" / "work"
    for mine in (True, False):
        with piece_store(work, RATE, with_words=False) as store:
            write(store.path(KEY), tone(1.0))
            assert store.accept(KEY, TEXT, ()) is None
        if mine:
            (work / "mine.txt").touch()
        remove_pieces(work)
        if mine:
            assert {path.name for path in work.iterdir()} == {"mine.txt", "lock"}
            (work / "mine.txt").unlink()
    assert not work.exists()


def test_without_a_folder_nothing_stays() -> None:
    with piece_store(None, RATE, with_words=False) as store:
        write(store.path(KEY), tone(1.0))
        folder = store.path(KEY).parent
        assert folder.is_dir()
    assert not folder.exists()
