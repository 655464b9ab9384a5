"""A search for the API key in everything that an exception shows or holds."""

import pickle
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from facade import SpeechError
from tests.conftest import KEY, Speaker

TESTS = Path(__file__).parent


def chain(error: BaseException) -> Iterator[BaseException]:
    """Give an exception and all that it came from, suppressed ones and groups included."""
    seen: dict[int, BaseException] = {}
    waiting: list[BaseException | None] = [error]
    while waiting:
        at = waiting.pop()
        if at is not None and id(at) not in seen:
            seen[id(at)] = at
            yield at
            waiting += [at.__cause__, at.__context__]
            if isinstance(at, BaseExceptionGroup):
                waiting += at.exceptions


def shown(error: BaseException) -> str:
    """Everything that a log, a debugger or an error tracker could show of an exception."""
    parts: list[str] = []
    for at in chain(error):
        parts += [str(at), repr(at), repr(at.args), repr(vars(at))]
        told = traceback.TracebackException.from_exception(at, capture_locals=True)
        # A test's own frames know the key, as an application's do.
        ours = [frame for frame in told.stack if not Path(frame.filename).is_relative_to(TESTS)]
        parts += traceback.StackSummary.from_list(ours).format()
    return "\n".join(parts)


def assert_no_key(error: BaseException) -> None:
    """Fail where an exception, or one that it came from, gives the key away."""
    text = shown(error)
    assert KEY not in text, text
    assert KEY.lower() not in text.lower()
    for at in chain(error):
        assert KEY.encode() not in pickle.dumps(at), f"pickled {type(at)}"


def assert_no_frames_of_httpx(error: BaseException) -> None:
    """Fail where a debugger could look into what httpx did: its requests hold the key."""
    for at in chain(error):
        for frame, _ in traceback.walk_tb(at.__traceback__):
            package = frame.f_globals["__name__"].partition(".")[0]
            assert package not in ("httpx", "httpcore", "h11"), frame


def failure(
    speaker: Speaker, expected: type[SpeechError], text: str = "Hello.", **options: Any
) -> Any:
    """Speak, and return the exception: of exactly this class, and without the key."""
    with pytest.raises(SpeechError) as caught:
        speaker.synthesize(text, **options)
    assert type(caught.value) is expected, repr(caught.value)
    assert_no_key(caught.value)
    return caught.value
