"""Streams over real connections: what goes wrong, how they end, what they leave behind."""

import asyncio
import gc
import io
import json
import logging
import ssl
import struct
import threading
import warnings
import wave
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
import soundfile  # type: ignore[import-untyped]

from facade import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AsyncSpeechClient,
    AudioFormat,
    EmptyAudioError,
    InternalServerError,
    InvalidRequestError,
    MalformedStreamError,
    PaymentRequiredError,
    RateLimitError,
    RetryPolicy,
    SpeechClient,
    SpeechError,
    StreamError,
    StreamInterruptedError,
    Timeouts,
    UnknownVoiceError,
    WordTiming,
)
from tests.conftest import KEY, Connect
from tests.faults.events import AUDIO, DONE, STREAM, a_stream, event
from tests.faults.listener import Listener, run
from tests.faults.server import FaultServer, Peer, Step, answer, chunked, then

pytestmark = pytest.mark.usefixtures("no_waits")

RESEND = RetryPolicy(resend_after_timeout=True)


GOOD = a_stream(event(b"ab") + event(b"cdef"), event(b"gh"), DONE)


def failure(listener: Listener, kind: type[SpeechError]) -> SpeechError:
    with pytest.raises(SpeechError) as caught:
        listener.hear_all()
    assert type(caught.value) is kind, repr(caught.value)
    assert KEY not in repr(caught.value) + str(vars(caught.value))
    return caught.value


# --- a good stream -----------------------------------------------------------------------------


def test_audio_comes_as_it_is_sent(connect: Connect) -> None:
    with FaultServer(
        then(a_stream(event(b"ab"), end=False), Peer.pause, b"%x\r\n" % len(event(b"cdef")))
    ) as server:
        listener = Listener(connect(server.url)).enter()
        assert listener.stream.format == AudioFormat("raw", "pcm_s16le", 24000, 1)
        assert listener.hear() == b"ab"
        assert listener.stream.bytes_received == 2
        assert listener.stream.duration_s == 1 / 24000
        assert listener.stream.request_id == "req-1"
        assert "2 bytes so far" in repr(listener.stream)
        listener.leave()


def test_an_event_may_come_in_pieces(connect: Connect) -> None:
    pieces = (event(b"cd")[:20], event(b"cd")[20:])
    with FaultServer(a_stream(event(b"ab"), *pieces, event(b"e"), event(b"f"), DONE)) as server:
        listener = Listener(connect(server.url))
        listener.hear_all()
        assert listener.pieces == [b"ab", b"cd", b"ef"]


def test_the_request_asks_for_a_stream_of_raw_audio_and_nothing_else(connect: Connect) -> None:
    with FaultServer(GOOD) as server:
        assert Listener(connect(server.url), "Hello.").hear_all() == b"abcdefgh"
        (request,) = server.requests
        assert json.loads(request.body) == {
            "input": "Hello.",
            "model": "hexgrad/Kokoro-82M",
            "voice": "af_heart",
            "response_format": "raw",
            "stream": True,
        }


def test_every_option_of_a_stream_is_sent(connect: Connect) -> None:
    options = {
        "model": "cartesia/sonic-2",
        "voice": "friendly sidekick",
        "response_encoding": "pcm_mulaw",
        "sample_rate": 8000,
        "language": "en",
        "segment": "immediate",
        "alignment": "word",
    }
    with FaultServer(GOOD) as server:
        listener = Listener(
            connect(server.url),
            "Hello.",
            pronunciation_dict={"omg": "oh my god"},
            extra_body={"speed": 2},
            **options,
        )
        assert listener.stream.format == AudioFormat("raw", "pcm_mulaw", 8000, 1)
        listener.hear_all()
        sent = json.loads(server.requests[0].body)
    assert sent == {
        **options,
        "input": "Hello.",
        "response_format": "raw",
        "stream": True,
        "extra_params": {"pronunciation_dict": ["omg/oh my god"]},
        "speed": 2,
    }


