"""A realtime session as cheap as it can be served: its audio is encoded before it is asked for.

The path is /speak/BYTES/COUNT/MS, and for each commit come the times of its words, so many events
of so many bytes of audio, so many milliseconds apart (0: at once), and a `done`. With /TOGETHER
behind that, nothing comes before so many contexts have committed, and then one event of each in
turn.
"""

import asyncio
import functools
import json
import random
from base64 import b64encode
from collections.abc import Iterable, Iterator
from hashlib import sha1
from itertools import chain

# RFC 6455.
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_BYTES_PER_S = 48000


class WebSocketConnection(asyncio.Protocol):
    """One session."""

    def __init__(self, transport: asyncio.Transport, request: bytes) -> None:
        self._transport = transport
        self._received = bytearray()
        self._texts: dict[str, str] = {}
        self._waiting: list[Iterator[bytes]] = []
        self._items = 0
        size, count, apart_ms, together, *_ = (*request.split(b" ", 2)[1].split(b"/")[2:6], b"")
        self._size, self._count = int(size), int(count)
        self._apart_s = int(apart_ms) / 1000
        self._together = int(together) if together.isdigit() else 1
        key = request.lower().partition(b"sec-websocket-key:")[0]
        key = request[len(key) :].split(b"\r\n", 1)[0].split(b":", 1)[1].strip()
        accept = b64encode(sha1(key + _MAGIC, usedforsecurity=False).digest())
        transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"x-request-id: bench\r\nSec-WebSocket-Accept: %b\r\n\r\n" % accept
        )
        transport.write(_event(type="session.created", session={"id": "bench"}))

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (message := self._next()) is not None:
            opcode, payload = message
            if opcode == _TEXT:
                self._take(json.loads(payload))
            elif opcode == _PING:
                self._transport.write(_frame(payload, _PONG))
            elif opcode == _CLOSE:
                self._transport.write(_frame(payload, _CLOSE))
                self._transport.close()

    def _next(self) -> tuple[int, bytes] | None:
        """Return the next message; clients of these benchmarks send each in one frame."""
        received = self._received
        if len(received) < 6:
            return None
        length, at = received[1] & 127, 2
        if length == 126:
            length, at = int.from_bytes(received[2:4]), 4
        end = at + 4 + length
        if len(received) < end:
            return None
        mask = bytes(received[at : at + 4]) * (length // 4 + 1)
        masked = int.from_bytes(received[at + 4 : end])
        payload = (masked ^ int.from_bytes(mask[:length])).to_bytes(length)
        opcode = received[0] & 15
        del received[:end]
        return opcode, payload

    def _take(self, event: dict[str, str]) -> None:
        context = event.get("context_id", "default")
        match event["type"]:
            case "input_text_buffer.append":
                text = event["text"]
                self._texts[context] = self._texts.get(context, "") + text
                kind = "conversation.item.input_text.received"
                self._transport.write(_event(type=kind, context_id=context, text=text))
            case "input_text_buffer.commit":
                self._items += 1
                text = self._texts.pop(context)
                self._waiting.append(self._speech(context, f"tts_{self._items}", text))
                if len(self._waiting) == self._together:
                    waiting, self._waiting = self._waiting, []
                    self._speak(chain.from_iterable(zip(*waiting, strict=True)))
            case "context.cancel":
                self._transport.write(_event(type="context.cancelled", context_id=context))

    def _speech(self, context: str, item: str, text: str) -> Iterator[bytes]:
        """Give what is said of a text, of which the first has audio, and the last is its end."""
        named = f'"context_id":"{context}","item_id":"{item}"'.encode()
        audio = _frame(
            b'{"type":"conversation.item.audio_output.delta",%b,"delta":"%b"}'
            % (named, _audio(self._size))
        )
        words = _words(text, self._size * self._count / _BYTES_PER_S)
        yield _frame(b'{"type":"conversation.item.word_timestamps",%b,%b' % (named, words)) + audio
        for _ in range(self._count - 2):
            yield audio
        done = _frame(b'{"type":"conversation.item.audio_output.done",%b}' % named)
        yield audio + done

    def _speak(self, events: Iterable[bytes]) -> None:
        if not self._apart_s:
            self._transport.writelines(events)
            return
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        for number, event in enumerate(events):
            loop.call_at(start_s + number * self._apart_s, self._write, event)

    def _write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)


def is_handshake(data: bytes) -> bool:
    """Whether a request asks for a WebSocket."""
    return data.startswith(b"GET /speak/") and data.endswith(b"\r\n\r\n")


def _event(**fields: object) -> bytes:
    return _frame(json.dumps(fields).encode())


def _frame(payload: bytes, opcode: int = _TEXT) -> bytes:
    size = len(payload)
    if size < 126:
        head = bytes((128 | opcode, size))
    elif size < 65536:
        head = bytes((128 | opcode, 126)) + size.to_bytes(2)
    else:
        head = bytes((128 | opcode, 127)) + size.to_bytes(8)
    return head + payload


@functools.cache
def _audio(size: int) -> bytes:
    return b64encode(random.Random(size).randbytes(size))  # noqa: S311


@functools.cache
def _words(text: str, seconds: float) -> bytes:
    words = text.split()
    each_s = seconds / len(words)
    lists = {
        "words": words,
        "start_seconds": [round(number * each_s, 3) for number in range(len(words))],
        "end_seconds": [round((number + 1) * each_s, 3) for number in range(len(words))],
    }
    return json.dumps(lists).encode()[1:]
