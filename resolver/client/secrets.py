"""Secrets that are on a server, as callers manage them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from resolver.client.session import Remote, step
from resolver.core.model import Secret, SecretValue, check_key
from resolver.core.query import EVERYTHING, Field, Listing, Page
from resolver.core.redacted import Redacted
from resolver.core.results import Version, WrittenSecret
from resolver.errors import InvalidRequestError
from resolver.protocol.codec import encode

if TYPE_CHECKING:
    from resolver.core.model import Caller
    from resolver.core.secret_changes import NewSecret, SecretChange


S = TypeVar("S", bound=Secret)


class _Shown(Redacted, frozen=True):
    """A secret with its value, as it comes: the value stands among the other fields."""

    value: SecretValue | None


class _History(Struct, frozen=True):
    """All versions of a secret."""

    versions: Sequence[Version]


class RemoteSecrets(Remote):
    """The secrets of all tenants."""

    def create(self, caller: Caller, tenant: str, key: str, new: NewSecret) -> WrittenSecret:
        """Store a new secret; see `Secrets.create` of the service."""
        path = f"/secrets/{check_key(key)}"
        return self._of(key, self._server.ask(caller, WrittenSecret, "PUT", path, encode(new), tenant=tenant))

    def show(self, caller: Caller, tenant: str, key: str) -> tuple[Secret, SecretValue | None]:
        """A secret with its value; None for a hidden value that the caller may not see."""
        found = self._server.ask(caller, dict, "GET", secret_path(tenant, key), tenant=tenant)
        return self._of(key, self._server.read(Secret, found)), self._server.read(_Shown, found).value

    def list(
        self, caller: Caller, tenant: str, listing: Listing = EVERYTHING, *, all_tenants: bool = False
    ) -> Page:
        """The secrets of a tenant that the caller may see, and the global ones; no values."""
        if listing.matches or listing.conditions or not listing.equal.keys() <= {Field.VISIBILITY}:
            raise InvalidRequestError("a server lists secrets by nothing but key and visibility")
        query: dict[str, str | Sequence[str]] = {
            "_search": listing.search,
            "_sort": [f"{'-' if one.descending else ''}{one.field.value}" for one in listing.order],
            "_offset": str(listing.offset),
            "visibility": [str(name) for name in listing.equal.get(Field.VISIBILITY, ())],
            "_all_tenants": _flag(all_tenants),
            **({"ends_by": listing.ends_by} if listing.ends_by else {}),
            **({"_get_all_results": "true"} if listing.size is None else {"_size": str(listing.size)}),
        }
        return self._server.ask(caller, Page, "GET", "/secrets", tenant=tenant, query=query)

    def update(self, caller: Caller, tenant: str, key: str, wanted: SecretChange) -> WrittenSecret:
        """Change a secret; see `Secrets.update` of the service."""
        path, body = secret_path(tenant, key), encode(wanted)
        return self._of(key, self._server.ask(caller, WrittenSecret, "PATCH", path, body, tenant=tenant))

    def delete(self, caller: Caller, tenant: str, key: str, *, if_version: int | None = None) -> None:
        """Delete a secret with all its versions."""
        query = {} if if_version is None else {"if_version": str(if_version)}
        self._server.do(caller, "DELETE", secret_path(tenant, key), tenant=tenant, query=query)

    def history(self, caller: Caller, tenant: str, key: str) -> Sequence[Version]:
        """All versions of a secret, oldest first; no values."""
        path = f"{secret_path(tenant, key)}/history"
        versions = self._server.ask(caller, _History, "GET", path, tenant=tenant).versions
        if not versions:  # each secret has one
            raise self._server.nonsense()
        return versions

    def rollback(
        self, caller: Caller, tenant: str, key: str, version: int, *, if_version: int | None = None
    ) -> Secret:
        """Give a secret the value of an earlier version, as a new version."""
        body = {"version": version, "if_version": if_version}
        path = f"{secret_path(tenant, key)}/rollback"
        return self._of(key, self._server.ask(caller, Secret, "POST", path, body, tenant=tenant))

    def _of(self, key: str, secret: S) -> S:
        """The secret, which has to be the one that was named."""
        if secret.key != key:
            raise self._server.nonsense()
        if secret.schema is not None:
            with contextlib.suppress(ValueError, RecursionError):
                json.loads(secret.schema)
                return secret
            raise self._server.nonsense()  # or whoever shows it could not read it
        return secret


def secret_path(tenant: str, key: str) -> str:
    """Where a secret is on a server."""
    missing = f"secret {key!r} was not found in tenant {tenant!r}"
    return f"/secrets/{step(key, missing, f'`resolver secrets list -t {tenant}` shows what there is')}"


def _flag(value: bool) -> str:  # noqa: FBT001 - a value to be written
    return "true" if value else "false"