def test_words_come_with_the_audio(connect: Connect) -> None:
    words = {"words": ["Hi", "there"], "start_seconds": [0, 0.5], "end_seconds": [0.5, 1]}
    timings = {"type": "conversation.item.word_timestamps", **words}
    body = a_stream(event(b"ab"), b"data: " + json.dumps(timings).encode() + b"\n\n", DONE)
    with FaultServer(body) as server:
        listener = Listener(connect(server.url), alignment="word")
        assert list(listener.stream.words) == []
        listener.hear_all()
        assert listener.stream.words == [WordTiming("Hi", 0, 0.5), WordTiming("there", 0.5, 1)]


def test_a_stream_without_a_block_sends_its_request_at_the_first_samples(connect: Connect) -> None:
    with FaultServer(GOOD) as server:
        listener = Listener(connect(server.url))
        assert server.requests == []
        assert listener.stream.request_id is None
        assert listener.stream.bytes_received == 0
        assert b"".join(iter(listener.hear, None)) == b"abcdefgh"
        assert listener.hear() is None


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_five_streams_use_one_connection(
    connect: Connect, tls: bool, server_tls: ssl.SSLContext, trust: ssl.SSLContext
) -> None:
    with FaultServer(GOOD, tls=server_tls if tls else None) as server:
        speaker = connect(server.url, httpx_args={"verify": trust})
        for _ in range(5):
            assert Listener(speaker).hear_all() == b"abcdefgh"
        assert server.connections == 1
        assert len(server.requests) == 5


def test_what_follows_the_end_mark_is_read_in_bounds(connect: Connect) -> None:
    with FaultServer(then(a_stream(event(b"ab") + DONE, end=False), Peer.wait_for_close)) as server:
        assert Listener(connect(server.url)).hear_all() == b"ab"
        assert server.saw_close()
    with FaultServer(
        then(a_stream(event(b"ab") + DONE, end=False), lambda peer: peer.flood(b"4\r\n: :\n\r\n"))
    ) as server:
        assert Listener(connect(server.url)).hear_all() == b"ab"
        assert server.saw_close()


def test_a_cut_after_the_end_mark_harms_nothing(connect: Connect) -> None:
    with FaultServer(then(a_stream(event(b"ab") + DONE, end=False), Peer.reset), GOOD) as server:
        speaker = connect(server.url)
        assert Listener(speaker).hear_all() == b"ab"
        assert Listener(speaker).hear_all() == b"abcdefgh"


# --- what goes wrong ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        a_stream(event(b"ab"), event(b"cd")),
        then(a_stream(event(b"ab") + event(b"cd")[:-9]), Peer.close),
        then(a_stream(event(b"ab"), end=False), Peer.close),
        then(a_stream(event(b"ab"), end=False), Peer.reset),
        then(a_stream(event(b"ab"), end=False), b"nonsense\r\n"),
        then(answer(200, event(b"ab"), STREAM, length=1000), Peer.close),
    ],
    ids=["no end mark", "inside an event", "closed", "reset", "broken chunk", "short length"],
)
def test_a_stream_that_ends_too_early(connect: Connect, script: Step) -> None:
    with FaultServer(script) as server:
        listener = Listener(connect(server.url))
        error = failure(listener, StreamInterruptedError)
        assert isinstance(error, StreamError)
        assert listener.pieces[0] == b"ab"
        assert error.bytes_received == len(b"".join(listener.pieces))
        assert (error.request_id, error.cf_ray) == ("req-1", "ray-1")
        assert len(server.requests) == 1


def test_a_lost_connection_is_the_cause(connect: Connect) -> None:
    with FaultServer(then(a_stream(event(b"ab"), end=False), Peer.reset)) as server:
        error = failure(Listener(connect(server.url)), StreamInterruptedError)
        assert isinstance(error.__cause__, APIConnectionError)
        assert error.__cause__.__cause__ is not None


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (b'event: error\ndata: {"message":"it broke"}\n\n', APIError, "it broke"),
        (b'data: {"error":{"message":"it broke"}}\n\n', APIError, "it broke"),
        (b'data: {"error":"it broke"}\n\n', APIError, "it broke"),
        (
            b'data: {"type":"conversation.item.tts.failed","error":{"message":"it broke"}}\n\n',
            APIError,
            "it broke",
        ),
        (b"data: {\n\n", MalformedStreamError, "event 2"),
        (b'data: {"type":"%b","delta":"???"}\n\n' % AUDIO.encode(), MalformedStreamError, "base64"),
    ],
)
def test_a_bad_event_after_audio(
    connect: Connect, body: bytes, kind: type[SpeechError], message: str
) -> None:
    with FaultServer(then(a_stream(event(b"ab"), body, DONE))) as server:
        listener = Listener(connect(server.url))
        assert message in str(failure(listener, kind))
        assert listener.pieces == [b"ab"]
        assert server.saw_close()


