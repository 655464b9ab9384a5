"""A run of a batch: asking for what its plan says, and keeping what comes."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

from facade import (
    AuthenticationError,
    BatchRequest,
    BatchResult,
    PaymentRequiredError,
    SpeechClient,
    SpeechFile,
)
from facade._cli.output_folder import OutputFolder, ResultsFile, sha256_of
from facade._cli.output_names import format_of
from facade._cli.plan import Plan, Task
from facade._cli.progress import Tell, clock, dollars, shown
from facade._cli.results import Outcome, moment, status_of
from facade._cli.shared import in_one_line

TOLD = 20
"""How many of the rows that have something wrong are shown; `results.jsonl` has them all."""

# With these no other row would be had either: no key, no money, no room for files.
_HOPELESS = (AuthenticationError, PaymentRequiredError, OSError)


class BatchRun:
    """A run, and what came of it.

    Attributes:
        named: Rows whose audio earlier runs had left without its name.
        spoken: Rows that this run has had spoken.
        failed: Rows that failed, and that the next run asks for again.
        refused: Rows that it does not, nor did this one where an earlier run had them refused.
    """

    def __init__(self, plan: Plan, folder: OutputFolder, client: SpeechClient) -> None:
        self._plan = plan
        self._folder = folder
        self._client = client
        self._began = time.monotonic()
        self._under_way: dict[int, Task] = {}
        self._told = 0
        self.named = self.spoken = self.failed = 0
        self.refused = plan.fates["refused"]
        self._characters = 0
        self._usd: Decimal | None = Decimal(0)
        self._duration_s = 0.0

    @property
    def missing(self) -> int:
        """How many rows have no audio."""
        return self._plan.rows - self._plan.fates["there"] - self.named - self.spoken

    def go(self, *, at_once: int | None, per_minute: float | None, max_usd: float | None) -> None:
        """Ask for all that is to be asked for.

        Raises:
            SpeechError: The rest cannot be had now.
            OSError: What comes cannot be kept.
        """
        self._folder.clear(self._plan.unnamed())
        with self._folder.writing() as results:
            for task in self._plan.tasks("unnamed"):
                self._folder.name(task.unnamed, task.name)
                self.named += 1
            for task in self._plan.tasks("found"):
                self._keep(
                    results,
                    task,
                    self._found(task),
                    characters=task.characters,
                    usd=task.usd,
                )
                self.named += 1
            with (
                self._client.synthesize_many(
                    self._requests(), at_once=at_once, per_minute=per_minute, max_usd=max_usd
                ) as batch,
                shown(batch, self._plan.fates["ask"]) as tell,
            ):
                for task in self._plan.tasks("refused"):
                    self._tell(tell, task, f"was refused before: {task.earlier}")
                for result in batch:
                    self._take(results, result, tell)

    def summary(self) -> str:
        """Say what came of it."""
        parts = [
            f"{self._plan.rows - self.missing:,} of {self._plan.rows:,} rows are there",
            f"{self.spoken:,} spoken now",
            f"{self.failed:,} failed",
            f"{self.refused:,} refused",
            f"{self._duration_s:,.1f} s of audio",
            f"{self._characters:,} characters",
            dollars(self._usd),
            clock(time.monotonic() - self._began),
        ]
        return ", ".join(parts)

    def _requests(self) -> Iterator[BatchRequest]:
        for index, task in enumerate(self._plan.tasks("ask")):
            self._under_way[index] = task
            yield BatchRequest(
                text=task.text,
                voice=task.voice,
                path=self._folder.unnamed(task.unnamed),
                id=task.name,
                options=task.options,
            )

    def _take(self, results: ResultsFile, result: BatchResult, tell: Tell) -> None:
        task = self._under_way.pop(result.index)
        facts: dict[str, Any] = {
            "characters": result.characters,
            "usd": result.usd,
            "attempts": result.attempts,
            "seconds": round(result.seconds, 3),
        }
        if result.error is None:
            # With a path there is a file.
            duration_s = self._keep(results, task, cast("SpeechFile", result.audio), **facts)
            self.spoken += 1
            self._characters += result.characters
            self._duration_s += duration_s or 0.0
            if self._usd is not None:
                self._usd = None if result.usd is None else self._usd + result.usd
            return
        status = status_of(result.error)
        about = {"type": type(result.error).__name__, "message": str(result.error)}
        results.add(_outcome(task, status=status, error=about, **facts))
        if status == "refused":
            self.refused += 1
        else:
            self.failed += 1
        if isinstance(result.error, _HOPELESS):
            raise result.error
        self._tell(tell, task, str(result.error))

    def _keep(
        self, results: ResultsFile, task: Task, audio: SpeechFile, **facts: Any
    ) -> float | None:
        """Write the line of audio that has come, and then give it its name."""
        duration_s = audio.duration_s
        results.add(
            _outcome(
                task,
                status="ok",
                duration_s=duration_s and round(duration_s, 3),
                bytes=audio.size,
                sha256=sha256_of(audio.path),
                request_id=audio.request_id,
                **facts,
            )
        )
        self._folder.name(task.unnamed, task.name)
        return duration_s

    def _found(self, task: Task) -> SpeechFile:
        """Return audio that has come to a run which was killed."""
        path = self._folder.unnamed(task.unnamed)
        form = task.expected_format()
        if form.container == "raw" and format_of(task.name) == "wav":
            form = replace(form, container="wav")
        return SpeechFile(path, form, path.stat().st_size)

    def _tell(self, tell: Tell, task: Task, message: str) -> None:
        self._told += 1
        if self._told <= TOLD:
            tell(f"line {task.line} ({task.name}): {in_one_line(message)}")
        elif self._told == TOLD + 1:
            tell(f"... and more, which are in {self._folder.results}")


def _outcome(task: Task, *, usd: Decimal | None, **facts: Any) -> Outcome:
    return Outcome(
        path=task.name,
        row=task.number,
        id=task.id,
        model=task.model,
        voice=task.voice,
        usd=None if usd is None else float(usd),
        fingerprint=task.fingerprint,
        at=moment(datetime.now(UTC)),
        **facts,
    )
