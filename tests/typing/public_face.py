"""What type checkers see of the public face: read by mypy in the lint run, and never executed.

A line with an ignore is a mistake that must be reported: where it is not, the ignore is unused,
which is a mistake by itself.
"""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Literal, assert_type

from facade import (
    APIConnectionError,
    APIStatusError,
    AsyncNarration,
    AsyncSpeechClient,
    AudioFormat,
    Book,
    Chapter,
    InvalidRequestError,
    Narration,
    NarrationCost,
    NarrationFile,
    NarrationProgress,
    Omission,
    Paragraph,
    RetryPolicy,
    SpeechAudio,
    SpeechClient,
    SpeechError,
    Timeouts,
    UnknownVoiceError,
    Voice,
    VoiceMix,
    WeightedVoice,
    read_book,
    speakable,
)


def synchronous() -> None:
    with SpeechClient() as client:
        assert_type(client, SpeechClient)
        audio = client.synthesize("Hello.", voice="af_heart")
        assert_type(audio, SpeechAudio)
        assert_type(client.list_voices(), list[Voice])
        assert_type(client.list_voices("cartesia/sonic"), list[Voice])
    client.close()


async def asynchronous() -> None:
    async with AsyncSpeechClient("key", timeouts=Timeouts(total_s=30)) as client:
        assert_type(client, AsyncSpeechClient)
        assert_type(await client.synthesize("Hello.", voice="af_heart"), SpeechAudio)
        assert_type(await client.list_voices(), list[Voice])
    await client.aclose()


def settings() -> None:
    SpeechClient(
        "key",
        base_url="https://api.together.ai/v1",
        timeouts=Timeouts(connect_s=1, read_s=2.5, total_s=30),
        retry=RetryPolicy(attempts=5, budget_s=10, resend_after_timeout=True, statuses={429, 503}),
        max_audio_bytes=10_000_000,
        validate_voices=False,
        headers={"X-Team": "speech"},
        httpx_args={"http2": True, "proxy": "http://127.0.0.1:8080"},
        insecure_hosts=["speech.internal"],
    )


def options(client: SpeechClient, voice: Voice, mix: VoiceMix) -> None:
    client.synthesize("Hello.", voice=voice)
    client.synthesize("Hello.", voice=mix)
    client.synthesize(
        "Hello.",
        voice="id",
        model="cartesia/sonic",
        response_format="raw",
        response_encoding="pcm_s16le",
        sample_rate=16000,
        language="en",
        pronunciation_dict={"omg": "oh my god"},
        segment="never",
        extra_body={"speed": 1.5, "deep": {"x": [1, None]}},
    )
    client.synthesize("Hello.", voice="id", response_format="mp3", bit_rate=128000)
    client.synthesize("Hello.", voice="id", pronunciation_dict=["omg/oh my god"])


def audio(audio: SpeechAudio) -> None:
    assert_type(audio.content, bytes)
    assert_type(audio.format, AudioFormat)
    assert_type(audio.duration_s, float | None)
    assert_type(audio.request_id, str | None)
    assert_type(audio.save("hello.wav"), Path)
    assert_type(audio.save(Path("hello.wav")), Path)
    assert_type(audio.to_wav(), SpeechAudio)
    assert_type(audio.format.sample_rate_hz, int | None)


def mixes() -> None:
    mix = VoiceMix({"af_bella": Decimal("0.5"), "af_heart": 1})
    assert_type(mix, VoiceMix)
    assert_type(VoiceMix.parse("af_bella+af_heart"), VoiceMix)
    assert_type(VoiceMix.equal("af_bella", "af_heart"), VoiceMix)
    assert_type(mix.voices, tuple[WeightedVoice, ...])
    assert_type(mix.shares, dict[str, Fraction])
    assert_type(str(mix), str)
    VoiceMix([("af_bella", Decimal("0.5")), ("af_heart", Fraction(1, 2))])


def text(tokens: Iterable[str], later: AsyncIterable[str]) -> None:
    assert_type(speakable("**Hello.**"), Iterator[str])
    assert_type(speakable(tokens, emoji=False), Iterator[str])
    assert_type(speakable(later, code=True), AsyncIterator[str])
    speakable(3)  # type: ignore[call-overload]


