"""Workloads that have no token: their platform's JWT is exchanged for one, through the commands."""

from __future__ import annotations

import json
import shlex
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from resolver import open_resolver
from resolver.errors import UsageError
from tests.client.conftest import Cli, serving
from tests.core.test_trusts import GITHUB, GITLAB, KUBERNETES
from tests.issuer import AUDIENCE, Issuer, claims_of, issuing, key_set
from tests.sessions import blocks
from tests.test_docs import DOCS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.prefork import Prefork

BLUEPRINT = "node: {password: {get_secret: db_password}, other: {get_secret: db_password}}\n"

_POD = (
    *("--claim", "/kubernetes.io/namespace=kube-system"),
    *("--claim", "/kubernetes.io/serviceaccount/name=coredns"),
    *("--claim", "/kubernetes.io/serviceaccount/uid=a087d5a0-e1dd-43ec-93ac-f13d89cd13af"),
)


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """An issuer for all."""
    with issuing() as made:
        yield made


@pytest.fixture(scope="module")
def place(
    _made_home: Path, tmp_path_factory: pytest.TempPathFactory, prefork: Prefork, issuer: Issuer
) -> Iterator[tuple[Cli, Cli]]:
    """Commands of an administrator, and of a workload that knows of the server only; two trusts in it."""
    home = tmp_path_factory.mktemp("trusting") / "home"
    shutil.copytree(_made_home, home)
    (home / "config.yaml").write_text(f"public_url: {AUDIENCE}\nprovider_destinations: ['127.0.0.0/8']\n")
    admin = Cli(prefork, {"RESOLVER_HOME": str(home)})
    trust = ("trusts", "create", "--issuer", issuer.url, "--user", "pipeline", "-t", "default_tenant")
    leaves = ("--key", "db_*", "--permission", "secret:use")
    github = ("--kind", "github", "--claim", "repository_id=74", "--claim", "ref=refs/heads/*")
    for words in (
        ("secrets", "create", "db_password", "-s", "one value", "-t", "default_tenant"),
        ("users", "create", "pipeline"),
        ("tenants", "add-user", "pipeline", "-t", "default_tenant", "-r", "operations"),
        (*trust, "first", *github, *leaves),
        (*trust, "lab", "--kind", "gitlab", "--claim", "project_id=20", *leaves),
        (*trust, "hub", *github, "--claim", "environment=prod", *leaves),
        (*trust, "cluster", "--kind", "kubernetes", *_POD, *leaves),
    ):
        done = admin("resolver", *words)
        assert done.returncode == 0, done.stderr
    with serving(home) as url:
        workload = {"RESOLVER_HOME": "/nonexistent", "RESOLVER_URL": url, "RESOLVER_AUDIENCE": AUDIENCE}
        yield admin, Cli(prefork, {**workload, "RESOLVER_TENANT": "default_tenant"})


def test_a_job_resolves_with_what_its_platform_gave_it(
    place: tuple[Cli, Cli], issuer: Issuer, tmp_path: Path
) -> None:
    """No token anywhere: a JWT in a file is exchanged, and the trail names the run."""
    admin, workload = place
    file = tmp_path / "jwt"
    claims = {"repository_id": "74", "repository": "acme/shop", "ref": "refs/heads/main", "run_id": "4711"}
    file.write_text(issuer.jwt(**claims, event_name="push"))
    (tmp_path / "b.yaml").write_text(BLUEPRINT)
    done = workload("resolve", str(tmp_path / "b.yaml"), "--identity", f"file:{file}")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == BLUEPRINT.replace("{get_secret: db_password}", '"one value"')
    records = [
        json.loads(line)
        for line in admin("resolver", "audit", "export", "-t", "default_tenant").stdout.splitlines()
    ]
    told = next(
        body["run"]
        for body in map(json.loads, (one["body"] for one in records if "body" in one))
        if body.get("run", {}).get("trust") == "first" and "run_id" in body["run"]["claims"]
    )
    assert (told["trust"], told["issuer"], told["subject"]) == ("first", issuer.url, "somebody")
    assert told["claims"] == {**claims, "event_name": "push"}
    listed = admin("resolver", "audit", "list", "--run", "4711", "--format", "json", "-t", "default_tenant")
    assert [one["action"] for one in json.loads(listed.stdout)] == ["secret:use"]
    again = workload("resolve", str(tmp_path / "b.yaml"), "--identity", f"file:{file}")
    assert again.returncode == 4
    assert "the identity was refused" in again.stderr


