"""The service's list of voices: reading it, and checking voices against it."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from facade import (
    APIConnectionError,
    APIError,
    AuthenticationError,
    InternalServerError,
    InvalidRequestError,
    SpeechClient,
    SpeechError,
    Timeouts,
    UnknownVoiceError,
    Voice,
)
from tests.conftest import KEY, Connect
from tests.faults.server import SPEECH, FaultServer, Peer, Step, answer
from tests.key_search import assert_no_key, failure

SONIC = "cartesia/sonic"
VOICES = {"data": [{"model": SONIC, "voices": [{"id": "id-1", "name": "newest voice"}]}]}


def service(voices: Step, speech: bytes = answer(200, SPEECH)) -> FaultServer:
    """A server that answers questions for voices and requests for speech each in one way."""

    def respond(peer: Peer) -> None:
        step = voices if peer.last_request.method == "GET" else speech
        if isinstance(step, bytes):
            peer.send(step)
        else:
            step(peer)

    return FaultServer(respond)


def asked(server: FaultServer) -> list[str]:
    """What the requests were for, in order."""
    return [request.target.rpartition("/v1/")[2] for request in server.requests]


LOOK_UP = "voices?model=cartesia%2Fsonic"
SPEAK = "audio/speech"


def listed(document: object) -> bytes:
    """The answer with a list of voices."""
    return answer(200, json.dumps(document).encode())


@pytest.mark.parametrize("voice", ["id-1", "newest voice"])
def test_voice_of_the_live_list_is_looked_up_once(connect: Connect, voice: str) -> None:
    with service(listed(VOICES)) as server:
        speaker = connect(server.url)
        for _ in range(3):
            assert speaker.synthesize(model=SONIC, voice=voice).content == SPEECH
        assert asked(server) == [LOOK_UP, SPEAK, SPEAK, SPEAK]


def test_voice_that_the_live_list_lacks_is_refused_before_sending(connect: Connect) -> None:
    with service(listed(VOICES)) as server:
        speaker = connect(server.url)
        error = failure(speaker, UnknownVoiceError, model=SONIC, voice="newest voices")
        assert error.suggestions[0] == "newest voice"
        assert error.model == SONIC
        failure(speaker, UnknownVoiceError, model=SONIC, voice="other")
        assert asked(server) == [LOOK_UP]


@pytest.mark.parametrize(
    "voices",
    [
        pytest.param(answer(401, b"no"), id="401"),
        pytest.param(answer(404, b"no"), id="404"),
        pytest.param(answer(503, b"no"), id="503"),
        pytest.param(answer(200, b"no JSON"), id="no JSON"),
        pytest.param(answer(200, b"[" * 100_000), id="deep JSON"),
        pytest.param(listed({"voices": 5}), id="another shape"),
        pytest.param(listed({"data": []}), id="empty"),
        pytest.param(listed({"data": [{"model": "x", "voices": ["y"]}]}), id="another model's"),
        pytest.param(Peer.close, id="cut"),
        pytest.param(Peer.wait_for_close, id="stall"),
    ],
)
def test_list_that_cannot_be_had_lets_requests_out(
    connect: Connect, voices: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("_sync", "_async"):
        monkeypatch.setattr(f"facade.{kind}.client.LOOK_UP_S", 0.2)
    with service(voices) as server:
        speaker = connect(server.url)
        assert speaker.synthesize(model=SONIC, voice="unheard of").content == SPEECH
        assert speaker.synthesize(model=SONIC, voice="unheard of").content == SPEECH
        assert asked(server) == [LOOK_UP, SPEAK, SPEAK]


def test_list_is_asked_for_again_after_a_while(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("_sync", "_async"):
        monkeypatch.setattr(f"facade.{kind}.client.LIST_AGE_S", 0)
    with service(listed(VOICES)) as server:
        speaker = connect(server.url)
        speaker.synthesize(model=SONIC, voice="id-1")
        speaker.synthesize(model=SONIC, voice="id-1")
        assert asked(server) == [LOOK_UP, SPEAK, LOOK_UP, SPEAK]


@pytest.mark.parametrize(
    ("model", "voice", "validate"),
    [
        pytest.param("nobody/knows", "anything", True, id="unknown model"),
        pytest.param(SONIC, "anything", False, id="switched off"),
        pytest.param(SONIC, "A0E99841-438C-4A64-B679-AE501E7D6091", True, id="UUID"),
        pytest.param("hexgrad/Kokoro-82M", "af_heart", True, id="complete list"),
        pytest.param("hexgrad/Kokoro-82M", "af_new", False, id="complete list, switched off"),
        pytest.param("canopylabs/orpheus-3b-0.1-ft", "tara", True, id="in the snapshot"),
    ],
)
def test_nothing_is_looked_up_where_it_would_not_help(
    connect: Connect, model: str, voice: str, validate: bool
) -> None:
    with service(listed(VOICES)) as server:
        speaker = connect(server.url, validate_voices=validate)
        speaker.synthesize(model=model, voice=voice)
        assert asked(server) == [SPEAK]


def test_look_up_does_not_take_more_than_the_call_has(connect: Connect) -> None:
    with service(Peer.wait_for_close) as server:
        speaker = connect(server.url, timeouts=Timeouts(total_s=0.2))
        with pytest.raises(APIConnectionError, match=r"within total_s=0.2 s"):
            speaker.synthesize(model=SONIC, voice="unheard of")


def test_threads_share_one_look_up() -> None:
    with (
        service(listed(VOICES)) as server,
        SpeechClient(KEY, base_url=server.url) as client,
        ThreadPoolExecutor(8) as threads,
    ):
        start = threading.Barrier(8)

        def speak(_: int) -> bytes:
            start.wait(10)
            return client.synthesize("Hello.", model=SONIC, voice="id-1").content

        assert list(threads.map(speak, range(8))) == [SPEECH] * 8
        assert asked(server).count(LOOK_UP) == 1


# --- list_voices ---------------------------------------------------------------------------------


def test_list_voices_reads_the_service_s_list(connect: Connect) -> None:
    kokoro = {"model": "hexgrad/Kokoro-82M", "voices": ["af_heart"]}
    with FaultServer(listed({"data": [*VOICES["data"], kokoro]})) as server:
        assert connect(server.url).list_voices() == [
            Voice("id-1", "newest voice", SONIC),
            Voice("af_heart", "af_heart", "hexgrad/Kokoro-82M", "en-us", "female", "A"),
        ]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (answer(401, b'{"error":{"message":"who?"}}'), AuthenticationError),
        (answer(599, b""), InternalServerError),
        (answer(200, b"<html>"), APIError),
        (answer(200, b""), APIError),
        (answer(200, b"\xff"), APIError),
        (answer(200, b"null"), APIError),
        (answer(200, b'{"data":[5]}'), APIError),
        (answer(200, b"[" * 100_000), APIError),
        (b"no HTTP\r\n\r\n", APIConnectionError),
    ],
)
def test_list_voices_raises_ours(
    connect: Connect, reply: bytes, expected: type[SpeechError]
) -> None:
    with FaultServer(reply) as server:
        speaker = connect(server.url)
        with pytest.raises(SpeechError) as caught:
            speaker.list_voices()
        assert type(caught.value) is expected
        assert_no_key(caught.value)


def test_unreadable_list_keeps_what_came(connect: Connect) -> None:
    with FaultServer(answer(200, b"<html>", {"x-request-id": "req-1", "cf-ray": "r"})) as server:
        speaker = connect(server.url)
        with pytest.raises(APIError, match="the list of voices cannot be read") as caught:
            speaker.list_voices()
        error = caught.value
        assert (error.body, error.request_id, error.cf_ray) == ("<html>", "req-1", "r")
        assert error.__cause__ is not None


@pytest.mark.usefixtures("no_waits")
def test_list_voices_is_retried_like_speech(connect: Connect) -> None:
    with FaultServer(answer(503), answer(503), listed(VOICES)) as server:
        assert len(connect(server.url).list_voices()) == 1
        assert len(server.requests) == 3


@pytest.mark.parametrize("model", ["", "  ", 5, "a\0b", "\ud800"])
def test_model_that_is_no_name_is_refused(connect: Connect, model: str) -> None:
    with FaultServer(listed(VOICES)) as server:
        speaker = connect(server.url)
        with pytest.raises(InvalidRequestError, match=r"^model: must be the name of a model"):
            speaker.list_voices(model)
        assert server.requests == []
