// A secret's versions, and the way back to an earlier one. No values are in here.

import { secrets } from "./api.js";
import { button, dialog, el, problem, say, time } from "./dom.js";

const TITLES = ["Version", "Made", "By", "State"];

/**
 * The versions of a secret, newest first.
 *
 * @param changed called when the way back was taken, or others made a version meanwhile
 * @returns where they are shown, and what reads them
 */
export function versionsOf(context, secret, changed) {
  const from = context.rights.from(secret, context.tenant);
  const place = el("div", {}, el("p", { class: "quiet" }, "Loading…"));
  let latest = 0;
  const load = async () => {
    try {
      const { versions } = await secrets.history(from, secret.key);
      latest = versions.at(-1)?.number ?? 0;
      place.replaceChildren(versionTable([...versions].reverse()));
    } catch (error) {
      place.replaceChildren(problem(error), button("Try again", load));
    }
  };
  const versionTable = (versions) =>
    el(
      "table",
      { class: "cards" },
      el("caption", { class: "unseen" }, `Versions of ${secret.key}`),
      el("thead", {}, el("tr", {}, ...TITLES.map((title) => el("th", { scope: "col" }, title)))),
      el("tbody", {}, ...versions.map((version) => versionRow(version))),
    );
  const versionRow = (version) => {
    const cells = [
      String(version.number),
      time(version.created_at),
      version.created_by,
      act(version),
    ];
    return el("tr", {}, ...cells.map((cell, index) => el("td", { "data-label": TITLES[index] }, cell)));
  };
  const act = (version) => {
    if (version.current) return el("span", { class: "good" }, "current");
    if (!context.rights.changes(secret)) return "";
    return button(`Back to version ${version.number}`, async () => {
      const done = await dialog(`Go back to version ${version.number}?`, {
        fields: [
          el(
            "p",
            {},
            `${secret.key} gets the value of version ${version.number} again, as version ${latest + 1}. Nothing is lost: version ${latest} stays in the history.`,
          ),
        ],
        action: "Go back",
        changed: async () => {
          changed();
          const was = latest;
          await load();
          if (latest === was) return "The list of versions was read again.";
          return `Meanwhile version ${latest} was made, after version ${was}. Try again if you still want to.`;
        },
        submit: async () => {
          const now = await secrets.rollBack(from, secret.key, {
            version: version.number,
            if_version: latest,
          });
          say(
            `Secret ${secret.key} has the value of version ${version.number} again, as version ${now.version}`,
          );
        },
      });
      if (done) {
        changed();
        await load();
      }
    });
  };
  return { place, load };
}

export async function showHistory(context, secret) {
  let isChanged = false;
  const { place, load } = versionsOf(context, secret, () => (isChanged = true));
  await dialog(`History of ${secret.key}`, {
    wide: true,
    fields: [
      el("p", { class: "quiet" }, "No values are shown here."),
      place,
      context.rights.may("audit:read", context.tenant) &&
        el("p", {}, el("a", { href: context.link("uses", secret.key) }, "Which blueprints have older versions")),
    ],
    opened: load,
  });
  return isChanged;
}