def test_a_command_inherits_no_identity(place: tuple[Cli, Cli], issuer: Issuer, tmp_path: Path) -> None:
    """Neither the JWT nor what it came from; GitHub's variables are left to who asks for that."""
    _, workload = place
    (tmp_path / "b.yaml").write_text(BLUEPRINT)
    text = issuer.jwt(project_id="20", ref_protected="true")
    job = workload.having(RESOLVER_IDENTITY="gitlab", RESOLVER_ID_TOKEN=text, RESOLVER_TRUST="lab")
    for _ in range(2):  # one JWT serves a whole job
        done = job("resolver", "exec", str(tmp_path / "b.yaml"), "--no-mask", "--", "env")
        assert done.returncode == 0, done.stderr
        assert not {"RESOLVER_ID_TOKEN", "RESOLVER_IDENTITY"} & {
            line.partition("=")[0] for line in done.stdout.splitlines()
        }
        assert text not in done.stdout
    path = "/ask?audience=https%3A%2F%2Fresolver.example.com"
    claims = {"repository_id": "74", "ref": "refs/heads/main", "event_name": "push"}
    issuer.answers[path] = lambda: (200, {}, json.dumps({"value": issuer.jwt(**claims)}).encode())
    github = workload.having(
        ACTIONS_ID_TOKEN_REQUEST_URL=f"{issuer.url}/ask", ACTIONS_ID_TOKEN_REQUEST_TOKEN="the request's"
    )
    for keeps in ([], ["--keep-identity"]):
        words = ("resolver", "exec", str(tmp_path / "b.yaml"), "--identity", "github", "--no-mask", *keeps)
        done = github(*words, "--", "env")
        assert done.returncode == 0, done.stderr
        assert ("the request's" in done.stdout) is bool(keeps)


def test_embedded_says_that_a_server_does_it(place: tuple[Cli, Cli]) -> None:
    """And two who say who asks are one too many."""
    admin, workload = place
    done = admin("resolver", "whoami", "--identity", "github")
    assert (done.returncode, "are exchanged by a server" in done.stderr) == (2, True)
    both = workload("resolver", "whoami", RESOLVER_IDENTITY="github", RESOLVER_TOKEN="x")
    assert (both.returncode, "only one can say who asks" in both.stderr) == (2, True)


