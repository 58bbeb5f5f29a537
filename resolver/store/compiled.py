"""Statements as they are sent. `python -m resolver.store.statements` makes this of that module."""

from __future__ import annotations

from typing import Any

from resolver.core.audit import AuditRecord
from resolver.core.model import Owner, Secret, Tenant, TrustKind, Visibility
from resolver.core.permissions import SystemRole, TenantRole
from resolver.core.ports.accounts import StoredToken
from resolver.core.ports.keys import StoredDataKey
from resolver.core.ports.secrets import StoredExternal, StoredProvider, StoredSecret
from resolver.core.ports.trusts import StoredTrust
from resolver.core.providers import Provider
from resolver.store.reading import AggregateCheck, Many, Reading, Root, Statement, scope

SQLALCHEMY = '2.1.9'

SCHEMA_REVISION = '0010'
"""The Alembic revision that this code needs."""

USER_FIELDS = ('active', 'created_at', 'folded_name', 'id', 'issuer', 'name', 'password_hash', 'roles_until', 'subject', 'system_role')
"""What is under the MAC of a user, but for the roles."""

TENANT_FIELDS = ('created_at', 'id', 'name')

ENTERING: Statement[StoredToken] = Statement(
    """SELECT access_token.id AS id, access_token.user_id AS user_id, access_token.digest AS digest, access_token.description AS description, access_token.created_at AS created_at, access_token.expires_at AS expires_at, access_token.narrowing AS scope, access_token.last_used_at AS last_used_at, access_token.replaced_by AS replaced_by, access_token.trust_id AS trust_id, access_token.run AS run, access_token.row_mac AS mac__access_token__row_mac, user_account.id AS user__id, user_account.name AS user__name, user_account.folded_name AS user__folded_name, user_account.system_role AS user__system_role, user_account.active AS user__active, user_account.password_hash AS user__password_hash, user_account.created_at AS user__created_at, user_account.first_login_at AS user__first_login_at, user_account.last_login_at AS user__last_login_at, user_account.issuer AS user__issuer, user_account.subject AS user__subject, user_account.roles_until AS user__roles_until, user_account.row_mac AS user__row_mac, membership.tenant_id AS in_tenant, membership.role AS in_role, tenant.id AS tenant__id, tenant.name AS tenant__name, tenant.created_at AS tenant__created_at, tenant.row_mac AS tenant__row_mac
FROM access_token JOIN user_account ON user_account.id = access_token.user_id LEFT OUTER JOIN membership ON membership.user_id = user_account.id LEFT OUTER JOIN tenant ON tenant.name = :tenant
WHERE access_token.id = :token""",
    """SELECT access_token.id AS id, access_token.user_id AS user_id, access_token.digest AS digest, access_token.description AS description, access_token.created_at AS created_at, access_token.expires_at AS expires_at, access_token.narrowing AS scope, access_token.last_used_at AS last_used_at, access_token.replaced_by AS replaced_by, access_token.trust_id AS trust_id, access_token.run AS run, access_token.row_mac AS mac__access_token__row_mac, user_account.id AS user__id, user_account.name AS user__name, user_account.folded_name AS user__folded_name, user_account.system_role AS user__system_role, user_account.active AS user__active, user_account.password_hash AS user__password_hash, user_account.created_at AS user__created_at, user_account.first_login_at AS user__first_login_at, user_account.last_login_at AS user__last_login_at, user_account.issuer AS user__issuer, user_account.subject AS user__subject, user_account.roles_until AS user__roles_until, user_account.row_mac AS user__row_mac, membership.tenant_id AS in_tenant, membership.role AS in_role, tenant.id AS tenant__id, tenant.name AS tenant__name, tenant.created_at AS tenant__created_at, tenant.row_mac AS tenant__row_mac
FROM access_token JOIN user_account ON user_account.id = access_token.user_id LEFT OUTER JOIN membership ON membership.user_id = user_account.id LEFT OUTER JOIN tenant ON tenant.name = %(tenant)s::VARCHAR
WHERE access_token.id = %(token)s::VARCHAR""",
    ('id', 'user_id', 'digest', 'description', 'created_at', 'expires_at', 'scope', 'last_used_at', 'replaced_by', 'trust_id', 'run', 'mac__access_token__row_mac', 'user__id', 'user__name', 'user__folded_name', 'user__system_role', 'user__active', 'user__password_hash', 'user__created_at', 'user__first_login_at', 'user__last_login_at', 'user__issuer', 'user__subject', 'user__roles_until', 'user__row_mac', 'in_tenant', 'in_role', 'tenant__id', 'tenant__name', 'tenant__created_at', 'tenant__row_mac'),
    {6: scope, 15: SystemRole, 16: bool, 26: TenantRole},
    Reading((StoredToken, False, (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, )), (AggregateCheck(Root('token', ('id',)), ('created_at', 'description', 'digest', 'expires_at', 'id', 'narrowing', 'replaced_by', 'run', 'trust_id', 'user_id'), (4, 3, 2, 5, 0, 6, 8, 10, 9, 1, 11)), ), ()),
)

