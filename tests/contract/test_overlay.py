"""OpenAPI Overlay 1.0: what an overlay must look like, and what its actions do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ruamel.yaml.comments import CommentedMap

from contract.document import ContractError, dump, load_openapi, load_yaml, pointer
from contract.overlay import Effect, Overlay, OverlayConflictError, apply, load_overlay

if TYPE_CHECKING:
    from pathlib import Path

OVERLAY = "overlay: 1.0.0\ninfo: {title: t, version: '1'}\nactions:\n"
SPEC = """\
openapi: 3.1.0
paths: {}
a:
  enum: [x, 'no']
  m:
    k: old
    l:
      - 1
# about b
b: {c: 1}
"""


def overlay(actions: str, tmp_path: Path) -> Overlay:
    path = tmp_path / "overlay.yaml"
    path.write_text(OVERLAY + actions, encoding="utf-8")
    return load_overlay(path)


def spec(tmp_path: Path) -> CommentedMap:
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC, encoding="utf-8")
    return load_openapi(path)


def applied(actions: str, tmp_path: Path) -> tuple[str, list[Effect]]:
    document = spec(tmp_path)
    effects = apply(document, overlay(actions, tmp_path))
    return dump(document), effects


def test_an_update_merges_mappings_and_leaves_the_rest_as_it_stood(tmp_path: Path) -> None:
    """New keys go to the end, and comments of the overlay's file stay there."""
    text, (effect,) = applied(
        "  - target: $.a\n    update:\n      m: {k: new, n: 'no'}\n"
        "      o:\n        p: 1 # mine\n      # mine\n",
        tmp_path,
    )
    expected = SPEC.replace("k: old", "k: new").replace(
        "      - 1\n", "      - 1\n    n: 'no'\n  o:\n    p: 1\n"
    )
    assert text == expected
    assert effect.added == (("a", "m", "n"), ("a", "o"))
    assert effect.replaced == (("a", "m", "k"),)
    assert effect.removed == ()


def test_lists_inside_an_update_are_appended_to(tmp_path: Path) -> None:
    """What the list holds already is not added twice."""
    text, (effect,) = applied("  - {target: $.a, update: {enum: ['no', y]}}\n", tmp_path)
    assert text == SPEC.replace("[x, 'no']", "[x, 'no', y]")
    assert effect.added == (("a", "enum", 2),)


def test_an_update_of_a_list_is_one_item(tmp_path: Path) -> None:
    """Whatever its kind."""
    text, effects = applied(
        "  - {target: $.a.enum, update: z}\n  - {target: $.a.m.l, update: [2]}\n", tmp_path
    )
    assert "enum: [x, 'no', z]" in text
    assert load_yaml_text(text, tmp_path)["a"]["m"]["l"] == [1, [2]]
    assert [effect.added for effect in effects] == [(("a", "enum", 2),), (("a", "m", "l", 1),)]


def load_yaml_text(text: str, tmp_path: Path) -> CommentedMap:
    path = tmp_path / "again.yaml"
    path.write_text(text, encoding="utf-8")
    document = load_yaml(path)
    assert isinstance(document, CommentedMap)
    return document


def test_a_value_that_upstream_has_by_now_changes_nothing(tmp_path: Path) -> None:
    """The effect is empty, which tells that the action has become redundant."""
    text, effects = applied(
        "  - {target: $.a.enum, update: x}\n  - {target: $.a, update: {m: {k: old, l: [1]}}}\n",
        tmp_path,
    )
    assert text == SPEC
    assert all((e.added, e.replaced, e.removed) == ((), (), ()) for e in effects)


def test_a_value_of_another_kind_is_replaced(tmp_path: Path) -> None:
    """As the specification has it; the effect tells."""
    text, (effect,) = applied("  - {target: $, update: {b: [1]}}\n", tmp_path)
    assert text == SPEC.replace("b: {c: 1}", "b: [1]")
    assert effect.replaced == (("b",),)


