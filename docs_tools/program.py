"""Runs the Python blocks of a page, one after the other, in one namespace.

A program of its own, which any interpreter can run: it has to be told blocks, a line of JSON each,
and answers each with a line of JSON.
"""

import json
import os
import sys
import tempfile
import traceback
import types


def main() -> None:
    """Run what standard input has, until it ends."""
    page = types.ModuleType("__main__")
    sys.modules["__main__"] = page
    sys.path[0] = os.getcwd()  # noqa: PTH109 - as where a program is started
    # What a block reads and prints, also by processes of its own, is kept away from these two.
    with (
        os.fdopen(os.dup(0), encoding="utf-8") as questions,
        os.fdopen(os.dup(1), "w", encoding="utf-8") as answers,
        open(os.devnull) as nothing,  # noqa: PTH123
    ):
        os.dup2(nothing.fileno(), 0)
        for line in questions:
            question = json.loads(line)
            # So that a traceback has the line of the document.
            source = "\n" * question["line"] + question["text"]
            print(json.dumps(_run(source, question["path"], page)), file=answers, flush=True)


def _run(source: str, path: str, page: types.ModuleType) -> tuple[str, str]:
    """Return what a block printed, and how it failed, if it did."""
    failure = ""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as printed:
        os.dup2(printed.fileno(), 1)
        try:
            exec(compile(source, path, "exec"), page.__dict__)  # noqa: S102 - our own
        except BaseException:  # noqa: BLE001 - told to who asked
            failure = traceback.format_exc()
        sys.stdout.flush()
        printed.seek(0)
        return printed.read(), failure


if __name__ == "__main__":
    main()
