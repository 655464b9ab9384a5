"""The log of requests: what was asked, and what it would have cost."""

import json
import weakref
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from together_emulator.log import MAX_MOMENTS, MAX_RECORDS, RequestLog

KOKORO = "hexgrad/Kokoro-82M"
KEY = "tgp_v1_sE3cReT-kEy"


@pytest.fixture
def own(emulator_url: str) -> Iterator[httpx.Client]:
    """A client of an emulator whose log is empty."""
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=emulator_url, headers=headers, timeout=20) as client:
        assert client.delete(control(client)).status_code == 204
        yield client


def control(api: httpx.Client) -> httpx.URL:
    return api.base_url.join("/emulator/requests")


def report(api: httpx.Client) -> dict[str, Any]:
    response = httpx.get(control(api))
    assert response.status_code == 200
    value: dict[str, Any] = json.loads(response.content)
    return value


def say(api: httpx.Client, **fields: object) -> httpx.Response:
    body = {"model": KOKORO, "input": "Hello.", "voice": "af_heart", **fields}
    return api.post("/audio/speech", json=body)


def test_a_request_is_logged_as_it_was_asked(own: httpx.Client) -> None:
    response = say(own, voice="af_bella+af_heart")
    (record,) = report(own)["requests"]
    assert record["number"] == 1
    assert (record["method"], record["path"]) == ("POST", "/v1/audio/speech")
    assert record["body"] == {
        "model": KOKORO,
        "input": "Hello.",
        "voice": "af_bella+af_heart",
    }
    assert record["headers"]["user-agent"].startswith("python-httpx/")
    assert (record["status"], record["state"]) == (200, "complete")
    assert record["spoken_s"] == pytest.approx((len(response.content) - 44) / 48000, abs=0.001)


def test_it_holds_no_key(own: httpx.Client) -> None:
    own.get("/voices", params={"model": KOKORO, "api_key": KEY})
    own.get("/voices", headers={"x-api-key": KEY, "Cookie": f"session={KEY}", "Api-Key": KEY})
    text = httpx.get(control(own)).text
    assert KEY not in text
    assert json.loads(text)["requests"][0]["query"] == {"model": KOKORO}


def test_characters_and_their_price_are_counted_for_each_model(own: httpx.Client) -> None:
    say(own, input="x" * 300)
    say(own, input="ab")
    say(own, input="Hello!", model="cartesia/sonic-2", voice="friendly sidekick")
    say(own, input="Hi.", model="cartesia/sonic", voice="friendly sidekick")
    say(own, input="not spoken", voice="nobody")
    counted = report(own)
    assert counted["count"] == 5
    assert counted["characters"] == {KOKORO: 302, "cartesia/sonic-2": 6, "cartesia/sonic": 3}
    assert counted["usd"] == {
        KOKORO: pytest.approx(302 * 4 / 1e6),
        "cartesia/sonic-2": pytest.approx(6 * 65 / 1e6),
        "cartesia/sonic": None,
    }
    assert [record["characters"] for record in counted["requests"]] == [300, 2, 6, 3, 0]
    assert counted["requests"][0]["usd"] == pytest.approx(300 * 4 / 1e6)
    assert counted["requests"][3]["usd"] is None


def test_refused_requests_and_faults_are_logged(own: httpx.Client) -> None:
    say(own, voice="nobody")
    own.get("/voices", headers={"Authorization": ""})
    own.get("/nowhere")
    own.get("/voices", headers={"x-emulate-fault": "status=429;retry-after=1"})
    records = report(own)["requests"]
    assert [record["status"] for record in records] == [400, 401, 404, 429]
    assert [record["fault"] for record in records] == [None] * 3 + ["status=429; retry-after=1"]
    assert {record["state"] for record in records} == {"complete"}


