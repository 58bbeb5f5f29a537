"""Who and what is refused, with the exact words and exit code that a user sees, and nothing on stdout."""

from __future__ import annotations

import itertools
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
from typing import TYPE_CHECKING, NamedTuple

import pytest
from msgspec.structs import asdict

from resolver.bootstrap.embedded import open_service
from resolver.config.settings import Settings
from resolver.core.account_changes import NewToken, NewUser
from resolver.core.model import FULL_SCOPE, Scope, SecretValue, Visibility
from resolver.core.permissions import Permission, TenantRole
from resolver.core.secret_changes import NewSecret
from tests.conftest import SCRIPTS, TENANT, clean_environment, run_script

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.slow

INVALID = (
    "error: the access token is not valid\n"
    "  hint: it may be mistyped, revoked or expired; a sys_admin makes another with "
    "`resolver tokens create`, or `resolver recover` does where the root key is\n"
)
MALFORMED = (
    "error: the access token is malformed\n  hint: a token looks like ctok-<10 characters>-<40 characters>\n"
)
WHOAMI = "  hint: `resolver whoami` shows what this user and token may do\n"
NEVER_KNOWN = f"ctok-{'a' * 10}-{'b' * 40}"
SECRET = "a: { get_secret: k }\n"


class Store(NamedTuple):
    """A store with users of every kind.

    Args:
        home: the state directory; the profile is user admin's.
        tokens: access tokens, by whom or what they are.
    """

    home: Path
    tokens: Mapping[str, str]


