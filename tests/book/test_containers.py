"""Audio files of a whole book, read by other programs."""

import errno
import gc
import io
import json
import os
import shutil
import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import cast, get_args

import av
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from facade import InvalidRequestError, SpeechError
from facade._book.chapter_files import ChapterMark
from facade._book.containers import (
    HOLDS_CHAPTERS,
    Tags,
    check_writable,
    open_writer,
)
from facade._extras import needs
from facade.books import Cover
from facade.narration import NarrationFormat

CONTAINERS: tuple[NarrationFormat, ...] = get_args(NarrationFormat)
BY_AV = CONTAINERS[1:]

TAGS = Tags("Moby-Dick; or, The Whale", "Herman Melville", "en-GB")
CHAPTERS = [ChapterMark(0, "Loomings"), ChapterMark(24000, "第二章 & <more>")]
SAMPLES = 3 * 24000 + 1234


def noise(samples: int = SAMPLES) -> bytes:
    """Return noise that is nowhere like itself, with little above 3 kHz, which encoders keep."""
    random = np.random.default_rng(1).normal(0, 12000, samples + 7)
    return np.convolve(random, np.full(8, 1 / 8), "valid").astype("<i2").tobytes()


def picture(codec: str, pixel_format: str) -> bytes:
    encoder = cast(VideoCodecContext, VideoCodecContext.create(codec, "w"))
    encoder.width, encoder.height, encoder.pix_fmt = 60, 80, pixel_format
    encoder.time_base = Fraction(1, 1)
    frame = av.VideoFrame.from_ndarray(np.full((80, 60, 3), 99, np.uint8), format="rgb24")
    packets = [*encoder.encode(frame.reformat(format=pixel_format)), *encoder.encode(None)]
    return b"".join(map(bytes, packets))


PNG = Cover(picture("png", "rgb24"), "image/png")
JPEG = Cover(picture("mjpeg", "yuvj420p"), "image/jpeg")
GIF = Cover(picture("gif", "rgb8"), "image/gif")
WEBP = Cover(picture("libwebp", "yuv420p"), "image/webp")


def write(
    path: Path,
    container: NarrationFormat,
    *,
    sample_rate: int = 24000,
    pcm: bytes | None = None,
    cover: Cover | None = None,
    bit_rate: int | None = None,
) -> Path:
    pcm = noise() if pcm is None else pcm
    with (
        path.open("wb") as file,
        open_writer(
            file,
            container,
            sample_rate,
            len(pcm) // 2,
            tags=TAGS,
            chapters=CHAPTERS,
            cover=cover,
            bit_rate=bit_rate,
        ) as writer,
    ):
        for start in range(0, len(pcm), 30000):
            writer.write(pcm[start : start + 30000])
    return path


def decoded(path: Path) -> tuple[NDArray[np.float64], int]:
    """Return the samples of a file, 1 for full scale, and their rate."""
    with av.open(str(path), "r") as file:
        (stream,) = file.streams.audio
        resampler = av.AudioResampler("dbl", "mono", stream.rate)
        frames = [part for frame in file.decode(stream) for part in resampler.resample(frame)]
        return np.concatenate([frame.to_ndarray()[0] for frame in frames]), stream.rate


# --- the sound -----------------------------------------------------------------------------------


@pytest.mark.parametrize("container", BY_AV)
@pytest.mark.parametrize("sample_rate", [24000, 44100])
def test_no_sample_is_added_lost_or_moved(
    tmp_path: Path, container: NarrationFormat, sample_rate: int
) -> None:
    """What an encoder adds at both ends is left out by players, as the file tells them."""
    path = write(tmp_path / "book", container, sample_rate=sample_rate)
    samples, rate = decoded(path)
    if container == "opus":
        # Which knows but a few rates, and plays all at 48 kHz.
        assert rate == 48000
        assert len(samples) * sample_rate / rate == pytest.approx(SAMPLES, abs=1)
        return
    assert rate == sample_rate
    # FFmpeg plays the last 1024 samples of M4B whole, though the file says where they end.
    assert SAMPLES <= len(samples) < SAMPLES + (1024 if container == "m4b" else 1)
    with av.open(str(path), "r") as file:
        assert file.duration == pytest.approx(SAMPLES / sample_rate * 1e6, abs=1)
    meant = np.frombuffer(noise(), "<i2") / 32768
    lag = np.argmax(np.correlate(samples[2000:-2000], meant[3000:13000]))
    assert lag == 1000


