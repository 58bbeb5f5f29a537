// Secrets on their way out of the store and into it, in files that a passphrase seals. The server seals and opens.

import { moving } from "./api.js";
import { dialog, el, field, say } from "./dom.js";
import { readText } from "./files.js";

const SHORTEST = 8;

export function exportSecrets(context, { search: sought, all: everywhere }) {
  const { rights, tenant } = context;
  const format = el(
    "select",
    {},
    el("option", { value: "sealed" }, "sealed: everything, for this program"),
    el("option", { value: "cloudify" }, "Cloudify: current values, for its own import"),
  );
  const passphrase = el("input", {
    type: "password",
    autocomplete: "new-password",
    required: true,
    minlength: SHORTEST,
  });
  const again = el("input", { type: "password", autocomplete: "new-password", required: true });
  const search = el("input", { type: "text", autocomplete: "off", value: sought });
  const history = el("input", { type: "checkbox" });
  const all = el("input", { type: "checkbox", checked: everywhere !== "" });
  return dialog("Export secrets", {
    fields: [
      el(
        "p",
        {},
        `The secrets of tenant ${tenant} that you may see, and the global ones. Each one is recorded in the audit trail. Values never leave unsealed here.`,
      ),
      field("Format", format),
      field("Passphrase", passphrase, `At least ${SHORTEST} characters. Without it the file is of no use.`),
      field("Passphrase again", again),
      field("Only keys that contain", search),
      field("Earlier versions, too", history, "Only the sealed format has room for them."),
      rights.may("all_tenants", tenant) ? field("All tenants", all) : null,
    ],
    action: "Export",
    first: passphrase,
    submit: async () => {
      if (passphrase.value !== again.value) throw new Error("the two passphrases differ");
      const found = await moving.seal(tenant, {
        format: format.value,
        passphrase: passphrase.value,
        search: search.value.trim(),
        all_versions: history.checked && format.value === "sealed",
        all_tenants: all.checked,
      });
      if (found.count === 0) throw new Error("there is nothing to export");
      save(`secrets-${tenant}.json`, found.text);
      const words = [
        `${found.count} ${found.count === 1 ? "secret" : "secrets"} exported`,
        found.left_out ? `${found.left_out} hidden that you may not read left out` : "",
        found.elsewhere ? `${found.elsewhere} that providers keep left out` : "",
        found.schemas_left_out ? `the schemas of ${found.schemas_left_out} do not fit into this format` : "",
      ];
      say(words.filter(Boolean).join("; "));
    },
  });
}

/** Hand a sealed text to the browser as a file. */
function save(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  const anchor = el("a", { href: address, download: name });
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

export async function importSecrets(context) {
  const { tenant } = context;
  const file = el("input", { type: "file", accept: ".json,application/json", required: true });
  const passphrase = el("input", { type: "password", autocomplete: "off" });
  const override = el("input", { type: "checkbox" });
  let result = null;
  await dialog("Import secrets", {
    fields: [
      el(
        "p",
        {},
        "Secrets go to the tenants that the file names. What can be stored is stored, although other entries can't.",
      ),
      field("File", file, "Sealed by this program, or in Cloudify's format."),
      field(
        "Passphrase",
        passphrase,
        "The one that the file was exported with; none for a plain file in Cloudify's format.",
      ),
      field(
        "Replace secrets that are there",
        override,
        "Else they stay as they are, and you are told which.",
      ),
    ],
    action: "Import",
    submit: async () => {
      result = await moving.open(tenant, {
        text: await readText(file.files[0]),
        passphrase: passphrase.value || null,
        override: override.checked,
      });
    },
  });
  if (!result) return false;
  await tell(result);
  return true;
}

function tell(result) {
  const taken = Object.entries(result.colliding).flatMap(([tenant, keys]) =>
    keys.map((key) => `${key} in ${tenant}`),
  );
  const wrong = Object.entries(result.errors).map(
    ([position, problems]) =>
      `Entry ${Number(position) + 1}: ${Object.entries(problems)
        .map(([name, words]) => `${name}: ${[words].flat().join(", ")}`)
        .join("; ")}`,
  );
  const list = (title, lines) =>
    lines.length ? [el("h3", {}, title), el("ul", {}, ...lines.map((line) => el("li", {}, line)))] : [];
  const stored = result.stored === 1 ? "1 secret stored." : `${result.stored} secrets stored.`;
  return dialog("Imported", {
    fields: [el("p", {}, stored), ...list("Already there", taken), ...list("Could not be stored", wrong)],
  });
}
