"""The client."""

import json
import os
import random
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from decimal import Decimal
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, Self, TypeVar, Unpack
from weakref import ref

from facade._async.batch import MAX_OPEN, AsyncSpeechBatch
from facade._async.narration import AsyncNarration, Take
from facade._async.reader import AsyncAudioReader, AsyncReader
from facade._async.realtime import AsyncRealtimeSession
from facade._async.stream import AsyncSpeechStream
from facade._book.plan import NarrationPlan, new_book
from facade._book.reading import BookFormat
from facade._extras import needs
from facade._jobs import (
    BatchPlan,
    Job,
    WorkerSettings,
    checked_budget,
    checked_executor,
    submit_job,
)
from facade._rules.catalogue import read_voices
from facade._rules.error_mapping import BODY_LIMIT, failure_in_success, failure_in_voices
from facade._rules.options import (
    DEFAULT_MODEL,
    NarrationOptions,
    RealtimeOptions,
    StreamOptions,
    SynthesizeOptions,
    takes,
)
from facade._rules.origin import is_loopback
from facade._rules.pacing import FASTEST, Pace
from facade._rules.realtime_settings import RealtimeSettings
from facade._rules.request import SpeechRequest
from facade._rules.retry import RetryPolicy
from facade._transport.call import Call, logger, waits
from facade._transport.config import (
    DEFAULT_MAX_AUDIO_BYTES,
    Config,
    Timeouts,
    secret,
)
from facade._transport.waiting_async import (
    ITERABLE,
    Many,
    first_place,
    moved,
    new_lock,
    place,
    sleep,
)
from facade.audio import (
    SpeechAudio,
    SpeechFile,
    atomic_file,
    check_save_path,
    end_wav,
    header_for,
    needs_header,
)
from facade.batch import BatchRequest
from facade.books import Book, Chapter, Pauses
from facade.errors import InvalidRequestError, SpeechError
from facade.formats import format_of
from facade.voices import Voice, VoiceMix

# What only a client or a call needs is loaded there: an import of this package stays quick.
if TYPE_CHECKING:
    from facade._transport._async.exchange import AsyncExchange
    from facade._transport.shared_pace import SharedPace

# Seconds that a live list of voices is believed, also where it could not be had.
LIST_AGE_S = 300.0
# A look-up is a courtesy: it is not repeated, and it waits no longer than this many seconds.
LOOK_UP_S = 5.0
# By so many bytes a WAV file is known from samples.
_RIFF_BYTES = 12

_T = TypeVar("_T")


