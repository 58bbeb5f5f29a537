"""When the audit trail can't be written nothing is decrypted and nothing is changed, whatever is asked for.

The databases themselves refuse the record: as it is written, or at the commit of the transaction it is in.
"""

from __future__ import annotations

import inspect
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from resolver.core.account_changes import NewPassword, NewToken, NewUser, UserChange
from resolver.core.approvals import ApprovalGrant, ApprovalRequest, Bundle, BundledBlueprint
from resolver.core.binding import Purpose
from resolver.core.model import SecretValue, Visibility
from resolver.core.permissions import SystemRole, TenantRole
from resolver.core.providers import NewProvider, ProviderChange, ProviderCheck
from resolver.core.secret_changes import NewSecret, SecretChange
from resolver.core.sign_in import Person, SignInAnswer
from resolver.core.transfer import ExportRequest, ImportEntry, ImportRequest, VersionWithValue
from resolver.core.trusts import TrustChange
from resolver.core.webhooks import NewWebhook, WebhookChange
from resolver.crypto.keyring import FernetDataKey
from resolver.errors import ConflictError, StoreError
from resolver.service import Service
from resolver.service.sign_in import SignedIn, SignInPurpose
from resolver.store import tables as t
from resolver.store.sql import SqlStore
from tests.databases import DIALECTS, World, database, raw_connection
from tests.people import let_in_by, provider_of
from tests.service.uses import DIGESTS, key_use
from tests.trusting import ISSUER, jwt, trusting, wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from resolver.core.model import Caller
    from resolver.core.sign_in import AuthorizationRequest, SignInProvider

_REFUSE = (
    "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full'; END $$"
)
_LATE = "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON audit_record DEFERRABLE INITIALLY DEFERRED"

REFUSING = {
    ("sqlite", "the write"): [
        "CREATE TRIGGER refuse BEFORE INSERT ON audit_record BEGIN SELECT json('no json'); END",
    ],
    ("sqlite", "the commit"): [
        "CREATE TABLE refused (id TEXT REFERENCES tenant (id) DEFERRABLE INITIALLY DEFERRED)",
        "CREATE TRIGGER refuse AFTER INSERT ON audit_record BEGIN INSERT INTO refused VALUES ('none'); END",
    ],
    ("postgresql", "the write"): [
        _REFUSE,
        "CREATE TRIGGER refuse BEFORE INSERT ON audit_record FOR EACH ROW EXECUTE FUNCTION refuse()",
    ],
    ("postgresql", "the commit"): [_REFUSE, f"{_LATE} FOR EACH ROW EXECUTE FUNCTION refuse()"],
}
"""What makes a database refuse each audit record."""


NOWHERE = "http://127.0.0.1:9"


def _bundle(name: str) -> Bundle:
    return Bundle(blueprints=[BundledBlueprint(f"{name}.yaml", "a: {get_secret: guarded}\n")])


