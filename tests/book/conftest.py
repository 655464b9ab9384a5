"""Narrations of the synchronous client, and of the asynchronous one on both event loops."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, TypeAlias

import pytest
from anyio.from_thread import start_blocking_portal

from facade import AsyncNarration, AsyncSpeechClient, Narration, NarrationFile, SpeechClient
from tests.conftest import KEY

Save: TypeAlias = Callable[..., NarrationFile]
Narrate: TypeAlias = Callable[..., "tuple[Narration | AsyncNarration, Save]"]


@pytest.fixture(params=["sync", "asyncio", "trio"])
def loop(request: pytest.FixtureRequest) -> str:
    """Which client a test is run with, and on which event loop."""
    return str(request.param)


@pytest.fixture
def narrate(loop: str) -> Iterator[Narrate]:
    """Begin narrations of one kind; each comes with what saves it."""
    with ExitStack() as stack:
        portal = None if loop == "sync" else stack.enter_context(start_blocking_portal(loop))

        def narrate(
            url: str, source: Any, *, client: dict[str, Any] | None = None, **options: Any
        ) -> "tuple[Narration | AsyncNarration, Save]":
            settings = {"base_url": url, **(client or {})}
            options = {"voice": "af_heart", **options}
            if portal is None:
                ours = stack.enter_context(SpeechClient(KEY, **settings))
                narration = ours.narrate(source, **options)
                return narration, narration.save
            theirs = AsyncSpeechClient(KEY, **settings)
            stack.enter_context(portal.wrap_async_context_manager(theirs))
            other = theirs.narrate(source, **options)

            def save(*arguments: Any, **more: Any) -> NarrationFile:
                async def run() -> NarrationFile:
                    return await other.save(*arguments, **more)

                return portal.call(run)

            return other, save

        yield narrate
