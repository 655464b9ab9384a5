"""The facade against the contract: all that the contract has can be reached, told and read.

`unreached` and its like take a contract, so that they can be shown to find what a new one has.
"""

from __future__ import annotations

import base64
import copy
import inspect
import json
import threading
import typing
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pytest

import facade
from contract.compose import ROOT
from contract.document import load_openapi
from facade import SpeechClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ruamel.yaml.comments import CommentedMap


class Reach(NamedTuple):
    """How an application sets a property of the request."""

    method: Literal["synthesize", "stream"]
    argument: str | None
    """`None` where choosing the method is what sets it."""
    value: Any = None
    """A value for it, where the contract lists none."""
    beside: tuple[tuple[str, Any], ...] = ()
    """What else must be said for it to have a meaning."""


# A new property of the request gets a line here, an argument in both clients, and its checks in
# facade/_request.py.
REACHED = {
    "model": Reach("synthesize", "model", "some/model"),
    "input": Reach("synthesize", "text", "Good day."),
    "voice": Reach("synthesize", "voice", "someone"),
    "response_format": Reach("synthesize", "response_format"),
    "language": Reach("synthesize", "language", "zh-hk"),
    "response_encoding": Reach(
        "synthesize", "response_encoding", beside=(("response_format", "raw"),)
    ),
    "sample_rate": Reach("synthesize", "sample_rate", 16000),
    "bit_rate": Reach("synthesize", "bit_rate", beside=(("response_format", "mp3"),)),
    "stream": Reach("stream", None, value=True),
    "extra_params.pronunciation_dict": Reach("synthesize", "pronunciation_dict", ["omg/oh my god"]),
    "alignment": Reach("stream", "alignment"),
    "segment": Reach("synthesize", "segment"),
}

# What Together's documentation has and the contract lacks; only some models take them.
BEYOND_THE_CONTRACT = {"response_format": {"opus", "aac", "flac"}}

ERRORS = {
    400: facade.BadRequestError,
    401: facade.AuthenticationError,
    402: facade.PaymentRequiredError,
    403: facade.PermissionDeniedError,
    404: facade.NotFoundError,
    413: facade.RequestTooLargeError,
    422: facade.UnprocessableEntityError,
    429: facade.RateLimitError,
}

# For each answer of the contract the test that reads it as the contract has it.
DECODED = {
    "audio-speech 200 application/octet-stream": "audio",
    "audio-speech 200 audio/wav": "audio",
    "audio-speech 200 audio/mpeg": "audio",
    "audio-speech 200 text/event-stream": "stream",
    "audio-speech 400 application/json": "error",
    "audio-speech 429 application/json": "error",
    "fetchVoices 200 application/json": "voices",
    "fetchVoices 400 application/json": "error",
    "fetchVoices 401 application/json": "error",
    "fetchVoices 429 application/json": "error",
}


@pytest.fixture
def contract() -> CommentedMap:
    """The effective contract."""
    return load_openapi(ROOT / "generated" / "contract.yaml")


def request_schema(contract: CommentedMap) -> dict[str, Any]:
    """The schema of each property of the request, those of `extra_params` by their path."""
    properties = contract["components"]["schemas"]["AudioSpeechRequest"]["properties"]
    found = {name: schema for name, schema in properties.items() if name != "extra_params"}
    for name, schema in properties["extra_params"]["properties"].items():
        found[f"extra_params.{name}"] = schema
    return found


def unreached(contract: CommentedMap) -> list[str]:
    """A line for each property of the contract that the facade has no argument for."""
    return [
        f"{name!r} is new in the contract and the facade cannot set it: add an argument to"
        " synthesize or stream of both clients (facade/_client.py, facade/_async_client.py), its"
        " checks to facade/_request.py, its field to the body in facade/_wire.py, and a line to"
        " REACHED in tests/contract/test_facade_coverage.py"
        for name in request_schema(contract)
        if name not in REACHED
    ]


def listed(schema: dict[str, Any]) -> list[Any]:
    """The values that a schema lists, `anyOf` included."""
    values = list(schema.get("enum", ()))
    for member in schema.get("anyOf", ()):
        values += listed(member)
    return values


def offered(argument: str) -> set[Any]:
    """The values that the type of an argument lists, in both methods."""
    found: set[Any] = set()
    for method in (SpeechClient.synthesize, SpeechClient.stream):
        hint = typing.get_type_hints(method).get(argument)
        for member in typing.get_args(hint):
            if typing.get_origin(member) is Literal:
                found |= set(typing.get_args(member))
    return found


