"""One pace for the processes of a machine: a file that they share, whatever becomes of it."""

import itertools
import json
import os
import pickle
import platform
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import pytest
from filelock import FileLock

from facade._extras import needs
from facade._rules.pacing import Outcome
from facade._rules.retry import RetryPolicy
from facade._transport import shared_pace
from facade._transport.config import Config, Timeouts, secret
from facade._transport.shared_pace import FORGET_S, LOOK_AGAIN_S, SharedPace
from tests.conftest import KEY

NOW = 1000.0


class Room:
    """A rule with nothing in it but room for so many."""

    def __init__(self, *, at_once: int | None = None, per_minute: float | None = None) -> None:
        self._at_once = at_once or 2
        self.rate = per_minute or 1.0
        self.under_way: dict[int, str] = {}
        self.outcomes: list[str] = []
        self._count = 0

    def next_at(self, now: float) -> float:
        return now if len(self.under_way) < self._at_once else float("inf")

    def begin(self, now: float) -> int:
        self._count += 1
        self.under_way[self._count] = "under way"
        return self._count

    def end(
        self,
        ticket: int,
        now: float,
        outcome: Outcome,
        *,
        retry_after_s: float | None = None,
    ) -> None:
        del self.under_way[ticket]
        self.outcomes.append(f"{outcome} {retry_after_s}" if retry_after_s else outcome)

    def state(self) -> dict[str, Any]:
        return {
            "under_way": list(self.under_way),
            "outcomes": self.outcomes,
            "count": self._count,
            "rate": self.rate,
        }

    @classmethod
    def from_state(
        cls, state: Mapping[str, Any], *, at_once: int | None, per_minute: float | None
    ) -> Self:
        room = cls(at_once=at_once, per_minute=per_minute)
        room.under_way = dict.fromkeys(map(int, state["under_way"]), "under way")
        room.outcomes = list(state["outcomes"])
        room._count = state["count"]
        room.rate = state["rate"]
        return room


