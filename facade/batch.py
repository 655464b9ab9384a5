"""Many texts: what each asks for, and what came of it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from facade.audio import SpeechAudio, SpeechFile
from facade.voices import Voice, VoiceMix


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRequest:
    """One text of a batch.

    Attributes:
        text: What to say.
        voice: The voice; by default that of the batch.
        path: Where to write the audio, in a folder that exists, as `synthesize_to_file` does. By
            default the audio is kept in memory.
        id: The application's own name for it.
        options: Those of `SynthesizeOptions` that differ from the batch's.
    """

    text: str
    voice: str | Voice | VoiceMix | None = None
    path: str | os.PathLike[str] | None = None
    id: str | None = None
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """What came of one text: either `audio` or `error` is there.

    Attributes:
        request: What was asked for.
        index: Its place among the requests, from 0.
        audio: The audio, or the file that it was written to.
        error: Why there is none: a `SpeechError`, or an `OSError` where the file cannot be written.
            With an executor also whatever that raises, such as a `BrokenProcessPool`, or what
            pickling raises.
        attempts: How many requests were sent.
        seconds: From the first of them to the end.
        characters: Characters that the service has spoken, as it counts them.
        usd: Their price in dollars by the published price; 0 where nothing was spoken, `None` where
            no price is known.
    """

    request: BatchRequest
    index: int
    audio: SpeechAudio | SpeechFile | None = None
    error: Exception | None = None
    attempts: int = 0
    seconds: float = 0.0
    characters: int = 0
    usd: Decimal | None = Decimal(0)
