"""The folder that keeps the pieces of a narration.

A piece lies under a name made of what it was asked for with, so what is asked for again is at hand,
and nothing else is taken for it. Beside its audio lies what was measured of it, which can be
measured again. A file is whole or not there, so a run may be killed at any moment.
"""

import re
import wave
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from facade._book.levels import Levels, measure
from facade._book.proof import flaw_of
from facade._lock import only_one_in
from facade._rules.words import WordTiming
from facade.audio import atomic_file
from facade.errors import SpeechError

_LOCK = "lock"
_PIECE = r"[0-9a-f]{32}\.(wav|json)"
_OF_A_PIECE = re.compile(_PIECE)
# What a killed run leaves where files cannot be without a name.
_LEFT_BEHIND = re.compile(rf"\.{_PIECE}\.[0-9a-f]{{16}}")


@dataclass(frozen=True, slots=True)
class KeptPiece:
    """What is known of a piece that is kept.

    Attributes:
        size: Bytes of its file.
        levels: What was measured of its audio.
        words: When each word is spoken, where that was asked for.
    """

    size: int
    levels: Levels
    words: tuple[WordTiming, ...]


class PieceStore:
    """A folder of pieces: mono samples of 16 bits, each in a WAV file."""

    def __init__(self, folder: Path, sample_rate: int, *, with_words: bool) -> None:
        """Use a folder that exists.

        Args:
            folder: The folder.
            sample_rate: Of all pieces, in Hz.
            with_words: Whether a piece is there only where the timing of its words is.
        """
        self._folder = folder
        self._sample_rate = sample_rate
        self._with_words = with_words

    def path(self, key: str) -> Path:
        """Return where the audio of a piece lies."""
        return self._folder / f"{key}.wav"

    def find(self, key: str, text: str) -> KeptPiece | None:
        """Return what is known of a piece; `None` where it is not there, or not what it should be.

        Raises:
            OSError: The folder cannot be read or written.
        """
        import msgspec

        path = self.path(key)
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            return None
        try:
            kept = msgspec.json.decode(self._notes(key).read_bytes(), type=KeptPiece)
        except (FileNotFoundError, msgspec.DecodeError):
            kept = None
        if kept is not None and kept.size == size:
            return kept
        # It came just before its run was killed, or was measured by another version.
        if self._with_words or self.accept(key, text, ()) is not None:
            return None
        return self.find(key, text)

    def accept(self, key: str, text: str, words: Sequence[WordTiming]) -> str | None:
        """Look at audio that has come, and keep what is measured of it.

        Args:
            key: Whose audio it is.
            text: What it should say.
            words: When each word is spoken.

        Returns:
            What is wrong with it, in words; then it is kept no more. `None` where nothing is.

        Raises:
            OSError: The folder cannot be read or written.
        """
        import msgspec

        path = self.path(key)
        size = path.stat().st_size
        try:
            levels = self._measured(key, text)
        except SpeechError as error:
            path.unlink()
            return error.message
        with atomic_file(self._notes(key)) as file:
            file.write(msgspec.json.encode(KeptPiece(size, levels, tuple(words))))
        return None

    def samples(self, key: str) -> bytes:
        """Return the samples of a piece.

        Raises:
            SpeechError: The file is not what was written there.
            OSError: It cannot be read.
        """
        path = self.path(key)
        try:
            with path.open("rb") as file, wave.open(file) as audio:
                found = (audio.getnchannels(), audio.getsampwidth(), audio.getframerate())
                if found != (1, 2, self._sample_rate):
                    raise SpeechError(
                        f"the audio has {found[0]} channels, {found[1]} bytes a sample and "
                        f"{found[2]} Hz, and not 1, 2 and {self._sample_rate}"
                    )
                return bytes(audio.readframes(audio.getnframes()))
        except (wave.Error, EOFError) as error:
            raise SpeechError(f"{path} cannot be read as WAV: {error}") from error

    def _measured(self, key: str, text: str) -> Levels:
        """Measure a piece.

        Raises:
            SpeechError: It cannot be what its text sounds like.
        """
        pcm = self.samples(key)
        if not pcm:
            raise SpeechError("the audio is empty")
        levels = measure(pcm, self._sample_rate)
        speech_s = levels.speech_samples / self._sample_rate
        if flaw := flaw_of(text, speech_s=speech_s, peak=levels.peak):
            raise SpeechError(flaw)
        return levels

    def _notes(self, key: str) -> Path:
        return self._folder / f"{key}.json"


@contextmanager
def piece_store(work: Path | None, sample_rate: int, *, with_words: bool) -> Iterator[PieceStore]:
    """Open the folder of a narration, and keep other runs out of it until the block ends.

    Args:
        work: The folder, made where it is missing; `None` for one that is removed at the end.
        sample_rate: Of all pieces, in Hz.
        with_words: Whether a piece is there only where the timing of its words is.

    Raises:
        SpeechError: Another run is at work in it.
        OSError: It cannot be made, or written to.
    """
    if work is None:
        with TemporaryDirectory(prefix="together-speech-") as folder:
            yield PieceStore(Path(folder), sample_rate, with_words=with_words)
        return
    work.mkdir(parents=True, exist_ok=True)
    with only_one_in(work, work / _LOCK):
        _remove(work, _LEFT_BEHIND)
        yield PieceStore(work, sample_rate, with_words=with_words)


def remove_pieces(work: Path) -> None:
    """Remove all pieces of a folder, and the folder if there is nothing else in it.

    Raises:
        SpeechError: Another run is at work in it.
        OSError: A file cannot be removed.
    """
    with only_one_in(work, work / _LOCK):
        _remove(work, _LEFT_BEHIND)
        _remove(work, _OF_A_PIECE)
        if [path.name for path in work.iterdir()] == [_LOCK]:
            # While the lock is held, so that it is no other run's. Windows removes no open file.
            with suppress(PermissionError):
                (work / _LOCK).unlink()
                work.rmdir()


def _remove(work: Path, pattern: re.Pattern[str]) -> None:
    for path in work.iterdir():
        if pattern.fullmatch(path.name):
            path.unlink()