def test_python_shows_an_identity(
    place: tuple[Cli, Cli], issuer: Issuer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With each call of `authenticate` that names nobody."""
    _, workload = place
    file = tmp_path / "jwt"
    monkeypatch.setenv("RESOLVER_AUDIENCE", AUDIENCE)
    with open_resolver(
        tmp_path / "none", url=workload.environ["RESOLVER_URL"], identity=f"file:{file}"
    ) as resolver:
        for _ in range(2):
            claims = {"repository_id": "74", "ref": "refs/heads/main", "event_name": "push"}
            file.write_text(issuer.jwt(**claims))
            caller = resolver.authenticate()
            with resolver.resolve(BLUEPRINT, tenant="default_tenant", caller=caller) as resolved:
                assert resolved.data == {"node": {"password": "one value", "other": "one value"}}
    with pytest.raises(UsageError, match="either a token or an identity"):
        open_resolver(url="https://127.0.0.1:1", token="x", identity="github")


@pytest.mark.parametrize(
    ("trust", "documented", "of_others"),
    [
        ("hub", GITHUB, {"repository_id": "75"}),
        ("lab", GITLAB, {"project_id": "21"}),
        ("cluster", KUBERNETES, {"kubernetes.io": KUBERNETES["kubernetes.io"] | {"namespace": "shop"}}),
    ],
    ids=["github", "gitlab", "kubernetes"],
)
def test_what_platforms_document(
    trust: str,
    documented: dict[str, Any],
    of_others: dict[str, Any],
    place: tuple[Cli, Cli],
    issuer: Issuer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Each platform's claims as its documentation has them: by `resolve`, `exec` and Python; no others."""
    _, workload = place
    (tmp_path / "b.yaml").write_text(BLUEPRINT)
    resolved = BLUEPRINT.replace("{get_secret: db_password}", '"one value"')

    def jwt(**more: Any) -> str:  # noqa: ANN401 - claims
        now = claims_of(issuer.url)
        return issuer.keys[-1].jwt(
            documented | {name: now[name] for name in ("iss", "iat", "nbf", "exp", "jti")} | more
        )

    job = ("--identity", "env:X", str(tmp_path / "b.yaml"))
    for words in (("resolve", *job), ("resolver", "exec", *job, "--no-mask", "--", "cat", "{}")):
        done = workload(*words, X=jwt(), RESOLVER_TRUST=trust)
        assert (done.returncode, done.stdout) == (0, resolved), done.stderr
    refused = workload("resolve", *job, X=jwt(**of_others), RESOLVER_TRUST=trust)
    assert (refused.returncode, refused.stdout) == (4, "")
    for name, value in (("X", jwt()), ("RESOLVER_AUDIENCE", AUDIENCE), ("RESOLVER_TRUST", trust)):
        monkeypatch.setenv(name, value)
    with (
        open_resolver(tmp_path / "none", url=workload.environ["RESOLVER_URL"], identity="env:X") as resolver,
        resolver.resolve(BLUEPRINT, tenant="default_tenant", caller=resolver.authenticate()) as found,
    ):
        assert found.data == {"node": {"password": "one value", "other": "one value"}}


def test_the_page_works(place: tuple[Cli, Cli], issuer: Issuer, tmp_path: Path) -> None:
    """The commands of the page, with an issuer that is there: no credential that lasts is anywhere."""
    admin, workload = place
    assert admin("resolver", "tenants", "create", "prod").returncode == 0
    assert admin("resolver", "secrets", "create", "shop_key", "-s", "v", "-t", "prod").returncode == 0
    make, _, kubernetes = blocks((DOCS / "identity.md").read_text(), "sh")
    jwks = tmp_path / "jwks.json"
    jwks.write_text(key_set(*issuer.keys))
    for line in (make + kubernetes).replace("\\\n", " ").splitlines():
        there = line.replace("https://token.actions.githubusercontent.com", issuer.url)
        there = there.replace("https://kubernetes.default.svc.cluster.local", "https://127.0.0.1:6443")
        done = admin(*shlex.split(there.replace("jwks.json", str(jwks))))
        assert done.returncode == 0, (line, done.stderr)
    (tmp_path / "b.yaml").write_text("a: {get_secret: shop_key}\n")
    account = {"name": "deployer", "uid": "a087d5a0-e1dd-43ec-93ac-f13d89cd13af"}
    pod = {"kubernetes.io": {"namespace": "shop", "serviceaccount": account, "pod": {"name": "p-1"}}}
    jobs = {
        "github": issuer.jwt(repository_id="74", environment="production", event_name="push"),
        "kubernetes": issuer.keys[-1].jwt(claims_of("https://127.0.0.1:6443") | pod),
    }
    for name, text in jobs.items():
        done = workload("resolve", str(tmp_path / "b.yaml"), "-t", "prod", "--identity", "env:X", X=text)
        assert (done.returncode, done.stdout) == (0, 'a: "v"\n'), (name, done.stderr)
    listed = admin("resolver", "audit", "list", "--run", "p-1", "--format", "json", "-t", "prod")
    assert len(json.loads(listed.stdout)) == 1
