"""The API over real sockets: what it answers, and what it refuses."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Message

from tests.emulator.contract import contract
from tests.emulator.listening import Heard, read_file, read_raw
from together_emulator.answer import MAX_KEPT_BYTES
from together_emulator.app import create_app
from together_emulator.engine import Engine
from together_emulator.engine import Spoken as EngineSpoken
from together_emulator.voice import Voice

KOKORO = "hexgrad/Kokoro-82M"
CARTESIA = "cartesia/sonic-2"
MINIMAX = "minimax/speech-2.8-turbo"
TEXT = "We were away a year ago, and nobody knew where we were going."
VOICES = {
    KOKORO: "af_heart",
    "canopylabs/orpheus-3b-0.1-ft": "tara",
    CARTESIA: "friendly sidekick",
    MINIMAX: "English_CalmWoman",
}
SUBTYPES = {
    "pcm_s16le": "PCM_16",
    "pcm_f32le": "FLOAT",
    "pcm_mulaw": "ULAW",
    "pcm_alaw": "ALAW",
}


def request(model: str = KOKORO, **fields: object) -> dict[str, object]:
    return {"model": model, "input": TEXT, "voice": VOICES.get(model, "x"), **fields}


def speak(api: httpx.Client, model: str = KOKORO, **fields: object) -> httpx.Response:
    response = api.post("/audio/speech", json=request(model, **fields))
    assert response.status_code == 200, response.text
    return response


def hear(response: httpx.Response) -> Heard:
    return Heard(*read_file(response.content))


def error_of(response: httpx.Response) -> dict[str, Any]:
    """The error of an answer, whose shape is checked against the contract."""
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"]
    body = json.loads(response.content.decode("ascii"))
    assert body.keys() == {"error"}
    error: dict[str, Any] = body["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert isinstance(error["message"], str)
    assert isinstance(error["type"], str)
    return error


def test_the_default_is_a_wav_file_with_speech(api: httpx.Client) -> None:
    response = speak(api)
    assert response.headers["content-type"] == "audio/wav"
    assert int.from_bytes(response.content[4:8], "little") == len(response.content) - 8
    samples, sample_rate = read_file(response.content)
    assert sample_rate == 24000
    heard = Heard(samples, sample_rate)
    assert -26 < heard.level < -14
    assert heard.peak < 0.95
    assert heard.voiced > 0.6
    assert heard.low_share > 0.9
    assert heard.pitch == pytest.approx(200, rel=0.04)


def test_duration_grows_with_the_text(api: httpx.Client) -> None:
    durations = [hear(speak(api, input=f"{TEXT} " * n)).duration for n in (1, 2, 4, 8)]
    for shorter, longer in pairwise(durations):
        assert longer == pytest.approx(2 * shorter, rel=0.2)


@pytest.mark.parametrize("model", [KOKORO, "canopylabs/orpheus-3b-0.1-ft"])
@pytest.mark.parametrize(
    "options",
    [{}, {"sample_rate": 44100, "response_encoding": "pcm_f32le"}, {"sample_rate": 96000}],
)
def test_kokoro_and_orpheus_always_give_16_bits_at_24000_hz(
    api: httpx.Client, model: str, options: dict[str, object]
) -> None:
    duration = hear(speak(api, model)).duration
    response = speak(api, model, response_format="raw", **options)
    assert response.headers["content-type"] == "application/octet-stream"
    heard = Heard(read_raw(response.content, 24000, "PCM_16"), 24000)
    assert heard.duration == pytest.approx(duration, rel=0.02)
    assert heard.low_share > 0.9


def test_cartesia_gives_floats_at_44100_hz_unless_told(api: httpx.Client) -> None:
    samples, sample_rate = read_file(speak(api, CARTESIA).content)
    assert sample_rate == 44100
    expected = Heard(samples, sample_rate)
    content = speak(api, CARTESIA, response_format="raw").content
    heard = Heard(read_raw(content, 44100, "FLOAT"), 44100)
    assert heard.duration == pytest.approx(expected.duration, rel=0.02)
    assert heard.level == pytest.approx(expected.level, abs=0.5)


@pytest.mark.parametrize("encoding", SUBTYPES)
@pytest.mark.parametrize("sample_rate", [8000, 24000, 48000])
def test_cartesia_honours_encoding_and_rate(
    api: httpx.Client, encoding: str, sample_rate: int
) -> None:
    expected = hear(speak(api, CARTESIA))
    content = speak(
        api,
        CARTESIA,
        response_format="raw",
        response_encoding=encoding,
        sample_rate=sample_rate,
    ).content
    heard = Heard(read_raw(content, sample_rate, SUBTYPES[encoding]), sample_rate)
    assert heard.duration == pytest.approx(expected.duration, rel=0.02)
    assert heard.pitch == pytest.approx(expected.pitch, rel=0.02)
    assert heard.level == pytest.approx(expected.level, abs=0.5)


def test_minimax_honours_the_rate_and_not_the_encoding(api: httpx.Client) -> None:
    expected = hear(speak(api, MINIMAX))
    content = speak(
        api, MINIMAX, response_format="raw", response_encoding="pcm_f32le", sample_rate=16000
    ).content
    heard = Heard(read_raw(content, 16000, "PCM_16"), 16000)
    assert heard.duration == pytest.approx(expected.duration, rel=0.02)
    assert heard.pitch == pytest.approx(expected.pitch, rel=0.02)


@pytest.mark.parametrize(("model", "sample_rate"), [(KOKORO, 24000), (CARTESIA, 8000)])
def test_mulaw_is_raw_octets(api: httpx.Client, model: str, sample_rate: int) -> None:
    expected = hear(speak(api, model))
    response = speak(api, model, response_format="mulaw", sample_rate=8000)
    assert response.headers["content-type"] == "application/octet-stream"
    heard = Heard(read_raw(response.content, sample_rate, "ULAW"), sample_rate)
    assert heard.duration == pytest.approx(expected.duration, rel=0.02)
    assert heard.pitch == pytest.approx(expected.pitch, rel=0.02)


@pytest.mark.parametrize("bit_rate", [32000, 64000, 96000, 128000, 192000])
def test_cartesia_honours_the_bit_rate_of_mp3(api: httpx.Client, bit_rate: int) -> None:
    expected = hear(speak(api, CARTESIA))
    response = speak(api, CARTESIA, response_format="mp3", bit_rate=bit_rate)
    assert response.headers["content-type"] == "audio/mpeg"
    heard = hear(response)
    assert heard.pitch == pytest.approx(expected.pitch, rel=0.02)
    # Whole frames, and one or two more: the encoder's delay.
    assert 0 < heard.duration - expected.duration < 0.1
    assert len(response.content) * 8 / heard.duration == pytest.approx(bit_rate, rel=0.02)


@pytest.mark.parametrize(
    ("sample_rate", "bit_rate"),
    [(8000, 64000), (12000, 64000), (16000, 160000), (24000, 160000), (32000, 192000)],
)
def test_the_highest_bit_rate_is_what_mp3_has_at_a_sample_rate(
    api: httpx.Client, sample_rate: int, bit_rate: int
) -> None:
    response = speak(api, CARTESIA, response_format="mp3", sample_rate=sample_rate, bit_rate=192000)
    samples, rate = read_file(response.content)
    assert rate == sample_rate
    assert len(response.content) * 8 * rate / len(samples) == pytest.approx(bit_rate, rel=0.02)


@pytest.mark.parametrize(("asked", "given"), [(8001, 11025), (24001, 32000), (47999, 48000)])
def test_a_sample_rate_that_mp3_does_not_have_becomes_the_next(
    api: httpx.Client, asked: int, given: int
) -> None:
    response = speak(api, CARTESIA, response_format="mp3", sample_rate=asked)
    assert read_file(response.content)[1] == given


@pytest.mark.parametrize("sample_rate", [8001, 12345, 22050, 32000, 47999])
def test_any_sample_rate_of_raw_audio(api: httpx.Client, sample_rate: int) -> None:
    expected = hear(speak(api, CARTESIA)).duration
    content = speak(api, CARTESIA, response_format="raw", sample_rate=sample_rate).content
    assert len(content) / 4 / sample_rate == pytest.approx(expected, abs=0.001)


def test_kokoro_makes_mp3_at_128000_whatever_is_asked(api: httpx.Client) -> None:
    response = speak(api, response_format="mp3", bit_rate=32000, sample_rate=8000)
    samples, sample_rate = read_file(response.content)
    assert sample_rate == 24000
    assert len(response.content) * 8 / len(samples) * 24000 == pytest.approx(128000, rel=0.02)
    assert Heard(samples, sample_rate).pitch == pytest.approx(200, rel=0.04)


def test_voices_and_mixes_keep_their_order_in_mp3(api: httpx.Client) -> None:
    mixes = ("am_adam", "am_adam(2)+af_bella(1)", "am_adam+af_bella", "af_bella")
    pitches = [hear(speak(api, voice=voice, response_format="mp3")).pitch for voice in mixes]
    assert all(higher / lower > 1.05 for lower, higher in pairwise(pitches))


def test_pcm_is_another_word_for_raw(api: httpx.Client) -> None:
    expected = speak(api, response_format="raw").content
    assert speak(api, response_format="pcm").content == expected


def test_a_mix_sounds_between_its_voices(api: httpx.Client) -> None:
    low, mixed, high = (
        hear(speak(api, voice=voice)).pitch
        for voice in ("am_adam", "am_adam(2)+af_bella(1)", "af_bella")
    )
    assert low * 1.05 < mixed < high / 1.05


def test_the_language_is_honoured_unless_the_voice_says_it(api: httpx.Client) -> None:
    """An English voice spells Cyrillic letters out, which takes much longer."""
    text = "Сегодня очень хорошая погода."

    def duration(model: str, **fields: object) -> float:
        return hear(speak(api, model, input=text, **fields)).duration

    assert duration(CARTESIA, language="ru") < duration(CARTESIA) / 2
    assert duration(CARTESIA, language="ru-ru") < duration(CARTESIA) / 2
    assert duration(KOKORO, language="ru") == pytest.approx(duration(KOKORO), rel=0.02)
    assert duration(KOKORO, language="tlh") == pytest.approx(duration(KOKORO), rel=0.02)


def test_pronunciation_rules_are_applied_to_whole_words(api: httpx.Client) -> None:
    def duration(*rules: str) -> float:
        params = {"pronunciation_dict": list(rules)}
        return hear(speak(api, input="The cat sat.", extra_params=params)).duration

    assert duration("cat/caterpillar caterpillar caterpillar") > duration() * 1.8
    assert duration("ca/caterpillar caterpillar caterpillar") == pytest.approx(duration(), rel=0.02)
    assert duration("./ full stop") > duration() * 1.2


def test_fields_that_nobody_knows_are_ignored(api: httpx.Client) -> None:
    speak(api, speed=2, instructions=None, alignment="word", segment="never", stream=False)


def test_a_whole_number_may_be_written_as_a_float(api: httpx.Client) -> None:
    samples, sample_rate = read_file(speak(api, CARTESIA, sample_rate=8000.0).content)
    assert sample_rate == 8000
    assert len(samples)


@pytest.mark.parametrize("path", ["/audio/speech", "/v1/audio/speech"])
def test_the_prefix_is_optional(api: httpx.Client, emulator_url: str, path: str) -> None:
    root = emulator_url.removesuffix("/v1")
    assert api.post(root + path, json=request()).status_code == 200
    assert api.get(root + path.replace("audio/speech", "voices")).status_code == 200


LONE = "\ud800"
REFUSED: dict[str, tuple[dict[str, object], int, str | None]] = {
    "unknown model": (request("nobody/nothing"), 404, "model"),
    "model of another type": (request() | {"model": 7}, 400, "model"),
    "unknown voice": (request(voice="af_nobody"), 400, "voice"),
    "voice of another case": (request(voice="AF_HEART"), 400, "voice"),
    "voice of another model": (request(voice="tara"), 400, "voice"),
    "empty voice": (request(voice=""), 400, "voice"),
    "voice that is a path": (request(voice="../" * 50 + "etc/passwd"), 400, "voice"),
    "voice that is long": (request(voice="x" * 100_000), 400, "voice"),
    "voice with half a surrogate": (request(voice=LONE), 400, "voice"),
    "voice null": (request(voice=None), 400, "voice"),
    "mix with an empty part": (request(voice="af_heart++af_sky"), 400, "voice"),
    "mix with nested parentheses": (request(voice="af_heart((1))+af_sky"), 400, "voice"),
    "mix with a weight of zero": (request(voice="af_heart(0)+af_sky"), 400, "voice"),
    "mix with an infinite weight": (request(voice="af_heart(1e999)+af_sky"), 400, "voice"),
    "mix with a negative weight": (request(voice="af_heart(-1)+af_sky"), 400, "voice"),
    "mix with an unknown voice": (request(voice="af_heart+af_nobody"), 400, "voice"),
    "mix on another model": (request(CARTESIA, voice="leo+mia"), 400, "voice"),
    "empty input": (request(input=""), 400, "input"),
    "blank input": (request(input=" \n\t"), 400, "input"),
    "long input": (request(input="x" * 10_001), 400, "input"),
    "input with NUL": (request(input="a\0b"), 400, "input"),
    "input with half a surrogate": (request(input="a" + LONE), 400, "input"),
    "input of another type": (request(input=["a"]), 400, "input"),
    "unknown format": (request(response_format="midi"), 400, "response_format"),
    "format of another type": (request(response_format=1), 400, "response_format"),
    "format of another model": (request(response_format="opus"), 400, "response_format"),
    "format that is not made": (request(MINIMAX, response_format="opus"), 400, "response_format"),
    "unknown encoding": (request(response_encoding="pcm_s24le"), 400, "response_encoding"),
    "rate too low": (request(CARTESIA, sample_rate=7999), 400, "sample_rate"),
    "rate too high": (request(CARTESIA, sample_rate=48001), 400, "sample_rate"),
    "rate with a fraction": (request(CARTESIA, sample_rate=8000.5), 400, "sample_rate"),
    "rate true": (request(sample_rate=True), 400, "sample_rate"),
    "rate as text": (request(sample_rate="24000"), 400, "sample_rate"),
    "unknown bit rate": (request(bit_rate=1), 400, "bit_rate"),
    "unknown language": (request(CARTESIA, language="tlh"), 400, "language"),
    "upper-case language": (request(CARTESIA, language="en-GB"), 400, "language"),
    "empty language": (request(CARTESIA, language=""), 400, "language"),
    "unknown alignment": (request(alignment="phoneme"), 400, "alignment"),
    "unknown segment": (request(segment="page"), 400, "segment"),
    "stream without a format": (request(stream=True), 400, "response_format"),
    "stream of a file": (request(stream=True, response_format="wav"), 400, "response_format"),
    "stream of another type": (request(stream="true"), 400, "stream"),
    "extra_params of another type": (request(extra_params=[]), 400, "extra_params"),
    "rules of another type": (
        request(extra_params={"pronunciation_dict": "a/b"}),
        400,
        "extra_params",
    ),
    "rule without a slash": (
        request(extra_params={"pronunciation_dict": ["ab"]}),
        400,
        "extra_params",
    ),
    "rule without a source": (
        request(extra_params={"pronunciation_dict": ["/b"]}),
        400,
        "extra_params",
    ),
    "rules that swell the text": (
        request(input="a " * 5000, extra_params={"pronunciation_dict": ["a/" + "long " * 30]}),
        400,
        "input",
    ),
    "rules that bring in NUL": (
        request(input="a", extra_params={"pronunciation_dict": ["a/b\0"]}),
        400,
        "input",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(api: httpx.Client, case: str) -> None:
    body, status, param = REFUSED[case]
    response = api.post("/audio/speech", content=json.dumps(body))
    assert response.status_code == status
    error = error_of(response)
    assert error["param"] == param
    assert len(error["message"]) < 300


@pytest.mark.parametrize("field", ["model", "input", "voice"])
def test_a_missing_field_is_named(api: httpx.Client, field: str) -> None:
    body = request()
    del body[field]
    response = api.post("/audio/speech", json=body)
    assert response.status_code == 400
    assert error_of(response)["param"] == field


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"null", b'"x"', b"\xff", b'{"model": NaN}', b"[" * 100_000),
        b"1" * 10_000,
    ],
    ids=repr,
)
def test_a_body_that_is_no_json_object(api: httpx.Client, body: bytes) -> None:
    response = api.post("/audio/speech", content=body)
    assert response.status_code == 400
    assert error_of(response)["code"] == "invalid_json"


@pytest.mark.parametrize("size", [(1 << 20) + 1, 8 << 20])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large(api: httpx.Client, size: int, chunked: bool) -> None:
    def pieces() -> Iterator[bytes]:
        yield bytes(size)

    response = api.post("/audio/speech", content=pieces() if chunked else bytes(size))
    assert response.status_code == 413
    error_of(response)


def test_a_body_that_is_too_large_is_read_so_that_its_sender_sees_the_answer(
    emulator_url: str,
) -> None:
    url = httpx.URL(emulator_url)
    head = (
        "POST /audio/speech HTTP/1.1\r\nHost: emulator\r\nAuthorization: Bearer any\r\n"
        f"Content-Length: {12 << 20}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection((url.host, url.port or 0), timeout=20) as connection:
        connection.sendall(head.encode() + bytes(12 << 20))
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_what_is_not_emulated_is_said_in_words(api: httpx.Client) -> None:
    response = api.post("/audio/speech", json=request(MINIMAX, response_format="opus"))
    assert response.status_code == 400
    assert error_of(response)["message"] == "this emulator does not make opus"


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic abc", "any"])
@pytest.mark.parametrize("path", ["/voices", "/audio/speech"])
def test_a_key_is_asked_for(emulator_url: str, path: str, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    response = httpx.request("GET", emulator_url + path, headers=headers)
    assert response.status_code == 401
    error = error_of(response)
    assert error["type"] == "authentication_error"
    assert error["code"] == "invalid_api_key"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/audio/speech", 405),
        ("POST", "/voices", 405),
        ("GET", "/models", 404),
        ("GET", "/voices/", 404),
    ],
)
def test_what_is_not_served(api: httpx.Client, method: str, path: str, status: int) -> None:
    response = api.request(method, path)
    assert response.status_code == status
    error_of(response)
    assert ("allow" in response.headers) == (status == 405)


@pytest.mark.parametrize("path", ["/audio/speech", "/voices"])
def test_a_client_that_adds_the_version_to_the_url_that_has_it_is_told(
    api: httpx.Client, emulator_url: str, path: str
) -> None:
    response = api.get("/v1" + path)
    assert response.status_code == 404
    assert error_of(response)["message"] == (
        f"/v1/v1{path} has /v1 twice: the client adds it by itself, so its base URL is "
        + emulator_url.removesuffix("/v1")
    )


@pytest.mark.parametrize("path", ["/v1/audio/speech/websocket", "/audio/speech/websocket"])
def test_the_websocket_asks_for_a_websocket(api: httpx.Client, path: str) -> None:
    response = api.get(api.base_url.join(path))
    assert response.status_code == 404
    assert error_of(response)["message"] == f"{path} is a WebSocket: connect to it with ws://"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_its_health_is_told_without_a_key(emulator_url: str, method: str) -> None:
    for root in (emulator_url, emulator_url.removesuffix("/v1")):
        response = httpx.request(method, root + "/health")
        assert response.status_code == 200
        assert response.text == ('{"status":"ok"}' if method == "GET" else "")


def test_the_contract_is_served_without_a_key_and_leads_back_here(emulator_url: str) -> None:
    for root in (emulator_url, emulator_url.removesuffix("/v1")):
        assert httpx.get(root + "/openapi.json").json() == {
            **contract(),
            "servers": [{"url": emulator_url}],
        }, "run `make generate`"


def test_what_is_the_emulators_own_is_not_logged() -> None:
    async def ask() -> list[dict[str, Any]]:
        transport = httpx.ASGITransport(create_app())
        async with httpx.AsyncClient(transport=transport, base_url="http://emulator") as client:
            for path in ("/health", "/v1/openapi.json", "/emulator/requests", "/emulator/faults"):
                assert (await client.get(path)).status_code == 200
            assert (await client.get("/healthy")).status_code == 401
            records: list[dict[str, Any]] = (await client.get("/emulator/requests")).json()[
                "requests"
            ]
            return records

    assert [record["path"] for record in asyncio.run(ask())] == ["/healthy"]


def test_every_answer_has_a_request_id_of_its_own(api: httpx.Client) -> None:
    ids = [api.get(path).headers["x-request-id"] for path in ("/voices", "/voices", "/models")]
    assert len(set(ids)) == 3


def test_voices_of_all_models(api: httpx.Client) -> None:
    body = api.get("/voices").json()
    assert body.keys() == {"data"}
    kokoro = body["data"][0]
    assert kokoro["model"] == KOKORO
    assert len(kokoro["voices"]) == 54
    assert kokoro["voices"][0] == {"id": "af_heart", "name": "af_heart"}
    assert CARTESIA in [entry["model"] for entry in body["data"]]


def test_voices_of_one_model(api: httpx.Client) -> None:
    (entry,) = api.get("/voices", params={"model": CARTESIA}).json()["data"]
    assert entry["model"] == CARTESIA
    assert {"id": "friendly sidekick", "name": "friendly sidekick"} in entry["voices"]


@pytest.mark.parametrize("model", ["nobody", "", KOKORO.lower()])
def test_voices_of_an_unknown_model(api: httpx.Client, model: str) -> None:
    response = api.get("/voices", params={"model": model})
    assert response.status_code == 404
    assert error_of(response)["param"] == "model"


def test_requests_at_the_same_time_do_not_disturb_each_other(emulator_url: str) -> None:
    voices = ["af_alloy", "am_santa", "bf_alice", "bm_george", "af_sky", "am_echo"] * 2

    def content(voice: str) -> bytes:
        with httpx.Client(base_url=emulator_url, headers={"Authorization": "Bearer any"}) as own:
            # Of two sentences, which take turns, and too long to be kept.
            return speak(own, voice=voice, input=f"{TEXT} {TEXT}").content

    alone = {voice: content(voice) for voice in set(voices)}
    with ThreadPoolExecutor(len(voices)) as pool:
        together = list(pool.map(content, voices))
    for voice, heard in zip(voices, together, strict=True):
        assert len(heard) > MAX_KEPT_BYTES
        assert heard == alone[voice], voice


class Spoken:
    """What the engine is asked to speak, in order, and in which threads."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sentences: list[str] = []
        self.threads: set[int] = set()
        self.begun = threading.Event()
        self.wait_for_stop = False
        genuine = Engine.speak

        def speak(
            engine: Engine, sentence: str, voice: Voice, stop: threading.Event, *, pause: bool
        ) -> EngineSpoken:
            self.sentences.append(sentence)
            self.threads.add(threading.get_ident())
            self.begun.set()
            if self.wait_for_stop:
                assert stop.wait(20)
            return genuine(engine, sentence, voice, stop, pause=pause)

        monkeypatch.setattr(Engine, "speak", speak)


