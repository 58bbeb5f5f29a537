"""Lists of secrets: whose, in which order, which part; the query against the decisions it stands for."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from resolver.core import policy
from resolver.core.model import Scope, SecretValue, Visibility
from resolver.core.permissions import Permission, TenantRole
from resolver.core.providers import NewProvider
from resolver.core.query import EVERYTHING, Condition, Field, Likeness, Listing, Order
from resolver.core.secret_changes import NewSecret
from resolver.errors import InvalidRequestError, NotPermittedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resolver.core.model import Caller, Secret
    from tests.databases import World

pytestmark = pytest.mark.slow

SCOPES = [
    Scope(),
    Scope(tenants=frozenset({"home"})),
    Scope(tenants=frozenset({"away"})),
    Scope(keys=("h_*", "a_[!p]*")),
    Scope(permissions=frozenset({Permission.SECRET_LIST})),
    Scope(permissions=frozenset({Permission.SECRET_USE})),
]


def keys(secrets: Sequence[Secret]) -> list[str]:
    """Their keys, in order."""
    return [secret.key for secret in secrets]


def fill(world: World) -> list[Secret]:
    """Secrets of every kind, of three owners, in two tenants; all of them."""
    world.user("u", home=TenantRole.USER, away=TenantRole.USER)
    world.user("m", home=TenantRole.MANAGER, away=TenantRole.USER)
    made = []
    for tenant, owner, visibility, hidden in itertools.product(
        ("home", "away"), ("u", "m", "admin"), Visibility, (False, True)
    ):
        if visibility is Visibility.GLOBAL and owner != "admin":
            continue
        key = f"{tenant[0]}_{visibility}_{owner}_{int(hidden)}"
        made.append(
            world.service.secrets.create(
                world.caller(owner),
                tenant,
                key,
                NewSecret(value=SecretValue("value"), visibility=visibility, hidden=hidden),
            )
        )
    return made


def expected(world: World, caller: Caller, secrets: Sequence[Secret], tenants: Sequence[str]) -> set[str]:
    """What the decision about each single secret says."""
    with world.store.read() as session:
        homes = [tenant for tenant in session.tenants() if tenant.name in tenants]
        caller = world.service.gate.current(session, caller)
    permitted = [
        home for home in homes if policy.decide_in_tenant(caller, Permission.SECRET_LIST, home).allowed
    ]
    return {
        secret.key
        for secret in secrets
        if caller.scope.permits_key(secret.key)
        and any(policy.decide(caller, Permission.SECRET_LIST, secret, home).allowed for home in permitted)
    }


def test_a_list_has_what_is_decided_of_each_secret(world: World) -> None:
    """For each user, token and tenant: the query's answer and total equal the decisions, one by one."""
    secrets = fill(world)
    told = 0
    for name, scope in itertools.product(("u", "m", "admin"), SCOPES):
        caller = world.caller(name, scope)
        for tenant in ("home", "away", ""):
            want = expected(world, caller, secrets, [tenant] if tenant else ["home", "away"])
            try:
                page = world.service.secrets.list(caller, tenant, all_tenants=not tenant)
            except NotPermittedError:
                assert want == set()
                continue
            assert set(keys(page.items)) == want
            assert page.total == len(page.items) == len(want)
            told += len(want)
    assert told > 200


def test_all_tenants_judge_each_secret_by_the_role_in_its_own(world: World) -> None:
    """A manager of one tenant who is a user of another does not see that one's private secrets of others."""
    fill(world)
    manager = world.caller("m")
    for tenant in ("", "home"):  # named or not, the tenant asked from changes nothing
        listed = keys(world.service.secrets.list(manager, tenant, all_tenants=True).items)
        assert "h_private_u_0" in listed
        assert "a_private_m_0" in listed
        assert "a_private_u_0" not in listed
    stranger = world.user("stranger")
    with pytest.raises(NotPermittedError, match=r"is not permitted to list secrets in any tenant$"):
        world.service.secrets.list(stranger, "", all_tenants=True)
    with pytest.raises(NotPermittedError, match=r"is not permitted to list secrets in tenant 'home'$"):
        world.service.secrets.list(stranger, "home", all_tenants=True)
    viewer = world.user("viewer", away=TenantRole.VIEWER)
    page = world.service.secrets.list(viewer, "", all_tenants=True)
    assert {secret.tenant.name for secret in page.items if secret.visibility != "global"} == {"away"}


