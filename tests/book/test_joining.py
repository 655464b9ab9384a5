"""Pieces joined without a seam."""

import math
from collections.abc import Sequence
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facade import InvalidRequestError
from facade._book.joining import Span, edge_samples, join_piece, place
from facade._book.levels import gain_for, measure
from facade._book.splitting import PauseKind
from facade._book.wav import WavWriter
from facade.books import Pauses
from tests.book.seams import main, read, report
from tests.book.speech import SAMPLE_RATE, speech_of
from together_emulator.process import SpeechEmulator

KINDS: list[PauseKind] = ["clause", "sentence", "paragraph", "chapter"]


def tone(lead: int, samples: int, tail: int) -> bytes:
    """Return a tone that begins and ends with a step, between silences."""
    wave = 16000 * np.cos(2 * math.pi * 200 / SAMPLE_RATE * np.arange(samples))
    speech: bytes = np.rint(wave).astype("<i2").tobytes()
    return bytes(2 * lead) + speech + bytes(2 * tail)


def join(
    pieces: Sequence[bytes], kinds: Sequence[PauseKind], pauses: Pauses, gain: float = 1
) -> tuple[bytes, list[Span]]:
    spans = list(place((measure(pcm, SAMPLE_RATE) for pcm in pieces), kinds, pauses, SAMPLE_RATE))
    edge = edge_samples(pauses, SAMPLE_RATE)
    parts = (join_piece(pcm, span, gain, edge) for pcm, span in zip(pieces, spans, strict=True))
    return b"".join(chain.from_iterable(parts)), spans


def write_wav(path: Path, pcm: bytes) -> Path:
    with path.open("wb") as file:
        writer = WavWriter(file, SAMPLE_RATE, len(pcm) // 2)
        writer.write(pcm)
        writer.close()
    return path


def test_the_speech_of_a_book_has_the_pauses_that_were_asked_for(
    together_emulator_session: SpeechEmulator, tmp_path: Path
) -> None:
    """Told by a program that knows only the samples."""
    pieces = [piece.pcm for piece in speech_of(together_emulator_session)]
    pieces *= 2
    kinds = KINDS * 2
    pauses = Pauses(clause_s=0.2, sentence_s=0.41, paragraph_s=0.83, chapter_s=1.7)
    gain = gain_for(measure(pcm, SAMPLE_RATE) for pcm in pieces)
    pcm, _ = join(pieces, kinds, pauses, gain)
    path = write_wav(tmp_path / "book.wav", pcm)
    asked = [0.2, 0.41, 0.83, 1.7, 0.2, 0.41, 0.83]
    assert report(*read(path), asked).is_seamless
    assert main(str(path), map(str, asked)) == 0


def test_the_program_tells_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pause that is too long, and a step."""
    word = tone(0, 4800, 0)
    path = write_wav(tmp_path / "bad.wav", word + bytes(2 * 9000) + word)
    assert main(str(path), ["0.35"]) == 1
    assert capsys.readouterr().out.startswith("pause 0 of 0.35 s is not there\n")
    assert main(str(path), ["0.375"]) == 1
    assert capsys.readouterr().out == "steps: 16000 at seams, 837 in speech\n"


@pytest.mark.parametrize(("lead", "tail"), [(0, 0), (120, 130), (2000, 30000)])
def test_each_pause_is_exact_and_each_edge_is_faded(lead: int, tail: int) -> None:
    word = tone(lead, 4800, tail)
    pcm, spans = join([word] * 4, KINDS, Pauses())
    samples = np.frombuffer(pcm, "<i2").astype(int)
    assert len(samples) == spans[-1].next_sample
    for span, following in pairwise(spans):
        assert following.start_sample == span.next_sample
        assert not samples[span.end_sample : span.next_sample].any()
    found = report(samples.astype(np.int32), SAMPLE_RATE, [0.15, 0.35, 0.7])
    assert found.missing == {}
    lengths = [(end - start) / SAMPLE_RATE for start, end in found.silences]
    assert lengths == pytest.approx([0.15, 0.35, 0.7], abs=0.0015)
    if lead:
        # The silence before the speech is faded, and the speech keeps every sample.
        assert word[2 * lead :][:9600] in pcm
    else:
        assert found.seam_step < 1000


def test_the_edge_is_half_a_cosine() -> None:
    pcm, (span,) = join([tone(0, 4800, 0)], ["clause"], Pauses(edge_s=0.01))
    assert span == Span(0, 0, 4800, 3600)
    level = np.frombuffer(pcm, "<i2")[:24] / np.frombuffer(tone(0, 24, 0), "<i2")
    half_cosine = [0.5 - 0.5 * math.cos(math.pi * (at + 0.5) / 240) for at in range(24)]
    assert level == pytest.approx(half_cosine, abs=0.0001)


def test_no_edge_is_no_fade() -> None:
    word = tone(10, 4800, 10)
    pcm, spans = join([word], ["sentence"], Pauses(edge_s=0))
    assert spans == [Span(0, 10, 4800, 8400)]
    assert pcm == word[20:-20] + bytes(16800)


def test_a_pause_is_never_shorter_than_its_edges() -> None:
    _, spans = join([tone(500, 4800, 500)] * 2, ["clause"] * 2, Pauses(clause_s=0))
    assert spans == [Span(0, 380, 5040, 0), Span(5040, 380, 5040, 0)]


def test_a_piece_without_speech_leaves_its_pause() -> None:
    pcm, spans = join([bytes(9000), tone(0, 4800, 0)], ["clause", "clause"], Pauses())
    assert [span.speech_samples for span in spans] == [0, 4800]
    assert pcm[: 2 * 3600] == bytes(2 * 3600)


def test_the_gain_is_that_of_the_book() -> None:
    word = tone(0, 30000, 0)
    pcm, _ = join([word], ["clause"], Pauses(clause_s=0), gain=1.5)
    louder = np.rint(np.frombuffer(word, "<i2") * np.float32(1.5)).astype(int)
    assert (np.frombuffer(pcm, "<i2")[120:-120] == louder[120:-120]).all()


@given(
    lengths=st.lists(
        st.tuples(st.integers(0, 400), st.integers(0, 9000), st.integers(0, 400)), max_size=4
    ),
    data=st.data(),
)
@settings(max_examples=20)
def test_offsets_are_those_of_the_samples(
    lengths: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    pieces = [tone(*length) for length in lengths]
    kinds = [data.draw(st.sampled_from(KINDS)) for _ in pieces]
    pcm, spans = join(pieces, kinds, Pauses(clause_s=0.01, chapter_s=0.1, edge_s=0.003))
    assert len(pcm) == 2 * (spans[-1].next_sample if spans else 0)
    for span, following in pairwise(spans):
        assert following.start_sample == span.next_sample
    for span in spans:
        silent = pcm[2 * span.end_sample : 2 * span.next_sample]
        assert silent == bytes(2 * span.pause_samples)


@pytest.mark.parametrize("seconds", [-0.001, math.inf, math.nan])
@pytest.mark.parametrize("name", ["clause_s", "sentence_s", "paragraph_s", "chapter_s", "edge_s"])
def test_a_pause_that_cannot_be_is_told(name: str, seconds: float) -> None:
    with pytest.raises(InvalidRequestError, match=f"{name} is {seconds}") as told:
        Pauses(**{name: seconds})
    assert told.value.param == "pauses"
