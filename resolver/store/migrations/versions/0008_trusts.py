"""Trusts, how often JWTs were exchanged, which tokens came of that, and the runs in the index of records."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make the tables, and add the columns. No record tells of a run yet."""
    identifier, time = sa.String(36), sa.String(24)
    op.create_table(
        "trust",
        sa.Column("id", identifier, nullable=False),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("issuer", "audience", "claims")),
        sa.Column("user_id", identifier, nullable=False),
        sa.Column("narrowing", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("lifetime", "exchanges")),
        *(sa.Column(name, sa.Text()) for name in ("jwks", "jwks_url", "ca")),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_by", identifier, nullable=False),
        *(sa.Column(name, time, nullable=False) for name in ("created_at", "updated_at")),
        sa.Column("row_mac", sa.String(120)),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name=op.f("fk_trust_user_id_user_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trust")),
        sa.UniqueConstraint("name", name=op.f("uq_trust_name")),
    )
    op.create_index(op.f("ix_trust_user_id"), "trust", ["user_id"])
    names = ("issuer", "source", "digest")
    op.create_table(
        "jwt_exchange",
        *(sa.Column(name, sa.String(64), nullable=False) for name in names),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("ends_at", time, nullable=False),
        sa.PrimaryKeyConstraint(*names, name=op.f("pk_jwt_exchange")),
    )
    op.create_index(op.f("ix_jwt_exchange_ends_at"), "jwt_exchange", ["ends_at"])
    op.add_column("access_token", sa.Column("trust_id", identifier))
    op.add_column("access_token", sa.Column("run", sa.Text()))
    op.create_index(op.f("ix_access_token_trust_id"), "access_token", ["trust_id"])
    op.add_column("audit_run", sa.Column("run", sa.Text()))
    some = sa.text("run IS NOT NULL")
    op.create_index(
        op.f("ix_audit_run_chain_id_run_number"),
        "audit_run",
        ["chain_id", "run", "number"],
        sqlite_where=some,
        postgresql_where=some,
    )
