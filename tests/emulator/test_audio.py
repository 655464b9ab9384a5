"""Codecs, sample rates and the WAV header, each against somebody else's implementation."""

import io
import wave

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.emulator.listening import read_raw
from together_emulator.audio import AudioFormat, Encoder, Encoding, wav_header

EVERY_SAMPLE = np.arange(-32768, 32768).astype(np.int16)
SUBTYPES: dict[Encoding, str] = {
    "pcm_s16le": "PCM_16",
    "pcm_f32le": "FLOAT",
    "pcm_mulaw": "ULAW",
    "pcm_alaw": "ALAW",
}


def encoded(samples: NDArray[np.int16], encoding: Encoding, sample_rate: int = 22050) -> bytes:
    encoder = Encoder(22050, AudioFormat("raw", encoding, sample_rate))
    return encoder.encode(samples, last=True)


@pytest.mark.parametrize("encoding", ["pcm_s16le", "pcm_f32le"])
def test_linear_encodings_keep_every_sample(encoding: Encoding) -> None:
    decoded = read_raw(encoded(EVERY_SAMPLE, encoding), 22050, SUBTYPES[encoding])
    assert np.array_equal(decoded * 32768, EVERY_SAMPLE)


@pytest.mark.parametrize("encoding", ["pcm_mulaw", "pcm_alaw"])
def test_g711_agrees_with_libsndfile_on_every_sample(encoding: Encoding) -> None:
    theirs = io.BytesIO()
    soundfile.write(theirs, EVERY_SAMPLE, 22050, format="RAW", subtype=SUBTYPES[encoding])
    ours = encoded(EVERY_SAMPLE, encoding)
    assert np.array_equal(
        read_raw(ours, 22050, SUBTYPES[encoding]),
        read_raw(theirs.getvalue(), 22050, SUBTYPES[encoding]),
    )


@pytest.mark.parametrize(("encoding", "finest"), [("pcm_mulaw", 4), ("pcm_alaw", 16)])
def test_g711_is_never_further_off_than_half_a_step(encoding: Encoding, finest: int) -> None:
    """A step is a sixteenth of a segment, and the finest near zero (G.711, tables 1 and 2)."""
    decoded = read_raw(encoded(EVERY_SAMPLE, encoding), 22050, SUBTYPES[encoding]) * 32768
    magnitude = np.abs(EVERY_SAMPLE.astype(float)) + (132 if encoding == "pcm_mulaw" else 0)
    step = np.maximum(2.0 ** np.floor(np.log2(np.maximum(magnitude, 1))) / 16, 2 * finest)
    below_overload = np.abs(EVERY_SAMPLE.astype(int)) <= 32635
    assert np.all(np.abs(decoded - EVERY_SAMPLE)[below_overload] <= step[below_overload] / 2 + 4)


@given(st.sampled_from(["pcm_mulaw", "pcm_alaw"]), st.binary(min_size=1, max_size=300))
def test_g711_octets_survive_decoding_and_encoding(encoding: Encoding, octets: bytes) -> None:
    samples = (read_raw(octets, 22050, SUBTYPES[encoding]) * 32768).astype(np.int16)
    again = read_raw(encoded(samples, encoding), 22050, SUBTYPES[encoding])
    # µ-law has two zeros, so values are compared and not octets.
    assert np.array_equal(again * 32768, samples)


@pytest.mark.parametrize("sample_rate", [8000, 16000, 22050, 24000, 44100, 48000])
def test_resampling_keeps_pitch_and_duration(sample_rate: int) -> None:
    seconds = 2
    tone = 12000 * np.sin(2 * np.pi * 440 * np.arange(seconds * 22050) / 22050)
    content = encoded(tone.astype(np.int16), "pcm_s16le", sample_rate)
    resampled = read_raw(content, sample_rate, "PCM_16")
    assert abs(len(resampled) - seconds * sample_rate) <= 1
    spectrum = np.abs(np.fft.rfft(resampled))
    assert np.argmax(spectrum) / seconds == pytest.approx(440, abs=1)
    assert np.abs(resampled).max() == pytest.approx(12000 / 32768, rel=0.05)


@given(
    st.lists(st.integers(-32768, 32767), max_size=400),
    st.lists(st.integers(0, 400), max_size=4),
    st.sampled_from(list(SUBTYPES)),
    st.sampled_from([8000, 22050, 24000, 44100]),
)
def test_the_cutting_of_blocks_does_not_matter(
    values: list[int], cuts: list[int], encoding: Encoding, sample_rate: int
) -> None:
    samples = np.array(values, dtype=np.int16)
    encoder = Encoder(22050, AudioFormat("raw", encoding, sample_rate))
    *blocks, last = np.split(samples, sorted(cuts))
    pieces = [encoder.encode(block) for block in blocks]
    pieces.append(encoder.encode(last, last=True))
    assert b"".join(pieces) == encoded(samples, encoding, sample_rate)


def test_what_overshoots_full_scale_is_clipped_and_does_not_wrap() -> None:
    square = np.where(np.arange(22050) // 50 % 2, 32767, -32768).astype(np.int16)
    clipped = read_raw(encoded(square, "pcm_s16le", 24000), 24000, "PCM_16")
    free = read_raw(encoded(square, "pcm_f32le", 24000), 24000, "FLOAT")
    assert np.abs(free).max() > 1
    assert np.allclose(clipped, np.clip(free, -1, 1), atol=1 / 32768)


def test_the_wav_header_is_read_by_the_standard_library() -> None:
    with wave.open(io.BytesIO(wav_header(6, 24000) + bytes(6))) as file:
        assert file.getparams()[:4] == (1, 2, 24000, 3)
