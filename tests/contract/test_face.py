"""What breaks between two versions of a small package, and what only looks as if it did."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contract.face import breakages

if TYPE_CHECKING:
    from pathlib import Path

HEAD = """\
import collections.abc
import pathlib
import typing
import wsgiref.types
from collections.abc import (
    AsyncGenerator, AsyncIterator, Callable, Collection, Iterable, Mapping, MutableMapping,
    Sequence,
)
from dataclasses import dataclass, field
from typing import (
    Annotated, Any, ClassVar, Final, Generic, List, Literal, NotRequired, Optional, Protocol,
    Required, Self, SupportsInt, TypeAlias, TypedDict, TypeVar, Union, Unpack, overload,
)
import httpx
"""


def package(root: Path, name: str, files: dict[str, str]) -> Path:
    """A folder with a `facade` of these modules."""
    for path, text in files.items():
        target = root / name / "facade" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return root / name


def told(root: Path, old: dict[str, str], new: dict[str, str]) -> list[str]:
    """What breaks, as it is printed without the package."""
    found = breakages(package(root, "old", old), package(root, "new", new))
    return [str(breakage).removeprefix("facade.") for breakage in found]


def module(body: str, *names: str) -> dict[str, str]:
    """A package of one module."""
    return {"__init__.py": f"{HEAD}\n__all__ = {list(names)!r}\n{body}"}


def functions(root: Path, old: str, new: str, more: str = "") -> list[str]:
    """What breaks where one function becomes another."""
    return told(root, module(f"{more}\n{old}\n", "f"), module(f"{more}\n{new}\n", "f"))


CLASSES = """
class Voice: ...
class Mix(Voice): ...
class _Hidden: ...
T = TypeVar("T")
Format: TypeAlias = Literal["wav", "mp3"]
Implicit = Union[str, Voice]
"""
# The second takes all that the first does.
WIDER = [
    ("str", "str | Voice | Mix"),
    ("Mix", "Voice"),
    ("str", "str | None"),
    ("str", "Optional[str]"),
    ("bool", "int"),
    ("int", "float"),
    ("float", "complex"),
    ('Literal["a"]', "str"),
    ('Literal["a"]', 'Literal["a", "b"]'),
    ("Literal[1]", "float"),
    ("Format", "str"),
    ("str", "object"),
    ("str", "Any"),
    ("list[int]", "Sequence[float]"),
    ("list[int]", "list"),
    ("dict[str, int]", "Mapping[str, object]"),
    ("tuple[int, int]", "tuple[float, ...]"),
    ("tuple[int, ...]", "tuple[float, ...]"),
    ("tuple[int, ...]", "Sequence"),
    ("list[str]", "Iterable"),
    ("Callable[[float], int]", "Callable[[int], float]"),
    ("Callable[[int], int]", "Callable[..., int]"),
    ("tuple[int, int]", "tuple[int, ...]"),
    ("list[int]", "list"),
    ("int", "SupportsInt"),
    ("pathlib.PurePosixPath", "pathlib.PurePath"),
    ("Sequence[Mix]", "Sequence[Voice]"),
    ("type[Mix]", "type[Voice]"),
    ("None", "int | None"),
]
ALIKE = [
    ("Union[str, Voice]", "Voice | str"),
    ("Implicit", "str | Voice"),
    ("Optional[int]", "None | int"),
    ("typing.List[int]", "list[int]"),
    ("List[int]", "list[int]"),
    ("typing.Mapping[str, int]", "collections.abc.Mapping[str, int]"),
    ("Format", 'Literal["mp3", "wav"]'),
    ("Annotated[int, 'units']", "int"),
    ('"Voice"', "Voice"),
    ("Any", "object"),
    ("list[Any]", "list[object]"),
    ("T", "T"),
    ("httpx.URL", "httpx.URL"),
    ("_Hidden", "_Hidden"),
    ("Callable[[], int]", "typing.Callable[[], int]"),
    ("Literal[None, 1]", "None | Literal[1]"),
]
APART = [
    ("str", "int"),
    ("Voice", "Mix | _Hidden"),
    ("list[int]", "tuple[int, ...]"),
    ("list[int]", "list[float]"),
    ("dict[str, bool]", "dict[str, int]"),
    ("tuple[int, ...]", "tuple[float, float]"),
    ("tuple[int]", "tuple[int, int]"),
    ("list[int]", "Sequence[str]"),
    ("Callable[[int], int]", "Callable[[int, int], int]"),
    ("Callable[[int], int]", "Callable[[], int]"),
    ("Callable[[], int]", "Callable[[int], int]"),
    ("httpx.URL", "httpx.Timeout"),
    ("int", "wsgiref.types.StartResponse"),
    ("str", "nowhere.Thing"),
    ("str", "email.nowhere.Thing"),
    ('Literal["1"]', "Literal[1]"),
]


@pytest.mark.parametrize(("narrow", "wide"), WIDER)
def test_a_type_that_takes_less_breaks_who_gives_and_one_that_is_more_who_gets(
    tmp_path: Path, narrow: str, wide: str
) -> None:
    """The other way round neither."""
    takes = functions(tmp_path / "1", f"def f(a: {wide}): ...", f"def f(a: {narrow}): ...", CLASSES)
    assert [line.partition(": ")[0] for line in takes] == ["f(a)"]
    assert "Type no longer takes: " in takes[0]
    widened = f"def f(a: {narrow}): ...", f"def f(a: {wide}): ..."
    assert functions(tmp_path / "2", *widened, CLASSES) == []
    narrowed = f"def f() -> {wide}: ...", f"def f() -> {narrow}: ..."
    assert functions(tmp_path / "3", *narrowed, CLASSES) == []
    if narrow == "None" or wide == 'Literal["a", "b"]':
        return
    gets = functions(
        tmp_path / "4", f"def f() -> {narrow}: ...", f"def f() -> {wide}: ...", CLASSES
    )
    assert [line.partition(": ")[0] for line in gets] == ["f"]
    assert "Return types are incompatible: " in gets[0]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_a_type_is_what_it_takes_however_it_is_spelled(
    tmp_path: Path, one: str, other: str
) -> None:
    """By names, aliases, imports, quotes."""
    spelled = f"def f(a: {one}) -> {one}: ...", f"def f(a: {other}) -> {other}: ..."
    assert functions(tmp_path / "1", *spelled, CLASSES) == []
    assert functions(tmp_path / "2", *spelled[::-1], CLASSES) == []


@pytest.mark.parametrize(("one", "other"), APART)
def test_a_type_that_is_another_breaks_both(tmp_path: Path, one: str, other: str) -> None:
    """Who gives and who gets."""
    spelled = f"def f(a: {one}) -> {one}: ...", f"def f(a: {other}) -> {other}: ..."
    found = functions(tmp_path, *spelled, CLASSES)
    assert [line.partition(": ")[0] for line in found] == ["f(a)", "f"]


def test_what_is_lost_is_named(tmp_path: Path) -> None:
    """A parameter's by what it took, a result by both types."""
    old, new = "def f(a: str | Voice | Mix): ...", "def f(a: str): ..."
    assert functions(tmp_path / "1", old, new, CLASSES) == [
        "f(a): Type no longer takes: Mix, Voice"
    ]
    old, new = "def f() -> list[str]: ...", "def f() -> tuple[str, ...]: ..."
    assert functions(tmp_path / "2", old, new) == [
        "f: Return types are incompatible: list[str] → tuple[str, ...]"
    ]
    old, new = "def f() -> Sequence[str] | None: ...", "def f(): ..."
    assert functions(tmp_path / "3", old, new) == [
        "f: Return types are incompatible: None | Sequence[str] → anything"
    ]


