"""The base class of the parts of the service, and the dependencies that all of them share."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from resolver.core.login_rules import LoginRules
from resolver.core.ports import Cipher, JwtVerifier, Store, UseStore
from resolver.errors import ConflictError
from resolver.service.access import Gate
from resolver.service.audit import Trail
from resolver.service.decryption import Opener
from resolver.service.provider_values import ExternalValues

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resolver.core.approvals import ApprovedCall, Bundle, ResolvedBundle
    from resolver.core.model import Caller
    from resolver.core.ports.service import ResolvingService
    from resolver.core.ports.webhooks import SendsEvents
    from resolver.dsl.budget import Budget


class Shared(Struct, frozen=True):
    """The dependencies of all parts of the service.

    Args:
        store: the database.
        cipher: the key ring.
        gate: identifies callers and lets them in.
        trail: records what is done, and every value that leaves, before it happens.
        opener: decrypts.
        external: fetches the values that providers have, and knows the types of providers.
        clock: gives the time as it is stored.
        rules: what holds for the whole store.
        event_sender: makes what sends events to webhooks, a `SendsEvents`, once it is needed.
        verifier: makes what verifies JWTs, once one is shown.
        sign_in_client: makes what speaks with OpenID providers, a `SignInClient`, once somebody signs in.
        bundles: makes what reads and resolves approved bundles, a `RunsBundles`, once one is there.
    """

    store: UseStore
    cipher: Cipher
    gate: Gate
    trail: Trail
    opener: Opener
    external: ExternalValues
    clock: Callable[[], str]
    rules: Rules
    event_sender: Callable[[], Any]
    verifier: Callable[[], JwtVerifier]
    sign_in_client: Callable[[], Any]
    bundles: Callable[[], Any]


class RunsBundles(Protocol):
    """Reads and resolves bundles, for the service that keeps them."""

    def survey(self, bundle: Bundle, tenant: str, budget: Budget | None) -> Sequence[ApprovedCall]:
        """The calls whose keys are known before any value is; BlueprintError when something is wrong."""

    def resolve(
        self,
        service: ResolvingService,
        caller: Caller,
        tenant: str,
        bundle: Bundle,
        budget: Budget | None,
    ) -> ResolvedBundle:
        """Resolve a bundle, all of its blueprints or none."""


class ServicePart:
    """A part of the service: requests about one kind of thing.

    Args:
        shared: what all parts share.
    """

    def __init__(self, shared: Shared) -> None:
        self._uses = shared.store
        self._cipher = shared.cipher
        self._gate = shared.gate
        self._trail = shared.trail
        self._opener = shared.opener
        self._external = shared.external
        self._clock = shared.clock
        self._rules = shared.rules
        self._event_sender: Callable[[], SendsEvents] = shared.event_sender

    @cached_property
    def _store(self) -> Store:
        """The store for all but uses; it takes long to load."""
        return self._uses.managed

    def _demand_room(self, holder: str, count: int, setting: str, instead: str) -> None:
        """Refuse one more of what somebody or something may have only so many of.

        Args:
            holder: who or what has them, in words.
            count: how many there are, as seen in the transaction that adds one.
            setting: what bounds them, named `WHAT_per_HOLDER`.
            instead: how to make room, in words.

        Raises:
            ConflictError: there are as many as the setting permits, or more.
        """
        if count >= getattr(self._rules, setting):
            raise ConflictError(
                f"{holder} has {count} {setting.partition('_per_')[0]}, and may have no more",
                hint=f"{instead}, or have `{setting}` raised in `config.yaml`",
            )


class Rules(Struct, frozen=True):
    """Settings that the service enforces.

    Args:
        keep_versions: how many versions of each secret are kept, the current one included; 0 keeps all.
        refuse_expired: whether an expired secret is refused, rather than used with a warning.
        public_url: this server's URL as clients have it: the audience of JWTs where a trust names none.
        tokens_per_trust: how many access tokens that have not ended may have come of one trust.
        tokens_per_user: how many access tokens one user may have.
        sessions_per_user: how many console sessions one user may have; the oldest makes room for the next.
        secrets_per_tenant: how many secrets one tenant may have.
        providers_per_tenant: how many secrets providers one tenant may have.
        versions_per_secret: how many versions one secret may have where none is dropped.
        bytes_per_secret: how many bytes these may take.
        bytes_per_export: how many bytes of values one export may read.
        password_length: how many characters a new password has at least.
        webhooks_per_store: how many webhooks there may be.
        events_per_webhook: how many events may wait for one webhook.
        hours_per_event: how many hours an event waits before it is given up.
        expiry_notice_days: how many days before their end events tell of secrets and tokens.
        sign_in: how people get in.
    """

    keep_versions: int = 0
    refuse_expired: bool = False
    public_url: str = ""
    tokens_per_trust: int = 1000
    tokens_per_user: int = 200
    sessions_per_user: int = 20
    secrets_per_tenant: int = 100_000
    providers_per_tenant: int = 1_000
    versions_per_secret: int = 10_000
    bytes_per_secret: int = 256 * 1024 * 1024
    bytes_per_export: int = 256 * 1024 * 1024
    password_length: int = 12
    webhooks_per_store: int = 50
    events_per_webhook: int = 10_000
    hours_per_event: int = 72
    expiry_notice_days: int = 14
    sign_in: LoginRules = LoginRules()


DEFAULT_RULES = Rules()
