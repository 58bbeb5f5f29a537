// Talks to the server. The proof of the session lives in this module and nowhere else: no storage, no URL.

const OWN = "/api/v1/resolver";
const TIMEOUT_MS = 30_000;

let proof = "";
let onSignedOut = () => {};

export class ApiError extends Error {
  constructor(status, body) {
    super(body.message || `the server answered with status ${status}`);
    this.status = status;
    this.hint = body.hint || "";
    this.problems = body.problems || [];
  }
}

export function whenSignedOut(call) {
  onSignedOut = call;
}

/** Ask the server; the answer's body as data. `tenant` goes into the header, `query` behind the path. */
export async function ask(method, path, { body, tenant, query, quiet = false } = {}) {
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
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    const late = error.name === "TimeoutError";
    throw new ApiError(0, {
      message: late ? "the server did not answer in time" : "the server can't be reached",
      hint: "try again; what was typed is still here",
    });
  }
  const text = answer.status === 204 ? "" : await answer.text();
  let data = {};
  try {
    data = text ? JSON.parse(text) : {};
  } catch {
    throw new ApiError(answer.status, { message: "the server's answer is not understood" });
  }
  if (answer.ok) return data;
  if (answer.status === 401 && !quiet) {
    proof = "";
    onSignedOut();
  }
  throw new ApiError(answer.status, data);
}

export const own = (method, path, options) => ask(method, OWN + path, options);

const at = (key) => `/secrets/${encodeURIComponent(key)}`;

export const session = {
  async resume() {
    const found = await own("GET", "/session", { quiet: true });
    proof = found.csrf_token;
    return found.username;
  },
  async open(credentials) {
    const found = await own("POST", "/session", { body: credentials, quiet: true });
    proof = found.csrf_token;
    return found.username;
  },
  async close() {
    await own("DELETE", "/session", { quiet: true });
    proof = "";
  },
  whoami: () => own("GET", "/whoami"),
};

export const secrets = {
  list: (tenant, query) => own("GET", "/secrets", { tenant, query }),
  create: (tenant, key, body) => own("PUT", at(key), { tenant, body }),
  show: (tenant, key) => own("GET", at(key), { tenant }),
  change: (tenant, key, body) => own("PATCH", at(key), { tenant, body }),
  remove: (tenant, key) => own("DELETE", at(key), { tenant }),
  history: (tenant, key) => own("GET", `${at(key)}/history`, { tenant }),
  rollBack: (tenant, key, body) => own("POST", `${at(key)}/rollback`, { tenant, body }),
};
