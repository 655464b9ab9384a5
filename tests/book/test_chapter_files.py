"""Chapters beside files that cannot hold them."""

import json

from facade._book.chapter_files import ChapterMark, json_chapters


def test_chapters_are_those_of_podcasting_2_0() -> None:
    marks = [ChapterMark(0, "Loomings"), ChapterMark(36001, "鯨"), ChapterMark(10**10, '"<&')]
    document = json_chapters(marks, 24000)
    assert json.loads(document) == {
        "version": "1.2.0",
        "chapters": [
            {"startTime": 0.0, "title": "Loomings"},
            {"startTime": 1.5, "title": "鯨"},
            {"startTime": 416666.667, "title": '"<&'},
        ],
    }
    assert "鯨" in document
    assert document.endswith("}\n")
