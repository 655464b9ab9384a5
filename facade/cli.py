"""The command line: `together-speech`, or `python -m facade`.

What another program may read goes to standard output, everything else to standard error. A failure
is one line there and exit status 1; a misused command has exit status 2, and one that SIGTERM ended
(after it has tidied up) 143.
"""

import io
import json
import select
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Literal, Self

import typer
from rich import box
from rich.console import Console
from rich.live import Live
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table
from typer.core import TyperGroup

from facade import (
    AudioFormat,
    RealtimeSpeech,
    SpeechAudio,
    SpeechError,
    SpeechStream,
    Voice,
    VoiceMix,
    check_save_path,
    speakable,
)
from facade._cli.batch import batch
from facade._cli.narrate import narrate
from facade._cli.output_names import format_for, format_of
from facade._cli.shared import (
    DEFAULT_MODEL,
    ENVIRONMENT,
    HOW_TO_TYPE,
    BitRate,
    Encoding,
    EncodingName,
    Format,
    Language,
    Local,
    Model,
    Pronounce,
    SampleRate,
    SpeechCommand,
    VoiceName,
    decode,
    fail,
    flags_without_values,
    in_one_line,
    loopback_client,
    new_client,
    one_line_errors,
    pair,
    speaker,
)
from facade._extras import needs


class _Group(TyperGroup):
    def get_params(self, ctx: Any) -> list[Any]:
        return flags_without_values(super().get_params(ctx))


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)

Text = Annotated[
    str | None,
    typer.Argument(
        metavar="TEXT", help="What to say; without it or with '-', standard input is read."
    ),
]
TextOption = Annotated[str | None, typer.Option("--text", "-t", help="What to say, as TEXT.")]
TextFile = Annotated[
    Path | None,
    typer.Option(
        "--file",
        "-f",
        dir_okay=False,
        allow_dash=True,
        help="A file with the text, in UTF-8; '-' is standard input.",
    ),
]
StreamOutput = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        help="Where to write the audio as it comes: a .wav file, a file of bare samples, or "
        "'-' for bare samples on standard output.",
    ),
]
Play = Annotated[bool, typer.Option("--play", help="Play the audio as it comes.")]


def _version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"together-speech {version('together-speech')}")
        raise typer.Exit


@app.callback(help=f"Text to speech with Together AI.\n\n{ENVIRONMENT}")
def options(
    *,
    show_version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", is_eager=True, callback=_version),
    ] = False,
) -> None:
    """Take what stands before the command."""


@app.command(cls=SpeechCommand, epilog=ENVIRONMENT)
def synthesize(
    *,
    text: Text = None,
    text_option: TextOption = None,
    file: TextFile = None,
    voice: VoiceName = None,
    model: Model = DEFAULT_MODEL,
    output: Annotated[
        str,
        typer.Option("--output", "-o", help="Where to write the audio; '-' is standard output."),
    ] = "speech.wav",
    response_format: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="Of the audio; by default what the file's name says. Only MiniMax gives opus, "
            "aac and flac.",
        ),
    ] = None,
    encoding: EncodingName = None,
    sample_rate: SampleRate = None,
    bit_rate: BitRate = None,
    language: Language = None,
    pronounce: Pronounce = None,
    local: Local = False,
) -> None:
    """Speak a text into a file."""
    with one_line_errors():
        response_format = response_format or format_for(output, model)
        form = _expected_format(response_format, encoding, sample_rate)
        _check_output(output, form)
        _check_header(output, form)
        who = speaker(voice, model)
        options: dict[str, Any] = {
            "response_format": response_format,
            "response_encoding": encoding,
            "sample_rate": sample_rate,
            "bit_rate": bit_rate,
            "language": language,
            "pronunciation_dict": dict(map(pair, pronounce)) if pronounce else None,
        }
        with new_client(local=local) as client:
            said = _text(text, text_option, file)
            if output == "-":
                with _waiting():
                    audio = client.synthesize(said, voice=who, model=model, **options)
                _write(audio.content)
                return
            with _waiting():
                spoken = client.synthesize_to_file(said, output, voice=who, model=model, **options)
            typer.echo(_line(output, spoken.duration_s, spoken.format))