def test_what_is_ignored_is_warned_of(own: httpx.Client) -> None:
    say(own, speed=2, sample_rate=8000, instructions="x" * 200)
    say(own, model="cartesia/sonic", voice="friendly sidekick", sample_rate=8000, bit_rate=32000)
    say(own, voice="nobody", volume=11)
    first, second, third = (record["warnings"] for record in report(own)["requests"])
    assert first == [
        'the field "instructions" is not known',
        'the field "speed" is not known',
        "hexgrad/Kokoro-82M ignores sample_rate",
    ]
    assert second == []
    assert third == ['the field "volume" is not known']


def test_an_answer_that_was_cut_is_broken(own: httpx.Client) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        own.post(
            "/audio/speech",
            json={"model": KOKORO, "input": "Hello.", "voice": "af_heart"},
            headers={"x-emulate-fault": "cut=10"},
        )
    (record,) = report(own)["requests"]
    assert (record["status"], record["state"]) == (200, "broken")


@pytest.mark.parametrize(
    "body",
    [
        b'{"input": "\\ud800"}',
        b'{"input": NaN}',
        b'{"input": ' + b"[" * 900 + b"]" * 900 + b"}",
        b"\xff",
        b'{"input": "' + b"x" * 70_000 + b'"}',
    ],
    ids=["surrogate", "NaN", "deep", "not UTF-8", "long"],
)
def test_no_body_breaks_the_log(own: httpx.Client, body: bytes) -> None:
    assert own.post("/audio/speech", content=body).status_code == 400
    (record,) = report(own)["requests"]
    assert record["status"] == 400
    assert len(json.dumps(record)) < 1000


def test_it_keeps_the_last_thousand_and_goes_on_counting() -> None:
    log = RequestLog()
    for _ in range(1005):
        log.add({"type": "http", "method": "GET", "path": "/nowhere", "headers": []})
    logged = json.loads(log.report())
    assert logged["count"] == 1005
    assert [record["number"] for record in logged["requests"]] == list(range(6, 1006))


NOWHERE: dict[str, Any] = {"type": "http", "method": "GET", "path": "/nowhere", "headers": []}


def test_it_tells_the_moments_of_a_hundred_thousand() -> None:
    log = RequestLog()
    open_records = [log.add(NOWHERE) for _ in range(7)]
    for _ in range(MAX_MOMENTS - 2):
        log.close(log.add(NOWHERE))
    for record in open_records:
        log.begin(record, 200)
        record.settle("complete")
        log.close(record)
    moments = json.loads(log.moments())
    assert [moment[0] for moment in moments] == list(range(6, MAX_MOMENTS + 6))
    assert [moment[3] for moment in moments] == [200, 200] + [None] * (MAX_MOMENTS - 2)
    assert [moment[6] for moment in moments[:3]] == ["complete", "complete", "open"]
    assert sum(map(len, map(json.dumps, moments[:3]))) < 300


def test_of_what_is_over_only_the_moment_is_kept() -> None:
    log = RequestLog()
    record = log.add(NOWHERE)
    log.close(record)
    kept = weakref.ref(record)
    del record
    for _ in range(MAX_RECORDS):
        log.close(log.add(NOWHERE))
    assert kept() is None


def test_a_request_that_outlives_its_log_is_not_told_as_anothers() -> None:
    log = RequestLog()
    old = log.add(NOWHERE)
    log.clear()
    log.close(old)
    new = log.add(NOWHERE)
    log.begin(old, 500)
    log.close(old)
    (moment,) = json.loads(log.moments())
    assert (moment[0], moment[1], moment[3]) == (1, new.at_s, None)


def test_a_request_has_the_moments_of_its_coming_and_its_answer(own: httpx.Client) -> None:
    say(own)
    own.post("/audio/speech", content=b"{}", headers={"x-emulate-fault": "delay-headers=0.2"})
    first, second = report(own)["requests"]
    assert 0 < first["at_s"] < first["answered_s"] < second["at_s"]
    assert second["answered_s"] - second["at_s"] == pytest.approx(0.2, abs=0.15)