TRUST: Statement[StoredTrust] = Statement(
    """SELECT trust.id AS id, trust.name AS name, trust.kind AS kind, trust.issuer AS issuer, trust.audience AS audience, trust.claims AS claims, trust.user_id AS user_id, trust.narrowing AS scope, trust.lifetime AS lifetime, trust.exchanges AS exchanges, trust.jwks AS jwks, trust.jwks_url AS jwks_url, trust.ca AS ca, trust.enabled AS enabled, trust.created_by AS created_by, trust.created_at AS created_at, trust.updated_at AS updated_at, trust.row_mac AS mac__trust__row_mac
FROM trust
WHERE trust.id = :trust""",
    """SELECT trust.id AS id, trust.name AS name, trust.kind AS kind, trust.issuer AS issuer, trust.audience AS audience, trust.claims AS claims, trust.user_id AS user_id, trust.narrowing AS scope, trust.lifetime AS lifetime, trust.exchanges AS exchanges, trust.jwks AS jwks, trust.jwks_url AS jwks_url, trust.ca AS ca, trust.enabled AS enabled, trust.created_by AS created_by, trust.created_at AS created_at, trust.updated_at AS updated_at, trust.row_mac AS mac__trust__row_mac
FROM trust
WHERE trust.id = %(trust)s::VARCHAR""",
    ('id', 'name', 'kind', 'issuer', 'audience', 'claims', 'user_id', 'scope', 'lifetime', 'exchanges', 'jwks', 'jwks_url', 'ca', 'enabled', 'created_by', 'created_at', 'updated_at', 'mac__trust__row_mac'),
    {2: TrustKind, 7: scope, 13: bool},
    Reading((StoredTrust, False, (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, )), (AggregateCheck(Root('trust', ('id',)), ('audience', 'ca', 'claims', 'created_at', 'created_by', 'enabled', 'exchanges', 'id', 'issuer', 'jwks', 'jwks_url', 'kind', 'lifetime', 'name', 'narrowing', 'updated_at', 'user_id'), (4, 12, 5, 15, 14, 13, 9, 0, 3, 10, 11, 2, 8, 1, 7, 16, 6, 17)), ), ()),
)

USER_BY_ID: Statement[Any] = Statement(
    """SELECT user_account.id, user_account.name, user_account.folded_name, user_account.system_role, user_account.active, user_account.password_hash, user_account.created_at, user_account.first_login_at, user_account.last_login_at, user_account.issuer, user_account.subject, user_account.roles_until, user_account.row_mac, membership.tenant_id AS in_tenant, membership.role AS in_role
FROM user_account LEFT OUTER JOIN membership ON membership.user_id = user_account.id
WHERE user_account.id = :user""",
    """SELECT user_account.id, user_account.name, user_account.folded_name, user_account.system_role, user_account.active, user_account.password_hash, user_account.created_at, user_account.first_login_at, user_account.last_login_at, user_account.issuer, user_account.subject, user_account.roles_until, user_account.row_mac, membership.tenant_id AS in_tenant, membership.role AS in_role
FROM user_account LEFT OUTER JOIN membership ON membership.user_id = user_account.id
WHERE user_account.id = %(user)s::VARCHAR""",
    ('id', 'name', 'folded_name', 'system_role', 'active', 'password_hash', 'created_at', 'first_login_at', 'last_login_at', 'issuer', 'subject', 'roles_until', 'row_mac', 'in_tenant', 'in_role'),
    {3: SystemRole, 4: bool, 14: TenantRole},
    None,
)

USER_BY_NAME: Statement[Any] = Statement(
    """SELECT user_account.id, user_account.name, user_account.folded_name, user_account.system_role, user_account.active, user_account.password_hash, user_account.created_at, user_account.first_login_at, user_account.last_login_at, user_account.issuer, user_account.subject, user_account.roles_until, user_account.row_mac, membership.tenant_id AS in_tenant, membership.role AS in_role
FROM user_account LEFT OUTER JOIN membership ON membership.user_id = user_account.id
WHERE user_account.folded_name = :user""",
    """SELECT user_account.id, user_account.name, user_account.folded_name, user_account.system_role, user_account.active, user_account.password_hash, user_account.created_at, user_account.first_login_at, user_account.last_login_at, user_account.issuer, user_account.subject, user_account.roles_until, user_account.row_mac, membership.tenant_id AS in_tenant, membership.role AS in_role
FROM user_account LEFT OUTER JOIN membership ON membership.user_id = user_account.id
WHERE user_account.folded_name = %(user)s::VARCHAR""",
    ('id', 'name', 'folded_name', 'system_role', 'active', 'password_hash', 'created_at', 'first_login_at', 'last_login_at', 'issuer', 'subject', 'roles_until', 'row_mac', 'in_tenant', 'in_role'),
    {3: SystemRole, 4: bool, 14: TenantRole},
    None,
)

TENANT: Statement[Tenant] = Statement(
    """SELECT tenant.id AS id, tenant.name AS name, tenant.created_at AS mac__tenant__created_at, tenant.row_mac AS mac__tenant__row_mac
FROM tenant
WHERE tenant.name = :tenant""",
    """SELECT tenant.id AS id, tenant.name AS name, tenant.created_at AS mac__tenant__created_at, tenant.row_mac AS mac__tenant__row_mac
FROM tenant
WHERE tenant.name = %(tenant)s::VARCHAR""",
    ('id', 'name', 'mac__tenant__created_at', 'mac__tenant__row_mac'),
    {},
    Reading((Tenant, True, (0, 1, )), (AggregateCheck(Root('tenant', ('id',)), ('created_at', 'id', 'name'), (2, 0, 1, 3)), ), ()),
)

