"""The Python interface: threads, tenants, closing, and what it leaves alone in its host process."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resolver import BlueprintError, NotPermittedError, Resolver, UsageError, Use
from resolver.core.permissions import TenantRole
from tests.conftest import clean_environment
from tests.databases import World, made_world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resolver import ResolvedBlueprint

TEXT = "password: { get_secret: db_password }  # kept\nplain: 1\n"
VALUE = "value of home"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A service whose two tenants have a secret under the same key, with another value in each."""
    world = made_world("sqlite", tmp_path)
    for tenant in ("home", "away"):
        world.secret("db_password", f"value of {tenant}", tenant)
    yield world
    world.service.close()


@pytest.fixture
def resolver(world: World) -> Resolver:
    """The Python interface to that service."""
    return Resolver(world.service)


@pytest.fixture
def resolved(world: World, resolver: Resolver) -> ResolvedBlueprint:
    """A resolved blueprint with one value."""
    return resolver.resolve(TEXT, tenant="home", caller=world.admin)


def test_threads_and_tenants(world: World, resolver: Resolver) -> None:
    """16 threads ask at once as users of two tenants: each gets its own tenant's value, and no other."""
    callers = {
        "home": world.user("ann", home=TenantRole.OPERATIONS),
        "away": world.user("ben", away=TenantRole.OPERATIONS),
    }
    barrier = threading.Barrier(16)

    def work(number: int) -> list[str]:
        own, other = ("home", "away") if number % 2 else ("away", "home")
        barrier.wait(timeout=100)
        seen: list[str] = []
        for _ in range(4):
            with resolver.resolve(TEXT, tenant=own, caller=callers[own]) as got:
                seen.append(got.data["password"].removeprefix("value of "))
            with pytest.raises(NotPermittedError, match=f"not permitted to use secrets in tenant '{other}'"):
                resolver.resolve(TEXT, tenant=other, caller=callers[own])
        return [f"{own} {value}" for value in seen]

    with ThreadPoolExecutor(16) as pool:
        answers = [line for lines in pool.map(work, range(16)) for line in lines]
    assert {*answers} == {"home home", "away away"}
    assert len(answers) == 64
    for tenant in ("home", "away"):
        records = world.service.trail.records(world.admin, tenant)
        uses = [record for record in records if record.action == "secret:use" and b'"key"' in record.body]
        assert [record.number for record in records] == list(range(1, len(records) + 1))
        assert len(uses) == 32
        assert world.service.trail.verify(world.admin, tenant).broken is None


def test_one_blueprint_in_many_threads(resolved: ResolvedBlueprint) -> None:
    """Threads that read one resolved blueprint all get the same; what one changes, no other sees."""

    def read(_: int) -> str:
        data = resolved.data
        found = f"{data['password']} {resolved.text()}"
        data["password"] = "changed"
        return found

    with ThreadPoolExecutor(8) as pool:
        assert {*pool.map(read, range(64))} == {f'{VALUE} password: "{VALUE}"  # kept\nplain: 1\n'}


def test_what_a_resolved_blueprint_tells(resolved: ResolvedBlueprint) -> None:
    """Data, text, masked text, and the secrets used with their versions."""
    assert resolved.data == {"password": VALUE, "plain": 1}
    assert resolved.text() == f'password: "{VALUE}"  # kept\nplain: 1\n'
    assert resolved.redacted() == "password: !masked db_password  # kept\nplain: 1\n"
    assert resolved.uses == (Use("db_password", 1),)
    assert repr(resolved) == "ResolvedBlueprint('<text>', calls=1)"


def test_uses_leave_out_computed_keys(world: World, resolver: Resolver) -> None:
    """A key that came out of a secret's value is itself a secret, and is not told."""
    world.secret("which", "db_password")
    text = "a: { get_secret: { get_secret: which } }\n"
    with resolver.resolve(text, tenant="home", caller=world.admin) as got:
        assert got.data == {"a": VALUE}
        assert got.uses == (Use("which", 1),)


