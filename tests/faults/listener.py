"""One way to use both kinds of stream."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from facade import AsyncSpeechStream, SpeechAudio, SpeechStream
from tests.conftest import Speaker

_T = TypeVar("_T")


class Listener:
    """A stream of either kind, used as the synchronous one is.

    Attributes:
        stream: The stream itself.
        pieces: What `hear` and `hear_all` have had so far.
    """

    def __init__(self, speaker: Speaker, text: str = "Hello.", **options: Any) -> None:
        options = {"voice": "af_heart", **options}
        self._speaker = speaker
        self.stream: SpeechStream | AsyncSpeechStream = speaker.client.stream(text, **options)
        self.pieces: list[bytes] = []
        self._wav: Any = None

    def enter(self) -> "Listener":
        """Begin a `with` or `async with` block."""
        self._do(lambda stream: stream.__enter__(), lambda stream: stream.__aenter__())
        return self

    def leave(self) -> None:
        """End that block."""
        self._do(
            lambda stream: stream.__exit__(None, None, None),
            lambda stream: stream.__aexit__(None, None, None),
        )

    def hear(self) -> bytes | None:
        """Wait for the next samples; `None` at the end."""
        wav = self._wav
        piece = self._do(
            lambda stream: next(wav or stream, None), lambda stream: _anext(wav or stream)
        )
        if piece is not None:
            self.pieces.append(piece)
        return piece

    def hear_all(self) -> bytes:
        """Iterate over the stream inside a block of its own."""
        self._do(self._hear_all, self._hear_all_async)
        return b"".join(self.pieces)

    def begin_iterating(self) -> None:
        """What a `for` loop does at its start."""
        if isinstance(self.stream, SpeechStream):
            iter(self.stream)
        else:
            aiter(self.stream)

    def save(self, path: Path) -> Path:
        """Call `save`."""
        return self._do(lambda stream: stream.save(path), lambda stream: stream.save(path))

    def read(self) -> SpeechAudio:
        """Call `read`."""
        return self._do(lambda stream: stream.read(), lambda stream: stream.read())

    def wav(self) -> None:
        """Call `wav`; from then on `hear` gives the pieces of the file."""
        self._wav = self._do(lambda stream: stream.wav(), lambda stream: stream.wav())

    def close(self) -> None:
        """Call `close` or `aclose`."""
        self._do(lambda stream: stream.close(), lambda stream: stream.aclose())

    def close_wav(self) -> None:
        """Call that of what `wav` returned."""
        wav = self._wav
        self._do(lambda _: wav.close(), lambda _: wav.aclose())

    def let_go(self) -> None:
        """Forget the stream and what `wav` returned, and close neither."""
        del self.stream, self._wav

    def _hear_all(self, stream: SpeechStream) -> None:
        with stream:
            for piece in stream:
                self.pieces.append(piece)

    async def _hear_all_async(self, stream: AsyncSpeechStream) -> None:
        async with stream:
            async for piece in stream:
                self.pieces.append(piece)

    def _do(
        self,
        sync: Callable[[SpeechStream], _T],
        other: Callable[[AsyncSpeechStream], Coroutine[Any, Any, _T]],
    ) -> _T:
        if isinstance(self.stream, SpeechStream):
            return sync(self.stream)
        return run(self._speaker, other(self.stream))


def run(speaker: Speaker, coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine on the loop that an asynchronous client belongs to."""
    runner: asyncio.Runner = vars(speaker)["_runner"]
    return runner.run(coroutine)


async def _anext(source: AsyncIterator[bytes]) -> bytes | None:
    return await anext(source, None)
