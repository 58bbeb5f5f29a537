// Dialogs that make and change secrets. What is typed into one is gone when it closes.

import { secrets } from "./api.js";
import { button, confirm, dialog, el, field, say, timeInput, wordInput } from "./dom.js";
import { readText } from "./files.js";
import { ALPHABETS, generate, LEAST_LENGTH, MOST_LENGTH, USUAL_LENGTH } from "./generate.js";
import { KNOWN_TO } from "./rules.js";
import { asksAbout, unseenIn, without } from "./value_checks.js";

const KEY = /^[A-Za-z][A-Za-z0-9._~-]*$/; // another one would not even fit into the address
const MAX_VALUE = 1024 * 1024;

/** A field for a value: typed, or the exact content of a text file. */
function valueInput(label, { required, help }) {
  const text = el("textarea", {
    class: "masked",
    rows: 3,
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
    required,
  });
  const seen = el("input", {
    type: "checkbox",
    onchange: () => text.classList.toggle("masked", !seen.checked),
  });
  const file = el("input", { type: "file" });
  const unseen = el("div", { role: "status" });
  const look = () => {
    const found = unseenIn(text.value);
    const clean = () => {
      text.value = without(text.value);
      look();
      text.focus();
    };
    unseen.replaceChildren(
      ...(found.length > 0
        ? [
            el(
              "div",
              { class: "notice" },
              el("p", {}, `It holds ${found.join("; ")}.`),
              button("Take that out", clean, "small"),
            ),
          ]
        : []),
    );
  };
  text.addEventListener("input", look);
  file.addEventListener("change", () => {
    text.required = required && file.files.length === 0;
    text.disabled = file.files.length > 0;
  });
  return {
    nodes: [
      field(label, text, help),
      field("Show what is typed", seen),
      unseen,
      generator((made) => {
        text.value = made;
        look();
        say("A value was made; it is stored with the rest");
      }),
      field("Or a file", file, "Its content is taken as it is, byte for byte."),
    ],
    async read() {
      if (file.files.length === 0) {
        const found = unseenIn(text.value);
        const asked = `It holds ${found.join("; ")}.`;
        const stores = async () => {};
        if (asksAbout(text.value, found) && !(await confirm("Store it with what can't be seen?", asked, "Store it as it is", stores)))
          throw new Error("nothing was stored: look at the value again");
        return text.value || null;
      }
      return readText(file.files[0], { most: MAX_VALUE, what: "a value", exact: true });
    },
  };
}

/** What makes a value that nobody has seen. */
function generator(use) {
  const chosen = (options) => el("select", {}, ...options.map((one) => el("option", { value: one }, one)));
  const kind = chosen(Object.keys(ALPHABETS));
  const length = el("input", { type: "number", min: LEAST_LENGTH, max: MOST_LENGTH, value: USUAL_LENGTH });
  const make = () => length.reportValidity() && use(generate(ALPHABETS[kind.value], Number(length.value)));
  return el(
    "details",
    {},
    el("summary", {}, "Generate a value"),
    el("div", { class: "bar" }, field("Of", kind), field("Characters", length), button("Generate", make)),
  );
}

function expiryInput(at) {
  return timeInput(
    "Expires",
    "Optional. From then on its use is warned of, or refused if the store says so.",
    at,
  );
}

function descriptionInput(text) {
  const control = wordInput({ maxlength: 1000, value: text ?? "" });
  return {
    node: field("Description", control, "Optional: what it is for, in one line."),
    read: () => control.value.trim() || null,
  };
}

export function createSecret(context, key = "") {
  const { rights, tenant } = context;
  const name = wordInput({ required: true, maxlength: 256, value: key });
  const value = valueInput("Value", { required: true });
  const visibility = el(
    "select",
    {},
    ...rights
      .visibilities(tenant)
      .map((one) => el("option", { value: one, selected: one === "tenant" }, one)),
  );
  const meaning = el("p", { class: "help", id: "visibility-help" });
  const tell = () =>
    (meaning.textContent = `Known to ${KNOWN_TO[visibility.value]}. It can be widened later, never narrowed.`);
  visibility.setAttribute("aria-describedby", meaning.id);
  visibility.addEventListener("change", tell);
  tell();
  const [hidden, guarded] = [el("input", { type: "checkbox" }), el("input", { type: "checkbox" })];
  const schema = el("textarea", { rows: 3, spellcheck: "false", autocomplete: "off" });
  const expires = expiryInput("");
  const description = descriptionInput("");
  return dialog(`Create secret in ${tenant}`, {
    fields: [
      field("Key", name, "Begins with a letter; letters, digits, - . _ ~"),
      ...value.nodes,
      field("Visibility", visibility),
      meaning,
      field(
        "Hide the value",
        hidden,
        "Only you, managers of the tenant and sys_admins can read it. Others may still use it in blueprints.",
      ),
      field(
        "Protect it",
        guarded,
        "Its value is shown to nobody, and used only by what another person approved. Ending that takes one, too.",
      ),
      el(
        "details",
        {},
        el("summary", {}, "Description, JSON Schema, expiry"),
        description.node,
        field("JSON Schema", schema, "Optional. The value and all later ones must be JSON that keeps to it."),
        expires.node,
      ),
    ],
    action: "Create",
    changed: context.changed && (() => context.changed()),
    first: key ? value.nodes[0].querySelector("textarea") : name,
    submit: async () => {
      if (!KEY.test(name.value.trim()))
        throw new Error("a key begins with a letter and has letters, digits, - . _ and ~ only");
      await secrets.create(tenant, name.value.trim(), {
        value: (await value.read()) ?? "",
        visibility: visibility.value,
        hidden: hidden.checked,
        protected: guarded.checked,
        schema: schema.value.trim() || null,
        expires_at: expires.read(),
        description: description.read(),
      });
      say(`Secret ${name.value.trim()} created`);
    },
  });
}