def test_warnings(world: World, resolver: Resolver, tmp_path: Path) -> None:
    """What is most likely not meant is told with its place, of imports too, and also when a run fails."""
    (tmp_path / "types.yaml").write_text("a: 1\nb: { get_secrets: k }\n")
    path = tmp_path / "b.yaml"
    path.write_text("imports: [types.yaml]\nc: '{ get_secret: k }'\nd: { get_secret: db_password }\n")
    with resolver.resolve(path, tenant="home", caller=world.admin) as got:
        pass
    told = [(Path(each.source).name, each.reason.value, each.position.line) for each in got.warnings]
    assert told == [("b.yaml", "near_miss", 2), ("types.yaml", "near_miss", 2)]
    path.write_text("c: '{ get_secret: k }'\nd: { get_secret: none }\n")
    with pytest.raises(BlueprintError) as caught:
        resolver.resolve(path, tenant="home", caller=world.admin)
    assert [each.reason.value for each in caught.value.problems] == ["secret_not_found"]
    assert [each.reason.value for each in caught.value.warnings] == ["near_miss"]


def reachable(start: object) -> Iterator[object]:
    """Everything that an object holds, but for what belongs to classes, functions and modules."""
    seen: set[int] = set()
    pending = deque([start])
    while pending:
        item = pending.popleft()
        if id(item) in seen or isinstance(item, type | type(sys) | type(reachable)):
            continue
        seen.add(id(item))
        yield item
        pending.extend(gc.get_referents(item))


def test_closing_drops_the_values(resolved: ResolvedBlueprint) -> None:
    """After its block a resolved blueprint holds no value any more, and says so when it is asked."""
    with resolved as entered:
        assert entered is resolved
        resolved.text()
        assert any(isinstance(item, str) and VALUE in item for item in reachable(resolved))
    assert not any(isinstance(item, str) and VALUE in item for item in reachable(resolved))
    message = r"^the resolved blueprint '<text>' was closed, and holds no values any more$"
    for ask in (
        lambda: resolved.data,
        lambda: resolved.documents,
        lambda: resolved.hidden_labels,
        lambda: resolved.written_out,
        resolved.text,
        resolved.redacted,
    ):
        with pytest.raises(UsageError, match=message):
            ask()
    resolved.close()
    assert repr(resolved) == "ResolvedBlueprint('<text>', closed)"
    assert resolved.uses == (Use("db_password", 1),)


def test_an_error_closes_too(resolved: ResolvedBlueprint) -> None:
    """A block that ends by an error has dropped the values as well, and the error goes on."""
    with pytest.raises(ZeroDivisionError), resolved:
        _ = 1 // 0
    with pytest.raises(UsageError):
        resolved.text()


def test_a_closed_resolver_resolves_nothing(world: World, resolver: Resolver) -> None:
    """It holds no service and no key any more; what it resolved before stays."""
    with resolver:
        got = resolver.resolve(TEXT, tenant="home", caller=world.admin)
        assert repr(resolver) == "Resolver(open)"
    assert repr(resolver) == "Resolver(closed)"
    assert world.service not in list(reachable(resolver))
    with pytest.raises(UsageError, match=r"^the resolver was closed$"):
        resolver.resolve(TEXT, tenant="home", caller=world.admin)
    with pytest.raises(UsageError, match=r"^the resolver was closed$"):
        resolver.authenticate(token="ctok-x-y")
    resolver.close()
    assert got.data["password"] == VALUE


def test_nothing_is_resolved_when_one_call_fails(world: World, resolver: Resolver) -> None:
    """All problems come in one error, which holds no value of the calls that were good."""
    text = TEXT + "a: { get_secret: missing }\nb: { get_secret: [] }\n"
    with pytest.raises(BlueprintError) as caught:
        resolver.resolve(text, tenant="home", caller=world.admin)
    assert [str(problem.reason) for problem in caught.value.problems] == ["secret_not_found", "bad_argument"]
    assert VALUE not in repr(list(reachable(caught.value)))