async def call(app: ASGIApp, text: str, hang_up: threading.Event | None = None) -> int:
    """Send one request to the application itself; gives the status of the answer.

    When `hang_up` is set the client goes away.
    """
    body = json.dumps(request(input=text)).encode()
    events: list[Message] = [{"type": "http.request", "body": body}]
    statuses = []

    async def receive() -> Message:
        if events:
            return events.pop(0)
        if hang_up is None:
            await asyncio.Event().wait()
        else:
            await asyncio.to_thread(hang_up.wait, 20)
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/audio/speech",
        "query_string": b"",
        "headers": [(b"authorization", b"Bearer any")],
    }
    await app(scope, receive, send)
    (status,) = statuses
    return int(status)


def test_texts_spoken_at_the_same_time_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    spoken = Spoken(monkeypatch)

    async def both() -> None:
        app = create_app(at_once=1)
        await asyncio.gather(call(app, "One. Two. Three."), call(app, "Uno. Due. Tre."))

    asyncio.run(both())
    assert spoken.sentences == ["One.", "Uno.", "Two.", "Due.", "Three.", "Tre."]


def test_texts_are_spoken_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has begun before the other ends."""
    begun = threading.Barrier(2)
    genuine = Engine.speak

    def speak(engine: Engine, *arguments: Any, **options: Any) -> EngineSpoken:
        begun.wait(20)
        return genuine(engine, *arguments, **options)

    monkeypatch.setattr(Engine, "speak", speak)

    async def both() -> list[int]:
        app = create_app(at_once=2)
        return list(await asyncio.gather(call(app, "One."), call(app, "Two.")))

    assert asyncio.run(both()) == [200, 200]


def test_the_last_64_short_answers_are_kept_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    spoken = Spoken(monkeypatch)

    def say(*texts: str) -> list[str]:
        """What is spoken anew for some texts."""
        spoken.sentences.clear()

        async def ask() -> None:
            for text in texts:
                assert await call(app, text) == 200

        asyncio.run(ask())
        return list(spoken.sentences)

    app = create_app()
    assert say("First.", "Second.", "First.") == ["First.", "Second."]
    others = [f"{number}." for number in range(63)]
    assert say(*others) == others
    assert say("First.", *others) == []
    assert say("Second.") == ["Second."]
    # Neither an answer of very many bytes nor one of many sentences is worth its place.
    for long in ("One. Two. Three. Four. Five. Six. Seven. Eight.", "and so on " * 29):
        assert say(long) == say(long) != []
    assert say(*others) == []


def test_nothing_is_spoken_on_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    spoken = Spoken(monkeypatch)
    assert asyncio.run(call(create_app(), "One. Two.")) == 200
    assert spoken.sentences == ["One.", "Two."]
    assert threading.get_ident() not in spoken.threads


def test_a_client_that_goes_away_stops_its_speech(monkeypatch: pytest.MonkeyPatch) -> None:
    spoken = Spoken(monkeypatch)
    spoken.wait_for_stop = True
    assert asyncio.run(call(create_app(), "One. Two. Three.", spoken.begun)) == 499
    assert spoken.sentences == ["One."]


def test_a_crash_is_answered_in_the_shape_of_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def crash(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(Engine, "speak", crash)
    answers: list[httpx.Response] = []

    async def ask() -> None:
        transport = httpx.ASGITransport(create_app(), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://emulator") as client:
            headers = {"Authorization": "Bearer any"}
            answers.append(await client.post("/audio/speech", json=request(), headers=headers))

    asyncio.run(ask())
    assert answers[0].status_code == 500
    assert error_of(answers[0])["type"] == "server_error"
