"""Reading and writing the headers of audio."""

import io
import pickle
import struct
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]
from hypothesis import example, given
from hypothesis import strategies as st

from facade.formats import (
    SAMPLE_BYTES,
    AudioFormat,
    Container,
    Encoding,
    container_of,
    duration_s,
    format_of,
    has_sound,
    is_wav,
    promised_bytes,
    read_wav_header,
    wav_header,
)

WAV = AudioFormat("wav")
MP3 = AudioFormat("mp3")
RAW = AudioFormat("raw", "pcm_s16le", 24000, 1)
CONTAINERS: list[Container] = ["wav", "mp3", "raw", "opus", "aac", "flac", "unknown"]

# The tags and sizes of a `fmt ` chunk, as the WAVE specification has them.
TAGS: list[tuple[int, int, Encoding]] = [
    (1, 8, "pcm_u8"),
    (1, 16, "pcm_s16le"),
    (1, 24, "pcm_s24le"),
    (1, 32, "pcm_s32le"),
    (3, 32, "pcm_f32le"),
    (3, 64, "pcm_f64le"),
    (6, 8, "pcm_alaw"),
    (7, 8, "pcm_mulaw"),
]


# --- WAV, built by hand ------------------------------------------------------------------------


def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    """A chunk of a RIFF file; `size` is what its header claims."""
    claimed = len(content) if size is None else size
    return struct.pack("<4sI", name, claimed) + content + b"\0" * (len(content) % 2)


def fmt(tag: int = 1, bits: int = 16, rate: int = 24000, channels: int = 1) -> bytes:
    block = bits // 8 * channels
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits))


def extensible(tag: int, bits: int, rate: int, channels: int) -> bytes:
    block = bits // 8 * channels
    head = struct.pack("<HHIIHH", 0xFFFE, channels, rate, rate * block, block, bits)
    guid = struct.pack("<H", tag) + bytes.fromhex("000000001000800000aa00389b71")
    return chunk(b"fmt ", head + struct.pack("<HHI", 22, bits, 4) + guid)


def wav(*chunks: bytes, size: int | None = None) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return struct.pack("<4sI", b"RIFF", len(body) if size is None else size) + body


SECOND = bytes(48000)  # of mono 16-bit samples at 24000 Hz


@pytest.mark.parametrize(
    ("content", "seconds"),
    [
        pytest.param(wav(fmt(), chunk(b"data", SECOND)), 1, id="plain"),
        pytest.param(
            wav(fmt(), chunk(b"data", SECOND, 0xFFFFFFFF), size=0xFFFFFFFF), 1, id="all ones"
        ),
        pytest.param(wav(fmt(), chunk(b"data", SECOND, 0), size=0), 1, id="zero for the size"),
        pytest.param(
            wav(fmt(), chunk(b"data", SECOND, 0x7FFFFFFF), size=36), 1, id="another placeholder"
        ),
        pytest.param(wav(fmt(), chunk(b"data", SECOND[:24000], 48000)), 0.5, id="cut short"),
        pytest.param(
            wav(fmt(), chunk(b"data", SECOND), chunk(b"LIST", bytes(1000))),
            1,
            id="a chunk after the samples",
        ),
        pytest.param(
            wav(chunk(b"JUNK", bytes(28)), fmt(), chunk(b"LIST", b"INFO"), chunk(b"data", SECOND)),
            1,
            id="chunks before the samples",
        ),
        pytest.param(
            wav(chunk(b"note", b"odd"), fmt(), chunk(b"data", SECOND)), 1, id="an odd chunk"
        ),
        pytest.param(wav(fmt(), chunk(b"data", SECOND[:3])), 1 / 24000, id="half a sample more"),
        pytest.param(wav(fmt(), chunk(b"data", b"")), 0, id="no samples"),
        pytest.param(wav(extensible(1, 16, 24000, 1), chunk(b"data", SECOND)), 1, id="extensible"),
        pytest.param(
            wav(fmt(3, 32, 48000, 2), chunk(b"data", bytes(384000))), 1, id="stereo floats"
        ),
        pytest.param(wav(fmt(7, 8, 8000), chunk(b"data", bytes(8000))), 1, id="µ-law"),
        pytest.param(
            wav(
                chunk(b"fmt ", struct.pack("<HHIIHHH", 0xFFFE, 1, 24000, 48000, 2, 16, 0)),
                chunk(b"data", SECOND),
            ),
            None,
            id="extensible without its extension",
        ),
        pytest.param(wav(fmt(2, 4), chunk(b"data", SECOND)), None, id="an encoding not known"),
        pytest.param(wav(fmt(rate=0), chunk(b"data", SECOND)), None, id="no rate"),
        pytest.param(wav(fmt(channels=0), chunk(b"data", SECOND)), None, id="no channels"),
        pytest.param(wav(chunk(b"data", SECOND), fmt()), None, id="samples before their format"),
        pytest.param(wav(chunk(b"fmt ", b"\1\0\1\0")), None, id="half a format"),
        pytest.param(
            wav(chunk(b"fmt ", b"\1\0\1\0"), chunk(b"data", SECOND)), None, id="too short a format"
        ),
        pytest.param(wav(fmt()), None, id="a format and no samples"),
        pytest.param(wav(chunk(b"fmt ", b"", 0xFFFFFFF0)), None, id="a size beyond the end"),
        pytest.param(wav(), None, id="nothing"),
        pytest.param(wav(fmt())[:20], None, id="cut inside the header"),
        pytest.param(wav(b"\xff" * 100), None, id="junk"),
    ],
)
def test_a_wav_file_lasts_as_long_as_the_samples_that_are_there(
    content: bytes, seconds: float | None
) -> None:
    assert is_wav(content)
    assert duration_s(content, WAV) == seconds


