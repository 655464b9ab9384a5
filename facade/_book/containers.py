"""Audio files of a whole book: WAV, and by PyAV MP3, FLAC, Opus and M4B."""

import base64
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from facade._book.chapter_files import ChapterMark
from facade._book.m4b import M4bTags, M4bWriter
from facade._book.wav import WavWriter
from facade._extras import needs
from facade.books import Cover
from facade.errors import InvalidRequestError, SpeechError
from facade.narration import NarrationFormat

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.codec.context import CodecContext
    from av.container.core import Chapter
    from av.packet import Packet
    from av.video.frame import VideoFrame

# The others have their chapters in a file beside them.
HOLDS_CHAPTERS: frozenset[NarrationFormat] = frozenset({"mp3", "opus", "m4b"})


@dataclass(frozen=True, slots=True)
class Tags:
    """What a file says about itself.

    Attributes:
        title: Of the book.
        author: Who wrote it.
        language: By BCP 47, such as `"en-GB"`.
    """

    title: str | None = None
    author: str | None = None
    language: str | None = None


class AudioFileWriter(Protocol):
    """Takes the samples of a book, one stretch after the other."""

    def write(self, pcm: bytes) -> None:
        """Write mono samples of 16 bits, little-endian.

        Raises:
            SpeechError: The encoder fails.
            OSError: The file cannot be written.
        """
        ...


def check_writable(
    container: NarrationFormat, *, cover: Cover | None = None, bit_rate: int | None = None
) -> None:
    """Check, before anything is asked for and billed, that such a file can be written.

    Args:
        container: The kind of file.
        cover: Its picture; WAV files have none.
        bit_rate: As for `open_writer`.

    Raises:
        ImportError: The extra `book` is not installed.
        InvalidRequestError: The cover is no picture, or the bit rate none of the encoder's.
    """
    with open_writer(BytesIO(), container, 24000, 0, cover=cover, bit_rate=bit_rate):
        pass


@contextmanager
def open_writer(
    file: BinaryIO,
    container: NarrationFormat,
    sample_rate: int,
    samples: int,
    *,
    tags: Tags = Tags(),
    chapters: Sequence[ChapterMark] = (),
    cover: Cover | None = None,
    bit_rate: int | None = None,
) -> Iterator[AudioFileWriter]:
    """Write a book into a file, in constant memory; at the end of the block the file is whole.

    Args:
        file: Where to. It stays open. Everything but WAV is sought in.
        container: The kind of file.
        sample_rate: Of the samples, in Hz. What the encoder does not know becomes the next higher
            rate that it knows.
        samples: How many there will be.
        tags: What the file says about itself.
        chapters: Where its chapters begin, in order; `HOLDS_CHAPTERS` says who can keep them.
        cover: Its picture. What is neither JPEG nor PNG becomes PNG.
        bit_rate: Bits a second for MP3 (64,000 where it is left out), Opus (32,000) and M4B
            (64,000): speech with one channel needs no more.

    Raises:
        ImportError: The extra `book` is not installed.
        InvalidRequestError: The cover is no picture, or the bit rate none of the encoder's.
        SpeechError: The encoder fails.
        OSError: The file cannot be written.
    """
    if container == "wav":
        wav = WavWriter(file, sample_rate, samples, _wav_texts(tags))
        yield wav
        wav.close()
        return
    if find_spec("av") is None:
        told = needs(f"writing {container}", "av", "book")
        raise ImportError(f"{told}; a WAV file needs nothing")
    picture = None if cover is None else _picture(cover)
    writer: _M4bEncoder | _Encoder
    with _errors_are_ours():
        if container == "m4b":
            writer = _M4bEncoder(file, sample_rate, samples, tags, chapters, picture, bit_rate)
        else:
            writer = _Encoder(
                file, container, sample_rate, samples, tags, chapters, picture, bit_rate
            )
    try:
        yield writer
        with _errors_are_ours():
            writer.end()
    finally:
        writer.close()


class _M4bEncoder:
    """Encodes samples into an M4B file."""

    def __init__(
        self,
        file: BinaryIO,
        sample_rate: int,
        samples: int,
        tags: Tags,
        chapters: Sequence[ChapterMark],
        picture: "_Picture | None",
        bit_rate: int | None,
    ) -> None:
        import av
        from av.codec.context import Flags

        if not file.seekable():
            raise SpeechError("an M4B file cannot be written to a pipe; choose another format")
        bit_rate = 64_000 if bit_rate is None else bit_rate
        self._codec = av.CodecContext.create("aac", "w")
        rate = _encoder_rate("aac", sample_rate)
        self._codec.sample_rate = rate
        self._codec.layout, self._codec.format = "mono", "fltp"
        self._codec.time_base = Fraction(1, rate)
        self._codec.flags |= Flags.global_header
        # A third of the time of the other method, and by FFmpeg's manual better for one channel at
        # such a rate.
        self._codec.options = {"aac_coder": "fast"}
        _open_codec(self._codec, bit_rate)
        self._frames = _Frames(sample_rate)
        self._output = M4bWriter(
            file,
            rate,
            round(samples * rate / sample_rate),
            config=bytes(self._codec.extradata or b""),
            bit_rate=bit_rate,
            tags=_m4b_tags(tags, picture),
            chapters=[
                (round(mark.start_sample * 1000 / sample_rate), mark.title) for mark in chapters
            ],
        )

    def write(self, pcm: bytes) -> None:
        with _errors_are_ours():
            self._mux(self._codec.encode(self._frames.next(pcm)))

    def end(self) -> None:
        """Write what the encoder still holds, and the end of the file."""
        self._mux(self._codec.encode(None))
        self._output.end()

    def close(self) -> None:
        """Nothing of the file is held."""

    def _mux(self, packets: "Sequence[Packet[AudioStream]]") -> None:
        for packet in packets:
            self._output.write(bytes(packet))


