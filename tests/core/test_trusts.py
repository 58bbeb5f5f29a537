"""Which JWTs fit a trust: claim sets as platforms document them, and those of other owners."""

from __future__ import annotations

from typing import Any

import pytest

from resolver.core.model import TrustKind
from resolver.core.permissions import Permission
from resolver.core.trusts import (
    DEFAULT_EVENTS,
    ClaimRule,
    check_audience,
    check_claims,
    check_issuer,
    check_scope,
    claim_problems,
    matches,
    run_of,
    token_problems,
)
from resolver.errors import InvalidRequestError

GITHUB: dict[str, Any] = {
    "jti": "example-id",
    "sub": "repo:octo-org/octo-repo:environment:prod",
    "environment": "prod",
    "aud": "https://resolver.example.com",
    "ref": "refs/heads/main",
    "sha": "example-sha",
    "repository": "octo-org/octo-repo",
    "repository_owner": "octo-org",
    "actor_id": "12",
    "repository_visibility": "private",
    "repository_id": "74",
    "repository_owner_id": "65",
    "run_id": "example-run-id",
    "run_number": "10",
    "run_attempt": "2",
    "runner_environment": "github-hosted",
    "actor": "octocat",
    "workflow": "example-workflow",
    "head_ref": "",
    "base_ref": "",
    "event_name": "workflow_dispatch",
    "ref_type": "branch",
    "job_workflow_ref": "octo-org/octo-automation/.github/workflows/oidc.yml@refs/heads/main",
    "iss": "https://token.actions.githubusercontent.com",
    "nbf": 1632492967,
    "exp": 1632493867,
    "iat": 1632493567,
}
"""As GitHub's documentation has it (OpenID Connect reference), with another audience."""

GITLAB: dict[str, Any] = {
    "namespace_id": "72",
    "namespace_path": "my-group",
    "project_id": "20",
    "project_path": "my-group/my-project",
    "user_id": "1",
    "user_login": "sample-user",
    "user_email": "sample-user@example.com",
    "user_identities": [{"provider": "github", "extern_uid": "2435223452345"}],
    "pipeline_id": "574",
    "pipeline_source": "push",
    "job_id": "302",
    "ref": "feature-branch-1",
    "ref_type": "branch",
    "ref_path": "refs/heads/feature-branch-1",
    "ref_protected": "true",
    "groups_direct": ["mygroup/mysubgroup", "myothergroup/myothersubgroup"],
    "environment": "test-environment2",
    "environment_protected": "false",
    "deployment_tier": "testing",
    "runner_id": 1,
    "runner_environment": "self-hosted",
    "sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
    "project_visibility": "public",
    "ci_config_ref_uri": "gitlab.example.com/my-group/my-project//.gitlab-ci.yml@refs/heads/main",
    "jti": "235b3a54-b797-45c7-ae9a-f72d7bc6ef5b",
    "iat": 1681395193,
    "nbf": 1681395188,
    "exp": 1681398793,
    "iss": "https://gitlab.example.com",
    "sub": "project_path:my-group/my-project:ref_type:branch:ref:feature-branch-1",
    "aud": "https://resolver.example.com",
}
"""As GitLab's documentation of ID tokens has it, with another audience, of a protected branch."""

KUBERNETES: dict[str, Any] = {
    "aud": ["https://resolver.example.com"],
    "exp": 1731613413,
    "iat": 1731609813,
    "iss": "https://kubernetes.default.svc",
    "jti": "ea28ed49-2e11-4280-9ec5-bc3d1d84661a",
    "kubernetes.io": {
        "namespace": "kube-system",
        "node": {"name": "127.0.0.1", "uid": "58456cb0-dd00-45ed-b797-5578fdceaced"},
        "pod": {"name": "coredns-69cbfb9798-jv9gn", "uid": "778a530c-b3f4-47c0-9cd5-ab018fb64f33"},
        "serviceaccount": {"name": "coredns", "uid": "a087d5a0-e1dd-43ec-93ac-f13d89cd13af"},
        "warnafter": 1731613420,
    },
    "nbf": 1731609813,
    "sub": "system:serviceaccount:kube-system:coredns",
}
"""As Kubernetes' documentation of service accounts has it, with another audience, for an hour."""


