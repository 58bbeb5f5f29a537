// The secrets of a tenant: a table that the server searches, sorts and cuts, and what can be done with each.

import { secrets } from "./api.js";
import { button, confirm, dialog, el, empty, field, icon, problem, rowActions, say, time } from "./dom.js";
import { Listing, nothingFound, searchField } from "./listing.js";
import { exportSecrets, importSecrets } from "./moving.js";
import { inDays, KNOWN_TO, VISIBILITIES } from "./rules.js";
import { createSecret, editSecret, giveAway, widen } from "./secret_dialogs.js";
import { showHistory } from "./secret_history.js";
import { secretPage } from "./secret_page.js";
import { showValue } from "./secret_value.js";

/** In an address that asks to create a secret: its key is still to be typed. It can't be one. */
export const NO_KEY = "-";

export async function page(context) {
  const { rights, tenant } = context;
  if (context.argument) return secretPage(context, context.argument, { actions, notes, whatChanged });
  const opened = context.query.get("create"); // the address does not ask again when it is loaded again
  const mayAll = rights.may("all_tenants", tenant);
  const listing = new Listing({
    context,
    caption: `Secrets of tenant ${tenant}`,
    columns: columns(context, (wanted) => after(wanted)),
    filters: { visibility: "", ends: "", all: "" },
    sort: "key",
    load: ({ size, offset, sort, search, visibility, ends, all }) => {
      const asked = {
        _size: size,
        _offset: offset,
        _sort: sort,
        _search: search,
        visibility,
        ends_by: ENDS.includes(ends) ? inDays(ends) : "",
        _all_tenants: mayAll && all ? "true" : "",
      };
      return secrets.list(tenant, Object.entries(asked).filter(([, value]) => value !== ""));
    },
    none: () => {
      const { search, ...others } = listing.filters;
      return search || Object.values(others).some(Boolean) ? nothingFound(search) : [noSecrets()];
    },
  });
  context.changed = async (secret) => {
    const words = secret ? await whatChanged(context, secret) : "";
    await listing.reload();
    return words;
  };

  async function after(wanted) {
    if (await wanted) await listing.reload();
  }

  function noSecrets() {
    const text = rights.may("secret:create", tenant)
      ? "A blueprint asks for a secret by its key: { get_secret: db_password }."
      : "Nobody has put a secret in here that you may know of.";
    return empty(
      "No secrets yet",
      text,
      ...(rights.may("secret:create", tenant) ? [button("Create secret", create, "main")] : []),
    );
  }

  const create = () => after(createSecret(context));
  const visibility = el(
    "select",
    { onchange: () => listing.filter("visibility", visibility.value) },
    el("option", { value: "" }, "any"),
    ...VISIBILITIES.map((name) =>
      el("option", { value: name, selected: name === listing.filters.visibility }, name),
    ),
  );
  const ends = el(
    "select",
    { onchange: () => listing.filter("ends", ends.value) },
    el("option", { value: "" }, "any time"),
    ...ENDS.map((days) =>
      el("option", { value: days, selected: days === listing.filters.ends }, `within ${days} days`),
    ),
  );
  const all = el("input", {
    type: "checkbox",
    checked: listing.filters.all !== "",
    onchange: () => listing.filter("all", all.checked ? "yes" : ""),
  });
  const bar = el(
    "div",
    { class: "bar" },
    el("h1", {}, "Secrets"),
    searchField("Part of a key", listing),
    field("Visibility", visibility),
    field("Ends", ends),
    mayAll ? field("All tenants", all) : null,
    rights.may("secret:import", tenant) ? button("Import", () => after(importSecrets(context))) : null,
    rights.may("secret:export", tenant) ? button("Export", () => exportSecrets(context, listing.filters)) : null,
    rights.may("secret:create", tenant) ? button("Create secret", create, "main") : null,
  );
  await listing.reload();
  if (opened && context.isCurrent() && rights.may("secret:create", tenant))
    queueMicrotask(() => after(createSecret(context, opened === NO_KEY ? "" : opened)));
  return [bar, listing.root];
}

const ENDS = ["7", "30", "90"];

function columns(context, after) {
  return [
    {
      title: "Key",
      field: "key",
      kind: "key",
      cell: (secret) => [
        el("a", { href: context.at(secret), "data-focus": `key ${secret.id}` }, secret.key),
        ...notes(secret),
      ],
    },
    { title: "Visibility", field: "visibility", kind: "plain", cell: (secret) => visibilityOf(secret, context, after) },
    { title: "Hidden", field: "hidden", cell: (secret) => hiddenOf(secret, context, after) },
    { title: "Tenant", field: "tenant", kind: "name plain", cell: (secret) => secret.tenant },
    { title: "Owner", field: "owner", kind: "word", cell: (secret) => secret.owner },
    { title: "Created", field: "created_at", kind: "minor", cell: (secret) => time(secret.created_at) },
    { title: "Updated", field: "updated_at", cell: (secret) => time(secret.updated_at) },
    { title: "Version", field: "version", cell: (secret) => String(secret.version) },
    {
      title: "Actions",
      unseen: true,
      kind: "actions",
      cell: (secret) => rowActions(secret.key, secret.id, actions(secret, context, after)),
    },
  ];
}

