"""The clients from PyPI, unmodified: every command and method that the API is there for.

What `cfy` prints is compared with `cfy_printed/`, a file for each test; `RESOLVER_TEST_WRITE=1` writes them
anew, for somebody to read.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from resolver.core.account_changes import NewPassword
from resolver.core.model import SecretValue
from tests import peer
from tests.conftest import clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.rest.conftest import Live

pytestmark = pytest.mark.slow

PRINTED = Path(__file__).with_name("cfy_printed")

VARYING = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?Z? *"), "<TIME> "),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<ID>"),
    (re.compile(r"ctok-(?:<TOKEN ID>|[A-Za-z0-9]{10})-[A-Za-z0-9]{40}"), "<TOKEN>"),
    (re.compile(r"127\.0\.0\.1:\d+"), "<ADDRESS>"),
    (re.compile(r"-{3,}"), "---"),
    (re.compile(r" {2,}"), "  "),
)
"""What is another text in each run, and how wide tables are with it."""

TOKENS = re.compile(r'(?:\{"id": "<TOKEN ID>".*\n)+')

VARIABLE = "RESOLVER_TEST_CFY_PYTHON"
"""Names the Python of an environment that has `cloudify==7.0.5`."""


class Cfy:
    """`cfy` with a folder of its own.

    Args:
        python: the client's Python.
        folder: where it keeps its profiles.

    Attributes:
        transcript: what was typed and printed.
    """

    def __init__(self, python: str, folder: Path) -> None:
        self.transcript = ""
        self._process = subprocess.Popen(
            [python, "-W", "ignore", Path(__file__).with_name("cfy_forks.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=clean_environment() | {"CFY_WORKDIR": str(folder), "HOME": str(folder), "PYTHONPATH": ""},
            cwd=folder,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run a command; its exit code and what it printed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(arguments) + "\n")
        self._process.stdin.flush()
        told = json.loads(self._process.stdout.readline())
        self.transcript += f"$ cfy {' '.join(arguments)}\n{told['output'].rstrip()}\n= {told['code']}\n\n"
        return told["code"], told["output"]

    def prints(self, *arguments: str) -> str:
        """Run a command that must succeed; what it printed."""
        code, output = self.run(*arguments)
        assert code == 0, output
        return output

    def reads(self, *arguments: str) -> Any:  # noqa: ANN401 - JSON data
        """Run a command that must succeed and print JSON."""
        output = self.prints(*arguments, "--json")
        return json.loads(output[min(at for at in map(output.find, "[{") if at >= 0) :])

    def refused(self, *arguments: str) -> str:
        """Run a command that must fail; what it printed."""
        code, output = self.run(*arguments)
        assert code != 0, output
        return output

    def close(self) -> None:
        """End it."""
        with self._process:
            pass


@pytest.fixture(scope="module")
def python() -> str:
    """The client's Python."""
    found = os.environ.get(VARIABLE)
    if not found:
        pytest.skip(f"{VARIABLE} names no environment with Cloudify's client")
    return found


@pytest.fixture
def cfy(live: Live, tmp_path: Path, python: str, request: pytest.FixtureRequest) -> Iterator[Cfy]:
    """The client, with a profile for the server's administrator; in the end, what it printed is compared."""
    folder = tmp_path / "cfy"
    folder.mkdir()
    client = Cfy(python, folder)
    port = live.url.rsplit(":", 1)[1]
    try:
        output = client.prints(
            *("profiles", "use", "127.0.0.1", "--rest-port", port, "--manager-tenant", "home"),
            *("--manager-username", "admin", "--manager-password", "admin password"),
        )
        assert "Using manager 127.0.0.1" in output
        yield client
    finally:
        client.close()
    printed = client.transcript.replace(str(tmp_path), "<FOLDER>").replace(port, "<PORT>")
    for token_id in re.findall(r'"id": "([A-Za-z0-9]{10})"', printed):
        printed = printed.replace(token_id, "<TOKEN ID>")
    for varying, name in VARYING:
        printed = varying.sub(name, printed)
    # Tokens are listed by their ids, which are random.
    printed = TOKENS.sub(
        lambda found: "".join(sorted(found[0].replace("},\n", "}\n").splitlines(keepends=True))), printed
    )
    expected = PRINTED / f"{request.node.name.removeprefix('test_')}.txt"
    if os.environ.get("RESOLVER_TEST_WRITE"):
        expected.write_text(printed)
    assert printed == expected.read_text()


