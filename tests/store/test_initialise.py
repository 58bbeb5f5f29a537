"""Making a store: once, whoever is at it; and what a killed run leaves, the next completes or explains."""

from __future__ import annotations

import fcntl
import json
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import inspect

from resolver.bootstrap.embedded import open_service
from resolver.bootstrap.initialise import initialise
from resolver.config.settings import Settings
from resolver.core.model import SecretValue
from resolver.core.secret_changes import NewSecret
from resolver.errors import ConflictError, RootKeyError, StoreError
from resolver.store.use import AnyStore
from tests.databases import DIALECTS, database, raw_connection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from resolver.bootstrap.initialise import Initialised

_RUN = """
import json, os, signal, sys
from pathlib import Path
import resolver.store.migrate
from resolver.bootstrap.initialise import initialise
from resolver.config.settings import Settings
from resolver.errors import ResolverError
home, url, last = sys.argv[1], sys.argv[2], int(sys.argv[3])
WATCHED = {"link", "open", "close", "mkdir", "unlink", "fsync", "execute", "commit", "executescript"}
calls = []
def watch(frame, event, called):
    # One more thing that the system is asked for: the place to be killed at is a number of these.
    if event == "c_call" and called.__name__ in WATCHED:
        commits = called.__name__ == "execute" and frame.f_code.co_name == "_commit"
        calls.append("commit" if commits else called.__name__)
        if len(calls) == last:
            os.kill(os.getpid(), signal.SIGKILL)
environ = {"RESOLVER_DATABASE_URL": url} if url else {}
print("ready", flush=True)
sys.stdin.readline()
if last:
    sys.setprofile(watch)
try:
    secrets = json.loads(sys.argv[4])
    done = initialise(Settings(environ, Path(home)), password=lambda: None, profile=True, secrets=secrets)
    answer = {"made": done.made}
except ResolverError as error:
    answer = {"error": type(error).__name__, "message": error.message}
sys.setprofile(None)
print(json.dumps(answer | {"calls": calls}))
"""

NEVER = 10**9

SAMPLES = {"first": "one value", "second": "another value"}


def run_at_once(
    homes: Sequence[Path], url: str = "", last: int = 0, secrets: Mapping[str, str] | None = None
) -> list[dict[str, object]]:
    """Initialise in several processes, which begin together; {} for one that was killed."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _RUN, str(home), url, str(last), json.dumps(secrets or {})],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for home in homes
    ]
    answers = []
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        output, _ = process.communicate(timeout=60)
        assert process.returncode in (0, -signal.SIGKILL)
        answers.append(json.loads(output) if output else {})
    return answers


def make(home: Path, **environ: str) -> Initialised:
    """Initialise in this process."""
    return initialise(Settings(environ, home), password=lambda: None, profile=True)


def works(home: Path, **environ: str) -> None:
    """Assert that the profile's user can keep a secret and see it."""
    settings = Settings(environ, home)
    service = open_service(settings)
    caller = service.gate.authenticate_token(settings.token())
    service.secrets.create(caller, "default_tenant", "k", NewSecret(value=SecretValue("the value")))
    _, value = service.secrets.show(caller, "default_tenant", "k")
    assert value is not None
    assert value.reveal() == "the value"
    service.secrets.delete(caller, "default_tenant", "k")
    service.close()


def secrets_of(home: Path) -> dict[str, str]:
    """The values of all secrets, as whoever has the profile's token sees them."""
    settings = Settings({}, home)
    service = open_service(settings)
    caller = service.gate.authenticate_token(settings.token())
    found = {}
    for secret in service.secrets.list(caller, "default_tenant").items:
        _, value = service.secrets.show(caller, "default_tenant", secret.key)
        assert value is not None
        found[secret.key] = value.reveal()
    service.close()
    return found


def has_root_key(home: Path) -> bool:
    """Whether the database has the one root key that a whole store has."""
    with raw_connection(f"sqlite:///{home / 'data' / 'resolver.db'}") as connection:
        if not inspect(connection).has_table("root_key"):
            return False
        (count,) = connection.exec_driver_sql("SELECT count(*) FROM root_key").scalars()
    assert count <= 1
    return bool(count)


