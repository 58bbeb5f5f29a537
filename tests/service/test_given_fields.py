"""Each field of what a caller wants is carried all the way: it reads back as it was given.

A field that is added to one of these records and to no example fails here by name; one that the service or
the store drops, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from msgspec.structs import asdict

from resolver.core.account_changes import NewToken, NewUser, UserChange
from resolver.core.model import SecretValue, Visibility
from resolver.core.permissions import Permission, SystemRole, TenantRole
from resolver.core.providers import NewProvider, ProviderChange
from resolver.core.secret_changes import NewSecret, SecretChange
from tests.people import let_in_by, provider_of
from tests.trusting import ISSUER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from msgspec import Struct

    from tests.databases import World

VALUE = SecretValue('{"a": 1}')
SECRET: Any = {
    "visibility": Visibility.GLOBAL,
    "hidden": True,
    "expires_at": "2031-01-01T00:00:00.000Z",
    "rotate_after": 9,
    "description": "what it is for",
}
PARAMETERS = {"url": "http://127.0.0.1:1", "token": "t", "path": "team", "mount": "kv"}
OTHER_PARAMETERS = {"url": "http://127.0.0.1:2", "token": "u", "path": "shop", "mount": "kv"}


class Case(NamedTuple):
    """How one record is given to the service, and how its fields are read back.

    Args:
        wanted: the record, with no field as its default has it.
        give: gives it to the service.
        read: what the service then shows, by the names of the record's fields.
    """

    wanted: Struct
    give: Callable[[World, Any], object]
    read: Callable[[World], Mapping[str, object]]


def secret(world: World) -> dict[str, object]:
    """The fields of the secret `k`, with its value and its owner's name."""
    found, value = world.service.secrets.show(world.admin, "home", "k")
    return {**asdict(found), "value": value, "owner": found.owner.name}


def provider(world: World) -> dict[str, object]:
    """The fields of the provider `p`, with its parameters."""
    info = world.service.providers.get(world.admin, "home", "p")
    return {**asdict(info.provider), "parameters": info.parameters}


def user(world: World) -> dict[str, object]:
    """The fields of the user `una`, with the password that lets her in."""
    found = asdict(world.service.users.get(world.admin, "una").user)
    if found["active"]:
        world.service.gate.authenticate_password("una", "her password")
    return {**found, "password": SecretValue("her password")}


def token(world: World) -> dict[str, object]:
    """The fields of the only token of `una`."""
    tokens = world.service.tokens.list(world.admin).items
    (found,) = [each for each in tokens if each.username == "una"]
    return {**asdict(found), **asdict(found.scope)}


def make_secret(world: World, wanted: SecretChange) -> None:
    """Change a secret that others own."""
    world.user("una", TenantRole.MANAGER)
    world.secret("k")
    world.service.secrets.update(world.admin, "home", "k", wanted)


def change_provider(world: World, wanted: ProviderChange) -> None:
    """Change a provider of another type."""
    world.service.providers.create(world.admin, "home", "p", NewProvider("local"))
    world.service.providers.update(world.admin, "home", "p", wanted)


def change_user(world: World, wanted: UserChange) -> None:
    """Change a user that is active and has no role."""
    let_in_by(world, provider_of(ISSUER))
    world.service.users.create(world.admin, "una", NewUser())
    world.service.users.update(world.admin, "una", wanted)


def make_token(world: World, wanted: NewToken) -> None:
    """Make a token for another user."""
    world.service.users.create(world.admin, "una", NewUser())
    world.service.tenants.add_member(world.admin, "home", "una", TenantRole.USER)
    world.service.tokens.create(world.admin, wanted)


CASES = [
    Case(
        NewSecret(value=VALUE, schema='{"type": "object"}', **SECRET),
        lambda world, wanted: world.service.secrets.create(world.admin, "home", "k", wanted),
        secret,
    ),
    Case(SecretChange(value=VALUE, owner="una", **SECRET), make_secret, secret),
    Case(
        NewProvider("vault", PARAMETERS, Visibility.GLOBAL),
        lambda world, wanted: world.service.providers.create(world.admin, "home", "p", wanted),
        provider,
    ),
    Case(
        ProviderChange(kind="vault", parameters=OTHER_PARAMETERS, visibility=Visibility.GLOBAL),
        change_provider,
        provider,
    ),
    Case(
        NewUser(password=SecretValue("her password"), system_role=SystemRole.SYS_ADMIN),
        lambda world, wanted: world.service.users.create(world.admin, "una", wanted),
        user,
    ),
    Case(
        UserChange(system_role=SystemRole.SYS_ADMIN, active=False, issuer=ISSUER, subject="sub-una"),
        change_user,
        user,
    ),
    Case(
        NewToken(
            username="una",
            description="what it is for",
            expires_at="2031-01-01T00:00:00.000Z",
            permissions=frozenset({Permission.SECRET_LIST}),
            tenants=frozenset({"home"}),
            keys=("db_*",),
            networks=("10.0.0.0/8",),
        ),
        make_token,
        token,
    ),
]

ELSEWHERE: Mapping[str, str] = {
    "protected": "keeps the value from being read back, tried in test_approvals.py",
    "update_if_exists": "part of a request, tried with two requests in test_secrets.py",
    "if_version": "part of a request, tried with two requests in test_versions.py",
    "rotated": "part of a request, tried with two requests in test_unchanged.py",
    "provider": "excludes a value, tried in test_provider_values.py",
    "provider_options": "excludes a value, tried in test_provider_values.py",
}
"""Fields that no example has, and why."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: type(case.wanted).__name__)
def test_what_is_given_reads_back(world: World, case: Case) -> None:
    """Each field of a new record, and of a change, has the value that was given."""
    given = {name: value for name, value in asdict(case.wanted).items() if name not in ELSEWHERE}
    case.give(world, case.wanted)
    found = case.read(world)
    assert {name: found[name] for name in given} == given


@pytest.mark.parametrize("case", CASES, ids=lambda case: type(case.wanted).__name__)
def test_no_field_is_left_at_its_default(case: Case) -> None:
    """Else it would read back without having been carried."""
    default = case.wanted.__struct_defaults__
    fields = case.wanted.__struct_fields__
    defaults = dict(zip(fields[len(fields) - len(default) :], default, strict=True))
    given = asdict(case.wanted)
    assert [name for name in fields if name not in ELSEWHERE and given[name] == defaults.get(name)] == []
