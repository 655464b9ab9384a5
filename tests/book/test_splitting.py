"""Books into pieces: nothing is lost, and the cuts are where a reader would breathe."""

import re
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from facade import Book, Chapter, InvalidRequestError, Paragraph, VoiceMix
from facade._book.splitting import Piece, split_book, split_sentences


def pieces_of(text: str, language: str = "en", target: int = 200, limit: int = 400) -> list[str]:
    book = Book((Chapter((Paragraph(text),)),), language=language)
    return [piece.text for piece in split_book(book, target=target, limit=limit)]


# --- what holds for every text -------------------------------------------------------------------

# Of all writings, with what parts them, and with what must not be parted.
texts = st.lists(
    st.sampled_from(
        [
            *("Mr. Brown came. ", "“Who?” ", "he said, ", "and; ", "so — then—", "No. 5 ", "3.14"),
            *("word ", "word", "\n", "  ", "\t", "...", "! ", "? ", " : ", "(so) ", "'", '"', "—"),
            *(
                "「本当ですか？」",
                "と彼は言った。",
                "日本語",
                "きょう、",
                "ー",
                "っ",
                "你好！",
                "，",
            ),
            *("M. Dupont ", "« Oui ! » ", "यह है। ", "क्या", "e\u0301", "\u0301", "が\u3099"),
            *("👩‍👩‍👧", "👍🏽", "\ud800", "\udc00", "\0", "\r\n", "\u00a0", "\u3000", "x" * 30),
        ]
    )
    | st.text(max_size=8),
    max_size=30,
).map("".join)
languages = st.sampled_from(["en", "fr", "ja", "zh-Hans", "hi", "de_DE", "xx", "", "日"])
sizes = st.tuples(st.integers(1, 30), st.integers(0, 30)).map(lambda size: (size[0], sum(size)))


def size_of(text: str) -> int:
    """The length of a text as it is measured: Chinese and Japanese letters count three times."""
    return len(text) + 2 * len(re.findall("[\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff]", text))


@given(texts, languages, sizes)
@example("  lead", "en", (1, 1))
@example("\ud800a. \udc00b", "en", (1, 2))
@example("「え？」「え。」と言った。", "ja", (1, 3))
@settings(max_examples=200)
def test_the_pieces_of_a_text_are_the_text(text: str, language: str, size: tuple[int, int]) -> None:
    target, limit = size
    book = Book((Chapter((Paragraph(text, language=language),)),))
    pieces = list(split_book(book, target=target, limit=limit))
    assert "".join(piece.text for piece in pieces) == text
    assert pieces == list(split_book(book, target=target, limit=limit))
    for piece in pieces:
        assert "".join(piece.sentences) == piece.text
        assert all(piece.sentences)
    for piece in pieces[1:]:
        assert not piece.text[0].isspace()
        assert piece.text[0] not in "\u0301\u3099\u200d"


@given(texts, languages, sizes)
@settings(max_examples=200)
def test_only_a_word_is_longer_than_the_limit(
    text: str, language: str, size: tuple[int, int]
) -> None:
    target, limit = size
    for piece in pieces_of(text, language, target, limit):
        assert size_of(piece.rstrip()) <= limit or not re.search(r"[a-z]\s+[a-z]|日本語", piece)


@given(
    st.lists(st.text("abc déf,.;!? ", min_size=1, max_size=60), min_size=1, max_size=4),
    st.data(),
)
@settings(max_examples=50)
def test_a_changed_paragraph_changes_only_its_own_pieces(
    texts: list[str], data: st.DataObject
) -> None:
    changed = data.draw(st.integers(0, len(texts) - 1))
    paragraphs = [Paragraph(text) for text in texts]
    book = Book((Chapter(tuple(paragraphs)),))
    paragraphs[changed] = Paragraph("Something else. And more of it, at some length.")
    edited = replace(book, chapters=(Chapter(tuple(paragraphs)),))

    def others(book: Book) -> list[Piece]:
        return [
            piece for piece in split_book(book, target=10, limit=20) if piece.paragraph != changed
        ]

    assert others(book) == others(edited)


