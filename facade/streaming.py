"""Speech while it is being spoken: an iterator of samples, synchronous or asynchronous."""

import os
import warnings
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Generic, Self, TypeVar

from facade._rules.stream_decoder import WordTiming
from facade._source import AsyncSource, Source, SyncSource
from facade.audio import SpeechAudio, atomic_file, header_for, needs_header
from facade.errors import APIConnectionError, SpeechError
from facade.formats import AudioFormat

_Source = TypeVar("_Source", bound=Source[Any])


class _Stream(Generic[_Source]):
    """What the two kinds of stream share: everything but waiting."""

    def __init__(self, form: AudioFormat, max_audio_bytes: int, lost: deque[_Source]) -> None:
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


class SpeechStream(_Stream[SyncSource]):
    """Speech while it is being spoken: an iterator of `bytes`, each of whole samples.

    Use it in a `with` (`async with`) block, which sends the request, waits for the first audio, and
    at its end closes the connection if the stream was left early. Without one, the request is sent
    when the first samples are asked for, and a stream that is left early must be closed by hand.

    Iterate over it, or `save` it, or `read` it whole: one of the three, once.
    """

    def __init__(
        self,
        open_source: Callable[[], SyncSource],
        form: AudioFormat,
        max_audio_bytes: int,
        lost: deque[SyncSource],
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
        piece = (self._source or self._opened()).next()
        if piece is None:
            raise StopIteration
        return piece

    def _opened(self) -> SyncSource:
        if self._source is None:
            if self._use == "closed":
                self._take("opened")
            self._source = self._open_source()
        return self._source


class AsyncSpeechStream(_Stream[AsyncSource]):
    """Speech while it is being spoken: an iterator of `bytes`, each of whole samples.

    Use it in a `with` (`async with`) block, which sends the request, waits for the first audio, and
    at its end closes the connection if the stream was left early. Without one, the request is sent
    when the first samples are asked for, and a stream that is left early must be closed by hand.

    Iterate over it, or `save` it, or `read` it whole: one of the three, once.
    """

    def __init__(
        self,
        open_source: Callable[[], Awaitable[AsyncSource]],
        form: AudioFormat,
        max_audio_bytes: int,
        lost: deque[AsyncSource],
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
        piece = await (self._source or await self._opened()).next()
        if piece is None:
            raise StopAsyncIteration
        return piece

    async def _opened(self) -> AsyncSource:
        if self._source is None:
            if self._use == "closed":
                self._take("opened")
            self._source = await self._open_source()
        return self._source
