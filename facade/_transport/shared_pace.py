"""One pace for the processes of one machine that work for the same account, with the same model.

What the pace knows lies in a small file, which they read and write one after the other. The file's
name is a digest of address and model, keyed with the key, so that nothing can be read from it.
"""

import hmac
import json
import os
import platform
import secrets
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, structs

from facade._extras import needs
from facade._rules.pacing import Outcome, Pace
from facade._transport.call import logger
from facade._transport.config import Config

if TYPE_CHECKING:
    from filelock import FileLock

# Nobody is told that a call of another process has ended, so who waits for that looks again.
LOOK_AGAIN_S = 0.1
# What nobody has touched for so long says nothing of today's limits.
FORGET_S = 3600.0
# What was written in the future is from before the machine began anew; but who waited for the file
# comes with a time from before that.
_AHEAD_S = 60.0
# Who has the file has it for less than a millisecond, unless it was stopped.
_LOCK_S = 5.0
_LOCK_POLL_S = 0.002
_LARGEST_BYTES = 4 * 1024 * 1024
# What comes of reading what somebody else wrote, or what was not written to its end.
_NONSENSE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
# Elsewhere signal 0 is no question.
_CAN_ASK = os.name == "posix"


class _Call(Struct, frozen=True):
    """A call that is under way.

    Attributes:
        owner: Whose it is: one object of one process.
        number: Its number there.
        pid: That process.
        until: When it is over at the latest.
        ticket: The pace's ticket for it.
    """

    owner: str
    number: int
    pid: int
    until: float
    ticket: int


