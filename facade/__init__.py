"""Text to speech with Together AI.

from facade import SpeechClient

with SpeechClient() as client:
    client.synthesize("Hello there.", voice="af_heart").save("hello.wav")
"""

from facade._async_client import AsyncSpeechClient
from facade._client import SpeechClient
from facade._config import Timeouts
from facade._rules.retry import RetryPolicy
from facade._rules.stream_decoder import WordTiming
from facade.audio import SpeechAudio, check_save_path
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
from facade.streaming import AsyncSpeechStream, SpeechStream
from facade.voices import Voice, VoiceMix, WeightedVoice

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncSpeechClient",
    "AsyncSpeechStream",
    "AudioFormat",
    "AuthenticationError",
    "BadRequestError",
    "EmptyAudioError",
    "InternalServerError",
    "InvalidRequestError",
    "InvalidVoiceMixError",
    "MalformedStreamError",
    "NotFoundError",
    "PaymentRequiredError",
    "PermissionDeniedError",
    "RateLimitError",
    "RequestTooLargeError",
    "RetryPolicy",
    "SpeechAudio",
    "SpeechClient",
    "SpeechError",
    "SpeechStream",
    "StreamError",
    "StreamInterruptedError",
    "Timeouts",
    "UnknownVoiceError",
    "UnprocessableEntityError",
    "Voice",
    "VoiceMix",
    "WeightedVoice",
    "WordTiming",
    "check_save_path",
]
