"""Hints for this caller: "did you mean" among names that it may know, and who may run what a hint names."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Protocol

from resolver.core.permissions import Permission
from resolver.errors import (
    AuthenticationError,
    NoSuchTenantError,
    NotFoundError,
    NotPermittedError,
    ResolverError,
    TamperedRowError,
    UnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resolver.config.settings import Settings
    from resolver.core.model import Caller
    from resolver.core.ports.service import AnyService


class Asking(Protocol):
    """What a command has to ask with."""

    @property
    def settings(self) -> Settings:
        """The settings."""

    @property
    def service(self) -> AnyService:
        """The store, or the server that has it."""

    @property
    def caller(self) -> Caller:
        """The authenticated caller."""


def advise(app: Asking, error: ResolverError, given: Mapping[str, Any]) -> None:
    """Add to an error's hint what was probably meant, and what this caller may not do of it.

    Args:
        app: the command.
        error: what ended it.
        given: the command's options and arguments.
    """
    with contextlib.suppress(ResolverError):  # the first error is the one to be reported
        if "tenant" in given:
            _add_names(app, error, given)
        # Not where the caller is nobody, and not where the store would be waited for once more.
        is_known = not isinstance(error, AuthenticationError | UnavailableError)
        if is_known or isinstance(error, TamperedRowError):
            error.hint = _for_whom(app, given, error.hint)


def _for_whom(app: Asking, given: Mapping[str, Any], hint: str) -> str:
    """A hint with the permissions that the commands need which it names, and the caller lacks."""
    needed = {right for command, right in NEEDED.items() if f"`resolver {command}" in hint}
    if not needed:
        return hint
    identity = app.service.users.whoami(app.caller)
    rights = set(identity.system_permissions)
    if "tenant" in given:
        rights |= identity.permissions.get(app.settings.tenant(given["tenant"]), frozenset())
    lacking = sorted(needed - rights)
    return f"{hint} (not with your rights: it takes {', '.join(lacking)})" if lacking else hint


NEEDED: Mapping[str, Permission] = {
    "access": Permission.SECRET_LIST,
    "approvals": Permission.SECRET_USE,
    "audit": Permission.AUDIT_READ,
    "extract": Permission.SECRET_CREATE,
    "keys": Permission.KEY_ROTATE,
    "secrets create": Permission.SECRET_CREATE,
    "secrets export": Permission.SECRET_EXPORT,
    "secrets get": Permission.SECRET_SHOW,
    "secrets history": Permission.SECRET_LIST,
    "secrets import": Permission.SECRET_IMPORT,
    "secrets list": Permission.SECRET_LIST,
    "secrets providers list": Permission.PROVIDER_LIST,
    "secrets providers test": Permission.PROVIDER_CREATE,
    "secrets update": Permission.SECRET_UPDATE,
    "trusts": Permission.TRUST_MANAGE,
    "users list": Permission.USER_MANAGE,
    "users set-password": Permission.USER_MANAGE,
    "webhooks": Permission.WEBHOOK_MANAGE,
    "who-can": Permission.AUDIT_READ,
}
"""What commands need that hints name; those that are not here need nothing of the caller."""


def _add_names(app: Asking, error: ResolverError, given: Mapping[str, Any]) -> None:
    if type(error) in (NotPermittedError, NoSuchTenantError):
        more = _tenant_advice(app, app.settings.tenant(given["tenant"]))
    elif type(error) is NotFoundError:
        more = _key_advice(app, error, given)
    else:
        return
    error.hint = f"{more} {error.hint}".strip() if more else error.hint


def _tenant_advice(app: Asking, tenant: str) -> str:
    """What is close to a tenant in which the caller has no rights, of those in which they have some."""
    from resolver.core.suggestions import Suggestions  # noqa: PLC0415 - for a mistake only

    known = app.service.users.whoami(app.caller).permissions
    return "" if tenant in known else Suggestions(lambda: known).question(tenant)


def _key_advice(app: Asking, error: NotFoundError, given: Mapping[str, Any]) -> str:
    """What is close to a missing key among those the caller may list, or where else there is one."""
    from resolver.resolution.refusals import KeySuggestions  # noqa: PLC0415 - for a mistake only

    keys = given.get("keys") or [given.get("key")]
    missing = next((key for key in keys if key and error.message.startswith(f"secret {key!r} ")), None)
    if missing is None:
        return ""
    return KeySuggestions(app.service, app.caller, app.settings.tenant(given["tenant"])).suggest(missing)
