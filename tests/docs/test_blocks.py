"""Every block of the README and of the site was run, and made what it says."""

import re
from pathlib import Path

import pytest
import soundfile  # type: ignore[import-untyped]

from docs_tools.blocks import README, RUN, SHOWN, Block, blocks, documents
from docs_tools.run import AUDIO, run_document
from tests.docs.conftest import Build
from together_emulator import SpeechEmulator

BLOCKS = [block for document in documents() for block in blocks(document)]
PROGRAMS = [block for block in BLOCKS if block.language in RUN]


@pytest.mark.parametrize("block", PROGRAMS, ids=str)
def test_a_block_runs_as_it_stands(block: Block, build: Build) -> None:
    outcome = build.outcomes[str(block)]
    if outcome.status == "skipped":
        pytest.skip(outcome.reason)
    assert outcome.status in ("run", "checked"), outcome.reason
    before = [one for one in PROGRAMS if one.path == block.path and one.line <= block.line]
    made = {Path(name).name for one in before for name in build.outcomes[str(one)].audio}
    named = re.findall(r"""["'\s]([\w-]+\.(?:wav|mp3))["'\s]""", block.text)
    assert set(named) <= made or outcome.status == "checked"


def test_every_block_is_of_a_kind_that_is_tried() -> None:
    """A fence that is spelled in another way would be run by nobody."""
    assert {block.language for block in BLOCKS} <= RUN | SHOWN
    for document in documents():
        text = document.read_text(encoding="utf-8")
        directives = len(re.findall(r"^`{3,}\{", text, re.MULTILINE))
        fences = len(re.findall(r"^`{3,}", text, re.MULTILINE))
        assert fences == 2 * (len(blocks(document)) + directives), document


def test_the_audio_of_the_blocks_is_on_the_site(build: Build) -> None:
    for outcome in build.outcomes.values():
        page = outcome.where.partition(":")[0]
        if not page.startswith("docs/"):
            continue
        folder = build.site / "_audio" / page.removeprefix("docs/").removesuffix(".md")
        html = (build.site / page.removeprefix("docs/")).with_suffix(".html")
        for name, place in outcome.audio.items():
            assert Path(name).suffix in AUDIO
            assert soundfile.info(folder / place).duration > 0.2
            assert f'{folder.name}/{place}"' in html.read_text(encoding="utf-8")


PAGE = """
```python
import wave
x = 1
print(x)
```

```text
{shown}
```

```python
with wave.open("one.wav", "wb") as file:
    file.setparams((1, 2, 24000, 0, "NONE", ""))
    file.writeframes(bytes(400 * x))
```

<!-- not run: it takes a week -->
```sh
sleep 604800
```

<!-- needs a key -->
```sh
echo spoken
```

<!-- fails: ZeroDivisionError -->
```python
with wave.open("one.wav", "wb") as file:
    file.setparams((1, 2, 24000, 0, "NONE", ""))
    file.writeframes(bytes(800 * x))
1 / 0
```

<!-- fails: ZeroDivisionError -->
```python
1 / 1
```

```python
print(y)
```

```sh
make docs
pip install '.[emulator]'
```

```sh
make nothing
```

```sh
pip install '.[nothing]'
```

```sh
exit 3
```

```python
import os, sys
print("its last words", file=sys.stderr, flush=True)
os._exit(4)
```

```console
$ echo one
one
$ echo two
three
```
"""


def test_a_page_is_run_from_top_to_bottom_and_what_fails_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOGETHER_API_KEY", raising=False)
    monkeypatch.setattr(Block, "__str__", lambda block: str(block.line + 1))
    page, folder = tmp_path / "page.md", tmp_path / "folder"
    page.write_text(PAGE.format(shown="1"), encoding="utf-8")
    folder.mkdir()
    with SpeechEmulator() as emulator:
        outcomes = run_document(page, emulator, folder, tmp_path / "kept")
    assert [outcome.status for outcome in outcomes] == [
        *("run", "shown", "run", "skipped", "skipped", "run", "failed", "failed"),
        *("checked", "failed", "failed", "failed", "failed", "failed"),
    ]
    reasons = [outcome.reason for outcome in outcomes]
    assert outcomes[2].audio == {"one.wav": "one.wav"}
    # A second file of the same name is another one.
    assert outcomes[5].audio == {"one.wav": "5/one.wav"}
    sizes = [(tmp_path / "kept" / name).stat().st_size for name in ("one.wav", "5/one.wav")]
    assert sizes == [444, 844]
    assert reasons[3] == "it takes a week"
    assert "TOGETHER_API_KEY" in reasons[4]
    assert "NameError: name 'y'" in reasons[7]
    assert f'"{page}", line {page.read_text().splitlines().index("print(y)") + 1}' in reasons[7]
    assert "nothing is no target" in reasons[9]
    assert "status 3" in reasons[11]
    assert "its last words" in reasons[12]
    assert "three" in reasons[13]


def test_what_a_program_prints_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Block, "__str__", lambda block: str(block.line + 1))
    page, folder = tmp_path / "page.md", tmp_path / "folder"
    page.write_text(PAGE.format(shown="2").partition("<!--")[0], encoding="utf-8")
    folder.mkdir()
    with SpeechEmulator() as emulator:
        outcomes = run_document(page, emulator, folder, tmp_path / "kept")
    assert [outcome.status for outcome in outcomes] == ["failed", "shown", "run"]
    assert "printed\n1\n" in outcomes[0].reason


def test_the_readme_is_run_too() -> None:
    assert any(block.path == README for block in PROGRAMS)
