"""Streamed answers, over real sockets."""

import asyncio
import contextlib
import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from tests.emulator.listening import Heard, read_raw
from tests.emulator.streaming import Streamed, data_of, read_stream
from together_emulator.app import create_app
from together_emulator.engine import Engine, EngineError, Spoken

KOKORO = "hexgrad/Kokoro-82M"
CARTESIA = "cartesia/sonic-2"
TEXT = "We were away a year ago. Nobody knew where we were going."
SUBTYPES = {
    "pcm_s16le": "PCM_16",
    "pcm_f32le": "FLOAT",
    "pcm_mulaw": "ULAW",
    "pcm_alaw": "ALAW",
}
# At least 300 s.
LONG = "We were away a year ago and nobody knew where we were going. " * 95


def body(model: str = KOKORO, **fields: object) -> dict[str, object]:
    return {
        "model": model,
        "input": TEXT,
        "voice": "af_heart" if model == KOKORO else "friendly sidekick",
        "response_format": "raw",
        **fields,
    }


def stream(api: httpx.Client, shape: str | None = None, **fields: Any) -> Streamed:
    headers = {} if shape is None else {"x-emulate-stream-shape": shape}
    return read_stream(api.post("/audio/speech", json=body(**fields, stream=True), headers=headers))


def whole(api: httpx.Client, **fields: Any) -> bytes:
    response = api.post("/audio/speech", json=body(**fields))
    assert response.status_code == 200, response.text
    return response.content


def test_the_shape_of_the_live_service_is_the_default(api: httpx.Client) -> None:
    streamed = stream(api)
    assert streamed.end == "[DONE]"
    for event in streamed.events:
        assert event.keys() == {"type", "item_id", "delta"}
        assert event["type"] == "conversation.item.audio_output.delta"
        assert event["item_id"] == "tts_1"


def test_the_shape_of_the_contract(api: httpx.Client) -> None:
    streamed = stream(api, "A")
    assert streamed.end == "[DONE]"
    for event in streamed.events:
        assert event.keys() == {"object", "model", "b64"}
        assert (event["object"], event["model"]) == ("audio.tts.chunk", KOKORO)


def test_the_older_shape_has_an_end_mark_of_its_own(api: httpx.Client) -> None:
    streamed = stream(api, "c")
    assert streamed.end == '{"type":"done"}'
    for event in streamed.events:
        assert event.keys() == {"type", "audio"}
        assert event["type"] == "delta"


def test_a_shape_that_does_not_exist_is_refused(api: httpx.Client) -> None:
    headers = {"x-emulate-stream-shape": "d"}
    response = api.post("/audio/speech", json=body(stream=True), headers=headers)
    assert response.status_code == 400
    assert "x-emulate-stream-shape" in response.json()["error"]["message"]


@pytest.mark.parametrize("shape", ["a", "b", "c"])
@pytest.mark.parametrize("text", ["Hello.", TEXT, "One. Two! Three? Four."])
def test_the_pieces_are_the_whole(api: httpx.Client, shape: str, text: str) -> None:
    assert stream(api, shape, input=text).content == whole(api, input=text)


@pytest.mark.parametrize("encoding", SUBTYPES)
@pytest.mark.parametrize("sample_rate", [8000, 22050, 44100])
def test_cartesia_honours_encoding_and_rate(
    api: httpx.Client, encoding: str, sample_rate: int
) -> None:
    options: dict[str, Any] = {"response_encoding": encoding, "sample_rate": sample_rate}
    streamed = stream(api, model=CARTESIA, **options)
    assert streamed.content == whole(api, model=CARTESIA, **options)
    heard = Heard(read_raw(streamed.content, sample_rate, SUBTYPES[encoding]), sample_rate)
    assert heard.voiced > 0.5
    assert heard.duration == pytest.approx(len(whole(api)) / 48000, rel=0.02)


def test_kokoro_ignores_encoding_and_rate(api: httpx.Client) -> None:
    streamed = stream(api, response_encoding="pcm_f32le", sample_rate=8000)
    assert streamed.content == stream(api).content
    assert Heard(read_raw(streamed.content, 24000, "PCM_16"), 24000).low_share > 0.9


@pytest.mark.parametrize("name", ["pcm", "mulaw"])
def test_the_other_formats_without_a_container(api: httpx.Client, name: str) -> None:
    assert stream(api, response_format=name).content == whole(api, response_format=name)


