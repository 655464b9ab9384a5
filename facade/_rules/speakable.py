"""Text out of language models into text that can be read aloud, as it comes."""

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Generator,
    Iterable,
    Iterator,
)
from typing import TYPE_CHECKING, overload

# Its patterns take a while to compile, and most applications never need them.
if TYPE_CHECKING:
    from facade._rules.markdown import SpeakableText


@overload
def speakable(
    tokens: str | Iterable[str], *, emoji: bool = True, code: bool = False
) -> Iterator[str]: ...


@overload
def speakable(
    tokens: AsyncIterable[str], *, emoji: bool = True, code: bool = False
) -> AsyncIterator[str]: ...


def speakable(
    tokens: str | Iterable[str] | AsyncIterable[str], *, emoji: bool = True, code: bool = False
) -> Iterator[str] | AsyncIterator[str]:
    """Give text that can be read aloud, as it comes.

    Args:
        tokens: The text, whole or in pieces, which may come by `async for` too. A generator is
            closed with what is returned.
        emoji: Whether to keep emoji, which some voices name.
        code: Whether to keep what stands in code fences. Code in a line stays in any case.

    Returns:
        An iterator of pieces of text, none of them empty; an asynchronous one where `tokens` is.
    """
    from facade._rules.markdown import SpeakableText

    reader = SpeakableText(emoji=emoji, code=code)
    if isinstance(tokens, AsyncIterable):
        return _each_async(reader, tokens)
    return _each(reader, (tokens,) if isinstance(tokens, str) else tokens)


def _each(reader: "SpeakableText", tokens: Iterable[str]) -> Iterator[str]:
    try:
        for token in tokens:
            if text := reader.feed(token):
                yield text
    finally:
        if isinstance(tokens, Generator):
            tokens.close()
    if text := reader.finish():
        yield text


async def _each_async(
    reader: "SpeakableText", tokens: AsyncIterable[str]
) -> AsyncGenerator[str, None]:
    try:
        async for token in tokens:
            if text := reader.feed(token):
                yield text
    finally:
        # Else the event loop would have to, some time later.
        if isinstance(tokens, AsyncGenerator):
            await tokens.aclose()
    if text := reader.finish():
        yield text
