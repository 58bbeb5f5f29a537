"""Secrets providers: who may set them up and see what, and where stored credentials go."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from resolver.core.model import Scope, SecretValue, Visibility
from resolver.core.permissions import Permission, SystemRole, TenantRole
from resolver.core.providers import NewProvider, ProviderChange, ProviderCheck
from resolver.core.secret_changes import NewSecret
from resolver.errors import (
    ConflictError,
    InvalidRequestError,
    MisplacedTokenError,
    NotFoundError,
    NotPermittedError,
    TamperedRowError,
)
from resolver.providers import make_types, parse_allow_list
from resolver.service import Service
from tests.peer import Peer, answer, serving
from tests.rest.test_serve import make_certificate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from resolver.core.model import Caller
    from tests.databases import World

TOKEN = "hvs.the-stored-credential"


@pytest.fixture
def vault() -> Iterator[Peer]:
    """A server that takes any token."""
    with serving(lambda _: answer(200, b"{}")) as peer:
        yield peer


def _parameters(peer: Peer, **more: str) -> dict[str, str]:
    return {"url": peer.url, "token": TOKEN, "path": "team", **more}


def _create(world: World, peer: Peer, caller: Caller | None = None, **more: Visibility) -> None:
    world.service.providers.create(
        caller or world.admin, "home", "v", NewProvider("vault", _parameters(peer), **more)
    )


def _stored(world: World) -> Mapping[str, str] | None:
    return world.service.providers.get(world.admin, "home", "v").parameters


def test_connection_parameters_are_sealed_and_for_sys_admins(world: World, vault: Peer) -> None:
    """Encrypted in the database; shown to who may read credentials, which is recorded, and to nobody else."""
    _create(world, vault)
    assert _stored(world) == _parameters(vault, mount="secret")
    (row,) = world.execute("SELECT connection_parameters FROM secrets_provider")
    assert TOKEN not in row[0]
    assert str(vault.port) not in row[0]
    actions = [
        json.loads(record.body)["action"] for record in world.service.trail.records(world.admin, "home")
    ]
    assert actions == ["provider:create", "provider:credentials"]
    for role in TenantRole:
        info = world.service.providers.get(world.user(f"u-{role}", home=role), "home", "v")
        assert info.parameters is None
        assert TOKEN not in repr(info)
    narrowed = world.caller("admin", scope=Scope(permissions=frozenset({Permission.PROVIDER_LIST})))
    assert world.service.providers.get(narrowed, "home", "v").parameters is None


@pytest.mark.parametrize("role", [TenantRole.OPERATIONS, TenantRole.VIEWER, None])
def test_who_may_not_manage_providers(embedded: World, vault: Peer, role: TenantRole | None) -> None:
    """Operations and viewers may list; strangers nothing; all in the words for what does not exist, too."""
    _create(embedded, vault)
    who = embedded.user("u", home=role)
    service = embedded.service.providers
    seen = len(vault.seen)
    for attempt in (
        lambda: service.create(who, "home", "w", NewProvider("vault", _parameters(vault))),
        lambda: service.update(who, "home", "v", ProviderChange(parameters={"path": "x"})),
        lambda: service.delete(who, "home", "v"),
        lambda: service.test(who, "home", ProviderCheck(name="v")),
        lambda: service.test(who, "home", ProviderCheck(kind="vault", parameters=_parameters(vault))),
    ):
        with pytest.raises(
            NotPermittedError, match=r"is not permitted to .* secrets providers in tenant 'home'"
        ):
            attempt()
    if role is None:
        for tenant in ("home", "no-such-tenant"):
            with pytest.raises(NotPermittedError, match=f"to list secrets providers in tenant '{tenant}'"):
                service.list(who, tenant)
    else:
        assert [provider.name for provider in service.list(who, "home")] == ["v"]
    assert len(vault.seen) == seen


def test_stored_credentials_stay_with_their_destination(world: World, vault: Peer, tmp_path: Path) -> None:
    """A user who may change a provider can't have its token sent elsewhere, by a change or by a test."""
    _create(world, vault)
    authority = make_certificate(tmp_path)[0].read_text()
    user = world.user("u", home=TenantRole.USER)
    service = world.service.providers
    with serving(lambda _: answer(200, b"{}")) as thief:
        for moved in (
            {"url": thief.url},
            {"url": vault.url.replace("http:", "https:")},
            {"url": f"{vault.url}/prefix"},
            {"path": "other"},
            {"mount": "kv"},
            {"namespace": "other"},
            {"ca_cert": authority},
        ):
            names = ", ".join(sorted(moved))
            with pytest.raises(InvalidRequestError, match=f"^another {names} needs the credentials again$"):
                service.update(user, "home", "v", ProviderChange(parameters=moved))
            with pytest.raises(InvalidRequestError, match="needs the credentials again"):
                service.test(user, "home", ProviderCheck(name="v", parameters=moved))
        with pytest.raises(InvalidRequestError, match="parameter 'host' is missing"):
            service.update(
                user,
                "home",
                "v",
                ProviderChange(kind="cloudify", parameters={"tenant": "t", "protocol": "http"}),
            )
        assert thief.seen == []
        assert _stored(world) == _parameters(vault, mount="secret")
        # With credentials of one's own it is another provider, and the stored ones are gone.
        service.update(user, "home", "v", ProviderChange(parameters={"url": thief.url, "token": "mine"}))
        assert service.test(user, "home", ProviderCheck(name="v"))
        assert all(TOKEN not in head for head in thief.seen)
    assert all("mine" not in head for head in vault.seen)


