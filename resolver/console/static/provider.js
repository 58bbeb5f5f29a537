// Signing in by an OpenID provider: in this window from the page of that name, else in one in front of it.

import { session } from "./api.js";
import { el } from "./dom.js";

const finished = () => new BroadcastChannel("sign-in"); // between windows of this browser: that one has ended
const RETURN = "return"; // where one was going, for as long as this tab is away

/** How people sign in here; without an answer, by passwords. */
export async function ways() {
  try {
    return await session.ways();
  } catch {
    return { providers: [], passwords: true };
  }
}

/** A button for each provider; `act` gets the provider's name. */
export function providerButtons(providers, act) {
  return providers.map((one) =>
    el("button", { type: "button", onclick: () => act(one.name) }, `Sign in with ${one.label}`),
  );
}

/** Leave for the provider; the browser comes back to this page. */
export async function leaveFor(provider) {
  const url = await session.begin(provider, "open");
  sessionStorage.setItem(RETURN, location.hash);
  location.assign(url);
}

/**
 * Sign in by a provider in a window of its own, so that nothing on this page is lost. Resolves once that has ended
 * well; the caller says when to give up, by the signal.
 */
export async function signInBeside(provider, purpose, signal) {
  const beside = window.open("", "_blank", "popup,width=520,height=720"); // now: later the browser would not let it
  const channel = finished();
  try {
    const url = await session.begin(provider, purpose);
    const ended = new Promise((done, fail) => {
      channel.onmessage = (event) =>
        event.data.problem ? fail(new Error(event.data.problem)) : done(event.data.purpose);
      signal.addEventListener("abort", () => done(null));
    });
    if (!beside) throw new Error("the browser keeps windows closed: allow this page to open one");
    beside.location.replace(url);
    return (await ended) !== null;
  } catch (error) {
    beside?.close();
    throw error;
  } finally {
    channel.close();
  }
}

/** What the provider answered with this page's address; null when the page was opened in another way. */
function answered() {
  const given = new URLSearchParams(location.search);
  if (!given.has("state") && !given.has("error")) return null;
  const answer = {};
  for (const name of ["state", "code", "iss", "error"]) answer[name] = given.get(name) ?? "";
  return answer;
}

/**
 * End the sign-in that a provider sent the browser back from. True when this window goes on as a page; false when it
 * was one beside a page, which goes on instead. Codes leave the address before anything else happens.
 */
export async function comeBack() {
  const answer = answered();
  if (!answer) return true;
  const wanted = sessionStorage.getItem(RETURN) ?? "";
  sessionStorage.removeItem(RETURN);
  history.replaceState(null, "", location.pathname + wanted);
  const channel = finished();
  try {
    const purpose = await session.finish(answer);
    if (purpose === "open") return true;
    channel.postMessage({ purpose });
    window.close();
    return false;
  } catch (error) {
    channel.postMessage({ problem: error.message });
    throw error;
  } finally {
    channel.close();
  }
}
