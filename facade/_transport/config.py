"""What a client is built with: key, address, time limits.

The environment is read here, when a client is built, and nowhere else.
"""

import os
import re
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NoReturn, TypeVar

import httpx

from facade._rules.origin import is_loopback
from facade._rules.retry import LONGEST_S, RetryPolicy, is_time
from facade._version import __version__
from facade.errors import InvalidRequestError

DEFAULT_BASE_URL = "https://api.together.ai/v1"
DEFAULT_MAX_AUDIO_BYTES = 256 * 1024 * 1024
KEYS_URL = "https://api.together.ai/settings/api-keys"
_TOGETHER_HOSTS = ("api.together.ai", "api.together.xyz")

_Error = TypeVar("_Error", bound=BaseException)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long a call may take, in seconds, each above 0 and at most 1,000,000.

    Attributes:
        connect_s: To connect, TLS included.
        read_s: Between two arrivals of data. The answer begins when the speech is ready, so a long
            text takes a while before the first. In a stream: between two arrivals of audio.
        first_audio_s: From sending a request for a stream to its first audio.
        total_s: For the whole call: attempts, waits and reading. In a stream only the time counts
            that is spent waiting for the service, not what the application does between.
    """

    connect_s: float = 10.0
    read_s: float = 120.0
    first_audio_s: float = 60.0
    total_s: float = 600.0

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            if not is_time(value) or not value:
                raise InvalidRequestError(
                    f"must be above 0 and at most {LONGEST_S:,.0f} seconds, not {value!r}",
                    param=f"timeouts.{limit.name}",
                )


class Secret(str):
    """A string that does not show itself: its `repr` is what debuggers and tracebacks print."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'[secret]'"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a key cannot be pickled or copied")


def secret(given: object) -> Secret | None:
    """Hide a key as soon as it comes in, so that no traceback's local variables show it."""
    if given is None:
        return None
    return Secret(given if isinstance(given, str) else "")


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Config:
    """Everything a client was built with, checked."""

    key: Secret
    base_url: httpx.URL
    timeouts: Timeouts
    retry: RetryPolicy
    max_audio_bytes: int
    validate_voices: bool
    headers: Mapping[str, str] = field(repr=False)
    httpx_args: Mapping[str, Any] = field(repr=False)

    @classmethod
    def read(
        cls,
        *,
        key: Secret | None,
        base_url: str | None,
        timeouts: Timeouts,
        retry: RetryPolicy,
        max_audio_bytes: int,
        validate_voices: bool,
        headers: Mapping[str, str] | None,
        httpx_args: Mapping[str, Any] | None,
        insecure_hosts: Collection[str],
    ) -> "Config":
        """Check what a client is built with; what is `None` comes from the environment.

        Raises:
            InvalidRequestError: Naming what is wrong. Neither the key nor a password is in it, nor
                among the local variables of its traceback.
        """
        outer = sys.exception()
        try:
            if type(max_audio_bytes) is not int or max_audio_bytes < 1:
                raise InvalidRequestError(
                    f"must be a number of bytes from 1, not {max_audio_bytes!r}",
                    param="max_audio_bytes",
                )
            for param, value, kind in (
                ("timeouts", timeouts, Timeouts),
                ("retry", retry, RetryPolicy),
            ):
                if not isinstance(value, kind):
                    raise InvalidRequestError(
                        f"must be {kind.__name__}, not {value!r}", param=param
                    )
            return cls(
                key=_key(key),
                base_url=_base_url(base_url, insecure_hosts),
                timeouts=timeouts,
                retry=retry,
                max_audio_bytes=max_audio_bytes,
                validate_voices=validate_voices,
                headers=_headers(headers),
                httpx_args=_httpx_args(httpx_args),
            )
        except InvalidRequestError as error:
            refusal = without_frames(error, outer)
        # A debugger shows the local variables of this frame too.
        del base_url, headers, httpx_args
        try:
            raise refusal
        finally:
            del refusal, outer

    def for_workers(self) -> bytes:
        """Return the arguments that build such a client elsewhere, but for the key, pickled.

        Raises:
            InvalidRequestError: One of them cannot be pickled.
        """
        import pickle

        ours = {"user-agent": _user_agent(), "accept-encoding": "identity"}.items()
        given = {
            "base_url": str(self.base_url),
            "timeouts": self.timeouts,
            "retry": self.retry,
            "max_audio_bytes": self.max_audio_bytes,
            "validate_voices": self.validate_voices,
            "headers": dict(self.headers.items() - ours),
            "httpx_args": dict(self.httpx_args),
            "insecure_hosts": (self.base_url.host,),
        }
        try:
            return pickle.dumps(given)
        except Exception as error:
            raise InvalidRequestError(
                f"cannot be sent to another process: {error}; a client for batches on somebody "
                "else's engine takes only plain values",
                param="httpx_args",
            ) from error

    @property
    def has_own_transport(self) -> bool:
        """Whether the application sends the requests by means of its own."""
        return not self.httpx_args.keys().isdisjoint(("transport", "mounts"))

    @property
    def address(self) -> str:
        """Host and port, for messages."""
        port = self.base_url.port or (443 if self.base_url.scheme == "https" else 80)
        host = self.base_url.host
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def without_frames(error: _Error, outer: BaseException | None) -> _Error:
    """Take away the frames that an exception, and what it came from since `outer`, came through.

    Their local variables may hold passwords, and debuggers and error trackers show them.
    """
    seen: BaseException | None = error
    while seen is not None and seen is not outer:
        seen.__traceback__ = None
        seen = seen.__cause__ or seen.__context__
    return error