def test_a_member_that_goes_from_an_alias_is_seen_where_it_is_used(tmp_path: Path) -> None:
    """One that comes is no break, even where it comes back."""
    body = 'def f(a: Format | None = None) -> Format: ...\nFormat: TypeAlias = Literal["wav", {}]\n'
    few, many = (module(body.format(more), "f", "Format") for more in ('"mp3"', '"mp3", "raw"'))
    assert told(tmp_path / "1", many, few) == [
        "Format: Type no longer takes: 'raw'",
        "f(a): Type no longer takes: 'raw'",
    ]
    assert told(tmp_path / "2", few, many) == []
    implicit = [body.replace(": TypeAlias", ""), body.replace("Literal", "int | Literal")]
    for index, text in enumerate(implicit):
        few, many = (module(text.format(more), "Format") for more in ('"mp3"', '"mp3", "raw"'))
        assert told(tmp_path / f"3{index}", many, few) == ["Format: Type no longer takes: 'raw'"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("a", "", ["f(a): Parameter was removed"]),
        ("*, a=1", "", ["f(a): Parameter was removed"]),
        ("*, a=1", "**options", []),
        ("a", "**options", ["f(a): Parameter was removed"]),
        ("a, /", "*values", []),
        ("a", "*values, **options", []),
        ("*values", "", ["f(values): Parameter was removed"]),
        ("**options", "**others", []),
        ("**options: int", "**options: bool", ["f(options): Type no longer takes: int"]),
        ("a=1", "a", ["f(a): Parameter is now required"]),
        ("", "a", ["f(a): Parameter was added as required"]),
        ("", "*, a=1, **b", []),
        ("a, b", "b, a", ["f(a): Positional parameter was moved",
                          "f(b): Positional parameter was moved"]),
        ("*, a, b", "*, b, a", []),
        ("a", "*, a", ["f(a): Parameter kind was changed"]),
        ("a", "a, /", ["f(a): Parameter kind was changed"]),
        ("*, a", "a", []),
        ("a=1", "a=2", ["f(a): Parameter default was changed: 1 → 2"]),
        ("a='x'", 'a="x"', []),
        ("a", "a=2", []),
        ("a", "a: int", []),
        ("a: int", "a", []),
    ],
)  # fmt: skip
def test_parameters(tmp_path: Path, old: str, new: str, expected: list[str]) -> None:
    """By their names, their places, whether they must be given, and what is taken for them."""
    assert functions(tmp_path, f"def f({old}): ...", f"def f({new}): ...") == expected


