"""What the commands have in common: their options, their client, how they fail and read text."""

import codecs
import io
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Annotated, Any, Literal, NoReturn

import typer
from typer.core import TyperCommand

from facade import (
    APIError,
    InvalidRequestError,
    RequestTooLargeError,
    SpeechClient,
    SpeechError,
)


class SpeechCommand(TyperCommand):
    def get_params(self, ctx: Any) -> list[Any]:
        return flags_without_values(super().get_params(ctx))


def flags_without_values(params: list[Any]) -> list[Any]:
    """Show flags as such: from 0.29 on, typer writes `<bool>` after them."""
    for param in params:
        if getattr(param, "is_flag", False):
            param.metavar = ""
    return params


DEFAULT_MODEL = "hexgrad/Kokoro-82M"

DEFAULT_VOICE = "af_heart"

ENVIRONMENT = (
    "The key is read from the environment variable TOGETHER_API_KEY, and the address of the "
    "service, if it is another one, from TOGETHER_BASE_URL."
)

Format = Literal["wav", "mp3", "raw", "mulaw", "opus", "aac", "flac"]

Encoding = Literal["pcm_s16le", "pcm_f32le", "pcm_mulaw", "pcm_alaw"]

Local = Annotated[
    bool,
    typer.Option("--local", help="Use an emulator of the service on this machine; needs no key."),
]

VoiceName = Annotated[
    str | None,
    typer.Option(
        "--voice",
        "-v",
        help="A voice, or for Kokoro a mix such as 'af_bella(2)+af_heart(1)'; "
        f"by default {DEFAULT_VOICE}, with the default model.",
    ),
]

Model = Annotated[str, typer.Option(help="The model.")]

EncodingName = Annotated[
    Encoding | None, typer.Option(help="How the samples of raw audio are written.")
]

SampleRate = Annotated[int | None, typer.Option(help="In Hz.")]

BitRate = Annotated[int | None, typer.Option(help="Of MP3, in bit/s.")]

Language = Annotated[str | None, typer.Option(help="Of the text: 'en', 'zh-hk', ...")]

AtOnce = Annotated[
    int | None,
    typer.Option(help="How many requests may be under way, where you know your limit."),
]
PerMinute = Annotated[
    float | None,
    typer.Option(help="How many may begin in a minute, where you know your limit."),
]
Pronounce = Annotated[
    list[str] | None,
    typer.Option(metavar="WORD=SAID", help="Say SAID in place of WORD; may be repeated."),
]


def speaker(voice: str | None, model: str) -> str:
    if voice is None and model != DEFAULT_MODEL:
        raise typer.BadParameter(
            f"{model} needs a --voice; 'together-speech voices --model {model}' lists them"
        )
    return voice or DEFAULT_VOICE


