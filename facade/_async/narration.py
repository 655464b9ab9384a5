"""A book read aloud.

It takes two passes. In the first the pieces are spoken, side by side, and each is measured and kept
in a folder as it comes. In the second they are read from there one by one and joined. So memory
does not grow with the book, and what has been spoken is not spoken again.
"""

import os
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from facade._async.batch import AsyncSpeechBatch
from facade._book.plan import NarrationPlan
from facade._jobs import BatchPlan, Job
from facade._rules.pricing import billed_characters
from facade._rules.words import WordTiming
from facade._transport.waiting_async import in_thread, new_lock
from facade.batch import BatchRequest, BatchResult
from facade.books import Book, Chapter, Omission, Pauses
from facade.errors import (
    AuthenticationError,
    BadRequestError,
    InvalidRequestError,
    MissingPiece,
    NarrationError,
    NotFoundError,
    PaymentRequiredError,
    PermissionDeniedError,
    RequestTooLargeError,
    SpeechError,
    UnprocessableEntityError,
)
from facade.narration import (
    NarrationCost,
    NarrationFile,
    NarrationFormat,
    NarrationProgress,
)

# What a narration needs is loaded by the first of them: an import of this package stays quick.
if TYPE_CHECKING:
    from facade._book.assembly import Output
    from facade._book.store import PieceStore

Take: TypeAlias = Callable[[Job, Sequence[WordTiming]], Awaitable[None]]
"""What looks at the audio of a piece, which has been written to the file of the job."""
Begin: TypeAlias = Callable[[Iterator[BatchRequest], BatchPlan, Take], AsyncSpeechBatch]
"""What begins to speak pieces."""

# With these no other piece would be had either: no key, no money, no room for files.
_HOPELESS = (AuthenticationError, PaymentRequiredError, OSError)
# What the same request would meet again.
_FOR_GOOD = (
    BadRequestError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RequestTooLargeError,
    UnprocessableEntityError,
)
# When so many pieces have failed, one after the other, the service is not going to speak the rest.
_MOST_IN_A_ROW = 20


