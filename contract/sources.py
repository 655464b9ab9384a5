"""Where documents come from: files, git, standard input, the web, documentation pages."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import httpx

from contract.document import LIMIT, ContractError, read_file


def read(source: str) -> bytes:
    """The bytes of a file, of `REV:path` in the git repository here, or of standard input (`-`).

    Raises:
        ContractError: it cannot be read, or is a file of more than `LIMIT` bytes.
    """
    if source == "-":
        return sys.stdin.buffer.read()
    path = Path(source)
    if ":" in source and not path.exists():
        return git("cat-file", "blob", source)
    return read_file(path)


def git(*arguments: str, cwd: Path | None = None) -> bytes:
    """What git prints; the last argument is the one that may be wrong.

    Raises:
        ContractError: git is not there, or it failed.
    """
    if arguments[-1].startswith("-"):
        raise ContractError(f"{arguments[-1]}: no revision begins with a dash")
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, cwd=cwd, check=False)  # noqa: S603, S607
    except OSError as error:
        raise ContractError(f"git cannot be run: {error.strerror}") from error
    if done.returncode:
        reason = " ".join(done.stderr.decode(errors="replace").split())
        raise ContractError(f"{arguments[-1]}: cannot be read from git: {reason}")
    return done.stdout


def fetch(url: str, *, limit: int = LIMIT, timeout_s: float = 60) -> bytes:
    """The body of what is behind an https URL, redirects followed.

    Raises:
        ContractError: it is no https URL, it cannot be had, or it has more than `limit` bytes.
    """
    body = bytearray()
    try:
        _check(httpx.URL(url), url)  # by the name that was given: a client makes another one of it
        with (
            httpx.Client(
                follow_redirects=True, timeout=timeout_s, event_hooks={"request": [_https_only]}
            ) as client,
            client.stream("GET", url) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise ContractError(f"{url}: the answer is HTTP {response.status_code}")
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > limit:
                    raise ContractError(f"{url}: more than {limit:,} bytes")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ContractError(f"{url}: cannot be had: {error}") from error
    return bytes(body)


def published(content: bytes, name: str) -> bytes:
    """The document itself: `content`, or what is in the fenced block of a documentation page.

    Raises:
        ContractError: there are several such blocks, or it is no text.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ContractError(f"{name}: not UTF-8: {error}") from error
    outside, blocks = _divided(text.split("\n"))
    if _OPENAPI.search(outside):
        return content
    found = [block for block in map(textwrap.dedent, blocks) if _OPENAPI.search(block)]
    if len(found) > 1:
        raise ContractError(f"{name}: {len(found)} fenced blocks hold an OpenAPI document, not one")
    return found[0].encode() if found else content


def _divided(lines: list[str]) -> tuple[str, list[str]]:
    """What no fences are around, and each block that they are around.

    Each line is looked at by itself: a page may have any number of fences that never close.
    """
    below: dict[str, int] = {}
    ends: dict[int, int] = {}
    for number in reversed(range(len(lines))):
        fence = _FENCE.fullmatch(lines[number])
        if fence:
            if fence[1] in below:
                ends[number] = below[fence[1]]
            if not fence[2].strip(" \t\r"):
                below[fence[1]] = number
    outside, blocks, number = [], [], 0
    while number < len(lines):
        if number in ends:
            blocks.append("".join(line + "\n" for line in lines[number + 1 : ends[number]]))
        else:
            outside.append(lines[number])
        number = ends.get(number, number) + 1
    return "\n".join(outside), blocks


_FENCE = re.compile(r"([ \t]*+(?:`{3,}+|~{3,}+))([^`]*)")
_OPENAPI = re.compile(r"^[\"']?openapi[\"']?[ \t]*:", re.MULTILINE)


def _https_only(request: httpx.Request) -> None:
    _check(request.url, str(request.url))


def _check(url: httpx.URL, name: str) -> None:
    if url.scheme != "https":
        raise ContractError(f"{name}: only https is spoken")
    if not url.host:
        raise ContractError(f"{name}: names no host")