@app.command(cls=SpeechCommand, epilog=ENVIRONMENT)
def stream(
    *,
    text: Text = None,
    text_option: TextOption = None,
    file: TextFile = None,
    voice: VoiceName = None,
    model: Model = DEFAULT_MODEL,
    output: StreamOutput = None,
    play: Play = False,
    encoding: EncodingName = None,
    sample_rate: SampleRate = None,
    language: Language = None,
    pronounce: Pronounce = None,
    local: Local = False,
) -> None:
    """Speak a text and take the audio while it is being spoken."""
    with one_line_errors():
        sound = _sound_to(output, AudioFormat("raw", encoding), play=play)
        who = speaker(voice, model)
        options: dict[str, Any] = {
            "response_encoding": encoding,
            "sample_rate": sample_rate,
            "language": language,
            "pronunciation_dict": dict(map(pair, pronounce)) if pronounce else None,
        }
        with new_client(local=local) as client:
            said = _text(text, text_option, file)
            speech = client.stream(said, voice=who, model=model, **options)
            # Nothing has been sent yet: what cannot be played or saved is not paid for either.
            player = _player(sound, speech.format) if sound else None
            if output is not None:
                _check_header(output, speech.format)
            with ExitStack() as stack:
                started = time.monotonic()
                with _waiting():
                    stack.enter_context(speech)
                first = f"first after {time.monotonic() - started:.2f} s"

                def line() -> str:
                    seconds = speech.duration_s
                    length = "" if seconds is None else f"{seconds:.1f} s of audio, "
                    return f"{length}{first}, {speech.bytes_received:,} bytes"

                stack.enter_context(_live_line(line))
                _take_audio(speech, output, player)
        if output not in (None, "-"):
            typer.echo(_line(str(output), speech.duration_s, speech.format))


@app.command(cls=SpeechCommand, epilog=ENVIRONMENT)
def realtime(
    *,
    voice: VoiceName = None,
    model: Model = DEFAULT_MODEL,
    output: StreamOutput = None,
    play: Play = False,
    keep_markdown: Annotated[
        bool,
        typer.Option(
            "--keep-markdown",
            help="Pass the text on as it is. By default what nobody reads aloud is left out: marks "
            "of emphasis and headings, addresses of links, code in fences, tables' bars.",
        ),
    ] = False,
    sample_rate: SampleRate = None,
    language: Language = None,
    pronounce: Pronounce = None,
    local: Local = False,
) -> None:
    """Speak standard input while it is being written, such as what a language model answers.

    Example: llm 'Tell me a story' | together-speech realtime --play

    Ctrl-C ends it, and standard error says what had been heard.
    """
    with one_line_errors():
        sound = _sound_to(output, AudioFormat("raw", "pcm_s16le"), play=play)
        if sys.stdin is None:
            fail("standard input is closed; pipe the text in, or redirect it from a file")
        options: dict[str, Any] = {
            "sample_rate": sample_rate,
            "language": language,
            "pronunciation_dict": dict(map(pair, pronounce)) if pronounce else None,
        }
        with new_client(local=local) as client, ExitStack() as stack:
            session = client.realtime(voice=speaker(voice, model), model=model, **options)
            # Nothing has been sent yet: what cannot be played is not paid for either.
            player = _player(sound, session.format) if sound else None
            stack.enter_context(session)
            is_typed = sys.stdin.isatty()
            if is_typed:
                typer.echo(HOW_TO_TYPE, err=True)
            text = decode(_arrivals(), "standard input")
            speech = session.speak(_something(text if keep_markdown else speakable(text)))
            stack.enter_context(_telling_what_was_heard(speech, player))
            stack.enter_context(speech)
            if not is_typed:

                def line() -> str:
                    return f"{len(speech.text):,} characters, {speech.duration_s:.1f} s of audio"

                stack.enter_context(_live_line(line))
            _take_audio(speech, output, player)
        if output not in (None, "-"):
            typer.echo(_line(str(output), speech.duration_s, speech.format))


app.command(cls=SpeechCommand, epilog=ENVIRONMENT)(batch)
app.command(cls=SpeechCommand, epilog=ENVIRONMENT)(narrate)


