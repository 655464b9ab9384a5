"""The entry point of the command line; says what to install where its libraries are missing."""

import sys


def main() -> None:
    """Run the command line."""
    try:
        from facade.cli import app
    except ModuleNotFoundError as error:
        sys.exit(f"error: the command line needs {error.name}: pip install 'together-speech[cli]'")
    app()


if __name__ == "__main__":
    main()