class AsyncSpeechClient:
    """A client for Together AI's text-to-speech API.

    Build one and share it: it keeps connections open between calls. The synchronous client may be
    used from any number of threads; the asynchronous one belongs to one event loop. Close it when
    done, or use it in an `async with` block.

    A call that fails is tried again where its request cannot have reached the service, where the
    service says that it has not begun with it (429, 503, HTTP/2's REFUSED_STREAM), and where the
    service says that it has failed (500, 502, 504, 520 to 530): such a call may be billed twice. It
    is not where the answer came late or was lost on its way, nor after a stream's first audio. By
    default there are 3 attempts within 60 seconds, after the wait that the service names or else
    after 0.5 to 1 s, 1 to 1.5 s, and so on. `RetryPolicy` has the whole rule and its reasons, and
    changes it; its defaults may change in a minor version.

    Args:
        api_key: The key. By default the environment variable `TOGETHER_API_KEY`.
        base_url: The address of the service, version included. By default the environment variable
            `TOGETHER_BASE_URL`, or else `https://api.together.ai/v1`.
        timeouts: How long to wait for what, in seconds.
        retry: How often and how long to try again.
        max_audio_bytes: The largest answer to accept, in bytes after decompression, from 1; by
            default 256 MiB.
        validate_voices: Whether to refuse voices that the model does not have. Kokoro's are known;
            a name that is not in the list of another known model is looked up in the service's list
            once in five minutes; where that cannot be had, and for unknown models, the service
            decides.
        headers: Headers to send with every request.
        httpx_args: Further arguments as `httpx.AsyncClient` takes them, such as `proxy`, `verify`,
            `transport`, `http2`, `limits`.
        insecure_hosts: Hosts, besides this machine, that may be spoken to without TLS.

    Raises:
        InvalidRequestError: One of these is wrong; `param` says which.
    """

    _is_closed = False

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        max_audio_bytes: int = DEFAULT_MAX_AUDIO_BYTES,
        validate_voices: bool = True,
        headers: Mapping[str, str] | None = None,
        httpx_args: Mapping[str, Any] | None = None,
        insecure_hosts: Collection[str] = (),
    ) -> None:
        key = secret(api_key)
        del api_key
        try:
            self._config = Config.read(
                key=key,
                base_url=base_url,
                timeouts=timeouts,
                retry=retry,
                max_audio_bytes=max_audio_bytes,
                validate_voices=validate_voices,
                headers=headers,
                httpx_args=httpx_args,
                insecure_hosts=insecure_hosts,
            )
        finally:
            # A debugger shows local variables, and these may hold passwords.
            del base_url, headers, httpx_args
        # Where the connections belong: to one process, or to one event loop.
        self._place = first_place()
        # What ends with the client. A `WeakSet` does not take that threads add to it meanwhile.
        self._begun: set[ref[AsyncRealtimeSession | AsyncSpeechBatch]] = set()
        self._live_voices: dict[str, tuple[float, list[Voice]]] = {}
        self._build(self._config)

    @takes(SynthesizeOptions)
    async def synthesize(
        self,
        text: str,
        *,
        voice: str | Voice | VoiceMix,
        **options: Unpack[SynthesizeOptions],
    ) -> SpeechAudio:
        """Turn text into speech and return the whole of it.

        What is left out is not sent, so the service's own default holds.

        Args:
            text: What to say. No limit is published; a very long text is better streamed or cut.
            voice: A voice of the model, by its id, or for Kokoro also a mix: a `VoiceMix`, or its
                string such as `"af_bella(2)+af_heart(1)"`.
            **options: Those of `SynthesizeOptions`, which says what each is for.

        Returns:
            The audio.

        Raises:
            InvalidRequestError: An argument is wrong, or the model would ignore it; nothing was
                sent.
            APIStatusError: The service refused or failed; there is a class for each status.
            APIConnectionError: No whole answer came; `APITimeoutError` where it came late.
            APIError: The service answered with an error in place of audio.
            EmptyAudioError: The service answered with nothing.
            SpeechError: The client is closed.
        """
        self._check_open()
        request = SpeechRequest.build(
            text, options, voice=voice, validate_voices=self._config.validate_voices
        )
        call = self._call()
        await self._check_voice(request)
        return await self._repeat(call, partial(self._speak, call, request))

    @takes(SynthesizeOptions)
    async def synthesize_to_file(
        self,
        text: str,
        path: str | os.PathLike[str],
        *,
        voice: str | Voice | VoiceMix,
        **options: Unpack[SynthesizeOptions],
    ) -> SpeechFile:
        """Turn text into speech and write the whole of it to a file, in constant memory.

        What `synthesize(...).save(path)` does, for audio that need not be held. The file appears
        whole or not at all, and only once all of it is known to be audio. Where the path cannot be
        written to, nothing is sent.

        Args:
            text: As for `synthesize`.
            path: Where to. The folder must exist. Under a name that ends in `.wav`, raw audio gets
                a WAV header.
            voice: As for `synthesize`.
            **options: Those of `SynthesizeOptions`, which says what each is for.

        Returns:
            The file.

        Raises:
            InvalidRequestError: An argument is wrong, or the model would ignore it; nothing was
                sent. Or else the service gave another format than the name says.
            SpeechError: As for `synthesize`, also where the client is closed.
            OSError: The file cannot be written.
        """
        self._check_open()
        request = SpeechRequest.build(
            text, options, voice=voice, validate_voices=self._config.validate_voices
        )
        target = check_save_path(path, request.expected_format)
        call = self._call()
        await self._check_voice(request)
        return await self._repeat(call, partial(self._download, call, request, target))

    @takes(StreamOptions)
    def stream(
        self, text: str, *, voice: str | Voice | VoiceMix, **options: Unpack[StreamOptions]
    ) -> AsyncSpeechStream:
        """Turn text into speech and take it while it is being spoken.

        The audio comes as raw samples, the only format that the service streams. The request is
        sent when the stream's `async with` block is entered, or else when the first samples are
        asked for; until the first audio it is tried again as `synthesize` is.

        Args:
            text: What to say.
            voice: As for `synthesize`.
            **options: Those of `StreamOptions`, which says what each is for.

        Returns:
            The stream. Iterating over it, or entering it, raises what `synthesize` raises, and
            `StreamInterruptedError` where the stream ends too early, `MalformedStreamError` where
            it cannot be read. The audio before that has been handed over.

        Raises:
            InvalidRequestError: An argument is wrong, or the model would ignore it; nothing was
                sent.
            SpeechError: The client is closed.
        """
        self._check_open()
        request = SpeechRequest.build(
            text,
            options,
            voice=voice,
            validate_voices=self._config.validate_voices,
            is_stream=True,
        )
        return AsyncSpeechStream(
            partial(self._open_stream, request),
            request.expected_format,
            self._config.max_audio_bytes,
            self._lost_streams,
        )

    @takes(SynthesizeOptions)
    def synthesize_many(
        self,
        requests: Many[str | BatchRequest],
        *,
        voice: str | Voice | VoiceMix | None = None,
        in_order: bool = False,
        at_once: int | None = None,
        per_minute: float | None = None,
        max_usd: float | Decimal | None = None,
        executor: Executor | None = None,
        **options: Unpack[SynthesizeOptions],
    ) -> AsyncSpeechBatch:
        """Turn many texts into speech, as fast as the account allows.

        The limits of an account are not published and move, so they are found out: the batch begins
        modestly, goes faster as long as nothing is refused, and halves its pace when the service
        answers 429. A wait that the service names is kept by all. A request that was refused for
        that is sent again, up to 20 times; any other failure is tried again as often as the
        client's `RetryPolicy` says, and within its `budget_s` from the text's first request on.
        Where the service names a wait beyond 10 minutes and beyond that budget, nobody waits, and
        the request has failed.

        Args:
            requests: The texts: strings, or `BatchRequest` objects for those that have a voice,
                options or a file of their own. Any iterable, taken as it is needed, by another
                thread (by another task, and an asynchronous iterable too). A single string is none.
            voice: The voice of those that have none of their own.
            in_order: Whether the results come in the order of the requests, and not as they finish.
            at_once: How many requests may be under way at most, from 1 to 128, where that is known.
                More than the client has connections for, by default 100, wait for one.
            per_minute: How many may begin in a minute at most, above 0 and up to 600,000, where
                that is known.
            max_usd: What the batch may cost at most, in dollars from 0 to below 1,000,000,000, by
                the published price. Before a request that would go beyond it the batch ends with a
                `SpeechError`.
            executor: Whose workers are to speak: any `concurrent.futures.Executor`. Each speaks
                one text at a time. They build clients like this one, with the key of their own
                environment (`TOGETHER_API_KEY`), and the processes of one machine share one pace
                and its limits for each model. What goes wrong in a worker, or with it, is the
                `error` of a result; paths are those of the worker's machine. It needs the extra
                `batch`, there too.
            **options: Those of `SynthesizeOptions`, for requests that have none of their own.

        Returns:
            The batch, an iterator of `BatchResult`. One that fails is one result; none of them ends
            the others. What the source of the requests raises is raised behind the last result,
            and so is a `SpeechError` where `max_usd` is used up, or the client was closed before
            all had begun.

        Raises:
            InvalidRequestError: An argument is wrong, or the client was built with something that
                cannot be pickled for an executor.
            ImportError: There is an executor, and the extra `batch` is not installed.
            SpeechError: The client is closed.
        """
        self._check_open()
        _check_limits(at_once, per_minute)
        # A string is an iterable of its letters, each of which would be billed.
        if isinstance(requests, str | bytes) or not isinstance(requests, ITERABLE):
            raise InvalidRequestError(
                f"must be an iterable of texts, not {type(requests).__name__}", param="requests"
            )
        plan = BatchPlan(
            options,
            voice=voice,
            validate_voices=self._config.validate_voices,
            max_usd=checked_budget(max_usd),
            writes_here=executor is None,
        )
        submit = None
        if executor is not None:
            checked_executor(executor)
            settings = WorkerSettings(
                client=self._config.for_workers(),
                options={"voice": voice, **options},
                at_once=at_once,
                per_minute=per_minute,
            )
            submit = partial(submit_job, executor, settings)
        model = options.get("model", DEFAULT_MODEL)
        batch = AsyncSpeechBatch(
            requests,
            plan,
            self._pace(model, at_once, per_minute if waits() else FASTEST * 60),
            self._config.retry,
            self._call,
            self._attempt,
            in_order=in_order,
            submit=submit,
        )
        self._ends_with(batch)
        return batch

    @takes(NarrationOptions)
    def narrate(
        self,
        source: str | Path | Book | Sequence[Chapter],
        *,
        voice: str | Voice | VoiceMix,
        voices: Mapping[int | str, str | Voice | VoiceMix] | None = None,
        chapters: Collection[int] | None = None,
        format: BookFormat | None = None,  # noqa: A002 - the field's word
        alt_texts: bool = False,
        script: bool = False,
        pauses: Pauses = Pauses(),  # noqa: B008 - frozen
        at_once: int | None = None,
        per_minute: float | None = None,
        max_usd: float | Decimal | None = None,
        **options: Unpack[NarrationOptions],
    ) -> AsyncNarration:
        """Read a book aloud, or anything long, into one file of audio with chapters and subtitles.

        Nothing is sent before the narration is saved. The text is divided into pieces of a length
        that models read well, at the ends of sentences; those are spoken as `synthesize_many` does,
        checked, and joined without a seam. It needs the extra `book`.

        Args:
            source: The text itself; or the path of a file: plain text, Markdown, HTML or EPUB; or
                a `Book` or its chapters.
            voice: Who reads what no other voice is said for. As for `synthesize`.
            voices: Other voices, by a chapter's number from 1, or by the name that marks lines of a
                script: `{3: "bm_george", "ALICE": "af_bella"}`.
            chapters: The numbers of the chapters to read, from 1, such as `range(3, 6)`; by default
                all.
            format: What the source is written in. By default what the file's name says; a string is
                plain text.
            alt_texts: Whether to read what describes images.
            script: Whether a mark such as `[am_adam]` at the beginning of a line says who reads it.
            pauses: How long the pauses are.
            at_once, per_minute: As for `synthesize_many`.
            max_usd: What a run may cost at most, in dollars, by the published price. Where what is
                missing costs more, nothing is sent.
            **options: Those of `NarrationOptions`, which says what each is for.

        Returns:
            The narration: what there is to read, and what it costs. Its `save` has it spoken.

        Raises:
            InvalidRequestError: An argument is wrong, or the source cannot be read as a book.
            OSError: The file cannot be read.
            ImportError: The extra `book` is not installed.
            SpeechError: The client is closed.
        """
        self._check_open()
        _check_limits(at_once, per_minute)
        plan = NarrationPlan(
            new_book(source, format=format, alt_texts=alt_texts, script=script),
            voice=voice,
            voices=voices or {},
            chapters=chapters,
            validate_voices=self._config.validate_voices,
            is_local=is_loopback(self._config.base_url.host),
            options=options,
        )

        def begin(
            requests: Iterator[BatchRequest], jobs: BatchPlan, take: Take
        ) -> AsyncSpeechBatch:
            batch = AsyncSpeechBatch(
                requests,
                jobs,
                self._pace(plan.model, at_once, per_minute if waits() else FASTEST * 60),
                self._config.retry,
                partial(self._call, is_stream=plan.with_words),
                partial(self._narrate, take),
                in_order=False,
            )
            self._ends_with(batch)
            return batch

        return AsyncNarration(plan, begin, pauses=pauses, max_usd=checked_budget(max_usd))

    @takes(RealtimeOptions)
    def realtime(
        self, *, voice: str | Voice | VoiceMix, **options: Unpack[RealtimeOptions]
    ) -> AsyncRealtimeSession:
        """Begin a realtime session: text in while it is being written, speech out while it is
        being spoken.

        The session connects when its `async with` block is entered; that is tried again as
        `synthesize` is. It needs the extra `realtime`, which brings the package `websockets`.

        Args:
            voice: As for `synthesize`; a turn may have another.
            **options: Those of `RealtimeOptions`; a turn may have others.

        Returns:
            The session, whose `speak` begins a turn.

        Raises:
            InvalidRequestError: An argument is wrong, or the model or a realtime connection would
                ignore it.
            ImportError: The extra is not installed.
            SpeechError: The client is closed.
        """
        if find_spec("websockets") is None:
            raise ImportError(needs("realtime", "websockets", "realtime"))
        self._check_open()
        settings = RealtimeSettings.build(
            options, voice=voice, validate_voices=self._config.validate_voices
        )
        session = AsyncRealtimeSession(
            self._config, settings, self._with_exchange, self._check_voice
        )
        self._ends_with(session)
        return session

    async def list_voices(self, model: str | None = None) -> list[Voice]:
        """Ask the service for its voices.

        Args:
            model: The model whose voices to list; by default those of all models.

        Returns:
            The voices. Language, gender and grade are filled in for Kokoro.

        Raises:
            InvalidRequestError: `model` is no name; nothing was sent.
            APIStatusError: The service refused or failed; there is a class for each status.
            APIConnectionError: No whole answer came; `APITimeoutError` where it came late.
            APIError: The answer cannot be read.
            SpeechError: The client is closed.
        """
        self._check_open()
        if model is not None and not (
            isinstance(model, str) and model.strip() and model.isprintable()
        ):
            raise InvalidRequestError(f"must be the name of a model, not {model!r}", param="model")
        call = self._call()
        return await self._repeat(call, partial(self._list, call, model))

    async def aclose(self) -> None:
        """Close all connections, which ends its sessions and batches too.

        A closed client cannot be used again.
        """
        self._is_closed = True
        if self._place in (None, place()):
            begun = [one for reference in tuple(self._begun) if (one := reference()) is not None]
            for one in begun:
                one.shut()
            await self._close_lost()
            await self._service.aclose()
        else:
            moved(self._config, is_over=True)

    async def __aenter__(self) -> Self:
        self._check_open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        # A traceback's local variables may show a client that could not be built.
        where = self._config.base_url if hasattr(self, "_config") else "unfinished"
        return f"<{type(self).__name__} {where}{' closed' if self._is_closed else ''}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"a {type(self).__name__} holds a key and connections, and cannot be pickled or "
            "copied; build one where it is needed"
        )

    # --- one attempt -----------------------------------------------------------------------------

    async def _speak(self, call: Call, request: SpeechRequest) -> SpeechAudio:
        from facade._generated_client import speech_async

        exchange = await self._begin(call)

        async def speak() -> SpeechAudio:
            await speech_async(exchange, request)
            return _audio(exchange, request)

        return await _guarded(exchange, speak)

    async def _download(self, call: Call, request: SpeechRequest, target: Path) -> SpeechFile:
        from facade._generated_client import speech_async

        # Where the file cannot be, nothing is sent.
        with atomic_file(target) as file:
            exchange = await self._begin(call, is_whole=False)
            try:
                await _guarded(exchange, partial(speech_async, exchange, request))
                return await _save(exchange, request, target, file)
            finally:
                await exchange.aclose()

    async def _attempt(self, call: Call, job: Job) -> SpeechAudio | SpeechFile:
        """Make one attempt at a request of a batch."""
        self._check_open()
        await self._check_voice(job.request)
        if job.target is None:
            return await self._speak(call, job.request)
        return await self._download(call, job.request, job.target)

    async def _narrate(self, take: Take, call: Call, job: Job) -> SpeechFile:
        """Make one attempt at a piece of a narration."""
        self._check_open()
        await self._check_voice(job.request)
        assert job.target is not None  # noqa: S101 - pieces go to files
        if not job.request.stream:
            file = await self._download(call, job.request, job.target)
            await take(job, ())
            return file
        form = job.request.expected_format
        stream = AsyncSpeechStream(
            partial(self._read, call, job.request),
            form,
            self._config.max_audio_bytes,
            self._lost_streams,
        )
        async with stream:
            await stream.save(job.target)
        await take(job, stream.words)
        size = job.target.stat().st_size
        return SpeechFile(job.target, replace(form, container="wav"), size, stream.request_id)

    async def _read(self, call: Call, request: SpeechRequest) -> AsyncAudioReader:
        from facade._generated_client import speech_async

        exchange = await self._begin(call, is_whole=False)
        reader = AsyncAudioReader(exchange, request.expected_format)

        async def begin() -> AsyncAudioReader:
            await speech_async(exchange, request)
            await reader.begin()
            return reader

        return await _guarded(reader, begin)

    async def _list(self, call: Call, model: str | None) -> list[Voice]:
        from facade._generated_client import voices_async

        exchange = await self._begin(call)

        async def ask() -> list[Voice]:
            await voices_async(exchange, model)
            return _voices(exchange, model)

        return await _guarded(exchange, ask)

    async def _begin(self, call: Call, *, is_whole: bool = True) -> "AsyncExchange":
        call.begin()
        await self._come_home()
        return self._service.exchange(call, is_whole=is_whole)

    # --- around the attempts ---------------------------------------------------------------------

    def _call(self, *, is_stream: bool = False) -> Call:
        config = self._config
        return Call(config.timeouts, config.retry, config.key, is_stream=is_stream)

    async def _repeat(self, call: Call, attempt: Callable[[], Awaitable[_T]]) -> _T:
        """Return what `attempt` returns, which is called again as `call.decide` says."""
        while True:
            try:
                return await attempt()
            except SpeechError as error:
                wait_s = call.decide(error, random.random())  # noqa: S311 - only spreads load
                if wait_s is None:
                    raise
            await sleep(wait_s)

    async def _open_stream(self, request: SpeechRequest) -> AsyncAudioReader:
        self._check_open()
        await self._check_voice(request)
        call = self._call(is_stream=True)
        return await self._repeat(call, partial(self._read, call, request))

    async def _with_exchange(self, act: "Callable[[AsyncExchange], Awaitable[None]]") -> None:
        """Call `act` with an exchange, which it may leave open."""
        self._check_open()
        call = self._call()

        async def attempt() -> None:
            exchange = await self._begin(call, is_whole=False)
            await _guarded(exchange, partial(act, exchange))

        await self._repeat(call, attempt)

    async def _check_voice(self, request: SpeechRequest) -> None:
        if self._config.validate_voices and request.needs_live_voices:
            request.check_live_voices(await self._voices_of(request.model))

    async def _voices_of(self, model: str) -> list[Voice]:
        """Return the live list of a model's voices; an empty one where none can be had."""
        await self._come_home()
        # One asks, and the others wait for its answer.
        async with self._look_up_lock:
            kept = self._live_voices.get(model)
            if kept is not None and time.monotonic() - kept[0] < LIST_AGE_S:
                return kept[1]
            limits = self._config.timeouts
            limits = replace(limits, total_s=min(LOOK_UP_S, limits.total_s))
            call = Call(limits, RetryPolicy(attempts=1), self._config.key)
            try:
                voices = await self._list(call, model)
            except SpeechError as error:
                logger.info("the voices of %s cannot be checked: %s", model, error)
                voices = []
            self._live_voices[model] = (time.monotonic(), voices)
            return voices

    def _pace(
        self, model: str, at_once: int | None, per_minute: float | None
    ) -> "Pace | SharedPace":
        """Return what says when calls may begin; a worker shares it with others."""
        return Pace(at_once=at_once, per_minute=per_minute)

    def _ends_with(self, begun: AsyncRealtimeSession | AsyncSpeechBatch) -> None:
        """Remember what this client's end is to end, as long as somebody has it."""
        self._begun.add(ref(begun, self._begun.discard))

    def _check_open(self) -> None:
        if self._is_closed:
            raise SpeechError(f"this {type(self).__name__} is closed; build another one")

    def _build(self, config: Config) -> None:
        from facade._transport._async.exchange import AsyncService

        self._service = AsyncService(config)
        self._look_up_lock = new_lock()
        self._lost_streams: deque[AsyncReader] = deque()

    async def _come_home(self) -> None:
        """See that the connections are used where they belong."""
        here = place()
        if self._place not in (None, here):
            self._build(moved(self._config, is_over=False))
        self._place = here
        await self._close_lost()

    async def _close_lost(self) -> None:
        """Close what streams left behind that were never closed."""
        while True:
            try:
                lost = self._lost_streams.popleft()
            except IndexError:
                return
            await lost.aclose()


