"""The store on SQLAlchemy: one transaction is one `SqlSession`."""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import ARRAY, Text, and_, bindparam, delete, exists, func, insert, or_, select, text, update
from sqlalchemy import any_ as sql_any
from sqlalchemy.dialects import postgresql, sqlite

from resolver.core.audit import AuditHead, AuditRecord
from resolver.core.model import Narrowing, Secret, Tenant, User, Visibility
from resolver.core.permissions import Permission, SystemRole, TenantRole
from resolver.core.ports import StoredDataKey, StoredSecret, StoredToken, StoredUser
from resolver.errors import ConflictError, StoreError
from resolver.store import tables as t
from resolver.store.engine import WRITES, make_engine, parse_url, show_url, translated

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection, Row, Select

_GLOBAL = "global"


class SqlStore:
    """A SQLite or PostgreSQL database.

    Args:
        url: an SQLAlchemy URL.

    Raises:
        UsageError: the URL is malformed, or its driver is not installed.
    """

    def __init__(self, url: str) -> None:
        self._engine = make_engine(parse_url(url))

    def __repr__(self) -> str:
        return f"SqlStore({show_url(self._engine.url)!r})"

    def initialise(self) -> None:
        """Make the tables, or bring them to this program's schema; nothing happens when they are."""
        from resolver.store.migrate import upgrade  # noqa: PLC0415 - Alembic is slow to load

        with translated(self._engine), self._begin(writes=True) as connection:
            if connection.dialect.name == "postgresql":
                # Two programs at once: the second waits, and then finds nothing to do.
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": 0x7265736F6C766572})
            upgrade(connection)

    @contextlib.contextmanager
    def read(self) -> Iterator[SqlSession]:
        """A transaction that only reads, on one state of the data."""
        with translated(self._engine), self._begin(writes=False) as connection:
            yield SqlSession(connection)

    @contextlib.contextmanager
    def write(self) -> Iterator[SqlSession]:
        """A transaction that writes; committed at the end of the block, rolled back by an exception."""
        with translated(self._engine), self._begin(writes=True) as connection:
            yield SqlSession(connection)

    @contextlib.contextmanager
    def _begin(self, *, writes: bool) -> Iterator[Connection]:
        options: dict[str, Any] = {WRITES: writes}
        if not writes and self._engine.dialect.name == "postgresql":
            options["isolation_level"] = "REPEATABLE READ"
        with self._engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    def check_schema(self) -> None:
        """Check that the database has this program's schema.

        Raises:
            StoreError: there is no store, or an older or newer program made it.
        """
        with translated(self._engine), self._begin(writes=False) as connection:
            found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
        if found != t.SCHEMA_REVISION:
            raise StoreError(
                f"the database has schema {found}, this program needs {t.SCHEMA_REVISION}",
                hint="`resolver init` upgrades an older schema; a newer one needs a newer program",
            )

    def close(self) -> None:
        """Give back connections."""
        self._engine.dispose()


_owner = t.user_account.alias("owner")

_SECRET_COLUMNS = (
    t.secret.c.id,
    t.secret.c.key,
    t.secret.c.tenant_id,
    t.tenant.c.name.label("tenant_name"),
    t.secret.c.visibility,
    t.secret.c.hidden,
    t.secret.c.owner_id,
    _owner.c.name.label("owner_name"),
    t.secret.c.version,
    t.secret.c.created_at,
    t.secret.c.updated_at,
)

_SECRETS = t.secret.join(t.tenant, t.tenant.c.id == t.secret.c.tenant_id).join(
    _owner,
    _owner.c.id == t.secret.c.owner_id,
)

_REACHABLE = or_(t.secret.c.tenant_id == bindparam("tenant_id"), t.secret.c.scope == _GLOBAL)
"""The tenant's own secrets, and the global ones of all tenants."""

_CURRENT = and_(
    t.secret_version.c.secret_id == t.secret.c.id,
    t.secret_version.c.version == t.secret.c.version,
)


def _by_keys(key_is_listed: ColumnElement[bool]) -> Select[Any]:
    return (
        select(*_SECRET_COLUMNS, t.secret_version.c.data_key_id, t.secret_version.c.token)
        .select_from(_SECRETS.join(t.secret_version, _CURRENT))
        .where(_REACHABLE, key_is_listed)
    )