class Closed:
    """A store with one of everything, whose database refuses audit records."""

    def __init__(self, dialect: str, when: str, url: str) -> None:
        self.world = world = World(url, SqlStore(url))
        let_in_by(world, provider_of(ISSUER, groups=None, device=True))
        world.service.sign_in._known = _Provider()  # type: ignore[assignment]  # noqa: SLF001 - some of the port is not asked
        self.admin = world.admin
        world.secret("k", "first")
        world.service.secrets.update(world.admin, "home", "k", SecretChange(value=SecretValue("second")))
        world.secret("hidden", hidden=True)
        self.viewer = world.user("viewer", home=TenantRole.VIEWER)
        world.user("spare", away=TenantRole.USER)
        parameters = {"url": NOWHERE, "token": "t", "path": "p"}
        world.service.providers.create(world.admin, "home", "v", NewProvider("vault", parameters))
        world.service.secrets.create(
            world.admin, "home", "kept", NewSecret(provider="v", provider_options={"path": "x"})
        )
        world.service.providers.create(world.admin, "home", "bare", NewProvider("local"))
        world.service.users.create(world.admin, "eve", NewUser(password=SecretValue("eve's password")))
        self.session = world.service.sessions.open(username="eve", password="eve's password").secret
        self.token = world.service.tokens.create(world.admin, NewToken(username="eve")).info.id
        world.service.webhooks.create(world.admin, "hook", NewWebhook(url=f"{NOWHERE}/events"))
        trusting(world)
        guarded = NewSecret(value=SecretValue("guarded value"), protected=True)
        world.service.secrets.create(world.admin, "home", "guarded", guarded)
        self.asker = world.user("asker", home=TenantRole.OPERATIONS)
        self.person = world.service.gate.authenticate_password("admin", "admin password")
        self.approvals = [
            world.service.approvals.request(self.asker, "home", ApprovalRequest(_bundle(text))).id
            for text in ("a", "b")
        ]
        world.service.approvals.grant(self.person, "home", self.approvals[1], ApprovalGrant())
        for statement in REFUSING[dialect, when]:
            world.execute(statement)
        self.before = self.state()

    def state(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything that is stored, but for what a login leaves, which is no part of the trail."""
        loose = {
            t.login_failure.c.refused_until,
            t.user_account.c.first_login_at,
            t.user_account.c.last_login_at,
        }
        with raw_connection(self.world.url) as connection:
            return {
                table.name: sorted(
                    (
                        tuple(row)
                        for row in connection.execute(select(*(c for c in table.c if c not in loose)))
                    ),
                    key=repr,
                )
                for table in t.metadata.tables.values()
            }


def _quiet(_doing: str, _more: int) -> None:
    """Nobody looks at the progress."""


def _entry(key: str) -> ImportEntry:
    return ImportEntry(key, "home", [VersionWithValue(1, SecretValue("v"))], Visibility.TENANT, hidden=False)


def _rotate_root(service: Service, caller: Caller) -> object:
    wrapping = service.keys.status(caller).root_keys[0].id
    return service.keys.rotate_root(caller, wrapping, _quiet)


class _Provider:
    """Speaks with a provider that lets in one person, whatever it is asked."""

    def authorization_url(self, _provider: SignInProvider, request: AuthorizationRequest) -> str:
        """The state in place of a URL."""
        return request.state

    def demands_issuer(self, _provider: SignInProvider) -> bool:
        """It does not."""
        return False

    def redeem(self, provider: SignInProvider, *_: object) -> Person:
        """The person, of whom no claim is asked for."""
        return Person(provider.issuer, "sub-una", {"preferred_username": "una"})

    poll_device = redeem


def _sign_in(service: Service) -> object:
    start = service.sign_in.begin("example", SignInPurpose.OPEN)
    return service.sign_in.finish(start.secret, SignInAnswer(state=start.url, code="x"))


ATTEMPTS: dict[str, Callable[[Service, Caller, Closed], object]] = {
    "use.use": lambda s, a, _: s.use.use(a, "home", [key_use("k")], DIGESTS),
    "use.use, refused by role": lambda s, _, c: s.use.use(c.viewer, "home", [key_use("k")], DIGESTS),
    "use.demand, refused by role": lambda s, _, c: s.use.demand(c.viewer, "home", DIGESTS),
    "use.use, not found": lambda s, a, _: s.use.use(a, "home", [key_use("k"), key_use("no")], DIGESTS),
    "use.use, kept elsewhere": lambda s, a, _: s.use.use(a, "home", [key_use("kept")], DIGESTS),
    "secrets.show": lambda s, a, _: s.secrets.show(a, "home", "k"),
    "secrets.show, hidden": lambda s, _, c: s.secrets.show(c.viewer, "home", "hidden"),
    "secrets.show, not found": lambda s, a, _: s.secrets.show(a, "home", "no"),
    "secrets.show, kept elsewhere": lambda s, a, _: s.secrets.show(a, "home", "kept"),
    "secrets.create": lambda s, a, _: s.secrets.create(a, "home", "new", NewSecret(value=SecretValue("v"))),
    "secrets.create, global": lambda s, a, _: s.secrets.create(
        a, "home", "new", NewSecret(value=SecretValue("v"), visibility=Visibility.GLOBAL)
    ),
    "secrets.create, or update": lambda s, a, _: s.secrets.create(
        a, "home", "k", NewSecret(value=SecretValue("v"), update_if_exists=True)
    ),
    "secrets.create, refused": lambda s, _, c: s.secrets.create(
        c.viewer, "home", "new", NewSecret(value=SecretValue("v"))
    ),
    "secrets.update": lambda s, a, _: s.secrets.update(
        a, "home", "k", SecretChange(value=SecretValue("third"))
    ),
    "secrets.update, widened": lambda s, a, _: s.secrets.update(
        a, "home", "k", SecretChange(visibility=Visibility.GLOBAL)
    ),
    "secrets.update, hidden": lambda s, a, _: s.secrets.update(a, "home", "k", SecretChange(hidden=True)),
    "secrets.update, given away": lambda s, a, _: s.secrets.update(a, "home", "k", SecretChange(owner="eve")),
    "secrets.update, times": lambda s, a, _: s.secrets.update(a, "home", "k", SecretChange(rotate_after=3)),
    "secrets.update, options": lambda s, a, _: s.secrets.update(
        a, "home", "kept", SecretChange(provider_options={"path": "y"})
    ),
    "secrets.rollback": lambda s, a, _: s.secrets.rollback(a, "home", "k", 1),
    "secrets.delete": lambda s, a, _: s.secrets.delete(a, "home", "k"),
    "transfer.export": lambda s, a, _: s.transfer.export(a, ExportRequest("home", all_versions=True)),
    "transfer.export, all tenants": lambda s, a, _: s.transfer.export(a, ExportRequest(all_tenants=True)),
    "transfer.export, refused": lambda s, _, c: s.transfer.export(c.viewer, ExportRequest("home")),
    "transfer.import_": lambda s, a, _: s.transfer.import_(a, ImportRequest("home", [_entry("new")])),
    "transfer.import_, override": lambda s, a, _: s.transfer.import_(
        a, ImportRequest("home", [_entry("k")], override=True)
    ),
    "transfer.import_, refused": lambda s, _, c: s.transfer.import_(
        c.viewer, ImportRequest("home", [_entry("new")])
    ),
    "providers.create": lambda s, a, _: s.providers.create(a, "home", "w", NewProvider("local")),
    "providers.get": lambda s, a, _: s.providers.get(a, "home", "v"),
    "providers.options_of": lambda s, a, _: s.providers.options_of(a, "home", "kept"),
    "providers.update": lambda s, a, _: s.providers.update(
        a, "home", "v", ProviderChange(parameters={"token": "u"})
    ),
    "providers.update, widened": lambda s, a, _: s.providers.update(
        a, "home", "v", ProviderChange(visibility=Visibility.GLOBAL)
    ),
    "providers.delete": lambda s, a, _: s.providers.delete(a, "home", "bare"),
    "providers.test": lambda s, a, _: s.providers.test(a, "home", ProviderCheck(name="v")),
    "providers.test, of none": lambda s, a, _: s.providers.test(a, "home", ProviderCheck(kind="local")),
    "tenants.create": lambda s, a, _: s.tenants.create(a, "third"),
    "tenants.delete": lambda s, a, _: s.tenants.delete(a, "home", purge=True),
    "tenants.add_member": lambda s, a, _: s.tenants.add_member(a, "home", "eve", TenantRole.USER),
    "tenants.remove_member": lambda s, a, _: s.tenants.remove_member(a, "home", "viewer"),
    "users.create": lambda s, a, _: s.users.create(
        a, "new", NewUser(password=SecretValue("a long password"))
    ),
    "users.update, system role": lambda s, a, _: s.users.update(
        a, "eve", UserChange(system_role=SystemRole.SYS_ADMIN)
    ),
    "users.update": lambda s, a, _: s.users.update(a, "eve", UserChange(active=False)),
    "setup.recover": lambda s, _, __: s.setup.recover("admin", lambda _: None),
    "users.update, linked": lambda s, a, _: s.users.update(
        a, "eve", UserChange(issuer=ISSUER, subject="sub-eve")
    ),
    "sign_in.finish": lambda s, _, __: _sign_in(s),
    "sign_in.grant": lambda s, _, c: s.sign_in.grant(SignedIn(SignInPurpose.LOOPBACK, c.viewer), "login"),
    "sign_in.poll_device": lambda s, _, __: s.sign_in.poll_device("example", "x"),
    "users.unlock": lambda s, a, _: s.users.unlock(a, "eve"),
    "users.set_password": lambda s, a, _: s.users.set_password(
        a, "eve", NewPassword(SecretValue("another password"))
    ),
    "users.set_password, tokens": lambda s, a, _: s.users.set_password(
        a, "eve", NewPassword(SecretValue("another password"), revoke_tokens=True)
    ),
    "users.delete": lambda s, a, _: s.users.delete(a, "spare"),
    "users.delete, reassigned": lambda s, a, _: s.users.delete(a, "viewer", reassign_to="eve"),
    "tokens.create": lambda s, a, _: s.tokens.create(a, NewToken(username="eve")),
    "approvals.request": lambda s, _, c: s.approvals.request(c.asker, "home", ApprovalRequest(_bundle("c"))),
    "approvals.grant": lambda s, _, c: s.approvals.grant(c.person, "home", c.approvals[0], ApprovalGrant()),
    "approvals.deny": lambda s, a, c: s.approvals.deny(a, "home", c.approvals[0]),
    "approvals.resolve": lambda s, _, c: s.approvals.resolve(
        c.asker, "home", c.approvals[1], _bundle("b").digest
    ),
    "trusts.create": lambda s, a, _: s.trusts.create(a, "other", wanted()),
    "trusts.update": lambda s, a, _: s.trusts.update(a, "shop", TrustChange(enabled=False)),
    "trusts.delete": lambda s, a, _: s.trusts.delete(a, "shop"),
    "trusts.exchange": lambda s, _, c: s.trusts.exchange(jwt(c.world)),
    "webhooks.create": lambda s, a, _: s.webhooks.create(a, "other", NewWebhook(url=f"{NOWHERE}/x")),
    "webhooks.update": lambda s, a, _: s.webhooks.update(a, "hook", WebhookChange(active=False)),
    "webhooks.rotate_secret": lambda s, a, _: s.webhooks.rotate_secret(a, "hook"),
    "webhooks.test": lambda s, a, _: s.webhooks.test(a, "hook"),
    "webhooks.delete": lambda s, a, _: s.webhooks.delete(a, "hook"),
    "tokens.rotate": lambda s, a, c: s.tokens.rotate(a, c.token),
    "tokens.revoke": lambda s, a, c: s.tokens.revoke(a, c.token),
    "sessions.open": lambda s, _, __: s.sessions.open(username="eve", password="eve's password"),
    "sessions.open_for": lambda s, _, c: s.sessions.open_for(c.viewer),
    "sessions.confirm_by": lambda s, _, c: s.sessions.confirm_by(
        c.session, s.sessions.authenticate(c.session)
    ),
    "sessions.close": lambda s, _, c: s.sessions.close(c.session),
    "sessions.confirm": lambda s, _, c: s.sessions.confirm(c.session, "eve's password"),
    "trail.reindex": lambda s, a, _: s.trail.reindex(a, "home"),
    "keys.rotate_data": lambda s, a, _: s.keys.rotate_data(a, "", _quiet),
    "keys.rotate_root": lambda s, a, _: _rotate_root(s, a),
}
"""Each method that leaves a record, in each of the ways that matter, by its name."""

NO_RECORD = {
    "use.check",
    "secrets.list",
    "secrets.history",
    "providers.list",
    "providers.part",
    "tenants.list",
    "tenants.get",
    "users.list",
    "users.get",
    "users.whoami",
    "sessions.left",
    "sign_in.options",
    "sign_in.begin",
    "sign_in.begin_device",
    "access.who_can",
    "access.access",
    "approvals.list",
    "approvals.get",
    "approvals.details",
    "trusts.list",
    "trusts.get",
    "trusts.test",
    "trusts.key_ages",
    "webhooks.list",
    "webhooks.get",
    "webhooks.deliveries",
    "delivery.round",
    "delivery.watch",
    "delivery.release",
    "tokens.list",
    "tokens.get",
    "sessions.authenticate",
    "keys.status",
    "keys.steps",
    "usage.unused",
    "usage.stale",
    "where_used.secret",
    "where_used.tenant",
    "trail.verify",
    "trail.head",
    "trail.stream",
    "trail.records",
    "trail.export",
    "enforcement.is_on",
    "enforcement.vouched",
    "rows.round",
    "rows.watch",
}
"""Methods that tell of things, decrypt no value and change nothing but how far webhooks were told."""

WITHIN = {
    *(f"trail.{name}" for name in ("append", "append_all", "append_holdings", "append_system")),
    *(f"trail.{name}" for name in ("commit", "commit_all", "commit_once", "entry", "read", "round")),
    *(
        "trail.is_genuine",
        "trail.extend",
        "trail.locked",
        "trail.tells_of_rows",
        "trail.renew_mac",
        "trail.append_rows",
        "trail.note_tampered",
        "trail.demand_genuine",
        "trail.enforce",
        "enforcement.finish",
        "tenants.add",
        "tokens.add",
        "secrets.add",
        "setup.initialise",
    ),
}
"""What others call within their own transaction, an empty store's first request, and an old one's last."""


@pytest.fixture(scope="module", params=[*REFUSING], ids=lambda case: f"{case[0]}, {case[1]}")
def closed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Closed]:
    """A store whose database refuses records; since nothing can change it, all attempts share it."""
    dialect, when = request.param
    made = Closed(dialect, when, database(dialect, tmp_path_factory.mktemp("closed")))
    yield made
    made.world.service.close()


@pytest.mark.parametrize("attempt", ATTEMPTS)
@pytest.mark.two_databases(2)  # as it is written or at the commit, by turns
def test_nothing_happens_that_can_t_be_recorded(
    closed: Closed, attempt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt fails with the database's error, no stored value was decrypted, and no row is another."""
    opened: list[object] = []
    open_value = FernetDataKey.open

    def watched(key: FernetDataKey, place: Any, token: str) -> SecretValue:  # noqa: ANN401 - passed on
        if place.purpose is not Purpose.BUNDLE:  # which is what the asker sent, and no value
            opened.append(place)
        return open_value(key, place, token)

    monkeypatch.setattr(FernetDataKey, "open", watched)
    with pytest.raises((StoreError, ConflictError)) as caught:
        ATTEMPTS[attempt](closed.world.service, closed.admin, closed)
    assert caught.value.message.startswith(("the database ", "the change collides with what is stored"))
    assert opened == []
    assert closed.state() == closed.before


def test_the_attempts_would_succeed(tmp_path_factory: pytest.TempPathFactory) -> None:
    """With a trail that can be written they happen, so the tests above can fail."""
    url = database("sqlite", tmp_path_factory.mktemp("open"))
    made = Closed("sqlite", "the write", url)
    made.world.execute("DROP TRIGGER refuse")
    for name in ("use.use", "secrets.rollback", "providers.update", "transfer.export, all tenants"):
        ATTEMPTS[name](made.world.service, made.admin, made)
    assert made.state() != made.before
    made.world.service.close()


def test_every_method_is_tried(embedded: World) -> None:
    """Each public method of the service is tried above, or named among those that need no record."""
    loaded = [name for name, kind in vars(Service).items() if isinstance(kind, cached_property)]
    methods = {
        f"{part}.{name}"
        for part in ("trail", *loaded)
        for name, _ in inspect.getmembers(type(getattr(embedded.service, part)), inspect.isfunction)
        if not name.startswith("_")
    }
    made = {name for name in vars(embedded.service) if not name.startswith("_")}
    assert made == {"gate", "trail", *loaded}  # the gate only says who is asking
    tried = {name.partition(",")[0] for name in ATTEMPTS}
    assert methods == tried | NO_RECORD | WITHIN
    assert not tried & (NO_RECORD | WITHIN)
    assert {dialect for dialect, _ in REFUSING} == set(DIALECTS)
