// The frame around the pages: who is signed in, in which tenant, and which page the address names.

import { page as access } from "./access.js";
import { page as account } from "./account.js";
import { ApiError, session, whenSignedOut, whenUnconfirmed, whenUsed } from "./api.js";
import { page as approvals } from "./approvals.js";
import { page as audit } from "./audit.js";
import { page as check } from "./check.js";
import { clearClipboard } from "./clipboard.js";
import {
  areUnsaved,
  button,
  closeDialogs,
  dialog,
  el,
  empty,
  icon,
  iconButton,
  problem,
  restart,
  say,
} from "./dom.js";
import { asksToFind, find } from "./finder.js";
import { page as overview } from "./overview.js";
import { comeBack } from "./provider.js";
import { Rights } from "./rules.js";
import { NO_KEY, page as secrets } from "./secrets.js";
import { confirmAgain, signIn, signInAgain } from "./signin.js";
import { page as tenants } from "./tenants.js";
import { page as trusts } from "./trusts.js";
import { page as users } from "./users.js";
import { page as uses } from "./uses.js";

// All pages come at once: not every browser asks again for a module that it once failed to get.

const NO_TENANT = "-"; // can't be a tenant's name: those begin with a letter

const PAGES = [
  {
    name: "overview",
    title: "Overview",
    build: overview,
    allowed: (rights, tenant) => rights.may("secret:list", tenant),
  },
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
  {
    name: "approvals",
    title: "Approvals",
    build: approvals,
    allowed: (rights, tenant) => rights.may("secret:use", tenant),
  },
  { name: "uses", title: "Uses", build: uses, allowed: (rights, tenant) => rights.may("audit:read", tenant) },
  {
    name: "audit",
    title: "Audit",
    build: audit,
    allowed: (rights, tenant) => rights.isAdmin || rights.may("audit:read", tenant),
  },
  { name: "trusts", title: "Trusts", build: trusts, allowed: (rights) => rights.tenants.length > 0 },
  { name: "tenants", title: "Tenants", build: tenants, allowed: (rights) => rights.tenants.length > 0 },
  { name: "users", title: "Users", build: users, allowed: (rights) => rights.isAdmin },
  {
    name: "access",
    title: "Access",
    build: access,
    allowed: (rights, tenant) => rights.may("audit:read", tenant),
    unlisted: true, // links of other pages lead there
  },
  { name: "account", title: "Account", build: account, allowed: () => true },
];

const main = document.getElementById("main");
const header = document.getElementById("header");
const nav = document.getElementById("nav");
const who = document.getElementById("who");
const pages = document.getElementById("pages"); // what opens the list of pages where there is no room for it
const otherPages = new BroadcastChannel("console"); // of the same browser; told of signing out, and nothing else

const WARNED_MS = 120_000;
const LOOKED_EVERY_MS = 5_000;

let rights = null;
let turn = 0;
let shownAddress = ""; // of the page that is on the screen
let finds = null; // opens what finds pages and secrets, from the page that is shown
let warning = null; // closes the dialog that warns of the session's end