@pytest.mark.parametrize(("tag", "bits", "encoding"), TAGS)
@pytest.mark.parametrize("header", [fmt, extensible])
def test_the_format_of_a_wav_file_is_what_its_header_says(
    tag: int, bits: int, encoding: Encoding, header: Callable[[int, int, int, int], bytes]
) -> None:
    content = wav(header(tag, bits, 22050, 2), chunk(b"data", bytes(bits)))
    assert format_of(content, RAW) == AudioFormat("wav", encoding, 22050, 2)


@pytest.mark.parametrize("size", [0, 4, 14, 15])
def test_a_format_that_is_too_short_is_none(size: int) -> None:
    """It must not be read on into the chunk after it, where any rate may be found."""
    short = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 24000, 48000, 2, 16)[:size], size)
    content = wav(short, chunk(b"data", SECOND))
    assert format_of(content, RAW) == AudioFormat("wav")
    assert duration_s(content, WAV) is None
    assert format_of(wav(fmt()[:20] + short), RAW) == AudioFormat("wav")


@pytest.mark.parametrize("size", range(16, 26))
def test_an_extensible_format_without_its_subformat_has_no_encoding(size: int) -> None:
    whole = struct.pack("<HHIIHHHHIH", 0xFFFE, 1, 24000, 48000, 2, 16, 22, 16, 4, 1)
    content = wav(chunk(b"fmt ", whole[:size]), chunk(b"data", SECOND))
    assert format_of(content, RAW) == AudioFormat("wav", None, 24000, 1)


def test_the_samples_are_found() -> None:
    content = wav(chunk(b"note", b"odd"), fmt(), chunk(b"data", b"\1\2\3\4"), chunk(b"LIST", b"x"))
    header = read_wav_header(content)
    assert header is not None
    assert content[header.data_start : header.data_start + header.data_size] == b"\1\2\3\4"


