"""A PostgreSQL server that is reached through a pooler, or is one of several hosts."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy.engine import make_url

from resolver.errors import StoreError
from resolver.store.sql import SqlStore
from tests.databases import World, database, statements_of
from tests.service.uses import DIGESTS, key_use
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

PGBOUNCER = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin")

CLIENTS, TIMES = 6, 4

ON_A_SESSION = re.compile(
    r"^\s*(SET(?! LOCAL| CONSTRAINTS)|LISTEN|PREPARE|DECLARE|CREATE TEMP)|pg_(try_)?advisory_(un)?lock",
    re.IGNORECASE,
)
"""What outlives a transaction, so that another client's next one would find it."""


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The URL of a PostgreSQL database with the schema."""
    return database("postgresql", tmp_path)


def _socket_folder(url: str) -> str:
    return str(make_url(url).query["host"])


def _prepared(store: SqlStore) -> int:
    """How many statements a session has prepared after one was run often."""
    with store._database.connection() as held:  # noqa: SLF001 - what is tested
        for _ in range(20):
            held.raw.execute("SELECT 1")
        (count,) = held.raw.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
    store.close()
    return int(count)


def test_statements_are_prepared_where_a_setting_says_so(url: str) -> None:
    """And by default, since the server is reached without a pooler."""
    assert _prepared(SqlStore(url)) > 0
    assert _prepared(SqlStore(url, {"prepare": 2})) > 0
    assert _prepared(SqlStore(url, {"prepare": 0})) == 0


def test_of_several_hosts_the_one_that_takes_changes_is_found(url: str, tmp_path: Path) -> None:
    """One that does not answer is passed over; where none takes changes, nothing is opened."""
    folder, name = _socket_folder(url), make_url(url).database
    several = (
        f"postgresql://postgres@/{name}?host={tmp_path},{folder}&port=5432,5432"
        "&target_session_attrs=read-write"
    )
    world = World(several, SqlStore(several))
    world.secret("key")
    world.service.close()
    with psycopg.connect(host=folder, user="postgres", dbname="postgres", autocommit=True) as other:
        other.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    closed = SqlStore(several)
    with pytest.raises(StoreError, match="read-only"):
        closed.check_schema()
    closed.close()


@pytest.fixture
def pooled(url: str) -> Iterator[str]:
    """The same database behind PgBouncer, which has two sessions for all transactions."""
    folder = Path(tempfile.mkdtemp(prefix="pool"))  # short: a path of a socket has a limit
    server = Path(_socket_folder(url))
    owner = pwd.getpwuid(server.stat().st_uid)
    os.chown(folder, owner.pw_uid, -1)
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        f"""
        [databases]
        * = host={server} user=postgres
        [pgbouncer]
        pool_mode = transaction
        default_pool_size = 2
        auth_type = any
        unix_socket_dir = {folder}
        listen_port = 6432
        """
    )
    as_owner = ["-u", owner.pw_name] if os.geteuid() == 0 else []
    assert PGBOUNCER is not None
    pooler = subprocess.Popen([PGBOUNCER, "-q", *as_owner, settings])
    try:
        until((folder / ".s.PGSQL.6432").exists)
        yield f"postgresql://postgres@/{make_url(url).database}?host={folder}&port=6432"
    finally:
        pooler.kill()
        pooler.wait()
        shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.skipif(PGBOUNCER is None, reason="there is no pgbouncer")
def test_clients_share_sessions_behind_a_pooler(pooled: str) -> None:
    """Changes and uses of many clients, each with connections of its own, on two sessions."""
    assert _prepared(SqlStore(pooled)) == 0  # else another session is asked for what it does not know
    world = World(pooled, SqlStore(pooled))
    clients = [
        World(pooled, SqlStore(pooled), token=world.token, ring=world.ring, passwords=world.passwords)
        for _ in range(CLIENTS)
    ]

    def work(number: int) -> None:
        client = clients[number]
        for key in (f"key{number}_{time}" for time in range(TIMES)):
            client.secret(key, f"value of {key}")
            used = client.service.use.use(client.admin, "home", [key_use(key)], DIGESTS)
            assert used.secrets[key].value.reveal() == f"value of {key}"

    with ThreadPoolExecutor(CLIENTS) as threads, statements_of(clients[0].store) as seen:
        list(threads.map(work, range(CLIENTS)))
    assert seen
    assert [statement for statement in seen if ON_A_SESSION.search(statement)] == []
    actions = Counter(record.action for record in world.service.trail.records(world.admin, "home"))
    assert (actions["secret:create"], actions["secret:use"]) == (CLIENTS * TIMES, CLIENTS * TIMES)
    assert world.service.trail.verify(world.admin, "home").whole
    for each in (world, *clients):
        each.service.close()
