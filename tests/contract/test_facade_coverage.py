"""The facade against the contract: all that the contract has can be reached, told and read.

`unreached` and its like take a contract: `test_told_changes.py` shows that they find what a new one
has. Each line that they give names what is new or gone, the file to change, and what to do there.
"""

from __future__ import annotations

import base64
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
from contract.vendor import FILES
from facade import SpeechClient
from tests.contract.reading import OPERATIONS, Contract
from tests.faults.server import SPEECH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = "tests/contract/test_facade_coverage.py"


class Reach(NamedTuple):
    """How an application sets a property of the request."""

    method: Literal["synthesize", "stream"]
    argument: str | None
    """`None` where choosing the method is what sets it."""
    value: Any = None
    """A value for it, where the contract lists none."""
    beside: tuple[tuple[str, Any], ...] = ()
    """What else must be said for it to have a meaning."""


# A new property of the request gets a line here, an option, and its checks.
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

# The content of an answer with audio, and the events of a stream, that the facade reads.
CONTENT = {
    "speech": {"application/octet-stream", "audio/wav", "audio/mpeg", "text/event-stream"},
    "voices": {"application/json"},
}
EVENTS = {"audio.tts.chunk", "[DONE]"}


@pytest.fixture
def contract() -> Contract:
    """The effective contract."""
    return Contract(load_openapi(ROOT / "generated" / "contract.yaml"))


def fail_with(lines: list[str]) -> None:
    """Fail where there are any, with nothing but these."""
    if lines:
        pytest.fail("\n".join(lines), pytrace=False)


def unreached(contract: Contract) -> list[str]:
    """A line for each property that only one of the two, contract and facade, has."""
    known = contract.request()
    lines = [
        f"{name!r} is new in the contract and the facade cannot set it: add an option to"
        f" {FILES['options']}, its checks to {FILES['request']}, and a line to REACHED in {HERE}"
        for name in known
        if name not in REACHED
    ]
    lines += [
        f"{name!r} is gone from the contract and the facade still sets it: where it is documented"
        " all the same, add it to contract/overlay.yaml; else take out its option"
        f" ({FILES['options']}), its checks ({FILES['request']}), and its line in REACHED in {HERE}"
        for name in REACHED
        if name not in known
    ]
    return lines


def offered(argument: str) -> set[Any]:
    """The values that the type of an option lists, for both methods."""
    found: set[Any] = set()
    for options in (facade.SynthesizeOptions, facade.StreamOptions):
        hint = typing.get_type_hints(options).get(argument)
        for member in typing.get_args(hint):
            if typing.get_origin(member) is Literal:
                found |= set(typing.get_args(member))
    return found


def unoffered(contract: Contract) -> list[str]:
    """A line for each value that only one of the two, contract and facade, has."""
    lines = []
    for name, schemas in contract.request().items():
        if name not in REACHED:
            continue
        values, ours = set(contract.values(schemas)), offered(REACHED[name].argument or "")
        if not ours:  # an open set, such as models
            continue
        extra = ours - values - BEYOND_THE_CONTRACT.get(name, set())
        lines += [
            f"{name!r} may be {value!r} in the contract but not in the facade: add it to its type"
            f" in {FILES['options']}"
            for value in sorted(values - ours)
        ]
        lines += [
            f"{name!r} may be {value!r} in the facade but no longer in the contract: take it out"
            f" of its type in {FILES['options']}; or where it is documented all the same, add it"
            f" to contract/overlay.yaml, or to BEYOND_THE_CONTRACT in {HERE}"
            for value in sorted(extra)
        ]
    return lines


def unread(contract: Contract) -> list[str]:
    """A line for each status without a class, and for each content and event that is not read."""
    lines = []
    for name, status, media_type in contract.answers():
        path, method = OPERATIONS[name]
        place = f"{method.upper()} {path}"
        if status == "200":
            if media_type not in CONTENT[name]:
                lines.append(
                    f"{place} answers 200 with {media_type} now: see that {FILES['wire']} reads"
                    f" it, and add it to CONTENT in {HERE}"
                )
        elif status.isdecimal() and not status.startswith("5") and int(status) not in ERRORS:
            lines.append(
                f"{place} answers {status} now, which has no class: add one to {FILES['errors']},"
                f" map it in {FILES['failures']}, and add a line to ERRORS in {HERE}"
            )
        elif media_type not in ("application/json", None):
            lines.append(
                f"{place} answers {status} with {media_type} now: see that {FILES['failures']}"
                " reads it"
            )
    lines += [
        f"the stream has a new event ({event}): see that {FILES['stream']} reads it, and add it to"
        f" EVENTS in {HERE}"
        for event in contract.events()
        if event not in EVENTS
    ]
    return list(dict.fromkeys(lines))


