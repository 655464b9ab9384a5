"""The emulator's own addresses: what it was asked, and what is to go wrong."""

import json
from collections import deque

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from together_emulator.body import read_body
from together_emulator.errors import ApiError
from together_emulator.fault import Fault
from together_emulator.log import CONTROL, RequestLog


def control_routes(log: RequestLog, waiting: deque[Fault]) -> list[Route]:
    """The routes below `CONTROL`, which need no key.

    Args:
        log: Read by GET, and cleared by DELETE.
        waiting: The faults of the next requests, added to by POST with a JSON list of objects and
            cleared by DELETE.
    """

    async def report(_request: Request) -> Response:
        return Response(log.report(), media_type="application/json")

    async def forget(_request: Request) -> Response:
        log.clear()
        return Response(status_code=204)

    async def prepare(request: Request) -> Response:
        body = await read_body(request)
        try:
            waiting.extend([Fault.of(dict(values)) for values in json.loads(body)])
        except (TypeError, ValueError, RecursionError) as error:
            raise ApiError(400, f"a list of faults is expected: {error}") from error
        return Response(status_code=204)

    async def cancel(_request: Request) -> Response:
        waiting.clear()
        return Response(status_code=204)

    return [
        Route(CONTROL + "/requests", report, methods=["GET"]),
        Route(CONTROL + "/requests", forget, methods=["DELETE"]),
        Route(CONTROL + "/faults", prepare, methods=["POST"]),
        Route(CONTROL + "/faults", cancel, methods=["DELETE"]),
    ]
