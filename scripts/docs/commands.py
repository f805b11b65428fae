"""The commands of rdpp with their flags, read from the parser that the command line itself uses."""

import argparse
from collections.abc import Iterator

from rdpp.cli import build_parser


def table() -> str:
    """One row a command."""
    rows = ["| command | what it does |", "|---|---|"]
    return "\n".join([*rows, *(f"| `rdpp {name}` | {told} |" for name, told, _ in commands())])


def sections() -> str:
    """One section a command, with a table of its arguments and flags."""
    return "\n\n".join(_section(*command) for command in commands())


def commands() -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """Name, description and parser of each command, those within `data` too."""
    return _within(build_parser(), "")


def _within(parser: argparse.ArgumentParser, before: str) -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    for group in (action for action in parser._actions if isinstance(action, argparse._SubParsersAction)):
        for entry in group._choices_actions:
            inner, name = group.choices[entry.dest], f"{before}{entry.dest}"
            if any(isinstance(action, argparse._SubParsersAction) for action in inner._actions):
                yield from _within(inner, f"{name} ")
            else:
                yield name, str(entry.help), inner


def _section(name: str, told: str, parser: argparse.ArgumentParser) -> str:
    rows = ["| argument | meaning |", "|---|---|"]
    for action in parser._actions:
        if not isinstance(action, argparse._HelpAction):
            rows.append(f"| `{_written(action)}` | {_meaning(action)} |")
    usage = " ".join(["rdpp", name, *(_written(a) for a in parser._actions if not a.option_strings), "[flags]"])
    title = f"## rdpp {name}\n\n{told[0].upper()}{told[1:]}.\n\n    {usage}\n\n"
    return title + "\n".join(rows)


def _written(action: argparse.Action) -> str:
    """As a person writes it: `--epochs N`."""
    value = "" if action.nargs == 0 else str(action.metavar or action.dest.upper())
    value = f"[{value}]" if action.nargs == "?" else value
    many = " ..." if action.nargs == "+" else ""
    return f"{', '.join(action.option_strings)} {value}{many}".strip()


def _meaning(action: argparse.Action) -> str:
    name = action.option_strings[-1] if action.option_strings else str(action.metavar)
    if not action.help:
        raise ValueError(f"{name} has no help; write one where it is added to the parser")
    return action.help % {"default": action.default}
