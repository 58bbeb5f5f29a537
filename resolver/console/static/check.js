// A blueprint's text with each get_secret call marked in place. The text is kept nowhere but on this page.

import { blueprints } from "./api.js";
import { button, el, field, guard, problem, sentence, wallClock } from "./dom.js";
import { readText } from "./files.js";

const STATES = {
  usable: { sign: "✓", words: "exists and may be used", short: "may be used", kind: "good" },
  expired: { sign: "!", words: "expired, and still used", short: "expired", kind: "warn" },
  due: { sign: "!", words: "may be used; a new value is due", short: "due for a new value", kind: "warn" },
  not_found: { sign: "✗", words: "not found", kind: "bad" },
  not_permitted: { sign: "✗", words: "not permitted", kind: "bad" },
  protected: { sign: "!", words: "protected: its use has to be approved", short: "protected", kind: "warn" },
  open: { sign: "✓", words: "not protected", kind: "good" }, // on the page of an approval
  wrong: { sign: "✗", words: "can't be resolved", kind: "bad" },
  depends_on_value: { sign: "?", words: "depends on a secret's value", kind: "warn" },
  run_time: { sign: "?", words: "depends on run time", kind: "warn" },
};
const WORST_FIRST = [
  "wrong",
  "not_found",
  "not_permitted",
  "protected",
  "expired",
  "due",
  "depends_on_value",
  "run_time",
  "usable",
  "open",
];
const LINE_BREAK = /\r\n|[\r\n\u0085\u2028\u2029]/;
const MAX_TEXT = 8 * 1024 * 1024;
const PLAIN_KEY = /^[A-Za-z][A-Za-z0-9._~-]*$/;

const CALLS_SHOWN = 100; // at once: what is drawn is bounded, however long the text is
const LINES_SHOWN = 1000;

let kept = { text: "", inputs: "", name: "", result: null, tenant: "" };

guard(() => kept.name === "" && kept.text.trim() !== ""); // typed or pasted, and in no file

export async function page(context) {
  const { tenant } = context;
  if (kept.tenant !== tenant) kept = { ...kept, tenant, result: null };
  const text = el("textarea", {
    rows: 12,
    spellcheck: "false",
    autocomplete: "off",
    autocapitalize: "none",
    required: true,
    class: "wide",
  });
  text.value = kept.text;
  const inputs = el("textarea", { rows: 3, spellcheck: "false", autocomplete: "off" });
  inputs.value = kept.inputs;
  const file = el("input", { type: "file", accept: ".yaml,.yml,.json,text/*" });
  const errors = el("div", {});
  const results = el("section", { "aria-label": "Result", tabindex: -1 });
  const waiting = el("p", { class: "waiting", role: "status" });
  const send = el("button", { type: "submit", class: "main" }, "Check");

  const look = async () => {
    send.disabled = true;
    results.inert = true; // what is there is of another text
    waiting.textContent = "Checking…";
    errors.replaceChildren();
    results.setAttribute("aria-busy", "true");
    Object.assign(kept, { text: text.value, inputs: inputs.value });
    try {
      kept.result = await blueprints.check(tenant, {
        text: text.value,
        inputs: inputs.value,
        ...(kept.name ? { name: kept.name } : {}),
      });
      for (const call of kept.result.calls) {
        if (call.state === "usable" && (call.expired || call.due)) call.state = call.expired ? "expired" : "due";
      }
      results.replaceChildren(...told(context, kept.text, kept.result));
      results.focus();
    } catch (error) {
      kept.result = null;
      results.replaceChildren();
      errors.replaceChildren(problem(error));
    } finally {
      send.disabled = false;
      results.inert = false;
      waiting.textContent = "";
      results.removeAttribute("aria-busy");
    }
  };
  file.addEventListener("click", () => (file.value = "")); // the same one may be chosen again, with other content
  file.addEventListener("change", async () => {
    const [chosen] = file.files;
    if (!chosen) return;
    try {
      text.value = await readText(chosen, { most: MAX_TEXT, what: "a blueprint" });
    } catch (error) {
      errors.replaceChildren(problem(error));
      return;
    }
    kept.name = chosen.name;
    await look();
  });
  text.addEventListener("input", () => Object.assign(kept, { name: "", text: text.value }));
  const form = el(
    "form",
    { class: "card", autocomplete: "off" },
    field(
      "Blueprint",
      text,
      "Paste it, or choose a file. It is checked and not stored; no secret is used or shown.",
    ),
    field("Or a file", file),
    el(
      "details",
      { open: kept.inputs !== "" },
      el("summary", {}, "Inputs"),
      field(
        "Inputs as YAML or JSON",
        inputs,
        "Optional, like `environment: prod`, for keys that inputs name.",
      ),
    ),
    errors,
    el("div", { class: "actions" }, button("Clear", clear), send),
  );
  function clear() {
    Object.assign(kept, { text: "", inputs: "", name: "", result: null });
    text.value = inputs.value = file.value = "";
    errors.replaceChildren();
    results.replaceChildren();
    text.focus();
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!send.disabled) look();
  });
  if (kept.result) await look(); // what there is may have changed
  return [el("div", { class: "bar" }, el("h1", {}, "Blueprint check")), form, waiting, results];
}

