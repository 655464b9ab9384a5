from typing import Literal

KnownSpeechModel = Literal["canopylabs/orpheus-3b-0.1-ft", "cartesia/sonic", "hexgrad/Kokoro-82M"]

KNOWN_SPEECH_MODEL_VALUES: set[KnownSpeechModel] = {
    "canopylabs/orpheus-3b-0.1-ft",
    "cartesia/sonic",
    "hexgrad/Kokoro-82M",
}


def check_known_speech_model(value: str) -> KnownSpeechModel:
    if value in KNOWN_SPEECH_MODEL_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {KNOWN_SPEECH_MODEL_VALUES!r}")