SECRETS: Statement[StoredSecret] = Statement(
    """SELECT secret.id AS secret__id, secret."key" AS secret__key, secret.tenant_id AS secret__tenant__id, tenant.name AS secret__tenant__name, secret.visibility AS secret__visibility, secret.hidden AS secret__hidden, secret.owner_id AS secret__owner__id, owner.name AS secret__owner__name, secret.version AS secret__version, secret.created_at AS secret__created_at, secret.updated_at AS secret__updated_at, secret.schema AS secret__schema, secret.expires_at AS secret__expires_at, secret.rotate_after AS secret__rotate_after, secret.rotate_at AS secret__rotate_at, secrets_provider.name AS secret__provider, secret.description AS secret__description, secret.protected_at AS secret__protected_at, secret_version.data_key_id AS data_key_id, secret_version.token AS token, secret_version.data_key_id AS data_key__id, data_key.tenant_id AS data_key__tenant_id, data_key.root_key_id AS data_key__root_key_id, data_key.wrapped AS data_key__wrapped, secret.provider_id AS mac__secret__provider_id, secret.provider_options AS mac__secret__provider_options, secret.provider_options_data_key_id AS mac__secret__provider_options_data_key_id, secret.scope AS mac__secret__scope, secret.row_mac AS mac__secret__row_mac, tenant.created_at AS mac__tenant__created_at, tenant.id AS mac__tenant__id, tenant.row_mac AS mac__tenant__row_mac, data_key.active AS mac__data_key__active, data_key.created_at AS mac__data_key__created_at, data_key.id AS mac__data_key__id, data_key.outdated AS mac__data_key__outdated, data_key.row_mac AS mac__data_key__row_mac, own.number AS own_end, system.number AS system_end
FROM secret JOIN tenant ON tenant.id = secret.tenant_id JOIN user_account AS owner ON owner.id = secret.owner_id LEFT OUTER JOIN secrets_provider ON secrets_provider.id = secret.provider_id JOIN secret_version ON secret_version.secret_id = secret.id AND secret_version.version = secret.version LEFT OUTER JOIN data_key ON data_key.id = secret_version.data_key_id LEFT OUTER JOIN audit_chain AS own ON own.id = secret.tenant_id LEFT OUTER JOIN audit_chain AS system ON system.id = 'system'
WHERE secret.tenant_id = :tenant_id AND secret."key" IN (SELECT anon_1.value
FROM json_each(:keys) AS anon_1) OR secret.scope = 'global' AND secret."key" IN (SELECT anon_1.value
FROM json_each(:keys) AS anon_1)""",
    """SELECT secret.id AS secret__id, secret.key AS secret__key, secret.tenant_id AS secret__tenant__id, tenant.name AS secret__tenant__name, secret.visibility AS secret__visibility, secret.hidden AS secret__hidden, secret.owner_id AS secret__owner__id, owner.name AS secret__owner__name, secret.version AS secret__version, secret.created_at AS secret__created_at, secret.updated_at AS secret__updated_at, secret.schema AS secret__schema, secret.expires_at AS secret__expires_at, secret.rotate_after AS secret__rotate_after, secret.rotate_at AS secret__rotate_at, secrets_provider.name AS secret__provider, secret.description AS secret__description, secret.protected_at AS secret__protected_at, secret_version.data_key_id AS data_key_id, secret_version.token AS token, secret_version.data_key_id AS data_key__id, data_key.tenant_id AS data_key__tenant_id, data_key.root_key_id AS data_key__root_key_id, data_key.wrapped AS data_key__wrapped, secret.provider_id AS mac__secret__provider_id, secret.provider_options AS mac__secret__provider_options, secret.provider_options_data_key_id AS mac__secret__provider_options_data_key_id, secret.scope AS mac__secret__scope, secret.row_mac AS mac__secret__row_mac, tenant.created_at AS mac__tenant__created_at, tenant.id AS mac__tenant__id, tenant.row_mac AS mac__tenant__row_mac, data_key.active AS mac__data_key__active, data_key.created_at AS mac__data_key__created_at, data_key.id AS mac__data_key__id, data_key.outdated AS mac__data_key__outdated, data_key.row_mac AS mac__data_key__row_mac, own.number AS own_end, system.number AS system_end
FROM secret JOIN tenant ON tenant.id = secret.tenant_id JOIN user_account AS owner ON owner.id = secret.owner_id LEFT OUTER JOIN secrets_provider ON secrets_provider.id = secret.provider_id JOIN secret_version ON secret_version.secret_id = secret.id AND secret_version.version = secret.version LEFT OUTER JOIN data_key ON data_key.id = secret_version.data_key_id LEFT OUTER JOIN audit_chain AS own ON own.id = secret.tenant_id LEFT OUTER JOIN audit_chain AS system ON system.id = 'system'
WHERE secret.tenant_id = %(tenant_id)s::VARCHAR AND secret.key = ANY (%(keys)s::TEXT[]) OR secret.scope = 'global' AND secret.key = ANY (%(keys)s::TEXT[])""",
    ('secret__id', 'secret__key', 'secret__tenant__id', 'secret__tenant__name', 'secret__visibility', 'secret__hidden', 'secret__owner__id', 'secret__owner__name', 'secret__version', 'secret__created_at', 'secret__updated_at', 'secret__schema', 'secret__expires_at', 'secret__rotate_after', 'secret__rotate_at', 'secret__provider', 'secret__description', 'secret__protected_at', 'data_key_id', 'token', 'data_key__id', 'data_key__tenant_id', 'data_key__root_key_id', 'data_key__wrapped', 'mac__secret__provider_id', 'mac__secret__provider_options', 'mac__secret__provider_options_data_key_id', 'mac__secret__scope', 'mac__secret__row_mac', 'mac__tenant__created_at', 'mac__tenant__id', 'mac__tenant__row_mac', 'mac__data_key__active', 'mac__data_key__created_at', 'mac__data_key__id', 'mac__data_key__outdated', 'mac__data_key__row_mac', 'own_end', 'system_end'),
    {4: Visibility, 5: bool, 32: bool, 35: bool},
    Reading((StoredSecret, False, ((Secret, False, (0, 1, (Tenant, True, (2, 3, )), 4, 5, (Owner, True, (6, 7, )), 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, )), 18, 19, (StoredDataKey, True, (20, 21, 22, 23, )), )), (AggregateCheck(Root('secret', ('id',)), ('created_at', 'description', 'expires_at', 'hidden', 'id', 'key', 'owner_id', 'protected_at', 'provider_id', 'provider_options', 'provider_options_data_key_id', 'rotate_after', 'rotate_at', 'schema', 'scope', 'tenant_id', 'updated_at', 'version', 'visibility'), (9, 16, 12, 5, 0, 1, 6, 17, 24, 25, 26, 13, 14, 11, 27, 2, 10, 8, 4, 28)), AggregateCheck(Root('tenant', ('id',)), ('created_at', 'id', 'name'), (29, 30, 3, 31)), AggregateCheck(Root('data key', ('id',)), ('active', 'created_at', 'id', 'outdated', 'root_key_id', 'tenant_id', 'wrapped'), (32, 33, 34, 35, 22, 21, 23, 36)), ), (('tenant', 2, 30), ('data key', 20, 34))),
)

