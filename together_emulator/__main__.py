"""``python -m together_emulator``: serve the API on this machine."""

import argparse
import re
import sys
from collections.abc import Sequence

from together_emulator.limit import Demand, Limit, read_share


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m together_emulator",
        description="Serve Together AI's text-to-speech API on this machine, with a real voice.",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--port", type=_port_number, default=0, help="port to listen on (default: any free one)"
    )
    parser.add_argument(
        "--cors",
        nargs="*",
        type=_origin,
        metavar="ORIGIN",
        help="let web pages use it: those of these origins, such as http://localhost:3000, "
        "or all where none is named",
    )
    parser.add_argument(
        "--limit",
        type=_limit,
        metavar="N/s",
        help="answer requests for speech above this rate with 429, for each key: 20/s, 90/m, or "
        "with a burst 20/s:5 (which is otherwise one second's worth, at least 1)",
    )
    parser.add_argument(
        "--limit-characters",
        type=_limit,
        metavar="N/s",
        help="the same for the characters of their texts, such as 5000/s",
    )
    parser.add_argument(
        "--unavailable",
        type=_share,
        default=0.0,
        metavar="SHARE",
        help="answer this share of the requests within the limits with 503, from 0 to 1; the same "
        "ones in each run (default: none)",
    )
    parser.add_argument(
        "--exit-with-stdin",
        action="store_true",
        help="stop at the end of standard input, and so with the process that holds it",
    )
    options = parser.parse_args(arguments)
    try:
        from together_emulator.server import StartError, serve
    except ImportError as error:
        return _fail(
            f"{error.name or error} is missing: pip install 'together-speech[emulator]', or "
            "'.[emulator]' in the checkout (its speech engine has wheels for glibc Linux, macOS "
            "and Windows, none for musl)"
        )
    try:
        cors = ["*"] if options.cors == [] else options.cors or ()
        serve(
            options.host,
            options.port,
            exit_with_stdin=options.exit_with_stdin,
            cors=cors,
            demand=Demand(options.limit, options.limit_characters, options.unavailable),
        )
    except StartError as error:
        return _fail(str(error))
    return 0


def _port_number(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError("not from 0 to 65535")
    return port


def _origin(text: str) -> str:
    if text != "*" and not re.fullmatch(r"https?://[^/\s]+", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an origin: scheme, host and port without a path, "
            "such as http://localhost:3000"
        )
    return text


def _limit(text: str) -> Limit:
    try:
        return Limit.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not {error}") from None


def _share(text: str) -> float:
    try:
        return read_share(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not {error}") from None


def _fail(message: str) -> int:
    print(f"together_emulator: {message}", file=sys.stderr)  # noqa: T201
    return 1


if __name__ == "__main__":
    sys.exit(main())
