"""espeak-ng, from the wheel ``espeakng-loader``, through ctypes.

The library keeps its state in globals: what speaks at the same time needs copies of it.
"""

import _ctypes
import atexit
import ctypes
import os
import shutil
import sys
import tempfile
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from queue import LifoQueue
from typing import Any

import espeakng_loader  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from together_emulator.voice import Voice

# Language codes as requests and voice names have them, and the engine's own file for each. The
# engine's names differ from the codes (British English is plain "en"), and a name that comes from
# a request must never reach it: long ones, and those with "..", crash the process. Vietnamese is
# left out because two Punjabi letters in a text crash it.
LANGUAGES = {
    "ar": "sem/ar",
    "bg": "zls/bg",
    "bn": "inc/bn",
    "cs": "zlw/cs",
    "da": "gmq/da",
    "de": "gmw/de",
    "el": "grk/el",
    "en": "gmw/en-US",
    "en-gb": "gmw/en",
    "en-us": "gmw/en-US",
    "es": "roa/es",
    "es-419": "roa/es-419",
    "fi": "urj/fi",
    "fr": "roa/fr",
    "gu": "inc/gu",
    "he": "sem/he",
    "hi": "inc/hi",
    "hr": "zls/hr",
    "hu": "urj/hu",
    "id": "poz/id",
    "it": "roa/it",
    "ja": "jpx/ja",
    "ka": "ccs/ka",
    "kn": "dra/kn",
    "ko": "ko",
    "ml": "dra/ml",
    "mr": "inc/mr",
    "ms": "poz/ms",
    "nl": "gmw/nl",
    "no": "gmq/nb",
    "pa": "inc/pa",
    "pl": "zlw/pl",
    "pt": "roa/pt-BR",
    "pt-br": "roa/pt-BR",
    "pt-pt": "roa/pt",
    "ro": "roa/ro",
    "ru": "zle/ru",
    "sk": "zlw/sk",
    "sv": "gmq/sv",
    "ta": "dra/ta",
    "te": "dra/te",
    "th": "tai/th",
    "tr": "trk/tr",
    "uk": "zle/uk",
    "zh": "sit/cmn",
    "zh-hk": "sit/yue",
}

# From the header speak_lib.h.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_PARAMETER_VOLUME = 2
_CHARS_UTF8 = 1
_ENDPAUSE = 0x1000
_EVENT_END_OF_LIST = 0
_EVENT_WORD = 1


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_uint64),
    )


_SYNTH_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)

# Between two blocks the engine can be stopped. One takes well below a millisecond, and needs
# Python's lock at its end, which the other threads hold up.
_BLOCK_MS = 1000
# In percent. At the engine's full volume the loudest vowels of the highest voices clip.
_VOLUME = 75
# Fixed buffers of the engine: a longer path is cut, or fails.
_LONGEST_DATA_PATH = 159
_LONGEST_VOICE_PATH = 59


class EngineError(Exception):
    """The engine cannot be started, or failed."""


@dataclass(frozen=True)
class Spoken:
    """What the engine gives for a text.

    Attributes:
        samples: Mono samples at the engine's sample rate.
        marks: For each word that the engine finds, in the order of the sound, its place in the
            text and the sample at which it begins. Numbers have a mark for each of their parts,
            and the place of some is wrong.
    """

    samples: NDArray[np.int16]
    marks: list[tuple[int, int]]


@cache
def engine() -> "Engine":
    """The engine of this process, started on the first call.

    Raises:
        EngineError: It cannot be started.
    """
    return Engine()


