"""Commands that use a server: what they load, need and refuse, and what they say of a bad server."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from resolver import open_resolver
from resolver.errors import AuthenticationError, NotFoundError
from tests.client.conftest import Cli, token_of
from tests.client.conftest import serving as client_serving
from tests.conftest import clean_environment
from tests.peer import answer, serving

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

HEAVY = ("sqlalchemy", "cryptography", "resolver.service", "resolver.store", "resolver.crypto")
LOADED = f"""
import sys
from resolver.cli import main
try:
    getattr(main, sys.argv[0])()
except SystemExit as stop:
    code = stop.code
loaded = sorted({{name for name in sys.modules if name.startswith({HEAVY!r})}})
print(code, loaded, file=sys.stderr)
"""
"""Runs a command, and says how it ended and which of the heavy modules it loaded."""


def test_mode(remote: Cli, url: str) -> None:
    """`whoami` and `status` say that a server has the store, and where."""
    for command in ("whoami", "status"):
        shown = json.loads(remote("resolver", command, "--format", "json").stdout)
        assert shown["mode"] == "remote: a server holds the root key and the database"
        assert shown["store"] == url
        assert "state_directory" not in shown


@pytest.mark.parametrize(
    ("words", "stdin"),
    [
        (["resolve", "-"], "a: {get_secret: key}"),
        (["resolver", "secrets", "create", "key", "-u"], "value"),
        (["resolver", "status"], ""),
    ],
)
def test_start_up_loads_no_store(remote: Cli, words: list[str], stdin: str) -> None:
    """Neither SQLAlchemy nor cryptography is imported, nor what needs them."""
    remote("resolver", "secrets", "create", "key", "-u", stdin="value")
    script = f"import sys; sys.argv = {words!r}\n{LOADED}"
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=stdin,
        env=clean_environment() | dict(remote.environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr == "0 []\n"
    assert done.stdout


def test_no_state_directory_is_needed(remote: Cli, tmp_path: Path) -> None:
    """Nothing is written to one that can be written either."""
    home = tmp_path / "empty"
    home.mkdir()
    there = remote.having(RESOLVER_HOME=str(home))
    assert there("resolver", "secrets", "create", "key", "-u", stdin="value").returncode == 0
    assert there("resolve", "-", stdin="a: {get_secret: key}").stdout == 'a: "value"'
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    "words", [["init"], ["serve"], ["keys", "status"], ["keys", "rotate-root", "--to", "x"]]
)
def test_what_works_where_the_store_is(remote: Cli, words: list[str]) -> None:
    """Elsewhere it is refused in words, before anything is sent or made."""
    done = remote("resolver", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: this works where the store is, and ")


SETTINGS = [
    ({"RESOLVER_URL": ""}, 2, "RESOLVER_URL is set and empty"),
    ({"RESOLVER_URL": " "}, 2, "RESOLVER_URL is set and empty"),
    ({"RESOLVER_CA_FILE": ""}, 2, "RESOLVER_CA_FILE is set and empty"),
    ({"RESOLVER_URL": "secrets.example"}, 2, "RESOLVER_URL is malformed"),
    ({"RESOLVER_URL": "https://una:hidden@secrets.example"}, 2, "RESOLVER_URL is malformed"),
    ({"RESOLVER_URL": "http://secrets.example"}, 2, "RESOLVER_URL is plain HTTP to another machine"),
    ({"RESOLVER_URL": "unix:socket"}, 2, "RESOLVER_URL names no socket"),
    (
        {"RESOLVER_DATABASE_URL": "sqlite:////nowhere"},
        2,
        "RESOLVER_URL and RESOLVER_DATABASE_URL are set, and only one can say where the store is",
    ),
    ({"RESOLVER_TENANT": ""}, 2, "RESOLVER_TENANT is set and empty"),
    ({"RESOLVER_TOKEN": ""}, 4, "RESOLVER_TOKEN is set and empty"),
    ({"RESOLVER_TOKEN": "hidden"}, 4, "the access token is malformed"),
    ({"RESOLVER_TOKEN": f"ctok-{'a' * 10}-{'b' * 40}"}, 4, "the access token is not valid"),
    (
        {"RESOLVER_URL": "unix:/nowhere"},
        6,
        "server /nowhere can't be reached: No such file or directory",
    ),
]


def test_settings(remote: Cli) -> None:
    """Each that is wrong is named with the right exit code, and nothing that it may hold is shown."""
    for more, code, said in SETTINGS:
        done = remote("resolver", "secrets", "list", **more)
        assert (done.returncode, done.stdout) == (code, ""), more
        assert done.stderr.startswith(f"error: {said}\n"), done.stderr
        assert "hidden" not in done.stderr


def test_a_server_that_is_gone(remote: Cli) -> None:
    """Exit code 6, from each kind of command; `exec` starts nothing."""
    with serving(lambda _: b"") as peer:
        pass
    gone = remote.having(RESOLVER_URL=peer.url)
    said = (
        f"error: server 127.0.0.1:{peer.port} can't be reached: Connection refused\n"
        "  hint: RESOLVER_URL or the profile names the server; "
        "see that it runs, can be reached from here, and speaks http or https as its URL says\n"
    )
    done = gone("resolve", "-", stdin="a: {get_secret: key}")
    assert (done.returncode, done.stdout, done.stderr) == (6, "", said)
    done = gone("resolver", "exec", "-", "--", "echo", "started", stdin="a: {get_secret: key}")
    assert (done.returncode, done.stdout, done.stderr) == (125, "", said)


def test_what_a_server_sends_does_not_reach_the_terminal(remote: Cli) -> None:
    """Control characters of a hostile one are written as escapes, in messages and in data."""
    bell = "\x1b]0;title\x07\x1b[2J\u202e"
    told = {"message": f"no {bell}", "hint": bell, "error_code": "x", "kind": "NotFound"}
    with serving(lambda _: answer(404, json.dumps(told).encode())) as peer:
        done = remote("resolver", "secrets", "get", "key", RESOLVER_URL=peer.url)
    escaped = r"\x1b]0;title\x07\x1b[2J\u202e"
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr == f"error: no {escaped}\n  hint: {escaped}\n"
    secret = {
        **dict.fromkeys(("id", "key", "tenant", "owner", "created_at", "updated_at"), bell),
        "visibility": "tenant",
        "hidden": False,
        "version": 1,
    }
    page = {"items": [secret], "total": 1}
    with serving(lambda _: answer(200, json.dumps(page).encode())) as peer:
        done = remote("resolver", "secrets", "list", RESOLVER_URL=peer.url)
    assert done.returncode == 0
    assert escaped in done.stdout
    assert "\x1b" not in done.stdout + done.stderr


def test_hidden_values_for_uploads_only(remote: Cli, served: Path) -> None:
    """A check says what a run would say: where the value is refused to a client, and to whom it is not."""
    done = remote("resolver", "secrets", "create", "hid", "-u", "--hidden-value", stdin="value")
    assert done.returncode in {0, 8}
    assert remote("resolver", "users", "create", "hal").returncode == 0
    add = ("tenants", "add-user", "hal", "-t", "default_tenant", "-r", "operations")
    assert remote("resolver", *add).returncode == 0
    token = remote("resolver", "tokens", "create", "--user", "hal", "--quiet").stdout.strip()
    words, blueprint = ("resolve", "-"), "a: {get_secret: hid}"
    with client_serving(served, hidden_for_uploads_only=True) as url:
        admin = remote.having(RESOLVER_URL=url)
        pipeline = admin.having(RESOLVER_TOKEN=token)
        for more in ((), ("--check",)):
            done = pipeline(*words, *more, stdin=blueprint)
            assert done.returncode == 4
            assert (
                "error: secret 'hid' of tenant 'default_tenant' has a hidden value, "
                "which this server gives to uploaded blueprints only [not_permitted]\n"
            ) in done.stdout + done.stderr  # a check reports on stdout
            assert admin(*words, *more, stdin=blueprint).returncode == 0
        assert (
            " yes " in pipeline(*words, "--check", stdin=blueprint).stdout
        )  # that it is hidden, it may know
    assert remote.having(RESOLVER_TOKEN=token)(*words, stdin=blueprint).returncode == 0


def test_a_narrowed_token_sees_what_it_may(remote: Cli) -> None:
    """By key, permission and tenant, as on the machine that has the store."""
    for key in ("shop_one", "other"):
        assert remote("resolver", "secrets", "create", key, "-u", stdin="value").returncode == 0
    narrow = ("--tenant", "default_tenant", "--key", "shop_*", "--permission", "secret:use")
    token = remote("resolver", "tokens", "create", *narrow, "--quiet").stdout.strip()
    pipeline = remote.having(RESOLVER_TOKEN=token)
    assert pipeline("resolve", "-", stdin="a: {get_secret: shop_one}").stdout == 'a: "value"'
    for words, stdin in (
        (("resolve", "-"), "a: {get_secret: other}"),
        (("resolve", "-", "-t", "none"), "a: {get_secret: shop_one}"),
        (("resolver", "secrets", "get", "shop_one"), ""),
        (("resolver", "secrets", "list"), ""),
        (("resolver", "tokens", "create"), ""),
    ):
        done = pipeline(*words, stdin=stdin)
        assert (done.returncode, done.stdout) == (4, ""), words


def test_python(url: str, served: Path) -> None:
    """`open_resolver` takes a server; its callers are refused as everywhere."""
    with open_resolver("/nonexistent", url=url, token=token_of(served)) as resolver:
        caller = resolver.authenticate()
        assert caller.username == "admin"
        resolved = resolver.resolve("a: 1\n", tenant="default_tenant", caller=caller)
        assert resolved.data == {"a": 1}
        with pytest.raises(AuthenticationError):
            resolver.authenticate(token=f"ctok-{'a' * 10}-{'b' * 40}")
        with pytest.raises(AuthenticationError):
            resolver.authenticate(username="admin", password="wrong")
    with open_resolver("/nonexistent", url=url, token=token_of(served)) as resolver:
        assert "ctok" not in repr(resolver)
        with pytest.raises(NotFoundError):
            resolver.resolve("a: {get_secret: key}\n", tenant="none", caller=resolver.authenticate())
