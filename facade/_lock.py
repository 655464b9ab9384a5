"""One process at a time in a folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from facade.errors import SpeechError


@contextmanager
def only_one_in(folder: Path, lock: Path) -> Iterator[None]:
    """Keep other processes out of a folder until the block ends.

    Args:
        folder: The folder, as the user knows it.
        lock: A file, in a folder that exists. It stays: who removed it could take it away from
            under one that has it just opened.

    Raises:
        SpeechError: Another process is at work there.
        OSError: The file cannot be opened.
    """
    # A step of the block may be another thread's.
    held = FileLock(lock, timeout=0, thread_local=False)
    try:
        held.acquire()
    except Timeout:
        raise SpeechError(
            f"another run is writing into {folder}; wait for its end, or name another folder"
        ) from None
    try:
        yield
    finally:
        held.release()