def test_a_default_is_the_value_that_is_behind_it(tmp_path: Path) -> None:
    """However it is worked out, and wherever the constant stands."""

    def version(imported: str, constant: str, default: str = "LIMIT") -> dict[str, str]:
        text = f"from facade.{imported}\ndef f(a: int = {default}): ...\n__all__ = ['f']\n"
        return {
            "__init__.py": text,
            "_a.py": f"{constant}\n",
            "_b.py": "from facade import _a\nfrom facade._a import LIMIT\n",
        }

    old = version("_a import LIMIT", "LIMIT = 2 * 2**10")
    alike = [
        version("_a import LIMIT", "LIMIT = 2048"),
        version("_b import LIMIT", "BASE = 1 << 10\nLIMIT = BASE + BASE"),
        version("_b import _a", "LIMIT = 4096 // 2", default="_a.LIMIT"),
        version("_b import _a", "", default="2_048"),
    ]
    for index, new in enumerate(alike):
        assert told(tmp_path / f"alike{index}", old, new) == []
    new = version("_a import LIMIT", "LIMIT = 2 * 2**9")
    assert told(tmp_path / "other", old, new) == [
        "f(a): Parameter default was changed: 2048 → 1024"
    ]
    odd = version("_a import LIMIT", "LIMIT = 1 / 0"), version("_a import LIMIT", "LIMIT = 2 / 0")
    assert len(told(tmp_path / "odd", *odd)) == 1
    called = (
        version("_a import LIMIT", "LIMIT = -1", default=f"max({number}, LIMIT)")
        for number in (1, 2)
    )
    assert told(tmp_path / "called", *called) == [
        "f(a): Parameter default was changed: max(1, (-1)) → max(2, (-1))"
    ]


