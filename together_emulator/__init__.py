"""Together AI's text-to-speech API on your own machine, with a real voice.

Run it as a program, ``python -m together_emulator``, and point any client of the API at the URL
that it prints; or use `SpeechEmulator`, or in tests the fixtures of
`together_emulator.pytest_plugin`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from together_emulator.process import SpeechEmulator

__all__ = ["SpeechEmulator"]


def __getattr__(name: str) -> Any:
    # pytest imports this package at every start, and most test runs need nothing of it.
    if name == "SpeechEmulator":
        from together_emulator.process import SpeechEmulator

        return SpeechEmulator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
