"""Secrets providers: setting them up, and the rule that credentials go to the stored destination only."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from resolver.core import policy
from resolver.core.audit import cap
from resolver.core.model import SecretValue, Visibility, check_key
from resolver.core.permissions import Permission
from resolver.core.ports import StoredProvider
from resolver.core.providers import Provider, ProviderInfo
from resolver.core.query import WHOLE, Part
from resolver.errors import ConflictError, InvalidRequestError, NotFoundError, NotPermittedError
from resolver.service.access import not_permitted
from resolver.service.base import ServicePart
from resolver.service.decryption import active_data_key, look_up, open_mapping, provider_place
from resolver.service.provider_values import find_external

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resolver.core.model import Caller, Tenant
    from resolver.core.ports import Cipher, Session
    from resolver.core.providers import NewProvider, ProviderChange, ProviderCheck
    from resolver.core.query import Choice, ProviderField

_MAX_LISTED = 10


def find_provider(session: Session, caller: Caller, home: Tenant, name: str) -> StoredProvider:
    """A provider that a caller may name in a tenant: the tenant's own before a global one.

    Raises:
        NotFoundError: there is none, or the caller may not see that there is.
    """
    for stored in session.providers(home.id, name):
        if policy.is_visible(caller, stored.provider, home):
            return stored
    raise NotFoundError(
        f"secrets provider {name!r} was not found in tenant {home.name!r}",
        hint=f"`resolver secrets providers list -t {home.name}` shows what there is",
    )


def open_parameters(session: Session, cipher: Cipher, stored: StoredProvider) -> dict[str, str]:
    """A provider's connection parameters, decrypted."""
    if stored.token is None or stored.data_key_id is None:
        return {}
    place = provider_place(stored.provider, stored.data_key_id)
    return open_mapping(cipher, session.data_keys([stored.data_key_id]), place, stored.token)


