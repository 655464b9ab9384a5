"""Server-sent events out of bytes."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from facade._rules import sse
from facade._rules.sse import Event, OversizedEventError, SSEDecoder, begins_stream


def decode(*pieces: bytes) -> list[Event]:
    decoder = SSEDecoder()
    events: list[Event] = []
    for piece in pieces:
        data = decoder.data_of(piece)
        events += decoder.feed(piece) if data is None else [Event(b"", data)]
    last = decoder.finish()
    return events if last is None else [*events, last]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\n", [(b"", b"a")]),
        (b"data:a\n\n", [(b"", b"a")]),
        (b"data:  a\n\n", [(b"", b" a")]),
        (b"data: a\r\n\r\n", [(b"", b"a")]),
        (b"data: a\r\r", [(b"", b"a")]),
        (b"data: a\r\n\n", [(b"", b"a")]),
        (b"data: a\n\r\n", [(b"", b"a")]),
        (b"data: a\r\rdata: b\n\ndata: c\r\n\r\n", [(b"", b"a"), (b"", b"b"), (b"", b"c")]),
        (b"\xef\xbb\xbfdata: a\n\n", [(b"", b"a")]),
        (b"\xef\xbb\xbf" * 2 + b"data: a\n\n", [(b"", b"a")]),
        (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [(b"", b"a"), (b"", b"b")]),
        (b"\xef\xbb\xbfevent: x\n\xef\xbb\xbfdata: a\n\n", [(b"x", b"a")]),
        (b'data: a\n\n{"b"}\n\n', [(b"", b"a"), (b"", b'{"b"}')]),
        (b': hello\n{"b"}', [(b"", b'{"b"}')]),
        (b'id: 1\n{"b"}\n\n', [(b"", b'{"b"}')]),
        (b'{"b"}\n\n', []),
        (b'unknown: 1\n{"b"}\n\n', []),
        (b"data: a\ndata: b\n\n", [(b"", b"a\nb")]),
        (b"data\n\n", [(b"", b"")]),
        (b"data: a\ndata\n\n", [(b"", b"a\n")]),
        (b"event: error\ndata: a\n\ndata: b\n\n", [(b"error", b"a"), (b"", b"b")]),
        (b"event:error\ndata: a\n\n", [(b"error", b"a")]),
        (b"event: alone\n\ndata: b\n\n", [(b"alone", b""), (b"", b"b")]),
        (b": a comment\n\n:\ndata: a\n\n", [(b"", b"a")]),
        (b"id: 1\nretry: 10\nunknown: x\ndata: a\n\n", [(b"", b"a")]),
        (b"id: 1\n\nretry: 10\n\ndata: a\n\n", [(b"", b"a")]),
        (b"\n\n\n", []),
        (b"", []),
        (b"data: a", [(b"", b"a")]),
        (b"data: a\n", [(b"", b"a")]),
        (b"data: a\r", [(b"", b"a")]),
        (b"data: x: y\n\n", [(b"", b"x: y")]),
    ],
)
def test_events_are_read_whole_and_byte_by_byte(
    stream: bytes, events: list[tuple[bytes, bytes]]
) -> None:
    assert decode(stream) == events
    assert decode(*(stream[at : at + 1] for at in range(len(stream)))) == events


_LINES = st.sampled_from(
    [
        *(b"data: a", b"data:b", b"data", b"event: x", b": c", b"id: 1", b"", b""),
        b"data: \xef\xbb\xbf",
    ]
)
_ENDS = st.sampled_from([b"\n", b"\r", b"\r\n"])


@given(
    st.lists(st.tuples(_LINES, _ENDS)).map(lambda lines: b"".join(a + b for a, b in lines)),
    st.data(),
)
def test_no_cut_changes_the_events(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert decode(*pieces) == decode(stream)


_PIECES = st.sampled_from(
    [
        *(b"data: a\n\n", b"data: b\r\n\r", b"data: c\n", b"\n", b": d\n", b"event: e\n"),
        *(b"data: f", b"\xef\xbb\xbfdata: g\n\n"),
    ]
)


@given(st.lists(_PIECES))
@example([b"data: a\n\n", b"\xef\xbb\xbfdata: g\n\n"])
def test_pieces_that_are_events_change_nothing_either(pieces: list[bytes]) -> None:
    assert decode(*pieces) == decode(b"".join(pieces))


@given(st.lists(st.binary()))
def test_no_bytes_raise(pieces: list[bytes]) -> None:
    decode(*pieces)


@pytest.mark.parametrize(
    "piece",
    [b"data: aaaaaaaaaaaaaaaa", b"data: a\n", b": a comment\n", b"data\n", b":\r\n", b"a\r"],
    ids=repr,
)
def test_what_never_ends_is_refused(piece: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 4096)
    with pytest.raises(OversizedEventError, match="4096"):
        decode(*([piece] * 1000))


def test_blank_lines_end_what_is_before_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A carriage return and a line feed in two pieces are one line end, and not a blank line."""
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 4096)
    assert decode(*([b"\r\n:\r"] * 1000), b"\ndata: a\n\n") == [(b"", b"a")]
    with pytest.raises(OversizedEventError):
        decode(*([b"\n:\r"] * 1000))


