"""Makes a new store: state directory, root key, database, first tenant and administrator."""

from __future__ import annotations

import contextlib
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from resolver.bootstrap.embedded import from_file, make_hasher, root_keys
from resolver.config.files import Trusted, demand_trusted, make_directory, make_private, write_private
from resolver.config.profile import Profile, write_profile
from resolver.crypto.keyring import GIVE_KEY, KeyRing, RootKey
from resolver.errors import ConflictError, RootKeyError, StoreError, UsageError
from resolver.service import Service
from resolver.store.sql import SqlStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from resolver.config.settings import Settings
    from resolver.core.ports import WrappingKey


ADMIN = "admin"
FIRST_TENANT = "default_tenant"


class Initialised(msgspec.Struct, frozen=True):
    """What `initialise` did.

    Args:
        place: where the store is.
        made: whether a store was made; False when there was one, and nothing was changed.
        key_path: where the new root key lies; None when none was made.
        has_profile: whether there is a profile.
    """

    place: str
    made: bool
    key_path: Path | None
    has_profile: bool


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
        StoreError: a folder or the database can't be made, or an older program made it.
        UsageError: there is neither a profile nor a password to enter with.
    """
    settings.demand_embedded()
    with _locked(settings.home):
        make_directory(settings.data_directory)
        file = settings.database_file
        if file is not None:
            demand_trusted(file.parent, Trusted.DATABASE, StoreError)
            make_private(file)
        with contextlib.closing(SqlStore(settings.database, settings.pool)) as store:
            store.initialise(upgrading=False)
            keys = root_keys(settings)
            if _is_initialised(store, keys):
                return _found(settings, store)
            if profile:
                _demand_no_profile(settings.profile_path)
            given = password()
            if given is None and not profile:
                raise UsageError(
                    "without a profile and without a password nobody could enter the store",
                    hint="give --password-file, or leave out --no-profile",
                )
            key_path = None if keys else _make_root_key(settings.key_directory)
            service = Service(
                store, KeyRing(keys if key_path is None else [from_file(key_path)]), make_hasher
            )
            if _fill_empty(service, given, settings.profile_path if profile else None, secrets or {}):
                return Initialised(store.place, made=True, key_path=key_path, has_profile=profile)
            # With the same database, another state directory was quicker.
            if key_path is not None:
                key_path.unlink()  # it wraps nothing
            _is_initialised(store, keys)
            return _found(settings, store)


def _found(settings: Settings, store: SqlStore) -> Initialised:
    """What is reported of a store that was there already."""
    return Initialised(store.place, made=False, key_path=None, has_profile=settings.profile_path.exists())


def _demand_no_profile(path: Path) -> None:
    """Refuse to overwrite a profile."""
    if path.exists():
        raise ConflictError(
            f"there is a profile {str(path)!r} already, of another store or of an `init` that was cut off",
            hint="remove it, or give --no-profile",
        )


def _make_root_key(directory: Path) -> Path:
    """Write a new root key; its path."""
    path = directory / "root.key"
    make_directory(directory)
    write_private(path, RootKey.generate() + "\n")
    return path


def _fill_empty(
    service: Service, password: str | None, profile_path: Path | None, secrets: Mapping[str, str]
) -> bool:
    """Give an empty store its administrator and first tenant; False when another process was quicker."""

    def keep_in(path: Path, token: str) -> None:
        write_profile(path, Profile(token, FIRST_TENANT))

    keep = None if profile_path is None else partial(keep_in, profile_path)
    try:
        return service.setup.initialise(ADMIN, password, FIRST_TENANT, keep, secrets) is not None
    except (ConflictError, RootKeyError):  # by then its keys are there, wrapped by the other's root key
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

    demand_trusted(home, Trusted.HOME, StoreError)
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
