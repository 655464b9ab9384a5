"""Answers with status 200 that are not what was asked for, in whole or from some event on."""

import json
import os
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from facade import (
    APIConnectionError,
    APIError,
    APIStatusError,
    AuthenticationError,
    EmptyAudioError,
    MalformedStreamError,
    SpeechError,
    StreamInterruptedError,
)
from tests.conftest import KEY, Connect
from tests.faults.events import AUDIO, DONE, STREAM, a_stream, event
from tests.faults.listener import Listener
from tests.faults.server import SPEECH, FaultServer, Peer, Step, answer, chunked, then
from tests.key_search import assert_no_key, failure

pytestmark = pytest.mark.usefixtures("no_waits")

IDS = {"x-request-id": "req-1", "cf-ray": "ray-1"}


def stream_failure(listener: Listener, kind: type[SpeechError]) -> SpeechError:
    """Take a stream to its end, and return the exception: of exactly this class."""
    with pytest.raises(SpeechError) as caught:
        listener.hear_all()
    assert type(caught.value) is kind, repr(caught.value)
    assert_no_key(caught.value)
    return caught.value


# --- WAV ---------------------------------------------------------------------------------------


def until_the_end(body: bytes) -> Step:
    """An answer that lasts until its connection ends, as HTTP/1.0 has it."""
    return then(
        b"HTTP/1.1 200 OK\r\nx-request-id: req-1\r\ncf-ray: ray-1\r\n\r\n" + body, Peer.close
    )


@pytest.mark.parametrize("size", [2000, 44, 20])
@pytest.mark.parametrize(
    "framed",
    [until_the_end, lambda body: answer(200, body, IDS), lambda body: chunked(body, headers=IDS)],
    ids=["end of connection", "length", "chunks"],
)
@pytest.mark.parametrize("response_format", ["wav", "raw"])
def test_a_wav_that_was_cut_is_no_success(
    connect: Connect, framed: Callable[[bytes], Step], size: int, response_format: str
) -> None:
    with FaultServer(framed(SPEECH[:size])) as server:
        speaker = connect(server.url)
        error = failure(speaker, APIConnectionError, response_format=response_format)
        assert f"{size} of {len(SPEECH)} bytes came" in str(error)
        assert error.bytes_received == size
        assert (error.request_id, error.cf_ray) == ("req-1", "ray-1")
        # It was processed, and billed.
        assert len(server.requests) == 1


@pytest.mark.parametrize("unknown", [0, 0xFFFFFFFF])
def test_a_wav_without_sizes_promises_nothing(connect: Connect, unknown: int) -> None:
    size = struct.pack("<I", unknown)
    speech = SPEECH[:4] + size + SPEECH[8:40] + size + SPEECH[44:]
    with FaultServer(answer(200, speech[:2000]), answer(200, speech[:44])) as server:
        speaker = connect(server.url)
        audio = speaker.synthesize()
        assert len(audio.content) == 2000
        assert audio.duration_s == (2000 - 44) / 2 / 24000
        failure(speaker, EmptyAudioError)


@pytest.mark.parametrize("response_format", ["wav", "raw"])
def test_a_wav_without_samples_is_empty(connect: Connect, response_format: str) -> None:
    empty = SPEECH[:4] + struct.pack("<I", 36) + SPEECH[8:40] + bytes(4)
    with FaultServer(answer(200, empty, IDS)) as server:
        error = failure(connect(server.url), EmptyAudioError, response_format=response_format)
        assert error.request_id == "req-1"


def test_synthesize_and_stream_agree_on_an_answer_of_nothing(connect: Connect) -> None:
    for nothing in (answer(200, b"", STREAM), chunked(headers=STREAM)):
        with FaultServer(nothing) as server:
            speaker = connect(server.url)
            failure(speaker, EmptyAudioError)
            failure(speaker, EmptyAudioError, response_format="raw")
            stream_failure(Listener(speaker), EmptyAudioError)


# --- no audio ----------------------------------------------------------------------------------

TEXTS = [
    pytest.param(b"Internal Server Error", "text in place of audio: Internal Server", id="text"),
    pytest.param(
        b"upstream connect error or disconnect/reset before headers",
        "text in place of audio: upstream connect error",
        id="Envoy",
    ),
    pytest.param('{"error": "no such voice"}'.encode("utf-16"), "no such voice", id="UTF-16"),
    pytest.param(
        "<html><body>Das Haus ist für heute geschlossen</body></html>".encode("latin-1"),
        "a page in place of audio: Das Haus ist f\ufffdr heute",
        id="page in Latin-1",
    ),
    pytest.param(
        event(b"abcdef") + b'data: {"bad":"\xff"}\n\n',
        "an event stream in place of audio",
        id="event stream with a bad byte",
    ),
]


@pytest.mark.parametrize("response_format", ["mp3", "raw"])
@pytest.mark.parametrize("content_type", ["audio/wav", "text/plain"])
@pytest.mark.parametrize(("body", "message"), TEXTS)
def test_text_is_no_audio(
    connect: Connect, body: bytes, message: str, content_type: str, response_format: str
) -> None:
    headers = {"Content-Type": content_type, **IDS}
    with FaultServer(answer(200, body, headers)) as server:
        error = failure(connect(server.url), APIError, response_format=response_format)
        assert message in error.message
        assert (error.request_id, error.cf_ray) == ("req-1", "ray-1")
        assert len(server.requests) == 1


