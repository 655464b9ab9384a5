"""Proxies, certificates, the environment, an application's own transports: as httpx has them."""

import logging
import re
import ssl
import sys
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from facade import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    InternalServerError,
    InvalidRequestError,
    RetryPolicy,
    Timeouts,
)
from tests.conftest import Connect
from tests.faults.server import SPEECH, FaultServer, Peer, Step, answer, then
from tests.key_search import failure, shown

pytestmark = pytest.mark.usefixtures("no_waits")

GOOD = answer(200, SPEECH)
# Nobody could find these hosts but the proxy, so that everything must go through it.
PLAIN = "http://speech.invalid/v1"
SECURE = "https://speech.invalid/v1"
PASSWORD = "pr0xy-pAssw0rd"  # noqa: S105 - of no proxy
LOGIN = b64encode(f"user:{PASSWORD}".encode()).decode()


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have none in the environment."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def tunnel(context: ssl.SSLContext) -> Step:
    """As a proxy, agree to a connection, and be what it leads to."""
    return then(
        b"HTTP/1.1 200 Connection established\r\n\r\n", lambda peer: peer.start_tls(context)
    )


def at(proxy: FaultServer, login: str = "") -> str:
    """The address of a proxy."""
    return f"http://{login}127.0.0.1:{proxy.port}"


def through(proxy: FaultServer, **arguments: Any) -> dict[str, Any]:
    """Settings of a client that uses a proxy."""
    return {
        "insecure_hosts": ["speech.invalid"],
        "httpx_args": {"proxy": at(proxy), **arguments},
    }


# --- through a proxy -----------------------------------------------------------------------------


def test_plain_requests_go_to_the_proxy(connect: Connect) -> None:
    with FaultServer(GOOD, answer(200, b'{"data": []}')) as proxy:
        speaker = connect(PLAIN, **through(proxy))
        assert speaker.synthesize().content == SPEECH
        assert speaker.list_voices() == []
        assert [request.target for request in proxy.requests] == [
            f"{PLAIN}/audio/speech",
            f"{PLAIN}/voices",
        ]
        assert proxy.connections == 1


def test_tls_goes_through_the_proxy(
    connect: Connect, server_tls: ssl.SSLContext, trust: ssl.SSLContext
) -> None:
    with FaultServer(tunnel(server_tls), GOOD) as proxy:
        speaker = connect(SECURE, **through(proxy, verify=trust))
        assert speaker.synthesize().content == SPEECH
        assert speaker.synthesize().content == SPEECH
        connecting, *calls = proxy.requests
        assert (connecting.method, connecting.target) == ("CONNECT", "speech.invalid:443")
        assert "authorization" not in connecting.headers
        assert [call.target for call in calls] == ["/v1/audio/speech"] * 2
        assert proxy.connections == 1


def test_proxy_that_is_spoken_to_with_tls(
    connect: Connect, server_tls: ssl.SSLContext, trust: ssl.SSLContext
) -> None:
    with FaultServer(GOOD, tls=server_tls) as server:
        proxy = httpx.Proxy(f"https://127.0.0.1:{server.port}", ssl_context=trust)
        speaker = connect(PLAIN, insecure_hosts=["speech.invalid"], httpx_args={"proxy": proxy})
        assert speaker.synthesize().content == SPEECH
        assert server.requests[0].target == f"{PLAIN}/audio/speech"


