"""The API as an ASGI application."""

import threading
import uuid
from collections.abc import Iterator, Mapping

import anyio
from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from together_emulator.audio import encode, wav_header
from together_emulator.catalogue import models
from together_emulator.engine import engine
from together_emulator.errors import ApiError, quoted
from together_emulator.request import SpeechRequest, parse_request
from together_emulator.speech import speak

MAX_BODY_BYTES = 1 << 20
"""The largest request body; a longer one is refused with 413."""

# A body that is too large is read up to here before the refusal: a client that is still sending
# when the connection closes may never see the answer.
_DRAINED_BYTES = 16 << 20


def create_app() -> ASGIApp:
    """The application, serving each path with and without ``/v1``."""
    app = Starlette(
        routes=[
            Route(prefix + path, endpoint, methods=[method])
            for prefix in ("", "/v1")
            for path, endpoint, method in (
                ("/audio/speech", _speech, "POST"),
                ("/voices", _voices, "GET"),
            )
        ],
        middleware=[Middleware(_Authentication)],
        exception_handlers={
            ApiError: _refused,
            HTTPException: _not_served,
            ClientDisconnect: _gone,
            Exception: _failed,
        },
    )
    app.router.redirect_slashes = False
    # One sentence at a time, in the order of asking: a lock alone would let the thread that has
    # just released it take it again.
    app.state.turn = anyio.CapacityLimiter(1)
    # Around everything, so that answers to crashes have the header as well.
    return _RequestId(app)


async def _speech(request: Request) -> Response:
    speech = parse_request(await _body(request))
    stop = threading.Event()

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        stop.set()

    turn: anyio.CapacityLimiter = request.app.state.turn
    pieces: list[bytes] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        audio = _audio(speech, stop)
        while (piece := await run_sync(next, audio, None, limiter=turn)) is not None:
            pieces.append(piece)
        tasks.cancel_scope.cancel()
    if stop.is_set():
        raise ClientDisconnect
    audio_format = speech.audio_format
    if audio_format.container == "wav":
        pieces.insert(0, wav_header(sum(map(len, pieces)), audio_format.sample_rate))
    return Response(b"".join(pieces), media_type=audio_format.media_type)


def _audio(speech: SpeechRequest, stop: threading.Event) -> Iterator[bytes]:
    pcm = speak(speech.text, speech.voice, stop)
    return encode(pcm, engine().sample_rate, speech.audio_format)


async def _voices(request: Request) -> Response:
    name = request.query_params.get("model")
    if name is not None and name not in models():
        raise ApiError(
            404, f"there is no model {quoted(name)}", param="model", code="model_not_available"
        )
    return JSONResponse(
        {
            "data": [
                {
                    "model": model.name,
                    "voices": [{"id": voice, "name": voice} for voice in model.voices],
                }
                for model in models().values()
                if name in (None, model.name)
            ]
        }
    )


async def _body(request: Request) -> bytes:
    pieces = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size <= MAX_BODY_BYTES:
            pieces.append(piece)
        elif size > _DRAINED_BYTES:
            break
    if size > MAX_BODY_BYTES:
        raise ApiError(
            413, f"the body is larger than {MAX_BODY_BYTES} bytes", code="request_too_large"
        )
    return b"".join(pieces)


def _answer(error: ApiError, headers: Mapping[str, str] | None = None) -> Response:
    return Response(error.body(), error.status, headers, "application/json")


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101
    return _answer(error)


async def _not_served(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    message = (
        f"{request.url.path} does not take {request.method}"
        if error.status_code == 405
        else f"there is no {request.url.path}"
    )
    return _answer(ApiError(error.status_code, message), error.headers)


async def _gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=499)


async def _failed(_request: Request, _error: Exception) -> Response:
    return _answer(ApiError(500, "the emulator failed; its standard error says why"))


class _Authentication:
    """Asks for a bearer key; any key that is not empty will do."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and key.strip():
            await self._app(scope, receive, send)
            return
        error = ApiError(
            401, "a key is missing: Authorization: Bearer <key>", code="invalid_api_key"
        )
        await _answer(error, {"www-authenticate": "Bearer"})(scope, receive, send)


class _RequestId:
    """Gives every answer a fresh ``x-request-id``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = uuid.uuid4().hex
            await send(message)

        await self._app(scope, receive, send_with_id)
