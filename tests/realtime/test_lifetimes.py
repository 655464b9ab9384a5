"""What is left behind: by tasks that are cancelled, sessions that are dropped, processes forked."""

import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import anyio
import pytest

from facade import AsyncSpeechClient, SpeechClient, SpeechError
from tests.conftest import KEY
from tests.realtime.server import (
    APPEND,
    CANCEL,
    SECOND,
    WAIT_S,
    Peer,
    RealtimeServer,
    spoken,
)


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_cancelled_task_ends_its_turn(loop: str) -> None:
    cancelled = threading.Event()

    def script(peer: Peer) -> None:
        peer.greet()
        context = peer.expect(APPEND)["context_id"]
        peer.audio(context, bytes(SECOND))
        peer.expect(CANCEL)
        cancelled.set()
        peer.audio(context, bytes(SECOND), "late")
        peer.serve()

    async def main(url: str) -> bytes:
        async with (
            AsyncSpeechClient(KEY, base_url=url) as client,
            client.realtime(voice="af_heart") as session,
        ):
            with anyio.move_on_after(0.3) as scope:
                async with session.speak("Hello there.") as speech:
                    async for _ in speech:
                        pass
            assert scope.cancelled_caught
            assert speech.ending == "interrupted"
            return (await session.speak("Next.").read()).content

    with RealtimeServer(script) as server:
        assert anyio.run(main, server.url, backend=loop) == spoken("Next.")
        assert cancelled.wait(WAIT_S)


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_cancelled_session_closes(loop: str) -> None:
    async def main(url: str) -> None:
        async with AsyncSpeechClient(KEY, base_url=url) as client:
            with anyio.move_on_after(0.3) as scope:
                async with client.realtime(voice="af_heart") as session:
                    await session.speak().read()
            assert scope.cancelled_caught

    with RealtimeServer() as server:
        anyio.run(main, server.url, backend=loop)
        assert server.peer.close_code() == 1001


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_what_the_block_raises_comes_out_as_it_is(loop: str) -> None:
    async def main(url: str) -> None:
        async with (
            AsyncSpeechClient(KEY, base_url=url) as client,
            client.realtime(voice="af_heart") as session,
            session.speak("Hello."),
        ):
            raise ZeroDivisionError

    with RealtimeServer() as server, pytest.raises(ZeroDivisionError):
        anyio.run(main, server.url, backend=loop)


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_session_may_be_closed_before_its_block_ends(loop: str) -> None:
    async def main(url: str) -> None:
        async with (
            AsyncSpeechClient(KEY, base_url=url) as client,
            client.realtime(voice="af_heart") as session,
        ):
            await session.aclose()
            with pytest.raises(SpeechError, match="session is closed"):
                session.speak("Hello.")

    with RealtimeServer() as server:
        anyio.run(main, server.url, backend=loop)


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_session_belongs_to_its_loop(loop: str) -> None:
    found: list[Any] = []

    async def begin(url: str) -> None:
        async with (
            AsyncSpeechClient(KEY, base_url=url) as client,
            client.realtime(voice="af_heart") as session,
        ):
            found.append(session)
            await anyio.to_thread.run_sync(anyio.run, use)

    async def use() -> None:
        with pytest.raises(SpeechError, match="another process, or event loop"):
            await found[0].speak("Hello.").read()

    with RealtimeServer() as server:
        anyio.run(begin, server.url, backend=loop)


def test_a_dropped_session_hangs_up() -> None:
    with RealtimeServer() as server, SpeechClient(KEY, base_url=server.url) as client:
        session = client.realtime(voice="af_heart").__enter__()
        session.speak("Hello.").read()
        holder = [session]
        del session
        with pytest.warns(ResourceWarning, match="unclosed <RealtimeSession"):
            holder.clear()
        server.peer.connection.recv_events_thread.join(WAIT_S)
        assert not server.peer.connection.recv_events_thread.is_alive()


def test_a_dropped_asynchronous_session_hangs_up() -> None:
    async def main(url: str) -> None:
        async with AsyncSpeechClient(KEY, base_url=url) as client:
            holder = [client.realtime(voice="af_heart")]
            await holder[0].__aenter__()
            await holder[0].speak("Hello.").read()
            with pytest.warns(ResourceWarning, match="unclosed <AsyncRealtimeSession"):
                holder.clear()
            await anyio.to_thread.run_sync(server.peer.connection.recv_events_thread.join, WAIT_S)

    with RealtimeServer() as server:
        anyio.run(main, server.url)
        assert not server.peer.connection.recv_events_thread.is_alive()


def test_sessions_leave_no_threads_and_no_sockets() -> None:
    with RealtimeServer() as server, SpeechClient(KEY, base_url=server.url) as client:
        for _ in range(3):
            with client.realtime(voice="af_heart") as session:
                session.speak(iter(["Hello ", "there."])).read()
        with client.realtime(voice="af_heart"):
            client.close()
        ours = [thread for thread in threading.enumerate() if thread.name.startswith("facade")]
        assert ours == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_leaves_its_parent_alone(tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import os, sys, warnings
        from facade import SpeechClient, SpeechError

        client = SpeechClient("any", base_url=sys.argv[1])
        with client.realtime(voice="af_heart") as session:
            first = session.speak("First.").read()
            with warnings.catch_warnings(action="ignore"):
                child = os.fork()
            if not child:
                try:
                    session.speak("Child.").read()
                except SpeechError as error:
                    assert "another process" in str(error), error
                    session.close()
                    os._exit(7)
                os._exit(1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
            assert session.speak("Second.").read().content
        client.close()
    """)
    with RealtimeServer() as server:
        subprocess.run([sys.executable, "-c", program, server.url], check=True, timeout=60)
        assert len(server.peers) == 1