def test_a_piece_is_a_tenth_of_a_second_in_whole_samples(api: httpx.Client) -> None:
    for model, rate, frame in ((KOKORO, 24000, 2), (CARTESIA, 44100, 4)):
        pieces = stream(api, model=model).audio
        size = rate // 10 * frame
        assert {len(piece) for piece in pieces[:5]} == {size}
        assert all(0 < len(piece) <= size and len(piece) % frame == 0 for piece in pieces)


@pytest.mark.parametrize("segment", ["sentence", "immediate", "never"])
def test_segment_does_not_change_a_text_that_is_all_there(api: httpx.Client, segment: str) -> None:
    assert stream(api, segment=segment).content == stream(api).content


@pytest.mark.parametrize("name", ["wav", "mp3", None])
def test_only_raw_audio_is_streamed(api: httpx.Client, name: str | None) -> None:
    fields = body(stream=True)
    del fields["response_format"]
    response = api.post(
        "/audio/speech", json=fields if name is None else fields | {"response_format": name}
    )
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/json"
    assert response.json()["error"]["param"] == "response_format"


def test_a_refusal_is_a_status_and_no_event(api: httpx.Client) -> None:
    response = api.post("/audio/speech", json=body(stream=True, voice="nobody"))
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/json"
    assert response.json()["error"]["param"] == "voice"


@contextlib.contextmanager
def slow_reader(url: str, fields: dict[str, object]) -> Iterator[Iterator[bytes]]:
    """A client that has asked for a stream and whose kernel takes in little that it does not read.

    Gives the pieces of the answer.
    """
    target = httpx.URL(url)
    request = httpx.Request(
        "POST", url + "/audio/speech", json=fields, headers={"Authorization": "Bearer any"}
    )
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(20)
        connection.connect((target.host, target.port or 0))
        connection.sendall(f"POST /v1/audio/speech HTTP/1.1\r\n{head}\r\n".encode())
        connection.sendall(request.content)
        yield iter(lambda: connection.recv(1024), b"")


def last_request(url: str) -> dict[str, Any]:
    """The log's record of the last request."""
    report = httpx.get(httpx.URL(url).join("/emulator/requests")).json()
    record: dict[str, Any] = report["requests"][-1]
    return record


def seconds_at_rest(api: httpx.Client, number: int) -> float:
    """How much is spoken for a request of the log when no more comes."""
    before = -1.0
    while True:
        records = httpx.get(api.base_url.join("/emulator/requests")).json()["requests"]
        (spoken,) = (record["spoken_s"] for record in records if record["number"] == number)
        if spoken == before:
            return float(spoken)
        before = spoken
        for place in range(3):
            # Sentences take turns, so that its own would come between these; no two are alike.
            whole(api, input=f"We were away a year ago, {number}, {spoken}, {place}.")


def read_audio(pieces: Iterator[bytes]) -> bytes:
    """Read until the first event has come; gives what came."""
    received = b""
    while b"delta" not in received or b"\n\n" not in received.partition(b"data: ")[2]:
        received += next(pieces)
    return received


def test_audio_leaves_while_the_rest_is_still_to_be_spoken(
    api: httpx.Client, emulator_url: str
) -> None:
    """And a reader that is slow has nothing piled up for it."""
    seconds = len(whole(api, input=LONG)) / 48000
    assert seconds > 300
    with slow_reader(emulator_url, body(input=LONG, stream=True)) as pieces:
        assert read_audio(pieces).startswith(b"HTTP/1.1 200 OK\r\n")
        record = last_request(emulator_url)
        assert record["state"] == "open"
        assert 0 < seconds_at_rest(api, record["number"]) < seconds / 2


def test_a_client_that_goes_away_stops_its_speech(api: httpx.Client, emulator_url: str) -> None:
    with slow_reader(emulator_url, body(input=LONG, stream=True)) as pieces:
        read_audio(pieces)
    record = last_request(emulator_url)
    assert record["state"] == "broken"
    assert 0 < seconds_at_rest(api, record["number"]) < 150


def test_who_asks_on_an_open_connection_sees_a_stream_settled_that_was_left(
    emulator_url: str,
) -> None:
    """Such a question may be read at the same time as the end of the stream's connection."""
    with httpx.Client() as asking:
        report = httpx.URL(emulator_url).join("/emulator/requests")
        asking.get(report)
        for _ in range(20):
            with slow_reader(emulator_url, body(input=LONG, stream=True)) as pieces:
                read_audio(pieces)
            assert asking.get(report).json()["requests"][-1]["state"] == "broken"


