"""Builds the site: `python -m docs_tools.build docs/_build` writes it below `site/` there.

Each page stands there twice, as HTML and as Markdown, and `llms.txt` lists the latter. Warnings are
errors. `blocks.json` beside the site says what became of each block of the documents.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

from docs_tools.blocks import DOCS, README, ROOT, documents
from docs_tools.run import Outcome, from_json


def main(arguments: list[str]) -> int:
    """Build, say what was run, and return the exit status."""
    (place,) = (Path(argument) for argument in arguments)
    site, markdown, doctrees = place / "site", place / "markdown", place / "doctrees"
    pages = _pages()
    if any(path.relative_to(markdown) not in pages for path in markdown.rglob("*.md")):
        shutil.rmtree(place)  # a page is gone, and Sphinx would leave it on the site
    status = _sphinx("html", site, doctrees) or _sphinx("markdown", markdown, doctrees)
    if status == 0:
        for page in pages:
            text = (markdown / page).read_text(encoding="utf-8")
            (site / page).write_text(_with_pictures(text, site / page, site), encoding="utf-8")
        (site / "llms.txt").write_text(llms_txt(pages, site), encoding="utf-8")
    outcomes = from_json((place / "blocks.json").read_text(encoding="utf-8"))
    print(summary(outcomes))  # noqa: T201
    return status


def _pages() -> list[Path]:
    """The pages of the site, in the order of its navigation."""
    navigation = (DOCS / "index.md").read_text(encoding="utf-8")
    pages = [path.relative_to(DOCS) for path in documents() if path != README]
    return sorted(pages, key=lambda page: navigation.find(f"\n{page.with_suffix('').as_posix()}\n"))


def summary(outcomes: dict[str, list[Outcome]]) -> str:
    """Say how many blocks there are, what became of them, and why some were not run."""
    blocks = [one for some in outcomes.values() for one in some if one.status != "shown"]
    counts = Counter(one.status for one in blocks)
    languages = Counter(one.language for one in blocks)
    lines = [f"{len(blocks)} blocks ({_counted(languages)}): {_counted(counts)}"]
    lines += [f"  {one.where}: {one.reason}" for one in blocks if one.status == "skipped"]
    lines.append(f"{sum(len(one.audio) for one in blocks)} files with audio")
    return "\n".join(lines)


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())


def llms_txt(pages: list[Path], site: Path) -> str:
    """Write the list of pages for machines, as https://llmstxt.org has it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [f"# {project['name']}", "", f"> {project['description']}"]
    folder = None
    for page in pages:
        if page.parent != folder:
            folder = page.parent
            lines += ["", f"## {folder.name.replace('-', ' ').capitalize() or 'Start'}", ""]
        lines.append(f"- [{_title(site / page)}]({page.as_posix()})")
    return "\n".join(lines) + "\n"


def _with_pictures(text: str, twin: Path, site: Path) -> str:
    """Lead to the pictures of a page as they lie in the sources; Sphinx names them from the top."""

    def lead(found: re.Match[str]) -> str:
        picture = site / found[1]
        picture.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(DOCS / found[1], picture)
        return f"]({os.path.relpath(picture, twin.parent)})"

    return re.sub(r"\]\(([\w/-]+\.svg)\)", lead, text)


def _title(page: Path) -> str:
    lines = page.read_text(encoding="utf-8").splitlines()
    return next(line.removeprefix("# ") for line in lines if line.startswith("# "))


def _sphinx(builder: str, output: Path, doctrees: Path) -> int:
    options: list[str | Path] = ["--fail-on-warning", "--keep-going", "--quiet"]
    options += ["--doctree-dir", doctrees, "--builder", builder]
    command = [sys.executable, "-m", "sphinx", *options, DOCS, output]
    return subprocess.run(command, check=False).returncode  # noqa: S603 - our own


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
