"""The pages for CI systems: their files are sound, and what they run works with a server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import urllib.parse
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.client.conftest import serving, token_of
from tests.conftest import SCRIPTS, clean_environment
from tests.issuer import issuing
from tests.leaks.marks import Marks
from tests.sessions import blocks
from tests.test_docs import DOCS, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


GITLAB, GITHUB = DOCS / "gitlab-ci.md", DOCS / "github-actions.md"
BLUEPRINT = "password: { get_secret: shop_password }\ncertificate: { get_secret: shop_certificate }\n"


def workflow(page: Path) -> dict[str, Any]:
    """The YAML file on a page. YAML 1.1 reads `on` as a boolean."""
    (text,) = blocks(page.read_text(), "yaml")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return {("on" if key is True else key): value for key, value in loaded.items()}


class Job:
    """A shell that runs a page's lines, as a CI system does: the output is a pipe that is kept as a log.

    It has no store: it knows where a server is.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self.folder = folder
        self.url = url
        self.got = folder / "got"
        self.environ = clean_environment() | {
            "PATH": f"{SCRIPTS}:{os.environ['PATH']}",
            "RESOLVER_HOME": "/nowhere",
            "RESOLVER_URL": url,
            "CI": "true",
        }
        (folder / "blueprints").mkdir()
        (folder / "blueprints" / "shop.yaml").write_text(BLUEPRINT)
        script = folder / "deploy.sh"
        script.write_text(f'#!/bin/sh\ncp "$1" {self.got}\nenv > {folder}/env\n')
        script.chmod(0o700)

    def run(self, lines: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run lines as the shell of a job; a failing line ends it."""
        return subprocess.run(
            # A line of its own at the end: bash would become the last command, and be no parent of it.
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", f"{lines}\n:"],
            cwd=self.folder,
            env=self.environ | more,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


@pytest.fixture
def marks() -> Marks:
    """The values, for searching."""
    return Marks()


@pytest.fixture
def job(home: Path, tmp_path: Path, marks: Marks) -> Iterator[Job]:
    """A job, and a new server: it has nothing but its administrator."""
    folder = tmp_path / "job"
    folder.mkdir()
    (folder / "shop-password").write_text(marks.new("password") + "%25")
    (folder / "shop-certificate.pem").write_text(f"{marks.new('line one')}\n\n{marks.new('line two')}")
    with serving(home) as url:
        yield Job(url, folder)


def make_token(job: Job, home: Path, page: Path, instead: str = "") -> str:
    """Run what a page says to do once, as the administrator at a desk; the token.

    What a person types when asked is a file with a token, and what is random is known to the test. Where
    something is done instead, no token is made.
    """
    (commands,) = blocks(page.read_text(), "sh")
    if instead:
        commands, last = commands.rstrip().rsplit("\n", 1)
        assert last.startswith("resolver tokens create")
        commands += f"\n{instead}"
    (job.folder / "token").write_text(token_of(home))
    (job.folder / "token").chmod(0o600)
    for word, meant in {
        "https://secrets.example:8200": f"{job.url} --token-file token",
        "head -c 24 /dev/urandom | base64": "cat shop-password",
    }.items():
        assert commands.count(word) == 1
        commands = commands.replace(word, meant)
    commands += "\nprintf other | resolver secrets create other_password -t prod >&2"
    done = job.run(commands, RESOLVER_HOME=str(job.folder / "desk"), RESOLVER_URL=job.url)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def deploys(job: Job, marks: Marks, done: subprocess.CompletedProcess[str]) -> None:
    """The command got everything but the token, and the log has nothing."""
    assert done.returncode == 0, done.stderr
    got = yaml.safe_load(job.got.read_text())
    assert len(marks.find(got["password"])) == 1
    assert len(marks.find(got["certificate"])) == 2
    environ = (job.folder / "env").read_text()
    assert not [name for name in ("RESOLVER_TOKEN", "ID_TOKEN", "RESOLVER_IDENTITY") if name in environ]
    assert marks.find(done.stdout + done.stderr) == []


def test_gitlab(job: Job, home: Path, marks: Marks) -> None:
    """The check needs no token; the job that deploys works with the narrowed one, and keeps the log clean."""
    file = workflow(GITLAB)
    jobs = {name: body for name, body in file.items() if isinstance(body, dict) and "script" in body}
    assert {body["stage"] for body in jobs.values()} == set(file["stages"])
    checked = job.run("\n".join(jobs["check-blueprints"]["script"]))
    assert checked.returncode == 0, checked.stderr
    token = make_token(job, home, GITLAB)
    variables = jobs["deploy"]["variables"]
    assert set(variables) == {"RESOLVER_URL", "RESOLVER_TENANT"}
    given = {"RESOLVER_TENANT": variables["RESOLVER_TENANT"], "RESOLVER_TOKEN": token}
    done = job.run("\n".join(jobs["deploy"]["script"]), **given)
    deploys(job, marks, done)
    refused = job.run("resolve blueprints/shop.yaml", **given)
    assert (refused.returncode, refused.stdout) == (7, "")
    other = job.run("echo 'a: { get_secret: other_password }' | resolve - | cat", **given)
    assert (other.returncode, other.stdout) == (4, "")
    job.run("rm got; echo 'x: { get_secret: shop_none }' >> blueprints/shop.yaml")
    broken = job.run(jobs["deploy"]["script"][-1], **given)
    assert (broken.returncode, job.got.exists()) == (125, False)


def test_github(job: Job, home: Path, marks: Marks) -> None:
    """Each step's lines run: annotations, one mask line for each line of a value, and the deployment."""
    file = workflow(GITHUB)
    assert set(file) == {"name", "on", "permissions", "jobs"}
    body = file["jobs"]["deploy"]
    steps = {step["name"]: step for step in body["steps"] if "run" in step}
    assert list(steps) == ["Install", "Check", "Mask", "Deploy"]
    assert steps["Install"]["run"].startswith("pip install --index-url https://packages.example/")
    assert [name for name, step in steps.items() if "RESOLVER_TOKEN" in step.get("env", {})] == [
        "Mask",
        "Deploy",
    ]
    (job.folder / "blueprints" / "bad.yaml").write_text("a: { get_secret: [] }\n")
    checked = job.run(steps["Check"]["run"])
    assert checked.returncode == 3
    assert checked.stdout.startswith("::error title=bad_argument,file=blueprints/bad.yaml,line=1,col=4::")
    (job.folder / "blueprints" / "bad.yaml").unlink()
    token = make_token(job, home, GITHUB)
    given = {"RESOLVER_TENANT": body["env"]["RESOLVER_TENANT"], "RESOLVER_TOKEN": token}
    masked = job.run(steps["Mask"]["run"], **given)
    assert (masked.returncode, masked.stderr) == (0, "")
    lines = masked.stdout.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("::add-mask::") for line in lines)
    assert [len(marks.find(line)) for line in lines] == [1, 1, 1]
    assert lines[0].endswith("%2525")  # GitHub decodes this text, so a percent sign has to be written so
    missing = job.run(steps["Mask"]["run"].replace("shop_certificate", "shop_none"), **given)
    assert missing.returncode == 5
    assert missing.stderr.startswith("error: secret 'shop_none' was not found in tenant 'prod'\n")
    assert "Traceback" not in missing.stderr
    deploys(job, marks, job.run(steps["Deploy"]["run"], **given))


