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
  more: "M12 5v.01M12 12v.01M12 19v.01",
  list: "M4 6h16M4 12h16M4 18h16",
  search: "M10.500 4a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13zM15.500 15.500L21 21",
  password: "M14 10a4 4 0 1 1 3.9 4.9L16 17h-2v2h-2v2H8v-4l5.1-5.1A4 4 0 0 1 14 10zm4-1v.01",
  role: "M12 3l8 3v6c0 5-3.5 8-8 9-4.500-1-8-4-8-9V6zM9 12l2 2 4-4",
  on: "M5 12l5 5 9-10",
  off: "M6 6l12 12M18 6L6 18",
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

/**
 * What can be done with one row: icons where there is room, a menu behind one button where there is none.
 *
 * @param name of what the row is about, which stands in the name of each button
 * @param actions of {icon, words, label, onclick or href}; those that are false are left out
 */
export function rowActions(name, id, actions) {
  const menu = el("div", { class: "menu", popover: "auto", role: "group", "aria-label": `Actions for ${name}` });
  const made = actions.filter(Boolean).map(({ icon: sign, words, label, href, onclick }) => {
    const shared = { class: "quiet-button", "aria-label": label, title: label, "data-focus": `${sign} ${id}` };
    const content = [icon(sign), el("span", { class: "words" }, words)];
    if (href) return el("a", { ...shared, href }, ...content);
    return el("button", { type: "button", ...shared, onclick: () => (close(menu), onclick()) }, ...content);
  });
  if (made.length === 0) return [];
  const more = iconButton("more", `Actions for ${name}`, () => menu.togglePopover(), {
    "aria-haspopup": "true",
    "aria-expanded": "false",
    "data-focus": `more ${id}`,
  });
  more.classList.add("more");
  menu.append(...made);
  placed(menu, more);
  return [more, menu];
}

const close = (menu) => menu.matches(":popover-open") && menu.hidePopover();

/** Keep a popover beside the button that opens it, within the window. */
function placed(menu, opener) {
  const away = () => close(menu);
  menu.addEventListener("toggle", (event) => {
    const isOpen = event.newState === "open";
    opener.setAttribute("aria-expanded", String(isOpen));
    if (!isOpen) {
      window.removeEventListener("scroll", away);
      return;
    }
    const [at, box] = [opener.getBoundingClientRect(), menu.getBoundingClientRect()];
    menu.style.left = `${Math.max(8, Math.min(at.right, document.documentElement.clientWidth - 8) - box.width)}px`;
    menu.style.top = `${Math.max(8, Math.min(at.bottom, window.innerHeight - 8 - box.height))}px`;
    window.addEventListener("scroll", away, { passive: true });
    menu.querySelector("button, a")?.focus();
  });
}

export function button(label, onclick, kind = "") {
  return el("button", { type: "button", class: kind, onclick }, label);
}

/** The fields for a new password of so many characters at least, typed twice; `read` gives it. */
export function newPassword(label, least) {
  const password = el("input", {
    type: "password",
    autocomplete: "new-password",
    required: true,
    minlength: least,
    maxlength: 256,
  });
  const again = el("input", { type: "password", autocomplete: "new-password", required: true });
  return {
    nodes: [field(label, password, `${least} to 256 characters.`), field(`${label} again`, again)],
    read() {
      if (password.value !== again.value) throw new Error("the two passwords differ");
      return password.value;
    },
  };
}

