"""The API as an ASGI application."""

import uuid
from collections.abc import Callable, Collection, Mapping
from contextlib import aclosing

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from together_emulator.answer import Stage, answer
from together_emulator.audio import wav_header
from together_emulator.body import read_body
from together_emulator.catalogue import models
from together_emulator.control import control_routes
from together_emulator.errors import ApiError, quoted
from together_emulator.injection import Faults, InjectFaults
from together_emulator.limit import Demand
from together_emulator.log import LogRequests, RequestLog, is_own
from together_emulator.record import Record
from together_emulator.request import parse_request
from together_emulator.session import Session
from together_emulator.stream import SpeechStream
from together_emulator.switches import session_options, stream_options, voices_shape
from together_emulator.throttle import HEADERS, LimitRequests, Throttle, Turn
from together_emulator.voice_list import voice_list

_REALTIME = "/audio/speech/websocket"


def create_app(
    at_once: int | None = None,
    reset: Callable[[Scope], None] = lambda _scope: None,
    stall: Callable[[Scope], None] = lambda _scope: None,
    cors: Collection[str] = (),
    demand: Demand | None = None,
) -> ASGIApp:
    """The application, serving each path with and without ``/v1``.

    Args:
        at_once: How many sentences are spoken at the same time; None is one for each processor, up
            to 4.
        reset: Resets the connection of a request, for the fault ``abort``; without it the server
            closes the connection.
        stall: Stops reading from the connection of a session, for the fault ``stall``.
        cors: The origins of web pages that may use it, such as ``http://localhost:3000``; ``*``
            stands for all.
        demand: The limits that hold at first; none unless given.

    Raises:
        EngineError: The speech engine cannot be started.
    """
    log = RequestLog()
    faults = Faults()
    throttle = Throttle(log.now_s, demand or Demand())
    # In front of the faults: what is above the limit takes none.
    limits = [Middleware(LimitRequests, throttle=throttle)]
    injection = Middleware(InjectFaults, faults=faults, reset=reset, stall=stall)
    app = Starlette(
        routes=[
            *(
                Route(prefix + path, endpoint, methods=[method], middleware=[*before, injection])
                for path, endpoint, method, before in (
                    ("/audio/speech", _speech, "POST", limits),
                    ("/voices", _voices, "GET", []),
                )
                for prefix in ("/v1", "")
            ),
            *(
                WebSocketRoute(prefix + _REALTIME, _realtime, middleware=[injection])
                for prefix in ("/v1", "")
            ),
            *control_routes(log, faults, throttle),
            # Else the server would refuse it without a word.
            WebSocketRoute("/{path:path}", _nowhere),
        ],
        middleware=[Middleware(LogRequests, log=log), Middleware(_Authentication)],
        exception_handlers={
            ApiError: _refused,
            HTTPException: _not_served,
            ClientDisconnect: _gone,
            Exception: _failed,
        },
    )
    app.router.redirect_slashes = False
    app.state.stage = Stage(at_once)
    app.state.log = log
    # Around everything, so that answers to crashes have their headers as well.
    return _RequestId(_for_pages(app, cors) if cors else app)


def _for_pages(app: ASGIApp, origins: Collection[str]) -> ASGIApp:
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["*"],
        expose_headers=["x-request-id", "retry-after", *HEADERS, "cf-ray"],
    )


async def _speech(request: Request) -> Response:
    record: Record = request.scope["record"]
    body = await read_body(request)
    record.note_body(body)
    speech = parse_request(body, record.warnings)
    turn: Turn | None = request.scope.get("turn")
    if turn is not None:
        turn.count(len(speech.script.written))
    log: RequestLog = request.app.state.log
    log.bill(record, speech.model, len(speech.script.written))
    stage: Stage = request.app.state.stage
    if speech.is_streamed:
        return SpeechStream(speech, stream_options(request.headers), stage, record)
    async with aclosing(answer(speech, request.receive, stage, record)) as parts:
        pieces = [part.audio async for part in parts]
    audio_format = speech.audio_format
    if audio_format.container == "wav":
        pieces.insert(0, wav_header(sum(map(len, pieces)), audio_format.sample_rate))
    return Response(b"".join(pieces), media_type=audio_format.media_type)


async def _realtime(websocket: WebSocket) -> None:
    state = websocket.app.state
    await Session(websocket, session_options(websocket.headers), state.stage, state.log).run()


async def _voices(request: Request) -> Response:
    name = request.query_params.get("model")
    if name is not None and name not in models():
        raise ApiError(
            404, f"there is no model {quoted(name)}", param="model", code="model_not_available"
        )
    chosen = [model for model in models().values() if name in (None, model.name)]
    return JSONResponse(voice_list(chosen, voices_shape(request.headers)))


def _answer(error: ApiError, headers: Mapping[str, str] | None = None) -> Response:
    return Response(error.body(), error.status, headers, "application/json")


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101
    return _answer(error)


async def _nowhere(_websocket: WebSocket) -> None:
    raise HTTPException(404)


async def _not_served(request: HTTPConnection, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    path = request.url.path
    message = f"there is no {path}"
    if error.status_code == 405:
        message = f"{path} does not take {request.scope['method']}"
    elif path.removeprefix("/v1") == _REALTIME:
        message = f"{path} is a WebSocket: connect to it with ws://"
    elif path.startswith("/v1/v1/"):
        root = str(request.base_url).rstrip("/")
        message = f"{path} has /v1 twice: the client adds it by itself, so its base URL is {root}"
    return _answer(ApiError(error.status_code, message), error.headers)


async def _gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=499)


async def _failed(_request: Request, _error: Exception) -> Response:
    return _answer(ApiError(500, "the emulator failed; its standard error says why"))


class _Authentication:
    """Asks for a bearer key, of the API only; any key that is not empty will do."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if is_own(scope["path"]):
            await self._app(scope, receive, send)
            return
        credentials = Headers(scope=scope).get("authorization")
        scheme, _, key = (credentials or "").partition(" ")
        if scope["type"] == "websocket" and credentials is None:
            # Pages cannot set the header of a WebSocket.
            credentials = QueryParams(scope.get("query_string", b"")).get("api_key")
            scheme, key = "bearer", credentials or ""
        if scheme.lower() == "bearer" and key.strip():
            await self._app({**scope, "key": key.strip()}, receive, send)
            return
        is_missing = scope["type"] == "websocket" and credentials is None
        error = ApiError(
            401,
            "a key is missing: Authorization: Bearer <key>",
            code="missing_api_key" if is_missing else "invalid_api_key",
        )
        await _answer(error, {"www-authenticate": "Bearer"})(scope, receive, send)


class _RequestId:
    """Gives every answer a fresh ``x-request-id``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_id(message: Message) -> None:
            if message["type"] in _ANSWERS:
                MutableHeaders(scope=message)["x-request-id"] = uuid.uuid4().hex
            await send(message)

        await self._app(scope, receive, send_with_id)


_ANSWERS = ("http.response.start", "websocket.http.response.start", "websocket.accept")
