"""One text of a batch, in a worker of somebody else's engine.

`synthesize_many(..., executor=...)` has workers call `speak`, whose arguments can be pickled. The
key is not among them: a worker takes it from its own environment, `TOGETHER_API_KEY`.
"""

import atexit
import os
import pickle
import platform
import threading
from dataclasses import replace
from typing import Any

from facade import BatchRequest, BatchResult, InvalidRequestError, SpeechClient, SpeechError
from facade._jobs import WorkerSettings
from facade._transport.shared_pace import SharedPace, shared_pace


class _Worker(SpeechClient):
    """A client whose batches share the pace of the account with the processes of this machine."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._paces: dict[tuple[str, int | None, float | None], SharedPace] = {}

    def _pace(self, model: str, at_once: int | None, per_minute: float | None) -> SharedPace:
        # One for all threads, who then need not ask the file one after the other.
        name = (model, at_once, per_minute)
        with _lock():
            if name not in self._paces:
                self._paces[name] = shared_pace(
                    self._config, model, at_once=at_once, per_minute=per_minute
                )
            return self._paces[name]


# By process too: a forked child must not use what its parent shares with others.
_clients: dict[tuple[int, bytes], _Worker] = {}
_locks: dict[int, threading.RLock] = {}


def _lock() -> threading.RLock:
    """Return this process's lock: in a forked child a thread of its parent may hold another."""
    return _locks.setdefault(os.getpid(), threading.RLock())


def end() -> None:
    """Close the clients of this process, as its end does too."""
    with _lock():
        for name in [name for name in _clients if name[0] == os.getpid()]:
            _clients.pop(name).close()


atexit.register(end)


def speak(settings: WorkerSettings, request: BatchRequest, index: int) -> BatchResult:
    """Speak one text.

    The client is built by the first call with such settings, and kept as long as the worker lives.
    Any number of threads may call this.

    Args:
        settings: What the texts of the batch have in common.
        request: The text. Its path, if it has one, is one of the worker's machine.
        index: Its place in the batch.

    Returns:
        What came of it.

    Raises:
        InvalidRequestError: The worker has no key.
        ImportError: The extra `batch` is not installed here.
    """
    options = dict(settings.options)
    if "model" in request.options:
        # The pace is that of the model.
        options["model"] = request.options["model"]
    with _client(settings.client).synthesize_many(
        [request],
        at_once=settings.at_once,
        per_minute=settings.per_minute,
        **options,
    ) as batch:
        (result,) = batch
    return replace(result, index=index, error=_portable(result.error))


def _client(settings: bytes) -> _Worker:
    name = (os.getpid(), settings)
    with _lock():
        if name not in _clients:
            _clients[name] = _new_client(settings)
        return _clients[name]


def _new_client(settings: bytes) -> _Worker:
    # Ours, and from who has us run anything.
    arguments = pickle.loads(settings)  # noqa: S301
    try:
        return _Worker(**arguments)
    except InvalidRequestError as error:
        if error.param != "api_key":
            raise
        raise InvalidRequestError(
            f"process {os.getpid()} on {platform.node()!r} has no key that can be used: {error}. "
            "Keys are not sent to workers; set TOGETHER_API_KEY where they run",
            param="api_key",
        ) from None


def _portable(error: Exception | None) -> Exception | None:
    """Return an error that who takes the result can read; ours can be."""
    if error is None or isinstance(error, SpeechError):
        return error
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301
    except Exception:  # noqa: BLE001 - it may raise anything
        return SpeechError(f"{type(error).__name__}: {error}")
    return error
