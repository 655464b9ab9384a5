"""Audio that has come: its bytes, its format, its length, and saving it."""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import BinaryIO, cast

from facade.errors import InvalidRequestError
from facade.formats import AudioFormat, duration_s, wav_header


@dataclass(frozen=True, slots=True)
class SpeechAudio:
    """A whole answer.

    Attributes:
        content: The audio, as the service sent it.
        format: What the audio is made of. It is worked out from the request, the model's rules and
            the bytes themselves; a WAV header wins over what was asked.
        request_id: The answer's `x-request-id`, for questions to the service's support.
    """

    content: bytes = field(repr=False)
    format: AudioFormat
    request_id: str | None = None

    @property
    def duration_s(self) -> float | None:
        """Seconds that the audio lasts, or `None` where that cannot be known.

        Known for WAV and MP3, and for raw audio from a model whose rules are known.
        """
        return duration_s(self.content, self.format)

    def to_wav(self) -> "SpeechAudio":
        """Return the same samples as a WAV file.

        Raw audio gets a header: PCM, float, A-law or µ-law, whichever the samples are. WAV audio is
        returned as it is.

        Raises:
            InvalidRequestError: The audio is neither, or nobody could say in which encoding and at
                which rate its samples are.
        """
        form = self.format
        if form.container == "wav":
            return self
        header = header_for(form, len(self.content))
        padding = b"\0" * (len(self.content) % 2)
        return replace(
            self,
            content=b"".join((header, self.content, padding)),
            format=replace(form, container="wav"),
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the audio to a file.

        The file appears whole or not at all: an older file of that name stays as it is until the
        new one is on the disk. Raw audio saved under a name that ends in `.wav` gets a WAV header.

        A symbolic link stays, and the file that it points to is replaced. The new file keeps the
        permissions of the old one. It is a file of its own: other hard links to the old one keep
        the old audio.

        Args:
            path: Where to. The folder must exist.

        Returns:
            The path.

        Raises:
            InvalidRequestError: The name has a NUL in it, or says that the file holds something
                else than this audio.
            OSError: The file cannot be written.
        """
        target = check_save_path(path, self.format)
        audio = self.to_wav() if needs_header(target, self.format) else self
        with atomic_file(target) as file:
            file.write(audio.content)
        return target


@dataclass(frozen=True, slots=True)
class SpeechFile:
    """A whole answer in a file.

    Attributes:
        path: Where it is.
        format: What the file is made of, as in `SpeechAudio`.
        size: Bytes of the file.
        request_id: The answer's `x-request-id`, for questions to the service's support.
    """

    path: Path
    format: AudioFormat
    size: int
    request_id: str | None = None

    @property
    def duration_s(self) -> float | None:
        """Seconds that the audio lasts, or `None` where that cannot be known.

        The file is looked at for it, so it must still be there.

        Raises:
            OSError: The file cannot be read.
        """
        if not self.path.stat().st_size:
            # A pipe or a device, or a file that somebody has emptied.
            return None
        with (
            self.path.open("rb") as file,
            # It is read as bytes are, piece by piece, and never held.
            mmap(file.fileno(), 0, access=ACCESS_READ) as content,
        ):
            return duration_s(cast("bytes", content), self.format)


def check_save_path(path: str | os.PathLike[str], form: AudioFormat) -> Path:
    """Check that audio can be saved at `path`, before it is asked for and billed.

    Nothing is written. Every `save` does this first; call it where much time or many requests lie
    between asking and saving.

    Args:
        path: Where the audio will go.
        form: What it will be. `AudioFormat("mp3")` is enough.

    Returns:
        The path.

    Raises:
        InvalidRequestError: The path has a NUL in it, or the name says that the file holds
            something else.
        FileNotFoundError: The folder is missing.
        IsADirectoryError: The path is that of a folder.
        PermissionError: The folder, or the device or pipe of that name, cannot be written to.
        OSError: The path cannot be looked at for another reason.
    """
    target = check_file_name(path, param="path")
    needs_header(target, form)
    return check_place(path)


def check_file_name(path: str | os.PathLike[str], *, param: str) -> Path:
    """Check that a file can have this name.

    Raises:
        InvalidRequestError: It has a character that no name may have.
    """
    target = Path(path)
    try:
        is_name = b"\0" not in os.fsencode(target)
    except UnicodeEncodeError:
        is_name = False
    if not is_name:
        raise InvalidRequestError(
            f"{str(target)!r} has a character that no file name may have", param=param
        )
    return target


def check_place(path: str | os.PathLike[str]) -> Path:
    """Check that a file can be written at `path`.

    Raises:
        OSError: It cannot; as for `check_save_path`.
    """
    target = Path(path)
    # A link goes on pointing to the file, which is replaced where it really is.
    real = Path(os.path.realpath(target))
    try:
        mode = real.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = stat.S_IFREG
    if stat.S_ISDIR(mode) or os.fspath(path).endswith(_SEPARATORS):
        raise IsADirectoryError(errno.EISDIR, "is a folder; name a file in it", str(path))
    if not real.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(real.parent))
    # A file is replaced, which takes place in its folder; a pipe or a device is written to.
    place = real.parent if stat.S_ISREG(mode) else real
    if not os.access(place, os.W_OK):
        raise PermissionError(errno.EACCES, "cannot be written to", str(place))
    return target


def header_for(form: AudioFormat, size: int) -> bytes:
    """Return the WAV header for `size` bytes of samples of the raw format `form`.

    Raises:
        InvalidRequestError: The audio is of another format, or not enough is known of it.
    """
    if form.container != "raw":
        raise InvalidRequestError(
            f"only raw samples get a WAV header, and the audio is {form}; ask for "
            "response_format='wav'",
            param="format",
        )
    if form.encoding is None or form.sample_rate_hz is None or form.channels is None:
        facts = {"response_encoding": form.encoding, "sample_rate": form.sample_rate_hz}
        missing = " and ".join(name for name, fact in facts.items() if fact is None)
        raise InvalidRequestError(
            f"a WAV header needs encoding and sample rate, and of this audio only '{form}' is "
            f"known; {f'pass {missing}, or ' if missing else ''}ask for response_format='wav'",
            param="format",
        )
    return wav_header(form.encoding, form.sample_rate_hz, form.channels, size)


def end_wav(file: BinaryIO, form: AudioFormat, size: int) -> None:
    """Put the true size into a WAV file that was begun without; a pipe keeps "to the end"."""
    if file.seekable():
        file.write(b"\0" * (size % 2))
        file.seek(0)
        file.write(header_for(form, size))


def needs_header(target: Path, form: AudioFormat) -> bool:
    """Whether audio of the format `form` gets a WAV header in a file of this name.

    Raises:
        InvalidRequestError: The name says that the file holds something else.
    """
    suffix = target.suffix.lower()
    named = _NAMED_BY_SUFFIX.get(suffix)
    if named and named.container == "wav" and form.container == "raw":
        return True
    if suffix in _NEVER_SENT or (named and not _is_a(form, named)):
        raise InvalidRequestError(
            f"the audio is {form}, which a file named {target.name!r} must not hold; "
            f"{_instead(form, named)}",
            param="path",
        )
    return False


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open a new file; at the end bring it to the disk and give it the name `path`.

    Where the block fails, or the file cannot be written, nothing is left behind.

    Raises:
        OSError: The file cannot be written.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        # A pipe or a device cannot be replaced; it is written to.
        with path.open("wb") as file:
            yield file
        return
    beside = path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}")
    unnamed = _unnamed_file(path.parent)
    try:
        with unnamed or _named_file(beside) as file:
            if path.exists():
                # Before the first byte, so that nobody can read here what is closed to them there.
                here = _descriptor(file) if unnamed else beside
                here.chmod(stat.S_IMODE(path.stat().st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
            if unnamed:
                try:
                    _link(file, path)
                    return
                except FileExistsError:
                    # There is no call that gives a name away and takes it at once.
                    _link(file, beside)
        with _told_of(path):
            beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


# What a file is taken for by its name. What other names promise, nobody can say.
_NAMED_BY_SUFFIX = {
    ".wav": AudioFormat("wav"),
    ".wave": AudioFormat("wav"),
    ".mp3": AudioFormat("mp3"),
    ".flac": AudioFormat("flac"),
    ".aac": AudioFormat("aac"),
    ".opus": AudioFormat("opus"),
    ".ogg": AudioFormat("opus"),
    ".oga": AudioFormat("opus"),
    ".raw": AudioFormat("raw"),
    ".pcm": AudioFormat("raw"),
    ".s16": AudioFormat("raw", "pcm_s16le"),
    ".sln": AudioFormat("raw", "pcm_s16le"),
    ".mulaw": AudioFormat("raw", "pcm_mulaw"),
    ".ulaw": AudioFormat("raw", "pcm_mulaw"),
    ".alaw": AudioFormat("raw", "pcm_alaw"),
}
# Sound, by their names, of a kind that no model gives. L16 is big-endian (RFC 2586).
_NEVER_SENT = (
    *(".3gp", ".aif", ".aifc", ".aiff", ".amr", ".au", ".caf", ".l16", ".m4a", ".m4b", ".mka"),
    *(".mp2", ".mp4", ".weba", ".webm", ".wma"),
)
_SEPARATORS = tuple(filter(None, (os.sep, os.altsep)))


def _is_a(form: AudioFormat, named: AudioFormat) -> bool:
    return form.container == named.container and (
        named.encoding is None or form.encoding in (None, named.encoding)
    )


def _instead(form: AudioFormat, named: AudioFormat | None) -> str:
    """Say how name and audio come together."""
    end = {"raw": "'.wav' or '.raw'", "unknown": "'.bin'"}.get(
        form.container, f"'.{form.container}'"
    )
    rename = f"end the name in {end}"
    if named is None:
        return f"no model gives that kind of file, so {rename}"
    ask = f"response_format={named.container!r}"
    if named.encoding == "pcm_mulaw":
        ask = "response_format='mulaw'"
    elif named.encoding:
        ask += f" and response_encoding={named.encoding!r}"
    return f"{rename}, or ask synthesize() for {ask}"


def _unnamed_file(folder: Path) -> BinaryIO | None:
    """Open a file that is gone when the process is, however that ends, unless it gets a name.

    Returns:
        The file, or `None` where there are no such files, or none can be written.
    """
    try:
        file = open(os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o666), "wb")  # noqa: PTH123, SIM115
    except (OSError, AttributeError):
        return None
    if _descriptor(file).exists():
        return file
    file.close()
    return None


def _named_file(path: Path) -> BinaryIO:
    with _told_of(path.parent):
        return path.open("xb")


def _link(file: BinaryIO, path: Path) -> None:
    """Give a file without a name one that nothing has yet."""
    with _told_of(path):
        # Python follows the link that a descriptor is only where it is told of a folder as well,
        # which has no meaning beside an absolute path.
        os.link(_descriptor(file), path, src_dir_fd=file.fileno(), follow_symlinks=True)


def _descriptor(file: BinaryIO) -> Path:
    return Path(f"/proc/self/fd/{file.fileno()}")


@contextmanager
def _told_of(path: Path) -> Iterator[None]:
    """Have errors name `path`, and not a file of ours that nobody knows."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
