// Builds pages out of elements. Text is always set as text: nothing that a server or a person says is markup.

/** An element: attributes, `on…` listeners and properties by name, then children. */
export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

const ICONS = {
  eye: "M2 12s4-7 10-7 10 7 10 7-4 7-10 7S2 12 2 12zm10-3a3 3 0 1 0 0 6 3 3 0 0 0 0-6z",
  hide: "M3 3l18 18M10 5.2A9.6 9.6 0 0 1 12 5c6 0 10 7 10 7a17 17 0 0 1-3 3.7M6.5 6.6A17 17 0 0 0 2 12s4 7 10 7a9.7 9.7 0 0 0 4.5-1.2",
  edit: "M4 20l1-5L16 4l4 4L9 19zM14 6l4 4",
  trash: "M4 7h16M9 7V4h6v3m-8 0l1 13h8l1-13M10 11v6m4-6v6",
  history: "M4 12a8 8 0 1 1 2.5 5.8M4 12H1m3 0l2.5-2.5M12 8v4l3 2",
  copy: "M8 8h12v12H8zM16 8V4H4v12h4",
  owner: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zm-8 9a8 8 0 0 1 16 0",
  private: "M6 11h12v9H6zm2 0V8a4 4 0 0 1 8 0v3",
  tenant: "M4 21V5l8-3 8 3v16M4 21h16M9 9h1m4 0h1M9 13h1m4 0h1m-4 8v-4h2v4",
  global: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM3 12h18M12 3c3 3 3 15 0 18-3-3-3-15 0-18z",
  uses: "M5 20V10m7 10V4m7 16v-7",
  up: "M6 14l6-6 6 6",
  down: "M6 10l6 6 6-6",
};

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({ viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" })) {
    svg.setAttribute(key, value);
  }
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** A button with an icon; its label is what screen readers say and what a pointer shows. */
export function iconButton(name, label, onclick, more = {}) {
  return el(
    "button",
    { type: "button", class: "quiet-button", "aria-label": label, title: label, onclick, ...more },
    icon(name),
  );
}

export function button(label, onclick, kind = "") {
  return el("button", { type: "button", class: kind, onclick }, label);
}

/** The fields for a new password, typed twice; `read` gives it. */
export function newPassword(label) {
  const password = el("input", {
    type: "password",
    autocomplete: "new-password",
    required: true,
    minlength: 5,
    maxlength: 256,
  });
  const again = el("input", { type: "password", autocomplete: "new-password", required: true });
  return {
    nodes: [field(label, password, "5 to 256 characters."), field(`${label} again`, again)],
    read() {
      if (password.value !== again.value) throw new Error("the two passwords differ");
      return password.value;
    },
  };
}

/** An input for one name or pattern, which browsers neither complete nor correct. */
export function wordInput(attributes = {}) {
  return el("input", {
    type: "text",
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
    ...attributes,
  });
}

let counter = 0;

/** A label with its control, and words that belong to it. */
export function field(label, control, help = "") {
  const id = control.id || `field-${(counter += 1)}`;
  control.id = id;
  const note = help && el("p", { class: "help", id: `${id}-help` }, help);
  if (note) control.setAttribute("aria-describedby", note.id);
  const kind = control.type === "checkbox" ? "field check" : "field";
  const name = el("label", { for: id }, label);
  return el(
    "div",
    { class: kind },
    ...(control.type === "checkbox" ? [control, name] : [name, control]),
    note || null,
  );
}

export function problem(error) {
  const hint = error.hint ? el("p", { class: "help" }, sentence(error.hint)) : null;
  return el("div", { class: "problem", role: "alert" }, el("p", {}, sentence(error.message)), hint);
}

/** A message as a sentence: the server's begin lower case and have no period. */
export function sentence(message) {
  const text = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}

const WORKING_MS = 500;

let fading = 0;

/** Tell what was done, on the screen and to screen readers: in front, since they pass over what a dialog covers. */
export function say(message) {
  const place = [...document.querySelectorAll(".said")].at(-1);
  place.textContent = message;
  clearTimeout(fading);
  fading = setTimeout(() => (place.textContent = ""), 6000);
}

/** Show a dialog with a form; `submit` does the work, and what it throws is shown in the dialog. */
export function dialog(
  title,
  {
    fields = [],
    action = "Save",
    danger = false,
    submit,
    wide = false,
    first = null,
    stays = false,
    opened = () => {},
  },
) {
  return new Promise((done) => {
    const heading = el("h2", { id: `dialog-${(counter += 1)}` }, title);
    const errors = el("div", {});
    const send = submit && el("button", { type: "submit", class: danger ? "danger" : "main" }, action);
    const cancel = button(submit ? "Cancel" : "Close", () => shown.close(), "");
    // Without `autocomplete` the browser would keep what was typed with the page's history, on its disk.
    const form = el(
      "form",
      { method: "dialog", autocomplete: "off" },
      heading,
      ...fields.filter(Boolean),
      errors,
      el("div", { class: "actions" }, cancel, send || null),
    );
    const said = el("div", { class: "said", role: "status" });
    const shown = el(
      "dialog",
      { "aria-labelledby": heading.id, class: `${wide ? "wide" : ""} ${stays ? "stays" : ""}` },
      form,
      said,
    );
    let result = null;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (!submit || send.disabled) return;
      send.disabled = true;
      errors.replaceChildren();
      const wait = setTimeout(
        () => errors.replaceChildren(el("p", { class: "quiet", role: "status" }, "Working…")),
        WORKING_MS,
      );
      try {
        result = (await submit()) ?? true;
        shown.close();
      } catch (error) {
        clearTimeout(wait);
        errors.replaceChildren(problem(error));
        form.lastElementChild.scrollIntoView({ block: "nearest" });
      } finally {
        clearTimeout(wait);
        send.disabled = false;
      }
    });
    const opener = document.activeElement;
    shown.addEventListener("close", () => {
      shown.remove(); // what was typed goes with it
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
      if (said.textContent) say(said.textContent);
      done(result);
    });
    document.body.append(shown);
    shown.showModal();
    (first || form.querySelector("input:not([type=hidden]), textarea, select") || cancel).focus();
    opened(() => shown.close());
  });
}

export function confirm(title, text, action, submit) {
  return dialog(title, { fields: [el("p", {}, text)], action, danger: true, submit });
}

/** A time as the clock on the wall has it, with the exact one at hand. */
export function time(text) {
  return text ? el("time", { datetime: text, title: `${text} (UTC)` }, wallClock(text)) : "";
}

export function wallClock(text) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return text;
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000)
    .toISOString()
    .slice(0, 16)
    .replace("T", " ");
}

export function empty(title, text, ...more) {
  return el("div", { class: "empty" }, el("h2", {}, title), el("p", {}, text), ...more);
}