def test_the_library_of_the_client(live: Live, python: str, tmp_path: Path) -> None:
    """`cloudify_rest_client`, method by method, as other programs use it."""
    port = live.url.rsplit(":", 1)[1]
    done = subprocess.run(
        [python, "-W", "ignore", Path(__file__).with_name("cloudify_client.py"), port, "admin password"],
        capture_output=True,
        env=clean_environment() | {"PYTHONPATH": ""},
        cwd=tmp_path,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_status(cfy: Cfy) -> None:
    """`cfy status` lists the services."""
    output = cfy.prints("status")
    assert "REST API" in output
    assert "Active" in output


def test_secrets(cfy: Cfy, live: Live, tmp_path: Path) -> None:
    """Every `cfy secrets` command, with what it prints."""
    assert "Secret `one` created" in cfy.prints("secrets", "create", "one", "-s", "value one")
    assert "already exists" in cfy.refused("secrets", "create", "one", "-s", "other")
    assert "Secret `one` created" in cfy.prints("secrets", "create", "one", "-s", "again", "-u")
    file = tmp_path / "value"
    file.write_text("value of a file")
    cfy.prints("secrets", "create", "two", "-f", str(file), "--hidden-value", "-l", "private")
    schema = json.dumps({"type": "object"})
    cfy.prints("secrets", "create", "three", "-s", '{"a": 1}', "--schema", schema)
    assert cfy.reads("secrets", "get", "one")["value"] == "again"
    assert cfy.reads("secrets", "get", "two")["value"] == "value of a file"
    assert cfy.reads("secrets", "get", "three")["value"] == {"a": 1}
    assert "was not found in this tenant" in cfy.prints("secrets", "get", "none")
    assert "Secret `three` updated" in cfy.prints("secrets", "update", "three", "-s", '{"a": 2}')
    assert "Secret `one` updated" in cfy.prints("secrets", "update", "one", "-s", "newer", "--hidden-value")
    assert cfy.reads("secrets", "get", "one")["is_hidden_value"] is True
    listed = cfy.reads("secrets", "list", "--sort-by", "key", "--descending")
    assert [item["key"] for item in listed] == ["two", "three", "one"]
    assert "Showing 1 of 3 secrets" in cfy.prints("secrets", "list", "-s", "1")
    assert [item["key"] for item in cfy.reads("secrets", "list", "--search", "HR")] == ["three"]
    assert len(cfy.reads("secrets", "list", "--all-tenants")) == 3
    assert "Showing 0 of 0 secrets" in cfy.prints("secrets", "list", "-p", "vault")
    cfy.prints("secrets", "set-visibility", "two", "-l", "tenant")
    cfy.prints("secrets", "set-visibility", "two", "-l", "global")
    assert "Secret `three` was set to global" in cfy.prints("secrets", "set-global", "three")
    live.user("eve")
    assert "user 'nobody' does not exist" in cfy.refused("secrets", "set-owner", "one", "-s", "nobody")
    assert "now owned by user `eve`" in cfy.prints("secrets", "set-owner", "one", "-s", "eve")
    exported = tmp_path / "secrets.json"
    cfy.prints("secrets", "export", "-p", "long enough", "-o", str(exported))
    assert {entry["key"] for entry in json.loads(exported.read_text())} == {"one", "two", "three"}
    assert "newer" not in exported.read_text()
    assert "Secret removed" in cfy.prints("secrets", "delete", "one")
    assert "not found" in cfy.prints("secrets", "delete", "one")
    output = cfy.prints("secrets", "import", "-p", "long enough", "-i", str(exported))
    assert "collided with existing secrets" in output
    assert cfy.reads("secrets", "get", "one")["value"] == "newer"
    cfy.prints("secrets", "import", "-p", "long enough", "-i", str(exported), "--override-collisions")
    plain = tmp_path / "plain.json"
    cfy.prints("secrets", "export", "--non-encrypted", "-o", str(plain), "--filter-by", "one")
    assert [entry["value"] for entry in json.loads(plain.read_text())] == ["newer"]


def test_tenants_and_users(cfy: Cfy) -> None:
    """Every `cfy tenants` and `cfy users` command but those for groups, which there are none of."""
    assert "Tenant `prod` created" in cfy.prints("tenants", "create", "prod")
    assert "already" in cfy.refused("tenants", "create", "prod")
    assert "User `eve` created" in cfy.prints("users", "create", "eve", "-p", "eve's password")
    cfy.prints("users", "create", "ops", "-p", "password of ops", "-t", "prod", "-l", "operations")
    output = cfy.prints("tenants", "add-user", "eve", "-t", "prod", "-r", "viewer")
    assert "User `eve` added successfully to tenant `prod` with `viewer` role" in output
    assert "already associated" in cfy.prints("tenants", "add-user", "eve", "-t", "prod", "-r", "viewer")
    cfy.prints("tenants", "update-user", "eve", "-t", "prod", "-r", "manager")
    assert "not* currently" in cfy.prints("tenants", "update-user", "admin", "-t", "prod", "-r", "manager")
    assert "manager" in cfy.prints("tenants", "get", "prod", "--get-data")
    assert cfy.reads("tenants", "get", "prod")["users"] == 2
    # The client prints the list, and then fails of itself, whatever server it talks to.
    output = cfy.refused("tenants", "list", "--get-data")
    assert "eve" in output
    assert "'list' object has no attribute 'metadata'" in output
    assert "Showing 1 of 3 tenants" in cfy.prints("tenants", "list", "-s", "1")
    assert [item["username"] for item in cfy.reads("users", "list", "--get-data")] == ["admin", "eve", "ops"]
    assert cfy.reads("users", "get", "eve")["tenants"] == 1
    cfy.prints("users", "set-role", "eve", "-r", "sys_admin")
    cfy.prints("users", "set-role", "eve", "-r", "default")
    assert cfy.reads("users", "get", "eve", "--get-data")["system wide role"] == "default"
    cfy.prints("users", "set-password", "eve", "-p", "another one of hers")
    cfy.prints("users", "deactivate", "eve")
    assert cfy.reads("users", "get", "eve")["active"] is False
    cfy.prints("users", "activate", "eve")
    cfy.prints("users", "unlock", "eve")
    cfy.prints("tenants", "remove-user", "eve", "-t", "prod")
    assert "not associated" in cfy.prints("tenants", "remove-user", "eve", "-t", "prod")
    cfy.prints("users", "delete", "eve")
    cfy.prints("tenants", "delete", "prod")
    assert [item["name"] for item in cfy.reads("tenants", "list")] == ["away", "home"]


def test_tokens(cfy: Cfy, live: Live) -> None:
    """Every `cfy tokens` command, and a profile that uses a token."""
    made = cfy.reads("tokens", "create", "-e", "+10h", "-d", "for a test")
    assert made["description"] == "for a test"
    assert made["value"].startswith(f"ctok-{made['id']}-")
    assert made["id"] in {item["id"] for item in cfy.reads("tokens", "list")}
    assert cfy.reads("tokens", "get", made["id"])["description"] == "for a test"
    assert "not a legal time format" in cfy.refused("tokens", "create", "-e", "garbage")
    live.world.secret("one", "value one")
    cfy.prints("profiles", "set", "--manager-token", made["value"], "--skip-credentials-validation")
    assert cfy.reads("secrets", "get", "one")["value"] == "value one"
    cfy.prints("tokens", "delete", made["id"])
    assert "not valid" in cfy.refused("secrets", "get", "one")


def test_providers(cfy: Cfy) -> None:
    """`cfy secrets providers`: set up, listed, changed, tried, deleted."""
    cfy.prints("secrets", "providers", "create", "near", "-y", "local")
    assert [item["name"] for item in cfy.reads("secrets", "providers", "list")] == ["near"]
    assert cfy.reads("secrets", "providers", "get", "near")["type"] == "local"
    cfy.prints("secrets", "providers", "update", "near", "-y", "local", "-l", "global")
    assert "successfully" in cfy.prints("secrets", "providers", "test", "near")
    assert "successfully" in cfy.prints("secrets", "providers", "test", "-y", "local")
    cfy.prints("secrets", "create", "one", "-s", "value one", "-p", "near")
    assert cfy.reads("secrets", "get", "one")["provider_name"] == "near"
    assert [item["key"] for item in cfy.reads("secrets", "list", "-p", "near")] == ["one"]
    cfy.prints("secrets", "update", "one", "-s", "newer", "-p", "near")
    assert cfy.reads("secrets", "get", "one")["value"] == "newer"
    assert "secrets are kept with provider 'near': one" in cfy.refused(
        "secrets", "providers", "delete", "near"
    )
    cfy.prints("secrets", "delete", "one")
    cfy.prints("secrets", "providers", "delete", "near")
    assert "was not found" in cfy.prints("secrets", "providers", "get", "near")


def test_secrets_of_a_vault(cfy: Cfy) -> None:
    """`cfy secrets create -p -o`: the value is the one that the provider has, found by the options."""
    entry = b'{"data": {"data": {"db": "value there", "queue": "other"}}}'
    with peer.serving(lambda head: peer.answer(200 if "good" in head else 403, entry)) as vault:
        wrong = ("-c", f"url={vault.url}", "-c", "path=team", "-c", "token=bad")
        refused = cfy.refused("secrets", "providers", "test", "-y", "vault", *wrong)
        assert "the provider does not answer, or not as it should" in refused
        cfy.prints("secrets", "providers", "create", "v", "-y", "vault", "--skip-check", *wrong)
        assert "needs the credentials again" in cfy.refused(
            "secrets", "providers", "update", "v", "-c", "path=other"
        )
        cfy.prints("secrets", "providers", "update", "v", "-c", "path=team", "-c", "token=good")
        assert "successfully" in cfy.prints("secrets", "providers", "test", "v")
        assert cfy.reads("secrets", "providers", "get", "v")["connection_parameters"]["token"] == "good"
        assert "Secret `db` created" in cfy.prints("secrets", "create", "db", "-p", "v", "-o", "path=shop")
        got = cfy.reads("secrets", "get", "db")
        assert (got["value"], got["provider_options"]) == ("value there", '{"path": "shop"}')
        assert "/v1/secret/data/team/shop " in vault.seen[-1]
        cfy.prints("secrets", "update", "db", "-o", "path=shop", "-o", "key=queue")
        assert cfy.reads("secrets", "get", "db")["value"] == "other"
        refused = cfy.refused("secrets", "create", "up", "-p", "v", "-o", "path=../sys")
        assert "provider option 'path' must be a path of plain steps" in refused
        assert "secrets provider 'none' was not found" in cfy.refused("secrets", "create", "k", "-p", "none")
    assert "can't be reached" in cfy.refused("secrets", "get", "db")
    exported = cfy.prints("secrets", "export", "--non-encrypted", "-o", "/dev/stdout")
    assert "value there" not in exported


def test_refusals(cfy: Cfy, live: Live) -> None:
    """A user without the right, and a wrong password, are told in words."""
    live.user("eve")
    live.world.service.users.set_password(live.world.admin, "eve", NewPassword(SecretValue("eve's password")))
    cfy.prints("profiles", "set", "-u", "eve", "-p", "eve's password", "--skip-credentials-validation")
    assert "not permitted to list secrets in tenant 'home'" in cfy.refused("secrets", "list")
    cfy.prints("profiles", "set", "-u", "eve", "-p", "wrong one", "--skip-credentials-validation")
    assert "the user name or the password is wrong" in cfy.refused("secrets", "list")