def unoffered(contract: CommentedMap) -> list[str]:
    """A line for each value that only one of the two, contract and facade, has."""
    lines = []
    for name, schema in request_schema(contract).items():
        values, ours = set(listed(schema)), offered(REACHED[name].argument or "")
        if not ours:  # an open set, such as models
            continue
        extra = ours - values - BEYOND_THE_CONTRACT.get(name, set())
        lines += [
            f"{name!r} may be {value!r} in the contract but not in the facade: add it to its type"
            " in facade/_request.py"
            for value in sorted(values - ours)
        ]
        lines += [
            f"{name!r} may be {value!r} in the facade but no longer in the contract: take it out"
            " of its type in facade/_request.py, or add it to BEYOND_THE_CONTRACT in"
            " tests/contract/test_facade_coverage.py"
            for value in sorted(extra)
        ]
    return lines


def answers(contract: CommentedMap) -> list[str]:
    """Each answer of the contract: operation, status, content type."""
    return [
        f"{operation['operationId']} {status} {media_type}"
        for item in contract["paths"].values()
        for operation in item.values()
        for status, response in operation["responses"].items()
        for media_type in response.get("content", {})
    ]


def unread(contract: CommentedMap) -> list[str]:
    """A line for each answer that no test reads, and for each status without a class."""
    lines = [
        f"{answer} is new in the contract: see that facade/_wire.py decodes it, and add a line to"
        " DECODED in tests/contract/test_facade_coverage.py"
        for answer in answers(contract)
        if answer not in DECODED
    ]
    statuses = {int(answer.split()[1]) for answer in answers(contract)}
    lines += [
        f"status {status} has no class: add one to facade/errors.py, map it in"
        " facade/_failures.py, and add a line to ERRORS in tests/contract/test_facade_coverage.py"
        for status in sorted(statuses - {200} - ERRORS.keys())
        if status < 500
    ]
    return lines


def test_every_property_of_the_request_can_be_set(contract: CommentedMap) -> None:
    """By an argument that is really there, in both clients."""
    assert unreached(contract) == []
    assert set(REACHED) == set(request_schema(contract))
    for reach in REACHED.values():
        for client in (facade.SpeechClient, facade.AsyncSpeechClient):
            parameters = inspect.signature(getattr(client, reach.method)).parameters
            assert reach.argument is None or reach.argument in parameters


def test_every_listed_value_is_offered_and_no_other(contract: CommentedMap) -> None:
    """By the types of the arguments."""
    assert unoffered(contract) == []


def test_every_answer_is_read_and_every_status_has_its_class(contract: CommentedMap) -> None:
    """And the table has no line too many."""
    assert unread(contract) == []
    assert set(DECODED) == set(answers(contract))


