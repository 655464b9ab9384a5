"""Realtime: text in while it is being written, speech out while it is being spoken."""

import warnings
from types import TracebackType
from typing import Self, Unpack

from facade._async.connections import AsyncConnections, AsyncTurn, CheckVoice, WithExchange
from facade._async.stream import AsyncSpeechStream
from facade._rules.heard import Ending, Heard
from facade._rules.options import RealtimeOptions, takes
from facade._rules.realtime_settings import RealtimeSettings
from facade._transport.config import Config
from facade._transport.waiting_async import Tokens
from facade.errors import InvalidRequestError, SpeechError
from facade.formats import AudioFormat
from facade.voices import Voice, VoiceMix


class AsyncRealtimeSession:
    """A realtime session: one connection, and many turns spoken over it.

    Use it in an `async with` block, which connects, and closes at its end. Of an asynchronous
    client both belong in one task, and in one cancel scope: `Timeouts` limit the connecting.
    Several turns may speak at once, up to the service's 100 (text-to-speech guide); a further one
    waits for one of them to end. A connection that is lost, or silent, is replaced.
    """

    def __init__(
        self,
        config: Config,
        settings: RealtimeSettings,
        with_exchange: WithExchange,
        check_voice: CheckVoice,
    ) -> None:
        self._settings = settings
        self._max_audio_bytes = config.max_audio_bytes
        self._connections = AsyncConnections(config, settings, with_exchange, check_voice)

    @property
    def format(self) -> AudioFormat:
        """What the samples of a turn are, unless the turn has a model or a rate of its own."""
        return self._settings.format

    @property
    def request_id(self) -> str | None:
        """The `x-request-id` of the newest connection, for questions to the service's support."""
        return self._connections.request_id

    @takes(RealtimeOptions)
    def speak(
        self,
        text: Tokens | None = None,
        *,
        voice: str | Voice | VoiceMix | None = None,
        **options: Unpack[RealtimeOptions],
    ) -> "AsyncRealtimeSpeech":
        """Begin a turn.

        What is left out is as the session has it. The turn begins when its `async with` block is
        entered, or else when the first samples are asked for.

        Args:
            text: What to say: a string, or an iterable of strings that come while they are being
                written, such as a language model's tokens. They are taken beside the application,
                also while it does something else. Without it, `append` and `commit` give the text.
            voice: The voice of this turn.
            **options: Those of `RealtimeOptions`, for this turn.

        Returns:
            The speech. Iterating over it raises what the source of the text raises, and
            `StreamInterruptedError` where the connection is lost, `APIError` where the service
            fails, `APITimeoutError` where it is late, `MalformedStreamError` where it cannot be
            understood, `EmptyAudioError` where no audio came, and `SpeechError` where the session
            is closed or too much audio of other turns waits. The audio before that has been handed
            over.

        Raises:
            InvalidRequestError: An argument is wrong, or the model would ignore it.
            SpeechError: The session is closed.
        """
        if self._connections.is_closed:
            raise SpeechError("this session is closed; begin another with realtime()")
        settings = self._settings.for_turn(options, voice=voice)
        return AsyncRealtimeSpeech(self, AsyncTurn(self._connections, settings, text))

    async def aclose(self) -> None:
        """End all turns, and close all connections. A closed session cannot be used again."""
        await self._connections.aclose()

    def shut(self) -> None:
        """End all turns at once; `aclose` is still to be called. The client's end does this."""
        self._connections.shut()

    async def __aenter__(self) -> Self:
        await self._connections.begin()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        state = " closed" if self._connections.is_closed else ""
        return f"<{type(self).__name__} {self._settings.format}{state}>"

    def __del__(self) -> None:
        connections = getattr(self, "_connections", None)
        if connections is not None and connections.has_begun and not connections.is_closed:
            unclosed = f"unclosed {self!r}"
            connections.abandon()
            warnings.warn(unclosed, ResourceWarning, stacklevel=2, source=self)


class AsyncRealtimeSpeech(AsyncSpeechStream):
    """The speech of one turn: an iterator of `bytes`, each of whole samples.

    Use it in an `async with` block, which begins the turn; leaving it ends the turn, as `interrupt`
    does. Iterate over it, or `save` it, or `read` it whole, or take it as `wav`: one of the four,
    once. Threads may share it, or, where the client is asynchronous, the tasks of its event loop:
    one may give text, another take audio, and a third interrupt. To wait for samples may be given
    up, as by `asyncio.wait_for`, and begun again: none are lost.
    """

    _origin = "speak"

    def __init__(self, session: AsyncRealtimeSession, turn: AsyncTurn) -> None:
        connections = session._connections
        super().__init__(
            turn.begin, turn.utterance.format, session._max_audio_bytes, connections.lost
        )
        # As long as somebody listens, the session is in use.
        self._session = session
        self._turn = turn

    @property
    def text(self) -> str:
        """The text so far."""
        return self._turn.utterance.text

    @property
    def ending(self) -> Ending | None:
        """How the end of the speech was known; `None` before it is known.

        The service says no such thing (text-to-speech guide), so it is worked out:

        - `"words"`: the word timings come to the last word of the text, and the audio with them.
        - `"done"`: all text was acknowledged, and every part of the audio was reported done.
        - `"quiet"`: nothing more came for some seconds, the last resort. There may have been more.
        - `"no text"`: there was nothing to speak.
        - `"interrupted"`: it was interrupted, or left.
        - `"failed"`: an exception says why.
        """
        return self._turn.utterance.ending

    def append(self, token: str) -> None:
        """Give more of the text; it goes out word by word, or after 30 ms.

        Args:
            token: A piece of the text. After an interruption or a failure it means nothing.

        Raises:
            InvalidRequestError: It is no string, or has what cannot be sent.
            SpeechError: The text is whole already.
        """
        self._turn.append(token)

    def commit(self) -> None:
        """Say that the text is whole, so that the speech comes to its end."""
        self._turn.commit()

    def heard(self, played_s: float | None = None) -> Heard:
        """Say what has been heard so far, and go on.

        Args:
            played_s: As for `interrupt`.

        Returns:
            What `interrupt` returns.

        Raises:
            InvalidRequestError: `played_s` is no such number.
        """
        return self._turn.heard(_seconds(played_s))

    def interrupt(self, played_s: float | None = None) -> Heard:
        """End the turn at once: from now on none of its audio reaches anybody.

        This waits for nothing.

        Args:
            played_s: Seconds of this turn's audio that were played, from 0; by default all that was
                taken.

        Returns:
            What was heard of the text, and what was not.

        Raises:
            InvalidRequestError: `played_s` is no such number.
        """
        return self._turn.interrupt(_seconds(played_s))


def _seconds(played_s: float | None) -> float | None:
    if played_s is None:
        return None
    is_number = isinstance(played_s, int | float) and not isinstance(played_s, bool)
    # A comparison with NaN is false, so NaN is refused too.
    if not is_number or not played_s >= 0:
        raise InvalidRequestError(f"must be seconds from 0, not {played_s!r}", param="played_s")
    return played_s
