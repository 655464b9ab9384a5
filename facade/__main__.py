"""The entry point of the command line; says what to install where its libraries are missing."""

import signal
import sys


def main() -> None:
    """Run the command line."""
    try:
        from facade.cli import app
    except ModuleNotFoundError as error:
        sys.exit(
            f"error: the command line needs {error.name}: pip install 'together-speech[cli]', or "
            "'.[cli]' in the checkout"
        )
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        # What has been begun is tidied up first: a file half-written, the emulator.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    app()


if __name__ == "__main__":
    main()
