"""Our end of a connection, where no real one can be brought to do a thing."""

import socket
import ssl
from typing import Any

import anyio
import httpcore
import pytest
from anyio.abc import ByteStream
from anyio.streams.tls import TLSAttribute

from facade import RetryPolicy, Timeouts
from facade._transport import network_async, network_sync
from facade._transport.call import Call
from facade._transport.config import Secret
from facade._transport.socket_async import Socket

LARGE = bytes(200_000)


class TlsInTls(httpcore.NetworkStream):
    """What httpcore makes of TLS through a proxy that is spoken to with TLS."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self._tls = ssl.create_default_context().wrap_bio(
            ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost"
        )

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        assert timeout is not None
        self.written.append(buffer)

    def get_extra_info(self, info: str) -> Any:
        assert info == "ssl_object", "the socket underneath has another layer of TLS"
        return self._tls


def test_tls_inside_tls_is_written_to_as_a_whole() -> None:
    """Its socket would take the request without the inner layer."""
    call = Call(Timeouts(), RetryPolicy(), Secret("key"))
    inner = TlsInTls()
    stream = network_sync.Stream(inner, call, 0, is_shared=False)
    stream.write(b"head", call)
    stream.write(LARGE, call)
    assert b"".join(inner.written) == b"head" + LARGE


class Ending(ByteStream):
    """TLS whose end has come together with the answer before it."""

    def __init__(self, error: type[Exception]) -> None:
        self._error = error

    @property
    def extra_attributes(self) -> Any:
        return {TLSAttribute.ssl_object: object}

    async def receive(self, max_bytes: int = 65536) -> bytes:
        raise self._error

    async def send(self, item: bytes) -> None:
        raise NotImplementedError

    async def send_eof(self) -> None:
        raise NotImplementedError

    async def aclose(self) -> None:
        raise NotImplementedError


@pytest.mark.parametrize(
    "error", [anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError]
)
def test_tls_that_has_ended_is_not_used_again(error: type[Exception]) -> None:
    call = Call(Timeouts(), RetryPolicy(), Secret("key"))
    here, there = socket.socketpair()
    with here, there:
        stream = network_async.Stream(Ending(error), Socket(here), call, 0, is_shared=False)
        assert not anyio.run(stream.is_quiet)
