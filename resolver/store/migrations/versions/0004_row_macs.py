"""A MAC for each row that decides, and the mark that a row without one is refused."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

ROOTS = (
    "tenant",
    "user_account",
    "standing_admin",
    "access_token",
    "console_session",
    "root_key",
    "data_key",
    "secrets_provider",
    "secret",
    "secret_version",
)


def upgrade() -> None:
    """Add the columns, empty: rows get their MACs as they are changed, and from `db upgrade --finish`."""
    for table in ROOTS:
        op.add_column(table, sa.Column("row_mac", sa.String(120)))
    op.add_column("audit_chain", sa.Column("enforced", sa.Boolean()))
