"""One table for each kind of record says where each of its fields stands; all places are compared with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from resolver.cli.secrets.options import fields, rare_fields
from resolver.cli.secrets.providers import provider_fields
from resolver.cli.secrets.read import version_fields
from resolver.cli.tenants import tenant_fields
from resolver.cli.tokens import token_fields
from resolver.cli.trusts import trust_fields
from resolver.cli.users import user_fields
from resolver.core.account_changes import NewToken, NewUser, UserChange
from resolver.core.model import Owner, Scope, Secret, SecretValue, Tenant, TrustKind, UserProfile, Visibility
from resolver.core.permissions import Permission, SystemRole, TenantRole
from resolver.core.providers import NewProvider, Provider, ProviderChange
from resolver.core.results import TenantInfo, TokenInfo, UserInfo, Version
from resolver.core.secret_changes import NewSecret, SecretChange
from resolver.core.transfer import ExportedSecret, ImportEntry, VersionWithValue
from resolver.core.trusts import ClaimRule, NewTrust, Trust, TrustChange
from resolver.protocol.codec import encode
from resolver.rest.app import GROUPS
from resolver.rest.cloudify.accounts import TenantObject, UserObject
from resolver.rest.cloudify.providers import ProviderObject
from resolver.rest.cloudify.tokens import TokenObject
from resolver.rest.openapi import make_document
from resolver.rest.schemas import SecretObject
from resolver.store import tables as t
from resolver.transfer import cloudify, sealed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Table

AT = "2030-01-01T00:00:00.000Z"
HOME = Tenant("tenant-id", "home")
OWNER = Owner("owner-id", "una")
SECRET = Secret(
    "id", "key", HOME, Visibility.TENANT, hidden=False, owner=OWNER, version=1, created_at=AT, updated_at=AT
)
PROVIDER = Provider("id", "far", "vault", HOME, Visibility.TENANT, OWNER, AT, AT)
USER = UserProfile("una", SystemRole.DEFAULT, active=True, created_at=AT)
TOKEN = TokenInfo("id", "una", "", AT, None, Scope(), None)
TENANT = TenantInfo(HOME, TenantRole.USER, 1, {"una": TenantRole.USER})
TRUST = Trust(
    "shop",
    TrustKind.GENERIC,
    "https://issuer.example.com",
    "https://resolver.example.com",
    [ClaimRule("sub", "somebody")],
    "una",
    frozenset({Permission.SECRET_USE}),
    frozenset({"home"}),
    ("shop_*",),
    lifetime=900,
    exchanges=1,
    jwks=None,
    jwks_url=None,
    ca=None,
    enabled=True,
    created_by="admin",
    created_at=AT,
    updated_at=AT,
)
VERSION = Version(1, AT, "una", current=True)
EXPORTED = ExportedSecret(SECRET, [VersionWithValue(1, SecretValue("value"))])


def _columns(table: Table) -> list[str]:
    """The columns that a record or a rule knows of; the MAC over them is the store's own affair."""
    return [name for name in table.c.keys() if name != t.ROW_MAC]  # noqa: SIM118 - no mapping of names


def sent(record: type) -> set[str]:
    """The names of a record's fields on the wire."""
    return {field.encode_name for field in msgspec.structs.fields(record)}


def sealed_entry() -> Mapping[str, Any]:
    """What the sealed format has of a secret."""
    written: list[bytes] = []

    def seal(data: bytes, _purpose: str) -> dict[str, Any]:
        written.append(data)
        return {}

    sealed.write([EXPORTED], seal)
    entry: Mapping[str, Any] = msgspec.json.decode(written[0])["secrets"][0]
    return entry


