// The audit trail of a tenant or of the system: filters, and the state of the chain.

import { trail } from "./api.js";
import { button, dialog, el, empty, field, problem, time, wordInput } from "./dom.js";

const SIZE = 50;

export async function page(context) {
  const { rights, tenant } = context;
  const choices = [
    ...(rights.may("audit:read", tenant) ? [[tenant, `tenant ${tenant}`]] : []),
    ...(rights.isAdmin ? [["", "the system"]] : []),
  ];
  const chain = el("select", {}, ...choices.map(([value, words]) => el("option", { value }, words)));
  const text = (help) => wordInput({ placeholder: help });
  const [by, key, action] = [text("a user"), text("db_*"), text("secret:*")];
  const decision = el(
    "select",
    {},
    ...["", "allowed", "refused"].map((value) => el("option", { value }, value || "any")),
  );
  const [since, until] = [el("input", { type: "date" }), el("input", { type: "date" })];
  const rows = el("tbody", {});
  const place = el("div", { class: "card flush", hidden: true }, table(rows));
  const foot = el("div", { class: "pages" });
  const state = el("div", { class: "tag" });
  let turn = 0;

  async function load(after) {
    const mine = (turn += 1);
    place.setAttribute("aria-busy", "true");
    foot.replaceChildren();
    const query = {
      tenant: chain.value,
      newest_first: true,
      size: SIZE,
      by: by.value.trim(),
      key: key.value.trim(),
      action: action.value.trim(),
      decision: decision.value,
    };
    if (since.value) query.since = `${since.value}T00:00:00.000Z`;
    if (until.value) query.until = dayAfter(until.value);
    if (after) query.after = after;
    try {
      const { records, more } = await trail.list(query);
      if (mine !== turn) return;
      if (!after) rows.replaceChildren();
      rows.append(...records.map(row));
      place.hidden = rows.children.length === 0;
      if (place.hidden) foot.replaceChildren(empty("No records", "Nothing was recorded that matches."));
      else if (more) foot.replaceChildren(button("Older records", () => load(records.at(-1).number)));
    } catch (error) {
      if (mine === turn)
        foot.replaceChildren(
          problem(error),
          button("Try again", () => load(after)),
        );
    } finally {
      if (mine === turn) place.removeAttribute("aria-busy");
    }
  }

  async function verify() {
    state.replaceChildren(el("span", { class: "quiet", role: "status" }, "Checking the chain…"));
    try {
      const found = await trail.verify(chain.value);
      const whole = found.broken === null;
      const words = whole
        ? `Chain whole: ${found.number.toLocaleString()} records`
        : `Chain broken at record ${found.broken}`;
      state.replaceChildren(
        el("strong", { class: whole ? "good" : "bad", role: "status" }, `${whole ? "✓" : "✗"} ${words}`),
        el(
          "code",
          { class: "quiet", title: "Keep this head elsewhere: it proves later that nothing was cut off" },
          `${found.number}:${found.hash.slice(0, 16)}…`,
        ),
        button("Head", () => head(found)),
      );
    } catch (error) {
      state.replaceChildren(problem(error));
    }
  }

  function head(found) {
    return dialog("Head of the chain", {
      wide: true,
      fields: [
        el(
          "p",
          {},
          "Kept elsewhere, it shows later whether records were cut off or an older copy was put back: ",
          el("code", {}, "resolver audit verify --head"),
          ".",
        ),
        el("pre", { class: "value", tabindex: 0 }, `${found.number}:${found.hash}`),
      ],
    });
  }

  const form = el(
    "form",
    { class: "bar", autocomplete: "off", role: "search", "aria-label": "Records" },
    field("Trail of", chain),
    field("By", by),
    field("Key or name", key),
    field("Action", action),
    field("Decision", decision),
    field("From", since),
    field("To", until),
    el("button", { type: "submit", class: "main" }, "Filter"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    load();
  });
  chain.addEventListener("change", () => {
    load();
    verify();
  });
  await Promise.all([load(), verify()]);
  return [el("div", { class: "bar" }, el("h1", {}, "Audit"), state), form, place, foot];
}

function dayAfter(day) {
  return new Date(Date.parse(`${day}T00:00:00Z`) + 86_400_000).toISOString();
}

const ROUND = 2; // the format of records that tell of several keys
const SHOWN = 5;

const TITLES = ["Number", "When", "By", "Action", "Key or name", "Version", "Decision", ""];

function table(rows) {
  return el(
    "table",
    { class: "cards" },
    el("caption", { class: "unseen" }, "Audit records, newest first"),
    el(
      "thead",
      {},
      el(
        "tr",
        {},
        ...TITLES.map((title) =>
          el("th", { scope: "col" }, title || el("span", { class: "unseen" }, "Details")),
        ),
      ),
    ),
    rows,
  );
}

function row(record) {
  const decided =
    record.decision === "allowed"
      ? el("span", { class: "good" }, "allowed")
      : el("span", { class: "bad" }, `${record.decision}: ${String(record.reason).replaceAll("_", " ")}`);
  const told = record.format === ROUND && record.keys.length ? record.keys : [record];
  const cells = [
    String(record.number),
    time(record.at),
    record.caller,
    record.action,
    about(told, record.keys_total ?? told.length),
    told.length > 1 || told[0].version === undefined ? "–" : String(told[0].version),
    decided,
    button("Details", () => details(record), "small"),
  ];
  return el("tr", {}, ...cells.map((cell, index) => el("td", { "data-label": TITLES[index] }, cell)));
}

/** The keys of a round, or the one thing that a record is about; those that were refused first. */
function about(told, total) {
  const names = [...told].sort((one, other) => isRefused(other) - isRefused(one));
  const shown = names.slice(0, SHOWN).flatMap((one) => [
    el("code", { class: isRefused(one) && told.length > 1 ? "bad" : "" }, String(one.key ?? one.object ?? "")),
    " ",
  ]);
  const left = total - Math.min(SHOWN, names.length);
  return el("span", {}, ...shown, left > 0 ? `and ${left.toLocaleString()} more` : "");
}

const isRefused = (told) => Number(told.decision === "refused");

function details(record) {
  return dialog(`Record ${record.number}`, {
    wide: true,
    fields: [el("pre", { class: "value", tabindex: 0 }, JSON.stringify(record, null, 2))],
  });
}
