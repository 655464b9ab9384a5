"""Pieces of speech, joined without a seam.

Positions are counted in samples, never summed as seconds, so nothing drifts.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, tee

from facade._book.levels import Levels
from facade._book.splitting import PauseKind
from facade.books import Pauses

# Small enough for the allocator to use the same memory again.
_STRETCH_SAMPLES = 24000


@dataclass(frozen=True, slots=True)
class Span:
    """Where a piece lies in the book. The next one's begins where this one's pause ends.

    Attributes:
        start_sample: Where it begins in the book.
        first_sample: The sample of the piece that comes first; what is before is left out.
        speech_samples: How many samples of it are kept, from `first_sample` on.
        pause_samples: How many samples of silence follow.
    """

    start_sample: int
    first_sample: int
    speech_samples: int
    pause_samples: int

    @property
    def end_sample(self) -> int:
        """The first sample of the book that is not of this piece's speech."""
        return self.start_sample + self.speech_samples

    @property
    def next_sample(self) -> int:
        """Where the next piece begins; after the last one, the samples of the whole book."""
        return self.end_sample + self.pause_samples


def place(
    levels: Iterable[Levels],
    kinds: Iterable[PauseKind],
    pauses: Pauses,
    sample_rate: int,
) -> Iterator[Span]:
    """Say where each piece lies in the book.

    A piece is cut to its speech and as much silence on each side as an edge takes, if it has it. A
    piece without speech takes no time, and the pause after it stays.

    Args:
        levels: Of each piece, in the order of the book.
        kinds: What kind of pause follows each.
        pauses: How long each kind is, and the edge.
        sample_rate: Of all pieces, in Hz.
    """
    edge = edge_samples(pauses, sample_rate)
    start = 0
    pieces, ahead = tee(levels)
    next(ahead, None)
    pieces_and_kinds = zip(pieces, kinds, strict=True)
    for (piece, kind), following in zip(pieces_and_kinds, chain(ahead, [None]), strict=False):
        before, after = _kept_silence(piece, edge)
        speech = before + piece.speech_samples + after
        # The silence that is kept on both sides of the pause is a part of it.
        kept = after + (_kept_silence(following, edge)[0] if following else 0)
        pause = max(_pause_samples(pauses, kind, sample_rate) - kept, 0)
        yield Span(start, piece.lead_samples - before, speech, pause)
        start += speech + pause


def edge_samples(pauses: Pauses, sample_rate: int) -> int:
    """Return how long each piece takes to fade in and out, in samples."""
    return round(pauses.edge_s * sample_rate)


def join_piece(pcm: bytes, span: Span, gain: float, edge: int) -> Iterator[bytes]:
    """Give what a piece becomes in the book: cut, faded, with the book's gain and its pause.

    It comes in stretches of a second at most, which cost less than one that is large.

    Args:
        pcm: The samples of the whole piece.
        span: Where it lies, by `place`.
        gain: What to multiply samples by, by `gain_for`; with more, they may overflow.
        edge: How long the fades at both ends are, along half a cosine, by `edge_samples`.
    """
    import numpy as np

    kept = np.frombuffer(pcm, "<i2")[span.first_sample :][: span.speech_samples]
    edge = min(edge, len(kept) // 2)
    fade = 0.5 - 0.5 * np.cos(np.pi * (np.arange(edge) + 0.5) / max(edge, 1))
    stretches = [
        kept[:edge] * fade,
        *(
            kept[start : min(start + _STRETCH_SAMPLES, len(kept) - edge)]
            for start in range(edge, len(kept) - edge, _STRETCH_SAMPLES)
        ),
        kept[len(kept) - edge :] * fade[::-1],
    ]
    for stretch in stretches:
        samples = stretch.astype(np.float32)
        samples *= gain
        yield np.rint(samples, out=samples).astype("<i2").tobytes()
    yield bytes(2 * span.pause_samples)


def _kept_silence(piece: Levels, edge: int) -> tuple[int, int]:
    """Return how much silence before and after its speech a piece keeps, in samples."""
    if not piece.speech_samples:
        return 0, 0
    return min(piece.lead_samples, edge), min(piece.tail_samples, edge)


def _pause_samples(pauses: Pauses, kind: PauseKind, sample_rate: int) -> int:
    seconds = {
        "clause": pauses.clause_s,
        "sentence": pauses.sentence_s,
        "paragraph": pauses.paragraph_s,
        "chapter": pauses.chapter_s,
    }
    return round(seconds[kind] * sample_rate)
