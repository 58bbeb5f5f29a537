// Talks to the server. The proof of the session lives in this module and nowhere else: no storage, no URL.

import { restart } from "./dom.js";

const OWN = "/api/v1/resolver";
const TIMEOUT_MS = 30_000;
const PATIENT_MS = 600_000; // for what goes through all secrets or records

let proof = "";
let onSignedOut = async () => false;
let onUnconfirmed = async () => false;
let signedIn = "";
let terms = { idle: 0, until: 0, used: 0, password: 0 }; // of the session: milliseconds, on this machine's clock
let onUsed = () => {};

export class ApiError extends Error {
  constructor(status, body) {
    const hint = body.hint || "";
    let message = body.message || `the server answered with status ${status}`;
    // Cloudify's API has the hint in the message, too: its own client shows nothing else.
    if (hint && message.endsWith(` (${hint})`)) message = message.slice(0, -hint.length - 3);
    super(message);
    this.status = status;
    this.hint = hint;
    this.kind = body.kind || "";
    this.problems = body.problems || [];
  }
}

export function whenSignedOut(call) {
  onSignedOut = call;
}

/** Called after each answer to a session: it lasts longer then. */
export function whenUsed(call) {
  onUsed = call;
}

export function whenUnconfirmed(call) {
  onUnconfirmed = call;
}

/**
 * Ask the server; the answer's body as data. `tenant` goes into the header, `query` behind the path.
 * When the session has ended one is asked to sign in again, and when the password has to be given again for
 * what was asked, one is asked for that; then the request is made once more.
 */
export async function ask(method, path, options = {}) {
  const sent = proof;
  try {
    return await askOnce(method, path, options);
  } catch (error) {
    if (options.quiet) throw error;
    const again =
      (error.kind === "Unconfirmed" && (await onUnconfirmed())) ||
      (error.status === 401 && (await onSignedOut())) || (error.status === 403 && (await isNewer(sent)));
    if (!again) throw error;
    return askOnce(method, path, options);
  }
}

/** Whether another page of this browser opened a session of the same person meanwhile. */
async function isNewer(sent) {
  try {
    const found = await askOnce("GET", `${OWN}/session`, {});
    if (found.csrf_token === sent) return false;
    if (found.username !== signedIn) {
      restart();
      return false;
    }
    keep(found);
    return true;
  } catch {
    return false;
  }
}

async function askOnce(method, path, { body, tenant, query, patient }) {
  const headers = {};
  if (proof) headers["X-CSRF-Token"] = proof;
  if (tenant) headers["Tenant"] = tenant;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const parameters = new URLSearchParams(query || []).toString();
  let answer;
  try {
    answer = await fetch(parameters ? `${path}?${parameters}` : path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
      referrerPolicy: "no-referrer",
      signal: AbortSignal.timeout(patient ? PATIENT_MS : TIMEOUT_MS),
    });
  } catch (error) {
    const late = error.name === "TimeoutError";
    throw new ApiError(0, {
      message: late ? "the server did not answer in time" : "the server can't be reached",
      hint:
        method === "GET"
          ? ""
          : "what was typed is still here; see whether it was done all the same before you try again",
    });
  }
  const text = answer.status === 204 ? "" : await answer.text();
  let data = {};
  try {
    data = text ? JSON.parse(text) : {};
  } catch {
    throw new ApiError(answer.status, { message: "the server's answer is not understood" });
  }
  if (answer.status !== 401) session.used(Date.now());
  onUsed();
  if (answer.ok) return data;
  throw new ApiError(answer.status, data);
}

export const own = (method, path, options) => ask(method, OWN + path, options);

const at = (key) => `/secrets/${encodeURIComponent(key)}`;

function keep(found) {
  proof = found.csrf_token;
  signedIn = found.username;
  const now = Date.now();
  terms = {
    idle: found.idle_seconds * 1000,
    until: now + found.seconds_left * 1000,
    used: now,
    password: found.password_length,
  };
  return found.username;
}

export const session = {
  /** When it ends unless something is asked before, and when it does at the latest. */
  ends: () => ({ unused: Math.min(terms.used + terms.idle, terms.until), latest: terms.until }),
  /** It was used then, by this page or another one of this browser. */
  used: (at) => (terms.used = Math.max(terms.used, at)),
  passwordLength: () => terms.password,
  async resume() {
    const found = await own("GET", "/session", { quiet: true });
    return keep(found);
  },
  async open(credentials) {
    const found = await own("POST", "/session", { body: credentials, quiet: true });
    return keep(found);
  },
  /** How people sign in here: by which providers, and whether by passwords. */
  ways: () => own("GET", "/sign-in", { quiet: true }),
  /** Begin a sign-in by a provider; where the browser has to go. */
  async begin(provider, purpose) {
    return (await own("POST", "/sign-in", { body: { provider, purpose }, quiet: true })).url;
  },
  /** End the sign-in that the provider sent the browser back from; what it was for. */
  async finish(answer) {
    const found = await own("POST", "/sign-in/finish", { body: answer, quiet: true });
    keep(found.session);
    return found.purpose;
  },
  confirm: (password) => own("POST", "/session/confirm", { body: { password }, quiet: true }),
  async close() {
    await session.resume(); // another page may have opened a newer one
    await own("DELETE", "/session", { quiet: true });
    proof = "";
  },
  whoami: () => own("GET", "/whoami"),
};

