"""Where a stream has its audio from: the bytes of an answer, decoded as they come.

The two kinds of source differ in nothing but how they wait.
"""

import itertools
from collections.abc import Iterator
from typing import Generic, Self, TypeVar

from facade._body import AsyncChunks, Chunks, SyncChunks
from facade._rules.stream_decoder import StreamDecoder
from facade.errors import (
    APIConnectionError,
    APITimeoutError,
    SpeechError,
    StreamInterruptedError,
)
from facade.formats import AudioFormat

# After the end mark the rest of the body is read, so that its connection can be used again: no more
# than so many bytes, and for no more than so many seconds.
_REST_BYTES = 64 * 1024
_REST_S = 0.25

_CLOSED = "this stream was closed before its end; call stream() again"

_Chunks = TypeVar("_Chunks", bound=Chunks)


class Source(Generic[_Chunks]):
    """A stream's bytes and their decoder.

    Attributes:
        chunks: The bytes.
        decoder: What makes audio of them.
        is_over: Whether nothing more will be read.
    """

    def __init__(self, chunks: _Chunks, form: AudioFormat) -> None:
        self.chunks = chunks
        self.decoder = StreamDecoder(form, chunks.call.headers, chunks.redact)
        self.is_over = False
        self._pieces: Iterator[bytes] | None = None

    def _decoded(self, chunk: bytes | None) -> Iterator[bytes]:
        return self.decoder.finish() if chunk is None else self.decoder.feed(chunk)

    def _put_back(self, piece: bytes | None) -> None:
        assert piece is not None  # noqa: S101 - a stream without audio raises
        self._pieces = itertools.chain((piece,), () if self._pieces is None else self._pieces)

    def _check_whole(self) -> None:
        if not self.decoder.has_ended:
            raise SpeechError(_CLOSED)

    def _interrupted(self, error: APIConnectionError) -> SpeechError:
        if isinstance(error, APITimeoutError):
            return error
        interrupted = StreamInterruptedError(
            error.message,
            bytes_received=self.decoder.audio_bytes,
            request_id=error.request_id,
            cf_ray=error.cf_ray,
        )
        interrupted.__cause__ = error
        return interrupted


class SyncSource(Source[SyncChunks]):
    """Where a `SpeechStream` has its audio from."""

    def begin(self) -> Self:
        """Wait for the first audio, so that a failure before it can still be repeated."""
        try:
            self._put_back(self.next())
            return self
        except APIConnectionError as error:
            self.close()
            raise self._interrupted(error)  # noqa: B904 - it has its cause
        except BaseException:
            self.close()
            raise

    def next(self) -> bytes | None:
        """Wait for the next samples; return `None` after the last."""
        try:
            while True:
                if self._pieces is not None:
                    piece = next(self._pieces, None)
                    if piece is not None:
                        break
                    self._pieces = None
                    if self.decoder.has_ended:
                        self._read_rest()
                if self.is_over:
                    self._check_whole()
                    return None
                chunk = self.chunks.next()
                piece = None if chunk is None else self.decoder.audio_of(chunk)
                if piece:
                    break
                if piece is None:
                    self._pieces = self._decoded(chunk)
        except APIConnectionError as error:
            chunk = None  # what the service sent may repeat the key
            was_closed = self.is_over
            self.close()
            if was_closed:
                # By another thread, meanwhile.
                raise SpeechError(_CLOSED) from error
            raise self._interrupted(error)  # noqa: B904 - it has its cause
        except BaseException:
            chunk = None
            self.close()
            raise
        # What the application does until it wants more is no part of any wait.
        self.chunks.call.is_paused = True
        return piece

    def close(self) -> None:
        """Read no more."""
        self.is_over = True
        self._pieces = None
        self.chunks.close()

    def _read_rest(self) -> None:
        self.chunks.call.wait_for("read_s", _REST_S)
        size = 0
        try:
            while size < _REST_BYTES and (chunk := self.chunks.next()) is not None:
                size += len(chunk)
        except SpeechError:
            # The audio is whole, and the connection is closed below.
            pass
        self.close()


class AsyncSource(Source[AsyncChunks]):
    """Where an `AsyncSpeechStream` has its audio from."""

    async def begin(self) -> Self:
        """Wait for the first audio, so that a failure before it can still be repeated."""
        try:
            self._put_back(await self.next())
            return self
        except APIConnectionError as error:
            await self.close()
            raise self._interrupted(error)  # noqa: B904 - it has its cause
        except BaseException:
            await self.close()
            raise

    async def next(self) -> bytes | None:
        """Wait for the next samples; return `None` after the last."""
        try:
            while True:
                if self._pieces is not None:
                    piece = next(self._pieces, None)
                    if piece is not None:
                        break
                    self._pieces = None
                    if self.decoder.has_ended:
                        await self._read_rest()
                if self.is_over:
                    self._check_whole()
                    return None
                chunk = await self.chunks.next()
                piece = None if chunk is None else self.decoder.audio_of(chunk)
                if piece:
                    break
                if piece is None:
                    self._pieces = self._decoded(chunk)
        except APIConnectionError as error:
            chunk = None  # what the service sent may repeat the key
            was_closed = self.is_over
            await self.close()
            if was_closed:
                # By another task, meanwhile.
                raise SpeechError(_CLOSED) from error
            raise self._interrupted(error)  # noqa: B904 - it has its cause
        except BaseException:
            chunk = None
            await self.close()
            raise
        # What the application does until it wants more is no part of any wait.
        self.chunks.call.is_paused = True
        return piece

    async def close(self) -> None:
        """Read no more."""
        self.is_over = True
        self._pieces = None
        await self.chunks.close()

    async def _read_rest(self) -> None:
        self.chunks.call.wait_for("read_s", _REST_S)
        size = 0
        try:
            while size < _REST_BYTES and (chunk := await self.chunks.next()) is not None:
                size += len(chunk)
        except SpeechError:
            # The audio is whole, and the connection is closed below.
            pass
        await self.close()
