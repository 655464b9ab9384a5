"""From a request to its audio, spoken sentence by sentence while others take their turns."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass

import anyio
from anyio.to_thread import run_sync
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from together_emulator.audio import Encoder
from together_emulator.engine import engine
from together_emulator.record import Record
from together_emulator.request import SpeechRequest
from together_emulator.speech import speak


@dataclass(frozen=True)
class TimedWord:
    """A word and when it is spoken, in seconds from the beginning of the answer."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Part:
    """A sentence of an answer.

    Attributes:
        audio: Whole samples, without a container.
        words: The words of the sentence.
        end_s: The duration of the answer up to the end of the sentence, in seconds.
    """

    audio: bytes
    words: list[TimedWord]
    end_s: float


async def answer(
    speech: SpeechRequest, receive: Receive, turn: anyio.CapacityLimiter, record: Record
) -> AsyncGenerator[Part]:
    """Speak a request, in a thread, one sentence whenever the next part is asked for.

    Close the iterator when it is not read to its end.

    Args:
        speech: What to speak.
        receive: Says when the client goes away; nothing is spoken from then on.
        turn: Taken for each sentence.
        record: Says how much has been spoken.

    Raises:
        ClientDisconnect: The client has gone away.
    """
    stop = threading.Event()
    watcher = asyncio.create_task(_watch(receive, stop))
    try:
        steps = _parts(speech, stop)
        while (part := await run_sync(next, steps, None, limiter=turn)) is not None:
            record.spoken_s = part.end_s
            yield part
        if stop.is_set():
            raise ClientDisconnect
    finally:
        stop.set()
        watcher.cancel()


async def _watch(receive: Receive, gone: threading.Event) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    gone.set()


def _parts(speech: SpeechRequest, stop: threading.Event) -> Iterator[Part]:
    rate = engine().sample_rate
    encoder = Encoder(rate, speech.audio_format)
    before = 0
    for sentence in speak(speech.script, speech.voice, stop):
        words = [
            TimedWord(word.text, (before + word.start) / rate, (before + word.end) / rate)
            for word in sentence.words
        ]
        before += len(sentence.samples)
        audio = encoder.encode(sentence.samples, last=sentence.is_last)
        yield Part(audio, words, before / rate)
