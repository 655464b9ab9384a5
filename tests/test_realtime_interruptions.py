"""Realtime turns that are interrupted at random moments, against a real emulator process.

Fewer than the thousand of `make bench`, and others by `INTERRUPTIONS_SEED` and `INTERRUPTIONS`.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import anyio
import pytest

from benchmarks.interruptions import (
    IDS_AGAIN,
    Plan,
    Spoken,
    Turn,
    Verdict,
    interrupt,
    interrupt_async,
    plans,
    speak_all,
)
from facade import Heard
from together_emulator import SpeechEmulator

SEED = int(os.environ.get("INTERRUPTIONS_SEED", "14"))
COUNT = int(os.environ.get("INTERRUPTIONS", "100"))
USUAL: Mapping[str, float] = {}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with SpeechEmulator() as emulator:
        yield emulator.url


@pytest.fixture(scope="module")
def spoken(url: str) -> Sequence[Spoken]:
    return speak_all(url)


def interrupted(kind: str, url: str, to_do: Sequence[Plan], limits: Mapping[str, float]) -> Verdict:
    if kind == "sync":
        return interrupt(url, to_do, **limits)

    async def main() -> Verdict:
        return await interrupt_async(url, to_do, **limits)

    return anyio.run(main, backend="trio" if kind == "trio" else "asyncio")


@pytest.mark.parametrize("limits", [USUAL, IDS_AGAIN], ids=["usual", "ids again"])
@pytest.mark.parametrize("kind", ["sync", "asyncio", "trio"])
def test_interruptions_at_random_moments(
    kind: str, limits: Mapping[str, float], url: str, spoken: Sequence[Spoken]
) -> None:
    verdict = interrupted(kind, url, plans(spoken, COUNT, SEED), limits)
    assert verdict.failures == []
    assert (verdict.stale_bytes, verdict.hangs, verdict.misheard) == (0, 0, 0)
    assert verdict.interruptions == COUNT
    assert verdict.endings["interrupted"] >= COUNT / 4
    assert set(verdict.endings) == {"interrupted", "words"}


@pytest.mark.parametrize("kind", ["sync", "asyncio"])
def test_ids_that_do_not_rest_are_found_out(kind: str, url: str, spoken: Sequence[Spoken]) -> None:
    """The test above can tell: with ids that are used at once, audio comes that is another's."""
    for seed in range(3, 20):
        # Whether late audio meets the next turn is a matter of moments.
        verdict = interrupted(kind, url, plans(spoken, 150, seed), {"contexts": 8, "rest_s": 0.0})
        if verdict.stale_bytes:
            break
    assert verdict.stale_bytes
    assert verdict.failures


def judged(plan: Plan, turn: Turn) -> Verdict:
    verdict = Verdict()
    verdict.judge(plan, turn)
    return verdict


TEXT = Spoken("One two. Three.", bytes(range(1, 241)) * 400, ((3, 0.5), (8, 0.9), (15, 1.8)))
PLAN = Plan(TEXT, ("One two. Three.",), 0.0, "taken", 1.0, 1.0)
TURN = Turn(
    audio=TEXT.audio[:48000],
    text=TEXT.text,
    played_s=1.0,
    heard=Heard("One two.", " Three.", "words", 1.0),
    ending="interrupted",
)


def test_a_turn_as_it_should_be_is_not_found_fault_with() -> None:
    verdict = judged(PLAN, TURN)
    assert verdict.failures == []
    assert (verdict.turns, verdict.interruptions) == (1, 1)


@pytest.mark.parametrize(
    ("fault", "stale", "misheard", "hangs"),
    [
        ({"after": b"12"}, 2, 0, 0),
        ({"audio": TEXT.audio[:47990] + b"0123456789"}, 10, 0, 0),
        ({"audio": TEXT.audio + b"01"}, 2, 0, 0),
        ({"heard": Heard("One", " two. Three.", "words", 1.0)}, 0, 1, 0),
        ({"heard": Heard("One two. Three.", "", "words", 1.0)}, 0, 1, 0),
        ({"heard": Heard("One two.", "", "words", 1.0)}, 0, 1, 0),
        ({"heard": Heard("One two.", " Three.", "words", 0.9)}, 0, 1, 0),
        ({"error": TimeoutError()}, 0, 0, 1),
        ({"error": ValueError()}, 0, 0, 0),
    ],
)
def test_each_fault_is_found(
    fault: dict[str, object], stale: int, misheard: int, hangs: int
) -> None:
    verdict = judged(PLAN, replace(TURN, **fault))  # type: ignore[arg-type]
    assert len(verdict.failures) == 1
    assert (verdict.stale_bytes, verdict.misheard, verdict.hangs) == (stale, misheard, hangs)


def test_what_is_to_be_spoken_whole_is_held_against_all_of_it() -> None:
    whole = replace(PLAN, how="whole")
    assert judged(whole, replace(TURN, audio=TEXT.audio[:-2], ending="words")).failures
    assert not judged(whole, replace(TURN, audio=TEXT.audio, ending="words")).failures


def test_the_same_seed_gives_the_same_turns() -> None:
    assert plans([TEXT], 20, 1) == plans([TEXT], 20, 1) != plans([TEXT], 20, 2)
    assert sum(plan.how != "whole" for plan in plans([TEXT], 20, 1)) == 20
