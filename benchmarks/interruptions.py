"""Realtime turns that are interrupted at random moments, against the emulator.

Each text is spoken once by a hand-written loop over websockets, which nobody interrupts: that is
what its audio is, and when each of its words is spoken. The audio of no two texts has a piece in
common. Whatever a turn hands over must be the beginning of the audio of its own text, so that no
byte of another turn, nor one that came late, can be in it; after an interruption nothing is handed
over; and what was heard is held against those word timings, by plain counting of words.

`python -m benchmarks.interruptions CONTENDER URL COUNT SEED` prints the figures as JSON.
"""

import asyncio
import json
import random
import sys
import threading
import time
from base64 import b64decode
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

VOICE = "af_heart"
LATE_S = 0.25
"""How late the audio comes that was on its way when its context was cancelled."""

TEXTS = (
    "Good morning. The ferry leaves at nine, so please do not be late.",
    "Nobody knows why the old clock stopped. It was wound every evening!",
    "Under the bridge, seven swans were sleeping in the reeds.",
    "Could you repeat that? I was listening to the rain on the window.",
    "First boil the water. Then add two spoons of tea. Wait, and pour it slowly.",
    "Her brother's letters came from Lisbon, Oslo and a village without a name.",
    "Thirty students waited outside. Only five of them had brought a pencil.",
    "What a wonderful garden! Every path leads back to the same yellow door.",
    "Just between us: the treasure is hidden behind the third shelf.",
    "Please hold the line. Your call is very important to all of us here.",
    "Wind turned the pages of the book that he had left on the bench.",
    "Zebras gallop, elephants wander, and the lazy lion only yawns.",
)
IDS_AGAIN: Mapping[str, float] = {"contexts": 50, "rest_s": 2 * LATE_S}
"""Limits by which ids are used again and again, as soon as nothing more can come of them."""

# A stretch of audio in which no two texts may be the same: one event of the emulator.
_PIECE_BYTES = 4800
_BYTES_PER_S = 48000
_WORKERS = 4
# What takes longer hangs.
_TURN_S = 30.0
# As the client has it, since times are rounded.
_TOLERANCE_S = 0.001

How = Literal["begun", "taken", "later", "left", "thrown", "whole"]
_HOW: tuple[How, ...] = ("begun", "taken", "taken", "later", "later", "later", "left", "thrown")
# Every so manieth turn is spoken to its end.
_WHOLE = 8


@dataclass(frozen=True)
class Spoken:
    """What a text sounds like.

    Attributes:
        text: The text.
        audio: Its audio.
        ends: For each of its words, where it ends in the text, and when it has been spoken.
    """

    text: str
    audio: bytes
    ends: tuple[tuple[int, float], ...]

    def heard(self, played_s: float) -> str:
        """Return what has been heard of it after so many seconds."""
        spoken = [end for end, end_s in self.ends if end_s <= played_s + _TOLERANCE_S]
        return self.text[: max(spoken, default=0)]


@dataclass(frozen=True)
class Plan:
    """What is done with a turn.

    Attributes:
        spoken: What it says.
        tokens: Its text in pieces.
        pause_s: The seconds before each of them.
        how: When it is interrupted: as soon as it has begun; when so much was taken; after some
            time, by somebody else; not at all, but left, or thrown out of. Or it is spoken whole.
        after_s: After how many seconds of audio, or of time.
        played: The share of what was taken that was played; `None` if that is not said.
    """

    spoken: Spoken
    tokens: tuple[str, ...]
    pause_s: float
    how: How
    after_s: float
    played: float | None


