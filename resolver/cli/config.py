"""`resolver config show`: each setting, its value, and where it comes from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from resolver.cli.context import App, format_option, local_options
from resolver.cli.output import OutputFormat, put_answer, put_table
from resolver.config.described import describe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resolver.config.described import Described


@click.group
def config() -> None:
    """Show the settings of this machine."""


@config.command
@click.option("--all", "is_all", is_flag=True, help="Also those that nothing sets.")
@format_option
@local_options
def show(app: App, *, is_all: bool, output_format: OutputFormat) -> None:
    """Show each setting, its value, and where it comes from.

    Credentials are not shown, but whether there are any. Nothing is opened or asked.
    """
    found = [one for one in describe(app.settings, os.environ) if is_all or one.source]
    put_answer(output_format, [_as_json(one) for one in found], lambda: _put(found))


def _as_json(one: Described) -> dict[str, Any]:
    return {"setting": one.name, "value": one.value, "source": one.source or None, "hidden": one.hidden}


def _put(found: Sequence[Described]) -> None:
    rows = [(one.name, "****" if one.hidden else _word(one.value), one.source or "-") for one in found]
    put_table(["SETTING", "VALUE", "FROM"], rows)


def _word(value: object) -> str:
    import json  # noqa: PLC0415 - for lists and objects

    return value if isinstance(value, str) else "-" if value is None else json.dumps(value)
