from typing import Literal

AudioSpeechRequestSegment = Literal["immediate", "never", "sentence"]

AUDIO_SPEECH_REQUEST_SEGMENT_VALUES: set[AudioSpeechRequestSegment] = {
    "immediate",
    "never",
    "sentence",
}


def check_audio_speech_request_segment(value: str) -> AudioSpeechRequestSegment:
    if value in AUDIO_SPEECH_REQUEST_SEGMENT_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {AUDIO_SPEECH_REQUEST_SEGMENT_VALUES!r}")