function told(context, text, result) {
  const { calls, problems, imports, inputs, notes } = result;
  const of = (one) => `${one.line}:${one.column}:${one.message}`;
  const ofCalls = new Set(calls.flatMap((call) => call.problems.map(of)));
  const rest = problems.filter((one) => !ofCalls.has(of(one)));
  const lines = marked(text, calls);
  const remarks = [
    ...notes.map((note) => noteOn(note, kept.name || "<blueprint>")),
    ...(inputs.length > 0 ? [`Inputs without a value: ${inputs.join(", ")}.`] : []),
    ...(imports.length > 0 && !notes.some((note) => note.includes("imports left"))
      ? [`Imports left to the manager: ${imports.join(", ")}.`]
      : []),
  ];
  return [
    el("p", { role: "status", class: "summary" }, summary(calls, problems)),
    ...rest.slice(0, CALLS_SHOWN).map((one) =>
      problem({ message: `${one.line ? `line ${one.line}: ` : ""}${one.message}`, hint: one.hint }),
    ),
    rest.length > CALLS_SHOWN ? el("p", {}, `And ${rest.length - CALLS_SHOWN} more problems.`) : null,
    remarks.length > 0 ? el("ul", { class: "quiet" }, ...remarks.map((words) => el("li", {}, words))) : null,
    el(
      "div",
      { class: "columns" },
      lines.root,
      calls.length > 0
        ? list(context, calls, lines)
        : el("p", { class: "quiet" }, "The text has no get_secret call."),
    ),
  ].filter(Boolean);
}

/** A note of the check as a sentence of this page: where it is by its line, and no name of a rule. */
function noteOn(note, name) {
  const [, line, words] = new RegExp(`^${RegExp.escape?.(name) ?? name.replace(/[^\w ]/g, "\\$&")}:(?:(\\d+):\\d+:)? (.*)$`, "s").exec(note) ?? [null, "", note];
  const told = words.replace(/ \[\w+\]$/, "").replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, (time) => `${wallClock(time)} UTC`);
  return sentence(line ? `line ${line}: ${told}` : told);
}

function summary(calls, problems) {
  if (calls.length === 0)
    return problems.length > 0 ? "The text can't be used as it is." : "No get_secret calls.";
  const counts = new Map();
  for (const call of calls) counts.set(call.state, (counts.get(call.state) ?? 0) + 1);
  const words = WORST_FIRST.filter((state) => counts.has(state)).map(
    (state) => `${counts.get(state)} ${STATES[state].short || STATES[state].words}`,
  );
  return `${calls.length} ${calls.length === 1 ? "call" : "calls"}: ${words.join(", ")}.`;
}

/**
 * The text, cut into lines, with a mark around each call; the inner one of two is on top. A part of the lines is
 * drawn at a time.
 *
 * @returns {root, show}: its element, and what shows a line
 */
export function marked(text, calls) {
  const lines = text.replace(/^\ufeff/, "").split(LINE_BREAK);
  const starting = byLine(calls);
  const place = el("pre", { class: "text", tabindex: 0, "aria-label": "The blueprint with its calls marked" });
  const turning = el("div", { class: "pages" });
  let first = -1;
  const draw = (from) => {
    first = from;
    const until = Math.min(from + LINES_SHOWN, lines.length);
    // Calls that began before the first line shown may reach into it.
    const open = [...starting.values()].flat().filter((call) => call.line <= from && call.end_line > from);
    place.replaceChildren(
      ...lines.slice(from, until).map((line, index) => drawn(line, from + index + 1, starting, open)),
    );
    place.scrollTop = 0;
    const turn = (words, to) => button(words, () => draw(to), "small");
    turning.replaceChildren(
      el("span", { role: "status" }, `Lines ${from + 1} to ${until} of ${lines.length}`),
      ...(from > 0 ? [turn("Lines before", Math.max(0, from - LINES_SHOWN))] : []),
      ...(until < lines.length ? [turn("Lines after", until)] : []),
    );
    turning.hidden = lines.length <= LINES_SHOWN;
  };
  const show = (number) => {
    const wanted = Math.floor((number - 1) / LINES_SHOWN) * LINES_SHOWN;
    if (wanted !== first) draw(wanted);
    const line = document.getElementById(`line-${number}`);
    line.scrollIntoView({ block: "center" });
    line.classList.add("hit");
    setTimeout(() => line.classList.remove("hit"), 1500);
  };
  draw(0);
  return { root: el("div", {}, place, turning), show };
}

