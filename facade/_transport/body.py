"""The body of an answer while it comes in: counted, timed, and inflated within bounds."""

import zlib
from collections.abc import Iterator
from typing import Any

from facade._transport.call import Call
from facade._transport.config import Config
from facade._transport.exceptions import facts_of
from facade.errors import APIConnectionError

# What is inflated at once, so that the time is looked at, and others get their turn, in between.
_PIECE = 64 * 1024
# The most that what comes at once, 64 KB at most, may become. Speech hardly shrinks.
_MOST_AT_ONCE = 16 * 1024 * 1024


class Body:
    """The body of one answer.

    Compression is not asked for, and some servers use it all the same.

    Attributes:
        is_plain: Whether it comes as it is.
    """

    def __init__(self, call: Call, config: Config, limit: int | None) -> None:
        """Begin a body.

        Args:
            call: What it answers; its headers have come.
            config: For messages.
            limit: The most bytes to accept, after decompression; `None` for no limit.
        """
        self._call = call
        self._config = config
        self._limit = limit
        self._taken = 0
        self._inflater: Any = None
        self._encoding = call.headers.get("content-encoding", "").strip()
        encoding = self._encoding.lower()
        self.is_plain = encoding in ("", "identity")
        if encoding in ("gzip", "x-gzip", "deflate"):
            self._inflater = zlib.decompressobj(15 if encoding == "deflate" else 31)

    def expect(self, length: str) -> None:
        """Refuse a body by what its head says of its length, before any of it is read.

        Raises:
            APIConnectionError: It is too large.
        """
        is_number = length.isdecimal() and len(length) < 20
        if is_number and self._limit is not None and int(length) > self._limit:
            raise self._too_large()

    def take(self, chunk: bytes) -> Iterator[bytes]:
        """Give what has come, decompressed, in pieces.

        Raises:
            APIConnectionError: It cannot be decompressed, or is too large.
            httpcore.ReadTimeout: The call's time is over.
        """
        self._call.bytes_received += len(chunk)
        for piece in (chunk,) if self.is_plain else self._inflate(chunk):
            self._taken += len(piece)
            if self._limit is not None and self._taken > self._limit:
                raise self._too_large()
            self._call.check()
            self._call.note_arrival()
            yield piece

    def finish(self) -> None:
        """Note that nothing more comes.

        Raises:
            APIConnectionError: The compressed data are cut short.
        """
        if self._inflater is not None and self._call.bytes_received and not self._inflater.eof:
            raise self._broken("ends inside its compressed data")

    def _inflate(self, chunk: bytes) -> Iterator[bytes]:
        if self._inflater is None:
            raise self._broken(
                f"is encoded as {self._encoding!r}, though nothing of the kind was asked for"
            )
        inflated = 0
        while True:
            try:
                piece: bytes = self._inflater.decompress(chunk, _PIECE)
            except zlib.error as error:
                raise self._broken(f"cannot be decompressed: {error}") from error
            if self._inflater.unused_data:
                # It would be kept, however much of it there is.
                raise self._broken("goes on after its compressed data")
            inflated += len(piece)
            if inflated > _MOST_AT_ONCE:
                raise self._broken(f"becomes more than {_MOST_AT_ONCE} bytes out of a few")
            yield piece
            chunk = self._inflater.unconsumed_tail
            if not chunk and len(piece) < _PIECE:
                return

    def _too_large(self) -> APIConnectionError:
        return self._broken(f"is larger than max_audio_bytes={self._limit}")

    def _broken(self, how: str) -> APIConnectionError:
        return APIConnectionError(
            f"the answer of {self._config.address} {how}", **facts_of(self._call)
        )
