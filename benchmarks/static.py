"""The least that the emulator's HTTP server can do: the same bytes for every request."""

import asyncio
import socket
import sys

import uvicorn
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope


async def serve(size: int) -> None:
    """Answer with so many bytes until the standard input ends, and say on which port."""
    body = bytes(size)
    headers = [(b"content-type", b"audio/wav"), (b"content-length", b"%d" % size)]

    async def app(_scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    # With the protocol named, as otherwise Nagle's algorithm stays on.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(2048)
        # What the emulator has, so that it differs in the application alone.
        config = uvicorn.Config(
            app,
            access_log=False,
            lifespan="off",
            log_level="warning",
            proxy_headers=False,
            ws="none",
        )
        server = asyncio.create_task(uvicorn.Server(config).serve([listener]))
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        server.cancel()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