def test_flac_keeps_every_sample(tmp_path: Path) -> None:
    samples, _ = decoded(write(tmp_path / "book", "flac"))
    assert np.rint(samples * 32768).astype("<i2").tobytes() == noise()


def test_opus_is_not_moved_by_its_other_rate(tmp_path: Path) -> None:
    samples, _ = decoded(write(tmp_path / "book", "opus"))
    meant = np.frombuffer(noise(), "<i2") / 32768
    assert np.argmax(np.correlate(samples[4000:-4000:2], meant[3000:13000])) == 1000


@pytest.mark.parametrize(
    ("container", "asked", "expected"),
    [("mp3", None, 64000), ("mp3", 96000, 96000), ("m4b", None, 64000), ("m4b", 32000, 32000)],
)
def test_the_bit_rate_is_the_one_asked_for(
    tmp_path: Path, container: NarrationFormat, asked: int | None, expected: int
) -> None:
    with av.open(str(write(tmp_path / "book", container, bit_rate=asked)), "r") as file:
        assert file.streams.audio[0].bit_rate == pytest.approx(expected, rel=0.1)


# --- what it says about itself -------------------------------------------------------------------


@pytest.mark.parametrize("container", BY_AV)
def test_tags_and_chapters_are_read_as_they_were_meant(
    tmp_path: Path, container: NarrationFormat
) -> None:
    with av.open(str(write(tmp_path / "book", container)), "r") as file:
        tags = file.metadata | file.streams.audio[0].metadata
        chapters = [
            (chapter["start"] * (chapter["time_base"] or 0), chapter["metadata"]["title"])
            for chapter in file.chapters()
        ]
    tags = {name.lower(): value for name, value in tags.items()}
    assert (tags["title"], tags["album"]) == (TAGS.title, TAGS.title)
    assert (tags["artist"], tags["genre"]) == (TAGS.author, "Audiobook")
    assert tags["language"] == ("eng" if container == "m4b" else "en-GB")
    if container in HOLDS_CHAPTERS:
        assert chapters == [(0, "Loomings"), (1, "第二章 & <more>")]
    if container == "m4b":
        assert tags["major_brand"] == "M4B "
        assert tags["media_type"] == "2"


@pytest.mark.parametrize("container", BY_AV)
@pytest.mark.parametrize("cover", [PNG, JPEG, GIF, WEBP], ids=lambda cover: cover.media_type)
def test_the_cover_is_in_the_file(tmp_path: Path, container: NarrationFormat, cover: Cover) -> None:
    """As it is where it is a JPEG or PNG file, which is what players show; else as PNG."""
    with av.open(str(write(tmp_path / "book", container, cover=cover)), "r") as file:
        (stream,) = file.streams.video
        assert stream.disposition & av.stream.Disposition.attached_pic
        assert stream.codec_context.name == ("mjpeg" if cover is JPEG else "png")
        assert (stream.width, stream.height) == (60, 80)
        content = bytes(next(file.demux(stream)))
    assert (content == cover.content) == (cover in (PNG, JPEG))


def test_a_file_may_say_nothing(tmp_path: Path) -> None:
    for container in CONTAINERS:
        path = tmp_path / container
        with path.open("wb") as file, open_writer(file, container, 24000, 2400) as writer:
            writer.write(bytes(4800))
        with av.open(str(path), "r") as read:
            assert "title" not in read.metadata
            assert read.chapters() == []


