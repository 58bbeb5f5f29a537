"""Where the parts are put together: the only place that constructs stores and ciphers."""

from __future__ import annotations

import contextlib
import logging
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from resolver.config.files import is_there, make_directory, make_private, write_private
from resolver.config.profile import Profile
from resolver.crypto.keyring import GIVE_KEY, KeyRing, RootKey
from resolver.crypto.root_keys.local import from_command, from_file, from_text, read_guarded
from resolver.errors import ConflictError, InvalidRequestError, RootKeyError, StoreError, UsageError
from resolver.service import Service
from resolver.service.rules import Rules
from resolver.store.sql import SqlStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from resolver.config.settings import Settings
    from resolver.core.ports import PasswordHasher, WrappingKey
    from resolver.core.providers import ProviderType

_log = logging.getLogger(__name__)

ADMIN = "admin"
FIRST_TENANT = "default_tenant"


def _make_hasher() -> PasswordHasher:
    from resolver.crypto.passwords import Argon2Hasher  # noqa: PLC0415 - only password logins need it

    return Argon2Hasher()


def root_keys(settings: Settings, warn: Callable[[str], None] = _log.warning) -> list[WrappingKey]:
    """The root keys that the settings name, or that lie in the state directory.

    Raises:
        RootKeyError: one of them can't be read.
    """
    strict = settings.strict_key_file
    keys: list[WrappingKey] = [from_file(path, strict=strict, warn=warn) for path in settings.key_files]
    if settings.key_text is not None:
        keys += from_text(settings.key_text, "RESOLVER_KEY")
    if settings.key_command is not None:
        keys += from_command(settings.key_command)
    if settings.key_transit is not None:
        keys.append(_transit_key(settings.key_transit, strict=strict, warn=warn))
    return keys


def _transit_key(about: Mapping[str, str], *, strict: bool, warn: Callable[[str], None]) -> WrappingKey:
    from resolver.crypto.root_keys.transit import TransitKey  # noqa: PLC0415 - few stores have one

    file = Path(about["token_file"])
    told: set[str] = set()

    def warn_once(text: str) -> None:
        if text not in told:
            told.add(text)
            warn(text)

    def token() -> str:  # read each time: tokens are renewed while a server runs
        return read_guarded(file, "token file", strict=strict, warn=warn_once).strip()

    return TransitKey(
        about["url"],
        about["key"],
        token,
        mount=about.get("mount", "transit"),
        namespace=about.get("namespace", ""),
        ca_file=about.get("ca_file"),
    )


def provider_types(settings: Settings, *, server: bool) -> Mapping[str, ProviderType]:
    """The types of secrets providers, those of plugins included, with the destinations that are allowed.

    Args:
        settings: where the list of destinations is. Without one a server connects to none; a store on this
            machine to all but special ones, since its user could do so without it.
        server: whether others use the store through this process.
    """
    from resolver.providers import AllowList, make_types, parse_allow_list  # noqa: PLC0415 - few stores have any

    listed = settings.provider_destinations
    try:
        allowed = AllowList(everything=not server) if listed is None else parse_allow_list(listed)
    except InvalidRequestError as error:
        raise UsageError(f"config.yaml: provider_destinations: {error.message}", hint=error.hint) from None
    types = make_types(allowed)
    if settings.plugins:
        from resolver.plugins.manager import Plugins  # noqa: PLC0415 - few stores name one

        return Plugins(settings.plugins).provider_types(types)
    return types


def open_service(
    settings: Settings, *, server: bool = False, warn: Callable[[str], None] = _log.warning
) -> Service:
    """Open the store that the settings name.

    Args:
        settings: what to open, and with which keys.
        server: whether others will use it through this process.
        warn: is told what is not as it should be, without being an error; by default the log.

    Raises:
        UsageError: a setting is wrong.
        RootKeyError: there is no root key.
        StoreError: there is no store, or it can't be opened.
    """
    settings.demand_embedded()
    if settings.uses_embedded_database and not is_there(settings.data_directory / "resolver.db"):
        raise StoreError(
            f"there is no store in {str(settings.home)!r}",
            hint="`resolver init` makes one; RESOLVER_HOME or RESOLVER_DATABASE_URL names another, "
            "RESOLVER_URL or `resolver login` a server",
        )
    keys = root_keys(settings, warn)
    if not keys:
        raise RootKeyError(f"there is no root key in {str(settings.key_directory)!r}", hint=GIVE_KEY)
    store = SqlStore(settings.database_url, settings.pool)
    store.check_schema()
    return Service(
        store,
        KeyRing(keys),
        _make_hasher,
        provider_types=lambda: provider_types(settings, server=server),
        rules=Rules(settings.keep_versions, settings.refuse_expired),
    )


