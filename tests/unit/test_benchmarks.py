"""What the benchmarks make of their figures. Nothing is timed here."""

import asyncio
import json
import re
import time
from base64 import b64decode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from benchmarks import __main__ as program
from benchmarks import server
from benchmarks.batch import PHASES, Seen, judged
from benchmarks.cases import CASES, Bound, Case, Unit
from benchmarks.emulator import Connection
from benchmarks.plots import FOLDER, PAGE, PLOTTED, plots
from benchmarks.report import Results, Spread, as_markdown, as_text, bound_of, write_page

PERFORMANCE = Path(__file__).parents[2] / PAGE
MARK = "<!-- From here on `make bench` writes this page. -->\n"
CALL = Case(
    "call",
    "A call",
    "cpu_s",
    "µs",
    {"httpx": ("call", "httpx"), "facade": ("call", "facade")},
    (Bound("facade", 2, "httpx"),),
)


def rounds(figure: str, **seconds: Sequence[float]) -> Results:
    return {name: [{figure: second} for second in found] for name, found in seconds.items()}


@pytest.mark.parametrize(
    ("figures", "spread"),
    [
        ([3], (3, 3, 3)),
        ([1, 2], (1.5, 1.25, 1.75)),
        ([9, 1, 2], (2, 1.5, 5.5)),
        ([7, 1, 6, 2, 100, 3, 4], (4, 2.5, 6.5)),
    ],
)
def test_a_spread_is_the_median_and_the_quartiles(
    figures: list[float], spread: tuple[float, float, float]
) -> None:
    assert Spread.of(figures) == Spread(*spread)


@pytest.mark.parametrize(
    ("spread", "text"),
    [
        (Spread(1.234, 0, 9.994), "1.23 (0.0 … 9.99)"),
        (Spread(12.34, 99.94, 123.4), "12.3 (99.9 … 123)"),
        (Spread(1234.5, -1.5, -1234.5), "1,234 (-1.50 … -1,234)"),
    ],
)
def test_figures_are_printed_to_three_places(spread: Spread, text: str) -> None:
    assert str(spread) == text


def test_a_ratio_is_taken_within_each_round() -> None:
    """Where a slow round weighs on both, the ratio of the medians would be 10."""
    results = rounds("cpu_s", httpx=[1, 10, 100], facade=[2, 100, 50])
    assert bound_of(CALL, CALL.bounds[0], results).measured == Spread(2, 1.25, 6)


def test_rounds_that_lack_a_figure_are_no_pairs() -> None:
    with pytest.raises(ValueError, match="longer than"):
        bound_of(CALL, CALL.bounds[0], rounds("cpu_s", httpx=[1, 1], facade=[1]))


def test_the_ratio_of_speeds_is_that_of_speeds_and_not_of_times() -> None:
    case = replace(CALL, unit="MB/s")
    results = rounds("cpu_s", httpx=[0.5], facade=[0.25])
    assert bound_of(case, CALL.bounds[0], results).measured.median == 2


@pytest.mark.parametrize(
    ("bound", "figure", "is_met"),
    [
        (Bound("facade", 2), 2, True),
        (Bound("facade", 2), 2.001, False),
        (Bound("facade", 0), 0, True),
        (Bound("facade", 2, is_least=True), 2, True),
        (Bound("facade", 2, is_least=True), 1.999, False),
        (Bound("facade", Fraction(1, 3), is_least=True), 0.334, True),
        (Bound("facade", Fraction(1, 3), is_least=True), 0.333, False),
        (Bound("facade", 200, tolerance=0.01), 202, True),
        (Bound("facade", 200, tolerance=0.01), 202.1, False),
        (Bound("facade", 200, is_least=True, tolerance=0.01), 198, True),
        (Bound("facade", 200, is_least=True, tolerance=0.01), 197.9, False),
    ],
)
def test_a_bound_is_met_at_its_edge(bound: Bound, figure: float, is_met: bool) -> None:
    assert bound.is_met_by(figure) is is_met


