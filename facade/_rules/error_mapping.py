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
    APIConnectionError,
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
    SpeechError,
    UnprocessableEntityError,
)
from facade.formats import AudioFormat, container_of, format_of, has_sound, is_wav, promised_bytes

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
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: float,
    is_speech: bool = True,
) -> APIStatusError | EmptyAudioError | None:
    """Say what a status other than 200 means; for 200 return `None`.

    Args:
        status: The HTTP status.
        headers: The answer's headers, names in lower case.
        body: The answer's body, or its first `BODY_LIMIT` bytes.
        now: Seconds since the epoch, for a `Retry-After` that is a date.
        is_speech: Whether speech was asked for, and not the list of voices.
    """
    if status == 200:
        return None
    if status in (204, 205) and is_speech:
        return empty_audio(headers)
    said = _read(body)
    message = said.message or _phrase(status)
    if 300 <= status < 400 and "location" in headers:
        message = (
            f"redirected to {headers['location'][:_EXCERPT]!r}, which was not followed, for "
            "neither text nor key may go to another address; set base_url to the right one"
        )
    elif 200 < status < 300 and not said.message:
        message += "; only status 200 means that the whole answer is there"
    family = InternalServerError if 500 <= status < 600 else APIStatusError
    return _BY_STATUS.get(status, family)(
        message,
        status_code=status,
        headers=headers,
        retry_after_s=_retry_after_s(headers, now),
        type=said.type,
        param=said.param,
        code=said.code,
        body=said.text,
    )


def failure_in_success(
    headers: Mapping[str, str], head: bytes, size: int, expected: AudioFormat
) -> SpeechError | None:
    """Say why an answer with status 200 is not the audio that was asked for, or return `None`.

    A file that was asked for is known by its beginning. Raw samples have none; there, only what is
    text beyond doubt is refused.

    Args:
        headers: The answer's headers, names in lower case.
        head: The answer's body, or its first `BODY_LIMIT` bytes.
        size: Bytes of the whole body.
        expected: The format that was asked for.

    Returns:
        `EmptyAudioError` where there are no samples, `APIConnectionError` where the file says that
        it is longer, `APIError` with the service's words where it is no audio.
    """
    if not size:
        return empty_audio(headers)
    is_raw = expected.container == "raw" and not is_wav(head)
    may_be_audio = not _is_text(head, headers) if is_raw else container_of(head) is not None
    if not may_be_audio:
        said = _read(head)
        instead = f"status 200 with {size} bytes that do not begin as {expected.container} does"
        if kind := _kind_of_text(said.text, headers):
            instead = f"status 200 with {kind} in place of audio: {said.message}"
        return _api_error(said.message if said.has_error else instead, said, headers)
    promised = None if is_raw else promised_bytes(head)
    if promised is not None and size < promised:
        return APIConnectionError(
            f"the audio was cut short: {size} of {promised} bytes came",
            request_sent=True,
            transient=True,
            bytes_received=size,
            **_ids(headers),
        )
    if not has_sound(head, size, format_of(head, expected)):
        return empty_audio(headers)
    return None


def failure_in_place_of_stream(
    headers: Mapping[str, str], head: bytes
) -> APIError | EmptyAudioError:
    """Return the exception for an answer with status 200 that is no stream.

    Args:
        headers: The answer's headers, names in lower case.
        head: The answer's body, or its first `BODY_LIMIT` bytes.
    """
    if not head:
        return empty_audio(headers)
    said = _read(head)
    container = container_of(head)
    if container is not None:
        kind = "audio" if container == "unknown" else f"{container} audio"
    else:
        kind = _kind_of_text(said.text, headers) or "what may be raw audio"
    instead = (
        f"status 200 with {kind} ({headers.get('content-type') or 'no content type'}) in place of "
        "an event stream"
    )
    if said.message:
        instead += f": {said.message}"
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


def failure_in_voices(headers: Mapping[str, str], body: bytes, reason: object) -> APIError:
    """Return the exception for an answer with status 200 that is no list of voices.

    Args:
        headers: The answer's headers, names in lower case.
        body: The answer's body.
        reason: What `read_voices`, or the JSON parser, found wrong with it.
    """
    said = _read(body)
    instead = f"the list of voices cannot be read: {reason if body else 'the answer is empty'}"
    if said.message:
        instead += f": {said.message}"
    return _api_error(said.message if said.has_error else instead, said, headers)


