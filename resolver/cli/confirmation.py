"""Confirming a command: by one's password, or by a word where nobody could log in any more after it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeVar

import click

from resolver.cli.files import read_password
from resolver.cli.output import say
from resolver.cli.prompts import ask_hidden, demand_yes
from resolver.errors import LastCredentialError, UnconfirmedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from resolver.cli.context import App
    from resolver.core.model import Caller

T = TypeVar("T")

old_password_option = click.option(
    "--old-password-file", metavar="FILE|-", help="Your password as it is now; - is stdin."
)

last_credential_option = click.option(
    "--yes", is_flag=True, help="Do not ask, even where no sys_admin could log in any more."
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
        password = ask_hidden("Your password as it is now")
    else:
        password = read_password(password_file)
    me = app.service.users.whoami(app.caller).username
    return attempt(app.service.gate.authenticate_password(me, password))


def even_last(attempt: Callable[[bool], T], *, yes: bool) -> T:
    """Do something after which no sys_admin may be able to log in, with a warning when that is so.

    Args:
        attempt: what is done; takes whether to go on even then.
        yes: go on without asking.

    Raises:
        LastCredentialError: it is so, and there is neither the option nor a terminal to ask on.
    """
    try:
        return attempt(False)  # noqa: FBT003 - its only argument
    except LastCredentialError as error:
        if not yes and not sys.stdin.isatty():
            raise
        say(f"warning: {error.message}; `resolver recover` is the way back")
        if not yes:
            demand_yes("Go on all the same?")
        return attempt(True)  # noqa: FBT003 - as above