def test_an_error_that_repeats_the_key_does_not_show_it(connect: Connect) -> None:
    with FaultServer(a_stream(b'data: {"error":"no such key: %b"}\n\n' % KEY.encode())) as server:
        error = failure(Listener(connect(server.url)), APIError)
        assert "[secret]" in str(error)


def test_a_stream_without_audio(connect: Connect) -> None:
    with FaultServer(a_stream(DONE)) as server:
        failure(Listener(connect(server.url)), EmptyAudioError)


@pytest.mark.parametrize(
    ("body", "headers", "message"),
    [
        (b'{"error":{"message":"no voice"}}', {"Content-Type": "application/json"}, "no voice"),
        (b'{"error":"no voice"}', STREAM, "no voice"),
        (b"<html><title>Busy</title></html>", {"Content-Type": "text/html"}, "text/html"),
        (b"RIFF....WAVE", {"Content-Type": "application/octet-stream"}, "octet-stream"),
        (b"\0\1\0\1", {"Content-Type": "audio/pcm"}, "audio/pcm"),
    ],
)
def test_an_answer_that_is_no_stream(
    connect: Connect, body: bytes, headers: dict[str, str], message: str
) -> None:
    with FaultServer(answer(200, body, headers)) as server:
        error = failure(Listener(connect(server.url)), APIError)
        assert message in str(error)


def test_an_endless_answer_that_is_no_stream(connect: Connect) -> None:
    head = answer(200, b"", {"Content-Type": "text/html"}, length=10**9)
    with FaultServer(then(head, lambda peer: peer.flood(b"<p>" * 1000))) as server:
        error = failure(Listener(connect(server.url)), APIError)
        assert isinstance(error, APIError)
        assert len(error.body) == 64 * 1024


