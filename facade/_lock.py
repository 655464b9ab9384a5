"""One process at a time in a folder."""

import os
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
        lock: A file, in a folder that exists. It stays, unless the block removes it.

    Raises:
        SpeechError: Another process is at work there.
        OSError: The file cannot be opened.
    """
    # A step of the block may be another thread's.
    held = FileLock(lock, timeout=0, thread_local=False)
    refusal = SpeechError(
        f"another run is writing into {folder}; wait for its end, or name another folder"
    )
    # While it is open no other file can be taken for it.
    with lock.open("ab") as opened:
        try:
            held.acquire()
        except Timeout:
            raise refusal from None
        is_there = lock.exists() and os.path.samestat(lock.stat(), os.fstat(opened.fileno()))
    try:
        # Another run may have removed it between the moments when it was opened and locked.
        if not is_there:
            raise refusal
        yield
    finally:
        held.release()
