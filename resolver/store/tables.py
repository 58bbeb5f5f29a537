"""The tables. Migrations make them (`migrations/README.md`); a test compares the two.

Global uniqueness of keys is kept by constraints alone: `key_scope` says of each key whether it is used within
tenants or globally, every secret refers to (key, scope), and only one secret may be the global one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)

from resolver.core.model import Scope, TrustKind, Visibility
from resolver.core.permissions import SystemRole, TenantRole
from resolver.store.reading import scope

if TYPE_CHECKING:
    import enum

    from sqlalchemy import Dialect

SCHEMA_REVISION = "0010"
"""The Alembic revision that this code needs."""

ID = String(36)
"""A random UUID as text."""

NAME = String(256)
TIME = String(24)
"""UTC, ISO 8601 with milliseconds: sorts as text, the same in every database."""


ROW_MAC = "row_mac"
"""The column with generation, key id and MAC of the aggregate that a row is the root of (`aggregates.py`)."""


def _row_mac() -> Column[str]:
    return Column(ROW_MAC, String(120))


def _one_of(kind: type[enum.StrEnum], length: int) -> Enum:
    """A text that is one of a closed set; the database's check on it is a constraint of the table."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=False,
        length=length,
        values_callable=lambda members: [member.value for member in members],
    )


