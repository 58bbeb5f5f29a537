// Finds pages, things to do and secrets from anywhere: by Ctrl-K, or by a slash where nothing is typed.

import { secrets } from "./api.js";
import { closeDialogs, dialog, el, field, problem, settled } from "./dom.js";

const MOST = 8;

const fits = (title, asked) => title.toLowerCase().includes(asked.toLowerCase());

/**
 * @param places what there is beside secrets: {title, href}
 * @param context of the page that is shown
 */
export function find(places, context) {
  const found = el("ul", { class: "found", "aria-label": "Found" });
  const told = el("p", { class: "quiet", role: "status" });
  const seesSecrets = context.rights.may("secret:list", context.tenant);
  let turn = 0;

  function show(links, words) {
    found.replaceChildren(...links.map(({ title, kind, href }) => el("li", {}, line(title, kind, href))));
    told.textContent = words;
  }

  function line(title, kind, href) {
    const go = async (event) => {
      event.preventDefault();
      await closeDialogs({ asks: false });
      location.hash = href;
    };
    return el("a", { href, onclick: go }, el("span", {}, title), el("span", { class: "quiet" }, kind));
  }

  async function look() {
    const mine = (turn += 1);
    const asked = input.value.trim();
    const pages = places.filter(({ title }) => fits(title, asked));
    show(pages, asked && seesSecrets ? "Looking for secrets…" : "");
    if (!asked || !seesSecrets) return;
    try {
      const query = [["_search", asked], ["_size", MOST], ["_sort", "key"]];
      const { items, total } = await secrets.list(context.tenant, query);
      if (mine !== turn) return;
      const known = items.map((secret) => ({ title: secret.key, kind: "secret", href: context.at(secret) }));
      const left = total - items.length;
      const all = { title: `${left.toLocaleString()} more`, kind: "list", href: context.link("secrets", "", { search: asked }) };
      show([...pages, ...known, ...(left > 0 ? [all] : [])], pages.length + known.length ? "" : "Nothing found.");
    } catch (error) {
      if (mine === turn) told.replaceChildren(problem(error));
    }
  }

  const later = settled(look);
  const input = el("input", {
    type: "search",
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
    oninput: () => {
      show([], "");
      later();
    },
  });
  const form = el("div", {}, field("Page, action or secret", input), told, found);
  form.addEventListener("keydown", (event) => {
    const links = [...found.querySelectorAll("a")];
    if (event.key === "Enter" && event.target === input) {
      event.preventDefault();
      links[0]?.click();
      return;
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || links.length === 0) return;
    event.preventDefault();
    const at = links.indexOf(document.activeElement) + step;
    (at < 0 ? input : (links[at] ?? links.at(-1))).focus();
  });
  look();
  return dialog("Go to", { fields: [form], first: input });
}

/** Whether a key that was pressed asks for it. */
export function asksToFind(event) {
  if (event.isComposing || event.altKey) return false;
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") return true;
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  return event.key === "/" && !event.ctrlKey && !event.metaKey && !typing;
}