@app.command(cls=SpeechCommand, epilog=ENVIRONMENT)
def voices(
    *,
    model: Annotated[
        str | None, typer.Option(help="Only this model's voices; by default every model's.")
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="Only voices of this language: 'en' or 'en-gb'.")
    ] = None,
    gender: Annotated[
        Literal["female", "male"] | None,
        typer.Option(case_sensitive=False, help="Only voices of this gender."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    local: Local = False,
) -> None:
    """List the voices of the service."""
    _need_standard_output()
    with one_line_errors(), new_client(local=local) as client:
        listed = client.list_voices(model)
        found = [
            voice
            for voice in listed
            if (gender is None or voice.gender == gender)
            and (language is None or _speaks(voice, language))
        ]
        if as_json:
            typer.echo(json.dumps([asdict(voice) for voice in found], indent=1, ensure_ascii=False))
        elif found:
            _print_voices(found)
        else:
            languages = sorted({voice.language for voice in listed if voice.language})
            there = f"; there are voices of {', '.join(languages)}" if languages else ""
            fail(f"there is no such voice among the {len(listed)} that the service lists{there}")


@app.command(cls=SpeechCommand)
def mix(
    parts: Annotated[
        list[str],
        typer.Argument(metavar="NAME[=WEIGHT]...", help="Voices with their weights."),
    ],
) -> None:
    """Print the string that names a mix of Kokoro voices."""
    _need_standard_output()
    with one_line_errors():
        if any("=" in part for part in parts):
            pairs = [pair(part if "=" in part else f"{part}=1") for part in parts]
            mixed = VoiceMix([(name, _weight(name, weight)) for name, weight in pairs])
        else:
            mixed = VoiceMix.equal(*parts)
        # A stream checks what is asked for when it is made, and sends nothing until it begins.
        with loopback_client("http://127.0.0.1") as client:
            client.stream("-", voice=mixed)
        typer.echo(mixed)


def _check_output(output: str, form: AudioFormat) -> None:
    """Refuse an output that cannot be written, before the text is read and the audio paid for."""
    if output == "-":
        _need_standard_output()
        if sys.stdout.isatty():
            raise typer.BadParameter("a terminal cannot play audio; name a file or use a pipe")
        return
    check_save_path(output, form)


def _sound_to(output: str | None, form: AudioFormat, *, play: bool) -> Any:
    """Refuse audio that nobody could take; return the library that plays it, if it is played."""
    if play == (output is not None):
        raise typer.BadParameter("give one of --output and --play")
    if output is not None:
        _check_output(output, form)
        return None
    return _sound_library()


def _check_header(output: str, form: AudioFormat) -> None:
    """Refuse samples for a WAV file where nobody could write its header."""
    if _is_wav(output):
        SpeechAudio(b"", form).to_wav()


def _need_standard_output() -> None:
    if sys.stdout is None:
        fail("standard output is closed")


def _expected_format(
    response_format: Format | None, encoding: Encoding | None, sample_rate: int | None
) -> AudioFormat:
    match response_format:
        case "raw":
            return AudioFormat("raw", encoding, sample_rate, 1)
        case "mulaw":
            return AudioFormat("raw", "pcm_mulaw", sample_rate, 1)
        case _:
            return AudioFormat(response_format or "wav")


def _is_wav(output: str) -> bool:
    return format_of(output) == "wav"


@contextmanager
def _waiting() -> Iterator[None]:
    """On a terminal, show that something is going on, and for how long."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with Progress(
        SpinnerColumn(),
        TextColumn("waiting for the audio, {task.elapsed:.0f} s"),
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as progress:
        progress.add_task("", total=None)
        yield


@contextmanager
def _live_line(line: Callable[[], str]) -> Iterator[None]:
    """On a terminal, keep one line up to date."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield
        return
    with Live(
        get_renderable=line,
        console=console,
        refresh_per_second=8,
        redirect_stdout=False,
        redirect_stderr=False,
    ):
        yield


@contextmanager
def _telling_what_was_heard(speech: RealtimeSpeech, player: "_Player | None") -> Iterator[None]:
    """Where Ctrl-C ends the speech, say how much of the text had been heard."""
    try:
        yield
    except KeyboardInterrupt:
        heard = speech.interrupt(player.position_s if player else None)
        how = "heard" if player else "spoken"
        estimated = " (estimated)" if heard.heard and heard.by == "share" else ""
        for what, text in ((f"{how}{estimated}", heard.heard), (f"not {how}", heard.unheard)):
            typer.echo(f"{what}: {in_one_line(text) or '(nothing)'}", err=True)
        raise


def _sound_library() -> Any:
    try:
        import sounddevice
    except ImportError:
        raise SpeechError(needs("playing", "sounddevice", "play")) from None
    except OSError as error:
        raise SpeechError(
            f"playing needs the library PortAudio ({error}): 'apt install libportaudio2' on Debian "
            "and Ubuntu, 'dnf install portaudio' on Fedora, 'pacman -S portaudio' on Arch, "
            "'brew install portaudio' on macOS"
        ) from error
    return sounddevice


def _player(sound: Any, form: AudioFormat) -> "_Player":
    kinds = {"pcm_s16le": "int16", "pcm_f32le": "float32"}
    if form.encoding not in kinds or form.sample_rate_hz is None:
        raise SpeechError(f"{form} cannot be played; --encoding pcm_s16le can, where honoured")
    try:
        device = sound.RawOutputStream(
            samplerate=form.sample_rate_hz, channels=form.channels, dtype=kinds[form.encoding]
        )
    except sound.PortAudioError as error:
        raise SpeechError(f"there is no device to play on: {error}") from error
    return _Player(device, (form.frame_bytes or 1) * form.sample_rate_hz)


class _Player:
    """Plays samples, and knows how far."""

    def __init__(self, device: Any, bytes_per_s: int) -> None:
        self._device = device
        self._bytes_per_s = bytes_per_s
        self._written_bytes = 0

    @property
    def position_s(self) -> float:
        """Seconds of the audio that have been played."""
        return max(0.0, self._written_bytes / self._bytes_per_s - float(self._device.latency))

    def write(self, samples: bytes) -> None:
        # A write takes as long as its samples sound, and Ctrl-C is noticed between two of them.
        step = self._bytes_per_s // 10 // 8 * 8
        for at in range(0, len(samples), step):
            piece = samples[at : at + step]
            self._device.write(piece)
            self._written_bytes += len(piece)

    def __enter__(self) -> Self:
        self._device.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None and not issubclass(kind, Exception):
            # Who ends the program does not want to hear the rest.
            self._device.abort()
        self._device.__exit__(kind, error, traceback)


def _take_audio(speech: SpeechStream, output: str | None, player: _Player | None) -> None:
    """Play the audio as it comes, or write it."""
    if player is not None:
        with player:
            for samples in speech:
                player.write(samples)
    elif output == "-":
        for samples in speech:
            _write(samples)
    else:
        speech.save(str(output))


def _write(content: bytes) -> None:
    rest = memoryview(content)
    # Where Python's streams are unbuffered, a pipe takes as much as it has room for.
    while rest:
        rest = rest[sys.stdout.buffer.write(rest) :]
    sys.stdout.buffer.flush()


def _text(argument: str | None, option: str | None, file: Path | None) -> str:
    given = [source for source in (argument, option, file) if source is not None]
    if len(given) > 1:
        raise typer.BadParameter("give the text once: as TEXT, with --text or with --file")
    if file is not None and str(file) != "-":
        return _decoded(file.read_bytes(), str(file))
    if given and str(given[0]) != "-":
        return str(given[0])
    if sys.stdin is None:
        fail("standard input is closed; give the text, or a file that holds it with --file")
    if sys.stdin.isatty():
        typer.echo(HOW_TO_TYPE, err=True)
    return _decoded(sys.stdin.buffer.read(), "standard input")


def _arrivals() -> Iterator[bytes]:
    """Give what comes on standard input, as soon as it comes."""
    # Not by the buffer: who waits there holds a lock, and the end of the program waits for that.
    source = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)
    while (piece := source.read(io.DEFAULT_BUFFER_SIZE)) != b"":
        if piece is None:
            # Some other program has set the pipe not to wait.
            select.select([source], [], [])
        else:
            yield piece


def _something(pieces: Iterable[str]) -> Iterator[str]:
    is_empty = True
    for piece in pieces:
        is_empty = is_empty and not piece.strip()
        yield piece
    if is_empty:
        raise SpeechError("standard input has nothing to speak")


def _decoded(content: bytes, name: str) -> str:
    return "".join(decode((content,), name))


def _weight(name: str, text: str) -> Fraction:
    try:
        weight = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise typer.BadParameter(f"the weight {text!r} of {name} is not a number") from None
    if weight <= 0:
        raise typer.BadParameter(f"the weight of {name} must be above 0, not {text}")
    return weight


def _line(output: str, duration_s: float | None, form: AudioFormat) -> str:
    """Say what has been written."""
    length = "" if duration_s is None else f"{duration_s:.2f} s, "
    if form.container == "raw" and _is_wav(output):
        form = replace(form, container="wav")
    return f"{output}: {length}{form}, {Path(output).stat().st_size:,} bytes"


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
