// Where secrets are used, as the audit trail tells: one secret, or a tenant as a whole.

import { secrets, trail } from "./api.js";
import { bars, dots, keyOf } from "./chart.js";
import { el, empty, field, time, wordInput } from "./dom.js";
import { table } from "./listing.js";

export async function page(context) {
  return context.argument ? ofSecret(context, context.argument) : ofTenant(context);
}

const MOST_STALE = 200;

/** What has to be deployed again, under its heading. */
async function stale(context, key = "") {
  const parts = await staleParts(context, key);
  return parts && el("section", {}, el("h2", { id: "stale" }, "Needs deploying again"), ...parts);
}

/** Blueprints that were given a version which is not current any more; null where there are none. */
export async function staleParts(context, key = "", most = MOST_STALE) {
  const { blueprints, since } = await trail.stale(context.tenant, key);
  if (blueprints.length === 0) return null;
  const titles = ["Blueprint", "Secret", "Was given", "Last used", "Now", "Since", "By"];
  const now = (use) => {
    if (use.current === null) return el("span", { class: "bad" }, "deleted");
    return use.replaced ? `version ${use.current} of another secret` : `version ${use.current}`;
  };
  const rows = blueprints.flatMap((one) =>
    one.secrets.map((use) => [
      one.blueprint || el("span", { class: "quiet" }, `no blueprint named, by ${one.caller}`),
      el("a", { href: context.link("uses", use.key) }, el("code", {}, use.key)),
      `version ${use.version}`,
      time(use.used_at),
      now(use),
      use.changed_at ? time(use.changed_at) : "–",
      use.changed_by ?? "–",
    ]),
  );
  const left = rows.length - most;
  return [
    el(
      "p",
      { class: "quiet" },
      "The secret was changed after the blueprint was given it.",
      since ? ` Only uses since ${since.slice(0, 10)} were looked at.` : "",
      left > 0 && most === MOST_STALE ? ` ${left} more lines are left out: resolver stale has all.` : "",
    ),
    table("Blueprints to deploy again", titles, rows.slice(0, most)),
    left > 0 && most < MOST_STALE && el("p", {}, el("a", { href: context.link("uses") }, `All ${rows.length}`)),
  ].filter(Boolean);
}

async function ofSecret(context, key) {
  const bar = el(
    "div",
    { class: "bar" },
    el("h1", {}, "Uses of ", el("code", {}, key)),
    el("a", { href: context.link("uses") }, `All uses in ${context.tenant}`),
    el("a", { href: context.link("secrets", key) }, "The secret"),
  );
  const run = context.query.get("run") ?? "";
  const control = wordInput({ value: run, placeholder: "ID" });
  const form = el(
    "form",
    { class: "bar", autocomplete: "off", role: "search", "aria-label": "Uses" },
    field("Run", control),
    el("button", { type: "submit", class: "main" }, "Filter"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    context.go("uses", key, { run: control.value.trim() });
  });
  return [bar, form, ...(await usesOf(context, key, run))];
}

/** Which blueprints use a secret, and which of them have a version that is not current any more. */
export async function usesOf(context, key, run = "") {
  const [{ since, uses, more }, old] = await Promise.all([
    secrets.uses(context.tenant, key, run),
    stale(context, key),
  ]);
  if (uses.length === 0)
    return [
      empty(
        "Not used",
        `No blueprint asked for it ${run ? `in run ${run} ` : ""}in tenant ${context.tenant} since ${since.slice(0, 10)}.`,
      ),
      old,
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
    el(
      "p",
      { class: "quiet" },
      `Since ${since.slice(0, 10)}. “As a client told”: name and digest are the word of whoever resolved it with the values.`,
    ),
    old,
    table(`Uses of ${key}`, titles, uses.map(cells)),
    more ? el("p", { class: "quiet" }, `These are the ${uses.length} latest; the audit page has all.`) : null,
  ];
}

async function ofTenant(context) {
  const [{ since, until, days, pairs, keys, blueprints }, old] = await Promise.all([
    trail.uses(context.tenant),
    stale(context),
  ]);
  const bar = el("div", { class: "bar" }, el("h1", {}, "Uses"));
  if (days.length === 0)
    return [
      bar,
      empty("No uses yet", `No blueprint asked for a secret in tenant ${context.tenant} since ${since}.`),
      old,
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
    old,
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
