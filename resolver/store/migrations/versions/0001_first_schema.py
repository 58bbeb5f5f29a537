"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "key_scope",
        sa.Column("key", sa.String(length=256), nullable=False),
        sa.Column("scope", sa.String(length=8), nullable=False),
        sa.CheckConstraint("scope IN ('tenant', 'global')", name=op.f("ck_key_scope_scope")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_key_scope")),
        sa.UniqueConstraint("key", "scope", name=op.f("uq_key_scope_key_scope")),
    )
    op.create_table(
        "login_failure",
        sa.Column("slot", sa.String(length=36), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.String(length=24), nullable=False),
        sa.Column("refused_until", sa.String(length=24), nullable=False),
        sa.PrimaryKeyConstraint("slot", name=op.f("pk_login_failure")),
    )
    op.create_table(
        "root_key",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("wraps", sa.Boolean(), nullable=False),
        sa.Column("since", sa.String(length=24), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_root_key")),
    )
    op.create_index(
        "uq_root_key_wraps",
        "root_key",
        ["wraps"],
        unique=True,
        sqlite_where=sa.text("wraps"),
        postgresql_where=sa.text("wraps"),
    )
    op.create_table(
        "tenant",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("created_at", sa.String(length=24), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenant")),
        sa.UniqueConstraint("name", name=op.f("uq_tenant_name")),
    )
    op.create_table(
        "user_account",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("folded_name", sa.String(length=256), nullable=False),
        sa.Column("system_role", sa.String(length=16), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("created_at", sa.String(length=24), nullable=False),
        sa.Column("first_login_at", sa.String(length=24), nullable=True),
        sa.Column("last_login_at", sa.String(length=24), nullable=True),
        sa.CheckConstraint(
            "system_role IN ('sys_admin', 'default')", name=op.f("ck_user_account_system_role")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_account")),
        sa.UniqueConstraint("folded_name", name=op.f("uq_user_account_folded_name")),
        sa.UniqueConstraint(
            "id", "system_role", "active", name=op.f("uq_user_account_id_system_role_active")
        ),
    )
    op.create_table(
        "standing_admin",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("system_role", sa.String(length=16), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.CheckConstraint("number = 1", name=op.f("ck_standing_admin_one")),
        sa.CheckConstraint("system_role = 'sys_admin' AND active", name=op.f("ck_standing_admin_stands")),
        sa.ForeignKeyConstraint(
            ["user_id", "system_role", "active"],
            ["user_account.id", "user_account.system_role", "user_account.active"],
            name=op.f("fk_standing_admin_user_id_system_role_active_user_account"),
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_standing_admin")),
    )
    op.create_table(
        "access_token",
        sa.Column("id", sa.String(length=10), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("created_at", sa.String(length=24), nullable=False),
        sa.Column("expires_at", sa.String(length=24), nullable=True),
        sa.Column("last_used_at", sa.String(length=24), nullable=True),
        sa.Column("narrowing", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_access_token_user_id_user_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_token")),
    )
    op.create_index(op.f("ix_access_token_user_id"), "access_token", ["user_id"], unique=False)
    op.create_table(
        "console_session",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("token_id", sa.String(length=10), nullable=True),
        sa.Column("created_at", sa.String(length=24), nullable=False),
        sa.Column("last_used_at", sa.String(length=24), nullable=False),
        sa.ForeignKeyConstraint(
            ["token_id"],
            ["access_token.id"],
            name=op.f("fk_console_session_token_id_access_token"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["user_account.id"],
            name=op.f("fk_console_session_user_id_user_account"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_console_session")),
    )
    op.create_index(op.f("ix_console_session_token_id"), "console_session", ["token_id"], unique=False)
    op.create_index(op.f("ix_console_session_user_id"), "console_session", ["user_id"], unique=False)
    op.create_table(
        "data_key",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("root_key_id", sa.String(length=16), nullable=False),
        sa.Column("wrapped", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("outdated", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.String(length=24), nullable=False),
        sa.ForeignKeyConstraint(
            ["root_key_id"], ["root_key.id"], name=op.f("fk_data_key_root_key_id_root_key")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_key")),
    )
    op.create_index(
        "uq_data_key_active_tenant_id",
        "data_key",
        ["tenant_id"],
        unique=True,
        sqlite_where=sa.text("active"),
        postgresql_where=sa.text("active"),
    )
    op.create_table(
        "audit_chain",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("mac", sa.String(length=64), nullable=False),
        sa.Column("mac_key_id", sa.String(length=36), nullable=True),
        sa.ForeignKeyConstraint(
            ["mac_key_id"], ["data_key.id"], name=op.f("fk_audit_chain_mac_key_id_data_key")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_chain")),
    )
    op.create_index(op.f("ix_audit_chain_mac_key_id"), "audit_chain", ["mac_key_id"], unique=False)
    op.create_table(
        "audit_record",
        sa.Column("chain_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(length=24), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["chain_id"], ["audit_chain.id"], name=op.f("fk_audit_record_chain_id_audit_chain")
        ),
        sa.PrimaryKeyConstraint("chain_id", "number", name=op.f("pk_audit_record")),
    )
    op.create_table(
        "membership",
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.CheckConstraint(
            "role IN ('manager', 'user', 'operations', 'viewer')", name=op.f("ck_membership_role")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_membership_tenant_id_tenant")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_membership_user_id_user_account")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", name=op.f("pk_membership")),
    )
    op.create_index(op.f("ix_membership_user_id"), "membership", ["user_id"], unique=False)
    op.create_table(
        "secrets_provider",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("visibility", sa.String(length=8), nullable=False),
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.Column("connection_parameters", sa.Text(), nullable=True),
        sa.Column("data_key_id", sa.String(length=36), nullable=True),
        sa.Column("created_at", sa.String(length=24), nullable=False),
        sa.Column("updated_at", sa.String(length=24), nullable=False),
        sa.CheckConstraint(
            "visibility IN ('private', 'tenant', 'global')", name=op.f("ck_secrets_provider_visibility")
        ),
        sa.CheckConstraint(
            "(connection_parameters IS NULL) = (data_key_id IS NULL)", name=op.f("ck_secrets_provider_sealed")
        ),
        sa.ForeignKeyConstraint(
            ["data_key_id"], ["data_key.id"], name=op.f("fk_secrets_provider_data_key_id_data_key")
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["user_account.id"], name=op.f("fk_secrets_provider_owner_id_user_account")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("fk_secrets_provider_tenant_id_tenant")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_secrets_provider")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_secrets_provider_tenant_id_name")),
    )
    op.create_index(
        op.f("ix_secrets_provider_data_key_id"), "secrets_provider", ["data_key_id"], unique=False
    )
    op.create_index(op.f("ix_secrets_provider_owner_id"), "secrets_provider", ["owner_id"], unique=False)
    op.create_table(
        "secret",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("key", sa.String(length=256), nullable=False),
        sa.Column("scope", sa.String(length=8), nullable=False),
        sa.Column("visibility", sa.String(length=8), nullable=False),
        sa.Column("hidden", sa.Boolean(), nullable=False),
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("schema", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.String(length=24), nullable=True),
        sa.Column("rotate_after", sa.Integer(), nullable=True),
        sa.Column("rotate_at", sa.String(length=24), nullable=True),
        sa.Column("provider_id", sa.String(length=36), nullable=True),
        sa.Column("provider_options", sa.Text(), nullable=True),
        sa.Column("provider_options_data_key_id", sa.String(length=36), nullable=True),
        sa.Column("created_at", sa.String(length=24), nullable=False),
        sa.Column("updated_at", sa.String(length=24), nullable=False),
        sa.CheckConstraint(
            "(scope = 'global') = (visibility = 'global')", name=op.f("ck_secret_scope_follows_visibility")
        ),
        sa.CheckConstraint(
            "visibility IN ('private', 'tenant', 'global')", name=op.f("ck_secret_visibility")
        ),
        sa.CheckConstraint(
            "(provider_options IS NULL) = (provider_options_data_key_id IS NULL)",
            name=op.f("ck_secret_sealed"),
        ),
        sa.ForeignKeyConstraint(
            ["key", "scope"],
            ["key_scope.key", "key_scope.scope"],
            name=op.f("fk_secret_key_scope_key_scope"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["user_account.id"], name=op.f("fk_secret_owner_id_user_account")
        ),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["secrets_provider.id"], name=op.f("fk_secret_provider_id_secrets_provider")
        ),
        sa.ForeignKeyConstraint(
            ["provider_options_data_key_id"],
            ["data_key.id"],
            name=op.f("fk_secret_provider_options_data_key_id_data_key"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_secret_tenant_id_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_secret")),
        sa.UniqueConstraint("tenant_id", "key", name=op.f("uq_secret_tenant_id_key")),
    )
    op.create_index(op.f("ix_secret_key_scope"), "secret", ["key", "scope"], unique=False)
    op.create_index(op.f("ix_secret_owner_id"), "secret", ["owner_id"], unique=False)
    op.create_index(op.f("ix_secret_provider_id"), "secret", ["provider_id"], unique=False)
    op.create_index(
        op.f("ix_secret_provider_options_data_key_id"),
        "secret",
        ["provider_options_data_key_id"],
        unique=False,
    )
    op.create_index(
        "uq_secret_global_key",
        "secret",
        ["key"],
        unique=True,
        sqlite_where=sa.text("scope = 'global'"),
        postgresql_where=sa.text("scope = 'global'"),
    )
    op.create_table(
        "secret_version",
        sa.Column("secret_id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("data_key_id", sa.String(length=36), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("created_at", sa.String(length=24), nullable=False),
        sa.Column("created_by", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["data_key_id"], ["data_key.id"], name=op.f("fk_secret_version_data_key_id_data_key")
        ),
        sa.ForeignKeyConstraint(
            ["secret_id"], ["secret.id"], name=op.f("fk_secret_version_secret_id_secret"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("secret_id", "version", name=op.f("pk_secret_version")),
    )
    op.create_index(
        op.f("ix_secret_version_data_key_id_secret_id_version"),
        "secret_version",
        ["data_key_id", "secret_id", "version"],
        unique=False,
    )