NEEDS_FFPROBE = pytest.mark.skipif(
    not shutil.which("ffprobe"), reason="there is no ffprobe; install ffmpeg"
)
NEEDS_MEDIAINFO = pytest.mark.skipif(
    not shutil.which("mediainfo"), reason="there is no mediainfo; install it"
)


SHOWN_BY_FFPROBE = ("-show_format", "-show_streams", "-show_chapters")


@NEEDS_FFPROBE
@pytest.mark.parametrize("container", BY_AV)
def test_ffprobe_reads_what_was_meant(tmp_path: Path, container: NarrationFormat) -> None:
    path = write(tmp_path / "book", container, cover=JPEG)
    shown = subprocess.run(
        ["ffprobe", "-v", "error", "-of", "json", *SHOWN_BY_FFPROBE, path],
        check=True,
        capture_output=True,
    )
    found = json.loads(shown.stdout)
    kinds = {stream["codec_type"]: stream for stream in found["streams"]}
    tags = {
        name.lower(): value
        for place in (found["format"], kinds["audio"])
        for name, value in place.get("tags", {}).items()
    }
    assert (tags["title"], tags["artist"]) == (TAGS.title, TAGS.author)
    assert kinds["video"]["disposition"]["attached_pic"] == 1
    # Older versions count what encoders add to MP3 and Opus.
    assert float(found["format"]["duration"]) == pytest.approx(SAMPLES / 24000, abs=0.1)
    if container in HOLDS_CHAPTERS:
        assert [
            (chapter["start_time"], chapter["tags"]["title"]) for chapter in found["chapters"]
        ] == [("0.000000", "Loomings"), ("1.000000", "第二章 & <more>")]


@NEEDS_MEDIAINFO
@pytest.mark.parametrize("container", BY_AV)
def test_mediainfo_reads_what_was_meant(tmp_path: Path, container: NarrationFormat) -> None:
    path = write(tmp_path / "book", container, cover=PNG)
    shown = subprocess.run(
        ["mediainfo", "--Output=JSON", path], check=True, capture_output=True, encoding="utf-8"
    )
    tracks = json.loads(shown.stdout)["media"]["track"]
    general = tracks[0]
    assert (general["Title"], general["Performer"]) == (TAGS.title, TAGS.author)
    assert general["Cover"] == "Yes"
    assert float(general["Duration"]) == pytest.approx(SAMPLES / 24000, abs=0.1)
    formats = {"mp3": "MPEG Audio", "flac": "FLAC", "opus": "Ogg", "m4b": "MPEG-4"}
    assert general["Format"] == formats[container]
    (audio,) = (track for track in tracks if track["@type"] == "Audio")
    assert audio["Language"].startswith("en")
    if container == "m4b":
        assert general["CodecID"].strip() == "M4B"
        assert general["ContentType"] == "Audiobook"
    menus = [track["extra"] for track in tracks if track["@type"] == "Menu"]
    if container in ("m4b", "opus"):
        assert list(menus[-1].values()) == ["Loomings", "第二章 & <more>"]


# --- what may go wrong ---------------------------------------------------------------------------


@pytest.mark.parametrize("container", BY_AV)
@pytest.mark.parametrize(
    "content",
    [b"", b"no picture", PNG.content[:50], WEBP.content[:40], b"GIF89a"],
)
def test_a_cover_that_is_no_picture_is_told(container: NarrationFormat, content: bytes) -> None:
    with pytest.raises(InvalidRequestError, match=r"the cover .* is no picture") as told:
        check_writable(container, cover=Cover(content, "image/png"))
    assert told.value.param == "cover"


