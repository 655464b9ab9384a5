"""Speech while it is being spoken: an iterator of samples, synchronous or asynchronous."""

import os
import warnings
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Generic, Self, TypeVar

from facade._body import AsyncChunks, Chunks, SyncChunks
from facade._failures import BODY_LIMIT, failure_in_place_of_stream, is_event_stream
from facade._stream import StreamDecoder, WordTiming
from facade.audio import SpeechAudio, atomic_file, header_for, needs_header
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

_Chunks = TypeVar("_Chunks", bound=Chunks)
_Source = TypeVar("_Source", bound="_SourceOf[Any]")


class _Stream(Generic[_Source]):
    """What the two kinds of stream share: everything but waiting."""

    def __init__(self, form: AudioFormat, max_audio_bytes: int, lost: "deque[_Source]") -> None:
        self._format = form
        self._max_audio_bytes = max_audio_bytes
        self._lost = lost
        self._source: _Source | None = None
        self._use = ""

    @property
    def format(self) -> AudioFormat:
        """What the samples are; known before the first of them."""
        return self._format

    @property
    def words(self) -> Sequence[WordTiming]:
        """When each word is spoken, as far as that has come; it comes with `alignment="word"`."""
        return self._source.decoder.words if self._source else ()

    @property
    def bytes_received(self) -> int:
        """Bytes of audio so far."""
        return self._source.decoder.audio_bytes if self._source else 0

    @property
    def duration_s(self) -> float | None:
        """Seconds of audio so far, or `None` where the format is not known."""
        return self._format.pcm_duration_s(self.bytes_received)

    @property
    def request_id(self) -> str | None:
        """The answer's `x-request-id`, for questions to the service's support."""
        return self._source.chunks.call.headers.get("x-request-id") if self._source else None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._format}, {self.bytes_received} bytes so far>"

    def __del__(self) -> None:
        # A connection must not be closed here: this may run at any moment in any thread, also while
        # that thread holds the lock of the pool. The client closes it at its next call.
        source = getattr(self, "_source", None)
        if source is not None and not source.is_over:
            source.chunks.hang_up()
            self._lost.append(source)
            warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)

    def _take(self, use: str) -> None:
        if self._use:
            raise SpeechError(
                f"this stream has been {self._use}, and its audio comes only once; call stream() "
                "again, or keep what read() returns"
            )
        self._use = use

    def _take_for_iterating(self) -> None:
        # An iterator gives itself as often as it is asked to (`b"".join` asks twice), and may be
        # gone on with; only at its end does a second loop have nothing to come.
        if self._use != "iterated over" or (self._source and self._source.is_over):
            self._take("iterated over")

    def _target(self, path: str | os.PathLike[str]) -> tuple[Path, bool]:
        """Return where to save to, and whether with a header; nothing is sent if that cannot be."""
        target = Path(path)
        has_header = needs_header(target, self._format)
        if has_header:
            header_for(self._format, 0)
        self._take("saved")
        return target, has_header

    def _begin_file(self, file: BinaryIO, *, has_header: bool) -> None:
        if has_header:
            # The size is not known yet; a file that cannot be rewound keeps "to the end".
            file.write(header_for(self._format, 0xFFFFFFFF))

    def _end_file(self, file: BinaryIO, *, has_header: bool) -> None:
        if has_header and file.seekable():
            file.write(b"\0" * (self.bytes_received % 2))
            file.seek(0)
            file.write(header_for(self._format, self.bytes_received))

    def _check_size(self) -> None:
        if self.bytes_received > self._max_audio_bytes:
            raise APIConnectionError(
                f"the audio is larger than max_audio_bytes={self._max_audio_bytes}; iterate over "
                "the stream, or save it",
                bytes_received=self.bytes_received,
                request_id=self.request_id,
            )

    def _audio(self, pieces: list[bytes]) -> SpeechAudio:
        return SpeechAudio(b"".join(pieces), self._format, self.request_id)