class ScopeText(TypeDecorator[Scope]):
    """What a token is narrowed to, as JSON text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Scope | None, _dialect: Dialect) -> str | None:
        """Write it."""
        if value is None:
            return None
        return json.dumps(
            {
                "permissions": None if value.permissions is None else sorted(value.permissions),
                "tenants": None if value.tenants is None else sorted(value.tenants),
                "keys": None if value.keys is None else list(value.keys),
                **({} if value.networks is None else {"networks": list(value.networks)}),
            },
        )

    def process_result_value(self, value: str | None, _dialect: Dialect) -> Scope | None:
        """Read it."""
        return None if value is None else scope(value)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    },
)

tenant = Table(
    "tenant",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", NAME, nullable=False, unique=True),
    Column("created_at", TIME, nullable=False),
    _row_mac(),
)

user_account = Table(
    "user_account",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", NAME, nullable=False),
    Column("folded_name", NAME, nullable=False, unique=True),
    Column("system_role", _one_of(SystemRole, 16), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("password_hash", Text),
    Column("created_at", TIME, nullable=False),
    Column("first_login_at", TIME),
    Column("last_login_at", TIME),
    # Who it is for an OpenID provider; both or neither.
    Column("issuer", Text),
    Column("subject", Text),
    # When the roles of groups end, unless there is a sign-in before.
    Column("roles_until", TIME),
    _row_mac(),
    Index(None, "issuer", "subject", unique=True),
    CheckConstraint("system_role IN ('sys_admin', 'default')", name="system_role"),
    # For `standing_admin` to refer to.
    UniqueConstraint("id", "system_role", "active"),
)

standing_admin = Table(
    "standing_admin",
    metadata,
    # One row, for one of the active sys_admins: that one can't be demoted, deactivated or deleted before
    # another one stands here, so the last one never can, whoever tries at the same moment.
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("user_id", ID, nullable=False),
    Column("system_role", _one_of(SystemRole, 16), nullable=False),
    Column("active", Boolean, nullable=False),
    _row_mac(),
    ForeignKeyConstraint(
        ["user_id", "system_role", "active"],
        ["user_account.id", "user_account.system_role", "user_account.active"],
    ),
    CheckConstraint("number = 1", name="one"),
    CheckConstraint("system_role = 'sys_admin' AND active", name="stands"),
)

login_failure = Table(
    "login_failure",
    metadata,
    Column("slot", ID, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", TIME, nullable=False),
    Column("refused_until", TIME, nullable=False),
)

membership = Table(
    "membership",
    metadata,
    Column("tenant_id", ID, ForeignKey("tenant.id"), primary_key=True),
    Column("user_id", ID, ForeignKey("user_account.id"), primary_key=True),
    Column("role", _one_of(TenantRole, 16), nullable=False),
    CheckConstraint("role IN ('manager', 'user', 'operations', 'viewer')", name="role"),
    Index(None, "user_id"),
)

trust = Table(
    "trust",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", NAME, nullable=False, unique=True),
    Column("kind", _one_of(TrustKind, 16), nullable=False),
    Column("issuer", Text, nullable=False),
    Column("audience", Text, nullable=False),
    # Rules, as JSON text.
    Column("claims", Text, nullable=False),
    Column("user_id", ID, ForeignKey("user_account.id"), nullable=False, index=True),
    Column("narrowing", ScopeText, nullable=False),
    # Of a token, in seconds.
    Column("lifetime", Integer, nullable=False),
    Column("exchanges", Integer, nullable=False),
    Column("jwks", Text),
    Column("jwks_url", Text),
    Column("ca", Text),
    Column("enabled", Boolean, nullable=False),
    Column("created_by", ID, nullable=False),
    Column("created_at", TIME, nullable=False),
    Column("updated_at", TIME, nullable=False),
    _row_mac(),
)

# How often a JWT was exchanged, until it ends.
jwt_exchange = Table(
    "jwt_exchange",
    metadata,
    # SHA-256 of issuer, source of the keys, and what identifies the JWT.
    Column("issuer", String(64), primary_key=True),
    Column("source", String(64), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("ends_at", TIME, nullable=False, index=True),
)

access_token = Table(
    "access_token",
    metadata,
    Column("id", String(10), primary_key=True),
    Column("user_id", ID, ForeignKey("user_account.id"), nullable=False, index=True),
    Column("digest", String(64), nullable=False),
    Column("description", Text, nullable=False),
    Column("created_at", TIME, nullable=False),
    Column("expires_at", TIME),
    Column("last_used_at", TIME),
    Column("narrowing", ScopeText, nullable=False),
    # The id of the one that took its place.
    Column("replaced_by", String(10)),
    # Of a token that a workload got for its JWT: the trust, and which run it was, as JSON text.
    Column("trust_id", ID, index=True),
    Column("run", Text),
    _row_mac(),
)

console_session = Table(
    "console_session",
    metadata,
    # Of the text in the browser's cookie.
    Column("digest", String(64), primary_key=True),
    Column("user_id", ID, ForeignKey("user_account.id", ondelete="CASCADE"), nullable=False, index=True),
    # The token that it was opened with: it ends with it. None after a login with a password.
    Column("token_id", String(10), ForeignKey("access_token.id", ondelete="CASCADE"), index=True),
    Column("created_at", TIME, nullable=False),
    Column("last_used_at", TIME, nullable=False),
    # Of the password that was given for it: another one ends it. None while it was opened with a token only.
    Column("login", String(32)),
    Column("confirmed_at", TIME),
    _row_mac(),
)

root_key = Table(
    "root_key",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("wraps", Boolean, nullable=False),
    Column("since", TIME, nullable=False),
    _row_mac(),
    Index(
        "uq_root_key_wraps", "wraps", unique=True, sqlite_where=text("wraps"), postgresql_where=text("wraps")
    ),
)

data_key = Table(
    "data_key",
    metadata,
    Column("id", ID, primary_key=True),
    Column("tenant_id", ID, nullable=False),
    Column("root_key_id", String(16), ForeignKey("root_key.id"), nullable=False),
    Column("wrapped", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("outdated", Boolean, nullable=False),
    Column("created_at", TIME, nullable=False),
    _row_mac(),
    Index(
        "uq_data_key_active_tenant_id",
        "tenant_id",
        unique=True,
        sqlite_where=text("active"),
        postgresql_where=text("active"),
    ),
)

key_scope = Table(
    "key_scope",
    metadata,
    Column("key", NAME, primary_key=True),
    Column("scope", String(8), nullable=False),
    UniqueConstraint("key", "scope"),
    CheckConstraint("scope IN ('tenant', 'global')", name="scope"),
)

secrets_provider = Table(
    "secrets_provider",
    metadata,
    Column("id", ID, primary_key=True),
    Column("tenant_id", ID, ForeignKey("tenant.id"), nullable=False),
    Column("name", NAME, nullable=False),
    Column("type", String(32), nullable=False),
    Column("visibility", _one_of(Visibility, 8), nullable=False),
    Column("owner_id", ID, ForeignKey("user_account.id"), nullable=False, index=True),
    Column("connection_parameters", Text),
    Column("data_key_id", ID, ForeignKey("data_key.id"), index=True),
    Column("created_at", TIME, nullable=False),
    Column("updated_at", TIME, nullable=False),
    _row_mac(),
    UniqueConstraint("tenant_id", "name"),
    CheckConstraint("visibility IN ('private', 'tenant', 'global')", name="visibility"),
    CheckConstraint("(connection_parameters IS NULL) = (data_key_id IS NULL)", name="sealed"),
)

secret = Table(
    "secret",
    metadata,
    Column("id", ID, primary_key=True),
    Column("tenant_id", ID, ForeignKey("tenant.id"), nullable=False),
    Column("key", NAME, nullable=False),
    Column("scope", String(8), nullable=False),
    Column("visibility", _one_of(Visibility, 8), nullable=False),
    Column("hidden", Boolean, nullable=False),
    Column("owner_id", ID, ForeignKey("user_account.id"), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("schema", Text),
    Column("expires_at", TIME),
    # In days, and the time that they end at: counted anew from each change of the value.
    Column("rotate_after", Integer),
    Column("rotate_at", TIME),
    Column("provider_id", ID, ForeignKey("secrets_provider.id"), index=True),
    Column("provider_options", Text),
    Column("provider_options_data_key_id", ID, ForeignKey("data_key.id"), index=True),
    Column("created_at", TIME, nullable=False),
    Column("updated_at", TIME, nullable=False),
    Column("description", Text),
    Column("protected_at", TIME),
    _row_mac(),
    UniqueConstraint("tenant_id", "key"),
    # Deferred to the commit, so that one transaction can move a key and its secret to the other scope.
    ForeignKeyConstraint(
        ["key", "scope"],
        ["key_scope.key", "key_scope.scope"],
        deferrable=True,
        initially="DEFERRED",
    ),
    CheckConstraint("visibility IN ('private', 'tenant', 'global')", name="visibility"),
    CheckConstraint("(scope = 'global') = (visibility = 'global')", name="scope_follows_visibility"),
    CheckConstraint("(provider_options IS NULL) = (provider_options_data_key_id IS NULL)", name="sealed"),
    Index(
        "uq_secret_global_key",
        "key",
        unique=True,
        sqlite_where=text("scope = 'global'"),
        postgresql_where=text("scope = 'global'"),
    ),
    Index(None, "key", "scope"),
)

secret_version = Table(
    "secret_version",
    metadata,
    Column("secret_id", ID, ForeignKey("secret.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("data_key_id", ID, ForeignKey("data_key.id"), nullable=False),
    Column("token", Text, nullable=False),
    Column("created_at", TIME, nullable=False),
    Column("created_by", ID, nullable=False),
    _row_mac(),
    # In the order in which a rotation goes through what one key sealed.
    Index(None, "data_key_id", "secret_id", "version"),
)

audit_chain = Table(
    "audit_chain",
    metadata,
    Column("id", ID, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("mac", String(64), nullable=False),
    Column("mac_key_id", ID, ForeignKey("data_key.id"), index=True),
    # Of the system's chain: whether a row without a genuine MAC is refused. The head's MAC covers it.
    Column("enforced", Boolean),
)

audit_record = Table(
    "audit_record",
    metadata,
    Column("chain_id", ID, ForeignKey("audit_chain.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", TIME, nullable=False),
    Column("action", String(32), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("hash", String(64), nullable=False),
)

# What the records tell by key, user and blueprint: made of them alone, so that it can be made again.
# `audit_run` has who, where and when, once and again for each blueprint; `audit_use` has the keys.
audit_run = Table(
    "audit_run",
    metadata,
    Column("chain_id", ID, ForeignKey("audit_chain.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("nth", Integer, primary_key=True),
    Column("at", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("caller", Text, nullable=False),
    Column("folded", Text, nullable=False),
    Column("caller_id", Text, nullable=False),
    Column("token", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("blueprint", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("claimed", Boolean, nullable=False),
    Column("run", Text),
    Index(None, "chain_id", "folded", "number"),
    Index(None, "chain_id", "blueprint", "number"),
    Index(
        "ix_audit_run_chain_id_run_number",
        "chain_id",
        "run",
        "number",
        sqlite_where=text("run IS NOT NULL"),
        postgresql_where=text("run IS NOT NULL"),
    ),
    # Of the uses of global secrets, which are in the chains of the tenants that these are of.
    Index(None, "tenant_id", "at"),
    sqlite_with_rowid=False,
)

audit_use = Table(
    "audit_use",
    metadata,
    Column("chain_id", ID, ForeignKey("audit_chain.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("nth", Integer, primary_key=True),
    Column("key", Text, nullable=False),
    Column("secret_id", Text, nullable=False),
    Column("version", Integer),
    Column("decision", Text, nullable=False),
    Index(None, "chain_id", "key", "number"),
    sqlite_with_rowid=False,
)

webhook = Table(
    "webhook",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", NAME, nullable=False, unique=True),
    Column("url", Text, nullable=False),
    # JSON lists: kinds of events, and ids of tenants. None for all.
    Column("events", Text),
    Column("tenants", Text),
    Column("active", Boolean, nullable=False),
    # What events are signed with: the secret, and the one before while that is still good.
    Column("signing", Text, nullable=False),
    Column("data_key_id", ID, ForeignKey("data_key.id"), nullable=False, index=True),
    Column("created_at", TIME, nullable=False),
    Column("updated_at", TIME, nullable=False),
    _row_mac(),
)

# How each hook's deliveries fare, which changes with each of them.
webhook_state = Table(
    "webhook_state",
    metadata,
    Column("webhook_id", ID, ForeignKey("webhook.id", ondelete="CASCADE"), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("next_at", TIME, nullable=False),
    Column("last_at", TIME),
    Column("last_status", Integer),
    Column("last_error", Text, nullable=False),
)

webhook_event = Table(
    "webhook_event",
    metadata,
    Column("webhook_id", ID, ForeignKey("webhook.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("event_id", String(40), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("at", TIME, nullable=False),
    Column("body", Text, nullable=False),
    Column("queued_at", TIME, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("answered", Integer, nullable=False),
    Column("tried_at", TIME),
    Column("status", Integer),
    Column("error", Text, nullable=False),
    _row_mac(),
    UniqueConstraint("webhook_id", "event_id"),
    Index(None, "webhook_id", "state", "number"),
)

# What was asked to be approved, with what became of it.
approval = Table(
    "approval",
    metadata,
    Column("id", ID, primary_key=True),
    Column("tenant_id", ID, ForeignKey("tenant.id"), nullable=False),
    # Of the bundle, which is encrypted. A request to end the protection of a secret has none.
    Column("digest", String(64)),
    Column("bundle", Text),
    Column("data_key_id", ID, ForeignKey("data_key.id"), index=True),
    # Protected secrets: keys by id, as JSON text.
    Column("secrets", Text, nullable=False),
    Column("requested_by", ID, nullable=False),
    # Of who came by a trust: that, and who made it.
    Column("trust_id", ID),
    Column("trust_owner_id", ID),
    Column("reason", Text, nullable=False),
    Column("requested_at", TIME, nullable=False),
    # Until it is decided, of the request; then, of the approval.
    Column("ends_at", TIME, nullable=False),
    Column("decided_by", ID),
    Column("decided_at", TIME),
    Column("comment", Text),
    # None until it was granted; 0 uses for one that was denied.
    Column("uses", Integer),
    Column("uses_left", Integer),
    _row_mac(),
    CheckConstraint("(bundle IS NULL) = (data_key_id IS NULL)", name="sealed"),
    Index(None, "tenant_id", "requested_at"),
)

# How far each audit chain was looked through for events, and the refusals that are still counted.
webhook_source = Table(
    "webhook_source",
    metadata,
    Column("id", ID, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("since", TIME),
    Column("refusals", Text),
    _row_mac(),
)

# Which process delivers.
webhook_lease = Table(
    "webhook_lease",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("holder", ID, nullable=False),
    Column("until", TIME, nullable=False),
    CheckConstraint("id = 1", name="one"),
)
