"""An index of what audit records tell by key, user and blueprint; filled from those that are there."""

import sqlalchemy as sa
from alembic import op
from msgspec.structs import asdict

from resolver.core.audit import AuditRecord
from resolver.core.audit_rounds import index_of_records

revision = "0005"
down_revision = "0004"

_PART = 2000
_RECORDS = sa.table(
    "audit_record", *(sa.column(name) for name in ("chain_id", "number", "at", "action", "body", "hash"))
)


def upgrade() -> None:
    """Make the tables and fill them, a part of the records at a time."""
    who = ("at", "action", "caller", "folded", "caller_id", "token", "tenant", "tenant_id")
    runs = op.create_table(
        "audit_run",
        sa.Column("chain_id", sa.String(length=36), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("number", "nth")),
        *(sa.Column(name, sa.Text(), nullable=False) for name in (*who, "blueprint", "digest")),
        sa.Column("claimed", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["chain_id"], ["audit_chain.id"], name=op.f("fk_audit_run_chain_id_audit_chain")
        ),
        sa.PrimaryKeyConstraint("chain_id", "number", "nth", name=op.f("pk_audit_run")),
        sqlite_with_rowid=False,
    )
    uses = op.create_table(
        "audit_use",
        sa.Column("chain_id", sa.String(length=36), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("number", "place", "nth")),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("key", "secret_id")),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["chain_id"], ["audit_chain.id"], name=op.f("fk_audit_use_chain_id_audit_chain")
        ),
        sa.PrimaryKeyConstraint("chain_id", "number", "place", "nth", name=op.f("pk_audit_use")),
        sqlite_with_rowid=False,
    )
    _fill(runs, uses)
    for table, columns in (
        ("audit_run", ["chain_id", "folded", "number"]),
        ("audit_run", ["chain_id", "blueprint", "number"]),
        ("audit_run", ["tenant_id", "at"]),
        ("audit_use", ["chain_id", "key", "number"]),
    ):
        op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, columns)


def _fill(runs: sa.Table, uses: sa.Table) -> None:
    connection = op.get_bind()
    c = _RECORDS.c
    for chain in connection.execute(sa.text("SELECT id FROM audit_chain")).scalars().all():
        after = 0
        query = sa.select(c.number, c.at, c.action, sa.cast(c.body, sa.LargeBinary), c.hash)
        while part := connection.execute(
            query.where(c.chain_id == chain, c.number > after).order_by(c.number).limit(_PART)
        ).all():
            after = part[-1][0]
            rows = index_of_records(
                AuditRecord(row[0], row[1], row[2], bytes(row[3]), row[4]) for row in part
            )
            for table, made in ((runs, rows.runs), (uses, rows.uses)):
                known = table.c.keys()  # later migrations add to the rows
                values = [{"chain_id": chain, **asdict(row)} for row in made]
                connection.execute(sa.insert(table), [{name: one[name] for name in known} for one in values])
