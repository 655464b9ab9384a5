"""`together-speech batch`: many texts, each into a file of its own.

Running it again goes on where it ended, however that was: what is there is not asked for again.
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from io import BufferedReader
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from facade._cli.batch_run import TOLD, BatchRun
from facade._cli.output_folder import OutputFolder
from facade._cli.plan import Plan, is_local_service, new_plan
from facade._cli.progress import dollars
from facade._cli.rows import InputFormat, read_rows
from facade._cli.shared import (
    DEFAULT_MODEL,
    DEFAULT_VOICE,
    HOW_TO_TYPE,
    AtOnce,
    BitRate,
    EncodingName,
    Format,
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
)

_FORMAT_OF_INPUT: dict[str, InputFormat] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".txt": "text",
}
_PIECE = 1 << 16
STANDARD_INPUT = "standard input"


def batch(
    *,
    rows: Annotated[
        str,
        typer.Argument(
            metavar="ROWS",
            help="A file of rows: CSV with a line of column names, JSONL, or lines of text; '-' is "
            "standard input. Columns: text, id or path, voice, model, format, encoding, "
            "sample_rate, bit_rate, language, segment, pronounce, extra_body.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", file_okay=False, help="The folder to write into."),
    ],
    input_format: Annotated[
        InputFormat | None,
        typer.Option(
            help="How the rows are written; by default as the file's name says, and on standard "
            "input lines of text."
        ),
    ] = None,
    voice: VoiceName = None,
    model: Model = DEFAULT_MODEL,
    response_format: Annotated[
        Format | None,
        typer.Option("--format", help="Of the audio, where neither the row nor its path says."),
    ] = None,
    encoding: EncodingName = None,
    sample_rate: SampleRate = None,
    bit_rate: BitRate = None,
    language: Language = None,
    pronounce: Pronounce = None,
    at_once: AtOnce = None,
    per_minute: PerMinute = None,
    max_usd: Annotated[
        float | None, typer.Option(help="Begin nothing, and send nothing, that costs more.")
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Say what there is to do and what it costs, and send nothing."
        ),
    ] = False,
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed", help="Ask again also for rows that the service refused before."
        ),
    ] = False,
    local: Local = False,
) -> None:
    """Speak many texts, each into a file of its own.

    Running it again goes on where it ended: what is there is not asked for again. In the folder,
    results.jsonl has a line for each row. The exit status is 0 only when every row is there.

    Example: together-speech batch prompts.csv --output prompts/
    """
    with one_line_errors():
        defaults: dict[str, Any] = {
            "model": model,
            "response_format": response_format,
            "response_encoding": encoding,
            "sample_rate": sample_rate,
            "bit_rate": bit_rate,
            "language": language,
            "pronunciation_dict": dict(map(pair, pronounce)) if pronounce else None,
        }
        form = input_format or _input_format(rows)
        folder = OutputFolder(output)
        with ExitStack() as stack:
            file = stack.enter_context(_opened(rows))
            is_local = local or is_local_service()
            plan = stack.enter_context(new_plan(folder, is_local=is_local))
            if dry_run:
                # Nothing is sent with it, wherever it leads.
                client = stack.enter_context(silent_client(local=True))
            else:
                stack.enter_context(folder.locked())
                client = stack.enter_context(new_client(local=local))
                if cut := folder.mend():
                    typer.echo(
                        f"{folder.results}: the last line was not finished; its {cut} bytes were "
                        "cut off",
                        err=True,
                    )
            limits: dict[str, Any] = {
                "at_once": at_once,
                "per_minute": per_minute,
                "max_usd": max_usd,
            }
            # Also where nothing is to be asked for, limits that cannot be are refused.
            client.synthesize_many((), **limits)
            name = STANDARD_INPUT if rows == "-" else rows
            read = read_rows(
                _lines(decode(_pieces(file), name)), form, is_guess=input_format is None
            )
            bad = plan.add(
                read,
                voice=voice,
                default_voice=DEFAULT_VOICE,
                options=defaults,
                retry_refused=retry_failed,
            )
            for number, row in enumerate(bad, 1):
                if number <= TOLD:
                    typer.echo(f"{name}, line {row.line}: {in_one_line(row.why)}", err=True)
            if plan.bad:
                more = f", of which {TOLD} are shown" if plan.bad > TOLD else ""
                fail(f"{plan.bad:,} of {plan.rows:,} rows cannot be{more}; nothing was sent")
            if not plan.rows:
                fail(f"{name} has no rows")
            typer.echo(_what_to_do(plan), err=not dry_run)
            _check_price(plan, max_usd)
            if dry_run:
                return
            run = BatchRun(plan, folder, client)
            try:
                run.go(**limits)
            finally:
                typer.echo(run.summary())
                if run.missing:
                    typer.echo(_how_to_go_on(run, name), err=True)
            if run.missing:
                raise typer.Exit(1)


def _input_format(rows: str) -> InputFormat:
    if rows == "-":
        return "text"
    form = _FORMAT_OF_INPUT.get(Path(rows).suffix.lower())
    if form is None:
        raise typer.BadParameter(
            f"the name of {rows!r} does not say how its rows are written; say --input-format csv, "
            "jsonl or text"
        )
    return form


@contextmanager
def _opened(rows: str) -> Iterator[BufferedReader]:
    if rows != "-":
        with Path(rows).open("rb") as file:
            yield file
        return
    if sys.stdin is None:
        fail("standard input is closed; pipe the rows in, or name a file")
    if sys.stdin.isatty():
        typer.echo(HOW_TO_TYPE, err=True)
    yield cast("BufferedReader", sys.stdin.buffer)


def _pieces(file: BufferedReader) -> Iterator[bytes]:
    # Not until so many have come: on a terminal, one Ctrl-D is the end.
    while piece := file.read1(_PIECE):
        yield piece


def _lines(pieces: Iterable[str]) -> Iterator[str]:
    """Give lines with their ends; only a newline is one, so that texts may hold all others."""
    begun: list[str] = []
    for piece in pieces:
        *whole, rest = piece.split("\n")
        for line in whole:
            yield "".join((*begun, line, "\n"))
            begun.clear()
        begun.append(rest)
    if last := "".join(begun):
        yield last


def _what_to_do(plan: Plan) -> str:
    fates = plan.fates
    there = fates["there"] + fates["unnamed"] + fates["found"]
    parts = [f"{there:,} are there"] if there else []
    if refused := fates["refused"]:
        parts.append(f"{refused:,} were refused before")
    characters = sum(plan.characters.values())
    parts.append(f"{fates['ask']:,} to ask for, {characters:,} characters, {dollars(plan.usd)}")
    return f"{plan.rows:,} rows: {'; '.join(parts)}{_prices(plan)}"


def _prices(plan: Plan) -> str:
    """Say by which prices, model by model."""
    told = []
    for model, characters, price in plan.prices():
        by = "price unknown"
        if price:
            by = f"${price.usd_per_million} a million as of {price.as_of}"
        told.append(f"\n  {model}: {characters:,} characters, {by}")
    return "".join(told)


def _check_price(plan: Plan, max_usd: float | None) -> None:
    """Refuse to begin what would cost more than it may."""
    if max_usd is None:
        return
    if plan.usd is None:
        fail("the price is not known, so --max-usd cannot be kept; leave it out")
    # As the engine reads it, and not all that a float holds.
    limit = Decimal(str(max_usd))
    if plan.usd > limit:
        price = dollars(plan.usd, limit=limit)
        fail(f"this costs {price}, more than --max-usd {limit:f}; nothing was sent")


def _how_to_go_on(run: BatchRun, name: str) -> str:
    """Say what is missing, and what to do about it."""
    parts = []
    if run.refused:
        parts.append(f"{run.refused:,} were refused, and are asked for again with --retry-failed")
    if rest := run.missing - run.refused:
        same = "with the same rows " if name == STANDARD_INPUT else ""
        parts.append(f"the same command {same}goes on with {rest:,}")
    return f"{run.missing:,} rows are missing: {'; '.join(parts)}"