SIZE_OF_SECRETS: Statement[Any] = Statement(
    """SELECT coalesce(sum(length(secret_version.token)), 0) AS coalesce_1
FROM secret JOIN tenant ON tenant.id = secret.tenant_id JOIN user_account AS owner ON owner.id = secret.owner_id LEFT OUTER JOIN secrets_provider ON secrets_provider.id = secret.provider_id JOIN secret_version ON secret_version.secret_id = secret.id AND secret_version.version = secret.version
WHERE secret.tenant_id = :tenant_id AND secret."key" IN (SELECT anon_1.value
FROM json_each(:keys) AS anon_1) OR secret.scope = 'global' AND secret."key" IN (SELECT anon_1.value
FROM json_each(:keys) AS anon_1)""",
    """SELECT coalesce(sum(length(secret_version.token)), 0::INTEGER) AS coalesce_1
FROM secret JOIN tenant ON tenant.id = secret.tenant_id JOIN user_account AS owner ON owner.id = secret.owner_id LEFT OUTER JOIN secrets_provider ON secrets_provider.id = secret.provider_id JOIN secret_version ON secret_version.secret_id = secret.id AND secret_version.version = secret.version
WHERE secret.tenant_id = %(tenant_id)s::VARCHAR AND secret.key = ANY (%(keys)s::TEXT[]) OR secret.scope = 'global' AND secret.key = ANY (%(keys)s::TEXT[])""",
    ('None',),
    {},
    None,
)

DATA_KEYS: Statement[StoredDataKey] = Statement(
    """SELECT data_key.id AS id, data_key.tenant_id AS tenant_id, data_key.root_key_id AS root_key_id, data_key.wrapped AS wrapped, data_key.active AS mac__data_key__active, data_key.created_at AS mac__data_key__created_at, data_key.outdated AS mac__data_key__outdated, data_key.row_mac AS mac__data_key__row_mac
FROM data_key
WHERE data_key.id IN (SELECT anon_1.value
FROM json_each(:ids) AS anon_1)""",
    """SELECT data_key.id AS id, data_key.tenant_id AS tenant_id, data_key.root_key_id AS root_key_id, data_key.wrapped AS wrapped, data_key.active AS mac__data_key__active, data_key.created_at AS mac__data_key__created_at, data_key.outdated AS mac__data_key__outdated, data_key.row_mac AS mac__data_key__row_mac
FROM data_key
WHERE data_key.id = ANY (%(ids)s::TEXT[])""",
    ('id', 'tenant_id', 'root_key_id', 'wrapped', 'mac__data_key__active', 'mac__data_key__created_at', 'mac__data_key__outdated', 'mac__data_key__row_mac'),
    {4: bool, 6: bool},
    Reading((StoredDataKey, False, (0, 1, 2, 3, )), (AggregateCheck(Root('data key', ('id',)), ('active', 'created_at', 'id', 'outdated', 'root_key_id', 'tenant_id', 'wrapped'), (4, 5, 0, 6, 2, 1, 3, 7)), ), ()),
)