class SharedPace:
    """A `Pace` that processes share; it may be used by any number of threads.

    It never raises. Where the file cannot be had, this process goes on with what it knows, and
    shares nothing any more.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        at_once: int | None,
        per_minute: float | None,
        longest_call_s: float,
    ) -> None:
        """Share a pace.

        Args:
            path: The file; `None` to share with nobody.
            at_once: How many calls may be under way, those of other processes among them.
            per_minute: How many may begin in a minute.
            longest_call_s: Seconds after which a call is over, whatever becomes of it.
        """
        self._place = None if path is None else (path, _file_lock(path))
        self._limits: dict[str, Any] = {"at_once": at_once, "per_minute": per_minute}
        self._longest_call_s = longest_call_s
        self._mutex = threading.Lock()
        self._owner = secrets.token_hex(8)
        self._count = 0
        self._size = 0
        self._ask_at = 0.0
        self._calls: dict[tuple[str, int], _Call] = {}
        self._pace = Pace(**self._limits)

    @property
    def rate(self) -> float:
        """How many calls a second may begin, as far as this process has seen."""
        return self._pace.rate

    def next_at(self, now: float) -> float:
        """Return when to try to begin, as `time.monotonic()` tells time, all processes alike."""
        return max(now, self._ask_at)

    def begin(self, now: float) -> int | None:
        """Begin a call; return its ticket, or `None` where another process was first."""
        with self._mutex:
            # Somebody else's thread may have been told since.
            if now < self._ask_at:
                return None
            with self._file(now) as (write, now):
                at = self._pace.next_at(now)
                if at > now:
                    self._ask_at = min(at, now + LOOK_AGAIN_S)
                    return None
                self._count += 1
                self._calls[self._owner, self._count] = _Call(
                    self._owner,
                    self._count,
                    os.getpid(),
                    now + self._longest_call_s,
                    self._pace.begin(now),
                )
                write()
            return self._count

    def end(
        self, ticket: int, now: float, outcome: Outcome, *, retry_after_s: float | None = None
    ) -> None:
        """Say what came of a call, as `Pace.end` takes it."""
        with self._mutex, self._file(now) as (write, now):
            call = self._calls.pop((self._owner, ticket), None)
            # One that began in a file that is gone is not among those of the next.
            if call is not None:
                self._pace.end(call.ticket, now, outcome, retry_after_s=retry_after_s)
                write()
            self._ask_at = 0.0

    @contextmanager
    def _file(self, now: float) -> Iterator[tuple[Callable[[], None], float]]:
        """Read the file; give what writes it again, while nobody else reads or writes it.

        With it comes the time, which is never before that of those who were here before.
        """
        if self._place is None:
            yield _nothing, now
            return
        path, lock = self._place
        try:
            lock.acquire(_LOCK_S, poll_interval=_LOCK_POLL_S)
        except OSError as error:  # A `Timeout` too.
            self._go_alone(now, error)
            yield _nothing, now
            return
        try:
            try:
                now = self._read(path, now)
                self._end_those(now, _is_lost)
            except FileNotFoundError:
                self._forget()
            except OSError as error:
                self._go_alone(now, error)
            except _NONSENSE as error:
                logger.warning("%s is not what was written there; beginning anew: %r", path, error)
                self._forget()

            def write() -> None:
                try:
                    self._write(path, now)
                except OSError as error:
                    self._go_alone(now, error)

            yield write, now
        finally:
            lock.release()

    def _read(self, path: Path, now: float) -> float:
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES)
        self._size = len(content)
        known = json.loads(content)
        at = float(known["at"])
        if not -_AHEAD_S <= now - at <= FORGET_S:
            self._forget()
            return now
        calls = [_Call(**call) for call in known["calls"]]
        pace = Pace.from_state(known["pace"], **self._limits)
        self._pace = pace
        self._calls = {(call.owner, call.number): call for call in calls}
        return max(now, at)

    def _write(self, path: Path, now: float) -> None:
        calls = [structs.asdict(call) for call in self._calls.values()]
        text = json.dumps({"at": now, "pace": self._pace.state(), "calls": calls})
        # In one piece over what was there, with spaces up to its end: what ends this process leaves
        # the one or the other. To put another file in its place takes a millisecond longer.
        with open(_open(path), "wb") as file:
            file.write(text.encode("ascii").ljust(self._size))

    def _forget(self) -> None:
        self._pace = Pace(**self._limits)
        self._calls = {}

    def _go_alone(self, now: float, error: OSError) -> None:
        logger.warning("the pace is not shared with other processes: %s", error)
        # For good: each call would wait as long for a process that was stopped while it had the
        # file, and of a file that cannot be written nothing new is learnt.
        self._place = None
        # Nobody will say when the calls of others end.
        self._end_those(now, lambda call, now: call.owner != self._owner)

    def _end_those(self, now: float, is_meant: Callable[[_Call, float], bool]) -> None:
        for name, call in list(self._calls.items()):
            if is_meant(call, now):
                del self._calls[name]
                self._pace.end(call.ticket, now, "failed")


def shared_pace(
    config: Config, model: str, *, at_once: int | None, per_minute: float | None
) -> SharedPace:
    """Return the pace of an account and a model on this machine.

    Raises:
        ImportError: The extra `batch` is not installed.
    """
    # Machines may share a folder, but neither a clock nor, surely, a lock.
    text = f"{platform.node()}\n{config.base_url}\n{model}"
    name = hmac.new(config.key.encode(), text.encode(), "sha256").hexdigest()[:32]
    try:
        path = _folder() / f"{name}.json"
    except OSError as error:
        logger.warning("the pace is not shared with other processes: %s", error)
        path = None
    return SharedPace(
        path,
        at_once=at_once,
        per_minute=per_minute,
        longest_call_s=config.timeouts.total_s,
    )


def _folder() -> Path:
    """Return the folder of this user's paces.

    Raises:
        OSError: There is none, or others may look into it.
    """
    # Of temporary files, which are gone when the machine begins anew, as its clock does.
    user = os.getuid() if _CAN_ASK else "user"
    folder = Path(tempfile.gettempdir(), f"together-speech-{user}")
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    is_private = not _CAN_ASK or (found.st_uid == user and not found.st_mode & 0o077)
    # A link of somebody else's is theirs.
    if not is_private:
        raise PermissionError(f"{folder} is no folder that only you may use")
    return folder


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)


def _file_lock(path: Path) -> "FileLock":
    try:
        from filelock import FileLock
    except ImportError as error:
        raise ImportError(needs("a worker", "filelock", "batch")) from error
    # One thread at a time has it, by our own lock, and not always the same.
    return FileLock(path.with_suffix(".lock"), mode=0o600, thread_local=False)


def _is_lost(call: _Call, now: float) -> bool:
    """Whether nobody will say that a call has ended."""
    return call.until < now or _is_gone(call.pid)


def _is_gone(pid: int) -> bool:
    """Whether there is no such process any more, where that can be asked."""
    try:
        if _CAN_ASK:
            os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        # It is there, and another user's.
        return False
    return False


def _nothing() -> None:
    """Write nothing."""
