"""The second pass over a book: its pieces, one after the other, become one file."""

import os
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import tee
from pathlib import Path
from typing import get_args

from facade._book.chapter_files import ChapterMark, json_chapters
from facade._book.containers import HOLDS_CHAPTERS, Tags, check_writable, open_writer
from facade._book.joining import Span, edge_samples, join_piece, place
from facade._book.levels import Levels, gain_for
from facade._book.plan import NarrationPlan, PlannedPiece
from facade._book.store import KeptPiece, PieceStore
from facade._book.subtitles import Cue, sentence_cues, srt, webvtt
from facade.audio import atomic_file, check_file_name, check_place
from facade.books import Pauses
from facade.errors import InvalidRequestError, SpeechError
from facade.narration import NarrationFormat

_NAMED: dict[str, NarrationFormat] = {
    ".wav": "wav",
    ".wave": "wav",
    ".mp3": "mp3",
    ".flac": "flac",
    ".opus": "opus",
    ".ogg": "opus",
    ".oga": "opus",
    ".m4b": "m4b",
    ".m4a": "m4b",
}
_SUBTITLES = {".srt": srt, ".vtt": webvtt}
# More than any encoder makes of one channel; M4B has 32 bits for it.
_MOST_BIT_S = 1_000_000


@dataclass(frozen=True, slots=True)
class Output:
    """The files to write.

    Attributes:
        path: The audio.
        container: Its kind.
        bit_rate: Of its audio, in bit/s; `None` for the encoder's own.
        subtitles: The subtitles, if they are wanted.
        chapters_file: The chapters, if they are wanted in a file of their own.
    """

    path: Path
    container: NarrationFormat
    bit_rate: int | None
    subtitles: Path | None
    chapters_file: Path | None


def check_output(
    path: str | os.PathLike[str],
    *,
    container: NarrationFormat | None,
    subtitles: str | os.PathLike[str] | None,
    chapters_file: str | os.PathLike[str] | None,
    bit_rate: int | None,
    plan: NarrationPlan,
) -> Output:
    """Check that the files can be written, before anything is asked for and billed.

    Raises:
        InvalidRequestError: A name does not say what the file is to be, or is that of another one,
            or a pipe's where the file is sought in; or the bit rate is none.
        ImportError: The extra `book` is not installed.
        OSError: A file cannot be written.
    """
    target = _checked(path, "path")
    if container is not None and container not in _NAMED.values():
        raise InvalidRequestError(
            f"must be one of {', '.join(map(repr, get_args(NarrationFormat)))}, not {container!r}",
            param="format",
        )
    container = container or _NAMED.get(target.suffix.lower())
    if container is None:
        raise InvalidRequestError(
            f"{target.name!r} does not say what it is to be; end the name in "
            f"{', '.join(sorted(_NAMED))}, or give format",
            param="path",
        )
    if subtitles is not None and Path(subtitles).suffix.lower() not in _SUBTITLES:
        raise InvalidRequestError(
            f"{Path(subtitles).name!r} does not say what it is to be; end the name in "
            f"{' or '.join(_SUBTITLES)}",
            param="subtitles",
        )
    if chapters_file is None and container not in HOLDS_CHAPTERS and len(plan.book.chapters) > 1:
        chapters_file = target.with_suffix(".chapters.json")
    if container == "m4b" and target.is_fifo():
        raise InvalidRequestError(
            "an M4B file cannot be written to a pipe; choose another format", param="path"
        )
    # True and False are whole numbers for Python.
    if bit_rate is not None and not (type(bit_rate) is int and 0 < bit_rate <= _MOST_BIT_S):
        raise InvalidRequestError(
            f"must be a whole number from 1 to {_MOST_BIT_S:,} bit/s, not {bit_rate!r}",
            param="bit_rate",
        )
    check_writable(container, cover=plan.book.cover, bit_rate=bit_rate)
    output = Output(
        path=target,
        container=container,
        bit_rate=bit_rate,
        subtitles=None if subtitles is None else _checked(subtitles, "subtitles"),
        chapters_file=(None if chapters_file is None else _checked(chapters_file, "chapters_file")),
    )
    taken = set()
    for param, file in (
        ("path", output.path),
        ("subtitles", output.subtitles),
        ("chapters_file", output.chapters_file),
    ):
        if file is not None:
            real = os.path.realpath(file)
            if real in taken:
                raise InvalidRequestError(f"{file} is the name of two files", param=param)
            taken.add(real)
    return output


