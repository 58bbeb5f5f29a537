--
-- PostgreSQL database dump
--






--
-- Name: access_token; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.access_token (
    id character varying(10) NOT NULL,
    user_id character varying(36) NOT NULL,
    digest character varying(64) NOT NULL,
    description text NOT NULL,
    created_at character varying(24) NOT NULL,
    expires_at character varying(24),
    last_used_at character varying(24),
    narrowing text NOT NULL
);


--
-- Name: alembic_version; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);


--
-- Name: audit_chain; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.audit_chain (
    id character varying(36) NOT NULL,
    number integer NOT NULL,
    hash character varying(64) NOT NULL,
    mac character varying(64) NOT NULL,
    mac_key_id character varying(36)
);


--
-- Name: audit_record; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.audit_record (
    chain_id character varying(36) NOT NULL,
    number integer NOT NULL,
    at character varying(24) NOT NULL,
    action character varying(32) NOT NULL,
    body bytea NOT NULL,
    hash character varying(64) NOT NULL
);


--
-- Name: console_session; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.console_session (
    digest character varying(64) NOT NULL,
    user_id character varying(36) NOT NULL,
    token_id character varying(10),
    created_at character varying(24) NOT NULL,
    last_used_at character varying(24) NOT NULL
);


--
-- Name: data_key; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.data_key (
    id character varying(36) NOT NULL,
    tenant_id character varying(36) NOT NULL,
    root_key_id character varying(16) NOT NULL,
    wrapped text NOT NULL,
    active boolean NOT NULL,
    outdated boolean NOT NULL,
    created_at character varying(24) NOT NULL
);


--
-- Name: key_scope; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.key_scope (
    key character varying(256) NOT NULL,
    scope character varying(8) NOT NULL,
    CONSTRAINT ck_key_scope_scope CHECK (((scope)::text = ANY ((ARRAY['tenant'::character varying, 'global'::character varying])::text[])))
);


--
-- Name: login_failure; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.login_failure (
    slot character varying(36) NOT NULL,
    failures integer NOT NULL,
    last_at character varying(24) NOT NULL,
    refused_until character varying(24) NOT NULL
);


--
-- Name: membership; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.membership (
    tenant_id character varying(36) NOT NULL,
    user_id character varying(36) NOT NULL,
    role character varying(16) NOT NULL,
    CONSTRAINT ck_membership_role CHECK (((role)::text = ANY ((ARRAY['manager'::character varying, 'user'::character varying, 'operations'::character varying, 'viewer'::character varying])::text[])))
);


--
-- Name: root_key; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.root_key (
    id character varying(16) NOT NULL,
    wraps boolean NOT NULL,
    since character varying(24) NOT NULL
);


--
-- Name: secret; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.secret (
    id character varying(36) NOT NULL,
    tenant_id character varying(36) NOT NULL,
    key character varying(256) NOT NULL,
    scope character varying(8) NOT NULL,
    visibility character varying(8) NOT NULL,
    hidden boolean NOT NULL,
    owner_id character varying(36) NOT NULL,
    version integer NOT NULL,
    schema text,
    expires_at character varying(24),
    rotate_after integer,
    rotate_at character varying(24),
    provider_id character varying(36),
    provider_options text,
    provider_options_data_key_id character varying(36),
    created_at character varying(24) NOT NULL,
    updated_at character varying(24) NOT NULL,
    CONSTRAINT ck_secret_scope_follows_visibility CHECK ((((scope)::text = 'global'::text) = ((visibility)::text = 'global'::text))),
    CONSTRAINT ck_secret_sealed CHECK (((provider_options IS NULL) = (provider_options_data_key_id IS NULL))),
    CONSTRAINT ck_secret_visibility CHECK (((visibility)::text = ANY ((ARRAY['private'::character varying, 'tenant'::character varying, 'global'::character varying])::text[])))
);


--
-- Name: secret_version; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.secret_version (
    secret_id character varying(36) NOT NULL,
    version integer NOT NULL,
    data_key_id character varying(36) NOT NULL,
    token text NOT NULL,
    created_at character varying(24) NOT NULL,
    created_by character varying(36) NOT NULL
);


