"""Who a user is for an OpenID provider, and when the roles of groups end."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the columns, and their index. Nobody has signed in by a provider yet."""
    for name, kind in (("issuer", sa.Text()), ("subject", sa.Text()), ("roles_until", sa.String(24))):
        op.add_column("user_account", sa.Column(name, kind))
    op.create_index(
        op.f("ix_user_account_issuer_subject"), "user_account", ["issuer", "subject"], unique=True
    )
