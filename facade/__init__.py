"""Text to speech with Together AI.

from facade import SpeechClient

with SpeechClient() as client:
    client.synthesize("Hello there.", voice="af_heart").save("hello.wav")
"""

from facade._async.batch import AsyncSpeechBatch
from facade._async.client import AsyncSpeechClient
from facade._async.realtime import AsyncRealtimeSession, AsyncRealtimeSpeech
from facade._async.stream import AsyncSpeechStream
from facade._rules.heard import Heard
from facade._rules.options import (
    RealtimeOptions,
    SpeechOptions,
    StreamOptions,
    SynthesizeOptions,
)
from facade._rules.retry import RetryPolicy
from facade._rules.speakable import speakable
from facade._rules.words import WordTiming
from facade._sync.batch import SpeechBatch
from facade._sync.client import SpeechClient
from facade._sync.realtime import RealtimeSession, RealtimeSpeech
from facade._sync.stream import SpeechStream
from facade._transport.config import Timeouts
from facade.audio import SpeechAudio, SpeechFile, check_save_path
from facade.batch import BatchRequest, BatchResult
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
)
from facade.formats import AudioFormat
from facade.voices import Voice, VoiceMix, WeightedVoice

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "APITimeoutError",
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
    "EmptyAudioError",
    "Heard",
    "InternalServerError",
    "InvalidRequestError",
    "InvalidVoiceMixError",
    "MalformedStreamError",
    "NotFoundError",
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
    "Voice",
    "VoiceMix",
    "WeightedVoice",
    "WordTiming",
    "check_save_path",
    "speakable",
]