def rules(*texts: str) -> list[ClaimRule]:
    """Rules as options write them."""
    return [ClaimRule(*text.split("=", 1)) for text in texts]


TRUSTS = {
    TrustKind.GITHUB: (GITHUB, rules("repository_id=74", "ref=refs/heads/*", "environment=prod")),
    TrustKind.GITLAB: (GITLAB, rules("project_id=20", "ref=feature-*", "ref_type=branch")),
    TrustKind.KUBERNETES: (
        KUBERNETES,
        rules(
            "/kubernetes.io/namespace=kube-system",
            "/kubernetes.io/serviceaccount/name=coredns",
            "/kubernetes.io/serviceaccount/uid=a087d5a0-e1dd-43ec-93ac-f13d89cd13af",
        ),
    ),
}


@pytest.mark.parametrize("kind", TRUSTS)
def test_what_a_platform_documents_fits(kind: TrustKind) -> None:
    """And the run is told by the claims that the platform has for that."""
    claims, asked = TRUSTS[kind]
    checked = check_claims(kind, asked)
    assert claim_problems(checked, claims) == []
    assert token_problems(kind, claims["iss"], "https://resolver.example.com", claims, claims["iat"]) == []
    run = run_of("shop", kind, checked, claims)
    ids = {"github": "example-run-id", "gitlab": "302", "kubernetes": "coredns-69cbfb9798-jv9gn"}
    assert (run.id, run.subject) == (ids[kind], claims["sub"])
    assert {"github": "octocat", "gitlab": "sample-user", "kubernetes": "127.0.0.1"}[
        kind
    ] in run.claims.values()


def nested(**more: Any) -> dict[str, Any]:  # noqa: ANN401 - claims
    """What Kubernetes nests, with changes."""
    return {"kubernetes.io": KUBERNETES["kubernetes.io"] | more}


ACCOUNT = KUBERNETES["kubernetes.io"]["serviceaccount"]

OTHERS: list[tuple[TrustKind, dict[str, Any]]] = [
    # Another repository with the same branch and environment, of the same name, of the same owner.
    (TrustKind.GITHUB, {"repository_id": "75", "repository": "evil/octo-repo"}),
    (TrustKind.GITHUB, {"repository_id": "75"}),  # the name was given up and taken over
    (TrustKind.GITHUB, {"repository_id": "074"}),
    (TrustKind.GITHUB, {"repository_id": 74}),
    (TrustKind.GITHUB, {"repository_id": ["74"]}),
    (TrustKind.GITHUB, {"repository_id": "7\uff14"}),  # a digit of another script
    (TrustKind.GITHUB, {"repository_id": None}),
    (TrustKind.GITHUB, {"event_name": "pull_request"}),
    (TrustKind.GITHUB, {"event_name": "pull_request_target"}),
    (TrustKind.GITHUB, {"event_name": "issue_comment"}),
    (TrustKind.GITHUB, {"environment": "pr\u043ed"}),  # a letter of another script
    (TrustKind.GITHUB, {"environment": "Prod"}),
    (TrustKind.GITHUB, {"ref": "refs/tags/main", "ref_type": "tag"}),
    (TrustKind.GITHUB, {"ref": "refs/heads/feature/main"}),
    (TrustKind.GITHUB, {"ref": "refs/pull/7/merge"}),
    (TrustKind.GITHUB, {"ref": {"heads": "main"}}),
    (TrustKind.GITLAB, {"project_id": "21", "project_path": "evil/my-project"}),
    (TrustKind.GITLAB, {"project_id": 20}),
    (TrustKind.GITLAB, {"ref_type": "tag"}),  # a tag named as the branch
    (TrustKind.GITLAB, {"ref_protected": "false"}),
    (TrustKind.GITLAB, {"ref_protected": True}),
    (TrustKind.GITLAB, {"ref": "hotfix"}),
    (TrustKind.KUBERNETES, nested(namespace="kube-system2")),
    (TrustKind.KUBERNETES, nested(serviceaccount=ACCOUNT | {"uid": "another"})),  # deleted and made again
    (TrustKind.KUBERNETES, nested(serviceaccount=ACCOUNT | {"name": "default"})),
    (TrustKind.KUBERNETES, nested(serviceaccount="coredns")),
    (TrustKind.KUBERNETES, {"kubernetes.io": None, "/kubernetes.io/namespace": "kube-system"}),
]


