"""What can go wrong with an answer on demand."""

import json
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from functools import partial
from typing import Any, Literal, TypedDict, get_args

from together_emulator.errors import ApiError, quoted

MAX_DELAY_S = 600.0

ErrorBody = Literal[
    "contract",
    "error-type",
    "string",
    "message",
    "text",
    "html",
    "empty",
    "null",
    "list",
    "bad-utf8",
    "deep",
    "huge",
]
ErrorEvent = Literal["failed", "typed", "nested", "object", "string", "named"]
EventStyle = Literal["crlf", "cr", "comments", "fields"]
FrameFault = Literal["binary", "huge", "list", "no-audio", "odd", "stray", "unknown"]
DoneFault = Literal["none", "early", "many"]
Acknowledgement = Literal[
    "all", "session.updated", "conversation.item.input_text.received", "context.cancelled"
]


class FaultOptions(TypedDict, total=False):
    """The attributes of a `Fault` as keyword arguments."""

    status: int
    body: ErrorBody
    message: str
    retry_after: str | float
    reset: str | float
    redirect: str
    delay_headers: float
    delay_audio: float
    delay_chunks: float
    cut: int
    abort: int
    short: int
    mute: bool
    no_end_mark: bool
    malformed_event: bool
    bad_base64: bool
    error_event: ErrorEvent
    at: int
    sse: EventStyle
    only_comments: bool
    close: int
    silence: bool
    stall: bool
    idle: float
    frame: FrameFault
    unnamed: bool
    done: DoneFault
    no_ack: Acknowledgement
    out_of_order: bool
    late_audio: float


@dataclass(frozen=True, repr=False)
class Fault:
    """What goes wrong with one answer or one realtime session; several things can.

    From `close` on, these are for sessions only, and `no_end_mark`, `sse` and `only_comments` for
    streams only. Of a session, bytes are bytes of audio.

    Attributes:
        status: The answer has this HTTP status code, from 200 to 599, and an error in its body;
            204, 205 and 304 have none.
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
        short: The answer ends in order after that many bytes of the body, as if it were whole: its
            audio is truncated, or with 0 there is none. Not of a stream.
        mute: All of the body from its 45th byte on is zero, so that WAV and raw samples are silent.
            Not of a stream.
        no_end_mark: A stream ends in order but without its end mark.
        malformed_event: An event is JSON that breaks off.
        bad_base64: The audio of an event is no base64.
        error_event: An event is an error of this shape, a key of `ERROR_EVENTS`, and the stream
            ends with it, or in a session what its context was speaking.
        at: The number of the audio event to which one of the last three happens, or `frame`,
            `close`, `silence` or `stall`. In a session 0 is the first event of all.
        sse: How events are written, a key of `EVENT_STYLES`.
        only_comments: A stream has comments for ever, and no event.
        close: In place of an event, or after the bytes of `cut`, the connection closes with this
            code; 1006 is without a word.
        silence: From that event on nothing is sent; the connection lives.
        stall: From that event on nothing is sent, nor read, not even a ping.
        idle: One of the last three happens when nothing has come or gone for that many seconds, at
            most 600, and not at an audio event.
        frame: What is wrong with an event, one of `FRAME_FAULTS`.
        unnamed: The error of `error_event` names no context, and what every context was speaking
            ends.
        done: No item ends (``"none"``), each does before its audio (``"early"``), or after every
            piece of it (``"many"``).
        no_ack: Events of this type do not come.
        out_of_order: What contexts speak at the same time comes one context after the other, the
            first to speak last.
        late_audio: Seconds after which the audio that is on its way comes when its context is
            cancelled, at most 600.
    """

    status: int | None = None
    body: ErrorBody | None = None
    message: str = "a fault that was asked for"
    retry_after: str | None = None
    reset: str | None = None
    redirect: str | None = None
    delay_headers: float = 0.0
    delay_audio: float = 0.0
    delay_chunks: float = 0.0
    cut: int | None = None
    abort: int | None = None
    short: int | None = None
    mute: bool = False
    no_end_mark: bool = False
    malformed_event: bool = False
    bad_base64: bool = False
    error_event: ErrorEvent | None = None
    at: int = 2
    sse: EventStyle | None = None
    only_comments: bool = False
    close: int | None = None
    silence: bool = False
    stall: bool = False
    idle: float = 0.0
    frame: FrameFault | None = None
    unnamed: bool = False
    done: DoneFault | None = None
    no_ack: Acknowledgement | None = None
    out_of_order: bool = False
    late_audio: float = 0.0

    def __str__(self) -> str:
        """What differs from a good answer, in the form that `parse` reads."""
        return "; ".join(
            _dashed(name) if value is True else f"{_dashed(name)}={value}"
            for name, value in self.options().items()
        )

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self.options().items())
        return f"Fault({options})"

    def options(self) -> dict[str, str | float]:
        """What differs from a good answer, by the names of the attributes."""
        return {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if getattr(self, field.name) != field.default
        }

    @classmethod
    def of(cls, values: Mapping[str, object]) -> "Fault":
        """A fault from the names of attributes, with dashes or underscores, and their values.

        Raises:
            ValueError: There is none, a name is unknown, a value out of range, or something could
                never happen.
        """
        if not values:
            raise ValueError("say what is to go wrong, such as status=503")
        return _read(values, str, "give it True")

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """A fault from text such as ``status=429; retry-after=1``; none if it is empty.

        Raises:
            ValueError: It is malformed, or something in it could never happen.
        """
        pairs = [part.partition("=") for part in text.split(";") if part.strip()]
        return _read(
            {name.strip(): value.strip() if equals else True for name, equals, value in pairs},
            _dashed,
            "it takes no value",
        )


