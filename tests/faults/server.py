"""A server for one test that speaks raw TCP, and does to a client whatever the test says.

A script is a list of steps, one for each request in the order of arrival, whichever connection it
comes on; the last one is repeated. A step is the bytes to answer with, or a function that is given
the `Peer` and may do anything. After a step the connection is kept for the next request.
"""

import contextlib
import socket
import ssl
import struct
import threading
import time
import wave
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from types import TracebackType
from typing import Self, TypeAlias


def _speech() -> bytes:
    file = BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, 24000, 0, "NONE", ""))
        writer.writeframes(bytes(range(256)) * 8)
    return file.getvalue()


# What a good answer holds.
SPEECH = _speech()

# Nothing here waits longer than this, whatever the client does.
_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Request:
    """A request as it arrived; header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class Peer:
    """The server's end of one connection."""

    def __init__(self, server: "FaultServer", connection: socket.socket) -> None:
        self.server = server
        self._connection = connection
        self._received = b""
        self.is_over = False
        self.last_request = Request("", "", {}, b"")

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Answer a TLS handshake."""
        self._connection = context.wrap_socket(self._connection, server_side=True)

    def read_request(self) -> Request | None:
        """Wait for a request; `None` where the client closed the connection."""
        head = self._read_until(b"\r\n\r\n")
        if head is None:
            return None
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        pairs = (line.partition(":") for line in lines[1:] if line)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        size = int(headers.get("content-length", "0"))
        while len(self._received) < size:
            if not self._receive():
                return None
        body, self._received = self._received[:size], self._received[size:]
        self.last_request = Request(method, target, headers, body)
        return self.last_request

    def send(self, content: bytes) -> None:
        """Send bytes as they are."""
        self._connection.sendall(content)

    def receive(self) -> bytes:
        """Wait for bytes; none where the client closed the connection."""
        return self._connection.recv(65536)

    def pause(self) -> None:
        """Do nothing until the test releases the server, or is over."""
        self.server.released.wait(_PATIENCE_S)

    def drip(self, piece: bytes, *, every_s: float = 0.02) -> None:
        """Send the same bytes again and again until the client goes away."""
        patience = time.monotonic() + _PATIENCE_S
        while not self.server.released.wait(every_s):
            self.send(piece)
            if time.monotonic() > patience:
                raise AssertionError("the client does not go away")

    def flood(self, piece: bytes) -> None:
        """Send the same bytes as fast as they go until the client goes away."""
        self.drip(piece, every_s=0)

    def sip(self) -> None:
        """Take what the client sends slowly, and never answer."""
        while received := self._connection.recv(65536):
            self.server.sipped += len(received)
            self.server.released.wait(0.02)
        self.server.closes.release()
        self.is_over = True

    def wait_for_close(self) -> None:
        """Wait until the client closes the connection, and say so to `FaultServer.saw_close`."""
        with contextlib.suppress(ConnectionResetError):
            while self._connection.recv(65536):
                pass
        self.server.closes.release()
        self.is_over = True

    def end_sending(self) -> None:
        """Say that nothing more will be sent."""
        self._connection.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the connection, politely."""
        self.is_over = True
        self._connection.close()

    def reset(self) -> None:
        """Break the connection off, so that the client gets a reset."""
        # Some systems throw away what the client has not read yet when a reset comes.
        self.server.released.wait(0.05)
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def abort(self) -> None:
        """End whatever the peer's thread is waiting for."""
        with contextlib.suppress(OSError):  # It may be over already.
            self._connection.shutdown(socket.SHUT_RDWR)

    def _read_until(self, mark: bytes) -> bytes | None:
        while mark not in self._received:
            if not self._receive():
                return None
        head, _, self._received = self._received.partition(mark)
        return head

    def _receive(self) -> bool:
        received = self._connection.recv(65536)
        self._received += received
        return bool(received)


Step: TypeAlias = bytes | Callable[[Peer], None]


