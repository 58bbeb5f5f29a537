"""Exports and imports of secrets: what callers want, and what they get, whatever file it is written to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct, field

from resolver.core.model import Secret, SecretValue, Visibility, check_value
from resolver.core.secret_changes import VersionNumber, field_problems
from resolver.core.times import is_stored_time
from resolver.errors import InvalidRequestError

MAX_IMPORTED_VERSION = 1_000_000_000
"""Highest number of an imported version: far more than anybody makes, with room for as many after it."""


class VersionWithValue(Struct, frozen=True):
    """One version of a secret with its value.

    Args:
        number: its number, from 1.
        value: its value.
        created_at: UTC time as it is stored; None when it is not known.
        created_by: the name of the user who made it; None when it is not known.
    """

    number: VersionNumber
    value: SecretValue
    created_at: str | None = None
    created_by: str | None = None


class ExportRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Which secrets to export, with which of their versions.

    Args:
        tenant: the name of the tenant to ask in; may be empty with all tenants.
        search: a part of the key, as in a list.
        visibility: only those with this visibility; None for all.
        all_tenants: those of all tenants in which the caller may export, each judged by the caller's role in
            its own tenant.
        all_versions: whether earlier versions leave, too.
    """

    tenant: str = ""
    search: str = ""
    visibility: Visibility | None = None
    all_tenants: bool = False
    all_versions: bool = False


class ExportedSecret(Struct, frozen=True):
    """One secret of an export, with its values.

    Args:
        secret: the secret's metadata.
        versions: its versions, the current one last; never empty.
    """

    secret: Secret
    versions: Sequence[VersionWithValue]

    @property
    def value(self) -> SecretValue:
        """The current value."""
        return self.versions[-1].value


class ExportResult(Struct, frozen=True):
    """The answer to an export.

    Args:
        secrets: what leaves.
        left_out: how many hidden secrets stay, because the caller may not read them.
        external: how many stay because providers have their values.
    """

    secrets: Sequence[ExportedSecret]
    left_out: int
    external: int = field(name="elsewhere", default=0)


class ImportEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """One secret to be imported.

    Args:
        key: the secret's name.
        tenant: the name of the tenant it comes from.
        versions: its versions, the current one last; empty only when something is wrong with them, or a
            provider may have the value.
        visibility: who is to know of it.
        hidden: whether its value is to be hidden.
        schema: its JSON Schema as JSON text; None when the file gives none.
        expires_at: UTC time as it is stored.
        rotate_after: a number of days.
        owner: the name of the user it is to belong to; None for the caller.
        created_at: UTC time as it is stored; None for now.
        updated_at: UTC time as it is stored; None for now.
        provider: the name of the provider that keeps it; None for none.
        provider_options: how it is found with its provider.
        whole: whether it has all there is to a secret, as our own format does. Then times override those of
            a secret that is there, and an owner that the caller may not set is passed over.
        problems: what is wrong with the entry, by field; such an entry is never stored.
        description: what it is for; None for none.
    """

    key: str
    tenant: str
    versions: Sequence[VersionWithValue]
    visibility: Visibility = Visibility.TENANT
    hidden: bool = False
    schema: str | None = None
    expires_at: str | None = None
    rotate_after: int | None = None
    owner: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    provider: str | None = None
    provider_options: Mapping[str, str] = field(default_factory=dict)
    whole: bool = False
    problems: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    description: str | None = None

    @property
    def value(self) -> SecretValue:
        """The value that is to be current."""
        return self.versions[-1].value


def entry_problems(entry: ImportEntry) -> dict[str, Any]:
    """What is wrong with an entry in itself, by field, whichever way it came in.

    Key, tenant, owner, provider and schema are checked where they are looked up.
    """
    problems: dict[str, Any] = dict(field_problems(entry))
    for name in ("created_at", "updated_at"):
        if (time := getattr(entry, name)) is not None and not is_stored_time(time):
            problems[name] = "Not a time"
    numbers = [version.number for version in entry.versions]
    if numbers and (numbers[0] < 1 or numbers[-1] > MAX_IMPORTED_VERSION or numbers != sorted(set(numbers))):
        problems["versions"] = "Not in the order of their numbers"
    times = [version.created_at for version in entry.versions if version.created_at is not None]
    if not all(map(is_stored_time, times)):
        problems["versions"] = "Not a time"
    for version in entry.versions:
        try:
            check_value(version.value.reveal())
        except InvalidRequestError as error:
            problems["value"] = error.message
    return problems | dict(entry.problems)


class ImportRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Secrets to be imported.

    Args:
        tenant: the name of the tenant that the right to import is asked in.
        entries: the secrets.
        tenant_map: the tenants that entries go to, by those that they come from; others keep theirs.
        override: whether secrets that are there already get value, hiding and visibility of the entries.
        rotated: with override, that values were renewed on purpose: each becomes a new version even where it
            is the current one again.
        values_only: with override, that a secret keeps its own visibility and hiding.
        atomic: whether nothing is stored when any entry is wrong, or its key taken and not overridden.
        dry_run: whether nothing is stored at all: the answer says what is wrong, and what is there already.
    """

    tenant: str
    entries: Sequence[ImportEntry]
    tenant_map: Mapping[str, str] = field(default_factory=dict)
    override: bool = False
    rotated: bool = False
    values_only: bool = False
    atomic: bool = False
    dry_run: bool = False


class ImportResult(Struct, frozen=True):
    """The answer to an import.

    Args:
        stored: how many entries were stored, the overriding ones included.
        colliding: keys that were taken, by the name of the tenant they were to go to.
        errors: what was wrong with entries, by position from 0 and field.
        unchanged: how many of the stored ones have the value that was current already, so that it made no
            version; those alone whose value the caller may be shown.
        compared: of a dry run, whether the secret that is there has the value of an entry already, by its
            position; of those alone whose value the caller may change and be shown.
    """

    stored: int
    colliding: Mapping[str, Sequence[str]]
    errors: Mapping[Annotated[int, Meta(ge=0, lt=2**31)], Mapping[str, Any]]
    unchanged: int = 0
    compared: Mapping[Annotated[int, Meta(ge=0, lt=2**31)], bool] = field(default_factory=dict)
