"""Approvals through a server, by the commands: asked for by one, granted by another, used while it waits."""

from __future__ import annotations

import json
import subprocess
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from resolver.cli import approvals
from resolver.config.identity import IdentitySource, SourceKind
from resolver.core.approvals import Approval, ApprovalState
from resolver.core.times import utc_now
from resolver.errors import UnavailableError, UsageError
from tests.conftest import SCRIPTS, clean_environment
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.client.conftest import Cli

VALUE = "value-that-two-must-agree-on"
TEXT = """\
tosca_definitions_version: cloudify_dsl_1_3
imports:
- types/own.yaml
inputs:
  zone: {}
node_templates:
  db:
    type: shop.nodes.Database
    properties:
      zone: { get_input: zone }
      password: { get_secret: guarded }  # kept
"""


class Team:
    """A pipeline that asks, and a manager who decides."""

    def __init__(self, admin: Cli, folder: Path) -> None:
        self.folder, self.blueprint = folder, folder / "shop.yaml"
        self.blueprint.write_text(TEXT)
        (folder / "types").mkdir()
        self.imported = folder / "types" / "own.yaml"
        self.imported.write_text("node_types: {shop.nodes.Database: {}}\n")
        self.password = folder / "password"
        self.password.write_text("a password of the manager")
        self._done(admin("resolver", "secrets", "create", "guarded", "-s", VALUE, "--protected", "-u"))
        for name, role in (("robot", "operations"), ("boss", "manager")):
            admin("resolver", "users", "create", name, "--password-file", str(self.password))
            self._done(admin("resolver", "tenants", "add-user", name, "-t", "default_tenant", "-r", role))
        self.robot, self.boss = (
            admin.having(
                RESOLVER_TOKEN=self._done(admin("resolver", "tokens", "create", "--user", name, "--quiet"))
            )
            for name in ("robot", "boss")
        )

    @staticmethod
    def _done(result: subprocess.CompletedProcess[str]) -> str:
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    def resolve(self, wait: str, *more: str) -> subprocess.CompletedProcess[str]:
        """Resolve as the pipeline does."""
        return self.robot("resolve", str(self.blueprint), "-i", "zone=north", "--wait-approval", wait, *more)

    def waiting(self, *more: str) -> subprocess.Popen[str]:
        """The same in a process of its own, for as long as it takes."""
        return subprocess.Popen(
            [SCRIPTS / "resolve", self.blueprint, "-i", "zone=north", "--wait-approval", "300s", *more],
            env=clean_environment() | self.robot.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def decide(self, doing: str, approval_id: str, *more: str) -> subprocess.CompletedProcess[str]:
        """Decide as the manager does."""
        password = ("--old-password-file", str(self.password)) if doing == "grant" else ()
        return self.boss("resolver", "approvals", doing, approval_id, *password, *more)

    def pending(self) -> list[str]:
        """The ids of what waits."""
        found = json.loads(self._done(self.boss("resolver", "approvals", "list", "--format", "json")))
        return [one["id"] for one in found if one["state"] == "pending"]


@pytest.fixture
def team(remote: Cli, tmp_path: Path) -> Team:
    """One on the server that the tests share; nothing waits."""
    team = Team(remote, tmp_path)
    for one in team.pending():
        team.decide("deny", one)
    return team


def test_a_pipeline_waits_until_somebody_grants(team: Team) -> None:
    """It gets the text once, as the server resolved it; the next run asks anew, and gets nothing."""
    waits = team.waiting("--reason", "release 7")
    until(team.pending)
    (waiting,) = team.pending()
    shown = team.boss("resolver", "approvals", "show", waiting)
    assert f"{team.blueprint}:11:17" in shown.stdout
    assert "release 7" in shown.stdout
    refused = team.boss("resolver", "approvals", "grant", waiting)
    assert (refused.returncode, "password has to be given" in refused.stderr) == (4, True)
    assert team.decide("grant", waiting).returncode == 0
    out, err = waits.communicate(timeout=60)
    expected = TEXT.replace("{ get_secret: guarded }", f'"{VALUE}"')
    assert (waits.returncode, out) == (0, expected)
    assert f"waiting for approval {waiting} until 20" in err
    again = team.resolve("0")
    assert (again.returncode, again.stdout, "is pending" in again.stderr) == (4, "", True)
    assert team.pending() != [waiting]


def test_what_was_approved_is_what_is_there(team: Team) -> None:
    """After a change of an import the approval is of something else, and so is a link in its place."""
    team.resolve("0")
    (first,) = team.pending()
    assert team.decide("grant", first, "--uses", "2", "--for", "1h").returncode == 0
    assert team.resolve("0").returncode == 0
    before = team.imported.read_text()
    team.imported.write_text(before + "# one byte more\n")
    assert team.resolve("0").returncode == 4
    team.imported.write_text(before)
    assert VALUE in team.resolve("0").stdout
    assert "is pending" in team.resolve("0").stderr  # both uses are spent
    moved = team.folder / "types" / "moved.yaml"
    team.imported.rename(moved)
    team.imported.symlink_to(moved)
    linked = team.resolve("0")
    assert (linked.returncode, "symbolic link" in linked.stderr) == (2, True)


def test_a_denial_ends_the_wait(team: Team) -> None:
    """With the words of who denied it; and the value is in no other way to be had."""
    waits = team.waiting()
    until(team.pending)
    team.decide("deny", team.pending()[0], "--comment", "not on a Friday")
    out, err = waits.communicate(timeout=60)
    assert (waits.returncode, out, "is denied: not on a Friday" in err) == (4, "", True)
    for command in (
        ("resolve", str(team.blueprint), "-i", "zone=a"),
        ("resolver", "exec", str(team.blueprint), "-i", "zone=a", "--", "cat", "{}"),
        ("resolver", "secrets", "get", "guarded", "--raw"),
    ):
        refused = team.robot(*command)
        assert refused.returncode in (4, 125), command
        assert VALUE not in refused.stdout + refused.stderr
        assert "protected" in refused.stderr, command


def test_what_is_not_protected_is_resolved_here(team: Team, remote: Cli) -> None:
    """An approval that is not needed is not asked for."""
    remote("resolver", "secrets", "create", "open", "-s", "an open value", "-u")
    team.blueprint.write_text("a: { get_secret: open }\n")
    done = team.robot("resolve", str(team.blueprint), "--wait-approval", "10m")
    assert (done.returncode, done.stdout, team.pending()) == (0, 'a: "an open value"\n', [])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--wait-approval", "soon"), "takes a time"),
        (("--wait-approval", "1m", "--check"), "goes with neither"),
        (("--wait-approval", "1m", "--fail-on", "due"), "don't go with an approval"),
        (("--reason", "x"), "--reason goes with"),
    ],
)
def test_options_that_do_not_fit_are_refused(team: Team, options: tuple[str, ...], said: str) -> None:
    """Before anything is asked."""
    refused = team.robot("resolve", str(team.blueprint), "-i", "zone=a", *options)
    assert (refused.returncode, said in refused.stderr, team.pending()) == (2, True, [])


