"""How findings are told: the order, the formats, the lines that annotations point at."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from contract.diff import main
from contract.document import parse_openapi
from contract.report import Finding, Source, Verdict, render
from tests.contract.documents import WHERE, speech

if TYPE_CHECKING:
    from pathlib import Path

NONE, DOCS, ADDITIVE, BREAKING = Verdict.NONE, Verdict.DOCS, Verdict.ADDITIVE, Verdict.BREAKING
PLACE = ("paths", "/a", "post")
TOLD = [
    Finding(DOCS, "wording", "a", "`title` reads differently", None, "50%\n", (*PLACE, "title")),
    Finding(ADDITIVE, "widening", "b", "a new property", None, ["string"], (*PLACE, "x")),
    Finding(DOCS, "deprecation", "c", "is deprecated", None, True, ("paths",)),
    Finding(BREAKING, "narrowing", "d", 'no longer allowed: "y|z"', ["x", "y|z"], ["x"], PLACE),
]


def test_what_is_deprecated_comes_first_and_then_the_worst() -> None:
    """As text, whose first line and last name the verdict."""
    assert render(TOLD, "text").splitlines() == [
        "BREAKING",
        "  DOCS: c: is deprecated",
        "      null → true",
        '  BREAKING: d: no longer allowed: "y|z"',
        '      ["x", "y|z"] → ["x"]',
        "  ADDITIVE: b: a new property",
        '      null → ["string"]',
        "  DOCS: a: `title` reads differently",
        '      null → "50%\\n"',
        "BREAKING",
    ]
    bare = Finding(DOCS, "wording", "a", "b", None, None)
    assert render([bare], "text") == "DOCS\n  DOCS: a: b\nDOCS\n"


def test_markdown_is_a_table_between_two_verdicts() -> None:
    """Whatever the values are made of."""
    assert render(TOLD[3:], "markdown").splitlines() == [
        "**BREAKING**",
        "",
        "| verdict | where | why | old | new |",
        "|---|---|---|---|---|",
        '| BREAKING | d | no longer allowed: "y\\|z" | `["x", "y\\|z"]` | `["x"]` |',
        "",
        "**BREAKING**",
    ]
    odd = Finding(DOCS, "wording", "a\nb|<i>.*[]", "w", "``c`|", "d" * 500)
    row = render([odd], "markdown").splitlines()[4]
    assert row.startswith('| DOCS | a b\\|\\<i>.\\*\\[] | w | ``` "``c`\\|" ``` | `"ddd')
    assert row.endswith("d…` |")


def test_json_is_for_programs() -> None:
    """The verdict, and of each finding all that is told."""
    answer = json.loads(render(TOLD, "json"))
    assert answer["verdict"] == "BREAKING"
    assert [finding["where"] for finding in answer["findings"]] == ["c", "d", "b", "a"]
    assert answer["findings"][1] == {
        "verdict": "BREAKING",
        "direction": "narrowing",
        "where": "d",
        "why": 'no longer allowed: "y|z"',
        "old": ["x", "y|z"],
        "new": ["x"],
    }


def test_annotations_have_a_level_and_where_there_is_a_file_a_line() -> None:
    """What is deprecated is a warning."""
    assert render(TOLD, "github").splitlines() == [
        "::warning title=DOCS c::is deprecated (null → true)",
        '::error title=BREAKING d::no longer allowed: "y|z" (["x", "y|z"] → ["x"])',
        '::warning title=ADDITIVE b::a new property (null → ["string"])',
        '::notice title=DOCS a::`title` reads differently (null → "50%25\\n")',
        "BREAKING",
    ]
    text = "openapi: 3.1.0\n# here\npaths:\n  /a:\n    post:\n      title: t\n"
    source = Source("a,b.yaml", parse_openapi(text.encode(), "it"))
    lines = render(TOLD, "github", source=source).splitlines()
    assert [line.partition(",title=")[0] for line in lines] == [
        "::warning file=a%2Cb.yaml,line=3",
        "::error file=a%2Cb.yaml,line=5",
        "::warning file=a%2Cb.yaml,line=5",
        "::notice file=a%2Cb.yaml,line=6",
        "BREAKING",
    ]


@pytest.mark.parametrize(
    ("at", "line"),
    [
        ((), 1),
        (("openapi",), 1),
        (("none",), 1),
        (("paths", "/a", "post", "tags", 1), 9),
        (("paths", "/a", "post", "tags", 5), 7),
        (("paths", "/a", "post", "tags", 1, "deeper"), 9),
        (("paths", "/a", "post", "responses", 200, "description"), 12),
        (("paths", "/a", "post", "responses", "404"), 10),
    ],
)
def test_a_line_is_that_of_the_place_or_of_what_is_around_it(
    at: tuple[str | int, ...], line: int
) -> None:
    """An overlay may have put there what the file has not."""
    text = """\
openapi: 3.1.0
# a comment
paths:

  /a:
    post:
      tags:
        - one
        - two
      responses:
        200:
          description: OK
"""
    assert Source("f", parse_openapi(text.encode(), "it")).line(at) == line


def test_annotations_cannot_be_broken_out_of() -> None:
    """Whatever a name in a document is made of; a long value is cut."""
    finding = Finding(DOCS, "wording", "a:b,c\n::error::d", "e\r\nf", "g" * 500, None)
    line, _ = render([finding], "github").splitlines()
    assert line.startswith("::notice title=DOCS a%3Ab%2Cc%0A%3A%3Aerror%3A%3Ad::e%0D%0Af (")
    assert "g" * 100 in line
    assert "g" * 120 not in line


def test_nothing_found_is_a_verdict_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The last line names it, in every format; JSON has it on standard error."""
    path = tmp_path / "spec.yaml"
    path.write_text(json.dumps(speech()), encoding="utf-8")
    for form, name in (("text", "NONE"), ("markdown", "**NONE**"), ("github", "NONE")):
        assert main([str(path), str(path), "--format", form]) == 0
        assert capsys.readouterr().out == f"{name}\n"
    assert main([str(path), str(path), "--format", "json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == {"verdict": "NONE", "findings": []}
    assert said.err == "NONE\n"


def test_the_last_line_names_what_was_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the annotations point into the new document, if it is a file."""
    old, new = tmp_path / "old.yaml", tmp_path / "new.json"
    old.write_text(json.dumps(speech(True)), encoding="utf-8")
    new.write_text(json.dumps(speech({"type": "string"}), indent=1), encoding="utf-8")
    for form, name in (("text", "BREAKING"), ("markdown", "**BREAKING**"), ("github", "BREAKING")):
        main([str(old), str(new), "--format", form])
        assert capsys.readouterr().out.splitlines()[-1] == name
    main([str(old), str(new), "--format", "github"])
    line = 1 + new.read_text().splitlines().index('       "schema": {')
    place = f"::error file={new},line={line},title=BREAKING {WHERE} request body::"
    assert capsys.readouterr().out.startswith(place)
    main([str(old), str(new), "--format", "json"])
    assert capsys.readouterr().err == "BREAKING\n"
