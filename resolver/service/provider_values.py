"""Values that secrets providers have: naming a provider for a secret, and fetching the values."""

from __future__ import annotations

import contextlib
import functools
import json
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from resolver.core.model import Secret, SecretValue, check_value, is_storable
from resolver.core.ports import SecretLink, StoredDataKey, StoredExternal
from resolver.core.providers import (
    ALLOWED_PATHS,
    LOCAL,
    FetchFailure,
    ProviderRequest,
    may_name,
    parse_allowed_paths,
)
from resolver.errors import InvalidRequestError, TokenError
from resolver.service.decryption import active_data_key, open_mapping, options_place, provider_place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from resolver.core.binding import Place
    from resolver.core.model import Caller, Tenant
    from resolver.core.ports import Cipher, Session, StoredProvider, UseSession
    from resolver.core.providers import Provider, ProviderType
    from resolver.service.audit import Trail

_AT_ONCE = 8
"""How many providers are asked at a time."""

_TURNED_AWAY = "it takes long to answer, and others wait for it already"


OPTIONS_REFUSED = "a token that is narrowed to keys names no provider options"
"""They would let it fetch what is under other keys."""


class ExternalSecret(Struct, frozen=True):
    """A secret whose provider has its value, with the data keys that open what the provider is asked with."""

    secret: Secret
    row: StoredExternal
    data_keys: Sequence[StoredDataKey]


def find_external(session: UseSession, secrets: Iterable[Secret]) -> Mapping[str, ExternalSecret]:
    """Those of a tenant's secrets that are with providers, by key; in the transaction that found them."""
    named = {secret.id: secret for secret in secrets if secret.provider is not None}
    if not named:
        return {}
    rows = session.external_values(list(named))
    ids = {key_id for row in rows for key_id in (row.options_key_id, row.stored.data_key_id) if key_id}
    data_keys = session.data_keys(ids) if ids else ()
    return {named[row.secret_id].key: ExternalSecret(named[row.secret_id], row, data_keys) for row in rows}


_Group = tuple["Provider", "Mapping[str, str]", dict[str, ProviderRequest]]
"""A provider with its connection parameters, and what is wanted of it, by key."""