@pytest.mark.parametrize(("tag", "bits", "encoding"), TAGS)
@pytest.mark.parametrize(("channels", "samples"), [(1, 0), (1, 1), (1, 5), (2, 3)])
def test_a_written_header_has_every_field_right(
    tag: int, bits: int, encoding: Encoding, channels: int, samples: int
) -> None:
    frame = bits // 8 * channels
    assert SAMPLE_BYTES[encoding] == bits // 8
    size = samples * frame
    header = wav_header(encoding, 22050, channels, size)

    riff, riff_size, wave = struct.unpack_from("<4sI4s", header)
    assert (riff, wave) == (b"RIFF", b"WAVE")
    assert riff_size == len(header) - 8 + size + size % 2
    name, fmt_size, *fields = struct.unpack_from("<4sIHHIIHH", header, 12)
    assert name == b"fmt "
    assert fields == [tag, channels, 22050, 22050 * frame, frame, bits]
    rest = header[20 + fmt_size :]
    if tag == 1:
        assert fmt_size == 16
    else:
        # Other than integer PCM: the size of the extension, and how many samples there are.
        assert header[36:38] == b"\0\0"
        assert fmt_size == 18
        assert struct.unpack_from("<4sII", rest) == (b"fact", 4, samples)
        rest = rest[12:]
    assert struct.unpack("<4sI", rest) == (b"data", size)
    assert read_wav_header(header + bytes(size)) is not None


def test_a_size_that_riff_cannot_hold_becomes_a_placeholder() -> None:
    header = wav_header("pcm_mulaw", 8000, 1, 2**33)
    assert struct.unpack_from("<I", header, 4) == (0xFFFFFFFF,)
    # No number of samples, or players would tell a length.
    assert header[-20:] == struct.pack("<4sII4sI", b"fact", 4, 0, b"data", 2**32 - 1)


# --- MP3, built by hand ------------------------------------------------------------------------

