"""Managing secrets: what is stored, what is refused, and that a refusal changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resolver.core.account_changes import NewUser, UserChange
from resolver.core.model import MAX_VALUE_BYTES, SecretValue, Visibility
from resolver.core.permissions import SystemRole, TenantRole
from resolver.core.secret_changes import NewSecret, SecretChange
from resolver.errors import ConflictError, InvalidRequestError, NotFoundError, NotPermittedError

if TYPE_CHECKING:
    from tests.databases import World


def shown(world: World, key: str) -> str:
    """The value of a secret, as its administrator sees it."""
    _, value = world.service.secrets.show(world.admin, "home", key)
    assert value is not None
    return value.reveal()


@pytest.mark.parametrize(
    "value", ["x", "päß\n", "\0", '{"a": [1]}', " leading", "x" * MAX_VALUE_BYTES, "🔑" * 100], ids=len
)
def test_a_value_comes_back_exactly(world: World, value: str) -> None:
    """Any text up to 1 MiB is stored and shown as it was given, and lies encrypted in the database."""
    world.secret("k", value)
    assert shown(world, "k") == value
    (row,) = world.execute("SELECT token FROM secret_version")
    assert value not in row[0] or len(value) == 1
    world.service.secrets.update(world.admin, "home", "k", SecretChange(value=SecretValue("second")))
    assert shown(world, "k") == "second"


def test_a_taken_key_is_a_conflict_and_never_whose(world: World) -> None:
    """Creating a taken key says so in the same words whether one may see the secret or not."""
    world.secret("seen")
    world.secret("unseen", visibility=Visibility.PRIVATE)
    user = world.user("u", home=TenantRole.USER)
    texts = set()
    for key in ("seen", "unseen"):
        for update in (False, True) if key == "unseen" else (False,):
            with pytest.raises(ConflictError) as caught:
                world.service.secrets.create(
                    user, "home", key, NewSecret(value=SecretValue("mine"), update_if_exists=update)
                )
            texts.add(caught.value.message.replace(key, "K") + caught.value.hint)
    assert len(texts) == 1
    assert "admin" not in texts.pop()
    assert (shown(world, "seen"), shown(world, "unseen")) == ("value", "value")


def test_create_or_update_keeps_everything_but_the_value(world: World) -> None:
    """Updating a key that is there makes a version, and leaves visibility, hiding and owner as they are."""
    made = world.secret("k", visibility=Visibility.PRIVATE, hidden=True)
    again = world.service.secrets.create(
        world.admin, "home", "k", NewSecret(value=SecretValue("second"), update_if_exists=True)
    )
    assert (again.id, again.version, again.visibility, again.hidden) == (made.id, 2, Visibility.PRIVATE, True)
    assert shown(world, "k") == "second"
    fresh = world.service.secrets.create(
        world.admin, "home", "other", NewSecret(value=SecretValue("first"), update_if_exists=True)
    )
    assert fresh.version == 1


def test_visibility_is_widened_never_narrowed(world: World) -> None:
    """Private becomes tenant becomes global; each way back is refused."""
    secrets = world.service.secrets
    world.secret("k", visibility=Visibility.PRIVATE)
    order = list(Visibility)
    for number, wider in enumerate(order[1:], 1):
        assert secrets.update(world.admin, "home", "k", SecretChange(visibility=wider)).visibility is wider
        for narrower in order[:number]:
            with pytest.raises(InvalidRequestError, match=r"visibility is never narrowed$"):
                secrets.update(world.admin, "home", "k", SecretChange(visibility=narrower))
    assert shown(world, "k") == "value"


def test_a_global_key_is_the_only_one_of_its_name(world: World) -> None:
    """Neither way round do a global key and another tenant's coexist; a deleted one makes room."""
    secrets = world.service.secrets
    world.secret("k", visibility=Visibility.GLOBAL)
    for visibility in Visibility:
        with pytest.raises(ConflictError, match=r"^secret 'k' already exists$"):
            world.secret("k", tenant="away", visibility=visibility)
    secrets.delete(world.admin, "home", "k")
    world.secret("k", tenant="away")
    with pytest.raises(ConflictError, match=r"^secret 'k' already exists$"):
        world.secret("k", visibility=Visibility.GLOBAL)
    world.secret("k")
    with pytest.raises(ConflictError, match=r"can't be made global: its key is used in another tenant$"):
        secrets.update(world.admin, "home", "k", SecretChange(visibility=Visibility.GLOBAL))
    secrets.delete(world.admin, "away", "k")
    assert (
        secrets.update(world.admin, "home", "k", SecretChange(visibility=Visibility.GLOBAL)).visibility
        == "global"
    )
    assert [secret.key for secret in secrets.list(world.admin, "away").items] == ["k"]


