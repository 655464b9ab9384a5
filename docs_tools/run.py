"""Runs the blocks of a document as a reader would, from top to bottom, and says what each made.

The Python blocks of a document share one namespace, and all blocks one folder, which has a
`letter.txt` to begin with. An emulator stands for the service, `llm` for a language model and
`sounddevice` for a sound card; no other host can be reached.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import IO

from docs_tools.blocks import ROOT, RUN, Block, blocks
from together_emulator import SpeechEmulator

AUDIO = frozenset({".wav", ".mp3"})
"""The suffixes of files with audio that a browser can play."""

_LIMIT_S = 180
_TOOLS = Path(__file__).parent
# Environments of other programs lie below the one that runs this.
_ENVIRONMENTS = Path(sys.prefix)
_SERVER = re.compile(r"python -m together_emulator(?: --port \d+)?(?: &)?$", re.MULTILINE)
_SERVICE = re.compile(r"https://api\.together\.(?:ai|xyz)|http://127\.0\.0\.1:8080")


@dataclass
class Outcome:
    """What became of a block.

    Attributes:
        where: The document and the line.
        language: The word behind its fence.
        status: `run`, `checked` (it would change the machine or the checkout; what it names is
            there), `skipped`, `shown` (no program), or `failed`.
        reason: Why it was skipped, or how it failed.
        audio: The files with audio that it wrote, by name, and where each was kept: below the
            folder for that.
        seconds: How long it took.
    """

    where: str
    language: str
    status: str = "run"
    reason: str = ""
    audio: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def run_document(
    document: Path, emulator: SpeechEmulator, folder: Path, kept: Path
) -> list[Outcome]:
    """Run the blocks of a document.

    Args:
        document: Where they stand.
        emulator: What stands for the service.
        folder: An empty folder for the blocks to work in.
        kept: Where the audio that they write is kept. What was there before goes.

    Returns:
        What became of each block, in order.
    """
    shutil.rmtree(kept, ignore_errors=True)
    (folder / "letter.txt").write_text("Dear all.", encoding="utf-8")
    found = blocks(document)
    shown = {program.line: then for program, then in pairwise(found) if then.language == "text"}
    outcomes: list[Outcome] = []
    with ExitStack() as stack:
        reader = _Reader(emulator, folder, stack)
        for block in found:
            outcome = Outcome(str(block), block.language)
            before = _files(folder)
            began = time.monotonic()
            try:
                printed = reader.run(block)
                expected = shown[block.line].text if block.line in shown else printed
                if block.language == "python" and printed != expected:
                    raise FailedError(f"printed\n{printed}\nand not\n{expected}")
            except FailedError as error:
                outcome.status, outcome.reason = "failed", str(error)
            except NotRunError as error:
                outcome.status, outcome.reason = error.status, str(error)
            outcome.seconds = round(time.monotonic() - began, 3)
            after = _files(folder)
            for name in sorted(name for name in after if before.get(name) != after[name]):
                # Another block may write a file of the same name.
                place = name if not (kept / name).exists() else f"{len(outcomes)}/{name}"
                (kept / place).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder / name, kept / place)
                outcome.audio[name] = place
            outcomes.append(outcome)
    return outcomes


def as_json(outcomes: dict[str, list[Outcome]]) -> str:
    """Write outcomes of documents, for `from_json`."""
    return json.dumps({name: [asdict(one) for one in some] for name, some in outcomes.items()})


def from_json(text: str) -> dict[str, list[Outcome]]:
    """Read what `as_json` wrote."""
    return {name: [Outcome(**one) for one in some] for name, some in json.loads(text).items()}


class FailedError(Exception):
    """A block did not do what its page says."""


class NotRunError(Exception):
    """A block was not run, and need not be.

    Attributes:
        status: As `Outcome` has it.
    """

    def __init__(self, status: str, reason: str = "") -> None:
        super().__init__(reason)
        self.status = status


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    """The files with audio, each with what changes when it is written again."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.stat().st_size)
        for path in folder.rglob("*")
        if path.suffix in AUDIO and "node_modules" not in path.parts
    }


