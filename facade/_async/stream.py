"""Speech while it is being spoken: an iterator of samples."""

import os
import sys
import warnings
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from facade._async.reader import AsyncReader
from facade._rules.words import WordTiming
from facade.audio import (
    SpeechAudio,
    atomic_file,
    check_save_path,
    end_wav,
    header_for,
    needs_header,
)
from facade.errors import APIConnectionError, SpeechError
from facade.formats import AudioFormat

# Readers take it for "to the end of the file".
_UNKNOWN_SIZE = 0xFFFFFFFF
_AS_WAV = "taken as WAV"


class AsyncSpeechStream:
    """Speech while it is being spoken: an iterator of `bytes`, each of whole samples.

    Use it in an `async with` block, which sends the request, waits for the first audio, and at its
    end closes the connection if the stream was left early. Without one, the request is sent when
    the first samples are asked for, and a stream that is left early must be closed by hand.

    Iterate over it, or `save` it, or `read` it whole, or take it as `wav`: one of the four, once.
    """

    # What such a stream comes from.
    _origin = "stream"

    def __init__(
        self,
        open_reader: Callable[[], Awaitable[AsyncReader]],
        form: AudioFormat,
        max_audio_bytes: int,
        lost: deque[AsyncReader],
    ) -> None:
        self._open_reader = open_reader
        self._format = form
        self._max_audio_bytes = max_audio_bytes
        self._lost = lost
        self._reader: AsyncReader | None = None
        self._use = ""

    @property
    def format(self) -> AudioFormat:
        """What the samples are; known before the first of them."""
        return self._format

    @property
    def words(self) -> Sequence[WordTiming]:
        """When each word is spoken, as far as that has come; it comes with `alignment="word"`."""
        return self._reader.words if self._reader else ()

    @property
    def bytes_received(self) -> int:
        """Bytes of audio so far."""
        return self._reader.audio_bytes if self._reader else 0

    @property
    def duration_s(self) -> float | None:
        """Seconds of audio so far, or `None` where the format is not known."""
        return self._format.pcm_duration_s(self.bytes_received)

    @property
    def request_id(self) -> str | None:
        """The answer's `x-request-id`, for questions to the service's support."""
        return self._reader.request_id if self._reader else None

    async def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the audio to a file as it comes, in constant memory.

        The file appears whole or not at all. Under a name that ends in `.wav` it gets a header with
        the true sizes; under any other it holds the samples alone. Links and permissions are kept
        as by `SpeechAudio.save`. Where the path cannot be written to, nothing is sent.

        Args:
            path: Where to. The folder must exist.

        Returns:
            The path.

        Raises:
            InvalidRequestError: The name has a NUL in it, or says that the file holds something
                else, or not enough is known of the samples for a header.
            SpeechError: The stream failed, or its audio has been taken already.
            OSError: The file cannot be written.
        """
        target = check_save_path(path, self._format)
        has_header = needs_header(target, self._format)
        if has_header:
            header_for(self._format, 0)
        self._take("saved")
        try:
            with atomic_file(target) as file:
                # Where the file cannot be, nothing is sent.
                await self._opened()
                if has_header:
                    # The size is not known yet; a file that cannot be rewound keeps "to the end".
                    file.write(header_for(self._format, _UNKNOWN_SIZE))
                while (piece := await self._next()) is not None:
                    file.write(piece)
                if has_header:
                    end_wav(file, self._format, self.bytes_received)
        finally:
            await self.aclose()
        return target

    async def read(self) -> SpeechAudio:
        """Wait for all of the audio and return it, as raw samples.

        Raises:
            SpeechError: The stream failed, its audio has been taken already, or it is larger than
                the client's `max_audio_bytes`.
        """
        self._take("read")
        pieces = []
        try:
            while (piece := await self._next()) is not None:
                pieces.append(piece)
                if self.bytes_received > self._max_audio_bytes:
                    raise APIConnectionError(
                        f"the audio is larger than max_audio_bytes={self._max_audio_bytes}; "
                        "iterate over the stream, or save it",
                        bytes_received=self.bytes_received,
                        request_id=self.request_id,
                    )
        finally:
            await self.aclose()
        return SpeechAudio(b"".join(pieces), self._format, self.request_id)

    async def wav(self) -> AsyncIterator[bytes]:
        """Wait for the first audio, and return an iterator of `bytes` that together are a WAV file.

        This is for what plays the audio while it is being spoken, such as a web page: pass it to
        `StreamingResponse` or `Response` with the media type `audio/wav`. The header comes with the
        first samples. Its sizes are 0xFFFFFFFF, which readers take for "to the end of the file".

        What fails before the first audio is raised here, while a web application can still answer
        with a status of its own; what fails later is raised by the iterator.

        The stream closes at its end, by `aclose` (also the iterator's), or else when Python
        collects the iterator. A block that the stream is entered in closes it too, so it must not
        end before the audio does.

        Returns:
            The iterator.

        Raises:
            InvalidRequestError: Not enough is known of the samples for a header; nothing was sent.
            SpeechError: The stream failed, or its audio has been taken already.
        """
        header = header_for(self._format, _UNKNOWN_SIZE)
        self._take(_AS_WAV)
        await self._opened()
        return _AsyncWav(self, header)

    async def aclose(self) -> None:
        """Close the connection, if the stream has not come to its end."""
        self._use = self._use or "closed"
        if self._reader:
            await self._reader.aclose()

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
        # An iterator gives itself as often as it is asked to (`b"".join` asks twice), and may be
        # gone on with; only at its end does a second loop have nothing to come.
        if self._use != "iterated over" or (self._reader and self._reader.is_over):
            self._take("iterated over")
        return self

    async def __anext__(self) -> bytes:
        self._use = self._use or "iterated over"
        piece = await self._next()
        if piece is None:
            raise StopAsyncIteration
        return piece

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._format}, {self.bytes_received} bytes so far>"

    def __del__(self) -> None:
        # A connection must not be closed here: this may run at any moment in any thread, also while
        # that thread holds a lock of the pool's. The client closes it at its next call.
        reader = getattr(self, "_reader", None)
        if reader is not None and not reader.is_over:
            reader.hang_up()
            self._lost.append(reader)
            # What a web framework was handed, it drops when its client has gone.
            if self._use != _AS_WAV:
                warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)

    async def _opened(self) -> AsyncReader:
        if self._reader is None:
            if self._use == "closed":
                self._take("opened")
            self._reader = await self._open_reader()
        return self._reader

    async def _next(self) -> bytes | None:
        reader = self._reader or await self._opened()
        outer = sys.exception()
        try:
            return await reader.next()
        except BaseException as error:  # noqa: BLE001 - all are told by their own names
            failure = await reader.failed(error, outer)
        try:
            raise failure
        finally:
            # This frame is in the traceback, and must not hold what holds the traceback.
            del failure, outer

    def _take(self, use: str) -> None:
        if self._use:
            raise SpeechError(
                f"this stream has been {self._use}, and its audio comes only once; call "
                f"{self._origin}() again, or keep what read() returns"
            )
        self._use = use


class _AsyncWav:
    """A stream as the pieces of a WAV file."""

    def __init__(self, stream: AsyncSpeechStream, header: bytes) -> None:
        self._stream = stream
        self._header = header

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        piece = await anext(self._stream)
        header, self._header = self._header, b""
        return header + piece

    async def aclose(self) -> None:
        await self._stream.aclose()
