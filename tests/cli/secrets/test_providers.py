"""`resolver secrets providers`, and secrets that are kept with them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.conftest import TENANT
from tests.peer import Peer, answer, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Run

pytestmark = pytest.mark.slow

TOKEN = "the-credential-of-the-provider"
PROVIDERS = ("resolver", "secrets", "providers")


def _vault(head: str) -> bytes:
    if TOKEN not in head:
        return answer(403)
    return answer(200, b'{"data": {"data": {"db": "value there"}}}')


@pytest.fixture
def vault(home: Path) -> Iterator[Peer]:
    """A server that providers may be at."""
    (home / "config.yaml").write_text("provider_destinations: [127.0.0.0/8]\n")
    with serving(_vault) as peer:
        yield peer


def test_a_providers_life(run: Run, vault: Peer, tmp_path: Path) -> None:
    """Tested and created, shown, used, changed, refused while in use, deleted."""
    file = tmp_path / "connection.json"
    parameters = {"url": vault.url, "token": TOKEN, "path": "team"}
    file.write_text(json.dumps(parameters))
    done = run(*PROVIDERS, "create", "v", "-y", "vault", "-f", file)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Secrets provider `v` created\n", "")
    assert [each["name"] for each in json.loads(run(*PROVIDERS, "list", "--format", "json").stdout)] == ["v"]
    shown = json.loads(run(*PROVIDERS, "get", "v", "--format", "json").stdout)
    assert shown["connection_parameters"] == parameters | {"mount": "secret"}
    assert run(*PROVIDERS, "test", "v").stdout == "ok\n"
    create = ("resolver", "secrets", "create", "db", "-p", "v", "-o", '{"path": "shop"}')
    assert run(*create).stdout == "Secret `db` created\n"
    assert [line.split()[-1] for line in run("resolver", "secrets", "list").stdout.splitlines()] == [
        "PROVIDER",
        "v",
    ]
    done = run("resolve", "-", "-t", TENANT, stdin="a: { get_secret: db }\n")
    assert (done.returncode, done.stdout) == (0, 'a: "value there"\n')
    assert "/v1/secret/data/team/shop " in vault.seen[-1]
    done = run(*PROVIDERS, "delete", "v", "--yes")
    assert (done.returncode, done.stderr) == (
        8,
        (
            "error: secrets are kept with provider 'v': db\n"
            "  hint: delete them, or keep them elsewhere, before it is deleted\n"
        ),
    )
    changed = run(*PROVIDERS, "update", "v", "-f", "-", stdin='{"token": "another"}')
    assert changed.stdout == "Secrets provider `v` updated\n"
    done = run("resolve", "-", "-t", TENANT, stdin="a: { get_secret: db }\nb: { get_secret: none }\n")
    assert (done.returncode, done.stdout) == (5, "")
    assert "provider 'v': it does not answer, or refuses its credentials [" in done.stderr
    assert (
        "hint: `resolver secrets providers test` tells who may set it up whether the provider answers; "
        "`resolver secrets update -o` changes what is looked for there, for who may update the secret\n"
    ) in done.stderr
    assert "secret 'none' was not found" in done.stderr
    run("resolver", "secrets", "delete", "db", "--yes")
    run("resolver", "secrets", "create", "here", "-s", "value")
    assert "PROVIDER" not in run("resolver", "secrets", "list").stdout
    assert run(*PROVIDERS, "delete", "v", "--yes").stdout == "Secrets provider `v` deleted\n"
    assert run(*PROVIDERS, "list").stderr == "no secrets providers\n"


def test_what_is_refused(run: Run, vault: Peer) -> None:
    """Each in words, with its exit code; credentials are in none of them."""
    wrong = json.dumps({"url": vault.url, "token": "no-such-token", "path": "team"})
    create = (*PROVIDERS, "create", "v", "-y", "vault", "-f", "-")
    done = run(*create, stdin=wrong)
    assert (done.returncode, done.stdout, done.stderr) == (
        6,
        "",
        (
            "error: secrets provider 'v' does not answer to these connection parameters,"
            " and was not created\n"
            "  hint: --skip-check creates it all the same\n"
        ),
    )
    assert run(*create, "--skip-check", stdin=wrong).returncode == 0
    done = run(*PROVIDERS, "test", "v")
    assert (done.returncode, done.stdout) == (6, "")
    failed = "error: failed: the secrets provider does not answer, or refuses its credentials"
    assert done.stderr.startswith(failed)
    done = run(*PROVIDERS, "update", "v", "-c", '{"path": "other"}')
    assert (done.returncode, done.stderr) == (
        2,
        (
            "error: another path needs the credentials again\n"
            "  hint: stored credentials are sent to the stored destination only; give them with the change\n"
        ),
    )
    far = json.dumps({"url": "https://vault.example", "token": TOKEN, "path": "team"})
    done = run(*PROVIDERS, "test", "-y", "vault", "-f", "-", stdin=far)
    assert (done.returncode, done.stderr) == (
        4,
        (
            "error: the destination vault.example:443 is not allowed\n"
            "  hint: add to config.yaml, beside all others:"
            ' provider_destinations: ["vault.example:443"]\n'
        ),
    )
    done = run(*PROVIDERS, "delete", "v")
    assert (done.returncode, done.stderr) == (
        2,
        (
            "error: there is no terminal to ask on whether to delete\n"
            "  hint: give --yes to delete without asking\n"
        ),
    )
    done = run("resolver", "secrets", "create", "k", "-p", "v", "-o", '{"path": "../sys"}')
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        2,
        "error: provider option 'path' must be a path of plain steps",
    )
    assert "no-such-token" not in done.stderr
