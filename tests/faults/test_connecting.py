"""What goes wrong before a request is out."""

import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from facade import APIConnectionError, APITimeoutError, RetryPolicy, Timeouts
from tests.conftest import Connect
from tests.faults.server import SPEECH, FaultServer, Peer, Step, answer, then
from tests.key_search import failure

pytestmark = pytest.mark.usefixtures("no_waits")


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def retries(caplog: pytest.LogCaptureFixture) -> int:
    """How many attempts after the first were told to the log."""
    return sum(record.getMessage().startswith("attempt ") for record in caplog.records)


def test_refused_connection_names_host_and_port(
    connect: Connect, free_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "facade")
    speaker = connect(f"http://127.0.0.1:{free_port}/v1")
    error = failure(speaker, APIConnectionError)
    assert f"could not connect to 127.0.0.1:{free_port}" in str(error)
    assert not error.request_sent
    assert error.transient
    assert error.bytes_received == 0
    assert error.__cause__ is not None
    assert retries(caplog) == 2


def test_unknown_host_is_named(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    caplog.set_level("INFO", "facade")
    error = failure(connect("https://nowhere.invalid/v1"), APIConnectionError)
    assert "nowhere.invalid:443: [Errno -2] Name or service not known" in str(error)
    assert not error.request_sent
    assert retries(caplog) == 2


def test_untrusted_certificate_is_tls_and_not_retried(
    connect: Connect, server_tls: ssl.SSLContext
) -> None:
    with FaultServer(answer(200, SPEECH), tls=server_tls) as server:
        error = failure(connect(server.url), APIConnectionError)
        assert f"TLS with 127.0.0.1:{server.port} failed" in str(error)
        assert "CERTIFICATE_VERIFY_FAILED" in str(error)
        assert not error.request_sent
        assert not error.transient
        assert server.saw_close()
        assert (server.connections, server.requests) == (1, [])


def test_trusted_certificate_works(
    connect: Connect, server_tls: ssl.SSLContext, trust: ssl.SSLContext
) -> None:
    with FaultServer(answer(200, SPEECH), tls=server_tls) as server:
        speaker = connect(server.url, httpx_args={"verify": trust})
        assert speaker.synthesize().content == SPEECH
        assert speaker.synthesize().content == SPEECH
        assert server.connections == 1


@pytest.mark.parametrize(
    "do",
    [
        pytest.param(then(answer(400, b"speak HTTP"), Peer.wait_for_close), id="plain HTTP"),
        pytest.param(Peer.close, id="closed in the handshake"),
        pytest.param(Peer.reset, id="reset in the handshake"),
    ],
)
def test_broken_tls_is_not_retried(connect: Connect, do: Step) -> None:
    assert not isinstance(do, bytes)
    with FaultServer(on_connect=do) as server:
        error = failure(connect(server.url.replace("http:", "https:")), APIConnectionError)
        assert f"TLS with 127.0.0.1:{server.port} failed" in str(error)
        assert not error.request_sent
        assert not error.transient
        assert error.__cause__ is not None
        assert server.connections == 1


def test_connection_that_takes_too_long_is_retried(connect: Connect) -> None:
    """TLS counts as connecting, so a silent peer stands for a slow network everywhere."""
    with FaultServer(on_connect=Peer.wait_for_close) as server:
        speaker = connect(server.url.replace("http:", "https:"), timeouts=Timeouts(connect_s=0.1))
        error = failure(speaker, APITimeoutError)
        assert f"no connection to 127.0.0.1:{server.port} within connect_s=0.1 s" in str(error)
        assert not error.request_sent
        assert error.transient
        assert server.saw_close()
        assert server.saw_close()
        assert server.saw_close()
        assert server.connections == 3


@pytest.fixture
def full_port() -> Iterator[int]:
    """A port whose queue of connections is full, so that no more is answered."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port: int = listener.getsockname()[1]
        for _ in range(8):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        yield port


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse rather than wait")
def test_tcp_that_is_not_answered_is_a_timeout(connect: Connect, full_port: int) -> None:
    speaker = connect(
        f"http://127.0.0.1:{full_port}/v1",
        timeouts=Timeouts(connect_s=0.1),
        retry=RetryPolicy(attempts=1),
    )
    error = failure(speaker, APITimeoutError)
    assert f"no connection to 127.0.0.1:{full_port} within connect_s=0.1 s" in str(error)
    assert not error.request_sent


def test_total_time_that_ends_while_connecting_says_nothing_was_sent(connect: Connect) -> None:
    with FaultServer(on_connect=Peer.wait_for_close) as server:
        speaker = connect(server.url.replace("http:", "https:"), timeouts=Timeouts(total_s=0.2))
        error = failure(speaker, APITimeoutError)
        assert "within total_s=0.2 s" in str(error)
        assert "may have been processed" not in str(error)
        assert not error.request_sent
        assert server.saw_close()
        assert server.connections == 1


@pytest.mark.parametrize("end", [Peer.close, Peer.reset])
def test_idle_connection_closed_by_the_server_is_replaced(connect: Connect, end: Step) -> None:
    assert not isinstance(end, bytes)
    with FaultServer(then(answer(200, SPEECH), end), answer(200, SPEECH)) as server:
        speaker = connect(server.url)
        speaker.synthesize()
        server.wait_until_ended()
        assert speaker.synthesize().content == SPEECH
        assert server.connections == 2


def test_connection_is_used_again(connect: Connect) -> None:
    with FaultServer(answer(200, SPEECH)) as server:
        speaker = connect(server.url)
        for _ in range(3):
            speaker.synthesize()
        assert server.connections == 1
        speaker.close()
        assert server.saw_close()
