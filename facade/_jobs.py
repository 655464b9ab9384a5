"""From what an application asks of a batch to what is sent, and to what it may cost."""

import os
from collections.abc import Mapping
from concurrent.futures import Executor, Future
from dataclasses import replace
from decimal import Decimal
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from facade._extras import needs
from facade._rules.pricing import billed_characters, usd
from facade._rules.request import SpeechRequest, check_names
from facade.audio import SpeechAudio, SpeechFile, check_file_name, check_place, needs_header
from facade.batch import BatchRequest, BatchResult
from facade.errors import (
    APIConnectionError,
    APIStatusError,
    InvalidRequestError,
    SpeechError,
    UnknownVoiceError,
)
from facade.formats import AudioFormat
from facade.voices import Voice, VoiceMix

# A text may be long, and need not travel back.
_WITH_WHO_ASKED = BatchRequest(text="")
# With these the service says that it has not begun with a request: with others it may have.
_REFUSALS = (*range(400, 500), 503)


class Job(NamedTuple):
    """One request of a batch, checked.

    Attributes:
        number: Its place, from 0.
        asked: What the application asked for.
        request: What goes to the service.
        target: The file to write, if any.
        usd: Its price in dollars; `None` where none is known.
    """

    number: int
    asked: BatchRequest
    request: SpeechRequest
    target: Path | None
    usd: Decimal | None


class WorkerSettings(NamedTuple):
    """What a worker needs to know of a batch; it can be pickled, and has no key in it.

    Attributes:
        client: The arguments of `SpeechClient`, pickled: workers keep a client for each of these.
        options: The voice and the options of `synthesize`.
        at_once, per_minute: Those of `synthesize_many`.
    """

    client: bytes
    options: Mapping[str, Any]
    at_once: int | None
    per_minute: float | None


class Spoken(NamedTuple):
    """What a worker sends back.

    Attributes:
        result: What came of its text; the request is with who asked.
        duration_s: Seconds of its audio, whose file only the worker may be able to open.
    """

    result: BatchResult
    duration_s: float


class BatchPlan:
    """Makes jobs of requests, as long as the budget lasts."""

    def __init__(
        self,
        options: Mapping[str, object],
        *,
        voice: str | Voice | VoiceMix | None = None,
        validate_voices: bool,
        is_stream: bool = False,
        max_usd: Decimal | None = None,
        writes_here: bool = True,
    ) -> None:
        """Begin a batch.

        Args:
            options: Those of requests that have none of their own.
            voice: The voice of requests that name none.
            validate_voices: Whether to refuse voices that the model does not have.
            is_stream: Whether the answers are to be streams.
            max_usd: What the batch may cost at most.
            writes_here: Whether paths are of this machine, and not of a worker's.

        Raises:
            TypeError: There is no such option.
        """
        check_names(options, is_stream=is_stream)
        self._options = options
        self._voice = voice
        self._validate_voices = validate_voices
        self._is_stream = is_stream
        self._writes_here = writes_here
        self._max_usd = max_usd
        self._usd = Decimal(0)
        self._count = 0

    def job(self, given: str | BatchRequest, given_back: Decimal) -> Job | BatchResult:
        """Return what to do for a request, or what comes of one that cannot be sent.

        Args:
            given: What the application asks for.
            given_back: What all earlier jobs that have ended have left unspent, in dollars.

        Raises:
            InvalidRequestError: It is none.
            SpeechError: It would cost more than is left.
        """
        asked = BatchRequest(text=given) if isinstance(given, str) else given
        if not isinstance(asked, BatchRequest):
            raise InvalidRequestError(
                f"request {self._count} must be a string or a BatchRequest, not "
                f"{type(given).__name__}",
                param="requests",
            )
        index, self._count = self._count, self._count + 1
        try:
            job = self._checked(index, asked)
        except (SpeechError, OSError) as error:
            return BatchResult(request=asked, index=index, error=error)
        self._spend(job, given_back)
        return job

    def _checked(self, index: int, asked: BatchRequest) -> Job:
        voice = self._voice if asked.voice is None else asked.voice
        if voice is None:
            raise InvalidRequestError("neither the request nor the batch has one", param="voice")
        request = SpeechRequest.build(
            asked.text,
            {**self._options, **_checked_options(asked.options)},
            voice=voice,
            validate_voices=self._validate_voices,
            is_stream=self._is_stream,
        )
        target = None
        if asked.path is not None:
            target = self._target(asked.path, request.expected_format)
        price = usd(request.model, billed_characters(asked.text))
        return Job(number=index, asked=asked, request=request, target=target, usd=price)

    def _target(self, path: str | os.PathLike[str], form: AudioFormat) -> Path:
        try:
            target = check_file_name(path, param="path")
        except TypeError as error:
            raise InvalidRequestError(str(error), param="path") from error
        needs_header(target, form)
        return check_place(path) if self._writes_here else target

    def _spend(self, job: Job, given_back: Decimal) -> None:
        if self._max_usd is None:
            return
        if job.usd is None:
            raise SpeechError(
                f"the price of {job.request.model!r} is not known, so max_usd={self._max_usd} "
                "cannot be kept; leave it out"
            )
        spent = self._usd - given_back
        if spent + job.usd > self._max_usd:
            raise SpeechError(
                f"request {job.number} would cost more than max_usd={self._max_usd} allows: it "
                f"costs {job.usd} dollars, and {spent} are spent, or set aside for requests that "
                "are under way or that failed and may be billed; it was not sent, nor was any "
                "after it"
            )
        self._usd += job.usd


