"""What a generated client does and does not do, as measured with openapi-python-client 0.29.1.

`facade` is built around each of these. The client is made of the frozen contract, so that only
another generator changes anything here. A test that fails then means: this has changed, look
whether the code around it is still needed.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import SimpleNamespace

KEY = "the-key"
Answer = tuple[int, str, bytes]
Send = Callable[[Any], Any]
EVENTS = b'data: {"object":"audio.tts.chunk","model":"m","b64":"AAA="}\n\ndata: [DONE]\n\n'


class Server:
    """A real server on the loopback interface: what it answers, and what it was sent."""

    def __init__(self) -> None:
        self.answer: Answer = (200, "application/octet-stream", b"audio")
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.requests.append((self.path, dict(self.headers), body))
                status, content_type, content = outer.answer
                self.send_response(status, "Any")
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def body(self) -> dict[str, Any]:
        """The JSON of the last request."""
        body: dict[str, Any] = json.loads(self.requests[-1][2])
        return body


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def server(running: Server) -> Server:
    running.answer = (200, "application/octet-stream", b"audio")
    running.requests.clear()
    return running


@pytest.fixture
def client(api: SimpleNamespace, server: Server) -> Iterator[Any]:
    client = api.AuthenticatedClient(
        base_url=server.url, token=KEY, httpx_args={"trust_env": False}
    )
    with client:
        yield client


@pytest.fixture
def bare(api: SimpleNamespace) -> Any:
    """A request with nothing but what it must have."""
    return api.AudioSpeechRequest(model="m", input_="Hello.", voice="v")


@pytest.fixture
def send(api: SimpleNamespace, bare: Any) -> Send:
    """Sends that request."""
    return lambda client: api.audio_speech.sync(client=client, body=bare)


def test_a_bare_request_sends_every_default_of_the_contract(
    send: Send, server: Server, client: Any
) -> None:
    """A rate and an encoding that the model may not have."""
    send(client)
    assert server.body() == {
        "model": "m",
        "input": "Hello.",
        "voice": "v",
        "response_format": "wav",
        "language": "en",
        "response_encoding": "pcm_f32le",
        "sample_rate": 44100,
        "bit_rate": 128000,
        "stream": False,
    }


def test_unset_leaves_a_default_out(api: SimpleNamespace, server: Server, client: Any) -> None:
    """One by one."""
    body = api.AudioSpeechRequest(
        model="m",
        input_="Hello.",
        voice="v",
        response_format=api.UNSET,
        language=api.UNSET,
        response_encoding=api.UNSET,
        sample_rate=api.UNSET,
        bit_rate=api.UNSET,
        stream=api.UNSET,
    )
    api.audio_speech.sync(client=client, body=body)
    assert server.body() == {"model": "m", "input": "Hello.", "voice": "v"}


def test_from_dict_sends_what_it_was_given(
    api: SimpleNamespace, server: Server, client: Any
) -> None:
    """And lets fields through that the contract does not know."""
    given = {"model": "m", "input": "Hello.", "voice": "v", "sample_rate": 24000, "new": [1]}
    api.audio_speech.sync(client=client, body=api.AudioSpeechRequest.from_dict(given))
    assert server.body() == given


def test_a_field_set_by_its_name_is_sent_as_it_is(
    api: SimpleNamespace, server: Server, client: Any
) -> None:
    """One of the contract's too, with a value that it does not list, and without the others."""
    body = api.AudioSpeechRequest.from_dict({"model": "m", "input": "Hello.", "voice": "v"})
    body["response_format"] = "opus"
    body["extra_params"] = {"new": 1}
    api.audio_speech.sync(client=client, body=body)
    least = {"model": "m", "input": "Hello.", "voice": "v"}
    assert server.body() == {**least, "response_format": "opus", "extra_params": {"new": 1}}