export function editSecret(context, secret) {
  const before = { ...secret }; // what is changed is told by what was shown, also after others changed it
  const value = valueInput("New value", { required: false, help: "Empty leaves the value as it is." });
  const expires = expiryInput(secret.expires_at);
  const description = descriptionInput(secret.description);
  const days = el("input", {
    type: "number",
    min: 1,
    max: 36500,
    value: secret.rotate_after ?? "",
    autocomplete: "off",
  });
  const schema = secret.schema
    ? [
        el(
          "details",
          {},
          el("summary", {}, "The value must keep to a JSON Schema"),
          el("pre", { class: "value", tabindex: 0 }, pretty(secret.schema)),
        ),
      ]
    : [];
  const elsewhere =
    secret.provider &&
    el(
      "p",
      {},
      `Its value is kept with provider ${secret.provider}. A new one is given there, unless that is this store.`,
    );
  return dialog(`Edit ${secret.key}`, {
    fields: [
      elsewhere,
      ...value.nodes,
      ...schema,
      description.node,
      expires.node,
      field("Rotate after days", days, "Optional. Then the list says that a new value is due."),
    ],
    changed: () => context.changed(secret),
    submit: async () => {
      const given = await value.read();
      const body = { if_version: secret.version };
      if (given !== null) body.value = given;
      if (expires.read()?.slice(0, 16) !== before.expires_at?.slice(0, 16)) body.expires_at = expires.read();
      const after = days.value ? Number(days.value) : null;
      if (after !== (before.rotate_after ?? null)) body.rotate_after = after;
      if (description.read() !== (before.description ?? null)) body.description = description.read();
      if (Object.keys(body).length === 1) throw new Error("nothing was changed");
      const changed = await secrets.change(context.rights.from(secret, context.tenant), secret.key, body);
      const what = changed.unchanged ? ": value unchanged" : " updated";
      say(`Secret ${secret.key}${what}, version ${changed.version}`);
    },
  });
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

export function widen(context, secret, wider) {
  const choice = wider.map((name, index) =>
    el("input", { type: "radio", name: "visibility", value: name, checked: index === 0 }),
  );
  const lines = wider.map((name, index) =>
    el("div", { class: "field check" }, choice[index], el("label", {}, `${name}: ${KNOWN_TO[name]}`)),
  );
  lines.forEach((line, index) => {
    choice[index].id = `widen-${wider[index]}`;
    line.querySelector("label").htmlFor = choice[index].id;
  });
  return dialog(`Widen who knows of ${secret.key}?`, {
    fields: [
      el("p", {}, `It is ${secret.visibility} now: known to ${KNOWN_TO[secret.visibility]}.`),
      el("fieldset", {}, el("legend", {}, "From now on"), ...lines),
      el("p", { class: "warn" }, "This can't be taken back: visibility is never narrowed."),
    ],
    action: "Widen",
    danger: true,
    changed: () => context.changed(secret),
    submit: async () => {
      const chosen = choice.find((one) => one.checked).value;
      await secrets.change(context.rights.from(secret, context.tenant), secret.key, {
        visibility: chosen,
        if_version: secret.version,
      });
      say(`Secret ${secret.key} is ${chosen} now`);
    },
  });
}

export function giveAway(context, secret) {
  const owner = wordInput({ required: true });
  return dialog(`Change the owner of ${secret.key}`, {
    fields: [el("p", {}, `It belongs to ${secret.owner}.`), field("New owner", owner, "A user's name.")],
    action: "Change owner",
    changed: () => context.changed(secret),
    submit: async () => {
      await secrets.change(context.rights.from(secret, context.tenant), secret.key, {
        owner: owner.value.trim(),
        if_version: secret.version,
      });
      say(`Secret ${secret.key} belongs to ${owner.value.trim()} now`);
    },
  });
}
