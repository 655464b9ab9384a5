"""Markdown into text that can be read aloud, however it is cut."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from functools import partial
from itertools import pairwise

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import example, given
from hypothesis import strategies as st

from facade._rules.markdown import SpeakableText
from facade._rules.speakable import speakable


def said(text: str, **options: bool) -> str:
    """Return what is said of a text, which must not depend on how it is cut."""
    whole = "".join(speakable(text, **options))
    assert "".join(speakable(list(text), **options)) == whole
    return whole


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        # Emphasis.
        ("**Hello**, *dear* __world__!", "Hello, dear world!"),
        ("***both***, **bold *it* b**", "both, bold it b"),
        ("**Note:** text. **Note:**text", "Note: text. Note:text"),
        ("(**x**) \"*y*\" **'z'**.", "(x) \"y\" 'z'."),
        ("这是**重点**和*别的*内容", "这是重点和别的内容"),
        ("_a_b c_ 日_本", "a_b c 日_本"),
        ("~~gone~~ and ~5 minutes", "gone and ~5 minutes"),
        ("**never closed", "never closed"),
        ("opened **\n\nnever** closed", "opened **\n\nnever closed"),
        # Headings, quotes, rules.
        ("# Title\n## Second ##\n###### Sixth", "Title\nSecond\nSixth"),
        ("#\ntext", "\ntext"),
        ("# Title # of # 1 #", "Title # of # 1"),
        ("> quote\n>> more\n>\n>5", "quote\nmore\n\n>5"),
        ("a\n\n---\n\n* * *\n___\nTitle\n=====\nb", "a\n\n\n\n\n\nTitle\n\nb"),
        # Lists.
        ("- a\n* b\n+ c\n  - d\n1. e\n-\nf", "a\nb\nc\nd\n1. e\n\nf"),
        ("- [ ] open\n- [x]  done\n- [x](https://a.b)", "open\ndone\nx"),
        ("- **a**: b\n- > c\n- # d", "a: b\nc\nd"),
        # Code.
        ("use `snake_case * 2` now", "use snake_case * 2 now"),
        ("``a ` b`` c", "a ` b c"),
        ("`never closed\n**b**", "never closed\nb"),
        ("a\n```python\n# x\n**y**\n```\nb", "a\n\nb"),
        ("  ~~~~\n~~~\nx\n~~~~  \nb", "\nb"),
        ("```\nnever closed", ""),
        ("```", ""),
        ("``", ""),
        ("```a```b", "ab"),
        ("~~~", ""),
        # Links, images, notes.
        ("see [the *docs*](https://a.b/c_(d)) now", "see the docs now"),
        ("[a](<b c> \"T\"), [b](c 'T'), [c]()", "a, b, c"),
        ("![a cat](cat.png) [![b](c.svg)](https://d)", "a cat b"),
        ("[text][ref] and [text][]\n[ref]: https://x.y 'T'\nb", "text and text\n\nb"),
        (r"[a\]b](c)", "a]b"),
        ("said[^1].\n[^1]: A note", "said.\nA note"),
        ("<https://x.y/z> <me@x.y>", "https://x.y/z me@x.y"),
        # Tables.
        ("| a | b |\n|---|:-:|\n| 1 | `x|y` |\n|c|d", "a, b\n\n1, x|y\nc, d"),
        ("| a b | c  d |\r\n| e", "a b, c  d\r\ne"),
        ("a | b\n--- | ---\nc", "a | b\n\nc"),
        # HTML.
        ("<b>hi</b> <a href='x' hidden>there</a><!-- x\ny -->!", "hi there!"),
        ("a<br>b<br/> c<p class=x>d</p>", "a b  c d "),
        # What stands for itself.
        (r"\*a\* \[b\](c) \_ \x C:\new \\", r"*a* [b](c) _ \x C:\new " + "\\"),
    ],
)
def test_marks_go_and_words_stay(text: str, spoken: str) -> None:
    assert said(text) == spoken


@pytest.mark.parametrize(
    "text",
    [
        "2 * 3 = 6, 2*3, 2**3, x*y, x**y, 5 - 3, a_1 * b_2",
        "snake_case, _ , __ x, C#, F#, #1, #hashtag, 5* hotel, A* search",
        "a < b, b > c, x <y and z> w, <3, Vec<T>, List<String>, <your name>, </, <!, <!x",
        "list[0], [1], [sic] (no), a[0](x), m[0][1], [a](b c), [a] [b", "[note]: this is text",
        "[a](b\nc", "![", "!", "wow! ok", "a!", "-5 degrees", "--flag", "- \tno".strip("- \t"),
        "x | y", "a\n1. b\n2) c", "it's 50% & more; see p. 3/4 @ 5:30 ~ ok", "\\", "a\\b",
        "#######", "a = b == c", "user@x.y", "end <", "end [a", "end [a]", "end [a](b",
        "[" * 10 + "x" + "]" * 10, "Hi 🙂 there 👍🏽", "émigré 日本語 हिन्दी",
    ],
)  # fmt: skip
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert said(text) == text


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Hi 🙂 there 👍🏽! 🎉 x", "Hi there ! x"),
        ("👨‍👩‍👧 family ❤️, 1️⃣ one 🇩🇪", "family , 1 one "),
        ("🙂🙂 **b**", "b"),
        ("→ © ™ ° a🙂b", "→ © ™ ° ab"),
    ],
)
def test_emoji_go_by_choice(text: str, spoken: str) -> None:
    assert said(text, emoji=False) == spoken


def test_code_stays_by_choice() -> None:
    assert said("a\n```py\n**x** = [1](2)\n\n  ~~~\n```\n**b**", code=True) == (
        "a\n**x** = [1](2)\n\n  ~~~\n\nb"
    )


@pytest.mark.parametrize(
    ("held", "given_back"),
    [
        ("Hello", "Hello"),
        ("Hello!", "Hello!"),
        ("Hello, my ", "Hello, my "),
        ("a *", "a "),
        ("a *b", "a b"),
        ("a [b", "a "),
        ("a [b](http", "a "),
        ("a [sic] ", "a [sic] "),
        ("a [sic](see it", "a [sic](see it"),
        ("a <b", "a "),
        ("a <b and", "a "),
        ("a <b and ", "a "),
        ("a <b and c", "a <b and c"),
        ("a <bc d", "a <bc d"),
        ("a < ", "a < "),
        ("1. a", "1. a"),
        ("- ", ""),
        ("[note]: a ", "[note]: a "),
        ("# T ", "T"),
        ("| a", "a"),
        ("~5", "~5"),
    ],
)
def test_no_more_is_held_back_than_must_be(held: str, given_back: str) -> None:
    assert SpeakableText().feed(held) == given_back


@pytest.mark.parametrize(
    "text",
    [
        "[" + "a" * 3000 + "](b) c",
        "[a](" + "b" * 3000 + ") c",
        "<a href='" + "b" * 3000 + "'> c",
        "<!-- " + "b" * 3000 + "--> c",
        "``` " + "a" * 3000,
    ],
)
def test_what_is_too_long_for_a_mark_is_text(text: str) -> None:
    assert "a" * 3000 in said(text) or "b" * 3000 in said(text)
    assert len(SpeakableText().feed(text[:2500])) > 2000


def test_nothing_is_given_for_nothing() -> None:
    assert list(speakable(["", "a", "", "*", "*"])) == ["a"]
    assert list(speakable([])) == []
    assert SpeakableText().finish() == ""


# Signs that mean something, in any order, with words between.
markdown = st.lists(
    st.sampled_from(
        [
            *("*", "**", "_", "__", "~~", "`", "```", "~~~", "\\", "#", "## ", "> ", "- ", "+ "),
            *("1. ", "[x] ", "|", "---", "=", "===", "[", "]", "(", ")", "](", "![", "[^", "]: "),
            *(
                "https://x",
                "mailto:",
                '"',
                "'",
                "<",
                ">",
                "</",
                "b",
                "br",
                "a href=",
                "<!--",
                "-->",
            ),
            *("\n", "\n\n", "\r\n", " ", "\t", "!", ":", "5", "字", "🙂", "\ufe0f"),
            *("word", "two words", "x" * 210),
        ]
    ),
    max_size=25,
).map("".join)


@given(markdown | st.text(), st.lists(st.integers(0, 300)), st.booleans(), st.booleans())
@example("- [x] \t a", [], True, False)
def test_no_cut_changes_what_is_said(text: str, cuts: list[int], emoji: bool, code: bool) -> None:
    places = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    tokens = [text[a:b] for a, b in pairwise(places)]
    assert "".join(speakable(tokens, emoji=emoji, code=code)) == said(text, emoji=emoji, code=code)


plain_text = st.lists(
    st.from_regex(r"[a-zäß字]{1,6}|[0-9]{1,3}", fullmatch=True)
    | st.sampled_from(
        [
            "snake_case",
            "2 * 3",
            "C#",
            "#1",
            "a_b_c",
            "x*y",
            "(so)",
            '"so"',
            "it's",
            "5%",
            "<3",
            "a[0]",
        ]
    ),
    min_size=1,
).flatmap(
    lambda words: st.lists(
        st.sampled_from([" ", ", ", ". ", "\n", "! ", "? ", ": ", "\n\n", " - "]),
        min_size=len(words),
        max_size=len(words),
    ).map(lambda gaps: "".join(map("".join, zip(words, gaps, strict=True))))
)


@given(plain_text)
def test_plain_text_is_left_alone(text: str) -> None:
    assert said(text) == text
    assert said(text, emoji=False) == text


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[a-z]{1,6}", fullmatch=True),
            st.sampled_from(
                [
                    *("{}", "**{}**", "*{}*", "_{}_", "**_{}_**", "`{}`", "~~{}~~", "<b>{}</b>"),
                    *("[{}](https://a.b)", "![{}](x)", "\n# {}\n", "\n- {}\n", "\n> {}\n"),
                    "\n| {} |\n|---|\n",
                ]
            ),
        )
    )
)
def test_no_word_is_lost_or_added(words: list[tuple[str, str]]) -> None:
    text = " ".join(mark.format(word) for word, mark in words)
    assert re.findall("[a-z]+", said(text)) == [word for word, _ in words]
    assert not set("*`~#<>[]()|_") & set(said(text))


# --- where the text comes from -------------------------------------------------------------------


class Source:
    """Text in pieces, of every kind that a program may have it in, and whether it was closed."""

    def __init__(self, *pieces: str) -> None:
        self.pieces = pieces
        self.is_closed = False

    def generator(self) -> Iterator[str]:
        try:
            yield from self.pieces
        finally:
            self.is_closed = True

    async def async_generator(self) -> AsyncIterator[str]:
        try:
            for piece in self.pieces:
                await checkpoint()
                yield piece
        finally:
            # What is closed by the event loop's end, and not by us, cannot wait.
            await anyio.sleep(0.001)
            self.is_closed = True

    def __aiter__(self) -> AsyncIterator[str]:
        return self.async_generator()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_text_that_comes_asynchronously_is_given_so(backend: str) -> None:
    marked = ("# **Wel", "come** [he", "re](https://a.b) ", "😀", "\n```\nx\n```\n", "*", "y* ~")

    async def gather(pieces: tuple[str, ...], **options: bool) -> list[str]:
        source = Source(*pieces)
        for tokens in (source.async_generator(), source):
            found = [piece async for piece in speakable(tokens, **options)]
        assert source.is_closed
        return found

    for pieces, options in (
        (marked, {}),
        (marked, {"emoji": False, "code": True}),
        (("Hello ", "there."), {}),
    ):
        found = anyio.run(partial(gather, pieces, **options), backend=backend)
        assert found == list(speakable(pieces, **options))
        assert "" not in found


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_who_wants_no_more_closes_the_source(backend: str) -> None:
    async def leave() -> None:
        source = Source("Hello ", "there.")
        # While somebody else holds it, only a call closes it.
        tokens = source.async_generator()
        said = speakable(tokens)
        assert await anext(said) == "Hello "
        assert isinstance(said, AsyncGenerator)
        await said.aclose()
        assert source.is_closed

    anyio.run(leave, backend=backend)
    source = Source("Hello ", "there.")
    tokens = source.generator()
    said = speakable(tokens)
    assert next(said) == "Hello "
    assert isinstance(said, Generator)
    said.close()
    assert source.is_closed


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_what_the_source_raises_comes_out(backend: str) -> None:
    def broken() -> Iterator[str]:
        yield "Hello"
        raise ConnectionError("the model has gone")

    async def broken_async() -> AsyncIterator[str]:
        for piece in broken():
            yield piece

    async def gather() -> None:
        with pytest.raises(ConnectionError, match="the model has gone"):
            async for _ in speakable(broken_async()):
                pass

    anyio.run(gather, backend=backend)
    with pytest.raises(ConnectionError, match="the model has gone"):
        list(speakable(broken()))
