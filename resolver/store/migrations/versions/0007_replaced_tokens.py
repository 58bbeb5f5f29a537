"""Which access token took the place of another one."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the column."""
    op.add_column("access_token", sa.Column("replaced_by", sa.String(10)))
