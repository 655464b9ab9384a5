"""The realtime WebSocket over real sockets: what a session does, and what it refuses."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect

from tests.emulator.streaming import read_stream
from tests.emulator.talking import (
    CANCELLED,
    CREATED,
    DELTA,
    DONE,
    FAILED,
    PATH,
    RECEIVED,
    UPDATED,
    Talk,
    audio_of,
    is_a,
    of,
    talk,
    words_of,
)
from together_emulator.record import Record
from together_emulator.session import MAX_CONTEXTS
from together_emulator.text_buffer import TextBuffer

KOKORO = "hexgrad/Kokoro-82M"
FIRST = "We were away a year ago."
SECOND = "Nobody knew."


@pytest.fixture
def session(emulator_url: str) -> Iterator[Talk]:
    """A session that has begun."""
    with talk(emulator_url) as begun:
        assert begun.next()["type"] == CREATED
        yield begun


def asked(api: httpx.Client, text: str, **fields: object) -> bytes:
    """The same speech by a plain request."""
    body = {"model": KOKORO, "voice": "af_heart", "response_format": "raw", **fields}
    response = api.post("/audio/speech", json={**body, "input": text})
    assert response.status_code == 200, response.text
    return response.content


def records(api: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.get(api.base_url.join("/emulator/requests")).json()[
        "requests"
    ]
    return found


def test_a_session_begins_with_its_settings(emulator_url: str) -> None:
    mix = "af_bella(2)+af_heart(1)"
    with talk(emulator_url, voice=mix, speed=1.5, segment="never", alignment="word") as begun:
        created = begun.next()
        response = begun.connection.response
    assert response is not None
    assert response.headers["x-request-id"]
    assert created["type"] == CREATED
    assert created["event_id"]
    session = created["session"]
    assert session.pop("id")
    assert session == {
        "object": "realtime.tts.session",
        "modalities": ["text", "audio"],
        "model": KOKORO,
        "voice": mix,
        "max_partial_length": 250,
        "speed": 1.5,
        "segment": "never",
        "alignment": "word",
    }


@pytest.mark.parametrize("path", ["/v1" + PATH, PATH])
@pytest.mark.parametrize("key", ["header", "query"])
def test_it_is_served_at_both_paths_and_takes_the_key_in_both_places(
    api: httpx.Client, path: str, key: str
) -> None:
    address = str(api.base_url.join(path)).replace("http", "ws")
    headers = {"Authorization": "Bearer any-key"} if key == "header" else {}
    query = "" if key == "header" else "?api_key=any-key"
    with connect(address + query, additional_headers=headers) as connection:
        created = json.loads(connection.recv(timeout=20))
    # The documentation names a default that only another model has.
    assert (created["session"]["model"], created["session"]["voice"]) == (KOKORO, "tara")
    assert "any-key" not in json.dumps(created)
    assert "any-key" not in json.dumps(records(api)[-1])


@pytest.mark.parametrize(
    ("headers", "query", "code"),
    [
        ({}, "", "missing_api_key"),
        ({}, "?api_key=", "invalid_api_key"),
        ({"Authorization": "Bearer "}, "", "invalid_api_key"),
        ({"Authorization": "Basic x"}, "?api_key=x", "invalid_api_key"),
    ],
)
def test_a_session_without_a_key_is_refused(
    emulator_url: str, headers: dict[str, str], query: str, code: str
) -> None:
    address = emulator_url.replace("http", "ws") + PATH + query
    with pytest.raises(InvalidStatus) as caught, connect(address, additional_headers=headers):
        pass
    assert caught.value.response.status_code == 401
    assert json.loads(caught.value.response.body)["error"]["code"] == code


def test_a_websocket_elsewhere_is_refused_in_words(emulator_url: str) -> None:
    address = emulator_url.replace("http", "ws") + "/v1" + PATH
    headers = {"Authorization": "Bearer any"}
    with pytest.raises(InvalidStatus) as caught, connect(address, additional_headers=headers):
        pass
    assert caught.value.response.status_code == 404
    message = json.loads(caught.value.response.body)["error"]["message"]
    assert message.startswith(f"/v1/v1{PATH} has /v1 twice: ")


@pytest.mark.parametrize(
    ("query", "param", "code"),
    [
        ({"model": "nobody/knows"}, "model", "model_not_available"),
        ({"voice": "nobody"}, "voice", "invalid_voice"),
        ({"max_partial_length": "0"}, "max_partial_length", None),
        ({"max_partial_length": "many"}, "max_partial_length", None),
        ({"response_format": "opus"}, "response_format", None),
        ({"response_encoding": "pcm_s24le"}, "response_encoding", None),
        ({"model": "cartesia/sonic", "voice": "x", "sample_rate": 1}, "voice", "invalid_voice"),
        ({"speed": "NaN"}, "speed", None),
        ({"speed": "4.5"}, "speed", None),
        ({"alignment": "letter"}, "alignment", None),
        ({"segment": "word"}, "segment", None),
        ({"extra_params": "[]"}, "extra_params", None),
        ({"extra_params": '{"pronunciation_dict": 1}'}, "extra_params", None),
    ],
)
def test_what_the_url_asks_in_vain_is_the_first_event(
    emulator_url: str, query: dict[str, Any], param: str, code: str | None
) -> None:
    with talk(emulator_url, **query) as refused:
        event = refused.next()
        with pytest.raises(ConnectionClosedError) as caught:
            refused.next()
    assert event["type"] == FAILED
    assert (event["error"]["param"], event["error"]["code"]) == (param, code)
    assert "context_id" not in event
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1008


def test_a_plus_that_became_a_space_is_pointed_out(emulator_url: str) -> None:
    address = emulator_url.replace("http", "ws") + PATH + "?voice=af_bella+af_heart"
    with connect(address, additional_headers={"Authorization": "Bearer any"}) as connection:
        event = json.loads(connection.recv(timeout=20))
    assert event["error"]["message"].endswith("in a URL a + is written %2B")


def test_text_is_acknowledged_and_spoken_as_a_request_would_be(
    session: Talk, api: httpx.Client
) -> None:
    session.say(FIRST)
    events = session.until_done()
    assert [event["type"] for event in events[:2]] == [RECEIVED, DELTA]
    assert events[0]["text"] == FIRST
    assert audio_of(events) == asked(api, FIRST)
    assert {event["context_id"] for event in events} == {"default"}
    assert len({event["item_id"] for event in events[1:]}) == 1


@pytest.mark.parametrize(
    ("segment", "pieces"),
    [
        ("sentence", [f"{FIRST} ", SECOND]),
        ("immediate", ["We were", " away a year ago. No", "body knew."]),
        ("never", []),
    ],
)
def test_segment_says_what_is_spoken_before_a_commit(
    emulator_url: str, api: httpx.Client, segment: str, pieces: list[str]
) -> None:
    with talk(emulator_url, segment=segment) as session:
        session.next()
        for text in ("We were", " away a year ago. No", "body knew."):
            session.append(text)
        early = session.until_done(len(pieces)) if pieces else []
        spoken = audio_of(early)
        assert spoken == b"".join(asked(api, piece) for piece in pieces)
        session.commit()
        late = session.settle() if pieces else session.until_done()
    assert audio_of(late) == (b"" if pieces else asked(api, f"{FIRST} {SECOND}"))
    assert len(of(late, DONE)) == (0 if pieces else 1)


def test_text_that_is_too_long_does_not_wait_for_its_sentence(
    emulator_url: str, api: httpx.Client
) -> None:
    with talk(emulator_url, max_partial_length=10) as session:
        session.next()
        session.append("one two three")
        assert audio_of(session.until_done()) == asked(api, "one two ")
        session.commit()
        assert audio_of(session.until_done()) == asked(api, "three")


def test_commits_of_nothing_are_harmless(session: Talk) -> None:
    session.commit()
    session.commit("nobody opened it")
    session.append(" ")
    session.commit()
    session.say(SECOND)
    session.commit()
    assert len(of(session.until_done(), DONE)) == 1
    assert session.settle() == []


def test_clear_spares_what_is_on_its_way(session: Talk, api: httpx.Client) -> None:
    session.append(f"{FIRST} Nobody kn")
    session.send("input_text_buffer.clear")
    session.send("input_text_buffer.clear", "nobody opened it")
    session.say("Hello")
    assert audio_of(session.until_done(2)) == asked(api, FIRST + " ") + asked(api, "Hello")


def test_contexts_speak_at_the_same_time_with_their_own_text_and_voice(
    emulator_url: str, api: httpx.Client
) -> None:
    # Paced, so that they cannot but meet.
    with talk(emulator_url, "delay-chunks=0.02") as session:
        session.next()
        session.update("b", voice="am_adam")
        assert session.until(is_a(UPDATED))[-1]["session"]["voice"] == "am_adam"
        for context in "ab":
            session.append("We were away", context)
        for context in "ab":
            session.say(" a year ago.", context)
        events = session.until_done(2)
    assert audio_of(events, "a") == asked(api, FIRST)
    assert audio_of(events, "b") == asked(api, FIRST, voice="am_adam")
    order = "".join(event["context_id"] for event in of(events, DELTA))
    assert "ab" in order
    assert "ba" in order


def test_settings_without_a_context_are_for_all(session: Talk, api: httpx.Client) -> None:
    session.append("We were away", "a")
    session.update(voice="bm_george", speed=2)
    session.say(" a year ago.", "a")
    session.say("Hello", "b")
    session.update("b", voice="af_sky")
    assert session.until(is_a(UPDATED))[-1].keys() == {"event_id", "type", "session"}
    events = session.until_done(2)
    whole = asked(api, FIRST, voice="bm_george")
    assert 0.4 < len(audio_of(events, "a")) / len(whole) < 0.6
    assert of(session.events, UPDATED)[-1]["context_id"] == "b"


def test_every_option_may_come_later(session: Talk, api: httpx.Client) -> None:
    rules = {"pronunciation_dict": ["omg/oh my god"]}
    session.update(
        model="cartesia/sonic-2",
        voice="friendly sidekick",
        sample_rate=16000.0,
        response_format="raw",
        response_encoding="pcm_f32le",
        language="en",
        extra_params=rules,
        alignment="word",
        segment="never",
        max_partial_length=5,
        colour="red",
    )
    assert session.next()["session"]["sample_rate"] == 16000
    session.say("omg, hello.")
    events = session.until_done()
    assert records(api)[-1]["warnings"] == ['the field "colour" is not known']
    assert audio_of(events) == asked(
        api,
        "omg, hello.",
        model="cartesia/sonic-2",
        voice="friendly sidekick",
        sample_rate=16000,
        response_encoding="pcm_f32le",
        extra_params=rules,
    )
    assert [word for word, _, _ in words_of(events)] == ["omg", "hello"]


def test_another_model_gives_the_same_format_unless_asked(
    emulator_url: str, api: httpx.Client
) -> None:
    cartesia = {"model": "cartesia/sonic-2", "voice": "friendly sidekick"}
    for container, form in (("wav", "pcm_s16le"), ("mulaw", "pcm_mulaw")):
        query: dict[str, Any] = {**cartesia, "response_format": container}
        with talk(emulator_url, **query) as session:
            session.next()
            session.say(SECOND)
            spoken = audio_of(session.until_done())
        fields = {**cartesia, "sample_rate": 24000, "response_encoding": form}
        assert spoken == asked(api, SECOND, **fields)


@pytest.mark.parametrize("nested", ["flat", "nested"])
@pytest.mark.parametrize("origin", ["item", "context"])
def test_word_timings(emulator_url: str, api: httpx.Client, nested: str, origin: str) -> None:
    headers = {"x-emulate-words": nested, "x-emulate-word-times": origin}
    with talk(emulator_url, headers=headers, alignment="word") as session:
        session.next()
        session.say(f"{FIRST} {SECOND}")
        events = session.until_done(2)
    expected = []
    offset = 0.0
    for text in (FIRST + " ", SECOND):
        body = {"model": KOKORO, "voice": "af_heart", "input": text, "response_format": "raw"}
        streamed = read_stream(
            api.post("/audio/speech", json={**body, "stream": True, "alignment": "word"})
        )
        expected += [(word, offset + start, offset + end) for word, start, end in streamed.words]
        offset += len(streamed.content) / 48000 if origin == "context" else 0
    found = words_of(events)
    assert [word for word, _, _ in found] == [word for word, _, _ in expected]
    assert [times for _, *times in found] == [
        pytest.approx(times, abs=0.001) for _, *times in expected
    ]
    assert ("timestamps" in of(events, "conversation.item.word_timestamps")[0]) == (
        nested == "nested"
    )


def test_audio_may_be_cut_inside_a_sample(emulator_url: str, api: httpx.Client) -> None:
    with talk(emulator_url, headers={"x-emulate-pieces": "odd"}) as session:
        session.next()
        session.say(FIRST)
        events = session.until_done()
    assert len(audio_of(of(events, DELTA)[:1])) % 2 == 1
    assert audio_of(events) == asked(api, FIRST)


def test_a_cancelled_context_speaks_a_little_more_and_its_name_is_free(
    emulator_url: str, api: httpx.Client
) -> None:
    with talk(emulator_url, "delay-chunks=0.05") as session:
        session.next()
        session.append(f"{FIRST} {SECOND}", "a")
        session.until(is_a(DELTA))
        session.send("context.cancel", "a")
        session.until(is_a(CANCELLED))
        session.say("Hello", "a")
        events = session.until_done()
    new_item = events[-1]["item_id"]
    late = [event for event in of(events, DELTA) if event["item_id"] != new_item]
    assert 1 <= len(late) <= 3
    new = [event for event in events if event.get("item_id") == new_item]
    assert audio_of(new) == asked(api, "Hello")
    assert asked(api, FIRST + " ").startswith(audio_of(of(session.events, DELTA)[:1] + late))


def test_an_item_that_was_cancelled_near_its_end_has_none(
    emulator_url: str, api: httpx.Client
) -> None:
    pieces = -(-len(asked(api, FIRST)) // 4800)
    with talk(emulator_url, "delay-chunks=0.05") as session:
        session.next()
        session.append(FIRST, "a")
        for _ in range(pieces - 2):
            session.until(is_a(DELTA))
        session.send("context.cancel", "a")
        session.until(is_a(CANCELLED))
        session.say("Hello, hello, and hello again.", "b")
        events = session.until_done()
    assert len(of(session.events, DELTA)) > pieces - 2
    assert [event["context_id"] for event in of(events, DONE)] == ["b"]


def test_cancelling_forgets_text_and_settings(session: Talk, api: httpx.Client) -> None:
    session.update("a", voice="am_adam")
    session.append("Nobody kn", "a")
    session.send("context.cancel", "a")
    session.send("context.cancel", "nobody opened it")
    session.say("Hello", "a")
    events = session.until_done()
    assert [event["context_id"] for event in of(events, CANCELLED)] == ["a", "nobody opened it"]
    assert audio_of(events) == asked(api, "Hello")


def test_there_are_so_many_contexts_and_no_more(session: Talk) -> None:
    for number in range(MAX_CONTEXTS + 1):
        session.append("Hello", f"c{number}")
    error = session.until(is_a("error"))[-1]
    assert error["context_id"] == f"c{MAX_CONTEXTS}"
    assert error["error"]["code"] == "context_limit_exceeded"
    session.send("context.cancel", "c7")
    session.say("Hello", f"c{MAX_CONTEXTS}")
    session.commit("c1")
    ended = {event["context_id"] for event in of(session.until_done(2), DONE)}
    assert ended == {f"c{MAX_CONTEXTS}", "c1"}


@pytest.mark.parametrize(
    ("message", "param", "code"),
    [
        ("{", None, "invalid_json"),
        ("[]", None, "invalid_json"),
        ('{"type": NaN}', None, "invalid_json"),
        ("[" * 100_000, None, "invalid_json"),
        (b"{}", None, "invalid_json"),
        ("{}", "type", None),
        ('{"type": 1}', "type", None),
        ('{"type": "session.update"}', "type", "unknown_event"),
        ('{"type": "input_text_buffer.append"}', "text", None),
        ('{"type": "input_text_buffer.append", "text": 1}', "text", None),
        ('{"type": "input_text_buffer.append", "text": "\\ud800"}', "text", None),
        ('{"type": "input_text_buffer.append", "text": "\\u0000"}', "text", None),
        (
            '{"type": "input_text_buffer.append", "text": "' + "x" * 10_001 + '"}',
            "text",
            "input_too_long",
        ),
        ('{"type": "input_text_buffer.commit", "context_id": 1}', "context_id", None),
        ('{"type": "input_text_buffer.commit", "context_id": ""}', "context_id", None),
        ('{"type": "tts_session.updated"}', "session", None),
        ('{"type": "tts_session.updated", "session": {"voice": "x"}}', "voice", "invalid_voice"),
        ('{"type": "tts_session.updated", "session": {"speed": true}}', "speed", None),
    ],
)
def test_an_event_that_is_wrong_is_told_and_the_session_goes_on(
    session: Talk, message: str | bytes, param: str | None, code: str | None
) -> None:
    session.connection.send(message)
    event = session.next()
    assert event["type"] == "error"
    assert (event["error"]["param"], event["error"]["code"]) == (param, code)
    session.connection.send('{"type": "tts_session.updated", "context_id": null, "session": {}}')
    assert session.next()["session"]["voice"] == "af_heart"


def test_speech_that_fails_is_told_in_its_context(session: Talk, api: httpx.Client) -> None:
    session.update("a", model="canopylabs/orpheus-3b-0.1-ft")
    session.append(f"{FIRST} {SECOND}", "a")
    session.say("Hello", "b")
    events = session.until_done()
    (failed,) = of(events, FAILED)
    assert failed["context_id"] == "a"
    assert failed["error"]["code"] == "invalid_voice"
    assert audio_of(events) == asked(api, "Hello")
    # What was to be said is forgotten.
    session.update("a", voice="tara")
    session.commit("a")
    assert of(session.settle(), DELTA) == []


def test_a_session_is_logged_with_its_events_and_characters(
    emulator_url: str, api: httpx.Client
) -> None:
    httpx.delete(api.base_url.join("/emulator/requests"))
    with talk(emulator_url, segment="sentence") as session:
        session.next()
        session.say(f"{FIRST} {SECOND}")
        session.append("Never to be sp", "a")
        session.connection.send('{"type": "input_text_buffer.append", "text": "' + "x" * 70_000)
        events = session.until_done(2)
        (record,) = records(api)
        assert (record["status"], record["state"]) == (101, "open")
    (record,) = records(api)
    assert record["state"] == "complete"
    assert (record["method"], record["path"]) == ("GET", "/v1" + PATH)
    assert record["query"] == {"voice": "af_heart", "segment": "sentence"}
    assert record["events"] == [
        {"type": "input_text_buffer.append", "text": f"{FIRST} {SECOND}"},
        {"type": "input_text_buffer.commit"},
        {"type": "input_text_buffer.append", "context_id": "a", "text": "Never to be sp"},
        {},
    ]
    assert (record["model"], record["characters"]) == (KOKORO, len(FIRST) + 1 + len(SECOND))
    assert record["usd"] == pytest.approx(record["characters"] * 4 / 1e6)
    assert record["spoken_s"] == pytest.approx(len(audio_of(events)) / 48000, abs=0.001)


def test_the_last_thousand_events_of_a_session_are_kept() -> None:
    record = Record(1, "GET", PATH, {}, {})
    for number in range(1005):
        record.note_event(json.dumps({"number": number}))
    assert record.events == [{"number": number} for number in range(5, 1005)]


def test_a_session_of_two_models_is_billed_for_each(emulator_url: str, api: httpx.Client) -> None:
    httpx.delete(api.base_url.join("/emulator/requests"))
    with talk(emulator_url) as session:
        session.next()
        session.say("Hello")
        session.update(model="cartesia/sonic-2", voice="friendly sidekick")
        session.say("Hi")
        session.until_done(2)
    report = httpx.get(api.base_url.join("/emulator/requests")).json()
    assert report["characters"] == {KOKORO: 5, "cartesia/sonic-2": 2}
    (record,) = report["requests"]
    assert record["usd"] == pytest.approx((5 * 4 + 2 * 65) / 1e6)


def test_a_session_that_its_client_drops_is_broken(emulator_url: str, api: httpx.Client) -> None:
    with talk(emulator_url, "delay-chunks=0.1") as session:
        session.next()
        session.append(FIRST)
        session.until(is_a(DELTA))
        session.connection.socket.shutdown(2)
        assert records(api)[-1]["state"] == "broken"


TEXTS = st.text(st.sampled_from("ab .!?,\n1Dr。é"), max_size=60)


@given(st.lists(TEXTS, max_size=8), st.sampled_from(["sentence", "immediate", "never"]))
@example(["Pi is 3", ".", "14. ", "Dr", ". Who"], "sentence")
def test_however_text_is_cut_nothing_is_lost_or_said_twice(texts: list[str], segment: Any) -> None:
    buffer = TextBuffer()
    pieces = [piece for text in texts for piece in buffer.append(text, segment, 20)]
    waiting = len(buffer)
    pieces += buffer.commit()
    assert all(piece.strip() for piece in pieces)
    assert "".join(pieces).rstrip() == "".join(texts).rstrip()
    assert len(buffer) == 0
    if segment == "sentence":
        # White space before and after the text that waits is not counted.
        assert all(len(piece.strip()) <= 20 for piece in pieces)
        assert waiting <= len("".join(texts))


@pytest.mark.parametrize("text", ["Pi is 3.", "I met Dr.", "A lone J.", "Who is", "Wait,"])
def test_what_does_not_end_a_sentence_waits(text: str) -> None:
    assert TextBuffer().append(text, "sentence", 250) == []