MPEG_1, MPEG_2, MPEG_2_5 = 3, 2, 0
RATES_HZ = {
    MPEG_1: (44100, 48000, 32000),
    MPEG_2: (22050, 24000, 16000),
    MPEG_2_5: (11025, 12000, 8000),
}
# ISO 11172-3 and 13818-3, layer III, by the index in the header.
KBIT_S = {
    MPEG_1: (None, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    MPEG_2: (None, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    MPEG_2_5: (None, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
STEREO, JOINT, DUAL, MONO = range(4)


def frame(
    version: int = MPEG_1,
    kbit_index: int = 9,
    rate_index: int = 0,
    mode: int = MONO,
    padding: int = 0,
    inside: bytes = b"",
    *,
    checksum: bool = False,
) -> bytes:
    """A frame of MPEG audio layer III, with silence or `inside` in it."""
    kbit_s = KBIT_S[version][kbit_index]
    assert kbit_s is not None
    factor = 144 if version == MPEG_1 else 72
    size = factor * kbit_s * 1000 // RATES_HZ[version][rate_index] + padding
    word = 0x7FF << 21 | version << 19 | 1 << 17 | (not checksum) << 16
    word |= kbit_index << 12 | rate_index << 10 | padding << 9 | mode << 6
    return (struct.pack(">I", word) + inside).ljust(size, b"\0")


def tag(size: int, *, flags: int = 0, footer: bool = False) -> bytes:
    """An ID3v2 tag with `size` bytes in it, among them what looks like a frame."""
    sizes = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    head = b"ID3\4\0" + bytes([flags | 0x10 * footer]) + sizes
    end = b"3DI" + head[3:] if footer else b""
    return head + frame()[:size].ljust(size, b"\xff") + end


def facts() -> bytes:
    """The frame without sound that encoders put first."""
    return frame(inside=bytes(17) + b"Xing")


@pytest.mark.parametrize(("version", "samples"), [(MPEG_1, 1152), (MPEG_2, 576), (MPEG_2_5, 576)])
@pytest.mark.parametrize("rate_index", range(3))
@pytest.mark.parametrize("kbit_index", range(1, 15))
def test_mp3_frames_of_every_kind_are_added_up(
    version: int, samples: int, rate_index: int, kbit_index: int
) -> None:
    rate = RATES_HZ[version][rate_index]
    content = b"".join(
        frame(version, kbit_index, rate_index, mode, padding)
        for mode in (STEREO, JOINT, DUAL, MONO)
        for padding in (0, 1)
    )
    assert duration_s(content, MP3) == pytest.approx(8 * samples / rate, abs=1e-9)
    assert format_of(content, MP3) == AudioFormat("mp3", None, rate, 2)


@pytest.mark.parametrize(("mode", "channels"), [(STEREO, 2), (JOINT, 2), (DUAL, 2), (MONO, 1)])
def test_an_mp3_header_tells_the_channels(mode: int, channels: int) -> None:
    assert format_of(frame(mode=mode), MP3) == AudioFormat("mp3", None, 44100, channels)


FRAME_S = 1152 / 44100


@pytest.mark.parametrize(
    ("content", "frames"),
    [
        pytest.param(frame() * 10, 10, id="constant bit rate"),
        pytest.param(frame(kbit_index=1) + frame(kbit_index=14) * 2, 3, id="variable bit rate"),
        pytest.param(tag(300) + frame() * 10, 10, id="after a tag"),
        pytest.param(tag(20_000) + frame() * 10, 10, id="after a large tag"),
        pytest.param(tag(2_500_000) + frame() * 10, 10, id="after a picture"),
        pytest.param(tag(0) + frame() * 10, 10, id="after an empty tag"),
        pytest.param(frame() * 10 + b"TAG".ljust(128, b"\0"), 10, id="a tag at the end"),
        pytest.param(frame(inside=bytes(17) + b"Info") + frame() * 10, 10, id="Info, mono"),
        pytest.param(frame(inside=bytes(17) + b"Xing") + frame() * 10, 10, id="Xing, mono"),
        pytest.param(
            frame(mode=JOINT, inside=bytes(32) + b"Xing") + frame() * 10, 10, id="Xing, stereo"
        ),
        *(
            pytest.param(
                frame(mode=mode, inside=bytes(size) + b"Xing", checksum=True) + frame() * 10,
                10,
                id=f"Xing, checksum, {size}",
            )
            for mode, size in ((JOINT, 32), (JOINT, 34), (MONO, 17), (MONO, 19))
        ),
        *(
            pytest.param(
                frame() * 9 + frame(mode=mode, inside=bytes(size) + mark, checksum=checksum),
                10,
                id=f"{mark.decode()} in the sound, {size}",
            )
            for mark, mode, size, checksum in (
                *((b"Info", MONO, 16, False), (b"Info", MONO, 19, False)),
                *((b"Xing", MONO, 32, True), (b"Xing", JOINT, 17, False)),
                *((b"Xing", JOINT, 34, False), (b"Info", JOINT, 33, True)),
                *((b"VBRI", MONO, 17, False), (b"VBRI", JOINT, 34, True)),
            )
        ),
        pytest.param(frame(inside=bytes(32) + b"VBRI") + frame() * 10, 10, id="VBRI"),
        pytest.param(
            tag(50) + frame(inside=bytes(17) + b"Xing") + frame() * 10, 10, id="a tag and Xing"
        ),
        pytest.param(frame() * 9 + frame(inside=bytes(17) + b"Info"), 9, id="Info at the end"),
        pytest.param((facts() + frame() * 5) * 2, 10, id="two files without tags"),
        pytest.param((frame(inside=bytes(32) + b"VBRI") + frame() * 5) * 2, 10, id="two with VBRI"),
        pytest.param(frame() * 10 + frame()[:-1], 10, id="the last frame cut short"),
        pytest.param(frame() * 10 + b"\xff\xff\xff\xff" * 100, 10, id="junk at the end"),
        pytest.param(frame() * 5 + b"\xff\xfb\xffjunk" * 50 + frame() * 5, 10, id="junk between"),
        pytest.param(frame() * 5 + frame()[:-9] + frame() * 5, 10, id="a cut frame between"),
        pytest.param((tag(300) + facts() + frame() * 5) * 2, 10, id="two files"),
        pytest.param((tag(300) + facts() + frame() * 5) * 40, 200, id="forty files"),
        pytest.param(
            (tag(300) + facts() + frame() * 5 + b"TAG".ljust(128, b"\0")) * 2,
            10,
            id="two files, tags at both ends",
        ),
        pytest.param(tag(30, footer=True) + frame() * 10, 10, id="a tag with a footer"),
        pytest.param(tag(30, flags=0x80) + frame() * 10, 10, id="an unsynchronised tag"),
        pytest.param(frame() * 10 + bytes(65_536), 10, id="zeros at the end"),
    ],
)
def test_mp3_audio_lasts_as_long_as_its_frames(content: bytes, frames: int) -> None:
    assert duration_s(content, MP3) == pytest.approx(frames * FRAME_S, abs=1e-9)


@pytest.mark.parametrize("version", [MPEG_2, MPEG_2_5])
@pytest.mark.parametrize(("mode", "size"), [(MONO, 9), (STEREO, 17), (JOINT, 17)])
@pytest.mark.parametrize("mark", [b"Xing", b"Info"])
def test_facts_stand_nearer_to_the_beginning_at_low_rates(
    version: int, mode: int, size: int, mark: bytes
) -> None:
    seconds = 10 * 576 / RATES_HZ[version][0]
    for inside, counted in ((bytes(size) + mark, 0), (bytes(size + 1) + mark, 2)):
        content = (frame(version, mode=mode, inside=inside) + frame(version, mode=mode) * 5) * 2
        expected = seconds * (10 + counted) / 10
        assert duration_s(content, MP3) == pytest.approx(expected, abs=1e-9)


def test_the_length_of_mp3_audio_is_exact() -> None:
    """Added up as they are, these frames would last 3.2880000000000003 s."""
    assert duration_s(frame(MPEG_2, rate_index=1) * 137, MP3) == 3.288
    rates = frame() * 1000 + frame(rate_index=1) * 1000
    assert duration_s(rates, MP3) == float(Fraction(1152_000, 44100) + Fraction(1152_000, 48000))


def test_mp3_audio_with_much_of_something_else_in_it_has_no_known_length() -> None:
    assert duration_s(frame() * 10 + bytes(65_537) + frame() * 10, MP3) is None
    assert duration_s(frame() * 10 + bytes(65_000) + frame() * 10, MP3) == 20 * 1152 / 44100


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"ID3\4\0", id="half a tag"),
        pytest.param(tag(100), id="a tag and nothing else"),
        pytest.param(tag(100) + frame()[:3], id="a tag and less than a header"),
        pytest.param(b"ID3\4\0\0\x7f\x7f\x7f\x7f" + frame(), id="a tag beyond the end"),
    ],
)
def test_the_beginning_of_mp3_audio_is_known(content: bytes) -> None:
    assert container_of(content) == "mp3"
    assert format_of(content, MP3) == AudioFormat("mp3")
    assert duration_s(content, MP3) is None


def test_less_than_a_frame_lasts_no_time() -> None:
    assert format_of(frame()[:-1], MP3) == AudioFormat("mp3", None, 44100, 1)
    assert duration_s(frame()[:-1], MP3) is None


def with_bits(clear: int, set_bits: int) -> bytes:
    """A frame with bits of its header changed."""
    (word,) = struct.unpack_from(">I", frame())
    return struct.pack(">I", word & ~clear | set_bits) + frame()[4:]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(frame()[:3], id="less than a header"),
        pytest.param(with_bits(1 << 31, 0), id="no sync"),
        pytest.param(with_bits(3 << 19, 1 << 19), id="a reserved version"),
        pytest.param(with_bits(3 << 17, 2 << 17), id="layer II"),
        pytest.param(with_bits(15 << 12, 0), id="no fixed bit rate"),
        pytest.param(with_bits(0, 15 << 12), id="a forbidden bit rate"),
        pytest.param(with_bits(0, 3 << 10), id="a reserved sample rate"),
        pytest.param(b"ID3\4\0\0\0\0\x80\0" + frame(), id="no tag, for its size"),
        pytest.param(tag(100) + b"text", id="a tag and something else"),
        pytest.param(bytes(1000), id="zeros"),
    ],
)
def test_what_is_no_mp3_audio_is_not_taken_for_it(content: bytes) -> None:
    assert format_of(content, MP3) == AudioFormat("unknown")
    assert duration_s(content, MP3) is None