_ERROR = re.compile(r"error|exception|failed|failure|\bfail\b|\bfault", re.IGNORECASE)
_TROUBLE = re.compile(
    rf"{_ERROR.pattern}|exceeded|unavailable|denied|overloaded|timed?_?out", re.IGNORECASE
)
_CODES = ("code", "status", "status_code", "statuscode", "error_code")


def is_name_of_error(name: object) -> bool:
    """Whether a type or a status names an error."""
    return isinstance(name, str) and _TROUBLE.search(name) is not None


def speaks_of_error(fields: Mapping[str, object], name: str) -> bool:
    """Say whether an event that nobody knows reports an error.

    Args:
        fields: The event's JSON object.
        name: The event's type in the stream, or nothing.
    """
    names = (name, *(fields.get(key) for key in ("type", "object", "event", "status")))
    if any(map(is_name_of_error, names)):
        return True
    is_typed = isinstance(fields.get("type"), str) or isinstance(fields.get("object"), str)
    is_named = is_typed or name not in ("", "message")
    for key, value in fields.items():
        if value in (None, False) or (not value and (is_named or key != "error")):
            continue
        # A number under such a name counts errors, or is their rate.
        if key == "error" or (_ERROR.search(key) and not isinstance(value, int | float)):
            return True
        if key.lower() in _CODES and _is_failure_code(value):
            return True
        if isinstance(value, dict) and _holds_error(value):
            return True
    if fields.get("success") is False or fields.get("ok") is False:
        return True
    is_well = fields.get("status") in ("ok", "success")
    return not (is_named or is_well) and any(fields.get(key) for key in ("message", "detail"))


def _holds_error(fields: Mapping[str, object]) -> bool:
    """Whether what stands within an event is, or has in it, an error.

    MiniMax, whose models Together offers, tells errors in a `base_resp`.
    """
    return bool(fields.get("error")) or ("status_msg" in fields and bool(fields.get("status_code")))


def _is_failure_code(value: object) -> bool:
    return re.fullmatch("[4-9][0-9]{2}|-[0-9]+", str(value)) is not None


def empty_audio(headers: Mapping[str, str]) -> EmptyAudioError:
    """Return the exception for a success without audio."""
    return EmptyAudioError(
        "the service reported success and sent no audio; the model may be unable to speak it",
        **_ids(headers),
    )


def excerpt(text: str) -> str:
    """Return the beginning of `text` on one line, without control characters.

    A page loses its markup; elsewhere `<` may mean "less than".
    """
    text = text[:4096].lstrip()
    if text.startswith("<"):
        text = re.sub(r"<[^<>]*>", " ", text)
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= _EXCERPT else text[:_EXCERPT].rstrip() + " …"


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
        **_ids(headers),
    )


def _ids(headers: Mapping[str, str]) -> dict[str, str | None]:
    return {"request_id": headers.get("x-request-id"), "cf_ray": headers.get("cf-ray")}


# --- text --------------------------------------------------------------------------------------

_NO_JSON = object()
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_PAGE = re.compile(r"\s*<(!doctype|\?xml|html|head|body|title|h1|center)[\s>]", re.IGNORECASE)
_OBJECT = re.compile(r'\s*\{\s*"\w+"\s*:')
_EVENTS = re.compile(r"\s*(data|event|retry):")
_LETTERS = re.compile(r"[a-z]")
_SPACES = re.compile(r"[ \t\r\n]")
_WORDS = re.compile(r"[A-Za-z]{2,}[.,:;]?\s[A-Za-z]{2,}")
# What Cloudflare says where it has no page.
_EDGE = re.compile(r"error code: [0-9]{3,4}", re.IGNORECASE)
_PHRASES = {status.phrase.casefold() for status in HTTPStatus if status >= 400}
# How much of a body is looked at to tell words from samples.
_GLANCE = 512


# Without a mark, by which of the first bytes of a text that begins in ASCII are not 0.
_BY_ZEROS: dict[tuple[bool, ...], str] = {
    (True, False, True, False): "utf-16-le",
    (False, True, False, True): "utf-16-be",
    (True, False, False, False): "utf-32-le",
    (False, False, False, True): "utf-32-be",
}


def _text_of(body: bytes) -> str:
    """Read a body as text, in whichever encoding of Unicode its beginning shows."""
    if body.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        encoding = "utf-32"
    elif body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    else:
        encoding = _BY_ZEROS.get(tuple(map(bool, body[:4])), "utf-8")
    return body[:BODY_LIMIT].decode(encoding, errors="replace").lstrip("\ufeff")


