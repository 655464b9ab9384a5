"""The command line: `together-speech`, or `python -m facade`.

What another program may read goes to standard output, everything else to standard error. A failure
is one line there and exit status 1; a misused command has exit status 2.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table

from facade import SpeechAudio, SpeechClient, SpeechError, SpeechStream, Voice, VoiceMix

app = typer.Typer(
    help="Text to speech with Together AI.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

# What the suffix of a file says about the format to ask for.
_FORMAT_OF_SUFFIX = {
    ".wav": "wav",
    ".mp3": "mp3",
    ".raw": "raw",
    ".pcm": "raw",
    ".ulaw": "mulaw",
    ".opus": "opus",
    ".aac": "aac",
    ".flac": "flac",
}

Local = Annotated[
    bool,
    typer.Option("--local", help="Use an emulator of the service on this machine; needs no key."),
]
Text = Annotated[
    str | None,
    typer.Argument(help="What to say; without it or with '-', standard input is read."),
]
TextFile = Annotated[
    Path | None, typer.Option(help="A file with the text, in UTF-8.", dir_okay=False)
]
VoiceName = Annotated[
    str, typer.Option(help="A voice, or for Kokoro a mix such as 'af_bella(2)+af_heart(1)'.")
]
Model = Annotated[str, typer.Option(help="The model.")]
EncodingName = Annotated[
    str | None,
    typer.Option(help="Of raw audio: pcm_s16le, pcm_f32le, pcm_mulaw or pcm_alaw."),
]
SampleRate = Annotated[int | None, typer.Option(help="In Hz.")]
Language = Annotated[str | None, typer.Option(help="Of the text: 'en', 'zh-hk', ...")]
Pronounce = Annotated[
    list[str] | None,
    typer.Option(metavar="WORD=SAID", help="Say SAID in place of WORD; may be repeated."),
]
DEFAULT_MODEL = "hexgrad/Kokoro-82M"


@app.command()
def synthesize(
    *,
    text: Text = None,
    voice: VoiceName,
    model: Model = DEFAULT_MODEL,
    file: TextFile = None,
    output: Annotated[
        str,
        typer.Option("--output", "-o", help="Where to write the audio; '-' is standard output."),
    ] = "speech.wav",
    response_format: Annotated[
        str | None,
        typer.Option(
            "--format", help="wav, mp3, raw or mulaw; by default what the file's name says."
        ),
    ] = None,
    encoding: EncodingName = None,
    sample_rate: SampleRate = None,
    bit_rate: Annotated[int | None, typer.Option(help="Of MP3, in bit/s.")] = None,
    language: Language = None,
    pronounce: Pronounce = None,
    local: Local = False,
) -> None:
    """Speak a text into a file."""
    _refuse_terminal(output)
    with _one_line_errors(), _client(local=local) as client:
        suffix = Path(output).suffix.lower()
        options: dict[str, Any] = {
            "response_format": response_format or _FORMAT_OF_SUFFIX.get(suffix),
            "response_encoding": encoding,
            "sample_rate": sample_rate,
            "bit_rate": bit_rate,
            "language": language,
            "pronunciation_dict": dict(map(_pair, pronounce)) if pronounce else None,
        }
        audio = client.synthesize(_text(text, file), voice=voice, model=model, **options)
        if output == "-":
            _write(audio.content)
        else:
            typer.echo(f"{audio.save(output)}: {_described(audio)}")


@app.command()
def stream(
    *,
    text: Text = None,
    voice: VoiceName,
    model: Model = DEFAULT_MODEL,
    file: TextFile = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="Where to write the audio as it comes: a .wav file, a file of bare samples, or "
            "'-' for bare samples on standard output.",
        ),
    ] = None,
    play: Annotated[bool, typer.Option("--play", help="Play the audio as it comes.")] = False,
    encoding: EncodingName = None,
    sample_rate: SampleRate = None,
    language: Language = None,
    pronounce: Pronounce = None,
    local: Local = False,
) -> None:
    """Speak a text and take the audio while it is being spoken."""
    if play == (output is not None):
        raise typer.BadParameter("give one of --output and --play")
    _refuse_terminal(output)
    with _one_line_errors(), _client(local=local) as client:
        options: dict[str, Any] = {
            "response_encoding": encoding,
            "sample_rate": sample_rate,
            "language": language,
            "pronunciation_dict": dict(map(_pair, pronounce)) if pronounce else None,
        }
        speech = client.stream(_text(text, file), voice=voice, model=model, **options)
        started = time.monotonic()
        with speech, _live_line(speech, time.monotonic() - started):
            if play:
                _play(speech)
            elif output == "-":
                for samples in speech:
                    _write(samples)
            else:
                speech.save(str(output))
        if output not in (None, "-"):
            length = "" if speech.duration_s is None else f"{speech.duration_s:.2f} s, "
            typer.echo(f"{output}: {length}{speech.bytes_received:,} bytes of {speech.format}")


@app.command()
def voices(
    *,
    model: Annotated[
        str | None, typer.Option(help="Only this model's voices; by default every model's.")
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="Only voices of this language: 'en' or 'en-gb'.")
    ] = None,
    gender: Annotated[str | None, typer.Option(help="Only 'female' or 'male' voices.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    local: Local = False,
) -> None:
    """List the voices of the service."""
    with _one_line_errors(), _client(local=local) as client:
        found = [
            voice
            for voice in client.list_voices(model)
            if (gender is None or voice.gender == gender)
            and (language is None or _speaks(voice, language))
        ]
        if as_json:
            typer.echo(json.dumps([asdict(voice) for voice in found], indent=1, ensure_ascii=False))
        else:
            _print_voices(found)


@app.command()
def mix(
    parts: Annotated[
        list[str],
        typer.Argument(metavar="NAME[=WEIGHT]...", help="Voices with their weights."),
    ],
) -> None:
    """Print the string that names a mix of Kokoro voices."""
    with _one_line_errors():
        if not any("=" in part for part in parts):
            typer.echo(VoiceMix.equal(*parts))
            return
        pairs = [_pair(part if "=" in part else f"{part}=1") for part in parts]
        typer.echo(VoiceMix([(name, _weight(weight)) for name, weight in pairs]))


def _version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"together-speech {version('together-speech')}")
        raise typer.Exit


@app.callback()
def options(
    *,
    show_version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", is_eager=True, callback=_version),
    ] = False,
) -> None:
    """Text to speech with Together AI.

    The key is read from the environment variable TOGETHER_API_KEY, and the address of the service,
    if it is another one, from TOGETHER_BASE_URL.
    """


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        # Whoever read our output has enough of it; click ends the program quietly.
        raise
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except (SpeechError, UnicodeDecodeError) as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    typer.echo("error: " + " ".join(message.split()), err=True)
    raise typer.Exit(1)


@contextmanager
def _client(*, local: bool) -> Iterator[SpeechClient]:
    if not local:
        with SpeechClient() as client:
            yield client
        return
    with _emulator() as url, SpeechClient("local", base_url=url) as client:
        yield client


@contextmanager
def _emulator() -> Iterator[str]:
    """Run the emulator as a process of its own, and give its URL."""
    # -P: a folder in the current directory that happens to have its name is not meant.
    command = [sys.executable, "-P", "-m", "together_emulator", "--port", "0", "--exit-with-stdin"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:  # noqa: S603
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


@contextmanager
def _live_line(speech: SpeechStream, waited_s: float) -> Iterator[None]:
    """On a terminal, keep one line up to date with how much has come."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield
        return

    def line() -> str:
        seconds = "" if speech.duration_s is None else f"{speech.duration_s:.1f} s of audio, "
        return f"{seconds}first after {waited_s:.2f} s, {speech.bytes_received:,} bytes"

    with Live(get_renderable=line, console=console, refresh_per_second=8):
        yield


