// Copies what is secret, and takes it off the clipboard again where it is known that it is still there.

import { say } from "./dom.js";

const KEPT_MS = 30_000;
const MOMENTS = ["click", "keydown"];

let timer = 0;
let held = ""; // what this page copied, until it is off the clipboard or may be
let isOurs = false; // nothing else can have been copied since: this window had the focus all the time

class CopyError extends Error {
  constructor(message, hint) {
    super(message);
    this.hint = hint;
  }
}

const doubt = () => (isOurs = false);
window.addEventListener("blur", doubt);
for (const kind of ["copy", "cut"]) document.addEventListener(kind, doubt);

/** Copy a text that is not secret. */
export async function copyText(text) {
  await write(text);
  say("Copied");
}

async function write(text) {
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
}

/** Copy a text for a while. */
export async function copyForAWhile(text) {
  await write(text);
  held = text;
  isOurs = document.hasFocus();
  say("Copied. It stays on the clipboard until something else is copied; this page tries to clear it after 30 seconds.");
  clearTimeout(timer);
  timer = setTimeout(clearClipboard, KEPT_MS);
}

/** Whether what was copied is still there: true, false, or null where the browser does not say. */
async function isThere() {
  if (isOurs) return true;
  try {
    // Only where it was permitted before: nobody is asked for that after half a minute.
    const { state } = await navigator.permissions.query({ name: "clipboard-read" });
    if (state === "granted") return (await navigator.clipboard.readText()) === held;
  } catch {
    // This browser has no such permission, or the window is not in front.
  }
  return null;
}

/**
 * Take it off now, if it is known to be still there: what somebody copied meanwhile is left alone. Some browsers
 * let a page write only right after somebody did something on it: then the next such moment is taken.
 */
export async function clearClipboard() {
  if (!held) return;
  clearTimeout(timer);
  for (const moment of MOMENTS) window.removeEventListener(moment, clearClipboard);
  const found = await isThere();
  if (found) {
    try {
      await navigator.clipboard.writeText("");
      say("Clipboard cleared");
    } catch {
      for (const moment of MOMENTS) window.addEventListener(moment, clearClipboard);
      return;
    }
  } else if (found === null) {
    say("The clipboard may still hold what you copied: this page can't see it. Copy something else.");
  }
  held = "";
}
