"""Text to speech with Together AI.

from facade import SpeechClient

with SpeechClient() as client:
    client.synthesize("Hello there.", voice="af_heart").save("hello.wav")
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING

from facade._book.reading import read_book
from facade._rules.heard import Heard
from facade._rules.options import (
    NarrationOptions,
    RealtimeOptions,
    SpeechOptions,
    StreamOptions,
    SynthesizeOptions,
)
from facade._rules.retry import RetryPolicy
from facade._rules.speakable import speakable
from facade._rules.words import WordTiming
from facade._transport.config import Timeouts
from facade.audio import SpeechAudio, SpeechFile, check_save_path
from facade.batch import BatchRequest, BatchResult
from facade.books import Book, Chapter, Cover, Omission, Paragraph, Pauses
from facade.errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    EmptyAudioError,
    InternalServerError,
    InvalidRequestError,
    InvalidVoiceMixError,
    MalformedStreamError,
    MissingPiece,
    NarrationError,
    NotFoundError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitError,
    RequestTooLargeError,
    SpeechError,
    StreamError,
    StreamInterruptedError,
    UnknownVoiceError,
    UnprocessableEntityError,
    UnreadableBookError,
)
from facade.formats import AudioFormat
from facade.narration import NarrationCost, NarrationFile, NarrationProgress
from facade.voices import Voice, VoiceMix, WeightedVoice

# Most applications need one of the two halves, which takes half as long to load.
if TYPE_CHECKING:
    from facade._async.batch import AsyncSpeechBatch
    from facade._async.client import AsyncSpeechClient
    from facade._async.narration import AsyncNarration
    from facade._async.realtime import AsyncRealtimeSession, AsyncRealtimeSpeech
    from facade._async.stream import AsyncSpeechStream
    from facade._sync.batch import SpeechBatch
    from facade._sync.client import SpeechClient
    from facade._sync.narration import Narration
    from facade._sync.realtime import RealtimeSession, RealtimeSpeech
    from facade._sync.stream import SpeechStream

del TYPE_CHECKING

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncNarration",
    "AsyncRealtimeSession",
    "AsyncRealtimeSpeech",
    "AsyncSpeechBatch",
    "AsyncSpeechClient",
    "AsyncSpeechStream",
    "AudioFormat",
    "AuthenticationError",
    "BadRequestError",
    "BatchRequest",
    "BatchResult",
    "Book",
    "Chapter",
    "Cover",
    "EmptyAudioError",
    "Heard",
    "InternalServerError",
    "InvalidRequestError",
    "InvalidVoiceMixError",
    "MalformedStreamError",
    "MissingPiece",
    "Narration",
    "NarrationCost",
    "NarrationError",
    "NarrationFile",
    "NarrationOptions",
    "NarrationProgress",
    "NotFoundError",
    "Omission",
    "Paragraph",
    "Pauses",
    "PaymentRequiredError",
    "PermissionDeniedError",
    "RateLimitError",
    "RealtimeOptions",
    "RealtimeSession",
    "RealtimeSpeech",
    "RequestTooLargeError",
    "RetryPolicy",
    "SpeechAudio",
    "SpeechBatch",
    "SpeechClient",
    "SpeechError",
    "SpeechFile",
    "SpeechOptions",
    "SpeechStream",
    "StreamError",
    "StreamInterruptedError",
    "StreamOptions",
    "SynthesizeOptions",
    "Timeouts",
    "UnknownVoiceError",
    "UnprocessableEntityError",
    "UnreadableBookError",
    "Voice",
    "VoiceMix",
    "WeightedVoice",
    "WordTiming",
    "check_save_path",
    "read_book",
    "speakable",
]

_HALVES = {
    "AsyncSpeechBatch": "facade._async.batch",
    "AsyncSpeechClient": "facade._async.client",
    "AsyncNarration": "facade._async.narration",
    "AsyncRealtimeSession": "facade._async.realtime",
    "AsyncRealtimeSpeech": "facade._async.realtime",
    "AsyncSpeechStream": "facade._async.stream",
    "SpeechBatch": "facade._sync.batch",
    "SpeechClient": "facade._sync.client",
    "Narration": "facade._sync.narration",
    "RealtimeSession": "facade._sync.realtime",
    "RealtimeSpeech": "facade._sync.realtime",
    "SpeechStream": "facade._sync.stream",
}


def __getattr__(name: str) -> object:
    """Load a class of one half when it is first named."""
    if name not in _HALVES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(_import_module(_HALVES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
