"""What is not used: secrets that nobody reads, roles and tokens that are wider than what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resolver.core.model import Scope, SecretValue, Visibility
from resolver.core.permissions import Permission, TenantRole
from resolver.core.secret_changes import SecretChange
from resolver.core.transfer import ExportRequest
from resolver.errors import InvalidRequestError, NotPermittedError
from tests.service.uses import DIGESTS, key_use

if TYPE_CHECKING:
    from resolver.service.usage import Usage

    from resolver.core.model import Caller
    from tests.databases import World


def unused(world: World, since: str = "", caller: Caller | None = None) -> Usage:
    """The report about tenant `home`."""
    return world.service.usage.unused(caller or world.admin, "home", since)


def use(world: World, caller: Caller, *keys: str, tenant: str = "home") -> None:
    """Use keys in a blueprint."""
    assert world.service.use.use(caller, tenant, [key_use(key) for key in keys], DIGESTS).secrets


def test_secrets_that_nobody_reads(world: World) -> None:
    """Using, showing and exporting count; creating, changing, listing, checking and refusals do not."""
    service = world.service
    for key in ("used", "shown", "exported-too", "changed", "listed", "refused"):
        world.secret(key)
    assert [held.name for held in unused(world).secrets] == sorted(
        ["used", "shown", "exported-too", "changed", "listed", "refused"]
    )
    use(world, world.admin, "used")
    service.secrets.show(world.admin, "home", "shown")
    service.secrets.update(world.admin, "home", "changed", SecretChange(value=SecretValue("other")))
    service.secrets.list(world.admin, "home")
    service.use.check(world.admin, "home", ["listed"])
    viewer = world.user("v", home=TenantRole.VIEWER)
    with pytest.raises(NotPermittedError):
        use(world, viewer, "refused")
    narrow = world.caller("admin", Scope(keys=("exported*",)))
    exported = service.transfer.export(narrow, ExportRequest("home")).secrets
    assert [one.secret.key for one in exported] == ["exported-too"]
    assert [held.name for held in unused(world).secrets] == ["changed", "listed", "refused"]


def test_only_the_time_asked_for_counts(world: World) -> None:
    """By default the last 90 days; a distance is ago; what was used before is unused since."""
    world.secret("k")
    use(world, world.admin, "k")
    world.clock.now = "2030-03-31T00:00:00.000Z"
    assert (unused(world).since, unused(world).secrets) == ("2029-12-31T00:00:00.000Z", [])
    world.clock.now = "2030-04-02T00:00:00.000Z"
    assert [held.name for held in unused(world).secrets] == ["k"]
    assert unused(world, "92d").secrets == []
    assert unused(world, "2030-01-01").secrets == []
    assert [held.name for held in unused(world, "2030-01-01 00:01").secrets] == ["k"]
    with pytest.raises(InvalidRequestError, match=r"^the start is malformed$"):
        unused(world, "lately")


def test_a_global_secret_is_used_from_other_tenants(world: World) -> None:
    """Uses in other tenants are in the trail of its own tenant: its manager's report counts them, too."""
    world.secret("g", visibility=Visibility.GLOBAL)
    manager = world.user("m", home=TenantRole.MANAGER)
    use(world, world.user("o", away=TenantRole.OPERATIONS), "g", tenant="away")
    assert unused(world).secrets == []
    assert unused(world, caller=manager).secrets == []


def test_members_who_could_do_with_less(world: World) -> None:
    """Each member is told with the narrowest role that would have done; who needs the role is not."""
    world.secret("k")
    people = {
        name: world.user(name, home=role)
        for name, role in (
            ("idle", TenantRole.USER),
            ("reader", TenantRole.MANAGER),
            ("pipeline", TenantRole.USER),
            ("writer", TenantRole.MANAGER),
            ("fits", TenantRole.OPERATIONS),
            ("looks", TenantRole.VIEWER),
        )
    }
    world.service.secrets.show(people["reader"], "home", "k")
    world.service.secrets.show(people["looks"], "home", "k")
    use(world, people["pipeline"], "k")
    use(world, people["fits"], "k")
    world.service.secrets.update(people["writer"], "home", "k", SecretChange(value=SecretValue("new")))
    found = {member.username: (member.role, member.enough) for member in unused(world).members}
    assert found == {
        "idle": (TenantRole.USER, None),
        "reader": (TenantRole.MANAGER, TenantRole.VIEWER),
        "pipeline": (TenantRole.USER, TenantRole.OPERATIONS),
        "writer": (TenantRole.MANAGER, TenantRole.USER),
    }


def test_tokens_that_could_be_narrower(world: World) -> None:
    """A token is told with what was used and what never was, and the keys; one that fits is not told."""
    for key in ("shop_a", "shop_b", "other"):
        world.secret(key)
    world.user("p", home=TenantRole.OPERATIONS)
    wide = world.caller("p")
    fitting = world.caller("p", Scope(permissions=frozenset({Permission.SECRET_USE})))
    elsewhere = world.caller("p", Scope(tenants=frozenset({"away"})))
    use(world, wide, "shop_a", "shop_b")
    use(world, fitting, "other")
    tokens = {token.id: token for token in unused(world).tokens or ()}
    assert fitting.token_id not in tokens
    assert elsewhere.token_id not in tokens  # it permits nothing here
    told = tokens[wide.token_id]
    assert (told.username, told.used, list(told.keys)) == (
        "p",
        {Permission.SECRET_USE},
        ["shop_a", "shop_b"],
    )
    assert Permission.SECRET_SHOW in told.unused
    assert Permission.SECRET_USE not in told.unused


def test_who_may_ask(world: World) -> None:
    """A manager is told of the own tenant, no tokens; nor is a narrowed sys_admin; a user is refused."""
    manager = world.user("m", home=TenantRole.MANAGER)
    assert unused(world, caller=manager).tokens is None
    narrow = world.caller("admin", Scope(tenants=frozenset({"home"})))
    assert unused(world, caller=narrow).tokens is None
    with pytest.raises(
        NotPermittedError, match=r"^user 'm' is not permitted to read the audit trail in tenant 'away'$"
    ):
        world.service.usage.unused(manager, "away")
    with pytest.raises(NotPermittedError):
        unused(world, caller=world.user("u", home=TenantRole.USER))