@dataclass
class Verdict:
    """What has come of many turns."""

    turns: int = 0
    interruptions: int = 0
    stale_bytes: int = 0
    hangs: int = 0
    misheard: int = 0
    failures: list[str] = field(default_factory=list)
    endings: Counter[str] = field(default_factory=Counter)

    def judge(self, plan: Plan, turn: "Turn") -> None:
        """Hold a turn against what it should have been."""
        self.turns += 1
        self.endings[str(turn.ending)] += 1
        stale = len(turn.after)
        if not plan.spoken.audio.startswith(turn.audio):
            own = sum(a == b for a, b in zip(turn.audio, plan.spoken.audio, strict=False))
            stale += max(1, len(turn.audio) - own)
        if stale:
            self.stale_bytes += stale
            self.failures.append(f"{stale} stale bytes: {plan.how}, {plan.spoken.text!r}")
        if turn.error is not None:
            self.hangs += isinstance(turn.error, TimeoutError)
            self.failures.append(f"{turn.error!r}: {plan.how}, {plan.spoken.text!r}")
        if plan.how == "whole":
            if turn.audio != plan.spoken.audio:
                self.failures.append(f"{len(turn.audio)} bytes of {len(plan.spoken.audio)}")
        else:
            self.interruptions += 1
        if turn.heard is not None:
            self._judge_heard(plan, turn, turn.heard)

    def _judge_heard(self, plan: Plan, turn: "Turn", heard: Any) -> None:
        # Space behind the last word may be counted as heard, where the text ends there.
        expected = plan.spoken.heard(heard.played_s)
        is_right = (
            heard.heard.rstrip() == expected
            and heard.heard + heard.unheard == turn.text
            and (turn.played_s is None or abs(heard.played_s - turn.played_s) <= _TOLERANCE_S)
        )
        if not is_right:
            self.misheard += 1
            self.failures.append(f"{heard!r} and not {expected!r} after {turn.played_s} s")


@dataclass
class Turn:
    """What has come of one turn.

    Attributes:
        audio: What was handed over before it was interrupted.
        after: What was handed over later, of which there must be nothing.
        text: Its text by then.
        played_s: The seconds played, where that was said.
        heard: What is told to have been heard.
        ending: How it ended.
        error: What it raised.
    """

    audio: bytes = b""
    after: bytes = b""
    text: str = ""
    played_s: float | None = None
    heard: Any = None
    ending: str | None = None
    error: BaseException | None = None

    def interrupt(self, plan: Plan, speech: Any) -> None:
        """Interrupt it."""
        self._say_played(plan)
        self.heard = speech.interrupt(self.played_s)
        self.text, self.ending = speech.text, speech.ending

    def ask(self, plan: Plan, speech: Any) -> None:
        """Ask what was heard of it, now that it is over."""
        self._say_played(plan)
        self.heard = speech.heard(self.played_s)
        self.text, self.ending = speech.text, speech.ending

    def _say_played(self, plan: Plan) -> None:
        if plan.played is not None:
            self.played_s = plan.played * len(self.audio) / _BYTES_PER_S


class Thrown(Exception):  # noqa: N818
    """What an application throws out of a block."""


def speak_all(url: str) -> list[Spoken]:
    """Have each text spoken to its end.

    Args:
        url: The emulator's, with `/v1`.
    """
    from websockets.sync.client import connect

    address = f"{url.replace('http', 'ws', 1)}/audio/speech/websocket"
    query = f"voice={VOICE}&alignment=word&model={quote('hexgrad/Kokoro-82M', safe='')}"
    spoken = []
    with connect(f"{address}?{query}", additional_headers={"Authorization": "Bearer any"}) as link:
        json.loads(link.recv(10))
        for text in TEXTS:
            link.send(json.dumps({"type": "input_text_buffer.append", "text": text}))
            link.send('{"type": "input_text_buffer.commit"}')
            spoken.append(_spoken(text, iter(lambda: json.loads(link.recv(10)), None)))
    places: Counter[bytes] = Counter()
    for each in spoken:
        audio = each.audio
        pieces = (audio[at : at + _PIECE_BYTES] for at in range(0, len(audio), _PIECE_BYTES))
        places.update({piece for piece in pieces if any(piece)})
    if max(places.values()) > 1:
        raise RuntimeError("two texts have a piece of audio in common")
    return spoken


def _spoken(text: str, events: Iterator[dict[str, Any]]) -> Spoken:
    sentences = sum(map(text.count, ".!?"))
    audio, times = b"", []
    while sentences:
        event = next(events)
        kind = event["type"].rpartition(".")[2]
        if kind == "delta":
            audio += b64decode(event["delta"])
        elif kind == "word_timestamps":
            before_s = len(audio) / _BYTES_PER_S
            times += [before_s + end_s for end_s in event["end_seconds"]]
        elif kind == "done":
            sentences -= 1
    ends, at = [], 0
    for word in text.split():
        at = text.index(word, at) + len(word)
        ends.append(at)
    return Spoken(text, audio, tuple(zip(ends, times, strict=True)))


