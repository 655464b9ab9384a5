"""The program that serves the API until it is told to stop."""

import asyncio
import logging
import os
import signal
import socket
import struct
import sys
import threading
from collections.abc import Collection, Iterator
from types import FrameType
from typing import NoReturn

import uvicorn
from starlette.types import Scope

from together_emulator.app import create_app
from together_emulator.body import MAX_BODY_BYTES
from together_emulator.engine import EngineError, engine
from together_emulator.limit import Demand


class StartError(Exception):
    """The server cannot start."""


def serve(
    host: str,
    port: int,
    *,
    exit_with_stdin: bool,
    cors: Collection[str] = (),
    demand: Demand | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, and print the base URL as soon as connections are accepted.

    It is the last word of the first line; two more say which client takes it with ``/v1``.

    Args:
        host: The address to listen on.
        port: The port, from 0 to 65535; 0 takes any free one.
        exit_with_stdin: Whether to stop at the end of standard input too, which comes when the
            process that holds its other end dies.
        cors: The origins of web pages that may use it; ``*`` stands for all.
        demand: The limits that hold at first; none unless given.

    Raises:
        StartError: The speech engine is missing, or the address cannot be used.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)
    try:
        engine()
    except EngineError as error:
        raise StartError(str(error)) from error
    listener = listen(host, port)
    server = _Server(
        uvicorn.Config(
            create_app(
                reset=lambda scope: server.reset(scope),
                stall=lambda scope: server.stall(scope),
                cors=cors,
                demand=demand,
            ),
            access_log=False,
            lifespan="off",
            log_level="warning",
            # They would hide which connection a request came by.
            proxy_headers=False,
            timeout_graceful_shutdown=2,
            ws="websockets-sansio",
            ws_max_size=MAX_BODY_BYTES,
            # Nobody knows whether the service asks if its clients are still there. Speech in base64
            # hardly gets smaller.
            ws_ping_interval=None,
            ws_per_message_deflate=False,
        )
    )
    logging.getLogger("uvicorn.error").addFilter(_is_worth_saying)
    if exit_with_stdin:
        threading.Thread(target=_watch_stdin, args=(server,), daemon=True).start()
    with listener:
        asyncio.run(server.serve([listener]))


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket.

    Raises:
        StartError: The address cannot be used.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # Not socket.create_server, which leaves the protocol open: asyncio then does not switch
        # Nagle's algorithm off, and every short answer takes 40 ms.
        listener = socket.socket(family, kind, protocol)
        try:
            if os.name == "posix":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(2048)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise StartError(f"cannot listen on {host} port {port}: {error.strerror}") from error
    return listener


def _is_worth_saying(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_NO_NEWS)


_NO_NEWS = (
    # It was cut on demand.
    "ASGI callable returned without completing response",
    "ASGI callable returned without completing handshake",
    # HTTP/2, which some clients ask for with each request.
    "Unsupported upgrade request",
)


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            host, port = listener.getsockname()[:2]
            address = f"[{host}]" if ":" in host else host
            root = f"http://{address}:{port}"
            print(  # noqa: T201
                f"together_emulator listening on {root}/v1\n"
                f"  for together-speech and OpenAI's SDK:  {root}/v1\n"
                f"  for Together's SDK, which adds /v1:    {root}",
                flush=True,
            )

    def reset(self, scope: Scope) -> None:
        """Reset the connection of a request."""
        for transport in self._transports(scope):
            # Not to linger is to drop what is still to be sent, and say so with a reset.
            transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER
            )
            transport.abort()

    def stall(self, scope: Scope) -> None:
        """Read no more from the connection of a session, so that not even a ping is answered."""
        for transport in self._transports(scope):
            transport.pause_reading()

    def _transports(self, scope: Scope) -> Iterator[asyncio.Transport]:
        for connection in self.server_state.connections.copy():
            transport = getattr(connection, "transport", None)
            if transport and transport.get_extra_info("peername")[:2] == scope["client"]:
                yield transport


_NO_LINGER = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


def _exit(_number: int, _frame: FrameType | None) -> NoReturn:
    # The server raises a signal again when it has shut down; this ends the program in order.
    raise SystemExit(0)


def _watch_stdin(server: uvicorn.Server) -> None:
    # Not through sys.stdin: its lock, held here at exit, would abort the interpreter.
    try:
        while os.read(0, 4096):
            pass
    except OSError:
        pass
    server.should_exit = True
