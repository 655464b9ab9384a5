"""What real networks and servers do to connections, and what each client must make of it."""

import asyncio
import gzip
import os
import socket
import ssl
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from facade import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AsyncSpeechClient,
    InternalServerError,
    InvalidRequestError,
    RateLimitError,
    RequestTooLargeError,
    RetryPolicy,
    SpeechClient,
    SpeechError,
    StreamInterruptedError,
    Timeouts,
)
from tests.conftest import KEY, Connect
from tests.faults.events import DONE, STREAM, a_stream, event
from tests.faults.listener import Listener
from tests.faults.server import SPEECH, FaultServer, Peer, Step, answer, then
from tests.key_search import assert_no_key, failure

pytestmark = pytest.mark.usefixtures("no_waits")

GOOD = answer(200, SPEECH)
GOOD_STREAM = a_stream(event(b"ab"), event(b"cd"), DONE)
BEGUN_STREAM = a_stream(event(b"ab"), end=False)
OTHER = answer(200, SPEECH.replace(b"\x01", b"\x02"))
ONE_CONNECTION = {"limits": httpx.Limits(max_connections=1)}
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


def stream_failure(listener: Listener, kind: type[SpeechError]) -> Any:
    """Listen, and return the exception: of exactly this class, and without the key."""
    with pytest.raises(SpeechError) as caught:
        listener.hear_all()
    assert type(caught.value) is kind, repr(caught.value)
    assert_no_key(caught.value)
    return caught.value


# --- compressed streams --------------------------------------------------------------------------


def squeezed_stream(content: bytes) -> bytes:
    return answer(200, gzip.compress(content), {**STREAM, "Content-Encoding": "gzip"})


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_compressed_stream_is_heard(connect: Connect, encoding: str) -> None:
    content = (event(b"ab") * 20_000) + DONE
    body = gzip.compress(content) if encoding == "gzip" else zlib.compress(content)
    with FaultServer(answer(200, body, {**STREAM, "Content-Encoding": encoding})) as server:
        assert Listener(connect(server.url)).hear_all() == b"ab" * 20_000


def test_compressed_stream_keeps_to_the_time(connect: Connect) -> None:
    """A few kilobytes that become megabytes of empty lines take seconds to look through."""
    with FaultServer(squeezed_stream(b"\n" * 30_000_000)) as server:
        speaker = connect(server.url, timeouts=Timeouts(total_s=0.5))
        error = stream_failure(Listener(speaker), APITimeoutError)
        assert "total_s=0.5" in str(error)
        assert server.saw_close()


def test_compressed_stream_lets_other_tasks_run() -> None:
    async def main(url: str) -> int:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        async with AsyncSpeechClient(KEY, base_url=url) as client:
            counting = asyncio.create_task(count())
            with pytest.raises(SpeechError):
                await client.stream("Hello.", voice="af_heart").read()
            counting.cancel()
        return turns

    # A hundred pieces, after each of which it is the others' turn.
    comments = (b":" + b"a" * 1000 + b"\n\n") * 6500
    with FaultServer(squeezed_stream(comments)) as server:
        assert asyncio.run(main(server.url)) > 60


def test_what_comes_at_once_becomes_no_more_than_so_much(connect: Connect) -> None:
    with FaultServer(squeezed_stream((b":" + b"a" * 1024 * 1024 + b"\n\n") * 40)) as server:
        error = stream_failure(Listener(connect(server.url)), StreamInterruptedError)
        assert "becomes more than 16777216 bytes out of a few" in str(error)


# --- forks ---------------------------------------------------------------------------------------


def in_child(act: Callable[[], object]) -> None:
    """Do something in a forked child, which then ends as programs do."""
    child = os.fork()
    if not child:  # pragma: no cover - the coverage of a child is not looked at
        status = 1
        try:
            act()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def leave_block(client: SpeechClient) -> None:
    with client:
        pass


def exit_program(client: SpeechClient) -> None:
    client.__exit__(SystemExit, SystemExit(), None)