ACTIVE_DATA_KEY: Statement[StoredDataKey] = Statement(
    """SELECT data_key.id AS id, data_key.tenant_id AS tenant_id, data_key.root_key_id AS root_key_id, data_key.wrapped AS wrapped, data_key.active AS mac__data_key__active, data_key.created_at AS mac__data_key__created_at, data_key.outdated AS mac__data_key__outdated, data_key.row_mac AS mac__data_key__row_mac
FROM data_key
WHERE data_key.tenant_id = :tenant AND data_key.active = 1""",
    """SELECT data_key.id AS id, data_key.tenant_id AS tenant_id, data_key.root_key_id AS root_key_id, data_key.wrapped AS wrapped, data_key.active AS mac__data_key__active, data_key.created_at AS mac__data_key__created_at, data_key.outdated AS mac__data_key__outdated, data_key.row_mac AS mac__data_key__row_mac
FROM data_key
WHERE data_key.tenant_id = %(tenant)s::VARCHAR AND data_key.active""",
    ('id', 'tenant_id', 'root_key_id', 'wrapped', 'mac__data_key__active', 'mac__data_key__created_at', 'mac__data_key__outdated', 'mac__data_key__row_mac'),
    {4: bool, 6: bool},
    Reading((StoredDataKey, False, (0, 1, 2, 3, )), (AggregateCheck(Root('data key', ('id',)), ('active', 'created_at', 'id', 'outdated', 'root_key_id', 'tenant_id', 'wrapped'), (4, 5, 0, 6, 2, 1, 3, 7)), ), ()),
)

ACTIVE_DATA_KEY_LOCKED: Statement[StoredDataKey] = Statement(
    """SELECT data_key.id AS id, data_key.tenant_id AS tenant_id, data_key.root_key_id AS root_key_id, data_key.wrapped AS wrapped, data_key.active AS mac__data_key__active, data_key.created_at AS mac__data_key__created_at, data_key.outdated AS mac__data_key__outdated, data_key.row_mac AS mac__data_key__row_mac
FROM data_key
WHERE data_key.tenant_id = :tenant AND data_key.active = 1""",
    """SELECT data_key.id AS id, data_key.tenant_id AS tenant_id, data_key.root_key_id AS root_key_id, data_key.wrapped AS wrapped, data_key.active AS mac__data_key__active, data_key.created_at AS mac__data_key__created_at, data_key.outdated AS mac__data_key__outdated, data_key.row_mac AS mac__data_key__row_mac
FROM data_key
WHERE data_key.tenant_id = %(tenant)s::VARCHAR AND data_key.active FOR KEY SHARE""",
    ('id', 'tenant_id', 'root_key_id', 'wrapped', 'mac__data_key__active', 'mac__data_key__created_at', 'mac__data_key__outdated', 'mac__data_key__row_mac'),
    {4: bool, 6: bool},
    Reading((StoredDataKey, False, (0, 1, 2, 3, )), (AggregateCheck(Root('data key', ('id',)), ('active', 'created_at', 'id', 'outdated', 'root_key_id', 'tenant_id', 'wrapped'), (4, 5, 0, 6, 2, 1, 3, 7)), ), ()),
)

SYSTEM_KEY: Statement[StoredDataKey] = Statement(
    """SELECT data_key.id AS id, data_key.tenant_id AS tenant_id, data_key.root_key_id AS root_key_id, data_key.wrapped AS wrapped
FROM data_key
WHERE data_key.tenant_id = '' AND data_key.id = :id""",
    """SELECT data_key.id AS id, data_key.tenant_id AS tenant_id, data_key.root_key_id AS root_key_id, data_key.wrapped AS wrapped
FROM data_key
WHERE data_key.tenant_id = '' AND data_key.id = %(id)s::VARCHAR""",
    ('id', 'tenant_id', 'root_key_id', 'wrapped'),
    {},
    Reading((StoredDataKey, False, (0, 1, 2, 3, )), (), ()),
)

ACTIVE_SYSTEM_KEY: Statement[StoredDataKey] = Statement(
    """SELECT data_key.id AS id, data_key.tenant_id AS tenant_id, data_key.root_key_id AS root_key_id, data_key.wrapped AS wrapped
FROM data_key
WHERE data_key.tenant_id = '' AND data_key.active = 1""",
    """SELECT data_key.id AS id, data_key.tenant_id AS tenant_id, data_key.root_key_id AS root_key_id, data_key.wrapped AS wrapped
FROM data_key
WHERE data_key.tenant_id = '' AND data_key.active FOR KEY SHARE""",
    ('id', 'tenant_id', 'root_key_id', 'wrapped'),
    {},
    Reading((StoredDataKey, False, (0, 1, 2, 3, )), (), ()),
)

