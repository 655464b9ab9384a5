"""The effective contract: cut to the operations in use, with all that they refer to."""

from __future__ import annotations

import json
import runpy
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml.comments import CommentedMap

from contract.compose import ROOT, compose, compose_files, main, rebase
from contract.document import (
    ContractError,
    dump,
    load_openapi,
    references,
    resolve,
)
from contract.overlay import Overlay, load_overlay
from tests.contract.frozen import OPERATIONS, OVERLAY, OVERLAY_FILE, SPEC, SPEC_FILE

if TYPE_CHECKING:
    from pathlib import Path

NO_ACTIONS = Overlay((), "none")


def load(text: str, tmp_path: Path) -> CommentedMap:
    path = tmp_path / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    return load_openapi(path)


def cut(text: str, tmp_path: Path, *operations: str) -> str:
    """The document cut to the operations, without the line that tells of the overlay."""
    document = load(text, tmp_path)
    compose(document, NO_ACTIONS, operations)
    del document["x-overlay-applied"]
    return dump(document)


def test_the_contract_has_the_published_operation_and_the_overlay_s(tmp_path: Path) -> None:
    """And the values that the overlay adds to a published list."""
    contract = load(compose_files(SPEC_FILE, OVERLAY_FILE), tmp_path)
    assert list(contract["paths"]) == ["/audio/speech", "/voices"]
    request = contract["components"]["schemas"]["AudioSpeechRequest"]["properties"]
    assert request["response_format"]["enum"] == ["mp3", "wav", "raw", "mulaw"]
    assert request["alignment"]["enum"] == ["none", "word"]
    voices = contract["paths"]["/voices"]["get"]
    assert voices["operationId"] == "fetchVoices"
    assert voices["tags"] == ["Voices"]
    assert [parameter["name"] for parameter in voices["parameters"]] == ["model"]
    assert list(voices["responses"]) == ["200", "400", "401", "429"]


def test_the_contract_holds_every_line_of_the_published_one_in_order() -> None:
    """The overlay adds lines; no byte of the page is spelled anew."""
    composed = iter(compose_files(SPEC_FILE, OVERLAY_FILE).splitlines())
    assert all(line in composed for line in SPEC.splitlines())


def test_composing_the_result_again_changes_nothing(tmp_path: Path) -> None:
    """To the byte."""
    again = tmp_path / "contract.yaml"
    again.write_text(compose_files(SPEC_FILE, OVERLAY_FILE), encoding="utf-8")
    assert compose_files(again, OVERLAY_FILE) == again.read_text(encoding="utf-8")


def test_an_overlay_that_removes_is_not_applied_twice(tmp_path: Path) -> None:
    """Its target is gone by then, which would else be an error."""
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(
        OVERLAY_FILE.read_text(encoding="utf-8")
        + "  - target: $.paths['/audio/speech'].post.x-codeSamples\n    remove: true\n",
        encoding="utf-8",
    )
    again = tmp_path / "contract.yaml"
    again.write_text(compose_files(SPEC_FILE, overlay), encoding="utf-8")
    assert "codeSamples" not in again.read_text(encoding="utf-8")
    assert compose_files(again, overlay) == again.read_text(encoding="utf-8")