class Engine:
    """The speech synthesizer. Use `engine`, since a process needs only one.

    Attributes:
        sample_rate: The sample rate of what `speak` gives, in Hz.
        at_once: How many sentences it speaks at the same time: one for each processor, up to 4.
    """

    def __init__(self) -> None:
        directory = _short_directory()
        # The one that was last in use is taken first: it may have the voice already.
        self._idle: LifoQueue[_Synthesizer] = LifoQueue()
        first = _Synthesizer(espeakng_loader.get_library_path(), directory / "voice")
        self._idle.put(first)
        self.sample_rate = first.sample_rate
        for number in range(1, _processors()):
            path = directory / f"library-{number}"
            try:
                # A file of its own: a library that is loaded twice has its globals once.
                shutil.copyfile(espeakng_loader.get_library_path(), path)
                self._idle.put(_Synthesizer(str(path), directory / f"voice-{number}"))
            except (OSError, EngineError):
                # A temporary directory may be full, or may not hold code.
                break
        self.at_once = self._idle.qsize()

    def speak(self, sentence: str, voice: Voice, stop: threading.Event, *, pause: bool) -> Spoken:
        """Speak one sentence; further threads than `at_once` wait for their turn.

        The same arguments give the same samples.

        Args:
            sentence: The text, without control characters. They are commands to the engine, and
                NUL ends the text.
            voice: How it sounds.
            stop: When it is set the rest of the sentence is not spoken.
            pause: Whether the pause between two sentences follows.

        Raises:
            EngineError: The engine failed.
        """
        synthesizer = self._idle.get()
        try:
            return synthesizer.speak(sentence, voice, stop, pause=pause)
        finally:
            self._idle.put(synthesizer)


class _Synthesizer:
    """A copy of the library, which speaks one sentence at a time."""

    def __init__(self, library_path: str, voice_path: Path) -> None:
        self._library_path = library_path
        self._voice_path = voice_path
        self._data = Path(espeakng_loader.get_data_path())
        self._data_path = self._data
        if len(os.fsencode(self._data)) > _LONGEST_DATA_PATH:
            self._data_path = voice_path.with_name(voice_path.name + "-data")
            self._data_path.symlink_to(self._data, target_is_directory=True)
        # The library keeps the pointer only, so that the object has to live as long as the library.
        self._callback = _SYNTH_CALLBACK(self._receive)
        self._written: Voice | None = None
        self._blocks: list[bytes] = []
        self._marks: list[tuple[int, int]] = []
        self._stop = threading.Event()
        self._library: ctypes.CDLL | None = None
        self.sample_rate = self._open()[1]

    def speak(self, sentence: str, voice: Voice, stop: threading.Event, *, pause: bool) -> Spoken:
        text = sentence.encode("utf-8")
        library, _ = self._open()
        self._load_voice(library, voice)
        self._blocks = []
        self._marks = []
        self._stop = stop
        status = library.espeak_Synth(
            text, len(text) + 1, 0, 0, 0, _CHARS_UTF8 | (_ENDPAUSE if pause else 0), None, None
        )
        if status != 0:
            raise EngineError(f"espeak-ng failed with status {status}")
        return Spoken(np.frombuffer(b"".join(self._blocks), dtype=np.int16), self._marks)

    def _receive(self, samples: Any, count: int, events: Any) -> int:
        """Take one block from the engine; 1 tells it to stop."""
        if samples and count > 0:
            self._blocks.append(ctypes.string_at(samples, 2 * count))
        for event in events:
            if event.type == _EVENT_END_OF_LIST:
                break
            if event.type == _EVENT_WORD:
                self._marks.append((event.text_position - 1, event.sample))
        return int(self._stop.is_set())

    def _open(self) -> tuple[ctypes.CDLL, int]:
        """Open the library, anew if it was open; gives it and its sample rate in Hz.

        It keeps state between two texts that nothing resets (the flutter of the pitch, the filters
        of the breath, and more), and seeds its noise with the time, so that the same text would not
        have the same samples twice.
        """
        if self._library is not None:
            self._library.espeak_Terminate()
            _unload(self._library)
            self._library = None
        library = _load(self._library_path)
        sample_rate: int = library.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS,
            _BLOCK_MS,
            os.fsencode(self._data_path),
            _INITIALIZE_DONT_EXIT,
        )
        if sample_rate <= 0:
            raise EngineError(f"espeak-ng cannot read its data in {self._data}")
        library.espeak_ng_SetRandSeed(1)
        library.espeak_SetSynthCallback(self._callback)
        library.espeak_SetParameter(_PARAMETER_VOLUME, _VOLUME, 0)
        self._library = library
        return library, sample_rate

    def _load_voice(self, library: ctypes.CDLL, voice: Voice) -> None:
        if voice != self._written:
            self._written = None
            language = (self._data / "lang" / LANGUAGES[voice.language]).read_bytes()
            self._voice_path.write_bytes(_voice_file(language, voice))
            self._written = voice
        status = library.espeak_SetVoiceByFile(os.fsencode(self._voice_path))
        if status != 0:
            raise EngineError(f"espeak-ng refused a voice with status {status}")