def test_password_goes_to_the_proxy_and_nowhere_else(
    connect: Connect,
    server_tls: ssl.SSLContext,
    trust: ssl.SSLContext,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    with FaultServer(tunnel(server_tls), Peer.close) as proxy:
        arguments = {"proxy": at(proxy, f"user:{PASSWORD}@"), "verify": trust}
        error = failure(connect(SECURE, httpx_args=arguments), APIConnectionError)
        connecting, call = proxy.requests
        assert connecting.headers["proxy-authorization"] == f"Basic {LOGIN}"
        assert "proxy-authorization" not in call.headers
    with FaultServer(Peer.close) as proxy:
        arguments = {"proxy": at(proxy, f"user:{PASSWORD}@")}
        other = failure(
            connect(PLAIN, insecure_hosts=["speech.invalid"], httpx_args=arguments),
            APIConnectionError,
        )
        assert proxy.requests[0].headers["proxy-authorization"] == f"Basic {LOGIN}"
    for text in (shown(error), shown(other), caplog.text):
        assert PASSWORD not in text
        assert LOGIN not in text


@pytest.mark.parametrize(
    ("status", "tries"), [(407, 1), (403, 1), (500, 1), (502, 3), (503, 3), (504, 3)]
)
def test_proxy_refuses_a_connection(connect: Connect, status: int, tries: int) -> None:
    """What may pass by itself is tried again: nothing has been sent."""
    with FaultServer(answer(status)) as proxy:
        speaker = connect(SECURE, **through(proxy))
        error = failure(speaker, APIConnectionError)
        assert f"the proxy 127.0.0.1:{proxy.port} makes no connection" in str(error)
        assert f"{status} Whatever" in str(error)
        assert not error.request_sent
        assert error.transient is (tries > 1)
        assert proxy.connections == tries
        assert proxy.requests[0].body == b""


@pytest.mark.parametrize(
    ("status", "expected"), [(407, APIStatusError), (502, InternalServerError)]
)
def test_proxy_refuses_a_plain_request(
    connect: Connect, status: int, expected: type[APIStatusError]
) -> None:
    with FaultServer(answer(status)) as proxy:
        speaker = connect(PLAIN, **through(proxy), retry=RetryPolicy(attempts=1))
        assert failure(speaker, expected).status_code == status


@pytest.mark.parametrize("url", [PLAIN, SECURE])
def test_proxy_that_cannot_be_reached(connect: Connect, url: str) -> None:
    with FaultServer(GOOD) as proxy:
        settings = through(proxy)
    error = failure(connect(url, **settings), APIConnectionError)
    assert "could not connect to" in str(error)
    assert not error.request_sent
    assert error.transient


@pytest.mark.parametrize("url", [PLAIN, SECURE])
def test_time_limits_hold_where_a_proxy_says_nothing(connect: Connect, url: str) -> None:
    with FaultServer(Peer.wait_for_close) as proxy:
        speaker = connect(url, timeouts=Timeouts(total_s=0.2), **through(proxy))
        error = failure(speaker, APITimeoutError)
        assert "within total_s=0.2 s" in str(error)
        assert proxy.saw_close()


@pytest.mark.parametrize(
    ("do", "expected", "said"),
    [
        (Peer.wait_for_close, APITimeoutError, "no connection to .* within connect_s=0.1 s"),
        (Peer.close, APIConnectionError, "Server disconnected"),
    ],
    ids=["silence", "close"],
)
def test_nothing_is_sent_before_a_proxy_agrees(
    connect: Connect, do: Step, expected: type[APIConnectionError], said: str
) -> None:
    """So it may be tried again."""
    limits = Timeouts(connect_s=0.1, read_s=0.2, total_s=5)
    with FaultServer(do) as proxy:
        error = failure(connect(SECURE, timeouts=limits, **through(proxy)), expected)
        assert re.search(said, str(error))
        assert not error.request_sent
        assert proxy.connections == 3


@pytest.mark.parametrize("limit", [Timeouts(), Timeouts(connect_s=0.1)], ids=["broken", "silent"])
def test_client_goes_on_after_tls_behind_a_proxy_failed(
    connect: Connect, server_tls: ssl.SSLContext, trust: ssl.SSLContext, limit: Timeouts
) -> None:
    """httpx then takes the connection to be in use for ever."""
    agree = b"HTTP/1.1 200 Connection established\r\n\r\n"
    do = Peer.close if limit == Timeouts() else Peer.wait_for_close
    with FaultServer(then(agree, do)) as proxy:
        limits = httpx.Limits(max_connections=1)
        speaker = connect(SECURE, timeouts=limit, **through(proxy, verify=trust, limits=limits))
        error = failure(speaker, APIConnectionError if limit == Timeouts() else APITimeoutError)
        assert not error.request_sent
        proxy.answer_from_now_on(tunnel(server_tls), GOOD)
        assert speaker.synthesize().content == SPEECH


# --- the environment -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_proxy_of_the_environment_is_used(
    connect: Connect, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultServer(GOOD) as proxy:
        monkeypatch.setenv(name, at(proxy))
        speaker = connect(PLAIN, insecure_hosts=["speech.invalid"])
        assert speaker.synthesize().content == SPEECH
        assert proxy.requests[0].target == f"{PLAIN}/audio/speech"


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "ALL_PROXY"])
def test_proxy_of_the_environment_is_used_for_tls(
    connect: Connect,
    name: str,
    server_tls: ssl.SSLContext,
    trust: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with FaultServer(tunnel(server_tls), GOOD) as proxy:
        monkeypatch.setenv(name, at(proxy))
        speaker = connect(SECURE, httpx_args={"verify": trust})
        assert speaker.synthesize().content == SPEECH
        assert proxy.requests[0].target == "speech.invalid:443"


@pytest.mark.parametrize(
    ("environment", "settings"),
    [
        ({"NO_PROXY": "127.0.0.1"}, {}),
        ({"NO_PROXY": "*"}, {}),
        ({}, {"httpx_args": {"trust_env": False}}),
    ],
    ids=["this one is excepted", "all are excepted", "trust_env"],
)
def test_proxy_of_the_environment_is_passed_by(
    connect: Connect,
    environment: dict[str, str],
    settings: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with FaultServer(GOOD) as proxy, FaultServer(GOOD) as server:
        for name, value in {"ALL_PROXY": at(proxy), **environment}.items():
            monkeypatch.setenv(name, value)
        assert connect(server.url, **settings).synthesize().content == SPEECH
        assert server.requests[0].target == "/v1/audio/speech"
        assert proxy.connections == 0


# --- what a client cannot be built with ----------------------------------------------------------


@pytest.mark.parametrize("is_environment", [False, True], ids=["argument", "environment"])
def test_socks_needs_a_package(
    kind: str, connect: Connect, is_environment: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    proxy = f"socks5://user:{PASSWORD}@127.0.0.1:9"
    arguments = {} if is_environment else {"proxy": proxy}
    if is_environment:
        monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(InvalidRequestError, match="'socksio' package is not installed") as caught:
        connect(SECURE, httpx_args=arguments)
    assert caught.value.param == "httpx_args"
    assert PASSWORD not in str(caught.value) + repr(caught.value)


def test_proxy_of_no_known_kind(connect: Connect) -> None:
    with pytest.raises(InvalidRequestError, match="Unknown scheme for proxy URL") as caught:
        connect(SECURE, httpx_args={"proxy": f"ftp://user:{PASSWORD}@127.0.0.1:9"})
    assert PASSWORD not in str(caught.value) + repr(caught.value)


# --- certificates --------------------------------------------------------------------------------


def test_certificates_of_the_environment(
    connect: Connect,
    authority: trustme.CA,
    server_tls: ssl.SSLContext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "trusted.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "trusted.pem"))
    with FaultServer(GOOD, tls=server_tls) as server:
        assert connect(server.url).synthesize().content == SPEECH
        failure(connect(server.url, httpx_args={"trust_env": False}), APIConnectionError)


def test_certificates_are_not_looked_at(connect: Connect, server_tls: ssl.SSLContext) -> None:
    with FaultServer(GOOD, tls=server_tls) as server:
        speaker = connect(server.url, httpx_args={"verify": False})
        assert speaker.synthesize().content == SPEECH


def test_certificate_of_the_client(
    connect: Connect, authority: trustme.CA, trust: ssl.SSLContext, tmp_path: Path
) -> None:
    demanding = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Under TLS 1.3 a server may find the certificate missing only after the handshake.
    demanding.maximum_version = ssl.TLSVersion.TLSv1_2
    authority.issue_cert("127.0.0.1").configure_cert(demanding)
    authority.configure_trust(demanding)
    demanding.verify_mode = ssl.CERT_REQUIRED
    identity = tmp_path / "client.pem"
    authority.issue_cert("somebody@example.org").private_key_and_cert_chain_pem.write_to_path(
        str(identity)
    )
    with FaultServer(GOOD, tls=demanding) as server:
        failure(connect(server.url, httpx_args={"verify": trust}), APIConnectionError)
        own = ssl.create_default_context()
        authority.configure_trust(own)
        with pytest.warns(DeprecationWarning, match="`cert=...` is deprecated"):
            speaker = connect(server.url, httpx_args={"verify": own, "cert": str(identity)})
        assert speaker.synthesize().content == SPEECH


# --- an application's own transports -------------------------------------------------------------


@pytest.fixture
def transport(kind: str) -> Callable[..., Any]:
    """What makes a transport for either client."""
    return httpx.HTTPTransport if kind == "sync" else httpx.AsyncHTTPTransport


@pytest.mark.parametrize(
    "arguments",
    [
        lambda transport: {"transport": transport},
        lambda transport: {"mounts": {"all://speech.invalid": transport}},
    ],
    ids=["transport", "mounts"],
)
def test_transport_of_the_application_takes_the_place_of_ours(
    connect: Connect,
    transport: Callable[..., Any],
    arguments: Callable[[Any], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with FaultServer(GOOD) as proxy, FaultServer(GOOD) as other:
        monkeypatch.setenv("HTTP_PROXY", at(other))
        speaker = connect(
            PLAIN,
            insecure_hosts=["speech.invalid"],
            httpx_args=arguments(transport(proxy=at(proxy))),
        )
        assert speaker.synthesize().content == SPEECH
        assert (proxy.connections, other.connections) == (1, 0)


def test_mount_may_name_what_goes_straight_to_the_service(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultServer(GOOD) as proxy, FaultServer(GOOD) as server:
        monkeypatch.setenv("HTTP_PROXY", at(proxy))
        speaker = connect(server.url, httpx_args={"mounts": {"http://127.0.0.1": None}})
        assert speaker.synthesize().content == SPEECH
        assert (proxy.connections, server.connections) == (0, 1)


# --- SOCKS ---------------------------------------------------------------------------------------


def socks(context: ssl.SSLContext | None) -> Callable[[Peer], None]:
    """As a SOCKS5 proxy without passwords, agree to a connection, and be what it leads to."""

    def agree(peer: Peer) -> None:
        assert peer.receive() == b"\x05\x01\x00"
        peer.send(b"\x05\x00")
        assert b"speech.invalid" in peer.receive()
        peer.send(b"\x05\x00\x00\x01" + bytes(6))
        if context is not None:
            peer.start_tls(context)

    return agree


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
def test_socks_proxy_carries_calls(
    connect: Connect, server_tls: ssl.SSLContext, trust: ssl.SSLContext, *, is_tls: bool
) -> None:
    pytest.importorskip("socksio", reason="SOCKS needs the package socksio")
    with FaultServer(GOOD, on_connect=socks(server_tls if is_tls else None)) as proxy:
        speaker = connect(
            SECURE if is_tls else PLAIN,
            insecure_hosts=["speech.invalid"],
            httpx_args={"proxy": f"socks5://127.0.0.1:{proxy.port}", "verify": trust},
        )
        assert speaker.synthesize().content == SPEECH
        assert speaker.synthesize().content == SPEECH
        assert proxy.connections == 1


@pytest.mark.parametrize("do", [Peer.close, Peer.wait_for_close], ids=["close", "silence"])
def test_socks_proxy_that_does_not_agree_is_named(connect: Connect, do: Any) -> None:
    pytest.importorskip("socksio", reason="SOCKS needs the package socksio")
    with FaultServer(GOOD, on_connect=do) as proxy:
        speaker = connect(
            SECURE,
            timeouts=Timeouts(connect_s=0.2),
            retry=RetryPolicy(attempts=1),
            httpx_args={"proxy": f"socks5://127.0.0.1:{proxy.port}"},
        )
        error = failure(speaker, APIConnectionError if do is Peer.close else APITimeoutError)
        assert not error.request_sent