@pytest.mark.parametrize("response_format", ["wav", "mp3"])
def test_bytes_without_the_beginning_that_was_asked_for(
    connect: Connect, response_format: str
) -> None:
    with FaultServer(answer(200, bytes(range(256)) * 10)) as server:
        error = failure(connect(server.url), APIError, response_format=response_format)
        assert f"2560 bytes that do not begin as {response_format} does" in str(error)


@pytest.mark.parametrize("status", [201, 203, 206])
def test_audio_under_another_status_is_not_printed(connect: Connect, status: int) -> None:
    with FaultServer(answer(status, SPEECH, IDS)) as server:
        error = failure(connect(server.url), APIStatusError)
        assert error.status_code == status
        assert "RIFF" not in str(error)
        assert "only status 200" in str(error)


# --- a list of voices --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "kind", "message"),
    [
        (answer(200, b'{"error":{"message":"no such model"}}', IDS), APIError, "no such model"),
        (answer(200, b'{"error":"not now","data":[]}', IDS), APIError, "not now"),
        (answer(200, b"", IDS), APIError, "the list of voices cannot be read: the answer is empty"),
        (answer(204, b"", IDS), APIStatusError, "No Content; only status 200"),
        (answer(206, b'{"data":[]}', IDS), APIStatusError, '{"data":[]}'),
    ],
)
def test_what_is_no_list_of_voices(
    connect: Connect, step: bytes, kind: type[SpeechError], message: str
) -> None:
    with FaultServer(step) as server:
        with pytest.raises(SpeechError) as caught:
            connect(server.url).list_voices()
        assert type(caught.value) is kind
        assert message in str(caught.value)
        assert "req-1" in str(caught.value)
        assert "speak" not in str(caught.value)
        assert_no_key(caught.value)


# --- in place of a stream ----------------------------------------------------------------------


@pytest.mark.parametrize("content_type", ["text/plain", "application/octet-stream", "audio/wav"])
@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        ((b'\xef\xbb\xbf{"error":{"message":"no such voice"}}',), "no such voice"),
        ((b"\xef\xbb\xbf", b'{"error":"no such voice"}'), "no such voice"),
        ((b"\n", b'{"error":\n\n', b'"no such voice"}\n'), "no such voice"),
        ((b"Internal Server Error",), "in place of an event stream: Internal Server Error"),
        ((b"\0\1\xff\xfe" * 1000,), "what may be raw audio"),
        ((SPEECH,), "wav audio"),
    ],
    ids=["BOM", "BOM alone first", "newline first", "text", "samples", "wav"],
)
def test_what_comes_in_place_of_a_stream_is_told_in_its_own_words(
    connect: Connect, pieces: tuple[bytes, ...], message: str, content_type: str
) -> None:
    with FaultServer(chunked(*pieces, headers={**IDS, "Content-Type": content_type})) as server:
        error = stream_failure(Listener(connect(server.url)), APIError)
        assert message in str(error)
        assert "req-1" in str(error)
        assert len(server.requests) == 1


ECHO = KEY.encode()
ESCAPED = "".join(f"\\u{ord(letter):04x}" for letter in KEY).encode()


@pytest.mark.parametrize("before", [b"", event(b"ab")], ids=["first", "later"])
@pytest.mark.parametrize(
    "bad",
    [
        b'data: {"error":"no such key: %b"}\n\n' % ECHO,
        b'data: {"error":"no such \xff key: %b"}\n\n' % ECHO,
        b'data: {"error":"no such key: %b"}\n\n' % ESCAPED,
        b"event: error\ndata: %b\n\n" % ECHO,
        b"data: %b\n\n" % ECHO,
        b'data: {"type":"other","said":"\xff%b"}\n\n' % ECHO,
        b'data: {"type":"conversation.item.word_timestamps","words":["\xff%b"]}\n\n' % ECHO,
        b'data: {"type":"%b","delta":"%b"}\n\n' % (AUDIO.encode(), ECHO),
        b'data: {"type":"other","said":"\xff%b' % ECHO,
    ],
)
def test_a_key_that_is_sent_back_is_in_no_part_of_a_failure(
    connect: Connect, bad: bytes, before: bytes
) -> None:
    """Not even in the local variables of a traceback, or in what msgspec raised."""
    for pieces in ((before + bad,), (event(b"cd"), before + bad)):
        with FaultServer(a_stream(*pieces)) as server:
            with pytest.raises(SpeechError) as caught:
                Listener(connect(server.url)).hear_all()
            assert_no_key(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":"no such key: %b"}' % ESCAPED,
        json.dumps({"error": f"no such key: {KEY}"}).encode("utf-16"),
    ],
    ids=["escapes", "UTF-16"],
)
@pytest.mark.parametrize("status", [200, 401])
def test_a_key_that_is_sent_back_in_other_letters(
    connect: Connect, body: bytes, status: int
) -> None:
    with FaultServer(answer(status, body)) as server:
        speaker = connect(server.url)
        error = failure(speaker, APIError if status == 200 else AuthenticationError)
        assert error.message == "no such key: [secret]"
        assert "u0074" not in error.body
        with pytest.raises(APIError, match=r"no such key: \[secret\]") as caught:
            Listener(speaker).hear_all()
        assert_no_key(caught.value)


