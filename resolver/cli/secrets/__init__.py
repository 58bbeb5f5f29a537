"""`resolver secrets`: create, show, list, change and move secrets."""

from __future__ import annotations

import click

from resolver.cli.secrets.diff import diff
from resolver.cli.secrets.edit import edit
from resolver.cli.secrets.generate import generate
from resolver.cli.secrets.providers import providers
from resolver.cli.secrets.read import get, history, list_
from resolver.cli.secrets.transfer import export, import_
from resolver.cli.secrets.write import create, delete, rollback, set_owner, set_visibility, update


@click.group
def secrets() -> None:
    """Manage secrets."""


for _command in (
    create,
    get,
    list_,
    diff,
    update,
    edit,
    generate,
    delete,
    set_visibility,
    set_owner,
    history,
    rollback,
    export,
    import_,
    providers,
):
    secrets.add_command(_command)
