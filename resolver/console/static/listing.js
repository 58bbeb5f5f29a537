// Tables whose rows come from the server in parts: searched, sorted and cut there.

import { button, el, empty, field, icon, problem, settled } from "./dom.js";

const SIZES = [25, 50, 100];
const WAITING_MS = 300;

export class Listing {
  /**
   * What is searched, the filters, the order and the page are in the address, so that a link to them lasts.
   *
   * @param columns of {title, field, cell}: what a head says, what to sort by, and what makes a cell of an item
   * @param filters the names of what rows are chosen by beside the search, and what they are at first
   * @param load asks the server: ({size, offset, sort, search, and each filter}) => {items, total}
   */
  constructor({ context, caption, columns, load, none, filters = {}, sort = "", size = 50 }) {
    const { query } = context;
    this.usual = { search: "", ...filters, sort, size: String(size), page: "1" };
    const asked = (name) => query.get(name) ?? this.usual[name];
    this.filters = Object.fromEntries(Object.keys({ search: "", ...filters }).map((name) => [name, asked(name)]));
    Object.assign(this, { context, caption, columns, load, none, total: 0, sort: asked("sort") });
    this.size = SIZES.includes(Number(asked("size"))) ? Number(asked("size")) : size;
    this.offset = (Math.max(1, Math.floor(Number(asked("page"))) || 1) - 1) * this.size;
    this.turn = 0;
    this.root = el("div", { class: "listing", tabindex: -1 });
    this.heads = el("tr", {});
    this.body = el("tbody", {});
    this.table = el(
      "table",
      { class: "cards" },
      el("caption", { class: "unseen" }, caption),
      el("thead", {}, this.heads),
      this.body,
    );
    this.place = el("div", { class: "card flush", hidden: true }, this.table);
    this.pages = el("div", { class: "pages", hidden: true });
    this.nothing = el("div", {});
    this.note = el("div", {});
    this.waiting = el("p", { class: "waiting", role: "status" });
    this.makePages();
    this.root.append(this.note, this.waiting, this.place, this.nothing, this.pages);
  }

  /** Ask for the part again; with `first`, for the first one. Rows that may be others soon are out of reach. */
  async reload({ first = false } = {}) {
    const mine = (this.turn += 1);
    if (first) this.offset = 0;
    const focused = this.place.contains(document.activeElement)
      ? (document.activeElement.dataset.focus ?? "")
      : null;
    this.outdate();
    clearTimeout(this.patience);
    this.patience = setTimeout(() => (this.waiting.textContent = "Loading…"), WAITING_MS);
    try {
      const part = () => this.load({ size: this.size, offset: this.offset, sort: this.sort, ...this.filters });
      let found = await part();
      if (mine === this.turn && found.items.length === 0 && this.offset > 0) {
        this.offset = Math.max(0, Math.ceil(found.total / this.size) - 1) * this.size; // others deleted the last part
        found = await part();
      }
      if (mine !== this.turn) return;
      this.total = found.total;
      this.remember();
      this.draw(found.items, focused);
      this.note.replaceChildren();
    } catch (error) {
      if (mine !== this.turn) return;
      this.note.replaceChildren(
        problem(error),
        button("Try again", () => this.reload()),
      );
    } finally {
      if (mine === this.turn) {
        clearTimeout(this.patience);
        this.waiting.textContent = "";
        this.place.removeAttribute("aria-busy");
      }
    }
  }

  remember() {
    const page = String(this.offset / this.size + 1);
    const shown = { ...this.filters, sort: this.sort, size: String(this.size), page };
    this.context.remember(
      Object.fromEntries(Object.entries(shown).filter(([name, value]) => value !== this.usual[name])),
    );
  }

  /** Choose rows by something else, from the first one on. */
  filter(name, value) {
    this.filters[name] = value;
    return this.reload({ first: true });
  }

  /** What is there may not be what will be: it can't be clicked until it was read again. */
  outdate() {
    this.place.inert = true;
    this.place.setAttribute("aria-busy", "true");
  }

  draw(items, focused) {
    this.heads.replaceChildren(...this.columns.map((column) => this.head(column)));
    this.body.replaceChildren(...items.map((item) => this.row(item)));
    this.place.hidden = items.length === 0;
    this.place.inert = false;
    this.drawPages(items.length);
    if (focused === null) return;
    const again = [...this.place.querySelectorAll(`[data-focus="${CSS.escape(focused)}"]`)];
    (again.find((one) => one.checkVisibility()) ?? this.root).focus();
  }