def test_what_is_made_is_only_the_owner_s(tmp_path: Path) -> None:
    """Folders are 0700, files 0600, whatever the umask would allow; key and database lie apart."""
    home = tmp_path / "home"
    made = make(home)
    assert made.made
    assert made.key_path == home / "keys" / "root.key"
    for path in [home, *home.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path
    assert (home / "data" / "resolver.db").exists()
    works(home)


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    """Running it again says that nothing was made, and leaves key, profile and database as they are."""
    home = tmp_path / "home"
    make(home)
    kept = ("keys/root.key", "profile", "data/resolver.db")
    before = [(home / name).read_bytes() for name in kept]
    again = make(home)
    assert (again.made, again.key_path, again.has_profile) == (False, None, True)
    assert [(home / name).read_bytes() for name in kept] == before
    works(home)


def test_a_store_whose_root_key_is_gone_gets_no_second_one(tmp_path: Path) -> None:
    """Without the key that wraps, or with another one, a run is refused and names the one it needs."""
    home = tmp_path / "home"
    key_path = make(home).key_path
    assert key_path is not None
    key = key_path.read_bytes()
    key_path.unlink()
    with pytest.raises(
        ConflictError, match=r"^the database has keys that root key \w{16} wraps, and it is not"
    ):
        make(home)
    assert list(key_path.parent.iterdir()) == []
    with pytest.raises(RootKeyError, match=r"^there is no root key in "):
        open_service(Settings({}, home))
    with pytest.raises(ConflictError):
        make(home, RESOLVER_KEY="cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=")
    key_path.write_bytes(key)
    assert not make(home).made


def test_there_is_no_store_to_open_before(tmp_path: Path) -> None:
    """Opening a state directory without a store says what makes one, and makes nothing itself."""
    with pytest.raises(StoreError, match=r"^there is no store in ") as caught:
        open_service(Settings({}, tmp_path / "home"))
    assert caught.value.hint.startswith("`resolver init` makes one")
    assert not (tmp_path / "home").exists()


def test_a_store_that_can_t_be_opened_leaves_no_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused for its schema, the store is closed: else its connection stays until memory is collected."""
    home = tmp_path / "home"
    make(home)
    with raw_connection(f"sqlite:///{home / 'data' / 'resolver.db'}") as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    closed: list[object] = []
    close = AnyStore.close
    monkeypatch.setattr(AnyStore, "close", lambda store: (closed.append(store), close(store)))
    with pytest.raises(StoreError, match=r"has schema 9999"):
        open_service(Settings({}, home))
    assert len(closed) == 1


def test_of_several_at_once_one_makes_the_store(tmp_path: Path) -> None:
    """Four runs in one state directory: one makes it, three find it done; there is one root key."""
    home = tmp_path / "home"
    answers = run_at_once([home] * 4)
    assert sorted(bool(answer["made"]) for answer in answers) == [False, False, False, True]
    assert [path.name for path in (home / "keys").iterdir()] == ["root.key"]
    assert has_root_key(home)
    works(home)


def test_a_run_waits_for_another_one(tmp_path: Path) -> None:
    """While another run has the state directory nothing is made in it; afterwards everything is."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    with (home / ".lock").open("w") as lock, ThreadPoolExecutor(1) as pool:
        fcntl.flock(lock, fcntl.LOCK_EX)
        running = pool.submit(make, home)
        with pytest.raises(TimeoutError):
            running.result(timeout=0.5)
        assert [path.name for path in home.iterdir()] == [".lock"]
        fcntl.flock(lock, fcntl.LOCK_UN)
        assert running.result(timeout=100).made
    works(home)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_two_state_directories_with_one_database(dialect: str, tmp_path: Path) -> None:
    """Two that make the same database: one does; the other is told which root key it needs."""
    url = database(dialect, tmp_path, empty=True)
    homes = [tmp_path / "a", tmp_path / "b"]
    answers = run_at_once(homes, url)
    (winner,) = [home for home, answer in zip(homes, answers, strict=True) if answer.get("made")]
    (loser,) = [home for home in homes if home != winner]
    (refused,) = [answer for answer in answers if "error" in answer]
    assert refused["error"] == "ConflictError"
    assert "wraps, and it is not at hand" in str(refused["message"])
    assert not list(loser.rglob("*.key"))
    assert not (loser / "profile").exists()
    with raw_connection(url) as connection:
        assert len(list(connection.exec_driver_sql("SELECT id FROM root_key"))) == 1
        assert len(list(connection.exec_driver_sql("SELECT id FROM tenant"))) == 1
    works(winner, RESOLVER_DATABASE_URL=url)


def test_what_a_killed_run_leaves_is_completed_or_explained(tmp_path: Path) -> None:
    """Killed at any of many points, the next run makes the store, or says what to remove; then it works.

    There is no store without the secrets that were to be in it from the start.
    """
    (whole,) = run_at_once([tmp_path / "whole"], last=NEVER, secrets=SAMPLES)
    calls = whole["calls"]
    assert isinstance(calls, list)
    # Each call is killed before it begins: before and after each file is put in its place, and in the schema.
    numbers = [number for number, call in enumerate(calls, 1) if call in {"link", "fsync"}]
    last_commit = max(number for number, call in enumerate(calls, 1) if call == "commit")
    points = {len(calls) // 2, last_commit, last_commit + 1, *numbers, *(number + 1 for number in numbers)}
    explained = whole_stores = 0
    for point in sorted(points):
        home = tmp_path / f"home{point}"
        assert run_at_once([home], last=point, secrets=SAMPLES) == [{}], "it was not killed"
        stored = (home / "data" / "resolver.db").exists() and has_root_key(home)
        if stored:  # then all of it is
            assert secrets_of(home) == SAMPLES
        if (home / "profile").exists() and not stored:
            # Killed between the profile and the commit: what to do about it is said.
            with pytest.raises(ConflictError, match=r"^there is a profile ") as caught:
                make(home)
            assert caught.value.hint.startswith("remove it")
            (home / "profile").unlink()
            explained += 1
        assert make(home).made is not stored
        works(home)
        whole_stores += stored
    assert 0 < explained < len(points)
    assert 0 < whole_stores < len(points)
