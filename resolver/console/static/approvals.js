// Approvals: what somebody asks for, shown in place in the blueprint, and granted or denied by somebody else.

import { approvals } from "./api.js";
import { marked } from "./check.js";
import { button, confirm, dialog, el, empty, field, problem, say, time } from "./dom.js";
import { Listing, nothingFound, searchField } from "./listing.js";

const STATES = {
  pending: { words: "waits for somebody", kind: "warn" },
  granted: { words: "granted", kind: "good" },
  denied: { words: "denied", kind: "bad" },
  spent: { words: "used up", kind: "quiet" },
  ended: { words: "ended", kind: "quiet" },
};
const LASTS = { "1h": "an hour", "4h": "4 hours", "24h": "a day", "7d": "a week", "30d": "30 days" };

export async function page(context) {
  return context.argument ? onePage(context) : listPage(context);
}

async function listPage(context) {
  const { tenant } = context;
  const listing = new Listing({
    context,
    caption: `Approvals in ${tenant}`,
    sort: "-requested_at",
    columns: [
      {
        title: "Secrets",
        kind: "key",
        cell: (one) => el("a", { href: context.link("approvals", one.id), "data-focus": one.id }, one.keys.join(", ")),
      },
      { title: "State", field: "state", kind: "plain", cell: stateOf },
      { title: "What for", cell: (one) => aim(one) },
      { title: "Asked by", field: "requested_by", kind: "word", cell: (one) => one.requested_by },
      { title: "Asked", field: "requested_at", cell: (one) => time(one.requested_at) },
      { title: "Ends", field: "ends_at", kind: "minor", cell: (one) => time(one.ends_at) },
    ],
    load: async ({ size, offset, sort, search }) => {
      const [by, down] = [sort.replace("-", ""), sort.startsWith("-") ? -1 : 1];
      const items = (await approvals.list(tenant)).items
        .filter((one) => [...one.keys, one.requested_by, one.reason, one.id].some((text) => text.includes(search)))
        .sort((a, b) => down * String(a[by]).localeCompare(String(b[by])));
      return { items: items.slice(offset, offset + size), total: items.length };
    },
    none: () =>
      listing.filters.search
        ? nothingFound(listing.filters.search)
        : [empty("No approvals", "A protected secret is used for blueprints that somebody approved. Nobody asked yet.")],
  });
  await listing.reload();
  return [
    el(
      "div",
      { class: "bar" },
      el("h1", {}, "Approvals"),
      searchField("Part of a key, a user or a reason", listing),
    ),
    listing.root,
  ];
}

const stateOf = (one) => el("span", { class: STATES[one.state].kind }, STATES[one.state].words);
const aim = (one) => one.reason || (one.digest ? "–" : "the end of the protection");

async function onePage(context) {
  const { rights, tenant, argument: id } = context;
  const root = el("div", { tabindex: -1 });
  const bar = () =>
    el(
      "div",
      { class: "bar" },
      el("h1", {}, "Approval"),
      el("a", { href: context.link("approvals") }, `All approvals in ${tenant}`),
    );
  const after = async (done) => {
    if (!(await done)) return;
    await reload();
    root.focus();
  };
  async function reload() {
    let found;
    try {
      found = await approvals.bundle(tenant, id);
    } catch (error) {
      root.replaceChildren(bar(), problem(error));
      return;
    }
    if (context.isCurrent()) draw(found);
  }

  function draw({ approval, bundle, calls }) {
    const isOpen = ["pending", "granted"].includes(approval.state);
    const mine = approval.requested_by === rights.me.username;
    const decides = rights.may("approval:grant", tenant);
    const changed = () => reload().then(() => "The request was read again.");
    root.replaceChildren(
      bar(),
      el(
        "div",
        { class: "bar", role: "group", "aria-label": "Decide" },
        approval.state === "pending" && decides && !mine
          ? button("Grant", () => after(grant(tenant, approval, changed)), "main")
          : null,
        isOpen && (decides || mine)
          ? button(denying(approval, mine), () => after(deny(tenant, approval, mine, changed)))
          : null,
        approval.state === "pending" && mine
          ? el("span", { class: "quiet" }, "Somebody else has to grant what you asked for.")
          : null,
      ),
      el("section", { class: "card" }, el("h2", {}, "What was asked"), facts(approval, bundle)),
      bundle ? blueprints(bundle, calls) : null,
    );
  }

  await reload();
  return [root];
}

