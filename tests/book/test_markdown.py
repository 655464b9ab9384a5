"""Markdown, which is read as the HTML that it means."""

from facade import Book, Omission, Paragraph, read_book


def book(source: str, *, alt_texts: bool = False) -> Book:
    return read_book(source, format="markdown", alt_texts=alt_texts)


def paragraphs(source: str, *, alt_texts: bool = False) -> list[Paragraph]:
    chapters = book(source, alt_texts=alt_texts).chapters
    return [paragraph for chapter in chapters for paragraph in chapter.paragraphs]


def test_marks_go_and_words_stay() -> None:
    source = (
        "**Bold**, *em*, `a_b`, ~~old~~, [a *link*](http://x.y), <http://x.y>,\nwrapped\\\nbroken"
        " &amp; 2 * 3, snake_case. <b>HTML</b><!-- no -->\n\n> quoted\n\n- one\n- two\n\n3. three\n"
        "4. four\n\nTitle\n=====\n"
    )
    assert paragraphs(source) == [
        Paragraph(
            "Bold, em, a_b, old, a link, http://x.y, wrapped\nbroken & 2 * 3, snake_case. HTML"
        ),
        Paragraph("quoted", "quote"),
        Paragraph("one", "item"),
        Paragraph("two", "item"),
        Paragraph("3. three", "item"),
        Paragraph("4. four", "item"),
        Paragraph("Title", "heading"),
    ]


def test_headings_make_chapters() -> None:
    read = book("# Book\n\n## One {#one .x}\n\na\n\n## Two\n\n### Section\n\nb {.c}\n")
    assert read.title == "Book"
    assert [
        (chapter.title, [paragraph.text for paragraph in chapter.paragraphs])
        for chapter in read.chapters
    ] == [("One", ["Book", "One", "a"]), ("Two", ["Two", "Section", "b {.c}"])]


def test_what_is_not_for_ears_is_left_out_and_listed() -> None:
    source = """# A

Said.[^1] And![A cat](cat.png) more^[Here.].

[^1]: The note.

```python
x = 1
```

    y = 2

| a | b |
|---|---|
| 1 | 2 |

- [One](#one)

---
"""
    read = book(source)
    assert [part.text for part in read.chapters[0].paragraphs] == ["A", "Said. And more."]
    kinds = [
        "image",
        "note number",
        "note number",
        "code",
        "code",
        "table",
        "navigation",
        "footnote",
    ]
    assert sorted(left.kind for left in read.omissions) == sorted(kinds)
    assert Omission("image", "A cat", 0) in read.omissions
    assert "The note." in read.omissions[-1].text
    assert Paragraph("Said. And A cat more.") in paragraphs(source, alt_texts=True)


def test_front_matter_says_what_it_is() -> None:
    read = book(
        "---\ntitle: 'The Sea: a Tale'\nauthor: \"Jane Doe\"\nlang:   en-GB\n---\n\n# One\n\na"
    )
    assert (read.title, read.author, read.language) == ("The Sea: a Tale", "Jane Doe", "en-GB")
    assert [chapter.title for chapter in read.chapters] == ["One"]
    plain = book("---\ntitle:\nlanguage: fr\n---\nText.")
    assert (plain.title, plain.author, plain.language) == (None, None, "fr")
    assert book("Text.\n\n---\n\ntitle: no\n\n---\n").title is None
