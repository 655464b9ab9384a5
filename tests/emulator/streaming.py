"""Reading a streamed answer, by a reader that is nobody's product."""

import base64
import json
from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass
class Streamed:
    """A streamed answer that was read to its end.

    Attributes:
        events: The JSON of its events.
        audio: The pieces of audio.
        words: Each word with its start and end in seconds.
        end: The data of the last event.
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    audio: list[bytes] = field(default_factory=list)
    words: list[tuple[str, float, float]] = field(default_factory=list)
    end: str = ""

    @property
    def content(self) -> bytes:
        """All of the audio."""
        return b"".join(self.audio)


def data_of(response: httpx.Response) -> list[str]:
    """The data of each event, and a check that there is nothing else in the body."""
    *events, rest = response.content.decode("ascii").split("\n\n")
    assert rest == ""
    assert all(event.startswith("data: ") and "\n" not in event for event in events)
    return [event.removeprefix("data: ") for event in events]


def read_stream(response: httpx.Response) -> Streamed:
    """Read an answer in any of the shapes."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].partition(";")[0] == "text/event-stream"
    streamed = Streamed()
    *events, streamed.end = data_of(response)
    for event in events:
        fields = json.loads(event)
        streamed.events.append(fields)
        audio = fields.get("delta") or fields.get("b64") or fields.get("audio")
        if audio is not None:
            streamed.audio.append(base64.b64decode(audio, validate=True))
        lists = fields.get("timestamps", fields)
        if "words" in lists:
            streamed.words += zip(
                lists["words"], lists["start_seconds"], lists["end_seconds"], strict=True
            )
    return streamed