# --- sentences -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        ("en", ["Mr. Brown left. ", '"Why?" asked Dr. J. Finch. ', "Nobody knew..."]),
        ("en", ["1. Open it. ", "2. Close it. ", "It is 3.5 cm."]),
        ("en", ["He stopped. . . . ", "She went on."]),
        ("fr", ["M. Dupont est là. ", "Mme. Martin aussi, avec MM. Blanc et Noir. ", "Bien !"]),
        ("fr-CA", ["M. Dupont est là. ", "« Bonjour ! » dit-il. "]),
        (
            "ja",
            ["「本当ですか？」と彼は言った。", "「はい。」", "彼女は答えた。", "え？！", "そう。"],
        ),
        ("ja", ["『え！』って。", "「行く？」", "「行く。」など色々。"]),
        ("zh", ["真的吗？", "是的。", "「好。」"]),
        ("hi", ["यह एक वाक्य है। ", "क्या? ", "हाँ।"]),
        ("es", ["¿Cómo estás? ", "¡Bien! ", "El Sr. García vino."]),
        ("it", ["Il sig. Rossi è qui. ", "Ciao!"]),
        ("pt-BR", ["O Sr. Silva chegou. ", "Olá!"]),
        ("en", ["  Space before. ", "And behind.  "]),
        ("en", ["* * *"]),
        ("en", []),
    ],
)
def test_sentences_end_where_they_end(language: str, sentences: list[str]) -> None:
    assert split_sentences("".join(sentences), language) == sentences


def test_what_cannot_be_said_is_no_sentence() -> None:
    assert split_sentences('He left. "', "en") == ['He left. "']
    assert split_sentences("… ! He left. ?! She too. — !", "en") == [
        "… ! He left. ",
        "?! She too. — !",
    ]


def test_the_paragraphs_language_comes_before_the_books() -> None:
    text = "M. Dupont est là. Oui, et il est content de vous voir ici."
    french = Book((Chapter((Paragraph(text, language="fr"),)),), language="en")
    assert len(next(split_book(french)).sentences) == 2


# --- pieces --------------------------------------------------------------------------------------


def test_short_sentences_go_together_up_to_the_target() -> None:
    assert pieces_of("One two. Three four. Five six. Seven.", target=20, limit=40) == [
        "One two. Three four. ",
        "Five six. Seven.",
    ]


def test_by_default_a_piece_is_what_kokoro_reads_best() -> None:
    def sentence(length: int) -> str:
        return f"A{'h' * (length - 2)}. "

    def sizes(*lengths: int) -> list[int]:
        text = "".join(map(sentence, lengths))
        book = Book((Chapter((Paragraph(text),)),))
        return [len(piece.text.rstrip()) for piece in split_book(book)]

    assert sizes(99, 100) == [200]
    assert sizes(99, 101) == [99, 101]
    # What is shorter than a quarter of it is short.
    assert sizes(48, 351) == [400]
    assert sizes(48, 352) == [48, 352]
    assert sizes(49, 300) == [49, 300]
    assert sizes(300, 49) == [350]
    assert sizes(40, 40, 40, 40, 40, 40) == [163, 81]
    assert sizes(300, 50) == [300, 50]


def test_a_few_words_do_not_stand_alone() -> None:
    long = "This sentence is longer than the target by far. "
    assert pieces_of("Yes. " + long, target=40, limit=60) == ["Yes. " + long]
    assert pieces_of(long + "Yes.", target=40, limit=60) == [long + "Yes."]
    assert pieces_of("Yes. " + long, target=40, limit=48) == ["Yes. ", long]


@pytest.mark.parametrize(
    "parts",
    [
        ["She opened the old door; ", "behind it was the garden."],
        ["She opened the old door — ", "and saw the garden again."],
        ["She opened the old door—", "and saw the garden again."],
        ["She opened the door, the third, ", "and there it was again."],
        ['She said: "It is the old door," ', "and then she opened it."],
        ["All of them came up to the ", "door of the old house again."],
        ["Il a dit « Bonjour à tous » ", "avant de partir de chez lui !"],
        ["She went, and\n", "then here it is."],
        ["First the line of a poem here\n", "then the line behind it here"],
    ],
)
def test_a_long_sentence_is_cut_where_a_reader_would_breathe(parts: list[str]) -> None:
    assert pieces_of("".join(parts), target=10, limit=len(parts[0]) + 6) == parts


def test_a_long_quotation_is_cut_between_its_sentences() -> None:
    parts = ["“We met, Mr. Brown. ", "It was late, and dark. ", "We spoke,” he said."]
    assert pieces_of("".join(parts), target=22, limit=60) == parts
    assert pieces_of("".join(parts), target=62, limit=62) == ["".join(parts)]
    parts = ['He said: "We met. ', 'It was late." ', "Then he left."]
    assert pieces_of("".join(parts), target=18, limit=60) == parts
    dots = ["It went on, and on.... ", "Some say, it is not over."]
    assert pieces_of("".join(dots), target=10, limit=30) == dots


def test_a_very_long_sentence_is_cut_into_parts_of_about_one_length() -> None:
    clause = "and one more thing was said, "
    pieces = pieces_of(clause * 12 + "then.", target=50, limit=100)
    assert [piece.count(clause) for piece in pieces] == [3, 3, 3, 3]
    words = pieces_of("word " * 100, target=50, limit=100)
    assert [len(piece) for piece in words] == [100] * 5