class Initialised:
    """What `initialise` did.

    Args:
        place: where the store is.
        made: whether a store was made; False when there was one, and nothing was changed.
        key_path: where the new root key lies; None when none was made.
        has_profile: whether a profile was written.
    """

    def __init__(self, place: str, *, made: bool, key_path: Path | None, has_profile: bool) -> None:
        self.place = place
        self.made = made
        self.key_path = key_path
        self.has_profile = has_profile


def initialise(
    settings: Settings,
    *,
    password: Callable[[], str | None],
    profile: bool,
    secrets: Mapping[str, str] | None = None,
) -> Initialised:
    """Make the state directory, the root key and the store, once.

    Two at once: one makes everything, the other waits and finds it done.

    Args:
        settings: where everything goes.
        password: gives the administrator's password, once a store is made; None for no password login.
        profile: whether to write a profile with the administrator's token.
        secrets: values to store in the first tenant, by key, when a store is made.

    Raises:
        ConflictError: the database has keys that a root key wraps, and that one is not at hand.
        StoreError: a folder or the database can't be made.
        UsageError: there is neither a profile nor a password to enter with.
    """
    settings.demand_embedded()
    with _locked(settings.home):
        make_directory(settings.data_directory)
        if settings.uses_embedded_database:
            make_private(settings.data_directory / "resolver.db")
        store = SqlStore(settings.database_url, settings.pool)
        try:
            store.initialise()
            keys, key_path = root_keys(settings), None
            if _is_initialised(store, keys):
                return Initialised(
                    store.place, made=False, key_path=None, has_profile=settings.profile_path.exists()
                )
            if profile and settings.profile_path.exists():
                raise ConflictError(
                    f"there is a profile {str(settings.profile_path)!r} already, of another store "
                    "or of an `init` that was cut off",
                    hint="remove it, or give --no-profile",
                )
            given = password()
            if given is None and not profile:
                raise UsageError(
                    "without a profile and without a password nobody could enter the store",
                    hint="give --password-file, or leave out --no-profile",
                )
            if not keys:
                key_path = settings.key_directory / "root.key"
                make_directory(settings.key_directory)
                write_private(key_path, RootKey.generate() + "\n")
                keys = [from_file(key_path)]
            service = Service(store, KeyRing(keys), _make_hasher)
            profile_path = settings.profile_path if profile else None
            if not _fill_empty(
                service, given, profile_path, secrets or {}
            ):  # with the same database, another state directory was quicker
                if key_path is not None:
                    key_path.unlink()  # it wraps nothing
                    keys = []
                _is_initialised(store, keys)
                return Initialised(
                    store.place, made=False, key_path=None, has_profile=settings.profile_path.exists()
                )
            return Initialised(store.place, made=True, key_path=key_path, has_profile=profile)
        finally:
            store.close()


def _fill_empty(
    service: Service, password: str | None, profile_path: Path | None, secrets: Mapping[str, str]
) -> bool:
    """Give an empty store its administrator and first tenant; False when another was quicker."""

    def keep(path: Path, token: str) -> None:
        write_private(path, Profile(token, FIRST_TENANT).encode())

    kept = None if profile_path is None else partial(keep, profile_path)
    try:
        return service.setup.initialise(ADMIN, password, FIRST_TENANT, kept, secrets) is not None
    except ConflictError:
        return False


def _is_initialised(store: SqlStore, keys: Sequence[WrappingKey]) -> bool:
    """Whether a root key wraps the keys in a database; it has to be at hand then."""
    with store.read() as session:
        wrapping = session.wrapping_root_key()
    if wrapping is not None and wrapping not in {key.id for key in keys}:
        raise ConflictError(
            f"the database has keys that root key {wrapping} wraps, and it is not at hand",
            hint=GIVE_KEY,
        )
    return wrapping is not None


@contextlib.contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Keep other `init` runs in the same state directory waiting."""
    import fcntl  # noqa: PLC0415 - not on every platform

    make_directory(home)
    lock = home / ".lock"
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"the file {str(lock)!r} can't be made: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
