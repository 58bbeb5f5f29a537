"""The statements of a use, as they are sent: as they are written, and with no condition too few."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from resolver.core.audit import canonical
from resolver.core.model import SecretValue, Visibility
from resolver.core.permissions import TenantRole
from resolver.core.providers import NewProvider
from resolver.core.secret_changes import NewSecret, SecretChange
from resolver.store import compiled, statements
from resolver.store.reading import Statement
from tests.service.uses import DIGESTS, key_use
from tests.trusting import trusting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from resolver.store.sql import SqlSession
    from tests.databases import World

NAMES = sorted(statements.STATEMENTS)
AT = "2030-02-02T00:00:00.000Z"


@pytest.mark.skipif(
    sa.__version__ != statements.SQLALCHEMY, reason=f"written by SQLAlchemy {statements.SQLALCHEMY}"
)
def test_what_is_sent_is_what_is_written() -> None:
    """After a change of a statement or a table, `python -m resolver.store.statements` makes it anew."""
    assert statements.FILE.read_text(encoding="utf-8") == statements.rendered()


@pytest.fixture
def filled(world: World) -> World:
    """A store in which each condition of each statement leaves something out."""
    service, admin = world.service, world.admin
    eve = world.user("eve", TenantRole.USER, TenantRole.VIEWER)
    world.user("mallory", TenantRole.OPERATIONS)
    for tenant in ("home", "away"):
        service.providers.create(admin, tenant, "local", NewProvider("local"))
        for key in ("a", "b", "c"):
            world.secret(key, f"{tenant} {key}", tenant)
        kept = NewSecret(value=SecretValue("p"), provider="local")
        service.secrets.create(eve if tenant == "home" else admin, tenant, "p", kept)
        service.secrets.update(admin, tenant, "a", SecretChange(value=SecretValue("newer")))
    trusting(world)
    trusting(world, "other")
    world.secret("g", "everyone's", "away", Visibility.GLOBAL)
    world.secret("h", "everyone's", "away", Visibility.GLOBAL)
    for tenant_id in ("", _column(world, "SELECT id FROM tenant WHERE name = 'home'")[0]):
        world.execute(
            "INSERT INTO data_key (id, tenant_id, root_key_id, wrapped, active, outdated, created_at)"
            " SELECT :id, tenant_id, root_key_id, wrapped, :active, :active, created_at FROM data_key"
            " WHERE tenant_id = :tenant",
            id=f"inactive {tenant_id[:8]}",
            active=False,
            tenant=tenant_id,
        )
    return world


def _column(world: World, query: str) -> list[Any]:
    return [row[0] for row in world.execute(query)]


def _values(world: World) -> dict[str, Sequence[Any]]:
    """What each parameter is tried with."""
    tenants = _column(world, "SELECT id FROM tenant ORDER BY id")
    users = _column(world, "SELECT id FROM user_account ORDER BY id")
    data_keys = _column(world, "SELECT id FROM data_key ORDER BY id")
    secrets = _column(world, "SELECT id FROM secret WHERE provider_id IS NOT NULL ORDER BY id")
    return {
        "token": _column(world, "SELECT id FROM access_token ORDER BY id"),
        "trust": _column(world, "SELECT id FROM trust ORDER BY id"),
        "user": [*users, "admin", "eve", "nobody"],
        "tenant": ["home", "away", "none", "", *tenants],
        "tenant_id": tenants,
        "keys": [[], ["a", "g"], ["b", "p", "none"]],
        "ids": [[], data_keys[:2], secrets[:1], secrets],
        "id": data_keys,
        "chain": ["system", *tenants, "none"],
        "chains": [[], ["system"], [tenants[0], "none"]],
        "system_end": [None, *_column(world, "SELECT number FROM audit_chain WHERE id = 'system'"), 0],
        "after": [0, 2],
        "before": [2, 100],
        "size": [1, 50],
        "empty": [b""],
        "at": [AT],
        "new_number": [7],
        "new_hash": ["h"],
        "new_mac": ["m"],
        "new_mac_key_id": [None],
        "new_enforced": [None],
        "number": [0],
        "hash": ["h"],
        "mac": ["m"],
        "enforced": [None],
    }


def _tries(world: World, name: str) -> list[dict[str, Any]]:
    """All values of all parameters of a statement."""
    values = _values(world)
    parameters = sorted(set(re.findall(r":(\w+)", getattr(compiled, name).texts[0])))
    return [
        dict(zip(parameters, tried, strict=True))
        for tried in itertools.product(*(values[parameter] for parameter in parameters))
    ]


class _RolledBackError(Exception):
    """What was changed is not to stay."""


_AFTER = ("SELECT id, last_used_at FROM access_token ORDER BY id", "SELECT * FROM audit_chain ORDER BY id")


def _through_sqlalchemy(
    written: sa.Executable, session: SqlSession, values: dict[str, Any]
) -> list[tuple[Any, ...]]:
    result = session._connection.execute(written, values)  # noqa: SLF001 - past its own methods
    return [tuple(row) for row in result] if result.returns_rows else []


def _run(statement: Statement[Any], session: SqlSession, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    return session._run(statement, **values)  # noqa: SLF001 - what its own methods do


def _answers(world: World, name: str, run: Callable[[SqlSession, dict[str, Any]], list[Any]]) -> list[Any]:
    """What a statement answers to all that is tried; and without an answer, what is there afterwards."""
    found: list[Any] = []
    lists = json.dumps if "sqlite" in world.url else list
    for tried in _tries(world, name):
        values = {key: lists(value) if isinstance(value, list) else value for key, value in tried.items()}
        with contextlib.suppress(_RolledBackError), world.store.write() as session:
            rows = run(session, values)
            after = [] if rows else [session._connection.execute(sa.text(query)).all() for query in _AFTER]  # noqa: SLF001 - past its own methods
            found.append([sorted(rows, key=repr), after])
            raise _RolledBackError
    return found


_BEGIN = re.compile(r"\b(?:WHERE|ON(?! CONFLICT)|AND|OR) ")
_END = re.compile(r"\s+(?:AND|OR|JOIN|LEFT OUTER JOIN|ORDER BY|LIMIT|FOR|WHERE)\b|\Z|[()]")


def mutations(text: str) -> Iterator[str]:
    """A statement without each of its conditions."""
    for begin in _BEGIN.finditer(text):
        depth = 0
        for end in _END.finditer(text, begin.end()):
            depth += {"(": 1, ")": -1}.get(end[0], 0)
            if depth < 0 or (depth == 0 and end[0] not in "()") or not end[0]:
                yield f"{text[: begin.end()]}1 = 1{text[end.start() :]}"
                break


def test_a_condition_that_is_missing_is_noticed(filled: World) -> None:
    """Each condition, of joins too, leaves something out: without it there is another answer."""
    for name in NAMES:
        statement: Statement[Any] = getattr(compiled, name)
        text = statement.texts["postgresql" in filled.url]
        expected = _answers(filled, name, partial(_run, statement))
        changed = list(mutations(text))
        assert bool(changed) is ("WHERE" in text)
        for mutation in changed:
            mutant = Statement(mutation, mutation, statement.columns, dict(statement.readers))
            assert _answers(filled, name, partial(_run, mutant)) != expected, mutation


def test_both_paths_answer_alike(filled: World) -> None:
    """What is sent through the driver answers what SQLAlchemy, of whatever version, reads."""
    for name in NAMES:
        statement: Statement[Any] = getattr(compiled, name)
        written = statements.STATEMENTS[name][0]["postgresql" in filled.url]
        sent = _answers(filled, name, partial(_run, statement))
        assert sent == _answers(filled, name, partial(_through_sqlalchemy, written)), name
        assert any(sent)


def test_a_use_takes_so_many_statements(world: World) -> None:
    """Of one key or of many; what begins and ends its two transactions is not counted."""
    for number in range(20):
        world.secret(f"k{number}")
    for keys in (["k1"], [f"k{number}" for number in range(20)]):
        wanted = [key_use(key) for key in keys]
        world.service.use.use(world.admin, "home", wanted, DIGESTS)  # keys are opened, the head was seen
        with world.statements() as seen:
            world.service.use.use(world.admin, "home", wanted, DIGESTS)
        assert len(seen) == (4 if "postgresql" in world.url else 7), seen


def test_a_statement_on_postgresql_appends_only_if_the_head_moves(world: World) -> None:
    """Where the head moves is the condition that the statement of SQLite has, whose parts are tried above."""
    moves = compiled.SET_HEAD.texts[1]
    assert compiled.APPEND.startswith(f"WITH moved AS ({moves} RETURNING id)")
    assert compiled.APPEND.count("FROM moved") == len(statements.INSERTS) + 1
    trail = world.service.trail
    before = trail.head(world.admin)
    entry = trail.entry(world.admin, None, "test")
    with world.store.write() as session:
        head, key = trail.locked(session, before.chain)
        assert head == before
        told = [(entry, canonical(entry))]
        assert trail.extend(session, head, key, told, before.number + 1) is None
    assert trail.head(world.admin) == before
    assert trail.verify(world.admin).whole
    with world.store.write() as session:
        assert trail.extend(session, *trail.locked(session, before.chain), told, before.number) is not None
    assert trail.head(world.admin).number == before.number + 1
    assert trail.verify(world.admin).whole