@pytest.mark.parametrize(
    "text",
    [
        "costs 3,000,000.50 at 10:30:45 or so",
        "Combien ? Bonjour à toi ! C'est «  bon  » ; oui :",
        "what (is so) and “is so” [or so]",
    ],
)
def test_no_cut_parts_a_mark_from_its_word(text: str) -> None:
    for piece in pieces_of(text, "fr", target=1, limit=1):
        assert piece.strip()[0] not in ",.!?;:»)”]"
        assert piece.strip()[-1] not in "«(“["
        assert " " not in piece.strip() or "«" in piece or piece.strip()[-1] in "!?;:»"


def test_chinese_and_japanese_are_cut_at_marks_or_between_letters() -> None:
    text = "今日はとても天気が良かったので、公園まで散歩に行きました。"
    assert pieces_of(text, "ja", target=3, limit=60) == [
        "今日はとても天気が良かったので、",
        "公園まで散歩に行きました。",
    ]
    unmarked = "今日はちょっとサッカーをしに公園へ行きましたが雨だった"
    pieces = pieces_of(unmarked, "ja", target=3, limit=9)
    assert all(len(piece) <= 5 for piece in pieces)
    assert all(piece[0] not in "ょっャー" for piece in pieces)


@pytest.mark.parametrize("text", ["an e \u0301x", "漢\u200d字", "か\u3099", "x \u200dy"])
def test_no_cut_parts_what_is_one_sign(text: str) -> None:
    at = next(at for at, sign in enumerate(text) if sign in "\u0301\u200d\u3099")
    for piece in pieces_of(text, "ja", target=1, limit=1):
        assert not piece.endswith("\u200d")
        assert piece[0] != text[at]
    assert split_sentences("Who? \u0301He. Left.", "en")[0] == "Who? \u0301He. "


def test_many_quotation_marks_take_no_more_than_their_length() -> None:
    """It would take hours if they were read again and again."""
    assert len(pieces_of("a" + "'" * 20_000 + " b.", limit=400)) == 2


def test_a_wide_letter_counts_as_three() -> None:
    assert len(pieces_of("我们去公园玩。" * 2, "zh", target=40, limit=60)) == 1
    assert len(pieces_of("我们去公园玩。" * 2, "zh", target=36, limit=60)) == 2


def test_a_text_of_nothing_has_no_pieces() -> None:
    assert pieces_of("") == []


def test_a_word_beyond_the_limit_stays_whole() -> None:
    word = "b" * 50
    assert pieces_of(f"an a {word} c", target=5, limit=10) == ["an a ", f"{word} ", "c"]
    assert pieces_of(word, target=5, limit=10) == [word]
    assert pieces_of("नमस्कार" * 5, "hi", target=5, limit=10) == ["नमस्कार" * 5]


def test_what_follows_a_piece_is_said() -> None:
    clauses = "First this part of it, then that part of it."
    book = Book(
        (
            Chapter((Paragraph(f"{clauses} And a third sentence."), Paragraph("End."))),
            Chapter((Paragraph("Next."),)),
        )
    )
    pieces = list(split_book(book, target=20, limit=30))
    assert [(piece.text, piece.pause) for piece in pieces] == [
        ("First this part of it, ", "clause"),
        ("then that part of it. ", "sentence"),
        ("And a third sentence.", "paragraph"),
        ("End.", "chapter"),
        ("Next.", "chapter"),
    ]
    assert [(piece.chapter, piece.paragraph) for piece in pieces] == [
        (0, 0),
        (0, 0),
        (0, 0),
        (0, 1),
        (1, 0),
    ]


def test_an_empty_paragraph_takes_no_pause_with_it() -> None:
    book = Book(
        (
            Chapter((Paragraph(""), Paragraph("One."), Paragraph(""), Paragraph("Two."))),
            Chapter((Paragraph(""),)),
            Chapter((Paragraph("Three."), Paragraph(""))),
        )
    )
    assert [(piece.text, piece.pause) for piece in split_book(book)] == [
        ("One.", "paragraph"),
        ("Two.", "chapter"),
        ("Three.", "chapter"),
    ]


def test_a_paragraphs_voice_comes_before_its_chapters() -> None:
    mix = VoiceMix.parse("af_bella+af_heart")
    paragraphs = (Paragraph("One."), Paragraph("Two.", voice="am_adam"))
    book = Book((Chapter(paragraphs, voice=mix), Chapter(paragraphs)))
    assert [piece.voice for piece in split_book(book)] == [mix, "am_adam", None, "am_adam"]


@pytest.mark.parametrize(("target", "limit"), [(0, 10), (11, 10), (-1, -1)])
def test_sizes_that_cannot_be_are_refused(target: int, limit: int) -> None:
    with pytest.raises(InvalidRequestError, match=f"target: .* limit of {limit}, not {target}"):
        list(split_book(Book(()), target=target, limit=limit))
