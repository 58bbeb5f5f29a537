// The frame around the pages: who is signed in, in which tenant, and which page the address names.

import { page as account } from "./account.js";
import { ApiError, session, whenSignedOut, whenUnconfirmed } from "./api.js";
import { page as audit } from "./audit.js";
import { page as check } from "./check.js";
import { clearClipboard } from "./clipboard.js";
import { button, dialog, el, empty, problem, say } from "./dom.js";
import { Rights } from "./rules.js";
import { page as secrets } from "./secrets.js";
import { confirmAgain, signIn, signInAgain } from "./signin.js";
import { page as tenants } from "./tenants.js";
import { page as users } from "./users.js";
import { page as uses } from "./uses.js";

// All pages come at once: not every browser asks again for a module that it once failed to get.

const NO_TENANT = "-"; // can't be a tenant's name: those begin with a letter

const PAGES = [
  {
    name: "secrets",
    title: "Secrets",
    build: secrets,
    allowed: (rights, tenant) => rights.may("secret:list", tenant),
  },
  {
    name: "check",
    title: "Blueprint check",
    build: check,
    allowed: (rights, tenant) => rights.may("secret:list", tenant),
  },
  { name: "uses", title: "Uses", build: uses, allowed: (rights, tenant) => rights.may("audit:read", tenant) },
  {
    name: "audit",
    title: "Audit",
    build: audit,
    allowed: (rights, tenant) => rights.isAdmin || rights.may("audit:read", tenant),
  },
  { name: "tenants", title: "Tenants", build: tenants, allowed: (rights) => rights.tenants.length > 0 },
  { name: "users", title: "Users", build: users, allowed: (rights) => rights.isAdmin },
  { name: "account", title: "Account", build: account, allowed: () => true },
];

const main = document.getElementById("main");
const header = document.getElementById("header");
const nav = document.getElementById("nav");
const who = document.getElementById("who");
const otherPages = new BroadcastChannel("console"); // of the same browser; told of signing out, and nothing else

let rights = null;
let turn = 0;

function address() {
  const [tenant, page, ...rest] = location.hash.replace(/^#\//, "").split("/").map(decode);
  return { tenant: tenant || "", page: page || "", argument: rest.join("/") };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

function link(tenant, page, argument = "") {
  const parts = [tenant || NO_TENANT, page, argument].filter((part, index) => part || index < 2);
  return `#/${parts.map(encodeURIComponent).join("/")}`;
}

function put(...nodes) {
  main.replaceChildren(...nodes);
}

/** Show the page that the address names. What a page loads after another was chosen is dropped. */
async function show({ focus = true } = {}) {
  if (!rights) return;
  const mine = (turn += 1);
  const asked = address();
  const tenant = rights.tenants.includes(asked.tenant) ? asked.tenant : rights.tenants[0] || "";
  const allowed = PAGES.filter((page) => page.allowed(rights, tenant));
  const page = allowed.find((one) => one.name === asked.page) || allowed[0];
  if (tenant !== asked.tenant || page.name !== asked.page) {
    history.replaceState(null, "", link(tenant, page.name, page.name === asked.page ? asked.argument : ""));
  }
  frame(tenant, page, allowed);
  document.title = `${page.title} – Blueprint resolver`;
  const place = el("div", {}, el("p", { class: "quiet", role: "status" }, "Loading…"));
  put(place);
  if (focus) main.focus({ preventScroll: true });
  window.scrollTo(0, 0);
  const context = {
    rights,
    tenant,
    argument: asked.page === page.name ? asked.argument : "",
    isCurrent: () => mine === turn,
    link: (name, argument, other = tenant) => link(other, name, argument),
    go: (name, argument, other = tenant) => (location.hash = link(other, name, argument)),
    refresh,
  };
  try {
    const built = await page.build(context);
    if (context.isCurrent()) place.replaceChildren(...built.filter(Boolean));
  } catch (error) {
    if (context.isCurrent())
      place.replaceChildren(
        heading(page.title),
        problem(error),
        button("Try again", () => show()),
      );
  }
}

function heading(text) {
  return el("div", { class: "bar" }, el("h1", {}, text));
}

function frame(tenant, current, allowed) {
  header.hidden = false;
  nav.replaceChildren(
    ...allowed.map((page) =>
      el(
        "a",
        { href: link(tenant, page.name), "aria-current": page === current ? "page" : null },
        page.title,
      ),
    ),
  );
  const choice = el(
    "select",
    {
      "aria-label": "Tenant",
      class: "tenant",
      onchange: () => (location.hash = link(choice.value, current.name)),
    },
    ...rights.tenants.map((name) => el("option", { value: name, selected: name === tenant }, name)),
  );
  const role = rights.me.roles[tenant] || (rights.isAdmin ? "sys_admin" : "no tenant");
  who.replaceChildren(
    ...(rights.tenants.length > 0 ? [choice] : []),
    el("span", { class: "me" }, rights.me.username, el("span", { class: "quiet" }, ` ${role}`)),
    button("Sign out", signOut),
  );
}

async function signOut() {
  await clearClipboard();
  try {
    await session.close();
  } catch (error) {
    if (error.status !== 401) {
      say(`You are still signed in: ${error.message}`);
      return;
    }
  }
  otherPages.postMessage("signed out");
  location.hash = "";
  location.reload(); // nothing of what was shown stays in memory
}

/** Read again who is signed in and what may be done: after one's own rights or tenants changed. */
async function refresh() {
  rights = new Rights(await session.whoami());
  await show({ focus: false });
}

async function enter(options) {
  rights = new Rights(await session.whoami());
  await show(options);
}

async function askWho() {
  header.hidden = true;
  document.title = "Sign in – Blueprint resolver";
  put(await signIn(() => enter()));
  main.querySelector("input")?.focus();
}

whenSignedOut(async () => {
  const before = rights?.me.username;
  if (!before) return false;
  const now = await signInAgain(before);
  if (now && now !== before) location.reload(); // another person: nothing of what is on the screen is theirs
  return now === before;
});

whenUnconfirmed(async () => (await confirmAgain(rights?.me.username ?? "")) !== null);

// What was refused, or did not get through, where no page has a place of its own to tell it.
window.addEventListener("unhandledrejection", (event) => {
  if (!(event.reason instanceof ApiError)) return;
  event.preventDefault();
  dialog("That did not work", { fields: [problem(event.reason)] });
});

otherPages.addEventListener("message", () => location.reload());

// A browser may keep a page that one leaves, as it looks, and show it again when one comes back.
window.addEventListener("pagehide", () => {
  for (const open of document.querySelectorAll("dialog")) open.remove();
});
window.addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

window.addEventListener("hashchange", () => {
  // A dialog belongs to the page that it was opened on; the one that asks to sign in again stays.
  for (const open of document.querySelectorAll("dialog:not(.stays)")) open.close();
  show();
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the part of the address after # names the page
  main.focus();
});

async function start() {
  try {
    await session.resume();
  } catch (error) {
    if (error.status === 401) {
      await askWho();
      return;
    }
    put(empty("The server does not answer", error.message, button("Try again", start)));
    return;
  }
  try {
    await enter({ focus: false }); // the page was loaded: the tab key begins at its top
  } catch (error) {
    put(problem(error), button("Try again", start));
  }
}

await start();
