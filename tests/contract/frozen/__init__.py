"""A contract, an overlay and a configuration of the tests' own, for the tests of the tools.

Together's contract moves and so does ours; what a tool does with these three stays the same.
"""

from pathlib import Path

FOLDER = Path(__file__).parent
SPEC_FILE = FOLDER / "openapi.yaml"
OVERLAY_FILE = FOLDER / "overlay.yaml"
SPEC = SPEC_FILE.read_text(encoding="utf-8")
OVERLAY = OVERLAY_FILE.read_text(encoding="utf-8")
OPERATIONS = ("audio-speech", "fetchVoices")
BASE_URL = "https://api.together.ai/v1"
