"""Descriptions of secrets: who sets them, where they are found, and what they may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resolver.core.model import SecretValue, Visibility
from resolver.core.permissions import TenantRole
from resolver.core.query import KEY_ALONE, Field, Listing, Order
from resolver.core.secret_changes import MAX_DESCRIPTION, NewSecret, SecretChange
from resolver.core.transfer import ExportRequest, ImportEntry, ImportRequest, VersionWithValue
from resolver.errors import InvalidRequestError, NotPermittedError

if TYPE_CHECKING:
    from tests.databases import World


def found(world: World, listing: Listing) -> list[str]:
    """The keys in a list."""
    return [secret.key for secret in world.service.secrets.list(world.admin, "home", listing).items]


def test_a_description_is_set_changed_and_taken_away(world: World) -> None:
    """Without a new version; what is not given stays."""
    secrets = world.service.secrets
    new = NewSecret(value=SecretValue("v"), description="the shop's database")
    assert secrets.create(world.admin, "home", "k", new).description == "the shop's database"
    changed = secrets.update(world.admin, "home", "k", SecretChange(description="größer: 数据库"))
    assert (changed.description, changed.version) == ("größer: 数据库", 1)
    kept = secrets.update(world.admin, "home", "k", SecretChange(value=SecretValue("v2")))
    assert (kept.description, kept.version) == ("größer: 数据库", 2)
    assert secrets.show(world.admin, "home", "k")[0].description == "größer: 数据库"
    assert secrets.update(world.admin, "home", "k", SecretChange(description=None)).description is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x" * (MAX_DESCRIPTION + 1), "the description is too long: at most 1000 characters are allowed"),
        ("two\nlines", "the description has characters that are not allowed"),
        ("\x1b[31mred", "the description has characters that are not allowed"),
        ("nul\0", "the description has characters that are not allowed"),
        ("half \ud800", "the description has characters that are not allowed"),
        ("turned \u202e", "the description has characters that are not allowed"),
    ],
)
def test_what_a_description_may_not_be(world: World, text: str, message: str) -> None:
    """Refused by creation, by change and by import, and nothing is stored."""
    secrets = world.service.secrets
    world.secret("there")
    with pytest.raises(InvalidRequestError) as caught:
        secrets.create(world.admin, "home", "new", NewSecret(value=SecretValue("v"), description=text))
    assert caught.value.message == message
    with pytest.raises(InvalidRequestError):
        secrets.update(world.admin, "home", "there", SecretChange(description=text))
    entry = ImportEntry("new", "home", [VersionWithValue(1, SecretValue("v"))], description=text)
    done = world.service.transfer.import_(world.admin, ImportRequest("home", [entry]))
    assert (done.stored, done.errors) == (0, {0: {"description": message}})
    assert found(world, Listing()) == ["there"]


def test_whoever_may_not_change_a_secret_does_not_describe_it(world: World) -> None:
    """By role, and for a hidden value by ownership, as with any change."""
    world.secret("k", hidden=True)
    for role in (TenantRole.VIEWER, TenantRole.OPERATIONS, TenantRole.USER):
        with pytest.raises(NotPermittedError):
            world.service.secrets.update(
                world.user(f"u_{role}", home=role), "home", "k", SecretChange(description="mine")
            )
    assert world.service.secrets.show(world.admin, "home", "k")[0].description is None


@pytest.mark.two_databases
def test_lists_find_and_sort_by_description(world: World) -> None:
    """A search looks into keys and descriptions, unless it is for keys alone; a wildcard is none."""
    for key, description in (("one", "Shop database"), ("two", None), ("shop", "100% mail"), ("three", "a")):
        new = NewSecret(value=SecretValue("v"), description=description)
        world.service.secrets.create(world.admin, "home", key, new)
    assert found(world, Listing("SHOP")) == ["one", "shop"]
    assert found(world, Listing("shop", searched=KEY_ALONE)) == ["shop"]
    assert found(world, Listing("0% m")) == ["shop"]
    assert found(world, Listing("0_ m")) == []
    ordered = found(world, Listing(order=[Order(Field.DESCRIPTION)]))
    assert ordered == ["shop", "one", "three", "two"]


@pytest.mark.two_databases
def test_a_description_of_what_may_not_be_seen_is_not_found(world: World) -> None:
    """A private secret's words are searched for those only to whom it exists."""
    new = NewSecret(value=SecretValue("v"), visibility=Visibility.PRIVATE, description="needle")
    world.service.secrets.create(world.admin, "home", "k", new)
    user = world.user("u", home=TenantRole.USER)
    page = world.service.secrets.list(user, "home", Listing("needle"))
    assert (page.items, page.total) == ([], 0)


@pytest.mark.two_databases
def test_a_description_travels(world: World) -> None:
    """Out in an export and in with an import; an entry without one takes it away when it is whole."""
    new = NewSecret(value=SecretValue("v"), description="travels")
    world.service.secrets.create(world.admin, "home", "k", new)
    (exported,) = world.service.transfer.export(world.admin, ExportRequest("home")).secrets
    assert exported.secret.description == "travels"
    entry = ImportEntry("copy", "home", exported.versions, description=exported.secret.description)
    world.service.transfer.import_(world.admin, ImportRequest("home", [entry]))
    assert world.service.secrets.show(world.admin, "home", "copy")[0].description == "travels"
    for whole, expected in ((False, "travels"), (True, None)):
        entry = ImportEntry("copy", "home", [VersionWithValue(1, SecretValue("v"))], whole=whole)
        world.service.transfer.import_(world.admin, ImportRequest("home", [entry], override=True))
        assert world.service.secrets.show(world.admin, "home", "copy")[0].description == expected