@pytest.mark.parametrize("bit_rate_mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize("rate", [8000, 16000, 24000, 44100])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_mp3_audio_of_a_real_encoder_is_understood(
    bit_rate_mode: str, rate: int, channels: int
) -> None:
    loud_and_quiet = np.sin(np.arange(2 * rate) / 10) * np.linspace(0, 1, 2 * rate)
    file = io.BytesIO()
    soundfile.write(
        file,
        np.column_stack([loud_and_quiet] * channels),
        rate,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode=bit_rate_mode,
        compression_level=0.5,
    )
    content = file.getvalue()
    assert format_of(content, MP3) == AudioFormat("mp3", None, rate, channels)
    # Whole frames, and up to three more for the encoder's delay.
    seconds = duration_s(content, MP3)
    assert seconds is not None
    assert 2 <= seconds <= 2 + 3 * 1152 / rate


# --- the rest ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected", "form"),
    [
        pytest.param(wav(fmt(), chunk(b"data", SECOND)), RAW, "wav", id="wav, raw was asked for"),
        pytest.param(wav(fmt(), chunk(b"data", SECOND)), MP3, "wav", id="wav, mp3 was asked for"),
        pytest.param(frame() * 2, WAV, "mp3", id="mp3, wav was asked for"),
        pytest.param(b"fLaC\0\0\0\x22", AudioFormat("flac"), "flac", id="flac"),
        pytest.param(tag(9) + b"fLaC\0", AudioFormat("flac"), "flac", id="flac after a tag"),
        pytest.param(b"OggS\0\2", AudioFormat("opus"), "opus", id="opus"),
        pytest.param(b"\xff\xf1\x50\x80", AudioFormat("aac"), "aac", id="aac, MPEG-4"),
        pytest.param(b"\xff\xf9\x50\x80", AudioFormat("aac"), "aac", id="aac, MPEG-2"),
        pytest.param(b"\xff", AudioFormat("aac"), "unknown", id="one byte"),
        pytest.param(b"RIFF\4\0\0\0AVI ", WAV, "unknown", id="another RIFF file"),
        pytest.param(b"FORM\4\0\0\0WAVE", WAV, "unknown", id="no RIFF file"),
        pytest.param(SECOND, WAV, "unknown", id="samples, wav was asked for"),
        pytest.param(SECOND, AudioFormat("unknown"), "unknown", id="nobody knows"),
    ],
)
def test_the_bytes_say_which_container_they_are_in(
    content: bytes, expected: AudioFormat, form: Container
) -> None:
    assert format_of(content, expected).container == form