class FaultServer:
    """A server on a free port of this machine, running while its `with` block does.

    Attributes:
        requests: The requests that came, in order.
        connections: How many connections were made.
        sipped: How many bytes were taken by `Peer.sip`.
        released: Set this to go on after a pause.
        closes: Counts the connections that the client closed; see `saw_close`.
    """

    def __init__(
        self,
        *steps: Step,
        on_connect: Callable[[Peer], None] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._steps = list(steps)
        self._on_connect = on_connect
        self._tls = tls
        self._lock = threading.Lock()
        self._is_over = False
        self._peers: list[Peer] = []
        self._threads: list[threading.Thread] = []
        self._faults: list[Exception] = []
        self.requests: list[Request] = []
        self.connections = 0
        self.sipped = 0
        self.released = threading.Event()
        self.closes = threading.Semaphore(0)
        self._ended = threading.Semaphore(0)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """What a client takes as `base_url`."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/v1"

    def answer_from_now_on(self, *steps: Step) -> None:
        """Go on with another script."""
        with self._lock:
            self._steps = list(steps)

    def saw_close(self) -> bool:
        """Wait until the client has closed one more connection, and say whether it did."""
        return self.closes.acquire(timeout=_PATIENCE_S)

    def wait_until_ended(self) -> None:
        """Wait until one more connection is over on this side."""
        assert self._ended.acquire(timeout=_PATIENCE_S)

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.released.set()
        self._is_over = True
        # Closing a listener does not wake a thread that waits for a connection; a connection does.
        socket.create_connection(("127.0.0.1", self.port), _PATIENCE_S).close()
        self._threads[0].join(_PATIENCE_S)
        self._listener.close()
        for peer in self._peers:
            peer.abort()
        for thread in self._threads:
            thread.join(_PATIENCE_S)
            assert not thread.is_alive(), "a thread of the fault server does not end"
        if self._faults and error is None:
            raise ExceptionGroup("a script of the fault server failed", self._faults)

    def _start(self, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=run, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._is_over:
                connection.close()
                return
            connection.settimeout(_PATIENCE_S)
            # What is sent just before a reset would else wait here, and be lost.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer = Peer(self, connection)
            self.connections += 1
            self._peers.append(peer)
            self._start(lambda peer=peer: self._serve(peer))  # type: ignore[misc]

    def _serve(self, peer: Peer) -> None:
        try:
            if self._on_connect is not None:
                self._on_connect(peer)
            if self._tls is not None and not peer.is_over:
                peer.start_tls(self._tls)
            while not peer.is_over:
                request = peer.read_request()
                if request is None:
                    self.closes.release()
                    return
                step = self._next_step(request)
                if isinstance(step, bytes):
                    peer.send(step)
                else:
                    step(peer)
        except TimeoutError as error:
            self._faults.append(error)
        except OSError:
            # The client has gone away, which is what many tests are about.
            self.closes.release()
        except Exception as error:  # noqa: BLE001 - told when the server ends
            self._faults.append(error)
        finally:
            peer.close()
            self._ended.release()

    def _next_step(self, request: Request) -> Step:
        with self._lock:
            self.requests.append(request)
            return self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]


def answer(
    status: int = 200,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    *,
    length: int | None = None,
) -> bytes:
    """A whole HTTP answer; `length` tells another Content-Length than the true one."""
    head = {"Content-Length": str(len(body) if length is None else length), **(headers or {})}
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in head.items())]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def chunked(*chunks: bytes, headers: Mapping[str, str] | None = None, end: bool = True) -> bytes:
    """A 200 answer in chunks; without `end` it is cut before the last one."""
    lines = ["HTTP/1.1 200 OK", "Transfer-Encoding: chunked"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head + body + (b"0\r\n\r\n" if end else b"")


def then(*acts: bytes | Callable[[Peer], None]) -> Step:
    """A step of several: bytes are sent, functions are called."""

    def step(peer: Peer) -> None:
        for act in acts:
            if isinstance(act, bytes):
                peer.send(act)
            else:
                act(peer)

    return step
