"""From an answer that is not audio to the exception that says so.

Everything here takes what came over the wire and gives an exception or `None`; nothing raises,
whatever the bytes. The shapes an error comes in are those of the contract and those seen from the
live service and the edge in front of it.
"""

import json
import math
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
    if 300 <= status < 400:
        message = (
            f"redirected to {headers.get('location', 'nowhere')!r}, which was not followed, for "
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

    The bytes count, not the content type: services have labelled errors as audio and audio as
    anything. A JSON document or a text can hardly be told from samples by chance: all of it would
    have to be readable.
    """
    if not body:
        return empty_audio(headers)
    if len(body) > BODY_LIMIT:
        return None
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    is_page = text.lstrip()[:1] == "<"
    is_event_stream = headers.get("content-type", "").startswith("text/event-stream")
    if not (is_page or is_event_stream or _json(text) is not _NO_JSON):
        return None
    said = _read(body)
    kind = "an event stream" if is_event_stream else "a page" if is_page else "JSON"
    return APIError(
        said.message
        if said.has_error
        else f"status 200 with {kind} in place of audio: {said.message}",
        type=said.type,
        param=said.param,
        code=said.code,
        body=said.text,
        request_id=headers.get("x-request-id"),
        cf_ray=headers.get("cf-ray"),
    )


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


_NO_JSON = object()


def _read(body: bytes) -> _Said:
    text = body[:BODY_LIMIT].decode(errors="replace")
    document = _json(text)
    outer = document if isinstance(document, dict) else {}
    inner = outer.get("error")
    fields = inner if isinstance(inner, dict) else outer
    message = inner if isinstance(inner, str) else fields.get("message") or fields.get("detail")
    return _Said(
        message=_excerpt(message if isinstance(message, str) else text),
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
    return str(value)[:_EXCERPT] or None


def _excerpt(text: str) -> str:
    """Return the beginning of `text` on one line, without markup and control characters."""
    text = re.sub(r"<[^<>]*>", " ", text[:4096])
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= _EXCERPT else text[:_EXCERPT].rstrip() + " …"


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        # 520 to 530 are the edge's own.
        return "the edge in front of the service failed" if status >= 520 else "no reason given"


_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]*)?")


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
            if left >= 0 and math.isfinite(left):
                return left
    return None


def _date(value: str) -> float | None:
    try:
        date = parsedate_to_datetime(value)
        # A date without a zone is in GMT by RFC 9110.
        return date.replace(tzinfo=date.tzinfo or UTC).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
