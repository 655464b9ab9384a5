"""Audio that has come: its bytes, its format, its length, and saving it."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

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
            InvalidRequestError: The audio is compressed, or nobody could say in which encoding and
                at which rate its samples are.
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

        Args:
            path: Where to. The folder must exist.

        Returns:
            The path.

        Raises:
            InvalidRequestError: The name ends in `.wav`, `.mp3`, `.flac`, `.aac` or `.opus` and the
                audio is something else.
            OSError: The file cannot be written.
        """
        target = Path(path)
        audio = self.to_wav() if needs_header(target, self.format) else self
        with atomic_file(target) as file:
            file.write(audio.content)
        return target


def header_for(form: AudioFormat, size: int) -> bytes:
    """Return the WAV header for `size` bytes of samples of the raw format `form`.

    Raises:
        InvalidRequestError: The audio is compressed, or not enough is known of it.
    """
    if form.container != "raw":
        raise InvalidRequestError(
            f"{form} audio is compressed, and only samples can be put into a WAV file; ask for "
            "response_format='wav'",
            param="format",
        )
    if form.encoding is None or form.sample_rate_hz is None or form.channels is None:
        raise InvalidRequestError(
            f"a WAV header needs encoding and sample rate, and of this audio only '{form}' is "
            "known; pass response_encoding and sample_rate, or ask for response_format='wav'",
            param="format",
        )
    return wav_header(form.encoding, form.sample_rate_hz, form.channels, size)


def needs_header(target: Path, form: AudioFormat) -> bool:
    """Whether audio of the format `form` gets a WAV header in a file of this name.

    Raises:
        InvalidRequestError: The name says that the file holds something else.
    """
    suffix = target.suffix.lower().removeprefix(".")
    if suffix == "wav" and form.container == "raw":
        return True
    if suffix in ("wav", "mp3", "flac", "aac", "opus") and suffix != form.container:
        raise InvalidRequestError(
            f"the audio is {form}, which a file named {target.name!r} must not hold", param="path"
        )
    return False


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file beside `path`; at the end bring it to the disk and move it into place.

    Where the block fails, or the file cannot be written, nothing is left behind.

    Raises:
        OSError: The file cannot be written.
    """
    # A link goes on pointing to the file, which is replaced where it really is.
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        # A pipe or a device cannot be replaced; it is written to.
        with path.open("wb") as file:
            yield file
        return
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(path.parent))
    beside = path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}")
    try:
        with beside.open("xb") as file:
            if path.exists():
                # Before the first byte, so that nobody can read here what is closed to them there.
                beside.chmod(path.stat().st_mode & 0o7777)
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
