// Trusts: which workloads act as which user, by the JWTs that their platforms sign. Nothing in one is secret.

import { narrowedTo } from "./account.js";
import { trusts } from "./api.js";
import {
  button,
  choices,
  confirm,
  dialog,
  el,
  empty,
  field,
  listed,
  rowActions,
  say,
  wordInput,
} from "./dom.js";
import { Listing, nothingFound, searchField } from "./listing.js";

const KINDS = {
  github: {
    issuer: "https://token.actions.githubusercontent.com",
    help: "Name repository_id; or repository_owner_id and repository. ref, environment and workflow may have *.",
  },
  gitlab: {
    issuer: "https://gitlab.com",
    help: "Name project_id or namespace_id; with ref also ref_type. Only protected refs fit.",
  },
  kubernetes: {
    issuer: "https://kubernetes.default.svc.cluster.local",
    help: "Name /kubernetes.io/namespace, /kubernetes.io/serviceaccount/name and /kubernetes.io/serviceaccount/uid.",
  },
  generic: { issuer: "", help: "Name at least one claim that is one workload's own, like sub." },
};
/** What no token of a trust has: workloads have no system role. */
const BEYOND = /^(?!secret:|provider:|audit:read)|:(create_global|set_owner|credentials)$/;
const LIFETIME = { least: 1, most: 60, usual: 15 }; // minutes

export async function page(context) {
  const { rights } = context;
  const after = async (done) => {
    if (await done) await listing.reload();
  };
  const listing = new Listing({
    context,
    caption: "Trusts",
    sort: "name",
    columns: [
      { title: "Trust", field: "name", kind: "key", cell: (trust) => trust.name },
      { title: "State", field: "enabled", kind: "plain", cell: stateOf },
      { title: "Issuer", field: "issuer", cell: (trust) => `${trust.issuer} (${trust.kind})` },
      { title: "Acts as", field: "username", cell: (trust) => trust.username },
      { title: "Claims", cell: (trust) => trust.claims.map(written).join(", ") },
      { title: "Narrowed to", cell: narrowedTo },
      { title: "Actions", unseen: true, kind: "actions", cell: (trust) => actions(context, trust, after, reload) },
    ],
    load: async ({ size, offset, sort, search }) => {
      const [by, down] = [sort.replace("-", ""), sort.startsWith("-") ? -1 : 1];
      const items = (await trusts.list()).items
        .filter((one) => [one.name, one.username, one.issuer].some((text) => text.includes(search)))
        .sort((a, b) => down * String(a[by]).localeCompare(String(b[by])));
      return { items: items.slice(offset, offset + size), total: items.length };
    },
    none: () => (listing.filters.search ? nothingFound(listing.filters.search) : [noTrusts()]),
  });
  const reload = () => listing.reload().then(() => "The list of trusts was read again.");
  const create = () => after(edit(context, null));
  const noTrusts = () =>
    empty(
      "No trusts",
      "A trust lets the jobs of a platform in by the identity that it signs for each: no token is stored there.",
      button("Create trust", create, "main"),
    );
  await listing.reload();
  const words = rights.isAdmin
    ? "Whoever shows a JWT that fits gets a token of minutes, as a service user without a password."
    : "Trusts that let your own workloads act as you, within your rights.";
  return [
    el(
      "div",
      { class: "bar" },
      el("h1", {}, "Trusts"),
      searchField("Part of a name, a user or an issuer", listing),
      button("Create trust", create, "main"),
    ),
    el("p", { class: "quiet" }, words),
    listing.root,
  ];
}

function stateOf(trust) {
  return trust.enabled ? el("span", { class: "good" }, "on") : el("span", { class: "bad" }, "turned off");
}