class AsyncNarration:
    """A book that is going to be read aloud. Nothing has been sent yet."""

    def __init__(
        self,
        plan: NarrationPlan,
        begin: Begin,
        *,
        pauses: Pauses,
        max_usd: Decimal | None,
    ) -> None:
        self._plan = plan
        self._begin = begin
        self._pauses = pauses
        self._max_usd = max_usd

    @property
    def book(self) -> Book:
        """What is read: the chapters that were chosen, and the book's title, author and cover."""
        return self._plan.book

    @property
    def chapters(self) -> tuple[Chapter, ...]:
        """The chapters that are read."""
        return self._plan.book.chapters

    @property
    def numbers(self) -> tuple[int, ...]:
        """The number of each of them in the whole book, from 1."""
        return self._plan.numbers

    @property
    def pieces(self) -> int:
        """How many requests the whole takes. What a book says twice is asked for once."""
        return self._plan.distinct

    @property
    def characters(self) -> int:
        """Characters that the service would bill for the whole."""
        return self._plan.characters

    @property
    def usd(self) -> Decimal | None:
        """Their price in dollars by the published price; `None` where none is known."""
        return self._plan.price(self._plan.characters)

    @property
    def omissions(self) -> tuple[Omission, ...]:
        """What is not read of these chapters, which it counts in the whole book: what the book
        leaves out of its source, and what cannot be spoken, such as a line of asterisks (`kind` is
        `"unspoken"`)."""
        return (*self._plan.book.omissions, *self._plan.unspoken)

    def remaining(self, work: str | os.PathLike[str]) -> NarrationCost:
        """Say what is still to be asked for, of a narration that was begun in a folder.

        It reads a file for each piece, and is not awaited: an event loop waits meanwhile.

        Args:
            work: The folder, as `save` takes it. Where there is none, all is to be asked for.

        Returns:
            How many requests, and what they cost.

        Raises:
            SpeechError: Another run is at work in the folder.
            OSError: The folder cannot be read.
        """
        if not Path(work).is_dir():
            return NarrationCost(pieces=self.pieces, characters=self.characters, usd=self.usd)
        with self._store(Path(work)) as store:
            keys, characters = self._plan.missing(store)
        return NarrationCost(
            pieces=len(keys), characters=characters, usd=self._plan.price(characters)
        )

    def discard(self, work: str | os.PathLike[str]) -> None:
        """Remove the pieces that a folder keeps, of this narration and of all others.

        The folder is removed too, unless there is something else in it. As with `remaining`, an
        event loop waits meanwhile.

        Args:
            work: The folder, as `save` takes it.

        Raises:
            SpeechError: Another run is at work in it.
            OSError: A file cannot be removed.
        """
        from facade._book.store import remove_pieces

        remove_pieces(Path(work))

    async def save(
        self,
        path: str | os.PathLike[str],
        *,
        format: NarrationFormat | None = None,  # noqa: A002 - as elsewhere
        subtitles: str | os.PathLike[str] | None = None,
        chapters_file: str | os.PathLike[str] | None = None,
        work: str | os.PathLike[str] | None = None,
        bit_rate: int | None = None,
        on_progress: Callable[[NarrationProgress], None] | None = None,
    ) -> NarrationFile:
        """Have the book spoken, and write it to a file.

        Every piece is looked at: whether it is there, has sound in it, and lasts as long as its
        text may take. One that is not, or that failed, is asked for once more; what fails again is
        told at the end, all of it, and then no file is written.

        The files appear whole or not at all.

        Args:
            path: Where to. The folder must exist.
            format: What to write; by default what the name says: `.wav`, `.mp3`, `.flac`,
                `.opus`, or `.m4b` (`.m4a`). All but WAV need the package `av`, of the extra
                `book`. An M4B file cannot be written to a pipe.
            subtitles: Where to write subtitles: a file named `.srt` or `.vtt`. With
                `alignment="word"` those in `.vtt` have the time of each word.
            chapters_file: Where to write the chapters as Podcasting 2.0 JSON. By default they go
                into `<name>.chapters.json` beside a file of WAV or FLAC with more than one
                chapter; the others have their chapters inside.
            work: A folder to keep the pieces in, made where it is missing. A later `save` into it
                asks only for what is not there: after a failure for the rest, after a change in the
                book for the sentences that have changed. It stays, with about 170 MB for an hour
                at 24,000 Hz. By default the pieces lie in a folder for temporary files, which
                is removed.
            bit_rate: Of MP3 (by default 64,000), Opus (32,000) and M4B (64,000), in bit/s, from 1
                to 1,000,000; Opus takes 500 to 256,000. An encoder takes the next one that it
                knows. WAV and FLAC have none, and ignore it.
            on_progress: Called with each piece that has come or been written.

        Returns:
            The file.

        Raises:
            NarrationError: Pieces are missing; it names each.
            InvalidRequestError: An argument is wrong; nothing was sent.
            SpeechError: What is still to be asked for would cost more than `max_usd`, and nothing
                was sent; or another run is at work in `work`; or the service will not speak, for
                reasons of the key or the account, and what had come is kept in `work`.
            OSError: A file cannot be written.
            ImportError: The extra `book` is not installed.
        """
        from facade._book.assembly import check_output

        output = check_output(
            path,
            container=format,
            subtitles=subtitles,
            chapters_file=chapters_file,
            bit_rate=bit_rate,
            plan=self._plan,
        )
        tell = on_progress or _tell_nobody
        with self._store(None if work is None else Path(work)) as store:
            run = _AsyncRun(self._plan, store, self._begin, self._max_usd, tell)
            await run.speak()
            duration_s = await run.write(output, self._pauses)
            return NarrationFile(
                path=output.path,
                subtitles=output.subtitles,
                chapters_file=output.chapters_file,
                duration_s=duration_s,
                size=output.path.stat().st_size,
                characters=run.characters,
                usd=run.usd,
            )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.pieces} pieces, {self.characters} characters>"

    def _store(self, work: Path | None) -> "AbstractContextManager[PieceStore]":
        from facade._book.store import piece_store

        return piece_store(work, self._plan.sample_rate, with_words=self._plan.with_words)