def test_a_default_of_the_package_is_told_though_no_parameter_shows_it(tmp_path: Path) -> None:
    """Once: by the parameter where there is one, or else by its name."""
    old = {
        "__init__.py": "from facade._a import f\n__all__ = ['f', 'DEFAULT_SHOWN']\n"
        "DEFAULT_SHOWN = 1\n",
        "_a.py": "DEFAULT_MODEL = 'a'\nDEFAULT_LIMIT = 1\nOTHER = 1\n"
        "def f(*, a=DEFAULT_MODEL, **options): ...\nDEFAULT_BARE: int\n",
        "_b/__init__.py": "",
        "_b/_c.py": "from facade._a import DEFAULT_MODEL\nDEFAULT_LIMIT = 1\n",
    }
    assert told(tmp_path / "same", old, old) == []
    text = old["_a.py"].replace("'a'", "'b'").replace("= 1", "= 2")
    new = {**old, "_a.py": text, "__init__.py": old["__init__.py"].replace("= 1", "= 2")}
    assert told(tmp_path / "new", old, new) == [
        "DEFAULT_SHOWN: Attribute value was changed: 1 → 2",
        "f(a): Parameter default was changed: 'a' → 'b'",
        "DEFAULT_LIMIT: Attribute value was changed: 1 → 1, 2",
    ]
    hidden = {**new, "_a.py": text.replace("*, a=DEFAULT_MODEL, ", "")}
    assert told(tmp_path / "hidden", old, hidden) == [
        "DEFAULT_SHOWN: Attribute value was changed: 1 → 2",
        "DEFAULT_LIMIT: Attribute value was changed: 1 → 1, 2",
        "DEFAULT_MODEL: Attribute value was changed: 'a' → 'b'",
    ]


CLIENT = """\
from typing import Self
from facade._request import DEFAULT_MODEL, Format
from facade.voices import Voice

class _Shell:
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...

class Client(_Shell):
    def __init__(self, key: str | None = None, *, limit: int = 5) -> None: ...
    def speak(
        self, text: str, *, voice: str | Voice, model: str = DEFAULT_MODEL,
        format: Format | None = None,
    ) -> bytes: ...
"""
OLD = {
    "__init__.py": "from facade._client import Client\nfrom facade.voices import Voice\n"
    "from facade.errors import *\n__all__ = ['Client', 'Voice', 'SpeechError']\n",
    "_client.py": CLIENT,
    "_request.py": 'from typing import Literal\nFormat = Literal["wav", "mp3"]\n'
    'DEFAULT_MODEL = "kokoro"\n',
    "voices.py": "class Voice:\n    name: str\n",
    "errors.py": "class SpeechError(Exception):\n    message: str = ''\n",
}
OPTIONS = """\
from typing import Literal, NotRequired, Required, TypedDict
from facade.voices import Voice

Format = Literal["wav", "mp3"]
DEFAULT_MODEL = "kokoro"

class _Common(TypedDict, total=False):
    model: str
    voice: Required[str | Voice]

class SpeechOptions(_Common):
    format: NotRequired[Format | None]
"""
MOVED = """\
from typing import Self, Unpack
from facade._rules import SpeechOptions

class _Base:
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...

class Client(_Base):
    def __init__(self, key: str | None = None, *, limit: int = 5) -> None: ...
    def speak(self, text: str, **options: Unpack[SpeechOptions]) -> bytes: ...
"""
NEW = {
    "__init__.py": OLD["__init__.py"].replace("_client", "_sync"),
    "_sync/__init__.py": "from facade._sync.client import Client as Client\n",
    "_sync/client.py": MOVED,
    "_rules/__init__.py": "from facade._rules.options import SpeechOptions\n",
    "_rules/options.py": OPTIONS,
    "voices.py": "from facade._rules.voice import Voice\n",
    "_rules/voice.py": "class Voice:\n    name: str\n",
    "errors.py": OLD["errors.py"],
}


