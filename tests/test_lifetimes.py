"""Clients shared by threads and tasks, closed, forked, cancelled, taken to another event loop."""

import asyncio
import gc
import multiprocessing
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx
import pytest

from facade import (
    APIConnectionError,
    AsyncSpeechClient,
    InvalidRequestError,
    RetryPolicy,
    SpeechClient,
    SpeechError,
    Timeouts,
)
from facade._transport.call import Call
from tests.conftest import KEY, Connect, Speaker
from tests.faults.events import DONE, a_stream, event
from tests.faults.listener import Listener, run
from tests.faults.server import SPEECH, FaultServer, Peer, answer
from tests.key_search import assert_no_frames_of_httpx, assert_no_key

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


# --- sharing -------------------------------------------------------------------------------------


def echo(peer: Peer) -> None:
    """Answer with the request's body, behind some audio."""
    peer.send(answer(200, SPEECH + peer.last_request.body))


def test_eight_threads_share_a_client() -> None:
    def speak(number: int) -> bool:
        text = f"Number {number}."
        return text.encode() in client.synthesize(text, voice="af_heart").content

    with (
        FaultServer(echo) as server,
        SpeechClient(KEY, base_url=server.url) as client,
        ThreadPoolExecutor(8) as threads,
    ):
        assert all(threads.map(speak, range(400)))
        assert len(server.requests) == 400
        assert server.connections <= 8


def test_tasks_share_a_client() -> None:
    async def speak(client: AsyncSpeechClient, number: int) -> bool:
        text = f"Number {number}."
        return text.encode() in (await client.synthesize(text, voice="af_heart")).content

    async def main() -> None:
        async with AsyncSpeechClient(KEY, base_url=server.url) as client:
            assert all(await asyncio.gather(*(speak(client, number) for number in range(100))))

    with FaultServer(echo) as server:
        asyncio.run(main())
        assert len(server.requests) == 100


def test_calls_do_not_wait_for_one_another() -> None:
    """Each is answered only when both have arrived."""
    both = threading.Barrier(2)

    def respond(peer: Peer) -> None:
        both.wait(10)
        peer.send(answer(200, SPEECH))

    async def main() -> None:
        async with AsyncSpeechClient(KEY, base_url=server.url) as client:
            await asyncio.gather(*(client.synthesize("Hello.", voice="af_heart") for _ in "12"))

    with FaultServer(respond) as server:
        asyncio.run(main())
        with (
            SpeechClient(KEY, base_url=server.url) as client,
            ThreadPoolExecutor(2) as threads,
        ):
            list(threads.map(lambda _: client.synthesize("Hello.", voice="af_heart"), "12"))


def test_a_slow_call_of_one_thread_does_not_shorten_another_s() -> None:
    """A connection is used by one call after another, each with a time of its own."""
    with (
        FaultServer(answer(200, SPEECH)) as server,
        SpeechClient(KEY, base_url=server.url, timeouts=Timeouts(total_s=1)) as client,
    ):
        for _ in range(3):
            client.synthesize("Hello.", voice="af_heart")
            threading.Event().wait(0.5)
        assert server.connections == 1


# --- closing -------------------------------------------------------------------------------------


def test_closed_client_says_so(connect: Connect) -> None:
    with FaultServer(answer(200, SPEECH)) as server:
        speaker = connect(server.url)
        speaker.synthesize()
        speaker.close()
        assert server.saw_close()
        speaker.close()
        name = type(speaker.client).__name__
        for use in (speaker.synthesize, speaker.list_voices, speaker.enter):
            with pytest.raises(SpeechError, match=f"^this {name} is closed; build another one$"):
                use()
        assert len(server.requests) == 1


def test_block_closes_its_client(connect: Connect) -> None:
    with FaultServer(answer(200, SPEECH)) as server:
        speaker = connect(server.url)
        assert speaker.enter() is speaker.client
        speaker.synthesize()
        speaker.leave()
        assert server.saw_close()
        with pytest.raises(SpeechError, match="is closed"):
            speaker.synthesize()