function actions(context, trust, after, changed) {
  const { name } = trust;
  const act = (icon, words, label, call) => ({ icon, words, label, onclick: () => after(call()) });
  const turn = (enabled) => async () => {
    await trusts.change(name, { enabled });
    say(`Trust ${name} is ${enabled ? "on" : "turned off"}`);
  };
  return rowActions(name, name, [
    act("role", "Test", `Test trust ${name}`, () => test(trust)),
    act("edit", "Edit", `Edit trust ${name}`, () => edit(context, trust, changed)),
    trust.enabled
      ? act("off", "Turn off", `Turn off trust ${name}`, () =>
          confirm(
            `Turn off trust ${name}?`,
            "Its tokens end at once, and no JWT is exchanged. It can be turned on again.",
            "Turn off",
            turn(false),
            { changed },
          ),
        )
      : act("on", "Turn on", `Turn on trust ${name}`, () =>
          confirm(`Turn on trust ${name}?`, facts(trust), "Turn on", turn(true), { changed }),
        ),
    act("trash", "Delete", `Delete trust ${name}`, () =>
      confirm(
        `Delete trust ${name}?`,
        "Its tokens end at once, and its workloads are refused. This can't be undone.",
        "Delete",
        async () => {
          await trusts.remove(name);
          say(`Trust ${name} deleted`);
        },
        { changed },
      ),
    ),
  ]);
}

const facts = (trust) =>
  `Workloads of ${trust.issuer} with ${trust.claims.map(written).join(", ")} act as ${trust.username} then.`;

/** Say what of a JWT does not fit, or whether the issuer's keys can be had. Nothing is exchanged. */
async function test(trust) {
  const jwt = el("textarea", { rows: 5, autocomplete: "off", spellcheck: "false", autocapitalize: "none" });
  const found = el("div", { role: "status" });
  const look = async () => {
    found.replaceChildren(el("p", { class: "quiet" }, "Asking the issuer…"));
    const { fits, problems, key_ids: keys } = await trusts.test(trust.name, jwt.value.trim());
    const words = jwt.value.trim() ? "The JWT fits." : "The issuer's keys can be had.";
    found.replaceChildren(
      el("p", {}, el("strong", { class: fits ? "good" : "bad" }, fits ? `✓ ${words}` : "✗ This does not fit:")),
      el("ul", {}, ...problems.map((one) => el("li", {}, one))),
      el("p", { class: "quiet" }, keys.length > 0 ? `Keys of the issuer: ${keys.join(", ")}.` : "No keys."),
    );
  };
  const tell = (error) => {
    found.replaceChildren();
    throw error;
  };
  await dialog(`Test trust ${trust.name}`, {
    wide: true,
    fields: [
      field("JWT", jwt, "Empty: only the issuer's keys are looked at. It is checked, and neither exchanged nor kept."),
      found,
    ],
    action: "Test",
    stillOpen: true,
    submit: () => look().catch(tell),
  });
  return false;
}

/** How a rule is written here: NAME=TEXT, NAME:=JSON for a number or a boolean, NAME~=TEXT for a list's item. */
function written({ claim, value, contains }) {
  if (contains) return `${claim}~=${value}`;
  return typeof value === "string" ? `${claim}=${value}` : `${claim}:=${value}`;
}

function rule(text) {
  const [, claim, kind, value] = /^([^=]+?)([:~]?)=(.+)$/.exec(text) ?? [];
  const plain = kind === ":" ? { true: true, false: false }[value] ?? (/^-?\d+$/.test(value) ? Number(value) : null) : value;
  if (!claim || plain === null || (typeof plain === "number" && !Number.isSafeInteger(plain)))
    throw new Error(`for the claim ${text} write NAME=TEXT; NAME:=5 or NAME:=true; NAME~=TEXT for what a list holds`);
  return { claim, value: plain, contains: kind === "~" };
}