def test_every_property_of_the_request_can_be_set(contract: Contract) -> None:
    """By an argument that is really there, in both clients."""
    fail_with(unreached(contract))
    for reach in REACHED.values():
        for client in (facade.SpeechClient, facade.AsyncSpeechClient):
            parameters = inspect.signature(getattr(client, reach.method)).parameters
            assert reach.argument is None or reach.argument in parameters


def test_every_listed_value_is_offered_and_no_other(contract: Contract) -> None:
    """By the types of the arguments."""
    fail_with(unoffered(contract))


def test_every_answer_is_read_and_every_status_has_its_class(contract: Contract) -> None:
    """And so is every event of a stream."""
    fail_with(unread(contract))


def test_the_default_server_is_the_contract_s(
    contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is not, applications talk to a server that has moved."""
    monkeypatch.delenv("TOGETHER_BASE_URL", raising=False)
    server = contract.document["servers"][0]["url"]
    with SpeechClient("key") as client:
        if server not in repr(client):
            pytest.fail(
                f"the contract's server is {server} and the facade's is another: change the default"
                f" base URL in {FILES['config']}, and BASE_URL in contract/compose.py",
                pytrace=False,
            )


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


AUDIO = ("audio/wav", SPEECH)
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
    contract: Contract, service: Service, client: SpeechClient
) -> None:
    """Each that both have, and an example where none are listed; what is left out stays out."""
    for name, schemas in contract.request().items():
        if name not in REACHED:
            continue
        reach = REACHED[name]
        ours = offered(reach.argument or "")
        values = [value for value in contract.values(schemas) if not ours or value in ours]
        for value in values or [reach.value]:
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
            beside = {key for key, _ in reach.beside} | {"input", "model", "voice", name}
            streaming = {"stream", "response_format"} if reach.method == "stream" else set()
            assert set(flat) - {"extra_params"} <= beside | streaming


def test_the_key_goes_where_the_contract_has_it(
    contract: Contract, service: Service, client: SpeechClient
) -> None:
    """As a bearer token."""
    speech = contract.operation("speech")
    (name,) = speech.get("security", contract.document["security"])[0]
    scheme = contract.document["components"]["securitySchemes"][name]
    if (scheme["type"], scheme.get("scheme", "").lower()) != ("http", "bearer"):
        pytest.fail(
            f"the security scheme {name!r} is no bearer token any more: change how"
            f" {FILES['wire']} and {FILES['config']} send the key",
            pytrace=False,
        )
    client.synthesize("Hello.", voice="v", model="m/m")
    assert service.keys == ["Bearer key"]


def test_each_documented_status_raises_its_class(
    contract: Contract, service: Service, client: SpeechClient
) -> None:
    """With all that the contract's error says."""
    error = {"message": "No.", "type": "invalid", "param": "voice", "code": "c"}
    service.answer = ("application/json", json.dumps({"error": error}).encode())
    calls: dict[str, Callable[[], Any]] = {
        "speech": lambda: client.synthesize("Hello.", voice="v", model="m/m"),
        "voices": client.list_voices,
    }
    for name, status, _ in contract.answers():
        if not status.isdecimal() or int(status) not in ERRORS:
            continue
        service.status = int(status)
        with pytest.raises(ERRORS[int(status)]) as raised:
            calls[name]()
        facts = raised.value
        assert {name: getattr(facts, name) for name in error} == error
        assert facts.status_code == int(status)


def test_each_schema_of_an_answer_is_decoded(service: Service, client: SpeechClient) -> None:
    """Audio of any type, the chunks of a stream, and voices in both shapes and all forms."""
    for media_type in ("application/octet-stream", "audio/wav", "audio/mpeg"):
        service.answer = (media_type, SPEECH)
        assert client.synthesize("Hello.", voice="v", model="m/m").content == SPEECH
    service.answer = STREAM
    with client.stream("Hello.", voice="v", model="m/m") as stream:
        assert b"".join(list(stream)) == b"\1\2" * 8
    voices: list[Any] = [{"id": "a", "name": "A"}, {"name": "B"}, "c"]
    for document in ({"data": [{"model": "m/m", "voices": voices}]}, {"voices": voices}):
        service.answer = ("application/json", json.dumps(document).encode())
        found = client.list_voices("m/m")
        assert [(voice.id, voice.name) for voice in found] == [("a", "A"), ("B", "B"), ("c", "c")]