@pytest.mark.parametrize(
    "changed",
    ["host", "port", "protocol", "tenant", "cert"],
)
def test_stored_credentials_stay_with_their_manager(
    embedded: World, vault: Peer, tmp_path: Path, changed: str
) -> None:
    """The same for the type `cloudify`, whatever is changed about the connection."""
    login = {"host": "127.0.0.1", "port": str(vault.port), "protocol": "http", "tenant": "t"}
    service = embedded.service.providers
    service.create(
        embedded.admin, "home", "c", NewProvider("cloudify", {**login, "username": "u", "password": TOKEN})
    )
    with serving(lambda _: answer(200, b"{}")) as thief:
        moved = {
            "host": "127.0.0.2",
            "port": str(thief.port),
            "protocol": "https",
            "tenant": "another",
            "cert": make_certificate(tmp_path)[0].read_text(),
        }
        change = {changed: moved[changed]}
        user = embedded.user("u", home=TenantRole.USER)
        message = f"^another {changed} needs the credentials again$"
        with pytest.raises(InvalidRequestError, match=message):
            service.update(user, "home", "c", ProviderChange(parameters=change))
        with pytest.raises(InvalidRequestError, match=message):
            service.test(user, "home", ProviderCheck(name="c", parameters=change))
        assert thief.seen == vault.seen == []


def test_credentials_can_be_changed_alone(embedded: World, vault: Peer) -> None:
    """The destination stays."""
    _create(embedded, vault)
    embedded.service.providers.update(
        embedded.admin, "home", "v", ProviderChange(parameters={"token": "newer"})
    )
    assert _stored(embedded) == _parameters(vault, mount="secret", token="newer")


def test_half_a_login_does_not_take_the_other_half(embedded: World, vault: Peer) -> None:
    """A user name alone, with another host, does not get the stored password."""
    login = {"host": "127.0.0.1", "port": str(vault.port), "protocol": "http", "tenant": "t"}
    service = embedded.service.providers
    service.create(
        embedded.admin, "home", "c", NewProvider("cloudify", {**login, "username": "u", "password": "p"})
    )
    with (
        serving(lambda _: answer(200, b"{}")) as thief,
        pytest.raises(InvalidRequestError, match="give either"),
    ):
        service.update(
            embedded.admin, "home", "c", ProviderChange(parameters={"port": str(thief.port), "username": "u"})
        )
    assert thief.seen == []


def test_the_type_stays_while_secrets_are_kept_with_it(world: World, vault: Peer) -> None:
    """Else a value that is elsewhere would be an empty one of this store, and one that is here be gone."""
    _create(world, vault)
    world.service.providers.create(world.admin, "home", "l", NewProvider("local"))
    world.service.secrets.create(world.admin, "home", "there", NewSecret(provider="v"))
    world.service.secrets.create(
        world.admin, "home", "here", NewSecret(value=SecretValue("value"), provider="l")
    )
    user = world.user("u", home=TenantRole.USER)
    update = world.service.providers.update
    with pytest.raises(ConflictError, match=r"^secrets are kept with provider 'v'$"):
        update(user, "home", "v", ProviderChange(kind="local"))
    with pytest.raises(ConflictError, match=r"^secrets are kept with provider 'l': here$") as raised:
        update(world.admin, "home", "l", ProviderChange(kind="vault", parameters=_parameters(vault)))
    assert raised.value.hint == "delete them, or keep them elsewhere, before it gets another type"
    for key in ("there", "here"):
        world.service.secrets.delete(world.admin, "home", key)
    assert update(user, "home", "v", ProviderChange(kind="local")).kind == "local"
    assert _stored(world) == {}


def test_a_test_answers_yes_or_no(embedded: World) -> None:
    """For a stored provider and for one that could be set up; a stored one gets no second destination."""
    service = embedded.service.providers
    with serving(lambda head: answer(200 if TOKEN in head else 403, b"{}")) as peer:
        _create(embedded, peer)
        assert service.test(embedded.admin, "home", ProviderCheck(name="v"))
        assert service.test(embedded.admin, "home", ProviderCheck(kind="vault", parameters=_parameters(peer)))
        assert not service.test(
            embedded.admin, "home", ProviderCheck(kind="vault", parameters=_parameters(peer, token="x"))
        )
    assert not service.test(embedded.admin, "home", ProviderCheck(name="v"))
    with pytest.raises(InvalidRequestError, match="give the name of a secrets provider, or a type"):
        service.test(embedded.admin, "home", ProviderCheck())
    with pytest.raises(NotFoundError, match="secrets provider 'w' was not found in tenant 'home'"):
        service.test(embedded.admin, "home", ProviderCheck(name="w"))