def test_the_overlay_s_fields_are_sent(
    api: SimpleNamespace, bare: Any, server: Server, client: Any
) -> None:
    """And are left out by default."""
    given = {
        "model": "m",
        "input": "Hello.",
        "voice": "v",
        "response_format": "mulaw",
        "alignment": "word",
        "segment": "never",
    }
    api.audio_speech.sync(client=client, body=api.AudioSpeechRequest.from_dict(given))
    assert server.body() == given
    assert not {"alignment", "segment"} & set(bare.to_dict())


def test_the_key_goes_as_a_bearer_token_to_the_documented_path(
    send: Send, server: Server, client: Any
) -> None:
    """Below the base URL."""
    send(client)
    path, headers, _ = server.requests[0]
    assert path == "/v1/audio/speech"
    assert headers["Authorization"] == f"Bearer {KEY}"


def test_audio_is_a_file(api: SimpleNamespace, send: Send, client: Any) -> None:
    """Whose payload holds it all."""
    answer = send(client)
    assert isinstance(answer, api.File)
    assert answer.payload.read() == b"audio"


@pytest.mark.parametrize("status", [400, 429])
def test_a_documented_error_is_decoded(
    api: SimpleNamespace, send: Send, server: Server, client: Any, status: int
) -> None:
    """It is returned, not raised."""
    error = {"message": "no such voice", "type": "invalid_request_error", "param": "voice"}
    server.answer = (status, "application/json", json.dumps({"error": error}).encode())
    answer = send(client)
    assert isinstance(answer, api.ErrorData)
    assert answer.error.message == "no such voice"
    assert answer.error.param == "voice"


def test_html_on_a_400_raises_json_decode_error(send: Send, server: Server, client: Any) -> None:
    """As the edge in front of the service may send it."""
    server.answer = (400, "text/html", b"<html>Bad request</html>")
    with pytest.raises(json.JSONDecodeError):
        send(client)


def test_an_error_without_a_type_raises_key_error(send: Send, server: Server, client: Any) -> None:
    """The contract says that it is always there."""
    server.answer = (429, "application/json", b'{"error": {"message": "slow down"}}')
    with pytest.raises(KeyError, match="type"):
        send(client)


@pytest.mark.parametrize("status", [401, 500])
def test_an_undocumented_status_is_none(
    send: Send, server: Server, client: Any, status: int
) -> None:
    """Nothing tells the caller."""
    server.answer = (status, "application/json", b'{"error": {"message": "m", "type": "t"}}')
    assert send(client) is None


def test_a_status_that_python_does_not_know_raises_value_error(
    send: Send, server: Server, client: Any
) -> None:
    """The edge sends 520 to 530."""
    server.answer = (522, "text/html", b"timed out")
    with pytest.raises(ValueError, match="522 is not a valid HTTPStatus"):
        send(client)


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("text/event-stream", EVENTS),
        ("application/json", b'{"error": {"message": "m", "type": "t"}}'),
    ],
)
def test_whatever_comes_with_a_200_is_a_file(
    api: SimpleNamespace, send: Send, server: Server, client: Any, content_type: str, content: bytes
) -> None:
    """Events and errors too: the content type is not looked at."""
    server.answer = (200, content_type, content)
    answer = send(client)
    assert isinstance(answer, api.File)
    assert answer.payload.read() == content


def test_the_request_can_be_had_without_sending_it(
    api: SimpleNamespace, bare: Any, server: Server, client: Any
) -> None:
    """For streaming, which the generated call cannot do."""
    server.answer = (200, "text/event-stream", EVENTS)
    kwargs = api.audio_speech._get_kwargs(body=bare)
    assert kwargs == {
        "method": "post",
        "url": "/audio/speech",
        "json": bare.to_dict(),
        "headers": {"Content-Type": "application/json"},
    }
    with client.get_httpx_client().stream(**kwargs) as response:
        assert b"".join(response.iter_raw()) == EVENTS