/** A field for a time, in UTC like all others; `read` gives it as the server writes times, or null. */
export function timeInput(label, help, at = "") {
  const control = el("input", {
    type: "datetime-local",
    value: at ? wallClock(at).replace(" ", "T") : "",
    autocomplete: "off",
  });
  return {
    node: field(`${label} (UTC)`, control, help),
    read: () => (control.value ? new Date(`${control.value}Z`).toISOString() : null),
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

/** Boxes to choose several of; `read` gives null where none is chosen. */
export function choices(title, names, help, chosen = []) {
  const boxes = names.map((name) => el("input", { type: "checkbox", value: name, checked: chosen.includes(name) }));
  return {
    node: el(
      "fieldset",
      { class: "choices" },
      el("legend", {}, title),
      el("div", {}, ...boxes.map((box) => field(box.value, box))),
      el("p", { class: "help" }, help),
    ),
    read() {
      const chosen = boxes.filter((box) => box.checked).map((box) => box.value);
      return chosen.length > 0 ? chosen : null;
    },
  };
}

/** What was typed with commas or line breaks between. */
export const listed = (text) =>
  text
    .split(/[,\n]/)
    .map((one) => one.trim())
    .filter(Boolean);

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

/** Words of commands, settings and requests: they lead to nothing that is on a page. */
const OF_COMMANDS = /`(resolver|cfy)\b|--[a-z]|RESOLVER_|Basic cred|\bheaders?\b|\bX-[A-Z]|config\.yaml|[?&][a-z_]+=|\binit\b/;

/** What to do on a page, by the kind of the error: words, and the page that they lead to. */
const HERE = {
  NotPermitted: ["See your roles", "account"],
  NotFound: ["See the secrets that there are", "secrets"],
  LastCredential: ["Give a sys_admin a password first, among the users", "users"],
};

/** What is wrong, and what can be done about it on these pages. */
export function problem(error) {
  const help = hint(error);
  return el(
    "div",
    { class: "problem", role: "alert" },
    el("p", {}, sentence(error.message)),
    help && el("p", { class: "help" }, help),
  );
}

function hint(error) {
  if (error.hint && !OF_COMMANDS.test(error.hint)) return sentence(error.hint);
  const [words, page] = HERE[error.kind] ?? [];
  if (!words) return null;
  return el("a", { href: `#/${location.hash.split("/")[1] || "-"}/${page}` }, `${words}.`);
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

const open = new Set(); // the dialogs that are open, the one in front last
const guards = new Set([() => [...open].some((one) => one.isUnsaved())]);
let isLeaving = false;

/** Have leaving this page asked about while a check says that something typed would be lost. */
export const guard = (check) => guards.add(check);

/** Whether something was typed that is nowhere else. */
export const isUnsaved = () => [...guards].some((check) => check());

/** Begin anew: nothing of what was shown or typed stays in memory. */
export function restart() {
  isLeaving = true;
  location.reload();
}

window.addEventListener("beforeunload", (event) => {
  if (!isLeaving && isUnsaved()) event.preventDefault();
});

/** Close what is open, but for the dialogs that stay; true unless somebody wants to keep what was typed. */
export async function closeDialogs({ asks = true } = {}) {
  const mine = [...open].filter((one) => !one.stays);
  const unsaved = mine.find((one) => one.isUnsaved());
  if (asks && unsaved && !(await discard(unsaved.keeps))) return false;
  for (const one of mine.reverse()) one.close();
  return true;
}

// Browsers ask a page once before they close a dialog, and then not again: so the key is taken here.
document.addEventListener("keydown", (event) => {
  const front = [...open].at(-1);
  if (event.key !== "Escape" || event.isComposing || !front) return;
  event.preventDefault();
  front.leave();
});

/** Whether dialogs with something typed are open. */
export const areUnsaved = () => [...open].some((one) => one.isUnsaved());

/** Ask whether what was typed may be lost. */
function discard(words) {
  return confirm("Close and lose it?", words || "What you typed is not stored.", "Close and lose it", async () => {});
}

/**
 * Show a dialog with a form; `submit` does the work, and what it throws is shown in the dialog.
 *
 * @param keeps what to say before it is closed by the Escape key or by going elsewhere, whatever was typed
 * @param stillOpen whether it stays after the work, which shows there what was found
 * @param changed after 404 or 409: reads again what the dialog is about, and gives words for what changed
 */
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
    keeps = "",
    stillOpen = false,
    changed = null,
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
        if (!stillOpen) shown.close();
      } catch (error) {
        clearTimeout(wait);
        errors.replaceChildren(problem(error));
        if (changed && (error.status === 404 || error.status === 409)) await tellChange(error);
        form.lastElementChild.scrollIntoView({ block: "nearest" });
      } finally {
        clearTimeout(wait);
        send.disabled = false;
        if (shown.open && document.activeElement === document.body) send.focus(); // it lost the focus when it was disabled
      }
    });
    async function tellChange(error) {
      const words = await changed(error).catch(() => "");
      if (words) errors.append(el("div", { class: "notice", role: "status" }, el("p", {}, words)));
    }
    const before = typedInto(form);
    const entry = {
      stays,
      keeps,
      leave: () => leave(),
      isUnsaved: () => !stays && (keeps !== "" || (Boolean(submit) && typedInto(form) !== before)),
      close: () => shown.close(),
    };
    const leave = async () => {
      if (!entry.isUnsaved() || (await discard(keeps))) shown.close();
    };
    shown.addEventListener("cancel", (event) => {
      if (event.target !== shown) return; // a choice of files has one of its own
      event.preventDefault();
      leave();
    });
    const opener = document.activeElement;
    shown.addEventListener("close", () => {
      open.delete(entry);
      shown.remove(); // what was typed goes with it
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
      if (said.textContent) say(said.textContent);
      done(result);
    });
    document.body.append(shown);
    open.add(entry);
    shown.showModal();
    (first || form.querySelector("input:not([type=hidden]), textarea, select") || cancel).focus();
    opened(() => shown.close());
  });
}

/** All that is in a form's controls, as one text to compare. */
function typedInto(form) {
  const of = (control) =>
    control.type === "file" ? control.files.length : control.matches("[type=checkbox], [type=radio]") ? control.checked : control.value;
  return [...form.querySelectorAll("input, textarea, select")].map(of).join("\u0000");
}

export function confirm(title, text, action, submit, more = {}) {
  return dialog(title, { fields: [el("p", {}, text), ...(more.fields ?? [])], action, danger: true, submit, changed: more.changed });
}

/** A time, to the minute in UTC; with the reader's own at hand. */
export function time(text) {
  return text ? el("time", { datetime: text, title: `UTC; ${localTime(text)} here` }, wallClock(text)) : "";
}

function localTime(text) {
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? text : at.toLocaleString();
}

export function wallClock(text) {
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? text : at.toISOString().slice(0, 16).replace("T", " ");
}

export function empty(title, text, ...more) {
  return el("div", { class: "empty" }, el("h2", {}, title), el("p", {}, text), ...more);
}

/** A part of a page that comes by itself, and tells by itself why it does not. */
export function section(title, load) {
  const place = el("div", {});
  const attempt = async () => {
    place.replaceChildren(el("p", { class: "quiet" }, "Loading…"));
    try {
      place.replaceChildren(...(await load()).filter(Boolean));
    } catch (error) {
      place.replaceChildren(problem(error), button("Try again", attempt));
    }
  };
  attempt();
  return el("section", {}, el("h2", {}, title), place);
}

/** Calls something a moment after the last time that it was asked for. */
export function settled(call, wait = 250) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(call, wait);
  };
}
