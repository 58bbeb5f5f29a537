// The first page: what of a tenant's secrets wants looking at, each with the way to all of it.

import { secrets, trail } from "./api.js";
import { cellsOf } from "./audit.js";
import { button, el, section, time } from "./dom.js";
import { table } from "./listing.js";
import { inDays } from "./rules.js";
import { staleParts } from "./uses.js";

const SOON = 30; // days
const LATELY = 7;
const MOST = 5; // lines of a part

export async function page(context) {
  const { rights, tenant } = context;
  const seesUses = rights.may("audit:read", tenant);
  return [
    el(
      "div",
      { class: "bar" },
      el("h1", {}, "Overview"),
      el("a", { href: context.link("secrets") }, "All secrets"),
    ),
    section(`Expires or is due within ${SOON} days`, () => ending(context)),
    ...(seesUses
      ? [
          section(
            "Needs deploying again",
            async () => (await staleParts(context, "", MOST)) ?? [quiet("All blueprints were given what is current.")],
          ),
          section(`Refused in the last ${LATELY} days`, () => refused(context)),
          unused(context),
        ]
      : []),
  ];
}

const quiet = (words) => el("p", { class: "quiet" }, words);
const keyLink = (context, key) => el("a", { href: context.link("secrets", key) }, key);

function all(context, total, page, query) {
  return total > MOST && el("p", {}, el("a", { href: context.link(page, "", query) }, `All ${total.toLocaleString()}`));
}

async function ending(context) {
  const { items, total } = await secrets.list(context.tenant, [
    ["ends_by", inDays(SOON)],
    ["_size", MOST],
  ]);
  if (total === 0) return [quiet("None does.")];
  const now = new Date().toISOString();
  const at = (text) => (text ? el("span", { class: text <= now ? "bad" : "" }, time(text)) : "–");
  const rows = items.map((secret) => [
    el("a", { href: context.at(secret) }, secret.key),
    at(secret.expires_at),
    at(secret.rotate_at),
    secret.owner,
  ]);
  return [
    table("Secrets that expire or are due", ["Key", "Expires", "New value due", "Owner"], rows),
    all(context, total, "secrets", { ends: String(SOON) }),
  ];
}

async function refused(context) {
  const since = inDays(-LATELY).slice(0, 10);
  const asked = { tenant: context.tenant, decision: "refused", since: `${since}T00:00:00.000Z` };
  const { records, more } = await trail.list({ ...asked, newest_first: true, size: MOST });
  if (records.length === 0) return [quiet("Nothing was refused.")];
  const rows = records.map((record) => Object.values(cellsOf(record, context)));
  return [
    table("What was refused lately", ["When", "By", "Action", "Key or name", "Decision"], rows, ["", "word"]),
    more &&
      el("p", {}, el("a", { href: context.link("audit", "", { decision: "refused", since }) }, "All that was refused")),
  ];
}

/** What nobody used goes through all records of 90 days: it is looked for when somebody asks. */
function unused(context) {
  const look = async () => {
    const { secrets: idle, wide_secrets: wide, since } = await trail.unused(context.tenant);
    return [
      quiet(`Since ${since.slice(0, 10)}.`),
      idle.length === 0
        ? quiet("All secrets were used.")
        : table(
            "Secrets that nobody used",
            ["Key"],
            idle.slice(0, MOST_IDLE).map((one) => [keyLink(context, one.name)]),
          ),
      idle.length > MOST_IDLE && quiet(`${(idle.length - MOST_IDLE).toLocaleString()} more: resolver audit unused has all.`),
      wide.length > 0 &&
        table(
          "Secrets that more may know of than read them",
          ["Key", "Known to", "Enough would be"],
          wide.slice(0, MOST_IDLE).map((one) => [keyLink(context, one.key), one.visibility, one.enough]),
        ),
    ];
  };
  const place = el("section", {}, el("h2", {}, "Used by nobody, known to too many"), button("Look for them", () => {
    place.replaceWith(section("Used by nobody, known to too many", look));
  }));
  return place;
}

const MOST_IDLE = 50;
