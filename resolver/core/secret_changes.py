"""What a caller wants of a secret: the records that commands and routes build and that the service takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Final, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType, field

from resolver.core.model import SecretValue, Visibility
from resolver.core.times import check_days, is_stored_time
from resolver.errors import ConflictError, InvalidRequestError

T = TypeVar("T")

VersionNumber = Annotated[int, Meta(ge=1, le=2**31 - 1)]
"""The number of a version."""

UNCHANGED: Final = UNSET
"""Stands in a change for: leave it as it is. It is never sent, and differs from None."""

MAX_DESCRIPTION = 1000
"""Longest description, in characters."""

NO_VALUE: Final = SecretValue("")
"""Stands for the value of a secret whose provider has it."""


def field_problems(wanted: Struct) -> Mapping[str, str]:
    """What is wrong with the plain fields of a new secret, a change or an entry of an import, by field."""
    problems: dict[str, str] = {}
    for name, check, value in _given(wanted):
        try:
            check(value)
        except InvalidRequestError as error:
            problems[name] = error.message
    return problems


def check_fields(wanted: Struct) -> None:
    """Check the plain fields of a new secret or of a change.

    Raises:
        InvalidRequestError: one of them breaks its rule; the first one is reported.
    """
    for _, check, value in _given(wanted):
        check(value)


def _given(wanted: Struct) -> Iterator[tuple[str, Callable[[Any], object], Any]]:
    """The plain fields that are given, with their rules."""
    for name, check in _CHECKS.items():
        value = getattr(wanted, name)
        if value is not None and value is not UNCHANGED:
            yield name, check, value


def _check_expiry(text: str) -> None:
    if not is_stored_time(text):
        raise InvalidRequestError("the time of expiry is malformed")


def _check_description(text: str) -> None:
    if len(text) > MAX_DESCRIPTION:
        raise InvalidRequestError(
            f"the description is too long: at most {MAX_DESCRIPTION} characters are allowed"
        )
    if not text.replace("\xa0", " ").isprintable():
        raise InvalidRequestError(
            "the description has characters that are not allowed",
            hint="write it in one line, without controls",
        )


_CHECKS: Mapping[str, Callable[[Any], object]] = {
    "expires_at": _check_expiry,
    "rotate_after": check_days,
    "description": _check_description,
}
"""The rule of each plain field that has one, whichever way a secret comes in."""


class StaleVersionError(ConflictError):
    """A change was meant for another version of a secret than the current one.

    To the caller it is a `ConflictError` like any other; only `If-Match` of HTTP has a status of its own.
    """


class NewSecret(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A secret to be created.

    Args:
        value: its value; JSON text when there is a schema. Empty for one whose provider has the value.
        visibility: who knows of it.
        hidden: whether others may use it but not see it.
        schema: a JSON Schema as JSON text, which this value and later ones must keep to.
        expires_at: UTC time, as it is stored, from which it counts as expired; None for never.
        rotate_after: how many days a value should last; None for any time.
        provider: the name of the secrets provider that it is kept with; None for this store.
        provider_options: how it is found there, by the rules of the provider's type.
        update_if_exists: when the key is there already, give it this value and leave all else as it is; for
            one whose provider has the value, these provider options.
        description: what it is for, in one line; None for none.
        rotated: with update_if_exists, that the value was renewed on purpose: it becomes a new version even
            where it is the current one again.
        protected: whether its value is given to approved bundles only.
    """

    value: SecretValue = field(default_factory=lambda: NO_VALUE)
    visibility: Visibility = Visibility.TENANT
    hidden: bool = False
    schema: str | None = None
    expires_at: str | None = None
    rotate_after: int | None = None
    provider: str | None = None
    provider_options: Mapping[str, str] | None = None
    update_if_exists: bool = False
    description: str | None = None
    rotated: bool = False
    protected: bool = False


class SecretChange(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is to be changed of a secret; each field that is not given stays as it is.

    Args:
        value: the new value; JSON text when the secret has a schema.
        visibility: who is to know of it.
        hidden: whether to hide the value.
        owner: the name of the user it is to belong to.
        expires_at: UTC time as it is stored; None for never.
        rotate_after: a number of days; None for any time.
        provider: the name of the provider to keep it with from now on. It has to come with a value when that
            is this store.
        provider_options: how it is found with its provider; empty ones change nothing.
        if_version: change nothing unless this is the current version.
        description: what it is for, in one line; None for none.
        rotated: that the value was renewed on purpose: it becomes a new version even where it is the current
            one again. Goes with a value.
        protected: that its value is given to approved bundles only. False is refused: another person ends it.
    """

    value: SecretValue | UnsetType = UNSET
    visibility: Visibility | UnsetType = UNSET
    hidden: bool | UnsetType = UNSET
    owner: str | UnsetType = UNSET
    expires_at: str | UnsetType | None = UNSET
    rotate_after: int | UnsetType | None = UNSET
    provider: str | UnsetType = UNSET
    provider_options: Mapping[str, str] | UnsetType = UNSET
    if_version: VersionNumber | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    rotated: bool | UnsetType = UNSET
    protected: bool | UnsetType = UNSET

    @property
    def changed(self) -> frozenset[str]:
        """The names of the fields that are to be changed."""
        changed = {name for name in self.__struct_fields__ if getattr(self, name) is not UNCHANGED}
        return frozenset(
            changed
            - {"if_version", "rotated"}
            - ({"provider_options"} if not self.provider_options else set())
        )


def unless_none(value: T | None) -> T | UnsetType:
    """A field of a change from an option that is None when it is not given."""
    return UNCHANGED if value is None else value


def or_none(value: T | UnsetType) -> T | None:
    """The opposite of `unless_none`: None for a field that stays as it is."""
    return None if isinstance(value, UnsetType) else value
