"""Batches of the synchronous client, and of the asynchronous one on both event loops."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeAlias

import pytest
from anyio.from_thread import start_blocking_portal

from facade import AsyncSpeechBatch, AsyncSpeechClient, BatchResult, SpeechBatch, SpeechClient
from tests.conftest import KEY


class Batch:
    """A batch of either client, used as the synchronous one's is.

    Attributes:
        batch: The batch itself.
        client: Its client.
    """

    def __init__(self, batch: Any, client: Any, call: Callable[..., Any]) -> None:
        self.batch: SpeechBatch | AsyncSpeechBatch = batch
        self.client: SpeechClient | AsyncSpeechClient = client
        self._call = call

    def next(self) -> BatchResult | None:
        """Wait for the next result; `None` behind the last."""
        if isinstance(self.batch, SpeechBatch):
            return next(self.batch, None)
        result: BatchResult | None = self._call(_anext, self.batch)
        return result

    def all(self) -> list[BatchResult]:
        """Wait for all that are to come."""
        return list(iter(self.next, None))

    def close(self) -> None:
        """End it from within its block."""
        batch = self.batch
        self._call(batch.close if isinstance(batch, SpeechBatch) else batch.aclose)

    def close_client(self) -> None:
        """Close its client before its block is left."""
        client = self.client
        self._call(client.close if isinstance(client, SpeechClient) else client.aclose)


Batches: TypeAlias = Callable[..., Any]


@pytest.fixture(params=["sync", "asyncio", "trio"])
def loop(request: pytest.FixtureRequest) -> str:
    """Which client a test is run with, and on which event loop."""
    return str(request.param)


@pytest.fixture
def batches(loop: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Batches]:
    """Begin batches of one kind, which end with their blocks."""
    monkeypatch.setenv("TOGETHER_SPEECH_RETRIES", "at once")
    with ExitStack() as stack:
        portal = None if loop == "sync" else stack.enter_context(start_blocking_portal(loop))

        @contextmanager
        def batches(
            url: str, requests: Any, *, client: dict[str, Any] | None = None, **options: Any
        ) -> Iterator[Batch]:
            settings = {"base_url": url, **(client or {})}
            options = {"voice": "af_heart", **options}
            if portal is None:
                with (
                    SpeechClient(KEY, **settings) as ours,
                    ours.synthesize_many(requests, **options) as batch,
                ):
                    yield Batch(batch, ours, lambda act: act())
                return
            other = AsyncSpeechClient(KEY, **settings)
            with (
                portal.wrap_async_context_manager(other),
                portal.wrap_async_context_manager(
                    other.synthesize_many(requests, **options)
                ) as begun,
            ):
                yield Batch(begun, other, portal.call)

        yield batches


async def _anext(batch: AsyncSpeechBatch) -> BatchResult | None:
    return await anext(batch, None)
