// All users, for sys_admins.

import { users } from "./api.js";
import { button, confirm, dialog, el, field, newPassword, say, time, wordInput } from "./dom.js";
import { Listing, nothingFound, settled } from "./listing.js";


export async function page(context) {
  let wanted = "";
  const after = async (done) => {
    if (await done) await listing.reload();
  };
  const listing = new Listing({
    caption: "Users",
    sort: "username",
    columns: [
      { title: "User", field: "username", kind: "key", cell: (user) => user.username },
      { title: "System role", field: "role", cell: (user) => user.role },
      { title: "State", cell: state },
      { title: "Tenants", cell: tenantsOf },
      { title: "Created", field: "created_at", cell: (user) => time(user.created_at) },
      { title: "Last login", field: "last_login_at", cell: (user) => time(user.last_login_at) || "–" },
      { title: "Actions", unseen: true, kind: "actions", cell: (user) => actions(context, user, after) },
    ],
    load: async ({ size, offset, sort }) => {
      const found = await users.list({ _size: size, _offset: offset, _sort: sort, _search: wanted });
      return { items: found.items, total: found.metadata.pagination.total };
    },
    none: () => nothingFound(wanted),
  });
  const soon = settled(() => listing.reload({ first: true }));
  const search = el("input", {
    type: "search",
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "Part of a name",
    oninput: () => {
      wanted = search.value.trim();
      soon();
    },
  });
  await listing.reload();
  return [
    el(
      "div",
      { class: "bar" },
      el("h1", {}, "Users"),
      el("div", { class: "grow" }, field("Search", search)),
      button("Create user", () => after(createUser()), "main"),
    ),
    listing.root,
  ];
}

function state(user) {
  if (!user.active) return el("span", { class: "bad" }, "deactivated");
  return user.is_locked ? el("span", { class: "warn" }, "locked") : el("span", { class: "good" }, "active");
}

function tenantsOf(user) {
  const roles = user.tenant_roles?.direct ?? {};
  const words = Object.keys(roles)
    .sort()
    .map((tenant) => `${tenant}: ${roles[tenant]}`);
  return words.length > 0 ? words.join(", ") : "–";
}

function actions(context, user, after) {
  const name = user.username;
  const isSelf = name === context.rights.me.username;
  const act = (words, call) => button(words, () => after(call()), "small");
  return [
    act("Password", () => setPassword(name)),
    act("Role", () => setRole(user)),
    user.is_locked ? act("Unlock", () => done(users.unlock(name), `${name} may log in again`)) : null,
    isSelf
      ? null
      : user.active
        ? act("Deactivate", () =>
            confirm(
              `Deactivate ${name}?`,
              "Passwords, sessions and tokens stop working at once. It can be undone.",
              "Deactivate",
              () => users.activate(name, "deactivate"),
            ),
          )
        : act("Activate", () => done(users.activate(name, "activate"), `${name} is let in again`)),
    isSelf
      ? null
      : act("Delete", () =>
          confirm(
            `Delete user ${name}?`,
            "With memberships and tokens. Refused while the user owns secrets.",
            "Delete",
            () => users.remove(name),
          ),
        ),
  ];
}

async function done(asked, words) {
  await asked;
  say(words);
  return true;
}

function createUser() {
  const name = wordInput({ required: true });
  const password = newPassword("Password");
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

function setPassword(name) {
  const password = newPassword("Password");
  return dialog(`New password for ${name}`, {
    fields: [el("p", {}, "All sessions that were opened with the old one end."), ...password.nodes],
    action: "Set password",
    submit: async () => {
      await users.change(name, { password: password.read() });
      say(`Password of ${name} set`);
    },
  });
}

function setRole(user) {
  const role = el(
    "select",
    {},
    ...["default", "sys_admin"].map((value) => el("option", { value, selected: value === user.role }, value)),
  );
  return dialog(`System role of ${user.username}`, {
    fields: [field("System role", role, "A sys_admin may do everything in every tenant.")],
    submit: async () => {
      await users.change(user.username, { role: role.value });
      say(`${user.username} is ${role.value} now`);
    },
  });
}
