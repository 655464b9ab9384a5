"""Samples, which may be cut anywhere on their way."""


def whole_frames(audio: bytes, rest: bytes, frame_bytes: int) -> tuple[bytes, bytes]:
    """Return what is whole samples of `rest` and `audio` behind it, and what is left over."""
    if rest:
        audio = rest + audio
    left = len(audio) % frame_bytes
    return (audio[:-left], audio[-left:]) if left else (audio, b"")
