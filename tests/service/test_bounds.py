"""Bounds by setting: what tenants, secrets and users may have, and what a caller may add to the trail."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import asdict

from resolver.config.settings import Settings
from resolver.core.account_changes import NewPassword
from resolver.core.audit import fields_of
from resolver.core.model import Scope, SecretValue, Visibility
from resolver.core.permissions import Permission, TenantRole
from resolver.core.provenance import WRITTEN
from resolver.core.providers import NewProvider, ProviderCheck
from resolver.core.secret_changes import NewSecret, SecretChange
from resolver.core.transfer import ExportRequest, ImportEntry, ImportRequest, VersionWithValue
from resolver.errors import (
    AuthenticationError,
    ConflictError,
    InvalidRequestError,
    MisplacedTokenError,
    NotFoundError,
)
from resolver.providers import make_types
from resolver.service import Service, decryption
from resolver.service.base import DEFAULT_RULES, Rules
from resolver.service.use import ClaimedUse
from resolver.store.secrets import SecretRows

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from resolver.core.ports import StoredSecret
    from tests.databases import World

NEW = NewSecret(value=SecretValue("value"))
LOCAL = NewProvider(kind="local")


def bounded(world: World, **rules: int) -> Service:
    """A service on the world's store with bounds of its own."""
    return Service(
        world.store,
        world.ring,
        lambda: world.passwords,
        world.clock,
        provider_types=lambda: make_types([]),
        rules=Rules(**rules),
    )


def value(text: str) -> SecretChange:
    """A change of the value."""
    return SecretChange(value=SecretValue(text))


def entry(key: str, *versions: int, tenant: str = "home") -> ImportEntry:
    """An entry with some versions."""
    return ImportEntry(
        key, tenant, versions=tuple(VersionWithValue(number, SecretValue("value")) for number in versions)
    )


def records(world: World, tenant: str = "home") -> list[str]:
    """The actions in a trail."""
    return [str(fields_of(one)["action"]) for one in world.service.trail.records(world.admin, tenant)]


def test_a_tenant_has_so_many_secrets(world: World) -> None:
    """Whoever makes one more is refused without a record; updates go on, and a deleted one makes room."""
    service = bounded(world, secrets_per_tenant=2)
    user = world.user("u", home=TenantRole.USER, away=TenantRole.USER)
    for key in ("a", "b"):
        service.secrets.create(user, "home", key, NEW)
    before = records(world)
    for caller in (user, world.admin):
        with pytest.raises(ConflictError, match=r"^tenant 'home' has 2 secrets, and may have no more$") as no:
            service.secrets.create(caller, "home", "c", NEW)
        assert no.value.hint is not None
        assert "`secrets_per_tenant`" in no.value.hint
    assert records(world) == before
    newer = NewSecret(value=SecretValue("newer"), update_if_exists=True)
    assert service.secrets.create(user, "home", "a", newer).version == 2
    service.secrets.create(user, "away", "c", NEW)
    service.secrets.delete(user, "home", "b")
    assert service.secrets.create(user, "home", "d", NEW).version == 1


def test_an_import_fills_a_tenant_and_no_more(embedded: World) -> None:
    """Entries beyond the bound are errors of theirs, whichever batch they are in; taken keys are not."""
    service = bounded(embedded, secrets_per_tenant=3)
    embedded.secret("a")
    entries = [entry("a", 1), entry("b", 1), entry("c", 1), entry("d", 1), entry("e", 1, tenant="away")]
    done = service.transfer.import_(embedded.admin, ImportRequest("home", entries))
    assert (done.stored, done.colliding) == (3, {"home": ["a"]})
    assert list(done.errors) == [3]
    assert done.errors[3]["key"].startswith("tenant 'home' has 3 secrets, and may have no more; delete")
    done = service.transfer.import_(embedded.admin, ImportRequest("home", entries, override=True))
    assert (done.stored, list(done.errors)) == (4, [3])