EXTERNAL: Statement[StoredExternal] = Statement(
    """SELECT secret.id AS secret_id, secrets_provider.id AS stored__provider__id, secrets_provider.name AS stored__provider__name, secrets_provider.type AS stored__provider__kind, secrets_provider.tenant_id AS stored__provider__tenant__id, tenant.name AS stored__provider__tenant__name, secrets_provider.visibility AS stored__provider__visibility, secrets_provider.owner_id AS stored__provider__owner__id, provider_owner.name AS stored__provider__owner__name, secrets_provider.created_at AS stored__provider__created_at, secrets_provider.updated_at AS stored__provider__updated_at, secrets_provider.data_key_id AS stored__data_key_id, secrets_provider.connection_parameters AS stored__token, secret.provider_options_data_key_id AS options_key_id, secret.provider_options AS options, secret.created_at AS mac__secret__created_at, secret.description AS mac__secret__description, secret.expires_at AS mac__secret__expires_at, secret.hidden AS mac__secret__hidden, secret."key" AS mac__secret__key, secret.owner_id AS mac__secret__owner_id, secret.protected_at AS mac__secret__protected_at, secret.provider_id AS mac__secret__provider_id, secret.rotate_after AS mac__secret__rotate_after, secret.rotate_at AS mac__secret__rotate_at, secret.schema AS mac__secret__schema, secret.scope AS mac__secret__scope, secret.tenant_id AS mac__secret__tenant_id, secret.updated_at AS mac__secret__updated_at, secret.version AS mac__secret__version, secret.visibility AS mac__secret__visibility, secret.row_mac AS mac__secret__row_mac, secrets_provider.row_mac AS mac__secrets_provider__row_mac, tenant.created_at AS mac__tenant__created_at, tenant.id AS mac__tenant__id, tenant.row_mac AS mac__tenant__row_mac
FROM secrets_provider JOIN tenant ON tenant.id = secrets_provider.tenant_id JOIN user_account AS provider_owner ON provider_owner.id = secrets_provider.owner_id JOIN secret ON secret.provider_id = secrets_provider.id
WHERE secret.id IN (SELECT anon_1.value
FROM json_each(:ids) AS anon_1)""",
    """SELECT secret.id AS secret_id, secrets_provider.id AS stored__provider__id, secrets_provider.name AS stored__provider__name, secrets_provider.type AS stored__provider__kind, secrets_provider.tenant_id AS stored__provider__tenant__id, tenant.name AS stored__provider__tenant__name, secrets_provider.visibility AS stored__provider__visibility, secrets_provider.owner_id AS stored__provider__owner__id, provider_owner.name AS stored__provider__owner__name, secrets_provider.created_at AS stored__provider__created_at, secrets_provider.updated_at AS stored__provider__updated_at, secrets_provider.data_key_id AS stored__data_key_id, secrets_provider.connection_parameters AS stored__token, secret.provider_options_data_key_id AS options_key_id, secret.provider_options AS options, secret.created_at AS mac__secret__created_at, secret.description AS mac__secret__description, secret.expires_at AS mac__secret__expires_at, secret.hidden AS mac__secret__hidden, secret.key AS mac__secret__key, secret.owner_id AS mac__secret__owner_id, secret.protected_at AS mac__secret__protected_at, secret.provider_id AS mac__secret__provider_id, secret.rotate_after AS mac__secret__rotate_after, secret.rotate_at AS mac__secret__rotate_at, secret.schema AS mac__secret__schema, secret.scope AS mac__secret__scope, secret.tenant_id AS mac__secret__tenant_id, secret.updated_at AS mac__secret__updated_at, secret.version AS mac__secret__version, secret.visibility AS mac__secret__visibility, secret.row_mac AS mac__secret__row_mac, secrets_provider.row_mac AS mac__secrets_provider__row_mac, tenant.created_at AS mac__tenant__created_at, tenant.id AS mac__tenant__id, tenant.row_mac AS mac__tenant__row_mac
FROM secrets_provider JOIN tenant ON tenant.id = secrets_provider.tenant_id JOIN user_account AS provider_owner ON provider_owner.id = secrets_provider.owner_id JOIN secret ON secret.provider_id = secrets_provider.id
WHERE secret.id = ANY (%(ids)s::TEXT[])""",
    ('secret_id', 'stored__provider__id', 'stored__provider__name', 'stored__provider__kind', 'stored__provider__tenant__id', 'stored__provider__tenant__name', 'stored__provider__visibility', 'stored__provider__owner__id', 'stored__provider__owner__name', 'stored__provider__created_at', 'stored__provider__updated_at', 'stored__data_key_id', 'stored__token', 'options_key_id', 'options', 'mac__secret__created_at', 'mac__secret__description', 'mac__secret__expires_at', 'mac__secret__hidden', 'mac__secret__key', 'mac__secret__owner_id', 'mac__secret__protected_at', 'mac__secret__provider_id', 'mac__secret__rotate_after', 'mac__secret__rotate_at', 'mac__secret__schema', 'mac__secret__scope', 'mac__secret__tenant_id', 'mac__secret__updated_at', 'mac__secret__version', 'mac__secret__visibility', 'mac__secret__row_mac', 'mac__secrets_provider__row_mac', 'mac__tenant__created_at', 'mac__tenant__id', 'mac__tenant__row_mac'),
    {6: Visibility, 18: bool, 30: Visibility},
    Reading((StoredExternal, False, (0, (StoredProvider, False, ((Provider, False, (1, 2, 3, (Tenant, True, (4, 5, )), 6, (Owner, True, (7, 8, )), 9, 10, )), 11, 12, )), 13, 14, )), (AggregateCheck(Root('secret', ('id',)), ('created_at', 'description', 'expires_at', 'hidden', 'id', 'key', 'owner_id', 'protected_at', 'provider_id', 'provider_options', 'provider_options_data_key_id', 'rotate_after', 'rotate_at', 'schema', 'scope', 'tenant_id', 'updated_at', 'version', 'visibility'), (15, 16, 17, 18, 0, 19, 20, 21, 22, 14, 13, 23, 24, 25, 26, 27, 28, 29, 30, 31)), AggregateCheck(Root('provider', ('id',)), ('connection_parameters', 'created_at', 'data_key_id', 'id', 'name', 'owner_id', 'tenant_id', 'type', 'updated_at', 'visibility'), (12, 9, 11, 1, 2, 7, 4, 3, 10, 6, 32)), AggregateCheck(Root('tenant', ('id',)), ('created_at', 'id', 'name'), (33, 34, 5, 35)), ), (('tenant', 4, 34),)),
)