def test_imports_are_merged_on_request(world: World, resolver: Resolver, tmp_path: Path) -> None:
    """A local import with calls is an error, or becomes part of the one document."""
    (tmp_path / "main.yaml").write_text("tosca_definitions_version: cloudify_dsl_1_4\nimports: [part.yaml]\n")
    (tmp_path / "part.yaml").write_text("outputs: { a: { value: { get_secret: db_password } } }\n")
    with pytest.raises(BlueprintError):
        resolver.resolve(tmp_path / "main.yaml", tenant="home", caller=world.admin)
    got = resolver.resolve(tmp_path / "main.yaml", tenant="home", caller=world.admin, merge_imports=True)
    assert got.data["outputs"] == {"a": {"value": VALUE}}
    assert got.uses == (Use("db_password", 1),)


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("missing.yaml", "No such file or directory"),
        (".", "Is a directory"),
        ("a\0b", "the name is malformed"),
    ],
)
def test_a_file_that_cant_be_read(world: World, resolver: Resolver, name: str, cause: str) -> None:
    """The error names the file and the cause."""
    with pytest.raises(UsageError) as caught:
        resolver.resolve(name, tenant="home", caller=world.admin)
    assert str(caught.value) == f"blueprint {name!r} can't be read: {cause}"


def test_an_endless_file_is_refused(world: World, resolver: Resolver) -> None:
    """A file is read no further than a blueprint may be long."""
    with pytest.raises(BlueprintError) as caught:
        resolver.resolve(Path("/dev/zero"), tenant="home", caller=world.admin)
    assert [str(problem.reason) for problem in caught.value.problems] == ["too_large"]


def test_credentials_are_one_of_two(resolver: Resolver) -> None:
    """A token, or a name with a password: neither and both are errors."""
    assert resolver.authenticate(username="admin", password="admin password").username == "admin"
    for given in ({}, {"token": "ctok-x-y", "username": "admin", "password": "admin password"}):
        with pytest.raises(UsageError, match=r"^give either a token, or a user name and a password$"):
            resolver.authenticate(**given)


HOST = """
import gc, json, locale, logging, os, resource, signal, sys, threading, warnings

def state():
    return [
        {**os.environ}, os.getcwd(), os.umask(os.umask(0o22)), resource.getrlimit(resource.RLIMIT_CORE),
        open("/proc/self/status").read().count("CoreDumping"), locale.setlocale(locale.LC_ALL),
        [str(signal.getsignal(number)) for number in signal.valid_signals()], gc.isenabled(),
        logging.getLogger().handlers == [], logging.getLogger().level, logging.raiseExceptions,
        str(sys.excepthook), str(sys.stdout), sys.getrecursionlimit(), [str(f) for f in warnings.filters],
        threading.active_count(), sys.flags.dev_mode,
    ]

before = state()
from resolver import open_resolver
with open_resolver() as resolver:
    caller = resolver.authenticate(token=json.load(open(os.environ["RESOLVER_HOME"] + "/profile"))["token"])
    with resolver.resolve("a: { concat: [a, b] }\\n", tenant="default_tenant", caller=caller) as resolved:
        resolved.text()
after = state()
print([n for n, (old, new) in enumerate(zip(before, after)) if old != new])
"""


def test_the_host_process_is_left_alone(home: Path, tmp_path: Path) -> None:
    """Environment, folder, signals, limits, logging, warnings, locale and threads are what they were."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", HOST],
        cwd=tmp_path,
        env=clean_environment() | {"RESOLVER_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_dialects(world: World, resolver: Resolver) -> None:
    """A version that leaves it open is read as the caller says; a name that there is none of is refused."""
    text = "tosca_definitions_version: tosca_2_7\npassword: { $get_secret: [db_password] }\n"
    options = {"tenant": "home", "caller": world.admin}
    with resolver.resolve(text, **options, dialect="tosca_2") as found:
        assert found.data["password"] == VALUE
    with pytest.raises(BlueprintError) as refused:
        resolver.resolve(text, **options)
    assert [problem.reason for problem in refused.value.problems] == ["unknown_version"]
    with pytest.raises(UsageError, match="there is no dialect 'tosca'"):
        resolver.resolve(text, **options, dialect="tosca")