WHOLE = """\
openapi: 3.1.0 # beside the version
info: {title: t, version: '1'}
tags:
  # tag one
  - name: One
  # tag two
  - name: Two
security:
  - key: []
paths:
  # path one
  /one:
    summary: both
    parameters:
      - $ref: '#/components/parameters/Shared'
    # post one
    post:
      operationId: one
      tags: [One]
      requestBody:
        $ref: '#/components/requestBodies/Body'
      responses:
        '200': {$ref: '#/components/responses/Ok'}
    # get one
    get:
      operationId: other
      tags: [Two]
      security: [{oauth: [read]}]
      responses: {}
  # path two
  /two:
    get:
      operationId: two
      tags: [Two]
      security: [{oauth: [read]}]
      responses:
        '200':
          content:
            text/plain:
              schema: {$ref: '#/components/schemas/Loop/properties/next'}
webhooks:
  # hook
  hook:
    post: {requestBody: {$ref: '#/components/requestBodies/Unused'}}
components:
  # schemas
  schemas:
    # animal
    Animal:
      discriminator:
        propertyName: kind
        mapping: {cat: Cat, dog: '#/components/schemas/Dog'}
    # cat
    Cat:
      enum: [no, 1e3, 'on']
    # loop
    Loop:
      properties:
        next: {$ref: '#/components/schemas/Loop'}
    # dog
    Dog: {type: string}
    # unused
    Unused: {$ref: '#/components/schemas/Nowhere'}
  # parameters
  parameters:
    Shared: {name: shared, in: query, schema: {type: string}}
  requestBodies:
    Body:
      content:
        application/json:
          schema: {$ref: '#/components/schemas/Animal'}
    Unused: {}
  responses:
    Ok: {headers: {X: {$ref: '#/components/headers/X'}}}
  headers:
    X: {schema: {type: string}}
  securitySchemes:
    # key
    key: {type: http, scheme: bearer}
    # oauth
    oauth: {type: oauth2}
# servers
servers: []
# the end
"""

ONE = """\
openapi: 3.1.0 # beside the version
info: {title: t, version: '1'}
tags:
  # tag one
  - name: One
security:
  - key: []
paths:
  # path one
  /one:
    summary: both
    parameters:
      - $ref: '#/components/parameters/Shared'
    # post one
    post:
      operationId: one
      tags: [One]
      requestBody:
        $ref: '#/components/requestBodies/Body'
      responses:
        '200': {$ref: '#/components/responses/Ok'}
components:
  # schemas
  schemas:
    # animal
    Animal:
      discriminator:
        propertyName: kind
        mapping: {cat: Cat, dog: '#/components/schemas/Dog'}
    # cat
    Cat:
      enum: [no, 1e3, 'on']
    # dog
    Dog: {type: string}
  # parameters
  parameters:
    Shared: {name: shared, in: query, schema: {type: string}}
  requestBodies:
    Body:
      content:
        application/json:
          schema: {$ref: '#/components/schemas/Animal'}
  responses:
    Ok: {headers: {X: {$ref: '#/components/headers/X'}}}
  headers:
    X: {schema: {type: string}}
  securitySchemes:
    # key
    key: {type: http, scheme: bearer}
# servers
servers: []
# the end
"""

TWO = """\
openapi: 3.1.0 # beside the version
info: {title: t, version: '1'}
tags:
  # tag two
  - name: Two
security:
  - key: []
paths:
  # path two
  /two:
    get:
      operationId: two
      tags: [Two]
      security: [{oauth: [read]}]
      responses:
        '200':
          content:
            text/plain:
              schema: {$ref: '#/components/schemas/Loop/properties/next'}
components:
  # schemas
  schemas:
    # loop
    Loop:
      properties:
        next: {$ref: '#/components/schemas/Loop'}
  securitySchemes:
    # key
    key: {type: http, scheme: bearer}
    # oauth
    oauth: {type: oauth2}
# servers
servers: []
# the end
"""


@pytest.mark.parametrize(("operation", "expected"), [("one", ONE), ("two", TWO)])
def test_a_cut_keeps_what_is_referred_to_and_nothing_else(
    tmp_path: Path, operation: str, expected: str
) -> None:
    """Components of every kind, tags and security schemes, each with its comments, in order."""
    assert cut(WHOLE, tmp_path, operation) == expected


def test_both_methods_of_a_path_may_be_in_use(tmp_path: Path) -> None:
    """The order of the ids does not matter."""
    assert cut(WHOLE, tmp_path, "one", "other") == cut(WHOLE, tmp_path, "other", "one")
    assert "# get one" in cut(WHOLE, tmp_path, "one", "other")


