"""What the README and the Makefile say of themselves."""

import re
import tomllib

from docs_tools.blocks import README as README_FILE
from docs_tools.blocks import ROOT
from facade.cli import app

README = README_FILE.read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_every_extra_for_users_is_in_the_readme() -> None:
    table = README.partition("| extra | for |")[2].partition("\n\n")[0]
    named = set(re.findall(r"^\| `([a-z]+)` \|", table, re.MULTILINE))
    assert named == PROJECT["optional-dependencies"].keys() - {"test", "docs", "dev"}


def test_every_command_is_in_the_readme() -> None:
    for command in app.registered_commands:
        assert command.callback is not None
        assert f"together-speech {command.callback.__name__}" in README


def test_every_target_of_make_has_a_line_of_help() -> None:
    targets = re.findall(r"^([a-z-]+):.*$", MAKEFILE, re.MULTILINE)
    assert targets == re.findall(r"^([a-z-]+):.* ## .+$", MAKEFILE, re.MULTILINE)