@pytest.fixture(scope="module")
def store(_made_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Nothing in this module changes what is in it."""
    home = tmp_path_factory.mktemp("refusals") / "home"
    shutil.copytree(_made_home, home)

    settings = Settings({"RESOLVER_HOME": str(home)})
    service = open_service(settings)
    profile = settings.profile()
    assert profile is not None
    admin = service.gate.authenticate_token(profile.token)
    secrets = service.secrets
    service.tenants.create(admin, "other")
    secrets.create(admin, TENANT, "k", NewSecret(value=SecretValue("value-of-k")))
    secrets.create(admin, TENANT, "j", NewSecret(value=SecretValue('{"a": 1}')))
    secrets.create(
        admin, TENANT, "mine", NewSecret(value=SecretValue("value-of-mine"), visibility=Visibility.PRIVATE)
    )
    secrets.create(admin, "other", "theirs", NewSecret(value=SecretValue("value-of-theirs")))
    for name in ("viewer", "user", "stranger"):
        service.users.create(admin, name, NewUser())
    service.tenants.add_member(admin, TENANT, "viewer", TenantRole.VIEWER)
    service.tenants.add_member(admin, TENANT, "user", TenantRole.USER)
    tokens = {
        name: service.tokens.create(admin, NewToken(username=name)).token
        for name in ("viewer", "user", "stranger")
    }
    for name, scope in {
        "to a key": Scope(keys=("x*",)),
        "to a permission": Scope(permissions=frozenset({Permission.SECRET_LIST})),
        "to a tenant": Scope(tenants=frozenset({"other"})),
        "revoked": FULL_SCOPE,
        "expired": FULL_SCOPE,
    }.items():
        tokens[name] = service.tokens.create(admin, NewToken(**asdict(scope))).token
    service.tokens.revoke(admin, tokens["revoked"].split("-")[1])
    connection = sqlite3.connect(home / "data" / "resolver.db")
    with connection:  # nobody can make one that has expired
        connection.execute(
            "UPDATE access_token SET expires_at = '2001-01-01T00:00:00.000Z' WHERE id = ?",
            [tokens["expired"].split("-")[1]],
        )
    connection.close()
    with service._store.managed.write() as session:  # noqa: SLF001 - as if a resolver had written it
        session.vouch_for_rows("token", limit=100)
    service.close()
    return Store(home, tokens)


@pytest.fixture
def blueprint(tmp_path: Path) -> Path:
    """A blueprint that asks for one secret, beside nothing else."""
    path = tmp_path / "b.yaml"
    path.write_text(SECRET)
    return path


def _refused(store: Store, *words: str | Path, **options: object) -> tuple[int, str]:
    """Run a command that writes nothing to stdout; its exit code and stderr."""
    done = run_script(store.home, *words, **options)  # type: ignore[arg-type]
    assert done.stdout == ""
    return done.returncode, done.stderr


def _as(store: Store, who: str) -> dict[str, str]:
    return {"RESOLVER_TOKEN": store.tokens[who]}


# Credentials


@pytest.mark.parametrize(
    ("token", "message"),
    [
        (NEVER_KNOWN, INVALID),
        ("revoked", INVALID),
        ("expired", INVALID),
        ("ctok-short", MALFORMED),
        (
            "",
            (
                "error: RESOLVER_TOKEN is set and empty\n"
                "  hint: give it a token, or unset it to use the profile\n"
            ),
        ),
        (
            "   ",
            (
                "error: RESOLVER_TOKEN is set and empty\n"
                "  hint: give it a token, or unset it to use the profile\n"
            ),
        ),
    ],
    ids=["unknown", "revoked", "expired", "malformed", "empty", "blank"],
)
def test_a_refused_token_ends_the_run(store: Store, blueprint: Path, token: str, message: str) -> None:
    """A token from the environment that is not accepted is the end, though the profile holds a valid one."""
    env = {"RESOLVER_TOKEN": store.tokens.get(token, token)}
    assert _refused(store, "resolve", blueprint, "-t", TENANT, env=env) == (4, message)


def test_the_profile_is_used_when_nothing_else_is_given(store: Store, blueprint: Path) -> None:
    """The token in the profile is valid, so that the refusals here are not its own."""
    done = run_script(store.home, "resolve", blueprint)
    assert (done.returncode, done.stdout, done.stderr) == (0, 'a: "value-of-k"\n', "")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (NEVER_KNOWN, INVALID),
        ("ctok", MALFORMED),
        ("\n", "error: the token file '{path}' is empty\n"),
        (None, "error: the token file '{path}' can't be read: No such file or directory\n"),
    ],
    ids=["unknown", "malformed", "empty", "absent"],
)
def test_a_refused_token_file_ends_the_run(
    store: Store, blueprint: Path, content: str | None, message: str
) -> None:
    """The same for the option, though RESOLVER_TOKEN and the profile hold valid ones."""
    path = blueprint.with_name("token")
    if content is not None:
        path.write_text(content)
    command = ("resolve", blueprint, "-t", TENANT, "--token-file", path)
    assert _refused(store, *command, env=_as(store, "user")) == (4, message.format(path=path))


def test_a_good_token_file_is_taken_first(store: Store, blueprint: Path) -> None:
    """The option is taken before the variable, even before one that would be refused."""
    path = blueprint.with_name("token")
    path.write_text(store.tokens["user"] + "\n")
    done = run_script(
        store.home, "resolve", blueprint, "-t", TENANT, "--token-file", path, env={"RESOLVER_TOKEN": ""}
    )
    assert (done.returncode, done.stdout) == (0, 'a: "value-of-k"\n')


def test_a_profile_that_others_can_read_is_refused(home: Path, blueprint: Path) -> None:
    """A profile holds a token, so it is not used when others may read it."""
    profile = home / "profile"
    profile.chmod(0o640)
    assert _refused(Store(home, {}), "resolve", blueprint, "-t", TENANT) == (
        4,
        f"error: the profile '{profile}' holds a token and is open to others\n  hint: chmod 600 {profile}\n",
    )


def test_a_malformed_profile_is_refused(home: Path, blueprint: Path) -> None:
    """A profile that can't be understood is an error, and its content is not repeated."""
    profile = home / "profile"
    profile.write_text('{"token": "half')
    assert _refused(Store(home, {}), "resolve", blueprint, "-t", TENANT) == (
        4,
        (
            f"error: the profile '{profile}' is malformed\n"
            "  hint: remove it, and give the token with RESOLVER_TOKEN\n"
        ),
    )


def test_no_credentials_are_refused(home: Path, blueprint: Path) -> None:
    """With neither option, variable nor profile there is nobody to act as."""
    (home / "profile").unlink()
    assert _refused(Store(home, {}), "resolve", blueprint, "-t", TENANT) == (
        4,
        (
            "error: no access token was given\n"
            "  hint: set RESOLVER_TOKEN, or RESOLVER_HOME to a folder whose profile has one; "
            "where the root key is, `resolver recover` makes one\n"
        ),
    )


# Rights


def test_a_viewer_may_not_resolve(store: Store, blueprint: Path) -> None:
    """A viewer sees a secret's value and may not use it."""
    assert _refused(store, "resolve", blueprint, "-t", TENANT, env=_as(store, "viewer")) == (
        4,
        f"error: user 'viewer' is not permitted to use secrets in tenant {TENANT!r}\n{WHOAMI}",
    )
    seen = run_script(store.home, "resolver", "secrets", "get", "k", "-t", TENANT, env=_as(store, "viewer"))
    assert (seen.returncode, "value-of-k" in seen.stdout) == (0, True)


@pytest.mark.parametrize("tenant", [TENANT, "other", "no-such-tenant"])
def test_a_stranger_learns_nothing(store: Store, blueprint: Path, tenant: str) -> None:
    """A non-member gets the same answer whether or not the tenant and the key exist."""
    for command in (("resolve", blueprint), ("resolver", "secrets", "get", "k")):
        doing = "use" if command[0] == "resolve" else "see"
        assert _refused(store, *command, "-t", tenant, env=_as(store, "stranger")) == (
            4,
            f"error: user 'stranger' is not permitted to {doing} secrets in tenant {tenant!r}\n{WHOAMI}",
        )


def test_a_sys_admin_learns_that_a_tenant_does_not_exist(store: Store, blueprint: Path) -> None:
    """One who manages tenants is told."""
    code, message = _refused(store, "resolve", blueprint, "-t", "no-such-tenant")
    assert (code, message) == (5, "error: tenant 'no-such-tenant' does not exist\n")


@pytest.mark.parametrize(
    ("who", "message"),
    [
        (
            "to a permission",
            f"error: user 'admin' is not permitted to use secrets in tenant {TENANT!r}\n{WHOAMI}",
        ),
        (
            "to a tenant",
            f"error: user 'admin' is not permitted to use secrets in tenant {TENANT!r}\n{WHOAMI}",
        ),
        (
            "to a key",
            (
                f"error: secret 'k' may not be used in tenant {TENANT!r} "
                "by this user and token [not_permitted]\n"
                "  --> {path}:1:4  a\n1 | a: {{ get_secret: k }}\n  |    ^\n"
                "  hint: `resolver whoami` shows what they may do\n"
                "error: 1 problem found, nothing was resolved\n"
            ),
        ),
    ],
    ids=lambda who: who if who.startswith("to a") else "",
)
def test_a_narrowed_token_gives_less(store: Store, blueprint: Path, who: str, message: str) -> None:
    """A sys_admin's token that is narrowed to something else does not open this."""
    refused = _refused(store, "resolve", blueprint, "-t", TENANT, env=_as(store, who))
    assert refused == (4, message.format(path=blueprint))


def test_a_narrowed_token_makes_no_other(store: Store) -> None:
    """It can't be used to get a wider one."""
    assert _refused(store, "resolver", "tokens", "create", env=_as(store, "to a key")) == (
        4,
        "error: a narrowed token can't make a token\n  hint: use a token of this user that is not narrowed\n",
    )


@pytest.mark.parametrize("key", ["theirs", "absent", "mine"])
def test_what_may_not_be_seen_does_not_exist(store: Store, blueprint: Path, key: str) -> None:
    """Another tenant's key and someone's private one are answered like one that does not exist."""
    blueprint.write_text(SECRET.replace("k }", f"{key} }}"))
    assert _refused(store, "resolve", blueprint, "-t", TENANT, env=_as(store, "user")) == (
        5,
        (
            f"error: secret {key!r} was not found in tenant {TENANT!r} [secret_not_found]\n"
            f"  --> {blueprint}:1:4  a\n1 | a: {{ get_secret: {key} }}\n  |    ^\n"
            f"  hint: `resolver secrets list -t {TENANT}` shows what there is\n"
            "error: 1 problem found, nothing was resolved\n"
        ),
    )


# Store, keys and settings


def test_without_a_store(tmp_path: Path, blueprint: Path) -> None:
    """A state directory that is not there."""
    home = tmp_path / "nowhere"
    assert _refused(
        Store(home, {}), "resolve", blueprint, "-t", TENANT, env={"RESOLVER_TOKEN": NEVER_KNOWN}
    ) == (
        6,
        (
            f"error: there is no store in '{home}'\n"
            "  hint: `resolver init` makes one; RESOLVER_HOME or RESOLVER_DATABASE_URL names another, "
            "RESOLVER_URL or `resolver login` a server\n"
        ),
    )
    assert not home.exists()


def test_without_the_root_key(home: Path, blueprint: Path) -> None:
    """The database alone opens nothing."""
    (home / "keys" / "root.key").unlink()
    assert _refused(Store(home, {}), "resolve", blueprint, "-t", TENANT) == (
        6,
        (
            f"error: there is no root key in '{home / 'keys'}'\n"
            "  hint: put its file back, or give it with RESOLVER_KEY_FILE, "
            "RESOLVER_KEY or RESOLVER_KEY_COMMAND\n"
        ),
    )


def test_with_another_root_key(home: Path, blueprint: Path) -> None:
    """A key that is not the one that wraps: the missing one is named by its id."""
    assert run_script(home, "resolver", "secrets", "create", "k", "-s", "value").returncode == 0
    connection = sqlite3.connect(home / "data" / "resolver.db")
    ((needed,),) = connection.execute("SELECT id FROM root_key").fetchall()
    connection.close()
    code, message = _refused(
        Store(home, {}), "resolve", blueprint, "-t", TENANT, env={"RESOLVER_KEY": "A" * 43 + "="}
    )
    assert code == 6
    lines = message.splitlines()
    assert lines[0].startswith(f"error: root key {needed} is needed and not at hand (at hand: ")
    assert lines[1:] == [
        "  hint: put its file back, or give it with RESOLVER_KEY_FILE, RESOLVER_KEY or RESOLVER_KEY_COMMAND"
    ]


def test_a_key_file_that_others_can_write_is_refused(home: Path, blueprint: Path) -> None:
    """Whoever can write the key file could put a key there that they know."""
    path = home / "keys" / "root.key"
    path.chmod(0o620)
    assert _refused(Store(home, {}), "resolve", blueprint, "-t", TENANT) == (
        6,
        f"error: the root key file '{path}' can be written by others\n  hint: chmod 600 {path}\n",
    )


@pytest.mark.parametrize(
    "name",
    ["RESOLVER_HOME", "RESOLVER_DATABASE_URL", "RESOLVER_KEY", "RESOLVER_KEY_FILE", "RESOLVER_KEY_COMMAND"],
)
def test_an_empty_setting_is_an_error(store: Store, blueprint: Path, name: str) -> None:
    """A variable that is set and empty is a mistake, and not the same as one that is not set."""
    refused = _refused(store, "resolve", blueprint, "-t", TENANT, env={name: ""})
    assert refused == (2, f"error: {name} is set and empty\n  hint: give it a value or unset {name}\n")


@pytest.mark.parametrize(
    ("options", "env"),
    [(("-t", ""), {}), ((), {"RESOLVER_TENANT": ""})],
    ids=["option", "variable"],
)
def test_an_empty_tenant_is_an_error(
    store: Store, blueprint: Path, options: tuple[str, ...], env: dict[str, str]
) -> None:
    """Neither does an empty name of a tenant mean the profile's."""
    code, message = _refused(store, "resolve", blueprint, *options, env=env)
    expected = (
        "error: the tenant's name is empty\n"
        if options
        else "error: RESOLVER_TENANT is set and empty\n  hint: give it a value or unset RESOLVER_TENANT\n"
    )
    assert (code, message) == (2, expected)


# Texts


def test_a_missing_file_is_a_usage_error(store: Store, tmp_path: Path) -> None:
    """The file that was named is not there."""
    path = tmp_path / "absent.yaml"
    refused = _refused(store, "resolve", path, "-t", TENANT)
    assert refused == (2, f"error: blueprint '{path}' can't be read: No such file or directory\n")


def test_an_empty_stdin_is_refused(store: Store) -> None:
    """What a failed command left of a pipe is not taken for a blueprint."""
    assert _refused(store, "resolve", "-", "-t", TENANT) == (
        3,
        (
            "error: the text is empty [empty]\n  --> <stdin>\n"
            "  hint: if it came through a pipe, the command before it may have failed\n"
            "error: 1 problem found, nothing was resolved\n"
        ),
    )


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in itertools.pairwise("abcdefgh")
)


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        (SECRET.encode() + b"b: \xff\n", ["error: byte 0xff at offset 24 is not UTF-8 [not_utf8]"]),
        (
            b"# " + b"x" * (8 << 20),
            [f"error: the text has {(8 << 20) + 1} bytes, more than {8 << 20} [too_large]"],
        ),
        (b"a: " + b"[" * 200 + b"]" * 200, ["error: more than 100 levels of nesting [too_deep]"]),
        (LAUGHS.encode(), ["error: more than 2000000 nodes once aliases are followed [too_many_nodes]"]),
        (
            b"a: 1\nb: 2\na: 3\nb: 4\n",
            [
                "error: the key 'a' is there twice in one mapping, first at {0}:1:1 [duplicate_key]",
                "error: the key 'b' is there twice in one mapping, first at {0}:2:1 [duplicate_key]",
            ],
        ),
        (b"a: &a [*a]\n", ["error: the alias 'a' stands inside the node that it names [recursive_alias]"]),
        (
            b"a: { get_secret: k, other: 1 }\nb: { get_secret: 5 }\n",
            [
                "error: get_secret stands beside 'other', so it is not a call [not_a_call]",
                (
                    "error: get_secret takes a key or a list of a key and steps, "
                    "not a whole number [bad_argument]"
                ),
            ],
        ),
    ],
    ids=["not UTF-8", "too large", "too deep", "billion laughs", "duplicate keys", "recursive", "no call"],
)
def test_a_text_is_refused(store: Store, blueprint: Path, text: bytes, messages: list[str]) -> None:
    """A text that breaks a rule is refused in seconds, with all that is wrong with it."""
    blueprint.write_bytes(text)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    code, message = _refused(store, "resolve", blueprint, "-t", TENANT)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 20
    *found, last = [line for line in message.splitlines() if line.startswith("error: ")]
    assert (code, found) == (3, [each.replace("{0}", str(blueprint)) for each in messages])
    count = len(messages)
    assert last == f"error: {count} problem{'s' if count > 1 else ''} found, nothing was resolved"


