"""Console sessions end with the password that was given for them, and know when that was."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns. Sessions that were opened with a password before have to be opened again."""
    op.add_column("console_session", sa.Column("login", sa.String(32)))
    op.add_column("console_session", sa.Column("confirmed_at", sa.String(24)))
