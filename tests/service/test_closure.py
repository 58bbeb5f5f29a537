"""The closure of rights: whatever a narrowed token does, one thing after another, it reaches nothing else."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import asdict

from resolver.core import policy
from resolver.core.account_changes import NewPassword, NewToken, NewUser, UserChange
from resolver.core.model import Scope, SecretValue, Visibility
from resolver.core.permissions import (
    CLOSURES,
    EQUAL_TO_SYS_ADMIN,
    Permission,
    SystemRole,
    TenantRole,
    held,
)
from resolver.core.providers import (
    ALLOWED_PATHS,
    NewProvider,
    ProviderChange,
    ProviderCheck,
    ProviderRequest,
)
from resolver.core.query import Listing
from resolver.core.secret_changes import NewSecret, SecretChange
from resolver.core.transfer import ExportRequest, ImportEntry, ImportRequest, VersionWithValue
from resolver.errors import InvalidRequestError, NotPermittedError, ProviderError, ResolverError
from resolver.service import Service
from resolver.service.base import Rules
from resolver.store.sql import SqlStore
from tests.databases import DIALECTS, RewoundStore, World, database
from tests.service.uses import DIGESTS, key_use

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from resolver.core.model import Caller

P = Permission
HOME_SECRETS = ("a_open", "b_open", "a_hidden", "b_private", "a_elsewhere", "b_elsewhere")


class Elsewhere:
    """A type of provider that has everything, and knows what it was asked for."""

    credentials = frozenset({"token"})

    def __init__(self) -> None:
        self.asked: set[str] = set()

    def check(self, parameters: Mapping[str, str]) -> Mapping[str, str]:
        """Any."""
        return parameters

    check_options = check

    def path_of(self, wanted: ProviderRequest) -> str:
        """The option, or the key."""
        return wanted.options.get("path", wanted.key)

    def fetch(
        self, _parameters: Mapping[str, str], wanted: Mapping[str, ProviderRequest], _forwards: int
    ) -> Mapping[str, SecretValue]:
        """A value that tells where it was."""
        self.asked |= {self.path_of(one) for one in wanted.values()}
        return {name: SecretValue(f"elsewhere: {self.path_of(one)}") for name, one in wanted.items()}

    def test(self, _parameters: Mapping[str, str]) -> bool:
        """Always true."""
        return True


def prepared(folder: Path) -> tuple[World, Service, Elsewhere]:
    """A tenant with secrets of all kinds, an accomplice in it, and a provider."""
    url = database("sqlite", folder)
    world, elsewhere = World(url, RewoundStore(url)), Elsewhere()
    service = Service(
        world.store,
        world.ring,
        lambda: world.passwords,
        world.clock,
        lambda: {"fake": elsewhere},
        Rules(keep_versions=2),
    )
    admin = world.admin
    for name, role, system in (
        ("mallory", TenantRole.MANAGER, SystemRole.SYS_ADMIN),
        ("accomplice", TenantRole.USER, SystemRole.DEFAULT),
        ("victim", TenantRole.USER, SystemRole.DEFAULT),
    ):
        world.user(name, role, system_role=system)
    service.providers.create(admin, "home", "p", NewProvider("fake", {"token": "t"}))
    for key, new in {
        "a_open": NewSecret(value=SecretValue("value of a_open")),
        "b_open": NewSecret(value=SecretValue("value of b_open")),
        "a_hidden": NewSecret(value=SecretValue("value of a_hidden"), hidden=True),
        "b_private": NewSecret(value=SecretValue("value of b_private"), visibility=Visibility.PRIVATE),
        "a_elsewhere": NewSecret(provider="p"),
        "b_elsewhere": NewSecret(provider="p"),
    }.items():
        service.secrets.create(admin, "home", key, new)
    for key in ("a_open", "b_open"):
        service.secrets.update(admin, "home", key, SecretChange(value=SecretValue(f"second of {key}")))
    return world, service, elsewhere


def stored_token(world: World, service: Service, username: str, scope: Scope) -> Caller:
    """A token that may have been made when nothing was asked of its permissions."""
    with service._store.write() as session:  # noqa: SLF001 - as making a token does
        stored = session.user(name=username)
        assert stored is not None
        made = service.tokens.add(session, world.admin, stored.user, NewToken(**asdict(scope)))
    return service.gate.authenticate_token(made.token)


KEYS = (*HOME_SECRETS, "a_new", "b_new")
OPTIONS: tuple[dict[str, str], ...] = ({}, {"path": "b_elsewhere"}, {"path": "other"})
CHANGES = (
    SecretChange(value=SecretValue("one")),
    SecretChange(value=SecretValue("two")),
    SecretChange(hidden=False),
    SecretChange(hidden=True),
    SecretChange(visibility=Visibility.TENANT),
    SecretChange(visibility=Visibility.GLOBAL),
    SecretChange(owner="accomplice"),
    SecretChange(provider="p"),
    *(SecretChange(provider_options=options) for options in OPTIONS if options),
)
SCOPES = (
    {P.SECRET_UPDATE},
    {P.SECRET_UPDATE, P.SECRET_USE},
    {P.SECRET_SET_OWNER},
    {P.SECRET_CREATE, P.SECRET_USE},
    {P.SECRET_CREATE, P.SECRET_SHOW, P.SECRET_UPDATE},
    {P.SECRET_CREATE, P.SECRET_IMPORT, P.SECRET_UPDATE},
    {P.TENANT_MANAGE},
    {P.TENANT_MANAGE, P.SECRET_DELETE},
    {P.PROVIDER_UPDATE, P.PROVIDER_LIST},
)
"""Those that look most as if more could be made of them."""

SHARED: list[tuple[World, Service, Elsewhere]] = []


class NarrowedToken(RuleBasedStateMachine):
    """What a token does that is narrowed to some permissions, and perhaps to keys that begin with `a`."""

    def __init__(self) -> None:
        super().__init__()
        if not SHARED:
            SHARED.append(prepared(Path(tempfile.mkdtemp(prefix="closure"))))
        self.world, self.service, self.elsewhere = SHARED[0]
        self.rewinding = contextlib.ExitStack()
        self.rewinding.enter_context(self.world.store.rewinding())  # type: ignore[attr-defined]

    def teardown(self) -> None:
        """Take back what was done."""
        self.rewinding.close()

    @initialize(
        permissions=st.sampled_from(SCOPES)
        | st.sets(st.sampled_from(P), min_size=1, max_size=3)
        | st.sampled_from(P).map(CLOSURES.__getitem__),
        narrowed=st.booleans(),
    )
    def begin(self, permissions: set[P], narrowed: bool) -> None:  # noqa: FBT001 - hypothesis names it
        """Make the token; note what there is before it does anything."""
        scope = Scope(permissions=frozenset(permissions), keys=("a*",) if narrowed else None)
        self.keys = scope.keys
        self.caller = stored_token(self.world, self.service, "mallory", scope)
        self.accomplice = self.world.caller("accomplice")
        self.rights = held(frozenset(permissions))
        self.seen: set[str] = set()
        self.elsewhere.asked.clear()
        self.secrets = self.rows("SELECT id, key, hidden, visibility, owner_id, version FROM secret")
        self.versions = self.rows("SELECT secret_id, version FROM secret_version")
        self.people = self.accounts()
        self.readable = self.what_the_accomplice_reads()
        if (
            P.SECRET_UPDATE in self.rights
        ):  # a rollback shows an earlier value to whoever is shown the current one
            self.readable |= {value.replace("second of", "value of") for value in self.readable}

    def rows(self, query: str) -> set[tuple[Any, ...]]:
        """What is stored, looked at by nobody."""
        connection = self.world.store.connection  # type: ignore[attr-defined]
        return {tuple(row) for row in connection.exec_driver_sql(query)}

    def accounts(self) -> list[set[tuple[Any, ...]]]:
        """Who gets in, and with which rights."""
        return [
            self.rows("SELECT id, name, password_hash, system_role, active FROM user_account"),
            self.rows("SELECT id, user_id, digest FROM access_token"),
            self.rows("SELECT * FROM membership"),
        ]

    def what_the_accomplice_reads(self) -> set[str]:
        """Values that are shown to a plain member."""
        seen, asked = set(), self.elsewhere.asked.copy()
        for key in HOME_SECRETS:
            with contextlib.suppress(ResolverError):
                value = self.service.secrets.show(self.accomplice, "home", key)[1]
                seen.add("" if value is None else value.reveal())
        self.elsewhere.asked = asked
        return {value for value in seen if value.startswith(("value of", "second of"))}

    def does(self, attempt: Callable[..., Any]) -> Any:  # noqa: ANN401 - whatever it gets
        """Try something; None when it is refused."""
        with contextlib.suppress(ResolverError):
            return attempt(self.service, self.caller)
        return None

    @rule()
    def look(self) -> None:
        """Show, use, list, read history and trail."""
        for key in KEYS:
            shown = self.does(lambda s, c, key=key: s.secrets.show(c, "home", key)[1])
            assert shown is None or P.SECRET_SHOW in self.rights
            used = self.does(lambda s, c, key=key: s.use.use(c, "home", [key_use(key)], DIGESTS))
            assert used is None or P.SECRET_USE in self.rights
            values = [one.value for one in used.secrets.values()] if used is not None else []
            self.seen |= {value.reveal() for value in (shown, *values) if value is not None}
            history = self.does(lambda s, c, key=key: s.secrets.history(c, "home", key))
            assert history is None or P.SECRET_LIST in self.rights
        listed = self.does(lambda s, c: s.secrets.list(c, "home"))
        assert listed is None or P.SECRET_LIST in self.rights
        records = self.does(lambda s, c: s.trail.records(c, "home"))
        assert records is None or P.AUDIT_READ in self.rights

    @rule()
    def export(self) -> None:
        """Export all there is."""
        got = self.does(lambda s, c: s.transfer.export(c, ExportRequest("home", all_versions=True)))
        assert got is None or {P.SECRET_EXPORT, P.SECRET_SHOW} <= self.rights
        if got is not None:
            self.seen |= {version.value.reveal() for one in got.secrets for version in one.versions}

    @rule(options=st.sampled_from(OPTIONS), there=st.booleans())
    def create(self, options: dict[str, str], there: bool) -> None:  # noqa: FBT001 - hypothesis names it
        """Make secrets here and elsewhere, or give those that are there a value."""
        for key in KEYS:
            for new in (
                NewSecret(provider="p", provider_options=options, update_if_exists=there),
                NewSecret(value=SecretValue("made"), update_if_exists=there),
            ):
                self.does(lambda s, c, key=key, new=new: s.secrets.create(c, "home", key, new))

    @rule(changes=st.permutations(CHANGES))
    def change(self, changes: list[SecretChange]) -> None:
        """Change anything of all secrets."""
        for key in KEYS:
            for change in changes:
                self.does(lambda s, c, key=key, change=change: s.secrets.update(c, "home", key, change))

    @rule(version=st.integers(1, 3))
    def roll_back(self, version: int) -> None:
        """Go back to an earlier version."""
        for key in KEYS:
            self.does(lambda s, c, key=key: s.secrets.rollback(c, "home", key, version))

    @rule()
    def delete(self) -> None:
        """Delete all secrets."""
        for key in KEYS:
            self.does(lambda s, c, key=key: s.secrets.delete(c, "home", key))

    @rule(visibility=st.sampled_from(Visibility), options=st.sampled_from(OPTIONS), whole=st.booleans())
    def import_(self, visibility: Visibility, options: dict[str, str], whole: bool) -> None:  # noqa: FBT001 - as above
        """Import over what is there."""
        entries = [
            ImportEntry(
                key,
                "home",
                () if options else (VersionWithValue(1, SecretValue("imported")),),
                visibility,
                owner="accomplice" if whole else None,
                provider="p" if options else None,
                provider_options=options,
                whole=whole,
            )
            for key in KEYS
        ]
        self.does(lambda s, c: s.transfer.import_(c, ImportRequest("home", entries, override=True)))

    @rule()
    def providers(self) -> None:
        """Read, move and delete the provider."""
        got = self.does(lambda s, c: s.providers.get(c, "home", "p"))
        assert got is None or got.parameters is None or P.PROVIDER_CREDENTIALS in self.rights
        moved = self.does(
            lambda s, c: s.providers.update(c, "home", "p", ProviderChange(parameters={"token": "mine"}))
        )
        assert moved is None or {P.PROVIDER_UPDATE, P.SECRET_UPDATE} <= self.rights
        self.does(lambda s, c: s.providers.delete(c, "home", "p"))

    @rule()
    def people_and_tokens(self) -> None:
        """Make users, passwords, tokens, members."""
        for attempt in (
            lambda s, c: s.users.create(c, "new", NewUser(system_role=SystemRole.SYS_ADMIN)),
            lambda s, c: s.users.update(c, "accomplice", UserChange(system_role=SystemRole.SYS_ADMIN)),
            lambda s, c: s.users.set_password(c, "accomplice", NewPassword(SecretValue("a long password"))),
            lambda s, c: s.users.delete(c, "victim", purge=True),
            lambda s, c: s.tenants.add_member(c, "home", "accomplice", TenantRole.MANAGER),
            lambda s, c: s.tokens.create(c, NewToken()),
            lambda s, c: s.tokens.create(c, NewToken(username="admin")),
        ):
            self.does(attempt)

    @rule()
    def tenants(self) -> None:
        """Delete the tenant with all that it holds, and make another one of its name."""
        deleted = self.does(lambda s, c: s.tenants.delete(c, "home", purge=True))
        rights = {P.TENANT_MANAGE, P.SECRET_DELETE, P.PROVIDER_DELETE}
        assert deleted is None or rights <= self.rights
        if deleted is not None:
            self.people = self.accounts()
        made = self.does(lambda s, c: s.tenants.create(c, "home"))
        assert made is None or P.TENANT_MANAGE in self.rights

    @invariant()
    def reaches_nothing_else(self) -> None:
        """What is stored changed by what the token may do, and nothing is told to it or others besides."""
        if not hasattr(self, "rights"):
            return
        rights, now = self.rights, {}
        for row in self.rows("SELECT id, key, hidden, visibility, owner_id, version FROM secret"):
            now[row[0]] = row
        for secret_id, key, hidden, visibility, owner, version in self.secrets:
            row = now.get(secret_id)
            if row is None:
                assert P.SECRET_DELETE in rights, key
                continue
            if row != (secret_id, key, hidden, visibility, owner, version):
                assert self.keys is None or key.startswith("a"), key
                assert row[4] == owner or P.SECRET_SET_OWNER in rights, key
                assert row[5] == version or P.SECRET_UPDATE in rights, key
                if (hidden and not row[2]) or row[3] != visibility:
                    assert {P.SECRET_UPDATE, P.SECRET_SHOW} <= rights, key
                if row[3] != visibility and row[3] == Visibility.GLOBAL:
                    assert P.SECRET_CREATE_GLOBAL in rights, key
        kept = self.rows("SELECT secret_id, version FROM secret_version")
        assert self.versions <= kept or P.SECRET_DELETE in rights
        if self.keys is not None:  # neither values nor what a provider has under other keys
            others = {
                f"{what} of {key}" for key in HOME_SECRETS if key[0] == "b" for what in ("value", "second")
            }
            assert not self.seen & others
            assert all(path.startswith("a") for path in self.elsewhere.asked), self.elsewhere.asked
        assert self.accounts() == self.people
        more = self.what_the_accomplice_reads() - self.readable
        assert not more or {P.SECRET_UPDATE, P.SECRET_SHOW} <= rights or P.SECRET_SET_OWNER in rights


NarrowedToken.TestCase.settings = settings(
    max_examples=int(os.environ.get("CLOSURE_EXAMPLES", "20")),
    stateful_step_count=6,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],  # each step is short, and shrinking would take minutes
)
TestNarrowedTokenReachesNothingElse = pytest.mark.slow(NarrowedToken.TestCase)


def test_closures_are_closed() -> None:
    """What a permission leads to leads to nothing beyond; three are as good as all."""
    for permission, closure in CLOSURES.items():
        assert permission in closure
        assert all(CLOSURES[one] <= closure for one in closure), permission
    assert {one for one in P if CLOSURES[one] == frozenset(P)} == EQUAL_TO_SYS_ADMIN


@pytest.mark.parametrize("permission", [one for one in P if len(CLOSURES[one]) > 1])
def test_a_permission_comes_with_its_closure(embedded: World, permission: Permission) -> None:
    """A token for it alone is refused with what is missing; one from earlier has nothing of it."""
    alone = frozenset({permission})
    with pytest.raises(InvalidRequestError, match=rf"^a token for {permission} alone would lead to more: "):
        embedded.caller("admin", Scope(permissions=alone))
    old = stored_token(embedded, embedded.service, "admin", Scope(permissions=alone))
    assert embedded.service.users.whoami(old).permissions == {}
    whole = embedded.caller("admin", Scope(permissions=CLOSURES[permission]))
    assert permission in embedded.service.users.whoami(whole).permissions["home"]
    assert policy.rights(old, None) == frozenset()


def test_who_may_only_update_neither_unhides_nor_widens(embedded: World) -> None:
    """`secret:update` alone gives new values; with `secret:show` it lets others see what it sees itself."""
    secrets = embedded.service.secrets
    embedded.secret("k", hidden=True, visibility=Visibility.PRIVATE)
    alone = embedded.caller("admin", Scope(permissions=frozenset({P.SECRET_UPDATE})))
    both = embedded.caller("admin", Scope(permissions=frozenset({P.SECRET_UPDATE, P.SECRET_SHOW})))
    secrets.update(alone, "home", "k", SecretChange(value=SecretValue("new")))
    for change in (SecretChange(hidden=False), SecretChange(visibility=Visibility.TENANT)):
        with pytest.raises(NotPermittedError, match="not permitted to see secrets"):
            secrets.update(alone, "home", "k", change)
        secrets.update(both, "home", "k", change)
    secrets.update(alone, "home", "k", SecretChange(hidden=True))


def test_who_may_only_change_providers_lets_nobody_else_fetch_by_them(embedded: World) -> None:
    """Widening a private one shows others what it has: it needs `secret:show`, as widening a secret does."""
    at = {"url": "http://127.0.0.1:9", "token": "t", "path": "x"}
    providers = embedded.service.providers
    providers.create(embedded.admin, "home", "p", NewProvider("vault", at, Visibility.PRIVATE))
    closure = CLOSURES[P.PROVIDER_UPDATE]
    wider = ProviderChange(visibility=Visibility.TENANT)
    alone = embedded.caller("admin", Scope(permissions=closure))
    with pytest.raises(NotPermittedError, match="not permitted to see secrets"):
        providers.update(alone, "home", "p", wider)
    both = embedded.caller("admin", Scope(permissions=closure | {P.SECRET_SHOW}))
    assert providers.update(both, "home", "p", wider).visibility is Visibility.TENANT


def test_a_schema_is_no_guess_at_an_earlier_value(embedded: World) -> None:
    """Going back to a value tells whether it keeps to the schema: who can't read it chooses none."""
    imports = frozenset({P.SECRET_IMPORT, P.SECRET_CREATE, P.SECRET_UPDATE})
    alone = embedded.caller("admin", Scope(permissions=imports))
    both = embedded.caller("admin", Scope(permissions=imports | {P.SECRET_SHOW}))
    embedded.secret("k", "4711")
    values = [VersionWithValue(1, SecretValue("1"))]

    def overridden(caller: Caller, schema: str | None) -> Mapping[int, Mapping[str, object]]:
        entry = ImportEntry("k", "home", values, schema=schema)
        return embedded.service.transfer.import_(caller, ImportRequest("home", [entry], override=True)).errors

    assert list(overridden(alone, '{"minimum":1}')[0]) == ["schema"]
    assert overridden(alone, None) == overridden(both, '{"minimum":1}') == overridden(alone, None) == {}
    assert overridden(alone, '{"minimum":1}') == {}