@needs_fork
@pytest.mark.parametrize("end", [SpeechClient.close, leave_block, exit_program])
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_that_closes_its_parents_client_ends_no_call_of_it(
    end: Callable[[SpeechClient], None],
) -> None:
    go_on = threading.Event()

    def respond(peer: Peer) -> None:
        peer.send(BEGUN_STREAM)
        assert go_on.wait(10)
        body = event(b"cd") + DONE
        peer.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))

    with (
        FaultServer(GOOD, respond, GOOD) as server,
        SpeechClient(KEY, base_url=server.url) as client,
    ):
        client.synthesize("Hello.", voice="af_heart")
        with client.stream("Hello.", voice="af_heart") as stream:
            assert next(stream) == b"ab"
            in_child(lambda: end(client))
            go_on.set()
            assert list(stream) == [b"cd"]
        client.synthesize("Hello.", voice="af_heart")
        assert server.connections == 1


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_that_drops_its_parents_stream_does_not_end_it() -> None:
    go_on = threading.Event()

    def respond(peer: Peer) -> None:
        peer.send(BEGUN_STREAM)
        assert go_on.wait(10)
        body = event(b"cd") + DONE
        peer.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))

    with FaultServer(respond) as server, SpeechClient(KEY, base_url=server.url) as client:
        streams = [client.stream("Hello.", voice="af_heart")]
        assert next(streams[0]) == b"ab"

        def drop() -> None:
            with pytest.warns(ResourceWarning):
                streams.clear()
            client.close()

        in_child(drop)
        go_on.set()
        assert list(streams[0]) == [b"cd"]


