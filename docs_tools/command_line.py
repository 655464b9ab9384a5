"""The help of the command line, as it prints it, as Markdown."""

from collections.abc import Iterable
from typing import Any, Literal, get_args, get_origin, get_type_hints

import typer

from facade.cli import app


def command_line() -> str:
    """Write every command with its arguments and options, in the program's order."""
    group: Any = typer.main.get_command(app)
    parts = []
    for name, command in group.commands.items():
        summary, _, more = command.help.partition("\n\n")
        usage = " ".join([f"together-speech {name} [OPTIONS]", *_arguments(command)])
        parts += [f"## {name}", summary, f"```text\n{usage}\n```", more, _described(command)]
    return "\n\n".join(part for part in parts if part)


def _arguments(command: Any) -> list[str]:
    found = [one for one in command.params if one.param_type_name == "argument"]
    return [one.metavar if one.required else f"[{one.metavar}]" for one in found]


def _described(command: Any) -> str:
    """A list of definitions, which is read on a narrow screen too."""
    hints = get_type_hints(command.callback)
    return "\n\n".join(_definition(one, _choices(hints.get(one.name))) for one in command.params)


def _choices(hint: object) -> tuple[object, ...]:
    """The values of a `Literal`, also of one that may be left out."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    return next(filter(None, map(_choices, get_args(hint))), ())


def _definition(one: Any, values: tuple[object, ...]) -> str:
    is_argument = one.param_type_name == "argument"
    names = [one.metavar] if is_argument else [*one.opts, *one.secondary_opts]
    default = "" if one.default in (None, False) or callable(one.default) else one.default
    sentences = [
        " ".join((one.help or "").split()),
        f"One of {_code(values)}." if values else "",
        f"By default {_code([default])}." if default != "" else "",
        "Needed." if one.required else "",
    ]
    return f"{_code(names)}\n: {' '.join(sentence for sentence in sentences if sentence)}"


def _code(names: Iterable[object]) -> str:
    return ", ".join(f"`{name}`" for name in names)
