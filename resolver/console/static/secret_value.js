// A secret's value, in a dialog for a short while.

import { secrets } from "./api.js";
import { copyForAWhile } from "./clipboard.js";
import { button, dialog, el, iconButton, problem } from "./dom.js";
import { unseenIn } from "./value_checks.js";

const SHOWN_MS = 30_000;

/** Ask for a value and show it for a while. Each time it is asked for is recorded on the server. */
export async function showValue(context, secret) {
  const place = el("div", { class: "shown" });
  const foot = el("div", { class: "bar middle" });
  const errors = el("div", {});
  let clock = 0;
  let value = "";
  const mask = (words) => {
    clearInterval(clock);
    value = "";
    place.replaceChildren(el("p", { class: "quiet" }, words));
    foot.replaceChildren(button("Show", show));
  };
  const copy = () => copyForAWhile(value).catch((error) => errors.replaceChildren(problem(error)));
  async function show() {
    foot.replaceChildren();
    errors.replaceChildren();
    place.replaceChildren(el("p", { class: "quiet" }, "Loading…"));
    let found;
    try {
      found = await secrets.show(context.rights.from(secret, context.tenant), secret.key);
    } catch (error) {
      mask("Not shown.");
      errors.replaceChildren(problem(error));
      return;
    }
    if (!place.isConnected) return;
    if (found.value === null) {
      mask("The value is hidden from you.");
      return;
    }
    value = found.value;
    const until = Date.now() + SHOWN_MS;
    const left = el("span", { class: "quiet", "aria-live": "off" });
    const count = () => {
      const seconds = Math.ceil((until - Date.now()) / 1000);
      if (seconds <= 0) mask("Masked again.");
      else left.textContent = `Masked in ${seconds} s`;
    };
    const unseen = unseenIn(value);
    place.replaceChildren(
      el(
        "pre",
        { class: "value", tabindex: 0, translate: "no", "aria-label": `Value of ${secret.key}` },
        value,
      ),
      ...(unseen.length > 0 ? [el("p", { class: "help" }, `It holds ${unseen.join("; ")}.`)] : []),
    );
    foot.replaceChildren(
      iconButton("copy", `Copy the value of ${secret.key}`, copy),
      button("Mask", () => mask("Masked.")),
      left,
    );
    count();
    clock = setInterval(count, 500);
  }
  const closed = dialog(`Value of ${secret.key}`, { fields: [place, foot, errors], opened: show });
  await closed;
  mask("");
}
