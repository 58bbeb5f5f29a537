"""Protected secrets, and what was asked to be approved."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

ID, TIME = sa.String(36), sa.String(24)


def upgrade() -> None:
    """Add the column, and the table. No secret that is there is protected."""
    op.add_column("secret", sa.Column("protected_at", TIME))
    op.create_table(
        "approval",
        sa.Column("id", ID, nullable=False),
        sa.Column("tenant_id", ID, nullable=False),
        sa.Column("digest", sa.String(64)),
        sa.Column("bundle", sa.Text()),
        sa.Column("data_key_id", ID),
        sa.Column("secrets", sa.Text(), nullable=False),
        sa.Column("requested_by", ID, nullable=False),
        sa.Column("trust_id", ID),
        sa.Column("trust_owner_id", ID),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested_at", TIME, nullable=False),
        sa.Column("ends_at", TIME, nullable=False),
        sa.Column("decided_by", ID),
        sa.Column("decided_at", TIME),
        sa.Column("comment", sa.Text()),
        sa.Column("uses", sa.Integer()),
        sa.Column("uses_left", sa.Integer()),
        sa.Column("row_mac", sa.String(120)),
        sa.CheckConstraint("(bundle IS NULL) = (data_key_id IS NULL)", name=op.f("ck_approval_sealed")),
        sa.ForeignKeyConstraint(
            ["data_key_id"], ["data_key.id"], name=op.f("fk_approval_data_key_id_data_key")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_approval_tenant_id_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval")),
    )
    op.create_index(op.f("ix_approval_data_key_id"), "approval", ["data_key_id"])
    op.create_index(op.f("ix_approval_tenant_id_requested_at"), "approval", ["tenant_id", "requested_at"])
