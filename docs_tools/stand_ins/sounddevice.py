"""Stands for a sound card, and writes what it is played to `loudspeaker.wav`."""

import wave
from typing import Any, Self


class PortAudioError(Exception):
    """What the real one raises."""


class RawOutputStream:
    """Takes 16-bit samples, as the real one does."""

    latency = 0.0

    def __init__(self, *, samplerate: int, channels: int, dtype: str, **_: Any) -> None:
        if dtype != "int16":
            raise PortAudioError(f"dtype {dtype!r} is not int16, which is all that is known here")
        self._file = wave.open("loudspeaker.wav", "wb")  # noqa: SIM115 - closed by `close`
        self._file.setnchannels(channels)
        self._file.setsampwidth(2)
        self._file.setframerate(samplerate)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Begin to play."""

    def write(self, samples: bytes) -> None:
        """Play samples."""
        self._file.writeframes(samples)

    def stop(self) -> None:
        """Play to the end."""

    def abort(self) -> None:
        """Fall silent at once."""

    def close(self) -> None:
        """Let go of the card."""
        self._file.close()
