"""The program: how it starts and how it ends."""

import signal
import socket
import subprocess
import sys

import httpx
import pytest

from tests.emulator.conftest import emulator_process
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
        assert process.communicate() == ("", "")


def test_it_ends_with_its_standard_input() -> None:
    with emulator_process() as (_, process):
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


def test_a_port_in_use_is_one_clear_line(emulator_url: str) -> None:
    port = str(httpx.URL(emulator_url).port)
    done = run("-m", "together_emulator", "--port", port)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        f"together_emulator: cannot listen on 127.0.0.1 port {port}: Address already in use\n"
    )


def test_a_host_that_does_not_exist_is_one_clear_line() -> None:
    done = run("-m", "together_emulator", "--host", "256.0.0.1")
    assert done.returncode == 1
    assert done.stderr.startswith("together_emulator: cannot listen on 256.0.0.1 port 0: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("port", ["65536", "-1", "http"])
def test_a_port_that_is_none_is_a_usage_error(port: str) -> None:
    assert run("-m", "together_emulator", f"--port={port}").returncode == 2


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
