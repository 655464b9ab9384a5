"""What is measured, of whom, and what must come out."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

# Events of 4 KB and 32 KB in a real stream; 8 MB is a service that speaks a minute in one piece.
_DECODED_MB = {4096: 32, 32 * 1024: 64, 8 * 1024 * 1024: 64}
# Who takes several times as long is given a quarter: a tenth of a second is enough to time.
_SLOW = {"httpx", "together"}

Unit = Literal["µs", "ms", "share", "calls/s", "MB/s", "KB", "MB"]


@dataclass(frozen=True)
class Bound:
    """What a figure of one contender must be: in terms of another's, or by itself.

    Attributes:
        subject: Whose figure it is.
        limit: The bound.
        reference: What it is divided by; by default nothing.
        is_least: Whether it is the least allowed, and not the most.
        figure: Which of the measured figures; by default the case's own.
        unit: What it is counted in where there is no reference.
        tolerance: The share of the limit that is noise, and decides nothing.
        is_of_each: Whether each round must meet it, and not only the median.
    """

    subject: str
    limit: float | Fraction
    reference: str | None = None
    is_least: bool = False
    figure: str | None = None
    unit: str = ""
    tolerance: float = 0
    is_of_each: bool = False

    @property
    def text(self) -> str:
        number = str(self.limit) if isinstance(self.limit, Fraction) else f"{self.limit:g}"
        limit = f"at {'least' if self.is_least else 'most'} {number}"
        of = f"times {self.reference}" if self.reference else self.unit
        tolerance = f", within {self.tolerance:.0%}" if self.tolerance else ""
        return f"{limit} {of}{tolerance}{', in each round' if self.is_of_each else ''}"

    def is_met_by(self, figure: float) -> bool:
        if self.is_least:
            return figure >= self.limit * (1 - self.tolerance)
        return figure <= self.limit * (1 + self.tolerance)


@dataclass(frozen=True)
class Case:
    """Something that is measured.

    Attributes:
        name: What it is called on the command line.
        title: What it is called in the tables.
        figure: Which of the measured figures counts.
        unit: What it is shown in.
        runs: For each contender the arguments of `benchmarks.measure`, with `{url}` for the
            server's address; or `batch`, `realtime`, `interruptions` or `emulator`, and those of
            the module of that name; or, for imports, a program. `{emulator}` stands for the address
            of an emulator, and `{round}` for the number of the round.
        bounds: What must come out.
        rounds: How often each contender is measured.
        beside: Figures that are shown though nothing bounds them.
    """

    name: str
    title: str
    figure: str
    unit: Unit
    runs: Mapping[str, tuple[str, ...]]
    bounds: tuple[Bound, ...] = ()
    rounds: int = 7
    beside: tuple[str, ...] = ()


def _runs(measure: str, contenders: str, *arguments: object) -> dict[str, tuple[str, ...]]:
    return {name: (measure, name, *map(str, arguments)) for name in contenders.split()}


def _decoding(size: int, contenders: str, measure: str = "decode") -> dict[str, tuple[str, ...]]:
    runs: dict[str, tuple[str, ...]] = {}
    for name in contenders.split():
        megabytes = _DECODED_MB[size] // (4 if name in _SLOW else 1)
        count = megabytes * 1024 * 1024 // size
        runs |= _runs(measure, name, f"{{url}}/events/{size}/{count}", megabytes)
    return runs


def _server_alone(size: int) -> dict[str, tuple[str, ...]]:
    megabytes = _DECODED_MB[size]
    count = megabytes * 1024 * 1024 // size
    url = f"{{url}}/events/{size}/{count}"
    return _runs("server_alone", "(server)", url, 1, 4, megabytes)


def _short(size: int) -> str:
    return f"{size // 1024} KB" if size < 1024 * 1024 else f"{size // 1024 // 1024} MB"


def _decode_case(size: int, of_raw: float, of_together: float) -> Case:
    return Case(
        f"decode-{_short(size).replace(' ', '').lower()}",
        f"A stream with events of {_short(size)}: audio per CPU second",
        "cpu_s",
        "MB/s",
        _decoding(size, "iter_raw httpx together facade") | _server_alone(size),
        (
            Bound("facade", of_raw, "iter_raw", is_least=True),
            Bound("facade", of_together, "together", is_least=True),
            Bound("(server)", 1, "iter_raw", is_least=True, figure="wall_s"),
        ),
    )


def _decode_async_case(size: int, of_raw: float) -> Case:
    return Case(
        f"decode-async-{_short(size).replace(' ', '').lower()}",
        f"The same, async, {_short(size)}",
        "cpu_s",
        "MB/s",
        _decoding(size, "iter_raw httpx facade", "decode_async")
        | {"facade, sync": _decoding(size, "facade")["facade"]},
        (
            Bound("facade", of_raw, "iter_raw", is_least=True),
            Bound("facade", 0.8, "facade, sync", is_least=True),
        ),
    )


def _decoding_after(size: int, before: int) -> tuple[str, ...]:
    _, name, url, megabytes = _decoding(size, "facade")["facade"]
    other = _decoding(before, "facade")["facade"][2]
    return ("decode_after", name, other, url, megabytes)


def _concurrent_case(name: str, delay_ms: int, count: int, contenders: str) -> Case:
    title = f"after {delay_ms} ms" if delay_ms else "at once"
    url = f"{{url}}/whole/4096/{delay_ms}"
    runs = _runs("concurrent", contenders, url, count)
    bounds = [
        Bound("facade", 0.95 if delay_ms else 4, "httpx", is_least=True),
        Bound("facade", 0, figure="connections", unit="new connections once warm"),
        Bound("facade+aiohttp", 0, figure="connections", unit="new connections once warm"),
    ]
    if not delay_ms:
        bounds.insert(2, Bound("facade+aiohttp", 4, "httpx", is_least=True))
        runs |= _runs("server_alone", "(server)", url, 50, count // 50, 50)
        bounds.append(Bound("(server)", 2, "facade+aiohttp", is_least=True))
    return Case(
        name,
        f"50 calls of 4 KB under way, async, answers {title}",
        "wall_s",
        "calls/s",
        runs,
        tuple(bounds),
    )


def _realtime(measure: str, contenders: str, *arguments: object) -> dict[str, tuple[str, ...]]:
    return {name: ("realtime", measure, name, *map(str, arguments)) for name in contenders.split()}


def _first_in_session_case(name: str, title: str, measure: str) -> Case:
    return Case(
        name,
        title,
        "wall_s",
        "µs",
        _realtime(measure, "websockets facade", f"{{url}}/speak/{_EVENT}/2/2", 150),
        (Bound("facade", 1.15, "websockets"),),
    )


def _session_cpu_case(name: str, title: str, measure: str, apart_ms: int, count: int) -> Case:
    url = f"{{url}}/speak/{_EVENT}/300/{apart_ms}"
    return Case(
        name,
        title,
        "cpu_s",
        "µs",
        _realtime(measure, "websockets facade", url, count),
        (Bound("facade", 1.3, "websockets"),),
    )


def _turns_case(name: str, title: str, measure: str) -> Case:
    return Case(
        name,
        title,
        "bytes",
        "KB",
        _realtime(measure, "facade", f"{{url}}/speak/{_EVENT}/4/0", 150, 1000),
        (
            Bound("facade", 500, unit="KB"),
            Bound("facade", 1, figure="connections", unit="connections"),
        ),
    )


def _at_once_case(name: str, title: str, measure: str) -> Case:
    fastest = "times the fastest turn"
    return Case(
        name,
        title,
        "wall_s",
        "ms",
        _realtime(measure, "websockets facade", f"{{url}}/speak/{_EVENT}/20/0/50"),
        (
            Bound("facade", 1.5, figure="slowest turn", unit=fastest),
            Bound("facade", 0.75, figure="last to begin", unit=fastest),
            Bound("facade", 1, figure="connections", unit="connections"),
        ),
    )


def _interruption_bounds(who: str) -> tuple[Bound, ...]:
    return (
        Bound(
            who, 143, figure="interruptions", unit="interruptions", is_least=True, is_of_each=True
        ),
        Bound(who, 0, figure="stale bytes", unit="stale bytes", is_of_each=True),
        Bound(who, 0, figure="hangs", unit="hangs", is_of_each=True),
        Bound(who, 0, figure="misheard", unit="wrong words", is_of_each=True),
        Bound(who, 0, figure="failures", unit="failures of any kind", is_of_each=True),
    )


def _moving_bounds(who: str) -> tuple[Bound, ...]:
    return (
        Bound(who, 0.9, unit="of what the limit allows", is_least=True, is_of_each=True),
        Bound(who, 0.02, figure="429", unit="of the calls refused", is_of_each=True),
        Bound(who, 10, figure="s to 60/s", unit="s to 60/s", is_of_each=True),
        Bound(who, 10, figure="s to 10/s", unit="s to 10/s", is_of_each=True),
    )


def _batch(
    what: str, contenders: tuple[str, ...], *arguments: object
) -> dict[str, tuple[str, ...]]:
    return {name: ("batch", what, name, *map(str, arguments)) for name in contenders}


def _in_each(limit: float, unit: str, figure: str | None = None) -> Bound:
    return Bound("facade", limit, unit=unit, figure=figure, is_of_each=True)


# What the emulator, and as far as is seen the service, puts into an event: 100 ms.
_EVENT = 4800
_INTERRUPTED = ("facade", "facade, ids again", "facade, async", "facade, async, ids again")

_HTTPX_BUILT = "import httpx; httpx.Client(base_url='{url}', headers={{'Authorization': 'key'}})"
_GENERATED_BUILT = (
    "from together_openapi import AuthenticatedClient; "
    "from together_openapi.api.audio import audio_speech; "
    "AuthenticatedClient(base_url='{url}', token='key').get_httpx_client()"
)
_FACADE_BUILT = "import facade; facade.SpeechClient('key', base_url='{url}')"
# 10 µs and 25 µs on a machine on which json.dumps takes 1.4 µs.
_DICTIONARY = "times json.dumps of a small dictionary"
_100_MB = "{url}/whole/104857600/0"
_SMALL_AND_LARGE = ("{url}/whole/4096/0", _100_MB)
_SMALL_AND_LARGE_STREAM = ("{url}/events/4096/1", "{url}/events/32768/3200")
_FIRST = "httpx together facade"

CASES = (
    Case(
        "import",
        "Import and build a client, fresh process",
        "wall_s",
        "ms",
        {
            "httpx": ("-c", _HTTPX_BUILT),
            "generated": ("-c", _GENERATED_BUILT),
            "together": ("-c", "import together; together.Together(api_key='key')"),
            "openai": ("-c", "import openai; openai.OpenAI(api_key='key')"),
            "facade": ("-c", _FACADE_BUILT),
            "httpx, async": ("-c", _HTTPX_BUILT.replace("Client", "AsyncClient")),
            "facade, async": ("-c", _FACADE_BUILT.replace("SpeechClient", "AsyncSpeechClient")),
        },
        (
            Bound("facade", 1.4, "httpx"),
            Bound("facade", 0.45, "together"),
            Bound("facade, async", 1.4, "httpx, async"),
        ),
        # Starting a process takes now this long, now that.
        rounds=11,
    ),
    Case(
        "call-4kb",
        "A call of 4 KB, sync, CPU",
        "cpu_s",
        "µs",
        _runs("call", "httpx generated together openai facade", "{url}/whole/4096/0", 500)
        | {"httpx, absolute URL": ("call", "httpx-absolute", "{url}/whole/4096/0", "500")},
        (
            Bound("facade", 0.8, "httpx"),
            Bound("facade", 0.8, "httpx, absolute URL"),
            Bound("facade", 0.75, "together"),
        ),
    ),
    Case(
        "call-1mb",
        "A call of 1 MB, sync, CPU",
        "cpu_s",
        "µs",
        _runs("call", "httpx generated together openai facade", "{url}/whole/1048576/0", 100),
        (Bound("facade", 1.3, "httpx"),),
    ),
    Case(
        "sharing",
        "A call of 4 KB over TLS: one client for all, and a new one for each",
        "wall_s",
        "µs",
        {
            "facade": ("tls_call", "facade", "{tls}/whole/4096/0", "{certificate}", "100"),
            "facade, new": ("tls_new", "facade", "{tls}/whole/4096/0", "{certificate}", "30"),
            "httpx, new": ("tls_new", "httpx", "{tls}/whole/4096/0", "{certificate}", "30"),
        },
    ),
    Case(
        "whole-or-streamed",
        "10 MB of audio: as a whole, and streamed in events of 4 KB and 32 KB",
        "cpu_s",
        "ms",
        {
            "whole": ("call", "facade", "{url}/whole/10485760/0", "10"),
            "streamed, 32 KB": ("decode", "facade", "{url}/events/32768/320", "1"),
            "streamed, 4 KB": ("decode", "facade", "{url}/events/4096/2560", "1"),
        },
    ),
    _concurrent_case(
        "concurrent",
        0,
        500,
        "httpx together openai facade httpx+aiohttp facade+aiohttp facade+http2",
    ),
    _concurrent_case("concurrent-50ms", 50, 300, "httpx openai facade facade+aiohttp facade+http2"),
    Case(
        "concurrent-50ms-cpu",
        "The same, CPU of a call",
        "cpu_s",
        "µs",
        _runs("concurrent", "httpx facade", "{url}/whole/4096/50", 2000),
        (Bound("facade", 0.62, "httpx"),),
    ),
    Case(
        "first-audio",
        "First byte of the answer on the wire to first audio at the caller",
        "wall_s",
        "µs",
        _runs("first_audio", _FIRST, "{url}/first/4096/0", 150),
        (Bound("facade", 0.8, "httpx"),),
    ),
    Case(
        "first-audio-later",
        "The same from the first byte of the event, the head having come 2 ms before",
        "wall_s",
        "µs",
        _runs("first_audio", "httpx facade", "{url}/first/4096/2", 60),
    ),
    Case(
        "first-audio-async",
        "First byte of the answer to first audio, async",
        "wall_s",
        "µs",
        _runs("first_audio_async", _FIRST, "{url}/first/4096/0", 150),
        (Bound("facade", 0.8, "httpx"),),
    ),
    Case(
        "first-audio-paced",
        "First byte of the answer to first audio, async, 50 paced streams at once: the slowest 1 %",
        "wall_s",
        "ms",
        _runs("first_audio_paced", "httpx facade", "{url}/paced/4096/20", 500),
        (Bound("facade", 1, "httpx"), Bound("facade", 1, "httpx", figure="asked_s")),
    ),
    _decode_case(4096, 0.6, 4),
    _decode_case(32 * 1024, 0.42, 3.3),
    Case(
        "decode-8mb",
        "Large events: audio per CPU second",
        "cpu_s",
        "MB/s",
        {
            "facade, 8 MB": _decoding(8 * 1024 * 1024, "facade")["facade"],
            "facade, 32 KB": _decoding(32 * 1024, "facade")["facade"],
        },
        (Bound("facade, 8 MB", 0.75, "facade, 32 KB", is_least=True),),
    ),
    Case(
        "decode-8mb-later",
        "The same, in a process that has decoded events of both sizes before",
        "cpu_s",
        "MB/s",
        {
            "facade, 8 MB": _decoding_after(8 * 1024 * 1024, 32 * 1024),
            "facade, 32 KB": _decoding_after(32 * 1024, 8 * 1024 * 1024),
        },
        (Bound("facade, 8 MB", 0.75, "facade, 32 KB", is_least=True),),
    ),
    _decode_async_case(4096, 0.54),
    _decode_async_case(32 * 1024, 0.378),
    Case(
        "save-whole",
        "A whole answer of 100 MB into a file, CPU",
        "cpu_s",
        "ms",
        {
            "httpx": ("save_whole", "httpx", _100_MB, "4"),
            "facade": ("save_whole", "facade", _100_MB, "4"),
            "httpx, async": ("save_whole_async", "httpx", _100_MB, "4"),
            "facade, async": ("save_whole_async", "facade", _100_MB, "4"),
        },
        (Bound("facade", 1.1, "httpx"), Bound("facade, async", 1.1, "httpx, async")),
    ),
    Case(
        "memory-save",
        "256 MB streamed into a file: peak memory above that of 1 MB",
        "bytes",
        "MB",
        _runs("peak_above", "facade", "{url}/events/32768/32", "{url}/events/32768/8192", "save"),
        (Bound("facade", 8, unit="MB"),),
    ),
    Case(
        "memory-100mb",
        "100 MB of audio: peak memory above an idle client",
        "bytes",
        "MB",
        {
            "httpx, .content": ("peak", "httpx", *_SMALL_AND_LARGE, "call"),
            "facade, stream to a file": ("peak", "facade", *_SMALL_AND_LARGE_STREAM, "save"),
            "together, stream to a file": ("peak", "together", *_SMALL_AND_LARGE_STREAM, "save"),
            "facade, synthesize": ("peak", "facade", *_SMALL_AND_LARGE, "call"),
            "together": ("peak", "together", *_SMALL_AND_LARGE, "call"),
            "httpx, iter_raw to a file": ("peak", "httpx", *_SMALL_AND_LARGE, "save_whole"),
            "facade, synthesize_to_file": ("peak", "facade", *_SMALL_AND_LARGE, "save_whole"),
            "the same, async": ("peak", "facade", *_SMALL_AND_LARGE, "save_whole_async"),
        },
        (
            Bound("facade, stream to a file", 4, unit="MB"),
            Bound("facade, synthesize_to_file", 1, unit="MB"),
            Bound("the same, async", 1, unit="MB"),
            # Both hold 200 MB; what an allocator keeps of the call before must not decide.
            Bound("facade, synthesize", 1, "httpx, .content", tolerance=0.01),
        ),
    ),
    Case(
        "streams",
        "5,000 streams: growth of memory after the first 500",
        "bytes",
        "KB",
        _runs("growth", "facade", "{url}/events/4096/4", 500, 5000),
        (
            Bound("facade", 200, unit="KB"),
            Bound("facade", 1, figure="connections", unit="connections"),
        ),
    ),
    Case(
        "streams-async",
        "5,000 streams, async, 20 at once: growth of memory after the first 500",
        "bytes",
        "KB",
        _runs("growth_async", "facade", "{url}/events/4096/4", 500, 5000),
        (
            Bound("facade", 500, unit="KB"),
            Bound("facade", 25, figure="connections", unit="connections"),
        ),
    ),
    Case(
        "stream-tls",
        "A short stream over TLS",
        "wall_s",
        "µs",
        _runs("streams", "httpx together facade", "{tls}/events/4096/4", "{certificate}", 150),
        (Bound("facade", 1.15, "httpx"),),
    ),
    _first_in_session_case(
        "realtime-first",
        "A realtime turn from its first token to its first audio, all tokens being there",
        "first_audio",
    ),
    _first_in_session_case("realtime-first-async", "The same, async", "first_audio_async"),
    _session_cpu_case(
        "realtime-cpu",
        "A second of realtime audio, in events of 100 ms that come 1 ms apart: CPU",
        "speech",
        1,
        5,
    ),
    _session_cpu_case("realtime-cpu-async", "The same, async", "speech_async", 1, 5),
    _session_cpu_case(
        "realtime-cpu-flood",
        "A second of realtime audio, in events of 100 ms that come at once: CPU",
        "speech",
        0,
        20,
    ),
    _session_cpu_case("realtime-cpu-flood-async", "The same, async", "speech_async", 0, 20),
    _turns_case(
        "realtime-turns",
        "1,000 realtime turns on one connection: growth of memory after the first 150",
        "growth",
    ),
    _turns_case("realtime-turns-async", "The same, async", "growth_async"),
    _at_once_case(
        "realtime-50",
        "50 realtime turns at once on one connection, to the end of the slowest",
        "at_once",
    ),
    _at_once_case("realtime-50-async", "The same, async", "at_once_async"),
    Case(
        "realtime-interrupted",
        "143 realtime turns interrupted at random moments, 4 at once (1,001 in 7 rounds)",
        "wall_s",
        "ms",
        {name: ("interruptions", name, "{emulator}", "143", "{round}") for name in _INTERRUPTED},
        tuple(bound for name in _INTERRUPTED for bound in _interruption_bounds(name)),
    ),
    Case(
        "batch-moving-limit",
        "Goodput under a limit that moves from 20 to 60 to 10 calls a second, each for 15 s",
        "goodput",
        "share",
        _batch(
            "moving", ("facade", "facade, async", "semaphore of 50", "20 a second"), "{emulator}"
        ),
        _moving_bounds("facade") + _moving_bounds("facade, async"),
        rounds=1,
        beside=("goodput at 20/s", "goodput at 60/s", "goodput at 10/s"),
    ),
    Case(
        "batch-row",
        "A row of many, async, 50 at once, answered by a stub: CPU",
        "cpu_s",
        "µs",
        _batch("rows", ("gather", "facade"), 1000, 11000),
        (Bound("facade", 1.2, "gather"),),
    ),
    Case(
        "batch-memory",
        "100,000 rows, async, 50 at once, answered by a stub: growth of memory after the first 500",
        "bytes",
        "MB",
        _batch("rows", ("facade",), 500, 100_000),
        (Bound("facade", 20, unit="MB", is_of_each=True),),
        rounds=1,
    ),
    Case(
        "narration",
        "A book of 20,000 characters read at five requests a second: time, of what the pace allows",
        "of the pace",
        "share",
        {"facade": ("narration", "read", "facade", "20000", "300")},
        (
            _in_each(1.1, "of what the pace allows"),
            _in_each(0.02, "of the emulator's CPU", "split and join"),
            _in_each(0, "samples at the last subtitle", "drift"),
            _in_each(0, "sentences dropped", "dropped"),
            _in_each(0, "pauses more than 20 ms from what was asked", "pauses"),
            _in_each(1, "of the largest step inside the speech", "step"),
        ),
        rounds=1,
        beside=("split and join", "measure", "step"),
    ),
    Case(
        "narration-memory",
        "A book read, answered by a stub: growth of memory after a short one",
        "bytes",
        "MB",
        {
            f"{characters:,} characters": ("narration", "memory", "facade", str(characters))
            for characters in (100_000, 500_000)
        },
        (
            Bound("100,000 characters", 50, unit="MB", is_of_each=True),
            Bound("500,000 characters", 50, unit="MB", is_of_each=True),
        ),
        rounds=1,
    ),
    Case(
        "narration-kills",
        "A book read under 20 kills: requests sent again, of those that were under way",
        "again",
        "share",
        {"facade": ("narration", "kills", "facade", "20")},
        (
            _in_each(1, "of what was under way"),
            _in_each(0, "pieces missing", "missing"),
        ),
        rounds=1,
    ),
    Case(
        "mix",
        "A mix of voices parsed and printed",
        "cpu_s",
        "µs",
        _runs("mix", "facade", 5000),
        (Bound("facade", 7, figure="json_dumps", unit=_DICTIONARY),),
    ),
    Case(
        "request",
        "A request validated",
        "cpu_s",
        "µs",
        _runs("request", "facade", 5000),
        (Bound("facade", 17.5, figure="json_dumps", unit=_DICTIONARY),),
    ),
    Case(
        "emulator-same",
        "The same short request to the emulator, 64 under way",
        "wall_s",
        "calls/s",
        _runs("emulator", "static emulator", "Hi.", 3000),
        (Bound("emulator", Fraction(1, 3), "static", is_least=True),),
    ),
    # The engine alone is slower than a third of a static server, so that it is the measure.
    Case(
        "emulator-new",
        "Another short text to the emulator each time, 64 under way",
        "wall_s",
        "calls/s",
        {
            **_runs("emulator", "static", "Hi #.", 2000),
            **_runs("emulator", "emulator engine", "Hi #.", 300),
        },
        (Bound("emulator", 0.5, "engine", is_least=True),),
    ),
)