def _checked_options(options: Mapping[str, object]) -> Mapping[str, object]:
    if not isinstance(options, Mapping) or not all(isinstance(name, str) for name in options):
        raise InvalidRequestError(
            f"must be a mapping of names of options, not {options!r}", param="options"
        )
    try:
        check_names(options)
    except TypeError as error:
        raise InvalidRequestError(str(error), param="options") from error
    return options


def checked_budget(max_usd: float | Decimal | None) -> Decimal | None:
    """Return what a batch may cost.

    Raises:
        InvalidRequestError: It is no amount.
    """
    if max_usd is None:
        return None
    is_number = isinstance(max_usd, int | float | Decimal) and not isinstance(max_usd, bool)
    # A comparison with NaN is false, so NaN is refused too.
    if not is_number or not 0 <= max_usd < 1e9:
        raise InvalidRequestError(f"must be dollars from 0, not {max_usd!r}", param="max_usd")
    # The shortest decimal that means the same, and not all that a float holds.
    return Decimal(str(max_usd))


def checked_executor(executor: Executor) -> Executor:
    """Return the executor, if it is one and can be used here.

    Raises:
        InvalidRequestError: It is none.
        ImportError: The extra `batch` is not installed.
    """
    if not isinstance(executor, Executor):
        raise InvalidRequestError(
            f"must be a concurrent.futures.Executor, not {type(executor).__name__}",
            param="executor",
        )
    if find_spec("filelock") is None:
        raise ImportError(
            needs("an executor, here and where its workers run,", "filelock", "batch")
        )
    return executor


def seconds_of(audio: SpeechAudio | SpeechFile | None) -> float:
    """Return how long audio is; 0 where nobody knows, or its file has been taken away."""
    try:
        return (audio and audio.duration_s) or 0.0
    except OSError:
        return 0.0


def unspent(job: Job, result: BatchResult) -> Decimal:
    """Return what a job that has ended gives back of the budget: all, if surely not billed.

    That is known of a single attempt: what became of earlier ones, the result does not say.
    """
    error = result.error
    if error is None:
        return Decimal(0)
    # Any other `InvalidRequestError` may be about audio that came.
    is_refused = isinstance(error, UnknownVoiceError) or (
        isinstance(error, APIStatusError) and error.status_code in _REFUSALS
    )
    is_unsent = isinstance(error, APIConnectionError) and not error.request_sent
    is_free = result.attempts == 1 and (is_refused or is_unsent)
    return (is_free and job.usd) or Decimal(0)


def submit_job(executor: Executor, settings: WorkerSettings, job: Job) -> "Future[Spoken]":
    """Have a worker of somebody else's speak."""
    return executor.submit(speak_elsewhere, settings, job.asked, job.number)


def speak_elsewhere(settings: WorkerSettings, request: BatchRequest, index: int) -> Spoken:
    """Speak one text in a worker; see `facade.worker.speak`."""
    # By its name and when it runs: a worker is an application, which is above all that is here.
    result: BatchResult = import_module("facade.worker").speak(settings, request, index)
    return Spoken(replace(result, request=_WITH_WHO_ASKED), seconds_of(result.audio))


def result_of(job: Job, future: "Future[Spoken]") -> Spoken:
    """Return what came of a job in a worker that has ended."""
    error: BaseException | None
    if future.cancelled():
        error = SpeechError(f"the executor cancelled request {job.number} before it began")
    else:
        error = future.exception()
    if error is None:
        # Its request is the very object that the application gave.
        result, duration_s = future.result()
        return Spoken(replace(result, request=job.asked), duration_s)
    if not isinstance(error, Exception):
        # Such as a `SystemExit`, which ends the worker and not the application.
        cause, error = error, SpeechError(f"the worker of request {job.number} ended: {error!r}")
        error.__cause__ = cause
    return Spoken(BatchResult(request=job.asked, index=job.number, error=error), 0.0)
