"""Names of the files of a batch: relative, below one folder, and good on every system.

A folder of audio is carried to other machines: what Windows or macOS would refuse, or take for the
same file, is refused everywhere.
"""

import re
import unicodedata
from collections.abc import Iterator

from facade._rules.catalogue import models
from facade._rules.options import ResponseFormat
from facade.errors import InvalidRequestError

# What the suffix of a file says about the format to ask for.
FORMAT_OF_SUFFIX: dict[str, ResponseFormat] = {
    ".wav": "wav",
    ".wave": "wav",
    ".mp3": "mp3",
    ".raw": "raw",
    ".pcm": "raw",
    ".mulaw": "mulaw",
    ".ulaw": "mulaw",
    ".opus": "opus",
    ".ogg": "opus",
    ".oga": "opus",
    ".aac": "aac",
    ".flac": "flac",
}

OWN_FOLDER = ".together-speech"
"""The folder below the output that is ours alone."""

# As many as nearly every file system takes, in bytes.
_LONGEST = 255
# Wider numbers follow where there are more rows: as many zeros as there are rows would give all
# files other names when a row is added.
_DIGITS = 6
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)", re.IGNORECASE)
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\]')


def format_of(path: str) -> ResponseFormat | None:
    """Return the format that the name of a file asks for, if it asks for one."""
    stem, dot, suffix = path.rpartition("/")[2].rpartition(".")
    return FORMAT_OF_SUFFIX.get(f"{dot}{suffix}".lower()) if stem else None


def format_for(path: str, model: str) -> ResponseFormat | None:
    """Return the format that the name of a file asks for, if it asks for one.

    Raises:
        InvalidRequestError: The model does not give it.
    """
    form = format_of(path)
    known = models().get(model)
    if form and known and form not in known.formats:
        *most, last = (
            repr(suffix) for suffix, given in FORMAT_OF_SUFFIX.items() if given in known.formats
        )
        raise _wrong(
            path,
            f"asks for {form}, which {model} does not give; end the name in {', '.join(most)} or "
            f"{last}",
            "path",
        )
    return form


def output_name(
    *, path: str | None, name: str | None, number: int, response_format: str | None
) -> str:
    """Return where the audio of a row goes, relative to the folder, with `/` between the parts.

    Args:
        path: Where the row wants it. It keeps a suffix that names audio.
        name: The row's id, which counts where it names no path.
        number: The row's place, from 1, which counts where it has no id either.
        response_format: The format that is asked for, which gives the suffix; `None` is WAV.

    Raises:
        InvalidRequestError: It would leave the folder, or be no name on some system.
    """
    suffix = f".{response_format or 'wav'}"
    if path is not None:
        return _checked(path, "path", "" if format_of(path) else suffix)
    if name is not None:
        return _checked(name, "id", suffix)
    return f"{number:0{_DIGITS}}{suffix}"


def same_file(name: str) -> str:
    """Return what names have in common that some file system takes for the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def folders_of(name: str) -> Iterator[str]:
    """Give the folders that a name goes through, the outermost first."""
    for found in re.finditer("/", name):
        yield name[: found.start()]


def _checked(path: str, param: str, suffix: str) -> str:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/"):
        raise _wrong(path, "is absolute, and files are written below the folder", param)
    if not parts or path.endswith(("/", "/.")):
        raise _wrong(path, "names no file", param)
    if same_file(parts[0]) == OWN_FOLDER:
        raise _wrong(path, "is in the folder that the command keeps for itself", param)
    if ".." in parts:
        raise _wrong(path, "has '..' in it, and files are written below the folder", param)
    parts[-1] += suffix
    for part in parts:
        _check_part(path, part, param)
    return "/".join(parts)


def _check_part(path: str, part: str, param: str) -> None:
    if found := _FORBIDDEN.search(part):
        raise _wrong(path, f"has {found[0]!r}, which not every system takes in a name", param)
    if part.endswith((".", " ")):
        raise _wrong(path, f"has a name that ends in {part[-1]!r}, which Windows drops", param)
    if _DEVICE.fullmatch(part.partition(".")[0].rstrip(" ")):
        raise _wrong(path, f"has the name {part!r}, which on Windows is a device", param)
    try:
        size = len(part.encode())
    except UnicodeEncodeError:
        raise _wrong(path, "has half a surrogate pair, which is no character", param) from None
    if size > _LONGEST:
        raise _wrong(path, f"has a name of {size} bytes; most systems take {_LONGEST}", param)


def _wrong(path: str, why: str, param: str) -> InvalidRequestError:
    shown = path if len(path) <= 80 else f"{path[:79]}…"
    return InvalidRequestError(f"{shown!r} {why}", param=param)