def _m4b_tags(tags: Tags, picture: "_Picture | None") -> M4bTags:
    """Return the tags by the names of their boxes."""
    named = {"©nam": tags.title, "©alb": tags.title, "©ART": tags.author, "©gen": _GENRE}
    language = (tags.language or "").partition("-")[0].lower()
    return M4bTags(
        {name: value for name, value in named.items() if value},
        _LANGUAGES.get(language, "und"),
        None if picture is None else (picture.content, picture.codec == "png"),
    )


@dataclass(frozen=True, slots=True)
class _Kind:
    """How FFmpeg makes a container."""

    muxer: str
    encoder: str
    bit_rate: int | None
    options: dict[str, str]


_KINDS: dict[NarrationFormat, _Kind] = {
    # Version 2.3 is the one that every player reads.
    "mp3": _Kind("mp3", "libmp3lame", 64_000, {"id3v2_version": "3"}),
    "flac": _Kind("flac", "flac", None, {}),
    "opus": _Kind("ogg", "libopus", 32_000, {}),
}


class _Encoder:
    """Encodes samples into a file of another kind, which FFmpeg writes."""

    def __init__(
        self,
        file: BinaryIO,
        container: NarrationFormat,
        sample_rate: int,
        samples: int,
        tags: Tags,
        chapters: Sequence[ChapterMark],
        picture: "_Picture | None",
        bit_rate: int | None,
    ) -> None:
        import av

        kind = _KINDS[container]
        self._frames = _Frames(sample_rate)
        self._output = av.open(file, "w", format=kind.muxer, container_options=kind.options)
        self._output.metadata.update(_metadata(container, tags, picture))
        self._output.set_chapters(_chapters(chapters, samples, sample_rate))
        rate = _encoder_rate(kind.encoder, sample_rate)
        stream = self._output.add_stream(kind.encoder, rate=rate, layout="mono")
        self._stream = cast("AudioStream", stream)
        _open_codec(self._stream.codec_context, kind.bit_rate if bit_rate is None else bit_rate)
        if picture is not None and container != "opus":
            self._add_picture(picture)
        self._output.start_encoding()

    def write(self, pcm: bytes) -> None:
        with _errors_are_ours():
            self._output.mux(self._stream.encode(self._frames.next(pcm)))

    def end(self) -> None:
        """Write what the encoder still holds, and the end of the file."""
        self._output.mux(self._stream.encode(None))
        self._output.close()

    def close(self) -> None:
        """Let go of the file, whole or not."""
        import av

        # PyAV's own finalizer would write to the file, at a time when it may be another's.
        with suppress(OSError, av.FFmpegError):
            self._output.close()

    def _add_picture(self, picture: "_Picture") -> None:
        import av.stream

        stream = self._output.add_mux_stream(
            picture.codec, width=picture.width, height=picture.height
        )
        stream.disposition = av.stream.Disposition.attached_pic
        packet = av.Packet(picture.content)
        packet.stream = stream
        packet.pts = packet.dts = 0
        self._output.mux(packet)