def test_an_import_tells_nothing_of_a_private_secret_but_that_its_key_is_taken(embedded: World) -> None:
    """Not that a provider has its value, either."""
    mallory = embedded.user("mallory", TenantRole.USER)
    embedded.secret("here", visibility=Visibility.PRIVATE)
    at = {"url": "http://127.0.0.1:9", "token": "t", "path": "x"}
    embedded.service.providers.create(embedded.admin, "home", "p", NewProvider("vault", at))
    kept = NewSecret(provider="p", visibility=Visibility.PRIVATE)
    embedded.service.secrets.create(embedded.admin, "home", "kept", kept)
    entries = [
        ImportEntry(key, "home", [VersionWithValue(1, SecretValue("v"))]) for key in ("here", "kept", "here")
    ]
    told = embedded.service.transfer.import_(mallory, ImportRequest("home", entries, override=True)).errors
    assert told[0] == told[1]


def test_a_tenant_is_purged_by_who_may_delete_what_it_holds(embedded: World) -> None:
    """`tenant:manage` alone makes and deletes empty tenants, and is not told what is in others."""
    service = embedded.service
    embedded.secret("very_private", visibility=Visibility.PRIVATE)
    manages = frozenset({P.TENANT_MANAGE})
    alone = embedded.caller("admin", Scope(permissions=manages))
    with pytest.raises(ResolverError) as refused:
        service.tenants.delete(alone, "home")
    assert "very_private" not in str(refused.value)
    with pytest.raises(NotPermittedError, match="delete secrets"):
        service.tenants.delete(alone, "home", purge=True)
    service.tenants.delete(alone, "away", purge=True)
    deletes = manages | CLOSURES[P.SECRET_DELETE] | CLOSURES[P.PROVIDER_DELETE]
    service.tenants.delete(embedded.caller("admin", Scope(permissions=deletes)), "home", purge=True)


