"""A book as long as one wishes, of words that nobody has written, and the same each time."""

import random
from collections.abc import Iterator


def book_text(characters: int = 500_000) -> str:
    """Write a book in plain text, as Project Gutenberg has them: chapters, and wrapped lines.

    Args:
        characters: Its length; the text ends with the first paragraph that reaches it.
    """
    chance = random.Random(16)  # noqa: S311 - the same book each time is what is wanted
    parts: list[str] = []
    length = 0
    chapter = 0
    while length < characters:
        chapter += 1
        parts.append(f"\n\n\nCHAPTER {chapter}. The {_noun(chance).title()}\n\n")
        for _ in range(chance.randint(40, 60)):
            paragraph = _paragraph(chance) + "\n\n"
            parts.append(paragraph)
            length += len(paragraph)
            if length >= characters:
                break
    return "".join(parts)


def _paragraph(chance: random.Random) -> str:
    if chance.random() < 0.3:
        text = _speech(chance)
    else:
        text = " ".join(_sentence(chance) for _ in range(chance.randint(2, 7)))
    return "\n".join(_wrapped(text))


def _wrapped(text: str, width: int = 72) -> Iterator[str]:
    line = ""
    for word in text.split():
        if len(line) + 1 + len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}".lstrip()
    yield line


def _speech(chance: random.Random) -> str:
    said = _clause(chance)
    said = said[0].upper() + said[1:]
    name, verb = chance.choice(_NAMES), chance.choice(_SAYING)
    match chance.randrange(3):
        case 0:
            return f'"{said}," {verb} {name}. "{_sentence(chance)}"'
        case 1:
            return f'"{said}!" {verb} {name}, and {_clause(chance)}.'
        case _:
            return f'{name} {verb}, "{said}?"'


def _sentence(chance: random.Random) -> str:
    text = _clause(chance)
    for _ in range(chance.choice((0, 0, 1, 1, 2, 4))):
        text += chance.choice((", and ", ", but ", "; ", ", while ", ", for ", " because "))
        text += _clause(chance)
    if chance.random() < 0.3:
        text = f"{chance.choice(_WHEN)}, {text}"
    return text[0].upper() + text[1:] + chance.choice("......!?")


def _clause(chance: random.Random) -> str:
    who = chance.choice(_NAMES) if chance.random() < 0.3 else _noun_phrase(chance)
    text = f"{who} {chance.choice(_VERBS)} {_noun_phrase(chance)}"
    if chance.random() < 0.5:
        text += f" {chance.choice(_PREPOSITIONS)} {_noun_phrase(chance)}"
    return text


def _noun_phrase(chance: random.Random) -> str:
    adjective = f"{chance.choice(_ADJECTIVES)} " if chance.random() < 0.4 else ""
    return f"the {adjective}{_noun(chance)}"


def _noun(chance: random.Random) -> str:
    return chance.choice(_NOUNS)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_NAMES = (
    "Mr. Alder",
    "Mrs. Quill",
    "Dr. Finch",
    "Tobias",
    "Marianne",
    "old Hester",
    "Captain Rowe",
)
_NOUNS = _words(
    "harbour lantern letter garden river window kitchen orchard clock stair market violin"
    " winter morning coat candle road bridge gate stranger doctor sailor miller cousin"
    " neighbour dog horse storm field mountain bell tower ship carriage mirror secret"
    " promise song answer shadow silence table door key map island teacher uncle chimney"
    " stove ladder kettle basket"
)
_ADJECTIVES = _words(
    "quiet narrow ancient golden bitter patient broken curious distant gentle heavy hollow"
    " honest weary pale crooked silver sudden early faithful green lonely careful"
)
_VERBS = _words(
    "remembered followed carried opened answered watched forgot painted crossed mended left"
    " admired counted measured welcomed hid found lost kept wanted feared loved"
)
_PREPOSITIONS = ("beside", "behind", "under", "before", "near", "without", "beyond", "against")
_SAYING = ("said", "cried", "asked", "whispered", "replied", "answered")
_WHEN = (
    "In the evening",
    "At last",
    "After a while",
    "On the third day",
    "Without another word",
    "Long before that",
    "To be sure",
)