def test_remove_takes_out_what_the_target_selects(tmp_path: Path) -> None:
    """All of it."""
    document = spec(tmp_path)
    document["items"] = load_yaml_text("items:\n  - {x: 1}\n  - {y: 1}\n  - {x: 2}\n", tmp_path)[
        "items"
    ]
    effects = apply(document, overlay("  - {target: '$.items[?@.x]', remove: true}\n", tmp_path))
    assert document["items"] == [{"y": 1}]
    assert effects[0].removed == (("items", 2), ("items", 0))


@pytest.mark.parametrize(
    ("target", "left"),
    [
        ("$.l[0,0]", [{"n": 2}, {"n": 3}]),
        ("$.l[0,-3]", [{"n": 2}, {"n": 3}]),
        ("$.l[1,0]", [{"n": 3}]),
        ("$.l[::-1]", []),
        ("$['l','l']", None),
        ("$['l','a'][::-1]", []),
        ("$..[?@.n]", []),
    ],
)
def test_what_is_selected_twice_or_backwards_is_removed_once(
    tmp_path: Path, target: str, left: list[dict[str, int]] | None
) -> None:
    """And nothing else in its place."""
    document = spec(tmp_path)
    document["l"] = load_yaml_text("l: [{n: 1}, {n: 2}, {n: 3}]\n", tmp_path)["l"]
    apply(document, overlay(f'  - {{target: "{target}", remove: true}}\n', tmp_path))
    assert document.get("l") == left


def test_every_match_is_updated(tmp_path: Path) -> None:
    """A target may select more than one."""
    text, _ = applied(
        "  - {target: '$[a,b]', update: {z: 1}}\n".replace("a,b", "'a','b'").replace(
            "'$['a','b']'", "\"$['a','b']\""
        ),
        tmp_path,
    )
    assert text.count("z: 1") == 2


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("{target: $.nope, update: {a: 1}}", r"action 1 \(\$\.nope\): the target matches nothing"),
        ("{target: $.nope, remove: true}", "the target matches nothing"),
        ("{target: $.a.m.k, update: x}", "selects #/a/m/k, neither a mapping nor a list"),
        ("{target: $.a.m.k, remove: true}", "selects #/a/m/k, neither a mapping nor a list"),
        ("{target: $.a, update: x}", "selects the mapping #/a, so `update` must be one too"),
        ("{target: $, remove: true}", "would remove the whole document"),
    ],
)
def test_an_action_that_does_not_suit_the_document_fails(
    tmp_path: Path, action: str, reason: str
) -> None:
    """With the action's number, its target and the place."""
    with pytest.raises(ContractError, match=reason):
        applied(f"  - {action}\n", tmp_path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "not an Overlay 1.0 document"),
        ("openapi: 3.1.0\n", "not an Overlay 1.0 document"),
        (OVERLAY.replace("1.0.0", "2.0.0") + "  - {target: $, update: {}}\n", "not an Overlay"),
        ("overlay: 1.0.0\nactions: [{target: $, update: {}}]\n", "`info` needs a title and a ver"),
        ("overlay: 1.0.0\ninfo: {title: t}\n", "`info` needs a title and a version"),
        (OVERLAY, "`actions` must be a list with at least one action"),
        (OVERLAY + "  []\n", "`actions` must be a list with at least one action"),
        (OVERLAY + "  - $.a\n", "action 1: needs a `target`"),
        (OVERLAY + "  - {update: {}}\n", "action 1: needs a `target`"),
        (OVERLAY + "  - {target: $, updates: {}}\n", "unknown field 'updates'; known are desc"),
        (OVERLAY + "  - {target: $}\n", "needs either an `update` or `remove: true`"),
        (OVERLAY + "  - {target: $, remove: false}\n", "needs either"),
        (OVERLAY + "  - {target: $, remove: yes, update: {}}\n", "needs either"),
        (OVERLAY + "  - {target: $, remove: true, update: {}}\n", "needs either"),
        (OVERLAY + "  - {target: 'a.b', update: {}}\n", "'a.b' is no JSONPath: "),
        (OVERLAY + "  - {target: '', update: {}}\n", "'' is no JSONPath: "),
        (OVERLAY + "  - {target: '$[', update: {}}\n", r"'\$\[' is no JSONPath: "),
        (OVERLAY + "  - {target: $, target: $, update: {}}\n", "duplicate key"),
    ],
)
def test_an_unsound_overlay_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    """A misspelt field above all: it would otherwise do nothing, in silence."""
    path = tmp_path / "overlay.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ContractError, match=reason) as caught:
        load_overlay(path)
    assert len(str(caught.value).splitlines()) == 1


