"""A book read aloud: how far it is, and what came of it."""

from decimal import Decimal
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

NarrationFormat: TypeAlias = Literal["wav", "mp3", "flac", "opus", "m4b"]


class NarrationCost(NamedTuple):
    """What it takes to have a narration spoken, or the rest of one.

    Attributes:
        pieces: Requests that are to be sent.
        characters: Characters that they have, as the service bills them.
        usd: Their price in dollars by the published price; `None` where none is known.
    """

    pieces: int
    characters: int
    usd: Decimal | None


class NarrationProgress(NamedTuple):
    """How far a narration is.

    Attributes:
        stage: `"speaking"` while the service is asked, then `"joining"` while the file is written.
        done: Pieces that are through this stage.
        pieces: Pieces that are to go through it.
        characters: Characters that this run has had spoken, also in vain.
        duration_s: Seconds of audio that have come, or been written.
        usd: Their price in dollars; `None` where none is known.
    """

    stage: Literal["speaking", "joining"]
    done: int
    pieces: int
    characters: int
    duration_s: float
    usd: Decimal | None


class NarrationFile(NamedTuple):
    """A narration that has been written.

    Attributes:
        path: The file.
        subtitles: The file of its subtitles, if they were asked for.
        chapters_file: The file of its chapters, if it was asked for.
        duration_s: Seconds of audio.
        size: Bytes of the file.
        characters: Characters that this run has had spoken; what was kept before costs nothing.
        usd: Their price in dollars by the published price; `None` where none is known.
    """

    path: Path
    subtitles: Path | None
    chapters_file: Path | None
    duration_s: float
    size: int
    characters: int
    usd: Decimal | None
