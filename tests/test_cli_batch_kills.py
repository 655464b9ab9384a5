"""`together-speech batch` under `kill -9`, at moments that a seed chooses.

More of them, by hand: KILLS=20 python -m pytest tests/test_cli_batch_kills.py
"""

import json
import os
import random
import subprocess
import sys
import time
import wave
from pathlib import Path

import pytest

from together_emulator import SpeechEmulator

ROWS = 120
AT_ONCE = 6
# As many in one run of the test.
KILLS = int(os.environ.get("KILLS", "4"))


def lines_of(path: Path) -> list[bytes]:
    """The lines that are whole."""
    return path.read_bytes().splitlines(keepends=True) if path.exists() else []


@pytest.mark.unmeasured
@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_is_broken_lost_or_billed_twice(
    seed: int, together_environment: SpeechEmulator, tmp_path: Path
) -> None:
    chance = random.Random(seed)  # noqa: S311 - it only chooses moments
    rows, out = tmp_path / "rows.txt", tmp_path / "out"
    texts = [f"This is row {row:03}." for row in range(ROWS)]
    rows.write_text("\n".join(texts), encoding="utf-8")
    command = [sys.executable, "-m", "facade", "batch", str(rows), "-o", str(out)]
    command += ["--at-once", str(AT_ONCE)]
    # Without the switch that has nothing wait, and so no pace either.
    paced = {name: os.environ[name] for name in os.environ if name != "TOGETHER_SPEECH_RETRIES"}
    for kill in range(KILLS):
        with subprocess.Popen(
            [*command, "--per-minute", "3000"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=paced,
        ) as process:
            # From before the first row on to some rows further than the last time.
            before = len(lines_of(out / "results.jsonl"))
            until = before + chance.randrange(ROWS // KILLS)
            while len(lines_of(out / "results.jsonl")) < until and process.poll() is None:
                time.sleep(0.001)
            time.sleep(chance.random() * 0.05)
            process.kill()
            process.communicate()
        for path in out.glob("*.wav"):
            with wave.open(str(path)) as file:
                size = file.getnframes() * file.getsampwidth()
            assert path.stat().st_size == size + 44, f"{path} is broken by kill {kill}"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(list(out.glob("*.wav"))) == ROWS
    found = [json.loads(line) for line in lines_of(out / "results.jsonl")]
    assert {line["path"] for line in found} == {f"{row:06}.wav" for row in range(1, ROWS + 1)}
    assert list((out / ".together-speech").iterdir()) == [out / ".together-speech" / "lock"]
    billed, rest = divmod(sum(together_environment.characters.values()), len(texts[0]))
    assert rest == 0
    assert ROWS <= billed <= ROWS + KILLS * AT_ONCE
