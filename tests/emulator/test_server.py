"""The program: how it starts and how it ends."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.emulator.conftest import emulator_process
from together_emulator.__main__ import main
from together_emulator.server import listen


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_even_with_an_open_connection(number: signal.Signals) -> None:
    with emulator_process() as (url, process), httpx.Client() as client:
        client.get(url + "/voices", headers={"Authorization": "Bearer any"}).raise_for_status()
        process.send_signal(number)
        assert process.wait(20) == 0
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read() == (
            f"  for together-speech and OpenAI's SDK:  {url}\n"
            f"  for Together's SDK, which adds /v1:    {url.removesuffix('/v1')}\n"
        )
        assert process.stderr.read() == ""


def test_pages_may_use_it_where_they_are_let(emulator_url: str) -> None:
    page = {"Origin": "http://localhost:3000"}
    preflight = {
        **page,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type, x-emulate-fault",
    }
    allowed = "access-control-allow-origin"
    with emulator_process("--cors") as (url, _):
        asked = httpx.options(url + "/audio/speech", headers=preflight)
        assert asked.status_code == 200
        assert asked.headers[allowed] == "*"
        assert "x-emulate-fault" in asked.headers["access-control-allow-headers"]
        refused = httpx.post(url + "/audio/speech", headers=page)
        assert (refused.status_code, refused.headers[allowed]) == (401, "*")
        assert "x-request-id" in refused.headers["access-control-expose-headers"]
        assert len(httpx.get(url[:-3] + "/emulator/requests").json()["requests"]) == 1
    assert allowed not in httpx.get(emulator_url + "/voices", headers=page).headers


@pytest.mark.parametrize("origin", ["localhost:3000", "http://localhost:3000/", "file:///x"])
def test_an_origin_that_is_none_is_a_usage_error(
    origin: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--cors", origin])
    assert f"'{origin}' is not an origin" in capsys.readouterr().err


def speak_for_ever(url: str, headers: dict[str, str]) -> None:
    with connect(url, additional_headers=headers, close_timeout=0.1) as websocket:
        text = {"type": "input_text_buffer.append", "text": "We were away."}
        websocket.send(json.dumps(text))
        while True:
            websocket.recv(timeout=1)


def test_it_ends_with_its_standard_input_and_what_clients_do_fills_no_terminal() -> None:
    """They go away, want a WebSocket, and ask for answers that are cut."""
    # Short enough to be kept, and so to be at hand all at once.
    fields = {"model": "hexgrad/Kokoro-82M", "input": "We were away a year ago, " * 2}
    body = {**fields, "voice": "af_heart", "response_format": "raw", "stream": True}
    headers = {"Authorization": "Bearer any"}
    with emulator_process() as (url, process):
        request = httpx.Request("POST", url + "/audio/speech", json=body, headers=headers)
        head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
        sent = f"POST /v1/audio/speech HTTP/1.1\r\n{head}\r\n".encode() + request.content
        with httpx.Client() as client:
            assert client.send(request).status_code == 200
            for fault in ("cut=10", "abort=10"):
                cut = {**headers, "x-emulate-fault": fault}
                for path, method in (("/audio/speech", "POST"), ("/voices", "GET")):
                    with pytest.raises(httpx.TransportError):
                        client.request(method, url + path, json=body, headers=cut)
        for _ in range(20):
            with socket.create_connection((request.url.host, request.url.port or 0)) as connection:
                connection.sendall(sent)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1] + [0] * 7))
        for path, fault, kind in (
            ("/nowhere", "", InvalidStatus),
            ("/audio/speech/websocket", "status=503", InvalidStatus),
            ("/audio/speech/websocket", "close=1006; at=0", ConnectionClosed),
            ("/audio/speech/websocket", "abort=10", ConnectionClosed),
            ("/audio/speech/websocket", "stall; at=0", TimeoutError),
        ):
            faulty = {**headers, "x-emulate-fault": fault}
            address = f"{url.replace('http', 'ws')}{path}?voice=af_heart"
            with pytest.raises(kind):
                speak_for_ever(address, faulty)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(20) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_it_outlives_its_standard_input_unless_told() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "together_emulator", "--port", "0"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        try:
            response = httpx.get(url + "/voices", headers={"Authorization": "Bearer any"})
            process.terminate()
            assert process.wait(20) == 0
        finally:
            process.kill()
    assert response.status_code == 200


def test_it_accepts_connections_on_the_address_it_prints() -> None:
    with emulator_process("--host", "localhost") as (url, _):
        assert httpx.get(url + "/voices").status_code == 401


def test_the_listening_socket_lets_asyncio_switch_nagle_off() -> None:
    """With the algorithm on, an answer of two packets waits 40 ms for an acknowledgement."""
    with listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


@pytest.fixture
def _signals() -> Iterator[None]:
    """What a program does with signals is not left behind."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_signals")
def test_a_port_in_use_is_one_clear_line(
    emulator_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    port = str(httpx.URL(emulator_url).port)
    assert main(["--port", port]) == 1
    assert capsys.readouterr() == (
        "",
        f"together_emulator: cannot listen on 127.0.0.1 port {port}: Address already in use\n",
    )


@pytest.mark.usefixtures("_signals")
def test_a_host_that_does_not_exist_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--host", "256.0.0.1"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("together_emulator: cannot listen on 256.0.0.1 port 0: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize("port", ["65536", "-1", "http"])
def test_a_port_that_is_none_is_a_usage_error(
    port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([f"--port={port}"])
    assert "argument --port: " in capsys.readouterr().err


@pytest.mark.parametrize("module", ["espeakng_loader", "starlette", "numpy"])
def test_a_missing_extra_is_one_clear_line(module: str) -> None:
    done = run(
        "-c",
        f"import sys; sys.modules[{module!r}] = None\n"
        "from together_emulator.__main__ import main; sys.exit(main([]))",
    )
    assert done.returncode == 1
    assert module in done.stderr
    assert "pip install 'together-speech[emulator]'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_engine_that_does_not_load_is_one_clear_line() -> None:
    done = run(
        "-c",
        "import sys, espeakng_loader\n"
        "espeakng_loader.get_library_path = lambda: '/nowhere/libespeak-ng.so'\n"
        "from together_emulator.__main__ import main; sys.exit(main([]))",
    )
    assert done.returncode == 1
    assert "not for musl" in done.stderr
    assert done.stderr.count("\n") == 1


def test_importing_the_package_needs_no_extra_and_nothing_of_the_client() -> None:
    done = run(
        "-c",
        "import sys, together_emulator\n"
        "assert not {'numpy', 'starlette'} & set(sys.modules)\n"
        "import together_emulator.server\n"
        "assert not {'facade', 'together_openapi'} & set(sys.modules)",
    )
    assert done.returncode == 0, done.stderr
