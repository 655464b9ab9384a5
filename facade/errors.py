"""Every exception that this package raises.

    SpeechError                        the root: `except SpeechError` catches them all
    ├── InvalidRequestError            refused before anything was sent; also a ValueError
    │   ├── UnknownVoiceError          no such voice; names the closest ones
    │   ├── InvalidVoiceMixError       a voice mix that cannot be read or built
    │   └── UnreadableBookError        a book that cannot be read; says which part of it
    ├── APIConnectionError             no whole answer came: refused, lost, TLS, not HTTP, too large
    │   └── APITimeoutError            no answer in time
    ├── APIError                       the service's own words
    │   └── APIStatusError             ... with an HTTP status other than 200
    │       ├── BadRequestError            400
    │       ├── AuthenticationError        401
    │       ├── PaymentRequiredError       402
    │       ├── PermissionDeniedError      403
    │       ├── NotFoundError              404
    │       ├── RequestTooLargeError       413
    │       ├── UnprocessableEntityError   422
    │       ├── RateLimitError             429
    │       └── InternalServerError        500 to 599
    ├── StreamError                    a streamed answer went wrong on its way
    │   ├── StreamInterruptedError     it ended before its end mark
    │   └── MalformedStreamError       an event in it cannot be read
    ├── EmptyAudioError                an answer without a single byte of audio
    └── NarrationError                 pieces of a narration are missing; names each

Facts are attributes, and the text of an exception is built from them. All of them pickle. The
exception underneath, if there is one, is the `__cause__`.
"""

