"""One measurement of a realtime session, in a process of its own.

`python -m benchmarks.realtime WHAT CONTENDER URL ...` prints what was measured as JSON. Beside the
client stands a hand-written loop over websockets which does the least that is right, for one who
knows that each text is one sentence, and so one item.
"""

import asyncio
import json
import sys
import threading
import time
from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from statistics import median
from typing import Any

from benchmarks.contenders import HEADERS, KEY, TEXT, VOICE
from benchmarks.measure import Server, Time, settled

# As a language model writes it.
TOKENS = [word if word == "Hello" else f" {word}" for word in TEXT.split()]
_WARM_UP = 30
_CONTEXTS = 50
_BYTES_PER_S = 48000
_WAIT_S = 60.0


class HandWritten:
    """The loop over websockets."""

    def __init__(self, url: str) -> None:
        from websockets.sync.client import connect

        address = f"{url.replace('http', 'ws', 1)}/audio/speech/websocket?voice={VOICE}"
        self._connection = connect(address, additional_headers=HEADERS)
        self._socket = self._connection.__enter__()
        self._socket.recv()

    def close(self) -> None:
        self._connection.__exit__(None, None, None)

    def turn(self, tokens: Sequence[str]) -> Iterator[bytes]:
        for token in tokens:
            self._socket.send(json.dumps({"type": "input_text_buffer.append", "text": token}))
        self._socket.send('{"type": "input_text_buffer.commit"}')
        while True:
            event = json.loads(self._socket.recv())
            if event["type"] == "conversation.item.audio_output.delta":
                yield b64decode(event["delta"])
            elif event["type"] == "conversation.item.audio_output.done":
                return

    def turns(self, tokens: Sequence[str], count: int) -> list[list[float]]:
        """Speak so many turns at once, and return when the audio of each came."""
        for number in range(count):
            name = {"context_id": f"c{number}"}
            for token in tokens:
                append = {"type": "input_text_buffer.append", "text": token, **name}
                self._socket.send(json.dumps(append))
            self._socket.send(json.dumps({"type": "input_text_buffer.commit", **name}))
        times: dict[str, list[float]] = {}
        ends = 0
        while ends < count:
            event = json.loads(self._socket.recv())
            if event["type"] == "conversation.item.audio_output.delta":
                b64decode(event["delta"])
                times.setdefault(event["context_id"], []).append(time.perf_counter())
            elif event["type"] == "conversation.item.audio_output.done":
                ends += 1
        return list(times.values())