@contextmanager
def one_line_errors() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        # Whoever read our output has enough of it; click ends the program quietly.
        raise
    except ImportError as error:
        fail(str(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        fail(f"{where}{error.strerror or error}")
    except InvalidRequestError as error:
        fail(_in_options(error))
    except SpeechError as error:
        fail(f"{error}{_SHORTEN if _is_too_long(error) else ''}")


def fail(message: str) -> NoReturn:
    typer.echo("error: " + " ".join(message.split()), err=True)
    raise typer.Exit(1)


_OPTIONS = {
    "response_format": "--format",
    "response_encoding": "--encoding",
    "sample_rate": "--sample-rate",
    "bit_rate": "--bit-rate",
    "pronunciation_dict": "--pronounce",
    "at_once": "--at-once",
    "per_minute": "--per-minute",
    "max_usd": "--max-usd",
}

# Common words, which mean an option only where they name what is wrong.
_PARAMS = {"chapters": "--chapters", "subtitles": "--subtitles", "voices": "--voice-of"}

# Not what stands in quotation marks, which is the user's.
_OPTION_NAMED = re.compile(rf"(?<![\w'/])({'|'.join(_OPTIONS)})\b(=?)")


def _in_options(error: InvalidRequestError) -> str:
    """Tell an error of the client in the words of the command line."""
    text = _OPTION_NAMED.sub(
        lambda found: _OPTIONS[found[1]] + (" " if found[2] else ""), str(error)
    )
    option = _PARAMS.get(error.param)
    return text.replace(error.param, option, 1) if option else text


_SHORTEN = "; 'together-speech narrate' reads a long text in pieces, into one file"

_TOO_LONG = re.compile(
    r"\btoo (long|large)\b|\blength\b|\bmaximum\b.*\bcharacters\b|\bcharacters, more than\b",
    re.IGNORECASE,
)


def _is_too_long(error: SpeechError) -> bool:
    """Whether the service refuses the text for its length, for which it has no status of its own.

    Together's documentation has 403 for it.
    """
    if isinstance(error, RequestTooLargeError):
        return True
    if not isinstance(error, APIError):
        return False
    code = (error.code or "").replace("_", " ")
    return _TOO_LONG.search(f"{code}: {error.message}") is not None


@contextmanager
def new_client(*, local: bool) -> Iterator[SpeechClient]:
    if not local:
        with SpeechClient() as client:
            yield client
        return
    with _emulator() as url, loopback_client(url) as client:
        yield client


def silent_client(*, local: bool) -> SpeechClient:
    """Return a client that nothing is sent with, and that needs no key."""
    return loopback_client("http://127.0.0.1/v1") if local else SpeechClient("none")


def loopback_client(url: str) -> SpeechClient:
    # What stays on this machine goes through no proxy, whatever the environment names.
    return SpeechClient("local", base_url=url, httpx_args={"trust_env": False})


@contextmanager
def _emulator() -> Iterator[str]:
    """Run the emulator as a process of its own, and give its URL."""
    # -P: a folder in the current directory that happens to have its name is not meant.
    command = [sys.executable, "-P", "-m", "together_emulator", "--port", "0", "--exit-with-stdin"]
    pipe = subprocess.PIPE
    with subprocess.Popen(  # noqa: S603
        command,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        text=True,
        # Ctrl-C on a terminal is for the command: who speaks must not be gone before it has heard.
        start_new_session=True,
    ) as process:
        stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
        assert stdin is not None  # noqa: S101 - all three are pipes
        assert stdout is not None  # noqa: S101
        assert stderr is not None  # noqa: S101
        started = stdout.readline()
        if not started:
            raise SpeechError(f"the emulator did not start: {stderr.read()}")
        try:
            yield started.split()[-1]
        finally:
            stdin.close()


# That of UTF-32 begins with that of UTF-16, and is looked for first.
_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def decode(pieces: Iterable[bytes], name: str) -> Iterator[str]:
    """Give the text of `pieces` with plain line ends and without a byte-order mark."""
    pieces = iter(pieces)
    head = b""
    # Only while it may become a mark: who writes slowly is to be heard at once.
    while any(mark[:-1].startswith(head) for mark in _MARKS) and (piece := next(pieces, b"")):
        head += piece
    if found := next((_MARKS[mark] for mark in _MARKS if head.startswith(mark)), None):
        raise SpeechError(f"{name} is in {found}, not in UTF-8; {_convert(found)}")
    utf8 = codecs.getincrementaldecoder("utf-8-sig")()
    decoder = io.IncrementalNewlineDecoder(utf8, translate=True)
    count, line = 0, 1
    for piece in chain((head,), pieces, (b"",)):
        if b"\0" in piece:
            found = "UTF-16LE" if (count + piece.find(b"\0")) % 2 else "UTF-16BE"
            raise SpeechError(f"{name} is in UTF-16, not in UTF-8; {_convert(found)}")
        try:
            text = decoder.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            line += error.object.count(b"\n", 0, error.start)
            raise SpeechError(
                f"{name} is not in UTF-8: line {line} has the byte "
                f"0x{error.object[error.start]:02X}; if it is in Latin-1, {_convert('ISO-8859-1')}"
            ) from error
        if text:
            yield text
        count += len(piece)
        line += piece.count(b"\n")


def _convert(encoding: str) -> str:
    return f"save it as UTF-8, or convert it with 'iconv -f {encoding} -t UTF-8'"


def pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise typer.BadParameter(f"{text!r} is not of the form NAME=VALUE")
    return name, value


HOW_TO_TYPE = "Type the text, and end it with Ctrl-D on a line of its own."


def in_one_line(text: str) -> str:
    # The text is somebody else's, and may hold what commands a terminal.
    return "".join(filter(str.isprintable, " ".join(text.split())))