# However many keys there are, they travel in one parameter: a list of its own in each dialect's way.
_BY_KEYS_SQLITE = _by_keys(
    t.secret.c.key.in_(select(func.json_each(bindparam("keys")).table_valued("value").c.value)),
)
_BY_KEYS_POSTGRESQL = _by_keys(t.secret.c.key == sql_any(bindparam("keys", type_=ARRAY(Text))))


class SqlSession:
    """One transaction.

    Args:
        connection: a connection within a transaction.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._postgresql = connection.dialect.name == "postgresql"

    def _insert(self, table: Any) -> Any:  # noqa: ANN401 - each dialect has an insert class of its own
        return postgresql.insert(table) if self._postgresql else sqlite.insert(table)

    # users and tenants

    def user(self, *, name: str = "", user_id: str = "") -> StoredUser | None:
        """A user by name (whatever its case) or id, with roles."""
        if not _is_storable(name):
            return None
        where = t.user_account.c.id == user_id if user_id else t.user_account.c.folded_name == name.casefold()
        row = self._connection.execute(select(t.user_account).where(where)).one_or_none()
        return None if row is None else self._stored_user(row)

    def _stored_user(self, row: Row[*tuple[Any, ...]]) -> StoredUser:
        roles = self._connection.execute(
            select(t.membership.c.tenant_id, t.membership.c.role).where(t.membership.c.user_id == row.id),
        )
        return StoredUser(
            _user(row),
            {tenant_id: TenantRole(role) for tenant_id, role in roles},
            row.password_hash,
        )

    def users(self) -> Sequence[User]:
        """All users, by name."""
        rows = self._connection.execute(select(t.user_account).order_by(t.user_account.c.folded_name))
        return [_user(row) for row in rows]

    def add_user(self, user: User, password_hash: str | None) -> None:
        """Store a user; ConflictError when the name is taken."""
        done = self._connection.execute(
            self._insert(t.user_account)
            .values(
                id=user.id,
                name=user.name,
                folded_name=user.name.casefold(),
                system_role=user.system_role.value,
                active=user.active,
                password_hash=password_hash,
                created_at=user.created_at,
            )
            .on_conflict_do_nothing(index_elements=["folded_name"])
            .returning(t.user_account.c.id),  # PostgreSQL's driver counts no inserted rows
        )
        if done.one_or_none() is None:
            raise ConflictError(f"user {user.name!r} already exists")

    def set_password(self, user_id: str, password_hash: str) -> None:
        """Replace a password hash."""
        self._connection.execute(
            update(t.user_account).where(t.user_account.c.id == user_id).values(password_hash=password_hash),
        )

    def set_system_role(self, user_id: str, role: SystemRole) -> None:
        """Give a system role; ConflictError when no active sys_admin would remain."""
        admins = and_(t.user_account.c.system_role == SystemRole.SYS_ADMIN.value, t.user_account.c.active)
        # Locked together, so that two who demote each other do not both find the other still there.
        locked = self._connection.execute(
            select(t.user_account.c.id).where(admins).order_by(t.user_account.c.id).with_for_update(),
        ).scalars()
        if role is not SystemRole.SYS_ADMIN and set(locked) <= {user_id}:
            raise ConflictError("the last active sys_admin can't be given another role")
        self._connection.execute(
            update(t.user_account).where(t.user_account.c.id == user_id).values(system_role=role.value),
        )

    def tenant(self, name: str) -> Tenant | None:
        """A tenant by name."""
        if not _is_storable(name):
            return None
        row = self._connection.execute(
            select(t.tenant.c.id, t.tenant.c.name).where(t.tenant.c.name == name),
        ).one_or_none()
        return None if row is None else Tenant(row.id, row.name)

    def tenants(self) -> Sequence[Tenant]:
        """All tenants, by name."""
        rows = self._connection.execute(select(t.tenant.c.id, t.tenant.c.name).order_by(t.tenant.c.name))
        return [Tenant(row.id, row.name) for row in rows]

    def add_tenant(self, tenant: Tenant, at: str) -> None:
        """Store a tenant; ConflictError when the name is taken."""
        done = self._connection.execute(
            self._insert(t.tenant)
            .values(id=tenant.id, name=tenant.name, created_at=at)
            .on_conflict_do_nothing(index_elements=["name"])
            .returning(t.tenant.c.id),  # PostgreSQL's driver counts no inserted rows
        )
        if done.one_or_none() is None:
            raise ConflictError(f"tenant {tenant.name!r} already exists")

    def set_membership(self, tenant_id: str, user_id: str, role: TenantRole) -> None:
        """Make a user a member, or change the role."""
        self._connection.execute(
            self._insert(t.membership)
            .values(tenant_id=tenant_id, user_id=user_id, role=role.value)
            .on_conflict_do_update(index_elements=["tenant_id", "user_id"], set_={"role": role.value}),
        )

    def remove_membership(self, tenant_id: str, user_id: str) -> bool:
        """End a membership; whether there was one."""
        done = self._connection.execute(
            delete(t.membership).where(
                t.membership.c.tenant_id == tenant_id,
                t.membership.c.user_id == user_id,
            ),
        )
        return done.rowcount > 0

    # tokens

    def token(self, token_id: str) -> tuple[StoredToken, StoredUser] | None:
        """A token that was not revoked, with its user."""
        if not _is_storable(token_id):
            return None
        row = self._connection.execute(
            select(t.access_token).where(t.access_token.c.id == token_id),
        ).one_or_none()
        user = None if row is None else self.user(user_id=row.user_id)
        return None if row is None or user is None else (_token(row), user)

    def tokens(self, user_id: str | None) -> Sequence[tuple[StoredToken, str]]:
        """The tokens of one user, or of all, with the user's name; oldest first."""
        query = (
            select(t.access_token, t.user_account.c.name.label("user_name"))
            .join(t.user_account, t.user_account.c.id == t.access_token.c.user_id)
            .order_by(t.access_token.c.created_at, t.access_token.c.id)
        )
        if user_id is not None:
            query = query.where(t.access_token.c.user_id == user_id)
        return [(_token(row), row.user_name) for row in self._connection.execute(query)]

    def add_token(self, token: StoredToken) -> None:
        """Store a token."""
        self._connection.execute(
            insert(t.access_token).values(
                id=token.id,
                user_id=token.user_id,
                digest=token.digest,
                description=token.description,
                created_at=token.created_at,
                expires_at=token.expires_at,
                narrowing=_narrowing_text(token.narrowing),
            ),
        )

    def revoke_token(self, token_id: str) -> None:
        """Delete a token."""
        self._connection.execute(delete(t.access_token).where(t.access_token.c.id == token_id))

    # keys

    def wrapping_root_key(self) -> str | None:
        """The id of the root key that wraps, or None in a store that is not initialised."""
        return self._connection.execute(
            select(t.root_key.c.id).where(t.root_key.c.wraps)
        ).scalar_one_or_none()

    def set_wrapping_root_key(self, root_key_id: str, at: str) -> None:
        """Record which root key wraps; ConflictError when another process just did."""
        self._connection.execute(update(t.root_key).where(t.root_key.c.wraps).values(wraps=False))
        self._connection.execute(insert(t.root_key).values(id=root_key_id, wraps=True, since=at))

    def data_keys(self, ids: Collection[str]) -> Sequence[StoredDataKey]:
        """Data keys by id."""
        rows = self._connection.execute(select(t.data_key).where(t.data_key.c.id.in_(list(ids))))
        return [_data_key(row) for row in rows]

    def active_data_key(self, tenant_id: str) -> StoredDataKey | None:
        """The data key that new values of a tenant are encrypted with."""
        row = self._connection.execute(
            select(t.data_key).where(t.data_key.c.tenant_id == tenant_id, t.data_key.c.active),
        ).one_or_none()
        return None if row is None else _data_key(row)

    def add_data_key(self, data_key: StoredDataKey, at: str) -> None:
        """Store a data key and make it the active one."""
        self._connection.execute(
            update(t.data_key).where(t.data_key.c.tenant_id == data_key.tenant_id).values(active=False),
        )
        self._connection.execute(
            insert(t.data_key).values(
                id=data_key.id,
                tenant_id=data_key.tenant_id,
                root_key_id=data_key.root_key_id,
                wrapped=data_key.wrapped,
                active=True,
                created_at=at,
            ),
        )

    # secrets

    def secrets_by_keys(self, tenant_id: str, keys: Collection[str]) -> Sequence[StoredSecret]:
        """One SELECT: the tenant's own secrets under these keys, and global ones of other tenants."""
        query = _BY_KEYS_POSTGRESQL if self._postgresql else _BY_KEYS_SQLITE
        named = list(filter(_is_storable, keys))
        listed: Any = named if self._postgresql else json.dumps(named)
        rows = self._connection.execute(query, {"tenant_id": tenant_id, "keys": listed})
        return [StoredSecret(_secret(row[:-2]), row[-2], row[-1]) for row in rows]

    def secrets(self, tenant_id: str) -> Sequence[Secret]:
        """The tenant's own secrets, and global ones of other tenants; by time of creation, then key."""
        query = (
            select(*_SECRET_COLUMNS)
            .select_from(_SECRETS)
            .where(_REACHABLE)
            .order_by(t.secret.c.created_at, t.secret.c.key)
        )
        return [_secret(row) for row in self._connection.execute(query, {"tenant_id": tenant_id})]

    def add_secret(self, secret: Secret, data_key_id: str, token: str) -> None:
        """Store a secret with its first version; ConflictError when its key is taken."""
        scope = _scope(secret.visibility)
        found = None
        while found is None:  # again only when another writer deleted the key's last secret in between
            self._connection.execute(
                self._insert(t.key_scope)
                .values(key=secret.key, scope=scope)
                .on_conflict_do_nothing(index_elements=["key"]),
            )
            # Locked, so that a scope which was just read can't be widened or removed before the commit.
            found = self._connection.execute(
                select(t.key_scope.c.scope).where(t.key_scope.c.key == secret.key).with_for_update(read=True),
            ).scalar_one_or_none()
        own = t.secret.c.tenant_id == secret.tenant.id
        taken = self._connection.execute(
            select(exists().where(t.secret.c.key == secret.key, or_(own, t.secret.c.scope == _GLOBAL))),
        ).scalar_one()
        if taken or found != scope:
            raise _taken(secret)
        self._connection.execute(
            insert(t.secret).values(
                id=secret.id,
                tenant_id=secret.tenant.id,
                key=secret.key,
                scope=scope,
                visibility=secret.visibility.value,
                hidden=secret.hidden,
                owner_id=secret.owner_id,
                version=secret.version,
                created_at=secret.created_at,
                updated_at=secret.updated_at,
            ),
        )
        self._add_version(secret, data_key_id, token, secret.owner_id)

    def _add_version(self, secret: Secret, data_key_id: str, token: str, by: str) -> None:
        self._connection.execute(
            insert(t.secret_version).values(
                secret_id=secret.id,
                version=secret.version,
                data_key_id=data_key_id,
                token=token,
                created_at=secret.updated_at,
                created_by=by,
            ),
        )

    def add_version(self, secret: Secret, data_key_id: str, token: str, by: str) -> None:
        """Store a new version; `secret` has the new number. ConflictError when it is not the next one."""
        done = self._connection.execute(
            update(t.secret)
            .where(t.secret.c.id == secret.id, t.secret.c.version == secret.version - 1)
            .values(version=secret.version, updated_at=secret.updated_at),
        )
        if done.rowcount == 0:
            raise _overtaken(secret)
        self._add_version(secret, data_key_id, token, by)

    def set_attributes(self, secret: Secret, visibility: Visibility, *, hidden: bool) -> None:
        """Change visibility and hiding; ConflictError when a global key would collide."""
        if visibility is Visibility.GLOBAL and secret.visibility is not Visibility.GLOBAL:
            self._connection.execute(
                select(t.key_scope.c.scope).where(t.key_scope.c.key == secret.key).with_for_update(),
            )
            elsewhere = self._connection.execute(
                select(exists().where(t.secret.c.key == secret.key, t.secret.c.id != secret.id)),
            ).scalar_one()
            if elsewhere:
                raise ConflictError(
                    f"secret {secret.key!r} can't be made global: its key is used in another tenant",
                )
            self._connection.execute(
                update(t.key_scope).where(t.key_scope.c.key == secret.key).values(scope=_GLOBAL),
            )
        done = self._connection.execute(
            update(t.secret)
            .where(
                t.secret.c.id == secret.id,
                t.secret.c.visibility == secret.visibility.value,
                t.secret.c.hidden == secret.hidden,
            )
            .values(
                visibility=visibility.value,
                scope=_scope(visibility),
                hidden=hidden,
                updated_at=secret.updated_at,
            ),
        )
        if done.rowcount == 0:
            raise _overtaken(secret)

    def delete_secret(self, secret: Secret) -> None:
        """Delete a secret with all its versions."""
        self._connection.execute(
            select(t.key_scope.c.scope).where(t.key_scope.c.key == secret.key).with_for_update(),
        )
        done = self._connection.execute(delete(t.secret).where(t.secret.c.id == secret.id))
        if done.rowcount == 0:
            raise _overtaken(secret)
        # The last one gives the key back to whoever wants it next, in either scope.
        self._connection.execute(
            delete(t.key_scope).where(
                t.key_scope.c.key == secret.key,
                ~exists().where(t.secret.c.key == secret.key),
            ),
        )

    # audit

    def audit_head(self, chain: str) -> tuple[AuditHead, str, str]:
        """A chain's head with its MAC and that key's id, locked until the transaction ends."""
        query = select(t.audit_chain).where(t.audit_chain.c.id == chain).with_for_update()
        row = self._connection.execute(query).one_or_none()
        if row is None:
            start = AuditHead(chain)
            self._connection.execute(
                self._insert(t.audit_chain)
                .values(id=chain, number=start.number, hash=start.hash, mac="", mac_key_id="")
                .on_conflict_do_nothing(index_elements=["id"]),
            )
            row = self._connection.execute(query).one()
        return AuditHead(row.id, row.number, row.hash), row.mac, row.mac_key_id

    def append_audit(
        self, head: AuditHead, mac: str, mac_key_id: str, records: Sequence[AuditRecord]
    ) -> None:
        """Store records and the new head."""
        self._connection.execute(
            insert(t.audit_record),
            [
                {
                    "chain_id": head.chain,
                    "number": record.number,
                    "at": record.at,
                    "action": record.action,
                    "body": record.body,
                    "hash": record.hash,
                }
                for record in records
            ],
        )
        self._connection.execute(
            update(t.audit_chain)
            .where(t.audit_chain.c.id == head.chain)
            .values(number=head.number, hash=head.hash, mac=mac, mac_key_id=mac_key_id),
        )

    def audit_records(self, chain: str) -> Sequence[AuditRecord]:
        """A chain's records by number."""
        rows = self._connection.execute(
            select(t.audit_record)
            .where(t.audit_record.c.chain_id == chain)
            .order_by(t.audit_record.c.number),
        )
        return [AuditRecord(row.number, row.at, row.action, row.body, row.hash) for row in rows]


