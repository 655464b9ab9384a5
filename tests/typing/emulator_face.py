"""What type checkers see of the emulator, read as `public_face.py` is."""

from typing import assert_type

from together_emulator import Fault, Record, SpeechEmulator
from together_emulator.record import JsonValue


def the_emulator() -> None:
    with SpeechEmulator(cors=["http://localhost:3000"]) as emulator:
        assert_type(emulator, SpeechEmulator)
        emulator.fail_next(status=429, retry_after=1.5)
        emulator.fail_next(2, error_event="failed", at=1)
        emulator.fail_next(close=1011, at=0)
        emulator.fail_next(frame="binary", no_ack="session.updated", late_audio=0.5)
        emulator.fail_next(frame="square")  # type: ignore[arg-type]
        emulator.fail_next(status="429")  # type: ignore[arg-type]
        emulator.fail_next(status=429, body="htm")  # type: ignore[arg-type]
        emulator.fail_next(retry_afer=1)  # type: ignore[call-arg]
        assert_type(emulator.unused_faults, list[Fault])
        assert_type(emulator.requests, list[Record])
        assert_type(emulator.requests[0].body, dict[str, JsonValue])
        assert_type(emulator.requests[0].events, list[dict[str, JsonValue]])
        assert_type(emulator.websocket_url, str)
        assert emulator.requests[0].body["voice"] == "af_heart"
        assert_type(emulator.usd, dict[str, float | None])
