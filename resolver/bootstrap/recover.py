"""Lets a sys_admin into a store on this machine again: a new token in a new profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resolver.bootstrap.initialise import FIRST_TENANT
from resolver.config.files import Trusted, demand_trusted, make_directory
from resolver.config.profile import Profile, write_profile
from resolver.errors import AuthenticationError, ConflictError, StoreError

if TYPE_CHECKING:
    from resolver.config.settings import Settings
    from resolver.service import Service


def recover(
    settings: Settings, service: Service, username: str = "", password: str | None = None
) -> tuple[str, bool]:
    """Make a token for a sys_admin, and the profile that has it.

    A profile whose token is not valid any more is replaced. One that is valid stays where only a password is
    asked for.

    Args:
        settings: where the profile goes.
        service: the store, opened with its root key.
        username: the sys_admin's name; empty for the only one there is.
        password: the sys_admin's new password; None leaves it as it is.

    Returns:
        The sys_admin's name, and whether the profile was made.

    Raises:
        ConflictError: the profile is for a server, or its token is valid and no password is to be set; or
            the user is no active sys_admin.
        NotFoundError: there is no such user.
        InvalidRequestError: none is named, and there are several.
        StoreError: the profile can't be written.
    """
    demand_trusted(settings.home, Trusted.HOME, StoreError)
    make_directory(settings.home)
    there = settings.profile()
    if there is not None:
        try:
            caller = service.gate.authenticate_token(there.token)
        except AuthenticationError:
            pass
        else:
            if password is not None:
                return service.setup.recover(username, None, password), False
            raise ConflictError(
                f"the token in {str(settings.profile_path)!r} is valid: it lets user {caller.username!r} in",
                hint="remove that file first, if its token is not the one you want; "
                "--password sets a new password beside it",
            )
    elif settings.profile_path.exists():
        raise ConflictError(
            f"the profile {str(settings.profile_path)!r} is for a server",
            hint="remove it if its token is of no use any more",
        )
    tenant = there.tenant if there is not None else FIRST_TENANT

    def keep(token: str) -> None:
        write_profile(settings.profile_path, Profile(token, tenant), replace=True)

    return service.setup.recover(username, keep, password), True