import copyreg
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class SpeechError(Exception):
    """The root of this package's exceptions.

    Raised as it is for what belongs to no other class: a client used after it was closed, or in a
    place it does not belong to.

    Attributes:
        message: What went wrong, in words.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[object, ...]:
        # The default calls the class with `args`, which fails for keyword-only facts.
        return (copyreg.__newobj__, (type(self), *self.args), self.__dict__)  # type: ignore[attr-defined]


class InvalidRequestError(SpeechError, ValueError):
    """An argument was refused before anything was sent.

    Attributes:
        param: The name of the argument, as the caller wrote it: `"text"`, `"sample_rate"`.
    """

    def __init__(self, message: str, *, param: str) -> None:
        super().__init__(message)
        self.param = param

    def __str__(self) -> str:
        return f"{self.param}: {self.message}"


class UnknownVoiceError(InvalidRequestError):
    """The model has no voice of this name.

    Attributes:
        voice: The name that was asked for.
        model: The model it was asked of.
        suggestions: The closest names that the model does have, best first, three at most.
    """

    def __init__(self, voice: str, *, model: str, suggestions: Sequence[str]) -> None:
        message = f"{voice!r} is not a voice of {model}"
        if suggestions:
            message += f"; the closest names are {', '.join(suggestions)}"
        super().__init__(message, param="voice")
        self.voice = voice
        self.model = model
        self.suggestions = tuple(suggestions)


class InvalidVoiceMixError(InvalidRequestError):
    """A voice mix that cannot be read or built.

    Attributes:
        mix: The mix as it was written, or `None` when it was not given as a string.
        position: Where in `mix` the trouble begins, as an index from 0, or `None`.
    """

    def __init__(
        self, message: str, *, mix: str | None = None, position: int | None = None
    ) -> None:
        super().__init__(message, param="voice")
        self.mix = mix
        self.position = position

    def __str__(self) -> str:
        text = super().__str__()
        if self.mix is None:
            return text
        if self.position is None:
            return f"{text}, in {self.mix!r}"
        return f"{text}, at character {self.position + 1} of {self.mix!r}"


class UnreadableBookError(InvalidRequestError):
    """A book cannot be read: it is damaged, encrypted or hostile, or not what it claims to be.

    Attributes:
        path: The book's file, or `None` where it was given as text.
        part: Where in the book: the name of a file inside an EPUB, or a line; `None` for all of it.
    """

    def __init__(self, message: str, *, part: str | None = None, path: str | None = None) -> None:
        super().__init__(message, param="source")
        self.part = part
        self.path = path

    def __str__(self) -> str:
        places = [place for place in (self.param, self.path, self.part) if place]
        return ": ".join([*map(_printable, places), self.message])


class APIConnectionError(SpeechError):
    """No whole answer came.

    Attributes:
        request_sent: Whether the request may have reached the service, which then may have
            processed and billed it.
        transient: Whether the cause may pass by itself. A refused connection may; a certificate
            that is not trusted will not.
        bytes_received: Bytes of the answer's body that had come, 0 where there was no answer.
        request_id: The answer's `x-request-id`, where there was an answer.
        cf_ray: The answer's `cf-ray`, the id of the edge in front of the service.
    """

    def __init__(
        self,
        message: str,
        *,
        request_sent: bool = True,
        transient: bool = False,
        bytes_received: int = 0,
        request_id: str | None = None,
        cf_ray: str | None = None,
    ) -> None:
        super().__init__(message)
        self.request_sent = request_sent
        self.transient = transient
        self.bytes_received = bytes_received
        self.request_id = request_id
        self.cf_ray = cf_ray

    def __str__(self) -> str:
        return self.message + _ids(self.request_id, self.cf_ray)


class APITimeoutError(APIConnectionError):
    """No answer in time, or not all of it."""


class APIError(SpeechError):
    """The service said that something is wrong.

    Raised as it is for an error that came with status 200.

    Attributes:
        message: The service's words, or an excerpt of the answer where it had none.
        type: The kind of error in the service's terms, such as `"invalid_request_error"`.
        param: The parameter that the service blames, by its name on the wire.
        code: The service's code for the error.
        body: The answer as text, the first 64 KiB of it.
        request_id: The answer's `x-request-id`.
        cf_ray: The answer's `cf-ray`, the id of the edge in front of the service.
    """

    def __init__(
        self,
        message: str,
        *,
        type: str | None = None,  # noqa: A002 - the field's name in the contract
        param: str | None = None,
        code: str | None = None,
        body: str = "",
        request_id: str | None = None,
        cf_ray: str | None = None,
    ) -> None:
        super().__init__(message)
        self.type = type
        self.param = param
        self.code = code
        self.body = body
        self.request_id = request_id
        self.cf_ray = cf_ray

    def __str__(self) -> str:
        facts = [("type", self.type), ("param", self.param), ("code", self.code)]
        said = ", ".join(f"{name} {value}" for name, value in facts if value)
        return self.message + (f" ({said})" if said else "") + _ids(self.request_id, self.cf_ray)


class APIStatusError(APIError):
    """The service answered with a status other than 200.

    Raised as it is for a status that has no class of its own, a redirect among them.

    Attributes:
        status_code: The HTTP status.
        headers: The answer's headers, their names in lower case.
        retry_after_s: Seconds the service asks to wait before the next request, the longer of
            `Retry-After` and `x-ratelimit-reset`, or `None` where it does not say.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int,
        headers: Mapping[str, str],
        retry_after_s: float | None = None,
        type: str | None = None,  # noqa: A002 - the field's name in the contract
        param: str | None = None,
        code: str | None = None,
        body: str = "",
    ) -> None:
        super().__init__(
            message,
            type=type,
            param=param,
            code=code,
            body=body,
            request_id=headers.get("x-request-id"),
            cf_ray=headers.get("cf-ray"),
        )
        self.status_code = status_code
        self.headers = dict(headers)
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return f"HTTP {self.status_code}: {super().__str__()}"


class BadRequestError(APIStatusError):
    """400: an unknown voice, a bad mix, a bad option."""


class AuthenticationError(APIStatusError):
    """401: the API key is missing or wrong."""


class PaymentRequiredError(APIStatusError):
    """402: the spend limit is reached."""


class PermissionDeniedError(APIStatusError):
    """403: the key may not do this, or the text is too long for the model."""


class NotFoundError(APIStatusError):
    """404: no such model, or no such URL."""


class RequestTooLargeError(APIStatusError):
    """413: the request is too large."""