def _key(given: Secret | None) -> Secret:
    """Return the key. No message names it, and no local of this function shows it."""
    key = Secret(os.environ.get("TOGETHER_API_KEY", "")) if given is None else given
    if not key.strip():
        raise InvalidRequestError(
            f"is {'not set' if given is None else 'empty, or no string'}; pass it, or set the "
            f"environment variable TOGETHER_API_KEY; {KEYS_URL} has yours",
            param="api_key",
        )
    named = "TOGETHER_API_KEY " if given is None else ""
    if key.strip() != key:
        raise InvalidRequestError(
            f"{named}has a space or a line end around it; strip it", param="api_key"
        )
    if any(not "!" <= character <= "~" for character in key):
        raise InvalidRequestError(
            f"{named}has a character in it that is no printable ASCII character, or a space; "
            "was it copied whole?",
            param="api_key",
        )
    return key


# Elsewhere an @ belongs to a password, or to what is left of one that has a / ? or # in it.
_AT_IN_PATH = re.compile(r"https?://(\[[^]@]*\]|[^]/?#@:\\[]*)(:[0-9]*)?/[^?#]*", re.IGNORECASE)


def _base_url(given: str | None, insecure_hosts: Collection[str]) -> httpx.URL:
    param = "base_url"
    if given is None:
        text = os.environ.get("TOGETHER_BASE_URL", "").strip() or DEFAULT_BASE_URL
        shown = f"TOGETHER_BASE_URL={text!r}"
    elif isinstance(given, str):
        text = given.strip()
        shown = repr(text)
    else:
        raise InvalidRequestError(f"must be a string, not {type(given).__name__}", param=param)
    if "@" in text and not _AT_IN_PATH.fullmatch(text):
        # It may hold a password, so it is not repeated.
        raise InvalidRequestError(
            "must not hold a user name or password, nor an @ outside its path", param=param
        )
    if any(map(str.isspace, text)):
        raise InvalidRequestError(f"{shown} has a space or a line end in it", param=param)
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise InvalidRequestError(f"{shown} is no URL: {error}", param=param) from error
    if url.scheme not in ("http", "https") or not url.host:
        raise InvalidRequestError(f"{shown} is no http(s) URL", param=param)
    if url.port is not None and not 0 < url.port < 65536:
        raise InvalidRequestError(f"{shown} has a port that there is not", param=param)
    if "?" in text or "#" in text:
        raise InvalidRequestError(f"{shown} must end after its path", param=param)
    if isinstance(insecure_hosts, str):
        # `in` would take any part of the name for the name.
        raise InvalidRequestError(
            f"must be a collection of names, such as ({insecure_hosts!r},)", param="insecure_hosts"
        )
    if url.scheme == "http" and not is_loopback(url.host) and url.host not in insecure_hosts:
        raise InvalidRequestError(
            f"{shown} would send key and text in the clear; use https, or name the host in "
            f"insecure_hosts=({url.host!r},)",
            param=param,
        )
    if url.host in _TOGETHER_HOSTS and url.path in ("", "/"):
        # Together's own SDK takes the bare host and adds this, so people have it set that way.
        url = url.copy_with(path="/v1")
    return url


# What RFC 9110 allows, without the letters beyond ASCII.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"([!-~]([ \t!-~]*[!-~])?)?")
_OUR_HEADERS = (
    "accept-encoding",
    "authorization",
    "content-length",
    "content-type",
    "transfer-encoding",
)


def _headers(given: Mapping[str, str] | None) -> Mapping[str, str]:
    theirs = _mapping("headers", given)
    for name, value in theirs.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise InvalidRequestError(
                f"{name!r} must be a string, and its value too", param="headers"
            )
        if name.lower() in _OUR_HEADERS:
            raise InvalidRequestError(f"{name!r} is set by the client", param="headers")
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise InvalidRequestError(
                f"{name!r}, or its value, has a character that no header may have", param="headers"
            )
    return {
        "user-agent": _user_agent(),
        # In lower case, so that a User-Agent of theirs takes the place of ours.
        **{name.lower(): value for name, value in theirs.items()},
        # Speech hardly shrinks, and a compressed answer could grow without bounds.
        "accept-encoding": "identity",
    }


def _user_agent() -> str:
    python = sys.version.split()[0]
    return f"together-speech/{__version__} python/{python} httpx/{httpx.__version__}"


def _httpx_args(given: Mapping[str, Any] | None) -> Mapping[str, Any]:
    ours = {
        "auth": "api_key",
        "base_url": "base_url",
        "cookies": "headers",
        "event_hooks": "a transport of your own",
        "follow_redirects": "nothing, for neither text nor key may go to another address",
        "headers": "headers",
        "timeout": "timeouts",
    }
    theirs = _mapping("httpx_args", given)
    for name in theirs:
        if name in ours:
            raise InvalidRequestError(
                f"{name!r} is the client's; use {ours[name]}", param="httpx_args"
            )
    return theirs


def _mapping(param: str, given: Mapping[str, Any] | None) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InvalidRequestError(f"must be a mapping, not {type(given).__name__}", param=param)
    return dict(given)