class _Reader:
    """Somebody who tries one block after the other."""

    def __init__(self, emulator: SpeechEmulator, folder: Path, stack: ExitStack) -> None:
        self._emulator = emulator
        self._folder = folder
        self._stack = stack
        self._programs: dict[str, _Program] = {}

    def run(self, block: Block) -> str:
        """Run a block, and return what it printed."""
        if block.language not in RUN:
            raise NotRunError("shown")
        if "not run" in block.said:
            raise NotRunError("skipped", block.said["not run"])
        live = "needs a key" in block.said
        if live and not os.environ.get("TOGETHER_API_KEY"):
            raise NotRunError("skipped", "needs TOGETHER_API_KEY: the service bills for it")
        environment = dict(os.environ) if live else self._environment()
        ways = {"python": self._python, "js": self._node, "ts": self._node}
        way = ways.get(block.language, self._shell)
        expected = block.said.get("fails")
        try:
            printed = way(block, environment)
        except FailedError as failed:
            if expected is None or expected not in str(failed):
                raise
            return ""
        if expected is not None:
            raise FailedError(f"did not fail; expected {expected}")
        return printed

    def _environment(self) -> dict[str, str]:
        emulator = self._emulator
        foreign = re.compile("PYTEST|TOGETHER_|OPENAI_|.*PROXY", re.IGNORECASE)
        kept = {name: value for name, value in os.environ.items() if not foreign.match(name)}
        return kept | {
            "HTTPS_PROXY": "http://127.0.0.1:9",  # nobody is there
            "NO_PROXY": "127.0.0.1,localhost",
            "OPENAI_API_KEY": emulator.api_key,
            "OPENAI_BASE_URL": emulator.url,
            "PATH": os.pathsep.join(
                [str(_TOOLS / "stand_ins"), str(_ENVIRONMENTS / "bin"), kept["PATH"]]
            ),
            "PYTHONPATH": str(_TOOLS / "stand_ins"),
            "PYTHONUTF8": "1",
            "PYTHONWARNINGS": "error",
            "TMPDIR": str(self._folder.parent),
            "TOGETHER_API_KEY": emulator.api_key,
            "TOGETHER_BASE_URL": emulator.sdk_url,
            "TOGETHER_SPEECH_RETRIES": "at once",
        }

    # --- Python ----------------------------------------------------------------------------------

    def _python(self, block: Block, environment: dict[str, str]) -> str:
        name = block.said.get("environment", "")
        python = _ENVIRONMENTS / name / "bin" / "python"
        if not python.is_file():
            target = name.partition("/")[0]
            raise NotRunError("skipped", f"needs other people's programs: run `make {target}`")
        if name:
            # Without the strictness of ours, our stand-ins, and what measures our coverage.
            ours = ("PYTHONWARNINGS", "PYTHONPATH")
            environment = {
                key: value
                for key, value in environment.items()
                if key not in ours and "COVERAGE" not in key
            }
        if re.search(r"^(?:async )?def test_", block.text, re.MULTILINE):
            return self._pytest(block, python, environment)
        program = self._programs.get(name)
        if program is None:
            program = self._programs[name] = self._stack.enter_context(
                _program(python, self._folder, environment)
            )
        return program.run(block)

    def _pytest(self, block: Block, python: Path, environment: dict[str, str]) -> str:
        path = self._folder / f"test_line_{block.line + 1}.py"
        path.write_text(block.text, encoding="utf-8")
        # Other plugins take longer to load than the tests to run.
        environment = environment | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        plugins = ["-p", "no:cacheprovider", "-p", "together_emulator.pytest_plugin"]
        self._finish([python, "-m", "pytest", "--quiet", *plugins, path], environment)
        return ""

    # --- other languages -------------------------------------------------------------------------

    def _node(self, block: Block, environment: dict[str, str]) -> str:
        node, packages = shutil.which("node"), _ENVIRONMENTS / "clients" / "node_modules"
        if node is None:
            raise NotRunError("skipped", "needs Node")
        if not packages.is_dir():
            raise NotRunError("skipped", "needs other people's clients of Node: run `make clients`")
        link = self._folder / "node_modules"
        if not link.exists():
            link.symlink_to(packages)
        path = self._folder / f"line_{block.line + 1}.{block.language}"
        script = path.with_suffix(".mjs")
        path.write_text(block.text, encoding="utf-8")
        if block.language == "ts":
            esbuild = packages / ".bin" / "esbuild"
            self._finish([esbuild, path, f"--outfile={script}", "--log-level=error"], environment)
        else:
            path.rename(script)
        return self._finish([node, script], environment)

    def _shell(self, block: Block, environment: dict[str, str]) -> str:
        if block.language == "console":
            return self._console(block, environment)
        script = "\n".join(
            command
            for command in _commands(block.text)
            if not _checked(shlex.split(command, comments=True))
        )
        if not script.strip():
            raise NotRunError("checked")
        return self._bash(script, environment)

    def _console(self, block: Block, environment: dict[str, str]) -> str:
        """Commands stand behind `$ `, and what they print below."""
        first, *sessions = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
        if first.strip() or not sessions:
            raise FailedError("a block of console begins with `$ ` and a command")
        for session in sessions:
            command, _, expected = session.replace("\\\n", " ").partition("\n")
            if _checked(shlex.split(command, comments=True)):
                continue
            printed = self._bash(command, environment)
            if expected.strip() and printed.strip() != expected.strip():
                raise FailedError(f"{command} printed\n{printed}\nand not\n{expected}")
        return ""

    def _bash(self, script: str, environment: dict[str, str]) -> str:
        # A server is seen to start, at a port that is free.
        script = _SERVER.sub("python -m together_emulator --exit-with-stdin", script)
        script = _SERVICE.sub(self._emulator.sdk_url, script)
        return self._finish(["bash", "-euo", "pipefail", "-c", script], environment)

    def _finish(self, command: list[str | Path], environment: dict[str, str]) -> str:
        try:
            done = subprocess.run(  # noqa: S603 - our own
                command,
                cwd=self._folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise FailedError(f"took longer than {_LIMIT_S} s") from error
        if done.returncode:
            raise FailedError(f"ended with status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout


def _commands(text: str) -> Iterator[str]:
    """Each command, also where a quotation goes over several lines."""
    command = ""
    for line in text.replace("\\\n", " ").splitlines():
        command += line
        try:
            shlex.split(command, comments=True)
        except ValueError:
            command += "\n"
        else:
            yield command
            command = ""
    if command:
        raise FailedError(f"a quotation has no end: {command}")


def _checked(words: list[str]) -> bool:
    """Whether a command is not run, as it installs, or changes the checkout; it must be possible.

    Raises:
        FailedError: It is not.
    """
    match words:
        case ["make", target, *_]:
            if target not in _targets():
                raise FailedError(f"{target} is no target of make")
        case ["pip", "install", what]:
            # The package need be on no index.
            extras = re.fullmatch(r"(?:\.|together-speech)(?:\[([a-z,]+)\])?", what)
            if extras and not set((extras[1] or "test").split(",")) <= _extras():
                raise FailedError(f"{what} names an extra that is none")
        case ["pip" | "git" | "cd" | "npm", *_]:
            pass
        case _:
            return False
    return True


@cache
def _targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))


@cache
def _extras() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return set(project["optional-dependencies"])


class _Program:
    """An interpreter that runs one block after the other."""

    def __init__(self, process: subprocess.Popen[str], errors: IO[str]) -> None:
        self._process = process
        self._errors = errors

    def run(self, block: Block) -> str:
        """Run a block, and return what it printed."""
        assert self._process.stdin is not None  # noqa: S101
        assert self._process.stdout is not None  # noqa: S101
        question = {"path": str(block.path), "line": block.line, "text": block.text}
        print(json.dumps(question), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            self._errors.seek(0)
            raise FailedError(f"ended the interpreter\n{self._errors.read()}")
        printed, failure = json.loads(answer)
        if failure:
            raise FailedError(failure)
        return str(printed)


@contextmanager
def _program(python: Path, folder: Path, environment: dict[str, str]) -> Iterator[_Program]:
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as errors,
        subprocess.Popen(  # noqa: S603 - our own
            [python, _TOOLS / "program.py"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
        ) as process,
    ):
        try:
            yield _Program(process, errors)
        finally:
            assert process.stdin is not None  # noqa: S101
            process.stdin.close()
            try:
                process.wait(20)
            finally:
                process.kill()