def test_an_event_without_end(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facade._rules.sse.MAX_EVENT_BYTES", 100_000)
    script = then(answer(200, b"data: ", STREAM, length=10**9), lambda peer: peer.flood(b"a" * 999))
    with FaultServer(script) as server:
        failure(Listener(connect(server.url)), MalformedStreamError)
        assert server.saw_close()


@pytest.mark.parametrize("drip", [b": a comment\n", b"\n\n", b"data: {}\n\n"])
def test_comments_for_ever_and_no_audio(connect: Connect, drip: bytes) -> None:
    script = then(answer(200, b"", STREAM, length=10**9), lambda peer: peer.drip(drip))
    with FaultServer(script) as server:
        speaker = connect(server.url, timeouts=Timeouts(first_audio_s=0.2))
        error = failure(Listener(speaker), APITimeoutError)
        assert "first_audio_s=0.2" in str(error)
        assert server.saw_close()
        assert len(server.requests) == 1


def test_comments_for_ever_between_audio(connect: Connect) -> None:
    script = then(answer(200, event(b"ab"), STREAM, length=10**9), lambda peer: peer.drip(b":\n\n"))
    with FaultServer(script) as server:
        listener = Listener(connect(server.url, timeouts=Timeouts(read_s=0.2)))
        error = failure(listener, APITimeoutError)
        assert "read_s=0.2" in str(error)
        assert listener.pieces == [b"ab"]
        assert server.saw_close()


def test_the_limit_between_audio_is_not_the_one_before_it(connect: Connect) -> None:
    def pause(peer: Peer) -> None:
        peer.server.released.wait(0.5)

    script = then(
        a_stream(event(b"ab"), end=False),
        pause,
        chunked(event(b"cd"), DONE).partition(b"\r\n\r\n")[2],
    )
    with FaultServer(script) as server:
        speaker = connect(server.url, timeouts=Timeouts(first_audio_s=0.2, read_s=10))
        assert Listener(speaker).hear_all() == b"abcd"


def test_no_answer_at_all(connect: Connect) -> None:
    with FaultServer(Peer.wait_for_close) as server:
        speaker = connect(server.url, timeouts=Timeouts(first_audio_s=0.2))
        error = failure(Listener(speaker), APITimeoutError)
        assert "first_audio_s=0.2" in str(error)
        assert server.saw_close()


def test_the_total_time_of_a_stream(connect: Connect) -> None:
    script = then(
        answer(200, b"", STREAM, length=10**9), lambda peer: peer.drip(event(b"ab"), every_s=0.05)
    )
    with FaultServer(script) as server:
        error = failure(
            Listener(connect(server.url, timeouts=Timeouts(total_s=0.4))), APITimeoutError
        )
        assert "total_s=0.4" in str(error)


def test_the_applications_own_work_costs_no_time(connect: Connect) -> None:
    with FaultServer(
        then(a_stream(event(b"ab"), end=False), Peer.pause, b"%x\r\n" % len(event(b"cd")))
    ) as server:
        speaker = connect(server.url, timeouts=Timeouts(total_s=0.3, read_s=0.3))
        server.answer_from_now_on(a_stream(event(b"ab"), event(b"cd") * 40_000, DONE))
        listener = Listener(speaker).enter()
        assert listener.hear() == b"ab"
        threading.Event().wait(0.5)
        # More than the buffers between hold, so that it has to be waited for.
        assert listener.hear() == b"cd"
        listener.leave()


# --- retries -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 503, 529])
def test_a_passing_failure_before_the_stream_is_tried_again(connect: Connect, status: int) -> None:
    with FaultServer(answer(status), GOOD) as server:
        assert Listener(connect(server.url)).hear_all() == b"abcdefgh"
        assert len(server.requests) == 2


@pytest.mark.parametrize(("status", "kind"), [(429, RateLimitError), (500, InternalServerError)])
def test_a_lasting_failure_is_raised(
    connect: Connect, status: int, kind: type[SpeechError]
) -> None:
    with FaultServer(answer(status, b'{"error":{"message":"it broke"}}')) as server:
        assert "it broke" in str(failure(Listener(connect(server.url)), kind))
        assert len(server.requests) == 3


@pytest.mark.parametrize(
    "script",
    [
        then(a_stream(b": nothing yet\n\n", end=False), Peer.reset),
        then(a_stream(b": nothing yet\n\n", end=False), Peer.wait_for_close),
        a_stream(b": nothing yet\n\n"),
    ],
    ids=["reset", "late", "cut"],
)
def test_what_may_be_billed_is_sent_again_before_the_first_audio_and_only_if_asked(
    connect: Connect, script: Step
) -> None:
    timeouts = Timeouts(first_audio_s=0.2)
    with FaultServer(script, GOOD) as server:
        with pytest.raises(SpeechError):
            Listener(connect(server.url, timeouts=timeouts)).hear_all()
        assert len(server.requests) == 1
    with FaultServer(script, GOOD) as server:
        speaker = connect(server.url, timeouts=timeouts, retry=RESEND)
        assert Listener(speaker).hear_all() == b"abcdefgh"


def test_after_the_first_audio_nothing_is_sent_again(connect: Connect) -> None:
    with FaultServer(then(a_stream(event(b"ab"), end=False), Peer.reset), GOOD) as server:
        failure(Listener(connect(server.url, retry=RESEND)), StreamInterruptedError)
        assert len(server.requests) == 1


# --- endings -----------------------------------------------------------------------------------


def leave_block(listener: Listener) -> None:
    listener.leave()


def close(listener: Listener) -> None:
    listener.close()
    listener.close()


@pytest.mark.parametrize("end", [leave_block, close])
def test_a_stream_that_is_left_early_closes_its_connection(
    connect: Connect, end: Callable[[Listener], None]
) -> None:
    script = then(a_stream(event(b"ab"), end=False), Peer.wait_for_close)
    with FaultServer(script, GOOD) as server:
        speaker = connect(server.url)
        listener = Listener(speaker).enter()
        assert listener.hear() == b"ab"
        end(listener)
        assert server.saw_close()
        with pytest.raises(SpeechError, match="closed before its end"):
            listener.hear()
        assert Listener(speaker).hear_all() == b"abcdefgh"


def test_a_stream_that_another_thread_closes_ends_at_once() -> None:
    def wait(peer: Peer) -> None:
        waits.set()
        peer.wait_for_close()

    def listen() -> None:
        with pytest.raises(SpeechError, match="closed before its end"):
            next(stream)
        has_ended.set()

    waits, has_ended = threading.Event(), threading.Event()
    with (
        FaultServer(then(a_stream(event(b"ab"), end=False), wait)) as server,
        SpeechClient(KEY, base_url=server.url) as client,
        client.stream("Hello.", voice="af_heart") as stream,
    ):
        assert next(stream) == b"ab"
        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        assert waits.wait(10)
        # So that it is in the middle of waiting.
        threading.Event().wait(0.05)
        stream.close()
        assert has_ended.wait(10)


def test_a_stream_that_another_task_closes_ends_at_once() -> None:
    async def listen(url: str) -> None:
        async with (
            AsyncSpeechClient(KEY, base_url=url) as client,
            client.stream("Hello.", voice="af_heart") as stream,
        ):
            assert await anext(stream) == b"ab"
            more = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0.05)
            await stream.aclose()
            with pytest.raises(SpeechError, match="closed before its end"):
                await more

    with FaultServer(then(a_stream(event(b"ab"), end=False), Peer.wait_for_close)) as server:
        asyncio.run(listen(server.url))