# What has no effect alone, and what gives it one.
_NEEDS = {
    "body": ("status", "redirect"),
    "message": ("status", "redirect", "error_event", "close"),
    "retry_after": ("status", "redirect"),
    "reset": ("status", "redirect"),
    "at": (
        *("error_event", "malformed_event", "bad_base64", "frame"),
        *("close", "silence", "stall"),
    ),
    "idle": ("close", "silence", "stall"),
    "unnamed": ("error_event",),
}

# An answer has only one of each group.
_SPOILT = ("error_event", "malformed_event", "bad_base64", "frame")
_ALTERNATIVES = (
    *(_SPOILT, ("close", "silence", "stall", "abort"), ("cut", "abort"), ("at", "idle")),
    # A stream of comments has neither events nor an end.
    *(("only_comments", "no_end_mark"), ("only_comments", "sse")),
)

# The first event of a session has no audio, and is of no context.
_NEEDS_AUDIO = {
    "bad_base64": (True,),
    "frame": ("no-audio", "odd", "stray"),
    "unnamed": (True,),
}

STATUSES_WITHOUT_BODY = (204, 205, 304)
"""The statuses that HTTP gives no content."""

STATUSES_WITH_PAGE = range(520, 531)
"""The statuses of what stands before the service, with a page unless `body` says otherwise."""

# What has no effect where another has one of these values, unless one of the last is there too.
_POINTLESS: tuple[tuple[tuple[str, ...], str, Container[object], tuple[str, ...]], ...] = (
    (("body", "message", "delay_chunks", "short", "mute"), "status", STATUSES_WITHOUT_BODY, ()),
    (("message",), "status", STATUSES_WITH_PAGE, ("body",)),
    (("message",), "body", ("html", "empty", "null", "bad-utf8", "deep", "huge"), ()),
    (("message",), "close", (1006,), ("error_event",)),
    # These bodies are too short for it.
    (("delay_chunks",), "body", ("html", "empty", "null", "bad-utf8"), ()),
    (("mute",), "body", ("empty", "null", "bad-utf8"), ()),
    (("short",), "body", ("empty",), ()),
)

