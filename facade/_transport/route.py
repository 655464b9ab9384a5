"""The way to the service, which is settled when a client is built: TLS, a proxy, an own transport.

There is one address, so there is one way. What httpx works out for each request, it is asked once.
"""

import functools
import ssl
import sys
from collections.abc import Mapping
from os import environ
from typing import Any, NamedTuple
from urllib.request import getproxies, proxy_bypass

import httpx

from facade._rules.origin import is_loopback
from facade._transport.config import Config, without_frames
from facade.errors import InvalidRequestError

# As httpx's own, but that a connection which was needed once is kept for as long as the others.
_LIMITS = httpx.Limits(max_connections=100, keepalive_expiry=5.0)


class Route(NamedTuple):
    """The way to the service.

    Attributes:
        transport: The application's own transport, an `httpx.BaseTransport` or
            `httpx.AsyncBaseTransport`; then nothing else counts.
        proxy: The proxy that everything goes through.
        ssl_context: For TLS with the service.
        http1, http2: What to speak.
        limits: How many connections to keep, and how long.
        params: What to add to each address.
        tls_layers: How often a connection is wrapped in TLS before a request may be sent.
    """

    transport: Any
    proxy: httpx.Proxy | None
    ssl_context: ssl.SSLContext | None
    http1: bool
    http2: bool
    limits: httpx.Limits
    params: httpx.QueryParams
    tls_layers: int


def route(config: Config) -> Route:
    """Work out the way to the service.

    Raises:
        InvalidRequestError: `httpx_args` has something that httpx does not know or cannot do.
    """
    outer = sys.exception()
    try:
        return _route(config.base_url, **config.httpx_args)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        cause = without_frames(error, outer)
    try:
        # Where httpx finds the password, it hides it itself.
        if "@" in str(cause).replace("[secure]@", ""):
            raise InvalidRequestError(
                "httpx cannot be set up so; what it says may hold a proxy's password, and is not "
                "repeated; does the proxy's address begin with 'http://'?",
                param="httpx_args",
            )
        raise InvalidRequestError(
            f"httpx cannot be set up so: {cause}", param="httpx_args"
        ) from cause
    finally:
        del cause, outer


def _route(
    url: httpx.URL,
    *,
    verify: ssl.SSLContext | str | bool | None = None,
    cert: Any = None,
    trust_env: bool = True,
    http1: bool = True,
    http2: bool | None = None,
    proxy: httpx.Proxy | httpx.URL | str | None = None,
    mounts: Mapping[str, Any] | None = None,
    limits: httpx.Limits = _LIMITS,
    params: Any = None,
    transport: Any = None,
    max_redirects: int = 0,
    default_encoding: str = "",
) -> Route:
    is_mounted, mounted = _mounted(mounts, url)
    if is_mounted:
        transport, proxy, trust_proxies = mounted, None, False
    else:
        trust_proxies = trust_env and transport is None
    if isinstance(proxy, httpx.URL | str):
        proxy = httpx.Proxy(proxy)
    elif proxy is None and trust_proxies:
        proxy = _proxy_of_environment(url)
    if proxy is not None:
        _check_proxy(proxy)
    is_tls = url.scheme == "https"
    context = None
    if verify is not None or cert is not None or (is_tls and transport is None):
        # httpcore writes protocols, and httpx certificates, into it, and then it has one owner.
        if verify is None and cert is None and trust_env and http2 is None:
            context = _shared_ssl_context(environ.get("SSL_CERT_FILE"), environ.get("SSL_CERT_DIR"))
        else:
            given = True if verify is None else verify
            context = httpx.create_ssl_context(given, cert, trust_env)
    is_proxy_tls = proxy is not None and proxy.url.scheme == "https"
    return Route(
        transport=transport,
        proxy=proxy,
        ssl_context=context,
        http1=http1,
        http2=bool(http2),
        limits=httpx.Limits(
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
        ),
        params=httpx.QueryParams(params),
        tls_layers=is_tls + is_proxy_tls,
    )


@functools.cache
def _shared_ssl_context(*_trusted: str | None) -> ssl.SSLContext:
    """Return what all clients that trust the same certificates share: it takes 20 ms to build."""
    return httpx.create_ssl_context()


class _Mark(httpx.BaseTransport):
    """Stands for a transport, to be chosen by httpx's own rules."""

    def __init__(self, transport: Any, *, is_mounted: bool) -> None:
        self._chosen = (is_mounted, transport)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, extensions={"chosen": self._chosen})


def _mounted(mounts: Mapping[str, Any] | None, url: httpx.URL) -> tuple[bool, Any]:
    """Return whether one of `mounts` is for `url`, and which; `None` is our own transport."""
    if not mounts:
        return False, None
    marks = {pattern: _Mark(given, is_mounted=True) for pattern, given in mounts.items()}
    with httpx.Client(mounts=marks, transport=_Mark(None, is_mounted=False)) as client:
        chosen: tuple[bool, Any] = client.get(url).extensions["chosen"]
        return chosen


def _proxy_of_environment(url: httpx.URL) -> httpx.Proxy | None:
    """Return the proxy that the environment has for `url`.

    What is on this machine needs none, and neither key nor text is any of a proxy's affair.
    """
    proxies = getproxies()
    address = proxies.get(url.scheme) or proxies.get("all")
    if not address or is_loopback(url.host) or proxy_bypass(url.host):
        return None
    return httpx.Proxy(address if "://" in address else f"http://{address}")


def _check_proxy(proxy: httpx.Proxy) -> None:
    port = proxy.url.port
    if port is not None and not 0 < port < 65536:
        raise ValueError(f"the proxy {proxy.url.host} has a port that there is not: {port}")
    if proxy.url.scheme.startswith("socks"):
        try:
            import socksio  # noqa: F401
        except ImportError as error:
            raise ImportError(
                "a SOCKS proxy is named, and the 'socksio' package is not installed; "
                "pip install 'httpx[socks]'"
            ) from error
