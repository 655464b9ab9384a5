"""From an answer that is not audio to the exception that says so.

Everything here takes what came over the wire and gives an exception or `None`; nothing raises,
whatever the bytes. The shapes an error comes in are those of the contract and those seen from the
live service and the edge in front of it.
"""

import codecs
import json
import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import NamedTuple

from facade.errors import (
    APIError,
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    EmptyAudioError,
    InternalServerError,
    NotFoundError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitError,
    RequestTooLargeError,
    UnprocessableEntityError,
)

# How much of a failure's body is worth reading.
BODY_LIMIT = 64 * 1024
_EXCERPT = 200

_BY_STATUS: dict[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    402: PaymentRequiredError,
    403: PermissionDeniedError,
    404: NotFoundError,
    413: RequestTooLargeError,
    422: UnprocessableEntityError,
    429: RateLimitError,
}


def failure_from_status(
    status: int, headers: Mapping[str, str], body: bytes, *, now: float
) -> APIStatusError | EmptyAudioError | None:
    """Say what a status other than 200 means; for 200 return `None`.

    Args:
        status: The HTTP status.
        headers: The answer's headers, names in lower case.
        body: The answer's body, or its first `BODY_LIMIT` bytes.
        now: Seconds since the epoch, for a `Retry-After` that is a date.
    """
    if status == 200:
        return None
    if status in (204, 205):
        return empty_audio(headers)
    said = _read(body)
    message = said.message
    if 300 <= status < 400 and "location" in headers:
        message = (
            f"redirected to {headers['location'][:_EXCERPT]!r}, which was not followed, for "
            "neither text nor key may go to another address; set base_url to the right one"
        )
    family = InternalServerError if 500 <= status < 600 else APIStatusError
    return _BY_STATUS.get(status, family)(
        message or _phrase(status),
        status_code=status,
        headers=headers,
        retry_after_s=_retry_after_s(headers, now),
        type=said.type,
        param=said.param,
        code=said.code,
        body=said.text,
    )


def failure_in_success(
    headers: Mapping[str, str], body: bytes
) -> APIError | EmptyAudioError | None:
    """Say whether a whole answer with status 200 is no audio, or return `None` where it may be.

    Args:
        headers: The answer's headers, names in lower case.
        body: The answer's body, or at least one byte more than its first `BODY_LIMIT`.
    """
    if not body:
        return empty_audio(headers)
    kind = _kind_of_text(headers.get("content-type", "").lower(), body)
    if kind is None:
        return None
    said = _read(body)
    instead = f"status 200 with {kind} in place of audio: {said.message}"
    return _api_error(said.message if said.has_error else instead, said, headers)


def is_event_stream(headers: Mapping[str, str], head: bytes) -> bool:
    """Say whether an answer that begins with `head` may be the stream that was asked for.

    The content type is wrong too often to count for more than audio that says it is audio.
    """
    is_audio = headers.get("content-type", "").lower().startswith("audio/")
    return not is_audio and not head.lstrip().startswith((b"{", b"[", b"<", b"RIFF"))


def failure_in_place_of_stream(headers: Mapping[str, str], head: bytes) -> APIError:
    """Return the exception for an answer with status 200 that is no stream.

    Args:
        headers: The answer's headers, names in lower case.
        head: The answer's body, or its first `BODY_LIMIT` bytes.
    """
    said = _read(head)
    kind = headers.get("content-type", "no content type")
    instead = f"status 200 with {kind} in place of an event stream"
    return _api_error(said.message if said.has_error else instead, said, headers)


def failure_in_event(data: bytes, headers: Mapping[str, str]) -> APIError:
    """Return the exception for an event of a stream that reports an error.

    Args:
        data: The event's data: one of the shapes of an error's body, or words.
        headers: The answer's headers, names in lower case.
    """
    said = _read(data)
    unsaid = "the service reported an error in the stream and did not say which"
    return _api_error(said.message or unsaid, said, headers)


def empty_audio(headers: Mapping[str, str]) -> EmptyAudioError:
    """Return the exception for a success without audio."""
    return EmptyAudioError(
        "the service reported success and sent no audio; the model may be unable to speak it",
        request_id=headers.get("x-request-id"),
        cf_ray=headers.get("cf-ray"),
    )