@pytest.mark.parametrize(("kind", "more"), OTHERS, ids=str)
def test_what_is_of_another_owner_does_not_fit(kind: TrustKind, more: dict[str, Any]) -> None:
    """Whatever else is the same."""
    claims, asked = TRUSTS[kind]
    assert claim_problems(check_claims(kind, asked), claims | more)


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("refs/heads/main", "refs/heads/main", True),
        ("refs/heads/*", "refs/heads/main", True),
        ("refs/heads/*", "refs/heads/", True),
        ("refs/heads/*", "refs/heads/a/b", False),
        ("refs/heads/*", "refs/heads/a:b", False),
        ("refs/*/main", "refs/heads/main", True),
        ("refs/*/main", "refs/heads/x/main", False),
        ("release-*-x", "release-1-x", True),
        ("release-*-x", "release-x", False),
        ("a*b*c", "a1b2c", True),
        ("a*b*c", "acb", False),
        ("a*a", "a", False),
        ("*", "x", True),
        ("*", "x/y", False),
        ("Main*", "main1", False),
        ("a?", "ab", False),
        ("[ab]", "a", False),
        ("*" * 200 + "b", "a" * 1000, False),  # in no time
    ],
)
def test_a_star_crosses_no_border(pattern: str, text: str, fits: bool) -> None:  # noqa: FBT001 - a table
    """Nothing else is special, and case counts."""
    assert matches(pattern, text) is fits


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        (TrustKind.GITHUB, rules("ref=refs/heads/main")),
        (TrustKind.GITHUB, rules("repository=acme/shop", "ref=refs/heads/main")),
        (TrustKind.GITHUB, rules("repository_owner_id=65")),
        (TrustKind.GITHUB, rules("repository_id=*")),
        (TrustKind.GITHUB, [ClaimRule("repository_id", 74)]),
        (TrustKind.GITHUB, rules("repository_id=74", "repository=acme/*")),
        (TrustKind.GITHUB, rules("repository_id=74", "sub=repo:acme/shop:*")),
        (TrustKind.GITHUB, rules("repository_id=74", "sub=repo:acme/shop")),
        (TrustKind.GITHUB, []),
        (TrustKind.GITLAB, rules("project_path=acme/shop")),
        (TrustKind.GITLAB, rules("project_id=20", "ref=main")),
        (TrustKind.GITLAB, rules("project_id=20", "/ref=main")),
        (TrustKind.GITLAB, rules("project_id=20", "sub=project_path:acme/shop")),
        (TrustKind.KUBERNETES, rules("/kubernetes.io/namespace=shop")),
        (TrustKind.KUBERNETES, rules("sub=system:serviceaccount:shop:deployer")),
        (TrustKind.GENERIC, []),
        (TrustKind.GENERIC, rules("ref=main", "environment=prod")),
        (TrustKind.GENERIC, rules("/ref=main", "/environment=prod")),
        (TrustKind.KUBERNETES, [ClaimRule("/~1kubernetes.io~1namespace", "shop")]),
        (TrustKind.GENERIC, [ClaimRule("groups", "admins", contains=True)]),
        (TrustKind.GENERIC, rules("sub=some*")),
        (TrustKind.GENERIC, rules("sub=x", "aud=y")),
        (TrustKind.GENERIC, rules("sub=x", "/iss=y")),
        (TrustKind.GENERIC, rules("sub=x", "/a~b=y")),
        (TrustKind.GENERIC, rules("sub=x\ny")),
    ],
)
def test_a_trust_that_admits_others_is_refused(kind: TrustKind, asked: list[ClaimRule]) -> None:
    """Names without ids, subjects that users choose, and refs alone."""
    with pytest.raises(InvalidRequestError):
        check_claims(kind, asked)


def test_what_is_not_named_is_added() -> None:
    """GitHub's events that run what is in the repository, GitLab's protected refs; and neither when named."""
    made = check_claims(TrustKind.GITHUB, rules("repository_id=1"))
    assert [rule.value for rule in made[1:]] == list(DEFAULT_EVENTS)
    named = rules("repository_id=1", "event_name=pull_request")
    assert check_claims(TrustKind.GITHUB, named) == tuple(named)
    assert check_claims(TrustKind.GITLAB, rules("project_id=1"))[1:] == (ClaimRule("ref_protected", "true"),)
    assert check_claims(TrustKind.GITLAB, rules("project_id=1"), unprotected_refs=True)[1:] == ()


