"""One measurement, in a process of its own: `python -m benchmarks.measure WHAT CONTENDER URL ...`.

Prints what was measured as JSON.
"""

import asyncio
import gc
import http.client
import json
import socket
import ssl
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlsplit

from benchmarks.contenders import ASYNC_CONTENDERS, BODY, CONTENDERS, MODEL, TEXT, VOICE
from benchmarks.server import STAMP_BYTES, answer_bytes

_WARM_UP = 50
_IN_FLIGHT = 50
_STREAMS_IN_FLIGHT = 20


def call(contender: str, url: str, count: int) -> dict[str, float]:
    """CPU seconds of a whole answer, the process's own and the kernel's for it."""
    client = CONTENDERS[contender](url, None)
    for _ in range(min(count, _WARM_UP)):
        client.call()
    server = Server(url)
    start = Time()
    for _ in range(count):
        client.call()
    return start.spent(count) | server.spent()


def save_whole(contender: str, url: str, count: int) -> dict[str, float]:
    """CPU seconds of a whole answer that goes into a file."""
    with tempfile.TemporaryDirectory() as folder:
        client, path = CONTENDERS[contender](url, None), Path(folder, "speech.wav")
        client.save_whole(path)
        server = Server(url)
        start = Time()
        for _ in range(count):
            client.save_whole(path)
        return start.spent(count) | server.spent()


def save_whole_async(contender: str, url: str, count: int) -> dict[str, float]:
    """The same, asynchronously."""

    async def work(path: Path) -> dict[str, float]:
        client = ASYNC_CONTENDERS[contender](url)
        await client.save_whole(path)
        server = Server(url)
        start = Time()
        for _ in range(count):
            await client.save_whole(path)
        spent = start.spent(count) | server.spent()
        await client.close()
        return spent

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(work(Path(folder, "speech.wav")))


