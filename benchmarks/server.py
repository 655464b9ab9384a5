"""An HTTP server that costs next to nothing: every answer is encoded before it is asked for.

The first parts of a request's path say what to answer; what follows them is the client's affair.

    /whole/BYTES/DELAY_MS   a WAV file
    /events/BYTES/COUNT     a stream of so many events, each with so many bytes of audio
    /first/BYTES/LEAD_MS    a stream of one event, its head so many milliseconds ahead of it
    /paced/BYTES/MS         a stream of ten events, so many milliseconds apart; the audio begins
                            with the time at which the first of them was written
    /speak/...              a realtime session: see `benchmarks.websocket`
    /stats                  what the server has done since it was asked last
"""

import argparse
import asyncio
import functools
import json
import random
import re
import ssl
import sys
import time
import wave
from base64 import b64encode
from collections.abc import Iterator
from io import BytesIO
from itertools import chain, repeat

from benchmarks.websocket import WebSocketConnection, is_handshake

_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nx-request-id: bench\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
_AUDIO = b'"b64": "'
_END = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
_PIECE_BYTES = 256 * 1024
# After the first event of /first: the client has it in its hands by then.
_REST_AFTER_S = 0.001
_PACED_EVENTS = 10
# The time, in nanoseconds of `time.perf_counter_ns`, in as many bytes as are whole in base64.
STAMP_BYTES = 12
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