--
-- Name: secrets_provider; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.secrets_provider (
    id character varying(36) NOT NULL,
    tenant_id character varying(36) NOT NULL,
    name character varying(256) NOT NULL,
    type character varying(32) NOT NULL,
    visibility character varying(8) NOT NULL,
    owner_id character varying(36) NOT NULL,
    connection_parameters text,
    data_key_id character varying(36),
    created_at character varying(24) NOT NULL,
    updated_at character varying(24) NOT NULL,
    CONSTRAINT ck_secrets_provider_sealed CHECK (((connection_parameters IS NULL) = (data_key_id IS NULL))),
    CONSTRAINT ck_secrets_provider_visibility CHECK (((visibility)::text = ANY ((ARRAY['private'::character varying, 'tenant'::character varying, 'global'::character varying])::text[])))
);


--
-- Name: standing_admin; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.standing_admin (
    number integer NOT NULL,
    user_id character varying(36) NOT NULL,
    system_role character varying(16) NOT NULL,
    active boolean NOT NULL,
    CONSTRAINT ck_standing_admin_one CHECK ((number = 1)),
    CONSTRAINT ck_standing_admin_stands CHECK ((((system_role)::text = 'sys_admin'::text) AND active))
);


--
-- Name: tenant; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.tenant (
    id character varying(36) NOT NULL,
    name character varying(256) NOT NULL,
    created_at character varying(24) NOT NULL
);


--
-- Name: user_account; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.user_account (
    id character varying(36) NOT NULL,
    name character varying(256) NOT NULL,
    folded_name character varying(256) NOT NULL,
    system_role character varying(16) NOT NULL,
    active boolean NOT NULL,
    password_hash text,
    created_at character varying(24) NOT NULL,
    first_login_at character varying(24),
    last_login_at character varying(24),
    CONSTRAINT ck_user_account_system_role CHECK (((system_role)::text = ANY ((ARRAY['sys_admin'::character varying, 'default'::character varying])::text[])))
);


--
-- Name: alembic_version alembic_version_pkc; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);


--
-- Name: access_token pk_access_token; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.access_token
    ADD CONSTRAINT pk_access_token PRIMARY KEY (id);


--
-- Name: audit_chain pk_audit_chain; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit_chain
    ADD CONSTRAINT pk_audit_chain PRIMARY KEY (id);


--
-- Name: audit_record pk_audit_record; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit_record
    ADD CONSTRAINT pk_audit_record PRIMARY KEY (chain_id, number);


--
-- Name: console_session pk_console_session; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.console_session
    ADD CONSTRAINT pk_console_session PRIMARY KEY (digest);


--
-- Name: data_key pk_data_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.data_key
    ADD CONSTRAINT pk_data_key PRIMARY KEY (id);


--
-- Name: key_scope pk_key_scope; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.key_scope
    ADD CONSTRAINT pk_key_scope PRIMARY KEY (key);


--
-- Name: login_failure pk_login_failure; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.login_failure
    ADD CONSTRAINT pk_login_failure PRIMARY KEY (slot);


--
-- Name: membership pk_membership; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.membership
    ADD CONSTRAINT pk_membership PRIMARY KEY (tenant_id, user_id);


--
-- Name: root_key pk_root_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.root_key
    ADD CONSTRAINT pk_root_key PRIMARY KEY (id);


--
-- Name: secret pk_secret; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.secret
    ADD CONSTRAINT pk_secret PRIMARY KEY (id);


--
-- Name: secret_version pk_secret_version; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.secret_version
    ADD CONSTRAINT pk_secret_version PRIMARY KEY (secret_id, version);


--
-- Name: secrets_provider pk_secrets_provider; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.secrets_provider
    ADD CONSTRAINT pk_secrets_provider PRIMARY KEY (id);


--
-- Name: standing_admin pk_standing_admin; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.standing_admin
    ADD CONSTRAINT pk_standing_admin PRIMARY KEY (number);


