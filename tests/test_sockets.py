"""Sockets of the asynchronous client, on asyncio and on trio."""

import asyncio
import errno
import socket
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import anyio
import anyio.lowlevel
import httpcore
import pytest

from facade._transport.socket_async import Socket, connect, families_in_turn

Run = Callable[[Callable[[], Awaitable[None]]], None]


@pytest.fixture(params=["asyncio", "trio"])
def run(request: pytest.FixtureRequest) -> Run:
    return lambda main: anyio.run(main, backend=request.param)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        yield listening


@pytest.fixture
def peers() -> Iterator[tuple[Socket, socket.socket]]:
    """Our end of a connection, and the other one."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.settimeout(10)
    with ours, theirs:
        yield Socket(ours), theirs


def finds(*ports: int) -> Callable[..., Any]:
    """A look-up that finds these ports of this machine."""

    def look_up(*_: object, **__: object) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]

    return look_up


def refused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@pytest.mark.parametrize("refused", [0, 1, 3])
def test_the_first_address_that_answers_is_taken(
    run: Run, listener: socket.socket, refused: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        ours = await connect("many.invalid", 1)
        theirs, _ = listener.accept()
        with theirs:
            await ours.send(b"Hello.")
            assert theirs.recv(99) == b"Hello."
            await ours.aclose()
            assert theirs.recv(99) == b""

    ports = [refused_port() for _ in range(refused)]
    monkeypatch.setattr(socket, "getaddrinfo", finds(*ports, listener.getsockname()[1]))
    run(main)


def test_no_address_that_answers_is_told_in_the_systems_words(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        with pytest.raises(OSError, match="refused") as caught:
            await connect("many.invalid", 1)
        assert caught.value.errno == errno.ECONNREFUSED

    monkeypatch.setattr(socket, "getaddrinfo", finds(refused_port(), refused_port()))
    run(main)


def test_of_two_addresses_that_answer_at_once_one_is_kept(
    run: Run, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        both = anyio.Event()
        waits = 0

        async def wait(_: object) -> None:
            nonlocal waits
            waits += 1
            if waits == 2:
                both.set()
            else:
                await both.wait()

        with monkeypatch.context() as patched:
            patched.setattr(anyio, "wait_writable", wait)
            ours = await connect("many.invalid", 1)
        await ours.send(b"Hello.")
        await ours.aclose()
        received = []
        for _ in range(2):
            theirs, _ = listener.accept()
            with theirs:
                received.append(theirs.recv(99))
        assert sorted(received) == [b"", b"Hello."]

    port = listener.getsockname()[1]
    monkeypatch.setattr(socket, "getaddrinfo", finds(port, port))
    run(main)


def test_an_address_that_is_silent_does_not_hold_up_the_next(
    run: Run, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        waiting = []

        async def wait(connection: socket.socket) -> None:
            waiting.append(connection)
            if len(waiting) == 1:
                await anyio.sleep_forever()

        monkeypatch.setattr(anyio, "wait_writable", wait)
        with anyio.fail_after(10):
            ours = await connect("many.invalid", 1)
        assert [connection.fileno() < 0 for connection in waiting] == [True, False]
        await ours.aclose()

    port = listener.getsockname()[1]
    monkeypatch.setattr(socket, "getaddrinfo", finds(port, port))
    run(main)


def test_families_take_turns() -> None:
    six, four = socket.AF_INET6, socket.AF_INET
    found: list[tuple[int, str]] = [(six, "a"), (six, "b"), (six, "c"), (four, "d")]
    assert families_in_turn(found) == [(six, "a"), (four, "d"), (six, "b"), (six, "c")]
    assert families_in_turn(found[::-1]) == [(four, "d"), (six, "c"), (six, "b"), (six, "a")]


def test_what_is_not_taken_at_once_is_sent_whole(
    run: Run, peers: tuple[Socket, socket.socket]
) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ours.send, sent)
            while len(received) < len(sent):
                received.extend(await anyio.to_thread.run_sync(theirs.recv, 64 * 1024))

    ours, theirs = peers
    sent, received = bytes(range(256)) * 20_000, bytearray()
    run(main)
    assert received == sent


def test_a_wait_ends_at_its_time(run: Run, peers: tuple[Socket, socket.socket]) -> None:
    async def main() -> None:
        ours.receive_until = ours.send_until = time.monotonic() + 0.05
        with pytest.raises(httpcore.ReadTimeout):
            await ours.receive()
        with pytest.raises(httpcore.WriteTimeout):
            await ours.send(bytes(50_000_000))

    ours, _ = peers
    run(main)


def test_what_has_come_is_given_after_a_write_that_failed(
    run: Run, peers: tuple[Socket, socket.socket]
) -> None:
    async def main() -> None:
        theirs.sendall(b"Why.")
        theirs.close()
        await ours.send(b"Hello.")
        assert ours.is_readable
        assert await ours.receive() == b"Why."
        with pytest.raises(anyio.EndOfStream):
            await ours.receive()

    ours, theirs = peers
    run(main)


def test_what_comes_is_read_before_more_is_sent(
    run: Run, peers: tuple[Socket, socket.socket]
) -> None:
    async def main() -> None:
        async def receive() -> None:
            told.append(await ours.receive())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receive)
            await anyio.wait_all_tasks_blocked()
            theirs.sendall(b"Stop.")
            await ours.send(b"More.")
            assert told == [b"Stop."]

    ours, theirs = peers
    told: list[bytes] = []
    run(main)


def test_others_get_their_turn_while_something_comes(
    run: Run, peers: tuple[Socket, socket.socket]
) -> None:
    async def main() -> None:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                await anyio.lowlevel.checkpoint()
                turns += 1

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(count)
            for _ in range(100_000):
                theirs.sendall(b".")
                await ours.receive()
                if turns >= 5:
                    break
            tasks.cancel_scope.cancel()
        assert turns >= 5

    ours, theirs = peers
    run(main)


def test_a_wait_that_is_cancelled_loses_nothing(
    run: Run, peers: tuple[Socket, socket.socket]
) -> None:
    async def main() -> None:
        received = b""
        while len(received) < 10:
            with anyio.move_on_after(0):
                received += await ours.receive(1)
            received += await ours.receive(1)
        assert received == b"0123456789"

    ours, theirs = peers
    theirs.sendall(b"0123456789")
    run(main)


def test_who_waits_learns_that_it_is_closed(run: Run, peers: tuple[Socket, socket.socket]) -> None:
    async def main() -> None:
        async def wait() -> None:
            with pytest.raises(anyio.ClosedResourceError):
                await ours.receive()
            woken.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            await ours.aclose()
            await ours.aclose()
        assert ours.is_readable
        with pytest.raises(anyio.BrokenResourceError):
            await ours.receive()

    ours, _ = peers
    woken = threading.Event()
    run(main)
    assert woken.is_set()


def test_what_comes_while_nobody_waits_is_not_lost(
    run: Run, peers: tuple[Socket, socket.socket]
) -> None:
    async def main() -> None:
        theirs.send(b"First.")
        assert await ours.receive() == b"First."
        with anyio.move_on_after(0.05):
            await ours.receive()
        theirs.send(b"Second.")
        # The loop sees it, and has nobody to tell.
        await anyio.sleep(0.05)
        assert await ours.receive() == b"Second."
        with anyio.move_on_after(0.05):
            await ours.receive()
        theirs.send(b"Third.")
        assert await ours.receive() == b"Third."

    ours, theirs = peers
    run(main)


def test_what_comes_as_the_wait_is_cancelled_is_not_lost(
    run: Run, peers: tuple[Socket, socket.socket]
) -> None:
    async def main() -> None:
        async def wait() -> None:
            with scope:
                received.append(await ours.receive())

        for number in range(50):
            scope = anyio.CancelScope()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait)
                await anyio.wait_all_tasks_blocked()
                theirs.send(b"%02d" % number)
                for _ in range(number % 4):
                    await anyio.lowlevel.checkpoint()
                scope.cancel()
            if ours.is_readable:
                received.append(await ours.receive())

    received: list[bytes] = []
    ours, theirs = peers
    run(main)
    assert b"".join(received) == b"".join(b"%02d" % number for number in range(50))


def test_a_reset_is_told_to_who_waits(run: Run, listener: socket.socket) -> None:
    async def main() -> None:
        ours = await connect("127.0.0.1", listener.getsockname()[1])
        theirs, _ = listener.accept()
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        async def wait() -> None:
            with pytest.raises(anyio.BrokenResourceError) as caught:
                await ours.receive()
            assert isinstance(caught.value.__cause__, ConnectionResetError)
            told.append(True)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            theirs.close()
        await ours.aclose()

    told: list[bool] = []
    run(main)
    assert told


def test_a_loop_that_knows_no_sockets(
    peers: tuple[Socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As asyncio's own on Windows, where anyio has a way."""
    refused = []

    def refuse(*_: object) -> None:
        refused.append(True)
        raise NotImplementedError

    async def main() -> None:
        monkeypatch.setattr(asyncio.get_running_loop(), "add_reader", refuse)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await anyio.sleep(0.05)
            theirs.send(b"Here.")

    async def wait() -> None:
        assert await ours.receive() == b"Here."

    ours, theirs = peers
    anyio.run(main)
    assert refused


def test_its_end_may_be_sent_alone(run: Run, peers: tuple[Socket, socket.socket]) -> None:
    async def main() -> None:
        await ours.send_eof()
        assert theirs.recv(9) == b""
        theirs.sendall(b"Still here.")
        assert await ours.receive() == b"Still here."

    ours, theirs = peers
    run(main)