def test_samples_without_a_header_are_what_was_promised() -> None:
    promised = AudioFormat("raw", "pcm_f32le", 44100, 1)
    assert format_of(b"fLaC and anything else", promised) is promised


def test_a_broken_wav_header_promises_nothing() -> None:
    assert format_of(wav(), RAW) == AudioFormat("wav")


@pytest.mark.parametrize(
    ("form", "size", "seconds"),
    [
        (AudioFormat("raw", "pcm_s16le", 24000, 1), 48000, 1),
        (AudioFormat("raw", "pcm_s16le", 24000, 1), 48001, 1),
        (AudioFormat("raw", "pcm_f32le", 44100, 1), 176400, 1),
        (AudioFormat("raw", "pcm_mulaw", 8000, 1), 4000, 0.5),
        (AudioFormat("raw", "pcm_alaw", 8000, 2), 4000, 0.25),
        (AudioFormat("raw", None, 24000, 1), 48000, None),
        (AudioFormat("raw", "pcm_s16le", None, 1), 48000, None),
        (AudioFormat("raw", "pcm_s16le", 24000, None), 48000, None),
        (AudioFormat("opus"), 48000, None),
        (AudioFormat("unknown"), 48000, None),
    ],
)
def test_raw_audio_lasts_as_its_format_says(
    form: AudioFormat, size: int, seconds: float | None
) -> None:
    assert duration_s(bytes(size), form) == seconds


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (AudioFormat("raw", "pcm_s16le", 24000, 1), "raw pcm_s16le 24000 Hz mono"),
        (AudioFormat("wav", "pcm_f32le", 44100, 2), "wav pcm_f32le 44100 Hz 2 channels"),
        (AudioFormat("unknown"), "unknown"),
    ],
)
def test_a_format_prints_what_is_known_of_it(form: AudioFormat, text: str) -> None:
    assert str(form) == text


