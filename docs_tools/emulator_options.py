"""The options of `python -m together_emulator`, from its own help."""

import os
import subprocess
import sys


def emulator_options() -> str:
    """Write the help as the program prints it."""
    done = subprocess.run(
        [sys.executable, "-m", "together_emulator", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"COLUMNS": "80", "NO_COLOR": "1"},
    )
    return f"```text\n{done.stdout.rstrip()}\n```"
