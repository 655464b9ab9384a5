"""One measurement of the emulator, in a process of its own.

`python -m benchmarks.emulator CONTENDER TEXT COUNT` prints the seconds for a text as JSON. Where
the text has a `#`, a number stands in its place, another one each time.
"""

import asyncio
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from benchmarks.contenders import BODY
from benchmarks.process import serving
from together_emulator import SpeechEmulator
from together_emulator.audio import Encoder, wav_header
from together_emulator.engine import engine
from together_emulator.request import parse_request

_CONNECTIONS = 64
_WARM_UP = 100


class Connection(asyncio.Protocol):
    """Sends requests one after another, and looks no closer at the answers than it has to."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport
        self._head = b""
        self._left = 0

    async def send(self, requests: Iterator[bytes]) -> None:
        """Send requests, which other connections may take from too, until there are none."""
        self._requests = requests
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._next()
        await self._done

    def data_received(self, data: bytes) -> None:
        if self._left:
            self._left -= len(data)
        else:
            self._head += data
            head, end, rest = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 200"):
                self._done.set_exception(RuntimeError(self._head.decode()))
                self._transport.abort()
                return
            size = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
            self._head = b""
            self._left = int(size) - len(rest)
        if not self._left:
            self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(error or RuntimeError("the server closed a connection"))

    def close(self) -> None:
        self._transport.close()

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._done.set_result(None)
        else:
            self._transport.write(request)


def static(texts: Sequence[str], warm_up: Sequence[str]) -> float:
    """Seconds for an answer of a server that has it already."""
    audio = _speaker()(texts[len(texts) // 2])
    with serving("benchmarks.static", str(len(wav_header(len(audio), 24000)) + len(audio))) as port:
        return asyncio.run(_load(port, texts, warm_up))


def emulator(texts: Sequence[str], warm_up: Sequence[str]) -> float:
    """Seconds for an answer of the emulator."""
    with SpeechEmulator() as running:
        port = urlsplit(running.url).port
        assert port  # noqa: S101
        return asyncio.run(_load(port, texts, warm_up))


def engine_alone(texts: Sequence[str], warm_up: Sequence[str]) -> float:
    """Seconds to speak and encode a text, in as many threads as the emulator has."""
    speak = _speaker()
    with ThreadPoolExecutor(engine().at_once) as threads:
        list(threads.map(speak, warm_up))
        start = time.perf_counter()
        list(threads.map(speak, texts))
        return (time.perf_counter() - start) / len(texts)


async def _load(port: int, texts: Sequence[str], warm_up: Sequence[str]) -> float:
    loop = asyncio.get_running_loop()
    connections = [
        (await loop.create_connection(Connection, "127.0.0.1", port))[1]
        for _ in range(_CONNECTIONS)
    ]

    async def all_of(requests: Sequence[bytes]) -> None:
        shared = iter(requests)
        await asyncio.gather(*(connection.send(shared) for connection in connections))

    await all_of([*map(_request, warm_up)])
    requests = [*map(_request, texts)]
    start = time.perf_counter()
    await all_of(requests)
    spent_s = time.perf_counter() - start
    for connection in connections:
        connection.close()
    return spent_s / len(texts)


def _speaker() -> Callable[[str], bytes]:
    request = parse_request(_body("Hi."), [])
    never = threading.Event()

    def speak(text: str) -> bytes:
        spoken = engine().speak(text, request.voice, never, pause=False)
        encoder = Encoder(engine().sample_rate, request.audio_format)
        return encoder.encode(spoken.samples, last=True)

    return speak


def _request(text: str) -> bytes:
    body = _body(text)
    return (
        b"POST /v1/audio/speech HTTP/1.1\r\nHost: emulator\r\nAuthorization: Bearer key\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )


def _body(text: str) -> bytes:
    return json.dumps({**BODY, "input": text, "response_format": "wav"}).encode()


_CONTENDERS = {"static": static, "emulator": emulator, "engine": engine_alone}

if __name__ == "__main__":
    contender, text, count = sys.argv[1:]
    texts = [text.replace("#", str(number)) for number in range(int(count) + _WARM_UP)]
    wall_s = _CONTENDERS[contender](texts[: int(count)], texts[int(count) :])
    json.dump({"wall_s": wall_s}, sys.stdout)
