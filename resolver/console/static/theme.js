// Light, dark, or as the system has it. The choice, and nothing else, is kept in this browser.

const NAME = "theme";
export const THEMES = ["system", "light", "dark"];

export function chosenTheme() {
  try {
    const kept = localStorage.getItem(NAME);
    return THEMES.includes(kept) ? kept : "system";
  } catch {
    return "system"; // a browser that lets pages keep nothing
  }
}

export function chooseTheme(name) {
  try {
    if (name === "system") localStorage.removeItem(NAME);
    else localStorage.setItem(NAME, name);
  } catch {
    // It counts until the page is loaded again.
  }
  apply(name);
}

function apply(name) {
  document.documentElement.dataset.theme = name;
}

apply(chosenTheme());
