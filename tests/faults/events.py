"""What a streamed answer is made of, in the shape that the live service sends."""

from base64 import b64encode

from tests.faults.server import chunked

STREAM = {"Content-Type": "text/event-stream", "x-request-id": "req-1", "cf-ray": "ray-1"}
DONE = b"data: [DONE]\n\n"
AUDIO = "conversation.item.audio_output.delta"


def event(audio: bytes) -> bytes:
    """An event of audio."""
    return b'data: {"type":"%b","delta":"%b"}\n\n' % (AUDIO.encode(), b64encode(audio))


def a_stream(*pieces: bytes, end: bool = True) -> bytes:
    """An answer in chunks; without `end` it is cut before the last one."""
    return chunked(*pieces, headers=STREAM, end=end)