def test_a_document_without_components_stays_without(tmp_path: Path) -> None:
    """And unused ones leave no empty section."""
    bare = "openapi: 3.1.0\npaths:\n  /a:\n    get: {operationId: a}\n"
    assert cut(bare, tmp_path, "a") == bare
    unused = "components:\n  schemas:\n    A: {type: string}\ntags:\n  - name: B\n"
    assert cut(bare + unused, tmp_path, "a") == bare


FAULTS = {
    "missing operation": (WHOLE.replace("operationId: one", "operationId: uno"), "'one' is miss"),
    "duplicate key": (WHOLE + "servers: []\n", r"found duplicate key \"servers\""),
    "dangling": (WHOLE.replace("    Cat:", "    Kat:"), "there is no '#/components/schemas/Cat'"),
    "dangling section": (WHOLE.replace("  headers:\n", "  heads:\n"), "dangling reference"),
    "non-local": (WHOLE.replace("'#/components/schemas/Dog'", "dog.yaml"), "'dog.yaml' is not a l"),
    "no component": (WHOLE.replace("#/components/headers/X", "#/info"), "'#/info' is no component"),
    "a whole section": (WHOLE.replace("/headers/X", "/headers"), "is no component"),
    "another path": (WHOLE.replace("#/components/headers/X", "#/paths/~1two/get"), "dangling"),
    "no such scheme": (WHOLE.replace("    key: {", "    kay: {"), "security scheme 'key' is miss"),
    "no schemes": (
        WHOLE.replace("securitySchemes", "x-schemes"),
        "#/components/securitySchemes is",
    ),
    "odd tags": (WHOLE.replace("[One]", "One"), "/post/tags is no list of strings"),
    "odd list of tags": (WHOLE.replace("- name: One", "- One"), "#/tags is no list of mappings"),
    "odd security": (WHOLE.replace("- key: []", "- key"), "#/security is no list of mappings"),
    "odd mapping": (WHOLE.replace("{cat: Cat,", "{cat: 1,"), "discriminator/mapping does not map"),
    "odd mappings": (
        WHOLE.replace("mapping: {", "mapping: [").replace("Dog'}", "Dog']"),
        "does no",
    ),
    "not OpenAPI": ("a: 1\n", "not an OpenAPI 3 document"),
    "not YAML": ("a: [\n", "invalid YAML"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_unsound_document_is_refused(tmp_path: Path, fault: str) -> None:
    """Rather than cut into something that looks whole."""
    text, reason = FAULTS[fault]
    with pytest.raises(ContractError, match=reason):
        cut(text, tmp_path, "one")


def test_a_reference_within_the_operations_in_use_is_fine(tmp_path: Path) -> None:
    """What it leads to stays."""
    text = WHOLE.replace("#/components/headers/X", "#/paths/~1one/post")
    assert "#/paths/~1one/post" in cut(text, tmp_path, "one")


def test_the_command_writes_the_contract(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """To a file or to standard output."""
    target = tmp_path / "out.yaml"
    sources = ["--spec", str(SPEC_FILE), "--overlay", str(OVERLAY_FILE)]
    assert main([*sources, "--output", str(target)]) == 0
    assert main(sources) == 0
    expected = compose_files(SPEC_FILE, OVERLAY_FILE)
    assert target.read_text(encoding="utf-8") == expected == capsys.readouterr().out


@pytest.mark.parametrize(
    ("spec", "overlay", "reason"),
    [
        ("none.yaml", None, "cannot be read"),
        ("a: 1\na: 2\n", None, "duplicate key"),
        ("a: [\n", None, "invalid YAML"),
        ("a: 1\n", None, "not an OpenAPI 3 document"),
        ("openapi: 3.1.0\npaths: {}\n", None, "the target matches nothing"),
        (None, "none.yaml", "cannot be read"),
        (None, "overlay: 1.0.0\n", "`info` needs"),
        (SPEC.replace("audio-speech\n", "speech\n"), None, "'audio-speech' is missing"),
        (SPEC.replace("  ErrorData:", "  Error:"), None, "dangling reference"),
        (SPEC.replace("'#/components/sch", "'a.yaml#/sch"), None, "not a local ref"),
    ],
)
def test_the_command_fails_with_status_2_and_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    spec: str | None,
    overlay: str | None,
    reason: str,
) -> None:
    """Nothing is written then."""
    argv = ["--output", str(tmp_path / "out.yaml")]
    argv += ["--spec", str(SPEC_FILE), "--overlay", str(OVERLAY_FILE)]
    for option, text in (("--spec", spec), ("--overlay", overlay)):
        if text is not None:
            path = tmp_path / text if text == "none.yaml" else tmp_path / option.strip("-")
            if text != "none.yaml":
                path.write_text(text, encoding="utf-8")
            argv += [option, str(path)]
    assert main(argv) == 2
    told = capsys.readouterr()
    assert reason in told.err
    assert len(told.err.splitlines()) == 1
    assert told.out == ""
    assert not (tmp_path / "out.yaml").exists()


def test_a_target_that_cannot_be_written_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As any other failure."""
    sources = ["--spec", str(SPEC_FILE), "--overlay", str(OVERLAY_FILE)]
    assert main([*sources, "--output", str(tmp_path / "no" / "such" / "folder.yaml")]) == 2
    assert "No such file or directory" in capsys.readouterr().err


def test_the_exit_status_is_the_command_s(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`python -m contract.compose` ends with what `main` returns."""
    monkeypatch.setattr(sys, "argv", ["contract.compose", "--spec", "none.yaml"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "contract" / "compose.py"), run_name="__main__")
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("contract.compose: none.yaml: cannot be read: ")


def large_document(published: str, paths: int, schemas: int) -> str:
    """The published page amid so many other paths and so many schemas, which form circles."""
    others = "".join(
        f"""\
  # path {n}
  /other/{n}:
    get:
      tags: [Other]
      operationId: other-{n}
      parameters:
        - $ref: '#/components/parameters/Page'
      responses:
        '200':
          description: OK
          content:
            application/json:
              schema:
                $ref: '#/components/schemas/Other{n % schemas}'
        '400':
          description: BadRequest
          content:
            application/json:
              schema:
                $ref: '#/components/schemas/ErrorData'
"""
        for n in range(paths)
    )
    more = "".join(
        f"""\
    # schema {n}
    Other{n}:
      type: object
      description: >
        A long text which is folded over lines, as those of the published page are, so that what is
        read takes as long.
      properties:
        next:
          $ref: '#/components/schemas/Other{(n + 1) % schemas}'
        mode:
          type: string
          enum: [no, yes, 1e3]
        list:
          type: array
          items:
            anyOf:
              - $ref: '#/components/schemas/Other{n * 7 % schemas}'
              - type: 'null'
"""
        for n in range(schemas)
    )
    page = "  parameters:\n    Page: {name: page, in: query, schema: {type: integer}}\n"
    head, rest = published.split("paths:\n", 1)
    body, components = rest.split("components:\n  schemas:\n", 1)
    return f"{head}paths:\n{others}{body}components:\n{page}  schemas:\n{more}{components}"


def test_a_large_document_gives_the_same_contract_as_the_page(tmp_path: Path) -> None:
    """14,000 lines, 70 paths more, shared components and circles of references."""
    whole = large_document(SPEC, paths=70, schemas=640)
    assert len(whole.splitlines()) > 13_000
    spec = tmp_path / "whole.yaml"
    spec.write_text(whole, encoding="utf-8")
    assert compose_files(spec, OVERLAY_FILE) == compose_files(SPEC_FILE, OVERLAY_FILE)


def test_a_large_document_can_keep_a_circle(tmp_path: Path) -> None:
    """Once in a circle, all of it is in use."""
    whole = large_document(SPEC, paths=5, schemas=30)
    document = load(whole, tmp_path)
    compose(document, load_overlay(OVERLAY_FILE), [*OPERATIONS, "other-3"])
    kept = document["components"]["schemas"]
    assert {f"Other{n}" for n in range(30)} < set(kept)
    assert "# schema 7\n" in dump(document)
    assert "# path 3\n" in dump(document)
    assert "# path 4\n" not in dump(document)


names = st.sampled_from("ABCDEFGH")


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Operations and schemas that refer to one another at will."""
    schemas = {
        name: {"properties": {f"to{other}": {"$ref": f"#/components/schemas/{other}"}
               for other in draw(st.sets(names, max_size=2))}}
        for name in "ABCDEFGH"
    }  # fmt: skip
    paths = {
        f"/{number}": {
            method: {
                "operationId": f"{method}{number}",
                "requestBody": {"$ref": f"#/components/schemas/{draw(names)}"},
            }
            for method in draw(st.sets(st.sampled_from(["get", "put", "post"]), min_size=1))
        }
        for number in range(draw(st.integers(1, 3)))
    }
    return {"openapi": "3.1.0", "paths": paths, "components": {"schemas": schemas}}


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(plain=documents(), data=st.data())
def test_a_cut_is_whole_least_and_final(
    tmp_path: Path, plain: dict[str, Any], data: st.DataObject
) -> None:
    """References resolve, each schema kept is referred to, a second cut changes nothing."""
    ids = [op["operationId"] for item in plain["paths"].values() for op in item.values()]
    wanted = data.draw(st.lists(st.sampled_from(ids), min_size=1, unique=True))
    path = tmp_path / "plain.yaml"
    path.write_text(dump(CommentedMap(plain)), encoding="utf-8")
    document = load_openapi(path)
    compose(document, NO_ACTIONS, wanted)
    found = list(references(document))
    assert {resolve(document, reference)[2] for reference in found} == set(
        document["components"]["schemas"]
    )
    assert sorted(
        op["operationId"] for item in document["paths"].values() for op in item.values()
    ) == sorted(wanted)
    for name, schema in document["components"]["schemas"].items():
        assert schema == plain["components"]["schemas"][name]
    once = dump(document)
    path.write_text(once, encoding="utf-8")
    again = load_openapi(path)
    compose(again, NO_ACTIONS, wanted)
    assert dump(again) == once


# --- the same URLs, and where something has moved to --------------------------------------------


SERVER = "  - url: https://api.together.ai/v1\n"


def composed(text: str, tmp_path: Path) -> str:
    path = tmp_path / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    return compose_files(path, OVERLAY_FILE)


@pytest.mark.parametrize(
    ("server", "path"),
    [
        ("https://api.together.ai", "/v1/audio/speech"),
        ("https://api.together.ai/", "/v1/audio/speech"),
        ("https://api.together.ai/v1/audio", "/speech"),
        ("https://api.together.ai/v1/", "/audio/speech"),
    ],
)
def test_the_same_urls_give_the_same_contract(tmp_path: Path, server: str, path: str) -> None:
    """However servers and paths divide them."""
    text = SPEC.replace(SERVER, f"  - url: {server}\n")
    text = text.replace("\n  /audio/speech:\n", f"\n  {path}:\n")
    found = composed(text, tmp_path).replace("ai/v1/\n", "ai/v1\n")
    assert found == compose_files(SPEC_FILE, OVERLAY_FILE)


@pytest.mark.parametrize(
    "text",
    [
        SPEC.replace(SERVER, "  - url: https://api.example/v1\n"),
        SPEC.replace(SERVER, "  - url: https://api.together.ai\n"),
        SPEC.replace(
            SERVER, "  - url: https://api.together.ai/v1/eu\n  - url: https://b.example\n"
        ),
        SPEC.replace("servers:\n" + SERVER, ""),
        SPEC.replace(SERVER, "  - url: https://api.together.ai\n")
        .replace("\n  /audio/speech:\n", "\n  /v1/audio/speech:\n")
        .replace("\n    post:\n", "\n    servers: [{url: https://b.example}]\n    post:\n"),
    ],
)
def test_other_urls_stay_as_they_are(tmp_path: Path, text: str) -> None:
    """Servers and paths alike."""
    lines = iter(composed(text, tmp_path).splitlines())
    assert all(line in lines for line in text.splitlines())


def test_a_contract_in_json_is_written_in_blocks(tmp_path: Path) -> None:
    """So that its changes can be read."""
    plain = json.dumps(load(SPEC, tmp_path), default=str)
    assert '\n  "/audio/speech":\n    "post":\n' in composed(plain, tmp_path)


def test_a_conflict_has_an_exit_status_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And nothing is written."""
    spec = tmp_path / "spec.yaml"
    alignment = "        alignment: {type: boolean}\n        input:\n"
    spec.write_text(SPEC.replace("        input:\n", alignment, 1), encoding="utf-8")
    assert main(["--spec", str(spec), "--overlay", str(OVERLAY_FILE)]) == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("contract.compose: the overlay contradicts the document\n")
    place = "#/components/schemas/AudioSpeechRequest/properties/alignment/type"
    assert f'conflicts at {place}: upstream says "boolean", the overlay "string"\n' in said.err


REQUEST = "#/components/schemas/AudioSpeechRequest"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (
            SPEC.replace("operationId: audio-speech", "operationId: createSpeech"),
            "operation 'audio-speech' is missing; POST /audio/speech has the operationId"
            " 'createSpeech' now: put that into OPERATIONS of contract/compose.py",
        ),
        *(
            (
                SPEC.replace("operationId: audio-speech", "operationId: createSpeech")
                .replace(SERVER, f"  - url: {server}\n")
                .replace("\n  /audio/speech:\n", f"\n  {path}:\n"),
                "operation 'audio-speech' is missing; POST /audio/speech has the operationId"
                " 'createSpeech' now: put that into OPERATIONS of contract/compose.py",
            )
            for server, path in (
                ("https://api.together.ai", "/v1/audio/speech"),
                ("https://api.together.ai/v1/audio", "/speech"),
            )
        ),
        (
            SPEC.replace("  /audio/speech:", "  /audio/say:").replace("Id: audio-sp", "Id: sp"),
            "; nothing stands at POST /audio/speech, where it was",
        ),
        (
            SPEC.replace("    post:\n", "    put:\n").replace("Id: audio-speech", "Id: speech"),
            "; nothing stands at POST /audio/speech, where it was",
        ),
        (
            SPEC.replace("AudioSpeechRequest", "SpeakRequest"),
            f"the target matches nothing; {REQUEST} is #/components/schemas/SpeakRequest now:"
            " name that in contract/overlay.yaml",
        ),
        (
            SPEC.replace(f"$ref: '{REQUEST}'", "{type: object}").replace(
                "    AudioSpeechRequest:", "    Other:"
            ),
            f"{REQUEST} stands at $['paths']['/audio/speech']['post']['requestBody']['content']"
            "['application/json']['schema'] now: name that in contract/overlay.yaml",
        ),
        (
            SPEC.replace("    AudioSpeechRequest:", "    Part:").replace(
                "  schemas:\n",
                "  schemas:\n    AudioSpeechRequest:\n      allOf:\n"
                "        - $ref: '#/components/schemas/Empty'\n"
                "        - $ref: '#/components/schemas/Part'\n"
                "    Empty: {type: object}\n",
            ),
            "the target matches nothing; #/components/schemas/Part has it now: name that in this"
            " action",
        ),
        (
            SPEC.replace("      properties:\n        model:\n", "      fields:\n        model:\n"),
            "action 3 ($.components.schemas.AudioSpeechRequest.properties): the target matches"
            " nothing",
        ),
    ],
)
def test_what_has_moved_is_told_with_its_new_place(
    frozen_tree: Path, tmp_path: Path, text: str, hint: str
) -> None:
    """By the contract that was in use until then."""
    path = tmp_path / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    known = frozen_tree / "generated" / "contract.yaml"
    with pytest.raises(ContractError) as caught:
        compose_files(path, OVERLAY_FILE, known=known)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).endswith(hint)
    with pytest.raises(ContractError) as caught:
        compose_files(path, OVERLAY_FILE, known=tmp_path / "none.yaml")
    assert str(caught.value) in f"{path}: {caught.value}"
    assert " now: " not in str(caught.value)


