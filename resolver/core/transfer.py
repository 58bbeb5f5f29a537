"""Secrets on their way out of a store or into one: plain records, whatever file they are written to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct, field

from resolver.core.model import Secret, SecretValue, Visibility


class MovedVersion(Struct, frozen=True):
    """One version of a secret with its value.

    Args:
        number: its number, from 1.
        value: its value.
        created_at: UTC time as it is stored; None when it is not told.
        created_by: the name of the user who made it; None when it is not told.
    """

    number: int
    value: SecretValue
    created_at: str | None = None
    created_by: str | None = None


class Exported(Struct, frozen=True):
    """One secret as it leaves.

    Args:
        secret: what is known of it.
        versions: its versions, the current one last; never empty.
    """

    secret: Secret
    versions: Sequence[MovedVersion]

    @property
    def value(self) -> SecretValue:
        """The current value."""
        return self.versions[-1].value


class Export(Struct, frozen=True):
    """The answer to an export.

    Args:
        secrets: what leaves.
        left_out: how many hidden secrets stay, because the caller may not read them.
        elsewhere: how many stay because their values are kept with providers.
    """

    secrets: Sequence[Exported]
    left_out: int
    elsewhere: int = 0


class Incoming(Struct, frozen=True):
    """One entry of what is to be imported.

    Args:
        key: the secret's name.
        tenant: the name of the tenant it comes from.
        versions: its versions, the current one last; empty only when something is wrong with them, or a
            provider may have the value.
        visibility: who is to know of it.
        hidden: whether its value is to be hidden.
        schema: its JSON Schema as JSON text; None when none is told.
        expires_at: UTC time as it is stored.
        rotate_after: a number of days.
        owner: the name of the user it is to belong to; None for the caller.
        created_at: UTC time as it is stored; None for now.
        updated_at: UTC time as it is stored; None for now.
        provider: the name of the provider that keeps it; None for none.
        provider_options: how it is found with its provider.
        whole: whether it tells all there is to a secret, as our own format does. Then times override those of
            a secret that is there, and an owner that the caller may not set is passed over.
        problems: what is wrong with the entry, by field; such an entry is never stored.
    """

    key: str
    tenant: str
    versions: Sequence[MovedVersion]
    visibility: Visibility
    hidden: bool
    schema: str | None = None
    expires_at: str | None = None
    rotate_after: int | None = None
    owner: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    provider: str | None = None
    provider_options: Mapping[str, str] = field(default_factory=dict)
    whole: bool = False
    problems: Mapping[str, Any] = field(default_factory=dict)

    @property
    def value(self) -> SecretValue:
        """The value that is to be current."""
        return self.versions[-1].value


class Imported(Struct, frozen=True):
    """The answer to an import.

    Args:
        stored: how many entries were stored, the overriding ones included.
        colliding: keys that were taken, by the name of the tenant they were to go to.
        errors: what was wrong with entries, by position from 0 and field.
    """

    stored: int
    colliding: Mapping[str, Sequence[str]]
    errors: Mapping[Annotated[int, Meta(ge=0, lt=2**31)], Mapping[str, Any]]