class Providers(ServicePart):
    """The secrets providers of all tenants."""

    def create(self, caller: Caller, tenant: str, name: str, new: NewProvider) -> Provider:
        """Set up a provider.

        Args:
            caller: who sets it up, and owns it from then on.
            tenant: the name of the tenant it will belong to.
            name: its name.
            new: what it is to be.

        Raises:
            InvalidRequestError: the name, the type or a parameter breaks the rules.
            NotPermittedError: the caller may not do this here, or the destination is not allowed.
            ConflictError: the name is taken, or the tenant has as many providers as it may have.
        """
        with self._store.write() as session:
            current, home = self._gate.enter(session, caller, Permission.PROVIDER_CREATE, tenant)
            check_key(name, "provider name")
            checked = self._external.check(new.kind, new.parameters)
            if new.visibility is Visibility.GLOBAL:
                _demand_global(current, home)
            if session.providers(home.id, name):
                raise ConflictError(f"secrets provider {name!r} already exists")
            at = self._clock()
            provider = Provider(
                str(uuid.uuid4()), name, new.kind, home, new.visibility, current.as_owner, at, at
            )
            session.hold_tenant(home.id)
            self._demand_room(
                f"tenant {home.name!r}",
                session.count_own_providers(home.id),
                "providers_per_tenant",
                "delete secrets providers that are not needed",
            )
            session.add_provider(self._sealed(session, provider, checked))
            self._note(session, current, home, Permission.PROVIDER_CREATE, name)
            return provider

    def get(self, caller: Caller, tenant: str, name: str) -> ProviderInfo:
        """A provider; with its connection parameters for those who may read them, which is recorded.

        Raises:
            NotPermittedError: the caller may not list providers here.
            NotFoundError: there is no such provider, or the caller may not see that there is.
        """
        with self._store.write() as session:
            current, home = self._gate.enter(session, caller, Permission.PROVIDER_LIST, tenant)
            stored = find_provider(session, current, home, name)
            if not policy.decide_in_tenant(current, Permission.PROVIDER_CREDENTIALS, home).allowed:
                return ProviderInfo(stored.provider)
            self._note(session, current, home, Permission.PROVIDER_CREDENTIALS, name)
        # Only once the record of it is committed.
        with self._store.read() as session:
            return ProviderInfo(stored.provider, open_parameters(session, self._cipher, stored))

    def list(self, caller: Caller, tenant: str) -> Sequence[Provider]:
        """The providers that the caller may name in a tenant.

        Raises:
            NotPermittedError: the caller may not list providers here.
        """
        return self.part(caller, tenant).items

    def part(
        self,
        caller: Caller,
        tenant: str,
        choice: Choice[ProviderField] = WHOLE,
    ) -> Part[Provider]:
        """A part of the providers that the caller may name in a tenant: its own, then global ones of others.

        Raises:
            NotPermittedError: the caller may not list providers here.
        """
        with self._store.read() as session:
            current, home = self._gate.enter(session, caller, Permission.PROVIDER_LIST, tenant)
            private_of = None if policy.administers(current, home) else current.user_id
            found = session.provider_part(home.id, private_of, choice)
            return Part(found, session.count_providers(home.id, private_of, choice.search))

    def options_of(self, caller: Caller, tenant: str, key: str) -> Mapping[str, str] | None:
        """How a secret is found with its provider, recorded; None for one of here, and for who may not know.

        These are the people to whom the value would be open if it were hidden.

        Raises:
            NotPermittedError: the caller may not see secrets here.
        """
        with self._store.read() as session:
            current, home = self._gate.enter(session, caller, Permission.SECRET_SHOW, tenant)
            row = look_up(session, current, home, [key]).get(key)
            if row is None or not policy.may_open_hidden(current, Permission.SECRET_SHOW, row.secret):
                return None
            kept = find_external(session, [row.secret]).get(key)
        if kept is None:
            return None
        entry = self._trail.entry(current, home, Permission.SECRET_SHOW, secret=kept.secret, options=True)
        with self._store.write() as session:
            self._trail.append(session, kept.secret.tenant.id, [entry])
            current, _ = self._gate.enter(session, caller, Permission.SECRET_SHOW, tenant)
            row = look_up(session, current, home, [key]).get(key)
            if row is None or row.secret != kept.secret:
                raise ConflictError("the secret was changed by someone else at the same time")
            if not policy.may_open_hidden(current, Permission.SECRET_SHOW, row.secret):
                return None
        return self._external.options(current, home, kept)

    def update(self, caller: Caller, tenant: str, name: str, wanted: ProviderChange) -> Provider:
        """Change a provider; what is not given stays.

        Credentials that are stored stay with the destination they were stored for: a change of anything else
        about the connection needs them again.

        Raises:
            InvalidRequestError: a parameter breaks the rules, or credentials are missing for a new one.
            NotPermittedError: the caller may not do this here, or the destination is not allowed.
            NotFoundError: there is no such provider, or the caller may not see that there is.
            ConflictError: another writer was quicker, or secrets are kept with it by the rules of its type.
        """
        with self._store.write() as session:
            current, home, _, _ = self._find_to_update(session, caller, tenant, name, wanted)
            # Committed before the stored credentials are decrypted.
            self._note(session, current, home, Permission.PROVIDER_UPDATE, name)
        with self._store.write() as session:
            current, home, stored, newer = self._find_to_update(session, caller, tenant, name, wanted)
            checked = self._combined(session, current, stored, newer.kind, wanted.parameters or {})
            session.change_provider(self._sealed(session, newer, checked), stored.provider.updated_at)
            self._note(session, current, home, Permission.PROVIDER_UPDATE, name, changed=True)
            return newer

    def _find_to_update(
        self, session: Session, caller: Caller, tenant: str, name: str, wanted: ProviderChange
    ) -> tuple[Caller, Tenant, StoredProvider, Provider]:
        """A provider that a caller may give this type and visibility, as it is and as it will be."""
        current, home = self._gate.enter(session, caller, Permission.PROVIDER_UPDATE, tenant)
        stored = find_provider(session, current, home, name)
        provider = stored.provider
        _demand_home(provider, home)
        kind = wanted.kind or provider.kind
        if kind != provider.kind:
            # Else values that are here would be gone, and those of a provider be empty ones of here.
            _demand_unused(session, current, provider, "it gets another type")
        wider = wanted.visibility or provider.visibility
        if wider.width < provider.visibility.width:
            raise InvalidRequestError(
                f"secrets provider {name!r} is {provider.visibility} already,"
                " and visibility is never narrowed"
            )
        if wider is not provider.visibility:
            # More people may fetch by it then: that is for those to decide to whom values are shown.
            if not policy.decide_in_tenant(current, Permission.SECRET_SHOW, home).allowed:
                raise not_permitted(current, Permission.SECRET_SHOW, home.name)
            if wider is Visibility.GLOBAL:
                _demand_global(current, home)
        newer = replace(provider, kind=kind, visibility=wider, updated_at=self._clock())
        return current, home, stored, newer

    def delete(self, caller: Caller, tenant: str, name: str) -> None:
        """Delete a provider that no secret is kept with.

        Raises:
            NotPermittedError: the caller may not do this here.
            NotFoundError: there is no such provider, or the caller may not see that there is.
            ConflictError: secrets are kept with it.
        """
        with self._store.write() as session:
            current, home = self._gate.enter(session, caller, Permission.PROVIDER_DELETE, tenant)
            provider = find_provider(session, current, home, name).provider
            _demand_home(provider, home)
            _demand_unused(session, current, provider, "it is deleted")
            session.delete_provider(provider.id)
            self._note(session, current, home, Permission.PROVIDER_DELETE, name)

    def test(self, caller: Caller, tenant: str, wanted: ProviderCheck) -> bool:
        """Whether a provider answers: a stored one, or one that could be set up.

        Args:
            caller: who asks.
            tenant: the name of the tenant.
            wanted: which provider.

        Raises:
            InvalidRequestError: a parameter breaks the rules, or credentials are missing for another
                destination than the stored one.
            NotPermittedError: the caller may not do this here, or the destination is not allowed.
            NotFoundError: there is no such provider, or the caller may not see that there is.
        """
        name, kind = wanted.name, wanted.kind
        if not name and not kind:
            raise InvalidRequestError("give the name of a secrets provider, or a type")
        with self._store.read() as session:
            current, home = self._gate.enter(session, caller, Permission.PROVIDER_CREATE, tenant)
            stored = find_provider(session, current, home, name) if name else None
        # Committed before the stored credentials are decrypted.
        entry = self._trail.entry(current, home, "provider:test", provider=cap(name))
        self._trail.commit_once(home.id, entry)
        if stored is None:
            tested = kind
            checked = self._external.check(kind, wanted.parameters)
        else:
            with self._store.read() as session:  # as it is now: the record may have been waited for
                current, home = self._gate.enter(session, caller, Permission.PROVIDER_CREATE, tenant)
                stored = find_provider(session, current, home, name)
                tested = kind or stored.provider.kind
                checked = self._combined(session, current, stored, tested, wanted.parameters)
        return self._external.test(tested, checked, "" if stored is None else stored.provider.id)

    def _combined(
        self, session: Session, caller: Caller, stored: StoredProvider, kind: str, given: Mapping[str, str]
    ) -> Mapping[str, str]:
        """The stored parameters with the given ones; stored credentials only for their destination."""
        kept = open_parameters(session, self._cipher, stored)
        known = self._external.type(kind)
        if kind != stored.provider.kind:
            return self._external.check(kind, given)
        credentials = known.credentials & given.keys()
        base = {name: text for name, text in kept.items() if not credentials or name not in known.credentials}
        try:
            checked = self._external.check(kind, {**base, **given})
        except NotPermittedError as error:  # which says where the stored destination is
            raise NotPermittedError(
                f"the destination of secrets provider {stored.provider.name!r} is not allowed",
                hint=error.hint,
            ) from None
        # Whether one that is given is the stored one is only for those to know who may read them.
        may_read = policy.decide_in_tenant(
            caller, Permission.PROVIDER_CREDENTIALS, stored.provider.tenant
        ).allowed
        moved = [
            name
            for name in sorted(kept.keys() | checked.keys())
            if name not in known.credentials
            and (kept.get(name) != checked.get(name) if may_read else name in given)
        ]
        if moved and known.credentials & kept.keys() and not credentials:
            raise InvalidRequestError(
                f"another {', '.join(moved)} needs the credentials again",
                hint="stored credentials are sent to the stored destination only; give them with the change",
            )
        return checked

    def _sealed(self, session: Session, provider: Provider, parameters: Mapping[str, str]) -> StoredProvider:
        if not parameters:
            return StoredProvider(provider, None, None)
        data_key = active_data_key(session, self._cipher, provider.tenant.id)
        text = SecretValue(json.dumps(dict(parameters)))
        return StoredProvider(
            provider, data_key.id, data_key.seal(provider_place(provider, data_key.id), text)
        )

    def _note(
        self,
        session: Session,
        caller: Caller,
        home: Tenant,
        action: str,
        name: str,
        **more: Any,  # noqa: ANN401 - JSON data
    ) -> None:
        entry = self._trail.entry(caller, home, action, provider=cap(name), **more)
        self._trail.append(session, home.id, [entry])


