"""httpx's clients as ours use them: with connections on a stack, the same request each time but for
its body, and no cookies.

httpx puts each request together anew, and looks for cookies in each answer: for a small answer that
is a quarter of what the whole call costs.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import httpx

from facade._pool import AsyncStack, SyncStack


class _NoCookies(httpx.Cookies):
    """Takes none: nothing needs them, and httpx cannot send every one that it takes."""

    def extract_cookies(self, response: httpx.Response) -> None:
        pass


class _Frugal:
    """What the two kinds of client share.

    Attributes:
        cookies: None, ever.
    """

    cookies: Any = _NoCookies()
    build_request: Callable[..., httpx.Request]
    _stack_kind: Callable[..., Any]
    _transport_kind: Callable[..., Any]

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._kinds: dict[tuple[object, ...], httpx.Request] = {}

    def prepare(
        self, method: str, url: httpx.URL | str, *, json: object, headers: Mapping[str, str]
    ) -> httpx.Request:
        """Build a request. What others of its kind have in common with it is built once."""
        kind = (method, url, *headers.items())
        first = self._kinds.get(kind)
        if first is None:
            first = self.build_request(method, url, headers=headers)
            first.headers.pop("content-length")
            self._kinds[kind] = first
        return httpx.Request(
            first.method, first.url, headers=first.headers, json=json, extensions=first.extensions
        )

    # httpx asks these two for its transports: here for the one that goes straight to the service,
    # and below for those of each proxy in its arguments and in the environment.
    def _init_transport(self, *, transport: Any = None, **settings: Any) -> Any:
        if transport is not None:
            return transport
        if settings["http2"]:
            # One connection carries all requests.
            return self._transport_kind(**settings)
        limits = settings["limits"]
        settings["limits"] = httpx.Limits(
            max_connections=1, keepalive_expiry=limits.keepalive_expiry
        )
        # Made once for all of the stack: it takes 20 ms.
        settings["verify"] = httpx.create_ssl_context(
            settings["verify"], settings.pop("cert"), settings["trust_env"]
        )
        return self._stack_kind(partial(self._transport_kind, **settings), limits)

    def _init_proxy_transport(self, proxy: httpx.Proxy, **settings: Any) -> Any:
        return self._init_transport(proxy=proxy, **settings)


class SyncHttp(_Frugal, httpx.Client):  # type: ignore[misc]
    """An `httpx.Client` for the generated functions."""

    _stack_kind = SyncStack
    _transport_kind = httpx.HTTPTransport

    def request(self, method: str, url: httpx.URL | str, **given: Any) -> httpx.Response:
        if given.keys() == {"json", "headers"}:
            return self.send(self.prepare(method, url, **given))
        return super().request(method, url, **given)


class AsyncHttp(_Frugal, httpx.AsyncClient):  # type: ignore[misc]
    """An `httpx.AsyncClient` for the generated functions."""

    _stack_kind = AsyncStack
    _transport_kind = httpx.AsyncHTTPTransport

    async def request(self, method: str, url: httpx.URL | str, **given: Any) -> httpx.Response:
        if given.keys() == {"json", "headers"}:
            return await self.send(self.prepare(method, url, **given))
        return await super().request(method, url, **given)