def test_formats_are_values_and_travel() -> None:
    assert pickle.loads(pickle.dumps(RAW)) == RAW  # noqa: S301
    assert len({RAW, AudioFormat("raw", "pcm_s16le", 24000, 1)}) == 1
    with pytest.raises(AttributeError):
        RAW.channels = 2  # type: ignore[misc]


beginnings = st.sampled_from(
    [
        *(b"", b"RIFF", wav(), wav(fmt()), wav(fmt(), chunk(b"data", b"", 0))),
        *(wav(extensible(1, 16, 24000, 1)), b"ID3", tag(5), frame(), b"\xff\xfb"),
        *(tag(5) + frame() * 3, frame() * 3 + b"\xff\xfb"),
    ]
)


@pytest.mark.parametrize(
    ("head", "more", "form", "has"),
    [
        (wav(fmt()), 0, WAV, False),
        (wav(fmt()), 1, WAV, True),
        (wav(fmt(), chunk(b"data", b"")), 0, WAV, False),
        (wav(fmt(), chunk(b"data", b"", 0)), 0, WAV, False),
        (wav(fmt(), chunk(b"data", b"", 2)), 1, WAV, False),
        (wav(fmt(), chunk(b"data", b"", 2)), 2, WAV, True),
        (wav(fmt(7, 8, 8000), chunk(b"data", b"", 1)), 1, WAV, True),
        (wav(fmt(2, 4), chunk(b"data", b"", 1)), 1, WAV, True),
        (frame(), 0, MP3, True),
        (frame()[:-1], 0, MP3, False),
        (frame()[:-1], 1, MP3, True),
        (b"", 0, RAW, False),
        (b"", 1, RAW, False),
        (b"", 2, RAW, True),
        (b"", 0, AudioFormat("flac"), False),
        (b"", 1, AudioFormat("flac"), True),
    ],
)
def test_a_sample_is_sound(head: bytes, more: int, form: AudioFormat, has: bool) -> None:
    assert has_sound(head, len(head) + more, format_of(head, form)) is has


@pytest.mark.parametrize(
    ("head", "container"),
    [
        (b"RIFF\0\0\0\0WAVE", "wav"),
        (b"RIFF\0\0\0\0WAV", "wav"),
        (b"RIFF", "wav"),
        (b"RIFF\0\0\0\0WAVX", None),
        (b"RIFF\0\0\0\0AVI ", None),
        (b"RIF", None),
        (b"OggS", "opus"),
        (b"Ogg", None),
        (b"fLaC", "flac"),
        (b"fLa", None),
        (tag(5) + b"fLaC", "flac"),
        (b"\xff\xf1", "aac"),
        (b"\xff\xf9", "aac"),
        (b"\xff\xf7", None),
        (b"\xff", None),
        (b"\0\0\0\x20ftyp", "unknown"),
        (b"\0\0\0\x20ftyM", None),
        (b"\x1a\x45\xdf\xa3", "unknown"),
        (b"\x1a\x45\xdf", None),
    ],
)
def test_a_container_is_known_by_its_first_bytes(head: bytes, container: Container | None) -> None:
    assert container_of(head) == container


@given(beginnings, st.binary(max_size=100), st.sampled_from(CONTAINERS))
@example(wav(fmt()), b"data", "wav")
def test_any_bytes_have_a_format_and_a_duration_or_none(
    beginning: bytes, rest: bytes, asked: Container
) -> None:
    content = beginning + rest
    form = format_of(content, AudioFormat(asked))
    assert form.container in CONTAINERS
    for container in CONTAINERS:
        seconds = duration_s(content, AudioFormat(container, "pcm_s16le", 24000, 1))
        assert seconds is None or seconds >= 0
    promised = promised_bytes(content)
    assert promised is None or promised > 0
    for size in (0, len(content), 10**6):
        assert has_sound(content, size, form) in (True, False)
