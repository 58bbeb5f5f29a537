// What is one's own: roles, password, access tokens. For sys_admins also the tokens of others.

import { tokens, users } from "./api.js";
import { copyForAWhile } from "./clipboard.js";
import {
  button,
  confirm,
  dialog,
  el,
  empty,
  field,
  iconButton,
  newPassword,
  problem,
  say,
  time,
  wordInput,
} from "./dom.js";
import { Listing } from "./listing.js";

export async function page(context) {
  const { rights } = context;
  const me = rights.me;
  const after = async (done) => {
    if (await done) await listing.reload();
  };
  const listing = new Listing({
    caption: "Access tokens",
    size: 25,
    columns: [
      { title: "Token", kind: "key", cell: (token) => token.value },
      ...(rights.isAdmin ? [{ title: "User", field: "username", cell: (token) => token.username }] : []),
      { title: "For", cell: (token) => token.description || "–" },
      { title: "Narrowed to", cell: narrowed },
      { title: "Expires", field: "expiration_date", cell: (token) => time(token.expiration_date) || "never" },
      { title: "Last used", field: "last_used", cell: (token) => time(token.last_used) || "–" },
      {
        title: "Actions",
        unseen: true,
        kind: "actions",
        cell: (token) => [button("Revoke", () => after(revoke(token)), "small")],
      },
    ],
    load: async ({ size, offset, sort }) => {
      const found = await tokens.list([
        ["_size", size],
        ["_offset", offset],
        ...(sort ? [["_sort", sort]] : []),
      ]);
      return { items: found.items, total: found.metadata.pagination.total };
    },
    none: () => [empty("No tokens", "A token lets a pipeline or a command act for you.")],
  });
  await listing.reload();
  return [
    el("div", { class: "bar" }, el("h1", {}, "Account")),
    el(
      "section",
      { class: "card" },
      el(
        "div",
        { class: "bar" },
        el("h2", { class: "grow" }, me.username),
        button("Change password", () => changePassword(me.username)),
      ),
      el(
        "p",
        {},
        rights.isAdmin
          ? "You are sys_admin: you may do everything in every tenant."
          : rights.tenants.length > 0
            ? "Your roles:"
            : "You belong to no tenant yet. A sys_admin can make you a member of one.",
      ),
      Object.keys(me.roles).length > 0
        ? el(
            "ul",
            {},
            ...Object.entries(me.roles).map(([tenant, role]) => el("li", {}, `${role} in ${tenant}`)),
          )
        : null,
    ),
    el(
      "div",
      { class: "bar" },
      el("h2", { class: "grow" }, rights.isAdmin ? "Access tokens of all users" : "Your access tokens"),
      button("Create token", () => after(createToken(context)), "main"),
    ),
    listing.root,
  ];
}

function narrowed(token) {
  const parts = [
    ["", token.permissions],
    ["tenants ", token.tenants],
    ["from ", token.networks],
    ["keys ", token.keys],
  ].filter(([, names]) => names !== null && names !== undefined);
  if (parts.length === 0) return el("span", { class: "quiet" }, "not narrowed");
  return parts.map(([words, names]) => `${words}${names.join(", ") || "none"}`).join("; ");
}

function revoke(token) {
  return confirm(
    `Revoke token ${token.id}?`,
    "Whatever uses it is refused at once. This can't be undone.",
    "Revoke",
    async () => {
      await tokens.revoke(token.id);
      say("Token revoked");
    },
  );
}

function createToken(context) {
  const { rights } = context;
  const text = (help) => wordInput({ placeholder: help });
  const [description, keys] = [text(""), text("shop_*, db_password")];
  const username = text(rights.me.username);
  const expires = el("input", { type: "datetime-local" });
  const permissions = [...new Set(Object.values(rights.me.permissions).flat())].sort();
  const permission = el(
    "select",
    { multiple: true, size: 5 },
    ...permissions.map((name) => el("option", { value: name }, name)),
  );
  const tenant = el(
    "select",
    {},
    el("option", { value: "" }, "all of the user's tenants"),
    ...rights.tenants.map((name) => el("option", { value: name }, name)),
  );
  return dialog("Create access token", {
    fields: [
      rights.isAdmin ? field("For user", username, "Empty: for yourself.") : null,
      field("What it is for", description),
      field("Permission", permission, "None: all that the user may. A pipeline that resolves blueprints needs secret:use only."),
      field("Tenant", tenant),
      field("Keys", keys, "Optional patterns, separated by commas. Only keys that match can be named."),
      field("Expires", expires, "Optional."),
    ],
    action: "Create",
    first: description,
    submit: async () => {
      const patterns = keys.value
        .split(",")
        .map((one) => one.trim())
        .filter(Boolean);
      const made = await tokens.create({
        description: description.value.trim(),
        ...(username.value.trim() ? { username: username.value.trim() } : {}),
        permissions: permission.value ? [...permission.selectedOptions].map((one) => one.value) : null,
        tenants: tenant.value ? [tenant.value] : null,
        keys: patterns.length > 0 ? patterns : null,
        expiration_date: expires.value
          ? new Date(expires.value).toISOString().slice(0, 16).replace("T", " ")
          : null,
      });
      queueMicrotask(() => showToken(made));
    },
  });
}

/** A token is whole here and never again. */
function showToken(made) {
  const errors = el("div", {});
  const copy = () => copyForAWhile(made.value).catch((error) => errors.replaceChildren(problem(error)));
  return dialog("Your new token", {
    wide: true,
    fields: [
      el("p", {}, "Copy it now: it is not shown again."),
      el("pre", { class: "value", tabindex: 0, translate: "no" }, made.value),
      el("div", { class: "bar middle" }, iconButton("copy", "Copy the token", copy)),
      errors,
    ],
  });
}

function changePassword(name) {
  const password = newPassword("New password");
  return dialog("Change your password", {
    fields: [
      el("p", {}, "All your sessions end, this one, too: sign in with the new password after that."),
      ...password.nodes,
    ],
    action: "Change password",
    submit: async () => {
      await users.change(name, { password: password.read() });
      location.reload(); // to the sign-in: the session has ended
    },
  });
}
