"""`together-speech narrate`: a book in, an audio book out.

Running it again goes on where it ended: its pieces lie in a folder beside the output until that is
written.
"""

import math
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from io import BufferedReader
from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from facade import (
    Narration,
    NarrationError,
    NarrationFile,
    NarrationProgress,
    Pauses,
    read_book,
)
from facade._cli.progress import Shown, Speed, clock, dollars, live
from facade._cli.shared import (
    DEFAULT_MODEL,
    HOW_TO_TYPE,
    AtOnce,
    Language,
    Local,
    Model,
    PerMinute,
    Pronounce,
    SampleRate,
    VoiceName,
    decode,
    fail,
    in_one_line,
    new_client,
    one_line_errors,
    pair,
    silent_client,
    speaker,
)

SourceFormat = Literal["text", "markdown", "html", "epub"]
OutputFormat = Literal["wav", "mp3", "flac", "opus", "m4b"]
_PAUSES = ("edge", "clause", "sentence", "paragraph", "chapter")
_RANGE = re.compile(r"([0-9]+)(?:-([0-9]+))?")
# How many missing pieces are named.
TOLD = 20
_PIECE = 1 << 16
_MOST_CHAPTERS = 100_000
_LONGEST_OMISSION = 60


def narrate(
    *,
    book: Annotated[
        str,
        typer.Argument(
            metavar="BOOK",
            help="A file of plain text, Markdown, HTML or EPUB; '-' is standard input.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            dir_okay=False,
            help="The file to write: .m4b, .mp3, .opus, .flac or .wav.",
        ),
    ],
    voice: VoiceName = None,
    model: Model = DEFAULT_MODEL,
    other_voices: Annotated[
        list[str] | None,
        typer.Option(
            "--voice-of",
            metavar="WHOM=VOICE",
            help="Another voice for a chapter, by its number, or for the lines that a name marks "
            "in a script; may be repeated.",
        ),
    ] = None,
    subtitles: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="A file for subtitles: .vtt or .srt."),
    ] = None,
    words: Annotated[
        bool, typer.Option("--words", help="Put the time of each word into the subtitles.")
    ] = False,
    chapters_file: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help="A file for the chapters, as JSON; by default one is written beside what cannot "
            "hold them.",
        ),
    ] = None,
    chapters: Annotated[
        str | None, typer.Option(metavar="NUMBERS", help="Read only these: '3-5', '1,3,7-9'.")
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            help="A folder to keep the pieces in. By default one beside the output, which is "
            "removed when that is written.",
        ),
    ] = None,
    response_format: Annotated[
        OutputFormat | None,
        typer.Option("--format", help="Of the output; by default what its name says."),
    ] = None,
    bit_rate: Annotated[int | None, typer.Option(help="Of MP3, Opus and M4B, in bit/s.")] = None,
    input_format: Annotated[
        SourceFormat | None,
        typer.Option(help="How the book is written; by default what the file's name says."),
    ] = None,
    script: Annotated[
        bool,
        typer.Option(
            "--script", help="A voice in square brackets before a line says who reads it."
        ),
    ] = False,
    alt_texts: Annotated[
        bool, typer.Option("--alt-texts", help="Read what describes images.")
    ] = False,
    no_cover: Annotated[
        bool, typer.Option("--no-cover", help="Leave out the book's cover.")
    ] = False,
    pause: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHERE=SECONDS",
            help="How long to pause after a 'clause' of a long sentence, a 'sentence', a "
            "'paragraph' or a 'chapter', and how long its 'edge' fades; may be repeated.",
        ),
    ] = None,
    sample_rate: SampleRate = None,
    language: Language = None,
    pronounce: Pronounce = None,
    at_once: AtOnce = None,
    per_minute: PerMinute = None,
    max_usd: Annotated[
        float | None, typer.Option(help="Send nothing where what is missing costs more.")
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Say what there is to read and what it costs, and send nothing."
        ),
    ] = False,
    local: Local = False,
) -> None:
    """Read a book aloud, into one file of audio with chapters and subtitles.

    Ctrl-C ends it, and the same command goes on where it ended.

    Example: together-speech narrate moby-dick.epub -o moby-dick.m4b --voice bm_george
    """
    with one_line_errors(), ExitStack() as stack:
        source = read_book(
            _typed() if book == "-" else Path(book),
            format=input_format,
            alt_texts=alt_texts,
            script=script,
        )
        client = stack.enter_context(
            silent_client(local=local) if dry_run else new_client(local=local)
        )
        narration = client.narrate(
            replace(source, cover=None) if no_cover else source,
            voice=speaker(voice, model),
            voices=dict(map(_voice_of, other_voices or ())),
            chapters=None if chapters is None else _numbers(chapters),
            pauses=Pauses(**dict(map(_pause, pause or ()))),
            model=model,
            sample_rate=sample_rate,
            language=language,
            pronunciation_dict=dict(map(pair, pronounce)) if pronounce else None,
            alignment="word" if words else None,
            at_once=at_once,
            per_minute=per_minute,
            max_usd=max_usd,
        )
        folder = work or output.parent / f"{output.name}.parts"
        typer.echo(_what_there_is(narration, folder, in_full=dry_run), err=not dry_run)
        if dry_run:
            return
        with _told_how_to_go_on(narration, folder), _shown() as tell:
            written = narration.save(
                output,
                format=response_format,
                subtitles=subtitles,
                chapters_file=chapters_file,
                work=folder,
                bit_rate=bit_rate,
                on_progress=tell,
            )
        if work is None:
            narration.discard(folder)
        typer.echo(_what_came(written))