class ExternalValues:
    """Fetches the values that providers have.

    Args:
        cipher: opens connection parameters and options.
        trail: where a token that does not open is recorded.
        make_types: makes the types of providers, by name, once one is needed.

    Attributes:
        turns: who asks which provider now.
    """

    def __init__(
        self, cipher: Cipher, trail: Trail, make_types: Callable[[], Mapping[str, ProviderType]]
    ) -> None:
        self._cipher = cipher
        self._trail = trail
        self._make_types = make_types
        self.turns = Bulkhead()

    @functools.cached_property
    def types(self) -> Mapping[str, ProviderType]:
        """The types of providers that there are, by name."""
        return self._make_types()

    def type(self, kind: str) -> ProviderType:
        """A type of provider; InvalidRequestError when there is none of this name."""
        found = self.types.get(kind)
        if found is None:
            raise InvalidRequestError(
                "there is no such type of secrets provider", hint=f"there are {', '.join(sorted(self.types))}"
            )
        return found

    def check(self, kind: str, parameters: Mapping[str, str]) -> Mapping[str, str]:
        """Complete connection parameters; InvalidRequestError says what is wrong with them."""
        rule, given = parameters.get(ALLOWED_PATHS), _of_type(parameters)
        checked = self.type(kind).check(given)
        if rule is None:
            return checked
        parse_allowed_paths(rule)
        return {**checked, ALLOWED_PATHS: rule}

    def check_options(self, kind: str, options: Mapping[str, str]) -> Mapping[str, str]:
        """A secret's options by the rules of a provider's type; InvalidRequestError says what is wrong."""
        if not all(map(is_storable, [*options, *options.values()])):
            raise InvalidRequestError("a provider option is not valid text")
        return self.type(kind).check_options(options)

    def keep(
        self, session: Session, secret: Secret, stored: StoredProvider, options: Mapping[str, str]
    ) -> None:
        """Say within a transaction which provider a stored secret is kept with, and how it is found there.

        Raises:
            InvalidRequestError: an option breaks the rules of the provider's type.
        """

        def seal(place: Place, text: SecretValue) -> str:
            return data_key.seal(place, text)

        data_key = active_data_key(session, self._cipher, secret.tenant.id)
        link = self.link(secret, stored, options, data_key.id, seal)
        session.set_provider(secret.id, link.provider_id, link.options_key_id, link.options)

    def link(
        self,
        secret: Secret,
        stored: StoredProvider,
        options: Mapping[str, str],
        data_key_id: str,
        seal: Callable[[Place, SecretValue], str],
    ) -> SecretLink:
        """How a stored secret names the provider that it is kept with.

        Args:
            secret: the secret.
            stored: the provider.
            options: how it is found there.
            data_key_id: the key that these are sealed with.
            seal: seals them, bound to a place.

        Raises:
            InvalidRequestError: an option breaks the rules of the provider's type.
        """
        checked = self.check_options(stored.provider.kind, options)
        if not checked:
            return SecretLink(stored.provider.id)
        text = SecretValue(json.dumps(dict(checked)))
        token = seal(options_place(secret, data_key_id), text)
        return SecretLink(stored.provider.id, data_key_id, token)

    def fetch(
        self, caller: Caller, home: Tenant, kept: Mapping[str, ExternalSecret], forwards: int = 0
    ) -> Mapping[str, SecretValue | FetchFailure]:
        """The values of secrets by key, or why a provider did not give them.

        Each provider is asked once for all secrets that are kept with it, but for what its rule does not let
        their tenants name.

        Args:
            caller: who uses the secrets; the use is recorded already.
            home: the tenant asked in.
            kept: the secrets.
            forwards: how many managers the request has come through.

        Raises:
            TokenError: connection parameters or options do not open.
        """
        groups, refused = self._grouped(caller, home, kept)
        asks = [
            functools.partial(self._ask, provider, parameters, wanted, forwards)
            for provider, parameters, wanted in groups
        ]
        return {**_together(asks), **refused}

    def options(self, caller: Caller, home: Tenant, kept: ExternalSecret) -> Mapping[str, str]:
        """How a secret is found with its provider; TokenError when its options do not open."""
        with self._noting_unreadable(caller, home, kept):
            return self._options(kept)

    def probe(
        self, caller: Caller, home: Tenant, kept: Mapping[str, ExternalSecret]
    ) -> Mapping[str, SecretValue | FetchFailure]:
        """What providers would not give, found out without asking for any secret: only those that fail."""
        groups, refused = self._grouped(caller, home, kept)
        asks = [
            functools.partial(self._probe, provider, parameters, wanted)
            for provider, parameters, wanted in groups
        ]
        return {**_together(asks), **refused}

    def _grouped(
        self, caller: Caller, home: Tenant, kept: Mapping[str, ExternalSecret]
    ) -> tuple[
        Iterable[tuple[Provider, Mapping[str, str], Mapping[str, ProviderRequest]]],
        Mapping[str, FetchFailure],
    ]:
        """Each provider, with its parameters and what is wanted of it; and what its rule does not permit."""
        groups: dict[str, _Group] = {}
        refused: dict[str, FetchFailure] = {}
        for key, one in kept.items():
            provider, tenant = one.row.stored.provider, one.secret.tenant
            with self._noting_unreadable(caller, home, one):
                if provider.id not in groups:
                    groups[provider.id] = (provider, self._parameters(one), {})
                _, parameters, wanted = groups[provider.id]
                request = ProviderRequest(one.secret.key, self._options(one))
                known = self.types.get(provider.kind)
                path = None if known is None else known.path_of(request)
                if may_name(provider, parameters, tenant, path):
                    wanted[key] = request
                else:
                    refused[key] = FetchFailure(f"its rule does not let tenant {tenant.name!r} name this")
        return [group for group in groups.values() if group[2]], refused

    @contextlib.contextmanager
    def _noting_unreadable(self, caller: Caller, home: Tenant, kept: ExternalSecret) -> Iterator[None]:
        """Record it when connection parameters or options can't be decrypted, or are bound to another row."""
        try:
            yield
        except TokenError as error:
            name = kept.row.stored.provider.name
            entry = self._trail.entry(
                caller, home, "provider:unreadable", provider=name, reason=type(error).__name__
            )
            self._trail.commit_once(home.id, entry)
            raise

    def _parameters(self, kept: ExternalSecret) -> Mapping[str, str]:
        stored = kept.row.stored
        if stored.token is None or stored.data_key_id is None:
            return {}
        place = provider_place(stored.provider, stored.data_key_id)
        return open_mapping(self._cipher, kept.data_keys, place, stored.token)

    def _options(self, kept: ExternalSecret) -> Mapping[str, str]:
        row = kept.row
        if row.options is None or row.options_key_id is None:
            return {}
        place = options_place(kept.secret, row.options_key_id)
        return open_mapping(self._cipher, kept.data_keys, place, row.options)

    def test(self, kind: str, parameters: Mapping[str, str], provider_id: str = "") -> bool:
        """Whether a provider answers, a stored one when its id is given; not when too many wait for it."""
        with self.turns.take(provider_id) as taken:
            return taken and self.type(kind).test(_of_type(parameters))

    def _ask(
        self,
        provider: Provider,
        parameters: Mapping[str, str],
        wanted: Mapping[str, ProviderRequest],
        forwards: int,
    ) -> Mapping[str, SecretValue | FetchFailure]:
        if provider.kind not in self.types:
            return dict.fromkeys(wanted, FetchFailure("its type is not known here"))
        with self.turns.take(provider.id) as taken:
            if not taken:
                return dict.fromkeys(wanted, FetchFailure(_TURNED_AWAY))
            got = self.types[provider.kind].fetch(_of_type(parameters), wanted, forwards)
        return {
            key: _checked(got.get(key, FetchFailure("it gave no answer about this secret"))) for key in wanted
        }

    def _probe(
        self, provider: Provider, parameters: Mapping[str, str], wanted: Mapping[str, ProviderRequest]
    ) -> Mapping[str, SecretValue | FetchFailure]:
        answers = provider.kind in self.types and self.test(provider.kind, parameters, provider.id)
        return (
            {}
            if answers
            else dict.fromkeys(wanted, FetchFailure("it does not answer, or refuses its credentials"))
        )


