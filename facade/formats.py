"""What a piece of audio is made of, and the headers that say so.

`AudioFormat` names a format. The rest of the module reads WAV and MP3 headers and writes WAV
headers; it takes bytes and gives facts.
"""

import re
import struct
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, NamedTuple, TypeAlias

Container: TypeAlias = Literal["wav", "mp3", "raw", "opus", "aac", "flac", "unknown"]
Encoding: TypeAlias = Literal[
    "pcm_u8",
    "pcm_s16le",
    "pcm_s24le",
    "pcm_s32le",
    "pcm_f32le",
    "pcm_f64le",
    "pcm_mulaw",
    "pcm_alaw",
]

SAMPLE_BYTES: dict[Encoding, int] = {
    "pcm_u8": 1,
    "pcm_s16le": 2,
    "pcm_s24le": 3,
    "pcm_s32le": 4,
    "pcm_f32le": 4,
    "pcm_f64le": 8,
    "pcm_mulaw": 1,
    "pcm_alaw": 1,
}


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """The format of a piece of audio.

    Attributes:
        container: `"wav"`, `"mp3"`, `"raw"` (samples without a header), `"opus"`, `"aac"`,
            `"flac"`, or `"unknown"`: a file of another kind, MP4 or WebM.
        encoding: How a sample is written, for `"wav"` and `"raw"`; `None` where samples are
            compressed, or where nobody could say.
        sample_rate_hz: Samples a second for each channel, or `None` where nobody could say.
        channels: 1 for mono, or `None` where nobody could say.
    """

    container: Container
    encoding: Encoding | None = None
    sample_rate_hz: int | None = None
    channels: int | None = None

    @property
    def frame_bytes(self) -> int | None:
        """Bytes of one sample of all channels, or `None` where that has no meaning."""
        if self.encoding is None or self.channels is None:
            return None
        return SAMPLE_BYTES[self.encoding] * self.channels

    def pcm_duration_s(self, size: int) -> float | None:
        """Seconds that `size` bytes of samples in this format last, or `None`."""
        if self.frame_bytes is None or not self.sample_rate_hz:
            return None
        return size // self.frame_bytes / self.sample_rate_hz

    def __str__(self) -> str:
        parts: list[str] = [self.container]
        if self.encoding:
            parts.append(self.encoding)
        if self.sample_rate_hz:
            parts.append(f"{self.sample_rate_hz} Hz")
        if self.channels:
            parts.append("mono" if self.channels == 1 else f"{self.channels} channels")
        return " ".join(parts)


def format_of(content: bytes, expected: AudioFormat) -> AudioFormat:
    """Say what `content` is, where `expected` is what the request and the model's rules promise.

    A RIFF header wins over any promise. Samples without a header cannot be told from noise, so
    for `"raw"` the promise is all there is. A file of another kind is known by its first bytes.
    """
    if is_wav(content):
        header = read_wav_header(content)
        return header.format if header else AudioFormat("wav")
    if expected.container == "raw":
        return expected
    container = container_of(content)
    if container == "mp3" and (frame := _mp3_frame(content, _after_tag(content, 0))) is not None:
        return AudioFormat("mp3", None, frame.sample_rate_hz, frame.channels)
    return AudioFormat(container or "unknown")


def container_of(head: bytes) -> Container | None:
    """Say which container begins with `head`, or return `None` where none does.

    `"unknown"` stands for MP4 and WebM, which hold sound and have no name here. Raw samples have no
    beginning of their own.
    """
    if head.startswith(b"RIFF") and b"WAVE".startswith(head[8:12]):
        return "wav"
    if head.startswith(b"OggS"):
        return "opus"
    if head[4:8] == b"ftyp" or head.startswith(b"\x1a\x45\xdf\xa3"):
        return "unknown"
    start = _after_tag(head, 0)
    beginning = head[start : start + 4]
    if beginning == b"fLaC":
        return "flac"
    # ADTS, the framing of AAC, has the same 11 set bits as MPEG audio, and layer 0.
    if beginning[:1] == b"\xff" and len(beginning) > 1 and beginning[1] & 0xF6 == 0xF0:
        return "aac"
    is_cut = start > 0 and len(beginning) < 4
    return "mp3" if is_cut or _mp3_frame(head, start) is not None else None


def promised_bytes(head: bytes) -> int | None:
    """Return how many bytes a file that begins with `head` has at least, by its own headers.

    Returns:
        For WAV the end of its samples, or else of its RIFF chunk; sizes that stand for "not known"
        (0, 0xFFFFFFFF) promise no more than the header. For MP3 the end of its first frame. For
        anything else `None`.
    """
    match container_of(head):
        case "wav":
            return _wav_end(head)
        case "mp3":
            start = _after_tag(head, 0)
            frame = _mp3_frame(head, start)
            return start + frame.size if frame else start
        case _:
            return None


