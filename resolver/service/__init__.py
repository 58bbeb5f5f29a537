"""The service: carries out requests of callers with store, policy, cipher and audit trail.

Each method of its parts is one request: it reads the caller's rights again, decides before it looks anything
up, decides again about what it found, records the decision, and only then decrypts or changes anything.
A part is loaded when it is first asked for: a command needs one or two of them.
"""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING

from resolver.core.permissions import Permission
from resolver.core.results import Status
from resolver.core.times import utc_now
from resolver.errors import RootKeyError, StoreError, UnavailableError, UsageError
from resolver.service.access import Gate
from resolver.service.audit import Trail
from resolver.service.base import DEFAULT_RULES, Rules, Shared
from resolver.service.decryption import Opener
from resolver.service.provider_values import ExternalValues

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from resolver.core.model import Caller
    from resolver.core.ports import (
        Cipher,
        JwtVerifier,
        PasswordHasher,
        Session,
        SignInClient,
        UseSession,
        UseStore,
    )
    from resolver.core.ports.webhooks import SendsEvents
    from resolver.core.providers import ProviderType
    from resolver.errors import TamperedRowError
    from resolver.service.access_reports import AccessReport
    from resolver.service.approvals import Approvals
    from resolver.service.base import RunsBundles
    from resolver.service.console_sessions import Sessions
    from resolver.service.enforcement import Enforcement
    from resolver.service.event_delivery import EventDelivery
    from resolver.service.exporting import Transfer
    from resolver.service.first_setup import Setup
    from resolver.service.keys import Keys
    from resolver.service.providers import Providers
    from resolver.service.row_check import RowCheck
    from resolver.service.secrets import Secrets
    from resolver.service.sign_in import SignIns
    from resolver.service.tenants import Tenants
    from resolver.service.tokens import Tokens
    from resolver.service.trusts import Trusts
    from resolver.service.usage_reports import UsageReport, WhereUsed
    from resolver.service.use import SecretUse
    from resolver.service.users import Users
    from resolver.service.webhooks import Webhooks


def no_sender() -> SendsEvents:
    """What a service sends events with that was given nothing for it."""
    raise UnavailableError("this service sends no events")


_WRITTEN_SECONDS = 10.0
"""For so long a store counts as writable that was written to."""


def _no_verifier() -> JwtVerifier:
    raise UsageError(
        "this program verifies no JWTs", hint="install it with `server`: joserfc is part of that"
    )


def _no_sign_in() -> SignInClient:
    raise UsageError("people sign in by a provider through a server", hint="RESOLVER_URL names one")


def _no_bundles() -> RunsBundles:
    raise UsageError("this program resolves no bundles")


