"""A whole answer into a file: with every check of `synthesize`, and nothing half-written."""

import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from facade import (
    APIConnectionError,
    APIError,
    AudioFormat,
    BadRequestError,
    EmptyAudioError,
    InvalidRequestError,
    SpeechClient,
    SpeechError,
    SpeechFile,
    Timeouts,
)
from tests.conftest import Connect, Speaker
from tests.faults.listener import run
from tests.faults.server import SPEECH, FaultServer, Peer, Step, answer, chunked, then
from tests.key_search import assert_no_key

pytestmark = pytest.mark.usefixtures("no_waits")

IDS = {"x-request-id": "req-1"}
GOOD = answer(200, SPEECH, IDS)


def to_file(speaker: Speaker, path: Path | str, **options: Any) -> SpeechFile:
    """Call `synthesize_to_file`."""
    options = {"voice": "af_heart", **options}
    client = speaker.client
    if isinstance(client, SpeechClient):
        return client.synthesize_to_file("Hello.", path, **options)
    return run(speaker, client.synthesize_to_file("Hello.", path, **options))


def test_the_file_holds_the_answer(connect: Connect, tmp_path: Path) -> None:
    with FaultServer(GOOD, chunked(SPEECH[:9], SPEECH[9:1000], SPEECH[1000:])) as server:
        speaker = connect(server.url)
        file = to_file(speaker, tmp_path / "speech.wav")
        assert file.path.read_bytes() == SPEECH
        assert file == SpeechFile(
            tmp_path / "speech.wav",
            AudioFormat("wav", "pcm_s16le", 24000, 1),
            len(SPEECH),
            "req-1",
        )
        audio = speaker.synthesize()
        assert file.duration_s == audio.duration_s
        assert to_file(speaker, tmp_path / "again.wav").path.read_bytes() == SPEECH
        assert server.connections == 1


def test_raw_audio_gets_a_header_where_the_name_says_so(connect: Connect, tmp_path: Path) -> None:
    samples = bytes(range(1, 99)) * 1000
    with FaultServer(chunked(samples[:1], samples[1:])) as server:
        speaker = connect(server.url)
        file = to_file(speaker, tmp_path / "speech.wav", response_format="raw")
        with wave.open(str(file.path)) as read:
            assert read.getparams()[:3] == (1, 2, 24000)
            assert read.readframes(10**6) == samples
        assert str(file.format) == "wav pcm_s16le 24000 Hz mono"
        assert file.size == file.path.stat().st_size
        assert file.duration_s == len(samples) / 48000
        bare = to_file(speaker, tmp_path / "speech.raw", response_format="raw")
        assert bare.path.read_bytes() == samples
        assert bare.format.container == "raw"


def test_a_wav_file_in_place_of_samples_is_known_however_it_is_cut(
    connect: Connect, tmp_path: Path
) -> None:
    with FaultServer(chunked(SPEECH[:3], SPEECH[3:11], SPEECH[11:])) as server:
        speaker = connect(server.url)
        file = to_file(speaker, tmp_path / "speech.wav", response_format="raw")
        assert file.path.read_bytes() == SPEECH
        assert file.size == len(SPEECH)
        assert str(file.format) == "wav pcm_s16le 24000 Hz mono"


