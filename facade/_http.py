"""httpx's clients as ours use them: the same request each time but for its body, and no cookies.

httpx puts each request together anew, and looks for cookies in each answer. For a small answer that
is a quarter of what the whole call costs.
"""

from collections.abc import Callable, Mapping
from typing import Any

import httpx


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

    def __init__(self, **args: Any) -> None:
        super().__init__(**args)
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


class SyncHttp(_Frugal, httpx.Client):
    """An `httpx.Client` for the generated functions."""

    def request(self, method: str, url: httpx.URL | str, **given: Any) -> httpx.Response:
        if given.keys() == {"json", "headers"}:
            return self.send(self.prepare(method, url, **given))
        return super().request(method, url, **given)


class AsyncHttp(_Frugal, httpx.AsyncClient):
    """An `httpx.AsyncClient` for the generated functions."""

    async def request(self, method: str, url: httpx.URL | str, **given: Any) -> httpx.Response:
        if given.keys() == {"json", "headers"}:
            return await self.send(self.prepare(method, url, **given))
        return await super().request(method, url, **given)