def test_a_stream_that_was_closed_sends_nothing(connect: Connect) -> None:
    with FaultServer(GOOD) as server:
        listener = Listener(connect(server.url))
        listener.close()
        for use in (listener.hear, listener.enter, listener.read):
            with pytest.raises(SpeechError, match="closed"):
                use()
        assert server.requests == []


def test_a_stream_of_a_closed_client_sends_nothing(connect: Connect) -> None:
    with FaultServer(GOOD) as server:
        speaker = connect(server.url)
        listener = Listener(speaker)
        speaker.close()
        with pytest.raises(SpeechError, match="is closed"):
            listener.enter()
        with pytest.raises(SpeechError, match="is closed"):
            Listener(speaker)
        assert server.requests == []


def test_a_stream_that_is_never_closed_warns_and_hangs_up(connect: Connect) -> None:
    script = then(a_stream(event(b"ab"), end=False), Peer.wait_for_close)
    with FaultServer(script, GOOD) as server:
        speaker = connect(server.url)
        listener = Listener(speaker).enter()
        gc.collect()
        gc.disable()
        try:
            gone = weakref.ref(listener.stream)
            with pytest.warns(ResourceWarning, match="unclosed <"):
                del listener.stream
            assert gone() is None, "a stream must be in no reference cycle"
        finally:
            gc.enable()
        assert server.saw_close()
        assert Listener(speaker).hear_all() == b"abcdefgh"


def test_garbage_collection_takes_no_lock_of_the_pool(connect: Connect) -> None:
    """What runs while a thread holds the pool's lock must not wait for that lock."""
    script = then(a_stream(event(b"ab"), end=False), Peer.wait_for_close)
    with FaultServer(script) as server:
        speaker = connect(server.url)
        if isinstance(speaker.client, AsyncSpeechClient):
            return  # tasks take no locks from garbage collection
        listener = Listener(speaker).enter()
        pool = vars(vars(speaker.client)["_service"])["_transport"]
        lock = pool._slots._semaphore._cond
        done = threading.Event()

        def collect() -> None:
            with lock, warnings.catch_warnings(action="ignore"):
                del listener.stream
            done.set()

        threading.Thread(target=collect, daemon=True).start()
        assert done.wait(10)


def test_a_cancelled_stream_leaves_no_connection_behind(connect: Connect, kind: str) -> None:
    if kind == "sync":
        return  # only tasks are cancelled
    script = then(a_stream(event(b"ab"), end=False), Peer.wait_for_close)
    with FaultServer(script, GOOD) as server:
        speaker = connect(server.url)
        assert isinstance(speaker.client, AsyncSpeechClient)
        stream = speaker.client.stream("Hello.", voice="af_heart")

        async def listen() -> None:
            with anyio.move_on_after(0.1) as scope:
                async with stream:
                    async for _ in stream:
                        pass
            assert scope.cancelled_caught

        run(speaker, listen())
        assert server.saw_close()
        assert Listener(speaker).hear_all() == b"abcdefgh"


