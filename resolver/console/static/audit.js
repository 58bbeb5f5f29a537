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
  const asked = (name) => context.query.get(name) ?? "";
  const chosen = (options, now) =>
    el("select", {}, ...options.map(([value, words]) => el("option", { value, selected: value === now }, words)));
  const text = (name, help) => wordInput({ placeholder: help, value: asked(name) });
  const day = (name) => el("input", { type: "date", value: asked(name) });
  const fields = {
    by: text("by", "a user"),
    key: text("key", "db_*"),
    action: text("action", "secret:*"),
    decision: chosen([["", "any"], ["allowed", "allowed"], ["refused", "refused"]], asked("decision")),
    run: text("run", "ID or NAME=TEXT"),
    since: day("since"),
    until: day("until"),
  };
  const chain = chosen(choices, asked("of") === "system" ? "" : tenant);
  const rows = el("tbody", {});
  const place = el("div", { class: "card flush", hidden: true }, table(rows));
  const foot = el("div", { class: "pages" });
  const state = el("div", { class: "bar middle" });
  let turn = 0;
  let checking = 0;

  async function load(after) {
    const mine = (turn += 1);
    if (!after) {
      place.inert = true; // what is there is not what is asked for
      place.setAttribute("aria-busy", "true");
    }
    foot.replaceChildren(el("p", { class: "waiting", role: "status" }, "Loading…"));
    const given = Object.fromEntries(Object.entries(fields).map(([name, one]) => [name, one.value.trim()]));
    context.remember({ of: chain.value === tenant ? "" : "system", ...given });
    const query = { ...given, tenant: chain.value, newest_first: true, size: SIZE };
    if (given.since) query.since = `${given.since}T00:00:00.000Z`;
    if (given.until) query.until = dayAfter(given.until);
    if (after) query.after = after;
    try {
      const { records, more } = await trail.list(query);
      if (mine !== turn) return;
      if (!after) rows.replaceChildren();
      place.inert = false;
      foot.replaceChildren();
      rows.append(...records.map((record) => row(record, context)));
      place.hidden = rows.children.length === 0;
      if (place.hidden) foot.replaceChildren(empty("No records", "Nothing was recorded that matches."));
      else if (more) foot.replaceChildren(button("Older records", () => load(records.at(-1).number)));
      if (after) rows.querySelector(`[data-number="${records[0]?.number}"] button`)?.focus({ preventScroll: true });
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

  /** Nothing is known of the chain until somebody asks: checking it reads all records. */
  function unverified() {
    checking += 1;
    state.replaceChildren(
      button("Verify the chain", verify),
      el("span", { class: "quiet" }, "Reads all records of this trail."),
    );
  }

  async function verify() {
    const mine = (checking += 1);
    const began = Date.now();
    const progress = el("progress", { "aria-label": "Verifying the chain" });
    const words = el("span", { class: "quiet", role: "status" }, "Verifying the chain…");
    const passed = el("span", { class: "quiet" });
    state.replaceChildren(progress, words, passed);
    const clock = setInterval(() => {
      passed.textContent = `${Math.round((Date.now() - began) / 1000)} s`;
    }, 1000);
    try {
      const trails = chain.value;
      const { number } = await trail.head(trails);
      words.textContent = `Verifying ${counted(number)}…`;
      const found = await trail.verify(trails);
      if (mine === checking) state.replaceChildren(...verified(found));
    } catch (error) {
      if (mine === checking) state.replaceChildren(problem(error), button("Try again", verify));
    } finally {
      clearInterval(clock);
    }
  }

  function verified(found) {
    const whole = found.broken === null;
    const words = whole
      ? `Chain whole: ${counted(found.number)}`
      : `Chain broken at record ${found.broken}`;
    const more = [
      found.kept_differs,
      found.rows?.length ? `${found.rows.length.toLocaleString()} rows of the database are not as recorded` : "",
      found.index_faults ? `the index differs in ${found.index_faults.toLocaleString()} places` : "",
    ].filter(Boolean);
    return [
      el(
        "strong",
        { class: whole && more.length === 0 ? "good" : "bad", role: "status" },
        `${whole && more.length === 0 ? "✓" : "✗"} ${[words, ...more].join("; ")}`,
      ),
      el(
        "code",
        { class: "quiet", title: "Keep this head elsewhere: it proves later that nothing was cut off" },
        `${found.number}:${found.hash.slice(0, 16)}…`,
      ),
      button("Head", () => head(found)),
      button("Verify again", verify),
    ];
  }

  function head(found) {
    return dialog("Head of the chain", {
      wide: true,
      fields: [
        el(
          "p",
          {},
          "Kept elsewhere, it shows later whether records were cut off or an older copy was put back: who checks the trail then compares it with this.",
        ),
        el("pre", { class: "value", tabindex: 0 }, `${found.number}:${found.hash}`),
      ],
    });
  }

  const form = el(
    "form",
    { class: "bar", autocomplete: "off", role: "search", "aria-label": "Records" },
    field("Trail of", chain),
    field("By", fields.by),
    field("Key or name", fields.key),
    field("Action", fields.action),
    field("Decision", fields.decision),
    field("Run", fields.run),
    field("From (UTC)", fields.since),
    field("To (UTC)", fields.until),
    el("button", { type: "submit", class: "main" }, "Filter"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    load();
  });
  chain.addEventListener("change", () => {
    load();
    unverified();
  });
  unverified();
  await load();
  return [el("div", { class: "bar" }, el("h1", {}, "Audit")), form, state, place, foot];
}

const counted = (number) => `${number.toLocaleString()} ${number === 1 ? "record" : "records"}`;

function dayAfter(day) {
  return new Date(Date.parse(`${day}T00:00:00Z`) + 86_400_000).toISOString();
}

const ROUND = 2; // the format of records that tell of several keys
const SHOWN = 5;

const KINDS = { By: "word", Action: "name plain", "Key or name": "key", Decision: "plain", "": "actions" };
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

const toldBy = (record) => (record.format === ROUND && record.keys.length ? record.keys : [record]);

/** When who did what with what, and what was decided: cells for any table of records. */
export function cellsOf(record, context) {
  const told = toldBy(record);
  const decided =
    record.decision === "allowed"
      ? el("span", { class: "good" }, "allowed")
      : el("span", { class: "bad" }, `${record.decision}: ${String(record.reason).replaceAll("_", " ")}`);
  return {
    when: time(record.at),
    by: by(record, context),
    action: record.action,
    about: about(told, record.keys_total ?? told.length),
    decided,
  };
}

function row(record, context) {
  const told = toldBy(record);
  const { when, by: who, action, about: what, decided } = cellsOf(record, context);
  const cells = [
    String(record.number),
    when,
    who,
    action,
    what,
    told.length > 1 || told[0].version === undefined ? "–" : String(told[0].version),
    decided,
    el(
      "button",
      {
        type: "button",
        class: "small",
        "aria-label": `Details of record ${record.number}`,
        onclick: () => details(record),
      },
      "Details",
    ),
  ];
  return el(
    "tr",
    { "data-number": record.number },
    ...cells.map((cell, index) =>
      el(
        "td",
        { "data-label": TITLES[index] || null, class: cell === "–" ? "blank" : (KINDS[TITLES[index]] ?? null) },
        cell,
      ),
    ),
  );
}

/** Who asked; of a workload also which run, with what that did. */
function by({ caller, run }, context) {
  if (!run) return caller;
  const label = `All records of run ${run.id} of ${run.trust}`;
  const asked = { run: run.id };
  return el(
    "span",
    {},
    `${caller}, run `,
    el("a", { href: context.link("audit", "", asked), title: label, "aria-label": label }, run.id),
  );
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