export const secrets = {
  list: (tenant, query) => own("GET", "/secrets", { tenant, query }),
  /** What a tenant's users know under a key, without its value; undefined where there is nothing. */
  async find(tenant, key) {
    const { items } = await secrets.list(tenant, [["key", key]]);
    return items.find((one) => one.tenant === tenant) ?? items[0];
  },
  create: (tenant, key, body) => own("PUT", at(key), { tenant, body }),
  show: (tenant, key) => own("GET", at(key), { tenant }),
  change: (tenant, key, body) => own("PATCH", at(key), { tenant, body }),
  remove: (tenant, key, version) => own("DELETE", at(key), { tenant, query: { if_version: version } }),
  uses: (tenant, key, run) =>
    own("GET", `${at(key)}/uses`, { tenant, query: run ? { run } : {}, patient: true }),
  access: (tenant, key) => own("GET", `${at(key)}/access`, { tenant }),
  history: (tenant, key) => own("GET", `${at(key)}/history`, { tenant }),
  rollBack: (tenant, key, body) => own("POST", `${at(key)}/rollback`, { tenant, body }),
};

const trustAt = (name, more = "") => `/trusts/${encodeURIComponent(name)}${more}`;

export const trusts = {
  list: () => own("GET", "/trusts"),
  create: (name, body) => own("PUT", trustAt(name), { body }),
  change: (name, body) => own("PATCH", trustAt(name), { body }),
  remove: (name) => own("DELETE", trustAt(name)),
  test: (name, jwt) => own("POST", trustAt(name, "/test"), { body: { jwt } }),
};

const approvalAt = (id, more = "") => `/approvals/${encodeURIComponent(id)}${more}`;

export const approvals = {
  list: (tenant) => own("GET", "/approvals", { tenant }),
  bundle: (tenant, id) => own("GET", approvalAt(id, "/bundle"), { tenant }),
  grant: (tenant, id, body) => own("POST", approvalAt(id, "/grant"), { tenant, body }),
  deny: (tenant, id, body) => own("POST", approvalAt(id, "/deny"), { tenant, body }),
};

export const moving = {
  seal: (tenant, body) => own("POST", "/sealed-export", { tenant, body, patient: true }),
  open: (tenant, body) => own("POST", "/sealed-import", { tenant, body, patient: true }),
};

export const blueprints = {
  check: (tenant, body) => own("POST", "/check-blueprint", { tenant, body }),
};

export const trail = {
  list: (query) => own("GET", "/audit", { query }),
  head: (tenant) => own("GET", "/audit/head", { query: { tenant } }),
  verify: (tenant) => own("GET", "/audit/verify", { query: { tenant }, patient: true }),
  uses: (tenant) => own("GET", "/uses", { tenant, patient: true }),
  access: (tenant, query) => own("GET", "/access", { tenant, query }),
  unused: (tenant) => own("GET", "/audit/unused", { query: { tenant }, patient: true }),
  stale: (tenant, key = "") =>
    own("GET", "/audit/stale", { query: { tenant, ...(key ? { key } : {}) }, patient: true }),
};

const V31 = "/api/v3.1";
const named = (path, name) => `${V31}${path}/${encodeURIComponent(name)}`;

/** A part of a list of Cloudify's API, as a listing asks for it. */
async function part(path, { size, offset, sort, search }, more = {}) {
  const asked = { _size: size, _offset: offset, _sort: sort, _search: search, ...more };
  const query = Object.entries(asked).filter(([, value]) => value);
  const found = await ask("GET", V31 + path, { query });
  return { items: found.items, total: found.metadata.pagination.total };
}

export const tenants = {
  list: (wanted) => part("/tenants", wanted),
  get: (name) => own("GET", `/tenants/${encodeURIComponent(name)}`),
  create: (name) => ask("POST", named("/tenants", name), { body: {} }),
  remove: (name) => ask("DELETE", named("/tenants", name)),
  add: (body) => ask("PUT", `${V31}/tenants/users`, { body }),
  change: (body) => ask("PATCH", `${V31}/tenants/users`, { body }),
  drop: (body) => ask("DELETE", `${V31}/tenants/users`, { body }),
};

export const users = {
  list: (wanted) => part("/users", wanted, { _get_data: true }),
  create: (body) => ask("PUT", `${V31}/users`, { body }),
  change: (name, body) => ask("POST", named("/users", name), { body }),
  activate: (name, action) => ask("POST", named("/users/active", name), { body: { action } }),
  unlock: (name) => ask("POST", named("/users/unlock", name)),
  remove: (name, heir) =>
    own("DELETE", `/users/${encodeURIComponent(name)}`, { query: heir ? { reassign_to: heir } : {} }),
};

export const tokens = {
  list: (wanted) => part("/tokens", wanted),
  create: (body) => ask("POST", `${V31}/tokens`, { body }),
  revoke: (id) => ask("DELETE", named("/tokens", id)),
};
