"""Reading the rows of a batch: CSV, JSONL, or lines of text.

A row that cannot be is given as such, with its line, and reading goes on: all of them can be told
at once.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from facade._cli.output_names import format_for
from facade._rules.catalogue import closest
from facade._rules.options import DEFAULT_MODEL, SynthesizeOptions
from facade._rules.request import SpeechRequest, check_model
from facade.errors import InvalidRequestError, InvalidVoiceMixError
from facade.voices import VoiceMix

InputFormat: TypeAlias = Literal["csv", "jsonl", "text"]

# Short names, as the command line has them.
_SHORT = {
    "format": "response_format",
    "encoding": "response_encoding",
    "pronounce": "pronunciation_dict",
}
_ABOUT_THE_ROW = ("text", "id", "path", "voice")
_OPTIONS = SynthesizeOptions.__optional_keys__
_COLUMNS = frozenset((*_ABOUT_THE_ROW, *_SHORT, *_OPTIONS))
_WHOLE_NUMBERS = ("sample_rate", "bit_rate")
_JSON = ("pronunciation_dict", "extra_body")
# A quotation mark that nobody closes takes in all that follows, as far as that.
_LONGEST_CELL = 1 << 24
# Where a comma is the decimal sign, spreadsheets write semicolons between cells.
_DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it was written.

    Attributes:
        line: Where it begins, from 1.
        text: What to say.
        id: Its name, if it has one.
        path: Where its audio is to go, if it says so.
        voice: Its voice, if it says so.
        options: Its options, as `SynthesizeOptions` has them.
    """

    line: int
    text: str
    id: str | None = None
    path: str | None = None
    voice: str | VoiceMix | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be, and why."""

    line: int
    why: str


def read_rows(
    lines: Iterable[str], form: InputFormat, *, is_guess: bool = False
) -> Iterator[Row | BadRow]:
    """Read rows, in constant memory.

    Args:
        lines: The lines, with their ends.
        form: How they are written.
        is_guess: Whether nobody said so: JSON is then not taken for text to be read aloud.
    """
    if form == "csv":
        return _read_csv(lines)
    if form == "jsonl":
        return _read_jsonl(lines)
    return _read_text(lines, is_guess=is_guess)


def request_of(
    row: Row, *, voice: str | None, default_voice: str, options: Mapping[str, Any]
) -> SpeechRequest:
    """Return what a row asks for, checked as far as that goes without a network.

    Args:
        row: The row.
        voice: The voice of rows that name none and leave the model as it is.
        default_voice: Their voice with the default model, where `voice` is `None`.
        options: Options of rows that do not say otherwise.

    Raises:
        InvalidRequestError: It cannot be asked for.
    """
    given = {**options, **row.options}
    # First: what voice it needs, and who has some, cannot be said of what is no model.
    model = check_model(given.get("model", DEFAULT_MODEL))
    if row.path is not None and "response_format" not in row.options:
        given["response_format"] = format_for(row.path, model) or given.get("response_format")
    speaker: str | VoiceMix | None = row.voice
    if speaker is None and model == options.get("model", DEFAULT_MODEL):
        speaker = voice
    if speaker is None and model == DEFAULT_MODEL:
        speaker = default_voice
    if speaker is None:
        raise InvalidRequestError(
            f"{model} needs one; 'together-speech voices --model {model}' lists them", param="voice"
        )
    return SpeechRequest.build(row.text, given, voice=speaker, validate_voices=True)


def _read_text(lines: Iterable[str], *, is_guess: bool) -> Iterator[Row | BadRow]:
    for line, text in enumerate(lines, 1):
        if is_guess and _is_json_row(text):
            yield BadRow(line, "is JSON and not a text to read aloud; say --input-format jsonl")
            return
        is_guess = is_guess and not text.strip()
        if text.strip():
            yield Row(line, text.strip())


def _is_json_row(text: str) -> bool:
    if not text.lstrip().startswith("{"):
        return False
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _read_jsonl(lines: Iterable[str]) -> Iterator[Row | BadRow]:
    for line, text in enumerate(lines, 1):
        if text.strip():
            yield _json_row(line, text)


def _json_row(line: int, text: str) -> Row | BadRow:
    try:
        # Of two values of one name, json would silently take the last.
        found = json.loads(text.rstrip(), object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        return BadRow(line, f"is not JSON: {error.msg} at character {error.pos + 1}")
    except (ValueError, RecursionError) as error:
        return BadRow(line, f"cannot be read: {error}")
    if not isinstance(found, dict):
        return BadRow(line, 'is not a JSON object such as {"text": "Hello."}')
    if unknown := [name for name in found if name not in _COLUMNS]:
        return BadRow(line, _unknown(unknown))
    return _row(line, found)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} stands in it twice")
    return found


def _read_csv(lines: Iterable[str]) -> Iterator[Row | BadRow]:
    # It is that of the whole process.
    before = csv.field_size_limit(_LONGEST_CELL)
    try:
        yield from _csv_rows(iter(lines))
    finally:
        csv.field_size_limit(before)


def _csv_rows(lines: Iterator[str]) -> Iterator[Row | BadRow]:
    head = next(lines, "")
    delimiter = max(_DELIMITERS, key=head.count)
    try:
        names = [name.strip() for name in next(csv.reader([head], delimiter=delimiter), [])]
    except csv.Error as error:
        yield BadRow(1, f"cannot be read: {error}")
        return
    if why := _wrong_columns(names):
        yield BadRow(1, why)
        return
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        # Below the first line; a cell may have several.
        line = reader.line_num + 2
        try:
            cells = next(reader, None)
        except csv.Error as error:
            # Where the next row begins, nobody can say.
            yield BadRow(line, f"cannot be read: {error}")
            return
        if cells is None:
            return
        if not any(cells):
            continue
        if len(cells) != len(names):
            yield BadRow(line, f"has {len(cells)} cells, and there are {len(names)} columns")
            continue
        yield _csv_row(line, dict(zip(names, cells, strict=True)))


def _wrong_columns(names: list[str]) -> str | None:
    if "text" not in names:
        found = ", ".join(filter(None, names)) or "nothing"
        return f"names the columns, and one must be 'text'; there is {found}"
    if unknown := [name for name in names if name not in _COLUMNS]:
        return _unknown(unknown)
    if twice := [name for name in names if names.count(name) > 1]:
        return f"has the column {twice[0]!r} twice"
    return None


def _unknown(names: list[str]) -> str:
    near = ", ".join(map(repr, closest(names[0], _COLUMNS)))
    listed = ", ".join(map(repr, names))
    return f"has {listed}, which nobody knows here; the closest are {near}"


def _csv_row(line: int, cells: dict[str, str]) -> Row | BadRow:
    values: dict[str, object] = {}
    for name, cell in cells.items():
        option = _SHORT.get(name, name)
        try:
            if name != "text" and not cell.strip():
                values[name] = None
            elif option in _WHOLE_NUMBERS:
                values[name] = int(cell)
            elif option in _JSON:
                values[name] = json.loads(cell, object_pairs_hook=_unique)
            else:
                values[name] = cell if name == "text" else cell.strip()
        except (ValueError, RecursionError):
            wanted = "a whole number" if option in _WHOLE_NUMBERS else "JSON"
            return BadRow(line, f"{name}: must be {wanted}, not {cell!r}")
    return _row(line, values)


def _row(line: int, values: dict[str, Any]) -> Row | BadRow:
    given = {name: value for name, value in values.items() if value is not None}
    options: dict[str, Any] = {}
    for name, value in given.items():
        option = _SHORT.get(name, name)
        if option in options:
            return BadRow(line, f"has {option!r} twice, once by its short name")
        if option in _OPTIONS:
            options[option] = value
    if "text" not in given:
        return BadRow(line, "has no 'text'")
    # Numbers are the most usual ids.
    if type(given.get("id")) is int:
        given["id"] = str(given["id"])
    for name in ("id", "path"):
        if not isinstance(given.get(name, ""), str):
            return BadRow(line, f"{name}: must be a string, not {given[name]!r}")
    voice = given.get("voice")
    if isinstance(voice, Mapping):
        try:
            voice = VoiceMix(voice)
        except InvalidVoiceMixError as error:
            return BadRow(line, str(error))
    return Row(line, given["text"], given.get("id"), given.get("path"), voice, options)