/** The calls that begin on each line, by their place; of two at one place the worse one. */
function byLine(calls) {
  const spans = new Map();
  for (const call of calls) {
    if (!call.line || !call.end_line) continue;
    const place = `${call.line}:${call.column}`;
    const before = spans.get(place);
    if (!before || WORST_FIRST.indexOf(call.state) < WORST_FIRST.indexOf(before.state))
      spans.set(place, call);
  }
  const starting = new Map();
  for (const call of [...spans.values()].sort((a, b) => a.line - b.line || a.column - b.column)) {
    if (!starting.has(call.line)) starting.set(call.line, []);
    starting.get(call.line).push(call);
  }
  return starting;
}

function drawn(text, number, starting, open) {
  const characters = Array.from(text);
  const begun = starting.get(number) || [];
  const cuts = new Set([0, characters.length]);
  for (const call of [...open, ...begun]) {
    if (call.line === number) cuts.add(call.column - 1);
    if (call.end_line === number) cuts.add(call.end_column - 1);
  }
  open.push(...begun);
  const edges = [...cuts].filter((cut) => cut <= characters.length).sort((a, b) => a - b);
  const parts = edges
    .slice(0, -1)
    .map((from, at) =>
      piece(characters.slice(from, edges[at + 1]).join(""), covering(open, number, from + 1)),
    );
  for (let at = open.length - 1; at >= 0; at -= 1) if (open[at].end_line <= number) open.splice(at, 1);
  return el("span", { class: "line", id: `line-${number}`, "data-number": number }, ...parts, "\n");
}

function covering(open, line, column) {
  const inside = (call) =>
    (call.line < line || call.column <= column) && (call.end_line > line || column < call.end_column);
  return open.filter(inside).at(-1);
}

function piece(text, call) {
  if (!call || !text.trim()) return text;
  const state = STATES[call.state];
  return el(
    "mark",
    { class: state.kind, title: `${call.key ? `${call.key}: ` : ""}${state.words}` },
    text,
    el("span", { class: "unseen" }, ` (${state.words})`),
  );
}

function list(context, calls, lines) {
  const items = el("ol", { class: "calls", "aria-label": "Calls" });
  let shown = 0;
  const rest = el("div", { class: "pages" });
  const more = () => {
    const next = calls.slice(shown, shown + CALLS_SHOWN);
    shown += next.length;
    items.append(...next.map((call) => el("li", { class: "card" }, ...lineOf(context, call, lines))));
    const left = calls.length - shown;
    rest.replaceChildren(
      ...(left > 0
        ? [
            el("span", { role: "status" }, `${shown} of ${calls.length} calls`),
            button(`Show ${Math.min(left, CALLS_SHOWN)} more`, more, "small"),
          ]
        : []),
    );
  };
  more();
  return el("div", {}, items, rest);
}

function lineOf(context, call, lines) {
  const state = STATES[call.state];
  const key = call.key
    ? el("code", {}, call.key + (call.steps ? ` ${call.steps}` : ""))
    : el("span", { class: "quiet" }, "key not known");
  const facts =
    call.secret &&
    `version ${call.secret.version}, ${call.secret.visibility}${call.secret.hidden ? ", hidden" : ""}${call.secret.tenant === context.tenant ? "" : `, of tenant ${call.secret.tenant}`}`;
  const creates =
    call.state === "not_found" &&
    PLAIN_KEY.test(call.key) &&
    context.rights.may("secret:create", context.tenant);
  return [
    el(
      "div",
      { class: "tag" },
      el("span", { class: state.kind, "aria-hidden": "true" }, state.sign),
      key,
      el("strong", { class: state.kind }, state.words),
    ),
    el(
      "div",
      { class: "note quiet" },
      call.line
        ? el(
            "a",
            {
              href: `#line-${call.line}`, // the click is taken: the part of the address after # names the page
              "aria-label": `line ${call.line}, ${call.key || "key not known"}`,
              onclick: (event) => (event.preventDefault(), lines.show(call.line)) },
            `line ${call.line}`,
          )
        : null,
      ` ${call.place}`,
    ),
    facts ? el("div", { class: "note quiet" }, facts) : null,
    ...call.problems
      .filter((one) => call.state === "wrong" || one.hint.includes("did you mean"))
      .map((one) =>
        el(
          "div",
          { class: "note" },
          sentence(call.state === "wrong" ? one.message : one.hint.split("?")[0] + "?"),
        ),
      ),
    creates
      ? el("a", { class: "button", href: context.link("secrets", "", { create: call.key }) }, `Create ${call.key}`)
      : null,
  ];
}
