"""Plain text: paragraphs, chapters, and what Project Gutenberg puts around them."""

from dataclasses import replace

import pytest

from benchmarks.book_text import book_text
from facade import Book, Chapter, Omission, Paragraph, read_book
from facade._book.reading import BookFormat


def outline(book: Book) -> list[tuple[str | None, list[str]]]:
    return [
        (chapter.title, [paragraph.text for paragraph in chapter.paragraphs])
        for chapter in book.chapters
    ]


def paragraphs(source: str) -> list[Paragraph]:
    return [part for chapter in read_book(source).chapters for part in chapter.paragraphs]


def test_lines_that_were_wrapped_are_joined() -> None:
    text = (
        "The first line of it\nand the second.\r\n \r\n"
        "Another par-\nticle--\nor not\n--or --\nso.\n\n\n"
    )
    assert [part.text for part in paragraphs(text)] == [
        "The first line of it and the second.",
        "Another par-ticle—or not—or — so.",
    ]


def test_chinese_and_japanese_lines_are_joined_without_a_space() -> None:
    assert paragraphs("今日はとても、\n天気がいい。\nYes") == [
        Paragraph("今日はとても、天気がいい。 Yes")
    ]


def test_lines_that_were_not_wrapped_are_paragraphs() -> None:
    long = "word " * 40 + "end."
    assert [part.text for part in paragraphs(f"{long}\nShort.\n{long}")] == [long, "Short.", long]


def test_indented_lines_begin_paragraphs() -> None:
    line = "as long as the lines of a book that was typed with care are, at least"
    text = f"  First {line}\n{line}\n  Second {line}\n{line}"
    assert [part.text for part in paragraphs(text)] == [
        f"First {line} {line}",
        f"Second {line} {line}",
    ]


def test_what_is_indented_is_a_quotation_and_what_is_short_is_verse() -> None:
    line = "as long as the lines of a letter that somebody copied into a book are"
    assert paragraphs(f"    Dear {line},\n    {line}.\n\n  Yours,\n  T.") == [
        Paragraph(f"Dear {line}, {line}.", "quote"),
        Paragraph("Yours,\nT.", "verse"),
    ]
    assert paragraphs("The rain came down--\n  upon the town,") == [
        Paragraph("The rain came down—\nupon the town,", "verse")
    ]


def test_lines_with_bullets_are_items() -> None:
    assert paragraphs("- one\n  of them\n  * “two”\n\n– three - four\n\n-5 degrees") == [
        Paragraph("one of them", "item"),
        Paragraph("“two”", "item"),
        Paragraph("three - four", "item"),
        Paragraph("-5 degrees"),
    ]


def test_typists_marks_are_taken_out() -> None:
    text = "It was _very_ late--_too late_, he said: snake_case, a _ b --- and so_on_ 2--3\u00ad4."
    assert [part.text for part in paragraphs(text)] == [
        "It was very late—too late, he said: snake_case, a _ b --- and so_on_ 2—34."
    ]


# --- chapters ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heading", "title"),
    [
        ("CHAPTER I.", "CHAPTER I."),
        ("Chapter 12: The Chase", "Chapter 12: The Chase"),
        ("CHAPTER XIV DOWN THE RIVER", "CHAPTER XIV DOWN THE RIVER"),
        ("Chapter the Last", "Chapter the Last"),
        ("Chapter Twenty-One. Home", "Chapter Twenty-One. Home"),
        ("CHAPTER I.\nDown the Rabbit-Hole", "CHAPTER I. Down the Rabbit-Hole"),
        ("CHAPTER 1\n\nLoomings", "CHAPTER 1 Loomings"),
        ("Letter 4", "Letter 4"),
        ("PREFACE", "PREFACE"),
        ("Epilogue.", "Epilogue."),
        ("Chapitre premier", "Chapitre premier"),
        ("Capítulo 3", "Capítulo 3"),
        ("Kapitel 7 - Heim", "Kapitel 7 - Heim"),
        ("第三章 春", "第三章 春"),
        ("第12回", "第12回"),
    ],
)
def test_a_line_that_names_a_chapter_begins_one(heading: str, title: str) -> None:
    book = read_book(f"It was before.\n\n{heading}\n\nThe text of it began here.")
    assert outline(book) == [
        (None, ["It was before."]),
        (title, [book.chapters[1].paragraphs[0].text, "The text of it began here."]),
    ]
    assert book.chapters[1].paragraphs[0].kind == "heading"
    assert book.chapters[1].paragraphs[0].text.replace("\n", " ") == title