@pytest.mark.parametrize("narrowed", [False, True])
def test_pages_put_together_are_the_whole(world: World, *, narrowed: bool) -> None:
    """Pages of any size follow one another without gap or repetition, each with the whole total."""
    fill(world)
    caller = world.caller("m", Scope(keys=("h_*", "a_*")) if narrowed else Scope())
    whole = world.service.secrets.list(caller, "home")
    for size in (5, 100):
        pages = [
            world.service.secrets.list(caller, "home", Listing(offset=start, size=size))
            for start in range(0, whole.total + size, size)
        ]
        assert [secret for page in pages for secret in page.items] == whole.items
        assert {page.total for page in pages} == {whole.total}
    assert world.service.secrets.list(caller, "home", Listing(offset=3, size=None)).items == whole.items[3:]
    nothing = world.service.secrets.list(caller, "home", Listing(size=0))
    assert (nothing.items, nothing.total) == ([], whole.total)


def test_sorting(world: World) -> None:
    """By several fields, up and down; ties by creation and key; times that are not there come last."""
    secrets = world.service.secrets
    for number, key in enumerate(("b", "B", "a", "Z_", "a-")):
        world.clock.now = f"2030-01-0{number + 1}T00:00:00.000Z"
        expiry = "2031-01-01T00:00:00.000Z" if key in "ab" else None
        secrets.create(
            world.admin,
            "home",
            key,
            NewSecret(value=SecretValue("value"), hidden=key in "bZ_", expires_at=expiry),
        )

    def listed(*order: str) -> list[str]:
        chosen = Listing(order=[Order.parse(text) for text in order], size=None)
        return keys(secrets.list(world.admin, "home", chosen).items)

    assert listed() == ["b", "B", "a", "Z_", "a-"]
    assert listed("key") == listed("+key") == ["B", "Z_", "a", "a-", "b"]
    assert listed("-key") == ["b", "a-", "a", "Z_", "B"]
    assert listed("hidden", "-key") == ["a-", "a", "B", "b", "Z_"]
    assert listed("-hidden", "created_at") == ["b", "Z_", "B", "a", "a-"]
    assert listed("-created_at") == ["a-", "Z_", "a", "B", "b"]
    assert listed("expires_at", "key")[:2] == ["a", "b"]
    assert listed("-expires_at", "key")[-2:] == ["a", "b"]
    for field in Field:
        assert sorted(listed(field, f"-{field}")) == sorted(listed())
    with pytest.raises(InvalidRequestError, match=r"^secrets can't be sorted by this field$"):
        listed("value")


def test_searching(world: World) -> None:
    """A part of the key, in any case and compatible form; no character is a wildcard."""
    for key in ("prod_db", "PROD-db", "prodxdb", "other.key"):
        world.secret(key)

    def found(text: str) -> list[str]:
        return sorted(keys(world.service.secrets.list(world.admin, "home", Listing(text)).items))

    assert found("prod") == found("PrOd") == ["PROD-db", "prod_db", "prodxdb"]
    assert found("\N{FULLWIDTH LATIN SMALL LETTER P}rod") == found("prod")
    assert found("d_d") == ["prod_db"]
    assert found("r.k") == ["other.key"]
    for text in ("%", "\\", "_%", "*", "?", "[p]", "\0", "\ud800", "ß", "'"):
        assert found(text) == []
    assert len(found("")) == 4


def test_filtering_by_fields(world: World) -> None:
    """Values of one field are alternatives, fields go together, and the total counts what is left."""
    fill(world)
    chosen = Listing(equal={Field.VISIBILITY: ["private", "global"], Field.OWNER: ["admin"]}, size=1)
    page = world.service.secrets.list(world.admin, "home", chosen)
    assert (len(page.items), page.total) == (1, 6)
    by_key = Listing(equal={Field.KEY: ["h_tenant_u_0", "\0", "nothing"]}, matches=lambda key: "u" in key)
    assert keys(world.service.secrets.list(world.admin, "home", by_key).items) == ["h_tenant_u_0"]
    with pytest.raises(InvalidRequestError, match=r"are whole numbers from 0$"):
        Listing(offset=-1)


CONDITIONS = {
    Likeness.EQUAL: lambda text, other: text == other,
    Likeness.CONTAINS: lambda text, other: other in text,
    Likeness.STARTS: lambda text, other: text.startswith(other),
    Likeness.ENDS: lambda text, other: text.endswith(other),
}
"""What each likeness means, in Python."""

TEXTS = [
    "",
    "k",
    "K",
    "_",
    "%",
    "*",
    "[k]",
    "k_b",
    "K_B",
    "k_b.long",
    ".",
    "b",
    "\\",
    "'",
    "é",
    "\0",
    "\ud800",
]


