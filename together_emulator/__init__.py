"""Together AI's text-to-speech API on your own machine, with a real voice.

Run it as a program, ``python -m together_emulator``, and point any client of the API at the URL
that it prints; or use `SpeechEmulator`, or in tests the fixtures of
`together_emulator.pytest_plugin`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from together_emulator.fault import Fault
    from together_emulator.process import SpeechEmulator
    from together_emulator.record import Moment, Record

__all__ = ["Fault", "Moment", "Record", "SpeechEmulator"]


def __getattr__(name: str) -> object:
    # pytest imports this package at every start, and most test runs need nothing of it.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from together_emulator import fault, process, record

    homes = {"Fault": fault, "Moment": record, "Record": record, "SpeechEmulator": process}
    return getattr(homes[name], name)