def test_an_event_may_have_32_mib_and_no_more() -> None:
    assert sse.MAX_EVENT_BYTES == 32 * 1024 * 1024
    # Each of its two lines counts for 64 bytes more.
    largest = b"data: " + b"a" * (32 * 1024 * 1024 - 128 - 6)
    for line_end in (b"\n", b"\r"):
        (event,) = decode(largest + line_end * 2)
        assert len(event.data) == len(largest) - 6
    for pieces in (
        [largest + b"a" * 127 + b"\n\n"],
        [largest, b"a\n", b"\n"],
        [largest + b"a\r\r"],
    ):
        with pytest.raises(OversizedEventError):
            decode(*pieces)


def test_a_great_many_empty_lines_are_no_more_than_a_large_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 1024 * 1024)
    assert len(decode(b"data\n" * 10_000 + b"\n")) == 1
    with pytest.raises(OversizedEventError):
        decode(b"data\n" * 100_000)
    assert decode(b"\n" * 100_000 + b"data: a\n\n") == [(b"", b"a")]


@pytest.mark.parametrize("before", [b"id: 1", b"retry: 1", b": hello", b"event: e", b"data:"])
def test_json_without_a_name_counts_once_the_stream_has_begun(before: bytes) -> None:
    (event,) = decode(before + b'\n{"a": 1}\n\n')
    assert event.data.strip() == b'{"a": 1}'


@pytest.mark.parametrize("before", [b"", b"other: 1\n"])
def test_json_without_a_name_begins_no_stream(before: bytes) -> None:
    assert decode(before + b'{"a": 1}\n\n') == []


def test_many_events_that_are_small_enough_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 4096)
    assert len(decode(*[b"data: " + b"a" * 3000 + b"\n\n"] * 100)) == 100


@pytest.mark.parametrize(
    ("head", "may_be"),
    [
        (b"data: {}\n\n", True),
        (b"\r\n: hello\n", True),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: {}\n\n", True),
        (b"event", True),
        (b"id: 1\r", True),
        (b"retry:1", True),
        (b"dat", True),
        (b"\n\n", True),
        (b"", True),
        (": grüße".encode(), True),
        (b'{"error": "busy"}', False),
        (b" \n[]", False),
        (b"<!doctype html>", False),
        (b"RIFF\x24\0\0\0WAVE", False),
        (b"Internal Server Error", False),
        (b"date: today\n", False),
        (b"dat\n", False),
        (b"\0\1", False),
        (b":\0\1\0", False),
        (b": \1\0\n", False),
        (b"\n\0\1\n:", False),
    ],
)
def test_what_is_no_stream_is_known_by_its_first_line(head: bytes, may_be: bool) -> None:
    assert begins_stream(head) is may_be