@pytest.mark.parametrize(
    ("text", "who", "code", "reasons"),
    [
        (
            "a: { get_secret: absent }\nb: { get_secret: 5 }\n",
            "user",
            3,
            ["secret_not_found", "bad_argument"],
        ),
        ("a: { get_secret: absent }\nb: { get_secret: [k, x] }\n", "user", 5, ["secret_not_found"]),
        (
            "a: { get_secret: x1 }\nb: { get_secret: k }\n",
            "to a key",
            4,
            ["secret_not_found", "not_permitted"],
        ),
        ("a: { get_secret: k }\nb: { get_secret: 5 }\n", "viewer", 3, ["not_permitted", "bad_argument"]),
        ("a: { get_secret: [k, x] }\nb: { get_secret: [j, b] }\n", "user", 3, ["not_json", "no_such_step"]),
    ],
)
def test_the_lowest_code_wins(
    store: Store, blueprint: Path, text: str, who: str, code: int, reasons: list[str]
) -> None:
    """All problems that one round can find are told together; the lowest of their codes is the exit code."""
    blueprint.write_text(text)
    found, message = _refused(store, "resolve", blueprint, "-t", TENANT, env=_as(store, who))
    told = [line.rpartition("[")[2].rstrip("]") for line in message.splitlines() if line.endswith("]")]
    assert (found, sorted(told)) == (code, sorted(reasons))