def test_the_default_server_is_the_contract_s(
    contract: CommentedMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is not, applications talk to a server that has moved: see facade/_config.py."""
    monkeypatch.delenv("TOGETHER_BASE_URL", raising=False)
    with SpeechClient("key") as client:
        assert contract["servers"][0]["url"] in repr(client)


def add_property(contract: CommentedMap) -> None:
    schema = contract["components"]["schemas"]["AudioSpeechRequest"]
    schema["properties"]["speed"] = {"type": "number"}


def add_nested_property(contract: CommentedMap) -> None:
    schema = contract["components"]["schemas"]["AudioSpeechRequest"]
    schema["properties"]["extra_params"]["properties"]["pitch"] = {"type": "number"}


def add_value(contract: CommentedMap) -> None:
    schema = contract["components"]["schemas"]["AudioSpeechRequest"]
    schema["properties"]["bit_rate"]["enum"].append(256000)


def remove_value(contract: CommentedMap) -> None:
    schema = contract["components"]["schemas"]["AudioSpeechRequest"]
    schema["properties"]["response_format"]["enum"].remove("mp3")


def add_status(contract: CommentedMap) -> None:
    responses = contract["paths"]["/audio/speech"]["post"]["responses"]
    responses["409"] = copy.deepcopy(responses["429"])


@pytest.mark.parametrize(
    ("change", "check", "words"),
    [
        (add_property, unreached, ["'speed' is new", "REACHED", "facade/_client.py"]),
        (add_nested_property, unreached, ["'extra_params.pitch' is new", "facade/_request.py"]),
        (add_value, unoffered, ["'bit_rate' may be 256000", "facade/_request.py"]),
        (remove_value, unoffered, ["'response_format' may be 'mp3' in the facade"]),
        (add_status, unread, ["status 409 has no class", "facade/errors.py"]),
        (add_status, unread, ["audio-speech 409 application/json is new", "DECODED"]),
    ],
)
def test_a_change_of_the_contract_is_told_with_what_to_do(
    contract: CommentedMap,
    change: Callable[[CommentedMap], None],
    check: Callable[[CommentedMap], list[str]],
    words: list[str],
) -> None:
    """By one of the checks above, and by nothing before the change."""
    assert check(contract) == []
    change(contract)
    assert any(all(word in line for word in words) for line in check(contract))


# --- what really goes over the wire ------------------------------------------------------------


class Service(HTTPServer):
    """Answers on this machine as the contract has it, and keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.status = 200
        self.answer: tuple[str, bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.bodies.append(body)
        self.server.keys.append(self.headers["authorization"])
        self._answer(*(self.server.answer or (STREAM if body.get("stream") else AUDIO)))

    def do_GET(self) -> None:
        assert self.server.answer
        self._answer(*self.server.answer)

    def _answer(self, media_type: str, content: bytes) -> None:
        self.send_response(self.server.status)
        self.send_header("content-type", media_type)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


AUDIO = ("audio/wav", b"\xff\x00\x01\x00")
CHUNK = {"object": "audio.tts.chunk", "model": "m", "b64": base64.b64encode(b"\1\2" * 8).decode()}
STREAM = ("text/event-stream", f"data: {json.dumps(CHUNK)}\n\ndata: [DONE]\n\n".encode())


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def client(service: Service) -> Iterator[SpeechClient]:
    retry = facade.RetryPolicy(attempts=1)
    with SpeechClient("key", base_url=service.url, validate_voices=False, retry=retry) as client:
        yield client


def test_every_value_goes_over_the_wire_as_the_contract_has_it(
    contract: CommentedMap, service: Service, client: SpeechClient
) -> None:
    """Each listed one, and an example where none are listed; what is left out stays out."""
    for name, schema in request_schema(contract).items():
        reach = REACHED[name]
        for value in listed(schema) or [reach.value]:
            options = {"voice": "v", "model": "m/m", **dict(reach.beside)}
            if reach.argument:
                options[reach.argument] = value
            text = options.pop("text", "Hello.")
            if reach.method == "stream":
                with client.stream(text, **options) as stream:
                    assert list(stream)
            else:
                client.synthesize(text, **options)
            sent = service.bodies[-1]
            flat = sent | {f"extra_params.{k}": v for k, v in sent.get("extra_params", {}).items()}
            assert flat[name] == value
            known = set(request_schema(contract)) | {"extra_params"}
            assert set(flat) <= known
            beside = {key for key, _ in reach.beside} | {"input", "model", "voice", name}
            streaming = {"stream", "response_format"} if reach.method == "stream" else set()
            assert set(flat) - {"extra_params"} <= beside | streaming


def test_the_key_goes_where_the_contract_has_it(
    contract: CommentedMap, service: Service, client: SpeechClient
) -> None:
    """As a bearer token."""
    (name,) = contract["security"][0]
    scheme = contract["components"]["securitySchemes"][name]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    client.synthesize("Hello.", voice="v", model="m/m")
    assert service.keys == ["Bearer key"]


def test_each_documented_status_raises_its_class(
    contract: CommentedMap, service: Service, client: SpeechClient
) -> None:
    """With all that the contract's error says."""
    error = {"message": "No.", "type": "invalid", "param": "voice", "code": "c"}
    service.answer = ("application/json", json.dumps({"error": error}).encode())
    for answer in answers(contract):
        operation_id, status, media_type = answer.split()
        if status == "200":
            continue
        assert media_type == "application/json"
        service.status = int(status)
        calls: dict[str, Callable[[], Any]] = {
            "audio-speech": lambda: client.synthesize("Hello.", voice="v", model="m/m"),
            "fetchVoices": client.list_voices,
        }
        with pytest.raises(ERRORS[int(status)]) as raised:
            calls[operation_id]()
        facts = raised.value
        assert {name: getattr(facts, name) for name in error} == error
        assert facts.status_code == int(status)


def test_each_schema_of_an_answer_is_decoded(service: Service, client: SpeechClient) -> None:
    """Audio of any type, the chunks of a stream, and voices in both shapes and all forms."""
    for media_type in ("application/octet-stream", "audio/wav", "audio/mpeg"):
        service.answer = (media_type, b"\xff\x00\x01\x00")
        audio = client.synthesize("Hello.", voice="v", model="m/m")
        assert audio.content == b"\xff\x00\x01\x00"
    service.answer = STREAM
    with client.stream("Hello.", voice="v", model="m/m") as stream:
        assert b"".join(list(stream)) == b"\1\2" * 8
    voices: list[Any] = [{"id": "a", "name": "A"}, {"name": "B"}, "c"]
    for document in ({"data": [{"model": "m/m", "voices": voices}]}, {"voices": voices}):
        service.answer = ("application/json", json.dumps(document).encode())
        found = client.list_voices("m/m")
        assert [(voice.id, voice.name) for voice in found] == [("a", "A"), ("B", "B"), ("c", "c")]