def test_parameters_that_came_into_a_typed_dict_are_the_same(tmp_path: Path) -> None:
    """With all modules in other folders, there and back."""
    assert told(tmp_path / "1", OLD, NEW) == []
    assert told(tmp_path / "2", NEW, NEW) == []
    assert told(tmp_path / "3", NEW, OLD) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("_rules/options.py", ' "mp3"]', "]",
         ["Client.speak(format): Type no longer takes: 'mp3'"]),
        ("_rules/options.py", "str | Voice", "str",
         ["Client.speak(voice): Type no longer takes: Voice"]),
        ("_rules/options.py", "NotRequired[Format | None]", "Format | None",
         ["Client.speak(format): Parameter is now required"]),
        ("_rules/options.py", "total=False", "total=True",
         ["Client.speak(model): Parameter is now required"]),
        ("_rules/options.py", "    model: str\n", "",
         ["Client.speak(model): Parameter was removed"]),
        ("_rules/options.py", "    model: str\n", "    model: str\n    speed: Required[float]\n",
         ["Client.speak(speed): Parameter was added as required"]),
        ("_rules/options.py", "    model: str\n", "    model: str\n    speed: float\n", []),
        ("_rules/options.py", '"kokoro"', '"orpheus"',
         ["DEFAULT_MODEL: Attribute value was changed: 'kokoro' → 'orpheus'"]),
        ("_sync/client.py", "limit: int = 5", "limit: int = 6",
         ["Client(limit): Parameter default was changed: 5 → 6"]),
        ("_sync/client.py", "text: str, **", "text: bytes, **",
         ["Client.speak(text): Type no longer takes: str"]),
        ("_sync/client.py", "    def speak", "    async def speak",
         ["Client.speak: `def` was made `async def`"]),
        ("_sync/client.py", "-> bytes", "-> str",
         ["Client.speak: Return types are incompatible: bytes → str"]),
        ("_sync/client.py", "-> Self", "-> int",
         ["Client.__enter__: Return types are incompatible: Client → int"]),
        ("_rules/voice.py", "name: str", "name: str | None",
         ["Voice.name: Attribute types are incompatible: str → None | str"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("base", [OLD, NEW], ids=["moved", "there already"])
def test_a_change_is_seen_across_such_a_move_and_after_it(
    tmp_path: Path, base: dict[str, str], file: str, old: str, new: str, expected: list[str]
) -> None:
    """And nothing beside it."""
    assert old in NEW[file]
    found = told(tmp_path, base, {**NEW, file: NEW[file].replace(old, new, 1)})
    assert found == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("async def go(self) -> int: ...", "def go(self) -> int: ...",
         ["C.go: `async def` was made `def`"]),
        ("@classmethod\n    def go(cls): ...", "def go(self): ...",
         ["C.go: Public object points to a different kind of object"]),
        ("@staticmethod\n    def go(a): ...", "@staticmethod\n    def go(a, b): ...",
         ["C.go(b): Parameter was added as required"]),
        ("@property\n    def go(self) -> int: ...", "def go(self) -> int: ...",
         ["C.go: Public object points to a different kind of object"]),
        ("@property\n    def go(self) -> int: ...", "go: int", []),
        ("@property\n    def go(self) -> int: ...", "@property\n    def go(self) -> str: ...",
         ["C.go: Attribute types are incompatible: int → str"]),
        ("go: int = 1", "go: ClassVar[Final[bool]] = 2", []),
        ("go: int", "go = 1", []),
        ("go = 1", "go: str", []),
        ("def go(self) -> None: ...", "def go(self) -> int: ...", []),
        ("def go(self): ...", "def go(self) -> int: ...", []),
        ("def go(self): ...", "", ["C.go: Public object was removed"]),
        ("def __len__(self): ...", "", ["C.__len__: Public object was removed"]),
        ("def __repr__(self): ...", "", []),
        ("def __post_init__(self): ...", "", []),
        ("def _go(self): ...", "", []),
        ("def __init__(self, a=1): ...", "", ["C(a): Parameter was removed"]),
        ("", "def __init__(self, a): ...", ["C(a): Parameter was added as required"]),
    ],
)  # fmt: skip
def test_members(tmp_path: Path, old: str, new: str, expected: list[str]) -> None:
    """Those that applications use."""
    classes = (module(f"class C:\n    x: int\n    {body}\n", "C") for body in (old, new))
    assert told(tmp_path, *classes) == expected


GENERATOR = """\
async def go(self) -> AsyncIterator[bytes]:
        \'\'\'Give
all.\'\'\'
        async def more(): ...
        for piece in self:
            yield piece"""