# What answers in place of the speech, and what happens to its stream.
_INSTEAD = ("status", "redirect")
_IN_STREAM = (
    *("no_end_mark", *_SPOILT, "sse", "only_comments", "close", "silence", "stall"),
    *("done", "no_ack", "out_of_order", "late_audio"),
)


def _read(values: Mapping[str, object], spelt: Callable[[str], str], switch: str) -> Fault:
    """A fault whose refusal spells the names as they were asked for.

    Args:
        values: By name.
        spelt: How a name is written.
        switch: How something that has no value is asked for.
    """
    read: dict[str, Any] = {}
    for name, value in values.items():
        key = name.replace("-", "_")
        if key not in _READERS:
            raise ValueError(_unknown(name, spelt))
        try:
            read[key] = _READERS[key](value)
        except _SwitchError:
            raise ValueError(
                f"{spelt(key)} is a switch: {switch}, or leave it out; not {_shown(value)}"
            ) from None
        except ValueError as error:
            raise ValueError(f"{spelt(key)} must be {error}, not {_shown(value)}") from None
    for key, helpers in _NEEDS.items():
        if key in read and read.keys().isdisjoint(helpers):
            others = " or ".join(map(spelt, helpers))
            raise ValueError(f"{spelt(key)} does nothing alone: give {others} with it")
    for keys, other, worthless, helpers in _POINTLESS:
        for key in keys:
            if key in read and read.get(other) in worthless and read.keys().isdisjoint(helpers):
                raise ValueError(
                    f"{spelt(key)} does nothing with {spelt(other)}={read[other]}: leave one out"
                )
    _refuse_both(read, _INSTEAD, _IN_STREAM, spelt)
    if read.keys().isdisjoint(("body", "message")):
        # The error fits into one piece.
        _refuse_both(read, _INSTEAD, ["delay_chunks"], spelt)
    for group in _ALTERNATIVES:
        for number, one in enumerate(group):
            _refuse_both(read, [one], group[number + 1 :], spelt)
    for key, values_with_audio in _NEEDS_AUDIO.items():
        if read.get("at") == 0 and read.get(key) in values_with_audio:
            raise ValueError(
                f"{spelt(key)} cannot happen at 0, the first event of a session: it has no audio "
                "and no context"
            )
    return replace(Fault(), **read)


def _refuse_both(
    read: Mapping[str, object],
    these: Iterable[str],
    those: Iterable[str],
    spelt: Callable[[str], str],
) -> None:
    for one in these:
        for other in those:
            if one in read and other in read:
                raise ValueError(
                    f"{spelt(one)} and {spelt(other)} cannot both happen to one answer: "
                    "leave one out"
                )


def _unknown(name: str, spelt: Callable[[str], str]) -> str:
    close = get_close_matches(name.replace("-", "_"), _READERS, 1)
    advice = (
        f"did you mean {spelt(close[0])}?" if close else f"only {', '.join(map(spelt, _READERS))}"
    )
    return f"there is no fault {quoted(name)}; {advice}"


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _shown(value: object) -> str:
    return quoted(value) if isinstance(value, str) else repr(value)[:80]


def _json(value: object) -> bytes:
    # ASCII only, and never a surrogate that UTF-8 cannot carry.
    return json.dumps(value).encode("ascii")


def _event(value: object) -> bytes:
    return b"data: " + _json(value) + b"\n\n"


def _error_event(build: Callable[[ApiError], dict[str, Any]], error: ApiError) -> bytes:
    return _event(build(error))


_HTML_PAGE = b"<!DOCTYPE html><html><head><title>Bad gateway</title></head><body></body></html>\n"

