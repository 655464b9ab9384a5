"""The events of a streamed answer into audio and word timings."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from facade import (
    APIError,
    AudioFormat,
    EmptyAudioError,
    MalformedStreamError,
    SpeechError,
    StreamInterruptedError,
)
from facade._rules.stream_decoder import StreamDecoder
from facade._rules.words import WordTiming

S16 = AudioFormat("raw", "pcm_s16le", 24000, 1)
HEADERS = {"x-request-id": "req-1", "cf-ray": "ray-1"}
DONE = b"data: [DONE]\n\n"
AUDIO = "conversation.item.audio_output.delta"
FAILED = "conversation.item.tts.failed"
WORDS = "conversation.item.word_timestamps"


def event(document: object) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def shape_a(audio: bytes) -> bytes:
    text = b64encode(audio).decode()
    return event({"object": "audio.tts.chunk", "model": "cartesia/sonic", "b64": text})


def shape_b(audio: bytes) -> bytes:
    text = b64encode(audio).decode()
    return event(
        {"type": "conversation.item.audio_output.delta", "item_id": "tts_1", "delta": text}
    )


def shape_c(audio: bytes) -> bytes:
    return event({"type": "delta", "audio": b64encode(audio).decode()})


def words(*timings: tuple[str, float, float], is_nested: bool = False) -> bytes:
    names, starts, ends = zip(*timings, strict=True) if timings else ((), (), ())
    lists = {"words": names, "start_seconds": starts, "end_seconds": ends}
    fields = {"timestamps": lists} if is_nested else lists
    return event({"type": "conversation.item.word_timestamps", **fields})


SHAPES = {
    "A": (shape_a, DONE),
    "B": (shape_b, DONE),
    "C": (shape_c, event({"type": "done"})),
}
shapes = pytest.mark.parametrize(("shape", "end"), SHAPES.values(), ids=SHAPES)

Shape = Callable[[bytes], bytes]


def a_decoder(form: AudioFormat = S16) -> StreamDecoder:
    return StreamDecoder(form, HEADERS)


def given_for(piece: bytes, decoder: StreamDecoder) -> Iterator[bytes]:
    """Give a piece to the decoder, the quick way first, as a stream does."""
    audio = decoder.audio_of(piece)
    if audio is None:
        yield from decoder.feed(piece)
    elif audio:
        yield audio


def decode(pieces: Iterable[bytes], decoder: StreamDecoder) -> bytes:
    """Feed it all, and return the audio; what it raises carries the audio before as a note."""
    audio = b""
    try:
        for piece in pieces:
            for samples in given_for(piece, decoder):
                audio += samples
        for samples in decoder.finish():
            audio += samples
    except SpeechError as error:
        error.add_note(audio.hex())
        raise
    return audio


def audio_before(error: SpeechError) -> bytes:
    return bytes.fromhex(error.__notes__[-1])


@shapes
def test_the_audio_of_every_shape(shape: Shape, end: bytes) -> None:
    decoder = a_decoder()
    assert decode([shape(b"ab"), shape(b"cdef") + end], decoder) == b"abcdef"
    assert decoder.has_ended
    assert decoder.audio_bytes == 6


@shapes
def test_what_follows_the_end_mark_means_nothing(shape: Shape, end: bytes) -> None:
    assert decode([shape(b"ab") + end + shape(b"cd"), b"data: nonsense\n\n"], a_decoder()) == b"ab"


def test_an_end_mark_that_ends_with_the_bytes_counts() -> None:
    assert decode([shape_b(b"ab"), b"data: [DONE]"], a_decoder()) == b"ab"


@shapes
def test_events_in_two_pieces_and_in_one(shape: Shape, end: bytes) -> None:
    first = shape(b"ab")
    pieces = [first[:20], first[20:], shape(b"cd"), shape(b"ef")[:9], shape(b"ef")[9:] + end]
    assert decode(pieces, a_decoder()) == b"abcdef"


def test_a_piece_in_the_middle_of_an_event_may_look_like_a_beginning() -> None:
    ping = [b'data: {"type":"ping","said":"', b"data: ", b'"}\n\n']
    assert decode([*ping, shape_b(b"ab"), DONE], a_decoder()) == b"ab"


@pytest.mark.parametrize("line_end", [b"\n", b"\r"])
def test_audio_does_not_wait_for_the_event_after_it(line_end: bytes) -> None:
    piece = (shape_b(b"ab") + b"data: {").replace(b"\n", line_end)
    assert list(given_for(piece, a_decoder())) == [b"ab"]


def test_only_the_audio_s_own_string_is_audio() -> None:
    stream = shape_b(b"ab").replace(b'"YWI="', b'"\\u0000","other":"YWI="')
    with pytest.raises(MalformedStreamError, match="not base64"):
        decode([stream, DONE], a_decoder())


@shapes
@given(
    chunks=st.lists(st.binary(max_size=40), min_size=1).filter(
        lambda chunks: sum(map(len, chunks)) % 2 == 0 and any(chunks)
    ),
    data=st.data(),
)
def test_no_cut_changes_the_audio(
    shape: Shape, end: bytes, chunks: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(map(shape, chunks)) + end
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert decode(pieces, a_decoder()) == b"".join(chunks)


@shapes
@given(
    chunks=st.lists(st.binary(min_size=1, max_size=40), min_size=1).filter(
        lambda chunks: sum(map(len, chunks)) % 2 == 0
    ),
    data=st.data(),
)
def test_a_stream_that_is_cut_short_gives_the_audio_before_and_raises(
    shape: Shape, end: bytes, chunks: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(map(shape, chunks)) + end
    # The line ends after the end mark add nothing to it.
    kept = stream[: data.draw(st.integers(0, len(stream.rstrip()) - 1))]
    with pytest.raises(StreamInterruptedError) as caught:
        decode([kept], a_decoder())
    whole = kept.count(b"\n\n") + kept.endswith((b"}", b"}\n"))
    expected = b"".join(chunks[:whole])
    expected = expected[: len(expected) - len(expected) % 2]
    assert audio_before(caught.value) == expected
    assert caught.value.bytes_received == len(expected)
    assert caught.value.request_id == "req-1"


def test_a_last_event_without_its_empty_line_is_heard_all_the_same() -> None:
    with pytest.raises(StreamInterruptedError) as caught:
        decode([shape_b(b"abcd").rstrip()], a_decoder())
    assert audio_before(caught.value) == b"abcd"


def test_samples_come_whole() -> None:
    decoder = a_decoder(AudioFormat("raw", "pcm_f32le", 44100, 1))
    given_out = [
        list(given_for(shape_b(audio), decoder)) for audio in (b"abc", b"d", b"efghi", b"jkl")
    ]
    assert given_out == [[], [b"abcd"], [b"efgh"], [b"ijkl"]]


def test_samples_of_an_unknown_format_pass_as_they_come() -> None:
    assert list(given_for(shape_b(b"abc"), a_decoder(AudioFormat("raw")))) == [b"abc"]


def test_a_stream_that_ends_inside_a_sample_is_malformed() -> None:
    with pytest.raises(MalformedStreamError, match="inside a sample") as caught:
        decode([shape_b(b"abc") + DONE], a_decoder())
    assert audio_before(caught.value) == b"ab"


@pytest.mark.parametrize(
    "stream",
    [DONE, event({"type": "done"}), shape_b(b"") + DONE, words(("a", 0, 1)) + DONE],
    ids=["A and B", "C", "empty chunk", "words only"],
)
def test_a_stream_without_audio_is_empty(stream: bytes) -> None:
    with pytest.raises(EmptyAudioError) as caught:
        decode([stream], a_decoder())
    assert caught.value.request_id == "req-1"


def test_words_grow_in_order_as_they_come() -> None:
    decoder = a_decoder()
    decode(
        [
            words(("Hello", 0.0, 0.4)) + shape_b(b"ab"),
            words(("big", 1, 1.5), ("world", 1.5, 2), is_nested=True) + DONE,
        ],
        decoder,
    )
    assert decoder.words == [
        WordTiming("Hello", 0.0, 0.4),
        WordTiming("big", 1.0, 1.5),
        WordTiming("world", 1.5, 2.0),
    ]


@pytest.mark.parametrize(
    ("stream", "message", "kind", "code"),
    [
        (b"event: error\ndata: it broke\n\n", "it broke", None, None),
        (b'event: error\ndata: {"message": "it broke"}\n\n', "it broke", None, None),
        (event({"error": {"message": "it broke", "type": "t", "code": "c"}}), "it broke", "t", "c"),
        (event({"error": "it broke"}), "it broke", None, None),
        (
            event({"type": "conversation.item.tts.failed", "error": {"message": "it broke"}}),
            "it broke",
            None,
            None,
        ),
        (event({"type": WORDS, "words": [], "error": "it broke"}), "it broke", WORDS, None),
        (event({"type": "done", "error": "it broke"}), "it broke", "done", None),
        (event({"type": AUDIO, "delta": "YWI=", "error": "it broke"}), "it broke", AUDIO, None),
        (event({"type": "error", "message": "it broke", "code": 7}), "it broke", "error", "7"),
        (event({"type": "error", "delta": 5, "error": "it broke"}), "it broke", "error", None),
        (b"event: error\ndata:\n\n", "did not say which", None, None),
        (b"event: Error\ndata: it broke\n\n", "it broke", None, None),
        (b'event: tts.failed\ndata: {"why":"it broke"}\n\n', "it broke", None, None),
        (event({"type": "conversation.item.tts.failed"}), "tts.failed", FAILED, None),
        (event({"type": FAILED, "message": "it broke"}), "it broke", FAILED, None),
        (event({"object": "error", "message": "it broke", "code": "c"}), "it broke", None, "c"),
        (event({"object": "error", "b64": "YWI=", "detail": "broke"}), "broke", None, None),
        (event({"detail": "it broke"}), "it broke", None, None),
        (event({"message": "it broke", "code": 500}), "it broke", None, "500"),
        (event({"type": "other", "message": "it broke", "code": 500}), "it broke", "other", "500"),
        (b'data: {"error":{"message":"b\xfcse"}}\n\n', "b\ufffdse", None, None),
        (b'data: {"type":"error","message":"b\xfcse"}\n\n', "b\ufffdse", "error", None),
        (b'data: {"message":"b\xfcse"}\n\n', "b\ufffdse", None, None),
        (b'data: \xef\xbb\xbf{"error":"it broke"}\n\n', "it broke", None, None),
        (b'\xef\xbb\xbfdata: {"error":"it broke"}\n\n', "it broke", None, None),
        (b'data: {"error":\ndata: "it broke"}\n\n', "it broke", None, None),
        (b'{"error":"it broke"}\n\n', "it broke", None, None),
        (b"event: error\n\n", "did not say which", None, None),
        (event({"type": "done", "status": "failed"}), "failed", "done", None),
        (event({"type": "done", "code": 500, "message": "it broke"}), "it broke", "done", "500"),
        (
            event({"type": "rate_limit_exceeded", "message": "no"}),
            "no",
            "rate_limit_exceeded",
            None,
        ),
    ],
)
def test_an_error_in_the_stream_is_raised_as_the_services_own(
    stream: bytes, message: str, kind: str | None, code: str | None
) -> None:
    with pytest.raises(APIError) as caught:
        decode([shape_b(b"ab") + stream + DONE], a_decoder())
    assert message in caught.value.message
    assert (caught.value.type, caught.value.code) == (kind, code)
    assert (caught.value.request_id, caught.value.cf_ray) == ("req-1", "ray-1")
    assert audio_before(caught.value) == b"ab"


@pytest.mark.parametrize(
    "stream",
    [
        b"data: {\n\n",
        b"data: nonsense\n\n",
        b"data: [1]\n\n",
        b'data: "text"\n\n',
        b"data: 5\n\n",
        b"data: null\n\n",
        b"data: \xff\n\n",
        b"data: " + b'{"a":' * 100_000 + b"\n\n",
        event({"type": AUDIO}),
        event({"type": AUDIO, "delta": None}),
        event({"type": AUDIO, "delta": 5}),
        event({"type": AUDIO, "delta": ["YWI="]}),
        event({"type": AUDIO, "delta": "YWI"}),
        event({"type": AUDIO, "delta": "YW I="}),
        event({"type": AUDIO, "delta": "YWI=\t"}),
        b'data: {"type":"%b\xff","delta":"YWI="}\n\n' % AUDIO.encode(),
        b'data: {"object":"audio.tts.chunk\xff","b64":"YWI="}\n\n',
        b'data: {"delta":"YW\xff=","type":"%b"}\n\n' % AUDIO.encode(),
        b'data: {"type":"%b","delta":"YW\xff="}\n\n' % AUDIO.encode(),
        b'data: {"b64":"YW\xff=","object":"audio.tts.chunk"}\n\n',
        b'data: {"type":"caf\xe9"}\n\n',
        b'data: {"type":"other","said":"caf\xe9"}\n\n',
        b'data: {"type":"other","n":1e400}\n\n',
        words(("a", 0, 1)).replace(b'["a"]', b'["\xe9"]'),
        b"data: \xef\xbb\xbf{\n\n",
        # Where no audio is known.
        event({"b64": 5}),
        event({"b64": "YW"}),
        event({"object": "audio.tts.chunk.v2", "b64": "YWI="}),
        event({"type": "other", "b64": "YWI="}),
        event({"type": "speech.audio.delta", "audio": "YWJj"}),
        event({"type": "other", "delta": "AAAA"}),
        event({"delta": "YWI="}),
        event({"payload": "YWI="}),
        event({"type": "done", "audio": "YWJj"}),
        event({"type": "done", "b64": "YWI="}),
        event({"object": "audio.tts.chunk", "type": "done", "b64": "YWI="}),
        event({"type": WORDS, "words": [], "b64": "YWI="}),
        event({"type": "other", "audio_hash": "0a" * 1024}),
        event({"type": "other", "key": "Yw-_" * 512}),
        event({"type": "other", "x": "data:audio/wav;base64," + "YWJj" * 512}),
        event({"type": "other", "data": {"parts": [{"x": "A" * 32}]}}),
        event({"type": "other", "chunk": "YWJj\n" * 8}),
        event({"type": AUDIO, "delta": "YW-_"}),
        event({"type": AUDIO, "delta": "YWI=YWI="}),
        event({"object": "audio.tts.chunk"}),
        event({"object": "audio.tts.chunk", "b64": "?"}),
        event({"type": "delta"}),
        event({"type": "delta", "audio": "?"}),
        words(("a", 0, 1)).replace(b"[1]", b"[]"),
        words(("a", 0, 1)).replace(b"[1]", b'["x"]'),
        words(("a", 0, 1)).replace(b'["a"]', b"[1]"),
    ],
    ids=lambda stream: stream[:80],
)
def test_an_event_that_cannot_be_read_says_which(stream: bytes) -> None:
    with pytest.raises(MalformedStreamError) as caught:
        decode([shape_b(b"ab"), b": a comment\n\n", stream + DONE], a_decoder())
    assert caught.value.event_number == 2
    assert "event 2 " in str(caught.value)
    assert caught.value.bytes_received == 2
    assert caught.value.cf_ray == "ray-1"
    assert audio_before(caught.value) == b"ab"


def test_an_event_without_end_is_malformed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facade._rules.sse.MAX_EVENT_BYTES", 4096)
    with pytest.raises(MalformedStreamError, match="larger than 4096") as caught:
        decode([shape_b(b"ab"), b"data: "] + [b"a" * 100] * 50, a_decoder())
    assert caught.value.event_number == 2


@pytest.mark.parametrize(
    "unknown",
    [
        event({"type": "conversation.item.audio_output.done", "item_id": "tts_1"}),
        event({"type": "session.created", "delta": 5, "audio": {}, "object": 1}),
        event({"type": "other", "delta": "Text", "audio": "none", "b64": ""}),
        event({"item_id": "0123456789abcdef0123456789abcdef", "trace_id": "YWJjZGVmZw=="}),
        event({"digest": "0123456789abcdef" * 4, "text": "A" * 64, "voice": "af/heart"}),
        event({"kind": "ConversationItemAudioOutputDeltas", "at": "2026/11/21"}),
        event({"type": "other", "error": False, "errors": 0}),
        event({}),
        event({"error": None}),
        b"data:\n\n",
        b"data: \n\n",
        b"event: ping\ndata: {}\n\n",
        b"event: ping\ndata: 2026-11-21 08:00\n\n",
        b"event: Keep-Alive\ndata: {alive}\n\n",
        b"event: ping\ndata\n\n",
        b"event: keep_alive\ndata: alive\n\n",
        b"event: started\n\n",
        event({"type": "other", "signature": "Yw-_" * 500}),
        event({"type": "other", "error": "", "errors": []}),
        event({"status": "ok", "message": "starting"}),
        b"id: 7\nretry: 100\n\n",
    ],
)
def test_what_is_unknown_is_passed_over(unknown: bytes) -> None:
    assert decode([shape_b(b"ab") + unknown + shape_b(b"cd") + DONE], a_decoder()) == b"abcd"


@pytest.mark.parametrize("mark", [b"data: [DONE] \n\n", b"data:  [DONE]\n\n", b"data: [DONE]\t"])
def test_an_end_mark_may_have_space_around_it(mark: bytes) -> None:
    assert decode([shape_b(b"ab") + mark], a_decoder()) == b"ab"


def test_the_contract_s_audio_needs_no_object() -> None:
    stream = event({"b64": "YWI="})
    assert decode([stream, stream + DONE], a_decoder()) == b"abab"


def test_an_error_that_is_none_keeps_no_audio_back() -> None:
    for nothing in (b"null", b"false", b'""', b"{}", b"0"):
        stream = b'data: {"error":%b,"type":"%b","delta":"YWI="}\n\n' % (nothing, AUDIO.encode())
        assert decode([stream, stream + DONE], a_decoder()) == b"abab"


@pytest.mark.parametrize(
    "stream",
    [
        event({"type": AUDIO, "delta": "YWJj\nZGVm\n"}),
        event({"type": AUDIO, "delta": "YWJj\r\nZGVm"}),
        event({"delta": "YWJj\nZGVm", "type": AUDIO}),
        event({"object": "audio.tts.chunk", "b64": "YWJj\nZGVm"}),
        b'data: {"type":"%b","delta":"YWJj\ndata: ZGVm"}\n\n' % AUDIO.encode(),
        b'data: {"delta":"YWJj\ndata: ZGVm","type":"%b"}\n\n' % AUDIO.encode(),
        b"data: \xef\xbb\xbf" + shape_b(b"abcdef")[6:],
        b"\xef\xbb\xbf\xef\xbb\xbf" + shape_b(b"abcdef"),
    ],
    ids=lambda stream: stream[:80],
)
def test_line_breaks_and_byte_order_marks_lose_no_audio(stream: bytes) -> None:
    assert decode([stream, stream + DONE], a_decoder()) == b"abcdefabcdef"


def test_what_cannot_be_read_is_quoted() -> None:
    with pytest.raises(MalformedStreamError, match="'something broke it'"):
        decode([b"data: something broke it\n\n"], a_decoder())


# --- in place of a stream ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error": {"message": "no way"}}', "no way"),
        (b'\xef\xbb\xbf{"error": "busy"}', "busy"),
        (b'\n{"error": "busy"}\n\n', "busy"),
        (b'{\n\n  "error": "busy"\n}', "busy"),
        (b"Internal Server Error", "text (text/plain) in place of an event stream: Internal"),
        (b"<html>\n\n<p>Welcome</p>", "a page (text/plain) in place of an event stream: Welcome"),
        (bytes(range(256)) * 9, "what may be raw audio (text/plain) in place of"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "wav audio (text/plain) in place of an event stream"),
        (bytes(10_000_000), "what may be raw audio (text/plain) in place of"),
        (b":\0\n{\0\n\n" * 9, "what may be raw audio (text/plain) in place of"),
    ],
    ids=lambda body: body[:40],
)
def test_what_is_no_stream_is_told_as_what_it_is(body: bytes, message: str) -> None:
    for size in (1, 3, 1000, len(body)):
        if size < 10 and len(body) > 3000:
            continue
        decoder = StreamDecoder(S16, {**HEADERS, "content-type": "text/plain"})
        with pytest.raises(APIError) as caught:
            decode((body[at : at + size] for at in range(0, len(body), size)), decoder)
        assert message in caught.value.message
        assert caught.value.request_id == "req-1"
        assert len(caught.value.body) <= 65_536


def test_an_endless_page_is_not_waited_for() -> None:
    def pieces() -> Iterator[bytes]:
        while True:
            yield b"<p>" * 1000

    with pytest.raises(APIError, match="in place of an event stream"):
        decode(pieces(), a_decoder())


def test_a_stream_that_begins_with_comments_for_long_is_one() -> None:
    comments = [b": wait\n\n" * 5000] * 4
    assert decode([*comments, shape_b(b"ab"), DONE], a_decoder()) == b"ab"
    with pytest.raises(StreamInterruptedError):
        decode(comments, a_decoder())


@pytest.mark.parametrize("framing", ["content-length", "transfer-encoding"])
def test_an_answer_of_nothing_is_empty_where_http_says_that_it_is_whole(framing: str) -> None:
    decoder = StreamDecoder(S16, {**HEADERS, framing: "0"})
    with pytest.raises(EmptyAudioError):
        decode([], decoder)
    with pytest.raises(StreamInterruptedError):
        decode([b": nothing yet\n\n"], StreamDecoder(S16, {framing: "0"}))


def test_base64_may_be_written_with_escaped_slashes() -> None:
    stream = shape_b(b"\xff\xff\xff\xff").replace(b"/", b"\\/")
    assert b"\\/" in stream
    assert decode([stream + DONE], a_decoder()) == b"\xff\xff\xff\xff"


fields: st.SearchStrategy[dict[str, object]] = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(
            [
                "conversation.item.audio_output.delta",
                "conversation.item.word_timestamps",
                "conversation.item.tts.failed",
                *("delta", "done", "error", "other", "my.Error"),
                *(None, 1, {}),
            ]
        ),
        "object": st.sampled_from(["audio.tts.chunk", "other", None, []]),
        **dict.fromkeys(
            ("delta", "b64", "audio"), st.sampled_from(["YWI=", "YW", "é", "", None, 7, {}])
        ),
        "error": st.sampled_from([None, "no", {"message": "no"}, False, "", 0]),
    },
)


def shape_b_with(**fields: object) -> bytes:
    return event({"type": "conversation.item.audio_output.delta", "delta": "YWI=", **fields})


def shape_a_with(**fields: object) -> bytes:
    return event({"object": "audio.tts.chunk", "b64": "YWI=", **fields})


@given(st.one_of(fields.map(event), st.binary()), st.binary(max_size=3))
@example(shape_b_with(error="no"), b"")
@example(shape_a_with(type="error"), b"")
@example(shape_a_with(type="my.Error"), b"")
@example(shape_b_with(error=""), b"")
@example(shape_b_with(error=5), b"")
@example(b'data: {"type":"delta","audio":"YWI=\n"}\n\n', b"")
@example(b'data: {"audio":"YWI=\xff","type":"delta"}\n\n', b"")
@example(shape_a_with(type="conversation.item.tts.failed"), b"")
@example(shape_a_with(type="conversation.item.word_timestamps"), b"")
@example(shape_a_with(type="done"), b"")
def test_the_quick_way_comes_to_what_the_other_comes_to(piece: bytes, before: bytes) -> None:
    def outcome(give: Callable[[bytes, StreamDecoder], Iterator[bytes]]) -> list[bytes | str]:
        decoder = a_decoder()
        given_out: list[bytes | str] = []
        try:
            for each in (shape_b(before), piece, shape_b(b"abc")):
                given_out += give(each, decoder)
        except SpeechError as error:
            given_out.append(str(error))
        return [*given_out, str(decoder.audio_bytes)]

    assert outcome(given_for) == outcome(lambda piece, decoder: decoder.feed(piece))


@given(st.lists(st.binary()))
def test_no_bytes_raise_anything_but_ours(pieces: list[bytes]) -> None:
    with pytest.raises(SpeechError):
        decode(pieces, a_decoder())