def holds(condition: Condition, text: str | None) -> bool:
    """What a condition means of a text, in Python."""
    if text is None:
        return condition.negated
    likeness = CONDITIONS[condition.likeness or Likeness.EQUAL]
    texts = [other.lower() for other in condition.texts] if condition.any_case else condition.texts
    compared = text.lower() if condition.any_case else text
    return condition.negated != any(likeness(compared, other) for other in texts)


def test_conditions_are_the_same_in_every_database(world: World) -> None:
    """Each likeness with each text, alone and in twos, in any case or not, negated or not, as in Python."""
    providers = {}
    world.service.providers.create(world.admin, "home", "k_b", NewProvider("local"))
    for number, key in enumerate(sorted(["k", "K", "k_b", "K_b", "kxb", "k.b", "ab", "k-a", "a.b.c"])):
        providers[key] = None if number % 2 else "k_b"
        world.service.secrets.create(
            world.admin, "home", key, NewSecret(value=SecretValue("value"), provider=providers[key])
        )
    found = 0
    for likeness, text, more, any_case, negated in itertools.product(
        Likeness, TEXTS, ([], ["K"]), (False, True), (False, True)
    ):
        for field in (Field.KEY, Field.PROVIDER):
            condition = Condition(field, likeness, [text, *more], any_case, negated)
            page = world.service.secrets.list(world.admin, "home", Listing(conditions=[condition], size=3))
            asked = {key: key if field is Field.KEY else provider for key, provider in providers.items()}
            want = [key for key, compared in asked.items() if holds(condition, compared)]
            assert (keys(page.items), page.total) == (want[:3], len(want)), condition
            found += len(want)
    assert found > 1000
    for negated in (False, True):
        there = Listing(conditions=[Condition(Field.PROVIDER, None, negated=negated)])
        want = [key for key, provider in providers.items() if (provider is None) is negated]
        assert keys(world.service.secrets.list(world.admin, "home", there).items) == want


def test_a_page_of_many_reads_no_more_than_itself(world: World) -> None:
    """Whatever the conditions. Where a token's patterns have sets, all keys are read for the total."""
    for number in range(60):
        world.secret(f"k_{number:02}")
    starts = Condition(Field.KEY, Likeness.STARTS, ["K"], any_case=True)
    listing = Listing(size=5, offset=10, conditions=[starts])
    globs, sets = (world.caller("admin", Scope(keys=(one,))) for one in ("k_*", "k_[0-5]*"))
    for caller, most in ((world.admin, 5), (globs, 5), (sets, 65)):
        with world.rows_read() as rows:
            page = world.service.secrets.list(caller, "home", listing)
        assert (page.total, keys(page.items)) == (60, [f"k_{number}" for number in range(10, 15)])
        about = [row for row in rows if any(str(cell).startswith("k_") for cell in row)]
        assert len(about) == most


PATTERNS = [
    "*",
    "?",
    "k*",
    "K*",
    "*_b",
    "k_?",
    "k.b*",
    "k-%",
    "k\\*",
    "k_b",
    "?_b",
    "*.*",
    "k]",
    "é*",
    "\0*",
    "[k]*",
    "",
]


def test_a_token_s_patterns_are_the_same_in_every_list(world: World) -> None:
    """What a narrowed token lists is what its patterns match by Python's rules, each alone and in twos."""
    made = ["k", "K", "k_b", "kxb", "k.b", "K_b", "k-a", "a.b.c", "ab", "kb"]
    for key in made:
        world.secret(key)
    for first, second in itertools.product(PATTERNS, ["none", "K?b"]):
        scope = Scope(keys=(first, second))
        caller = replace(world.caller("admin"), token_id="", scope=scope)
        found = world.service.secrets.list(caller, "home", Listing(order=[Order.parse("key")]))
        assert keys(found.items) == sorted(filter(scope.permits_key, made)), scope
        assert found.total == len(found.items)


def test_a_page_is_cut_in_the_database(world: World) -> None:
    """A page of many secrets is one count and one SELECT with a limit, however many there are."""
    fill(world)
    for caller in (world.admin, world.caller("admin", Scope(keys=("h_*", "?_tenant*")))):
        with world.statements() as statements:
            world.service.secrets.list(caller, "home", Listing("tenant", size=2))
        about = [text for text in statements if "FROM secret" in text]
        assert len(about) == 2
        assert "count(" in about[0]
        assert "LIMIT" in about[1]
    assert EVERYTHING.size is None