def errors(error: Exception) -> None:
    match error:
        case UnknownVoiceError():
            assert_type(error.suggestions, tuple[str, ...])
            assert_type(error.param, str)
        case InvalidRequestError():
            value_error: ValueError = error
            del value_error
        case APIConnectionError():
            assert_type(error.bytes_received, int)
            assert_type(error.request_sent, bool)
        case APIStatusError():
            assert_type(error.status_code, int)
            assert_type(error.headers, dict[str, str])
            assert_type(error.retry_after_s, float | None)
            assert_type(error.request_id, str | None)
        case SpeechError():
            assert_type(error.message, str)


def mistakes(client: SpeechClient, other: AsyncSpeechClient, speech: SpeechAudio) -> None:
    client.synthesize("Hello.")  # type: ignore[call-arg]
    client.synthesize("Hello.", "af_heart")  # type: ignore[call-arg]
    client.synthesize(b"Hello.", voice="af_heart")  # type: ignore[arg-type]
    client.synthesize("Hello.", voice=None)  # type: ignore[arg-type]
    client.synthesize("Hello.", voice="id", response_format="ogg")  # type: ignore[arg-type]
    client.synthesize("Hello.", voice="id", response_encoding="pcm")  # type: ignore[arg-type]
    client.synthesize("Hello.", voice="id", bit_rate=1)  # type: ignore[arg-type]
    client.synthesize("Hello.", voice="id", sample_rate="24000")  # type: ignore[arg-type]
    client.synthesize("Hello.", voice="id", segment="word")  # type: ignore[arg-type]
    client.synthesize("Hello.", voice="id", speed=1.5)  # type: ignore[call-arg]
    client.synthesize("Hello.", voice="id", pronunciation_dict={"a": 1})  # type: ignore[dict-item]
    SpeechClient("key", "https://example.org")  # type: ignore[call-arg]
    SpeechClient(timeouts=30)  # type: ignore[arg-type]
    SpeechClient(retry=3)  # type: ignore[arg-type]
    Timeouts(1)  # type: ignore[call-arg]
    RetryPolicy(attempts=1.5)  # type: ignore[arg-type]
    VoiceMix("af_bella+af_heart")  # type: ignore[arg-type]
    Timeouts().total_s = 5  # type: ignore[misc]
    speech.content = b""  # type: ignore[misc]
    other.synthesize("Hello.", voice="af_heart").save("x.wav")  # type: ignore[attr-defined]
    with other:  # type: ignore[attr-defined]
        pass


def books(path: Path, mix: VoiceMix) -> None:
    assert_type(read_book(path, alt_texts=True, script=True), Book)
    assert_type(read_book("Hello.", format="markdown").characters, int)
    Book((Chapter((Paragraph("Hello.", kind="heading", voice=mix),), title="One"),))
    read_book("Hello.", format="pdf")  # type: ignore[arg-type]
    read_book(b"Hello.")  # type: ignore[arg-type]


async def narrations(client: SpeechClient, other: AsyncSpeechClient, path: Path) -> None:
    narration = client.narrate(path, voice="af_heart", voices={1: "am_adam", "ANN": "af_sky"})
    assert_type(narration, Narration)
    assert_type(narration.usd, Decimal | None)
    assert_type(narration.omissions, tuple[Omission, ...])
    assert_type(narration.remaining("work"), NarrationCost)
    assert_type(narration.save("book.m4b", subtitles=path, on_progress=told), NarrationFile)
    later = other.narrate([Chapter(())], voice="af_heart", chapters=range(1, 3), alignment="word")
    assert_type(later, AsyncNarration)
    assert_type(await later.save("book.m4b"), NarrationFile)
    client.narrate("Hello.")  # type: ignore[call-arg]
    client.narrate("Hello.", voice="id", bit_rate=64000)  # type: ignore[call-arg]
    narration.save("book.m4b", format="aac")  # type: ignore[arg-type]


def told(news: NarrationProgress) -> None:
    assert_type(news.stage, Literal["speaking", "joining"])
    assert_type(news.done, int)