PENDING = Approval(
    id="1",
    tenant="t",
    state=ApprovalState.PENDING,
    digest="d",
    keys=["k"],
    requested_by="robot",
    reason="",
    requested_at="",
    ends_at="",
)


class Waiting:
    """What a run that waits works with: a workload whose token ends, and a server that is away at times."""

    def __init__(self, answers: list[Any], expires_at: str | None, kind: SourceKind | None) -> None:
        self.answers, self.exchanged = answers, 0
        self.caller = SimpleNamespace(expires_at=expires_at)
        self.identity_source = None if kind is None else IdentitySource(kind, "X")
        self.service = SimpleNamespace(approvals=SimpleNamespace(get=self.get))
        self.settings = SimpleNamespace(identity_end=lambda _: 0.0)

    def get(self, *_: object) -> Any:  # noqa: ANN401 - an approval
        """The next answer."""
        found = self.answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    def identify_anew(self) -> None:
        """Count."""
        self.exchanged += 1


def test_an_identity_is_exchanged_anew_while_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before its token ends; a server that is started again meanwhile is asked again."""
    monkeypatch.setattr(approvals.time, "sleep", lambda _: None)
    granted = replace_state(ApprovalState.GRANTED)
    app = Waiting([PENDING, UnavailableError("away"), granted], utc_now(), SourceKind.GITHUB)
    assert approvals._waited(app, "t", PENDING, 600) == granted  # type: ignore[arg-type]  # noqa: SLF001
    assert app.exchanged == 3
    lasting = Waiting([granted], "2999-01-01T00:00:00.000Z", SourceKind.GITHUB)
    approvals._waited(lasting, "t", PENDING, 600)  # type: ignore[arg-type]  # noqa: SLF001
    assert lasting.exchanged == 0


@pytest.mark.parametrize(
    ("kind", "expires_at"), [(SourceKind.ENV, None), (None, utc_now())], ids=["a JWT", "a token"]
)
def test_it_waits_no_longer_than_it_is_known(
    kind: SourceKind | None, expires_at: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """A JWT that is the job's only one, and a token that ends: it says so beforehand."""
    app = Waiting([], expires_at, kind)
    assert approvals._waited(app, "t", PENDING, 600) == PENDING  # type: ignore[arg-type]  # noqa: SLF001
    assert "when this identity ends" in capsys.readouterr().err


def replace_state(state: ApprovalState) -> Approval:
    """The request in another state."""
    return replace(PENDING, state=state)


@pytest.mark.parametrize("text", ["", "15 m", "-1", "1d", "1000000000"])
def test_a_time_to_wait_is_one(text: str) -> None:
    """Seconds, minutes or hours."""
    assert [approvals.wait_seconds(one) for one in ("0", "90", "90s", "15m", "2h")] == [0, 90, 90, 900, 7200]
    with pytest.raises(UsageError):
        approvals.wait_seconds(text)