def test_who_may_not_delete_keeps_what_is_overwritten(tmp_path: Path) -> None:
    """Versions beyond those to keep go when somebody stores one who may delete."""
    world, service, _ = prepared(tmp_path)
    alone = stored_token(world, service, "mallory", Scope(permissions=frozenset({P.SECRET_UPDATE})))
    for number in range(3):
        service.secrets.update(alone, "home", "a_open", SecretChange(value=SecretValue(str(number))))
    history = service.secrets.history(world.admin, "home", "a_open")
    assert [version.number for version in history] == [1, 2, 3, 4, 5]
    service.secrets.update(world.admin, "home", "a_open", SecretChange(value=SecretValue("last")))
    history = service.secrets.history(world.admin, "home", "a_open")
    assert [version.number for version in history] == [5, 6]
    world.store.close()


def fetched(
    world: World, service: Service, elsewhere: Elsewhere, caller: Caller, tenant: str, key: str
) -> bool:
    """Whether a provider is asked for a secret and gives it, to be used and to be shown."""
    elsewhere.asked.clear()
    used = bool(service.use.use(caller, tenant, [key_use(key)], DIGESTS).secrets)
    with contextlib.suppress(ProviderError):
        service.secrets.show(world.admin, tenant, key)
        assert used
    assert bool(elsewhere.asked) is used
    return used


