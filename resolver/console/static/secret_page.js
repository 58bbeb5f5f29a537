// A secret's own page: what it is, how it is asked for, its versions, who uses it and who could read it.

import { secrets } from "./api.js";
import { copyText } from "./clipboard.js";
import { el, empty, icon, iconButton, problem, section, time } from "./dom.js";
import { table } from "./listing.js";
import { accessOf, KNOWN_TO } from "./rules.js";
import { versionsOf } from "./secret_history.js";
import { usesOf } from "./uses.js";

/**
 * @param actions what can be done with a secret, as its row in the list offers it
 * @param notes what is remarkable about it
 * @param whatChanged reads it again, and gives words for what others changed
 */
export async function secretPage(context, key, { actions, notes, whatChanged }) {
  const { rights, tenant } = context;
  const root = el("div", { tabindex: -1 });
  const find = () => secrets.find(tenant, key);

  async function after(wanted) {
    if (await wanted) await reload();
  }

  async function reload() {
    const focused = root.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
    const now = await find();
    if (!context.isCurrent()) return;
    draw(now);
    if (focused !== null) (root.querySelector(`[data-focus="${CSS.escape(focused ?? "")}"]`) ?? root).focus();
  }

  context.changed = async (secret) => {
    const words = secret ? await whatChanged(context, secret) : "";
    await reload();
    return words;
  };

  function draw(secret) {
    const bar = el(
      "div",
      { class: "bar" },
      el("h1", {}, "Secret ", el("code", {}, key)),
      el("a", { href: context.link("secrets") }, `All secrets in ${tenant}`),
    );
    if (!secret) {
      root.replaceChildren(
        bar,
        empty("No such secret", `There is no secret ${key} in tenant ${tenant}, or you may not know of it.`),
      );
      return;
    }
    const seesUses = rights.may("audit:read", tenant);
    const inline = new Set(["history", "uses"]); // they stand below
    root.replaceChildren(
      bar,
      el(
        "div",
        { class: "bar", role: "group", "aria-label": `Actions for ${key}` },
        ...actions(secret, context, after)
          .filter((one) => !inline.has(one.icon))
          .map(({ icon: sign, words, label, onclick }) =>
            el(
              "button",
              { type: "button", class: "act", title: label, "data-focus": sign, onclick },
              icon(sign),
              words,
            ),
          ),
      ),
      el("section", { class: "card" }, el("h2", {}, "What it is"), ...notes(secret), facts(secret)),
      el("section", { class: "card" }, el("h2", {}, "How to ask for it"), ...calls(secret, tenant)),
      versions(context, secret, reload),
      ...(seesUses
        ? [
            section("Who uses it", () => usesOf(context, key)),
            section("Who could read it", () => readers(context, key)),
            el("p", {}, el("a", { href: context.link("audit", "", { key }) }, "Its audit records")),
          ]
        : []),
    );
  }

  draw(await find());
  return [root];
}

function facts(secret) {
  const all = [
    ["Visibility", `${secret.visibility}: known to ${KNOWN_TO[secret.visibility]}`],
    ["Hidden", secret.hidden ? "its value is shown to its owner and managers only" : "no"],
    ["Protected", secret.protected_at ? "its value is given to approved runs only" : null],
    ["Tenant", secret.tenant],
    ["Owner", secret.owner],
    ["Created", time(secret.created_at)],
    ["Updated", time(secret.updated_at)],
    ["Version", String(secret.version)],
    ["Rotate after", secret.rotate_after ? `${secret.rotate_after} days` : null],
    ["New value due", secret.rotate_at ? time(secret.rotate_at) : null],
    ["JSON Schema", secret.schema ? el("code", {}, secret.schema) : null],
  ];
  const known = all.filter(([, words]) => words !== null);
  return el("dl", { class: "facts" }, ...known.flatMap(([name, words]) => [el("dt", {}, name), el("dd", {}, words)]));
}

/** Words that YAML reads as something else than text. */
const NO_TEXT = /^(y|n|yes|no|on|off|true|false|null)$/i;

function calls(secret, tenant) {
  const { key } = secret;
  const lines = [
    ["In a blueprint", `{ get_secret: ${NO_TEXT.test(key) ? `"${key}"` : key} }`],
    ["On the command line", `resolver secrets get ${key} -t ${tenant}`],
    [
      "By HTTP, with the header lines of a token in a file",
      `curl -H @headers.txt -H 'Tenant: ${tenant}' '${location.origin}/api/v3.1/secrets/${encodeURIComponent(key)}'`,
    ],
  ];
  return lines.map(([words, text]) => {
    const errors = el("div", {});
    const copy = () => copyText(text).catch((error) => errors.replaceChildren(problem(error)));
    return el(
      "div",
      {},
      el("p", { class: "help" }, words),
      el("div", { class: "bar middle call" }, el("code", {}, text), iconButton("copy", `Copy: ${words}`, copy)),
      errors,
    );
  });
}

function versions(context, secret, reload) {
  const { place, load } = versionsOf(context, secret, reload);
  load();
  return el("section", {}, el("h2", {}, "Versions"), el("div", { class: "card flush" }, place));
}

async function readers(context, key) {
  const found = await secrets.access(context.tenant, key);
  const where = (tenants) => (found.everywhere ? tenants.join(", ") : tenants.length > 0 ? "yes" : "") || "no";
  const rows = found.readers.map((one) => [
    accessOf(one.username, context.tenant, context),
    one.trust ? `trust ${one.trust}` : one.token_id || "–",
    where(one.use),
    where(one.show),
    one.grounds.join(", "),
  ]);
  return [
    found.refused_to_all && el("p", { class: "bad" }, "It has expired: no blueprint is given it."),
    rows.length > 0
      ? table(`Who could read ${key}`, ["User", "Token or trust", "In blueprints", "Shown", "Because of"], rows, ["name"])
      : empty("Nobody", "No user, token or trust may read it."),
  ];
}
