BEGIN TRANSACTION;
CREATE TABLE access_token (
	id VARCHAR(10) NOT NULL, 
	user_id VARCHAR(36) NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	description TEXT NOT NULL, 
	created_at VARCHAR(24) NOT NULL, 
	expires_at VARCHAR(24), 
	last_used_at VARCHAR(24), 
	narrowing TEXT NOT NULL, 
	CONSTRAINT pk_access_token PRIMARY KEY (id), 
	CONSTRAINT fk_access_token_user_id_user_account FOREIGN KEY(user_id) REFERENCES user_account (id)
);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE audit_chain (
	id VARCHAR(36) NOT NULL, 
	number INTEGER NOT NULL, 
	hash VARCHAR(64) NOT NULL, 
	mac VARCHAR(64) NOT NULL, 
	mac_key_id VARCHAR(36), 
	CONSTRAINT pk_audit_chain PRIMARY KEY (id), 
	CONSTRAINT fk_audit_chain_mac_key_id_data_key FOREIGN KEY(mac_key_id) REFERENCES data_key (id)
);
CREATE TABLE audit_record (
	chain_id VARCHAR(36) NOT NULL, 
	number INTEGER NOT NULL, 
	at VARCHAR(24) NOT NULL, 
	action VARCHAR(32) NOT NULL, 
	body BLOB NOT NULL, 
	hash VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_audit_record PRIMARY KEY (chain_id, number), 
	CONSTRAINT fk_audit_record_chain_id_audit_chain FOREIGN KEY(chain_id) REFERENCES audit_chain (id)
);
CREATE TABLE console_session (
	digest VARCHAR(64) NOT NULL, 
	user_id VARCHAR(36) NOT NULL, 
	token_id VARCHAR(10), 
	created_at VARCHAR(24) NOT NULL, 
	last_used_at VARCHAR(24) NOT NULL, 
	CONSTRAINT pk_console_session PRIMARY KEY (digest), 
	CONSTRAINT fk_console_session_token_id_access_token FOREIGN KEY(token_id) REFERENCES access_token (id) ON DELETE CASCADE, 
	CONSTRAINT fk_console_session_user_id_user_account FOREIGN KEY(user_id) REFERENCES user_account (id) ON DELETE CASCADE
);
CREATE TABLE data_key (
	id VARCHAR(36) NOT NULL, 
	tenant_id VARCHAR(36) NOT NULL, 
	root_key_id VARCHAR(16) NOT NULL, 
	wrapped TEXT NOT NULL, 
	active BOOLEAN NOT NULL, 
	outdated BOOLEAN NOT NULL, 
	created_at VARCHAR(24) NOT NULL, 
	CONSTRAINT pk_data_key PRIMARY KEY (id), 
	CONSTRAINT fk_data_key_root_key_id_root_key FOREIGN KEY(root_key_id) REFERENCES root_key (id)
);
CREATE TABLE key_scope (
	"key" VARCHAR(256) NOT NULL, 
	scope VARCHAR(8) NOT NULL, 
	CONSTRAINT pk_key_scope PRIMARY KEY ("key"), 
	CONSTRAINT ck_key_scope_scope CHECK (scope IN ('tenant', 'global')), 
	CONSTRAINT uq_key_scope_key_scope UNIQUE ("key", scope)
);
CREATE TABLE login_failure (
	slot VARCHAR(36) NOT NULL, 
	failures INTEGER NOT NULL, 
	last_at VARCHAR(24) NOT NULL, 
	refused_until VARCHAR(24) NOT NULL, 
	CONSTRAINT pk_login_failure PRIMARY KEY (slot)
);
CREATE TABLE membership (
	tenant_id VARCHAR(36) NOT NULL, 
	user_id VARCHAR(36) NOT NULL, 
	role VARCHAR(16) NOT NULL, 
	CONSTRAINT pk_membership PRIMARY KEY (tenant_id, user_id), 
	CONSTRAINT ck_membership_role CHECK (role IN ('manager', 'user', 'operations', 'viewer')), 
	CONSTRAINT fk_membership_tenant_id_tenant FOREIGN KEY(tenant_id) REFERENCES tenant (id), 
	CONSTRAINT fk_membership_user_id_user_account FOREIGN KEY(user_id) REFERENCES user_account (id)
);
CREATE TABLE root_key (
	id VARCHAR(16) NOT NULL, 
	wraps BOOLEAN NOT NULL, 
	since VARCHAR(24) NOT NULL, 
	CONSTRAINT pk_root_key PRIMARY KEY (id)
);
CREATE TABLE secret (
	id VARCHAR(36) NOT NULL, 
	tenant_id VARCHAR(36) NOT NULL, 
	"key" VARCHAR(256) NOT NULL, 
	scope VARCHAR(8) NOT NULL, 
	visibility VARCHAR(8) NOT NULL, 
	hidden BOOLEAN NOT NULL, 
	owner_id VARCHAR(36) NOT NULL, 
	version INTEGER NOT NULL, 
	schema TEXT, 
	expires_at VARCHAR(24), 
	rotate_after INTEGER, 
	rotate_at VARCHAR(24), 
	provider_id VARCHAR(36), 
	provider_options TEXT, 
	provider_options_data_key_id VARCHAR(36), 
	created_at VARCHAR(24) NOT NULL, 
	updated_at VARCHAR(24) NOT NULL, 
	CONSTRAINT pk_secret PRIMARY KEY (id), 
	CONSTRAINT ck_secret_scope_follows_visibility CHECK ((scope = 'global') = (visibility = 'global')), 
	CONSTRAINT ck_secret_visibility CHECK (visibility IN ('private', 'tenant', 'global')), 
	CONSTRAINT ck_secret_sealed CHECK ((provider_options IS NULL) = (provider_options_data_key_id IS NULL)), 
	CONSTRAINT fk_secret_key_scope_key_scope FOREIGN KEY("key", scope) REFERENCES key_scope ("key", scope) DEFERRABLE INITIALLY DEFERRED, 
	CONSTRAINT fk_secret_owner_id_user_account FOREIGN KEY(owner_id) REFERENCES user_account (id), 
	CONSTRAINT fk_secret_provider_id_secrets_provider FOREIGN KEY(provider_id) REFERENCES secrets_provider (id), 
	CONSTRAINT fk_secret_provider_options_data_key_id_data_key FOREIGN KEY(provider_options_data_key_id) REFERENCES data_key (id), 
	CONSTRAINT fk_secret_tenant_id_tenant FOREIGN KEY(tenant_id) REFERENCES tenant (id), 
	CONSTRAINT uq_secret_tenant_id_key UNIQUE (tenant_id, "key")
);
CREATE TABLE secret_version (
	secret_id VARCHAR(36) NOT NULL, 
	version INTEGER NOT NULL, 
	data_key_id VARCHAR(36) NOT NULL, 
	token TEXT NOT NULL, 
	created_at VARCHAR(24) NOT NULL, 
	created_by VARCHAR(36) NOT NULL, 
	CONSTRAINT pk_secret_version PRIMARY KEY (secret_id, version), 
	CONSTRAINT fk_secret_version_data_key_id_data_key FOREIGN KEY(data_key_id) REFERENCES data_key (id), 
	CONSTRAINT fk_secret_version_secret_id_secret FOREIGN KEY(secret_id) REFERENCES secret (id) ON DELETE CASCADE
);
CREATE TABLE secrets_provider (
	id VARCHAR(36) NOT NULL, 
	tenant_id VARCHAR(36) NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	type VARCHAR(32) NOT NULL, 
	visibility VARCHAR(8) NOT NULL, 
	owner_id VARCHAR(36) NOT NULL, 
	connection_parameters TEXT, 
	data_key_id VARCHAR(36), 
	created_at VARCHAR(24) NOT NULL, 
	updated_at VARCHAR(24) NOT NULL, 
	CONSTRAINT pk_secrets_provider PRIMARY KEY (id), 
	CONSTRAINT ck_secrets_provider_visibility CHECK (visibility IN ('private', 'tenant', 'global')), 
	CONSTRAINT ck_secrets_provider_sealed CHECK ((connection_parameters IS NULL) = (data_key_id IS NULL)), 
	CONSTRAINT fk_secrets_provider_data_key_id_data_key FOREIGN KEY(data_key_id) REFERENCES data_key (id), 
	CONSTRAINT fk_secrets_provider_owner_id_user_account FOREIGN KEY(owner_id) REFERENCES user_account (id), 
	CONSTRAINT fk_secrets_provider_tenant_id_tenant FOREIGN KEY(tenant_id) REFERENCES tenant (id), 
	CONSTRAINT uq_secrets_provider_tenant_id_name UNIQUE (tenant_id, name)
);
CREATE TABLE standing_admin (
	number INTEGER NOT NULL, 
	user_id VARCHAR(36) NOT NULL, 
	system_role VARCHAR(16) NOT NULL, 
	active BOOLEAN NOT NULL, 
	CONSTRAINT pk_standing_admin PRIMARY KEY (number), 
	CONSTRAINT ck_standing_admin_one CHECK (number = 1), 
	CONSTRAINT ck_standing_admin_stands CHECK (system_role = 'sys_admin' AND active), 
	CONSTRAINT fk_standing_admin_user_id_system_role_active_user_account FOREIGN KEY(user_id, system_role, active) REFERENCES user_account (id, system_role, active)
);
CREATE TABLE tenant (
	id VARCHAR(36) NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	created_at VARCHAR(24) NOT NULL, 
	CONSTRAINT pk_tenant PRIMARY KEY (id), 
	CONSTRAINT uq_tenant_name UNIQUE (name)
);
CREATE TABLE user_account (
	id VARCHAR(36) NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	folded_name VARCHAR(256) NOT NULL, 
	system_role VARCHAR(16) NOT NULL, 
	active BOOLEAN NOT NULL, 
	password_hash TEXT, 
	created_at VARCHAR(24) NOT NULL, 
	first_login_at VARCHAR(24), 
	last_login_at VARCHAR(24), 
	CONSTRAINT pk_user_account PRIMARY KEY (id), 
	CONSTRAINT ck_user_account_system_role CHECK (system_role IN ('sys_admin', 'default')), 
	CONSTRAINT uq_user_account_folded_name UNIQUE (folded_name), 
	CONSTRAINT uq_user_account_id_system_role_active UNIQUE (id, system_role, active)
);
CREATE UNIQUE INDEX uq_root_key_wraps ON root_key (wraps) WHERE wraps;
CREATE INDEX ix_access_token_user_id ON access_token (user_id);
CREATE INDEX ix_console_session_token_id ON console_session (token_id);
CREATE INDEX ix_console_session_user_id ON console_session (user_id);
CREATE UNIQUE INDEX uq_data_key_active_tenant_id ON data_key (tenant_id) WHERE active;
CREATE INDEX ix_audit_chain_mac_key_id ON audit_chain (mac_key_id);
CREATE INDEX ix_membership_user_id ON membership (user_id);
CREATE INDEX ix_secrets_provider_data_key_id ON secrets_provider (data_key_id);
CREATE INDEX ix_secrets_provider_owner_id ON secrets_provider (owner_id);
CREATE INDEX ix_secret_key_scope ON secret ("key", scope);
CREATE INDEX ix_secret_owner_id ON secret (owner_id);
CREATE INDEX ix_secret_provider_id ON secret (provider_id);
CREATE INDEX ix_secret_provider_options_data_key_id ON secret (provider_options_data_key_id);
CREATE UNIQUE INDEX uq_secret_global_key ON secret ("key") WHERE scope = 'global';
CREATE INDEX ix_secret_version_data_key_id_secret_id_version ON secret_version (data_key_id, secret_id, version);
COMMIT;
