"""From a request to its audio, spoken sentence by sentence while others take their turns."""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from together_emulator.audio import Encoder
from together_emulator.engine import engine
from together_emulator.record import Record
from together_emulator.request import SpeechRequest
from together_emulator.speech import speak

MAX_KEPT_ANSWERS = 64
MAX_KEPT_BYTES = 1 << 18
"""The largest answer that is kept."""

# An answer of more sentences is not gathered in memory while it is streamed.
MAX_KEPT_SENTENCES = 8


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


class Stage:
    """Where the answers of one application are spoken, in threads.

    Each sentence waits for a free thread, in the order of asking, so that a long text holds nobody
    up. Short answers are kept, since the same request always has the same answer, and tests ask
    for the same few again and again.
    """

    def __init__(self, at_once: int | None = None) -> None:
        """Start the engine, if this process has not yet.

        Args:
            at_once: How many sentences are spoken at the same time; None is as many as the engine
                speaks.

        Raises:
            EngineError: The engine cannot be started.
        """
        self._threads = ThreadPoolExecutor(at_once or engine().at_once, "speech")
        self._kept: OrderedDict[SpeechRequest, list[Part]] = OrderedDict()

    async def speak(self, speech: SpeechRequest, stop: threading.Event) -> AsyncGenerator[Part]:
        """Speak a request, one sentence whenever the next part is asked for.

        Close the iterator when it is not read to its end.

        Args:
            speech: What to speak.
            stop: When it is set the rest is not spoken, unless all of it is at hand. It is set in
                the end, too.
        """
        kept = self._kept.get(speech)
        if kept is not None:
            self._kept.move_to_end(speech)
            for part in kept:
                yield part
            return
        loop = asyncio.get_running_loop()
        spoken: list[Part] = []
        steps = _parts(speech, stop)
        try:
            while (
                step := await loop.run_in_executor(self._threads, next, steps, None)
            ) is not None:
                if len(spoken) < MAX_KEPT_SENTENCES:
                    spoken.append(step)
                yield step
            if len(spoken) < MAX_KEPT_SENTENCES and not stop.is_set():
                self._keep(speech, spoken)
        finally:
            stop.set()

    def _keep(self, speech: SpeechRequest, parts: list[Part]) -> None:
        """Keep an answer if it is short, in place of the one that was not asked for the longest."""
        if sum(len(part.audio) for part in parts) <= MAX_KEPT_BYTES:
            self._kept[speech] = parts
            if len(self._kept) > MAX_KEPT_ANSWERS:
                self._kept.popitem(last=False)


async def answer(
    speech: SpeechRequest, receive: Receive, stage: Stage, record: Record
) -> AsyncGenerator[Part]:
    """Speak a request, in a thread, one sentence whenever the next part is asked for.

    Close the iterator when it is not read to its end.

    Args:
        speech: What to speak.
        receive: Says when the client goes away; nothing is spoken from then on.
        stage: Where it is spoken.
        record: Says how much has been spoken.

    Raises:
        ClientDisconnect: The client has gone away.
    """
    gone = threading.Event()
    watcher = asyncio.create_task(_watch(receive, gone))
    try:
        async with aclosing(stage.speak(speech, gone)) as parts:
            async for part in parts:
                record.spoken_s = part.end_s
                yield part
        if watcher.done():
            raise ClientDisconnect
    finally:
        watcher.cancel()


async def _watch(receive: Receive, gone: threading.Event) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    gone.set()


def _parts(speech: SpeechRequest, stop: threading.Event) -> Iterator[Part]:
    rate = engine().sample_rate
    encoder = Encoder(rate, speech.audio_format)
    before = 0
    for sentence in speak(speech.script, speech.voice, stop, with_words=speech.with_words):
        words = [
            TimedWord(word.text, (before + word.start) / rate, (before + word.end) / rate)
            for word in sentence.words
        ]
        before += len(sentence.samples)
        audio = encoder.encode(sentence.samples, last=sentence.is_last)
        yield Part(audio, words, before / rate)