def test_a_loop_may_be_gone_on_with(connect: Connect) -> None:
    with FaultServer(GOOD) as server:
        speaker = connect(server.url)
        listener = Listener(speaker)
        # `b"".join` asks for the iterator twice before it takes anything.
        listener.begin_iterating()
        assert listener.hear() == b"ab"
        assert listener.hear_all() == b"abcdefgh"
        if isinstance(speaker.client, SpeechClient):
            assert b"".join(speaker.client.stream("Hello.", voice="af_heart")) == b"abcdefgh"


def test_its_audio_comes_once(connect: Connect, tmp_path: Path) -> None:
    with FaultServer(GOOD) as server:
        speaker = connect(server.url)
        listener = Listener(speaker)
        listener.hear_all()
        for use in (
            listener.begin_iterating,
            listener.read,
            lambda: listener.save(tmp_path / "again.raw"),
            listener.wav,
        ):
            with pytest.raises(SpeechError, match="has been iterated over"):
                use()
        assert list(tmp_path.iterdir()) == []


# --- saving and reading --------------------------------------------------------------------------


def test_read_gives_the_whole(connect: Connect) -> None:
    with FaultServer(GOOD) as server:
        audio = Listener(connect(server.url)).read()
        assert audio.content == b"abcdefgh"
        assert audio.format == AudioFormat("raw", "pcm_s16le", 24000, 1)
        assert audio.request_id == "req-1"


def test_read_has_a_limit(connect: Connect) -> None:
    with FaultServer(GOOD) as server:
        listener = Listener(connect(server.url, max_audio_bytes=7))
        with pytest.raises(APIConnectionError, match="max_audio_bytes=7"):
            listener.read()
        listener.close()
        assert Listener(connect(server.url, max_audio_bytes=7)).hear_all() == b"abcdefgh"


def test_a_wav_file_gets_a_header_with_the_true_sizes(connect: Connect, tmp_path: Path) -> None:
    with FaultServer(GOOD) as server:
        path = Listener(connect(server.url)).save(tmp_path / "speech.wav")
    with wave.open(str(path)) as file:
        assert file.getparams()[:4] == (1, 2, 24000, 4)
        assert file.readframes(9) == b"abcdefgh"
    assert path.stat().st_size == 44 + 8


def test_any_other_file_gets_the_samples_alone(connect: Connect, tmp_path: Path) -> None:
    with FaultServer(GOOD) as server:
        path = Listener(connect(server.url)).save(tmp_path / "speech.pcm")
    assert path.read_bytes() == b"abcdefgh"


def test_a_wav_of_an_odd_number_of_bytes_is_padded(connect: Connect, tmp_path: Path) -> None:
    with FaultServer(a_stream(event(b"abc"), DONE)) as server:
        options = {"model": "cartesia/sonic", "response_encoding": "pcm_mulaw"}
        listener = Listener(connect(server.url), voice="friendly sidekick", **options)
        path = listener.save(tmp_path / "speech.wav")
    assert path.read_bytes()[-4:] == b"abc\0"
    assert int.from_bytes(path.read_bytes()[-8:-4], "little") == 3


@pytest.mark.parametrize("name", ["speech.mp3", "speech.flac"])
def test_a_name_that_promises_something_else_is_refused_before_anything_is_sent(
    connect: Connect, tmp_path: Path, name: str
) -> None:
    with FaultServer(GOOD) as server:
        with pytest.raises(InvalidRequestError, match=name):
            Listener(connect(server.url)).save(tmp_path / name)
        with pytest.raises(InvalidRequestError, match="response_encoding"):
            Listener(connect(server.url), model="some/model").save(tmp_path / "speech.wav")
        assert server.requests == []


def test_a_stream_that_fails_leaves_no_file_behind(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "speech.wav").write_bytes(b"older")
    with FaultServer(a_stream(event(b"ab"))) as server, pytest.raises(StreamInterruptedError):
        Listener(connect(server.url)).save(tmp_path / "speech.wav")
    assert [path.name for path in tmp_path.iterdir()] == ["speech.wav"]
    assert (tmp_path / "speech.wav").read_bytes() == b"older"


# --- as the pieces of a WAV file -----------------------------------------------------------------

