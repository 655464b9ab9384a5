"""Calls that are under way at the same time, on either client."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from facade import AsyncSpeechClient, SpeechClient
from tests.conftest import Speaker
from tests.faults.listener import run


def synthesize_at_once(speaker: Speaker, count: int) -> None:
    """Call `synthesize` in so many threads or tasks."""
    _at_once(
        speaker,
        count,
        lambda client: client.synthesize("Hello.", voice="af_heart"),
        lambda client: client.synthesize("Hello.", voice="af_heart"),
    )


def read_at_once(speaker: Speaker, count: int) -> None:
    """Read so many streams."""
    _at_once(
        speaker,
        count,
        lambda client: client.stream("Hello.", voice="af_heart").read(),
        lambda client: client.stream("Hello.", voice="af_heart").read(),
    )


def _at_once(
    speaker: Speaker,
    count: int,
    sync: Callable[[SpeechClient], object],
    other: Callable[[AsyncSpeechClient], Coroutine[Any, Any, object]],
) -> None:
    client = speaker.client
    if isinstance(client, SpeechClient):
        with ThreadPoolExecutor(count) as threads:
            list(threads.map(sync, [client] * count))
    else:
        run(speaker, _gather([other(client) for _ in range(count)]))


async def _gather(calls: list[Coroutine[Any, Any, object]]) -> None:
    await asyncio.gather(*calls)
