"""Where the audio of a row goes."""

import ntpath
import posixpath
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from facade import InvalidRequestError
from facade._cli.output_names import (
    OWN_FOLDER,
    folders_of,
    format_for,
    format_of,
    output_name,
    same_file,
)

# What people write, and what others have tried.
PARTS = st.one_of(
    st.sampled_from(
        ["..", ".", "", "~", "con", "NUL.wav", "a", "A", "b.mp3", "C:", "lpt1 .x", OWN_FOLDER, "ß"]
    ),
    st.text(max_size=12),
    st.text(alphabet="./\\:. aA", max_size=6),
)
PATHS = st.lists(PARTS, max_size=4).map("/".join) | st.text(max_size=300)


def name_of(path: str | None = None, name: str | None = None, form: str | None = None) -> str:
    return output_name(path=path, name=name, number=7, response_format=form)


@pytest.mark.parametrize(
    ("path", "name", "form", "expected"),
    [
        (None, None, None, "000007.wav"),
        (None, None, "mp3", "000007.mp3"),
        (None, "welcome", None, "welcome.wav"),
        (None, "menu/1", "raw", "menu/1.raw"),
        (None, "v1.2", None, "v1.2.wav"),
        (None, "a.mp3", None, "a.mp3.wav"),
        ("x.mp3", "welcome", "mp3", "x.mp3"),
        ("x.MP3", None, "mp3", "x.MP3"),
        ("de/x", None, None, "de/x.wav"),
        ("v1.2", None, None, "v1.2.wav"),
        (".wav", None, None, ".wav.wav"),
        ("./de//x.wav", None, None, "de/x.wav"),
        ("a b/ü.wav", None, None, "a b/ü.wav"),
        ("console.wav", None, None, "console.wav"),
        ("com10.wav", None, None, "com10.wav"),
        ("...a.wav", None, None, "...a.wav"),
        ("results.jsonl", None, None, "results.jsonl.wav"),
        ("x/.together-speech", None, None, "x/.together-speech.wav"),
    ],
)
def test_a_row_has_a_name(
    path: str | None, name: str | None, form: str | None, expected: str
) -> None:
    assert name_of(path, name, form) == expected


def test_numbers_keep_their_width() -> None:
    """A row more gives no other row another name."""
    names = [
        output_name(path=None, name=None, number=number, response_format=None)
        for number in (1, 999_999, 1_000_000)
    ]
    assert names == ["000001.wav", "999999.wav", "1000000.wav"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/etc/x.wav", "'/etc/x.wav' is absolute, and files are written below the folder"),
        ("../x.wav", "'../x.wav' has '..' in it"),
        ("a/../../x.wav", "has '..' in it"),
        ("a/..", "has '..' in it"),
        ("", "'' names no file"),
        (".", "'.' names no file"),
        ("a/", "'a/' names no file"),
        ("a/.", "names no file"),
        ("C:x.wav", "has ':', which not every system takes in a name"),
        ("..\\x.wav", r"has '\\', which not every system takes in a name"),
        ("a\nb.wav", r"has '\n'"),
        ("a\0b.wav", r"has '\x00'"),
        ("a?.wav", "has '?'"),
        ("a./x.wav", "has a name that ends in '.', which Windows drops"),
        ("a /x.wav", "has a name that ends in ' '"),
        ("con.wav", "has the name 'con.wav', which on Windows is a device"),
        ("a/Aux", "has the name 'Aux.wav', which on Windows is a device"),
        ("nul .tar.wav", "is a device"),
        ("COM¹.wav", "is a device"),
        ("conin$", "is a device"),
        (".together-speech/x.wav", "is in the folder that the command keeps for itself"),
        (".Together-Speech/lock", "is in the folder that the command keeps for itself"),
        ("\ud800.wav", "has half a surrogate pair"),
        (f"{'a' * 79}:", f"path: '{'a' * 79}:' has ':'"),
        (f"{'a' * 80}:", f"path: '{'a' * 79}…' has ':'"),
        ("ü" * 130, f"'{'ü' * 79}…' has a name of 264 bytes; most systems take 255"),
    ],
)
def test_what_is_no_name_is_told(path: str, said: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        name_of(path)
    assert caught.value.param == "path"
    assert said in str(caught.value)


def test_an_id_is_told_as_such() -> None:
    with pytest.raises(InvalidRequestError, match=r"^id: 'a:b' has ':'"):
        name_of(name="a:b")


@given(st.sampled_from(["path", "id"]), PATHS, st.sampled_from([None, "mp3", "raw"]))
@example("path", "a/../..", None)
@example("id", "..", None)
def test_no_name_leaves_the_folder_on_any_system(column: str, text: str, form: str | None) -> None:
    try:
        name = name_of(text if column == "path" else None, text, form)
    except InvalidRequestError:
        return
    assert posixpath.normpath(name) == name
    for module in (posixpath, ntpath):
        top = module.join(module.abspath("/top"), "")
        assert module.normpath(module.join(top, name)).startswith(top)
        assert not module.isabs(name)
    if hasattr(ntpath, "isreserved"):
        assert not ntpath.isreserved(name)
    assert re.search(r"\.[a-z0-9]+$", name, re.IGNORECASE)
    # What stands in a line of the results comes back as the same name.
    assert name_of(name) == name
    assert list(folders_of(name)) == [name[:at] for at, letter in enumerate(name) if letter == "/"]


@given(st.text())
def test_one_file_for_any_file_system_is_one_file_for_us(name: str) -> None:
    spelt = {name.upper(), name.lower(), name.casefold(), unicodedata.normalize("NFD", name)}
    for other in (name.lower(), name.casefold(), unicodedata.normalize("NFD", name)):
        assert same_file(other.casefold()) in {same_file(one) for one in spelt | {name}}
    assert same_file(name) == same_file(unicodedata.normalize("NFD", name))
    assert same_file(name) == same_file(unicodedata.normalize("NFC", name))


def test_names_that_differ_are_different_files() -> None:
    assert same_file("A/Ü.wav") == same_file("a/u\u0308.WAV")
    assert same_file("STRASSE") == same_file("straße")
    assert same_file("a.wav") != same_file("b.wav")


@pytest.mark.parametrize(
    ("path", "form"),
    [
        *(
            ("a.wav", "wav"),
            ("a.wave", "wav"),
            ("a.mp3", "mp3"),
            ("a.raw", "raw"),
            ("a.pcm", "raw"),
        ),
        *(("a.mulaw", "mulaw"), ("a.ulaw", "mulaw"), ("b/a.OGG", "opus"), ("a.oga", "opus")),
        *(("a.opus", "opus"), ("a.aac", "aac"), ("a.flac", "flac")),
        *((".mp3", None), ("mp3", None), ("a/.mp3", None), ("a.txt", None)),
    ],
)
def test_a_suffix_says_which_format(path: str, form: str | None) -> None:
    assert format_of(path) == form
    # The model gives them all, or nobody knows which.
    assert format_for(path, "minimax/speech-2.8-turbo") == form
    assert format_for(path, "some/model") == form


@pytest.mark.parametrize(
    ("path", "form"), [("a.ogg", "opus"), ("b/a.AAC", "aac"), ("a" * 99 + ".flac", "flac")]
)
def test_a_suffix_may_ask_for_what_a_model_does_not_give(path: str, form: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        format_for(path, "hexgrad/Kokoro-82M")
    assert raised.value.param == "path"
    told = f"asks for {form}, which hexgrad/Kokoro-82M does not give; end the name in '.wav', "
    assert told in str(raised.value)
