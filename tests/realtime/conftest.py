"""Realtime sessions of the synchronous client, and of the asynchronous one on both event loops."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeAlias, TypeVar

import anyio
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from facade import (
    AsyncRealtimeSession,
    AsyncRealtimeSpeech,
    AsyncSpeechClient,
    Heard,
    RealtimeSession,
    RealtimeSpeech,
    RetryPolicy,
    SpeechAudio,
    SpeechClient,
    Timeouts,
)
from tests.conftest import KEY

_T = TypeVar("_T")

QUICK = Timeouts(connect_s=10, first_audio_s=10, read_s=10, total_s=20)


class Turn:
    """A turn of either client, used as the synchronous one's is, from any thread."""

    def __init__(self, speech: RealtimeSpeech | AsyncRealtimeSpeech, talk: "Talk") -> None:
        self.speech = speech
        self._talk = talk

    @contextmanager
    def block(self) -> Iterator["Turn"]:
        """The `with` or `async with` block of the turn."""
        if isinstance(self.speech, RealtimeSpeech):
            with self.speech:
                yield self
        else:
            with self._talk.portal.wrap_async_context_manager(self.speech):
                yield self

    def hear(self) -> bytes | None:
        """Wait for the next samples; `None` at the end."""
        if isinstance(self.speech, RealtimeSpeech):
            return next(self.speech, None)
        piece: bytes | None = self._talk.run(_anext, self.speech)
        return piece

    def hear_all(self) -> bytes:
        """Take all that comes, in a block of its own."""
        with self.block():
            return b"".join(iter(self.hear, None))

    def read(self) -> SpeechAudio:
        """Call `read`."""
        audio: SpeechAudio = self._talk.run(self.speech.read)
        return audio

    def append(self, token: str) -> None:
        """Call `append`."""
        self._talk.run(self.speech.append, token)

    def commit(self) -> None:
        """Call `commit`."""
        self._talk.run(self.speech.commit)

    def interrupt(self, played_s: float | None = None) -> Heard:
        """Call `interrupt`."""
        heard: Heard = self._talk.run(self.speech.interrupt, played_s)
        return heard

    def heard(self, played_s: float | None = None) -> Heard:
        """Call `heard`."""
        heard: Heard = self._talk.run(self.speech.heard, played_s)
        return heard


class Talk:
    """A session of either client, from any thread.

    Attributes:
        client: The client.
        session: The session.
    """

    def __init__(
        self,
        client: SpeechClient | AsyncSpeechClient,
        session: RealtimeSession | AsyncRealtimeSession,
        portal: BlockingPortal | None,
    ) -> None:
        self.client = client
        self.session = session
        self._portal = portal

    @property
    def portal(self) -> BlockingPortal:
        assert self._portal is not None
        return self._portal

    def run(self, act: Callable[..., Any], *arguments: Any) -> Any:
        """Call something where the client lives, and wait for what it gives."""
        return (
            act(*arguments) if self._portal is None else self._portal.call(_result, act, *arguments)
        )

    def speak(self, text: Any = None, **options: Any) -> Turn:
        """Call `speak`. What is iterable becomes asynchronous where the client is."""
        if self._portal is not None and not isinstance(text, str) and hasattr(text, "__iter__"):
            text = _slowly(text)
        return Turn(self.session.speak(text, **options), self)

    @contextmanager
    def another(self, **options: Any) -> Iterator["Talk"]:
        """Another session of the same client."""
        begun = self.client.realtime(**{"voice": "af_heart", **options})
        if isinstance(begun, RealtimeSession):
            with begun:
                yield Talk(self.client, begun, None)
        else:
            with self.portal.wrap_async_context_manager(begun):
                yield Talk(self.client, begun, self.portal)

    def close_session(self) -> None:
        """End the session as another thread or task would: by closing the client."""
        client = self.client
        self.run(client.close if isinstance(client, SpeechClient) else client.aclose)


Converse: TypeAlias = Callable[..., Any]


@pytest.fixture(params=["sync", "asyncio", "trio"])
def loop(request: pytest.FixtureRequest) -> str:
    """Which client a test is run with, and on which event loop."""
    return str(request.param)


@pytest.fixture
def converse(loop: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Converse]:
    """Begin sessions of one kind, which end with their blocks."""
    monkeypatch.setenv("TOGETHER_SPEECH_RETRIES", "at once")
    with ExitStack() as stack:
        portal = None if loop == "sync" else stack.enter_context(start_blocking_portal(loop))

        @contextmanager
        def converse(
            url: str,
            *,
            timeouts: Timeouts = QUICK,
            retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
            headers: dict[str, str] | None = None,
            httpx_args: dict[str, Any] | None = None,
            **options: Any,
        ) -> Iterator[Talk]:
            settings: dict[str, Any] = {
                "base_url": url,
                "timeouts": timeouts,
                "retry": retry,
                "headers": headers,
                "httpx_args": httpx_args,
            }
            options = {"voice": "af_heart", **options}
            if portal is None:
                with SpeechClient(KEY, **settings) as client, client.realtime(**options) as session:
                    yield Talk(client, session, None)
                return
            other = AsyncSpeechClient(KEY, **settings)
            with (
                portal.wrap_async_context_manager(other),
                portal.wrap_async_context_manager(other.realtime(**options)) as begun,
            ):
                yield Talk(other, begun, portal)

        yield converse


async def _result(act: Callable[..., Any], *arguments: Any) -> Any:
    found = act(*arguments)
    return await found if isinstance(found, Awaitable) else found


async def _anext(source: AsyncIterator[bytes]) -> bytes | None:
    return await anext(source, None)


async def _slowly(tokens: Iterable[str]) -> AsyncIterator[str]:
    """Wait for each token beside the loop, as a language model's client does."""
    source = iter(tokens)
    while (
        token := await anyio.to_thread.run_sync(next, source, None, abandon_on_cancel=True)
    ) is not None:
        yield token


def contexts(turns: list[Turn]) -> ExitStack:
    """Enter the blocks of several turns."""
    stack = ExitStack()
    for turn in turns:
        stack.enter_context(turn.block())
    return stack
