"""One list of scenarios, for the emulator always and for the real service where there is a key."""

import io
import os
import wave
from collections.abc import Iterator

import pytest

from facade import (
    NotFoundError,
    SpeechAudio,
    SpeechClient,
    VoiceMix,
)
from tests.emulator.conftest import emulator_process

ORPHEUS = "canopylabs/orpheus-3b-0.1-ft"


LIVE = [
    pytest.mark.live,
    pytest.mark.allow_hosts(["api.together.ai", "api.together.xyz"]),
    pytest.mark.skipif(
        not os.environ.get("TOGETHER_API_KEY"),
        reason="needs TOGETHER_API_KEY: it speaks with the real service, which bills for it",
    ),
]


@pytest.fixture(scope="module", params=["emulator", pytest.param("live", marks=LIVE)])
def client(request: pytest.FixtureRequest) -> Iterator[SpeechClient]:
    if request.param == "emulator":
        with emulator_process() as (url, _), SpeechClient("any", base_url=url) as client:
            yield client
    else:
        with SpeechClient() as client:
            yield client


def frames(audio: SpeechAudio) -> int:
    with wave.open(io.BytesIO(audio.content)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24000, 1, 2)
        return int(file.getnframes())


def test_a_longer_text_is_longer_speech(client: SpeechClient) -> None:
    short = client.synthesize("Hello.", voice="af_heart")
    long = client.synthesize("Hello. " * 5, voice="af_heart")
    assert str(short.format) == "wav pcm_s16le 24000 Hz mono"
    assert 0 < frames(short) < frames(long)
    assert short.duration_s == frames(short) / 24000


def test_a_mix_speaks(client: SpeechClient) -> None:
    mix = VoiceMix({"af_bella": 2, "am_adam": 1})
    assert frames(client.synthesize("Hello.", voice=mix)) > 0


def test_raw_audio_is_labelled_as_what_it_is(client: SpeechClient) -> None:
    audio = client.synthesize("Hello.", voice="tara", model=ORPHEUS, response_format="raw")
    assert str(audio.format) == "raw pcm_s16le 24000 Hz mono"
    assert frames(audio.to_wav()) == len(audio.content) // 2


def test_a_stream_is_the_same_speech(client: SpeechClient) -> None:
    text = "Hello there. How are you?"
    with client.stream(text, voice="af_heart", alignment="word") as stream:
        pieces = list(stream)
    assert len(pieces) > 1
    assert all(len(piece) % 2 == 0 for piece in pieces)
    assert str(stream.format) == "raw pcm_s16le 24000 Hz mono"
    words = [timing.word.strip(".?").lower() for timing in stream.words]
    assert words == ["hello", "there", "how", "are", "you"]
    starts = [timing.start_s for timing in stream.words]
    assert starts == sorted(starts)
    assert stream.duration_s is not None
    assert stream.words[-1].end_s <= stream.duration_s + 0.1


def test_the_voices_are_listed(client: SpeechClient) -> None:
    voices = {voice.id: voice for voice in client.list_voices("hexgrad/Kokoro-82M")}
    assert voices["bf_emma"].language == "en-gb"
    assert {voice.model for voice in voices.values()} == {"hexgrad/Kokoro-82M"}


def test_the_services_own_refusals_are_typed(client: SpeechClient) -> None:
    with pytest.raises(NotFoundError) as no_model:
        client.synthesize("Hello.", voice="nobody", model="no/such-model")
    assert no_model.value.request_id
