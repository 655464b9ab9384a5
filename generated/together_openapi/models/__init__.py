"""Contains all the data models used in inputs/outputs"""

from .audio_speech_request import AudioSpeechRequest
from .audio_speech_request_alignment import AudioSpeechRequestAlignment
from .audio_speech_request_bit_rate import AudioSpeechRequestBitRate
from .audio_speech_request_extra_params import AudioSpeechRequestExtraParams
from .audio_speech_request_response_encoding import AudioSpeechRequestResponseEncoding
from .audio_speech_request_response_format import AudioSpeechRequestResponseFormat
from .audio_speech_request_segment import AudioSpeechRequestSegment
from .audio_speech_stream_chunk import AudioSpeechStreamChunk
from .audio_speech_stream_event import AudioSpeechStreamEvent
from .error_data import ErrorData
from .error_data_error import ErrorDataError
from .known_speech_model import KnownSpeechModel
from .model_voices import ModelVoices
from .stream_sentinel import StreamSentinel
from .stream_sentinel_stream_signal import StreamSentinelStreamSignal
from .voice_details import VoiceDetails
from .voices_error import VoicesError
from .voices_error_error import VoicesErrorError
from .voices_response import VoicesResponse

__all__ = (
    "AudioSpeechRequest",
    "AudioSpeechRequestAlignment",
    "AudioSpeechRequestBitRate",
    "AudioSpeechRequestExtraParams",
    "AudioSpeechRequestResponseEncoding",
    "AudioSpeechRequestResponseFormat",
    "AudioSpeechRequestSegment",
    "AudioSpeechStreamChunk",
    "AudioSpeechStreamEvent",
    "ErrorData",
    "ErrorDataError",
    "KnownSpeechModel",
    "ModelVoices",
    "StreamSentinel",
    "StreamSentinelStreamSignal",
    "VoiceDetails",
    "VoicesError",
    "VoicesErrorError",
    "VoicesResponse",
)
