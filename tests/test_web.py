"""The documented web applications, served by their servers and asked over a socket."""

import io
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpx
import pytest
import soundfile  # type: ignore[import-untyped]
import uvicorn
from werkzeug.serving import make_server

from docs_tools.blocks import DOCS, blocks
from together_emulator import SpeechEmulator

LONG = "One sentence. And another one. And a third, so that it takes a while. " * 5

Serve = Callable[[Any], AbstractContextManager[str]]


@contextmanager
def asgi(app: Any) -> Iterator[str]:
    """Serve FastAPI's application; give its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started)
    (listener,) = server.servers[0].sockets
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)


@contextmanager
def wsgi(app: Any) -> Iterator[str]:
    """Serve Flask's application; give its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(20)
        server.server_close()


def until(is_so: Callable[[], bool]) -> None:
    """Wait for something that happens in another thread or process."""
    patience = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < patience
        time.sleep(0.02)


@pytest.fixture(params=["fastapi", "flask"])
def site(request: pytest.FixtureRequest, together_environment: SpeechEmulator) -> Iterator[str]:
    """The address of each of the applications in `docs/guides/streaming.md`."""
    page = DOCS / "guides" / "streaming.md"
    (program,) = [one.text for one in blocks(page) if f"from {request.param} import" in one.text]
    serve: Serve = {"fastapi": asgi, "flask": wsgi}[request.param]
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(program, names)  # noqa: S102 - our own
    with serve(names["app"]) as url:
        yield url
    if request.param == "flask":
        # It lives as long as the process, and here that goes on.
        names["client"].close()


def test_a_browser_gets_a_wav_file(site: str, together_environment: SpeechEmulator) -> None:
    answer = httpx.get(f"{site}/speech", params={"text": LONG}, timeout=60)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "audio/wav"
    assert "content-length" not in answer.headers
    assert answer.content[:8] == b"RIFF\xff\xff\xff\xff"
    assert answer.content[36:44] == b"data\xff\xff\xff\xff"
    samples, rate = soundfile.read(io.BytesIO(answer.content), dtype="int16")
    assert rate == 24000
    assert struct.pack(f"<{len(samples)}h", *samples) == answer.content[44:]
    (asked,) = together_environment.requests
    assert asked.state == "complete"
    assert len(samples) / rate == pytest.approx(asked.spoken_s)


def test_a_browser_that_goes_away_ends_the_stream(
    site: str, together_environment: SpeechEmulator
) -> None:
    together_environment.fail_next(delay_chunks=0.1)
    with httpx.stream("GET", f"{site}/speech", params={"text": LONG}, timeout=60) as answer:
        assert next(answer.iter_raw()).startswith(b"RIFF")
    until(lambda: together_environment.requests[0].state == "broken")


def test_what_fails_before_the_audio_has_a_status(
    site: str, together_environment: SpeechEmulator
) -> None:
    together_environment.fail_next(status=429)
    assert httpx.get(f"{site}/speech", params={"text": "Hello."}, timeout=60).status_code == 500