def test_a_destination_that_is_not_allowed_is_refused(embedded: World) -> None:
    """At creation, at a test, and with a change."""
    service = embedded.service.providers
    elsewhere = {"url": "http://vault.example", "token": "t", "path": "a"}
    for attempt in (
        lambda: service.create(embedded.admin, "home", "v", NewProvider("vault", elsewhere)),
        lambda: service.test(embedded.admin, "home", ProviderCheck(kind="vault", parameters=elsewhere)),
    ):
        with pytest.raises(NotPermittedError, match=r"^the destination vault\.example:80 is not allowed$"):
            attempt()
    with pytest.raises(InvalidRequestError, match="there is no such type of secrets provider"):
        service.create(embedded.admin, "home", "v", NewProvider("ldap"))


def test_a_stored_destination_is_not_told(embedded: World, vault: Peer) -> None:
    """Once it is not allowed any more, changes and tests are refused in words that do not say where it is."""
    _create(embedded, vault)
    strict = Service(
        embedded.store,
        embedded.ring,
        lambda: embedded.passwords,
        embedded.clock,
        provider_types=lambda: make_types(parse_allow_list(["vault.example"])),
    )
    user = embedded.user("u", home=TenantRole.USER)
    told = r"^the destination of secrets provider 'v' is not allowed$"
    for attempt in (
        lambda: strict.providers.update(user, "home", "v", ProviderChange(visibility=Visibility.TENANT)),
        lambda: strict.providers.update(user, "home", "v", ProviderChange(parameters={"path": "x"})),
        lambda: strict.providers.test(user, "home", ProviderCheck(name="v")),
        lambda: strict.providers.test(user, "home", ProviderCheck(name="v", parameters={"token": "mine"})),
    ):
        with pytest.raises(NotPermittedError, match=told):
            attempt()


def test_visibility_of_providers(world: World, vault: Peer) -> None:
    """Private ones are the creator's and the administrators'; a global one is seen in every tenant."""
    user, other = world.user("u", home=TenantRole.USER), world.user("o", home=TenantRole.USER)
    stranger = world.user("s", away=TenantRole.MANAGER)
    _create(world, vault, user, visibility=Visibility.PRIVATE)
    service = world.service.providers
    assert service.get(user, "home", "v").provider.owner.name == "u"
    assert service.get(world.user("m", home=TenantRole.MANAGER), "home", "v")
    assert service.list(other, "home") == []
    for attempt in (
        lambda: service.get(other, "home", "v"),
        lambda: service.update(other, "home", "v", ProviderChange(parameters={"path": "x"})),
        lambda: service.delete(other, "home", "v"),
        lambda: service.get(stranger, "away", "v"),
    ):
        with pytest.raises(NotFoundError, match="secrets provider 'v' was not found in tenant"):
            attempt()
    with pytest.raises(NotPermittedError, match="not permitted to make a secrets provider global"):
        service.update(user, "home", "v", ProviderChange(visibility=Visibility.GLOBAL))
    service.update(world.admin, "home", "v", ProviderChange(visibility=Visibility.GLOBAL))
    assert service.get(stranger, "away", "v").provider.tenant.name == "home"
    with pytest.raises(InvalidRequestError, match="visibility is never narrowed"):
        service.update(world.admin, "home", "v", ProviderChange(visibility=Visibility.TENANT))
    for attempt in (
        lambda: service.update(stranger, "away", "v", ProviderChange(parameters={"path": "x"})),
        lambda: service.delete(stranger, "away", "v"),
    ):
        with pytest.raises(NotPermittedError, match="is global and belongs to tenant 'home'"):
            attempt()


def test_a_taken_name_is_a_conflict(world: World, vault: Peer) -> None:
    """In its tenant, and where a global one is seen."""
    _create(world, vault)
    with pytest.raises(ConflictError, match=r"^secrets provider 'v' already exists$"):
        _create(world, vault)
    world.service.providers.create(world.admin, "away", "v", NewProvider("local"))
    world.service.providers.delete(world.admin, "home", "v")
    with pytest.raises(NotFoundError):
        world.service.providers.get(world.admin, "home", "v")


def test_parameters_moved_to_another_provider_do_not_open(world: World, vault: Peer) -> None:
    """A token of one row put into another is told apart from one that does not decrypt."""
    _create(world, vault)
    world.service.providers.create(world.admin, "home", "w", NewProvider("vault", _parameters(vault)))
    world.execute(
        "UPDATE secrets_provider SET connection_parameters ="
        " (SELECT connection_parameters FROM secrets_provider WHERE name = 'v') WHERE name = 'w'"
    )
    with pytest.raises(TamperedRowError):
        world.service.providers.get(world.admin, "home", "w")
    world.vouch("provider")
    with pytest.raises(MisplacedTokenError):
        world.service.providers.get(world.admin, "home", "w")


def test_sys_admins_of_the_system_role_may(world: World, vault: Peer) -> None:
    """The role is enough, without membership."""
    admin = world.user("a", system_role=SystemRole.SYS_ADMIN)
    _create(world, vault, admin)
    assert _stored(world) is not None
