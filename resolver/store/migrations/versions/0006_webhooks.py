"""Webhooks, the events that wait for them, and how far audit chains were looked through for these."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

ID, TIME = sa.String(36), sa.String(24)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "webhook",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", sa.Text()),
        sa.Column("tenants", sa.Text()),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("signing", sa.Text(), nullable=False),
        sa.Column("data_key_id", ID, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("row_mac", sa.String(120)),
        sa.PrimaryKeyConstraint("id", name="pk_webhook"),
        sa.UniqueConstraint("name", name="uq_webhook_name"),
        sa.ForeignKeyConstraint(["data_key_id"], ["data_key.id"], name="fk_webhook_data_key_id_data_key"),
    )
    op.create_index("ix_webhook_data_key_id", "webhook", ["data_key_id"])
    op.create_table(
        "webhook_state",
        sa.Column("webhook_id", ID, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_at", TIME, nullable=False),
        sa.Column("last_at", TIME),
        sa.Column("last_status", sa.Integer()),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("webhook_id", name="pk_webhook_state"),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhook.id"], name="fk_webhook_state_webhook_id_webhook", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "webhook_event",
        sa.Column("webhook_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("event_id", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("queued_at", TIME, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("answered", sa.Integer(), nullable=False),
        sa.Column("tried_at", TIME),
        sa.Column("status", sa.Integer()),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("row_mac", sa.String(120)),
        sa.PrimaryKeyConstraint("webhook_id", "number", name="pk_webhook_event"),
        sa.UniqueConstraint("webhook_id", "event_id", name="uq_webhook_event_webhook_id_event_id"),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhook.id"], name="fk_webhook_event_webhook_id_webhook", ondelete="CASCADE"
        ),
    )
    op.create_index(
        "ix_webhook_event_webhook_id_state_number", "webhook_event", ["webhook_id", "state", "number"]
    )
    op.create_table(
        "webhook_source",
        sa.Column("id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("since", TIME),
        sa.Column("refusals", sa.Text()),
        sa.Column("row_mac", sa.String(120)),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_source"),
    )
    op.create_table(
        "webhook_lease",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("holder", ID, nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_lease"),
        sa.CheckConstraint("id = 1", name="one"),
    )
