"""The few statements of a use, in SQLAlchemy Core: `compiled.py` has them as they are sent.

They run through the drivers alone, so that a run that only uses secrets needs no SQLAlchemy. After a change
here, or of a table: `python -m resolver.store.statements`. A test fails while the two differ.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import (
    ARRAY,
    Boolean,
    Enum,
    LargeBinary,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    exists,
    func,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy import any_ as sql_any
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from resolver.core.audit import SYSTEM_CHAIN, AuditRecord
from resolver.core.audit_rounds import AuditRun, AuditUse
from resolver.store import aggregates
from resolver.store import tables as t
from resolver.store.accounts import DECIDES, WITH_ROLES
from resolver.store.keys import DATA_KEY
from resolver.store.providers import EXTERNAL, EXTERNAL_FROM
from resolver.store.reading import AggregateCheck, Many, Reading, Root, Statement, scope
from resolver.store.records import RecordColumns, fields_of
from resolver.store.rows import GLOBAL, SECRETS, TENANT, insert_of
from resolver.store.secrets import CURRENT, SIZE, STORED
from resolver.store.tokens import TOKEN
from resolver.store.trusts import TRUST

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement, Dialect, Executable, FromClause, Table

    from resolver.store.reading import Shape

SQLALCHEMY = "2.1.9"
"""The version that the compiled statements are of; others write the same otherwise."""

Both: TypeAlias = "tuple[Executable, Executable]"
"""A statement for SQLite, and for PostgreSQL."""


def _same(statement: Executable) -> Both:
    return statement, statement


def _listed(column: ColumnElement[Any], name: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """That a column has one of some texts. However many there are, they travel in one parameter."""
    return (
        column.in_(select(func.json_each(bindparam(name)).table_valued("value").c.value)),
        column == sql_any(bindparam(name, type_=ARRAY(Text))),
    )


def _by_keys(
    columns: Sequence[ColumnElement[Any]], rows: FromClause, key_is_listed: ColumnElement[bool]
) -> Select[Any]:
    """Of the tenant's own secrets under some keys, and of the global ones of all tenants, these columns.

    The keys stand on both sides of the OR: SQLite, which has no statistics of a store, would otherwise read
    all secrets of the tenant.
    """
    own = t.secret.c.tenant_id == bindparam("tenant_id")
    everyones = t.secret.c.scope == literal_column(f"'{GLOBAL}'")
    return (
        select(*columns)
        .select_from(rows)
        .where(or_(and_(own, key_is_listed), and_(everyones, key_is_listed)))
    )


_BY_KEYS = _listed(t.secret.c.key, "keys")
_CURRENT = SECRETS.join(t.secret_version, CURRENT)
_OWN, _SYSTEM = t.audit_chain.alias("own"), t.audit_chain.alias("system")
_IS_SYSTEM = _SYSTEM.c.id == literal_column(f"'{SYSTEM_CHAIN}'")
_SEALED = (
    _CURRENT.outerjoin(t.data_key, t.data_key.c.id == t.secret_version.c.data_key_id)
    .outerjoin(_OWN, _OWN.c.id == t.secret.c.tenant_id)
    .outerjoin(_SYSTEM, _IS_SYSTEM)
)
_WITH_ENDS = [*STORED.columns, _OWN.c.number.label("own_end"), _SYSTEM.c.number.label("system_end")]
"""Secrets with what opens them, and where the chains end that tell of all of it."""

_KEY = select(*DATA_KEY.columns)
_KEYS_BY_ID = _listed(t.data_key.c.id, "ids")
_ACTIVE = _KEY.where(t.data_key.c.tenant_id == bindparam("tenant"), t.data_key.c.active)
_SYSTEM_KEY = RecordColumns(DATA_KEY.record, t.data_key, unread=t.data_key.c.keys())
_SYSTEM_KEYS = select(*_SYSTEM_KEY.columns).where(t.data_key.c.tenant_id == literal_column("''"))
_EXTERNAL = select(*EXTERNAL.columns).select_from(EXTERNAL_FROM)
_EXTERNAL_BY_ID = _listed(t.secret.c.id, "ids")
_CHAIN = select(t.audit_chain).where(t.audit_chain.c.id == bindparam("chain"))
_WITH_KEY = (
    select(t.audit_chain, *_KEY.selected_columns)
    .select_from(t.audit_chain.outerjoin(t.data_key, t.data_key.c.id == t.audit_chain.c.mac_key_id))
    .where(t.audit_chain.c.id == bindparam("chain"))
    .with_for_update(of=t.audit_chain)
)
_ENDS = _listed(t.audit_chain.c.id, "chains")
_ENTERING = (
    select(
        *TOKEN.columns,
        *(column.label(f"user__{column.name}") for column in t.user_account.c),
        t.membership.c.tenant_id.label("in_tenant"),
        t.membership.c.role.label("in_role"),
        *(column.label(f"tenant__{column.name}") for column in t.tenant.c),
    )
    .select_from(
        t.access_token.join(t.user_account, t.user_account.c.id == t.access_token.c.user_id)
        .outerjoin(t.membership, t.membership.c.user_id == t.user_account.c.id)
        .outerjoin(t.tenant, t.tenant.c.name == bindparam("tenant"))
    )
    .where(t.access_token.c.id == bindparam("token"))
)
"""Who asks, with memberships, and the tenant that is asked in."""

_RECORD = RecordColumns(
    AuditRecord,
    t.audit_record,
    {"body": func.coalesce(cast(t.audit_record.c.body, LargeBinary), bindparam("empty", type_=LargeBinary))},
    unread=["chain_id"],
)
_R = t.audit_record.c
_STARTED: Mapping[str, Any] = {name: bindparam(name) for name in ("id", "number", "hash", "mac", "enforced")}
_OF_A_HEAD = ("number", "hash", "mac", "mac_key_id", "enforced")

STATEMENTS: Mapping[str, tuple[Both, RecordColumns[Any] | None]] = {
    "ENTERING": (_same(_ENTERING), TOKEN),
    "TRUST": (_same(select(*TRUST.columns).where(t.trust.c.id == bindparam("trust"))), TRUST),
    "USER_BY_ID": (_same(WITH_ROLES.where(t.user_account.c.id == bindparam("user"))), None),
    "USER_BY_NAME": (_same(WITH_ROLES.where(t.user_account.c.folded_name == bindparam("user"))), None),
    "TENANT": (_same(select(*TENANT.columns).where(t.tenant.c.name == bindparam("tenant"))), TENANT),
    "SECRETS": (
        (_by_keys(_WITH_ENDS, _SEALED, _BY_KEYS[0]), _by_keys(_WITH_ENDS, _SEALED, _BY_KEYS[1])),
        STORED,
    ),
    "SIZE_OF_SECRETS": ((_by_keys(SIZE, _CURRENT, _BY_KEYS[0]), _by_keys(SIZE, _CURRENT, _BY_KEYS[1])), None),
    "DATA_KEYS": ((_KEY.where(_KEYS_BY_ID[0]), _KEY.where(_KEYS_BY_ID[1])), DATA_KEY),
    "ACTIVE_DATA_KEY": (_same(_ACTIVE), DATA_KEY),
    "ACTIVE_DATA_KEY_LOCKED": (_same(_ACTIVE.with_for_update(read=True, key_share=True)), DATA_KEY),
    "SYSTEM_KEY": (_same(_SYSTEM_KEYS.where(t.data_key.c.id == bindparam("id"))), _SYSTEM_KEY),
    "ACTIVE_SYSTEM_KEY": (
        _same(_SYSTEM_KEYS.where(t.data_key.c.active).with_for_update(read=True, key_share=True)),
        _SYSTEM_KEY,
    ),
    "EXTERNAL": ((_EXTERNAL.where(_EXTERNAL_BY_ID[0]), _EXTERNAL.where(_EXTERNAL_BY_ID[1])), EXTERNAL),
    "CHAIN": (_same(_CHAIN), None),
    "CHAIN_LOCKED": (_same(_WITH_KEY), DATA_KEY),
    "ENDS": (
        (
            select(t.audit_chain.c.id, t.audit_chain.c.number).where(_ENDS[0]),
            select(t.audit_chain.c.id, t.audit_chain.c.number).where(_ENDS[1]),
        ),
        None,
    ),
    "START_CHAIN": (
        (
            sqlite.insert(t.audit_chain).values(_STARTED).on_conflict_do_nothing(index_elements=["id"]),
            postgresql.insert(t.audit_chain).values(_STARTED).on_conflict_do_nothing(index_elements=["id"]),
        ),
        None,
    ),
    "SET_HEAD": (
        _same(
            update(t.audit_chain)
            .where(
                t.audit_chain.c.id == bindparam("chain"),
                # With NULL for a number nothing is compared: the head moves whatever the other chain's is.
                ~exists().where(_IS_SYSTEM, _SYSTEM.c.number != bindparam("system_end")),
            )
            .values({name: bindparam(f"new_{name}") for name in _OF_A_HEAD})
        ),
        None,
    ),
    "RECORDS_BETWEEN": (
        _same(
            select(*_RECORD.columns)
            .where(
                _R.chain_id == bindparam("chain"),
                _R.number > bindparam("after"),
                _R.number < bindparam("before"),
            )
            .order_by(_R.number)
            .limit(bindparam("size"))
        ),
        _RECORD,
    ),
    "NOTE_TOKEN_USE": (
        _same(
            update(t.access_token)
            .where(t.access_token.c.id == bindparam("token"))
            .values(last_used_at=bindparam("at"))
        ),
        None,
    ),
}
"""The statements by name, each with the records that are read of its rows."""

INSERTS: Mapping[str, tuple[Table, type]] = {
    "ADD_RECORDS": (t.audit_record, AuditRecord),
    "ADD_RUNS": (t.audit_run, AuditRun),
    "ADD_USES": (t.audit_use, AuditUse),
}
"""Inserts of many records of a chain: the table, whose columns are named as the fields are."""

_DIALECTS = (sqlite.dialect(paramstyle="named"), PGDialect_psycopg())  # type: ignore[no-untyped-call]

FILE = Path(__file__).with_name("compiled.py")


_HEAD = '''"""Statements as they are sent. `python -m resolver.store.statements` makes this of that module."""

from __future__ import annotations

from typing import Any

'''

_Imports: TypeAlias = "dict[str, set[str]]"


def rendered() -> str:
    """The text of `compiled.py`."""
    imports: _Imports = {}
    parts = [
        f"SQLALCHEMY = {SQLALCHEMY!r}\n",
        f'SCHEMA_REVISION = {t.SCHEMA_REVISION!r}\n"""The Alembic revision that this code needs."""\n',
        f'USER_FIELDS = {tuple(DECIDES)!r}\n"""What is under the MAC of a user, but for the roles."""\n',
        f"TENANT_FIELDS = {tuple(column.name for column in aggregates.TENANT.decides)!r}\n",
        *(_statement(name, both, record, imports) for name, (both, record) in STATEMENTS.items()),
        *(_insert(name, table, record, imports) for name, (table, record) in INSERTS.items()),
        _append(),
    ]
    lines = [f"from {room} import {', '.join(sorted(names))}\n" for room, names in sorted(imports.items())]
    return "\n".join([_HEAD + "".join(lines), *parts])


def _statement(name: str, both: Both, record: RecordColumns[Any] | None, imports: _Imports) -> str:
    texts = [_compiled(statement, dialect) for statement, dialect in zip(both, _DIALECTS, strict=True)]
    columns = list(both[0].selected_columns) if isinstance(both[0], Select) else []
    labels = tuple(str(column.key) for column in columns)
    readers = {place: _reader(column, imports) for place, column in enumerate(columns)}
    told = ", ".join(f"{place}: {reader}" for place, reader in readers.items() if reader)
    reading = "None" if record is None else _reading(record.reading(labels), imports)
    made = "Any" if record is None else _imported(record.record, imports)
    kind = _imported(Statement, imports)
    return (
        f'{name}: {kind}[{made}] = {kind}(\n    """{texts[0]}""",\n    """{texts[1]}""",\n'
        f"    {labels!r},\n    {{{told}}},\n    {reading},\n)\n"
    )


def _compiled(statement: Executable, dialect: Dialect) -> str:
    compiled = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
    text = "\n".join(line.strip() for line in str(compiled).splitlines())
    for name, value in compiled.params.items():
        if value is not None:  # a number of ours, like the OFFSET without which SQLite has no LIMIT
            text = text.replace(compiled.bindtemplate % {"name": name}, str(int(value)))
    return text


def _reader(column: ColumnElement[Any], imports: _Imports) -> str:
    """What makes of a column, as the driver gives it, what it means; nothing for most."""
    match column.type:
        case t.ScopeText():
            return _imported(scope, imports)
        case Enum(enum_class=type() as members):
            return _imported(members, imports)
        case Boolean():
            return "bool"
    return ""


def _reading(reading: Reading[Any], imports: _Imports) -> str:
    checks = "".join(
        f"{_imported(AggregateCheck, imports)}({_imported(Root, imports)}({check.root.kind!r}, "
        f"{check.root.id_names!r}), {check.names!r}, {check.places!r}), "
        for check in reading.checks
    )
    return f"{_imported(Reading, imports)}({_shape(reading.shape, imports)}, ({checks}), {reading.joined!r})"


def _shape(shape: Shape, imports: _Imports) -> str:
    record, shared, parts = shape
    told = "".join(f"{part if isinstance(part, int) else _shape(part, imports)}, " for part in parts)
    return f"({_imported(record, imports)}, {shared}, ({told}))"


def _insert(name: str, table: Table, record: type, imports: _Imports) -> str:
    made = insert_of(table, ("chain_id", *fields_of(record)))
    kind = _imported(Many, imports)
    texts = f'    """{made.sqlite}""",\n    """{made.postgresql}""",\n'
    return f"{name} = {kind}(\n{texts}    {made.columns!r},\n)\n"


def _append() -> str:
    """For PostgreSQL, all that records put to a chain, in one statement; nothing unless the head moves."""
    moved = _compiled(STATEMENTS["SET_HEAD"][0][1], _DIALECTS[1])
    parts = [f"WITH moved AS ({moved} RETURNING id)"]
    for name, (table, record) in INSERTS.items():
        insert = insert_of(table, ("chain_id", *fields_of(record))).postgresql
        told = insert.replace("%(", f"%({name}_").replace("SELECT * FROM ", "SELECT told.* FROM moved, ")
        parts.append(f"{name} AS ({told} AS told)")
    return f'APPEND = """{", ".join(parts)} SELECT id FROM moved"""\n'  # noqa: S608 - names of our own


def _imported(what: Any, imports: _Imports) -> str:  # noqa: ANN401 - a class or a function
    imports.setdefault(what.__module__, set()).add(what.__name__)
    return str(what.__name__)


if __name__ == "__main__":
    FILE.write_text(rendered(), encoding="utf-8")