def test_a_global_secret_is_changed_from_its_own_tenant_only(world: World) -> None:
    """From another tenant it is used and shown; changing it there is refused, and says where it belongs."""
    world.secret("k", visibility=Visibility.GLOBAL)
    secrets = world.service.secrets
    for attempt in (
        lambda: secrets.update(world.admin, "away", "k", SecretChange(value=SecretValue("2"))),
        lambda: secrets.delete(world.admin, "away", "k"),
    ):
        with pytest.raises(NotPermittedError, match=r"^secret 'k' is global and belongs to tenant 'home'$"):
            attempt()
    assert secrets.show(world.admin, "away", "k")[1] is not None
    secrets.delete(world.admin, "home", "k")
    with pytest.raises(NotFoundError):
        secrets.show(world.admin, "away", "k")


def test_a_hidden_value_stays_with_its_creator(world: World) -> None:
    """The creator sees and changes it until demoted; another user uses it without seeing it."""
    creator, other = world.user("c", home=TenantRole.USER), world.user("o", home=TenantRole.USER)
    secrets = world.service.secrets
    secrets.create(creator, "home", "k", NewSecret(value=SecretValue("the value"), hidden=True))
    assert secrets.show(creator, "home", "k")[1] is not None
    assert secrets.show(other, "home", "k")[1] is None
    with pytest.raises(NotPermittedError, match=r"is not permitted to change the hidden secret 'k'$"):
        secrets.update(other, "home", "k", SecretChange(hidden=False))
    world.service.tenants.add_member(world.admin, "home", "c", TenantRole.VIEWER)
    with pytest.raises(NotPermittedError):
        secrets.update(creator, "home", "k", SecretChange(value=SecretValue("2")))
    world.service.tenants.add_member(world.admin, "home", "o", TenantRole.MANAGER)
    assert secrets.update(other, "home", "k", SecretChange(hidden=False)).hidden is False


@pytest.mark.parametrize(
    "value", ["", "x" * (MAX_VALUE_BYTES + 1), "\ud800"], ids=["empty", "large", "no UTF-8"]
)
def test_a_value_against_the_rules_is_refused(embedded: World, value: str) -> None:
    """Nothing is stored for a value that breaks the rules, by create or by update."""
    embedded.secret("k")
    with pytest.raises(InvalidRequestError):
        embedded.secret("other", value)
    with pytest.raises(InvalidRequestError):
        embedded.service.secrets.update(embedded.admin, "home", "k", SecretChange(value=SecretValue(value)))
    with pytest.raises(InvalidRequestError, match=r"^nothing to change was given$"):
        embedded.service.secrets.update(embedded.admin, "home", "k", SecretChange())
    assert [secret.version for secret in embedded.service.secrets.list(embedded.admin, "home").items] == [1]


def test_the_last_sys_admin_stays(world: World) -> None:
    """The last active sys_admin can't be demoted; one of two can."""
    service = world.service
    with pytest.raises(ConflictError, match=r"^the last active sys_admin can't be given another role$"):
        service.users.update(world.admin, "admin", UserChange(system_role=SystemRole.DEFAULT))
    world.user("second", system_role=SystemRole.SYS_ADMIN)
    service.users.update(world.admin, "admin", UserChange(system_role=SystemRole.DEFAULT))
    with pytest.raises(NotPermittedError):
        service.users.list(world.admin)


def test_names_are_taken_once(world: World) -> None:
    """A tenant's or user's name is taken once, a user's whatever its case."""
    service = world.service
    service.users.create(world.admin, "Someone", NewUser())
    for attempt in (
        lambda: service.users.create(world.admin, "sOMEONE", NewUser()),
        lambda: service.tenants.create(world.admin, "home"),
    ):
        with pytest.raises(ConflictError, match=r"already exists$"):
            attempt()
    service.tenants.create(world.admin, "Home")
    with pytest.raises(InvalidRequestError):
        service.users.create(world.admin, "no spaces", NewUser())