--
-- Name: tenant pk_tenant; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.tenant
    ADD CONSTRAINT pk_tenant PRIMARY KEY (id);


--
-- Name: user_account pk_user_account; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.user_account
    ADD CONSTRAINT pk_user_account PRIMARY KEY (id);


--
-- Name: key_scope uq_key_scope_key_scope; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.key_scope
    ADD CONSTRAINT uq_key_scope_key_scope UNIQUE (key, scope);


--
-- Name: secret uq_secret_tenant_id_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.secret
    ADD CONSTRAINT uq_secret_tenant_id_key UNIQUE (tenant_id, key);


--
-- Name: secrets_provider uq_secrets_provider_tenant_id_name; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.secrets_provider
    ADD CONSTRAINT uq_secrets_provider_tenant_id_name UNIQUE (tenant_id, name);


--
-- Name: tenant uq_tenant_name; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.tenant
    ADD CONSTRAINT uq_tenant_name UNIQUE (name);


--
-- Name: user_account uq_user_account_folded_name; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.user_account
    ADD CONSTRAINT uq_user_account_folded_name UNIQUE (folded_name);


--
-- Name: user_account uq_user_account_id_system_role_active; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.user_account
    ADD CONSTRAINT uq_user_account_id_system_role_active UNIQUE (id, system_role, active);


--
-- Name: ix_access_token_user_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_access_token_user_id ON public.access_token USING btree (user_id);


--
-- Name: ix_audit_chain_mac_key_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_audit_chain_mac_key_id ON public.audit_chain USING btree (mac_key_id);


--
-- Name: ix_console_session_token_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_console_session_token_id ON public.console_session USING btree (token_id);


--
-- Name: ix_console_session_user_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_console_session_user_id ON public.console_session USING btree (user_id);


--
-- Name: ix_membership_user_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_membership_user_id ON public.membership USING btree (user_id);


--
-- Name: ix_secret_key_scope; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_secret_key_scope ON public.secret USING btree (key, scope);


--
-- Name: ix_secret_owner_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_secret_owner_id ON public.secret USING btree (owner_id);


--
-- Name: ix_secret_provider_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_secret_provider_id ON public.secret USING btree (provider_id);


--
-- Name: ix_secret_provider_options_data_key_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_secret_provider_options_data_key_id ON public.secret USING btree (provider_options_data_key_id);


--
-- Name: ix_secret_version_data_key_id_secret_id_version; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_secret_version_data_key_id_secret_id_version ON public.secret_version USING btree (data_key_id, secret_id, version);


--
-- Name: ix_secrets_provider_data_key_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_secrets_provider_data_key_id ON public.secrets_provider USING btree (data_key_id);


--
-- Name: ix_secrets_provider_owner_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_secrets_provider_owner_id ON public.secrets_provider USING btree (owner_id);


--
-- Name: uq_data_key_active_tenant_id; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_data_key_active_tenant_id ON public.data_key USING btree (tenant_id) WHERE active;


--
-- Name: uq_root_key_wraps; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_root_key_wraps ON public.root_key USING btree (wraps) WHERE wraps;


--
-- Name: uq_secret_global_key; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX uq_secret_global_key ON public.secret USING btree (key) WHERE ((scope)::text = 'global'::text);


--
-- Name: access_token fk_access_token_user_id_user_account; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.access_token
    ADD CONSTRAINT fk_access_token_user_id_user_account FOREIGN KEY (user_id) REFERENCES public.user_account(id);


--
-- Name: audit_chain fk_audit_chain_mac_key_id_data_key; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit_chain
    ADD CONSTRAINT fk_audit_chain_mac_key_id_data_key FOREIGN KEY (mac_key_id) REFERENCES public.data_key(id);


--
-- Name: audit_record fk_audit_record_chain_id_audit_chain; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit_record
    ADD CONSTRAINT fk_audit_record_chain_id_audit_chain FOREIGN KEY (chain_id) REFERENCES public.audit_chain(id);


