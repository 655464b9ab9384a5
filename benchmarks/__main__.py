"""Run the benchmarks: `python -m benchmarks`, or `make bench`."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.cases import CASES, Case
from benchmarks.plots import PAGE, write_plots
from benchmarks.process import EMULATOR_PYTHON, serving
from benchmarks.report import Results, as_markdown, as_text, bound_of, setting, write_page


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="the cases whose names contain this")
    parser.add_argument("--rounds", type=int, help="instead of each case's own number")
    parser.add_argument("--check", action="store_true", help="exit 1 when a bound is missed")
    options = parser.parse_args(arguments)
    cases = [case for case in CASES if options.only in case.name]
    if not cases:
        parser.error(f"no case is called {options.only!r}: " + ", ".join(c.name for c in CASES))
    missed = []
    with _servers() as places:
        done = []
        for case in cases:
            results = _run(case, options.rounds or case.rounds, places)
            sys.stdout.write(as_text(case, results) + "\n")
            sys.stdout.flush()
            done.append((case, results))
            missed += [bound for bound in case.bounds if not bound_of(case, bound, results).is_met]
    if not options.only and not options.rounds:
        write_page(PAGE, as_markdown(done, setting()))
        write_plots(PAGE)
        sys.stdout.write(f"written into {PAGE}\n")
    sys.stdout.write(f"{len(missed)} bounds are missed\n" if missed else "every bound is met\n")
    return 1 if missed and options.check else 0


def _run(case: Case, rounds: int, places: dict[str, str]) -> Results:
    """Measure every contender in turn, round after round, each time in a fresh process."""
    results: Results = {name: [] for name in case.runs}
    names = list(case.runs)
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            named = {**places, "round": str(number)}
            results[name].append(_measure([part.format(**named) for part in case.runs[name]]))
    return results


def _measure(arguments: list[str]) -> dict[str, float]:
    environment = {"PATH": os.environ.get("PATH", ""), "TMPDIR": tempfile.gettempdir()}
    if arguments[0] == "-c":
        command = [sys.executable, *arguments]
    elif arguments[0] == "emulator":
        command = [str(EMULATOR_PYTHON), "-m", "benchmarks.emulator", *arguments[1:]]
    elif arguments[0] in ("batch", "interruptions", "narration", "realtime"):
        command = [sys.executable, "-m", f"benchmarks.{arguments[0]}", *arguments[1:]]
    else:
        command = [sys.executable, "-m", "benchmarks.measure", *arguments]
    start = time.perf_counter()
    done = subprocess.run(  # noqa: S603
        command, env=environment, stdout=subprocess.PIPE, text=True, timeout=300, check=False
    )
    wall_s = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed")
    figures: dict[str, float] = json.loads(done.stdout) if done.stdout else {"wall_s": wall_s}
    return figures


@contextmanager
def _servers() -> Iterator[dict[str, str]]:
    """Give the addresses of two servers, of which one speaks TLS, and of an emulator."""
    import trustme

    with tempfile.TemporaryDirectory() as folder:
        authority = trustme.CA()
        trusted = Path(folder, "authority.pem")
        authority.cert_pem.write_to_path(str(trusted))
        own = Path(folder, "server.pem")
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(own))
        with (
            serving("benchmarks.server") as plain,
            serving("benchmarks.server", "--certificate", str(own)) as tls,
            serving(
                "together_emulator", "--port", "0", "--exit-with-stdin", python=EMULATOR_PYTHON
            ) as emulator,
        ):
            yield {
                "url": f"http://127.0.0.1:{plain}",
                "tls": f"https://127.0.0.1:{tls}",
                "certificate": str(trusted),
                "emulator": f"http://127.0.0.1:{emulator}/v1",
            }


if __name__ == "__main__":
    sys.exit(main())
