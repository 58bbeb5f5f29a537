// What is offered to whom. The server decides again, and refuses whatever should not have been offered.

import { el } from "./dom.js";

export const VISIBILITIES = ["private", "tenant", "global"];

export const KNOWN_TO = {
  private: "its creator, managers of its tenant and sys_admins",
  tenant: "everyone with a role in its tenant",
  global: "everyone with a role in any tenant",
};

/** The time so many days from now, as the server writes times; days before now are negative. */
export const inDays = (days) => new Date(Date.now() + days * 86_400_000).toISOString();

/** A user's name, which leads to what they could read in a tenant where one may ask that. */
export function accessOf(name, tenant, context) {
  if (!context.rights.may("audit:read", tenant)) return name;
  return el("a", { href: context.in(tenant, "access", name), title: `What ${name} could read in ${tenant}` }, name);
}

export class Rights {
  constructor(me) {
    this.me = me;
    this.tenants = Object.keys(me.permissions).sort((a, b) => a.localeCompare(b));
    this.isAdmin = me.system_role === "sys_admin"; // sessions are never narrowed
  }

  may(permission, tenant) {
    return (this.me.permissions[tenant] || []).includes(permission);
  }

  /** The tenant from which a secret is acted on: its own where one has a role there, else the one looked from. */
  from(secret, tenant) {
    return this.tenants.includes(secret.tenant) ? secret.tenant : tenant;
  }

  /** Whether a hidden value is open: to its creator and to administrators. */
  opens(secret) {
    return !secret.hidden || this.administersHidden(secret);
  }

  administersHidden(secret) {
    return secret.owner === this.me.username || this.may("secret:administer", secret.tenant);
  }

  shows(secret, tenant) {
    return !secret.protected_at && this.may("secret:show", this.from(secret, tenant)) && this.opens(secret);
  }

  changes(secret) {
    return this.may("secret:update", secret.tenant) && this.opens(secret);
  }

  hides(secret) {
    return this.may("secret:update", secret.tenant) && this.administersHidden(secret);
  }

  removes(secret) {
    return this.may("secret:delete", secret.tenant) && this.opens(secret);
  }

  widerThan(secret) {
    if (!this.changes(secret)) return [];
    const wider = VISIBILITIES.slice(VISIBILITIES.indexOf(secret.visibility) + 1);
    return wider.filter((name) => name !== "global" || this.may("secret:create_global", secret.tenant));
  }

  visibilities(tenant) {
    return VISIBILITIES.filter((name) => name !== "global" || this.may("secret:create_global", tenant));
  }
}
