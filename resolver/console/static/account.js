// What is one's own: roles, password, access tokens. For sys_admins also the tokens of others.

import { session, tokens, users } from "./api.js";
import { copyForAWhile } from "./clipboard.js";
import {
  button,
  choices,
  confirm,
  dialog,
  el,
  empty,
  field,
  iconButton,
  listed,
  newPassword,
  problem,
  restart,
  rowActions,
  say,
  time,
  timeInput,
  wallClock,
  wordInput,
} from "./dom.js";
import { Listing } from "./listing.js";
import { chooseTheme, chosenTheme, THEMES } from "./theme.js";

export async function page(context) {
  const { rights } = context;
  const me = rights.me;
  const after = async (done) => {
    if (await done) await listing.reload();
  };
  const listing = new Listing({
    context,
    caption: "Access tokens",
    size: 25,
    columns: [
      { title: "Token", kind: "key", cell: (token) => token.value },
      ...(rights.isAdmin ? [{ title: "User", field: "username", cell: (token) => token.username }] : []),
      { title: "For", cell: (token) => token.description || "–" },
      { title: "Narrowed to", kind: "wide", cell: narrowed },
      { title: "Expires", field: "expiration_date", cell: (token) => time(token.expiration_date) || "never" },
      { title: "Last used", field: "last_used", cell: (token) => time(token.last_used) || "–" },
      {
        title: "Actions",
        unseen: true,
        kind: "actions",
        cell: (token) =>
          rowActions(token.value, token.id, [
            {
              icon: "trash",
              words: "Revoke",
              label: `Revoke token ${token.value}`,
              onclick: () => after(revoke(token, () => listing.reload())),
            },
          ]),
      },
    ],
    load: tokens.list,
    none: () => [empty("No tokens", "A token lets a pipeline or a command act for you.")],
  });
  const theme = el(
    "select",
    { class: "narrow", onchange: () => chooseTheme(theme.value) },
    ...THEMES.map((name) => el("option", { value: name, selected: name === chosenTheme() }, name)),
  );
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
      field("Colours of the console", theme, "Kept in this browser alone."),
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
  const words = narrowedTo(token);
  return words || el("span", { class: "quiet" }, "not narrowed");
}

export function narrowedTo(token) {
  return [
    ["", token.permissions],
    ["tenants ", token.tenants],
    ["from ", token.networks],
    ["keys ", token.keys],
  ]
    .filter(([, names]) => names !== null && names !== undefined)
    .map(([words, names]) => `${words}${names.join(", ") || "none"}`)
    .join("; ");
}

function revoke(token, reload) {
  const facts = [
    ["Token", token.value],
    ["User", token.username],
    ["For", token.description],
    ["Narrowed to", narrowedTo(token) || "nothing: it may do all that the user may"],
    ["Expires", token.expiration_date ? `${wallClock(token.expiration_date)} UTC` : "never"],
    ["Last used", token.last_used ? `${wallClock(token.last_used)} UTC` : "never"],
  ].filter(([, words]) => words);
  return confirm(
    `Revoke ${token.description ? `“${token.description}”` : "this token"} of ${token.username}?`,
    "Whatever uses it is refused at once. This can't be undone.",
    "Revoke",
    async () => {
      await tokens.revoke(token.id);
      say(`Token ${token.value} revoked`);
    },
    {
      fields: [el("dl", { class: "facts" }, ...facts.flatMap(([name, words]) => [el("dt", {}, name), el("dd", {}, words)]))],
      changed: () => reload().then(() => "The list of tokens was read again."),
    },
  );
}

function createToken(context) {
  const { rights } = context;
  const text = (help) => wordInput({ placeholder: help });
  const [description, keys] = [text(""), text("shop_*, db_password")];
  const username = text(rights.me.username);
  const expires = timeInput("Expires", "Optional.");
  const permissions = choices(
    "Permissions",
    [...new Set(Object.values(rights.me.permissions).flat())].sort(),
    "None: all that the user may. A pipeline that resolves blueprints needs secret:use only.",
  );
  const chosen = choices("Tenants", rights.tenants, "None: all of the user's tenants.");
  return dialog("Create access token", {
    wide: true,
    fields: [
      rights.isAdmin ? field("For user", username, "Empty: for yourself.") : null,
      field("What it is for", description),
      permissions.node,
      chosen.node,
      field("Keys", keys, "Optional patterns, separated by commas. Only keys that match can be named."),
      expires.node,
    ],
    action: "Create",
    first: description,
    submit: async () => {
      const patterns = listed(keys.value);
      const made = await tokens.create({
        description: description.value.trim(),
        ...(username.value.trim() ? { username: username.value.trim() } : {}),
        permissions: permissions.read(),
        tenants: chosen.read(),
        keys: patterns.length > 0 ? patterns : null,
        expiration_date: expires.read()?.slice(0, 16).replace("T", " ") ?? null,
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
    keeps: "The token is not shown again: whoever did not copy it makes another one.",
    fields: [
      el("p", {}, "Copy it now: it is not shown again."),
      el("pre", { class: "value", tabindex: 0, translate: "no" }, made.value),
      el("div", { class: "bar middle" }, iconButton("copy", "Copy the token", copy)),
      errors,
    ],
  });
}

function changePassword(name) {
  const password = newPassword("New password", session.passwordLength());
  return dialog("Change your password", {
    fields: [
      el("p", {}, "All your sessions end, this one, too: sign in with the new password after that."),
      ...password.nodes,
    ],
    action: "Change password",
    submit: async () => {
      await users.change(name, { password: password.read() });
      restart(); // to the sign-in: the session has ended
    },
  });
}