def test_paths_outside_the_base_are_left_out(tmp_path: Path) -> None:
    """They stand below another base, and must not take the place of those that are in use."""
    text = SPEC.replace(SERVER, "  - url: https://api.together.ai\n")
    others = "".join(
        f"  {path}:\n    get: {{}}\n" for path in ("/audio/speech", "/v1beta/x", "/v1/x")
    )
    text = text.replace("\n  /audio/speech:\n", f"\n{others}  /v1/audio/speech:\n")
    document = load(text, tmp_path)
    rebase(document)
    assert list(document["paths"]) == ["/x", "/audio/speech"]
    assert "post" in document["paths"]["/audio/speech"]


def test_without_an_operation_in_use_paths_stay_where_none_is_below_the_base(
    tmp_path: Path,
) -> None:
    """They stand below another one, and there is nothing to be told about them but that."""
    text = SPEC.replace(SERVER, "  - url: https://api.together.ai\n")
    document = load(text.replace("operationId: audio-speech", "operationId: other"), tmp_path)
    rebase(document)
    assert list(document["paths"]) == ["/audio/speech"]
    assert document["servers"] == [{"url": "https://api.together.ai"}]


def test_an_operation_that_no_contract_has_is_missing(
    frozen_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can be said of where it stood."""
    monkeypatch.setattr("contract.compose.OPERATIONS", ("another",))
    known = frozen_tree / "generated" / "contract.yaml"
    with pytest.raises(ContractError) as caught:
        compose_files(SPEC_FILE, OVERLAY_FILE, known=known)
    assert str(caught.value) == f"{SPEC_FILE}: operation 'another' is missing"


def test_a_target_outside_the_components_is_only_named(frozen_tree: Path, tmp_path: Path) -> None:
    """Its new place cannot be told from who refers to it."""
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(OVERLAY.replace("target: $.paths", "target: $.ways"), encoding="utf-8")
    with pytest.raises(ContractError, match=r"action 1 \(\$\.ways\): the target matches nothing$"):
        compose_files(SPEC_FILE, overlay, known=frozen_tree / "generated" / "contract.yaml")


def test_a_reference_of_the_overlay_s_that_dangles_is_told_with_the_new_name(
    frozen_tree: Path, tmp_path: Path
) -> None:
    """Where upstream has renamed a component that the overlay uses, and that it has not got."""
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(OVERLAY.replace("VoicesError", "ErrorData", 1), encoding="utf-8")
    spec = tmp_path / "spec.yaml"
    known = frozen_tree / "generated" / "contract.yaml"
    for old, hint in (
        (
            "schemas/ErrorData",
            "; #/components/schemas/ErrorData is #/components/schemas/Fault now:",
        ),
        (
            "responses/ErrorData",
            "dangling reference: there is no '#/components/responses/ErrorData'",
        ),
    ):
        text = SPEC.replace("schemas/ErrorData", "schemas/Fault")
        text = text.replace("    ErrorData:", "    Fault:")
        spec.write_text(text, encoding="utf-8")
        changed = overlay.read_text(encoding="utf-8").replace("schemas/ErrorData", old)
        overlay.write_text(changed, encoding="utf-8")
        with pytest.raises(ContractError) as caught:
            compose_files(spec, overlay, known=known)
        assert hint in str(caught.value)