ITERATOR = "def go(self) -> AsyncIterator[bytes]: ..."


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (GENERATOR, ITERATOR, []),
        (ITERATOR, GENERATOR, []),
        (GENERATOR, GENERATOR, []),
        (f"@typing.final\n    {GENERATOR}", ITERATOR, []),
        (GENERATOR, f"async {ITERATOR}",
         ["C.go: an asynchronous generator was made `async def`"]),
        (f"async {ITERATOR}", GENERATOR,
         ["C.go: `async def` was made an asynchronous generator"]),
        (f"async {ITERATOR}", ITERATOR, ["C.go: `async def` was made `def`"]),
        (f"async {ITERATOR[:-4]}\n        def more(): yield 1\n        return lambda: (yield)",
         ITERATOR, ["C.go: `async def` was made `def`"]),
        (f"_a = '\x0c'\n    {GENERATOR}", GENERATOR,
         ["C.go: `async def` was made an asynchronous generator"]),
        (GENERATOR.replace("Iterator[bytes]", "Generator[bytes, None]"), ITERATOR,
         ["C.go: Return types are incompatible: AsyncGenerator[bytes, None] → AsyncIterator[bytes]"
         ]),
    ],
)  # fmt: skip
def test_an_asynchronous_generator_is_called_as_a_function_that_gives_an_iterator(
    tmp_path: Path, old: str, new: str, expected: list[str]
) -> None:
    """Without `await`; as far as griffe shows the `yield` that makes it one."""
    classes = (module(f"class C:\n    {body}\n", "C") for body in (old, new))
    assert told(tmp_path, *classes) == expected


OVERLOADED = """\
@overload
def f(a: int) -> Mix: ...
@overload
def f(a: str, *more: str, b: int = ..., **c) -> list[int]: ...
def f(a: int | str, *more: str, b: int = 1, **c) -> Mix | list[int]:
    return g(a)
"""
BEHIND = OVERLOADED[OVERLOADED.rindex("def f") :]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("-> Mix: ...", "-> Mix: 'the same'", []),
        ("-> Mix: ...", "-> str: ...", ["f: Return types are incompatible: Mix → str"]),
        ("-> Mix: ...", "-> Voice: ...", ["f: Return types are incompatible: Mix → Voice"]),
        ("-> Mix | list[int]:", "-> object:", []),
        ("b: int = ...", "b: int = 1", []),
        ("b: int = 1", "b: int = 2", ["f(b): Parameter default was changed: 1 → 2"]),
        ("@overload\ndef f(a: int) -> Mix: ...\n", "", ["f: Overload was removed: (a: int)"]),
        ("(a: str, *more: str, b: int = ..., **c) ->", "(a: str) ->",
         ["f: Overload was removed: (a: str, *more: str, b: int, **c)"]),
        ("(a: int) -> Mix", "(a: int | bytes) -> Mix", []),
        (OVERLOADED, BEHIND, [
            "f: Return types are incompatible: Mix → Mix | list[int]",
            "f: Return types are incompatible: list[int] → Mix | list[int]",
        ]),
        (OVERLOADED, BEHIND.replace("-> Mix | list[int]", "-> Any").replace("int | str", "int"), [
            "f(a): Type no longer takes: str",
            "f: Return types are incompatible: Mix → typing.Any",
            "f: Overload was removed: (a: str, *more: str, b: int, **c)",
        ]),
    ],
)  # fmt: skip
def test_overloads_are_what_callers_see(
    tmp_path: Path, old: str, new: str, expected: list[str]
) -> None:
    """Each has to be served as it was, by whichever is there now."""
    assert old in OVERLOADED
    text = OVERLOADED.replace(old, new, 1)
    assert functions(tmp_path / "1", OVERLOADED, text, CLASSES) == expected
    assert functions(tmp_path / "2", BEHIND, OVERLOADED, CLASSES) == []