def test_there_is_no_close(api: SimpleNamespace) -> None:
    """Only a context manager."""
    assert not hasattr(api.AuthenticatedClient, "close")
    assert not hasattr(api.AuthenticatedClient, "aclose")


def test_no_timeout_is_set_by_default(client: Any) -> None:
    """A server that goes silent is waited for without end."""
    assert client.get_httpx_client().timeout == httpx.Timeout(None)


def test_its_repr_prints_the_key(client: Any) -> None:
    """So ours must never show it."""
    assert KEY in repr(client)


def test_the_http_client_is_made_on_first_use(api: SimpleNamespace) -> None:
    """Without a lock, so two threads may make one each."""
    client = api.AuthenticatedClient(base_url="http://127.0.0.1:1", token=KEY)
    assert client._client is None
    with client:
        assert client._client is client.get_httpx_client()


def test_one_client_feeds_its_hooks_to_both_http_clients(
    api: SimpleNamespace, bare: Any, send: Send, server: Server
) -> None:
    """A hook that suits the one breaks the other."""
    seen: list[int] = []

    def hook(response: httpx.Response) -> None:
        seen.append(response.status_code)

    client = api.AuthenticatedClient(
        base_url=server.url,
        token=KEY,
        httpx_args={"trust_env": False, "event_hooks": {"response": [hook]}},
    )
    with client:
        send(client)
    assert seen == [200]

    async def call() -> None:
        async with client:
            await api.audio_speech.asyncio_detailed(client=client, body=bare)

    with pytest.raises(TypeError, match="await"):
        asyncio.run(call())
    assert seen == [200, 200]


def test_a_hook_runs_before_the_parser(api: SimpleNamespace, send: Send, server: Server) -> None:
    """So an error can be mapped before the parser stumbles over it."""

    class MappedError(Exception):
        pass

    def hook(response: httpx.Response) -> None:
        raise MappedError(response.read().decode())

    server.answer = (522, "text/html", b"timed out")
    client = api.AuthenticatedClient(
        base_url=server.url,
        token=KEY,
        httpx_args={"trust_env": False, "event_hooks": {"response": [hook]}},
    )
    with client, pytest.raises(MappedError, match="timed out"):
        send(client)


VOICES: list[Any] = [
    {"data": []},
    {"data": [{"model": "m", "voices": [{"id": "1", "name": "a"}, {"name": "b"}, "c"]}]},
    {"voices": [{"name": "a"}]},
    {},
]


@pytest.mark.parametrize("content", VOICES)
def test_each_shape_of_the_voices_answer_is_decoded(
    api: SimpleNamespace, server: Server, client: Any, content: Any
) -> None:
    """The published one, the filtered one, and voices without an id or an object."""
    server.answer = (200, "application/json", json.dumps(content).encode())
    answer = api.fetch_voices.sync(client=client, model="m/n")
    assert isinstance(answer, api.VoicesResponse)
    assert answer.to_dict() == content
    assert all(isinstance(voice, api.VoiceDetails | str) for voice in answer.voices or ())
    assert server.requests[0][0] == "/v1/voices?model=m%2Fn"


def test_further_fields_of_a_voice_are_kept(
    api: SimpleNamespace, server: Server, client: Any
) -> None:
    """As `additional_properties`; and without a model none is asked for."""
    server.answer = (200, "application/json", b'{"voices": [{"name": "a", "language": "en"}]}')
    answer = api.fetch_voices.sync(client=client)
    assert isinstance(answer, api.VoicesResponse)
    assert answer.to_dict() == {"voices": [{"name": "a", "language": "en"}]}
    assert server.requests[0][0] == "/v1/voices"


@pytest.mark.parametrize("status", [400, 401, 429])
def test_the_voices_call_decodes_its_errors(
    api: SimpleNamespace, server: Server, client: Any, status: int
) -> None:
    """Those three."""
    server.answer = (status, "application/json", b'{"error": {"message": "m", "type": "t"}}')
    assert isinstance(api.fetch_voices.sync(client=client), api.VoicesError)
