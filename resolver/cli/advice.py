"""Hints for names that were not found: "did you mean", among names that the caller may know."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Protocol

from resolver.errors import NoSuchTenantError, NotFoundError, NotPermittedError, ResolverError

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
    """Add to an error's hint what was probably meant, when it is about a tenant or a key.

    Args:
        app: the command.
        error: what ended it.
        given: the command's options and arguments.
    """
    with contextlib.suppress(ResolverError):  # the first error is the one to be reported
        if "tenant" not in given:
            return
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
