"""The tutorial and the how-to pages are run, each on machines of its own."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import openbao
from tests.cli.prefork import preforked_scripts
from tests.conftest import clean_environment
from tests.releases.snapshot import RELEASES, load, released
from tests.sessions import fenced, run_page

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
NAV = (ROOT / "zensical.toml").read_text()
GUIDES = re.findall(r'"([\w-]+\.md)"', NAV.partition('"Tutorial"')[2].partition('"Reference"')[0])

ELSEWHERE = {
    "cloudify.md": "tests/orchestrators/test_cloudify.py",
    "github-actions.md": "tests/test_ci_pages.py",
    "gitlab-ci.md": "tests/test_ci_pages.py",
    "identity.md": "tests/client/test_identity.py",
    "plugins.md": "tests/plugins/test_manager.py",
    "python.md": "tests/test_docs.py",
    "webhooks.md": "tests/cli/test_webhooks.py",
}
"""Pages whose files and programs are run by a test of their own."""

FRESH = {"tutorial.md", "server.md", "machines.md"}
"""Pages that begin with nothing; the others with a store that has the samples."""

WITH_BAO = {"keys.md", "providers.md"}
"""Pages that need an OpenBao."""

ASKED = "-u admin --password-file password"
"""What a person would type when asked."""

OLD = {"upgrading.md"}
"""Pages that begin with a store of the oldest release."""

BEFORE = {
    "keys.md": "bao secrets disable transit",  # another test may have enabled it
    "audit.md": "resolver tenants create prod; mkdir ../elsewhere",
    "moving.md": """
        for machine in 'the manager' 'the other machine'; do
            on "$machine"; resolver init --sample --password-file - <<< 'a long password'
        done
        on 'the manager'
        (umask 077; echo 'a long passphrase' > passphrase.txt)
        resolver secrets export --cloudify -t default_tenant -o secrets.json --passphrase-file passphrase.txt
    """,
    "providers.md": """
        resolver tenants create prod
        echo 'provider_destinations: [127.0.0.0/8]' > "$RESOLVER_HOME/config.yaml"
        chmod 600 "$RESOLVER_HOME/config.yaml"
        (umask 077; echo "$BAO_TOKEN" > bao-token)
        bao kv put -mount=secret shop/db password=not-a-real-value
    """,
    "remote.md": """
        on 'the server'
        echo 'a long password' > password
        resolver init --password-file password
        resolver tenants create prod
        resolver secrets create db_password -t prod -s not-a-real-value
        echo 'password: { get_secret: db_password }' > blueprint.yaml
        resolver serve
        on 'this one'
        export RESOLVER_TOKEN=$(HOME=x RESOLVER_HOME="$PAGE_ROOT/machines/the server/.local/share/\
blueprint-resolver" resolver tokens create --tenant prod --permission secret:use --quiet)
    """,
}
"""What the reader of a page has done already."""

SERVED = "https://secrets.example:8200"
STUBS = {"pip": "exit 0", "deploy": 'grep -c password "$1"'}
"""Commands that would need a network, or that are the reader's own."""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the commands."""
    with preforked_scripts(tmp_path_factory.mktemp("scripts")) as folder:
        for name, text in STUBS.items():
            path = folder / name
            path.write_text(f"#!/bin/sh\n{text}\n")
            path.chmod(0o755)
        yield folder


@pytest.fixture(scope="module")
def made(scripts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory with the samples, to be copied."""
    home = tmp_path_factory.mktemp("made") / "home"
    command = [scripts / "resolver", "init", "--sample", "--password-file", "-"]
    environ = clean_environment() | {"RESOLVER_HOME": str(home)}
    subprocess.run(
        command, env=environ, input="a long password\n", text=True, capture_output=True, check=True
    )
    return home


def make_old(home: Path) -> str:
    """A state directory as the oldest release made it; a token of its administrator."""
    oldest = released((ROOT / "CHANGELOG.md").read_text())[-1]
    for folder in (home, home / "data", home / "keys"):
        folder.mkdir(mode=0o700)
    url = f"sqlite:///{home}/data/resolver.db"
    load((RELEASES / oldest / "store.sqlite.sql").read_text(), url)
    contents = json.loads((RELEASES / oldest / "contents.json").read_text())["sqlite"]
    (home / "keys" / "root.key").write_text(contents["root_keys_for_tests_only"]["current"])
    for path in ("keys/root.key", "data/resolver.db"):
        (home / path).chmod(0o600)
    return str(contents["tokens"]["admin"]["token"])


@pytest.mark.parametrize("name", [name for name in GUIDES if name not in ELSEWHERE])
def test_a_page_runs(name: str, scripts: Path, made: Path, tmp_path: Path) -> None:
    """Every block of a page runs and prints what it says, or says why no test can run it."""
    page = fenced((DOCS / name).read_text())
    assert [block for block in page if block.language in {"sh", "console"} and not block.reason]
    home = tmp_path / "machines" / "this one" / ".local" / "share" / "blueprint-resolver"
    home.parent.mkdir(parents=True)
    given = {"RESOLVER_TOKEN": make_old(home)} if name in OLD else {}
    if name not in OLD | FRESH:
        shutil.copytree(made, home)
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "sample_blueprints").symlink_to(ROOT / "sample_blueprints")
    shutil.copy(DOCS / "verify_audit.py", folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    environ = clean_environment() | given
    environ |= {
        "PATH": f"{scripts}:{Path(sys.executable).parent}:/usr/bin:/bin",
        "PAGE_ROOT": str(tmp_path),
        "PAGE_PORT": port,
        "TERM": "dumb",
    }
    server = f"http://127.0.0.1:{port}"
    replaced = {
        f"resolver login {SERVED} -t prod": f"resolver login {server} -t prod {ASKED}",
        SERVED: server,
        "http://127.0.0.1:8200": server,
        "/elsewhere/": f"{tmp_path}/elsewhere/",
        "/run/secrets/": f"{folder}/",
        "/home/resolver/": f"{tmp_path}/machines/this one/",
    }
    if name in WITH_BAO:
        bao = openbao.openbao()
        environ |= {"BAO_ADDR": bao.url, "BAO_TOKEN": openbao.ROOT_TOKEN}
        replaced["https://bao.internal.example:8200"] = bao.url
    run_page(page, folder, environ, replaced, BEFORE.get(name, ""))


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_page_is_run_elsewhere(name: str) -> None:
    """The other pages are named by the test that runs them."""
    assert name in GUIDES
    assert f'"{name}"' in (ROOT / ELSEWHERE[name]).read_text()
