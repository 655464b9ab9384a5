"""A book read aloud: against the emulator, by a stub, and under `kill -9`.

`python -m benchmarks.narration WHAT CONTENDER ...` prints the figures as JSON. The emulator is one
of its own, so that its CPU is known.

    python -m benchmarks.narration read facade 500000 600     a whole book, ten requests a second
"""

import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
import wave
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.request import urlopen

import httpx

from benchmarks.book_text import book_text
from benchmarks.contenders import KEY, VOICE
from benchmarks.process import EMULATOR_PYTHON, serving
from facade import Pauses, SpeechClient
from facade._book.joining import edge_samples, join_piece, place
from facade._book.levels import measure
from facade._book.splitting import split_book
from facade._book.store import PieceStore
from facade._book.text import is_speakable
from tests.book.seams import read as read_samples
from tests.book.seams import report

# Unlike each other, and unlike what the voice makes by itself.
PAUSES = Pauses(clause_s=0.23, sentence_s=0.47, paragraph_s=0.83, chapter_s=1.91)
_RATE_HZ = 24_000
# Of a killed run.
_AT_ONCE = 4
# What a letter takes at least; a text that is answered so is believed.
_LETTER_S = 0.045

_T = TypeVar("_T")


def read(characters: int, per_minute: int) -> dict[str, float]:
    """Read a book from the emulator, and look at what was written."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        work, output = folder / "work", folder / "book.wav"
        subtitles = folder / "book.vtt"
        book = folder / "book.txt"
        book.write_text(book_text(characters), encoding="utf-8")
        before_s = _children_s()
        with _emulator():
            pass
        # To start takes as long for a word as for a book.
        start_s = _children_s() - before_s
        before_s = _children_s()
        with _emulator() as url, SpeechClient(KEY, base_url=url) as client:
            narration = client.narrate(book, voice=VOICE, pauses=PAUSES, per_minute=per_minute)
            start = time.perf_counter()
            narration.save(output, subtitles=subtitles, work=work)
            wall_s = time.perf_counter() - start
        emulator_s = _children_s() - before_s - start_s
        own = _Own()
        pieces = own.time("split", lambda: list(split_book(narration.book)))
        pieces = [piece for piece in pieces if is_speakable(piece.text)]
        store = PieceStore(work, _RATE_HZ, with_words=False)
        edge = edge_samples(PAUSES, _RATE_HZ)
        for path in work.glob("*.wav"):
            pcm = store.samples(path.stem)
            levels = own.time("measure", lambda pcm=pcm: measure(pcm, _RATE_HZ))
            (span,) = place([levels], ["sentence"], PAUSES, _RATE_HZ)
            own.time("join", lambda pcm=pcm, span=span: list(join_piece(pcm, span, 1.3, edge)))
        lengths = {
            "clause": PAUSES.clause_s,
            "sentence": PAUSES.sentence_s,
            "paragraph": PAUSES.paragraph_s,
            "chapter": PAUSES.chapter_s,
        }
        asked_s = [lengths[piece.pause] for piece in pieces[:-1]]
        found = report(*read_samples(output), asked_s)
        written = " ".join(subtitles.read_text("utf-8").split())
        with wave.open(str(output)) as file:
            end = file.getnframes() - round(PAUSES.chapter_s * _RATE_HZ)
        return {
            "wall_s": wall_s,
            "of the pace": wall_s / (narration.pieces / (per_minute / 60)),
            "split and join": (own.cpu_s["split"] + own.cpu_s["join"]) / emulator_s,
            "measure": own.cpu_s["measure"] / emulator_s,
            "drift": _drift(written, end),
            "dropped": _dropped(written, [s for piece in pieces for s in piece.sentences]),
            "pauses": len(found.missing),
            "step": found.seam_step / found.speech_step,
            "pieces": narration.pieces,
            "audio_s": end / _RATE_HZ,
            "emulator_s": emulator_s,
        }


class _Own:
    """What the client's own work takes, by kinds of it."""

    def __init__(self) -> None:
        self.cpu_s: Counter[str] = Counter()

    def time(self, kind: str, act: Callable[[], _T]) -> _T:
        start = time.process_time()
        result = act()
        self.cpu_s[kind] += time.process_time() - start
        return result