--
-- Name: console_session fk_console_session_token_id_access_token; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.console_session
    ADD CONSTRAINT fk_console_session_token_id_access_token FOREIGN KEY (token_id) REFERENCES public.access_token(id) ON DELETE CASCADE;


--
-- Name: console_session fk_console_session_user_id_user_account; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.console_session
    ADD CONSTRAINT fk_console_session_user_id_user_account FOREIGN KEY (user_id) REFERENCES public.user_account(id) ON DELETE CASCADE;


--
-- Name: data_key fk_data_key_root_key_id_root_key; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.data_key
    ADD CONSTRAINT fk_data_key_root_key_id_root_key FOREIGN KEY (root_key_id) REFERENCES public.root_key(id);


--
-- Name: membership fk_membership_tenant_id_tenant; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.membership
    ADD CONSTRAINT fk_membership_tenant_id_tenant FOREIGN KEY (tenant_id) REFERENCES public.tenant(id);


--
-- Name: membership fk_membership_user_id_user_account; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.membership
    ADD CONSTRAINT fk_membership_user_id_user_account FOREIGN KEY (user_id) REFERENCES public.user_account(id);


--
-- Name: secret fk_secret_key_scope_key_scope; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.secret
    ADD CONSTRAINT fk_secret_key_scope_key_scope FOREIGN KEY (key, scope) REFERENCES public.key_scope(key, scope) DEFERRABLE INITIALLY DEFERRED;


--
-- Name: secret fk_secret_owner_id_user_account; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.secret
    ADD CONSTRAINT fk_secret_owner_id_user_account FOREIGN KEY (owner_id) REFERENCES public.user_account(id);


--
-- Name: secret fk_secret_provider_id_secrets_provider; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.secret
    ADD CONSTRAINT fk_secret_provider_id_secrets_provider FOREIGN KEY (provider_id) REFERENCES public.secrets_provider(id);


--
-- Name: secret fk_secret_provider_options_data_key_id_data_key; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.secret
    ADD CONSTRAINT fk_secret_provider_options_data_key_id_data_key FOREIGN KEY (provider_options_data_key_id) REFERENCES public.data_key(id);


--
-- Name: secret fk_secret_tenant_id_tenant; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.secret
    ADD CONSTRAINT fk_secret_tenant_id_tenant FOREIGN KEY (tenant_id) REFERENCES public.tenant(id);


--
-- Name: secret_version fk_secret_version_data_key_id_data_key; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.secret_version
    ADD CONSTRAINT fk_secret_version_data_key_id_data_key FOREIGN KEY (data_key_id) REFERENCES public.data_key(id);


--
-- Name: secret_version fk_secret_version_secret_id_secret; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.secret_version
    ADD CONSTRAINT fk_secret_version_secret_id_secret FOREIGN KEY (secret_id) REFERENCES public.secret(id) ON DELETE CASCADE;


--
-- Name: secrets_provider fk_secrets_provider_data_key_id_data_key; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.secrets_provider
    ADD CONSTRAINT fk_secrets_provider_data_key_id_data_key FOREIGN KEY (data_key_id) REFERENCES public.data_key(id);


--
-- Name: secrets_provider fk_secrets_provider_owner_id_user_account; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.secrets_provider
    ADD CONSTRAINT fk_secrets_provider_owner_id_user_account FOREIGN KEY (owner_id) REFERENCES public.user_account(id);


--
-- Name: secrets_provider fk_secrets_provider_tenant_id_tenant; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.secrets_provider
    ADD CONSTRAINT fk_secrets_provider_tenant_id_tenant FOREIGN KEY (tenant_id) REFERENCES public.tenant(id);


--
-- Name: standing_admin fk_standing_admin_user_id_system_role_active_user_account; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.standing_admin
    ADD CONSTRAINT fk_standing_admin_user_id_system_role_active_user_account FOREIGN KEY (user_id, system_role, active) REFERENCES public.user_account(id, system_role, active);


--
-- PostgreSQL database dump complete
--