def test_extensions_are_allowed(tmp_path: Path) -> None:
    """As everywhere in OpenAPI."""
    assert overlay("  - {target: $, update: {}, x-why: because}\n", tmp_path).actions


def test_the_digest_is_of_the_actions(tmp_path: Path) -> None:
    """Not of their spelling."""
    one = overlay("  - {target: $, update: {a: 1}} # why\n", tmp_path)
    same = overlay("  - target: $\n    update:\n      a: 1\n", tmp_path)
    other = overlay("  - {target: $, update: {a: 2}}\n", tmp_path)
    assert one.digest == same.digest != other.digest


REF = "{$ref: '#/b'}"


@pytest.mark.parametrize(
    ("upstream", "update", "at"),
    [
        ("{type: object}", REF, ""),
        (REF, "{type: object}", ""),
        ("{type: string}", "{anyOf: [{type: string}, {type: 'null'}]}", ""),
        ("{allOf: [{type: object}]}", "{type: object}", ""),
        ("{const: a}", "{type: string, enum: [a, b]}", ""),
        ("{type: string, const: a}", "{type: string, enum: [a, b]}", ""),
        ("{type: string, const: a, enum: [a]}", "{type: string, enum: [a, b]}", ""),
        ("{type: string, enum: [a, b]}", "{type: string, const: a}", ""),
        (REF, "{$ref: '#/paths'}", "/$ref"),
        ("{type: string}", "{type: boolean}", "/type"),
        ("[1, 2]", "none", ""),
        ("[1, 2]", "5", ""),
        ("[1, 2]", "{type: string}", ""),
        ("text", "[text]", ""),
    ],
)
def test_what_does_not_hold_together_is_a_conflict(
    tmp_path: Path, upstream: str, update: str, at: str
) -> None:
    """It is replaced as a whole, and never merged into something that neither has said."""
    path = tmp_path / "spec.yaml"
    path.write_text(
        f"openapi: 3.1.0\npaths: {{}}\nproperties: {{x: {upstream}}}\n", encoding="utf-8"
    )
    document = load_openapi(path)
    action = f"  - {{target: $, update: {{properties: {{x: {update}}}}}}}\n"
    (effect,) = apply(document, overlay(action, tmp_path))
    (conflict,) = effect.conflicts
    assert pointer(conflict.at) == f"#/properties/x{at}"
    assert effect.added == ()
    assert document["properties"]["x"] == load_yaml_text(f"x: {update}\n", tmp_path)["x"]


