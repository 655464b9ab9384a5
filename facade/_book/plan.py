"""What is asked for to read a book aloud, known before anything is sent."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from facade._book.reading import BookFormat, read_book
from facade._extras import needs
from facade._jobs import BatchPlan
from facade._rules.options import NarrationOptions
from facade._rules.pricing import billed_characters, usd
from facade._rules.request import SpeechRequest, check_characters
from facade.books import Book, Chapter, Omission
from facade.errors import InvalidRequestError
from facade.voices import Voice, VoiceMix

# What divides a text is loaded by the first: an import of this package stays quick.
if TYPE_CHECKING:
    from facade._book.splitting import Piece
    from facade._book.store import PieceStore

AnyVoice: TypeAlias = str | Voice | VoiceMix

# Another number has every piece asked for again.
_VERSION = 1
# Those that levels can be measured at.
_SAMPLE_RATES_HZ = (8_000, 48_000)
_LONGER = ("clause", "sentence", "paragraph", "chapter")


class PlannedPiece(NamedTuple):
    """A piece of a book, and who says it.

    Attributes:
        piece: The piece.
        text: What is sent: the piece without the space around it.
        voice: The voice, as it goes on the wire.
        key: What it is made of, as 32 hexadecimal digits.
    """

    piece: "Piece"
    text: str
    voice: str
    key: str


class NarrationPlan:
    """A book, divided into requests.

    Attributes:
        book: The chapters that are read, and what is known of the book.
        numbers: The number of each of those chapters in the whole book, from 1.
        options: What every request is sent with.
        model: The model.
        sample_rate: Of its audio, in Hz.
        with_words: Whether the timing of words is asked for.
        pieces: How many pieces there are.
        distinct: How many requests that takes: the same words are asked for once.
        characters: Characters of those requests, as the service bills them.
        unspoken: What has neither a letter nor a digit in it, and is not sent.
    """

    def __init__(
        self,
        book: Book,
        *,
        voice: AnyVoice,
        voices: Mapping[int | str, AnyVoice],
        chapters: Collection[int] | None,
        validate_voices: bool,
        is_local: bool,
        options: NarrationOptions,
    ) -> None:
        """Divide a book.

        Args:
            book: The book.
            voice: Who reads what nobody else does.
            voices: Who reads chapters, by their numbers, and lines, by what marks them.
            chapters: The numbers of the chapters to read, from 1; `None` for all.
            validate_voices: Whether to refuse voices that the model does not have.
            is_local: Whether the service is on this machine: what an emulator has spoken is never
                taken for what the real service would.
            options: Those of the requests.

        Raises:
            InvalidRequestError: An argument is wrong, or there is nothing to say.
        """
        from facade._book.text import is_speakable

        chosen = _chosen(book, chapters, voices)
        self.numbers = tuple(number for number, _ in chosen)
        self.book = replace(
            book,
            chapters=tuple(chapter for _, chapter in chosen),
            language=book.language or options.get("language"),
            omissions=tuple(
                omission
                for omission in book.omissions
                if omission.chapter is None or omission.chapter + 1 in self.numbers
            ),
        )
        self._check_names()
        self._voices = {name: said for name, said in voices.items() if isinstance(name, str)}
        self._narrator = voice
        self._validate = validate_voices
        self._origin = "local" if is_local else ""
        self.with_words = options.get("alignment") == "word"
        self.options = _as_sent(options)
        self._requests: dict[str, SpeechRequest] = {}
        narrator = self._request(voice)
        self.model = narrator.model
        self.sample_rate = _sample_rate(narrator)
        unspoken = []
        self.characters = self.pieces = 0
        keys = set()
        for planned in self._all():
            if not is_speakable(planned.text):
                if planned.text:
                    index = self.numbers[planned.piece.chapter] - 1
                    unspoken.append(Omission("unspoken", planned.text, index))
                continue
            check_characters("source", planned.text)
            self.pieces += 1
            if planned.key not in keys:
                self.characters += billed_characters(planned.text)
                keys.add(planned.key)
        if not keys:
            raise InvalidRequestError("has nothing in it to speak", param="source")
        self.distinct = len(keys)
        self.unspoken = tuple(unspoken)

    def batch(self) -> BatchPlan:
        """Return what makes the jobs of pieces."""
        return BatchPlan(self.options, validate_voices=self._validate, is_stream=self.with_words)

    def price(self, characters: int) -> Decimal | None:
        """Return what characters cost, in dollars; `None` where no price is known."""
        return usd(self.model, characters)

    def missing(self, store: "PieceStore") -> tuple[set[str], int]:
        """Return the keys of what a store does not have, and how many characters are billed for it.

        Raises:
            OSError: The store cannot be read.
        """
        keys: set[str] = set()
        characters = 0
        for planned in self.planned():
            if planned.key not in keys and store.find(planned.key, planned.text) is None:
                keys.add(planned.key)
                characters += billed_characters(planned.text)
        return keys, characters

    def title(self, index: int) -> str:
        """Return the name of a chapter, by its place in `book`."""
        return self.book.chapters[index].title or f"Chapter {self.numbers[index]}"

    def planned(self) -> Iterator[PlannedPiece]:
        """Give the pieces that are spoken, in the order of the book."""
        from facade._book.text import is_speakable

        before: list[PlannedPiece] = []
        for planned in self._all():
            if is_speakable(planned.text):
                yield from before
                before = [planned]
            elif before and _is_longer(planned.piece, before[0].piece):
                # Its pause is that of the piece before it.
                piece, *rest = before[0]
                before = [PlannedPiece(replace(piece, pause=planned.piece.pause), *rest)]
        yield from before

    def _check_names(self) -> None:
        """Refuse names that could not be written into a file once all has been spoken."""
        names = {
            f"source.{name}": getattr(self.book, name) for name in ("title", "author", "language")
        }
        for number, chapter in zip(self.numbers, self.book.chapters, strict=True):
            names[f"source.chapters[{number - 1}].title"] = chapter.title
        for param, name in names.items():
            check_characters(param, name or "")

    def _all(self) -> Iterator[PlannedPiece]:
        from facade._book.splitting import split_book

        for piece in split_book(self.book):
            voice = self._narrator if piece.voice is None else piece.voice
            if isinstance(piece.voice, str):
                voice = self._voices.get(piece.voice, piece.voice)
            # One request of each voice is checked, and the others differ by the text alone.
            text = piece.text.strip()
            request = self._request(voice).with_text(text)
            made_of = f"{_VERSION} {self._origin} {request.fingerprint}"
            key = sha256(made_of.encode()).hexdigest()[:32]
            yield PlannedPiece(piece, text, request.voice, key)

    def _request(self, voice: AnyVoice) -> SpeechRequest:
        request = self._requests.get(str(voice))
        if request is None:
            request = SpeechRequest.build(
                "Text.",
                self.options,
                voice=voice,
                validate_voices=self._validate,
                is_stream=self.with_words,
            )
            self._requests[str(voice)] = request
        return request


def _chosen(
    book: Book, chapters: Collection[int] | None, voices: Mapping[int | str, AnyVoice]
) -> list[tuple[int, Chapter]]:
    """Return the chapters to read with their numbers, each with the voice that a rule gives it."""
    count = len(book.chapters)
    for param, numbers in (("chapters", chapters or ()), ("voices", voices)):
        for number in numbers:
            if not isinstance(number, str) and not (type(number) is int and 1 <= number <= count):
                raise InvalidRequestError(
                    f"the book has chapters 1 to {count}, and no {number!r}", param=param
                )
    return [
        (number, replace(chapter, voice=_of_chapter(voices.get(number, chapter.voice))))
        for number, chapter in enumerate(book.chapters, 1)
        if chapters is None or number in chapters
    ]


def _of_chapter(voice: AnyVoice | None) -> str | VoiceMix | None:
    return voice.id if isinstance(voice, Voice) else voice


def _as_sent(options: NarrationOptions) -> dict[str, Any]:
    """Return the options of a request whose audio can be measured and joined."""
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if given.get("alignment") == "none":
        del given["alignment"]
    if "alignment" not in given:
        given["response_format"] = "raw"
    return {**given, "response_encoding": "pcm_s16le"}


def _sample_rate(request: SpeechRequest) -> int:
    rate = request.expected_format.sample_rate_hz
    if rate is None:
        raise InvalidRequestError(
            f"nobody knows the one of {request.model!r}; give it", param="sample_rate"
        )
    lowest, highest = _SAMPLE_RATES_HZ
    if not lowest <= rate <= highest:
        raise InvalidRequestError(
            f"must be from {lowest:,} to {highest:,} Hz for a narration, not {rate!r}",
            param="sample_rate",
        )
    return rate


def _is_longer(one: "Piece", other: "Piece") -> bool:
    return _LONGER.index(one.pause) > _LONGER.index(other.pause)


def new_book(
    source: str | Path | Book | Sequence[Chapter],
    *,
    format: BookFormat | None,  # noqa: A002 - the field's word
    alt_texts: bool,
    script: bool,
) -> Book:
    """Return what is to be read as a book.

    Raises:
        InvalidRequestError: It is none, or cannot be read as one.
        OSError: The file cannot be read.
        ImportError: The extra `book` is not installed.
    """
    for package in ("filelock", "numpy", "sentencex"):
        if find_spec(package) is None:
            raise ImportError(needs("a narration", package, "book"))
    if isinstance(source, Book):
        return source
    if isinstance(source, str | Path):
        return read_book(source, format=format, alt_texts=alt_texts, script=script)
    chapters = tuple(source) if isinstance(source, Iterable) else None
    if chapters is None or not all(isinstance(chapter, Chapter) for chapter in chapters):
        raise InvalidRequestError(
            "must be a text, the path of a file, a Book or a sequence of Chapters", param="source"
        )
    return Book(chapters)
