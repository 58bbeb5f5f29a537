// One's tenants, their members, and for sys_admins what can be changed about both.

import { tenants } from "./api.js";
import { button, confirm, dialog, el, empty, field, say, wordInput } from "./dom.js";

const ROLES = ["manager", "user", "operations", "viewer"];

export async function page(context) {
  const { rights } = context;
  const items = await tenants.list();
  const create = async () => {
    if (await createTenant()) await context.refresh();
  };
  return [
    el(
      "div",
      { class: "bar" },
      el("h1", {}, "Tenants"),
      rights.isAdmin ? button("Create tenant", create, "main") : null,
    ),
    ...(items.length > 0
      ? items.map((tenant) => card(context, tenant))
      : [empty("No tenants", "You belong to none yet. A sys_admin can make you a member of one.")]),
  ];
}

function card(context, tenant) {
  const { rights } = context;
  const { members, count } = tenant;
  const names = Object.keys(members).sort((a, b) => a.localeCompare(b));
  const after = async (done) => {
    if (await done) await context.refresh();
  };
  const told = names.length > 0 || rights.isAdmin;
  return el(
    "section",
    { class: "card", "aria-label": `Tenant ${tenant.name}` },
    el(
      "div",
      { class: "bar middle" },
      el("h2", { class: "grow" }, tenant.name),
      el(
        "span",
        { class: "quiet" },
        rights.me.roles[tenant.name]
          ? `You are ${rights.me.roles[tenant.name]} here`
          : rights.isAdmin
            ? "You are sys_admin"
            : "",
      ),
      rights.isAdmin ? button("Add member", () => after(addMember(tenant.name))) : null,
      rights.isAdmin ? button("Delete tenant", () => after(remove(tenant.name)), "danger") : null,
    ),
    told && names.length > 0
      ? el(
          "table",
          { class: "cards" },
          el("caption", { class: "unseen" }, `Members of ${tenant.name}`),
          el(
            "thead",
            {},
            el(
              "tr",
              {},
              el("th", { scope: "col" }, "Member"),
              el("th", { scope: "col" }, "Role"),
              rights.isAdmin ? el("th", { scope: "col" }, el("span", { class: "unseen" }, "Actions")) : null,
            ),
          ),
          el(
            "tbody",
            {},
            ...names.map((name) => memberRow(context, tenant.name, name, members[name], after)),
          ),
        )
      : el("p", { class: "quiet" }, told ? "No members." : `${count} ${count === 1 ? "member" : "members"}.`),
  );
}

function memberRow(context, tenant, username, role, after) {
  const isAdmin = context.rights.isAdmin;
  return el(
    "tr",
    {},
    el("td", { "data-label": "Member", class: "key" }, username),
    el("td", { "data-label": "Role" }, role),
    isAdmin
      ? el(
          "td",
          { class: "actions" },
          button("Change role", () => after(changeRole(tenant, username, role)), "small"),
          button(
            "Remove",
            () =>
              after(
                confirm(
                  `Remove ${username} from ${tenant}?`,
                  "What they own there stays. They lose all access to it at once.",
                  "Remove",
                  () => tenants.drop({ username, tenant_name: tenant }),
                ),
              ),
            "small",
          ),
        )
      : null,
  );
}

function roleChoice(chosen) {
  return el(
    "select",
    {},
    ...ROLES.map((role) => el("option", { value: role, selected: role === chosen }, role)),
  );
}

function addMember(tenant) {
  const name = wordInput({ required: true });
  const role = roleChoice("user");
  return dialog(`Add a member to ${tenant}`, {
    fields: [field("User name", name), field("Role", role)],
    action: "Add",
    submit: async () => {
      await tenants.add({ username: name.value.trim(), tenant_name: tenant, role: role.value });
      say(`${name.value.trim()} is ${role.value} in ${tenant} now`);
    },
  });
}

function changeRole(tenant, username, now) {
  const role = roleChoice(now);
  return dialog(`Role of ${username} in ${tenant}`, {
    fields: [field("Role", role)],
    submit: async () => {
      await tenants.change({ username, tenant_name: tenant, role: role.value });
      say(`${username} is ${role.value} in ${tenant} now`);
    },
  });
}

function createTenant() {
  const name = wordInput({ required: true });
  return dialog("Create tenant", {
    fields: [field("Name", name, "Begins with a letter; letters, digits, - . _ ~")],
    action: "Create",
    submit: async () => {
      await tenants.create(name.value.trim());
      say(`Tenant ${name.value.trim()} created`);
    },
  });
}

function remove(name) {
  return confirm(
    `Delete tenant ${name}?`,
    "Only a tenant that holds no secrets is deleted here. Its data key is destroyed; its audit trail stays.",
    "Delete",
    async () => {
      await tenants.remove(name);
      say(`Tenant ${name} deleted`);
    },
  );
}