CHAIN: Statement[Any] = Statement(
    """SELECT audit_chain.id, audit_chain.number, audit_chain.hash, audit_chain.mac, audit_chain.mac_key_id, audit_chain.enforced
FROM audit_chain
WHERE audit_chain.id = :chain""",
    """SELECT audit_chain.id, audit_chain.number, audit_chain.hash, audit_chain.mac, audit_chain.mac_key_id, audit_chain.enforced
FROM audit_chain
WHERE audit_chain.id = %(chain)s::VARCHAR""",
    ('id', 'number', 'hash', 'mac', 'mac_key_id', 'enforced'),
    {5: bool},
    None,
)

CHAIN_LOCKED: Statement[StoredDataKey] = Statement(
    """SELECT audit_chain.id, audit_chain.number, audit_chain.hash, audit_chain.mac, audit_chain.mac_key_id, audit_chain.enforced, data_key.id AS id, data_key.tenant_id AS tenant_id, data_key.root_key_id AS root_key_id, data_key.wrapped AS wrapped, data_key.active AS mac__data_key__active, data_key.created_at AS mac__data_key__created_at, data_key.outdated AS mac__data_key__outdated, data_key.row_mac AS mac__data_key__row_mac
FROM audit_chain LEFT OUTER JOIN data_key ON data_key.id = audit_chain.mac_key_id
WHERE audit_chain.id = :chain""",
    """SELECT audit_chain.id, audit_chain.number, audit_chain.hash, audit_chain.mac, audit_chain.mac_key_id, audit_chain.enforced, data_key.id AS id, data_key.tenant_id AS tenant_id, data_key.root_key_id AS root_key_id, data_key.wrapped AS wrapped, data_key.active AS mac__data_key__active, data_key.created_at AS mac__data_key__created_at, data_key.outdated AS mac__data_key__outdated, data_key.row_mac AS mac__data_key__row_mac
FROM audit_chain LEFT OUTER JOIN data_key ON data_key.id = audit_chain.mac_key_id
WHERE audit_chain.id = %(chain)s::VARCHAR FOR UPDATE OF audit_chain""",
    ('id', 'number', 'hash', 'mac', 'mac_key_id', 'enforced', 'id', 'tenant_id', 'root_key_id', 'wrapped', 'mac__data_key__active', 'mac__data_key__created_at', 'mac__data_key__outdated', 'mac__data_key__row_mac'),
    {5: bool, 10: bool, 12: bool},
    Reading((StoredDataKey, False, (6, 7, 8, 9, )), (AggregateCheck(Root('data key', ('id',)), ('active', 'created_at', 'id', 'outdated', 'root_key_id', 'tenant_id', 'wrapped'), (10, 11, 6, 12, 8, 7, 9, 13)), ), ()),
)

ENDS: Statement[Any] = Statement(
    """SELECT audit_chain.id, audit_chain.number
FROM audit_chain
WHERE audit_chain.id IN (SELECT anon_1.value
FROM json_each(:chains) AS anon_1)""",
    """SELECT audit_chain.id, audit_chain.number
FROM audit_chain
WHERE audit_chain.id = ANY (%(chains)s::TEXT[])""",
    ('id', 'number'),
    {},
    None,
)

START_CHAIN: Statement[Any] = Statement(
    """INSERT INTO audit_chain (id, number, hash, mac, enforced) VALUES (:id, :number, :hash, :mac, :enforced) ON CONFLICT (id) DO NOTHING""",
    """INSERT INTO audit_chain (id, number, hash, mac, enforced) VALUES (%(id)s::VARCHAR, %(number)s::INTEGER, %(hash)s::VARCHAR, %(mac)s::VARCHAR, %(enforced)s) ON CONFLICT (id) DO NOTHING""",
    (),
    {},
    None,
)

SET_HEAD: Statement[Any] = Statement(
    """UPDATE audit_chain SET number=:new_number, hash=:new_hash, mac=:new_mac, mac_key_id=:new_mac_key_id, enforced=:new_enforced WHERE audit_chain.id = :chain AND NOT (EXISTS (SELECT *
FROM audit_chain AS system
WHERE system.id = 'system' AND system.number != :system_end))""",
    """UPDATE audit_chain SET number=%(new_number)s::INTEGER, hash=%(new_hash)s::VARCHAR, mac=%(new_mac)s::VARCHAR, mac_key_id=%(new_mac_key_id)s::VARCHAR, enforced=%(new_enforced)s WHERE audit_chain.id = %(chain)s::VARCHAR AND NOT (EXISTS (SELECT *
FROM audit_chain AS system
WHERE system.id = 'system' AND system.number != %(system_end)s::INTEGER))""",
    (),
    {},
    None,
)

RECORDS_BETWEEN: Statement[AuditRecord] = Statement(
    """SELECT audit_record.number AS number, audit_record.at AS at, audit_record.action AS action, coalesce(CAST(audit_record.body AS BLOB), :empty) AS body, audit_record.hash AS hash
FROM audit_record
WHERE audit_record.chain_id = :chain AND audit_record.number > :after AND audit_record.number < :before ORDER BY audit_record.number
LIMIT :size OFFSET 0""",
    """SELECT audit_record.number AS number, audit_record.at AS at, audit_record.action AS action, coalesce(CAST(audit_record.body AS BYTEA), %(empty)s) AS body, audit_record.hash AS hash
FROM audit_record
WHERE audit_record.chain_id = %(chain)s::VARCHAR AND audit_record.number > %(after)s::INTEGER AND audit_record.number < %(before)s::INTEGER ORDER BY audit_record.number
LIMIT %(size)s""",
    ('number', 'at', 'action', 'body', 'hash'),
    {},
    Reading((AuditRecord, False, (0, 1, 2, 3, 4, )), (), ()),
)

