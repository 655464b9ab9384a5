# Made from facade/_async/reader.py by `make generate`; edit that one.
"""Where a stream has its audio from: the bytes of an answer, decoded as they come."""

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from facade._rules.words import WordTiming
from facade.errors import APIConnectionError, APITimeoutError, SpeechError, StreamInterruptedError
from facade.formats import AudioFormat

if TYPE_CHECKING:
    from facade._transport._sync.exchange import Exchange

CLOSED = "this stream was closed before its end; call stream() again"


class Reader(Protocol):
    """What a stream has its audio from.

    Attributes:
        words: When each word is spoken, as far as that has come.
        audio_bytes: Bytes of audio so far.
        request_id: The answer's `x-request-id`.
        is_over: Whether nothing more will be read.
    """

    @property
    def words(self) -> Sequence[WordTiming]: ...

    @property
    def audio_bytes(self) -> int: ...

    @property
    def request_id(self) -> str | None: ...

    @property
    def is_over(self) -> bool: ...

    def next(self) -> bytes | None:
        """Wait for the next samples; return `None` after the last."""

    def failed(self, error: BaseException, outer: BaseException | None) -> BaseException:
        """Read no more, since `error` was raised; return what to raise in its place."""

    def close(self) -> None:
        """Read no more."""

    def hang_up(self) -> None:
        """Tell the service that nobody listens any more, without a lock and without waiting."""


class AudioReader:
    """Reads the audio of one streamed answer.

    Attributes:
        exchange: What the answer comes over.
        decoder: What makes audio of it.
        is_over: Whether nothing more will be read.
    """

    def __init__(self, exchange: "Exchange", form: AudioFormat) -> None:
        self.exchange = exchange
        self.is_over = False
        self._format = form
        self._has_begun = False
        self._pieces: Iterator[bytes] | None = None

    @property
    def words(self) -> Sequence[WordTiming]:
        """See `Reader`."""
        return self.decoder.words

    @property
    def audio_bytes(self) -> int:
        """See `Reader`."""
        return self.decoder.audio_bytes

    @property
    def request_id(self) -> str | None:
        """See `Reader`."""
        return self.exchange.call.shown("x-request-id")

    def begin(self) -> None:
        """Wait for the first audio, so that a failure before it can still be repeated."""
        # What decodes streams is loaded by the first of them.
        from facade._rules.stream_decoder import StreamDecoder

        self.decoder: StreamDecoder = StreamDecoder(self._format, self.exchange.call.headers)
        self._has_begun = True
        first = self.next()
        assert first is not None  # noqa: S101 - a stream without audio raises
        self._pieces = itertools.chain((first,), () if self._pieces is None else self._pieces)

    def next(self) -> bytes | None:
        """Wait for the next samples; return `None` after the last."""
        while True:
            if self._pieces is not None:
                piece = next(self._pieces, None)
                if piece is not None:
                    break
                self._pieces = None
                if self.decoder.has_ended:
                    self.exchange.read_rest()
                    self.is_over = True
            if self.is_over:
                if not self.decoder.has_ended:
                    raise SpeechError(CLOSED)
                return None
            chunk = self.exchange.next()
            piece = None if chunk is None else self.decoder.audio_of(chunk)
            if piece:
                break
            if piece is None:
                self._pieces = self._decoded(chunk)
        # What the application does until it wants more is no part of any wait.
        self.exchange.call.is_paused = True
        return piece

    def failed(self, error: BaseException, outer: BaseException | None) -> BaseException:
        """Close the stream that `error` has ended; return what to raise in its place."""
        was_closed = self.is_over
        self.close()
        found = self.exchange.failed(error, outer)
        if not isinstance(found, APIConnectionError) or not self._has_begun:
            return found
        if was_closed:
            # By another thread or task, meanwhile.
            interrupted: SpeechError = SpeechError(CLOSED)
        elif isinstance(found, APITimeoutError):
            return found
        else:
            interrupted = StreamInterruptedError(
                found.message,
                bytes_received=self.decoder.audio_bytes,
                request_id=found.request_id,
                cf_ray=found.cf_ray,
            )
        interrupted.__cause__ = found
        return interrupted

    def close(self) -> None:
        """Read no more."""
        self.is_over = True
        self._pieces = None
        self.exchange.close()

    def hang_up(self) -> None:
        """See `Reader`."""
        self.exchange.hang_up()

    def _decoded(self, chunk: bytes | None) -> Iterator[bytes]:
        return self.decoder.finish() if chunk is None else self.decoder.feed(chunk)