def _check_limits(at_once: int | None, per_minute: float | None) -> None:
    """Refuse a wrong limit at once, also where a worker keeps it, or tests do without."""
    Pace(at_once=at_once, per_minute=per_minute)
    if at_once is not None and at_once > MAX_OPEN:
        raise InvalidRequestError(
            f"must be a whole number from 1 to {MAX_OPEN}, not {at_once}", param="at_once"
        )


async def _guarded(
    owner: "AsyncExchange | AsyncAudioReader", act: Callable[[], Awaitable[_T]]
) -> _T:
    """Return what `act` returns; what it raises closes `owner` and becomes one of ours."""
    outer = sys.exception()
    try:
        return await act()
    except BaseException as error:  # noqa: BLE001 - all are told by their own names
        failure = await owner.failed(error, outer)
    try:
        raise failure
    finally:
        # This frame is in the traceback, and must not hold what holds the traceback.
        del failure, outer


def _audio(exchange: "AsyncExchange", request: SpeechRequest) -> SpeechAudio:
    """Return a whole answer as audio in the format that it is in."""
    content, headers, form = exchange.content, exchange.call.headers, request.expected_format
    failure = failure_in_success(headers, content[:BODY_LIMIT], len(content), form)
    if failure is not None:
        raise failure
    return SpeechAudio(
        content=content,
        format=format_of(content, form),
        request_id=exchange.call.shown("x-request-id"),
    )