def test_overloads_of_a_constructor_are_the_class_s(tmp_path: Path) -> None:
    """And defaults that differ between them are no news of a constant."""
    body = (
        "DEFAULT_A = 1\nDEFAULT_B = 2\nclass C:\n"
        "    @overload\n    def __init__(self, a: int, c=DEFAULT_A) -> None: ...\n"
        "    @overload\n    def __init__(self, a: str, c=DEFAULT_B) -> None: ...\n"
        "    def __init__(self, a: int | str, c=None) -> None: ...\n"
    )
    one = "    @overload\n    def __init__(self, a: str, c=DEFAULT_B) -> None: ...\n"
    assert told(tmp_path / "1", module(body, "C"), module(body, "C")) == []
    assert told(tmp_path / "2", module(body, "C"), module(body.replace(one, ""), "C")) == [
        "C: Overload was removed: (a: str, c)"
    ]
    assert told(tmp_path / "3", module(body, "C"), module(body.replace("A = 1", "A = 3"), "C")) == [
        "DEFAULT_A: Attribute value was changed: 1 → 3"
    ]


def test_the_fields_of_a_dataclass_are_parameters(tmp_path: Path) -> None:
    """And attributes."""
    body = "@dataclass(frozen=True, kw_only=True)\nclass C:\n    a: {} = {}\n"
    old, new = (module(body.format(*said), "C") for said in (("float", 1.0), ("int", 2.0)))
    assert told(tmp_path, old, new) == [
        "C(a): Parameter default was changed: 1.0 → 2.0",
        "C(a): Type no longer takes: float",
    ]


ERRORS = """\
class SpeechError(Exception):
    message: str
    def told(self): ...

class RequestError(SpeechError, ValueError):
    param: str
"""


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("(SpeechError, ValueError)", "(SpeechError)", ["RequestError: Base class was removed"]),
        ("(SpeechError, ValueError)", "(SpeechError, TypeError)",
         ["RequestError: Base class was removed"]),
        ("(SpeechError, ValueError)", "(SpeechError, UnicodeError)", []),
        ("(SpeechError, ValueError)", "(_Middle)", []),
        ("(SpeechError, ValueError)", "(_Other, ValueError)",
         ["RequestError: Base class was removed"]),
        ("    message: str\n", "", ["SpeechError.message: Public object was removed"]),
        ("    param: str\n", "    param: str\n    def told(self, a): ...\n",
         ["RequestError.told(a): Parameter was added as required"]),
    ],
)  # fmt: skip
def test_what_is_inherited_is_told_of_the_public_class_that_has_it(
    tmp_path: Path, old: str, new: str, expected: list[str]
) -> None:
    """Once, and who catches a base goes on catching."""
    more = "\nclass _Middle(SpeechError, ValueError): ...\nclass _Other(Exception): ...\n"
    text = ERRORS.replace(old, new)
    if "_Middle" in text or "_Other" in text:  # which have to stand before those who use them
        text = text.replace("class RequestError", f"{more}\nclass RequestError")
    names = ("SpeechError", "RequestError")
    assert told(tmp_path, module(ERRORS + more, *names), module(text, *names)) == expected


def test_what_is_public_is_what_the_package_says(tmp_path: Path) -> None:
    """A name of another package is that one's business, one that became another kind is not."""
    old = module("class C: ...\ndef f(): ...\ndef gone(): ...\n", "C", "f", "gone", "httpx")
    new = module("def C(): ...\ndef f(): ...\ndef gone(): ...\n", "C", "f", "httpx")
    assert told(tmp_path, old, new) == [
        "C: Public object points to a different kind of object",
        "gone: Public object was removed",
    ]


def test_options_that_cannot_be_read_are_any(tmp_path: Path) -> None:
    """As those of another package."""
    old = "def f(*, a=1): ..."
    assert functions(tmp_path / "1", old, "def f(**options: Unpack[httpx.Options]): ...") == []
    assert functions(tmp_path / "2", old, "def f(*values: Unpack[tuple[int]], a=1): ...") == []
    bare = "class _O(TypedDict):\n    a = 1\n    def b(self): ...\n"
    new = "def f(**options: Unpack[_O]): ..."
    assert functions(tmp_path / "3", old, new, bare) == ["f(a): Parameter is now required"]
