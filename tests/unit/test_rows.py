"""Reading rows: CSV, JSONL, lines of text."""

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facade import InvalidRequestError, VoiceMix
from facade._cli import rows
from facade._cli.rows import BadRow, InputFormat, Row, read_rows, request_of


def read(text: str, form: InputFormat, **how: Any) -> list[Row | BadRow]:
    return list(read_rows(io.StringIO(text, newline="\n"), form, **how))


def test_csv() -> None:
    rows = read(
        "id,text,voice,format,sample_rate,pronounce\r\n"
        'hello,"Hello, all.",af_heart,mp3,24000,"{""omg"": ""oh my god""}"\r\n'
        "\r\n"
        '2,"Two\nlines.", af_bella(2)+af_heart(1) ,,,\r\n'
        "3, As it is. ,,,,\r\n",
        "csv",
    )
    options = {
        "response_format": "mp3",
        "sample_rate": 24000,
        "pronunciation_dict": {"omg": "oh my god"},
    }
    assert rows == [
        Row(2, "Hello, all.", "hello", None, "af_heart", options),
        Row(4, "Two\nlines.", "2", None, "af_bella(2)+af_heart(1)", {}),
        Row(6, " As it is. ", "3", None, None, {}),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_as_spreadsheets_write_it(delimiter: str) -> None:
    assert read(f"id{delimiter}text\na{delimiter}Hi.\n", "csv") == [Row(2, "Hi.", "a")]


@given(st.lists(st.tuples(st.text(), st.text()), max_size=5))
def test_csv_comes_back_as_it_was_written(cells: list[tuple[str, str]]) -> None:
    cells = [
        tuple("".join(c for c in cell if c not in "\r\0") for cell in pair)  # type: ignore[misc]
        for pair in cells
    ]
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerows([("text", "path"), *cells])
    found = read(file.getvalue(), "csv")
    expected = [(text, path.strip() or None) for text, path in cells if text or path]
    assert [(row.text, row.path) for row in found if isinstance(row, Row)] == expected


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ("", [BadRow(1, "names the columns, and one must be 'text'; there is nothing")]),
        (
            "id,txt\n1,Hi.\n",
            [BadRow(1, "names the columns, and one must be 'text'; there is id, txt")],
        ),
        ("text,text\n", [BadRow(1, "has the column 'text' twice")]),
        (
            "text,voce,x\n",
            [
                BadRow(
                    1,
                    "has 'voce', 'x', which nobody knows here; the closest are 'voice', "
                    "'pronounce', 'model'",
                )
            ],
        ),
        (
            "text,id\nHi.\nHo.,2,3\n",
            [
                BadRow(2, "has 1 cells, and there are 2 columns"),
                BadRow(3, "has 3 cells, and there are 2 columns"),
            ],
        ),
        (
            "text,sample_rate\nHi.,fast\n",
            [BadRow(2, "sample_rate: must be a whole number, not 'fast'")],
        ),
        ("text,extra_body\nHi.,{\n", [BadRow(2, "extra_body: must be JSON, not '{'")]),
        (
            "text,pronounce,pronunciation_dict\nHi.,[],[]\n",
            [BadRow(2, "has 'pronunciation_dict' twice, once by its short name")],
        ),
        ('text\nHi.\n"Ho\n', [BadRow(3, "cannot be read: unexpected end of data")]),
        (
            f'text\n"{"x" * 2001}"\nHo.\n',
            [BadRow(2, "cannot be read: field larger than field limit (2000)")],
        ),
        (
            f"text,{'x' * 2001}\nHi.,\n",
            [BadRow(1, "cannot be read: field larger than field limit (2000)")],
        ),
    ],
)
def test_csv_that_cannot_be(text: str, bad: list[BadRow], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "_LONGEST_CELL", 2000)
    assert [row for row in read(text, "csv") if isinstance(row, BadRow)] == bad


def test_a_text_may_be_as_long_as_elsewhere() -> None:
    before = csv.field_size_limit()
    text = "x" * (before + 1)
    assert read(f"text\n{text}\nHo.\n", "csv") == [Row(2, text), Row(3, "Ho.")]
    assert csv.field_size_limit() == before


def test_jsonl() -> None:
    rows = read(
        '{"text": "Hi.", "id": 7, "voice": {"af_bella": 2, "af_heart": 1}, "language": null}\n'
        "\n"
        '{"text": "Ho.", "path": "a/b.mp3", "segment": "never", "extra_body": {"seed": 1}}',
        "jsonl",
    )
    assert rows == [
        Row(1, "Hi.", "7", None, VoiceMix({"af_bella": 2, "af_heart": 1}), {}),
        Row(3, "Ho.", None, "a/b.mp3", None, {"segment": "never", "extra_body": {"seed": 1}}),
    ]