def _drift(written: str, end: int) -> float:
    """Return by how many samples, beyond a millisecond, the last subtitle misses the last sound."""
    hours, minutes, seconds = re.findall(r"--> (\d+):(\d+):([\d.]+)", written)[-1]
    shown_ms = round((int(hours) * 3600 + int(minutes) * 60 + float(seconds)) * 1000)
    return max(0.0, abs(shown_ms * _RATE_HZ / 1000 - end) - _RATE_HZ / 1000)


def _dropped(written: str, sentences: list[str]) -> int:
    """Return how many sentences are not in the subtitles, in their order."""
    shown = re.sub(r" ?[\d:.]+ --> [\d:.]+ ", " ", written)
    shown = shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    at = dropped = 0
    for sentence in sentences:
        place = shown.find(" ".join(sentence.split()), at)
        dropped += place < 0
        at = max(at, place)
    return dropped


# --- memory --------------------------------------------------------------------------------------


class Stub(httpx.BaseTransport):
    """Answers at once, with noise as long as the text may take."""

    def __init__(self) -> None:
        self._noise = random.Random(1).randbytes(2_000_000)  # noqa: S311 - it is only heard

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        text = json.loads(request.read())["input"]
        size = 2 * int(len(text) * _LETTER_S * _RATE_HZ)
        headers = {"content-type": "application/octet-stream"}
        return httpx.Response(200, headers=headers, content=self._noise[:size])


def memory(characters: int) -> dict[str, float]:
    """Bytes by which the process grows at most, after a short book."""
    # The pace would wait for a service.
    os.environ["TOGETHER_SPEECH_RETRIES"] = "at once"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with SpeechClient(KEY, httpx_args={"transport": Stub()}) as client:

            def narrate(length: int) -> None:
                text = book_text(length)
                narration = client.narrate(text, voice=VOICE)
                narration.save(folder / "book.wav", subtitles=folder / "book.vtt")

            narrate(2_000)
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
            before = _status("VmRSS")
            start = time.perf_counter()
            narrate(characters)
            wall_s = time.perf_counter() - start
        return {"bytes": _status("VmHWM") - before, "wall_s": wall_s}


def _status(name: str) -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(re.findall(rf"^{name}:\s+(\d+)", status, re.MULTILINE)[0])


# --- kills ---------------------------------------------------------------------------------------


def kills(count: int) -> dict[str, float]:
    """Requests that were sent again after kills, for each that was under way."""
    pieces = 10 * count
    chance = random.Random(16)  # noqa: S311 - it only chooses moments
    with tempfile.TemporaryDirectory() as name, _emulator() as url:
        work = Path(name, "work")
        command = [sys.executable, "-m", "benchmarks.narration", "child", str(pieces), url, name]
        for _ in range(count):
            there = _there(work)
            with subprocess.Popen(command) as process:  # noqa: S603
                until = there + chance.randrange(1, 10)
                while _there(work) < until and process.poll() is None:
                    time.sleep(0.001)
                time.sleep(chance.random() * 0.05)
                process.kill()
        subprocess.run(command, check=True)  # noqa: S603
        with urlopen(f"{url.removesuffix('/v1')}/emulator/requests") as answer:  # noqa: S310
            sent = len(json.load(answer)["requests"])
        return {
            "again": (sent - pieces) / (count * _AT_ONCE),
            "missing": pieces - _there(work),
        }


def child(pieces: int, url: str, folder: str) -> None:
    """What is killed."""
    text = "\n\n".join(f"This is the paragraph with number {number}." for number in range(pieces))
    with SpeechClient(KEY, base_url=url) as client:
        narration = client.narrate(text, voice=VOICE, at_once=_AT_ONCE, per_minute=3000)
        narration.save(Path(folder, "book.wav"), work=Path(folder, "work"))


def _there(work: Path) -> int:
    return len(list(work.glob("*.wav")))


# --- the emulator --------------------------------------------------------------------------------


def _children_s() -> float:
    """Return the CPU of all processes that were begun here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def _emulator() -> Iterator[str]:
    arguments = ("--port", "0", "--exit-with-stdin")
    with serving("together_emulator", *arguments, python=EMULATOR_PYTHON) as port:
        yield f"http://127.0.0.1:{port}/v1"


if __name__ == "__main__":
    what, *given = sys.argv[1:]
    if what == "child":
        child(int(given[0]), *given[1:])
    else:
        _, *numbers = given
        figures = {"read": read, "memory": memory, "kills": kills}[what](*map(int, numbers))
        json.dump(figures, sys.stdout)
