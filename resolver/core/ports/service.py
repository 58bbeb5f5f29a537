"""The service, wherever it is: in this process, or behind a server. Both satisfy `AnyService`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from resolver.core.access import AccessPart, WhoCan
    from resolver.core.account_changes import NewPassword, NewToken, NewUser, UserChange
    from resolver.core.approvals import (
        Approval,
        ApprovalDetails,
        ApprovalGrant,
        ApprovalRequest,
        ResolvedBundle,
    )
    from resolver.core.audit import AuditHead, AuditQuery, AuditRecord, Verification
    from resolver.core.model import Caller, Secret, SecretValue, Tenant, UserProfile
    from resolver.core.permissions import TenantRole
    from resolver.core.providers import NewProvider, Provider, ProviderChange, ProviderCheck, ProviderInfo
    from resolver.core.query import Choice, Listing, Page, Part, TenantField, TokenField, UserField
    from resolver.core.results import (
        DeletedTenant,
        DeletedUser,
        Identity,
        KeyStatus,
        MadeToken,
        StaleBlueprints,
        Status,
        TenantInfo,
        TokenInfo,
        Usage,
        UseAnswer,
        UserInfo,
        Version,
        WantedKey,
        WrittenSecret,
    )
    from resolver.core.secret_changes import NewSecret, SecretChange
    from resolver.core.transfer import ExportRequest, ExportResult, ImportRequest, ImportResult
    from resolver.core.trusts import NewTrust, Trust, TrustChange, TrustCheck
    from resolver.core.webhooks import (
        MadeWebhook,
        NewWebhook,
        Outcome,
        WebhookChange,
        WebhookDelivery,
        WebhookInfo,
    )


class IdentifiesCallers(Protocol):
    """Identifies callers. AuthenticationError for whoever is not known."""

    def present_token(self, token: str) -> Caller:
        """The caller of an access token, which may be judged with the first request only."""

    def confirm(self, caller: Caller) -> None:
        """See that a caller is known, for a run that asks nothing else."""

    def authenticate_token(self, token: str) -> Caller:
        """Identify a caller by an access token."""

    def authenticate_password(self, username: str, password: str) -> Caller:
        """Identify a caller by user name and password."""

    def exchange_jwt(self, jwt: str, trust: str = "") -> Caller:
        """Identify a workload by a JWT of its platform, by a trust where it could be several."""


class UsesSecrets(Protocol):
    """Obtains values for blueprints."""

    def use(
        self, caller: Caller, tenant: str, uses: Sequence[WantedKey], digests: Mapping[str, str]
    ) -> UseAnswer:
        """Obtain all values that one round needs, or the refusals; NotPermittedError without any right."""

    def check(self, caller: Caller, tenant: str, keys: Iterable[str]) -> Mapping[str, KeyStatus]:
        """Say of each key whether it could be used, without decrypting or using anything."""


class ListsSecrets(Protocol):
    """Lists secrets without their values."""

    def list(self, caller: Caller, tenant: str, listing: Listing = ..., *, all_tenants: bool = False) -> Page:
        """The secrets of a tenant that the caller may see, and the global ones."""


class ManagesSecrets(ListsSecrets, Protocol):
    """Manages secrets. A secret that the caller may not see is not found."""

    def create(self, caller: Caller, tenant: str, key: str, new: NewSecret) -> WrittenSecret:
        """Store a new secret, which the caller owns from then on."""

    def show(self, caller: Caller, tenant: str, key: str) -> tuple[Secret, SecretValue | None]:
        """A secret with its value; None for a hidden value that the caller may not see."""

    def update(self, caller: Caller, tenant: str, key: str, wanted: SecretChange) -> WrittenSecret:
        """Change a secret."""

    def delete(self, caller: Caller, tenant: str, key: str, *, if_version: int | None = None) -> None:
        """Delete a secret with all its versions."""

    def history(self, caller: Caller, tenant: str, key: str) -> Sequence[Version]:
        """All versions of a secret, oldest first; no values."""

    def rollback(
        self, caller: Caller, tenant: str, key: str, version: int, *, if_version: int | None = None
    ) -> Secret:
        """Give a secret the value of an earlier version, as a new version."""


class TransfersSecrets(Protocol):
    """Moves secrets between stores."""

    def export(self, caller: Caller, wanted: ExportRequest) -> ExportResult:
        """Secrets with their values; hidden ones whose values the caller may not see are counted."""

    def import_(
        self, caller: Caller, wanted: ImportRequest, progress: Callable[[str, int], None] | None = None
    ) -> ImportResult:
        """Store secrets from another store: all good entries, although others are not; or none."""


class ManagesProviders(Protocol):
    """Manages secrets providers."""

    def create(self, caller: Caller, tenant: str, name: str, new: NewProvider) -> Provider:
        """Set up a provider."""

    def get(self, caller: Caller, tenant: str, name: str) -> ProviderInfo:
        """A provider; with its connection parameters for those who may read them."""

    def list(self, caller: Caller, tenant: str) -> Sequence[Provider]:
        """The providers that the caller may name in a tenant."""

    def update(self, caller: Caller, tenant: str, name: str, wanted: ProviderChange) -> Provider:
        """Change a provider."""

    def delete(self, caller: Caller, tenant: str, name: str) -> None:
        """Delete a provider that no secret is kept with."""

    def test(self, caller: Caller, tenant: str, wanted: ProviderCheck) -> bool:
        """Whether a provider answers: a stored one, or one that could be set up."""


class ManagesTenants(Protocol):
    """Manages tenants and their members."""

    def create(self, caller: Caller, name: str) -> Tenant:
        """Make a tenant, with a data key of its own."""

    def list(self, caller: Caller, choice: Choice[TenantField] = ...) -> Part[TenantInfo]:
        """A part of the caller's own tenants, by name; of all tenants for a sys_admin."""

    def get(self, caller: Caller, name: str) -> TenantInfo:
        """One tenant."""

    def delete(self, caller: Caller, name: str, *, purge: bool = False) -> DeletedTenant:
        """Delete a tenant, and destroy its data keys. Its audit trail stays."""

    def add_member(self, caller: Caller, tenant: str, username: str, role: TenantRole) -> TenantInfo:
        """Make a user a member of a tenant, or change the role there; the tenant as it is then."""

    def remove_member(self, caller: Caller, tenant: str, username: str) -> None:
        """End a user's membership in a tenant."""


