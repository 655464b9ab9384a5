"""The entry point of the command line; says what to install where its libraries are missing."""

import signal
import sys
from contextlib import suppress

from facade._extras import needs


def main() -> None:
    """Run the command line."""
    try:
        from facade.cli import app
    except ModuleNotFoundError as error:
        sys.exit(f"error: {needs('the command line', error.name, 'cli')}")
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        # What has been begun is tidied up first: a file half-written, the emulator.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        app()
    except OSError as error:
        # Help, the version and what completes are not written by a command.
        sys.exit(f"error: {error.strerror or error}")
    finally:
        _drop_what_cannot_be_written()


def _drop_what_cannot_be_written() -> None:
    """Keep Python from trying again at its end, and telling once more that it failed."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError):
            # It fails here too, and is closed then.
            sys.stdout.close()


if __name__ == "__main__":
    main()
