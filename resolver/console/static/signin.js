// Signing in, and signing in again in front of a page that waits.

import { session } from "./api.js";
import { dialog, el, field, problem } from "./dom.js";
import { leaveFor, providerButtons, signInBeside, ways } from "./provider.js";

function credentials(username = "") {
  const name = el("input", {
    type: "text",
    name: "username",
    autocomplete: "username",
    autocapitalize: "none",
    spellcheck: "false",
    required: true,
    value: username,
  });
  const password = el("input", {
    type: "password",
    name: "password",
    autocomplete: "current-password",
    required: true,
  });
  const token = el("input", { type: "password", name: "token", autocomplete: "off", required: true });
  const byPassword = el("div", {}, field("User name", name), field("Password", password));
  const byToken = el(
    "div",
    { hidden: true },
    field("Access token", token, "One that is not narrowed. It is used once, to open the session."),
  );
  const way = el("input", {
    type: "checkbox",
    onchange: () => {
      byPassword.hidden = way.checked;
      byToken.hidden = !way.checked;
      for (const control of [name, password]) control.required = !way.checked;
      token.required = way.checked;
    },
  });
  token.required = false;
  return {
    nodes: [byPassword, byToken, field("Sign in with an access token", way)],
    first: username ? password : name,
    async open() {
      const asked = way.checked
        ? { token: token.value.trim() }
        : { username: name.value.trim(), password: password.value };
      const opened = await session.open(asked);
      password.value = token.value = "";
      return opened;
    },
  };
}

/** The form, and why the last sign-in failed, if it did. */
export async function signIn(done, failed = null) {
  const { providers, passwords } = await ways();
  const asked = credentials();
  const errors = el("div", {});
  const send = el("button", { type: "submit", class: "main" }, "Sign in");
  const form = el("form", { class: "card" }, ...asked.nodes, errors, el("div", { class: "actions" }, send));
  const elsewhere = el("div", {}, failed && problem(failed));
  const leave = async (name) => {
    elsewhere.replaceChildren();
    try {
      await leaveFor(name);
    } catch (error) {
      elsewhere.replaceChildren(problem(error));
    }
  };
  const buttons = providerButtons(providers, leave);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (send.disabled) return;
    send.disabled = true;
    errors.replaceChildren();
    try {
      await asked.open();
      await done();
    } catch (error) {
      errors.replaceChildren(problem(error));
    } finally {
      send.disabled = false;
    }
  });
  return el(
    "div",
    { class: "signin" },
    el("h1", {}, "Blueprint resolver"),
    el("p", { class: "quiet" }, "Sign in to manage secrets."),
    elsewhere,
    buttons.length ? el("div", { class: "providers" }, ...buttons) : null,
    passwords ? form : el("details", {}, el("summary", {}, "Sign in without a provider"), form),
  );
}

let asking = null;

/** Ask for the password in front of what is on the screen; who signed in, or null. Several requests share one dialog. */
export function signInAgain(username) {
  asking ??= again(username).finally(() => (asking = null));
  return asking;
}

async function again(username) {
  const asked = credentials(username);
  const beside = await besides("again");
  const opened = await dialog("Your session has ended", {
    fields: [el("p", {}, "Sign in again to go on. What you typed is kept."), ...beside.nodes, ...asked.nodes],
    action: "Sign in",
    first: beside.first ?? asked.first,
    stays: true,
    submit: () => asked.open(),
    opened: beside.opened,
  });
  return beside.isDone() ? session.resume() : opened;
}

/** The buttons of providers for a dialog, which closes once one has signed in beside it. */
async function besides(purpose) {
  const { providers } = await ways();
  const errors = el("div", {});
  let close = () => {};
  let isDone = false;
  let going = new AbortController();
  const buttons = providerButtons(providers, async (name) => {
    going.abort();
    going = new AbortController();
    const { signal } = going;
    errors.replaceChildren(el("p", { class: "quiet", role: "status" }, "Go on in the other window."));
    try {
      if (!(await signInBeside(name, purpose, signal)) || signal.aborted) return;
      isDone = true;
      close();
    } catch (error) {
      errors.replaceChildren(problem(error));
    }
  });
  return {
    nodes: buttons.length ? [el("div", { class: "providers" }, ...buttons), errors] : [],
    first: buttons[0],
    opened: (way) => (close = way),
    isDone: () => isDone,
  };
}

let confirming = null;

/** Ask for the password once more, before what a session alone may not do; null when it is not given. */
export function confirmAgain(username) {
  confirming ??= oncemore(username).finally(() => (confirming = null));
  return confirming;
}

async function oncemore(username) {
  const beside = await besides("confirm");
  const name = el("input", {
    type: "text",
    name: "username",
    autocomplete: "username",
    value: username,
    hidden: true,
  });
  const password = el("input", {
    type: "password",
    name: "password",
    autocomplete: "current-password",
    required: true,
  });
  const own = field("Your password", password);
  const other = el("details", {}, el("summary", {}, "With a password"), own);
  other.addEventListener("toggle", () => (password.required = other.open));
  if (beside.first) password.required = false;
  const confirmed = await dialog("Confirm that it is you", {
    fields: beside.first
      ? [el("p", {}, "Sign in again for this: it is more than five minutes ago."), ...beside.nodes, name, other]
      : [el("p", {}, "This needs your password, unless it was given within the last five minutes."), name, own],
    action: "Confirm",
    first: beside.first ?? password,
    opened: beside.opened,
    submit: async () => {
      await session.confirm(password.value);
      password.value = "";
    },
  });
  return beside.isDone() ? true : confirmed;
}
