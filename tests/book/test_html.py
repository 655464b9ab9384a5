"""HTML: what is read of it, and what is left out."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facade import Book, Omission, Paragraph, read_book
from facade._book.flow import Block, ChapterStart
from facade._book.html import read_html


def book(markup: str) -> Book:
    return read_book(markup, format="html")


def paragraphs(markup: str, *, alt_texts: bool = False) -> list[Paragraph]:
    read = read_book(markup, format="html", alt_texts=alt_texts)
    return [paragraph for chapter in read.chapters for paragraph in chapter.paragraphs]


def texts(markup: str) -> list[str]:
    return [paragraph.text for paragraph in paragraphs(markup)]


def omissions(markup: str) -> list[tuple[str, str]]:
    return [(omission.kind, omission.text) for omission in book(markup).omissions]


# --- what is read --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("markup", "read"),
    [
        ("<p>One\n  <b>two</b>&nbsp;&amp;\tthree</p><p>four", ["One two & three", "four"]),
        ("loose<div>in <i>a</i> block</div>tail", ["loose", "in a block", "tail"]),
        ("<p>soft&shy;hy\u00adphen&#8203; \u2060caf\u0065\u0301", ["softhyphen café"]),
        ("<p>one<br>two<br/> three", ["one\ntwo\nthree"]),
        ("one<br><br> <br>two", ["one", "two"]),
        ("<p>un<wbr>broken<hr>next", ["unbroken", "next"]),
        ("<p>今日は、\n  いい<b>天気</b>\nOK", ["今日は、いい天気 OK"]),
        ("<ruby>漢<rp>(</rp><rt>かん</rt><rp>)</rp>字<rt>じ</rt></ruby>だ", ["漢字だ"]),
        ("<!-- no --><!DOCTYPE x><?php no ?><![if x]>yes<![endif]>", ["yes"]),
        ("<!--[if IE]>no<![endif]--><!--[if !IE]><!-->yes<!--<![endif]-->", ["yes"]),
        ("<!<![>[x]>a", ["[x]>a"]),
        ("a &#99999999; " + "&#" + "9" * 5000 + "; b", ["a \ufffd \ufffd b"]),
        ("a &lt;b&gt; &bogus; &#x41; 1 < 2", ["a <b> &bogus; A 1 < 2"]),
        ("<p></p><p>a</p></p></b></div><p>b", ["a", "b"]),
        ("<dl><dt>a<dd>b<dt>c</dl>", ["a", "b", "c"]),
        ("<table role=presentation><tr><td>a<td>b</table>", ["a", "b"]),
        ("", []),
    ],
)
def test_text_is_read(markup: str, read: list[str]) -> None:
    assert texts(markup) == read


def test_paragraphs_are_of_kinds() -> None:
    assert paragraphs(
        "<h1>A<br>B</h1><p>c</p><ul><li>d<p>e</ul><blockquote><p>f</p></blockquote>"
        "<pre>g\n  h</pre><div class='poem x'><p>i<br>j</p></div><figure><figcaption>k</figure>"
    ) == [
        Paragraph("A\nB", "heading"),
        Paragraph("c"),
        Paragraph("d", "item"),
        Paragraph("e", "item"),
        Paragraph("f", "quote"),
        Paragraph("g\nh", "verse"),
        Paragraph("i\nj", "verse"),
        Paragraph("k"),
    ]


def test_what_is_highlighted_and_no_code_is_read() -> None:
    assert texts("<p>See <span class=highlight>this</span>.<p class=highlight>And this.") == [
        "See this.",
        "And this.",
    ]
    markup = "<div class=highlight><p>One.</p><pre><span>x = 1</span></pre><p>Two.</p></div>"
    assert texts(markup) == ["One.", "Two."]
    assert omissions(markup) == [("code", "x = 1")]


def test_numbers_of_items_are_read() -> None:
    markup = (
        "<ol><li>a<li><p>b</p><p>c</p><ol start=7><li>d</ol><li value=9>e<li value=x>f<li></ol>"
        "<ul><li>g</ul>"
    )
    assert texts(markup) == ["1. a", "2. b", "c", "7. d", "9. e", "10. f", "g"]


def test_languages_are_those_of_paragraphs() -> None:
    read = book(
        "<html lang=en><p>a<p lang=fr>b <i lang=de>c</i><div xml:lang=ja><p>d<p lang=en>e</div>"
    )
    assert read.language == "en"
    assert [paragraph.language for paragraph in read.chapters[0].paragraphs] == [
        None,
        "fr",
        "ja",
        None,
    ]


def test_a_document_says_what_it_is() -> None:
    head = "<title> The &amp; Sea </title><meta name=Author content='Jane  Doe'>"
    read = book(f"<html lang=en-GB>{head}<h1>One</h1><p>a<title>no</title></html>")
    assert (read.title, read.author, read.language) == ("The & Sea", "Jane Doe", "en-GB")
    assert book("<h1>The<br>Sea</h1><h2>One</h2>a").title == "The Sea"
    assert book("<h1>The Sea</h1>a<h1>Two</h1>b").title is None


def test_alternative_texts_are_read_by_choice() -> None:
    markup = "<p><img src=a.png alt='A  cat'></p><p>See <img alt='a dog'>: <img alt=W>oof<img>"
    assert paragraphs(markup, alt_texts=True) == [
        Paragraph("A cat", "image"),
        Paragraph("See a dog : Woof"),
    ]
    # A painted letter is a letter.
    assert texts(markup) == ["See : Woof"]
    assert omissions(markup + "<img src=b.png><img src='data:xyz'>") == [
        ("image", "A cat"),
        ("image", "a dog"),
        ("image", "b.png"),
    ]


# --- chapters ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headings", "titles"),
    [
        ("h1:A h1:B", ["A", "B"]),
        ("h1:Book h2:A h2:B", ["Book", "A", "B"]),
        ("h1:Book h2:A h3:x h3:y h2:B", ["Book", "A", "B"]),
        ("h1:A", ["A"]),
        ("h2:A h3:x", ["A"]),
        ("h1:Part_1 h2:A h2:B h1:Part_2 h2:C", ["Part 1", "A", "B", "Part 2", "C"]),
        ("h1:Part_1 h1:Part_2", ["Part 1", "Part 2"]),
        ("", [None]),
    ],
)
def test_chapters_begin_at_headings(headings: str, titles: list[str | None]) -> None:
    parts = [heading.replace("_", " ").split(":") for heading in headings.split()]
    markup = "".join(f"<{tag}>{title}</{tag}><p>Text." for tag, title in parts) or "<p>Text."
    assert [chapter.title for chapter in book(markup).chapters] == titles


def test_a_title_without_text_goes_to_the_chapter_behind_it() -> None:
    read = book("<h1>Book</h1><h2>A</h2><p>a<h2>B</h2><p>b<aside hidden>c</aside><h2>C</h2>")
    assert [
        (chapter.title, [paragraph.text for paragraph in chapter.paragraphs])
        for chapter in read.chapters
    ] == [("A", ["Book", "A", "a"]), ("B", ["B", "b"]), ("C", ["C"])]
    assert read.omissions == (Omission("hidden", "c", 1),)


def test_a_title_may_be_two_headings() -> None:
    read = book("<h1>Book;</h1><h1>or, Tale</h1><p>by me<h2>A</h2><p>a<h2>B</h2><p>b")
    assert [chapter.title for chapter in read.chapters] == ["or, Tale", "A", "B"]


def test_a_heading_may_link_to_the_table_of_contents() -> None:
    assert texts("<h2><a href='#toc'>A</a></h2><p><a href='#toc'>Back</a>") == ["A"]
    assert texts("<p><a href='https://a.b/#c'>Elsewhere</a>") == ["Elsewhere"]


# --- what is left out ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("markup", "left"),
    [
        ("<nav>a <p>b</nav>", ("navigation", "a b")),
        ("<div role=doc-toc>a</div>", ("navigation", "a")),
        ("<section epub:type='x landmarks'>a</section>", ("navigation", "a")),
        ("<ul><li><a href='#a'>a</a>", ("navigation", "a")),
        ("<table><tr><td>1<td>2</table>", ("table", "1 2")),
        ("<pre><code>x = 1</code></pre>", ("code", "x = 1")),
        ("<div class=sourceCode><pre>x</pre></div>", ("code", "x")),
        ("<pre class='sourceCode python'>x</pre>", ("code", "x")),
        ("<aside role=doc-footnote><p>a</aside>", ("footnote", "a")),
        ("<aside epub:type=footnote>a</aside>", ("footnote", "a")),
        ("<section class='footnotes'><ol><li>a</section>", ("footnote", "a")),
        ("<span class=pagenum>[12]</span>", ("page number", "[12]")),
        ("<span role=doc-pagebreak>12</span>", ("page number", "12")),
        ("<section class=pg-boilerplate>a</section>", ("licence", "a")),
        ("<section epub:type=copyright-page>a</section>", ("copyright", "a")),
        ("<section role=doc-index>a</section>", ("index", "a")),
        ("<p hidden>a</p>", ("hidden", "a")),
        ("<p aria-hidden=true>a</p>", ("hidden", "a")),
        ("<p style='color: red; display:none'>a</p>", ("hidden", "a")),
        ("<noscript>a</noscript>", ("hidden", "a")),
        ("<svg><title>a</title></svg>", ("image", "a")),
        ("<math><mi>a</mi></math>", ("formula", "a")),
        ("<video>a</video>", ("media", "a")),
        ("<button>a</button>", ("form", "a")),
        ("<del>a</del>", ("deletion", "a")),
        ("<ruby><rt>a</rt></ruby>", ("ruby", "a")),
        ("<p>* * *</p>", ("separator", "* * *")),
    ],
)
def test_what_is_left_out_is_listed(markup: str, left: tuple[str, str]) -> None:
    assert omissions(f"<p>Before.</p>{markup}<p>Behind.</p>") == [left]
    assert texts(f"<p>Before.</p>{markup}<p>Behind.</p>") == ["Before.", "Behind."]


@pytest.mark.parametrize(
    "markup", ["<script>a<p></script>", "<style>a</style>", "<template>a</template>", "<p> </p>"]
)
def test_what_is_no_text_is_not_listed(markup: str) -> None:
    assert omissions(f"<p>Before.</p>{markup}<p>Behind.</p>") == []
    assert texts(f"<p>Before.</p>{markup}<p>Behind.</p>") == ["Before.", "Behind."]


@pytest.mark.parametrize(
    ("markup", "number"),
    [
        ("word<sup>1</sup>.", "1"),
        ("so.<sup>23</sup>", "23"),
        ("so<sup>[4]</sup>.", "[4]"),
        ("cm<sup>*</sup>.", "*"),
        ("here <sup>*</sup>.", "*"),
        ("cm<sup><a href='#n1'>1</a></sup>.", "1"),
        ("cm<a href='#n1'><sup>note 1</sup></a>.", "note 1"),
        ("cm <a href='#n1'>[1]</a>.", "[1]"),
        ("cm <a href='#n1'>*</a>.", "*"),
        ("cm<a role=doc-noteref href='#n1'>1</a>.", "1"),
        ("cm<a epub:type=noteref href='#n1'>1</a>.", "1"),
        ("page <a href='#p12'>12</a>.", None),
        ("<a href='https://a.b/#n1'>[1]</a>.", None),
        ("cm <a href='#fn:1'>[iv]</a>.", "[iv]"),
        ("so <a href='#p'>(see)</a>.", None),
        ("cm<sup>2</sup>.", None),
        ("10<sup>th</sup>.", None),
        ("10<sup>6</sup>.", None),
        ("(a+b)<sup>2</sup>.", None),
        ("(see above)<sup>2</sup>.", "2"),
        ("Doe (1912)<sup>3</sup>.", "3"),
        ("(he said so.)<sup>2</sup>.", "2"),
        ("word<sup>th</sup>.", None),
        (
            "page <a href='#p'><i>a</i> <i>b</i> <i>c</i> <i>d</i> <i>e</i> <i>f</i> <i>g</i></a>",
            None,
        ),
        ("word<a href='#x'></a><sup></sup>.", None),
    ],
)
def test_numbers_of_notes_are_left_out_and_other_raised_letters_are_not(
    markup: str, number: str | None
) -> None:
    left = omissions(f"<p>{markup}")
    if number is None:
        assert left == []
    else:
        assert left == [("note number", number)]
        (text,) = texts(f"<p>{markup} Go on.")
        assert number not in text
        assert " ." not in text


def test_powers_are_no_part_of_their_numbers() -> None:
    assert texts(
        "<p>10<sup>6</sup>, 10<i><sup>\u22123</sup></i>, (<i>a</i>+b)<sup>2</sup>, 9 cm<sup>2</sup>"
    ) == ["10^6, 10^\u22123, (a+b)^2, 9 cm2"]
    assert texts("<p>10<sup>th</sup>, 1<sup><b>2</b></sup>") == ["10th, 1^2"]


def test_what_is_left_out_stands_in_its_chapter() -> None:
    markup = (
        "<nav>a</nav><h1>A<sup>1</sup>.</h1><p>b<aside role=doc-footnote>c</aside>"
        "<h1>Bird.<sup>2</sup></h1>d"
    )
    assert book(markup).omissions == (
        Omission("navigation", "a", None),
        Omission("footnote", "c", 0),
        Omission("note number", "2", 1),
    )


def test_the_licence_of_project_gutenberg_is_left_out() -> None:
    read = book(
        "<pre>The EBook of A\n\nTitle: A\n*** START OF THIS PROJECT GUTENBERG EBOOK A ***</pre>"
        "<p>Produced by B<h1>A</h1><p>a</p>"
        "<pre>End of Project Gutenberg's A\n\nSection 1. Terms</pre>"
    )
    assert [paragraph.text for paragraph in read.chapters[0].paragraphs] == ["A", "a"]
    assert [(left.kind, left.chapter) for left in read.omissions] == [
        ("licence", None),
        ("licence", None),
        ("credits", None),
        ("licence", 0),
        ("licence", 0),
    ]


def test_an_element_that_is_left_out_may_lack_its_end() -> None:
    assert texts("<ul><li hidden>a<li>b</ul><p hidden>c<p>d<nav>e<p>f") == ["b", "d"]
    assert omissions("<p>d<nav>e<p>f") == [("navigation", "e f")]
    assert texts("<ol><li hidden>a<ol><li>b</ol><li>c</ol>") == ["2. c"]


@pytest.mark.parametrize("rest", ["<!-- a > b <p>c", "<p class='a>b</p>", "<p a", "</p", "<? a"])
def test_what_is_behind_a_tag_without_an_end_is_listed(rest: str) -> None:
    assert texts(f"<p>Before.</p>{rest}") == ["Before."]
    assert omissions(f"<p>Before.</p>{rest}") == [("broken markup", rest)]
    assert omissions(f"<p>Before.<nav>a {rest}") == [("navigation", f"a {rest}")]
    assert texts("Is 1 <") == ["Is 1 <"]


# --- XHTML, anchors, and what no one has written with care ---------------------------------------


def test_xhtml_closes_elements_by_their_own_tag() -> None:
    found = read_html(
        "<title/><script src='x'/><p>a<a id='x'/>b<i/></p><p/><![CDATA[c & <d>]]>", is_xhtml=True
    ).found
    assert [item.paragraph.text for item in found if isinstance(item, Block)] == ["ab", "c & <d>"]
    assert texts("<p>a<i/>b") == ["ab"]


def test_links_in_a_book_are_to_its_files() -> None:
    markup = "<p><a href='ch1.xhtml'>a</a></p><p><a href='http://a.b/'>b</a></p><p><a>c</a></p>"
    found = read_html(markup, is_xhtml=True).found
    assert found == [
        Omission("navigation", "a"),
        Block(Paragraph("b")),
        Block(Paragraph("c")),
    ]
    assert texts(markup) == ["a", "b", "c"]


def test_chapters_begin_at_ids() -> None:
    markup = "<p id=a>A<p>B<a name=b></a><p id=a>C<hr id=d><p>D"
    found = read_html(markup, chapters={"a": "One", "b": "Two", "d": "Three", "e": "Four"}).found
    assert [item.paragraph.text if isinstance(item, Block) else item for item in found] == [
        ChapterStart("One"),
        "A",
        ChapterStart("Two"),
        "B",
        "C",
        ChapterStart("Three"),
        "D",
    ]


pieces = st.lists(
    st.sampled_from(
        [
            *("<p>", "</p>", "<p", "<div hidden>", "</div>", "<a href='#x'>", "</a>", "<sup>"),
            *("</sup>", "<ol>", "<li>", "</ol>", "<li value=3>", "<h1>", "</h1>", "<br>", "<!--"),
            *("-->", "<![CDATA[", "]]>", "<![", "<!x", "<?", "&", "&#0;", "&#xd800;", "<pre>"),
            *("<code>", "</pre>", "<nav>", "</nav>", "<script>", "</script>", "<title>", "</", "<"),
            *("word", " ", "\n", "1", "*", "<img alt=A>", "<img alt='a b'>", "<table>", "</table>"),
        ]
    )
    | st.text(max_size=5),
    max_size=25,
).map("".join)


@given(pieces, st.booleans(), st.booleans())
@settings(max_examples=200)
def test_no_markup_is_too_broken(markup: str, alt_texts: bool, is_xhtml: bool) -> None:
    for item in read_html(
        markup, alt_texts=alt_texts, is_xhtml=is_xhtml, chapters={"x": "X"}
    ).found:
        if isinstance(item, Block):
            text = item.paragraph.text
            assert text == "\n".join(" ".join(line.split()) for line in text.split("\n"))
            assert any(map(str.isalnum, text))


@given(
    st.lists(
        st.tuples(st.sampled_from(["p", "b", "div", "i", "li", "h2", "blockquote"]), st.booleans())
    )
)
@settings(max_examples=50)
def test_no_word_is_lost(elements: list[tuple[str, bool]]) -> None:
    markup = "".join(
        f"<{tag}>word{number} " + f"</{tag}>" * is_closed
        for number, (tag, is_closed) in enumerate(elements)
    )
    words = " ".join(texts(markup)).split()
    assert words == [f"word{number}" for number in range(len(elements))]


@pytest.mark.parametrize(
    "markup",
    [
        "<b>" * 10_000 + "<p>a</p>" * 10_000,
        "<div>" * 10_000 + "a" + "</x>" * 10_000,
        "x<sup>2</sup>" * 10_000,
        "<sup>" * 10_000 + "a" + "</sup>" * 10_000,
        "<pre>" + "*<code>a</code>" * 10_000,
        "<ol><li>a" * 10_000,
        "a" + "<![CDATA[" * 200_000,
        "<a " * 200_000,
        "<!--" * 200_000,
        "<! " * 200_000,
        "<? " * 200_000,
        "</ " * 200_000,
        "<p a='>" + "<a b='>'" * 200_000,
        """<a b=">" """ * 200_000,
    ],
    ids=[
        *("unclosed", "unopened", "raised", "nested", "code", "lists", "sections", "tags"),
        *("comments", "declarations", "instructions", "ends", "quotes", "attributes"),
    ],
)
def test_hostile_markup_takes_no_more_than_its_length(markup: str) -> None:
    """Each would take hours if anything in it were read again and again."""
    assert read_html(markup, is_xhtml=True).found