class Service:
    """The secrets store as callers see it.

    Args:
        store: where everything is kept.
        cipher: the key ring.
        passwords: makes the password hasher, once one is needed.
        clock: gives the time as it is stored.
        provider_types: makes the types of secrets providers, by name, once one is needed.
        rules: what holds for the whole store.
        event_sender: makes what sends events to webhooks, once it is needed.
        verifier: makes what verifies the JWTs of workloads, once one is shown.
        sign_in_client: makes what speaks with OpenID providers, once somebody signs in.
        bundles: makes what reads and resolves approved bundles, once one is there.

    Attributes:
        gate: identifies callers.
        trail: the audit trail.
    """

    def __init__(  # noqa: PLR0913 - each edge is one
        self,
        store: UseStore,
        cipher: Cipher,
        passwords: Callable[[], PasswordHasher],
        clock: Callable[[], str] = utc_now,
        provider_types: Callable[[], Mapping[str, ProviderType]] = dict,
        rules: Rules = DEFAULT_RULES,
        event_sender: Callable[[], SendsEvents] = no_sender,
        verifier: Callable[[], JwtVerifier] = _no_verifier,
        *,
        sign_in_client: Callable[[], SignInClient] = _no_sign_in,
        bundles: Callable[[], RunsBundles] = _no_bundles,
    ) -> None:
        self._store = store = store.authenticated(cipher, self._record_rows, self._report_tampered)
        self._cipher = cipher
        self._clock = clock
        self._written_until = 0.0
        self.gate = Gate(store, passwords, clock, rules.sign_in, self._record_break_glass)
        self.trail = Trail(store, cipher, self.gate, clock)
        self._shared = Shared(
            store,
            cipher,
            self.gate,
            self.trail,
            Opener(cipher, self.trail),
            ExternalValues(cipher, self.trail, provider_types),
            clock,
            rules,
            event_sender,
            verifier,
            sign_in_client,
            bundles,
        )

    @cached_property
    def use(self) -> SecretUse:
        """Obtains values for blueprints."""
        from resolver.service.use import SecretUse

        return SecretUse(self._shared)

    @cached_property
    def secrets(self) -> Secrets:
        """Manages secrets."""
        from resolver.service.secrets import Secrets

        return Secrets(self._shared)

    @cached_property
    def transfer(self) -> Transfer:
        """Exports and imports secrets."""
        from resolver.service.exporting import Transfer

        return Transfer(self._shared)

    @cached_property
    def providers(self) -> Providers:
        """Manages secrets providers."""
        from resolver.service.providers import Providers

        return Providers(self._shared)

    @cached_property
    def tenants(self) -> Tenants:
        """Manages tenants and their members."""
        from resolver.service.tenants import Tenants

        return Tenants(self._shared)

    @cached_property
    def users(self) -> Users:
        """Manages users."""
        from resolver.service.users import Users

        return Users(self._shared)

    @cached_property
    def tokens(self) -> Tokens:
        """Manages access tokens."""
        from resolver.service.tokens import Tokens

        return Tokens(self._shared)

    @cached_property
    def trusts(self) -> Trusts:
        """Manages trusts, and exchanges JWTs by them."""
        from resolver.service.trusts import Trusts

        return Trusts(self._shared)

    @cached_property
    def sessions(self) -> Sessions:
        """Manages sessions of the web console."""
        from resolver.service.console_sessions import Sessions

        return Sessions(self._shared)

    @cached_property
    def sign_in(self) -> SignIns:
        """Lets people sign in by OpenID providers."""
        from resolver.service.sign_in import SignIns

        return SignIns(self._shared)

    @cached_property
    def webhooks(self) -> Webhooks:
        """Manages webhooks."""
        from resolver.service.webhooks import Webhooks

        return Webhooks(self._shared)

    @cached_property
    def approvals(self) -> Approvals:
        """Keeps what is asked to be approved, and resolves what was."""
        from resolver.service.approvals import Approvals

        return Approvals(self._shared, self.use, lambda: self.secrets)

    @cached_property
    def delivery(self) -> EventDelivery:
        """Sends events to webhooks."""
        from resolver.service.event_delivery import EventDelivery

        return EventDelivery(self._shared)

    @cached_property
    def usage(self) -> UsageReport:
        """Reports what is not used."""
        from resolver.service.usage_reports import UsageReport

        return UsageReport(self._shared)

    @cached_property
    def access(self) -> AccessReport:
        """Tells who may read what."""
        from resolver.service.access_reports import AccessReport

        return AccessReport(self._shared)

    @cached_property
    def where_used(self) -> WhereUsed:
        """Reports where secrets are used."""
        from resolver.service.usage_reports import WhereUsed

        return WhereUsed(self._shared)

    @cached_property
    def setup(self) -> Setup:
        """Fills an empty store."""
        from resolver.service.first_setup import Setup

        return Setup(self._shared, self.tenants, self.secrets, self.tokens)

    @cached_property
    def keys(self) -> Keys:
        """Manages root keys and data keys, and their rotation."""
        from resolver.service.keys import Keys

        return Keys(self._shared)

    @cached_property
    def rows(self) -> RowCheck:
        """Compares rows that decide with the audit trail."""
        from resolver.service.row_check import RowCheck

        return RowCheck(self._shared)

    @cached_property
    def enforcement(self) -> Enforcement:
        """Ends the upgrade to rows with MACs."""
        from resolver.service.enforcement import Enforcement

        return Enforcement(self._shared)

    def _record_break_glass(self, session: Session, caller: Caller) -> None:
        self.trail.append_system(session, caller, "user:break_glass", object=caller.username)

    def _record_rows(self, session: UseSession) -> None:
        self.trail.append_rows(session)

    def _report_tampered(self, error: TamperedRowError) -> None:
        self.trail.note_tampered(error.kind, error.id)

    def check_ready(self) -> None:
        """Check that the store can be read and written, and that the root key that wraps its keys is at hand.

        Writing is tried every ten seconds at most.

        Raises:
            StoreError: the store can't be read or written, or is not initialised.
            RootKeyError: its root key is not at hand.
        """
        with self._store.managed.read() as session:
            wrapping = session.wrapping_root_key()
        if wrapping is None:
            raise StoreError("the store has no root key", hint="`resolver init` gives it one")
        if wrapping not in self._cipher.root_key_ids:
            raise RootKeyError(f"root key {wrapping} is not at hand")
        if time.monotonic() >= self._written_until:
            self._store.check_writable()
            self._written_until = time.monotonic() + _WRITTEN_SECONDS

    def admit_operator(self, caller: Caller) -> None:
        """Let in those who may read the system's audit trail, to its numbers as well.

        Raises:
            NotPermittedError: the caller may not.
        """
        with self._store.read() as session:
            self.gate.enter_system(session, caller, Permission.AUDIT_READ)

    def now(self) -> str:
        """The time now, as it is stored."""
        return self._clock()

    mode = "embedded: this process holds the root key and the database"

    @property
    def place(self) -> str:
        """Where the store is, without any password."""
        return self._store.place

    def status(self) -> Status:
        """What can be said of the store to anyone who can open it.

        Raises:
            StoreError: it can't be read or written, or was never initialised.
            RootKeyError: the root key that wraps is not at hand.
        """
        with self._store.managed.read() as session:
            wrapping = session.wrapping_root_key()
            system_key = session.active_data_key("")
        if wrapping is None or system_key is None:
            raise StoreError("the store is not initialised", hint="`resolver init` makes it one")
        self._cipher.open_data_key(system_key)
        self._store.check_writable()
        enforced = self.enforcement.is_on()
        return Status(self._store.place, wrapping, tuple(self._cipher.root_key_ids), rows_enforced=enforced)

    def close(self) -> None:
        """Give back the store's connections."""
        self._store.close()
