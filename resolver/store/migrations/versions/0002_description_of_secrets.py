"""A description for each secret."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column, which is empty for the secrets that are there."""
    op.add_column("secret", sa.Column("description", sa.Text()))