def test_the_provider_says_who_may_name_what(tmp_path: Path) -> None:
    """Prefixes by tenant; without a rule its own tenant names all, and another one nothing."""
    world, service, elsewhere = prepared(tmp_path)
    admin = world.admin
    shared = NewProvider("fake", {"token": "t"}, Visibility.GLOBAL)
    service.providers.create(admin, "home", "shared", shared)
    for tenant, key, path in (
        ("home", "mine", "home/mine"),
        ("home", "theirs", "away/theirs"),
        ("away", "his", "away/his"),
        ("away", "stolen", "home/mine"),
        ("away", "bare", None),
    ):
        options = {"path": path} if path else {}
        service.secrets.create(admin, tenant, key, NewSecret(provider="shared", provider_options=options))
    names = (("home", "mine"), ("home", "theirs"), ("away", "his"), ("away", "stolen"), ("away", "bare"))

    def given_out() -> list[str]:
        return [key for tenant, key in names if fetched(world, service, elsewhere, admin, tenant, key)]

    assert given_out() == ["mine", "theirs"]
    for written, expected in (
        ("*={tenant}/", ["mine", "his"]),
        ("home= away=away/", ["mine", "theirs", "his"]),
        ("away=bare", ["bare"]),
        ("", []),
    ):
        change = ProviderChange(parameters={"token": "t", ALLOWED_PATHS: written})
        service.providers.update(admin, "home", "shared", change)
        assert given_out() == expected, written
    with pytest.raises(InvalidRequestError, match="needs the credentials again"):
        service.providers.update(admin, "home", "shared", ProviderChange(parameters={ALLOWED_PATHS: "*="}))
    for malformed in ("home", "=x", "ho\0me=x"):
        with pytest.raises(InvalidRequestError, match="is malformed"):
            service.providers.create(
                admin, "home", "q", NewProvider("fake", {"token": "t", ALLOWED_PATHS: malformed})
            )
    world.store.close()