def _play(speech: SpeechStream) -> None:
    form = speech.format
    kinds = {"pcm_s16le": "int16", "pcm_f32le": "float32"}
    if form.encoding not in kinds or form.sample_rate_hz is None:
        raise SpeechError(f"{form} cannot be played; --encoding pcm_s16le can, where honoured")
    try:
        import sounddevice
    except ImportError:
        raise SpeechError("playing needs more: pip install 'together-speech[play]'") from None
    try:
        player = sounddevice.RawOutputStream(
            samplerate=form.sample_rate_hz, channels=form.channels, dtype=kinds[form.encoding]
        )
    except sounddevice.PortAudioError as error:
        raise SpeechError(f"there is no device to play on: {error}") from error
    with player:
        for samples in speech:
            player.write(samples)


def _refuse_terminal(output: str | None) -> None:
    if output == "-" and sys.stdout.isatty():
        raise typer.BadParameter("a terminal cannot play audio; name a file or use a pipe")


def _write(content: bytes) -> None:
    rest = memoryview(content)
    # Where Python's streams are unbuffered, a pipe takes as much as it has room for.
    while rest:
        rest = rest[sys.stdout.buffer.write(rest) :]
    sys.stdout.buffer.flush()


def _text(argument: str | None, file: Path | None) -> str:
    if file is not None:
        if argument is not None:
            raise typer.BadParameter("give the text or --file, not both")
        return file.read_text(encoding="utf-8")
    if argument is None or argument == "-":
        if sys.stdin.isatty():
            typer.echo("Type the text, and end it with Ctrl-D on a line of its own.", err=True)
        return sys.stdin.buffer.read().decode()
    return argument


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise typer.BadParameter(f"{text!r} is not of the form NAME=VALUE")
    return name, value


def _weight(text: str) -> Fraction:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise typer.BadParameter(f"the weight {text!r} is not a number") from None


def _described(audio: SpeechAudio) -> str:
    length = "" if audio.duration_s is None else f"{audio.duration_s:.2f} s, "
    return f"{length}{audio.format}, {len(audio.content):,} bytes"


def _speaks(voice: Voice, language: str) -> bool:
    spoken = voice.language or ""
    return spoken == language.lower() or spoken.startswith(f"{language.lower()}-")


def _print_voices(found: list[Voice]) -> None:
    console = Console()
    if not console.is_terminal:
        for voice in found:
            typer.echo("\t".join(value or "" for value in asdict(voice).values()))
        return
    columns = {"id": [voice.id for voice in found]}
    for field in ("name", "model", "language", "gender", "grade"):
        cells = [getattr(voice, field) or "" for voice in found]
        # A column that is the same all the way down, or the first one again, says nothing.
        if len(set(cells)) > 1 and cells != columns["id"]:
            columns[field] = cells
    table = Table(*columns, box=box.SIMPLE_HEAD)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    console.print(table)