class ManagesUsers(Protocol):
    """Manages users."""

    def whoami(self, caller: Caller) -> Identity:
        """Who the caller is, and what may be done where."""

    def create(self, caller: Caller, name: str, new: NewUser) -> UserProfile:
        """Make a user; one without a password can only use tokens."""

    def list(self, caller: Caller, choice: Choice[UserField] = ...) -> Part[UserInfo]:
        """A part of all users, by name."""

    def get(self, caller: Caller, username: str = "") -> UserInfo:
        """One user: oneself, when no other is named."""

    def update(
        self, caller: Caller, username: str, wanted: UserChange, *, even_last: bool = False
    ) -> UserInfo:
        """Give a user another system role, or let them in or not; the user as they are then."""

    def unlock(self, caller: Caller, username: str) -> UserInfo:
        """Forget the wrong passwords that were given for a user; the user as they are then."""

    def set_password(self, caller: Caller, username: str, new: NewPassword) -> int:
        """Give a user a new password; how many access tokens were revoked, or else are still there."""

    def delete(
        self,
        caller: Caller,
        username: str,
        *,
        reassign_to: str = "",
        purge: bool = False,
        even_last: bool = False,
    ) -> DeletedUser:
        """Delete a user; what was given to the other user, or deleted."""


class ManagesTokens(Protocol):
    """Manages access tokens."""

    def create(self, caller: Caller, new: NewToken) -> MadeToken:
        """Make an access token, shown this once."""

    def rotate(self, caller: Caller, token_id: str, overlap: str = ...) -> MadeToken:
        """Make a successor of a token, shown this once; the old one lives as long as the overlap says."""

    def list(self, caller: Caller, choice: Choice[TokenField] = ..., unused: str = "") -> Part[TokenInfo]:
        """A part of the caller's own tokens; of everyone's for those who manage them."""

    def get(self, caller: Caller, token_id: str) -> TokenInfo:
        """One token."""

    def revoke(self, caller: Caller, token_id: str, *, even_last: bool = False) -> None:
        """Revoke a token, at once."""


class ManagesWebhooks(Protocol):
    """Manages webhooks."""

    def create(self, caller: Caller, name: str, new: NewWebhook) -> MadeWebhook:
        """Make a webhook; its secret is shown this once."""

    def list(self, caller: Caller) -> Sequence[WebhookInfo]:
        """All webhooks, by name."""

    def get(self, caller: Caller, name: str) -> WebhookInfo:
        """One webhook."""

    def deliveries(self, caller: Caller, name: str) -> Sequence[WebhookDelivery]:
        """The latest events of a webhook, newest first."""

    def update(self, caller: Caller, name: str, wanted: WebhookChange) -> WebhookInfo:
        """Change a webhook; what is not given stays."""

    def rotate_secret(self, caller: Caller, name: str, overlap: str = ...) -> MadeWebhook:
        """Give a webhook another secret, shown this once; the old one signs too for a while."""

    def delete(self, caller: Caller, name: str) -> None:
        """Delete a webhook; what waits for it is not sent."""

    def test(self, caller: Caller, name: str) -> Outcome:
        """Send an event of the kind `webhook.test`, now."""


