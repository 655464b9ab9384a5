"""What the two clients have in common besides their signatures."""

import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, NoReturn

from facade._call import Call, logger
from facade._config import Config, Secret, Timeouts
from facade._rules.request import SpeechRequest
from facade._rules.retry import RetryPolicy
from facade._wire import Answer
from facade.audio import SpeechAudio
from facade.errors import InvalidRequestError, SpeechError
from facade.formats import format_of
from facade.voices import Voice

# Seconds that a live list of voices is believed, also where it could not be had.
_LIST_AGE_S = 300.0
# A look-up is a courtesy: it is not repeated, and it waits no longer than this many seconds.
_LOOK_UP_S = 5.0


class Shell:
    """A client's settings, whether it is closed, and the live lists of voices it has seen."""

    _is_closed = False

    def __init__(
        self,
        key: Secret | None,
        *,
        base_url: str | None,
        timeouts: Timeouts,
        retry: RetryPolicy,
        max_audio_bytes: int,
        validate_voices: bool,
        headers: Mapping[str, str] | None,
        httpx_args: Mapping[str, Any] | None,
        insecure_hosts: Collection[str],
    ) -> None:
        self._config = Config.read(
            key=key,
            base_url=base_url,
            timeouts=timeouts,
            retry=retry,
            max_audio_bytes=max_audio_bytes,
            validate_voices=validate_voices,
            headers=headers,
            httpx_args=httpx_args,
            insecure_hosts=insecure_hosts,
        )
        self._live_voices: dict[str, tuple[float, list[Voice]]] = {}

    def __repr__(self) -> str:
        # A traceback's local variables may show a client that could not be built.
        where = self._config.base_url if hasattr(self, "_config") else "unfinished"
        return f"<{type(self).__name__} {where}{' closed' if self._is_closed else ''}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"a {type(self).__name__} holds a key and connections, and cannot be pickled or "
            "copied; build one where it is needed"
        )

    def _check_open(self) -> None:
        if self._is_closed:
            raise SpeechError(f"this {type(self).__name__} is closed; build another one")

    def _call(self, *, is_stream: bool = False) -> Call:
        config = self._config
        return Call(config.timeouts, config.retry, config.key, is_stream=is_stream)

    def _look_up(self) -> Call:
        limits = self._config.timeouts
        return Call(
            replace(limits, total_s=min(_LOOK_UP_S, limits.total_s)),
            RetryPolicy(attempts=1),
            self._config.key,
        )

    def _kept_voices(self, model: str) -> list[Voice] | None:
        kept = self._live_voices.get(model)
        return kept[1] if kept and time.monotonic() - kept[0] < _LIST_AGE_S else None

    def _keep_voices(self, model: str, voices: list[Voice] | SpeechError) -> list[Voice]:
        """Keep a list, or that none could be had, which leaves the decision to the server."""
        if isinstance(voices, SpeechError):
            logger.info("the voices of %s cannot be checked: %s", model, voices)
            voices = []
        self._live_voices[model] = (time.monotonic(), voices)
        return voices


def check_model(model: object) -> None:
    """Refuse what cannot be the name of a model whose voices are asked for."""
    if model is not None and not (isinstance(model, str) and model.strip() and model.isprintable()):
        raise InvalidRequestError(f"must be the name of a model, not {model!r}", param="model")


def speech_audio(request: SpeechRequest, answer: Answer) -> SpeechAudio:
    """Return an answer as audio in the format that it is in."""
    return SpeechAudio(
        content=answer.content,
        format=format_of(answer.content, request.expected_format),
        request_id=answer.headers.get("x-request-id"),
    )