def test_a_tenant_has_so_many_providers(world: World) -> None:
    """Its own ones count, global ones of others do not."""
    service = bounded(world, providers_per_tenant=2)
    user = world.user("u", home=TenantRole.USER, away=TenantRole.USER)
    everywhere = NewProvider(kind="local", visibility=Visibility.GLOBAL)
    service.providers.create(world.admin, "away", "everywhere", everywhere)
    for name in ("a", "b"):
        service.providers.create(user, "home", name, LOCAL)
    before = records(world)
    with pytest.raises(ConflictError, match=r"^tenant 'home' has 2 providers, and may have no more$"):
        service.providers.create(user, "home", "c", LOCAL)
    assert records(world) == before
    service.providers.create(user, "away", "c", LOCAL)
    service.providers.delete(user, "home", "a")
    assert service.providers.create(user, "home", "c", LOCAL).name == "c"


def test_two_at_once_do_not_pass_a_bound(world: World) -> None:
    """The one that came second waits, and counts what the first one made."""
    service = bounded(world, secrets_per_tenant=1, providers_per_tenant=1)
    request = ImportRequest("home", [entry("second", 1)])
    with ThreadPoolExecutor(3) as pool:
        with service._store.write() as session:  # noqa: SLF001 - a transaction that is still open
            home = session.tenant("home")
            assert home is not None
            service.secrets.add(session, world.admin, home, "first", "value")
            later = [
                pool.submit(service.secrets.create, world.admin, "home", "second", NEW),
                pool.submit(service.transfer.import_, world.admin, request),
            ]
            if world.url.startswith("postgresql"):
                _wait_for_locks(world, len(later))
        assert isinstance(later[0].exception(), ConflictError)
        assert later[1].result().stored == 0
    assert [one.key for one in service.secrets.list(world.admin, "home").items] == ["first"]


