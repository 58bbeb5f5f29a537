"""Opens a store in this process: puts database, root keys, providers and service together."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from resolver.config.files import Trusted, demand_trusted, is_there, read_guarded
from resolver.crypto.keyring import GIVE_KEY, KeyRing, RootKey
from resolver.crypto.root_keys.local import command_words, from_command, from_text
from resolver.errors import InvalidRequestError, RootKeyError, StoreError, UsageError
from resolver.service import Service
from resolver.service.base import Rules
from resolver.store.engine import Database, parse_url
from resolver.store.use import AnyStore, DriverStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from resolver.config.settings import Settings
    from resolver.core.ports import JwtVerifier, PasswordHasher, SignInClient, WrappingKey
    from resolver.core.ports.webhooks import SendsEvents
    from resolver.core.providers import ProviderType
    from resolver.identity import IssuerKeys
    from resolver.providers import AllowList
    from resolver.providers.requests import RequestSender
    from resolver.service.base import RunsBundles
    from resolver.store.sql import SqlStore


def _log(warning: str) -> None:
    """Log a warning, where a caller has no other place for it."""
    import logging  # noqa: PLC0415 - commands have one

    logging.getLogger(__name__).warning(warning)


PluginTypes: TypeAlias = "Callable[[Sequence[str], Mapping[str, ProviderType]], Mapping[str, ProviderType]]"
"""Adds the types of secrets providers that the named plugins offer to those that are known."""


def make_hasher() -> PasswordHasher:
    """Make what hashes passwords."""
    from resolver.crypto.passwords import Argon2Hasher  # noqa: PLC0415 - only password logins need it

    return Argon2Hasher()


def root_keys(settings: Settings, warn: Callable[[str], None] = _log) -> list[WrappingKey]:
    """The root keys that the settings name, or that lie in the state directory.

    Raises:
        RootKeyError: one of them can't be read.
    """
    strict = settings.strict_key_file
    keys: list[WrappingKey] = [from_file(path, strict=strict, warn=warn) for path in settings.key_files]
    if settings.key_text is not None:
        keys += from_text(settings.key_text, "RESOLVER_KEY")
    if settings.key_command is not None:
        import shutil  # noqa: PLC0415 - few stores have a command

        words = command_words(settings.key_command)
        if words and (program := shutil.which(words[0])) is not None:
            demand_trusted(Path(program), Trusted.KEY_COMMAND, RootKeyError)
        keys += from_command(settings.key_command)
    if settings.key_transit is not None:
        keys.append(_transit_key(settings.key_transit, strict=strict, warn=warn))
    return keys


def from_file(path: Path, *, strict: bool = False, warn: Callable[[str], None] = lambda _: None) -> RootKey:
    """Read a root key from a file.

    Args:
        path: the file.
        strict: refuse what would be warned of.
        warn: called with a sentence when others can read the file.

    Raises:
        RootKeyError: the file can't be read, others may write it or its directory, or it holds no key.
    """
    hint = "`resolver init` makes one for a new store"
    text = read_guarded(path, Trusted.ROOT_KEY, RootKeyError, strict=strict, warn=warn, hint=hint)
    return RootKey(text, f"file {str(path)!r}")


def _transit_key(about: Mapping[str, str], *, strict: bool, warn: Callable[[str], None]) -> WrappingKey:
    from resolver.crypto.root_keys.transit import TransitKey  # noqa: PLC0415 - few stores have one

    file = Path(about["token_file"])
    warn_once = functools.cache(warn)  # of each text; the file is read again and again

    def token() -> str:  # read each time: tokens are renewed while a server runs
        return read_guarded(file, Trusted.TOKEN, RootKeyError, strict=strict, warn=warn_once).strip()

    if about.get("ca_file"):
        demand_trusted(Path(about["ca_file"]), Trusted.AUTHORITIES, RootKeyError)

    return TransitKey(
        about["url"],
        about["key"],
        token,
        mount=about.get("mount", "transit"),
        namespace=about.get("namespace", ""),
        ca_file=about.get("ca_file"),
    )


def provider_types(
    settings: Settings, *, server: bool, plugins: PluginTypes | None = None
) -> Mapping[str, ProviderType]:
    """The types of secrets providers, those of plugins included, with the destinations that are allowed.

    Args:
        settings: where the list of destinations is. Without one a server connects to none; a store on this
            machine to all but special ones, since its user could do so without it.
        server: whether others use the store through this process.
        plugins: adds the types that the plugins of these names offer; it is called when there are names.
    """
    from resolver.providers import make_types  # noqa: PLC0415 - few stores have any

    types = make_types(_allow_list(settings.provider_destinations, "provider_destinations", server=server))
    return plugins(settings.plugins, types) if plugins is not None and settings.plugins else types


def event_sender(settings: Settings, *, server: bool) -> SendsEvents:
    """What sends events to webhooks, with the destinations that are allowed; as for providers.

    Args:
        settings: where the list of destinations is.
        server: whether others use the store through this process.
    """
    from resolver.providers.webhooks import SETTING, WebhookSender  # noqa: PLC0415 - few stores have any

    return WebhookSender(_allow_list(settings.webhook_destinations, SETTING, server=server))


def _allow_list(listed: Sequence[str] | None, setting: str, *, server: bool) -> AllowList:
    from resolver.providers import AllowList, parse_allow_list  # noqa: PLC0415 - few stores need it

    try:
        if listed is None:
            return AllowList(everything=not server, setting=setting)
        return parse_allow_list(listed, setting)
    except InvalidRequestError as error:
        raise UsageError(f"config.yaml: {setting}: {error.message}", hint=error.hint) from None


def _manage(store: AnyStore[Any]) -> SqlStore:
    from resolver.store.sql import SqlStore  # noqa: PLC0415 - SQLAlchemy is slow to load

    return SqlStore.of(store)


def open_store(settings: Settings) -> DriverStore:
    """Open the database that the settings name, whatever schema it has.

    Raises:
        UsageError: a setting is wrong.
        StoreError: there is none on this machine, or others could replace it.
    """
    settings.demand_embedded()
    file = settings.database_file
    if file is not None and not is_there(file):  # else SQLite would make one
        place = settings.home if settings.uses_embedded_database else file
        raise StoreError(
            f"there is no store in {str(place)!r}",
            hint="`resolver init` makes one; RESOLVER_HOME or RESOLVER_DATABASE_URL names another, "
            "RESOLVER_URL or `resolver login` a server",
        )
    if file is not None:
        demand_trusted(file.parent, Trusted.DATABASE, StoreError)
    return DriverStore(Database(parse_url(settings.database), settings.pool), _manage)


def _demanded_keys(settings: Settings, warn: Callable[[str], None]) -> list[WrappingKey]:
    keys = root_keys(settings, warn)
    if not keys:
        raise RootKeyError(f"there is no root key in {str(settings.key_directory)!r}", hint=GIVE_KEY)
    return keys


def open_service(
    settings: Settings,
    *,
    server: bool = False,
    warn: Callable[[str], None] = _log,
    plugins: PluginTypes | None = None,
) -> Service:
    """Open the store that the settings name.

    Args:
        settings: what to open, and with which keys.
        server: whether others will use it through this process.
        warn: called with each warning, such as a key file that others may read; by default the log.
        plugins: adds the types of secrets providers that plugins offer; without it plugins offer none.

    Raises:
        UsageError: a setting is wrong.
        RootKeyError: there is no root key.
        StoreError: there is no store, or it can't be opened.
    """
    store = open_store(settings)
    try:
        keys = _demanded_keys(settings, warn)
        store.check_schema()
    except BaseException:
        store.close()
        raise
    return Service(
        store,
        KeyRing(keys),
        make_hasher,
        provider_types=lambda: provider_types(settings, server=server, plugins=plugins),
        event_sender=functools.cache(lambda: event_sender(settings, server=server)),  # it bounds look-ups
        rules=Rules(
            settings.keep_versions,
            settings.refuse_expired,
            public_url=settings.public_url,
            sign_in=settings.login_rules,
            **settings.bounds,
        ),
        verifier=lambda: _verifier(settings, server=server),
        sign_in_client=lambda: _sign_in_client(settings, server=server),
        bundles=_bundle_runner,
    )


def _bundle_runner() -> RunsBundles:
    """Make what resolves approved bundles."""
    from resolver.resolution.bundles import BundleRunner  # noqa: PLC0415 - few runs need an approval

    return BundleRunner()


def _sender(settings: Settings, *, server: bool) -> RequestSender:
    """Make what asks issuers, of workloads and of people: allowed destinations alone."""
    from resolver.providers.requests import RequestSender  # noqa: PLC0415 - only who has trusts needs it

    try:
        from resolver.identity import MAX_SET  # noqa: PLC0415 - as above
    except ModuleNotFoundError:
        raise UsageError(
            "JWTs are verified with joserfc, which is not installed",
            hint="install the program with `server`, as servers have it",
        ) from None
    allowed = _allow_list(settings.provider_destinations, "provider_destinations", server=server)
    return RequestSender(allowed, max_bytes=MAX_SET)


def _issuer_keys(settings: Settings, sender: RequestSender) -> IssuerKeys:
    from resolver.identity import IssuerKeys  # noqa: PLC0415 - as above

    files = settings.discovery_token_files

    def token(issuer: str) -> str | None:  # read each time: such tokens are renewed while a server runs
        return _read_named(files[issuer]).strip() if issuer in files else None

    return IssuerKeys(lambda: sender, settings.stale_keys, token)


def _verifier(settings: Settings, *, server: bool) -> JwtVerifier:
    """Make what verifies JWTs."""
    sender = _sender(settings, server=server)
    from resolver.identity import Verifier  # noqa: PLC0415 - as above

    return Verifier(_issuer_keys(settings, sender))


def _sign_in_client(settings: Settings, *, server: bool) -> SignInClient:
    """Make what speaks with OpenID providers."""
    sender = _sender(settings, server=server)
    from resolver.identity import Verifier  # noqa: PLC0415 - as above
    from resolver.identity.sign_in import OpenIdClient  # noqa: PLC0415 - few stores have providers

    keys = _issuer_keys(settings, sender)
    return OpenIdClient(lambda: sender, keys, Verifier(keys), _read_named)


def _read_named(path: str) -> str:
    """A file with a secret or with authorities; it is read each time, since they are renewed."""
    return read_guarded(Path(path), Trusted.TOKEN, UsageError, strict=False, warn=_log)