@given(st.lists(st.text(), max_size=5))
def test_jsonl_comes_back_as_it_was_written(texts: list[str]) -> None:
    """Only a newline ends a line, whatever else Unicode has for that."""
    lines = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)
    found = read(lines, "jsonl")
    assert found == [Row(line, text) for line, text in enumerate(texts, 1)]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "is not JSON: Expecting property name enclosed in double quotes at character 2"),
        ("[1]", 'is not a JSON object such as {"text": "Hello."}'),
        ("[" * 100_000, "cannot be read: maximum recursion depth exceeded"),
        ('{"text": "a", "text": "b"}', "cannot be read: 'text' stands in it twice"),
        ('{"id": "a"}', "has no 'text'"),
        ('{"text": null}', "has no 'text'"),
        ('{"text": "a", "id": 1.5}', "id: must be a string, not 1.5"),
        ('{"text": "a", "id": true}', "id: must be a string, not True"),
        ('{"text": "a", "path": ["b"]}', "path: must be a string, not ['b']"),
        ('{"text": "a", "formt": "wav"}', "has 'formt', which nobody knows here; the closest are"),
        ('{"text": "a", "voice": {"af_bella": 1}}', "a mix needs two voices or more"),
        ('{"text": "a", "format": "mp3", "response_format": "wav"}', "has 'response_format' twice"),
    ],
)
def test_jsonl_that_cannot_be(line: str, why: str) -> None:
    """It is told, and the rest is read."""
    first, bad, last = read(f'{{"text": "Hi."}}\n{line}\n{{"text": "Ho."}}\n', "jsonl")
    assert isinstance(bad, BadRow)
    assert bad.line == 2
    assert why in bad.why
    assert (first, last) == (Row(1, "Hi."), Row(3, "Ho."))


def test_lines_of_text() -> None:
    text = "Hello.\n\n  Bye. \r\n{a} is a brace.\u2028So.\n"
    expected = [Row(1, "Hello."), Row(3, "Bye."), Row(4, "{a} is a brace.\u2028So.")]
    assert read(text, "text") == expected
    assert read(text, "text", is_guess=True) == expected


def test_json_is_not_read_aloud_by_mistake() -> None:
    text = '\n{"text": "Hi."}\n'
    why = "is JSON and not a text to read aloud; say --input-format jsonl"
    assert read(text, "text", is_guess=True) == [BadRow(2, why)]
    assert read(text, "text") == [Row(2, '{"text": "Hi."}')]
    # Behind a first line that is none, it is a text.
    assert read(f"Hi.{text}", "text", is_guess=True)[1] == Row(2, '{"text": "Hi."}')
    assert read("{[\n", "text", is_guess=True) == [Row(1, "{[")]


def request(row: Row, voice: str | None = None, **options: Any) -> tuple[str, str, str | None]:
    made = request_of(row, voice=voice, default_voice="af_heart", options=options)
    return made.model, made.voice, made.options.get("response_format")


KOKORO = "hexgrad/Kokoro-82M"


def test_a_row_says_more_than_the_batch() -> None:
    row = Row(1, "Hi.", options={"response_format": "mp3", "model": KOKORO}, voice="af_bella")
    assert request(row, "am_adam", response_format="wav") == (KOKORO, "af_bella", "mp3")
    assert request(Row(1, "Hi."), "am_adam", response_format="mp3") == (KOKORO, "am_adam", "mp3")
    assert request(Row(1, "Hi.")) == (KOKORO, "af_heart", None)


def test_a_path_says_which_format() -> None:
    row = Row(1, "Hi.", path="a.mp3")
    assert request(row)[2] == "mp3"
    assert request(row, response_format="wav")[2] == "mp3"
    assert request(Row(1, "Hi.", path="a"), response_format="wav")[2] == "wav"
    both = Row(1, "Hi.", path="a.mp3", options={"response_format": "wav"})
    assert request(both)[2] == "wav"
    with pytest.raises(InvalidRequestError, match=r"^path: 'a\.ogg' asks for opus, which hexgrad"):
        request(Row(1, "Hi.", path="a.ogg"))
    nameless = Row(1, "Hi.", path="a.mp3", voice="tiger", options={"model": ["b"]})
    with pytest.raises(InvalidRequestError, match=r"^model: must be the name of a model"):
        request(nameless)


def test_the_voice_of_the_batch_is_for_its_model_alone() -> None:
    other = Row(1, "Hi.", options={"model": "some/model"})
    with pytest.raises(
        InvalidRequestError, match=r"^voice: some/model needs one; 'together-speech"
    ):
        request(other, "af_bella")
    assert request(Row(1, "Hi."), "tiger", model="some/model")[:2] == ("some/model", "tiger")
    back = Row(1, "Hi.", options={"model": KOKORO})
    assert request(back, "tiger", model="some/model")[:2] == (KOKORO, "af_heart")
    with pytest.raises(InvalidRequestError, match="some/model needs one"):
        request(Row(1, "Hi."), model="some/model")


@pytest.mark.parametrize("model", [5, True, " ", ["some/model"], "some\0model"])
def test_what_is_no_model_needs_no_voice(model: Any) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        request(Row(1, "Hi.", options={"model": model}))
    assert caught.value.param == "model"


@pytest.mark.parametrize(
    "row", [Row(1, " "), Row(1, "Hi.", voice="nobody"), Row(1, "Hi.", options={"bit_rate": 1})]
)
def test_what_the_service_would_refuse_is_refused(row: Row) -> None:
    with pytest.raises(InvalidRequestError):
        request(row)
