// Where secrets are used, as the audit trail tells: one secret, or a tenant as a whole.

import { secrets, trail } from "./api.js";
import { bars, dots, keyOf } from "./chart.js";
import { el, empty, time } from "./dom.js";
import { table } from "./listing.js";

export async function page(context) {
  return context.argument ? ofSecret(context, context.argument) : ofTenant(context);
}

async function ofSecret(context, key) {
  const { since, uses, more } = await secrets.uses(context.tenant, key);
  const bar = el(
    "div",
    { class: "bar" },
    el("h1", {}, "Uses of ", el("code", {}, key)),
    el("a", { href: context.link("uses") }, `All uses in ${context.tenant}`),
  );
  if (uses.length === 0)
    return [
      bar,
      empty("Not used", `No blueprint asked for it in tenant ${context.tenant} since ${since.slice(0, 10)}.`),
    ];
  const titles = ["Blueprint", "Digest", "Version", "By", "Tenant", "Uses", "First", "Last", "Decision"];
  const cells = (use) => [
    use.blueprint || el("span", { class: "quiet" }, "no blueprint named"),
    use.digest ? el("code", { class: "short", title: use.digest }, use.digest.slice(0, 12)) : "",
    use.version === null ? "–" : String(use.version),
    use.caller,
    use.tenant,
    use.count.toLocaleString(),
    time(use.first),
    time(use.last),
    use.decision === "allowed"
      ? el("span", { class: "good" }, use.claimed ? "allowed, as a client told" : "allowed")
      : el("span", { class: "bad" }, use.decision),
  ];
  return [
    bar,
    el(
      "p",
      { class: "quiet" },
      `Since ${since.slice(0, 10)}. “As a client told”: name and digest are the word of whoever resolved it with the values.`,
    ),
    table(`Uses of ${key}`, titles, uses.map(cells)),
    more ? el("p", { class: "quiet" }, `These are the ${uses.length} latest; the audit page has all.`) : null,
  ];
}

async function ofTenant(context) {
  const { since, until, days, pairs, keys, blueprints } = await trail.uses(context.tenant);
  const bar = el("div", { class: "bar" }, el("h1", {}, "Uses"));
  if (days.length === 0)
    return [
      bar,
      empty("No uses yet", `No blueprint asked for a secret in tenant ${context.tenant} since ${since}.`),
    ];
  const sum = (kind) => days.reduce((total, day) => total + day[kind], 0);
  const shown = new Set(pairs.map((pair) => pair.key)).size;
  const cells = (pair) => [
    el("a", { href: context.link("uses", pair.key) }, el("code", {}, pair.key)),
    pair.blueprint || "–",
    pair.count.toLocaleString(),
  ];
  return [
    bar,
    el(
      "section",
      { class: "card" },
      el("h2", {}, "Over time"),
      bars(since, until, days),
      el(
        "p",
        { class: "quiet" },
        keyOf("bar-shape"),
        `${sum("allowed").toLocaleString()} allowed, `,
        keyOf("refused"),
        `${sum("refused").toLocaleString()} refused, since ${since}.`,
      ),
    ),
    pairs.length > 0
      ? el(
          "section",
          { class: "card" },
          el("h2", {}, "Secrets and blueprints"),
          el(
            "div",
            {
              class: "sideways",
              tabindex: 0,
              role: "group",
              "aria-label": "Picture of secrets and blueprints",
            },
            dots(pairs),
          ),
          el(
            "p",
            { class: "quiet" },
            shown < keys
              ? `The ${shown} most used of ${keys} secrets, and ${blueprints} blueprints.`
              : `${keys} secrets, ${blueprints} blueprints.`,
          ),
          el(
            "details",
            {},
            el("summary", {}, "The numbers"),
            table(
              "Uses by secret and blueprint",
              ["Secret", "Blueprint", "Uses"],
              [...pairs].sort((a, b) => b.count - a.count).map(cells),
            ),
          ),
        )
      : null,
  ];
}
