"""One text of a batch, in a worker of somebody else's engine.

`synthesize_many(..., executor=...)` has workers call `speak`, whose arguments can be pickled. The
key is not among them: a worker takes it from its own environment, `TOGETHER_API_KEY`.
"""

import pickle
import threading
from dataclasses import replace

from facade import BatchRequest, BatchResult, SpeechClient
from facade._jobs import WorkerSettings

_lock = threading.Lock()
_clients: dict[bytes, SpeechClient] = {}


def speak(settings: WorkerSettings, request: BatchRequest, index: int) -> BatchResult:
    """Speak one text.

    The client is built by the first call with these settings, and kept as long as the worker lives.

    Args:
        settings: What the texts of the batch have in common.
        request: The text. Its path, if it has one, is one of the worker's machine.
        index: Its place in the batch.

    Returns:
        What came of it.

    Raises:
        InvalidRequestError: The worker has no key.
    """
    with _client(settings).synthesize_many(
        [request],
        at_once=settings.at_once,
        per_minute=settings.per_minute,
        **settings.options,
    ) as batch:
        (result,) = batch
    return replace(result, index=index)


def _client(settings: WorkerSettings) -> SpeechClient:
    name = pickle.dumps(settings)
    with _lock:
        if name not in _clients:
            _clients[name] = SpeechClient(**settings.client)
        return _clients[name]
