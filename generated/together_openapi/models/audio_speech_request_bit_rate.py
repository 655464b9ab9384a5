from typing import Literal

AudioSpeechRequestBitRate = Literal[32000, 64000, 96000, 128000, 192000]

AUDIO_SPEECH_REQUEST_BIT_RATE_VALUES: set[AudioSpeechRequestBitRate] = {
    32000,
    64000,
    96000,
    128000,
    192000,
}


def check_audio_speech_request_bit_rate(value: int) -> AudioSpeechRequestBitRate:
    if value in AUDIO_SPEECH_REQUEST_BIT_RATE_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {AUDIO_SPEECH_REQUEST_BIT_RATE_VALUES!r}")
