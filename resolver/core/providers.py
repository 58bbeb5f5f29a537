"""Secrets providers: their records, requests to change them, and the protocol of a provider type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Protocol

from msgspec import UNSET, Meta, Struct, UnsetType, field

from resolver.core.model import Owner, Tenant, Visibility, is_key
from resolver.core.redacted import Redacted
from resolver.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from resolver.core.model import SecretValue

LOCAL = "local"
"""The type of provider whose secrets have their values in this store."""

ALLOWED_PATHS = "allowed_paths"
"""The connection parameter of every type that says which tenant may name what there."""

FORWARDS_HEADER = "X-Resolver-Hops"
"""The header that says how many managers a request has come through."""

ASK_PROVIDER = (
    "`resolver secrets providers test` tells who may set it up whether the provider answers; "
    "`resolver secrets update -o` changes what is looked for there, for who may update the secret"
)
"""The hint where a provider did not give a secret."""

MAX_FORWARDS = 3
"""How many managers a request may go through, so that two that name each other come to an end."""


class Provider(Struct, frozen=True):
    """A secrets provider, without its connection parameters.

    Args:
        id: the row's id, a random UUID.
        name: its name, unique in its tenant.
        kind: the type: `local`, `vault`, `cloudify`, or a plugin's.
        tenant: the tenant it belongs to.
        visibility: who knows of it.
        owner: the user who made it.
        created_at: UTC time, ISO 8601 with milliseconds.
        updated_at: UTC time of the last change.
    """

    id: str
    name: str
    kind: str
    tenant: Tenant
    visibility: Visibility
    owner: Owner
    created_at: str
    updated_at: str


class ProviderInfo(Redacted, frozen=True):
    """A provider as a caller sees it.

    Args:
        provider: the provider.
        parameters: its connection parameters, credentials included, for those who may read them; else None.
    """

    provider: Provider
    parameters: Mapping[str, str] | None = None


Parameters = Annotated[Mapping[str, str], Meta(max_length=50)]
"""Connection parameters as they are sent; some are credentials."""


class NewProvider(Redacted, frozen=True, forbid_unknown_fields=True):
    """A provider to be created.

    Args:
        kind: its type.
        parameters: its connection parameters, by the rules of its type.
        visibility: who knows of it, and may keep secrets with it.
    """

    kind: str = field(name="type")
    parameters: Parameters = field(default_factory=dict)
    visibility: Visibility = Visibility.TENANT


class ProviderChange(Redacted, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is to be changed of a provider; each field that is not given, or is empty, stays as it is.

    Args:
        kind: the new type.
        parameters: the connection parameters that differ from the stored ones.
        visibility: who is to know of it.
    """

    kind: str | UnsetType = field(name="type", default=UNSET)
    parameters: Parameters | UnsetType = UNSET
    visibility: Visibility | UnsetType = UNSET


class ProviderCheck(Redacted, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A provider to be tested: a stored one by its name, or one that could be created.

    Args:
        name: a stored provider, whose credentials go to its stored destination only.
        kind: the type, for one that is not stored.
        parameters: connection parameters; with a name, those that differ from the stored ones.
    """

    name: str = ""
    kind: str = field(name="type", default="")
    parameters: Parameters = field(default_factory=dict)


class ProviderRequest(Struct, frozen=True):
    """A request for the value of one secret of a provider.

    Args:
        key: its key here; also its name there, unless the options say otherwise.
        options: its provider options.
    """

    key: str
    options: Mapping[str, str]


class AllowedPath(Struct, frozen=True):
    """What the secrets of one tenant may name with a provider.

    Args:
        tenant: the name of the tenant; `*` for each.
        prefix: what names have to begin with; `{tenant}` stands for the tenant's name.
    """

    tenant: str
    prefix: str

    def permits(self, tenant: str, path: str) -> bool:
        """Whether a secret of a tenant may name a path."""
        return self.tenant in ("*", tenant) and path.startswith(self.prefix.replace("{tenant}", tenant))


def parse_allowed_paths(text: str) -> Sequence[AllowedPath]:
    """A provider's rule, written as `TENANT=PREFIX` with spaces between; InvalidRequestError if it isn't."""
    rule = []
    for word in text.split():
        tenant, equals, prefix = word.partition("=")
        if not equals or not (tenant == "*" or is_key(tenant)):
            raise InvalidRequestError(
                f"parameter {ALLOWED_PATHS!r} is malformed",
                hint="it is like 'prod=shop/ *={tenant}/': which tenant may name what begins with what",
            )
        rule.append(AllowedPath(tenant, prefix))
    return rule


def may_name(provider: Provider, parameters: Mapping[str, str], tenant: Tenant, path: str | None) -> bool:
    """Whether a tenant's secret may name a path with a provider.

    Without a rule the provider's own tenant may name everything, and no other tenant anything.
    """
    text = parameters.get(ALLOWED_PATHS)
    if text is None:
        return tenant.id == provider.tenant.id
    return path is not None and any(
        allowed.permits(tenant.name, path) for allowed in parse_allowed_paths(text)
    )


class FetchFailure(Struct, frozen=True):
    """Why a provider did not give a secret.

    Args:
        cause: a few words that follow "provider 'x':"; nothing that a request or an answer carried.
        is_missing: whether the provider answered, and has no value under this name.
    """

    cause: str
    is_missing: bool = False


NO_VALUE: Mapping[str | None, str] = {
    "": "its value there is empty, and a secret's is not",
    None: "its value there is null, and a secret's is text",
}
"""Why what stands under a name is no value."""


class ProviderType(Protocol):
    """The operations of one type of provider; each is given the parameters, none is stored."""

    @property
    def credentials(self) -> AbstractSet[str]:
        """The names of the parameters that are credentials; all others say where they may be sent."""

    def check(self, parameters: Mapping[str, str]) -> Mapping[str, str]:
        """Complete and normalised connection parameters; InvalidRequestError says what is wrong with them."""

    def check_options(self, options: Mapping[str, str]) -> Mapping[str, str]:
        """A secret's options; InvalidRequestError for one that is unknown or leads out of the provider."""

    def fetch(
        self, parameters: Mapping[str, str], wanted: Mapping[str, ProviderRequest], forwards: int
    ) -> Mapping[str, SecretValue | FetchFailure]:
        """The values of all that is wanted, by the same names; one that is missed does not spoil the others.

        Args:
            parameters: the connection parameters, as `check` gave them.
            wanted: what is wanted.
            forwards: how many managers the request has come through already.
        """

    def path_of(self, wanted: ProviderRequest) -> str | None:
        """What a request names with the provider; None for what no rule can permit. Plugins may lack it."""

    def test(self, parameters: Mapping[str, str]) -> bool:
        """Whether the provider answers to these parameters."""
