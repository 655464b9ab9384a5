"""espeak-ng, from the wheel ``espeakng-loader``, through ctypes.

The library keeps its state in globals: there is one engine in a process, and one lock around it.
"""

import atexit
import ctypes
import os
import shutil
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path

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
_SYNTH_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)

_BLOCK_MS = 60
# In percent. At the engine's full volume the loudest vowels of the highest voices clip.
_VOLUME = 75
# Fixed buffers of the engine: a longer path is cut, or fails.
_LONGEST_DATA_PATH = 159
_LONGEST_VOICE_PATH = 59


class EngineError(Exception):
    """The engine cannot be started, or failed."""


@cache
def engine() -> "Engine":
    """The engine of this process, started on the first call.

    Raises:
        EngineError: It cannot be started.
    """
    return Engine()


class Engine:
    """The speech synthesizer. Use `engine`, since a process can hold only one.

    Attributes:
        sample_rate: The sample rate of what `speak` gives, in Hz.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: Voice | None = None
        self._library = _load()
        self._data = Path(espeakng_loader.get_data_path())
        directory = _short_directory()
        self._voice_file = directory / "voice"

        data_path = self._data
        if len(os.fsencode(data_path)) > _LONGEST_DATA_PATH:
            data_path = directory / "data"
            data_path.symlink_to(self._data, target_is_directory=True)
        self.sample_rate: int = self._library.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS, _BLOCK_MS, os.fsencode(data_path), _INITIALIZE_DONT_EXIT
        )
        if self.sample_rate <= 0:
            raise EngineError(f"espeak-ng cannot read its data in {self._data}")
        # The library keeps the pointer only, so that the object has to live as long as the engine.
        self._callback = _SYNTH_CALLBACK(self._receive)
        self._library.espeak_SetSynthCallback(self._callback)
        self._library.espeak_SetParameter(_PARAMETER_VOLUME, _VOLUME, 0)
        self._blocks: list[bytes] = []
        self._stop = threading.Event()

    def speak(
        self, sentence: str, voice: Voice, stop: threading.Event, *, pause: bool
    ) -> NDArray[np.int16]:
        """Speak one sentence; other threads wait for their turn meanwhile.

        Args:
            sentence: The text, without control characters. They are commands to the engine, and
                NUL ends the text.
            voice: How it sounds.
            stop: When it is set the rest of the sentence is not spoken.
            pause: Whether the pause between two sentences follows.

        Returns:
            Mono samples at `sample_rate`.
        """
        text = sentence.encode("utf-8")
        with self._lock:
            self._load_voice(voice)
            self._blocks = []
            self._stop = stop
            status = self._library.espeak_Synth(
                text, len(text) + 1, 0, 0, 0, _CHARS_UTF8 | (_ENDPAUSE if pause else 0), None, None
            )
            blocks = self._blocks
        if status != 0:
            raise EngineError(f"espeak-ng failed with status {status}")
        return np.frombuffer(b"".join(blocks), dtype=np.int16)

    def _receive(self, samples: object, count: int, _events: object) -> int:
        """Take one block from the engine; 1 tells it to stop."""
        if samples and count > 0:
            self._blocks.append(ctypes.string_at(samples, 2 * count))  # type: ignore[arg-type]
        return int(self._stop.is_set())

    def _load_voice(self, voice: Voice) -> None:
        if voice == self._loaded:
            return
        self._loaded = None
        language = (self._data / "lang" / LANGUAGES[voice.language]).read_bytes()
        self._voice_file.write_bytes(_voice_file(language, voice))
        status = self._library.espeak_SetVoiceByFile(os.fsencode(self._voice_file))
        if status != 0:
            raise EngineError(f"espeak-ng refused a voice with status {status}")
        self._loaded = voice


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
    ]
    # The file of Mandarin ends inside a comment that is not UTF-8.
    return b"name emulated\n" + language + b"\n" + "\n".join(lines).encode() + b"\n"


def _load() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(espeakng_loader.get_library_path())
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


def _short_directory() -> Path:
    """A private directory for the voice file, removed at exit."""
    # The engine lower-cases the path of a voice file, takes what follows a plus sign for the name
    # of a variant, and cuts the path to a short buffer.
    for parent in (tempfile.gettempdir(), "/tmp", "/var/tmp"):  # noqa: S108
        path = os.path.normcase(parent)
        fits = len(os.fsencode(path)) + len("/speech-xxxxxxxx/voice") <= _LONGEST_VOICE_PATH
        lower = path == path.lower() or sys.platform in ("darwin", "win32")
        if fits and lower and "+" not in path and os.access(path, os.W_OK):
            directory = tempfile.mkdtemp(prefix="speech-", dir=path)
            atexit.register(shutil.rmtree, directory, ignore_errors=True)
            return Path(directory)
    raise EngineError(
        "no temporary directory with a short lower-case path is writable; set TMPDIR to one"
    )