@pytest.mark.parametrize(
    ("rule", "found", "fits"),
    [
        (ClaimRule("a", value=True), True, True),
        (ClaimRule("a", value=True), 1, False),
        (ClaimRule("a", value=True), "true", False),
        (ClaimRule("a", 1), 1, True),
        (ClaimRule("a", 1), 1.0, False),
        (ClaimRule("a", 1), True, False),
        (ClaimRule("a", "1"), 1, False),
        (ClaimRule("a", "x"), ["x"], False),
        (ClaimRule("a", "x", contains=True), ["x", "y"], True),
        (ClaimRule("a", "x", contains=True), "x", False),
        (ClaimRule("a", "x", contains=True), {"x": 1}, False),
        (ClaimRule("/a/b~1c/d~0", "x"), {"b/c": {"d~": "x"}}, True),
        (ClaimRule("/a/0", "x"), ["x"], False),
    ],
)
def test_claims_are_compared_by_their_json_types(rule: ClaimRule, found: object, fits: bool) -> None:  # noqa: FBT001 - a table
    """A text is no list, a number no boolean, and what is absent is nothing."""
    assert (claim_problems([rule], {"a": found}) == []) is fits
    assert claim_problems([rule], {"b": found})


def test_of_rules_for_a_list_each_has_to_hold() -> None:
    """Of others for one claim one is enough."""
    both = [ClaimRule("groups", name, contains=True) for name in ("a", "b")]
    assert claim_problems(both, {"groups": ["b", "a"]}) == []
    assert len(claim_problems(both, {"groups": ["a"]})) == 1
    assert claim_problems(rules("a=1", "a=2"), {"a": "2"}) == []


NPM = "npmjs"


@pytest.mark.parametrize(
    "audience",
    [
        *(
            "",
            "x\ny",
            "https://issuer.example.com",
            "https://issuer.example.com/any",
            "//issuer.example.com/x",
        ),
        *("sts.amazonaws.com", "api://AzureADTokenExchange", "sigstore", "https://github.com/acme"),
        *("//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x", "vault"),
        *(
            "https://kubernetes.default.svc",
            "https://kubernetes.default.svc.cluster.local",
            f"npm:registry.{NPM}.org",
        ),
        *("https://gitlab.com", "pypi", "HTTPS://ISSUER.example.com", "https://sts.amazonaws.com:443/x"),
    ],
)
def test_an_audience_that_others_take_is_refused(audience: str) -> None:
    """A JWT that was made for them would be good here."""
    with pytest.raises(InvalidRequestError):
        check_audience(audience, "https://issuer.example.com")


def test_issuers_that_sign_for_anybody_have_their_kind() -> None:
    """Or the rules for it could be left out."""
    check_issuer(TrustKind.GITHUB, "https://token.actions.githubusercontent.com")
    for issuer in (
        "https://token.actions.githubusercontent.com",
        "https://token.actions.githubusercontent.com/acme",
        "https://TOKEN.actions.githubusercontent.com:443",
        "https://ghe.example.com/_services/token",
        "https://gitlab.com",
    ):
        with pytest.raises(InvalidRequestError, match="signs for anybody"):
            check_issuer(TrustKind.GENERIC, issuer)


def test_no_trust_gives_what_is_of_the_whole_system() -> None:
    """Nor anything that it does not name."""
    some = frozenset({"home"})
    for permission in (Permission.USER_MANAGE, Permission.TRUST_MANAGE, Permission.SECRET_CREATE_GLOBAL):
        with pytest.raises(InvalidRequestError, match="no system role"):
            check_scope(frozenset({permission}), some, ("*",))
    use = frozenset({Permission.SECRET_USE})
    check_scope(use, some, ("*",))
    for lacking in ((frozenset(), some, ("*",)), (use, frozenset(), ("*",)), (use, some, ())):
        with pytest.raises(InvalidRequestError, match="names the permissions, tenants and keys"):
            check_scope(*lacking)  # type: ignore[arg-type]