def _demand_global(caller: Caller, home: Tenant) -> None:
    if not policy.decide_in_tenant(caller, Permission.SECRET_CREATE_GLOBAL, home).allowed:
        raise NotPermittedError(
            f"user {caller.username!r} is not permitted to make a secrets provider global",
            hint=not_permitted(caller, Permission.SECRET_CREATE_GLOBAL, home.name).hint,
        )


def _demand_unused(session: Session, caller: Caller, provider: Provider, change: str) -> None:
    """Refuse a change that secrets kept with a provider would not outlive."""
    kept = session.secrets_of_provider(provider.id, _MAX_LISTED + 1)
    if kept:
        # Keys of other tenants and private ones are not for everyone to know.
        named = [key for where, key in kept[:_MAX_LISTED] if where == provider.tenant.name]
        may_list = policy.decide_in_tenant(caller, Permission.SECRET_LIST, provider.tenant).allowed
        names = ", ".join(named) if may_list and policy.administers(caller, provider.tenant) else ""
        raise ConflictError(
            f"secrets are kept with provider {provider.name!r}" + (f": {names}" if names else ""),
            hint=f"delete them, or keep them elsewhere, before {change}",
        )


def _demand_home(provider: Provider, home: Tenant) -> None:
    if provider.tenant.id != home.id:
        raise NotPermittedError(
            f"secrets provider {provider.name!r} is global and belongs to tenant {provider.tenant.name!r}",
            hint="it is changed and deleted from its own tenant only",
        )