class _AsyncRun:
    """One run of a narration."""

    def __init__(
        self,
        plan: NarrationPlan,
        store: "PieceStore",
        begin: Begin,
        max_usd: Decimal | None,
        tell: Callable[[NarrationProgress], None],
    ) -> None:
        self._plan = plan
        self._store = store
        self._begin = begin
        self._max_usd = max_usd
        self._tell = tell
        # Pieces are measured one at a time, so that many that come at once take no more memory.
        self._measuring = new_lock()
        self._done = 0
        self._duration_s = 0.0
        self._has_given_up = False
        # Characters that were spoken as they should, and in vain.
        self._well = self._in_vain = 0

    @property
    def characters(self) -> int:
        """Characters that it has had spoken."""
        return self._well + self._in_vain

    @property
    def usd(self) -> Decimal | None:
        """Their price in dollars; `None` where none is known."""
        return self._plan.price(self.characters)

    async def speak(self) -> None:
        """Have spoken what is not there.

        Raises:
            NarrationError: Pieces are missing.
            SpeechError: It would cost too much, or no piece would be spoken.
        """
        missing, characters = await in_thread(self._plan.missing, self._store)
        self._check_price(characters)
        self._done = self._plan.distinct - len(missing)
        failed: dict[str, BatchResult] = {}
        await self._ask(missing, failed)
        again = {key for key, result in failed.items() if not isinstance(result.error, _FOR_GOOD)}
        characters = sum(billed_characters(failed[key].request.text) for key in again)
        if again and not self._has_given_up and self._fits(characters):
            await self._ask(again, failed)
        if failed:
            raise self._error(failed)

    async def write(self, output: "Output", pauses: Pauses) -> float:
        """Join the pieces into the files; return the length of the audio in seconds."""
        from facade._book.assembly import assemble

        steps = assemble(self._plan, self._store, output, pauses)
        done = 0
        try:
            while (samples := await in_thread(next, steps, None)) is not None:
                done += 1
                self._duration_s = samples / self._plan.sample_rate
                self._report("joining", done, self._plan.pieces)
        finally:
            steps.close()
        return self._duration_s

    async def _ask(self, keys: Collection[str], failed: dict[str, BatchResult]) -> None:
        """Ask once for each of these pieces; keep in `failed` what came of those that failed."""
        in_a_row = 0
        plan = self._plan.batch()
        async with self._begin(self._requests(set(keys)), plan, self._take) as batch:
            async for result in batch:
                if isinstance(result.error, _HOPELESS):
                    raise result.error
                if result.error is None:
                    in_a_row = 0
                    self._count(result, failed)
                    continue
                in_a_row += 1
                failed[str(result.request.id)] = result
                if in_a_row == _MOST_IN_A_ROW:
                    self._has_given_up = True
                    break
        # What came while it was being ended is kept too.
        async for result in batch:
            if result.error is None:
                self._count(result, failed)

    def _count(self, result: BatchResult, failed: dict[str, BatchResult]) -> None:
        """Count a piece that has come."""
        failed.pop(str(result.request.id), None)
        self._done += 1
        self._well += result.characters
        self._duration_s += (result.audio and result.audio.duration_s) or 0.0
        self._report("speaking", self._done, self._plan.distinct)

    def _requests(self, keys: set[str]) -> Iterator[BatchRequest]:
        for planned in self._plan.planned():
            if planned.key in keys:
                keys.discard(planned.key)
                yield BatchRequest(
                    text=planned.text,
                    voice=planned.voice,
                    path=self._store.path(planned.key),
                    id=planned.key,
                )

    async def _take(self, job: Job, words: Sequence[WordTiming]) -> None:
        """Look at a piece that has come.

        Raises:
            SpeechError: It cannot be what its text sounds like.
        """
        text = job.asked.text
        async with self._measuring:
            flaw = await in_thread(self._store.accept, str(job.asked.id), text, words)
            # It is billed all the same.
            self._in_vain += billed_characters(text) if flaw else 0
        if flaw:
            raise SpeechError(flaw)

    def _check_price(self, characters: int) -> None:
        """Refuse to begin what would cost more than it may."""
        if self._max_usd is None or self._fits(characters):
            return
        price = self._plan.price(characters)
        if price is None:
            raise SpeechError(
                f"the price of {self._plan.model!r} is not known, so max_usd={self._max_usd} "
                "cannot be kept; leave it out"
            )
        raise SpeechError(
            f"{characters:,} characters are to be spoken for {price} dollars, more than "
            f"max_usd={self._max_usd} allows; nothing was sent"
        )

    def _fits(self, characters: int) -> bool:
        """Whether so many characters more may be spoken."""
        price = self._plan.price(self.characters + characters)
        return self._max_usd is None or (price is not None and price <= self._max_usd)

    def _error(self, failed: Mapping[str, BatchResult]) -> NarrationError:
        """Tell what is missing, in the order of the book."""
        missing = []
        left = dict(failed)
        for planned in self._plan.planned():
            result = left.pop(planned.key, None)
            if result is not None:
                chapter = planned.piece.chapter
                title = self._plan.book.chapters[chapter].title
                number = self._plan.numbers[chapter]
                missing.append(MissingPiece(number, title, planned.text, str(result.error)))
        given_up = self._plan.distinct - self._done - len(failed)
        gave_up = (
            f", and {given_up:,} more were given up, as {_MOST_IN_A_ROW} failed one after the other"
            if given_up
            else ""
        )
        return NarrationError(
            f"{len(missing):,} of {self._plan.distinct:,} pieces could not be had{gave_up}",
            missing=missing,
            kept=self._done,
        )

    def _report(self, stage: Literal["speaking", "joining"], done: int, pieces: int) -> None:
        self._tell(
            NarrationProgress(
                stage=stage,
                done=done,
                pieces=pieces,
                characters=self.characters,
                duration_s=self._duration_s,
                usd=self.usd,
            )
        )


def _tell_nobody(_: NarrationProgress) -> None:
    """Tell nobody how far it is."""