def test_closing_elsewhere_ends_no_asynchronous_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a forked child does, within this process."""

    async def main() -> None:
        client = AsyncSpeechClient(KEY, base_url=server.url)
        stream = client.stream("Hello.", voice="af_heart")
        assert await anext(stream) == b"ab"
        monkeypatch.setattr(os, "getpid", lambda: -1)
        await client.aclose()
        monkeypatch.undo()
        go_on.set()
        assert [piece async for piece in stream] == [b"cd"]

    def respond(peer: Peer) -> None:
        peer.send(BEGUN_STREAM)
        assert go_on.wait(10)
        body = event(b"cd") + DONE
        peer.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))

    go_on = threading.Event()
    with FaultServer(respond) as server:
        asyncio.run(main())
        assert server.saw_close()


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk to be full")
def test_a_save_that_fails_gives_its_connection_back(connect: Connect) -> None:
    kept = []
    begun = a_stream(event(bytes(100_000)), end=False)
    with FaultServer(*[then(begun, Peer.wait_for_close)] * 2, GOOD_STREAM) as server:
        speaker = connect(server.url, timeouts=Timeouts(total_s=5), httpx_args=ONE_CONNECTION)
        for _ in range(2):
            listener = Listener(speaker)
            with pytest.raises(OSError, match="No space left") as caught:
                listener.save(Path("/dev/full"))
            # Whoever keeps the exception keeps the stream.
            kept.append((listener, caught.value))
            assert server.saw_close()
        assert Listener(speaker).hear_all() == b"abcd"


def test_a_read_that_is_too_large_gives_its_connection_back(connect: Connect) -> None:
    begun = a_stream(event(bytes(10)), end=False)
    with FaultServer(then(begun, Peer.wait_for_close), GOOD_STREAM) as server:
        speaker = connect(
            server.url,
            max_audio_bytes=9,
            timeouts=Timeouts(total_s=5),
            httpx_args=ONE_CONNECTION,
        )
        listener = Listener(speaker)
        with pytest.raises(APIConnectionError, match="max_audio_bytes=9"):
            listener.read()
        assert server.saw_close()
        assert Listener(speaker).hear_all() == b"abcd"


# --- connecting ----------------------------------------------------------------------------------


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port on which nobody answers, whichever of this machine's addresses is tried."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("0.0.0.0", 0), backlog=0))  # noqa: S104
        port: int = listener.getsockname()[1]
        for _ in range(8):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        yield port


def has_addresses(*addresses: str) -> Callable[..., Any]:
    """A look-up that finds these addresses."""

    def look_up(host: object, port: int, *_: object, **__: object) -> Any:
        if host not in ("many.invalid", b"many.invalid"):
            return real(host, port, *_, **__)
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, (address, port)) for address in addresses]

    real: Any = socket.getaddrinfo
    return look_up


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse rather than wait")
@pytest.mark.parametrize("limit", ["connect_s", "total_s"])
@pytest.mark.allow_hosts([f"127.0.0.{number}" for number in range(1, 7)])
def test_all_addresses_together_have_one_limit(
    kind: str, connect: Connect, silent_port: int, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = []

    def note(address: tuple[str, int], wait_s: float, **named: Any) -> socket.socket:
        waits.append(wait_s)
        return real(address, wait_s, **named)

    real = socket.create_connection
    monkeypatch.setattr(socket, "create_connection", note)
    look_up = has_addresses(*(f"127.0.0.{number}" for number in range(1, 7)))
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    speaker = connect(
        f"http://many.invalid:{silent_port}/v1",
        insecure_hosts=["many.invalid"],
        timeouts=Timeouts(**{limit: 0.3}),
        retry=RetryPolicy(attempts=1),
    )
    error = failure(speaker, APITimeoutError)
    assert f"{limit}=0.3 s" in str(error)
    assert not error.request_sent
    # The event loop connects in its own way.
    assert len(waits) == (6 if kind == "sync" else 0)
    assert sum(waits) <= 0.3


def test_a_silent_address_leaves_time_for_the_next(
    connect: Connect, silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sys.platform != "linux":
        pytest.skip("other systems refuse rather than wait")
    with FaultServer(GOOD) as server:

        def redirect(address: tuple[str, int], *given: Any, **named: Any) -> socket.socket:
            port = server.port if address[0] == "127.0.0.2" else address[1]
            return real(("127.0.0.1", port), *given, **named)

        real = socket.create_connection
        monkeypatch.setattr(socket, "create_connection", redirect)
        monkeypatch.setattr(socket, "getaddrinfo", has_addresses("127.0.0.1", "127.0.0.2"))
        speaker = connect(
            f"http://many.invalid:{silent_port}/v1",
            insecure_hosts=["many.invalid"],
            timeouts=Timeouts(connect_s=0.5),
        )
        if isinstance(speaker.client, SpeechClient):
            assert speaker.synthesize().content == SPEECH


def test_a_look_up_that_hangs_ends_with_the_time_to_connect(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def hang(*_: object, **__: object) -> None:
        over.wait(10)
        raise socket.gaierror(socket.EAI_NONAME, "too late")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    speaker = connect(
        "https://nowhere.invalid/v1",
        timeouts=Timeouts(connect_s=0.1),
        retry=RetryPolicy(attempts=1),
    )
    try:
        error = failure(speaker, APITimeoutError)
    finally:
        over.set()
    assert "no connection to nowhere.invalid:443 within connect_s=0.1 s" in str(error)
    assert not error.request_sent


# --- TLS -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "step",
    [
        Peer.reset,
        then(answer(200, b"R", length=9), Peer.reset),
        then(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + SPEECH, Peer.reset),
    ],
    ids=["before the answer", "in the body", "in a body that ends with the connection"],
)
def test_a_reset_over_tls_is_a_reset(
    connect: Connect, step: Step, server_tls: ssl.SSLContext, trust: ssl.SSLContext
) -> None:
    resend = RetryPolicy(resend_after_timeout=True)
    with FaultServer(step, GOOD, tls=server_tls) as server:
        speaker = connect(server.url, httpx_args={"verify": trust})
        error = failure(speaker, APIConnectionError)
        assert "TLS" not in str(error)
        assert error.request_sent
        assert error.transient
    with FaultServer(step, GOOD, tls=server_tls) as server:
        speaker = connect(server.url, httpx_args={"verify": trust}, retry=resend)
        assert speaker.synthesize().content == SPEECH


def test_an_address_that_answers_in_plain_text_is_told_as_tls(connect: Connect) -> None:
    with FaultServer(on_connect=then(answer(400, b"plain"), Peer.wait_for_close)) as server:  # type: ignore[arg-type]
        error = failure(connect(server.url.replace("http:", "https:")), APIConnectionError)
        assert f"TLS with 127.0.0.1:{server.port} failed" in str(error)


def test_an_address_that_never_answers_the_handshake_is_told_as_tls(connect: Connect) -> None:
    with FaultServer(on_connect=Peer.wait_for_close) as server:
        speaker = connect(
            server.url.replace("http:", "https:"),
            timeouts=Timeouts(connect_s=0.1),
            retry=RetryPolicy(attempts=1),
        )
        assert "does not answer the TLS handshake" in str(failure(speaker, APITimeoutError))


# --- wording -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (Peer.reset, "failed: [Errno 104] Connection reset by peer"),
        (Peer.close, "failed: Server disconnected without sending a response."),
        (
            then(answer(200, b"R", length=9), Peer.reset),
            "failed: [Errno 104] Connection reset by peer, after 1 bytes of the answer",
        ),
    ],
    ids=["reset", "closed", "reset in the body"],
)
@pytest.mark.parametrize("is_encrypted", [False, True])
@pytest.mark.skipif(sys.platform != "linux", reason="other systems number their errors otherwise")
def test_a_lost_connection_has_the_same_words_in_both_clients(
    connect: Connect,
    step: Step,
    said: str,
    is_encrypted: bool,
    server_tls: ssl.SSLContext,
    trust: ssl.SSLContext,
) -> None:
    with FaultServer(step, tls=server_tls if is_encrypted else None) as server:
        speaker = connect(server.url, httpx_args={"verify": trust})
        assert said in str(failure(speaker, APIConnectionError))


def test_over_tls_too_an_answer_may_end_with_the_connection(
    connect: Connect, server_tls: ssl.SSLContext, trust: ssl.SSLContext
) -> None:
    step = then(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + SPEECH, Peer.close)
    with FaultServer(step, tls=server_tls) as server:
        speaker = connect(server.url, httpx_args={"verify": trust})
        assert speaker.synthesize().content == SPEECH


def test_a_closed_client_is_named_as_the_reason(connect: Connect) -> None:
    with FaultServer(then(BEGUN_STREAM, Peer.wait_for_close)) as server:
        speaker = connect(server.url)
        listener = Listener(speaker).enter()
        assert listener.hear() == b"ab"
        speaker.close()
        with pytest.raises(StreamInterruptedError, match="the client has been closed"):
            listener.hear()


# --- the key -------------------------------------------------------------------------------------


def escaped(text: str) -> str:
    """A text as JSON may write it too."""
    return "".join(f"\\u{ord(character):04X}" for character in text)


@pytest.mark.parametrize("write", [str, escaped], ids=["plain", "escaped"])
@pytest.mark.parametrize(
    "make",
    [
        lambda key: answer(401, f'{{"error": {{"message": "bad {key}"}}}}'.encode()),
        lambda key: answer(200, f'{{"error": {{"message": "bad {key}"}}}}'.encode()),
        lambda key: answer(403, f'no "json" {key}'.encode()),
    ],
    ids=["401", "200", "no JSON"],
)
def test_a_key_that_is_sent_back_is_shown_nowhere(
    connect: Connect, write: Callable[[str], str], make: Callable[[str], bytes]
) -> None:
    with FaultServer(make(write(KEY))) as server:
        speaker = connect(server.url)
        with pytest.raises(APIError) as caught:
            speaker.synthesize()
        assert_no_key(caught.value)
        assert escaped(KEY) not in str(caught.value) + caught.value.body


@pytest.mark.parametrize(
    "piece",
    [
        f'data: {{"error": {{"message": "bad {KEY}"}}}}\n\n',
        f"event: error\ndata: {KEY}\n\n",
        f"data: {{{KEY}\n\n",
        f'data: {{"type":"conversation.item.audio_output.delta","delta":"{KEY}"}}\n\n',
        f": {KEY}\n\n",
    ],
    ids=["error", "event", "no JSON", "no base64", "cut"],
)
@pytest.mark.parametrize("before", [b"", event(b"ab")], ids=["first", "later"])
def test_a_stream_that_fails_shows_no_key_in_any_frame(
    connect: Connect, piece: str, before: bytes
) -> None:
    with FaultServer(a_stream(before + piece.encode())) as server:
        listener = Listener(connect(server.url))
        with pytest.raises(SpeechError) as caught:
            listener.hear_all()
        assert_no_key(caught.value)


@pytest.mark.parametrize("key", ["x", "1", "data", "a"])
def test_a_short_key_is_taken_out_of_no_data(connect: Connect, key: str) -> None:
    voices = b'{"data":[{"model":"hexgrad/Kokoro-82M","voices":[{"id":"af_heart"}]}]}'
    waits = answer(429, b"", {"Retry-After": "1"})
    with FaultServer(answer(200, voices), waits) as server:
        speaker = connect(server.url, api_key=key, retry=RetryPolicy(attempts=1))
        (voice,) = speaker.list_voices()
        assert (voice.model, voice.id) == ("hexgrad/Kokoro-82M", "af_heart")
        with pytest.raises(RateLimitError) as caught:
            speaker.synthesize()
        assert caught.value.retry_after_s == 1


# --- kept connections ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "surplus",
    [OTHER, b"H", b"HTTP/1.1 200 OK\r\n", b"0\r\n\r\n"],
    ids=["an answer", "a letter", "a line", "an end"],
)
@pytest.mark.parametrize("first", [GOOD, GOOD_STREAM], ids=["whole", "stream"])
@pytest.mark.parametrize("is_late", [False, True], ids=["at once", "later"])
@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
def test_a_surplus_answer_is_nobodys(
    connect: Connect,
    first: bytes,
    surplus: bytes,
    server_tls: ssl.SSLContext,
    trust: ssl.SSLContext,
    *,
    is_late: bool,
    is_tls: bool,
) -> None:
    sent = threading.Event()

    def respond(peer: Peer) -> None:
        if is_late:
            peer.send(first)
            threading.Event().wait(0.05)
            peer.send(surplus)
        else:
            peer.send(first + surplus)
        sent.set()

    with FaultServer(respond, GOOD, tls=server_tls if is_tls else None) as server:
        speaker = connect(server.url, httpx_args={"verify": trust})
        if first is GOOD:
            assert speaker.synthesize().content == SPEECH
        else:
            assert Listener(speaker).hear_all() == b"abcd"
        assert sent.wait(10)
        # So that it has come.
        threading.Event().wait(0.05)
        assert speaker.synthesize().content == SPEECH
        assert server.connections == 2


@pytest.mark.parametrize("end", [Peer.close, Peer.reset])
@pytest.mark.parametrize("use", ["call", "stream"])
def test_a_kept_connection_that_closes_as_a_request_arrives_is_replaced(
    connect: Connect, end: Callable[[Peer], None], use: str
) -> None:
    """Once: the second time it is no chance."""
    good = GOOD if use == "call" else GOOD_STREAM
    with FaultServer(GOOD, end, good) as server:
        speaker = connect(server.url, retry=RetryPolicy(attempts=1))
        speaker.synthesize()
        if use == "call":
            assert speaker.synthesize().content == SPEECH
        else:
            assert Listener(speaker).hear_all() == b"abcd"
        assert (server.connections, len(server.requests)) == (2, 3)
        server.answer_from_now_on(end)
        error = failure(speaker, APIConnectionError)
        assert error.request_sent
        assert (server.connections, len(server.requests)) == (3, 5)


@pytest.mark.parametrize(
    "step",
    [
        then(b"HTTP/1.1 200", Peer.reset),
        lambda peer: (threading.Event().wait(1.2), peer.close()),
    ],
    ids=["answer begun", "later"],
)
def test_a_kept_connection_that_ends_on_the_requests_account_is_told(
    connect: Connect, step: Step
) -> None:
    with FaultServer(GOOD, step, GOOD) as server:
        speaker = connect(server.url)
        speaker.synthesize()
        assert failure(speaker, APIConnectionError).request_sent
        assert len(server.requests) == 2


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param(lambda peer: peer.drip(b"x"), id="drip"),
        pytest.param(Peer.wait_for_close, id="stall"),
        pytest.param(Peer.reset, id="reset"),
    ],
)
@pytest.mark.parametrize("is_stream", [False, True], ids=["call", "stream"])
def test_the_status_wins_over_a_body_that_does_not_come(
    connect: Connect, rest: Any, *, is_stream: bool
) -> None:
    limits = Timeouts(total_s=0.4, first_audio_s=0.4)
    with FaultServer(then(answer(500, b"It broke.", length=10**6), rest)) as server:
        speaker = connect(server.url, timeouts=limits, retry=RetryPolicy(attempts=1))
        if is_stream:
            error = stream_failure(Listener(speaker), InternalServerError)
        else:
            error = failure(speaker, InternalServerError)
        assert error.body.startswith("It broke.")


def soon(end: Callable[[Peer], None]) -> Callable[[Peer], None]:
    """End, but not so fast that the system throws the answer away before it is read."""

    def act(peer: Peer) -> None:
        peer.server.released.wait(0.5)
        end(peer)

    return act


class Refuses:
    """Answers as soon as a request begins, and reads no more of it."""

    def __init__(self, end: Callable[[Peer], None]) -> None:
        self._end = end

    def __call__(self, peer: Peer) -> None:
        peer.receive()
        peer.send(answer(413, b'{"error": {"message": "Too much text."}}'))
        self._end(peer)


@pytest.mark.parametrize(
    "end", [soon(Peer.close), soon(Peer.reset), Peer.pause], ids=["close", "reset", "wait"]
)
@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
def test_an_answer_that_comes_before_the_request_was_read_is_told(
    connect: Connect,
    end: Callable[[Peer], None],
    server_tls: ssl.SSLContext,
    trust: ssl.SSLContext,
    *,
    is_tls: bool,
) -> None:
    def refuse(peer: Peer) -> None:
        if is_tls:
            peer.start_tls(server_tls)
        Refuses(end)(peer)

    with FaultServer(GOOD, on_connect=refuse) as server:
        url = server.url.replace("http:", "https:") if is_tls else server.url
        speaker = connect(url, timeouts=Timeouts(total_s=8), httpx_args={"verify": trust})
        error = failure(speaker, RequestTooLargeError, "Word. " * 2_000_000)
        assert error.message == "Too much text."
        server.released.set()


def test_a_large_request_is_sent_whole(
    connect: Connect, server_tls: ssl.SSLContext, trust: ssl.SSLContext
) -> None:
    text = "Word. " * 500_000
    for tls in (None, server_tls):
        with FaultServer(GOOD, tls=tls) as server:
            speaker = connect(server.url, httpx_args={"verify": trust})
            assert speaker.synthesize(text).content == SPEECH
            assert text.encode() in server.requests[0].body
            assert speaker.synthesize().content == SPEECH
            assert server.connections == 1


def test_a_connection_that_ends_while_a_large_request_is_sent(connect: Connect) -> None:
    """Politely, and without an answer; what more is sent is taken by nobody."""

    def end(peer: Peer) -> None:
        peer.receive()
        peer.end_sending()
        peer.pause()

    with FaultServer(GOOD, on_connect=end) as server:
        error = failure(connect(server.url), APIConnectionError, "Word. " * 2_000_000)
        assert "Server disconnected" in str(error)
        assert error.request_sent
        server.released.set()


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
def test_a_connection_that_breaks_while_a_large_request_is_sent(
    connect: Connect, server_tls: ssl.SSLContext, trust: ssl.SSLContext, *, is_tls: bool
) -> None:
    def break_off(peer: Peer) -> None:
        if is_tls:
            peer.start_tls(server_tls)
        peer.receive()
        peer.reset()

    with FaultServer(GOOD, on_connect=break_off) as server:
        url = server.url.replace("http:", "https:") if is_tls else server.url
        error = failure(
            connect(url, httpx_args={"verify": trust}), APIConnectionError, "Word. " * 2_000_000
        )
        assert error.request_sent
        assert "TLS" not in str(error)


# --- proxies -------------------------------------------------------------------------------------


@pytest.mark.parametrize("port", [0, 65536, 99999])
def test_a_proxy_with_an_impossible_port_is_refused(connect: Connect, port: int) -> None:
    with pytest.raises(InvalidRequestError, match="port") as caught:
        connect("https://speech.invalid/v1", httpx_args={"proxy": f"http://127.0.0.1:{port}"})
    assert caught.value.param == "httpx_args"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_unreachable_proxy_is_named(connect: Connect, scheme: str) -> None:
    with FaultServer(GOOD) as proxy:
        port = proxy.port
    speaker = connect(
        f"{scheme}://speech.invalid/v1",
        insecure_hosts=["speech.invalid"],
        httpx_args={"proxy": f"http://127.0.0.1:{port}"},
    )
    error = failure(speaker, APIConnectionError)
    assert f"through the proxy 127.0.0.1:{port}" in str(error)


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2"])
def test_a_proxy_of_the_environment_never_carries_what_stays_on_this_machine(
    connect: Connect, name: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultServer(GOOD) as proxy, FaultServer(GOOD) as server:
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        speaker = connect(server.url.replace("127.0.0.1", host))
        if host != "127.0.0.2":
            assert speaker.synthesize().content == SPEECH
        else:
            failure(speaker, APIConnectionError)
        assert proxy.connections == 0


def test_a_proxy_that_is_named_carries_it_all_the_same(connect: Connect) -> None:
    with FaultServer(GOOD) as proxy:
        arguments = {"proxy": f"http://127.0.0.1:{proxy.port}"}
        assert connect("http://127.0.0.1:9/v1", httpx_args=arguments).synthesize().content == SPEECH
        assert proxy.requests[0].target == "http://127.0.0.1:9/v1/audio/speech"
