"""A contract, an overlay and a configuration of the tests' own, for the tests of the tools.

Together's contract moves and so does ours; what a tool does with these three stays the same.
"""

import re
import shutil
from pathlib import Path

from contract.compose import ROOT

FOLDER = Path(__file__).parent
SPEC_FILE = FOLDER / "openapi.yaml"
OVERLAY_FILE = FOLDER / "overlay.yaml"
SPEC = SPEC_FILE.read_text(encoding="utf-8")
OVERLAY = OVERLAY_FILE.read_text(encoding="utf-8")
OPERATIONS = ("audio-speech", "fetchVoices")
BASE_URL = "https://api.together.ai/v1"


def copy_tools(root: Path) -> None:
    """Put the tools into a repository, as programs that use the operations of this contract."""
    (root / "contract").mkdir(exist_ok=True)
    for path in (ROOT / "contract").glob("*.py"):
        shutil.copyfile(path, root / "contract" / path.name)
    compose = root / "contract" / "compose.py"
    text = compose.read_text(encoding="utf-8")
    for name, value in {"OPERATIONS": OPERATIONS, "BASE_URL": BASE_URL}.items():
        text, count = re.subn(rf"^{name} = .*$", f"{name} = {value!r}", text, flags=re.MULTILINE)
        assert count == 1, name
    compose.write_text(text, encoding="utf-8")
