"""The lines of `results.jsonl`: what came of each row, and how it is known again."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from facade._cli.output_names import same_file
from facade.errors import (
    BadRequestError,
    EmptyAudioError,
    InvalidRequestError,
    NotFoundError,
    RequestTooLargeError,
    UnprocessableEntityError,
)

# What the same request would meet again. All else is asked again by the next run: a limit, a lost
# connection, a service in trouble, a key without money, a full disk.
_FOR_GOOD = (
    BadRequestError,
    EmptyAudioError,
    InvalidRequestError,
    NotFoundError,
    RequestTooLargeError,
    UnprocessableEntityError,
)
# No file is larger, and no database takes a larger number.
_LARGEST = 1 << 63


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a row: a line of the file.

    Attributes:
        status: `"ok"` where the file is there, `"failed"` where the next run asks again,
            `"refused"` where it does so only when told to.
        path: The file, relative to the folder, with `/`.
        row: The row's place, from 1.
        id: The row's own name.
        model, voice: Who spoke.
        characters: How many were billed; 0 where none were.
        usd: Their price in dollars, `None` where it is not known.
        duration_s: Seconds of audio, `None` where that cannot be known.
        bytes, sha256: Of the file.
        request_id: The answer's `x-request-id`.
        attempts: Requests that were sent, `None` where the run that sent them was killed.
        seconds: From the first of them to the end.
        error: What went wrong.
        fingerprint: Of what was asked for.
        at: When the line was written.
    """

    status: Literal["ok", "failed", "refused"]
    path: str
    row: int
    id: str | None
    model: str
    voice: str
    characters: int
    usd: float | None
    duration_s: float | None = None
    bytes: int | None = None
    sha256: str | None = None
    request_id: str | None = None
    attempts: int | None = None
    seconds: float | None = None
    error: Mapping[str, str] | None = None
    fingerprint: str
    at: str


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a line of an earlier run says, as far as the next one needs it."""

    status: str
    path: str
    fingerprint: str
    bytes: int | None
    sha256: str | None
    error: str | None


def write_line(outcome: Outcome) -> bytes:
    """Return the line, with its end."""
    line = json.dumps(asdict(outcome), ensure_ascii=False)
    # A lone surrogate, as a service's words may have, comes out as JSON escapes it.
    return line.encode("utf-8", "backslashreplace") + b"\n"


def read_line(line: bytes) -> Earlier:
    """Read a line.

    Raises:
        ValueError: It is none.
    """
    found = json.loads(line)
    if not isinstance(found, dict):
        raise ValueError("it is no object")
    error = found.get("error")
    return Earlier(
        status=_typed(found, "status", str),
        path=_typed(found, "path", str),
        fingerprint=_typed(found, "fingerprint", str),
        bytes=_typed(found, "bytes", int | None),
        sha256=_typed(found, "sha256", str | None),
        error=_clean(str(error.get("message"))) if isinstance(error, dict) else None,
    )


def status_of(error: Exception) -> Literal["failed", "refused"]:
    """Say whether the same request would fail again."""
    return "refused" if isinstance(error, _FOR_GOOD) else "failed"


def ticket(name: str, asked: str) -> str:
    """Return the name of audio before it has its own, which is of one file and one request."""
    return hashlib.sha256(f"{same_file(name)}\0{asked}".encode()).hexdigest()[:32]


def moment(now: datetime) -> str:
    """Return a time as it stands in a line."""
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _typed(found: dict[str, Any], name: str, kind: Any) -> Any:
    value = found.get(name)
    if not isinstance(value, kind):
        raise ValueError(f"its {name!r} is {value!r}")
    if isinstance(value, int) and not 0 <= value < _LARGEST:
        raise ValueError(f"its {name!r} is no size of a file")
    return _clean(value) if isinstance(value, str) else value


def _clean(text: str) -> str:
    """Write out what is no character, as half a surrogate pair is, and no database takes."""
    return text.encode("utf-8", "backslashreplace").decode()