class Stats:
    """What has been done since the last question."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.cpu_s = time.process_time()
        self.connections = 0
        self.requests = 0
        self.sent_ns: list[int] = []

    def report(self) -> bytes:
        report = {
            "cpu_s": time.process_time() - self.cpu_s,
            "connections": self.connections,
            "requests": self.requests,
            "sent_ns": self.sent_ns,
        }
        self.reset()
        return json.dumps(report).encode()


class Connection(asyncio.Protocol):
    def __init__(self, stats: Stats) -> None:
        self._stats = stats
        self._received = bytearray()
        self._pieces: Iterator[bytes | memoryview] = iter(())
        self._is_busy = False
        self._is_paused = False
        self._is_new = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport
        self._loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        if self._is_new and data.startswith(b"PRI * HTTP/2.0"):
            self._speak_http2(data)
            return
        if self._is_new and is_handshake(data):
            self._stats.connections += 1
            self._transport.set_protocol(WebSocketConnection(self._transport, data))
            return
        self._received += data
        self._answer()

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        self._pump()

    def _answer(self) -> None:
        while not self._is_busy and (path := self._next_request()) is not None:
            kind, size, number = (*path.split("/")[1:4], "", "")[:3]
            if kind == "stats":
                self._write(_whole_answer(self._stats.report(), b"application/json"))
                continue
            self._stats.requests += 1
            # A connection that only asks for statistics is none of the client's.
            self._stats.connections += self._is_new
            self._is_new = False
            if kind == "whole":
                self._send_whole(int(size), int(number))
            elif kind == "events":
                self._is_busy = True
                self._pieces = _stream(int(size), int(number))
                self._pump()
            elif kind == "paced":
                self._write(_STREAM_HEAD + _stamped(_events(int(size), 1)))
                self._send_paced(int(size), int(number) / 1000, _PACED_EVENTS - 1)
            else:
                self._send_first(int(size), int(number))

    def _next_request(self) -> str | None:
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return None
        length = _LENGTH.search(self._received, 0, end)
        whole = end + 4 + (int(length[1]) if length else 0)
        if len(self._received) < whole:
            return None
        path = self._received[:end].split(b" ", 2)[1].decode()
        del self._received[:whole]
        return path

    def _speak_http2(self, data: bytes) -> None:
        from benchmarks.http2 import Http2Connection

        self._stats.connections += 1
        connection = Http2Connection(self._transport, self._over_http2)
        self._transport.set_protocol(connection)
        connection.data_received(data)

    def _over_http2(self, path: str) -> tuple[float, bytes]:
        self._stats.requests += 1
        _, _, size, delay_ms, *_ = path.split("/")
        return int(delay_ms) / 1000, _wav(int(size))

    def _send_whole(self, size: int, delay_ms: int) -> None:
        if size > _PIECE_BYTES:
            self._is_busy = True
            self._pieces = _pieces(_wav_answer(size))
            self._pump()
        elif delay_ms:
            self._loop.call_later(delay_ms / 1000, self._write, _wav_answer(size))
        else:
            self._write(_wav_answer(size))

    def _send_first(self, size: int, lead_ms: int) -> None:
        event = _events(size, 1)
        if lead_ms:
            self._write(_STREAM_HEAD)
            self._loop.call_later(lead_ms / 1000, self._send_event, event)
        else:
            self._send_event(_STREAM_HEAD + event)

    def _send_event(self, event: bytes) -> None:
        self._stats.sent_ns.append(time.perf_counter_ns())
        self._write(event)
        self._loop.call_later(_REST_AFTER_S, self._write, _END)

    def _send_paced(self, size: int, apart_s: float, count: int) -> None:
        if not count:
            self._write(_END)
            return
        event = _events(size, 1)
        self._loop.call_later(apart_s, self._write, event)
        self._loop.call_later(apart_s, self._send_paced, size, apart_s, count - 1)

    def _write(self, data: bytes) -> None:
        self._transport.write(data)

    def _pump(self) -> None:
        while not self._is_paused and not self._transport.is_closing():
            piece = next(self._pieces, None)
            if piece is None:
                if self._is_busy:
                    self._is_busy = False
                    self._answer()
                return
            self._transport.write(piece)


def _pieces(data: bytes) -> Iterator[memoryview]:
    view = memoryview(data)
    return (view[at : at + _PIECE_BYTES] for at in range(0, len(data), _PIECE_BYTES))


def _stream(size: int, count: int) -> Iterator[bytes | memoryview]:
    # A short stream goes out in one piece, a long one in blocks of some events each.
    in_block = max(1, min(count, _PIECE_BYTES // size))
    if count <= in_block:
        return iter((_STREAM_HEAD + _events(size, count) + _END,))
    blocks = repeat(_events(size, in_block), count // in_block)
    rest = _events(size, count % in_block)
    return chain((_STREAM_HEAD,), chain.from_iterable(map(_pieces, blocks)), (rest, _END))


@functools.cache
def _events(size: int, count: int) -> bytes:
    """Return `count` events, each an HTTP chunk of its own, as servers send them."""
    audio = b64encode(random.Random(size).randbytes(size)).decode()  # noqa: S311
    fields = {"object": "audio.tts.chunk", "model": "hexgrad/Kokoro-82M", "b64": audio}
    event = b"data: " + json.dumps(fields).encode() + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(event), event) * count


def _stamped(event: bytes) -> bytes:
    """Return an event whose audio begins with the time."""
    start = event.index(_AUDIO) + len(_AUDIO)
    stamp = b64encode(time.perf_counter_ns().to_bytes(STAMP_BYTES))
    return event[:start] + stamp + event[start + len(stamp) :]


@functools.cache
def _wav_answer(size: int) -> bytes:
    return _whole_answer(_wav(size), b"audio/wav")


@functools.cache
def _wav(size: int) -> bytes:
    file = BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(24000)
        wav.writeframes(random.Random(size).randbytes(size - 44))  # noqa: S311
    return file.getvalue()


def _whole_answer(body: bytes, kind: bytes) -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nx-request-id: bench\r\nContent-Length: %d\r\n\r\n"
        % (kind, len(body))
    ) + body


def answer_bytes(path: str) -> int:
    """Return the size of an answer, its head included."""
    kind, size, number = path.split("/")[1:4]
    if kind == "whole":
        return len(_wav_answer(int(size)))
    return sum(map(len, _stream(int(size), int(number))))


async def serve(certificate: str | None) -> None:
    """Serve until the standard input ends, and say on which port."""
    tls = None
    if certificate:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate)
    stats = Stats()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(stats), "127.0.0.1", 0, ssl=tls)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    # The program that started this has ended when nothing is left to read.
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve answers that are encoded already.")
    parser.add_argument("--certificate", help="a file with key and certificate, for TLS")
    asyncio.run(serve(parser.parse_args().certificate))