def a_pace(path: Path | None, *, longest_call_s: float = 600.0, **limits: Any) -> SharedPace:
    limits = {"at_once": None, "per_minute": None, **limits}
    return SharedPace(path, longest_call_s=longest_call_s, **limits)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file for paces whose rule is that of a room."""
    monkeypatch.setattr(shared_pace, "Pace", Room)
    return tmp_path / "pace.json"


def written(path: Path) -> Any:
    return json.loads(path.read_text("ascii"))


def test_room_is_shared(path: Path) -> None:
    one, other = a_pace(path), a_pace(path)
    assert one.next_at(NOW) == NOW
    ticket = one.begin(NOW)
    assert ticket is not None
    assert other.begin(NOW) is not None
    assert one.begin(NOW) is None
    assert other.begin(NOW) is None
    one.end(ticket, NOW, "succeeded")
    # Nobody tells the other, who looks again.
    assert other.next_at(NOW) == NOW + LOOK_AGAIN_S
    assert other.begin(NOW) is None
    assert other.begin(NOW + LOOK_AGAIN_S) is not None


def test_what_one_learns_all_know(path: Path) -> None:
    one, other = a_pace(path, per_minute=5.0), a_pace(path)
    ticket = one.begin(NOW)
    assert ticket is not None
    one.end(ticket, NOW, "throttled", retry_after_s=3.0)
    assert other.begin(NOW) is not None
    assert other.rate == 5.0
    assert written(path)["pace"]["outcomes"] == ["throttled 3.0"]


def test_a_time_to_come_is_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pace = a_pace(path)
    monkeypatch.setattr(Room, "next_at", lambda self, now: max(now, NOW + 0.01))
    assert pace.begin(NOW) is None
    assert pace.next_at(NOW) == NOW + 0.01
    assert pace.begin(NOW + 0.01) is not None


def test_limits_are_everyones_own(path: Path) -> None:
    one, other = a_pace(path, at_once=1), a_pace(path, at_once=3)
    assert other.begin(NOW) is not None
    assert one.begin(NOW) is None
    assert other.begin(NOW) is not None


def test_threads_share_it_too(path: Path) -> None:
    paces = [a_pace(path, at_once=5) for _ in range(3)]
    # Whatever is behind has its turn late, and nothing is forgotten for that.
    clock = itertools.count(NOW, 0.001)
    under_way: list[int] = []
    most = []

    def work(pace: SharedPace) -> None:
        done = 0
        while done < 20:
            ticket = pace.begin(next(clock))
            if ticket is not None:
                under_way.append(ticket)
                most.append(len(under_way))
                under_way.remove(ticket)
                pace.end(ticket, next(clock), "succeeded")
                done += 1

    threads = [threading.Thread(target=work, args=(pace,)) for pace in paces * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) <= 5
    assert written(path)["calls"] == []
    assert written(path)["pace"]["outcomes"] == ["succeeded"] * 240


def test_time_never_goes_back_for_the_pace(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = []

    def next_at(room: Room, now: float) -> float:
        times.append(now)
        return now

    monkeypatch.setattr(Room, "next_at", next_at)
    a_pace(path).begin(NOW)
    # Who had to wait for the file comes with a time from before.
    a_pace(path).begin(NOW - 0.1)
    assert times == [NOW, NOW]
    assert len(written(path)["calls"]) == 2


@pytest.mark.parametrize(
    "found",
    [
        b"",
        b'{"at": 1000.0, "pace": {"under',
        b"[]",
        b"null",
        b"7",
        b"{}",
        b"[" * 200_000,
        b"\xff\xfe",
        pickle.dumps({"at": NOW}),
        b'{"at": "then", "pace": {}, "calls": []}',
        b'{"at": 1000.0, "pace": {}, "calls": []}',
        b'{"at": 1000.0, "pace": 7, "calls": []}',
        b'{"at": 1000.0, "pace": {}, "calls": [{"who": 1}]}',
        b'{"at": 1000.0, "pace": {}, "calls": 7}',
    ],
)
def test_what_cannot_be_read_is_forgotten(
    path: Path, found: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_bytes(found)
    assert a_pace(path).begin(NOW) is not None
    assert "is not what was written there" in caplog.text
    assert len(written(path)["calls"]) == 1


@pytest.mark.parametrize(
    ("where", "change"),
    [
        ("pace", {"_rate": 0}),
        ("pace", {"_now": 10**400}),
        ("call", {"pid": 2**70}),
        ("call", {"pid": "mine"}),
        ("call", {"until": "then"}),
        ("call", {"until": 0, "ticket": 7}),
    ],
)
def test_numbers_that_cannot_be_are_forgotten(
    tmp_path: Path, where: str, change: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "pace.json"
    one = a_pace(path)
    ticket = one.begin(NOW)
    assert ticket is not None
    known = written(path)
    (known["pace"] if where == "pace" else known["calls"][0]).update(change)
    path.write_text(json.dumps(known))
    # Another would have to wait.
    assert a_pace(path).begin(NOW) is not None
    assert "is not what was written there" in caplog.text
    one.end(ticket, NOW, "succeeded")
    assert len(written(path)["calls"]) == 1


def test_a_limit_ends_with_who_had_it(tmp_path: Path) -> None:
    path = tmp_path / "pace.json"
    limited, other = a_pace(path, per_minute=4), a_pace(path)
    ticket = limited.begin(NOW)
    assert ticket is not None
    limited.end(ticket, NOW, "succeeded")
    assert limited.begin(NOW + 1) is None
    assert other.begin(NOW + 1) is not None
    assert other.rate == 2.0
    # ... and holds, for who has it, whoever began the last call.
    assert limited.begin(NOW + 15) is None
    assert limited.begin(NOW + 17) is not None


@pytest.mark.parametrize("now", [NOW - 61, NOW + FORGET_S + 1])
def test_what_is_old_or_of_another_clock_is_forgotten(path: Path, now: float) -> None:
    one = a_pace(path)
    ticket = one.begin(NOW)
    assert ticket is not None
    one.begin(NOW)
    assert a_pace(path).begin(now) is not None
    assert len(written(path)["calls"]) == 1
    # What began before ends without a word.
    one.end(ticket, now, "succeeded")
    assert written(path)["pace"]["outcomes"] == []


def test_it_is_not_forgotten_before(path: Path) -> None:
    one = a_pace(path, longest_call_s=2 * FORGET_S)
    one.begin(NOW)
    one.begin(NOW)
    assert a_pace(path).begin(NOW + FORGET_S) is None


def test_what_there_is_less_of_leaves_nothing_behind(path: Path) -> None:
    pace = a_pace(path, at_once=20)
    tickets = [pace.begin(NOW) for _ in range(20)]
    size = path.stat().st_size
    for ticket in tickets:
        assert ticket is not None
        pace.end(ticket, NOW, "failed")
    assert written(path)["calls"] == []
    assert path.stat().st_size == size


def test_a_ticket_of_another_is_none_of_ours(path: Path) -> None:
    one, other = a_pace(path), a_pace(path)
    ticket = one.begin(NOW)
    assert ticket is not None
    other.end(ticket, NOW, "succeeded")
    assert len(written(path)["calls"]) == 1


_KILLED = """
import os, signal, sys, time
from pathlib import Path
from facade._transport import shared_pace
from tests.batch.test_shared_pace import NOW, Room, a_pace
shared_pace.Pace = Room
pace = a_pace(Path(sys.argv[1]))
assert pace.begin(NOW) and pace.begin(NOW)
print("begun", flush=True)
sys.stdin.read()
"""


def test_the_calls_of_a_process_that_was_killed_are_forgotten(path: Path) -> None:
    run = [sys.executable, "-c", _KILLED, str(path)]
    with subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        pace = a_pace(path)
        assert pace.begin(NOW) is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert pace.begin(NOW + LOOK_AGAIN_S) is not None
    assert written(path)["pace"]["outcomes"] == ["failed"] * 2


def test_a_call_that_takes_longer_than_it_can_is_forgotten(path: Path) -> None:
    one, other = a_pace(path, longest_call_s=10), a_pace(path)
    tickets = [one.begin(NOW), one.begin(NOW)]
    assert other.begin(NOW + 10) is None
    assert other.begin(NOW + 11) is not None
    assert tickets[0] is not None
    one.end(tickets[0], NOW + 12, "succeeded")
    assert len(written(path)["pace"]["outcomes"]) == 2


def test_a_process_is_gone_where_nobody_has_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def kill(pid: int, number: int) -> None:
        assert number == 0
        raise (ProcessLookupError if pid == 1 else PermissionError)

    monkeypatch.setattr(os, "kill", kill)
    assert shared_pace._is_gone(1)
    assert not shared_pace._is_gone(2)
    monkeypatch.setattr(shared_pace, "_CAN_ASK", False)
    assert not shared_pace._is_gone(1)


# --- where it lies -------------------------------------------------------------------------------


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def of_account(
    key: str = KEY, base_url: str = "https://api.example.com/v1", model: str = "one"
) -> SharedPace:
    config = Config.read(
        key=secret(key),
        base_url=base_url,
        timeouts=Timeouts(),
        retry=RetryPolicy(),
        max_audio_bytes=1,
        validate_voices=True,
        headers=None,
        httpx_args=None,
        insecure_hosts=(),
    )
    return shared_pace.shared_pace(config, model, at_once=1, per_minute=None)


def test_only_the_user_may_read_it(temporary: Path) -> None:
    assert of_account().begin(NOW) is not None
    (folder,) = temporary.iterdir()
    assert folder.name == f"together-speech-{os.getuid()}"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = {file.suffix: file for file in folder.iterdir()}
    assert ".json" in files
    for file in files.values():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_there_is_one_for_each_account_and_model(temporary: Path) -> None:
    for pace in (of_account(), of_account()):
        pace.begin(NOW)
    (folder,) = temporary.iterdir()
    assert len(list(folder.glob("*.json"))) == 1
    of_account(key="another").begin(NOW)
    of_account(base_url="https://api.example.com/v2").begin(NOW)
    of_account(model="another").begin(NOW)
    assert len(list(folder.glob("*.json"))) == 4
    for file in folder.iterdir():
        text = file.name.encode() + file.read_bytes()
        assert KEY.encode() not in text
        assert b"example" not in text


def test_there_is_one_for_each_machine(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of_account().begin(NOW)
    monkeypatch.setattr(platform, "node", lambda: "elsewhere")
    of_account().begin(NOW)
    (folder,) = temporary.iterdir()
    assert len(list(folder.glob("*.json"))) == 2


@pytest.mark.parametrize("kind", ["open to all", "a link", "a file"])
def test_a_folder_of_others_is_not_used(
    temporary: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = temporary / f"together-speech-{os.getuid()}"
    if kind == "open to all":
        folder.mkdir()
        folder.chmod(0o755)
    elif kind == "a link":
        (temporary / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(temporary / "elsewhere")
    else:
        folder.touch(mode=0o700)
    pace = of_account()
    assert "not shared" in caplog.text
    ticket = pace.begin(NOW)
    assert ticket is not None
    assert pace.begin(NOW) is None
    pace.end(ticket, NOW, "succeeded")
    assert pace.begin(NOW + 1) is not None
    assert list(temporary.rglob("*.json")) == []


def test_a_folder_of_another_user_is_not_used(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert of_account().begin(NOW) is not None
    assert "only you may use" in caplog.text


def test_where_users_have_no_numbers_the_folder_is_theirs(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_pace, "_CAN_ASK", False)
    assert of_account().begin(NOW) is not None
    assert [folder.name for folder in temporary.iterdir()] == ["together-speech-user"]


# --- without it ----------------------------------------------------------------------------------


def test_it_goes_on_alone_while_somebody_keeps_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shared_pace, "_LOCK_S", 0.02)
    one, other = a_pace(path), a_pace(path)
    ours, theirs = one.begin(NOW), other.begin(NOW)
    assert one.begin(NOW) is None
    with FileLock(path.with_suffix(".lock")):
        now = NOW + LOOK_AGAIN_S
        # Nobody would say that the other's call has ended, so it does not count.
        assert one.begin(now) is not None
        assert "not shared" in caplog.text
        assert one.begin(now) is None
        assert ours is not None
        one.end(ours, now, "succeeded")
        assert one.begin(now) is not None
    # It is told once, and nobody waits for the file again.
    assert one.begin(now + LOOK_AGAIN_S) is None
    assert caplog.text.count("not shared") == 1
    assert theirs is not None
    other.end(theirs, now, "succeeded")
    assert [call["owner"] for call in written(path)["calls"]] == [one._owner]


@pytest.mark.parametrize("act", ["read", "write"])
def test_it_goes_on_alone_where_the_disk_fails(
    path: Path, act: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pace = a_pace(path)
    first = pace.begin(NOW)
    assert first is not None

    def fail(*arguments: object) -> None:
        raise OSError("the disk is full")

    if act == "read":
        monkeypatch.setattr(Path, "open", fail)
    else:
        monkeypatch.setattr(shared_pace, "_open", fail)
    assert pace.begin(NOW) is not None
    assert "the disk is full" in caplog.text
    # Its own calls count all the same.
    assert pace.begin(NOW) is None
    pace.end(first, NOW, "succeeded")
    assert pace.begin(NOW) is not None


def test_it_needs_the_extra(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "filelock", None)
    with pytest.raises(ImportError) as raised:
        a_pace(path)
    assert str(raised.value) == needs("a worker", "filelock", "batch")