def test_a_wav_of_an_odd_number_of_bytes_is_padded(connect: Connect, tmp_path: Path) -> None:
    with FaultServer(answer(200, b"\xff\xfe\xfd")) as server:
        file = to_file(
            connect(server.url, validate_voices=False),
            tmp_path / "x.wav",
            model="cartesia/sonic",
            voice="x",
            response_format="raw",
            response_encoding="pcm_mulaw",
        )
        assert file.path.read_bytes()[-4:] == b"\xff\xfe\xfd\0"
        assert file.size == file.path.stat().st_size


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (answer(400, b"no"), BadRequestError),
        (answer(200, b'{"error": {"message": "no"}}'), APIError),
        (answer(200, b"Internal Server Error"), APIError),
        (answer(200, b""), EmptyAudioError),
        (answer(200, SPEECH[:1000]), APIConnectionError),
        (then(answer(200, SPEECH[:1000], length=len(SPEECH)), Peer.close), APIConnectionError),
        (then(answer(200, SPEECH[:1000], length=len(SPEECH)), Peer.reset), APIConnectionError),
        (answer(200, bytes(200_000)), APIConnectionError),
    ],
    ids=["400", "error", "text", "nothing", "cut wav", "closed", "reset", "too large"],
)
def test_what_synthesize_refuses_leaves_the_older_file(
    connect: Connect, tmp_path: Path, step: Step, expected: type[SpeechError]
) -> None:
    path = tmp_path / "speech.wav"
    path.write_bytes(b"older")
    with FaultServer(step) as server:
        speaker = connect(server.url, max_audio_bytes=100_000)
        with pytest.raises(SpeechError) as caught:
            to_file(speaker, path)
        assert type(caught.value) is expected, repr(caught.value)
        assert_no_key(caught.value)
        with pytest.raises(expected):
            speaker.synthesize()
    assert [file.name for file in tmp_path.iterdir()] == ["speech.wav"]
    assert path.read_bytes() == b"older"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (lambda folder: folder / "none" / "x.wav", FileNotFoundError),
        (lambda folder: folder, IsADirectoryError),
        (lambda folder: folder / "x.mp3", InvalidRequestError),
        (lambda folder: f"{folder}/x\0.wav", InvalidRequestError),
    ],
    ids=["no folder", "a folder", "another format", "NUL"],
)
def test_where_the_file_cannot_be_nothing_is_sent(
    connect: Connect,
    tmp_path: Path,
    path: Callable[[Path], Path | str],
    expected: type[Exception],
) -> None:
    with FaultServer(GOOD) as server:
        with pytest.raises(expected):
            to_file(connect(server.url), path(tmp_path))
        assert server.requests == []
    assert list(tmp_path.iterdir()) == []


def test_another_format_than_the_name_says_is_not_kept(connect: Connect, tmp_path: Path) -> None:
    with FaultServer(GOOD) as server, pytest.raises(InvalidRequestError, match=r"x\.mp3"):
        to_file(connect(server.url), tmp_path / "x.mp3", response_format="mp3")
    assert list(tmp_path.iterdir()) == []


def test_it_is_tried_again_into_a_new_file(connect: Connect, tmp_path: Path) -> None:
    with FaultServer(answer(503, b"busy" * 1000), GOOD) as server:
        assert to_file(connect(server.url), tmp_path / "x.wav").path.read_bytes() == SPEECH
        assert len(server.requests) == 2
    assert [file.name for file in tmp_path.iterdir()] == ["x.wav"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk to be full")
def test_a_full_disk_is_told_and_gives_the_connection_back(connect: Connect) -> None:
    long = then(answer(200, b"RIFF" + bytes(200_000), length=10**6), Peer.wait_for_close)
    with FaultServer(long, GOOD) as server:
        speaker = connect(
            server.url,
            timeouts=Timeouts(total_s=5),
            httpx_args={"limits": httpx.Limits(max_connections=1)},
        )
        with pytest.raises(OSError, match="No space left"):
            to_file(speaker, "/dev/full")
        assert server.saw_close()
        assert speaker.synthesize().content == SPEECH


def test_the_length_of_a_file_that_is_gone_cannot_be_told(connect: Connect, tmp_path: Path) -> None:
    with FaultServer(GOOD) as server:
        file = to_file(connect(server.url), tmp_path / "x.wav")
    file.path.write_bytes(b"")
    assert file.duration_s is None
    file.path.unlink()
    with pytest.raises(FileNotFoundError):
        file.duration_s  # noqa: B018
