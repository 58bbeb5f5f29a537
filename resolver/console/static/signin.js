// Signing in, and signing in again in front of a page that waits.

import { session } from "./api.js";
import { dialog, el, field, problem } from "./dom.js";

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

export async function signIn(done) {
  const asked = credentials();
  const errors = el("div", {});
  const send = el("button", { type: "submit", class: "main" }, "Sign in");
  const form = el("form", { class: "card" }, ...asked.nodes, errors, el("div", { class: "actions" }, send));
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
    form,
  );
}

let asking = null;

/** Ask for the password in front of what is on the screen; who signed in, or null. Several requests share one dialog. */
export function signInAgain(username) {
  asking ??= again(username).finally(() => (asking = null));
  return asking;
}

function again(username) {
  const asked = credentials(username);
  return dialog("Your session has ended", {
    fields: [el("p", {}, "Sign in again to go on. What you typed is kept."), ...asked.nodes],
    action: "Sign in",
    first: asked.first,
    stays: true,
    submit: () => asked.open(),
  });
}

let confirming = null;

/** Ask for the password once more, before what a session alone may not do; null when it is not given. */
export function confirmAgain(username) {
  confirming ??= oncemore(username).finally(() => (confirming = null));
  return confirming;
}

function oncemore(username) {
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
  return dialog("Confirm that it is you", {
    fields: [
      el("p", {}, "This needs your password, unless it was given within the last five minutes."),
      name,
      field("Your password", password),
    ],
    action: "Confirm",
    first: password,
    submit: async () => {
      await session.confirm(password.value);
      password.value = "";
    },
  });
}
