"""Chapters beside files that cannot hold them: Podcasting 2.0 JSON chapters."""

import json
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChapterMark:
    """Where a chapter begins.

    Attributes:
        start_sample: Its first sample in the book.
        title: Its name.
    """

    start_sample: int
    title: str


def json_chapters(chapters: Iterable[ChapterMark], sample_rate: int) -> str:
    """Return the chapters as a JSON document, by version 1.2.0 of the Podcasting 2.0 format.

    Times are in seconds, to the millisecond.
    """
    return (
        json.dumps(
            {
                "version": "1.2.0",
                "chapters": [
                    {"startTime": round(mark.start_sample / sample_rate, 3), "title": mark.title}
                    for mark in chapters
                ],
            },
            ensure_ascii=False,
            indent=2,
        )
        + "\n"
    )
