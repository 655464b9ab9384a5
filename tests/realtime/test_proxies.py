"""Sessions through a proxy: plain, with TLS inside, and with TLS inside of TLS."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from facade import APIConnectionError
from tests.realtime.conftest import Converse
from tests.realtime.server import RealtimeServer, spoken

TEXT = "word " * 400


@contextmanager
def proxy(asked: list[str], tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """A proxy that makes connections; it notes what it was asked for."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads = []

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                threads.append(threading.Thread(target=carry, args=(client,)))
                threads[-1].start()

        def carry(client: socket.socket) -> None:
            with contextlib.suppress(OSError):
                if tls is not None:
                    client = tls.wrap_socket(client, server_side=True)
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    head += client.recv(1)
                asked.append(head.decode())
                host, port = head.split()[1].decode().rsplit(":", 1)
                with socket.create_connection((host, int(port))) as server:
                    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    back = threading.Thread(target=pump, args=(server, client))
                    back.start()
                    pump(client, server)
                    back.join()
            client.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"{'https' if tls else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        for thread in threads:
            thread.join()


def pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("is_nested", [False, True])
def test_a_session_goes_through_a_proxy(
    converse: Converse, server_tls: ssl.SSLContext, trust: ssl.SSLContext, is_nested: bool
) -> None:
    asked: list[str] = []
    with (
        RealtimeServer(tls=server_tls) as server,
        proxy(asked, server_tls if is_nested else None) as url,
    ):
        way = httpx.Proxy(url, ssl_context=trust if is_nested else None)
        with converse(server.url, httpx_args={"proxy": way, "verify": trust}) as talk:
            assert talk.speak(TEXT).hear_all() == spoken(TEXT)
            assert talk.speak("Again.").hear_all() == spoken("Again.")
    (head,) = asked
    assert head.startswith("CONNECT 127.0.0.1:")
    assert "uthorization" not in head


def test_a_proxy_that_cannot_be_reached(converse: Converse, trust: ssl.SSLContext) -> None:
    settings = {"proxy": "http://127.0.0.1:1", "verify": trust}
    with (
        pytest.raises(APIConnectionError, match=r"through the proxy 127\.0\.0\.1:1"),
        converse("https://speech.invalid/v1", httpx_args=settings),
    ):
        pass