def has_sound(head: bytes, size: int, form: AudioFormat) -> bool:
    """Whether a file of `size` bytes that begins with `head` holds a sample, where that shows.

    Args:
        head: The file, or its beginning.
        size: Bytes of the whole file.
        form: Its format, by `format_of`.
    """
    match form.container:
        case "wav":
            chunks = _wav_chunks(head)
            if chunks.data_size is None:
                return size > len(head)
            frame_bytes = chunks.format.frame_bytes if chunks.format else None
            return chunks.bytes_of_samples(size) >= (frame_bytes or 1)
        case "mp3":
            return size > len(head) or _mp3_duration_s(head) is not None
        case _:
            return size >= (form.frame_bytes or 1)


def duration_s(content: bytes, form: AudioFormat) -> float | None:
    """Seconds that `content`, of the format `form`, lasts, or `None` where that is not known."""
    match form.container:
        case "raw":
            return form.pcm_duration_s(len(content))
        case "wav":
            header = read_wav_header(content)
            return header.format.pcm_duration_s(header.data_size) if header else None
        case "mp3":
            return _mp3_duration_s(content)
        case _:
            return None


# --- WAV -------------------------------------------------------------------------------------

_WAVE_FORMAT_EXTENSIBLE = 0xFFFE
_WAV_ENCODINGS: dict[tuple[int, int], Encoding] = {
    (1, 8): "pcm_u8",
    (1, 16): "pcm_s16le",
    (1, 24): "pcm_s24le",
    (1, 32): "pcm_s32le",
    (3, 32): "pcm_f32le",
    (3, 64): "pcm_f64le",
    (6, 8): "pcm_alaw",
    (7, 8): "pcm_mulaw",
}
_WAV_TAGS = {encoding: tag_and_bits for tag_and_bits, encoding in _WAV_ENCODINGS.items()}


class WavHeader(NamedTuple):
    """What a WAV header says.

    Attributes:
        format: The format of the samples.
        data_start: Where the samples begin, in bytes from the start of the file.
        data_size: Bytes of samples that are really there.
    """

    format: AudioFormat
    data_start: int
    data_size: int


def is_wav(content: bytes) -> bool:
    """Whether `content` begins like a WAV file."""
    return content[:4] == b"RIFF" and content[8:12] == b"WAVE"


def read_wav_header(content: bytes) -> WavHeader | None:
    """Read the header of a WAV file, or return `None` where it is broken.

    Chunks other than `fmt ` and `data` are passed over. A server that writes before it knows the
    length puts a placeholder (0, 0xFFFFFFFF) for the size of the data: then, and where the file is
    shorter than its header says, the samples go on to the end of the file.
    """
    chunks = _wav_chunks(content)
    if chunks.format is None or chunks.data_size is None:
        return None
    return WavHeader(chunks.format, chunks.end, chunks.bytes_of_samples(len(content)))


# Sizes that writers put where they do not know any: 0 and all ones are in use everywhere, the
# others by SoX and espeak.
_UNKNOWN_SIZES = (0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000, 0x7FFFF024)


class _WavChunks(NamedTuple):
    """The chunks of a WAV file up to its samples.

    Attributes:
        format: What the `fmt ` chunk says, `None` where it is missing or cannot be read.
        end: Where the samples begin, or where the next chunk would.
        data_size: The size of the samples by the header, `None` where there are none.
    """

    format: AudioFormat | None
    end: int
    data_size: int | None

    def bytes_of_samples(self, size: int) -> int:
        """Return how many bytes of samples are there in a file of `size` bytes."""
        there = max(0, size - self.end)
        return there if self.data_size in (None, *_UNKNOWN_SIZES) else min(self.data_size, there)


def _wav_chunks(head: bytes) -> _WavChunks:
    form: AudioFormat | None = None
    at = 12
    while at + 8 <= len(head):
        name, size = struct.unpack_from("<4sI", head, at)
        at += 8
        if name == b"data":
            return _WavChunks(form, at, size)
        if name == b"fmt ":
            form = _wav_format(head[at : at + size])
        at += size + size % 2
    return _WavChunks(form, at, None)


def _wav_end(head: bytes) -> int:
    _, end, data_size = _wav_chunks(head)
    if data_size is not None and data_size not in _UNKNOWN_SIZES:
        return end + data_size
    riff_size = int.from_bytes(head[4:8], "little")
    if riff_size not in _UNKNOWN_SIZES:
        return 8 + riff_size
    # Without any size there is a header at least.
    return end if data_size is not None else end + 8


def _wav_format(chunk: bytes) -> AudioFormat | None:
    if len(chunk) < 16:
        return None
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == _WAVE_FORMAT_EXTENSIBLE and len(chunk) >= 26:
        (tag,) = struct.unpack_from("<H", chunk, 24)
    return AudioFormat("wav", _WAV_ENCODINGS.get((tag, bits)), rate or None, channels or None)