# What a browser is told of a file whose length nobody knows yet.
HEADER = (
    b"RIFF\xff\xff\xff\xffWAVE"
    + b"fmt \x10\0\0\0\1\0\1\0" + struct.pack("<IIHH", 24000, 48000, 2, 16)
    + b"data\xff\xff\xff\xff"
)  # fmt: skip


def test_a_wav_begins_with_a_header_and_goes_on_with_the_samples_as_they_come(
    connect: Connect,
) -> None:
    head = a_stream(event(b"ab"), end=False)
    rest = chunked(event(b"cd"), DONE).partition(b"\r\n\r\n")[2]
    with FaultServer(then(head, Peer.pause, rest)) as server:
        listener = Listener(connect(server.url))
        listener.wav()
        assert listener.hear() == HEADER + b"ab"
        assert listener.stream.bytes_received == 2
        server.released.set()
        assert listener.hear() == b"cd"
        assert listener.hear() is None
        assert listener.hear() is None


@pytest.mark.parametrize(
    ("encoding", "subtype"),
    [("pcm_s16le", "PCM_16"), ("pcm_f32le", "FLOAT"), ("pcm_mulaw", "ULAW")],
)
def test_other_programs_read_the_wav(connect: Connect, encoding: str, subtype: str) -> None:
    samples = bytes(range(8)) * 100
    options: dict[str, Any] = {
        "voice": "friendly sidekick",
        "response_encoding": encoding,
        "sample_rate": 8000,
    }
    with FaultServer(a_stream(event(samples[:8]), event(samples[8:]), DONE)) as server:
        listener = Listener(connect(server.url), model="cartesia/sonic", **options)
        listener.wav()
        while listener.hear() is not None:
            pass
    content = b"".join(listener.pieces)
    frames = len(samples) // {"PCM_16": 2, "FLOAT": 4, "ULAW": 1}[subtype]
    with soundfile.SoundFile(io.BytesIO(content)) as file:
        assert (file.samplerate, file.channels, file.subtype) == (8000, 1, subtype)
        assert len(file.read()) == frames
    if subtype == "PCM_16":
        with wave.open(io.BytesIO(content)) as reader:
            assert reader.getparams()[:3] == (1, 2, 8000)
            assert reader.readframes(frames + 1) == samples


def test_what_fails_before_the_audio_is_raised_before_a_piece_is_there(connect: Connect) -> None:
    with FaultServer(answer(402, b"{}")) as server:
        listener = Listener(connect(server.url))
        with pytest.raises(PaymentRequiredError):
            listener.wav()


def test_what_fails_later_is_raised_by_the_pieces(connect: Connect) -> None:
    with FaultServer(a_stream(event(b"ab"))) as server:
        listener = Listener(connect(server.url))
        listener.wav()
        assert listener.hear() == HEADER + b"ab"
        with pytest.raises(StreamInterruptedError):
            listener.hear()


def test_a_wav_of_samples_that_nobody_knows_is_refused_before_anything_is_sent(
    connect: Connect,
) -> None:
    with FaultServer(GOOD) as server:
        listener = Listener(connect(server.url), model="some/model")
        with pytest.raises(InvalidRequestError, match="needs encoding and sample rate"):
            listener.wav()
        assert server.requests == []
        assert listener.hear_all() == b"abcdefgh"


def test_the_audio_of_a_wav_comes_once_too(connect: Connect) -> None:
    with FaultServer(GOOD) as server:
        listener = Listener(connect(server.url))
        listener.wav()
        for use in (listener.wav, listener.read, listener.begin_iterating):
            with pytest.raises(SpeechError, match="has been taken as WAV"):
                use()
        listener.close()


@pytest.mark.parametrize("how", ["close_wav", "close", "leave"])
@pytest.mark.parametrize("heard", [0, 1])
def test_a_wav_that_is_closed_early_closes_the_stream(
    connect: Connect, how: str, heard: int
) -> None:
    with FaultServer(then(a_stream(event(b"ab"), end=False), Peer.wait_for_close)) as server:
        listener = Listener(connect(server.url)).enter()
        listener.wav()
        for _ in range(heard):
            listener.hear()
        getattr(listener, how)()
        assert server.saw_close()
        with pytest.raises(SpeechError, match="was closed before its end"):
            listener.hear()