function notes(secret) {
  const now = new Date().toISOString();
  const tags = [];
  if (secret.description) tags.push(el("span", { class: "quiet" }, secret.description));
  if (secret.protected_at) tags.push(el("span", { class: "tag warn" }, "protected"));
  if (secret.provider) tags.push(el("span", { class: "tag quiet" }, `kept with ${secret.provider}`));
  if (secret.expires_at) {
    const past = secret.expires_at <= now;
    tags.push(
      el(
        "span",
        { class: past ? "tag bad" : "tag quiet" },
        past ? "expired " : "expires ",
        time(secret.expires_at),
      ),
    );
  }
  if (secret.rotate_at && secret.rotate_at <= now)
    tags.push(el("span", { class: "tag warn" }, "rotation due"));
  return tags.map((tag) => el("div", { class: "note" }, tag));
}

function visibilityOf(secret, context, after) {
  const wider = context.rights.widerThan(secret);
  const words = `${secret.visibility}: known to ${KNOWN_TO[secret.visibility]}`;
  if (wider.length === 0)
    return el("span", { class: "tag", title: words }, icon(secret.visibility), secret.visibility);
  return el(
    "button",
    {
      type: "button",
      class: "quiet-button tag",
      title: `${words}. Widen it`,
      "aria-label": `Visibility of ${secret.key}: ${secret.visibility}. Widen it`,
      "data-focus": `visibility ${secret.id}`,
      onclick: () => after(widen(context, secret, wider)),
    },
    icon(secret.visibility),
    secret.visibility,
  );
}

function hiddenOf(secret, context, after) {
  if (!context.rights.hides(secret)) return secret.hidden ? "hidden" : el("span", { class: "quiet" }, "no");
  const box = el("input", {
    type: "checkbox",
    checked: secret.hidden,
    "aria-label": `Hide the value of ${secret.key}`,
    "data-focus": `hidden ${secret.id}`,
    onchange: async () => {
      box.disabled = true;
      const done = box.checked ? await hide(secret, context) : await unhide(secret, context);
      box.disabled = false;
      if (!done) box.checked = secret.hidden;
      else after(done);
    },
  });
  return box;
}

async function hide(secret, context) {
  try {
    await secrets.change(context.rights.from(secret, context.tenant), secret.key, {
      hidden: true,
      if_version: secret.version,
    });
    say(`The value of ${secret.key} is hidden`);
    return true;
  } catch (error) {
    const words = error.status === 404 || error.status === 409 ? await context.changed(secret) : "";
    await dialog("That did not work", { fields: [problem(error), words && el("p", {}, words)] });
    return false;
  }
}

function unhide(secret, context) {
  const text = `Everyone who may see secrets in tenant ${secret.tenant} will be able to read the value of ${secret.key}.`;
  return confirm("Stop hiding this value?", text, "Stop hiding", async () => {
    await secrets.change(context.rights.from(secret, context.tenant), secret.key, {
      hidden: false,
      if_version: secret.version,
    });
    say(`The value of ${secret.key} is not hidden any more`);
  }, { changed: () => context.changed(secret) });
}

function actions(secret, context, after) {
  const { rights, tenant } = context;
  const act = (icon, words, label, onclick) => ({ icon, words, label: `${label} ${secret.key}`, onclick });
  return [
    rights.shows(secret, tenant) && act("eye", "Show", "Show the value of", () => showValue(context, secret)),
    rights.changes(secret) && act("edit", "Edit", "Edit", () => after(editSecret(context, secret))),
    act("history", "History", "History of", () => after(showHistory(context, secret))),
    rights.may("audit:read", tenant) && {
      icon: "uses",
      words: "Uses",
      label: `Uses of ${secret.key}`,
      href: context.link("uses", secret.key),
    },
    rights.may("secret:set_owner", secret.tenant) &&
      act("owner", "Change owner", "Change the owner of", () => after(giveAway(context, secret))),
    rights.removes(secret) && act("trash", "Delete", "Delete", () => after(remove(context, secret))),
  ].filter(Boolean);
}

const TOLD = {
  version: "version",
  visibility: "visibility",
  owner: "owner",
  expires_at: "expiry",
  description: "description",
};

/**
 * Read a secret again after it was found to be another one.
 *
 * @returns what of it changed, in words; the secret has its new facts then
 */
async function whatChanged(context, secret) {
  const now = await secrets.find(context.rights.from(secret, context.tenant), secret.key);
  if (now?.id !== secret.id) return `Meanwhile ${secret.key} was deleted, or you may not know of it any more.`;
  const show = (value) => (value === null || value === undefined || value === "" ? "none" : String(value));
  const changes = Object.entries(TOLD)
    .filter(([name]) => show(secret[name]) !== show(now[name]))
    .map(([name, words]) => `${words} ${show(now[name])} in place of ${show(secret[name])}`);
  if (secret.hidden !== now.hidden) changes.push(now.hidden ? "it is hidden" : "it is not hidden");
  Object.assign(secret, now);
  if (changes.length === 0) return "";
  return `Meanwhile somebody changed it: ${changes.join(", ")}. Try again if you still want to.`;
}

function remove(context, secret) {
  const text = `Secret ${secret.key} of tenant ${secret.tenant} goes away with all ${secret.version === 1 ? "it holds" : `its ${secret.version} versions`}. Blueprints that ask for it will not resolve. This can't be undone.`;
  return confirm(`Delete ${secret.key}?`, text, "Delete", async () => {
    await secrets.remove(context.rights.from(secret, context.tenant), secret.key, secret.version);
    say(`Secret ${secret.key} deleted`);
  }, { changed: () => context.changed(secret) });
}