function facts(approval, bundle) {
  const all = [
    ["State", stateOf(approval)],
    ["Secrets", approval.keys.join(", ")],
    ["What for", aim(approval)],
    ["Asked by", approval.requested_by],
    ["Asked", time(approval.requested_at)],
    ["Ends", time(approval.ends_at)],
    ["Uses left", approval.uses ? `${approval.uses_left} of ${approval.uses}` : null],
    ["Decided by", approval.decided_by],
    ["Comment", approval.comment],
    ...Object.entries(bundle?.inputs ?? {}).map(([name, { value }]) => [`Input ${name}`, JSON.stringify(value)]),
    ...Object.entries(bundle?.context ?? {}).map(([name, value]) => [`Context ${name}`, JSON.stringify(value)]),
    ["SHA-256", approval.digest && el("code", {}, approval.digest)],
  ];
  const known = all.filter(([, words]) => words !== null && words !== undefined && words !== "");
  return el("dl", { class: "facts" }, ...known.flatMap(([name, words]) => [el("dt", {}, name), el("dd", {}, words)]));
}

/** The texts, one at a time, with the calls marked in place. */
function blueprints(bundle, calls) {
  const files = bundle.blueprints.flatMap((one) => [
    { name: one.name, text: one.text },
    ...Object.entries(one.files).map(([path, text]) => ({ name: path, text, imported: true })),
  ]);
  const states = calls.map((call) => ({ ...call, state: call.protected ? "protected" : "open" }));
  const inFile = (file) =>
    states.filter((call) => (file.imported ? call.source.endsWith(file.name) : call.source === file.name));
  const place = el("div", {});
  const show = (file) => place.replaceChildren(marked(file.text, inFile(file)).root);
  const chosen = el(
    "select",
    { onchange: () => show(files[Number(chosen.value)]) },
    ...files.map((file, index) =>
      el("option", { value: String(index) }, file.imported ? `${file.name} (imported)` : file.name),
    ),
  );
  show(files[0]);
  const guarded = states.filter((call) => call.protected);
  return el(
    "section",
    { class: "card" },
    el("h2", {}, "Blueprint"),
    el(
      "p",
      {},
      `${guarded.length} of ${calls.length} ${calls.length === 1 ? "call asks" : "calls ask"} for a protected secret` +
        (guarded.length ? `: ${guarded.map((call) => `line ${call.line}`).join(", ")}.` : "."),
    ),
    files.length > 1 ? field("File", chosen) : null,
    place,
  );
}

function grant(tenant, approval, changed) {
  const uses = el("input", { type: "number", min: 1, max: 1000, value: 1, required: true });
  const lasts = el(
    "select",
    {},
    ...Object.entries(LASTS).map(([value, words]) => el("option", { value, selected: value === "24h" }, words)),
  );
  const comment = commentInput();
  return dialog("Grant this", {
    fields: [
      el(
        "p",
        {},
        approval.digest
          ? `${approval.requested_by} can have exactly this resolved, with ${approval.keys.join(", ")}.`
          : `${approval.keys.join(", ")} is protected no longer: who may see secrets sees it.`,
      ),
      ...(approval.digest ? [field("Runs", uses), field("Within", lasts)] : []),
      field("Comment", comment),
    ],
    action: "Grant",
    changed,
    submit: async () => {
      await approvals.grant(tenant, approval.id, {
        uses: Number(uses.value),
        lasts: lasts.value,
        comment: comment.value.trim(),
      });
      say("Granted");
    },
  });
}

const commentInput = () => el("input", { type: "text", maxlength: 1000, autocomplete: "off" });

function denying(approval, mine) {
  if (approval.state === "granted") return "End it";
  return mine ? "Withdraw" : "Deny";
}

function deny(tenant, approval, mine, changed) {
  const words = denying(approval, mine);
  return confirm(
    `${words}?`,
    "Nothing can be used by it then. It can be asked for again.",
    words,
    async () => {
      await approvals.deny(tenant, approval.id, { comment: "" });
      say(words === "Deny" ? "Denied" : "Ended");
    },
    { changed },
  );
}