/** Make a trust, or change one: then only what is another now is sent. */
function edit(context, trust, changed) {
  const { rights } = context;
  const area = (value, rows = 4) => {
    const made = el("textarea", { rows, autocomplete: "off", spellcheck: "false", autocapitalize: "none" });
    made.value = value ?? "";
    return made;
  };
  const name = wordInput({ required: true, maxlength: 256 });
  const kind = el("select", {}, ...Object.keys(KINDS).map((one) => el("option", { value: one }, one)));
  const issuer = wordInput({ required: true, type: "url" });
  const user = wordInput({ required: true });
  const audience = wordInput({ value: trust?.audience ?? "", maxlength: 512 });
  const claims = area(trust?.claims.map(written).join("\n"));
  const granted = [...new Set(Object.values(rights.me.permissions).flat())].filter((one) => !BEYOND.test(one)).sort();
  const permissions = choices("Permissions", granted, "At least one.", trust?.permissions ?? ["secret:use"]);
  const tenants = choices("Tenants", rights.tenants, "At least one.", trust?.tenants ?? [context.tenant]);
  const keys = wordInput({ required: true, value: trust?.keys.join(", ") ?? "", placeholder: "shop_*, db_password" });
  const lifetime = el("input", {
    type: "number",
    required: true,
    min: LIFETIME.least,
    max: LIFETIME.most,
    value: trust ? trust.lifetime / 60 : LIFETIME.usual,
    step: "any",
  });
  const url = wordInput({ type: "url", value: trust?.jwks_url ?? "" });
  const [jwks, ca] = [area(trust?.jwks), area(trust?.ca)];
  const open = el("input", { type: "checkbox" });
  const isOpen = field("Branches and tags that are not protected fit, too", open);
  const help = el("p", { class: "help" });
  const tell = () => {
    const chosen = trust?.kind ?? kind.value;
    help.textContent = `One a line: NAME=TEXT. ${KINDS[chosen].help}`;
    isOpen.hidden = chosen !== "gitlab";
    if (!trust && Object.values(KINDS).some((one) => one.issuer === issuer.value)) issuer.value = KINDS[chosen].issuer;
  };
  kind.addEventListener("change", tell);
  tell();
  const given = () => ({
    audience: audience.value.trim(),
    claims: claims.value.split("\n").map((line) => line.trim()).filter(Boolean).map(rule),
    permissions: permissions.read() ?? [],
    tenants: tenants.read() ?? [],
    keys: listed(keys.value),
    lifetime: Math.round(Number(lifetime.value) * 60),
    jwks: jwks.value.trim() || null,
    jwks_url: url.value.trim() || null,
    ca: ca.value.trim() || null,
  });
  const before = trust && given();
  const who = rights.isAdmin
    ? field("Acts as", user, "A service user: active, without a password and without a system role.")
    : null;
  const fixed = [
    field("Name", name),
    field("Kind", kind),
    field("Issuer", issuer, "As its JWTs have it, byte for byte. Its host has to be allowed by the server's settings."),
    who,
  ];
  return dialog(trust ? `Edit trust ${trust.name}` : "Create trust", {
    wide: true,
    fields: [
      ...(trust ? [el("p", {}, facts(trust).replace(" then.", "."))] : fixed),
      field("Claims", claims),
      help,
      isOpen,
      permissions.node,
      tenants.node,
      field("Keys", keys, "Patterns, separated by commas; * is all keys."),
      field("Minutes that a token lives", lifetime, `${LIFETIME.least} to ${LIFETIME.most}, from the exchange.`),
      el(
        "details",
        {},
        el("summary", {}, "Audience, keys of the issuer"),
        field("Audience", audience, "Empty: this server's public URL."),
        field("Key set's URL", url, "Empty: the issuer says where."),
        field("Key set", jwks, "JSON, where it is not to be fetched."),
        field("Authorities", ca, "Certificates as PEM that the issuer's server is verified against."),
      ),
    ],
    action: trust ? "Save" : "Create",
    changed,
    submit: async () => {
      const wanted = given();
      if (!trust) {
        const asked = { ...wanted, kind: kind.value, issuer: issuer.value.trim(), unprotected_refs: open.checked };
        await trusts.create(name.value.trim(), {
          ...asked,
          username: rights.isAdmin ? user.value.trim() : rights.me.username,
        });
        say(`Trust ${name.value.trim()} created`);
        return;
      }
      const others = Object.entries(wanted).filter(
        ([one, value]) => JSON.stringify(value) !== JSON.stringify(before[one]),
      );
      if (others.length === 0) throw new Error("nothing was changed");
      await trusts.change(trust.name, { ...Object.fromEntries(others), unprotected_refs: open.checked });
      say(`Trust ${trust.name} updated`);
    },
  });
}
