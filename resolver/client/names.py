"""Names as parts of a request: what can't stand there names nothing, and is not sent."""

from __future__ import annotations

import contextlib

from resolver.core.audit import cap
from resolver.core.model import check_key
from resolver.errors import InvalidRequestError, NoSuchTenantError, NotFoundError


def header(tenant: str) -> str:
    """A tenant's name as a header has it: without the spaces around it that HTTP would take away.

    Raises:
        NoSuchTenantError: it can't stand in a header.
    """
    if not tenant.isascii() or not tenant.isprintable() or tenant != tenant.strip():
        raise NoSuchTenantError(f"tenant {cap(tenant)!r} does not exist")
    return tenant


def step(name: str, missing: str, hint: str = "") -> str:
    """A name as one step of a path. What can't be a name names nothing; and `..` would lead elsewhere.

    Args:
        name: the name.
        missing: what is said of one that does not exist.
        hint: what to do about it.

    Raises:
        NotFoundError: nothing can have such a name.
    """
    with contextlib.suppress(InvalidRequestError):
        return check_key(name)
    raise NotFoundError(missing, hint=hint)
