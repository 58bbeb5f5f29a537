// One's tenants and their members, and for sys_admins what can be changed about both.

import { tenants } from "./api.js";
import { button, confirm, dialog, el, empty, field, rowActions, say, wordInput } from "./dom.js";
import { Listing, nothingFound, searchField } from "./listing.js";
import { accessOf } from "./rules.js";

const ROLES = ["manager", "user", "operations", "viewer"];

export function page(context) {
  return context.argument ? ofTenant(context, context.argument) : ofAll(context);
}

async function ofAll(context) {
  const { rights } = context;
  const after = async (done) => {
    if (await done) await context.refresh();
  };
  const listing = new Listing({
    context,
    caption: "Tenants",
    sort: "name",
    size: 25,
    columns: [
      {
        title: "Tenant",
        field: "name",
        kind: "key",
        cell: (tenant) => el("a", { href: context.link("tenants", tenant.name) }, tenant.name),
      },
      { title: "Members", field: "users", cell: (tenant) => tenant.users.toLocaleString() },
      { title: "Your role", cell: (tenant) => roleIn(rights, tenant.name) },
      ...(rights.isAdmin
        ? [{ title: "Actions", unseen: true, kind: "actions", cell: (tenant) => actions(tenant, after, listing) }]
        : []),
    ],
    load: tenants.list,
    none: () =>
      listing.filters.search
        ? nothingFound(listing.filters.search)
        : [empty("No tenants", "You belong to none yet. A sys_admin can make you a member of one.")],
  });
  await listing.reload();
  return [
    el(
      "div",
      { class: "bar" },
      el("h1", {}, "Tenants"),
      searchField("Part of a name", listing),
      rights.isAdmin ? button("Create tenant", () => after(createTenant()), "main") : null,
    ),
    listing.root,
  ];
}

function roleIn(rights, name) {
  return rights.me.roles[name] ?? (rights.isAdmin ? "sys_admin" : "–");
}

function actions(tenant, after, listing) {
  const { name } = tenant;
  return rowActions(name, name, [
    {
      icon: "owner",
      words: "Add a member",
      label: `Add member to ${name}`,
      onclick: () => after(addMember(name)),
    },
    {
      icon: "trash",
      words: "Delete",
      label: `Delete tenant ${name}`,
      onclick: () => after(remove(name, () => listing.reload())),
    },
  ]);
}

/** One tenant: its members, for those who may know them. */
async function ofTenant(context, name) {
  const { rights } = context;
  let found = await tenants.get(name);
  const after = async (done) => {
    if (!(await done)) return;
    if (rights.isAdmin) await listing.reload();
    else await context.refresh();
  };
  const bar = el(
    "div",
    { class: "bar" },
    el("h1", {}, `Tenant ${name}`),
    el("p", { class: "grow" }, el("a", { href: context.link("tenants") }, "All tenants"), ` · your role: ${roleIn(rights, name)}`),
  );
  if (!found.roles) {
    const words = `${found.members} ${found.members === 1 ? "member" : "members"}.`;
    return [bar, el("p", { class: "card" }, `${words} Its managers see who they are.`)];
  }
  const again = async () => (found = await tenants.get(name));
  const listing = new Listing({
    context,
    caption: `Members of ${name}`,
    sort: "name",
    columns: [
      { title: "Member", field: "name", kind: "key", cell: (one) => accessOf(one.name, name, context) },
      { title: "Role", field: "role", cell: (one) => one.role },
      ...(rights.isAdmin
        ? [{ title: "Actions", unseen: true, kind: "actions", cell: (one) => memberActions(name, one, after, listing) }]
        : []),
    ],
    load: async ({ size, offset, sort, search }) => {
      await again();
      const down = sort.startsWith("-");
      const by = down ? sort.slice(1) : sort;
      const items = Object.entries(found.roles)
        .map(([member, role]) => ({ name: member, role }))
        .filter((one) => one.name.toLowerCase().includes(search.toLowerCase()))
        .sort((a, b) => (down ? -1 : 1) * (a[by].localeCompare(b[by]) || a.name.localeCompare(b.name)));
      return { items: items.slice(offset, offset + size), total: items.length };
    },
    none: () =>
      listing.filters.search ? nothingFound(listing.filters.search) : [empty("No members.", "Nobody has a role in this tenant.")],
  });
  if (rights.isAdmin) {
    bar.append(
      searchField("Part of a name", listing),
      button("Add member", () => after(addMember(name)), "main"),
    );
  }
  await listing.reload();
  return [bar, listing.root];
}

function memberActions(tenant, { name, role }, after, listing) {
  const changed = () => listing.reload().then(() => "The list of members was read again.");
  return rowActions(name, name, [
    {
      icon: "role",
      words: "Change role",
      label: `Change role of ${name} in ${tenant}`,
      onclick: () => after(changeRole(tenant, name, role, changed)),
    },
    {
      icon: "trash",
      words: "Remove",
      label: `Remove ${name} from ${tenant}`,
      onclick: () =>
        after(
          confirm(
            `Remove ${name} from ${tenant}?`,
            "What they own there stays. They lose all access to it at once.",
            "Remove",
            () => tenants.drop({ username: name, tenant_name: tenant }),
            { changed },
          ),
        ),
    },
  ]);
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

function changeRole(tenant, username, now, changed) {
  const role = roleChoice(now);
  return dialog(`Role of ${username} in ${tenant}`, {
    fields: [field("Role", role)],
    changed,
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

function remove(name, reload) {
  return confirm(
    `Delete tenant ${name}?`,
    "Only a tenant that holds no secrets is deleted here. Its data key is destroyed; its audit trail stays.",
    "Delete",
    async () => {
      await tenants.remove(name);
      say(`Tenant ${name} deleted`);
    },
    { changed: () => reload().then(() => "The list of tenants was read again.") },
  );
}
