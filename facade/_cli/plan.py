"""What is to be done for each row of a batch, known before anything is sent.

Every row is checked, and compared with what is there. What is known of rows lies in a database in a
temporary file, which is gone with the run: a million rows take no more memory than ten.
"""

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

from facade._cli.output_folder import OutputFolder
from facade._cli.output_names import folders_of, output_name, same_file
from facade._cli.results import Earlier, ticket
from facade._cli.rows import BadRow, Row, request_of
from facade._rules.origin import is_loopback
from facade._rules.pricing import Price, billed_characters, price_of, usd
from facade._rules.request import SpeechRequest
from facade.audio import header_for, needs_header
from facade.errors import InvalidRequestError
from facade.formats import AudioFormat

Fate: TypeAlias = Literal["there", "unnamed", "found", "refused", "ask"]
"""What a row's audio is: there under its name; there, with its line, but for the name; there, but
for line and name; refused by an earlier run; or to be asked for."""

_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE names (same TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID;
CREATE TABLE earlier (path TEXT PRIMARY KEY, status, fingerprint, bytes, sha256, error)
    WITHOUT ROWID;
CREATE TABLE tasks (number INTEGER PRIMARY KEY, fate TEXT, unnamed TEXT, task TEXT);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A row that something is to be done for.

    Attributes:
        number: Its place among the rows, from 1.
        line: Where it begins.
        id: Its own name.
        name: Where its audio goes, relative to the folder.
        unnamed: The name of its audio before that.
        fingerprint: Of what is asked for, and of whom.
        text, voice, options: What is asked for, as `BatchRequest` has it.
        earlier: What is known of an earlier run.
    """

    number: int
    line: int
    id: str | None
    name: str
    unnamed: str
    fingerprint: str
    text: str
    voice: str
    options: Mapping[str, Any]
    earlier: str | None = None

    @property
    def model(self) -> str:
        """Who is to speak it."""
        return str(self.options["model"])

    @property
    def characters(self) -> int:
        """How many characters of it are billed."""
        return billed_characters(self.text)

    @property
    def usd(self) -> Decimal | None:
        """What it costs, or `None` where that is not known."""
        return usd(self.model, self.characters)

    def expected_format(self) -> AudioFormat:
        """What the audio will be."""
        return SpeechRequest.build(
            self.text, self.options, voice=self.voice, validate_voices=False
        ).expected_format


class Plan:
    """What is to be done for the rows.

    Attributes:
        rows: How many there are.
        bad: How many cannot be.
        fates: How many have which fate.
        characters: Of the rows to be asked for, by model.
    """

    def __init__(
        self, database: sqlite3.Connection, folder: OutputFolder, *, is_local: bool
    ) -> None:
        self._database = database
        self._folder = folder
        self._origin = "local " if is_local else ""
        self.rows = self.bad = 0
        self.fates: Counter[Fate] = Counter()
        self.characters: Counter[str] = Counter()

    def add(
        self,
        rows: Iterable[Row | BadRow],
        *,
        voice: str | None,
        default_voice: str,
        options: Mapping[str, Any],
        retry_refused: bool,
    ) -> Iterator[BadRow]:
        """Take in the rows, and give those that cannot be.

        Args:
            rows: The rows.
            voice: The voice of rows without one.
            default_voice: Their voice where there is none, with the default model.
            options: The options of rows that do not say otherwise.
            retry_refused: Whether to ask again for what was refused.

        Raises:
            SpeechError: `results.jsonl` cannot be read.
            OSError: The rows, or the files that are there, cannot be read.
        """
        for earlier in self._folder.earlier():
            self._database.execute(
                "INSERT OR REPLACE INTO earlier VALUES (?, ?, ?, ?, ?, ?)",
                (
                    *(earlier.path, earlier.status, earlier.fingerprint),
                    *(earlier.bytes, earlier.sha256, earlier.error),
                ),
            )
        for row in rows:
            self.rows += 1
            if isinstance(row, BadRow):
                self.bad += 1
                yield row
                continue
            try:
                request = request_of(row, voice=voice, default_voice=default_voice, options=options)
                name = self._name(row, request)
            except (InvalidRequestError, OSError) as error:
                self.bad += 1
                yield BadRow(row.line, str(error))
            else:
                self._decide(row, request, name, retry_refused=retry_refused)

    @property
    def usd(self) -> Decimal | None:
        """What the rows to be asked for cost, or `None` where a model's price is not known."""
        total = Decimal(0)
        for model, characters in self.characters.items():
            price = usd(model, characters)
            if price is None:
                return None
            total += price
        return total

    def prices(self) -> Iterator[tuple[str, int, Price | None]]:
        """Give the models, their characters and their prices as published."""
        for model, characters in sorted(self.characters.items()):
            yield model, characters, price_of(model)

    def tasks(self, fate: Fate) -> Iterator[Task]:
        """Give the rows of one fate, in order."""
        for (task,) in self._database.execute(
            "SELECT task FROM tasks WHERE fate = ? ORDER BY number", (fate,)
        ):
            yield Task(**json.loads(task))

    def unnamed(self) -> Iterator[str]:
        """Give the names of audio that has come and lacks its own name."""
        for (name,) in self._database.execute(
            "SELECT unnamed FROM tasks WHERE fate IN ('unnamed', 'found')"
        ):
            yield name

    def _name(self, row: Row, request: SpeechRequest) -> str:
        """Return the name of a row's file, which no other row has."""
        form = request.expected_format
        if row.path is not None:
            # Before it gets another suffix: some say that the file holds what no model gives.
            needs_header(Path(row.path), form)
        name = output_name(
            path=row.path,
            name=row.id,
            number=self.rows,
            response_format=request.options.get("response_format"),
        )
        if needs_header(Path(name), form):
            header_for(form, 0)
        real = self._folder.check_target(name)
        self._take(real, row)
        return name

    def _take(self, name: str, row: Row) -> None:
        """Keep a name for one row, and its folders for no row's file."""
        line = self._line_of(name)
        if line is not None:
            what = f"line {line}" if line else "another row, as a folder"
            raise InvalidRequestError(f"{name!r} is that of {what} already", param="path")
        folders = list(folders_of(name))
        for folder in folders:
            if line := self._line_of(folder):
                raise InvalidRequestError(
                    f"{name!r} is in {folder!r}, which is the file of line {line}", param="path"
                )
        self._database.execute("INSERT INTO names VALUES (?, ?)", (same_file(name), row.line))
        for folder in folders:
            self._database.execute(
                "INSERT OR IGNORE INTO names VALUES (?, 0)", (same_file(folder),)
            )

    def _line_of(self, name: str) -> int | None:
        """Return the line that has taken a name: 0 for a folder, `None` where it is free."""
        found = self._database.execute(
            "SELECT line FROM names WHERE same = ?", (same_file(name),)
        ).fetchone()
        return found and int(found[0])

    def _decide(self, row: Row, request: SpeechRequest, name: str, *, retry_refused: bool) -> None:
        asked = f"{self._origin}{request.fingerprint}"
        unnamed = ticket(name, asked) + PurePosixPath(name).suffix
        earlier = self._earlier(name, asked)
        fate = self._fate(earlier, unnamed, retry_refused=retry_refused)
        self.fates[fate] += 1
        if fate == "ask":
            self.characters[request.model] += billed_characters(request.text)
        if fate == "there":
            return
        task = {
            "number": self.rows,
            "line": row.line,
            "id": row.id,
            "name": name,
            "unnamed": unnamed,
            "fingerprint": asked,
            "text": request.text,
            "voice": request.voice,
            "options": {
                **request.options,
                "model": request.model,
                "extra_body": request.extra_body,
            },
            "earlier": earlier and earlier.error,
        }
        self._database.execute(
            "INSERT INTO tasks VALUES (?, ?, ?, ?)", (self.rows, fate, unnamed, json.dumps(task))
        )

    def _earlier(self, name: str, asked: str) -> Earlier | None:
        """Return what is known of the same request for the same file."""
        found = self._database.execute(
            "SELECT status, path, fingerprint, bytes, sha256, error FROM earlier WHERE path = ?",
            (name,),
        ).fetchone()
        earlier = found and Earlier(*found)
        return earlier if earlier and earlier.fingerprint == asked else None

    def _fate(self, earlier: Earlier | None, unnamed: str, *, retry_refused: bool) -> Fate:
        if earlier and earlier.status == "ok":
            if self._folder.has(earlier):
                return "there"
            if self._folder.has_unnamed(unnamed, earlier):
                return "unnamed"
        if self._folder.unnamed(unnamed).is_file():
            return "found"
        if earlier and earlier.status == "refused" and not retry_refused:
            return "refused"
        return "ask"


def is_local_service() -> bool:
    """Whether the environment names a service on this machine."""
    try:
        host = urlsplit(os.environ.get("TOGETHER_BASE_URL", "").strip()).hostname or ""
    except ValueError:
        # The client tells that it is no URL.
        return False
    return is_loopback(host)


@contextmanager
def new_plan(folder: OutputFolder, *, is_local: bool = False) -> Iterator[Plan]:
    """Begin a plan of what goes into a folder.

    Args:
        folder: The folder.
        is_local: Whether the service is on this machine: what an emulator has spoken is never taken
            for what the real service would.

    Raises:
        OSError: There is no room for it, from all that is done with the plan.
    """
    # A name that is empty is a file without one. The engine takes the tasks in a thread of its own.
    with closing(sqlite3.connect("", check_same_thread=False, isolation_level=None)) as database:
        try:
            database.executescript(_TABLES)
            database.execute("BEGIN")
            yield Plan(database, folder, is_local=is_local)
        except sqlite3.OperationalError as error:
            # Which one that is, SQLite decides.
            raise OSError(
                f"the folder for temporary files, which TMPDIR names, cannot be used: {error}"
            ) from error
