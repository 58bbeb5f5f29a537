"""Secrets, their versions and their providers, as a store keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from resolver.core.model import Secret
from resolver.core.ports.keys import StoredDataKey
from resolver.core.providers import Provider
from resolver.core.redacted import Redacted

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from resolver.core.query import Choice, Listing, Page, ProviderField, Reach
    from resolver.errors import ConflictError


class StoredSecret(Redacted, frozen=True):
    """A secret with the token of its current version.

    Args:
        secret: the secret.
        data_key_id: the key that encrypts the token.
        token: the encrypted value.
        data_key: that key, where it was read with them.
    """

    secret: Secret
    data_key_id: str
    token: str
    data_key: StoredDataKey | None = None


class StoredVersion(Redacted, frozen=True):
    """One version of a secret, with its token.

    Args:
        secret_id: whose version it is.
        version: its number.
        data_key_id: the key that encrypts the token.
        token: the encrypted value.
        created_at: UTC time.
        created_by: the name of the user who made it, or the id of one who was deleted.
    """

    secret_id: str
    version: int
    data_key_id: str
    token: str
    created_at: str
    created_by: str


class SecretLink(Redacted, frozen=True):
    """Which provider a stored secret names.

    Args:
        provider_id: the provider's id.
        options_key_id: the data key that sealed its provider options; None when it has none.
        options: its sealed provider options; None when it has none.
    """

    provider_id: str
    options_key_id: str | None = None
    options: str | None = None


class SecretWrite(Redacted, frozen=True):
    """A secret that one transaction stores together with others.

    Args:
        secret: as it is to be.
        before: as it was found; None for a new one.
        versions: the versions that it gets, each with the id of the user who made it.
        link: the provider that it is to name; None leaves that as it is.
        drop: the number up to which its versions are deleted; 0 for none.
    """

    secret: Secret
    before: Secret | None = None
    versions: Sequence[StoredVersion] = ()
    link: SecretLink | None = None
    drop: int = 0


class StoredProvider(Redacted, frozen=True):
    """A secrets provider as stored.

    Args:
        provider: what may be known of it.
        data_key_id: the data key that sealed its connection parameters; None when it has none.
        token: its sealed connection parameters; None when it has none.
    """

    provider: Provider
    data_key_id: str | None
    token: str | None


class StoredExternal(Redacted, frozen=True):
    """A secret whose value is kept with a provider, and what its provider is asked with.

    Args:
        secret_id: the secret's id.
        stored: the provider, which is not of the type `local`.
        options_key_id: the data key that sealed its provider options; None when it has none.
        options: its sealed provider options; None when it has none.
    """

    secret_id: str
    stored: StoredProvider
    options_key_id: str | None
    options: str | None


class KeyedSecrets(Protocol):
    """What a use asks about secrets."""

    def size_by_keys(self, tenant_id: str, keys: Collection[str]) -> int:
        """How many characters the stored tokens under some keys have in all."""

    def secrets_by_keys(self, tenant_id: str, keys: Collection[str]) -> Sequence[StoredSecret]:
        """One SELECT: the tenant's own secrets under these keys, and global ones of other tenants."""

    def external_values(self, secret_ids: Sequence[str]) -> Sequence[StoredExternal]:
        """Those of the secrets whose values are kept with providers."""


class SecretSession(KeyedSecrets, Protocol):
    """The part of a transaction about secrets and providers."""

    def size_of_versions(self, secret_ids: Sequence[str], *, current_only: bool = False) -> int:
        """How many characters the stored tokens of the versions of secrets have in all."""

    def page(self, reach: Reach, listing: Listing) -> Page:
        """The part of a list that is asked for, with the number of all that the caller may see."""

    def versions(self, secret_ids: Sequence[str], *, current_only: bool = False) -> Sequence[StoredVersion]:
        """The versions of secrets, in the order of their numbers."""

    def version(self, secret_id: str, number: int) -> StoredVersion | None:
        """One version of a secret."""

    def history(self, secret_id: str) -> Sequence[StoredVersion]:
        """The versions of a secret in the order of their numbers, without their tokens."""

    def drop_versions(self, secret_id: str, up_to: int) -> None:
        """Delete a secret's versions up to a number."""

    def count_secrets(self, tenant_id: str) -> int:
        """How many secrets a tenant has."""

    def count_versions(self, secret_id: str) -> int:
        """How many versions of a secret there are."""

    def find_secrets(self, tenant_id: str, keys: Collection[str]) -> Sequence[Secret]:
        """The tenant's own secrets under these keys, and global ones of other tenants, without tokens."""

    def version_times(self, secret_ids: Sequence[str]) -> Mapping[str, str]:
        """When the current versions of secrets were made, by the secrets' ids."""

    def add_secret(self, secret: Secret, data_key_id: str, token: str) -> None:
        """Store a secret with its first version; ConflictError when its key is taken."""

    def add_secrets(self, new: Sequence[SecretWrite]) -> Mapping[str, ConflictError]:
        """Store new secrets, a statement for all of them; why some were not stored, by their ids.

        A key stands twice among them only in several tenants, and for none of these globally.
        """

    def change_secrets(self, changes: Sequence[SecretWrite]) -> Mapping[str, ConflictError]:
        """Change secrets that were found before, each once; why some stay as they are, by their ids."""

    def add_version(self, secret: Secret, data_key_id: str, token: str, by: str) -> None:
        """Store a new version; `secret` has the new number. ConflictError when it is not the next one."""

    def change_secret(self, secret: Secret, newer: Secret) -> None:
        """Change everything but key, tenant and value, from what `secret` has.

        ConflictError when a global key would collide, or another writer was quicker.
        """

    def delete_secret(self, secret: Secret) -> None:
        """Delete a secret with all its versions; ConflictError when another writer was quicker."""

    def providers(self, tenant_id: str, name: str) -> Sequence[StoredProvider]:
        """Those of a name: the tenant's own before global ones of others, oldest first."""

    def provider_part(
        self, tenant_id: str, private_of: str | None, choice: Choice[ProviderField]
    ) -> Sequence[Provider]:
        """A part of the tenant's providers, then of global ones of others, each by name.

        Args:
            tenant_id: the tenant.
            private_of: of its private ones only this user's; None for all.
            choice: which part.
        """

    def count_providers(self, tenant_id: str, private_of: str | None, search: str = "") -> int:
        """How many providers a tenant has, with global ones of others, of those that are searched for."""

    def count_own_providers(self, tenant_id: str) -> int:
        """How many providers a tenant has, without those of others."""

    def add_provider(self, stored: StoredProvider) -> None:
        """Store a provider; ConflictError when its tenant has one of this name."""

    def change_provider(self, stored: StoredProvider, since: str) -> None:
        """Change a provider that was last changed at `since`; ConflictError when another was quicker."""

    def delete_provider(self, provider_id: str) -> None:
        """Delete a provider that no secret is kept with; the database refuses one that still has any."""

    def set_provider(
        self, secret_id: str, provider_id: str | None, options_key_id: str | None, options: str | None
    ) -> None:
        """Say which provider a secret is kept with, and its sealed options for that."""

    def secrets_of_provider(self, provider_id: str, limit: int) -> Sequence[tuple[str, str]]:
        """Tenant and key of some of the secrets that are kept with a provider."""