async def _save(
    exchange: "AsyncExchange", request: SpeechRequest, target: Path, file: BinaryIO
) -> SpeechFile:
    """Write a whole answer to a file as it comes; what it is shows by its beginning."""
    expected, head, size, header_size = request.expected_format, b"", 0, 0
    beginning, piece = b"", await _guarded(exchange, exchange.next)
    while piece is not None and len(beginning := beginning + piece) < _RIFF_BYTES:
        piece = await _guarded(exchange, exchange.next)
    form = format_of(beginning, expected)
    if beginning and form.container == "raw" and needs_header(target, form):
        # Samples have no beginning of their own, so theirs is known before more comes.
        header_size = file.write(header_for(form, 0xFFFFFFFF))
    piece = beginning
    while piece is not None:
        head += piece[: BODY_LIMIT - len(head)]
        size += len(piece)
        file.write(piece)
        piece = await _guarded(exchange, exchange.next)
    failure = failure_in_success(exchange.call.headers, head, size, expected)
    if failure is not None:
        raise await exchange.failed(failure, None)
    form = format_of(head, expected)
    check_save_path(target, form)
    if header_size:
        end_wav(file, form, size)
        form, header_size = replace(form, container="wav"), header_size + size % 2
    return SpeechFile(target, form, header_size + size, exchange.call.shown("x-request-id"))


def _voices(exchange: "AsyncExchange", model: str | None) -> list[Voice]:
    content = exchange.content
    try:
        return read_voices(json.loads(content), model)
    except (ValueError, RecursionError) as error:
        raise failure_in_voices(exchange.call.headers, content, error) from error