NOTE_TOKEN_USE: Statement[Any] = Statement(
    """UPDATE access_token SET last_used_at=:at WHERE access_token.id = :token""",
    """UPDATE access_token SET last_used_at=%(at)s::VARCHAR WHERE access_token.id = %(token)s::VARCHAR""",
    (),
    {},
    None,
)

ADD_RECORDS = Many(
    """INSERT INTO audit_record (chain_id, number, at, action, body, hash) VALUES (?, ?, ?, ?, ?, ?)""",
    """INSERT INTO audit_record (chain_id, number, at, action, body, hash) SELECT * FROM unnest(%(chain_id)b::text[], %(number)b::integer[], %(at)b::text[], %(action)b::text[], %(body)b::bytea[], %(hash)b::text[])""",
    ('chain_id', 'number', 'at', 'action', 'body', 'hash'),
)

ADD_RUNS = Many(
    """INSERT INTO audit_run (chain_id, number, nth, at, action, caller, folded, caller_id, token, tenant, tenant_id, blueprint, digest, claimed, run) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
    """INSERT INTO audit_run (chain_id, number, nth, at, action, caller, folded, caller_id, token, tenant, tenant_id, blueprint, digest, claimed, run) SELECT * FROM unnest(%(chain_id)b::text[], %(number)b::integer[], %(nth)b::integer[], %(at)b::text[], %(action)b::text[], %(caller)b::text[], %(folded)b::text[], %(caller_id)b::text[], %(token)b::text[], %(tenant)b::text[], %(tenant_id)b::text[], %(blueprint)b::text[], %(digest)b::text[], %(claimed)b::boolean[], %(run)b::text[])""",
    ('chain_id', 'number', 'nth', 'at', 'action', 'caller', 'folded', 'caller_id', 'token', 'tenant', 'tenant_id', 'blueprint', 'digest', 'claimed', 'run'),
)

ADD_USES = Many(
    """INSERT INTO audit_use (chain_id, number, place, nth, key, secret_id, version, decision) VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
    """INSERT INTO audit_use (chain_id, number, place, nth, key, secret_id, version, decision) SELECT * FROM unnest(%(chain_id)b::text[], %(number)b::integer[], %(place)b::integer[], %(nth)b::integer[], %(key)b::text[], %(secret_id)b::text[], %(version)b::integer[], %(decision)b::text[])""",
    ('chain_id', 'number', 'place', 'nth', 'key', 'secret_id', 'version', 'decision'),
)

APPEND = """WITH moved AS (UPDATE audit_chain SET number=%(new_number)s::INTEGER, hash=%(new_hash)s::VARCHAR, mac=%(new_mac)s::VARCHAR, mac_key_id=%(new_mac_key_id)s::VARCHAR, enforced=%(new_enforced)s WHERE audit_chain.id = %(chain)s::VARCHAR AND NOT (EXISTS (SELECT *
FROM audit_chain AS system
WHERE system.id = 'system' AND system.number != %(system_end)s::INTEGER)) RETURNING id), ADD_RECORDS AS (INSERT INTO audit_record (chain_id, number, at, action, body, hash) SELECT told.* FROM moved, unnest(%(ADD_RECORDS_chain_id)b::text[], %(ADD_RECORDS_number)b::integer[], %(ADD_RECORDS_at)b::text[], %(ADD_RECORDS_action)b::text[], %(ADD_RECORDS_body)b::bytea[], %(ADD_RECORDS_hash)b::text[]) AS told), ADD_RUNS AS (INSERT INTO audit_run (chain_id, number, nth, at, action, caller, folded, caller_id, token, tenant, tenant_id, blueprint, digest, claimed, run) SELECT told.* FROM moved, unnest(%(ADD_RUNS_chain_id)b::text[], %(ADD_RUNS_number)b::integer[], %(ADD_RUNS_nth)b::integer[], %(ADD_RUNS_at)b::text[], %(ADD_RUNS_action)b::text[], %(ADD_RUNS_caller)b::text[], %(ADD_RUNS_folded)b::text[], %(ADD_RUNS_caller_id)b::text[], %(ADD_RUNS_token)b::text[], %(ADD_RUNS_tenant)b::text[], %(ADD_RUNS_tenant_id)b::text[], %(ADD_RUNS_blueprint)b::text[], %(ADD_RUNS_digest)b::text[], %(ADD_RUNS_claimed)b::boolean[], %(ADD_RUNS_run)b::text[]) AS told), ADD_USES AS (INSERT INTO audit_use (chain_id, number, place, nth, key, secret_id, version, decision) SELECT told.* FROM moved, unnest(%(ADD_USES_chain_id)b::text[], %(ADD_USES_number)b::integer[], %(ADD_USES_place)b::integer[], %(ADD_USES_nth)b::integer[], %(ADD_USES_key)b::text[], %(ADD_USES_secret_id)b::text[], %(ADD_USES_version)b::integer[], %(ADD_USES_decision)b::text[]) AS told) SELECT id FROM moved"""
