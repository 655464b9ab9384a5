"""The boxes of M4B files; what players read of them is in test_containers.py."""

import io
import struct
import tracemalloc
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np

from facade._book.chapter_files import ChapterMark
from facade._book.containers import Tags, open_writer
from facade._book.m4b import M4bTags, M4bWriter

TAGS = Tags("Moby-Dick", "Herman Melville", "en")
PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"udta", b"tref", b"gmhd")


def boxes(content: bytes, path: str = "") -> Iterator[tuple[str, bytes]]:
    """Give the path and the content of each box, in order."""
    at = 0
    while at < len(content):
        size, kind = struct.unpack(">I4s", content[at : at + 8])
        header = 8
        if size == 1:
            (size,) = struct.unpack(">Q", content[at + 8 : at + 16])
            header = 16
        inner = content[at + header : at + size]
        here = f"{path}/{kind.decode('latin-1')}"
        yield here, inner
        if kind in PARENTS:
            yield from boxes(inner, here)
        at += size
    assert at == len(content)


def book(samples: int, chapters: list[ChapterMark], cut: int = 7000) -> bytes:
    file = io.BytesIO()
    with open_writer(file, "m4b", 24000, samples, tags=TAGS, chapters=chapters) as writer:
        for start in range(0, samples, cut):
            writer.write(bytes(2 * min(cut, samples - start)))
    return file.getvalue()


def by_ffmpeg(samples: int) -> bytes:
    """Return what FFmpeg makes of the same audio."""
    file = io.BytesIO()
    options = {"brand": "M4B ", "movie_timescale": "24000"}
    with av.open(file, "w", format="mp4", container_options=options) as output:
        output.metadata.update(title="Moby-Dick", media_type="2")
        output.set_chapters(
            [
                {
                    "id": 0,
                    "start": 0,
                    "end": samples,
                    "time_base": Fraction(1, 24000),
                    "metadata": {"title": "Loomings"},
                }
            ]
        )
        stream = output.add_stream("aac", rate=24000, layout="mono")
        stream.codec_context.bit_rate = 64000
        frame = av.AudioFrame.from_ndarray(np.zeros((1, samples), np.int16), "s16", "mono")
        frame.sample_rate, frame.pts = 24000, 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


def test_the_boxes_are_those_that_ffmpeg_writes() -> None:
    """All of them but an empty one; offsets and lengths have 64 bits."""
    # Of each kind the first, which is the one of the audio.
    ours = dict([*boxes(book(30000, [ChapterMark(0, "Loomings")]))][::-1])
    theirs = dict([*boxes(by_ffmpeg(30000))][::-1])
    widened = {path.replace("stco", "co64") for path in theirs} - {"/free"}
    assert set(ours) == widened
    for path in ("/ftyp", "/moov/udta/chpl"):
        assert ours[path] == theirs[path]
    tables = "/moov/trak/mdia/minf/stbl"
    for name in ("stsc", "stsz"):
        assert ours[f"{tables}/{name}"] == theirs[f"{tables}/{name}"]


def test_every_length_ends_where_the_samples_do() -> None:
    """The encoder makes a packet for each 1024 samples, and one before them."""
    for samples in (1, 1023, 1024, 1025, 2048, 30000):
        content = book(samples, [])
        (times,) = (inner for path, inner in boxes(content) if path.endswith("stts"))
        rows = struct.iter_unpack(">II", times[8:])
        assert sum(count * length for count, length in rows) == 1024 + samples
        with av.open(io.BytesIO(content), "r") as file:
            assert file.streams.audio[0].duration == samples


def test_each_of_many_chapters_is_read() -> None:
    """The older of the two lists has 255 at most."""
    marks = [ChapterMark(at * 480, f"Chapter {at}") for at in range(300)]
    content = book(300 * 480, marks)
    with av.open(io.BytesIO(content), "r") as file:
        assert [chapter["metadata"]["title"] for chapter in file.chapters()][254] == "Chapter 254"
    listed = dict(boxes(content))["/moov/udta/chpl"]
    assert listed[8] == 255
    assert content.count(b"encd\0\0\1\0") == 300


def test_a_long_title_is_cut_between_characters() -> None:
    listed = dict(boxes(book(100, [ChapterMark(0, "a" + "鯨" * 100)])))["/moov/udta/chpl"]
    assert listed[17] == 253
    assert listed[18:].decode() == "a" + "鯨" * 84


def test_what_is_before_the_first_chapter_has_no_title() -> None:
    with av.open(io.BytesIO(book(48000, [ChapterMark(24000, "Loomings")])), "r") as file:
        found = [
            (chapter["start"] * (chapter["time_base"] or 0), chapter["metadata"].get("title", ""))
            for chapter in file.chapters()
        ]
    assert found == [(0, ""), (1, "Loomings")]


def test_a_packet_takes_no_more_than_its_size() -> None:
    """FFmpeg's writer would keep 9 MB of these, this one four bytes of each."""
    packets = 100_000

    class Sink(io.RawIOBase):
        def write(self, content: object) -> int:
            return len(memoryview(content))  # type: ignore[arg-type]

        def seek(self, offset: int, whence: int = 0) -> int:
            return 0

    tags = M4bTags({}, "und", None)
    writer = M4bWriter(
        Sink(),  # type: ignore[arg-type]
        *(24000, (packets - 1) * 1024),
        config=b"\x13\x08",
        bit_rate=64000,
        tags=tags,
        chapters=[],
    )
    tracemalloc.start()
    try:
        for _ in range(packets):
            writer.write(b"packet")
        kept, _ = tracemalloc.get_traced_memory()
        assert kept < 6 * packets
        writer.end()
        _, peak = tracemalloc.get_traced_memory()
        assert peak < 40 * packets
    finally:
        tracemalloc.stop()
