"""The fenced blocks of the documentation, and what is said of them.

A block may have comments of HTML above it, which no reader of the page sees:

    <!-- needs a key -->            it speaks with the service, and runs where there is a key
    <!-- not run: why -->           nobody runs it
    <!-- environment: clients -->   its Python is that of `.venv/clients`
    <!-- fails: AttributeError -->  it must fail, and say this
    <!-- audio: elsewhere -->       what it makes is not put below it: the page has it elsewhere
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = ROOT / "README.md"

RUN = frozenset({"python", "sh", "console", "js", "ts"})
"""The languages that are run."""

SHOWN = frozenset({"text", "json", "yaml", "html"})
"""Those that are only shown; what a program prints is `text` behind it, and compared."""

_COMMENT = re.compile(
    r"<!-- (needs a key|not run|environment|fails|audio)(?:: (.+?))? -->", re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        path: The document that it stands in.
        line: The line of its first line there, counted from 0.
        language: The word behind the fence.
        text: What is in it.
        said: What comments above it say, by their first words.
    """

    path: Path
    line: int
    language: str
    text: str
    said: dict[str, str] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line + 1}"


def documents() -> list[Path]:
    """Return the documents whose blocks are run: the README and the pages of the site."""
    return [README, *sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)]


def blocks(document: Path) -> list[Block]:
    """Return the blocks of a document, in every language; MyST's directives are none."""
    found = []
    said: dict[str, str] = {}
    for token in MarkdownIt().parse(document.read_text(encoding="utf-8")):
        if token.type == "html_block":
            said |= {name: value or "" for name, value in _COMMENT.findall(token.content)}
        elif token.type == "fence" and token.map is not None:
            language = token.info.strip()
            if not language.startswith("{"):
                found.append(Block(document, token.map[0] + 1, language, token.content, said))
            said = {}
        elif token.type != "inline" or said:
            said = said if token.type.endswith("_open") else {}
    return found