class SpeechStream(_Stream["SyncSource"]):
    """Speech while it is being spoken: an iterator of `bytes`, each of whole samples.

    Use it in a `with` (`async with`) block, which sends the request, waits for the first audio, and
    at its end closes the connection if the stream was left early. Without one, the request is sent
    when the first samples are asked for, and a stream that is left early must be closed by hand.

    Iterate over it, or `save` it, or `read` it whole: one of the three, once.
    """

    def __init__(
        self,
        open_source: "Callable[[], SyncSource]",
        form: AudioFormat,
        max_audio_bytes: int,
        lost: "deque[SyncSource]",
    ) -> None:
        super().__init__(form, max_audio_bytes, lost)
        self._open_source = open_source

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the audio to a file as it comes, in constant memory.

        The file appears whole or not at all. Under a name that ends in `.wav` it gets a header with
        the true sizes; under any other it holds the samples alone.

        Args:
            path: Where to. The folder must exist.

        Returns:
            The path.

        Raises:
            InvalidRequestError: The name says that the file holds something else, or not enough is
                known of the samples for a header.
            SpeechError: The stream failed, or its audio has been taken already.
            OSError: The file cannot be written.
        """
        target, has_header = self._target(path)
        source = self._opened()
        with atomic_file(target) as file:
            self._begin_file(file, has_header=has_header)
            while (piece := source.next()) is not None:
                file.write(piece)
            self._end_file(file, has_header=has_header)
        return target

    def read(self) -> SpeechAudio:
        """Wait for all of the audio and return it, as raw samples.

        Raises:
            SpeechError: The stream failed, its audio has been taken already, or it is larger than
                the client's `max_audio_bytes`.
        """
        self._take("read")
        source = self._opened()
        pieces = []
        while (piece := source.next()) is not None:
            pieces.append(piece)
            self._check_size()
        return self._audio(pieces)

    def close(self) -> None:
        """Close the connection, if the stream has not come to its end."""
        self._use = self._use or "closed"
        if self._source:
            self._source.close()

    def __enter__(self) -> Self:
        self._opened()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Self:
        self._take_for_iterating()
        return self

    def __next__(self) -> bytes:
        self._use = self._use or "iterated over"
        piece = self._opened().next()
        if piece is None:
            raise StopIteration
        return piece

    def _opened(self) -> "SyncSource":
        if self._source is None:
            if self._use == "closed":
                self._take("opened")
            self._source = self._open_source()
        return self._source


class AsyncSpeechStream(_Stream["AsyncSource"]):
    """Speech while it is being spoken: an iterator of `bytes`, each of whole samples.

    Use it in a `with` (`async with`) block, which sends the request, waits for the first audio, and
    at its end closes the connection if the stream was left early. Without one, the request is sent
    when the first samples are asked for, and a stream that is left early must be closed by hand.

    Iterate over it, or `save` it, or `read` it whole: one of the three, once.
    """

    def __init__(
        self,
        open_source: "Callable[[], Awaitable[AsyncSource]]",
        form: AudioFormat,
        max_audio_bytes: int,
        lost: "deque[AsyncSource]",
    ) -> None:
        super().__init__(form, max_audio_bytes, lost)
        self._open_source = open_source

    async def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the audio to a file as it comes, in constant memory.

        The file appears whole or not at all. Under a name that ends in `.wav` it gets a header with
        the true sizes; under any other it holds the samples alone.

        Args:
            path: Where to. The folder must exist.

        Returns:
            The path.

        Raises:
            InvalidRequestError: The name says that the file holds something else, or not enough is
                known of the samples for a header.
            SpeechError: The stream failed, or its audio has been taken already.
            OSError: The file cannot be written.
        """
        target, has_header = self._target(path)
        source = await self._opened()
        with atomic_file(target) as file:
            self._begin_file(file, has_header=has_header)
            while (piece := await source.next()) is not None:
                file.write(piece)
            self._end_file(file, has_header=has_header)
        return target

    async def read(self) -> SpeechAudio:
        """Wait for all of the audio and return it, as raw samples.

        Raises:
            SpeechError: The stream failed, its audio has been taken already, or it is larger than
                the client's `max_audio_bytes`.
        """
        self._take("read")
        source = await self._opened()
        pieces = []
        while (piece := await source.next()) is not None:
            pieces.append(piece)
            self._check_size()
        return self._audio(pieces)

    async def aclose(self) -> None:
        """Close the connection, if the stream has not come to its end."""
        self._use = self._use or "closed"
        if self._source:
            await self._source.close()

    async def __aenter__(self) -> Self:
        await self._opened()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        self._take_for_iterating()
        return self

    async def __anext__(self) -> bytes:
        self._use = self._use or "iterated over"
        piece = await (await self._opened()).next()
        if piece is None:
            raise StopAsyncIteration
        return piece

    async def _opened(self) -> "AsyncSource":
        if self._source is None:
            if self._use == "closed":
                self._take("opened")
            self._source = await self._open_source()
        return self._source


