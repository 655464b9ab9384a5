from typing import Literal

AudioSpeechRequestResponseEncoding = Literal["pcm_alaw", "pcm_f32le", "pcm_mulaw", "pcm_s16le"]

AUDIO_SPEECH_REQUEST_RESPONSE_ENCODING_VALUES: set[AudioSpeechRequestResponseEncoding] = {
    "pcm_alaw",
    "pcm_f32le",
    "pcm_mulaw",
    "pcm_s16le",
}


def check_audio_speech_request_response_encoding(value: str) -> AudioSpeechRequestResponseEncoding:
    if value in AUDIO_SPEECH_REQUEST_RESPONSE_ENCODING_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {AUDIO_SPEECH_REQUEST_RESPONSE_ENCODING_VALUES!r}")
