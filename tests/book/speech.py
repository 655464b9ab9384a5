"""Speech of the emulator, spoken once for all tests of a process."""

from dataclasses import dataclass
from functools import cache

from facade import SpeechClient, WordTiming
from together_emulator.process import SpeechEmulator

SAMPLE_RATE = 24000
SENTENCES = {
    "af_heart": (
        "It was the best of times, it was the worst of times; it was the age of wisdom. ",
        "Nobody knew what he had meant, off his cuff.",
    ),
    "bm_george": ("Call me Ishmael. ", "Some years ago, having little money, I left. "),
    "ff_siwis": ("Bonjour à tous. ", "Il fait beau aujourd’hui, n’est-ce pas\u00a0?"),
    "jf_alpha": ("吾輩は猫である。", "名前はまだ無い。"),
}


@dataclass(frozen=True)
class Spoken:
    """A piece of two sentences, and when its words are said."""

    sentences: tuple[str, ...]
    pcm: bytes
    words: tuple[WordTiming, ...]


@cache
def speech_of(emulator: SpeechEmulator) -> list[Spoken]:
    """Return a piece by each of four voices."""
    pieces = []
    with SpeechClient(api_key=emulator.api_key, base_url=emulator.url) as client:
        for voice, sentences in SENTENCES.items():
            with client.stream("".join(sentences), voice=voice, alignment="word") as stream:
                pcm = b"".join(stream)
            pieces.append(Spoken(sentences, pcm, tuple(stream.words)))
    return pieces