# exec


def _exec(
    store: Store, blueprint: Path, *command: str | Path, **options: object
) -> subprocess.CompletedProcess[str]:
    words = ("resolver", "exec", blueprint, "-t", TENANT, "--", *command)
    return run_script(store.home, *words, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "who", "message"),
    [
        (SECRET, "viewer", "is not permitted to use secrets"),
        (SECRET.replace("k }", "absent }"), "user", "was not found"),
        ("a: [\n", "user", "[syntax]"),
    ],
    ids=["not permitted", "not found", "syntax"],
)
def test_the_command_never_starts_unless_all_resolved(
    store: Store, blueprint: Path, text: str, who: str, message: str
) -> None:
    """A failure of exec itself is 125 whatever its kind, and the command has not run."""
    blueprint.write_text(text)
    trace = blueprint.with_name("started")
    done = _exec(store, blueprint, "touch", trace, env=_as(store, who))
    assert (done.returncode, done.stdout, message in done.stderr) == (125, "", True)
    assert not trace.exists()


def test_exec_without_a_command(store: Store, blueprint: Path) -> None:
    """There must be something to run."""
    done = run_script(store.home, "resolver", "exec", blueprint, "-t", TENANT)
    assert (done.returncode, done.stderr) == (
        125,
        (
            "error: exec needs blueprints, or --env, and a command\n"
            "  hint: resolver exec BLUEPRINT... -t TENANT -- COMMAND ARGS {}\n"
        ),
    )


