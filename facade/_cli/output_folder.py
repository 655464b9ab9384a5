"""The folder that a batch writes into.

The audio of a row comes under a name of ours, made of what was asked for, in a folder of ours. When
its line is in `results.jsonl` the file gets its own name. So wherever a run is killed, the next one
knows by the names what had come, and what was not whole lies where it can be cleared away.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from facade._cli.output_names import OWN_FOLDER
from facade._cli.results import Earlier, Outcome, read_line, write_line
from facade._lock import only_one_in
from facade.errors import InvalidRequestError, SpeechError

RESULTS = "results.jsonl"
_LOCK = "lock"


class OutputFolder:
    """A folder of audio, and what is known of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.results = path / RESULTS
        self._own = path / OWN_FOLDER
        self._top = os.path.realpath(path)
        # Rows have few folders between them, and each takes several calls of the system.
        self._real = lru_cache(1000)(self._resolved)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder where it is missing, and keep other runs out.

        Raises:
            SpeechError: Another run is at work in it.
            OSError: It cannot be written to.
        """
        self._own.mkdir(parents=True, exist_ok=True)
        if self._own.is_symlink():
            raise SpeechError(f"{self._own} is a link; the folder must be here: take the link away")
        with only_one_in(self.path, self._own / _LOCK):
            yield

    def earlier(self) -> Iterator[Earlier]:
        """Give what earlier runs wrote, but for a last line that was not finished.

        Raises:
            SpeechError: A line is none. What cannot be read is not guessed: it would be billed.
        """
        try:
            file = self.results.open("rb")
        except FileNotFoundError:
            return
        with file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return
                try:
                    yield read_line(line)
                except (ValueError, RecursionError) as error:
                    raise SpeechError(
                        f"{self.results}, line {number} is no result ({error}); mend it or take it "
                        "away, and its row is asked again"
                    ) from error

    def mend(self) -> int:
        """Cut off a last line that was not finished; return how many bytes it had."""
        try:
            file = self.results.open("r+b")
        except FileNotFoundError:
            return 0
        with file:
            size = whole = file.seek(0, os.SEEK_END)
            while whole:
                start = max(0, whole - 65536)
                file.seek(start)
                end = file.read(whole - start).rfind(b"\n") + 1
                whole = start + end
                if end:
                    break
            if whole < size:
                file.truncate(whole)
            return size - whole

    def check_target(self, name: str) -> str:
        """Check that a file can lie here.

        Returns:
            Where it really lies, relative to the folder: links below the folder are followed.

        Raises:
            InvalidRequestError: A link leads out of the folder, or something else is there.
            OSError: It cannot be looked at.
        """
        folder, _, last = name.rpartition("/")
        real = self._real(folder)
        kind = _kind(Path(self._top, real, last))
        if kind is not None and stat.S_ISLNK(kind):
            raise InvalidRequestError(f"{name!r} is a link; take it away", param="path")
        if kind is not None and not stat.S_ISREG(kind):
            raise InvalidRequestError(f"{name!r} is there and is no file", param="path")
        return f"{real}/{last}" if real else last

    def has(self, earlier: Earlier) -> bool:
        """Whether a file is there and whole, as its line says."""
        return self._is(self.path / earlier.path, earlier)

    def has_unnamed(self, unnamed: str, earlier: Earlier) -> bool:
        """Whether the audio that a line speaks of has come and lacks only its name."""
        return self._is(self.unnamed(unnamed), earlier)

    def unnamed(self, unnamed: str) -> Path:
        """Return where the audio of a row comes first, by its ticket and suffix."""
        return self._own / unnamed

    def clear(self, keep: Iterator[str]) -> None:
        """Take away what runs left behind that were killed, but for audio that is whole."""
        kept = {_LOCK, *keep}
        for path in self._own.iterdir():
            if path.name not in kept:
                path.unlink()

    def name(self, unnamed: str, name: str) -> None:
        """Give audio its own name."""
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        self.unnamed(unnamed).replace(target)

    @contextmanager
    def writing(self) -> Iterator["ResultsFile"]:
        """Open `results.jsonl` to add lines."""
        with self.results.open("ab", buffering=0) as file:
            yield ResultsFile(file)

    def _resolved(self, folder: str) -> str:
        """Return where a folder below this one really lies, relative to this one."""
        real = os.path.realpath(Path(self._top, folder))
        if os.path.commonpath((self._top, real)) != self._top:
            raise InvalidRequestError(f"{folder!r} leads out of the folder by a link", param="path")
        there = next(path for path in (Path(real), *Path(real).parents) if path.exists())
        if not there.is_dir():
            raise InvalidRequestError(f"{there.name!r} is no folder", param="path")
        return "" if real == self._top else Path(os.path.relpath(real, self._top)).as_posix()

    def _is(self, path: Path, earlier: Earlier) -> bool:
        kind = _kind(path)
        if kind is None or not stat.S_ISREG(kind) or path.stat().st_size != earlier.bytes:
            return False
        return sha256_of(path) == earlier.sha256


class ResultsFile:
    """`results.jsonl`, to add lines."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def add(self, outcome: Outcome) -> None:
        """Add a line, whole or not at all.

        Raises:
            OSError: It cannot be written.
        """
        line = write_line(outcome)
        before = os.fstat(self._file.fileno()).st_size
        try:
            # Without a buffer, what has been written outlives the process. A full disk may take a
            # part of it.
            rest = memoryview(line)
            while rest:
                rest = rest[self._file.write(rest) :]
            if outcome.status == "ok":
                # ... but not a power cut. The file gets its name next, and named without a line it
                # would be asked for, and billed, again. What failed may well be asked again.
                os.fsync(self._file.fileno())
        except BaseException:
            with suppress(OSError):
                self._file.truncate(before)
            raise


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, read piece by piece."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _kind(path: Path) -> int | None:
    """What a path is, without following a link; `None` where nothing is there."""
    try:
        return path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