@pytest.mark.parametrize(
    ("upstream", "update"),
    [
        ("{type: string, description: theirs}", "{type: string, description: ours}"),
        ("{type: string, enum: [a, b, c]}", "{type: string, enum: [b, a]}"),
        ("{type: string, const: a}", "{type: string}"),
        ("{type: string, const: a, enum: [a]}", "{type: string, enum: [a]}"),
        (REF, REF),
        ("{anyOf: [{type: string}], title: theirs}", "{anyOf: [{type: string}], title: ours}"),
        ("{properties: {$ref: {type: string}, not: {}}}", "{properties: {not: {}}}"),
    ],
)
def test_what_upstream_says_in_its_own_words_is_redundant(
    tmp_path: Path, upstream: str, update: str
) -> None:
    """Its words stay."""
    text = f"openapi: 3.1.0\npaths: {{}}\nproperties: {{x: {upstream}}}\n"
    path = tmp_path / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    document = load_openapi(path)
    action = f"  - {{target: $, update: {{properties: {{x: {update}}}}}}}\n"
    (effect,) = apply(document, overlay(action, tmp_path))
    assert (effect.added, effect.conflicts, effect.removed) == ((), (), ())
    assert dump(document) == text


def test_a_parameter_is_the_same_one_by_its_name_and_its_place(tmp_path: Path) -> None:
    """Else the contract would have it twice."""
    path = tmp_path / "spec.yaml"
    path.write_text(
        "openapi: 3.1.0\npaths: {}\nparameters:\n  - {name: m, in: query, description: theirs}\n",
        encoding="utf-8",
    )
    document = load_openapi(path)
    action = "  - {target: $, update: {parameters: [{name: m, in: query, required: false}]}}\n"
    other = "  - {target: $.parameters, update: {name: m, in: header}}\n"
    effects = apply(document, overlay(action + other, tmp_path))
    assert document["parameters"] == [
        {"name": "m", "in": "query", "description": "theirs", "required": False},
        {"name": "m", "in": "header"},
    ]
    assert [effect.added for effect in effects] == [
        (("parameters", 0, "required"),),
        (("parameters", 1),),
    ]


def test_a_conflict_is_told_with_both_sides_and_with_what_settles_it(tmp_path: Path) -> None:
    """A removal of what holds it, where the update says all of that."""
    path = tmp_path / "spec.yaml"
    path.write_text(
        f"openapi: 3.1.0\npaths: {{}}\nproperties: {{x: {{type: {'a' * 200}}}, y: 1}}\nz: 1\n",
        encoding="utf-8",
    )
    actions = (
        "  - {target: $, update: {properties: {x: {type: b, items: {type: c}}}}}\n"
        "  - {target: $, update: {z: 2}}\n"
        "  - {target: $, update: {q: 2}}\n"
    )
    error = OverlayConflictError(apply(load_openapi(path), overlay(actions, tmp_path)))
    where = f"  {tmp_path / 'overlay.yaml'}"
    assert str(error).splitlines() == [
        "the overlay contradicts the document",
        f'{where}:4: action 1 ($) conflicts at #/properties/x/type: upstream says "{"a" * 118}…,'
        ' the overlay "b"',
        "    Where upstream is right, take out of the action what conflicts.",
        "    Where the documentation that the action names is, put above the action:",
        "  - target: \"$['properties']['x']\"",
        "    description: Upstream says otherwise; the next action names its source.",
        "    remove: true",
        f"{where}:5: action 2 ($) conflicts at #/z: upstream says 1, the overlay 2",
        "    Where upstream is right, take out of the action what conflicts.",
    ]
    assert error.status == 3


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (
            "  - target: $\n    update:\n      d: 2026-01-02\n",
            r"yaml:6: 2026-01-02 is a date for YAML",
        ),
        (
            "  - target: $\n    update:\n      l:\n        - 2026-01-02 10:00:00\n",
            r"yaml:7: 2026-01-02 ",
        ),
        (
            "  - target: $\n    update:\n      200: {}\n",
            r"yaml:6: the key 200 is no text; quote it",
        ),
        (
            "  - target: $\n    update:\n      2026-01-02: {}\n",
            r"yaml:6: the key 2026-01-02 is no text",
        ),
    ],
)
def test_what_json_has_no_kind_for_is_refused(tmp_path: Path, action: str, reason: str) -> None:
    """It is meant as a text, and would be written as something else."""
    with pytest.raises(ContractError, match=reason):
        overlay(action, tmp_path)
