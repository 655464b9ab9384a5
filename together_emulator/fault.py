"""What can go wrong with an answer on demand."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from together_emulator.errors import ApiError, quoted

MAX_DELAY_S = 600.0


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one answer; several things can.

    Attributes:
        status: The answer has this HTTP status code, from 200 to 599, and an error in its body.
        body: The shape of that body, a key of `ERROR_BODIES`.
        message: What it says.
        retry_after: Its header ``Retry-After``, whatever it is.
        reset: Its header ``x-ratelimit-reset``.
        redirect: The answer leads to this URL, with status 307 unless `status` says another.
        delay_headers: Seconds before the answer begins, at most 600.
        delay_audio: Seconds between the headers and the body, at most 600.
        delay_chunks: Seconds between two events, or two pieces of 16 KiB of another body, at most
            600.
        cut: The connection closes after that many bytes of the body.
        abort: The connection is reset after that many bytes of the body, or fewer where the client
            has not taken them yet.
        no_end_mark: A stream ends in order but without its end mark.
        malformed_event: An event is JSON that breaks off.
        bad_base64: The audio of an event is no base64.
        error_event: An event is an error of this shape, a key of `ERROR_EVENTS`, and the stream
            ends with it.
        at: The number of the audio event to which one of the last three happens, from 1.
        sse: How events are written, a key of `EVENT_STYLES`.
        only_comments: A stream has comments for ever, and no event.
    """

    status: int | None = None
    body: str | None = None
    message: str = "a fault that was asked for"
    retry_after: str | None = None
    reset: str | None = None
    redirect: str | None = None
    delay_headers: float = 0.0
    delay_audio: float = 0.0
    delay_chunks: float = 0.0
    cut: int | None = None
    abort: int | None = None
    no_end_mark: bool = False
    malformed_event: bool = False
    bad_base64: bool = False
    error_event: str | None = None
    at: int = 2
    sse: str | None = None
    only_comments: bool = False

    def __str__(self) -> str:
        """What differs from a good answer, in the form that `parse` reads."""
        values = {
            field.name.replace("_", "-"): getattr(self, field.name)
            for field in fields(self)
            if getattr(self, field.name) != field.default
        }
        return "; ".join(
            name if value is True else f"{name}={value}" for name, value in values.items()
        )

    @classmethod
    def of(cls, values: Mapping[str, object]) -> "Fault":
        """A fault from names, with dashes or underscores, and values, as such or as text.

        Raises:
            ValueError: A name is unknown, or a value out of range.
        """
        fault = cls()
        for name, value in values.items():
            key = name.replace("-", "_")
            if key not in _READERS:
                names = ", ".join(_READERS).replace("_", "-")
                raise ValueError(f"there is no fault {quoted(name)}, only {names}")
            try:
                read: Any = {key: _READERS[key](value)}
            except ValueError as error:
                raise ValueError(f"{name} must be {error}, not {quoted(str(value))}") from None
            fault = replace(fault, **read)
        return fault

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """A fault from text such as ``status=429; retry-after=1``.

        Raises:
            ValueError: It is malformed.
        """
        pairs = [part.partition("=") for part in text.split(";") if part.strip()]
        return cls.of(
            {name.strip(): value.strip() if equals else True for name, equals, value in pairs}
        )


def _json(value: object) -> bytes:
    # ASCII only, and never a surrogate that UTF-8 cannot carry.
    return json.dumps(value).encode("ascii")


def _event(value: object) -> bytes:
    return b"data: " + _json(value) + b"\n\n"


def _error(error: ApiError) -> Any:
    return json.loads(error.body())["error"]


_HTML_PAGE = b"<!DOCTYPE html><html><head><title>Bad gateway</title></head><body></body></html>\n"

ERROR_BODIES: dict[str, Callable[[ApiError], bytes]] = {
    "contract": ApiError.body,
    "error-type": lambda error: _json(
        {"error": _error(error), "error_type": "dynamic_request_limited"}
    ),
    "string": lambda error: _json({"error": error.message}),
    "message": lambda error: _json({"message": error.message}),
    "text": lambda error: error.message.encode("utf-8", "replace"),
    "html": lambda _error: _HTML_PAGE,
    "empty": lambda _error: b"",
    "null": lambda _error: b"null",
    "list": lambda error: _json([error.message]),
    "bad-utf8": lambda _error: b'{"error": "\xff\xfe"}',
    "deep": lambda _error: b"[" * 100_000,
    "huge": lambda _error: b'{"error": "' + b"x" * (16 << 20) + b'"}',
}
"""The bodies of errors, by name."""

ERROR_EVENTS: dict[str, Callable[[ApiError], bytes]] = {
    "failed": lambda error: _event(
        {"type": "conversation.item.tts.failed", "error": _error(error)}
    ),
    "object": lambda error: _event({"error": _error(error)}),
    "string": lambda error: _event({"error": error.message}),
    "typed": lambda error: _event({**_error(error), "type": "error"}),
    "named": lambda error: b"event: error\n" + _event({"message": error.message}),
}
"""The events that say that a stream has failed, by name."""

EVENT_STYLES: dict[str, Callable[[bytes], bytes]] = {
    "crlf": lambda event: event.replace(b"\n", b"\r\n"),
    "cr": lambda event: event.replace(b"\n", b"\r"),
    "comments": lambda event: b": keep-alive\n\n" + event,
    "fields": lambda event: b"id: 7\nretry: 1000\nevent: message\n" + event,
}
"""Ways of writing the same event, by name."""


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("text")
    return value


def _header(value: object) -> str:
    text = str(value)
    if value is True or not text.isascii() or not text.isprintable():
        raise ValueError("printable ASCII text")
    return text


def _flag(value: object) -> bool:
    if value not in (True, "true"):
        raise ValueError("true")
    return True


def _integer(lowest: int, highest: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        text = str(value)
        if not (text.isascii() and text.isdecimal() and lowest <= int(text) <= highest):
            raise ValueError(f"an integer from {lowest} to {highest}")
        return int(text)

    return read


def _delay(value: object) -> float:
    try:
        seconds = float(str(value))
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= MAX_DELAY_S:
        raise ValueError(f"seconds from 0 to {MAX_DELAY_S:g}")
    return seconds


def _one_of(names: Iterable[str]) -> Callable[[object], str]:
    def read(value: object) -> str:
        if not isinstance(value, str) or value not in names:
            raise ValueError(", ".join(names))
        return value

    return read


_READERS: dict[str, Callable[[object], object]] = {
    "status": _integer(200, 599),
    "body": _one_of(ERROR_BODIES),
    "message": _text,
    "retry_after": _header,
    "reset": _header,
    "redirect": _header,
    "delay_headers": _delay,
    "delay_audio": _delay,
    "delay_chunks": _delay,
    "cut": _integer(0, 1 << 40),
    "abort": _integer(0, 1 << 40),
    "no_end_mark": _flag,
    "malformed_event": _flag,
    "bad_base64": _flag,
    "error_event": _one_of(ERROR_EVENTS),
    "at": _integer(1, 1 << 20),
    "sse": _one_of(EVENT_STYLES),
    "only_comments": _flag,
}
