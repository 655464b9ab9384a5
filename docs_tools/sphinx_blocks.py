"""A Sphinx extension: runs the blocks of the pages that are read, and puts their audio below them.

It also writes what is generated into the place of each `<!-- generated: NAME -->`.
"""

import os
import re
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx_design.shared import PassthroughTextElement

from docs_tools.blocks import README, blocks
from docs_tools.generated import GENERATED
from docs_tools.run import Outcome, as_json, from_json, run_document
from together_emulator import SpeechEmulator

_AUDIO = "_audio"
_GENERATED = re.compile(r"^<!-- generated: ([a-z-]+) -->$", re.MULTILINE)
_log = logging.getLogger(__name__)


class audio_player(nodes.General, nodes.Element):  # noqa: N801 - as docutils has it
    """A file with audio, to be played: its `uri`, and a `name` to be shown."""


class AudioPlayer(SphinxDirective):
    """`audio-player`: plays a file that a block of this page made."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return a player for each line of the content: where it is kept, and its name."""
        docname = self.env.docname
        up = "../" * docname.count("/")
        files = [line.split(" ", 1) for line in self.content]
        return [
            audio_player(uri=f"{up}{_AUDIO}/{docname}/{place}", name=name) for place, name in files
        ]


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the extension to a build."""
    app.add_node(
        audio_player,
        html=(_player_in_html, _leave),
        markdown=(_player_in_markdown, _leave),
    )
    # What the Markdown builder does not know: `*` and `/` in signatures, and titles of cards.
    for unknown in (nodes.abbreviation, PassthroughTextElement):
        app.add_node(unknown, override=True, markdown=(_leave, _leave))
    app.add_directive("audio-player", AudioPlayer)
    app.connect("builder-inited", _connect)
    app.connect("source-read", _complete)
    return {"parallel_read_safe": False, "parallel_write_safe": True}


def _connect(app: Sphinx) -> None:
    """Run blocks for the site alone: its Markdown is made of the same pages afterwards."""
    if app.builder.name == "html":
        app.connect("env-get-outdated", _unsettled)
        app.connect("env-before-read-docs", _run_blocks)


def _unsettled(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """Read pages again where a block failed or was skipped, or where something is generated."""
    return [
        name
        for name in env.found_docs
        if any(one.status in ("failed", "skipped") for one in _outcomes(app).get(name, []))
        or _GENERATED.search(Path(env.doc2path(name)).read_text(encoding="utf-8"))
    ]


def _outcomes(app: Sphinx) -> dict[str, list[Outcome]]:
    file = Path(app.doctreedir).parent / "blocks.json"
    return from_json(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _run_blocks(app: Sphinx, env: BuildEnvironment, docnames: Sequence[str]) -> None:
    known = _outcomes(app)
    documents = {name: Path(env.doc2path(name)) for name in docnames} | {"README": README}
    with (
        tempfile.TemporaryDirectory() as root,
        SpeechEmulator() as emulator,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):

        def run(name: str) -> list[Outcome]:
            # Short, as the emulator needs it of the folder for temporary files above.
            folder = Path(tempfile.mkdtemp(dir=root), "page")
            folder.mkdir()
            kept = Path(app.outdir, _AUDIO, name)
            return run_document(documents[name], emulator, folder, kept)

        known |= zip(documents, pool.map(run, documents), strict=True)
    outcomes = {name: known[name] for name in sorted(known) if name in {*env.found_docs, "README"}}
    for outcome in (one for some in outcomes.values() for one in some):
        if outcome.status == "failed":
            _log.warning("%s: %s", outcome.where, outcome.reason)
    file = Path(app.doctreedir).parent / "blocks.json"
    file.write_text(as_json(outcomes), encoding="utf-8")


def _complete(app: Sphinx, docname: str, source: list[str]) -> None:
    """Write players below the blocks that made audio, and what is generated."""
    lines = source[0].splitlines()
    outcomes = _outcomes(app)[docname]
    found = blocks(Path(app.env.doc2path(docname)))
    ends = [block.line + block.text.count("\n") + 1 for block in found]
    for index in reversed(range(len(found))):
        outcome, end = outcomes[index], ends[index]
        if not outcome.audio or "audio" in found[index].said:
            continue
        after = found[index + 1 : index + 2]
        # What a block prints stands nearer to it than what it says.
        if after and after[0].language == "text" and not "".join(lines[end : after[0].line - 1]):
            end = ends[index + 1]
        files = [f"{quote(place)} {name}" for name, place in outcome.audio.items()]
        lines[end:end] = ["", "```{audio-player}", *files, "```", ""]
    source[0] = _GENERATED.sub(lambda found: GENERATED[found[1]](), "\n".join(lines))


def _player_in_html(self: Any, node: audio_player) -> None:
    name, uri = escape(node["name"]), escape(node["uri"])
    self.body.append(
        f'<figure class="heard"><audio controls preload="none" src="{uri}" aria-label="{name}">'
        f"</audio><figcaption>{name}</figcaption></figure>"
    )


def _player_in_markdown(self: Any, node: audio_player) -> None:
    self.add(f"Audio: [{node['name']}]({node['uri']})\n\n", prefix_eol=2)


def _leave(self: Any, node: nodes.Element) -> None:
    """There is nothing to write but what is in it."""