def _of_type(parameters: Mapping[str, str]) -> Mapping[str, str]:
    """Connection parameters without the rule, which is none of a type's business."""
    return {name: text for name, text in parameters.items() if name != ALLOWED_PATHS}


def _together(
    asks: Sequence[Callable[[], Mapping[str, SecretValue | FetchFailure]]],
) -> Mapping[str, SecretValue | FetchFailure]:
    """The answers of several providers, asked at the same time."""
    if len(asks) <= 1:
        return asks[0]() if asks else {}
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - few stores have providers

    found: dict[str, SecretValue | FetchFailure] = {}
    with ThreadPoolExecutor(min(_AT_ONCE, len(asks))) as pool:
        for answer in [pool.submit(ask) for ask in asks]:
            found |= answer.result()
    return found


def _checked(got: SecretValue | FetchFailure) -> SecretValue | FetchFailure:
    """A value that a provider gave, if it could be one of this store's."""
    if isinstance(got, FetchFailure):
        return got
    try:
        return check_value(got.reveal())
    except InvalidRequestError as error:
        return FetchFailure(f"it gave something else than a value: {error.message}")


def is_local(stored: StoredProvider) -> bool:
    """Whether a provider's secrets are in this store."""
    return stored.provider.kind == LOCAL


AT_ONCE = 8
"""How many may ask one provider at a time."""

ALL_AT_ONCE = 24
"""How many may ask any. A server has 40 threads, and those who ask no provider need some."""

PATIENCE = 2.0
"""Seconds after which one who asks is not waited for, and nobody waits for a turn."""


class Bulkhead:
    """Limits how many requests are made to each provider at a time, and to all: a bulkhead.

    Args:
        clock: gives seconds that only grow.
        at_once: how many may ask one provider at a time.
        all_at_once: how many may ask any.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        at_once: int = AT_ONCE,
        all_at_once: int = ALL_AT_ONCE,
    ) -> None:
        self._clock = clock
        self._at_once = at_once
        self._all_at_once = all_at_once
        self._asking: dict[str, list[float]] = {}  # since when
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def take(self, name: str) -> Iterator[bool]:
        """Ask a provider within; not when it is False, that is when it is not to be waited for."""
        with self._changed:
            taken = self._wait(name)
            since = self._clock()
            if taken:
                self._asking.setdefault(name, []).append(since)
        try:
            yield taken
        finally:
            if taken:
                with self._changed:
                    self._asking[name].remove(since)
                    if not self._asking[name]:
                        del self._asking[name]
                    self._changed.notify_all()

    def _wait(self, name: str) -> bool:
        """Wait for a turn; whether it came."""
        began = self._clock()
        while True:
            everyone = [since for asking in self._asking.values() for since in asking]
            full = everyone if len(everyone) >= self._all_at_once else self._asking.get(name, [])
            if full is not everyone and len(full) < self._at_once:
                return True
            left = min(began, *full) + PATIENCE - self._clock()
            if left <= 0:
                return False
            self._changed.wait(left)