def _voice_file(language: bytes, voice: Voice) -> bytes:
    """The engine's file for a voice: its file of the language with our sound after it."""
    # The range follows the base, so that every voice has the same melody. The base that gives a
    # median F0 was fitted to measurements from 98 to 297 Hz, where it is right within 1 %.
    base = (voice.pitch + 8.2) / 1.2976
    breath = round(voice.breath)
    lines = [
        f"pitch {round(base)} {round(1.4 * base)}",
        *(f"formant {n} {round(voice.formants)} 100 100" for n in range(1, 9)),
        "breath 0" + f" {breath}" * 7,
        f"speed {round(100 * voice.speed)}",
    ]
    # The file of Mandarin ends inside a comment that is not UTF-8.
    return b"name emulated\n" + language + b"\n" + "\n".join(lines).encode() + b"\n"


def _load(path: str) -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise EngineError(
            f"the speech engine in the wheel espeakng-loader cannot be loaded ({error}); it is "
            "built for glibc Linux, macOS and Windows, not for musl (Alpine)"
        ) from error
    library.espeak_Initialize.argtypes = [
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_int,
    ]
    library.espeak_ng_SetRandSeed.argtypes = [ctypes.c_long]
    library.espeak_SetSynthCallback.argtypes = [_SYNTH_CALLBACK]
    library.espeak_SetSynthCallback.restype = None
    library.espeak_SetParameter.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int]
    library.espeak_SetVoiceByFile.argtypes = [ctypes.c_char_p]
    library.espeak_Synth.argtypes = [
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_uint,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_uint,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    return library


def _unload(library: ctypes.CDLL) -> None:
    if sys.platform == "win32":
        _ctypes.FreeLibrary(library._handle)
    else:
        _ctypes.dlclose(library._handle)


def _processors() -> int:
    # On Windows a file that is loaded cannot be removed. Far above four, the one thread that
    # receives and answers would be the bottleneck.
    return 1 if sys.platform == "win32" else min(os.cpu_count() or 1, 4)


def _short_directory() -> Path:
    """A private directory for the voice file, removed at exit."""
    # The engine lower-cases the path of a voice file, takes what follows a plus sign for the name
    # of a variant, and cuts the path to a short buffer.
    for parent in (tempfile.gettempdir(), "/tmp", "/var/tmp"):  # noqa: S108
        path = os.path.normcase(parent)
        longest = f"{path}/speech-xxxxxxxx/voice-{_processors()}"
        fits = len(os.fsencode(longest)) <= _LONGEST_VOICE_PATH
        lower = path == path.lower() or sys.platform in ("darwin", "win32")
        if fits and lower and "+" not in path and os.access(path, os.W_OK):
            directory = tempfile.mkdtemp(prefix="speech-", dir=path)
            atexit.register(shutil.rmtree, directory, ignore_errors=True)
            return Path(directory)
    raise EngineError(
        "no temporary directory with a short lower-case path is writable; set TMPDIR to one"
    )
