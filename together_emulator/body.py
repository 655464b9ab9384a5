"""The body of a request, read as far as it is reasonable."""

from starlette.requests import Request

from together_emulator.errors import ApiError

MAX_BODY_BYTES = 1 << 20
"""The largest request body; a longer one is refused with 413."""

# A body that is too large is read up to here before the refusal: a client that is still sending
# when the connection closes may never see the answer.
_DRAINED_BYTES = 16 << 20


async def read_body(request: Request) -> bytes:
    """Read the body of a request.

    Raises:
        ApiError: It is too large.
        ClientDisconnect: The client has gone away.
    """
    pieces = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size <= MAX_BODY_BYTES:
            pieces.append(piece)
        elif size > _DRAINED_BYTES:
            break
    if size > MAX_BODY_BYTES:
        raise ApiError(
            413, f"the body is larger than {MAX_BODY_BYTES} bytes", code="request_too_large"
        )
    return b"".join(pieces)