function address() {
  const [path, query] = location.hash.replace(/^#\//, "").split("?");
  const [tenant, page, ...rest] = path.split("/").map(decode);
  return { tenant: tenant || "", page: page || "", argument: rest.join("/"), query: new URLSearchParams(query) };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

function link(tenant, page, argument = "", query = {}) {
  const parts = [tenant || NO_TENANT, page, argument].filter((part, index) => part || index < 2);
  const asked = new URLSearchParams(Object.entries(query).filter(([, value]) => value)).toString();
  return `#/${parts.map(encodeURIComponent).join("/")}${asked && `?${asked}`}`;
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
  const isAsked = tenant === asked.tenant && page.name === asked.page;
  if (!isAsked) history.replaceState(null, "", link(tenant, page.name)); // what it asked for is of another place
  shownAddress = location.hash;
  frame(tenant, page, allowed);
  const argument = isAsked ? asked.argument : "";
  document.title = `${argument ? `${argument} – ` : ""}${page.title} – Blueprint resolver`;
  const place = el("div", {}, el("p", { class: "quiet", role: "status" }, "Loading…"));
  put(...foreign(asked.tenant, tenant), place);
  if (focus) main.focus({ preventScroll: true });
  window.scrollTo(0, 0);
  const context = {
    rights,
    tenant,
    argument,
    query: isAsked ? asked.query : new URLSearchParams(),
    isCurrent: () => mine === turn,
    link: (name, more, query) => link(tenant, name, more, query),
    in: (of, name, more) => link(of, name, more),
    /** The page of a secret, in the tenant that it is acted on from. */
    at: (secret) => link(rights.from(secret, tenant), "secrets", secret.key),
    go: (name, more, query) => (location.hash = link(tenant, name, more, query)),
    /** Have the address say what is shown, so that it lasts; a page that was left says nothing. */
    remember(query) {
      if (mine !== turn) return;
      shownAddress = link(tenant, page.name, argument, query);
      history.replaceState(null, "", shownAddress);
    },
    refresh,
  };
  finds = () => find(placesFor(allowed, context), context);
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

/** What can be gone to: pages, and what is done on them. */
function placesFor(allowed, context) {
  const listed = allowed.filter((page) => !page.unlisted);
  const places = listed.map((page) => ({ title: page.title, kind: "page", href: context.link(page.name) }));
  if (context.rights.may("secret:create", context.tenant))
    places.push({ title: "Create secret", kind: "action", href: context.link("secrets", "", { create: NO_KEY }) });
  return places;
}

/** Says so where the address names a tenant that one has no role in: the page is of another one. */
function foreign(asked, tenant) {
  if (!asked || asked === tenant || asked === NO_TENANT) return [];
  const instead = tenant ? ` This is tenant ${tenant}.` : "";
  return [
    el(
      "div",
      { class: "notice", role: "status" },
      el("p", {}, `The address names tenant ${asked}, in which you have no role, or which does not exist.${instead}`),
    ),
  ];
}

function heading(text) {
  return el("div", { class: "bar" }, el("h1", {}, text));
}

function frame(tenant, current, allowed) {
  header.hidden = false;
  document.getElementById("footer").hidden = false;
  if (nav.matches(":popover-open")) nav.hidePopover();
  pages.replaceChildren(icon("list"), current.title);
  nav.replaceChildren(
    ...allowed.filter((page) => !page.unlisted).map((page) =>
      el(
        "a",
        { href: link(tenant, page.name), "aria-current": page === current ? "page" : null },
        page.title,
      ),
    ),
    el("span", { class: "me" }, `${rights.me.username} ${roleIn(tenant)}`),
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
  who.replaceChildren(
    ...(rights.tenants.length > 0 ? [choice] : []),
    el("span", { class: "me" }, rights.me.username, el("span", { class: "quiet" }, ` ${roleIn(tenant)}`)),
    iconButton("search", "Find pages and secrets (Ctrl-K)", () => finds?.(), { class: "quiet-button find" }),
    button("Sign out", signOut),
  );
}

const roleIn = (tenant) => rights.me.roles[tenant] || (rights.isAdmin ? "sys_admin" : "no tenant");

async function signOut() {
  if (!(await closeDialogs())) return;
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
  rights = null;
  location.hash = "";
  restart();
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

async function askWho(failed) {
  header.hidden = true;
  document.getElementById("footer").hidden = true;
  document.title = "Sign in – Blueprint resolver";
  put(await signIn(() => enter(), failed));
  main.querySelector(".providers button, input")?.focus();
}

whenSignedOut(async () => {
  const before = rights?.me.username;
  if (!before) return false;
  const now = await signInAgain(before);
  if (now && now !== before) restart(); // another person: nothing of what is on the screen is theirs
  return now === before;
});

whenUnconfirmed(async () => (await confirmAgain(rights?.me.username ?? "")) !== null);

// What was refused, or did not get through, where no page has a place of its own to tell it.
window.addEventListener("unhandledrejection", (event) => {
  if (!(event.reason instanceof ApiError)) return;
  event.preventDefault();
  dialog("That did not work", { fields: [problem(event.reason)] });
});

let toldAt = 0;
whenUsed(() => {
  if (Date.now() - toldAt < LOOKED_EVERY_MS) return;
  toldAt = Date.now();
  otherPages.postMessage({ used: toldAt });
});

otherPages.addEventListener("message", ({ data }) => {
  if (data.used) session.used(data.used);
  else restart();
});

/** Warn two minutes before the session ends, and take everything off the screen when it has. */
async function lookAtTheClock() {
  if (!rights) return;
  const { unused, latest } = session.ends();
  const left = unused - Date.now();
  if (left > WARNED_MS) {
    warning?.();
    warning = null;
    return;
  }
  if (left <= 0) await lock();
  else if (!warning) warn(unused >= latest);
}

function warn(isLast) {
  const text = isLast
    ? "A session lasts 12 hours at most. Store what you typed now; after that you sign in again."
    : "Nothing was asked of the server for a while. After that you sign in again.";
  dialog("You are signed out in two minutes", {
    fields: [el("p", {}, text)],
    action: "Stay signed in",
    stays: true,
    submit: isLast ? undefined : () => session.resume(),
    opened: (close) => (warning = close),
  }).then(() => (warning = isLast ? () => {} : null));
}

/** The session is over: what was shown goes, and what was typed waits unseen until the same person is back. */
async function lock() {
  const name = rights.me.username;
  rights = null;
  turn += 1;
  warning?.();
  warning = null;
  document.body.classList.add("locked"); // first: the line may be down, and the server slow
  put();
  if (!areUnsaved()) await closeDialogs({ asks: false });
  await clearClipboard();
  await session.close().catch(() => {});
  if (!areUnsaved()) {
    restart();
    return;
  }
  if ((await signInAgain(name)) !== name) {
    restart();
    return;
  }
  document.body.classList.remove("locked");
  await enter({ focus: false });
}

setInterval(lookAtTheClock, LOOKED_EVERY_MS);
document.addEventListener("visibilitychange", lookAtTheClock);

// A browser may keep a page that one leaves, as it looks, and show it again when one comes back.
window.addEventListener("pagehide", () => {
  for (const open of document.querySelectorAll("dialog")) open.remove();
});
window.addEventListener("pageshow", (event) => {
  if (event.persisted) restart();
});

// A dialog belongs to the page that it was opened on; the one that asks to sign in again stays.
window.addEventListener("hashchange", async () => {
  if (!rights) return;
  const wanted = location.hash;
  if (areUnsaved()) {
    history.pushState(null, "", shownAddress); // the page that one stays on until it is said what is to become of it
    if (!(await closeDialogs())) return;
    history.replaceState(null, "", wanted);
  } else await closeDialogs({ asks: false });
  await show();
});
document.addEventListener("keydown", (event) => {
  if (!rights || !asksToFind(event) || document.querySelector("dialog")) return;
  event.preventDefault();
  finds?.();
});
pages.addEventListener("click", () => nav.togglePopover());
nav.addEventListener("toggle", (event) => {
  pages.setAttribute("aria-expanded", String(event.newState === "open"));
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the part of the address after # names the page
  main.focus();
});

async function start() {
  try {
    if (!(await comeBack())) {
      put(empty("You are signed in", "You can close this window, and go on in the other one."));
      return;
    }
  } catch (error) {
    await askWho(error);
    return;
  }
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