@pytest.mark.parametrize(
    "line",
    [
        "Chapter two of the book was short.",
        "Part one he knew by heart.",
        "Part one of it",
        "Book I Liked the Most, Then.",
        "chapter 5",
        "Chapter",
        "Chapters 5",
        "Act Onerous",
        "第三者は言った。",
        "Preface to a long life it was.",
        "Chapter 1.\nwas\nall\nthat he had.",
        "NO SMOKING",
        "I.",
        "3",
    ],
)
def test_a_line_that_only_looks_like_one_does_not(line: str) -> None:
    assert len(read_book(f"It was before.\n\n{line}\n\nThe text went on.").chapters) == 1


def test_parts_have_chapters() -> None:
    text = "PART ONE\n\nCHAPTER I\n\nOne.\n\nCHAPTER II\n\nTwo.\n\nPART TWO\n\nCHAPTER I\n\nThree."
    assert outline(read_book(text)) == [
        ("CHAPTER I", ["PART ONE", "CHAPTER I", "One."]),
        ("CHAPTER II", ["CHAPTER II", "Two."]),
        ("CHAPTER I", ["PART TWO", "CHAPTER I", "Three."]),
    ]


def test_capitals_with_room_above_begin_chapters_where_there_are_several() -> None:
    text = "THE RED ROOM\n\nOne.\n\nNO SMOKING\n\nTwo.\n\n\nTHE BLUE ROOM\n\nThree.\n\n\nTHE END"
    assert [title for title, _ in outline(read_book(text))] == ["THE RED ROOM", "THE BLUE ROOM"]
    assert len(read_book("Before.\n\n\nTHE RED ROOM\n\nOne.\n\n\nHI\n\nX").chapters) == 1


@pytest.mark.parametrize(
    ("numbers", "chapters"),
    [
        ("I II III IV V VI VII VIII IX X XI", 11),
        ("1. 2. 3.", 3),
        ("I. II. I. II.", 4),
        ("1 3 4", 1),
        ("2 3", 1),
    ],
)
def test_numbers_begin_chapters_where_they_count_up(numbers: str, chapters: int) -> None:
    text = "\n\n".join(f"{number}\n\nSome text." for number in numbers.split())
    assert len(read_book(text).chapters) == chapters


def test_numbers_within_chapters_are_headings_and_no_chapters() -> None:
    book = read_book("CHAPTER I\n\n1.\n\nOne.\n\n2.\n\nTwo.\n\nCHAPTER II\n\n1.\n\nThree.")
    assert [chapter.title for chapter in book.chapters] == ["CHAPTER I", "CHAPTER II"]
    assert book.chapters[0].paragraphs[1] == Paragraph("1.", "heading")


CONTENTS = {
    "in one stanza": "CONTENTS\n\n CHAPTER I. The Sea\n CHAPTER II. The Land\n\n\n",
    "below the word": "Contents\nCHAPTER I. The Sea\nCHAPTER II. The Land\n\n\n",
    "parted": "CONTENTS.\n\nCHAPTER I. The Sea\n\nCHAPTER II. The Land\n\n\n",
    "with pages": "Table of Contents\n\nForeword ....... iii\nThe Sea    1\nThe Land ... 20\n\n",
}


@pytest.mark.parametrize("contents", CONTENTS.values(), ids=CONTENTS)
def test_a_table_of_contents_is_left_out(contents: str) -> None:
    book = read_book(f"{contents}CHAPTER I. The Sea\n\nOne.\n\nCHAPTER II. The Land\n\nTwo.")
    assert outline(book) == [
        ("CHAPTER I. The Sea", ["CHAPTER I. The Sea", "One."]),
        ("CHAPTER II. The Land", ["CHAPTER II. The Land", "Two."]),
    ]
    assert [(left.kind, left.chapter) for left in book.omissions] == [("navigation", None)]
    assert "The Land" in book.omissions[0].text


def test_a_table_of_contents_may_name_what_has_no_number() -> None:
    text = (
        "Contents\n\nThe Sea\n\nThe Land\n\nThe Sea\n\nIt was wide, as seas are.\n\nThe Land\n\nSo."
    )
    assert outline(read_book(text)) == [
        (None, ["The Sea", "It was wide, as seas are.", "The Land", "So."])
    ]