def test_a_cover_is_never_taken_for_a_list_of_other_files(tmp_path: Path) -> None:
    """FFmpeg would open what these name."""
    (tmp_path / "secret.png").write_bytes(PNG.content)
    playlist = f"#EXTM3U\n#EXTINF:1,\n{tmp_path}/secret.png\n#EXT-X-ENDLIST\n"
    for content in (playlist, f"ffconcat version 1.0\nfile {tmp_path}/secret.png\n"):
        with pytest.raises(InvalidRequestError, match="cover"):
            check_writable("m4b", cover=Cover(content.encode(), "image/png"))


def test_a_cover_too_large_to_be_decoded_is_told() -> None:
    large = GIF.content[:6] + struct.pack("<HH", 8000, 8000) + GIF.content[10:]
    with pytest.raises(InvalidRequestError, match="or has more than 25,000,000 pixels"):
        check_writable("mp3", cover=Cover(large, "image/gif"))


@pytest.mark.parametrize("container", ["mp3", "opus", "m4b"])
def test_a_bit_rate_that_the_encoder_does_not_know_is_told(container: NarrationFormat) -> None:
    with pytest.raises(InvalidRequestError, match="cannot encode speech at -5 bits") as told:
        check_writable(container, bit_rate=-5)
    assert told.value.param == "bit_rate"


@pytest.mark.parametrize("container", CONTAINERS)
def test_what_can_be_written_passes_the_check(container: NarrationFormat) -> None:
    check_writable(container, cover=WEBP)


def test_without_the_extra_only_wav_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    check_writable("wav")
    with pytest.raises(ImportError) as raised:
        check_writable("mp3")
    assert str(raised.value) == f"{needs('writing mp3', 'av', 'book')}; a WAV file needs nothing"


class _FullDisk(io.BytesIO):
    """Has room for so many bytes."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self._room = room

    def write(self, content: object) -> int:
        if self.tell() + len(memoryview(content)) > self._room:  # type: ignore[arg-type]
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(content)  # type: ignore[arg-type]


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_full_disk_is_told_wherever_it_happens(container: NarrationFormat) -> None:
    whole = io.BytesIO()
    write_into(whole, container)
    for room in range(0, len(whole.getvalue()), len(whole.getvalue()) // 20):
        with pytest.raises(OSError, match="No space left"):
            write_into(_FullDisk(room), container)
    write_into(_FullDisk(len(whole.getvalue())), container)


def write_into(file: io.BytesIO, container: NarrationFormat) -> None:
    pcm = noise(24000)
    with open_writer(file, container, 24000, 24000, tags=TAGS, chapters=CHAPTERS) as writer:
        for start in range(0, len(pcm), 8000):
            writer.write(pcm[start : start + 8000])


@pytest.mark.parametrize("container", BY_AV)
def test_what_comes_after_the_end_is_told(container: NarrationFormat) -> None:
    with open_writer(io.BytesIO(), container, 24000, 100) as writer:
        writer.write(bytes(200))
    with pytest.raises(SpeechError, match="cannot be encoded"):
        writer.write(bytes(200))


def test_a_container_that_cannot_be_written_to_a_pipe_is_told() -> None:
    reading, writing = os.pipe()
    with (
        open(reading, "rb"),  # noqa: PTH123 - descriptors
        open(writing, "wb") as pipe,  # noqa: PTH123
        pytest.raises(SpeechError, match="cannot be written to a pipe"),
        open_writer(pipe, "m4b", 24000, 1),
    ):
        pass


@pytest.mark.parametrize("container", CONTAINERS)
def test_what_fails_in_the_block_is_told_and_the_file_let_go(
    tmp_path: Path, container: NarrationFormat
) -> None:
    def fail() -> None:
        path = tmp_path / "book"
        with path.open("wb") as file, open_writer(file, container, 24000, SAMPLES) as writer:
            writer.write(noise(100))
            raise LookupError("a piece")

    with pytest.raises(LookupError, match="a piece"):
        fail()
    # Nothing is left that would write to a closed file.
    gc.collect()
