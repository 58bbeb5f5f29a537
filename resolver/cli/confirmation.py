"""Giving one's password for a command that a token alone may not do."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeVar

import click

from resolver.cli.init import read_password
from resolver.errors import UnconfirmedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from resolver.cli.context import App
    from resolver.core.model import Caller

T = TypeVar("T")

old_password_option = click.option(
    "--old-password-file", metavar="FILE|-", help="Your password as it is now; - is stdin."
)


def confirmed(app: App, password_file: str | None, attempt: Callable[[Caller], T]) -> T:
    """Do something as the user of this command's token, logged in for it when that is needed.

    Args:
        app: the command.
        password_file: where the user's password is; None to be asked for it on a terminal, if need be.
        attempt: what is done.

    Raises:
        UsageError: the file can't be read.
        AuthenticationError: the password is wrong.
        UnconfirmedError: a password is needed, and there is no terminal to ask on.
    """
    if password_file is None:
        try:
            return attempt(app.caller)
        except UnconfirmedError:
            if not sys.stdin.isatty():
                raise
        password = str(click.prompt("Your password as it is now", hide_input=True, err=True))
    else:
        password = read_password(password_file)
    me = app.service.users.whoami(app.caller).username
    return attempt(app.service.gate.authenticate_password(me, password))
