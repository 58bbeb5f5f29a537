"""`resolver login --sso` as people run it, by a provider whose certificate an authority of its own signed."""

from __future__ import annotations

import json
import shlex
import stat
import sys
import time
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
import yaml

from tests.client.conftest import Cli, serving
from tests.issuer import AUDIENCE, issuing
from tests.people import CLIENT, OpenIdProvider
from tests.rest.test_serve import make_certificate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.cli.prefork import Prefork

pytestmark = pytest.mark.slow

BROWSER = """\
import ssl, sys
from urllib.request import HTTPSHandler, ProxyHandler, build_opener
trusting = HTTPSHandler(context=ssl.create_default_context(cafile=sys.argv[1]))
build_opener(ProxyHandler({}), trusting).open(sys.argv[2], timeout=60).read()
"""
"""Goes where it is sent, and where it is redirected from there."""


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """The provider's certificate, and its key."""
    return make_certificate(tmp_path)


@pytest.fixture
def provider(certificate: tuple[Path, Path]) -> Iterator[OpenIdProvider]:
    """A provider over TLS, in whose browser a person agrees to everything."""
    with issuing(certificate) as issuer:
        made = OpenIdProvider(issuer, time.time)

        def authorize() -> tuple[int, Mapping[str, str], bytes]:
            answer = made.agree(issuer.asked[-1][0])
            back = made.codes[answer.code]["redirect_uri"]
            query = urlencode({"state": answer.state, "code": answer.code, "iss": made.url})
            return 302, {"Location": f"{back}?{query}"}, b""

        issuer.answers["/authorize"] = authorize
        yield made


@pytest.fixture
def home(home: Path, provider: OpenIdProvider, certificate: tuple[Path, Path]) -> Path:
    """A store that people of the provider sign in to."""
    configure(home, provider, ca_file=str(certificate[0]))
    return home


def configure(home: Path, provider: OpenIdProvider, **more: str) -> None:
    """Write `config.yaml`."""
    group = {"group": "devs", "tenant": "default_tenant", "role": "user"}
    one = {"name": "example", "issuer": provider.url, "client_id": CLIENT, "groups": [group]}
    one |= {"create_users": True, "loopback": True, "device": True, **more}
    destinations = [provider.url.removeprefix("https://")]
    facts = {"public_url": AUDIENCE, "provider_destinations": destinations, "sign_in": {"providers": [one]}}
    (home / "config.yaml").write_text(yaml.safe_dump(facts))


@pytest.fixture
def desk(prefork: Prefork, tmp_path: Path, certificate: tuple[Path, Path]) -> Cli:
    """Somebody's desk, which knows of nothing and has a browser."""
    (tmp_path / "browser.py").write_text(BROWSER)
    words = (sys.executable, str(tmp_path / "browser.py"), str(certificate[0]))
    return Cli(prefork, {"RESOLVER_HOME": str(tmp_path / "desk"), "BROWSER": f"{shlex.join(words)} %s &"})


@pytest.mark.parametrize("way", ["browser", "device:example"])
def test_a_person_logs_in(way: str, home: Path, desk: Cli, provider: OpenIdProvider, tmp_path: Path) -> None:
    """The profile has a token of the person's, commands use it, and `users get` says whose it is."""
    provider.device = [(400, {"error": "authorization_pending"}), (200, {})]
    with serving(home) as url:
        done = desk("resolver", "login", url, "--sso", way)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"user una on {url}\n")
        assert ("ABCD-EFGH" in done.stderr) is (way != "browser")
        profile = tmp_path / "desk" / "profile"
        assert stat.S_IMODE(profile.stat().st_mode) == 0o600
        token = json.loads(profile.read_text())["token"]
        assert token not in done.stdout + done.stderr
        made = desk("resolver", "secrets", "create", "k", stdin="a value of hers")
        assert made.returncode == 0, made.stderr
        assert desk("resolve", "-", stdin="a: {get_secret: k}").stdout == 'a: "a value of hers"'
        refused = desk("resolver", "tokens", "create")
        assert (refused.returncode, refused.stdout) == (4, "")
    admin = Cli(desk.prefork, {"RESOLVER_HOME": str(home)})
    shown = json.loads(admin("resolver", "users", "get", "una", "--format", "json").stdout)
    assert (shown["issuer"], shown["subject"]) == (provider.url, "sub-una")
    written = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert b"a refresh token" not in written


@pytest.mark.parametrize("way", ["browser", "device"])
def test_a_certificate_that_is_not_trusted(
    way: str, home: Path, desk: Cli, provider: OpenIdProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """Without `ca_file` nobody is let in, the provider is sent nothing, and the server's log says why."""
    configure(home, provider)
    with serving(home) as url:
        done = desk("resolver", "login", url, "--sso", way)
    assert (done.returncode, done.stdout) == (4, "")
    assert "certificate" in caplog.text
    assert (provider.granted, provider.issuer.asked) == ([], [])
    assert not (home.parent / "desk").exists()


def test_a_trust_with_authorities_of_its_own(
    home: Path, desk: Cli, provider: OpenIdProvider, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    """Keys of workloads come over TLS, too: by the trust's `--ca-file`, and without it not at all."""
    admin = Cli(desk.prefork, {"RESOLVER_HOME": str(home)})
    trust = ("trusts", "create", "--issuer", provider.url, "--user", "job", "-t", "default_tenant")
    narrow = ("--claim", "job=build", "--permission", "secret:use", "--key", "*", "--audience", AUDIENCE)
    for words in (
        ("users", "create", "job"),
        ("tenants", "add-user", "job", "-t", "default_tenant", "-r", "operations"),
        (*trust, "with", *narrow, "--ca-file", str(certificate[0])),
        (*trust, "without", *narrow),
    ):
        done = admin("resolver", *words)
        assert done.returncode == 0, done.stderr
    with serving(home) as url:
        for name, code in (("with", 0), ("without", 4)):
            (tmp_path / "jwt").write_text(provider.issuer.jwt(job="build"))
            identity = ("--identity", f"file:{tmp_path / 'jwt'}")
            done = desk(
                "resolver",
                "whoami",
                *identity,
                RESOLVER_URL=url,
                RESOLVER_AUDIENCE=AUDIENCE,
                RESOLVER_TRUST=name,
            )
            assert (done.returncode, done.stdout.split()[:2]) == (code, [] if code else ["user:", "job"]), (
                done.stderr
            )