def wav_header(encoding: Encoding, sample_rate_hz: int, channels: int, data_size: int) -> bytes:
    """Return the header of a WAV file with `data_size` bytes of samples.

    Everything but integer PCM has the `fact` chunk with the number of samples, as the WAVE
    specification asks. A size that the 32 bits of RIFF cannot hold becomes 0xFFFFFFFF, which
    readers take for "to the end of the file", and the number of samples 0: from any other number
    players would tell a length.
    """
    tag, bits = _WAV_TAGS[encoding]
    frame_bytes = bits // 8 * channels
    fmt = struct.pack(
        "<HHIIHH", tag, channels, sample_rate_hz, sample_rate_hz * frame_bytes, frame_bytes, bits
    )
    chunks = b""
    if tag != 1:
        fmt += struct.pack("<H", 0)
        samples = data_size // frame_bytes if data_size < 0xFFFFFFFF else 0
        chunks = struct.pack("<4sII", b"fact", 4, samples)
    chunks = struct.pack("<4sI", b"fmt ", len(fmt)) + fmt + chunks
    riff_size = 4 + len(chunks) + 8 + data_size + data_size % 2
    return (
        struct.pack("<4sI4s", b"RIFF", min(riff_size, 0xFFFFFFFF), b"WAVE")
        + chunks
        + struct.pack("<4sI", b"data", min(data_size, 0xFFFFFFFF))
    )


# --- MP3 -------------------------------------------------------------------------------------

_MP3_RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_MP3_KBIT_S = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


# Beyond this many bytes of something else, what comes is not looked for any more.
_LONGEST_JUNK = 64 * 1024
_MP3_SYNC = re.compile(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb]")
# Where the side information ends (ISO 11172-3, 13818-3), by the samples and channels of a frame.
_FACTS_AT = {(1152, 1): 21, (1152, 2): 36, (576, 1): 13, (576, 2): 21}


class _Mp3Frame(NamedTuple):
    size: int
    samples: int
    sample_rate_hz: int
    channels: int


def _mp3_duration_s(content: bytes) -> float | None:
    """Add up the frames: the only length that holds for constant and variable bit rates alike.

    What stands between frames is passed over, as players do: several files may stand behind each
    other, each with its tags.
    """
    samples: Counter[int] = Counter()
    at = 0
    while at < len(content):
        start = _after_tag(content, at)
        frame = _mp3_frame(content, start)
        if frame is None or start + frame.size > len(content):
            sync = _mp3_resync(content, start + 1)
            if sync is None and len(content) - start > _LONGEST_JUNK:
                return None
            at = sync or len(content)
            continue
        if not _holds_facts(content[start : start + 42], frame):
            samples[frame.sample_rate_hz] += frame.samples
        at = start + frame.size
    # Exact, so that a length of 3.288 s is not 3.2880000000000003.
    return float(sum(Fraction(count, rate) for rate, count in samples.items())) or None


def _holds_facts(beginning: bytes, frame: _Mp3Frame) -> bool:
    """Whether a frame holds no sound, only facts about the file: encoders put one first.

    Xing and Info stand behind the side information. Of a frame with a checksum, some encoders count
    its 2 bytes and others do not. VBRI stands at the same place in all frames.
    """
    at = _FACTS_AT[frame.samples, frame.channels]
    after_checksum = at if beginning[1] & 1 else at + 2
    return (
        beginning[at : at + 4] in (b"Xing", b"Info")
        or beginning[after_checksum : after_checksum + 4] in (b"Xing", b"Info")
        or beginning[36:40] == b"VBRI"
    )


def _mp3_resync(content: bytes, start: int) -> int | None:
    """Return where the next frame begins that another one follows, if that is not too far away."""
    for sync in _MP3_SYNC.finditer(content, start, start + _LONGEST_JUNK):
        frame = _mp3_frame(content, sync.start())
        if frame and _mp3_frame(content, sync.start() + frame.size):
            return sync.start()
    return None


def _after_tag(content: bytes, at: int) -> int:
    """Return where the ID3v2 tag at `at` ends; `at` where there is none."""
    tag = content[at : at + 10]
    if not tag.startswith(b"ID3") or any(byte > 0x7F for byte in tag[6:]):
        return at
    if len(tag) < 10:
        return at + 10
    a, b, c, d = tag[6:]
    footer = 10 if tag[5] & 0x10 else 0
    return at + 10 + (a << 21 | b << 14 | c << 7 | d) + footer


def _mp3_frame(content: bytes, at: int) -> _Mp3Frame | None:
    if at + 4 > len(content):
        return None
    (word,) = struct.unpack_from(">I", content, at)
    version, layer = word >> 19 & 3, word >> 17 & 3
    kbit_index, rate_index = word >> 12 & 15, word >> 10 & 3
    if word >> 21 != 0x7FF or version == 1 or layer != 1:
        return None
    if kbit_index in (0, 15) or rate_index == 3:
        return None
    is_mpeg1 = version == 3
    rate = _MP3_RATES_HZ[version][rate_index]
    samples = 1152 if is_mpeg1 else 576
    padding = word >> 9 & 1
    size = samples // 8 * _MP3_KBIT_S[is_mpeg1][kbit_index] * 1000 // rate + padding
    channels = 1 if word >> 6 & 3 == 3 else 2
    return _Mp3Frame(size, samples, rate, channels)