def test_a_bound_of_each_round_is_missed_by_a_single_one() -> None:
    bound = Bound("facade", 0, figure="stale bytes", is_of_each=True)
    results: Results = {"facade": [{"stale bytes": size} for size in (0, 0, 0, 2)]}
    assert not bound_of(CALL, bound, results).is_met
    results["facade"].pop()
    assert bound_of(CALL, bound, results).is_met


def test_the_median_decides_and_not_the_spread() -> None:
    results = rounds("cpu_s", httpx=[1, 1, 1], facade=[1, 2, 50])
    assert bound_of(CALL, CALL.bounds[0], results).is_met
    results = rounds("cpu_s", httpx=[1, 1, 1], facade=[1, 2.01, 2.01])
    assert not bound_of(CALL, CALL.bounds[0], results).is_met


@pytest.mark.parametrize(
    ("unit", "measured"), [("ms", 1500), ("µs", 1_500_000), ("calls/s", 1 / 1.5)]
)
def test_a_bound_without_a_reference_is_in_the_cases_unit(unit: Unit, measured: float) -> None:
    case = replace(CALL, unit=unit)
    results = rounds("cpu_s", httpx=[1], facade=[1.5])
    assert bound_of(case, Bound("facade", 2), results).measured.median == measured


def test_another_figure_than_the_cases_own_is_taken_as_it_is() -> None:
    results: Results = {"facade": [{"cpu_s": 1, "connections": 7}]}
    assert bound_of(CALL, Bound("facade", 7, figure="connections"), results).measured.median == 7


@pytest.mark.parametrize(
    ("bound", "text"),
    [
        (Bound("facade", 1.6, "httpx"), "at most 1.6 times httpx"),
        (Bound("facade", 4, "httpx", is_least=True), "at least 4 times httpx"),
        (Bound("emulator", Fraction(1, 3), "static", is_least=True), "at least 1/3 times static"),
        (Bound("facade", 8, unit="MB"), "at most 8 MB"),
        (Bound("facade", 1, "httpx", tolerance=0.01), "at most 1 times httpx, within 1%"),
        (Bound("facade", 0, unit="hangs", is_of_each=True), "at most 0 hangs, in each round"),
    ],
)
def test_a_bound_is_shown_with_all_that_decides(bound: Bound, text: str) -> None:
    assert bound.text == text


def test_the_cases_bound_contenders_that_they_run() -> None:
    for case in CASES:
        named = {bound.subject for bound in case.bounds}
        named |= {bound.reference for bound in case.bounds if bound.reference}
        assert named <= set(case.runs), case.name
        # Where each round must meet every bound, no median decides.
        is_of_each = case.bounds and all(bound.is_of_each for bound in case.bounds)
        assert case.rounds >= (1 if is_of_each else 7), case.name
    assert len({case.name for case in CASES}) == len(CASES)


def test_the_page_says_what_was_measured() -> None:
    results: Results = {
        "httpx": [{"cpu_s": 0.001, "server busy": 0.1}, {"cpu_s": 0.002, "server busy": 0.1}],
        "facade": [{"cpu_s": 0.002, "server busy": 0.2}, {"cpu_s": 0.008, "server busy": 0.4}],
        "(server)": [{"cpu_s": 0.001}, {"cpu_s": 0.001}],
    }
    case = replace(CALL, bounds=(*CALL.bounds, Bound("facade", 5000, unit="µs")))
    page = as_markdown([(case, results)], "A day, a machine.")
    assert page.startswith("## The last run\n\nA day, a machine.\n\n")
    assert "busy for at most 30% of" in page
    assert page.endswith("""\
### Bounds

| what | who | bound | measured |  |
|---|---|---|---|---|
| A call | facade | at most 2 times httpx | 3.00 (2.50 … 3.50) | **missed** |
| A call | facade | at most 5000 µs | 5,000 (3,500 … 6,500) | met |

### A call

| 2 rounds | µs | ratio to httpx | server busy |
|---|---|---|---|
| httpx | 1,500 (1,250 … 1,750) | 1.00 (1.00 … 1.00) | 10% |
| facade | 5,000 (3,500 … 6,500) | 3.00 (2.50 … 3.50) | 30% |
""")


