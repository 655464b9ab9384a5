"""The day on which the contract moves, from `make vendor` to green, in a copy of the tree.

Today's contract is changed in each way that a contract moves in, and taken in. `Day.follow` then
does what the tools print, and nothing else. A few of the ways are tried with all other tests, the
whole with `make rehearse`.
"""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from contract.compose import OPERATIONS, ROOT
from contract.document import dump, find_operation, load_openapi
from contract.generate import read_tree
from contract.overlay import Overlay, apply, load_overlay
from contract.uses import USERS
from contract.vendor import FILES
from tests.contract.reading import Contract

# What the tools read and write, and what is tested.
COPIED = (
    ".github", ".gitignore", "CHANGELOG.md", "Makefile", "README.md", "benchmarks", "contract",
    "docs", "docs_tools", "facade", "generated", "generator-config.yaml", "openapi.yaml",
    "pyproject.toml", "tests", "together_emulator",
)  # fmt: skip

# Those that the copied tests need: to load all that are installed takes longer than they run.
PLUGINS = {
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTEST_PLUGINS": "pytest_socket,together_emulator.pytest_plugin",
}

COVERAGE = "test_facade_coverage.py::"
EMULATOR = "test_contract.py::"

Evolve = Callable[[CommentedMap], None]


class Run(NamedTuple):
    """A tool that has ended."""

    status: int
    out: str
    err: str

    @property
    def told(self) -> str:
        """All that it printed."""
        return self.out + self.err

    @property
    def red(self) -> set[str]:
        """The tests that failed, without their parameters."""
        return set(re.findall(r"^FAILED \S+?/(test_\w+\.py::\w+)", self.out, re.MULTILINE))


