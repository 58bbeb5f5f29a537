// What one user could use and be shown in a tenant, and by which rules: the same that decide then.

import { trail } from "./api.js";
import { el, empty } from "./dom.js";
import { Listing, nothingFound, searchField } from "./listing.js";

const yes = (may) => (may ? el("span", { class: "good" }, "yes") : "no");

export async function page(context) {
  const user = context.argument || context.rights.me.username;
  const listing = new Listing({
    context,
    caption: `Secrets of tenant ${context.tenant} that ${user} could read`,
    columns: [
      {
        title: "Key",
        kind: "key",
        cell: ({ key, tenant }) => el("a", { href: context.at({ key, tenant }) }, key),
      },
      { title: "Tenant", kind: "name plain", cell: ({ tenant }) => tenant },
      { title: "In blueprints", cell: ({ use }) => yes(use) },
      { title: "Shown", cell: ({ show }) => yes(show) },
      { title: "Because of", kind: "wide", cell: ({ grounds }) => grounds.join(", ") },
    ],
    load: async ({ size, offset, search }) => {
      const asked = { _size: size, _offset: offset, _search: search };
      const query = Object.entries({ user, ...asked }).filter(([, value]) => value !== "");
      const { items, total } = await trail.access(context.tenant, query);
      return { items, total: total > size ? total : items.length };
    },
    none: () =>
      listing.filters.search
        ? nothingFound(listing.filters.search)
        : [empty("No secrets", `There are none in tenant ${context.tenant} that you may know of.`)],
  });
  await listing.reload();
  return [
    el(
      "div",
      { class: "bar" },
      el("h1", {}, "Access of ", el("code", {}, user)),
      searchField("Part of a key", listing),
    ),
    el(
      "p",
      { class: "quiet" },
      `What ${user} could read now in tenant ${context.tenant}. What they could not is left out, on each page of the list.`,
    ),
    listing.root,
  ];
}