def _is_readable(text: str, lost: float = 0.1) -> bool:
    """Whether `text` has hardly a control character, and no more than `lost` of it was lost."""
    glance = text[:_GLANCE]
    has_few_controls = len(_CONTROLS.findall(glance)) <= 0.02 * len(glance)
    return has_few_controls and glance.count("\ufffd") <= lost * len(glance)


def _kind_of_text(text: str, headers: Mapping[str, str]) -> str | None:
    """Say which kind of text this is, or return `None` where it is none."""
    content_type = headers.get("content-type", "").lower()
    first = text.lstrip()[:1]
    if _PAGE.match(text) or (first == "<" and _is_readable(text)):
        return "a page"
    if not _is_readable(text):
        return None
    if _EVENTS.match(text) or content_type.startswith("text/event-stream"):
        return "an event stream"
    if first in ("{", "[") or "json" in content_type or _json(text) is not _NO_JSON:
        return "JSON"
    return "text"


def _is_text(head: bytes, headers: Mapping[str, str]) -> bool:
    """Whether what stands in place of samples is text beyond doubt.

    The content type alone proves nothing: services have labelled errors as audio and audio as
    anything.
    """
    glance = _text_of(head[:_GLANCE])
    content_type = headers.get("content-type", "").lower()
    if _PAGE.match(glance):
        return True
    # In another encoding, letters beyond ASCII are lost.
    is_object = len(glance) >= 8 and _OBJECT.match(glance) is not None
    is_page = content_type.startswith("text/html") and glance.lstrip()[:1] == "<"
    if _is_readable(glance, lost=0.5) and (is_object or is_page):
        return True
    if not _is_readable(glance):
        return False
    if content_type.startswith("text/") or "json" in content_type:
        return True
    # A sample or two may look like anything.
    if len(glance) >= 8 and (
        _EVENTS.match(glance) or _json(_text_of(head)) is not _NO_JSON or _has_letters(head)
    ):
        return True
    return (
        glance.strip().casefold() in _PHRASES
        or _EDGE.fullmatch(glance.strip()) is not None
        or _has_words(glance)
    )


def _has_letters(head: bytes) -> bool:
    """Whether this is UTF-8 with letters beyond ASCII, as samples are not by chance."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head[:_GLANCE])
    except UnicodeDecodeError:
        return False
    # A few can come again and again, where the sound is constant.
    return len({character for character in text if character > "\x7f"}) >= 8


def _has_words(text: str) -> bool:
    """Whether `text` is made of words rather than of samples that happen to be letters.

    Each character counts by how much likelier it is in words than among random bytes, in bits:
    random bytes reach 32 bits less than once in 2**32 times, whatever their number. Companded
    samples of one sign look like small letters, but have no spaces among them.
    """
    letters = len(_LETTERS.findall(text))
    spaces = len(_SPACES.findall(text))
    others = len(text) - letters - spaces
    none = len(_CONTROLS.findall(text)) + text.count("\ufffd")
    bits = 2.5 * letters + 4.5 * spaces - 2 * others - 8 * none
    return bits >= 32 and _WORDS.search(text) is not None


def _read(body: bytes) -> _Said:
    text = _text_of(body)
    document = _json(text)
    outer = document if isinstance(document, dict) else {}
    inner = outer.get("error")
    fields = inner if isinstance(inner, dict) else outer
    message = inner if isinstance(inner, str) else fields.get("message") or fields.get("detail")
    message = excerpt(message) if isinstance(message, str) else ""
    if not message and (_is_readable(text, lost=0.5) and container_of(body) is None):
        message = excerpt(text)
    return _Said(
        message=message,
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
    return excerpt(str(value)) or None


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
    """Return the longer of `Retry-After` (seconds or a date) and `x-ratelimit-reset` (seconds)."""
    wait = headers.get("retry-after", "").strip()
    reset = headers.get("x-ratelimit-reset", "").strip()
    waits = [float(value) for value in (wait, reset) if _SECONDS.fullmatch(value)]
    if (until := _date(wait)) is not None:
        # The service's own clock, where it tells it, spares us a difference between clocks.
        today = _date(headers.get("date", ""))
        waits.append(until - (now if today is None else today))
    return max((wait_s for wait_s in waits if wait_s >= 0), default=None)


def _date(value: str) -> float | None:
    try:
        date = parsedate_to_datetime(value)
        # A date without a zone is in GMT by RFC 9110.
        return date.replace(tzinfo=date.tzinfo or UTC).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