def assemble(
    plan: NarrationPlan, store: PieceStore, output: Output, pauses: Pauses
) -> Generator[int]:
    """Join the pieces of a plan, all of which are kept, into its files.

    The files appear at the end. Close the iterator where it is not read to its end, and none does.

    Yields:
        How many samples have been written, after each piece.

    Raises:
        SpeechError: A piece is not there any more, or an encoder fails.
        OSError: A file cannot be written.
    """
    rate = plan.sample_rate
    book = plan.book
    layout = _layout(plan, store, pauses)
    edge = edge_samples(pauses, rate)
    with ExitStack() as stack:
        # The last to be opened is the first to get its name: the audio is there when all is.
        file = stack.enter_context(atomic_file(output.path))
        if output.chapters_file is not None:
            beside = stack.enter_context(atomic_file(output.chapters_file))
            beside.write(json_chapters(layout.marks, rate).encode())
        if output.subtitles is not None:
            text = stack.enter_context(atomic_file(output.subtitles))
            write = _SUBTITLES[output.subtitles.suffix.lower()]
            for part in write(_cues(plan, store, layout), rate):
                text.write(part.encode())
        audio = stack.enter_context(
            open_writer(
                file,
                output.container,
                rate,
                layout.samples,
                tags=Tags(book.title, book.author, book.language),
                chapters=layout.marks,
                cover=book.cover,
                bit_rate=output.bit_rate,
            )
        )
        for key, span in layout.pieces:
            for pcm in join_piece(store.samples(key), span, layout.gain, edge):
                audio.write(pcm)
            yield span.next_sample


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where everything lies in the book.

    Attributes:
        pieces: The key of each piece, and its place.
        gain: What the samples of all of them are multiplied by.
        marks: Where each chapter begins.
        samples: How long the whole is.
    """

    pieces: list[tuple[str, Span]]
    gain: float
    marks: list[ChapterMark]
    samples: int


def _layout(plan: NarrationPlan, store: PieceStore, pauses: Pauses) -> _Layout:
    pieces: list[tuple[str, Span]] = []
    marks: list[ChapterMark] = []

    def placed() -> Iterator[Levels]:
        kept, levels, kinds = tee(_kept(plan, store), 3)
        spans = place(
            (piece.levels for _, piece in levels),
            (planned.piece.pause for planned, _ in kinds),
            pauses,
            plan.sample_rate,
        )
        chapter = -1
        for (planned, piece), span in zip(kept, spans, strict=True):
            if planned.piece.chapter != chapter:
                chapter = planned.piece.chapter
                marks.append(ChapterMark(span.start_sample, plan.title(chapter)))
            pieces.append((planned.key, span))
            yield piece.levels

    gain = gain_for(placed())
    return _Layout(pieces, gain, marks, pieces[-1][1].next_sample)


def _cues(plan: NarrationPlan, store: PieceStore, layout: _Layout) -> Iterator[Cue]:
    """Give what is shown while the book is read."""
    for (planned, kept), (_, span) in zip(_kept(plan, store), layout.pieces, strict=True):
        yield from sentence_cues(
            planned.piece.sentences, kept.levels, span, plan.sample_rate, kept.words
        )


def _kept(plan: NarrationPlan, store: PieceStore) -> Iterator[tuple[PlannedPiece, KeptPiece]]:
    for planned in plan.planned():
        kept = store.find(planned.key, planned.text)
        if kept is None:
            raise SpeechError(
                f"{store.path(planned.key)} was there, and is not any more; run it again"
            )
        yield planned, kept


def _checked(path: str | os.PathLike[str], param: str) -> Path:
    target = check_file_name(path, param=param)
    return check_place(target)