@pytest.mark.parametrize(
    ("page", "kind_issuer", "claims", "others"),
    [
        (
            GITLAB,
            "https://gitlab.com",
            {"project_id": "20", "ref": "main", "ref_type": "branch", "ref_protected": "true"},
            {"ref": "other"},
        ),
        (
            GITHUB,
            "https://token.actions.githubusercontent.com",
            {"repository_id": "74", "environment": "production", "event_name": "push"},
            {"environment": "test"},
        ),
    ],
)
def test_without_a_token(
    home: Path,
    tmp_path: Path,
    marks: Marks,
    page: Path,
    kind_issuer: str,
    claims: dict[str, str],
    others: dict[str, str],
) -> None:
    """What a page says to do first: the job deploys by what its platform signs, and nothing that lasts."""
    (trust,), (more,) = blocks(page.read_text(), "shell"), blocks(page.read_text(), "yml")
    entries = yaml.safe_load(more)
    body = workflow(page) if page is GITLAB else workflow(page)["jobs"]
    audience = (body["deploy"].get("variables") or body["deploy"]["env"])["RESOLVER_URL"]
    folder = tmp_path / "job"
    folder.mkdir()
    (folder / "shop-password").write_text(marks.new("password"))
    (folder / "shop-certificate.pem").write_text(f"{marks.new('line one')}\n{marks.new('line two')}")
    (home / "config.yaml").write_text(f"public_url: {audience}\nprovider_destinations: ['127.0.0.0/8']\n")
    with issuing() as issuer, serving(home) as url:
        job = Job(url, folder)
        make_token(job, home, page, trust.replace(kind_issuer, issuer.url))
        given = {"RESOLVER_TENANT": "prod", "RESOLVER_AUDIENCE": audience}
        if page is GITLAB:
            assert entries["deploy"]["id_tokens"] == {"RESOLVER_ID_TOKEN": {"aud": audience}}
            given |= entries["deploy"]["variables"]
            lines = "\n".join(body["deploy"]["script"])
        else:
            assert entries["permissions"]["id-token"] == "write"
            given |= entries["jobs"]["deploy"]["env"]
            given["ACTIONS_ID_TOKEN_REQUEST_URL"] = f"{issuer.url}/ask"
            given["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = "the request's"
            lines = next(step["run"] for step in body["deploy"]["steps"] if step.get("name") == "Deploy")

        def run(told: dict[str, str]) -> subprocess.CompletedProcess[str]:
            path = f"/ask?audience={urllib.parse.quote(audience, safe='')}"
            issuer.answers[path] = lambda: (
                200,
                {},
                json.dumps({"value": issuer.jwt(aud=audience, **told)}).encode(),
            )
            signed = {"RESOLVER_ID_TOKEN": issuer.jwt(aud=audience, **told)} if page is GITLAB else {}
            return job.run(lines, **given, **signed)

        deploys(job, marks, run(claims))
        job.got.unlink()
        refused = run(claims | others)
        assert (refused.returncode in (4, 125), job.got.exists()) == (True, False)
        assert "the identity was refused" in refused.stderr


def test_the_hook_definition_is_whole() -> None:
    """pre-commit needs these fields, and the documentation shows the hooks' ids."""
    for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text()):
        assert {"id", "name", "entry", "language"} <= set(hook)
        assert (hook["language"], hook["types"]) == ("python", ["yaml"])
        assert re.search(rf"- id: {hook['id']}\n", (DOCS / "blueprints.md").read_text())