class ManagesApprovals(Protocol):
    """Keeps what is asked to be approved, and resolves what was."""

    def request(self, caller: Caller, tenant: str, wanted: ApprovalRequest) -> Approval:
        """Ask for an approval; one that is open for the same is the answer, and none when none is needed."""

    def list(self, caller: Caller, tenant: str) -> Sequence[Approval]:
        """What was asked to be approved in a tenant, the latest first; one's own for who may not grant."""

    def get(self, caller: Caller, tenant: str, approval_id: str) -> Approval:
        """One request, with what became of it."""

    def details(self, caller: Caller, tenant: str, approval_id: str) -> ApprovalDetails:
        """One request with the bundle that it is about, and its calls in place."""

    def grant(self, caller: Caller, tenant: str, approval_id: str, wanted: ApprovalGrant) -> Approval:
        """Grant what was asked for."""

    def deny(self, caller: Caller, tenant: str, approval_id: str, comment: str = "") -> Approval:
        """Deny what was asked for, or end what was granted."""

    def resolve(self, caller: Caller, tenant: str, approval_id: str, digest: str) -> ResolvedBundle:
        """Resolve the bundle that was approved, where it is kept; one of the uses is spent."""


class ManagesTrusts(Protocol):
    """Manages trusts."""

    def create(self, caller: Caller, name: str, new: NewTrust) -> Trust:
        """Make a trust."""

    def list(self, caller: Caller) -> Sequence[Trust]:
        """All trusts for a sys_admin, by name; those for oneself, for others."""

    def get(self, caller: Caller, name: str) -> Trust:
        """One trust."""

    def update(self, caller: Caller, name: str, wanted: TrustChange) -> Trust:
        """Change a trust."""

    def delete(self, caller: Caller, name: str) -> None:
        """Delete a trust; the tokens that came of it end at once."""

    def test(self, caller: Caller, name: str, jwt: str = "") -> TrustCheck:
        """Fetch an issuer's keys, and see what of a JWT does not fit a trust."""


class ReadsAudit(Protocol):
    """Reads and verifies audit trails."""

    def stream(self, caller: Caller, tenant: str = "", query: AuditQuery = ...) -> Iterator[AuditRecord]:
        """The records of a tenant's trail, or of the system's, one part after the other."""

    def head(self, caller: Caller, tenant: str = "") -> AuditHead:
        """The end of a trail, to be kept elsewhere."""

    def verify(self, caller: Caller, tenant: str = "", kept: AuditHead | None = None) -> Verification:
        """Check a trail, from its first record to its end, and against a kept head."""

    def reindex(self, caller: Caller, tenant: str = "") -> int:
        """Make the index of a trail again out of its records; how many these are."""

    def export(self, caller: Caller, tenant: str = "") -> tuple[AuditHead, Iterator[AuditRecord]]:
        """A whole trail with its head."""


class ReportsUsage(Protocol):
    """Compares what is permitted with what was done."""

    def unused(self, caller: Caller, tenant: str, since: str = "") -> Usage:
        """What was not used in a tenant since some time."""

    def stale(self, caller: Caller, tenant: str, key: str = "") -> StaleBlueprints:
        """Which blueprints have to be deployed again, since secrets have changed."""


class ReportsAccess(Protocol):
    """Tells who may read what."""

    def who_can(self, caller: Caller, tenant: str, key: str) -> WhoCan:
        """Every user and token that the rules give a secret's value."""

    def access(
        self, caller: Caller, tenant: str, username: str = "", token_id: str = "", listing: Listing = ...
    ) -> AccessPart:
        """What somebody could use and be shown in a tenant, out of a part of its secrets."""


class ResolvingService(Protocol):
    """The part of the service that resolving and checking blueprints needs."""

    @property
    def gate(self) -> IdentifiesCallers:
        """Identifies callers."""

    @property
    def secrets(self) -> ListsSecrets:
        """Lists secrets."""

    @property
    def use(self) -> UsesSecrets:
        """Obtains values for blueprints."""


class AnyService(ResolvingService, Protocol):
    """The whole service, as commands and embedding programs use it."""

    @property
    def secrets(self) -> ManagesSecrets:
        """Manages secrets."""

    @property
    def transfer(self) -> TransfersSecrets:
        """Moves secrets between stores."""

    @property
    def providers(self) -> ManagesProviders:
        """Manages secrets providers."""

    @property
    def tenants(self) -> ManagesTenants:
        """Manages tenants and their members."""

    @property
    def users(self) -> ManagesUsers:
        """Manages users."""

    @property
    def tokens(self) -> ManagesTokens:
        """Manages access tokens."""

    @property
    def webhooks(self) -> ManagesWebhooks:
        """Manages webhooks."""

    @property
    def approvals(self) -> ManagesApprovals:
        """Keeps what is asked to be approved, and resolves what was."""

    @property
    def trusts(self) -> ManagesTrusts:
        """Manages trusts."""

    @property
    def trail(self) -> ReadsAudit:
        """Reads and verifies audit trails."""

    @property
    def usage(self) -> ReportsUsage:
        """Compares what is permitted with what was done."""

    @property
    def access(self) -> ReportsAccess:
        """Tells who may read what."""

    @property
    def mode(self) -> str:
        """`embedded` or `remote`, and which process holds the root key, as `status` prints it."""

    @property
    def place(self) -> str:
        """Where the store or the server is, without any password."""

    def now(self) -> str:
        """The time now, as it is stored."""

    def status(self) -> Status:
        """See that the store or the server can do its work."""

    def close(self) -> None:
        """Give back connections."""
