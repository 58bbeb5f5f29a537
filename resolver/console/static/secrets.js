// The secrets of a tenant: a table that the server searches, sorts and cuts, and what can be done with each.

import { secrets } from "./api.js";
import { button, confirm, dialog, el, empty, field, icon, iconButton, problem, say, time } from "./dom.js";
import { Listing, nothingFound, settled } from "./listing.js";
import { exportSecrets, importSecrets } from "./moving.js";
import { KNOWN_TO, VISIBILITIES } from "./rules.js";
import { createSecret, editSecret, giveAway, widen } from "./secret_dialogs.js";
import { showHistory } from "./secret_history.js";
import { showValue } from "./secret_value.js";

let kept = { tenant: "", search: "", visibility: "", all: false, sort: "key", size: 50, offset: 0 };

export async function page(context) {
  const { rights, tenant } = context;
  if (kept.tenant !== tenant) kept = { ...kept, tenant, search: "", visibility: "", offset: 0 };
  if (!rights.may("all_tenants", tenant)) kept.all = false;

  const listing = new Listing({
    caption: `Secrets of tenant ${tenant}`,
    columns: columns(context, (wanted) => after(wanted)),
    sort: kept.sort,
    size: kept.size,
    load: async ({ size, offset, sort }) => {
      Object.assign(kept, { size, offset, sort });
      const query = [
        ["_size", size],
        ["_offset", offset],
        ["_sort", sort],
        ["_search", kept.search],
      ];
      if (kept.visibility) query.push(["visibility", kept.visibility]);
      if (kept.all) query.push(["_all_tenants", "true"]);
      return secrets.list(tenant, query);
    },
    none: () => (kept.search || kept.visibility ? nothingFound(kept.search) : [noSecrets()]),
  });
  listing.offset = kept.offset;

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
  const look = () => listing.reload({ first: true });
  const lookSoon = settled(look);
  const search = el("input", {
    type: "search",
    value: kept.search,
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "Part of a key",
    oninput: () => {
      kept.search = search.value.trim();
      lookSoon();
    },
  });
  const visibility = el(
    "select",
    {
      onchange: () => {
        kept.visibility = visibility.value;
        look();
      },
    },
    el("option", { value: "" }, "any"),
    ...VISIBILITIES.map((name) => el("option", { value: name, selected: name === kept.visibility }, name)),
  );
  const all = el("input", {
    type: "checkbox",
    checked: kept.all,
    onchange: () => {
      kept.all = all.checked;
      look();
    },
  });
  const bar = el(
    "div",
    { class: "bar" },
    el("h1", {}, "Secrets"),
    el("div", { class: "grow" }, field("Search", search)),
    field("Visibility", visibility),
    rights.may("all_tenants", tenant) ? field("All tenants", all) : null,
    rights.may("secret:import", tenant) ? button("Import", () => after(importSecrets(context))) : null,
    rights.may("secret:export", tenant) ? button("Export", () => exportSecrets(context, kept)) : null,
    rights.may("secret:create", tenant) ? button("Create secret", create, "main") : null,
  );
  await listing.reload();
  if (context.argument && context.isCurrent()) {
    history.replaceState(null, "", context.link("secrets")); // loading the page again does not ask again
    if (rights.may("secret:create", tenant))
      queueMicrotask(() => after(createSecret(context, context.argument)));
  }
  return [bar, listing.root];
}

function columns(context, after) {
  return [
    {
      title: "Key",
      field: "key",
      kind: "key",
      cell: (secret) => [el("span", {}, secret.key), ...notes(secret)],
    },
    { title: "Visibility", field: "visibility", cell: (secret) => visibilityOf(secret, context, after) },
    { title: "Hidden", field: "hidden", cell: (secret) => hiddenOf(secret, context, after) },
    { title: "Tenant", field: "tenant", cell: (secret) => secret.tenant },
    { title: "Owner", field: "owner", cell: (secret) => secret.owner },
    { title: "Created", field: "created_at", cell: (secret) => time(secret.created_at) },
    { title: "Updated", field: "updated_at", cell: (secret) => time(secret.updated_at) },
    { title: "Version", field: "version", cell: (secret) => String(secret.version) },
    { title: "Actions", unseen: true, kind: "actions", cell: (secret) => actions(secret, context, after) },
  ];
}

function notes(secret) {
  const now = new Date().toISOString();
  const tags = [];
  if (secret.description) tags.push(el("span", { class: "quiet" }, secret.description));
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
    await dialog("That did not work", { fields: [problem(error)] });
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
  });
}

function actions(secret, context, after) {
  const { rights, tenant } = context;
  const act = (name, words, onclick) =>
    iconButton(name, `${words} ${secret.key}`, onclick, { "data-focus": `${name} ${secret.id}` });
  return [
    rights.shows(secret, tenant) ? act("eye", "Show the value of", () => showValue(context, secret)) : null,
    rights.changes(secret) ? act("edit", "Edit", () => after(editSecret(context, secret))) : null,
    act("history", "History of", () => after(showHistory(context, secret))),
    rights.may("audit:read", tenant)
      ? el(
          "a",
          {
            class: "quiet-button",
            href: context.link("uses", secret.key),
            "aria-label": `Uses of ${secret.key}`,
            title: `Uses of ${secret.key}`,
          },
          icon("uses"),
        )
      : null,
    rights.may("secret:set_owner", secret.tenant)
      ? act("owner", "Change the owner of", () => after(giveAway(context, secret)))
      : null,
    rights.removes(secret) ? act("trash", "Delete", () => after(remove(context, secret))) : null,
  ];
}

function remove(context, secret) {
  const text = `Secret ${secret.key} of tenant ${secret.tenant} goes away with all ${secret.version === 1 ? "it holds" : `its ${secret.version} versions`}. Blueprints that ask for it will not resolve. This can't be undone.`;
  return confirm(`Delete ${secret.key}?`, text, "Delete", async () => {
    await secrets.remove(context.rights.from(secret, context.tenant), secret.key, secret.version);
    say(`Secret ${secret.key} deleted`);
  });
}