class UnprocessableEntityError(APIStatusError):
    """422: the request is well formed, and the service cannot do it."""


class RateLimitError(APIStatusError):
    """429: too many requests; `retry_after_s` says how long to wait, where the service said."""


class InternalServerError(APIStatusError):
    """500 to 599: the service, or the edge in front of it, failed."""


class StreamError(SpeechError):
    """A streamed answer went wrong on its way.

    Attributes:
        bytes_received: Bytes of audio that had been handed to the caller.
        request_id: The answer's `x-request-id`.
        cf_ray: The answer's `cf-ray`, the id of the edge in front of the service.
    """

    def __init__(
        self,
        message: str,
        *,
        bytes_received: int,
        request_id: str | None = None,
        cf_ray: str | None = None,
    ) -> None:
        super().__init__(message)
        self.bytes_received = bytes_received
        self.request_id = request_id
        self.cf_ray = cf_ray

    def __str__(self) -> str:
        received = f"; {self.bytes_received} bytes of audio had come"
        return self.message + received + _ids(self.request_id, self.cf_ray)


class StreamInterruptedError(StreamError):
    """The stream ended before its end mark: its audio is not whole."""


class MalformedStreamError(StreamError):
    """An event of the stream cannot be read.

    Attributes:
        event_number: Which event, counted from 1.
    """

    def __init__(
        self,
        message: str,
        *,
        event_number: int,
        bytes_received: int,
        request_id: str | None = None,
        cf_ray: str | None = None,
    ) -> None:
        super().__init__(
            message, bytes_received=bytes_received, request_id=request_id, cf_ray=cf_ray
        )
        self.event_number = event_number


class EmptyAudioError(SpeechError):
    """The service reported success and sent no audio.

    Text that the model cannot speak has been seen to give this.

    Attributes:
        request_id: The answer's `x-request-id`.
        cf_ray: The answer's `cf-ray`, the id of the edge in front of the service.
    """

    def __init__(
        self, message: str, *, request_id: str | None = None, cf_ray: str | None = None
    ) -> None:
        super().__init__(message)
        self.request_id = request_id
        self.cf_ray = cf_ray

    def __str__(self) -> str:
        return self.message + _ids(self.request_id, self.cf_ray)


class MissingPiece(NamedTuple):
    """A piece of a narration that could not be had.

    Attributes:
        chapter: The number of its chapter in the book, from 1.
        title: That chapter's title, if it has one.
        text: What was to be said.
        reason: Why it is missing.
    """

    chapter: int
    title: str | None
    text: str
    reason: str


class NarrationError(SpeechError):
    """Pieces of a narration are missing; no file was written.

    Attributes:
        missing: The pieces, in the order of the book.
        kept: How many pieces are there, and not asked for again by a narration into the same `work`
            folder. Without `work` none is kept.
    """

    def __init__(self, message: str, *, missing: Sequence[MissingPiece], kept: int) -> None:
        super().__init__(message)
        self.missing = tuple(missing)
        self.kept = kept

    def __str__(self) -> str:
        told = "; ".join(map(_told, self.missing[:_TOLD]))
        more = len(self.missing) - _TOLD
        return f"{self.message}: {told}" + (f"; and {more} more" if more > 0 else "")


_TOLD = 3
"""How many missing pieces the text of an exception names."""


def _told(piece: MissingPiece) -> str:
    """Name a piece by its chapter and its first words."""
    chapter = f"chapter {piece.chapter}" + (f" ({piece.title})" if piece.title else "")
    words = " ".join(piece.text.split())
    start = f"{words[:60]}…" if len(words) > 60 else words
    return f"{chapter}, {start!r}: {piece.reason}"


def _ids(request_id: str | None, cf_ray: str | None) -> str:
    ids = [("request id", request_id), ("cf-ray", cf_ray)]
    said = ", ".join(f"{name} {_printable(value)}" for name, value in ids if value)
    return f" [{said}]" if said else ""


def _printable(text: str) -> str:
    """Keep what others have written from breaking the line, or filling the screen."""
    return "".join(c if c.isprintable() else "?" for c in text[:100])