class Facade:
    """The client."""

    def __init__(self, url: str) -> None:
        from facade import SpeechClient

        self._client = SpeechClient(KEY, base_url=url)
        self._session = self._client.realtime(voice=VOICE)
        self._session.__enter__()

    def close(self) -> None:
        self._session.close()
        self._client.close()

    def turn(self, tokens: Sequence[str]) -> Iterator[bytes]:
        with self._session.speak(tokens) as speech:
            yield from speech

    def turns(self, tokens: Sequence[str], count: int) -> list[list[float]]:
        times: list[list[float]] = [[] for _ in range(count)]

        def take(number: int) -> None:
            for _ in self.turn(tokens):
                times[number].append(time.perf_counter())

        threads = [threading.Thread(target=take, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(_WAIT_S)
        return times


class AsyncHandWritten:
    """The loop over websockets, async."""

    async def begin(self, url: str) -> None:
        from websockets.asyncio.client import connect

        address = f"{url.replace('http', 'ws', 1)}/audio/speech/websocket?voice={VOICE}"
        self._socket = await connect(address, additional_headers=HEADERS)
        await self._socket.recv()

    async def close(self) -> None:
        await self._socket.close()

    async def turn(self, tokens: Sequence[str]) -> AsyncIterator[bytes]:
        for token in tokens:
            await self._socket.send(json.dumps({"type": "input_text_buffer.append", "text": token}))
        await self._socket.send('{"type": "input_text_buffer.commit"}')
        while True:
            event = json.loads(await self._socket.recv())
            if event["type"] == "conversation.item.audio_output.delta":
                yield b64decode(event["delta"])
            elif event["type"] == "conversation.item.audio_output.done":
                return

    async def turns(self, tokens: Sequence[str], count: int) -> list[list[float]]:
        for number in range(count):
            name = {"context_id": f"c{number}"}
            for token in tokens:
                append = {"type": "input_text_buffer.append", "text": token, **name}
                await self._socket.send(json.dumps(append))
            await self._socket.send(json.dumps({"type": "input_text_buffer.commit", **name}))
        times: dict[str, list[float]] = {}
        ends = 0
        while ends < count:
            event = json.loads(await self._socket.recv())
            if event["type"] == "conversation.item.audio_output.delta":
                b64decode(event["delta"])
                times.setdefault(event["context_id"], []).append(time.perf_counter())
            elif event["type"] == "conversation.item.audio_output.done":
                ends += 1
        return list(times.values())


class AsyncFacade:
    """The client, async."""

    async def begin(self, url: str) -> None:
        from facade import AsyncSpeechClient

        self._client = AsyncSpeechClient(KEY, base_url=url)
        self._session = self._client.realtime(voice=VOICE)
        await self._session.__aenter__()

    async def close(self) -> None:
        await self._session.aclose()
        await self._client.aclose()

    async def turn(self, tokens: Sequence[str]) -> AsyncIterator[bytes]:
        async with self._session.speak(tokens) as speech:
            async for samples in speech:
                yield samples

    async def turns(self, tokens: Sequence[str], count: int) -> list[list[float]]:
        async def take() -> list[float]:
            return [time.perf_counter() async for _ in self.turn(tokens)]

        return await asyncio.gather(*(take() for _ in range(count)))


_CONTENDERS: dict[str, Callable[[str], Any]] = {"websockets": HandWritten, "facade": Facade}
_ASYNC_CONTENDERS: dict[str, Callable[[], Any]] = {
    "websockets": AsyncHandWritten,
    "facade": AsyncFacade,
}


def first_audio(contender: str, url: str, count: int) -> dict[str, float]:
    """Seconds from the first token, all of them being there, to the first audio."""
    session = _CONTENDERS[contender](url)
    waits = []
    for _ in range(count + _WARM_UP):
        asked = time.perf_counter()
        audio = session.turn(TOKENS)
        next(audio)
        waits.append(time.perf_counter() - asked)
        for _ in audio:
            pass
    session.close()
    return {"wall_s": median(waits[_WARM_UP:])}


def first_audio_async(contender: str, url: str, count: int) -> dict[str, float]:
    """The same, asynchronously."""

    async def work() -> dict[str, float]:
        session = _ASYNC_CONTENDERS[contender]()
        await session.begin(url)
        waits = []
        for _ in range(count + _WARM_UP):
            asked = time.perf_counter()
            audio = session.turn(TOKENS)
            await anext(audio)
            waits.append(time.perf_counter() - asked)
            async for _ in audio:
                pass
        await session.close()
        return {"wall_s": median(waits[_WARM_UP:])}

    return asyncio.run(work())


def speech(contender: str, url: str, count: int) -> dict[str, float]:
    """CPU seconds for a second of audio."""
    session = _CONTENDERS[contender](url)
    for _ in session.turn(TOKENS):
        pass
    server = Server(url)
    start = Time()
    size = sum(len(audio) for _ in range(count) for audio in session.turn(TOKENS))
    spent = start.spent(size / _BYTES_PER_S) | server.spent()
    session.close()
    return spent


def speech_async(contender: str, url: str, count: int) -> dict[str, float]:
    """The same, asynchronously."""

    async def work() -> dict[str, float]:
        session = _ASYNC_CONTENDERS[contender]()
        await session.begin(url)
        async for _ in session.turn(TOKENS):
            pass
        server = Server(url)
        start = Time()
        size = 0
        for _ in range(count):
            async for audio in session.turn(TOKENS):
                size += len(audio)
        spent = start.spent(size / _BYTES_PER_S) | server.spent()
        await session.close()
        return spent

    return asyncio.run(work())


def growth(contender: str, url: str, first: int, count: int) -> dict[str, float]:
    """Bytes by which the process grows in `count` turns after the first ones."""
    server = Server(url)
    session = _CONTENDERS[contender](url)

    def work(number: int) -> None:
        for _ in range(number):
            for _ in session.turn(TOKENS):
                pass

    work(first)
    before = settled()
    work(count)
    grown = {"bytes": settled() - before} | server.spent()
    session.close()
    return grown


def growth_async(contender: str, url: str, first: int, count: int) -> dict[str, float]:
    """The same, asynchronously."""

    async def work() -> dict[str, float]:
        server = Server(url)
        session = _ASYNC_CONTENDERS[contender]()
        await session.begin(url)

        async def turns(number: int) -> None:
            for _ in range(number):
                async for _ in session.turn(TOKENS):
                    pass

        await turns(first)
        before = settled()
        await turns(count)
        grown = {"bytes": settled() - before} | server.spent()
        await session.close()
        return grown

    return asyncio.run(work())


def at_once(contender: str, url: str) -> dict[str, float]:
    """Seconds until the slowest of many turns on one connection is at its end."""
    server = Server(url)
    session = _CONTENDERS[contender](url)
    session.turns(TOKENS, _CONTEXTS)
    start = time.perf_counter()
    times = session.turns(TOKENS, _CONTEXTS)
    session.close()
    return _fairness(times, start, url) | server.spent()


def at_once_async(contender: str, url: str) -> dict[str, float]:
    """The same, asynchronously."""

    async def work() -> dict[str, float]:
        server = Server(url)
        session = _ASYNC_CONTENDERS[contender]()
        await session.begin(url)
        await session.turns(TOKENS, _CONTEXTS)
        start = time.perf_counter()
        times = await session.turns(TOKENS, _CONTEXTS)
        await session.close()
        return _fairness(times, start, url) | server.spent()

    return asyncio.run(work())


def _fairness(times: Sequence[Sequence[float]], start: float, url: str) -> dict[str, float]:
    """Hold the slowest turn against the fastest.

    `times` says of each turn when each piece of its audio came.
    """
    pieces = int(url.split("/speak/")[1].split("/")[1])
    assert len(times) == _CONTEXTS  # noqa: S101
    assert {len(each) for each in times} == {pieces}  # noqa: S101
    slowest_s = max(each[-1] for each in times) - start
    fastest_s = min(each[-1] for each in times) - start
    last_to_begin_s = max(each[0] for each in times) - start
    return {
        "wall_s": slowest_s,
        "slowest turn": slowest_s / fastest_s,
        "last to begin": last_to_begin_s / fastest_s,
    }


_WHAT: dict[str, Callable[..., dict[str, float]]] = {
    measure.__name__: measure
    for measure in (
        at_once,
        at_once_async,
        first_audio,
        first_audio_async,
        growth,
        growth_async,
        speech,
        speech_async,
    )
}


if __name__ == "__main__":
    what, contender, url, *arguments = sys.argv[1:]
    contender = contender.partition(",")[0]
    figures = _WHAT[what](contender, url, *map(int, arguments))
    if {"server_cpu_s", "whole_wall_s"} <= figures.keys():
        figures["server busy"] = figures["server_cpu_s"] / figures["whole_wall_s"]
    json.dump(figures, sys.stdout)