def test_the_terminal_shows_the_same() -> None:
    bounds = (*CALL.bounds, Bound("facade", 0, figure="connections", unit="connections"))
    results: Results = {
        "httpx": [{"cpu_s": 0.001}],
        "facade": [{"cpu_s": 0.003, "connections": 0}],
    }
    assert (
        as_text(replace(CALL, bounds=bounds), results)
        == """\
A call  [call]
  1 round  µs                     ratio to httpx      connections
  httpx    1,000 (1,000 … 1,000)  1.00 (1.00 … 1.00)
  facade   3,000 (3,000 … 3,000)  3.00 (3.00 … 3.00)  0.0
  MISSED facade: at most 2 times httpx: 3.00 (3.00 … 3.00)
  met    facade: at most 0 connections: 0.0 (0.0 … 0.0)
"""
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"By hand.\n{MARK}\nOld.\n", f"By hand.\n{MARK}\nNew.\n"),
        (f"By hand.\n{MARK}", f"By hand.\n{MARK}\nNew.\n"),
        ("By hand.\n", f"By hand.\n{MARK}\nNew.\n"),
    ],
)
def test_what_people_wrote_stays(before: str, after: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(before, encoding="utf-8")
    write_page(page, "New.\n")
    assert page.read_text(encoding="utf-8") == after


def test_the_page_has_the_mark_once() -> None:
    by_hand, mark, measured = PERFORMANCE.read_text(encoding="utf-8").partition(MARK)
    assert mark
    assert by_hand.startswith("# Performance\n")
    assert measured.startswith("\n## The last run\n")
    assert MARK not in measured


def test_the_pictures_are_those_of_the_tables_and_stand_on_the_page() -> None:
    page = PERFORMANCE.read_text(encoding="utf-8")
    drawn = plots(page)
    assert {name.removesuffix(".svg") for name in drawn} == set(PLOTTED.values())
    assert drawn == {
        path.name: path.read_text(encoding="utf-8")
        for path in (PERFORMANCE.parent / FOLDER).iterdir()
    }
    assert set(re.findall(r"\]\(plots/(.+?)\)", page)) == drawn.keys()


def test_a_picture_has_a_bar_for_each_contender_as_long_as_its_figure() -> None:
    table = (
        "### A call of 4 KB, sync, CPU\n\n| 7 rounds | µs |\n|---|---|\n"
        "| httpx | 1,000 (900 … 1,100) |\n| facade | 550 (500 … 600) |\n| (server) | 9 (9 … 9) |\n"
    )
    (picture,) = plots(table).values()
    bars = re.findall(r'<rect class="(peer|ours)".* width="([\d.]+)"', picture)
    assert [kind for kind, _ in bars] == ["peer", "ours"]
    assert float(bars[0][1]) / float(bars[1][1]) == pytest.approx(1000 / 550, rel=0.01)
    assert ">1,000<" in picture
    assert "less is better" in picture


class Run:
    """The program, with figures at hand in place of processes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, page: Path) -> None:
        self.page = page
        self.page.write_text("By hand.\n", encoding="utf-8")
        self.order: list[str] = []
        self.cpu_s = {"httpx": 1.0, "facade": 2.0}
        monkeypatch.setattr(program, "CASES", (CALL,))
        monkeypatch.setattr(program, "PAGE", page)
        monkeypatch.setattr(program, "_servers", lambda: nullcontext({}))
        monkeypatch.setattr(program, "_measure", self._measure)
        monkeypatch.setattr(program, "setting", lambda: "A day.")

    def _measure(self, arguments: list[str]) -> dict[str, float]:
        self.order.append(arguments[1])
        return {"cpu_s": self.cpu_s[arguments[1]]}

    def __call__(self, *arguments: str) -> int:
        return program.main(arguments)

    @property
    def is_written(self) -> bool:
        return "## The last run" in self.page.read_text(encoding="utf-8")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    return Run(monkeypatch, tmp_path / "page.md")


@pytest.mark.parametrize(
    ("facade_s", "arguments", "status", "said"),
    [
        (2.0, ["--check"], 0, "every bound is met"),
        (2.1, ["--check"], 1, "1 bounds are missed"),
        (2.1, [], 0, "1 bounds are missed"),
        (2.1, ["--check", "--only", "call", "--rounds", "1"], 1, "1 bounds are missed"),
    ],
)
def test_only_a_check_of_a_missed_bound_fails(
    run: Run,
    capsys: pytest.CaptureFixture[str],
    facade_s: float,
    arguments: list[str],
    status: int,
    said: str,
) -> None:
    run.cpu_s["facade"] = facade_s
    assert run(*arguments) == status
    assert said in capsys.readouterr().out


def test_contenders_take_turns_and_the_first_is_not_always_the_same(run: Run) -> None:
    run("--rounds", "3")
    assert run.order == ["httpx", "facade", "facade", "httpx", "httpx", "facade"]


def test_a_case_says_how_often_it_is_measured(run: Run) -> None:
    run()
    assert run.order.count("facade") == CALL.rounds


@pytest.mark.parametrize(
    ("arguments", "is_written"),
    [([], True), (["--only", "call"], False), (["--rounds", "7"], False)],
)
def test_only_a_whole_run_is_written_down(run: Run, arguments: list[str], is_written: bool) -> None:
    run(*arguments)
    assert run.is_written is is_written


def test_a_name_that_no_case_has_is_refused(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run("--only", "nothing")
    assert "no case is called 'nothing': call" in capsys.readouterr().err
    assert run.order == []


class Answering(asyncio.Transport):
    """A server that answers every request at once, in pieces of so many bytes."""

    def __init__(self, answer: bytes, piece: int) -> None:
        super().__init__()
        self._pieces = [answer[at : at + piece] for at in range(0, len(answer), piece)]
        self._connection = Connection()
        self._connection.connection_made(self)
        self.sent: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent.append(bytes(data))
        loop = asyncio.get_running_loop()
        for piece in self._pieces:
            loop.call_soon(self._connection.data_received, piece)

    def abort(self) -> None:
        pass

    async def ask(self, *requests: bytes) -> None:
        await self._connection.send(iter(requests))


@pytest.mark.parametrize("piece", [1, 38, 39, 41, 1000])
def test_the_emulators_client_reads_every_answer_to_its_end(piece: int) -> None:
    """Whether the head comes in parts, with some of the body, or alone."""

    async def ask() -> list[bytes]:
        server = Answering(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", piece)
        await asyncio.wait_for(server.ask(b"one", b"two"), 5)
        await asyncio.wait_for(server.ask(b"three"), 5)
        return server.sent

    assert asyncio.run(ask()) == [b"one", b"two", b"three"]


def test_the_emulators_client_counts_no_refusal() -> None:
    async def ask() -> None:
        await Answering(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 1000).ask(b"one")

    with pytest.raises(RuntimeError, match="404 Not Found"):
        asyncio.run(ask())


def test_a_paced_stream_begins_with_the_time() -> None:
    async def ask() -> list[bytes]:
        stats = server.Stats()
        listening = await asyncio.get_running_loop().create_server(
            lambda: server.Connection(stats), "127.0.0.1", 0
        )
        async with listening:
            reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
            answers = []
            for _ in range(2):
                writer.write(b"POST /paced/96/1/audio/speech HTTP/1.1\r\n\r\n")
                answers.append(await asyncio.wait_for(reader.readuntil(b"\r\n0\r\n\r\n"), 10))
            writer.close()
            await writer.wait_closed()
        return answers

    began_ns = time.perf_counter_ns()
    for answer in asyncio.run(ask()):
        lines = [line for line in answer.split(b"\n") if line.startswith(b"data: {")]
        first, *others = (b64decode(json.loads(line[6:])["b64"]) for line in lines)
        sent_ns = int.from_bytes(first[: server.STAMP_BYTES])
        assert began_ns < sent_ns < time.perf_counter_ns()
        assert len(others) == 9
        assert {audio[server.STAMP_BYTES :] for audio in others} == {first[server.STAMP_BYTES :]}


@asynccontextmanager
async def serving() -> AsyncIterator[str]:
    stats = server.Stats()
    listening = await asyncio.get_running_loop().create_server(
        lambda: server.Connection(stats), "127.0.0.1", 0
    )
    async with listening:
        yield f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


async def said(url: str, *contexts: str) -> list[dict[str, Any]]:
    """What a session is told of a text in each of these contexts, as far as it has an end."""
    async with connect(url) as session:
        events = [json.loads(await session.recv())]
        for context in contexts:
            for text in ("Hello", " there."):
                append = {"type": "input_text_buffer.append", "text": text}
                await session.send(json.dumps({**append, "context_id": context}))
            commit = {"type": "input_text_buffer.commit", "context_id": context}
            await session.send(json.dumps(commit))
        while sum(event["type"].endswith(".done") for event in events) < len(contexts):
            events.append(json.loads(await asyncio.wait_for(session.recv(), 10)))
        return events


@pytest.mark.parametrize("apart_ms", [0, 1])
def test_a_session_is_spoken_to_when_its_text_is_whole(apart_ms: int) -> None:
    async def ask() -> list[dict[str, Any]]:
        async with serving() as url:
            return await said(f"{url}/speak/4800/3/{apart_ms}/audio/speech/websocket", "one")

    created, hello, there, words, *audio, done = asyncio.run(ask())
    assert created["type"] == "session.created"
    assert [hello["text"], there["text"]] == ["Hello", " there."]
    assert (words["words"], words["end_seconds"]) == (["Hello", "there."], [0.15, 0.3])
    assert [len(b64decode(event["delta"])) for event in audio] == [4800] * 3
    assert {event["item_id"] for event in (words, *audio, done)} == {"tts_1"}
    assert {event["context_id"] for event in (hello, words, *audio, done)} == {"one"}


def test_contexts_of_a_session_are_spoken_in_turn_when_all_are_there() -> None:
    async def ask() -> list[dict[str, Any]]:
        async with serving() as url:
            return await said(f"{url}/speak/480/3/0/2/audio/speech/websocket", "one", "other")

    audio = [event["context_id"] for event in asyncio.run(ask()) if "delta" in event]
    assert audio == ["one", "other"] * 3


def paced(rates: Sequence[float], refused_each: int = 0) -> list[Seen]:
    """Calls that are spaced evenly in each phase; each so manieth is refused besides."""
    calls = []
    for number, rate in enumerate(rates):
        begin_s = sum(seconds for _, seconds in PHASES[:number])
        count = round(rate * PHASES[number][1])
        calls += [Seen(begin_s + (place + 0.5) / rate, 200) for place in range(count)]
    refused = [Seen(call.at_s, 429) for call in calls[::refused_each]] if refused_each else []
    return sorted([*calls, *refused], key=lambda call: call.at_s)


MOVED_S = [0.0, 15.0, 30.0, 45.0]


def test_who_keeps_to_a_moving_limit_is_there_at_once() -> None:
    found = judged(paced([20, 60, 10]), MOVED_S)
    # A full bucket would have let 20 more through.
    assert found["goodput"] == pytest.approx(1350 / 1370)
    assert found["goodput at 20/s"] == pytest.approx(300 / 320)
    assert found["goodput at 60/s"] == found["goodput at 10/s"] == 1
    assert found["429"] == 0
    assert 3 <= found["s to 60/s"] < 3.2
    assert 3 <= found["s to 10/s"] < 3.2


@pytest.mark.parametrize(
    ("calls", "later"),
    [
        (paced([20, 53, 8.5]), (15, 15)),
        (paced([20, 67, 11.5]), (15, 15)),
        # What is refused is asked, and no goodput.
        (paced([20, 60, 10], refused_each=5), (15, 15)),
    ],
)
def test_who_does_not_keep_to_a_moving_limit_never_reaches_it(
    calls: list[Seen], later: tuple[float, float]
) -> None:
    found = judged(calls, MOVED_S)
    assert (found["s to 60/s"], found["s to 10/s"]) == later


def test_refusals_count_against_all_calls() -> None:
    found = judged(paced([20, 60, 10], refused_each=3), MOVED_S)
    assert found["429"] == pytest.approx(1 / 4)


def test_figures_that_nothing_bounds_are_shown_where_a_case_says_so() -> None:
    case = replace(CALL, beside=("connections",))
    results: Results = {name: [{"cpu_s": 1, "connections": 7}] for name in case.runs}
    assert "connections" in as_text(case, results)
    assert "connections" not in as_text(CALL, results)