def test_a_key_of_one_letter_spoils_no_audio(connect: Connect) -> None:
    with FaultServer(answer(200, SPEECH)) as server:
        assert connect(server.url, api_key="R").synthesize().content == SPEECH


# --- in a stream -------------------------------------------------------------------------------

FAILED = b"conversation.item.tts.failed"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b'data: {"error":{"message":"k\xfcnstlich"}}\n\n', "k\ufffdnstlich"),
        (b'data: {"type":"error","message":"k\xfcnstlich"}\n\n', "k\ufffdnstlich"),
        (b'data: {"type":"%b"}\n\n' % FAILED, "tts.failed"),
        (b'data: {"object":"error","message":"it broke"}\n\n', "it broke"),
        (b'data: {"detail":"it broke"}\n\n', "it broke"),
        (b'data: {"message":"it broke","code":500}\n\n', "it broke"),
        (b"event: Error\ndata: it broke\n\n", "it broke"),
        (b'{"error":"it broke"}\n\n', "it broke"),
    ],
)
def test_what_speaks_of_an_error_is_one(connect: Connect, bad: bytes, message: str) -> None:
    with FaultServer(a_stream(event(b"ab"), bad, DONE)) as server:
        listener = Listener(connect(server.url))
        error = stream_failure(listener, APIError)
        assert message in str(error)
        assert listener.pieces == [b"ab"]


@pytest.mark.parametrize(
    "bad",
    [
        b'data: {"type":"%b\xff","delta":"YWI="}\n\n' % AUDIO.encode(),
        b'data: {"object":"audio.tts.chunk\xff","b64":"YWI="}\n\n',
        b'data: {"delta":"YW\xff=","type":"%b"}\n\n' % AUDIO.encode(),
        b'data: {"b64":"YW\xff=","object":"audio.tts.chunk"}\n\n',
        b'data: {"object":"another","b64":"YWI="}\n\n',
        b'data: {"type":"another","payload":"YWI="}\n\n',
    ],
)
def test_audio_is_never_lost_in_silence(connect: Connect, bad: bytes) -> None:
    with FaultServer(a_stream(event(b"ab"), bad, DONE)) as server:
        listener = Listener(connect(server.url))
        error = stream_failure(listener, MalformedStreamError)
        assert "event 2 " in str(error)
        assert listener.pieces == [b"ab"]


@pytest.mark.parametrize(
    "odd",
    [
        b"data:\n\n",
        b"event: ping\ndata: still here\n\n",
        b"\xef\xbb\xbf\xef\xbb\xbf",
        b'data: {"b64":"eHl6eg=="}\n\n',
        b'data: {"type":"%b","delta":"eHl6\\neg=="}\n\n' % AUDIO.encode(),
    ],
)
def test_oddities_are_no_errors(connect: Connect, odd: bytes) -> None:
    body = a_stream(odd + event(b"ab"), event(b"cd"), odd, event(b"ef"), b"data: [DONE] \n\n")
    with FaultServer(body) as server:
        audio = Listener(connect(server.url)).hear_all()
        assert audio.replace(b"xyzz", b"") == b"abcdef"
        assert audio.count(b"xyzz") == (2 if b"eHl6" in odd else 0)


def test_an_event_that_is_too_large_in_a_single_piece(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facade._rules.sse.MAX_EVENT_BYTES", 1000)
    with FaultServer(a_stream(event(b"ab"), event(bytes(900)), DONE)) as server:
        listener = Listener(connect(server.url))
        stream_failure(listener, MalformedStreamError)
        assert listener.pieces == [b"ab"]


def test_a_great_many_empty_lines_are_no_end(connect: Connect) -> None:
    body = a_stream(event(b"ab"), b"\n" * 200_000, event(b"cd"), DONE)
    with FaultServer(body) as server:
        assert Listener(connect(server.url)).hear_all() == b"abcd"
    with FaultServer(a_stream(event(b"ab"), b"\n" * 200_000)) as server:
        stream_failure(Listener(connect(server.url)), StreamInterruptedError)


def test_a_wav_that_is_saved_into_a_pipe_has_no_sizes(connect: Connect, tmp_path: Path) -> None:
    """What has been written to a pipe cannot be written anew when the sizes are known."""
    pipe = tmp_path / "speech.wav"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    with FaultServer(a_stream(event(b"ab") + event(b"cdef"), DONE)) as server:
        assert Listener(connect(server.url)).save(pipe) == pipe
    reader.join(10)
    (content,) = read
    assert content[:4] + content[8:16] == b"RIFFWAVEfmt "
    assert content[4:8] == content[40:44] == b"\xff" * 4
    assert content[44:] == b"abcdef"