def test_client_closed_by_another_thread_between_two_attempts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with FaultServer(answer(503, headers={"Retry-After": "0"})) as server:
        client = SpeechClient(KEY, base_url=server.url)
        monkeypatch.setattr("facade._sync.client.sleep", lambda _: client.close())
        with pytest.raises(APIConnectionError, match="client has been closed") as caught:
            client.synthesize("Hello.", voice="af_heart")
        assert not caught.value.request_sent
        assert len(server.requests) == 1


def test_client_closed_by_another_thread_during_an_attempt() -> None:
    def respond(peer: Peer) -> None:
        client.close()
        peer.wait_for_close()

    with FaultServer(respond) as server:
        client = SpeechClient(KEY, base_url=server.url, timeouts=Timeouts(read_s=0.2))
        with pytest.raises(APIConnectionError):
            client.synthesize("Hello.", voice="af_heart")


@pytest.mark.parametrize(
    "arguments",
    [
        {"http2": True, "http1": False},
        {"transport": httpx.MockTransport(lambda _: httpx.Response(503))},
    ],
    ids=["http2", "transport"],
)
def test_client_closed_between_two_attempts_whatever_its_transport(
    connect: Connect, kind: str, arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent by what is closed."""
    client: Any = None

    def close(_: float) -> None:
        client.close()

    async def aclose(_: float) -> None:
        await client.aclose()

    with FaultServer(Peer.close) as server:
        speaker = connect(
            server.url,
            httpx_args=arguments,
            retry=RetryPolicy(attempts=2, resend_after_timeout=True),
        )
        client = speaker.client
        monkeypatch.setattr(f"facade._{kind}.client.sleep", close if kind == "sync" else aclose)
        with pytest.raises(APIConnectionError, match="client has been closed") as caught:
            speaker.synthesize()
        assert not caught.value.request_sent


# --- cancelling ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "begin",
    [
        pytest.param(b"", id="before the answer"),
        pytest.param(answer(200, b"R", length=9), id="in the body"),
        pytest.param(answer(400, b"R", length=9), id="in a failure"),
        pytest.param(None, id="in the handshake"),
    ],
)
def test_cancelled_call_leaves_no_connection(begin: bytes | None) -> None:
    arrived = threading.Event()

    def respond(peer: Peer) -> None:
        peer.send(begin or b"")
        arrived.set()
        peer.wait_for_close()

    async def cancel(url: str) -> None:
        async with AsyncSpeechClient(KEY, base_url=url) as client:
            call = asyncio.create_task(client.synthesize("Hello.", voice="af_heart"))
            assert await asyncio.to_thread(arrived.wait, 10)
            await asyncio.sleep(0.05)
            call.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await call
            assert_no_frames_of_httpx(caught.value)
            assert await asyncio.to_thread(server.saw_close)
            if begin is not None:
                server.answer_from_now_on(answer(200, SPEECH))
                await client.synthesize("Hello.", voice="af_heart")

    if begin is None:
        with FaultServer(on_connect=respond) as server:
            asyncio.run(cancel(server.url.replace("http", "https")))
    else:
        with FaultServer(respond) as server:
            asyncio.run(cancel(server.url))
    # What was left open would say so now.
    gc.collect()


def test_call_cancelled_while_it_waits_to_try_again() -> None:
    async def main() -> None:
        async with AsyncSpeechClient(KEY, base_url=server.url) as client:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.synthesize("Hello.", voice="af_heart"), 0.2)

    with FaultServer(answer(503, headers={"Retry-After": "30"})) as server:
        asyncio.run(main())
        assert len(server.requests) == 1


# --- event loops ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "use",
    [
        lambda client: client.synthesize("Hello.", voice="af_heart"),
        lambda client: client.synthesize("Hello.", voice="x", model="cartesia/sonic"),
        lambda client: client.list_voices(),
        lambda client: client.aclose(),
    ],
    ids=["synthesize", "look-up", "list_voices", "aclose"],
)
def test_client_belongs_to_one_event_loop(
    use: Callable[[AsyncSpeechClient], Awaitable[object]],
) -> None:
    async def first() -> None:
        await client.synthesize("Hello.", voice="af_heart")

    async def second() -> None:
        await use(client)

    with FaultServer(answer(200, SPEECH)) as server:
        client = AsyncSpeechClient(KEY, base_url=server.url)
        with asyncio.Runner() as runner:
            runner.run(first())
            with asyncio.Runner() as other, pytest.raises(SpeechError, match="another event loop"):
                other.run(second())
            # What went wrong there changed nothing here, and no voices were looked up.
            if not client._is_closed:
                runner.run(first())
            assert {request.method for request in server.requests} == {"POST"}
            runner.run(AsyncSpeechClient.aclose(client))


# --- forks ---------------------------------------------------------------------------------------


def in_child(run: Callable[[], object]) -> str:
    """Run something in a forked child, and return what came out, as text."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def main() -> None:
        try:
            sender.send(repr(run()))
        except BaseException as error:
            sender.send(repr(error))
            raise

    child = context.Process(target=main)
    child.start()
    sender.close()
    try:
        assert receiver.poll(20), "the child does not end"
        told: str = receiver.recv()
        child.join(20)
        return told
    finally:
        receiver.close()
        child.kill()
        child.join()
        child.close()


@needs_fork
def test_forked_child_has_connections_of_its_own() -> None:
    with (
        FaultServer(answer(200, SPEECH)) as server,
        SpeechClient(KEY, base_url=server.url) as client,
    ):
        client.synthesize("Hello.", voice="af_heart")
        told = in_child(lambda: client.synthesize("Child.", voice="af_heart").content == SPEECH)
        assert told == "True"
        assert server.connections == 2
        client.synthesize("Hello.", voice="af_heart")
        assert server.connections == 2


@needs_fork
def test_fork_during_a_look_up_does_not_block_the_child() -> None:
    """The child inherits a lock that nobody there will ever release."""
    arrived = threading.Event()

    def respond(peer: Peer) -> None:
        if peer.last_request.method == "GET" and not arrived.is_set():
            arrived.set()
            peer.pause()
        peer.send(answer(200, SPEECH))

    def speak() -> bool:
        audio = client.synthesize("Hello.", voice="somebody", model="cartesia/sonic")
        return audio.content == SPEECH

    with (
        FaultServer(respond) as server,
        SpeechClient(KEY, base_url=server.url) as client,
        ThreadPoolExecutor(1) as threads,
    ):
        parent = threads.submit(speak)
        assert arrived.wait(10)
        assert in_child(speak) == "True"
        server.released.set()
        assert parent.result(10)


@needs_fork
@pytest.mark.parametrize(
    "arguments",
    [
        {"transport": httpx.HTTPTransport()},
        {"mounts": {"all://": httpx.HTTPTransport()}},
    ],
    ids=["transport", "mounts"],
)
def test_forked_child_is_told_of_a_transport_it_cannot_share(arguments: dict[str, Any]) -> None:
    with (
        FaultServer(answer(200, SPEECH)) as server,
        SpeechClient(KEY, base_url=server.url, httpx_args=arguments) as client,
    ):
        client.synthesize("Hello.", voice="af_heart")
        told = in_child(lambda: client.synthesize("Child.", voice="af_heart"))
        assert told.startswith("SpeechError('this client has a transport of its own")
        client.synthesize("Hello.", voice="af_heart")
        assert server.connections == 1


def test_client_in_another_process_builds_everything_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a forked child does, within this process: its connections stay its parent's."""
    with (
        FaultServer(answer(200, SPEECH)) as server,
        SpeechClient(KEY, base_url=server.url) as client,
        SpeechClient(
            KEY, base_url=server.url, httpx_args={"transport": httpx.HTTPTransport()}
        ) as tied,
    ):
        client.synthesize("Hello.", voice="af_heart")
        parents = client._service
        monkeypatch.setattr(os, "getpid", lambda: -1)
        client.synthesize("Hello.", voice="af_heart")
        client.synthesize("Hello.", voice="af_heart")
        assert server.connections == 2
        with pytest.raises(SpeechError, match="built before this process was forked"):
            tied.synthesize("Hello.", voice="af_heart")
        parents.close()


def test_transport_may_be_shared_with_the_application() -> None:
    """Its own requests over our connections keep to their own time."""
    transport = httpx.HTTPTransport()
    with (
        FaultServer(answer(200, SPEECH)) as server,
        SpeechClient(KEY, base_url=server.url, httpx_args={"transport": transport}) as client,
    ):
        client.synthesize("Hello.", voice="af_heart")
        with httpx.Client(transport=transport) as other:
            assert other.get(server.url).content == SPEECH
        assert server.connections == 1


# --- memory, TLS ---------------------------------------------------------------------------------


def fail(speaker: Speaker) -> None:
    async def fail_async(client: AsyncSpeechClient) -> None:
        # Here, because a task that ends in a failure keeps it.
        with suppress(SpeechError):
            await client.synthesize("Hello.", voice="af_heart")

    if isinstance(speaker.client, AsyncSpeechClient):
        run(speaker, fail_async(speaker.client))
    else:
        with suppress(SpeechError):
            speaker.synthesize()


def test_what_an_answer_needed_is_free_without_the_garbage_collector(connect: Connect) -> None:
    def found() -> list[object]:
        return [
            at for at in gc.get_objects() if isinstance(at, httpx.Response | Call | SpeechError)
        ]

    def left() -> list[object]:
        return [at for at in found() if not any(at is other for other in before)]

    answers = [answer(200, SPEECH), a_stream(event(b"ab"), DONE), answer(400)]
    with FaultServer(*answers * 2) as server:
        speaker = connect(server.url)
        gc.collect()
        gc.disable()
        before = found()
        try:
            for _ in range(2):
                speaker.synthesize()
                assert left() == []
                Listener(speaker).hear_all()
                assert left() == []
                fail(speaker)
                assert left() == []
        finally:
            gc.enable()


@pytest.mark.parametrize("arguments", [{"http2": False}, {"trust_env": False}])
def test_clients_share_what_takes_long_to_build(
    connect: Connect, arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And those whose settings are written into it build their own."""
    built: list[ssl.SSLContext] = []
    build = ssl.create_default_context

    def count(*given: Any, **named: Any) -> ssl.SSLContext:
        built.append(build(*given, **named))
        return built[-1]

    connect("https://127.0.0.1:9/v1")
    monkeypatch.setattr(ssl, "create_default_context", count)
    connect("https://127.0.0.1:9/v1")
    assert built == []
    connect("https://127.0.0.1:9/v1", httpx_args=arguments)
    assert len(built) == 1


def test_first_import_and_client_need_no_event_loop_and_no_key_at_import() -> None:
    """The environment is read when a client is built."""
    program = (
        "import os, facade; os.environ['TOGETHER_API_KEY'] = 'k';"
        "print(facade.SpeechClient(), facade.AsyncSpeechClient())"
    )
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("TOGETHER")
    }
    told = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    url = "https://api.together.ai/v1"
    assert told.stdout == f"<SpeechClient {url}> <AsyncSpeechClient {url}>\n"
    assert told.stderr == ""


def test_half_built_client_can_be_shown(kind: str) -> None:
    """A traceback's local variables are shown by error trackers."""
    build = SpeechClient if kind == "sync" else AsyncSpeechClient
    with pytest.raises(InvalidRequestError) as caught:
        build(KEY, base_url="http://example.org", retry=RetryPolicy())
    assert_no_key(caught.value)
