"""The emulator's own addresses: whether it is there, what it was asked, and what is to go wrong."""

import json
from functools import cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from together_emulator.body import read_body
from together_emulator.errors import ApiError
from together_emulator.fault import Fault
from together_emulator.injection import Faults
from together_emulator.log import CONTROL, DOCUMENT, HEALTH, RequestLog
from together_emulator.throttle import Throttle


def control_routes(log: RequestLog, faults: Faults, throttle: Throttle) -> list[Route]:
    """The routes that need no key and are not logged.

    Args:
        log: Read by GET, and cleared by DELETE.
        faults: Read by GET, added to by POST with a JSON list of objects, and cleared by DELETE.
        throttle: Read by GET, changed by POST with a JSON object, and set back by DELETE.
    """

    async def report(_request: Request) -> Response:
        await log.catch_up()
        return Response(log.report(), media_type="application/json")

    async def moments(_request: Request) -> Response:
        await log.catch_up()
        return Response(log.moments(), media_type="application/json")

    async def forget(_request: Request) -> Response:
        log.clear()
        return Response(status_code=204)

    async def unused(_request: Request) -> Response:
        # ASCII only: a message may hold a lone surrogate, which UTF-8 cannot carry.
        listed = json.dumps([fault.options() for fault in faults.unused()])
        return Response(listed, media_type="application/json")

    async def prepare(request: Request) -> Response:
        faults.add(_faults(await read_body(request)))
        return Response(status_code=204)

    async def cancel(_request: Request) -> Response:
        faults.clear()
        return Response(status_code=204)

    async def limits(_request: Request) -> Response:
        return JSONResponse({**throttle.demand.options(), "now_s": throttle.now_s()})

    async def change(request: Request) -> Response:
        values = _json(await read_body(request))
        if not isinstance(values, dict):
            raise ApiError(400, 'a JSON object is expected, such as {"limit": "20/s"}')
        try:
            throttle.change(values)
        except ValueError as error:
            raise ApiError(400, str(error)) from error
        return await limits(request)

    async def set_back(_request: Request) -> Response:
        throttle.reset()
        return Response(status_code=204)

    return [
        Route(CONTROL + "/requests", report, methods=["GET"]),
        Route(CONTROL + "/requests", forget, methods=["DELETE"]),
        Route(CONTROL + "/faults", unused, methods=["GET"]),
        Route(CONTROL + "/faults", prepare, methods=["POST"]),
        Route(CONTROL + "/faults", cancel, methods=["DELETE"]),
        Route(CONTROL + "/moments", moments, methods=["GET"]),
        Route(CONTROL + "/limits", limits, methods=["GET"]),
        Route(CONTROL + "/limits", change, methods=["POST"]),
        Route(CONTROL + "/limits", set_back, methods=["DELETE"]),
        *(Route(path, _health, methods=["GET"]) for path in HEALTH),
        *(Route(path, _document, methods=["GET"]) for path in DOCUMENT),
    ]


def _faults(body: bytes) -> list[Fault]:
    listed = _json(body)
    if not isinstance(listed, list) or not all(isinstance(values, dict) for values in listed):
        raise ApiError(400, 'a JSON list of faults is expected, such as [{"status": 503}]')
    try:
        return [Fault.of(values) for values in listed]
    except ValueError as error:
        raise ApiError(400, str(error)) from error


def _json(body: bytes) -> object:
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value


async def _health(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _document(request: Request) -> Response:
    # So that what reads it sends its requests here.
    server = {"url": str(request.base_url) + "v1"}
    return JSONResponse({**_contract(), "servers": [server]})


@cache
def _contract() -> dict[str, object]:
    document: dict[str, object] = json.loads(
        files(__package__).joinpath("openapi.json").read_text("utf-8")
    )
    return document
