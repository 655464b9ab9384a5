"""The emulator in a process of its own, for tests and for programs that work offline."""

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Collection
from types import TracebackType
from typing import IO, Any, Self, TypedDict, Unpack

from together_emulator.fault import Fault, FaultOptions
from together_emulator.limit import Demand
from together_emulator.record import Moment, Record

MAX_TIMES = 1000
"""How many faults one `SpeechEmulator.fail_next` may ask for."""


class _Report(TypedDict):
    requests: list[dict[str, Any]]
    characters: dict[str, int]
    usd: dict[str, float | None]


class SpeechEmulator:
    """An emulator that runs as long as a ``with`` block.

    It is a process of its own, so that it works with any client, and shares nothing with the
    program that uses it. It ends with the block, and at the latest with the program, however that
    ends::

        with SpeechEmulator() as emulator:
            client = SpeechClient(emulator.api_key, base_url=emulator.url)

    Attributes:
        api_key: A key that it takes; any other will do as well.
    """

    api_key = "emulator"

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        cors: Collection[str] = (),
        limit: str | None = None,
        limit_characters: str | None = None,
        unavailable: float = 0.0,
        start_timeout_s: float = 60.0,
    ) -> None:
        """Nothing runs until the block is entered.

        Args:
            host: The address to listen on.
            port: The port; 0 takes any free one.
            cors: The origins of web pages that may use it, such as ``http://localhost:3000``;
                ``*`` stands for all.
            limit: The `limit` at first, and after each `reset`.
            limit_characters: The `limit_characters` at first, and after each `reset`.
            unavailable: The share that is `unavailable` at first, and after each `reset`.
            start_timeout_s: How long the start may take, in seconds.

        Raises:
            ValueError: A limit is none, or the share is not from 0 to 1.
        """
        demand = Demand().with_(
            {"limit": limit, "limit_characters": limit_characters, "unavailable": unavailable}
        )
        self._arguments = ["--host", host, "--port", str(port), "--exit-with-stdin"]
        if cors:
            self._arguments += ["--cors", *cors]
        for name, value in demand.options().items():
            if value:
                self._arguments += [f"--{name.replace('_', '-')}", str(value)]
        self._start_timeout_s = start_timeout_s
        self._process: subprocess.Popen[str] | None = None
        self._errors: IO[str] | None = None
        self._url = ""

    def __repr__(self) -> str:
        state = "not running" if self._process is None else f"at {self._url}"
        return f"<SpeechEmulator {state}>"

    @property
    def url(self) -> str:
        """The base URL with ``/v1``: for this package's client and OpenAI's SDK."""
        if self._process is None:
            raise RuntimeError(
                "the emulator is not running: use it in a with block, or call start()"
            )
        return self._url

    @property
    def sdk_url(self) -> str:
        """The base URL without ``/v1``: for Together's SDK, which adds it, and for this client too.

        The paths are served with and without it.
        """
        return self.url.removesuffix("/v1")

    @property
    def websocket_url(self) -> str:
        """The whole URL of the realtime WebSocket, without a query."""
        return self.url.replace("http", "ws", 1) + "/audio/speech/websocket"

    @property
    def requests(self) -> list[Record]:
        """What was asked since the start or the last `reset`: the last 1000, oldest first.

        A request whose client has gone away before this is read is settled in it.
        """
        return [Record(**fields) for fields in self._report()["requests"]]

    @property
    def moments(self) -> list[Moment]:
        """When each request came and how it was answered: the last 100,000, oldest first.

        For a run of thousands, at its end: reading so many takes a second.
        """
        return [Moment(*fields) for fields in json.loads(self._call("GET", "/moments")[1])]

    @property
    def now_s(self) -> float:
        """The moment on the emulator's clock: seconds since its start."""
        return float(self._limits()["now_s"])

    @property
    def limit(self) -> str | None:
        """How many requests for speech each key may send, such as ``"20/s"``; None is no limit.

        ``"90/m"`` is for each minute. ``"20/s:5"`` lets at most 5 come at once after a pause, and
        otherwise it is one second's worth, at least 1. What is above is answered with 429. It may
        be set while the emulator runs: the new rate holds at once, and what a key has left stays,
        up to the new burst.

        Raises:
            ValueError: What is set is no limit.
        """
        limit: str | None = self._limits()["limit"]
        return limit

    @limit.setter
    def limit(self, limit: str | None) -> None:
        self._limits(limit=limit)

    @property
    def limit_characters(self) -> str | None:
        """The same as `limit` for the characters of the texts.

        A text longer than the burst is taken after a pause that fills it, and has to be made up
        for.
        """
        limit: str | None = self._limits()["limit_characters"]
        return limit

    @limit_characters.setter
    def limit_characters(self, limit: str | None) -> None:
        self._limits(limit_characters=limit)

    @property
    def unavailable(self) -> float:
        """The share of the requests within the limits that are answered with 503, from 0 to 1.

        Which ones follows from their order, and is the same in each run.
        """
        return float(self._limits()["unavailable"])

    @unavailable.setter
    def unavailable(self, share: float) -> None:
        self._limits(unavailable=share)

    @property
    def characters(self) -> dict[str, int]:
        """The characters that were turned into speech, by model."""
        return self._report()["characters"]

    @property
    def usd(self) -> dict[str, float | None]:
        """What the service would have billed for them, by model.

        None stands for a model without a published price.
        """
        return self._report()["usd"]

    @property
    def unused_faults(self) -> list[Fault]:
        """The faults of `fail_next` that have not happened.

        They wait for a request, or a request took them on which they have no effect: no event of a
        stream fails in an answer that is none, and nothing is cut off behind its end.
        """
        return [Fault.of(options) for options in json.loads(self._call("GET", "/faults")[1])]

    def fail_next(self, times: int = 1, **fault: Unpack[FaultOptions]) -> None:
        """Let the next requests fail, or the next realtime sessions, each as a whole.

        Requests that ask for a fault by their header are not counted, nor are those without a key.
        A client that tries again takes the next fault, or an answer where none is left.

        Args:
            times: How many requests, from 1 to 1000.
            **fault: The attributes of `Fault`, such as ``status=429`` and ``retry_after=1``.

        Raises:
            ValueError: There is no such fault, or it could never happen.
        """
        try:
            if type(times) is not int or not 1 <= times <= MAX_TIMES:
                raise ValueError(
                    f"times must be an integer from 1 to {MAX_TIMES}; to take back what waits, "
                    "call reset()"
                )
            wanted = Fault.of(fault)
        except ValueError as error:
            asked = {**({} if repr(times) == "1" else {"times": times}), **fault}
            call = ", ".join(f"{name}={value!r}"[:80] for name, value in asked.items())
            raise ValueError(f"fail_next({call}): {error}") from None
        status, answer = self._call("POST", "/faults", json.dumps([wanted.options()] * times))
        if status != 204:
            raise ValueError(json.loads(answer)["error"]["message"])

    def reset(self) -> None:
        """Forget the requests so far and the faults that still wait; limits are as at the start."""
        for path in ("/requests", "/faults", "/limits"):
            self._call("DELETE", path)

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

    def _report(self) -> _Report:
        report: _Report = json.loads(self._call("GET", "/requests")[1])
        return report

    def _limits(self, **changes: str | float | None) -> dict[str, Any]:
        method, body = ("POST", json.dumps(changes)) if changes else ("GET", None)
        status, answer = self._call(method, "/limits", body)
        limits: dict[str, Any] = json.loads(answer)
        if status != 200:
            raise ValueError(limits["error"]["message"])
        return limits

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
