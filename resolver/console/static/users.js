// All users, for sys_admins.

import { session, users } from "./api.js";
import { button, confirm, dialog, el, field, newPassword, rowActions, say, time, wordInput } from "./dom.js";
import { Listing, nothingFound, searchField } from "./listing.js";
import { accessOf } from "./rules.js";

export async function page(context) {
  const after = async (done) => {
    if (await done) await listing.reload();
  };
  const listing = new Listing({
    context,
    caption: "Users",
    sort: "username",
    columns: [
      { title: "User", field: "username", kind: "key", cell: (user) => accessOf(user.username, context.tenant, context) },
      { title: "System role", field: "role", cell: (user) => user.role },
      { title: "State", kind: "word plain", cell: state },
      { title: "Tenants", kind: "wide", cell: tenantsOf },
      {
        title: "Signs in by",
        kind: "minor",
        cell: (user) => (user.issuer ? el("span", { title: `As ${user.subject}` }, user.issuer) : "–"),
      },
      { title: "Created", field: "created_at", kind: "minor", cell: (user) => time(user.created_at) },
      { title: "Last login", field: "last_login_at", cell: (user) => time(user.last_login_at) || "–" },
      {
        title: "Actions",
        unseen: true,
        kind: "actions",
        cell: (user) => actions(context, user, after, () => listing.reload()),
      },
    ],
    load: users.list,
    none: () => nothingFound(listing.filters.search),
  });
  await listing.reload();
  return [
    el(
      "div",
      { class: "bar" },
      el("h1", {}, "Users"),
      searchField("Part of a name", listing),
      button("Create user", () => after(createUser()), "main"),
    ),
    listing.root,
  ];
}

function state(user) {
  if (!user.active) return el("span", { class: "bad" }, "deactivated");
  return user.is_locked ? el("span", { class: "warn" }, "locked") : el("span", { class: "good" }, "active");
}

const FEW = 3;

/** The tenants of a user: the first ones, and how many more there are. */
function tenantsOf(user) {
  const roles = user.tenant_roles?.direct ?? {};
  const words = Object.keys(roles)
    .sort()
    .map((tenant) => `${tenant}: ${roles[tenant]}`);
  if (words.length === 0) return "–";
  const shown = words.slice(0, FEW).join(", ");
  return words.length > FEW
    ? el("span", { title: words.join(", ") }, `${shown} and ${words.length - FEW} more`)
    : shown;
}

function actions(context, user, after, reload) {
  const name = user.username;
  const isSelf = name === context.rights.me.username;
  const changed = () => reload().then(() => "The list of users was read again.");
  const act = (icon, words, label, call) => ({ icon, words, label, onclick: () => after(call()) });
  return rowActions(name, name, [
    act("password", "Set password", `Password of ${name}`, () => setPassword(name, changed)),
    act("role", "System role", `System role of ${name}`, () => setRole(user, changed)),
    user.is_locked &&
      act("private", "Unlock", `Unlock ${name}`, () => done(users.unlock(name), `${name} may log in again`)),
    !isSelf &&
      (user.active
        ? act("off", "Deactivate", `Deactivate ${name}`, () =>
            confirm(
              `Deactivate ${name}?`,
              "Passwords, sessions and tokens stop working at once. It can be undone.",
              "Deactivate",
              () => users.activate(name, "deactivate"),
              { changed },
            ),
          )
        : act("on", "Activate", `Activate ${name}`, () =>
            done(users.activate(name, "activate"), `${name} is let in again`),
          )),
    !isSelf && act("trash", "Delete", `Delete ${name}`, () => remove(name, reload)),
  ]);
}

/** Delete a user; who owns something is not deleted before somebody else is named to get it. */
function remove(name, reload) {
  const heir = wordInput();
  const giving = el(
    "div",
    { hidden: true },
    field("Give all of it to", heir, "A user's name. Nothing that blueprints use goes away then."),
  );
  return confirm(
    `Delete user ${name}?`,
    "With memberships and tokens. What the user owns is given to somebody first.",
    "Delete",
    async () => {
      const found = await users.remove(name, heir.value.trim());
      const given = found.holdings?.length ? `; ${heir.value.trim()} owns what was theirs` : "";
      say(`User ${name} deleted${given}`);
    },
    {
      fields: [giving],
      changed: async (error) => {
        await reload();
        if (error.status === 404 || !error.message.includes(" owns ")) return "The list of users was read again.";
        giving.hidden = false;
        heir.required = true;
        heir.focus();
        return "Say who is to get it, and delete the user then.";
      },
    },
  );
}

async function done(asked, words) {
  await asked;
  say(words);
  return true;
}

function createUser() {
  const name = wordInput({ required: true });
  const password = newPassword("Password", session.passwordLength());
  const role = el("select", {}, ...["default", "sys_admin"].map((value) => el("option", { value }, value)));
  return dialog("Create user", {
    fields: [
      field("User name", name),
      ...password.nodes,
      field("System role", role, "A sys_admin may do everything in every tenant."),
    ],
    action: "Create",
    submit: async () => {
      await users.create({ username: name.value.trim(), password: password.read(), role: role.value });
      say(`User ${name.value.trim()} created`);
    },
  });
}

function setPassword(name, changed) {
  const password = newPassword("Password", session.passwordLength());
  return dialog(`New password for ${name}`, {
    fields: [el("p", {}, "All sessions that were opened with the old one end."), ...password.nodes],
    action: "Set password",
    changed,
    submit: async () => {
      await users.change(name, { password: password.read() });
      say(`Password of ${name} set`);
    },
  });
}

function setRole(user, changed) {
  const role = el(
    "select",
    {},
    ...["default", "sys_admin"].map((value) => el("option", { value, selected: value === user.role }, value)),
  );
  return dialog(`System role of ${user.username}`, {
    fields: [field("System role", role, "A sys_admin may do everything in every tenant.")],
    changed,
    submit: async () => {
      await users.change(user.username, { role: role.value });
      say(`${user.username} is ${role.value} now`);
    },
  });
}
