"""The access table of secrets providers: who may do what with them, learned from the rules alone."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from resolver.core.model import FULL_SCOPE, Scope, Visibility
from resolver.core.permissions import Permission, SystemRole, TenantRole
from resolver.core.providers import NewProvider, ProviderChange, ProviderCheck
from resolver.errors import ConflictError, InvalidRequestError, NotFoundError, NotPermittedError
from tests.databases import DIALECTS, RewoundStore, World, database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resolver.core.model import Caller

pytestmark = pytest.mark.slow

PARAMETERS = {"url": "http://127.0.0.1:9", "token": "t", "path": "team", "mount": "secret"}

WRITERS = {"sys_admin", "manager", "user"}
MEMBERS = WRITERS | {"operations", "viewer"}

ACTIONS = {
    "list": "provider:list",
    "get": "provider:list",
    "create": "provider:create",
    "create global": "provider:create",
    "create taken": "provider:create",
    "update": "provider:update",
    "widen to global": "provider:update",
    "delete": "provider:delete",
    "test": "provider:create",
}
"""What is tried, and the permission that it needs in the tenant that is asked."""

MAY = {
    "provider:list": MEMBERS,
    "provider:create": WRITERS,
    "provider:update": WRITERS,
    "provider:delete": WRITERS,
    "provider:credentials": {"sys_admin"},
    "secret:create_global": {"sys_admin"},
}
"""The rows of the table of roles that providers have."""

SCOPES = {
    "none": FULL_SCOPE,
    "to listing": Scope(permissions=frozenset({Permission.PROVIDER_LIST})),
    "to home": Scope(tenants=frozenset({"home"})),
    "to away": Scope(tenants=frozenset({"away"})),
    "to keys": Scope(keys=("*",)),
}


@dataclass(frozen=True)
class Case:
    """One line of the table. The provider lives in `home`; `asked` is the tenant that is named."""

    home: str
    away: str
    visibility: str
    mine: bool
    asked: str
    scope: str
    action: str

    @property
    def subject(self) -> str:
        """A user name that tells roles and ownership."""
        return f"{self.home}-{self.away}".replace("_", "-")


def expected(case: Case) -> str:  # noqa: C901, PLR0911 - one for each rule
    """What the rules say of a case."""
    sys_admin = case.home == "sys_admin"

    def may(permission: str) -> bool:
        """By the role in the tenant asked, as far as the token reaches."""
        if case.scope in {"to home", "to away"} and case.scope != f"to {case.asked}":
            return False
        if case.scope == "to listing" and permission != "provider:list":
            return False
        if case.scope == "to keys" and permission not in {"provider:list", "secret:create_global"}:
            return False  # providers are no key's own
        role = "sys_admin" if sys_admin else case.home if case.asked == "home" else case.away
        return role in MAY[permission]

    if not may(ACTIONS[case.action]):
        return "not permitted"
    rules_home = (sys_admin or case.home == "manager") and case.scope != "to away"
    seen = case.visibility == "global" or (
        case.asked == "home" and (case.visibility == "tenant" or case.mine or rules_home)
    )
    if case.action == "list":
        return "listed" if seen else "not listed"
    if case.action.startswith("create"):
        if case.action == "create global" and not may("secret:create_global"):
            return "not permitted"
        # Whoever may create learns that a name is taken; another tenant's own is no matter here.
        taken = case.action == "create taken" and (case.asked == "home" or case.visibility == "global")
        return "conflict" if taken else "done"
    if not seen:
        return "not found"
    if case.action == "get":
        return "with credentials" if may("provider:credentials") else "without credentials"
    if case.action == "test":
        return "done"
    if case.asked != "home":
        return "not permitted"  # it is global: changed and deleted from its own tenant only
    widened = case.action == "widen to global" and case.visibility != "global"
    return "not permitted" if widened and not may("secret:create_global") else "done"


class Table:
    """The service with one provider of each visibility, set back after each case."""

    def __init__(self, url: str) -> None:
        self.store = RewoundStore(url)
        self.world = World(url, self.store)
        self.world.user("somebody")
        for visibility in Visibility:
            self.world.service.providers.create(
                self.world.admin, "home", f"v-{visibility}", NewProvider("vault", PARAMETERS, visibility)
            )
        self.callers: dict[tuple[str, str], Caller] = {}

    def caller(self, case: Case) -> Caller:
        """The one who asks, made once."""
        if (case.subject, "none") not in self.callers:
            if case.home == "sys_admin":
                self.world.user(case.subject, system_role=SystemRole.SYS_ADMIN)
            else:
                home, away = (None if role == "none" else TenantRole(role) for role in (case.home, case.away))
                self.world.user(case.subject, home, away)
            for name, scope in SCOPES.items():
                self.callers[case.subject, name] = self.world.caller(case.subject, scope)
        return self.callers[case.subject, case.scope]

    def outcome(self, case: Case) -> str:
        """What the service does, and nothing of it stays."""
        caller = self.caller(case)
        with self.store.rewinding():
            self.store.connection.execute(
                text(
                    "UPDATE secrets_provider SET owner_id = (SELECT id FROM user_account WHERE name = :name)"
                ),
                {"name": case.subject if case.mine else "somebody"},
            )
            self.world.vouch("provider")
            try:
                return self._attempt(case, caller)
            except NotPermittedError:
                return "not permitted"
            except NotFoundError:
                return "not found"
            except ConflictError:
                return "conflict"
            except InvalidRequestError:
                return "invalid"

    def _attempt(self, case: Case, caller: Caller) -> str:
        providers, asked, name = self.world.service.providers, case.asked, f"v-{case.visibility}"
        match case.action:
            case "list":
                names = {provider.name for provider in providers.list(caller, asked)}
                return "listed" if name in names else "not listed"
            case "get":
                info = providers.get(caller, asked, name)
                assert info.parameters in (None, PARAMETERS)
                return "without credentials" if info.parameters is None else "with credentials"
            case "create" | "create global" | "create taken":
                wide = Visibility.GLOBAL if case.action == "create global" else Visibility.TENANT
                new = name if case.action == "create taken" else "new"
                providers.create(caller, asked, new, NewProvider("vault", PARAMETERS, wide))
            case "update":
                providers.update(caller, asked, name, ProviderChange(parameters={"token": "other"}))
            case "widen to global":
                providers.update(caller, asked, name, ProviderChange(visibility=Visibility.GLOBAL))
            case "delete":
                providers.delete(caller, asked, name)
            case "test":
                answers = providers.test(caller, asked, ProviderCheck(name=name))
                assert answers is False  # nobody listens there
        return "done"


_WITH_NARROW_TOKENS = {("private", True), ("global", False)}


def cases() -> Iterator[Case]:
    """All of them; with narrowed tokens those in which more than the role matters."""
    roles = ("none", "manager", "user", "operations", "viewer")
    subjects = [("sys_admin", "none"), *((role, "none") for role in roles)]
    subjects += [("none", "manager"), ("none", "viewer"), ("viewer", "manager"), ("user", "user")]
    for home, away in subjects:
        for visibility, mine, asked, scope, action in itertools.product(
            map(str, Visibility), (False, True), ("home", "away"), SCOPES, ACTIONS
        ):
            telling = home in {"sys_admin", "manager"} or away == "manager"
            if scope == "none" or (telling and (visibility, mine) in _WITH_NARROW_TOKENS):
                yield Case(home, away, visibility, mine, asked, scope, action)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.slow
def test_the_service_does_what_the_rules_say(dialect: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each role x visibility x owner x tenant x scope x action ends as the rules say."""
    table = Table(database(dialect, tmp_path_factory.mktemp("providers")))
    whole = list(cases())
    if dialect == "postgresql":  # slower: decisions that no query knows of are left out
        few = {"sys_admin", "manager", "user"}
        whole = [case for case in whole if case.scope == "none" and case.home in few]
    wrong = [
        f"{case}: expected {expected(case)!r}, found {found!r}"
        for case in whole
        for found in (table.outcome(case),)
        if found != expected(case)
    ]
    table.store.close()
    assert not wrong, f"{len(wrong)} disagreements:\n" + "\n".join(wrong[:20])
    assert {expected(case) for case in whole} == {
        "not permitted",
        "not found",
        "conflict",
        "done",
        "listed",
        "not listed",
        "with credentials",
        "without credentials",
    }