def test_a_wav_that_a_web_framework_lets_go_of_is_closed_without_a_warning(
    connect: Connect,
) -> None:
    drops = then(a_stream(event(b"ab"), end=False), Peer.wait_for_close)
    with FaultServer(drops, GOOD) as server:
        speaker = connect(server.url)
        listener = Listener(speaker)
        listener.wav()
        listener.hear()
        listener.let_go()
        gc.collect()
        assert server.saw_close()
        assert Listener(speaker).hear_all() == b"abcdefgh"


# --- the rest ------------------------------------------------------------------------------------


def test_arguments_are_checked_when_the_stream_is_made(connect: Connect) -> None:
    with FaultServer(GOOD) as server:
        speaker = connect(server.url)
        with pytest.raises(UnknownVoiceError):
            Listener(speaker, voice="nobody")
        with pytest.raises(InvalidRequestError, match="alignment"):
            Listener(speaker, alignment="sentence")
        with pytest.raises(InvalidRequestError, match="extra_body"):
            Listener(speaker, extra_body={"stream": False})
        assert server.requests == []


def test_a_voice_that_is_not_in_the_catalogue_is_looked_up(connect: Connect) -> None:
    voices = {"data": [{"model": "cartesia/sonic", "voices": [{"id": "someone"}]}]}
    with FaultServer(answer(200, json.dumps(voices).encode()), GOOD) as server:
        listener = Listener(connect(server.url), voice="nobody", model="cartesia/sonic")
        assert server.requests == []
        failure(listener, UnknownVoiceError)
        assert len(server.requests) == 1


def test_one_line_of_log_says_what_came(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "facade")
    with FaultServer(GOOD) as server:
        Listener(connect(server.url), "A secret text.").hear_all()
    (line,) = [record.getMessage() for record in caplog.records if record.name == "facade"]
    assert "POST /v1/audio/speech" in line
    assert "200" in line
    assert "req-1" in line
    assert "secret" not in line


class _Canned(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport without sockets, as a test of an application may have one."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=httpx.ByteStream(event(b"ab") * 2 + DONE))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)


class _Endless(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __iter__(self) -> Iterator[bytes]:
        while True:
            threading.Event().wait(0.01)
            yield b":\n\n"

    async def __aiter__(self) -> AsyncIterator[bytes]:
        await anyio.sleep_forever()
        yield b""


class _Hanging(_Canned):
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=_Endless())


def test_a_transport_that_keeps_no_time_is_kept_to_it(connect: Connect) -> None:
    settings = {"httpx_args": {"transport": _Hanging()}, "timeouts": Timeouts(first_audio_s=0.1)}
    error = failure(Listener(connect("http://127.0.0.1:9", **settings)), APITimeoutError)
    assert "first_audio_s=0.1" in str(error)


class _Steady(_Canned, httpx.SyncByteStream, httpx.AsyncByteStream):
    """Gives some audio every 20 ms, two seconds long."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=self)

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(100):
            threading.Event().wait(0.02)
            yield event(b"ab")
        yield DONE

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            await anyio.lowlevel.checkpoint()
            yield piece


def test_the_total_time_over_a_transport_that_keeps_no_time(connect: Connect) -> None:
    settings = {"httpx_args": {"transport": _Steady()}, "timeouts": Timeouts(total_s=0.3)}
    error = failure(Listener(connect("http://127.0.0.1:9", **settings)), APITimeoutError)
    assert "total_s=0.3" in str(error)


def test_the_applications_own_work_costs_no_time_there_either(connect: Connect) -> None:
    settings = {"httpx_args": {"transport": _Steady()}, "timeouts": Timeouts(total_s=0.3)}
    listener = Listener(connect("http://127.0.0.1:9", **settings)).enter()
    assert listener.hear() == b"ab"
    threading.Event().wait(0.5)
    assert listener.hear() == b"ab"
    assert listener.hear() == b"ab"
    listener.leave()


def test_a_transport_without_sockets_streams_too(connect: Connect) -> None:
    speaker = connect("http://127.0.0.1:9", httpx_args={"transport": _Canned()})
    assert Listener(speaker).hear_all() == b"abab"
    listener = Listener(speaker).enter()
    with pytest.warns(ResourceWarning, match="unclosed <"):
        del listener.stream