def test_a_command_that_is_not_there(store: Store, blueprint: Path) -> None:
    """127 as in a shell."""
    done = _exec(store, blueprint, "no-such-command", "{}")
    assert (done.returncode, done.stdout, done.stderr) == (
        127,
        "",
        "error: the command 'no-such-command' was not found\n",
    )


def test_a_command_that_can_not_be_executed(store: Store, blueprint: Path) -> None:
    """126 as in a shell."""
    done = _exec(store, blueprint, blueprint, "{}")
    assert (done.returncode, done.stdout, done.stderr) == (
        126,
        "",
        f"error: the command '{blueprint}' can't be executed: permission denied\n",
    )


@pytest.mark.parametrize("code", [0, 4, 125])
def test_the_commands_code_passes(store: Store, blueprint: Path, code: int) -> None:
    """Whatever the command ends with, exec ends with, having shown it the resolved text."""
    done = _exec(store, blueprint, "sh", "-c", f"cat {{}}; exit {code}")
    assert (done.returncode, done.stdout, done.stderr) == (code, 'a: "value-of-k"\n', "")


def test_a_signal_passes(store: Store, blueprint: Path) -> None:
    """SIGTERM reaches the command, and exec ends by it as the command did."""
    process = subprocess.Popen(
        [
            SCRIPTS / "resolver",
            "exec",
            blueprint,
            "-t",
            TENANT,
            "--",
            "sh",
            "-c",
            "echo ready; exec sleep 30",
        ],
        stdout=subprocess.PIPE,
        env=clean_environment() | {"RESOLVER_HOME": str(store.home)},
    )
    assert process.stdout is not None
    with process, process.stdout as out:
        assert out.readline() == b"ready\n"
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(200) == -signal.SIGTERM


def test_a_command_may_handle_a_signal(store: Store, blueprint: Path) -> None:
    """A command that ends on its own terms after a signal passes its own code."""
    line = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done"
    process = subprocess.Popen(
        [SCRIPTS / "resolver", "exec", blueprint, "-t", TENANT, "--", "sh", "-c", line],
        stdout=subprocess.PIPE,
        env=clean_environment() | {"RESOLVER_HOME": str(store.home)},
    )
    assert process.stdout is not None
    with process, process.stdout as out:
        assert out.readline() == b"ready\n"
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(200) == 9