def _scope(visibility: Visibility) -> str:
    return _GLOBAL if visibility is Visibility.GLOBAL else "tenant"


def _taken(secret: Secret) -> ConflictError:
    # Never whose it is: whoever may create learns that the key is taken, and no more.
    return ConflictError(
        f"secret {secret.key!r} already exists",
        hint="update it with `resolver secrets update`, or choose another key",
    )


def _overtaken(secret: Secret) -> ConflictError:
    return ConflictError(
        f"secret {secret.key!r} was changed or deleted by someone else at the same time",
        hint="look at it again, then repeat the change if it is still wanted",
    )


_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def _is_storable(text: str) -> bool:
    """Whether a text can be in the database: PostgreSQL takes no NUL, and neither takes lone surrogates.

    One that can't is looked up like one that is not there, rather than be an error of the driver.
    """
    return _UNSTORABLE.search(text) is None


def _user(row: Row[*tuple[Any, ...]]) -> User:
    return User(row.id, row.name, SystemRole(row.system_role), row.active, row.created_at)


def _data_key(row: Row[*tuple[Any, ...]]) -> StoredDataKey:
    return StoredDataKey(row.id, row.tenant_id, row.root_key_id, row.wrapped)


def _secret(row: Sequence[Any]) -> Secret:
    """A secret from the values of `_SECRET_COLUMNS`, in their order."""
    key_id, key, tenant_id, tenant, visibility, hidden, owner_id, owner, version, created_at, updated_at = row
    return Secret(
        key_id,
        key,
        Tenant(tenant_id, tenant),
        Visibility(visibility),
        hidden,
        owner_id,
        owner,
        version,
        created_at,
        updated_at,
    )


def _narrowing_text(narrowing: Narrowing) -> str:
    return json.dumps(
        {
            "permissions": None if narrowing.permissions is None else sorted(narrowing.permissions),
            "tenants": None if narrowing.tenants is None else sorted(narrowing.tenants),
            "keys": None if narrowing.keys is None else list(narrowing.keys),
        },
    )


def _token(row: Row[*tuple[Any, ...]]) -> StoredToken:
    fields = json.loads(row.narrowing)
    permissions, tenants, keys = fields["permissions"], fields["tenants"], fields["keys"]
    return StoredToken(
        id=row.id,
        user_id=row.user_id,
        digest=row.digest,
        description=row.description,
        created_at=row.created_at,
        expires_at=row.expires_at,
        narrowing=Narrowing(
            None if permissions is None else frozenset(map(Permission, permissions)),
            None if tenants is None else frozenset(tenants),
            None if keys is None else tuple(keys),
        ),
    )