def plans(spoken: Sequence[Spoken], count: int, seed: int) -> list[Plan]:
    """Return what is done with as many turns as have so many interruptions."""
    chance = random.Random(seed)  # noqa: S311
    made: list[Plan] = []
    interruptions = 0
    while interruptions < count:
        each = chance.choice(spoken)
        how: How = "whole" if len(made) % _WHOLE == 0 else chance.choice(_HOW)
        interruptions += how != "whole"
        seconds = len(each.audio) / _BYTES_PER_S
        pause_s = chance.choice((0.0, 0.0, 0.002, 0.01))
        # The emulator has said all after some tenths of a second.
        lasts_s = 0.15 + pause_s * len(each.text) / 6
        made.append(
            Plan(
                each,
                tuple(_tokens(each.text, chance)),
                pause_s,
                how,
                chance.uniform(0, lasts_s if how == "later" else seconds),
                chance.choice((None, 1.0, chance.random(), chance.random())),
            )
        )
    return made


def _tokens(text: str, chance: random.Random) -> Iterator[str]:
    at = 0
    while at < len(text):
        size = chance.choice((1, 3, 4, 5, 8, 30))
        yield text[at : at + size]
        at += size


# --- threads -------------------------------------------------------------------------------------


def run(session: Any, to_do: Sequence[Plan]) -> Verdict:
    """Speak and interrupt turns of a session, some at the same time."""
    verdict = Verdict()
    lock = threading.Lock()
    waiting = iter(to_do)
    under_way: dict[int, float] = {}

    def work(number: int) -> None:
        while True:
            with lock:
                plan = next(waiting, None)
                under_way[number] = time.monotonic() if plan else float("inf")
            if plan is None:
                return
            turn = _speak(session, plan)
            with lock:
                verdict.judge(plan, turn)

    threads = [
        threading.Thread(target=work, args=(number,), daemon=True) for number in range(_WORKERS)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        for thread in threads:
            thread.join(0.2)
        with lock:
            stuck = [at for at in under_way.values() if time.monotonic() - at > _TURN_S]
        if stuck:
            verdict.hangs += len(stuck)
            verdict.failures.append(f"{len(stuck)} turns hang")
            break
    return verdict


def _speak(session: Any, plan: Plan) -> Turn:
    turn = Turn()

    def tokens() -> Iterator[str]:
        for token in plan.tokens:
            time.sleep(plan.pause_s)
            yield token

    lock = threading.Lock()
    has_one_on_its_way = False
    speech = session.speak(tokens())

    def interrupt() -> None:
        with lock:
            turn.interrupt(plan, speech)

    later = threading.Timer(plan.after_s, interrupt)
    try:
        with speech:
            if plan.how == "begun":
                interrupt()
            elif plan.how == "later":
                later.start()
            for samples in speech:
                with lock:
                    # One may have been on its way to here while another thread interrupted.
                    if turn.heard is not None and (plan.how != "later" or has_one_on_its_way):
                        turn.after += samples
                    else:
                        has_one_on_its_way = turn.heard is not None
                        turn.audio += samples
                if len(turn.audio) >= plan.after_s * _BYTES_PER_S:
                    if plan.how == "taken":
                        interrupt()
                    elif plan.how == "left":
                        break
                    elif plan.how == "thrown":
                        raise Thrown
    except Thrown:
        pass
    except BaseException as error:  # noqa: BLE001
        turn.error = error
    later.cancel()
    if later.is_alive():
        later.join()
    if turn.heard is None:
        turn.ask(plan, speech)
    try:
        while (samples := next(speech, None)) is not None:
            turn.after += samples
    except Exception as error:  # noqa: BLE001
        turn.error = turn.error or error
    return turn


# --- tasks ---------------------------------------------------------------------------------------


async def run_async(session: Any, to_do: Sequence[Plan]) -> Verdict:
    """The same in tasks; what is thrown is a cancellation."""
    import anyio

    verdict = Verdict()
    waiting = iter(to_do)

    async def work() -> None:
        for plan in waiting:
            verdict.judge(plan, await _speak_async(session, plan))

    async with anyio.create_task_group() as tasks:
        for _ in range(_WORKERS):
            tasks.start_soon(work)
    return verdict


async def _speak_async(session: Any, plan: Plan) -> Turn:
    import anyio

    turn = Turn()

    async def tokens() -> AsyncIterator[str]:
        for token in plan.tokens:
            await anyio.sleep(plan.pause_s)
            yield token

    async def interrupt_later() -> None:
        await anyio.sleep(plan.after_s)
        turn.interrupt(plan, speech)

    speech = session.speak(tokens())
    try:
        with anyio.fail_after(_TURN_S):
            async with anyio.create_task_group() as tasks, speech:
                if plan.how == "begun":
                    turn.interrupt(plan, speech)
                elif plan.how == "later":
                    tasks.start_soon(interrupt_later)
                elif plan.how == "thrown":
                    # Now and then it has ended by then.
                    tasks.cancel_scope.deadline = anyio.current_time() + plan.after_s / 10
                async for samples in speech:
                    if turn.heard is not None:
                        turn.after += samples
                    else:
                        turn.audio += samples
                    if len(turn.audio) >= plan.after_s * _BYTES_PER_S:
                        if plan.how == "taken" and turn.heard is None:
                            turn.interrupt(plan, speech)
                        elif plan.how == "left":
                            break
                if plan.how == "later" and turn.heard is None:
                    tasks.cancel_scope.cancel()
    except BaseException as error:
        turn.error = error
        if not isinstance(error, Exception):
            raise
    if turn.heard is None:
        turn.ask(plan, speech)
    try:
        with anyio.fail_after(_TURN_S):
            while (samples := await anext(speech, None)) is not None:
                turn.after += samples
    except Exception as error:  # noqa: BLE001
        turn.error = turn.error or error
    return turn


# --- sessions ------------------------------------------------------------------------------------


def interrupt(url: str, to_do: Sequence[Plan], **limits: float) -> Verdict:
    """Speak and interrupt turns of one session.

    Args:
        url: The emulator's, with `/v1`.
        to_do: The turns.
        **limits: Attributes of `RealtimeLimits` that are other than usual.
    """
    from facade import SpeechClient

    with _client(SpeechClient, url) as client, _limited(client.realtime(voice=VOICE), limits) as it:
        return run(it, to_do)


async def interrupt_async(url: str, to_do: Sequence[Plan], **limits: float) -> Verdict:
    """The same, asynchronously."""
    from facade import AsyncSpeechClient

    async with (
        _client(AsyncSpeechClient, url) as client,
        _limited(client.realtime(voice=VOICE), limits) as session,
    ):
        return await run_async(session, to_do)


def _client(build: Callable[..., Any], url: str) -> Any:
    return build("any", base_url=url, headers={"x-emulate-fault": f"late-audio={LATE_S}"})


def _limited(session: Any, limits: Mapping[str, float]) -> Any:
    connections = session._connections
    connections.limits = connections.limits._replace(**limits)
    return session


if __name__ == "__main__":
    contender, url, *numbers = sys.argv[1:]
    count, seed = map(int, numbers)
    to_do = plans(speak_all(url), count, seed)
    limits = IDS_AGAIN if "ids again" in contender else {}
    start = time.perf_counter()
    found = (
        asyncio.run(interrupt_async(url, to_do, **limits))
        if "async" in contender
        else interrupt(url, to_do, **limits)
    )
    for failure in found.failures:
        sys.stderr.write(f"{contender}, seed {seed}: {failure}\n")
    figures = {
        "wall_s": (time.perf_counter() - start) / found.turns,
        "interruptions": found.interruptions,
        "stale bytes": found.stale_bytes,
        "hangs": found.hangs,
        "misheard": found.misheard,
        "failures": len(found.failures),
    }
    json.dump(figures, sys.stdout)