class Day:
    """A copy of the tree, and what is done in it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "tree"
        self.root.mkdir()
        self._spec = folder / "upstream.yaml"
        self.redundant = 0
        for name in COPIED:
            if (ROOT / name).is_dir():
                unbuilt = shutil.ignore_patterns("_build")
                shutil.copytree(ROOT / name, self.root / name, ignore=unbuilt)
            else:
                shutil.copyfile(ROOT / name, self.root / name)

    def vendor(self, document: CommentedMap | str | bytes | None = None) -> Run:
        """`make vendor` of a document, or once more of the last one."""
        if isinstance(document, CommentedMap):
            document = dump(document)
        if document is not None:
            content = document.encode() if isinstance(document, str) else document
            self._spec.write_bytes(content)
        return self.python("-m", "contract.vendor", str(self._spec))

    def follow(self, run: Run) -> Run:
        """Do what the tools print until they print nothing more to be done, or five times."""
        for _ in range(5):
            if not self._do(run.told):
                break
            run = self.vendor()
        return run

    def test(self, *names: str) -> Run:
        """Run tests in the copy."""
        return self.python("-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider", *names)

    def _do(self, said: str) -> bool:
        """Carry out each instruction that is printed; whether there was any."""
        return any(
            [
                self._rename_operation(said),
                self._rename_component(said),
                self._remove_what_conflicts(said),
                self._mend_imports(said),
                self._remove_redundant_actions(said),
            ]
        )

    def _rename_operation(self, said: str) -> bool:
        found = re.search(
            r"operation '(.+?)' is missing; .* has the operationId '(.+?)' now: put that into"
            r" OPERATIONS of (\S+)",
            said,
        )
        return found is not None and self._replace(found[3], f'"{found[1]}"', f'"{found[2]}"')

    def _rename_component(self, said: str) -> bool:
        found = re.search(
            r"#/components/schemas/(\w+) (?:is #/components/schemas/(\w+)|stands at (\S+)) now:"
            r" name that in (\S+)",
            said,
        )
        if not found:
            part = re.search(
                r"\$\.components\.schemas\.(\w+)(\S*)\): .*#/components/schemas/(\w+) has it now:"
                r" name that in this action",
                said,
            )
            if part is None:
                return False
            old = f"$.components.schemas.{part[1]}{part[2]}"
            new = f"$.components.schemas.{part[3]}{part[2]}"
            return self._replace("contract/overlay.yaml", old, new)
        new = f"$.components.schemas.{found[2]}" if found[2] else found[3]
        return self._replace(found[4], f"$.components.schemas.{found[1]}", new)

    def _remove_what_conflicts(self, said: str) -> bool:
        """Take the overlay's side, by the lines that are printed."""
        blocks = re.findall(
            r"overlay\.yaml:(\d+): action \d+ .* conflicts at .*\n"
            r"(?:  \S.*\n)*    Where upstream.*\n    Where the documentation.*\n"
            r"((?:  - target: .*\n    description: .*\n    remove: true\n)+)",
            said,
        )
        for line, block in reversed(blocks):
            lines = self._overlay.read_text(encoding="utf-8").splitlines(keepends=True)
            lines.insert(int(line) - 1, block)
            self._overlay.write_text("".join(lines), encoding="utf-8")
        return bool(blocks)

    def _mend_imports(self, said: str) -> bool:
        said = said.partition("Left for a person")[0]
        found = re.findall(
            r"^  (\S+\.py):\d+: [\w.]+\.(\w+) is gone; .* (?:has|takes) (\w+)$", said, re.MULTILINE
        )
        for file, old, new in found:
            path = self.root / file
            text = path.read_text(encoding="utf-8")
            path.write_text(re.sub(rf"\b{old}\b", new, text), encoding="utf-8")
        return bool(found)

    def _remove_redundant_actions(self, said: str) -> bool:
        said = said.partition("Left for a person")[2]
        found = re.findall(r"overlay\.yaml:(\d+): action \d+ .* is redundant: .*; remove it", said)
        if not found:
            return False
        self.remove_actions(*map(int, found))
        self.redundant += len(found)
        assert "then `make generate`" in said
        assert self.python("-m", "contract.generate").status == 0
        return True

    def remove_actions(self, *numbers: int) -> None:
        """Take the actions that begin in these lines out of the overlay."""
        lines = self._overlay.read_text(encoding="utf-8").splitlines(keepends=True)
        starts = [n for n, line in enumerate(lines) if line.startswith("  - target:")]
        for first in sorted((number - 1 for number in numbers), reverse=True):
            end = next((start for start in starts if start > first), len(lines))
            del lines[first:end]
        self._overlay.write_text("".join(lines), encoding="utf-8")

    @property
    def _overlay(self) -> Path:
        return self.root / "contract" / "overlay.yaml"

    def _replace(self, name: str, old: str, new: str) -> bool:
        path = self.root / name
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(old, new), encoding="utf-8")
        return old in text

    def python(self, *arguments: str) -> Run:
        """Run a program of Python's in the copy, on its own modules."""
        path = os.pathsep.join([str(self.root), str(self.root / "generated")])
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": path, **PLUGINS},
            capture_output=True,
            text=True,
        )
        return Run(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def day(tmp_path: Path) -> Day:
    return Day(tmp_path)


@pytest.fixture
def document() -> CommentedMap:
    """Today's contract, to be changed."""
    return load_openapi(ROOT / "openapi.yaml")


# --- where things stand in today's contract, whatever it is ------------------------------------


def operation(document: CommentedMap) -> CommentedMap:
    path, method = find_operation(document, OPERATIONS[0])
    found: CommentedMap = document["paths"][path][method]
    return found


def request(document: CommentedMap) -> CommentedMap:
    """The schema of the request, where its properties stand."""
    content = operation(document)["requestBody"]["content"]
    found: CommentedMap = Contract(document).resolved(content["application/json"]["schema"])
    return found


def listed(document: CommentedMap) -> tuple[str, CommentedSeq]:
    """A property of the request that lists its values, which are texts, and those values."""
    return next(
        (name, schema["enum"])
        for name, schema in request(document)["properties"].items()
        if isinstance(schema.get("enum", [None])[0], str)
    )


def responses(document: CommentedMap) -> CommentedMap:
    found: CommentedMap = operation(document)["responses"]
    return found


def component(document: CommentedMap) -> str:
    """The name of the request's component."""
    content = operation(document)["requestBody"]["content"]
    return str(content["application/json"]["schema"]["$ref"]).rpartition("/")[2]


def in_place(document: CommentedMap, *, without: tuple[str, ...] = ()) -> Any:
    """The document with every component in the place where it is used, but for these."""

    def inlined(node: Any) -> Any:
        if isinstance(node, CommentedMap):
            if "$ref" in node and str(node["$ref"]).rpartition("/")[2] not in without:
                return inlined(copy.deepcopy(Contract(document).resolved(node)))
            return CommentedMap((key, inlined(value)) for key, value in node.items())
        if isinstance(node, CommentedSeq):
            return CommentedSeq(inlined(item) for item in node)
        return node

    found = inlined(document)
    kept = {name: found["components"]["schemas"][name] for name in without}
    del found["components"]["schemas"]
    if kept:
        found["components"]["schemas"] = CommentedMap(kept)
    return found


def renamed(document: CommentedMap, names: dict[str, str]) -> str:
    text = dump(document)
    for old, new in names.items():
        text = text.replace(f"#/components/schemas/{old}'", f"#/components/schemas/{new}'")
        text = re.sub(rf"^    {old}:", f"    {new}:", text, flags=re.MULTILINE)
    return text


# --- the same, otherwise spelled: green at once, or after what is printed ----------------------


def as_it_is(document: CommentedMap) -> str:
    return dump(document)


def as_json(document: CommentedMap) -> str:
    return json.dumps(document, indent=2, default=str)


def with_crlf(document: CommentedMap) -> bytes:
    return dump(document).replace("\n", "\r\n").encode()


def with_a_byte_order_mark(document: CommentedMap) -> str:
    return "\ufeff" + dump(document)


def with_components_inlined(document: CommentedMap) -> str:
    return dump(in_place(document, without=(component(document),)))


def with_all_components_inlined(document: CommentedMap) -> str:
    return dump(in_place(document))


def with_components_renamed(document: CommentedMap) -> str:
    names = set(document["components"]["schemas"]) - {component(document)}
    return renamed(document, {name: f"{name}V2" for name in names})


def with_the_request_renamed(document: CommentedMap) -> str:
    return renamed(document, {component(document): "SpeakRequest"})


def with_the_request_split(document: CommentedMap) -> str:
    schemas, name = document["components"]["schemas"], component(document)
    whole = schemas[name]
    schemas["SpeechOptions"] = CommentedMap(type="object", properties=whole["properties"])
    schemas["SpeechRequired"] = CommentedMap(type="object", required=whole["required"])
    schemas[name] = CommentedMap(
        allOf=[
            CommentedMap({"$ref": "#/components/schemas/SpeechOptions"}),
            CommentedMap({"$ref": "#/components/schemas/SpeechRequired"}),
        ]
    )
    return dump(document)


def with_the_base_path_moved(document: CommentedMap) -> str:
    """From the server into the paths: each URL is the same."""
    server = document["servers"][0]
    base, slash, last = server["url"].rpartition("/")
    server["url"] = base
    text = dump(document)
    for path in document["paths"]:
        text = text.replace(f"\n  {path}:", f"\n  {slash}{last}{path}:")
    return text


SAME: list[Any] = [
    as_it_is,
    as_json,
    with_crlf,
    with_a_byte_order_mark,
    with_components_inlined,
    with_components_renamed,
    with_the_base_path_moved,
]
SAME_BUT_FOR_NAMES: list[Any] = [
    with_all_components_inlined,
    with_the_request_renamed,
    with_the_request_split,
]


def rehearsal(*cases: Any) -> list[Any]:
    """Those that run with the whole rehearsal only."""
    return [pytest.param(case, marks=pytest.mark.rehearsal, id=case.__name__) for case in cases]


@pytest.mark.parametrize("spell", rehearsal(*SAME))
def test_the_same_contract_is_green_at_once(
    day: Day, document: CommentedMap, spell: Callable[[CommentedMap], Any]
) -> None:
    """And nothing of the client changes but the record of what it was made from."""
    before = read_tree(day.root / "generated" / "together_openapi" / "api")
    run = day.vendor(spell(document))
    assert (run.status, run.out.splitlines()[0]) == (0, "NONE"), run.told
    if spell is not with_components_renamed and spell is not with_components_inlined:
        assert read_tree(day.root / "generated" / "together_openapi" / "api") == before
    check_green(day)


@pytest.mark.parametrize("spell", rehearsal(*SAME_BUT_FOR_NAMES))
def test_the_same_contract_is_green_after_what_is_printed(
    day: Day, document: CommentedMap, spell: Callable[[CommentedMap], Any]
) -> None:
    """Where names of ours have to follow upstream's, each is told with the new one."""
    before = read_tree(day.root)
    run = day.vendor(spell(document))
    assert (run.status, run.out.splitlines()[0]) == (2, "NONE"), run.told
    assert read_tree(day.root) == before
    run = day.follow(run)
    assert (run.status, run.out.splitlines()[0]) == (0, "NONE"), run.told
    check_green(day)


def check_green(day: Day, *more: str) -> None:
    """After a run that ended well: nothing drifts, and requests go out as ever."""
    tests = ("tests/test_wire_json.py", "tests/unit/test_request.py", "tests/contract/test_ci.py")
    run = day.test(*tests, *more)
    assert run.status == 0, run.told
    run = day.python("-m", "contract.generate", "--check")
    assert run.status == 0, run.told


# --- more, less, or another: green at once, or red with what is promised -----------------------


class Promise(NamedTuple):
    """What the documentation promises of a kind of change."""

    change: Evolve
    verdict: str
    red: dict[str, str]
    """For each test that fails the words that it fails with; without any, all is green."""
    said: tuple[str, ...] = ()
    """What else is printed."""
    quick: bool = False


def other_words(document: CommentedMap) -> None:
    operation(document)["description"] = "Speaks a text in other words."


def another_sample(document: CommentedMap) -> None:
    operation(document)["x-codeSamples"] = [CommentedMap(lang="Go", label="Go", source="main()")]


def new_response_property(document: CommentedMap) -> None:
    error = Contract(document).resolved(responses(document)["400"])["content"]["application/json"]
    schema = Contract(document).resolved(error["schema"])
    schema["properties"]["a_new_one"] = CommentedMap(type="string")


def new_known_status(document: CommentedMap) -> None:
    responses(document)["402"] = copy.deepcopy(responses(document)["400"])


def new_status(document: CommentedMap) -> None:
    responses(document)["418"] = copy.deepcopy(responses(document)["400"])


def new_value(document: CommentedMap) -> None:
    listed(document)[1].append("a_new_one")


def new_property(document: CommentedMap) -> None:
    request(document)["properties"]["a_new_one"] = CommentedMap(type="number", default=1.5)


def new_required_property(document: CommentedMap) -> None:
    request(document)["properties"]["a_new_one"] = CommentedMap(type="number")
    request(document)["required"].append("a_new_one")


def new_event(document: CommentedMap) -> None:
    schema = responses(document)["200"]["content"]["text/event-stream"]["schema"]
    schema = Contract(document).resolved(schema)
    keyword = "oneOf" if "oneOf" in schema else "anyOf"
    inner = CommentedMap(
        type="object",
        required=["object", "b64"],
        properties=CommentedMap(
            object=CommentedMap(type="string", enum=["audio.tts.a_new_one"]),
            b64=CommentedMap(type="string"),
        ),
    )
    document["components"]["schemas"]["ANewEvent"] = CommentedMap(
        type="object", required=["data"], properties=CommentedMap(data=inner)
    )
    schema[keyword].append(CommentedMap({"$ref": "#/components/schemas/ANewEvent"}))


def no_property(document: CommentedMap) -> None:
    del request(document)["properties"][optional(document)]


def optional(document: CommentedMap) -> str:
    """A property that may be left out, and lists nothing."""
    schema = request(document)
    return next(
        str(name)
        for name, inner in schema["properties"].items()
        if name not in schema["required"] and inner["type"] == "string" and "enum" not in inner
    )


def no_value(document: CommentedMap) -> None:
    del listed(document)[1][-1]


TODAY = load_openapi(ROOT / "openapi.yaml")
VALUES, OPTION = listed(TODAY), optional(TODAY)

PROMISES = [
    Promise(other_words, "DOCS", {}, ("DOCS: read what is worded differently",)),
    Promise(
        another_sample,
        "DOCS",
        {
            "test_our_contract.py::test_the_page_of_samples_has_each_as_it_stands":
                "the contract's sample 'Go' is not in docs/coming-from/together-sdk.md: put it",
        },
    ),
    Promise(new_response_property, "ADDITIVE", {}, (f"a new property; see {FILES['failures']}",)),
    Promise(new_known_status, "ADDITIVE", {}, ("a new status",)),
    Promise(
        new_status,
        "ADDITIVE",
        {
            f"{COVERAGE}test_every_answer_is_read_and_every_status_has_its_class":
                "answers 418 now, which has no class: add one to " + FILES["errors"],
        },
    ),
    Promise(
        new_value,
        "ADDITIVE",
        {
            f"{COVERAGE}test_every_listed_value_is_offered_and_no_other":
                f"'{VALUES[0]}' may be 'a_new_one' in the contract but not in the facade: add it"
                f" to its type in {FILES['options']}",
            f"{EMULATOR}test_every_value_that_is_listed_is_taken":
                f"'{VALUES[0]}' may be 'a_new_one' in the contract and the emulator refuses it:"
                " take it in together_emulator/request.py",
        },
        quick=True,
    ),
    Promise(
        new_property,
        "ADDITIVE",
        {
            f"{COVERAGE}test_every_property_of_the_request_can_be_set":
                "'a_new_one' is new in the contract and the facade cannot set it: add an option",
            f"{EMULATOR}test_the_same_fields_are_known":
                "the emulator does not know 'a_new_one', which is new in the contract",
        },
    ),
    Promise(
        new_event,
        "BREAKING",
        {
            f"{COVERAGE}test_every_answer_is_read_and_every_status_has_its_class":
                "the stream has a new event (audio.tts.a_new_one): see that " + FILES["stream"],
        },
    ),
    Promise(
        new_required_property,
        "BREAKING",
        {},
        (
            f"{FILES['wire']}:", "needs the field 'a_new_one' now",
            "then `make vendor SPEC=openapi.yaml`: no test was run, as none could pass",
        ),
    ),
    Promise(
        no_property,
        "BREAKING",
        {
            f"{COVERAGE}test_every_property_of_the_request_can_be_set":
                f"'{OPTION}' is gone from the contract and the facade still sets it",
            f"{EMULATOR}test_the_same_fields_are_known":
                f"the emulator knows '{OPTION}', which is gone from the contract",
            "test_our_contract.py::test_all_that_our_code_uses_is_generated":
                f"has no field '{OPTION}' any more: see step 3",
        },
        (f"has no field '{OPTION}' any more: mend it",),
    ),
    Promise(
        no_value,
        "BREAKING",
        {
            f"{COVERAGE}test_every_listed_value_is_offered_and_no_other":
                f"'{VALUES[0]}' may be '{VALUES[1][-1]}' in the facade but no longer in the"
                " contract: take it out of its type",
        },
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    "promise",
    [
        pytest.param(
            promise,
            marks=[] if promise.quick else [pytest.mark.rehearsal],
            id=promise.change.__name__,
        )
        for promise in PROMISES
    ],
)
def test_a_change_ends_as_is_promised(day: Day, document: CommentedMap, promise: Promise) -> None:
    """The verdict, exactly the tests that fail, and their words; or green at once."""
    promise.change(document)
    run = day.vendor(document)
    assert run.out.splitlines()[0] == promise.verdict
    assert run.red == set(promise.red), run.out
    assert all(words in run.out for words in (*promise.red.values(), *promise.said)), run.out
    stopped = "no test was run" in run.out
    assert run.status == int(bool(promise.red) or stopped)
    assert (day.root / "openapi.yaml").read_text(encoding="utf-8") == dump(document)
    if run.status == 0:
        check_green(day)


# --- the overlay and upstream ------------------------------------------------------------------


def with_an_action(document: CommentedMap, index: int) -> None:
    """Have upstream say what an action of the overlay adds."""
    overlay = load_overlay(ROOT / "contract" / "overlay.yaml")
    apply(document, Overlay(overlay.actions[index : index % len(overlay.actions) + 1], ""))


def test_what_upstream_has_by_now_leaves_the_overlay(day: Day, document: CommentedMap) -> None:
    """The action is redundant; without it, and after `make generate`, all is green."""
    with_an_action(document, len(load_overlay(ROOT / "contract" / "overlay.yaml").actions) - 1)
    run = day.vendor(document)
    assert run.out.splitlines()[0] == "ADDITIVE"
    assert run.red == {"test_our_contract.py::test_the_overlay_fits_and_each_action_is_needed"}
    run = day.follow(run)
    assert (run.status, run.out.splitlines()[0]) == (0, "NONE"), run.told
    assert day.redundant == 1


def contradicted(document: CommentedMap) -> str:
    """The name of a property that upstream now has otherwise than the overlay."""
    actions = load_overlay(ROOT / "contract" / "overlay.yaml").actions
    action = next((a for a in actions if a.target_text.endswith(".properties")), None)
    if action is None:
        pytest.skip("no action of the overlay adds a property that upstream could contradict")
    (name,) = action.update
    request(document)["properties"][name] = CommentedMap(type="boolean")
    return str(name)


def test_what_upstream_says_otherwise_stops_everything(day: Day, document: CommentedMap) -> None:
    """Nothing is overwritten: the tool ends with a status of its own, and says where."""
    name = contradicted(document)
    before = read_tree(day.root)
    run = day.vendor(document)
    assert (run.status, run.out.splitlines()[0]) == (3, "ADDITIVE"), run.told
    assert f"conflicts at #/components/schemas/{component(document)}/properties/{name}" in run.err
    assert 'upstream says "boolean", the overlay' in run.err
    assert read_tree(day.root) == before


@pytest.mark.rehearsal
def test_the_overlay_s_side_is_taken_by_what_is_printed(day: Day, document: CommentedMap) -> None:
    """What upstream says otherwise is removed by an action, in so many words."""
    contradicted(document)
    run = day.follow(day.vendor(document))
    assert (run.status, run.out.splitlines()[0]) == (0, "ADDITIVE"), run.told
    check_green(day)


@pytest.mark.rehearsal
def test_upstream_s_side_is_told_until_the_facade_has_it(day: Day, document: CommentedMap) -> None:
    """Without the action, the values that only the facade lists are told."""
    name = contradicted(document)
    overlay = day.root / "contract" / "overlay.yaml"
    number = int(re.findall(r"overlay\.yaml:(\d+): .* conflicts", day.vendor(document).err)[0])
    day.remove_actions(number)
    assert f"      {name}:\n" not in overlay.read_text(encoding="utf-8")
    run = day.vendor()
    assert (run.status, run.out.splitlines()[0]) == (1, "ADDITIVE"), run.told
    assert run.red >= {f"{COVERAGE}test_every_listed_value_is_offered_and_no_other"}
    assert f"'{name}' may be " in run.out


# --- operations --------------------------------------------------------------------------------


@pytest.mark.rehearsal
def test_a_renamed_operation_is_green_after_what_is_printed(
    day: Day, document: CommentedMap
) -> None:
    """Its new name is told, then where our code uses the old one."""
    operation(document)["operationId"] = "createSpeech"
    before = read_tree(day.root)
    run = day.vendor(document)
    assert (run.status, run.out.splitlines()[0]) == (2, "BREAKING"), run.told
    assert "has the operationId 'createSpeech' now: put that into OPERATIONS" in run.err
    assert len(run.err.splitlines()) == 1
    assert read_tree(day.root) == before
    run = day.follow(run)
    assert (run.status, run.out.splitlines()[0]) == (0, "NONE"), run.told
    assert "createSpeech" in (day.root / "contract" / "compose.py").read_text(encoding="utf-8")
    old = OPERATIONS[0].replace("-", "_")
    modules = (path for folder in USERS for path in (day.root / folder).rglob("*.py"))
    assert [path for path in modules if re.search(rf"\b{old}\b", path.read_text("utf-8"))] == []
    check_green(day, "tests/contract", "--ignore=tests/contract/test_rehearsal.py")


def test_an_operation_that_is_gone_stops_everything(day: Day, document: CommentedMap) -> None:
    """There is nothing to be made of it, and nothing changes on disk."""
    path, _ = find_operation(document, OPERATIONS[0])
    document["paths"]["/other"] = document["paths"].pop(path)
    operation(document)["operationId"] = "other"
    before = read_tree(day.root)
    run = day.vendor(document)
    assert (run.status, run.out.splitlines()[0]) == (2, "BREAKING"), run.told
    assert f"operation '{OPERATIONS[0]}' is missing; nothing stands at POST {path}" in run.err
    assert len(run.err.splitlines()) == 1
    assert read_tree(day.root) == before


# --- the whole of what Together publishes around it --------------------------------------------


def amid_others(document: CommentedMap, *, lines: int) -> str:
    """The document amid as many lines of other operations and schemas."""
    text = dump(document)
    head, rest = text.split("\npaths:\n", 1)
    body, components = rest.split("\n  schemas:\n", 1)
    # Schemas refer to each other in rings of ten. In one ring of all of them, the modules that
    # other generators make would import each other deeper than Python goes.
    count = lines // 340 * 10
    paths = "".join(
        f"""\
  /others/{n}:
    get:
      tags: [Other]
      operationId: other-{n}
      parameters:
        - name: page
          in: query
          schema: {{type: integer}}
      responses:
        '200':
          description: OK
          content:
            application/json:
              schema:
                $ref: '#/components/schemas/Other{n}'
        '504':
          description: Timeout
"""
        for n in range(count)
    )
    schemas = "".join(
        f"""\
    Other{n}:
      type: object
      description: >
        A long text which is folded over lines, as those of the published page are, so that what
        is read takes as long.
      properties:
        next:
          $ref: '#/components/schemas/Other{n - n % 10 + (n + 1) % 10}'
        voice: {{type: string}}
        mode:
          type: string
          default: fast
          enum: [no, yes, fast]
        list:
          type: array
          items:
            anyOf:
              - $ref: '#/components/schemas/Other{n - n % 10 + n * 7 % 10}'
              - type: 'null'
"""
        for n in range(count)
    )
    whole = f"{head}\npaths:\n{paths}{body}\n  schemas:\n{schemas}{components}"
    assert len(whole.splitlines()) > lines
    return whole


VOICES = """\
  /voices:
    get:
      tags: [Voices]
      summary: Fetch available voices for each model
      description: Fetch available voices for each model
      operationId: fetchVoices
      responses:
        '200':
          description: Success
          content:
            application/json:
              schema:
                $ref: '#/components/schemas/ListVoicesResponse'
components:
  schemas:
    ListVoicesResponse:
      description: Response containing a list of models and their available voices.
      type: object
      required: [data]
      properties:
        data:
          type: array
          items:
            $ref: '#/components/schemas/ModelVoices'
    ModelVoices:
      description: Represents a model with its available voices.
      type: object
      required: [model, voices]
      properties:
        model:
          type: string
        voices:
          type: array
          items:
            type: object
            required: [name]
            properties:
              name:
                type: string
"""


@pytest.mark.rehearsal
def test_the_whole_document_is_green_after_what_is_printed(
    day: Day, document: CommentedMap
) -> None:
    """With something in it that the overlay had, too."""
    with_an_action(document, len(load_overlay(ROOT / "contract" / "overlay.yaml").actions) - 1)
    run = day.vendor(amid_others(document, lines=13_000))
    assert (run.status, run.out.splitlines()[0]) == (1, "ADDITIVE"), run.told
    run = day.follow(run)
    assert (run.status, run.out.splitlines()[0]) == (0, "NONE"), run.told
    assert "/others/" not in (day.root / "generated" / "contract.yaml").read_text(encoding="utf-8")
    check_green(day)


@pytest.mark.rehearsal
def test_the_whole_document_with_the_voices_is_green_after_what_is_printed(
    day: Day, document: CommentedMap
) -> None:
    """Together's repository has an operation that the overlay has otherwise."""
    if "/voices" in str(list(document["paths"])):
        pytest.skip("upstream's document has the voices by itself now")
    text = amid_others(document, lines=13_000)
    text = text.replace("\ncomponents:\n  schemas:\n", "\n" + VOICES, 1)
    run = day.vendor(text)
    assert (run.status, run.out.splitlines()[0]) == (3, "ADDITIVE"), run.told
    assert "ModelVoices/properties/voices/items" in run.err
    run = day.follow(run)
    assert (run.status, run.out.splitlines()[0]) == (0, "ADDITIVE"), run.told
    check_green(day)