def test_a_token_for_keys_names_no_options(tmp_path: Path) -> None:
    """Neither a new secret, a change nor an import of its keys leads to what a provider has under others."""
    world, service, elsewhere = prepared(tmp_path)
    narrowed = stored_token(world, service, "mallory", Scope(keys=("a*",)))
    options = {"path": "b_elsewhere"}
    with pytest.raises(NotPermittedError, match="names no provider options"):
        service.secrets.create(narrowed, "home", "a_x", NewSecret(provider="p", provider_options=options))
    with pytest.raises(NotPermittedError, match="names no provider options"):
        service.secrets.update(narrowed, "home", "a_elsewhere", SecretChange(provider_options=options))
    entry = ImportEntry("a_x", "home", (), provider="p", provider_options=options)
    done = service.transfer.import_(narrowed, ImportRequest("home", (entry,)))
    assert list(done.errors[0]) == ["provider_options"]
    service.secrets.create(narrowed, "home", "a_x", NewSecret(provider="p"))
    assert fetched(world, service, elsewhere, narrowed, "home", "a_x")
    world.store.close()


def test_nobody_is_told_whether_a_value_is_the_stored_one(tmp_path: Path) -> None:
    """Every store makes a version, and guesses at a connection are answered alike, right or wrong."""
    world, service, _ = prepared(tmp_path)
    alone = stored_token(world, service, "mallory", Scope(permissions=frozenset({P.SECRET_UPDATE})))
    same, other = (
        service.secrets.update(alone, "home", key, SecretChange(value=SecretValue("second of a_open")))
        for key in ("a_open", "b_open")
    )
    assert (same.version, other.version) == (3, 3)
    service.providers.create(world.admin, "home", "r", NewProvider("fake", {"token": "t", "url": "there"}))
    member, answers = world.caller("accomplice"), []
    for guess in ("there", "elsewhere"):
        for attempt in (
            lambda text: service.providers.update(
                member, "home", "r", ProviderChange(parameters={"url": text})
            ),
            lambda text: service.providers.test(
                member, "home", ProviderCheck(name="r", parameters={"url": text})
            ),
        ):
            with pytest.raises(InvalidRequestError) as refused:
                attempt(guess)
            answers.append(str(refused.value))
    assert len(set(answers)) == 1
    world.store.close()


