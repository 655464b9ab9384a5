"""Scripts, whose lines say who speaks them."""

from pathlib import Path

import pytest

from facade import Book, Paragraph, UnreadableBookError, read_book
from facade._book.reading import BookFormat


def paragraphs(book: Book) -> list[Paragraph]:
    return [paragraph for chapter in book.chapters for paragraph in chapter.paragraphs]


@pytest.mark.parametrize("format", ["text", "markdown"])
def test_a_mark_gives_its_line_to_a_voice(format: BookFormat) -> None:  # noqa: A002
    script = (
        "It was late.\nVery late.\n[am_adam] Hello,\nyou there!\n"
        "[af_bella(2)+af_heart(1)]  Who?\n\n"
        "Nobody [sic] came.\n\n[british narration lady]\nThe end.\n"
    )
    assert paragraphs(read_book(script, format=format, script=True)) == [
        Paragraph("It was late. Very late."),
        Paragraph("Hello, you there!", voice="am_adam"),
        Paragraph("Who?", voice="af_bella(2)+af_heart(1)"),
        Paragraph("Nobody [sic] came."),
        Paragraph("The end.", voice="british narration lady"),
    ]


def test_headings_and_verse_have_voices_too() -> None:
    book = read_book("# [am_adam] One\n\nText.\n\n# Two\n\nMore.", format="markdown", script=True)
    assert [chapter.title for chapter in book.chapters] == ["One", "Two"]
    assert book.chapters[0].paragraphs[0] == Paragraph("One", "heading", voice="am_adam")
    verse = read_book("[am_adam] The rain\n  came down\n[af_sky] on us", script=True)
    assert paragraphs(verse) == [
        Paragraph("The rain\ncame down", "verse", voice="am_adam"),
        Paragraph("on us", "verse", voice="af_sky"),
    ]


def test_voices_of_one_letter_are_no_notes() -> None:
    script = "[A] Hello there.[B]\n\n[B] Hi\nto you,\n[A] [A] is here.\n\n[Footnote B: Not she.]"
    book = read_book(script, script=True)
    assert paragraphs(book) == [
        Paragraph("Hello there.", voice="A"),
        Paragraph("Hi to you,", voice="B"),
        Paragraph("[A] is here.", voice="A"),
    ]
    assert [left.kind for left in book.omissions] == ["note number", "footnote"]


def test_html_may_be_a_script() -> None:
    markup = "<h1>A</h1><p>[am_adam] One,<br>two.<br>[af_sky] Three.</p><p>今日は<br>雨</p>"
    assert paragraphs(read_book(markup, format="html", script=True)) == [
        Paragraph("A", "heading"),
        Paragraph("One, two.", voice="am_adam"),
        Paragraph("Three.", voice="af_sky"),
        Paragraph("今日は雨"),
    ]


def test_without_the_choice_a_mark_is_text() -> None:
    assert paragraphs(read_book("[am_adam] Hello.\n[he leaves")) == [
        Paragraph("[am_adam] Hello. [he leaves")
    ]


@pytest.mark.parametrize(
    "mark",
    [
        "[He leaves.] Gone.",
        "[] Gone.",
        "[am_adam",
        "[a+] Gone.",
        "[am_adam]",
        "[am_adam] ...",
        "[a/b] x",
    ],
)
def test_a_mark_that_names_no_voice_is_told_by_its_line(mark: str, tmp_path: Path) -> None:
    script = f"It was late.\n\n  {mark}\n\nText."
    with pytest.raises(UnreadableBookError) as raised:
        read_book(script, script=True)
    assert raised.value.part == "line 3"
    shown = mark.partition("]")[0]
    assert str(raised.value).startswith(f"source: line 3: '{shown}")
    assert "[af_heart]" in str(raised.value)
    path = tmp_path / "play.md"
    path.write_text(script, encoding="utf-8")
    with pytest.raises(UnreadableBookError, match=r"play\.md: line 3: "):
        read_book(path, script=True)


def test_a_mark_that_stands_on_no_line_of_the_source_is_shown() -> None:
    with pytest.raises(UnreadableBookError) as raised:
        read_book(f"<p>&#91;{'x' * 200}", format="html", script=True)
    assert str(raised.value).startswith(f"source: '[{'x' * 39}…' begins a line")
