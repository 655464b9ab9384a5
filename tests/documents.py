"""The fenced blocks of what is documented for applications."""

from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        path: The document that it stands in.
        line: The line of its first line there, counted from 0.
        language: The word behind the fence.
        text: What is in it.
    """

    path: Path
    line: int
    language: str
    text: str

    def run(self) -> dict[str, object]:
        """Run it as a program of its own; return its names."""
        # So that a traceback has the line of the document.
        code = compile("\n" * self.line + self.text, str(self.path), "exec")
        names: dict[str, object] = {"__name__": "__main__"}
        exec(code, names)  # noqa: S102 - our own
        return names

    def __str__(self) -> str:
        return f"{self.path.name}:{self.line + 1}"


def blocks() -> list[Block]:
    """Return all that there are, in every language."""
    return [
        Block(path, token.map[0] + 1, token.info.strip(), token.content)
        for path in DOCUMENTS
        for token in MarkdownIt().parse(path.read_text(encoding="utf-8"))
        if token.type == "fence" and token.map is not None
    ]
