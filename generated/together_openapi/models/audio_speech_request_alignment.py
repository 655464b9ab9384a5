from typing import Literal

AudioSpeechRequestAlignment = Literal["none", "word"]

AUDIO_SPEECH_REQUEST_ALIGNMENT_VALUES: set[AudioSpeechRequestAlignment] = {
    "none",
    "word",
}


def check_audio_speech_request_alignment(value: str) -> AudioSpeechRequestAlignment:
    if value in AUDIO_SPEECH_REQUEST_ALIGNMENT_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {AUDIO_SPEECH_REQUEST_ALIGNMENT_VALUES!r}")
