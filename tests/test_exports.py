"""What `import facade` gives, and what it brings along."""

import subprocess
import sys

import pytest

import facade

EXPORTED = [
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncNarration",
    "AsyncRealtimeSession",
    "AsyncRealtimeSpeech",
    "AsyncSpeechBatch",
    "AsyncSpeechClient",
    "AsyncSpeechStream",
    "AudioFormat",
    "AuthenticationError",
    "BadRequestError",
    "BatchRequest",
    "BatchResult",
    "Book",
    "Chapter",
    "Cover",
    "EmptyAudioError",
    "Heard",
    "InternalServerError",
    "InvalidRequestError",
    "InvalidVoiceMixError",
    "MalformedStreamError",
    "MissingPiece",
    "Narration",
    "NarrationCost",
    "NarrationError",
    "NarrationFile",
    "NarrationOptions",
    "NarrationProgress",
    "NotFoundError",
    "Omission",
    "Paragraph",
    "Pauses",
    "PaymentRequiredError",
    "PermissionDeniedError",
    "RateLimitError",
    "RealtimeOptions",
    "RealtimeSession",
    "RealtimeSpeech",
    "RequestTooLargeError",
    "RetryPolicy",
    "SpeechAudio",
    "SpeechBatch",
    "SpeechClient",
    "SpeechError",
    "SpeechFile",
    "SpeechOptions",
    "SpeechStream",
    "StreamError",
    "StreamInterruptedError",
    "StreamOptions",
    "SynthesizeOptions",
    "Timeouts",
    "UnknownVoiceError",
    "UnprocessableEntityError",
    "UnreadableBookError",
    "Voice",
    "VoiceMix",
    "WeightedVoice",
    "WordTiming",
    "check_save_path",
    "read_book",
    "speakable",
]


def test_exported_names_are_these() -> None:
    """Applications are written against them: one that goes breaks somebody."""
    assert sorted(facade.__all__) == EXPORTED
    assert len(facade.__all__) == len(set(facade.__all__))


@pytest.mark.parametrize("name", EXPORTED)
def test_exported_name_has_a_docstring_of_its_own(name: str) -> None:
    exported = getattr(facade, name)
    assert vars(exported).get("__doc__") if isinstance(exported, type) else exported.__doc__


def test_every_exception_of_ours_is_exported() -> None:
    from facade import errors

    ours = {
        name
        for name, found in vars(errors).items()
        if isinstance(found, type) and issubclass(found, facade.SpeechError)
    }
    assert ours <= set(facade.__all__)


def test_nothing_else_public_lies_about() -> None:
    """A module without an underscore in its name is public too."""
    public = {name for name in dir(facade) if not name.startswith("_")}
    modules = {name for name in public if isinstance(getattr(facade, name), type(sys))}
    assert public - modules == set(facade.__all__)


def modules_after(program: str) -> set[str]:
    """The modules that a fresh interpreter holds after a program."""
    told = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{program}; import sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(told.stdout.split())


def test_import_brings_neither_the_command_line_nor_an_extra() -> None:
    # httpx imports its own command line's rich and click where they are installed.
    brought = modules_after("import facade") - modules_after("import httpx")
    tops = {name.partition(".")[0] for name in brought}
    unwanted = {"typer", "rich", "click", "numpy", "starlette", "uvicorn", "together_emulator"}
    assert tops.isdisjoint(unwanted | {"openapi_python_client", "pytest", "trio", "contract"})
    assert "facade.cli" not in brought
    assert "facade.__main__" not in brought
