"""The emulator in a process of its own, for tests and for programs that work offline."""

import json
import subprocess
import sys
import tempfile
import threading
from types import TracebackType
from typing import IO, Any, Self

from together_emulator.record import Record


class SpeechEmulator:
    """An emulator that runs as long as a ``with`` block.

    It is a process of its own, so that it works with any client, and shares nothing with the
    program that uses it. It ends with the block, and at the latest with the program, however that
    ends.

        with SpeechEmulator() as emulator:
            client = SpeechClient(emulator.api_key, base_url=emulator.url)

    Attributes:
        api_key: A key that it takes; any other will do as well.
    """

    api_key = "emulator"

    def __init__(
        self, *, host: str = "127.0.0.1", port: int = 0, start_timeout_s: float = 60.0
    ) -> None:
        """Nothing runs until the block is entered.

        Args:
            host: The address to listen on.
            port: The port; 0 takes any free one.
            start_timeout_s: How long the start may take, in seconds.
        """
        self._arguments = ["--host", host, "--port", str(port), "--exit-with-stdin"]
        self._start_timeout_s = start_timeout_s
        self._process: subprocess.Popen[str] | None = None
        self._errors: IO[str] | None = None
        self._url = ""

    @property
    def url(self) -> str:
        """The base URL, which ends in ``/v1``."""
        if self._process is None:
            raise RuntimeError("the emulator is not running")
        return self._url

    @property
    def requests(self) -> list[Record]:
        """What was asked since the start or the last `reset`: the last 1000, oldest first."""
        return [Record(**fields) for fields in self._report()["requests"]]

    @property
    def characters(self) -> dict[str, int]:
        """The characters that were turned into speech, by model."""
        counted: dict[str, int] = self._report()["characters"]
        return counted

    @property
    def usd(self) -> dict[str, float | None]:
        """What the service would have billed for them, by model.

        None stands for a model without a published price.
        """
        billed: dict[str, float | None] = self._report()["usd"]
        return billed

    def fail_next(self, times: int = 1, **fault: object) -> None:
        """Let the next requests fail.

        Requests that ask for a fault by their header are not counted.

        Args:
            times: How many requests.
            **fault: The attributes of `together_emulator.fault.Fault`, such as ``status=429`` and
                ``retry_after=1``.

        Raises:
            ValueError: There is no such fault.
        """
        status, answer = self._call("POST", "/faults", json.dumps([fault] * times))
        if status != 204:
            raise ValueError(json.loads(answer)["error"]["message"])

    def reset(self) -> None:
        """Forget the requests so far, and the faults that still wait."""
        self._call("DELETE", "/requests")
        self._call("DELETE", "/faults")

    def start(self) -> None:
        """Start it, and return as soon as it takes requests.

        Raises:
            RuntimeError: It does not start, or runs already.
        """
        if self._process is not None:
            raise RuntimeError("the emulator is running already")
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-m", "together_emulator", *self._arguments],
            # It watches the other end of this pipe, which closes when this process ends, even when
            # it is killed.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            # Ctrl-C is for this process, which then ends the other in its own time.
            start_new_session=True,
        )
        self._process = process
        assert process.stdout is not None  # noqa: S101
        patience = threading.Timer(self._start_timeout_s, process.kill)
        patience.start()
        try:
            words = process.stdout.readline().split()
        except BaseException:
            self.stop()
            raise
        finally:
            patience.cancel()
        if not words:
            process.wait()
            self._errors.seek(0)
            message = self._errors.read().strip()
            self.stop()
            raise RuntimeError(f"the emulator did not start: {message or 'it took too long'}")
        self._url = words[-1]

    def stop(self) -> None:
        """End it. It may be started again."""
        process, errors = self._process, self._errors
        self._process = self._errors = None
        if process is None or errors is None:
            return
        with errors:
            with process:
                assert process.stdin is not None  # noqa: S101
                process.stdin.close()
                try:
                    process.wait(10)
                finally:
                    process.kill()
            errors.seek(0)
            sys.stderr.write(errors.read())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _report(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self._call("GET", "/requests")[1])
        return report

    def _call(self, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
        # Here and not above, so that importing the pytest plugin costs next to nothing.
        from http.client import HTTPConnection
        from urllib.parse import urlsplit

        address = urlsplit(self.url)
        connection = HTTPConnection(address.hostname or "", address.port, timeout=60)
        try:
            connection.request(method, "/emulator" + path, body)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()
