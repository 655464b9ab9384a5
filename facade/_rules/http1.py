"""Where an HTTP/1.1 answer ends in the bytes that a connection gives.

What comes after the end of an answer, before another request was sent, is nobody's answer: the
connection must not be used again, or it would be taken for the next one (RFC 9112, section 9.3).
The parser underneath keeps such bytes, and does not tell.
"""

# Behind "HTTP/1.1 ".
_STATUS = slice(9, 12)
# A line longer than this is no line of an answer that the parser takes.
_LONGEST_LINE = 128 * 1024
_LONGEST_LENGTH = 18


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
        # Behind the last header is an empty line, whose line end may be either.
        end = data.find(b"\n\r\n", at)
        bare = data.find(b"\n\n", at, len(data) if end < 0 else end + 1)
        if bare >= 0:
            end = bare
        if end < 0:
            return None
        head = data[at : end + 1].lower()
        body = data.index(b"\n", end + 1) + 1
        status = head[_STATUS]
        if status.startswith(b"1"):
            return body
        # Said more than once, it is the same each time, or the parser refuses it.
        length = _value(head, b"\ncontent-length:").rpartition(b",")[2].strip()
        if status in (b"204", b"304"):
            self._read = self._surplus
        elif _value(head, b"\ntransfer-encoding:").endswith(b"chunked"):
            self._read = self._size
        elif length.isdigit() and len(length) <= _LONGEST_LENGTH:
            self._left = int(length)
            self._read = self._surplus
        else:
            # It ends with its connection.
            self._read = self._ignore
        return body

    def _size(self, data: bytes, at: int) -> int | None:
        end = data.find(b"\n", at)
        if 0 <= end <= at + 1:
            # The line end behind the chunk before.
            at = end + 1
            end = data.find(b"\n", at)
        if end < 0:
            return None
        try:
            size = int(data[at:end].partition(b";")[0], 16)
        except ValueError:
            size = -1
        if size > 0:
            # Most chunks are here whole.
            after = min(end + 1 + size, len(data))
            self._left = end + 1 + size - after
            return after
        self._read = self._trailers if size == 0 else self._ignore
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


def _value(head: bytes, name: bytes) -> bytes:
    """Return the value of a header, empty where there is none."""
    start = head.find(name)
    if start < 0:
        return b""
    start += len(name)
    return head[start : head.index(b"\n", start)].strip()