def test_a_table_of_contents_ends_where_text_begins() -> None:
    text = (
        "CONTENTS\n\nPreface   v\nCHAPTER I\nCHAPTER II\n\nCHAPTER I\n\nOne.\n\nCHAPTER II\n\nTwo."
    )
    assert outline(read_book(text)) == [
        ("CHAPTER I", ["CHAPTER I", "One."]),
        ("CHAPTER II", ["CHAPTER II", "Two."]),
    ]
    assert outline(read_book("CONTENTS\n\nCHAPTER I")) == []
    assert outline(read_book("Contents\n\nIt was late.")) == [(None, ["It was late."])]
    text = (
        "CONTENTS\n\nThe Sea\n\nEPILOGUE\n\nA note of mine.\n\n"
        "The Sea\n\nIt was.\n\nEPILOGUE\n\nEnd."
    )
    assert outline(read_book(text)) == [
        (None, ["A note of mine.", "The Sea", "It was."]),
        ("EPILOGUE", ["EPILOGUE", "End."]),
    ]


# --- what is left out ----------------------------------------------------------------------------


def test_the_licence_of_project_gutenberg_is_left_out() -> None:
    text = """The Project Gutenberg eBook of The Sea

Title: The Sea
    and Other Tales

Author: Jane Doe

Language: English

*** START OF THE PROJECT GUTENBERG EBOOK THE SEA ***

Produced by Some Body
and others.

It was wide.

*** END OF THE PROJECT GUTENBERG EBOOK THE SEA ***

Please read this before you copy it.
"""
    book = read_book(text)
    assert (book.title, book.author, book.language) == ("The Sea and Other Tales", "Jane Doe", "en")
    assert outline(book) == [(None, ["It was wide."])]
    assert [left.kind for left in book.omissions] == ["licence", "credits", "licence"]
    assert [left.chapter for left in book.omissions] == [None, None, 0]
    assert "Please read this" in book.omissions[2].text
    old = read_book(
        "Small print.\n*END*THE SMALL PRINT! FOR BOOKS*\n\nText.\n\nEnd of Project Gutenberg's Sea"
    )
    assert outline(old) == [(None, ["Text."])]


@pytest.mark.parametrize("format", ["text", "html"])
def test_of_two_books_of_project_gutenberg_the_first_is_read(format: BookFormat) -> None:  # noqa: A002
    source = "".join(
        f"Title: {title}\n\n*** START OF THE PROJECT GUTENBERG EBOOK {title} ***\n\n"
        f"Produced by Some Body\n\nThe {title} was wide.\n\n"
        f"*** END OF THE PROJECT GUTENBERG EBOOK {title} ***\n\nTerms.\n\n"
        for title in ("SEA", "LAND")
    )
    if format == "html":
        source = "<p>" + source.replace("\n\n", "</p><p>")
    book = read_book(source, format=format)
    assert outline(book) == [(None, ["The SEA was wide."])]
    assert [left.kind for left in book.omissions if left.kind != "licence"] == ["credits"]
    assert "The LAND was wide." in " ".join(left.text for left in book.omissions)


def test_a_book_of_project_gutenberg_may_lack_an_end() -> None:
    end, start = "End of Project Gutenberg's", "*** START OF THIS PROJECT GUTENBERG EBOOK ***"
    assert outline(read_book(f"{start}\n\nText.")) == [(None, ["Text."])]
    assert outline(read_book(f"Text.\n\n{end} Sea")) == [(None, ["Text."])]
    assert outline(read_book(f"{end} header\n\n{start}\n\nText.")) == [(None, ["Text."])]


def test_notes_and_pictures_are_left_out() -> None:
    text = (
        "He went [1] home.[2] See list[3].\n\n[Illustration: A house]\n\n[1] On foot.\n\n"
        "[Footnote 2: It was\nfar away.]\n\n* * * * *\n\nThe end.\n\n[Illustration]"
    )
    book = read_book(text)
    assert outline(book) == [(None, ["He went home. See list[3].", "The end."])]
    assert book.omissions == (
        Omission("note number", "[1]", 0),
        Omission("note number", "[2]", 0),
        Omission("image", "A house", 0),
        Omission("footnote", "[1] On foot.", 0),
        Omission("footnote", "[Footnote 2: It was far away.]", 0),
        Omission("separator", "* * * * *", 0),
        Omission("image", "", 0),
    )


def test_captions_are_read_by_choice() -> None:
    book = read_book("One.\n\n[Illustration: A house]\n\n[Illustration]", alt_texts=True)
    assert book.chapters == (Chapter((Paragraph("One."), Paragraph("A house", "image"))),)


def test_a_text_of_nothing_has_no_chapters() -> None:
    assert read_book("") == Book(())
    assert replace(read_book(" \n\f\n* * *"), omissions=()) == Book(())


def test_every_word_of_a_long_book_is_there() -> None:
    text = book_text(30_000)
    book = read_book(text)
    read = " ".join(part.text for chapter in book.chapters for part in chapter.paragraphs)
    assert read.split() == text.split()
    assert book.omissions == ()
