"""Server-sent events out of bytes, by the rules of the WHATWG, however the bytes are cut.

Three things differ from a browser, which may lose events: one that the stream's end cuts off is
still given (by `SSEDecoder.finish`), one that has a type and no data is given, and one without end
is refused. Two mistakes of servers are read as they are meant: a byte-order mark before any line,
and, in a stream that has begun, a line of bare JSON, as a server writes it that fails half-way.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

# The largest event accepted: some minutes of uncompressed audio in one piece.
MAX_EVENT_BYTES = 32 * 1024 * 1024

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_DATA = b"data: "
# What a line costs besides its bytes, so that a million empty ones count too.
_LINE_BYTES = 64
_FIRST_NAME = re.compile(rb"(?:\xef\xbb\xbf|\s)*([^:\r\n]*)")
_COMMENT = re.compile(rb":[^\0-\x08\x0e-\x1f]*[\r\n]|:[^\0-\x08\x0e-\x1f]*$")
_NAMES = (b"", b"data", b"event", b"id", b"retry")


def begins_stream(head: bytes | bytearray) -> bool:
    """Whether a stream of events may begin with `head`."""
    first = _FIRST_NAME.match(head)
    assert first is not None  # noqa: S101 - nothing is enough for a match
    name = bytes(first[1])
    if first.end() == len(head):
        return any(known.startswith(name) for known in _NAMES)
    return name in _NAMES and (name != b"" or _COMMENT.match(head, first.end()) is not None)


class Event(NamedTuple):
    """An event: its type, empty where the stream names none, and its data."""

    type: bytes
    data: bytes


class OversizedEventError(ValueError):
    """An event is larger than `MAX_EVENT_BYTES`."""


class SSEDecoder:
    """Decodes one stream. Feed it the pieces as they come.

    Time is proportional to the bytes, whatever the pieces: no byte is searched twice for the same
    line end, and a piece of an unfinished line is copied once.
    """

    def __init__(self) -> None:
        self._unfinished: list[bytes] = []
        self._size = 0
        self._has_begun = False
        self._skip_line_feed = False
        self._type = b""
        self._data: list[bytes] = []

    def data_of(self, piece: bytes) -> bytes | None:
        """Give the data of the event that `piece` is; `None` where it must be fed to `feed`.

        Most pieces are one event and nothing else, which takes a third of the time to see. Such a
        piece may still be fed: nothing of it is kept.
        """
        if (
            piece[: len(_DATA)] == _DATA
            and piece[-2:] == b"\n\n"
            and len(piece) <= MAX_EVENT_BYTES
            and not self._size
        ):
            data = piece[len(_DATA) : -2]
            if b"\n" not in data and b"\r" not in data:
                self._has_begun = True
                return data
        return None

    def is_beginning(self, piece: bytes) -> bool:
        """Say whether an event begins with `piece`, and more of its first line is to come."""
        return (
            piece[: len(_DATA)] == _DATA
            and not self._size
            and b"\n" not in piece
            and b"\r" not in piece
        )

    def feed(self, piece: bytes) -> Iterator[Event]:
        """Give the events that `piece` completes.

        Raises:
            OversizedEventError: An event is larger than `MAX_EVENT_BYTES`.
        """
        size = len(piece)
        start = 0
        if self._skip_line_feed and size:
            start = 1 if piece.startswith(b"\n") else 0
            self._skip_line_feed = False
        # A line ends at a line feed, at a carriage return, or at both together.
        feed = _find(piece, b"\n", start)
        carriage = _find(piece, b"\r", start)
        while (end := min(feed, carriage)) < size:
            event = self._line(piece, start, end)
            start = end + 1
            if end == carriage:
                if start == size:
                    self._skip_line_feed = True
                elif start == feed:
                    start += 1
                carriage = _find(piece, b"\r", start)
            if feed < start:
                feed = _find(piece, b"\n", start)
            if event is not None:
                yield event
        if start < size:
            self._unfinished.append(piece[start:])
            self._grow(size - start)

    def finish(self) -> Event | None:
        """Give the event that the stream ended in, if it did."""
        if self._unfinished:
            self._line(b"", 0, 0)
        return self._dispatch()

    def _line(self, piece: bytes, start: int, end: int) -> Event | None:
        """Take in a line, which `piece` has the end of; give the event that it completes."""
        self._grow(end - start + _LINE_BYTES)
        # An event's audio is one line of up to some megabytes, which is copied no more than once.
        if self._unfinished:
            self._unfinished.append(piece[start:end])
            first = self._unfinished[0]
            if is_data := first.startswith(_DATA):
                self._unfinished[0] = first[len(_DATA) :]
            line = b"".join(self._unfinished)
            self._unfinished.clear()
        else:
            is_data = piece.startswith(_DATA, start, end)
            line = piece[start + len(_DATA) if is_data else start : end]
        if is_data:
            self._data.append(line)
            self._has_begun = True
            return None
        while line.startswith(_BYTE_ORDER_MARK):
            line = line[len(_BYTE_ORDER_MARK) :]
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
        elif name == b"event":
            self._type = value.removeprefix(b" ")
        elif name not in (b"", b"id", b"retry"):
            if self._has_begun and line.startswith(b"{"):
                self._data.append(line)
            # Any other name is unknown, and means nothing.
            return None
        self._has_begun = True
        return None

    def _dispatch(self) -> Event | None:
        event = Event(self._type, b"\n".join(self._data)) if self._data or self._type else None
        self._type = b""
        self._data.clear()
        self._size = 0
        return event

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > MAX_EVENT_BYTES:
            raise OversizedEventError(f"an event is larger than {MAX_EVENT_BYTES} bytes")


def _find(piece: bytes, byte: bytes, start: int) -> int:
    """Return where `byte` is, or the length of `piece`: the search then need not be repeated."""
    found = piece.find(byte, start)
    return len(piece) if found < 0 else found
