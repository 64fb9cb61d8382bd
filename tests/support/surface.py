"""Describe the command line as text.

``python -m tests.support.surface > tests/pancreatune/surface.txt`` updates the stored text. It
lists each command with its options, their types and defaults, and the first line of each help text.
They are taken from the declarations and not from the help pages, which differ between versions of
Typer.
"""

import enum
import inspect
from types import UnionType
from typing import get_args, get_origin

from typer.models import ArgumentInfo

import tune
from pancreatune.program import app


def surface():
    """Return the text, which is also stored next to the test."""
    lines = [*_program("pancreatune", app), *_program("python tune.py", tune.app)]
    return "\n".join(lines) + "\n"


def commands(name, program):
    """Yield the full name of each command and its declaration. Groups come after commands."""
    for one in program.registered_commands:
        verb = one.name or one.callback.__name__.replace("_", "-")
        yield (name if program is tune.app else f"{name} {verb}"), one
    for group in program.registered_groups:
        yield from commands(f"{name} {group.name}", group.typer_instance)


def options(command):
    """Yield the name that a user types for each parameter, the parameter, and its declaration."""
    for parameter in inspect.signature(command.callback).parameters.values():
        declared = get_args(parameter.annotation)[1]
        if isinstance(declared, ArgumentInfo):
            yield declared.metavar, parameter, declared
            continue
        named = [declared.default, *(declared.param_decls or ())]
        typed = [one for one in named if isinstance(one, str)]
        yield (typed or [f"--{parameter.name.replace('_', '-')}"])[0], parameter, declared


def _program(name, program):
    for group in program.registered_groups:
        yield f"{name} {group.name}: {_first_line(group.typer_instance.info.help)}"
    for whole_name, command in commands(name, program):
        yield ""
        yield f"{whole_name}: {_first_line(command.callback.__doc__)}"
        for typed, parameter, declared in options(command):
            yield f"    {typed}: {_described(parameter, declared)}"


def _described(parameter, declared):
    is_needed = parameter.default is inspect.Parameter.empty
    notes = [
        _kind(get_args(parameter.annotation)[0]),
        "required" if is_needed else f"default {_plain(parameter.default)}",
        *([f"at least {declared.min}"] if declared.min is not None else []),
        *([f"or {declared.envvar}"] if declared.envvar else []),
        *(["hidden"] if declared.hidden else []),
    ]
    return f"{', '.join(notes)}. {_first_line(declared.help)}".strip()


def _kind(hint):
    if get_origin(hint) is UnionType:
        hint = next(one for one in get_args(hint) if one is not type(None))
    if get_origin(hint) is not None:
        return f"{get_origin(hint).__name__} of {_kind(get_args(hint)[0])}"
    return "|".join(hint) if issubclass(hint, enum.Enum) else hint.__name__


def _plain(value):
    return "none" if value is None else str(value)


def _first_line(text):
    return (text or "").strip().split("\n")[0]


if __name__ == "__main__":
    print(surface(), end="")
