from typing import Literal

AudioSpeechRequestResponseFormat = Literal["mp3", "mulaw", "raw", "wav"]

AUDIO_SPEECH_REQUEST_RESPONSE_FORMAT_VALUES: set[AudioSpeechRequestResponseFormat] = {
    "mp3",
    "mulaw",
    "raw",
    "wav",
}


def check_audio_speech_request_response_format(value: str) -> AudioSpeechRequestResponseFormat:
    if value in AUDIO_SPEECH_REQUEST_RESPONSE_FORMAT_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {AUDIO_SPEECH_REQUEST_RESPONSE_FORMAT_VALUES!r}")
