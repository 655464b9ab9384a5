"""The body of an answer while it comes in: counted, timed, and decompressed within bounds."""

import socket
import sys
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any, cast

import anyio
import httpx

from facade._call import Call, current
from facade._config import Config
from facade._lost import facts_of, out_of_time, raise_ours, redact, redact_bytes
from facade._rules.error_mapping import BODY_LIMIT
from facade.errors import APIConnectionError

# In place of a stream that is at its end: httpx's own refers to its response, and the response to
# it, so that an answer would stay in memory until the garbage collector comes by.
_NOTHING = httpx.ByteStream(b"")


class Meter:
    """Counts a body while it comes in, and decompresses it within bounds.

    Compression is not asked for, and some servers use it all the same; httpx would inflate 64 KB to
    64 MB before anybody could object.
    """

    def __init__(self, call: Call, config: Config, encoding: str, limit: int) -> None:
        self._call = call
        self._config = config
        self._encoding = encoding
        self._limit = self._room = limit
        self._inflater: Any = None
        if encoding in ("gzip", "x-gzip", "deflate"):
            self._inflater = zlib.decompressobj(15 if encoding == "deflate" else 31)

    def expect(self, length: str) -> None:
        """Refuse a body by what its head says of its length, before any of it is read."""
        if length.isdecimal() and len(length) < 20 and int(length) > self._limit:
            raise self._too_large()

    def take(self, chunk: bytes) -> bytes:
        self._call.bytes_received += len(chunk)
        if self._inflater is not None:
            chunk = self._inflate(chunk)
        elif self._encoding not in ("", "identity"):
            raise self._broken(
                f"is encoded as {self._encoding!r}, though nothing of the kind was asked for"
            )
        self._room -= len(chunk)
        if self._room < 0:
            raise self._too_large()
        if self._call.left_s() <= 0:
            raise out_of_time(self._call, self._config)
        self._call.note_arrival()
        return chunk

    def finish(self) -> None:
        if self._inflater is not None and self._call.bytes_received and not self._inflater.eof:
            raise self._broken("ends inside its compressed data")

    def _inflate(self, chunk: bytes) -> bytes:
        try:
            inflated: bytes = self._inflater.decompress(chunk, self._room + 1)
        except zlib.error as error:
            raise self._broken(f"cannot be decompressed: {error}") from error
        if self._inflater.unused_data:
            # It would be kept, however much of it there is.
            raise self._broken("goes on after its compressed data")
        return inflated

    def _too_large(self) -> APIConnectionError:
        return self._broken(f"is larger than max_audio_bytes={self._limit}")

    def _broken(self, how: str) -> APIConnectionError:
        return APIConnectionError(
            f"the answer of {self._config.address} {how}", **facts_of(self._call)
        )


class SyncBody(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream, meter: Meter) -> None:
        self._stream = stream
        self._meter = meter

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            yield self._meter.take(chunk)
        self._meter.finish()

    def close(self) -> None:
        self._stream.close()
        self._stream = _NOTHING


class AsyncBody(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, meter: Meter) -> None:
        self._stream = stream
        self._meter = meter

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield self._meter.take(chunk)
        self._meter.finish()

    async def aclose(self) -> None:
        await self._stream.aclose()
        self._stream = _NOTHING


def begin_body(response: httpx.Response, call: Call, config: Config) -> Meter | None:
    """Note the head of an answer; return the meter for its body, or `None` where it needs none."""
    call.status = response.status_code
    call.headers = {
        name.lower(): redact(value, config.key) for name, value in response.headers.items()
    }
    # The rest of httpx must not decompress it once more.
    response.headers.pop("content-encoding", None)
    encoding = call.headers.get("content-encoding", "").strip().lower()
    if call.status != 200:
        return Meter(call, config, encoding, 16 * BODY_LIMIT)
    if call.is_stream:
        # It is never held whole, and each of its events has a limit. The connection keeps the time,
        # unless it is not of our making, or answers other calls as well.
        keeps_time = (
            not config.has_own_transport and response.extensions.get("http_version") != b"HTTP/2"
        )
        is_plain = encoding in ("", "identity")
        return None if is_plain and keeps_time else Meter(call, config, encoding, sys.maxsize - 1)
    meter = Meter(call, config, encoding, config.max_audio_bytes)
    meter.expect(call.headers.get("content-length", ""))
    return meter