class _SourceOf(Generic[_Chunks]):
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
        self._pieces: Iterator[bytes] = iter(())
        self._first: bytes | None = None

    def _decode(self, chunk: bytes | None) -> None:
        self._pieces = self.decoder.finish() if chunk is None else self.decoder.feed(chunk)

    def _check_open(self) -> None:
        if self.is_over and not self.decoder.has_ended:
            raise SpeechError("this stream was closed before its end; call stream() again")

    def _wait_for_more(self) -> None:
        """Let the time for the next audio run, which the application's own work is no part of."""
        call = self.chunks.call
        call.resume("read_s", call.timeouts.read_s)

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


class SyncSource(_SourceOf[SyncChunks]):
    """Where a `SpeechStream` has its audio from."""

    def begin(self) -> Self:
        """Wait for the first audio, so that a failure before it can still be repeated."""
        try:
            head = self._chunk()
            if head is not None and not is_event_stream(self.chunks.call.headers, head):
                while len(head) < BODY_LIMIT and (more := self._chunk()) is not None:
                    head += more
                raise failure_in_place_of_stream(self.chunks.call.headers, self.chunks.redact(head))
            self._decode(head)
            self._first = self._advance()
        except BaseException:
            self.close()
            raise
        self.chunks.call.pause()
        return self

    def next(self) -> bytes | None:
        """Wait for the next samples; return `None` after the last."""
        first, self._first = self._first, None
        if first is not None or self.is_over:
            self._check_open()
            return first
        try:
            return self._advance(is_begun=True)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Read no more."""
        self.is_over = True
        self.chunks.close()

    def _advance(self, *, is_begun: bool = False) -> bytes | None:
        has_waited = False
        while (piece := next(self._pieces, None)) is None:
            if self.decoder.has_ended:
                self._read_rest()
                return None
            if is_begun and not has_waited:
                self._wait_for_more()
                has_waited = True
            self._decode(self._chunk())
        if has_waited:
            self.chunks.call.pause()
        return piece

    def _chunk(self) -> bytes | None:
        try:
            return self.chunks.next()
        except APIConnectionError as error:
            raise self._interrupted(error)  # noqa: B904 - it has its cause

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


class AsyncSource(_SourceOf[AsyncChunks]):
    """Where a `AsyncSpeechStream` has its audio from."""

    async def begin(self) -> Self:
        """Wait for the first audio, so that a failure before it can still be repeated."""
        try:
            head = await self._chunk()
            if head is not None and not is_event_stream(self.chunks.call.headers, head):
                while len(head) < BODY_LIMIT and (more := await self._chunk()) is not None:
                    head += more
                raise failure_in_place_of_stream(self.chunks.call.headers, self.chunks.redact(head))
            self._decode(head)
            self._first = await self._advance()
        except BaseException:
            await self.close()
            raise
        self.chunks.call.pause()
        return self

    async def next(self) -> bytes | None:
        """Wait for the next samples; return `None` after the last."""
        first, self._first = self._first, None
        if first is not None or self.is_over:
            self._check_open()
            return first
        try:
            return await self._advance(is_begun=True)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Read no more."""
        self.is_over = True
        await self.chunks.close()

    async def _advance(self, *, is_begun: bool = False) -> bytes | None:
        has_waited = False
        while (piece := next(self._pieces, None)) is None:
            if self.decoder.has_ended:
                await self._read_rest()
                return None
            if is_begun and not has_waited:
                self._wait_for_more()
                has_waited = True
            self._decode(await self._chunk())
        if has_waited:
            self.chunks.call.pause()
        return piece

    async def _chunk(self) -> bytes | None:
        try:
            return await self.chunks.next()
        except APIConnectionError as error:
            raise self._interrupted(error)  # noqa: B904 - it has its cause

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