def _wait_for_locks(world: World, number: int) -> None:
    """Until so many transactions wait for another one."""
    waiting = (
        "SELECT COUNT(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    until = time.monotonic() + 60
    while world.execute(waiting) != [(number,)]:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_tenant_that_is_gone_is_not_held(world: World) -> None:
    """Who waited for its deletion is told."""
    with (
        world.store.write() as session,
        pytest.raises(ConflictError, match=r"^the tenant was deleted by someone else at the same time$"),
    ):
        session.hold_tenant("00000000-0000-0000-0000-000000000000")


def test_a_secret_has_so_many_versions(world: World) -> None:
    """One more is refused without a record and takes none away, by update, create, rollback and import."""
    service = bounded(world, versions_per_secret=3)
    world.secret("k", "1")
    for text in ("2", "3"):
        service.secrets.update(world.admin, "home", "k", value(text))
    before = records(world)
    for attempt in (
        lambda: service.secrets.update(world.admin, "home", "k", value("4")),
        lambda: service.secrets.create(
            world.admin, "home", "k", NewSecret(value=SecretValue("4"), update_if_exists=True)
        ),
        lambda: service.secrets.rollback(world.admin, "home", "k", 1),
    ):
        with pytest.raises(ConflictError, match=r"^secret 'k' has 3 versions, and may have no more$") as no:
            attempt()
        assert no.value.hint is not None
        assert "`keep_versions`" in no.value.hint
        assert "`versions_per_secret`" in no.value.hint
    request = ImportRequest(
        "home", [entry("k", 1), entry("l", 1, 2, 3, 4), entry("m", 1, 5, 9)], override=True
    )
    done = service.transfer.import_(world.admin, request)
    assert done.stored == 1
    assert done.errors[0]["key"].startswith("secret 'k' has 3 versions, and may have no more; have `keep")
    assert done.errors[1] == {"versions": "More than 3: see `versions_per_secret` in `config.yaml`"}
    assert records(world) == [*before, "secret:import"]
    numbers = [version.number for version in service.secrets.history(world.admin, "home", "k")]
    assert numbers == [1, 2, 3]
    assert service.secrets.update(world.admin, "home", "k", SecretChange(hidden=True)).version == 3


def test_the_versions_of_a_secret_take_so_many_bytes(world: World) -> None:
    """The value that goes beyond is the last; one that drops old ones has room."""
    service = bounded(world, bytes_per_secret=1000)
    world.secret("k", "v" * 400)
    service.secrets.update(world.admin, "home", "k", value("w" * 400))
    message = r"^secret 'k' has \d{4} bytes, and may have no more$"
    for attempt in (
        lambda: service.secrets.update(world.admin, "home", "k", value("x")),
        lambda: service.secrets.rollback(world.admin, "home", "k", 1),
    ):
        with pytest.raises(ConflictError, match=message) as refused:
            attempt()
        assert "`bytes_per_secret`" in refused.value.hint
    dropping = bounded(world, bytes_per_secret=1000, keep_versions=1)
    assert dropping.secrets.update(world.admin, "home", "k", value("y")).version == 3


def test_an_export_reads_so_many_bytes(world: World) -> None:
    """Counted before any is read, old versions where they are asked for; a part of them leaves."""
    service = bounded(world, bytes_per_export=1500)
    for key in ("k", "l"):
        world.secret(key, "v" * 300)
    service.secrets.update(world.admin, "home", "k", value("w" * 300))
    assert len(service.transfer.export(world.admin, ExportRequest("home", "")).secrets) == 2
    before = records(world)
    with (
        world.rows_read() as rows,
        pytest.raises(ConflictError, match=r"^what is to be exported has \d{4} bytes, and may have no more$"),
    ):
        service.transfer.export(world.admin, ExportRequest("home", "", all_versions=True))
    tokens = {token for (token,) in world.execute("SELECT token FROM secret_version")}
    assert not tokens & {one for row in rows for one in row if isinstance(one, str)}
    assert records(world) == before
    part = service.transfer.export(world.admin, ExportRequest("home", "k", all_versions=True))
    assert [len(one.versions) for one in part.secrets] == [2]


def test_a_history_is_read_without_its_values(world: World) -> None:
    """Whoever lists it has none of them read, and going back to one reads that one."""
    world.secret("k", "1")
    for text in ("2", "3", "4"):
        world.service.secrets.update(world.admin, "home", "k", value(text))
    tokens = {token for (token,) in world.execute("SELECT token FROM secret_version WHERE version < 4")}
    with world.rows_read() as rows:
        assert len(world.service.secrets.history(world.admin, "home", "k")) == 4
    assert not tokens & {one for row in rows for one in row if isinstance(one, str)}
    with world.rows_read() as rows:
        world.service.secrets.rollback(world.admin, "home", "k", 2)
    assert len(tokens & {one for row in rows for one in row if isinstance(one, str)}) == 1
    for number in (0, -1, 6, 2**31, 2**80):
        with pytest.raises(NotFoundError, match=rf"^secret 'k' has no version {number}$"):
            world.service.secrets.rollback(world.admin, "home", "k", number)


def test_dropping_versions_makes_room_for_who_may_delete(embedded: World) -> None:
    """With `keep_versions` there is always room; who may not delete fills the history up, and no more."""
    service = bounded(embedded, keep_versions=2, versions_per_secret=3)
    embedded.secret("k", "1")
    permissions = frozenset({Permission.SECRET_UPDATE, Permission.SECRET_LIST})
    narrowed = embedded.caller("admin", Scope(permissions=permissions))
    for text in ("2", "3"):
        service.secrets.update(narrowed, "home", "k", value(text))
    with pytest.raises(ConflictError, match=r"^secret 'k' has 3 versions, and may have no more$"):
        service.secrets.update(narrowed, "home", "k", value("4"))
    for number in (4, 5, 6):
        assert service.secrets.update(embedded.admin, "home", "k", value(f"more {number}")).version == number
    assert len(service.secrets.history(embedded.admin, "home", "k")) == 2
    assert service.secrets.update(narrowed, "home", "k", value("7")).version == 7


def test_a_user_has_so_many_sessions_by_setting(embedded: World) -> None:
    """The oldest ends, with one of one, too."""
    embedded.user("u")
    embedded.service.users.set_password(embedded.admin, "u", NewPassword(SecretValue("password of u")))
    sessions = bounded(embedded, sessions_per_user=1).sessions
    first = sessions.open(username="u", password="password of u")
    last = sessions.open(username="u", password="password of u")
    with pytest.raises(AuthenticationError):
        sessions.authenticate(first.secret)
    assert sessions.authenticate(last.secret).username == "u"


def test_tests_of_a_provider_are_one_record_a_minute(embedded: World) -> None:
    """For each caller, token and provider, with an answer or without."""
    user, providers = embedded.user("u", home=TenantRole.USER), embedded.service.providers
    for name in ("a", "b"):
        providers.create(embedded.admin, "home", name, LOCAL)

    def number() -> int:
        return records(embedded).count("provider:test")

    for _ in range(5):
        providers.test(user, "home", ProviderCheck(name="a"))
    assert number() == 1
    providers.test(user, "home", ProviderCheck(name="b"))
    providers.test(embedded.admin, "home", ProviderCheck(name="a"))
    assert number() == 3
    embedded.clock.now = "2030-01-01T00:01:00.000Z"
    for _ in range(5):
        providers.test(user, "home", ProviderCheck(name="a"))
    assert number() == 4


def test_what_does_not_open_is_one_record_a_minute(embedded: World) -> None:
    """Each attempt to read is a record, as ever; that the same value did not open is told once."""
    embedded.secret("k", "one")
    embedded.secret("other", "two")
    embedded.execute(
        "UPDATE secret_version SET token = (SELECT token FROM secret_version JOIN secret ON id = secret_id"
        " WHERE key = 'other') WHERE secret_id = (SELECT id FROM secret WHERE key = 'k')"
    )
    embedded.vouch("secret")
    before = Counter(records(embedded))
    for _ in range(5):
        with pytest.raises(MisplacedTokenError):
            embedded.service.secrets.show(embedded.admin, "home", "k")
    assert Counter(records(embedded)) - before == {"secret:show": 5, "secret:unreadable": 1}
    embedded.clock.now = "2030-01-01T00:01:00.000Z"
    with pytest.raises(MisplacedTokenError):
        embedded.service.secrets.show(embedded.admin, "home", "k")
    assert Counter(records(embedded)) - before == {"secret:show": 6, "secret:unreadable": 2}


def test_bounds_are_settings(tmp_path: Path) -> None:
    """Each has the name that it has in the settings file; what is not given is the default."""
    bounds = dict.fromkeys(Rules.__struct_fields__, 7)
    del bounds["keep_versions"], bounds["refuse_expired"], bounds["public_url"], bounds["sign_in"]
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    config = home / "config.yaml"
    config.write_text("keep_versions: 3\n" + "".join(f"{name}: 7\n" for name in bounds))
    config.chmod(0o600)
    settings = Settings({}, home)
    assert asdict(Rules(**settings.bounds)) == {**asdict(DEFAULT_RULES), **bounds}


def test_values_that_are_too_large_together_are_not_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor for a check of any number of keys, which needs none of them: no request has more in memory."""
    monkeypatch.setattr(decryption, "_MAX_READ", 4000)
    monkeypatch.setattr(decryption, "_READ_AT_ONCE", 2)
    keys = [f"k{number}" for number in range(9)]
    for key in keys:
        world.secret(key, "v" * 1000)
    read: list[int] = []
    by_keys = SecretRows.secrets_by_keys

    def counted(rows: SecretRows, tenant_id: str, named: Collection[str]) -> Sequence[StoredSecret]:
        found = by_keys(rows, tenant_id, named)
        read.append(sum(len(row.token) for row in found))
        return found

    monkeypatch.setattr(SecretRows, "secrets_by_keys", counted)
    with world.store.read() as session:
        admin, home = world.service.gate.enter(session, world.admin, Permission.SECRET_USE, "home")
        found = decryption.look_up(session, admin, home, keys)
    assert sorted(found) == keys
    assert len(read) == 5
    assert max(read) < 4000
    assert sum(len(row.token) for row in found.values()) < 4100
    checked = world.service.use.check(world.admin, "home", keys)
    assert all(status.refusal is None for status in checked.values())
    uses = [ClaimedUse(key, WRITTEN, [], 1) for key in keys]
    with pytest.raises(InvalidRequestError, match="in all"):
        world.service.use.use(world.admin, "home", uses, {})
    assert set(world.service.use.use(world.admin, "home", uses[:2], {}).secrets) == set(keys[:2])