class _Frames:
    """Makes frames of samples, each at its time."""

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._samples = 0

    def next(self, pcm: bytes) -> "AudioFrame":
        """Return the frame that follows the one before."""
        import av
        import numpy as np

        samples = np.frombuffer(pcm, np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = self._sample_rate
        frame.time_base = Fraction(1, self._sample_rate)
        frame.pts = self._samples
        self._samples += samples.size
        return frame


def _encoder_rate(encoder: str, sample_rate: int) -> int:
    """Return the rate that an encoder knows and that is the next to this one."""
    import av

    rates = av.Codec(encoder, "w").audio_rates or [sample_rate]
    return min((rate for rate in rates if rate >= sample_rate), default=48000)


def _open_codec(codec: "CodecContext", bit_rate: int | None) -> None:
    import av

    if bit_rate is not None:
        codec.bit_rate = bit_rate
    try:
        codec.open()
    except av.FFmpegError as error:
        raise InvalidRequestError(
            f"{codec.name} cannot encode speech at {bit_rate} bits a second", param="bit_rate"
        ) from error


def _chapters(marks: Sequence[ChapterMark], samples: int, sample_rate: int) -> "list[Chapter]":
    ends = [*(mark.start_sample for mark in marks[1:]), samples]
    return [
        {
            "id": number,
            "start": mark.start_sample,
            "end": end,
            "time_base": Fraction(1, sample_rate),
            "metadata": {"title": mark.title},
        }
        for number, (mark, end) in enumerate(zip(marks, ends, strict=False))
    ]


def _metadata(container: NarrationFormat, tags: Tags, picture: "_Picture | None") -> dict[str, str]:
    """Return the tags by FFmpeg's names, which it writes by those of the container."""
    # Players sort the parts of audio books by their album.
    named = {
        "title": tags.title,
        "album": tags.title,
        "artist": tags.author,
        "language": tags.language,
        "genre": _GENRE,
    }
    metadata = {name: value for name, value in named.items() if value}
    if container == "opus" and picture is not None:
        metadata["METADATA_BLOCK_PICTURE"] = picture.as_vorbis_comment()
    return metadata


def _wav_texts(tags: Tags) -> list[tuple[str, str]]:
    """Return the tags with the names of their chunks."""
    named = {"INAM": tags.title, "IPRD": tags.title, "IART": tags.author, "ILNG": tags.language}
    return [(name, value) for name, value in named.items() if value]


_GENRE = "Audiobook"
# In MP4 a language has three letters (ISO 639-2/T).
_LANGUAGES = {
    "ar": "ara",
    "cs": "ces",
    "da": "dan",
    "de": "deu",
    "el": "ell",
    "en": "eng",
    "es": "spa",
    "fi": "fin",
    "fr": "fra",
    "he": "heb",
    "hi": "hin",
    "hu": "hun",
    "id": "ind",
    "it": "ita",
    "ja": "jpn",
    "ko": "kor",
    "nb": "nob",
    "nl": "nld",
    "no": "nor",
    "pl": "pol",
    "pt": "por",
    "ro": "ron",
    "ru": "rus",
    "sv": "swe",
    "th": "tha",
    "tr": "tur",
    "uk": "ukr",
    "vi": "vie",
    "zh": "zho",
}


# --- the cover -------------------------------------------------------------------------------

# By their first bytes, so that nothing else than a picture is ever looked into: FFmpeg also knows
# files that name other files.
_PICTURES = {
    b"\x89PNG": "png_pipe",
    b"\xff\xd8\xff": "jpeg_pipe",
    b"GIF8": "gif",
    b"RIFF": "webp_pipe",
}
_LARGEST_PICTURE_PIXELS = 25_000_000


@dataclass(frozen=True, slots=True)
class _Picture:
    content: bytes
    codec: str
    width: int
    height: int

    def as_vorbis_comment(self) -> str:
        """Return it as Ogg files hold it: a FLAC picture block of kind 3, front cover."""
        media_type = b"image/jpeg" if self.codec == "mjpeg" else b"image/png"
        block = (
            struct.pack(">II", 3, len(media_type))
            + media_type
            + struct.pack(">IIIIII", 0, self.width, self.height, 24, 0, len(self.content))
            + self.content
        )
        return base64.b64encode(block).decode()


def _picture(cover: Cover) -> _Picture:
    import av

    demuxer = next(
        (name for magic, name in _PICTURES.items() if cover.content.startswith(magic)), None
    )
    refusal = InvalidRequestError(
        f"the cover ({cover.media_type}, {len(cover.content)} bytes) is no picture that can be "
        f"read, or has more than {_LARGEST_PICTURE_PIXELS:,} pixels; give a JPEG or PNG file",
        param="cover",
    )
    if demuxer is None:
        raise refusal
    limits = {"max_pixels": str(_LARGEST_PICTURE_PIXELS)}
    try:
        with av.open(BytesIO(cover.content), "r", format=demuxer, options=limits) as source:
            stream = source.streams.video[0]
            codec = stream.codec_context.name
            # One that is larger has no size here, or is not to be decoded.
            if not 0 < stream.width * stream.height <= _LARGEST_PICTURE_PIXELS:
                raise refusal
            if codec in ("png", "mjpeg"):
                return _Picture(cover.content, codec, stream.width, stream.height)
            frame = next(source.decode(stream))
    except (av.FFmpegError, StopIteration) as error:
        raise refusal from error
    return _Picture(_png(frame), "png", frame.width, frame.height)


def _png(frame: "VideoFrame") -> bytes:
    from av.video.codeccontext import VideoCodecContext

    encoder = VideoCodecContext.create("png", "w")
    encoder.width, encoder.height = frame.width, frame.height
    encoder.pix_fmt = "rgb24"
    encoder.time_base = Fraction(1, 1)
    picture = frame.reformat(format="rgb24")
    picture.pts = 0
    return b"".join(bytes(packet) for packet in [*encoder.encode(picture), *encoder.encode(None)])


@contextmanager
def _errors_are_ours() -> Iterator[None]:
    import av

    try:
        yield
    except av.FFmpegError as error:
        raise SpeechError(f"the audio file cannot be encoded: {error}") from error
