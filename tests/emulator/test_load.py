"""Many requests at once, and many after one another."""

import asyncio
import json
from pathlib import Path

import httpx

from tests.emulator.conftest import emulator_process

SPEECH = {"model": "hexgrad/Kokoro-82M", "input": "Hi.", "voice": "af_heart"}


async def talk(url: httpx.URL, bodies: list[bytes]) -> list[tuple[int, bytes]]:
    """Send requests after one another on one connection; gives status and body of each answer."""
    reader, writer = await asyncio.open_connection(url.host, url.port)
    answers = []
    for body in bodies:
        writer.write(
            b"POST /v1/audio/speech HTTP/1.1\r\nHost: emulator\r\nAuthorization: Bearer any\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        size = int(head.partition(b"content-length: ")[2].partition(b"\r")[0])
        answers.append((int(head[9:12]), await reader.readexactly(size)))
    writer.close()
    await writer.wait_closed()
    return answers


async def crowd(
    url: httpx.URL, bodies: list[bytes], connections: int
) -> list[list[tuple[int, bytes]]]:
    return await asyncio.gather(*(talk(url, bodies) for _ in range(connections)))


def test_64_connections_at_once_and_bad_requests_between_good_ones(emulator_url: str) -> None:
    texts = ["Hi.", "Ho.", "He went. She came.", "Hum."]
    good = [json.dumps({**SPEECH, "input": text}).encode() for text in texts]
    bad = [b"", b"{", b'{"model": 1}', json.dumps({**SPEECH, "voice": "x"}).encode()]
    bodies = [body for pair in zip(good, bad, strict=True) for body in pair] * 2
    answers = asyncio.run(crowd(httpx.URL(emulator_url), bodies, 64))
    first = answers[0]
    assert [status for status, _ in first] == [200, 400] * 8
    assert all(others == first for others in answers)


def test_memory_does_not_grow_with_5_000_requests() -> None:
    def resident_bytes(pid: int) -> int:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096

    def bodies(numbers: range) -> list[bytes]:
        """Texts of which every sixteenth is a new one."""
        texts = [f"{number // 16}." if number % 16 == 0 else "Hi." for number in numbers]
        return [json.dumps({**SPEECH, "input": text}).encode() for text in texts]

    with emulator_process() as (url, process):

        def ask(numbers: range) -> None:
            asyncio.run(crowd(httpx.URL(url), bodies(numbers), 8))

        # All answers that are kept are others after this, the log is full, and everything that is
        # loaded late has been loaded.
        ask(range(0, 16 * 80, 16))
        ask(range(16 * 80, 16 * 100))
        before = resident_bytes(process.pid)
        ask(range(16 * 100, 16 * 140))
        # 800 bytes a request; what answers at the same time take and give back varies by 1 MiB.
        assert resident_bytes(process.pid) - before < 4 << 20


def test_no_request_is_answered_with_anothers_audio(api: httpx.Client) -> None:
    """Short answers are kept, and the whole of a request decides which is whose."""
    variants: list[dict[str, object]] = [
        {},
        {"voice": "am_adam"},
        {"input": "Ho."},
        {"response_format": "raw"},
        {"response_format": "mp3"},
        {"model": "cartesia/sonic", "voice": "newsman"},
        {"model": "cartesia/sonic", "voice": "newsman", "sample_rate": 8000},
        {"model": "cartesia/sonic", "voice": "newsman", "language": "de"},
        {"extra_params": {"pronunciation_dict": ["Hi/Good morning"]}},
    ]
    rounds = [
        [api.post("/audio/speech", json={**SPEECH, **fields}).content for fields in variants]
        for _ in range(2)
    ]
    assert rounds[0] == rounds[1]
    assert len(set(rounds[0])) == len(variants)
