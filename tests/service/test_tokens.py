"""Access tokens: which were not used, how one takes another's place, and from where one is taken."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from resolver.core.account_changes import NewPassword, NewToken
from resolver.core.model import SecretValue
from resolver.core.networks import has, parse_networks
from resolver.core.permissions import Permission, SystemRole, TenantRole
from resolver.core.query import Choice
from resolver.core.times import later
from resolver.errors import (
    AuthenticationError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    NotPermittedError,
    TamperedRowError,
    UnconfirmedError,
)
from resolver.service.base import Rules

if TYPE_CHECKING:
    from resolver.core.model import Caller
    from tests.databases import World

DAY = 86400


def passing(world: World, seconds: float) -> None:
    """Let time pass."""
    world.clock.now = later(world.clock.now, seconds)


def owner(world: World, name: str = "eve") -> Caller:
    """A user with a password; the caller by a login just now."""
    world.user(name, home=TenantRole.USER)
    password = SecretValue(f"the password of {name}")
    world.service.users.set_password(world.admin, name, NewPassword(password))
    return world.service.gate.authenticate_password(name, password.reveal())


@pytest.mark.two_databases
def test_tokens_that_were_not_used_are_listed(world: World) -> None:
    """Those that were neither used nor made since then, for the owner and for a sys_admin."""
    eve = owner(world)
    tokens = world.service.tokens
    used, idle = (tokens.create(eve, NewToken(description=text)) for text in ("used", "idle"))
    passing(world, 100 * DAY)
    world.service.gate.authenticate_token(used.token)
    tokens.create(world.admin, NewToken(username="eve", description="new"))
    eve = world.service.gate.authenticate_password("eve", "the password of eve")
    found = tokens.list(eve, unused="90d")
    assert "idle" in [info.description for info in found.items]
    assert not {"used", "new"} & {info.description for info in found.items}
    assert found.total == len(found.items)
    assert idle.info.id in [info.id for info in tokens.list(world.admin, unused="90d").items]
    assert tokens.list(eve, unused="101d").total == 0
    assert tokens.list(eve, Choice(1), "90d").total == found.total
    with pytest.raises(InvalidRequestError, match="the time is malformed"):
        tokens.list(eve, unused="long ago")


@pytest.mark.two_databases
def test_a_successor_is_narrowed_and_lives_as_the_old_one(world: World) -> None:
    """The old token lives for the overlap, and says what took its place; the new one has all its limits."""
    eve, service = owner(world), world.service
    new = NewToken(
        description="shop",
        expires_at=later(world.clock.now, 30 * DAY),
        permissions=frozenset({Permission.SECRET_USE}),
        tenants=frozenset({"home"}),
        keys=("shop_*",),
        networks=("127.0.0.0/8",),
    )
    old = service.tokens.create(eve, new)
    passing(world, 10 * DAY)
    eve = service.gate.authenticate_password("eve", "the password of eve")
    made = service.tokens.rotate(eve, old.info.id)
    assert made.info.scope == old.info.scope
    assert (made.info.description, made.info.username) == ("shop", "eve")
    assert made.info.expires_at == later(world.clock.now, 30 * DAY)
    replaced = service.tokens.get(eve, old.info.id)
    assert (replaced.replaced_by, replaced.expires_at) == (made.info.id, later(world.clock.now, DAY))
    for token in (old.token, made.token):
        assert service.gate.authenticate_token(token).username == "eve"
    with pytest.raises(ConflictError, match=f"was replaced before, by '{made.info.id}'"):
        service.tokens.rotate(eve, old.info.id)
    passing(world, DAY)
    with pytest.raises(AuthenticationError):
        service.gate.authenticate_token(old.token)
    assert service.gate.authenticate_token(made.token).scope.keys == ("shop_*",)
    (record,) = [one for one in service.trail.records(world.admin) if one.action == "token:rotate"]
    assert old.info.id.encode() in record.body
    assert made.token.split("-")[2].encode() not in record.body


@pytest.mark.parametrize(
    ("life", "overlap", "left"),
    [(None, "0m", 0), (None, "48h", 2 * DAY), (3600, "24h", 3600)],
)
def test_the_old_one_never_outlives_its_own_end(
    embedded: World, life: int | None, overlap: str, left: int
) -> None:
    """The overlap ends it, or its own end does; one without an end has a successor without one."""
    eve = owner(embedded)
    ends = None if life is None else later(embedded.clock.now, life)
    old = embedded.service.tokens.create(eve, NewToken(expires_at=ends))
    made = embedded.service.tokens.rotate(eve, old.info.id, overlap)
    assert embedded.service.tokens.get(eve, old.info.id).expires_at == later(embedded.clock.now, left)
    assert made.info.expires_at == ends


def test_who_may_rotate_a_token(embedded: World) -> None:
    """Its owner who has just given the password, or a sys_admin; never the token itself, or a narrowed."""
    eve, service = owner(embedded), embedded.service
    old = service.tokens.create(eve, NewToken())
    other = service.gate.authenticate_token(service.tokens.create(eve, NewToken()).token)
    itself = service.gate.authenticate_token(old.token)
    with pytest.raises(UnconfirmedError, match="a token can't rotate itself"):
        service.tokens.rotate(itself, old.info.id)
    with pytest.raises(UnconfirmedError, match="password has to be given again to rotate a token"):
        service.tokens.rotate(other, old.info.id)
    scoped = service.tokens.create(eve, NewToken(tenants=frozenset({"home"}))).token
    with pytest.raises(NotPermittedError, match="a narrowed token can't rotate a token"):
        service.tokens.rotate(service.gate.authenticate_token(scoped), old.info.id)
    stranger = owner(embedded, "mallory")
    with pytest.raises(NotFoundError):
        service.tokens.rotate(stranger, old.info.id)
    admins = embedded.admin
    with pytest.raises(UnconfirmedError, match="a token can't rotate itself"):
        service.tokens.rotate(admins, admins.token_id)
    second = embedded.user("second", system_role=SystemRole.SYS_ADMIN)
    assert service.tokens.rotate(second, admins.token_id).info.username == "admin"
    passing(embedded, 301)
    with pytest.raises(UnconfirmedError):
        service.tokens.rotate(eve, old.info.id)
    assert service.tokens.get(eve, old.info.id).replaced_by is None
    assert service.tokens.rotate(second, old.info.id).info.username == "eve"


def test_what_can_t_be_rotated(embedded: World) -> None:
    """A token that has ended, an overlap without end, and one token more than a user may have."""
    eve, service = owner(embedded), embedded.service
    old = service.tokens.create(eve, NewToken(expires_at=later(embedded.clock.now, 60)))
    for overlap, error in (("31d", "longer than 30 days"), ("soon", "the overlap is malformed")):
        with pytest.raises(InvalidRequestError, match=error):
            service.tokens.rotate(eve, old.info.id, overlap)
    embedded.rules = Rules(tokens_per_user=2)
    with pytest.raises(ConflictError, match="user 'eve' has 2 tokens"):
        embedded.reopened().tokens.rotate(eve, old.info.id)
    passing(embedded, 60)
    with pytest.raises(ConflictError, match="has ended"):
        service.tokens.rotate(eve, old.info.id)


def test_a_bound_token_comes_from_its_networks_alone(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """From elsewhere it is refused in the words of one that does not exist; the log alone says why."""
    gate, tokens = world.service.gate, world.service.tokens
    made = tokens.create(world.admin, NewToken(networks=("10.0.0.0/8", "2001:db8::/32", "192.0.2.7")))
    assert made.info.scope.networks == ("10.0.0.0/8", "2001:db8::/32", "192.0.2.7/32")
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "2001:db8::1", "192.0.2.7"):
        assert gate.authenticate_token(made.token, address).username == "admin"
    caplog.set_level(logging.WARNING, "resolver.access")
    for address in ("11.0.0.1", "192.0.2.8", "2001:db9::1", "::ffff:11.0.0.1", "", "10.0.0.1.example"):
        with pytest.raises(AuthenticationError) as caught:
            gate.authenticate_token(made.token, address)
        with pytest.raises(AuthenticationError) as unknown:
            gate.authenticate_token(f"ctok-{'a' * 10}-{'b' * 40}", address)
        assert (caught.value.message, caught.value.hint) == (unknown.value.message, unknown.value.hint)
    assert "a token came from outside its networks" in caplog.text
    assert "address='11.0.0.1'" in caplog.text
    assert made.token.split("-")[2] not in caplog.text


def test_this_machine_counts_as_loopback(embedded: World) -> None:
    """By a unix socket, or where the store is opened by the process itself."""
    tokens, gate = embedded.service.tokens, embedded.service.gate
    for network, let_in in (("127.0.0.0/8", True), ("::1", True), ("10.0.0.0/8", False)):
        token = tokens.create(embedded.admin, NewToken(networks=(network,))).token
        if let_in:
            gate.authenticate_token(token)
        else:
            with pytest.raises(AuthenticationError):
                gate.authenticate_token(token)


def test_a_bound_token_is_narrowed(embedded: World) -> None:
    """It makes no token, which would be bound to nothing, and opens no session."""
    made = embedded.service.tokens.create(embedded.admin, NewToken(networks=("127.0.0.0/8",)))
    bound = embedded.service.gate.authenticate_token(made.token)
    with pytest.raises(NotPermittedError, match="a narrowed token can't make a token"):
        embedded.service.tokens.create(bound, NewToken())
    with pytest.raises(NotPermittedError, match="a narrowed token can't open a console session"):
        embedded.service.sessions.open(token=made.token)
    with pytest.raises(AuthenticationError):
        embedded.service.sessions.open(token=made.token, address="192.0.2.1")


@pytest.mark.parametrize(
    "networks", [(), ("10.0.0.1/8",), ("everywhere",), ("10.0.0.0/33",), ("::/0",) * 101]
)
def test_what_is_no_network_is_refused(embedded: World, networks: tuple[str, ...]) -> None:
    """None at all, host bits, names, lengths that there are not, and too many."""
    with pytest.raises(InvalidRequestError):
        embedded.service.tokens.create(embedded.admin, NewToken(networks=networks))


def test_networks_that_were_taken_away_are_noticed(world: World) -> None:
    """They are under the token's MAC, as is what took its place."""
    made = world.service.tokens.create(world.admin, NewToken(networks=("10.0.0.0/8",)))
    changed = (
        """UPDATE access_token SET narrowing = replace(narrowing, '10.0.0.0/8', '0.0.0.0/0') WHERE id = :id"""
    )
    world.execute(changed, id=made.info.id)
    with pytest.raises(TamperedRowError):
        world.reopened().gate.authenticate_token(made.token, "192.0.2.1")


def test_addresses_and_networks() -> None:
    """IPv4 within IPv6 counts as what it is; a zone is passed over; what is no address is nowhere."""
    networks = parse_networks(["10.0.0.0/8", " fe80::/10 ", "10.0.0.0/8"])
    assert networks == ("10.0.0.0/8", "fe80::/10")
    assert has(networks, "fe80::1%eth0")
    assert not has(networks, "nowhere")
    assert not has((), "10.0.0.1")