class _Said(NamedTuple):
    """What could be made out of an error's body."""

    message: str
    type: str | None
    param: str | None
    code: str | None
    text: str
    has_error: bool


def _api_error(message: str, said: _Said, headers: Mapping[str, str]) -> APIError:
    return APIError(
        message,
        type=said.type,
        param=said.param,
        code=said.code,
        body=said.text,
        request_id=headers.get("x-request-id"),
        cf_ray=headers.get("cf-ray"),
    )


_NO_JSON = object()
_PAGE = re.compile(rb"\s*<(!doctype|html)", re.IGNORECASE)
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f]")


def _kind_of_text(content_type: str, body: bytes) -> str | None:
    """Say which kind of text `body` is, or return `None` where it may be audio.

    The content type alone proves nothing: services have labelled errors as audio and audio as
    anything. But no sound is readable from its beginning to its end, or for 64 KiB.
    """
    if _PAGE.match(body):
        return "a page"
    is_whole = len(body) <= BODY_LIMIT
    try:
        decoder = codecs.getincrementaldecoder("utf-8-sig")()
        text = decoder.decode(body[:BODY_LIMIT], final=is_whole)
    except UnicodeDecodeError:
        return None
    if _CONTROLS.search(text):
        return None
    first = text.lstrip()[:1]
    if first == "<":
        return "a page"
    if content_type.startswith("text/event-stream"):
        return "an event stream"
    if content_type.startswith("text/"):
        return "text"
    is_json = _json(text) is not _NO_JSON if is_whole else first in ("{", "[")
    return "JSON" if is_json or "json" in content_type else None


def _read(body: bytes) -> _Said:
    text = body[:BODY_LIMIT].decode("utf-8-sig", errors="replace")
    document = _json(text)
    outer = document if isinstance(document, dict) else {}
    inner = outer.get("error")
    fields = inner if isinstance(inner, dict) else outer
    message = inner if isinstance(inner, str) else fields.get("message") or fields.get("detail")
    return _Said(
        message=(_excerpt(message) if isinstance(message, str) else "") or _excerpt(text),
        type=_word(fields.get("type")) or _word(outer.get("error_type")),
        param=_word(fields.get("param")),
        code=_word(fields.get("code")),
        text=text,
        has_error=isinstance(inner, str | dict),
    )


def _json(text: str) -> object:
    try:
        document: object = json.loads(text)
    except (ValueError, RecursionError):
        return _NO_JSON
    # A number or a word is as likely the beginning of something else.
    return document if isinstance(document, dict | list) or document is None else _NO_JSON


def _word(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return _excerpt(str(value)) or None


def _excerpt(text: str) -> str:
    """Return the beginning of `text` on one line, without control characters.

    A page loses its markup; elsewhere `<` may mean "less than".
    """
    text = text[:4096].lstrip()
    if text.startswith("<"):
        text = re.sub(r"<[^<>]*>", " ", text)
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= _EXCERPT else text[:_EXCERPT].rstrip() + " …"


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        # 520 to 530 are the edge's own.
        return (
            "the edge in front of the service failed" if 520 <= status < 600 else "no reason given"
        )


# Without a bound on the digits, the number could be infinite.
_SECONDS = re.compile(r"[0-9]{1,300}(\.[0-9]*)?(e-[0-9]+)?")


def _retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """Read `Retry-After` (seconds or a date), or else `x-ratelimit-reset` (an interval)."""
    wait = headers.get("retry-after", "").strip()
    for value in (wait, headers.get("x-ratelimit-reset", "").strip()):
        if _SECONDS.fullmatch(value):
            return float(value)
        if value == wait and (until := _date(value)) is not None:
            # The service's own clock, where it tells it, spares us a difference between clocks.
            today = _date(headers.get("date", ""))
            left = until - (now if today is None else today)
            if left >= 0:
                return left
    return None


def _date(value: str) -> float | None:
    try:
        date = parsedate_to_datetime(value)
        # A date without a zone is in GMT by RFC 9110.
        return date.replace(tzinfo=date.tzinfo or UTC).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