def test_a_narrowed_token_sees_its_user_s_tenants_as_far_as_it_reaches(embedded: World) -> None:
    """`users get`, `whoami` and `tenants list` name no tenant that the token has nothing to do in."""
    embedded.user("eve", TenantRole.USER, TenantRole.VIEWER)
    users = embedded.service.users
    whole = embedded.caller("eve")
    narrowed = embedded.caller("eve", Scope(tenants=frozenset({"home"})))
    assert users.get(whole).roles == {"home": TenantRole.USER, "away": TenantRole.VIEWER}
    assert users.get(narrowed).roles == users.whoami(narrowed).roles == {"home": TenantRole.USER}
    nothing = embedded.caller("eve", Scope(permissions=frozenset({P.KEY_ROTATE})))
    assert users.get(nothing).roles == users.whoami(nothing).roles == {}
    listed = [embedded.service.tenants.list(caller).items for caller in (whole, narrowed, nothing)]
    assert [[info.tenant.name for info in items] for items in listed] == [["away", "home"], ["home"], []]


@pytest.mark.parametrize("name", ["users", "User-Groups", "a0000000-0000-4000-8000-000000000000"])
def test_no_tenant_takes_a_reserved_name(embedded: World, name: str) -> None:
    """Neither an address of Cloudify's API nor what looks like the id that a deleted tenant's trail has."""
    with pytest.raises(InvalidRequestError, match=r"^a tenant can't be called "):
        embedded.service.tenants.create(embedded.admin, name)
    embedded.service.tenants.create(embedded.admin, f"{name}x")


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"], ids=["NUL", "half a character"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_texts_that_no_database_stores_are_refused_in_words(
    request: pytest.FixtureRequest, tmp_path: Path, dialect: str, text: str
) -> None:
    """NUL and half characters in any name or value are an error of ours, with rights and without."""
    url = database(dialect, tmp_path)
    world = World(url, SqlStore(url))
    request.addfinalizer(world.store.close)
    viewer, s = world.user("vic", TenantRole.VIEWER), world.service
    world.secret("k")
    value, role = SecretValue(text), TenantRole.USER
    entry = ImportEntry(text, text, (VersionWithValue(1, value, text),), provider=text, owner=text)
    attempts: list[Callable[[Caller], object]] = [
        lambda c: s.secrets.create(c, "home", text, NewSecret(value=SecretValue("v"))),
        lambda c: s.secrets.create(c, text, "n", NewSecret(value=SecretValue("v"))),
        lambda c: s.secrets.create(c, "home", "n", NewSecret(value=SecretValue("v"), description=text)),
        lambda c: s.secrets.create(c, "home", "n", NewSecret(value=SecretValue('"v"'), schema=text)),
        lambda c: s.secrets.create(c, "home", "n", NewSecret(provider=text)),
        lambda c: s.secrets.update(c, "home", text, SecretChange(value=SecretValue("v"))),
        lambda c: s.secrets.update(c, "home", "k", SecretChange(owner=text)),
        lambda c: s.secrets.update(c, "home", "k", SecretChange(expires_at=text)),
        lambda c: s.secrets.show(c, "home", text),
        lambda c: s.secrets.delete(c, "home", text),
        lambda c: s.secrets.history(c, "home", text),
        lambda c: s.secrets.rollback(c, "home", text, 1),
        lambda c: s.use.use(c, text, [key_use("k")], DIGESTS),
        lambda c: s.providers.create(c, "home", text, NewProvider("local")),
        lambda c: s.providers.create(c, "home", "n", NewProvider(text)),
        lambda c: s.providers.create(c, "home", "n", NewProvider("local", {ALLOWED_PATHS: text})),
        lambda c: s.providers.get(c, "home", text),
        lambda c: s.providers.delete(c, "home", text),
        lambda c: s.providers.test(c, "home", ProviderCheck(name=text)),
        lambda c: s.tenants.create(c, text),
        lambda c: s.tenants.get(c, text),
        lambda c: s.tenants.delete(c, text),
        lambda c: s.tenants.add_member(c, "home", text, role),
        lambda c: s.tenants.remove_member(c, text, "vic"),
        lambda c: s.users.create(c, text, NewUser()),
        lambda c: s.users.get(c, text),
        lambda c: s.users.update(c, text, UserChange(active=True)),
        lambda c: s.users.delete(c, "vic", reassign_to=text),
        lambda c: s.tokens.create(c, NewToken(username=text)),
        lambda c: s.tokens.create(c, NewToken(description=text)),
        lambda c: s.tokens.create(c, NewToken(keys=(text,))),
        lambda c: s.tokens.create(c, NewToken(expires_at=text)),
        lambda c: s.tokens.revoke(c, text),
        lambda _: s.gate.authenticate_token(text),
        lambda _: s.gate.authenticate_password(text, text),
        lambda _: s.sessions.authenticate(text),
        lambda c: s.trail.verify(c, text),
    ]
    for number, attempt in enumerate(attempts):
        for caller in (viewer, world.admin):
            with pytest.raises(ResolverError):
                pytest.fail(f"{number} was done: {attempt(caller)}")
    assert s.use.use(world.admin, "home", [key_use(text)], {text: text}).refusals
    assert list(s.use.check(world.admin, "home", [text])) == [text]
    assert s.secrets.list(world.admin, "home", Listing(text)).total == 0
    done = s.transfer.import_(world.admin, ImportRequest("home", (entry,)))
    assert len(done.errors) == 1
    assert s.trail.verify(world.admin, "home").whole
    assert list(s.trail.records(world.admin, "home"))