  row(item) {
    const cells = this.columns.map((column) => {
      const content = [column.cell(item)].flat().filter((one) => one !== null && one !== false);
      const isBlank = content.length === 0 || content[0] === "" || content[0] === "–";
      const kinds = [column.kind, isBlank ? "blank" : ""].filter(Boolean).join(" ");
      return el("td", { "data-label": column.unseen ? null : column.title, class: kinds || null }, ...content);
    });
    return el("tr", {}, ...cells);
  }

  head(column) {
    if (!column.field)
      return el(
        "th",
        { scope: "col" },
        column.unseen ? el("span", { class: "unseen" }, column.title) : column.title,
      );
    const direction =
      this.sort === column.field ? "ascending" : this.sort === `-${column.field}` ? "descending" : null;
    const turn = () => {
      this.sort = direction === "ascending" ? `-${column.field}` : column.field;
      this.reload({ first: true });
    };
    const sign = direction && icon(direction === "ascending" ? "up" : "down");
    const shared = { type: "button", "data-focus": `head ${column.field}`, onclick: turn };
    return el(
      "th",
      { scope: "col", "aria-sort": direction },
      el("button", shared, column.title, sign || null),
    );
  }

  /** The controls below the table: they stay the same ones, so that the focus stays on them. */
  makePages() {
    const choice = (label, kind, options, chosen) => {
      const select = el(
        "select",
        { "aria-label": label, class: `narrow ${kind}`, onchange: () => chosen(select.value) },
        ...options.map(([value, words]) => el("option", { value }, words)),
      );
      return select;
    };
    const turn = (by) => (event) => {
      if (event.currentTarget.getAttribute("aria-disabled") === "true") return;
      this.offset = Math.max(0, this.offset + by * this.size);
      this.reload();
      this.root.scrollIntoView({ block: "nearest" });
    };
    this.words = el("span", { role: "status" });
    this.sizes = choice(
      "Rows on a page",
      "",
      SIZES.map((count) => [count, `${count} rows`]),
      (size) => {
        this.size = Number(size);
        this.reload({ first: true });
      },
    );
    this.sorter = choice(
      "Sort by",
      "sorter",
      [
        ...(this.sort ? [] : [["", "As they were made"]]),
        ...this.columns
          .filter((column) => column.field)
          .flatMap(({ title, field }) => [
            [field, title],
            [`-${field}`, `${title}, downwards`],
          ]),
      ],
      (sort) => {
        this.sort = sort;
        this.reload({ first: true });
      },
    );
    this.back = el("button", { type: "button", onclick: turn(-1) }, "Previous");
    this.on = el("button", { type: "button", onclick: turn(1) }, "Next");
    this.pages.append(this.words, this.sorter, this.sizes, this.back, this.on);
  }

  drawPages(shown) {
    this.pages.hidden = this.total === 0;
    this.nothing.replaceChildren(...(this.total === 0 ? this.none() : []));
    const number = (count) => count.toLocaleString();
    this.words.textContent = `${number(this.offset + 1)} to ${number(this.offset + shown)} of ${number(this.total)}`;
    this.sizes.value = String(this.size);
    this.sorter.value = this.sort;
    this.sorter.hidden = this.sorter.length < 2;
    this.back.setAttribute("aria-disabled", String(this.offset === 0));
    this.on.setAttribute("aria-disabled", String(this.offset + shown >= this.total));
  }
}

/** A field to search a listing by, a moment after the last letter. */
export function searchField(placeholder, listing) {
  const look = settled(() => listing.reload({ first: true }));
  const control = el("input", {
    type: "search",
    value: listing.filters.search,
    autocomplete: "off",
    spellcheck: "false",
    placeholder,
    oninput: () => {
      listing.filters.search = control.value.trim();
      listing.outdate();
      look();
    },
  });
  return el("div", { class: "grow" }, field("Search", control));
}

export function nothingFound(search) {
  return [
    empty("Nothing found", search ? "Nothing here matches. Try fewer letters." : "Nothing here matches."),
  ];
}

/** A table of what is known as a whole. */
export function table(caption, titles, rows, kinds = ["key"]) {
  return el(
    "div",
    { class: "card flush" },
    el(
      "table",
      { class: "cards" },
      el("caption", { class: "unseen" }, caption),
      el("thead", {}, el("tr", {}, ...titles.map((title) => el("th", { scope: "col" }, title)))),
      el(
        "tbody",
        {},
        ...rows.map((cells) =>
          el(
            "tr",
            {},
            ...cells.map((cell, index) => el("td", { "data-label": titles[index], class: kinds[index] || null }, cell)),
          ),
        ),
      ),
    ),
  );
}
