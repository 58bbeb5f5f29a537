// Copies what is secret, and takes it off the clipboard again.

import { say } from "./dom.js";

const KEPT_MS = 30_000;
const MOMENTS = ["focus", "click", "keydown"];

let timer = 0;
let holds = false;

class CopyError extends Error {
  constructor(message, hint) {
    super(message);
    this.hint = hint;
  }
}

/** Copy a text for a while. */
export async function copyForAWhile(text) {
  if (!navigator.clipboard) {
    throw new CopyError(
      "the browser lets pages copy over TLS or from this machine only",
      "select the text and copy it by hand; nothing clears the clipboard then",
    );
  }
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    throw new CopyError(
      "the browser did not let this page copy",
      "select the text and copy it by hand; nothing clears the clipboard then",
    );
  }
  holds = true;
  say("Copied. The clipboard is cleared in 30 seconds.");
  clearTimeout(timer);
  timer = setTimeout(clearClipboard, KEPT_MS);
}

/**
 * Take it off now. Browsers let a page write only while it has the focus, some only right after somebody did
 * something on it: until it works, each such moment is taken.
 */
export async function clearClipboard() {
  if (!holds) return;
  clearTimeout(timer);
  for (const moment of MOMENTS) window.removeEventListener(moment, clearClipboard);
  try {
    await navigator.clipboard.writeText("");
  } catch {
    for (const moment of MOMENTS) window.addEventListener(moment, clearClipboard);
    return;
  }
  holds = false;
  say("Clipboard cleared");
}
