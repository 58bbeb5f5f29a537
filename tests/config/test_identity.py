"""Where a workload's identity comes from, and what is told of the usual mistakes."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from resolver.config.identity import GITHUB_VARIABLES, parse_source, read_jwt
from resolver.config.settings import Settings
from resolver.errors import AuthenticationError, ResolverError, UsageError
from tests.issuer import AUDIENCE, Issuer, claims_of, issuing
from tests.trusting import ISSUER, key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GOOD = key().jwt(claims_of(ISSUER, exp=int(time.time()) + 86400))  # the suite comes to it later


@pytest.fixture(scope="module")
def github() -> Iterator[tuple[Issuer, dict[str, str]]]:
    """A server that answers as GitHub does, and the variables of a job that may ask it."""
    with issuing() as made:
        yield made, dict(zip(GITHUB_VARIABLES, (f"{made.url}/ask?v=2", "the request's token"), strict=True))


PATH = "/ask?v=2&audience=https%3A%2F%2Fresolver.example.com"


def test_github_is_asked_for_the_clients_own_audience(github: tuple[Issuer, dict[str, str]]) -> None:
    """With the job's token, which goes nowhere else."""
    server, environ = github
    server.answers[PATH] = (200, {}, json.dumps({"count": 1, "value": GOOD}).encode())
    assert read_jwt(parse_source("github"), environ, AUDIENCE) == GOOD
    path, headers = server.asked[-1]
    assert (path, headers["authorization"]) == (PATH, "Bearer the request's token")


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ((302, {"Location": "http://127.0.0.1:9/"}, b""), "status 302"),
        ((403, {}, b""), "status 403"),
        ((200, {}, b"<html>"), "status 200"),
        ((200, {}, b'{"value": 7}'), "status 200"),
        ((200, {}, b'{"value": "abc"}'), "no JWT"),
        ((200, {}, b" " * 100_000), "too large"),
    ],
)
def test_github_gives_none(github: tuple[Issuer, dict[str, str]], answer: Any, problem: str) -> None:  # noqa: ANN401 - an answer
    """No redirect is followed: the token is for that server."""
    server, environ = github
    server.answers[PATH] = answer
    with pytest.raises(AuthenticationError, match=problem):
        read_jwt(parse_source("github"), environ, AUDIENCE)


def test_a_job_without_the_permission_is_told_so() -> None:
    """The commonest mistake; and where there is no job at all."""
    with pytest.raises(AuthenticationError, match="gives this job no identity") as refused:
        read_jwt(parse_source("github"), {"GITHUB_ACTIONS": "true"}, AUDIENCE)
    assert "id-token: write" in refused.value.hint
    with pytest.raises(AuthenticationError, match="no job of GitHub Actions"):
        read_jwt(parse_source("github"), {}, AUDIENCE)
    variables = dict(zip(GITHUB_VARIABLES, ("http://github.example/", "t"), strict=True))
    with pytest.raises(UsageError, match="plain HTTP"):
        read_jwt(parse_source("github"), variables, AUDIENCE)


def test_variables_files_and_commands(tmp_path: Path) -> None:
    """Each is read anew each time; spaces around the JWT do not count."""
    file = tmp_path / "jwt"
    file.write_text(f"{GOOD}\n")
    assert read_jwt(parse_source(f"file:{file}"), {}, AUDIENCE) == GOOD
    assert read_jwt(parse_source("gitlab"), {"RESOLVER_ID_TOKEN": GOOD}, AUDIENCE) == GOOD
    assert read_jwt(parse_source("env:X"), {"X": GOOD}, AUDIENCE) == GOOD
    command = f"command:{sys.executable} -c \"print(open('{file}').read())\""
    assert read_jwt(parse_source(command), {}, AUDIENCE) == GOOD
    for source, environ, problem in (
        ("env:X", {}, "X is not set"),
        ("gitlab", {"RESOLVER_ID_TOKEN": " "}, "RESOLVER_ID_TOKEN is empty"),
        (f"file:{tmp_path / 'none'}", {}, "can't be read: No such file"),
        ("command:false", {}, "exit code 1"),
        ("command:/nonexistent", {}, "can't be run"),
        ("env:X", {"X": "abc"}, "no JWT"),
        ("env:X", {"X": f'"{GOOD}"'}, "no JWT"),
        ("env:X", {"X": "a" * 20_000}, "no JWT"),
    ):
        with pytest.raises(AuthenticationError, match=problem):
            read_jwt(parse_source(source), environ, AUDIENCE)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"aud": "https://other.example.com"}, "the identity is for 'https://other.example.com'"),
        ({"aud": [AUDIENCE, "https://other.example.com"]}, "the identity is for"),
        ({"aud": "https://kubernetes.default.svc"}, "the identity is for"),
        ({"exp": 100, "iat": 1}, "expired .* ago by this machine's clock"),
        ({"iat": 2**35, "exp": 2**36}, "from now by this machine's clock"),
    ],
)
def test_a_jwt_for_others_is_not_sent(more: dict[str, Any], problem: str) -> None:
    """Nor one whose time is over, or has not come."""
    text = key().jwt(claims_of(ISSUER) | more)
    with pytest.raises(AuthenticationError, match=problem) as refused:
        read_jwt(parse_source("env:X"), {"X": text}, AUDIENCE)
    assert text not in str(refused.value) + refused.value.hint


@pytest.mark.parametrize(
    "source",
    ["", "github:x", "env:", "file:", "command:", "kubernetes:x", "GITHUB", "env:CI_JOB_JWT_V2", "x:y"],
)
def test_what_is_no_source_is_refused(source: str) -> None:
    """And what GitLab gives to all servers alike."""
    with pytest.raises(UsageError):
        parse_source(source)


def test_one_says_who_asks(tmp_path: Path) -> None:
    """The option goes before the variable; a token beside an identity is a mistake."""
    environ = {"RESOLVER_IDENTITY": "gitlab", "RESOLVER_URL": "https://resolver.example.com/"}
    settings = Settings(environ, tmp_path)
    assert settings.identity("github") == parse_source("github")
    assert settings.identity(None) == parse_source("gitlab")
    assert settings.identity(None, tmp_path / "token") is None
    assert Settings({}, tmp_path).identity(None) is None
    for given, named, file in (
        ({**environ, "RESOLVER_TOKEN": "x"}, None, None),
        (environ, "github", tmp_path),
        ({"RESOLVER_IDENTITY": " "}, None, None),
    ):
        with pytest.raises(ResolverError):
            Settings(given, tmp_path).identity(named, file)
    with_jwt = Settings({**environ, "RESOLVER_ID_TOKEN": GOOD}, tmp_path)
    assert with_jwt.read_identity(parse_source("gitlab")) == GOOD  # the audience is the server's URL
