"""Whatever a server answers, a client returns audio or raises one of ours."""

import contextlib
import json
from itertools import cycle
from queue import SimpleQueue

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facade import RetryPolicy, SpeechAudio, SpeechError
from tests.conftest import Connect
from tests.faults.server import FaultServer, Peer

ANSWERS = 12
# Together 10,000 answers and some. An asynchronous call takes twice as long.
EXAMPLES = {"sync": 560, "async": 280}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["error", "message", "type", "param", "code"]), inner)
    ),
    max_leaves=4,
)
HEADERS = st.one_of(
    st.tuples(
        st.sampled_from(
            [
                b"Retry-After",
                b"Date",
                b"x-ratelimit-reset",
                b"x-request-id",
                b"Content-Type",
                b"Content-Encoding",
                b"Content-Length",
                b"Transfer-Encoding",
                b"Connection",
                b"Location",
                b"Set-Cookie",
            ]
        ),
        st.sampled_from(
            [
                b"",
                b"1",
                b"-1",
                b"nan",
                b"1e400",
                b"Sun, 06 Nov 1994 08:49:37 GMT",
                b"Sun, 99 Foo 99999999 99:99:99 +9999",
                b"gzip",
                b"deflate",
                b"br",
                b"chunked",
                b"close",
                b"http://[::1",
                b"//",
                b"a=b; expires=\xff; max-age=x; domain=.; path=\xe9",
                b"text/event-stream; charset=\xff",
            ]
        )
        | st.binary(max_size=8),
    ),
    st.tuples(st.binary(max_size=4), st.binary(max_size=8)),
)


BODIES = st.binary(max_size=30) | JSON.map(lambda document: json.dumps(document).encode())


@st.composite
def answers(draw: st.DrawFn) -> list[bytes]:
    """Answers with any status from 200 to 599, any headers and any body.

    Drawing is what takes the time, so that each status goes with some of a few heads and bodies.
    """
    statuses = draw(st.lists(st.integers(200, 599), min_size=ANSWERS, max_size=ANSWERS))
    heads = draw(st.lists(st.lists(HEADERS, max_size=3), min_size=3, max_size=3))
    bodies = draw(st.lists(BODIES, min_size=4, max_size=4))
    tells_length = draw(st.booleans())
    made = []
    for status, headers, body in zip(statuses, cycle(heads), cycle(bodies), strict=False):
        length = [(b"Content-Length", b"%d" % len(body))] if tells_length else []
        head = b"".join(b"%b: %b\r\n" % header for header in [*headers, *length])
        made.append(b"HTTP/1.1 %d Any\r\n%b\r\n%b" % (status, head, body))
    return made


@pytest.mark.unmeasured
def test_no_foreign_exception_comes_out(connect: Connect, kind: str) -> None:
    waiting: SimpleQueue[bytes] = SimpleQueue()
    examples = EXAMPLES[kind]

    def respond(peer: Peer) -> None:
        peer.send(waiting.get())
        peer.close()

    with FaultServer(respond) as server:
        speaker = connect(server.url, retry=RetryPolicy(attempts=1))

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(answers())
        def any_answers(drawn: list[bytes]) -> None:
            for one in drawn:
                waiting.put(one)
                with contextlib.suppress(SpeechError):
                    assert isinstance(speaker.synthesize(), SpeechAudio)
                server.wait_until_ended()

        any_answers()
        assert len(server.requests) >= examples * ANSWERS
