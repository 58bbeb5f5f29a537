// Tables whose rows come from the server in parts: searched, sorted and cut there.

import { button, el, empty, icon, problem } from "./dom.js";

const SIZES = [25, 50, 100];

export class Listing {
  /**
   * @param columns of {title, field, cell}: what a head says, what to sort by, and what makes a cell of an item
   * @param load asks the server: ({size, offset, sort}) => {items, total}
   */
  constructor({ caption, columns, load, none, sort = "", size = 50 }) {
    Object.assign(this, { caption, columns, load, none, sort, size, offset: 0, total: 0 });
    this.turn = 0;
    this.root = el("div", { tabindex: -1 });
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
    this.pages = el("div", { class: "pages" });
    this.note = el("div", {});
    this.root.append(this.note, this.place, this.pages);
  }

  /** Ask for the part again; with `first`, for the first one. */
  async reload({ first = false } = {}) {
    const mine = (this.turn += 1);
    if (first) this.offset = 0;
    this.place.setAttribute("aria-busy", "true");
    try {
      let found = await this.load({ size: this.size, offset: this.offset, sort: this.sort });
      if (mine === this.turn && found.items.length === 0 && this.offset > 0) {
        this.offset = Math.max(0, Math.ceil(found.total / this.size) - 1) * this.size; // others deleted the last part
        found = await this.load({ size: this.size, offset: this.offset, sort: this.sort });
      }
      if (mine !== this.turn) return;
      this.total = found.total;
      this.draw(found.items);
      this.note.replaceChildren();
    } catch (error) {
      if (mine !== this.turn) return;
      this.note.replaceChildren(
        problem(error),
        button("Try again", () => this.reload()),
      );
    } finally {
      if (mine === this.turn) this.place.removeAttribute("aria-busy");
    }
  }

  draw(items) {
    const focused = this.body.contains(document.activeElement)
      ? (document.activeElement.dataset.focus ?? "")
      : null;
    this.heads.replaceChildren(...this.columns.map((column) => this.head(column)));
    this.body.replaceChildren(...items.map((item) => this.row(item)));
    this.place.hidden = items.length === 0;
    this.drawPages(items.length);
    if (focused !== null)
      (this.body.querySelector(`[data-focus="${CSS.escape(focused)}"]`) ?? this.root).focus();
  }

  row(item) {
    const cells = this.columns.map((column) => {
      const content = column.cell(item);
      return el("td", { "data-label": column.title, class: column.kind }, ...[content].flat());
    });
    return el("tr", {}, ...cells);
  }

  head(column) {
    if (!column.field)
      return el(
        "th",
        { scope: "col" },
        column.field === undefined && column.unseen
          ? el("span", { class: "unseen" }, column.title)
          : column.title,
      );
    const direction =
      this.sort === column.field ? "ascending" : this.sort === `-${column.field}` ? "descending" : null;
    const turn = () => {
      this.sort = direction === "ascending" ? `-${column.field}` : column.field;
      this.reload({ first: true }).then(() =>
        this.heads.querySelector(`[data-field="${column.field}"]`)?.focus(),
      );
    };
    const sign = direction && icon(direction === "ascending" ? "up" : "down");
    return el(
      "th",
      { scope: "col", "aria-sort": direction },
      el("button", { type: "button", "data-field": column.field, onclick: turn }, column.title, sign || null),
    );
  }

  drawPages(shown) {
    if (this.total === 0) {
      this.pages.replaceChildren(...this.none());
      this.pages.className = "";
      return;
    }
    this.pages.className = "pages";
    const number = (count) => count.toLocaleString();
    const words = `${number(this.offset + 1)} to ${number(this.offset + shown)} of ${number(this.total)}`;
    const turn = (by) => {
      this.offset = Math.max(0, this.offset + by * this.size);
      this.reload();
    };
    const size = el(
      "select",
      {
        "aria-label": "Rows on a page",
        class: "narrow",
        onchange: () => {
          this.size = Number(size.value);
          this.reload({ first: true });
        },
      },
      ...SIZES.map((count) => el("option", { value: count, selected: count === this.size }, `${count} rows`)),
    );
    const sorter = el(
      "select",
      {
        "aria-label": "Sort by",
        class: "narrow sorter",
        onchange: () => {
          this.sort = sorter.value;
          this.reload({ first: true });
        },
      },
      ...this.columns
        .filter((column) => column.field)
        .flatMap(({ title, field }) =>
          [field, `-${field}`].map((value) =>
            el(
              "option",
              { value, selected: value === this.sort },
              `${title}${value === field ? "" : ", downwards"}`,
            ),
          ),
        ),
    );
    const back = button("Previous", () => turn(-1));
    const on = button("Next", () => turn(1));
    back.disabled = this.offset === 0;
    on.disabled = this.offset + shown >= this.total;
    this.pages.replaceChildren(el("span", { role: "status" }, words), sorter, size, back, on);
  }
}

/** Calls something a moment after the last time that it was asked for. */
export function settled(call, wait = 250) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(call, wait);
  };
}

export function nothingFound(search) {
  return [
    empty("Nothing found", search ? "Nothing here matches. Try fewer letters." : "Nothing here matches."),
  ];
}
