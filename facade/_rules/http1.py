"""Where an HTTP/1.1 answer ends in the bytes that a connection gives.

What comes after the end of an answer, before another request was sent, is nobody's answer: the
connection must not be used again, or it would be taken for the next one (RFC 9112, section 9.3).
The parser underneath keeps such bytes, and does not tell.
"""

import re

_LENGTH = re.compile(rb"\r?\ncontent-length:[ \t]*(\d{1,18})[ \t]*\r?\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r?\ntransfer-encoding:[^\n]*chunked[ \t]*\r?\n", re.IGNORECASE)
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_EMPTY = re.compile(rb"HTTP/1\.\d (204|304)")
_INTERIM = re.compile(rb"HTTP/1\.\d 1\d\d")
# A line longer than this is no line of an answer that the parser takes.
_LONGEST_LINE = 128 * 1024


class AnswerEnd:
    """Follows one answer. Feed it what comes, as it comes.

    It finds ends and no faults: an answer that cannot be read has no end here, and fails in the
    parser.

    Attributes:
        has_surplus: Whether bytes have come after the end.
    """

    def __init__(self) -> None:
        self.has_surplus = False
        self._rest = b""
        # What the next bytes are: those of a head, a chunk's size, trailers, or so many of a body.
        self._read = self._head
        self._left = 0

    def feed(self, data: bytes) -> None:
        """Take in what has come."""
        if self._left >= len(data) and not self._rest:
            # In the middle of a body, as most bytes are.
            self._left -= len(data)
            return
        data = self._rest + data
        self._rest = b""
        at = 0
        while at < len(data):
            if self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
                at += step
                continue
            end = self._read(data, at)
            if end is None:
                self._rest = data[at:]
                if len(self._rest) > _LONGEST_LINE:
                    self._rest, self._read = b"", self._ignore
                return
            at = end

    def _head(self, data: bytes, at: int) -> int | None:
        found = _HEAD_END.search(data, at)
        if found is None:
            return None
        head = data[at : found.end()]
        if _INTERIM.match(head):
            return found.end()
        self._read = self._ignore
        if _EMPTY.match(head):
            self._read = self._surplus
        elif _CHUNKED.search(head):
            self._read = self._size
        elif (length := _LENGTH.search(head)) is not None:
            self._left = int(length[1])
            self._read = self._surplus
        # Anything else ends with its connection.
        return found.end()

    def _size(self, data: bytes, at: int) -> int | None:
        end = data.find(b"\n", at)
        if end < 0:
            return None
        try:
            size = int(data[at:end].partition(b";")[0], 16)
        except ValueError:
            size = -1
        if size > 0:
            self._left = size
            self._read = self._size_after_data
        else:
            self._read = self._trailers if size == 0 else self._ignore
        return end + 1

    def _size_after_data(self, data: bytes, at: int) -> int | None:
        """Skip the line end behind a chunk."""
        end = data.find(b"\n", at)
        if end < 0:
            return None
        self._read = self._size
        return end + 1

    def _trailers(self, data: bytes, at: int) -> int | None:
        end = data.find(b"\n", at)
        if end < 0:
            return None
        if not data[at:end].strip():
            self._read = self._surplus
        return end + 1

    def _surplus(self, data: bytes, at: int) -> int:
        self.has_surplus = True
        return len(data)

    def _ignore(self, data: bytes, at: int) -> int:
        return len(data)