def concurrent(contender: str, url: str, count: int) -> dict[str, float]:
    """Seconds for a whole answer where so many are under way at once."""

    async def work() -> dict[str, float]:
        client = ASYNC_CONTENDERS[contender](url)

        async def calls(number: int) -> None:
            for _ in range(number):
                await client.call()

        async def all_calls(number: int) -> None:
            await asyncio.gather(*(calls(number // _IN_FLIGHT) for _ in range(_IN_FLIGHT)))

        await all_calls(2 * _IN_FLIGHT)
        server = Server(url)
        start = Time()
        await all_calls(count)
        spent = start.spent(count) | server.spent()
        await client.close()
        return spent

    return asyncio.run(work())


def decode(contender: str, url: str, megabytes: float) -> dict[str, float]:
    """CPU seconds for a megabyte of streamed audio."""
    client = CONTENDERS[contender](url, None)
    for _ in client.stream():
        pass
    server = Server(url)
    start = Time()
    for _ in client.stream():
        pass
    return start.spent(megabytes) | server.spent()


def decode_async(contender: str, url: str, megabytes: float) -> dict[str, float]:
    """The same, asynchronously."""

    async def work() -> dict[str, float]:
        client = ASYNC_CONTENDERS[contender](url)
        async for _ in client.stream():
            pass
        server = Server(url)
        start = Time()
        async for _ in client.stream():
            pass
        spent = start.spent(megabytes) | server.spent()
        await client.close()
        return spent

    return asyncio.run(work())


def decode_after(contender: str, before: str, url: str, megabytes: float) -> dict[str, float]:
    """CPU seconds for a megabyte of streamed audio, in a process that has decoded other streams."""
    client, other = CONTENDERS[contender](url, None), CONTENDERS[contender](before, None)
    for warming in (client, other, client, other):
        for _ in warming.stream():
            pass
    server = Server(url)
    start = Time()
    for _ in client.stream():
        pass
    return start.spent(megabytes) | server.spent()


def first_audio(contender: str, url: str, count: int) -> dict[str, float]:
    """Seconds from the server's writing the first event to the audio in the caller's hands."""
    client = CONTENDERS[contender](url, None)
    server = Server(url)
    had_ns = []
    for _ in range(count + _WARM_UP):
        stream = client.stream()
        next(stream)
        had_ns.append(time.perf_counter_ns())
        for _ in stream:
            pass
    server.spent()
    return _median_wait(had_ns, server.sent_ns)


def first_audio_async(contender: str, url: str, count: int) -> dict[str, float]:
    """The same, asynchronously."""

    async def work() -> dict[str, float]:
        client = ASYNC_CONTENDERS[contender](url)
        server = Server(url)
        had_ns = []
        for _ in range(count + _WARM_UP):
            stream = client.stream()
            await anext(stream)
            had_ns.append(time.perf_counter_ns())
            async for _ in stream:
                pass
        server.spent()
        await client.close()
        return _median_wait(had_ns, server.sent_ns)

    return asyncio.run(work())


def first_audio_paced(contender: str, url: str, count: int) -> dict[str, float]:
    """Seconds to the audio in the caller's hands which 1 in 100 streams takes longer than.

    They count from the server's writing the first event, and as `asked_s` from asking for it.
    """

    async def work() -> dict[str, float]:
        client = ASYNC_CONTENDERS[contender](url)

        async def some_streams(number: int) -> list[tuple[int, int]]:
            waits = []
            for _ in range(number):
                asked_ns = time.perf_counter_ns()
                stream = client.stream()
                first = await anext(stream)
                had_ns = time.perf_counter_ns()
                waits.append((had_ns - int.from_bytes(first[:STAMP_BYTES]), had_ns - asked_ns))
                async for _ in stream:
                    pass
            return waits

        async def all_streams(number: int) -> list[tuple[int, int]]:
            tasks = (some_streams(number // _IN_FLIGHT) for _ in range(_IN_FLIGHT))
            return list(chain.from_iterable(await asyncio.gather(*tasks)))

        await all_streams(_IN_FLIGHT)
        waits = await all_streams(count)
        await client.close()
        sent_ns, asked_ns = (quantiles(each, n=100)[-1] for each in zip(*waits, strict=True))
        return {"wall_s": sent_ns / 1e9, "asked_s": asked_ns / 1e9}

    return asyncio.run(work())


def streams(contender: str, url: str, certificate: str, count: int) -> dict[str, float]:
    """Seconds for a short stream over TLS."""
    tls = ssl.create_default_context(cafile=certificate)
    client = CONTENDERS[contender](url, tls)

    def work(number: int) -> None:
        for _ in range(number):
            for _ in client.stream():
                pass

    work(_WARM_UP)
    server = Server(url, tls)
    start = Time()
    work(count)
    return start.spent(count) | server.spent()


def tls_call(contender: str, url: str, certificate: str, count: int) -> dict[str, float]:
    """Seconds of a whole answer over TLS by one client."""
    client = CONTENDERS[contender](url, ssl.create_default_context(cafile=certificate))
    client.call()
    start = Time()
    for _ in range(count):
        client.call()
    return start.spent(count)


def tls_new(contender: str, url: str, certificate: str, count: int) -> dict[str, float]:
    """Seconds of a whole answer over TLS by a client that is built for it and closed."""
    tls = ssl.create_default_context(cafile=certificate)
    CONTENDERS[contender](url, tls).call()
    start = Time()
    for _ in range(count):
        client = CONTENDERS[contender](url, tls)
        client.call()
        client.close()
    return start.spent(count)


def peak(contender: str, small: str, url: str, how: str) -> dict[str, float]:
    """Bytes by which the process's peak is above what it holds after a small answer."""
    _fetch(contender, small, how)
    gc.collect()
    # From here on the peak counts, not that of importing.
    Path("/proc/self/clear_refs").write_text("5")
    return _raised(contender, url, how)


def peak_above(contender: str, small: str, url: str, how: str) -> dict[str, float]:
    """Bytes by which the process's peak is above that of a smaller answer."""
    _fetch(contender, small, how)
    gc.collect()
    return _raised(contender, url, how)


def growth(contender: str, url: str, first: int, count: int) -> dict[str, float]:
    """Bytes by which the process grows after the first streams, and the connections used."""
    client = CONTENDERS[contender](url, None)
    server = Server(url)

    def work(number: int) -> None:
        for _ in range(number):
            for _ in client.stream():
                pass

    work(first)
    before = settled()
    work(count - first)
    return {"bytes": settled() - before} | server.spent()


def growth_async(contender: str, url: str, first: int, count: int) -> dict[str, float]:
    """The same, asynchronously, with so many streams at once."""

    async def work() -> dict[str, float]:
        client = ASYNC_CONTENDERS[contender](url)
        server = Server(url)

        async def some_streams(number: int) -> None:
            for _ in range(number):
                async for _ in client.stream():
                    pass

        async def all_streams(number: int) -> None:
            tasks = (some_streams(number // _STREAMS_IN_FLIGHT) for _ in range(_STREAMS_IN_FLIGHT))
            await asyncio.gather(*tasks)

        await all_streams(first)
        before = settled()
        await all_streams(count - first)
        grown = {"bytes": settled() - before} | server.spent()
        await client.close()
        return grown

    return asyncio.run(work())


def server_alone(
    _no: str, url: str, at_once: int, rounds: int, per_round: float
) -> dict[str, float]:
    """Seconds of a client that only throws away what it reads: what the server can do."""
    parts = urlsplit(url)
    request = f"POST {parts.path}/ HTTP/1.1\r\nContent-Length: 2\r\n\r\n{{}}".encode() * at_once
    size = answer_bytes(parts.path) * at_once
    buffer = bytearray(1 << 20)
    with socket.create_connection((parts.hostname, parts.port)) as connection:

        def answers() -> None:
            connection.sendall(request)
            left = size
            while left:
                left -= connection.recv_into(buffer, min(left, len(buffer)))

        answers()
        start = Time()
        for _ in range(rounds):
            answers()
        return start.spent(rounds * per_round)


def mix(_: str, count: int) -> dict[str, float]:
    """Seconds to parse a mix of voices and print it, and to encode a small dictionary."""
    from facade import VoiceMix

    def parse_and_print() -> None:
        str(VoiceMix.parse("af_bella(2)+af_heart(1)"))

    return _beside_json(parse_and_print, count)


def request(_: str, count: int) -> dict[str, float]:
    """Seconds to check a request, and to encode a small dictionary."""
    from facade._rules.request import SpeechRequest

    nothing = (
        "response_format",
        "response_encoding",
        "sample_rate",
        "bit_rate",
        "language",
        "pronunciation_dict",
        "segment",
        "extra_body",
    )
    options = {**dict.fromkeys(nothing), "model": MODEL}

    def build() -> None:
        SpeechRequest.build(TEXT, options, voice=VOICE, validate_voices=True)

    return _beside_json(build, count)


def _beside_json(work: Callable[[], object], count: int) -> dict[str, float]:
    def cpu_s(repeated: Callable[[], object]) -> float:
        start = Time()
        for _ in range(count):
            repeated()
        return start.spent(count)["cpu_s"]

    def encode() -> None:
        json.dumps(BODY)

    # Taken in turns, so that both have the same machine.
    pairs = [(cpu_s(work), cpu_s(encode)) for _ in range(5)]
    return {
        "cpu_s": median(ours for ours, _ in pairs),
        "json_dumps": median(ours / theirs for ours, theirs in pairs),
    }


class Time:
    """What has passed since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def spent(self, count: float) -> dict[str, float]:
        """Return seconds for each of `count`."""
        cpu_s = time.process_time() - self._cpu
        wall_s = time.perf_counter() - self._wall
        return {"wall_s": wall_s / count, "cpu_s": cpu_s / count, "whole_wall_s": wall_s}


class Server:
    """What the server does from now on."""

    def __init__(self, url: str, tls: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        port = parts.port
        assert parts.hostname  # noqa: S101
        self._connection: http.client.HTTPConnection = (
            http.client.HTTPSConnection(parts.hostname, port, context=tls)
            if tls
            else http.client.HTTPConnection(parts.hostname, port)
        )
        self.sent_ns: list[int] = []
        self.spent()

    def spent(self) -> dict[str, float]:
        self._connection.request("GET", "/stats")
        stats: dict[str, Any] = json.loads(self._connection.getresponse().read())
        self.sent_ns = stats["sent_ns"]
        return {"server_cpu_s": stats["cpu_s"], "connections": stats["connections"]}


def _median_wait(had_ns: list[int], sent_ns: list[int]) -> dict[str, float]:
    waits = [had - sent for had, sent in zip(had_ns, sent_ns, strict=True)]
    return {"wall_s": median(waits[_WARM_UP:]) / 1e9}


def _fetch(contender: str, url: str, how: str) -> None:
    async def save_async(path: Path) -> None:
        client = ASYNC_CONTENDERS[contender](url)
        await client.save_whole(path)
        await client.close()

    with tempfile.TemporaryDirectory() as folder:
        if how == "call":
            CONTENDERS[contender](url, None).call()
        elif how == "save":
            CONTENDERS[contender](url, None).save(Path(folder, "speech.raw"))
        elif how == "save_whole":
            CONTENDERS[contender](url, None).save_whole(Path(folder, "speech.wav"))
        else:
            asyncio.run(save_async(Path(folder, "speech.wav")))


def _raised(contender: str, url: str, how: str) -> dict[str, float]:
    before = _memory("status", "VmHWM")
    _fetch(contender, url, how)
    return {"bytes": _memory("status", "VmHWM") - before}


def _memory(file: str, name: str) -> int:
    """Return a figure of /proc/self in bytes."""
    figures = Path("/proc/self", file).read_text()
    return int(figures.split(f"{name}:")[1].split()[0]) * 1024


def settled() -> int:
    """Return how many bytes of its own the process holds."""
    gc.collect()
    # Pages of the libraries' files come in whenever code runs for the first time.
    return _memory("smaps_rollup", "Anonymous")


_WHAT: dict[str, Callable[..., dict[str, float]]] = {
    measure.__name__: measure
    for measure in (
        call,
        concurrent,
        decode,
        decode_after,
        decode_async,
        first_audio,
        first_audio_async,
        first_audio_paced,
        growth,
        growth_async,
        mix,
        peak,
        peak_above,
        request,
        save_whole,
        save_whole_async,
        server_alone,
        streams,
        tls_call,
        tls_new,
    )
}


def _argument(given: str) -> str | float:
    try:
        return int(given)
    except ValueError:
        return given


if __name__ == "__main__":
    what, contender, *arguments = sys.argv[1:]
    figures = _WHAT[what](contender, *map(_argument, arguments))
    if {"server_cpu_s", "whole_wall_s"} <= figures.keys():
        figures["server busy"] = figures["server_cpu_s"] / figures["whole_wall_s"]
    json.dump(figures, sys.stdout)
