"""What the pages have from elsewhere: `<!-- generated: NAME -->` stands for one of these."""

from collections.abc import Callable

from docs_tools.architecture import architecture
from docs_tools.command_line import command_line
from docs_tools.emulator_options import emulator_options
from docs_tools.overlay import overlay
from docs_tools.pictures import formats, time_limits
from docs_tools.voices import model_table, voices

GENERATED: dict[str, Callable[[], str]] = {
    "architecture": architecture,
    "command-line": command_line,
    "emulator-options": emulator_options,
    "formats": formats,
    "models": model_table,
    "overlay": overlay,
    "time-limits": time_limits,
    "voices": voices,
}
"""What writes each, in MyST's Markdown."""
