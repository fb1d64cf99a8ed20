"""The command line's roof: finds each command by name and loads it only when it is called.

Nobody imports this package but `blipsearch.__main__`. Command modules import torch and the
library inside their functions, so that `--help` answers at once.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer
from typer.core import TyperCommand, TyperGroup

import blipsearch
from blipsearch.edge import exit_on_error

__all__ = ["app", "run"]

COMMANDS = {
    "index": "indexer.cli",
    "search": "blipsearch.cli.search",
    "caption": "blipsearch.cli.describe",
    "ask": "blipsearch.cli.describe",
    "serve": "api.cli",
    "demo": "blipsearch.cli.demo",
    "status": "blipsearch.cli.library",
    "duplicates": "blipsearch.cli.duplicates",
    "failures": "blipsearch.cli.failures",
    "sources": "blipsearch.cli.sources",
    "switch": "blipsearch.cli.library",
    "plan": "blipsearch.cli.plan",
    "finetune": "blipsearch.cli.finetune",
    "keys": "blipsearch.cli.keys",
    "verify": "blipsearch.cli.upkeep",
    "repair": "blipsearch.cli.upkeep",
    "compact": "blipsearch.cli.upkeep",
    "remove": "blipsearch.cli.upkeep_removing",
    "backup": "blipsearch.cli.upkeep_copies",
    "restore": "blipsearch.cli.upkeep_copies",
    "export": "blipsearch.cli.upkeep_copies",
    "import": "blipsearch.cli.upkeep_copies",
    "upgrade": "blipsearch.cli.library",
}
"""Command name to the module whose `app` has a command of that name."""


class LazyGroup(TyperGroup):
    """A command group whose commands live in modules loaded by name."""

    def list_commands(self, ctx: object) -> list[str]:
        """Name the commands in the order a newcomer needs them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: object, cmd_name: str) -> TyperCommand | TyperGroup | None:
        """Load the command's module; None for a name that is no command."""
        del ctx
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        found = typer.main.get_command(import_module(module).app)
        # A module with one command has no group around it.
        command = found.commands[cmd_name] if isinstance(found, TyperGroup) else found
        return command if isinstance(command, TyperCommand | TyperGroup) else None


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with `blipsearch demo`, or with `blipsearch index FOLDER` and `search QUERY`.",
)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Image search that can say how well a picture matches a sentence."""
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    if version:
        typer.echo(f"blipsearch {blipsearch.__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit


def run(arguments: Sequence[str] | None = None) -> None:
    """Run one command line (the process's own by default) and exit, as a SystemExit.

    The only place where errors become exit codes.
    """
    with exit_on_error():
        app(arguments, prog_name="blipsearch")
