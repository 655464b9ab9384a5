"""The engine's traps. What could crash the process runs in a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import espeakng_loader  # type: ignore[import-untyped]
import numpy as np

from together_emulator.engine import LANGUAGES, engine
from together_emulator.voice import Voice

VOICE = Voice("en-us", 120, 100, 0)


def run(program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program that speaks, in a process of its own."""
    prelude = """
import sys, threading
from together_emulator.engine import EngineError, engine
from together_emulator.script import Script
from together_emulator.speech import speak
from together_emulator.voice import Voice
never = threading.Event()
"""
    return subprocess.run(
        [sys.executable, "-c", prelude + program, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
        check=False,
    )


def test_it_speaks_16_bit_samples_at_22050_hz() -> None:
    samples = engine().speak("Hello.", VOICE, threading.Event(), pause=False).samples
    assert engine().sample_rate == 22050
    assert samples.dtype == np.int16
    assert 0.2 < len(samples) / 22050 < 2


def test_there_is_one_engine() -> None:
    assert engine() is engine()


def test_the_pause_after_a_sentence_is_silence() -> None:
    without = engine().speak("Hello.", VOICE, threading.Event(), pause=False).samples
    with_pause = engine().speak("Hello.", VOICE, threading.Event(), pause=True).samples
    extra = len(with_pause) - len(without)
    assert extra > 22050 * 0.01
    assert np.abs(with_pause[-extra // 2 :]).max() < 300


def test_it_stops_within_a_sentence_and_speaks_on_afterwards() -> None:
    sentence = "one two three four five six seven eight nine ten " * 5
    stop = threading.Event()
    stop.set()
    cut = engine().speak(sentence, VOICE, stop, pause=False).samples
    whole = engine().speak(sentence, VOICE, threading.Event(), pause=False).samples
    assert len(cut) / 22050 < 1.1
    assert len(whole) / 22050 > 5


def test_every_language_has_a_file_in_the_wheel() -> None:
    folder = Path(espeakng_loader.get_data_path()) / "lang"
    assert [name for name in LANGUAGES.values() if not (folder / name).is_file()] == []


def test_threads_share_it_without_harm() -> None:
    """Without a library for each this crashes, or mixes the threads' samples."""
    done = run("""
texts = {"en-us": "We were away a year ago. ", "ja": "きょうはいいてんきです。", "fr": "Bonjour. "}
def speak_often(language, results):
    voice = Voice(language, 120, 100, 9)
    for _ in range(15):
        spoken = engine().speak(texts[language], voice, never, pause=False)
        results.append((spoken.samples.tobytes(), *spoken.marks))
alone = {language: [] for language in texts}
for language in texts:
    speak_often(language, alone[language])
together = {language: [] for language in texts}
threads = [
    threading.Thread(target=speak_often, args=(language, together[language]))
    for language in texts for _ in range(2)
]
for thread in threads: thread.start()
for thread in threads: thread.join()
for language in texts:
    assert len(together[language]) == 30
    assert len({*together[language], *alone[language]}) == 1, language
""")
    assert done.returncode == 0, done.stderr


def test_it_speaks_as_many_sentences_at_once_as_there_are_processors() -> None:
    done = run("""
import os
for processors, at_once in ((None, 1), (1, 1), (3, 3), (64, 4)):
    os.cpu_count = lambda: processors
    engine.cache_clear()
    assert engine().at_once == at_once, processors
    begun = threading.Barrier(at_once + 1)
    class Stop:
        def is_set(self):
            begun.wait(20)
            return True
    def speak():
        engine().speak("Hello.", Voice("en", 99, 99, 0), Stop(), pause=False)
    threads = [threading.Thread(target=speak) for _ in range(at_once)]
    for thread in threads: thread.start()
    begun.wait(20)
    for thread in threads: thread.join()
""")
    assert done.returncode == 0, done.stderr


def test_one_library_is_enough_where_no_copy_can_be_made() -> None:
    done = run("""
import os, shutil
os.cpu_count = lambda: 4
def full(source, target):
    raise OSError("No space left on device")
shutil.copyfile = full
assert engine().at_once == 1
assert len(engine().speak("Hi.", Voice("en", 99, 99, 0), never, pause=False).samples)
""")
    assert done.returncode == 0, done.stderr


def test_a_long_data_path_is_reached_through_a_short_one(tmp_path: Path) -> None:
    long = tmp_path / ("d" * 100) / ("e" * 100)
    long.parent.mkdir()
    long.symlink_to(espeakng_loader.get_data_path())
    done = run(
        """
import espeakng_loader
espeakng_loader.get_data_path = lambda: sys.argv[1]
assert len(engine().speak("Hello.", Voice("fr", 120, 100, 0), never, pause=False).samples)
""",
        str(long),
    )
    assert done.returncode == 0, done.stderr


def test_an_unusable_temporary_directory_is_passed_over() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        done = run(
            """
import os, tempfile
for name in ("UPPER", "a+b", "long" * 15, "missing/folder"):
    tempfile.tempdir = os.path.join(sys.argv[1], name)
    if "/" not in name:
        os.mkdir(tempfile.tempdir)
    engine.cache_clear()
    assert len(engine().speak("Hi.", Voice("en", 99, 99, 0), never, pause=False).samples), name
""",
            folder,
        )
    assert done.returncode == 0, done.stderr


def test_every_engine_finds_its_voice_whatever_the_length_of_the_folder() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        done = run(
            """
import os, tempfile
from concurrent.futures import ThreadPoolExecutor
for length in range(32, 40):
    tempfile.tempdir = os.path.join(sys.argv[1], "").ljust(length, "d")
    os.mkdir(tempfile.tempdir)
    engine.cache_clear()
    def spoken(number):
        text = f"{number} bottles stand upon the wall. "
        return engine().speak(text, Voice("en", 99, 99, 0), never, pause=False).samples
    with ThreadPoolExecutor(engine().at_once) as pool:
        assert all(map(len, pool.map(spoken, range(20)))), length
""",
            folder,
        )
    assert done.returncode == 0, done.stderr


def test_its_files_are_gone_when_the_process_ends() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="t") as folder:
        done = run(
            """
import os
engine().speak("Hi.", Voice("en", 99, 99, 0), never, pause=False)
print(os.listdir(sys.argv[1]))
""",
            folder,
            TMPDIR=folder,
        )
        assert "speech-" in done.stdout, done.stderr
        assert list(Path(folder).iterdir()) == []


CRASHING = {
    # Longer than the engine's buffer; random letters, since not every word does it.
    "long word": (
        "da",
        "igjdiejhcdichacacibagfcgdbaeiahighifaffaddiidgbedhdjhfdigidjbaeeccagdffchcfhjjcfbcbbihbeb"
        "ibgjbbbedfaaidbhagiaacdebhiijhfcdhhbedgfibadieigbgbfggbjbddghgfegajecjeecdabid",
    ),
    "suffixes": ("en-us", "s'" * 220),
    "Braille": ("fi", "".join(map(chr, range(0x2800, 0x2900))) * 3),
    "Braille ar": ("ar", "".join(map(chr, range(0x2800, 0x2900))) * 3),
    "commands": ("en-us", "\x01" * 500),
    "han": ("zh", "天" * 3000),
    "digits": ("en-us", "9" * 3000),
    "numbers": ("sk", "15200 " * 50),
}


def test_texts_that_crash_the_bare_engine() -> None:
    done = run(
        """
import json
for name, (language, text) in json.loads(sys.argv[1]).items():
    print(name, flush=True)
    voice = Voice(language, 120, 100, 0)
    print(sum(len(step.samples) for step in speak(Script.of(text), voice, never)))
""",
        json.dumps(CRASHING),
    )
    assert done.returncode == 0, f"after {done.stdout.splitlines()[-1:]}: {done.stderr}"
    assert done.stdout.split("\n")[::2] == [*CRASHING, ""]


def test_a_missing_library_says_what_it_is_built_for() -> None:
    done = run("""
import espeakng_loader
espeakng_loader.get_library_path = lambda: "/nowhere/libespeak-ng.so"
try:
    engine()
except EngineError as error:
    print(error)
""")
    assert "musl" in done.stdout
    assert done.stdout.count("\n") == 1


def test_the_same_text_and_voice_are_the_same_samples() -> None:
    """With breath too, whose noise the engine seeds with the time, and in other processes."""
    program = """
import hashlib, time
sounds = set()
for breath, seconds in ((0, 0), (9, 1.05)):
    voice = Voice("en-us", 120, 100, breath)
    for wait in (0, seconds):
        time.sleep(wait)
        engine().speak("Something else.", Voice("fr", 200, 90, 3), never, pause=False)
        samples = engine().speak("We were away a year ago.", voice, never, pause=False).samples
        sounds.add(hashlib.sha256(samples.tobytes()).hexdigest())
print(sorted(sounds))
"""
    first, second = run(program), run(program)
    assert first.returncode == 0, first.stderr
    assert first.stdout.count("', '") == 1, first.stdout
    assert first.stdout == second.stdout