PLACES: Mapping[str, Mapping[str, Iterable[str]]] = {
    "secret": {
        "column": _columns(t.secret),
        "new": sent(NewSecret),
        "change": sent(SecretChange),
        "import": sent(ImportEntry),
        "API": encode(SECRET),
        "command line": fields(SECRET) | rare_fields(SECRET),
        "sealed file": sealed_entry(),
        "Cloudify's API": sent(SecretObject),
        "Cloudify's file": cloudify.write([EXPORTED], None, metadata=True)[0],
    },
    "provider": {
        "column": _columns(t.secrets_provider),
        "new": sent(NewProvider),
        "change": sent(ProviderChange),
        "API": encode(PROVIDER),
        "command line": provider_fields(PROVIDER),
        "Cloudify's API": sent(ProviderObject),
    },
    "user": {
        "column": _columns(t.user_account),
        "new": sent(NewUser),
        "change": sent(UserChange),
        "API": encode(USER),
        "command line": user_fields(UserInfo(USER, {}, locked=False)),
        "Cloudify's API": sent(UserObject),
    },
    "tenant": {
        "column": _columns(t.tenant),
        "API": encode(TENANT),
        "command line": tenant_fields(TENANT),
        "Cloudify's API": sent(TenantObject),
    },
    "version": {
        "column": _columns(t.secret_version),
        "import": sent(VersionWithValue),
        "API": encode(VERSION),
        "command line": version_fields(VERSION),
        "sealed file": sealed_entry()["versions"][0],
    },
    "token": {
        "column": _columns(t.access_token),
        "new": sent(NewToken),
        "API": encode(TOKEN),
        "command line": token_fields(TOKEN),
        "Cloudify's API": sent(TokenObject),
    },
    "trust": {
        "column": _columns(t.trust),
        "new": sent(NewTrust),
        "change": sent(TrustChange),
        "API": encode(TRUST),
        "command line": trust_fields(TRUST),
    },
}

DOCUMENTED = {
    "secret": "Secret",
    "provider": "Provider",
    "user": "UserProfile",
    "tenant": "TenantInfo",
    "version": "Version",
    "token": "TokenInfo",
    "trust": "Trust",
}
"""What the OpenAPI document calls the records of our API."""

CASES = [(kind, place) for kind, places in PLACES.items() for place in places]


def read_table(kind: str) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """A table as fields by place and name, and the reasons for what is not there by their letters."""
    rows, _, notes = (Path(__file__).parent / "fields" / f"{kind}.txt").read_text().partition("\n\n")
    head, *lines = [
        [cell.strip() for cell in line.split("|")] for line in rows.splitlines() if not line.startswith("#")
    ]
    table = {place: {line[0]: line[number] for line in lines} for number, place in enumerate(head)}
    reasons = dict(note.split(": ", 1) for note in notes.strip().splitlines())
    return table, reasons


@pytest.mark.parametrize(("kind", "place"), CASES)
def test_each_field_stands_where_the_table_says(kind: str, place: str) -> None:
    """A field that is in no line of the table, or missing where the table has it, fails by name."""
    table, _ = read_table(kind)
    names = {
        field if cell == "=" else cell for field, cell in table[place].items() if not cell.startswith("-")
    }
    assert set(PLACES[kind][place]) == names


@pytest.mark.parametrize("kind", PLACES)
def test_what_is_missing_has_its_reason(kind: str) -> None:
    """And each reason is one for something."""
    table, reasons = read_table(kind)
    cells = {cell for column in table.values() for cell in column.values()}
    assert {cell.removeprefix("-") for cell in cells if cell.startswith("-")} == set(reasons)


@pytest.mark.parametrize("kind", PLACES)
def test_the_tables_name_the_places_that_are_compared(kind: str) -> None:
    """No column of a table is without a comparison."""
    table, _ = read_table(kind)
    assert set(table) == {"field", *PLACES[kind]}


@pytest.mark.parametrize(("kind", "name"), DOCUMENTED.items())
def test_the_document_has_what_our_api_answers(kind: str, name: str) -> None:
    """The OpenAPI document describes each field that an answer has, and no other."""
    properties = make_document(GROUPS)["components"]["schemas"][name]["properties"]
    assert set(properties) == set(PLACES[kind]["API"])


@pytest.mark.parametrize(
    ("record", "twins"),
    [(Secret, (NewSecret, SecretChange, ImportEntry)), (Provider, (NewProvider, ProviderChange))],
)
def test_a_field_has_one_name(record: type, twins: tuple[type, ...]) -> None:
    """What a caller wants and what is stored use the same words, so that fields are carried by name."""
    for twin in twins:
        own = set(twin.__struct_fields__) - set(record.__struct_fields__)  # type: ignore[attr-defined]
        assert own <= {
            *("value", "versions", "provider_options", "update_if_exists", "if_version", "whole", "problems"),
            *("parameters", "protected", "rotated"),
        }