class Chunks:
    """The body of a streamed answer, piece by piece.

    Attributes:
        call: The call that it answers.
    """

    def __init__(self, response: httpx.Response, call: Call, config: Config) -> None:
        self.call = call
        self._config = config
        self._response = response
        self._is_open = True
        self._is_metered = isinstance(response.stream, SyncBody | AsyncBody)

    def redact(self, said: bytes) -> bytes:
        """Take the key out of what the service says."""
        return redact_bytes(said, self._config.key)

    def hang_up(self) -> None:
        """Tell the service that nobody listens any more, without a lock and without waiting."""
        extensions = self._response.extensions
        # Over HTTP/2 the connection has other streams too.
        if extensions.get("http_version") == b"HTTP/1.1" and "network_stream" in extensions:
            with suppress(Exception):  # a loop that has ended, or a transport without sockets
                extensions["network_stream"].get_extra_info("socket").shutdown(socket.SHUT_RDWR)


class SyncChunks(Chunks):
    """The body of a streamed answer, for `SpeechStream`."""

    def __init__(self, response: httpx.Response, call: Call, config: Config) -> None:
        super().__init__(response, call, config)
        # What `iter_raw` adds to this costs as much as a small event's decoding.
        self._chunks = iter(cast("httpx.SyncByteStream", response.stream))

    def next(self) -> bytes | None:
        """Wait for the next piece; return `None` at the end."""
        token = current.set(self.call)
        outer = sys.exception()
        try:
            if self._is_metered:
                # Its connection may not keep the time.
                self.call.go_on()
            chunk = next(self._chunks, None)
            if chunk is not None and not self._is_metered:
                self.call.bytes_received += len(chunk)
            return chunk
        except BaseException as error:  # noqa: BLE001 - see raise_ours
            raise_ours(error, self.call, self._config, outer)
        finally:
            current.reset(token)

    def close(self) -> None:
        """Give the connection back where the body was read to its end; else close it."""
        if self._is_open:
            self._is_open = False
            self._response.close()
            self._response.stream = _NOTHING
            self.call.log()


class AsyncChunks(Chunks):
    """The body of a streamed answer, for `AsyncSpeechStream`."""

    def __init__(self, response: httpx.Response, call: Call, config: Config) -> None:
        super().__init__(response, call, config)
        self._chunks = aiter(cast("httpx.AsyncByteStream", response.stream))

    async def next(self) -> bytes | None:
        """Wait for the next piece; return `None` at the end."""
        token = current.set(self.call)
        outer = sys.exception()
        try:
            if self._is_metered:
                # As above; for all other pieces a scope of their own would cost too much.
                self.call.go_on()
                with anyio.move_on_after(self.call.left_s()):
                    return await self._chunks.__anext__()
                raise out_of_time(self.call, self._config)
            chunk = await self._chunks.__anext__()
            self.call.bytes_received += len(chunk)
            return chunk
        except StopAsyncIteration:
            return None
        except BaseException as error:  # noqa: BLE001 - see raise_ours
            raise_ours(error, self.call, self._config, outer)
        finally:
            current.reset(token)

    async def close(self) -> None:
        """Give the connection back where the body was read to its end; else close it."""
        if self._is_open:
            self._is_open = False
            await self._response.aclose()
            self._response.stream = _NOTHING
            self.call.log()
            if not self._is_metered:
                # Its connection is closed, or its end has come. An event loop is told of a
                # generator that is given up before its end, and trio warns of it.
                with suppress(Exception):
                    while True:
                        await anext(self._chunks)
