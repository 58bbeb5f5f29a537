"""A program that uses `cloudify_rest_client` as it is, run by the Python that has it.

Its arguments are the server's port and a user's password; it ends with 0 when all went as it should.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from cloudify_rest_client import CloudifyClient
from cloudify_rest_client.exceptions import CloudifyClientError

if TYPE_CHECKING:
    from collections.abc import Callable


def refused(action: Callable[..., Any], *arguments: Any, **named: Any) -> tuple[int, str]:  # noqa: ANN401
    """Do what must be refused; the status and code of the refusal."""
    try:
        action(*arguments, **named)
    except CloudifyClientError as error:
        return error.status_code, error.error_code
    raise AssertionError(action)


def secrets(client: CloudifyClient) -> None:
    """Every method of `client.secrets` but dumps, which read the manager's own format."""
    made = client.secrets.create("one", "value one")
    assert (made.key, made.value, made.visibility, made.is_hidden_value) == ("one", "", "tenant", False)
    assert made.created_at == made.updated_at
    assert refused(client.secrets.create, "one", "x") == (409, "conflict_error")
    client.secrets.create("one", "again", update_if_exists=True)
    client.secrets.create("two", {"a": 1}, schema={"type": "object"}, is_hidden_value=True)
    wrong = (409, "conflict_error")
    assert refused(client.secrets.update, "two", value=5) == wrong
    assert refused(client.secrets.create, "x", 5, schema={"type": "object"}) == wrong
    assert client.secrets.get("two").value == {"a": 1}
    assert client.secrets.get("one").value == "again"
    assert refused(client.secrets.update, "one", creator="nobody") == (400, "bad_parameters_error")
    assert client.secrets.update("one", value="newer").tenant_name == "home"
    assert refused(client.secrets.get, "none") == (404, "not_found_error")
    assert refused(client.secrets.create, "1st", "x") == (400, "bad_parameters_error")
    listed = client.secrets.list(sort="key", is_descending=True)
    assert [item.key for item in listed] == ["two", "one"]
    assert listed.metadata.pagination.total == 2
    assert [item.key for item in client.secrets.list(_size=1, _offset=1)] == ["two"]
    rule = {"key": "key", "values": ["on"], "operator": "starts_with", "type": "attribute"}
    found = client.secrets.list(filter_rules=[rule])
    assert ([item.key for item in found], found.metadata.pagination.total) == (["one"], 1)
    bad = (400, "invalid_filter_rule")
    assert refused(client.secrets.list, filter_rules=[{**rule, "operator": "x"}]) == bad
    constraints = {"name_pattern": {"contains": "w"}}
    assert [item.key for item in client.secrets.list(constraints=constraints)] == ["two"]
    exported = client.secrets.export(_passphrase="long enough")
    assert {entry["key"]: entry["encrypted"] for entry in exported} == {"one": True, "two": True}
    assert "newer" not in str(exported)
    client.secrets.delete("one")
    done = client.secrets.import_secrets(exported, passphrase="long enough")
    assert done == {"colliding_secrets": {"home": ["two"]}, "secrets_errors": {}}
    assert client.secrets.get("one").value == "newer"
    assert client.secrets.set_visibility("one", "tenant")["visibility"] == "tenant"
    assert client.secrets.set_global("one")["visibility"] == "global"
    assert refused(client.secrets.update, "one", visibility="tenant") == (400, "illegal_action_error")


def providers(client: CloudifyClient) -> None:
    """Every method of `client.secrets_providers` but dumps."""
    near = client.secrets_providers.create("near", "local", None, "tenant")
    assert (near.id, near.name, near.type, near.tenant_name) == ("near", "near", "local", "home")
    client.secrets_providers.check(name="near")
    client.secrets_providers.update("near", "local", None, "global")
    assert [item.visibility for item in client.secrets_providers.list()] == ["global"]
    client.secrets.create("three", "kept", provider_name="near")
    assert client.secrets.get("three").provider_name == "near"
    assert refused(client.secrets_providers.delete, "near") == (409, "conflict_error")
    client.secrets.delete("three")
    client.secrets_providers.delete("near")
    assert refused(client.secrets_providers.get, "near") == (404, "not_found_error")
    parameters = {"url": "http://192.0.2.1", "token": "t", "path": "a"}
    assert refused(client.secrets_providers.create, "far", "vault", parameters, "tenant")[0] == 403


def people(client: CloudifyClient) -> None:
    """Tenants, users and tokens."""
    assert client.tenants.create("prod")["name"] == "prod"
    assert refused(client.tenants.create, "prod")[0] == 409
    client.users.create("eve", "eve's password", "default")
    client.tenants.add_user("eve", "prod", "viewer")
    client.tenants.update_user("eve", "prod", "operations")
    assert client.users.get("eve", _get_data=True)["tenants"]["prod"]["tenant-role"] == "operations"
    client.users.set_role("eve", "sys_admin")
    client.users.set_password("eve", "another password")
    assert client.users.deactivate("eve").active is False
    assert client.users.activate("eve").active is True
    assert client.users.get_self()["username"] == "admin"
    assert {user.username for user in client.users.list()} == {"admin", "eve"}
    client.tenants.remove_user("eve", "prod")
    client.users.delete("eve")
    client.tenants.delete("prod")
    assert {tenant.name for tenant in client.tenants.list()} == {"home", "away"}
    token = client.tokens.create(description="d", expiration="+10h")
    assert client.tokens.get(token.id).value == f"ctok-{token.id}-********"
    client.tokens.delete(token.id)
    assert refused(client.tokens.get, token.id) == (404, "not_found_error")


def main() -> None:
    """Do all of it, with a password and with a token."""
    port, password = int(sys.argv[1]), sys.argv[2]
    where = {"host": "127.0.0.1", "port": port, "protocol": "http", "tenant": "home"}
    by_password = CloudifyClient(username="admin", password=password, **where)
    assert by_password.manager.get_status()["status"] == "OK"
    assert by_password.manager.get_version()["edition"]
    assert by_password.maintenance_mode.status().status == "deactivated"
    client = CloudifyClient(token=by_password.tokens.create().value, **where)
    secrets(client)
    providers(client)
    people(client)
    wrong = CloudifyClient(username="admin", password="wrong one", **where)
    assert refused(wrong.secrets.list) == (401, "unauthorized_error")
    elsewhere = CloudifyClient(username="admin", password=password, **where | {"tenant": "none"})
    assert refused(elsewhere.secrets.list) == (403, "forbidden_error")


if __name__ == "__main__":
    main()