def _typed() -> str:
    if sys.stdin is None:
        fail("standard input is closed; pipe the text in, or name a file")
    if sys.stdin.isatty():
        typer.echo(HOW_TO_TYPE, err=True)
    # Not until so many have come: on a terminal, one Ctrl-D is the end.
    file = cast("BufferedReader", sys.stdin.buffer)
    pieces = iter(lambda: file.read1(_PIECE), b"")
    return "".join(decode(pieces, "standard input"))


def _voice_of(text: str) -> tuple[int | str, str]:
    whom, voice = pair(text)
    return int(whom) if whom.isdecimal() else whom, voice


def _pause(text: str) -> tuple[str, float]:
    where, seconds = pair(text)
    try:
        if where in _PAUSES:
            return f"{where}_s", float(seconds)
    except ValueError:
        pass
    raise typer.BadParameter(
        f"{text!r} is no pause; it is of the form WHERE=SECONDS, WHERE being one of "
        f"{', '.join(_PAUSES)}"
    )


def _numbers(text: str) -> set[int]:
    """Read the numbers of chapters: `3-5`, or `1,3,7-9`."""
    numbers: set[int] = set()
    for part in text.split(","):
        found = _RANGE.fullmatch(part.strip())
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        # A book that has more than so many has no use for their numbers.
        if not first <= last <= _MOST_CHAPTERS:
            raise typer.BadParameter(
                f"{text!r} are no chapters; name them as in '3-5' or '1,3,7-9'"
            )
        numbers.update(range(first, last + 1))
    return numbers


def _what_there_is(narration: Narration, folder: Path, *, in_full: bool) -> str:
    """Say what there is to read, and what of it is to be asked for."""
    book = narration.book
    left = narration.remaining(folder)
    lines = [
        f"{in_one_line(book.title or 'No title')}: {_count(len(narration.chapters), 'chapter')}, "
        f"{narration.characters:,} characters, {dollars(narration.usd)}"
    ]
    if left.pieces < narration.pieces:
        lines.append(
            f"{narration.pieces - left.pieces:,} of {narration.pieces:,} pieces are there; to ask "
            f"for: {left.characters:,} characters, {dollars(left.usd)}"
        )
    if in_full:
        lines += (
            f"  {number}. {in_one_line(chapter.title or 'No title')}: "
            f"{sum(len(paragraph.text) for paragraph in chapter.paragraphs):,} characters"
            for number, chapter in zip(narration.numbers, narration.chapters, strict=True)
        )
        lines += (
            f"left out, {omission.kind}: {_shortened(omission.text)}"
            for omission in narration.omissions
        )
    return "\n".join(lines)


def _count(number: int, of_what: str) -> str:
    return f"{number:,} {of_what}{'' if number == 1 else 's'}"


def _shortened(text: str) -> str:
    line = in_one_line(text)
    return line if len(line) <= _LONGEST_OMISSION else f"{line[:_LONGEST_OMISSION]}…"


@contextmanager
def _told_how_to_go_on(narration: Narration, folder: Path) -> Iterator[None]:
    """Where a run ends early, name what is missing, and say what to do about it."""
    try:
        yield
    except NarrationError as error:
        for piece in error.missing[:TOLD]:
            reason, text = in_one_line(piece.reason), in_one_line(piece.text)
            typer.echo(f"chapter {piece.chapter}: {reason}: {text}", err=True)
        more = f", of which {TOLD} are shown" if len(error.missing) > TOLD else ""
        fail("; ".join([error.message + more, *_how_to_go_on(narration, folder)]))
    except BaseException:
        for line in _how_to_go_on(narration, folder):
            typer.echo(line, err=True)
        raise


def _how_to_go_on(narration: Narration, folder: Path) -> list[str]:
    """Say what is kept and what to do with it; where nothing is, leave no empty folder."""
    if not folder.is_dir():
        return []
    if narration.remaining(folder).pieces < narration.pieces:
        return [f"what has come is kept in {folder}, and the same command goes on from there"]
    if len(list(folder.iterdir())) == 1:
        # That is its lock; the pieces of another narration would stay.
        narration.discard(folder)
    return []


@contextmanager
def _shown() -> Iterator[Callable[[NarrationProgress], None]]:
    """Show how far a narration is, until the block ends; give what takes news of it."""
    line = _Line()
    with live(line.now):
        yield line.take


class _Line:
    """What is shown of a narration."""

    def __init__(self) -> None:
        self._news: NarrationProgress | None = None
        self._speed = Speed(time.monotonic())
        self._before = 0

    def take(self, news: NarrationProgress) -> None:
        """Take news."""
        if self._news is None or news.stage != self._news.stage:
            # What was there before says nothing of the speed.
            self._before = news.done
            self._speed = Speed(time.monotonic())
        self._news = news

    def now(self) -> Shown:
        """Say how far it is now."""
        news = self._news
        if news is None:
            return Shown(0, 1, "waiting for the first piece")
        done, total = news.done - self._before, news.pieces - self._before
        left_s = self._speed.left_s(time.monotonic(), done, total)
        parts = [
            f"{news.stage}, {news.done:,} of {news.pieces:,} pieces",
            f"{clock(news.duration_s)} of audio",
            dollars(news.usd),
        ]
        if math.isfinite(left_s):
            parts.append(f"{clock(left_s)} left")
        return Shown(news.done, news.pieces, ", ".join(parts))


def _what_came(written: NarrationFile) -> str:
    """Say what has been written."""
    files = [f"{written.path}: {clock(written.duration_s)}, {written.size:,} bytes"]
    files += [str(path) for path in (written.subtitles, written.chapters_file) if path]
    return f"{'; '.join(files)}; {written.characters:,} characters, {dollars(written.usd)}"
