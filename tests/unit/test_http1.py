"""Where an answer ends, whatever its framing and however it is cut."""

from itertools import pairwise

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facade._rules.http1 import AnswerEnd

LENGTH = b"HTTP/1.1 200 OK\r\ncontent-LENGTH: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
ANSWERS = [
    LENGTH,
    CHUNKED,
    LENGTH.replace(b"\r\n", b"\n"),
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" + LENGTH,
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
    b"1;name=value\r\nh\r\nA\r\n0123456789\r\n00\r\nTrailer: x\r\n\r\n",
]
ENDLESS = [
    b"HTTP/1.1 200 OK\r\n\r\nto the end of the connection",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello",
    b"no HTTP",
]
SURPLUS = [b"H", b"\r\n", LENGTH, CHUNKED]


def has_surplus(content: bytes, cuts: list[int]) -> bool:
    """Feed `content` in pieces, cut at these places."""
    end = AnswerEnd()
    places = sorted({0, len(content), *(cut % (len(content) + 1) for cut in cuts)})
    for start, stop in pairwise(places):
        end.feed(content[start:stop])
    return end.has_surplus


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_comes_byte_by_byte_ends_where_the_whole_ends(answer: bytes) -> None:
    for cuts in ([], list(range(len(answer)))):
        assert not has_surplus(answer, cuts)
        assert has_surplus(answer + b"H", cuts)


@given(st.sampled_from(ANSWERS), st.sampled_from(SURPLUS), st.lists(st.integers(0, 10**6)))
def test_what_comes_after_the_end_is_seen_however_it_is_cut(
    answer: bytes, surplus: bytes, cuts: list[int]
) -> None:
    assert not has_surplus(answer, cuts)
    assert has_surplus(answer + surplus, cuts)


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_cut_at_any_one_place_changes_nothing(answer: bytes) -> None:
    """Each of them every time, which chance alone does not give."""
    for place in range(len(answer)):
        assert not has_surplus(answer, [place])
        assert has_surplus(answer + b"H", [place])


@given(st.sampled_from(ENDLESS), st.sampled_from(SURPLUS), st.lists(st.integers(0, 10**6)))
def test_what_has_no_end_has_no_surplus(answer: bytes, more: bytes, cuts: list[int]) -> None:
    assert not has_surplus(answer + more, cuts)


@given(
    st.one_of(
        st.binary(max_size=300).map(
            lambda body: b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        ),
        st.lists(st.binary(min_size=1, max_size=300), max_size=6).map(
            lambda chunks: (
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
                + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
                + b"0\r\n\r\n"
            )
        ),
    ),
    st.binary(max_size=20),
    st.lists(st.integers(0, 10**6)),
)
def test_the_end_is_where_the_parser_sees_it(answer: bytes, more: bytes, cuts: list[int]) -> None:
    parser = h11.Connection(h11.CLIENT)
    parser.send(h11.Request(method="GET", target="/", headers=[("host", "x")]))
    parser.send(h11.EndOfMessage())
    parser.receive_data(answer + more)
    while not isinstance(parser.next_event(), h11.EndOfMessage):
        pass
    assert has_surplus(answer + more, cuts) is bool(parser.trailing_data[0])


@pytest.mark.parametrize("piece", [b"x" * 1000, b"HTTP/1.1 200 OK\r\nx: " + b"x" * 1000])
def test_a_line_without_end_is_not_kept(piece: bytes) -> None:
    end = AnswerEnd()
    for _ in range(200):
        end.feed(piece)
    end.feed(b"\r\n\r\n" + LENGTH)
    assert not end.has_surplus