WORDS = TEXT.replace(".", "").split()


@pytest.mark.parametrize("model", [KOKORO, CARTESIA])
@pytest.mark.parametrize("shape", ["a", "b", "c"])
def test_word_timings_come_in_order_on_the_timeline_of_the_whole(
    api: httpx.Client, model: str, shape: str
) -> None:
    streamed = stream(api, shape, model=model, alignment="word")
    assert [word for word, _, _ in streamed.words] == WORDS
    seconds = len(streamed.content) / (48000 if model == KOKORO else 4 * 44100)
    before = 0.0
    for _, start, end in streamed.words:
        assert before <= start < end <= seconds
        before = end
    assert streamed.words[-1][2] == pytest.approx(seconds, abs=0.1)


def test_no_timings_come_unless_they_are_asked_for(api: httpx.Client) -> None:
    assert stream(api).words == stream(api, alignment="none").words == []


def test_a_word_is_heard_where_its_timing_says(api: httpx.Client) -> None:
    """Each number is said between two pauses, and the pauses belong to no word."""
    text = "One. Two. Three, four. Five; six. Seven."
    streamed = stream(api, input=text, alignment="word")
    samples = read_raw(streamed.content, 24000, "PCM_16")
    assert [word for word, _, _ in streamed.words] == [
        *("One", "Two", "Three", "four", "Five", "six", "Seven"),
    ]
    spoken = np.zeros(len(samples), bool)
    for word, start, end in streamed.words:
        inside = slice(round(start * 24000), round(end * 24000))
        spoken[inside] = True
        assert np.sqrt(np.mean(samples[inside] ** 2)) > 0.03, word
        assert 0.15 < end - start < 0.7, word
    # A window of 10 ms, as a resampler spreads a sound by a little.
    near = np.convolve(spoken, np.ones(240), "same") > 0
    assert np.abs(samples[~near]).max() < 0.01
    assert (~near).sum() > 24000


def test_every_word_has_its_own_place_in_a_long_text(api: httpx.Client) -> None:
    text = " ".join(f"Sentence number {n} is in the house of a man." for n in range(40))
    streamed = stream(api, input=text, alignment="word")
    assert [word for word, _, _ in streamed.words] == text.replace(".", "").split()
    before = 0.0
    for _, start, end in streamed.words:
        assert before <= start < end
        before = end
    assert before == pytest.approx(len(streamed.content) / 48000, abs=0.1)


def test_words_that_are_pronounced_otherwise_are_as_written(api: httpx.Client) -> None:
    rules = {"pronunciation_dict": ["omg/oh my god", "Tomato/toe mah toe"]}
    streamed = stream(api, input="omg, Tomato!", extra_params=rules, alignment="word")
    assert [word for word, _, _ in streamed.words] == ["omg", "Tomato"]


def test_the_lists_of_words_may_stand_one_level_down(api: httpx.Client) -> None:
    flat = stream(api, alignment="word")
    headers = {"x-emulate-words": "nested"}
    response = api.post("/audio/speech", json=body(stream=True, alignment="word"), headers=headers)
    nested = read_stream(response)
    assert nested.words == flat.words
    assert "timestamps" in nested.events[0]
    assert "timestamps" not in flat.events[0]


def test_a_failure_of_the_engine_is_an_event_and_no_end_mark(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """But a status where nothing has been sent."""
    genuine = Engine.speak

    def fail_on_two(engine: Engine, sentence: str, *rest: Any, **options: Any) -> Spoken:
        if sentence == "Two.":
            raise EngineError("broken")
        return genuine(engine, sentence, *rest, **options)

    monkeypatch.setattr(Engine, "speak", fail_on_two)

    async def ask(text: str) -> httpx.Response:
        transport = httpx.ASGITransport(create_app(), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://emulator") as client:
            return await client.post(
                "/audio/speech",
                json=body(input=text, stream=True),
                headers={"Authorization": "Bearer any"},
            )

    late = data_of(asyncio.run(ask("One. Two. Three.")))
    assert "conversation.item.audio_output.delta" in late[0]
    failed = json.loads(late[-1])
    assert failed["type"] == "conversation.item.tts.failed"
    assert failed["error"]["message"] == "broken"
    early = asyncio.run(ask("Two. Three."))
    assert early.status_code == 500
    assert early.json()["error"]["type"] == "server_error"