ERROR_BODIES: dict[ErrorBody, Callable[[ApiError], bytes]] = {
    "contract": ApiError.body,
    "error-type": lambda error: _json(
        {"error": error.fields(), "error_type": "dynamic_request_limited"}
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

SESSION_ERRORS: dict[ErrorEvent, Callable[[ApiError], dict[str, Any]]] = {
    "failed": lambda error: {"type": "conversation.item.tts.failed", "error": error.fields()},
    "object": lambda error: {"error": error.fields()},
    "string": lambda error: {"error": error.message},
    "typed": lambda error: {**error.fields(), "type": "error"},
    "nested": lambda error: {"type": "error", "error": error.fields()},
    "named": lambda error: {"type": "error", "message": error.message},
}
"""The events that say that a realtime session has failed, by name."""

ERROR_EVENTS: dict[ErrorEvent, Callable[[ApiError], bytes]] = {
    name: partial(_error_event, build) for name, build in SESSION_ERRORS.items()
} | {"named": lambda error: b"event: error\n" + _event({"message": error.message})}
"""The events that say that a stream has failed, by name."""

FRAME_FAULTS: tuple[FrameFault, ...] = get_args(FrameFault)
"""What may be wrong with an event of a session.

It is a binary frame; it has 64 MiB; it is a JSON list; it has no audio; its audio is a byte short;
before it comes audio of a context that nobody opened; before it comes an event that nobody knows.
"""

EVENT_STYLES: dict[EventStyle, Callable[[bytes], bytes]] = {
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


def _url(value: object) -> str:
    text = _header(value)
    if not text.strip():
        raise ValueError("printable ASCII text that leads somewhere")
    return text


class _SwitchError(ValueError):
    """Something that happens or not was given a value."""


def _switch(value: object) -> bool:
    if value is not True and value != "true":
        raise _SwitchError
    return True


def _integer(lowest: int, highest: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        text = str(value)
        if not (text.isascii() and text.isdecimal() and lowest <= int(text) <= highest):
            raise ValueError(f"an integer from {lowest} to {highest}")
        return int(text)

    return read


def _close_code(value: object) -> int:
    text = str(value)
    code = int(text) if text.isascii() and text.isdecimal() else 0
    # Those that may stand in a frame, and the one that stands for none.
    if code not in _CLOSE_CODES:
        raise ValueError("a close code: 1000 to 1014 without 1004 and 1005, or 3000 to 4999")
    return code


_CLOSE_CODES = {*range(1000, 1015), *range(3000, 5000)} - {1004, 1005}


def _delay(value: object) -> float:
    try:
        seconds = float(str(value))
    except ValueError:
        seconds = -1
    if not 0 < seconds <= MAX_DELAY_S:
        raise ValueError(f"seconds above 0 and at most {MAX_DELAY_S:g}")
    return seconds


def _one_of(names: Iterable[str]) -> Callable[[object], str]:
    def read(value: object) -> str:
        if not isinstance(value, str) or value not in names:
            raise ValueError("one of " + ", ".join(map(quoted, names)))
        return value

    return read


_READERS: dict[str, Callable[[object], object]] = {
    "status": _integer(200, 599),
    "body": _one_of(ERROR_BODIES),
    "message": _text,
    "retry_after": _header,
    "reset": _header,
    "redirect": _url,
    "delay_headers": _delay,
    "delay_audio": _delay,
    "delay_chunks": _delay,
    "cut": _integer(0, 1 << 40),
    "abort": _integer(0, 1 << 40),
    "short": _integer(0, 1 << 40),
    "mute": _switch,
    "no_end_mark": _switch,
    "malformed_event": _switch,
    "bad_base64": _switch,
    "error_event": _one_of(ERROR_EVENTS),
    "at": _integer(0, 1 << 20),
    "sse": _one_of(EVENT_STYLES),
    "only_comments": _switch,
    "close": _close_code,
    "silence": _switch,
    "stall": _switch,
    "idle": _delay,
    "frame": _one_of(FRAME_FAULTS),
    "unnamed": _switch,
    "done": _one_of(get_args(DoneFault)),
    "no_ack": _one_of(get_args(Acknowledgement)),
    "out_of_order": _switch,
    "late_audio": _delay,
}
